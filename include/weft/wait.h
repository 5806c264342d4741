#ifndef WEFT_WAIT_H
#define WEFT_WAIT_H

/* Waiting for several awaitables, or for one and no longer than so long.
 *
 *     weft_awaitable *both[] = { weft_any(user), weft_any(cart) };
 *     int err = weft_gather(both, 2, .values = answers);
 *
 *     owns what it waits for, cancels and joins it:  weft_gather(), weft_wait_for()
 *     looks on:  weft_wait_all(), _any(), _first_error(), weft_with_timeout(), weft_completed
 *
 * Those that look on take tasks and futures; a coroutine, which nobody would hold afterwards, is
 * -EINVAL there (and taken). None of them adopts anything into the caller's scopes. */

#include <weft/await.h>

WEFT_BEGIN_DECLS

/* What weft_gather() does when one of them fails. */
enum weft_on_error {
    WEFT_WAIT_ALL,     /* waits for the others all the same */
    WEFT_CANCEL_REST,  /* cancels the others and waits for them */
    WEFT_RETURN_FIRST, /* returns; the others go on. Tasks and futures only */
};

struct weft_gather_options {
    size_t count;     /* the second argument */
    uint8_t on_error; /* enum weft_on_error */
    /* Out, `count` of them, also where it fails: each one's code; -EAGAIN where it is not done. */
    int *results;
    void **values;    /* likewise: each one's pointer, or NULL */
    const char *site; /* where it was called; set by the macro */
    size_t size;      /* of this struct; set by the macro */
};

/** Run coroutines side by side, wait for tasks and futures, and collect all results in the order of
 * the list: weft_gather(list, count).
 *
 * Coroutines become tasks of a scope of the call's own, so none outlives it. When the caller is
 * cancelled, or with WEFT_CANCEL_REST one of them fails, it cancels all of them, futures included,
 * and waits until they are done. The same object twice is awaited once.
 *
 * Returns: 0; 0 for an empty list.
 * Errors: the error of the one that failed first; the others are in `.results`, and where that is
 *   NULL each further one is logged. -ECANCELED; -EINVAL for a coroutine with WEFT_RETURN_FIRST;
 *   -EALREADY for one that was taken before; for a NULL in the list the maker's error; -ENOMEM;
 *   -EPERM outside a task; -EDEADLK for the calling task itself, a task around it, or one that
 *   waits for such a task without a limit; WEFT_ETHREAD for an object of another loop or thread.
 * Suspends: unless all of them are done.
 * Cancel: cancels and joins what it waits for.
 * Ownership: takes the coroutines, also on failure; borrows the rest. In `.values` the pointers of
 *   coroutines are the caller's, as with weft_await_value().
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_gather_with(weft_awaitable *const list[], const struct weft_gather_options *options);

/** Wait until all are done, whatever their results: weft_wait_all(list, count, timeout).
 *
 * `timeout` ns: <= 0 looks only, WEFT_FOREVER waits. Failures of those that are done count as read.
 *
 * Returns: 0.
 * Errors: -ETIMEDOUT when the time is over first; -ECANCELED; -EINVAL for a coroutine; for a NULL
 *   in the list the maker's error; -ENOMEM; -EPERM outside a task; -EDEADLK as weft_gather();
 *   WEFT_ETHREAD.
 * Suspends: unless all of them are done.
 * Cancel: only the waiting stops.
 * Ownership: borrows them; takes a coroutine that it refuses.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_wait_all(weft_awaitable *const list[], size_t count, int64_t timeout);

/** Wait until one is done.
 *
 * Returns: the index of the one that was done first; of those that are done already the least.
 * Errors: as weft_wait_all(); -EINVAL for an empty list too.
 * Suspends: unless one of them is done.
 * Cancel: only the waiting stops.
 * Ownership: as weft_wait_all().
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
ssize_t weft_wait_any(weft_awaitable *const list[], size_t count, int64_t timeout);

/** Wait until one has failed, or all are done.
 *
 * Returns: the index of the first that failed; `count` when all are done and none has.
 * Errors: as weft_wait_all().
 * Suspends: unless that is so already.
 * Cancel: only the waiting stops.
 * Ownership: as weft_wait_all().
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
ssize_t weft_wait_first_error(weft_awaitable *const list[], size_t count, int64_t timeout);

/** Await with a limit, and cancel what took too long: weft_wait_for(x, timeout) and
 * weft_wait_for_value(x, timeout, &pointer).
 *
 * After `timeout` ns (<= 0: at once, unless it is done) it is cancelled and waited for, so the call
 * may take longer than that. A coroutine runs inside the current task.
 *
 * Returns: as weft_await(), also when it succeeded although it was told to end.
 * Errors: as weft_await(); -ETIMEDOUT when it ended by that cancel.
 * Suspends: unless it is done.
 * Cancel: cancels and joins what it waits for.
 * Ownership: takes a coroutine, borrows a task or future.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_wait_for_with(weft_awaitable *awaitable, int64_t timeout, void **value);

/** Await with a limit, and leave alone what took too long: weft_with_timeout(x, timeout) and
 * weft_with_timeout_value(x, timeout, &pointer).
 *
 * Returns: as weft_await().
 * Errors: as weft_await(); -ETIMEDOUT when it was not done after `timeout` ns; -EINVAL for a
 *   coroutine.
 * Suspends: unless it is done.
 * Cancel: only the waiting stops.
 * Ownership: borrows a task or future; takes a coroutine that it refuses.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_with_timeout_with(weft_awaitable *awaitable, int64_t timeout, void **value);

/** Await a coroutine that goes on when the caller is cancelled: weft_shield(x) and
 * weft_shield_value(x, &pointer).
 *
 * It becomes a background task. Tasks and futures need no shield: a cancelled weft_await() leaves
 * them alone.
 *
 * Returns: as weft_await().
 * Errors: as weft_await(). A failure after the caller was cancelled is logged.
 * Suspends: unless it is done.
 * Cancel: only the waiting stops.
 * Ownership: takes a coroutine, borrows a task or future. A pointer that a coroutine gave by
 *   weft_return_owned() is the caller's, as with weft_await_value().
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_shield_with(weft_awaitable *awaitable, void **value);

/* An iteration over awaitables in the order in which they are done. The caller's memory.
 *
 *     weft_completed completed;
 *     size_t i;
 *     int more = weft_completed_begin(&completed, list, count);
 *     while (more >= 0 && (more = weft_completed_next(&completed, &i)) > 0)
 *         use(list[i]);
 *     weft_completed_end(&completed);
 */
