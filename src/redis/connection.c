/* A connection's life, its line, and who writes.
 *
 *     a caller:   queue ──pump──> weft_write_try()      what is short, while the stream has room
 *     the writer: queue ──batch─> weft_write()          all else, until the queue is empty
 *     the reader: input ──value─> the oldest slot       and then pump: answers make room
 *
 * What was handed to the stream counts as sent, although it may lie there still: that errs to the
 * safe side. When the connection is lost, each exchange in flight is looked at in order: orphans
 * are dropped; what may be repeated goes back to the front of the queue, three times at most; all
 * others end in doubt. Where the reply itself was the fault, its own exchange is not repeated.
 *
 * Pauses between attempts are thrown below a limit that doubles ("full jitter"): clients that lost
 * the same server do not come back together.
 *
 * Costs of a call: one reservation in `output`, one copy to the stream, a slot of 16 bytes, one
 * event. A connection at rest holds its two tasks and no buffer. */

#include "redis/connection.h"

#include "redis/client.h"
#include "redis/greeting.h"
#include "redis/value.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft/error.h>

#define SLOTS_LEAST 64u
#define NODES_KEPT  4096u              /* room for so many is kept from reply to reply */
#define BATCH_SIZE  ((size_t)64 << 10) /* what the writer puts together for one write */
#define OUTPUT_KEPT ((size_t)64 << 10)
#define TRIES_MAX   3u
#define SILENCE     WEFT_SECOND /* without a byte, before orphans close a connection */
/* What is only announced costs nothing: the stream's input limit counts what has come. */
#define ANNOUNCED_MAX (1u << 30)
#define DOUBLINGS     20u
#define INPUT_LEAST   (16u << 10)

typedef struct wf_redis_connection connection; /* this file is about nothing else */

static int live(void *arg);

int wf_redis_connection_init(connection *c, weft_redis *redis, bool is_lent)
{
    *c = (connection){ .redis = redis, .is_lent = is_lent };
    wf_list_init(&c->link);
    wf_list_init(&c->queue);
    weft_event_init(&c->work);
    weft_buffer_init(&c->output, SIZE_MAX);
    weft_buffer_init(&c->batch, SIZE_MAX);
    return weft_arena_new(&c->nodes, SIZE_MAX);
}

void wf_redis_connection_fini(connection *c)
{
    weft_buffer_fini(&c->output);
    weft_buffer_fini(&c->batch);
    weft_event_fini(&c->work);
    weft_arena_free(c->nodes);
}

static void note(connection *c, int err, const char *why)
{
    c->error = err;
    if (why != c->why)
        snprintf(c->why, sizeof c->why, "%s", why ? why : weft_error_text(err));
}

/* --- the queue --- */

static struct wf_redis_exchange *first_queued(connection *c)
{
    return wf_container(wf_list_first(&c->queue), struct wf_redis_exchange, link);
}

static void enqueue(connection *c, struct wf_redis_exchange *exchange)
{
    exchange->state = WF_REDIS_QUEUED;
    wf_list_push_back(&c->queue, &exchange->link);
    c->queued++;
}

static void dequeue(connection *c, struct wf_redis_exchange *exchange)
{
    wf_list_remove_init(&exchange->link);
    c->queued--;
}

static void drop(connection *c, struct wf_redis_exchange *exchange, int err, const char *why)
{
    dequeue(c, exchange);
    wf_redis_exchange_fail(exchange, err, why);
}

static void drop_all(connection *c, int err, const char *why)
{
    while (!wf_list_is_empty(&c->queue))
        drop(c, first_queued(c), err, why);
}

/* --- the line of what is in flight --- */

static uint64_t in_flight(const connection *c)
{
    return c->next - c->first;
}

static struct wf_redis_slot *slot_at(const connection *c, uint64_t place)
{
    return &c->slots[place & (c->slot_room - 1)];
}

static int reserve_slot(connection *c)
{
    uint32_t room = c->slot_room ? c->slot_room * 2 : SLOTS_LEAST;
    if (in_flight(c) < c->slot_room)
        return 0;
    struct wf_redis_slot *slots = weft_arena_alloc(c->redis->arena, room * sizeof *slots);
    if (!slots)
        return -ENOMEM;
    for (uint64_t i = c->first; i != c->next; i++)
        slots[i & (room - 1)] = *slot_at(c, i);
    c->slots = slots;
    c->slot_room = room;
    return 0;
}

