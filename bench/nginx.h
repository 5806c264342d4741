#ifndef BENCH_NGINX_H
#define BENCH_NGINX_H

/* nginx as a peer: one process, one worker, answers "hello, world" from its configuration. It is
 * taken from build/peers/nginx, where tools/peers has unpacked it, or from the PATH. */

#include "server.h"

#include <stdbool.h>

bool nginx_is_here(void);

/* A server's body. */
void http_nginx(struct server_ends ends);

#endif
