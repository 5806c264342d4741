/* Cancellation: who is told, when, how often, and what a shield keeps out (semantics 1, 4, 10, 18).
 */

#include "core_test.h"

/* 2: the waiter. */

static int wakes, aborts;
static bool gone;

static void count_wake(struct wf_waiter *w)
{
    (void)w;
    wakes++;
}

static bool count_abort(struct wf_waiter *w)
{
    (void)w;
    aborts++;
    return gone;
}

static const struct wf_wait_ops counting = { .kind = "a test", .abort = count_abort };
static const struct wf_wait_ops uncancellable = { .kind = "a test" };

static struct wf_waiter new_waiter(const struct wf_wait_ops *ops, bool abort_says_gone)
{
    wakes = aborts = 0;
    gone = abort_says_gone;
    return (struct wf_waiter){ .ops = ops, .wake = count_wake, .state = WF_WAIT_ARMED };
}

static void test_semantics_02_a_woken_waiter_keeps_its_result(void **state)
{
    (void)state;
    struct wf_waiter w = new_waiter(&counting, true);
    wf_wake(&w, 5);
    wf_abort(&w);
    assert_int_equal(w.result, 5);
    assert_false(w.aborted);
    assert_int_equal(wakes, 1);
    assert_int_equal(aborts, 0);
}

static void test_semantics_02_abort_is_called_once_and_gone_wakes(void **state)
{
    (void)state;
    struct wf_waiter w = new_waiter(&counting, true);
    wf_abort(&w);
    wf_abort(&w);
    assert_int_equal(w.result, -ECANCELED);
    assert_true(w.aborted);
    assert_int_equal(wakes, 1);
    assert_int_equal(aborts, 1);
}

static void test_semantics_02_not_yet_waits_for_the_completion_whose_success_counts(void **state)
{
    (void)state;
    int64_t results[] = { 7, 0, -EIO, -ECANCELED };
    for (int i = 0; i < 4; i++) {
        struct wf_waiter w = new_waiter(&counting, false);
        wf_abort(&w);
        wf_abort(&w);
        assert_int_equal(wakes, 0);
        assert_int_equal(aborts, 1);
        assert_int_equal(w.state, WF_WAIT_ABORTING);
        wf_wake(&w, results[i]);
        assert_int_equal(wakes, 1);
        assert_int_equal(w.result, results[i] >= 0 ? results[i] : -ECANCELED);
        assert_int_equal(w.aborted, results[i] < 0);
    }
}

static void test_semantics_02_without_an_abort_nothing_cancels_it(void **state)
{
    (void)state;
    struct wf_waiter w = new_waiter(&uncancellable, true);
    wf_abort(&w);
    assert_int_equal(w.state, WF_WAIT_ARMED);
    wf_wake(&w, -EIO);
    assert_int_equal(w.result, -EIO);
    assert_false(w.aborted);
}

/* 1: the spin guard. */

static unsigned others;

static int count_turns(void *arg)
{
    while (!*(bool *)arg) {
        others++;
        if (weft_sleep(0) < 0)
            return 0;
    }
    return 0;
}

static int ignore_cancels(void *arg)
{
    int times = *(int *)arg;
    for (int i = 0; i < times; i++)
        assert_int_equal(weft_sleep(60 * SECOND), -ECANCELED);
    return 0;
}

static int spin_main(void *arg)
{
    bool done = false;
    weft_scope s, spinning;
    weft_scope_begin(&s);
    if (*(int *)arg < 1000) /* virtual time stands still while somebody is always ready */
        weft_spawn(&s, count_turns, &done);
    weft_sleep(0);
    weft_scope_begin(&spinning, .timeout = 5 * SECOND);
    weft_spawn(&spinning, ignore_cancels, arg, .name = "deaf");
    weft_sleep(0);
    weft_scope_cancel(&spinning, "the test says so");
    int64_t start = weft_now();
    assert_int_equal(weft_scope_end(&spinning), 0);
    int64_t spent = weft_now() - start;
    done = true;
    assert_int_equal(weft_scope_end(&s), 0);
    return (int)(spent / MILLISECOND);
}

