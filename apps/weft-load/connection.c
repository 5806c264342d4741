/* A connection's life but for what it receives: it is opened, given requests, sends them, and ends.
 *
 * Whatever happens to a connection ends in an offer: it takes what waits, sends it, connects for
 * that if need be, and is listed if it has room left. That can fail, and failing offers again;
 * connection_offer() makes a queue of this, so nothing here nests. */

#include "connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define SCRATCH_SIZE   (64u << 10) /* what one send of several requests has */
#define CONNECTING_MAX 128
#define REST           INT64_C(10000000)   /* after a connection that brought nothing, … */
#define REST_MAX       INT64_C(1000000000) /* … doubled each time up to this */

static char scratch[SCRATCH_SIZE];

static void dial(struct connection *connection, int64_t now);

/* --- How requests end. --- */

void connection_end(struct connection *connection, const struct ending *ending)
{
    struct engine *engine = connection->engine;
    if (ending->fault == FAULT_NONE) {
        engine->measures.answered++;
        durations_add(&engine->measures.from_due, ending->at - ending->due);
        durations_add(&engine->measures.from_sent, ending->at - ending->sent);
    } else {
        engine->measures.faults[ending->fault]++;
    }
    place_pop(connection);
    if (engine->options.ended != NULL)
        engine->options.ended(engine->options.context, ending);
}

void connection_set_alarm(struct connection *connection)
{
    struct engine *engine = connection->engine;
    int64_t at = INT64_MAX;
    if (engine->options.timeout > 0 && connection->sent > 0)
        at = place_exchange(connection, 0)->sent + engine->options.timeout;
    engine->alarms[place_index_of(connection)] = at;
}

void connection_hang_up(struct connection *connection)
{
    struct engine *engine = connection->engine;
    if (connection->fd >= 0)
        close(connection->fd);
    if (connection->state == OPEN)
        engine->open--;
    connection->fd = -1;
    connection->state = CLOSED;
    connection->sent = 0;
    connection->used = false;
    connection->reading = (struct reading){ 0 };
    connection->rest.size = connection->rest_at = 0;
    connection->kept.size = connection->body.size = 0;
    engine->alarms[place_index_of(connection)] = INT64_MAX;
}

/* Nothing came of it: do not try again at once. An open loop has its own pace. */
static void rest(struct connection *connection, int64_t now)
{
    int64_t time = REST << (connection->failures < 7 ? connection->failures : 7);
    connection->failures++;
    connection->state = RESTING;
    connection->engine->alarms[place_index_of(connection)] =
        now + (time < REST_MAX ? time : REST_MAX);
}

void connection_gather(struct engine *engine, int64_t now)
{
    while (engine->gather_next < engine->options.connections &&
           engine->gather_open < CONNECTING_MAX) {
        struct connection *connection = &engine->connections[engine->gather_next++];
        if (connection->state != CLOSED)
            continue;
        connection->gathers = true;
        engine->gather_open++;
        dial(connection, now);
    }
    if (engine->gather_open == 0)
        engine->gathers = false;
}

static void gathered(struct connection *connection)
{
    if (!connection->gathers)
        return;
    connection->gathers = false;
    connection->engine->gather_open--;
}

static void explain(struct engine *engine, enum fault fault, const struct target *target, int error,
                    const struct reading *reading)
{
    switch (fault) {
    case FAULT_CONNECT:
        engine_note(engine, fault, target, "%s", strerror(error));
        break;
    case FAULT_RESET:
        engine_note(engine, fault, target, "%s",
                    error ? strerror(error) : "closed before the answer");
        break;
    case FAULT_SHORT:
        engine_note(engine, fault, target, "ends after %llu bytes of body%s%s",
                    (unsigned long long)reading->size, error ? ": " : "",
                    error ? strerror(error) : "");
        break;
    case FAULT_TIMEOUT:
        engine_note(engine, fault, target, "no answer within %g s",
                    (double)engine->options.timeout / 1e9);
        break;
    default:
        engine_note(engine, fault, target, "%s", reading->why);
    }
}