typedef struct weft_completed {
    uint64_t opaque[16];
} weft_completed;

/** Begin an iteration.
 *
 * Returns: 0.
 * Errors: -EINVAL for a coroutine, for a NULL in the list the maker's error, -ENOMEM, -EPERM
 *   outside a task, WEFT_ETHREAD. It is empty then.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows the list and what is in it until weft_completed_end(), which must be called
 *   by the same task; takes a coroutine that it refuses.
 * Threads: the loop's own. */
WEFT_API
int weft_completed_begin(weft_completed *completed, weft_awaitable *const list[], size_t count);

/** The next one that is done. A failure of one does not end the iteration.
 *
 * Returns: 1, and its place in the list in *index; 0 when all have been seen.
 * Errors: -ECANCELED, after which the iteration can go on; -EPERM in another task.
 * Suspends: unless one is done that was not seen.
 * Cancel: loses nothing.
 * Ownership: borrows.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_completed_next(weft_completed *completed, size_t *index);

/** End an iteration, at any time.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is cancelled.
 * Ownership: the memory is the caller's again.
 * Threads: the loop's own. */
WEFT_API
void weft_completed_end(weft_completed *completed);

WEFT_END_DECLS

#define weft_wait_for(x, timeout)              weft_wait_for_with(weft_any(x), (timeout), NULL)
#define weft_wait_for_value(x, timeout, value) weft_wait_for_with(weft_any(x), (timeout), (value))
#define weft_with_timeout(x, timeout)          weft_with_timeout_with(weft_any(x), (timeout), NULL)
#define weft_with_timeout_value(x, timeout, value)                                                 \
    weft_with_timeout_with(weft_any(x), (timeout), (value))
#define weft_shield(x)              weft_shield_with(weft_any(x), NULL)
#define weft_shield_value(x, value) weft_shield_with(weft_any(x), (value))

/* weft_gather(list, count, .on_error = …, .results = …, .values = …) */
#ifndef __cplusplus
#    define weft_gather(list, ...)                                                                 \
        weft_gather_with(                                                                          \
            (list), &(struct weft_gather_options){ .count = __VA_ARGS__,                           \
                                                   .site = WEFT_SITE,                              \
                                                   .size = sizeof(struct weft_gather_options) })
#else
static inline int weft_gather(weft_awaitable *const *list, size_t count,
                              weft_gather_options options = {})
{
    options.count = count;
    options.size = sizeof options;
    return weft_gather_with(list, &options);
}
#endif

#endif
