/* Hello over HTTP/1.1 on weft beside an epoll loop that parses nothing and answers a constant, and
 * beside nginx: what a request costs the server's process in CPU time, user and system. Each server
 * has a CPU to itself, the clients (load.h) another one. Requests are the same on all sides, and
 * the loop's answers are as long as weft's.
 *
 *     bench_http [--help]
 *     bench_http weft | floor | …        serve until interrupted, for strace and perf; prints the
 * port
 */

#include "bench.h"
#include "contest.h"
#include "floor/http_epoll.h"
#include "hello.h"
#include "peers/nginx.h"
#include "peers/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SENDS     8000 /* in a run: some 100 ms */
#define PIPELINED 16

#define BODY 1024

#define HELLO                                                                                      \
    "GET /hello HTTP/1.1\r\n"                                                                      \
    "Host: localhost:8080\r\n"                                                                     \
    "User-Agent: bench\r\n"                                                                        \
    "Accept: */*\r\n"                                                                              \
    "\r\n"

#define JSON                                                                                       \
    "GET /json HTTP/1.1\r\n"                                                                       \
    "Host: shop.example.com\r\n"                                                                   \
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"       \
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"                  \
    "Accept-Language: en-US,en;q=0.5\r\n"                                                          \
    "Accept-Encoding: gzip, deflate, br\r\n"                                                       \
    "Connection: keep-alive\r\n"                                                                   \
    "Cookie: session=5f2b7c1e9a0d4f63; theme=dark; seen=1\r\n"                                     \
    "Upgrade-Insecure-Requests: 1\r\n"                                                             \
    "\r\n"

#define POST                                                                                       \
    "POST /post HTTP/1.1\r\n"                                                                      \
    "Host: localhost:8080\r\n"                                                                     \
    "User-Agent: bench\r\n"                                                                        \
    "Content-Type: application/octet-stream\r\n"                                                   \
    "Content-Length: 1024\r\n"                                                                     \
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

static const struct contestant all[] = {
    { "weft", NULL, http_weft },   { "floor", "a constant", http_epoll },
    { "nginx", NULL, http_nginx }, { "go", "Go's net/http", peer_go_http },
    { NULL, NULL, NULL },
};

/* nginx reads no bodies. */
static const struct contestant readers[] = {
    { "weft", NULL, http_weft },
    { "floor", "a constant", http_epoll },
    { "go", "Go's net/http", peer_go_http },
    { NULL, NULL, NULL },
};

static void measure(const char *kind, const char *request, int connections)
{
    char name[64];
    snprintf(name, sizeof name, "http/%s/%d", kind, connections);
    contest_run(&(struct contest){ .name = name,
                                   .request = request,
                                   .request_size = strlen(request),
                                   .answers = 1,
                                   .is_whole = is_whole,
                                   .connections = connections,
                                   .requests = SENDS,
                                   .rate = 10000,
                                   .contestants = *request == 'P' ? readers : all });
}

static void measure_pipelined(int connections)
{
    static char request[PIPELINED * sizeof HELLO];
    for (int i = 0; i < PIPELINED; i++)
        memcpy(request + (size_t)i * (sizeof HELLO - 1), HELLO, sizeof HELLO - 1);
    contest_run(&(struct contest){ .name = "http/pipelined/64",
                                   .request = request,
                                   .request_size = PIPELINED * (sizeof HELLO - 1),
                                   .answers = PIPELINED,
                                   .is_whole = is_batch_whole,
                                   .connections = connections,
                                   .requests = SENDS / 2,
                                   .rate = 4000,
                                   .contestants = all });
}

static const char *post(void)
{
    static char request[2048];
    snprintf(request, sizeof request, POST "%0*d", BODY, 7);
    return request;
}

int main(int argc, char **argv)
{
    for (int i = 0; argc > 1 && all[i].name; i++)
        if (strcmp(argv[1], all[i].name) == 0)
            return contest_only_serve(all[i].body);
    bench_begin("http", "epoll", argc, argv);
    bench_pin(0);
    measure("hello", HELLO, 8);
    measure("hello", HELLO, 64);
    measure("hello", HELLO, 512);
    measure_pipelined(64);
    measure("json", JSON, 64);
    measure("post", post(), 64);
    return bench_end();
}
