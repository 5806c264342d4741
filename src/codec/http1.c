/* The parser of heads: one pass over the bytes, in states.
 *
 *     request   START  METHOD  TARGET  VERSION  LINE_CR  LINE_LF  -> headers
 *     response                 VERSION  STATUS  REASON_START  REASON  LINE_LF  -> headers
 *
 *     state         eats                        then
 *     START         one CR, or a request line   START_LF, or NAME_START; METHOD: a line that is
 *                                               cut, has a fault, or is of another version than 1.1
 *     START_LF      LF                          METHOD
 *     METHOD        token, SP                   TARGET
 *     TARGET        visible bytes, SP           VERSION
 *     VERSION       "HTTP/" digit "." digit     LINE_CR, in a response STATUS
 *     STATUS        SP, three digits            REASON_START
 *     REASON_START  SP, or a CR at once         REASON, or LINE_LF
 *     REASON        text, CR                    LINE_LF
 *     LINE_CR       CR                          LINE_LF
 *     LINE_LF       LF                          NAME_START: the section changes, and its limit
 *     NAME_START    whole lines, then a CR      END_LF, or NAME: a line that is cut or has a fault
 *     NAME          token, colon                VALUE_START
 *     VALUE_START   blanks                      VALUE
 *     VALUE         text, CR                    VALUE_LF
 *     VALUE_LF      LF                          NAME_START: the header is noted
 *     END_LF        LF                          COMPLETE
 *     any           anything else               REFUSED
 *
 * A step eats what it can of its own part and either moves on, refuses, or has used up the bytes it
 * was shown. It is shown nothing beyond the section's limit, and whoever stands at the limit with
 * the section open is refused there: so the limits strike at the same byte however the bytes were
 * cut. What the parts mean (lengths, hosts, forms) is http1_head.c's.
 *
 * Each byte is scanned once; known headers, the target and trailing blanks are read once more. So
 * are the names of header lines that came whole, and of a line that did not what had come by then:
 * `examined` leaves these out, to be the same however the bytes were cut. */

#include "codec/http1_inside.h"

#include "base/compiler.h"

#include <string.h>

enum {
    STATE_START,
    STATE_START_LF,
    STATE_METHOD,
    STATE_TARGET,
    STATE_VERSION,
    STATE_STATUS,
    STATE_REASON_START,
    STATE_REASON,
    STATE_LINE_CR,
    STATE_LINE_LF,
    STATE_NAME_START,
    STATE_NAME,
    STATE_VALUE_START,
    STATE_VALUE,
    STATE_VALUE_LF,
    STATE_END_LF,
    STATE_COMPLETE,
    STATE_REFUSED,
};

/* --- small motions --- */

void wf_http1_refuse(struct wf_http1_parser *parser, uint16_t status, const char *why)
{
    if (parser->is_response && (status == 400 || status == 505))
        status = 502;
    else if (parser->is_response && status == 414)
        status = 431;
    parser->status = status;
    parser->why = why;
    parser->state = STATE_REFUSED;
}

static void enter(struct wf_http1_parser *parser, uint8_t state)
{
    parser->mark = parser->scanned;
    parser->state = state;
}

/* Eat one byte and move on. */
static void pass(struct wf_http1_parser *parser, uint8_t state)
{
    parser->scanned++;
    parser->examined++;
    enter(parser, state);
}

static void eat_to(struct wf_http1_parser *parser, uint32_t stop)
{
    parser->examined += stop - parser->scanned;
    parser->scanned = stop;
}

/* Eat the run of a class. Returns whether a byte behind it is there to decide by. */
static bool eat(struct wf_http1_parser *parser, const char *window, uint32_t end, int class)
{
    eat_to(parser, wf_http1_run(window, parser->scanned, end, class));
    return parser->scanned < end;
}

static struct wf_http1_span since_mark(const struct wf_http1_parser *parser)
{
    return (struct wf_http1_span){ parser->mark, parser->scanned - parser->mark };
}

/* Eat what `pattern` says, in which '#' is any digit. Returns whether all of it was there. */
static bool match(struct wf_http1_parser *parser, const char *window, uint32_t end,
                  const char *pattern, const char *why)
{
    for (; parser->scanned < end && pattern[parser->scanned - parser->mark]; parser->scanned++) {
        char byte = window[parser->scanned], wanted = pattern[parser->scanned - parser->mark];
        parser->examined++;
        if (wanted == '#' ? !wf_http1_is(byte, WF_HTTP1_DIGIT) : byte != wanted) {
            wf_http1_refuse(parser, 400, why);
            return false;
        }
    }
    return !pattern[parser->scanned - parser->mark];
}

