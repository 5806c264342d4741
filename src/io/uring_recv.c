/* Receiving.
 *
 *      plain call      while the socket is known to have more, and for who does not wait
 *      one entry       into the caller's buffer, or (RECV_LEND) into one that the kernel picks when
 *                      bytes are there
 *      entry for many  where messages are small: it is the descriptor's and not an operation's, and
 *                      stays with the kernel until we ask for its end or it ends by itself
 *
 *                  two small receives                   much at once, or nobody reads
 *      one entry ──────────────────────> entry for many ──────────────────────────────> one entry,
 *                                                                            for ten receives more
 *
 * Through an entry for many bytes come whether somebody reads or not. What nobody reads is kept
 * with the slot, in the small buffers it came in (uring_many.c); from a bound on the entry is asked
 * to stop, and what comes until it does is kept too: one run in the kernel brings some 32. Why it
 * ended, if that is the reader's matter, is told behind the bytes, once; then the kernel is asked
 * again. The slot says:
 *
 *      armed     the kernel has the entry. There is no other; plain calls are made for who does not
 *                wait, and behind what has come
 *      ending    armed, and asked to stop
 *      over      not armed, and `end` is to be told
 *
 * Who waits while the entry is armed is known to us alone: a cancel is done at once.
 *
 * Entries for many need a ring for which the kernel receives only while we are in it and ask for
 * completions (DEFER_TASKRUN): between a look at these and a plain call nothing can come. */

#include "base/memory.h"
#include "io/call.h"
#include "io/uring_inside.h"

#include <poll.h>
#include <sys/socket.h>

#define KEPT_MAX     4 /* small buffers from which the entry is asked to stop, and more may come */
#define BLOCKS_SPARE 2048 /* twice what the kernel may have */
#define LOOKS        64   /* for its end: the kernel makes some twenty completions at a time */
#define SMALL_MIN    2 /* small receives, one after another, after which one entry is for many … */
#define SMALL_LESS   (-8) /* … where they begin to count after that did not pay */

#ifndef POLLRDHUP
#    define POLLRDHUP 0x2000
#endif

static struct wf_slot *slot_of(struct wf_uring *io, const struct wf_op *op)
{
    return &io->slots.all[op->descriptor->fd];
}

static void note_size(struct wf_slot *slot, int64_t size)
{
    if (size >= WF_URING_SMALL)
        slot->small = SMALL_LESS;
    else if (size > 0 && slot->small < SMALL_MIN)
        slot->small++;
}

/* Plain calls. */

