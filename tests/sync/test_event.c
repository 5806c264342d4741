/* Events: all who wait go on, in their order; who comes while it is set does not wait. */

#include "sync/sync_test.h"

#include <weft/event.h>

static weft_event e;

static int event_setup(void **state)
{
    memset(&e, 0, sizeof e);
    return core_setup(state);
}

static int wait_for_it(void *arg)
{
    int err = weft_event_wait(&e);
    note(err < 0 ? "!" : arg);
    return err;
}

static int order_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, wait_for_it, "a");
    weft_spawn(&s, wait_for_it, "b");
    weft_sleep(0);
    weft_spawn(&s, wait_for_it, "c");
    weft_sleep(0);
    assert_false(weft_event_is_set(&e));
    weft_event_set(&e);
    assert_true(weft_event_is_set(&e));
    note("s");
    assert_int_equal(weft_event_wait(&e), 0); /* does not suspend */
    note("m");
    return weft_scope_end(&s);
}

static void test_event_wakes_all_in_the_order_of_coming(void **state)
{
    (void)state;
    assert_int_equal(run(order_main, NULL), 0);
    assert_string_equal(trace, "smabc");
}

/* Set and cleared before anybody runs: who waited goes on, who comes waits. */
static int pulse_main(void *arg)
{
    (void)arg;
    weft_event_stats stats;
    weft_task *a = begin(wait_for_it, "a"), *b = begin(wait_for_it, "b");
    weft_sleep(0);
    weft_event_set(&e);
    weft_event_set(&e);
    weft_event_clear(&e);
    weft_event_clear(&e);
    weft_task *late = begin(wait_for_it, "l");
    weft_sleep(0);
    assert_int_equal(end_of(a), 0);
    assert_int_equal(end_of(b), 0);
    assert_false(weft_task_is_done(late));
    weft_event_get_stats(&e, &stats);
    assert_int_equal(stats.set, 1);
    assert_int_equal(stats.line.waiting, 1);
    assert_int_equal(stats.line.waited, 3);
    assert_int_equal(stats.line.longest, 2);
    weft_event_set(&e);
    return end_of(late);
}

static void test_event_who_was_woken_is_not_called_back_by_a_clear(void **state)
{
    (void)state;
    assert_int_equal(run(pulse_main, NULL), 0);
    assert_string_equal(trace, "abl");
}

static int cancel_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_event_stats stats;
    weft_task *a = begin(wait_for_it, "a"), *b = begin(wait_for_it, "b");
    weft_sleep(0);
    weft_task_cancel(a, NULL);
    assert_int_equal(end_of(a), -ECANCELED);
    weft_scope_begin(&s, .timeout = SECOND);
    assert_int_equal(weft_event_wait(&e), -ECANCELED);
    assert_int_equal(weft_event_wait(&e), -ECANCELED);
    weft_event_set(&e);
    assert_int_equal(weft_event_wait(&e), -ECANCELED); /* though it is set */
    assert_int_equal(weft_scope_end(&s), -ETIMEDOUT);
    weft_event_get_stats(&e, &stats);
    assert_int_equal(stats.line.cancelled, 2);
    return end_of(b);
}

static void test_event_a_cancel_or_a_deadline_stops_only_the_waiting(void **state)
{
    (void)state;
    assert_int_equal(run(cancel_main, NULL), 0);
    assert_string_equal(trace, "!b");
}

static int told(void *arg)
{
    (void)arg;
    assert_int_equal(weft_event_wait(&e), 0);
    assert_int_equal(weft_event_wait(&e), -ECANCELED);
    return -ECANCELED;
}

static int told_main(void *arg)
{
    (void)arg;
    weft_task *task = begin(told, NULL);
    weft_sleep(0);
    weft_event_set(&e);
    weft_task_cancel(task, NULL);
    assert_int_equal(end_of(task), -ECANCELED);
    return 0;
}

static void test_event_a_cancel_after_the_set_comes_too_late(void **state)
{
    (void)state;
    assert_int_equal(run(told_main, NULL), 0);
}

static void set_it(void *arg)
{
    weft_event_set(arg);
}

