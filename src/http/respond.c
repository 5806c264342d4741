/* The response: its headers are kept as they will be sent, the head is written last, and head and
 * body go to the stream as one. One that is sent while it is made is streamed.c's. */

#include "http/respond.h"

#include "http/receive.h"
#include "http/write.h"

#include <weft/error.h>
#include <weft/log.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BODY_SMALL 1024
#define TEXT_TYPE  "text/plain; charset=utf-8"

#define REFUSAL_MAX 256 /* a status, its phrase, and one of ours */

/* --- headers --- */

static bool same_name(const char *name, size_t size, const char *other)
{
    return wf_http1_span_is_nocase(name, (struct wf_http1_span){ 0, (uint32_t)size }, other);
}

/* What the server writes itself: a second one would contradict it. */
static bool is_reserved(const char *name, size_t size)
{
    return same_name(name, size, "Content-Length") || same_name(name, size, "Transfer-Encoding") ||
           same_name(name, size, "Date");
}

/* A checked copy: the line in the arena, cut into name and value. */
static int make_field(weft_arena *arena, const char *name, const char *value,
                      struct wf_http1_field *field)
{
    struct wf_http1_field given = { name, strlen(name), value, strlen(value) };
    if (given.name_len > UINT16_MAX || given.value_len > WEFT_STREAM_HIGH_MARK)
        return -EINVAL;
    size_t room = given.name_len + given.value_len + 5;
    char *line = weft_arena_alloc(arena, room);
    if (!line)
        return -ENOMEM;
    ptrdiff_t size = wf_http1_write_field(line, room, &given);
    if (size < 0)
        return -EINVAL;
    line[given.name_len] = line[size - 2] = '\0';
    field->name = line;
    field->name_len = given.name_len;
    field->value = line + given.name_len + 2;
    field->value_len = given.value_len;
    return 0;
}

/* Room for one more. */
static int grow(struct wf_http_fields *fields, weft_arena *arena)
{
    if (fields->count < fields->room)
        return 0;
    if (fields->count == WF_HTTP_FIELDS_MAX)
        return WEFT_ELIMIT;
    unsigned room = fields->room ? 2 * fields->room : 8;
    struct wf_http1_field *list = weft_arena_alloc(arena, room * sizeof *list);
    if (!list)
        return -ENOMEM;
    if (fields->count > 0)
        memcpy(list, fields->list, fields->count * sizeof *list);
    fields->list = list;
    fields->room = room;
    return 0;
}

static size_t size_of(const struct wf_http1_field *field)
{
    return field->name_len + field->value_len + 4;
}

static int add_field(struct wf_http_fields *fields, weft_arena *arena,
                     const struct wf_http1_field *field)
{
    int err = grow(fields, arena);
    if (err < 0)
        return err;
    fields->list[fields->count++] = *field;
    fields->size += size_of(field);
    return 0;
}

/* Take out the fields of this name. */
static void remove_field(struct wf_http_fields *fields, const struct wf_http1_field *field)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < fields->count; i++) {
        if (same_name(fields->list[i].name, fields->list[i].name_len, field->name))
            fields->size -= size_of(&fields->list[i]);
        else
            fields->list[kept++] = fields->list[i];
    }
    fields->count = kept;
}

/* Headers that the head has a place of its own for: 1 when this is one. */
static int set_special(struct wf_http_exchange *x, const struct wf_http1_field *field)
{
    if (same_name(field->name, field->name_len, "Content-Type")) {
        x->content_type = field->value;
        return 1;
    }
    if (!same_name(field->name, field->name_len, "Connection"))
        return 0;
    if (!same_name(field->value, field->value_len, "close"))
        return -EINVAL;
    x->close = true;
    return 1;
}

static int put_header(weft_http *http, const char *name, const char *value, bool replace)
{
    struct wf_http_exchange *x = wf_http_exchange_of(http);
    struct wf_http1_field field;
    if (x->status)
        return -EALREADY;
    if (is_reserved(name, strlen(name)))
        return -EINVAL;
    int err = make_field(http->arena, name, value, &field);
    if (err < 0)
        return err;
    err = set_special(x, &field);
    if (err != 0)
        return err < 0 ? err : 0;
    if (replace)
        remove_field(&x->headers, &field);
    return add_field(&x->headers, http->arena, &field);
}

