/* An echo server on weft beside an epoll loop by hand: what a request costs the server's process in
 * CPU time, user and system. Each server has a CPU to itself, the clients (load.h) another one.
 *
 *     bench_echo [pairs]
 *     bench_echo weft | raw        serve until interrupted, for strace and perf; prints the port */

#include "bench.h"
#include "floor/echo_epoll.h"
#include "load.h"
#include "server.h"

#include <string.h>
#include <weft.h>

#define REQUESTS 6000 /* in a run: some 50 ms */

static int echo(weft_stream *client, void *arg)
{
    (void)arg;
    char buffer[4096];
    ssize_t n;

    while ((n = weft_read(client, buffer, sizeof buffer)) > 0) {
        int err = weft_write(client, buffer, (size_t)n);
        if (err < 0)
            return err;
    }
    return (int)n;
}

static int serve(void *listener)
{
    return weft_serve_on(listener, echo);
}

static void echo_weft(struct server_ends ends)
{
    server_on_weft(ends, serve);
}

struct side {
    struct server server;
    struct load *load;
};

/* Microseconds of the server's CPU per request. */
static double run(void *arg)
{
    struct side *side = arg;
    double before = server_cpu_ns(&side->server);
    load_run(side->load, REQUESTS);
    return (server_cpu_ns(&side->server) - before) / (1e3 * REQUESTS);
}

static void open_side(struct side *side, const char *name, void (*body)(struct server_ends ends),
                      int connections, size_t size)
{
    static char request[4096];
    memset(request, 'x', sizeof request);
    server_start(&side->server, name, body);
    side->load = load_open(side->server.port, connections, request, size, NULL);
    load_run(side->load, REQUESTS);
}

static void close_side(struct side *side)
{
    load_close(side->load);
    server_stop(&side->server);
}

static void measure(int connections, size_t size, int pairs, bool has_target)
{
    struct side weft, raw;
    char name[64];
    snprintf(name, sizeof name, "%zu B, %d connections", size, connections);
    open_side(&weft, "weft", echo_weft, connections, size);
    open_side(&raw, "raw epoll", echo_epoll, connections, size);

    struct bench_side ours = { name, run, &weft }, floor = { "raw epoll", run, &raw };
    uint64_t before = server_ask(&weft.server).calls;
    struct bench_result r = bench_compare_print(&ours, &floor, pairs, "us");
    double requests = REQUESTS * (1.0 + pairs); /* bench_compare() warms up with one run */
    double calls = (double)(server_ask(&weft.server).calls - before) / requests;
    printf("%-28s %9.2f system calls per request\n", "", calls);
    if (has_target) {
        bench_target_print("<= 1.08x", r.ratio.value <= 1.08);
        bench_target_print("<= 2.2 system calls", calls <= 2.2);
    }
    close_side(&weft);
    close_side(&raw);
}

static int only_serve(void (*body)(struct server_ends ends))
{
    struct server server;
    server_start(&server, "server", body);
    printf("process %d, port %d\n", (int)server.process, server.port);
    fflush(stdout);
    pause();
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "weft") == 0)
        return only_serve(echo_weft);
    if (argc > 1 && strcmp(argv[1], "raw") == 0)
        return only_serve(echo_epoll);

    int pairs = bench_pairs(argc, argv);
    bench_title_print("bench_echo, CPU of the server per request", "epoll");
    bench_pin(0);
    measure(64, 64, pairs, true);
    measure(8, 64, pairs, false);
    measure(512, 64, pairs, false);
    measure(64, 1024, pairs, false);
    measure(8, 1024, pairs, false);
    measure(512, 1024, pairs, false);
    return 0;
}
