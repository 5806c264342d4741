/* Coroutine objects, futures, callbacks and the exception handler under the torture driver.
 *
 * Whatever fails: each argument and each result that is somebody's comes back once (owned.h), each
 * answer is right or explained by what went wrong, and nobody waits for ever. */

#include "owned.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <weft/blocking.h>
#include <weft/exception.h>
#include <weft/future.h>
#include <weft/inspect.h>

/* What the scenarios count. */
static int called;  /* callbacks */
static int handled; /* failures that the handler was told of */

static void begin(void)
{
    owned_begin();
    called = handled = 0;
}

/* The first error of several. */
static int first_of(int err, int next)
{
    return err < 0 ? err : next;
}

/* Coroutines. */

static int return_and_fail(void *arg)
{
    weft_return_owned(own(number_of(arg)), give_back);
    return -EBADF;
}

static int await_number(weft_coro *coro, int expected)
{
    int number = await_number_of(coro);
    torture_accept(number);
    torture_require(number < 0 || number == expected);
    return number;
}

/* A task's pointer stays the task's. */
static int await_task(weft_task *task, int expected)
{
    void *value = NULL;
    int err = weft_await_value(task, &value);
    torture_accept(err);
    torture_require(err < 0 || number_of(value) == expected);
    weft_task_release(task);
    return err;
}

static int coroutines(void *arg)
{
    (void)arg;
    int err = await_number(owned_coro(in_a_while, 2), 3);
    if (err >= 0)
        err = await_number(owned_coro(at_once, 4), 5);
    if (err >= 0)
        err = weft_await(owned_coro(at_once, 6)); /* nobody asks for the pointer */
    torture_accept(err);
    int failed = weft_await(owned_coro(return_and_fail, 1));
    torture_require(is_due(failed, -EBADF));
    err = first_of(err, await_task(owned_task(in_a_while, 1), 2));
    weft_loop *loop = weft_loop_current();
    err = first_of(err, await_task(weft_loop_create_task(loop, owned_coro(at_once, 1)), 2));
    weft_task_release(owned_task(in_a_while, 2)); /* goes on */
    return first_of(err, weft_sleep(5 * WEFT_MILLISECOND));
}

/* Taken twice, and never. */
static int taken_twice(void *arg)
{
    (void)arg;
    weft_coro *coro = owned_coro(at_once, 1);
    int err = weft_await(coro), due = coro ? -EALREADY : -ENOMEM;
    torture_accept(err);
    torture_require(weft_await(coro) == due);
    torture_require(!weft_create_task(coro) && weft_await((weft_task *)NULL) == due);
    weft_coro_free(coro);
    coro = owned_coro(in_a_while, 1);
    weft_task *task = weft_create_task(coro);
    torture_require(!coro || weft_await(coro) == -EALREADY);
    weft_coro_free(owned_coro(at_once, 1));
    owned_coro(at_once, 1);
    return first_of(err, await_task(task, 2));
}

/* Taken by who refuses them: that is quick, and costs no suspension. */
static void take_some(void)
{
    weft_awaitable *list[60];
    for (size_t i = 0; i < TORTURE_COUNT(list); i++)
        list[i] = weft_any(owned_coro(at_once, 1));
    int err = weft_wait_all(list, TORTURE_COUNT(list), 0);
    torture_require(is_due(err, -EINVAL));
}

/* More than one heap holds; the first ones are used again. */
static int many(void *arg)
{
    (void)arg;
    weft_coro *first = owned_coro(in_a_while, 1);
    for (int i = 0; i < 20; i++)
        take_some();
    int err = await_number(owned_coro(in_a_while, 2), 3);
    return first_of(err, await_number(first, 2));
}

/* weft_call(). */

static weft_future *owned_call(weft_fn *fn, int number)
{
    void *arg = own(number);
    weft_future *future = weft_call(fn, arg, .drop = give_back);
    if (!future)
        give_back(arg);
    return future;
}

static int await_future(weft_future *future, int expected)
{
    void *value = NULL;
    int err = weft_await_value(future, &value);
    torture_accept(err);
    torture_require(err < 0 || number_of(value) == expected);
    weft_future_release(future);
    return err;
}

