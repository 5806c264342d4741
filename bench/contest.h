#ifndef BENCH_CONTEST_H
#define BENCH_CONTEST_H

/* Servers that are asked the same, one beside the other: what a request costs each of their
 * processes in CPU time, user and system. Each server has the last CPU to itself while it is
 * measured, the generator (weft-load's engine) another one, and checks every answer.
 *
 * Two rows: "NAME" at a rate, with the times of the requests fixed beforehand; and "NAME/full", as
 * fast as each one goes. Who does not reach the rate is said to be saturated. Under the rows stand
 * each one's memory, what the generator could do at most with these requests, and who came so near
 * to that that it, and not the server, set the pace. */

#include "load.h"
#include "server.h"

#define CONTESTANTS_MAX 7

struct contestant {
    const char *name; /* as a bench_side's */
    const char *what;
    void (*body)(struct server_ends ends);
};

struct contest {
    const char *name; /* of the rows */
    struct bench_ask ask;
    long requests;                        /* in a run */
    double rate;                          /* a second; 0: no such row */
    const struct contestant *contestants; /* weft first; NULL's name ends the list */
    bool tells_nothing;                   /* weft's server answers no questions */
    const struct bench_ask *before;       /* is asked first, each of it once; NULL: nothing is */
};

void contest_run(const struct contest *contest);

/* Serve until interrupted, for strace and perf; prints the process and its port. */
int contest_only_serve(void (*body)(struct server_ends ends));

#endif
