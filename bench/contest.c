#include "contest.h"

#include "bench.h"
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WARM_UPS 5 /* runs, in which pools grow to what the crowd ever needs at one time */

/* A contestant in the ring. */
struct runner {
    const struct contest *contest;
    const struct contestant *who;
    struct server server;
    struct load *load;
    struct server_report before; /* ours: when the row began */
    long sent;                   /* since then */
};

static double cost_of(struct runner *runner,
                      void (*run)(struct load *load, const struct contest *contest))
{
    const struct contest *contest = runner->contest;
    double before = server_cpu_ns(&runner->server);
    run(runner->load, contest);
    runner->sent += contest->requests;
    return (server_cpu_ns(&runner->server) - before) /
           (1e3 * (double)contest->requests * contest->answers);
}

static void go_full(struct load *load, const struct contest *contest)
{
    load_run(load, contest->requests);
}

static double run_full(void *runner)
{
    return cost_of(runner, go_full);
}

static void enter(struct runner *runner, const struct contest *contest,
                  const struct contestant *who)
{
    *runner = (struct runner){ .contest = contest, .who = who };
    server_start(&runner->server, who->name, who->body);
    if (runner->server.port == SERVER_NOT_HERE)
        return;
    runner->load = load_open(runner->server.port, contest->connections, contest->request,
                             contest->request_size, contest->is_whole);
    for (int i = 0; i < WARM_UPS; i++)
        load_run(runner->load, contest->requests);
}

static void leave(struct runner *runner)
{
    if (runner->load)
        load_close(runner->load);
    server_stop(&runner->server);
}

/* Ours and the floor's have to be as long. */
static void compare_answers(const struct runner *ours, const struct runner *floor)
{
    size_t our_size, floor_size;
    const char *answer = load_answer(ours->load, &our_size);
    load_answer(floor->load, &floor_size);
    if (our_size != floor_size)
        bench_note("answers of different size, %zu and %zu bytes:\n%s", our_size, floor_size,
                   answer);
}

static void note_counts(const struct runner *ours)
{
    struct server_report after = server_ask(&ours->server);
    double count = (double)ours->sent * ours->contest->answers;
    bench_note("%.2f system calls, %.4f allocations per request",
               (double)(after.calls - ours->before.calls) / count,
               (double)(after.allocations - ours->before.allocations) / count);
}

static void measure(const char *row, struct runner *runners, int count, double (*run)(void *runner))
{
    struct bench_side sides[CONTESTANTS_MAX + 1] = { { .name = NULL } };
    for (int i = 0; i < count; i++)
        sides[i] = (struct bench_side){ runners[i].who->name, runners[i].who->what,
                                        runners[i].load ? run : NULL, &runners[i] };
    runners[0].before = server_ask(&runners[0].server);
    runners[0].sent = 0;
    bench_row(row, "us", sides);
    note_counts(&runners[0]);
}

void contest_run(const struct contest *contest)
{
    struct runner runners[CONTESTANTS_MAX];
    char full[64];
    int count = 0;
    snprintf(full, sizeof full, "%s/full", contest->name);
    if (!bench_wants(full))
        return;
    unsigned long each = (unsigned long)contest->connections + 100;
    if (!server_allow(CONTESTANTS_MAX * each))
        bench_note("too few descriptors for all of them");
    for (; contest->contestants[count].name && server_allow((unsigned long)(count + 1) * each);
         count++)
        enter(&runners[count], contest, &contest->contestants[count]);
    if (count > 1 && runners[1].load)
        compare_answers(&runners[0], &runners[1]);
    measure(full, runners, count, run_full);
    for (int i = 0; i < count; i++)
        leave(&runners[i]);
}

int contest_only_serve(void (*body)(struct server_ends ends))
{
    struct server server;
    server_start(&server, "server", body);
    printf("process %d, port %d\n", (int)server.process, server.port);
    fflush(stdout);
    pause();
    return 0;
}
