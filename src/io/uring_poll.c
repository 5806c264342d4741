/* POLL: one readiness event of a number that is not ours, by the ring.
 *
 * Several operations may wait on one number. The kernel has one poll for all they ask for together;
 * its completion ends those that it concerns, and another one is made for those that stay. Nothing
 * of an operation is in the kernel's hands, so a cancel is done at once. The last one takes the
 * poll back before it returns, because it holds the file open.
 *
 * The kernel goes on with the file that it was asked about, whatever becomes of the number. So who
 * asks next for the number looks whether it is the same file: those who waited for another one are
 * told -EBADF. Eventfds and the like all look the same; the poll is made anew for each who joins,
 * so at least nobody waits for what the number named before. */

#include "io/fault.h"
#include "io/uring_inside.h"

#include <errno.h>
#include <sys/stat.h>

static void disarm(struct wf_uring *io, int fd, struct wf_slot *slot)
{
    if (!slot->watch->armed)
        return;
    wf_uring_cancel_data(io, wf_uring_key(WF_URING_POLL, fd, slot->generation));
    slot->generation++;
    slot->watch->armed = false;
}

static int arm(struct wf_uring *io, int fd, struct wf_slot *slot, unsigned interest)
{
    disarm(io, fd, slot);
    if (wf_io_fault_hits(WF_FAULT_CONTROL) && errno != EINTR)
        return -errno;
    struct io_uring_sqe *entry = wf_uring_entry(io);
    if (!entry)
        return -ENOMEM;
    io_uring_prep_poll_add(entry, fd, wf_poll_events(interest));
    entry->user_data = wf_uring_key(WF_URING_POLL, fd, ++slot->generation);
    slot->watch->armed = true;
    return 0;
}

/* The file that the number names now; -EBADF, or 1: one that is always ready. */
static int identify(struct wf_uring *io, int fd, struct wf_file_identity *file)
{
    struct stat status;
    io->base.counters.others++;
    if (fstat(fd, &status) < 0)
        return -errno;
    *file = (struct wf_file_identity){ status.st_dev, status.st_ino };
    return S_ISREG(status.st_mode) || S_ISDIR(status.st_mode);
}

static bool is_same(const struct wf_file_identity *a, const struct wf_file_identity *b)
{
    return a->device == b->device && a->inode == b->inode;
}

/* Those who waited for another file. */
static void part_from(struct wf_uring *io, int fd, struct wf_slot *slot)
{
    disarm(io, fd, slot);
    wf_watch_orphan(&io->slots, slot->watch, -EBADF);
}

int wf_uring_poll_yield(struct wf_uring *io, struct wf_slot *slot, int fd)
{
    struct wf_file_identity file;
    if (!wf_slot_is_watched(slot))
        return 0;
    int err = identify(io, fd, &file);
    if (err < 0)
        return err;
    if (is_same(&file, &slot->watch->file))
        return -EEXIST;
    part_from(io, fd, slot);
    return 0;
}

static int64_t wait_for(struct wf_uring *io, struct wf_op *op, struct wf_slot *slot)
{
    struct wf_watch *watch = slot->watch;
    struct wf_file_identity file;
    int fd = op->poll.fd, found = identify(io, fd, &file);
    unsigned interest = op->poll.interest;
    if (found != 0)
        return found < 0 ? found : (int64_t)interest;
    if (wf_slot_is_watched(slot) && !is_same(&file, &watch->file))
        part_from(io, fd, slot);
    watch->file = file;
    int err = arm(io, fd, slot, interest | wf_watch_interest(watch));
    if (err < 0) {
        wf_watch_orphan(&io->slots, watch, err); /* nothing waits for them any more */
        return err;
    }
    wf_list_push_back(&watch->waiting, &op->poll.link);
    return wf_io_pend(&io->base, op);
}

int64_t wf_uring_submit_poll(struct wf_uring *io, struct wf_op *op)
{
    struct wf_slot *slot;
    int64_t result = wf_poll_begin(&io->slots, &io->base, op, &slot);
    return result == WF_PENDING ? wait_for(io, op, slot) : result;
}

void wf_uring_cancel_poll(struct wf_uring *io, struct wf_op *op)
{
    int fd = op->poll.fd;
    wf_list_remove_init(&op->poll.link);
    if (fd < 0 || wf_slot_is_watched(&io->slots.all[fd])) /* < 0: an orphan */
        return;
    disarm(io, fd, &io->slots.all[fd]);
    wf_uring_hand_over(io);
}

/* Made again for those who stay before done() is called for those who go, because done() may change
 * who waits. */
void wf_uring_poll_event(struct wf_uring *io, struct wf_slot *slot, int fd, int32_t result)
{
    struct wf_watch *watch = slot->watch;
    uint32_t events = result > 0 ? (uint32_t)result : 0;
    struct wf_list ready;
    wf_list_init(&ready);
    watch->armed = false;
    wf_watch_take_ready(watch, events, &ready);
    if (!wf_list_is_empty(&watch->waiting)) {
        int err = result < 0 ? result : arm(io, fd, slot, wf_watch_interest(watch));
        if (err < 0)
            wf_watch_orphan(&io->slots, watch, err);
    }
    wf_watch_finish(&io->base, &ready, events);
}
