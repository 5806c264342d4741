/* Waiting for several at once, and no longer than so long: statements C10 and E4, E5 of the note,
 * semantics 9 and 10. */

#include "core/core_test.h"

#include <weft/coro.h>
#include <weft/future.h>
#include <weft/wait.h>

/* A function that sleeps so many milliseconds and then returns its code or its name. */
struct job {
    int ms, code;
    const char *name;
};

static int work(void *arg)
{
    const struct job *job = arg;
    note(job->name);
    int err = weft_sleep(job->ms * MILLISECOND);
    note(err < 0 ? "!" : "'");
    if (err < 0)
        return err;
    return job->code < 0 ? job->code : weft_return((void *)(uintptr_t)job->name);
}

static struct job a30 = { 30, 0, "a" }, b10 = { 10, 0, "b" }, c20 = { 20, 0, "c" };
static struct job bad10 = { 10, -EIO, "x" }, bad20 = { 20, -EPIPE, "y" };

static int64_t since;

static int elapsed_ms(void)
{
    return (int)((weft_now() - since) / MILLISECOND);
}

/* Gathering. */

static int gather_main(void *arg)
{
    (void)arg;
    void *values[4] = { NULL };
    since = weft_now();
    weft_task *task = weft_create_task(weft_coro_new(work, &b10));
    weft_future *called = weft_call(work, &c20);
    weft_coro *twice = weft_coro_new(work, &a30);
    weft_awaitable *list[] = { weft_any(twice), weft_any(task), weft_any(called), weft_any(twice) };
    assert_int_equal(weft_gather(list, 4, .values = values), 0);
    assert_int_equal(elapsed_ms(), 30);
    assert_string_equal(values[0], "a");
    assert_string_equal(values[1], "b");
    assert_string_equal(values[2], "c");
    assert_string_equal(values[3], "a");
    assert_int_equal(weft_gather(list, 0), 0);
    weft_task_release(task);
    weft_future_release(called);
    return 0;
}

static void test_C10_gather_gives_all_results_in_the_order_of_the_list(void **state)
{
    (void)state;
    assert_int_equal(run(gather_main, NULL), 0);
    assert_string_equal(trace, "cba'''");
}

static int all_main(void *arg)
{
    (void)arg;
    int results[3];
    weft_awaitable *list[] = { weft_any(weft_coro_new(work, &bad20)),
                               weft_any(weft_coro_new(work, &bad10)),
                               weft_any(weft_coro_new(work, &a30)) };
    assert_int_equal(weft_gather(list, 3, .results = results), -EIO);
    assert_int_equal(results[0], -EPIPE);
    assert_int_equal(results[1], -EIO);
    assert_int_equal(results[2], 0);
    return 0;
}

static void test_E4_gather_waits_for_all_and_returns_what_failed_first(void **state)
{
    (void)state;
    assert_int_equal(run(all_main, NULL), 0);
    assert_string_equal(trace, "yxa'''");
}

static int log_main(void *arg)
{
    (void)arg;
    weft_awaitable *list[] = { weft_any(weft_coro_new(work, &bad20)),
                               weft_any(weft_coro_new(work, &bad10)) };
    assert_int_equal(weft_gather(list, 2), -EIO);
    return 0;
}

static void test_E4_further_failures_are_logged_where_nobody_takes_them(void **state)
{
    (void)state;
    assert_int_equal(run(log_main, NULL), 0);
    expect_log("a failure that the gather at ../../tests/sync/test_wait.c");
}

static int rest_main(void *arg)
{
    (void)arg;
    int results[3];
    weft_task *task = weft_create_task(weft_coro_new(work, &c20));
    weft_awaitable *list[] = { weft_any(weft_coro_new(work, &a30)),
                               weft_any(weft_coro_new(work, &bad10)), weft_any(task) };
    assert_int_equal(weft_gather(list, 3, .on_error = WEFT_CANCEL_REST, .results = results), -EIO);
    assert_int_equal(results[0], -ECANCELED);
    assert_int_equal(results[2], -ECANCELED);
    assert_true(weft_task_is_cancelled(task));
    weft_task_release(task);
    return 0;
}

