#ifndef WF_CODEC_HTTP1_H
#define WF_CODEC_HTTP1_H

/* HTTP/1.1 heads and bodies as bytes (RFC 9112): one codec for the server and for the client.
 *
 * Nothing here reads, waits, allocates or knows the time. The caller owns the input window, the
 * array the headers are noted in, and the output window. A message is read in two halves:
 *
 *     wf_http1_request_begin(&parser, &limits, headers);
 *     while (wf_http1_parse(&parser, window, len) == WF_HTTP1_MORE)
 *         ... more bytes behind the same ones; the window may lie elsewhere now ...
 *     ... COMPLETE: parser.head; or REFUSED: parser.status, parser.why ...
 *     wf_http1_body_begin(&body, &parser.head);          the window now starts after head.size
 *     while (!wf_http1_body_done(&body))
 *         ... wf_http1_body_feed(), then drop piece.skip + piece.len bytes ...
 *     if (wf_http1_body_has_trailers(&body))             parsed like a head without a first line
 *         wf_http1_trailers_begin(&parser, &limits, headers);
 *
 * The head is zero-copy: spans are offsets from the window's first byte, which is the same byte of
 * the message in every call, so nothing breaks when the buffer moves or grows. The time is linear,
 * and the outcome does not depend on how the bytes were cut: a limit or a fault strikes at the same
 * byte whether the message came whole or one byte at a time.
 *
 * Strict where two readers could disagree about where a message ends, or whose it is. Whatever is
 * refused also ends the connection: after a doubtful head nobody knows where the next one starts.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A piece of the window. Offset 0 with length 0: absent. */
struct wf_http1_span {
    uint32_t offset;
    uint32_t len;
};

struct wf_http1_header {
    struct wf_http1_span name;  /* never empty, a token, as it was spelt */
    struct wf_http1_span value; /* without blanks around it; may be empty */
};

/* Counted with their CRLFs. A section of exactly the limit passes, one byte more does not. */
struct wf_http1_limits {
    uint32_t line_max;   /* request or status line; at least 16 */
    uint32_t block_max;  /* all header lines and the empty line; at least 2 */
    uint32_t header_max; /* header lines, and the entries the header array has */
};

#define WF_HTTP1_LIMITS_DEFAULT                                                                    \
    {                                                                                              \
        .line_max = 8u << 10, .block_max = 64u << 10, .header_max = 100                            \
    }

enum wf_http1_result {
    WF_HTTP1_MORE,     /* nothing decided yet: call again with more bytes */
    WF_HTTP1_COMPLETE, /* parser.head is filled, and parser.head.size bytes are used up */
    WF_HTTP1_REFUSED,  /* parser.status and parser.why say what to answer before the close */
};

enum wf_http1_method {
    WF_HTTP1_METHOD_OTHER, /* head.method_name has it */
    WF_HTTP1_METHOD_GET,
    WF_HTTP1_METHOD_HEAD,
    WF_HTTP1_METHOD_POST,
    WF_HTTP1_METHOD_PUT,
    WF_HTTP1_METHOD_DELETE,
    WF_HTTP1_METHOD_OPTIONS,
    WF_HTTP1_METHOD_PATCH,
    WF_HTTP1_METHOD_TRACE,
    WF_HTTP1_METHOD_CONNECT,
};

/* How the target is written (RFC 9112, 3.2). */
enum wf_http1_form {
    WF_HTTP1_FORM_ORIGIN,    /* /path?query */
    WF_HTTP1_FORM_ABSOLUTE,  /* http://host/path?query; its host wins over the header */
    WF_HTTP1_FORM_AUTHORITY, /* host:port, with CONNECT and only there; path and query absent */
    WF_HTTP1_FORM_ASTERISK,  /* *, with OPTIONS and only there; path is the asterisk */
};

/* How the end of the body is known. */
enum wf_http1_framing {
    WF_HTTP1_FRAMING_NONE,        /* no body, whatever the headers say */
    WF_HTTP1_FRAMING_LENGTH,      /* content_length bytes, possibly 0 */
    WF_HTTP1_FRAMING_CHUNKED,     /* chunks, and trailers behind the last one */
    WF_HTTP1_FRAMING_UNTIL_CLOSE, /* responses: all that comes until the peer closes */
};

/* What a complete head says.
 *
 * Invariants: every span lies within the first `size` bytes; path and query lie within target;
 * has_length is false or content_length < 2^63; framing LENGTH implies has_length; UNTIL_CLOSE
 * implies !keep_alive; a request of version 1.1 has a host, which may be empty. */
