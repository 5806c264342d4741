#include "side.h"

#include <string.h>

int side_echo(weft_stream *client, void *arg)
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

double side_cpu_us(void *arg)
{
    struct side *side = arg;
    double before = server_cpu_ns(&side->server);
    load_run(side->load, side->requests);
    return (server_cpu_ns(&side->server) - before) / (1e3 * (double)side->requests);
}

void side_open(struct side *side, const char *name, void (*body)(struct server_ends ends),
               int connections, size_t size, long requests)
{
    static char request[4096];
    memset(request, 'x', sizeof request);
    server_start(&side->server, name, body);
    side->load = load_open(side->server.port, connections, request, size, NULL);
    side->requests = requests;
    load_run(side->load, requests);
}

void side_close(struct side *side)
{
    load_close(side->load);
    server_stop(&side->server);
}
