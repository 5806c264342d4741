/* What one costs who sleeps, of very many: memory, time to start, time to wake when all are due at
 * once. Stackless tasks, tasks, and Go's goroutines where there is a Go. What is resident counts,
 * the sleepers' own structs included.
 *
 *     bench_sleep [--size SLEEPERS]        a tenth of it of goroutines, a hundredth of tasks */

#include "bench.h"
#include "peers/peer.h"
#include "usage.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <weft.h>
#include <weft/stackless.h>

#define SLEEPERS   1000000
#define SLEEP_TIME (3 * WEFT_SECOND)

struct cost {
    double start, wake; /* ns for one */
    double bytes;       /* of one */
};

struct sleeper {
    weft_stackless self;
    int64_t until;
};

struct crowd {
    long count;
    struct sleeper *list; /* NULL: tasks */
    struct cost cost;
};

static double resident(void)
{
    return (double)usage_of(getpid()).resident;
}

static int woken(weft_stackless *self, int64_t result)
{
    (void)self;
    return (int)result;
}

static int sleep_once(weft_stackless *self, int64_t result)
{
    (void)result;
    return weft_then_sleep_until(self, weft_stackless_of(self, struct sleeper, self)->until, woken);
}

static const weft_stackless_kind kind = WEFT_STACKLESS(sleep_once, NULL);

static int sleep_with_stack(void *until)
{
    return weft_sleep_until(*(int64_t *)until);
}

static void start(weft_scope *scope, struct crowd *crowd, int64_t *until)
{
    for (long i = 0; i < crowd->count; i++) {
        if (!crowd->list) {
            weft_spawn(scope, sleep_with_stack, until);
            continue;
        }
        crowd->list[i].until = *until;
        weft_stackless_spawn(scope, &crowd->list[i].self, &kind);
    }
}

static int measure(void *arg)
{
    struct crowd *crowd = arg;
    double count = (double)crowd->count, before = resident();
    int64_t begin = weft_now(), until = begin + SLEEP_TIME;
    weft_scope scope;
    weft_scope_begin(&scope);
    start(&scope, crowd, &until);
    weft_sleep(0); /* all have begun */
    crowd->cost.start = (double)(weft_now() - begin) / count;
    crowd->cost.bytes = (resident() - before) / count;
    int err = weft_scope_end(&scope);
    crowd->cost.wake = (double)(weft_now() - until) / count;
    return err;
}

static void print(const char *name, const struct cost *cost)
{
    char row[48];
    snprintf(row, sizeof row, "sleep/%s/bytes", name);
    bench_value(row, "B", cost->bytes);
    snprintf(row, sizeof row, "sleep/%s/start", name);
    bench_value(row, "ns", cost->start);
    snprintf(row, sizeof row, "sleep/%s/wake", name);
    bench_value(row, "ns", cost->wake);
}

static void run(const char *name, long count, bool stackless)
{
    struct crowd crowd = { .count = count };
    crowd.list = stackless ? calloc((size_t)count, sizeof *crowd.list) : NULL;
    if (stackless && !crowd.list)
        exit(1);
    int err = weft_run(measure, &crowd);
    free(crowd.list);
    if (err < 0)
        bench_note("%s, %ld: %s", name, count, weft_error_text(err));
    else
        print(name, &crowd.cost);
}

static void run_peer(const char *name, long count)
{
    struct peer peer;
    peer_start(&peer, name, (const char *const[]){ PEER_TASKS_GO, NULL });
    if (!peer_is_here(&peer)) {
        bench_note("SKIP: go is not here");
        return;
    }
    struct cost cost = {
        .start = peer_ns(&(struct peer_run){ &peer, "sleep_start", count }),
        .bytes = peer_ns(&(struct peer_run){ &peer, "sleep_memory", count }),
        .wake = peer_ns(&(struct peer_run){ &peer, "sleep_wake", count }),
    };
    peer_stop(&peer);
    print(name, &cost);
}

int main(int argc, char **argv)
{
    bench_begin("sleep", argc, argv);
    bench_pin(-1);
    long count = bench_size(SLEEPERS);
    run("stackless", count, true);
    run_peer("go", count / 10);
    run("task", count / 100, false);
    return bench_end();
}
