#ifndef WF_HTTP_POOL_H
#define WF_HTTP_POOL_H

/* A client's connections, idle and busy: how many there may be, and who gets the next one.
 *
 *     hosts ── host ──┬── idle: place, place, ...     newest first: the warmest is taken
 *                     └── line: waiter, waiter, ...   first come, first served
 *     ages ── every idle place, oldest first
 *
 * A place is the right to have one connection. A call enters, which gives it a place with an idle
 * connection or with none yet; it leaves the place with its connection, or without. A host is here
 * as long as it has a place or a line. One timer runs for the oldest idle connection; taking one
 * leaves it be. */

#include "base/list.h"
#include "http/table.h"

#include <weft/arena.h>
#include <weft/stream.h>

#define WF_HTTP_ADDRESS_MAX 271 /* as long as one that can be connected to may be */

struct wf_http_host;

/* Invariant: an idle place has a stream; whoever has entered may set it. */
struct wf_http_place {
    struct wf_list link; /* in its host's idle, or free */
    struct wf_list age;  /* idle: in the pool's ages */
    struct wf_http_host *host;
    weft_stream *stream; /* NULL: not connected */
    int64_t until;       /* idle: it is kept */
};

struct wf_http_pool {
    weft_arena *arena;          /* entries come from here, and go back to the free lists */
    struct wf_http_table hosts; /* by address */
    struct wf_list ages;        /* idle places */
    struct wf_list line;        /* struct waiter, of all hosts */
    struct wf_list hungry;      /* hosts that wait for room in the pool, by turns */
    struct wf_list no_hosts;    /* free ones */
    struct wf_list no_places;
    uint64_t tickets; /* that were given out: who waits has one */
    uint32_t host_count;
    uint32_t place_count;
    uint32_t idle_count;
    uint32_t place_max;
    uint32_t host_place_max;
    uint32_t idle_max;
    uint32_t host_idle_max;
    int64_t idle_timeout;
    weft_handle expiry; /* id 0: no timer runs */
};

void wf_http_pool_init(struct wf_http_pool *pool, weft_arena *arena);

/* Get a place for a connection to `address`, of at most WF_HTTP_ADDRESS_MAX bytes: with a stream
 * that is alive as far as one can see, or without one. Suspends only in line. -ESHUTDOWN when the
 * pool is cleared meanwhile, -ENOMEM, -ECANCELED, -EPERM where it would wait outside a task. */
int wf_http_pool_enter(struct wf_http_pool *pool, const char *address,
                       struct wf_http_place **place);

/* Give a place back. `keep`: its connection can serve again; else it is closed, if there is one.
 * Never suspends. */
void wf_http_pool_leave(struct wf_http_pool *pool, struct wf_http_place *place, bool keep);

/* Close all idle connections, and send all who wait away. The pool may be used again. */
void wf_http_pool_clear(struct wf_http_pool *pool);

#endif
