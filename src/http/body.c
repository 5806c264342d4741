/* A body, piece by piece.
 *
 *     PIECES ──last one──> TRAILERS ──empty line──> WHOLE
 *        │  (chunked only)  │
 *        └──────────────────┴── refused, above a limit, cut off: the error, again and again
 *
 * A piece is what the stream has read ahead of the body; it stays there until the next one is asked
 * for, so nothing is copied on the way. A cancel loses nothing: the call can be made again.
 *
 * Read whole, the arena gives room for a length that was announced at once: that costs address
 * space, and memory only where bytes have arrived. Without a length the room grows. */

#include "http/body.h"

#include <weft/buffer.h>
#include <weft/error.h>

#include <errno.h>
#include <string.h>

struct wf_http_trailers {
    struct wf_http1_parser parser;
    char *text; /* the parser's offsets are for this copy; NULL until they are complete */
    struct wf_http1_header headers[];
};

void wf_http_body_begin(struct wf_http_body *body, weft_stream *stream,
                        const struct wf_http1_parser *parser, size_t max, weft_arena *arena)
{
    *body = (struct wf_http_body){
        .stream = stream,
        .arena = arena,
        .limits = parser->limits,
        .room = max,
        .is_response = parser->is_response,
    };
    wf_http1_body_begin(&body->framing, &parser->head);
    if (body->framing.remaining > body->room)
        body->error = WEFT_ELIMIT;
}

static int fail(struct wf_http_body *body, int err, const char *why)
{
    body->why = why;
    body->error = err;
    return err;
}

/* Wait for more: 1; 0 when the peer has closed where the body may end; an error. */
static int fill(struct wf_http_body *body)
{
    ssize_t n = weft_fill(body->stream);
    if (n > 0)
        return 1;
    if (n == -ECANCELED)
        return -ECANCELED;
    if (n == 0 && !wf_http1_body_ends_here(&body->framing))
        n = WEFT_EEND;
    return n < 0 ? fail(body, (int)n, NULL) : 0;
}

/* --- trailers --- */

static int begin_trailers(struct wf_http_body *body)
{
    struct wf_http_trailers *trailers = weft_arena_alloc(
        body->arena, sizeof *trailers + body->limits.header_max * sizeof *trailers->headers);
    if (!trailers)
        return fail(body, -ENOMEM, NULL);
    trailers->text = NULL;
    trailers->parser.is_response = body->is_response;
    wf_http1_trailers_begin(&trailers->parser, &body->limits, trailers->headers);
    body->trailers = trailers;
    return 0;
}

static int take_trailers(struct wf_http_body *body)
{
    struct wf_http_trailers *trailers = body->trailers;
    weft_buffer *input = weft_stream_input(body->stream);
    uint32_t size = trailers->parser.head.size;
    trailers->text = weft_arena_copy(body->arena, weft_buffer_data(input), size);
    if (!trailers->text)
        return fail(body, -ENOMEM, NULL);
    weft_buffer_consume(input, size);
    return 1;
}

static int refuse_trailers(struct wf_http_body *body)
{
    const struct wf_http1_parser *parser = &body->trailers->parser;
    return fail(body, parser->status == 431 ? WEFT_ELIMIT : WEFT_EPROTOCOL, parser->why);
}

static int parse_trailers(struct wf_http_body *body)
{
    weft_buffer *input = weft_stream_input(body->stream);
    int err = body->trailers ? 0 : begin_trailers(body);
    if (err < 0)
        return err;
    switch (wf_http1_parse(&body->trailers->parser, weft_buffer_data(input),
                           weft_buffer_readable(input))) {
    case WF_HTTP1_COMPLETE:
        return take_trailers(body);
    case WF_HTTP1_REFUSED:
        return refuse_trailers(body);
    default:
        return 0;
    }
}

/* Nearly always there are none, and no memory is needed to see that. 1: read; 0: more is needed. */
static int read_trailers(struct wf_http_body *body)
{
    weft_buffer *input = weft_stream_input(body->stream);
    size_t size = weft_buffer_readable(input);
    const char *data = weft_buffer_data(input);
    if (body->trailers || (size > 0 && (data[0] != '\r' || (size > 1 && data[1] != '\n'))))
        return parse_trailers(body);
    if (size < 2)
        return 0;
    weft_buffer_consume(input, 2);
    return 1;
}

/* Behind the last piece. 1: the message is over; 0: more is needed. */
static int finish(struct wf_http_body *body)
{
    int done = wf_http1_body_has_trailers(&body->framing) ? read_trailers(body) : 1;
    body->is_whole = done == 1;
    return done;
}

