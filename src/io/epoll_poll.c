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

#include "io/epoll_inside.h"

#include <errno.h>
#include <sys/epoll.h>

/* Ask for `interest` besides what is waited for. ENOENT: the number was closed since, and is
 * another file now, or it is asked for the first time. EEXIST: somebody registered it before us,
 * through a descriptor that was released while a copy of it lived on. */
static int arm(struct wf_epoll *io, int fd, struct wf_slot *slot, unsigned interest)
{
    struct wf_watch *watch = slot->watch;
    uint32_t events = EPOLLONESHOT | wf_poll_events(interest);
    int err = -ENOENT;
    if (watch->armed)
        err = wf_epoll_control(io, EPOLL_CTL_MOD, fd, wf_epoll_key(fd, slot->generation),
                               events | wf_poll_events(wf_watch_interest(watch)));
    if (err == -ENOENT) {
        wf_watch_orphan(&io->slots, watch, -EBADF);
        uint64_t key = wf_epoll_key(fd, ++slot->generation);
        err = wf_epoll_control(io, EPOLL_CTL_ADD, fd, key, events);
        if (err == -EEXIST)
            err = wf_epoll_control(io, EPOLL_CTL_MOD, fd, key, events);
    }
    if (err == 0)
        watch->armed = true;
    return err;
}

int64_t wf_epoll_submit_poll(struct wf_epoll *io, struct wf_op *op)
{
    struct wf_slot *slot;
    int64_t result = wf_poll_begin(&io->slots, &io->base, op, &slot);
    if (result != WF_PENDING)
        return result;
    int err = arm(io, op->poll.fd, slot, op->poll.interest);
    if (err == -EPERM) /* a regular file, a directory */
        return op->poll.interest;
    if (err < 0)
        return err;
    wf_list_push_back(&slot->watch->waiting, &op->poll.link);
    return wf_io_pend(&io->base, op);
}

/* Arm again for those who stay before done() is called for those who go, because done() may change
 * who waits. */
void wf_epoll_poll_event(struct wf_epoll *io, struct wf_slot *slot, int fd, uint32_t events)
{
    struct wf_watch *watch = slot->watch;
    struct wf_list ready;
    wf_list_init(&ready);
    wf_watch_take_ready(watch, events, &ready);
    if (!wf_list_is_empty(&watch->waiting)) {
        int err = wf_epoll_control(io, EPOLL_CTL_MOD, fd, wf_epoll_key(fd, slot->generation),
                                   EPOLLONESHOT | wf_poll_events(wf_watch_interest(watch)));
        if (err < 0)
            wf_watch_orphan(&io->slots, watch, err == -ENOENT ? -EBADF : err);
    }
    wf_watch_finish(&io->base, &ready, events);
}
