/* Runs on aarch64, whose every processor has NEON: see http1_run.c. */

#include "codec/http1_run.h"

#include "base/compiler.h"

#if defined(__AARCH64EL__)

#    include <arm_neon.h>

/* Four bits for each of the 16 bytes at which a run stops: narrowing takes them from the middle of
 * each pair of bytes, which are all ones or none. */
static WF_ALWAYS_INLINE uint64_t stops_in_16(const char *at, const struct wf_http1_rows *class)
{
    uint8x16_t bytes = vld1q_u8((const uint8_t *)at);
    uint8x16_t row = vqtbl1q_u8(vld1q_u8(class->rows), vandq_u8(bytes, vdupq_n_u8(15)));
    uint8x16_t bit = vqtbl1q_u8(vld1q_u8(wf_http1_high_bit), vshrq_n_u8(bytes, 4));
    uint8x16_t misses = vceqzq_u8(vandq_u8(row, bit));
    uint8x16_t stops = veorq_u8(misses, vreinterpretq_u8_u32(vdupq_n_u32(class->flip)));
    uint8x8_t quads = vshrn_n_u16(vreinterpretq_u16_u8(stops), 4);
    return vget_lane_u64(vreinterpret_u64_u8(quads), 0);
}

uint32_t wf_http1_run_neon(const char *window, uint32_t from, uint32_t end, int class)
{
    const struct wf_http1_rows *rows = &wf_http1_rows[__builtin_ctz((unsigned)class)];
    if (end - from < 16)
        return wf_http1_run_scalar(window, from, end, class);
    for (uint32_t last = end - 16;; from = from + 16 < last ? from + 16 : last) {
        uint64_t stops = stops_in_16(window + from, rows);
        if (stops)
            return from + (uint32_t)__builtin_ctzll(stops) / 4;
        if (from == last)
            return end;
    }
}

#endif
