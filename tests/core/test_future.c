/* Futures, and awaiting the three awaitables by one word: statements C, R, F and E of the note. */

#include "core_test.h"

#include <weft/coro.h>
#include <weft/future.h>

static void *text_of(weft_future *future)
{
    void *text = NULL;
    assert_int_equal(weft_future_result(future, &text), 0);
    return text;
}

static void note_done(weft_future *future, void *arg)
{
    assert_null(weft_task_self());
    assert_true(weft_is_done(future));
    note(arg);
}

/* Setting. */

static void set_later(void *arg)
{
    note("s");
    assert_int_equal(weft_future_set(arg, "value"), 0);
}

static int await_and_note(void *arg)
{
    void *value = NULL;
    assert_int_equal(weft_await_value((weft_future *)arg, &value), 0);
    note(value);
    return 0;
}

static int f1_main(void *arg)
{
    (void)arg;
    void *value = NULL;
    weft_future *future = weft_future_new();
    weft_call_later(SECOND, set_later, future);
    weft_spawn(weft_background(), await_and_note, future);
    int64_t begin = weft_now();
    assert_int_equal(weft_await_value(future, &value), 0);
    assert_int_equal(weft_now() - begin, SECOND);
    assert_string_equal(value, "value");
    note(".");
    weft_sleep(0);
    weft_future_release(future);
    return 0;
}

static void test_F1_await_suspends_until_somebody_sets_the_future(void **state)
{
    (void)state;
    assert_int_equal(run(f1_main, NULL), 0);
    assert_string_equal(trace, "s.value"); /* in the order in which they began to wait */
}

static int f5_main(void *arg)
{
    (void)arg;
    weft_future *future = weft_future_new();
    assert_int_equal(weft_future_result(future, NULL), -EAGAIN);
    assert_non_null(strstr(weft_error_detail(), "has no result yet"));
    assert_int_equal(weft_future_set(future, "first"), 0);
    assert_int_equal(weft_future_set(future, "second"), -EALREADY);
    assert_int_equal(weft_future_fail(future, -EIO, NULL), -EALREADY);
    assert_int_equal(weft_future_cancel(future, NULL), -EALREADY);
    for (int i = 0; i < 3; i++)
        assert_string_equal(text_of(future), "first");
    weft_future_release(future);
    return 0;
}

static void test_F5_a_future_is_set_once_and_has_no_result_before(void **state)
{
    (void)state;
    assert_int_equal(run(f5_main, NULL), 0);
    expect_log("was set twice");
}

static void drop_count(void *arg)
{
    ++*(int *)arg;
}

static int owned_main(void *arg)
{
    int *dropped = arg;
    weft_future *future = weft_future_new();
    assert_int_equal(weft_future_set_owned(future, dropped, drop_count), 0);
    weft_future *other = weft_future_retain(future);
    weft_future_release(future);
    assert_int_equal(*dropped, 0);
    assert_ptr_equal(text_of(other), dropped);
    assert_int_equal(weft_future_set_owned(other, dropped, drop_count), -EALREADY);
    assert_int_equal(*dropped, 1); /* the second value; the first one lives */
    weft_future_release(other);
    assert_int_equal(*dropped, 2);
    return 0;
}

static void test_future_drops_an_owned_value_with_the_last_handle(void **state)
{
    (void)state;
    int dropped = 0;
    assert_int_equal(run(owned_main, &dropped), 0);
    assert_int_equal(dropped, 2);
    expect_log("was set twice");
}

static int failed_main(void *arg)
{
    (void)arg;
    weft_future *future = weft_future_new();
    assert_int_equal(weft_future_fail(future, 1, "text"), -EINVAL);
    assert_int_equal(weft_future_fail(future, -EIO, "the disk is on fire"), 0);
    assert_int_equal(weft_await(future), -EIO);
    assert_string_equal(weft_error_detail(), "the disk is on fire");
    assert_false(weft_future_is_cancelled(future));
    weft_future_release(future);
    return 0;
}

static void test_future_fails_with_a_text(void **state)
{
    (void)state;
    assert_int_equal(run(failed_main, NULL), 0);
    expect_log("which is no error");
}

