#ifndef BENCH_HELLO_H
#define BENCH_HELLO_H

/* The smallest HTTP server on weft: GET /hello. */

#include "server.h"

/* A server's body: as many clients as there are descriptors, and none is left for being idle. */
void http_weft(struct server_ends ends);

#endif
