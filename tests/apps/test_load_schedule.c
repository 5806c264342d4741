/* When weft-load's requests are due. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "weft-load/schedule.h"

#define SECOND INT64_C(1000000000)
#define START  (INT64_C(123456) * SECOND)

static int count_all(struct schedule *schedule)
{
    int count = 0;
    for (int64_t before = 0; schedule->due != INT64_MAX; schedule_advance(schedule), count++) {
        assert_true(schedule->due >= before && schedule->due < schedule->end);
        before = schedule->due;
    }
    return count;
}

static void test_schedule_even_has_the_same_gaps(void **state)
{
    struct schedule schedule;
    (void)state;
    schedule_begin(&schedule, 3000, 3000, START, 10 * SECOND, 0);
    for (int64_t i = 0; i < 30000; i++) {
        int64_t expected = START + i * SECOND / 3000, distance = schedule.due - expected;
        if (distance < -1 || distance > 1) /* a nanosecond, also after ten seconds */
            fail_msg("request %lld is due %lld ns off", (long long)i, (long long)distance);
        schedule_advance(&schedule);
    }
    assert_true(schedule.due == INT64_MAX);
}

static void test_schedule_ramp_has_the_area_below_it(void **state)
{
    struct schedule schedule;
    (void)state;
    schedule_begin(&schedule, 1000, 50000, START, 2 * SECOND, 0);
    assert_int_equal(schedule.due, START);
    assert_int_equal(count_all(&schedule), 51000);
    schedule_begin(&schedule, 50000, 1000, START, 2 * SECOND, 0);
    assert_int_equal(count_all(&schedule), 51000);
    /* Half of the time is not half of the requests: n(1 s) = 1000 + 12,250. */
    schedule_begin(&schedule, 1000, 50000, START, 2 * SECOND, 0);
    for (int i = 0; i < 13250; i++)
        schedule_advance(&schedule);
    assert_true(schedule.due >= START + SECOND - 1000 && schedule.due <= START + SECOND + 1000);
}

static void test_schedule_falling_to_nothing_ends(void **state)
{
    struct schedule schedule;
    (void)state;
    schedule_begin(&schedule, 100, 0.001, START, SECOND, 0);
    assert_int_equal(count_all(&schedule), 51);
}

static void test_schedule_poisson_has_the_rate_and_no_pattern(void **state)
{
    struct schedule schedule, again;
    double squares = 0;
    (void)state;
    schedule_begin(&schedule, 10000, 10000, START, 10 * SECOND, 7);
    again = schedule;
    int count = count_all(&schedule);
    assert_in_range(count, 100000 - 4 * 316, 100000 + 4 * 316); /* four deviations */
    for (int64_t before = START; again.due != INT64_MAX; schedule_advance(&again)) {
        double gap = (double)(again.due - before) / 1e5; /* of the mean */
        squares += gap * gap;
        before = again.due;
    }
    /* Of exponential gaps the mean square is 2, of even ones 1. */
    assert_in_range((int)(squares / count * 100), 190, 210);
}

static void test_schedule_seed_is_all_that_chance_is(void **state)
{
    struct schedule one, same, other;
    (void)state;
    schedule_begin(&one, 100, 200, START, SECOND, 5);
    schedule_begin(&same, 100, 200, START, SECOND, 5);
    schedule_begin(&other, 100, 200, START, SECOND, 6);
    assert_true(one.due != other.due);
    for (; one.due != INT64_MAX; schedule_advance(&one), schedule_advance(&same))
        assert_int_equal(one.due, same.due);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedule_even_has_the_same_gaps),
        cmocka_unit_test(test_schedule_ramp_has_the_area_below_it),
        cmocka_unit_test(test_schedule_falling_to_nothing_ends),
        cmocka_unit_test(test_schedule_poisson_has_the_rate_and_no_pattern),
        cmocka_unit_test(test_schedule_seed_is_all_that_chance_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
