#include "place.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX     256
#define WINDOW_SIZE    (256u << 10) /* what one receive can bring */
#define SCRATCH_SIZE   (64u << 10)  /* what one send of several requests has */
#define KEPT_MAX       (128u << 10) /* of an answer that cannot be read before there is more */
#define CONNECTING_MAX 128
#define REST           INT64_C(10000000)   /* after a connection that brought nothing, … */
#define REST_MAX       INT64_C(1000000000) /* … doubled each time up to this */
#define SWEEP          INT64_C(10000000)   /* from one look at the alarms to the next */

static char window[WINDOW_SIZE], scratch[SCRATCH_SIZE];

int64_t engine_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

struct measures *engine_measures(struct engine *engine)
{
    return &engine->measures;
}

const char *engine_example(const struct engine *engine, enum fault fault)
{
    return engine->examples[fault];
}

/* --- How requests end. --- */

static void end(struct connection *connection, const struct ending *ending)
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

__attribute__((format(printf, 4, 5))) static void give_example(struct engine *engine,
                                                               enum fault fault,
                                                               const struct target *target,
                                                               const char *format, ...)
{
    char *text = engine->examples[fault];
    if (text[0] != '\0')
        return;
    int size = snprintf(text, EXAMPLE_MAX, "%.90s: ", target->url);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + size, (size_t)(EXAMPLE_MAX - size), format, arguments);
    va_end(arguments);
}

static void offer(struct connection *connection, int64_t now);
static void dial(struct connection *connection, int64_t now);

static void set_alarm(struct connection *connection)
{
    struct engine *engine = connection->engine;
    int64_t at = INT64_MAX;
    if (engine->options.timeout > 0 && connection->sent > 0)
        at = place_exchange(connection, 0)->sent + engine->options.timeout;
    engine->alarms[place_index_of(connection)] = at;
}

static void hang_up(struct connection *connection)
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

static void gather_more(struct engine *engine, int64_t now)
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
        give_example(engine, fault, target, "%s", strerror(error));
        break;
    case FAULT_RESET:
        give_example(engine, fault, target, "%s",
                     error ? strerror(error) : "closed before the answer");
        break;
    case FAULT_SHORT:
        give_example(engine, fault, target, "ends after %llu bytes of body%s%s",
                     (unsigned long long)reading->size, error ? ": " : "",
                     error ? strerror(error) : "");
        break;
    case FAULT_TIMEOUT:
        give_example(engine, fault, target, "no answer within %g s",
                     (double)engine->options.timeout / 1e9);
        break;
    default:
        give_example(engine, fault, target, "%s", reading->why);
    }
}

/* The connection is of no more use; all that was under way on it ends so. */
static void fail(struct connection *connection, enum fault fault, int error, int64_t now)
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
    hang_up(connection);
    if (rests)
        rest(connection, now);
    while (lost-- > 0) {
        const struct exchange exchange = *place_exchange(connection, 0);
        end(connection, &(struct ending){ .target = exchange.target,
                                          .fault = fault,
                                          .error = error,
                                          .due = exchange.due,
                                          .sent = exchange.sent,
                                          .at = now });
    }
    gathered(connection);
    if (!rests)
        offer(connection, now);
}

/* The server has closed. Where it had said so, or may have without having seen a request, what was
 * sent behind is asked again. */
static void reopen(struct connection *connection, int64_t now)
{
    hang_up(connection);
    offer(connection, now);
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
        fail(connection, FAULT_RESET, error, now);
        return false;
    }
    size_t written = n > 0 ? (size_t)n : 0;
    connection->engine->measures.bytes_out += written;
    if (written == size)
        return true;
    if (bytes_add(&connection->rest, data + written, size - written) < 0)
        fail(connection, FAULT_RESET, ENOMEM, now);
    return false;
}

/* Send what has a place and was not sent. */
static void flush(struct connection *connection, int64_t now)
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
        set_alarm(connection);
        if (!put(connection, data, size, now))
            return;
    }
}

/* There is room for what a send had left over. */
static void put_rest(struct connection *connection, int64_t now)
{
    struct bytes *rest = &connection->rest;
    ssize_t n = send(connection->fd, rest->data + connection->rest_at,
                     rest->size - connection->rest_at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            int error = errno;
            fail(connection, FAULT_RESET, error, now);
        }
        return;
    }
    connection->engine->measures.bytes_out += (uint64_t)n;
    connection->rest_at += (size_t)n;
    if (connection->rest_at < rest->size)
        return;
    rest->size = connection->rest_at = 0;
    offer(connection, now);
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
    flush(connection, now);
    if (place_is_free(connection))
        place_list(connection);
}

