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

#include <stdio.h>
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

static void measure(const char *size_name, size_t size, int connections)
{
    static char bytes[16384];
    char name[64];
    memset(bytes, 'x', sizeof bytes);
    snprintf(name, sizeof name, "echo/%s/%d", size_name, connections);
    contest_run(&(struct contest){ .name = name,
                                   .ask = { .scheme = "echo",
                                            .request = { .body = bytes, .body_size = size },
                                            .connections = connections },
                                   .requests = connections < 1000 ? 4000 : 4L * connections,
                                   .rate = 20000,
                                   .contestants = contestants });
}

int main(int argc, char **argv)
{
    static const int crowds[] = { 1, 8, 64, 512, 4096 };
    for (int i = 0; argc > 1 && contestants[i].name; i++)
        if (strcmp(argv[1], contestants[i].name) == 0)
            return contest_only_serve(contestants[i].body);
    bench_begin("echo", argc, argv);
    bench_pin(0);
    for (size_t i = 0; i < sizeof crowds / sizeof crowds[0]; i++) {
        measure("64B", 64, crowds[i]);
        measure("1KiB", 1024, crowds[i]);
    }
    return bench_end();
}
