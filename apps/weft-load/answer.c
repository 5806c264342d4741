/* What a connection receives: answers are read, wherever the bytes are cut, compared with what is
 * expected, and end the oldest request.
 *
 *     recv --> window --> protocol->read --> a piece of body: look()    whole: judge(), finish()
 *                 '--> kept: what cannot be read before there is more, and is read again then
 *
 * Nothing is copied where an answer comes whole; a body is only if somebody collects bodies. */

#include "connection.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define WINDOW_SIZE (256u << 10) /* what one receive can bring */
#define KEPT_MAX    (128u << 10) /* of an answer that cannot be read before there is more */

static char window[WINDOW_SIZE];

#define SHOWN_MAX 20

/* Bytes as a terminal may be shown them. */
static const char *quote(char text[4 * SHOWN_MAX + 1], const char *bytes, size_t size)
{
    char *end = text;
    for (size_t i = 0; i < size && i < SHOWN_MAX; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte >= ' ' && byte < 0x7f)
            *end++ = bytes[i];
        else
            end += sprintf(end, "\\x%02x", byte);
    }
    *end = '\0';
    return text;
}

static void explain_body(struct engine *engine, const struct target *target, uint64_t offset,
                         const char *piece, size_t size)
{
    const char *expected = target->expected.body + offset;
    char got[4 * SHOWN_MAX + 1], wanted[4 * SHOWN_MAX + 1];
    size_t at = 0;
    while (piece[at] == expected[at])
        at++;
    engine_note(engine, FAULT_BODY, target, "byte %llu of the body: \"%s\", and not \"%s\"",
                (unsigned long long)(offset + at), quote(got, piece + at, size - at),
                quote(wanted, expected + at, size - at));
}

/* A piece of body, compared with what is expected there. */
static int look(struct connection *connection, const struct target *target, const char *piece,
                size_t size)
{
    struct reading *reading = &connection->reading;
    struct engine *engine = connection->engine;
    const struct expectation *expected = &target->expected;
    if (size == 0)
        return 0;
    if (reading->size == 0) {
        int every = engine->options.check_every;
        connection->compares = every == 0 || (every > 0 && engine->turn++ % (unsigned)every == 0);
        connection->differs = false;
    }
    if (connection->compares && expected->body != NULL && !connection->differs &&
        reading->size + size <= expected->size &&
        memcmp(piece, expected->body + reading->size, size) != 0) {
        connection->differs = true;
        explain_body(engine, target, reading->size, piece, size);
    }
    reading->size += size;
    /* What is whole and in one piece need not be copied. */
    if ((engine->options.collect || engine->learns) && !(reading->done && reading->size == size)) {
        if (connection->body.size + size > TARGET_BODY_MAX)
            return reading->why = "the body is too long to be kept", -EPROTO;
        if (bytes_add(&connection->body, piece, size) < 0)
            return reading->why = "out of memory", -EPROTO;
    }
    return 0;
}

static enum fault judge(struct connection *connection, const struct target *target)
{
    struct engine *engine = connection->engine;
    const struct reading *reading = &connection->reading;
    const struct expectation *expected = &target->expected;
    if (expected->status != 0 && reading->status != expected->status) {
        engine_note(engine, FAULT_STATUS, target, "%d, and not %d", reading->status,
                    expected->status);
        return FAULT_STATUS;
    }
    if (expected->size != TARGET_ANY_SIZE && !target->to_head && reading->size != expected->size) {
        engine_note(engine, FAULT_SIZE, target, "a body of %llu bytes, and not %llu",
                    (unsigned long long)reading->size, (unsigned long long)expected->size);
        return FAULT_SIZE;
    }
    return reading->size > 0 && connection->differs ? FAULT_BODY : FAULT_NONE;
}

static void keep_learned(struct engine *engine, struct target *target, const struct ending *ending)
{
    const struct expectation *expected = &target->expected;
    engine->learn_fault = FAULT_NONE;
    if (target->expected.status == 0)
        target->expected.status = ending->status;
    if (expected->body != NULL || expected->size != TARGET_ANY_SIZE)
        return;
    if (target_expect(target, expected->status, ending->body, ending->size) < 0)
        engine->learn_fault = FAULT_BODY;
}

