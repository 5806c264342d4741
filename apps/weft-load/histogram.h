#ifndef LOAD_HISTOGRAM_H
#define LOAD_HISTOGRAM_H

/* Durations in nanoseconds, to three significant digits.
 *
 * Log-linear: below 2,048 ns each has a bucket of its own, and every octave above has 1,024. A
 * bucket is so at most 1/1,024 of its value wide, and its middle, which the quantiles give, at most
 * 0.05 % off. 31 octaves reach 36 minutes; what is longer counts as that. Adding is an increment
 * and a few comparisons; 256 KiB, of which a run touches a few pages. Plain counts: one thread has
 * a histogram, and merges make many one. */

#include <stdint.h>

#define LOAD_HISTOGRAM_STEPS   1024
#define LOAD_HISTOGRAM_OCTAVES 31
#define LOAD_HISTOGRAM_BUCKETS (LOAD_HISTOGRAM_STEPS * (LOAD_HISTOGRAM_OCTAVES + 1))

/* Empty when it is all zeros. Invariant: total is the sum of counts. */
struct load_histogram {
    uint64_t total;
    double sum;
    int64_t min, max; /* exact; of use only where total > 0 */
    uint64_t counts[LOAD_HISTOGRAM_BUCKETS];
};

void load_histogram_clear(struct load_histogram *histogram);

/* Count a duration; a negative one is 0. */
void load_histogram_add(struct load_histogram *histogram, int64_t duration);

void load_histogram_merge(struct load_histogram *into, const struct load_histogram *from);

/* What came to `now` since `before` was a copy of it; min and max are of the buckets only. */
void load_histogram_since(const struct load_histogram *now, const struct load_histogram *before,
                          struct load_histogram *fresh);

/* The duration that a part of 0 to 1 of them do not exceed; 0 when there are none. That of 1 is the
 * exact maximum. */
int64_t load_histogram_quantile(const struct load_histogram *histogram, double part);

double load_histogram_mean(const struct load_histogram *histogram);
double load_histogram_deviation(const struct load_histogram *histogram);

/* Which bucket counts a duration, and the shortest one that it counts: for who draws them. */
int load_histogram_bucket(int64_t duration);
int64_t load_histogram_bucket_start(int bucket);

#endif
