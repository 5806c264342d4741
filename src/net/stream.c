/* A stream's life: birth, entering and leaving its two sides, close. */

#include "net/stream.h"

#include "base/error.h"
#include "base/memory.h"

#include <string.h>
#include <weft/error.h>

/* Birth. */

static void send_done(struct wf_op *op, int64_t result);
static void flush_hook(struct wf_turn_hook *hook);
static void linger_fired(struct wf_timer *timer);
static void finish_close(weft_stream *stream);

void wf_stream_init(weft_stream *stream, weft_loop *loop, const struct wf_transport_ops *ops,
                    const struct wf_stream_options *options)
{
    struct wf_net *net = loop->net;
    *stream = (weft_stream){ .ops = ops,
                             .loop = loop,
                             .linger_time = options->linger,
                             .input_max = options->input_max,
                             .high_mark = options->high_mark,
                             .low_mark = options->low_mark,
                             .send.done = send_done,
                             .flush.run = flush_hook };
    weft_buffer_init(&stream->input, options->input_max);
    stream->input.source = &net->storage.source;
    weft_chain_init(&stream->output, (size_t)2 * options->high_mark);
    stream->output.source = &net->storage.source;
    wf_list_init(&stream->flush.link);
    wf_timer_init(&stream->timer, linger_fired);
    wf_list_push_back(&net->streams, &stream->link);
}

/* The two sides. */

static void leave(weft_stream *stream, const struct wf_member **side)
{
    *side = NULL;
    if (stream->reader || stream->writer)
        return;
    if (stream->closer)
        wf_wake(stream->closer, 0);
    else if (stream->closes_alone)
        finish_close(stream);
}

/* The side is taken before wf_enter(), which may give up the processor: whoever closes the stream
 * meanwhile waits for us. */
static int take_side(weft_stream *stream, const struct wf_member **side)
{
    weft_task *task;
    *side = &wf_running->current->member;
    int err = wf_enter(&task);
    if (err == 0 && stream->closed)
        err = WEFT_ECLOSED;
    if (err < 0)
        leave(stream, side);
    return err;
}

int wf_stream_busy(const weft_stream *stream, const struct wf_member *member, const char *what)
{
    char text[160];
    if (member == stream->reader && stream->parked)
        return wf_misuse(-EBUSY, "a parked client was read: its handler is called for that");
    return wf_misuse(-EBUSY, "%s %s this stream already",
                     wf_member_describe(member, text, sizeof text), what);
}

static int enter(weft_stream *stream, const struct wf_member **side, const char *what)
{
    weft_task *task;
    if (!wf_in_task(wf_running))
        return wf_enter(&task);
    if (stream->loop != wf_running)
        return wf_misuse(WEFT_ETHREAD, "a stream was used by another loop than its own");
    if (stream->closed)
        return WEFT_ECLOSED;
    if (*side)
        return wf_stream_busy(stream, *side, what);
    return take_side(stream, side);
}

int wf_stream_enter_read(weft_stream *stream)
{
    return enter(stream, &stream->reader, "reads");
}

int wf_stream_enter_write(weft_stream *stream)
{
    return enter(stream, &stream->writer, "writes");
}

void wf_stream_leave_read(weft_stream *stream)
{
    leave(stream, &stream->reader);
}

void wf_stream_leave_write(weft_stream *stream)
{
    leave(stream, &stream->writer);
}

/* The reader and its operation. */

static struct wf_stream_wait *wait_of(struct wf_waiter *w)
{
    return wf_container(w, struct wf_stream_wait, waiter);
}

static bool read_abort(struct wf_waiter *w)
{
    struct wf_stream_wait *wait = wait_of(w);
    return wait->stream->ops->cancel(wait->stream, &wait->op);
}

static const struct wf_wait_ops read_ops = { .kind = "bytes to read", .abort = read_abort };

static void read_done(struct wf_op *op, int64_t result)
{
    wf_wake(&wf_container(op, struct wf_stream_wait, op)->waiter, result);
}

void wf_stream_arm(weft_stream *stream, struct wf_stream_wait *wait)
{
    wait->stream = stream;
    wait->op.done = read_done;
    wf_waiter_arm(&wait->waiter, &read_ops, stream);
}

/* A call that goes on after it was woken may find that the stream was closed meanwhile. */
int64_t wf_stream_operate(weft_stream *stream, struct wf_stream_wait *wait)
{
    if (stream->closed)
        return WEFT_ECLOSED;
    wf_stream_arm(stream, wait);
    int64_t result = stream->ops->submit(stream, &wait->op);
    if (result != WF_PENDING) {
        wf_stream_charge(stream, result);
        return result;
    }
    stream->reading = wait;
    result = wf_park(&wait->waiter);
    stream->reading = NULL;
    return result;
}

/* Sending what is queued. */