static int64_t try_recv(struct wf_uring *io, struct wf_descriptor *descriptor, void *data,
                        size_t size)
{
    int64_t result = wf_call_recv(&io->base.counters, descriptor->fd, data, &size);
    descriptor->can_read = result > 0 && (size_t)result == size;
    descriptor->drained = !descriptor->can_read;
    if (result >= WF_URING_SMALL)
        note_size(&io->slots.all[descriptor->fd], result);
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

/* The entry for many. */

static uint64_t many_key(const struct wf_slot *slot, int fd)
{
    return wf_uring_key(WF_URING_RECV, fd, slot->generation);
}

static int64_t take_lend(struct wf_uring *io, struct wf_slot *slot, struct wf_op *op)
{
    char *block;
    int err = wf_blocks_get(&io->blocks, &block);
    if (err < 0)
        return err;
    size_t size = wf_io_fault_cap(WF_FAULT_SHORT_RECV, io->blocks.size);
    size = wf_uring_take_kept(io, slot, block, size);
    return wf_io_hand_block(&io->blocks, op, block, (int64_t)size);
}

static int64_t take_copy(struct wf_uring *io, struct wf_slot *slot, struct wf_op *op)
{
    size_t size = wf_io_fault_cap(WF_FAULT_SHORT_RECV, op->recv.size);
    return (int64_t)wf_uring_take_kept(io, slot, op->recv.data, size);
}

static void note_ahead(struct wf_slot *slot)
{
    slot->owner->ahead = slot->armed || slot->kept > 0 || slot->over;
}

/* What it has brought and nobody has read, and then why it ended; WF_PENDING: neither. */
static int64_t take(struct wf_uring *io, struct wf_slot *slot, struct wf_op *op)
{
    if (slot->kept > 0)
        return op->code == WF_OP_RECV ? take_copy(io, slot, op) : take_lend(io, slot, op);
    if (!slot->over)
        return WF_PENDING;
    slot->over = false;
    return slot->end;
}

static void stop(struct wf_uring *io, int fd, struct wf_slot *slot)
{
    slot->small = SMALL_LESS;
    if (!slot->armed || slot->ending)
        return;
    wf_uring_cancel_data(io, many_key(slot, fd));
    slot->ending = true;
}

/* Take in what has come and is not delivered: a plain call would overtake it. False: we cannot. */
static bool gather(struct wf_uring *io, int fd, const struct wf_slot *slot)
{
    uint64_t key = many_key(slot, fd);
    if (wf_uring_overflows(io))
        return false;
    if (wf_uring_count_completions(io) == 0)
        return true;
    if (!wf_uring_put_aside(io))
        return false;
    for (size_t i = io->aside.taken; i < io->aside.count; i++) {
        struct wf_uring_completion completion = io->aside.all[i];
        if (completion.data != key)
            continue;
        io->aside.all[i].data = WF_URING_NOTHING;
        wf_uring_many_event(io, &completion);
    }
    return true;
}

/* Submitting. */

/* What it brings is lent in blocks that are not the kernel's: where few are left each counts. */
static bool is_for_many(struct wf_uring *io, const struct wf_slot *slot)
{
    if (io->blocks.limit - io->blocks.lent < BLOCKS_SPARE)
        return false;
    bool wanted = slot->small >= SMALL_MIN || io->many.at_once;
    return wanted && !slot->owner->hung_up && wf_uring_can_receive_many(io);
}

/* False: it is but a poll. */
static bool prepare_one(struct wf_uring *io, struct io_uring_sqe *entry, const struct wf_op *op)
{
    int fd = op->descriptor->fd;
    bool copies = op->code == WF_OP_RECV, lends = !copies && wf_uring_can_lend(io);
    size_t size = copies ? wf_uring_clip(op->recv.size) : io->blocks.size;
    if (copies || lends)
        io_uring_prep_recv(entry, fd, copies ? op->recv.data : NULL,
                           wf_io_fault_cap(WF_FAULT_SHORT_RECV, size), 0);
    else
        io_uring_prep_poll_add(entry, fd, POLLIN | POLLRDHUP);
    if (lends)
        entry->flags |= IOSQE_BUFFER_SELECT;
    entry->user_data = (uint64_t)(uintptr_t)op | WF_URING_OP;
    return copies || lends;
}

static int enter_recv(struct wf_uring *io, struct wf_op *op)
{
    struct wf_descriptor *descriptor = op->descriptor;
    struct wf_slot *slot = slot_of(io, op);
    int err = wf_uring_injected(WF_FAULT_RECV);
    if (err < 0 || slot->armed)
        return err;
    slot->armed = is_for_many(io, slot);
    struct io_uring_sqe *entry = wf_uring_entry(io);
    if (!entry) {
        slot->armed = false;
        return -ENOMEM;
    }
    bool receives = true;
    if (slot->armed)
        wf_uring_prepare_many(entry, descriptor->fd, many_key(slot, descriptor->fd));
    else
        receives = prepare_one(io, entry, op);
    if (receives && descriptor->drained && (io->can & WF_URING_POLLS_FIRST))
        entry->ioprio |= IORING_RECVSEND_POLL_FIRST;
    return 0;
}

static int64_t submit(struct wf_uring *io, struct wf_slot *slot, struct wf_op *op)
{
    struct wf_descriptor *descriptor = op->descriptor;
    wf_assert(descriptor->fd >= 0 && !descriptor->reader);
    int64_t result = take(io, slot, op);
    if (result == WF_PENDING && op->now && slot->armed) {
        if (!gather(io, descriptor->fd, slot))
            return -EAGAIN;
        result = take(io, slot, op);
    }
    if (result == WF_PENDING && (op->now || (descriptor->can_read && !slot->armed)))
        result = try_read(io, op);
    bool next = slot->kept == 0 && !op->now; /* what lies here goes before what the kernel has */
    bool elsewhere = result == -ENOBUFS && next && wf_uring_has_blocks(io);
    if (result != WF_PENDING && !elsewhere)
        return result;
    if (op->now)
        return -EAGAIN;
    int err = enter_recv(io, op);
    return err < 0 ? err : wf_uring_park(io, op, &descriptor->reader);
}

int64_t wf_uring_submit_recv(struct wf_uring *io, struct wf_op *op)
{
    struct wf_slot *slot = slot_of(io, op);
    int64_t result = submit(io, slot, op);
    note_ahead(slot);
    return result;
}

bool wf_uring_cancel_recv(struct wf_uring *io, struct wf_op *op)
{
    if (!slot_of(io, op)->armed)
        return false;
    op->descriptor->reader = NULL;
    return true;
}

int wf_uring_why_broken(struct wf_uring *io, const struct wf_descriptor *descriptor)
{
    struct wf_slot *slot = &io->slots.all[descriptor->fd];
    if (slot->armed && !descriptor->reader)
        gather(io, descriptor->fd, slot);
    return slot->over && slot->end < 0 ? slot->end : -EPIPE;
}

/* The kernel holds the file until the entry has ended: at once, because the peer is to hear of it.
 * What came and was not read is told as if it lay in the socket: by a reset. A Unix socket's peer
 * hears an end instead, for that knows no reset but the kernel's own. */
void wf_uring_end_recv(struct wf_uring *io, int fd, struct wf_slot *slot)
{
    const struct linger now = { .l_onoff = 1 };
    if (slot->armed) {
        stop(io, fd, slot);
        wf_uring_hand_over(io);
        for (int i = 0; i < LOOKS && gather(io, fd, slot) && slot->armed; i++)
            wf_uring_enter(io, 0);
    }
    if (slot->kept > 0)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    wf_uring_drop_kept(io, slot);
}

/* Completions of one receive. */

static void finish(struct wf_uring *io, struct wf_op *op, int64_t result)
{
    op->descriptor->reader = NULL;
    wf_io_finish(&io->base, op, result);
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
    note_size(slot_of(io, op), c->result);
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
    finish(io, op, result);
}

/* Completions of an entry for many. */

static void arrived(struct wf_uring *io, int fd, struct wf_slot *slot,
                    const struct wf_uring_completion *c)
{
    wf_uring_keep(io, slot, wf_uring_buffer_of(c), (uint16_t)c->result);
    if (c->result == WF_URING_SMALL || slot->kept >= KEPT_MAX)
        stop(io, fd, slot);
}

static bool is_news(int32_t result)
{
    return result != -ECANCELED && result != -EAGAIN && result != -EINTR && result != -ENOMEM;
}

/* Our own stop is nobody's news, what finds no buffer is received without, and who reads next asks
 * the kernel anew where it was only short of memory. */
static void ended(struct wf_uring *io, int fd, struct wf_slot *slot, int32_t result)
{
    if (slot->ending)
        wf_uring_forgive(io, many_key(slot, fd));
    slot->armed = slot->ending = false;
    if (result == -ENOBUFS) {
        io->many.lacking = true;
        slot->small = SMALL_LESS;
    } else if (result <= 0 && is_news(result)) {
        slot->over = true;
        slot->end = result;
    }
}

/* Whoever reads is told what there is, or waits on for it. */
static void serve(struct wf_uring *io, struct wf_slot *slot, struct wf_op *op)
{
    int64_t result = take(io, slot, op);
    bool found = result != WF_PENDING;
    if (!found)
        result = enter_recv(io, op);
    note_ahead(slot);
    if (found || result < 0)
        finish(io, op, result);
}

void wf_uring_many_event(struct wf_uring *io, const struct wf_uring_completion *c)
{
    int fd;
    struct wf_slot *slot = wf_uring_slot_of_key(io, c->data, &fd);
    bool is_ours = slot && slot->owner;
    if ((c->flags & IORING_CQE_F_BUFFER) && (!is_ours || c->result <= 0))
        wf_uring_many_return(io, wf_uring_buffer_of(c));
    if (!is_ours) /* who read is gone */
        return;
    if (c->result > 0)
        arrived(io, fd, slot, c);
    if (!(c->flags & IORING_CQE_F_MORE))
        ended(io, fd, slot, c->result);
    if (slot->owner->reader)
        serve(io, slot, slot->owner->reader);
    else
        note_ahead(slot);
}
