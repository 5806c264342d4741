#ifndef WF_HTTP_SERVER_H
#define WF_HTTP_SERVER_H

/* What the connections of one server share. Lives in the frame of weft_http_serve(). */

#include "codec/http1.h"
#include "http/date.h"

#include <weft/http.h>

#define WF_HTTP_SPARE_MAX 64

struct wf_http_server {
    weft_http_serve_options options; /* with every default filled in */
    struct wf_http1_limits limits;
    bool draining; /* every response says "Connection: close" */
    struct wf_http_date date;
    weft_arena *spare[WF_HTTP_SPARE_MAX]; /* arenas between two exchanges */
    unsigned spare_count;
};

/* An empty arena: a spare one, the last given back first. NULL without memory. */
weft_arena *wf_http_server_take_arena(struct wf_http_server *server);

/* Empty an arena and keep it for the next exchange. NULL is fine. */
void wf_http_server_give_arena(struct wf_http_server *server, weft_arena *arena);

#endif
