#ifndef WEFT_AWAIT_H
#define WEFT_AWAIT_H

/* What can be awaited: coroutines, tasks and futures, all by one word.
 *
 *     int err = weft_await(coroutine);            runs it here, in the current task
 *     int err = weft_await_value(task, &text);    waits for its end, takes the pointer it returned
 *
 * A function that takes several of them takes an array of weft_awaitable *, filled with
 * weft_any(x). NULL is what a maker returns that has failed, and every function that takes an
 * awaitable answers it with the maker's error: `weft_await(weft_call(fn, arg))` needs no check in
 * between. */

#include <weft/define.h>

WEFT_BEGIN_DECLS

typedef struct weft_awaitable weft_awaitable;
typedef struct weft_coro weft_coro;
typedef struct weft_future weft_future;
typedef struct weft_task weft_task;

enum weft_awaitable_kind {
    WEFT_AWAITABLE_NONE, /* NULL */
    WEFT_AWAITABLE_CORO,
    WEFT_AWAITABLE_FUTURE,
    WEFT_AWAITABLE_TASK,
};

/** Which of the three an awaitable is; weft_is_coro(x) and weft_is_future(x) ask for one. A task is
 * a future too; a coroutine is none.
 *
 * Returns: the kind; WEFT_AWAITABLE_NONE for NULL.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows.
 * Threads: any. */
WEFT_API
enum weft_awaitable_kind weft_awaitable_kind(const weft_awaitable *awaitable);

/** Whether a task or future has its result; weft_is_done(x).
 *
 * Returns: true when awaiting it would not wait; false for a coroutine and for NULL.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows.
 * Threads: the loop's own. */
WEFT_API
bool weft_awaitable_is_done(const weft_awaitable *awaitable);

/** Wait for a result: weft_await(x) and weft_await_value(x, &pointer).
 *
 * A coroutine runs inside the current task, up to its end: no turn of the loop passes before its
 * first line. It is taken, whatever the outcome. A task or future that has its result answers at
 * once and costs no turn; else the current task waits for it.
 *
 * Returns: what the function returned (0 where it returned a pointer), or 0 for a future that was
 *   set; *value is the pointer, or NULL when there is none, where `value` is not NULL.
 * Errors: its own, with the text of weft_future_fail() in weft_error_detail(); *value is untouched
 *   then. -ECANCELED also when the waiting task is cancelled; for NULL the maker's error;
 *   -EALREADY for a coroutine that was taken before; -EDEADLK for the calling task itself, a task
 *   around it, or one that awaits such a task without a limit; WEFT_EABANDONED for a future that
 *   nobody can set any more; -EPERM outside a task; WEFT_ETHREAD for an object of another loop or
 *   thread, -ESHUTDOWN when that loop has ended.
 * Suspends: unless it has its result; a coroutine when its function does.
 * Cancel: only the waiting stops; a task or future goes on. A coroutine's function is told.
 * Ownership: takes a coroutine, borrows a task or future. The pointer belongs to the task or
 *   future and lives as long; a coroutine's is the caller's, and one that it gave by
 *   weft_return_owned() is dropped at once where nobody asks for it.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_await_with(weft_awaitable *awaitable, void **value);

WEFT_END_DECLS

/* Each of the three begins with its weft_awaitable. */
#ifndef __cplusplus
#    define weft_any(x)                                                                            \
        ((weft_awaitable *)_Generic((x), weft_coro *                                               \
                                    : (x), weft_future *                                           \
                                    : (x), weft_task *                                             \
                                    : (x), weft_awaitable *                                        \
                                    : (x)))
#else
template <typename Awaitable> static inline weft_awaitable *weft_any(Awaitable *x);

template <> inline weft_awaitable *weft_any(weft_coro *x)
{
    return reinterpret_cast<weft_awaitable *>(x);
}

template <> inline weft_awaitable *weft_any(weft_future *x)
{
    return reinterpret_cast<weft_awaitable *>(x);
}

template <> inline weft_awaitable *weft_any(weft_task *x)
{
    return reinterpret_cast<weft_awaitable *>(x);
}

template <> inline weft_awaitable *weft_any(weft_awaitable *x)
{
    return x;
}
#endif

#define weft_await(x)              weft_await_with(weft_any(x), NULL)
#define weft_await_value(x, value) weft_await_with(weft_any(x), (value))
#define weft_is_coro(x)            (weft_awaitable_kind(weft_any(x)) == WEFT_AWAITABLE_CORO)
#define weft_is_future(x)          (weft_awaitable_kind(weft_any(x)) >= WEFT_AWAITABLE_FUTURE)
#define weft_is_done(x)            weft_awaitable_is_done(weft_any(x))

#endif
