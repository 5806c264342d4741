#ifndef WEFT_FILE_H
#define WEFT_FILE_H

/* Files: descriptors of the kernel's, and calls that suspend the task while a disk works.
 *
 *     int fd = weft_file_open("pages.db", O_RDWR | O_CREAT, .mode = 0600);
 *     ssize_t n = weft_file_read_at(fd, page, sizeof page, 4096 * number);
 *     ...
 *     weft_file_close(fd);
 *
 * A file is an int, so what other libraries have opened can be used too, and any loop may use it.
 * Results and errors are those of the system calls (-errno), with three differences: EINTR does not
 * occur, transfers go on until all is done, and descriptors are close-on-exec.
 *
 * What the page cache has is read at once. The rest is done by io_uring where the loop has it, else
 * by the loop's pool (weft/blocking.h); results are the same. What has begun is not interrupted: a
 * cancel waits until it has ended, and a result >= 0 is then returned all the same. So nobody uses
 * the caller's memory behind his back, and a hung disk (NFS) holds its tasks, not the loop. Two
 * things hold the loop: closing in a cancelled scope, and with io_uring the end of a large file
 * that was unlinked, which the kernel takes away in whose thread closes it last.
 *
 * Pipes, terminals and the like are better asked when weft_poll_fd() says so: a read of one that
 * nothing comes from may occupy a thread, where no cancel ends it; io_uring gives it up. There
 * O_NONBLOCK makes no difference, on a thread it is -EAGAIN; and a FIFO is opened without waiting
 * for its other end, where a thread waits unless O_NONBLOCK says otherwise. */

#include <fcntl.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <weft/define.h>
#include <weft/loop.h>

WEFT_BEGIN_DECLS

/* In place of an offset: where the descriptor stands, which moves on. */
#define WEFT_FILE_POSITION (-1)

/* Options of weft_file_open(). */
struct weft_file_open_options {
    int flags;        /* the second argument: O_RDONLY, O_RDWR | O_CREAT, … */
    unsigned mode;    /* of a file that is made, less the umask; 0: 0666 */
    const char *site; /* set by the macro */
    size_t size;      /* likewise */
};
typedef struct weft_file_open_options weft_file_open_options;

/* What is known of a file. Times are ns since 1970, from 1677 to 2262: what lies beyond is the end
 * of that. */
struct weft_file_info {
    uint64_t size;          /* bytes */
    uint64_t device, inode; /* as in struct stat */
    uint64_t blocks;        /* of 512 bytes that it occupies */
    uint32_t mode;          /* type and permissions, as in struct stat: S_ISREG(), S_ISDIR(), … */
    uint32_t links, user, group;
    int64_t accessed, modified, changed;
    int64_t born; /* 0: the file system does not say */
};
typedef struct weft_file_info weft_file_info;

/* Flags of weft_file_rename(). */
enum weft_rename {
    WEFT_RENAME_KEEP = 1,     /* -EEXIST instead of replacing what is there */
    WEFT_RENAME_EXCHANGE = 2, /* both names stay, and change places */
};

/* Flags of weft_file_allocate(). */
enum weft_allocate {
    WEFT_ALLOCATE_KEEP_SIZE = 1, /* beyond the end, too */
    WEFT_ALLOCATE_PUNCH = 2,     /* give the space back: reads as zeros; needs KEEP_SIZE */
    WEFT_ALLOCATE_COLLAPSE = 8,  /* take the range out, what follows moves up */
    WEFT_ALLOCATE_ZERO = 16,     /* reads as zeros, and has its space */
    WEFT_ALLOCATE_INSERT = 32,   /* make a hole, what follows moves down */
};

/* What weft_file_advise() says of a range. */
enum weft_advice {
    WEFT_ADVISE_NORMAL,
    WEFT_ADVISE_RANDOM,     /* do not read ahead */
    WEFT_ADVISE_SEQUENTIAL, /* read far ahead */
    WEFT_ADVISE_WILL_NEED,  /* read it now, in the background */
    WEFT_ADVISE_DONT_NEED,  /* drop it from the page cache */
    WEFT_ADVISE_NO_REUSE,
};

