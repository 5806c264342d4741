/* The io_uring driver: completions, and plain calls where these are cheaper.
 *
 *      RECV       uring_recv.c: by a plain call while the socket is known to have more, else by an
 *                 entry; where messages are small, by one for many
 *      SEND       by a plain call; by an entry while waits bring several events at a time, because
 *                 then one call carries the sends of them all
 *      ACCEPT     by an entry for each; where the listener takes all who come, by one for many:
 *                 what comes while nobody asks is kept, and from a bound on the entry is taken back
 *      CONNECT    by an entry
 *      POLL       uring_poll.c
 *      FILE       uring_file.c
 *
 * A listener that other loops share is polled, and then asked by a plain call: an entry that
 * accepts would be given a client while its loop is busy, whom another loop would have served.
 *
 * An operation whose address the kernel has ends with its own completion, and no sooner: cancel()
 * asks for that end and answers "not yet". What has an entry of the driver's own (ACCEPT, POLL,
 * RECV by one for many) is gone at once.
 *
 * Costs: an echo is one io_uring_enter() and one send; among many, one io_uring_enter() for all. */

#include "base/memory.h"
#include "io/call.h"
#include "io/fault.h"
#include "io/file.h"
#include "io/uring_inside.h"

#include <weft/define.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH_MIN    2  /* events of a wait from which sends are gathered; docs/performance.md */
#define ARRIVALS_MAX 16 /* clients that are kept while nobody asks */

/* A listener's clients that nobody has asked for yet. */
struct wf_arrivals {
    int *fds;
    unsigned first, count, room;
    bool armed;   /* the kernel accepts for us, or */
    bool invites; /* says when there is somebody */
    bool ending;  /* it was asked to stop */
};

static struct wf_uring *uring_of(struct wf_io *io)
{
    return wf_container(io, struct wf_uring, base);
}

static struct io_uring_sqe *entry_for(struct wf_uring *io, struct wf_op *op)
{
    struct io_uring_sqe *entry = wf_uring_entry(io);
    if (entry)
        entry->user_data = (uint64_t)(uintptr_t)op | WF_URING_OP;
    return entry;
}

/* Sending. */

static int64_t try_send(struct wf_uring *io, struct wf_op *op)
{
    struct wf_descriptor *descriptor = op->descriptor;
    size_t size;
    int64_t result =
        wf_call_send(&io->base.counters, descriptor->fd, op->send.vector, op->send.count, &size);
    if (result == -EAGAIN || (result >= 0 && (size_t)result < size))
        descriptor->can_write = false;
    if (WF_UNLIKELY(result == -EPIPE))
        return wf_uring_why_broken(io, descriptor);
    return result == -EAGAIN ? WF_PENDING : result;
}

/* The first piece that has bytes: a send that waits does not end with none. */
static const struct iovec *first_piece(const struct wf_op *op)
{
    const struct iovec *piece = op->send.vector, *last = piece + op->send.count - 1;
    while (WF_UNLIKELY(piece->iov_len == 0) && piece < last)
        piece++;
    return piece;
}

/* One piece: fewer bytes than were asked for are an answer. */
static int enter_send(struct wf_uring *io, struct wf_op *op)
{
    const struct iovec *piece = first_piece(op);
    int err = wf_uring_injected(WF_FAULT_SEND);
    struct io_uring_sqe *entry = err == 0 ? entry_for(io, op) : NULL;
    if (!entry)
        return err < 0 ? err : -ENOMEM;
    size_t size = wf_io_fault_cap(WF_FAULT_SHORT_SEND, wf_uring_clip(piece->iov_len));
    io_uring_prep_send(entry, op->descriptor->fd, piece->iov_base, size, MSG_NOSIGNAL);
    if (!op->descriptor->can_write && (io->can & WF_URING_POLLS_FIRST))
        entry->ioprio |= IORING_RECVSEND_POLL_FIRST;
    return 0;
}

