#include "floor/epoll_loop.h"

#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>

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

void epoll_loop_serve(struct server_ends ends, void (*answer)(int fd))
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
                answer(events[i].data.fd);
        }
    }
}
