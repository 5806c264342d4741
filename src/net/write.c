/* Writing: first wait for room, while nothing is taken; then take whole, and return. Draining is
 * the stream's work, so a cancel after taking cannot be told from one before. */

#include "net/stream.h"

#include "base/error.h"

#include <weft/error.h>

/* Waiting until no more than `to` bytes are queued. */

static bool drain_abort(struct wf_waiter *w)
{
    weft_stream *stream = w->object;
    stream->draining = NULL;
    return true;
}

static const struct wf_wait_ops drain_ops = { .kind = "room to write", .abort = drain_abort };

void wf_stream_arm_room(weft_stream *stream, struct wf_waiter *w, uint32_t to)
{
    wf_waiter_arm(w, &drain_ops, stream);
    stream->drain_to = to;
    stream->draining = w;
}

static int wait_drained(weft_stream *stream, uint32_t to)
{
    struct wf_waiter w;
    wf_stream_arm_room(stream, &w, to);
    int err = (int)wf_park(&w);
    return err < 0 ? err : stream->write_error;
}

static int wait_for_room(weft_stream *stream)
{
    if (WF_UNLIKELY(stream->closed))
        return WEFT_ECLOSED;
    if (stream->write_error)
        return stream->write_error;
    if (WF_LIKELY(weft_chain_size(&stream->output) < stream->high_mark))
        return 0;
    return wait_drained(stream, stream->low_mark);
}

/* Taking. */

static bool can_send_directly(const weft_stream *stream, size_t size)
{
    return (size >= WF_SEND_DIRECT || stream->ops->eager) && !stream->sending &&
           weft_chain_size(&stream->output) == 0;
}

/* Offer the pieces to the transport at once; how many bytes it took. Where it lacks memory the
 * queue may have some. */
static int64_t send_directly(weft_stream *stream, const struct iovec *vector, int count)
{
    struct wf_op op = { .code = WF_OP_SEND, .now = true, .send = { vector, count } };
    int64_t result = stream->ops->submit(stream, &op);
    wf_stream_charge(stream, result);
    if (result == -EAGAIN || result == -ENOMEM || result == -ENOBUFS)
        return 0;
    if (result < 0)
        wf_stream_fail_write(stream, (int)result);
    return result;
}

int wf_stream_cut(weft_stream *stream, int err, size_t done, size_t size)
{
    weft_stream_tear(stream);
    return wf_fail(err, "after %zu of %zu bytes", done, size);
}

/* Queue what lies behind the first `skip` bytes of the pieces. */
static int queue(weft_stream *stream, const struct iovec *vector, int count, size_t skip)
{
    for (int i = 0; i < count; i++) {
        size_t size = vector[i].iov_len, gone = skip < size ? skip : size;
        skip -= gone;
        if (gone == size)
            continue;
        int err = weft_chain_append(&stream->output, (const char *)vector[i].iov_base + gone,
                                    size - gone);
        if (err < 0)
            return err;
    }
    return 0;
}

/* Take the pieces, at most the high mark's size, for which there is room: how many bytes. Fewer
 * than all only where memory ran out half way. */
static ssize_t take(weft_stream *stream, const struct iovec *vector, int count, size_t size)
{
    int64_t sent = 0;
    if (size > 0 && can_send_directly(stream, size))
        sent = send_directly(stream, vector, count);
    if (sent < 0 || (size_t)sent == size)
        return (ssize_t)sent;
    size_t before = weft_chain_size(&stream->output);
    int err = queue(stream, vector, count, (size_t)sent);
    size_t taken = (size_t)sent + weft_chain_size(&stream->output) - before;
    wf_turn_hook_arm(stream->loop, &stream->flush);
    return err < 0 && taken == 0 ? err : (ssize_t)taken;
}

/* The calls. */

int wf_stream_begin_write(weft_stream *stream)
{
    int err = wf_stream_enter_write(stream);
    if (err == 0 && stream->ending) {
        wf_stream_leave_write(stream);
        err = -EPIPE;
    }
    return err;
}

ssize_t wf_stream_write_some(weft_stream *stream, const char *data, size_t size)
{
    size_t most = size < stream->high_mark ? size : stream->high_mark;
    struct iovec piece = { (char *)(uintptr_t)data, most };
    int err = wait_for_room(stream);
    return err < 0 ? err : take(stream, &piece, 1, most);
}

