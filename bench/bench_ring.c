/* Our two drivers beside each other, and beside the ring and the epoll loop by hand: the same echo
 * server, what a request costs its process in CPU time, user and system.
 *
 *     bench_ring [--help]
 *     bench_ring weft | epoll | …        serve until interrupted, for strace and perf; prints its
 *                                        process and its port */

#include "bench.h"
#include "contest.h"
#include "echo.h"
#include "floor/echo_epoll.h"
#include "floor/echo_uring.h"

#include <string.h>

static bool large; /* messages of up to 16 KiB */

static void echo_by_ring(struct server_ends ends)
{
    echo_weft_by("uring", large, ends);
}

static void echo_by_epoll(struct server_ends ends)
{
    echo_weft_by("epoll", large, ends);
}

static const struct contestant contestants[] = {
    { "weft", "on io_uring", echo_by_ring },
    { "epoll", "weft on epoll", echo_by_epoll },
    { "raw", "an io_uring loop", echo_uring },
    { "floor", "an epoll loop", echo_epoll },
    { NULL, NULL, NULL },
};

int main(int argc, char **argv)
{
    static const int crowds[] = { 1, 8, 64, 512, 4096 };
    for (int i = 0; argc > 1 && contestants[i].name; i++)
        if (strcmp(argv[1], contestants[i].name) == 0)
            return contest_only_serve(contestants[i].body);
    bench_begin("ring", argc, argv);
    bench_pin(0);
    for (size_t i = 0; i < sizeof crowds / sizeof crowds[0]; i++) {
        large = false;
        echo_contest("ring/64B", contestants, 64, crowds[i]);
        echo_contest("ring/1KiB", contestants, 1024, crowds[i]);
        large = true;
        echo_contest("ring/16KiB", contestants, 16384, crowds[i]);
    }
    return bench_end();
}
