#include "contest.h"

#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WARM_UPS     5    /* runs, in which pools grow to what the crowd ever needs at one time */
#define REACHED      0.98 /* of its rate; below it a server is saturated */
#define CEILINGS     3
#define SPARE        100  /* descriptors that are not connections */
#define CLIENT_BOUND 0.70 /* of the ceiling; above it the generator holds a server up */

/* A contestant in the ring, or before it. */
struct runner {
    const struct contest *contest;
    const struct contestant *who;
    struct server server;
    struct bench_load *load;     /* NULL: it is not here, … */
    const char *lacks;           /* … for lack of this; NULL: it is not on this machine */
    struct server_report before; /* ours: when the row began */
    double sent, seconds;        /* since then */
    double full;                 /* requests a second, as fast as it goes; 0: not measured */
};

/* Microseconds of CPU for a request. */
static double run(struct runner *runner, double rate)
{
    const struct contest *contest = runner->contest;
    double before = server_cpu_ns(&runner->server);
    const struct load_result *result = bench_load_run(runner->load, contest->requests, rate);
    runner->sent += (double)result->measures.answered;
    runner->seconds += (double)result->measures.answered / result->achieved;
    if (result->achieved < REACHED * rate)
        bench_saturated();
    return (server_cpu_ns(&runner->server) - before) / (1e3 * (double)result->measures.answered);
}

static double run_full(void *arg)
{
    struct runner *runner = arg;
    double cost = run(runner, 0);
    runner->full = runner->sent / runner->seconds;
    return cost;
}

static double run_at_rate(void *arg)
{
    struct runner *runner = arg;
    return run(runner, runner->contest->rate);
}

static void enter(struct runner *runner)
{
    const struct contest *contest = runner->contest;
    if (runner->lacks || runner->server.port == SERVER_NOT_HERE)
        return;
    if (contest->before) /* who opens has asked */
        bench_load_end(bench_load_open(runner->server.port, contest->before));
    runner->load = bench_load_open(runner->server.port, &contest->ask);
    for (int i = 0; i < WARM_UPS; i++)
        bench_load_run(runner->load, contest->requests, 0);
}

/* Who is left out for lack of something was never started. */
static void leave(struct runner *runner)
{
    if (runner->load)
        bench_load_end(runner->load);
    if (!runner->lacks)
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
    bench_note("%.0f KiB lent, %.0f KiB pinned", (double)after.lent / 1024,
               (double)after.pinned / 1024);
}

static void note_memory(const struct runner *runners, int count)
{
    for (int i = 0; i < count; i++)
        if (runners[i].load)
            bench_memory(runners[i].who->name, server_resident(&runners[i].server));
}

static struct bench_side side_of(struct runner *runner, double (*go)(void *runner))
{
    return (struct bench_side){ .name = runner->who->name,
                                .what = runner->lacks ? runner->lacks : runner->who->what,
                                .run = runner->load ? go : NULL,
                                .arg = runner };
}

static void measure(const char *row, struct runner *runners, int count, double (*go)(void *runner))
{
    struct bench_side sides[CONTESTANTS_MAX + 1] = { { .name = NULL } };
    if (!bench_wants(row))
        return;
    for (int i = 0; i < count; i++) {
        sides[i] = side_of(&runners[i], go);
        runners[i].sent = runners[i].seconds = 0;
    }
    if (!runners[0].contest->tells_nothing)
        runners[0].before = server_ask(&runners[0].server);
    bench_row(row, "us", sides);
    note_counts(&runners[0]);
    note_memory(runners, count);
}

/* All servers are started before there is a client: they inherit the memory of the bench. Of
 * descriptors those here are what counts, for a server has but its own. */
static int line_up(struct runner *runners, const struct contest *contest)
{
    int count = 0;
    for (const struct contestant *who = contest->contestants; who->name; who++, count++) {
        unsigned long clients = (unsigned long)((count + 1) * contest->ask.connections);
        runners[count] = (struct runner){ .contest = contest, .who = who };
        if (!server_allow(clients + SPARE))
            runners[count].lacks = "too few descriptors";
        else
            server_start(&runners[count].server, who->name, who->body);
    }
    return count;
}

/* As many clients as one side has, to a server that does nothing: the best of some, for nothing
 * makes the generator quicker than it is. */
static struct ceiling find_ceiling(struct bench_load *load)
{
    struct ceiling best = bench_load_ceiling(load);
    for (int i = 1; i < CEILINGS; i++) {
        struct ceiling other = bench_load_ceiling(load);
        if (other.rate > best.rate)
            best = other;
    }
    return best;
}

static void note_ceiling(const struct runner *runners, int count)
{
    struct ceiling ceiling = find_ceiling(runners[0].load);
    bench_note("the generator's ceiling: %.0f requests a second, %.2f us of its CPU each",
               ceiling.rate, ceiling.cpu_ns / 1e3);
    for (int i = 0; i < count; i++)
        if (runners[i].full > CLIENT_BOUND * ceiling.rate)
            bench_note("client-bound: %s, at %.0f %% of the ceiling", runners[i].who->name,
                       100 * runners[i].full / ceiling.rate);
}

void contest_run(const struct contest *contest)
{
    struct runner runners[CONTESTANTS_MAX];
    char full[64];
    snprintf(full, sizeof full, "%s/full", contest->name);
    if (!bench_wants(full) && !(contest->rate > 0 && bench_wants(contest->name)))
        return;
    int count = line_up(runners, contest);
    for (int i = 0; i < count; i++)
        enter(&runners[i]);
    if (count > 1 && runners[1].load)
        compare_answers(&runners[0], &runners[1]);
    if (contest->rate > 0)
        measure(contest->name, runners, count, run_at_rate);
    measure(full, runners, count, run_full);
    for (int i = 1; i < count; i++)
        leave(&runners[i]);
    note_ceiling(runners, count);
    leave(&runners[0]);
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
