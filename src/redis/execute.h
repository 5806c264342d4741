#ifndef WF_REDIS_EXECUTE_H
#define WF_REDIS_EXECUTE_H

/* From a command that has been read to its reply. */

#include "redis/peer.h"

/* Execute what request.args says, or queue it, or refuse it: one reply, unless the client waits
 * for a key now. */
void wf_redis_execute(struct wf_redis_peer *peer);

/* Call a command's handler, and note how it went: for one that may be called. */
void wf_redis_call(struct wf_redis_peer *peer, struct wf_redis_entry *entry);

#endif