static void test_E4_gather_can_cancel_the_rest(void **state)
{
    (void)state;
    assert_int_equal(run(rest_main, NULL), 0);
    assert_string_equal(trace, "cax'!!");
}

static int first_main(void *arg)
{
    (void)arg;
    int results[2];
    weft_task *slow = weft_create_task(weft_coro_new(work, &a30));
    weft_task *bad = weft_create_task(weft_coro_new(work, &bad10));
    weft_awaitable *list[] = { weft_any(slow), weft_any(bad) };
    assert_int_equal(weft_gather(list, 2, .on_error = WEFT_RETURN_FIRST, .results = results), -EIO);
    assert_int_equal(results[0], -EAGAIN);
    assert_false(weft_is_done(slow));
    note("|");
    assert_int_equal(weft_await(slow), 0); /* it went on */
    weft_awaitable *coros[] = { weft_any(weft_coro_new(work, &a30)) };
    assert_int_equal(weft_gather(coros, 1, .on_error = WEFT_RETURN_FIRST), -EINVAL);
    weft_task_release(slow);
    weft_task_release(bad);
    return 0;
}

static void test_E4_gather_can_return_at_the_first_failure(void **state)
{
    (void)state;
    assert_int_equal(run(first_main, NULL), 0);
    assert_string_equal(trace, "ax'|'");
    take_log("only looks on"); /* once for each sentence */
}

static int gather_two(void *arg)
{
    weft_awaitable *list[] = { weft_any(weft_coro_new(work, &a30)), weft_any((weft_future *)arg) };
    return weft_gather(list, 2);
}

static int cancel_main(void *arg)
{
    (void)arg;
    weft_future *future = weft_future_new();
    weft_task *task = weft_create_task(weft_coro_new(gather_two, future));
    weft_sleep(MILLISECOND);
    weft_task_cancel(task, "enough");
    assert_int_equal(weft_await(task), -ECANCELED);
    assert_true(weft_future_is_cancelled(future));
    weft_task_release(task);
    weft_future_release(future);
    return 0;
}

static void test_semantics_10_a_cancelled_gather_cancels_and_joins(void **state)
{
    (void)state;
    assert_int_equal(run(cancel_main, NULL), 0);
    assert_string_equal(trace, "a!");
}

static void drop_count(void *arg)
{
    ++*(int *)arg;
}

static int null_main(void *arg)
{
    int *dropped = arg;
    weft_awaitable *list[] = { weft_any(weft_coro_new(work, dropped, .drop = drop_count)), NULL };
    assert_true(weft_gather(list, 2) < 0);
    assert_int_equal(*dropped, 1); /* refused, and taken */
    list[0] = weft_any(weft_coro_new(work, dropped, .drop = drop_count));
    assert_int_equal(weft_wait_all(list, 1, WEFT_FOREVER), -EINVAL);
    assert_int_equal(*dropped, 2);
    assert_int_equal(weft_wait_any(list, 0, WEFT_FOREVER), -EINVAL);
    return 0;
}

static void test_semantics_12_a_list_that_is_refused_is_taken(void **state)
{
    (void)state;
    int dropped = 0;
    assert_int_equal(run(null_main, &dropped), 0);
    assert_string_equal(trace, "");
    take_log("only looks on"); /* once for each sentence */
    expect_log("would wait for ever");
}

/* Looking on. */

static int wait_main(void *arg)
{
    (void)arg;
    weft_future *a = weft_call(work, &a30), *b = weft_call(work, &b10),
                *x = weft_call(work, &bad20);
    weft_awaitable *list[] = { weft_any(a), weft_any(b), weft_any(x) };
    since = weft_now();
    assert_int_equal(weft_wait_any(list, 3, 5 * MILLISECOND), -ETIMEDOUT);
    assert_int_equal(weft_wait_any(list, 3, WEFT_FOREVER), 1);
    assert_int_equal(weft_wait_any(list, 3, 0), 1);
    assert_int_equal(elapsed_ms(), 10);
    assert_int_equal(weft_wait_first_error(list, 3, WEFT_FOREVER), 2);
    assert_int_equal(elapsed_ms(), 20);
    assert_int_equal(weft_wait_all(list, 3, 0), -ETIMEDOUT);
    assert_int_equal(weft_wait_all(list, 3, WEFT_FOREVER), 0);
    assert_int_equal(elapsed_ms(), 30);
    assert_int_equal(weft_wait_first_error(list, 2, WEFT_FOREVER), 2);
    weft_future_release(a);
    weft_future_release(b);
    weft_future_release(x); /* waited for, so it counts as read */
    return 0;
}

