#include "histogram.h"

#include <math.h>
#include <string.h>

#define STEPS LOAD_HISTOGRAM_STEPS

int load_histogram_bucket(int64_t duration)
{
    uint64_t ns = duration > 0 ? (uint64_t)duration : 0;
    if (ns < 2 * STEPS)
        return (int)ns;
    int shift = __builtin_clzll(STEPS) - __builtin_clzll(ns);
    int bucket = shift * STEPS + (int)(ns >> shift);
    return bucket < LOAD_HISTOGRAM_BUCKETS ? bucket : LOAD_HISTOGRAM_BUCKETS - 1;
}

int64_t load_histogram_bucket_start(int bucket)
{
    if (bucket < 2 * STEPS)
        return bucket;
    int shift = bucket / STEPS - 1;
    return (int64_t)(bucket % STEPS + STEPS) << shift;
}

static int64_t bucket_middle(int bucket)
{
    int64_t start = load_histogram_bucket_start(bucket);
    return start + (load_histogram_bucket_start(bucket + 1) - 1 - start) / 2;
}

void load_histogram_clear(struct load_histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
}

static void widen(struct load_histogram *histogram, int64_t min, int64_t max)
{
    if (histogram->total == 0 || min < histogram->min)
        histogram->min = min;
    if (histogram->total == 0 || max > histogram->max)
        histogram->max = max;
}

void load_histogram_add(struct load_histogram *histogram, int64_t duration)
{
    if (duration < 0)
        duration = 0;
    widen(histogram, duration, duration);
    histogram->total++;
    histogram->sum += (double)duration;
    histogram->counts[load_histogram_bucket(duration)]++;
}

void load_histogram_merge(struct load_histogram *into, const struct load_histogram *from)
{
    if (from->total == 0)
        return;
    widen(into, from->min, from->max);
    into->total += from->total;
    into->sum += from->sum;
    for (int i = 0; i < LOAD_HISTOGRAM_BUCKETS; i++)
        into->counts[i] += from->counts[i];
}

void load_histogram_since(const struct load_histogram *now, const struct load_histogram *before,
                          struct load_histogram *fresh)
{
    load_histogram_clear(fresh);
    for (int i = 0; i < LOAD_HISTOGRAM_BUCKETS; i++) {
        fresh->counts[i] = now->counts[i] - before->counts[i];
        if (fresh->counts[i] == 0)
            continue;
        widen(fresh, load_histogram_bucket_start(i), bucket_middle(i));
        fresh->total += fresh->counts[i];
    }
    fresh->sum = now->sum - before->sum;
}

int64_t load_histogram_quantile(const struct load_histogram *histogram, double part)
{
    if (histogram->total == 0)
        return 0;
    uint64_t rank = (uint64_t)ceil(part * (double)histogram->total), seen = 0;
    if (rank >= histogram->total)
        return histogram->max;
    int bucket = 0;
    while ((seen += histogram->counts[bucket]) < rank || seen == 0)
        bucket++;
    int64_t middle = bucket_middle(bucket);
    return middle < histogram->min   ? histogram->min
           : middle > histogram->max ? histogram->max
                                     : middle;
}

double load_histogram_mean(const struct load_histogram *histogram)
{
    return histogram->total > 0 ? histogram->sum / (double)histogram->total : 0;
}

double load_histogram_deviation(const struct load_histogram *histogram)
{
    double mean = load_histogram_mean(histogram), squares = 0;
    for (int i = 0; i < LOAD_HISTOGRAM_BUCKETS; i++) {
        if (histogram->counts[i] == 0)
            continue;
        double apart = (double)bucket_middle(i) - mean;
        squares += apart * apart * (double)histogram->counts[i];
    }
    return histogram->total > 0 ? sqrt(squares / (double)histogram->total) : 0;
}
