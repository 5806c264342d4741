#ifndef WF_TESTS_FUZZ_HTTP1_H
#define WF_TESTS_FUZZ_HTTP1_H

/* The HTTP/1 targets that read heads: the input's first four bytes say how to play the rest.
 *
 *     byte 0    bit 0: the response answers HEAD; bit 1: small limits, so that they are reached
 *     byte 1-3  the distances between the first three cuts
 *
 * The rest is played whole, with these cuts, and (while short) byte by byte. All must tell the same
 * story; http1_trace.c aborts on a broken promise meanwhile. */

#include "http1_trace.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PREFIX = 4, CUTS = 3, BYTE_BY_BYTE_MAX = 512 };

static inline struct http1_feeding fuzz_feeding(const uint8_t *data, size_t size, bool is_response)
{
    static const struct wf_http1_limits usual = WF_HTTP1_LIMITS_DEFAULT;
    static const struct wf_http1_limits small = { .line_max = 24,
                                                  .block_max = 48,
                                                  .header_max = 3 };
    return (struct http1_feeding){
        .bytes = (const char *)data + PREFIX,
        .len = size - PREFIX,
        .is_response = is_response,
        .to_head = data[0] & 1,
        .limits = data[0] & 2 ? small : usual,
    };
}

static inline void fuzz_cut(struct http1_feeding *feeding, const uint8_t *data, size_t cuts[CUTS])
{
    size_t at = 0;
    for (int i = 0; i < CUTS; i++) {
        at += data[1 + i];
        cuts[i] = at < feeding->len ? at : feeding->len;
    }
    feeding->cuts = cuts;
    feeding->cut_count = CUTS;
}

static inline void expect_same(const struct http1_trace *whole, const struct http1_trace *cut)
{
    if (http1_trace_same(whole, cut))
        return;
    fprintf(stderr, "whole:\n%s\ncut:\n%s\n", whole->text, cut->text);
    abort();
}

static inline int fuzz_http1(const uint8_t *data, size_t size, bool is_response)
{
    static struct http1_trace whole, cut;
    if (size < PREFIX)
        return 0;
    struct http1_feeding feeding = fuzz_feeding(data, size, is_response);
    http1_trace_play(&whole, &feeding);

    size_t cuts[CUTS];
    fuzz_cut(&feeding, data, cuts);
    http1_trace_play(&cut, &feeding);
    expect_same(&whole, &cut);

    feeding.byte_by_byte = feeding.len <= BYTE_BY_BYTE_MAX;
    if (feeding.byte_by_byte) {
        http1_trace_play(&cut, &feeding);
        expect_same(&whole, &cut);
    }
    return 0;
}

#endif
