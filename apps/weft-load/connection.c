/* One connection: it is opened, sends what it was given, reads answers, and ends. */

#include "inside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAUSE (50 * LOAD_SECOND / 1000) /* after a connect that failed */

static struct request *request_at(const struct load_engine *engine,
                                  const struct connection *connection, uint32_t index)
{
    uint32_t at = connection->first + index, room = (uint32_t)engine->setup.pipeline;
    return &connection->requests[at < room ? at : at - room];
}

static struct load_target *target_of(const struct load_engine *engine,
                                     const struct request *request)
{
    return &engine->targets[request->target];
}

void load_watch(struct load_engine *engine, struct connection *connection, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = connection };
    if (connection->watched == events)
        return;
    epoll_ctl(engine->epoll, connection->watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD,
              connection->fd, &event);
    connection->watched = events;
}

/* --- Requests under way. --- */

void load_assign(struct load_engine *engine, struct connection *connection, int64_t due,
                 int64_t now, uint32_t target)
{
    engine->under_way++;
    struct request *request = request_at(engine, connection, connection->count++);
    *request = (struct request){ .due = due, .sent = now, .target = target };
}

/* The first one is not under way any more. Returns false when it was not even sent whole: nothing
 * can follow it then. */
static bool pop(struct load_engine *engine, struct connection *connection)
{
    bool was_sent = connection->sent > 0;
    connection->first++;
    if (connection->first == (uint32_t)engine->setup.pipeline)
        connection->first = 0;
    connection->count--;
    connection->sent -= was_sent;
    engine->under_way--;
    return was_sent;
}

void load_hang_up(struct load_engine *engine, struct connection *connection)
{
    engine->connecting -= connection->state == CONNECTING;
    if (connection->fd >= 0)
        close(connection->fd);
    link_remove(&connection->link);
    connection->fd = -1;
    connection->state = CLOSED;
    connection->watched = 0;
    connection->is_reading = connection->has_answered = false;
    connection->sent = 0;
    connection->offset = 0;
    connection->since = 0;
}

/* It ends, and what it had under way comes back: to be sent again, for the server never began with
 * it. */
static void end(struct load_engine *engine, struct connection *connection, int64_t now)
{
    int64_t since = connection->since;
    bool failed = connection->state == CONNECTING;
    load_hang_up(engine, connection);
    connection->since = failed ? since : 0;
    while (connection->count > 0) {
        struct request request = *request_at(engine, connection, 0);
        engine->result->retried++;
        pop(engine, connection);
        load_defer(engine, &request);
    }
    load_offer(engine, connection, now);
}

/* It ends before its time. Someone has to be blamed, so that a server that always does this does
 * not make us ask for ever: the first request, unless the connection did answer before. Then the
 * server closed what it had kept open, as it may. */
static void lose(struct load_engine *engine, struct connection *connection, enum load_error error,
                 const char *text, int64_t now)
{
    if (connection->count > 0 && !(error == LOAD_RESET && connection->has_answered)) {
        const struct request *request = request_at(engine, connection, 0);
        load_blame(engine, error, target_of(engine, request), text);
        pop(engine, connection);
    }
    end(engine, connection, now);
}

/* There is no connection: one request pays for it, and the next attempt has to wait a little. */
static void fail(struct load_engine *engine, struct connection *connection, int error, int64_t now)
{
    struct backlog *backlog = &connection->server->backlog;
    if (connection->count > 0) {
        load_blame(engine, LOAD_CONNECT, target_of(engine, request_at(engine, connection, 0)),
                   strerror(error));
        pop(engine, connection);
    } else if (backlog->count > 0) {
        load_blame(engine, LOAD_CONNECT, connection->server->model, strerror(error));
        backlog->first++;
        backlog->count--;
        engine->result->waiting--;
    } else if (!engine->is_open && engine->is_issuing && engine->left > 0) {
        load_blame(engine, LOAD_CONNECT, connection->server->model, strerror(error));
        engine->result->due++;
        engine->left--;
    }
    connection->since = now + PAUSE;
    end(engine, connection, now);
}

/* --- Opening. --- */

void load_dial(struct load_engine *engine, struct connection *connection, int64_t now)
{
    link_remove(&connection->link);
    connection->state = CONNECTING;
    engine->connecting++;
    connection->since = now;
    connection->fd = load_socket(connection->server->model);
    if (connection->fd < 0) {
        fail(engine, connection, -connection->fd, now);
        return;
    }
    /* Near by it is connected already: then this saves waiting to hear so. */
    if (connection->count > 0)
        load_flush(engine, connection);
    if (connection->state == CONNECTING)
        load_watch(engine, connection, EPOLLIN | EPOLLOUT);
}

