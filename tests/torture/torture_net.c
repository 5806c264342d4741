/* Streams, listeners and servers under the torture driver, over memory, TCP and Unix sockets.
 *
 * Whoever leaves early closes its stream, or stops the listener, and so sends the other one away. A
 * connection that fails only because the driver says so does not: hence a deadline, except in the
 * calm run, where it could strike while the kernel still carries bytes. */

#include "torture.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/error.h>
#include <weft/scope.h>
#include <weft/stream.h>
#include <weft/task.h>

enum { MEM, TCP, UNIX };

static const char *address_of(int kind)
{
    static char text[64];
    if (kind == MEM)
        return "mem:torture";
    if (kind == TCP)
        return "127.0.0.1:0";
    snprintf(text, sizeof text, "unix:/tmp/weft-torture-%d", (int)getpid());
    return text;
}

static int64_t deadline(void)
{
    return torture_is_calm() ? 0 : WEFT_SECOND;
}

static void must_succeed_when_calm(int result)
{
    if (torture_is_calm())
        torture_require(result == 0);
}

/* A conversation with every call that streams have. */

static int ask(weft_stream *stream)
{
    char line[32];
    weft_slice pieces[3] = { { "un", 2 }, { "til", 3 }, { "\r\n", 2 } };
    int err = weft_write_try(stream, "a line\n", 7);
    if (err == 0)
        err = weft_write_pieces(stream, pieces, 3);
    if (err == 0)
        err = weft_flush(stream);
    ssize_t n = err < 0 ? err : weft_write_some(stream, "exact", 5);
    if (n == 5)
        n = weft_read_line(stream, line, sizeof line);
    if (n < 0)
        return (int)n;
    torture_require(n == 6 && memcmp(line, "answer", 6) == 0);
    err = weft_shutdown_write(stream);
    return err < 0 ? err : (int)weft_read(stream, line, sizeof line);
}

static int answer(weft_stream *stream)
{
    char data[32];
    ssize_t n = weft_read_line(stream, data, sizeof data);
    if (n < 0)
        return (int)n;
    torture_require(n == 6 && memcmp(data, "a line", 6) == 0);
    n = weft_read_until(stream, data, sizeof data, "\r\n", 2);
    if (n < 0)
        return (int)n;
    torture_require(n == 7 && memcmp(data, "until\r\n", 7) == 0);
    int err = weft_read_exact(stream, data, 5);
    if (err < 0)
        return err;
    torture_require(memcmp(data, "exact", 5) == 0);
    err = weft_write(stream, "answer\r\n", 8);
    return err < 0 ? err : (int)weft_fill(stream); /* the end */
}

/* A client, in a task of its own, of whom a listener waits for. */

typedef int stream_fn(weft_stream *stream);

struct client {
    weft_listener *listener;
    stream_fn *run;
};

static int run_client(void *arg)
{
    struct client *client = arg;
    weft_stream *stream;
    int err = weft_connect(&stream, weft_listener_address(client->listener));
    if (err < 0)
        return err;
    err = client->run(stream);
    weft_close(stream);
    return err;
}

/* After the client, or instead of it: nobody comes any more. */
static void no_more_clients(void *arg)
{
    weft_listener_stop(((struct client *)arg)->listener);
}

static int accept_client(weft_listener *listener, stream_fn *server, stream_fn *run)
{
    struct client client = { listener, run };
    weft_stream *stream;
    weft_scope s;
    weft_scope_begin(&s, .timeout = deadline());
    int err = weft_spawn(&s, run_client, &client, .drop = no_more_clients);
    if (err == 0)
        err = weft_accept(listener, &stream);
    if (err == 0) {
        err = server(stream);
        weft_close(stream);
    }
    return weft_scope_leave(&s, err);
}

static int meet(int kind, stream_fn *server, stream_fn *client)
{
    weft_listener *listener;
    int err = weft_listen(&listener, address_of(kind));
    if (err < 0)
        return err;
    err = accept_client(listener, server, client);
    weft_listener_close(listener);
    return err;
}

static int talk_mem(void *arg)
{
    (void)arg;
    return meet(MEM, answer, ask);
}

static int talk_tcp(void *arg)
{
    (void)arg;
    return meet(TCP, answer, ask);
}

static int talk_unix(void *arg)
{
    (void)arg;
    return meet(UNIX, answer, ask);
}

/* Much in one write, to a slow reader: what arrives is the beginning of what was sent, and a clean
 * end means that all of it did. */

enum { MUCH = 400000 };

static struct {
    size_t received;
    ssize_t end; /* of the last read; 1: there was none */
    bool has_reset;
} bulk;

static void begin_bulk(void)
{
    bulk.received = 0;
    bulk.end = 1;
}

