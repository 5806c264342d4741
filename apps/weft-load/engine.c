/* The engine from outside a run: servers and connections are set up, answers learned. */

#include "inside.h"

#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define TIMEOUT_DEFAULT (10 * LOAD_SECOND)
#define RAW_KEPT_MAX    (128u << 10) /* of a first answer */
#define CONNECT_BATCH   64

int load_socket(const struct load_target *target)
{
    int one = 1, family = target->address.ss_family;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    const struct sockaddr *address = (const struct sockaddr *)&target->address;
    if (connect(fd, address, target->address_size) < 0 && errno != EINPROGRESS) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

void load_blame(struct load_engine *engine, enum load_error error, const struct load_target *target,
                const char *text)
{
    char *example = engine->result->example[error];
    engine->result->errors[error]++;
    if (example[0] == '\0')
        snprintf(example, LOAD_EXAMPLE_MAX, "%.100s: %s", target->url, text);
}

uint64_t load_result_failed(const struct load_result *result)
{
    uint64_t sum = 0;
    for (int i = 0; i < LOAD_ERRORS; i++)
        sum += result->errors[i];
    return sum;
}

/* --- Picking. --- */

/* By weights: steps of the golden ratio fall evenly, and never twice in a row where there is a
 * choice. */
uint32_t load_pick(struct picker *picker)
{
    uint64_t turn = picker->turn++;
    if (picker->upto == NULL)
        return picker->ids[picker->count == 1 ? 0 : turn % picker->count];
    double part = fmod((double)(turn % (1u << 30)) * 0.6180339887498949, 1);
    uint32_t low = 0, high = picker->count - 1;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (part < picker->upto[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return picker->ids[low];
}

static bool picker_init(struct picker *picker, uint32_t room)
{
    picker->ids = calloc(room, sizeof *picker->ids);
    picker->upto = calloc(room, sizeof *picker->upto);
    return picker->ids != NULL && picker->upto != NULL;
}

/* While it is filled, `upto` has the weights. */
static void picker_add(struct picker *picker, uint32_t id, double weight)
{
    picker->ids[picker->count] = id;
    picker->upto[picker->count++] = weight;
}

static void picker_ready(struct picker *picker)
{
    double sum = 0, all = 0;
    bool same = true;
    for (uint32_t i = 0; i < picker->count; i++) {
        same = same && picker->upto[i] == picker->upto[0];
        all += picker->upto[i];
    }
    for (uint32_t i = 0; i < picker->count; i++)
        picker->upto[i] = (sum += picker->upto[i]) / all;
    if (same) {
        free(picker->upto);
        picker->upto = NULL;
    }
}

static void picker_free(struct picker *picker)
{
    free(picker->ids);
    free(picker->upto);
}

/* --- Servers. --- */

static bool is_same_server(const struct load_target *one, const struct load_target *other)
{
    return one->protocol == other->protocol && one->address_size == other->address_size &&
           memcmp(&one->address, &other->address, one->address_size) == 0;
}

static struct server *server_for(struct load_engine *engine, const struct load_target *target)
{
    for (int i = engine->server_count - 1; i >= 0; i--)
        if (is_same_server(engine->servers[i].model, target))
            return &engine->servers[i];
    struct server *server = &engine->servers[engine->server_count++];
    server->model = target;
    link_clear(&server->free);
    return server;
}

/* Targets find their servers, and each server its targets. */
static bool open_servers(struct load_engine *engine)
{
    int count = engine->target_count;
    engine->servers = calloc((size_t)count, sizeof *engine->servers);
    engine->server_of = calloc((size_t)count, sizeof(struct server *));
    if (engine->servers == NULL || engine->server_of == NULL ||
        !picker_init(&engine->picker, (uint32_t)count))
        return false;
    for (int i = 0; i < count; i++) {
        struct load_target *target = &engine->targets[i];
        engine->server_of[i] = server_for(engine, target);
        engine->server_of[i]->weight += target->weight;
        engine->server_of[i]->picker.count++;
        picker_add(&engine->picker, (uint32_t)i, target->weight);
    }
    picker_ready(&engine->picker);
    for (int i = 0; i < engine->server_count; i++) {
        uint32_t room = engine->servers[i].picker.count;
        engine->servers[i].picker.count = 0;
        if (!picker_init(&engine->servers[i].picker, room))
            return false;
    }
    for (int i = 0; i < count; i++)
        picker_add(&engine->server_of[i]->picker, (uint32_t)i, engine->targets[i].weight);
    for (int i = 0; i < engine->server_count; i++)
        picker_ready(&engine->servers[i].picker);
    return true;
}

/* Each server has a connection; the others are dealt out by weight. */
static bool open_connections(struct load_engine *engine)
{
    struct load_setup *setup = &engine->setup;
    struct picker picker = { 0 };
    if (setup->connections < engine->server_count)
        setup->connections = engine->server_count;
    size_t count = (size_t)setup->connections;
    engine->connections = calloc(count, sizeof *engine->connections);
    engine->rings = calloc(count * (size_t)setup->pipeline, sizeof *engine->rings);
    bool good = engine->connections != NULL && engine->rings != NULL &&
                picker_init(&picker, (uint32_t)engine->server_count);
    for (int i = 0; i < engine->server_count && good; i++)
        picker_add(&picker, (uint32_t)i, engine->servers[i].weight);
    if (good)
        picker_ready(&picker);
    for (int i = 0; i < setup->connections && good; i++) {
        struct connection *connection = &engine->connections[i];
        uint32_t at = i < engine->server_count ? (uint32_t)i : load_pick(&picker);
        connection->server = &engine->servers[at];
        connection->fd = -1;
        connection->requests = engine->rings + (size_t)i * (size_t)setup->pipeline;
    }
    picker_free(&picker);
    return good;
}

/* --- The first answers: one after the other, and slowly. --- */

struct lesson {
    struct load_engine *engine;
    struct load_target *target;
    int fd;
    int64_t deadline;
    size_t sent; /* of the request */
    char *wire;  /* the answer, as far as it is kept */
    size_t size;
    struct load_reader reader;
    char *why;
    size_t why_size;
};

static int complain(struct lesson *lesson, const char *what)
{
    snprintf(lesson->why, lesson->why_size, "%s: %s", lesson->target->url, what);
    return -1;
}

static int await(struct lesson *lesson, short events)
{
    struct pollfd poll_fd = { .fd = lesson->fd, .events = events };
    for (;;) {
        volatile sig_atomic_t *stop = lesson->engine->setup.stop;
        int64_t left = lesson->deadline - load_now();
        if (stop != NULL && *stop)
            return complain(lesson, "interrupted");
        if (left <= 0)
            return complain(lesson,
                            events == POLLIN ? "no answer in time" : "no connection in time");
        int count = poll(&poll_fd, 1, (int)(left / (LOAD_SECOND / 1000)) + 1);
        if (count > 0)
            return 0;
    }
}

static int lesson_connected(struct lesson *lesson)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (await(lesson, POLLOUT) < 0)
        return -1;
    getsockopt(lesson->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    return error != 0 ? complain(lesson, strerror(error)) : 0;
}

static int lesson_connect(struct lesson *lesson)
{
    lesson->fd = load_socket(lesson->target);
    return lesson->fd < 0 ? complain(lesson, strerror(-lesson->fd)) : lesson_connected(lesson);
}

/* As much as goes. What cannot be sent to a server that closes may have an answer nevertheless. */
static void lesson_send(struct lesson *lesson)
{
    const struct load_target *target = lesson->target;
    size_t left = target->request_size - lesson->sent;
    ssize_t n = left > 0 ? send(lesson->fd, target->request + lesson->sent, left, MSG_NOSIGNAL) : 0;
    if (n > 0)
        lesson->sent += (size_t)n;
    else if (n < 0 && errno != EAGAIN)
        lesson->sent = target->request_size;
}

static void keep_raw(struct lesson *lesson, const char *bytes, size_t size)
{
    if (lesson->size + size > RAW_KEPT_MAX)
        lesson->size = RAW_KEPT_MAX + 1; /* too long to be of use */
    else
        memcpy(lesson->wire + lesson->size, bytes, size);
    if (lesson->size <= RAW_KEPT_MAX)
        lesson->size += size;
}

/* Returns 1 when the answer is whole. */
static int lesson_receive(struct lesson *lesson)
{
    struct load_engine *engine = lesson->engine;
    struct load_expected *expected = &lesson->target->expected;
    size_t used;
    bool sends = lesson->sent < lesson->target->request_size;
    if (await(lesson, sends ? POLLIN | POLLOUT : POLLIN) < 0)
        return -1;
    lesson_send(lesson);
    ssize_t n = recv(lesson->fd, engine->in, sizeof engine->in, 0);
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n < 0)
        return complain(lesson, strerror(errno));
    if (n == 0) {
        lesson->reader.keep_alive = false;
        return lesson->target->protocol->end(&lesson->reader, expected)
                   ? 1
                   : complain(lesson, "closed before the first answer was whole");
    }
    switch (
        lesson->target->protocol->feed(&lesson->reader, expected, engine->in, (size_t)n, &used)) {
    case LOAD_MORE:
        keep_raw(lesson, engine->in, (size_t)n);
        return 0;
    case LOAD_DONE:
        keep_raw(lesson, engine->in, used);
        return used < (size_t)n ? complain(lesson, "more bytes than one answer has") : 1;
    default:
        return complain(lesson, "the first answer is none that one can read");
    }
}

static int lesson_ask(struct lesson *lesson)
{
    struct load_expected *expected = &lesson->target->expected;
    int step;
    lesson->size = lesson->sent = 0;
    load_reader_begin(&lesson->reader, true);
    lesson->reader.learns = expected->status == 0 && expected->body == NULL;
    lesson->deadline = load_now() + lesson->engine->setup.timeout;
    if (lesson->fd < 0 && lesson_connect(lesson) < 0)
        return -1;
    lesson_send(lesson);
    do
        step = lesson_receive(lesson);
    while (step == 0);
    if (step < 0)
        return -1;
    if (!lesson->reader.learns && lesson->reader.wrong != LOAD_RIGHT)
        return complain(lesson, "the first answer is not what was sent");
    if (lesson->reader.learns && lesson->size <= RAW_KEPT_MAX)
        lesson->target->protocol->learn(expected, &lesson->reader, lesson->wire, lesson->size);
    else if (lesson->reader.learns)
        lesson->target->protocol->learn(expected, &lesson->reader, NULL, 0);
    return 0;
}

/* The connection that asked is the server's first, if it may be kept. */
static void adopt(struct load_engine *engine, struct lesson *lesson, struct connection *connection)
{
    if (lesson->fd < 0)
        return;
    connection->fd = lesson->fd;
    connection->state = OPEN;
    connection->has_answered = true;
    load_watch(engine, connection, EPOLLIN);
}

static int learn_server(struct lesson *lesson, struct server *server)
{
    int err = 0;
    lesson->fd = -1;
    for (uint32_t i = 0; i < server->picker.count && err == 0; i++) {
        lesson->target = &lesson->engine->targets[server->picker.ids[i]];
        err = lesson_ask(lesson);
        bool keeps = err == 0 && lesson->reader.keep_alive && !lesson->engine->setup.churns;
        if (!keeps && lesson->fd >= 0) {
            close(lesson->fd);
            lesson->fd = -1;
        }
    }
    return err;
}

static int learn(struct load_engine *engine, char *why, size_t why_size)
{
    struct lesson lesson = {
        .engine = engine, .fd = -1, .why = why, .why_size = why_size, .wire = malloc(RAW_KEPT_MAX)
    };
    int err = lesson.wire != NULL ? 0 : -1;
    for (int i = 0; i < engine->server_count && err == 0; i++) {
        err = learn_server(&lesson, &engine->servers[i]);
        if (err == 0)
            adopt(engine, &lesson, &engine->connections[i]);
    }
    free(lesson.wire);
    load_reader_free(&lesson.reader);
    return err;
}

/* --- Opening and closing. --- */

struct load_engine *load_engine_open(const struct load_setup *setup, struct load_target *targets,
                                     int count, char *why, size_t why_size)
{
    struct load_engine *engine = calloc(1, sizeof *engine);
    snprintf(why, why_size, "out of memory");
    if (engine == NULL)
        return NULL;
    engine->setup = *setup;
    if (setup->connections <= 0)
        engine->setup.connections = 1;
    if (setup->pipeline <= 0 || setup->churns)
        engine->setup.pipeline = 1;
    if (setup->timeout <= 0)
        engine->setup.timeout = TIMEOUT_DEFAULT;
    if (setup->check_every == 0)
        engine->setup.check_every = 1;
    engine->targets = targets;
    engine->target_count = count;
    link_clear(&engine->dial);
    engine->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (engine->epoll < 0)
        snprintf(why, why_size, "epoll: %s", strerror(errno));
    if (engine->epoll < 0 || !open_servers(engine) || !open_connections(engine) ||
        learn(engine, why, why_size) < 0) {
        load_engine_close(engine);
        return NULL;
    }
    return engine;
}

/* Some at a time, so that far servers do not take a round trip for each. Returns how many of the
 * connections from `first` on are done with, or -1. */
static int connect_some(struct load_engine *engine, int first, char *why, size_t why_size)
{
    struct lesson lessons[CONNECT_BATCH];
    int count = engine->setup.connections - first, err = 0;
    count = count < CONNECT_BATCH ? count : CONNECT_BATCH;
    for (int i = 0; i < count; i++) {
        struct connection *connection = &engine->connections[first + i];
        lessons[i] = (struct lesson){ .engine = engine,
                                      .target = (struct load_target *)connection->server->model,
                                      .fd = -1,
                                      .deadline = load_now() + engine->setup.timeout,
                                      .why = why,
                                      .why_size = why_size };
        if (connection->state == OPEN || err < 0)
            continue;
        lessons[i].fd = load_socket(lessons[i].target);
        err = lessons[i].fd < 0 ? complain(&lessons[i], strerror(-lessons[i].fd)) : 0;
    }
    for (int i = 0; i < count; i++) {
        if (lessons[i].fd < 0)
            continue;
        if (err < 0 || (err = lesson_connected(&lessons[i])) < 0)
            close(lessons[i].fd);
        else
            adopt(engine, &lessons[i], &engine->connections[first + i]);
        engine->connections[first + i].has_answered = false;
    }
    return err < 0 ? -1 : count;
}

int load_engine_connect(struct load_engine *engine, char *why, size_t why_size)
{
    int count = 0;
    for (int i = 0; i < engine->setup.connections && !engine->setup.churns && count >= 0;
         i += count)
        count = connect_some(engine, i, why, why_size);
    return count < 0 ? -1 : 0;
}

void load_engine_close(struct load_engine *engine)
{
    for (int i = 0; engine->connections != NULL && i < engine->setup.connections; i++) {
        if (engine->connections[i].fd >= 0)
            close(engine->connections[i].fd);
        load_reader_free(&engine->connections[i].reader);
    }
    for (int i = 0; i < engine->server_count; i++) {
        picker_free(&engine->servers[i].picker);
        free(engine->servers[i].backlog.requests);
    }
    picker_free(&engine->picker);
    free(engine->server_of);
    free(engine->servers);
    free(engine->connections);
    free(engine->rings);
    if (engine->epoll >= 0)
        close(engine->epoll);
    free(engine);
}
