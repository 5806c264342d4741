#ifndef LOAD_SCHEDULE_H
#define LOAD_SCHEDULE_H

/* When the requests of an open loop are due: at a rate that is constant or changes linearly, evenly
 * or as a Poisson process. Arithmetic only: it knows no clock, and what became of the requests
 * before is not its business.
 *
 * The rate at t is r(t) = from + (to - from) t / duration, so n(t) = from t + (to - from) t^2 / 2d
 * requests are due until t. Request i is due where n(t) = i; of a Poisson process, where n(t) is
 * the sum of i exponential gaps. Each time is computed from the beginning: errors do not add up. */

#include <stdbool.h>
#include <stdint.h>

struct schedule {
    double from, slope; /* requests a second; … and by how much that grows in a second */
    int64_t start, end; /* nanoseconds, of any clock */
    double count;       /* n(t) of the next one */
    bool is_poisson;
    uint64_t dice;
    int64_t due; /* of the next one; INT64_MAX: there is none */
};

/* The first is due at the start. A seed makes it a Poisson process; 0: evenly. */
void schedule_begin(struct schedule *schedule, double from, double to, int64_t start,
                    int64_t duration, uint64_t seed);

/* The next one takes the place of what is in `due`. */
void schedule_advance(struct schedule *schedule);

/* A number with an even distribution, 0 to 2^64 - 1; never the same state twice in a row. */
uint64_t schedule_dice(uint64_t *state);

#endif
