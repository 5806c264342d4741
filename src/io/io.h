#ifndef WF_IO_IO_H
#define WF_IO_IO_H

/* The one door to the kernel.
 *
 * A driver is a table of functions over operations. An operation is shaped as a completion that
 * may finish at once: submit() either returns the result, and then done() is never called, or
 * WF_PENDING, and then done() is called exactly once, from wait(), unless cancel() answered
 * "gone" first.
 *
 *        submit ──> result                          finished, done() will not come
 *           │
 *           └─────> WF_PENDING ──> wait(): done()   finished later
 *                        │
 *                        └──> cancel(): true        gone, done() will not come
 *                                       false       not yet: done() will come, buffers stay lent
 *
 * Memory named by an operation (buffer, iovec, address, the operation itself) belongs to the driver
 * from submit() to the end of that picture. Results are what the system call would return: >= 0,
 * or -errno. One operation of a kind (reading side, writing side) at a time per descriptor; who
 * asks for more is refused above this layer.
 *
 * A driver knows no tasks, no streams and no timers. It never calls done() from submit() or
 * cancel(), so that the caller's state is whole when a completion arrives. The done() of a FILE
 * that went to a thread comes when the loop delivers the mail of its inbox, which is between two
 * waits. */

#include "base/list.h"
#include "io/inbox.h"
#include "io/os_types.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WF_PENDING INT64_MIN

/* Interest and readiness of WF_OP_POLL; the values are weft_poll_fd()'s. */
enum { WF_POLL_READ = 1, WF_POLL_WRITE = 2, WF_POLL_ERROR = 4 };

enum wf_op_code {
    WF_OP_ACCEPT,    /* one connection: its descriptor, non-blocking and close-on-exec */
    WF_OP_RECV,      /* into the caller's buffer; 0 at the end of the stream */
    WF_OP_RECV_LEND, /* into a block of the driver's, given back with lend_return() */
    WF_OP_SEND,      /* an iovec; may be partial */
    WF_OP_CONNECT,   /* once a descriptor: when it has failed, there is only release() */
    WF_OP_POLL, /* one readiness event of any other descriptor: WF_POLL_ bits. Always ready, like a
                   regular file: at once; closed or replaced meanwhile, where that shows: -EBADF */
    WF_OP_FILE, /* a call about a file, file.h */
};

/* A descriptor that the driver has taken in: sockets and listeners. Embedded by its owner, which
 * zeroes it and sets `listening` and `shared` before attach(). */
struct wf_descriptor {
    int fd;               /* -1 when closed */
    bool can_read;        /* readable until a call proves otherwise */
    bool drained;         /* uring: a receive has emptied it, so the next one waits first */
    bool can_write;       /* likewise */
    bool ahead;           /* uring: what has come may lie with the driver: only it may receive */
    bool hung_up;         /* RDHUP, HUP, ERR or PRI was seen: sticky; a short read proves nothing
                             then. The owner of a datagram socket sets it after attach() */
    bool listening;       /* accepts instead of receiving */
    bool shared;          /* listening: others accept from the same socket. It is looked at only
                             while an ACCEPT waits. A client wakes one of those who wait, or all of
                             them (uring), and one gets it */
    bool takes_all;       /* listening: clients may be accepted before they are asked for */
    struct wf_op *reader; /* pending ACCEPT, RECV or RECV_LEND */
    struct wf_op *writer; /* pending SEND or CONNECT */
};

struct wf_pool;
struct wf_file_call;

struct wf_op {
    uint8_t code;                                   /* enum wf_op_code */
    bool pending;                                   /* between WF_PENDING and its end */
    bool now;                                       /* -EAGAIN instead of WF_PENDING */
    bool cancelling;                                /* the driver's: its end was asked for */
    void (*done)(struct wf_op *op, int64_t result); /* on the loop's thread, from wait() */
    struct wf_descriptor *descriptor;               /* all but POLL and FILE */
    union {
        struct {
            void *data;
            size_t size;
        } recv;
        struct {
            char *data;      /* out: the block, when the result is > 0 */
            size_t capacity; /* out: its size */
        } lend;
        struct {
            const struct iovec *vector;
            int count;
        } send;
        struct {
            const struct sockaddr *address;
            socklen_t size;
        } connect;
        struct {
            struct wf_list link;
            int fd;
            unsigned interest;
        } poll;
        struct {
            struct wf_file_call *call; /* job.inbox is set */
            struct wf_pool *pool;      /* for what the driver cannot do by itself */
            bool on_thread;            /* the driver's: it went there */
        } file;
    };
};

