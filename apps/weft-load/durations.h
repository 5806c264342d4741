#ifndef LOAD_DURATIONS_H
#define LOAD_DURATIONS_H

/* Durations, counted in buckets that widen with them: log-linear, three significant digits.
 *
 * Up to 2,048 ns a bucket is one nanosecond wide; beyond, each octave has 1,024 of them, up to
 * 2^40 ns, which is 18 minutes. A quantile is the middle of its bucket, so at most 0.05 % away from
 * the true one. Adding costs an increment and a few comparisons; merging, reading and clearing look
 * only at the buckets between the least and the greatest duration. */

#include <stdint.h>

#define DURATIONS_STEPS   1024 /* in an octave; a power of two */
#define DURATIONS_OCTAVES 29
#define DURATIONS_BUCKETS (DURATIONS_STEPS * (DURATIONS_OCTAVES + 2))

/* All zero: none yet. Invariant: only buckets of min to max are not 0. */
struct durations {
    uint64_t count;
    uint64_t sum; /* nanoseconds */
    int64_t min, max;
    uint64_t buckets[DURATIONS_BUCKETS];
};

/* Count one, in nanoseconds; less than none is none, and what is too long is in the last bucket. */
void durations_add(struct durations *durations, int64_t duration);

void durations_merge(struct durations *into, const struct durations *from);
void durations_clear(struct durations *durations);

/* The duration that this part of them, 0 to 1, does not exceed; 0 when there are none. */
int64_t durations_quantile(const struct durations *durations, double part);

/* How many are at most so long, up to the width of a bucket. */
uint64_t durations_up_to(const struct durations *durations, int64_t duration);

double durations_mean(const struct durations *durations);
double durations_deviation(const struct durations *durations);

#endif
