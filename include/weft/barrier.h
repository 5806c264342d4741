#ifndef WEFT_BARRIER_H
#define WEFT_BARRIER_H

/* A barrier: tasks wait for one another until so many are there, and then go on together.
 *
 *     weft_barrier b;
 *     weft_barrier_init(&b, 3);
 *     …
 *     int place = weft_barrier_wait(&b);      in each of three tasks
 *     if (place == 0)
 *         prepare_the_next_round();           one of them
 *
 * It can be used again at once: who comes after the last one of a round waits for the next. */

#include <weft/define.h>
#include <weft/line.h>

WEFT_BEGIN_DECLS

/* The caller's memory. It belongs to the thread that first uses it. Zeroed memory is no barrier. */
typedef struct weft_barrier {
    uint64_t opaque[16];
} weft_barrier;

struct weft_barrier_stats {
    weft_line_stats line;
    uint64_t rounds;  /* how often all were there */
    uint32_t parties; /* how many that is */
    bool broken;
};
typedef struct weft_barrier_stats weft_barrier_stats;

/** Make a barrier for so many tasks: weft_barrier_init(&barrier, parties).
 *
 * Returns: 0.
 * Errors: -EINVAL for 0 parties, or more than 2^31 - 1: each wait is refused then.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: writes to the caller's memory.
 * Threads: any; from its first use on that thread's. */
WEFT_API
int weft_barrier_init_at(weft_barrier *barrier, uint32_t parties, const char *site);
#define weft_barrier_init(barrier, parties) weft_barrier_init_at((barrier), (parties), WEFT_SITE)

/** Give it up.
 *
 * Returns: nothing.
 * Errors: none; aborts while a task waits for it.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the memory is the caller's again. NULL is allowed.
 * Threads: its own. */
WEFT_API
void weft_barrier_fini(weft_barrier *barrier);

/** Wait until all are there.
 *
 * Returns: 0 to parties - 1: the order in which those of this round have come, so that exactly one
 *   of them gets 0.
 * Errors: WEFT_EBROKEN when it is broken, or is broken or reset meanwhile; -ECANCELED; -EINVAL for
 *   a barrier of no parties; -EPERM outside a task; WEFT_ETHREAD.
 * Suspends: unless it is the last one who was missing.
 * Cancel: who is cancelled leaves, and one more is missing again; the others wait on. Who has come
 *   through has come through.
 * Ownership: borrows it.
 * Threads: its own. */
WEFT_API
WEFT_SUSPENDS
int weft_barrier_wait(weft_barrier *barrier);

/** Begin anew: who waits is told WEFT_EBROKEN, and a broken barrier is whole again.
 *
 * Returns: nothing.
 * Errors: none; another thread than its own is told so on the runtime log, and nothing happens.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows it.
 * Threads: its own; tasks and callbacks. */
WEFT_API
void weft_barrier_reset(weft_barrier *barrier);

/** Break it, for when one of the tasks cannot come: who waits, and who comes from now on, is told
 * WEFT_EBROKEN until weft_barrier_reset().
 *
 * Returns: nothing.
 * Errors: none; another thread than its own is told so on the runtime log, and nothing happens.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows it.
 * Threads: its own; tasks and callbacks. */
WEFT_API
void weft_barrier_abort(weft_barrier *barrier);

/** Whether it is broken.
 *
 * Returns: true between weft_barrier_abort() and weft_barrier_reset().
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows it.
 * Threads: its own. */
WEFT_API
bool weft_barrier_is_broken(const weft_barrier *barrier);

/** What has happened at it.
 *
 * Returns: nothing; *stats is written.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows both.
 * Threads: its own. */
WEFT_API
void weft_barrier_get_stats(const weft_barrier *barrier, weft_barrier_stats *stats);

WEFT_END_DECLS

#endif
