#include "contest.h"

#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WARM_UPS 5 /* runs, in which pools grow to what the crowd ever needs at one time */

/* A contestant in the ring. */
struct runner {
    const struct contest *contest;
    const struct contestant *who;
    struct server server;
    struct bench_load *load;     /* NULL: it is not here */
    struct server_report before; /* ours: when the row began */
    double sent, seconds;        /* since then */
};

/* Microseconds of CPU for a request. */
static double run(struct runner *runner, double rate)
{
    const struct contest *contest = runner->contest;
    double before = server_cpu_ns(&runner->server);
    const struct load_result *result = bench_load_run(runner->load, contest->requests, rate);
    runner->sent += (double)result->measures.answered;
    runner->seconds += (double)result->measures.answered / result->achieved;
    return (server_cpu_ns(&runner->server) - before) / (1e3 * (double)result->measures.answered);
}

static double run_full(void *runner)
{
    return run(runner, 0);
}

static double run_at_rate(void *arg)
{
    struct runner *runner = arg;
    return run(runner, runner->contest->rate);
}

static void enter(struct runner *runner, const struct contest *contest,
                  const struct contestant *who)
{
    *runner = (struct runner){ .contest = contest, .who = who };
    server_start(&runner->server, who->name, who->body);
    if (runner->server.port == SERVER_NOT_HERE)
        return;
    runner->load = bench_load_open(runner->server.port, &contest->ask);
    for (int i = 0; i < WARM_UPS; i++)
        bench_load_run(runner->load, contest->requests, 0);
}

static void leave(struct runner *runner)
{
    if (runner->load)
        bench_load_end(runner->load);
    server_stop(&runner->server);
}

/* Ours and the floor's have to be as long. */
static void compare_answers(const struct runner *ours, const struct runner *floor)
{
    size_t our_size = bench_load_answer_size(ours->load),
           floor_size = bench_load_answer_size(floor->load);
    if (our_size != floor_size)
        bench_note("answers of different size, %zu and %zu bytes", our_size, floor_size);
}

static void note_counts(const struct runner *ours)
{
    if (ours->contest->tells_nothing)
        return;
    struct server_report after = server_ask(&ours->server);
    bench_note("%.2f system calls, %.4f allocations per request, %.0f requests a second",
               (double)(after.calls - ours->before.calls) / ours->sent,
               (double)(after.allocations - ours->before.allocations) / ours->sent,
               ours->sent / ours->seconds);
}

static void measure(const char *row, struct runner *runners, int count, double (*go)(void *runner))
{
    struct bench_side sides[CONTESTANTS_MAX + 1] = { { .name = NULL } };
    if (!bench_wants(row))
        return;
    for (int i = 0; i < count; i++)
        sides[i] = (struct bench_side){ runners[i].who->name, runners[i].who->what,
                                        runners[i].load ? go : NULL, &runners[i] };
    if (!runners[0].contest->tells_nothing)
        runners[0].before = server_ask(&runners[0].server);
    runners[0].sent = runners[0].seconds = 0;
    bench_row(row, "us", sides);
    note_counts(&runners[0]);
}

/* How many of them can have their connections, for which both ends count in turn. */
static int count_contestants(const struct contest *contest)
{
    unsigned long each = (unsigned long)contest->ask.connections + 100;
    int count = 0;
    while (contest->contestants[count].name && server_allow((unsigned long)(count + 1) * each))
        count++;
    if (contest->contestants[count].name)
        bench_note("not enough descriptors for %s", contest->contestants[count].name);
    return count;
}

void contest_run(const struct contest *contest)
{
    struct runner runners[CONTESTANTS_MAX];
    char full[64];
    snprintf(full, sizeof full, "%s/full", contest->name);
    if (!bench_wants(full) && !(contest->rate > 0 && bench_wants(contest->name)))
        return;
    int count = count_contestants(contest);
    for (int i = 0; i < count; i++)
        enter(&runners[i], contest, &contest->contestants[i]);
    if (count > 1 && runners[1].load)
        compare_answers(&runners[0], &runners[1]);
    if (contest->rate > 0)
        measure(contest->name, runners, count, run_at_rate);
    measure(full, runners, count, run_full);
    struct ceiling ceiling = bench_load_ceiling(runners[0].load);
    bench_note("the generator's ceiling: %.0f requests a second, %.2f us of its CPU each",
               ceiling.rate, ceiling.cpu_ns / 1e3);
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