static void test_wait_any_all_and_first_error_cancel_nobody(void **state)
{
    (void)state;
    assert_int_equal(run(wait_main, NULL), 0);
    assert_string_equal(trace, "aby'''");
}

static int completed_main(void *arg)
{
    (void)arg;
    weft_completed completed;
    weft_future *futures[5];
    weft_awaitable *list[5];
    struct job *jobs[] = { &a30, &b10, &bad20, &c20, &bad10 };
    size_t order[5], index, n = 0;
    for (int i = 0; i < 5; i++)
        list[i] = weft_any(futures[i] = weft_call(work, jobs[i]));
    assert_int_equal(weft_completed_begin(&completed, list, 5), 0);
    while (weft_completed_next(&completed, &index) > 0)
        order[n++] = index;
    weft_completed_end(&completed);
    assert_int_equal(n, 5);
    assert_memory_equal(order, ((size_t[]){ 1, 4, 2, 3, 0 }), sizeof order);
    assert_int_equal(weft_future_result(futures[4], NULL), -EIO);
    assert_int_equal(weft_future_result(futures[2], NULL), -EPIPE);
    assert_int_equal(weft_completed_begin(&completed, list, 5), 0);
    assert_int_equal(weft_completed_next(&completed, &index), 1);
    weft_completed_end(&completed); /* before it is over */
    weft_completed_end(&completed);
    for (int i = 0; i < 5; i++)
        weft_future_release(futures[i]);
    return 0;
}

static void test_completed_gives_them_as_they_are_done(void **state)
{
    (void)state;
    assert_int_equal(run(completed_main, NULL), 0);
}

/* One, with a limit. */

static int slow_to_end(void *arg)
{
    (void)arg;
    weft_scope shield;
    int err = weft_sleep(WEFT_HOUR);
    weft_scope_begin(&shield, .shield = true);
    weft_sleep(50 * MILLISECOND); /* its cleanup */
    weft_scope_end(&shield);
    return err;
}

static int swallow(void *arg)
{
    weft_sleep(WEFT_HOUR);
    return weft_return(arg);
}

static int wait_for_main(void *arg)
{
    (void)arg;
    void *value = NULL;
    weft_task *task = weft_create_task(weft_coro_new(slow_to_end, NULL));
    since = weft_now();
    assert_int_equal(weft_wait_for(task, 10 * MILLISECOND), -ETIMEDOUT);
    assert_int_equal(elapsed_ms(), 60); /* it has waited for the cleanup */
    assert_true(weft_task_is_cancelled(task));
    weft_task_release(task);
    assert_int_equal(weft_wait_for(weft_coro_new(slow_to_end, NULL), 10 * MILLISECOND), -ETIMEDOUT);
    assert_int_equal(elapsed_ms(), 120);
    task = weft_create_task(weft_coro_new(swallow, "survived"));
    assert_int_equal(weft_wait_for_value(task, 10 * MILLISECOND, &value), 0);
    assert_string_equal(value, "survived");
    assert_false(weft_task_is_cancelled(task));
    assert_int_equal(weft_task_cancel_requests(task), 1);
    assert_int_equal(weft_wait_for(task, 0), 0); /* done already */
    weft_task_release(task);
    assert_int_equal(weft_wait_for(weft_coro_new(note_arg, "never"), 0), -ETIMEDOUT);
    assert_int_equal(weft_wait_for(weft_coro_new(return_code, &(int){ -EDOM }), SECOND), -EDOM);
    assert_int_equal(weft_wait_for(weft_coro_new(return_code, &(int){ 3 }), SECOND), 3);
    return 0;
}

static void test_E5_R8_wait_for_cancels_and_waits_for_the_cleanup(void **state)
{
    (void)state;
    assert_int_equal(run(wait_for_main, NULL), 0);
    assert_string_equal(trace, "");
}

