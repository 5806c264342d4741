#ifndef LOAD_NULL_H
#define LOAD_NULL_H

/* The least a server can do: it answers each blank line with the same bytes, or sends back what
 * came, and parses nothing. What a load generator reaches with it is the generator's ceiling. A
 * request's body goes unread, so it must not have a blank line of its own. */

#include "target.h"

struct null;

/* Listen at "http://HOST:PORT", "echo://HOST:PORT" or a Unix socket of either; port 0: any. HTTP's
 * answers have a body of so many bytes. NULL, with a sentence. */
struct null *null_open(const char *url, size_t size, char why[TARGET_TEXT_MAX]);

/* Where it listens: the URL, with the port that it got. */
const char *null_url(const struct null *null);

/* Serve for ever; returns only with a failure, -errno. */
int null_serve(struct null *null);

void null_close(struct null *null);

#endif
