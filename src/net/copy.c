/* From one stream to another.
 *
 *      from ──> its input ──> to                  a block at a time
 *      from ──> a pipe ─────> to                  from socket to socket, while blocks come full
 *                 └──> from's input ──> to        a block of it, where `to` takes no more: there is
 *                                                 room again when that has left
 *
 * Bytes that were read and not written are in the input, and behind these in the pipe; at the end
 * all of them are in the input, so nothing is lost. */

#include "base/error.h"
#include "io/splice.h"
#include "net/stream.h"

#include <weft/error.h>

#define FULL_BLOCKS 4  /* received one after another, from which on a pipe pays */
#define PIPES_MAX   64 /* of a loop: 16 MiB of what the kernel lets a user have */

struct copying {
    weft_stream *from, *to;
    int64_t left, done;
    struct wf_splice pipe;
    int full;    /* blocks, one after another */
    bool denied; /* the kernel does not do it for these two */
};

/* What follows returns 1: go on; 0: `from` has ended; or an error. */

static int64_t smaller(int64_t a, size_t b)
{
    return a < (int64_t)b ? a : (int64_t)b;
}

static int wrote(struct copying *copying, int64_t size)
{
    copying->left -= size;
    copying->done += size;
    return 1;
}

static int write_input(struct copying *copying)
{
    weft_buffer *input = &copying->from->input;
    size_t size = (size_t)smaller(copying->left, weft_buffer_readable(input));
    ssize_t n = wf_stream_write_some(copying->to, weft_buffer_data(input), size);
    if (n < 0)
        return (int)n;
    weft_buffer_consume(input, (size_t)n);
    return wrote(copying, n);
}

/* Where `to` is closed meanwhile it ends with a cancel, or with bytes. */
static int read_block(struct copying *copying)
{
    int64_t n = wf_stream_fill(copying->from, WF_READ_CHUNK);
    if (copying->to->closed)
        return WEFT_ECLOSED;
    copying->full = n < (int64_t)WF_LEND_SIZE ? 0 : copying->full + 1;
    return n > 0 ? 1 : (int)n;
}

static int open_pipe(struct copying *copying)
{
    struct wf_net *net = copying->from->loop->net;
    if (net->pipes == PIPES_MAX)
        return -EMFILE;
    int err = wf_splice_open(&copying->pipe);
    net->pipes += err == 0;
    return err;
}

static void close_pipe(struct copying *copying)
{
    struct wf_net *net = copying->from->loop->net;
    if (copying->pipe.in < 0)
        return;
    wf_splice_close(&copying->pipe);
    net->pipes--;
}

/* The next `size` bytes of the pipe become input. Without memory they are lost, and whoever reads
 * on is told so. */
static int put_back(struct copying *copying, size_t size)
{
    weft_stream *from = copying->from;
    char *space;
    int err = weft_buffer_reserve(&from->input, size, &space);
    if (err < 0) {
        close_pipe(copying);
        from->read_error = err;
        return err;
    }
    wf_splice_read(&copying->pipe, space, size);
    weft_buffer_commit(&from->input, size);
    return 1;
}

/* Of what was asked, and not of the connection, which tells its end but once. */
static bool is_of_call(int64_t err)
{
    return err == -EINVAL || err == -EOPNOTSUPP || err == -ENOMEM || err == -ENOBUFS;
}

static bool is_for_pipe(const struct copying *copying)
{
    weft_stream *from = copying->from, *to = copying->to;
    return copying->full >= FULL_BLOCKS && !copying->denied && from->ops->descriptor &&
           to->ops->descriptor && !from->at_end && !from->read_error && !from->ops->is_ahead(from);
}

/* While the source has nothing there is no pipe, and where none can be had a few more blocks go by
 * before the next try. */
static int fill_pipe(struct copying *copying)
{
    weft_stream *from = copying->from;
    size_t most = from->input_max < WF_SPLICE_SIZE ? from->input_max : WF_SPLICE_SIZE;
    if (copying->pipe.in < 0 && open_pipe(copying) < 0) {
        copying->full = 0;
        return 1;
    }
    int64_t n = wf_splice_take(&copying->pipe, from->ops->descriptor(from),
                               (size_t)smaller(copying->left, most));
    wf_stream_charge(from, n);
    if (n > 0)
        return 1;
    close_pipe(copying);
    copying->full = 0;
    copying->denied = is_of_call(n);
    return copying->denied || n == -EAGAIN ? 1 : (int)wf_stream_end_read(from, n);
}

static int empty_pipe(struct copying *copying)
{
    weft_stream *to = copying->to;
    int err = wf_stream_drain(to);
    if (err < 0 || to->closed)
        return err < 0 ? err : WEFT_ECLOSED;
    int64_t n = wf_splice_give(&copying->pipe, to->ops->descriptor(to));
    wf_stream_charge(to, n);
    if (n > 0)
        return wrote(copying, n);
    if (wf_stream_is_lost(n)) {
        wf_stream_fail_write(to, (int)n);
        return to->write_error;
    }
    copying->denied = n != -EAGAIN;
    return put_back(copying, (size_t)smaller(WF_LEND_SIZE, copying->pipe.size));
}

static int step(struct copying *copying)
{
    if (copying->from->closed || copying->to->closed)
        return WEFT_ECLOSED;
    if (weft_buffer_readable(&copying->from->input) > 0)
        return write_input(copying);
    if (copying->pipe.size > 0)
        return empty_pipe(copying);
    return is_for_pipe(copying) ? fill_pipe(copying) : read_block(copying);
}

static int copy(struct copying *copying)
{
    int more = 1;
    while (more > 0 && copying->left > 0) {
        more = step(copying);
        if (more > 0 && copying->left > 0) {
            int err = wf_stream_breathe();
            more = err < 0 ? err : more;
        }
    }
    if (copying->pipe.size > 0)
        put_back(copying, copying->pipe.size);
    close_pipe(copying);
    weft_buffer_release_if_empty(&copying->from->input);
    return more < 0 ? more : 0;
}

static int enter(weft_stream *from, weft_stream *to)
{
    int err = wf_stream_enter_read(from);
    if (err < 0)
        return err;
    err = wf_stream_begin_write(to);
    if (err < 0) {
        wf_stream_leave_read(from);
        return err;
    }
    from->copies_to = to;
    to->copies_from = from;
    return 0;
}

static void leave(weft_stream *from, weft_stream *to)
{
    from->copies_to = to->copies_from = NULL;
    wf_stream_leave_write(to);
    wf_stream_leave_read(from);
}

int weft_stream_copy(weft_stream *from, weft_stream *to, int64_t size, int64_t *copied)
{
    struct copying copying = { .from = from, .to = to, .left = size, .pipe = { -1, -1, 0 } };
    if (copied)
        *copied = 0;
    if (size < 0)
        return wf_fail(-EINVAL, "weft_stream_copy() with a size below 0");
    int err = enter(from, to);
    if (err < 0)
        return err;
    err = copy(&copying);
    leave(from, to);
    if (copied)
        *copied = copying.done;
    return err < 0 && copying.done > 0 ? wf_fail(err, "after %lld bytes", (long long)copying.done)
                                       : err;
}