int wf_stream_write_all(weft_stream *stream, const char *data, size_t size)
{
    for (size_t done = 0;;) {
        ssize_t n = wf_stream_write_some(stream, data, size - done);
        if (n < 0)
            return done > 0 ? wf_stream_cut(stream, (int)n, done, size) : (int)n;
        done += (size_t)n;
        if (done == size)
            return 0;
        data += n;
        int err = wf_stream_breathe();
        if (err < 0)
            return wf_stream_cut(stream, err, done, size);
    }
}

int weft_write(weft_stream *stream, const void *data, size_t size)
{
    int err = wf_stream_begin_write(stream);
    if (err < 0)
        return err;
    err = wf_stream_write_all(stream, data, size);
    wf_stream_leave_write(stream);
    return err;
}

ssize_t weft_write_some(weft_stream *stream, const void *data, size_t size)
{
    int err = wf_stream_begin_write(stream);
    if (err < 0)
        return err;
    ssize_t n = wf_stream_write_some(stream, data, size);
    wf_stream_leave_write(stream);
    return n;
}

static int take_whole(weft_stream *stream, const struct iovec *vector, int count, size_t size)
{
    ssize_t n = take(stream, vector, count, size);
    if (n >= 0 && (size_t)n < size)
        return wf_stream_cut(stream, -ENOMEM, (size_t)n, size);
    return n < 0 ? (int)n : 0;
}

int wf_stream_write_now(weft_stream *stream, const void *data, size_t size)
{
    struct iovec piece = { (char *)(uintptr_t)data, size };
    if (stream->ending)
        return -EPIPE;
    if (stream->write_error)
        return stream->write_error;
    if (weft_chain_size(&stream->output) >= stream->high_mark)
        return -EAGAIN;
    return take_whole(stream, &piece, 1, size);
}

int weft_write_try(weft_stream *stream, const void *data, size_t size)
{
    if (stream->loop->thread != wf_this_thread())
        return wf_misuse(WEFT_ETHREAD, "a stream was used by another thread than its own");
    if (stream->closed)
        return WEFT_ECLOSED;
    if (stream->writer)
        return wf_stream_busy(stream, stream->writer, "writes");
    if (size > stream->high_mark)
        return wf_misuse(-EINVAL, "weft_write_try() with %zu bytes: at most the high mark, %u",
                         size, stream->high_mark);
    return wf_stream_write_now(stream, data, size);
}

static int write_pieces(weft_stream *stream, const struct iovec *vector, int count, size_t size)
{
    int err = wait_for_room(stream);
    return err < 0 ? err : take_whole(stream, vector, count, size);
}

int weft_write_pieces(weft_stream *stream, const weft_slice *pieces, size_t count)
{
    struct iovec vector[WEFT_STREAM_PIECES];
    size_t size = 0;
    if (count > WEFT_STREAM_PIECES)
        return wf_misuse(-EINVAL, "weft_write_pieces() with %zu pieces: at most %d", count,
                         WEFT_STREAM_PIECES);
    for (size_t i = 0; i < count; i++) {
        vector[i] = (struct iovec){ (char *)(uintptr_t)pieces[i].data, pieces[i].size };
        size += pieces[i].size;
    }
    if (size > stream->high_mark)
        return wf_misuse(-EINVAL, "weft_write_pieces() with %zu bytes: at most the high mark, %u",
                         size, stream->high_mark);
    int err = wf_stream_begin_write(stream);
    if (err < 0)
        return err;
    err = write_pieces(stream, vector, (int)count, size);
    wf_stream_leave_write(stream);
    return err;
}

int wf_stream_drain(weft_stream *stream)
{
    wf_stream_flush_now(stream);
    if (stream->write_error || weft_chain_size(&stream->output) == 0)
        return stream->write_error;
    return wait_drained(stream, 0);
}

int weft_flush(weft_stream *stream)
{
    int err = wf_stream_enter_write(stream);
    if (err < 0)
        return err;
    err = wf_stream_drain(stream);
    wf_stream_leave_write(stream);
    return err;
}

int weft_shutdown_write(weft_stream *stream)
{
    int err = wf_stream_enter_write(stream);
    if (err < 0)
        return err;
    stream->ending = true;
    err = stream->ended ? 0 : wf_stream_drain(stream);
    wf_stream_leave_write(stream);
    return err;
}
