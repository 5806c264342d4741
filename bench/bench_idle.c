/* What a connection costs while nobody uses it: 15,000 of them, new and silent, and kept after a
 * request. User memory only (what is resident of the server's process); what the kernel holds of a
 * socket is the same for every server.
 *
 *     bench_idle [--size CONNECTIONS] */

#include "bench.h"
#include "hello.h"
#include "server.h"
#include "usage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define CONNECTIONS 15000
#define SPARE       100 /* descriptors that are not connections */
#define REQUEST     "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* Bytes that are there. */
static long memory_of(pid_t process)
{
    return (long)usage_of(process).resident;
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

static void print(const char *row, long bytes, int count)
{
    bench_value(row, "B", (double)bytes / count);
}

static int allowed(int wanted)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    rlim_t most = limit.rlim_max > SPARE ? limit.rlim_max - SPARE : 1;
    return (rlim_t)wanted < most ? wanted : (int)most;
}

int main(int argc, char **argv)
{
    struct server server;
    bench_begin("idle", "epoll", argc, argv);
    int count = allowed((int)bench_size(CONNECTIONS));
    int *sockets = calloc((size_t)count, sizeof *sockets);
    if (!sockets)
        die("memory");
    server_start(&server, "weft", http_weft);
    int first = server_dial(server.port);
    ask(first); /* what the first request costs is not a connection's */
    long before = memory_of(server.process);

    open_all(sockets, count, server.port);
    print("idle/new", memory_of(server.process) - before, count);
    for (int i = 0; i < count; i++)
        ask(sockets[i]);
    print("idle/kept", memory_of(server.process) - before, count);
    for (int i = 0; i < count; i++)
        close(sockets[i]);
    ask(first);
    print("idle/afterwards", memory_of(server.process) - before, count);
    server_stop(&server);
    free(sockets);
    return bench_end();
}
