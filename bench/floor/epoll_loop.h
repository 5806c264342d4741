#ifndef BENCH_FLOOR_EPOLL_LOOP_H
#define BENCH_FLOOR_EPOLL_LOOP_H

#include "server.h"

/* What floors under servers share: a loop on level-triggered epoll that accepts, and calls
 * answer(fd) for each client that has sent something or has gone. Never comes back. */
void epoll_loop_serve(struct server_ends ends, void (*answer)(int fd));

#endif
