#ifndef WEFT_EXCEPTION_H
#define WEFT_EXCEPTION_H

/* Who hears of failures that nobody else does: callbacks that failed, background tasks that failed,
 * results that nobody read. Without a handler they go to the application log. */

#include <weft/loop.h>

WEFT_BEGIN_DECLS

/* A failure and what is known of it. Everything is borrowed for the call. */
typedef struct weft_exception {
    const char
        *message;     /* "callback 'greet' failed", "task 'a' failed and nobody read its result" */
    int error;        /* the code; 0: there is none */
    const char *text; /* what weft_callback_fail() was given; NULL */
    weft_task *task;  /* that failed; its result is not to be released here; NULL */
    weft_future *future; /* that failed, and is no task; likewise; NULL */
    weft_handle handle;  /* of the callback that failed; its id is 0: it had none */
    const char *name;    /* of the task or callback; NULL */
    const char *site;    /* where that was made; NULL */
    const char *made;    /* how: "spawned", "made", "asked for"; NULL */
    const char *scopes;  /* that were around the task: "; in scope 'a' (f.c:3)"; NULL */
    size_t size;         /* of this struct */
} weft_exception;

/* Returns >= 0, or a negative error when it could not do its work: then the log has both. */
typedef int weft_exception_handler(weft_loop *loop, const weft_exception *exception, void *context);

/** Have `fn(loop, exception, context)` called for failures that nobody else hears of, until the
 * loop is freed. NULL: the default one, which logs.
 *
 * It runs outside every task, though maybe in the middle of one's end: it may not suspend. It may
 * call weft_loop_default_exception_handler(). When it fails, by a negative result or by
 * weft_callback_fail(), the default one is told "unhandled error in exception handler", and of the
 * failure itself. What fails because of it goes to the default one.
 *
 * Returns: nothing.
 * Errors: none; from another thread it is reported as misuse.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows `context` until another handler is set or weft_loop_free() has returned.
 * Threads: the loop's own. */
WEFT_API
void weft_loop_set_exception_handler(weft_loop *loop, weft_exception_handler *fn, void *context);

/** Tell the loop's handler of a failure, as the library does.
 *
 * Returns: nothing.
 * Errors: none; from another thread it is reported as misuse.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows the exception for the call.
 * Threads: the loop's own. */
WEFT_API
void weft_loop_call_exception_handler(weft_loop *loop, const weft_exception *exception);

/** What happens without a handler: one line on the application log.
 *
 * Returns: 0.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows the exception for the call.
 * Threads: any. */
WEFT_API
int weft_loop_default_exception_handler(weft_loop *loop, const weft_exception *exception);

WEFT_END_DECLS

#endif
