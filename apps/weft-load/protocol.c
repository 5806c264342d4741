#include "protocol.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEADERS_MAX 100
#define BODY_MAX    (64u << 20) /* a longer body is not kept: its length is looked at */
#define WIRE_MAX    (64u << 10) /* a longer answer never arrives whole */
#define ODD_MAX     100
#define FRAMING_MAX (1u << 20)

enum { HEAD, BODY, TRAILERS };

static const struct wf_http1_limits limits = { .line_max = 64u << 10,
                                               .block_max = 256u << 10,
                                               .header_max = HEADERS_MAX };

const char *load_error_name(int error)
{
    static const char *const names[LOAD_ERRORS] = {
        [LOAD_CONNECT] = "connect", [LOAD_RESET] = "reset",         [LOAD_SHORT] = "short",
        [LOAD_TIMEOUT] = "timeout", [LOAD_STATUS] = "status",       [LOAD_LENGTH] = "length",
        [LOAD_BODY] = "body",       [LOAD_MALFORMED] = "malformed", [LOAD_UNSENT] = "unsent",
    };
    return names[error];
}

void load_reader_begin(struct load_reader *reader, bool looks)
{
    reader->state = HEAD;
    reader->looks = looks;
    reader->wrong = LOAD_RIGHT;
    reader->keep_alive = true;
    reader->status = 0;
    reader->detail = reader->length = 0;
    reader->kept_size = 0;
}

void load_reader_free(struct load_reader *reader)
{
    free(reader->kept);
    *reader = (struct load_reader){ 0 };
}

void load_expected_free(struct load_expected *expected)
{
    free(expected->body);
    free(expected->wire);
    *expected = (struct load_expected){ 0 };
}

/* The first thing wrong is what is told. */
static void blame(struct load_reader *reader, enum load_error error, uint64_t detail)
{
    if (reader->wrong != LOAD_RIGHT)
        return;
    reader->wrong = (int8_t)error;
    reader->detail = detail;
}

static enum load_reading broken(struct load_reader *reader)
{
    reader->wrong = LOAD_MALFORMED;
    return LOAD_BROKEN;
}

/* Append to a buffer that doubles. */
static bool append(char **buffer, size_t *size, size_t *room, const char *bytes, size_t len)
{
    if (*size + len > *room) {
        size_t larger = (*size + len) * 2;
        char *moved = realloc(*buffer, larger);
        if (moved == NULL)
            return false;
        *buffer = moved;
        *room = larger;
    }
    memcpy(*buffer + *size, bytes, len);
    *size += len;
    return true;
}

/* --- The body, the same for all protocols. --- */

/* What is too long to keep is kept up to there. */
static bool learn_body(struct load_reader *reader, struct load_expected *expected,
                       const char *bytes, size_t len)
{
    if (reader->length != expected->body_kept || reader->length + len > BODY_MAX)
        return true;
    return append(&expected->body, &expected->body_kept, &expected->body_room, bytes, len);
}

static void compare_body(struct load_reader *reader, const struct load_expected *expected,
                         const char *bytes, size_t len)
{
    uint64_t at = reader->length;
    if (at >= expected->body_kept)
        return;
    if (len > expected->body_kept - at)
        len = (size_t)(expected->body_kept - at);
    if (memcmp(expected->body + at, bytes, len) == 0)
        return;
    size_t same = 0;
    while (expected->body[at + same] == bytes[same])
        same++;
    blame(reader, LOAD_BODY, at + same);
}

static bool take_body(struct load_reader *reader, struct load_expected *expected, const char *bytes,
                      size_t len)
{
    bool good = true;
    if (reader->learns)
        good = learn_body(reader, expected, bytes, len);
    else if (reader->looks && expected->check >= LOAD_CHECK_BODY && reader->wrong == LOAD_RIGHT)
        compare_body(reader, expected, bytes, len);
    reader->length += len;
    return good;
}

/* The answer is whole. Another length says more than where the body differs. */
static enum load_reading done(struct load_reader *reader, const struct load_expected *expected)
{
    if (!reader->learns && expected->check >= LOAD_CHECK_LENGTH &&
        reader->length != expected->length && reader->wrong != LOAD_STATUS) {
        reader->wrong = LOAD_LENGTH;
        reader->detail = reader->length;
    }
    return LOAD_DONE;
}

/* --- HTTP/1.1 --- */

static bool is_wanted(const struct load_reader *reader, const struct load_expected *expected)
{
    if (expected->status_want != 0)
        return reader->status == expected->status_want;
    return reader->status < 400 && (reader->learns || reader->status == expected->status);
}

