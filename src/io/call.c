/* The system calls of the drivers, one function each.
 *
 * The injected short transfers lower what is asked of the kernel and not what it answered, so that
 * "fewer than asked" keeps its meaning: the queue is empty, the buffer is full. */

#include "io/call.h"
#include "io/fault.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>

/* Connections that died in the queue are skipped, but not for ever: a flood of them must not hold
 * the loop. */
#define ACCEPT_TRIES 64

int64_t wf_call_recv(struct wf_io_counters *counters, int fd, void *data, size_t *size)
{
    *size = wf_io_fault_cap(WF_FAULT_SHORT_RECV, *size);
    for (;;) {
        if (!wf_io_fault_hits(WF_FAULT_RECV)) {
            counters->receives++;
            ssize_t count = recv(fd, data, *size, 0);
            if (WF_LIKELY(count >= 0))
                return count;
        }
        if (errno != EINTR)
            return -errno;
    }
}

/* The part of a vector that one call may name, and its bytes. */
static size_t clip(const struct iovec *vector, int *count)
{
    size_t size = 0;
    if (*count > IOV_MAX)
        *count = IOV_MAX;
    for (int i = 0; i < *count; i++)
        size += vector[i].iov_len;
    return size;
}

static ssize_t send_once(int fd, const struct iovec *vector, int count)
{
    if (count == 1)
        return send(fd, vector->iov_base, vector->iov_len, MSG_NOSIGNAL);
    struct msghdr message = { .msg_iov = (struct iovec *)vector, .msg_iovlen = (size_t)count };
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

int64_t wf_call_send(struct wf_io_counters *counters, int fd, const struct iovec *vector, int count,
                     size_t *size)
{
    *size = clip(vector, &count);
    struct iovec cut;
    size_t cap = wf_io_fault_cap(WF_FAULT_SHORT_SEND, *size);
    if (WF_UNLIKELY(cap < *size)) {
        cut.iov_base = vector->iov_base;
        cut.iov_len = cap < vector->iov_len ? cap : vector->iov_len;
        *size = cut.iov_len;
        vector = &cut;
        count = 1;
    }
    for (;;) {
        if (!wf_io_fault_hits(WF_FAULT_SEND)) {
            counters->sends++;
            ssize_t sent = send_once(fd, vector, count);
            if (WF_LIKELY(sent >= 0))
                return sent;
        }
        if (errno != EINTR)
            return -errno;
    }
}

bool wf_call_is_about_peer(int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
        return true;
    default:
        return false;
    }
}

int64_t wf_call_accept(struct wf_io_counters *counters, int fd)
{
    for (int tries = 0;;) {
        if (!wf_io_fault_hits(WF_FAULT_ACCEPT)) {
            counters->accepts++;
            int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (WF_LIKELY(accepted >= 0))
                return accepted;
        }
        if (!wf_call_is_about_peer(errno) || ++tries == ACCEPT_TRIES)
            return -errno;
    }
}

int wf_call_connect(struct wf_io_counters *counters, int fd, const struct sockaddr *address,
                    socklen_t size)
{
    for (;;) {
        if (!wf_io_fault_hits(WF_FAULT_CONNECT)) {
            counters->connects++;
            if (connect(fd, address, size) == 0)
                return 0;
        }
        if (errno != EINTR)
            return -errno;
    }
}

int wf_call_poll(struct wf_io_counters *counters, int fd, short events, short *ready)
{
    struct pollfd asked = { .fd = fd, .events = events };
    int count;
    do {
        counters->others++;
        count = poll(&asked, 1, 0);
    } while (count < 0 && errno == EINTR);
    *ready = asked.revents;
    return count < 0 ? -errno : count;
}

int wf_call_socket_error(struct wf_io_counters *counters, int fd)
{
    int error = 0;
    socklen_t size = sizeof error;
    counters->others++;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        return -errno;
    return -error;
}