int weft_http_set_header(weft_http *http, const char *name, const char *value)
{
    return put_header(http, name, value, true);
}

int weft_http_add_header(weft_http *http, const char *name, const char *value)
{
    return put_header(http, name, value, false);
}

/* Headers that say where the message ends or whose it is come too late as trailers. */
static bool is_no_trailer(const char *name, size_t size)
{
    return is_reserved(name, size) || same_name(name, size, "Connection") ||
           same_name(name, size, "Content-Type") || same_name(name, size, "Content-Encoding") ||
           same_name(name, size, "Content-Range") || same_name(name, size, "Host") ||
           same_name(name, size, "Trailer");
}

int weft_http_add_trailer(weft_http *http, const char *name, const char *value)
{
    struct wf_http_exchange *x = wf_http_exchange_of(http);
    struct wf_http1_field field;
    if (x->status && !x->is_open)
        return -EALREADY;
    if (is_no_trailer(name, strlen(name)))
        return -EINVAL;
    int err = make_field(http->arena, name, value, &field);
    return err < 0 ? err : add_field(&x->trailers, http->arena, &field);
}

/* --- sending --- */

static enum wf_http1_connection connection_word(const struct wf_http_exchange *x)
{
    if (x->close)
        return WF_HTTP1_CONNECTION_CLOSE;
    return x->parser.head.version_minor == 0 ? WF_HTTP1_CONNECTION_KEEP_ALIVE
                                             : WF_HTTP1_CONNECTION_UNSAID;
}

int wf_http_respond_head(struct wf_http_exchange *x, int status, const char *content_type,
                         int64_t length, char space[static WF_HTTP_HEAD_SMALL], weft_slice *head)
{
    if (x->status)
        return -EALREADY;
    if (status < 200 || status > 999)
        return -EINVAL;
    x->close |= x->server->draining;
    const char *type = x->content_type ? x->content_type : content_type;
    struct wf_http1_response_out out = {
        .status = status,
        .connection = connection_word(x),
        .content_length = status == 304 ? WF_HTTP1_LENGTH_UNSAID : length,
        .date = wf_http_date_now(&x->server->date),
        .content_type = type,
        .fields = x->headers.list,
        .field_count = x->headers.count,
    };
    size_t room = 256 + x->headers.size + (type ? strlen(type) : 0);
    if (room > WF_HTTP_HEAD_SMALL)
        space = weft_arena_alloc(x->http.arena, room);
    if (!space)
        return -ENOMEM;
    ptrdiff_t size =
        wf_http1_write_response(space, room > WF_HTTP_HEAD_SMALL ? room : WF_HTTP_HEAD_SMALL, &out);
    *head = (weft_slice){ space, size < 0 ? 0 : (size_t)size };
    return size < 0 ? (int)size : 0;
}

bool wf_http_respond_has_body(const struct wf_http_exchange *x, int status)
{
    return !x->is_head && status != 204 && status != 304;
}

/* A failure after which another response may still be tried: nothing has been sent, and nothing is
 * wrong with the connection. */
static bool is_harmless(int err)
{
    return err == -ECANCELED || err == -ENOMEM || err == -EINVAL || err == -EBUSY;
}

int wf_http_respond_failed(struct wf_http_exchange *x, int err, bool taken)
{
    x->broken |= taken || !is_harmless(err);
    if (taken || (x->broken && x->is_streamed)) /* the client must not take it for whole */
        weft_stream_tear(x->stream);
    return err;
}

int wf_http_respond_write(struct wf_http_exchange *x, int status, weft_slice head, weft_slice body)
{
    bool taken;
    x->status = status; /* from here on it is this response's turn */
    int err = wf_http_write(x->stream, head, body, x->server->options.send_timeout, &taken);
    if (err < 0) {
        wf_http_respond_failed(x, err, taken);
        x->status = x->broken ? status : 0;
    }
    return err;
}

