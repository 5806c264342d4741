#ifndef WF_CODEC_HTTP1_INSIDE_H
#define WF_CODEC_HTTP1_INSIDE_H

/* What the codec's own files tell each other; nobody else includes this. */

#include "codec/http1.h"

#include <stdatomic.h>

/* Classes of bytes: any of them fits a mask. */
enum {
    WF_HTTP1_TOKEN = 1,  /* methods and header names: RFC 9110 tchar */
    WF_HTTP1_TARGET = 2, /* visible ASCII without " # < > */
    WF_HTTP1_VALUE = 4,  /* header values and reasons: HTAB, SP, visible ASCII, bytes from 0x80 */
    WF_HTTP1_BLANK = 8,  /* SP and HTAB */
    WF_HTTP1_NAME = 16,  /* host names: unreserved and sub-delims, without the comma */
    WF_HTTP1_DIGIT = 32,
    WF_HTTP1_HEX = 64,
};

extern const uint8_t wf_http1_class[256];

static inline bool wf_http1_is(char byte, int class)
{
    return wf_http1_class[(uint8_t)byte] & class;
}

/* The offset of the first byte in [from, end) that is not of the class, or end. `class` is one
 * class, and nothing outside [from, end) is read. */
typedef uint32_t wf_http1_run_fn(const char *window, uint32_t from, uint32_t end, int class);

/* The ways to do it (http1_run.c), which differ in speed only. */
wf_http1_run_fn wf_http1_run_scalar, wf_http1_run_ssse3, wf_http1_run_avx2, wf_http1_run_neon;

struct wf_http1_runner {
    const char *name;
    wf_http1_run_fn *run;
};

/* Those that this machine has, the scalar one first, the widest last; NULL behind it. */
const struct wf_http1_runner *wf_http1_runner(size_t index);

/* What is used where a vector may fit: the widest. Tests and the bench put another one here. */
extern _Atomic(wf_http1_run_fn *) wf_http1_run_wide;

#define WF_HTTP1_WIDE_MIN 16

/* The one loop over input bytes. Blanks come alone: none of them is worth a vector. */
static inline uint32_t wf_http1_run(const char *window, uint32_t from, uint32_t end, int class)
{
    if (end - from < WF_HTTP1_WIDE_MIN || class == WF_HTTP1_BLANK)
        return wf_http1_run_scalar(window, from, end, class);
    return atomic_load_explicit(&wf_http1_run_wide, memory_order_relaxed)(window, from, end, class);
}

/* The same over a whole text: whether every byte is of the class. */
bool wf_http1_all(const char *text, size_t len, int class);

bool wf_http1_same_nocase(const char *text, size_t len, const char *other, size_t other_len);

/* host [":" port] with a host that is not empty; `*port_len` gets the digits after the colon. */
bool wf_http1_is_authority(const char *text, size_t len, size_t *port_len);

/* 0 to 15, or -1. */
int wf_http1_hex_digit(char byte);

/* 1*DIGIT below 2^63. */
bool wf_http1_parse_length(const char *text, size_t len, uint64_t *value);

/* Whether a comma-separated list has this token, in any case. */
bool wf_http1_list_has(const char *list, size_t len, const char *token);

/* End the parse. The status is a request's; a response's is derived from it. */
void wf_http1_refuse(struct wf_http1_parser *parser, uint16_t status, const char *why);

/* What the parts of a head mean, called as each becomes complete. Each may refuse. */
void wf_http1_note_method(struct wf_http1_parser *parser, const char *window);
void wf_http1_note_target(struct wf_http1_parser *parser, const char *window);
void wf_http1_note_header(struct wf_http1_parser *parser, const char *window,
                          const struct wf_http1_header *header);
void wf_http1_note_end(struct wf_http1_parser *parser);

#endif
