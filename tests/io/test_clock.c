/* The clock: real and test, and ticks against it. */

#include "io_test.h"

static void test_clock_real_never_goes_backwards(void **state)
{
    (void)state;
    struct wf_clock clock;
    wf_clock_init(&clock, false);
    int64_t last = wf_clock_now(&clock);
    assert_true(last > 0);
    for (int i = 0; i < 10000; i++) {
        int64_t now = wf_clock_now(&clock);
        assert_true(now >= last);
        last = now;
    }
}

static void test_clock_test_stands_still_until_moved(void **state)
{
    (void)state;
    struct wf_clock clock;
    wf_clock_init(&clock, true);
    int64_t start = wf_clock_now(&clock);
    assert_true(start > 0);
    assert_int_equal(wf_clock_now(&clock), start);
    wf_clock_advance_to(&clock, start + 10 * WEFT_SECOND);
    assert_int_equal(wf_clock_now(&clock), start + 10 * WEFT_SECOND);
}

static void test_clock_test_never_goes_backwards(void **state)
{
    (void)state;
    struct wf_clock clock;
    wf_clock_init(&clock, true);
    wf_clock_advance_to(&clock, INT64_MAX);
    wf_clock_advance_to(&clock, 5);
    assert_int_equal(wf_clock_now(&clock), INT64_MAX);
}

static void test_clock_ticks_keep_the_clocks_pace(void **state)
{
    (void)state;
    struct wf_clock clock;
    wf_clock_init(&clock, false);
    wf_clock_ticks_of(1); /* measured now, not below */
    int64_t start = wf_clock_now(&clock);
    uint64_t start_ticks = wf_clock_ticks();
    int64_t end;
    while ((end = wf_clock_now(&clock)) < start + 5 * WEFT_MILLISECOND)
        ;
    uint64_t passed = wf_clock_ticks() - start_ticks;
    uint64_t expected = wf_clock_ticks_of(end - start);
    assert_true(passed > expected - expected / 50); /* later only if we were interrupted here */
}

static void test_clock_ticks_are_time_again(void **state)
{
    (void)state;
    int64_t times[] = { 1, 1000, WEFT_MILLISECOND, WEFT_SECOND, WEFT_HOUR, 100 * WEFT_HOUR };
    for (size_t i = 0; i < WF_ARRAY_SIZE(times); i++) {
        int64_t back = wf_clock_time_of(wf_clock_ticks_of(times[i]));
        int64_t tick = wf_clock_time_of(1) + 2; /* what is lost at most, besides a millionth */
        assert_true(back <= times[i] && back >= times[i] - times[i] / 1000000 - tick);
    }
    assert_int_equal(wf_clock_time_of(0), 0);
    assert_true(wf_clock_time_of(UINT64_MAX) > 0);
}

static void test_clock_ticks_of_extremes_are_bounded(void **state)
{
    (void)state;
    assert_int_equal(wf_clock_ticks_of(0), 0);
    assert_int_equal(wf_clock_ticks_of(-5), 0);
    assert_true(wf_clock_ticks_of(INT64_MAX) > wf_clock_ticks_of(INT64_MAX / 4));
    uint64_t second = wf_clock_ticks_of(WEFT_SECOND);
    uint64_t hour = wf_clock_ticks_of(WEFT_HOUR);
    assert_true(hour / 3600 >= second - 1 && hour / 3600 <= second + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock_real_never_goes_backwards),
        cmocka_unit_test(test_clock_test_stands_still_until_moved),
        cmocka_unit_test(test_clock_test_never_goes_backwards),
        cmocka_unit_test(test_clock_ticks_keep_the_clocks_pace),
        cmocka_unit_test(test_clock_ticks_are_time_again),
        cmocka_unit_test(test_clock_ticks_of_extremes_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