static int unread_main(void *arg)
{
    weft_future *future = weft_future_new();
    weft_future_fail(future, -EIO, "the disk is on fire");
    weft_future_release(future);
    weft_future_fail(*(weft_future **)arg = weft_future_new(), -EPIPE, NULL);
    return 0;
}

static void test_E2_a_failure_that_nobody_reads_is_reported_once(void **state)
{
    (void)state;
    weft_future *kept;
    assert_int_equal(run(unread_main, &kept), 0);
    expect_log("failed and nobody read its result: Input/output error (EIO): the disk is on fire");
    expect_log("failed and nobody read its result: Broken pipe (EPIPE)"); /* at the loop's end */
    weft_future_release(kept);
}

static int cancelled_main(void *arg)
{
    int *dropped = arg;
    weft_future *future = weft_future_new();
    assert_int_equal(weft_future_cancel(future, "why"), 0);
    assert_true(weft_future_is_cancelled(future));
    assert_int_equal(weft_await(future), -ECANCELED);
    assert_int_equal(weft_future_set_owned(future, dropped, drop_count), -ECANCELED);
    assert_int_equal(*dropped, 1);
    weft_future_release(future);
    return 0;
}

static void test_semantics_26_setting_a_cancelled_future_drops_the_value(void **state)
{
    (void)state;
    int dropped = 0;
    assert_int_equal(run(cancelled_main, &dropped), 0);
}

/* Callbacks. */

static int callbacks_main(void *arg)
{
    (void)arg;
    weft_future *future = weft_future_new();
    weft_future_on_done(future, note_done, "a");
    weft_future_on_done(future, note_done, "b");
    weft_future_on_done(future, note_done, "c");
    weft_future_set(future, NULL);
    note("|");
    weft_sleep(0);
    weft_future_on_done(future, note_done, "d");
    note("|");
    weft_future_release(future); /* the callback keeps it */
    weft_sleep(0);
    return 0;
}

static void test_F3_callbacks_run_in_order_and_never_inline(void **state)
{
    (void)state;
    assert_int_equal(run(callbacks_main, NULL), 0);
    assert_string_equal(trace, "|abc|d");
}

static int work(void *arg)
{
    printf("Waiting: %d\n", *(int *)arg);
    weft_sleep(2 * SECOND);
    return weft_return("Done after 2s");
}

static void note_result(weft_future *future, void *arg)
{
    (void)arg;
    note(text_of(future));
}

static void test_F4_a_run_ends_after_the_callbacks_that_came_before_it(void **state)
{
    (void)state;
    int x = 2;
    weft_loop *loop;
    assert_int_equal(weft_loop_new(&loop, .clock = WEFT_CLOCK_TEST), 0);
    weft_coro *coroutine = weft_coro_new(work, &x);
    weft_task *task = weft_loop_create_task(loop, coroutine);
    weft_future_on_done(weft_task_future(task), note_result, NULL);
    assert_int_equal(weft_loop_run_until_complete(loop, task), 0);
    assert_string_equal(trace, "Done after 2s"); /* before the run returned */
    assert_string_equal(text_of(weft_task_future(task)), "Done after 2s");
    assert_int_equal(weft_loop_run_until_complete(loop, weft_coro_new(work, &x)), 0);
    weft_task_release(task);
    assert_int_equal(weft_loop_free(loop), 0);
}

static void fail_callback(weft_future *future, void *arg)
{
    (void)future, (void)arg;
    weft_callback_fail(-EIO, "no ink");
}

static int f6_main(void *arg)
{
    (void)arg;
    weft_future *future = weft_future_new();
    weft_future_on_done(future, note_done, "a");
    weft_future_on_done(future, fail_callback, NULL);
    weft_future_on_done(future, note_done, "b");
    weft_future_set(future, NULL);
    weft_future_release(future);
    return weft_sleep(0);
}

static void test_F6_a_failing_callback_stops_nothing(void **state)
{
    (void)state;
    assert_int_equal(run(f6_main, NULL), 0);
    assert_string_equal(trace, "ab");
    expect_log("callback 'fail_callback' failed: Input/output error: no ink; asked for at "
               "../../tests/core/test_future.c");
}

