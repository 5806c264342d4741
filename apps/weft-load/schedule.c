#include "schedule.h"

#include <math.h>

uint64_t schedule_dice(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u; /* splitmix64 */
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* From 0 on, exponential with mean 1. */
static double gap(struct schedule *schedule)
{
    double even = ((double)(schedule_dice(&schedule->dice) >> 11) + 0.5) / 9007199254740992.0;
    return -log(even);
}

/* Where n(t) = count. A falling rate may never come to that. */
static void find(struct schedule *schedule)
{
    double root = schedule->from * schedule->from + 2 * schedule->slope * schedule->count;
    double below = root >= 0 ? schedule->from + sqrt(root) : 0;
    double seconds = schedule->count == 0 ? 0 : 2 * schedule->count / below;
    double length = (double)(schedule->end - schedule->start);
    if (seconds * 1e9 < length) /* false where nothing is below */
        schedule->due = schedule->start + (int64_t)(seconds * 1e9);
    else
        schedule->due = INT64_MAX;
}

void schedule_begin(struct schedule *schedule, double from, double to, int64_t start,
                    int64_t duration, uint64_t seed)
{
    *schedule = (struct schedule){ .from = from,
                                   .slope = (to - from) / ((double)duration / 1e9),
                                   .start = start,
                                   .end = start + duration,
                                   .is_poisson = seed != 0,
                                   .dice = seed };
    if (schedule->is_poisson)
        schedule->count = gap(schedule);
    find(schedule);
}

void schedule_advance(struct schedule *schedule)
{
    schedule->count += schedule->is_poisson ? gap(schedule) : 1;
    find(schedule);
}
