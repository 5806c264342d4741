#ifndef STOREFRONT_LOOPS_H
#define STOREFRONT_LOOPS_H

/* The shop on several loops (--threads): each has a gateway and services of its own. The stage,
 * with the page's switches and child processes, is loop 0's:
 *
 *     loop 0   starts as a shop of one loop does, then lets the others go
 *     loop i   waits for that, takes the addresses over, starts its services, serves
 *
 *     a switch or figures asked of loop i   ── http://stage/… ──> loop 0
 *     a service dies or comes back          ── http://loop-i/… ─> every loop i
 *
 * Both are requests over mem: addresses, which reach the loop that listens there. */

#include "stage.h"

struct loops {
    struct stage *stage;
    unsigned count;          /* 1: none of this happens */
    struct storefront *each; /* of loops 1 … count - 1, in order */
    struct door {
        weft_future *opened; /* NULL: not waited for yet */
        bool is_open;
    } * doors;             /* likewise; each its loop's own */
    unsigned joined;       /* loop 0's: how many of them can be told of a switch */
    weft_future *complete; /* loop 0's: all can */
};

/* 0, or -ENOMEM. Before the run. */
int loops_init(struct loops *loops, struct stage *stage, unsigned count);
void loops_fini(struct loops *loops);

/* On loop 0, which serves: let the others begin. */
int loops_go(struct loops *loops);

/* On another loop: wait for that, and make its shop and start its services. */
WEFT_SUSPENDS
int loops_join(struct loops *loops, struct storefront *shop);

/* On the same loop, when its gateway has ended. */
void loops_leave(struct storefront *shop);

/* On loop 0: let a service of every other loop live, or not. */
WEFT_SUSPENDS
int loops_set(const struct loops *loops, int part, bool lives);

extern const weft_http_route loops_routes[]; /* the gateway's of the other loops */

#endif
