/* Stackless tasks that read and write streams.
 *
 *     stackless task's waiter ──object──> struct wf_stackless_io ──> stream->reading or ->draining
 *                             <──wakes──  { operation, waiter, whose }
 *
 * What can be had at once is done by the functions that never wait. Only who has to wait takes one
 * of those, 128 bytes, and the stream's side, as a task does; both are given back in its turn,
 * before its next step. So whoever closes the stream meanwhile waits for that turn.
 *
 * The inner waiter is the stream's to wake. Giving the outer one up gives the inner one up, which
 * wakes the outer one, at once or when the transport lets go of the buffer. */

#include "base/error.h"
#include "core/stackless.h"
#include "net/stream.h"

#include <weft/error.h>

/* In a slab of the loop's streams. */
struct wf_stackless_io {
    struct wf_stream_wait wait; /* a write's bytes are named by wait.op.recv */
    struct wf_stackless *self;
};

_Static_assert(sizeof(struct wf_stackless_io) <= 128, "who waits for bytes takes 128 more");

const size_t wf_stackless_io_size = sizeof(struct wf_stackless_io);

static struct wf_slab *slab_of(const weft_stream *stream)
{
    struct wf_net *net = stream->loop->net;
    return &net->stackless;
}

static bool give_up(struct wf_waiter *w)
{
    struct wf_stackless_io *io = w->object;
    wf_abort(&io->wait.waiter);
    return false;
}

static void woken(struct wf_waiter *w)
{
    struct wf_stackless_io *io = w->owner;
    wf_wake(&io->self->waiter, w->result);
}

/* NULL: no memory. Its waiter is still to be armed. */
static struct wf_stackless_io *make(struct wf_stackless *self, weft_stream *stream)
{
    struct wf_stackless_io *io = wf_slab_get(slab_of(stream));
    if (!io)
        return NULL;
    io->self = self;
    io->wait.stream = stream;
    return io;
}

/* The armed one is the stackless task's, and not a task's. */
static void own(struct wf_stackless_io *io)
{
    io->wait.waiter.wake = woken;
    io->wait.waiter.owner = io;
}

/* -EAGAIN: one may go on. */
static int check(const weft_stream *stream)
{
    if (stream->loop != wf_running)
        return wf_misuse(WEFT_ETHREAD, "a stream was used by another loop than its own");
    return -EAGAIN;
}

/* Reading. */

/* What a read does behind its wait, whether it had to wait or not. */
typedef int64_t read_end(struct wf_stackless_io *io, int64_t result);

static void leave_read(struct wf_stackless_io *io)
{
    weft_stream *stream = io->wait.stream;
    stream->reading = NULL;
    wf_slab_put(slab_of(stream), io);
    wf_stream_leave_read(stream);
}

static int64_t end_receive(struct wf_stackless_io *io, int64_t result)
{
    result = wf_stream_end_read(io->wait.stream, result);
    leave_read(io);
    return result;
}

static int64_t end_fill(struct wf_stackless_io *io, int64_t result)
{
    weft_stream *stream = io->wait.stream;
    result = wf_stream_end_read(stream, result);
    if (result > 0 && io->wait.op.code == WF_OP_RECV_LEND)
        wf_stream_adopt(stream, &io->wait.op, (size_t)result);
    else if (result > 0)
        weft_buffer_commit(&stream->input, (size_t)result);
    leave_read(io);
    return result;
}

static int64_t finish_receive(struct wf_waiter *w)
{
    return end_receive(w->object, w->result);
}

static int64_t finish_fill(struct wf_waiter *w)
{
    return end_fill(w->object, w->result);
}

static const struct wf_wait_ops receive_ops = { .kind = "bytes to read",
                                                .abort = give_up,
                                                .finish = finish_receive };
static const struct wf_wait_ops fill_ops = { .kind = "bytes to read",
                                             .abort = give_up,
                                             .finish = finish_fill };

/* Submit the operation that is in there, and wait unless its result comes at once. */
static int begin_read(struct wf_stackless_io *io, const struct wf_wait_ops *ops, read_end *end)
{
    struct wf_stackless *self = io->self;
    weft_stream *stream = io->wait.stream;
    io->wait.op.now = false;
    wf_stream_arm(stream, &io->wait);
    own(io);
    stream->reader = &self->member;
    stream->reading = &io->wait;
    int64_t result = stream->ops->submit(stream, &io->wait.op);
    if (result != WF_PENDING)
        return wf_stackless_answer(self, end(io, result));
    return wf_stackless_wait(self, ops, io);
}

