/* Writing takes no timer where the stream has room, which is nearly always: only a client that
 * reads slowly makes it wait. It has its time anew as long as anything arrives: what the kernel
 * holds counts, for it takes megabytes before it says that there is room again. */

#include "http/write.h"

#include "base/compiler.h"
#include "codec/http1.h"
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

/* --- chunks --- */

#define CHUNK_FRAME (WF_HTTP1_CHUNK_SIZE_MAX + 2) /* around a chunk's data, at most */

/* As one where the high mark allows, which only a very low one does not. */
static int write_together(weft_stream *stream, const weft_slice *pieces, size_t count,
                          int64_t timeout)
{
    size_t size = 0;
    int err = 0;
    for (size_t i = 0; i < count; i++)
        size += pieces[i].size;
    if (size <= weft_stream_high_mark(stream))
        return write_pieces(stream, pieces, count, timeout);
    for (size_t i = 0; i < count && err >= 0; i++)
        err = write_rest(stream, pieces[i], timeout);
    return err;
}

static int write_one_chunk(weft_stream *stream, weft_slice data, int64_t timeout)
{
    char line[WF_HTTP1_CHUNK_SIZE_MAX];
    ptrdiff_t size = wf_http1_write_chunk_size(line, sizeof line, data.size);
    weft_slice pieces[] = { { line, (size_t)size }, data, { "\r\n", 2 } };
    return write_together(stream, pieces, WF_ARRAY_SIZE(pieces), timeout);
}

int wf_http_write_chunk(weft_stream *stream, weft_slice data, int64_t timeout)
{
    size_t mark = weft_stream_high_mark(stream);
    size_t most = mark > CHUNK_FRAME ? mark - CHUNK_FRAME : 1;
    int err = 0;
    while (err >= 0 && data.size > 0)
        err = write_one_chunk(stream, take(&data, most), timeout);
    return err;
}

int wf_http_write_last_chunk(weft_stream *stream, weft_slice trailers, int64_t timeout)
{
    weft_slice pieces[] = { { "0\r\n", 3 }, trailers, { "\r\n", 2 } };
    return write_together(stream, pieces, WF_ARRAY_SIZE(pieces), timeout);
}

int wf_http_write_end(weft_stream *stream, int64_t timeout)
{
    return write_in_time(stream, NULL, 0, timeout);
}