void connection_fail(struct connection *connection, enum fault fault, int error, int64_t now)
{
    struct engine *engine = connection->engine;
    bool rests = !connection->used && !engine->options.tireless && engine->budget > 0;
    if (fault == FAULT_CONNECT)
        engine->connect_error = error;
    if (connection->count > 0)
        explain(engine, fault, place_exchange(connection, 0)->target, error, &connection->reading);
    else if (connection->gathers)
        engine->measures.faults[fault]++;
    unsigned lost = connection->count;
    connection_hang_up(connection);
    if (rests)
        rest(connection, now);
    while (lost-- > 0) {
        const struct exchange exchange = *place_exchange(connection, 0);
        connection_end(connection, &(struct ending){ .target = exchange.target,
                                                     .fault = fault,
                                                     .error = error,
                                                     .due = exchange.due,
                                                     .sent = exchange.sent,
                                                     .at = now });
    }
    gathered(connection);
    if (!rests)
        connection_offer(connection, now);
}

void connection_reopen(struct connection *connection, int64_t now)
{
    connection_hang_up(connection);
    connection_offer(connection, now);
}

/* --- Sending. --- */

/* The bytes of requests that are to be sent; one needs no copy. Returns how many requests. */
static unsigned compose(struct connection *connection, const char **data, size_t *size)
{
    const struct target *target = place_exchange(connection, connection->sent)->target;
    unsigned count = 0, left = connection->count - connection->sent;
    *data = target->request;
    *size = target->request_size;
    if (left == 1 || target->request_size > SCRATCH_SIZE)
        return 1;
    for (*size = 0; count < left; count++, *size += target->request_size) {
        target = place_exchange(connection, connection->sent + count)->target;
        if (target->request_size > SCRATCH_SIZE - *size)
            break;
        memcpy(scratch + *size, target->request, target->request_size);
    }
    *data = scratch;
    return count;
}

/* As much as the kernel takes; false: the connection has failed, or has asked for a pause. */
static bool put(struct connection *connection, const char *data, size_t size, int64_t now)
{
    ssize_t n = send(connection->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        int error = errno;
        connection_fail(connection, FAULT_RESET, error, now);
        return false;
    }
    size_t written = n > 0 ? (size_t)n : 0;
    connection->engine->measures.bytes_out += written;
    if (written == size)
        return true;
    if (bytes_add(&connection->rest, data + written, size - written) < 0)
        connection_fail(connection, FAULT_RESET, ENOMEM, now);
    return false;
}

void connection_flush(struct connection *connection, int64_t now)
{
    if (connection->state == CLOSED && connection->count > 0)
        dial(connection, now);
    while (connection->state == OPEN && connection->sent < connection->count &&
           connection->rest.size == 0) {
        const char *data;
        size_t size;
        unsigned count = compose(connection, &data, &size);
        for (unsigned i = 0; i < count; i++)
            place_exchange(connection, connection->sent + i)->sent = now;
        connection->sent += count;
        connection->engine->measures.asked += count;
        connection_set_alarm(connection);
        if (!put(connection, data, size, now))
            return;
    }
}

void connection_put_rest(struct connection *connection, int64_t now)
{
    struct bytes *rest = &connection->rest;
    ssize_t n = send(connection->fd, rest->data + connection->rest_at,
                     rest->size - connection->rest_at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            int error = errno;
            connection_fail(connection, FAULT_RESET, error, now);
        }
        return;
    }
    connection->engine->measures.bytes_out += (uint64_t)n;
    connection->rest_at += (size_t)n;
    if (connection->rest_at < rest->size)
        return;
    rest->size = connection->rest_at = 0;
    connection_offer(connection, now);
}

