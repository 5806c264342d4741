#ifndef WF_TESTS_BASE_MODEL_H
#define WF_TESTS_BASE_MODEL_H

/* What the property tests of base share: cmocka and its headers, and a seed that repeats a run.
 *
 * Each such test makes a thousand random steps on the real thing and on a plain model of it, and
 * compares. WEFT_SEED=<n> repeats a failure, which prints the line to type. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A dice of the tests' own, so that a fault in base/random cannot hide one elsewhere. */
struct dice {
    uint64_t state;
};

static inline uint64_t dice_throw(struct dice *dice)
{
    dice->state = dice->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return dice->state >> 33;
}

/* 0 .. count-1 */
static inline size_t dice_below(struct dice *dice, size_t count)
{
    return (size_t)(dice_throw(dice) % count);
}

/* A fresh seed at each run, or WEFT_SEED; printed, so that the run can be repeated. */
static inline struct dice dice_seed(const char *test)
{
    const char *text = getenv("WEFT_SEED");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seed = (uint64_t)now.tv_nsec ^ ((uint64_t)now.tv_sec << 20);
    if (text)
        seed = strtoull(text, NULL, 10);
    printf("%s: repeat with WEFT_SEED=%" PRIu64 "\n", test, seed);
    return (struct dice){ .state = seed };
}

#endif
