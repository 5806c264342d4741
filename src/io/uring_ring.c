/* The ring itself.
 *
 * liburing maps it, registers what there is to register and fills entries; the way into the kernel
 * is here, because it has flags that liburing 2.3 does not know, and because one call does three
 * things: hand entries over, sleep, and have completions made.
 *
 * With DEFER_TASKRUN the kernel makes completions only while we are in io_uring_enter() and ask for
 * events; the ring's flags say whether it has any to make, so a poll of a ring with nothing to do
 * is two loads.
 *
 * The completion ring can be full. The kernel keeps what does not fit and says so; on some versions
 * it takes no entries meanwhile (EBUSY). Then what the ring holds is put aside, because entries are
 * asked for from submit(), where nothing may be delivered.
 *
 * Opening is the probe: 40 us where memory is at hand, beside 2 for epoll; a refusal takes less
 * than one. Filters deny calls singly, so each of the three is tried. */

#include "base/memory.h"
#include "io/fault.h"
#include "io/uring_abi.h"
#include "io/uring_inside.h"

#include <weft/define.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES         256
#define COMPLETIONS_MIN 4096
#define TRIES           8  /* for an entry */
#define OPERATIONS_MAX  64 /* that the kernel is asked about */
#define TOO_OLD         "this kernel's io_uring is too old"

/* Opening. */

/* The best first; each is refused by kernels that are older than what it has more than the next. */
static const struct {
    unsigned flags;
    unsigned can;
} rungs[] = {
    { IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
          IORING_SETUP_SUBMIT_ALL,
      WF_URING_FLAGS_WORK | WF_URING_POLLS_FIRST },
    { IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
      WF_URING_FLAGS_WORK | WF_URING_POLLS_FIRST },
    { IORING_SETUP_SUBMIT_ALL, 0 },
    { 0, 0 },
};

#define RUNGS (sizeof rungs / sizeof rungs[0])

/* Kernels that WEFT_URING_MASK imitates: the first rung, and what else they can do. */
static const struct mask {
    const char *name;
    unsigned rung;
    unsigned can;
    unsigned operations; /* so many */
} masks[] = {
    { "5.15", RUNGS - 1, 0, 40 },
    { "6.1", 0, ~(unsigned)WF_URING_NO_IOWAIT, 49 },
    { "6.6", 0, ~(unsigned)WF_URING_NO_IOWAIT, 49 },
}, unmasked = { NULL, 0, ~0u, OPERATIONS_MAX };

/* NULL: it names no kernel that is known here. */
static const struct mask *read_mask(void)
{
    const char *name = getenv("WEFT_URING_MASK");
    if (!name || !*name)
        return &unmasked;
    for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++)
        if (strcmp(name, masks[i].name) == 0)
            return &masks[i];
    return NULL;
}

static const char *why_not(int err)
{
    switch (err) {
    case -EINVAL:
        return TOO_OLD;
    case -ENOSYS:
        return "this kernel has no io_uring";
    case -EPERM:
        return "io_uring is switched off (kernel.io_uring_disabled), or a filter denies it";
    case -EACCES:
        return "a filter denies io_uring";
    case -ENOMEM:
        return "no memory for a ring, or RLIMIT_MEMLOCK is too low for the rings of this user";
    case -EMFILE:
    case -ENFILE:
        return "no descriptor is left for a ring";
    default:
        return "the kernel refuses a ring";
    }
}

static int set_up(struct wf_uring *io, unsigned entries, unsigned flags)
{
    struct io_uring_params params = { .flags = flags | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE,
                                      .cq_entries = 4 * entries };
    if (entries == ENTRIES)
        params.cq_entries = COMPLETIONS_MIN;
    if (wf_io_fault_hits(WF_FAULT_OPEN))
        return -errno;
    return io_uring_queue_init_params(entries, &io->ring, &params);
}