/* Its bytes are the stream's, or will be. */
static void commit(connection *c, struct wf_redis_exchange *exchange)
{
    dequeue(c, exchange);
    exchange->state = WF_REDIS_IN_FLIGHT;
    exchange->went_over = c->epoch;
    exchange->place = c->next++;
    *slot_at(c, exchange->place) = (struct wf_redis_slot){ exchange, exchange->replies };
    if (exchange->tries++ > 0)
        c->redis->stats.repeated++;
}

/* --- writing --- */

static bool may_send(const connection *c)
{
    return c->state == WF_REDIS_OPEN && !c->is_writing && !c->is_torn && c->queued > 0 &&
           in_flight(c) < c->redis->settings.in_flight_max;
}

/* What has to go over a connection that is gone: nobody has watched on this one. */
static bool is_stale(const connection *c, const struct wf_redis_exchange *exchange)
{
    return exchange->epoch > 0 && exchange->epoch != c->epoch;
}

/* The next one to be sent, or NULL. */
static struct wf_redis_exchange *next_to_send(connection *c)
{
    while (may_send(c)) {
        struct wf_redis_exchange *exchange = first_queued(c);
        if (!is_stale(c, exchange))
            return exchange;
        drop(c, exchange, -EAGAIN, "the connection that watched is gone");
    }
    return NULL;
}

/* Behind what is in the buffer; a slot is reserved. */
static int put_together(connection *c, weft_buffer *buffer,
                        const struct wf_redis_exchange *exchange)
{
    char *space;
    size_t size = wf_redis_exchange_size(exchange);
    int err = reserve_slot(c);
    if (err == 0)
        err = weft_buffer_reserve(buffer, size, &space);
    if (err < 0)
        return err;
    wf_redis_exchange_write(exchange, space);
    weft_buffer_commit(buffer, size);
    return 0;
}

static void empty(weft_buffer *buffer)
{
    if (buffer->capacity > OUTPUT_KEPT)
        weft_buffer_fini(buffer);
    else
        weft_buffer_consume(buffer, weft_buffer_readable(buffer));
}

/* Without waiting. -EAGAIN: that is the writer's. */
static int write_at_once(connection *c, struct wf_redis_exchange *exchange)
{
    if (wf_redis_exchange_size(exchange) > weft_stream_high_mark(c->stream))
        return -EAGAIN;
    int err = put_together(c, &c->output, exchange);
    if (err < 0) {
        drop(c, exchange, err, NULL);
        return 0;
    }
    err = weft_write_try(c->stream, weft_buffer_data(&c->output), weft_buffer_readable(&c->output));
    empty(&c->output);
    if (err == 0)
        commit(c, exchange);
    return err == -EBUSY ? -EAGAIN : err;
}

/* Where the peer has gone, what it has said before is still to be read: the reader finds the end.
 */
static void stop_writing(connection *c, int err)
{
    c->is_torn = true;
    if (err != -EPIPE && err != -ECONNRESET)
        wf_redis_connection_break(c, err, NULL);
}

static void pump(connection *c)
{
    struct wf_redis_exchange *exchange;
    while ((exchange = next_to_send(c))) {
        int err = write_at_once(c, exchange);
        if (err == -EAGAIN) {
            weft_event_set(&c->work);
            return;
        }
        if (err < 0)
            stop_writing(c, err);
    }
}

static size_t gather(connection *c)
{
    struct wf_redis_exchange *exchange;
    while (weft_buffer_readable(&c->batch) < BATCH_SIZE && (exchange = next_to_send(c))) {
        int err = put_together(c, &c->batch, exchange);
        if (err < 0)
            drop(c, exchange, err, NULL);
        else
            commit(c, exchange);
    }
    return weft_buffer_readable(&c->batch);
}

static int write_batch(connection *c)
{
    c->is_writing = true;
    int err = weft_write(c->stream, weft_buffer_data(&c->batch), weft_buffer_readable(&c->batch));
    c->is_writing = false;
    empty(&c->batch);
    return err;
}

