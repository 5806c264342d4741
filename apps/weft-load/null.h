#ifndef LOAD_NULL_H
#define LOAD_NULL_H

/* The least a server can do: it answers each blank line with the same bytes, or sends back what
 * came, and parses nothing. What a load generator reaches with it is the generator's ceiling. A
 * request's body goes unread, so it must not have a blank line of its own. */

#include <stddef.h>

/* Serve on "http://HOST:PORT" or "echo://HOST:PORT", port 0: any, with a body of so many bytes. The
 * address goes as a line to the descriptor `report`. Returns only with a failure: 1, after a
 * sentence on stderr. */
int null_serve(const char *url, size_t size, int report);

#endif
