#ifndef WF_HTTP_CLIENT_H
#define WF_HTTP_CLIENT_H

/* A client: its connections, and names that stand for addresses. */

#include "http/pool.h"

#include <weft/http.h>

struct weft_http_client {
    struct wf_http_pool pool;
    struct wf_http_table mappings; /* struct mapping */
    uint32_t mapping_count;
    uint32_t references; /* its owner's until it is closed, and one for each call under way */
    bool closed;         /* nothing is kept any more */
    weft_arena *arena;   /* all its memory, this struct too */
    weft_loop *loop;
    struct wf_list link;    /* among this thread's clients that belong to a loop */
    weft_stream *parked[2]; /* a loop's own: what its task waits on */
    bool passed_on;         /* likewise: to a new task, when that one was cancelled */
};

/* The client, or where it is NULL the loop's own, which is made if need be: retained, to be
 * released. -ENOMEM, -EPERM. */
int wf_http_client_retain(weft_http_client **client);
void wf_http_client_release(weft_http_client *client);

/* What `host` is mapped to, or NULL. */
const char *wf_http_client_find(weft_http_client *client, const char *host);

#endif
