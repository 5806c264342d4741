/* What a connection costs while nobody uses it: 15,000 of them, new and silent, and kept after a
 * request. User memory only (RssAnon of the server's process); what the kernel holds of a socket is
 * the same for every server.
 *
 *     bench_idle [connections] */

#include "bench.h"
#include "server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <weft.h>
#include <weft/http.h>

#define CONNECTIONS 15000
#define SPARE       100 /* descriptors that are not connections */
#define TARGET      1024
#define REQUEST     "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"

static int hello(weft_http *http, void *app)
{
    (void)app;
    return weft_http_text(http, 200, "hello, world\n");
}

static const weft_http_route routes[] = {
    { "GET", "/hello", hello, NULL },
    { NULL, NULL, NULL, NULL },
};

static int serve(void *listener)
{
    return weft_http_serve_on(listener, routes, .max_clients = 1000000, .header_timeout = WEFT_HOUR,
                              .idle_timeout = WEFT_HOUR);
}

static void http_weft(struct server_ends ends)
{
    server_on_weft(ends, serve);
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* Bytes of anonymous memory that are there: heap and stacks. */
static long memory_of(pid_t process)
{
    char path[64], line[256];
    long kib = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)process);
    FILE *file = fopen(path, "r");
    if (!file)
        die(path);
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "RssAnon: %ld kB", &kib) == 1)
            break;
    fclose(file);
    return kib * 1024;
}

static int dial(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("connect");
    return fd;
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
        sockets[i] = dial(port);
    ask(sockets[count - 1]);
}

static void print(const char *name, long bytes, int count, bool has_target)
{
    double each = (double)bytes / count;
    printf("%-44s %7.0f bytes each, %.1f MiB\n", name, each, (double)bytes / (1 << 20));
    if (has_target)
        bench_target_print("at most 1,024 bytes of user memory each", each <= TARGET);
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
    int count = allowed(argc > 1 ? atoi(argv[1]) : CONNECTIONS);
    int *sockets = calloc((size_t)count, sizeof *sockets);
    if (!sockets)
        die("memory");
    server_start(&server, "weft", http_weft);
    int first = dial(server.port);
    ask(first); /* what the first request costs is not a connection's */
    long before = memory_of(server.process);
    printf("bench_idle, %d connections\n", count);

    open_all(sockets, count, server.port);
    print("new, and silent", memory_of(server.process) - before, count, true);
    for (int i = 0; i < count; i++)
        ask(sockets[i]);
    print("kept after a request", memory_of(server.process) - before, count, true);
    for (int i = 0; i < count; i++)
        close(sockets[i]);
    ask(first);
    print("closed again: what the process keeps", memory_of(server.process) - before, count, false);
    server_stop(&server);
    free(sockets);
    return 0;
}
