#ifndef WEFT_EVENT_H
#define WEFT_EVENT_H

/* An event: tasks wait until somebody sets it; it stays set until it is cleared. */

#include <weft/define.h>
#include <weft/line.h>

WEFT_BEGIN_DECLS

/* The caller's memory. Zeroed memory is an event that is not set; weft_event_init() adds the place
 * where it was made, which reports name. It belongs to the thread that first uses it. */
typedef struct weft_event {
    uint64_t opaque[12];
} weft_event;

struct weft_event_stats {
    weft_line_stats line;
    uint64_t set; /* how often it went from clear to set */
};
typedef struct weft_event_stats weft_event_stats;

/** Make an event that is not set: weft_event_init(&event).
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: writes to the caller's memory.
 * Threads: any; from its first use on that thread's. */
WEFT_API
void weft_event_init_at(weft_event *event, const char *site);
#define weft_event_init(event) weft_event_init_at((event), WEFT_SITE)

/** Give it up.
 *
 * Returns: nothing.
 * Errors: none; aborts while a task waits for it.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the memory is the caller's again. NULL is allowed.
 * Threads: its own. */
WEFT_API
void weft_event_fini(weft_event *event);

/** Wake all who wait, in the order in which they came; who comes later does not wait.
 *
 * Returns: nothing. Again: nothing happens.
 * Errors: none; another thread than its own is told so on the runtime log, and nothing happens.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows it.
 * Threads: its own; tasks and callbacks. */
WEFT_API
void weft_event_set(weft_event *event);

/** From now on who comes waits again. Those who were woken are not called back.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows it.
 * Threads: its own. */
WEFT_API
void weft_event_clear(weft_event *event);

/** Whether it is set.
 *
 * Returns: true between weft_event_set() and weft_event_clear().
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows it.
 * Threads: its own. */
WEFT_API
bool weft_event_is_set(const weft_event *event);

/** Wait until it is set.
 *
 * Returns: 0; it was set, and may have been cleared since.
 * Errors: -ECANCELED; -EPERM outside a task; WEFT_ETHREAD.
 * Suspends: unless it is set.
 * Cancel: only the waiting stops.
 * Ownership: borrows it.
 * Threads: its own. */
WEFT_API
WEFT_SUSPENDS
int weft_event_wait(weft_event *event);

/** What has happened at it.
 *
 * Returns: nothing; *stats is written.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows both.
 * Threads: its own. */
WEFT_API
void weft_event_get_stats(const weft_event *event, weft_event_stats *stats);

WEFT_END_DECLS

#endif
