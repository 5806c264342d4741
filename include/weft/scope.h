#ifndef WEFT_SCOPE_H
#define WEFT_SCOPE_H

/* Scopes: task group, deadline, cancellation and shield in one block of code.
 *
 *     weft_scope both;
 *     weft_scope_begin(&both, .timeout = 300 * WEFT_MILLISECOND);
 *     weft_spawn(&both, weft_http_fetch, &user);
 *     weft_spawn(&both, weft_http_fetch, &cart);
 *     int err = weft_scope_end(&both);
 *
 * No task outlives the block. The first thing that goes wrong is the scope's cause, and the verdict
 * of weft_scope_end() follows from it:
 *
 *     nothing went wrong                                   0
 *     a child or the body failed with e                    e, siblings cancelled
 *     own deadline, and somebody was told                  -ETIMEDOUT
 *     own deadline, but everybody had finished             0
 *     weft_scope_cancel() on this scope                    0, or the first real error after it
 *     an enclosing scope or the task was cancelled         -ECANCELED, if somebody here was told
 *     .isolate                                             children's errors count, no more */

#include <weft/define.h>
#include <weft/task.h>

WEFT_BEGIN_DECLS

/* The caller's memory, in the frame that begins and ends it. */
struct weft_scope {
    uint64_t opaque[64];
};

/* Why a scope ended as it did. */
enum weft_scope_cause {
    WEFT_CAUSE_NONE,      /* nothing went wrong */
    WEFT_CAUSE_FAILURE,   /* a child or the body failed */
    WEFT_CAUSE_DEADLINE,  /* its own deadline */
    WEFT_CAUSE_CANCEL,    /* weft_scope_cancel() on it */
    WEFT_CAUSE_ENCLOSING, /* a scope around it, or its task, was cancelled */
};

/* One failed child, or the body. */
struct weft_scope_error {
    int code;
    char task[24];    /* name, cut */
    const char *site; /* where it was spawned; static text, or NULL */
};
typedef struct weft_scope_error weft_scope_error;

struct weft_scope_options {
    weft_scope *scope; /* the first argument */
    int64_t timeout;   /* ns from now; 0: none; negative: over already */
    int64_t deadline;  /* a time of weft_now(); 0: none. The earlier of the two counts */
    const char *name;  /* static or outliving the scope */
    const char *site;  /* set by the macro */
    size_t size;       /* set by the macro */
    bool shield;       /* enclosing cancels and deadlines do not reach inside; without a .timeout
                          or .deadline it gets 30 s, unlimited with .timeout = WEFT_FOREVER */
    bool isolate;      /* children's errors cancel nobody and are not returned */
};

/** Begin a scope in the current frame. It must be ended in the same frame.
 *
 * Returns: nothing; it cannot fail. Outside a task the scope is born ended, and
 *   weft_scope_end() answers -EPERM.
 * Errors: none.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: the scope is the caller's memory until weft_scope_end().
 * Threads: the loop's own. */
WEFT_API
void weft_scope_begin_with(const struct weft_scope_options *options);

/** Join the scope's tasks and give the verdict (the table above).
 *
 * Returns: 0.
 * Errors: a child's error, -ETIMEDOUT, -ECANCELED by the table; -EPERM in a task that did not begin
 *   it; -ESHUTDOWN when it has ended before.
 * Suspends: while children live.
 * Cancel: the join itself is not cancelled: it ends because the children are.
 * Ownership: the memory is the caller's again.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_scope_end(weft_scope *scope);

/** End a scope with the body's own result.
 *
 * `err` < 0 is recorded as the body's failure and cancels the children first; so a body's
 * -ECANCELED that came from this scope's deadline becomes -ETIMEDOUT.
 *
 * Returns: as weft_scope_end().
 * Errors: as weft_scope_end(), or `err` where it is the first cause.
 * Suspends: while children live.
 * Cancel: as weft_scope_end().
 * Ownership: the memory is the caller's again.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_scope_leave(weft_scope *scope, int err);

/** Cancel the body and every task inside.
 *
 * Returns: nothing. A scope that has ended is left alone.
 * Errors: none.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows; `why` must be static or outlive the scope.
 * Threads: the loop's own. */
WEFT_API
void weft_scope_cancel(weft_scope *scope, const char *why);

/** Move the scope's deadline; a deadline that has fired stays.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows.
 * Threads: the loop's own. `deadline` is a time of weft_now(); 0: none. */
WEFT_API
void weft_scope_set_deadline(weft_scope *scope, int64_t deadline);

/** Why the scope ended as it did; readable until its memory is reused.
 *
 * Returns: the cause.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows.
 * Threads: the loop's own. */
WEFT_API
enum weft_scope_cause weft_scope_cause(const weft_scope *scope);

/** The errors of its children and body, the first four in order; readable after the end.
 *
 * Returns: how many there were in all, which may be more than `max` and more than four.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: copies.
 * Threads: the loop's own. */
WEFT_API
size_t weft_scope_errors(const weft_scope *scope, weft_scope_error *out, size_t max);

/** The current loop's own scope: it isolates, and lives until the loop ends.
 *
 * A failure in it is logged unless somebody holds the task's handle.
 *
 * Returns: the scope; NULL without a loop, which weft_spawn() answers with -EPERM.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the loop's.
 * Threads: the loop's own. */
WEFT_API
weft_scope *weft_background(void);

/** The background of a named loop: by hand there may be several, and the current one is the newest
 * until one runs.
 *
 *     weft_spawn(weft_loop_background(loop), serve, NULL, .task = &task);
 *     err = weft_loop_run_until_complete(loop, task);
 *
 * Returns: the scope; NULL for NULL, which weft_spawn() answers with -EPERM.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the loop's.
 * Threads: the loop's own. */
WEFT_API
weft_scope *weft_loop_background(weft_loop *loop);

WEFT_END_DECLS

#ifndef __cplusplus
#    define weft_scope_begin(...)                                                                  \
        weft_scope_begin_with(&(struct weft_scope_options){                                        \
            .scope = __VA_ARGS__, .site = WEFT_SITE, .size = sizeof(struct weft_scope_options) })
#else
static inline void weft_scope_begin(weft_scope *scope, weft_scope_options options = {})
{
    options.scope = scope;
    options.size = sizeof options;
    weft_scope_begin_with(&options);
}
#endif

#endif
