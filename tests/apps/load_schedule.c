/* When weft-load's requests are due. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "weft-load/schedule.h"

#include <math.h>
#include <stdlib.h>

static struct load_schedule schedule;

static void assert_near(double found, double right, double off)
{
    if (!(fabs(found - right) <= off))
        fail_msg("%.3f is not within %.3f of %.3f", found, off, right);
}

static void test_schedule_of_a_steady_rate_does_not_drift(void **state)
{
    (void)state;
    load_schedule_begin(&schedule, 7000, 7000, 100 * LOAD_SECOND, 0);
    assert_int_equal(schedule.count, 700000);
    for (uint64_t i = 0; i < 700000; i++) {
        assert_near((double)load_schedule_next(&schedule), (double)i * 1e9 / 7000, 1);
        load_schedule_step(&schedule);
    }
    assert_int_equal(load_schedule_next(&schedule), INT64_MAX);
}

static void test_schedule_ends_with_what_comes_first(void **state)
{
    (void)state;
    load_schedule_begin(&schedule, 1000, 1000, 0, 5);
    assert_int_equal(schedule.count, 5);
    load_schedule_begin(&schedule, 1000, 1000, LOAD_SECOND, 5);
    assert_int_equal(schedule.count, 5);
    load_schedule_begin(&schedule, 1000, 1000, LOAD_SECOND, 5000);
    assert_int_equal(schedule.count, 1000);
}

/* The count by any moment is the area under the ramp. */
static void check_ramp(double from, double to, double seconds)
{
    int64_t before = -1;
    load_schedule_begin(&schedule, from, to, (int64_t)(seconds * LOAD_SECOND), 0);
    assert_int_equal(schedule.count, llround((from + to) / 2 * seconds));
    for (uint64_t i = 0; i < schedule.count; i++) {
        int64_t next = load_schedule_next(&schedule);
        double t = (double)next / LOAD_SECOND;
        assert_true(next >= before);
        assert_true(t <= seconds * (1 + 1e-9));
        assert_near(from * t + (to - from) * t * t / (2 * seconds), (double)i, 0.001);
        before = next;
        load_schedule_step(&schedule);
    }
}

static void test_schedule_of_a_ramp_follows_it_up_and_down(void **state)
{
    (void)state;
    check_ramp(1000, 50000, 2);
    check_ramp(50000, 1000, 2);
    check_ramp(0.5, 100, 10);
}

static void test_schedule_of_chance_has_the_rate_and_repeats(void **state)
{
    (void)state;
    double sum = 0, squares = 0;
    int64_t before = 0, first = 0;
    load_schedule_begin(&schedule, 1000, 1000, 100 * LOAD_SECOND, 0);
    load_schedule_shake(&schedule, 42);
    for (int i = 0; i < 100000; i++) {
        int64_t next = load_schedule_next(&schedule);
        double gap = (double)(next - before) / 1e6;
        sum += gap;
        squares += gap * gap;
        first = i == 0 ? next : first;
        before = next;
        load_schedule_step(&schedule);
    }
    assert_near(sum / 100000, 1, 0.02);    /* mean 1 ms */
    assert_near(squares / 100000, 2, 0.1); /* as exponential gaps have it */
    load_schedule_begin(&schedule, 1000, 1000, 100 * LOAD_SECOND, 0);
    load_schedule_shake(&schedule, 42);
    assert_int_equal(load_schedule_next(&schedule), first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedule_of_a_steady_rate_does_not_drift),
        cmocka_unit_test(test_schedule_ends_with_what_comes_first),
        cmocka_unit_test(test_schedule_of_a_ramp_follows_it_up_and_down),
        cmocka_unit_test(test_schedule_of_chance_has_the_rate_and_repeats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