/* A connection can fail while it is offered requests, and then be offered others: one after the
 * other, and not within one another, however many wait. */
static void offer(struct connection *connection, int64_t now)
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
    offer(connection, now);
}

/* What comes with an event: the connection, and above the 48 bits of its address which of its
 * sockets that is. */
static uint64_t tag_of(const struct connection *connection)
{
    return (uint64_t)(uintptr_t)connection | (uint64_t)connection->generation << 48;
}

static struct connection *connection_of(uint64_t tag)
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
        hang_up(connection);
        connection->state = RESTING;
        engine->alarms[place_index_of(connection)] = now + SWEEP;
    } else {
        fail(connection, FAULT_CONNECT, error, now);
    }
}

static void conclude_connect(struct connection *connection, unsigned events, int64_t now)
{
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0)
        fail(connection, FAULT_CONNECT, error, now);
    else if ((events & EPOLLOUT) != 0)
        opened(connection, now);
}

/* --- Answers. --- */

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
    give_example(engine, FAULT_BODY, target, "byte %llu of the body: \"%s\", and not \"%s\"",
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
        give_example(engine, FAULT_STATUS, target, "%d, and not %d", reading->status,
                     expected->status);
        return FAULT_STATUS;
    }
    if (expected->size != TARGET_ANY_SIZE && !target->to_head && reading->size != expected->size) {
        give_example(engine, FAULT_SIZE, target, "a body of %llu bytes, and not %llu",
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
    end(connection, &ending);
    if (closes)
        hang_up(connection); /* what was sent behind is asked again */
    set_alarm(connection);
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
            return fail(connection, FAULT_RESET, ENOMEM, now), false;
        data = kept->data;
        size = kept->size;
    }
    if (is_farewell(connection, data, size))
        return reopen(connection, now), false;
    ssize_t left = take(connection, data, size, now);
    if (left > (ssize_t)KEPT_MAX)
        left = (connection->reading.why = "a head without end", -EPROTO);
    if (left < 0) {
        if (connection->count == 0) /* nobody to tell: a fault of its own */
            connection->engine->measures.faults[FAULT_MALFORMED]++;
        if (connection->count == 0)
            give_example(connection->engine, FAULT_MALFORMED, connection->endpoint->wheel[0], "%s",
                         connection->reading.why);
        fail(connection, FAULT_MALFORMED, 0, now);
        return false;
    }
    if (joins)
        memmove(kept->data, data + size - (size_t)left, (size_t)left);
    kept->size = joins ? (size_t)left : 0;
    if (!joins && left > 0 && bytes_add(kept, data + size - (size_t)left, (size_t)left) < 0)
        return fail(connection, FAULT_RESET, ENOMEM, now), false;
    offer(connection, now);
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
            reopen(connection, now);
            return;
        }
    }
    bool begun = reading->begun || connection->kept.size > 0;
    if (connection->count == 0 || (engine->options.retry && connection->used && !begun))
        reopen(connection, now);
    else
        fail(connection, begun ? FAULT_SHORT : FAULT_RESET, error, now);
}

/* Edge-triggered: a short receive has emptied the socket, unless the end is behind it. */
static void receive(struct connection *connection, unsigned events)
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

/* --- Turns. --- */

static void handle(struct connection *connection, unsigned events)
{
    if (connection == NULL)
        return;
    if (connection->state == CONNECTING)
        conclude_connect(connection, events, engine_now());
    else if (connection->state == OPEN && connection->rest.size > 0 && (events & EPOLLOUT) != 0)
        put_rest(connection, engine_now());
    if (connection->state == OPEN && (events & ~(unsigned)EPOLLOUT) != 0)
        receive(connection, events);
    struct engine *engine = connection->engine;
    if (engine->gathers)
        gather_more(engine, engine_now());
    if (engine->between != NULL)
        engine->between(engine->between_context, engine_now());
}

static void ring_alarm(struct connection *connection, int64_t now)
{
    switch (connection->state) {
    case RESTING:
        connection->state = CLOSED;
        connection->engine->alarms[place_index_of(connection)] = INT64_MAX;
        if (connection->gathers)
            dial(connection, now);
        else
            offer(connection, now);
        return;
    case CONNECTING:
        fail(connection, FAULT_CONNECT, ETIMEDOUT, now);
        return;
    default:
        fail(connection, FAULT_TIMEOUT, 0, now);
    }
}

