/* The transport in memory.
 *
 *      A: SEND ──> B's pending RECV, else B's inbox (at most INBOX_MAX) ──> B: RECV
 *
 * A SEND that finds no room waits in `writer` and goes on when the other half has received; a RECV
 * that finds nothing waits in `reader`. So the two halves hold at most one waiting operation for
 * each direction, and bytes are copied once when the receiver is there first. */

#include "net/memory.h"

#include <stdio.h>
#include <string.h>

#define INBOX_MAX ((size_t)64 << 10)

struct memory_stream {
    weft_stream stream;
    struct memory_stream *peer; /* NULL: it has closed */
    weft_chain inbox;           /* sent by the peer, not received yet */
    struct wf_op *reader;       /* our RECV or RECV_LEND that waits for bytes */
    struct wf_op *writer;       /* our SEND that waits for room in the peer's inbox */
    bool peer_ended;            /* nothing more will come */
    bool peer_reset;            /* because the peer was aborted */
    char name[WF_MEMORY_NAME];  /* of the address, its first bytes; "": a plain pair */
};

const size_t wf_memory_stream_size = sizeof(struct memory_stream);

static struct memory_stream *inside(weft_stream *stream)
{
    return wf_container(stream, struct memory_stream, stream);
}

static struct wf_net *net_of(struct memory_stream *half)
{
    return half->stream.loop->net;
}

/* Copies the inbox's first bytes out. */
static size_t drain(struct memory_stream *half, char *data, size_t size)
{
    size_t done = 0;
    struct iovec piece;
    while (done < size && weft_chain_iovec(&half->inbox, &piece, 1) == 1) {
        size_t n = piece.iov_len < size - done ? piece.iov_len : size - done;
        memcpy(data + done, piece.iov_base, n);
        weft_chain_consume(&half->inbox, n);
        done += n;
    }
    weft_chain_release_if_empty(&half->inbox);
    return done;
}

/* Where a receiving operation wants its bytes; for RECV_LEND a block of the stream's storage. */
static int64_t target_of(struct memory_stream *half, struct wf_op *op, char **data)
{
    if (op->code == WF_OP_RECV) {
        *data = op->recv.data;
        return (int64_t)op->recv.size;
    }
    size_t capacity;
    *data = wf_buffer_storage_acquire(&net_of(half)->storage.source, WF_LEND_SIZE, &capacity);
    if (!*data)
        return -ENOMEM;
    op->lend.data = *data;
    op->lend.capacity = capacity;
    return (int64_t)capacity;
}

/* The peer's SEND: into our waiting RECV when there is one, else into the inbox. */

static int64_t hand_over(struct memory_stream *to, const struct wf_op *send)
{
    struct wf_op *op = to->reader;
    char *data;
    size_t done = 0;
    int64_t size = target_of(to, op, &data);
    for (int i = 0; i < send->send.count && size >= 0 && done < (size_t)size; i++) {
        const struct iovec *piece = &send->send.vector[i];
        size_t room = (size_t)size - done, n = piece->iov_len < room ? piece->iov_len : room;
        if (n > 0)
            memcpy(data + done, piece->iov_base, n);
        done += n;
    }
    to->reader = NULL;
    op->pending = false;
    op->done(op, size < 0 ? size : (int64_t)done);
    return (int64_t)done;
}

static int64_t put_in_inbox(struct memory_stream *to, const struct wf_op *send, size_t skip)
{
    size_t done = 0;
    for (int i = 0; i < send->send.count; i++) {
        const struct iovec *piece = &send->send.vector[i];
        size_t gone = skip < piece->iov_len ? skip : piece->iov_len;
        size_t left = piece->iov_len - gone, room = INBOX_MAX - weft_chain_size(&to->inbox);
        size_t n = left < room ? left : room;
        skip -= gone;
        if (left == 0)
            continue;
        if (weft_chain_append(&to->inbox, (const char *)piece->iov_base + gone, n) < 0)
            return done > 0 ? (int64_t)done : -ENOMEM;
        done += n;
        if (n < left)
            break;
    }
    return (int64_t)done;
}

static int64_t try_send(struct memory_stream *half, const struct wf_op *op)
{
    struct memory_stream *to = half->peer;
    int64_t done = 0;
    if (!to)
        return half->peer_reset ? -ECONNRESET : -EPIPE;
    if (to->reader)
        done = hand_over(to, op);
    int64_t queued = put_in_inbox(to, op, (size_t)done);
    if (queued > 0)
        done += queued;
    if (done > 0)
        return done;
    return queued < 0 ? queued : WF_PENDING;
}

static int64_t submit_send(struct memory_stream *half, struct wf_op *op)
{
    int64_t result = try_send(half, op);
    if (result != WF_PENDING)
        return result;
    if (op->now)
        return -EAGAIN;
    half->writer = op;
    op->pending = true;
    return WF_PENDING;
}

/* There is room in our inbox, or no inbox any more: let the peer's waiting SEND go on. */
static void resume_sender(struct memory_stream *half)
{
    struct wf_op *op = half ? half->writer : NULL;
    if (!op)
        return;
    int64_t result = try_send(half, op);
    if (result == WF_PENDING)
        return;
    half->writer = NULL;
    op->pending = false;
    op->done(op, result);
}

