#ifndef WF_REDIS_VALUE_H
#define WF_REDIS_VALUE_H

/* Replies as trees of values, for their callers to keep. */

#include "codec/resp.h"

#include <weft/redis.h>

/* Copy a complete reply, texts and all, to `arena`. 0, and the value in *value; -ENOMEM. */
int wf_redis_value_build(weft_arena *arena, const struct wf_resp_reply *reply,
                         const weft_redis_value **value);

/* Whether the reply is an error. */
bool wf_redis_value_is_error(const struct wf_resp_reply *reply);

#endif