static char pattern(size_t i)
{
    return (char)(i * 31 + i / 251);
}

static int write_much(weft_stream *stream)
{
    char *data = malloc(MUCH);
    for (size_t i = 0; i < MUCH; i++)
        data[i] = pattern(i);
    int err = weft_write(stream, data, MUCH);
    free(data);
    return err;
}

static int read_much(weft_stream *stream)
{
    static char data[50000];
    while ((bulk.end = weft_read(stream, data, sizeof data)) > 0) {
        for (ssize_t i = 0; i < bulk.end; i++)
            torture_require(data[i] == pattern(bulk.received + (size_t)i));
        bulk.received += (size_t)bulk.end;
        int err = weft_sleep(0);
        if (err < 0)
            return err;
    }
    return (int)bulk.end;
}

static void check_bulk(int result)
{
    must_succeed_when_calm(result);
    if (torture_is_calm())
        torture_require(bulk.received == MUCH);
    if (bulk.end == 0 && bulk.has_reset)
        torture_require(bulk.received == MUCH || bulk.received == 0);
}

static int bulk_mem(void *arg)
{
    (void)arg;
    bulk.has_reset = true;
    return meet(MEM, read_much, write_much);
}

static int bulk_tcp(void *arg)
{
    (void)arg;
    bulk.has_reset = true;
    return meet(TCP, read_much, write_much);
}

static int bulk_unix(void *arg)
{
    (void)arg;
    bulk.has_reset = false;
    return meet(UNIX, read_much, write_much);
}

/* The same, on from stream to stream: whoever cannot go on says so to both. */

static weft_stream *relayed;
static int relayed_to;

static int copy_on(weft_stream *stream)
{
    int err = weft_stream_copy(relayed, stream, INT64_MAX, NULL);
    if (err < 0)
        weft_stream_tear(stream);
    return err;
}

static int relay(weft_stream *stream)
{
    relayed = stream;
    int err = meet(relayed_to, read_much, copy_on);
    if (err < 0)
        weft_stream_tear(stream);
    return err;
}

static int copy_tcp(void *arg)
{
    (void)arg;
    bulk.has_reset = true;
    relayed_to = TCP;
    return meet(TCP, relay, write_much);
}

static int copy_mixed(void *arg)
{
    (void)arg;
    bulk.has_reset = false;
    relayed_to = TCP;
    return meet(UNIX, relay, write_much);
}

/* Close while others read and write, and let what is queued go out meanwhile. */

struct inside {
    weft_stream *stream;
    int result;
};

static int read_until_closed(void *arg)
{
    struct inside *inside = arg;
    char data[8];
    inside->result = (int)weft_read(inside->stream, data, sizeof data);
    return 0;
}

static int write_until_closed(void *arg)
{
    struct inside *inside = arg;
    static char data[100000];
    do
        inside->result = weft_write(inside->stream, data, sizeof data);
    while (inside->result == 0);
    return 0;
}

static int close_under_them(void *arg)
{
    (void)arg;
    weft_stream *a, *b;
    weft_scope s;
    int err = weft_memory_pair(&a, &b);
    if (err < 0)
        return err;
    struct inside reader = { a, 0 }, writer = { a, 0 };
    weft_scope_begin(&s);
    weft_spawn(&s, read_until_closed, &reader);
    weft_spawn(&s, write_until_closed, &writer);
    err = weft_sleep(WEFT_MILLISECOND);
    weft_close(a);
    err = weft_scope_leave(&s, err);
    if (torture_is_calm())
        torture_require(reader.result == WEFT_ECLOSED && writer.result == WEFT_ECLOSED);
    weft_close(b);
    return err;
}

/* Both ends close with bytes under way: they linger. */
static int linger(void *arg)
{
    (void)arg;
    static char data[60000];
    weft_stream *a, *b;
    int err = weft_memory_pair(&a, &b);
    if (err < 0)
        return err;
    for (int i = 0; i < 4 && err == 0; i++)
        err = weft_write(i % 2 ? a : b, data, sizeof data);
    weft_close(a);
    int end = weft_read_exact(b, data, sizeof data);
    weft_close(b);
    return err < 0 ? err : end;
}

/* A backlog of one, and three who want in. */

static int three_connect(void *arg)
{
    (void)arg;
    weft_listener *listener;
    weft_stream *stream;
    weft_scope s;
    int err = weft_listen(&listener, "mem:narrow", .backlog = 1);
    if (err < 0)
        return err;
    struct client client = { listener, answer };
    weft_scope_begin(&s, .timeout = deadline());
    for (int i = 0; i < 3; i++)
        weft_spawn(&s, run_client, &client);
    for (int i = 0; i < 3 && err == 0; i++) {
        err = weft_accept(listener, &stream);
        if (err < 0)
            break;
        err = ask(stream);
        weft_close(stream);
    }
    err = weft_scope_leave(&s, err);
    weft_listener_close(listener);
    return err;
}

