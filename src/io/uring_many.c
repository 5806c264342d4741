/* Small buffers for entries that receive many times, and what lies in them.
 *
 *      the kernel's ring ──completion──> kept, a line for each slot ──copied──> the kernel's ring
 *
 * They are a group of their own, so whoever floods us takes no block that is lent. The kernel takes
 * them in turn, so each of them is touched: it gets few, and twice as many when they were too few,
 * 2 MiB at most, which are not the allocator's. They are made when they are needed first, and while
 * half of them lie unread no further entry gets any. */

#include "base/memory.h"
#include "io/uring_inside.h"

#include <string.h>
#include <sys/mman.h>

#define BUFFERS       1024u /* at most; a power of two */
#define BUFFERS_FIRST 64u
#define PAUSE         1024u /* receives after which it is tried again to make them */

struct wf_uring_small {
    struct io_uring_buf ring[BUFFERS];
    char buffers[BUFFERS][WF_URING_SMALL];
    struct {
        uint16_t from, to; /* what is still to be read */
        uint16_t next;     /* in its line */
    } kept[BUFFERS];
};

static void give(struct wf_uring_many *many, uint16_t id)
{
    struct io_uring_buf_ring *ring = (void *)many->small->ring;
    io_uring_buf_ring_add(ring, many->small->buffers[id], WF_URING_SMALL, id, BUFFERS - 1, 0);
    io_uring_buf_ring_advance(ring, 1);
}

static void give_until(struct wf_uring_many *many, unsigned count)
{
    for (; many->count < count; many->count++)
        give(many, (uint16_t)many->count);
}

int wf_uring_many_open(struct wf_uring *io)
{
    struct wf_uring_small *small =
        mmap(NULL, sizeof *small, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (small == MAP_FAILED)
        return -errno;
    madvise(small, sizeof *small,
            MADV_DONTFORK); /* else a child could leave us with a copy of it */
    struct io_uring_buf_reg reg = { .ring_addr = (uint64_t)(uintptr_t)small->ring,
                                    .ring_entries = BUFFERS,
                                    .bgid = WF_URING_GROUP_SMALL };
    int err = io_uring_register_buf_ring(&io->ring, &reg, 0);
    if (err < 0) {
        munmap(small, sizeof *small);
        return err;
    }
    io->many.small = small;
    give_until(&io->many, BUFFERS_FIRST);
    return 0;
}

bool wf_uring_can_receive_many(struct wf_uring *io)
{
    struct wf_uring_many *many = &io->many;
    if (!(io->can & WF_URING_RECEIVES_MANY) || many->small)
        return many->small && many->kept < BUFFERS / 2;
    if (many->pause > 0) {
        many->pause--;
        return false;
    }
    int err = wf_uring_many_open(io);
    if (err == -ENOMEM)
        many->pause = PAUSE;
    else if (err < 0)
        io->can &= ~(unsigned)WF_URING_RECEIVES_MANY;
    return err == 0;
}

void wf_uring_many_close(struct wf_uring *io)
{
    struct wf_uring_many *many = &io->many;
    if (!many->small)
        return;
    io_uring_unregister_buf_ring(&io->ring, WF_URING_GROUP_SMALL);
    munmap(many->small, sizeof *many->small);
    *many = (struct wf_uring_many){ 0 };
}

void wf_uring_many_memory(const struct wf_uring *io, struct wf_io_memory *memory)
{
    memory->lent += (size_t)io->many.count * WF_URING_SMALL;
    memory->pinned += io->many.small ? sizeof io->many.small->ring : 0;
}

void wf_uring_prepare_many(struct io_uring_sqe *entry, int fd, uint64_t data)
{
    io_uring_prep_recv_multishot(entry, fd, NULL, 0, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = WF_URING_GROUP_SMALL;
    entry->user_data = data;
}

void wf_uring_many_grow(struct wf_uring *io)
{
    struct wf_uring_many *many = &io->many;
    many->lacking = false;
    give_until(many, 2 * many->count < BUFFERS ? 2 * many->count : BUFFERS);
}

void wf_uring_many_return(struct wf_uring *io, uint16_t id)
{
    give(&io->many, id);
}

void wf_uring_keep(struct wf_uring *io, struct wf_slot *slot, uint16_t id, uint16_t size)
{
    struct wf_uring_small *small = io->many.small;
    io->many.kept++;
    small->kept[id].from = 0;
    small->kept[id].to = size;
    if (slot->kept++ == 0)
        slot->first = id;
    else
        small->kept[slot->last].next = id;
    slot->last = id;
}

static void give_first(struct wf_uring *io, struct wf_slot *slot)
{
    uint16_t id = slot->first;
    slot->first = io->many.small->kept[id].next;
    slot->kept--;
    io->many.kept--;
    give(&io->many, id);
}

size_t wf_uring_take_kept(struct wf_uring *io, struct wf_slot *slot, char *data, size_t size)
{
    struct wf_uring_small *small = io->many.small;
    size_t taken = 0;
    while (slot->kept > 0 && taken < size) {
        uint16_t id = slot->first, from = small->kept[id].from;
        size_t left = (size_t)small->kept[id].to - from, room = size - taken;
        size_t count = left < room ? left : room;
        memcpy(data + taken, small->buffers[id] + from, count);
        taken += count;
        small->kept[id].from = (uint16_t)(from + count);
        if (count == left)
            give_first(io, slot);
    }
    return taken;
}

void wf_uring_drop_kept(struct wf_uring *io, struct wf_slot *slot)
{
    while (slot->kept > 0)
        give_first(io, slot);
}
