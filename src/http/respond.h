#ifndef WF_HTTP_RESPOND_H
#define WF_HTTP_RESPOND_H

/* What whole and streamed responses have in common. */

#include "http/exchange.h"

#define WF_HTTP_HEAD_SMALL 512 /* heads up to this size are written on the stack */

/* Write the response's head into `space`, or into the arena when it is larger. `length` as in
 * struct wf_http1_response_out. -EALREADY, -EINVAL, -ENOMEM. */
int wf_http_respond_head(struct wf_http_exchange *x, int status, const char *content_type,
                         int64_t length, char space[static WF_HTTP_HEAD_SMALL], weft_slice *head);

/* Whether this response's body is sent, and not only described. */
bool wf_http_respond_has_body(const struct wf_http_exchange *x, int status);

/* Send the head and what there is of the body. After a failure that has taken nothing the exchange
 * has no response yet. */
int wf_http_respond_write(struct wf_http_exchange *x, int status, weft_slice head, weft_slice body);

/* A write has failed, after bytes were taken or before. Returns err. */
int wf_http_respond_failed(struct wf_http_exchange *x, int err, bool taken);

#endif
