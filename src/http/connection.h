#ifndef WF_HTTP_CONNECTION_H
#define WF_HTTP_CONNECTION_H

/* One client's connection: a loop over the exchanges whose requests have come, in a task. */

#include "http/exchange.h"

#include <weft/scope.h>

struct wf_http_connection {
    struct wf_http_server *server;
    weft_stream *stream;
    weft_scope waiting; /* the deadline of what it waits for */
    struct wf_http_exchange exchange;
};

/* A weft_serve_fn; arg is the struct wf_http_server. */
int wf_http_connection_serve(weft_stream *stream, void *arg);

/* A weft_refused_fn. */
void wf_http_connection_refuse(weft_stream *stream, int why, void *arg);

#endif