/* The writer: ends with the scope that the connection is open in. */
static int write_on(void *arg)
{
    connection *c = arg;
    int err = 0;
    while (err == 0 && weft_event_wait(&c->work) == 0) {
        weft_event_clear(&c->work);
        while (err == 0 && gather(c) > 0)
            err = write_batch(c);
    }
    if (err < 0)
        stop_writing(c, err);
    return 0;
}

/* --- reading --- */

static void begin_reply(connection *c)
{
    struct wf_resp_limits limits = WF_RESP_LIMITS_DEFAULT;
    limits.string_max = limits.count_max = ANNOUNCED_MAX;
    if (c->reply.room > NODES_KEPT) {
        weft_arena_reset(c->nodes);
        c->reply.nodes = NULL;
        c->reply.room = 0;
    }
    wf_resp_reply_begin(&c->reply, &limits);
    c->is_read = false;
}

static int make_room(connection *c)
{
    size_t size = sizeof *c->reply.nodes;
    struct wf_resp_node *nodes =
        weft_arena_grow(c->nodes, c->reply.nodes, c->reply.room * size, c->reply.need * size);
    if (!nodes)
        return -ENOMEM;
    c->reply.nodes = nodes;
    c->reply.room = c->reply.need;
    return 0;
}

static int fault(connection *c, const char *what)
{
    c->fault = what;
    return WEFT_EPROTOCOL;
}

/* 1: a value is complete; 0: bytes are missing. */
static int parse(connection *c)
{
    const weft_buffer *input = weft_stream_input(c->stream);
    if (c->is_read) {
        c->used += c->reply.size;
        begin_reply(c);
    }
    size_t left = weft_buffer_readable(input) - c->used;
    int err = 0;
    while (left > 0 && err == 0)
        switch (wf_resp_reply_parse(&c->reply, weft_buffer_data(input) + c->used, left)) {
        case WF_RESP_COMPLETE:
            c->is_read = true;
            return 1;
        case WF_RESP_ROOM:
            err = make_room(c);
            break;
        case WF_RESP_REFUSED:
            return fault(c, c->reply.why);
        default:
            return 0;
        }
    return err;
}

int wf_redis_connection_read(connection *c)
{
    for (;;) {
        int got = parse(c);
        if (got != 0)
            return got < 0 ? got : 0;
        weft_buffer_consume(weft_stream_input(c->stream), c->used);
        c->used = 0;
        pump(c);
        ssize_t n = weft_fill(c->stream);
        if (n <= 0)
            return n < 0 ? (int)n : WEFT_EEND;
    }
}

/* Pushes stand beside replies. Messages where nobody has subscribed are no news but a mistake. */
static int take_push(connection *c)
{
    static const char *const known[] = { "message",     "pmessage",   "smessage",    "subscribe",
                                         "unsubscribe", "psubscribe", "punsubscribe" };
    const struct wf_resp_node *node = &c->reply.nodes[c->reply.value];
    if (c->version < 3)
        return fault(c, "a push in version 2");
    if (node->count > 0 && node[1].kind == WF_RESP_STRING)
        for (size_t i = 0; i < WF_ARRAY_SIZE(known); i++)
            if (node[1].len == strlen(known[i]) &&
                memcmp(node[1].as.text, known[i], node[1].len) == 0)
                return fault(c, "a message that nobody has subscribed to");
    c->redis->stats.unhandled++;
    return 0;
}

static int take_reply(connection *c)
{
    if (in_flight(c) == 0)
        return fault(c, "a reply that nobody waits for");
    struct wf_redis_slot *slot = slot_at(c, c->first);
    struct wf_redis_exchange *exchange = slot->exchange;
    bool is_last = --slot->replies == 0;
    if (is_last) {
        c->first++;
        c->orphans -= exchange == NULL;
    }
    if (exchange)
        wf_redis_exchange_take(exchange, &c->reply, is_last);
    return 0;
}

