#include "histogram.h"

static int bucket_of(uint64_t us)
{
    if (us < HISTOGRAM_STEPS)
        return (int)us;
    int shift = __builtin_clzll(HISTOGRAM_STEPS) - __builtin_clzll(us);
    int bucket = shift * HISTOGRAM_STEPS + (int)(us >> shift);
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The longest duration that is counted there, in nanoseconds. */
static int64_t bucket_end(int bucket)
{
    if (bucket < HISTOGRAM_STEPS)
        return (bucket + 1) * 1000 - 1;
    int shift = bucket / HISTOGRAM_STEPS - 1;
    int64_t step = bucket % HISTOGRAM_STEPS + HISTOGRAM_STEPS;
    return ((step + 1) << shift) * 1000 - 1;
}

void histogram_add(struct histogram *histogram, int64_t duration)
{
    int bucket = bucket_of(duration > 0 ? (uint64_t)duration / 1000 : 0);
    atomic_fetch_add_explicit(&histogram->counts[bucket], 1, memory_order_relaxed);
}

void histogram_take(const struct histogram *histogram, struct tally *before, struct tally *fresh)
{
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint32_t count = atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
        fresh->counts[i] = count - before->counts[i];
        before->counts[i] = count;
    }
}

void histogram_copy(const struct histogram *histogram, struct tally *tally)
{
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
        tally->counts[i] = atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
}

int64_t tally_percentile(const struct tally *tally, int percent)
{
    uint64_t total = 0, seen = 0;
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
        total += tally->counts[i];
    if (total == 0)
        return 0;

    uint64_t rank = (total * (uint64_t)percent + 99) / 100;
    int bucket = 0;
    while ((seen += tally->counts[bucket]) < rank)
        bucket++;
    return bucket_end(bucket);
}
