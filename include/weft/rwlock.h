#ifndef WEFT_RWLOCK_H
#define WEFT_RWLOCK_H

/* A read-write lock: many tasks may read at once, or one may write.
 *
 *     static weft_rwlock l;
 *     int err = weft_rwlock_lock_read(&l);        others may read too
 *     …
 *     weft_rwlock_unlock(&l);
 *
 * It is fair: whoever comes waits behind those who wait, so a reader does not pass a writer.
 * Readers who stand together at the head of the line are let in together. A task that reads must
 * not lock it again before it has unlocked it: behind a waiting writer it would wait for itself. */

#include <weft/define.h>
#include <weft/line.h>

WEFT_BEGIN_DECLS

/* The caller's memory. Zeroed memory is a lock that nobody holds; weft_rwlock_init() adds the place
 * where it was made, which reports name. It belongs to the thread that first uses it. */
typedef struct weft_rwlock {
    uint64_t opaque[16];
} weft_rwlock;

struct weft_rwlock_stats {
    weft_line_stats line;
    uint64_t read;    /* how often it was taken to read, downgrades included */
    uint64_t written; /* how often to write */
    uint32_t readers; /* who read now */
    uint32_t writer;  /* the number of the task that writes; 0: none does */
};
typedef struct weft_rwlock_stats weft_rwlock_stats;

/** Make a lock that nobody holds: weft_rwlock_init(&l).
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: writes to the caller's memory.
 * Threads: any; from its first use on that thread's. */
WEFT_API
void weft_rwlock_init_at(weft_rwlock *lock, const char *site);
#define weft_rwlock_init(lock) weft_rwlock_init_at((lock), WEFT_SITE)

/** Give it up.
 *
 * Returns: nothing.
 * Errors: none; aborts when a task holds it or waits for it.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the memory is the caller's again. NULL is allowed.
 * Threads: its own. */
WEFT_API
void weft_rwlock_fini(weft_rwlock *lock);

/** Take it to read, after all who came before.
 *
 * Returns: 0; the task reads.
 * Errors: -ECANCELED; -EDEADLK when the task writes; -EPERM outside a task; WEFT_ETHREAD.
 * Suspends: while a task writes, or anybody waits.
 * Cancel: the place in the line is given up; a lock that was handed over is held.
 * Ownership: borrows it.
 * Threads: its own. */
WEFT_API
WEFT_SUSPENDS
int weft_rwlock_lock_read(weft_rwlock *lock);

/** Take it to write, after all who came before.
 *
 * Returns: 0; the task writes, and nobody else does anything.
 * Errors: -ECANCELED; -EDEADLK when the task writes already; -EPERM outside a task; WEFT_ETHREAD.
 * Suspends: while somebody holds it.
 * Cancel: the place in the line is given up, and readers behind it may be let in; a lock that was
 *   handed over is held.
 * Ownership: borrows it.
 * Threads: its own. */
WEFT_API
WEFT_SUSPENDS
int weft_rwlock_lock_write(weft_rwlock *lock);

/** Take it to read if nobody writes or waits.
 *
 * Returns: 0; the task reads.
 * Errors: -EBUSY when somebody writes or waits; -EPERM outside a task; WEFT_ETHREAD.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows it.
 * Threads: its own. */
WEFT_API
int weft_rwlock_try_lock_read(weft_rwlock *lock);

/** Take it to write if nobody holds it.
 *
 * Returns: 0; the task writes.
 * Errors: -EBUSY when somebody holds it; -EPERM outside a task; WEFT_ETHREAD.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows it.
 * Threads: its own. */
WEFT_API
int weft_rwlock_try_lock_write(weft_rwlock *lock);

/** Let it go, as a reader or as the writer: whoever is first in the line is let in as soon as that
 * can be.
 *
 * Returns: 0.
 * Errors: -EPERM when nobody holds it, or another task writes; WEFT_ETHREAD.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows it. Readers are counted, not known: who unlocks takes one away.
 * Threads: its own. */
WEFT_API
int weft_rwlock_unlock(weft_rwlock *lock);

/** From now on the writer reads, without anybody writing in between; readers at the head of the
 * line are let in.
 *
 * Returns: 0; the task reads.
 * Errors: -EPERM when the task does not write; WEFT_ETHREAD.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows it.
 * Threads: its own. */
WEFT_API
int weft_rwlock_downgrade(weft_rwlock *lock);

/** What has happened at it.
 *
 * Returns: nothing; *stats is written.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows both.
 * Threads: its own. */
WEFT_API
void weft_rwlock_get_stats(const weft_rwlock *lock, weft_rwlock_stats *stats);

WEFT_END_DECLS

#endif
