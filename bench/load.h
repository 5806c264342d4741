#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

/* A closed loop of clients: each connection has one request under way, and sends the next one when
 * the answer is there. One thread, level-triggered epoll, the same for every server that is
 * measured; a request costs it about what it costs the server, so the server is neither idle for
 * long nor drowned. */

#include <stddef.h>

struct load; /* connections to one server */

/* Connect. Requests and answers have a fixed size; the answer's is learned from the first one,
 * which `is_whole` looks at (NULL: as many bytes as were sent). Exits with a sentence on failure.
 */
struct load *load_open(int port, int connections, const char *request, size_t size,
                       int (*is_whole)(const char *answer, size_t size));

/* Run until so many answers have come; none is under way when it returns. */
void load_run(struct load *load, long requests);

/* The first answer, whole: what all others have to be as long as. */
const char *load_answer(const struct load *load, size_t *size);

void load_close(struct load *load);

#endif
