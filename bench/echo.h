#ifndef BENCH_ECHO_H
#define BENCH_ECHO_H

/* The echo server that is measured. */

#include "contest.h"

#include <weft.h>

int echo_handler(weft_stream *client, void *arg);

/* A server's body. */
void echo_weft(struct server_ends ends);

/* The same on a driver by name, where that can be had; `large`: for messages of up to 16 KiB. */
void echo_weft_by(const char *driver, bool large, struct server_ends ends);

/* The rows "NAME/connections": messages of so many bytes, at most 16 KiB. */
void echo_contest(const char *name, const struct contestant *contestants, size_t size,
                  int connections);

#endif
