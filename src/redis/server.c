/* The server: weft_serve(), and what its clients share.
 *
 *     SERVING ──SHUTDOWN, weft_redis_stop(), a cancel──> STOPPING ──the last client──> over
 *
 * While STOPPING whoever waits is woken, and a client is closed once what it has sent whole is
 * answered.
 *
 * The cron looks at some clients ten times a second, at each of them once in a second or so: for
 * the silent ones, and those that have had too much to read for too long. It runs while there is a
 * reason to. */

#include "redis/server.h"

#include "base/random.h"
#include "redis/own.h"
#include "redis/peer.h"

#include <weft/error.h>
#include <weft/memory.h>

#include <errno.h>
#include <string.h>

#define CLIENTS_BEYOND 64 /* that are accepted above the limit, to be told so */
#define CRON_PERIOD    (100 * WEFT_MILLISECOND)
#define CRON_LEAST     20                /* clients that it looks at */
#define SIZE_LIMIT     ((size_t)1 << 30) /* offsets are 32 bits wide */
#define STRANGER_ARGS  10                /* of who has not authenticated */
#define STRANGER_BYTES ((size_t)16 << 10)

/* --- options --- */

static void default_size(size_t *value, size_t fallback, size_t most)
{
    if (*value == 0)
        *value = fallback;
    if (*value > most)
        *value = most;
}

static void default_time(int64_t *value, int64_t fallback)
{
    if (*value == 0)
        *value = fallback;
}

