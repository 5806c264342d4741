#include "floor/resp_epoll.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIPELINED_MAX 1024
#define VALUE         "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

/* As long as what a server answers, many times behind one another. */
struct answer {
    const char *text;
    char *copies;
    size_t size;
};

static struct answer status = { .text = "+OK\r\n" }, string = { .text = "$64\r\n" VALUE "\r\n" };

static void repeat(struct answer *answer)
{
    answer->size = strlen(answer->text);
    answer->copies = malloc(PIPELINED_MAX * answer->size);
    for (size_t i = 0; answer->copies && i < PIPELINED_MAX; i++)
        memcpy(answer->copies + i * answer->size, answer->text, answer->size);
}

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

/* The number of "*3\r\n" or "$64\r\n"; *at is moved behind it. */
static size_t read_length(const char **at, const char *end)
{
    size_t value = 0;
    const char *byte = *at + 1;
    for (; byte < end && *byte != '\r'; byte++)
        value = value * 10 + (size_t)(*byte - '0');
    *at = byte + 2;
    return value;
}

/* The load sends whole commands: none is split between two receives. */
static size_t count_commands(const char *data, size_t size)
{
    const char *end = data + size;
    size_t count = 0;
    for (; data < end; count++) {
        size_t words = read_length(&data, end);
        while (words-- > 0) {
            size_t length = read_length(&data, end);
            data += length + 2;
        }
    }
    return count < PIPELINED_MAX ? count : PIPELINED_MAX;
}

static void answer_one(int fd)
{
    char buffer[65536];
    ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    const struct answer *answer = n > 8 && buffer[8] == 'G' ? &string : &status; /* *2 $3 GET */
    size_t size = n > 0 ? count_commands(buffer, (size_t)n) * answer->size : 0;
    if (n <= 0 || send(fd, answer->copies, size, MSG_NOSIGNAL) != (ssize_t)size)
        close(fd);
}

void resp_epoll(struct server_ends ends)
{
    struct epoll_event events[256];
    int port, listener = server_listen(&port), epoll = epoll_create1(EPOLL_CLOEXEC);
    repeat(&status);
    repeat(&string);
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