static int calls(void *arg)
{
    (void)arg;
    weft_future *first = owned_call(at_once, 1), *second = owned_call(in_a_while, 2);
    torture_require(weft_is_done(first) || torture_excuses(-ECANCELED));
    torture_require(!weft_is_done(second) || torture_excuses(-ECANCELED));
    weft_future_release(owned_call(in_a_while, 3));
    weft_future_release(owned_call(fail_in_a_while, 1)); /* told on the log */
    weft_future *failing = owned_call(fail_in_a_while, 2);
    int err = await_future(first, 2);
    err = first_of(err, await_future(second, 3));
    torture_require(is_due(weft_await(failing), -EBADF));
    weft_future_release(failing);
    return first_of(err, weft_sleep(5 * WEFT_MILLISECOND));
}

/* Futures, and tasks that hold a handle of one. */

static void release(void *future)
{
    weft_future_release(future);
}

static int start(weft_fn *fn, weft_future *future)
{
    weft_coro *coro = weft_coro_new(fn, weft_future_retain(future), .drop = release);
    if (!coro)
        weft_future_release(future);
    weft_task *task = weft_create_task(coro);
    if (!task)
        return -ENOMEM;
    weft_task_release(task);
    return 0;
}

static int set_later(void *future)
{
    int err = weft_sleep(2 * WEFT_MILLISECOND);
    return err < 0 ? err : weft_future_set_owned(future, own(7), give_back);
}

static int fail_later(void *future)
{
    int err = weft_sleep(2 * WEFT_MILLISECOND);
    return err < 0 ? err : weft_future_fail(future, -EBADF, "no such thing");
}

/* Who was to set it may have been cancelled: hence the limit. */
static int expect_seven(void *future)
{
    void *value = NULL;
    int err = weft_with_timeout_value((weft_future *)future, WEFT_SECOND, &value);
    torture_require(err < 0 || number_of(value) == 7);
    if ((err == -ETIMEDOUT || err == WEFT_EABANDONED) && torture_excuses(-ECANCELED))
        return 0;
    torture_accept(err);
    return err;
}

static int set_once(void *arg)
{
    (void)arg;
    weft_future *future = weft_future_new();
    if (!future)
        return weft_await(future);
    int err = start(set_later, future);
    err = first_of(err, start(expect_seven, future));
    err = first_of(err, start(expect_seven, future));
    err = first_of(err, expect_seven(future));
    if (weft_is_done(future)) {
        torture_require(weft_future_set_owned(future, own(1), give_back) == -EALREADY);
        torture_require(weft_future_cancel(future, "too late") == -EALREADY);
        err = first_of(err, weft_await(future));
    }
    weft_future_release(future);
    return err;
}

static bool detail_is(const char *text)
{
    return strcmp(weft_error_detail(), text) == 0;
}

static int fail_once(void *arg)
{
    (void)arg;
    weft_future *future = weft_future_new(), *unread = weft_future_new();
    int err = future ? start(fail_later, future) : -ENOMEM;
    int result = weft_with_timeout(future, WEFT_SECOND);
    torture_require(is_due(result, -EBADF) || result == -ETIMEDOUT);
    torture_require(result != -EBADF || detail_is("no such thing") || torture_excuses(-ENOMEM));
    torture_require(!unread || weft_future_fail(unread, -EIO, "nobody reads this") == 0);
    weft_future_release(unread);
    weft_future_release(future);
    torture_require(err == 0 || torture_excuses(err));
    return err;
}

static int expect_cancel(void *future)
{
    int err = weft_await((weft_future *)future);
    torture_require(err == -ECANCELED || torture_excuses(err));
    return err;
}

static int cancel_once(void *arg)
{
    (void)arg;
    weft_future *future = weft_future_new();
    int err = future ? start(expect_cancel, future) : -ENOMEM;
    err = first_of(err, weft_sleep(WEFT_MILLISECOND));
    if (future) {
        torture_require(weft_future_cancel(future, "not wanted") == 0);
        torture_require(weft_future_is_cancelled(future));
        torture_require(weft_future_set_owned(future, own(1), give_back) == -ECANCELED);
        torture_require(weft_await(future) == -ECANCELED);
    }
    weft_future_release(future);
    return err;
}

