/* What a head means: methods, forms of target, the four headers that decide how a message is framed
 * and whose it is, and from them the framing.
 *
 *     request    Transfer-Encoding and Content-Length      400   two readers, two lengths
 *                Transfer-Encoding, but not in 1.1         400   not all know it there
 *                Transfer-Encoding: chunked                CHUNKED
 *                others before chunked                     501
 *                others, which end nobody knows where      400
 *                Content-Length                            LENGTH
 *                neither                                   NONE
 *
 *     response   Transfer-Encoding and Content-Length      502
 *                Transfer-Encoding, but not in 1.1         502
 *                1xx, 204, and all that answer HEAD, 304   NONE (1xx and 204 may not be coded)
 *                Transfer-Encoding: chunked                CHUNKED
 *                others                                    501
 *                Content-Length                            LENGTH
 *                neither                                   UNTIL_CLOSE
 *
 * Content-Length, Transfer-Encoding and Host may come once, and never as a trailer. A second one,
 * even an equal one, is what a smuggler adds: refused. */

#include "codec/http1_inside.h"

#include "base/compiler.h"

#include <string.h>

void wf_http1_note_method(struct wf_http1_parser *parser, const char *window)
{
    static const char *const names[] = {
        [WF_HTTP1_METHOD_HEAD] = "HEAD",       [WF_HTTP1_METHOD_POST] = "POST",
        [WF_HTTP1_METHOD_PUT] = "PUT",         [WF_HTTP1_METHOD_DELETE] = "DELETE",
        [WF_HTTP1_METHOD_OPTIONS] = "OPTIONS", [WF_HTTP1_METHOD_PATCH] = "PATCH",
        [WF_HTTP1_METHOD_TRACE] = "TRACE",     [WF_HTTP1_METHOD_CONNECT] = "CONNECT",
    };
    struct wf_http1_span name = parser->head.method_name;
    if (name.len == 3 && memcmp(window + name.offset, "GET", 3) == 0) { /* nearly always */
        parser->head.method = WF_HTTP1_METHOD_GET;
        return;
    }
    for (uint8_t method = WF_HTTP1_METHOD_HEAD; method <= WF_HTTP1_METHOD_CONNECT; method++)
        if (wf_http1_span_is(window, name, names[method])) {
            parser->head.method = method;
            return;
        }
}

/* --- the target --- */

/* path ["?" query] from `from` to the target's end. */
static void split_path(struct wf_http1_head *head, const char *window, uint32_t from)
{
    uint32_t end = head->target.offset + head->target.len;
    const char *mark = memchr(window + from, '?', end - from);
    uint32_t path_end = mark ? (uint32_t)(mark - window) : end;
    head->path = (struct wf_http1_span){ from, path_end - from };
    if (mark)
        head->query = (struct wf_http1_span){ path_end + 1, end - path_end - 1 };
}

static void split_authority(struct wf_http1_parser *parser, const char *window)
{
    struct wf_http1_head *head = &parser->head;
    size_t port_len;
    head->form = WF_HTTP1_FORM_AUTHORITY;
    head->host = head->target;
    if (!wf_http1_is_authority(window + head->host.offset, head->host.len, &port_len) ||
        port_len == 0)
        wf_http1_refuse(parser, 400, "CONNECT without host and port");
}

/* The length of "http://" or "https://" at the target's start, or 0. */
static uint32_t scheme_len(const char *target, uint32_t len)
{
    if (len >= 7 && wf_http1_same_nocase(target, 7, "http://", 7))
        return 7;
    return len >= 8 && wf_http1_same_nocase(target, 8, "https://", 8) ? 8 : 0;
}

