#ifndef WEFT_SEMAPHORE_H
#define WEFT_SEMAPHORE_H

/* A semaphore: so many may pass, the others wait until units come back.
 *
 *     weft_semaphore_init(&s, 10, .max = 10);      ten at once, and no more come back
 *     …
 *     int err = weft_semaphore_acquire(&s, 1);
 *     if (err < 0)
 *         return err;
 *     …
 *     weft_semaphore_release(&s, 1);
 *
 * It is fair: who wants much is not passed by those who want little. */

#include <weft/define.h>
#include <weft/line.h>

WEFT_BEGIN_DECLS

/* The caller's memory. Zeroed memory is a semaphore with nothing to give and no bound. It belongs
 * to the thread that first uses it. */
typedef struct weft_semaphore {
    uint64_t opaque[16];
} weft_semaphore;

struct weft_semaphore_options {
    size_t value;     /* the second argument: units that may be taken at first */
    size_t max;       /* more units than these are never there; 0: no bound */
    const char *site; /* where it was made; set by the macro */
    size_t size;      /* of this struct; set by the macro */
};

struct weft_semaphore_stats {
    weft_line_stats line;
    uint64_t acquired; /* how often units were taken */
    size_t value;      /* units that are there now */
    size_t max;        /* the bound; 0: none */
};
typedef struct weft_semaphore_stats weft_semaphore_stats;

/** Make a semaphore: weft_semaphore_init(&s, value).
 *
 * Returns: 0.
 * Errors: -EINVAL for a `value` above `.max`, which becomes the value.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: writes to the caller's memory.
 * Threads: any; from its first use on that thread's. */
WEFT_API
int weft_semaphore_init_with(weft_semaphore *semaphore,
                             const struct weft_semaphore_options *options);

/** Give it up.
 *
 * Returns: nothing.
 * Errors: none; aborts while a task waits for it.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the memory is the caller's again. NULL is allowed.
 * Threads: its own. */
WEFT_API
void weft_semaphore_fini(weft_semaphore *semaphore);

/** Take `count` units, all at once, after all who came before.
 *
 * Returns: 0.
 * Errors: -ECANCELED; -EINVAL for more than `.max`; -EPERM outside a task; WEFT_ETHREAD.
 * Suspends: until they are there.
 * Cancel: the place in the line is given up and nothing is taken; units that were handed over are
 *   taken.
 * Ownership: borrows it.
 * Threads: its own. */
WEFT_API
WEFT_SUSPENDS
int weft_semaphore_acquire(weft_semaphore *semaphore, size_t count);

/** Take `count` units if they are there and nobody waits.
 *
 * Returns: 0.
 * Errors: -EAGAIN when they are not; -EINVAL for more than `.max`; WEFT_ETHREAD.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows it.
 * Threads: its own; tasks and callbacks. */
WEFT_API
int weft_semaphore_try_acquire(weft_semaphore *semaphore, size_t count);

/** Give `count` units back, or add them: those who wait first are served first.
 *
 * Returns: 0.
 * Errors: -EOVERFLOW when there would be more than `.max`: none is added; WEFT_ETHREAD.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows it. Any task may release what another has acquired.
 * Threads: its own; tasks and callbacks. */
WEFT_API
int weft_semaphore_release(weft_semaphore *semaphore, size_t count);

/** What has happened at it.
 *
 * Returns: nothing; *stats is written.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows both.
 * Threads: its own. */
WEFT_API
void weft_semaphore_get_stats(const weft_semaphore *semaphore, weft_semaphore_stats *stats);

WEFT_END_DECLS

#ifndef __cplusplus
#    define weft_semaphore_init(semaphore, ...)                                                    \
        weft_semaphore_init_with((semaphore), &(struct weft_semaphore_options){                    \
                                                  .value = __VA_ARGS__,                            \
                                                  .site = WEFT_SITE,                               \
                                                  .size = sizeof(struct weft_semaphore_options) })
#else
static inline int weft_semaphore_init(weft_semaphore *semaphore, size_t value,
                                      weft_semaphore_options options = {})
{
    options.value = value;
    options.size = sizeof options;
    return weft_semaphore_init_with(semaphore, &options);
}
#endif

#endif
