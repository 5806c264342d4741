#ifndef WEFT_TASK_H
#define WEFT_TASK_H

/* Tasks: functions that run on a stack of their own and suspend instead of blocking.
 *
 * Every function marked WEFT_SUSPENDS may give up the processor, even where its comment says
 * "unless …" or "only …": once in 128 such calls of a task that did not have to wait, and in a
 * cancelled scope at every call after the first. Other tasks and callbacks run meanwhile, so
 * nothing that they can reach may be assumed unchanged across such a call. Where that matters use
 * the _try twins: they never suspend. */

#include <limits.h>
#include <weft/await.h>
#include <weft/define.h>
#include <weft/loop.h>

WEFT_BEGIN_DECLS

typedef struct weft_scope weft_scope;

/* What a function returns when it hands back a pointer: `return weft_return(pointer);` */
#define WEFT_VALUE INT_MAX

/* Options of weft_spawn(). At most 80 bytes: the call is hot. */
struct weft_spawn_options {
    void *arg;            /* the third argument */
    weft_task **task;     /* out: a handle, to be released; NULL: nobody needs one */
    const char *name;     /* at most 31 bytes are kept, copied; NULL: the function's name */
    weft_drop_fn *drop;   /* called with arg exactly once, after the body or instead of it */
    const char *function; /* the function's name; set by the macro */
    const char *site;     /* where it was called; set by the macro */
    uint32_t stack_size;  /* bytes; 0: 64 KiB; rounded up to 16, 64 or 256 KiB */
    uint16_t copy;        /* copy so many bytes (<= 1,024) from arg to the new stack; the body gets
                             the copy */
    uint16_t size;        /* of this struct; set by the macro */
    bool eager;           /* run up to the first suspension before spawn returns */
    bool no_locals;       /* begin without the task-local values of who spawns it */
};

/** Start `fn(arg)` as a task of a scope.
 *
 *     weft_spawn(&scope, worker, job, .name = "worker 7", .task = &handle);
 *
 * The task does not run before its creator suspends (unless `.eager`); tasks start in the order
 * they were spawned. `.eager` only queues it while its loop does not run. Spawning into a cancelled
 * scope succeeds: the task ends with -ECANCELED and the body never runs.
 *
 * A task has no stack until it first runs. Where there is none then (`.stacks_max`, the kernel's
 * limit on mappings) it ends with -ENOMEM and the body never runs.
 *
 * Returns: 0.
 * Errors: -ENOMEM; -EINVAL for `.copy` above 1,024 or `.stack_size` above 256 KiB: these two also
 *   fail the scope, so that weft_scope_end() returns them (an `.isolate` scope keeps them in its
 *   list, the background logs them). -ESHUTDOWN for a scope that has ended; -EPERM from a task that
 *   is neither the scope's owner nor inside it; WEFT_ETHREAD from another thread.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows `arg` until the task has ended; with `.drop` takes it on success, with
 *   `.copy` only during the call. Gives the handle in `.task`.
 * Threads: the loop's own. */
WEFT_API
int weft_spawn_with(weft_scope *scope, weft_fn *fn, const struct weft_spawn_options *options);

/** Hand a pointer back: `return weft_return(pointer);` in a task's function.
 *
 * Returns: WEFT_VALUE, to be returned at once.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the pointer must outlive the task's stack; nobody frees it.
 * Threads: any task or blocking job. */
WEFT_API
int weft_return(void *value);

/** Hand back a pointer that is freed with the task's last handle.
 *
 * Returns: WEFT_VALUE, to be returned at once.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: takes `value`; `drop(value)` runs at the last release.
 * Threads: any task. */
WEFT_API
int weft_return_owned(void *value, weft_drop_fn *drop);

/** A finished task's result.
 *
 * Returns: what the function returned, >= 0; the pointer it handed back, or NULL, in *value when
 *   `value` is not NULL.
 * Errors: the task's own; -EAGAIN while it is not done; for NULL the maker's error; WEFT_ESTUCK
 *   when the loop ended without it; WEFT_ETHREAD.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the pointer stays the task's. Any number of times.
 * Threads: the loop's own. */
WEFT_API
int weft_task_result(weft_task *task, void **value);

/** Whether the task has ended.
 *
 * Returns: true when weft_task_result() has an answer; false for NULL.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows the handle.
 * Threads: the loop's own. */
WEFT_API
bool weft_task_is_done(const weft_task *task);

/** Whether the task ended with -ECANCELED because it was asked to.
 *
 * Returns: true for an end by a cancel of the task or of a scope around it; false for a task that
 *   ended otherwise, although it was asked, and for one that runs.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows the handle.
 * Threads: the loop's own. */
WEFT_API
bool weft_task_is_cancelled(const weft_task *task);

/** Ask a task to end: from now on each of its suspending calls returns -ECANCELED.
 *
 * Before its first step the body never runs. A task that has ended is left alone.
 *
 * Returns: nothing.
 * Errors: none; NULL is allowed.
 * Suspends: never; await the task to know that it is gone.
 * Cancel: never delivered here.
 * Ownership: borrows the handle; `why` must be static or outlive the task.
 * Threads: the loop's own. */
