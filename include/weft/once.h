#ifndef WEFT_ONCE_H
#define WEFT_ONCE_H

/* Something that is to be done once, by whichever task comes first, while the others wait.
 *
 *     static weft_once once;
 *     int err = weft_once_run(&once, connect_to_database, &database); */

#include <weft/define.h>
#include <weft/line.h>
#include <weft/loop.h>

WEFT_BEGIN_DECLS

/* The caller's memory, zeroed: nothing has been done. It belongs to the thread that first uses it.
 */
typedef struct weft_once {
    uint64_t opaque[14];
} weft_once;

/** Call `fn(arg)`, unless that has been done.
 *
 * The first task to come calls it; those who come meanwhile wait. When it succeeds all have its
 * result, now and later. When it fails only its caller is told, and the next in the line tries.
 *
 * Returns: what `fn` returned, >= 0 (0 where it handed a pointer back).
 * Errors: fn's own; -EDEADLK from inside `fn`; -ECANCELED; -EPERM outside a task; WEFT_ETHREAD.
 * Suspends: while another task is at it, and when `fn` does.
 * Cancel: only the waiting stops; who is at it is told inside `fn`.
 * Ownership: borrows `arg` until it returns.
 * Threads: its own. */
WEFT_API
WEFT_SUSPENDS
int weft_once_run(weft_once *once, weft_fn *fn, void *arg);

/** Whether it has been done.
 *
 * Returns: true after a success.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows it.
 * Threads: its own. */
WEFT_API
bool weft_once_is_done(const weft_once *once);

/** What has happened at it.
 *
 * Returns: nothing; *stats is written.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows both.
 * Threads: its own. */
WEFT_API
void weft_once_get_stats(const weft_once *once, weft_line_stats *stats);

WEFT_END_DECLS

#endif
