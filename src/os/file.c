/* Files: each function fills in a call and waits for its end.
 *
 * Transfers go on until all is done. What is left of a vector is a cursor over the caller's, which
 * is never copied: a piece that was moved in part is asked for by itself, then the rest. */

#include "os/file.h"

#include "core/operation.h"
#include "io/fault.h"

#include <errno.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <weft/file.h>
#include <weft/task.h>

#define LOCK_PAUSE_MIN WEFT_MILLISECOND
#define LOCK_PAUSE_MAX (64 * WEFT_MILLISECOND)
#define COPY_MAX       ((int64_t)16 << 20) /* bytes in one call, which cannot be interrupted */

static const struct wf_wait_ops file_ops = { .kind = "a file", .abort = wf_operation_abort };
static const struct wf_wait_ops close_ops = { .kind = "the end of a file" };

static int64_t operate_as(weft_loop *loop, struct wf_file_call *call, const struct wf_wait_ops *ops)
{
    struct wf_operation operation = { .op = { .code = WF_OP_FILE } };
    operation.op.file.call = call;
    operation.op.file.pool = wf_loop_pool(loop);
    if (!operation.op.file.pool)
        return call->code == WF_FILE_CLOSE ? wf_file_run(call) : -ENOMEM;
    call->job.inbox = loop->inbox;
    loop->jobs++;
    int64_t result = wf_operate(loop, &operation, ops);
    loop->jobs--;
    return result;
}

static int64_t operate(weft_loop *loop, struct wf_file_call *call)
{
    return operate_as(loop, call, &file_ops);
}

int64_t wf_file_ask(struct wf_file_call *call)
{
    weft_task *task;
    int err = wf_enter(&task);
    return err < 0 ? err : operate(task->future.loop, call);
}

int weft_file_open_with(const char *path, const struct weft_file_open_options *options)
{
    struct wf_file_call call = { .code = WF_FILE_OPEN,
                                 .fd = AT_FDCWD,
                                 .path = path,
                                 .flags = options->flags | O_CLOEXEC,
                                 .mode = options->mode ? options->mode : 0666 };
    return (int)wf_file_ask(&call);
}

/* Nobody waits in vain: what was cancelled closes by itself, and has not ignored its cancel. What
 * the driver answers is final: to close once more would be to close somebody else's. */
int weft_file_close(int fd)
{
    struct wf_file_call call = { .code = WF_FILE_CLOSE, .fd = fd };
    weft_task *task;
    if (fd < 0)
        return -EBADF;
    if (!wf_in_task(wf_running) || weft_cancelled() < 0 || wf_enter(&task) < 0)
        return (int)wf_file_run(&call);
    return (int)operate_as(task->future.loop, &call, &close_ops);
}

/* Transfers. */

struct cursor {
    const struct iovec *pieces;
    int count;
    size_t moved; /* of the first */
};

static void advance(struct cursor *at, size_t size)
{
    at->moved += size;
    while (at->count > 0 && at->moved >= at->pieces->iov_len) {
        at->moved -= at->pieces->iov_len;
        at->pieces++;
        at->count--;
    }
}

/* What to ask for next: the rest of a piece, or all that are whole, within a call's limits. */
static void aim(struct wf_file_call *call, const struct cursor *at, struct iovec *rest)
{
    size_t left = at->pieces->iov_len - at->moved;
    size_t size =
        wf_io_fault_cap(call->code == WF_FILE_READ ? WF_FAULT_SHORT_RECV : WF_FAULT_SHORT_SEND,
                        left < WF_FILE_MOST ? left : WF_FILE_MOST);
    call->vector = at->pieces;
    call->count = at->count < IOV_MAX ? at->count : IOV_MAX;
    if (at->moved == 0 && size == left)
        return;
    *rest = (struct iovec){ (char *)at->pieces->iov_base + at->moved, size };
    call->vector = rest;
    call->count = 1;
}

/* A cancel ends it between two calls: it was told to the one that has ended. */
static ssize_t transfer(weft_loop *loop, struct wf_file_call *call, struct cursor *at)
{
    bool once = call->offset < 0;
    ssize_t done = 0;
    struct iovec rest;
    for (;;) {
        advance(at, 0); /* past empty pieces */
        if (at->count == 0 || (done > 0 && weft_cancelled() < 0))
            return done;
        aim(call, at, &rest);
        int64_t result = operate(loop, call);
        wf_charge_transfer(loop, result > 0 ? (size_t)result : 0);
        if (result <= 0)
            return done > 0 ? done : (ssize_t)result;
        done += (ssize_t)result;
        if (once)
            return done;
        call->offset += result;
        advance(at, (size_t)result);
    }
}