static void set_defaults(weft_redis_serve_options *options)
{
    if (!options->name)
        options->name = "weft";
    if (!options->version)
        options->version = "7.2.0";
    default_size(&options->max_clients, 10000, SIZE_MAX - CLIENTS_BEYOND);
    default_size(&options->query_max, SIZE_LIMIT, SIZE_LIMIT);
    default_size(&options->string_max, (size_t)512 << 20, SIZE_LIMIT);
    default_size(&options->argument_max, (size_t)1 << 20, (size_t)1 << 24);
    default_size(&options->transaction_max, SIZE_LIMIT, SIZE_MAX);
    default_size(&options->output_max, SIZE_LIMIT, SIZE_LIMIT);
    default_size(&options->push_max, (size_t)32 << 20, SIZE_LIMIT);
    default_size(&options->push_soft, (size_t)8 << 20, SIZE_LIMIT);
    default_size(&options->total_max, (size_t)4 << 30, SIZE_MAX);
    default_time(&options->drain, 10 * WEFT_SECOND);
    default_time(&options->send_timeout, 60 * WEFT_SECOND);
    default_time(&options->push_soft_time, 60 * WEFT_SECOND);
    default_time(&options->slow_threshold, 10 * WEFT_MILLISECOND);
    if (options->slow_max == 0)
        options->slow_max = 128;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void set_limits(weft_redis_server *server)
{
    const weft_redis_serve_options *options = &server->options;
    size_t line = (size_t)64 << 10;
    server->limits = (struct wf_resp_limits){
        .string_max = (uint32_t)options->string_max,
        .count_max = (uint32_t)options->argument_max,
        .inline_max = (uint32_t)smaller(line, options->query_max),
        .depth_max = WF_RESP_DEPTH_MAX,
    };
    server->strangers = server->limits;
    server->strangers.string_max = (uint32_t)smaller(STRANGER_BYTES, options->string_max);
    server->strangers.count_max = (uint32_t)smaller(STRANGER_ARGS, options->argument_max);
    server->strangers.inline_max = (uint32_t)smaller(STRANGER_BYTES, server->limits.inline_max);
}

/* --- silent clients --- */

static void look_at(weft_redis_server *server, struct wf_redis_peer *peer, int64_t now)
{
    const weft_redis_serve_options *options = &server->options;
    bool is_pushed_to = wf_redis_peer_is_pushed_to(peer);
    bool may_be_silent = is_pushed_to || peer->blocked || peer->busy;
    if (!may_be_silent && options->idle_timeout > 0 && options->idle_timeout != WEFT_FOREVER &&
        now - peer->active >= options->idle_timeout)
        wf_redis_peer_close(peer);
    else if (peer->over_since)
        wf_redis_peer_push(peer, "", 0); /* which looks at its limits */
}

static void look_around(void *arg);

static bool is_needed(const weft_redis_server *server)
{
    return server->options.idle_timeout > 0 || server->over_count > 0;
}

void wf_redis_server_apply(weft_redis_server *server)
{
    set_limits(server);
    if (!server->cron.id && is_needed(server))
        server->cron = weft_call_later(CRON_PERIOD, look_around, server, .no_locals = true);
}

/* The first ones, which are the last ones then. */
static void look_around(void *arg)
{
    weft_redis_server *server = arg;
    size_t count = server->peer_count / 10 + CRON_LEAST;
    int64_t now = weft_now();
    for (size_t i = 0; i < count && i < server->peer_count; i++) {
        struct wf_list *link = wf_list_pop_front(&server->peers);
        wf_list_push_back(&server->peers, link);
        look_at(server, wf_container(link, struct wf_redis_peer, link), now);
    }
    server->cron = (weft_handle){ 0 };
    wf_redis_server_apply(server);
}

/* --- life --- */

static void wake_all(weft_redis_server *server)
{
    WF_LIST_EACH(link, &server->peers)
        wf_redis_peer_wake(wf_container(link, struct wf_redis_peer, link));
}

static void drain(void *arg)
{
    weft_redis_server *server = arg;
    server->stopping = true;
    wake_all(server);
}

void weft_redis_stop(weft_redis_server *server)
{
    weft_scope_cancel(&server->scope, "the server was told to end");
}

static int init(weft_redis_server *server, const struct weft_redis_serve_options *given)
{
    memset(server, 0, sizeof *server);
    size_t size =
        given->size && given->size < sizeof server->options ? given->size : sizeof server->options;
    memcpy(&server->options, given, size);
    set_defaults(&server->options);
    set_limits(server);
    wf_list_init(&server->peers);
    wf_list_init(&server->spare);
    wf_list_init(&server->ready);
    wf_list_init(&server->patterns);
    wf_list_init(&server->monitors);
    wf_redis_table_init(&server->keys, wf_random_entropy());
    wf_redis_table_init(&server->channels, wf_random_entropy());
    wf_redis_table_init(&server->pattern_names, wf_random_entropy());
    weft_event_init(&server->unpaused);
    server->started = weft_now();
    return wf_redis_commands_init(&server->commands, server->options.commands,
                                  wf_redis_own_commands);
}

/* Streams may outlive the server: they still have something to send. */
static void fini(weft_redis_server *server)
{
    while (!wf_list_is_empty(&server->peers))
        wf_redis_peer_leave(wf_container(server->peers.next, struct wf_redis_peer, link));
    weft_handle_cancel(server->cron);
    weft_handle_cancel(server->serving);
    weft_handle_cancel(server->pause_end);
    struct wf_list *link;
    while ((link = wf_list_pop_front(&server->spare)))
        wf_redis_work_free(wf_container(link, struct wf_redis_work, link));
    wf_redis_commands_fini(&server->commands);
    wf_redis_table_fini(&server->keys);
    wf_redis_table_fini(&server->channels);
    wf_redis_table_fini(&server->pattern_names);
    wf_redis_slow_clear(&server->slow);
    wf_redis_latency_clear(&server->latency, NULL);
    weft_event_fini(&server->unpaused);
}

static int serve(weft_redis_server *server, weft_listener *listener)
{
    const weft_redis_serve_options *options = &server->options;
    server->listener = listener;
    wf_redis_server_apply(server);
    if (options->started)
        options->started(server, options->app);
    weft_scope_begin(&server->scope, .name = "redis server");
    int err = weft_serve_on(listener, wf_redis_peer_serve, .arg = server,
                            .max_clients = options->max_clients + CLIENTS_BEYOND,
                            .drain = options->drain < 0 ? 0 : options->drain, .draining = drain,
                            .name = "redis client", .stack_size = options->stack_size);
    return weft_scope_leave(&server->scope, err);
}

static int listen_on(weft_listener **listener, const char *address,
                     const weft_redis_serve_options *options)
{
    size_t high = options->output_max > options->push_max ? options->output_max : options->push_max;
    size_t least = WEFT_STREAM_INPUT_MAX;
    return weft_listen(listener, address,
                       .input_max =
                           (uint32_t)(options->query_max > least ? options->query_max : least),
                       .high_mark = (uint32_t)high);
}

int weft_redis_listen(weft_listener **listener, const char *address)
{
    weft_redis_serve_options options = { .commands = NULL };
    set_defaults(&options);
    return listen_on(listener, address, &options);
}

int weft_redis_serve_on_with(weft_listener *listener,
                             const struct weft_redis_serve_options *options)
{
    weft_redis_server server;
    int err = init(&server, options);
    if (err == 0)
        err = serve(&server, listener);
    fini(&server);
    return err;
}

int weft_redis_serve_with(const char *address, const struct weft_redis_serve_options *options)
{
    weft_redis_server server;
    weft_listener *listener;
    int err = init(&server, options);
    if (err == 0)
        err = listen_on(&listener, address, &server.options);
    if (err == 0) {
        err = serve(&server, listener);
        weft_listener_close(listener);
    }
    fini(&server);
    return err;
}
