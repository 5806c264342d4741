/* Writing: first wait for room, while nothing is taken; then take whole, and return. Draining is
 * the stream's work, so a cancel after taking cannot be told from one before. */

#include "net/stream.h"

#include "base/error.h"
#include "base/memory.h"
#include "os/file.h"

#include <weft/error.h>
#include <weft/file.h>

#define FILE_BLOCK ((size_t)16 << 10) /* of a file, through memory */
#define FILE_CHUNK ((int64_t)1 << 20) /* in one call of the kernel's */
#define FILE_SMALL ((int64_t)64 << 10)

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

/* A write was cut in the middle: the peer must not take what comes next for its rest. */
static int tear(weft_stream *stream, int err, size_t done, size_t size)
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

static int enter(weft_stream *stream)
{
    int err = wf_stream_enter_write(stream);
    if (err == 0 && stream->ending) {
        wf_stream_leave_write(stream);
        err = -EPIPE;
    }
    return err;
}

static ssize_t write_some(weft_stream *stream, const char *data, size_t size)
{
    size_t most = size < stream->high_mark ? size : stream->high_mark;
    struct iovec piece = { (char *)(uintptr_t)data, most };
    int err = wait_for_room(stream);
    return err < 0 ? err : take(stream, &piece, 1, most);
}

static int write_all(weft_stream *stream, const char *data, size_t size)
{
    for (size_t done = 0;;) {
        ssize_t n = write_some(stream, data, size - done);
        if (n < 0)
            return done > 0 ? tear(stream, (int)n, done, size) : (int)n;
        done += (size_t)n;
        if (done == size)
            return 0;
        data += n;
        int err = wf_stream_breathe();
        if (err < 0)
            return tear(stream, err, done, size);
    }
}

int weft_write(weft_stream *stream, const void *data, size_t size)
{
    int err = enter(stream);
    if (err < 0)
        return err;
    err = write_all(stream, data, size);
    wf_stream_leave_write(stream);
    return err;
}

ssize_t weft_write_some(weft_stream *stream, const void *data, size_t size)
{
    int err = enter(stream);
    if (err < 0)
        return err;
    ssize_t n = write_some(stream, data, size);
    wf_stream_leave_write(stream);
    return n;
}

static int take_whole(weft_stream *stream, const struct iovec *vector, int count, size_t size)
{
    ssize_t n = take(stream, vector, count, size);
    if (n >= 0 && (size_t)n < size)
        return tear(stream, -ENOMEM, (size_t)n, size);
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
    int err = enter(stream);
    if (err < 0)
        return err;
    err = write_pieces(stream, vector, (int)count, size);
    wf_stream_leave_write(stream);
    return err;
}

static int flush(weft_stream *stream)
{
    wf_stream_flush_now(stream);
    if (stream->write_error || weft_chain_size(&stream->output) == 0)
        return stream->write_error;
    return wait_drained(stream, 0);
}

/* Files. The kernel moves the bytes, on a thread, because it may have to wait for the disk, until
 * the socket takes no more. Then a block goes through the queue: when that has left there is room
 * again. What is small, and what goes to no socket, is all blocks. */

struct file_part {
    int fd;
    int64_t offset, left, sent;
};

static void advance(struct file_part *part, int64_t size)
{
    part->offset += size;
    part->left -= size;
    part->sent += size;
}

/* 1: there may be more, 0: the file has ended; or an error. */
static int send_block(weft_stream *stream, struct file_part *part, char *block)
{
    size_t size = part->left < (int64_t)FILE_BLOCK ? (size_t)part->left : FILE_BLOCK;
    ssize_t n = weft_file_read_at(part->fd, block, size, part->offset);
    if (n <= 0)
        return (int)n;
    int err = write_all(stream, block, (size_t)n);
    if (err < 0)
        return err;
    advance(part, n);
    return 1;
}

static bool is_of_connection(int64_t err)
{
    switch (err) {
    case -EPIPE:
    case -ECONNRESET:
    case -ECONNABORTED:
    case -ENOTCONN:
    case -ETIMEDOUT:
    case -EHOSTUNREACH:
    case -ENETUNREACH:
        return true;
    default:
        return false;
    }
}

/* As many as the socket takes. Likewise; what a file or a socket cannot have done for it is found
 * out, or told, by the block that follows. */
static int send_chunks(weft_stream *stream, struct file_part *part)
{
    int err = flush(stream);
    while (err == 0 && part->left > 0) {
        struct wf_file_call call = { .code = WF_FILE_SEND,
                                     .fd = part->fd,
                                     .other_fd = stream->ops->descriptor(stream),
                                     .offset = part->offset,
                                     .size = part->left < FILE_CHUNK ? part->left : FILE_CHUNK };
        int64_t result = wf_file_ask(&call);
        if (result > 0)
            advance(part, result);
        else if (is_of_connection(result))
            wf_stream_fail_write(stream, (int)result);
        else
            return result == -ECANCELED ? -ECANCELED : 1;
        err = stream->closed ? WEFT_ECLOSED : stream->write_error;
    }
    return err < 0 ? err : 1;
}

static int send_parts(weft_stream *stream, struct file_part *part, char *block)
{
    int more = 1;
    while (more > 0 && part->left > 0) {
        if (stream->ops->descriptor && part->left > FILE_SMALL)
            more = send_chunks(stream, part);
        if (more > 0 && part->left > 0)
            more = send_block(stream, part, block);
    }
    return more < 0 ? more : 0;
}

int64_t weft_send_file(weft_stream *stream, int fd, int64_t offset, int64_t size)
{
    struct file_part part = { fd, offset, size, 0 };
    if (offset < 0 || size < 0)
        return wf_fail(-EINVAL, "weft_send_file() with an offset or a size below 0");
    int err = enter(stream);
    if (err < 0)
        return err;
    char *block = wf_alloc(FILE_BLOCK);
    err = block ? send_parts(stream, &part, block) : -ENOMEM;
    wf_free(block);
    if (err < 0 && part.sent > 0)
        err = tear(stream, err, (size_t)part.sent, (size_t)size);
    wf_stream_leave_write(stream);
    return err < 0 ? err : part.sent;
}

int weft_flush(weft_stream *stream)
{
    int err = wf_stream_enter_write(stream);
    if (err < 0)
        return err;
    err = flush(stream);
    wf_stream_leave_write(stream);
    return err;
}

int weft_shutdown_write(weft_stream *stream)
{
    int err = wf_stream_enter_write(stream);
    if (err < 0)
        return err;
    stream->ending = true;
    err = stream->ended ? 0 : flush(stream);
    wf_stream_leave_write(stream);
    return err;
}
