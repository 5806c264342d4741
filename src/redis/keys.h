#ifndef WF_REDIS_KEYS_H
#define WF_REDIS_KEYS_H

/* Keys that somebody watches (WATCH) or waits for (weft_redis_block()). A key is here as long as
 * somebody does. */

#include "redis/peer.h"

struct wf_redis_key {
    struct wf_redis_link link; /* in the server's keys */
    struct wf_list watches;    /* struct wf_redis_watch */
    struct wf_list waits;      /* struct wf_redis_wait, in the order of coming */
    struct wf_list ready;      /* among the server's, or alone */
    uint32_t users;            /* the lists, and who walks over them */
    uint32_t size;
    char name[];
};

struct wf_redis_watch {
    struct wf_list of_key, of_peer;
    struct wf_redis_key *key;
    struct wf_redis_peer *peer;
};

/* The key, made if need be, with one user more. NULL without memory. */
struct wf_redis_key *wf_redis_key_take(weft_redis_server *server, weft_slice name);
void wf_redis_key_give(weft_redis_server *server, struct wf_redis_key *key);

/* Watch a key. -ENOMEM. */
int wf_redis_watch(struct wf_redis_peer *peer, weft_slice name);

/* Watch nothing any more. */
void wf_redis_unwatch(struct wf_redis_peer *peer);

/* Whether a key that it watches has changed; the application is asked about each, for some may have
 * expired without a word. */
bool wf_redis_watched_changed(struct wf_redis_peer *peer);

/* Try who waits for keys that were touched. */
void wf_redis_keys_serve(weft_redis_server *server);

#endif