/* The byte after a CR. */
static bool line_feed(struct wf_http1_parser *parser, const char *window, uint8_t state)
{
    if (window[parser->scanned] != '\n') {
        wf_http1_refuse(parser, 400, "bare CR");
        return false;
    }
    pass(parser, state);
    return true;
}

/* --- the first line --- */

/* It is eaten. */
static void begin_headers(struct wf_http1_parser *parser, const char *window)
{
    enter(parser, STATE_NAME_START);
    parser->limit = parser->scanned + parser->limits.block_max;
    if (!parser->is_response)
        wf_http1_note_target(parser, window);
}

/* Eat a line of version 1.1 if all of it is there and has no fault that the states would find. */
static bool take_request_line(struct wf_http1_parser *parser, const char *window, uint32_t end)
{
    static const char rest[] = " HTTP/1.1\r\n";
    const uint32_t rest_size = sizeof rest - 1, from = parser->scanned;
    uint32_t space = wf_http1_run_scalar(window, from, end, WF_HTTP1_TOKEN);
    if (space == from || space == end || window[space] != ' ')
        return false;
    uint32_t stop = wf_http1_run(window, space + 1, end, WF_HTTP1_TARGET);
    if (stop == space + 1 || end - stop < rest_size || memcmp(window + stop, rest, rest_size) != 0)
        return false;
    parser->head.method_name = (struct wf_http1_span){ from, space - from };
    parser->head.target = (struct wf_http1_span){ space + 1, stop - space - 1 };
    parser->head.version_minor = 1;
    parser->is_11 = true;
    eat_to(parser, stop + rest_size);
    wf_http1_note_method(parser, window);
    begin_headers(parser, window);
    return true;
}

static void step_start(struct wf_http1_parser *parser, const char *window, uint32_t end)
{
    if (window[parser->scanned] == '\r')
        pass(parser, STATE_START_LF);
    else if (!take_request_line(parser, window, end))
        enter(parser, STATE_METHOD);
}

static void step_start_lf(struct wf_http1_parser *parser, const char *window)
{
    if (line_feed(parser, window, STATE_METHOD))
        parser->limit += parser->scanned;
}

/* Nearly always three or four letters: no vector pays. */
static void step_method(struct wf_http1_parser *parser, const char *window, uint32_t end)
{
    eat_to(parser, wf_http1_run_scalar(window, parser->scanned, end, WF_HTTP1_TOKEN));
    if (parser->scanned == end)
        return;
    if (window[parser->scanned] != ' ' || parser->scanned == parser->mark) {
        wf_http1_refuse(parser, 400, "malformed method");
        return;
    }
    parser->head.method_name = since_mark(parser);
    wf_http1_note_method(parser, window);
    pass(parser, STATE_TARGET);
}

static void step_target(struct wf_http1_parser *parser, const char *window, uint32_t end)
{
    if (!eat(parser, window, end, WF_HTTP1_TARGET))
        return;
    if (window[parser->scanned] != ' ' || parser->scanned == parser->mark) {
        wf_http1_refuse(parser, 400, "malformed request target");
        return;
    }
    parser->head.target = since_mark(parser);
    pass(parser, STATE_VERSION);
}

static bool take_usual_version(struct wf_http1_parser *parser, const char *window, uint32_t end)
{
    static const char usual[] = { 'H', 'T', 'T', 'P', '/', '1', '.', '1' };
    bool is_usual = parser->scanned == parser->mark && end - parser->scanned >= sizeof(usual) &&
                    memcmp(window + parser->scanned, usual, sizeof(usual)) == 0;
    if (is_usual)
        eat_to(parser, parser->scanned + (uint32_t)sizeof(usual));
    return is_usual;
}

static void step_version(struct wf_http1_parser *parser, const char *window, uint32_t end)
{
    if (!take_usual_version(parser, window, end) &&
        !match(parser, window, end, "HTTP/#.#", "malformed version"))
        return;
    if (window[parser->mark + 5] != '1') {
        wf_http1_refuse(parser, 505, "a version other than 1.x");
        return;
    }
    parser->head.version_minor = window[parser->mark + 7] != '0';
    parser->is_11 = window[parser->mark + 7] == '1';
    enter(parser, parser->is_response ? STATE_STATUS : STATE_LINE_CR);
}

static void step_status(struct wf_http1_parser *parser, const char *window, uint32_t end)
{
    if (!match(parser, window, end, " ###", "malformed status"))
        return;
    const char *digits = window + parser->mark + 1;
    int status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
    if (status < 100) {
        wf_http1_refuse(parser, 400, "malformed status");
        return;
    }
    parser->head.status = (uint16_t)status;
    enter(parser, STATE_REASON_START);
}

/* The space is due even before an empty reason; too many servers forget it, and nobody can read
 * such a line in two ways. */
