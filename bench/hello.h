#ifndef BENCH_HELLO_H
#define BENCH_HELLO_H

/* The HTTP server that is measured, and what all of them answer. */

#include "server.h"

#define HELLO_TEXT    "hello, world\n"
#define HELLO_PRODUCT "{\"id\":7,\"name\":\"a teapot\",\"price\":1999,\"stock\":3,\"rating\":4.5}"

/* A server's body, on weft: /hello, /json, and /post, which wants a body. */
void http_weft(struct server_ends ends);

#endif
