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

static void test_F9_equal_times_keep_the_order_of_asking(void **state)
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

/* By hand: two loops of one thread, of which one runs, or none. */

static int cancel_handle(void *arg)
{
    return weft_handle_cancel(*(weft_handle *)arg);
}

static void *cancel_in_a_thread(void *arg)
{
    assert_int_equal(cancel_handle(arg), false);
    return NULL;
}

static int run_task(weft_loop *loop, weft_fn *fn, void *arg)
{
    weft_task *task;
    assert_int_equal(weft_spawn(weft_loop_background(loop), fn, arg, .task = &task), 0);
    int result = weft_loop_run_until_complete(loop, task);
    weft_task_release(task);
    return result;
}

static void test_semantics_22_a_handle_is_found_in_every_loop_of_its_thread(void **state)
{
    (void)state;
    weft_loop *first, *second;
    assert_int_equal(weft_loop_new(&first, .clock = WEFT_CLOCK_TEST), 0);
    weft_handle a = weft_call_later(SECOND, note_callback, "a"),
                b = weft_call_soon(note_callback, "b"), c = weft_call_soon(note_callback, "c");
    assert_int_equal(weft_loop_new(&second, .clock = WEFT_CLOCK_TEST), 0);
    weft_handle d = weft_call_later(SECOND, note_callback, "d"),
                e = weft_call_later(SECOND, note_callback, "e");
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cancel_in_a_thread, &a), 0);
    pthread_join(thread, NULL);
    assert_true(weft_handle_cancel(a)); /* none runs, and it is not the newest's */
    assert_false(weft_handle_cancel(a));
    assert_true(run_task(second, cancel_handle, &b)); /* the other one runs */
    assert_false(run_task(second, cancel_handle, &b));
    assert_true(run_task(first, cancel_handle, &d));
    assert_false(run_task(first, cancel_handle, &c)); /* it has run */
    run_task(first, sleep_second, NULL);
    run_task(second, sleep_second, NULL);
    assert_string_equal(trace, "ce");
    assert_false(weft_handle_cancel(e));
    weft_loop_free(first);
    assert_false(weft_handle_cancel(c));
    weft_loop_free(second);
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

static void test_F7_a_ready_callback_can_still_be_cancelled(void **state)
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

/* One line says that the callback asked for in `line` failed. */
static void expect_failure(const char *name, const char *what, int line)
{
    char text[256];
    snprintf(text, sizeof text, "callback '%s' failed: %s; asked for at %s:%d", name, what,
             __FILE__, line);
    expect_log(text);
}

static int fail_main(void *arg)
{
    (void)arg;
    int line = __LINE__ + 1;
    weft_call_soon(fails, "the text");
    weft_call_soon(note_callback, "on");
    weft_sleep(0);
    expect_failure("fails", "Bad file descriptor: the text", line);
    expect_failure("fails", "Input/output error", line);
    weft_call_later(SECOND, fails, "named", .name = "the seventh");
    weft_call_at(weft_now(), fails, "at once");
    weft_sleep(2 * SECOND);
    expect_failure("the seventh", "Bad file descriptor: named", line + 5);
    expect_failure("fails", "Bad file descriptor: at once", line + 6);
    weft_post(weft_loop_current(), fails, "posted");
    weft_sleep(MILLISECOND);
    expect_failure("fails", "Bad file descriptor: posted", line + 10);
    assert_int_equal(take_log("Input/output error; asked for at"), 3);
    weft_callback_fail(-EIO, "not in a callback");
    return 0;
}

static void test_semantics_22_a_failing_callback_is_logged_and_stops_nothing(void **state)
{
    (void)state;
    assert_int_equal(run(fail_main, NULL), 0);
    assert_string_equal(trace, "on");
    expect_log("outside a callback");
}

/* Who was called by itself, or from C++, has no name and no site. */
static int nameless_main(void *arg)
{
    struct weft_notice notice;
    char address[32];
    (void)arg;
    weft_notice_init(&notice, weft_loop_current(), fails, NULL);
    assert_int_equal(weft_signal_post(&notice), 0);
    weft_call_soon_with(fails, &(struct weft_call_options){ .size = 0 });
    weft_sleep(MILLISECOND);
    weft_notice_fini(&notice);
    snprintf(address, sizeof address, "'%p'", (void *)(uintptr_t)fails);
    assert_int_equal(take_log(address), 4);
    return 0;
}

static void test_semantics_22_a_callback_without_a_name_is_told_by_its_address(void **state)
{
    (void)state;
    assert_int_equal(run(nameless_main, NULL), 0);
}

static int fails_in_a_task(void *arg)
{
    weft_callback_fail(-EIO, arg);
    weft_sleep(0);
    weft_callback_fail(-EIO, arg);
    return 0;
}

static void fails_in_drop(void *arg)
{
    weft_callback_fail(-EIO, arg);
    assert_non_null(strstr(weft_error_detail(), "outside a callback"));
    note("d");
}

static void starts_a_task(void *arg)
{
    weft_task *task;
    weft_spawn(weft_background(), fails_in_a_task, arg, .eager = true);
    assert_non_null(strstr(weft_error_detail(), "outside a callback"));
    weft_spawn(weft_background(), return_zero, arg, .eager = true, .drop = fails_in_drop,
               .task = &task);
    weft_task_release(task);
    weft_callback_fail(-EIO, "but here it is");
}

