#ifndef WF_REDIS_CHANNEL_H
#define WF_REDIS_CHANNEL_H

/* Channels and patterns, and who subscribes to them. A channel is here as long as somebody does. */

#include "redis/peer.h"

struct wf_redis_channel {
    struct wf_redis_link link;    /* in the server's channels or names of patterns */
    struct wf_list among;         /* of a pattern: in the server's patterns */
    struct wf_list subscriptions; /* struct wf_redis_subscription, in the order of coming */
    uint32_t count;               /* of them */
    uint32_t users;               /* who walks over them, and whether there are any */
    bool is_pattern;
    uint32_t size;
    char name[];
};

struct wf_redis_subscription {
    struct wf_list of_channel, of_peer;
    struct wf_redis_channel *channel;
    struct wf_redis_peer *peer;
};

struct wf_redis_subscriber {
    struct wf_list channels, patterns; /* struct wf_redis_subscription */
    uint32_t channel_count, pattern_count;
};

/* Subscribe to nothing any more, without a word. */
void wf_redis_unsubscribe_all(struct wf_redis_peer *peer);

int wf_redis_subscribe(weft_redis_request *request, void *app);
int wf_redis_unsubscribe(weft_redis_request *request, void *app);
int wf_redis_psubscribe(weft_redis_request *request, void *app);
int wf_redis_punsubscribe(weft_redis_request *request, void *app);
int wf_redis_publish_command(weft_redis_request *request, void *app);
int wf_redis_pubsub(weft_redis_request *request, void *app);

#endif
