/* The storefront's histogram against sorted durations. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "histogram.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft.h>

#define COUNT 10000

static struct histogram histogram;
static struct tally before, fresh;

static uint64_t read_seed(void)
{
    const char *text = getenv("WEFT_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : (uint64_t)weft_now();
    printf("repeat with WEFT_SEED=%" PRIu64 "\n", seed);
    return seed;
}

static int reset(void **state)
{
    (void)state;
    memset(&histogram, 0, sizeof histogram);
    memset(&before, 0, sizeof before);
    return 0;
}

static int order(const void *left, const void *right)
{
    int64_t l = *(const int64_t *)left, r = *(const int64_t *)right;
    return (l > r) - (l < r);
}

/* At most 1/256 above the true one, and a microsecond; never below. */
static void expect(int64_t percentile, int64_t truth)
{
    assert_true(percentile >= truth);
    assert_true(percentile <= truth + truth / HISTOGRAM_STEPS + 1000);
}

static void test_histogram_percentiles_are_those_of_the_sorted(void **state)
{
    (void)state;
    static int64_t durations[COUNT];
    struct wf_random dice;
    wf_random_seed(&dice, read_seed());
    for (int octave = 10; octave < 36; octave++) {
        reset(NULL);
        for (int i = 0; i < COUNT; i++) {
            durations[i] = (int64_t)wf_random_below(&dice, UINT64_C(2) << octave);
            histogram_add(&histogram, durations[i]);
        }
        qsort(durations, COUNT, sizeof durations[0], order);
        histogram_copy(&histogram, &fresh);
        for (int percent = 1; percent <= 100; percent++)
            expect(tally_percentile(&fresh, percent), durations[COUNT * percent / 100 - 1]);
    }
}

static void test_histogram_edges_are_counted(void **state)
{
    (void)state;
    static const int64_t edges[] = { 0, 999, 1000, 255999, 256000, 511999, 512000, 1000000000 };
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
        reset(NULL);
        histogram_add(&histogram, edges[i]);
        histogram_copy(&histogram, &fresh);
        expect(tally_percentile(&fresh, 99), edges[i]);
    }
}

static void test_histogram_takes_what_is_out_of_range(void **state)
{
    (void)state;
    histogram_add(&histogram, -5);
    histogram_copy(&histogram, &fresh);
    assert_int_equal(tally_percentile(&fresh, 50), 999);
    histogram_add(&histogram, INT64_MAX);
    histogram_copy(&histogram, &fresh);
    assert_true(tally_percentile(&fresh, 99) > INT64_C(100000000000));
}

static void test_histogram_of_nothing_is_zero(void **state)
{
    (void)state;
    histogram_copy(&histogram, &fresh);
    assert_int_equal(tally_percentile(&fresh, 99), 0);
}

static void test_histogram_tells_what_is_new(void **state)
{
    (void)state;
    histogram_add(&histogram, 5000000);
    histogram_take(&histogram, &before, &fresh);
    expect(tally_percentile(&fresh, 50), 5000000);
    histogram_take(&histogram, &before, &fresh);
    assert_int_equal(tally_percentile(&fresh, 50), 0);
    histogram_add(&histogram, 3000);
    histogram_take(&histogram, &before, &fresh);
    expect(tally_percentile(&fresh, 50), 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_histogram_percentiles_are_those_of_the_sorted, reset),
        cmocka_unit_test_setup(test_histogram_edges_are_counted, reset),
        cmocka_unit_test_setup(test_histogram_takes_what_is_out_of_range, reset),
        cmocka_unit_test_setup(test_histogram_of_nothing_is_zero, reset),
        cmocka_unit_test_setup(test_histogram_tells_what_is_new, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
