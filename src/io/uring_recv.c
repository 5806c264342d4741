/* Receiving.
 *
 *      plain call     while the socket is known to have more, and for who does not wait
 *      one entry      into the caller's buffer, or (RECV_LEND) into one that the kernel picks when
 *                     bytes are there */

#include "io/call.h"
#include "io/uring_inside.h"

#include <poll.h>
#include <sys/socket.h>

#ifndef POLLRDHUP
#    define POLLRDHUP 0x2000
#endif

static int64_t try_recv(struct wf_uring *io, struct wf_descriptor *descriptor, void *data,
                        size_t size)
{
    int64_t result = wf_call_recv(&io->base.counters, descriptor->fd, data, &size);
    descriptor->can_read = result > 0 && (size_t)result == size;
    descriptor->drained = !descriptor->can_read;
    return result == -EAGAIN ? WF_PENDING : result;
}

static int64_t try_recv_lend(struct wf_uring *io, struct wf_op *op)
{
    char *block;
    int err = wf_blocks_get(&io->blocks, &block);
    if (err < 0)
        return err;
    return wf_io_hand_block(&io->blocks, op, block,
                            try_recv(io, op->descriptor, block, io->blocks.size));
}

static int64_t try_read(struct wf_uring *io, struct wf_op *op)
{
    if (op->code == WF_OP_RECV)
        return try_recv(io, op->descriptor, op->recv.data, op->recv.size);
    return try_recv_lend(io, op);
}

static int enter_recv(struct wf_uring *io, struct wf_op *op)
{
    struct wf_descriptor *descriptor = op->descriptor;
    int err = wf_uring_injected(WF_FAULT_RECV);
    struct io_uring_sqe *entry = err == 0 ? wf_uring_entry(io) : NULL;
    if (!entry)
        return err < 0 ? err : -ENOMEM;
    entry->user_data = (uint64_t)(uintptr_t)op | WF_URING_OP;
    if (op->code == WF_OP_RECV) {
        size_t size = wf_io_fault_cap(WF_FAULT_SHORT_RECV, wf_uring_clip(op->recv.size));
        io_uring_prep_recv(entry, descriptor->fd, op->recv.data, size, 0);
    } else if (wf_uring_can_lend(io)) {
        size_t size = wf_io_fault_cap(WF_FAULT_SHORT_RECV, io->blocks.size);
        io_uring_prep_recv(entry, descriptor->fd, NULL, size, 0);
        entry->flags |= IOSQE_BUFFER_SELECT;
    } else {
        io_uring_prep_poll_add(entry, descriptor->fd, POLLIN | POLLRDHUP);
        return 0;
    }
    if (descriptor->drained && (io->can & WF_URING_POLLS_FIRST))
        entry->ioprio |= IORING_RECVSEND_POLL_FIRST;
    return 0;
}

int64_t wf_uring_submit_recv(struct wf_uring *io, struct wf_op *op)
{
    struct wf_descriptor *descriptor = op->descriptor;
    wf_assert(descriptor->fd >= 0 && !descriptor->reader);
    if (descriptor->can_read || op->now) {
        int64_t result = try_read(io, op);
        bool elsewhere = result == -ENOBUFS && !op->now && wf_uring_has_blocks(io);
        if (result != WF_PENDING && !elsewhere)
            return result;
    }
    if (op->now)
        return -EAGAIN;
    int err = enter_recv(io, op);
    return err < 0 ? err : wf_uring_park(io, op, &descriptor->reader);
}

/* Whether there may be more: where the kernel does not say, a full buffer does. */
static bool has_more(const struct wf_uring *io, const struct wf_op *op,
                     const struct wf_uring_completion *c)
{
    if (io->can & WF_URING_POLLS_FIRST)
        return c->flags & IORING_CQE_F_SOCK_NONEMPTY;
    return op->code == WF_OP_RECV && c->result > 0 && (size_t)c->result == op->recv.size;
}

/* What a completion means for who reads: WF_PENDING when it was about nothing. */
static int64_t read_result(struct wf_uring *io, struct wf_op *op,
                           const struct wf_uring_completion *c)
{
    struct wf_descriptor *descriptor = op->descriptor;
    bool lends = op->code == WF_OP_RECV_LEND;
    bool brought = c->flags & IORING_CQE_F_BUFFER;
    io->lent.lacking |= c->result == -ENOBUFS;
    if (brought)
        wf_io_hand_block(&io->blocks, op, wf_uring_lent_block(io, c->flags), c->result);
    else if (lends && (c->result > 0 || c->result == -ENOBUFS)) /* a poll, or no buffer was left */
        return try_recv_lend(io, op);
    if (c->result == -EINTR || c->result == -EAGAIN)
        return WF_PENDING;
    descriptor->can_read = has_more(io, op, c);
    descriptor->drained = c->result > 0 && !descriptor->can_read;
    return c->result;
}

void wf_uring_read_event(struct wf_uring *io, struct wf_op *op, const struct wf_uring_completion *c)
{
    int64_t result = read_result(io, op, c);
    if (result == WF_PENDING) {
        result = op->cancelling ? -ECANCELED : enter_recv(io, op);
        if (result == 0)
            return;
    }
    op->descriptor->reader = NULL;
    wf_io_finish(&io->base, op, result);
}
