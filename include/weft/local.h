#ifndef WEFT_LOCAL_H
#define WEFT_LOCAL_H

/* Task-local values: what belongs to the work at hand and is not worth a parameter of every
 * function, such as the number of a request that each line of the log is to carry.
 *
 *     static weft_local request_id = WEFT_LOCAL("request id");
 *
 *     weft_local_set(&request_id, http_request_id);      once, where the request begins
 *     weft_local_get(&request_id)                        anywhere below
 *
 * A task begins with the values that its creator has at that moment, and a callback with those of
 * who asked for it, unless `.no_locals` says that it serves others too: a cache's refresh is not to
 * keep alive what belongs to the request that happened to need it first. From then on they are its
 * own: setting one is seen by the task itself and by what it starts afterwards, never by who
 * started it. Coroutines and generators have no values of their own: they see and set those of the
 * task that awaits them or asks them for the next value. A server's clients begin with the values
 * of the task that serves. weft_post() and notices come from elsewhere: their callbacks begin with
 * none. An exception handler sees those of the task that has failed; a `.drop` runs without.
 *
 * Values are looked up one after another, so this is for a handful of them, not for a table. */

#include <weft/define.h>
#include <weft/loop.h>

WEFT_BEGIN_DECLS

/* A key: a static object, whose address is what counts. */
typedef struct weft_local {
    const char *name; /* for the log */
} weft_local;

#define WEFT_LOCAL(text)                                                                           \
    {                                                                                              \
        text                                                                                       \
    }

/** Set a value of the running task or callback; outside both of what its loop starts from here on.
 *
 * Returns: 0.
 * Errors: -ENOMEM, then the value before stays; -EPERM where there is no loop, as in a blocking
 *   job.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows `value`, which must outlive all that inherit it. NULL takes the value away.
 * Threads: the loop's own. */
WEFT_API
int weft_local_set(const weft_local *key, void *value);

/** The same with a value that is freed when the last one that has it ends or sets another.
 *
 *     weft_local_set_owned(&request_id, strdup(id), free);
 *
 * Returns: 0.
 * Errors: as weft_local_set().
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: takes `value`, also where it fails: `drop(value)` is called exactly once.
 * Threads: the loop's own; `drop` is called there. */
WEFT_API
int weft_local_set_owned(const weft_local *key, void *value, weft_drop_fn *drop);

/** A value of the running task or callback.
 *
 * In a weft_blocking() function it is the value of the task that waits for it; with `.abandon`
 * nobody may be waiting, and there are no values.
 *
 * Returns: the value, or NULL: nobody has set it.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrowed, until the running task or callback sets it anew or ends.
 * Threads: any. */
WEFT_API
void *weft_local_get(const weft_local *key);

WEFT_END_DECLS

#endif
