#ifndef WF_REDIS_BLOCKED_H
#define WF_REDIS_BLOCKED_H

/* Clients that wait for keys: weft_redis_block(). */

#include "redis/peer.h"

struct wf_redis_key;

/* One of the keys. */
struct wf_redis_wait {
    struct wf_list of_key;
    struct wf_redis_key *key;
    struct wf_redis_blocked *blocked;
};

struct wf_redis_blocked {
    struct wf_redis_peer *peer;
    struct wf_redis_entry *entry; /* its command */
    weft_slice *args;             /* copied */
    size_t count;
    weft_redis_handler *timed_out;
    weft_handle timer;
    bool still; /* it was tried, and asked to wait on */
    uint32_t wait_count;
    struct wf_redis_wait waits[]; /* and behind them the arguments */
};

/* Call its handler again. */
void wf_redis_blocked_try(struct wf_redis_blocked *blocked);

/* Its waiting is over: by time, or, with `why`, with this error. */
void wf_redis_blocked_end(struct wf_redis_peer *peer, const char *why);

/* It waits no more, without a word. */
void wf_redis_unblock(struct wf_redis_peer *peer);

#endif