static void step_reason_start(struct wf_http1_parser *parser, const char *window)
{
    char byte = window[parser->scanned];
    if (byte == ' ')
        pass(parser, STATE_REASON);
    else if (byte == '\r')
        pass(parser, STATE_LINE_LF);
    else
        wf_http1_refuse(parser, 400, "malformed status");
}

static void step_reason(struct wf_http1_parser *parser, const char *window, uint32_t end)
{
    if (!eat(parser, window, end, WF_HTTP1_VALUE))
        return;
    if (window[parser->scanned] != '\r') {
        wf_http1_refuse(parser, 400, "control character in the reason");
        return;
    }
    parser->head.reason = since_mark(parser);
    pass(parser, STATE_LINE_LF);
}

static void step_line_cr(struct wf_http1_parser *parser, const char *window)
{
    if (window[parser->scanned] == '\r')
        pass(parser, STATE_LINE_LF);
    else
        wf_http1_refuse(parser, 400, "no CRLF after the version");
}

static void step_line_lf(struct wf_http1_parser *parser, const char *window)
{
    if (line_feed(parser, window, STATE_NAME_START))
        begin_headers(parser, window);
}

/* --- header lines --- */

/* Why a byte that is no token stands where a name should be. */
static const char *name_fault(char byte, bool at_start)
{
    if (byte == '\n')
        return "bare LF";
    if (byte == ' ' || byte == '\t')
        return at_start ? "folded header line" : "blank in a header name or before the colon";
    if (byte == '\r')
        return "header line without a colon";
    return at_start && byte == ':' ? "empty header name" : "malformed header name";
}

static struct wf_http1_span without_trailing_blanks(struct wf_http1_parser *parser,
                                                    const char *window, struct wf_http1_span value)
{
    while (value.len > 0 && wf_http1_is(window[value.offset + value.len - 1], WF_HTTP1_BLANK)) {
        value.len--;
        parser->examined++;
    }
    return value;
}

/* Eat the line at `from` if all of it is there and has no fault that the states would find. Both
 * runs begin at its first byte, for what a name is made of is of VALUE too: so neither waits for
 * the other, and the next line for one only. Returns the offset behind the line, or `from`. */
static uint32_t take_line(struct wf_http1_parser *parser, const char *window, uint32_t from,
                          uint32_t end)
{
    if (from == end || !wf_http1_is(window[from], WF_HTTP1_TOKEN) ||
        parser->head.header_count == parser->limits.header_max)
        return from;
    uint32_t stop = wf_http1_run(window, from, end, WF_HTTP1_VALUE);
    if (end - stop < 2 || window[stop] != '\r' || window[stop + 1] != '\n')
        return from;
    uint32_t colon = wf_http1_run(window, from, end, WF_HTTP1_TOKEN);
    if (window[colon] != ':')
        return from;
    uint32_t start = wf_http1_run(window, colon + 1, stop, WF_HTTP1_BLANK);
    struct wf_http1_span value = { start, stop - start };
    struct wf_http1_header *header = &parser->head.headers[parser->head.header_count++];
    header->name = (struct wf_http1_span){ from, colon - from };
    header->value = without_trailing_blanks(parser, window, value);
    parser->examined += stop + 2 - from;
    parser->scanned = parser->mark = stop + 2;
    wf_http1_note_header(parser, window, header);
    return stop + 2;
}

/* Eat the lines that are whole, without a walk through the states for each. */
static void take_lines(struct wf_http1_parser *parser, const char *window, uint32_t end)
{
    uint32_t at, next = parser->scanned;
    do {
        at = next;
        next = take_line(parser, window, at, end);
    } while (next > at && parser->state == STATE_NAME_START);
}

static void step_name_start(struct wf_http1_parser *parser, const char *window, uint32_t end)
{
    take_lines(parser, window, end);
    if (parser->state != STATE_NAME_START || parser->scanned == end)
        return;
    char byte = window[parser->scanned];
    if (byte == '\r')
        pass(parser, STATE_END_LF);
    else if (!wf_http1_is(byte, WF_HTTP1_TOKEN))
        wf_http1_refuse(parser, 400, name_fault(byte, true));
    else if (parser->head.header_count == parser->limits.header_max)
        wf_http1_refuse(parser, 431, "too many headers");
    else
        enter(parser, STATE_NAME);
}

static void step_name(struct wf_http1_parser *parser, const char *window, uint32_t end)
{
    if (!eat(parser, window, end, WF_HTTP1_TOKEN))
        return;
    if (window[parser->scanned] != ':') {
        wf_http1_refuse(parser, 400, name_fault(window[parser->scanned], false));
        return;
    }
    parser->head.headers[parser->head.header_count].name = since_mark(parser);
    pass(parser, STATE_VALUE_START);
}

