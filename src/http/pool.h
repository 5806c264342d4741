#ifndef WF_HTTP_POOL_H
#define WF_HTTP_POOL_H

/* Connections that wait for their next request.
 *
 *     hosts ── host ── idle, idle, ...     newest first: the warmest is taken, the coldest dies
 *     ages ── every idle one, oldest first
 *
 * A host is here as long as it has an idle connection, so hosts are bounded too. One timer runs for
 * the oldest; taking a connection leaves it be. */

#include "base/list.h"

#include <weft/arena.h>
#include <weft/stream.h>

#define WF_HTTP_ADDRESS_MAX 255 /* a connection to a longer address is not kept */

struct wf_http_pool {
    weft_arena *arena;       /* entries come from here, and go back to the free lists */
    struct wf_list hosts;    /* struct host */
    struct wf_list ages;     /* struct idle */
    struct wf_list no_hosts; /* free ones */
    struct wf_list no_idle;
    uint32_t idle_count;
    uint32_t idle_max;
    uint32_t host_idle_max;
    int64_t idle_timeout;
    weft_handle expiry; /* id 0: no timer runs */
};

void wf_http_pool_init(struct wf_http_pool *pool, weft_arena *arena);

/* A connection to `address` that is alive as far as one can see, or NULL. */
weft_stream *wf_http_pool_take(struct wf_http_pool *pool, const char *address);

/* Keep a connection, or close it when the pool is full and cannot make room. Never suspends. */
void wf_http_pool_put(struct wf_http_pool *pool, const char *address, weft_stream *stream);

/* Close all. The pool may be used again. */
void wf_http_pool_clear(struct wf_http_pool *pool);

#endif
