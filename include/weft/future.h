#ifndef WEFT_FUTURE_H
#define WEFT_FUTURE_H

/* Futures: a result that somebody else will set.
 *
 *     weft_future *answer = weft_future_new();
 *     ask_the_library(question, on_answer, answer);    on_answer() calls weft_future_set()
 *     int err = weft_await_value(answer, &text);
 *     weft_future_release(answer);
 *
 *     PENDING ──set, fail, cancel, all handles released──> DONE
 *
 * A task is a future whose result is its function's: weft_task_future(). Each side that keeps the
 * pointer across a suspension holds a handle: weft_future_retain(). When the last handle goes while
 * somebody waits, nobody can set it any more, and who waits gets WEFT_EABANDONED. */

#include <weft/await.h>
#include <weft/loop.h>

WEFT_BEGIN_DECLS

/* What is called when a future is done: on the loop, outside every task, so it may not suspend. */
typedef void weft_done_fn(weft_future *future, void *arg);

/** Make a future of the current loop: weft_future_new().
 *
 * Returns: the future; NULL where there is no loop (-EPERM) or no memory, which every function
 *   that takes it will say.
 * Errors: in what awaits it.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: gives a handle, ended by weft_future_release().
 * Threads: the loop's own. */
WEFT_API
weft_future *weft_future_new_with(const char *site);

/** A future that is set `duration` ns from now (<= 0: in the next turn): weft_sleep_future().
 *
 * The clock runs from this call on, whether anybody waits or not. That is what keeps the period of
 *
 *     weft_future *next = weft_sleep_future(WEFT_MINUTE);
 *     work();
 *     weft_await(next);
 *
 * Returns: the future, or NULL, as weft_future_new().
 * Errors: in what awaits it.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: gives a handle. The timer ends with the last handle, waiter and callback.
 * Threads: the loop's own. */
WEFT_API
weft_future *weft_sleep_future_with(int64_t duration, const char *site);

/** Set the result: a pointer, which may be NULL.
 *
 * Whoever waits becomes ready and callbacks are queued, in the order in which they came; none runs
 * before the caller suspends.
 *
 * Returns: 0.
 * Errors: -EALREADY when it is done, and keeps its first result; -ECANCELED when it was cancelled;
 *   -EPERM for a task's future; -ESHUTDOWN when its loop has ended; WEFT_ETHREAD; for NULL the
 *   maker's error.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows the future, and the value as long as the future lives.
 * Threads: the loop's own; others post a callback that sets it. */
WEFT_API
int weft_future_set(weft_future *future, void *value);

/** Set a pointer that `drop` frees with the future.
 *
 * Returns: 0.
 * Errors: as weft_future_set().
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: takes `value`, also on failure: `drop(value)` runs when the last handle, waiter and
 *   callback is gone, or at once when the result was not accepted.
 * Threads: the loop's own. */
WEFT_API
int weft_future_set_owned(weft_future *future, void *value, weft_drop_fn *drop);

/** Set a failure: `err` < 0, and in words what happened.
 *
 * A failure that nobody reads is reported with the last release, once.
 *
 * Returns: 0.
 * Errors: as weft_future_set(); -EINVAL for `err` >= 0.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: copies `text`, at most 255 bytes; NULL is allowed. Without memory the text is lost.
 * Threads: the loop's own. */
WEFT_API
int weft_future_fail(weft_future *future, int err, const char *text);

/** Give a future up: who waits gets -ECANCELED, and setting it answers -ECANCELED.
 *
 * A task's future cancels the task, which may take its time or end otherwise.
 *
 * Returns: 0.
 * Errors: as weft_future_set(), but for -EPERM.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows the future; `why` must be static or outlive a task.
 * Threads: the loop's own. */
WEFT_API
int weft_future_cancel(weft_future *future, const char *why);

/** A finished future's result.
 *
 * Returns: 0, or what a task's function returned; the pointer, or NULL, in *value when `value` is
 *   not NULL.
 * Errors: its own, with its text in weft_error_detail(); -EAGAIN while it is not done; for NULL the
 *   maker's error; WEFT_EABANDONED, WEFT_ESTUCK when the loop ended first; WEFT_ETHREAD.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the pointer stays the future's. Any number of times.
 * Threads: the loop's own. */
