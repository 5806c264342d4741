/* How long an answer takes over the load that is offered: the 99th percentile of an HTTP hello, at
 * rates from little to what the server can hardly do, from the times that were fixed beforehand.
 * The rows are named latency/SERVER/RATE. At each rate the servers take turns, five of half a
 * second each, and the median of their percentiles counts; one that cannot keep up is saturated,
 * and asked no more.
 *
 *     bench_latency [--help] */

#include "bench.h"
#include "contest.h"
#include "floor/http_epoll.h"
#include "hello.h"
#include "peers/nginx.h"
#include "peers/servers.h"

#include <stdio.h>

#define STEP   10000
#define STEPS  14
#define REPEAT 5

static const struct bench_ask ask = {
    .scheme = "http",
    .path = "/hello",
    .connections = 64,
};

struct runner {
    const char *name;
    void (*body)(struct server_ends ends);
    struct server server;
    struct bench_load *load; /* NULL: it is not here, or has fallen behind */
    double p99[REPEAT];
    int slow; /* runs in which it fell behind */
};

static struct runner runners[] = {
    { .name = "weft", .body = http_weft },
    { .name = "floor", .body = http_epoll },
    { .name = "nginx", .body = http_nginx },
    { .name = "go", .body = peer_go_http },
};

#define RUNNERS (sizeof runners / sizeof runners[0])

static const char *row_of(const struct runner *runner, int rate)
{
    static char row[64];
    snprintf(row, sizeof row, "latency/%s/%d", runner->name, rate);
    return row;
}

static bool is_asked(const struct runner *runner)
{
    bool asked = false;
    for (int step = 1; step <= STEPS; step++)
        asked |= bench_wants(row_of(runner, step * STEP));
    return asked;
}

static void start(struct runner *runner)
{
    if (!is_asked(runner))
        return;
    server_start(&runner->server, runner->name, runner->body);
    if (runner->server.port == SERVER_NOT_HERE)
        bench_note("SKIP: %s is not here", runner->name);
    else
        runner->load = bench_load_open(runner->server.port, &ask);
    if (!runner->load)
        server_stop(&runner->server);
}

static void stop(struct runner *runner)
{
    if (!runner->load)
        return;
    bench_load_end(runner->load);
    server_stop(&runner->server);
    runner->load = NULL;
}

static void run(struct runner *runner, int rate, int turn)
{
    if (!runner->load || !bench_wants(row_of(runner, rate)))
        return;
    const struct load_result *result = bench_load_run(runner->load, rate / 2, rate);
    runner->p99[turn] = (double)durations_quantile(&result->measures.from_due, 0.99) / 1e3;
    runner->slow += result->achieved < 0.98 * rate;
}

static int compare(const void *left, const void *right)
{
    double l = *(const double *)left, r = *(const double *)right;
    return (l > r) - (l < r);
}

static void say(struct runner *runner, int rate)
{
    if (!runner->load || !bench_wants(row_of(runner, rate)))
        return;
    qsort(runner->p99, REPEAT, sizeof *runner->p99, compare);
    if (runner->slow > REPEAT / 2) {
        bench_note("%s: saturated", row_of(runner, rate));
        stop(runner);
    } else {
        bench_value(row_of(runner, rate), "us", runner->p99[REPEAT / 2]);
    }
    runner->slow = 0;
}

/* Each turn in the reverse order of the one before. */
static void measure(int rate)
{
    for (int turn = 0; turn < REPEAT; turn++)
        for (size_t i = 0; i < RUNNERS; i++)
            run(&runners[turn % 2 == 0 ? i : RUNNERS - 1 - i], rate, turn);
    for (size_t i = 0; i < RUNNERS; i++)
        say(&runners[i], rate);
}

int main(int argc, char **argv)
{
    bench_begin("latency", argc, argv);
    bench_pin(0);
    for (size_t i = 0; i < RUNNERS; i++)
        start(&runners[i]);
    for (int rate = STEP; rate <= STEPS * STEP; rate += STEP)
        measure(rate);
    for (size_t i = 0; i < RUNNERS; i++)
        stop(&runners[i]);
    return bench_end();
}