struct wf_http1_head {
    uint32_t size;           /* bytes of the head, an empty line skipped before it included */
    uint8_t version_minor;   /* 0 or 1; a later 1.x is read as 1.1 */
    bool keep_alive;         /* the connection may carry another message after this one */
    bool has_length;         /* a Content-Length was there */
    uint8_t framing;         /* enum wf_http1_framing */
    uint8_t method;          /* request: enum wf_http1_method */
    uint8_t form;            /* request: enum wf_http1_form */
    uint16_t status;         /* response: 100 to 999 */
    uint64_t content_length; /* as said, also where framing is NONE (HEAD, 304) */
    struct wf_http1_span method_name; /* request */
    struct wf_http1_span target;      /* request: as it was sent */
    struct wf_http1_span path;        /* request: undecoded; "/" where an absolute form has none */
    struct wf_http1_span query;       /* request: after the '?', which is never at offset 0 */
    struct wf_http1_span host;        /* request: the authority it is for, port included */
    struct wf_http1_span reason;      /* response: for people, possibly empty */
    struct wf_http1_header *headers;  /* the caller's array, in order of arrival */
    uint32_t header_count;
};

/* Invariants: scanned <= limit; mark <= scanned; nothing before `scanned` is scanned again. */
struct wf_http1_parser {
    struct wf_http1_head head; /* of use only after COMPLETE */
    struct wf_http1_limits limits;
    const char *why;   /* REFUSED: one short phrase for the log, static text */
    uint32_t scanned;  /* offset of the next byte to look at */
    uint32_t mark;     /* where the current token began */
    uint32_t limit;    /* offset at which the current section must have ended */
    uint32_t examined; /* bytes that the states look at, rereading included: for tests */
    uint16_t status;   /* REFUSED: see the begin functions */
    uint8_t state;
    bool is_response;
    bool is_trailers; /* there was no first line */
    bool to_head;     /* response: to a HEAD request */
    bool is_11;       /* the version is 1.1 and no later one */
    bool has_host;    /* what the known headers said so far */
    uint8_t coding;
    bool says_close;
    bool says_keep_alive;
};

/* Start on a request; `headers` has room for limits->header_max entries and is kept until the
 * caller is done with the head, `limits` is copied. Refusals: 400 malformed, 414 the request line
 * is too long, 431 so are the headers, 501 a transfer coding besides chunked, 505 a version that is
 * not 1.x. */
void wf_http1_request_begin(struct wf_http1_parser *parser, const struct wf_http1_limits *limits,
                            struct wf_http1_header *headers);

/* Start on a response; `to_head` says that it answers HEAD and so has no body. Begin anew after
 * each interim (1xx) head. Refusals, in a gateway's terms: 502 malformed or another version, 431
 * a limit, 501 a transfer coding that is not chunked. */
void wf_http1_response_begin(struct wf_http1_parser *parser, const struct wf_http1_limits *limits,
                             struct wf_http1_header *headers, bool to_head);

/* Start on the trailers behind a chunked body: header lines and an empty one, which may be all.
 * `parser` has parsed the head they belong to, and loses it. Refusals: 400 (in a response 502)
 * malformed, or a header that a trailer may not be; 431 a limit. */
void wf_http1_trailers_begin(struct wf_http1_parser *parser, const struct wf_http1_limits *limits,
                             struct wf_http1_header *headers);

/* Go on with the head: `window` holds it from its first byte, `len` never shrinks between calls.
 * Once it said COMPLETE or REFUSED it says so again. */
enum wf_http1_result wf_http1_parse(struct wf_http1_parser *parser, const char *window, size_t len);

/* The next header called `name` (any case) after `previous`, or the first if that is NULL; NULL if
 * there is none. */
const struct wf_http1_header *wf_http1_find(const struct wf_http1_head *head, const char *window,
                                            const char *name,
                                            const struct wf_http1_header *previous);

/* Whether a span has exactly these bytes, or the same but for the case of ASCII letters. */
bool wf_http1_span_is(const char *window, struct wf_http1_span span, const char *text);
bool wf_http1_span_is_nocase(const char *window, struct wf_http1_span span, const char *text);

#define WF_HTTP1_EXTENSIONS_MAX 4096 /* bytes of chunk extensions in one body */

/* Where the body ends. Small on purpose: it outlives the head.
 *
 * Invariant: remaining < 2^63. */
struct wf_http1_body {
    uint64_t remaining;  /* LENGTH: bytes still to come; CHUNKED: of this chunk, as far as known */
    const char *why;     /* REFUSED: one short phrase, static text */
    uint16_t extensions; /* CHUNKED: bytes of them so far */
    uint8_t framing;     /* enum wf_http1_framing */
    uint8_t state;       /* CHUNKED: what comes next */
    uint8_t digits;      /* CHUNKED: of this chunk's size so far */
};