/* One that gets the source's result, and one that was given up before. */
static int chained(void *arg)
{
    (void)arg;
    weft_future *source = weft_future_new(), *target = weft_future_new();
    weft_future *spare = weft_future_new();
    int err = weft_future_chain(source, target);
    err = first_of(err, weft_future_chain(source, spare));
    torture_accept(err);
    torture_require(!spare || weft_future_cancel(spare, "not wanted") == 0);
    err = err < 0 ? err : start(set_later, source);
    weft_future_release(source);
    err = err < 0 ? err : expect_seven(target);
    torture_require(err < 0 || !source || !target || weft_is_done(target) ||
                    torture_excuses(-ECANCELED));
    weft_future_release(target);
    weft_future_release(spare);
    return err;
}

/* Callbacks of futures. */

static void note_done(weft_future *future, void *arg)
{
    torture_require(weft_future_is_done(future) && number_of(arg) > 0);
    torture_require(!weft_task_self());
    called++;
    if (number_of(arg) == 2)
        weft_callback_fail(-EIO, "out of paper");
}

/* What was asked for; NULL: it was not. */
static void *ask_done(weft_future *future, int number)
{
    void *arg = own(number);
    int err = weft_future_on_done(future, note_done, arg, .drop = give_back);
    torture_accept(err);
    if (err == 0)
        return arg;
    give_back(arg);
    return NULL;
}

static int on_done(void *arg)
{
    (void)arg;
    weft_future *future = weft_future_new();
    void *first = ask_done(future, 1), *second = ask_done(future, 2), *gone = ask_done(future, 3);
    int asked = !!first + !!second;
    torture_require(weft_future_remove_callback(future, note_done, gone) == (gone ? 1 : 0));
    int err = future ? start(set_later, future) : -ENOMEM;
    err = err < 0 ? err : expect_seven(future);
    if (weft_is_done(future)) {
        asked += ask_done(future, 4) ? 1 : 0;
        gone = ask_done(future, 5); /* in the queue already */
        torture_require(weft_future_remove_callback(future, note_done, gone) == (gone ? 1 : 0));
        int slept = weft_sleep(0);
        torture_require(called == asked || slept < 0);
        err = first_of(err, slept);
    }
    weft_future_release(future);
    return err;
}

/* Callbacks that do what callbacks do: ask for another one, make a task, set the next future, give
 * the last handle back. */

struct relay {
    weft_future *next; /* handles */
    weft_future *self;
    int left;
};

static void free_relay(void *arg)
{
    struct relay *relay = arg;
    weft_future_release(relay->next);
    weft_future_release(relay->self);
    atomic_fetch_add(&returned, 1);
    free(relay);
}

static int start_relay(weft_future *future, weft_future *last, int left);

static void pass_on(weft_future *future, void *arg)
{
    struct relay *relay = arg;
    void *value = NULL;
    int err = weft_future_result(future, &value);
    called++;
    weft_task_release(owned_task(in_a_while, 1));
    weft_future_release(relay->self);
    relay->self = NULL;
    if (err == 0 && relay->left > 0) {
        weft_future *between = weft_sleep_future(WEFT_MILLISECOND);
        err = between ? start_relay(between, relay->next, relay->left - 1) : -ENOMEM;
    } else if (err == 0) {
        err = weft_future_set(relay->next, relay->next);
    }
    if (err < 0 && !weft_is_done(relay->next))
        weft_future_fail(relay->next, err, "the relay was lost");
    if (err < 0)
        weft_callback_fail(err, "the relay was lost");
}

/* Takes a handle of `future`. */
static int start_relay(weft_future *future, weft_future *last, int left)
{
    struct relay *relay = malloc(sizeof *relay);
    torture_require(relay);
    atomic_fetch_add(&given, 1);
    *relay = (struct relay){ weft_future_retain(last), future, left };
    int err = weft_future_on_done(future, pass_on, relay, .drop = free_relay);
    if (err < 0)
        free_relay(relay);
    torture_accept(err);
    return err;
}

static int relayed(void *arg)
{
    (void)arg;
    void *value = NULL;
    weft_future *last = weft_future_new(), *first = weft_sleep_future(WEFT_MILLISECOND);
    int err = last && first ? start_relay(first, last, 3) : -ENOMEM;
    if (!last || !first)
        weft_future_release(first);
    if (err == 0)
        err = weft_with_timeout_value(last, WEFT_SECOND, &value);
    torture_accept(err);
    torture_require(err < 0 || (called == 4 && value == last));
    weft_future_release(last);
    return err;
}