/* A small body goes behind the head: to copy it costs less than a second piece. Returns what is
 * left of it. */
static weft_slice join(weft_stream *stream, char space[static WF_HTTP_HEAD_SMALL], weft_slice *head,
                       weft_slice body)
{
    size_t size = head->size + body.size;
    if (head->data != space || body.size == 0 || size > WF_HTTP_HEAD_SMALL ||
        size >= weft_stream_high_mark(stream))
        return body;
    memcpy(space + head->size, body.data, body.size);
    head->size = size;
    return (weft_slice){ "", 0 };
}

int weft_http_send(weft_http *http, int status, const char *content_type, const void *data,
                   size_t size)
{
    struct wf_http_exchange *x = wf_http_exchange_of(http);
    char space[WF_HTTP_HEAD_SMALL];
    weft_slice head, body = { data, size };
    if (!x->status)
        wf_http_receive_leave(x);
    int err = wf_http_respond_head(x, status, content_type, (int64_t)size, space, &head);
    if (err < 0)
        return err;
    if (!wf_http_respond_has_body(x, status))
        body.size = 0;
    weft_slice rest = join(x->stream, space, &head, body);
    err = wf_http_respond_write(x, status, head, rest);
    x->sent = x->status ? body.size : 0;
    return err;
}

/* Print into a small space, or into the arena. */
WEFT_PRINTF(5, 0)
static int send_format(weft_http *http, int status, const char *content_type, char *space,
                       const char *format, va_list list)
{
    va_list again;
    if (!strchr(format, '%')) /* printing a constant would cost more than sending it */
        return weft_http_send(http, status, content_type, format, strlen(format));
    va_copy(again, list);
    char *text = space;
    int size = vsnprintf(space, BODY_SMALL, format, list);
    if (size >= BODY_SMALL) {
        text = weft_arena_alloc(http->arena, (size_t)size + 1);
        if (text)
            vsnprintf(text, (size_t)size + 1, format, again);
    }
    va_end(again);
    if (size < 0)
        return -EINVAL;
    return text ? weft_http_send(http, status, content_type, text, (size_t)size) : -ENOMEM;
}

int weft_http_text(weft_http *http, int status, const char *format, ...)
{
    char space[BODY_SMALL];
    va_list list;
    va_start(list, format);
    int err = send_format(http, status, TEXT_TYPE, space, format, list);
    va_end(list);
    return err;
}

int weft_http_json(weft_http *http, int status, const char *format, ...)
{
    char space[BODY_SMALL];
    va_list list;
    va_start(list, format);
    int err = send_format(http, status, "application/json", space, format, list);
    va_end(list);
    return err;
}

/* --- refusing --- */

static int print_refusal(char *text, size_t size, int status, const char *why)
{
    return snprintf(text, size, "%d %s%s%s\n", status, wf_http1_reason(status), why ? ": " : "",
                    why ? why : "");
}

void wf_http_refuse(struct wf_http_exchange *x, int status, const char *why)
{
    char text[REFUSAL_MAX];
    int size = print_refusal(text, sizeof text, status, why);
    x->close = true;
    weft_http_send(&x->http, status, TEXT_TYPE, text, (size_t)size);
}

void wf_http_refuse_stream(struct wf_http_server *server, weft_stream *stream, int status,
                           const char *why)
{
    char text[REFUSAL_MAX], message[WF_HTTP_HEAD_SMALL + REFUSAL_MAX];
    int size = print_refusal(text, sizeof text, status, why);
    struct wf_http1_response_out out = {
        .status = status,
        .connection = WF_HTTP1_CONNECTION_CLOSE,
        .content_length = size,
        .date = wf_http_date_now(&server->date),
        .content_type = TEXT_TYPE,
    };
    ptrdiff_t head = wf_http1_write_response(message, WF_HTTP_HEAD_SMALL, &out);
    memcpy(message + head, text, (size_t)size);
    weft_write_try(stream, message, (size_t)head + (size_t)size);
    weft_log(WEFT_LOG_ACCESS, WEFT_LOG_INFO, "- - %d %d 0us", status, size);
}
