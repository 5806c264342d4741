/* Buffers that the kernel picks for RECV_LEND, so that who waits holds none.
 *
 *      blocks (blocks.c) ──lend──> the kernel's ring ──completion──> the caller ──> blocks
 *
 * The kernel takes them in the order in which they were lent, so each of them is touched in turn:
 * it gets few, and more when a wait has shown that they were too few. A receive that finds none is
 * made by a plain call. */

#include "base/memory.h"
#include "io/uring_inside.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define BUFFERS    1024u /* a power of two */
#define TARGET_MIN 16u
#define CALM       1024u /* waits, or receives, after which things are looked at anew */

static size_t ring_size(void)
{
    return BUFFERS * sizeof(struct io_uring_buf);
}

static int give_ring(struct wf_uring *io)
{
    struct io_uring_buf_reg reg = { .ring_addr = (uint64_t)(uintptr_t)io->lent.ring,
                                    .ring_entries = BUFFERS,
                                    .bgid = WF_URING_GROUP_LENT };
    return io_uring_register_buf_ring(&io->ring, &reg, 0);
}

static int open_lent(struct wf_uring *io)
{
    struct wf_uring_lent *lent = &io->lent;
    void *ring =
        mmap(NULL, ring_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ring == MAP_FAILED)
        return -errno;
    lent->blocks = wf_alloc_zero(BUFFERS * sizeof *lent->blocks);
    lent->free = wf_alloc(BUFFERS * sizeof *lent->free);
    lent->ring = ring;
    madvise(ring, ring_size(), MADV_DONTFORK); /* else a child could leave us with a copy of it */
    int err = lent->blocks && lent->free ? give_ring(io) : -ENOMEM;
    if (err < 0) {
        wf_free(lent->blocks);
        wf_free(lent->free);
        munmap(ring, ring_size());
        *lent = (struct wf_uring_lent){ 0 };
        return err;
    }
    for (unsigned i = 0; i < BUFFERS; i++)
        lent->free[i] = (uint16_t)(BUFFERS - 1 - i);
    lent->free_count = BUFFERS;
    lent->target = TARGET_MIN;
    return 0;
}

bool wf_uring_can_lend(struct wf_uring *io)
{
    struct wf_uring_lent *lent = &io->lent;
    if (!(io->can & WF_URING_LENDS) || lent->ring)
        return io->can & WF_URING_LENDS;
    if (lent->pause > 0) {
        lent->pause--;
        return false;
    }
    int err = open_lent(io);
    if (err == -ENOMEM)
        lent->pause = CALM;
    else if (err < 0)
        io->can &= ~(unsigned)WF_URING_LENDS;
    return err == 0;
}

void wf_uring_lent_close(struct wf_uring *io)
{
    struct wf_uring_lent *lent = &io->lent;
    if (!lent->ring)
        return;
    io_uring_unregister_buf_ring(&io->ring, WF_URING_GROUP_LENT);
    for (unsigned i = 0; i < BUFFERS; i++)
        if (lent->blocks[i])
            wf_blocks_put(&io->blocks, lent->blocks[i]);
    wf_free(lent->blocks);
    wf_free(lent->free);
    munmap(lent->ring, ring_size());
    *lent = (struct wf_uring_lent){ 0 };
}

void wf_uring_lent_memory(const struct wf_uring *io, struct wf_io_memory *memory)
{
    memory->pinned += io->lent.ring ? ring_size() : 0;
}

/* More when all that it had were too few, fewer when most of them lay there for long. */
static void aim(struct wf_uring_lent *lent)
{
    unsigned left = BUFFERS - lent->free_count, taken = lent->stock - left;
    if (lent->lacking && lent->stock == lent->target && lent->target < BUFFERS)
        lent->target *= 2;
    lent->lacking = false;
    lent->calm = taken * 4 < lent->target ? lent->calm + 1 : 0;
    if (lent->calm < CALM || lent->target <= TARGET_MIN)
        return;
    lent->target /= 2;
    lent->calm = 0;
}

/* Of the blocks that may be lent the kernel has half at most: the others are for plain calls. */
static bool may_have_more(const struct wf_uring *io)
{
    size_t stock = BUFFERS - io->lent.free_count, others = io->blocks.lent - stock;
    return stock < io->lent.target && stock < (io->blocks.limit - others) / 2;
}

void wf_uring_lend(struct wf_uring *io)
{
    struct wf_uring_lent *lent = &io->lent;
    int added = 0;
    aim(lent);
    while (may_have_more(io)) {
        char *block;
        if (wf_blocks_get(&io->blocks, &block) < 0)
            break;
        uint16_t id = lent->free[--lent->free_count];
        lent->blocks[id] = block;
        io_uring_buf_ring_add(lent->ring, block, (unsigned)io->blocks.size, id, BUFFERS - 1,
                              added++);
    }
    if (added > 0)
        io_uring_buf_ring_advance(lent->ring, added);
    lent->stock = BUFFERS - lent->free_count;
}

bool wf_uring_has_blocks(const struct wf_uring *io)
{
    return io->lent.ring && io->lent.free_count < BUFFERS;
}

char *wf_uring_lent_block(struct wf_uring *io, uint32_t flags)
{
    struct wf_uring_lent *lent = &io->lent;
    uint16_t id = (uint16_t)(flags >> IORING_CQE_BUFFER_SHIFT);
    char *block = lent->blocks[id];
    lent->blocks[id] = NULL;
    lent->free[lent->free_count++] = id;
    return block;
}