/* Arguments whose end makes work: the drop makes a task, asks for a callback, sets a future. */

static weft_future *dropped; /* main's handle */

static void look_at(void *arg)
{
    torture_require(number_of(arg) == 1);
}

static void drop_busily(void *arg)
{
    weft_task_release(owned_task(in_a_while, 1));
    void *more = own(1);
    if (weft_call_soon(look_at, more, .drop = give_back).id == 0)
        give_back(more);
    if (dropped && !weft_is_done(dropped))
        torture_require(weft_future_set(dropped, NULL) == 0);
    give_back(arg);
}

static int end_soon(void *arg)
{
    return weft_sleep(number_of(arg) * WEFT_MILLISECOND);
}

static int busy_drops(void *arg)
{
    (void)arg;
    void *job = own(1);
    dropped = weft_future_new();
    weft_coro *coro = weft_coro_new(end_soon, job, .drop = drop_busily);
    if (!coro)
        give_back(job);
    weft_task *task = weft_create_task(coro);
    int err = weft_await(task);
    torture_accept(err);
    torture_require(!dropped || !coro || weft_is_done(dropped) || torture_excuses(-ECANCELED));
    weft_task_release(task);
    err = first_of(err, weft_sleep(2 * WEFT_MILLISECOND));
    weft_future_release(dropped);
    dropped = NULL;
    return err;
}

/* A future that a thread has set, by a message. */

struct message {
    weft_loop *loop;
    weft_future *future; /* a handle; the message's once it was posted */
    bool is_posted;
};

static void deliver(void *future)
{
    int err = weft_future_set_owned(future, own(7), give_back);
    torture_require(err == 0);
    weft_future_release(future);
}

static int post_it(void *arg)
{
    struct message *message = arg;
    int err = weft_post(message->loop, deliver, message->future, .dropped = release);
    message->is_posted = err == 0;
    return err;
}

static int posted(void *arg)
{
    (void)arg;
    void *value = NULL;
    weft_future *future = weft_future_new();
    struct message message = { weft_loop_current(), weft_future_retain(future), false };
    int err = future ? weft_blocking(post_it, &message) : -ENOMEM;
    if (!message.is_posted)
        weft_future_release(message.future);
    torture_accept(err);
    if (err == 0)
        err = weft_await_value(future, &value);
    torture_accept(err);
    torture_require(err < 0 || number_of(value) == 7);
    weft_future_release(future);
    return err;
}

/* Timers that are futures. */
static int sleep_futures(void *arg)
{
    (void)arg;
    int64_t begun = weft_now();
    weft_future *next = weft_sleep_future(10 * WEFT_MILLISECOND);
    weft_future *told = weft_sleep_future(12 * WEFT_MILLISECOND);
    bool asked = ask_done(told, 1);
    weft_future_release(told); /* the callback keeps it */
    weft_future_release(weft_sleep_future(WEFT_HOUR));
    int err = weft_sleep(4 * WEFT_MILLISECOND);
    err = first_of(err, weft_await(next));
    torture_require(err < 0 || weft_now() == begun + 10 * WEFT_MILLISECOND);
    torture_require(called == 0);
    weft_future_release(next);
    err = first_of(err, weft_sleep(5 * WEFT_MILLISECOND));
    torture_require(err < 0 || called == asked);
    return err;
}

/* Nobody is left to set it. The waiter has no handle, so it must wait before we give ours back. */

static bool waits;

static int expect_nobody(void *future)
{
    waits = true;
    int err = weft_await((weft_future *)future);
    waits = false;
    torture_require(is_due(err, WEFT_EABANDONED));
    return 0;
}

static int abandoned(void *arg)
{
    (void)arg;
    weft_future *future = weft_future_new();
    waits = false;
    weft_future *waiter = future ? weft_call(expect_nobody, future) : NULL;
    int err = waiter ? 0 : -ENOMEM;
    if (waiter && !waits && !weft_is_done(waiter))
        torture_require(weft_future_cancel(waiter, "it has not begun") == 0);
    weft_future_release(future);
    err = err < 0 ? err : weft_await(waiter);
    weft_future_release(waiter);
    return err;
}

/* A handle that outlives the loop. */

