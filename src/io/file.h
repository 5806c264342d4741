#ifndef WF_IO_FILE_H
#define WF_IO_FILE_H

/* Calls about files: what WF_OP_FILE asks for.
 *
 * A file is always ready, as poll() has it, and yet a read of it may take as long as a disk does.
 * So there are three ways, and all give the same results and errors:
 *
 *      submit ──> at once         a read of what the page cache has, up to a size
 *             ├─> entry           io_uring, for other calls that this kernel's ring has
 *             └─> job             the rest: a plain call on a pool thread
 *
 * A call that has begun is not interrupted, on a thread as little as by the kernel's workers: a
 * cancel waits for its end. */

#include "io/io.h"
#include "io/pool.h"

#include <sys/types.h>

enum wf_file_code {
    WF_FILE_OPEN,     /* path, flags, mode: the descriptor */
    WF_FILE_CLOSE,    /* fd */
    WF_FILE_READ,     /* fd, vector, count <= IOV_MAX, one piece <= WF_FILE_MOST, offset: bytes */
    WF_FILE_WRITE,    /* likewise */
    WF_FILE_SYNC,     /* fd; flags: 1: the data and what is needed to find it */
    WF_FILE_STAT,     /* fd, path, flags: *status */
    WF_FILE_RENAME,   /* path, other_path, flags */
    WF_FILE_UNLINK,   /* path, flags: AT_REMOVEDIR */
    WF_FILE_MKDIR,    /* path, mode */
    WF_FILE_TRUNCATE, /* fd, size */
    WF_FILE_ALLOCATE, /* fd, flags: FALLOC_FL_, offset, size */
    WF_FILE_ADVISE,   /* fd, flags: POSIX_FADV_, offset, size */
    /* No ring has these. */
    WF_FILE_ENTRIES,  /* fd, buffer, size: bytes of its entries as getdents64() writes them */
    WF_FILE_LOCK,     /* fd, flags: F_RDLCK, F_WRLCK, F_UNLCK, offset, size: -EAGAIN: somebody's */
    WF_FILE_COPY,     /* fd, offset, other_fd, other_offset, size: bytes */
    WF_FILE_SEND,     /* fd, offset, other_fd: a socket, size: bytes */
    WF_FILE_MAP,      /* fd, flags: MAP_, mode: PROT_, offset, size: *buffer */
    WF_FILE_MAP_SYNC, /* buffer, size */
    WF_FILE_WATCH,    /* fd: an inotify's, path, flags: IN_: its id */
    WF_FILE_CODES,
};

#define WF_FILE_MOST ((size_t)0x7ffff000) /* the kernel's limit for one transfer */

#define WF_FILE_STATUS (STATX_BASIC_STATS | STATX_BTIME) /* what is asked for of a file */

struct statx;

struct wf_file_call {
    enum wf_file_code code;
    int fd; /* AT_FDCWD where a path is not relative to one */
    int flags;
    mode_t mode;
    const char *path;
    const char *other_path;
    int other_fd;
    const struct iovec *vector;
    int count;
    int64_t offset; /* -1: at the descriptor's own, which moves */
    int64_t other_offset;
    int64_t size;
    void *buffer;
    struct statx *status;
    struct wf_job job; /* the driver's */
};

/* By a plain call, which may block: the result, or -errno. */
int64_t wf_file_run(struct wf_file_call *call);

/* FILE as every driver can do it: what can be had without blocking, WF_PENDING when that is
 * nothing; on a thread; and both, one after the other. A close for which there is no thread is done
 * at once: it cannot be refused. */
int64_t wf_file_try(struct wf_io *io, const struct wf_file_call *call);
int64_t wf_file_submit_job(struct wf_op *op);
int64_t wf_file_submit(struct wf_io *io, struct wf_op *op);

/* 0, or the error of an armed fault. Of a close as of the kernel's: the descriptor is gone. */
int wf_file_injected(const struct wf_file_call *call);

/* The cancel of what went to a thread: true when it is gone. */
bool wf_file_cancel_job(struct wf_op *op);

/* Whether a loop may copy what a read asks for in one step. */
bool wf_file_is_small(const struct wf_file_call *call);

#endif
