#ifndef BENCH_PEERS_PEER_H
#define BENCH_PEERS_PEER_H

/* The same operations in another language: a process that is asked for one run after another, so
 * that its runs and ours can take turns.
 *
 * It reads lines "operation count" and answers each with the nanoseconds of one operation, or "-"
 * for an operation that it does not have. */

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

struct peer {
    const char *name;
    FILE *questions; /* NULL: it is not on this machine */
    FILE *answers;
    pid_t process;
};

/* Start it, by the words of its command, NULL at the end; the first word is searched in PATH. */
void peer_start(struct peer *peer, const char *name, const char *const words[]);

/* End it. */
void peer_stop(struct peer *peer);

/* What a bench_side's run is given. */
struct peer_run {
    struct peer *peer;
    const char *operation;
    long count;
};

/* Whether the peer is here and answers. Who does not answer its first question (a python3 without
 * asyncio, say) is not here, from then on. */
bool peer_is_here(struct peer *peer);

/* Whether it has the operation, by a run of it. */
bool peer_has(const struct peer_run *run);

/* One run: nanoseconds of an operation. Ends the program when the peer has ended, or does not have
 * the operation. */
double peer_ns(void *run);

#endif
