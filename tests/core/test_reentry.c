/* Users' code at the worst moments: in drops, exception handlers and writers of dumps it reads,
 * releases, removes and cancels the very thing that is being ended. */

#include "core_test.h"

#include <weft/coro.h>
#include <weft/exception.h>
#include <weft/future.h>
#include <weft/generator.h>
#include <weft/inspect.h>
#include <weft/local.h>
#include <weft/wait.h>

static weft_local key = WEFT_LOCAL("key");
static weft_task *victim;
static int count;

static void count_drop(void *arg)
{
    (void)arg;
    count++;
}

static void count_done(weft_future *future, void *arg)
{
    (void)future, (void)arg;
    count += 100;
}

/* The end of a task's values. */

static void read_result(void *arg)
{
    (void)arg;
    assert_int_equal(weft_task_result(victim, NULL), -EIO);
}

static int fail_with_a_value(void *drop)
{
    assert_int_equal(weft_local_set_owned(&key, "value", *(weft_drop_fn **)drop), 0);
    weft_sleep(MILLISECOND);
    return -EIO;
}

static int await_victim(void *arg)
{
    (void)arg;
    return weft_await(victim) == -EIO ? 0 : -EINVAL;
}

static int read_in_the_last_drop(void *arg)
{
    weft_drop_fn *drop = read_result;
    weft_scope scope;
    (void)arg;
    weft_spawn(weft_background(), fail_with_a_value, &drop, .task = &victim);
    weft_scope_begin(&scope);
    for (int i = 0; i < 3; i++)
        weft_spawn(&scope, await_victim, NULL);
    int err = weft_scope_end(&scope);
    weft_task_release(victim);
    return err;
}

static void test_reentry_result_may_be_read_where_the_last_value_goes(void **state)
{
    (void)state;
    assert_int_equal(run(read_in_the_last_drop, NULL), 0);
}

static void remove_it(void *arg)
{
    count += 10 * (int)weft_future_remove_callback(weft_task_future(victim), count_done, arg);
}

static int remove_in_the_last_drop(void *arg)
{
    weft_drop_fn *drop = remove_it;
    (void)arg;
    weft_spawn(weft_background(), fail_with_a_value, &drop, .task = &victim);
    weft_future_on_done(weft_task_future(victim), count_done, "value", .drop = count_drop);
    weft_sleep(2 * MILLISECOND);
    weft_task_release(victim);
    take_log("failed and nobody read its result");
    return 0;
}

static void test_reentry_callback_may_be_removed_where_the_last_value_goes(void **state)
{
    (void)state;
    count = 0;
    assert_int_equal(run(remove_in_the_last_drop, NULL), 0);
    assert_int_equal(count, 11);
}

/* A cancel of the callback whose values go with it. */

static weft_handle session;

static void cancel_session(void *arg)
{
    (void)arg;
    assert_false(weft_handle_cancel(session));
    weft_call_soon(count_drop, NULL);
}

static void never(void *arg)
{
    (void)arg;
    fail();
}

static int cancel_twice(void *arg)
{
    (void)arg;
    weft_local_set_owned(&key, "session", cancel_session);
    session = weft_call_later(SECOND, never, NULL, .drop = count_drop);
    weft_local_set(&key, NULL);
    assert_true(weft_handle_cancel(session));
    assert_int_equal(count, 1);
    weft_sleep(0);
    assert_int_equal(count, 2);
    return 0;
}

static void test_reentry_callback_is_cancelled_by_its_own_value(void **state)
{
    (void)state;
    count = 0;
    assert_int_equal(run(cancel_twice, NULL), 0);
}

/* Exception handlers. */

static weft_future *kept;

static int keep(weft_loop *loop, const weft_exception *e, void *context)
{
    (void)loop, (void)context;
    kept = weft_future_retain(e->future ? e->future : weft_task_future(e->task));
    weft_future_on_done(kept, count_done, NULL);
    if (e->task) {
        assert_int_equal(weft_task_set_name(e->task, "renamed"), 0);
        assert_string_equal(e->name, "named");
    }
    return 0;
}

static int fail_at_once(void *arg)
{
    (void)arg;
    return -EIO;
}

