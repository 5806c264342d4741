/* HTTP/1.1, by the library's codec.
 *
 *     state      looks at                     then
 *     HEAD       a head; again after a 1xx    BODY, or done
 *     BODY       a length, chunks, the rest   done, TRAILERS
 *     TRAILERS   lines, and an empty one      done
 *
 * Servers say the same head over and over, but for its date. So the head that was parsed last is
 * remembered with what it meant, and equal bytes are not parsed again: the usual answer costs two
 * comparisons, of its head here and of its body in the engine. */

#include "target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEAD_MAX (64u << 10) /* of a request */

enum { STATE_HEAD, STATE_BODY, STATE_TRAILERS };

static const struct wf_http1_limits limits = WF_HTTP1_LIMITS_DEFAULT;
static struct wf_http1_header headers[100]; /* looked at before the next head is parsed */

/* --- Requests. --- */

static bool is_named(const char *header, const char *name)
{
    size_t size = strlen(name);
    return strncasecmp(header, name, size) == 0 && header[size] == ':';
}

static struct wf_http1_field divide(const char *header)
{
    const char *colon = strchr(header, ':'), *value = colon + 1;
    while (*value == ' ' || *value == '\t')
        value++;
    return (struct wf_http1_field){ header, (size_t)(colon - header), value, strlen(value) };
}

/* Write the head into the window; its size, or negative. */
static ptrdiff_t write_head(char *window, size_t size, const char *authority, const char *path,
                            const struct request_options *options)
{
    struct wf_http1_field fields[100];
    size_t count = 0;
    const char *host = authority;
    char target[2048];
    for (int i = 0; i < options->header_count; i++) {
        const char *header = options->headers[i];
        if (strchr(header, ':') == NULL || count == sizeof fields / sizeof *fields)
            return -EINVAL;
        if (is_named(header, "Host"))
            host = divide(header).value;
        else
            fields[count++] = divide(header);
    }
    int written = snprintf(target, sizeof target, "%s%.*s", path[0] == '/' ? "" : "/",
                           (int)strcspn(path, "#"), path);
    if (written >= (int)sizeof target)
        return -EINVAL;
    struct wf_http1_request_out head = {
        .method = options->method ? options->method
                  : options->body ? "POST"
                                  : "GET",
        .target = target,
        .host = host,
        .connection = options->close ? WF_HTTP1_CONNECTION_CLOSE : WF_HTTP1_CONNECTION_UNSAID,
        .content_length = options->body ? (int64_t)options->body_size : WF_HTTP1_LENGTH_UNSAID,
        .fields = fields,
        .field_count = count,
    };
    return wf_http1_write_request(window, size, &head);
}

static int render(struct target *target, const char *authority, const char *path,
                  const struct request_options *options)
{
    /* On the heap: tasks come here too, whose stacks are no larger. */
    char *request = malloc(HEAD_MAX + options->body_size);
    if (request == NULL)
        return -ENOMEM;
    ptrdiff_t size = write_head(request, HEAD_MAX, authority, path, options);
    if (size < 0) {
        free(request);
        return -EINVAL;
    }
    if (options->body_size > 0)
        memcpy(request + size, options->body, options->body_size);
    target->request_size = (size_t)size + options->body_size;
    target->request = realloc(request, target->request_size);
    if (target->request == NULL) {
        free(request);
        return -ENOMEM;
    }
    target->to_head = options->method != NULL && strcmp(options->method, "HEAD") == 0;
    return 0;
}

/* --- Answers. --- */

static ssize_t malformed(struct reading *reading, const char *why)
{
    reading->why = why;
    return -EPROTO;
}

static void begin_body(struct reading *reading, int status, bool closes,
                       const struct wf_http1_body *body)
{
    reading->status = status;
    reading->closes = closes;
    reading->begun = true;
    reading->body = *body;
    reading->done = wf_http1_body_done(body) && !wf_http1_body_has_trailers(body);
    reading->state = STATE_BODY;
}

