#ifndef WF_IO_URING_INSIDE_H
#define WF_IO_URING_INSIDE_H

/* What the files of the io_uring driver share: uring.c (sockets, waiting, the table), uring_recv.c
 * (receiving), uring_ring.c (the ring: opening it, entries, entering the kernel), uring_poll.c
 * (POLL on numbers that are not ours), uring_file.c (FILE), uring_lent.c and uring_many.c (buffers
 * that the kernel picks), uring_probe.c (what has to be tried).
 *
 * A completion says in its lowest bits what it is about: an operation, by its address, which the
 * driver has until then; or a number and its generation, whose slot says who has it now. */

#include "io/blocks.h"
#include "io/fault.h"
#include "io/slots.h"

#include <errno.h>
#include <liburing.h>
#include <limits.h>

enum wf_uring_tag {
    WF_URING_OP,         /* the address of a wf_op */
    WF_URING_POLL,       /* a key: POLL on a number that is not ours */
    WF_URING_ACCEPT,     /* a key: a client of a listener */
    WF_URING_INVITATION, /* a key: a shared listener has clients */
    WF_URING_RECV,       /* a key: bytes, by one entry for many */
    WF_URING_INBOX,
    WF_URING_NOTHING, /* of a cancel: what it did shows elsewhere */
};

#define WF_URING_TAGS 7u /* the bits of a tag */

/* What this kernel can do. */
enum wf_uring_can {
    WF_URING_FLAGS_WORK = 1,      /* the ring says when there is a reason to enter: 5.19 */
    WF_URING_POLLS_FIRST = 2,     /* receives and sends may wait before they try, and a receive says
                                     whether it left something: 5.19 */
    WF_URING_ACCEPTS = 4,         /* from sockets that do not block: 5.19 */
    WF_URING_ACCEPTS_MANY = 8,    /* one entry, many clients: 5.19 */
    WF_URING_LENDS = 16,          /* receives into buffers that the kernel picks: 5.19 */
    WF_URING_REGISTERS_FD = 32,   /* the ring's number need not be looked up: 5.18 */
    WF_URING_NO_IOWAIT = 64,      /* waiting is not I/O wait: 6.15 */
    WF_URING_RECEIVES_MANY = 128, /* one entry, many receives: 6.0, and only while we ask: 6.1 */
};

/* Buffers that the kernel picks, uring_lent.c. */
struct wf_uring_lent {
    struct io_uring_buf_ring *ring; /* NULL: not made yet */
    char **blocks;                  /* by buffer id; NULL: the id is free */
    uint16_t *free;                 /* free ids, the last one first */
    unsigned free_count;
    unsigned target; /* how many the kernel shall have */
    unsigned stock;  /* how many it had when it was given some last */
    unsigned calm;   /* waits that took few of them, one after another */
    unsigned pause;  /* receives that do without, because there was no memory for the ring */
    bool lacking;    /* they were too few */
};

/* Small buffers for entries that receive many times, uring_many.c. */
struct wf_uring_many {
    struct wf_uring_small *small; /* NULL: not made yet */
    unsigned count;               /* of buffers that are used */
    unsigned kept;                /* of them, with bytes that nobody has read */
    unsigned pause;               /* receives that do without, because they could not be made */
    bool lacking;                 /* they were too few */
    bool at_once;                 /* however much comes */
};

#define WF_URING_SMALL 2048 /* bytes of a small buffer */

/* Groups of buffers that the kernel picks from. */
enum { WF_URING_GROUP_LENT, WF_URING_GROUP_SMALL };

struct wf_uring_completion {
    uint64_t data;
    int32_t result;
    uint32_t flags;
};

