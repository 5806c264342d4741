#include "io/splice.h"

#include "base/compiler.h"
#include "base/panic.h"
#include "base/quiet.h"
#include "io/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int wf_splice_open(struct wf_splice *pipe)
{
    int ends[2];
    if (wf_io_fault_hits(WF_FAULT_OPEN) || pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    if (fcntl(ends[0], F_SETPIPE_SZ, (int)WF_SPLICE_SIZE) < 0) { /* this user has many already */
        int err = -errno;
        close(ends[0]);
        close(ends[1]);
        return err;
    }
    *pipe = (struct wf_splice){ .in = ends[1], .out = ends[0] };
    return 0;
}

void wf_splice_close(struct wf_splice *pipe)
{
    if (pipe->in < 0)
        return;
    close(pipe->in);
    close(pipe->out);
    *pipe = (struct wf_splice){ .in = -1, .out = -1 };
}

int64_t wf_splice_take(struct wf_splice *pipe, int from, size_t size)
{
    size = wf_io_fault_cap(WF_FAULT_SHORT_RECV, size);
    for (;;) {
        if (!wf_io_fault_hits(WF_FAULT_RECV)) {
            ssize_t n = splice(from, NULL, pipe->in, NULL, size, SPLICE_F_NONBLOCK);
            pipe->size += n > 0 ? (size_t)n : 0;
            if (n >= 0)
                return n;
        }
        if (errno != EINTR)
            return -errno;
    }
}

/* No flag keeps SIGPIPE away. */
static ssize_t give_once(const struct wf_splice *pipe, int to, size_t size)
{
    struct wf_quiet quiet;
    wf_quiet_begin(&quiet);
    ssize_t n = splice(pipe->out, NULL, to, NULL, size, SPLICE_F_NONBLOCK);
    wf_quiet_end(&quiet, n < (ssize_t)size);
    return n;
}

int64_t wf_splice_give(struct wf_splice *pipe, int to)
{
    size_t size = wf_io_fault_cap(WF_FAULT_SHORT_SEND, pipe->size);
    for (;;) {
        if (!wf_io_fault_hits(WF_FAULT_SEND)) {
            ssize_t n = give_once(pipe, to, size);
            pipe->size -= n > 0 ? (size_t)n : 0;
            if (n >= 0)
                return n;
        }
        if (errno != EINTR)
            return -errno;
    }
}

void wf_splice_read(struct wf_splice *pipe, char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = read(pipe->out, data, size);
        wf_assert(n > 0 || errno == EINTR);
        if (n < 0)
            continue;
        data += n;
        size -= (size_t)n;
        pipe->size -= (size_t)n;
    }
}
