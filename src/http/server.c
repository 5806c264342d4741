/* The server: weft_serve() with a task for each connection that has asked, and what they share.
 *
 * An arena belongs to an exchange, not to a connection: a connection that waits holds none, and the
 * next request of any connection gets the one that was used last. So the heap is asked only when
 * more requests are in flight than ever before.
 *
 * Drain: weft_serve() says that it begins, before it cancels anything, and closes the connections
 * that are parked; the others say "Connection: close" with their response. Nobody is cancelled
 * until the drain time is over. */

#include "http/server.h"

#include "http/admission.h"
#include "http/connection.h"
#include "http/route.h"

#include <errno.h>
#include <string.h>

weft_arena *wf_http_server_take_arena(struct wf_http_server *server)
{
    weft_arena *arena;
    if (server->spare_count > 0)
        return server->spare[--server->spare_count];
    return weft_arena_new(&arena, server->options.memory_max) == 0 ? arena : NULL;
}

void wf_http_server_give_arena(struct wf_http_server *server, weft_arena *arena)
{
    if (!arena)
        return;
    if (server->spare_count == WF_HTTP_SPARE_MAX) {
        weft_arena_free(arena);
        return;
    }
    weft_arena_reset(arena);
    weft_arena_set_limit(arena, server->options.memory_max); /* the route's is no more in use */
    server->spare[server->spare_count++] = arena;
}

static void default_time(int64_t *value, int64_t fallback)
{
    if (*value == 0)
        *value = fallback;
}

static void default_size(size_t *value, size_t fallback)
{
    if (*value == 0)
        *value = fallback;
}

static void default_count(uint32_t *value, uint32_t fallback, uint32_t least)
{
    if (*value == 0)
        *value = fallback;
    if (*value < least)
        *value = least;
    if (*value > UINT32_C(1) << 24) /* offsets are 32 bits wide */
        *value = UINT32_C(1) << 24;
}

static void init(struct wf_http_server *server, const struct weft_http_serve_options *given)
{
    memset(server, 0, sizeof *server);
    weft_http_serve_options *options = &server->options;
    size_t size = given->size && given->size < sizeof *options ? given->size : sizeof *options;
    memcpy(options, given, size);
    default_time(&options->drain, 10 * WEFT_SECOND);
    default_time(&options->header_timeout, 10 * WEFT_SECOND);
    default_time(&options->body_timeout, 30 * WEFT_SECOND);
    default_time(&options->idle_timeout, 75 * WEFT_SECOND);
    default_time(&options->send_timeout, 60 * WEFT_SECOND);
    default_size(&options->body_max, (size_t)1 << 20);
    default_size(&options->memory_max, (size_t)16 << 20);
    default_size(&options->total_memory_max, (size_t)1 << 30);
    default_count(&options->line_max, 8 << 10, 16);
    default_count(&options->header_size_max, 64 << 10, 2);
    default_count(&options->header_count_max, 100, 1);
    server->limits = (struct wf_http1_limits){
        .line_max = options->line_max,
        .block_max = options->header_size_max,
        .header_max = options->header_count_max,
    };
}

static void drain(void *arg)
{
    struct wf_http_server *server = arg;
    server->draining = true;
}

static int prepare(struct wf_http_server *server)
{
    size_t routes = wf_http_routes_count(server->options.routes);
    wf_list_init(&server->receiving);
    int err = weft_arena_new(&server->arena, SIZE_MAX);
    if (err < 0)
        return err;
    server->route_in_flight = weft_arena_alloc(server->arena, routes * sizeof(uint32_t));
    if (!server->route_in_flight)
        return -ENOMEM;
    memset(server->route_in_flight, 0, routes * sizeof(uint32_t));
    return 0;
}

static void fini(struct wf_http_server *server)
{
    wf_http_admission_fini(server);
    while (server->spare_count > 0)
        weft_arena_free(server->spare[--server->spare_count]);
    weft_arena_free(server->arena);
}

static int serve(struct wf_http_server *server, weft_listener *listener)
{
    const weft_http_serve_options *options = &server->options;
    int err = prepare(server);
    if (err == 0)
        err = weft_serve_on(
            listener, wf_http_connection_serve, .arg = server, .max_clients = options->max_clients,
            .drain = options->drain, .draining = drain, .name = "http connection",
            .stack_size = options->stack_size, .first_timeout = options->header_timeout,
            .refused = wf_http_connection_refuse, .send_timeout = options->send_timeout,
            .hand_out = options->hand_out);
    fini(server);
    return err;
}

/* A head is read whole; 0 is the usual limit. */
static uint32_t input_max_for(uint32_t head_max)
{
    return head_max > WEFT_STREAM_INPUT_MAX ? head_max : 0;
}

int wf_http_listen(weft_listener **listener, const char *address,
                   const struct weft_http_serve_options *options)
{
    struct wf_http_server server;
    init(&server, options);
    uint32_t head_max = server.options.line_max + server.options.header_size_max;
    return weft_listen(listener, address, .input_max = input_max_for(head_max));
}

int weft_http_serve_on_with(weft_listener *listener, const struct weft_http_serve_options *options)
{
    struct wf_http_server server;
    init(&server, options);
    int err = wf_http_routes_check(server.options.routes);
    return err < 0 ? err : serve(&server, listener);
}

int weft_http_serve_with(const char *address, const struct weft_http_serve_options *options)
{
    struct wf_http_server server;
    weft_listener *listener;
    init(&server, options);
    int err = wf_http_routes_check(server.options.routes);
    if (err == 0)
        err = wf_http_listen(&listener, address, options);
    if (err < 0)
        return err;
    err = serve(&server, listener);
    weft_listener_close(listener);
    return err;
}