/* An absolute form without a path means "/", and lends it from its own "//". */
static void split_absolute(struct wf_http1_parser *parser, const char *window)
{
    struct wf_http1_head *head = &parser->head;
    uint32_t end = head->target.offset + head->target.len;
    uint32_t scheme = scheme_len(window + head->target.offset, head->target.len);
    if (scheme == 0) {
        wf_http1_refuse(parser, 400, "malformed request target");
        return;
    }
    uint32_t from = head->target.offset + scheme, at = from;
    while (at < end && window[at] != '/' && window[at] != '?')
        at++;
    size_t port_len;
    if (!wf_http1_is_authority(window + from, at - from, &port_len)) {
        wf_http1_refuse(parser, 400, "malformed host in the target");
        return;
    }
    head->form = WF_HTTP1_FORM_ABSOLUTE;
    head->host = (struct wf_http1_span){ from, at - from };
    split_path(head, window, at);
    if (head->path.len == 0)
        head->path = (struct wf_http1_span){ from - 1, 1 };
}

void wf_http1_note_target(struct wf_http1_parser *parser, const char *window)
{
    struct wf_http1_head *head = &parser->head;
    parser->examined += head->target.len;
    if (head->method == WF_HTTP1_METHOD_CONNECT) {
        split_authority(parser, window);
    } else if (window[head->target.offset] == '/') {
        split_path(head, window, head->target.offset);
    } else if (!wf_http1_span_is(window, head->target, "*")) {
        split_absolute(parser, window);
    } else if (head->method == WF_HTTP1_METHOD_OPTIONS) {
        head->form = WF_HTTP1_FORM_ASTERISK;
        head->path = head->target;
    } else {
        wf_http1_refuse(parser, 400, "asterisk as the target of another method than OPTIONS");
    }
}

/* --- headers that matter to everybody --- */

static void note_host(struct wf_http1_parser *parser, const char *window, struct wf_http1_span host)
{
    size_t port_len;
    bool from_target =
        parser->head.form == WF_HTTP1_FORM_ABSOLUTE || parser->head.form == WF_HTTP1_FORM_AUTHORITY;
    if (parser->has_host)
        wf_http1_refuse(parser, 400, "more than one Host");
    else if (host.len > 0 && !wf_http1_is_authority(window + host.offset, host.len, &port_len))
        wf_http1_refuse(parser, 400, "malformed Host");
    else if (!from_target)
        parser->head.host = host;
    parser->has_host = true;
}

static void note_length(struct wf_http1_parser *parser, const char *text, size_t len)
{
    if (parser->head.has_length)
        wf_http1_refuse(parser, 400, "more than one Content-Length");
    else if (!wf_http1_parse_length(text, len, &parser->head.content_length))
        wf_http1_refuse(parser, 400, "malformed Content-Length");
    parser->head.has_length = true;
}

enum { CODING_NONE, CODING_CHUNKED, CODING_OTHERS_CHUNKED, CODING_OTHERS };

/* Whether chunked is the last coding of the list and nowhere else in it. */
static bool ends_chunked(const char *text, size_t len)
{
    const char *comma = memrchr(text, ',', len);
    size_t before = comma ? (size_t)(comma - text) : 0;
    return comma && !wf_http1_list_has(text, before, "chunked") &&
           wf_http1_list_has(comma, len - before, "chunked");
}

static void note_coding(struct wf_http1_parser *parser, const char *text, size_t len)
{
    if (parser->coding != CODING_NONE)
        wf_http1_refuse(parser, 400, "more than one Transfer-Encoding");
    else if (wf_http1_same_nocase(text, len, "chunked", 7))
        parser->coding = CODING_CHUNKED;
    else
        parser->coding = ends_chunked(text, len) ? CODING_OTHERS_CHUNKED : CODING_OTHERS;
}

static void note_connection(struct wf_http1_parser *parser, const char *text, size_t len)
{
    parser->says_close |= wf_http1_list_has(text, len, "close");
    parser->says_keep_alive |= wf_http1_list_has(text, len, "keep-alive");
}

enum known { KNOWN_NONE, KNOWN_HOST, KNOWN_CONNECTION, KNOWN_LENGTH, KNOWN_CODING };

