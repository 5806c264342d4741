/* Hello over HTTP/1.1 on weft beside an epoll loop that parses nothing and answers a constant, and
 * beside nginx: what a request costs the server's process in CPU time, user and system. Each server
 * has a CPU to itself, the clients (load.h) another one. Requests are the same on all sides, and
 * the loop's answers are as long as weft's.
 *
 *     bench_http [pairs]
 *     bench_http weft | raw        serve until interrupted, for strace and perf; prints the port */

#include "bench.h"
#include "floor/http_epoll.h"
#include "hello.h"
#include "load.h"
#include "nginx.h"
#include "server.h"

#include <string.h>

#define SENDS     8000 /* in a run: some 100 ms */
#define WARM_UPS  10   /* runs, in which pools grow to what the crowd ever needs at one time */
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

struct side {
    struct server server;
    struct load *load;
    int pipelined;
};

/* Microseconds of the server's CPU per request. */
static double run(void *arg)
{
    struct side *side = arg;
    double before = server_cpu_ns(&side->server);
    load_run(side->load, SENDS);
    return (server_cpu_ns(&side->server) - before) / (1e3 * SENDS * side->pipelined);
}

static void open_side(struct side *side, const char *name, void (*body)(struct server_ends ends),
                      int connections, int pipelined)
{
    static char request[PIPELINED * sizeof REQUEST];
    size_t size = (size_t)pipelined * (sizeof REQUEST - 1);
    for (int i = 0; i < PIPELINED; i++)
        memcpy(request + (size_t)i * (sizeof REQUEST - 1), REQUEST, sizeof REQUEST - 1);
    server_start(&side->server, name, body);
    side->pipelined = pipelined;
    side->load = load_open(side->server.port, connections, request, size,
                           pipelined > 1 ? is_batch_whole : is_whole);
    for (int i = 0; i < WARM_UPS; i++)
        load_run(side->load, SENDS);
}

static void close_side(struct side *side)
{
    load_close(side->load);
    server_stop(&side->server);
}

static void check_sizes(const struct side *weft, const struct side *raw)
{
    size_t ours, floor;
    const char *answer = load_answer(weft->load, &ours);
    load_answer(raw->load, &floor);
    if (ours != floor)
        printf("answers of different size, %zu and %zu bytes:\n%s", ours, floor, answer);
}

static void measure(int connections, int pipelined, int pairs)
{
    struct side weft, raw;
    char name[64];
    snprintf(name, sizeof name, "%d connections%s", connections,
             pipelined > 1 ? ", 16 pipelined" : "");
    open_side(&weft, "weft", http_weft, connections, pipelined);
    open_side(&raw, "a constant", http_epoll, connections, pipelined);
    check_sizes(&weft, &raw);

    struct bench_side ours = { name, run, &weft }, floor = { "a constant", run, &raw };
    struct server_report before = server_ask(&weft.server);
    bench_compare_print(&ours, &floor, pairs, "us");
    struct server_report after = server_ask(&weft.server);
    double requests = SENDS * (1.0 + pairs) * pipelined; /* bench_compare() warms up with a run */
    double allocations = (double)(after.allocations - before.allocations);
    printf("%-28s %9.2f system calls, %.4f allocations per request (%.0f in %.0f)\n", "",
           (double)(after.calls - before.calls) / requests, allocations / requests, allocations,
           requests);
    /* A pool that grows to a new peak is no use of a request. */
    bench_target_print("less than one allocation in 1,000 requests", allocations < requests / 1000);
    close_side(&weft);
    close_side(&raw);
}

/* Beside nginx, where it is here. */
static void measure_nginx(int connections, int pipelined, int pairs)
{
    struct side weft, nginx;
    char name[64];
    if (!nginx_is_here())
        return;
    snprintf(name, sizeof name, "%d connections%s", connections,
             pipelined > 1 ? ", 16 pipelined" : "");
    open_side(&weft, "weft", http_weft, connections, pipelined);
    open_side(&nginx, "nginx", http_nginx, connections, pipelined);
    struct bench_side ours = { name, run, &weft }, theirs = { "nginx", run, &nginx };
    struct bench_result result = bench_compare_print(&ours, &theirs, pairs, "us");
    bench_target_print("at most nginx", result.ratio.high <= 1);
    close_side(&weft);
    close_side(&nginx);
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
        return only_serve(http_weft);
    if (argc > 1 && strcmp(argv[1], "raw") == 0)
        return only_serve(http_epoll);

    int pairs = bench_pairs(argc, argv);
    bench_title_print("bench_http, CPU of the server per request", "epoll");
    bench_pin(0);
    measure(64, 1, pairs);
    measure(8, 1, pairs);
    measure(512, 1, pairs);
    measure(64, PIPELINED, pairs);
    measure_nginx(64, 1, pairs);
    measure_nginx(64, PIPELINED, pairs);
    return 0;
}
