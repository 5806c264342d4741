#ifndef WF_HTTP_CONNECTION_H
#define WF_HTTP_CONNECTION_H

/* One client's connection: a loop over its exchanges, in the connection's task. */

#include "http/exchange.h"

#include <weft/scope.h>

struct wf_http_connection {
    struct wf_list link; /* in the server's connections */
    struct wf_http_server *server;
    weft_stream *stream;
    bool is_idle;       /* waits for the first byte of a request, in `waiting` */
    bool is_old;        /* has served a request */
    weft_scope waiting; /* the deadline of what it waits for */
    struct wf_http_exchange exchange;
};

/* A weft_serve_fn; arg is the struct wf_http_server. */
int wf_http_connection_serve(weft_stream *stream, void *arg);

/* The server drains: an idle connection is to end. */
void wf_http_connection_drain(struct wf_http_connection *connection);

#endif
