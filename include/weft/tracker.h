#ifndef WEFT_TRACKER_H
#define WEFT_TRACKER_H

/* A tracker: counts tasks, and waits until there are none.
 *
 *     static weft_tracker t;
 *     err = weft_tracker_spawn(&t, handle, request, .drop = free);     into the background
 *     …
 *     weft_tracker_close(&t);
 *     err = weft_tracker_wait(&t);
 *
 * Scopes join their tasks by themselves. A tracker is for tasks that live in the background or in
 * several scopes and are to be waited for together: it neither cancels them nor looks at what they
 * return. What is no task is counted by hand: weft_tracker_add(), weft_tracker_done(). */

#include <weft/define.h>
#include <weft/line.h>
#include <weft/scope.h>
#include <weft/task.h>

WEFT_BEGIN_DECLS

/* The caller's memory, which must outlive the tasks that it counts. Zeroed memory is a tracker that
 * is open; weft_tracker_init() adds the place where it was made, which reports name. It belongs to
 * the thread that first uses it. */
typedef struct weft_tracker {
    uint64_t opaque[20];
} weft_tracker;

/* Those of weft_spawn(), and the scope. */
struct weft_tracker_spawn_options {
    void *arg;            /* the third argument */
    weft_scope *scope;    /* NULL: the background of the loop */
    weft_task **task;     /* out: a handle, to be released; NULL: nobody needs one */
    const char *name;     /* at most 31 bytes are kept, copied; NULL: the function's name */
    weft_drop_fn *drop;   /* called with arg exactly once, after the body or instead of it */
    const char *function; /* the function's name; set by the macro */
    const char *site;     /* where it was called; set by the macro */
    uint32_t stack_size;  /* bytes; 0: 64 KiB; rounded up to 16, 64 or 256 KiB */
    uint16_t copy;        /* copy so many bytes (<= 1,024) from arg; the body gets the copy */
    uint16_t size;        /* of this struct; set by the macro */
    bool eager;           /* run up to the first suspension before spawn returns */
    bool no_locals;       /* begin without the task-local values of who spawns it */
};
typedef struct weft_tracker_spawn_options weft_tracker_spawn_options;

struct weft_tracker_stats {
    weft_line_stats line;
    uint64_t spawned; /* tasks */
    size_t tasks;     /* of these: have not ended */
    size_t added;     /* by hand, and not done */
    bool closed;
};
typedef struct weft_tracker_stats weft_tracker_stats;

/** Make a tracker that is open and counts nothing: weft_tracker_init(&t).
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: writes to the caller's memory.
 * Threads: any; from its first use on that thread's. */
WEFT_API
void weft_tracker_init_at(weft_tracker *tracker, const char *site);
#define weft_tracker_init(tracker) weft_tracker_init_at((tracker), WEFT_SITE)

/** Give it up.
 *
 * Returns: nothing.
 * Errors: none; aborts while a task waits for it, or one that it counts has not ended.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the memory is the caller's again. NULL is allowed.
 * Threads: its own. */
WEFT_API
void weft_tracker_fini(weft_tracker *tracker);

/** Start `fn(arg)` as a task, in the background unless `.scope` names another one, and count it
 * until it has ended: weft_tracker_spawn(&t, fn, arg).
 *
 * As weft_spawn() in everything else, also after weft_tracker_close(). A task that is cancelled
 * before its first step counts until then. One that its loop ends without (WEFT_ESTUCK) counts for
 * ever.
 *
 * Returns: 0.
 * Errors: as weft_spawn(). Nothing is counted then.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: as weft_spawn(); borrows the tracker until the task has ended. Takes some memory for
 *   each task.
 * Threads: its own. */
WEFT_API
int weft_tracker_spawn_with(weft_tracker *tracker, weft_fn *fn,
                            const struct weft_tracker_spawn_options *options);

/** Count `count` more things that are no tasks.
 *
 * Returns: 0.
 * Errors: -EOVERFLOW; WEFT_ETHREAD. Nothing is counted then.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows it.
 * Threads: its own; tasks and callbacks. */
WEFT_API
int weft_tracker_add(weft_tracker *tracker, size_t count);

/** One thing that was added by hand is done.
 *
 * Returns: 0.
 * Errors: -EINVAL when all that was added is done already; WEFT_ETHREAD.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows it.
 * Threads: its own; tasks and callbacks. */
WEFT_API
int weft_tracker_done(weft_tracker *tracker);

/** Say that who waits need not wait for more than what is counted. Nothing is refused: what is
 * spawned or added afterwards is waited for while something else is. Again: nothing.
 *
 * Returns: nothing.
 * Errors: none; another thread than its own is told so on the runtime log, and nothing happens.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows it.
 * Threads: its own; tasks and callbacks. */
WEFT_API
void weft_tracker_close(weft_tracker *tracker);

/** Wait until it is closed and counts nothing.
 *
 * Returns: 0.
 * Errors: -ECANCELED; -EPERM outside a task; WEFT_ETHREAD.
 * Suspends: while it is open or counts something.
 * Cancel: only the waiting stops; the tasks go on.
 * Ownership: borrows it.
 * Threads: its own. */
WEFT_API
WEFT_SUSPENDS
int weft_tracker_wait(weft_tracker *tracker);

/** How much it counts: tasks that have not ended, and what was added and is not done.
 *
 * Returns: the number.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows it.
 * Threads: its own. */
WEFT_API
size_t weft_tracker_count(const weft_tracker *tracker);

/** What has happened at it.
 *
 * Returns: nothing; *stats is written.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows both.
 * Threads: its own. */
WEFT_API
void weft_tracker_get_stats(const weft_tracker *tracker, weft_tracker_stats *stats);

WEFT_END_DECLS

#ifndef __cplusplus
#    define weft_tracker_spawn(tracker, fn, ...)                                                   \
        weft_tracker_spawn_with((tracker), (fn),                                                   \
                                &(struct weft_tracker_spawn_options){                              \
                                    .arg = __VA_ARGS__,                                            \
                                    .function = #fn,                                               \
                                    .site = WEFT_SITE,                                             \
                                    .size = sizeof(struct weft_tracker_spawn_options) })
#else
static inline int weft_tracker_spawn(weft_tracker *tracker, weft_fn *fn, void *arg,
                                     weft_tracker_spawn_options options = {})
{
    options.arg = arg;
    options.size = static_cast<uint16_t>(sizeof options);
    return weft_tracker_spawn_with(tracker, fn, &options);
}
#endif

#endif
