/* The epoll driver: completions made of readiness.
 *
 * A socket is registered once, edge-triggered for everything, and never again until it is closed.
 * What the edges said is kept in two flags a descriptor, and a call goes to the kernel only while
 * its flag stands:
 *
 *      edge                     can_read   can_write   hung_up
 *      IN                         set
 *      RDHUP, PRI                 set                    set
 *      HUP, ERR                   set         set        set
 *      OUT                                    set
 *
 *      EAGAIN, short receive    cleared, unless hung_up
 *      EAGAIN, partial send                 cleared
 *
 * A short receive empties a stream's queue, so the next one parks without asking. That is wrong in
 * one case: the end of the stream may already be there, told by an edge that came with the data;
 * hence hung_up. (Urgent data is the other reason for a short receive, hence PRI.)
 *
 * An operation that waits is tried again in wait(), on the edge, and done() is called unless it
 * met EAGAIN.
 *
 * Costs: an echo is wait, receive, send. POLL is one epoll_ctl each time. */

#include "base/memory.h"
#include "io/call.h"
#include "io/epoll_inside.h"
#include "io/fault.h"
#include "io/file.h"

#include <weft/define.h>

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX 256
#define INBOX_KEY  UINT64_MAX /* its half for the number is -1, which no descriptor has */

#ifndef SYS_epoll_pwait2
#    define SYS_epoll_pwait2 441
#endif

#define SOCKET_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | (uint32_t)EPOLLET)
#define SHARED_EVENTS (EPOLLIN | (uint32_t)EPOLLET | (uint32_t)EPOLLEXCLUSIVE)
#define READ_EDGE     (EPOLLIN | EPOLLRDHUP | EPOLLPRI | EPOLLHUP | EPOLLERR)
#define WRITE_EDGE    (EPOLLOUT | EPOLLHUP | EPOLLERR)
#define HANG_UP_EDGE  (EPOLLRDHUP | EPOLLPRI | EPOLLHUP | EPOLLERR)

static struct wf_epoll *epoll_of(struct wf_io *io)
{
    return wf_container(io, struct wf_epoll, base);
}

int wf_epoll_control(struct wf_epoll *io, int operation, int fd, uint64_t key, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.u64 = key };
    for (;;) {
        if (!wf_io_fault_hits(WF_FAULT_CONTROL)) {
            io->base.counters.controls++;
            if (epoll_ctl(io->fd, operation, fd, &event) == 0)
                return 0;
        }
        if (errno != EINTR)
            return -errno;
    }
}

/* Sockets: one try. Each answers the result, or WF_PENDING when the kernel has nothing. */

static int64_t try_recv(struct wf_epoll *io, struct wf_descriptor *descriptor, void *data,
                        size_t size)
{
    int64_t result = wf_call_recv(&io->base.counters, descriptor->fd, data, &size);
    if (result == -EAGAIN || (result > 0 && (size_t)result < size))
        descriptor->can_read = descriptor->hung_up;
    return result == -EAGAIN ? WF_PENDING : result;
}

static int64_t try_recv_lend(struct wf_epoll *io, struct wf_op *op)
{
    char *block;
    int err = wf_blocks_get(&io->blocks, &block);
    if (err < 0)
        return err;
    return wf_io_hand_block(&io->blocks, op, block,
                            try_recv(io, op->descriptor, block, io->blocks.size));
}

static int64_t try_accept(struct wf_epoll *io, struct wf_descriptor *descriptor)
{
    int64_t result = wf_call_accept(&io->base.counters, descriptor->fd);
    if (result != -EAGAIN)
        return result;
    descriptor->can_read = false;
    return WF_PENDING;
}

static int64_t try_read(struct wf_epoll *io, struct wf_op *op)
{
    switch (op->code) {
    case WF_OP_ACCEPT:
        return try_accept(io, op->descriptor);
    case WF_OP_RECV:
        return try_recv(io, op->descriptor, op->recv.data, op->recv.size);
    default:
        return try_recv_lend(io, op);
    }
}

static int64_t try_send(struct wf_epoll *io, struct wf_op *op)
{
    struct wf_descriptor *descriptor = op->descriptor;
    size_t size;
    int64_t result =
        wf_call_send(&io->base.counters, descriptor->fd, op->send.vector, op->send.count, &size);
    if (result == -EAGAIN || (result >= 0 && (size_t)result < size))
        descriptor->can_write = false;
    return result == -EAGAIN ? WF_PENDING : result;
}

