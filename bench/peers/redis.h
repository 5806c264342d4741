#ifndef BENCH_PEERS_REDIS_H
#define BENCH_PEERS_REDIS_H

/* redis-server as a peer: in memory alone, no snapshots and no log. A server's body. */

#include "server.h"

void redis_server(struct server_ends ends);

#endif
