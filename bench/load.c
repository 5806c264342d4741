#include "load.h"

#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX 256
#define ANSWER_MAX 65536

struct client {
    int fd;
    size_t received; /* of the answer that is coming */
};

struct load {
    int epoll;
    int connections;
    const char *request;
    size_t request_size;
    size_t answer_size;
    char answer[ANSWER_MAX]; /* the first one */
    long to_send;            /* requests of this run that have not been sent */
    long to_come;            /* answers of this run that have not come */
    struct client clients[];
};

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void send_request(struct load *load, struct client *client)
{
    client->received = 0;
    load->to_send--;
    if (send(client->fd, load->request, load->request_size, MSG_NOSIGNAL) !=
        (ssize_t)load->request_size)
        die("send");
}

/* Ask once, slowly, to learn how long an answer is. */
static void learn(struct load *load, int (*is_whole)(const char *answer, size_t size))
{
    size_t size = 0;
    send_request(load, &load->clients[0]);
    while (is_whole ? !is_whole(load->answer, size) : size < load->request_size) {
        ssize_t n = recv(load->clients[0].fd, load->answer + size, ANSWER_MAX - 1 - size, 0);
        if (n <= 0)
            die("first answer");
        size += (size_t)n;
        load->answer[size] = '\0';
    }
    if (!is_whole && memcmp(load->answer, load->request, size) != 0)
        die("the echo differs");
    load->answer_size = size;
}

struct load *load_open(int port, int connections, const char *request, size_t size,
                       int (*is_whole)(const char *answer, size_t size))
{
    struct load *load = calloc(1, sizeof *load + (size_t)connections * sizeof(struct client));
    if (!load)
        die("memory");
    load->connections = connections;
    load->request = request;
    load->request_size = size;
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < connections; i++) {
        struct client *client = &load->clients[i];
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = client };
        client->fd = server_dial(port);
        if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, client->fd, &event) < 0)
            die("epoll_ctl");
    }
    learn(load, is_whole);
    return load;
}

static void receive(struct load *load, struct client *client)
{
    static char answer[ANSWER_MAX];
    ssize_t n = recv(client->fd, answer, sizeof answer, MSG_DONTWAIT);
    if (n <= 0)
        die("recv");
    client->received += (size_t)n;
    if (client->received < load->answer_size)
        return;
    if (client->received > load->answer_size)
        die("an answer is too long");
    load->to_come--;
    if (load->to_send > 0)
        send_request(load, client);
}

void load_run(struct load *load, long requests)
{
    struct epoll_event events[EVENTS_MAX];
    load->to_send = load->to_come = requests;
    for (int i = 0; i < load->connections && load->to_send > 0; i++)
        send_request(load, &load->clients[i]);
    while (load->to_come > 0) {
        int count = epoll_wait(load->epoll, events, EVENTS_MAX, 10000);
        if (count <= 0)
            die("no answer for 10 s");
        for (int i = 0; i < count; i++)
            receive(load, events[i].data.ptr);
    }
}

const char *load_answer(const struct load *load, size_t *size)
{
    *size = load->answer_size;
    return load->answer;
}

void load_close(struct load *load)
{
    for (int i = 0; i < load->connections; i++)
        close(load->clients[i].fd);
    close(load->epoll);
    free(load);
}
