#ifndef LOAD_NULL_H
#define LOAD_NULL_H

/* A server that does nothing: it shows what the generator and the kernel can do.
 *
 * For HTTP it counts the blank lines that end a head and answers each with the same bytes, one send
 * for all that came together; bodies are bytes without blank lines to it. For echo it sends back
 * what came. It never looks at anything else, so no server can be quicker by much. */

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

/* Serve a listening socket until *stop; 0, or -errno. */
int load_null_serve(int listener, bool echoes, volatile sig_atomic_t *stop);

/* Listen at host:port, [v6]:port; text NULL: 127.0.0.1 and a free port. The descriptor, or -1 with
 * a sentence; `name` becomes the address as a URL has it. */
int load_null_listen(const char *text, char *name, size_t name_size, char *why, size_t why_size);

#endif
