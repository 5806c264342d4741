/* Callbacks and their handles (semantics 22). */

#include "core_test.h"

static void note_callback(void *arg)
{
    assert_null(weft_task_self());
    assert_non_null(weft_loop_current());
    note(arg);
}

static void register_child(void *arg)
{
    note(arg);
    weft_call_soon(note_callback, "c");
}

static int child_main(void *arg)
{
    (void)arg;
    weft_call_soon(register_child, "1");
    weft_call_soon(note_callback, "2");
    weft_sleep(0);
    note("m");
    weft_sleep(0);
    note("n");
    return 0;
}

static void test_semantics_22_a_callbacks_child_runs_in_the_next_turn(void **state)
{
    (void)state;
    assert_int_equal(run(child_main, NULL), 0);
    assert_string_equal(trace, "12mcn");
}

static int order_main(void *arg)
{
    (void)arg;
    int64_t at = weft_now() + SECOND;
    weft_call_at(at, note_callback, "1");
    weft_call_later(2 * SECOND, note_callback, "5");
    weft_call_at(at, note_callback, "2");
    weft_call_later(SECOND, note_callback, "3");
    weft_call_at(at, note_callback, "4");
    weft_call_later(0, note_callback, "a");
    weft_call_later(-1, note_callback, "b");
    weft_call_at(1, note_callback, "c"); /* over: at the next look at the timers */
    weft_sleep(3 * SECOND);
    return 0;
}

static void test_semantics_22_equal_times_keep_the_order_of_asking(void **state)
{
    (void)state;
    assert_int_equal(run(order_main, NULL), 0);
    assert_string_equal(trace, "abc12345");
}

static int cancel_main(void *arg)
{
    (void)arg;
    weft_handle soon = weft_call_soon(note_callback, "1");
    weft_handle later = weft_call_later(SECOND, note_callback, "2");
    weft_handle kept = weft_call_later(SECOND, note_callback, "k");
    assert_true(soon.id && later.id && kept.id);
    assert_true(weft_handle_cancel(soon));
    assert_true(weft_handle_cancel(later));
    assert_false(weft_handle_cancel(soon));
    assert_false(weft_handle_cancel(later));
    assert_false(weft_handle_cancel((weft_handle){ 0 }));
    assert_false(weft_handle_cancel((weft_handle){ ~UINT64_C(0) }));
    weft_sleep(2 * SECOND);
    assert_false(weft_handle_cancel(kept)); /* late: harmless */
    for (int i = 0; i < 1000; i++) {        /* the slot's next lives are not meant */
        weft_handle next = weft_call_later(SECOND, note_callback, "x");
        assert_false(weft_handle_cancel(soon));
        assert_false(weft_handle_cancel(later));
        assert_false(weft_handle_cancel(kept));
        assert_true(weft_handle_cancel(next));
    }
    return 0;
}

static void test_semantics_22_cancelling_late_or_twice_is_harmless(void **state)
{
    (void)state;
    assert_int_equal(run(cancel_main, NULL), 0);
    assert_string_equal(trace, "k");
}

static weft_handle of_old_loop;

static int take_handle(void *arg)
{
    (void)arg;
    of_old_loop = weft_call_later(SECOND, note_callback, "old");
    return 0;
}

static int use_old_handle(void *arg)
{
    (void)arg;
    weft_call_later(SECOND, note_callback, "new");
    assert_false(weft_handle_cancel(of_old_loop));
    return weft_sleep(2 * SECOND);
}

static void test_semantics_22_a_handle_of_a_loop_that_is_gone_names_nothing(void **state)
{
    (void)state;
    assert_int_equal(run(take_handle, NULL), 0);
    assert_int_equal(run(use_old_handle, NULL), 0);
    assert_string_equal(trace, "new");
}

static weft_handle to_cancel;

static void cancel_other(void *arg)
{
    note(arg);
    assert_true(weft_handle_cancel(to_cancel));
}

static int cancel_ready_main(void *arg)
{
    (void)arg;
    weft_call_soon(cancel_other, "1");
    to_cancel = weft_call_soon(note_callback, "2");
    weft_call_soon(note_callback, "3");
    return weft_sleep(0);
}

static void test_semantics_22_a_ready_callback_can_still_be_cancelled(void **state)
{
    (void)state;
    assert_int_equal(run(cancel_ready_main, NULL), 0);
    assert_string_equal(trace, "13");
}

