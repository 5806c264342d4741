#ifndef BENCH_PEERS_UNPACKED_H
#define BENCH_PEERS_UNPACKED_H

/* Servers of the distribution: taken from build/peers/NAME, where tools/peers has unpacked them, or
 * from the system. They tell nobody that they listen, so their port is chosen for them and tried.
 */

#include "server.h"

/* The program, absolute or from here; NULL: it is not on this machine. `path` is below the root:
 * "usr/sbin/nginx". */
const char *unpacked_program(const char *name, const char *path);

/* A port that is free now. */
int unpacked_port(void);

/* In the child: the process becomes the program, by the words of its command, NULL at the end; a
 * child of it waits until it listens. */
void unpacked_become(struct server_ends ends, const char *name, int port,
                     const char *const words[]);

#endif
