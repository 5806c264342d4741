#ifndef WF_REDIS_OWN_H
#define WF_REDIS_OWN_H

/* The commands that every server has. */

#include "redis/peer.h"

/* Ends with a line of zeros. */
extern const weft_redis_command wf_redis_own_commands[];

/* A word behind a command's name that it does not know, or with other arguments. */
int wf_redis_reply_unknown_subcommand(weft_redis_request *request);

/* One line of text for people, of each of `lines`, which end with NULL: what HELP answers. */
int wf_redis_reply_help(weft_redis_request *request, const char *const *lines);

/* An argument as a whole number between `least` and `most`; false: it is none, and that was
 * replied. */
bool wf_redis_read_integer(weft_redis_request *request, size_t index, int64_t least, int64_t most,
                           int64_t *value);

/* Set what the client calls itself. Negative: it may not, and was told so. */
int wf_redis_set_name(weft_redis_request *request, weft_slice text);

/* How clients are called that are in the same state: "normal", "pubsub". */
const char *wf_redis_class_of(const struct wf_redis_peer *peer);

int wf_redis_client(weft_redis_request *request, void *app);
int wf_redis_command_command(weft_redis_request *request, void *app);
int wf_redis_config(weft_redis_request *request, void *app);
int wf_redis_info(weft_redis_request *request, void *app);
int wf_redis_latency_command(weft_redis_request *request, void *app);
int wf_redis_slowlog(weft_redis_request *request, void *app);

#endif