static int deliver(connection *c)
{
    if (c->state != WF_REDIS_OPEN)
        return c->error;
    c->silent_since = 0;
    c->failures = 0;
    if (c->sink)
        return c->sink->take(c->sink, &c->reply);
    bool is_push = c->reply.nodes[c->reply.value].kind == WF_RESP_PUSH;
    return is_push ? take_push(c) : take_reply(c);
}

static int read_on(connection *c)
{
    int err;
    do
        err = wf_redis_connection_read(c);
    while (err == 0 && (err = deliver(c)) == 0);
    return err;
}

/* --- the end of a connection --- */

void wf_redis_connection_break(connection *c, int err, const char *why)
{
    if (c->state != WF_REDIS_OPEN && c->state != WF_REDIS_CONNECTING)
        return;
    c->state = WF_REDIS_BROKEN;
    note(c, err, why);
    weft_scope_cancel(c->scope, "the connection is given up");
}

/* The reply that could not be taken was this one's. */
static bool is_to_blame(int err)
{
    return err == WEFT_EPROTOCOL || err == WEFT_ELIMIT || err == -ENOMEM;
}

static bool may_repeat(const connection *c, const struct wf_redis_exchange *exchange)
{
    return exchange->may_be_repeated && exchange->tries < TRIES_MAX && !c->redis->closed;
}

/* One that was in flight; NULL: an orphan. */
static void lose_one(connection *c, struct wf_redis_exchange *exchange, bool is_oldest,
                     struct wf_list *again)
{
    if (!exchange)
        return;
    if (is_oldest && is_to_blame(c->error)) {
        wf_redis_exchange_fail(exchange, c->error, c->why);
    } else if (may_repeat(c, exchange)) {
        exchange->state = WF_REDIS_QUEUED;
        wf_list_push_back(again, &exchange->link);
        c->queued++;
    } else {
        c->redis->stats.in_doubt++;
        wf_redis_exchange_fail(exchange, WEFT_EINDOUBT, c->why);
    }
}

static void lose_all(connection *c)
{
    struct wf_list again;
    wf_list_init(&again);
    for (uint64_t oldest = c->first; c->first != c->next; c->first++)
        lose_one(c, slot_at(c, c->first)->exchange, c->first == oldest, &again);
    c->orphans = 0;
    c->silent_since = 0;
    wf_list_splice(&again, &c->queue);
    wf_list_splice(&c->queue, &again);
}

/* Before the next attempt. */
static void set_pause(connection *c)
{
    const struct wf_redis_settings *settings = &c->redis->settings;
    uint32_t doublings = c->failures < DOUBLINGS ? c->failures : DOUBLINGS;
    int64_t most = settings->backoff_most;
    if (settings->backoff_least < most >> doublings)
        most = settings->backoff_least << doublings;
    c->failures++;
    c->not_before = weft_now() + (int64_t)wf_random_below(&c->redis->dice, (uint64_t)most + 1);
}

/* What the server closed, or the client, has nothing that is worth a reset. */
static void disconnect(connection *c)
{
    bool is_clean = c->error == WEFT_EEND || c->error == -ESHUTDOWN;
    if (is_clean)
        weft_close(c->stream);
    else
        weft_abort(c->stream);
    c->stream = NULL;
    c->used = 0;
}

static void end_sink(connection *c, int err, const char *why)
{
    struct wf_redis_sink *sink = c->sink;
    c->sink = NULL;
    if (sink)
        sink->end(sink, err, why);
}

/* Such errors do not go away by trying. */
static bool is_final(int err)
{
    return err == -EACCES || err == WEFT_EREPLY || err == WEFT_EPROTOCOL || err == -EINVAL ||
           err == -ENOMEM || err == -EPERM || err == -ENOTSUP || err == WEFT_ETHREAD;
}

/* --- its task --- */

static int connect_and_greet(connection *c)
{
    const struct wf_redis_settings *settings = &c->redis->settings;
    uint32_t input = settings->reply_max > INPUT_LEAST ? settings->reply_max : INPUT_LEAST;
    int err = weft_connect(&c->stream, settings->address.connect, .input_max = input);
    if (err < 0) {
        bool has_words = err == WEFT_EDNS || err == -EINVAL;
        note(c, err, has_words ? weft_error_detail() : NULL);
        return err;
    }
    c->is_read = false;
    begin_reply(c);
    note(c, 0, "");
    err = wf_redis_greet(c);
    if (err < 0)
        note(c, err, c->fault ? c->fault : *c->why ? c->why : NULL);
    return err;
}

