/* weft-load's histogram against sorted durations. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "weft-load/histogram.h"
#include "weft-load/schedule.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COUNT 20000

static struct load_histogram one, other, fresh;
static int64_t durations[COUNT];

static uint64_t read_seed(void)
{
    const char *text = getenv("WEFT_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : (uint64_t)time(NULL);
    printf("repeat with WEFT_SEED=%" PRIu64 "\n", seed);
    return seed;
}

static int reset(void **state)
{
    (void)state;
    load_histogram_clear(&one);
    load_histogram_clear(&other);
    return 0;
}

static int order(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* All magnitudes alike, from 100 ns to 20 minutes. */
static void draw(void)
{
    uint64_t dice = read_seed();
    for (int i = 0; i < COUNT; i++) {
        double part = (double)(load_dice(&dice) >> 11) * 0x1p-53;
        durations[i] = (int64_t)(100 * pow(1.2e10, part));
    }
}

static void assert_near(int64_t found, int64_t right)
{
    if (fabs((double)(found - right)) > 0.001 * (double)right)
        fail_msg("%" PRId64 " is not within 0.1 %% of %" PRId64, found, right);
}

static void test_histogram_quantiles_are_those_of_the_sorted(void **state)
{
    (void)state;
    draw();
    for (int i = 0; i < COUNT; i++)
        load_histogram_add(&one, durations[i]);
    qsort(durations, COUNT, sizeof *durations, order);
    for (int i = 1; i <= 1000; i++)
        assert_near(load_histogram_quantile(&one, i / 1000.0),
                    durations[(int)ceil(i / 1000.0 * COUNT) - 1]);
    assert_int_equal(load_histogram_quantile(&one, 1), durations[COUNT - 1]);
    assert_int_equal(one.min, durations[0]);
}

static void test_histogram_mean_and_deviation_are_those_of_the_samples(void **state)
{
    double sum = 0, squares = 0;
    (void)state;
    draw();
    for (int i = 0; i < COUNT; i++) {
        load_histogram_add(&one, durations[i]);
        sum += (double)durations[i];
    }
    for (int i = 0; i < COUNT; i++)
        squares += pow((double)durations[i] - sum / COUNT, 2);
    assert_true(fabs(load_histogram_mean(&one) / (sum / COUNT) - 1) < 1e-9);
    assert_true(fabs(load_histogram_deviation(&one) / sqrt(squares / COUNT) - 1) < 0.001);
}

static void test_histogram_merged_is_that_of_both(void **state)
{
    (void)state;
    draw();
    for (int i = 0; i < COUNT; i++) {
        load_histogram_add(&one, durations[i]);
        load_histogram_add(i % 3 == 0 ? &other : &fresh, durations[i]);
    }
    load_histogram_merge(&other, &fresh);
    assert_int_equal(other.total, one.total);
    assert_int_equal(other.min, one.min);
    assert_int_equal(other.max, one.max);
    assert_memory_equal(other.counts, one.counts, sizeof one.counts);
}

static void test_histogram_buckets_touch(void **state)
{
    (void)state;
    for (int i = 0; i + 1 < LOAD_HISTOGRAM_BUCKETS; i++) {
        int64_t start = load_histogram_bucket_start(i), end = load_histogram_bucket_start(i + 1);
        assert_true(end > start);
        assert_int_equal(load_histogram_bucket(start), i);
        assert_int_equal(load_histogram_bucket(end - 1), i);
    }
}

static void test_histogram_takes_what_is_out_of_range(void **state)
{
    (void)state;
    load_histogram_add(&one, -5);
    load_histogram_add(&one, INT64_MAX);
    assert_int_equal(one.min, 0);
    assert_int_equal(load_histogram_quantile(&one, 0.5), 0);
    assert_int_equal(load_histogram_quantile(&one, 1), INT64_MAX);
    assert_int_equal(one.counts[LOAD_HISTOGRAM_BUCKETS - 1], 1);
}

static void test_histogram_of_nothing_is_zero(void **state)
{
    (void)state;
    assert_int_equal(load_histogram_quantile(&one, 0.99), 0);
    assert_true(load_histogram_mean(&one) == 0 && load_histogram_deviation(&one) == 0);
}

static void test_histogram_tells_what_is_new(void **state)
{
    (void)state;
    load_histogram_add(&one, 1000);
    other = one;
    load_histogram_add(&one, 500000);
    load_histogram_since(&one, &other, &fresh);
    assert_int_equal(fresh.total, 1);
    assert_near(load_histogram_quantile(&fresh, 0.5), 500000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_histogram_quantiles_are_those_of_the_sorted, reset),
        cmocka_unit_test_setup(test_histogram_mean_and_deviation_are_those_of_the_samples, reset),
        cmocka_unit_test_setup(test_histogram_merged_is_that_of_both, reset),
        cmocka_unit_test_setup(test_histogram_buckets_touch, reset),
        cmocka_unit_test_setup(test_histogram_takes_what_is_out_of_range, reset),
        cmocka_unit_test_setup(test_histogram_of_nothing_is_zero, reset),
        cmocka_unit_test_setup(test_histogram_tells_what_is_new, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