WEFT_API
int weft_future_result(weft_future *future, void **value);

/** Whether a future has its result.
 *
 * Returns: true when weft_future_result() has an answer; false for NULL.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows the handle.
 * Threads: the loop's own. */
WEFT_API
bool weft_future_is_done(const weft_future *future);

/** Whether a future was cancelled; for a task's: whether it ended by a cancel that was asked for.
 *
 * Returns: true or false; false for NULL.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows the handle.
 * Threads: the loop's own. */
WEFT_API
bool weft_future_is_cancelled(const weft_future *future);

/** Call `fn(future, arg)` once when the future is done: weft_future_on_done(future, fn, arg).
 *
 * Callbacks run on the loop, in the order of asking, in the turn after the future was done and
 * never inline; also for a future that is done already. One that fails says so with
 * weft_callback_fail() and stops nothing. Options: those of weft_call_soon().
 *
 * Returns: 0.
 * Errors: -ENOMEM; -ESHUTDOWN when the loop has ended; WEFT_ETHREAD; for NULL the maker's error.
 *   The callback is not called then.
 * Suspends: never.
 * Cancel: weft_future_remove_callback().
 * Ownership: keeps the future until the call. Borrows `arg` until then; with `.drop` takes it on
 *   success: `.drop` is called with it after the callback, or instead of it.
 * Threads: the loop's own. */
WEFT_API
int weft_future_on_done_with(weft_future *future, weft_done_fn *fn,
                             const struct weft_call_options *options);

/** Make sure that no callback asked for with this `fn` and `arg` will be called.
 *
 * Returns: how many were still to be called.
 * Errors: none; 0 for NULL and from another thread.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: their `.drop` has been called; without one `arg` is the caller's again.
 * Threads: the loop's own. */
WEFT_API
size_t weft_future_remove_callback(weft_future *future, weft_done_fn *fn, void *arg);

/** Have `target` get the result of `source` when that is done, unless it is done by then.
 *
 * Returns: 0.
 * Errors: as weft_future_on_done(); -EPERM when `target` is a task's future; WEFT_ETHREAD when the
 *   two belong to different loops.
 * Suspends: never.
 * Cancel: cancelling `target` leaves `source` alone; a cancel of `source` cancels `target`.
 * Ownership: keeps both until then. A pointer is passed on and stays the source's: `target` holds
 *   `source` as long as it lives. A failure counts as read, and is the target's to report.
 * Threads: the loop's own. */
WEFT_API
int weft_future_chain(weft_future *source, weft_future *target);

/** Take another handle.
 *
 * Returns: the future.
 * Errors: none; NULL stays NULL.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: gives a handle.
 * Threads: the loop's own. */
WEFT_API
weft_future *weft_future_retain(weft_future *future);

/** Give a handle back. With the last one of a pending future who waits gets WEFT_EABANDONED, and a
 * failure that nobody has read is reported. A task goes on.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is cancelled.
 * Ownership: takes the handle. NULL is allowed.
 * Threads: the loop's own. */
WEFT_API
void weft_future_release(weft_future *future);

/** The future that a task is.
 *
 * Returns: the future; NULL for NULL.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrowed from the task's handle; weft_future_retain() takes one more of these.
 * Threads: the loop's own. */
WEFT_API
weft_future *weft_task_future(weft_task *task);

WEFT_END_DECLS

#define weft_future_new()           weft_future_new_with(WEFT_SITE)
#define weft_sleep_future(duration) weft_sleep_future_with((duration), WEFT_SITE)

/* weft_future_on_done(future, fn, arg, .drop = …, .name = …) */
#ifndef __cplusplus
#    define weft_future_on_done(future, fn, ...)                                                   \
        weft_future_on_done_with((future), (fn), WEFT_CALL_OPTIONS_(fn, __VA_ARGS__))
#else
static inline int weft_future_on_done(weft_future *future, weft_done_fn *fn, void *arg,
                                      weft_call_options options = {})
{
    options.arg = arg;
    options.size = sizeof options;
    return weft_future_on_done_with(future, fn, &options);
}
#endif

#endif
