#ifndef WF_REDIS_MULTI_H
#define WF_REDIS_MULTI_H

/* MULTI, EXEC, DISCARD, WATCH, UNWATCH: commands that gather, and are executed in one step. */

#include "redis/peer.h"

/* Keep the command for EXEC, and say so. */
void wf_redis_queue_add(struct wf_redis_peer *peer, struct wf_redis_entry *entry);

/* Forget what has gathered, and that it does. */
void wf_redis_queue_discard(struct wf_redis_peer *peer);

/* NULL: 0. */
size_t wf_redis_queue_bytes(const struct wf_redis_queue *queue);
size_t wf_redis_queue_count(const struct wf_redis_queue *queue);

int wf_redis_multi(weft_redis_request *request, void *app);
int wf_redis_exec(weft_redis_request *request, void *app);
int wf_redis_discard(weft_redis_request *request, void *app);
int wf_redis_watch_command(weft_redis_request *request, void *app);
int wf_redis_unwatch_command(weft_redis_request *request, void *app);

#endif
