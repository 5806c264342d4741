/* One fetch:
 *
 *     a place ──> its connection, or a new one ──> request written ──> head ──> body ──> the place
 *                  ↑                                     │                            is left
 *                  └── once, on a new one ───────────────┘ the server had closed the idle one
 *
 * The place (http/pool.h) is the call's until it is over, second try included. A server may close
 * an idle connection in the moment it is taken; then no byte of a response comes, and a method that
 * may be repeated is. Whatever else fails closes the connection: what is still to come on it
 * belongs to nobody. */

#include "http/body.h"
#include "http/client.h"
#include "http/url.h"
#include "http/write.h"

#include <weft/error.h>

#include <errno.h>
#include <string.h>
#include <strings.h>

#define BODY_MAX    ((size_t)16 << 20)
#define LIMIT_MAX   (UINT32_C(1) << 24)
#define INTERIM_MAX 16 /* 1xx responses before the response */

struct fetch {
    weft_http_call *call;
    weft_http_client *client;
    struct wf_http_url url;
    const char *address; /* where it goes */
    const char *method;
    weft_slice request; /* the head */
    struct wf_http_place *place;
    weft_stream *stream; /* the place's */
    struct wf_http1_parser parser;
    struct wf_http1_header *headers; /* room for the parser's */
    bool reused;                     /* the connection has served before */
    bool written;                    /* a byte of the request has been taken */
    bool answered;                   /* a byte of the response has come */
    int write_error;                 /* the request was not taken whole */
    const char *what;                /* for the detail: what was being done */
    const char *why;                 /* and what was wrong, or NULL: the error's text */
};

/* --- the request --- */

static struct wf_http1_field *make_fields(struct fetch *f, size_t *count, size_t *size)
{
    const weft_http_field *given = f->call->headers;
    *count = *size = 0;
    while (given && given[*count].name)
        ++*count;
    struct wf_http1_field *fields = weft_arena_alloc(f->call->arena, *count * sizeof *fields);
    for (size_t i = 0; fields && i < *count; i++) {
        const char *value = given[i].value ? given[i].value : "";
        fields[i] =
            (struct wf_http1_field){ given[i].name, strlen(given[i].name), value, strlen(value) };
        *size += fields[i].name_len + fields[i].value_len + 4;
    }
    return fields;
}

