#ifndef WF_IO_EPOLL_INSIDE_H
#define WF_IO_EPOLL_INSIDE_H

/* What the files of the epoll driver share: epoll.c (sockets, waiting, the table) and
 * epoll_poll.c (POLL on numbers that are not ours).
 *
 *      slots[fd] ──> owner    a wf_descriptor, between attach and release
 *                ──> watch    POLL operations on a number that is not ours; one-shot
 *
 * Events name a number and its generation, never an address: an event may come late, for a
 * descriptor that was released earlier in the same batch, or whose open file lives on in a forked
 * child. The slot says who has the number now; an event of another generation is nobody's. */

#include "base/list.h"
#include "io/blocks.h"
#include "io/io.h"

/* The POLL operations on one number. Lives until close once it was made. */
struct wf_epoll_watch {
    struct wf_list waiting; /* operations, oldest first */
    bool registered;        /* epoll knew the number when we last asked */
};

struct wf_epoll_slot {
    struct wf_descriptor *owner;
    struct wf_epoll_watch *watch;
    uint32_t generation; /* of the registration that counts */
    /* an owner excludes waiting operations */
};

struct wf_epoll {
    struct wf_io base;
    struct wf_inbox *inbox;
    struct wf_epoll_slot *slots; /* by number */
    size_t slots_count;
    struct wf_list orphans; /* POLL operations whose number was lost; poll.fd is the error */
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
static inline struct wf_epoll_slot *wf_epoll_slot_of_key(struct wf_epoll *io, uint64_t key)
{
    struct wf_epoll_slot *slot = &io->slots[(uint32_t)key];
    return slot->generation == key >> 32 ? slot : NULL;
}

static inline void wf_epoll_finish(struct wf_epoll *io, struct wf_op *op, int64_t result)
{
    op->pending = false;
    io->base.counters.pending--;
    io->base.counters.completions++;
    op->done(op, result);
}

/* The slot of a number, made if need be; valid until the next number is seen.
 * Errors: -EBADF: not a number; -ENOMEM. */
int wf_epoll_slot_find(struct wf_epoll *io, int fd, struct wf_epoll_slot **slot);

/* epoll_ctl(). Errors: its own. */
int wf_epoll_control(struct wf_epoll *io, int operation, int fd, uint64_t key, uint32_t events);

/* epoll_poll.c */

int64_t wf_epoll_submit_poll(struct wf_epoll *io, struct wf_op *op);
void wf_epoll_poll_event(struct wf_epoll *io, struct wf_epoll_slot *slot, int fd, uint32_t events);

/* The number is not what the operations waited for any more: they hear `err` in the next wait(). */
void wf_epoll_orphan(struct wf_epoll *io, struct wf_epoll_watch *watch, int err);
void wf_epoll_finish_orphans(struct wf_epoll *io);

#endif
