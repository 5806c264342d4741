#ifndef BENCH_PEERS_SERVERS_H
#define BENCH_PEERS_SERVERS_H

/* A server that is a program: it prints its port on a line, or its address, and then serves. */

#include "server.h"

/* In the child: become it. The first word is searched in PATH; NULL ends the words. */
void peer_become(struct server_ends ends, const char *const words[]);

/* The bodies; where one was not built it says SERVER_NOT_HERE. */
void peer_go_echo(struct server_ends ends);
void peer_go_http(struct server_ends ends);
void peer_asyncio_echo(struct server_ends ends);          /* straight-line code on its streams */
void peer_asyncio_buffered_echo(struct server_ends ends); /* its cheapest: callbacks */
void peer_uv_echo(struct server_ends ends);
void peer_weft_kv(struct server_ends ends); /* ours, as users run it */

#endif