/* What the driver has done since it was opened. One number per kind of system call. */
struct wf_io_counters {
    uint64_t waits, receives, sends, accepts, connects, controls, wakes, others;
    /* Without those on threads, as the calls that threads make: */
    uint64_t completions; /* operations that finished through done() */
    uint64_t pending;     /* operations that wait now */
};

/* Bytes, now. */
struct wf_io_memory {
    size_t lent;   /* of buffers that hold what was received, or that the kernel may receive into */
    size_t pinned; /* of what is shared with the kernel, and cannot be swapped */
};

/* What every driver's own state begins with. */
struct wf_io {
    struct wf_io_counters counters;
};

struct wf_io_options {
    struct wf_inbox *inbox; /* other threads' messages; its wake-ups end wait(). Borrowed. */
    size_t block_size;      /* of lent blocks; 0: 16 KiB */
    size_t blocks_max;      /* lent at one time; 0: 65,536. Beyond: -ENOBUFS; where bytes have come
                               ahead also while the kernel has the last ones, 1,024 at most */
    unsigned entries;       /* uring: of the submission ring; 0: 256 */
    bool keen;              /* uring: receive by one entry for many at once */
    bool choosy;            /* uring: refuse a kernel before 6.1, as another driver is asked next */
};

struct wf_io_ops {
    const char *name; /* "epoll", "uring", "sim" */

    /* Errors: -ENOMEM, -EMFILE, what the kernel refuses with; *reason then says it in words. */
    int (*open)(struct wf_io **io, const struct wf_io_options *options, const char **reason);
    /* No operation may be pending. */
    void (*close)(struct wf_io *io);

    /* Take a descriptor in: it must be non-blocking. Assumes that it can be written, and that a
     * listener can accept; reading waits for the driver to say so.
     * Errors: -ENOMEM, -EEXIST: taken in already, or a POLL is pending on it; epoll_ctl's. */
    int (*attach)(struct wf_io *io, struct wf_descriptor *descriptor, int fd);
    /* Close it. No operation may be pending on it. Sets fd to -1. */
    void (*release)(struct wf_io *io, struct wf_descriptor *descriptor);

    int64_t (*submit)(struct wf_io *io, struct wf_op *op);
    bool (*cancel)(struct wf_io *io, struct wf_op *op);
    void (*lend_return)(struct wf_io *io, char *block);

    /* Wait at most `timeout` ns (0: poll; WEFT_FOREVER: no limit) for completions and deliver
     * them. Returns early when the inbox is woken. Never fails: EINTR is an empty wait. */
    void (*wait)(struct wf_io *io, int64_t timeout);

    const struct wf_io_counters *(*counters)(const struct wf_io *io);
    void (*memory)(const struct wf_io *io, struct wf_io_memory *memory);
};

extern const struct wf_io_ops wf_epoll_ops;
extern const struct wf_io_ops wf_uring_ops; /* where it is built in: WF_HAS_URING */

/* Take an operation back at the end of everything: what it names is not the driver's any more when
 * this returns, and its done() is not called. Not of a FILE, which may end with the mail. */
void wf_io_drop(const struct wf_io_ops *ops, struct wf_io *io, struct wf_op *op);

/* Choose by name ("epoll", "uring"; "uring,epoll": the first of them that opens; NULL or "auto":
 * WEFT_BACKEND, else what this library prefers) and open. *reason says in words, static, why it is
 * this one, or why there is none. Errors: -ENOTSUP for an unknown name; of the last one named. */
int wf_io_open(const char *backend, const struct wf_io_options *options, struct wf_io **io,
               const struct wf_io_ops **ops, const char **reason);

#endif