static void check_kept(void)
{
    weft_sleep(0);
    assert_int_equal(weft_future_result(kept, NULL), -EIO);
    weft_future_release(kept);
}

static int keep_what_failed(void *arg)
{
    (void)arg;
    weft_loop_set_exception_handler(weft_loop_current(), keep, NULL);
    weft_future *future = weft_future_new();
    weft_future_fail(future, -EIO, "text");
    weft_future_release(future);
    check_kept();
    weft_spawn(weft_background(), fail_at_once, NULL, .task = &victim, .name = "named");
    weft_sleep(0);
    weft_task_release(victim);
    check_kept();
    weft_spawn(weft_background(), fail_at_once, NULL, .name = "named");
    weft_sleep(0);
    check_kept();
    return 0;
}

static void test_reentry_exception_handler_may_keep_what_failed(void **state)
{
    (void)state;
    count = 0;
    assert_int_equal(run(keep_what_failed, NULL), 0);
    assert_int_equal(count, 300);
}

static int free_and_run(weft_loop *loop, const weft_exception *e, void *context)
{
    (void)e, (void)context;
    assert_int_equal(weft_loop_free(loop), -EDEADLK);
    assert_int_equal(weft_loop_run_until_complete(loop, weft_coro_new(return_zero, NULL)),
                     -EDEADLK);
    count++;
    return 0;
}

static void test_reentry_exception_handler_may_not_run_or_free_its_loop(void **state)
{
    (void)state;
    weft_loop *loop;
    count = 0;
    assert_int_equal(weft_loop_new(&loop, .clock = WEFT_CLOCK_TEST), 0);
    weft_loop_set_exception_handler(loop, free_and_run, NULL);
    weft_loop_call_exception_handler(loop, &(weft_exception){ .message = "something" });
    assert_int_equal(weft_loop_free(loop), 0);
    assert_int_equal(count, 1);
    take_log("a loop was freed in its own exception handler");
    take_log("a loop was run in its own exception handler");
}

/* Dumps. */

static int sleep_in_writer(void *context, const char *text, size_t size)
{
    (void)context, (void)text, (void)size;
    assert_int_equal(weft_sleep(0), -EPERM);
    return 0;
}

static int keep_dump(void *text, const char *part, size_t size)
{
    strncat(text, part, size);
    return 0;
}

static char dumped[4096];

static void dump_in_drop(void *arg)
{
    (void)arg;
    assert_int_equal(weft_dump_to(keep_dump, dumped), 0);
}

static int dump_everywhere(void *arg)
{
    (void)arg;
    assert_int_equal(weft_dump_to(sleep_in_writer, NULL), 0);
    take_log("a function that suspends was called outside a task");
    weft_local_set_owned(&key, "value", dump_in_drop);
    weft_local_set(&key, NULL);
    assert_non_null(strstr(dumped, "task 1 'main', running; spawned at "));
    return 0;
}

static void test_reentry_dump_in_a_drop_calls_the_task_running(void **state)
{
    (void)state;
    dumped[0] = '\0';
    assert_int_equal(run(dump_everywhere, NULL), 0);
}

/* Ends. */

static int stay(void *arg)
{
    (void)arg;
    while (weft_sleep(WEFT_FOREVER) < 0)
        ;
    return 0;
}

static int leave_stuck(void *arg)
{
    (void)arg;
    weft_spawn(weft_background(), stay, NULL, .task = &victim, .name = "stuck");
    weft_sleep(0);
    return weft_future_on_done(weft_task_future(victim), count_done, NULL, .drop = count_drop);
}

static int run_stuck(void)
{
    count = 0;
    weft_run(leave_stuck, NULL, .clock = WEFT_CLOCK_TEST, .grace = SECOND, .no_signals = true);
    return count;
}

static void test_reentry_callback_of_an_abandoned_task_is_dropped(void **state)
{
    (void)state;
    assert_int_equal(exit_status(run_stuck), 1);
}

static weft_task *second;

static void cancel_second(void *arg)
{
    (void)arg;
    weft_task_cancel(second, "too late to begin");
}

static int hand_back(void *arg)
{
    (void)arg;
    return weft_return_owned("value", cancel_second);
}

