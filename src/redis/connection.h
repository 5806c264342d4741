#ifndef WF_REDIS_CONNECTION_H
#define WF_REDIS_CONNECTION_H

/* One connection to a server: the line of what is in flight on it, and the queue before that.
 *
 *     callers ──submit──> queue ──pump──> stream ──> server ──> stream ──reader──> callers
 *                                 └── slots: one for each exchange, in order ──┘
 *
 *     DOWN ──submit──> PAUSING ──> CONNECTING ──greeted──> OPEN ──┬── nobody waits ──> DOWN
 *                         ↑            │                          │
 *                         └──failed────┘<──────lost, some wait────┘
 *
 * One task has the connection while it is not DOWN: it pauses, connects, greets and reads. It makes
 * one more for the time that it is OPEN, which writes what cannot be written at once. Callers write
 * what is short themselves, so that what many ask in a turn is one send of the stream.
 *
 * Replies carry no names: they come in the order of the commands. A slot without an exchange is an
 * orphan's, whose reply is read and dropped. What does not fit to the line (a reply that nobody
 * waits for, bytes that are no reply) ends the connection: nothing is ever matched by guessing. */

#include "base/list.h"
#include "redis/exchange.h"

#include <weft/scope.h>
#include <weft/stream.h>

enum wf_redis_connection_state {
    WF_REDIS_DOWN,
    WF_REDIS_PAUSING,
    WF_REDIS_CONNECTING,
    WF_REDIS_OPEN,
    WF_REDIS_BROKEN, /* it was OPEN, and its task has not seen yet that it is not */
};

struct wf_redis_slot {
    struct wf_redis_exchange *exchange; /* NULL: an orphan */
    uint32_t replies;                   /* that are still to come */
};

/* Who takes everything that comes on a connection, in place of exchanges: a subscription. */
struct wf_redis_sink {
    /* The connection stands and was greeted: write what is to be said. May suspend. */
    int (*open)(struct wf_redis_sink *sink, struct wf_redis_connection *connection);
    /* A value has come. May suspend. An error ends the connection. */
    int (*take)(struct wf_redis_sink *sink, const struct wf_resp_reply *reply);
    /* It is over: there will be no other connection. */
    void (*end)(struct wf_redis_sink *sink, int err, const char *why);
    bool is_patient; /* it waits for a server, although callers do not */
};

/* Invariants: what is QUEUED is in `queue`, and then the state is not DOWN; what is IN FLIGHT is in
 * exactly one slot; next - first <= in_flight_max; a slot is filled before its bytes can be
 * answered, and bytes that were handed over have a slot. */
struct wf_redis_connection {
    weft_redis *redis;
    struct wf_list link;  /* a lent one: among those that nobody has */
    bool is_lent;         /* it has one user at a time */
    uint8_t state;        /* enum wf_redis_connection_state */
    uint8_t version;      /* of the protocol, since it was greeted */
    bool is_writing;      /* the writer is inside a write */
    bool is_torn;         /* nothing can be written any more */
    bool is_unreachable;  /* the last attempt has failed */
    struct wf_list queue; /* exchanges, `queued` of them */
    uint32_t queued;
    struct wf_redis_slot *slots;
    uint32_t slot_room;         /* a power of two, or 0 */
    uint64_t first;             /* number of the oldest one in flight */
    uint64_t next;              /* number of the next one */
    uint32_t orphans;           /* in flight */
    int64_t silent_since;       /* a caller has given up then, and nothing came since; 0: it did */
    weft_stream *stream;        /* of its task; CONNECTING and OPEN */
    weft_task *task;            /* while it is not DOWN */
    weft_scope *scope;          /* what its task is in, while it connects or is OPEN */
    weft_event work;            /* for the writer */
    struct wf_redis_sink *sink; /* NULL: its values are replies */
    uint64_t epoch;             /* counts connections: 1 is the first */
    uint32_t failures;          /* attempts and losses in a row */
    int64_t not_before;         /* when the next attempt may be */
    int error;                  /* of the last attempt or loss */
    char why[200];              /* in words */
    const char *fault;          /* what was wrong with what came; NULL: nothing */
    struct wf_resp_reply reply; /* what comes, or has come if `is_read` */
    bool is_read;
    size_t used;        /* bytes of the input that are read and not consumed */
    weft_arena *nodes;  /* the reply's */
    weft_buffer output; /* what is written at once is put together here */
    weft_buffer batch;  /* likewise for the writer */
};

/* 0, -ENOMEM. */
int wf_redis_connection_init(struct wf_redis_connection *connection, weft_redis *redis,
                             bool is_lent);

/* Free what it has; it is DOWN. */
void wf_redis_connection_fini(struct wf_redis_connection *connection);

/* Begin an exchange and wait until it is DONE. 0 or its error; when it is cancelled first the
 * exchange is nobody's any more. */
int wf_redis_connection_perform(struct wf_redis_connection *connection,
                                struct wf_redis_exchange *exchange);

/* Send a word whose answer nobody needs; where that cannot be done at once the connection is given
 * up. Never suspends. */
void wf_redis_connection_tell(struct wf_redis_connection *connection, const char *word);

/* Have a sink from now on, for which the connection is made and made again. 0, or the error. */
int wf_redis_connection_attach(struct wf_redis_connection *connection, struct wf_redis_sink *sink);

/* Without the sink, and without the connection that it had. */
void wf_redis_connection_detach(struct wf_redis_connection *connection);

/* Give the connection up; what is in flight is lost. Never suspends. */
void wf_redis_connection_break(struct wf_redis_connection *connection, int err, const char *why);

/* Its client is closed. */
void wf_redis_connection_end(struct wf_redis_connection *connection);

/* Read until a value is complete: for the greeting, by its task. It stays in connection->reply
 * until the next read. */
int wf_redis_connection_read(struct wf_redis_connection *connection);

/* What is in flight and what waits for it: a caller more would stand behind all of them. */
size_t wf_redis_connection_load(const struct wf_redis_connection *connection);

#endif
