/* A clock for counting: io/clock.h once more, linked instead of src/io/clock.c.
 *
 * With real time the counts would be chance: how often the kernel is asked depends on it. With the
 * test clock they would be of something else: a loop asks the kernel in every turn then. Here a
 * loop goes its ordinary ways, and time passes by being read: 50 ns for each reading, about what a
 * busy loop sees. Who needs more lets it pass. Nothing can be waited for with only a timer to end
 * it: while the kernel sleeps, this clock stands.
 *
 * One clock for all loops, so for one thread. */

#include "clock.h"

#include "io/clock.h"

#include <time.h>

#define SECOND_NS  INT64_C(1000000000)
#define READING_NS 50

static int64_t now = SECOND_NS; /* also the counter: a tick is a nanosecond */

void guard_clock_pass(int64_t duration)
{
    now += duration;
}

void wf_clock_init(struct wf_clock *clock, bool test)
{
    *clock = (struct wf_clock){ .test = test };
}

int64_t wf_clock_now(const struct wf_clock *clock)
{
    (void)clock;
    return now += READING_NS;
}

void wf_clock_advance_to(struct wf_clock *clock, int64_t time)
{
    (void)clock;
    now = time > now ? time : now;
}

uint64_t wf_clock_ticks(void)
{
    return (uint64_t)(now += READING_NS);
}

uint64_t wf_clock_ticks_of(int64_t duration)
{
    return duration > 0 ? (uint64_t)duration : 0;
}

/* libc's: a Date is printed anew when the second has changed, which it never does. */
time_t time(time_t *second)
{
    if (second)
        *second = SECOND_NS;
    return SECOND_NS;
}

int64_t wf_clock_time_of(uint64_t ticks)
{
    return (int64_t)ticks;
}
