/* HTTP's server and client under the torture driver, over memory and TCP.
 *
 * Whatever fails: an answer that came is the right one, and a handler that was entered was left. */

#include "torture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/error.h>
#include <weft/http.h>
#include <weft/scope.h>
#include <weft/task.h>

static int entered, left; /* handlers */

static void begin(void)
{
    entered = left = 0;
}

static void check(int result)
{
    torture_require(entered == left);
    if (torture_is_calm())
        torture_require(result == 0);
}

/* The server. */

static int hello(weft_http *http, void *app)
{
    (void)app;
    entered++;
    int err = weft_http_set_header(http, "X-Name", weft_http_param(http, "name"));
    if (err == 0)
        err = weft_http_text(http, 200, "hello %s", weft_http_param(http, "name"));
    left++;
    return err;
}

static int echo(weft_http *http, void *app)
{
    (void)app;
    entered++;
    weft_slice body = weft_http_body(http);
    int err = weft_http_send(http, 200, "text/plain", body.data, body.size);
    left++;
    return err;
}

static int slow(weft_http *http, void *app)
{
    (void)app;
    entered++;
    int err = weft_sleep(2 * WEFT_SECOND);
    if (err == 0)
        err = weft_http_json(http, 200, "{\"slept\":%d}", 2);
    left++;
    return err;
}

static int large(weft_http *http, void *app)
{
    (void)app;
    entered++;
    static const char data[300000];
    int err = weft_http_send(http, 200, NULL, data, sizeof data);
    left++;
    return err;
}

/* The body comes and goes in pieces. */
static int stream(weft_http *http, void *app)
{
    (void)app;
    char piece[1000];
    ssize_t n = 1;
    entered++;
    int err = weft_http_begin(http, 200, "text/plain", WEFT_HTTP_LENGTH_UNKNOWN);
    if (err == 0)
        err = weft_http_add_trailer(http, "Sum", "7");
    while (err == 0 && n > 0) {
        n = weft_http_read(http, piece, sizeof piece);
        err = n > 0 ? weft_http_write(http, piece, (size_t)n) : (int)n;
    }
    left++;
    return err;
}

/* Asks two of its own kind, as a gateway does. */
static int gateway(weft_http *http, void *app)
{
    (void)app;
    weft_http_call one = { .arena = http->arena, .url = "http://self/hello/one" };
    weft_http_call two = { .arena = http->arena, .url = "http://self/hello/two" };
    weft_scope both;
    entered++;
    weft_scope_begin(&both, .timeout = WEFT_SECOND);
    weft_spawn(&both, weft_http_fetch, &one);
    weft_spawn(&both, weft_http_fetch, &two);
    int err = weft_scope_end(&both);
    if (err == 0 && one.status == 200 && two.status == 200)
        err = weft_http_text(http, 200, "%s, %s", one.body, two.body);
    else
        err = weft_http_text(http, 502, "upstream failed");
    left++;
    return err;
}

static const weft_http_route_options in_time = { .timeout = WEFT_SECOND };
static const weft_http_route_options streams = { .stream_body = true };

static const weft_http_route routes[] = {
    { "GET", "/hello/:name", hello, NULL },  { "POST", "/echo", echo, NULL },
    { "POST", "/stream", stream, &streams }, { "GET", "/slow", slow, NULL },
    { "GET", "/limited", slow, &in_time },   { "GET", "/large", large, NULL },
    { "GET", "/gateway", gateway, NULL },    { NULL, NULL, NULL, NULL },
};

static int serve(void *listener)
{
    int err = weft_http_serve_on(listener, routes);
    return err == -ECANCELED ? 0 : err;
}

/* A server beside its client, which gets the address. */
typedef int client_fn(const char *address);

static int with_server(const char *address, client_fn *client)
{
    weft_listener *listener;
    weft_scope s;
    int err = weft_listen(&listener, address);
    if (err < 0)
        return err;
    weft_scope_begin(&s);
    err = weft_spawn(&s, serve, listener);
    if (err == 0)
        err = weft_http_client_map(NULL, "self", weft_listener_address(listener));
    if (err == 0)
        err = client(weft_listener_address(listener));
    if (err < 0) {
        err = weft_scope_leave(&s, err);
    } else {
        weft_scope_cancel(&s, "the client is done");
        err = weft_scope_end(&s);
    }
    weft_listener_close(listener);
    return err;
}

/* weft's client. */

static weft_arena *arena;

static int expect(weft_http_call *call, int status, const char *body)
{
    int err = weft_http_fetch(call);
    if (err == status && body)
        torture_require(strcmp(call->body, body) == 0);
    if (torture_is_calm())
        torture_require(err == status);
    return err < 0 ? err : 0;
}

static int get(const char *url, int status, const char *body)
{
    weft_http_call call = { .arena = arena, .url = url };
    return expect(&call, status, body);
}

/* Over TCP a fault may cut each call to one byte: then large bodies are a waste of time. */
static bool with_large;

