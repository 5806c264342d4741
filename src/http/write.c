/* Writing takes no timer where the stream has room, which is nearly always: only a client that
 * reads slowly makes it wait. It has its time anew as long as anything arrives: what the kernel
 * holds counts, for it takes megabytes before it says that there is room again. */

#include "http/write.h"

#include "http/deadline.h"

#include <errno.h>

/* count 0: only wait until all is sent, and send the end. */
static int write_once(weft_stream *stream, const weft_slice *pieces, size_t count)
{
    if (count == 0)
        return weft_shutdown_write(stream);
    return count > 1 ? weft_write_pieces(stream, pieces, count)
                     : weft_write(stream, pieces->data, pieces->size);
}

/* As long as the peer takes something there is no reason to give up. Pieces that fit the high mark
 * are taken whole or, while they wait, not at all: they may be offered again. */
static int write_in_time(weft_stream *stream, const weft_slice *pieces, size_t count,
                         int64_t timeout)
{
    size_t before;
    int err;
    do {
        weft_scope scope;
        before = weft_stream_in_flight(stream);
        weft_scope_begin(&scope, .timeout = timeout, .name = "send");
        err = wf_http_deadline_end(&scope, write_once(stream, pieces, count));
    } while (err == -ETIMEDOUT && weft_stream_in_flight(stream) < before);
    return err;
}

static int write_pieces(weft_stream *stream, const weft_slice *pieces, size_t count,
                        int64_t timeout)
{
    if (timeout == 0 || weft_stream_queued(stream) < weft_stream_high_mark(stream))
        return write_once(stream, pieces, count);
    return write_in_time(stream, pieces, count, timeout);
}

static weft_slice take(weft_slice *rest, size_t max)
{
    weft_slice piece = { rest->data, rest->size < max ? rest->size : max };
    if (piece.size > 0) /* no data at all may be NULL */
        rest->data += piece.size;
    rest->size -= piece.size;
    return piece;
}

static int write_rest(weft_stream *stream, weft_slice rest, int64_t timeout)
{
    size_t max = timeout == 0 ? SIZE_MAX : weft_stream_high_mark(stream);
    int err = 0;
    while (err >= 0 && rest.size > 0) {
        weft_slice piece = take(&rest, max);
        err = write_pieces(stream, &piece, 1, timeout);
    }
    return err;
}

int wf_http_write(weft_stream *stream, weft_slice head, weft_slice body, int64_t timeout,
                  bool *taken)
{
    size_t most = weft_stream_high_mark(stream);
    int err;
    if (head.size < most) {
        weft_slice pieces[2] = { head, take(&body, most - head.size) };
        err = write_pieces(stream, pieces, 1 + (pieces[1].size > 0), timeout);
        *taken = err >= 0;
    } else {
        *taken = true;
        err = write_rest(stream, head, timeout);
    }
    return err < 0 ? err : write_rest(stream, body, timeout);
}

int wf_http_write_end(weft_stream *stream, int64_t timeout)
{
    return write_in_time(stream, NULL, 0, timeout);
}