WEFT_API
void weft_task_cancel(weft_task *task, const char *why);

/** How often weft_task_cancel() was called for the task.
 *
 * Returns: the count.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows the handle.
 * Threads: the loop's own. */
WEFT_API
unsigned weft_task_cancel_requests(const weft_task *task);

/** Give a handle back. The task goes on when it has not ended.
 *
 * A background task's failure that nobody has read is reported here, once.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is cancelled.
 * Ownership: takes the handle. NULL is allowed.
 * Threads: the loop's own. */
WEFT_API
void weft_task_release(weft_task *task);

/** The task that is running.
 *
 * Returns: the task; NULL outside tasks: in callbacks and on threads without a loop.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrowed; valid while the task runs.
 * Threads: any. */
WEFT_API
weft_task *weft_task_self(void);

/** The task's name: what weft_task_set_name() has given it, else `.name`, else its function's.
 *
 * Returns: a string; "?" for NULL.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the task's; valid as long as the handle.
 * Threads: the loop's own. */
WEFT_API
const char *weft_task_name(const weft_task *task);

/** Give a task another name.
 *
 * Returns: 0.
 * Errors: -ENOMEM, then it keeps the old one; for NULL the maker's error; WEFT_ETHREAD.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows the handle; at most 31 bytes of `name` are kept, copied. What weft_task_name()
 *   has answered before is valid no more.
 * Threads: the loop's own. */
WEFT_API
int weft_task_set_name(weft_task *task, const char *name);

/* What weft_task_each() calls. Anything but 0 ends it. */
typedef int weft_task_fn(weft_task *task, void *arg);

/** Call `fn(task, arg)` for each task of the current loop that has not ended: depth first by
 * scopes, in each scope by age.
 *
 *     static int cancel_other(weft_task *task, void *self)
 *     {
 *         if (task != self)
 *             weft_task_cancel(task, "only one may stay");
 *         return 0;
 *     }
 *     weft_task_each(cancel_other, weft_task_self());
 *
 * `fn` may do whatever its caller may: cancel, spawn, release handles, suspend. Tasks that are born
 * meanwhile are left out; so are those that have ended when their turn comes.
 *
 * Returns: 0; what `fn` returned, when that was not 0.
 * Errors: -ENOMEM for the list; -EPERM where there is no loop.
 * Suspends: only where `fn` does.
 * Cancel: never delivered here.
 * Ownership: `fn` borrows the task; weft_future_retain() of its future keeps it.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_task_each(weft_task_fn *fn, void *arg);

/** A task in words, for a line in a log: its name, where it was spawned, and the scopes that it
 * lives in, outward, with the tasks that own them.
 *
 *     char text[400];
 *     weft_log(WEFT_LOG_APPLICATION, WEFT_LOG_ERROR, "no more ink in %s",
 *              weft_task_describe(weft_task_self(), text, sizeof text));
 *
 * Returns: `text`, cut to `size` bytes with its NUL; "" for NULL.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows the task; writes at most `size` bytes, which is not 0.
 * Threads: the loop's own. */
WEFT_API
const char *weft_task_describe(const weft_task *task, char *text, size_t size);

/** Sleep. `duration` <= 0 gives every other ready task and callback exactly one turn.
 *
 * Returns: 0, never before the time is over.
 * Errors: -ECANCELED; -EPERM outside a task.
 * Suspends: always.
 * Cancel: wakes at once; nothing is lost.
 * Ownership: none.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_sleep(int64_t duration);

/** Sleep until weft_now() is `when`; a time that is over gives every other ready task and callback
 * exactly one turn.
 *
 *     int64_t next = weft_now();
 *     while (work() == 0 && weft_sleep_until(next += WEFT_MINUTE) == 0)
 *         ;
 *
 * Returns: 0, never before that time.
 * Errors: -ECANCELED; -EPERM outside a task.
 * Suspends: always.
 * Cancel: wakes at once; nothing is lost.
 * Ownership: none.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_sleep_until(int64_t when);

/** Ask whether the next suspending call would be cancelled.
 *
 * For long computations. Does not count as having been told.
 *
 * Returns: 0.
 * Errors: -ECANCELED when a suspending call here would return it.
 * Suspends: never.
 * Cancel: reports it.
 * Ownership: none.
 * Threads: any; 0 outside tasks and the steps of stackless ones. */
WEFT_API
int weft_cancelled(void);

WEFT_END_DECLS

#ifndef __cplusplus
#    define weft_spawn(scope, fn, ...)                                                             \
        weft_spawn_with((scope), (fn),                                                             \
                        &(struct weft_spawn_options){ .arg = __VA_ARGS__,                          \
                                                      .function = #fn,                             \
                                                      .site = WEFT_SITE,                           \
                                                      .size = sizeof(struct weft_spawn_options) })
#else
static inline int weft_spawn(weft_scope *scope, weft_fn *fn, void *arg,
                             weft_spawn_options options = {})
{
    options.arg = arg;
    options.size = static_cast<uint16_t>(sizeof options);
    return weft_spawn_with(scope, fn, &options);
}
#endif

#endif
