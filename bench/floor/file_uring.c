#include "floor/file_uring.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static int ring_fd = -1;
static _Atomic unsigned *sq_tail, *cq_head, *cq_tail;
static unsigned sq_mask, cq_mask;
static struct io_uring_sqe *sqes;
static struct io_uring_cqe *cqes;

static void *map(size_t size, off_t what)
{
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring_fd, what);
    if (memory == MAP_FAILED)
        abort();
    return memory;
}

static void open_ring(void)
{
    struct io_uring_params p = { .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN };
    ring_fd = (int)syscall(SYS_io_uring_setup, FILE_URING_BATCH_MAX, &p);
    if (ring_fd < 0 && errno == EINVAL) { /* before Linux 6.1 */
        p.flags = 0;
        ring_fd = (int)syscall(SYS_io_uring_setup, FILE_URING_BATCH_MAX, &p);
    }
    if (ring_fd < 0)
        return;
    size_t entries_end = p.sq_off.array + p.sq_entries * sizeof(unsigned);
    size_t events_end = p.cq_off.cqes + p.cq_entries * sizeof *cqes;
    char *ring = map(entries_end > events_end ? entries_end : events_end, IORING_OFF_SQ_RING);
    sqes = map(p.sq_entries * sizeof *sqes, IORING_OFF_SQES);
    sq_tail = (void *)(ring + p.sq_off.tail);
    cq_head = (void *)(ring + p.cq_off.head);
    cq_tail = (void *)(ring + p.cq_off.tail);
    sq_mask = p.sq_entries - 1;
    cq_mask = p.cq_entries - 1;
    cqes = (void *)(ring + p.cq_off.cqes);
    for (unsigned i = 0; i < p.sq_entries; i++)
        ((unsigned *)(void *)(ring + p.sq_off.array))[i] = i;
}

bool file_uring_is_here(void)
{
    static bool has_tried;
    if (!has_tried)
        open_ring();
    has_tried = true;
    return ring_fd >= 0;
}

static void check_events(const struct file_uring_read *reads, unsigned count)
{
    unsigned head = atomic_load_explicit(cq_head, memory_order_relaxed);
    unsigned tail = atomic_load_explicit(cq_tail, memory_order_acquire);
    for (unsigned i = 0; i < count; i++, head++) {
        const struct io_uring_cqe *cqe = &cqes[head & cq_mask];
        if (head == tail || cqe->res != (int)reads[cqe->user_data].size) {
            fprintf(stderr, "the ring by hand: a read brought %d\n", head == tail ? -1 : cqe->res);
            exit(1);
        }
    }
    atomic_store_explicit(cq_head, head, memory_order_release);
}

void file_uring_read(int fd, const struct file_uring_read *reads, unsigned count)
{
    unsigned tail = atomic_load_explicit(sq_tail, memory_order_relaxed);
    for (unsigned i = 0; i < count; i++) {
        struct io_uring_sqe *sqe = &sqes[tail++ & sq_mask];
        memset(sqe, 0, sizeof *sqe);
        sqe->opcode = IORING_OP_READ;
        sqe->fd = fd;
        sqe->addr = (uint64_t)(uintptr_t)reads[i].buffer;
        sqe->len = (unsigned)reads[i].size;
        sqe->off = (uint64_t)reads[i].offset;
        sqe->user_data = i;
    }
    atomic_store_explicit(sq_tail, tail, memory_order_release);
    unsigned submit = count;
    long done;
    while ((done = syscall(SYS_io_uring_enter, ring_fd, submit, count, IORING_ENTER_GETEVENTS, NULL,
                           0)) < 0 ||
           (submit -= (unsigned)done) > 0)
        if (done < 0 && errno != EINTR)
            abort();
    check_events(reads, count);
}
