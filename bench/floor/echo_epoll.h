#ifndef BENCH_FLOOR_ECHO_EPOLL_H
#define BENCH_FLOOR_ECHO_EPOLL_H

#include "server.h"

/* The floor under an echo server: level-triggered epoll, one receive and one send per event. */
void echo_epoll(struct server_ends ends);

#endif