static void connected(struct load_engine *engine, struct connection *connection)
{
    connection->state = OPEN;
    engine->connecting--;
    engine->result->connects++;
}

/* --- Sending. --- */

/* The bytes to send next: of one request where they lie, of several put together. */
static const char *gather(struct load_engine *engine, const struct connection *connection,
                          size_t *size)
{
    const struct load_target *target =
        target_of(engine, request_at(engine, connection, connection->sent));
    const char *bytes = target->request + connection->offset;
    *size = target->request_size - connection->offset;
    uint32_t next = connection->sent + 1;
    if (next == connection->count || *size > LOAD_OUT_MAX)
        return bytes;
    memcpy(engine->out, bytes, *size);
    for (; next < connection->count; next++) {
        target = target_of(engine, request_at(engine, connection, next));
        if (*size + target->request_size > LOAD_OUT_MAX)
            break;
        memcpy(engine->out + *size, target->request, target->request_size);
        *size += target->request_size;
    }
    return engine->out;
}

static void advance(struct load_engine *engine, struct connection *connection, size_t sent)
{
    engine->result->bytes_out += sent;
    while (sent > 0) {
        size_t left =
            target_of(engine, request_at(engine, connection, connection->sent))->request_size -
            connection->offset;
        if (sent < left) {
            connection->offset += sent;
            return;
        }
        sent -= left;
        connection->offset = 0;
        connection->sent++;
        engine->result->sent++;
    }
}