static void fails(void *arg)
{
    weft_callback_fail(-EBADF, arg);
    weft_callback_fail(-EIO, NULL);
}

static int fail_main(void *arg)
{
    (void)arg;
    weft_call_soon(fails, "the text");
    weft_call_soon(note_callback, "on");
    weft_sleep(0);
    weft_post(weft_loop_current(), fails, "posted");
    weft_sleep(MILLISECOND);
    weft_callback_fail(-EIO, "not in a callback");
    return 0;
}

static void test_semantics_22_a_failing_callback_is_logged_and_stops_nothing(void **state)
{
    (void)state;
    assert_int_equal(run(fail_main, NULL), 0);
    assert_string_equal(trace, "on");
    expect_log("a callback failed: Bad file descriptor: the text");
    expect_log("a callback failed: Bad file descriptor: posted");
    assert_int_equal(take_log("a callback failed: Input/output error (callback at"), 2);
    expect_log("outside a callback");
}

static void suspends(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_task *task;
    assert_int_equal(weft_sleep(0), -EPERM);
    assert_int_equal(weft_poll_fd(0, WEFT_READABLE), -EPERM);
    assert_int_equal(weft_blocking(return_zero, NULL), -EPERM);
    weft_scope_begin(&s);
    assert_int_equal(weft_scope_end(&s), -EPERM);
    weft_spawn(weft_background(), note_arg, "s", .task = &task);
    assert_int_equal(weft_await(task), -EPERM);
    weft_task_release(task);
}

static int suspends_main(void *arg)
{
    (void)arg;
    weft_call_soon(suspends, NULL);
    return weft_sleep(SECOND);
}

static void test_semantics_22_suspending_in_a_callback_is_eperm_but_it_may_spawn(void **state)
{
    (void)state;
    assert_int_equal(run(suspends_main, NULL), 0);
    assert_string_equal(trace, "s");
    take_log("outside a task");
}

/* A waiter that is woken and callbacks that were asked for earlier: one FIFO. */

static int note_and_end(void *arg)
{
    weft_call_soon(note_callback, "c");
    note(arg);
    return 0;
}

static int no_lifo_main(void *arg)
{
    (void)arg;
    weft_task *task;
    weft_spawn(weft_background(), note_and_end, "t", .task = &task);
    weft_call_soon(note_callback, "a");
    assert_int_equal(weft_await(task), 0);
    note("m");
    weft_task_release(task);
    return weft_sleep(0);
}

static void test_semantics_22_awaiting_tasks_do_not_overtake_callbacks(void **state)
{
    (void)state;
    assert_int_equal(run(no_lifo_main, NULL), 0);
    assert_string_equal(trace, "tacm");
}

static int memory_main(void *arg)
{
    (void)arg;
    struct wf_memory_fault fault = { .countdown = 1, .persistent = true };
    weft_call_soon(note_callback, "1");
    wf_memory_fault_set(&fault);
    unsigned asked = 1;
    while (weft_call_later(SECOND, note_callback, "x").id)
        asked++;
    wf_memory_fault_set(NULL);
    assert_int_equal(asked, WF_CALLS_PER_CHUNK);
    assert_non_null(strstr(weft_error_detail(), "no memory for a callback"));
    assert_true(weft_call_soon(note_callback, "2").id);
    return weft_sleep(0);
}

static void test_call_without_memory_gives_an_empty_handle(void **state)
{
    (void)state;
    assert_int_equal(run(memory_main, NULL), 0);
    assert_string_equal(trace, "12");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_semantics_22_a_callbacks_child_runs_in_the_next_turn),
        core_test(test_semantics_22_equal_times_keep_the_order_of_asking),
        core_test(test_semantics_22_cancelling_late_or_twice_is_harmless),
        core_test(test_semantics_22_a_handle_of_a_loop_that_is_gone_names_nothing),
        core_test(test_semantics_22_a_ready_callback_can_still_be_cancelled),
        core_test(test_semantics_22_a_failing_callback_is_logged_and_stops_nothing),
        core_test(test_semantics_22_suspending_in_a_callback_is_eperm_but_it_may_spawn),
        core_test(test_semantics_22_awaiting_tasks_do_not_overtake_callbacks),
        core_test(test_call_without_memory_gives_an_empty_handle),
    };
    return cmocka_run_group_tests_name("core call", tests, NULL, NULL);
}