static int64_t submit_send(struct wf_uring *io, struct wf_op *op)
{
    struct wf_descriptor *descriptor = op->descriptor;
    wf_assert(descriptor->fd >= 0 && !descriptor->writer);
    bool gathers = io->batches && !op->now && op->send.count == 1;
    if (op->now || (descriptor->can_write && !gathers)) {
        int64_t result = try_send(io, op);
        if (result != WF_PENDING)
            return result;
    }
    if (op->now)
        return -EAGAIN;
    int err = enter_send(io, op);
    if (err == -ENOMEM && descriptor->can_write) { /* no entry: a plain call needs none */
        int64_t result = try_send(io, op);
        return result == WF_PENDING ? err : result;
    }
    return err < 0 ? err : wf_uring_park(io, op, &descriptor->writer);
}

/* A Unix socket whose listener is full says so, instead of waiting: by a plain call alone. */
static int64_t submit_connect(struct wf_uring *io, struct wf_op *op)
{
    struct wf_descriptor *descriptor = op->descriptor;
    wf_assert(descriptor->fd >= 0 && !descriptor->writer);
    if (op->connect.address->sa_family == AF_UNIX)
        return wf_call_connect(&io->base.counters, descriptor->fd, op->connect.address,
                               op->connect.size);
    int err = wf_uring_injected(WF_FAULT_CONNECT);
    struct io_uring_sqe *entry = err == 0 ? entry_for(io, op) : NULL;
    if (!entry)
        return err < 0 ? err : -ENOMEM;
    io_uring_prep_connect(entry, descriptor->fd, op->connect.address, op->connect.size);
    return wf_uring_park(io, op, &descriptor->writer);
}

static void write_event(struct wf_uring *io, struct wf_op *op, const struct wf_uring_completion *c)
{
    struct wf_descriptor *descriptor = op->descriptor;
    int64_t result = c->result;
    if (op->code == WF_OP_SEND && (result == -EAGAIN || result == -EINTR)) {
        descriptor->can_write = false;
        result = op->cancelling ? -ECANCELED : enter_send(io, op);
        if (result == 0)
            return;
    } else if (op->code == WF_OP_SEND) {
        descriptor->can_write = result < 0 || (size_t)result >= first_piece(op)->iov_len;
    }
    if (WF_UNLIKELY(result == -EPIPE))
        result = wf_uring_why_broken(io, descriptor);
    descriptor->writer = NULL;
    wf_io_finish(&io->base, op, result);
}

static void op_event(struct wf_uring *io, const struct wf_uring_completion *c)
{
    struct wf_op *op = (struct wf_op *)(uintptr_t)c->data;
    if (WF_UNLIKELY(op->cancelling))
        wf_uring_forgive(io, c->data);
    if (op->code == WF_OP_RECV || op->code == WF_OP_RECV_LEND)
        wf_uring_read_event(io, op, c);
    else if (op->code == WF_OP_FILE)
        wf_uring_file_event(io, op, c->result);
    else
        write_event(io, op, c);
}

/* Accepting. */

static uint64_t accept_key(const struct wf_uring *io, int fd)
{
    const struct wf_slot *slot = &io->slots.all[fd];
    return wf_uring_key(slot->arrivals->invites ? WF_URING_INVITATION : WF_URING_ACCEPT, fd,
                        slot->generation);
}

/* Have the kernel accept for us, or say when there is a client. */
static int arm_accept(struct wf_uring *io, const struct wf_descriptor *descriptor,
                      struct wf_arrivals *arrivals)
{
    struct io_uring_sqe *entry = wf_uring_entry(io);
    const int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
    if (!entry)
        return -ENOMEM;
    arrivals->invites = descriptor->shared || !(io->can & WF_URING_ACCEPTS);
    if (arrivals->invites)
        io_uring_prep_poll_add(entry, descriptor->fd, POLLIN);
    else if ((io->can & WF_URING_ACCEPTS_MANY) && descriptor->takes_all)
        io_uring_prep_multishot_accept(entry, descriptor->fd, NULL, NULL, flags);
    else
        io_uring_prep_accept(entry, descriptor->fd, NULL, NULL, flags);
    entry->user_data = accept_key(io, descriptor->fd);
    arrivals->armed = true;
    arrivals->ending = false;
    return 0;
}

