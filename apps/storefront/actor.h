#ifndef STOREFRONT_ACTOR_H
#define STOREFRONT_ACTOR_H

/* A child process that plays a part in the demonstration, and the task that waits for its end: a
 * descriptor of the process becomes readable then, so no signal handler is needed. */

#include "child.h"
#include "storefront.h"

struct actor {
    const char *name; /* for messages */
    struct child child;
    char address[STOREFRONT_ADDRESS_MAX]; /* where it listens, if it does */
    _Atomic pid_t *process;               /* its place on the board; NULL: it has none */
    struct pulse *pulse;                  /* likewise */
    weft_task *keeper;
    bool is_stopped; /* by us */
};

/* Start it. `serves`: wait until it has said where it listens. 0, or a negative errno. */
WEFT_SUSPENDS
int actor_start(struct actor *actor, const struct board *board, const char *const *words,
                bool serves);

/* Kill it and wait. Nothing happens when there is none. */
WEFT_SUSPENDS
void actor_stop(struct actor *actor);

/* The same without a loop, after its end. */
void actor_fini(struct actor *actor);

static inline bool actor_lives(const struct actor *actor)
{
    return actor->child.process != 0;
}

#endif