/* Methods whose meaning foresees a body say its length even where that is 0. */
static int64_t length_to_say(const struct fetch *f)
{
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

static int write_request(struct fetch *f)
{
    size_t count, fields_size;
    struct wf_http1_field *fields = make_fields(f, &count, &fields_size);
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

static int prepare(struct fetch *f)
{
    weft_http_call *call = f->call;
    f->what = "prepare";
    if (call->method && strcmp(call->method, "CONNECT") == 0) {
        f->why = "CONNECT asks for a tunnel, not for a response";
        return -EINVAL;
    }
    int err = wf_http_url_parse(&f->url, call->url, call->arena, &f->why);
    if (err < 0)
        return err;
    f->method = call->method ? call->method : call->size > 0 ? "POST" : "GET";
    const char *mapped = wf_http_client_find(f->client, f->url.host);
    f->address = mapped ? weft_arena_copy(call->arena, mapped, strlen(mapped)) : f->url.address;
    f->headers = weft_arena_alloc(call->arena, header_count_max(call) * sizeof *f->headers);
    if (!f->address || !f->headers)
        return -ENOMEM;
    if (strlen(f->address) > WF_HTTP_ADDRESS_MAX) {
        f->why = "the URL's host is too long";
        return -EINVAL;
    }
    return write_request(f);
}

/* --- the response --- */

static void begin_response(struct fetch *f)
{
    const weft_http_call *call = f->call;
    struct wf_http1_limits limits = WF_HTTP1_LIMITS_DEFAULT;
    limits.header_max = header_count_max(call);
    if (call->header_size_max)
        limits.block_max = clamp(call->header_size_max, 2);
    wf_http1_response_begin(&f->parser, &limits, f->headers, strcmp(f->method, "HEAD") == 0);
}

static int refused(struct fetch *f)
{
    f->why = f->parser.why;
    return f->parser.status == 431   ? WEFT_ELIMIT
           : f->parser.status == 501 ? -ENOTSUP
                                     : WEFT_EPROTOCOL;
}

/* Read until a head is complete, interim or not; it stays in the input. */
static int read_head(struct fetch *f)
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

static int read_final_head(struct fetch *f)
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
static int take_head(struct fetch *f)
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

static int read_response(struct fetch *f)
{
    weft_http_call *call = f->call;
    weft_slice body;
    struct wf_http_body incoming;
    f->what = "response";
    int err = read_final_head(f);
    if (err == 0)
        err = take_head(f);
    if (err < 0)
        return err;
    wf_http_body_begin(&incoming, f->stream, &f->parser, call->body_max ? call->body_max : BODY_MAX,
                       call->arena);
    err = wf_http_body_read(&incoming, &body);
    call->body = body.data;
    call->body_size = body.size;
    f->why = incoming.why;
    return err;
}

/* --- a connection --- */

/* A server may answer before it has read everything, and stop reading. */
static bool may_have_answered(int err)
{
    return err == 0 || err == -EPIPE || err == -ECONNRESET;
}

static int converse(struct fetch *f)
{
    weft_slice data = { f->call->data, f->call->size };
    f->what = "send";
    f->write_error = wf_http_write(f->stream, f->request, data, 0, &f->written);
    if (!may_have_answered(f->write_error))
        return f->write_error;
    int err = read_response(f);
    return err < 0 && f->write_error < 0 && !f->answered ? f->write_error : err;
}

/* The resolver and the address parser leave a sentence. */
static int not_connected(struct fetch *f, int err)
{
    if (err == WEFT_EDNS || err == -EINVAL)
        f->why = weft_error_detail();
    return err;
}

static int attempt(struct fetch *f)
{
    f->reused = f->place->stream != NULL;
    f->what = "connect";
    int err = f->reused ? 0 : weft_connect(&f->place->stream, f->address);
    if (err < 0)
        return not_connected(f, err);
    f->stream = f->place->stream;
    return converse(f);
}

static int take_place(struct fetch *f)
{
    f->what = "wait";
    int err = wf_http_pool_enter(&f->client->pool, f->address, &f->place);
    if (err == -ESHUTDOWN)
        f->why = "the client was freed";
    return err;
}

/* A cancelled call that has sent nothing leaves its connection as it was. */
static bool can_be_kept(const struct fetch *f, int err)
{
    if (!f->stream || f->client->closed)
        return false;
    if (err < 0)
        return err == -ECANCELED && !f->written;
    return f->parser.head.keep_alive && f->write_error == 0 &&
           weft_buffer_readable(weft_stream_input(f->stream)) == 0;
}

static void leave_place(struct fetch *f, int err)
{
    wf_http_pool_leave(&f->client->pool, f->place, can_be_kept(f, err));
}

static void disconnect(struct fetch *f)
{
    weft_close(f->stream);
    f->place->stream = f->stream = NULL;
}

static bool may_repeat(const struct fetch *f, int err)
{
    static const char *const methods[] = { "GET", "HEAD", "PUT", "DELETE", "OPTIONS" };
    if (!f->reused || f->answered)
        return false;
    if (err != WEFT_EEND && err != -ECONNRESET && err != -EPIPE)
        return false;
    for (size_t i = 0; i < WF_ARRAY_SIZE(methods); i++)
        if (strcmp(f->method, methods[i]) == 0)
            return true;
    return false;
}

static int perform(struct fetch *f)
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
}

/* Before anything can overwrite weft_error_detail(), which `why` may be. */
static void explain(struct fetch *f, int err)
{
    weft_http_call *call = f->call;
    const char *why = f->why && *f->why ? f->why : weft_error_text(err);
    char *detail = weft_arena_format(call->arena, "%s: %s: %s", call->url ? call->url : "(null)",
                                     f->what, why);
    call->detail = detail ? detail : weft_error_text(err);
}

#undef weft_http_fetch

int weft_http_fetch(void *arg)
{
    weft_http_call *call = arg;
    struct fetch f = { .call = call, .client = call->client, .what = "prepare" };
    clear(call);
    if (!call->arena) {
        call->detail = "the call has no arena";
        return -EINVAL;
    }
    int err = wf_http_client_retain(&f.client);
    if (err == 0) {
        err = perform(&f);
        if (err < 0)
            explain(&f, err);
        wf_http_client_release(f.client);
    }
    return err < 0 ? err : call->status;
}

const char *weft_http_call_header(const weft_http_call *call, const char *name)
{
    for (uint32_t i = 0; i < call->header_count; i++)
        if (strcasecmp(call->response[i].name, name) == 0)
            return call->response[i].value;
    return NULL;
}
