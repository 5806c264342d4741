/* A call: a whole fetch, or one whose body its caller reads.
 *
 *     a place ──> its connection, or a new one ──> request ──> head ──> body ──> the place is left,
 *                  ↑                                 │                           kept or closed
 *                  └── once, on a new one ───────────┘ the server had closed the idle one
 *
 *     weft_http_open():  up to the head       weft_http_call_read():  the body
 *     weft_http_fetch(): all of it            weft_http_call_close(): the place is left
 *
 * The place (http/pool.h) is the call's until it is over, second try included. A server may close
 * an idle connection in the moment it is taken; then no byte of a response comes, and a method that
 * may be repeated is, unless its source was asked for the body: that cannot be asked twice.
 * Whatever else fails closes the connection: what is still to come on it belongs to nobody. */

#include "http/fetch.h"

#include <weft/error.h>

#include <errno.h>
#include <string.h>
#include <strings.h>

#define BODY_MAX    ((size_t)16 << 20)
#define LIMIT_MAX   (UINT32_C(1) << 24)
#define INTERIM_MAX 16 /* 1xx responses before the response */

/* --- the response --- */

/* Offsets are 32 bits wide. */
static uint32_t clamp(uint32_t value, uint32_t least)
{
    return value < least ? least : value < LIMIT_MAX ? value : LIMIT_MAX;
}

static uint32_t header_count_max(const weft_http_call *call)
{
    static const struct wf_http1_limits limits = WF_HTTP1_LIMITS_DEFAULT;
    return call->header_count_max ? clamp(call->header_count_max, 1) : limits.header_max;
}

static void begin_response(struct wf_http_fetch *f)
{
    const weft_http_call *call = f->call;
    struct wf_http1_limits limits = WF_HTTP1_LIMITS_DEFAULT;
    limits.header_max = header_count_max(call);
    if (call->header_size_max)
        limits.block_max = clamp(call->header_size_max, 2);
    wf_http1_response_begin(&f->parser, &limits, f->headers, strcmp(f->method, "HEAD") == 0);
}

static int refused(struct wf_http_fetch *f)
{
    f->why = f->parser.why;
    return f->parser.status == 431   ? WEFT_ELIMIT
           : f->parser.status == 501 ? -ENOTSUP
                                     : WEFT_EPROTOCOL;
}

/* Read until a head is complete, interim or not; it stays in the input. */
static int read_head(struct wf_http_fetch *f)
{
    weft_buffer *input = weft_stream_input(f->stream);
    begin_response(f);
    for (;;) {
        enum wf_http1_result result =
            wf_http1_parse(&f->parser, weft_buffer_data(input), weft_buffer_readable(input));
        if (result != WF_HTTP1_MORE)
            return result == WF_HTTP1_COMPLETE ? 0 : refused(f);
        ssize_t n = weft_fill(f->stream);
        if (n <= 0)
            return n < 0 ? (int)n : WEFT_EEND;
        f->answered = true;
    }
}

static int read_final_head(struct wf_http_fetch *f)
{
    for (int interim = 0; interim < INTERIM_MAX; interim++) {
        int err = read_head(f);
        if (err < 0 || f->parser.head.status >= 200)
            return err;
        if (f->parser.head.status == 101)
            break;
        weft_buffer_consume(weft_stream_input(f->stream), f->parser.head.size);
    }
    f->why = "1xx responses that nobody asked for";
    return WEFT_EPROTOCOL;
}

static const char *terminate(char *head, struct wf_http1_span span)
{
    head[span.offset + span.len] = '\0';
    return head + span.offset;
}

