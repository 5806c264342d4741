/* Intervals, sleeping until a time, and the note's minute loops (M1 to M5). */

#include "core_test.h"

#include <weft/coro.h>
#include <weft/future.h>
#include <weft/interval.h>

/* Work that holds the processor: nothing else runs, and the clock goes on. */
static void work(int64_t duration)
{
    struct wf_clock *clock = &wf_running->clock;
    wf_clock_advance_to(clock, clock->now + duration);
}

static int64_t begun; /* of the test at hand */

/* Notes in the trace when the tick came, in tenths of a millisecond from `begun`, and what was left
 * out before it. */
static void note_tick(weft_interval *every)
{
    char text[40];
    int64_t missed = weft_interval_next(every);
    assert_true(missed >= 0);
    snprintf(text, sizeof text, missed ? "%g(%d) " : "%g ",
             (double)(weft_now() - begun) / (double)MILLISECOND, (int)missed);
    note(text);
}

static void note_ticks(weft_interval *every, int count)
{
    while (count-- > 0)
        note_tick(every);
}

/* What ticks come around work of 3.5 periods of 1 ms, after the tick at 0. */
static int stall_main(void *policy)
{
    weft_interval every;
    begun = weft_now();
    assert_int_equal(
        weft_interval_init(&every, MILLISECOND, .first = -1, .policy = *(uint8_t *)policy), 0);
    note_tick(&every);
    work(7 * MILLISECOND / 2);
    note_ticks(&every, 6);
    return 0;
}

static const char *stalled(uint8_t policy)
{
    trace[0] = '\0';
    assert_int_equal(run(stall_main, &policy), 0);
    return trace;
}

static void test_M4_skip_leaves_out_what_a_stall_has_missed(void **state)
{
    (void)state;
    assert_string_equal(stalled(WEFT_INTERVAL_SKIP), "0 4(3) 5 6 7 8 9 ");
}

static void test_M4_burst_fires_three_extra_at_once(void **state)
{
    (void)state;
    assert_string_equal(stalled(WEFT_INTERVAL_BURST), "0 3.5 3.5 3.5 4 5 6 ");
}

static void test_M4_delay_begins_a_new_grid(void **state)
{
    (void)state;
    assert_string_equal(stalled(WEFT_INTERVAL_DELAY), "0 4.5(3) 5.5 6.5 7.5 8.5 9.5 ");
}

static int thousand_main(void *policy)
{
    weft_interval every;
    begun = weft_now();
    weft_interval_init(&every, MILLISECOND, .policy = *(uint8_t *)policy);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(weft_interval_next(&every), 0);
        work(i % 10 * MILLISECOND / 10);
    }
    int64_t took = weft_now() - begun;
    assert_true(took >= SECOND && took < SECOND + MILLISECOND);
    return 0;
}

static void test_M4_a_thousand_ticks_end_within_one_of_a_second(void **state)
{
    (void)state;
    for (uint8_t policy = WEFT_INTERVAL_SKIP; policy <= WEFT_INTERVAL_DELAY; policy++)
        assert_int_equal(run(thousand_main, &policy), 0);
}

/* Work that always takes longer than the period. */
static int overloaded_main(void *policy)
{
    weft_interval every;
    begun = weft_now();
    weft_interval_init(&every, 10 * MILLISECOND, .first = -1, .policy = *(uint8_t *)policy);
    for (int i = 0; i < 5; i++) {
        note_tick(&every);
        work(12 * MILLISECOND);
    }
    return 0;
}

static void test_M4_work_that_takes_longer_than_the_period(void **state)
{
    (void)state;
    uint8_t policy = WEFT_INTERVAL_SKIP;
    assert_int_equal(run(overloaded_main, &policy), 0);
    assert_string_equal(trace, "0 20(1) 40(1) 60(1) 80(1) ");
    trace[0] = '\0';
    policy = WEFT_INTERVAL_BURST;
    assert_int_equal(run(overloaded_main, &policy), 0);
    assert_string_equal(trace, "0 12 24 36 48 ");
    trace[0] = '\0';
    policy = WEFT_INTERVAL_DELAY;
    assert_int_equal(run(overloaded_main, &policy), 0);
    assert_string_equal(trace, "0 22(1) 44(1) 66(1) 88(1) ");
}

