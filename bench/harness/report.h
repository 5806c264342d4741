#ifndef BENCH_HARNESS_REPORT_H
#define BENCH_HARNESS_REPORT_H

/* Rows for people, on standard output, and for programs: with --json FILE each row is a line of
 * JSON at the end of that file, which the charts are drawn from. */

#include "harness/target.h"

/* What was asked for on the command line. */
struct report_options {
    const char *wanted; /* rows whose name contains it */
    const char *json;   /* NULL: none */
    int rounds;         /* 0: as many as it takes */
    long size;          /* 0: the usual one */
};

/* A side of a row, as it came out. */
struct report_side {
    const char *name, *what;
    bool is_here;
    struct bench_median cost;
    struct bench_median
        times; /* as `target` counts: ours by theirs, or theirs by ours; ours: the cost */
    bool theirs_by_ours;
    struct target target;
    enum verdict verdict, final;
};

void report_begin(const char *bench, const char *driver, const struct report_options *options);
void report_row(const char *row, const char *unit, const struct report_side *sides, int count,
                int rounds);

/* Behind a row: what one of its sides holds. */
void report_memory(const char *row, const char *side, double bytes);

void report_end(void);

#endif