static void remember(struct head_memo *memo, const char *window, const struct reading *reading,
                     size_t size)
{
    if (size > sizeof memo->bytes)
        return;
    memo->size = size;
    memo->status = reading->status;
    memo->closes = reading->closes;
    memo->body = reading->body;
    memcpy(memo->bytes, window, size);
}

static ssize_t parse_head(struct reading *reading, struct target *target, const char *window,
                          size_t size)
{
    struct wf_http1_parser parser;
    struct wf_http1_body body;
    wf_http1_response_begin(&parser, &limits, headers, target->to_head);
    enum wf_http1_result result = wf_http1_parse(&parser, window, size);
    if (result != WF_HTTP1_COMPLETE)
        return result == WF_HTTP1_MORE ? 0 : malformed(reading, parser.why);
    if (parser.head.status == 101)
        return malformed(reading, "another protocol");
    if (parser.head.status >= 200) {
        wf_http1_body_begin(&body, &parser.head);
        begin_body(reading, parser.head.status, !parser.head.keep_alive, &body);
        remember(&target->memo, window, reading, parser.head.size);
    }
    return parser.head.size;
}

static ssize_t read_body(struct reading *reading, const char *window, size_t size)
{
    struct wf_http1_piece piece;
    if (wf_http1_body_feed(&reading->body, window, size, &piece) == WF_HTTP1_REFUSED)
        return malformed(reading, reading->body.why);
    reading->piece = window + piece.skip;
    reading->piece_size = piece.len;
    if (wf_http1_body_has_trailers(&reading->body))
        reading->state = STATE_TRAILERS;
    else
        reading->done = wf_http1_body_done(&reading->body);
    return (ssize_t)(piece.skip + piece.len);
}

static ssize_t read_head(struct reading *reading, struct target *target, const char *window,
                         size_t size)
{
    const struct head_memo *memo = &target->memo;
    size_t head = memo->size;
    if (head == 0 || size < head || memcmp(window, memo->bytes, head) != 0)
        return parse_head(reading, target, window, size);
    begin_body(reading, memo->status, memo->closes, &memo->body);
    /* What most answers are: a length, and all of it here. */
    if (!reading->done && memo->body.framing == WF_HTTP1_FRAMING_LENGTH &&
        size - head >= memo->body.remaining) {
        reading->piece = window + head;
        reading->piece_size = (size_t)memo->body.remaining;
        reading->done = true;
        return (ssize_t)(head + reading->piece_size);
    }
    return (ssize_t)head;
}

static ssize_t read_trailers(struct reading *reading, const char *window, size_t size)
{
    struct wf_http1_parser parser;
    wf_http1_response_begin(&parser, &limits, headers, false);
    wf_http1_trailers_begin(&parser, &limits, headers);
    enum wf_http1_result result = wf_http1_parse(&parser, window, size);
    if (result == WF_HTTP1_REFUSED)
        return malformed(reading, parser.why);
    reading->done = result == WF_HTTP1_COMPLETE;
    return reading->done ? (ssize_t)parser.head.size : 0;
}

static ssize_t read_answer(struct reading *reading, struct target *target, const char *window,
                           size_t size)
{
    switch (reading->state) {
    case STATE_HEAD:
        return read_head(reading, target, window, size);
    case STATE_BODY:
        return read_body(reading, window, size);
    default:
        return read_trailers(reading, window, size);
    }
}

static bool ends_here(const struct reading *reading)
{
    return reading->begun && reading->state == STATE_BODY &&
           wf_http1_body_ends_here(&reading->body);
}

/* A 408: nothing was asked for too long, on a connection that was opened in advance. */
static bool is_farewell(const char *window, size_t size)
{
    return size >= 12 && memcmp(window, "HTTP/1.", 7) == 0 && memcmp(window + 8, " 408", 4) == 0;
}

const struct protocol http_protocol = {
    "http", "80", render, read_answer, ends_here, is_farewell,
};
