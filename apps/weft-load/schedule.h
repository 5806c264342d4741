#ifndef LOAD_SCHEDULE_H
#define LOAD_SCHEDULE_H

/* When requests are due: arithmetic, no clock.
 *
 * Request i is due where the rate, summed up from the start, reaches i. So a steady rate is
 * start + i / rate, without a rounding error that would add up, and a ramp is the root of a
 * quadratic. With chance, "i" is a sum of i exponential gaps of mean 1: a Poisson process of the
 * same rate. Nothing that happens later changes a due time. */

#include <stdbool.h>
#include <stdint.h>

#define LOAD_SECOND 1000000000ll

struct load_schedule {
    double rate, rate_end; /* requests a second; where they differ, a ramp over `duration` */
    double duration;       /* seconds */
    uint64_t count;        /* requests in all */
    uint64_t index;        /* of the next one */
    double position;       /* the sum of gaps up to it: index, unless there is chance */
    bool is_poisson;
    uint64_t dice;
};

/* `count` 0: as many as fall into the duration; `duration` 0: as long as the count takes, which
 * has to be given then and excludes a ramp. */
void load_schedule_begin(struct load_schedule *schedule, double rate, double rate_end,
                         int64_t duration, uint64_t count);

/* Draw the gaps from a seed; directly after begin. */
void load_schedule_shake(struct load_schedule *schedule, uint64_t seed);

/* The due time of the next request in nanoseconds from the start; INT64_MAX when all are out. */
int64_t load_schedule_next(const struct load_schedule *schedule);

/* Go on to the one after it. */
void load_schedule_step(struct load_schedule *schedule);

/* A random number, of a state that is not 0 (splitmix64). */
uint64_t load_dice(uint64_t *state);

#endif
