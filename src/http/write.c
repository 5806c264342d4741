/* Writing takes no timer where the stream has room, which is nearly always: only a client that
 * reads slowly makes it wait. */

#include "http/write.h"

#include "http/deadline.h"

#include <errno.h>

#define QUEUED_FEW 4096 /* so little is below any sensible high mark: no wait is to be expected */

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
        before = weft_stream_queued(stream);
        weft_scope_begin(&scope, .timeout = timeout, .name = "send");
        err = wf_http_deadline_end(&scope, write_once(stream, pieces, count));
    } while (err == -ETIMEDOUT && weft_stream_queued(stream) < before);
    return err;
}

static int write_pieces(weft_stream *stream, const weft_slice *pieces, size_t count,
                        int64_t timeout)
{
    if (timeout == 0 || weft_stream_queued(stream) <= QUEUED_FEW)
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
    size_t max = timeout == 0 ? SIZE_MAX : WEFT_STREAM_HIGH_MARK;
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
    weft_slice rest = body;
    int err = -EINVAL; /* above the high mark, which a stream may be born with a lower one of */
    if (head.size < WEFT_STREAM_HIGH_MARK) {
        weft_slice pieces[2] = { head, take(&rest, WEFT_STREAM_HIGH_MARK - head.size) };
        err = write_pieces(stream, pieces, 1 + (pieces[1].size > 0), timeout);
    }
    *taken = err >= 0;
    if (err == -EINVAL) {
        rest = body;
        err = write_rest(stream, head, timeout);
        *taken = true;
    }
    return err < 0 ? err : write_rest(stream, rest, timeout);
}

int wf_http_write_end(weft_stream *stream, int64_t timeout)
{
    return write_in_time(stream, NULL, 0, timeout);
}