/* What was heard before connect() was about a socket that is none yet: epoll says HUP of those. */
static int64_t start_connect(struct wf_epoll *io, struct wf_op *op)
{
    struct wf_descriptor *descriptor = op->descriptor;
    int err =
        wf_call_connect(&io->base.counters, descriptor->fd, op->connect.address, op->connect.size);
    descriptor->hung_up = false;
    descriptor->can_read = false;
    if (err != -EINPROGRESS && err != -EALREADY) /* EALREADY: interrupted, but under way */
        return err;
    descriptor->can_write = false;
    return WF_PENDING;
}

/* HUP without an error is news from before connect(): it goes on. */
static int64_t finish_connect(struct wf_epoll *io, struct wf_op *op, uint32_t events)
{
    int err = wf_call_socket_error(&io->base.counters, op->descriptor->fd);
    return err == 0 && (events & EPOLLHUP) ? WF_PENDING : err;
}

/* Sockets: submit, and the edge */

static int64_t park(struct wf_epoll *io, struct wf_op *op, struct wf_op **side)
{
    if (op->now)
        return -EAGAIN;
    *side = op;
    return wf_io_pend(&io->base, op);
}

/* Shared listeners: in the kernel's queue of those who wait, at its end, until we have one. A
 * client that is there already is told at once. */

static int64_t wait_in_line(struct wf_epoll *io, struct wf_op *op)
{
    struct wf_descriptor *descriptor = op->descriptor;
    int fd = descriptor->fd;
    uint64_t key = wf_epoll_key(fd, io->slots.all[fd].generation);
    int err = wf_epoll_control(io, EPOLL_CTL_ADD, fd, key, SHARED_EVENTS);
    return err < 0 ? err : park(io, op, &descriptor->reader);
}

static void leave_line(struct wf_epoll *io, const struct wf_descriptor *descriptor)
{
    io->base.counters.controls++;
    epoll_ctl(io->fd, EPOLL_CTL_DEL, descriptor->fd, NULL);
}

static int64_t submit_read(struct wf_epoll *io, struct wf_op *op)
{
    struct wf_descriptor *descriptor = op->descriptor;
    wf_assert(descriptor->fd >= 0 && !descriptor->reader);
    if (descriptor->shared && !op->now)
        return wait_in_line(io, op);
    if (descriptor->can_read || op->now) { /* now: what has come since the last wait, too */
        int64_t result = try_read(io, op);
        if (result != WF_PENDING)
            return result;
    }
    return park(io, op, &descriptor->reader);
}

static int64_t submit_write(struct wf_epoll *io, struct wf_op *op)
{
    struct wf_descriptor *descriptor = op->descriptor;
    wf_assert(descriptor->fd >= 0 && !descriptor->writer);
    int64_t result = WF_PENDING;
    if (op->code == WF_OP_CONNECT)
        result = start_connect(io, op);
    else if (descriptor->can_write)
        result = try_send(io, op);
    return result == WF_PENDING ? park(io, op, &descriptor->writer) : result;
}

static void read_edge(struct wf_epoll *io, struct wf_descriptor *descriptor)
{
    struct wf_op *op = descriptor->reader;
    if (!op)
        return;
    int64_t result = try_read(io, op);
    if (result == WF_PENDING)
        return;
    descriptor->reader = NULL;
    if (descriptor->shared)
        leave_line(io, descriptor);
    wf_io_finish(&io->base, op, result);
}

static void write_edge(struct wf_epoll *io, struct wf_descriptor *descriptor, uint32_t events)
{
    struct wf_op *op = descriptor->writer;
    if (!op)
        return;
    int64_t result = op->code == WF_OP_CONNECT ? finish_connect(io, op, events) : try_send(io, op);
    if (result == WF_PENDING)
        return;
    descriptor->writer = NULL;
    wf_io_finish(&io->base, op, result);
}

