/* Runs on x86-64: see http1_run.c.
 *
 * Without SSSE3 there is no lookup, and the scalar loop stays: comparisons alone would take one for
 * each of the nine ranges of a token, for processors that were sold until 2011. AVX2 is missing in
 * small ones of today, and in some virtual machines. */

#include "codec/http1_run.h"

#include "base/compiler.h"

#if defined(__x86_64__)

#    include <immintrin.h>

#    define WITH_SSSE3 __attribute__((target("ssse3")))
#    define WITH_AVX2  __attribute__((target("avx2")))

/* A bit for each of the 16 bytes at which a run stops. The lookup takes the low half by itself. */
WITH_SSSE3 static WF_ALWAYS_INLINE uint32_t stops_in_16(const char *at,
                                                        const struct wf_http1_rows *class)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)at);
    __m128i rows = _mm_load_si128((const __m128i *)class->rows);
    __m128i bits = _mm_load_si128((const __m128i *)wf_http1_high_bit);
    __m128i high = _mm_and_si128(_mm_srli_epi16(bytes, 4), _mm_set1_epi8(15));
    __m128i hits = _mm_and_si128(_mm_shuffle_epi8(rows, bytes), _mm_shuffle_epi8(bits, high));
    __m128i misses = _mm_cmpeq_epi8(hits, _mm_setzero_si128());
    return ((uint32_t)_mm_movemask_epi8(misses) ^ class->flip) & 0xffff;
}

WITH_AVX2 static WF_ALWAYS_INLINE uint32_t stops_in_32(const char *at,
                                                       const struct wf_http1_rows *class)
{
    __m256i bytes = _mm256_loadu_si256((const __m256i *)at);
    __m256i rows = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)class->rows));
    __m256i bits = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)wf_http1_high_bit));
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(15));
    __m256i hits =
        _mm256_and_si256(_mm256_shuffle_epi8(rows, bytes), _mm256_shuffle_epi8(bits, high));
    __m256i misses = _mm256_cmpeq_epi8(hits, _mm256_setzero_si256());
    return (uint32_t)_mm256_movemask_epi8(misses) ^ class->flip;
}

WITH_SSSE3 uint32_t wf_http1_run_ssse3(const char *window, uint32_t from, uint32_t end, int class)
{
    const struct wf_http1_rows *rows = &wf_http1_rows[__builtin_ctz((unsigned)class)];
    if (end - from < 16)
        return wf_http1_run_scalar(window, from, end, class);
    for (uint32_t last = end - 16;; from = from + 16 < last ? from + 16 : last) {
        uint32_t stops = stops_in_16(window + from, rows);
        if (stops)
            return from + (uint32_t)__builtin_ctz(stops);
        if (from == last)
            return end;
    }
}

WITH_AVX2 uint32_t wf_http1_run_avx2(const char *window, uint32_t from, uint32_t end, int class)
{
    const struct wf_http1_rows *rows = &wf_http1_rows[__builtin_ctz((unsigned)class)];
    if (end - from < 32)
        return wf_http1_run_ssse3(window, from, end, class);
    for (uint32_t last = end - 32;; from = from + 32 < last ? from + 32 : last) {
        uint32_t stops = stops_in_32(window + from, rows);
        if (stops)
            return from + (uint32_t)__builtin_ctz(stops);
        if (from == last)
            return end;
    }
}

#endif
