#ifndef BENCH_HARNESS_TARGET_H
#define BENCH_HARNESS_TARGET_H

/* What is wanted of a row: a line of bench/targets, and whether a figure meets it. */

#include "bench.h"

struct target {
    double now, final; /* 0: none is set */
    bool at_least;     /* of how many times ours another one costs; else at most */
    bool is_ratio;     /* beside another side, and no cost */
};

enum verdict {
    VERDICT_NONE, /* nothing is wanted */
    VERDICT_HOLDS,
    VERDICT_MISSED,
    VERDICT_UNDECIDED, /* the interval is too wide to tell, or time was stolen */
    VERDICT_TOO_FEW,   /* rounds */
    VERDICT_SATURATED, /* the side could not do what was asked of it */
};

/* The first line whose pattern fits the row and whose second word is `beside`, "-" for our own
 * cost. */
struct target target_find(const char *row, const char *beside);

/* Whether the figure meets the limit, with the whole interval. A ratio to the floor may lie 0.03
 * beyond the limit, and be 0.06 wide; a cost, and how many times ours another one costs, 3 % and
 * 6 % of it. An interval that lies beyond all that has missed, and one that lies 6 % within holds,
 * however wide it is. */
enum verdict target_judge(const struct target *target, double limit, struct bench_median figure);

/* What a row has lacked. */
struct doubts {
    int rounds;
    int stolen;         /* runs that were kept although time was stolen in them */
    bool is_unfit;      /* the side could not do what was asked of it, … */
    bool is_ours_unfit; /* … or ours, which every ratio is of */
};

/* The verdict, or what takes its place. */
enum verdict target_doubt(enum verdict verdict, const struct doubts *doubts);

const char *verdict_text(enum verdict verdict);

#endif