/* Copy the head out of the input and make its headers readable. */
static int take_head(struct wf_http_fetch *f)
{
    const struct wf_http1_head *head = &f->parser.head;
    weft_http_call *call = f->call;
    weft_buffer *input = weft_stream_input(f->stream);
    char *text = weft_arena_copy(call->arena, weft_buffer_data(input), head->size);
    weft_http_field *fields = weft_arena_alloc(call->arena, head->header_count * sizeof *fields);
    if (!text || !fields)
        return -ENOMEM;
    weft_buffer_consume(input, head->size);
    for (uint32_t i = 0; i < head->header_count; i++) {
        fields[i].name = terminate(text, head->headers[i].name);
        fields[i].value = terminate(text, head->headers[i].value);
    }
    call->status = head->status;
    call->response = fields;
    call->header_count = head->header_count;
    return 0;
}

/* Up to the body. */
static int read_response(struct wf_http_fetch *f)
{
    f->what = "response";
    int err = read_final_head(f);
    return err < 0 ? err : take_head(f);
}

/* --- a connection --- */

static int converse(struct wf_http_fetch *f)
{
    int err = wf_http_request_send(f);
    if (err < 0)
        return err;
    err = read_response(f);
    return err < 0 && f->write_error < 0 && !f->answered ? f->write_error : err;
}

/* The resolver and the address parser leave a sentence. */
static int not_connected(struct wf_http_fetch *f, int err)
{
    if (err == WEFT_EDNS || err == -EINVAL)
        f->why = weft_error_detail();
    return err;
}

static int attempt(struct wf_http_fetch *f)
{
    f->reused = f->place->stream != NULL;
    f->what = "connect";
    int err = f->reused ? 0 : weft_connect(&f->place->stream, f->address);
    if (err < 0)
        return not_connected(f, err);
    f->stream = f->place->stream;
    return converse(f);
}

static int take_place(struct wf_http_fetch *f)
{
    f->what = "wait";
    int err = wf_http_pool_enter(&f->client->pool, f->address, &f->place);
    if (err == -ESHUTDOWN)
        f->why = "the client was freed";
    return err;
}

/* A cancelled call that has sent nothing leaves its connection as it was. */
static bool can_be_kept(const struct wf_http_fetch *f, int err)
{
    if (!f->stream || f->client->closed)
        return false;
    if (err < 0)
        return err == -ECANCELED && !f->written;
    return f->parser.head.keep_alive && f->write_error == 0 &&
           weft_buffer_readable(weft_stream_input(f->stream)) == 0;
}

static void leave_place(struct wf_http_fetch *f, int err)
{
    wf_http_pool_leave(&f->client->pool, f->place, can_be_kept(f, err));
}

static void disconnect(struct wf_http_fetch *f)
{
    weft_close(f->stream);
    f->place->stream = f->stream = NULL;
}

static bool may_repeat(const struct wf_http_fetch *f, int err)
{
    static const char *const methods[] = { "GET", "HEAD", "PUT", "DELETE", "OPTIONS" };
    if (!f->reused || f->answered || f->pulled)
        return false;
    if (err != WEFT_EEND && err != -ECONNRESET && err != -EPIPE)
        return false;
    for (size_t i = 0; i < WF_ARRAY_SIZE(methods); i++)
        if (strcmp(f->method, methods[i]) == 0)
            return true;
    return false;
}

static int prepare(struct wf_http_fetch *f)
{
    int err = wf_http_request_prepare(f);
    if (err < 0)
        return err;
    f->headers = weft_arena_alloc(f->call->arena, header_count_max(f->call) * sizeof *f->headers);
    return f->headers ? 0 : -ENOMEM;
}

/* Until the body; after an error no place is held. */
static int perform(struct wf_http_fetch *f)
{
    int err = prepare(f);
    if (err == 0)
        err = take_place(f);
    if (err < 0)
        return err;
    err = attempt(f);
    if (may_repeat(f, err)) {
        disconnect(f);
        err = attempt(f);
    }
    if (err < 0)
        leave_place(f, err);
    return err;
}

/* --- the call --- */

static void clear(weft_http_call *call)
{
    call->status = 0;
    call->header_count = 0;
    call->response = NULL;
    call->body = "";
    call->body_size = 0;
    call->detail = "";
    call->received = NULL;
}