static void stop_accepting(struct wf_uring *io, int fd, struct wf_arrivals *arrivals)
{
    if (!arrivals->armed || arrivals->ending)
        return;
    wf_uring_cancel_data(io, accept_key(io, fd));
    arrivals->ending = true;
}

static bool keep(struct wf_arrivals *arrivals, int fd)
{
    if (arrivals->first > 0 && arrivals->count == arrivals->room) {
        arrivals->count -= arrivals->first;
        memmove(arrivals->fds, arrivals->fds + arrivals->first,
                arrivals->count * sizeof *arrivals->fds);
        arrivals->first = 0;
    }
    if (arrivals->count == arrivals->room) {
        unsigned room = arrivals->room ? 2 * arrivals->room : ARRIVALS_MAX;
        int *fds = wf_realloc(arrivals->fds, room * sizeof *fds);
        if (!fds)
            return false;
        arrivals->fds = fds;
        arrivals->room = room;
    }
    arrivals->fds[arrivals->count++] = fd;
    return true;
}

static int64_t submit_accept(struct wf_uring *io, struct wf_op *op)
{
    struct wf_descriptor *descriptor = op->descriptor;
    struct wf_arrivals *arrivals = io->slots.all[descriptor->fd].arrivals;
    wf_assert(descriptor->fd >= 0 && !descriptor->reader);
    if (arrivals->first < arrivals->count)
        return arrivals->fds[arrivals->first++];
    if (op->now)
        return wf_call_accept(&io->base.counters, descriptor->fd);
    int err = wf_uring_injected(descriptor->shared ? WF_FAULT_CONTROL : WF_FAULT_ACCEPT);
    err = wf_call_is_about_peer(-err) ? 0 : err;
    if (err == 0 && !arrivals->armed)
        err = arm_accept(io, descriptor, arrivals);
    return err < 0 ? err : wf_uring_park(io, op, &descriptor->reader);
}

static void finish_accept(struct wf_uring *io, struct wf_descriptor *descriptor, int64_t result)
{
    struct wf_op *op = descriptor->reader;
    descriptor->reader = NULL;
    wf_io_finish(&io->base, op, result);
}

/* A client, or why there is none. Errors of a single client, and our own stop, are nobody's news.
 */
static void accepted(struct wf_uring *io, struct wf_descriptor *descriptor,
                     struct wf_arrivals *arrivals, int result)
{
    if (result >= 0 && descriptor->reader) {
        finish_accept(io, descriptor, result);
    } else if (result >= 0) {
        if (!keep(arrivals, result))
            close(result);
        if (arrivals->count - arrivals->first >= ARRIVALS_MAX)
            stop_accepting(io, descriptor->fd, arrivals);
    } else if (result == -EINVAL && (io->can & WF_URING_ACCEPTS_MANY)) {
        io->can &= ~(unsigned)WF_URING_ACCEPTS_MANY; /* it was the flag, or is said again */
    } else if (result == -EAGAIN) {
        io->can &= ~(unsigned)WF_URING_ACCEPTS; /* it will not wait for a client */
    } else if (descriptor->reader && result != -ECANCELED && !wf_call_is_about_peer(-result)) {
        finish_accept(io, descriptor, result);
    }
}

/* Another loop may have been quicker. */
static void invited(struct wf_uring *io, struct wf_descriptor *descriptor, int result)
{
    if (!descriptor->reader)
        return;
    int64_t client = result < 0 ? result : wf_call_accept(&io->base.counters, descriptor->fd);
    if (client != -EAGAIN && client != -ECANCELED)
        finish_accept(io, descriptor, client);
}

