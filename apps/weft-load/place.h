#ifndef LOAD_PLACE_H
#define LOAD_PLACE_H

/* The engine's inside: connections with their places, endpoints with their backlogs, and wheels
 * that say whose turn it is. Nothing here sends or receives. */

#include "engine.h"

#define EXAMPLE_MAX 320 /* bytes of a sentence about a fault */

enum state { CLOSED, CONNECTING, OPEN, RESTING };

/* A request that has a place. */
struct exchange {
    int64_t due, sent;
    struct target *target;
};

/* Invariants: sent <= count <= pipeline; sent is 0 unless it is OPEN; what is in `rest`, `kept` and
 * `reading` belongs to an OPEN one. */
struct connection {
    struct engine *engine;
    struct endpoint *endpoint;
    struct connection *next;       /* in the endpoint's list of those with a place */
    struct connection *next_offer; /* in the engine's list of those to be offered requests */
    int fd;
    uint8_t state;
    bool listed;
    bool works; /* it is given requests */
    bool is_offered;
    bool gathers;        /* it is one of those that engine_gather() waits for */
    bool used;           /* it has carried an answer */
    bool compares;       /* the body that is coming is looked at … */
    bool differs;        /* … and is another one */
    uint16_t generation; /* of its socket: events of the one before are none of this one's */
    unsigned failures;   /* in a row, without an answer between them */
    unsigned first;      /* where in the ring the oldest exchange is */
    unsigned count;      /* exchanges in the ring … */
    unsigned sent;       /* … and how many of them are on their way */
    struct exchange *ring;
    struct reading reading;
    struct bytes rest; /* what a send has left over, from rest_at on */
    size_t rest_at;
    struct bytes kept; /* the beginning of something that is not whole */
    struct bytes body; /* collected */
};

/* Where targets are: an address of some of them. */
struct endpoint {
    struct target **wheel; /* its targets, each as often as it weighs */
    unsigned wheel_size, wheel_at;
    unsigned weight;
    struct connection *head, **tail; /* with a free place, perhaps: look again */
    struct exchange *backlog;        /* a ring that grows */
    size_t backlog_first, backlog_count, backlog_room;
};

struct engine {
    struct engine_options options;
    int epoll;
    bool owns_epoll;
    struct connection *connections;
    struct exchange *exchanges;
    int64_t *alarms; /* for each connection: when somebody has to look; INT64_MAX: never */
    int64_t sweep_at;
    struct endpoint *endpoints;
    int endpoint_count;
    struct target **wheel; /* of all endpoints */
    unsigned wheel_size, wheel_at;
    int gather_next, gather_open; /* next to connect; and how many are at it */
    bool gathers;
    int connect_error;
    int open;
    struct connection *offers; /* connections whose turn it is, while somebody goes through them */
    bool is_offering;
    uint64_t under_way;
    uint64_t budget; /* closed loop: requests still to ask */
    int working;     /* the first so many connections are given requests */
    unsigned turn;   /* of check_every */
    bool learns;
    int learn_fault; /* of the first answer; -1: it has not come */
    void (*between)(void *context, int64_t now);
    void *between_context;
    struct engine *also; /* served by the same turns */
    struct measures measures;
    char examples[FAULTS][EXAMPLE_MAX];
};

/* Find the endpoints of the targets, and make their wheels. 0, or -ENOMEM. */
int place_make_endpoints(struct engine *engine);
struct endpoint *place_endpoint_of(const struct engine *engine, const struct target *target);
/* The target whose turn it is there. */
struct target *place_next_target(struct endpoint *endpoint);

static inline size_t place_index_of(const struct connection *connection)
{
    return (size_t)(connection - connection->engine->connections);
}

/* Whether it can be given a request. */
static inline bool place_is_free(const struct connection *connection)
{
    return connection->count < (unsigned)connection->engine->options.pipeline &&
           connection->works && connection->state != RESTING && connection->rest.size == 0;
}

/* Note that it can, behind those that can too, or before them. */
void place_list(struct connection *connection);
void place_list_first(struct connection *connection);
/* One that can; NULL: there is none. */
struct connection *place_take(struct endpoint *endpoint);

/* The exchange that is the n-th oldest of a connection. */
static inline struct exchange *place_exchange(const struct connection *connection, unsigned offset)
{
    unsigned at = connection->first + offset, size = (unsigned)connection->engine->options.pipeline;
    return &connection->ring[at < size ? at : at - size];
}

/* Give it a request. */
static inline void place_assign(struct connection *connection, struct target *target, int64_t due)
{
    struct exchange *exchange = place_exchange(connection, connection->count++);
    *exchange = (struct exchange){ .due = due, .target = target };
    connection->engine->under_way++;
}

/* The oldest has ended. */
static inline void place_pop(struct connection *connection)
{
    unsigned size = (unsigned)connection->engine->options.pipeline;
    connection->first = connection->first + 1 < size ? connection->first + 1 : 0;
    connection->count--;
    if (connection->sent > 0)
        connection->sent--;
    connection->engine->under_way--;
}

/* A request that has to wait; false without memory. And the one that has waited longest. */
bool place_push_backlog(struct endpoint *endpoint, struct target *target, int64_t due);
struct exchange place_pop_backlog(struct endpoint *endpoint);

#endif
