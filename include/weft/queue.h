#ifndef WEFT_QUEUE_H
#define WEFT_QUEUE_H

/* A queue of work: tasks put items, tasks get them and say when they are done with them.
 *
 *     weft_queue jobs;
 *     int err = weft_queue_init(&jobs, sizeof(struct job), 100);
 *     …
 *     while (weft_queue_get(&jobs, &job) >= 0) {       until it is shut down, and empty
 *         work(&job);
 *         weft_queue_task_done(&jobs);
 *     }
 *
 * weft_queue_join() waits until all that was put is done. Items come out first in first out, last
 * in first out, or the least first. Those who wait are served in the order in which they came. */

#include <weft/channel.h>

WEFT_BEGIN_DECLS

/* Which item comes out next. */
enum weft_queue_order {
    WEFT_QUEUE_FIFO,     /* the oldest */
    WEFT_QUEUE_LIFO,     /* the newest */
    WEFT_QUEUE_PRIORITY, /* the least by .compare; of equal ones the oldest */
};

/* The caller's memory. It belongs to the thread that first uses it. */
typedef struct weft_queue {
    uint64_t opaque[48];
} weft_queue;

/* As qsort() has it: < 0 when `a` comes before `b`. */
typedef int weft_compare_fn(const void *a, const void *b);

struct weft_queue_options {
    size_t item_size;         /* the second argument: bytes */
    size_t max;               /* the third argument: items that may lie in it, at least 1;
                                 WEFT_UNBOUNDED: nobody ever waits to put */
    weft_compare_fn *compare; /* for WEFT_QUEUE_PRIORITY */
    weft_drop_fn *drop;       /* called with the address of each item that nobody has got */
    const char *site;         /* where it was made; set by the macro */
    size_t size;              /* of this struct; set by the macro */
    uint8_t order;            /* enum weft_queue_order */
};

struct weft_queue_stats {
    weft_line_stats putters;
    weft_line_stats getters;
    weft_line_stats joiners;
    uint64_t got;      /* items that have come out of it */
    size_t unfinished; /* put, and not said to be done */
    size_t count;      /* items that lie in it now */
    size_t most;       /* the most that ever lay in it at once */
    size_t max;
};
typedef struct weft_queue_stats weft_queue_stats;

/** Make a queue: weft_queue_init(&queue, item_size, max).
 *
 *     weft_queue_init(&q, sizeof(struct job), WEFT_UNBOUNDED, .order = WEFT_QUEUE_PRIORITY,
 *                     .compare = by_deadline);
 *
 * Room for all items is taken here, but for WEFT_UNBOUNDED.
 *
 * Returns: 0.
 * Errors: -ENOMEM; -EINVAL for a `max` of 0, an `.order` that is none, or WEFT_QUEUE_PRIORITY
 *   without `.compare`. It need not be given up then.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: writes to the caller's memory; ended by weft_queue_fini().
 * Threads: any; from its first use on that thread's. */
WEFT_API
int weft_queue_init_with(weft_queue *queue, const struct weft_queue_options *options);

/** Give it up. Items that lie in it are dropped.
 *
 * Returns: nothing.
 * Errors: none; aborts while a task waits for it.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the memory is the caller's again. NULL is allowed.
 * Threads: its own. */
WEFT_API
void weft_queue_fini(weft_queue *queue);

/** Put an item in.
 *
 * Returns: 0.
 * Errors: WEFT_ECLOSED after weft_queue_shutdown(), also while this call waits; -ECANCELED; -ENOMEM
 *   with WEFT_UNBOUNDED; -EPERM outside a task; WEFT_ETHREAD. The item was not put then.
 * Suspends: while it is full.
 * Cancel: nothing is put; an item that was taken counts as put.
 * Ownership: borrows `item` until it returns, and copies it.
 * Threads: its own. */
WEFT_API
WEFT_SUSPENDS
int weft_queue_put(weft_queue *queue, const void *item);

/** Get the next item.
 *
 * Returns: 0; *item is written.
 * Errors: WEFT_ECLOSED after weft_queue_shutdown() when it is empty; -ECANCELED; -EPERM outside a
 *   task; WEFT_ETHREAD. *item is untouched then.
 * Suspends: while it is empty.
 * Cancel: no item is lost: one that was given counts as got.
 * Ownership: borrows `item` until it returns.
 * Threads: its own. */
WEFT_API
WEFT_SUSPENDS
int weft_queue_get(weft_queue *queue, void *item);

/** Put an item in if there is room.
 *
 * Returns: 0.
 * Errors: -EAGAIN when it is full; WEFT_ECLOSED; -ENOMEM; WEFT_ETHREAD.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: copies `item`.
 * Threads: its own; tasks and callbacks. */
WEFT_API
int weft_queue_try_put(weft_queue *queue, const void *item);

/** Get an item if there is one.
 *
 * Returns: 0; *item is written.
 * Errors: -EAGAIN when there is none; WEFT_ECLOSED after weft_queue_shutdown() when it is empty;
 *   WEFT_ETHREAD.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: writes to `item`.
 * Threads: its own; tasks and callbacks. */
WEFT_API
int weft_queue_try_get(weft_queue *queue, void *item);

/** Say that the work for one item that was got is done.
 *
 * Returns: 0.
 * Errors: -EINVAL when that was said for all items already; WEFT_ETHREAD.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows it.
 * Threads: its own; tasks and callbacks. */
WEFT_API
int weft_queue_task_done(weft_queue *queue);

/** Wait until the work for all items that were put is done.
 *
 * Returns: 0.
 * Errors: -ECANCELED; -EPERM outside a task; WEFT_ETHREAD.
 * Suspends: while an item is unfinished.
 * Cancel: only the waiting stops.
 * Ownership: borrows it.
 * Threads: its own. */
WEFT_API
WEFT_SUSPENDS
int weft_queue_join(weft_queue *queue);

/** From now on nothing can be put. What lies in it can still be got, and then who gets is told
 * WEFT_ECLOSED; with `immediate` what lies in it is dropped and counts as done. Again: nothing, but
 * for `immediate`.
 *
 * Returns: nothing.
 * Errors: none; another thread than its own is told so on the runtime log, and nothing happens.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows it.
 * Threads: its own; tasks and callbacks. */
WEFT_API
void weft_queue_shutdown(weft_queue *queue, bool immediate);

/** How many items lie in it.
 *
 * Returns: from 0 to its max.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows it.
 * Threads: its own. */
WEFT_API
size_t weft_queue_count(const weft_queue *queue);

/** What has happened at it.
 *
 * Returns: nothing; *stats is written.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows both.
 * Threads: its own. */
WEFT_API
void weft_queue_get_stats(const weft_queue *queue, weft_queue_stats *stats);

WEFT_END_DECLS

#ifndef __cplusplus
#    define weft_queue_init(queue, bytes, ...)                                                     \
        weft_queue_init_with(                                                                      \
            (queue), &(struct weft_queue_options){ .item_size = (bytes),                           \
                                                   .max = __VA_ARGS__,                             \
                                                   .site = WEFT_SITE,                              \
                                                   .size = sizeof(struct weft_queue_options) })
#else
static inline int weft_queue_init(weft_queue *queue, size_t item_size, size_t max,
                                  weft_queue_options options = {})
{
    options.item_size = item_size;
    options.max = max;
    options.size = sizeof options;
    return weft_queue_init_with(queue, &options);
}
#endif

#endif
