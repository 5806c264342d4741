/* Tasks in other loops: who tells whom when either side ends, and a plain thread that leaves. No
 * task gets to run: its loop refuses the message, or ends before the task's first turn. */

#include "shim.h"

#include "interleave.h"

#ifndef IL_SOURCE
#    define IL_SOURCE "core/remote.c"
#endif
#include IL_SOURCE

#include <weft/future.h>

static weft_loop *target, *home;
static int asked, dropped;

static void count_drop(void *arg)
{
    if (arg)
        *(bool *)arg = true;
    dropped++;
}

static void keep_quiet(void *context, enum weft_logger logger, enum weft_log_level level,
                       const char *text, size_t size)
{
    (void)context, (void)logger, (void)level, (void)text, (void)size;
}

static int never(void *arg)
{
    (void)arg;
    il_require(!"a task has run");
    return 0;
}

static void begin(void)
{
    asked = dropped = 0;
    il_require(weft_loop_new(&target, .clock = WEFT_CLOCK_TEST) == 0);
    weft_loop_retain(target);
    home = NULL;
}

static void begin_two(void)
{
    begin();
    il_require(weft_loop_new(&home, .clock = WEFT_CLOCK_TEST) == 0); /* the newest: it asks */
}

static void end(void)
{
    il_require(dropped == asked);
    weft_loop_release(target);
}

/* The target gets the message, or not, and ends. */

static void deliver_and_end(void)
{
    wf_running = target;
    wf_loop_deliver_mail(target);
    wf_running = NULL;
    il_require(weft_loop_free(target) == 0);
}

static void end_target(void)
{
    il_require(weft_loop_free(target) == 0);
}

static bool has_answer(void *arg)
{
    return weft_future_is_done(arg) || *(struct wf_mail **)&home->inbox->head;
}

/* Waits for the answer as a loop does, and cancels before. */
static void ask_and_wait(void)
{
    char copied = 1;
    weft_future *future =
        weft_spawn_on(target, never, &copied, .copy = 1, .drop = count_drop, .name = "asked");
    il_require(future);
    asked++;
    weft_future_cancel(future, "enough");
    while (!weft_future_is_done(future)) {
        il_wait_until(has_answer, future);
        wf_running = home;
        wf_loop_deliver_mail(home);
        wf_running = NULL;
    }
    int err = weft_future_result(future, NULL);
    il_require(err == -ESHUTDOWN || err == -ECANCELED);
    weft_future_release(future);
    il_require(weft_loop_free(home) == 0);
}

/* Ends without waiting. */
static void ask_and_end(void)
{
    weft_future *future = weft_spawn_on(target, never, NULL, .drop = count_drop);
    il_require(future);
    asked++;
    weft_future_cancel(future, "enough");
    il_require(weft_loop_free(home) == 0);
    int err = weft_future_result(future, NULL);
    il_require(err == -ESHUTDOWN || err == -ECANCELED || err == WEFT_EABANDONED);
    weft_future_release(future);
}

/* Plain threads, whose time is over at once: one leaves, one is bound. */

/* weft_spawn_on_wait() behind its check of the thread: here all are one. */
static int ask_plainly(void *arg, uint16_t copy)
{
    struct weft_spawn_on_options options = { .arg = arg, .copy = copy, .drop = count_drop };
    struct weft_spawn_options spawn = spawn_options_of(&options);
    struct remote *remote = NULL;
    il_require(prepare(&remote, target, never, &spawn) == 0);
    asked++;
    int err = run_and_wait(remote, &options);
    il_require(err == -ETIMEDOUT || err == -ESHUTDOWN);
    return err;
}

static void ask_and_leave(void)
{
    char copied = 1;
    ask_plainly(&copied, 1);
}

static void ask_and_stay(void)
{
    bool is_dropped = false;
    ask_plainly(&is_dropped, 0);
    il_require(is_dropped); /* it has waited for the end */
}

int main(int argc, char **argv)
{
    static const struct il_program programs[] = {
        { "answered", begin_two, end, 2, { ask_and_wait, deliver_and_end } },
        { "refused", begin_two, end, 2, { ask_and_wait, end_target } },
        { "both end", begin_two, end, 2, { ask_and_end, deliver_and_end } },
        { "plain threads", begin, end, 3, { ask_and_leave, ask_and_stay, deliver_and_end } },
    };
    weft_log_set_sink(keep_quiet, NULL); /* failures that nobody reads are meant */
    return il_main(argc, argv, programs, sizeof programs / sizeof programs[0]);
}
