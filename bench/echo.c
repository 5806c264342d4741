#include "echo.h"

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

static int serve(void *listener)
{
    return weft_serve_on(listener, echo_handler);
}

void echo_weft(struct server_ends ends)
{
    server_on_weft(ends, serve);
}
