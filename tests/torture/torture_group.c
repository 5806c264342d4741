/* Groups under the torture driver: their start, where each loop is made by a thread of its own, and
 * what loop 0 does for the others and they for it. Real time: several loops have no other. */

#include "torture.h"

#include <errno.h>
#include <weft/error.h>
#include <weft/scope.h>
#include <weft/stream.h>
#include <weft/task.h>

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define LOOPS   3
#define CLIENTS 6
#define LIMIT   (20 * WEFT_MILLISECOND) /* of one client, when what it needs was refused */

static int run_group(const struct torture_scenario *scenario)
{
    torture_keep_time();
    return weft_run(scenario->main, NULL, .threads = LOOPS, .no_signals = true,
                    .grace = WEFT_MINUTE);
}

static void check(int result)
{
    torture_accept(result);
    if (torture_is_calm())
        torture_require(result == 0);
}

/* The start. */

static atomic_uint mains, heard;

static void begin(void)
{
    atomic_store(&mains, 0);
    atomic_store(&heard, 0);
}

static void hear(void *arg)
{
    (void)arg;
    atomic_fetch_add(&heard, 1);
}

static int start(void *arg)
{
    (void)arg;
    int err = 0;
    atomic_fetch_add(&mains, 1);
    for (unsigned i = 0; i < weft_loop_count() && err == 0; i++)
        err = weft_post(weft_loop_at(i), hear, NULL, .dropped = hear);
    return err < 0 ? err : weft_sleep(0);
}

/* All of them or none; but for the stack of a main, which it takes when it begins. */
static void check_start(int result)
{
    check(result);
    unsigned count = atomic_load(&mains);
    torture_require(count == 0 || count >= LOOPS - 1);
    if (torture_is_calm())
        torture_require(count == LOOPS && atomic_load(&heard) == LOOPS * LOOPS);
}

/* One address, served by all. */

static enum weft_hand_out how;

static int echo(weft_stream *client, void *arg)
{
    char byte;
    (void)arg;
    ssize_t n = weft_read(client, &byte, 1);
    return n > 0 ? weft_write(client, &byte, 1) : (int)n;
}

static int visit(const char *address)
{
    weft_stream *stream;
    char byte = 'x';
    weft_scope limited;
    weft_scope_begin(&limited, .timeout = LIMIT);
    int err = weft_connect(&stream, address);
    if (err == 0) {
        err = weft_write(stream, &byte, 1);
        if (err == 0)
            err = (int)weft_read(stream, &byte, 1);
        if (torture_is_calm())
            torture_require(err == 1);
        weft_close(stream);
    }
    weft_scope_leave(&limited, err < 0 ? err : 0);
    return err == -ECANCELED ? err : 0; /* any other failure is this visitor's own */
}

static int visit_often(void *arg)
{
    int err = 0;
    for (int i = 0; i < CLIENTS && err == 0; i++)
        err = visit(arg);
    return 0;
}

/* When the visitor has ended, or never began. */
static void shut_down(void *arg)
{
    (void)arg;
    weft_loop_shutdown(0, WEFT_FOREVER);
}

/* Cancelled by the shutdown: as it should be. */
static int serve_until_shut_down(weft_listener *listener)
{
    int err = weft_serve_on(listener, echo, .hand_out = how, .max_clients = 2);
    weft_listener_close(listener);
    return err == -ECANCELED ? 0 : err;
}

static int serve(void *arg)
{
    static char address[64]; /* loop 0's */
    weft_listener *listener;
    (void)arg;
    int err = weft_listen(&listener, "127.0.0.1:0");
    if (err < 0)
        return err;
    if (weft_loop_index() > 0)
        return serve_until_shut_down(listener);
    snprintf(address, sizeof address, "%s", weft_listener_address(listener));
    err = weft_spawn(weft_background(), visit_often, address, .drop = shut_down);
    if (err == 0)
        return serve_until_shut_down(listener);
    weft_listener_close(listener);
    return err;
}

static void each_for_itself(void)
{
    how = WEFT_HAND_OUT_NEVER;
}

static void in_turn(void)
{
    how = WEFT_HAND_OUT_IN_TURN;
}

static void to_the_fewest(void)
{
    how = WEFT_HAND_OUT_FEWEST;
}

/* A name that only the others have, and one that all have. */

static int serve_names(void *arg)
{
    static const char *const names[] = { "mem:own", "mem:other", "mem:other" };
    weft_listener *listener;
    (void)arg;
    int err = weft_listen(&listener, names[weft_loop_index()]);
    if (err < 0)
        return err;
    if (weft_loop_index() > 0)
        return serve_until_shut_down(listener);
    for (int i = 0; i < CLIENTS && err == 0; i++) {
        weft_stream *stream;
        err = weft_connect(&stream, "mem:other"); /* perhaps before they listen */
        if (err == 0)
            weft_close(stream);
        else if (err == -ECONNREFUSED || err == -ENOMEM)
            err = 0;
    }
    weft_listener_close(listener);
    weft_loop_shutdown(0, WEFT_FOREVER);
    return err;
}

static const struct torture_scenario scenarios[] = {
    { .name = "start", .main = start, .program = run_group, .begin = begin, .check = check_start },
    { .name = "serve",
      .main = serve,
      .program = run_group,
      .begin = each_for_itself,
      .check = check },
    { .name = "serve in turn",
      .main = serve,
      .program = run_group,
      .begin = in_turn,
      .check = check },
    { .name = "serve fewest",
      .main = serve,
      .program = run_group,
      .begin = to_the_fewest,
      .check = check },
    { .name = "names", .main = serve_names, .program = run_group, .check = check },
};

int main(void)
{
    return torture(scenarios, TORTURE_COUNT(scenarios));
}
