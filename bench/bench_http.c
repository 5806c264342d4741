/* HTTP/1.1 on weft beside an epoll loop that parses nothing and answers a constant, beside nginx
 * and Go's net/http: what a request costs the server's process in CPU time, user and system.
 * Requests are the same on all sides, and the loop's answers are as long as weft's.
 *
 *     bench_http [--help]
 *     bench_http weft | floor | …        serve until interrupted; prints process and port */

#include "bench.h"
#include "contest.h"
#include "floor/http_epoll.h"
#include "hello.h"
#include "peers/nginx.h"
#include "peers/servers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUESTS  4000 /* in a run: some 50 ms, and 200 ms at the rate */
#define RATE      20000
#define PIPELINED 16
#define BODY      1024

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

static void measure(const char *name, const char *path, const struct request_options *request,
                    int connections)
{
    contest_run(&(struct contest){
        .name = name,
        .ask = { .scheme = "http", .path = path, .request = *request, .connections = connections },
        .requests = REQUESTS,
        .rate = RATE,
        .contestants = request->body ? readers : all });
}

static void measure_pipelined(const char *name, const struct request_options *request)
{
    contest_run(&(struct contest){ .name = name,
                                   .ask = { .scheme = "http",
                                            .path = "/hello",
                                            .request = *request,
                                            .connections = 64,
                                            .pipeline = PIPELINED },
                                   .requests = 10 * REQUESTS,
                                   .contestants = all });
}

static void measure_all(void)
{
    static char body[BODY];
    static const char *const any[] = { "Accept: */*" };
    static const char *const many[] = {
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "Accept-Language: en-US,en;q=0.5",
        "Accept-Encoding: gzip, deflate, br",
        "Connection: keep-alive",
        "Cookie: session=5f2b7c1e9a0d4f63; theme=dark; seen=1",
        "Upgrade-Insecure-Requests: 1",
    };
    static const char *const bytes[] = { "Content-Type: application/octet-stream" };
    struct request_options hello = { .headers = any, .header_count = 1 };
    struct request_options browser = { .headers = many, .header_count = 6 };
    struct request_options post = {
        .headers = bytes, .header_count = 1, .body = body, .body_size = BODY
    };
    memset(body, 'x', BODY);
    measure("http/hello/8", "/hello", &hello, 8);
    measure("http/hello/64", "/hello", &hello, 64);
    measure("http/hello/512", "/hello", &hello, 512);
    measure_pipelined("http/pipelined/64", &hello);
    measure("http/json/64", "/json", &browser, 64);
    measure("http/post/64", "/post", &post, 64);
}

int main(int argc, char **argv)
{
    for (int i = 0; argc > 1 && all[i].name; i++)
        if (strcmp(argv[1], all[i].name) == 0)
            return contest_only_serve(all[i].body);
    bench_begin("http", argc, argv);
    bench_pin(0);
    measure_all();
    return bench_end();
}