/* The cancel is met at the door: what is done keeps its result, and nothing is said. */
static int wait_for_done_main(void *arg)
{
    (void)arg;
    weft_future *done = weft_future_new();
    assert_int_equal(weft_future_set(done, "kept"), 0);
    weft_task_cancel(weft_task_self(), "test");
    assert_int_equal(weft_wait_for(done, SECOND), -ECANCELED);
    void *value = NULL;
    assert_int_equal(weft_future_result(done, &value), 0);
    assert_string_equal(value, "kept");
    weft_future_release(done);
    return 0;
}

static void test_E5_wait_for_leaves_a_done_future_alone_when_cancelled(void **state)
{
    (void)state;
    assert_int_equal(run(wait_for_done_main, NULL), 0);
}

/* Who waits is cancelled: what the target makes of that is told, and not lost. */
static int end_with(void *code)
{
    return weft_sleep(SECOND) == -ECANCELED ? *(int *)code : -EINVAL;
}

static int wait_and_be_cancelled(void *code)
{
    weft_scope scope;
    weft_task *task = weft_create_task(weft_coro_new(end_with, code));
    weft_scope_begin(&scope, .timeout = 10 * MILLISECOND);
    int of_task = weft_wait_for(task, WEFT_HOUR);
    weft_scope_end(&scope);
    weft_task_release(task);
    weft_scope_begin(&scope, .timeout = 10 * MILLISECOND);
    int of_coroutine = weft_wait_for(weft_coro_new(end_with, code), WEFT_HOUR);
    weft_scope_end(&scope);
    assert_int_equal(of_task, of_coroutine);
    return of_task;
}

static void test_E5_wait_for_tells_how_the_target_ended_also_when_cancelled(void **state)
{
    (void)state;
    static int codes[] = { 42, -EIO, -ECANCELED };
    for (int i = 0; i < 3; i++)
        assert_int_equal(run(wait_and_be_cancelled, &codes[i]), codes[i]);
}

/* A gather that is cancelled returns that: the failure before it is on the log. */
static int gather_and_be_cancelled(void *arg)
{
    weft_scope scope;
    (void)arg;
    weft_awaitable *list[] = { weft_any(weft_coro_new(work, &a30)),
                               weft_any(weft_coro_new(work, &bad10)) };
    weft_scope_begin(&scope, .timeout = 20 * MILLISECOND);
    int err = weft_gather(list, 2);
    assert_int_equal(err, -ECANCELED);
    assert_int_equal(weft_scope_leave(&scope, err), -ETIMEDOUT);
    expect_log("a failure that the gather at ../../tests/sync/test_wait.c");
    return 0;
}

static void test_E4_gather_that_is_cancelled_logs_the_failure_before(void **state)
{
    (void)state;
    assert_int_equal(run(gather_and_be_cancelled, NULL), 0);
}

static int gather_taken(void *arg)
{
    (void)arg;
    weft_coro *taken = weft_coro_new(return_zero, NULL);
    assert_int_equal(weft_await(taken), 0);
    weft_awaitable *list[] = { weft_any(taken), weft_any(weft_coro_new(return_zero, NULL)) };
    assert_int_equal(weft_gather(list, 2, .on_error = WEFT_CANCEL_REST), -EALREADY);
    expect_log("was awaited before: it runs once");
    int results[2] = { 1, 1 };
    void *values[2] = { results, results };
    weft_awaitable *with_null[] = { weft_any(weft_coro_new(return_zero, NULL)), NULL };
    assert_true(weft_gather(with_null, 2, .results = results, .values = values) < 0);
    assert_true(results[0] < 0 && results[0] == results[1]);
    assert_true(!values[0] && !values[1]);
    return 0;
}

static void test_gather_that_is_refused_says_so_in_each_result(void **state)
{
    (void)state;
    assert_int_equal(run(gather_taken, NULL), 0);
}

static int name_and_free(void *arg)
{
    char *name = strdup("a name that is longer than what a task may keep");
    (void)arg;
    weft_task *task = weft_create_task(weft_coro_new(return_zero, NULL, .name = name));
    free(name);
    assert_string_equal(weft_task_name(task), "a name that is longer than what");
    int err = weft_await(task);
    weft_task_release(task);
    return err;
}