static void test_semantics_01_ignored_cancels_do_not_starve_the_loop(void **state)
{
    (void)state;
    int times = 500;
    others = 0;
    assert_int_equal(run(spin_main, &times), 0);
    assert_in_range(others, 490, 510); /* one turn for each that was ignored */
}

static void test_semantics_01_after_1000_it_is_reported_once_and_each_costs_1_ms(void **state)
{
    (void)state;
    int times = 1101;
    assert_int_equal(run(spin_main, &times), 100);
    expect_log("task 'deaf' (spawned at ");
}

static void test_semantics_01_the_report_names_task_site_and_origin(void **state)
{
    (void)state;
    int times = 1001;
    assert_int_equal(run(spin_main, &times), 0);
    assert_non_null(strstr(logged.text[0], "tests/core/test_cancel.c:"));
    expect_log("was cancelled (the test says so) and has ignored -ECANCELED 1000 times");
}

static int reset_by_shield(void *arg)
{
    weft_scope shield;
    weft_sleep(WEFT_FOREVER);
    for (int i = 0; i < 3; i++) {
        ignore_cancels(arg);
        weft_scope_begin(&shield, .shield = true);
        assert_int_equal(weft_sleep(0), 0);
        assert_int_equal(weft_scope_end(&shield), 0);
    }
    return 0;
}

static int reset_main(void *arg)
{
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, reset_by_shield, arg);
    weft_sleep(0);
    weft_scope_cancel(&s, NULL);
    return weft_scope_end(&s);
}

static void test_semantics_01_a_success_in_a_shield_resets_the_counter(void **state)
{
    (void)state;
    int times = 900;
    assert_int_equal(run(reset_main, &times), 0);
}

static int expired_main(void *arg)
{
    (void)arg;
    weft_scope s;
    static bool done; /* the background outlives this frame */
    done = false;
    weft_spawn(weft_background(), count_turns, &done);
    for (int i = 0; i < 5000; i++) { /* "only if it is ready": a scope that is over, 5000 times */
        weft_scope_begin(&s, .timeout = -1);
        assert_int_equal(weft_sleep(SECOND), -ECANCELED);
        assert_int_equal(weft_scope_end(&s), -ETIMEDOUT);
    }
    done = true;
    return others > 10 ? 0 : 1; /* the budget made it yield */
}

static void test_semantics_01_a_cancel_that_was_heeded_is_not_counted(void **state)
{
    (void)state;
    others = 0;
    assert_int_equal(run(expired_main, NULL), 0);
}

static int deaf_for_ever(void *arg)
{
    while (!arg)
        weft_sleep(SECOND);
    return 0;
}

static int leave_deaf(void *arg)
{
    (void)arg;
    weft_spawn(weft_background(), deaf_for_ever, NULL);
    return weft_sleep(0);
}

static int deaf_program(void)
{
    int64_t start = real_now();
    int err = weft_run(leave_deaf, NULL, .clock = WEFT_CLOCK_TEST, .no_signals = true);
    return err == WEFT_ESTUCK && real_now() - start < 20 * SECOND &&
                   take_log("destroyed while pending") == 1 && take_log("has ignored") == 1
               ? 0
               : 1;
}

static void test_semantics_01_weft_run_ends_by_the_grace(void **state)
{
    (void)state;
    assert_int_equal(exit_status(deaf_program), 0);
}

/* 4: benign or not. */

static int return_ecanceled(void *arg)
{
    (void)arg;
    return -ECANCELED;
}

