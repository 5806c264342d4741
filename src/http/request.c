/* The request of a call: what is to be said, and saying it.
 *
 * A body lies in the caller's memory, or a source makes it while it is sent. A source is asked for
 * a piece only when the one before has been taken, so it is never ahead of the server by more than
 * the stream's high mark, and not any more once a write has failed. With a length, the piece that
 * completes the body is held back until the source has said that this was all: a request whose
 * length is wrong is never whole. */

#include "http/fetch.h"
#include "http/write.h"

#include <weft/error.h>

#include <errno.h>
#include <string.h>

#define SPACE ((size_t)16 << 10) /* the most a source is asked for at once */

/* --- the head --- */

static struct wf_http1_field *make_fields(const weft_http_call *call, size_t *count, size_t *size)
{
    const weft_http_field *given = call->headers;
    *count = *size = 0;
    while (given && given[*count].name)
        ++*count;
    struct wf_http1_field *fields = weft_arena_alloc(call->arena, *count * sizeof *fields);
    for (size_t i = 0; fields && i < *count; i++) {
        const char *value = given[i].value ? given[i].value : "";
        fields[i] =
            (struct wf_http1_field){ given[i].name, strlen(given[i].name), value, strlen(value) };
        *size += fields[i].name_len + fields[i].value_len + 4;
    }
    return fields;
}

/* Methods whose meaning foresees a body say its length even where that is 0. */
static int64_t length_to_say(const struct wf_http_fetch *f)
{
    if (f->call->source && f->call->size == 0)
        return WF_HTTP1_LENGTH_CHUNKED;
    bool says = f->call->size > 0 || strcmp(f->method, "POST") == 0 ||
                strcmp(f->method, "PUT") == 0 || strcmp(f->method, "PATCH") == 0;
    return says ? (int64_t)f->call->size : WF_HTTP1_LENGTH_UNSAID;
}

/* Which part the codec refuses: it is asked again, with one after the other left out. */
static const char *name_refused(struct wf_http1_request_out out, char *head, size_t room)
{
    out.content_type = NULL;
    out.field_count = 0;
    if (wf_http1_write_request(head, room, &out) >= 0)
        return "a header may not be sent as it is";
    out.method = "GET";
    if (wf_http1_write_request(head, room, &out) >= 0)
        return "the method may not be sent as it is";
    return "the URL may not be sent as it is";
}

static int write_head(struct wf_http_fetch *f)
{
    size_t count, fields_size;
    struct wf_http1_field *fields = make_fields(f->call, &count, &fields_size);
    struct wf_http1_request_out out = {
        .method = f->method,
        .target = f->url.target,
        .host = f->url.host,
        .content_length = length_to_say(f),
        .content_type = f->call->content_type,
        .fields = fields,
        .field_count = count,
    };
    size_t room = 128 + strlen(out.method) + strlen(out.target) + strlen(out.host) + fields_size +
                  (out.content_type ? strlen(out.content_type) : 0);
    char *head = fields ? weft_arena_alloc(f->call->arena, room) : NULL;
    if (!head)
        return -ENOMEM;
    ptrdiff_t size = wf_http1_write_request(head, room, &out);
    if (size < 0) {
        f->why = name_refused(out, head, room);
        return (int)size;
    }
    f->request = (weft_slice){ head, (size_t)size };
    return 0;
}

static int refuse(struct wf_http_fetch *f, const char *why)
{
    f->why = why;
    return -EINVAL;
}

static int find_address(struct wf_http_fetch *f)
{
    const char *mapped = wf_http_client_find(f->client, f->url.host);
    f->address = mapped ? weft_arena_copy(f->call->arena, mapped, strlen(mapped)) : f->url.address;
    if (!f->address)
        return -ENOMEM;
    return strlen(f->address) > WF_HTTP_ADDRESS_MAX ? refuse(f, "the URL's host is too long") : 0;
}

static int prepare_source(struct wf_http_fetch *f)
{
    const weft_http_call *call = f->call;
    if (!call->source)
        return 0;
    if (call->data)
        return refuse(f, "a request has data or a source, not both");
    size_t size = call->size > 0 && call->size < SPACE ? call->size : SPACE;
    f->space = weft_arena_alloc(call->arena, size);
    return f->space ? 0 : -ENOMEM;
}

int wf_http_request_prepare(struct wf_http_fetch *f)
{
    weft_http_call *call = f->call;
    f->what = "prepare";
    if (call->method && strcmp(call->method, "CONNECT") == 0)
        return refuse(f, "CONNECT asks for a tunnel, not for a response");
    int err = wf_http_url_parse(&f->url, call->url, call->arena, &f->why);
    if (err < 0)
        return err;
    f->method = call->method ? call->method : call->size > 0 || call->source ? "POST" : "GET";
    err = find_address(f);
    if (err == 0)
        err = write_head(f);
    return err < 0 ? err : prepare_source(f);
}

/* --- the body --- */

/* 1, and a piece of at most `size` bytes; 0 at the end; an error. */
static int pull(struct wf_http_fetch *f, size_t size, weft_slice *piece)
{
    f->pulled = true;
    ssize_t n = f->call->source(f->call->source_arg, f->space, size);
    if (n > 0 && (size_t)n > size)
        return refuse(f, "the source says that it gave more than it was asked for");
    *piece = (weft_slice){ f->space, n > 0 ? (size_t)n : 0 };
    return n < 0 ? (int)n : n > 0;
}

static int send_chunks(struct wf_http_fetch *f)
{
    weft_slice piece;
    int more = 1;
    while (f->write_error == 0 && (more = pull(f, SPACE, &piece)) > 0)
        f->write_error = wf_http_write_chunk(f->stream, piece, 0);
    if (more == 0)
        f->write_error = wf_http_write_last_chunk(f->stream, (weft_slice){ "", 0 }, 0);
    return more < 0 ? more : 0;
}

/* The body is whole with the piece that lies in `space`. */
static int expect_end(struct wf_http_fetch *f)
{
    char byte;
    ssize_t n = f->call->source(f->call->source_arg, &byte, 1);
    return n > 0 ? refuse(f, "the source has more than the call's size") : (int)n;
}

static int send_counted(struct wf_http_fetch *f)
{
    weft_slice piece;
    int more = 1;
    for (size_t left = f->call->size; left > 0 && f->write_error == 0; left -= piece.size) {
        more = pull(f, left < SPACE ? left : SPACE, &piece);
        if (more == 0)
            return refuse(f, "the source ended before the call's size");
        if (more > 0 && piece.size == left)
            more = expect_end(f);
        if (more < 0)
            return more;
        f->write_error = weft_write(f->stream, piece.data, piece.size);
    }
    return 0;
}

static int send_from_source(struct wf_http_fetch *f)
{
    int err = f->call->size > 0 ? send_counted(f) : send_chunks(f);
    if (err < 0)
        f->what = "source";
    return err;
}

/* A server may answer before it has read everything, and stop reading. */
static bool may_have_answered(int err)
{
    return err == 0 || err == -EPIPE || err == -ECONNRESET;
}

int wf_http_request_send(struct wf_http_fetch *f)
{
    weft_slice data = { f->call->data, f->space ? 0 : f->call->size };
    int err = 0;
    f->what = "send";
    f->write_error = wf_http_write(f->stream, f->request, data, 0, &f->written);
    if (f->write_error == 0 && f->space)
        err = send_from_source(f);
    if (err == 0 && !may_have_answered(f->write_error))
        err = f->write_error;
    if (err < 0 && f->written)
        weft_stream_tear(f->stream); /* the server must not take what there was for the whole */
    return err;
}
