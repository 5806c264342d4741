#include "io/slots.h"

#include "base/memory.h"
#include "io/call.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>

#define SLOTS_MIN 64

static int grow(struct wf_slots *slots, size_t count_min)
{
    size_t count = slots->count ? slots->count : SLOTS_MIN;
    while (count < count_min)
        count *= 2;
    struct wf_slot *all = wf_realloc(slots->all, count * sizeof *all);
    if (!all)
        return -ENOMEM;
    for (size_t i = slots->count; i < count; i++)
        all[i] = (struct wf_slot){ 0 };
    slots->all = all;
    slots->count = count;
    return 0;
}

int wf_slots_init(struct wf_slots *slots)
{
    *slots = (struct wf_slots){ 0 };
    wf_list_init(&slots->orphans);
    return grow(slots, SLOTS_MIN);
}

void wf_slots_fini(struct wf_slots *slots)
{
    for (size_t i = 0; i < slots->count; i++)
        wf_free(slots->all[i].watch);
    wf_free(slots->all);
}

int wf_slots_find(struct wf_slots *slots, int fd, struct wf_slot **slot)
{
    if (fd < 0)
        return -EBADF;
    if ((size_t)fd >= slots->count) {
        int err = grow(slots, (size_t)fd + 1);
        if (err < 0)
            return err;
    }
    *slot = &slots->all[fd];
    return 0;
}

/* POLL */

static struct wf_op *op_of_link(struct wf_list *link)
{
    return wf_container(link, struct wf_op, poll.link);
}

static int watch_make(struct wf_slot *slot)
{
    if (slot->watch)
        return 0;
    struct wf_watch *watch = wf_alloc(sizeof *watch);
    if (!watch)
        return -ENOMEM;
    wf_list_init(&watch->waiting);
    watch->armed = false;
    slot->watch = watch;
    return 0;
}

unsigned wf_watch_interest(const struct wf_watch *watch)
{
    unsigned interest = 0;
    WF_LIST_EACH(link, &watch->waiting)
        interest |= op_of_link(link)->poll.interest;
    return interest;
}

uint32_t wf_poll_events(unsigned interest)
{
    uint32_t events = 0;
    if (interest & WF_POLL_READ)
        events |= EPOLLIN;
    if (interest & WF_POLL_WRITE)
        events |= EPOLLOUT;
    return events;
}

unsigned wf_poll_result(unsigned interest, uint32_t events)
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

static int64_t look(struct wf_io_counters *counters, const struct wf_op *op)
{
    short ready = 0;
    int count =
        wf_call_poll(counters, op->poll.fd, (short)wf_poll_events(op->poll.interest), &ready);
    if (count <= 0)
        return count < 0 ? count : -EAGAIN;
    if (ready & POLLNVAL)
        return -EBADF;
    return wf_poll_result(op->poll.interest, (uint32_t)ready);
}

int64_t wf_poll_begin(struct wf_slots *slots, struct wf_io *io, const struct wf_op *op,
                      struct wf_slot **slot)
{
    int err = wf_slots_find(slots, op->poll.fd, slot);
    if (err < 0)
        return err;
    if ((*slot)->owner)
        return -EEXIST;
    if (op->now)
        return look(&io->counters, op);
    err = watch_make(*slot);
    return err < 0 ? err : WF_PENDING;
}

void wf_watch_take_ready(struct wf_watch *watch, uint32_t events, struct wf_list *ready)
{
    WF_LIST_EACH_SAFE(link, &watch->waiting) {
        if (!wf_poll_result(op_of_link(link)->poll.interest, events))
            continue;
        wf_list_unlink(link);
        wf_list_push_back(ready, link);
    }
}

void wf_watch_finish(struct wf_io *io, struct wf_list *ready, uint32_t events)
{
    struct wf_list *link;
    while ((link = wf_list_pop_front(ready)))
        wf_io_finish(io, op_of_link(link), wf_poll_result(op_of_link(link)->poll.interest, events));
}

void wf_watch_orphan(struct wf_slots *slots, struct wf_watch *watch, int err)
{
    WF_LIST_EACH(link, &watch->waiting)
        op_of_link(link)->poll.fd = err;
    wf_list_splice(&slots->orphans, &watch->waiting);
}

void wf_slots_finish_orphans(struct wf_slots *slots, struct wf_io *io)
{
    struct wf_list *link;
    while ((link = wf_list_pop_front(&slots->orphans)))
        wf_io_finish(io, op_of_link(link), op_of_link(link)->poll.fd);
}

/* Operations */

int64_t wf_io_hand_block(struct wf_blocks *blocks, struct wf_op *op, char *block, int64_t result)
{
    if (result <= 0) {
        wf_blocks_put(blocks, block);
        return result;
    }
    op->lend.data = block;
    op->lend.capacity = blocks->size;
    return result;
}
