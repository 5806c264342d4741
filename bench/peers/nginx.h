#ifndef BENCH_PEERS_NGINX_H
#define BENCH_PEERS_NGINX_H

/* nginx as a peer: one process, one worker, answers from its configuration. It is taken from
 * build/peers/nginx, where tools/peers has unpacked it, or from the PATH. What it is posted it
 * throws away unread, so it has no part in that. */

#include "server.h"

/* A server's body. */
void http_nginx(struct server_ends ends);

#endif