static int climb_down(struct wf_uring *io, unsigned entries, unsigned rung, unsigned lowest)
{
    int err = -EINVAL;
    for (; rung <= lowest && err == -EINVAL; rung++) {
        err = set_up(io, entries, rungs[rung].flags);
        io->can = rungs[rung].can;
    }
    return err;
}

static bool has_operations(const struct wf_uring *io)
{
    static const unsigned needed[] = { IORING_OP_POLL_ADD,    IORING_OP_POLL_REMOVE,
                                       IORING_OP_ACCEPT,      IORING_OP_CONNECT,
                                       IORING_OP_SEND,        IORING_OP_RECV,
                                       IORING_OP_ASYNC_CANCEL };
    bool all = true;
    for (size_t i = 0; all && i < sizeof needed / sizeof needed[0]; i++)
        all = wf_uring_has(io, needed[i]);
    return all;
}

/* The first `end` alone. */
static int learn_operations(struct wf_uring *io, unsigned end)
{
    union {
        char
            room[sizeof(struct io_uring_probe) + OPERATIONS_MAX * sizeof(struct io_uring_probe_op)];
        struct io_uring_probe known;
    } probe = { { 0 } };
    int err = io_uring_register_probe(&io->ring, &probe.known, OPERATIONS_MAX);
    for (unsigned i = 0; err == 0 && i < end; i++)
        if (io_uring_opcode_supported(&probe.known, (int)i))
            io->operations |= UINT64_C(1) << i;
    return err;
}

/* Whether the ring can do what is asked of it, and whether we may. */
static int check(struct wf_uring *io, unsigned operations, const char **reason)
{
    const unsigned features = IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE |
                              IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG |
                              IORING_FEAT_RSRC_TAGS; /* 5.13, as polls that go on are */
    if ((io->ring.features & features) != features) {
        *reason = TOO_OLD;
        return -ENOTSUP;
    }
    *reason = "a filter denies io_uring_register";
    int err = learn_operations(io, operations);
    if (err < 0)
        return err;
    *reason = "this kernel's io_uring lacks operations";
    if (!has_operations(io))
        return -ENOTSUP;
    *reason = "a filter denies io_uring_enter";
    return io_uring_enter((unsigned)io->ring.ring_fd, 0, 0, IORING_ENTER_GETEVENTS, NULL);
}

/* What cannot be told from flags is taken for granted until the kernel says no. */
static void learn(struct wf_uring *io, unsigned mask)
{
    io->can |= WF_URING_ACCEPTS | WF_URING_ACCEPTS_MANY | WF_URING_LENDS;
    if (io->ring.flags & IORING_SETUP_DEFER_TASKRUN)
        io->can |= WF_URING_RECEIVES_MANY;
    if (io->ring.features & WF_FEAT_NO_IOWAIT)
        io->can |= WF_URING_NO_IOWAIT;
    if ((mask & WF_URING_REGISTERS_FD) && io_uring_register_ring_fd(&io->ring) == 1)
        io->can |= WF_URING_REGISTERS_FD;
    io->can &= mask;
    io->enter_fd = io->ring.ring_fd;
    if (io->can & WF_URING_REGISTERS_FD) {
        io->enter_fd = io->ring.enter_ring_fd;
        io->entered |= IORING_ENTER_REGISTERED_RING;
    }
    if (io->can & WF_URING_NO_IOWAIT)
        io->entered |= WF_ENTER_NO_IOWAIT;
}

