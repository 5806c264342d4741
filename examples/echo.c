/* An echo server: a task for each client, straight-line code, one thread for all of them.
 *
 *     echo [ADDRESS]        "127.0.0.1:7777" unless given; "[::]:0", "unix:/run/echo" ...
 *
 * It prints the address it serves, for `nc 127.0.0.1 7777`. Ctrl-C ends it. */

#include <errno.h>
#include <stdio.h>
#include <weft.h>

/* One task per client. The stream is borrowed: weft_serve_on() closes it when we return. */
static int echo(weft_stream *client, void *arg)
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

static int serve(void *address)
{
    weft_listener *listener;
    int err = weft_listen(&listener, address);
    if (err < 0) {
        fprintf(stderr, "echo: %s: %s\n", (const char *)address, weft_error_text(err));
        return err;
    }
    puts(weft_listener_address(listener));
    fflush(stdout);

    err = weft_serve_on(listener, echo, .max_clients = 10000);
    weft_listener_close(listener);
    return err == -ECANCELED ? 0 : err; /* Ctrl-C cancels main: the ordinary end of a server */
}

int main(int argc, char **argv)
{
    return weft_run(serve, argc > 1 ? argv[1] : "127.0.0.1:7777") < 0;
}
