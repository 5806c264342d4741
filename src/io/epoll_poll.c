/* POLL: one readiness event of a number that is not ours: a pipe, an eventfd, the socket of a
 * foreign library.
 *
 * Several operations may wait on one number. It is registered one-shot, level-triggered, for all
 * they ask for together; an event ends those that it concerns, and arms again for those that stay.
 *
 *      submit ──> MOD ── ENOENT ──> ADD ── EEXIST ──> MOD
 *                                    └──── EPERM ───> always ready
 *
 * Who closes a number while it is waited on gets no event from the kernel. It shows when the number
 * is somebody else's (ENOENT, or an attach): those who waited are then told -EBADF. A cancel leaves
 * the registration as it is: at worst it fires once, for nobody. */

#include "base/memory.h"
#include "io/call.h"
#include "io/epoll_inside.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>

static struct wf_op *op_of_link(struct wf_list *link)
{
    return wf_container(link, struct wf_op, poll.link);
}

static unsigned interest_of(const struct wf_epoll_watch *watch)
{
    unsigned interest = 0;
    WF_LIST_EACH(link, &watch->waiting)
        interest |= op_of_link(link)->poll.interest;
    return interest;
}

static uint32_t events_of(unsigned interest)
{
    uint32_t events = EPOLLONESHOT;
    if (interest & WF_POLL_READ)
        events |= EPOLLIN;
    if (interest & WF_POLL_WRITE)
        events |= EPOLLOUT;
    return events;
}

void wf_epoll_orphan(struct wf_epoll *io, struct wf_epoll_watch *watch, int err)
{
    WF_LIST_EACH(link, &watch->waiting)
        op_of_link(link)->poll.fd = err;
    wf_list_splice(&io->orphans, &watch->waiting);
}

static int watch_make(struct wf_epoll_slot *slot)
{
    if (slot->watch)
        return 0;
    struct wf_epoll_watch *watch = wf_alloc(sizeof *watch);
    if (!watch)
        return -ENOMEM;
    wf_list_init(&watch->waiting);
    watch->registered = false;
    slot->watch = watch;
    return 0;
}

/* Ask for `interest` besides what is waited for. ENOENT: the number was closed since, and is
 * another file now, or it is asked for the first time. EEXIST: somebody registered it before us,
 * through a descriptor that was released while a copy of it lived on. */
static int arm(struct wf_epoll *io, int fd, struct wf_epoll_slot *slot, unsigned interest)
{
    struct wf_epoll_watch *watch = slot->watch;
    int err = -ENOENT;
    if (watch->registered)
        err = wf_epoll_control(io, EPOLL_CTL_MOD, fd, wf_epoll_key(fd, slot->generation),
                               events_of(interest | interest_of(watch)));
    if (err == -ENOENT) {
        wf_epoll_orphan(io, watch, -EBADF);
        uint64_t key = wf_epoll_key(fd, ++slot->generation);
        err = wf_epoll_control(io, EPOLL_CTL_ADD, fd, key, events_of(interest));
        if (err == -EEXIST)
            err = wf_epoll_control(io, EPOLL_CTL_MOD, fd, key, events_of(interest));
    }
    if (err == 0)
        watch->registered = true;
    return err;
}

static unsigned poll_result(unsigned interest, uint32_t events)
{
    if (events & (EPOLLHUP | EPOLLERR))
        return interest | WF_POLL_ERROR;
    unsigned ready = 0;
    if (events & EPOLLIN)
        ready |= WF_POLL_READ;
    if (events & EPOLLOUT)
        ready |= WF_POLL_WRITE;
    return ready & interest;
}

/* poll() has the bits of epoll for what is asked here. */
static int64_t look_now(struct wf_epoll *io, const struct wf_op *op)
{
    short ready = 0;
    uint32_t events = events_of(op->poll.interest) & (EPOLLIN | EPOLLOUT);
    int count = wf_call_poll(&io->base.counters, op->poll.fd, (short)events, &ready);
    if (count <= 0)
        return count < 0 ? count : -EAGAIN;
    if (ready & POLLNVAL)
        return -EBADF;
    return poll_result(op->poll.interest, (uint32_t)ready);
}

int64_t wf_epoll_submit_poll(struct wf_epoll *io, struct wf_op *op)
{
    struct wf_epoll_slot *slot;
    int err = wf_epoll_slot_find(io, op->poll.fd, &slot);
    if (err < 0)
        return err;
    if (slot->owner)
        return -EEXIST;
    if (op->now)
        return look_now(io, op);
    err = watch_make(slot);
    if (err == 0)
        err = arm(io, op->poll.fd, slot, op->poll.interest);
    if (err == -EPERM) /* a regular file, a directory */
        return op->poll.interest;
    if (err < 0)
        return err;
    wf_list_push_back(&slot->watch->waiting, &op->poll.link);
    op->pending = true;
    io->base.counters.pending++;
    return WF_PENDING;
}

void wf_epoll_finish_orphans(struct wf_epoll *io)
{
    struct wf_list *link;
    while ((link = wf_list_pop_front(&io->orphans)))
        wf_epoll_finish(io, op_of_link(link), op_of_link(link)->poll.fd);
}

/* Arm again for those who stay before done() is called for those who go, because done() may change
 * who waits. */
void wf_epoll_poll_event(struct wf_epoll *io, struct wf_epoll_slot *slot, int fd, uint32_t events)
{
    struct wf_epoll_watch *watch = slot->watch;
    struct wf_list ready;
    wf_list_init(&ready);
    WF_LIST_EACH_SAFE(link, &watch->waiting) {
        if (!poll_result(op_of_link(link)->poll.interest, events))
            continue;
        wf_list_unlink(link);
        wf_list_push_back(&ready, link);
    }
    if (!wf_list_is_empty(&watch->waiting)) {
        int err = wf_epoll_control(io, EPOLL_CTL_MOD, fd, wf_epoll_key(fd, slot->generation),
                                   events_of(interest_of(watch)));
        if (err < 0)
            wf_epoll_orphan(io, watch, err == -ENOENT ? -EBADF : err);
    }
    struct wf_list *link;
    while ((link = wf_list_pop_front(&ready)))
        wf_epoll_finish(io, op_of_link(link), poll_result(op_of_link(link)->poll.interest, events));
}