/* A tick whose time is this very moment is in time. */
static int exact_main(void *arg)
{
    (void)arg;
    weft_interval every;
    begun = weft_now();
    weft_interval_init(&every, MILLISECOND);
    note_tick(&every);
    work(MILLISECOND);
    note_tick(&every);
    work(2 * MILLISECOND);
    note_tick(&every);
    work(2 * MILLISECOND + 1);
    note_tick(&every);
    return 0;
}

static void test_interval_a_tick_that_is_due_now_is_not_late(void **state)
{
    (void)state;
    assert_int_equal(run(exact_main, NULL), 0);
    assert_string_equal(trace, "1 2 4(1) 7(2) ");
}

static int firsts_main(void *arg)
{
    (void)arg;
    weft_interval every;
    begun = weft_now();
    weft_interval_init(&every, 10 * MILLISECOND, .first = 3 * MILLISECOND);
    note_ticks(&every, 3);
    begun = weft_now();
    weft_interval_init(&every, 10 * MILLISECOND, .first = -1);
    work(25 * MILLISECOND); /* the first one is given all the same, and moves nothing */
    note_ticks(&every, 3);
    begun = weft_now();
    weft_interval_init(&every, 10 * MILLISECOND, .first = 3 * MILLISECOND);
    work(25 * MILLISECOND);
    note_ticks(&every, 2);
    return 0;
}

static void test_interval_begins_when_it_was_told_to(void **state)
{
    (void)state;
    assert_int_equal(run(firsts_main, NULL), 0);
    assert_string_equal(trace, "3 13 23 25 30(2) 40 33(3) 43 ");
}

/* Somebody else holds the loop while a tick is waited for: it comes late, once, and the grid stays.
 */

static int hold_the_loop(void *arg)
{
    (void)arg;
    int err = weft_sleep(5 * MILLISECOND);
    work(28 * MILLISECOND);
    return err;
}

static int held_main(void *arg)
{
    (void)arg;
    weft_interval every;
    weft_scope s;
    begun = weft_now();
    weft_interval_init(&every, 10 * MILLISECOND);
    weft_scope_begin(&s);
    weft_spawn(&s, hold_the_loop, NULL);
    note_ticks(&every, 3);
    return weft_scope_end(&s);
}

static void test_interval_a_late_wake_up_does_not_move_the_grid(void **state)
{
    (void)state;
    assert_int_equal(run(held_main, NULL), 0);
    assert_string_equal(trace, "33 40(2) 50 ");
}

/* Cancel. */

static int cancelled_main(void *policy)
{
    weft_interval every;
    weft_scope s;
    begun = weft_now();
    weft_interval_init(&every, 10 * MILLISECOND, .policy = *(uint8_t *)policy);
    weft_scope_begin(&s, .timeout = 4 * MILLISECOND);
    assert_int_equal(weft_interval_next(&every), -ECANCELED);
    work(20 * MILLISECOND);
    assert_int_equal(weft_interval_next(&every), -ECANCELED); /* also where it would not wait */
    assert_int_equal(weft_scope_end(&s), -ETIMEDOUT);
    note_tick(&every);
    weft_scope_begin(&s, .timeout = 4 * MILLISECOND);
    int64_t told = weft_interval_next(&every);
    assert_int_equal(told, -ECANCELED);
    weft_scope_end(&s);
    note_ticks(&every, 2);
    return 0;
}

static void test_semantics_10_a_cancelled_wait_loses_no_tick(void **state)
{
    (void)state;
    uint8_t policy = WEFT_INTERVAL_SKIP;
    assert_int_equal(run(cancelled_main, &policy), 0);
    assert_string_equal(trace, "30(2) 40 50 ");
    trace[0] = '\0';
    policy = WEFT_INTERVAL_DELAY;
    assert_int_equal(run(cancelled_main, &policy), 0);
    assert_string_equal(trace, "34(2) 44 54 ");
}

/* The work ends exactly on the grid: SKIP gives that tick, DELAY leaves it out and counts it. */
static int on_the_grid_main(void *policy)
{
    weft_interval every;
    weft_interval_init(&every, 10 * MILLISECOND, .first = -1, .policy = *(uint8_t *)policy);
    assert_int_equal(weft_interval_next(&every), 0);
    work(30 * MILLISECOND);
    return (int)weft_interval_next(&every);
}

