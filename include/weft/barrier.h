#ifndef WEFT_BARRIER_H
#define WEFT_BARRIER_H

/* A barrier: tasks wait until so many of them are there, and then go on together. It can be used
 * again at once. */

#include <weft/define.h>
#include <weft/line.h>

WEFT_BEGIN_DECLS

/* The caller's memory. It belongs to the thread that first uses it. */
typedef struct weft_barrier {
    uint64_t opaque[14];
} weft_barrier;

struct weft_barrier_stats {
    weft_line_stats line;
    uint64_t passed; /* how often all went on together */
    size_t parties;
    bool broken;
};
typedef struct weft_barrier_stats weft_barrier_stats;

/** Make a barrier for so many tasks: weft_barrier_init(&barrier, parties).
 *
 * Returns: 0.
 * Errors: -EINVAL for no parties; weft_barrier_wait() says WEFT_EBROKEN then.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: writes to the caller's memory.
 * Threads: any; from its first use on that thread's. */
WEFT_API
int weft_barrier_init_at(weft_barrier *barrier, size_t parties, const char *site);
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

/** Wait until all parties are here.
 *
 * Returns: from 0 to parties - 1, the order in which they came, so that one of them can do what is
 * to be done once. Errors: WEFT_EBROKEN when it is broken, or is reset or broken while this call
 * waits; -ECANCELED; -EPERM outside a task; WEFT_ETHREAD. Suspends: unless this is the last one to
 * come. Cancel: it leaves, and one more has to come; who was let through has passed. Ownership:
 * borrows it. Threads: its own. */
WEFT_API
WEFT_SUSPENDS
int weft_barrier_wait(weft_barrier *barrier);

/** Send those who wait away with WEFT_EBROKEN, and begin anew: a broken one is whole again.
 *
 * Returns: nothing.
 * Errors: none; another thread than its own is told so on the runtime log, and nothing happens.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows it.
 * Threads: its own; tasks and callbacks. */
WEFT_API
void weft_barrier_reset(weft_barrier *barrier);

/** Break it: those who wait, and all who come, are told WEFT_EBROKEN, until it is reset.
 *
 * Returns: nothing.
 * Errors: none; another thread than its own is told so on the runtime log, and nothing happens.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows it.
 * Threads: its own; tasks and callbacks. */
WEFT_API
void weft_barrier_abort(weft_barrier *barrier);

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