int weft_then_read(weft_stackless *opaque, weft_stream *stream, void *buffer, size_t size,
                   weft_step_fn *next)
{
    struct wf_stackless *self = wf_stackless_of(opaque);
    int then = wf_stackless_enter(self, next, "weft_then_read");
    if (then != 0)
        return then;
    ssize_t n = check(stream);
    if (n == -EAGAIN)
        n = weft_read_try(stream, buffer, size);
    if (n != -EAGAIN)
        return wf_stackless_answer(self, n);
    struct wf_stackless_io *io = make(self, stream);
    if (!io)
        return wf_stackless_answer(self, -ENOMEM);
    io->wait.op.code = WF_OP_RECV;
    io->wait.op.recv.data = buffer;
    io->wait.op.recv.size = size;
    return begin_read(io, &receive_ops, end_receive);
}

/* -EAGAIN: it has to ask the transport. */
static int64_t check_fill(weft_stream *stream)
{
    int64_t err = check(stream);
    if (err != -EAGAIN)
        return err;
    if (stream->closed)
        return WEFT_ECLOSED;
    if (stream->reader)
        return wf_stream_busy(stream, stream->reader, "reads");
    return stream->at_end || stream->read_error ? stream->read_error : -EAGAIN;
}

/* A receive that adds to the input: an empty one takes the block that the transport lends. */
static int prepare_fill(weft_stream *stream, struct wf_op *op)
{
    weft_buffer *input = &stream->input;
    size_t readable = weft_buffer_readable(input), room = input->limit - readable;
    char *space;
    weft_buffer_release_if_empty(input);
    op->code = WF_OP_RECV_LEND;
    if (readable == 0)
        return 0;
    if (room == 0)
        return WEFT_ELIMIT;
    int err = weft_buffer_reserve(input, room < WF_READ_CHUNK ? room : WF_READ_CHUNK, &space);
    op->code = WF_OP_RECV;
    op->recv.data = space;
    op->recv.size = weft_buffer_writable(input);
    return err;
}

int weft_then_fill(weft_stackless *opaque, weft_stream *stream, weft_step_fn *next)
{
    struct wf_stackless *self = wf_stackless_of(opaque);
    int then = wf_stackless_enter(self, next, "weft_then_fill");
    if (then != 0)
        return then;
    int64_t err = check_fill(stream);
    if (err != -EAGAIN)
        return wf_stackless_answer(self, err);
    struct wf_stackless_io *io = make(self, stream);
    err = io ? prepare_fill(stream, &io->wait.op) : -ENOMEM;
    if (err == 0)
        return begin_read(io, &fill_ops, end_fill);
    if (io)
        wf_slab_put(slab_of(stream), io);
    return wf_stackless_answer(self, err);
}

/* Writing. */

static int64_t write_finish(struct wf_waiter *w)
{
    struct wf_stackless_io *io = w->object;
    weft_stream *stream = io->wait.stream;
    int64_t result = w->result;
    if (result >= 0 && stream->closed)
        result = WEFT_ECLOSED;
    if (result >= 0)
        result = wf_stream_write_now(stream, io->wait.op.recv.data, io->wait.op.recv.size);
    wf_slab_put(slab_of(stream), io);
    wf_stream_leave_write(stream);
    return result;
}

static const struct wf_wait_ops write_ops = { .kind = "room to write",
                                              .abort = give_up,
                                              .finish = write_finish };

int weft_then_write(weft_stackless *opaque, weft_stream *stream, const void *data, size_t size,
                    weft_step_fn *next)
{
    struct wf_stackless *self = wf_stackless_of(opaque);
    int then = wf_stackless_enter(self, next, "weft_then_write");
    if (then != 0)
        return then;
    int err = check(stream);
    if (err == -EAGAIN)
        err = weft_write_try(stream, data, size);
    if (err != -EAGAIN)
        return wf_stackless_answer(self, err);
    struct wf_stackless_io *io = make(self, stream);
    if (!io)
        return wf_stackless_answer(self, -ENOMEM);
    io->wait.op.recv.data = (void *)(uintptr_t)data;
    io->wait.op.recv.size = size;
    wf_stream_arm_room(stream, &io->wait.waiter, stream->low_mark);
    own(io);
    stream->writer = &self->member;
    return wf_stackless_wait(self, &write_ops, io);
}
