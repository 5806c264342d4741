/* Reading. Exact, until and line consume only when they are complete: until then everything stays
 * in the stream's input, so that a cancel loses nothing. */

#include "net/stream.h"

#include <string.h>
#include <weft/error.h>

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t take_input(weft_stream *stream, void *buffer, size_t size)
{
    size_t n = smaller(weft_buffer_readable(&stream->input), size);
    if (n == 0)
        return 0;
    memcpy(buffer, weft_buffer_data(&stream->input), n);
    weft_buffer_consume(&stream->input, n);
    weft_buffer_release_if_empty(&stream->input);
    return n;
}

/* Of the connection, and not of this call. */
static bool is_lasting(int64_t err)
{
    return err != -ECANCELED && err != -EAGAIN && err != -ENOMEM && err != -ENOBUFS &&
           err != WEFT_ECLOSED; /* that is another stream, which this one was copied to */
}

/* The kernel tells a reset once, to whoever asks first, and from then on an ordinary end: what the
 * writer was told is true for the reader too. EPIPE alone can come after a true end. */
static int64_t end_of(const weft_stream *stream)
{
    int err = stream->write_error;
    return err != -EPIPE && is_lasting(err) ? err : 0;
}

/* What a closed stream's reader learns, unless bytes had come. */
int64_t wf_stream_end_read(weft_stream *stream, int64_t result)
{
    if (result > 0)
        return result;
    if (stream->closed)
        return WEFT_ECLOSED;
    if (result == 0)
        result = end_of(stream);
    if (result == 0)
        stream->at_end = true;
    else if (is_lasting(result))
        stream->read_error = (int)result;
    return result;
}

/* Nothing more will come: 0 or the error. */
static bool is_over(const weft_stream *stream)
{
    return stream->at_end || stream->read_error;
}

static int64_t receive(weft_stream *stream, void *buffer, size_t size)
{
    struct wf_stream_wait wait;
    wait.op.code = WF_OP_RECV;
    wait.op.now = false;
    wait.op.recv.data = buffer;
    wait.op.recv.size = size;
    return wf_stream_end_read(stream, wf_stream_operate(stream, &wait));
}

static ssize_t read_some(weft_stream *stream, void *buffer, size_t size)
{
    if (weft_buffer_readable(&stream->input) > 0)
        return (ssize_t)take_input(stream, buffer, size);
    if (is_over(stream) || size == 0)
        return stream->read_error;
    return (ssize_t)receive(stream, buffer, size);
}

ssize_t weft_read(weft_stream *stream, void *buffer, size_t size)
{
    int err = wf_stream_enter_read(stream);
    if (err < 0)
        return err;
    ssize_t n = read_some(stream, buffer, size);
    wf_stream_leave_read(stream);
    return n;
}

static ssize_t receive_now(weft_stream *stream, void *buffer, size_t size)
{
    struct wf_op op = { .code = WF_OP_RECV, .now = true, .recv = { buffer, size } };
    return (ssize_t)wf_stream_end_read(stream, stream->ops->submit(stream, &op));
}

ssize_t weft_read_try(weft_stream *stream, void *buffer, size_t size)
{
    if (stream->loop->thread != wf_this_thread())
        return wf_misuse(WEFT_ETHREAD, "a stream was used by another thread than its own");
    if (stream->closed)
        return WEFT_ECLOSED;
    if (stream->reader)
        return wf_stream_busy(stream, stream->reader, "reads");
    if (weft_buffer_readable(&stream->input) > 0)
        return (ssize_t)take_input(stream, buffer, size);
    return is_over(stream) || size == 0 ? stream->read_error : receive_now(stream, buffer, size);
}

/* Reading ahead. */

static void give_back(void *lender, char *block, size_t capacity)
{
    (void)capacity;
    weft_stream *stream = lender;
    stream->ops->lend_return(stream, block);
}

void wf_stream_adopt(weft_stream *stream, const struct wf_op *op, size_t size)
{
    int err =
        wf_buffer_adopt(&stream->input, op->lend.data, op->lend.capacity, size, give_back, stream);
    wf_assert(err == 0);
}

/* Nothing is read ahead: no memory is held until bytes are there. */
static void prepare_lent(weft_stream *stream, struct wf_op *op)
{
    weft_buffer_release_if_empty(&stream->input);
    op->code = WF_OP_RECV_LEND;
    op->now = false;
}

static int64_t fill_empty(weft_stream *stream)
{
    struct wf_stream_wait wait;
    prepare_lent(stream, &wait.op);
    int64_t result = wf_stream_end_read(stream, wf_stream_operate(stream, &wait));
    if (result > 0)
        wf_stream_adopt(stream, &wait.op, (size_t)result);
    return result;
}

int64_t wf_stream_wait_lent(weft_stream *stream, struct wf_stream_wait *wait)
{
    if (is_over(stream))
        return stream->read_error;
    prepare_lent(stream, &wait->op);
    return stream->ops->submit(stream, &wait->op);
}

static int64_t fill_more(weft_stream *stream, size_t want)
{
    weft_buffer *input = &stream->input;
    char *space;
    size_t allowed = input->limit - weft_buffer_readable(input);
    if (allowed == 0)
        return WEFT_ELIMIT;
    int err = weft_buffer_reserve(input, smaller(want, allowed), &space);
    if (err < 0)
        return err;
    int64_t result = receive(stream, space, weft_buffer_writable(input));
    if (result > 0)
        weft_buffer_commit(input, (size_t)result);
    return result;
}

