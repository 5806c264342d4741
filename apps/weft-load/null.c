#include "null.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX  256
#define IN_MAX      (64u << 10)
#define ANSWERS_MAX 1024
#define BACKLOG     4096

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, world\n";
static const char end_of_head[4] = "\r\n\r\n";
#define ANSWER_SIZE (sizeof answer - 1)

/* A connection is its descriptor and how much of a blank line has come. */
struct null_server {
    int epoll, listener;
    bool echoes;
    uint8_t *matched; /* by descriptor */
    size_t room;
    char in[IN_MAX];
    char out[ANSWERS_MAX * ANSWER_SIZE];
};

static bool make_room(struct null_server *server, int fd)
{
    if ((size_t)fd >= server->room) {
        size_t room = 2 * (size_t)fd + 64;
        uint8_t *moved = realloc(server->matched, room);
        if (moved == NULL)
            return false;
        server->matched = moved;
        server->room = room;
    }
    server->matched[fd] = 0;
    return true;
}

static void accept_some(struct null_server *server)
{
    int fd, one = 1;
    while ((fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (!make_room(server, fd) || epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
            close(fd);
    }
}

/* How many heads end in these bytes. */
static size_t count_heads(uint8_t *matched, const char *bytes, size_t size)
{
    size_t count = 0, state = *matched;
    for (size_t i = 0; i < size;) {
        if (state == 0) { /* nothing begun: jump to the next '\r' */
            const char *next = memchr(bytes + i, '\r', size - i);
            if (next == NULL)
                break;
            i = (size_t)(next - bytes);
        }
        state = bytes[i] == end_of_head[state] ? state + 1 : bytes[i] == '\r';
        i++;
        if (state == 4) {
            count++;
            state = 0;
        }
    }
    *matched = (uint8_t)state;
    return count;
}

/* Whoever does not read what it is sent is hung up on. */
static bool send_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };
            if (poll(&poll_fd, 1, 1000) != 1)
                return false;
            continue;
        }
        if (n < 0)
            return false;
        bytes += n;
        size -= (size_t)n;
    }
    return true;
}

static bool send_answers(const struct null_server *server, int fd, size_t count)
{
    bool good = true;
    for (; count > 0 && good; count -= count < ANSWERS_MAX ? count : ANSWERS_MAX)
        good = send_all(fd, server->out, (count < ANSWERS_MAX ? count : ANSWERS_MAX) * ANSWER_SIZE);
    return good;
}

static void serve(struct null_server *server, int fd)
{
    ssize_t n = recv(fd, server->in, IN_MAX, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    bool good = n > 0;
    if (good && server->echoes)
        good = send_all(fd, server->in, (size_t)n);
    else if (good)
        good = send_answers(server, fd, count_heads(&server->matched[fd], server->in, (size_t)n));
    if (!good)
        close(fd);
}

static void serve_events(struct null_server *server)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(server->epoll, events, EVENTS_MAX, 1000);
    for (int i = 0; i < count; i++) {
        if (events[i].data.fd == server->listener)
            accept_some(server);
        else
            serve(server, events[i].data.fd);
    }
}

int load_null_serve(int listener, bool echoes, volatile sig_atomic_t *stop)
{
    struct null_server *server = calloc(1, sizeof *server);
    struct epoll_event event = { .events = EPOLLIN, .data.fd = listener };
    if (server == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < ANSWERS_MAX; i++)
        memcpy(server->out + i * ANSWER_SIZE, answer, ANSWER_SIZE);
    server->listener = listener;
    server->echoes = echoes;
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    int err = server->epoll >= 0 && epoll_ctl(server->epoll, EPOLL_CTL_ADD, listener, &event) == 0
                  ? 0
                  : -errno;
    while (err == 0 && !*stop)
        serve_events(server);
    close(server->epoll);
    free(server->matched);
    free(server);
    return err;
}

static int bind_to(const struct addrinfo *found)
{
    int one = 1;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static void tell_name(int fd, char *name, size_t size)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    char host[64], port[16];
    getsockname(fd, (struct sockaddr *)&address, &len);
    getnameinfo((struct sockaddr *)&address, len, host, sizeof host, port, sizeof port,
                NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(name, size, address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

int load_null_listen(const char *text, char *name, size_t name_size, char *why, size_t why_size)
{
    char host[256];
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *found;
    snprintf(host, sizeof host, "%s", text != NULL ? text : "127.0.0.1:0");
    char *colon = strrchr(host, ':');
    if (colon == NULL || colon[1] == '\0') {
        snprintf(why, why_size, "%.100s: not host:port", host);
        return -1;
    }
    *colon = '\0';
    bool is_v6 = host[0] == '[' && colon > host && colon[-1] == ']';
    if (is_v6)
        colon[-1] = '\0';
    int err = getaddrinfo(host + is_v6, colon + 1, &hints, &found);
    if (err != 0) {
        snprintf(why, why_size, "%.100s: %s", text, gai_strerror(err));
        return -1;
    }
    int fd = bind_to(found);
    freeaddrinfo(found);
    if (fd < 0)
        snprintf(why, why_size, "%.100s: %s", text != NULL ? text : "127.0.0.1", strerror(errno));
    else
        tell_name(fd, name, name_size);
    return fd;
}
