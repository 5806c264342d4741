/* How long an answer takes over the load that is offered: the 99th percentile of an HTTP hello, at
 * rates from little to what the server can hardly do, from the times that were fixed beforehand.
 * The rows are named latency/SERVER/RATE; a server is asked no more once it cannot keep up.
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

static int compare(const void *left, const void *right)
{
    double l = *(const double *)left, r = *(const double *)right;
    return (l > r) - (l < r);
}

/* Microseconds, the median of some runs of half a second; below 0: it cannot keep up. */
static double measure(struct bench_load *load, double rate)
{
    double p99[REPEAT];
    int slow = 0;
    for (int i = 0; i < REPEAT; i++) {
        const struct load_result *result = bench_load_run(load, (long)(rate / 2), rate);
        p99[i] = (double)durations_quantile(&result->measures.from_due, 0.99) / 1e3;
        slow += result->achieved < 0.98 * rate;
    }
    qsort(p99, REPEAT, sizeof *p99, compare);
    return slow > REPEAT / 2 ? -1 : p99[REPEAT / 2];
}

static void measure_server(const char *name, void (*body)(struct server_ends ends))
{
    struct server server;
    char row[64];
    snprintf(row, sizeof row, "latency/%s/%d", name, STEP);
    if (!bench_wants(row))
        return;
    server_start(&server, name, body);
    struct bench_load *load =
        server.port == SERVER_NOT_HERE ? NULL : bench_load_open(server.port, &ask);
    double us = load ? 0 : -1;
    for (int step = 1; step <= STEPS && us >= 0; step++) {
        us = measure(load, step * STEP);
        snprintf(row, sizeof row, "latency/%s/%d", name, step * STEP);
        if (us >= 0)
            bench_value(row, "us", us);
    }
    if (load)
        bench_load_end(load);
    else
        bench_note("SKIP: %s is not here", name);
    server_stop(&server);
}

int main(int argc, char **argv)
{
    bench_begin("latency", "epoll", argc, argv);
    bench_pin(0);
    measure_server("weft", http_weft);
    measure_server("floor", http_epoll);
    measure_server("nginx", http_nginx);
    measure_server("go", peer_go_http);
    return bench_end();
}