int64_t wf_stream_fill(weft_stream *stream, size_t want)
{
    if (is_over(stream))
        return stream->read_error;
    if (weft_buffer_readable(&stream->input) == 0 && want <= WF_LEND_SIZE)
        return fill_empty(stream);
    return fill_more(stream, smaller(larger(want, WF_READ_CHUNK), WF_READ_STEP));
}

ssize_t weft_fill(weft_stream *stream)
{
    int err = wf_stream_enter_read(stream);
    if (err < 0)
        return err;
    ssize_t n = (ssize_t)wf_stream_fill(stream, WF_READ_CHUNK);
    wf_stream_leave_read(stream);
    return n;
}

/* The same, after one that was not enough. */
static int64_t fill_again(weft_stream *stream, size_t want)
{
    int err = wf_stream_breathe();
    return err < 0 ? err : wf_stream_fill(stream, want);
}

static int fill_to(weft_stream *stream, size_t size)
{
    size_t have;
    for (bool first = true; (have = weft_buffer_readable(&stream->input)) < size; first = false) {
        int64_t n = first ? wf_stream_fill(stream, size - have) : fill_again(stream, size - have);
        if (n <= 0)
            return n == 0 ? WEFT_EEND : (int)n;
    }
    return 0;
}

/* The limit is raised for the caller's size, and stays as high as what is left needs. */
static int read_exact(weft_stream *stream, void *buffer, size_t size)
{
    weft_buffer *input = &stream->input;
    input->limit = larger(input->limit, size);
    int err = fill_to(stream, size);
    if (err == 0)
        take_input(stream, buffer, size);
    input->limit = larger(weft_buffer_readable(input), stream->input_max);
    return err;
}

int weft_read_exact(weft_stream *stream, void *buffer, size_t size)
{
    int err = wf_stream_enter_read(stream);
    if (err < 0)
        return err;
    err = read_exact(stream, buffer, size);
    wf_stream_leave_read(stream);
    return err;
}

/* The offset of the delimiter, among at most `max` bytes; the input is searched once. */
static ssize_t fill_until(weft_stream *stream, size_t max, const void *delimiter, size_t size)
{
    weft_buffer *input = &stream->input;
    size_t from = 0;
    for (bool first = true;; first = false) {
        ssize_t at = weft_buffer_find(input, from, delimiter, size);
        size_t have = weft_buffer_readable(input);
        if (at >= 0)
            return (size_t)at + size <= max ? at : WEFT_ELIMIT;
        if (have >= max)
            return WEFT_ELIMIT;
        from = have >= size ? have - size + 1 : 0;
        int64_t n =
            first ? wf_stream_fill(stream, WF_READ_CHUNK) : fill_again(stream, WF_READ_CHUNK);
        if (n <= 0)
            return n == 0 ? WEFT_EEND : (ssize_t)n;
    }
}

static ssize_t read_until(weft_stream *stream, void *buffer, size_t size, const void *delimiter,
                          size_t delimiter_size)
{
    ssize_t at = fill_until(stream, size, delimiter, delimiter_size);
    return at < 0 ? at : (ssize_t)take_input(stream, buffer, (size_t)at + delimiter_size);
}

ssize_t weft_read_until(weft_stream *stream, void *buffer, size_t size, const void *delimiter,
                        size_t delimiter_size)
{
    if (delimiter_size == 0)
        return wf_misuse(-EINVAL, "weft_read_until() with an empty delimiter");
    int err = wf_stream_enter_read(stream);
    if (err < 0)
        return err;
    ssize_t n = read_until(stream, buffer, size, delimiter, delimiter_size);
    wf_stream_leave_read(stream);
    return n;
}

/* `size` bytes of the input are a line and its end. */
static ssize_t take_line(weft_stream *stream, char *line, size_t size, size_t content, size_t max)
{
    const char *data = weft_buffer_data(&stream->input);
    if (content < size && content > 0 && data[content - 1] == '\r')
        content--;
    if (content >= max)
        return WEFT_ELIMIT;
    memcpy(line, data, content);
    line[content] = '\0';
    weft_buffer_consume(&stream->input, size);
    weft_buffer_release_if_empty(&stream->input);
    return (ssize_t)content;
}

static ssize_t read_line(weft_stream *stream, char *line, size_t max)
{
    ssize_t at = fill_until(stream, max + 1, "\n", 1);
    if (at >= 0)
        return take_line(stream, line, (size_t)at + 1, (size_t)at, max);
    size_t rest = weft_buffer_readable(&stream->input);
    return at == WEFT_EEND && rest > 0 ? take_line(stream, line, rest, rest, max) : at;
}

ssize_t weft_read_line(weft_stream *stream, char *line, size_t size)
{
    if (size == 0)
        return wf_misuse(-EINVAL, "weft_read_line() without room for a NUL");
    int err = wf_stream_enter_read(stream);
    if (err < 0)
        return err;
    ssize_t n = read_line(stream, line, size);
    wf_stream_leave_read(stream);
    return n;
}