/* Look at all alarms: 80 KB for 10,000 connections, some microseconds. */
static void sweep(struct engine *engine, int64_t now)
{
    engine->sweep_at = now + SWEEP;
    for (int i = 0; i < engine->options.connections; i++)
        if (engine->alarms[i] <= now)
            ring_alarm(&engine->connections[i], now);
    if (engine->gathers)
        gather_more(engine, now);
    if (engine->also != NULL)
        sweep(engine->also, now);
}

static int wait_events(const struct engine *engine, struct epoll_event *events, int64_t until)
{
    int64_t wait = until > 0 ? until - engine_now() : 0;
#ifdef SYS_epoll_pwait2
    static bool is_old; /* Linux before 5.11 */
    if (wait > 0 && !is_old) {
        struct timespec time = { wait / 1000000000, wait % 1000000000 };
        long count = syscall(SYS_epoll_pwait2, engine->epoll, events, EVENTS_MAX, &time, NULL, 0);
        if (count >= 0 || errno != ENOSYS)
            return (int)count;
        is_old = true;
    }
#endif
    return epoll_wait(engine->epoll, events, EVENTS_MAX, wait > 0 ? (int)(wait / 1000000) : 0);
}

int engine_turn(struct engine *engine, int64_t until)
{
    struct epoll_event events[EVENTS_MAX];
    int count = wait_events(engine, events, until < engine->sweep_at ? until : engine->sweep_at);
    for (int i = 0; i < count; i++)
        handle(connection_of(events[i].data.u64), events[i].events);
    int64_t now = engine_now();
    if (now >= engine->sweep_at)
        sweep(engine, now);
    return count > 0 ? count : 0;
}

void engine_set_between(struct engine *engine, void (*between)(void *context, int64_t now),
                        void *context)
{
    engine->between = between;
    engine->between_context = context;
}

bool engine_has_place(struct engine *engine, const struct target *target)
{
    struct connection *connection = place_take(place_endpoint_of(engine, target));
    if (connection != NULL)
        place_list_first(connection);
    return connection != NULL;
}

bool engine_ask(struct engine *engine, struct target *target, int64_t due, bool waits)
{
    struct endpoint *endpoint = place_endpoint_of(engine, target);
    struct connection *connection = endpoint->backlog_count == 0 ? place_take(endpoint) : NULL;
    if (connection == NULL) {
        if (waits && !place_push_backlog(endpoint, target, due))
            engine->measures.faults[FAULT_CONNECT]++;
        return false;
    }
    int64_t now = engine_now();
    durations_add(&engine->measures.late, now - due);
    place_assign(connection, target, due);
    flush(connection, now);
    if (place_is_free(connection))
        place_list(connection);
    return true;
}

uint64_t engine_backlog(const struct engine *engine)
{
    uint64_t sum = 0;
    for (int i = 0; i < engine->endpoint_count; i++)
        sum += engine->endpoints[i].backlog_count;
    return sum;
}

uint64_t engine_under_way(const struct engine *engine)
{
    return engine->under_way;
}

uint64_t engine_drop_backlog(struct engine *engine)
{
    uint64_t dropped = engine_backlog(engine);
    for (int i = 0; i < engine->endpoint_count; i++)
        engine->endpoints[i].backlog_count = 0;
    return dropped;
}

void engine_give_up(struct engine *engine)
{
    int64_t now = engine_now();
    for (int i = 0; i < engine->options.connections; i++)
        if (engine->connections[i].count > 0)
            fail(&engine->connections[i], FAULT_TIMEOUT, 0, now);
}

void engine_use(struct engine *engine, int connections)
{
    int64_t now = engine_now();
    if (connections < engine->endpoint_count)
        connections = engine->endpoint_count;
    while (engine->working > connections)
        engine->connections[--engine->working].works = false;
    while (engine->working < connections) {
        struct connection *connection = &engine->connections[engine->working++];
        connection->works = true;
        offer(connection, now);
    }
}

void engine_close_loop(struct engine *engine, uint64_t budget)
{
    int64_t now = engine_now();
    engine->budget = budget;
    for (int i = 0; i < engine->working && engine->budget > 0; i++)
        offer(&engine->connections[i], now);
}

uint64_t engine_budget(const struct engine *engine)
{
    return engine->budget;
}

void engine_gather(struct engine *engine)
{
    engine->gathers = true;
    engine->gather_next = 0;
    gather_more(engine, engine_now());
}

