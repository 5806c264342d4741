#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

/* What every measuring program needs: the clocks, a processor of its own, and rows.
 *
 * A row has a name, "echo/64B/8", and sides that do the same: ours first, then the least that could
 * do it by hand ("floor"), then peers ("go", "nginx", …). A side's function does one run, of 10 ms
 * or more, and returns its cost per operation in whatever unit: nanoseconds by the clock, CPU time
 * per request. Less is better.
 *
 *     int main(int argc, char **argv)
 *     {
 *         bench_begin("spawn", argc, argv);
 *         bench_row("spawn/join", "ns", (struct bench_side[]){ { "weft", NULL, run_weft, &row },
 *                   { "floor", "two switches", run_floor, &count }, { .name = NULL } });
 *         return bench_end();
 *     }
 *
 * The same program drifts by a third from one minute to the next, so a figure alone means little
 * and two figures from two runs mean nothing. Here all sides of a row run in turn, each round in a
 * random order and the next one in the reverse of it (a drift in one direction hits all alike). A
 * round gives one ratio to each other side; what is said is the median of the ratios, with the
 * interval that holds the true median in 95 of 100 cases. The interval comes from ranks (binomial),
 * so no shape of noise is assumed. A run in which the hypervisor took time away is made again.
 *
 * What is wanted of a row stands in bench/targets and nowhere else. A target is judged by its
 * interval: while that is too wide to tell, more rounds are run, up to BENCH_ROUNDS_MAX.
 *
 * Rows whose name does not contain the TEXT on the command line are left out: bench_wants() tells a
 * program that has something to prepare. */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BENCH_ROUNDS     15 /* at least, unless --rounds says otherwise */
#define BENCH_ROUNDS_MAX 60
#define BENCH_SIDES_MAX  8

struct bench_side {
    const char *name; /* "weft", "floor", "go", …: the word in bench/targets; NULL ends a list */
    const char *what; /* what it is, in a few words; NULL: the name says it */
    double (*run)(void *arg);
    void *arg;
};

/* A median and the 95 % interval around it. */
struct bench_median {
    double value, low, high;
};

/* What a row has cost: of each side, and ours divided by each other one's, by index. */
struct bench_result {
    struct bench_median cost[BENCH_SIDES_MAX];
    struct bench_median ratio[BENCH_SIDES_MAX]; /* [0] is of no use */
    int rounds;
};

/* Read the command line, print what is measured and where. Ends the program when it was only asked
 * for help, or cannot be understood. ./dev bench says in BENCH_COMMIT and BENCH_PEERS which sources
 * and which versions of the peers these are. */
void bench_begin(const char *name, int argc, char **argv);

/* Whether the row is asked for. */
bool bench_wants(const char *row);

/* The number given by --size, or the usual one: of tasks, connections, whatever a program has many
 * of. */
long bench_size(long usual);

/* Measure, print, judge. Sides up to one without a name; those without a function are said to be
 * not here. Does nothing, and returns zeros, where the row is not asked for. */
struct bench_result bench_row(const char *row, const char *unit, const struct bench_side *sides);

/* A value that was found in another way; less is better. */
void bench_value(const char *row, const char *unit, double value);

/* A remark under a row. */
void bench_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* In a run: it could not do what was asked of it, such as to keep a rate. Where most of a side's
 * runs say so, for some may meet a hiccup of the machine, the row says that it is saturated, and
 * does not judge it. */
void bench_saturated(void);

/* The memory that a side of the last row holds, in bytes. */
void bench_memory(const char *side, double bytes);

/* The program's exit status: 1 when no row has the name that was asked for. No figure is a
 * failure. */
int bench_end(void);

double bench_now_ns(void);

/* Of this process, user and system. */
double bench_cpu_ns(void);

/* Stay on one of the CPUs that this process may use: 0 is the first, -1 the last one. The heading
 * says which those are; where there is one, servers and clients share it. */
void bench_pin(int cpu);

/* Which one that is. */
int bench_cpu_of(int cpu);

/* Make the compiler believe that `value` is used. */
static inline void bench_keep(uint64_t value)
{
    __asm__ volatile("" ::"r"(value) : "memory");
}

#endif
