#ifndef BENCH_FLOOR_RESP_EPOLL_H
#define BENCH_FLOOR_RESP_EPOLL_H

#include "server.h"

/* The floor under a server of Redis's commands: an epoll loop that reads the lengths of each
 * command, looks at nothing that they announce, and answers "+OK", or to a client whose commands
 * begin with a G the same string of 64 bytes. */
void resp_epoll(struct server_ends ends);

#endif