static int benign_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_task *task, *swallowed;
    weft_scope_begin(&s);
    weft_spawn(&s, sleep_second, NULL);
    weft_spawn(&s, return_ecanceled, NULL, .task = &task);
    assert_int_equal(weft_scope_end(&s), -ECANCELED); /* nobody cancelled it: a failure */
    assert_int_equal(weft_scope_cause(&s), WEFT_CAUSE_FAILURE);
    assert_false(weft_task_is_cancelled(task));
    weft_task_release(task);
    weft_scope_begin(&s);
    weft_spawn(&s, sleep_forever, NULL, .task = &task);
    weft_spawn(&s, sleep_second, NULL, .task = &swallowed);
    weft_sleep(0);
    assert_int_equal(weft_task_cancel_requests(task), 0);
    weft_task_cancel(task, "a");
    weft_task_cancel(task, "b");
    assert_int_equal(weft_task_cancel_requests(task), 2);
    assert_int_equal(weft_scope_end(&s), 0);
    assert_true(weft_task_is_cancelled(task));
    assert_false(weft_task_is_cancelled(swallowed));
    weft_task_release(task);
    weft_task_release(swallowed);
    return 0;
}

static void test_semantics_04_ecanceled_is_benign_only_when_asked_for(void **state)
{
    (void)state;
    assert_int_equal(run(benign_main, NULL), 0);
}

static int swallow(void *arg)
{
    (void)arg;
    return weft_sleep(WEFT_FOREVER) == -ECANCELED ? 42 : 1;
}

static int swallow_main(void *arg)
{
    (void)arg;
    weft_task *task;
    weft_spawn(weft_background(), swallow, NULL, .task = &task);
    weft_sleep(0);
    weft_task_cancel(task, "why");
    assert_int_equal(weft_await(task), 42);
    assert_false(weft_task_is_cancelled(task));
    assert_int_equal(weft_task_cancel_requests(task), 1);
    weft_task_release(task);
    return 0;
}

static void test_semantics_04_a_swallowed_cancel_is_not_a_cancelled_task(void **state)
{
    (void)state;
    assert_int_equal(run(swallow_main, NULL), 0);
}

static int await_a_cancelled_one(void *arg)
{
    return weft_await(
        (weft_task *)arg); /* returns -ECANCELED upward although nobody cancelled us */
}

static int upward_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_task *task;
    weft_spawn(weft_background(), sleep_forever, NULL, .task = &task);
    weft_scope_begin(&s);
    weft_spawn(&s, await_a_cancelled_one, task);
    weft_sleep(0);
    weft_task_cancel(task, "why");
    assert_int_equal(weft_scope_end(&s), -ECANCELED);
    assert_int_equal(weft_scope_cause(&s), WEFT_CAUSE_FAILURE);
    weft_task_release(task);
    return 0;
}

static void test_semantics_04_the_cancel_of_what_was_awaited_is_a_failure_here(void **state)
{
    (void)state;
    assert_int_equal(run(upward_main, NULL), 0);
}

static int looks_main(void *arg)
{
    (void)arg;
    weft_scope s, shield;
    assert_int_equal(weft_cancelled(), 0);
    weft_scope_begin(&s);
    weft_scope_cancel(&s, "why");
    assert_int_equal(weft_cancelled(), -ECANCELED);
    weft_scope_begin(&shield, .shield = true);
    assert_int_equal(weft_cancelled(), 0);
    weft_scope_end(&shield);
    assert_int_equal(weft_cancelled(), -ECANCELED);
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(weft_cancelled(), 0);
    return 0;
}

static void test_semantics_04_weft_cancelled_says_what_the_next_call_would(void **state)
{
    (void)state;
    assert_int_equal(run(looks_main, NULL), 0);
}

/* 10: joins, awaiting, grants. */

static int cleanup_slowly(void *arg)
{
    weft_scope shield;
    weft_sleep(WEFT_FOREVER);
    weft_scope_begin(&shield, .shield = true);
    weft_sleep(SECOND);
    weft_scope_end(&shield);
    note(arg);
    return -ECANCELED;
}

static int join_main(void *arg)
{
    (void)arg;
    weft_scope outer, inner;
    weft_scope_begin(&outer, .timeout = SECOND);
    weft_scope_begin(&inner);
    weft_spawn(&inner, cleanup_slowly, "c");
    int err = weft_scope_end(&inner);
    note("e");
    assert_int_equal(err, -ECANCELED);
    return weft_scope_end(&outer);
}

