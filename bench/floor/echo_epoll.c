#include "floor/echo_epoll.h"

#include "floor/epoll_loop.h"

#include <sys/socket.h>
#include <unistd.h>

static void echo_one(int fd)
{
    char buffer[16384];
    ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0 || send(fd, buffer, (size_t)n, MSG_NOSIGNAL) != n)
        close(fd);
}

void echo_epoll(struct server_ends ends)
{
    epoll_loop_serve(ends, echo_one);
}