static void wake_writer(weft_stream *stream, int result)
{
    struct wf_waiter *w = stream->draining;
    if (!w || (result == 0 && weft_chain_size(&stream->output) > stream->drain_to))
        return;
    stream->draining = NULL;
    wf_wake(w, result);
}

static void all_sent(weft_stream *stream)
{
    weft_chain_release_if_empty(&stream->output);
    if (stream->ending && !stream->ended) {
        stream->ended = true;
        stream->ops->shutdown(stream);
    }
    if (stream->lingering)
        wf_stream_destroy(stream, false);
}

bool wf_stream_is_lost(int64_t err)
{
    switch (err) {
    case -EPIPE:
    case -ECONNRESET:
    case -ECONNABORTED:
    case -ENOTCONN:
    case -ETIMEDOUT:
    case -EHOSTUNREACH:
    case -ENETUNREACH:
        return true;
    default:
        return false;
    }
}

void wf_stream_fail_write(weft_stream *stream, int error)
{
    wf_assert(!stream->sending);
    if (!stream->write_error)
        stream->write_error = error;
    stream->torn |= weft_chain_size(&stream->output) > 0; /* the peer must not see a clean end */
    weft_chain_fini(&stream->output);
    wake_writer(stream, stream->write_error);
    if (stream->lingering)
        wf_stream_destroy(stream, true);
}

static void sent(weft_stream *stream, size_t size)
{
    weft_chain_consume(&stream->output, size);
    wake_writer(stream, 0);
}

/* What the transport takes of the first pieces of the queue at once. */
static int64_t send_now(weft_stream *stream)
{
    struct iovec pieces[WF_SEND_PIECES];
    struct wf_op op = { .code = WF_OP_SEND, .now = true, .send.vector = pieces };
    op.send.count = weft_chain_iovec(&stream->output, pieces, WF_SEND_PIECES);
    return stream->ops->submit(stream, &op);
}

/* The first piece, now or when it can be taken. */
static int64_t send_first(weft_stream *stream)
{
    struct wf_op *op = &stream->send;
    op->code = WF_OP_SEND;
    op->send.vector = &stream->piece;
    op->send.count = weft_chain_iovec(&stream->output, &stream->piece, 1);
    int64_t result = stream->ops->submit(stream, op);
    stream->sending = result == WF_PENDING;
    return result;
}

/* Send of the queue: false when there is no more to do now. */
static bool send_pieces(weft_stream *stream)
{
    bool is_one = stream->output.first == stream->output.last;
    int64_t result = is_one ? -EAGAIN : send_now(stream);
    if (result == -EAGAIN)
        result = send_first(stream);
    if (result >= 0)
        sent(stream, (size_t)result);
    else if (result != WF_PENDING)
        wf_stream_fail_write(stream, (int)result);
    return result >= 0;
}

void wf_stream_flush_now(weft_stream *stream)
{
    if (stream->sending)
        return;
    while (weft_chain_size(&stream->output) > 0)
        if (!send_pieces(stream))
            return;
    all_sent(stream);
}

static void drop_data(weft_stream *stream)
{
    weft_drop_fn *drop = stream->data_drop;
    stream->data_drop = NULL;
    if (drop)
        wf_drop(stream->loop, drop, stream->data);
}

static void free_stream(weft_stream *stream)
{
    weft_buffer_fini(&stream->input);
    weft_chain_fini(&stream->output);
    wf_free(stream->peer_text);
    stream->ops->release(stream, stream->reset);
}

static void send_done(struct wf_op *op, int64_t result)
{
    weft_stream *stream = wf_container(op, weft_stream, send);
    stream->sending = false;
    if (stream->doomed) {
        wf_list_remove(&stream->link);
        free_stream(stream);
    } else if (result < 0) {
        wf_stream_fail_write(stream, (int)result);
    } else {
        sent(stream, (size_t)result);
        wf_stream_flush_now(stream);
    }
}

static void flush_hook(struct wf_turn_hook *hook)
{
    wf_stream_flush_now(wf_container(hook, weft_stream, flush));
}

/* Close. */

void wf_stream_destroy(weft_stream *stream, bool reset)
{
    struct wf_net *net = stream->loop->net;
    stream->reset = reset;
    if (stream->server)
        wf_server_lost(stream);
    drop_data(stream);
    wf_timer_cancel(&stream->loop->timers, &stream->timer);
    wf_list_remove_init(&stream->flush.link);
    wf_list_remove(&stream->link);
    if (!stream->sending || stream->ops->cancel(stream, &stream->send)) {
        free_stream(stream);
        return;
    }
    stream->doomed = true;
    wf_list_push_back(&net->doomed, &stream->link);
}

static void linger_fired(struct wf_timer *timer)
{
    wf_stream_destroy(wf_container(timer, weft_stream, timer), true);
}

/* Make the reader leave. Where the transport cannot give the buffer back yet, it leaves with the
 * completion. */
