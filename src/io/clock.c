/* The clock: two sources of "now" and one cheap counter.
 *
 *      real   clock_gettime(CLOCK_MONOTONIC)     27 ns
 *      test   a number that only advance_to() moves
 *      ticks  the processor's time stamp counter 11 ns, converted by a rate
 *
 * The rate of the counter is known on aarch64 and measured once on x86-64, by reading it beside the
 * clock at both ends of a fifth of a millisecond. That is exact to about one in a thousand, which
 * is plenty for slices and for nothing else: deadlines are compared on the clock. */

#include "io/clock.h"
#include "base/compiler.h"

#include <stdatomic.h>
#include <time.h>

#define SECOND_NS INT64_C(1000000000)

static int64_t monotonic(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * SECOND_NS + time.tv_nsec + 1; /* + 1: never 0, even at boot */
}

void wf_clock_init(struct wf_clock *clock, bool test)
{
    clock->test = test;
    clock->now = SECOND_NS; /* so that "a little earlier" is still positive */
}

int64_t wf_clock_now(const struct wf_clock *clock)
{
    return WF_UNLIKELY(clock->test) ? clock->now : monotonic();
}

void wf_clock_advance_to(struct wf_clock *clock, int64_t time)
{
    wf_assert(clock->test);
    if (time > clock->now)
        clock->now = time;
}

#if defined(__x86_64__)

uint64_t wf_clock_ticks(void)
{
    return __builtin_ia32_rdtsc();
}

/* The clock and the counter at one moment: the closest of a few pairs, because an interrupt may
 * come between the two readings. */
static void read_both(int64_t *time, uint64_t *ticks)
{
    uint64_t closest = UINT64_MAX;
    for (int i = 0; i < 8; i++) {
        uint64_t before = wf_clock_ticks();
        int64_t now = monotonic();
        uint64_t distance = wf_clock_ticks() - before;
        if (distance < closest) {
            closest = distance;
            *time = now;
            *ticks = before + distance / 2;
        }
    }
}

/* Ticks in 2^32 ns. */
static uint64_t measure_rate(void)
{
    int64_t start = 0, end = 0;
    uint64_t start_ticks = 0, end_ticks = 0;
    read_both(&start, &start_ticks);
    while (monotonic() - start < SECOND_NS / 5000)
        ;
    read_both(&end, &end_ticks);
    return (uint64_t)(((unsigned __int128)(end_ticks - start_ticks) << 32) /
                      (uint64_t)(end - start));
}

#elif defined(__aarch64__)

uint64_t wf_clock_ticks(void)
{
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
}

static uint64_t measure_rate(void)
{
    uint64_t hertz;
    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(hertz));
    return (uint64_t)(((unsigned __int128)hertz << 32) / (uint64_t)SECOND_NS);
}

#else

uint64_t wf_clock_ticks(void)
{
    return (uint64_t)monotonic();
}

static uint64_t measure_rate(void)
{
    return UINT64_C(1) << 32;
}

#endif

/* Both ways; 0: not known yet. Two threads may both find out, to no harm. */
static _Atomic uint64_t rate, inverse_rate;

static uint64_t known_rate(void)
{
    uint64_t known = atomic_load_explicit(&rate, memory_order_relaxed);
    if (WF_UNLIKELY(known == 0)) {
        known = measure_rate();
        atomic_store_explicit(&rate, known, memory_order_relaxed);
    }
    return known;
}

uint64_t wf_clock_ticks_of(int64_t duration)
{
    uint64_t known = known_rate();
    if (duration <= 0)
        return 0;
    unsigned __int128 ticks = ((unsigned __int128)(uint64_t)duration * known) >> 32;
    return ticks > UINT64_MAX ? UINT64_MAX : (uint64_t)ticks;
}

int64_t wf_clock_time_of(uint64_t ticks)
{
    uint64_t known = atomic_load_explicit(&inverse_rate, memory_order_relaxed);
    if (WF_UNLIKELY(known == 0)) {
        known = (uint64_t)(((unsigned __int128)1 << 64) / known_rate());
        atomic_store_explicit(&inverse_rate, known, memory_order_relaxed);
    }
    unsigned __int128 time = ((unsigned __int128)ticks * known) >> 32;
    return time > INT64_MAX ? INT64_MAX : (int64_t)time;
}
