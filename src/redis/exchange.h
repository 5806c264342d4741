#ifndef WF_REDIS_EXCHANGE_H
#define WF_REDIS_EXCHANGE_H

/* An exchange: what one caller sends, and the replies that it waits for. It lives in the caller's
 * frame; a connection points at it from its queue or from the line of what is in flight, never
 * both, and never after the caller has left.
 *
 *     NEW ──submit──> QUEUED ──handed to the stream──> IN FLIGHT ──its last reply──> DONE
 *                       ↑ │                              │ │
 *                       │ └──the connection is given up──┼─┼──> DONE, with an error
 *                       └──it broke, and this is safe────┘ │
 *                                           the caller left└──> an orphan: its place stays in line
 */

#include "base/list.h"
#include "codec/resp.h"

#include <weft/event.h>
#include <weft/redis.h>

struct wf_redis_connection;

enum wf_redis_exchange_state {
    WF_REDIS_NEW,
    WF_REDIS_QUEUED,
    WF_REDIS_IN_FLIGHT,
    WF_REDIS_DONE,
};

struct wf_redis_exchange {
    struct wf_list link; /* in its connection's queue */
    struct wf_redis_connection *connection;
    const weft_slice *args; /* one command … */
    size_t count;
    weft_slice block;   /* … or, where count is 0, several, as they are on the wire */
    uint32_t replies;   /* that it waits for, at least 1; the last one is its answer */
    uint32_t tries;     /* how often it was handed over */
    uint64_t place;     /* IN FLIGHT: its number in the line */
    uint64_t epoch;     /* the connection that it has to go over; 0: any */
    uint64_t went_over; /* the one that it was handed to last */
    weft_arena *arena;  /* for the answer; NULL: there is to be none */
    const char *what;   /* for the detail: a word of at most 32 bytes */
    uint8_t state;      /* enum wf_redis_exchange_state */
    bool may_be_repeated;
    int result; /* DONE: 0, or the error */
    const weft_redis_value *value;
    const char *detail;
    const char *refusal; /* of a reply before the last one */
    weft_event bell;     /* it is DONE */
};

/* Bytes that it is on the wire, and the writing of them. */
size_t wf_redis_exchange_size(const struct wf_redis_exchange *exchange);
void wf_redis_exchange_write(const struct wf_redis_exchange *exchange, char *out);

/* One of its replies has come; `is_last`: its answer, and it is DONE. */
void wf_redis_exchange_take(struct wf_redis_exchange *exchange, const struct wf_resp_reply *reply,
                            bool is_last);

/* It is DONE by an error; `why` in words, NULL: the error's own. */
void wf_redis_exchange_fail(struct wf_redis_exchange *exchange, int err, const char *why);

#endif