static void http_head(struct load_reader *reader, struct load_expected *expected,
                      const struct wf_http1_head *head)
{
    reader->status = head->status;
    reader->keep_alive = head->keep_alive;
    if (!is_wanted(reader, expected))
        blame(reader, LOAD_STATUS, head->status);
    wf_http1_body_begin(&reader->body, head);
    if (reader->learns)
        expected->has_chunks = head->framing == WF_HTTP1_FRAMING_CHUNKED;
}

/* Go over a head, or trailers, that may come in pieces: then they are kept, and read again from the
 * start with each. Returns the codec's result. */
static enum wf_http1_result http_block(struct load_reader *reader, struct wf_http1_parser *parser,
                                       const char *bytes, size_t len, size_t *used)
{
    size_t before = reader->kept_size, room = reader->kept_room, size = before;
    if (before > 0 && !append(&reader->kept, &size, &room, bytes, len))
        return WF_HTTP1_REFUSED;
    enum wf_http1_result result = before > 0 ? wf_http1_parse(parser, reader->kept, size)
                                             : wf_http1_parse(parser, bytes, len);
    if (result == WF_HTTP1_MORE && before == 0 &&
        (len > FRAMING_MAX || !append(&reader->kept, &size, &room, bytes, len)))
        return WF_HTTP1_REFUSED;
    *used = result == WF_HTTP1_COMPLETE ? parser->head.size - before : len;
    reader->kept_room = (uint32_t)room;
    reader->kept_size = result == WF_HTTP1_MORE ? (uint32_t)size : 0;
    return result;
}

static enum wf_http1_result http_read_head(struct load_reader *reader,
                                           struct load_expected *expected, const char *bytes,
                                           size_t len, size_t *used)
{
    struct wf_http1_header headers[HEADERS_MAX];
    struct wf_http1_parser parser;
    wf_http1_response_begin(&parser, &limits, headers, expected->to_head);
    enum wf_http1_result result = http_block(reader, &parser, bytes, len, used);
    bool is_interim = result == WF_HTTP1_COMPLETE && parser.head.status < 200;
    if (result != WF_HTTP1_COMPLETE || is_interim) /* after an interim head, another one */
        return result;
    http_head(reader, expected, &parser.head);
    reader->state = BODY;
    return result;
}

static enum wf_http1_result http_read_body(struct load_reader *reader,
                                           struct load_expected *expected, const char *bytes,
                                           size_t len, size_t *used)
{
    struct wf_http1_piece piece = { 0 };
    if (!wf_http1_body_done(&reader->body)) {
        if (wf_http1_body_feed(&reader->body, bytes, len, &piece) == WF_HTTP1_REFUSED)
            return WF_HTTP1_REFUSED;
        if (!take_body(reader, expected, bytes + piece.skip, piece.len))
            return WF_HTTP1_REFUSED;
    }
    *used = piece.skip + piece.len;
    if (!wf_http1_body_done(&reader->body))
        return WF_HTTP1_MORE;
    reader->state = wf_http1_body_has_trailers(&reader->body) ? TRAILERS : HEAD;
    return WF_HTTP1_COMPLETE;
}

static enum wf_http1_result http_read_trailers(struct load_reader *reader, const char *bytes,
                                               size_t len, size_t *used)
{
    struct wf_http1_header headers[HEADERS_MAX];
    struct wf_http1_parser parser;
    wf_http1_response_begin(&parser, &limits, headers, false);
    wf_http1_trailers_begin(&parser, &limits, headers);
    enum wf_http1_result result = http_block(reader, &parser, bytes, len, used);
    if (result == WF_HTTP1_COMPLETE)
        reader->state = HEAD;
    return result;
}

static enum load_reading http_feed(struct load_reader *reader, struct load_expected *expected,
                                   const char *bytes, size_t len, size_t *used)
{
    *used = 0;
    for (;;) {
        size_t piece = 0;
        const char *rest = bytes + *used;
        size_t left = len - *used;
        bool was_head = reader->state == HEAD;
        enum wf_http1_result result =
            was_head                ? http_read_head(reader, expected, rest, left, &piece)
            : reader->state == BODY ? http_read_body(reader, expected, rest, left, &piece)
                                    : http_read_trailers(reader, rest, left, &piece);
        *used += piece;
        if (result == WF_HTTP1_REFUSED)
            return broken(reader);
        if (!was_head && reader->state == HEAD)
            return done(reader, expected);
        /* A head without a body ends at once, with no byte left to say so. */
        bool ends_here = reader->state == BODY && wf_http1_body_done(&reader->body);
        if (*used == len && !ends_here)
            return LOAD_MORE;
    }
}