bool engine_is_gathering(const struct engine *engine)
{
    return engine->gathers;
}

int engine_connection_count(const struct engine *engine)
{
    return engine->options.connections;
}

int engine_open_count(const struct engine *engine)
{
    return engine->open;
}

int engine_connect_error(const struct engine *engine)
{
    return engine->connect_error;
}

/* --- Learning. --- */

static int learn_one(struct engine *engine, struct target *target, char *why)
{
    uint64_t faults = measures_faults(&engine->measures);
    engine->learn_fault = -1;
    engine_ask(engine, target, engine_now(), true);
    while (engine->learn_fault < 0 && measures_faults(&engine->measures) == faults)
        engine_turn(engine, engine->sweep_at);
    for (int i = 1; i < FAULTS && engine->learn_fault < 0; i++)
        if (engine->measures.faults[i] > 0 && engine->examples[i][0] != '\0')
            return snprintf(why, TARGET_TEXT_MAX, "%s", engine->examples[i]), -EIO;
    return engine->learn_fault == FAULT_NONE ? 0 : -ENOMEM;
}

int engine_learn(struct engine *engine, bool bodies, char why[TARGET_TEXT_MAX])
{
    int err = 0;
    snprintf(why, TARGET_TEXT_MAX, "out of memory");
    engine->learns = true;
    for (int i = 0; i < engine->options.target_count && err == 0; i++) {
        struct target *target = &engine->options.targets[i];
        err = learn_one(engine, target, why);
        if (!bodies && target->expected.body == target->learned)
            target->expected.body = NULL;
    }
    engine->learns = false;
    measures_clear(&engine->measures);
    return err;
}

/* --- Beginning and end. --- */

static void give_connections(struct engine *engine)
{
    for (int i = 0; i < engine->options.connections; i++) {
        struct connection *connection = &engine->connections[i];
        /* Endpoints that weigh more have more: as often as their targets are on the wheel. */
        const struct target *target = i < engine->endpoint_count
                                          ? engine->endpoints[i].wheel[0]
                                          : engine->wheel[(unsigned)i % engine->wheel_size];
        connection->engine = engine;
        connection->fd = -1;
        connection->works = true;
        connection->endpoint = place_endpoint_of(engine, target);
        connection->ring = &engine->exchanges[(size_t)i * (size_t)engine->options.pipeline];
        engine->alarms[i] = INT64_MAX;
        place_list(connection);
    }
    engine->working = engine->options.connections;
}

struct engine *engine_new(const struct engine_options *options)
{
    struct engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL)
        return NULL;
    engine->options = *options;
    engine->epoll = -1;
    if (options->connections == 0)
        engine->options.connections = 1;
    if (options->pipeline == 0 || options->close)
        engine->options.pipeline = 1;
    if (place_make_endpoints(engine) < 0)
        return engine_free(engine), NULL;
    if (engine->options.connections < engine->endpoint_count)
        engine->options.connections = engine->endpoint_count;
    size_t count = (size_t)engine->options.connections;
    engine->connections = calloc(count, sizeof *engine->connections);
    engine->exchanges = calloc(count * (size_t)engine->options.pipeline, sizeof(struct exchange));
    engine->alarms = calloc(count, sizeof *engine->alarms);
    engine->owns_epoll = options->with == NULL;
    engine->epoll = options->with ? options->with->epoll : epoll_create1(EPOLL_CLOEXEC);
    if (!engine->connections || !engine->exchanges || !engine->alarms || engine->epoll < 0)
        return engine_free(engine), NULL;
    give_connections(engine);
    if (options->with != NULL)
        options->with->also = engine;
    return engine;
}

void engine_free(struct engine *engine)
{
    if (engine == NULL)
        return;
    for (int i = 0; engine->connections != NULL && i < engine->options.connections; i++) {
        struct connection *connection = &engine->connections[i];
        if (connection->engine != NULL && connection->fd >= 0)
            close(connection->fd);
        bytes_free(&connection->rest);
        bytes_free(&connection->kept);
        bytes_free(&connection->body);
    }
    for (int i = 0; i < engine->endpoint_count; i++) {
        free(engine->endpoints[i].wheel);
        free(engine->endpoints[i].backlog);
    }
    if (engine->owns_epoll && engine->epoll >= 0)
        close(engine->epoll);
    free(engine->connections);
    free(engine->exchanges);
    free(engine->alarms);
    free(engine->endpoints);
    free(engine->wheel);
    free(engine);
}
