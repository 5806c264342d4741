/* A server in the background, whose owner keeps a handle: started, asked for its URL, stopped. And
 * one request to a table of routes, for tests: a server in memory that lives as long as the call.
 *
 * The handle and the server's task each hold the memory, an arena; the last one to go frees it. */

#include "http/server.h"
#include "http/url.h"

#include <weft/error.h>
#include <weft/loop.h>
#include <weft/scope.h>
#include <weft/task.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ADDRESS_MAX 160

struct weft_http_server {
    weft_arena *arena;
    weft_listener *listener;
    weft_task *task;
    weft_http_serve_options options;
    unsigned references;
    char url[ADDRESS_MAX];
};

static void unref(weft_http_server *server)
{
    if (--server->references == 0)
        weft_arena_free(server->arena);
}

static int serve(void *arg)
{
    weft_http_server *server = arg;
    return weft_http_serve_on_with(server->listener, &server->options);
}

/* Whatever ends it, its listener ends with it: nobody is left in the backlog. */
static void end_serving(void *arg)
{
    weft_http_server *server = arg;
    if (server->listener)
        weft_listener_stop(server->listener);
    unref(server);
}

static int make(weft_http_server **made, const struct weft_http_serve_options *given)
{
    weft_arena *arena;
    int err = weft_arena_new(&arena, SIZE_MAX);
    if (err < 0)
        return err;
    weft_http_server *server = weft_arena_alloc(arena, sizeof *server);
    if (!server) {
        weft_arena_free(arena);
        return -ENOMEM;
    }
    *server = (weft_http_server){ .arena = arena, .references = 1 };
    size_t size = given->size && given->size < sizeof *given ? given->size : sizeof *given;
    memcpy(&server->options, given, size);
    *made = server;
    return 0;
}

static int start(weft_http_server *server, const char *address)
{
    int err = wf_http_listen(&server->listener, address, &server->options);
    if (err < 0)
        return err;
    snprintf(server->url, sizeof server->url, "http://%s", weft_listener_address(server->listener));
    err = weft_spawn(weft_background(), serve, server, .task = &server->task, .drop = end_serving,
                     .name = "http server");
    if (err < 0)
        weft_listener_close(server->listener);
    else
        server->references++;
    return err;
}

int weft_http_start_with(weft_http_server **server, const char *address,
                         const struct weft_http_serve_options *options)
{
    weft_http_server *made;
    int err = make(&made, options);
    if (err < 0)
        return err;
    err = start(made, address);
    if (err < 0)
        unref(made);
    else
        *server = made;
    return err;
}

const char *weft_http_url(const weft_http_server *server)
{
    return server->url;
}

/* Also in a cancelled scope: who stops it wants it gone. */
static int await_end(weft_http_server *server)
{
    weft_scope scope;
    weft_scope_begin(&scope, .shield = true, .timeout = WEFT_FOREVER, .name = "stop");
    int err = weft_await(server->task);
    weft_scope_end(&scope);
    return err == -ECANCELED ? 0 : err;
}

int weft_http_stop(weft_http_server *server)
{
    if (!server)
        return 0;
    weft_listener *listener = server->listener;
    weft_task_cancel(server->task, "the server was stopped");
    int err = await_end(server);
    if (err == -EDEADLK && !weft_task_is_done(server->task))
        return err;
    server->listener = NULL; /* the task may end later, where the loop ends before it */
    weft_task_release(server->task);
    weft_listener_close(listener);
    unref(server);
    return err;
}

/* --- one request --- */

struct attempt {
    weft_http_call *call;
    const struct weft_http_serve_options *options;
};

/* "/path" is as good as a whole URL: nobody is looked up. */
static const char *url_of(const weft_http_call *call)
{
    if (!call->url || call->url[0] != '/')
        return call->url;
    return weft_arena_format(call->arena, "http://test%s", call->url);
}

/* Whatever host the URL names, it is the server's. */
static int map_host(const weft_http_call *call, const char *address)
{
    struct wf_http_url url;
    const char *why;
    if (wf_http_url_parse(&url, call->url, call->arena, &why) < 0)
        return 0; /* the fetch will say what is wrong with it */
    return weft_http_client_map(call->client, url.host, address);
}

static int fetch_from(weft_http_call *call, const char *address)
{
    const char *url = call->url;
    weft_http_client *own = call->client, *client;
    int err = weft_http_client_new(&client);
    if (err < 0)
        return err;
    call->url = url_of(call);
    call->client = client;
    err = map_host(call, address);
    if (err >= 0)
        err = weft_http_fetch(call);
    call->url = url;
    call->client = own;
    weft_http_client_free(client);
    return err;
}

static int try_in_task(struct attempt *attempt)
{
    static _Thread_local uint64_t count;
    char address[64];
    weft_http_server *server;
    snprintf(address, sizeof address, "mem:weft-http-try-%" PRIu64, count++);
    int err = weft_http_start_with(&server, address, attempt->options);
    if (err < 0)
        return err;
    int status = fetch_from(attempt->call, address);
    err = weft_http_stop(server);
    return err < 0 ? err : status; /* where there was no server, the fetch knows that alone */
}

static int try_on_loop(void *attempt)
{
    return try_in_task(attempt);
}

int weft_http_try_with(weft_http_call *call, const struct weft_http_serve_options *options)
{
    struct attempt attempt = { call, options };
    if (!call->arena)
        return -EINVAL;
    if (weft_task_self())
        return try_in_task(&attempt);
    return weft_run(try_on_loop, &attempt, .clock = WEFT_CLOCK_TEST, .no_signals = true);
}