static struct wf_descriptor *listener_of_key(struct wf_uring *io, uint64_t key)
{
    int fd;
    struct wf_slot *slot = wf_uring_slot_of_key(io, key, &fd);
    return slot ? slot->owner : NULL;
}

static void accept_event(struct wf_uring *io, const struct wf_uring_completion *c)
{
    struct wf_descriptor *descriptor = listener_of_key(io, c->data);
    bool is_client = (c->data & WF_URING_TAGS) == WF_URING_ACCEPT;
    if (!descriptor) {
        if (is_client && c->result >= 0) /* who listened is gone */
            close(c->result);
        return;
    }
    struct wf_arrivals *arrivals = io->slots.all[descriptor->fd].arrivals;
    bool more = c->flags & IORING_CQE_F_MORE;
    arrivals->armed &= more;
    arrivals->ending &= more;
    if (is_client)
        accepted(io, descriptor, arrivals, c->result);
    else
        invited(io, descriptor, c->result);
    descriptor = listener_of_key(io, c->data); /* done() may have released it */
    if (!descriptor || !descriptor->reader || arrivals->armed)
        return;
    int err = arm_accept(io, descriptor, arrivals);
    if (err < 0)
        finish_accept(io, descriptor, err);
}

/* Clients among the completions that are not delivered yet. Without memory they are closed when
 * they are. */
static void close_strays(struct wf_uring *io, uint64_t key)
{
    if ((key & WF_URING_TAGS) != WF_URING_ACCEPT || !wf_uring_put_aside(io))
        return;
    for (size_t i = io->aside.taken; i < io->aside.count; i++) {
        struct wf_uring_completion *completion = &io->aside.all[i];
        if (completion->data != key)
            continue;
        if (completion->result >= 0)
            close(completion->result);
        completion->data = WF_URING_NOTHING;
    }
}

/* The kernel holds the socket until it has given up accepting: at once, because the address is to
 * be free. Clients that it accepts meanwhile are nobody's. */
static void end_arrivals(struct wf_uring *io, int fd, struct wf_slot *slot)
{
    struct wf_arrivals *arrivals = slot->arrivals;
    if (arrivals->armed) {
        stop_accepting(io, fd, arrivals);
        wf_uring_hand_over(io);
        close_strays(io, accept_key(io, fd));
    }
    while (arrivals->first < arrivals->count)
        close(arrivals->fds[arrivals->first++]);
    wf_free(arrivals->fds);
    wf_free(arrivals);
    slot->arrivals = NULL;
}

/* Waiting. */

/* By an eventfd: MSG_RING without a ring of one's own (Linux 6.13) takes 1.09 times the CPU for a
 * round trip of loops that sleep, and 1.3 to 1.8 times for those awake (6.18, medians of pairs). */
static void poll_inbox(struct wf_uring *io)
{
    struct io_uring_sqe *entry = wf_uring_entry(io);
    if (!entry)
        return;
    io_uring_prep_poll_multishot(entry, io->inbox->event_fd, POLLIN);
    entry->user_data = WF_URING_INBOX;
    io->inbox_polled = true;
}

static void poll_event(struct wf_uring *io, const struct wf_uring_completion *c)
{
    int fd;
    struct wf_slot *slot = wf_uring_slot_of_key(io, c->data, &fd);
    if (slot && !slot->owner && slot->watch)
        wf_uring_poll_event(io, slot, fd, c->result);
}

/* True: it was somebody's. */
static bool dispatch(struct wf_uring *io, const struct wf_uring_completion *c)
{
    switch ((enum wf_uring_tag)(c->data & WF_URING_TAGS)) {
    case WF_URING_OP:
        op_event(io, c);
        return true;
    case WF_URING_POLL:
        poll_event(io, c);
        return true;
    case WF_URING_ACCEPT:
    case WF_URING_INVITATION:
        accept_event(io, c);
        return true;
    case WF_URING_RECV:
        wf_uring_many_event(io, c);
        return true;
    case WF_URING_INBOX: /* it has served its purpose */
        io->inbox_polled = c->flags & IORING_CQE_F_MORE;
        return false;
    case WF_URING_NOTHING:
        break;
    }
    return false;
}