static int f7_main(void *arg)
{
    int *dropped = arg;
    weft_future *future = weft_future_new();
    weft_future_on_done(future, note_done, "a");
    weft_future_on_done(future, note_done, dropped, .drop = drop_count);
    weft_future_on_done(future, note_done, dropped, .drop = drop_count);
    assert_int_equal(weft_future_remove_callback(future, note_done, dropped), 2);
    assert_int_equal(*dropped, 2);
    assert_int_equal(weft_future_remove_callback(future, note_done, dropped), 0);
    weft_future_on_done(future, note_done, dropped, .drop = drop_count);
    weft_future_set(future, NULL);
    assert_int_equal(weft_future_remove_callback(future, note_done, dropped), 1);
    assert_int_equal(*dropped, 3);
    weft_future_release(future);
    return weft_sleep(0);
}

static void test_F7_a_removed_callback_is_never_called(void **state)
{
    (void)state;
    int dropped = 0;
    assert_int_equal(run(f7_main, &dropped), 0);
    assert_string_equal(trace, "a");
    assert_int_equal(dropped, 3);
}

/* Chains. */

static int chain_main(void *arg)
{
    int *dropped = arg;
    weft_future *source[4], *target[4];
    for (int i = 0; i < 4; i++) {
        source[i] = weft_future_new();
        target[i] = weft_future_new();
        assert_int_equal(weft_future_chain(source[i], target[i]), 0);
    }
    assert_int_equal(weft_future_set_owned(source[0], dropped, drop_count), 0);
    assert_false(weft_is_done(target[0])); /* by a callback, so in the next turn */
    assert_int_equal(weft_future_fail(source[1], -EIO, "the disk is on fire"), 0);
    assert_int_equal(weft_future_cancel(source[2], "why"), 0);
    assert_int_equal(weft_future_set(target[3], "earlier"), 0);
    assert_int_equal(weft_future_set(source[3], "later"), 0);
    for (int i = 0; i < 4; i++)
        weft_future_release(source[i]);
    weft_sleep(0);
    assert_ptr_equal(text_of(target[0]), dropped);
    assert_int_equal(*dropped, 0); /* the target holds the source */
    assert_int_equal(weft_await(target[1]), -EIO);
    assert_true(weft_future_is_cancelled(target[2]));
    assert_string_equal(text_of(target[3]), "earlier");
    for (int i = 0; i < 4; i++)
        weft_future_release(target[i]);
    assert_int_equal(*dropped, 1);
    return 0;
}

static void test_future_chain_passes_on_what_becomes_of_the_source(void **state)
{
    (void)state;
    int dropped = 0;
    assert_int_equal(run(chain_main, &dropped), 0);
}

static int chain_cancel_main(void *arg)
{
    (void)arg;
    weft_future *source = weft_future_new(), *target = weft_future_new();
    assert_int_equal(weft_future_chain(source, target), 0);
    assert_int_equal(weft_future_cancel(target, "why"), 0);
    weft_sleep(0);
    assert_false(weft_is_done(source));
    assert_int_equal(weft_future_set(source, NULL), 0);
    weft_sleep(0);
    weft_future_release(source);
    weft_future_release(target);
    return 0;
}

static void test_future_chain_leaves_the_source_alone_when_its_target_is_cancelled(void **state)
{
    (void)state;
    assert_int_equal(run(chain_cancel_main, NULL), 0);
}

static int chain_task_main(void *arg)
{
    (void)arg;
    int seven = 7;
    weft_future *task = weft_call(return_code, &seven), *target = weft_future_new();
    weft_future *last = weft_future_new();
    assert_int_equal(weft_future_chain(target, last), 0);
    assert_int_equal(weft_future_chain(task, target), 0); /* done already */
    assert_int_equal(weft_future_chain(target, task), -EPERM);
    assert_int_equal(weft_future_chain(target, NULL), -ENOMEM);
    weft_future_release(task);
    weft_future_release(target);
    assert_int_equal(weft_await(last), 7);
    weft_future_release(last);
    struct wf_memory_fault fault = { .countdown = 1, .persistent = true };
    weft_future *source = weft_future_new(), *kept[1000];
    size_t count = 0;
    wf_memory_fault_set(&fault);
    int err = 0;
    while (count < 1000 && err == 0 && (kept[count] = weft_future_new()))
        err = weft_future_chain(source, kept[count++]);
    wf_memory_fault_set(NULL);
    assert_true(count < 1000);
    while (count > 0)
        weft_future_release(kept[--count]); /* refused or pending: nobody else holds them */
    weft_future_set(source, NULL);
    weft_future_release(source);
    return weft_sleep(0);
}

