/* Several loops that serve one port beside one loop alone: what an echo costs the process in CPU
 * time, user and system, on the same processors. Loops share nothing but the listener, so a request
 * should cost what it costs one loop.
 *
 *     bench_threads [--help]
 *
 * The servers run on every processor but the clients' first one: with two processors they meet. */

#include "bench.h"
#include "contest.h"
#include "echo.h"

#include <sched.h>
#include <string.h>
#include <weft.h>

#define REQUESTS    60000 /* in a run: some 300 ms */
#define CONNECTIONS 64
#define LOOPS       2

static int serve(void *arg)
{
    const struct server_ends *ends = arg;
    weft_listener *listener;
    int err = weft_listen(&listener, "127.0.0.1:0");
    if (err < 0)
        return err;
    if (weft_loop_index() == 0)
        server_ready(*ends, atoi(strrchr(weft_listener_address(listener), ':') + 1));
    err = weft_serve_on(listener, echo_handler);
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

static const struct contestant contestants[] = {
    { "weft", "2 loops", several_loops },
    { "one", "1 loop", one_loop },
    { NULL, NULL, NULL },
};

int main(int argc, char **argv)
{
    bench_begin("threads", argc, argv);
    bench_pin(0);
    contest_run(&(struct contest){
        .name = "threads/two",
        .ask = { .scheme = "echo", .request = { .size = 64 }, .connections = CONNECTIONS },
        .requests = REQUESTS,
        .contestants = contestants,
        .tells_nothing = true });
    return bench_end();
}
