/* Coroutine objects and functions that run at the call: statements C, R and E of the note. */

#include "core_test.h"

#include <weft/coro.h>
#include <weft/future.h>

static void drop_count(void *arg)
{
    ++*(int *)arg;
}

/* Coroutines. */

static int c1_main(void *arg)
{
    (void)arg;
    weft_coro *coroutine = weft_coro_new(note_arg, "x");
    note("|");
    weft_sleep(SECOND);
    assert_string_equal(trace, "|");
    assert_int_equal(weft_await(coroutine), 0);
    assert_string_equal(trace, "|x");
    return 0;
}

static void test_C1_making_a_coroutine_runs_nothing(void **state)
{
    (void)state;
    assert_int_equal(run(c1_main, NULL), 0);
}

static int never_awaited_main(void *arg)
{
    (void)arg;
    weft_coro_new(note_arg, "x");
    weft_coro_new(note_arg, "x", .name = "second");
    return weft_sleep(0);
}

static void test_C2_a_coroutine_that_nobody_awaits_is_reported_once(void **state)
{
    (void)state;
    assert_int_equal(run(never_awaited_main, NULL), 0);
    assert_string_equal(trace, "");
    expect_log("coroutine 'note_arg' was never awaited (created at ../../tests/core/test_coro.c:");
    expect_log("coroutine 'second' was never awaited");
}

static void test_C2_freeing_a_coroutine_reports_it_and_drops_its_argument(void **state)
{
    (void)state;
    int dropped = 0;
    weft_coro *coroutine = weft_coro_new(note_arg, &dropped, .drop = drop_count);
    weft_coro_free(coroutine);
    assert_int_equal(dropped, 1);
    expect_log("coroutine 'note_arg' was never awaited");
    weft_coro_free(coroutine);
    weft_coro_free(NULL);
    assert_int_equal(dropped, 1);
}

static void *make_and_leave(void *arg)
{
    weft_coro_new(note_arg, arg, .drop = drop_count);
    return NULL;
}

static void test_C2_the_end_of_a_thread_reports_its_coroutines(void **state)
{
    (void)state;
    int dropped = 0;
    pthread_t thread;
    pthread_create(&thread, NULL, make_and_leave, &dropped);
    pthread_join(thread, NULL);
    assert_int_equal(dropped, 1);
    expect_log("coroutine 'note_arg' was never awaited");
}

static weft_coro *left;

static int leave_main(void *arg)
{
    (void)arg;
    left = weft_coro_new(note_arg, "x");
    return 0;
}

static int await_left(void *arg)
{
    (void)arg;
    return weft_await(left);
}

static void test_coro_given_up_with_the_last_loop_cannot_be_awaited(void **state)
{
    (void)state;
    assert_int_equal(run(leave_main, NULL), 0);
    expect_log("was never awaited");
    assert_int_equal(run(await_left, NULL), -ESHUTDOWN);
    expect_log("was given up when the last loop ended");
}

static int first_line(void *arg)
{
    const weft_task *caller = arg;
    assert_ptr_equal(weft_task_self(), caller);
    note("1");
    return weft_sleep(0);
}

static int c3_main(void *arg)
{
    (void)arg;
    weft_spawn(weft_background(), note_arg, "other");
    for (int i = 0; i < 3 * WF_TASK_BUDGET; i++) /* no budget is used up by it */
        assert_int_equal(weft_await(weft_coro_new(return_zero, NULL)), 0);
    assert_int_equal(weft_await(weft_coro_new(first_line, weft_task_self())), 0);
    return 0;
}

static void test_C3_awaiting_a_coroutine_runs_it_inline(void **state)
{
    (void)state;
    assert_int_equal(run(c3_main, NULL), 0);
    assert_string_equal(trace, "1other");
}

static int c4_main(void *arg)
{
    (void)arg;
    weft_coro *coroutine = weft_coro_new(return_zero, NULL, .name = "once");
    assert_int_equal(weft_await(coroutine), 0);
    assert_int_equal(weft_await(coroutine), -EALREADY);
    assert_null(weft_create_task(coroutine));
    assert_int_equal(weft_await((weft_task *)NULL), -EALREADY);
    for (int i = 0; i < 1000; i++)
        weft_await(weft_coro_new(return_zero, NULL));
    assert_int_equal(weft_await(coroutine), -EALREADY);
    return 0;
}