static int64_t try_receive(struct memory_stream *half, struct wf_op *op)
{
    char *data;
    if (weft_chain_size(&half->inbox) == 0) {
        if (half->peer_reset)
            return -ECONNRESET;
        return half->peer_ended ? 0 : WF_PENDING;
    }
    int64_t size = target_of(half, op, &data);
    return size < 0 ? size : (int64_t)drain(half, data, (size_t)size);
}

static int64_t submit_receive(struct memory_stream *half, struct wf_op *op)
{
    int64_t result = try_receive(half, op);
    if (result > 0)
        resume_sender(half->peer);
    if (result != WF_PENDING)
        return result;
    if (op->now)
        return -EAGAIN;
    half->reader = op;
    op->pending = true;
    return WF_PENDING;
}

/* The table. */

static int64_t memory_submit(weft_stream *stream, struct wf_op *op)
{
    struct memory_stream *half = inside(stream);
    return op->code == WF_OP_SEND ? submit_send(half, op) : submit_receive(half, op);
}

static bool memory_cancel(weft_stream *stream, struct wf_op *op)
{
    struct memory_stream *half = inside(stream);
    struct wf_op **side = op->code == WF_OP_SEND ? &half->writer : &half->reader;
    wf_assert(*side == op);
    *side = NULL;
    op->pending = false;
    return true;
}

static void memory_lend_return(weft_stream *stream, char *block)
{
    wf_buffer_storage_release(&net_of(inside(stream))->storage.source, block, WF_LEND_SIZE);
}

static void end_of_peer(struct memory_stream *half, bool reset)
{
    half->peer_ended = true;
    half->peer_reset |= reset;
    if (reset)
        weft_chain_fini(&half->inbox);
    struct wf_op *op = half->reader;
    if (!op)
        return;
    half->reader = NULL;
    op->pending = false;
    op->done(op, reset ? -ECONNRESET : 0);
}

static int memory_shutdown(weft_stream *stream)
{
    struct memory_stream *half = inside(stream);
    if (half->peer)
        end_of_peer(half->peer, false);
    return 0;
}

static size_t memory_in_flight(weft_stream *stream)
{
    const struct memory_stream *peer = inside(stream)->peer;
    return peer ? weft_chain_size(&peer->inbox) : 0;
}

/* Whoever reads is in another half's hands when that one goes. */
static void memory_forsake(weft_stream *stream)
{
    struct memory_stream *half = inside(stream);
    if (half->reader)
        half->reader->pending = false;
    half->reader = NULL;
}

static void memory_release(weft_stream *stream, bool reset)
{
    struct memory_stream *half = inside(stream), *peer = half->peer;
    weft_chain_fini(&half->inbox);
    if (peer) {
        peer->peer = NULL;
        end_of_peer(peer, reset);
        resume_sender(peer);
    }
    wf_slab_put(&net_of(half)->memories, half);
}

static void memory_peer(weft_stream *stream, char *text, size_t size)
{
    const struct memory_stream *half = inside(stream);
    snprintf(text, size, "mem:%s", half->name);
}

static const struct wf_transport_ops memory_ops = {
    .name = "memory",
    .eager = true,
    .submit = memory_submit,
    .cancel = memory_cancel,
    .lend_return = memory_lend_return,
    .shutdown = memory_shutdown,
    .in_flight = memory_in_flight,
    .forsake = memory_forsake,
    .release = memory_release,
    .peer = memory_peer,
};

static struct memory_stream *new_half(weft_loop *loop, struct wf_net *net,
                                      const struct wf_stream_options *options, const char *name)
{
    struct memory_stream *half = wf_slab_get(&net->memories);
    if (!half)
        return NULL;
    *half = (struct memory_stream){ .peer = NULL };
    snprintf(half->name, sizeof half->name, "%s", name);
    wf_stream_init(&half->stream, loop, &memory_ops, options);
    weft_chain_init(&half->inbox, INBOX_MAX);
    half->inbox.source = &net->storage.source;
    return half;
}

int wf_memory_pair(weft_loop *loop, const struct wf_stream_options *a_options,
                   const struct wf_stream_options *b_options, const char *name, weft_stream **a,
                   weft_stream **b)
{
    struct wf_net *net = wf_net_of(loop);
    if (!net)
        return -ENOMEM;
    struct memory_stream *first = new_half(loop, net, a_options, name);
    struct memory_stream *second = first ? new_half(loop, net, b_options, name) : NULL;
    if (!second) {
        if (first)
            wf_stream_destroy(&first->stream, true);
        return -ENOMEM;
    }
    first->peer = second;
    second->peer = first;
    *a = &first->stream;
    *b = &second->stream;
    return 0;
}

int weft_memory_pair(weft_stream **a, weft_stream **b)
{
    static const struct weft_connect_options defaults = { .address = "mem:" };
    weft_loop *loop = weft_loop_current();
    if (!loop)
        return wf_misuse(-EPERM, "a memory pair was made where there is no loop");
    struct wf_stream_options options = wf_stream_options_of_connect(&defaults);
    return wf_memory_pair(loop, &options, &options, "", a, b);
}
