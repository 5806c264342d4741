#ifndef BENCH_HARNESS_ROUNDS_H
#define BENCH_HARNESS_ROUNDS_H

/* Rounds of all sides of a row, until the medians can be told. */

#include "bench.h"

struct rounds;

/* One run of each side that is not counted, then nothing yet. The sides stay the caller's. */
struct rounds *rounds_begin(const struct bench_side *sides, int count);

/* `more` rounds; those in which time was stolen are repeated, three times at most. */
void rounds_run(struct rounds *rounds, int more);

struct bench_result rounds_result(const struct rounds *rounds);

/* Rounds that were thrown away. */
int rounds_repeated(const struct rounds *rounds);

void rounds_end(struct rounds *rounds);

#endif