/* CONNECTING, until it is OPEN or there is no stream. */
static int reach(connection *c)
{
    weft_scope scope;
    c->state = WF_REDIS_CONNECTING;
    c->fault = NULL;
    weft_scope_begin(&scope, .timeout = c->redis->settings.connect_timeout,
                     .name = "redis connect");
    c->scope = &scope;
    int err = connect_and_greet(c);
    int verdict = weft_scope_leave(&scope, err);
    c->scope = NULL;
    if (err == 0 && verdict == 0 && c->state == WF_REDIS_CONNECTING)
        return 0;
    if (verdict == -ETIMEDOUT)
        note(c, verdict, "the server did not answer in time");
    if (c->stream)
        disconnect(c);
    return c->error < 0 ? c->error : -ECANCELED;
}

static void failed(connection *c)
{
    bool is_over = is_final(c->error) || c->redis->settings.fails_offline;
    if (c->error != -ECANCELED) {
        c->redis->stats.failures++;
        c->is_unreachable = true;
        set_pause(c);
    }
    if (!is_over)
        return;
    drop_all(c, c->error, c->why);
    if (is_final(c->error) || (c->sink && !c->sink->is_patient))
        end_sink(c, c->error, c->why);
}

/* OPEN, until it is lost. */
static void serve(connection *c)
{
    weft_scope scope;
    weft_scope_begin(&scope, .name = "redis");
    c->scope = &scope;
    c->state = WF_REDIS_OPEN;
    c->epoch++;
    c->is_torn = c->is_unreachable = false;
    c->redis->stats.connects++;
    weft_event_clear(&c->work);
    int err = weft_spawn(&scope, write_on, c, .name = "redis writer", .no_locals = true);
    if (err == 0 && c->sink)
        err = c->sink->open(c->sink, c);
    if (err == 0)
        err = read_on(c);
    if (c->state == WF_REDIS_OPEN)
        note(c, err, c->fault);
    c->state = WF_REDIS_BROKEN;
    weft_scope_cancel(&scope, "the connection is over");
    weft_scope_end(&scope);
    c->scope = NULL;
}

static void lost(connection *c)
{
    disconnect(c);
    empty(&c->batch);
    lose_all(c);
    c->redis->stats.losses += c->error != -ECANCELED && c->error != -ESHUTDOWN;
    if (c->error != -ECANCELED)
        set_pause(c);
}

static bool is_wanted(const connection *c)
{
    return !c->redis->closed && (c->queued > 0 || c->sink);
}

static int wait_for_turn(connection *c)
{
    c->state = WF_REDIS_PAUSING;
    return c->not_before > weft_now() ? weft_sleep_until(c->not_before) : weft_cancelled();
}

static int live(void *arg)
{
    connection *c = arg;
    while (is_wanted(c) && wait_for_turn(c) == 0) {
        if (!is_wanted(c))
            break;
        if (reach(c) < 0) {
            failed(c);
            continue;
        }
        serve(c);
        lost(c);
    }
    return 0;
}

/* The task is over, or it was cancelled before it began. */
static void end_task(void *arg)
{
    connection *c = arg;
    const char *why =
        c->redis->closed ? "the client was closed" : "the connection's task was ended";
    weft_task *task = c->task;
    c->task = NULL;
    c->state = WF_REDIS_DOWN;
    drop_all(c, -ESHUTDOWN, why);
    end_sink(c, -ESHUTDOWN, why);
    weft_task_release(task);
    wf_redis_client_release(c->redis);
}

static int start(connection *c)
{
    c->state = WF_REDIS_PAUSING;
    wf_redis_client_retain(c->redis);
    int err = weft_spawn(weft_background(), live, c, .name = "redis", .task = &c->task,
                         .drop = end_task, .no_locals = true);
    if (err < 0) {
        c->state = WF_REDIS_DOWN;
        wf_redis_client_release(c->redis);
    }
    return err;
}