static void test_interval_late_by_whole_periods_counts_each_tick_once(void **state)
{
    (void)state;
    uint8_t policy = WEFT_INTERVAL_SKIP;
    assert_int_equal(run(on_the_grid_main, &policy), 2);
    policy = WEFT_INTERVAL_DELAY;
    assert_int_equal(run(on_the_grid_main, &policy), 3);
}

static int cancelled_burst_main(void *arg)
{
    (void)arg;
    weft_interval every;
    weft_scope s;
    begun = weft_now();
    weft_interval_init(&every, 10 * MILLISECOND, .policy = WEFT_INTERVAL_BURST);
    work(25 * MILLISECOND);
    weft_scope_begin(&s);
    weft_scope_cancel(&s, "now");
    assert_int_equal(weft_interval_next(&every), -ECANCELED);
    weft_scope_end(&s);
    note_ticks(&every, 3);
    return 0;
}

static void test_semantics_10_a_cancelled_burst_loses_no_tick(void **state)
{
    (void)state;
    assert_int_equal(run(cancelled_burst_main, NULL), 0);
    assert_string_equal(trace, "25 25 30 ");
}

/* A million ticks behind: others run all the same. */

static int count_turns(void *turns)
{
    for (;;) {
        int err = weft_sleep(0);
        if (err < 0)
            return err;
        ++*(int *)turns;
    }
}

static int starve_main(void *arg)
{
    (void)arg;
    weft_interval every;
    weft_scope s;
    int turns = 0;
    weft_interval_init(&every, 1, .policy = WEFT_INTERVAL_BURST);
    work(MILLISECOND);
    weft_scope_begin(&s);
    weft_spawn(&s, count_turns, &turns);
    for (int i = 0; i < 12800; i++)
        assert_int_equal(weft_interval_next(&every), 0);
    assert_true(turns >= 99);
    weft_scope_cancel(&s, "enough");
    return weft_scope_end(&s);
}

static void test_interval_a_burst_gives_others_their_turn(void **state)
{
    (void)state;
    assert_int_equal(run(starve_main, NULL), 0);
}

/* Jitter. */

static int jitter_main(void *arg)
{
    (void)arg;
    weft_interval every;
    int64_t least = SECOND, most = 0;
    begun = weft_now();
    weft_interval_init(&every, 10 * MILLISECOND, .jitter = 4 * MILLISECOND);
    for (int i = 1; i <= 1000; i++) {
        assert_int_equal(weft_interval_next(&every), 0);
        int64_t late = weft_now() - begun - i * 10 * MILLISECOND;
        least = late < least ? late : least;
        most = late > most ? late : most;
    }
    assert_true(least >= 0 && least < MILLISECOND / 10);
    assert_true(most <= 4 * MILLISECOND && most > 39 * MILLISECOND / 10);
    return 0;
}

static void test_interval_jitter_does_not_move_the_grid(void **state)
{
    (void)state;
    assert_int_equal(run(jitter_main, NULL), 0);
}

/* As much as the period, with work: what comes late by its jitter is not left out for that. */
static int jittery_work_main(void *arg)
{
    (void)arg;
    weft_interval every;
    int64_t ticks = 0, missed = 0;
    begun = weft_now();
    weft_interval_init(&every, 10 * MILLISECOND, .jitter = 10 * MILLISECOND);
    for (; ticks + missed < 1000; ticks++) {
        missed += weft_interval_next(&every);
        work(5 * MILLISECOND);
    }
    int64_t took = weft_now() - begun;
    assert_true(missed > 0 && missed < 300);
    assert_true(took >= 10 * SECOND && took <= 10 * SECOND + 30 * MILLISECOND);
    return 0;
}

static void test_interval_counts_every_point_of_its_grid_once(void **state)
{
    (void)state;
    assert_int_equal(run(jittery_work_main, NULL), 0);
}

static int dice_main(void *thrown)
{
    weft_interval every;
    weft_interval_init(&every, WEFT_HOUR, .jitter = WEFT_HOUR);
    int64_t before = weft_now();
    weft_interval_next(&every);
    *(int64_t *)thrown = weft_now() - before;
    return 0;
}

