#ifndef STOREFRONT_HISTOGRAM_H
#define STOREFRONT_HISTOGRAM_H

/* Durations, counted in buckets that widen with them.
 *
 * Up to 64 us a bucket is one microsecond wide; beyond, each octave has 64 of them. So a quantile
 * is at most 1/64 above the true one and never below it, 5 KiB reach to 134 seconds, and adding
 * costs one atomic increment, from whichever thread or process shares the memory.
 *
 * Counts only grow. Who wants those of one second takes a tally each second and looks at what is
 * new: any number of readers, and nobody resets anything. */

#include <stdatomic.h>
#include <stdint.h>

#define HISTOGRAM_STEPS   256 /* a power of two */
#define HISTOGRAM_OCTAVES 19
#define HISTOGRAM_BUCKETS (HISTOGRAM_STEPS * (HISTOGRAM_OCTAVES + 1))

struct histogram {
    _Atomic uint32_t counts[HISTOGRAM_BUCKETS];
};

/* A plain copy. */
struct tally {
    uint32_t counts[HISTOGRAM_BUCKETS];
};

/* Count a duration, in nanoseconds; those beyond the last bucket go into it. */
void histogram_add(struct histogram *histogram, int64_t duration);

/* What was added since `before` was taken, in *fresh; *before becomes now. */
void histogram_take(const struct histogram *histogram, struct tally *before, struct tally *fresh);

/* All of them. */
void histogram_copy(const struct histogram *histogram, struct tally *tally);

/* The duration that so many percent do not exceed, in nanoseconds; 0 when there are none. */
int64_t tally_percentile(const struct tally *tally, int percent);

#endif