static void test_C4_a_coroutine_runs_once(void **state)
{
    (void)state;
    assert_int_equal(run(c4_main, NULL), 0);
    expect_log("coroutine 'once' (created at ../../tests/core/test_coro.c");
}

static int value_of(void *arg)
{
    return weft_return(arg);
}

static int inner_fails(void *arg)
{
    (void)arg;
    void *value = "untouched";
    int err = weft_await_value(weft_coro_new(return_code, &(int){ -EDOM }), &value);
    assert_string_equal(value, "untouched");
    return err;
}

static int value_main(void *arg)
{
    int *dropped = arg;
    void *value = NULL;
    assert_int_equal(weft_await_value(weft_coro_new(value_of, "hello"), &value), 0);
    assert_string_equal(value, "hello");
    assert_int_equal(weft_await_value(weft_coro_new(return_zero, NULL), &value), 0);
    assert_null(value);
    assert_int_equal(weft_await(weft_coro_new(return_code, &(int){ 7 })), 7);
    assert_int_equal(weft_await(weft_coro_new(inner_fails, NULL)), -EDOM);
    assert_int_equal(weft_await(weft_coro_new(return_zero, dropped, .drop = drop_count)), 0);
    assert_int_equal(*dropped, 1);
    return 0;
}

static void test_coro_hands_back_codes_and_values(void **state)
{
    (void)state;
    int dropped = 0;
    assert_int_equal(run(value_main, &dropped), 0);
}

static int owned_value(void *arg)
{
    return weft_return_owned(arg, drop_count);
}

static int owned_main(void *arg)
{
    int *dropped = arg;
    void *value = NULL;
    weft_await(weft_coro_new(owned_value, dropped));
    assert_int_equal(*dropped, 1); /* nobody wanted it */
    weft_await_value(weft_coro_new(owned_value, dropped), &value);
    assert_int_equal(*dropped, 1); /* ours */
    return value == dropped ? 0 : -EIO;
}

static void test_coro_s_owned_value_is_the_awaiter_s(void **state)
{
    (void)state;
    int dropped = 0;
    assert_int_equal(run(owned_main, &dropped), 0);
    assert_int_equal(dropped, 1);
}

static int fibonacci(void *arg)
{
    int n = *(int *)arg, a, b;
    if (n < 2)
        return n;
    weft_sleep(0);
    a = weft_await(weft_coro_new(fibonacci, &(int){ n - 1 }));
    b = weft_await(weft_coro_new(fibonacci, &(int){ n - 2 }));
    return a + b;
}

static int c5_main(void *arg)
{
    (void)arg;
    return weft_await(weft_coro_new(fibonacci, &(int){ 12 }));
}

static void test_C5_straight_code_works_across_suspension(void **state)
{
    (void)state;
    assert_int_equal(run(c5_main, NULL), 144);
}

static int cancelled_main(void *arg)
{
    int *dropped = arg;
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = -1);
    int err = weft_await(weft_coro_new(note_arg, dropped, .drop = drop_count));
    assert_int_equal(err, -ECANCELED);
    assert_int_equal(*dropped, 1);
    return weft_scope_leave(&scope, err) == -ETIMEDOUT ? 0 : -EIO;
}

static void test_semantics_5_a_refused_await_takes_the_coroutine(void **state)
{
    (void)state;
    int dropped = 0;
    assert_int_equal(run(cancelled_main, &dropped), 0);
    assert_string_equal(trace, "");
    assert_int_equal(weft_await(weft_coro_new(return_zero, &dropped, .drop = drop_count)), -EPERM);
    assert_int_equal(dropped, 2);
    expect_log("outside a task");
}

static int leave_open(void *arg)
{
    weft_scope_begin((weft_scope *)arg);
    return 0;
}

static int open_scope_main(void *arg)
{
    (void)arg;
    weft_scope scope; /* its frame lives: only the coroutine's end can tell */
    return weft_await(weft_coro_new(leave_open, &scope));
}

static void leave_open_program(void)
{
    run(open_scope_main, NULL);
}

static void test_semantics_13_a_scope_left_open_by_a_coroutine_aborts(void **state)
{
    (void)state;
    expect_abort(leave_open_program, "was left open in task 'main'");
}

/* Tasks. */

static int r3_main(void *arg)
{
    (void)arg;
    weft_task *first = weft_create_task(weft_coro_new(note_arg, "1"));
    weft_task_release(weft_create_task(weft_coro_new(note_arg, "2"))); /* R6: nobody holds it */
    note("|");
    assert_int_equal(weft_sleep(0), 0);
    assert_int_equal(weft_await(first), 0);
    assert_int_equal(weft_await(first), 0);
    weft_task_release(first);
    return 0;
}