/* The length of the name sorts out nearly all others without a comparison. */
static enum known recognise(const char *window, struct wf_http1_span name)
{
    static const struct {
        const char *name;
        enum known known;
    } of_len[] = {
        [4] = { "host", KNOWN_HOST },
        [10] = { "connection", KNOWN_CONNECTION },
        [14] = { "content-length", KNOWN_LENGTH },
        [17] = { "transfer-encoding", KNOWN_CODING },
    };
    if (name.len >= WF_ARRAY_SIZE(of_len) || !of_len[name.len].name)
        return KNOWN_NONE;
    bool is_same =
        wf_http1_same_nocase(window + name.offset, name.len, of_len[name.len].name, name.len);
    return is_same ? of_len[name.len].known : KNOWN_NONE;
}

void wf_http1_note_header(struct wf_http1_parser *parser, const char *window,
                          const struct wf_http1_header *header)
{
    enum known known = recognise(window, header->name);
    if (known == KNOWN_NONE)
        return;
    parser->examined += header->name.len + header->value.len;
    if (parser->is_trailers)
        wf_http1_refuse(parser, 400, "a header that may not be a trailer");
    else if (known == KNOWN_HOST && !parser->is_response)
        note_host(parser, window, header->value);
    else if (known == KNOWN_CONNECTION)
        note_connection(parser, window + header->value.offset, header->value.len);
    else if (known == KNOWN_LENGTH)
        note_length(parser, window + header->value.offset, header->value.len);
    else if (known == KNOWN_CODING)
        note_coding(parser, window + header->value.offset, header->value.len);
}

/* --- the end of the head --- */

static bool is_bodyless(const struct wf_http1_parser *parser)
{
    unsigned status = parser->head.status;
    return status < 200 || status == 204 || status == 304 || parser->to_head;
}

static void frame_response(struct wf_http1_parser *parser)
{
    struct wf_http1_head *head = &parser->head;
    if (is_bodyless(parser)) {
        if (parser->coding && (head->status < 200 || head->status == 204))
            wf_http1_refuse(parser, 400, "Transfer-Encoding where no body may be");
    } else if (parser->coding == CODING_CHUNKED) {
        head->framing = WF_HTTP1_FRAMING_CHUNKED;
    } else if (parser->coding) {
        wf_http1_refuse(parser, 501, "a transfer coding that is not chunked");
    } else if (head->has_length) {
        head->framing = WF_HTTP1_FRAMING_LENGTH;
    } else {
        head->framing = WF_HTTP1_FRAMING_UNTIL_CLOSE;
        head->keep_alive = false;
    }
}

static void frame_request(struct wf_http1_parser *parser)
{
    if (!parser->has_host && parser->head.version_minor > 0)
        wf_http1_refuse(parser, 400, "no Host");
    else if (parser->coding == CODING_CHUNKED)
        parser->head.framing = WF_HTTP1_FRAMING_CHUNKED;
    else if (parser->coding == CODING_OTHERS_CHUNKED)
        wf_http1_refuse(parser, 501, "a transfer coding besides chunked");
    else if (parser->coding)
        wf_http1_refuse(parser, 400, "a transfer coding that does not end the body");
    else if (parser->head.has_length)
        parser->head.framing = WF_HTTP1_FRAMING_LENGTH;
}

void wf_http1_note_end(struct wf_http1_parser *parser)
{
    struct wf_http1_head *head = &parser->head;
    if (parser->is_trailers)
        return;
    head->keep_alive = !parser->says_close && (head->version_minor > 0 || parser->says_keep_alive);
    if (parser->coding && head->has_length)
        wf_http1_refuse(parser, 400, "Transfer-Encoding and Content-Length");
    else if (parser->coding && !parser->is_11)
        wf_http1_refuse(parser, 400, "Transfer-Encoding in another version than 1.1");
    else if (parser->is_response)
        frame_response(parser);
    else
        frame_request(parser);
}

const struct wf_http1_header *wf_http1_find(const struct wf_http1_head *head, const char *window,
                                            const char *name,
                                            const struct wf_http1_header *previous)
{
    const struct wf_http1_header *end = head->headers + head->header_count;
    size_t len = strlen(name);
    for (const struct wf_http1_header *at = previous ? previous + 1 : head->headers; at < end; at++)
        if (wf_http1_same_nocase(window + at->name.offset, at->name.len, name, len))
            return at;
    return NULL;
}