/* A server and three clients, ended by a cancel, or by a stop, with time to drain. */

static int echo(weft_stream *client, void *arg)
{
    char data[64];
    ssize_t n;
    (void)arg;
    while ((n = weft_read(client, data, sizeof data)) > 0) {
        int err = weft_write(client, data, (size_t)n);
        if (err < 0)
            return err;
    }
    return (int)n;
}

/* The same, parked between two pieces. */
static int echo_parked(weft_stream *client, void *arg)
{
    char data[64];
    (void)arg;
    ssize_t n = weft_read(client, data, sizeof data);
    int err = n > 0 ? weft_write(client, data, (size_t)n) : (int)n;
    return n > 0 && err == 0 ? weft_park(client, WEFT_MINUTE) : err;
}

static int visit(void *arg)
{
    weft_stream *stream;
    char data[8];
    int err = weft_connect(&stream, weft_listener_address(arg));
    if (err < 0)
        return err;
    err = weft_write(stream, "hello", 5);
    if (err == 0)
        err = weft_read_exact(stream, data, 5);
    if (err == 0)
        torture_require(memcmp(data, "hello", 5) == 0);
    weft_close(stream);
    return err;
}

static int serve(void *listener)
{
    return weft_serve_on((weft_listener *)listener, echo, .max_clients = 2, .drain = WEFT_SECOND);
}

static int serve_parked(void *listener)
{
    return weft_serve_on((weft_listener *)listener, echo_parked, .max_clients = 2,
                         .drain = WEFT_SECOND, .first_timeout = WEFT_MINUTE);
}

static int let_them_visit(weft_listener *listener)
{
    weft_scope s;
    weft_scope_begin(&s, .timeout = deadline());
    for (int i = 0; i < 3; i++)
        weft_spawn(&s, visit, listener);
    return weft_scope_end(&s);
}

static int serve_visits(int kind, weft_fn *server, bool stop)
{
    weft_listener *listener;
    weft_scope s;
    int err = weft_listen(&listener, address_of(kind));
    if (err < 0)
        return err;
    weft_scope_begin(&s);
    err = weft_spawn(&s, server, listener);
    if (err == 0)
        err = let_them_visit(listener);
    if (stop)
        weft_listener_stop(listener);
    else
        weft_scope_cancel(&s, "they were here");
    err = weft_scope_leave(&s, err);
    weft_listener_close(listener);
    return err;
}

static int serve_mem(void *arg)
{
    (void)arg;
    return serve_visits(MEM, serve, true);
}

static int serve_tcp(void *arg)
{
    (void)arg;
    return serve_visits(TCP, serve, false);
}

static int serve_unix(void *arg)
{
    (void)arg;
    return serve_visits(UNIX, serve, true);
}

static int park_mem(void *arg)
{
    (void)arg;
    return serve_visits(MEM, serve_parked, false);
}

static int park_tcp(void *arg)
{
    (void)arg;
    return serve_visits(TCP, serve_parked, true);
}

static const struct torture_scenario scenarios[] = {
    { "talk-mem", talk_mem, NULL, must_succeed_when_calm },
    { "talk-tcp", talk_tcp, NULL, must_succeed_when_calm },
    { "talk-unix", talk_unix, NULL, must_succeed_when_calm },
    { "bulk-mem", bulk_mem, begin_bulk, check_bulk, .short_bytes = 500 },
    { "bulk-tcp", bulk_tcp, begin_bulk, check_bulk, .short_bytes = 500 },
    { "bulk-unix", bulk_unix, begin_bulk, check_bulk, .short_bytes = 500 },
    { "copy-tcp", copy_tcp, begin_bulk, check_bulk, .short_bytes = 5000 },
    { "copy-mixed", copy_mixed, begin_bulk, check_bulk, .short_bytes = 5000 },
    { "close", close_under_them, NULL, must_succeed_when_calm },
    { "linger", linger, NULL, must_succeed_when_calm },
    { "backlog", three_connect, NULL, must_succeed_when_calm },
    { "serve-mem", serve_mem, NULL, must_succeed_when_calm },
    { "serve-tcp", serve_tcp, NULL, must_succeed_when_calm },
    { "serve-unix", serve_unix, NULL, must_succeed_when_calm },
    { "park-mem", park_mem, NULL, must_succeed_when_calm },
    { "park-tcp", park_tcp, NULL, must_succeed_when_calm },
};

int main(void)
{
    return torture(scenarios, TORTURE_COUNT(scenarios));
}
