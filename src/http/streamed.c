/* A response that is sent while it is made:
 *
 *     ──begin──> OPEN ──write, write, ...──> ──end──> SENT
 *
 *     length known      the bytes as they are, and exactly so many
 *     length unknown    chunks and trailers; to a client of 1.0 the bytes, until the close
 *     no body allowed   (HEAD, 204, 304) what is written is counted and dropped; without a length
 *                       the writer is told that nobody wants it
 *
 * The stream gathers what a turn writes: the head and the first bytes are one send. A writer waits
 * while the client is behind; a response that breaks off is never ended, so that the client can see
 * that it is not whole. */

#include "http/respond.h"

#include "http/write.h"

#include <weft/error.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define PRINT_SMALL 1024

/* How the client knows where the body ends. */
static int64_t framing_of(struct wf_http_exchange *x, int64_t length)
{
    if (length >= 0)
        return length;
    if (x->parser.head.version_minor > 0)
        return WF_HTTP1_LENGTH_CHUNKED;
    x->close = true;
    return WF_HTTP1_LENGTH_UNSAID;
}

int weft_http_begin(weft_http *http, int status, const char *content_type, int64_t length)
{
    struct wf_http_exchange *x = wf_http_exchange_of(http);
    char space[WF_HTTP_HEAD_SMALL];
    weft_slice head, none = { "", 0 };
    if (length < WEFT_HTTP_LENGTH_UNKNOWN)
        return -EINVAL;
    int64_t framing = framing_of(x, length);
    int err = wf_http_respond_head(x, status, content_type, framing, space, &head);
    if (err < 0)
        return err;
    x->has_body = wf_http_respond_has_body(x, status);
    x->is_chunked = framing == WF_HTTP1_LENGTH_CHUNKED;
    x->length = length;
    err = wf_http_respond_write(x, status, head, none);
    x->is_streamed = x->is_open = x->status != 0;
    return err;
}

/* A piece that the stream takes whole or not at all leaves the response as it was where it fails.
 */
static int write_piece(struct wf_http_exchange *x, weft_slice piece)
{
    int64_t timeout = x->server->options.send_timeout;
    bool taken;
    if (!x->has_body) /* without a length that would go on for ever */
        return x->length < 0 ? wf_http_say_again(-EPIPE) : weft_write(x->stream, "", 0);
    if (!x->is_chunked)
        return wf_http_write(x->stream, piece, (weft_slice){ "", 0 }, timeout, &taken);
    return wf_http_write_chunk(x->stream, piece, timeout);
}

/* How writing may go on: 0, or an error. */
static int check_open(const struct wf_http_exchange *x)
{
    if (x->broken)
        return wf_http_say_again(-EPIPE);
    if (!x->is_open)
        return x->status ? -EALREADY : -EINVAL;
    return 0;
}

int weft_http_write(weft_http *http, const void *data, size_t size)
{
    struct wf_http_exchange *x = wf_http_exchange_of(http);
    int err = check_open(x);
    if (err < 0 || size == 0) /* a chunk of no bytes would be the last */
        return err;
    if (x->length >= 0 && size > (uint64_t)x->length - x->sent)
        return -EMSGSIZE;
    err = write_piece(x, (weft_slice){ data, size });
    if (err < 0 && !x->has_body)
        return err;
    if (err < 0)
        return wf_http_respond_failed(x, err, size > weft_stream_high_mark(x->stream) / 2);
    x->sent += size;
    return 0;
}

/* Room for what is printed, kept for the next time: a response may be printed without end. A task
 * that prints while another's text waits to be written gets room of its own. */
static char *take_print_room(struct wf_http_exchange *x, size_t size)
{
    if (x->printing)
        return weft_arena_alloc(x->http.arena, size);
    if (size > x->print_size) {
        char *text = wf_http_grow(x->http.arena, x->print_room, &x->print_size, size);
        if (!text)
            return NULL;
        x->print_room = text;
    }
    x->printing = true;
    return x->print_room;
}

WEFT_PRINTF(3, 0)
static int print_large(struct wf_http_exchange *x, size_t size, const char *format, va_list list)
{
    char *text = take_print_room(x, size + 1);
    if (!text)
        return -ENOMEM;
    vsnprintf(text, size + 1, format, list);
    int err = weft_http_write(&x->http, text, size);
    if (text == x->print_room)
        x->printing = false;
    return err;
}

int weft_http_print(weft_http *http, const char *format, ...)
{
    char small[PRINT_SMALL];
    va_list list, again;
    va_start(list, format);
    va_copy(again, list);
    int size = vsnprintf(small, sizeof small, format, list), err;
    if (size < 0)
        err = -EINVAL;
    else if (size < PRINT_SMALL)
        err = weft_http_write(http, small, (size_t)size);
    else
        err = print_large(wf_http_exchange_of(http), (size_t)size, format, again);
    va_end(again);
    va_end(list);
    return err;
}

/* The trailers as lines, in the arena. */
static int print_trailers(struct wf_http_exchange *x, weft_slice *lines)
{
    const struct wf_http_fields *trailers = &x->trailers;
    char *text = weft_arena_alloc(x->http.arena, trailers->size);
    size_t used = 0;
    if (!text)
        return -ENOMEM;
    for (unsigned i = 0; i < trailers->count; i++) {
        ptrdiff_t size =
            wf_http1_write_field(text + used, trailers->size - used, &trailers->list[i]);
        if (size < 0)
            return (int)size;
        used += (size_t)size;
    }
    *lines = (weft_slice){ text, used };
    return 0;
}

static int write_end(struct wf_http_exchange *x)
{
    weft_slice trailers = { "", 0 };
    int err = x->trailers.count > 0 ? print_trailers(x, &trailers) : 0;
    if (err < 0)
        return err;
    return wf_http_write_last_chunk(x->stream, trailers, x->server->options.send_timeout);
}

int weft_http_end(weft_http *http)
{
    struct wf_http_exchange *x = wf_http_exchange_of(http);
    int err = check_open(x);
    if (err < 0)
        return err;
    x->is_open = false;
    if (x->has_body && x->length >= 0 && x->sent < (uint64_t)x->length)
        err = -EMSGSIZE;
    else if (x->is_chunked && x->has_body)
        err = write_end(x);
    return err < 0 ? wf_http_respond_failed(x, err, true) : 0;
}

bool weft_http_is_draining(const weft_http *http)
{
    return ((const struct wf_http_exchange *)http)->server->draining;
}
