#ifndef LOAD_INSIDE_H
#define LOAD_INSIDE_H

/* What the engine's files share: engine.c opens and learns, connection.c moves bytes, run.c knows
 * what is due.
 *
 *            dial                 connected             hung up: lost, closed, churned
 *   CLOSED ─────────▶ CONNECTING ───────────▶ OPEN ───────────────────────────────────▶ CLOSED
 *      ▲ failed: again after a while │          │ ENDING: answered, awaits the server's close
 *      └─────────────────────────────┘
 *
 * A request that is due is either in a connection's ring (`requests`) or in its server's backlog.
 * Each connection is in at most one list: `dial`, of those to be opened; its server's `free`, of
 * those that could take a request now (OPEN with room; churning: CLOSED).
 *
 * Invariants while a run goes on:
 *     result->due == right + errors + under_way + waiting
 *     sent <= count <= pipeline, for each connection
 *     a backlog has entries only while the server's free list is empty
 */

#include "engine.h"
#include "schedule.h"

#include <stdint.h>

#define LOAD_IN_MAX  (64u << 10)
#define LOAD_OUT_MAX (64u << 10)

struct link {
    struct link *next, *previous; /* NULL: in no list */
};

struct request {
    int64_t due, sent;
    uint32_t target;
};

/* Requests that wait for a connection, oldest first: a ring that doubles. */
struct backlog {
    struct request *requests;
    uint64_t first, count, room; /* room: a power of two, or 0 */
};

/* One of several, each as often as its weight says, evenly mixed and always in the same order. */
struct picker {
    uint32_t *ids;
    double *upto; /* sums of weights, the last one 1; NULL: all have the same */
    uint32_t count;
    uint64_t turn;
};

struct server {
    const struct load_target *model; /* has its address and protocol */
    struct picker picker;
    struct link free;
    struct backlog backlog;
    double weight;
};

enum connection_state { CLOSED, CONNECTING, OPEN, ENDING };

struct connection {
    struct link link; /* first */
    struct server *server;
    int fd;
    uint32_t watched; /* the epoll events; 0: not in it */
    uint8_t state;
    bool is_reading; /* an answer has begun */
    bool has_answered;
    bool works;                  /* takes part, after the ramp-up */
    uint32_t first, count, sent; /* requests under way; the first `sent` of them are out */
    size_t offset;               /* bytes that are out of the next one */
    int64_t since;               /* CONNECTING, ENDING: when it began; CLOSED: not before that */
    struct request *requests;    /* a ring of `pipeline` */
    struct load_reader reader;
};

struct load_engine {
    struct load_setup setup;
    struct load_target *targets;
    struct server **server_of; /* each target's */
    struct server *servers;
    int target_count, server_count;
    struct picker picker;
    struct connection *connections;
    struct request *rings;
    struct link dial;
    int epoll;
    int connecting;
    int working; /* the first so many connections work */
    uint64_t answers, under_way;

    /* Of the run. */
    const struct load_plan *plan;
    struct load_result *result;
    bool is_open, is_issuing;
    uint64_t left;              /* closed loop: requests that may still be issued */
    int64_t begun, last, stops; /* `stops`: when issuing ends */
    struct load_schedule schedule;
    int64_t next_due; /* INT64_MAX: none */

    char in[LOAD_IN_MAX];
    char out[LOAD_OUT_MAX];
};

static inline void link_clear(struct link *list)
{
    list->next = list->previous = list;
}

static inline bool link_is_empty(const struct link *list)
{
    return list->next == list;
}

static inline void link_remove(struct link *link)
{
    if (link->next == NULL)
        return;
    link->previous->next = link->next;
    link->next->previous = link->previous;
    link->next = link->previous = NULL;
}

static inline void link_append(struct link *list, struct link *link)
{
    link_remove(link);
    link->previous = list->previous;
    link->next = list;
    list->previous->next = link;
    list->previous = link;
}

int64_t load_now(void);

uint32_t load_pick(struct picker *picker);

/* engine.c: a socket that begins to connect. Returns it, or -errno. */
int load_socket(const struct load_target *target);

/* Count an error of one request; `text` NULL: the kind says it all. */
void load_blame(struct load_engine *engine, enum load_error error, const struct load_target *target,
                const char *text);

/* backlog in run.c; false: out of memory, and the request is counted as unsent. */
void load_defer(struct load_engine *engine, const struct request *request);

/* The connection has room, or is closed: what is to be done with it? run.c */
void load_offer(struct load_engine *engine, struct connection *connection, int64_t now);

/* connection.c */
void load_assign(struct load_engine *engine, struct connection *connection, int64_t due,
                 int64_t now, uint32_t target);
void load_dial(struct load_engine *engine, struct connection *connection, int64_t now);
void load_flush(struct load_engine *engine, struct connection *connection);
void load_event(struct load_engine *engine, struct connection *connection, uint32_t events);
void load_expire(struct load_engine *engine, struct connection *connection, int64_t now);
void load_hang_up(struct load_engine *engine, struct connection *connection);
void load_watch(struct load_engine *engine, struct connection *connection, uint32_t events);

#endif