/* What to do with the first skip + len bytes of a window of body. */
struct wf_http1_piece {
    size_t skip; /* framing to drop */
    size_t len;  /* body bytes after it */
};

/* Limits on the body are the caller's: check head->content_length, count what feed gives. */
void wf_http1_body_begin(struct wf_http1_body *body, const struct wf_http1_head *head);

/* Divide the next bytes into framing and body. MORE: feed again, at once where bytes are left
 * behind skip + len, else with more. COMPLETE: with the last piece; what is left belongs to the
 * trailers, or to the next message. REFUSED: body->why; the connection cannot go on. */
enum wf_http1_result wf_http1_body_feed(struct wf_http1_body *body, const char *window, size_t len,
                                        struct wf_http1_piece *piece);

/* Whether no more bytes of body are to come. */
bool wf_http1_body_done(const struct wf_http1_body *body);

/* Whether trailers, if only their empty line, stand between this body and the next message. */
bool wf_http1_body_has_trailers(const struct wf_http1_body *body);

/* The peer closed before any trailer was read: whether the message was whole then, as opposed to
 * cut off. */
bool wf_http1_body_ends_here(const struct wf_http1_body *body);

/* Decode one segment of a path (split at '/' first: %2F becomes a slash). `target` may be `source`.
 * Returns the length, or -EINVAL for a malformed escape or %00, or -ENOSPC. */
ptrdiff_t wf_http1_decode_path(char *target, size_t size, const char *source, size_t len);

/* --- writing: the same strictness outwards --- */

struct wf_http1_field {
    const char *name;
    size_t name_len;
    const char *value;
    size_t value_len;
};

enum wf_http1_connection {
    WF_HTTP1_CONNECTION_UNSAID, /* what the version implies */
    WF_HTTP1_CONNECTION_CLOSE,
    WF_HTTP1_CONNECTION_KEEP_ALIVE, /* said aloud, for peers of 1.0 */
};

#define WF_HTTP1_LENGTH_UNSAID  (-1)
#define WF_HTTP1_LENGTH_CHUNKED (-2) /* Transfer-Encoding: chunked is said instead */

struct wf_http1_response_out {
    int status; /* 100 to 999 */
    enum wf_http1_connection connection;
    int64_t content_length;   /* or UNSAID, CHUNKED; never said in 1xx and 204 */
    const char *date;         /* an IMF-fixdate, 29 bytes that are not looked at, or NULL */
    const char *content_type; /* or NULL */
    const struct wf_http1_field *fields; /* more of them, in order */
    size_t field_count;
};

struct wf_http1_request_out {
    const char *method;
    const char *target; /* origin form, encoded */
    const char *host;   /* host or host:port; "" where the target has none */
    enum wf_http1_connection connection;
    int64_t content_length;   /* or UNSAID, CHUNKED */
    const char *content_type; /* or NULL */
    const struct wf_http1_field *fields;
    size_t field_count;
};

/* Write a whole head with its empty line at the window's start. Returns its size; -ENOSPC if it
 * does not fit; -EINVAL if a part may not be sent as it is: a control character (CR, LF and NUL
 * split responses), a name that is no token, or a field that would contradict the framing
 * (Content-Length, Transfer-Encoding, in requests Host). After an error the window holds rubbish.
 */
ptrdiff_t wf_http1_write_response(char *window, size_t size,
                                  const struct wf_http1_response_out *head);
ptrdiff_t wf_http1_write_request(char *window, size_t size,
                                 const struct wf_http1_request_out *head);

/* The pieces, for callers that keep heads half-written. Same errors. */
ptrdiff_t wf_http1_write_status_line(char *window, size_t size, int status);
ptrdiff_t wf_http1_write_field(char *window, size_t size, const struct wf_http1_field *field);

/* Decimal digits without a terminator; at most 20. Returns how many, or -ENOSPC. */
ptrdiff_t wf_http1_write_decimal(char *window, size_t size, uint64_t value);

#define WF_HTTP1_CHUNK_SIZE_MAX 18 /* bytes of a chunk's size line */

/* The line before a chunk of so many bytes, CRLF included: behind the chunk goes another CRLF, and
 * a size of 0 goes before the trailers. Returns its size, or -ENOSPC. */
ptrdiff_t wf_http1_write_chunk_size(char *window, size_t size, uint64_t bytes);

/* The usual phrase for a status, or "Unknown". */
const char *wf_http1_reason(int status);

#endif
