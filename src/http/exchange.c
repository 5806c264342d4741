/* What a handler can ask about its request. */

#include "http/exchange.h"

#include <weft/log.h>

#include <errno.h>
#include <string.h>

/* --- life --- */

void wf_http_exchange_init(struct wf_http_exchange *x, struct wf_http_server *server,
                           weft_stream *stream)
{
    x->http.arena = NULL;
    x->server = server;
    x->stream = stream;
    x->parser.status = 0;
    x->head = NULL;
    x->method = x->path = x->query = x->host = "";
    x->route = NULL;
    x->param_count = 0;
    x->incoming.trailers = NULL;
    x->incoming.is_whole = true;
    x->incoming.why = NULL;
    x->incoming.error = 0;
    x->body = x->unread = (weft_slice){ "", 0 };
    x->body_error = 0;
    x->is_left = x->invited = false;
    x->waiting = NULL;
    x->evicted = false;
    x->started = 0;
    x->headers = x->trailers = (struct wf_http_fields){ 0 };
    x->content_type = NULL;
    x->close = x->broken = x->is_head = x->is_streamed = x->is_open = false;
    x->status = 0;
    x->sent = 0;
    x->print_room = NULL;
    x->print_size = 0;
    x->printing = false;
}

int wf_http_exchange_begin(struct wf_http_exchange *x)
{
    struct wf_http_server *server = x->server;
    x->http.arena = wf_http_server_take_arena(server);
    if (!x->http.arena)
        return -ENOMEM;
    struct wf_http1_header *headers =
        weft_arena_alloc(x->http.arena, server->limits.header_max * sizeof *headers);
    if (!headers)
        return -ENOMEM;
    wf_http1_request_begin(&x->parser, &server->limits, headers);
    return 0;
}

static const char *terminate(struct wf_http_exchange *x, struct wf_http1_span span)
{
    if (span.offset == 0 && span.len == 0)
        return "";
    x->head[span.offset + span.len] = '\0';
    return x->head + span.offset;
}

static const char *copy_out(struct wf_http_exchange *x, struct wf_http1_span span)
{
    return weft_arena_copy(x->http.arena, x->head + span.offset, span.len);
}

int wf_http_exchange_take_head(struct wf_http_exchange *x)
{
    const struct wf_http1_head *head = &x->parser.head;
    weft_buffer *input = weft_stream_input(x->stream);
    x->head = weft_arena_copy(x->http.arena, weft_buffer_data(input), head->size);
    if (!x->head)
        return -ENOMEM;
    weft_buffer_consume(input, head->size);
    x->is_head = head->method == WF_HTTP1_METHOD_HEAD;
    x->close = !head->keep_alive;
    bool is_absolute = head->form == WF_HTTP1_FORM_ABSOLUTE;
    x->path = is_absolute ? copy_out(x, head->path) : terminate(x, head->path);
    x->host = is_absolute ? copy_out(x, head->host) : terminate(x, head->host);
    x->method = terminate(x, head->method_name);
    x->query = terminate(x, head->query);
    if (weft_log_enabled(WEFT_LOG_ACCESS, WEFT_LOG_INFO))
        x->started = weft_now();
    return x->path && x->host ? 0 : -ENOMEM;
}

void wf_http_exchange_end(struct wf_http_exchange *x)
{
    if (x->status && weft_log_enabled(WEFT_LOG_ACCESS, WEFT_LOG_INFO)) {
        int64_t took = x->started ? weft_now() - x->started : 0;
        weft_log(WEFT_LOG_ACCESS, WEFT_LOG_INFO, "%s %s %d %llu %lldus",
                 *x->method ? x->method : "-", *x->path ? x->path : "-", x->status,
                 (unsigned long long)x->sent, (long long)(took / WEFT_MICROSECOND));
    }
    wf_http_server_give_arena(x->server, x->http.arena);
    x->http.arena = NULL;
}

/* --- the request, for handlers --- */

const char *weft_http_method(weft_http *http)
{
    return wf_http_exchange_of(http)->method;
}

const char *weft_http_path(weft_http *http)
{
    return wf_http_exchange_of(http)->path;
}

const char *weft_http_param(weft_http *http, const char *name)
{
    struct wf_http_exchange *x = wf_http_exchange_of(http);
    size_t size = strlen(name);
    for (unsigned i = 0; i < x->param_count; i++)
        if (x->params[i].name.size == size && memcmp(x->params[i].name.data, name, size) == 0)
            return x->params[i].value;
    return NULL;
}

const char *weft_http_query_text(weft_http *http)
{
    return wf_http_exchange_of(http)->query;
}

/* A name or a value of the query, decoded: "+" is a space there. NULL: malformed, no memory. */
static char *decode(weft_arena *arena, const char *text, size_t size)
{
    char *decoded = weft_arena_copy(arena, text, size);
    if (!decoded)
        return NULL;
    for (size_t i = 0; i < size; i++)
        if (decoded[i] == '+')
            decoded[i] = ' ';
    ptrdiff_t end = wf_http1_decode_path(decoded, size, decoded, size);
    if (end < 0)
        return NULL;
    decoded[end] = '\0';
    return decoded;
}

/* Whether the name as it was sent means `name`; most are sent as they are. */
static bool is_named(weft_arena *arena, const char *sent, size_t size, const char *name)
{
    if (!memchr(sent, '%', size) && !memchr(sent, '+', size))
        return strlen(name) == size && memcmp(sent, name, size) == 0;
    const char *decoded = decode(arena, sent, size);
    return decoded && strcmp(decoded, name) == 0;
}

const char *weft_http_query(weft_http *http, const char *name)
{
    for (const char *at = wf_http_exchange_of(http)->query; *at;) {
        size_t size = strcspn(at, "&"), name_size = strcspn(at, "=&");
        if (is_named(http->arena, at, name_size, name)) {
            size_t skip = name_size + (name_size < size);
            return decode(http->arena, at + skip, size - skip);
        }
        at += size + (at[size] == '&');
    }
    return NULL;
}

/* The target's host goes before the header's: who asks for the header gets the one that counts. */
static bool is_host(const struct wf_http_exchange *x, const struct wf_http1_header *header)
{
    return x->parser.head.form == WF_HTTP1_FORM_ABSOLUTE &&
           wf_http1_span_is_nocase(x->head, header->name, "Host");
}

const char *weft_http_host(weft_http *http)
{
    return wf_http_exchange_of(http)->host;
}

const char *weft_http_header(weft_http *http, const char *name)
{
    struct wf_http_exchange *x = wf_http_exchange_of(http);
    const struct wf_http1_header *header = wf_http1_find(&x->parser.head, x->head, name, NULL);
    if (header && is_host(x, header))
        return x->host;
    return header ? terminate(x, header->value) : NULL;
}

bool weft_http_header_at(weft_http *http, size_t index, weft_http_field *field)
{
    struct wf_http_exchange *x = wf_http_exchange_of(http);
    if (index >= x->parser.head.header_count)
        return false;
    const struct wf_http1_header *header = &x->parser.head.headers[index];
    field->value = is_host(x, header) ? x->host : terminate(x, header->value);
    field->name = terminate(x, header->name);
    return true;
}

const char *weft_http_peer(weft_http *http)
{
    return weft_stream_peer(wf_http_exchange_of(http)->stream);
}