/* --- pieces --- */

static void release_piece(struct wf_http_body *body)
{
    weft_buffer_consume(weft_stream_input(body->stream), body->held);
    body->held = 0;
}

/* What the input has of the next piece. 1: a piece; 0: none; an error. */
static int look(struct wf_http_body *body, weft_slice *piece)
{
    weft_buffer *input = weft_stream_input(body->stream);
    struct wf_http1_piece found;
    enum wf_http1_result result = wf_http1_body_feed(&body->framing, weft_buffer_data(input),
                                                     weft_buffer_readable(input), &found);
    weft_buffer_consume(input, found.skip);
    if (result == WF_HTTP1_REFUSED)
        return fail(body, WEFT_EPROTOCOL, body->framing.why);
    if (found.len > body->room || body->framing.remaining > body->room - found.len)
        return fail(body, WEFT_ELIMIT, NULL); /* a chunk says so before it comes */
    body->room -= found.len;
    body->held = found.len;
    *piece = (weft_slice){ weft_buffer_data(input), found.len };
    return found.len > 0;
}

int wf_http_body_try(struct wf_http_body *body, weft_slice *piece)
{
    release_piece(body);
    if (body->is_whole || body->error)
        return body->error;
    int found = wf_http1_body_done(&body->framing) ? 0 : look(body, piece);
    if (found != 0)
        return found;
    if (!wf_http1_body_done(&body->framing))
        return -EAGAIN;
    int done = finish(body);
    return done == 0 ? -EAGAIN : done < 0 ? done : 0;
}

int wf_http_body_next(struct wf_http_body *body, weft_slice *piece)
{
    int result;
    while ((result = wf_http_body_try(body, piece)) == -EAGAIN) {
        int more = fill(body);
        if (more <= 0) {
            body->is_whole = more == 0;
            return more;
        }
    }
    return result;
}

bool wf_http_body_skip(struct wf_http_body *body)
{
    weft_slice piece;
    while (wf_http_body_try(body, &piece) > 0)
        ;
    return body->is_whole;
}

/* --- the whole --- */

static void tell(const struct wf_http_body *body)
{
    if (body->grows)
        body->grows(body->grows_arg);
}

struct whole {
    char *bytes;
    size_t size, room;
};

/* Room for `more` bytes and a NUL. */
static int make_room(const struct wf_http_body *body, struct whole *whole, size_t more)
{
    size_t need = whole->size + more + 1;
    if (need <= whole->room)
        return 0;
    char *bytes = wf_http_grow(body->arena, whole->bytes, &whole->room, need);
    if (!bytes)
        return -ENOMEM;
    whole->bytes = bytes;
    tell(body);
    return 0;
}

static int reserve(const struct wf_http_body *body, struct whole *whole)
{
    uint64_t size = body->framing.remaining;
    if (size >= SIZE_MAX)
        return -ENOMEM;
    whole->room = (size_t)size + 1;
    whole->bytes = weft_arena_alloc(body->arena, whole->room);
    tell(body);
    return whole->bytes ? 0 : -ENOMEM;
}

static int add(const struct wf_http_body *body, struct whole *whole, weft_slice piece)
{
    int err = make_room(body, whole, piece.size);
    if (err < 0)
        return err;
    memcpy(whole->bytes + whole->size, piece.data, piece.size);
    whole->size += piece.size;
    return 0;
}

int wf_http_body_read(struct wf_http_body *body, weft_slice *result)
{
    struct whole whole = { 0 };
    weft_slice piece;
    *result = (weft_slice){ "", 0 };
    int err = body->error;
    if (err == 0 && body->framing.remaining > 0)
        err = reserve(body, &whole);
    while (err >= 0 && (err = wf_http_body_next(body, &piece)) > 0)
        err = add(body, &whole, piece);
    if (err == 0 && whole.bytes) {
        whole.bytes[whole.size] = '\0';
        *result = (weft_slice){ whole.bytes, whole.size };
    }
    return err;
}

const char *wf_http_body_trailer(const struct wf_http_body *body, const char *name)
{
    struct wf_http_trailers *trailers = body->trailers;
    if (!trailers || !trailers->text)
        return NULL;
    const struct wf_http1_header *header =
        wf_http1_find(&trailers->parser.head, trailers->text, name, NULL);
    if (!header)
        return NULL;
    trailers->text[header->value.offset + header->value.len] = '\0';
    return trailers->text + header->value.offset;
}
