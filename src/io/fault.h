#ifndef WF_IO_FAULT_H
#define WF_IO_FAULT_H

/* A fault that a test arms at the seam to the kernel: the n-th call of a kind fails with an error
 * of the test's choice, or moves fewer bytes than it was asked to. It belongs to the thread that
 * armed it, so that pool threads and other loops are undisturbed. Unarmed it costs one predictable
 * branch for each system call.
 *
 * EAGAIN must not be injected: it promises an edge that the kernel will not send. */

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>

enum wf_io_fault_kind {
    WF_FAULT_ACCEPT,
    WF_FAULT_RECV,
    WF_FAULT_SEND,
    WF_FAULT_CONNECT,
    WF_FAULT_CONTROL,    /* epoll_ctl; on io_uring what comes in its place */
    WF_FAULT_ENTER,      /* io_uring_enter: EINTR, EBUSY, EAGAIN make sense */
    WF_FAULT_WAIT,       /* only EINTR makes sense */
    WF_FAULT_OPEN,       /* eventfd, epoll_create1, io_uring_setup */
    WF_FAULT_THREAD,     /* pthread_create */
    WF_FAULT_FILE,       /* any call about a file */
    WF_FAULT_MAP,        /* mmap, of an alternate signal stack */
    WF_FAULT_SHORT_RECV, /* at most `bytes_max` arrive */
    WF_FAULT_SHORT_SEND, /* at most `bytes_max` leave */
};

struct wf_io_fault {
    enum wf_io_fault_kind kind;
    long countdown;   /* 1: the next call fails; n: the n-th from now; 0: none */
    bool persistent;  /* all that follow fail too */
    int error;        /* errno, positive; unused by the short transfers */
    size_t bytes_max; /* of the short transfers, > 0 */
    long injected;    /* how many calls were hit */
};

extern _Thread_local struct wf_io_fault *wf_io_fault_armed;

/* Arm `fault` for this thread; it stays the caller's and counts down in place. NULL disarms. */
void wf_io_fault_set(struct wf_io_fault *fault);

/* The slow half of the two below. Not "cold": gcc 12 then moves what follows out of the way too. */
WF_NOINLINE bool wf_io_fault_count(enum wf_io_fault_kind kind);

/* True: this call is to fail, errno is set, and the system call must not be made. */
static inline bool wf_io_fault_hits(enum wf_io_fault_kind kind)
{
    return WF_UNLIKELY(wf_io_fault_armed) && wf_io_fault_count(kind);
}

/* How many of `size` bytes this call may ask for. */
static inline size_t wf_io_fault_cap(enum wf_io_fault_kind kind, size_t size)
{
    if (WF_UNLIKELY(wf_io_fault_armed) && wf_io_fault_count(kind))
        return size < wf_io_fault_armed->bytes_max ? size : wf_io_fault_armed->bytes_max;
    return size;
}

#endif