static ssize_t begin_transfer(enum wf_file_code code, int fd, const struct iovec *pieces, int count,
                              int64_t offset)
{
    struct wf_file_call call = { .code = code, .fd = fd, .offset = offset };
    struct cursor at = { pieces, count, 0 };
    weft_task *task;
    int err = wf_enter(&task);
    if (err < 0)
        return err;
    if (count < 0 || offset < WEFT_FILE_POSITION)
        return -EINVAL;
    return transfer(task->future.loop, &call, &at);
}

ssize_t weft_file_read_at(int fd, void *buffer, size_t size, int64_t offset)
{
    struct iovec piece = { buffer, size };
    return begin_transfer(WF_FILE_READ, fd, &piece, 1, offset);
}

ssize_t weft_file_readv_at(int fd, const struct iovec *pieces, int count, int64_t offset)
{
    return begin_transfer(WF_FILE_READ, fd, pieces, count, offset);
}

ssize_t weft_file_write_at(int fd, const void *data, size_t size, int64_t offset)
{
    struct iovec piece = { (void *)(uintptr_t)data, size };
    return begin_transfer(WF_FILE_WRITE, fd, &piece, 1, offset);
}

ssize_t weft_file_writev_at(int fd, const struct iovec *pieces, int count, int64_t offset)
{
    return begin_transfer(WF_FILE_WRITE, fd, pieces, count, offset);
}

int64_t weft_file_copy(int from, int64_t from_offset, int to, int64_t to_offset, int64_t size)
{
    int64_t done = 0;
    if (size < 0)
        return -EINVAL;
    do {
        int64_t left = size - done;
        struct wf_file_call call = { .code = WF_FILE_COPY,
                                     .fd = from,
                                     .offset = from_offset + done,
                                     .other_fd = to,
                                     .other_offset = to_offset + done,
                                     .size = left < COPY_MAX ? left : COPY_MAX };
        int64_t result = wf_file_ask(&call);
        if (result <= 0)
            return done > 0 ? done : result;
        done += result;
    } while (done < size);
    return done;
}

/* Whole files. */

int weft_file_sync(int fd)
{
    struct wf_file_call call = { .code = WF_FILE_SYNC, .fd = fd };
    return (int)wf_file_ask(&call);
}

int weft_file_sync_data(int fd)
{
    struct wf_file_call call = { .code = WF_FILE_SYNC, .fd = fd, .flags = 1 };
    return (int)wf_file_ask(&call);
}

/* Anybody may give a file a time of other centuries. */
static int64_t time_of(const struct statx_timestamp *time)
{
    int64_t ns;
    if (__builtin_mul_overflow(time->tv_sec, WEFT_SECOND, &ns) ||
        __builtin_add_overflow(ns, (int64_t)time->tv_nsec, &ns))
        return time->tv_sec < 0 ? INT64_MIN : INT64_MAX;
    return ns;
}

static weft_file_info info_of(const struct statx *status)
{
    bool has_birth = status->stx_mask & STATX_BTIME;
    return (weft_file_info){ .size = status->stx_size,
                             .device = makedev(status->stx_dev_major, status->stx_dev_minor),
                             .inode = status->stx_ino,
                             .blocks = status->stx_blocks,
                             .mode = status->stx_mode,
                             .links = status->stx_nlink,
                             .user = status->stx_uid,
                             .group = status->stx_gid,
                             .accessed = time_of(&status->stx_atime),
                             .modified = time_of(&status->stx_mtime),
                             .changed = time_of(&status->stx_ctime),
                             .born = has_birth ? time_of(&status->stx_btime) : 0 };
}

static int look(int fd, const char *path, int flags, weft_file_info *info)
{
    struct statx status;
    struct wf_file_call call = {
        .code = WF_FILE_STAT, .fd = fd, .path = path, .flags = flags, .status = &status
    };
    int err = (int)wf_file_ask(&call);
    if (err == 0)
        *info = info_of(&status);
    return err;
}

int weft_file_stat(const char *path, weft_file_info *info)
{
    return look(AT_FDCWD, path, 0, info);
}

int weft_file_stat_link(const char *path, weft_file_info *info)
{
    return look(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, info);
}

int weft_file_stat_fd(int fd, weft_file_info *info)
{
    return fd < 0 ? -EBADF : look(fd, "", AT_EMPTY_PATH, info);
}