static int callback_main(void *arg)
{
    (void)arg;
    weft_call_later(SECOND, set_it, &e);
    assert_int_equal(weft_event_wait(&e), 0);
    return 0;
}

static void test_event_a_callback_may_set_it(void **state)
{
    (void)state;
    assert_int_equal(run(callback_main, NULL), 0);
}

static void test_event_may_be_set_where_no_loop_runs(void **state)
{
    (void)state;
    weft_event_init(&e);
    weft_event_set(&e);
    assert_int_equal(run(wait_for_it, "a"), 0);
    weft_event_clear(&e);
    weft_event_fini(&e);
    weft_event_fini(NULL);
    assert_string_equal(trace, "a");
}

static void test_event_zeroed_memory_serves_one_run_after_another(void **state)
{
    (void)state;
    assert_int_equal(run(pulse_main, NULL), 0);
    memset(&e, 0, sizeof e);
    assert_int_equal(run(order_main, NULL), 0);
    weft_event_clear(&e);
    assert_int_equal(run(order_main, NULL), 0);
    assert_string_equal(trace, "ablsmabcsmabc");
}

static int wait_outside(void)
{
    return weft_event_wait(&e);
}

static int wait_in_loop_elsewhere(void)
{
    return run(wait_for_it, "x");
}

static int set_elsewhere(void)
{
    weft_event_set(&e);
    return 0;
}

static int clear_elsewhere(void)
{
    weft_event_clear(&e);
    return 0;
}

static int thread_main(void *arg)
{
    (void)arg;
    weft_event_init(&e);
    weft_task *task = begin(wait_for_it, "a");
    weft_sleep(0);
    on_another_thread(set_elsewhere);
    expect_log("the event (made at ../../tests/sync/test_event.c:");
    assert_false(weft_event_is_set(&e));
    weft_event_set(&e);
    on_another_thread(clear_elsewhere);
    expect_log("was used by another thread than its own");
    assert_true(weft_event_is_set(&e));
    assert_int_equal(on_another_thread(wait_in_loop_elsewhere), WEFT_ETHREAD);
    expect_log("was used by another thread than its own");
    assert_int_equal(on_another_thread(wait_outside), -EPERM);
    expect_log("a function that suspends was called outside a task");
    return end_of(task);
}

static void test_event_belongs_to_a_thread(void **state)
{
    (void)state;
    assert_int_equal(run(thread_main, NULL), 0);
    assert_string_equal(trace, "!a");
}

static int fini_main(void *arg)
{
    (void)arg;
    weft_event_init(&e);
    begin(wait_for_it, "a");
    weft_sleep(0);
    weft_event_fini(&e);
    return 0;
}

static void fini_program(void)
{
    run(fini_main, NULL);
}

static void test_event_given_up_while_somebody_waits_aborts(void **state)
{
    (void)state;
    expect_abort(fini_program, "was given up while it is in use; waiting: 1");
}

static int words_main(void *arg)
{
    (void)arg;
    weft_event_init(&e);
    weft_task *task = begin(wait_for_it, "a");
    weft_sleep(0);
    expect_wait(task, "the event (made at ../../tests/sync/test_event.c:");
    weft_event_set(&e);
    return end_of(task);
}

static void test_event_a_wait_for_it_says_where_it_was_made(void **state)
{
    (void)state;
    assert_int_equal(run(words_main, NULL), 0);
}

#define event_test(function) cmocka_unit_test_setup_teardown(function, event_setup, core_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        event_test(test_event_wakes_all_in_the_order_of_coming),
        event_test(test_event_who_was_woken_is_not_called_back_by_a_clear),
        event_test(test_event_a_cancel_or_a_deadline_stops_only_the_waiting),
        event_test(test_event_a_cancel_after_the_set_comes_too_late),
        event_test(test_event_a_callback_may_set_it),
        event_test(test_event_may_be_set_where_no_loop_runs),
        event_test(test_event_zeroed_memory_serves_one_run_after_another),
        event_test(test_event_belongs_to_a_thread),
        event_test(test_event_given_up_while_somebody_waits_aborts),
        event_test(test_event_a_wait_for_it_says_where_it_was_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