static void step_value_start(struct wf_http1_parser *parser, const char *window, uint32_t end)
{
    if (eat(parser, window, end, WF_HTTP1_BLANK))
        enter(parser, STATE_VALUE);
}

static void step_value(struct wf_http1_parser *parser, const char *window, uint32_t end)
{
    if (!eat(parser, window, end, WF_HTTP1_VALUE))
        return;
    char byte = window[parser->scanned];
    if (byte != '\r') {
        wf_http1_refuse(parser, 400,
                        byte == '\n' ? "bare LF" : "control character in a header value");
        return;
    }
    struct wf_http1_span value = without_trailing_blanks(parser, window, since_mark(parser));
    parser->head.headers[parser->head.header_count].value = value;
    pass(parser, STATE_VALUE_LF);
}

static void step_value_lf(struct wf_http1_parser *parser, const char *window)
{
    if (!line_feed(parser, window, STATE_NAME_START))
        return;
    const struct wf_http1_header *header = &parser->head.headers[parser->head.header_count++];
    wf_http1_note_header(parser, window, header);
}

static void step_end_lf(struct wf_http1_parser *parser, const char *window)
{
    if (!line_feed(parser, window, STATE_COMPLETE))
        return;
    parser->head.size = parser->scanned;
    wf_http1_note_end(parser);
}

/* --- driving --- */

static void step(struct wf_http1_parser *parser, const char *window, uint32_t end)
{
    switch (parser->state) {
    case STATE_START:
        return step_start(parser, window, end);
    case STATE_START_LF:
        return step_start_lf(parser, window);
    case STATE_METHOD:
        return step_method(parser, window, end);
    case STATE_TARGET:
        return step_target(parser, window, end);
    case STATE_VERSION:
        return step_version(parser, window, end);
    case STATE_STATUS:
        return step_status(parser, window, end);
    case STATE_REASON_START:
        return step_reason_start(parser, window);
    case STATE_REASON:
        return step_reason(parser, window, end);
    case STATE_LINE_CR:
        return step_line_cr(parser, window);
    case STATE_LINE_LF:
        return step_line_lf(parser, window);
    case STATE_NAME_START:
        return step_name_start(parser, window, end);
    case STATE_NAME:
        return step_name(parser, window, end);
    case STATE_VALUE_START:
        return step_value_start(parser, window, end);
    case STATE_VALUE:
        return step_value(parser, window, end);
    case STATE_VALUE_LF:
        return step_value_lf(parser, window);
    default:
        return step_end_lf(parser, window);
    }
}

static void refuse_at_limit(struct wf_http1_parser *parser)
{
    if (parser->state < STATE_NAME_START)
        wf_http1_refuse(parser, 414, "first line too long");
    else
        wf_http1_refuse(parser, 431, "header block too large");
}

enum wf_http1_result wf_http1_parse(struct wf_http1_parser *parser, const char *window, size_t len)
{
    wf_assert(len >= parser->scanned);
    while (parser->state < STATE_COMPLETE) {
        uint32_t end = len < parser->limit ? (uint32_t)len : parser->limit;
        if (parser->scanned < end)
            step(parser, window, end);
        else if (end == parser->limit)
            refuse_at_limit(parser);
        else
            return WF_HTTP1_MORE;
    }
    return parser->state == STATE_COMPLETE ? WF_HTTP1_COMPLETE : WF_HTTP1_REFUSED;
}

static void begin(struct wf_http1_parser *parser, const struct wf_http1_limits *limits,
                  struct wf_http1_header *headers, uint8_t state)
{
    wf_assert(limits->line_max >= 16 && limits->line_max <= UINT32_MAX / 4);
    wf_assert(limits->block_max >= 2 && limits->block_max <= UINT32_MAX / 4);
    *parser = (struct wf_http1_parser){
        .head.headers = headers,
        .limits = *limits,
        .limit = limits->line_max,
        .state = state,
    };
}

void wf_http1_trailers_begin(struct wf_http1_parser *parser, const struct wf_http1_limits *limits,
                             struct wf_http1_header *headers)
{
    bool is_response = parser->is_response;
    begin(parser, limits, headers, STATE_NAME_START);
    parser->is_response = is_response;
    parser->is_trailers = true;
    parser->limit = limits->block_max;
}

void wf_http1_request_begin(struct wf_http1_parser *parser, const struct wf_http1_limits *limits,
                            struct wf_http1_header *headers)
{
    begin(parser, limits, headers, STATE_START);
}

void wf_http1_response_begin(struct wf_http1_parser *parser, const struct wf_http1_limits *limits,
                             struct wf_http1_header *headers, bool to_head)
{
    begin(parser, limits, headers, STATE_VERSION);
    parser->is_response = true;
    parser->to_head = to_head;
}