static int task_in_callback_main(void *arg)
{
    (void)arg;
    weft_call_soon(starts_a_task, "not here", .drop = fails_in_drop);
    return weft_sleep(SECOND);
}

static void test_semantics_22_a_task_that_a_callback_starts_is_none(void **state)
{
    (void)state;
    assert_int_equal(run(task_in_callback_main, NULL), 0);
    assert_string_equal(trace, "dd");
    expect_log("'starts_a_task' failed: Input/output error: but here it is"); /* and no other */
    take_log("outside a callback");
}

/* .drop */

static void drop_note(void *arg)
{
    assert_null(weft_task_self());
    assert_int_equal(weft_sleep(0), -EPERM);
    note("-");
    note(arg);
}

static void cancel_it(void *arg)
{
    note("c");
    assert_true(weft_handle_cancel(*(weft_handle *)arg));
    note("c");
}

static int drop_main(void *arg)
{
    (void)arg;
    weft_handle twice = weft_call_soon(note_callback, "1", .drop = drop_note);
    assert_true(weft_handle_cancel(twice)); /* on a task's stack, and before it returns */
    note(".");
    assert_false(weft_handle_cancel(twice));
    twice = weft_call_later(SECOND, note_callback, "2", .drop = drop_note);
    assert_true(weft_handle_cancel(twice));
    assert_false(weft_handle_cancel(twice));
    note(".");
    weft_call_soon(cancel_it, &twice); /* in a callback */
    twice = weft_call_soon(note_callback, "3", .drop = drop_note);
    weft_call_soon(note_callback, "4", .drop = drop_note);
    weft_call_later(SECOND, note_callback, "5", .drop = drop_note);
    weft_call_at(weft_now() + SECOND, note_callback, "6", .drop = drop_note);
    weft_sleep(SECOND);
    assert_false(weft_handle_cancel(twice));
    return 0;
}

static void test_semantics_29_drop_is_called_once_after_the_callback_or_instead(void **state)
{
    (void)state;
    assert_int_equal(run(drop_main, NULL), 0);
    assert_string_equal(trace, "-1.-2.c-3c4-45-56-6");
    take_log("outside a task");
}

static weft_handle last_two[2];

/* What is dropped at the end may cancel its neighbours, and asks for nothing more. */
static void drop_and_cancel(void *arg)
{
    drop_note(arg);
    for (int i = 0; i < 2; i++)
        if (weft_handle_cancel(last_two[i]))
            note("!");
    assert_int_equal(weft_call_soon(note_callback, "x", .drop = drop_note).id, 0);
}

static int leave_calls(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2 * WF_CALLS_PER_CHUNK; i++)
        weft_call_later(WEFT_HOUR, note_callback, "?");
    weft_call_later(WEFT_HOUR, note_callback, "a", .drop = drop_and_cancel);
    last_two[0] = weft_call_later(2 * WEFT_HOUR, note_callback, "b", .drop = drop_note);
    last_two[1] = weft_call_soon(note_callback, "s", .drop = drop_note);
    return 0;
}

static void test_semantics_29_drop_is_called_when_the_loop_ends_first(void **state)
{
    (void)state;
    assert_int_equal(run(leave_calls, NULL), 0);
    assert_string_equal(trace, "s-s-a-b!"); /* "s" was asked for before the run was to stop */
    take_log("outside a task");
    take_log("where there is no loop");
}

static void test_semantics_29_drop_is_called_when_no_loop_ever_ran(void **state)
{
    (void)state;
    weft_loop *loop;
    assert_int_equal(weft_loop_new(&loop, .clock = WEFT_CLOCK_TEST), 0);
    weft_call_soon(note_callback, "s", .drop = drop_note);
    weft_call_later(SECOND, note_callback, "t", .drop = drop_note);
    assert_true(weft_handle_cancel(weft_call_soon(note_callback, "c", .drop = drop_note)));
    assert_int_equal(weft_loop_free(loop), 0);
    assert_string_equal(trace, "-c-s-t");
    take_log("outside a task");
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
    assert_int_equal(weft_call_soon(note_callback, "y", .drop = drop_note).id, 0);
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
        core_test(test_F9_equal_times_keep_the_order_of_asking),
        core_test(test_semantics_22_cancelling_late_or_twice_is_harmless),
        core_test(test_semantics_22_a_handle_of_a_loop_that_is_gone_names_nothing),
        core_test(test_semantics_22_a_handle_is_found_in_every_loop_of_its_thread),
        core_test(test_F7_a_ready_callback_can_still_be_cancelled),
        core_test(test_semantics_22_a_failing_callback_is_logged_and_stops_nothing),
        core_test(test_semantics_22_a_callback_without_a_name_is_told_by_its_address),
        core_test(test_semantics_22_a_task_that_a_callback_starts_is_none),
        core_test(test_semantics_29_drop_is_called_once_after_the_callback_or_instead),
        core_test(test_semantics_29_drop_is_called_when_the_loop_ends_first),
        core_test(test_semantics_29_drop_is_called_when_no_loop_ever_ran),
        core_test(test_semantics_22_suspending_in_a_callback_is_eperm_but_it_may_spawn),
        core_test(test_semantics_22_awaiting_tasks_do_not_overtake_callbacks),
        core_test(test_call_without_memory_gives_an_empty_handle),
    };
    return cmocka_run_group_tests_name("core call", tests, NULL, NULL);
}
