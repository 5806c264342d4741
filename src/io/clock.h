#ifndef WF_IO_CLOCK_H
#define WF_IO_CLOCK_H

/* The one clock. Real: the kernel's monotonic clock, read fresh. Test: stands still until it is
 * moved, so that a test's ten seconds take no time; the loop moves it to the next timer when
 * nothing is ready and nothing is in flight. */

#include <stdbool.h>
#include <stdint.h>

struct wf_clock {
    bool test;
    int64_t now; /* test only */
};

void wf_clock_init(struct wf_clock *clock, bool test);

/* Monotonic nanoseconds, never 0. */
int64_t wf_clock_now(const struct wf_clock *clock);

/* time + duration; a sum that would overflow is INT64_MAX, which is WEFT_FOREVER, or INT64_MIN. */
static inline int64_t wf_clock_after(int64_t time, int64_t duration)
{
    int64_t sum;
    if (__builtin_add_overflow(time, duration, &sum))
        return duration > 0 ? INT64_MAX : INT64_MIN;
    return sum;
}

/* Test only: never backwards. */
void wf_clock_advance_to(struct wf_clock *clock, int64_t time);

/* A cheap counter for slices (the time stamp counter where there is one) and its rate. */
uint64_t wf_clock_ticks(void);
uint64_t wf_clock_ticks_of(int64_t duration);
int64_t wf_clock_time_of(uint64_t ticks);

#endif