static weft_future *kept, *kept_set;

static int keep(void *arg)
{
    (void)arg;
    kept = weft_future_new();
    kept_set = weft_future_new();
    if (kept)
        ask_done(kept, 1);
    return kept_set ? weft_future_set_owned(kept_set, own(7), give_back) : -ENOMEM;
}

static void check_kept(int result)
{
    void *value = NULL;
    torture_require(!kept || weft_future_result(kept, NULL) == WEFT_EABANDONED);
    torture_require(!kept || weft_future_set(kept, NULL) == -ESHUTDOWN);
    torture_require(!kept_set || weft_future_result(kept_set, &value) == 0);
    torture_require(!kept_set || number_of(value) == 7);
    weft_future_release(kept);
    weft_future_release(kept_set);
    kept = kept_set = NULL;
    owned_check(result);
}

/* Callbacks of the loop: in the order of asking, or of their times. */

static void note_call(void *arg)
{
    torture_require(number_of(arg) > called && !weft_task_self());
    called = number_of(arg);
    if (called == 2)
        weft_callback_fail(-EIO, "out of paper");
}

/* Whether it was asked for. */
static bool is_asked(weft_handle handle, void *arg)
{
    if (handle.id == 0)
        give_back(arg);
    torture_require(handle.id != 0 || torture_excuses(-ENOMEM));
    return handle.id != 0;
}

static weft_handle ask_soon(int number)
{
    void *arg = own(number);
    weft_handle handle = weft_call_soon(note_call, arg, .drop = give_back);
    is_asked(handle, arg);
    return handle;
}

static weft_handle ask_later(int number, int64_t delay)
{
    void *arg = own(number);
    weft_handle handle = weft_call_later(delay, note_call, arg, .drop = give_back);
    is_asked(handle, arg);
    return handle;
}

static weft_handle ask_at(int number, int64_t when)
{
    void *arg = own(number);
    weft_handle handle = weft_call_at(when, note_call, arg, .drop = give_back);
    is_asked(handle, arg);
    return handle;
}

static void take_back(weft_handle handle)
{
    torture_require(weft_handle_cancel(handle) == (handle.id != 0));
    torture_require(!weft_handle_cancel(handle));
}

static int callbacks(void *arg)
{
    (void)arg;
    ask_later(4, 2 * WEFT_MILLISECOND);
    weft_handle last = ask_at(5, weft_now() + 3 * WEFT_MILLISECOND);
    ask_at(3, weft_now() + WEFT_MILLISECOND);
    ask_later(6, WEFT_HOUR); /* the loop's end drops it */
    weft_handle gone = ask_later(100, WEFT_MILLISECOND), first = ask_soon(1);
    ask_soon(2);
    take_back(gone);
    take_back(ask_soon(100));
    int err = weft_sleep(0);
    torture_require(called <= 2 && (err < 0 || !weft_handle_cancel(first)));
    err = first_of(err, weft_sleep(5 * WEFT_MILLISECOND));
    torture_require(err < 0 || last.id == 0 || called == 5);
    return err;
}

/* A handler that fails itself, in both ways. */

static int stumble(weft_loop *loop, const weft_exception *exception, void *context)
{
    char text[256];
    torture_require(context == &handled && !weft_task_self() && exception->message);
    torture_require(!exception->task || weft_task_describe(exception->task, text, sizeof text));
    torture_require(!exception->future || weft_future_result(exception->future, NULL) < 0);
    switch (handled++ % 3) {
    case 0:
        weft_callback_fail(-EIO, "the handler has no paper either");
        return 0;
    case 1:
        return -ENOSPC;
    default:
        ask_soon(called + 1); /* takes memory */
        return weft_loop_default_exception_handler(loop, exception);
    }
}

static void complain(void *arg)
{
    (void)arg;
    weft_callback_fail(-EIO, "out of paper");
}

static int failures(void *arg)
{
    (void)arg;
    weft_loop_set_exception_handler(weft_loop_current(), stumble, &handled);
    weft_call_soon(complain, NULL);
    weft_future_release(owned_call(fail_in_a_while, 1));
    weft_future *unread = weft_future_new(), *later = owned_call(fail_in_a_while, 0);
    torture_require(!unread || weft_future_fail(unread, -EBADF, "nobody reads this") == 0);
    weft_future_release(unread);
    weft_task *task = owned_task(fail_in_a_while, 1);
    int err = weft_sleep(5 * WEFT_MILLISECOND);
    weft_task_release(task);
    err = first_of(err, weft_sleep(0));
    weft_future_release(later);
    torture_require(handled == 5 || !torture_is_calm());
    return err;
}

