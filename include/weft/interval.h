#ifndef WEFT_INTERVAL_H
#define WEFT_INTERVAL_H

/* Intervals: ticks at equal distances, whatever happens between them.
 *
 *     weft_interval every;
 *     int err = weft_interval_init(&every, WEFT_MINUTE);
 *     while (err == 0 && weft_interval_next(&every) >= 0)
 *         err = work();
 *
 * The ticks are a grid: first, first + period, first + 2 * period, for ever. Neither the work nor a
 * late wake-up moves it, where a loop around weft_sleep() would be later each time. What becomes of
 * ticks that the work has missed is the policy's affair; for a period of 10 ms and work that once
 * takes 35:
 *
 *     grid        0    10    20    30    40    50    60    70
 *     the work    ▐███████████████████▌
 *     SKIP        0                      40    50    60    70     3 left out
 *     BURST       0                  35  40    50    60    70     10, 20 and 30 come at 35
 *     DELAY       0                         45    55    65        a new grid: 35 + 10 */

#include <weft/define.h>

WEFT_BEGIN_DECLS

typedef struct weft_interval weft_interval;

/* What becomes of a tick whose time is over before anybody waits for it. */
enum weft_interval_policy {
    WEFT_INTERVAL_SKIP,  /* it is left out: the next one is on the grid */
    WEFT_INTERVAL_BURST, /* it comes at once, and so does each that was missed */
    WEFT_INTERVAL_DELAY, /* it is left out: the next one comes a period from now, and the grid
                            begins anew there */
};

/* The caller's memory; nothing needs to be freed. */
struct weft_interval {
    uint64_t opaque[16];
};

/* Options of weft_interval_init(). */
struct weft_interval_options {
    int64_t period;   /* the second argument: ns */
    int64_t first;    /* ns from now to the first tick; 0: one period; negative: it is now, and
                         the first call of weft_interval_next() gives it, however late */
    int64_t jitter;   /* each tick comes up to so many ns late, at random, so that many programs
                         with one period do not act all at once; at most the period */
    const char *site; /* where it was called; set by the macro */
    size_t size;      /* of this struct; set by the macro */
    uint8_t policy;   /* enum weft_interval_policy */
};

/** Begin an interval: weft_interval_init(&every, period). Its time runs from here on.
 *
 *     weft_interval_init(&every, 100 * WEFT_MILLISECOND, .policy = WEFT_INTERVAL_BURST);
 *
 * Ticks beyond the end of time, as with a period of WEFT_FOREVER, never come.
 *
 * Returns: 0.
 * Errors: -EINVAL for a `period` <= 0, a `.jitter` below 0 or above the period, or a `.policy` that
 *   is none; -EPERM on a thread without a loop. weft_interval_next() says -EINVAL then.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: writes to the interval, which is the caller's memory. Again, while nobody waits for
 *   it: it begins anew.
 * Threads: any with a loop; from then on that loop's. */
WEFT_API
int weft_interval_init_with(weft_interval *interval, const struct weft_interval_options *options);

/** Wait for the next tick.
 *
 * A tick that has come late because its loop was busy, while this call waited for it, is given when
 * it comes.
 *
 * Returns: how many ticks were left out before this one, >= 0.
 * Errors: -ECANCELED; -EINVAL for an interval that weft_interval_init() has not begun; -EBUSY while
 *   another task waits for it; -EPERM outside a task; WEFT_ETHREAD for another loop's.
 * Suspends: unless the tick is due; never for the missed ones of WEFT_INTERVAL_BURST, but for the
 *   turn that every task gives up once in 128 calls.
 * Cancel: loses no tick: the one that was waited for is still to come.
 * Ownership: borrows the interval until it returns.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int64_t weft_interval_next(weft_interval *interval);

WEFT_END_DECLS

#ifndef __cplusplus
#    define weft_interval_init(interval, ...)                                                      \
        weft_interval_init_with((interval), &(struct weft_interval_options){                       \
                                                .period = __VA_ARGS__,                             \
                                                .site = WEFT_SITE,                                 \
                                                .size = sizeof(struct weft_interval_options) })
#else
static inline int weft_interval_init(weft_interval *interval, int64_t period,
                                     weft_interval_options options = {})
{
    options.period = period;
    options.size = sizeof options;
    return weft_interval_init_with(interval, &options);
}
#endif

#endif
