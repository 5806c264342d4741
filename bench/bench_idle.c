/* What a connection costs while nobody uses it: 15,000 of them, new and silent, kept after a
 * request, and closed. User memory only (what is resident of the server's process); what the kernel
 * holds of a socket is the same for every server.
 *
 *     bench_idle [--size CONNECTIONS] */

#include "bench.h"
#include "hello.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS 15000
#define SPARE       100 /* descriptors that are not connections */
#define REQUEST     "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void ask(int fd)
{
    char answer[1024];
    size_t size = strlen(REQUEST);
    if (write(fd, REQUEST, size) != (ssize_t)size || read(fd, answer, sizeof answer) <= 0)
        die("request");
}

/* The last one to be answered was the last one to be accepted. */
static void open_all(int *sockets, int count, int port)
{
    for (int i = 0; i < count; i++)
        sockets[i] = server_dial(port);
    ask(sockets[count - 1]);
}

/* Bytes of each; where there are fewer than usual the row's name says so, and has no target. */
static void print(const char *name, double bytes, int count)
{
    char row[64];
    if (count < CONNECTIONS)
        snprintf(row, sizeof row, "%s/%d", name, count);
    else
        snprintf(row, sizeof row, "%s", name);
    bench_value(row, "B", bytes / count);
}

/* As many as wanted, or as there are descriptors for. */
static int allowed(int wanted)
{
    int count = wanted;
    while (count > 1 && !server_allow((unsigned long)count + SPARE))
        count -= count > 1000 ? 1000 : count / 2;
    if (count < wanted)
        bench_note("too few descriptors for %d connections", wanted);
    return count;
}

int main(int argc, char **argv)
{
    struct server server;
    bench_begin("idle", argc, argv);
    int count = allowed((int)bench_size(CONNECTIONS));
    int *sockets = calloc((size_t)count, sizeof *sockets);
    if (!sockets)
        die("memory");
    server_start(&server, "weft", http_weft);
    int first = server_dial(server.port);
    ask(first); /* what the first request costs is not a connection's */
    double before = server_resident(&server);

    open_all(sockets, count, server.port);
    print("idle/new", server_resident(&server) - before, count);
    for (int i = 0; i < count; i++)
        ask(sockets[i]);
    print("idle/kept", server_resident(&server) - before, count);
    for (int i = 0; i < count; i++)
        close(sockets[i]);
    ask(first);
    print("idle/afterwards", server_resident(&server) - before, count);
    bench_note("%d connections", count);
    server_stop(&server);
    free(sockets);
    return bench_end();
}
