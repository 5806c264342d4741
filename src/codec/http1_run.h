#ifndef WF_CODEC_HTTP1_RUN_H
#define WF_CODEC_HTTP1_RUN_H

/* What the ways to run over a class share: see http1_run.c. */

#include "codec/http1_inside.h"

/* One class for the vectors: bit h of rows[l] is for the byte 0xhl. */
struct wf_http1_rows {
    _Alignas(16) uint8_t rows[16];
    uint32_t flip; /* 0: a hit is of the class; all ones: it is not, and bytes from 0x80 are */
};

/* By the class's bit, counted from the lowest. */
extern const struct wf_http1_rows wf_http1_rows[7];

/* By the high half of a byte. */
extern const uint8_t wf_http1_high_bit[16];

#endif
