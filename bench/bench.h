#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

/* Measuring in pairs.
 *
 * The same program drifts by a third from one minute to the next, so a figure alone means little
 * and two figures from two runs mean nothing. Here two sides run in turn, in the order ABBA ABBA
 * (a drift in one direction hits both alike), each pair gives one ratio, and what is printed is
 * the median of the ratios with the interval that holds the true median in 95 of 100 cases. The
 * interval comes from ranks (binomial), so no shape of noise is assumed.
 *
 *     struct bench_side ours = { "weft", run_weft, &server }, floor = { "raw epoll", run_raw, 0 };
 *     bench_compare_print(&ours, &floor, 25, "ns");
 *
 * A side's function does one run, of some 10 ms or more, and returns its cost per operation in
 * whatever unit: nanoseconds by the clock, CPU time per request, instructions. Less is better. */

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <weft/define.h>

#define BENCH_PAIRS     25 /* default; 15 is the least that gives a useful interval */
#define BENCH_PAIRS_MAX 1000

struct bench_side {
    const char *name;
    double (*run)(void *arg);
    void *arg;
};

/* A median and the 95 % interval around it. */
struct bench_median {
    double value, low, high;
};

struct bench_result {
    struct bench_median ours, floor; /* cost per operation */
    struct bench_median ratio;       /* ours / floor, pair by pair */
};

static inline double bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static inline double bench_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Make the compiler believe that `value` is used. */
static inline void bench_keep(uint64_t value)
{
    __asm__ volatile("" ::"r"(value) : "memory");
}

static inline int bench_order(const void *left, const void *right)
{
    double l = *(const double *)left, r = *(const double *)right;
    return (l > r) - (l < r);
}

static inline double bench_root(double x)
{
    double root = x > 1 ? x : 1;
    for (int i = 0; i < 40; i++)
        root = (root + x / root) / 2;
    return root;
}

/* Sorts `samples`. Ranks n/2 -+ 0.98 sqrt(n) bound the median at 95 %. */
static inline struct bench_median bench_median_of(double *samples, int count)
{
    qsort(samples, (size_t)count, sizeof(*samples), bench_order);
    int rank = (int)(((double)count - 1.96 * bench_root(count)) / 2);
    rank = rank < 0 ? 0 : rank;
    double value = (samples[(count - 1) / 2] + samples[count / 2]) / 2;
    return (struct bench_median){ value, samples[rank], samples[count - 1 - rank] };
}

static inline int bench_bounded(int pairs)
{
    return pairs < 1 ? 1 : pairs > BENCH_PAIRS_MAX ? BENCH_PAIRS_MAX : pairs;
}

static inline struct bench_median bench_measure(const struct bench_side *side, int runs)
{
    static double samples[BENCH_PAIRS_MAX];
    runs = bench_bounded(runs);
    side->run(side->arg);
    for (int i = 0; i < runs; i++)
        samples[i] = side->run(side->arg);
    return bench_median_of(samples, runs);
}

static inline struct bench_result bench_compare(const struct bench_side *ours,
                                                const struct bench_side *floor, int pairs)
{
    static double a[BENCH_PAIRS_MAX], b[BENCH_PAIRS_MAX], ratio[BENCH_PAIRS_MAX];
    pairs = bench_bounded(pairs);
    ours->run(ours->arg);
    floor->run(floor->arg);
    for (int i = 0; i < pairs; i++) {
        if (i % 2 == 1)
            b[i] = floor->run(floor->arg);
        a[i] = ours->run(ours->arg);
        if (i % 2 == 0)
            b[i] = floor->run(floor->arg);
        ratio[i] = a[i] / b[i];
    }
    return (struct bench_result){ bench_median_of(a, pairs), bench_median_of(b, pairs),
                                  bench_median_of(ratio, pairs) };
}

static inline void bench_measure_print(const struct bench_side *side, int runs, const char *unit)
{
    struct bench_median cost = bench_measure(side, runs);
    printf("%-28s %9.2f %s  [%.2f, %.2f]\n", side->name, cost.value, unit, cost.low, cost.high);
}

static inline struct bench_result bench_compare_print(const struct bench_side *ours,
                                                      const struct bench_side *floor, int pairs,
                                                      const char *unit)
{
    struct bench_result r = bench_compare(ours, floor, pairs);
    printf("%-28s %9.2f %s  %.3fx [%.3f, %.3f] of %s, %.2f %s\n", ours->name, r.ours.value, unit,
           r.ratio.value, r.ratio.low, r.ratio.high, floor->name, r.floor.value, unit);
    fflush(stdout);
    return r;
}

/* Under a row: what was wanted of it. */
static inline void bench_target_print(const char *what, bool met)
{
    printf("%-28s           target %s: %s\n", "", what, met ? "met" : "MISSED");
}

#ifdef __clang__
#    define BENCH_COMPILER __VERSION__
#else
#    define BENCH_COMPILER "gcc " __VERSION__
#endif

/* Above a table: what was measured, and where. `driver`: NULL where there is none. */
static inline void bench_title_print(const char *name, const char *driver)
{
    struct utsname system;
    double load = 0;
    uname(&system);
    getloadavg(&load, 1);
    printf("%s: weft %s%s%s, %s, %s %s, %ld CPUs, load %.1f\n", name, WEFT_VERSION,
           driver ? ", driver " : "", driver ? driver : "", BENCH_COMPILER, system.sysname,
           system.release, sysconf(_SC_NPROCESSORS_ONLN), load);
}

/* Stay on one CPU; -1 is the last one. Where that cannot be, the figures are only noisier. */
static inline void bench_pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)(cpu < 0 ? (int)sysconf(_SC_NPROCESSORS_ONLN) + cpu : cpu), &set);
    sched_setaffinity(0, sizeof set, &set);
}

/* Number of pairs: the first argument, else the default. */
static inline int bench_pairs(int argc, char **argv)
{
    return bench_bounded(argc > 1 ? atoi(argv[1]) : BENCH_PAIRS);
}

#endif
