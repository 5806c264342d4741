#ifndef LOAD_ENGINE_H
#define LOAD_ENGINE_H

/* Connections that ask and are answered: what the load generator, the storefront's load and the
 * bench have in common. One thread, epoll, the codec; nothing else of weft, because what measures
 * must not be made of what is measured.
 *
 *     engine_new       targets, connections; nothing is connected yet
 *     engine_gather    connect all, a few at a time
 *     engine_learn     ask each target once: from then on its answers have to be like the first
 *     load_run         (run.h) a closed or an open loop over them; again and again
 *     engine_free
 *
 * or, for who decides himself when to ask for what: engine_ask and engine_turn.
 *
 * A connection:
 *
 *     CLOSED --ask--> CONNECTING ----> OPEN --the server or an error--> CLOSED
 *        ^                 |             |
 *        '--- a while --- RESTING <------'  it failed before it carried one answer
 *
 * Each has `pipeline` places for requests under way. A request that finds no place waits in the
 * backlog of its endpoint, which has no limit, and its latency counts from when it was due.
 *
 * A request costs one send and one receive where nothing is pipelined, a reading of the clock, and
 * no allocation. Readiness is edge-triggered: a receive that was short is not tried again. */

#include "measures.h"
#include "target.h"

/* A request that has ended. */
struct ending {
    struct target *target;
    enum fault fault;
    int error;             /* errno of CONNECT and RESET, or 0 */
    int64_t due, sent, at; /* nanoseconds, CLOCK_MONOTONIC */
    int status;
    const char *body; /* whole, if the engine collects; else NULL */
    uint64_t size;
};

struct engine;

struct engine_options {
    struct target *targets; /* borrowed until engine_free() */
    int target_count;
    int connections;     /* 0: one */
    int pipeline;        /* requests under way on each; 0: one */
    int64_t timeout;     /* nanoseconds for an answer, and to connect; 0: for ever */
    int check_every;     /* compare the body of each n-th answer; 0: of each, negative: of none */
    bool close;          /* one exchange on each connection */
    bool collect;        /* `ended` gets whole bodies */
    bool retry;          /* a kept connection that ends before the answer begins: ask once more */
    bool tireless;       /* connect again at once, also where nothing has come of it */
    bool newest_first;   /* the connection that was busy last goes first, not the one before all */
    struct engine *with; /* the turns of that one are also this one's; NULL: it has its own */
    void (*ended)(void *context, const struct ending *ending); /* NULL: nobody looks */
    void *context;
};

/* NULL without memory or descriptors, and errno. */
struct engine *engine_new(const struct engine_options *options);
void engine_free(struct engine *engine);

/* The time, as all of this counts it. */
int64_t engine_now(void);

/* Begin to connect all that are not: at most 128 of them at a time, as a listener's queue is not
 * endless. */
void engine_gather(struct engine *engine);
bool engine_is_gathering(const struct engine *engine);
int engine_connection_count(const struct engine *engine);
int engine_open_count(const struct engine *engine);
int engine_connect_error(const struct engine *engine); /* errno of the newest failure */

/* Ask each target once, one after the other, and expect the same status, size and body of all that
 * follow, where nothing was said before. 0, or negative with a sentence. */
int engine_learn(struct engine *engine, bool bodies, char why[TARGET_TEXT_MAX]);

/* Ask. False if no place is free, and then the request waits in the backlog or, without `waits`, is
 * forgotten. */
bool engine_ask(struct engine *engine, struct target *target, int64_t due, bool waits);
bool engine_has_place(struct engine *engine, const struct target *target);
uint64_t engine_backlog(const struct engine *engine);
uint64_t engine_under_way(const struct engine *engine);
/* Forget the backlog; returns how many that were. */
uint64_t engine_drop_backlog(struct engine *engine);
/* End all that is under way, as timeouts. */
void engine_give_up(struct engine *engine);

/* Wait for events until this time, 0: not at all; and handle them. Returns how many there were. */
int engine_turn(struct engine *engine, int64_t until);

/* Call this after each event, however many come at once: who has requests that are due does not
 * wait for all of them. NULL: nobody. */
void engine_set_between(struct engine *engine, void (*between)(void *context, int64_t now),
                        void *context);

/* From now on the first so many connections are given requests, one for each address at least; at
 * the beginning all are. The others end what they have. */
void engine_use(struct engine *engine, int connections);

/* Closed loop: each connection asks again as soon as it has a place, `budget` times in all; 0 ends
 * it. Who is asked goes round. */
void engine_close_loop(struct engine *engine, uint64_t budget);
uint64_t engine_budget(const struct engine *engine);
/* The target whose turn it is. */
struct target *engine_next_target(struct engine *engine);

/* What was seen since the last clear. */
struct measures *engine_measures(struct engine *engine);
/* The first of these faults, for people; "" if there was none. */
const char *engine_example(const struct engine *engine, enum fault fault);

#endif