static int ask_all(void)
{
    static char data[100000];
    size_t size = with_large ? sizeof data - 1 : 2000;
    weft_http_call post = { .arena = arena, .url = "http://self/echo", .data = data, .size = size };
    weft_http_call streamed = post;
    memset(data, 'x', size);
    data[size] = '\0';
    streamed.url = "http://self/stream";
    int err = get("http://self/hello/you", 200, "hello you");
    if (err == 0)
        err = expect(&post, 200, data);
    if (err == 0)
        err = expect(&streamed, 200, data);
    if (err == 0)
        err = get("http://self/none", 404, "Not Found\n");
    if (err == 0)
        err = get("http://self/gateway", 200, "hello one, hello two");
    if (err == 0 && with_large)
        err = get("http://self/large", 200, NULL);
    if (err == 0)
        err = get("http://self/limited", 504, "Gateway Timeout\n");
    return err;
}

/* In a scope with a deadline: the server may be cancelled alone, or never accept. */
static int in_an_arena(int (*ask)(void))
{
    weft_scope s;
    int err = weft_arena_new(&arena, SIZE_MAX);
    if (err < 0)
        return err;
    weft_scope_begin(&s, .timeout = WEFT_MINUTE);
    err = weft_scope_leave(&s, ask());
    weft_arena_free(arena);
    return err;
}

static int ask_in_time(const char *address)
{
    (void)address;
    return in_an_arena(ask_all);
}

static int ask_mem(void *arg)
{
    (void)arg;
    with_large = true;
    return with_server("mem:torture", ask_in_time);
}

static int ask_tcp(void *arg)
{
    (void)arg;
    with_large = false;
    return with_server("127.0.0.1:0", ask_in_time);
}

/* Clients of bytes. */

static int talk(weft_stream *stream, const char *text, const char *begin)
{
    char answer[64];
    int err = weft_write(stream, text, strlen(text));
    ssize_t n = err < 0 ? err : weft_read(stream, answer, sizeof answer);
    if (n >= (ssize_t)strlen(begin) && torture_is_calm())
        torture_require(memcmp(answer, begin, strlen(begin)) == 0);
    while (n > 0)
        n = weft_read(stream, answer, sizeof answer);
    return (int)n;
}

static int say(const char *address, const char *text, const char *begin)
{
    weft_stream *stream;
    weft_scope s;
    weft_scope_begin(&s, .timeout = WEFT_MINUTE);
    int err = weft_connect(&stream, address);
    if (err == 0) {
        err = talk(stream, text, begin);
        weft_close(stream);
    }
    return weft_scope_leave(&s, err);
}

#define HEAD(path) "GET " path " HTTP/1.1\r\nHost: h\r\n"

static int say_all(const char *address)
{
    static const char *const texts[][2] = {
        { HEAD("/hello/1") "\r\n" HEAD("/none") "\r\n" HEAD("/hello/2") "Connection: close\r\n\r\n",
          "HTTP/1.1 200" },
        { "rubbish\n and more of it", "HTTP/1.1 400" },
        { HEAD("/hel"), "HTTP/1.1 408" },
        { "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\nnine",
          "HTTP/1.1 4" },
        { "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999\r\n\r\n", "HTTP/1.1 413" },
    };
    int err = 0;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && err == 0; i++)
        err = say(address, texts[i][0], texts[i][1]);
    return err;
}

static int say_mem(void *arg)
{
    (void)arg;
    return with_server("mem:torture", say_all);
}

static int say_tcp(void *arg)
{
    (void)arg;
    return with_server("127.0.0.1:0", say_all);
}

/* Drain: an idle connection, one in flight, and the server is cancelled. */

static int drain_client(void *arg)
{
    const char *address = arg;
    return say(address, HEAD("/slow") "\r\n", "HTTP/1.1 200");
}

static int leave_one_idle(void)
{
    int err = weft_http_client_map(NULL, "self", "mem:torture");
    if (err == 0)
        err = weft_arena_new(&arena, SIZE_MAX);
    if (err < 0)
        return err;
    err = get("http://self/hello/you", 200, "hello you");
    weft_arena_free(arena);
    return err;
}

static int drain(void *arg)
{
    (void)arg;
    weft_listener *listener;
    weft_task *server;
    weft_scope s;
    int err = weft_listen(&listener, "mem:torture");
    if (err < 0)
        return err;
    weft_scope_begin(&s, .timeout = WEFT_MINUTE);
    err = weft_spawn(&s, serve, listener, .task = &server);
    if (err == 0) {
        err = leave_one_idle();
        if (err == 0)
            err = weft_spawn(&s, drain_client, (char *)"mem:torture");
        if (err == 0)
            err = weft_sleep(WEFT_MILLISECOND);
        weft_task_cancel(server, "drain");
        weft_task_release(server);
    }
    err = weft_scope_leave(&s, err);
    weft_listener_close(listener);
    return err;
}

/* A client of its own, freed while it keeps connections. */

