#ifndef WF_REDIS_MONITOR_H
#define WF_REDIS_MONITOR_H

/* MONITOR: a client that is shown every command. */

#include "redis/peer.h"

/* Show all monitors what this client is about to execute. */
void wf_redis_monitor_show(struct wf_redis_peer *peer, const weft_redis_command *command);

int wf_redis_monitor(weft_redis_request *request, void *app);

#endif