static int throw_dice_main(void *thrown)
{
    *(uint64_t *)thrown = wf_random_next(wf_loop_dice(wf_running));
    return 0;
}

static void test_interval_throws_the_same_dice_in_virtual_time_only(void **state)
{
    (void)state;
    int64_t first = 0, second = 0;
    assert_int_equal(run(dice_main, &first), 0);
    assert_int_equal(run(dice_main, &second), 0);
    assert_true(first == second);
    uint64_t real[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(weft_run(throw_dice_main, &real[i], .no_signals = true), 0);
    assert_true(real[0] != real[1] || getenv("WEFT_SHUFFLE"));
}

/* Numbers at the edge. */

static int huge_main(void *arg)
{
    (void)arg;
    weft_interval every;
    weft_scope s;
    const int64_t periods[] = { WEFT_FOREVER, WEFT_FOREVER - 1, WEFT_FOREVER / 2 + 1 };
    for (uint8_t policy = WEFT_INTERVAL_SKIP; policy <= WEFT_INTERVAL_DELAY; policy++)
        for (int i = 0; i < 3; i++) {
            assert_int_equal(weft_interval_init(&every, periods[i], .first = 1, .policy = policy,
                                                .jitter = periods[i]),
                             0);
            weft_interval_init(&every, periods[i], .first = 1, .policy = policy);
            assert_int_equal(weft_interval_next(&every), 0);
            work(WEFT_HOUR);
            weft_scope_begin(&s, .timeout = WEFT_HOUR);
            assert_int_equal(weft_interval_next(&every), -ECANCELED);
            weft_scope_end(&s);
            weft_interval_init(&every, periods[i], .first = 1, .policy = policy);
            work(WEFT_HOUR);
            weft_scope_begin(&s, .timeout = WEFT_HOUR);
            int64_t missed = weft_interval_next(&every);
            assert_int_equal(missed, policy == WEFT_INTERVAL_BURST ? 0 : -ECANCELED);
            weft_scope_end(&s);
        }
    weft_interval_init(&every, 1, .first = WEFT_FOREVER);
    weft_scope_begin(&s, .timeout = 1000 * 24 * WEFT_HOUR);
    assert_int_equal(weft_interval_next(&every), -ECANCELED);
    weft_scope_end(&s);
    return 0;
}

static void test_interval_sums_stop_at_the_end_of_time(void **state)
{
    (void)state;
    assert_int_equal(run(huge_main, NULL), 0);
}

static int tiny_main(void *arg)
{
    (void)arg;
    weft_interval every;
    weft_interval_init(&every, 1);
    work(WEFT_HOUR);
    assert_true(weft_interval_next(&every) == WEFT_HOUR - 1);
    assert_int_equal(weft_interval_next(&every), 0);
    return 0;
}

static void test_interval_counts_as_many_as_there_are_nanoseconds(void **state)
{
    (void)state;
    assert_int_equal(run(tiny_main, NULL), 0);
}

/* Misuse. */

static int refused_main(void *arg)
{
    (void)arg;
    weft_interval every = { { 0 } };
    assert_int_equal(weft_interval_next(&every), -EINVAL);
    expect_log("task 'main' asked for a tick of an interval that weft_interval_init() has not");
    assert_int_equal(weft_interval_init(&every, 0), -EINVAL);
    expect_log("an interval with a period of 0 ns, at ");
    assert_int_equal(weft_interval_next(&every), -EINVAL);
    expect_log("an interval that weft_interval_init() refused at ");
    assert_int_equal(weft_interval_init(&every, -SECOND), -EINVAL);
    expect_log("an interval with a period of -1000000000 ns");
    assert_int_equal(weft_interval_init(&every, 10, .jitter = 11), -EINVAL);
    expect_log(".jitter of 11 ns");
    assert_int_equal(weft_interval_init(&every, 10, .jitter = -1), -EINVAL);
    expect_log(".jitter of -1 ns");
    assert_int_equal(weft_interval_init(&every, 10, .policy = 3), -EINVAL);
    expect_log(".policy 3 at ");
    assert_int_equal(weft_interval_init(&every, 10), 0);
    assert_int_equal(weft_interval_next(&every), 0);
    return 0;
}

static void test_semantics_21_an_interval_that_did_not_begin_is_einval(void **state)
{
    (void)state;
    assert_int_equal(run(refused_main, NULL), 0);
}

static void test_semantics_21_a_tick_outside_a_task_is_eperm(void **state)
{
    (void)state;
    weft_interval every;
    assert_int_equal(weft_interval_init(&every, SECOND), -EPERM);
    expect_log("an interval on a thread without a loop");
    assert_int_equal(weft_interval_next(&every), -EPERM);
    expect_log("called outside a task");
    assert_int_equal(weft_sleep_until(1), -EPERM);
    take_log("called outside a task");
}

static int next_tick(void *every)
{
    return (int)weft_interval_next(every);
}

static void test_semantics_21_another_loops_interval_is_refused(void **state)
{
    (void)state;
    weft_interval every;
    weft_loop *loop;
    assert_int_equal(weft_loop_new(&loop, .clock = WEFT_CLOCK_TEST), 0);
    assert_int_equal(weft_interval_init(&every, SECOND), 0);
    assert_int_equal(run(next_tick, &every), WEFT_ETHREAD);
    expect_log("another loop's interval");
    weft_coro *coro = weft_coro_new(next_tick, &every);
    assert_int_equal(weft_loop_run_until_complete(loop, coro), 0);
    assert_int_equal(weft_loop_free(loop), 0);
}

static int shared_main(void *arg)
{
    (void)arg;
    weft_interval every;
    weft_task *other;
    weft_interval_init(&every, SECOND);
    weft_spawn(weft_background(), next_tick, &every, .name = "other", .task = &other,
               .eager = true);
    assert_int_equal(weft_interval_next(&every), -EBUSY);
    expect_log("that task 'other' waits for");
    assert_int_equal(weft_await(other), 0);
    weft_task_release(other);
    assert_int_equal(weft_interval_next(&every), 0);
    return 0;
}

static void test_semantics_21_one_task_waits_for_an_interval(void **state)
{
    (void)state;
    assert_int_equal(run(shared_main, NULL), 0);
}

/* Sleeping until a time. */

static int note_until(void *when)
{
    int err = weft_sleep_until(*(int64_t *)when);
    note("u");
    return err;
}

static int until_main(void *arg)
{
    (void)arg;
    weft_scope s;
    int64_t when = weft_now() + SECOND, over = 1;
    assert_int_equal(weft_sleep_until(when), 0);
    assert_true(weft_now() == when);
    weft_scope_begin(&s);
    weft_spawn(&s, note_arg, "a");
    weft_spawn(&s, note_until, &over);
    weft_spawn(&s, note_arg, "b");
    assert_int_equal(weft_sleep_until(INT64_MIN), 0); /* one turn, as sleep(0) */
    note("m");
    assert_int_equal(weft_scope_end(&s), 0);
    assert_true(weft_now() == when);
    weft_scope_begin(&s, .timeout = SECOND);
    assert_int_equal(weft_sleep_until(WEFT_FOREVER), -ECANCELED);
    assert_int_equal(weft_scope_end(&s), -ETIMEDOUT);
    assert_true(weft_now() == when + SECOND);
    return 0;
}

static void test_sleep_until_ends_at_that_time(void **state)
{
    (void)state;
    assert_int_equal(run(until_main, NULL), 0);
    assert_string_equal(trace, "abmu");
}

/* The note's loops: T = 50 ms, work = 20 ms of processor time. */

enum { ROUNDS = 10 };

static int minute_loop(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        work(20 * MILLISECOND);
        weft_sleep(50 * MILLISECOND);
    }
    return 0;
}