static void test_semantics_10_a_join_is_not_cancelled(void **state)
{
    (void)state;
    assert_int_equal(run(join_main, NULL), -ETIMEDOUT);
    assert_string_equal(trace, "ce");
}

static int await_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_task *task;
    weft_spawn(weft_background(), sleep_second, NULL, .task = &task);
    weft_scope_begin(&s, .timeout = MILLISECOND);
    assert_int_equal(weft_await(task), -ECANCELED);
    assert_int_equal(weft_scope_end(&s), -ETIMEDOUT);
    assert_false(weft_task_is_done(task));
    assert_int_equal(weft_task_cancel_requests(task), 0);
    assert_int_equal(weft_await(task), 0);
    weft_task_release(task);
    return 0;
}

static void test_semantics_10_a_cancelled_await_only_stops_waiting(void **state)
{
    (void)state;
    assert_int_equal(run(await_main, NULL), 0);
}

static int end_with_seven(void *arg)
{
    (void)arg;
    weft_sleep(SECOND);
    return 7;
}

struct granted {
    weft_task *target, *waiter;
    int result, next;
};

static int wait_for_target(void *arg)
{
    struct granted *g = arg;
    g->result = weft_await(g->target);
    g->next = weft_sleep(0);
    return 0;
}

/* Runs in the turn in which the target has ended, before the waiter does. */
static int cancel_waiter(void *arg)
{
    struct granted *g = arg;
    weft_sleep(SECOND);
    assert_true(weft_task_is_done(g->target));
    weft_task_cancel(g->waiter, "too late for this call");
    return 0;
}

static int granted_main(void *arg)
{
    (void)arg;
    struct granted g = { .result = 1 };
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, end_with_seven, NULL, .task = &g.target);
    weft_spawn(&s, wait_for_target, &g, .task = &g.waiter);
    weft_spawn(&s, cancel_waiter, &g);
    int err = weft_scope_end(&s);
    assert_int_equal(g.result, 7);
    assert_int_equal(g.next, -ECANCELED);
    weft_task_release(g.target);
    weft_task_release(g.waiter);
    return err;
}

static void test_semantics_10_a_granted_waiter_is_never_turned_into_a_cancel(void **state)
{
    (void)state;
    assert_int_equal(run(granted_main, NULL), 0);
}

static int entry_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_task *done;
    weft_spawn(weft_background(), return_zero, NULL, .task = &done);
    assert_int_equal(weft_await(done), 0);
    weft_scope_begin(&s);
    weft_scope_cancel(&s, "why");
    assert_int_equal(weft_await(done), -ECANCELED); /* though it could answer at once */
    assert_int_equal(weft_sleep(-1), -ECANCELED);
    assert_int_equal(weft_poll_fd(-1, WEFT_READABLE), -ECANCELED);
    assert_int_equal(weft_task_result(done, NULL), 0); /* does not suspend */
    assert_int_equal(weft_spawn(&s, return_zero, NULL), 0);
    assert_int_equal(weft_scope_end(&s), 0);
    weft_task_release(done);
    return 0;
}

static void test_semantics_10_a_suspending_call_checks_at_its_entry(void **state)
{
    (void)state;
    assert_int_equal(run(entry_main, NULL), 0);
}

static int before_first_step_main(void *arg)
{
    (void)arg;
    weft_task *task;
    weft_spawn(weft_background(), note_arg, "x", .task = &task);
    weft_task_cancel(task, "why");
    assert_int_equal(weft_await(task), -ECANCELED);
    assert_true(weft_task_is_cancelled(task));
    weft_task_release(task);
    assert_string_equal(trace, "");
    return 0;
}

static void test_task_cancelled_before_its_first_step_never_runs(void **state)
{
    (void)state;
    assert_int_equal(run(before_first_step_main, NULL), 0);
}

/* 18: shields. */

