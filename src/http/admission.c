/* Handlers are counted, for the server and for their route. Memory is what weft_memory_held() says:
 * above the limit, whoever begins or grows looks for the connection that holds most while it waits
 * for its client: one that receives a request, or is parked and does not read its last response.
 * That one is closed, and so on until an eighth is free. Handlers are never cut off: where nobody
 * else holds anything, new requests are answered 503.
 *
 * What is taken from a connection comes back when its task has run; so the next look is a turn
 * later. */

#include "http/admission.h"

#include <weft/loop.h>
#include <weft/memory.h>

void wf_http_admission_begin(struct wf_http_exchange *x)
{
    wf_list_push_back(&x->server->receiving, &x->receiving);
}

void wf_http_admission_end(struct wf_http_exchange *x)
{
    wf_list_remove_init(&x->receiving);
}

/* --- memory --- */

static size_t bytes_of(const struct wf_http_exchange *x)
{
    size_t arena = x->http.arena ? weft_arena_reserved(x->http.arena) : 0;
    return arena + weft_buffer_readable(weft_stream_input(x->stream)) +
           weft_stream_queued(x->stream);
}

/* Among those that wait for their client; `self` is the one that asks. */
static struct wf_http_exchange *largest(struct wf_http_server *server,
                                        const struct wf_http_exchange *self, size_t *size)
{
    struct wf_http_exchange *found = NULL;
    *size = 0;
    WF_LIST_EACH(link, &server->receiving) {
        struct wf_http_exchange *x = wf_container(link, struct wf_http_exchange, receiving);
        if (x == self || !x->waiting || x->evicted || bytes_of(x) <= *size)
            continue;
        found = x;
        *size = bytes_of(x);
    }
    return found;
}

/* How much comes back; 0: nothing can. */
static size_t evict(struct wf_http_exchange *self)
{
    size_t size;
    struct wf_http_exchange *x = largest(self->server, self, &size);
    size_t parked = weft_park_evict(self->stream, size + 1);
    if (parked > 0 || !x)
        return parked;
    x->evicted = true;
    weft_scope_cancel(x->waiting, "the server is short of memory");
    return size;
}

static void look_again(void *arg)
{
    struct wf_http_server *server = arg;
    server->relieving = (weft_handle){ 0 };
}

bool wf_http_admission_relieve(struct wf_http_exchange *x)
{
    struct wf_http_server *server = x->server;
    size_t max = server->options.total_memory_max, held = weft_memory_held();
    if (held <= max || server->relieving.id)
        return true;
    while (held > max - max / 8) {
        size_t gain = evict(x);
        if (gain == 0)
            break;
        held -= gain < held ? gain : held;
        if (!server->relieving.id)
            server->relieving = weft_call_soon(look_again, server, .no_locals = true);
    }
    return held <= max;
}

/* --- handlers --- */

static uint32_t *count_of_route(struct wf_http_exchange *x)
{
    return &x->server->route_in_flight[x->route - x->server->options.routes];
}

static bool has_place(struct wf_http_exchange *x)
{
    const weft_http_route_options *route = x->route->options;
    uint32_t max = x->server->options.in_flight_max, route_max = route ? route->in_flight_max : 0;
    return (max == 0 || x->server->in_flight < max) &&
           (route_max == 0 || *count_of_route(x) < route_max);
}

bool wf_http_admission_has_room(struct wf_http_exchange *x)
{
    return has_place(x) && wf_http_admission_relieve(x);
}

bool wf_http_admission_enter(struct wf_http_exchange *x)
{
    if (!has_place(x))
        return false;
    x->server->in_flight++;
    ++*count_of_route(x);
    return true;
}

void wf_http_admission_leave(struct wf_http_exchange *x)
{
    x->server->in_flight--;
    --*count_of_route(x);
}

void wf_http_admission_fini(struct wf_http_server *server)
{
    weft_handle_cancel(server->relieving);
}
