#include "io/file.h"

#include "base/memory.h"
#include "io/fault.h"
#include "io/slots.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define SECTOR      512 /* at least, of what goes past the page cache */
#define COPY_BLOCK  ((size_t)64 << 10)
#define AT_ONCE_MAX ((size_t)128 << 10) /* bytes that a loop may copy in one step: some 20 us */

static int64_t read_pieces(const struct wf_file_call *call)
{
    return call->offset < 0 ? readv(call->fd, call->vector, call->count)
                            : preadv(call->fd, call->vector, call->count, call->offset);
}

static int64_t write_pieces(const struct wf_file_call *call)
{
    return call->offset < 0 ? writev(call->fd, call->vector, call->count)
                            : pwritev(call->fd, call->vector, call->count, call->offset);
}

/* A lock of the open file, not of the process: two tasks that have opened it exclude one another.
 */
static int64_t lock(const struct wf_file_call *call)
{
    struct flock range = { .l_type = (short)call->flags,
                           .l_whence = SEEK_SET,
                           .l_start = call->offset,
                           .l_len = call->size };
    return fcntl(call->fd, F_OFD_SETLK, &range);
}

/* Through memory: bytes copied, or the error of a copy that has not begun. */
static int64_t copy_by_hand(const struct wf_file_call *call)
{
    int64_t done = 0, moved = 0;
    char *block = wf_alloc(COPY_BLOCK);
    if (!block) {
        errno = ENOMEM;
        return -1;
    }
    while (done < call->size) {
        size_t left = (size_t)(call->size - done);
        moved = pread(call->fd, block, left < COPY_BLOCK ? left : COPY_BLOCK, call->offset + done);
        if (moved > 0)
            moved = pwrite(call->other_fd, block, (size_t)moved, call->other_offset + done);
        if (moved <= 0)
            break;
        done += moved;
    }
    wf_free(block);
    return done > 0 ? done : moved;
}

/* The kernel does not copy between all file systems. */
static int64_t copy(const struct wf_file_call *call)
{
    off_t from = call->offset, to = call->other_offset;
    int64_t count = copy_file_range(call->fd, &from, call->other_fd, &to, (size_t)call->size, 0);
    bool cannot = count < 0 && (errno == EXDEV || errno == EOPNOTSUPP || errno == ENOSYS);
    return cannot ? copy_by_hand(call) : count;
}

static int64_t send_to_socket(const struct wf_file_call *call)
{
    off_t from = call->offset;
    return sendfile(call->other_fd, call->fd, &from, (size_t)call->size);
}

static int64_t map(struct wf_file_call *call)
{
    void *memory =
        mmap(NULL, (size_t)call->size, (int)call->mode, call->flags, call->fd, call->offset);
    if (memory == MAP_FAILED)
        return -1;
    call->buffer = memory;
    return 0;
}

/* posix_fadvise() answers with the error itself. */
static int64_t advise(const struct wf_file_call *call)
{
    errno = posix_fadvise(call->fd, call->offset, call->size, call->flags);
    return errno == 0 ? 0 : -1;
}

static int64_t run_once(struct wf_file_call *call)
{
    switch (call->code) {
    case WF_FILE_OPEN:
        return openat(call->fd, call->path, call->flags, call->mode);
    case WF_FILE_CLOSE:
        return close(call->fd);
    case WF_FILE_READ:
        return read_pieces(call);
    case WF_FILE_WRITE:
        return write_pieces(call);
    case WF_FILE_SYNC:
        return call->flags ? fdatasync(call->fd) : fsync(call->fd);
    case WF_FILE_STAT:
        return statx(call->fd, call->path, call->flags, WF_FILE_STATUS, call->status);
    case WF_FILE_RENAME:
        return renameat2(call->fd, call->path, call->fd, call->other_path, (unsigned)call->flags);
    case WF_FILE_UNLINK:
        return unlinkat(call->fd, call->path, call->flags);
    case WF_FILE_MKDIR:
        return mkdirat(call->fd, call->path, call->mode);
    case WF_FILE_TRUNCATE:
        return ftruncate(call->fd, call->size);
    case WF_FILE_ALLOCATE:
        return fallocate(call->fd, call->flags, call->offset, call->size);
    case WF_FILE_ADVISE:
        return advise(call);
    case WF_FILE_ENTRIES:
        return syscall(SYS_getdents64, call->fd, call->buffer, (size_t)call->size);
    case WF_FILE_LOCK:
        return lock(call);
    case WF_FILE_COPY:
        return copy(call);
    case WF_FILE_SEND:
        return send_to_socket(call);
    case WF_FILE_MAP:
        return map(call);
    case WF_FILE_MAP_SYNC:
        return msync(call->buffer, (size_t)call->size, MS_SYNC);
    case WF_FILE_WATCH:
        return inotify_add_watch(call->fd, call->path, (uint32_t)call->flags);
    case WF_FILE_CODES:
        break;
    }
    errno = EINVAL;
    return -1;
}

