/* The body behind a head: a length counted down, chunks, or whatever comes until the peer closes.
 *
 *     state       eats                          then
 *     SIZE        hexadecimal digits            EXTENSION at a ';', SIZE_LF at a CR
 *     EXTENSION   text, CR                      SIZE_LF
 *     SIZE_LF     LF                            DATA; TRAILERS after a size of 0
 *     DATA        bytes of body                 DATA_CR
 *     DATA_CR     CR                            DATA_LF
 *     DATA_LF     LF                            SIZE
 *     any         anything else                 REFUSED
 *
 * A size has at most 16 digits, leading zeros included, and stays below 2^63: it cannot wrap, and
 * no sign, blank or prefix gets in. Extensions are read over, up to a limit for the whole body.
 * Nothing is kept but counters, so the bytes may come in any pieces. */

#include "codec/http1_inside.h"

enum {
    STATE_SIZE,
    STATE_EXTENSION,
    STATE_SIZE_LF,
    STATE_DATA,
    STATE_DATA_CR,
    STATE_DATA_LF,
    STATE_TRAILERS,
    STATE_REFUSED,
};

#define DIGITS_MAX 16

void wf_http1_body_begin(struct wf_http1_body *body, const struct wf_http1_head *head)
{
    *body = (struct wf_http1_body){ .framing = head->framing, .state = STATE_SIZE };
    if (head->framing == WF_HTTP1_FRAMING_LENGTH)
        body->remaining = head->content_length;
}

bool wf_http1_body_done(const struct wf_http1_body *body)
{
    if (body->framing == WF_HTTP1_FRAMING_CHUNKED)
        return body->state == STATE_TRAILERS;
    return body->framing != WF_HTTP1_FRAMING_UNTIL_CLOSE && body->remaining == 0;
}

bool wf_http1_body_has_trailers(const struct wf_http1_body *body)
{
    return body->framing == WF_HTTP1_FRAMING_CHUNKED && body->state == STATE_TRAILERS;
}

bool wf_http1_body_ends_here(const struct wf_http1_body *body)
{
    return body->framing == WF_HTTP1_FRAMING_UNTIL_CLOSE ||
           (wf_http1_body_done(body) && !wf_http1_body_has_trailers(body));
}

static void refuse(struct wf_http1_body *body, const char *why)
{
    body->why = why;
    body->state = STATE_REFUSED;
}

/* One byte between two pieces of body. */

static void end_size(struct wf_http1_body *body, char byte)
{
    if (body->digits == 0)
        refuse(body, "malformed chunk size");
    else if (byte == ';')
        body->state = STATE_EXTENSION;
    else if (byte == '\r')
        body->state = STATE_SIZE_LF;
    else
        refuse(body, byte == '\n' ? "bare LF" : "malformed chunk size");
}

static void step_size(struct wf_http1_body *body, char byte)
{
    int digit = wf_http1_hex_digit(byte);
    if (digit < 0) {
        end_size(body, byte);
        return;
    }
    if (body->digits == DIGITS_MAX || body->remaining > (uint64_t)INT64_MAX >> 4) {
        refuse(body, "chunk size too large");
        return;
    }
    body->remaining = body->remaining << 4 | (unsigned)digit;
    body->digits++;
}

static void step_extension(struct wf_http1_body *body, char byte)
{
    if (byte == '\r')
        body->state = STATE_SIZE_LF;
    else if (!wf_http1_is(byte, WF_HTTP1_VALUE))
        refuse(body, byte == '\n' ? "bare LF" : "control character in a chunk extension");
    else if (++body->extensions > WF_HTTP1_EXTENSIONS_MAX)
        refuse(body, "chunk extensions too large");
}

static void step_line_feed(struct wf_http1_body *body, char byte, uint8_t next)
{
    if (byte == '\n')
        body->state = next;
    else
        refuse(body, "bare CR");
}

static void step_data_cr(struct wf_http1_body *body, char byte)
{
    if (byte == '\r')
        body->state = STATE_DATA_LF;
    else
        refuse(body, "a chunk is longer than its size");
}

static void step(struct wf_http1_body *body, char byte)
{
    switch (body->state) {
    case STATE_SIZE:
        return step_size(body, byte);
    case STATE_EXTENSION:
        return step_extension(body, byte);
    case STATE_SIZE_LF:
        return step_line_feed(body, byte, body->remaining > 0 ? STATE_DATA : STATE_TRAILERS);
    case STATE_DATA_CR:
        return step_data_cr(body, byte);
    default:
        body->digits = 0;
        return step_line_feed(body, byte, STATE_SIZE);
    }
}

static size_t take(struct wf_http1_body *body, size_t len)
{
    size_t taken = len < body->remaining ? len : (size_t)body->remaining;
    body->remaining -= taken;
    return taken;
}

static enum wf_http1_result result_of(const struct wf_http1_body *body)
{
    if (body->state == STATE_REFUSED)
        return WF_HTTP1_REFUSED;
    return wf_http1_body_done(body) ? WF_HTTP1_COMPLETE : WF_HTTP1_MORE;
}

static void feed_chunks(struct wf_http1_body *body, const char *window, size_t len,
                        struct wf_http1_piece *piece)
{
    while (piece->skip < len && body->state != STATE_DATA && body->state < STATE_TRAILERS)
        step(body, window[piece->skip++]);
    if (body->state != STATE_DATA)
        return;
    piece->len = take(body, len - piece->skip);
    if (body->remaining == 0)
        body->state = STATE_DATA_CR;
}

enum wf_http1_result wf_http1_body_feed(struct wf_http1_body *body, const char *window, size_t len,
                                        struct wf_http1_piece *piece)
{
    *piece = (struct wf_http1_piece){ 0 };
    if (body->framing == WF_HTTP1_FRAMING_CHUNKED)
        feed_chunks(body, window, len, piece);
    else if (body->framing == WF_HTTP1_FRAMING_UNTIL_CLOSE)
        piece->len = len;
    else
        piece->len = take(body, len);
    return result_of(body);
}
