#include "floor/resp_epoll.h"

#include "floor/epoll_loop.h"

#include <stdlib.h>
#include <string.h>
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
    repeat(&status);
    repeat(&string);
    epoll_loop_serve(ends, answer_one);
}
