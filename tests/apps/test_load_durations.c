/* weft-load's durations against the sorted ones. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "weft-load/durations.h"

#define COUNT 20000

static struct durations durations, others;
static int64_t sorted[COUNT];

static int reset(void **state)
{
    (void)state;
    durations_clear(&durations);
    durations_clear(&others);
    return 0;
}

static uint64_t dice = 1;

static uint64_t roll(void)
{
    dice = dice * 6364136223846793005u + 1442695040888963407u;
    return dice >> 20;
}

/* As long as an octave chosen at random: every scale is there. */
static int64_t any_duration(unsigned octaves)
{
    unsigned shift = (unsigned)(roll() % octaves);
    return (int64_t)((UINT64_C(1) << shift) + roll() % (UINT64_C(1) << shift));
}

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static void assert_close(int64_t got, int64_t expected)
{
    int64_t distance = got > expected ? got - expected : expected - got;
    if (distance * 1000 > expected)
        fail_msg("%lld is more than 0.1 %% away from %lld", (long long)got, (long long)expected);
}

static void test_durations_quantiles_are_those_of_the_sorted(void **state)
{
    static const double parts[] = { 0.0001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999 };
    (void)state;
    for (unsigned octaves = 1; octaves <= 36; octaves += 5) {
        durations_clear(&durations);
        for (int i = 0; i < COUNT; i++) {
            sorted[i] = any_duration(octaves);
            durations_add(&durations, sorted[i]);
        }
        qsort(sorted, COUNT, sizeof *sorted, compare);
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
            assert_close(durations_quantile(&durations, parts[i]),
                         sorted[(int)(parts[i] * COUNT + 0.999999) - 1]);
        assert_int_equal(durations_quantile(&durations, 1), sorted[COUNT - 1]);
        assert_int_equal(durations.min, sorted[0]);
        assert_int_equal(durations.max, sorted[COUNT - 1]);
    }
}

static void test_durations_edges_of_buckets_are_counted(void **state)
{
    (void)state;
    for (unsigned shift = 0; shift <= 39; shift++) {
        for (int64_t edge = (INT64_C(1) << shift) - 1; edge <= (INT64_C(1) << shift) + 1; edge++) {
            durations_clear(&durations);
            durations_add(&durations, edge);
            durations_add(&durations, edge + edge / 2);
            assert_close(durations_quantile(&durations, 0.5), edge);
        }
    }
}

static void test_durations_take_what_is_out_of_range(void **state)
{
    (void)state;
    durations_add(&durations, -5);
    assert_int_equal(durations_quantile(&durations, 0.5), 0);
    durations_add(&durations, INT64_MAX);
    assert_int_equal(durations_quantile(&durations, 1), INT64_MAX);
    assert_int_equal(durations_up_to(&durations, 1), 1);
}

static void test_durations_of_nothing_are_zero(void **state)
{
    (void)state;
    assert_int_equal(durations_quantile(&durations, 0.99), 0);
    assert_true(durations_mean(&durations) == 0 && durations_deviation(&durations) == 0);
    durations_merge(&durations, &others);
    assert_int_equal(durations.count, 0);
}

static void test_durations_merged_are_those_of_both(void **state)
{
    static struct durations all;
    (void)state;
    durations_clear(&all);
    for (int i = 0; i < COUNT; i++) {
        int64_t duration = any_duration(30);
        durations_add(i % 3 ? &durations : &others, duration);
        durations_add(&all, duration);
    }
    durations_merge(&durations, &others);
    assert_memory_equal(&durations, &all, sizeof all);
}

static void test_durations_cleared_are_as_new(void **state)
{
    static const struct durations none;
    (void)state;
    for (int i = 0; i < COUNT; i++)
        durations_add(&durations, any_duration(36));
    durations_clear(&durations);
    assert_memory_equal(&durations, &none, sizeof none);
}

static void test_durations_mean_and_deviation_are_right(void **state)
{
    (void)state;
    for (int i = 1; i <= 1000; i++)
        durations_add(&durations, i * 1000);
    assert_int_equal((int)durations_mean(&durations), 500500);
    assert_close((int64_t)durations_deviation(&durations), 288675);
    assert_int_equal(durations_up_to(&durations, 500400), 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_durations_quantiles_are_those_of_the_sorted, reset),
        cmocka_unit_test_setup(test_durations_edges_of_buckets_are_counted, reset),
        cmocka_unit_test_setup(test_durations_take_what_is_out_of_range, reset),
        cmocka_unit_test_setup(test_durations_of_nothing_are_zero, reset),
        cmocka_unit_test_setup(test_durations_merged_are_those_of_both, reset),
        cmocka_unit_test_setup(test_durations_cleared_are_as_new, reset),
        cmocka_unit_test_setup(test_durations_mean_and_deviation_are_right, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