static void test_future_chain_takes_tasks_as_sources_and_fails_without_memory(void **state)
{
    (void)state;
    assert_int_equal(run(chain_task_main, NULL), 0);
    expect_log("was chained to a future: its function sets it");
}

static weft_future *chained;

static int leave_chain_main(void *arg)
{
    (void)arg;
    weft_future *source = weft_future_new();
    chained = weft_future_new();
    assert_int_equal(weft_future_chain(source, chained), 0);
    weft_future_release(source); /* nobody can set it, and so it is told in the next turn */
    weft_future_chain(weft_future_retain(chained), chained);
    return 0;
}

static void test_future_chain_may_be_left_when_the_loop_ends(void **state)
{
    (void)state;
    assert_int_equal(run(leave_chain_main, NULL), 0);
    take_log("abandoned");
    take_log("nobody read its result");
    assert_true(weft_is_done(chained));
    assert_int_equal(weft_future_result(chained, NULL), WEFT_EABANDONED);
    weft_future_release(chained);
    weft_future_release(chained);
}

/* Ownership. */

static int await_abandoned(void *arg)
{
    assert_int_equal(weft_await((weft_future *)arg), WEFT_EABANDONED);
    note("x");
    return 0;
}

static int abandon_main(void *arg)
{
    (void)arg;
    weft_future *future = weft_future_new();
    weft_spawn(weft_background(), await_abandoned, future);
    weft_future_on_done(future, note_done, "c");
    weft_sleep(0);
    weft_future_release(future);
    return weft_sleep(0);
}

static void test_semantics_26_the_last_release_of_a_pending_future_tells_who_waits(void **state)
{
    (void)state;
    assert_int_equal(run(abandon_main, NULL), 0);
    assert_string_equal(trace, "cx");
    expect_log("abandoned while somebody waits for it");
}

static weft_future *left;

static int leave_main(void *arg)
{
    (void)arg;
    left = weft_future_new();
    return 0;
}

static void test_semantics_24_a_future_outlives_its_loop(void **state)
{
    (void)state;
    assert_int_equal(run(leave_main, NULL), 0);
    assert_true(weft_is_done(left));
    assert_int_equal(weft_future_result(left, NULL), WEFT_EABANDONED);
    assert_int_equal(weft_future_set(left, NULL), -ESHUTDOWN);
    assert_int_equal(weft_future_on_done(left, note_done, "x"), -ESHUTDOWN);
    weft_future_release(left);
}

static void *from_another_thread(void *arg)
{
    weft_future *future = arg;
    assert_int_equal(weft_future_set(future, NULL), WEFT_ETHREAD);
    assert_int_equal(weft_future_result(future, NULL), WEFT_ETHREAD);
    weft_future_release(future);
    return NULL;
}

static int thread_main(void *arg)
{
    (void)arg;
    pthread_t thread;
    weft_future *future = weft_future_new();
    pthread_create(&thread, NULL, from_another_thread, future);
    pthread_join(thread, NULL);
    assert_false(weft_is_done(future));
    weft_future_release(future);
    return 0;
}

static void test_future_of_another_thread_is_refused(void **state)
{
    (void)state;
    assert_int_equal(run(thread_main, NULL), 0);
    expect_log("was used from another thread");
}

/* Sleeping futures. */