static int shield_main(void *arg)
{
    (void)arg;
    weft_scope outer, shield;
    weft_scope_begin(&outer, .timeout = SECOND);
    weft_scope_begin(&shield, .shield = true);
    weft_spawn(&shield, sleep_second, NULL);
    assert_int_equal(weft_sleep(2 * SECOND), 0);
    weft_spawn(&shield, note_arg, "s"); /* spawned when the outer one has fired: it runs */
    assert_int_equal(weft_scope_end(&shield), 0);
    assert_int_equal(weft_sleep(0), -ECANCELED);
    weft_scope_begin(&shield, .shield = true); /* and one put up afterwards */
    assert_int_equal(weft_sleep(SECOND), 0);
    assert_int_equal(weft_scope_end(&shield), 0);
    assert_int_equal(weft_scope_end(&outer), -ETIMEDOUT);
    assert_string_equal(trace, "s");
    return 0;
}

static void test_semantics_18_a_shield_hides_enclosing_cancels_and_deadlines(void **state)
{
    (void)state;
    assert_int_equal(run(shield_main, NULL), 0);
}

static int shield_limits_main(void *arg)
{
    (void)arg;
    weft_scope s;
    int64_t start = weft_now();
    weft_scope_begin(&s, .shield = true);
    assert_int_equal(weft_sleep(WEFT_HOUR), -ECANCELED);
    assert_int_equal(weft_scope_end(&s), -ETIMEDOUT);
    assert_int_equal(weft_now() - start, 30 * SECOND);
    weft_scope_begin(&s, .shield = true, .timeout = WEFT_FOREVER);
    assert_int_equal(weft_sleep(WEFT_HOUR), 0);
    weft_scope_cancel(&s, "its own cancel works");
    assert_int_equal(weft_sleep(1), -ECANCELED);
    assert_int_equal(weft_scope_end(&s), 0);
    start = weft_now();
    weft_scope_begin(&s, .shield = true, .timeout = 3 * SECOND);
    assert_int_equal(weft_sleep(WEFT_HOUR), -ECANCELED);
    assert_int_equal(weft_scope_end(&s), -ETIMEDOUT);
    assert_int_equal(weft_now() - start, 3 * SECOND);
    return 0;
}

static void test_semantics_18_a_shield_has_30_s_unless_it_says_otherwise(void **state)
{
    (void)state;
    assert_int_equal(run(shield_limits_main, NULL), 0);
}

static int sleeper_turns(void *arg)
{
    weft_sleep(*(int64_t *)arg);
    note("s");
    return 0;
}

static int sleep_zero_main(void *arg)
{
    (void)arg;
    int64_t zero = 0, negative = -5 * SECOND;
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, sleeper_turns, &zero);
    weft_spawn(&s, sleeper_turns, &negative);
    int64_t start = weft_now();
    weft_sleep(0); /* they start */
    note("1");
    weft_sleep(-1); /* they end */
    note("2");
    assert_int_equal(weft_now(), start);
    return weft_scope_end(&s);
}

static void test_semantics_18_sleep_of_nothing_is_one_turn(void **state)
{
    (void)state;
    assert_int_equal(run(sleep_zero_main, NULL), 0);
    assert_string_equal(trace, "1ss2");
}

/* 8: who logs. */

static int ebadf = -EBADF;

static int fail_soon(void *arg)
{
    int err = weft_sleep(MILLISECOND);
    return err < 0 ? err : *(int *)arg;
}

static int scope_owns_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_task *task;
    weft_scope_begin(&s);
    weft_spawn(&s, fail_soon, &ebadf, .task = &task);
    assert_int_equal(weft_scope_end(&s), -EBADF);
    weft_task_release(task);
    weft_scope_begin(&s);
    weft_spawn(&s, fail_soon, &ebadf);
    assert_int_equal(weft_scope_end(&s), -EBADF);
    return 0;
}

static void test_semantics_08_1_a_scope_owns_its_childrens_errors(void **state)
{
    (void)state;
    assert_int_equal(run(scope_owns_main, NULL), 0);
}

