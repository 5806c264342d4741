#ifndef WF_IO_EPOLL_INSIDE_H
#define WF_IO_EPOLL_INSIDE_H

/* What the files of the epoll driver share: epoll.c (sockets, waiting, the table) and
 * epoll_poll.c (POLL on numbers that are not ours). Whose event it is, slots.h says. */

#include "io/blocks.h"
#include "io/slots.h"

struct wf_epoll {
    struct wf_io base;
    struct wf_inbox *inbox;
    struct wf_slots slots;
    struct wf_blocks blocks;
    int fd;
    bool has_pwait2;
    bool waiting; /* in wait() */
};

static inline uint64_t wf_epoll_key(int fd, uint32_t generation)
{
    return (uint64_t)generation << 32 | (uint32_t)fd;
}

/* The slot that an event is about; NULL when its registration does not count any more. */
static inline struct wf_slot *wf_epoll_slot_of_key(struct wf_epoll *io, uint64_t key)
{
    struct wf_slot *slot = &io->slots.all[(uint32_t)key];
    return slot->generation == key >> 32 ? slot : NULL;
}

/* epoll_ctl(). Errors: its own. */
int wf_epoll_control(struct wf_epoll *io, int operation, int fd, uint64_t key, uint32_t events);

/* epoll_poll.c */

int64_t wf_epoll_submit_poll(struct wf_epoll *io, struct wf_op *op);
void wf_epoll_poll_event(struct wf_epoll *io, struct wf_slot *slot, int fd, uint32_t events);

#endif
