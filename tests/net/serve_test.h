#ifndef WF_TESTS_NET_SERVE_TEST_H
#define WF_TESTS_NET_SERVE_TEST_H

/* What the tests of serving share: a server in a task of its own, and its clients. */

#include "net_test.h"

#include "net/listener.h"

#define ADDRESSES 4

static const struct kind *const listening[ADDRESSES] = { &kinds[MEM], &kinds[TCP6], &kinds[TCP4],
                                                         &kinds[UNIX] };

static inline const char *address_of(const struct kind *kind)
{
    return kind == &kinds[UNIX] ? unix_address() : kind->address;
}

static inline void over_kinds(weft_fn *fn)
{
    for (int i = 0; i < ADDRESSES; i++) {
        trace[0] = '\0';
        int err = run(fn, (void *)(uintptr_t)listening[i]);
        if (err < 0)
            fail_msg("%s: %s", listening[i]->name, weft_error_text(err));
    }
}

/* A server in a task of its own. */

struct server {
    weft_listener *listener;
    weft_task *task;
    struct weft_serve_options options;
    weft_scope scope; /* of open_server() */
    int result;
    bool done;
};

static inline int serve(void *arg)
{
    struct server *server = arg;
    server->result = weft_serve_on_with(server->listener, &server->options);
    server->done = true;
    return server->result;
}

static inline void start(weft_scope *scope, struct server *server, const char *address)
{
    server->result = -1;
    server->options.site = "here";
    assert_int_equal(weft_listen(&server->listener, address), 0);
    weft_spawn(scope, serve, server, .task = &server->task);
    pass_turns(2);
}

static inline void end(weft_scope *scope, struct server *server)
{
    weft_task_cancel(server->task, "the test is over");
    weft_scope_end(scope);
    assert_true(server->done);
    weft_task_release(server->task);
    assert_int_equal(weft_listener_close(server->listener), 0);
}

/* The same with a scope that is the server's own. */
static inline void open_server(struct server *server, const char *address)
{
    weft_scope_begin(&server->scope);
    start(&server->scope, server, address);
}

static inline void close_server(struct server *server)
{
    end(&server->scope, server);
}

static inline weft_stream *connect_to(const struct server *server)
{
    weft_stream *stream;
    assert_int_equal(weft_connect(&stream, weft_listener_address(server->listener)), 0);
    return stream;
}

static inline int echo(weft_stream *client, void *arg)
{
    char data[4096];
    ssize_t n;
    (void)arg;
    while ((n = weft_read(client, data, sizeof data)) > 0) {
        int err = weft_write(client, data, (size_t)n);
        if (err < 0)
            return err;
    }
    return (int)n;
}

/* Answers after three seconds, whatever happens before: unless it is cancelled. */
static inline int slow_answer(weft_stream *client, void *arg)
{
    (void)arg;
    int err = weft_sleep(3 * SECOND);
    note(err < 0 ? "c" : "a");
    return err < 0 ? err : weft_write(client, "answer", 6);
}

#endif
