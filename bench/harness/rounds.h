#ifndef BENCH_HARNESS_ROUNDS_H
#define BENCH_HARNESS_ROUNDS_H

/* Rounds of all sides of a row, until the medians can be told. */

#include "bench.h"

struct rounds;

/* One run of each side that is not counted, then nothing yet. The sides stay the caller's. What is
 * measured may be no time, and then nothing of it can be stolen. */
struct rounds *rounds_begin(const struct bench_side *sides, int count, bool is_time);

/* `more` rounds; runs in which time was stolen are repeated, three times at most. */
void rounds_run(struct rounds *rounds, int more);

struct bench_result rounds_result(const struct rounds *rounds);

int rounds_done(const struct rounds *rounds);

/* Runs that were thrown away, and those that were kept although time was stolen in them. */
int rounds_repeated(const struct rounds *rounds);
int rounds_stolen(const struct rounds *rounds);

/* Whether the side could not do what was asked of it, in most of its runs. */
bool rounds_saturated(const struct rounds *rounds, int side);

/* Hundredths of a second in which this machine was not there. Tests have one of their own. */
extern unsigned long long (*rounds_theft)(void);

void rounds_end(struct rounds *rounds);

#endif
