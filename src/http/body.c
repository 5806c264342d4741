/* Where the length is known the arena gives room for it at once and the bytes go there; where the
 * end of the connection is the end, they are collected in a buffer that grows, and copied then.
 *
 * The memory for a length that was only announced costs address space, not memory: pages are
 * touched by bytes that have arrived. */

#include "http/body.h"

#include <weft/buffer.h>
#include <weft/error.h>

#include <errno.h>
#include <string.h>

/* Feed what the stream has read ahead. Returns the bytes of body among it, still to be consumed
 * together with piece.skip. */
static struct wf_http1_piece next_piece(weft_stream *stream, struct wf_http1_body *body)
{
    weft_buffer *input = weft_stream_input(stream);
    struct wf_http1_piece piece;
    wf_http1_body_feed(body, weft_buffer_data(input), weft_buffer_readable(input), &piece);
    return piece;
}

/* Wait for more: 1; 0 when the peer has closed where the body may end; an error. */
static int fill(weft_stream *stream, const struct wf_http1_body *body)
{
    ssize_t n = weft_fill(stream);
    if (n != 0)
        return n < 0 ? (int)n : 1;
    return wf_http1_body_ends_here(body) ? 0 : WEFT_EEND;
}

static int read_known(weft_stream *stream, struct wf_http1_body *body, char *target)
{
    weft_buffer *input = weft_stream_input(stream);
    for (;;) {
        struct wf_http1_piece piece = next_piece(stream, body);
        if (piece.len > 0)
            memcpy(target, weft_buffer_data(input) + piece.skip, piece.len);
        target += piece.len;
        weft_buffer_consume(input, piece.skip + piece.len);
        if (wf_http1_body_done(body))
            return 0;
        int err = fill(stream, body);
        if (err < 0)
            return err;
    }
}

static int read_unknown(weft_stream *stream, struct wf_http1_body *body, weft_buffer *collected)
{
    weft_buffer *input = weft_stream_input(stream);
    for (int more = 1; more > 0;) {
        struct wf_http1_piece piece = next_piece(stream, body);
        int err = 0;
        if (piece.len > 0)
            err = weft_buffer_append(collected, weft_buffer_data(input) + piece.skip, piece.len);
        if (err < 0)
            return err;
        weft_buffer_consume(input, piece.skip + piece.len);
        more = wf_http1_body_done(body) ? 0 : fill(stream, body);
        if (more < 0)
            return more;
    }
    return 0;
}

static int collect(weft_stream *stream, struct wf_http1_body *framing, size_t max,
                   weft_arena *arena, weft_slice *body)
{
    weft_buffer collected;
    weft_buffer_init(&collected, max);
    int err = read_unknown(stream, framing, &collected);
    if (err == 0) {
        size_t size = weft_buffer_readable(&collected);
        char *copy = weft_arena_copy(arena, weft_buffer_data(&collected), size);
        err = copy ? 0 : -ENOMEM;
        *body = (weft_slice){ copy ? copy : "", copy ? size : 0 };
    }
    weft_buffer_fini(&collected);
    return err;
}

int wf_http_body_read(weft_stream *stream, const struct wf_http1_head *head, size_t max,
                      weft_arena *arena, weft_slice *body)
{
    *body = (weft_slice){ "", 0 };
    struct wf_http1_body framing;
    wf_http1_body_begin(&framing, head);
    if (wf_http1_body_done(&framing))
        return 0;
    if (head->framing != WF_HTTP1_FRAMING_LENGTH)
        return collect(stream, &framing, max, arena, body);
    if (head->content_length > max)
        return WEFT_ELIMIT;
    size_t size = (size_t)head->content_length;
    char *bytes = size < SIZE_MAX ? weft_arena_alloc(arena, size + 1) : NULL;
    if (!bytes)
        return -ENOMEM;
    int err = read_known(stream, &framing, bytes);
    bytes[size] = '\0';
    if (err == 0)
        *body = (weft_slice){ bytes, size };
    return err;
}
