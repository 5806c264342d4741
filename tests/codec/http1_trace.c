/* See http1_trace.h. The player is a connection in miniature: a window of unconsumed bytes, which
 * half of a message it is in, and the loop that alternates between head and body. */

#include "http1_trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROMISE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #condition);        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

enum phase { PHASE_HEAD, PHASE_BODY, PHASE_TRAILERS, PHASE_OVER };

struct player {
    const struct http1_feeding *feeding;
    struct http1_trace *trace;
    struct wf_http1_parser parser;
    struct wf_http1_body body;
    struct wf_http1_header *headers;
    char *window; /* exactly the unconsumed bytes */
    size_t len;
    size_t used; /* of the window, by what was consumed since the last feed */
    enum phase phase;
};

/* --- the text --- */

static void say_bytes(struct http1_trace *trace, const char *bytes, size_t len)
{
    if (trace->len + len + 1 > trace->size) {
        trace->size = (trace->len + len + 1) * 2;
        trace->text = realloc(trace->text, trace->size);
        PROMISE(trace->text);
    }
    memcpy(trace->text + trace->len, bytes, len);
    trace->len += len;
    trace->text[trace->len] = '\0';
}

__attribute__((format(printf, 2, 3))) static void say(struct http1_trace *trace, const char *format,
                                                      ...)
{
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    PROMISE(len >= 0 && (size_t)len < sizeof(line));
    say_bytes(trace, line, (size_t)len);
}

static void say_span(struct player *player, const char *before, struct wf_http1_span span)
{
    const struct wf_http1_head *head = &player->parser.head;
    PROMISE(span.offset <= head->size && span.len <= head->size - span.offset);
    say(player->trace, "%s", before);
    say_bytes(player->trace, player->window + player->used + span.offset, span.len);
}

/* --- heads --- */

static void say_headers(struct player *player)
{
    const struct wf_http1_head *head = &player->parser.head;
    uint32_t previous_end = 0;
    PROMISE(head->header_count <= player->feeding->limits.header_max);
    for (uint32_t i = 0; i < head->header_count; i++) {
        const struct wf_http1_header *header = &head->headers[i];
        PROMISE(header->name.len > 0);
        PROMISE(i == 0 || header->name.offset > previous_end);
        PROMISE(header->value.offset > header->name.offset + header->name.len);
        previous_end = header->value.offset + header->value.len;
        say_span(player, i ? "|" : " [", header->name);
        say_span(player, "=", header->value);
    }
    say(player->trace, head->header_count ? "]" : " []");
}

static void say_refusal(struct player *player, unsigned status, const char *why)
{
    PROMISE(status >= 400 && why);
    say(player->trace, "%u %s\n", status, why);
    player->phase = PHASE_OVER;
}

static bool is_within(struct wf_http1_span inner, struct wf_http1_span outer)
{
    return inner.offset >= outer.offset && inner.offset + inner.len <= outer.offset + outer.len;
}

static void say_request(struct player *player)
{
    static const char forms[] = "oac*";
    const struct wf_http1_head *head = &player->parser.head;
    PROMISE(head->method_name.len > 0 && head->target.len > 0);
    PROMISE(head->form == WF_HTTP1_FORM_AUTHORITY ? head->path.len == 0
                                                  : is_within(head->path, head->target));
    PROMISE(head->framing != WF_HTTP1_FRAMING_UNTIL_CLOSE);
    say_span(player, "", head->method_name);
    say(player->trace, " %c", forms[head->form]);
    say_span(player, " ", head->path);
    if (head->query.offset) {
        PROMISE(is_within(head->query, head->target));
        say_span(player, " ?", head->query);
    }
    say_span(player, " @", head->host);
}

static void say_head(struct player *player)
{
    static const char *const openings[] = { " -\n", " {", " (", " <" };
    const struct wf_http1_head *head = &player->parser.head;
    PROMISE(head->size > 0 && head->size <= player->len - player->used);
    PROMISE(!head->has_length || head->content_length <= INT64_MAX);
    PROMISE(head->framing != WF_HTTP1_FRAMING_LENGTH || head->has_length);
    PROMISE(head->framing != WF_HTTP1_FRAMING_UNTIL_CLOSE || !head->keep_alive);
    if (player->feeding->is_response) {
        say(player->trace, "%u", head->status);
        say_span(player, " \"", head->reason);
        say(player->trace, "\"");
    } else {
        say_request(player);
    }
    say(player->trace, " 1.%u %s", head->version_minor, head->keep_alive ? "keep" : "close");
    say_headers(player);
    say(player->trace, "%s", openings[head->framing]);
}

/* --- playing --- */

static void begin(struct player *player)
{
    const struct http1_feeding *feeding = player->feeding;
    if (feeding->is_response)
        wf_http1_response_begin(&player->parser, &feeding->limits, player->headers,
                                feeding->to_head);
    else
        wf_http1_request_begin(&player->parser, &feeding->limits, player->headers);
    player->phase = PHASE_HEAD;
}

static void end_message(struct player *player)
{
    if (player->body.framing == WF_HTTP1_FRAMING_LENGTH)
        say(player->trace, "}\n");
    begin(player);
}

