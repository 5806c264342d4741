#ifndef BENCH_CONTEST_H
#define BENCH_CONTEST_H

/* Servers that are asked the same, one beside the other: what a request costs each of their
 * processes in CPU time, user and system. Each server has the last CPU to itself while it is
 * measured, the clients another one.
 *
 * Two rows: "NAME" at a rate below what the slowest of them can do, with the clients' times fixed
 * beforehand; and "NAME/full", as fast as each one goes. */

#include "server.h"

#include <stddef.h>

#define CONTESTANTS_MAX 6

struct contestant {
    const char *name; /* as a bench_side's */
    const char *what;
    void (*body)(struct server_ends ends);
};

struct contest {
    const char *name; /* of the rows */
    const char *request;
    size_t request_size;
    int answers; /* to a request: more than 1 where it is several in one */
    int (*is_whole)(const char *answer, size_t size); /* NULL: the answer is the request */
    int connections;
    long requests;                        /* in a run */
    long rate;                            /* a second */
    const struct contestant *contestants; /* weft first; NULL's name ends the list */
};

void contest_run(const struct contest *contest);

/* Serve until interrupted, for strace and perf; prints the port. */
int contest_only_serve(void (*body)(struct server_ends ends));

#endif