static void test_coroutine_name_is_copied_by_the_task(void **state)
{
    (void)state;
    assert_int_equal(run(name_and_free, NULL), 0);
}

static int with_timeout_main(void *arg)
{
    (void)arg;
    void *value;
    weft_future *future = weft_call(work, &a30);
    assert_int_equal(weft_with_timeout(future, 10 * MILLISECOND), -ETIMEDOUT);
    assert_false(weft_is_done(future));
    assert_int_equal(weft_with_timeout_value(future, SECOND, &value), 0);
    assert_string_equal(value, "a");
    weft_future_release(future);
    assert_int_equal(weft_with_timeout(weft_coro_new(work, &a30), SECOND), -EINVAL);
    return 0;
}

static void test_E5_with_timeout_leaves_the_operation_running(void **state)
{
    (void)state;
    assert_int_equal(run(with_timeout_main, NULL), 0);
    assert_string_equal(trace, "a'");
    take_log("only looks on"); /* once for each sentence */
}

static int shielded(void *arg)
{
    (void)arg;
    return weft_shield(weft_coro_new(work, &a30));
}

static int shield_main(void *arg)
{
    (void)arg;
    void *value;
    weft_task *task = weft_create_task(weft_coro_new(shielded, NULL));
    weft_sleep(MILLISECOND);
    weft_task_cancel(task, "enough");
    assert_int_equal(weft_await(task), -ECANCELED);
    note("|");
    weft_task_release(task);
    weft_sleep(SECOND);
    assert_string_equal(trace, "a|'");
    assert_int_equal(weft_shield_value(weft_coro_new(work, &b10), &value), 0);
    assert_string_equal(value, "b");
    return 0;
}

static void test_shield_lets_the_coroutine_go_on(void **state)
{
    (void)state;
    assert_int_equal(run(shield_main, NULL), 0);
}

static void drop_value(void *arg)
{
    note("-");
    free(arg);
}

static int owned(void *arg)
{
    return weft_return_owned(strdup(arg), drop_value);
}

static int owned_main(void *arg)
{
    (void)arg;
    void *values[2];
    weft_awaitable *list[] = { weft_any(weft_coro_new(owned, "one")),
                               weft_any(weft_coro_new(owned, "two")) };
    assert_int_equal(weft_gather(list, 2, .values = values), 0);
    assert_string_equal(trace, "");
    assert_string_equal(values[1], "two");
    free(values[0]);
    free(values[1]);
    list[0] = weft_any(weft_coro_new(owned, "three"));
    assert_int_equal(weft_gather(list, 1), 0);
    assert_string_equal(trace, "-");
    return 0;
}

static void test_gather_gives_away_the_values_that_it_is_asked_for(void **state)
{
    (void)state;
    assert_int_equal(run(owned_main, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_C10_gather_gives_all_results_in_the_order_of_the_list),
        core_test(test_E4_gather_waits_for_all_and_returns_what_failed_first),
        core_test(test_E4_further_failures_are_logged_where_nobody_takes_them),
        core_test(test_E4_gather_can_cancel_the_rest),
        core_test(test_E4_gather_can_return_at_the_first_failure),
        core_test(test_semantics_10_a_cancelled_gather_cancels_and_joins),
        core_test(test_semantics_12_a_list_that_is_refused_is_taken),
        core_test(test_wait_any_all_and_first_error_cancel_nobody),
        core_test(test_completed_gives_them_as_they_are_done),
        core_test(test_E5_R8_wait_for_cancels_and_waits_for_the_cleanup),
        core_test(test_E5_wait_for_leaves_a_done_future_alone_when_cancelled),
        core_test(test_E5_wait_for_tells_how_the_target_ended_also_when_cancelled),
        core_test(test_E4_gather_that_is_cancelled_logs_the_failure_before),
        core_test(test_gather_that_is_refused_says_so_in_each_result),
        core_test(test_coroutine_name_is_copied_by_the_task),
        core_test(test_E5_with_timeout_leaves_the_operation_running),
        core_test(test_shield_lets_the_coroutine_go_on),
        core_test(test_gather_gives_away_the_values_that_it_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
