/* The scan over input: where a run of bytes of one class ends.
 *
 *     scalar   a byte a step, one table lookup
 *     ssse3    16 bytes a step                   http1_run_x86.c
 *     avx2     32 bytes a step
 *     neon     16 bytes a step                   http1_run_neon.c
 *
 * The vectors all do the same: they look each byte up by its halves, in two tables of 16 bytes, for
 * which they have an instruction. The class's table has a column of ASCII for each low half, a bit
 * for each high half; the other table says which bit is the high half's:
 *
 *     byte 0x4b, 'K'     rows[0xb] = 0x54 = 0101 0100     bit[0x4] = 0001 0000     both: a hit
 *     byte 0x3b, ';'     rows[0xb] = 0x54 = 0101 0100     bit[0x3] = 0000 1000     none
 *
 * From 0x80 on no bit is left: there is never a hit. Of a class that has those bytes the rows say
 * what is not in it, so that a hit means the opposite (flip). A window that a step does not divide
 * gets a last step which overlaps the one before it, where nothing stopped.
 *
 * Where a run ends is data, and whoever goes on from there waits some 24 cycles for a vector's
 * answer, however short the run; the end of a byte loop is a branch, which may be guessed.
 * Measured, in nanoseconds a run, where each begins behind the one before it:
 *
 *     bytes in a run                    1     4    12    20    64   200
 *     scalar, always as many          1.2   2.0   4.1   6.1    17    72
 *     scalar, from half to 3/2 of it  4.6   6.7   8.9    13    27    66
 *     ssse3                           5.7   5.7     6     7     9    17
 *     avx2                            5.8   5.8   5.9   5.9   7.9    12
 *
 * So blanks and methods, which are short and mostly the same, are the byte loop's.
 *
 * The first run that is long enough chooses; several threads may all do it, to no harm. */

#include "codec/http1_run.h"

#include "base/compiler.h"

/* A test compares each runner with the classes, byte by byte. */
const struct wf_http1_rows wf_http1_rows[7] = {
    { { 0xe8, 0xfc, 0xf8, 0xfc, 0xfc, 0xfc, 0xfc, 0xfc, /* TOKEN */
        0xf8, 0xf8, 0xf4, 0x54, 0xd0, 0x54, 0xf4, 0x70 },
      0 },
    { { 0xf8, 0xfc, 0xf8, 0xf8, 0xfc, 0xfc, 0xfc, 0xfc, /* TARGET */
        0xfc, 0xfc, 0xfc, 0xfc, 0xf4, 0xfc, 0xf4, 0x7c },
      0 },
    { { 0x03, 0x03, 0x03, 0x03, 0x03, 0x03, 0x03, 0x03, /* what no VALUE has */
        0x03, 0x02, 0x03, 0x03, 0x03, 0x03, 0x03, 0x83 },
      UINT32_MAX },
    { { 0x04, [9] = 0x01 }, 0 },                        /* BLANK */
    { { 0xa8, 0xfc, 0xf8, 0xf8, 0xfc, 0xf8, 0xfc, 0xfc, /* NAME */
        0xfc, 0xfc, 0xf4, 0x5c, 0x50, 0x5c, 0xd4, 0x70 },
      0 },
    { { 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08 }, 0 }, /* DIGIT */
    { { 0x08, 0x58, 0x58, 0x58, 0x58, 0x58, 0x58, 0x08, 0x08, 0x08 }, 0 }, /* HEX */
};

const uint8_t wf_http1_high_bit[16] = { 1, 2, 4, 8, 16, 32, 64, 128 };

uint32_t wf_http1_run_scalar(const char *window, uint32_t from, uint32_t end, int class)
{
    while (from < end && wf_http1_is(window[from], class))
        from++;
    return from;
}

/* Each of them needs what the one before it needs. */
static const struct wf_http1_runner runners[] = {
    { "scalar", wf_http1_run_scalar },
#if defined(__x86_64__)
    { "ssse3", wf_http1_run_ssse3 },
    { "avx2", wf_http1_run_avx2 },
#elif defined(__AARCH64EL__)
    { "neon", wf_http1_run_neon },
#endif
};

static size_t runner_count(void)
{
#if defined(__x86_64__)
    if (!__builtin_cpu_supports("avx2"))
        return __builtin_cpu_supports("ssse3") ? 2 : 1;
#endif
    return WF_ARRAY_SIZE(runners);
}

const struct wf_http1_runner *wf_http1_runner(size_t index)
{
    return index < runner_count() ? &runners[index] : NULL;
}

static uint32_t choose_and_run(const char *window, uint32_t from, uint32_t end, int class)
{
    wf_http1_run_fn *widest = runners[runner_count() - 1].run;
    atomic_store_explicit(&wf_http1_run_wide, widest, memory_order_relaxed);
    return widest(window, from, end, class);
}

_Atomic(wf_http1_run_fn *) wf_http1_run_wide = choose_and_run;
