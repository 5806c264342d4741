#ifndef WEFT_BLOCKING_H
#define WEFT_BLOCKING_H

/* Blocking functions, on threads of their own while the task waits. */

#include <weft/define.h>
#include <weft/loop.h>

WEFT_BEGIN_DECLS

/* A bounded set of threads with a name. Each loop has one of its own; make more so that slow work
 * of one kind does not hold up another. All loops of the process may use one that was opened, each
 * from its own thread; it is closed when nobody does any more. */
typedef struct weft_pool weft_pool;

struct weft_pool_options {
    weft_pool **pool;   /* the first argument */
    const char *name;   /* of the threads, at most 15 bytes; copied */
    unsigned threads;   /* at most so many; 0: 8 */
    unsigned queue_max; /* jobs waiting for a thread; 0: 65,536; beyond: -EAGAIN */
    const char *site;
    size_t size;
    int64_t idle_timeout; /* ns after which a thread that has nothing to do ends; 0: they stay */
};

struct weft_pool_stats {
    unsigned threads, idle, running;
    unsigned queued;    /* jobs that wait for a thread now */
    unsigned longest;   /* the most that have waited at one time */
    uint64_t done;      /* jobs that have run to their end and were waited for */
    uint64_t withdrawn; /* taken out of the queue by a cancel */
    uint64_t abandoned; /* left behind by one */
    uint64_t rejected;  /* refused with -EAGAIN */
};
typedef struct weft_pool_stats weft_pool_stats;

struct weft_blocking_options {
    void *arg;             /* the second argument */
    weft_pool *pool;       /* NULL: the loop's own */
    weft_drop_fn *abandon; /* on cancel do not wait: abandon(arg) runs when the function has
                              returned, on its thread, or instead of it. arg must then own all that
                              the function uses */
    const char *function;
    const char *site;
    size_t size;
};

/** Make a pool. Threads start when there is work.
 *
 * Returns: 0.
 * Errors: -ENOMEM.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: gives the pool, ended by weft_pool_close() when no loop uses it any more.
 * Threads: any; all loops may use it. */
WEFT_API
int weft_pool_open_with(const struct weft_pool_options *options);

/** End a pool and its threads. Nobody may wait for a job of it.
 *
 * Returns: nothing. A thread that still runs an abandoned job ends by itself.
 * Errors: none; it aborts while a task waits for a job of it.
 * Suspends: never; it waits for threads that are between jobs.
 * Cancel: nothing to lose.
 * Ownership: takes the pool. NULL is allowed.
 * Threads: any. */
WEFT_API
void weft_pool_close(weft_pool *pool);

/** What a pool does and has done; NULL: the current loop's own, all zero before its first use.
 *
 * Returns: nothing; the numbers, of one moment, in *stats.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows the pool.
 * Threads: any; for NULL the loop's own. */
WEFT_API
void weft_pool_get_stats(weft_pool *pool, weft_pool_stats *stats);

/** Run `fn(arg)` on a pool thread and wait for it.
 *
 *     int err = weft_blocking(compress_file, &job);
 *
 * Returns: what `fn` returned, >= 0 (0 where it handed a pointer back).
 * Errors: fn's own; -EAGAIN when the queue is full or no thread can be started; -ENOMEM with
 *   `.abandon`; -ECANCELED; -EPERM outside a task.
 * Suspends: always.
 * Cancel: a job that has not begun is withdrawn at once and `fn` never runs; one that runs is
 *   waited for (its own result is returned when it succeeds, else -ECANCELED), unless `.abandon`
 *   was given: then -ECANCELED at once. A wait of over 100 ms after a cancel is reported by name.
 * Ownership: borrows `arg` until the return; with `.abandon` and -ECANCELED it belongs to
 *   `abandon(arg)`, which runs exactly once.
 * Threads: the loop's own; `fn` runs on another. */
WEFT_API
WEFT_SUSPENDS
int weft_blocking_with(weft_fn *fn, const struct weft_blocking_options *options);

/** Inside a blocking function: whether the task that asked for it was cancelled.
 *
 * Returns: true when the result is not wanted any more; false elsewhere.
 * Errors: none.
 * Suspends: never.
 * Cancel: reports it.
 * Ownership: none.
 * Threads: pool threads. */
WEFT_API
bool weft_blocking_cancelled(void);

WEFT_END_DECLS

#ifndef __cplusplus
#    define weft_pool_open(...)                                                                    \
        weft_pool_open_with(&(struct weft_pool_options){                                           \
            .pool = __VA_ARGS__, .site = WEFT_SITE, .size = sizeof(struct weft_pool_options) })
#    define weft_blocking(fn, ...)                                                                 \
        weft_blocking_with(                                                                        \
            (fn), &(struct weft_blocking_options){ .arg = __VA_ARGS__,                             \
                                                   .function = #fn,                                \
                                                   .site = WEFT_SITE,                              \
                                                   .size = sizeof(struct weft_blocking_options) })
#else
static inline int weft_pool_open(weft_pool **pool, weft_pool_options options = {})
{
    options.pool = pool;
    options.size = sizeof options;
    return weft_pool_open_with(&options);
}

static inline int weft_blocking(weft_fn *fn, void *arg, weft_blocking_options options = {})
{
    options.arg = arg;
    options.size = sizeof options;
    return weft_blocking_with(fn, &options);
}
#endif

#endif