static int end_one_before_the_next(void *arg)
{
    (void)arg;
    weft_spawn(weft_background(), hand_back, NULL);
    weft_spawn(weft_background(), note_arg, "ran", .task = &second);
    weft_sleep(0);
    assert_true(weft_task_is_cancelled(second));
    weft_task_release(second);
    return 0;
}

static void test_reentry_a_new_task_cancelled_by_the_end_before_never_begins(void **state)
{
    (void)state;
    assert_int_equal(run(end_one_before_the_next, NULL), 0);
    assert_string_equal(trace, "");
}

static weft_gen *generator;

static void close_again(void *arg)
{
    (void)arg;
    count++;
    assert_int_equal(weft_gen_close(generator), -EBUSY);
    take_log("was used while its argument is dropped");
}

static int yield_nothing(weft_gen *gen, void *arg)
{
    (void)arg;
    return weft_yield(gen, NULL);
}

static int close_in_drop(void *arg)
{
    (void)arg;
    assert_int_equal(weft_gen_open(&generator, yield_nothing, NULL, .drop = close_again), 0);
    assert_int_equal(weft_gen_close(generator), 0);
    return 0;
}

static void test_reentry_generator_closed_by_its_own_argument_is_busy(void **state)
{
    (void)state;
    count = 0;
    assert_int_equal(run(close_in_drop, NULL), 0);
    assert_int_equal(count, 1);
}

static void return_in_callback(void *arg)
{
    (void)arg;
    (void)weft_return_owned("value", count_drop);
}

static int ask_for_callback(void *arg)
{
    (void)arg;
    weft_call_soon(return_in_callback, NULL);
    return weft_sleep(0);
}

static void test_reentry_value_of_a_callback_goes_with_the_loop(void **state)
{
    (void)state;
    count = 0;
    assert_int_equal(run(ask_for_callback, NULL), 0);
    assert_int_equal(count, 1);
}

/* Handles that nobody has. */

static int release_twice(void *arg)
{
    weft_task *task;
    (void)arg;
    weft_spawn(weft_background(), sleep_second, NULL, .task = &task);
    weft_sleep(0);
    weft_task_release(task);
    weft_task_release(task);
    return 0;
}

static void run_release_twice(void)
{
    run(release_twice, NULL);
}

static int await_future(void *future)
{
    return weft_await((weft_future *)future);
}

static int release_future_twice(void *arg)
{
    weft_future *future = weft_future_new();
    (void)arg;
    weft_spawn(weft_background(), await_future, future);
    weft_sleep(0);
    weft_future_release(future);
    weft_future_release(future);
    return 0;
}

static void run_release_future_twice(void)
{
    run(release_future_twice, NULL);
}

static void test_reentry_one_release_too_many_aborts_also_while_others_hold_on(void **state)
{
    (void)state;
    expect_abort(run_release_twice, "a task was released more often than it was taken");
    expect_abort(run_release_future_twice, "a future was released more often than it was taken");
}

static int iterate(void *completed)
{
    size_t index;
    weft_future *future = weft_future_new();
    weft_awaitable *list[] = { weft_any(future) };
    weft_completed_begin(completed, list, 1);
    return weft_completed_next(completed, &index);
}

static int end_of_another(void *arg)
{
    weft_completed completed;
    (void)arg;
    weft_spawn(weft_background(), iterate, &completed);
    weft_sleep(0);
    weft_completed_end(&completed);
    return 0;
}

static void run_end_of_another(void)
{
    run(end_of_another, NULL);
}

static void test_reentry_iteration_ended_while_a_task_waits_aborts(void **state)
{
    (void)state;
    expect_abort(run_end_of_another, "an iteration was ended while a task waits for its next one");
}

static void shield_in_callback(void *arg)
{
    *(int *)arg = weft_shield(weft_coro_new(note_arg, "ran"));
}

static int ask_for_shield(void *arg)
{
    weft_call_soon(shield_in_callback, arg);
    return weft_sleep(MILLISECOND);
}

static void test_reentry_shield_in_a_callback_runs_nothing(void **state)
{
    (void)state;
    int err = 0;
    assert_int_equal(run(ask_for_shield, &err), 0);
    assert_int_equal(err, -EPERM);
    assert_string_equal(trace, "");
    assert_true(take_log("was called outside a task") <= 1);
}