enum weft_file_lock_kind { WEFT_LOCK_SHARED, WEFT_LOCK_EXCLUSIVE };

/* Options of weft_file_lock(). */
struct weft_file_lock_options {
    int kind;       /* the second argument: enum weft_file_lock_kind */
    int64_t offset; /* of the range */
    int64_t length; /* bytes; 0: to the end, wherever that will be */
    bool now;       /* -EAGAIN instead of waiting */
    const char *site;
    size_t size;
};
typedef struct weft_file_lock_options weft_file_lock_options;

/* Options of weft_file_map(). */
struct weft_file_map_options {
    size_t length;  /* the third argument, bytes */
    int64_t offset; /* of its beginning, a multiple of the page size */
    bool write;     /* and what is written goes to the file, unless */
    bool copy;      /* it stays here: a private copy of what is written to */
    bool populate;  /* read it all before returning, so that no access waits for the disk */
    const char *site;
    size_t size;
};
typedef struct weft_file_map_options weft_file_map_options;

/** Open a file. O_CLOEXEC is added.
 *
 * Returns: the descriptor, >= 0.
 * Errors: openat's (-ENOENT, -EACCES, -EEXIST, -EMFILE, …); -ENOMEM; -ECANCELED; -EPERM outside a
 *   task; -EAGAIN: no thread could be started, or the pool's queue is full.
 * Suspends: until the kernel has found it.
 * Cancel: waits for the call; a file that was opened is returned.
 * Ownership: borrows the path; gives the descriptor, ended by weft_file_close().
 * Threads: the loop's own; the descriptor may be used by all. */
WEFT_API
WEFT_SUSPENDS
int weft_file_open_with(const char *path, const struct weft_file_open_options *options);

/** Close a descriptor. No call may be under way on it.
 *
 * Returns: 0.
 * Errors: what the file system could not write before (-EIO, -ENOSPC, -EDQUOT: of NFS and the like;
 *   weft_file_sync() is where others say it); the descriptor is closed all the same. -EBADF.
 * Suspends: until the kernel has let go, which takes long for a large file that was unlinked;
 *   outside a task, and in a cancelled scope, it closes without suspending.
 * Cancel: not while it runs.
 * Ownership: takes the descriptor.
 * Threads: any. */
WEFT_API
WEFT_SUSPENDS
int weft_file_close(int fd);

/** Read `size` bytes at an offset.
 *
 * Returns: bytes read: fewer than `size` at the end of the file, and before an error, which the
 *   next call there returns; at WEFT_FILE_POSITION also whenever one call brings fewer.
 * Errors: -EBADF, -EIO, -EISDIR, -EINVAL (O_DIRECT wants aligned offsets, sizes and memory),
 *   -ESPIPE for what has no offsets; -EAGAIN: no thread could be started, or the pool's queue is
 *   full; -ENOMEM; -ECANCELED; -EPERM outside a task.
 * Suspends: unless the page cache has it all, up to 128 KiB are asked for, and it is not at
 *   WEFT_FILE_POSITION; what has been opened with O_DIRECT passes the cache.
 * Cancel: waits for what has begun; bytes that were read are returned, and the next call is
 *   cancelled.
 * Ownership: borrows the buffer until the return.
 * Threads: a loop's own. */
WEFT_API
WEFT_SUSPENDS
ssize_t weft_file_read_at(int fd, void *buffer, size_t size, int64_t offset);

/** Read into several pieces of memory, one after the other.
 *
 * Returns: as weft_file_read_at().
 * Errors: as weft_file_read_at().
 * Suspends: as weft_file_read_at().
 * Cancel: as weft_file_read_at().
 * Ownership: borrows the vector and the pieces until the return.
 * Threads: as weft_file_read_at(). */
WEFT_API
WEFT_SUSPENDS
ssize_t weft_file_readv_at(int fd, const struct iovec *pieces, int count, int64_t offset);

