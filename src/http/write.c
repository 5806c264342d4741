/* Writing takes no timer where the stream has room, which is nearly always: only a client that
 * reads slowly makes it wait. */

#include "http/write.h"

#include <weft/scope.h>

#include <errno.h>

#define QUEUED_FEW 4096 /* so little is below any sensible high mark: no wait is to be expected */

static int write_pieces(weft_stream *stream, const weft_slice *pieces, size_t count,
                        int64_t timeout)
{
    if (timeout == 0 || weft_stream_queued(stream) <= QUEUED_FEW)
        return weft_write_pieces(stream, pieces, count);
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = timeout, .name = "send");
    return weft_scope_leave(&scope, weft_write_pieces(stream, pieces, count));
}

static int write_in_time(weft_stream *stream, weft_slice piece, int64_t timeout)
{
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = timeout, .name = "send");
    return weft_scope_leave(&scope, weft_write(stream, piece.data, piece.size));
}

static weft_slice take(weft_slice *rest, size_t max)
{
    weft_slice piece = { rest->data, rest->size < max ? rest->size : max };
    rest->data += piece.size;
    rest->size -= piece.size;
    return piece;
}

static int write_rest(weft_stream *stream, weft_slice rest, int64_t timeout)
{
    if (timeout == 0)
        return rest.size > 0 ? weft_write(stream, rest.data, rest.size) : 0;
    int err = 0;
    while (err >= 0 && rest.size > 0)
        err = write_in_time(stream, take(&rest, WEFT_STREAM_HIGH_MARK), timeout);
    return err;
}

int wf_http_write(weft_stream *stream, weft_slice head, weft_slice body, int64_t timeout,
                  bool *taken)
{
    weft_slice rest = body;
    int err = -EINVAL; /* above the high mark, which a stream may be born with a lower one of */
    if (head.size < WEFT_STREAM_HIGH_MARK) {
        weft_slice pieces[2] = { head, take(&rest, WEFT_STREAM_HIGH_MARK - head.size) };
        err = write_pieces(stream, pieces, 2, timeout);
    }
    *taken = err >= 0;
    if (err == -EINVAL) {
        rest = body;
        err = write_rest(stream, head, timeout);
        *taken = true;
    }
    return err < 0 ? err : write_rest(stream, rest, timeout);
}
