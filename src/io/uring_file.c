/* FILE by the ring: entries for the calls that this kernel's ring has, threads for the rest.
 *
 * The kernel serves an entry at once when it can, and else by a worker of its own. What is large
 * goes to a worker in any case, for the copying is a matter of milliseconds that the loop's thread
 * would spend. So does a write to what has no offsets: where nobody reads any more SIGPIPE would
 * come to the loop's thread. */

#include "io/file.h"
#include "io/uring_abi.h"
#include "io/uring_inside.h"

#include <errno.h>
#include <sys/uio.h>

/* 0, a no-op: none. */
static const uint8_t operations[WF_FILE_CODES] = {
    [WF_FILE_OPEN] = IORING_OP_OPENAT,        [WF_FILE_CLOSE] = IORING_OP_CLOSE,
    [WF_FILE_READ] = IORING_OP_READ,          [WF_FILE_WRITE] = IORING_OP_WRITE,
    [WF_FILE_SYNC] = IORING_OP_FSYNC,         [WF_FILE_STAT] = IORING_OP_STATX,
    [WF_FILE_RENAME] = IORING_OP_RENAMEAT,    [WF_FILE_UNLINK] = IORING_OP_UNLINKAT,
    [WF_FILE_MKDIR] = IORING_OP_MKDIRAT,      [WF_FILE_TRUNCATE] = WF_RING_FTRUNCATE,
    [WF_FILE_ALLOCATE] = IORING_OP_FALLOCATE, [WF_FILE_ADVISE] = IORING_OP_FADVISE,
};

static bool has_entry_for(const struct wf_uring *io, const struct wf_file_call *call)
{
    unsigned operation = operations[call->code];
    bool is_narrow = call->size >= 0 && call->size <= INT32_MAX;
    if (call->code == WF_FILE_ADVISE && !is_narrow) /* as the entry's field */
        return false;
    return operation != IORING_OP_NOP && wf_uring_has(io, operation);
}

/* The ring ignores the offset of a pipe. Asked without moving a byte, or waiting for anybody. */
static bool has_no_offsets(int fd)
{
    struct iovec none = { NULL, 0 };
    return preadv(fd, &none, 0, 0) < 0 && errno == ESPIPE;
}

static void fill_transfer(struct io_uring_sqe *entry, const struct wf_file_call *call)
{
    const struct iovec *piece = call->vector;
    uint64_t offset = (uint64_t)call->offset;
    if (call->count > 1 && call->code == WF_FILE_READ)
        io_uring_prep_readv(entry, call->fd, piece, (unsigned)call->count, offset);
    else if (call->count > 1)
        io_uring_prep_writev(entry, call->fd, piece, (unsigned)call->count, offset);
    else if (call->code == WF_FILE_READ)
        io_uring_prep_read(entry, call->fd, piece->iov_base, (unsigned)piece->iov_len, offset);
    else
        io_uring_prep_write(entry, call->fd, piece->iov_base, (unsigned)piece->iov_len, offset);
    bool may_signal = call->code == WF_FILE_WRITE && call->offset < 0 && has_no_offsets(call->fd);
    if (may_signal || !wf_file_is_small(call))
        entry->flags |= IOSQE_ASYNC;
}

static void fill(struct io_uring_sqe *entry, const struct wf_file_call *call)
{
    switch (call->code) {
    case WF_FILE_OPEN:
        io_uring_prep_openat(entry, call->fd, call->path, call->flags, call->mode);
        break;
    case WF_FILE_CLOSE:
        io_uring_prep_close(entry, call->fd);
        break;
    case WF_FILE_READ:
    case WF_FILE_WRITE:
        fill_transfer(entry, call);
        break;
    case WF_FILE_SYNC:
        io_uring_prep_fsync(entry, call->fd, call->flags ? IORING_FSYNC_DATASYNC : 0);
        break;
    case WF_FILE_STAT:
        io_uring_prep_statx(entry, call->fd, call->path, call->flags, WF_FILE_STATUS, call->status);
        break;
    case WF_FILE_RENAME:
        io_uring_prep_renameat(entry, call->fd, call->path, call->fd, call->other_path,
                               (unsigned)call->flags);
        break;
    case WF_FILE_UNLINK:
        io_uring_prep_unlinkat(entry, call->fd, call->path, call->flags);
        break;
    case WF_FILE_MKDIR:
        io_uring_prep_mkdirat(entry, call->fd, call->path, call->mode);
        break;
    case WF_FILE_TRUNCATE:
        io_uring_prep_rw(WF_RING_FTRUNCATE, entry, call->fd, NULL, 0, (uint64_t)call->size);
        break;
    case WF_FILE_ALLOCATE:
        io_uring_prep_fallocate(entry, call->fd, call->flags, call->offset, call->size);
        break;
    case WF_FILE_ADVISE:
        io_uring_prep_fadvise(entry, call->fd, (uint64_t)call->offset, call->size, call->flags);
        break;
    default:
        wf_assert(false);
    }
}

static bool is_at_offset(const struct wf_file_call *call)
{
    return (call->code == WF_FILE_READ || call->code == WF_FILE_WRITE) && call->offset >= 0;
}

int64_t wf_uring_submit_file(struct wf_uring *io, struct wf_op *op)
{
    struct wf_file_call *call = op->file.call;
    if (!has_entry_for(io, call))
        return wf_file_submit(&io->base, op);
    int err = wf_file_injected(call);
    if (err < 0)
        return err;
    int64_t result = wf_file_try(&io->base, call);
    if (result != WF_PENDING)
        return result;
    if (is_at_offset(call) && has_no_offsets(call->fd))
        return -ESPIPE;
    struct io_uring_sqe *entry = wf_uring_entry(io);
    if (!entry)
        return wf_file_submit_job(op);
    fill(entry, call);
    entry->user_data = (uint64_t)(uintptr_t)op | WF_URING_OP;
    op->file.on_thread = false;
    op->cancelling = false;
    return wf_io_pend(&io->base, op);
}

/* EINTR is what a worker says who was told to stop, and EAGAIN is said of files that the ring
 * cannot wait for: a thread can. What has closed is closed, whatever it says. */
void wf_uring_file_event(struct wf_uring *io, struct wf_op *op, int64_t result)
{
    bool closes = op->file.call->code == WF_FILE_CLOSE;
    bool is_undone = !closes && (result == -EINTR || result == -EAGAIN);
    if (closes && result == -EINTR)
        result = 0;
    if (is_undone && !op->cancelling) {
        io->base.counters.pending--;
        result = wf_file_submit_job(op);
        if (result == WF_PENDING)
            return;
        io->base.counters.pending++;
    }
    wf_io_finish(&io->base, op, is_undone && op->cancelling ? -ECANCELED : result);
}