/* Those that are here now; what done() brings about comes with the next wait. */
static void deliver(struct wf_uring *io)
{
    size_t count = wf_uring_count_completions(io);
    unsigned events = 0;
    struct wf_uring_completion completion;
    for (; count > 0 && wf_uring_next(io, &completion); count--)
        events += dispatch(io, &completion);
    if (events > 0)
        io->batches = events >= BATCH_MIN;
}

static void uring_wait_for(struct wf_io *base, int64_t timeout)
{
    struct wf_uring *io = uring_of(base);
    wf_assert(!io->waiting);
    io->waiting = true;
    if (io->lent.ring)
        wf_uring_lend(io);
    if (io->many.lacking)
        wf_uring_many_grow(io);
    if (io->owed.count > 0)
        wf_uring_pay(io);
    if (!io->inbox_polled)
        poll_inbox(io);
    bool may_sleep = timeout > 0 && io->inbox_polled && io->owed.count == 0 &&
                     wf_list_is_empty(&io->slots.orphans) && wf_uring_count_completions(io) == 0;
    bool sleeps = may_sleep && wf_inbox_fall_asleep(io->inbox);
    if (!wf_io_fault_hits(WF_FAULT_WAIT))
        wf_uring_enter(io, sleeps ? timeout : 0);
    if (sleeps)
        wf_inbox_wake_up(io->inbox);
    deliver(io);
    wf_slots_finish_orphans(&io->slots, base);
    io->base.counters.wakes = atomic_load_explicit(&io->inbox->wakes, memory_order_relaxed);
    io->waiting = false;
}

/* The table. */

static int64_t uring_submit(struct wf_io *base, struct wf_op *op)
{
    struct wf_uring *io = uring_of(base);
    switch ((enum wf_op_code)op->code) {
    case WF_OP_ACCEPT:
        return submit_accept(io, op);
    case WF_OP_RECV:
    case WF_OP_RECV_LEND:
        return wf_uring_submit_recv(io, op);
    case WF_OP_SEND:
        return submit_send(io, op);
    case WF_OP_CONNECT:
        return submit_connect(io, op);
    case WF_OP_POLL:
        return wf_uring_submit_poll(io, op);
    case WF_OP_FILE:
        return wf_uring_submit_file(io, op);
    }
    return -EINVAL;
}

/* Asked once: a second entry might find the next operation at that address. */
static bool ask_for_end(struct wf_uring *io, struct wf_op *op)
{
    if (!op->cancelling)
        wf_uring_cancel_data(io, (uint64_t)(uintptr_t)op | WF_URING_OP);
    op->cancelling = true;
    return false;
}

static bool uring_cancel(struct wf_io *base, struct wf_op *op)
{
    struct wf_uring *io = uring_of(base);
    wf_assert(op->pending);
    switch ((enum wf_op_code)op->code) {
    case WF_OP_FILE:
        return op->file.on_thread ? wf_file_cancel_job(op) : ask_for_end(io, op);
    case WF_OP_POLL:
        wf_uring_cancel_poll(io, op);
        break;
    case WF_OP_ACCEPT:
        op->descriptor->reader = NULL;
        if (op->descriptor->shared) /* a client is to wake one who waits */
            stop_accepting(io, op->descriptor->fd, io->slots.all[op->descriptor->fd].arrivals);
        break;
    case WF_OP_RECV:
    case WF_OP_RECV_LEND:
        if (!wf_uring_cancel_recv(io, op))
            return ask_for_end(io, op);
        break;
    default:
        return ask_for_end(io, op);
    }
    op->pending = false;
    base->counters.pending--;
    return true;
}

