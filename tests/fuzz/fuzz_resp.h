#ifndef WF_TESTS_FUZZ_RESP_H
#define WF_TESTS_FUZZ_RESP_H

/* The RESP targets: the input's first four bytes say how to play the rest.
 *
 *     byte 0    bit 0: small limits, so that they are reached
 *     byte 1-3  the distances between the first three cuts
 *
 * The rest is played whole, with these cuts, and (while short) byte by byte. All must tell the same
 * story; resp_trace.c aborts on a broken promise meanwhile. */

#include "resp_trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PREFIX = 4, CUTS = 3, BYTE_BY_BYTE_MAX = 512 };

static inline void expect_same(const struct resp_trace *whole, const struct resp_feeding *feeding)
{
    static struct resp_trace cut;
    resp_trace_play(&cut, feeding);
    if (whole->len == cut.len && memcmp(whole->text, cut.text, whole->len) == 0)
        return;
    fprintf(stderr, "whole:\n%s\ncut:\n%s\n", whole->text, cut.text);
    abort();
}

static inline int fuzz_resp(const uint8_t *data, size_t size, bool is_reply)
{
    static const struct wf_resp_limits usual = WF_RESP_LIMITS_DEFAULT;
    static const struct wf_resp_limits small = {
        .string_max = 8, .count_max = 5, .inline_max = 16, .depth_max = 3
    };
    static struct resp_trace whole;
    size_t cuts[CUTS], at = 0;
    if (size < PREFIX)
        return 0;
    struct resp_feeding feeding = { .bytes = (const char *)data + PREFIX,
                                    .len = size - PREFIX,
                                    .is_reply = is_reply,
                                    .limits = data[0] & 1 ? small : usual };
    resp_trace_play(&whole, &feeding);
    for (int i = 0; i < CUTS; i++) {
        at += data[1 + i];
        cuts[i] = at < feeding.len ? at : feeding.len;
    }
    feeding.cuts = cuts;
    feeding.cut_count = CUTS;
    expect_same(&whole, &feeding);
    feeding.byte_by_byte = feeding.len <= BYTE_BY_BYTE_MAX;
    if (feeding.byte_by_byte)
        expect_same(&whole, &feeding);
    return 0;
}

#endif