/* A loop by hand. */

static void set_it(void *future)
{
    torture_require(weft_future_set_owned(future, own(7), give_back) == 0);
}

static void stop_it(void *loop)
{
    weft_loop_stop(loop);
}

static int run_future(weft_loop *loop)
{
    weft_future *future = weft_future_new();
    if (!future)
        return weft_loop_run_until_complete(loop, future);
    if (weft_call_later(WEFT_MILLISECOND, set_it, future).id == 0)
        set_it(future);
    int err = weft_loop_run_until_complete(loop, future);
    torture_require(err == 0);
    weft_future_release(future);
    return err;
}

static int run_some(weft_loop *loop)
{
    weft_task *task = weft_loop_create_task(loop, owned_coro(in_a_while, 2));
    int err = weft_loop_run_until_complete(loop, task);
    torture_accept(err);
    weft_task_release(task);
    err = first_of(err, weft_loop_run_until_complete(loop, owned_coro(in_a_while, 1)));
    torture_accept(err);
    err = first_of(err, run_future(loop));
    if (weft_call_later(WEFT_MILLISECOND, stop_it, loop).id == 0)
        weft_loop_stop(loop);
    torture_require(weft_loop_run_forever(loop) == 0);
    return err;
}

static int by_hand(const struct torture_scenario *scenario)
{
    weft_loop *loop;
    (void)scenario;
    weft_coro *early = owned_coro(in_a_while, 1);
    int err = weft_loop_new(&loop);
    if (err < 0) {
        weft_coro_free(early);
        return err;
    }
    err = run_some(loop);
    err = first_of(err, weft_loop_run_until_complete(loop, early));
    if (err < 0)
        weft_coro_free(early);
    weft_task *left = weft_loop_create_task(loop, owned_coro(in_a_while, 1000));
    weft_future *pending = weft_sleep_future(WEFT_SECOND);
    torture_require(weft_loop_free(loop) == 0);
    torture_require(!left || weft_task_result(left, NULL) < 0);
    torture_require(!pending || weft_future_result(pending, NULL) == WEFT_EABANDONED);
    weft_task_release(left);
    weft_future_release(pending);
    return err;
}

/* Without its setter a future is abandoned. */
static const char *const twice[] = { "was awaited before", "was set twice", "was abandoned", NULL };
static const char *const refused[] = { "only looks on", NULL };
static const char *const nobody[] = { "was abandoned", NULL };

int main(void)
{
    static const struct torture_scenario scenarios[] = {
        { "coroutines", coroutines, begin, owned_check, .strict = true },
        { "taken twice", taken_twice, begin, owned_check, .strict = true, .says = twice },
        { "calls", calls, begin, owned_check, .strict = true },
        { "set", set_once, begin, owned_check, .strict = true, .says = twice },
        { "fail", fail_once, begin, owned_check, .strict = true },
        { "cancel", cancel_once, begin, owned_check, .strict = true },
        { "chain", chained, begin, owned_check, .strict = true, .says = nobody },
        { "on done", on_done, begin, owned_check, .strict = true, .says = nobody },
        { "relay", relayed, begin, owned_check, .strict = true, .says = nobody },
        { "busy drops", busy_drops, begin, owned_check, .strict = true },
        { "posted", posted, begin, owned_check, .strict = true },
        { "sleep futures", sleep_futures, begin, owned_check, .strict = true, .says = nobody },
        { "abandoned", abandoned, begin, owned_check, .strict = true, .says = nobody },
        { "kept", keep, begin, check_kept, .strict = true, .says = nobody },
        { "callbacks", callbacks, begin, owned_check, .strict = true },
        { "failures", failures, begin, owned_check, .strict = true, .debug = true },
        { "by hand", .program = by_hand, .begin = begin, .check = owned_check, .strict = true },
        { "many", many, begin, owned_check, .strict = true, .says = refused },
    };
    return torture(scenarios, TORTURE_COUNT(scenarios));
}