static int uring_attach(struct wf_io *base, struct wf_descriptor *descriptor, int fd)
{
    struct wf_uring *io = uring_of(base);
    struct wf_slot *slot;
    int err = wf_slots_find(&io->slots, fd, &slot);
    if (err == 0 && slot->owner)
        err = -EEXIST;
    if (err == 0 && !descriptor->shared)
        err = wf_uring_injected(WF_FAULT_CONTROL);
    struct wf_arrivals *arrivals = NULL;
    if (err == 0 && descriptor->listening)
        err = (arrivals = wf_alloc_zero(sizeof *arrivals)) ? 0 : -ENOMEM;
    if (err == 0)
        err = wf_uring_poll_yield(io, slot, fd);
    if (err < 0) {
        wf_free(arrivals);
        return err;
    }
    slot->small = 0;
    slot->arrivals = arrivals;
    slot->generation++;
    slot->owner = descriptor;
    descriptor->fd = fd;
    descriptor->can_read = false;
    descriptor->can_write = true;
    descriptor->drained = false;
    descriptor->hung_up = false;
    descriptor->reader = NULL;
    descriptor->writer = NULL;
    return 0;
}

static void uring_release(struct wf_io *base, struct wf_descriptor *descriptor)
{
    struct wf_uring *io = uring_of(base);
    wf_assert(!descriptor->reader && !descriptor->writer);
    struct wf_slot *slot = &io->slots.all[descriptor->fd];
    wf_assert(slot->owner == descriptor);
    if (descriptor->listening)
        end_arrivals(io, descriptor->fd, slot);
    else if (slot->armed || slot->kept > 0)
        wf_uring_end_recv(io, descriptor->fd, slot);
    slot->armed = slot->ending = slot->over = false;
    slot->owner = NULL;
    slot->generation++;
    io->base.counters.others++;
    close(descriptor->fd); /* EINTR: closed all the same */
    descriptor->fd = -1;
}

static void uring_lend_return(struct wf_io *base, char *block)
{
    wf_blocks_put(&uring_of(base)->blocks, block);
}

static const struct wf_io_counters *uring_counters(const struct wf_io *base)
{
    return &base->counters;
}

static void uring_memory(const struct wf_io *base, struct wf_io_memory *memory)
{
    const struct wf_uring *io = wf_container(base, struct wf_uring, base);
    *memory = (struct wf_io_memory){ .lent = io->blocks.lent * io->blocks.size };
    wf_uring_ring_memory(io, memory);
    wf_uring_lent_memory(io, memory);
    wf_uring_many_memory(io, memory);
}

static void uring_close(struct wf_io *base)
{
    struct wf_uring *io = uring_of(base);
    struct wf_uring_completion completion;
    while (wf_uring_next(io, &completion))
        if ((completion.data & WF_URING_TAGS) == WF_URING_ACCEPT && completion.result >= 0)
            close(completion.result);
    wf_uring_lent_close(io);
    wf_uring_many_close(io);
    wf_uring_ring_close(io);
    wf_slots_fini(&io->slots);
    wf_blocks_fini(&io->blocks);
    wf_free(io);
}

static int uring_open(struct wf_io **result, const struct wf_io_options *options,
                      const char **reason)
{
    *reason = "no memory";
    struct wf_uring *io = wf_alloc_zero(sizeof *io);
    int err = io ? wf_slots_init(&io->slots) : -ENOMEM;
    if (err == 0)
        err = wf_uring_ring_open(io, options, reason);
    if (err < 0) {
        if (io)
            wf_slots_fini(&io->slots);
        wf_free(io);
        return err;
    }
    io->inbox = options->inbox;
    wf_blocks_init(&io->blocks, options->block_size, options->blocks_max);
    *result = &io->base;
    return 0;
}

const struct wf_io_ops wf_uring_ops = {
    .name = "uring",
    .open = uring_open,
    .close = uring_close,
    .attach = uring_attach,
    .release = uring_release,
    .submit = uring_submit,
    .cancel = uring_cancel,
    .lend_return = uring_lend_return,
    .wait = uring_wait_for,
    .counters = uring_counters,
    .memory = uring_memory,
};
