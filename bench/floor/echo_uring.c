/* Echo on io_uring by hand, straight to the system calls: multishot accept, multishot receive into
 * buffers that the kernel picks from a ring, one send for what has come, one io_uring_enter() for a
 * turn. The ring belongs to one thread, and completions are made when it asks for them. */

#include "floor/echo_uring.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRIES 4096
#define BUFFERS 4096 /* a power of two; each in one send at most */
#define SIZE    16384

enum { ACCEPT, RECEIVE, SEND };

/* What a completion is about: kind, buffer, descriptor. */
#define TAG(kind, buffer, fd) ((uint64_t)(kind) << 56 | (uint64_t)(buffer) << 32 | (uint32_t)(fd))

static int ring_fd;
static _Atomic unsigned *sq_tail, *cq_head, *cq_tail;
static unsigned sq_mask, cq_mask, to_submit;
static struct io_uring_sqe *sqes;
static struct io_uring_cqe *cqes;
static struct io_uring_buf_ring *lent;
static char *buffers;

static void *map(size_t size, off_t what)
{
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring_fd, what);
}

static int open_ring(void)
{
    struct io_uring_params p = { .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                          IORING_SETUP_CQSIZE,
                                 .cq_entries = 4 * ENTRIES };
    ring_fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &p);
    if (ring_fd < 0 && errno == EINVAL) { /* before Linux 6.1 */
        p.flags = IORING_SETUP_CQSIZE;
        ring_fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &p);
    }
    if (ring_fd < 0)
        return -1;
    size_t size = p.sq_off.array + p.sq_entries * sizeof(unsigned); /* the last of the two rings */
    char *ring = map(size, IORING_OFF_SQ_RING);
    sqes = map(ENTRIES * sizeof *sqes, IORING_OFF_SQES);
    if (ring == MAP_FAILED || (void *)sqes == MAP_FAILED)
        return -1;
    sq_tail = (void *)(ring + p.sq_off.tail);
    cq_head = (void *)(ring + p.cq_off.head);
    cq_tail = (void *)(ring + p.cq_off.tail);
    sq_mask = p.sq_entries - 1;
    cq_mask = p.cq_entries - 1;
    cqes = (void *)(ring + p.cq_off.cqes);
    for (unsigned i = 0; i < p.sq_entries; i++)
        ((unsigned *)(void *)(ring + p.sq_off.array))[i] = i;
    return 0;
}

static void lend(unsigned buffer)
{
    struct io_uring_buf *place = &lent->bufs[lent->tail & (BUFFERS - 1)];
    place->addr = (uint64_t)(uintptr_t)(buffers + (size_t)buffer * SIZE);
    place->len = SIZE;
    place->bid = (uint16_t)buffer;
    atomic_store_explicit((_Atomic uint16_t *)&lent->tail, (uint16_t)(lent->tail + 1),
                          memory_order_release);
}

static int open_buffers(void)
{
    size_t size = BUFFERS * sizeof(struct io_uring_buf);
    lent = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    buffers = mmap(NULL, (size_t)BUFFERS * SIZE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if ((void *)lent == MAP_FAILED || buffers == MAP_FAILED)
        return -1;
    struct io_uring_buf_reg reg = { .ring_addr = (uint64_t)(uintptr_t)lent,
                                    .ring_entries = BUFFERS };
    if (syscall(SYS_io_uring_register, ring_fd, IORING_REGISTER_PBUF_RING, &reg, 1) < 0)
        return -1;
    for (unsigned i = 0; i < BUFFERS; i++)
        lend(i);
    return 0;
}

static void enter(unsigned wait)
{
    if (syscall(SYS_io_uring_enter, ring_fd, to_submit, wait, IORING_ENTER_GETEVENTS, NULL, 0) >= 0)
        to_submit = 0;
}

static struct io_uring_sqe *next_sqe(uint8_t opcode, int fd, uint64_t tag)
{
    if (to_submit > sq_mask)
        enter(0);
    unsigned tail = atomic_load_explicit(sq_tail, memory_order_relaxed);
    struct io_uring_sqe *sqe = &sqes[tail & sq_mask];
    memset(sqe, 0, sizeof *sqe);
    sqe->opcode = opcode;
    sqe->fd = fd;
    sqe->user_data = tag;
    atomic_store_explicit(sq_tail, tail + 1, memory_order_release);
    to_submit++;
    return sqe;
}

static void accept_all(int listener)
{
    struct io_uring_sqe *sqe = next_sqe(IORING_OP_ACCEPT, listener, TAG(ACCEPT, 0, listener));
    sqe->ioprio = IORING_ACCEPT_MULTISHOT;
    sqe->accept_flags = SOCK_CLOEXEC;
}

static void receive_all(int fd)
{
    struct io_uring_sqe *sqe = next_sqe(IORING_OP_RECV, fd, TAG(RECEIVE, 0, fd));
    sqe->ioprio = IORING_RECV_MULTISHOT;
    sqe->flags = IOSQE_BUFFER_SELECT;
}

static void accepted(const struct io_uring_cqe *cqe)
{
    if (cqe->res >= 0)
        receive_all(cqe->res);
    if (!(cqe->flags & IORING_CQE_F_MORE))
        accept_all((int)(uint32_t)cqe->user_data);
}

static void received(const struct io_uring_cqe *cqe)
{
    int fd = (int)(uint32_t)cqe->user_data;
    if (cqe->res > 0) {
        unsigned buffer = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
        struct io_uring_sqe *sqe = next_sqe(IORING_OP_SEND, fd, TAG(SEND, buffer, fd));
        sqe->addr = (uint64_t)(uintptr_t)(buffers + (size_t)buffer * SIZE);
        sqe->len = (unsigned)cqe->res;
        sqe->msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
    }
    if (cqe->flags & IORING_CQE_F_MORE)
        return;
    if (cqe->res > 0 || cqe->res == -ENOBUFS)
        receive_all(fd);
    else
        close(fd);
}

static void handle(const struct io_uring_cqe *cqe)
{
    uint64_t kind = cqe->user_data >> 56;
    if (kind == ACCEPT)
        accepted(cqe);
    else if (kind == RECEIVE)
        received(cqe);
    else
        lend((unsigned)(cqe->user_data >> 32) & 0xffff);
}

void echo_uring(struct server_ends ends)
{
    int port, listener = server_listen(&port);
    if (open_ring() < 0 || open_buffers() < 0) {
        server_ready(ends, SERVER_NOT_HERE);
        return;
    }
    server_ready(ends, port);
    accept_all(listener);
    for (;;) {
        enter(1);
        unsigned head = atomic_load_explicit(cq_head, memory_order_relaxed);
        unsigned tail = atomic_load_explicit(cq_tail, memory_order_acquire);
        for (; head != tail; head++)
            handle(&cqes[head & cq_mask]);
        atomic_store_explicit(cq_head, head, memory_order_release);
    }
}
