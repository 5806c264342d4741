#ifndef BENCH_FLOOR_HTTP_EPOLL_H
#define BENCH_FLOOR_HTTP_EPOLL_H

#include "server.h"

/* The floor under an HTTP server: an epoll loop that counts the ends of requests in what it
 * receives, parses nothing, and answers each with the same bytes. */
void http_epoll(struct server_ends ends);

#endif