/** Write `size` bytes at an offset. With O_APPEND the kernel writes at the end, whatever the
 * offset.
 *
 * Returns: bytes written: fewer than `size` only before an error (a full disk), which the next call
 *   there returns.
 * Errors: -EBADF, -EIO, -ENOSPC, -EDQUOT, -EFBIG, -EINVAL (O_DIRECT), -EPIPE; -EAGAIN: no thread
 *   could be started, or the pool's queue is full; -ENOMEM; -ECANCELED; -EPERM outside a task.
 * Suspends: until the page cache has it; it is on the disk after weft_file_sync().
 * Cancel: waits for what has begun; what was written is returned, and the next call is cancelled.
 * Ownership: borrows the data until the return.
 * Threads: a loop's own. */
WEFT_API
WEFT_SUSPENDS
ssize_t weft_file_write_at(int fd, const void *data, size_t size, int64_t offset);

/** Write several pieces of memory, one after the other.
 *
 * Returns: as weft_file_write_at().
 * Errors: as weft_file_write_at().
 * Suspends: as weft_file_write_at().
 * Cancel: as weft_file_write_at().
 * Ownership: borrows the vector and the pieces until the return.
 * Threads: as weft_file_write_at(). */
WEFT_API
WEFT_SUSPENDS
ssize_t weft_file_writev_at(int fd, const struct iovec *pieces, int count, int64_t offset);

/** Have what was written on the disk. A name that is new is there when its folder is synced too.
 *
 * Returns: 0.
 * Errors: -EIO, -ENOSPC, -EDQUOT: something that was written is lost, and the kernel says it once;
 *   -EBADF, -EINVAL, -EROFS; -EAGAIN, -ENOMEM, -ECANCELED, -EPERM as others.
 * Suspends: until the disk has it.
 * Cancel: waits for its end.
 * Ownership: none.
 * Threads: a loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_file_sync(int fd);

/** The same for the data and what is needed to find it, without times and the like.
 *
 * Returns: as weft_file_sync().
 * Errors: as weft_file_sync().
 * Suspends: as weft_file_sync().
 * Cancel: as weft_file_sync().
 * Ownership: as weft_file_sync().
 * Threads: as weft_file_sync(). */
WEFT_API
WEFT_SUSPENDS
int weft_file_sync_data(int fd);

/** What is known of the file of a name.
 *
 * Returns: 0, and *info.
 * Errors: statx's (-ENOENT, -EACCES, -ENOTDIR, …); -EAGAIN, -ENOMEM, -ECANCELED, -EPERM as others.
 * Suspends: until the kernel has found it.
 * Cancel: waits for its end.
 * Ownership: borrows both until the return.
 * Threads: a loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_file_stat(const char *path, weft_file_info *info);

/** The same of a symbolic link itself.
 *
 * Returns: as weft_file_stat().
 * Errors: as weft_file_stat().
 * Suspends: as weft_file_stat().
 * Cancel: as weft_file_stat().
 * Ownership: as weft_file_stat().
 * Threads: as weft_file_stat(). */
WEFT_API
WEFT_SUSPENDS
int weft_file_stat_link(const char *path, weft_file_info *info);

/** The same of an open file.
 *
 * Returns: as weft_file_stat().
 * Errors: as weft_file_stat().
 * Suspends: as weft_file_stat().
 * Cancel: as weft_file_stat().
 * Ownership: as weft_file_stat().
 * Threads: as weft_file_stat(). */
WEFT_API
WEFT_SUSPENDS
int weft_file_stat_fd(int fd, weft_file_info *info);

