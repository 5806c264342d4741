/* What the figures of bench/ are made by: rounds, medians with their intervals, verdicts. */

#include "harness/rounds.h"
#include "harness/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Rounds. */

#define RUNS_MAX 1000

static int runs[RUNS_MAX], run_count;

struct fake {
    int number;
    double cost;
    int step; /* added to the cost after each run */
};

static double run_fake(void *arg)
{
    struct fake *fake = arg;
    assert_true(run_count < RUNS_MAX);
    runs[run_count++] = fake->number;
    double cost = fake->cost;
    fake->cost += fake->step;
    return cost;
}

static struct fake fakes[3];
static const struct bench_side sides[] = {
    { "weft", NULL, run_fake, &fakes[0] },
    { "floor", NULL, run_fake, &fakes[1] },
    { "go", NULL, run_fake, &fakes[2] },
};

static struct rounds *begin(double a, double b, double c)
{
    fakes[0] = (struct fake){ 0, a, 0 };
    fakes[1] = (struct fake){ 1, b, 0 };
    fakes[2] = (struct fake){ 2, c, 0 };
    run_count = 0;
    struct rounds *rounds = rounds_begin(sides, 3);
    assert_int_equal(run_count, 3); /* warmed up */
    run_count = 0;
    return rounds;
}

static void test_rounds_run_each_side_once_and_the_next_time_backwards(void **state)
{
    (void)state;
    struct rounds *rounds = begin(1, 1, 1);
    bool seen[3] = { false };
    for (int i = 0; i < 40; i += 2) {
        run_count = 0;
        rounds_run(rounds, 2);
        if (run_count > 6) /* time was stolen */
            continue;
        assert_int_equal(run_count, 6);
        assert_int_equal(runs[0] + runs[1] + runs[2], 3);
        assert_int_equal(runs[0] * runs[1] * runs[2], 0);
        for (int k = 0; k < 3; k++)
            assert_int_equal(runs[k], runs[5 - k]);
        seen[runs[0]] = true;
    }
    assert_true(seen[0] && seen[1] && seen[2]); /* the order is drawn */
    rounds_end(rounds);
}

static void test_rounds_tell_medians_and_ratios_of_ours_to_others(void **state)
{
    (void)state;
    struct rounds *rounds = begin(10, 5, 40);
    rounds_run(rounds, 15);
    struct bench_result result = rounds_result(rounds);
    assert_int_equal(result.rounds, 15);
    assert_true(result.cost[0].value == 10 && result.cost[1].value == 5 &&
                result.cost[2].value == 40);
    assert_true(result.ratio[1].value == 2 && result.ratio[1].low == 2 &&
                result.ratio[1].high == 2);
    assert_true(result.ratio[2].value == 0.25);
    rounds_end(rounds);
}

/* Of 15 different samples the 4th and the 12th bound the median: binomial, 96.5 %. */
static void test_rounds_bound_the_median_by_ranks(void **state)
{
    (void)state;
    struct rounds *rounds = begin(1, 1, 1);
    fakes[0].cost = 1;
    fakes[0].step = 1;
    rounds_run(rounds, 15);
    struct bench_median cost = rounds_result(rounds).cost[0];
    if (rounds_repeated(rounds) == 0) {
        assert_true(cost.value == 8);
        assert_true(cost.low == 4 && cost.high == 12);
    }
    rounds_end(rounds);
}

static void test_rounds_end_at_the_most(void **state)
{
    (void)state;
    struct rounds *rounds = begin(1, 1, 1);
    rounds_run(rounds, 2 * BENCH_ROUNDS_MAX);
    assert_int_equal(rounds_result(rounds).rounds, BENCH_ROUNDS_MAX);
    rounds_end(rounds);
}

/* Verdicts. */

static enum verdict judge(double limit, bool at_least, double low, double high)
{
    struct target target = { .now = limit, .at_least = at_least, .is_ratio = limit < 10 };
    return target_judge(&target, limit, (struct bench_median){ (low + high) / 2, low, high });
}

static void test_target_at_most_holds_with_the_whole_interval(void **state)
{
    (void)state;
    assert_int_equal(judge(1.05, false, 1.03, 1.07), VERDICT_HOLDS);
    assert_int_equal(judge(1.05, false, 1.05, 1.09), VERDICT_MISSED);
    assert_int_equal(judge(1.05, false, 1.02, 1.10), VERDICT_UNDECIDED);
    assert_int_equal(judge(1.05, false, 1.20, 1.60), VERDICT_MISSED); /* wide, and far beyond */
    assert_int_equal(judge(1.05, false, 0.60, 0.90), VERDICT_HOLDS);  /* wide, and far within */
    assert_int_equal(judge(45, false, 44, 46), VERDICT_HOLDS);        /* 3 % of it */
    assert_int_equal(judge(45, false, 46, 47), VERDICT_MISSED);
    assert_int_equal(judge(1.5, false, 1.49, 1.53), VERDICT_HOLDS); /* 0.03 of a ratio, no 3 % */
    assert_int_equal(judge(1.5, false, 1.50, 1.54), VERDICT_MISSED);
}

static void test_target_at_least_holds_with_the_whole_interval(void **state)
{
    (void)state;
    assert_int_equal(judge(1.35, true, 1.33, 1.38), VERDICT_HOLDS);
    assert_int_equal(judge(1.35, true, 1.28, 1.33), VERDICT_MISSED);
    assert_int_equal(judge(1.35, true, 1.25, 1.45), VERDICT_UNDECIDED);
    assert_int_equal(judge(4, true, 4.5, 6), VERDICT_HOLDS);
    assert_int_equal(judge(4, true, 2, 3), VERDICT_MISSED);
    assert_int_equal(judge(0, true, 2, 3), VERDICT_NONE);
}

static void test_target_is_the_first_line_that_fits(void **state)
{
    (void)state;
    struct target eight = target_find("echo/64B/8", "go"), more = target_find("echo/64B/64", "go");
    assert_true(eight.at_least && more.at_least);
    assert_true(eight.now > 0 && eight.now < more.now);
    assert_true(target_find("sync/mutex", "-").now > 0);
    assert_false(target_find("sync/mutex", "-").at_least);
    assert_true(target_find("nobody/knows", "floor").now == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounds_run_each_side_once_and_the_next_time_backwards),
        cmocka_unit_test(test_rounds_tell_medians_and_ratios_of_ours_to_others),
        cmocka_unit_test(test_rounds_bound_the_median_by_ranks),
        cmocka_unit_test(test_rounds_end_at_the_most),
        cmocka_unit_test(test_target_at_most_holds_with_the_whole_interval),
        cmocka_unit_test(test_target_at_least_holds_with_the_whole_interval),
        cmocka_unit_test(test_target_is_the_first_line_that_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
