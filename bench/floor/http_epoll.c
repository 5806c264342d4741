#include "floor/http_epoll.h"

#include "hello.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIPELINED_MAX 64

/* As long as what weft answers. */
#define HEAD "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
static const char answer[] =
    HEAD "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n\r\n" HELLO_TEXT;
static const char product[] =
    HEAD "Content-Type: application/json\r\nContent-Length: 63\r\n\r\n" HELLO_PRODUCT "\n";

static char answers[PIPELINED_MAX * sizeof answer];

static void add(int epoll, int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void accept_one(int epoll, int listener)
{
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    add(epoll, fd);
}

/* The load sends whole requests: none is split between two receives. */
static size_t count_requests(const char *data, size_t size)
{
    size_t count = 0;
    const char *end = data + size, *next;
    while ((next = memmem(data, (size_t)(end - data), "\r\n\r\n", 4)) && count < PIPELINED_MAX) {
        count++;
        data = next + 4;
    }
    return count;
}

static void answer_one(int fd)
{
    char buffer[16384];
    ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    bool wants_product = n > 5 && buffer[5] == 'j'; /* GET /json */
    size_t count = n > 0 ? count_requests(buffer, (size_t)n) : 0;
    size_t size = wants_product ? sizeof product - 1 : count * (sizeof answer - 1);
    if (n <= 0 || send(fd, wants_product ? product : answers, size, MSG_NOSIGNAL) != (ssize_t)size)
        close(fd);
}

void http_epoll(struct server_ends ends)
{
    struct epoll_event events[256];
    int port, listener = server_listen(&port), epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < PIPELINED_MAX; i++)
        memcpy(answers + (size_t)i * (sizeof answer - 1), answer, sizeof answer - 1);
    add(epoll, listener);
    server_ready(ends, port);
    for (;;) {
        int count = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                accept_one(epoll, listener);
            else
                answer_one(events[i].data.fd);
        }
    }
}
