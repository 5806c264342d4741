#ifndef BENCH_TABLE_H
#define BENCH_TABLE_H

/* A table whose rows are operations of tasks in one loop: each beside the least that could do it by
 * hand, and some beside what comes nearest in Go and in CPython's asyncio (bench/peers/), where
 * those are on the machine. */

#include "bench.h"

#include <stddef.h>
#include <weft.h>

/* One way to use weft: `body` runs as a task, does `count` operations and notes their time. */
struct row {
    weft_fn *body;
    long count;
    int tasks; /* yielding: in all */
    double ns; /* out: for one operation */
};

/* What a body ends with: the operations have taken the time since `start`. */
int row_finish(struct row *row, double start);

/* A bench_side's run: a row's, in the table's loop. */
double row_run(void *row);

struct line {
    const char *name;
    weft_fn *body;
    const char *floor;
    double (*floor_run)(void *count);
    long count;            /* to begin with: a run gets as many as take it some 20 ms */
    const char *operation; /* of the peers; NULL: nothing compares */
};

/* On the last processor, with a loop and the peers; exits on failure. */
void table_begin(const char *name, int argc, char **argv);

void table_compare(const struct line *lines, size_t count);

/* The program's exit status. */
int table_end(void);

#endif
