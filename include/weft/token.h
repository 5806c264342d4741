#ifndef WEFT_TOKEN_H
#define WEFT_TOKEN_H

/* A cancellation token: one word that ends work in many places.
 *
 *     weft_token shutdown, request;
 *     weft_token_init(&shutdown, NULL);
 *     weft_token_init(&request, &shutdown);       cancelled with it, and by itself
 *     …
 *     weft_scope s;
 *     weft_scope_begin(&s);
 *     int err = weft_token_bind(&request, &s);    the scope ends when the token is cancelled
 *     …
 *     weft_token_cancel(&shutdown, "SIGTERM");
 *
 * Tokens form trees: a cancel reaches what is below, never what is above. Scopes say who may be
 * cancelled by how the code is nested; a token says it across that: for work of several tasks that
 * belongs together though no scope is around it. */

#include <weft/define.h>
#include <weft/line.h>
#include <weft/scope.h>

WEFT_BEGIN_DECLS

/* The caller's memory, which must stay where it is from init to fini. Zeroed memory is a token
 * without a parent that is not cancelled; weft_token_init() adds the place where it was made, which
 * reports name. It belongs to the thread that first uses it. */
typedef struct weft_token {
    uint64_t opaque[24];
} weft_token;

struct weft_token_stats {
    weft_line_stats line;
    size_t children; /* directly below it; counted when it is asked */
    size_t scopes;   /* bound to it; likewise */
};
typedef struct weft_token_stats weft_token_stats;

/** Make a token below `parent`, or with NULL the first of a tree: weft_token_init(&t, parent).
 *
 * Below one that is cancelled it is born cancelled, for the same reason.
 *
 * Returns: 0.
 * Errors: WEFT_ETHREAD when the parent belongs to another thread: then it has none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: writes to the caller's memory; the parent keeps a pointer to it until
 *   weft_token_fini() of either.
 * Threads: the parent's; without one any, and from its first use on that thread's. */
WEFT_API
int weft_token_init_at(weft_token *token, weft_token *parent, const char *site);
#define weft_token_init(token, parent) weft_token_init_at((token), (parent), WEFT_SITE)

/** Give it up. The tokens below it have no parent any more, and the scopes that are bound to it go
 * on without it; nothing is cancelled.
 *
 * Returns: nothing.
 * Errors: none; aborts while a task waits for it.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the memory is the caller's again. NULL is allowed.
 * Threads: its own. */
WEFT_API
void weft_token_fini(weft_token *token);

/** Cancel it and all tokens below it, wake who waits for one of them, and cancel the scopes that
 * are bound to them, as weft_scope_cancel() does. Again: nothing; the first reason stays, and so
 * does that of a token below that was cancelled before.
 *
 * Returns: nothing.
 * Errors: none; another thread than its own is told so on the runtime log, and nothing happens.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows it; `why` must be static or outlive the tokens and scopes. NULL is allowed.
 * Threads: its own; tasks and callbacks. */
WEFT_API
void weft_token_cancel(weft_token *token, const char *why);

/** Whether it was cancelled, by itself or from above.
 *
 * Returns: true from weft_token_cancel() on.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows it.
 * Threads: its own. */
WEFT_API
bool weft_token_is_cancelled(const weft_token *token);

/** Why it was cancelled.
 *
 * Returns: what weft_token_cancel() was given, "no reason given" for NULL; NULL while it is not
 *   cancelled.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the text is whose it was.
 * Threads: its own. */
WEFT_API
const char *weft_token_why(const weft_token *token);

/** Wait until it is cancelled.
 *
 * Returns: 0; it is cancelled.
 * Errors: -ECANCELED when the task itself is; -EPERM outside a task; WEFT_ETHREAD.
 * Suspends: unless it is cancelled.
 * Cancel: only the waiting stops.
 * Ownership: borrows it.
 * Threads: its own. */
WEFT_API
WEFT_SUSPENDS
int weft_token_wait(weft_token *token);

/** From now on the scope is cancelled when the token is; at once, when that has happened. Any
 * number of scopes, in any tasks of the thread, may be bound to one token. A scope that ends leaves
 * it.
 *
 *     weft_scope_begin(&s);
 *     err = weft_token_bind(&token, &s);
 *     …
 *     err = weft_scope_leave(&s, err);            0 when only the token has ended it
 *
 * Returns: 0.
 * Errors: -ESHUTDOWN for a scope that has ended; -EALREADY for one that is bound to a token;
 *   -EPERM for the background, which no task has begun; WEFT_ETHREAD.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: keeps a pointer to the scope until that ends or the token is given up or cancelled.
 * Threads: its own. */
WEFT_API
int weft_token_bind(weft_token *token, weft_scope *scope);

/** What has happened at it.
 *
 * Returns: nothing; *stats is written.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows both.
 * Threads: its own. */
WEFT_API
void weft_token_get_stats(const weft_token *token, weft_token_stats *stats);

WEFT_END_DECLS

#endif