static void test_R3_R6_a_created_task_runs_by_itself_when_its_creator_suspends(void **state)
{
    (void)state;
    assert_int_equal(run(r3_main, NULL), 0);
    assert_string_equal(trace, "|12");
}

static void test_R2_creating_a_task_outside_a_loop_is_refused(void **state)
{
    (void)state;
    int dropped = 0;
    assert_null(weft_create_task(weft_coro_new(note_arg, &dropped, .drop = drop_count)));
    assert_int_equal(dropped, 1);
    assert_int_equal(weft_task_result(NULL, NULL), -EPERM);
    assert_null(weft_call(note_arg, "x"));
    expect_log("a task was created where no loop runs");
    expect_log("'note_arg' was called at ../../tests/core/test_coro.c");
}

static int r4_main(void *arg)
{
    (void)arg;
    int64_t begin = weft_now();
    weft_task *one = weft_create_task(weft_coro_new(sleep_second, NULL));
    weft_task *two = weft_create_task(weft_coro_new(sleep_second, NULL));
    weft_sleep(0); /* both have begun */
    weft_sleep(SECOND);
    weft_await(one);
    weft_await(two);
    assert_int_equal(weft_now() - begin, SECOND);
    weft_await(weft_coro_new(sleep_second, NULL));
    weft_await(weft_coro_new(sleep_second, NULL));
    assert_int_equal(weft_now() - begin, 3 * SECOND);
    weft_task_release(one);
    weft_task_release(two);
    return 0;
}

static void test_coro_tasks_run_side_by_side_and_coroutines_one_after_the_other(void **state)
{
    (void)state;
    assert_int_equal(run(r4_main, NULL), 0);
}

static int e1_main(void *arg)
{
    (void)arg;
    int minus = -EDOM;
    weft_future *eager = weft_call(return_code, &minus);
    weft_task *task = weft_create_task(weft_coro_new(return_code, &minus));
    assert_non_null(eager);
    assert_int_equal(weft_sleep(0), 0); /* nothing has surfaced */
    assert_int_equal(weft_await(eager), -EDOM);
    assert_int_equal(weft_await(task), -EDOM);
    weft_future_release(eager);
    weft_task_release(task);
    return 0;
}

static void test_E1_an_error_is_stored_and_does_not_surface_at_the_call(void **state)
{
    (void)state;
    assert_int_equal(run(e1_main, NULL), 0);
}

/* Functions that run at the call. */

static int note_twice(void *arg)
{
    note("1");
    weft_sleep(0);
    note("2");
    return weft_return(arg);
}

static int c7_main(void *arg)
{
    (void)arg;
    void *value = NULL;
    weft_future *future = weft_call(note_twice, "value");
    note("|");
    assert_false(weft_is_done(future));
    assert_int_equal(weft_await_value(future, &value), 0);
    assert_string_equal(value, "value");
    weft_future_release(future);
    future = weft_call(note_arg, "x");
    assert_true(weft_is_done(future)); /* it never suspended */
    weft_future_release(future);
    return 0;
}

static void test_C7_a_called_function_runs_at_once_up_to_its_first_suspension(void **state)
{
    (void)state;
    assert_int_equal(run(c7_main, NULL), 0);
    assert_string_equal(trace, "1|2x");
}

static int c8_main(void *arg)
{
    (void)arg;
    weft_future *called = weft_call(return_zero, NULL);
    weft_coro *coroutine = weft_coro_new(return_zero, NULL);
    weft_task *task = weft_create_task(weft_coro_new(return_zero, NULL));
    weft_task *const constant = task;
    assert_true(weft_is_future(called) && !weft_is_coro(called));
    assert_true(weft_is_coro(coroutine) && !weft_is_future(coroutine));
    assert_true(weft_is_future(constant) && !weft_is_coro(constant));
    assert_false(weft_is_coro((weft_coro *)NULL) || weft_is_future((weft_future *)NULL));
    assert_ptr_equal(weft_any(weft_any(task)), weft_any(weft_task_future(task)));
    weft_await(called);
    weft_await(coroutine);
    weft_await(weft_any(task));
    weft_task_release(task);
    weft_future_release(called);
    return 0;
}

static void test_C8_each_kind_says_what_it_is(void **state)
{
    (void)state;
    assert_int_equal(run(c8_main, NULL), 0);
}