int64_t wf_file_run(struct wf_file_call *call)
{
    int64_t result;
    do
        result = run_once(call);
    while (result < 0 && errno == EINTR && call->code != WF_FILE_CLOSE);
    if (result >= 0)
        return result;
    return errno == EINTR ? 0 : -errno; /* of a close: closed all the same */
}

/* What a transfer asks for; a size beyond AT_ONCE_MAX may be a part of it. */
static size_t size_of(const struct wf_file_call *call)
{
    size_t size = 0;
    for (int i = 0; i < call->count && size <= AT_ONCE_MAX; i++)
        size += call->vector[i].iov_len;
    return size;
}

bool wf_file_is_small(const struct wf_file_call *call)
{
    return size_of(call) <= AT_ONCE_MAX;
}

/* With O_DIRECT the kernel waits for the disk in spite of RWF_NOWAIT. */
static bool passes_cache(const struct wf_file_call *call)
{
    bool whole_sectors = call->offset % SECTOR == 0 && size_of(call) % SECTOR == 0;
    return whole_sectors && (fcntl(call->fd, F_GETFL) & O_DIRECT);
}

/* Where the file system cannot say whether it would block, and where there is only a part at hand
 * and the end of the file is not sure, somebody who may block asks again. */
int64_t wf_file_try(struct wf_io *io, const struct wf_file_call *call)
{
    if (call->code != WF_FILE_READ || call->offset < 0 || !wf_file_is_small(call) ||
        passes_cache(call))
        return WF_PENDING;
    io->counters.others++;
    ssize_t count = preadv2(call->fd, call->vector, call->count, call->offset, RWF_NOWAIT);
    if (count >= 0)
        return count;
    return errno == EAGAIN || errno == EOPNOTSUPP || errno == EINTR || errno == ENOSYS ? WF_PENDING
                                                                                       : -errno;
}

static void run_job(struct wf_job *job)
{
    job->result = wf_file_run(wf_container(job, struct wf_file_call, job));
}

static void job_is_complete(struct wf_job *job)
{
    struct wf_op *op = job->owner;
    op->pending = false;
    op->done(op, job->result);
}

int64_t wf_file_submit_job(struct wf_op *op)
{
    struct wf_job *job = &op->file.call->job;
    job->run = run_job;
    job->complete = job_is_complete;
    job->owner = op;
    int err = wf_pool_submit(op->file.pool, job);
    if (err < 0)
        return op->file.call->code == WF_FILE_CLOSE ? wf_file_run(op->file.call) : err;
    op->file.on_thread = true;
    op->pending = true;
    return WF_PENDING;
}

bool wf_file_cancel_job(struct wf_op *op)
{
    bool gone = wf_pool_withdraw(op->file.pool, &op->file.call->job);
    op->pending = !gone;
    return gone;
}

int wf_file_injected(const struct wf_file_call *call)
{
    if (!wf_io_fault_hits(WF_FAULT_FILE))
        return 0;
    int err = -errno;
    if (call->code == WF_FILE_CLOSE)
        close(call->fd);
    return err;
}

int64_t wf_file_submit(struct wf_io *io, struct wf_op *op)
{
    int err = wf_file_injected(op->file.call);
    if (err < 0)
        return err;
    int64_t result = wf_file_try(io, op->file.call);
    return result != WF_PENDING ? result : wf_file_submit_job(op);
}
