#ifndef WEFT_ONCE_H
#define WEFT_ONCE_H

/* Something that is done once, by whoever needs it first.
 *
 *     static weft_once connected;
 *     int err = weft_once_run(&connected, connect_to_database, &database);
 *     if (err < 0)
 *         return err;
 *
 * The function may suspend: who comes meanwhile waits for its end. Where it fails the next one who
 * waits tries for himself. */

#include <weft/define.h>
#include <weft/line.h>
#include <weft/loop.h>

WEFT_BEGIN_DECLS

/* The caller's memory. Zeroed memory is something that was not done yet; weft_once_init() adds the
 * place where it was made. It belongs to the thread that first uses it: what each thread is to do
 * once is _Thread_local. */
typedef struct weft_once {
    uint64_t opaque[12];
} weft_once;

struct weft_once_stats {
    weft_line_stats line;
    uint64_t runs; /* how often the function was called: once more than it has failed */
    bool done;
};
typedef struct weft_once_stats weft_once_stats;

/** Make something that was not done yet: weft_once_init(&once).
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: writes to the caller's memory.
 * Threads: any; from its first use on that thread's. */
WEFT_API
void weft_once_init_at(weft_once *once, const char *site);
#define weft_once_init(once) weft_once_init_at((once), WEFT_SITE)

/** Give it up.
 *
 * Returns: nothing.
 * Errors: none; aborts while a task is in weft_once_run().
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the memory is the caller's again. NULL is allowed.
 * Threads: its own. */
WEFT_API
void weft_once_fini(weft_once *once);

/** Call `fn(arg)` in this task, unless that was done before; or wait for who does it.
 *
 * Returns: what the call that has succeeded has returned, >= 0, now and every time.
 * Errors: what `fn` has returned in this task: the next one in the line calls it then; -ECANCELED;
 *   -EDEADLK inside of `fn`; -EINVAL when it returned a weft_return(), which counts as a failure;
 *   -EPERM outside a task; WEFT_ETHREAD.
 * Suspends: where `fn` does, or while another task is in it.
 * Cancel: the place in the line is given up. Who calls `fn` is cancelled inside of it.
 * Ownership: borrows all until it returns.
 * Threads: its own. */
WEFT_API
WEFT_SUSPENDS
int weft_once_run(weft_once *once, weft_fn *fn, void *arg);

/** Whether it was done.
 *
 * Returns: true after a success.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows it.
 * Threads: its own. */
WEFT_API
bool weft_once_is_done(const weft_once *once);

/** What has happened at it.
 *
 * Returns: nothing; *stats is written.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows both.
 * Threads: its own. */
WEFT_API
void weft_once_get_stats(const weft_once *once, weft_once_stats *stats);

WEFT_END_DECLS

#endif
