#ifndef BENCH_RIVAL_H
#define BENCH_RIVAL_H

/* The same operations in another language: a process that is asked for one run after another, so
 * that its runs and ours can take turns.
 *
 * It reads lines "operation count" and answers each with the nanoseconds of one operation, or "-"
 * for an operation that it does not have. */

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

struct rival {
    const char *name;
    FILE *questions; /* NULL: it is not on this machine */
    FILE *answers;
    pid_t process;
};

/* Start it, by the words of its command, NULL at the end; the first word is searched in PATH. */
void rival_start(struct rival *rival, const char *name, const char *const words[]);

/* End it. */
void rival_stop(struct rival *rival);

/* What a bench_side's run is given. */
struct rival_run {
    struct rival *rival;
    const char *operation;
    long count;
};

/* One run: nanoseconds of an operation; below 0: it has none of the name. */
double rival_ns(void *run);

#endif
