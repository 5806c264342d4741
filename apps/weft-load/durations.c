#include "durations.h"

#include <math.h>
#include <string.h>

static int bucket_of(int64_t duration)
{
    uint64_t value = (uint64_t)duration;
    if (value < 2 * DURATIONS_STEPS)
        return (int)value;
    int shift = __builtin_clzll(DURATIONS_STEPS) - __builtin_clzll(value);
    int bucket = shift * DURATIONS_STEPS + (int)(value >> shift);
    return bucket < DURATIONS_BUCKETS ? bucket : DURATIONS_BUCKETS - 1;
}

static int64_t middle_of(int bucket)
{
    if (bucket < 2 * DURATIONS_STEPS)
        return bucket;
    int shift = bucket / DURATIONS_STEPS - 1;
    int64_t step = bucket % DURATIONS_STEPS + DURATIONS_STEPS;
    return (step << shift) + ((INT64_C(1) << shift) - 1) / 2;
}

void durations_add(struct durations *durations, int64_t duration)
{
    if (duration < 0)
        duration = 0;
    if (durations->count++ == 0)
        durations->min = durations->max = duration;
    if (duration < durations->min)
        durations->min = duration;
    if (duration > durations->max)
        durations->max = duration;
    durations->sum += (uint64_t)duration;
    durations->buckets[bucket_of(duration)]++;
}

void durations_merge(struct durations *into, const struct durations *from)
{
    if (from->count == 0)
        return;
    if (into->count == 0 || from->min < into->min)
        into->min = from->min;
    if (into->count == 0 || from->max > into->max)
        into->max = from->max;
    into->count += from->count;
    into->sum += from->sum;
    for (int i = bucket_of(from->min), last = bucket_of(from->max); i <= last; i++)
        into->buckets[i] += from->buckets[i];
}

void durations_clear(struct durations *durations)
{
    if (durations->count == 0)
        return;
    int first = bucket_of(durations->min), last = bucket_of(durations->max);
    memset(&durations->buckets[first], 0, (size_t)(last - first + 1) * sizeof(uint64_t));
    durations->count = durations->sum = 0;
    durations->min = durations->max = 0;
}

/* The middle of a bucket may lie outside of what was ever counted. */
static int64_t within(const struct durations *durations, int64_t duration)
{
    return duration < durations->min   ? durations->min
           : duration > durations->max ? durations->max
                                       : duration;
}

int64_t durations_quantile(const struct durations *durations, double part)
{
    if (durations->count == 0)
        return 0;
    uint64_t rank = (uint64_t)ceil(part * (double)durations->count - 1e-6), seen = 0;
    if (rank < 1)
        rank = 1;
    if (rank >= durations->count)
        return durations->max;
    int bucket = bucket_of(durations->min);
    while ((seen += durations->buckets[bucket]) < rank)
        bucket++;
    return within(durations, middle_of(bucket));
}

uint64_t durations_up_to(const struct durations *durations, int64_t duration)
{
    uint64_t seen = 0;
    if (durations->count == 0 || duration < durations->min)
        return 0;
    if (duration >= durations->max)
        return durations->count;
    for (int i = bucket_of(durations->min), last = bucket_of(duration); i <= last; i++)
        seen += durations->buckets[i];
    return seen;
}

double durations_mean(const struct durations *durations)
{
    return durations->count ? (double)durations->sum / (double)durations->count : 0;
}

double durations_deviation(const struct durations *durations)
{
    if (durations->count == 0)
        return 0;
    double mean = durations_mean(durations), squares = 0;
    for (int i = bucket_of(durations->min), last = bucket_of(durations->max); i <= last; i++) {
        double distance = (double)middle_of(i) - mean;
        squares += distance * distance * (double)durations->buckets[i];
    }
    return sqrt(squares / (double)durations->count);
}