static void evict_reader(weft_stream *stream)
{
    struct wf_stream_wait *wait = stream->reading;
    if (!wait || wait->waiter.state != WF_WAIT_ARMED)
        return;
    if (stream->ops->cancel(stream, &wait->op))
        wf_wake(&wait->waiter, WEFT_ECLOSED);
}

static void evict_writer(weft_stream *stream)
{
    struct wf_waiter *w = stream->draining;
    if (!w)
        return;
    stream->draining = NULL;
    wf_wake(w, WEFT_ECLOSED);
}

static const struct wf_wait_ops leave_ops = { .kind = "others to leave the stream" };

static void wait_until_left(weft_stream *stream)
{
    struct wf_waiter w;
    if (!stream->reader && !stream->writer)
        return;
    wf_waiter_arm(&w, &leave_ops, stream);
    stream->closer = &w;
    wf_park(&w);
    stream->closer = NULL;
}

static int check_close(const weft_stream *stream)
{
    const struct wf_member *inside = stream->reader ? stream->reader : stream->writer;
    char text[160];
    if (stream->loop->thread != wf_this_thread())
        return wf_misuse(WEFT_ETHREAD, "a stream was closed by another thread than its own");
    if (stream->closed)
        return wf_misuse(-EALREADY, "a stream was closed twice");
    if (stream->parked)
        return wf_misuse(-EBUSY, "a parked client was closed: its server does that");
    if (inside && !wf_in_task(stream->loop))
        return wf_misuse(-EPERM, "a stream was closed outside a task while %s is in it",
                         wf_member_describe(inside, text, sizeof text));
    return 0;
}

static bool in_cancelled_scope(const weft_stream *stream)
{
    const weft_loop *loop = stream->loop;
    return loop->current->innermost->effective;
}

static void begin_linger(weft_stream *stream)
{
    weft_loop *loop = stream->loop;
    stream->lingering = true;
    wf_list_remove(&stream->link);
    wf_list_push_back(&loop->lingering, &stream->link);
    stream->timer.fire = linger_fired;
    wf_timer_add(&loop->timers, &stream->timer, wf_deadline_after(loop, stream->linger_time));
    wf_turn_hook_arm(loop, &stream->flush);
}

static void begin_close(weft_stream *stream, bool reset)
{
    stream->closed = true;
    stream->reset = reset;
    evict_reader(stream);
    evict_writer(stream);
    if (stream->copies_to)
        evict_writer(stream->copies_to);
    if (stream->copies_from)
        evict_reader(stream->copies_from);
}

/* Nobody is inside any more. */
static void finish_close(weft_stream *stream)
{
    bool reset = stream->reset || stream->torn;
    bool queued = weft_chain_size(&stream->output) > 0 && !stream->write_error;
    if (queued && !reset && stream->linger_time > 0)
        begin_linger(stream);
    else
        wf_stream_destroy(stream, reset || queued);
}

static int close_stream(weft_stream *stream, bool reset)
{
    int err = stream ? check_close(stream) : 0;
    if (!stream || err < 0)
        return err;
    begin_close(stream, reset);
    wait_until_left(stream);
    stream->reset |= in_cancelled_scope(stream);
    finish_close(stream);
    return 0;
}

void wf_stream_close_alone(weft_stream *stream, bool reset)
{
    begin_close(stream, reset);
    stream->closes_alone = stream->reader || stream->writer;
    if (!stream->closes_alone)
        finish_close(stream);
}

int weft_close(weft_stream *stream)
{
    return close_stream(stream, false);
}

int weft_abort(weft_stream *stream)
{
    return close_stream(stream, true);
}

void wf_stream_name_peer(weft_stream *stream, const char *text)
{
    size_t size = strlen(text) + 1;
    stream->peer_text = wf_alloc(size);
    if (stream->peer_text)
        memcpy(stream->peer_text, text, size);
}

const char *weft_stream_peer(weft_stream *stream)
{
    char text[WF_PEER_TEXT];
    if (stream->peer_text)
        return stream->peer_text;
    stream->ops->peer(stream, text, sizeof text);
    wf_stream_name_peer(stream, text);
    return stream->peer_text ? stream->peer_text : "";
}

size_t weft_stream_queued(const weft_stream *stream)
{
    return weft_chain_size(&stream->output);
}

size_t weft_stream_high_mark(const weft_stream *stream)
{
    return stream->high_mark;
}

size_t weft_stream_in_flight(weft_stream *stream)
{
    return weft_chain_size(&stream->output) + stream->ops->in_flight(stream);
}

void weft_stream_tear(weft_stream *stream)
{
    stream->torn = true;
    if (!stream->write_error)
        stream->write_error = -EPIPE;
}

void weft_stream_set_data(weft_stream *stream, void *data, weft_drop_fn *drop)
{
    drop_data(stream);
    stream->data = data;
    stream->data_drop = drop;
}

void *weft_stream_data(const weft_stream *stream)
{
    return stream->data;
}

weft_buffer *weft_stream_input(weft_stream *stream)
{
    return &stream->input;
}