/* arg: how long the work takes. */
static int minute_loop2(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        weft_future *next = weft_sleep_future(50 * MILLISECOND);
        work(*(int64_t *)arg);
        assert_int_equal(weft_await(next), 0);
        weft_future_release(next);
    }
    return 0;
}

static int sleep_50(void *arg)
{
    (void)arg;
    return weft_sleep(50 * MILLISECOND);
}

/* minute_loop2 with a sleep whose clock runs only from the await on. */
static int lazy_loop(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        weft_coro *next = weft_coro_new(sleep_50, NULL);
        work(20 * MILLISECOND);
        assert_int_equal(weft_await(next), 0);
    }
    return 0;
}

/* A loop's period in milliseconds. */
static int period_of(weft_fn *fn, void *arg)
{
    int64_t begin = weft_now();
    assert_int_equal(fn(arg), 0);
    return (int)((weft_now() - begin) / MILLISECOND / ROUNDS);
}

static int loops_main(void *arg)
{
    (void)arg;
    int64_t little = 20 * MILLISECOND, much = 80 * MILLISECOND;
    assert_int_equal(period_of(minute_loop, NULL), 50 + 20); /* M1 */
    assert_int_equal(period_of(minute_loop2, &little), 50);  /* M2: max(T, work) */
    assert_int_equal(period_of(minute_loop2, &much), 80);    /* M2 */
    assert_int_equal(period_of(lazy_loop, NULL), 50 + 20);   /* M3 */
    return 0;
}

