#ifndef WEFT_CORO_H
#define WEFT_CORO_H

/* Coroutine objects: a function with its argument that has not started.
 *
 *     weft_coro *coroutine = weft_coro_new(do_some_work, &x);    nothing has run yet
 *     int err = weft_await(coroutine);                           it runs here
 *
 * A coroutine is taken once: by weft_await(), weft_create_task(), weft_loop_run_until_complete() or
 * a combinator, also where these fail. Taking it again answers -EALREADY, until 1,024 younger ones
 * were taken and its memory is another one's. One that nobody has taken is reported when it is
 * freed, when the thread's last loop ends, or when the thread does. */

#include <weft/await.h>
#include <weft/task.h>

WEFT_BEGIN_DECLS

/* Options of weft_coro_new() and weft_call(). */
struct weft_coro_options {
    void *arg;            /* the second argument */
    const char *name;     /* static or outliving the coroutine; NULL: the function's name */
    weft_drop_fn *drop;   /* called with arg exactly once, after the body or instead of it */
    const char *function; /* the function's name; set by the macro */
    const char *site;     /* where it was called; set by the macro */
    uint32_t stack_size;  /* of the task that it may become, as in weft_spawn() */
    uint32_t size;        /* of this struct; set by the macro */
};

/** Fold a function and its argument into an object: weft_coro_new(fn, arg). Runs nothing.
 *
 * Returns: the coroutine; NULL without memory, which every function that takes it will say.
 * Errors: in what takes it.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: gives the coroutine to whoever takes it, or to weft_coro_free(). Borrows `arg` until
 *   the body has ended; with `.drop` takes it, unless it returns NULL.
 * Threads: any; the coroutine belongs to the caller's. */
WEFT_API
weft_coro *weft_coro_new_with(weft_fn *fn, const struct weft_coro_options *options);

/** Give up a coroutine that nobody has taken, which is reported: "coroutine 'f' was never awaited".
 *
 * Returns: nothing. One that was taken is left alone.
 * Errors: none.
 * Suspends: never.
 * Cancel: the body never runs.
 * Ownership: takes the coroutine; its `.drop` is called. NULL is allowed.
 * Threads: the coroutine's own. */
WEFT_API
void weft_coro_free(weft_coro *coro);

/** Start a coroutine as a background task of the running loop.
 *
 * It does not run before the caller suspends. The caller's deadline and cancel do not reach it; its
 * failure is logged when nobody holds a handle, or when the last one is released unread.
 *
 * Returns: the task; NULL where no loop runs (-EPERM), without memory, or for a coroutine that was
 *   taken before (-EALREADY), which every function that takes the task will say.
 * Errors: in what awaits it.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: takes the coroutine, also on failure. Gives a handle, ended by weft_task_release();
 *   releasing it while the task runs only detaches it.
 * Threads: the loop's own. */
WEFT_API
weft_task *weft_create_task(weft_coro *coro);

/** The same in a loop that need not run yet.
 *
 * Returns: the task, or NULL, as weft_create_task().
 * Errors: in what awaits it.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: as weft_create_task().
 * Threads: the loop's own. */
WEFT_API
weft_task *weft_loop_create_task(weft_loop *loop, weft_coro *coro);

/** Call a function as a background task that starts at once: weft_call(fn, arg). It runs up to its
 * first suspension, or to its end, before this returns.
 *
 *     weft_future *sum = weft_call(add, &numbers);    done already if add() did not suspend
 *
 * Returns: the task's future; NULL as weft_create_task().
 * Errors: in what awaits it.
 * Suspends: never.
 * Cancel: the caller's deadline and cancel do not reach it.
 * Ownership: gives a handle, ended by weft_future_release(). Borrows `arg` until the body has
 *   ended; with `.drop` takes it, unless it returns NULL.
 * Threads: the loop's own. */
WEFT_API
weft_future *weft_call_with(weft_fn *fn, const struct weft_coro_options *options);

WEFT_END_DECLS

/* weft_coro_new(fn, arg, .name = …, .drop = …), weft_call(fn, arg, …) */
#ifndef __cplusplus
#    define WEFT_CORO_OPTIONS_(fn, ...)                                                            \
        &(struct weft_coro_options)                                                                \
        {                                                                                          \
            .arg = __VA_ARGS__, .function = #fn, .site = WEFT_SITE,                                \
            .size = sizeof(struct weft_coro_options)                                               \
        }
#    define weft_coro_new(fn, ...) weft_coro_new_with((fn), WEFT_CORO_OPTIONS_(fn, __VA_ARGS__))
#    define weft_call(fn, ...)     weft_call_with((fn), WEFT_CORO_OPTIONS_(fn, __VA_ARGS__))
#else
static inline weft_coro *weft_coro_new(weft_fn *fn, void *arg, weft_coro_options options = {})
{
    options.arg = arg;
    options.size = sizeof options;
    return weft_coro_new_with(fn, &options);
}

static inline weft_future *weft_call(weft_fn *fn, void *arg, weft_coro_options options = {})
{
    options.arg = arg;
    options.size = sizeof options;
    return weft_call_with(fn, &options);
}
#endif

#endif