static bool http_end(struct load_reader *reader, const struct load_expected *expected)
{
    if (reader->state != BODY || !wf_http1_body_ends_here(&reader->body))
        return false;
    done(reader, expected);
    return true;
}

static void find_hole(struct load_expected *expected, const struct wf_http1_head *head)
{
    for (uint32_t i = 0; i < head->header_count; i++) {
        struct wf_http1_span name = head->headers[i].name, value = head->headers[i].value;
        if (name.len == 4 && strncasecmp(expected->wire + name.offset, "date", 4) == 0) {
            expected->hole = value.offset;
            expected->hole_size = value.len;
        }
    }
}

static void http_learn(struct load_expected *expected, const struct load_reader *reader,
                       const char *wire, size_t size)
{
    struct wf_http1_header headers[HEADERS_MAX];
    struct wf_http1_parser parser;
    expected->status = reader->status;
    expected->keep_alive = reader->keep_alive;
    expected->length = reader->length;
    wf_http1_response_begin(&parser, &limits, headers, expected->to_head);
    if (reader->wrong != LOAD_RIGHT || wire == NULL || size > WIRE_MAX ||
        wf_http1_parse(&parser, wire, size) != WF_HTTP1_COMPLETE || parser.head.status < 200 ||
        parser.head.framing == WF_HTTP1_FRAMING_UNTIL_CLOSE)
        return;
    expected->wire = malloc(size);
    if (expected->wire == NULL)
        return;
    memcpy(expected->wire, wire, size);
    expected->wire_size = size;
    expected->head_size = parser.head.size;
    find_hole(expected, &parser.head);
}

/* --- Echo: what was sent comes back. --- */

static enum load_reading echo_feed(struct load_reader *reader, struct load_expected *expected,
                                   const char *bytes, size_t len, size_t *used)
{
    uint64_t left = expected->length - reader->length;
    *used = len < left ? len : (size_t)left;
    take_body(reader, expected, bytes, *used);
    return reader->length == expected->length ? LOAD_DONE : LOAD_MORE;
}

static bool echo_end(struct load_reader *reader, const struct load_expected *expected)
{
    (void)reader;
    (void)expected;
    return false;
}

/* Its answer is known before. */
static void echo_learn(struct load_expected *expected, const struct load_reader *reader,
                       const char *wire, size_t size)
{
    (void)expected;
    (void)reader;
    (void)wire;
    (void)size;
}

/* --- */

static bool is_learned_head(const struct load_expected *expected, const char *bytes, size_t len)
{
    size_t behind = expected->hole + expected->hole_size;
    return memcmp(bytes, expected->wire, expected->hole) == 0 &&
           memcmp(bytes + behind, expected->wire + behind, len - behind) == 0;
}

size_t load_quick(struct load_expected *expected, const char *bytes, size_t len, bool looks)
{
    size_t size = expected->wire_size;
    if (expected->wire == NULL || len < size || expected->odd >= ODD_MAX)
        return 0;
    bool all = looks || expected->has_chunks;
    if (!is_learned_head(expected, bytes, all ? size : expected->head_size)) {
        expected->odd++; /* where no two answers are the same, it only costs */
        return 0;
    }
    expected->odd = 0;
    return size;
}

static const struct load_protocol protocols[] = {
    { "http", "80", http_feed, http_end, http_learn },
    { "echo", NULL, echo_feed, echo_end, echo_learn },
};

const struct load_protocol *load_protocol_find(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++)
        if (strlen(protocols[i].name) == len && strncmp(protocols[i].name, name, len) == 0)
            return &protocols[i];
    return NULL;
}

void load_reader_tell(const struct load_reader *reader, const struct load_expected *expected,
                      char *text, size_t size)
{
    uint64_t detail = reader->detail;
    int status = expected->status_want != 0 ? expected->status_want : expected->status;
    switch (reader->wrong) {
    case LOAD_STATUS:
        if (status == (int)detail)
            snprintf(text, size, "status %d", (int)detail);
        else
            snprintf(text, size, "status %d instead of %d", (int)detail, status);
        break;
    case LOAD_LENGTH:
        snprintf(text, size, "a body of %" PRIu64 " bytes instead of %" PRIu64, detail,
                 expected->length);
        break;
    case LOAD_BODY:
        snprintf(text, size, "the body differs at byte %" PRIu64 " of %" PRIu64, detail,
                 expected->length);
        break;
    default:
        snprintf(text, size, "bytes that are no answer");
    }
}