static void test_M1_M2_M3_the_periods_of_the_minute_loops(void **state)
{
    (void)state;
    assert_int_equal(run(loops_main, NULL), 0);
}

/* M5: an endless loop in the background. */

static int rounds;

/* arg: the error of its seventh round; 0: it has none. */
static int endless(void *arg)
{
    for (rounds = 1;; rounds++) {
        int err = rounds == 7 ? *(int *)arg : 0;
        if (err == 0)
            err = weft_sleep(WEFT_MINUTE);
        if (err < 0)
            return err;
    }
}

static int endless_main(void *code)
{
    assert_int_equal(weft_spawn(weft_background(), endless, code, .name = "minute loop"), 0);
    return weft_sleep(1000 * WEFT_MINUTE - SECOND);
}

static void test_M5_an_endless_loop_in_the_background_runs_until_the_end(void **state)
{
    (void)state;
    int none = 0;
    assert_int_equal(run(endless_main, &none), 0);
    assert_int_equal(rounds, 1000);
}

static void test_M5_a_failing_round_ends_the_loop_and_is_logged(void **state)
{
    (void)state;
    int code = -EIO;
    assert_int_equal(run(endless_main, &code), 0);
    assert_int_equal(rounds, 7);
    expect_log("'minute loop'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_M1_M2_M3_the_periods_of_the_minute_loops),
        core_test(test_M4_skip_leaves_out_what_a_stall_has_missed),
        core_test(test_M4_burst_fires_three_extra_at_once),
        core_test(test_M4_delay_begins_a_new_grid),
        core_test(test_M4_a_thousand_ticks_end_within_one_of_a_second),
        core_test(test_M4_work_that_takes_longer_than_the_period),
        core_test(test_M5_an_endless_loop_in_the_background_runs_until_the_end),
        core_test(test_M5_a_failing_round_ends_the_loop_and_is_logged),
        core_test(test_interval_a_tick_that_is_due_now_is_not_late),
        core_test(test_interval_begins_when_it_was_told_to),
        core_test(test_interval_a_late_wake_up_does_not_move_the_grid),
        core_test(test_semantics_10_a_cancelled_wait_loses_no_tick),
        core_test(test_interval_late_by_whole_periods_counts_each_tick_once),
        core_test(test_semantics_10_a_cancelled_burst_loses_no_tick),
        core_test(test_interval_a_burst_gives_others_their_turn),
        core_test(test_interval_jitter_does_not_move_the_grid),
        core_test(test_interval_counts_every_point_of_its_grid_once),
        core_test(test_interval_throws_the_same_dice_in_virtual_time_only),
        core_test(test_interval_sums_stop_at_the_end_of_time),
        core_test(test_interval_counts_as_many_as_there_are_nanoseconds),
        core_test(test_semantics_21_an_interval_that_did_not_begin_is_einval),
        core_test(test_semantics_21_a_tick_outside_a_task_is_eperm),
        core_test(test_semantics_21_another_loops_interval_is_refused),
        core_test(test_semantics_21_one_task_waits_for_an_interval),
        core_test(test_sleep_until_ends_at_that_time),
    };
    return cmocka_run_group_tests_name("core interval", tests, NULL, NULL);
}
