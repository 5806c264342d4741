#ifndef BENCH_FLOOR_ECHO_URING_H
#define BENCH_FLOOR_ECHO_URING_H

#include "server.h"

/* Says SERVER_NOT_HERE as its port where the kernel has no io_uring for us. */
void echo_uring(struct server_ends ends);

#endif