/* Returns whether there may be more to do without more bytes. */
static bool play_head(struct player *player)
{
    const char *window = player->window + player->used;
    enum wf_http1_result result =
        wf_http1_parse(&player->parser, window, player->len - player->used);
    if (result == WF_HTTP1_MORE)
        return false;
    PROMISE(result == wf_http1_parse(&player->parser, window, player->len - player->used));
    if (result == WF_HTTP1_REFUSED) {
        say_refusal(player, player->parser.status, player->parser.why);
        return false;
    }
    say_head(player);
    player->used += player->parser.head.size;
    wf_http1_body_begin(&player->body, &player->parser.head);
    player->phase = PHASE_BODY;
    if (wf_http1_body_done(&player->body))
        end_message(player);
    return true;
}

static void end_body(struct player *player)
{
    const struct http1_feeding *feeding = player->feeding;
    if (!wf_http1_body_has_trailers(&player->body)) {
        end_message(player);
        return;
    }
    say(player->trace, ")");
    wf_http1_trailers_begin(&player->parser, &feeding->limits, player->headers);
    player->phase = PHASE_TRAILERS;
}

static void refuse_body(struct player *player)
{
    say(player->trace, "\n");
    say_refusal(player, player->feeding->is_response ? 502 : 400, player->body.why);
}

static bool play_body(struct player *player)
{
    struct wf_http1_piece piece;
    const char *window = player->window + player->used;
    size_t len = player->len - player->used;
    enum wf_http1_result result = wf_http1_body_feed(&player->body, window, len, &piece);
    PROMISE(piece.skip + piece.len <= len);
    PROMISE(result != WF_HTTP1_REFUSED || piece.len == 0);
    PROMISE((result == WF_HTTP1_COMPLETE) == wf_http1_body_done(&player->body));
    say_bytes(player->trace, window + piece.skip, piece.len);
    player->used += piece.skip + piece.len;
    if (result == WF_HTTP1_COMPLETE)
        end_body(player);
    else if (result == WF_HTTP1_REFUSED)
        refuse_body(player);
    return result == WF_HTTP1_COMPLETE || (result == WF_HTTP1_MORE && piece.skip + piece.len < len);
}

static bool play_trailers(struct player *player)
{
    const char *window = player->window + player->used;
    enum wf_http1_result result =
        wf_http1_parse(&player->parser, window, player->len - player->used);
    if (result == WF_HTTP1_MORE)
        return false;
    if (result == WF_HTTP1_REFUSED) {
        say(player->trace, "\n");
        say_refusal(player, player->parser.status, player->parser.why);
        return false;
    }
    if (player->parser.head.header_count > 0)
        say_headers(player);
    say(player->trace, "\n");
    player->used += player->parser.head.size;
    end_message(player);
    return true;
}

static bool play(struct player *player)
{
    switch (player->phase) {
    case PHASE_HEAD:
        return play_head(player);
    case PHASE_BODY:
        return play_body(player);
    case PHASE_TRAILERS:
        return play_trailers(player);
    default:
        return false;
    }
}

/* Move what is left to a new place and put the bytes [from, to) of the input behind it. */
static void feed(struct player *player, size_t from, size_t to)
{
    size_t left = player->len - player->used;
    char *window = malloc(left + (to - from));
    PROMISE(window || left + (to - from) == 0);
    if (left)
        memcpy(window, player->window + player->used, left);
    if (to > from)
        memcpy(window + left, player->feeding->bytes + from, to - from);
    free(player->window);
    player->window = window;
    player->len = left + (to - from);
    player->used = 0;
    while (play(player))
        ;
}

static void close_input(struct player *player)
{
    if (player->phase == PHASE_HEAD)
        say(player->trace, player->len == player->used ? "idle\n" : "cut\n");
    else if (player->phase == PHASE_TRAILERS)
        say(player->trace, "\ncut\n");
    else if (player->phase == PHASE_BODY && wf_http1_body_ends_here(&player->body))
        say(player->trace, ">\nidle\n");
    else if (player->phase == PHASE_BODY)
        say(player->trace, "\ncut\n");
}

void http1_trace_play(struct http1_trace *trace, const struct http1_feeding *feeding)
{
    struct player player = { .feeding = feeding, .trace = trace };
    size_t fed = 0, count = feeding->byte_by_byte ? feeding->len : feeding->cut_count;
    player.headers = malloc(sizeof(*player.headers) * feeding->limits.header_max);
    PROMISE(player.headers || feeding->limits.header_max == 0);
    trace->len = 0;
    say_bytes(trace, "", 0);
    begin(&player);
    for (size_t i = 0; i < count && player.phase != PHASE_OVER; i++) {
        size_t cut = feeding->byte_by_byte ? i : feeding->cuts[i];
        feed(&player, fed, cut);
        fed = cut;
    }
    feed(&player, fed, feeding->len);
    close_input(&player);
    free(player.window);
    free(player.headers);
}

bool http1_trace_same(const struct http1_trace *one, const struct http1_trace *other)
{
    return one->len == other->len && memcmp(one->text, other->text, one->len) == 0;
}

void http1_trace_finish(struct http1_trace *trace)
{
    free(trace->text);
    *trace = (struct http1_trace){ 0 };
}
