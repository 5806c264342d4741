#ifndef WF_IO_SLOTS_H
#define WF_IO_SLOTS_H

/* What the drivers share: who has a number, and the end of an operation.
 *
 *      slots[fd] ──> owner    a wf_descriptor, between attach and release
 *                ──> watch    POLL operations on a number that is not ours
 *
 * Events name a number and its generation, never an address: an event may come late, for a
 * descriptor that was released earlier in the same batch, or whose open file lives on in a forked
 * child. The slot says who has the number now; an event of another generation is nobody's. */

#include "base/list.h"
#include "io/blocks.h"
#include "io/io.h"

#include <sys/types.h>

struct wf_file_identity {
    dev_t device;
    ino_t inode;
};

/* The POLL operations on one number. Lives until close once it was made. */
struct wf_watch {
    struct wf_list waiting;       /* operations, oldest first */
    bool armed;                   /* the kernel tells of the number, or did once (epoll) */
    struct wf_file_identity file; /* uring: what the number named */
};

struct wf_slot {
    struct wf_descriptor *owner;
    struct wf_watch *watch;
    uint32_t generation; /* of the registration that counts */
    int8_t small;        /* uring: how often little was received, one after another */
    bool armed : 1;      /* uring: the kernel receives for the owner, by one entry for many, … */
    bool ending : 1;     /* … and was asked to stop */
    bool over : 1;       /* uring: what it ended with is to be told */
    uint16_t kept;       /* uring: buffers that have come, and nobody has read */
    union {
        struct wf_arrivals *arrivals; /* uring: of a listener */
        struct {
            uint16_t first, last; /* uring: of those that are kept */
            int32_t end;          /* uring: 0 or an error, if it is over */
        };
    };
    /* an owner excludes waiting operations */
};

struct wf_slots {
    struct wf_slot *all; /* by number */
    size_t count;
    struct wf_list orphans; /* POLL operations whose number was lost; poll.fd is the error */
};

/* Errors: -ENOMEM. */
int wf_slots_init(struct wf_slots *slots);
void wf_slots_fini(struct wf_slots *slots);

/* The slot of a number, made if need be; valid until the next number is seen.
 * Errors: -EBADF: not a number; -ENOMEM. */
int wf_slots_find(struct wf_slots *slots, int fd, struct wf_slot **slot);

/* POLL */

static inline bool wf_slot_is_watched(const struct wf_slot *slot)
{
    return slot->watch && !wf_list_is_empty(&slot->watch->waiting);
}

/* All that is waited for. */
unsigned wf_watch_interest(const struct wf_watch *watch);

/* The kernel's bits for it; poll() has those of epoll. */
uint32_t wf_poll_events(unsigned interest);

/* What the kernel said, for one who asked for `interest`; 0: nothing. */
unsigned wf_poll_result(unsigned interest, uint32_t events);

/* What every driver does first: WF_PENDING when the operation is to wait, and its slot has a watch.
 */
int64_t wf_poll_begin(struct wf_slots *slots, struct wf_io *io, const struct wf_op *op,
                      struct wf_slot **slot);

/* Those whose wait an event ends, oldest first, from the watch to `ready`. */
void wf_watch_take_ready(struct wf_watch *watch, uint32_t events, struct wf_list *ready);

/* The number is not what the operations waited for any more: they hear `err` in the next wait(). */
void wf_watch_orphan(struct wf_slots *slots, struct wf_watch *watch, int err);
void wf_slots_finish_orphans(struct wf_slots *slots, struct wf_io *io);

/* Of what wf_watch_take_ready() has taken. */
void wf_watch_finish(struct wf_io *io, struct wf_list *ready, uint32_t events);

/* Operations */

static inline int64_t wf_io_pend(struct wf_io *io, struct wf_op *op)
{
    op->pending = true;
    io->counters.pending++;
    return WF_PENDING;
}

static inline void wf_io_finish(struct wf_io *io, struct wf_op *op, int64_t result)
{
    op->pending = false;
    io->counters.pending--;
    io->counters.completions++;
    op->done(op, result);
}

/* A receive has ended in a block: with bytes it is the operation's, else it goes back. */
int64_t wf_io_hand_block(struct wf_blocks *blocks, struct wf_op *op, char *block, int64_t result);

#endif