/* Circles with a limit end by themselves. */

static weft_task *one, *other;

static int fail_in_time(void *code)
{
    weft_sleep(5 * MILLISECOND);
    return *(int *)code;
}

static int await_one(void *arg)
{
    (void)arg;
    return weft_await(one);
}

static int wait_a_while(void *arg)
{
    (void)arg;
    assert_int_equal(weft_with_timeout(other, 5 * MILLISECOND), -ETIMEDOUT);
    return 7;
}

static int wait_in_time(void *arg)
{
    weft_scope scope;
    (void)arg;
    weft_scope_begin(&scope, .timeout = 5 * MILLISECOND);
    int err = weft_await(other);
    assert_int_equal(err, -ECANCELED);
    assert_int_equal(weft_scope_leave(&scope, err), -ETIMEDOUT);
    return 7;
}

/* A shield hides what is around it, not its own deadline. */
static int wait_in_a_shield(void *arg)
{
    weft_scope scope;
    (void)arg;
    weft_scope_begin(&scope, .shield = true, .timeout = 5 * MILLISECOND);
    int err = weft_await(other);
    assert_int_equal(err, -ECANCELED);
    assert_int_equal(weft_scope_leave(&scope, err), -ETIMEDOUT);
    return 7;
}

/* What fails beside it ends the wait. */
static int gather_until_a_failure(void *arg)
{
    int code = -EDOM;
    (void)arg;
    weft_sleep(0);
    weft_awaitable *list[] = { weft_any(other), weft_any(weft_coro_new(fail_in_time, &code)) };
    assert_int_equal(weft_gather(list, 2, .on_error = WEFT_CANCEL_REST), -EDOM);
    return 7;
}

static int await_back(void *arg)
{
    (void)arg;
    weft_sleep(0);
    return weft_await(one);
}

static int limited_circle(void *first)
{
    weft_spawn(weft_background(), *(weft_fn **)first, NULL, .task = &one);
    weft_spawn(weft_background(), await_back, NULL, .task = &other);
    int err = weft_await(other);
    weft_task_release(one);
    weft_task_release(other);
    return err;
}

static void test_reentry_circle_with_a_limit_is_none(void **state)
{
    (void)state;
    weft_fn *ways[] = { wait_a_while, wait_in_time, wait_in_a_shield };
    for (int i = 0; i < 3; i++)
        assert_int_equal(run(limited_circle, &ways[i]), 7);
}

/* The other one awaits first: the gather is what closes the circle. */
static int failing_circle(void *arg)
{
    (void)arg;
    weft_spawn(weft_background(), gather_until_a_failure, NULL, .task = &one);
    weft_spawn(weft_background(), await_one, NULL, .task = &other);
    assert_int_equal(weft_await(one), 7);
    assert_int_equal(weft_await(other), -ECANCELED);
    weft_task_release(one);
    weft_task_release(other);
    return 0;
}

static void test_reentry_circle_that_a_failure_may_end_is_none(void **state)
{
    (void)state;
    assert_int_equal(run(failing_circle, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_reentry_result_may_be_read_where_the_last_value_goes),
        core_test(test_reentry_callback_may_be_removed_where_the_last_value_goes),
        core_test(test_reentry_callback_is_cancelled_by_its_own_value),
        core_test(test_reentry_exception_handler_may_keep_what_failed),
        core_test(test_reentry_exception_handler_may_not_run_or_free_its_loop),
        core_test(test_reentry_dump_in_a_drop_calls_the_task_running),
        core_test(test_reentry_callback_of_an_abandoned_task_is_dropped),
        core_test(test_reentry_a_new_task_cancelled_by_the_end_before_never_begins),
        core_test(test_reentry_generator_closed_by_its_own_argument_is_busy),
        core_test(test_reentry_value_of_a_callback_goes_with_the_loop),
        core_test(test_reentry_one_release_too_many_aborts_also_while_others_hold_on),
        core_test(test_reentry_iteration_ended_while_a_task_waits_aborts),
        core_test(test_reentry_shield_in_a_callback_runs_nothing),
        core_test(test_reentry_circle_with_a_limit_is_none),
        core_test(test_reentry_circle_that_a_failure_may_end_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
