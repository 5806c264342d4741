#ifndef BENCH_SIDE_H
#define BENCH_SIDE_H

/* One of two echo servers that are compared: the server's process, and clients that are connected
 * to it all the time. */

#include "load.h"
#include "server.h"

#include <weft.h>

struct side {
    struct server server;
    struct load *load;
    long requests; /* in a run */
};

/* Start it, connect, and warm up with one run. `size` of a request: at most 4,096 bytes. */
void side_open(struct side *side, const char *name, void (*body)(struct server_ends ends),
               int connections, size_t size, long requests);

/* A bench_side's run: microseconds of the server's CPU per request. */
double side_cpu_us(void *side);

void side_close(struct side *side);

/* The handler on weft. */
int side_echo(weft_stream *client, void *arg);

#endif
