#ifndef WEFT_REMOTE_H
#define WEFT_REMOTE_H

/* Tasks in other loops.
 *
 *     weft_future *answer = weft_spawn_on(other, look_up, &key);
 *     int err = weft_await_value(answer, &row);
 *     weft_future_release(answer);
 *
 * The task lives in the background scope of the other loop, and runs on that loop's thread; its
 * result comes back to the loop that asked. */

#include <weft/future.h>
#include <weft/loop.h>
#include <weft/task.h>

WEFT_BEGIN_DECLS

/* Options of weft_spawn_on() and weft_spawn_on_wait(). */
struct weft_spawn_on_options {
    void *arg;            /* the third argument */
    int64_t timeout;      /* weft_spawn_on_wait(): the fourth argument */
    void **value;         /* weft_spawn_on_wait(): out: the pointer that the function has handed
                             back, the caller's from then on; NULL: it is dropped */
    const char *name;     /* of the task; at most 31 bytes are kept, copied; NULL: the function's */
    weft_drop_fn *drop;   /* called with arg exactly once, whatever happens */
    const char *function; /* the function's name; set by the macro */
    const char *site;     /* where it was called; set by the macro */
    uint32_t stack_size;  /* bytes; 0: 64 KiB; rounded up to 16, 64 or 256 KiB */
    uint16_t copy;        /* copy so many bytes (<= 1,024) from arg; the function gets the copy */
    uint16_t size;        /* of this struct; set by the macro */
};

/** Start `fn(arg)` as a task of another loop's background scope.
 *
 * The future belongs to the calling loop and is set by the function: with what it returned and the
 * pointer it handed back. The task does not inherit task-local values, which belong to a thread.
 *
 * Who awaits the future is bound, because the function may use memory of the waiting task: a cancel
 * of the awaiter, also one that came before the call, cancels the task in its loop and waits for
 * its end. weft_future_cancel() cancels it too.
 * With `.copy` the function has memory of its own, and a cancelled awaiter just stops waiting. The
 * functions that wait for several or with a limit treat the future as that of a task.
 *
 * Returns: the future; NULL as below, which every function that takes it will say.
 * Errors: of the maker: -EAGAIN when `.posts_max` messages wait for that loop; -EINVAL for `.copy`
 *   above 1,024 or `.stack_size` above 256 KiB; -EPERM without a calling loop, or for NULL;
 *   -ENOMEM. In the future: the function's own; -ESHUTDOWN when the other loop has ended, or ends
 *   before the task does; WEFT_ESTUCK when it ended without it; -ENOMEM when it has no memory for
 *   the task; WEFT_EABANDONED when the calling loop ended first.
 * Suspends: never.
 * Cancel: never delivered here. Released early, the task goes on.
 * Ownership: gives a handle. Borrows `arg` until the task has ended; with `.drop` takes it, also
 *   when it fails: called on the thread of the other loop, or on the calling one where the message
 *   did not get there. A pointer that was handed back by weft_return_owned() is dropped on the
 *   calling loop's thread; on the other one when the calling loop has ended.
 * Threads: the calling loop's own; `loop` is alive, or kept by weft_loop_retain().
 */
WEFT_API
weft_future *weft_spawn_on_with(weft_loop *loop, weft_fn *fn,
                                const struct weft_spawn_on_options *options);

/** Start `fn(arg)` as a task of a loop's background scope, and block this thread, which runs no
 * loop, until it has ended: weft_spawn_on_wait(loop, fn, arg, timeout).
 *
 * When `timeout` ns are over the task is cancelled, and the thread waits on for its end, because
 * the function may use memory of this thread. With `.copy` it has its own: then the thread leaves
 * at once.
 *
 * Returns: what the function returned, >= 0; the pointer it handed back in `.value`.
 * Errors: the function's own; -ETIMEDOUT when the time was over and the task has obeyed, or was
 *   left behind; -ESHUTDOWN, WEFT_ESTUCK, -EAGAIN, -EINVAL, -ENOMEM as weft_spawn_on(); -EPERM for
 *   NULL; -EDEADLK in a thread whose loop runs, or for a loop of this thread.
 * Suspends: never; it blocks the thread.
 * Cancel: by `timeout` only, which is real time; <= 0 cancels at once, WEFT_FOREVER never.
 * Ownership: borrows `arg` until the return; with `.drop` takes it, whatever the outcome, as
 *   weft_spawn_on().
 * Threads: any that runs no loop; `loop` is alive, or kept by weft_loop_retain(). */
WEFT_API
int weft_spawn_on_wait_with(weft_loop *loop, weft_fn *fn,
                            const struct weft_spawn_on_options *options);

WEFT_END_DECLS

/* weft_spawn_on(loop, fn, arg, .copy = …), weft_spawn_on_wait(loop, fn, arg, timeout, .drop = …) */
#ifndef __cplusplus
#    define weft_spawn_on(target, fn, ...)                                                         \
        weft_spawn_on_with(                                                                        \
            (target), (fn),                                                                        \
            &(struct weft_spawn_on_options){ .arg = __VA_ARGS__,                                   \
                                             .function = #fn,                                      \
                                             .site = WEFT_SITE,                                    \
                                             .size = sizeof(struct weft_spawn_on_options) })
#    define weft_spawn_on_wait(target, fn, argument, ...)                                          \
        weft_spawn_on_wait_with(                                                                   \
            (target), (fn),                                                                        \
            &(struct weft_spawn_on_options){ .timeout = __VA_ARGS__,                               \
                                             .arg = (argument),                                    \
                                             .function = #fn,                                      \
                                             .site = WEFT_SITE,                                    \
                                             .size = sizeof(struct weft_spawn_on_options) })
#else
static inline weft_future *weft_spawn_on(weft_loop *loop, weft_fn *fn, void *arg,
                                         weft_spawn_on_options options = {})
{
    options.arg = arg;
    options.size = static_cast<uint16_t>(sizeof options);
    return weft_spawn_on_with(loop, fn, &options);
}

static inline int weft_spawn_on_wait(weft_loop *loop, weft_fn *fn, void *arg, int64_t timeout,
                                     weft_spawn_on_options options = {})
{
    options.arg = arg;
    options.timeout = timeout;
    options.size = static_cast<uint16_t>(sizeof options);
    return weft_spawn_on_wait_with(loop, fn, &options);
}
#endif

#endif
