/* An echo server and a client of it, in one process: C11 and C++17 read the same text. Exits with 0
 * when the echo came back. */

#include <stdio.h>
#include <string.h>
#include <weft.h>
#include <weft/stackless.h>

static int echo(weft_stream *client, void *arg)
{
    char buffer[4096];
    ssize_t n;

    (void)arg;
    while ((n = weft_read(client, buffer, sizeof buffer)) > 0) {
        int err = weft_write(client, buffer, (size_t)n);
        if (err < 0)
            return err;
    }
    return (int)n;
}

static int serve(void *arg)
{
    return weft_serve_on((weft_listener *)arg, echo);
}

static int say_hello(void *arg)
{
    weft_stream *server;
    char line[64];
    int err = weft_connect(&server, (const char *)arg);

    if (err < 0)
        return err;
    err = weft_write(server, "hello\n", 6);
    if (err == 0 && weft_read_line(server, line, sizeof line) == 5)
        err = strcmp(line, "hello") == 0;
    weft_close(server);
    return err;
}

static void count(void *arg)
{
    ++*(int *)arg;
}

/* Without a stack. */

struct napper {
    int naps;
    weft_stackless self;
};

static int nap(weft_stackless *self, int64_t result)
{
    struct napper *napper = weft_stackless_of(self, struct napper, self);
    if (result < 0 || napper->naps++ == 2)
        return (int)result;
    return weft_then_sleep(self, WEFT_MILLISECOND, nap);
}

static void wake(weft_stackless *self)
{
    weft_stackless_of(self, struct napper, self)->naps = -1;
}

static const weft_stackless_kind nappers = WEFT_STACKLESS(nap, wake);

static int take_naps(void)
{
    struct napper napper;
    weft_scope scope;
    napper.naps = 0;
    weft_scope_begin(&scope);
    weft_stackless_spawn(&scope, &napper.self, &nappers);
    int err = weft_scope_end(&scope);
    return err < 0 ? err : napper.naps;
}

static int serve_and_ask(void *arg)
{
    weft_listener *listener;
    weft_scope scope;
    weft_task *client = NULL;
    weft_interval every;
    int calls = 0;
    int err = weft_listen(&listener, "127.0.0.1:0");

    (void)arg;
    if (err < 0)
        return err;
    weft_scope_begin(&scope);
    weft_spawn(&scope, serve, listener);
#ifdef __cplusplus
    weft_spawn_options options = {};
    options.task = &client;
    options.name = "client";
    weft_spawn(&scope, say_hello, (void *)weft_listener_address(listener), options);
#else
    weft_spawn(&scope, say_hello, (void *)weft_listener_address(listener), .task = &client,
               .name = "client");
#endif
    weft_call_soon(count, &calls);
    weft_handle_cancel(weft_call_later(WEFT_SECOND, count, &calls));
    err = weft_await(client);
    weft_task_release(client);
    weft_scope_cancel(&scope, "the client is done");
    weft_scope_end(&scope);
    weft_listener_close(listener);
    if (err == 1 && weft_interval_init(&every, WEFT_MILLISECOND) == 0)
        err = weft_interval_next(&every) < 0 ? 0 : err;
    if (err == 1 && take_naps() != -1)
        err = 0;
    return calls == 1 ? err : 0;
}

int main(void)
{
    int answer = weft_run(serve_and_ask, NULL);

    if (answer != 1)
        fprintf(stderr, "no echo: %s\n", weft_error_text(answer));
    return answer != 1;
}