static int refuse(weft_http_call *call, int err, const char *why)
{
    call->detail = why;
    return err;
}

/* Before anything can overwrite weft_error_detail(), which `why` may be. */
static int explain(struct wf_http_fetch *f, int err)
{
    weft_http_call *call = f->call;
    const char *why = f->why && *f->why ? f->why : weft_error_text(err);
    char *detail = weft_arena_format(call->arena, "%s: %s: %s", call->url ? call->url : "(null)",
                                     f->what, why);
    return refuse(call, err, detail ? detail : weft_error_text(err));
}

static int start(struct wf_http_fetch *f, size_t body_max)
{
    weft_http_call *call = f->call;
    int err = perform(f);
    if (err < 0)
        return explain(f, err);
    wf_http_body_begin(&f->incoming, f->stream, &f->parser, body_max, call->arena);
    call->open = f;
    call->received = &f->incoming;
    return call->status;
}

static int begin_call(weft_http_call *call, size_t body_max)
{
    if (call->open)
        return refuse(call, -EBUSY, "the call is open: weft_http_call_close() comes first");
    clear(call);
    if (!call->arena)
        return refuse(call, -EINVAL, "the call has no arena");
    struct wf_http_fetch *f = weft_arena_alloc(call->arena, sizeof *f);
    if (!f)
        return refuse(call, -ENOMEM, weft_error_text(-ENOMEM));
    *f = (struct wf_http_fetch){ .call = call, .client = call->client };
    int err = wf_http_client_retain(&f->client);
    if (err < 0)
        return refuse(call, err, weft_error_text(err));
    err = start(f, body_max);
    if (err < 0)
        wf_http_client_release(f->client);
    return err;
}

static void end_call(weft_http_call *call, int err)
{
    struct wf_http_fetch *f = call->open;
    call->open = NULL;
    leave_place(f, err);
    wf_http_client_release(f->client);
}

/* What is wrong with the body stays wrong, and is explained once. */
static int fail_body(struct wf_http_fetch *f, int err)
{
    f->why = f->incoming.why;
    if (f->explained != err)
        explain(f, err);
    f->explained = err;
    return err;
}

#undef weft_http_fetch

int weft_http_fetch(void *arg)
{
    weft_http_call *call = arg;
    weft_slice body;
    int err = begin_call(call, call->body_max ? call->body_max : BODY_MAX);
    if (err < 0)
        return err;
    err = wf_http_body_read(&call->open->incoming, &body);
    call->body = body.data;
    call->body_size = body.size;
    if (err < 0)
        fail_body(call->open, err);
    end_call(call, err);
    return err < 0 ? err : call->status;
}

int weft_http_open(weft_http_call *call)
{
    return begin_call(call, call->body_max ? call->body_max : SIZE_MAX);
}

ssize_t weft_http_call_read(weft_http_call *call, void *buffer, size_t size)
{
    struct wf_http_fetch *f = call->open;
    if (!f)
        return refuse(call, -EINVAL, "the call is not open");
    if (size == 0)
        return 0;
    int more = f->piece.size > 0 ? 1 : wf_http_body_next(&f->incoming, &f->piece);
    if (more <= 0)
        return more < 0 ? fail_body(f, more) : 0;
    return (ssize_t)wf_http_piece_take(&f->piece, buffer, size);
}

void weft_http_call_close(weft_http_call *call)
{
    if (call->open)
        end_call(call, wf_http_body_skip(&call->open->incoming) ? 0 : WEFT_ECLOSED);
}

const char *weft_http_call_header(const weft_http_call *call, const char *name)
{
    for (uint32_t i = 0; i < call->header_count; i++)
        if (strcasecmp(call->response[i].name, name) == 0)
            return call->response[i].value;
    return NULL;
}

const char *weft_http_call_trailer(const weft_http_call *call, const char *name)
{
    return call->received ? wf_http_body_trailer(call->received, name) : NULL;
}
