#include "schedule.h"

#include <math.h>

uint64_t load_dice(uint64_t *state)
{
    uint64_t x = *state += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

void load_schedule_begin(struct load_schedule *schedule, double rate, double rate_end,
                         int64_t duration, uint64_t count)
{
    double seconds = (double)duration / LOAD_SECOND;
    uint64_t fits = (uint64_t)llround((rate + rate_end) / 2 * seconds);
    *schedule =
        (struct load_schedule){ .rate = rate,
                                .rate_end = rate_end,
                                .duration = seconds,
                                .count =
                                    count == 0 || (duration > 0 && fits < count) ? fits : count };
}

/* The gap from the request before: exponential, of mean 1. */
static double draw_gap(struct load_schedule *schedule)
{
    double part = ((double)(load_dice(&schedule->dice) >> 11) + 1) * 0x1p-53; /* (0, 1] */
    return -log(part);
}

void load_schedule_shake(struct load_schedule *schedule, uint64_t seed)
{
    schedule->is_poisson = true;
    schedule->dice = seed;
    schedule->position = draw_gap(schedule);
}

int64_t load_schedule_next(const struct load_schedule *schedule)
{
    if (schedule->index >= schedule->count)
        return INT64_MAX;
    double rate = schedule->rate, seconds;
    double slope = schedule->duration > 0 ? (schedule->rate_end - rate) / schedule->duration : 0;
    if (slope == 0) {
        seconds = schedule->position / rate;
    } else {
        /* position = rate t + slope t^2 / 2, in the form that loses no digits. A Poisson process
         * may have a bit more to come than a falling ramp has room for: at its end, then. */
        double square = rate * rate + 2 * slope * schedule->position;
        seconds = 2 * schedule->position / (rate + sqrt(square > 0 ? square : 0));
    }
    return (int64_t)(seconds * LOAD_SECOND);
}

void load_schedule_step(struct load_schedule *schedule)
{
    schedule->index++;
    schedule->position =
        schedule->is_poisson ? schedule->position + draw_gap(schedule) : (double)schedule->index;
}