static int await_called(void *arg)
{
    weft_future *inner = weft_call(sleep_second, arg);
    int err = weft_await(inner);
    weft_future_release(inner);
    return err < 0 ? err : weft_await(weft_coro_new(sleep_second, arg));
}

static int c9_main(void *arg)
{
    (void)arg;
    weft_future *future = weft_call(await_called, NULL);
    assert_int_equal(weft_await(future), 0);
    weft_future_release(future);
    return weft_await(weft_coro_new(await_called, NULL));
}

static void test_C9_each_kind_awaits_the_other(void **state)
{
    (void)state;
    assert_int_equal(run(c9_main, NULL), 0);
}

static int nested_main(void *arg)
{
    (void)arg;
    weft_loop *loop = weft_loop_current();
    assert_int_equal(weft_run(return_zero, NULL), -EDEADLK);
    assert_int_equal(weft_loop_run_until_complete(loop, weft_coro_new(note_arg, "x")), -EDEADLK);
    return 0;
}

static void test_C12_running_a_loop_inside_a_loop_is_refused(void **state)
{
    (void)state;
    assert_int_equal(run(nested_main, NULL), 0);
    assert_string_equal(trace, ""); /* the coroutine was taken all the same */
    expect_log("weft_run() inside a running loop");
    expect_log("a loop cannot be run inside a task or callback");
}

static void *await_elsewhere(void *arg)
{
    assert_int_equal(weft_await((weft_coro *)arg), WEFT_ETHREAD);
    weft_coro_free(arg);
    return NULL;
}

static void test_coro_belongs_to_the_thread_that_made_it(void **state)
{
    (void)state;
    pthread_t thread;
    weft_coro *coroutine = weft_coro_new(return_zero, NULL);
    pthread_create(&thread, NULL, await_elsewhere, coroutine);
    pthread_join(thread, NULL);
    expect_log("was used by another thread");
    assert_int_equal(weft_await(coroutine), -EPERM);
    take_log("outside a task");
}

static int reuse_main(void *arg)
{
    weft_coro **seen = arg;
    seen[0] = weft_coro_new(return_zero, NULL);
    weft_await(seen[0]);
    for (int i = 1; i < 5000; i++) {
        weft_coro *coroutine = weft_coro_new(return_zero, NULL);
        if (coroutine == seen[0])
            seen[1] = coroutine;
        assert_true(coroutine != seen[0] || i > 1024);
        weft_await(coroutine);
    }
    return seen[1] ? 0 : -EIO;
}

static void test_semantics_5_memory_is_reused_after_a_thousand_others(void **state)
{
    (void)state;
    weft_coro *seen[2] = { NULL, NULL };
    assert_int_equal(run(reuse_main, seen), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_C1_making_a_coroutine_runs_nothing),
        core_test(test_C2_a_coroutine_that_nobody_awaits_is_reported_once),
        core_test(test_C2_freeing_a_coroutine_reports_it_and_drops_its_argument),
        core_test(test_C2_the_end_of_a_thread_reports_its_coroutines),
        core_test(test_coro_given_up_with_the_last_loop_cannot_be_awaited),
        core_test(test_C3_awaiting_a_coroutine_runs_it_inline),
        core_test(test_C4_a_coroutine_runs_once),
        core_test(test_coro_hands_back_codes_and_values),
        core_test(test_coro_s_owned_value_is_the_awaiter_s),
        core_test(test_C5_straight_code_works_across_suspension),
        core_test(test_semantics_5_a_refused_await_takes_the_coroutine),
        core_test(test_semantics_13_a_scope_left_open_by_a_coroutine_aborts),
        core_test(test_R3_R6_a_created_task_runs_by_itself_when_its_creator_suspends),
        core_test(test_R2_creating_a_task_outside_a_loop_is_refused),
        core_test(test_coro_tasks_run_side_by_side_and_coroutines_one_after_the_other),
        core_test(test_E1_an_error_is_stored_and_does_not_surface_at_the_call),
        core_test(test_C7_a_called_function_runs_at_once_up_to_its_first_suspension),
        core_test(test_C8_each_kind_says_what_it_is),
        core_test(test_C9_each_kind_awaits_the_other),
        core_test(test_C12_running_a_loop_inside_a_loop_is_refused),
        core_test(test_coro_belongs_to_the_thread_that_made_it),
        core_test(test_semantics_5_memory_is_reused_after_a_thousand_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
