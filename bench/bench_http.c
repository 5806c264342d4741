/* Hello over HTTP/1.1 on weft beside an epoll loop that parses nothing and answers a constant, and
 * beside nginx: what a request costs the server's process in CPU time, user and system. Each server
 * has a CPU to itself, the clients (load.h) another one. Requests are the same on all sides, and
 * the loop's answers are as long as weft's.
 *
 *     bench_http [--help]
 *     bench_http weft | floor        serve until interrupted, for strace and perf; prints the port
 */

#include "bench.h"
#include "contest.h"
#include "floor/http_epoll.h"
#include "hello.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SENDS     8000 /* in a run: some 100 ms */
#define PIPELINED 16

#define REQUEST                                                                                    \
    "GET /hello HTTP/1.1\r\n"                                                                      \
    "Host: localhost:8080\r\n"                                                                     \
    "User-Agent: bench\r\n"                                                                        \
    "Accept: */*\r\n"                                                                              \
    "\r\n"

/* The bytes of an answer that begins here; 0: it is not whole. */
static size_t answer_size(const char *answer, size_t size)
{
    const char *end = memmem(answer, size, "\r\n\r\n", 4);
    const char *length = memmem(answer, size, "Content-Length: ", 16);
    if (!end || !length)
        return 0;
    size_t whole = (size_t)(end - answer) + 4 + strtoul(length + 16, NULL, 10);
    return size >= whole ? whole : 0;
}

static int are_whole(const char *answer, size_t size, int count)
{
    for (int i = 0; i < count; i++) {
        size_t one = answer_size(answer, size);
        if (one == 0)
            return 0;
        answer += one;
        size -= one;
    }
    return 1;
}

static int is_whole(const char *answer, size_t size)
{
    return are_whole(answer, size, 1);
}

static int is_batch_whole(const char *answer, size_t size)
{
    return are_whole(answer, size, PIPELINED);
}

static const struct contestant contestants[] = {
    { "weft", NULL, http_weft },
    { "floor", "a constant", http_epoll },
    { NULL, NULL, NULL },
};

static void measure(const char *kind, int pipelined, int connections)
{
    static char request[PIPELINED * sizeof REQUEST];
    char name[64];
    for (int i = 0; i < PIPELINED; i++)
        memcpy(request + (size_t)i * (sizeof REQUEST - 1), REQUEST, sizeof REQUEST - 1);
    snprintf(name, sizeof name, "http/%s/%d", kind, connections);
    contest_run(&(struct contest){ .name = name,
                                   .request = request,
                                   .request_size = (size_t)pipelined * (sizeof REQUEST - 1),
                                   .answers = pipelined,
                                   .is_whole = pipelined > 1 ? is_batch_whole : is_whole,
                                   .connections = connections,
                                   .requests = SENDS,
                                   .contestants = contestants });
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "weft") == 0)
        return contest_only_serve(http_weft);
    if (argc > 1 && strcmp(argv[1], "floor") == 0)
        return contest_only_serve(http_epoll);
    bench_begin("http", "epoll", argc, argv);
    bench_pin(0);
    measure("hello", 1, 8);
    measure("hello", 1, 64);
    measure("hello", 1, 512);
    measure("pipelined", PIPELINED, 64);
    return bench_end();
}
