#ifndef WF_TESTS_HTTP1_TRACE_H
#define WF_TESTS_HTTP1_TRACE_H

/* A connection's input played through the codec, cut where the caller likes, and what came of it
 * written down as text: two ways to cut the same bytes must give the same text.
 *
 * Each feed puts the unconsumed bytes at a new address, in an allocation of exactly their size, so
 * that a stale pointer or a byte read too far is caught by AddressSanitizer.
 *
 *     GET o /path ?query @host 1.1 keep [Name=value|Name=value] {body}
 *     200 "OK" 1.1 close [] <body that ends with the connection>
 *     200 "OK" 1.1 keep [] (body in chunks) [Trailer=value]
 *
 * "-" stands for a message without body; the last line is "idle" (the input ended between two
 * messages), "cut" (within one) or the refusal: its status and why. */

#include "codec/http1.h"

struct http1_feeding {
    const char *bytes;
    size_t len;
    const size_t *cuts; /* ascending offsets at which a feed ends; the whole input always does */
    size_t cut_count;
    bool byte_by_byte; /* instead of the cuts */
    bool is_response;
    bool to_head;
    struct wf_http1_limits limits;
};

struct http1_trace {
    char *text; /* NUL-terminated; may contain NULs of a body before that */
    size_t len;
    size_t size;
};

/* Replaces what the trace held. Broken promises of the codec (a span outside its head, an empty
 * name) abort with a message. */
void http1_trace_play(struct http1_trace *trace, const struct http1_feeding *feeding);

bool http1_trace_same(const struct http1_trace *one, const struct http1_trace *other);

void http1_trace_finish(struct http1_trace *trace);

#endif