/* The oldest exchange has its whole answer. */
static void finish(struct connection *connection, int64_t now)
{
    struct engine *engine = connection->engine;
    struct reading *reading = &connection->reading;
    const struct exchange exchange = *place_exchange(connection, 0);
    bool collects = engine->options.collect || engine->learns;
    struct ending ending = {
        .target = exchange.target,
        .fault = judge(connection, exchange.target),
        .due = exchange.due,
        .sent = exchange.sent,
        .at = now,
        .status = reading->status,
        .body = !collects                   ? NULL
                : connection->body.size > 0 ? connection->body.data
                : reading->piece != NULL    ? reading->piece
                                            : "",
        .size = reading->size,
    };
    engine->measures.statuses[reading->status / 100 % 10]++;
    connection->used = true;
    connection->failures = 0;
    if (engine->learns && ending.fault == FAULT_NONE)
        keep_learned(engine, exchange.target, &ending);
    bool closes = reading->closes || engine->options.close;
    connection->body.size = 0;
    *reading = (struct reading){ 0 };
    connection_end(connection, &ending);
    if (closes)
        connection_hang_up(connection); /* what was sent behind is asked again */
    connection_set_alarm(connection);
}

/* Read answers in the window. Returns what is left of it; negative: the rest makes no sense. */
static ssize_t take(struct connection *connection, const char *data, size_t size, int64_t now)
{
    struct reading *reading = &connection->reading;
    while (size > 0 && connection->state == OPEN) {
        if (connection->sent == 0)
            return reading->why = "bytes that nobody has asked for", -EPROTO;
        struct target *target = place_exchange(connection, 0)->target;
        reading->piece_size = 0;
        ssize_t n = target->protocol->read(reading, target, data, size);
        if (n < 0 || look(connection, target, reading->piece, reading->piece_size) < 0)
            return -EPROTO;
        bool done = reading->done;
        if (done)
            finish(connection, now);
        if (n == 0 && !done)
            break;
        data += n;
        size -= (size_t)n;
    }
    return connection->state == OPEN ? (ssize_t)size : 0;
}

static bool is_farewell(const struct connection *connection, const char *data, size_t size)
{
    const struct protocol *protocol = connection->endpoint->wheel[0]->protocol;
    return connection->count == 0 && protocol->is_farewell != NULL &&
           protocol->is_farewell(data, size);
}

/* All that is there, with what was kept before it. False: the connection has failed. */
static bool digest(struct connection *connection, const char *data, size_t size, int64_t now)
{
    struct bytes *kept = &connection->kept;
    bool joins = kept->size > 0;
    if (joins) {
        if (bytes_add(kept, data, size) < 0)
            return connection_fail(connection, FAULT_RESET, ENOMEM, now), false;
        data = kept->data;
        size = kept->size;
    }
    if (is_farewell(connection, data, size))
        return connection_reopen(connection, now), false;
    ssize_t left = take(connection, data, size, now);
    if (left > (ssize_t)KEPT_MAX)
        left = (connection->reading.why = "a head without end", -EPROTO);
    if (left < 0) {
        if (connection->count == 0) /* nobody to tell: a fault of its own */
            connection->engine->measures.faults[FAULT_MALFORMED]++;
        if (connection->count == 0)
            engine_note(connection->engine, FAULT_MALFORMED, connection->endpoint->wheel[0], "%s",
                        connection->reading.why);
        connection_fail(connection, FAULT_MALFORMED, 0, now);
        return false;
    }
    if (joins)
        memmove(kept->data, data + size - (size_t)left, (size_t)left);
    kept->size = joins ? (size_t)left : 0;
    if (!joins && left > 0 && bytes_add(kept, data + size - (size_t)left, (size_t)left) < 0)
        return connection_fail(connection, FAULT_RESET, ENOMEM, now), false;
    connection_offer(connection, now);
    return true;
}

/* No more will come; `error` says why, or is 0. */
static void receive_end(struct connection *connection, int error, int64_t now)
{
    struct engine *engine = connection->engine;
    const struct reading *reading = &connection->reading;
    if (connection->sent > 0 && error == 0) {
        const struct target *target = place_exchange(connection, 0)->target;
        if (target->protocol->ends_here(reading)) {
            finish(connection, now);
            connection_reopen(connection, now);
            return;
        }
    }
    bool begun = reading->begun || connection->kept.size > 0;
    if (connection->count == 0 || (engine->options.retry && connection->used && !begun))
        connection_reopen(connection, now);
    else
        connection_fail(connection, begun ? FAULT_SHORT : FAULT_RESET, error, now);
}

/* Edge-triggered: a short receive has emptied the socket, unless the end is behind it. */
void answer_receive(struct connection *connection, unsigned events)
{
    bool ends = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    int fd = connection->fd;
    while (connection->state == OPEN && connection->fd == fd) {
        ssize_t n = recv(fd, window, sizeof window, MSG_DONTWAIT);
        int error = errno;
        if (n < 0 && error == EINTR)
            continue;
        if (n < 0 && error == EAGAIN)
            return;
        int64_t now = engine_now();
        if (n <= 0) {
            receive_end(connection, n < 0 ? error : 0, now);
            return;
        }
        connection->engine->measures.bytes_in += (uint64_t)n;
        if (!digest(connection, window, (size_t)n, now) || ((size_t)n < sizeof window && !ends))
            return;
    }
}