int weft_file_truncate(int fd, int64_t size)
{
    struct wf_file_call call = { .code = WF_FILE_TRUNCATE, .fd = fd, .size = size };
    return (int)wf_file_ask(&call);
}

int weft_file_allocate(int fd, int64_t offset, int64_t size, unsigned flags)
{
    struct wf_file_call call = {
        .code = WF_FILE_ALLOCATE, .fd = fd, .flags = (int)flags, .offset = offset, .size = size
    };
    return (int)wf_file_ask(&call);
}

int weft_file_advise(int fd, int64_t offset, int64_t size, enum weft_advice advice)
{
    static const int kernels[] = { POSIX_FADV_NORMAL,   POSIX_FADV_RANDOM,   POSIX_FADV_SEQUENTIAL,
                                   POSIX_FADV_WILLNEED, POSIX_FADV_DONTNEED, POSIX_FADV_NOREUSE };
    if ((unsigned)advice >= sizeof kernels / sizeof kernels[0])
        return -EINVAL;
    struct wf_file_call call = {
        .code = WF_FILE_ADVISE, .fd = fd, .flags = kernels[advice], .offset = offset, .size = size
    };
    return (int)wf_file_ask(&call);
}

/* Names. */

int weft_file_rename(const char *from, const char *to, unsigned flags)
{
    struct wf_file_call call = {
        .code = WF_FILE_RENAME, .fd = AT_FDCWD, .path = from, .other_path = to, .flags = (int)flags
    };
    return (int)wf_file_ask(&call);
}

static int unlink_as(const char *path, int flags)
{
    struct wf_file_call call = {
        .code = WF_FILE_UNLINK, .fd = AT_FDCWD, .path = path, .flags = flags
    };
    return (int)wf_file_ask(&call);
}

int weft_file_unlink(const char *path)
{
    return unlink_as(path, 0);
}

int weft_file_rmdir(const char *path)
{
    return unlink_as(path, AT_REMOVEDIR);
}

int weft_file_mkdir(const char *path, unsigned mode)
{
    struct wf_file_call call = {
        .code = WF_FILE_MKDIR, .fd = AT_FDCWD, .path = path, .mode = mode ? mode : 0777
    };
    return (int)wf_file_ask(&call);
}

/* Locks. */

static int lock_range(int fd, const struct weft_file_lock_options *options)
{
    struct wf_file_call call = { .code = WF_FILE_LOCK,
                                 .fd = fd,
                                 .flags = options->kind == WEFT_LOCK_SHARED ? F_RDLCK : F_WRLCK,
                                 .offset = options->offset,
                                 .size = options->length };
    int err = (int)wf_file_ask(&call);
    return err == -EACCES ? -EAGAIN : err;
}

int weft_file_lock_with(int fd, const struct weft_file_lock_options *options)
{
    int64_t pause = LOCK_PAUSE_MIN;
    for (;;) {
        int err = lock_range(fd, options);
        if (err != -EAGAIN || options->now)
            return err;
        err = weft_sleep(pause);
        if (err < 0)
            return err;
        if (pause < LOCK_PAUSE_MAX)
            pause *= 2;
    }
}

int weft_file_unlock(int fd, int64_t offset, int64_t length)
{
    struct wf_file_call call = {
        .code = WF_FILE_LOCK, .fd = fd, .flags = F_UNLCK, .offset = offset, .size = length
    };
    return (int)wf_file_run(&call);
}

/* Mappings. */

int weft_file_map_with(void **memory, int fd, const struct weft_file_map_options *options)
{
    struct wf_file_call call = { .code = WF_FILE_MAP,
                                 .fd = fd,
                                 .flags = (options->copy ? MAP_PRIVATE : MAP_SHARED) |
                                          (options->populate ? MAP_POPULATE : 0),
                                 .mode = PROT_READ | (options->write ? PROT_WRITE : 0),
                                 .offset = options->offset,
                                 .size = (int64_t)options->length };
    int err = (int)wf_file_ask(&call);
    if (err == 0)
        *memory = call.buffer;
    return err;
}

int weft_file_map_sync(void *memory, size_t length)
{
    struct wf_file_call call = { .code = WF_FILE_MAP_SYNC,
                                 .buffer = memory,
                                 .size = (int64_t)length };
    return (int)wf_file_ask(&call);
}

int weft_file_unmap(void *memory, size_t length)
{
    return munmap(memory, length) < 0 ? -errno : 0;
}
