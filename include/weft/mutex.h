#ifndef WEFT_MUTEX_H
#define WEFT_MUTEX_H

/* A mutex: one task at a time.
 *
 *     static weft_mutex m;
 *     int err = weft_mutex_lock(&m);
 *     if (err < 0)
 *         return err;
 *     …
 *     weft_mutex_unlock(&m);
 *
 * Tasks of one thread never run at the same time, so a mutex is for what must stay as it is across
 * calls that suspend. It is fair: unlocking hands it to the task that has waited longest. */

#include <weft/define.h>
#include <weft/line.h>

WEFT_BEGIN_DECLS

/* The caller's memory. Zeroed memory is a mutex that nobody holds; weft_mutex_init() adds the place
 * where it was made, which reports name. It belongs to the thread that first uses it. */
typedef struct weft_mutex {
    uint64_t opaque[12];
} weft_mutex;

struct weft_mutex_stats {
    weft_line_stats line;
    uint64_t locked; /* how often it was taken */
    uint32_t holder; /* the number of the task that holds it; 0: nobody does */
};
typedef struct weft_mutex_stats weft_mutex_stats;

/** Make a mutex that nobody holds: weft_mutex_init(&m).
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: writes to the caller's memory.
 * Threads: any; from its first use on that thread's. */
WEFT_API
void weft_mutex_init_at(weft_mutex *mutex, const char *site);
#define weft_mutex_init(mutex) weft_mutex_init_at((mutex), WEFT_SITE)

/** Give it up.
 *
 * Returns: nothing.
 * Errors: none; aborts when a task holds it or waits for it.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the memory is the caller's again. NULL is allowed.
 * Threads: its own. */
WEFT_API
void weft_mutex_fini(weft_mutex *mutex);

/** Take it, after all who came before.
 *
 * Returns: 0; the task holds it.
 * Errors: -ECANCELED; -EDEADLK when the task holds it already; -EPERM outside a task; WEFT_ETHREAD.
 * Suspends: while another task holds it.
 * Cancel: the place in the line is given up; a mutex that was handed over is held.
 * Ownership: borrows it.
 * Threads: its own. */
WEFT_API
WEFT_SUSPENDS
int weft_mutex_lock(weft_mutex *mutex);

/** Take it if nobody holds it.
 *
 * Returns: 0; the task holds it.
 * Errors: -EBUSY when somebody holds it; -EPERM outside a task; WEFT_ETHREAD.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows it.
 * Threads: its own. */
WEFT_API
int weft_mutex_try_lock(weft_mutex *mutex);

/** Let it go: the first in the line holds it from now on.
 *
 * Returns: 0.
 * Errors: -EPERM when the calling task does not hold it.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows it.
 * Threads: its own. */
WEFT_API
int weft_mutex_unlock(weft_mutex *mutex);

/** Whether somebody holds it.
 *
 * Returns: true while a task does.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows it.
 * Threads: its own. */
WEFT_API
bool weft_mutex_is_locked(const weft_mutex *mutex);

/** What has happened at it.
 *
 * Returns: nothing; *stats is written.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows both.
 * Threads: its own. */
WEFT_API
void weft_mutex_get_stats(const weft_mutex *mutex, weft_mutex_stats *stats);

WEFT_END_DECLS

#endif
