#ifndef WF_HTTP_BODY_H
#define WF_HTTP_BODY_H

/* Reading a message's body into an arena, for both directions. */

#include "codec/http1.h"

#include <weft/arena.h>
#include <weft/stream.h>

/* Read the body that follows `head` in the stream, with a NUL behind it, into `arena`.
 *
 * 0; WEFT_ELIMIT above `max` bytes (nothing is read when the head says so already), -ENOMEM,
 * WEFT_EEND when the peer closed before the end, and weft_fill()'s. */
int wf_http_body_read(weft_stream *stream, const struct wf_http1_head *head, size_t max,
                      weft_arena *arena, weft_slice *body);

#endif
