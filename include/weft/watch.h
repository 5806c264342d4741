#ifndef WEFT_WATCH_H
#define WEFT_WATCH_H

/* A watch: the latest value of something, and waiting for a newer one.
 *
 *     weft_watch config;
 *     int err = weft_watch_init(&config, sizeof now, &now);
 *     …
 *     uint64_t seen = 0;
 *     while (weft_watch_next(&config, &seen, &mine) >= 0)     the first one at once
 *         use(&mine);
 *
 * Values are copied, `item_size` bytes each. They have numbers from 1 on; `seen` is the caller's
 * own and holds the number of the last one that it was given, 0 at first. Who is slower than the
 * values come sees the latest of them and none between. */

#include <weft/define.h>
#include <weft/line.h>

WEFT_BEGIN_DECLS

/* The caller's memory. It belongs to the thread that first uses it. */
typedef struct weft_watch {
    uint64_t opaque[20];
} weft_watch;

/* Where somebody is, and where the next value goes: what weft_then_watch() is given. */
struct weft_watch_view {
    uint64_t *seen;
    void *value;
};
typedef struct weft_watch_view weft_watch_view;

struct weft_watch_stats {
    weft_line_stats line;
    uint64_t set; /* the number of the latest value: how many there were */
    bool closed;
};
typedef struct weft_watch_stats weft_watch_stats;

/** Make a watch that holds a value: weft_watch_init(&watch, item_size, value).
 *
 * Without one (NULL) the first that is set is number 1, and who asks waits for it.
 *
 * Returns: 0.
 * Errors: -ENOMEM: it need not be given up then.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: writes to the caller's memory; ended by weft_watch_fini(). Copies the value.
 * Threads: any; from its first use on that thread's. */
WEFT_API
int weft_watch_init_at(weft_watch *watch, size_t item_size, const void *value, const char *site);
#define weft_watch_init(watch, item_size, value)                                                   \
    weft_watch_init_at((watch), (item_size), (value), WEFT_SITE)

/** Give it up.
 *
 * Returns: nothing.
 * Errors: none; aborts while a task waits for it.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the memory is the caller's again. NULL is allowed.
 * Threads: its own. */
WEFT_API
void weft_watch_fini(weft_watch *watch);

/** Set a new value, be it equal to the last one. All who wait are given it, in the order in which
 * they came.
 *
 * Returns: 0.
 * Errors: WEFT_ECLOSED when it is closed; WEFT_ETHREAD. The value stays as it is then.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: copies the value.
 * Threads: its own; tasks and callbacks. */
WEFT_API
int weft_watch_set(weft_watch *watch, const void *value);

/** The latest value, also after its close.
 *
 * Returns: 0; *value is written.
 * Errors: -EAGAIN when none was set yet; WEFT_ETHREAD. *value is untouched then.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: writes to `value`.
 * Threads: its own; tasks and callbacks. */
WEFT_API
int weft_watch_get(weft_watch *watch, void *value);

/** Wait for a value that is newer than the one that was seen last.
 *
 * Returns: 0; *value is the latest one and *seen its number.
 * Errors: WEFT_ECLOSED when it is closed and the latest value was seen; -ECANCELED; -EPERM outside
 *   a task; WEFT_ETHREAD. *value and *seen are untouched then.
 * Suspends: unless there is a newer value.
 * Cancel: only the waiting stops; a value that was given is returned.
 * Ownership: borrows `seen` and `value` until it returns.
 * Threads: its own. */
WEFT_API
WEFT_SUSPENDS
int weft_watch_next(weft_watch *watch, uint64_t *seen, void *value);

/** The latest value, if it is newer than the one that was seen last.
 *
 * Returns: 0; *value is written, and *seen is its number.
 * Errors: -EAGAIN when it was seen; WEFT_ECLOSED when it is closed besides; WEFT_ETHREAD. *value
 *   and *seen are untouched then.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: writes to `seen` and `value`.
 * Threads: its own; tasks and callbacks. */
WEFT_API
int weft_watch_try_next(weft_watch *watch, uint64_t *seen, void *value);

/** Say that no value will be set any more. The latest one can still be had; who waits for a newer
 * one is told WEFT_ECLOSED. Again: nothing.
 *
 * Returns: nothing.
 * Errors: none; another thread than its own is told so on the runtime log, and nothing happens.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows it.
 * Threads: its own; tasks and callbacks. */
WEFT_API
void weft_watch_close(weft_watch *watch);

/** What has happened at it.
 *
 * Returns: nothing; *stats is written.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows both.
 * Threads: its own. */
WEFT_API
void weft_watch_get_stats(const weft_watch *watch, weft_watch_stats *stats);

WEFT_END_DECLS

#endif
