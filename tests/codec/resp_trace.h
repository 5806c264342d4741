#ifndef WF_TESTS_RESP_TRACE_H
#define WF_TESTS_RESP_TRACE_H

/* A connection's input played through a reader of RESP, cut where the caller likes, and what came
 * of it written down as text: two ways to cut the same bytes must give the same text.
 *
 * Each feed puts the unconsumed bytes at a new address, in an allocation of exactly their size, and
 * the array for the message is exactly as long as it has to be, so that a stale pointer or a byte
 * too far is caught by AddressSanitizer.
 *
 *     "SET" "key" "value"        a command; an empty line for an empty one
 *     [ +"OK" :1 $"text" { $"key" #1) ~ ,1.5) | $"ttl" :1) > :1) ; $"a" $"b"))
 *
 * Texts are quoted, with escapes; ")" closes. The last line is "idle" (the input ended between two
 * messages), "cut" (within one), or "refused: " and why. */

#include "codec/resp.h"

struct resp_feeding {
    const char *bytes;
    size_t len;
    const size_t *cuts; /* ascending offsets at which a feed ends; the whole input always does */
    size_t cut_count;
    bool byte_by_byte; /* instead of the cuts */
    bool is_reply;
    struct wf_resp_limits limits;
};

struct resp_trace {
    char *text; /* NUL-terminated */
    size_t len;
    size_t size;
};

/* Replaces what the trace held. Broken promises of the codec abort with a message. */
void resp_trace_play(struct resp_trace *trace, const struct resp_feeding *feeding);

void resp_trace_finish(struct resp_trace *trace);

#endif
