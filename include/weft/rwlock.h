#ifndef WEFT_RWLOCK_H
#define WEFT_RWLOCK_H

/* A read-write lock: many tasks that look, or one that changes.
 *
 * It is fair: who comes while a writer waits waits behind it, readers too, so neither side starves
 * the other. Therefore a task that reads must not lock it again for reading: between the two a
 * writer may have come, and then both wait for ever. */

#include <weft/define.h>
#include <weft/line.h>

WEFT_BEGIN_DECLS

/* The caller's memory. Zeroed memory is a lock that nobody holds; weft_rwlock_init() adds the place
 * where it was made. It belongs to the thread that first uses it. */
typedef struct weft_rwlock {
    uint64_t opaque[16];
} weft_rwlock;

struct weft_rwlock_stats {
    weft_line_stats line;
    uint64_t read;    /* how often it was taken for reading */
    uint64_t written; /* and for writing */
    uint32_t readers; /* who hold it now */
    uint32_t writer;  /* the number of the task that writes; 0: none does */
};
typedef struct weft_rwlock_stats weft_rwlock_stats;

/** Make a lock that nobody holds: weft_rwlock_init(&lock).
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: writes to the caller's memory.
 * Threads: any; from its first use on that thread's. */
WEFT_API
void weft_rwlock_init_at(weft_rwlock *rwlock, const char *site);
#define weft_rwlock_init(rwlock) weft_rwlock_init_at((rwlock), WEFT_SITE)

/** Give it up.
 *
 * Returns: nothing.
 * Errors: none; aborts when a task holds it or waits for it.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the memory is the caller's again. NULL is allowed.
 * Threads: its own. */
WEFT_API
void weft_rwlock_fini(weft_rwlock *rwlock);

/** Take it for reading, after all who came before.
 *
 * Returns: 0.
 * Errors: -ECANCELED; -EDEADLK when the task writes; -EPERM outside a task; WEFT_ETHREAD.
 * Suspends: while another task writes, or waits to.
 * Cancel: the place in the line is given up; a lock that was handed over is held.
 * Ownership: borrows it.
 * Threads: its own. */
WEFT_API
WEFT_SUSPENDS
int weft_rwlock_lock_read(weft_rwlock *rwlock);

/** Take it for writing, after all who came before.
 *
 * Returns: 0.
 * Errors: -ECANCELED; -EDEADLK when the task writes already; -EPERM outside a task; WEFT_ETHREAD.
 * Suspends: while another task holds it.
 * Cancel: the place in the line is given up, and readers behind it are let in; a lock that was
 *   handed over is held.
 * Ownership: borrows it.
 * Threads: its own. */
WEFT_API
WEFT_SUSPENDS
int weft_rwlock_lock_write(weft_rwlock *rwlock);

/** Take it for reading if nobody writes or waits to.
 *
 * Returns: 0.
 * Errors: -EBUSY; -EPERM outside a task; WEFT_ETHREAD.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows it.
 * Threads: its own. */
WEFT_API
int weft_rwlock_try_lock_read(weft_rwlock *rwlock);

/** Take it for writing if nobody holds it.
 *
 * Returns: 0.
 * Errors: -EBUSY; -EPERM outside a task; WEFT_ETHREAD.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows it.
 * Threads: its own. */
WEFT_API
int weft_rwlock_try_lock_write(weft_rwlock *rwlock);

/** Let it go, from writing or from reading.
 *
 * Returns: 0.
 * Errors: -EPERM when another task writes, or nobody holds it.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows it. Readers are counted, not known: who unlocks must have locked.
 * Threads: its own. */
WEFT_API
int weft_rwlock_unlock(weft_rwlock *rwlock);

/** Write no more, but go on reading: nobody else writes in between.
 *
 * Returns: 0.
 * Errors: -EPERM when the calling task does not write.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows it.
 * Threads: its own. */
WEFT_API
int weft_rwlock_downgrade(weft_rwlock *rwlock);

/** What has happened at it.
 *
 * Returns: nothing; *stats is written.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows both.
 * Threads: its own. */
WEFT_API
void weft_rwlock_get_stats(const weft_rwlock *rwlock, weft_rwlock_stats *stats);

WEFT_END_DECLS

#endif