static void socket_event(struct wf_epoll *io, struct wf_slot *slot, uint64_t key, uint32_t events)
{
    struct wf_descriptor *descriptor = slot->owner;
    descriptor->hung_up |= (events & HANG_UP_EDGE) != 0;
    descriptor->can_read |= (events & READ_EDGE) != 0;
    descriptor->can_write |= (events & WRITE_EDGE) != 0;
    if (events & READ_EDGE)
        read_edge(io, descriptor);
    slot = wf_epoll_slot_of_key(io, key); /* done() may have released it */
    if (slot && (events & WRITE_EDGE))
        write_edge(io, slot->owner, events);
}

/* Waiting */

static int wait_kernel(struct wf_epoll *io, struct epoll_event *events, int64_t timeout)
{
    if (timeout == 0)
        return epoll_wait(io->fd, events, EVENTS_MAX, 0);
    if (timeout == WEFT_FOREVER)
        return epoll_wait(io->fd, events, EVENTS_MAX, -1);
    if (io->has_pwait2) {
        struct timespec limit = { .tv_sec = timeout / WEFT_SECOND,
                                  .tv_nsec = timeout % WEFT_SECOND };
        long count = syscall(SYS_epoll_pwait2, io->fd, events, EVENTS_MAX, &limit, NULL, (size_t)0);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM))
            return (int)count;
        io->has_pwait2 = false; /* an old kernel, or a filter that does not know the call */
    }
    int64_t timeout_ms = (timeout - 1) / WEFT_MILLISECOND + 1; /* up: never early */
    return epoll_wait(io->fd, events, EVENTS_MAX, timeout_ms < INT_MAX ? (int)timeout_ms : INT_MAX);
}

static int wait_events(struct wf_epoll *io, struct epoll_event *events, int64_t timeout)
{
    bool sleeps = timeout != 0 && wf_inbox_fall_asleep(io->inbox);
    int count = -1;
    if (!wf_io_fault_hits(WF_FAULT_WAIT)) {
        io->base.counters.waits++;
        count = wait_kernel(io, events, sleeps ? timeout : 0);
    }
    wf_assert(count >= 0 || errno == EINTR);
    if (sleeps)
        wf_inbox_wake_up(io->inbox);
    return count;
}

static void dispatch(struct wf_epoll *io, uint64_t key, uint32_t events)
{
    if (key == INBOX_KEY)
        return; /* it has served its purpose */
    struct wf_slot *slot = wf_epoll_slot_of_key(io, key);
    if (!slot)
        return;
    if (slot->owner)
        socket_event(io, slot, key, events);
    else if (slot->watch)
        wf_epoll_poll_event(io, slot, (int)(uint32_t)key, events);
}

static void epoll_wait_for(struct wf_io *base, int64_t timeout)
{
    struct wf_epoll *io = epoll_of(base);
    struct epoll_event events[EVENTS_MAX];
    wf_assert(!io->waiting);
    io->waiting = true;
    bool has_orphans = !wf_list_is_empty(&io->slots.orphans);
    int count = wait_events(io, events, timeout < 0 || has_orphans ? 0 : timeout);
    for (int i = 0; i < count; i++)
        dispatch(io, events[i].data.u64, events[i].events);
    wf_slots_finish_orphans(&io->slots, &io->base);
    io->base.counters.wakes = atomic_load_explicit(&io->inbox->wakes, memory_order_relaxed);
    io->waiting = false;
}

/* The table */

static int64_t epoll_submit(struct wf_io *base, struct wf_op *op)
{
    struct wf_epoll *io = epoll_of(base);
    switch ((enum wf_op_code)op->code) {
    case WF_OP_ACCEPT:
    case WF_OP_RECV:
    case WF_OP_RECV_LEND:
        return submit_read(io, op);
    case WF_OP_SEND:
    case WF_OP_CONNECT:
        return submit_write(io, op);
    case WF_OP_POLL:
        return wf_epoll_submit_poll(io, op);
    case WF_OP_FILE:
        return wf_file_submit(base, op);
    }
    return -EINVAL;
}

/* Nothing of ours is in the kernel's hands, so only what a thread does can be out of reach. */
static bool epoll_cancel(struct wf_io *base, struct wf_op *op)
{
    wf_assert(op->pending);
    if (op->code == WF_OP_FILE)
        return wf_file_cancel_job(op);
    if (op->code == WF_OP_POLL)
        wf_list_remove_init(&op->poll.link);
    else if (op->code == WF_OP_SEND || op->code == WF_OP_CONNECT)
        op->descriptor->writer = NULL;
    else
        op->descriptor->reader = NULL;
    if (op->code == WF_OP_ACCEPT && op->descriptor->shared)
        leave_line(epoll_of(base), op->descriptor);
    op->pending = false;
    base->counters.pending--;
    return true;
}