struct wf_uring {
    struct wf_io base;
    struct wf_inbox *inbox;
    struct io_uring ring;
    unsigned can;        /* enum wf_uring_can */
    uint64_t operations; /* a bit for each that the ring has */
    int enter_fd;        /* the ring's number, or the index it is registered at */
    unsigned entered;    /* flags of each io_uring_enter() */
    struct wf_slots slots;
    struct wf_blocks blocks;
    struct wf_uring_lent lent;
    struct wf_uring_many many;
    struct {
        struct wf_uring_completion *all;
        size_t taken, count, room;
    } aside; /* completions that had to make room in the ring */
    struct {
        uint64_t *all;
        size_t count, room;
    } owed;            /* cancels for which there was no entry */
    bool batches;      /* the last wait brought several: sends are worth gathering */
    bool inbox_polled; /* the kernel tells of the inbox */
    bool waiting;      /* in wait() */
};

static inline uint64_t wf_uring_key(enum wf_uring_tag tag, int fd, uint32_t generation)
{
    return (uint64_t)generation << 34 | (uint64_t)(uint32_t)fd << 3 | tag;
}

/* The slot that a key is about; NULL when it does not count any more. */
static inline struct wf_slot *wf_uring_slot_of_key(struct wf_uring *io, uint64_t key, int *fd)
{
    *fd = (int)(key >> 3 & INT32_MAX);
    struct wf_slot *slot = &io->slots.all[*fd];
    return (slot->generation & (UINT32_MAX >> 2)) == key >> 34 ? slot : NULL;
}

static inline bool wf_uring_has(const struct wf_uring *io, unsigned operation)
{
    return io->operations >> operation & 1;
}

/* 0, or what an armed fault says: EINTR would be tried again. */
static inline int wf_uring_injected(enum wf_io_fault_kind kind)
{
    return wf_io_fault_hits(kind) && errno != EINTR ? -errno : 0;
}

static inline int64_t wf_uring_park(struct wf_uring *io, struct wf_op *op, struct wf_op **side)
{
    *side = op;
    op->cancelling = false;
    return wf_io_pend(&io->base, op);
}

/* The bytes that one entry may name. */
static inline size_t wf_uring_clip(size_t size)
{
    return size < INT_MAX ? size : INT_MAX;
}

/* uring_recv.c */

int64_t wf_uring_submit_recv(struct wf_uring *io, struct wf_op *op);

/* False: the kernel has the operation itself. */
bool wf_uring_cancel_recv(struct wf_uring *io, struct wf_op *op);

/* The owner goes: the kernel lets go of the file, and what nobody has read is dropped. */
void wf_uring_end_recv(struct wf_uring *io, int fd, struct wf_slot *slot);

/* A completion of one receive; of an entry for many. */
void wf_uring_read_event(struct wf_uring *io, struct wf_op *op,
                         const struct wf_uring_completion *c);
void wf_uring_many_event(struct wf_uring *io, const struct wf_uring_completion *c);

/* What a send that was answered -EPIPE says: what broke the connection, where an entry for many was
 * told that before us. */
int wf_uring_why_broken(struct wf_uring *io, const struct wf_descriptor *descriptor);

/* uring_ring.c */

/* Errors: the kernel's; -ENOTSUP: it lacks something. *reason says which in words. */
int wf_uring_ring_open(struct wf_uring *io, const struct wf_io_options *options,
                       const char **reason);
void wf_uring_ring_close(struct wf_uring *io);

/* Add what it takes: of the ring. */
void wf_uring_ring_memory(const struct wf_uring *io, struct wf_io_memory *memory);

/* A free entry, for io_uring_prep_...() to fill; NULL: the kernel takes none now. */
struct io_uring_sqe *wf_uring_entry(struct wf_uring *io);

/* Hand the entries over; sleep until a completion comes, at most `timeout` ns; 0: do not sleep. */
void wf_uring_enter(struct wf_uring *io, int64_t timeout);

/* The next completion, oldest first; false: there is none. */
bool wf_uring_next(struct wf_uring *io, struct wf_uring_completion *completion);

/* Take all completions out of the ring: later they come from `aside`. False: no memory. */
bool wf_uring_put_aside(struct wf_uring *io);