int wf_uring_ring_open(struct wf_uring *io, const struct wf_io_options *options,
                       const char **reason)
{
    const struct mask *mask = read_mask();
    unsigned lowest = options->choosy ? 0 : RUNGS - 1;
    if (!mask) {
        *reason = "WEFT_URING_MASK names no kernel that is known here";
        return -EINVAL;
    }
    int err = climb_down(io, options->entries ? options->entries : ENTRIES, mask->rung, lowest);
    if (err < 0) {
        *reason = why_not(err);
        return err;
    }
    err = check(io, mask->operations, reason);
    if (err < 0) {
        io_uring_queue_exit(&io->ring);
        return err;
    }
    learn(io, mask->can);
    io_uring_ring_dontfork(&io->ring);   /* a child that touched it would disturb ours */
    unsigned *order = io->ring.sq.array; /* NULL: a newer liburing has none */
    for (unsigned i = 0; order && i < io->ring.sq.ring_entries; i++)
        order[i] = i; /* an entry's place does not change */
    if ((io->can & WF_URING_RECEIVES_MANY) && !wf_uring_sees_ends(io))
        io->can &= ~(unsigned)WF_URING_RECEIVES_MANY;
    io->many.at_once = options->keen;
    return 0;
}

void wf_uring_ring_close(struct wf_uring *io)
{
    wf_free(io->aside.all);
    wf_free(io->owed.all);
    if (io->can & WF_URING_REGISTERS_FD)
        io_uring_unregister_ring_fd(&io->ring);
    io_uring_queue_exit(&io->ring);
}

/* Both rings of entries' numbers and completions are one mapping. */
void wf_uring_ring_memory(const struct wf_uring *io, struct wf_io_memory *memory)
{
    const struct io_uring_sq *sq = &io->ring.sq;
    memory->pinned += sq->ring_sz + sq->ring_entries * sizeof(struct io_uring_sqe);
}

/* Entering. */

static unsigned publish(struct wf_uring *io)
{
    struct io_uring_sq *sq = &io->ring.sq;
    io_uring_smp_store_release(sq->ktail, sq->sqe_tail);
    return sq->sqe_tail - io_uring_smp_load_acquire(sq->khead);
}

static int enter(struct wf_uring *io, unsigned entries, unsigned least, unsigned flags,
                 const struct io_uring_getevents_arg *arg)
{
    if (wf_io_fault_hits(WF_FAULT_ENTER))
        return -errno;
    io->base.counters.waits++;
    return io_uring_enter2((unsigned)io->enter_fd, entries, least, flags | io->entered,
                           (sigset_t *)(uintptr_t)arg, arg ? sizeof *arg : 0);
}

static unsigned ring_flags(const struct wf_uring *io)
{
    return atomic_load_explicit((_Atomic unsigned *)io->ring.sq.kflags, memory_order_relaxed);
}

