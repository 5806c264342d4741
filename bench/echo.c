#include "echo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int echo_handler(weft_stream *client, void *arg)
{
    (void)arg;
    char buffer[4096];
    ssize_t n;

    while ((n = weft_read(client, buffer, sizeof buffer)) > 0) {
        int err = weft_write(client, buffer, (size_t)n);
        if (err < 0)
            return err;
    }
    return (int)n;
}

/* As much memory as the largest message takes. */
static int echo_large(weft_stream *client, void *arg)
{
    const size_t size = (size_t)16 << 10;
    char *buffer = malloc(size);
    ssize_t n = buffer ? 1 : -ENOMEM;

    (void)arg;
    while (n > 0 && (n = weft_read(client, buffer, size)) > 0) {
        int err = weft_write(client, buffer, (size_t)n);
        if (err < 0)
            n = err;
    }
    free(buffer);
    return (int)n;
}

static int serve_large(void *listener)
{
    return weft_serve_on(listener, echo_large);
}

static int serve(void *listener)
{
    return weft_serve_on(listener, echo_handler);
}

void echo_weft(struct server_ends ends)
{
    server_on_weft(ends, serve);
}

void echo_contest(const char *name, const struct contestant *contestants, size_t size,
                  int connections)
{
    static char bytes[16384];
    char row[64];
    memset(bytes, 'x', sizeof bytes);
    snprintf(row, sizeof row, "%s/%d", name, connections);
    contest_run(&(struct contest){ .name = row,
                                   .ask = { .scheme = "echo",
                                            .request = { .body = bytes, .body_size = size },
                                            .connections = connections },
                                   .requests = connections < 1000 ? 4000 : 4L * connections,
                                   .rate = size < sizeof bytes ? 20000 : 10000,
                                   .contestants = contestants });
}

/* It is the server's own process. */
void echo_weft_by(const char *driver, bool large, struct server_ends ends)
{
    weft_loop *loop;
    if (weft_loop_new(&loop, .backend = driver) < 0) {
        server_ready(ends, SERVER_NOT_HERE);
        return;
    }
    weft_loop_free(loop);
    setenv("WEFT_BACKEND", driver, 1);
    server_on_weft(ends, large ? serve_large : serve);
}