static int sleepers_main(void *arg)
{
    (void)arg;
    weft_future *future = weft_sleep_future(SECOND);
    weft_future_on_done(future, note_done, "c");
    weft_future_release(future); /* the callback keeps it ticking */
    weft_future_release(weft_sleep_future(WEFT_HOUR));
    future = weft_sleep_future(WEFT_HOUR);
    assert_int_equal(weft_future_set(future, "early"), 0);
    assert_string_equal(text_of(future), "early");
    weft_future_release(future);
    future = weft_sleep_future(-1);
    assert_int_equal(weft_await(future), 0);
    weft_future_release(future);
    weft_sleep(SECOND);
    return wf_running->timers.count == 0 ? weft_sleep(0) : -EBUSY;
}

static void test_semantics_24_a_sleeping_future_ends_with_its_last_reference(void **state)
{
    (void)state;
    assert_int_equal(run(sleepers_main, NULL), 0);
    assert_string_equal(trace, "c");
}

/* Cancel. */

static int wait_in_vain(void *arg)
{
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = SECOND);
    assert_int_equal(weft_await((weft_future *)arg), -ECANCELED);
    return weft_scope_leave(&scope, -ECANCELED);
}

static int cancel_await_main(void *arg)
{
    (void)arg;
    weft_future *future = weft_future_new();
    assert_int_equal(wait_in_vain(future), -ETIMEDOUT);
    assert_false(weft_is_done(future));
    assert_int_equal(weft_future_set(future, NULL), 0);
    assert_int_equal(weft_await(future), 0);
    weft_future_release(future);
    return 0;
}

static void test_semantics_10_a_cancelled_await_leaves_the_future(void **state)
{
    (void)state;
    assert_int_equal(run(cancel_await_main, NULL), 0);
}

static int cancel_task_main(void *arg)
{
    (void)arg;
    weft_future *future = weft_call(sleep_forever, NULL);
    assert_int_equal(weft_future_cancel(future, "enough"), 0);
    assert_int_equal(weft_await(future), -ECANCELED);
    assert_true(weft_future_is_cancelled(future));
    weft_future_release(future);
    return 0;
}

static void test_semantics_26_cancelling_a_task_s_future_cancels_the_task(void **state)
{
    (void)state;
    assert_int_equal(run(cancel_task_main, NULL), 0);
}

static int without_memory_main(void *arg)
{
    (void)arg;
    assert_int_equal(weft_await((weft_future *)NULL), wf_maker_error());
    return 0;
}

static void test_semantics_12_the_makers_error_is_told_by_who_gets_the_null(void **state)
{
    (void)state;
    assert_null(weft_future_new());
    expect_log("a future was made where there is no loop");
    assert_int_equal(weft_future_set(NULL, NULL), -EPERM);
    assert_int_equal(run(without_memory_main, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_F1_await_suspends_until_somebody_sets_the_future),
        core_test(test_F5_a_future_is_set_once_and_has_no_result_before),
        core_test(test_future_drops_an_owned_value_with_the_last_handle),
        core_test(test_future_fails_with_a_text),
        core_test(test_E2_a_failure_that_nobody_reads_is_reported_once),
        core_test(test_semantics_26_setting_a_cancelled_future_drops_the_value),
        core_test(test_F3_callbacks_run_in_order_and_never_inline),
        core_test(test_F4_a_run_ends_after_the_callbacks_that_came_before_it),
        core_test(test_F6_a_failing_callback_stops_nothing),
        core_test(test_F7_a_removed_callback_is_never_called),
        core_test(test_future_chain_passes_on_what_becomes_of_the_source),
        core_test(test_future_chain_leaves_the_source_alone_when_its_target_is_cancelled),
        core_test(test_future_chain_takes_tasks_as_sources_and_fails_without_memory),
        core_test(test_future_chain_may_be_left_when_the_loop_ends),
        core_test(test_semantics_26_the_last_release_of_a_pending_future_tells_who_waits),
        core_test(test_semantics_24_a_future_outlives_its_loop),
        core_test(test_future_of_another_thread_is_refused),
        core_test(test_semantics_24_a_sleeping_future_ends_with_its_last_reference),
        core_test(test_semantics_10_a_cancelled_await_leaves_the_future),
        core_test(test_semantics_26_cancelling_a_task_s_future_cancels_the_task),
        core_test(test_semantics_12_the_makers_error_is_told_by_who_gets_the_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
