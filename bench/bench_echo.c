/* An echo server on weft beside an epoll loop by hand: what a request costs the server's process in
 * CPU time, user and system. Each server has a CPU to itself, the clients (load.h) another one.
 *
 *     bench_echo [pairs]
 *     bench_echo weft | raw        serve until interrupted, for strace and perf; prints the port */

#include "bench.h"
#include "floor/echo_epoll.h"
#include "side.h"

#include <string.h>
#include <weft.h>

#define REQUESTS 6000 /* in a run: some 50 ms */

static int serve(void *listener)
{
    return weft_serve_on(listener, side_echo);
}

static void echo_weft(struct server_ends ends)
{
    server_on_weft(ends, serve);
}

static void measure(int connections, size_t size, int pairs, bool has_target)
{
    struct side weft, raw;
    char name[64];
    snprintf(name, sizeof name, "%zu B, %d connections", size, connections);
    side_open(&weft, "weft", echo_weft, connections, size, REQUESTS);
    side_open(&raw, "raw epoll", echo_epoll, connections, size, REQUESTS);

    struct bench_side ours = { name, side_cpu_us, &weft },
                      floor = { "raw epoll", side_cpu_us, &raw };
    uint64_t before = server_ask(&weft.server).calls;
    struct bench_result r = bench_compare_print(&ours, &floor, pairs, "us");
    double requests = REQUESTS * (1.0 + pairs); /* bench_compare() warms up with one run */
    double calls = (double)(server_ask(&weft.server).calls - before) / requests;
    printf("%-28s %9.2f system calls per request\n", "", calls);
    if (has_target) {
        bench_target_print("<= 1.08x", r.ratio.value <= 1.08);
        bench_target_print("<= 2.2 system calls", calls <= 2.2);
    }
    side_close(&weft);
    side_close(&raw);
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
