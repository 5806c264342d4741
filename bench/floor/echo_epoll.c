#include "floor/echo_epoll.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void add(int epoll, int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void accept_one(int epoll, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        add(epoll, fd);
}

static void echo_one(int fd)
{
    char buffer[16384];
    ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0 || send(fd, buffer, (size_t)n, MSG_NOSIGNAL) != n)
        close(fd);
}

void echo_epoll(struct server_ends ends)
{
    struct epoll_event events[256];
    int port, listener = server_listen(&port), epoll = epoll_create1(EPOLL_CLOEXEC);
    add(epoll, listener);
    server_ready(ends, port);
    for (;;) {
        int count = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                accept_one(epoll, listener);
            else
                echo_one(events[i].data.fd);
        }
    }
}