/* EEXIST is somebody's POLL on the same open file: he keeps it while he waits, else it is ours. */
static int epoll_attach(struct wf_io *base, struct wf_descriptor *descriptor, int fd)
{
    struct wf_epoll *io = epoll_of(base);
    struct wf_slot *slot;
    int err = wf_slots_find(&io->slots, fd, &slot);
    if (err < 0)
        return err;
    if (slot->owner)
        return -EEXIST;
    bool watched = wf_slot_is_watched(slot);
    uint64_t key = wf_epoll_key(fd, slot->generation + 1);
    err = descriptor->shared ? 0 : wf_epoll_control(io, EPOLL_CTL_ADD, fd, key, SOCKET_EVENTS);
    if (err == -EEXIST && !watched)
        err = wf_epoll_control(io, EPOLL_CTL_MOD, fd, key, SOCKET_EVENTS);
    if (err < 0)
        return err;
    if (watched)
        wf_watch_orphan(&io->slots, slot->watch, -EBADF);
    slot->generation++;
    slot->owner = descriptor;
    descriptor->fd = fd;
    descriptor->can_read = descriptor->listening;
    descriptor->can_write = true;
    descriptor->hung_up = false;
    descriptor->reader = NULL;
    descriptor->writer = NULL;
    return 0;
}

static void epoll_release(struct wf_io *base, struct wf_descriptor *descriptor)
{
    struct wf_epoll *io = epoll_of(base);
    wf_assert(!descriptor->reader && !descriptor->writer);
    struct wf_slot *slot = &io->slots.all[descriptor->fd];
    wf_assert(slot->owner == descriptor);
    slot->owner = NULL;
    slot->generation++;
    io->base.counters.others++;
    close(descriptor->fd); /* EINTR: closed all the same */
    descriptor->fd = -1;
}

static void epoll_lend_return(struct wf_io *base, char *block)
{
    wf_blocks_put(&epoll_of(base)->blocks, block);
}

static const struct wf_io_counters *epoll_counters(const struct wf_io *base)
{
    return &base->counters;
}

static void epoll_memory(const struct wf_io *base, struct wf_io_memory *memory)
{
    const struct wf_epoll *io = wf_container(base, struct wf_epoll, base);
    *memory = (struct wf_io_memory){ .lent = io->blocks.lent * io->blocks.size };
}

static void epoll_close(struct wf_io *base)
{
    struct wf_epoll *io = epoll_of(base);
    wf_slots_fini(&io->slots);
    wf_blocks_fini(&io->blocks);
    if (io->fd >= 0)
        close(io->fd);
    wf_free(io);
}

static int open_fd(void)
{
    if (wf_io_fault_hits(WF_FAULT_OPEN))
        return -errno;
    int fd = epoll_create1(EPOLL_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int epoll_open(struct wf_io **result, const struct wf_io_options *options,
                      const char **reason)
{
    *reason = "epoll could not be opened";
    struct wf_epoll *io = wf_alloc_zero(sizeof *io);
    if (!io)
        return -ENOMEM;
    io->inbox = options->inbox;
    io->has_pwait2 = true;
    wf_blocks_init(&io->blocks, options->block_size, options->blocks_max);
    io->fd = open_fd();
    int err = io->fd < 0 ? io->fd : wf_slots_init(&io->slots);
    if (err == 0)
        err = wf_epoll_control(io, EPOLL_CTL_ADD, io->inbox->event_fd, INBOX_KEY,
                               EPOLLIN | (uint32_t)EPOLLET);
    if (err < 0) {
        epoll_close(&io->base);
        return err;
    }
    *result = &io->base;
    return 0;
}

const struct wf_io_ops wf_epoll_ops = {
    .name = "epoll",
    .open = epoll_open,
    .close = epoll_close,
    .attach = epoll_attach,
    .release = epoll_release,
    .submit = epoll_submit,
    .cancel = epoll_cancel,
    .lend_return = epoll_lend_return,
    .wait = epoll_wait_for,
    .counters = epoll_counters,
    .memory = epoll_memory,
};
