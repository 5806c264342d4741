#ifndef WEFT_CONDITION_H
#define WEFT_CONDITION_H

/* A condition: tasks that hold a mutex wait until somebody says that something has changed.
 *
 *     weft_mutex_lock(&m);
 *     while (err == 0 && !ready)
 *         err = weft_condition_wait(&changed, &m);     lets the mutex go and takes it again
 *     weft_mutex_unlock(&m);                           held here in any case
 *
 * Who is told goes from the condition's line to the mutex's, so telling many does not wake them to
 * wait again. A task that is told is not told in vain: a cancel after that leaves its 0 alone. */

#include <weft/define.h>
#include <weft/line.h>
#include <weft/mutex.h>

WEFT_BEGIN_DECLS

/* The caller's memory. Zeroed memory is a condition; weft_condition_init() adds the place where it
 * was made. It belongs to the thread that first uses it. */
typedef struct weft_condition {
    uint64_t opaque[12];
} weft_condition;

/* Whether what is waited for is so. */
typedef bool weft_predicate_fn(void *arg);

/** Make a condition: weft_condition_init(&condition).
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: writes to the caller's memory.
 * Threads: any; from its first use on that thread's. */
WEFT_API
void weft_condition_init_at(weft_condition *condition, const char *site);
#define weft_condition_init(condition) weft_condition_init_at((condition), WEFT_SITE)

/** Give it up.
 *
 * Returns: nothing.
 * Errors: none; aborts while a task waits for it.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the memory is the caller's again. NULL is allowed.
 * Threads: its own. */
WEFT_API
void weft_condition_fini(weft_condition *condition);

/** Let the mutex go, wait to be told, and take it again. `mutex` may be NULL where no call that
 * suspends lies between looking and waiting.
 *
 * Returns: 0; the mutex is held.
 * Errors: -ECANCELED, the mutex is held all the same; -EPERM when the task does not hold it, or
 *   outside a task; WEFT_ETHREAD.
 * Suspends: always, but where it fails at once.
 * Cancel: the waiting stops; taking the mutex again is not cancelled.
 * Ownership: borrows both.
 * Threads: its own. */
WEFT_API
WEFT_SUSPENDS
int weft_condition_wait(weft_condition *condition, weft_mutex *mutex);

/** Wait until `predicate(arg)` is true, which is asked with the mutex held.
 *
 * Returns: 0; the mutex is held.
 * Errors: as weft_condition_wait().
 * Suspends: while it is not true.
 * Cancel: as weft_condition_wait().
 * Ownership: borrows all until it returns.
 * Threads: its own. */
WEFT_API
WEFT_SUSPENDS
int weft_condition_wait_for(weft_condition *condition, weft_mutex *mutex,
                            weft_predicate_fn *predicate, void *arg);

/** Tell the `count` tasks that have waited longest; SIZE_MAX: all of them. The caller should hold
 * their mutex, but need not.
 *
 * Returns: how many were told.
 * Errors: none; another thread than its own is told so on the runtime log, and nobody is woken.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows it.
 * Threads: its own; tasks and callbacks. */
WEFT_API
size_t weft_condition_notify(weft_condition *condition, size_t count);
#define weft_condition_notify_all(condition) weft_condition_notify((condition), SIZE_MAX)

/** What has happened at it.
 *
 * Returns: nothing; *stats is written.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows both.
 * Threads: its own. */
WEFT_API
void weft_condition_get_stats(const weft_condition *condition, weft_line_stats *stats);

WEFT_END_DECLS

#endif
