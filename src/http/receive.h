#ifndef WF_HTTP_RECEIVE_H
#define WF_HTTP_RECEIVE_H

/* A request's body: whole before its handler is called, or piece by piece in it. */

#include "http/exchange.h"

/* Start on the body behind the exchange's head; at most `max` bytes. */
void wf_http_receive_begin(struct wf_http_exchange *x, size_t max);

/* Before the handler: read the body, unless its route wants to do that. In time, or -ETIMEDOUT;
 * wf_http_body_read()'s errors. */
int wf_http_receive(struct wf_http_exchange *x);

/* Nobody reads on: what is there of the body is dropped, and where more is to come the connection
 * ends with this response. */
void wf_http_receive_leave(struct wf_http_exchange *x);

#endif
