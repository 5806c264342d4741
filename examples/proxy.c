/* A proxy: whoever connects is connected to another server, and what one says the other hears.
 *
 *     proxy [ADDRESS [SERVER]]        "127.0.0.1:7777" and "127.0.0.1:80" unless given
 *
 *     $ proxy 127.0.0.1:7777 example.org:80 &
 *     $ curl -H 'Host: example.org' http://127.0.0.1:7777
 *
 * Both ways are tasks of their own, so either side may end what it says and go on to listen. Much
 * is moved by the kernel, and never seen here. It prints the address it serves. Ctrl-C ends it. */

#include <errno.h>
#include <stdio.h>
#include <weft.h>

struct way {
    weft_stream *from, *to;
};

/* Until `from` has ended; then `to` hears the end. */
static int forward(void *arg)
{
    struct way *way = arg;
    int err = weft_stream_copy(way->from, way->to, INT64_MAX, NULL);
    return err < 0 ? err : weft_shutdown_write(way->to);
}

/* A way that is cut ends the other one too: the scope fails, and takes it along. */
static int join(weft_stream *client, weft_stream *server)
{
    struct way there = { client, server }, back = { server, client };
    weft_scope both;
    weft_scope_begin(&both);
    weft_spawn(&both, forward, &back);
    return weft_scope_leave(&both, forward(&there));
}

static int serve_client(weft_stream *client, void *address)
{
    weft_stream *server;
    int err = weft_connect(&server, address);
    if (err < 0)
        return err;
    err = join(client, server);
    if (err < 0) { /* what came may not be all, so both hear a reset and not an end */
        weft_stream_tear(client);
        weft_stream_tear(server);
    }
    weft_close(server);
    return err;
}

static int serve(void *arg)
{
    const char **addresses = arg;
    weft_listener *listener;
    int err = weft_listen(&listener, addresses[0]);
    if (err < 0) {
        fprintf(stderr, "proxy: %s: %s\n", addresses[0], weft_error_text(err));
        return err;
    }
    puts(weft_listener_address(listener));
    fflush(stdout);
    err = weft_serve_on(listener, serve_client, .arg = (void *)(uintptr_t)addresses[1]);
    weft_listener_close(listener);
    return err == -ECANCELED ? 0 : err;
}

int main(int argc, char **argv)
{
    const char *addresses[] = { argc > 1 ? argv[1] : "127.0.0.1:7777",
                                argc > 2 ? argv[2] : "127.0.0.1:80" };
    return weft_run(serve, addresses) < 0;
}