/* Its free places: for the closed loop's next requests, for who waits, or for who comes. */
static void offer_one(struct connection *connection, int64_t now)
{
    struct engine *engine = connection->engine;
    struct endpoint *endpoint = connection->endpoint;
    while (engine->budget > 0 && place_is_free(connection)) {
        engine->budget--;
        place_assign(connection, place_next_target(endpoint), now);
    }
    while (endpoint->backlog_count > 0 && place_is_free(connection)) {
        struct exchange exchange = place_pop_backlog(endpoint);
        place_assign(connection, exchange.target, exchange.due);
    }
    connection_flush(connection, now);
    if (place_is_free(connection))
        place_list(connection);
}

/* A connection can fail while it is offered requests, and then be offered others: one after the
 * other, and not within one another, however many wait. */
void connection_offer(struct connection *connection, int64_t now)
{
    struct engine *engine = connection->engine;
    if (connection->is_offered)
        return;
    connection->is_offered = true;
    connection->next_offer = engine->offers;
    engine->offers = connection;
    if (engine->is_offering)
        return;
    engine->is_offering = true;
    while ((connection = engine->offers) != NULL) {
        engine->offers = connection->next_offer;
        connection->is_offered = false;
        offer_one(connection, now);
    }
    engine->is_offering = false;
}

/* --- Connecting. --- */

static void opened(struct connection *connection, int64_t now)
{
    connection->state = OPEN;
    connection->engine->open++;
    connection->engine->measures.connects++;
    connection->engine->alarms[place_index_of(connection)] = INT64_MAX;
    gathered(connection);
    connection_offer(connection, now);
}

/* What comes with an event: the connection, and above the 48 bits of its address which of its
 * sockets that is. */
static uint64_t tag_of(const struct connection *connection)
{
    return (uint64_t)(uintptr_t)connection | (uint64_t)connection->generation << 48;
}

struct connection *connection_of(uint64_t tag)
{
    struct connection *connection =
        (struct connection *)(uintptr_t)(tag & ((UINT64_C(1) << 48) - 1));
    return connection->generation == tag >> 48 ? connection : NULL;
}

static int open_socket(struct connection *connection)
{
    struct engine *engine = connection->engine;
    const struct target *target = connection->endpoint->wheel[0];
    connection->generation++;
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                 .data.u64 = tag_of(connection) };
    int one = 1, family = target->address.ss_family;
    connection->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->fd < 0)
        return errno;
    if (family != AF_UNIX)
        setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    int error = 0;
    if (connect(connection->fd, (const struct sockaddr *)&target->address, target->address_size) <
        0)
        error = errno;
    if ((error == 0 || error == EINPROGRESS) &&
        epoll_ctl(engine->epoll, EPOLL_CTL_ADD, connection->fd, &event) < 0)
        return errno;
    return error;
}

static void dial(struct connection *connection, int64_t now)
{
    struct engine *engine = connection->engine;
    int error = open_socket(connection);
    if (error == 0) {
        opened(connection, now);
    } else if (error == EINPROGRESS) {
        connection->state = CONNECTING;
        if (engine->options.timeout > 0)
            engine->alarms[place_index_of(connection)] = now + engine->options.timeout;
    } else if (error == EAGAIN) { /* a Unix listener's queue is full: that is no failure */
        connection_hang_up(connection);
        connection->state = RESTING;
        engine->alarms[place_index_of(connection)] = now + REST;
    } else {
        connection_fail(connection, FAULT_CONNECT, error, now);
    }
}

void connection_conclude(struct connection *connection, unsigned events, int64_t now)
{
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0)
        connection_fail(connection, FAULT_CONNECT, error, now);
    else if ((events & EPOLLOUT) != 0)
        opened(connection, now);
}

/* --- Alarms. --- */

void connection_ring(struct connection *connection, int64_t now)
{
    switch (connection->state) {
    case RESTING:
        connection->state = CLOSED;
        connection->engine->alarms[place_index_of(connection)] = INT64_MAX;
        if (connection->gathers)
            dial(connection, now);
        else
            connection_offer(connection, now);
        return;
    case CONNECTING:
        connection_fail(connection, FAULT_CONNECT, ETIMEDOUT, now);
        return;
    default:
        connection_fail(connection, FAULT_TIMEOUT, 0, now);
    }
}
