#ifndef WF_TESTS_E2E_OUTSIDE_H
#define WF_TESTS_E2E_OUTSIDE_H

/* A server in a process of its own, and clients that are plain sockets: what the tests of attacks
 * and of shutdowns share. Everything is in real time, and nothing waits but for events. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <weft.h>
#include <weft/http.h>

#define MILLISECOND 1000000LL
#define SECOND      1000000000LL

static inline int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * SECOND + now.tv_nsec;
}

/* Ends the test: its last line is what was expected. */
#define require(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: expected: %s (errno: %s)\n", __FILE__, __LINE__, #condition,   \
                    strerror(errno));                                                              \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

struct outside {
    pid_t process;
    int port;
};

/* How many loops a server has. */
static uint16_t outside_loops = 1;

/* The child's frame. */
struct outside_serve {
    const struct weft_http_serve_options *options;
    int report;
};

static inline int outside_main(void *arg)
{
    const struct outside_serve *serve = arg;
    weft_listener *listener;
    int err = weft_listen(&listener, "127.0.0.1:0", .backlog = 4096);
    if (err < 0)
        return err;
    int port = atoi(strrchr(weft_listener_address(listener), ':') + 1);
    if (weft_loop_index() == 0 && write(serve->report, &port, sizeof port) != sizeof port)
        return -EIO;
    err = weft_http_serve_on_with(listener, serve->options);
    weft_listener_close(listener);
    return err == -ECANCELED ? 0 : err;
}

/* Fork a server with these options; it ends with the test, however that ends. */
static inline struct outside outside_start(const struct weft_http_serve_options *options)
{
    struct outside server = { 0 };
    int ends[2];
    require(pipe(ends) == 0);
    fflush(stdout);
    server.process = fork();
    require(server.process >= 0);
    if (server.process == 0) {
        struct outside_serve serve = { options, ends[1] };
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[0]);
        exit(weft_run(outside_main, &serve, .threads = outside_loops) == 0 ? 0 : 1);
    }
    close(ends[1]);
    require(read(ends[0], &server.port, sizeof server.port) == sizeof server.port);
    close(ends[0]);
    return server;
}

/* Wait for its end; it must be an orderly one. */
static inline void outside_await(const struct outside *server)
{
    int status;
    require(waitpid(server->process, &status, 0) == server->process);
    require(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static inline int outside_dial(const struct outside *server)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)server->port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    require(fd >= 0);
    require(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* The size of the response at the beginning of a text that ends with a NUL; 0: it is not whole. */
static inline size_t outside_response_size(const char *text, size_t size)
{
    const char *end = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");
    if (!end || !length || length > end)
        return 0;
    size_t whole = (size_t)(end - text) + 4 + strtoul(length + 16, NULL, 10);
    return size >= whole ? whole : 0;
}

/* A series of numbers, always the same. */
static inline uint32_t outside_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

#endif
