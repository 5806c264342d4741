#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

/* A server in a child process on a CPU of its own, and what it has used.
 *
 *      bench ──question──> child        a byte, only to servers on weft
 *            <───report───              port; then a struct server_report for each byte
 *
 * CPU time is the child's own clock, user and system, asked for by the parent: it costs the server
 * nothing, and is exact to the scheduler's accounting. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What a server on weft knows about itself. */
struct server_report {
    uint64_t calls;        /* system calls, by the driver's own count */
    uint64_t allocations;  /* by the library's */
    uint64_t lent, pinned; /* bytes, weft_loop_stats */
};

/* The child's ends of the pipes. */
struct server_ends {
    int questions;
    int reports;
};

struct server {
    const char *name;
    pid_t process;
    clockid_t clock;
    int port;
    int questions; /* to the child */
    int reports;   /* from the child */
};

/* Fork; the child runs body(ends) and never comes back. It has no descriptor but the ends and the
 * standard ones. Waits for its port. */
void server_start(struct server *server, const char *name, void (*body)(struct server_ends ends));

#define SERVER_NOT_HERE (-1) /* for a port: it cannot be had on this machine */

/* In the child: it listens. */
void server_ready(struct server_ends ends, int port);

/* Nanoseconds of CPU time since its start. */
double server_cpu_ns(const struct server *server);

/* Bytes of its memory that are there. */
double server_resident(const struct server *server);

/* Ask a server on weft; its answer costs it three system calls, which it does not count. */
struct server_report server_ask(const struct server *server);

void server_stop(struct server *server);

/* The body of a server on weft: serve(listener) is run as a task beside the one that answers
 * questions. */
void server_on_weft(struct server_ends ends, int (*serve)(void *listener));

/* Whether so many descriptors can be open, here and in the servers that are started from now on. */
bool server_allow(unsigned long descriptors);

/* A socket that is connected to a port of 127.0.0.1, and waits for nobody (TCP_NODELAY). */
int server_dial(int port);

/* A socket on a free port of 127.0.0.1 that listens, for servers by hand. */
int server_listen(int *port);

#endif