static int detached_main(void *arg)
{
    (void)arg;
    weft_task *task;
    weft_spawn(weft_background(), fail_soon, &ebadf, .name = "never taken");
    weft_spawn(weft_background(), fail_soon, &ebadf, .name = "released", .task = &task);
    /* A line on the log takes 8 KiB of it; of a sanitizer's frames all that the smallest has. */
    weft_spawn(weft_background(), fail_soon, &ebadf, .name = "small stack",
               .stack_size = WF_ASAN ? 64 << 10 : 1);
    weft_task_release(task);
    assert_int_equal(logged.count, 0);
    weft_sleep(SECOND);
    assert_int_equal(logged.count, 3);
    return 0;
}

static void test_semantics_08_2_a_detached_failure_is_logged_at_once(void **state)
{
    (void)state;
    assert_int_equal(run(detached_main, NULL), 0);
    expect_log("task 'never taken' failed: Bad file descriptor (EBADF); spawned at ");
    expect_log("task 'released' failed");
    expect_log("task 'small stack' failed");
}

static int retrieve_by_await(weft_task *task)
{
    return weft_await(task);
}

static int retrieve_by_result(weft_task *task)
{
    weft_sleep(SECOND);
    return weft_task_result(task, NULL);
}

static int retrieve_not(weft_task *task)
{
    (void)task;
    weft_sleep(SECOND);
    return -EBADF;
}

static int handle_main(void *arg)
{
    (void)arg;
    static int (*const ways[])(weft_task *) = { retrieve_by_await, retrieve_by_result,
                                                retrieve_not };
    for (int i = 0; i < 3; i++) {
        weft_task *task;
        weft_spawn(weft_background(), fail_soon, &ebadf, .task = &task);
        assert_int_equal(ways[i](task), -EBADF);
        assert_int_equal(logged.count, 0);
        weft_task_release(task);
    }
    return 0;
}

static void test_semantics_08_3_an_error_nobody_read_is_reported_at_the_last_release(void **state)
{
    (void)state;
    assert_int_equal(run(handle_main, NULL), 0);
    expect_log("nobody read its result: Bad file descriptor");
}

/* A handle that outlives its task's scopes: the report says where it lived all the same. */

static WF_NOINLINE weft_task *fail_in_a_race(void)
{
    weft_task *task;
    weft_scope race;
    weft_scope_begin(&race, .isolate = true, .name = "race");
    weft_spawn(&race, fail_soon, &ebadf, .task = &task);
    assert_int_equal(weft_scope_end(&race), 0);
    return task;
}

static WF_NOINLINE void overwrite(void)
{
    char memory[8192];
    memset(memory, 0x41, sizeof memory);
    __asm__ volatile("" ::"r"(memory) : "memory");
}

static int outliving_main(void *arg)
{
    (void)arg;
    weft_task *task = fail_in_a_race();
    overwrite();
    weft_task_release(task);
    task = fail_in_a_race();
    overwrite();
    assert_int_equal(weft_task_result(task, NULL), -EBADF);
    weft_task_release(task);
    return 0;
}

static void test_semantics_08_3_a_handle_may_outlive_the_scope(void **state)
{
    (void)state;
    assert_int_equal(run(outliving_main, NULL), 0);
    expect_log("nobody read its result: Bad file descriptor (EBADF); spawned at ");
    assert_int_equal(take_log("in scope 'race'"), 0); /* it was one line, and it is taken */
}

static int unreleased_main(void *arg)
{
    weft_spawn(weft_background(), fail_soon, &ebadf, .task = arg, .name = "kept");
    return weft_sleep(SECOND);
}

static void test_semantics_08_3_the_loops_end_reports_what_nobody_read(void **state)
{
    (void)state;
    weft_task *task;
    assert_int_equal(run(unreleased_main, &task), 0);
    expect_log("task 'kept' failed and nobody read its result");
    assert_int_equal(weft_task_result(task, NULL), -EBADF);
    weft_task_release(task); /* once is enough */
}

static int foreign_cancel_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s);
    assert_int_equal(weft_scope_leave(&s, -ECANCELED), -ECANCELED);
    assert_int_equal(weft_scope_cause(&s), WEFT_CAUSE_FAILURE);
    return 0;
}

