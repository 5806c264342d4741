/* What the figures of bench/ are made by: rounds, medians with their intervals, verdicts. */

#include "harness/rounds.h"
#include "harness/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

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

/* Nobody steals but where a test says so: from the runs whose number lies between. */
static int theft_from, theft_to;

static unsigned long long theft(void)
{
    int at = run_count < theft_from ? theft_from : run_count;
    return (unsigned long long)((at > theft_to ? theft_to : at) - theft_from);
}

static int set_up(void **state)
{
    (void)state;
    theft_from = theft_to = 0;
    rounds_theft = theft;
    return 0;
}

static struct rounds *begin(double a, double b, double c)
{
    fakes[0] = (struct fake){ 0, a, 0 };
    fakes[1] = (struct fake){ 1, b, 0 };
    fakes[2] = (struct fake){ 2, c, 0 };
    run_count = 0;
    struct rounds *rounds = rounds_begin(sides, 3, true);
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
    assert_true(cost.value == 8);
    assert_true(cost.low == 4 && cost.high == 12);
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

/* In the second run of the first round: only that is made again. */
static void test_rounds_repeat_the_run_that_was_stolen_from(void **state)
{
    (void)state;
    struct rounds *rounds = begin(1, 1, 1);
    theft_from = 1, theft_to = 2;
    rounds_run(rounds, 1);
    assert_int_equal(run_count, 4);
    assert_int_equal(runs[1], runs[2]);
    assert_int_equal(rounds_repeated(rounds), 1);
    assert_int_equal(rounds_stolen(rounds), 0);
    rounds_end(rounds);
}

static void test_rounds_keep_and_count_what_is_stolen_from_each_time(void **state)
{
    (void)state;
    struct rounds *rounds = begin(1, 1, 1);
    theft_from = 0, theft_to = 4;
    rounds_run(rounds, 1);
    assert_int_equal(run_count, 6);
    assert_int_equal(rounds_repeated(rounds), 3);
    assert_int_equal(rounds_stolen(rounds), 1);
    assert_int_equal(rounds_done(rounds), 1);
    rounds_end(rounds);
}

static void test_rounds_bytes_cannot_be_stolen(void **state)
{
    (void)state;
    struct rounds *rounds = rounds_begin(sides, 3, false);
    run_count = 0;
    theft_from = 0, theft_to = 4;
    rounds_run(rounds, 1);
    assert_int_equal(rounds_repeated(rounds), 0);
    assert_int_equal(rounds_stolen(rounds), 0);
    rounds_end(rounds);
}

static double run_unfit(void *arg)
{
    bench_saturated();
    return *(double *)arg;
}

static void test_rounds_tell_which_side_was_unfit(void **state)
{
    (void)state;
    double cost = 1;
    const struct bench_side pair[] = {
        { "weft", NULL, run_fake, &fakes[0] },
        { "go", NULL, run_unfit, &cost },
    };
    fakes[0] = (struct fake){ 0, 1, 0 };
    run_count = 0;
    struct rounds *rounds = rounds_begin(pair, 2, true);
    rounds_run(rounds, 1);
    assert_false(rounds_saturated(rounds, 0));
    assert_true(rounds_saturated(rounds, 1));
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

static void test_target_is_not_judged_by_less_than_15_rounds(void **state)
{
    (void)state;
    struct doubts few = { .rounds = 14 }, enough = { .rounds = 15 };
    assert_int_equal(target_doubt(VERDICT_HOLDS, &few), VERDICT_TOO_FEW);
    assert_int_equal(target_doubt(VERDICT_MISSED, &few), VERDICT_TOO_FEW);
    assert_int_equal(target_doubt(VERDICT_NONE, &few), VERDICT_NONE);
    assert_int_equal(target_doubt(VERDICT_HOLDS, &enough), VERDICT_HOLDS);
    assert_int_equal(target_doubt(VERDICT_MISSED, &enough), VERDICT_MISSED);
}

static void test_target_is_undecided_where_time_was_stolen(void **state)
{
    (void)state;
    struct doubts stolen = { .rounds = 60, .stolen = 1 };
    assert_int_equal(target_doubt(VERDICT_HOLDS, &stolen), VERDICT_UNDECIDED);
    assert_int_equal(target_doubt(VERDICT_MISSED, &stolen), VERDICT_UNDECIDED);
    assert_int_equal(target_doubt(VERDICT_NONE, &stolen), VERDICT_NONE);
}

/* Nothing is a ratio to what could not keep up. */
static void test_target_is_not_judged_of_who_is_saturated(void **state)
{
    (void)state;
    struct doubts theirs = { .rounds = 15, .is_unfit = true },
                  ours = { .rounds = 15, .is_ours_unfit = true };
    assert_int_equal(target_doubt(VERDICT_HOLDS, &theirs), VERDICT_SATURATED);
    assert_int_equal(target_doubt(VERDICT_NONE, &theirs), VERDICT_SATURATED);
    assert_int_equal(target_doubt(VERDICT_HOLDS, &ours), VERDICT_NONE);
    assert_string_equal(verdict_text(VERDICT_SATURATED), "saturated");
    assert_string_equal(verdict_text(VERDICT_TOO_FEW), "too few rounds");
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

/* The command line. Each of these is a program of its own. */

static int status_of(char *option, char *value, const char *row)
{
    pid_t child = fork();
    if (child == 0) {
        char name[] = "bench_test", *argv[] = { name, option, value, NULL };
        if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
            _exit(99);
        bench_begin("test", value ? 3 : 2, argv);
        bench_value(row, "B", 1);
        fflush(stdout);
        _exit(bench_end());
    }
    int status = 0;
    assert_true(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_begin_refuses_rounds_that_are_no_number_or_too_few(void **state)
{
    (void)state;
    char rounds[] = "--rounds", word[] = "abc", none[] = "0", one[] = "1", tail[] = "16x",
         many[] = "61", good[] = "15";
    assert_int_equal(status_of(rounds, word, "a/row"), 2);
    assert_int_equal(status_of(rounds, none, "a/row"), 2);
    assert_int_equal(status_of(rounds, one, "a/row"), 2);
    assert_int_equal(status_of(rounds, tail, "a/row"), 2);
    assert_int_equal(status_of(rounds, many, "a/row"), 2);
    assert_int_equal(status_of(rounds, NULL, "a/row"), 2);
    assert_int_equal(status_of(rounds, good, "a/row"), 0);
}

static void test_end_says_1_for_a_row_that_nobody_has(void **state)
{
    (void)state;
    char text[] = "row", nobody[] = "nobody/knows";
    assert_int_equal(status_of(text, NULL, "a/row"), 0);
    assert_int_equal(status_of(nobody, NULL, "a/row"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_rounds_run_each_side_once_and_the_next_time_backwards, set_up),
        cmocka_unit_test_setup(test_rounds_tell_medians_and_ratios_of_ours_to_others, set_up),
        cmocka_unit_test_setup(test_rounds_bound_the_median_by_ranks, set_up),
        cmocka_unit_test_setup(test_rounds_end_at_the_most, set_up),
        cmocka_unit_test_setup(test_rounds_repeat_the_run_that_was_stolen_from, set_up),
        cmocka_unit_test_setup(test_rounds_keep_and_count_what_is_stolen_from_each_time, set_up),
        cmocka_unit_test_setup(test_rounds_bytes_cannot_be_stolen, set_up),
        cmocka_unit_test_setup(test_rounds_tell_which_side_was_unfit, set_up),
        cmocka_unit_test_setup(test_target_at_most_holds_with_the_whole_interval, set_up),
        cmocka_unit_test_setup(test_target_at_least_holds_with_the_whole_interval, set_up),
        cmocka_unit_test_setup(test_target_is_not_judged_by_less_than_15_rounds, set_up),
        cmocka_unit_test_setup(test_target_is_undecided_where_time_was_stolen, set_up),
        cmocka_unit_test_setup(test_target_is_not_judged_of_who_is_saturated, set_up),
        cmocka_unit_test_setup(test_target_is_the_first_line_that_fits, set_up),
        cmocka_unit_test_setup(test_begin_refuses_rounds_that_are_no_number_or_too_few, set_up),
        cmocka_unit_test_setup(test_end_says_1_for_a_row_that_nobody_has, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