/** Give a file another name. `flags` are enum weft_rename's; without, what had the name is
 * replaced, in one step.
 *
 * Returns: 0.
 * Errors: renameat2's (-ENOENT, -EEXIST, -EXDEV, -ENOTEMPTY, -EINVAL for flags that the file system
 *   does not have, …); -EAGAIN, -ENOMEM, -ECANCELED, -EPERM as others.
 * Suspends: until it is done.
 * Cancel: waits for its end.
 * Ownership: borrows both names until the return.
 * Threads: a loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_file_rename(const char *from, const char *to, unsigned flags);

/** Take a name away; the file goes with its last name and its last descriptor.
 *
 * Returns: 0.
 * Errors: unlinkat's (-ENOENT, -EISDIR, -EACCES, …); -EAGAIN, -ENOMEM, -ECANCELED and -EPERM as
 *   others.
 * Suspends: until it is done.
 * Cancel: waits for its end.
 * Ownership: borrows the path until the return.
 * Threads: a loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_file_unlink(const char *path);

/** Make a folder. `mode` less the umask; 0: 0777.
 *
 * Returns: 0.
 * Errors: mkdirat's (-EEXIST, -ENOENT, -EACCES, …); -EAGAIN, -ENOMEM, -ECANCELED, -EPERM as others.
 * Suspends: until it is done.
 * Cancel: waits for its end.
 * Ownership: borrows the path until the return.
 * Threads: a loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_file_mkdir(const char *path, unsigned mode);

/** Remove an empty folder.
 *
 * Returns: 0.
 * Errors: unlinkat's (-ENOTEMPTY, -ENOTDIR, -ENOENT, …); -EAGAIN, -ENOMEM, -ECANCELED, -EPERM as
 *   others.
 * Suspends: until it is done.
 * Cancel: waits for its end.
 * Ownership: borrows the path until the return.
 * Threads: a loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_file_rmdir(const char *path);

/** Give a file a size: what is beyond is gone, what is missing reads as zeros.
 *
 * Returns: 0.
 * Errors: ftruncate's (-EINVAL, -EFBIG, -EBADF, …); -EAGAIN, -ENOMEM, -ECANCELED, -EPERM as others.
 * Suspends: until it is done.
 * Cancel: waits for its end.
 * Ownership: none.
 * Threads: a loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_file_truncate(int fd, int64_t size);

/** Have space for a range, so that writing there cannot fail for lack of it; or what the flags of
 * enum weft_allocate say.
 *
 * Returns: 0.
 * Errors: fallocate's (-ENOSPC, -EOPNOTSUPP where the file system cannot, -EBADF, …); -EAGAIN,
 *   -ENOMEM, -ECANCELED, -EPERM as others.
 * Suspends: until it is done.
 * Cancel: waits for its end.
 * Ownership: none.
 * Threads: a loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_file_allocate(int fd, int64_t offset, int64_t size, unsigned flags);

/** Tell the page cache what will be done with a range; size 0: to the end of the file.
 *
 * Returns: 0.
 * Errors: posix_fadvise's (-EINVAL, -ESPIPE, -EBADF); -EAGAIN, -ENOMEM, -ECANCELED, -EPERM as
 *   others.
 * Suspends: until the kernel has heard it.
 * Cancel: waits for its end.
 * Ownership: none.
 * Threads: a loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_file_advise(int fd, int64_t offset, int64_t size, enum weft_advice advice);

/** Lock a range of a file against others who lock it: processes, and tasks that have opened it by
 * themselves. It belongs to the open file (an F_OFD lock): it ends by weft_file_unlock(), or with
 * the last descriptor of it.
 *
 *     err = weft_file_lock(fd, WEFT_LOCK_EXCLUSIVE, .length = 512);
 *
 * Returns: 0.
 * Errors: -EAGAIN with .now: somebody has it; -EBADF: an exclusive one wants a descriptor that can
 *   write; -EDEADLK, -ENOLCK, -EINVAL; -ENOMEM, -ECANCELED, -EPERM as others.
 * Suspends: until it has it. The kernel tells no one that a lock is free without holding a thread,
 *   so it is tried again, after 1 ms and then ever later, 64 ms at most: who waits is not served in
 *   line.
 * Cancel: at once, without the lock; one that the kernel has given meanwhile is returned.
 * Ownership: gives the lock.
 * Threads: a loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_file_lock_with(int fd, const struct weft_file_lock_options *options);

/** Give a range back; length 0: to the end.
 *
 * Returns: 0, also where nothing was locked.
 * Errors: -EBADF, -EINVAL, -ENOLCK; it does not suspend and is not cancelled.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: takes the lock.
 * Threads: any. */
WEFT_API
int weft_file_unlock(int fd, int64_t offset, int64_t length);

