/* What a product page of the storefront costs: the CPU of one thread, and what it asks of the heap.
 *
 * Clients, gateway and services share one loop and talk over mem: streams, so that nothing is
 * measured but weft and the handlers. A page is five exchanges of HTTP, both sides of each: one
 * between client and gateway, four between gateway and services; four tasks in a scope with a
 * deadline; and one command to the store, for the stock. /health, one exchange and nothing else, is
 * there for scale. Each client asks again as soon as it has its answer.
 *
 * Two numbers of clients: 64 have 256 requests to services under way at once.
 *
 *     bench_storefront [--help] */

#include "base/memory.h"
#include "bench.h"
#include "storefront.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define CLIENTS_MAX 64
#define PAGES       3200 /* in one run, all clients together */

struct load {
    const char *url; /* the product's id follows */
    const char *end; /* of each answer */
    int clients;
    weft_arena **arenas; /* one for each client */
    int failed;
};

struct client {
    struct load *load;
    weft_arena *arena;
    int first; /* the product asked for first */
};

static bool ends_with(const weft_http_call *call, const char *text)
{
    size_t length = strlen(text);
    return call->body_size >= length &&
           memcmp(call->body + call->body_size - length, text, length) == 0;
}

static int client(void *arg)
{
    struct client *client = arg;
    for (int i = 0; i < PAGES / client->load->clients; i++) {
        weft_arena_reset(client->arena);
        int id = (client->first + i) % 1000 + 1;
        weft_http_call call = { .arena = client->arena };
        call.url = weft_arena_format(client->arena, "%s%d", client->load->url, id);
        if (weft_http_fetch(&call) != 200 || !ends_with(&call, client->load->end))
            client->load->failed++;
    }
    return 0;
}

/* All clients, from their first request to their last answer. */
static void drive(struct load *load)
{
    struct client clients[CLIENTS_MAX];
    weft_scope scope;
    weft_scope_begin(&scope);
    for (int i = 0; i < load->clients; i++) {
        clients[i] = (struct client){ load, load->arenas[i], i * 31 };
        weft_spawn(&scope, client, &clients[i]);
    }
    if (weft_scope_end(&scope) < 0)
        load->failed++;
}

static double user_ns(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec * 1e9 + (double)usage.ru_utime.tv_usec * 1e3;
}

/* CPU per page, in microseconds. */
static double run_cpu(void *arg)
{
    double start = bench_cpu_ns();
    drive(arg);
    return (bench_cpu_ns() - start) / (1e3 * PAGES);
}

/* The rest is not worth an interval: one long run. */
static void print_once(struct load *load)
{
    enum { ROUNDS = 10 };
    uint64_t allocations = wf_memory_count();
    double user = user_ns(), cpu = bench_cpu_ns(), wall = bench_now_ns();
    for (int i = 0; i < ROUNDS; i++)
        drive(load);
    allocations = wf_memory_count() - allocations;
    user = user_ns() - user, cpu = bench_cpu_ns() - cpu, wall = bench_now_ns() - wall;

    bench_note("%.0f a second, %.0f %% of the CPU time in user mode, %.4f allocations each",
               ROUNDS * PAGES / (wall / 1e9), 100 * user / cpu,
               (double)allocations / (ROUNDS * PAGES));
}

static void measure(struct load *load, const char *row)
{
    if (!bench_wants(row))
        return;
    bench_row(row, "us",
              (struct bench_side[]){ { "weft", NULL, run_cpu, load }, { .name = NULL } });
    print_once(load);
    if (load->failed > 0)
        bench_note("%d answers were wrong", load->failed);
}

static int serve(void *arg)
{
    return weft_http_serve("mem:gateway", gateway_routes, .app = arg, .drain = -1);
}

struct bench {
    struct storefront shop;
    weft_arena *arenas[CLIENTS_MAX];
};

static int measure_all(struct bench *bench)
{
    const char *page = "http://gateway/product/", *whole = "\"degraded\":false}\n";
    struct load few = { page, whole, 16, bench->arenas, 0 };
    struct load many = { page, whole, CLIENTS_MAX, bench->arenas, 0 };
    struct load health = { "http://gateway/health?", "ok\n", 16, bench->arenas, 0 };
    measure(&few, "storefront/page/16");
    measure(&many, "storefront/page/64");
    measure(&health, "storefront/health/16");
    return few.failed + many.failed + health.failed > 0 ? WEFT_EPROTOCOL : 0;
}

static int run(void *arg)
{
    struct bench *bench = arg;
    int err = storefront_start(&bench->shop);
    if (err >= 0)
        err = weft_http_client_map(NULL, "gateway", "mem:gateway");
    if (err >= 0)
        err = weft_spawn(weft_background(), serve, &bench->shop, .eager = true);
    return err < 0 ? err : measure_all(bench);
}

int main(int argc, char **argv)
{
    struct bench bench = { .shop = { 0 } };
    bench_begin("storefront", argc, argv);
    bench_pin(-1);
    struct board *board = board_new();
    int err = board != NULL ? storefront_init(&bench.shop, board) : -ENOMEM;
    for (int i = 0; i < CLIENTS_MAX && err >= 0; i++)
        err = weft_arena_new(&bench.arenas[i], 0);
    if (err >= 0)
        err = weft_run(run, &bench);
    if (err < 0)
        fprintf(stderr, "bench_storefront: %s\n", weft_error_text(err));

    for (int i = 0; i < CLIENTS_MAX; i++)
        weft_arena_free(bench.arenas[i]);
    storefront_fini(&bench.shop);
    board_free(board);
    return err < 0 ? 1 : bench_end();
}
