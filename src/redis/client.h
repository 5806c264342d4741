#ifndef WF_REDIS_CLIENT_H
#define WF_REDIS_CLIENT_H

/* A client: its settings, its connections, and who may have one alone.
 *
 *     shared  ── connections that all calls go over, chosen by `route`
 *     lent    ── for one user at a time: at most lent_max, kept for the next one
 *     line    ── who waits for one of these, first come, first served
 *
 * Its memory is one arena; it goes when the client is closed, no call is under way any more, and
 * the tasks of its connections have ended. */

#include "base/random.h"
#include "redis/address.h"
#include "redis/connection.h"

struct wf_redis_settings {
    struct wf_redis_address address;
    const char *name;
    int64_t connect_timeout;
    int64_t backoff_least;
    int64_t backoff_most;
    uint32_t in_flight_max;
    uint32_t orphans_max;
    uint32_t reply_max;
    uint8_t protocol; /* 2, or 3 with a fall back to 2 where `may_fall_back` */
    bool may_fall_back;
    bool fails_offline;
};

/* Which shared connection an exchange goes over. Never NULL. */
typedef struct wf_redis_connection *wf_redis_route_fn(weft_redis *redis,
                                                      const struct wf_redis_exchange *exchange);

struct weft_redis {
    weft_arena *arena; /* all memory, this struct too */
    weft_loop *loop;   /* whose tasks may use it */
    struct wf_redis_settings settings;
    wf_redis_route_fn *route;
    struct wf_redis_connection *shared;
    uint32_t shared_count;
    struct wf_redis_connection **lent; /* all that were made */
    uint32_t lent_count;
    uint32_t lent_max;
    struct wf_list resting; /* lent connections that nobody has, the last one used first */
    struct wf_list line;    /* struct waiter */
    struct wf_random dice;
    uint32_t references; /* its owner's, its connections' tasks', its users' */
    bool closed;
    weft_redis_stats stats; /* what is counted; the rest is found when it is asked for */
};

static inline weft_redis *wf_redis_client_retain(weft_redis *redis)
{
    redis->references++;
    return redis;
}

void wf_redis_client_release(weft_redis *redis);

/* Whether the caller may use the client: 0; -EPERM outside a task; WEFT_ETHREAD in another loop. */
int wf_redis_client_enter(const weft_redis *redis);

/* Get a connection alone. Suspends in line. 0; -ESHUTDOWN when the client is closed, -ENOMEM,
 * -ECANCELED. */
int wf_redis_client_borrow(weft_redis *redis, struct wf_redis_connection **connection);

/* Give it back. Whatever it is in (a transaction, a subscription) its user has ended, or has broken
 * the connection. */
void wf_redis_client_give_back(weft_redis *redis, struct wf_redis_connection *connection);

#endif