/** Map a range of a file into memory, to be read, or with .write written too.
 *
 *     void *index;
 *     err = weft_file_map(&index, fd, size, .populate = true);
 *
 * An access to a page that the page cache does not have holds up the whole loop until the disk has
 * brought it: .populate brings all of them before it returns, on a thread. One behind the end of
 * the file is a SIGBUS.
 *
 * Returns: 0, and the memory in *memory.
 * Errors: mmap's (-EACCES, -ENODEV, -EINVAL, -ENOMEM, …); -EAGAIN, -ECANCELED, -EPERM as others.
 * Suspends: until it is mapped.
 * Cancel: waits for its end; what was mapped is returned.
 * Ownership: gives the memory, ended by weft_file_unmap(); the descriptor is not needed any more.
 * Threads: a loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_file_map_with(void **memory, int fd, const struct weft_file_map_options *options);

/** Have what was written to a mapping on the disk; `memory` begins a page.
 *
 * Returns: 0.
 * Errors: msync's (-ENOMEM: not mapped, -EINVAL, -EIO); -EAGAIN, -ECANCELED, -EPERM as others.
 * Suspends: until the disk has it.
 * Cancel: waits for its end.
 * Ownership: borrows the memory until the return.
 * Threads: a loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_file_map_sync(void *memory, size_t length);

/** End a mapping.
 *
 * Returns: 0.
 * Errors: -EINVAL: not one.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: takes the memory.
 * Threads: any. */
WEFT_API
int weft_file_unmap(void *memory, size_t length);

/** Copy bytes from one file to another inside the kernel, where the file systems can by sharing
 * them. The two may be one file, if the ranges are apart.
 *
 * Returns: bytes copied: fewer than `size` at the end of `from`, and before an error, which the
 *   next call there returns.
 * Errors: copy_file_range's (-ENOSPC, -EBADF: also for O_APPEND, -EINVAL, …), and those of reading
 *   and writing; -EINVAL: a size below 0; -EAGAIN, -ENOMEM, -ECANCELED, -EPERM as others.
 * Suspends: until it is done.
 * Cancel: waits for at most 16 MiB; what was copied is returned.
 * Ownership: none.
 * Threads: a loop's own. */
WEFT_API
WEFT_SUSPENDS
int64_t weft_file_copy(int from, int64_t from_offset, int to, int64_t to_offset, int64_t size);

WEFT_END_DECLS

#ifndef __cplusplus
#    define weft_file_open(path, ...)                                                              \
        weft_file_open_with((path), &(struct weft_file_open_options){                              \
                                        .flags = __VA_ARGS__,                                      \
                                        .site = WEFT_SITE,                                         \
                                        .size = sizeof(struct weft_file_open_options) })
#    define weft_file_lock(fd, ...)                                                                \
        weft_file_lock_with((fd), &(struct weft_file_lock_options){                                \
                                      .kind = __VA_ARGS__,                                         \
                                      .site = WEFT_SITE,                                           \
                                      .size = sizeof(struct weft_file_lock_options) })
#    define weft_file_map(memory, fd, ...)                                                         \
        weft_file_map_with(                                                                        \
            (memory), (fd),                                                                        \
            &(struct weft_file_map_options){ .length = __VA_ARGS__,                                \
                                             .site = WEFT_SITE,                                    \
                                             .size = sizeof(struct weft_file_map_options) })
#else
static inline int weft_file_open(const char *path, int flags, weft_file_open_options options = {})
{
    options.flags = flags;
    options.size = sizeof options;
    return weft_file_open_with(path, &options);
}

static inline int weft_file_lock(int fd, enum weft_file_lock_kind kind,
                                 weft_file_lock_options options = {})
{
    options.kind = kind;
    options.size = sizeof options;
    return weft_file_lock_with(fd, &options);
}

static inline int weft_file_map(void **memory, int fd, size_t length,
                                weft_file_map_options options = {})
{
    options.length = length;
    options.size = sizeof options;
    return weft_file_map_with(memory, fd, &options);
}
#endif

#endif