/* Whether the kernel has completions that are not in the ring yet. */
static bool has_work(const struct wf_uring *io)
{
    return ring_flags(io) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

bool wf_uring_overflows(const struct wf_uring *io)
{
    return ring_flags(io) & IORING_SQ_CQ_OVERFLOW;
}

void wf_uring_enter(struct wf_uring *io, int64_t timeout)
{
    unsigned entries = publish(io);
    struct __kernel_timespec limit = { .tv_sec = timeout / WEFT_SECOND,
                                       .tv_nsec = timeout % WEFT_SECOND };
    struct io_uring_getevents_arg arg = { .ts = (uint64_t)(uintptr_t)&limit };
    int err = 0;
    if (timeout == WEFT_FOREVER)
        err = enter(io, entries, 1, IORING_ENTER_GETEVENTS, NULL);
    else if (timeout > 0)
        err = enter(io, entries, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg);
    else if (entries > 0 || has_work(io))
        err = enter(io, entries, 0, IORING_ENTER_GETEVENTS, NULL);
    wf_assert(err != -EBADR); /* the kernel had no memory to keep a completion: it is lost */
    /* EBUSY: first what is there has to be taken out; EAGAIN: later there may be memory. */
    wf_assert(err >= 0 || err == -EINTR || err == -ETIME || err == -EBUSY || err == -EAGAIN ||
              err == -ENOMEM);
}

static bool take(struct wf_uring *io, struct wf_uring_completion *completion)
{
    struct io_uring_cq *cq = &io->ring.cq;
    unsigned head = *cq->khead;
    if (head == io_uring_smp_load_acquire(cq->ktail))
        return false;
    const struct io_uring_cqe *cqe = &cq->cqes[head & cq->ring_mask];
    *completion = (struct wf_uring_completion){ cqe->user_data, cqe->res, cqe->flags };
    io_uring_smp_store_release(cq->khead, head + 1);
    return true;
}

bool wf_uring_put_aside(struct wf_uring *io)
{
    size_t waiting = io->aside.count - io->aside.taken;
    size_t count = waiting + io_uring_cq_ready(&io->ring);
    if (count > io->aside.room) {
        void *all = wf_realloc(io->aside.all, 2 * count * sizeof *io->aside.all);
        if (!all)
            return false;
        io->aside.all = all;
        io->aside.room = 2 * count;
    }
    if (waiting > 0 && io->aside.taken > 0)
        memmove(io->aside.all, io->aside.all + io->aside.taken, waiting * sizeof *io->aside.all);
    io->aside.taken = 0;
    io->aside.count = waiting;
    while (io->aside.count < count && take(io, &io->aside.all[io->aside.count]))
        io->aside.count++;
    return true;
}

bool wf_uring_next(struct wf_uring *io, struct wf_uring_completion *completion)
{
    if (WF_LIKELY(io->aside.count == 0))
        return take(io, completion);
    *completion = io->aside.all[io->aside.taken++];
    if (io->aside.taken == io->aside.count)
        io->aside.taken = io->aside.count = 0;
    return true;
}

/* Make room among the entries. */
static bool flush(struct wf_uring *io)
{
    int err = enter(io, publish(io), 0, 0, NULL);
    if (err != -EBUSY)
        return err > 0 || err == -EINTR;
    if (!wf_uring_put_aside(io))
        return false;
    err = enter(io, publish(io), 0, IORING_ENTER_GETEVENTS, NULL);
    return err > 0 || err == -EINTR || err == -EBUSY;
}

struct io_uring_sqe *wf_uring_entry(struct wf_uring *io)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&io->ring);
    for (int tries = 0; WF_UNLIKELY(!entry) && tries < TRIES && flush(io); tries++)
        entry = io_uring_get_sqe(&io->ring);
    return entry;
}

void wf_uring_hand_over(struct wf_uring *io)
{
    for (int tries = 0; tries < TRIES && publish(io) > 0; tries++)
        if (enter(io, publish(io), 0, IORING_ENTER_GETEVENTS, NULL) == -EBUSY)
            wf_uring_put_aside(io);
}

static bool cancel_now(struct wf_uring *io, uint64_t data)
{
    struct io_uring_sqe *entry = wf_uring_entry(io);
    if (!entry)
        return false;
    io_uring_prep_cancel64(entry, data, 0);
    entry->user_data = WF_URING_NOTHING;
    return true;
}

void wf_uring_cancel_data(struct wf_uring *io, uint64_t data)
{
    if (WF_LIKELY(cancel_now(io, data)))
        return;
    if (io->owed.count == io->owed.room) {
        size_t room = io->owed.room ? 2 * io->owed.room : 16;
        uint64_t *all = wf_realloc(io->owed.all, room * sizeof *all);
        wf_assert(all); /* neither the kernel nor the heap has memory, and the kernel has ours */
        io->owed.all = all;
        io->owed.room = room;
    }
    io->owed.all[io->owed.count++] = data;
}

void wf_uring_pay(struct wf_uring *io)
{
    while (io->owed.count > 0 && cancel_now(io, io->owed.all[io->owed.count - 1]))
        io->owed.count--;
}

void wf_uring_forgive(struct wf_uring *io, uint64_t data)
{
    for (size_t i = 0; i < io->owed.count; i++)
        if (io->owed.all[i] == data)
            io->owed.all[i] = WF_URING_NOTHING;
}
