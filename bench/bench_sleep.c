/* What one costs who sleeps, of very many: memory, time to start, time to wake when all are due at
 * once. Stackless tasks, tasks, and Go's goroutines where there is a Go. What is resident counts,
 * the sleepers' own structs included.
 *
 *     bench_sleep [sleepers [of Go and with stacks]] */

#include "bench.h"
#include "rival.h"
#include "usage.h"

#include <stdlib.h>
#include <weft.h>
#include <weft/stackless.h>

#define SLEEPERS   1000000
#define FEWER      100000 /* of those that take kilobytes each */
#define TARGET     150e6  /* bytes, of a million */
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

static void print(const char *name, long count, const struct cost *cost)
{
    printf("%-24s %9ld: %7.0f bytes, start %6.0f ns, wake %6.0f ns each\n", name, count,
           cost->bytes, cost->start, cost->wake);
}

static struct cost run(const char *name, long count, bool stackless)
{
    struct crowd crowd = { .count = count };
    crowd.list = stackless ? calloc((size_t)count, sizeof *crowd.list) : NULL;
    if (stackless && !crowd.list)
        exit(1);
    int err = weft_run(measure, &crowd);
    free(crowd.list);
    if (err < 0)
        printf("%-24s %9ld: %s\n", name, count, weft_error_text(err));
    else
        print(name, count, &crowd.cost);
    return crowd.cost;
}

static void run_rival(const char *name, long count)
{
    struct rival rival;
    rival_start(&rival, name, (const char *const[]){ RIVAL_GO, NULL });
    if (!rival.questions) {
        printf("%-24s not here\n", name);
        return;
    }
    struct cost cost = {
        .start = rival_ns(&(struct rival_run){ &rival, "sleep_start", count }),
        .bytes = rival_ns(&(struct rival_run){ &rival, "sleep_memory", count }),
        .wake = rival_ns(&(struct rival_run){ &rival, "sleep_wake", count }),
    };
    rival_stop(&rival);
    print(name, count, &cost);
}

static long number(int argc, char **argv, int at, long otherwise)
{
    long given = argc > at ? strtol(argv[at], NULL, 10) : 0;
    return given > 0 ? given : otherwise;
}

int main(int argc, char **argv)
{
    long count = number(argc, argv, 1, SLEEPERS), fewer = number(argc, argv, 2, FEWER);
    bench_pin(-1);
    bench_title_print("bench_sleep", NULL);
    struct cost cost = run("stackless", count, true);
    bench_target_print("a million of them in at most 150 MB", cost.bytes * 1e6 <= TARGET);
    run("stackless", fewer, true);
    run_rival("goroutines", fewer);
    run("tasks", fewer / 10, false);
    return 0;
}
