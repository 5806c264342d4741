/* An echo server on weft beside loops by hand, and beside libuv, Go and asyncio: what a request
 * costs the server's process in CPU time, user and system.
 *
 *     bench_echo [--help]
 *     bench_echo weft | floor | …        serve until interrupted, for strace and perf; prints its
 *                                        process and its port */

#include "bench.h"
#include "contest.h"
#include "echo.h"
#include "floor/echo_epoll.h"
#include "floor/echo_uring.h"
#include "peers/servers.h"

#include <string.h>
#include <weft.h>

static const struct contestant contestants[] = {
    { "weft", NULL, echo_weft },
    { "floor", "an epoll loop", echo_epoll },
    { "uv", "libuv", peer_uv_echo },
    { "go", NULL, peer_go_echo },
    { "asyncio", "asyncio's streams", peer_asyncio_echo },
    { "buffered", "asyncio's BufferedProtocol", peer_asyncio_buffered_echo },
    { "uring", "an io_uring loop", echo_uring },
    { NULL, NULL, NULL },
};

int main(int argc, char **argv)
{
    static const int crowds[] = { 1, 8, 64, 512, 4096 };
    for (int i = 0; argc > 1 && contestants[i].name; i++)
        if (strcmp(argv[1], contestants[i].name) == 0)
            return contest_only_serve(contestants[i].body);
    bench_begin("echo", argc, argv);
    bench_pin(0);
    for (size_t i = 0; i < sizeof crowds / sizeof crowds[0]; i++) {
        echo_contest("echo/64B", contestants, 64, crowds[i]);
        echo_contest("echo/1KiB", contestants, 1024, crowds[i]);
    }
    return bench_end();
}
