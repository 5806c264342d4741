#ifndef WF_HTTP_SERVER_H
#define WF_HTTP_SERVER_H

/* What the connections of one server share. Lives in the frame of weft_http_serve(). */

#include "base/list.h"
#include "codec/http1.h"
#include "http/date.h"

#include <weft/http.h>
#include <weft/loop.h>

#define WF_HTTP_SPARE_MAX 64

struct wf_http_server {
    weft_http_serve_options options; /* with every default filled in */
    struct wf_http1_limits limits;
    struct wf_list receiving;  /* struct wf_http_exchange: their requests are not complete */
    uint32_t in_flight;        /* handlers that run, */
    uint32_t *route_in_flight; /* and for each route */
    weft_handle relieving;     /* id 0: connections may be closed for their memory */
    weft_arena *arena;         /* what lives as long as the server */
    bool draining;             /* every response says "Connection: close" */
    struct wf_http_date date;
    weft_arena *spare[WF_HTTP_SPARE_MAX]; /* arenas between two exchanges */
    unsigned spare_count;
};

/* Listen, with room for the longest head that the options allow. */
int wf_http_listen(weft_listener **listener, const char *address,
                   const struct weft_http_serve_options *options);

/* An empty arena: a spare one, the last given back first. NULL without memory. */
weft_arena *wf_http_server_take_arena(struct wf_http_server *server);

/* Empty an arena and keep it for the next exchange. NULL is fine. */
void wf_http_server_give_arena(struct wf_http_server *server, weft_arena *arena);

#endif
