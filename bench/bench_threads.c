/* Several loops that serve one port beside one loop alone: what an echo costs the process in CPU
 * time, user and system, on the same processors. Loops share nothing but the listener, so a request
 * should cost what it costs one loop.
 *
 *     bench_threads [--help]
 *
 * The servers run on every processor but the clients' first one: with two processors they meet. */

#include "bench.h"
#include "side.h"

#include <sched.h>
#include <string.h>
#include <weft.h>

#define REQUESTS    60000 /* in a run: some 300 ms */
#define CONNECTIONS 64
#define SIZE        64
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
    err = weft_serve_on(listener, side_echo);
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

int main(int argc, char **argv)
{
    struct side one, several;
    bench_begin("threads", "epoll", argc, argv);
    bench_pin(0);
    side_open(&one, "1 loop", one_loop, CONNECTIONS, SIZE, REQUESTS);
    side_open(&several, "2 loops", several_loops, CONNECTIONS, SIZE, REQUESTS);
    bench_row("threads/two", "us",
              (struct bench_side[]){ { "weft", "2 loops", side_cpu_us, &several },
                                     { "floor", "1 loop", side_cpu_us, &one },
                                     { NULL } });
    side_close(&one);
    side_close(&several);
    return bench_end();
}
