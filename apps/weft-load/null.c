#include "null.h"

#include "target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define EVENTS_MAX 256
#define BATCH      64 /* answers in one send */
#define FILES_MAX  1048576

struct null {
    int epoll, listener;
    bool echoes;
    char *answers; /* BATCH times the same */
    size_t answer_size;
    unsigned char *matched; /* for each descriptor: bytes of a blank line that ended a receive */
    char url[TARGET_TEXT_MAX];
};

static char buffer[256 << 10];

static int complain(char *why, const char *what)
{
    int error = errno;
    snprintf(why, TARGET_TEXT_MAX, "%.150s: %s", what, strerror(error));
    return -error;
}

static int make_answers(struct null *null, size_t size)
{
    char head[128];
    int length = snprintf(head, sizeof head,
                          "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: "
                          "%zu\r\n\r\n",
                          size);
    null->answer_size = (size_t)length + size;
    null->answers = malloc(BATCH * null->answer_size);
    null->matched = calloc(FILES_MAX, 1);
    if (null->answers == NULL || null->matched == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < BATCH; i++) {
        memcpy(null->answers + i * null->answer_size, head, (size_t)length);
        memset(null->answers + i * null->answer_size + length, 'x', size);
    }
    return 0;
}

static int watch(const struct null *null, int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    return epoll_ctl(null->epoll, EPOLL_CTL_ADD, fd, &event);
}

/* The address as a URL has it. */
static void tell_url(struct null *null, const struct target *target)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    char text[INET6_ADDRSTRLEN] = "";
    getsockname(null->listener, (struct sockaddr *)&address, &size);
    int family = address.ss_family, port = ntohs(((struct sockaddr_in *)&address)->sin_port);
    if (family == AF_INET)
        inet_ntop(family, &((struct sockaddr_in *)&address)->sin_addr, text, sizeof text);
    else if (family == AF_INET6)
        inet_ntop(family, &((struct sockaddr_in6 *)&address)->sin6_addr, text, sizeof text);
    if (family == AF_UNIX)
        snprintf(null->url, sizeof null->url, "%s", target->url);
    else
        snprintf(null->url, sizeof null->url, family == AF_INET ? "%s://%s:%d" : "%s://[%s]:%d",
                 target->protocol->scheme, text, port);
}

static int listen_at(struct null *null, const struct target *target, char *why)
{
    int one = 1, family = target->address.ss_family;
    null->listener = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    null->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (null->listener < 0 || null->epoll < 0)
        return complain(why, "socket");
    setsockopt(null->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct stat file; /* a socket that another one has left */
    const char *path = ((const struct sockaddr_un *)&target->address)->sun_path;
    if (family == AF_UNIX && lstat(path, &file) == 0 && S_ISSOCK(file.st_mode))
        unlink(path);
    if (bind(null->listener, (const struct sockaddr *)&target->address, target->address_size) < 0 ||
        listen(null->listener, 4096) < 0 || watch(null, null->listener) < 0)
        return complain(why, target->url);
    tell_url(null, target);
    return 0;
}

static void accept_all(const struct null *null)
{
    int fd, one = 1;
    while ((fd = accept4(null->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (fd >= FILES_MAX || watch(null, fd) < 0)
            close(fd);
        else
            null->matched[fd] = 0;
    }
}

/* Blank lines, also those that two receives share. */
static size_t count_heads(unsigned char *matched, const char *data, size_t size)
{
    static const char blank[] = "\r\n\r\n";
    size_t count = 0;
    const char *end = data + size, *next;
    if (*matched == 0 && size >= 4 && memcmp(end - 4, blank, 4) == 0) {
        while ((next = memmem(data, (size_t)(end - data), blank, 4)) != NULL) {
            count++;
            data = next + 4;
        }
        return count;
    }
    for (; data < end; data++) {
        *matched = *data == blank[*matched] ? *matched + 1 : *data == '\r';
        if (*matched == 4) {
            count++;
            *matched = 0;
        }
    }
    return count;
}

/* A client that does not read what it asked for is let go. */
static int answer(int fd, const char *data, size_t size)
{
    return send(fd, data, size, MSG_NOSIGNAL) == (ssize_t)size ? 0 : -1;
}

static int serve_one(struct null *null, int fd)
{
    ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0)
        return -1;
    if (null->echoes)
        return answer(fd, buffer, (size_t)n);
    size_t count = count_heads(&null->matched[fd], buffer, (size_t)n);
    for (; count > 0; count -= count < BATCH ? count : BATCH)
        if (answer(fd, null->answers, (count < BATCH ? count : BATCH) * null->answer_size) < 0)
            return -1;
    return 0;
}

int null_serve(struct null *null)
{
    struct epoll_event events[EVENTS_MAX];
    for (;;) {
        int count = epoll_wait(null->epoll, events, EVENTS_MAX, -1);
        if (count < 0 && errno != EINTR)
            return -errno;
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == null->listener)
                accept_all(null);
            else if (serve_one(null, events[i].data.fd) < 0)
                close(events[i].data.fd);
        }
    }
}

struct null *null_open(const char *url, size_t size, char why[TARGET_TEXT_MAX])
{
    struct target target;
    struct null *null = calloc(1, sizeof *null);
    snprintf(why, TARGET_TEXT_MAX, "out of memory");
    if (null == NULL)
        return NULL;
    null->epoll = null->listener = -1;
    int err = target_init(&target, url, &(struct request_options){ .size = 1 }, why);
    if (err == 0) {
        null->echoes = target.protocol != &http_protocol;
        err = make_answers(null, size);
        if (err == 0)
            err = listen_at(null, &target, why);
        target_fini(&target);
    }
    if (err == 0)
        return null;
    null_close(null);
    return NULL;
}

const char *null_url(const struct null *null)
{
    return null->url;
}

void null_close(struct null *null)
{
    if (null == NULL)
        return;
    if (null->epoll >= 0)
        close(null->epoll);
    if (null->listener >= 0)
        close(null->listener);
    free(null->answers);
    free(null->matched);
    free(null);
}