void load_flush(struct load_engine *engine, struct connection *connection)
{
    while (connection->sent < connection->count) {
        size_t size;
        const char *bytes = gather(engine, connection, &size);
        ssize_t n = send(connection->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        int error = n < 0 ? errno : 0;
        if (error == EAGAIN) {
            load_watch(engine, connection, EPOLLIN | EPOLLOUT);
            return;
        }
        if (error != 0) {
            if (connection->state == CONNECTING)
                fail(engine, connection, error, load_now());
            else if (connection->is_reading || error == EPIPE || error == ECONNRESET)
                load_watch(engine, connection, EPOLLIN); /* an answer may lie there: read it */
            else
                lose(engine, connection, LOAD_RESET, strerror(error), load_now());
            return;
        }
        if (connection->state == CONNECTING)
            connected(engine, connection);
        advance(engine, connection, (size_t)n);
    }
    load_watch(engine, connection, EPOLLIN);
}

/* --- Answers. --- */

static void count_right(struct load_engine *engine, const struct request *request, int64_t now)
{
    struct load_result *result = engine->result;
    result->right++;
    load_histogram_add(&result->latency, now - request->due);
    if (engine->is_open)
        load_histogram_add(&result->service, now - request->sent);
}

static void judge(struct load_engine *engine, const struct connection *connection,
                  const struct request *request, int64_t now)
{
    char text[LOAD_EXAMPLE_MAX];
    const struct load_target *target = target_of(engine, request);
    if (connection->reader.wrong == LOAD_RIGHT) {
        count_right(engine, request, now);
        return;
    }
    load_reader_tell(&connection->reader, &target->expected, text, sizeof text);
    load_blame(engine, (enum load_error)connection->reader.wrong, target, text);
}

/* Bytes behind the last answer: that one was not right after all. */
static void stray(struct load_engine *engine, struct connection *connection, int64_t now)
{
    if (engine->result->right > 0)
        engine->result->right--;
    else
        engine->result->due++;
    load_blame(engine, LOAD_MALFORMED, connection->server->model, "bytes that nobody asked for");
    end(engine, connection, now);
}

/* What is to be done after an answer. Returns whether the connection goes on. */
static bool answered(struct load_engine *engine, struct connection *connection, bool keeps,
                     int64_t now)
{
    connection->is_reading = false;
    connection->has_answered = true;
    keeps = pop(engine, connection) && keeps;
    engine->answers++;
    engine->last = now;
    if (keeps && !engine->setup.churns)
        return true;
    if (engine->setup.churns && !keeps) { /* the server closes first: no TIME_WAIT here */
        connection->state = ENDING;
        connection->since = now;
        return false;
    }
    if (engine->setup.churns) {
        struct linger reset = { .l_onoff = 1, .l_linger = 0 };
        setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    end(engine, connection, now);
    return false;
}

/* Read one answer, or a part of one. Returns how many bytes it was, or -1: the connection does not
 * go on. */
static ptrdiff_t take(struct load_engine *engine, struct connection *connection, const char *bytes,
                      size_t len, int64_t now)
{
    const struct request *request = request_at(engine, connection, 0);
    struct load_target *target = target_of(engine, request);
    struct load_reader *reader = &connection->reader;
    size_t used;
    if (!connection->is_reading) {
        bool looks = target->expected.check >= LOAD_CHECK_BODY &&
                     engine->answers % engine->setup.check_every == 0;
        used = load_quick(&target->expected, bytes, len, looks);
        if (used > 0) {
            count_right(engine, request, now);
            return answered(engine, connection, target->expected.keep_alive, now) ? (ptrdiff_t)used
                                                                                  : -1;
        }
        load_reader_begin(reader, looks);
        connection->is_reading = true;
    }
    switch (target->protocol->feed(reader, &target->expected, bytes, len, &used)) {
    case LOAD_MORE:
        return (ptrdiff_t)len;
    case LOAD_DONE:
        judge(engine, connection, request, now);
        return answered(engine, connection, reader->keep_alive, now) ? (ptrdiff_t)used : -1;
    default:
        lose(engine, connection, LOAD_MALFORMED, "bytes that are no answer", now);
        return -1;
    }
}

static void hear_end(struct load_engine *engine, struct connection *connection, int error)
{
    int64_t now = load_now();
    const struct request *request = request_at(engine, connection, 0);
    if (connection->state == ENDING || connection->count == 0) {
        end(engine, connection, now);
        return;
    }
    const struct load_target *target = target_of(engine, request);
    if (error == 0 && connection->is_reading &&
        target->protocol->end(&connection->reader, &target->expected)) {
        judge(engine, connection, request, now);
        pop(engine, connection);
        engine->answers++;
        engine->last = now;
        end(engine, connection, now);
        return;
    }
    lose(engine, connection, connection->is_reading ? LOAD_SHORT : LOAD_RESET,
         error != 0               ? strerror(error)
         : connection->is_reading ? "closed in the middle of an answer"
                                  : "closed without an answer",
         now);
}

static void receive(struct load_engine *engine, struct connection *connection)
{
    ssize_t n = recv(connection->fd, engine->in, sizeof engine->in, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        hear_end(engine, connection, n < 0 ? errno : 0);
        return;
    }
    int64_t now = load_now();
    size_t used = 0, len = (size_t)n;
    engine->result->bytes_in += len;
    if (connection->state == ENDING)
        return;
    while (used < len) {
        if (connection->count == 0) {
            stray(engine, connection, now);
            return;
        }
        ptrdiff_t piece = take(engine, connection, engine->in + used, len - used, now);
        if (piece < 0)
            return;
        used += (size_t)piece;
    }
    load_offer(engine, connection, now);
}

/* --- Events. --- */

void load_event(struct load_engine *engine, struct connection *connection, uint32_t events)
{
    if (connection->state == CLOSED)
        return;
    if (connection->state == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) {
            fail(engine, connection, error, load_now());
            return;
        }
        if ((events & EPOLLOUT) == 0)
            return;
        connected(engine, connection);
        load_offer(engine, connection, load_now());
        return;
    }
    if ((events & EPOLLOUT) != 0 && connection->sent < connection->count)
        load_flush(engine, connection);
    if (connection->state != CLOSED && (events & ~(uint32_t)EPOLLOUT) != 0)
        receive(engine, connection);
}

/* Whatever has lasted too long. */
void load_expire(struct load_engine *engine, struct connection *connection, int64_t now)
{
    int64_t timeout = engine->setup.timeout;
    if (connection->state == CONNECTING && now - connection->since > timeout) {
        fail(engine, connection, ETIMEDOUT, now);
    } else if (connection->state == ENDING && now - connection->since > timeout) {
        end(engine, connection, now);
    } else if (connection->count > 0 && connection->state == OPEN &&
               now - request_at(engine, connection, 0)->sent > timeout) {
        const char *text =
            connection->is_reading ? "only a part of an answer in time" : "no answer in time";
        while (connection->count > 1 && now - request_at(engine, connection, 1)->sent > timeout) {
            load_blame(engine, LOAD_TIMEOUT, target_of(engine, request_at(engine, connection, 0)),
                       text);
            pop(engine, connection);
        }
        lose(engine, connection, LOAD_TIMEOUT, text, now);
    }
}