/* --- for callers --- */

/* Between two attempts, where callers do not want to wait. */
static bool is_offline(const connection *c)
{
    return c->redis->settings.fails_offline && c->is_unreachable &&
           (c->state == WF_REDIS_DOWN || c->state == WF_REDIS_PAUSING) &&
           c->not_before > weft_now();
}

static void submit(connection *c, struct wf_redis_exchange *exchange)
{
    if (c->redis->closed) {
        wf_redis_exchange_fail(exchange, -ESHUTDOWN, "the client was closed");
        return;
    }
    if (is_offline(c)) {
        wf_redis_exchange_fail(exchange, c->error, c->why);
        return;
    }
    int err = c->state == WF_REDIS_DOWN ? start(c) : 0;
    if (err < 0) {
        wf_redis_exchange_fail(exchange, err, NULL);
        return;
    }
    enqueue(c, exchange);
    pump(c);
}

/* Callers give up, and nothing comes: a server that is dead, or as good as that. */
static void look_for_silence(connection *c)
{
    const struct wf_redis_settings *settings = &c->redis->settings;
    uint32_t max = settings->orphans_max < settings->in_flight_max ? settings->orphans_max
                                                                   : settings->in_flight_max;
    int64_t now = weft_now();
    if (c->silent_since == 0)
        c->silent_since = now;
    if (c->orphans >= max && now - c->silent_since >= SILENCE)
        wf_redis_connection_break(c, -ETIMEDOUT, "callers have given up, and the server is silent");
}

/* The caller goes. What is in flight stays so, without it. */
static void leave(connection *c, struct wf_redis_exchange *exchange, int err)
{
    if (exchange->state == WF_REDIS_QUEUED)
        dequeue(c, exchange);
    if (exchange->state == WF_REDIS_IN_FLIGHT) {
        slot_at(c, exchange->place)->exchange = NULL;
        c->orphans++;
        if (c->is_lent)
            wf_redis_connection_break(c, -ECANCELED, "its user has given up");
    }
    if (c->orphans > 0)
        look_for_silence(c);
    exchange->result = err;
    exchange->detail = weft_error_text(err);
}

int wf_redis_connection_perform(connection *c, struct wf_redis_exchange *exchange)
{
    exchange->connection = c;
    exchange->state = WF_REDIS_NEW;
    wf_list_init(&exchange->link);
    weft_event_init(&exchange->bell);
    if (weft_cancelled() == 0)
        submit(c, exchange);
    int err = weft_event_wait(&exchange->bell);
    if (exchange->state != WF_REDIS_DONE)
        leave(c, exchange, err);
    weft_event_fini(&exchange->bell);
    return exchange->result;
}

void wf_redis_connection_tell(connection *c, const char *word)
{
    weft_slice args = weft_redis_text(word);
    struct wf_redis_exchange exchange = { .args = &args, .count = 1, .replies = 1 };
    if (c->state != WF_REDIS_OPEN)
        return;
    enqueue(c, &exchange);
    pump(c);
    if (exchange.state == WF_REDIS_QUEUED)
        dequeue(c, &exchange);
    if (exchange.state == WF_REDIS_IN_FLIGHT) {
        slot_at(c, exchange.place)->exchange = NULL;
        c->orphans++;
    } else {
        wf_redis_connection_break(c, -ECANCELED, "it could not be told to end");
    }
}

int wf_redis_connection_attach(connection *c, struct wf_redis_sink *sink)
{
    c->sink = sink;
    if (c->state == WF_REDIS_DOWN)
        return start(c);
    wf_redis_connection_break(c, -ECANCELED, "its next user begins anew");
    return 0;
}

void wf_redis_connection_detach(connection *c)
{
    c->sink = NULL;
    wf_redis_connection_break(c, -ECANCELED, "its user has ended");
}

void wf_redis_connection_end(connection *c)
{
    if (c->state == WF_REDIS_OPEN)
        wf_redis_connection_break(c, -ESHUTDOWN, "the client was closed");
    else
        weft_task_cancel(c->task, "the client was closed");
}

size_t wf_redis_connection_load(const connection *c)
{
    return in_flight(c) + c->queued;
}
