/* Several loops that serve one port beside one loop alone: what an echo costs the process in CPU
 * time, user and system, on the same processors. Loops share nothing but the listener, so a request
 * should cost what it costs one loop.
 *
 *     bench_threads [pairs]
 *
 * The servers run on every processor but the clients' first one: with two processors they meet. */

#include "bench.h"
#include "load.h"
#include "server.h"

#include <sched.h>
#include <string.h>
#include <weft.h>

#define REQUESTS    60000 /* in a run */
#define CONNECTIONS 64
#define SIZE        64
#define LOOPS       2

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

static int serve(void *arg)
{
    const struct server_ends *ends = arg;
    weft_listener *listener;
    int err = weft_listen(&listener, "127.0.0.1:0");
    if (err < 0)
        return err;
    if (weft_loop_index() == 0)
        server_ready(*ends, atoi(strrchr(weft_listener_address(listener), ':') + 1));
    err = weft_serve_on(listener, echo);
    weft_listener_close(listener);
    return err;
}

/* bench_pin() has left the server on one processor. */
static void use_all_processors(void)
{
    cpu_set_t all;
    memset(&all, 0xff, sizeof all);
    sched_setaffinity(0, sizeof all, &all);
}

static void run_loops(struct server_ends ends, unsigned count)
{
    use_all_processors();
    weft_run(serve, &ends, .threads = (uint16_t)count);
}

static void one_loop(struct server_ends ends)
{
    run_loops(ends, 1);
}

static void several_loops(struct server_ends ends)
{
    run_loops(ends, LOOPS);
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

static void open_side(struct side *side, const char *name, void (*body)(struct server_ends ends))
{
    static char request[SIZE];
    memset(request, 'x', sizeof request);
    server_start(&side->server, name, body);
    side->load = load_open(side->server.port, CONNECTIONS, request, SIZE, NULL);
    load_run(side->load, REQUESTS);
}

static void close_side(struct side *side)
{
    load_close(side->load);
    server_stop(&side->server);
}

int main(int argc, char **argv)
{
    struct side one, several;
    int pairs = bench_pairs(argc, argv);
    bench_title_print("bench_threads, CPU of the server per request", "epoll");
    bench_pin(0);
    open_side(&one, "1 loop", one_loop);
    open_side(&several, "2 loops", several_loops);
    struct bench_side ours = { "2 loops, 64 B, 64 connections", run, &several };
    struct bench_side floor = { "1 loop", run, &one };
    struct bench_result r = bench_compare_print(&ours, &floor, pairs, "us");
    bench_target_print("<= 1.05x", r.ratio.value <= 1.05);
    close_side(&one);
    close_side(&several);
    return 0;
}