static int own_client(const char *address)
{
    weft_http_client *client;
    int err = weft_http_client_new(&client, .idle_max = 1);
    if (err < 0)
        return err;
    err = weft_http_client_map(client, "s", address);
    if (err == 0)
        err = weft_arena_new(&arena, SIZE_MAX);
    for (int i = 0; i < 2 && err == 0; i++) {
        weft_http_call call = { .arena = arena, .url = "http://s/hello/1", .client = client };
        weft_scope s;
        weft_scope_begin(&s, .timeout = WEFT_MINUTE);
        err = weft_scope_leave(&s, expect(&call, 200, "hello 1"));
        if (err == 0)
            err = weft_sleep(i == 0 ? WEFT_MINUTE : 0); /* the idle connection expires */
    }
    weft_http_client_free(client);
    return err;
}

static int own_client_main(void *arg)
{
    (void)arg;
    arena = NULL;
    int err = with_server("mem:torture", own_client);
    weft_arena_free(arena);
    return err;
}

/* Opened calls: what is sent by a source comes back in pieces. */

static ssize_t count_up(void *arg, void *buffer, size_t size)
{
    unsigned char *next = arg, *bytes = buffer;
    size_t n = 0;
    while (n < size && n < 30 && *next < 200)
        bytes[n++] = (*next)++;
    return (ssize_t)n;
}

/* Of the 200 bytes. */
static int read_back(weft_http_call *call)
{
    unsigned char piece[64], next = 0;
    ssize_t n;
    while ((n = weft_http_call_read(call, piece, sizeof piece)) > 0)
        for (ssize_t i = 0; i < n; i++)
            torture_require(piece[i] == next++);
    torture_require(n < 0 || next == 200);
    if (n == 0 && torture_is_calm())
        torture_require(strcmp(weft_http_call_trailer(call, "sum"), "7") == 0);
    return (int)n;
}

static int open_once(size_t size, bool read)
{
    unsigned char next = 0;
    weft_http_call call = { .arena = arena,
                            .url = "http://self/stream",
                            .method = "POST",
                            .size = size,
                            .source = count_up,
                            .source_arg = &next };
    int err = weft_http_open(&call);
    if (torture_is_calm())
        torture_require(err == 200);
    if (err == 200 && read)
        err = read_back(&call);
    weft_http_call_close(&call);
    return err < 0 ? err : 0;
}

static int open_all(void)
{
    int err = open_once(0, true);
    if (err == 0)
        err = open_once(200, true);
    if (err == 0)
        err = open_once(0, false);
    return err == 0 ? open_once(200, true) : err;
}

static int open_in_time(const char *address)
{
    (void)address;
    return in_an_arena(open_all);
}

static int open_mem(void *arg)
{
    (void)arg;
    return with_server("mem:torture", open_in_time);
}

static int open_tcp(void *arg)
{
    (void)arg;
    return with_server("127.0.0.1:0", open_in_time);
}

/* In line: four calls to two servers, and one connection for all of them. */

static int fetch_in_line(void *arg)
{
    weft_http_call *call = arg;
    int status = weft_http_fetch(call);
    if (status == 200)
        torture_require(strcmp(call->body, "hello you") == 0);
    return status < 0 ? status : 0;
}

static int stand_in_line(weft_http_client *client)
{
    weft_http_call calls[4];
    weft_scope s;
    int err = 0;
    weft_scope_begin(&s, .timeout = WEFT_MINUTE);
    for (int i = 0; i < 4 && err == 0; i++) {
        calls[i] = (weft_http_call){ .arena = arena, .client = client };
        calls[i].url = i % 2 ? "http://t/hello/you" : "http://s/hello/you";
        err = weft_spawn(&s, fetch_in_line, &calls[i]);
    }
    return weft_scope_leave(&s, err);
}

static const char *first_address;

static int line(const char *address)
{
    weft_http_client *client;
    int err = weft_http_client_new(&client, .connections_max = 1);
    if (err < 0)
        return err;
    err = weft_http_client_map(client, "s", first_address);
    if (err == 0)
        err = weft_http_client_map(client, "t", address);
    if (err == 0)
        err = weft_arena_new(&arena, SIZE_MAX);
    if (err == 0)
        err = stand_in_line(client);
    weft_http_client_free(client);
    return err;
}

static int line_beside(const char *address)
{
    first_address = address;
    return with_server("mem:other", line);
}

static int line_main(void *arg)
{
    (void)arg;
    arena = NULL;
    int err = with_server("mem:torture", line_beside);
    weft_arena_free(arena);
    return err;
}

static const struct torture_scenario scenarios[] = {
    { "ask_mem", ask_mem, begin, check },   { "ask_tcp", ask_tcp, begin, check },
    { "say_mem", say_mem, begin, check },   { "say_tcp", say_tcp, begin, check },
    { "drain", drain, begin, check },       { "own_client", own_client_main, begin, check },
    { "open_mem", open_mem, begin, check }, { "open_tcp", open_tcp, begin, check },
    { "line", line_main, begin, check },
};

int main(void)
{
    return torture(scenarios, TORTURE_COUNT(scenarios));
}