static inline size_t wf_uring_count_completions(const struct wf_uring *io)
{
    return io->aside.count - io->aside.taken + io_uring_cq_ready(&io->ring);
}

/* The kernel has completions for which the ring had no room. */
bool wf_uring_overflows(const struct wf_uring *io);

/* Have the kernel take all entries now, and do what it can do at once. */
void wf_uring_hand_over(struct wf_uring *io);

/* Ask for the end of what `data` is about; its own completion says what became of it. While there
 * is no entry for that, it is owed: wf_uring_pay() tries again. */
void wf_uring_cancel_data(struct wf_uring *io, uint64_t data);
void wf_uring_pay(struct wf_uring *io);

/* It has ended by itself: the address may be another operation's next. */
void wf_uring_forgive(struct wf_uring *io, uint64_t data);

/* uring_poll.c */

int64_t wf_uring_submit_poll(struct wf_uring *io, struct wf_op *op);
void wf_uring_cancel_poll(struct wf_uring *io, struct wf_op *op);
void wf_uring_poll_event(struct wf_uring *io, struct wf_slot *slot, int fd, int32_t result);

/* A number is to be taken in: those who poll another file by that number hear of it. -EEXIST: it is
 * the same file. */
int wf_uring_poll_yield(struct wf_uring *io, struct wf_slot *slot, int fd);

/* uring_file.c */

int64_t wf_uring_submit_file(struct wf_uring *io, struct wf_op *op);
void wf_uring_file_event(struct wf_uring *io, struct wf_op *op, int64_t result);

/* uring_lent.c */

/* Give the kernel what it lacks. */
void wf_uring_lend(struct wf_uring *io);

/* Whether it has some: who finds none left for a plain call may have one by an entry. */
bool wf_uring_has_blocks(const struct wf_uring *io);

/* The block of a completion; it is ours. */
char *wf_uring_lent_block(struct wf_uring *io, uint32_t flags);

/* Whether there are such buffers; made when they are needed first. */
bool wf_uring_can_lend(struct wf_uring *io);
void wf_uring_lent_close(struct wf_uring *io);

/* Add what it takes, but for the blocks. */
void wf_uring_lent_memory(const struct wf_uring *io, struct wf_io_memory *memory);

/* uring_many.c */

/* Errors: the kernel's, -ENOMEM. */
int wf_uring_many_open(struct wf_uring *io);
void wf_uring_many_close(struct wf_uring *io);

/* Add what it takes: of the buffers, those that are used. */
void wf_uring_many_memory(const struct wf_uring *io, struct wf_io_memory *memory);

/* Whether one more entry may receive many times. Opens what that takes. */
bool wf_uring_can_receive_many(struct wf_uring *io);

/* Such an entry; `data` is what its completions say. */
void wf_uring_prepare_many(struct io_uring_sqe *entry, int fd, uint64_t data);

static inline uint16_t wf_uring_buffer_of(const struct wf_uring_completion *c)
{
    return (uint16_t)(c->flags >> IORING_CQE_BUFFER_SHIFT);
}

/* Twice as many buffers. */
void wf_uring_many_grow(struct wf_uring *io);

/* The kernel gets a buffer back. */
void wf_uring_many_return(struct wf_uring *io, uint16_t id);

/* The bytes in a buffer are the last in the slot's line. */
void wf_uring_keep(struct wf_uring *io, struct wf_slot *slot, uint16_t id, uint16_t size);

/* The first bytes of the line, at most `size`; and all of them, to nobody. */
size_t wf_uring_take_kept(struct wf_uring *io, struct wf_slot *slot, char *data, size_t size);
void wf_uring_drop_kept(struct wf_uring *io, struct wf_slot *slot);

/* uring_probe.c */

/* Whether an entry that receives many times hears of every end. The first ring that is opened in a
 * process tries it. */
bool wf_uring_sees_ends(struct wf_uring *io);

#endif