static void test_semantics_04_a_bodys_ecanceled_that_nobody_asked_for_is_a_failure(void **state)
{
    (void)state;
    assert_int_equal(run(foreign_cancel_main, NULL), 0);
}

static int bodies;

static int count_body(void *arg)
{
    (void)arg;
    bodies++;
    return 0;
}

/* Real time: tasks switch to one another directly. */
static int unstarted_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s);
    for (int i = 0; i < 5; i++)
        weft_spawn(&s, count_body, NULL);
    weft_scope_cancel(&s, "before the first step");
    return weft_scope_end(&s);
}

static void test_task_cancelled_before_its_first_step_never_runs_between_tasks_either(void **state)
{
    (void)state;
    bodies = 0;
    assert_int_equal(weft_run(unstarted_main, NULL, .no_signals = true), 0);
    assert_int_equal(bodies, 0);
}

static int benign_log_main(void *arg)
{
    (void)arg;
    weft_task *task;
    weft_spawn(weft_background(), sleep_forever, NULL);
    weft_spawn(weft_background(), sleep_forever, NULL, .task = &task);
    weft_sleep(0);
    weft_task_cancel(task, "why");
    weft_sleep(SECOND);
    weft_task_release(task);
    return -EBADF; /* main's error is weft_run's */
}

static void test_semantics_08_4_benign_cancels_and_mains_error_are_never_logged(void **state)
{
    (void)state;
    assert_int_equal(run(benign_log_main, NULL), -EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_semantics_02_a_woken_waiter_keeps_its_result),
        core_test(test_semantics_02_abort_is_called_once_and_gone_wakes),
        core_test(test_semantics_02_not_yet_waits_for_the_completion_whose_success_counts),
        core_test(test_semantics_02_without_an_abort_nothing_cancels_it),
        core_test(test_semantics_01_ignored_cancels_do_not_starve_the_loop),
        core_test(test_semantics_01_after_1000_it_is_reported_once_and_each_costs_1_ms),
        core_test(test_semantics_01_the_report_names_task_site_and_origin),
        core_test(test_semantics_01_a_success_in_a_shield_resets_the_counter),
        core_test(test_semantics_01_a_cancel_that_was_heeded_is_not_counted),
        core_test(test_semantics_01_weft_run_ends_by_the_grace),
        core_test(test_semantics_04_ecanceled_is_benign_only_when_asked_for),
        core_test(test_semantics_04_a_swallowed_cancel_is_not_a_cancelled_task),
        core_test(test_semantics_04_a_bodys_ecanceled_that_nobody_asked_for_is_a_failure),
        core_test(test_semantics_04_the_cancel_of_what_was_awaited_is_a_failure_here),
        core_test(test_semantics_04_weft_cancelled_says_what_the_next_call_would),
        core_test(test_semantics_10_a_join_is_not_cancelled),
        core_test(test_semantics_10_a_cancelled_await_only_stops_waiting),
        core_test(test_semantics_10_a_granted_waiter_is_never_turned_into_a_cancel),
        core_test(test_semantics_10_a_suspending_call_checks_at_its_entry),
        core_test(test_task_cancelled_before_its_first_step_never_runs),
        core_test(test_task_cancelled_before_its_first_step_never_runs_between_tasks_either),
        core_test(test_semantics_18_a_shield_hides_enclosing_cancels_and_deadlines),
        core_test(test_semantics_18_a_shield_has_30_s_unless_it_says_otherwise),
        core_test(test_semantics_18_sleep_of_nothing_is_one_turn),
        core_test(test_semantics_08_1_a_scope_owns_its_childrens_errors),
        core_test(test_semantics_08_2_a_detached_failure_is_logged_at_once),
        core_test(test_semantics_08_3_an_error_nobody_read_is_reported_at_the_last_release),
        core_test(test_semantics_08_3_a_handle_may_outlive_the_scope),
        core_test(test_semantics_08_3_the_loops_end_reports_what_nobody_read),
        core_test(test_semantics_08_4_benign_cancels_and_mains_error_are_never_logged),
    };
    return cmocka_run_group_tests_name("core cancel", tests, NULL, NULL);
}
