/* Statements of docs/statements.md that no other file proves whole, by their numbers. */

#include "core_test.h"

#include <weft/coro.h>
#include <weft/exception.h>
#include <weft/future.h>
#include <weft/generator.h>
#include <weft/wait.h>

static int value_of(void *arg)
{
    return weft_return(arg);
}

static int sleep_for(void *arg)
{
    return weft_sleep(*(int64_t *)arg);
}

static void note_callback(void *arg)
{
    note(arg);
}

/* Exactly one line says `before`, and then this file and `line`. */
static void expect_site(const char *before, int line)
{
    char text[400];
    snprintf(text, sizeof text, "%s%s:%d", before, __FILE__, line);
    expect_log(text);
}

/* C: coroutine objects. */

static int c4_main(void *arg)
{
    (void)arg;
    void *first = NULL, *second = NULL;
    weft_task *task = weft_create_task(weft_coro_new(value_of, "same"));
    assert_int_equal(weft_await_value(task, &first), 0);
    assert_int_equal(weft_await_value(task, &second), 0);
    assert_string_equal(first, "same");
    assert_ptr_equal(first, second);
    weft_task_release(task);
    return 0;
}

static void test_C4_a_finished_task_answers_each_await_alike(void **state)
{
    (void)state;
    assert_int_equal(run(c4_main, NULL), 0);
}

static int never_asked(weft_gen *gen, void *arg)
{
    note(arg);
    return weft_yield(gen, NULL);
}

static int c6_line;

static int c6_main(void *arg)
{
    weft_gen *gen;
    (void)arg;
    c6_line = __LINE__ + 1;
    int err = weft_gen_open(&gen, never_asked, "x");
    return err < 0 ? err : weft_sleep(SECOND);
}

static void test_C6_a_generator_that_nobody_asks_runs_nothing_and_is_reported(void **state)
{
    (void)state;
    char text[200];
    assert_int_equal(run(c6_main, NULL), 0);
    assert_string_equal(trace, "");
    snprintf(text, sizeof text, "generator 'never_asked' (opened at %s:%d) was left open", __FILE__,
             c6_line);
    expect_log(text);
}

static int c10_main(void *arg)
{
    (void)arg;
    int results[3] = { 1, 1, 1 };
    weft_coro *taken = weft_coro_new(return_zero, NULL);
    assert_int_equal(weft_await(taken), 0);
    weft_task *nothing = weft_create_task(taken);
    weft_awaitable *list[] = { weft_any(weft_coro_new(note_arg, "x")), weft_any(nothing) };
    assert_null(nothing);
    assert_int_equal(weft_gather(list, 2), -EALREADY); /* what its maker had to say */
    assert_int_equal(weft_await(nothing), -EALREADY);
    weft_awaitable *three[] = { weft_any(weft_coro_new(sleep_second, NULL)),
                                weft_any(weft_coro_new(return_code, &(int){ 7 })),
                                weft_any(weft_coro_new(return_code, &(int){ -EDOM })) };
    int64_t begin = weft_now();
    assert_int_equal(weft_gather(three, 3, .results = results), -EDOM);
    assert_int_equal(weft_now() - begin, SECOND); /* the task has gone on */
    assert_memory_equal(results, ((int[]){ 0, 7, -EDOM }), sizeof results);
    return 0;
}

static void test_C10_what_is_not_awaitable_is_an_error_in_the_task(void **state)
{
    (void)state;
    assert_int_equal(run(c10_main, NULL), 0);
    assert_string_equal(trace, "");
    expect_log("was awaited before: it runs once");
}

static int turns[3];
static bool enough;

static void take_turns(void *arg)
{
    ++*(int *)arg;
    if (!enough)
        weft_call_soon(take_turns, arg);
}

static int take_turns_in_a_task(void *arg)
{
    do
        ++*(int *)arg;
    while (!enough && weft_sleep(0) == 0);
    return 0;
}

static int c11_main(void *arg)
{
    (void)arg;
    memset(turns, 0, sizeof turns);
    enough = false;
    weft_call_soon(take_turns, &turns[0]);
    weft_spawn(weft_background(), take_turns_in_a_task, &turns[1]);
    weft_call_soon(take_turns, &turns[2]);
    for (int round = 1; round <= 5; round++) {
        assert_int_equal(weft_sleep(0), 0);
        for (int i = 0; i < 3; i++)
            assert_int_equal(turns[i], round);
    }
    enough = true;
    return 0;
}

static void test_C11_sleeping_for_nothing_gives_everybody_one_turn(void **state)
{
    (void)state;
    assert_int_equal(run(c11_main, NULL), 0);
}

/* R: run and tasks. */

static int forever(void *arg)
{
    (void)arg;
    int err = weft_sleep(WEFT_FOREVER);
    note(err == -ECANCELED ? "forever cancelled by run()" : "?");
    return err;
}

static int r1_main(void *arg)
{
    (void)arg;
    weft_spawn(weft_background(), forever, NULL);
    weft_sleep(0);
    return 42;
}

static void test_R1_run_returns_mains_result_cancels_what_is_left_and_can_be_repeated(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        trace[0] = '\0';
        assert_int_equal(run(r1_main, NULL), 42);
        assert_string_equal(trace, "forever cancelled by run()");
        assert_null(weft_loop_current());
        assert_int_equal(count_fds(), fds_before);
    }
}

static int answer(void *arg)
{
    (void)arg;
    return 42;
}

static void test_R2_a_task_made_before_the_run_is_run_by_its_loop_and_no_other(void **state)
{
    (void)state;
    weft_loop *loop, *other;
    assert_int_equal(weft_loop_new(&loop, .clock = WEFT_CLOCK_TEST), 0);
    weft_task *task = weft_loop_create_task(loop, weft_coro_new(answer, NULL));
    assert_non_null(task);
    assert_null(weft_create_task(weft_coro_new(answer, NULL))); /* no loop runs */
    expect_log("a task was created where no loop runs");
    assert_int_equal(weft_loop_new(&other, .clock = WEFT_CLOCK_TEST), 0);
    assert_int_equal(weft_loop_run_until_complete(other, task), -EXDEV);
    expect_log("belongs to another loop");
    assert_int_equal(weft_loop_free(other), 0);
    assert_int_equal(weft_loop_run_until_complete(loop, task), 42);
    weft_task_release(task);
    assert_int_equal(weft_loop_free(loop), 0);
}

static int r4_main(void *arg)
{
    (void)arg;
    int64_t one = SECOND, two = 2 * SECOND, begin = weft_now();
    weft_task *first = weft_create_task(weft_coro_new(sleep_for, &one));
    weft_task *second = weft_create_task(weft_coro_new(sleep_for, &two));
    assert_int_equal(weft_await(first), 0);
    assert_int_equal(weft_await(second), 0);
    assert_int_equal(weft_now() - begin, 2 * SECOND);
    weft_task_release(first);
    weft_task_release(second);
    begin = weft_now();
    assert_int_equal(weft_await(weft_coro_new(sleep_for, &one)), 0);
    assert_int_equal(weft_await(weft_coro_new(sleep_for, &two)), 0);
    assert_int_equal(weft_now() - begin, 3 * SECOND);
    return 0;
}

static void test_R4_one_and_two_seconds_are_two_side_by_side_and_three_in_sequence(void **state)
{
    (void)state;
    assert_int_equal(run(r4_main, NULL), 0);
}

static int r5_main(void *arg)
{
    (void)arg;
    int minus = -EDOM, seven = 7;
    weft_task *value = weft_create_task(weft_coro_new(value_of, "value"));
    weft_task *code = weft_create_task(weft_coro_new(return_code, &seven));
    weft_task *error = weft_create_task(weft_coro_new(return_code, &minus));
    weft_sleep(SECOND);
    for (int i = 0; i < 3; i++) {
        void *pointer = NULL;
        assert_int_equal(weft_task_result(value, &pointer), 0);
        assert_string_equal(pointer, "value");
        assert_int_equal(weft_task_result(code, &pointer), 7);
        assert_null(pointer);
        assert_int_equal(weft_task_result(error, NULL), -EDOM);
        assert_int_equal(weft_future_result(weft_task_future(error), NULL), -EDOM);
        assert_int_equal(weft_await(error), -EDOM);
    }
    weft_task_release(value);
    weft_task_release(code);
    weft_task_release(error);
    return 0;
}

static void test_R5_a_handle_gives_result_and_error_any_number_of_times(void **state)
{
    (void)state;
    assert_int_equal(run(r5_main, NULL), 0);
}

static int keeps_itself(void *arg)
{
    weft_sleep(WEFT_HOUR);
    note(arg);
    return 0;
}

static int r6_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++)
        weft_task_release(weft_create_task(weft_coro_new(keeps_itself, "k")));
    weft_spawn(weft_background(), keeps_itself, "l");
    return weft_sleep(2 * WEFT_HOUR);
}

static void test_R6_a_task_whose_handle_was_dropped_runs_to_its_end(void **state)
{
    (void)state;
    assert_int_equal(run(r6_main, NULL), 0);
    assert_string_equal(trace, "kkkl");
}

static int do_some_work(void *arg)
{
    char text[32];
    snprintf(text, sizeof text, "Waiting: %d\n", *(int *)arg);
    note(text);
    weft_sleep(*(int *)arg * SECOND);
    return weft_return("Done after 2s");
}

static void test_R7_a_coroutine_is_given_to_a_loop_and_started(void **state)
{
    (void)state;
    int x = 2;
    void *text = NULL;
    weft_loop *loop;
    assert_int_equal(weft_loop_new(&loop, .clock = WEFT_CLOCK_TEST), 0);
    weft_coro *coroutine = weft_coro_new(do_some_work, &x);
    int64_t begin = weft_now();
    assert_string_equal(trace, "");
    assert_int_equal(weft_loop_run_until_complete(loop, coroutine), 0);
    assert_string_equal(trace, "Waiting: 2\n");
    assert_int_equal(weft_now() - begin, 2 * SECOND);
    /* A coroutine's pointer goes to who awaits it; outside of tasks that takes a handle. */
    weft_task *task = weft_loop_create_task(loop, weft_coro_new(do_some_work, &x));
    assert_int_equal(weft_loop_run_until_complete(loop, task), 0);
    assert_int_equal(weft_task_result(task, &text), 0);
    assert_string_equal(text, "Done after 2s");
    weft_task_release(task);
    assert_int_equal(weft_loop_free(loop), 0);
}

static int clean_up(void *arg)
{
    int err = weft_sleep(WEFT_HOUR);
    note(arg);
    return err;
}

static int survive(void *arg)
{
    weft_sleep(WEFT_HOUR);
    return weft_return(arg);
}

static int r8_main(void *arg)
{
    (void)arg;
    void *value = NULL;
    weft_task *early = weft_create_task(weft_coro_new(note_arg, "never"));
    weft_task_cancel(early, "before its first step");
    assert_int_equal(weft_await(early), -ECANCELED);
    assert_true(weft_task_is_cancelled(early));
    assert_string_equal(trace, "");

    weft_task *asleep = weft_create_task(weft_coro_new(clean_up, "cleanup"));
    weft_sleep(SECOND);
    weft_task_cancel(asleep, "during its sleep");
    assert_false(weft_task_is_cancelled(asleep));
    assert_int_equal(weft_await(asleep), -ECANCELED);
    assert_string_equal(trace, "cleanup");
    assert_true(weft_task_is_cancelled(asleep));

    weft_task *deaf = weft_create_task(weft_coro_new(survive, "survived"));
    weft_sleep(SECOND);
    weft_task_cancel(deaf, "in vain");
    assert_int_equal(weft_await_value(deaf, &value), 0);
    assert_string_equal(value, "survived");
    assert_false(weft_task_is_cancelled(deaf));
    assert_int_equal(weft_task_cancel_requests(deaf), 1);
    weft_task_release(early);
    weft_task_release(asleep);
    weft_task_release(deaf);
    return 0;
}

static void test_R8_a_cancel_before_the_first_step_during_a_sleep_and_one_swallowed(void **state)
{
    (void)state;
    assert_int_equal(run(r8_main, NULL), 0);
}

/* F: futures and callbacks. */

static void fail_it(void *arg)
{
    weft_future_fail(arg, -EIO, "the disk is on fire");
}

static void cancel_it(void *arg)
{
    weft_future_cancel(arg, "why");
}

static int f1_main(void *arg)
{
    static weft_callback *const enders[] = { fail_it, cancel_it };
    static const int errors[] = { -EIO, -ECANCELED };
    (void)arg;
    for (int i = 0; i < 2; i++) {
        int64_t begin = weft_now();
        weft_future *future = weft_future_new();
        weft_call_later(SECOND, enders[i], future);
        assert_int_equal(weft_await(future), errors[i]);
        assert_int_equal(weft_now() - begin, SECOND);
        assert_int_equal(weft_cancelled(), 0); /* the future was, we were not */
        weft_future_release(future);
    }
    return 0;
}

static void test_F1_await_suspends_until_somebody_fails_or_cancels_the_future(void **state)
{
    (void)state;
    assert_int_equal(run(f1_main, NULL), 0);
}

static struct {
    int calls;
    weft_future *future;
    pthread_t thread;
    weft_loop *loop;
    const char *value;
} done;

static void on_done(weft_future *future, void *arg)
{
    void *value = NULL;
    assert_null(weft_task_self());
    assert_true(weft_is_done(future));
    assert_int_equal(weft_future_result(future, &value), 0);
    done.calls++;
    done.future = future;
    done.thread = pthread_self();
    done.loop = weft_loop_current();
    done.value = value;
    note(arg);
}

static int set_main(void *arg)
{
    weft_future *future = weft_future_new();
    weft_future_on_done(future, on_done, arg);
    assert_int_equal(weft_future_set(future, "set"), 0);
    note("|"); /* not inside of it */
    weft_sleep(0);
    weft_future_release(future);
    return 0;
}

static void test_F2_a_done_callback_is_called_once_with_the_task_by_the_loop(void **state)
{
    (void)state;
    int x = 2;
    weft_loop *loop;
    memset(&done, 0, sizeof done);
    assert_int_equal(weft_loop_new(&loop, .clock = WEFT_CLOCK_TEST), 0);
    weft_task *task = weft_loop_create_task(loop, weft_coro_new(do_some_work, &x));
    assert_int_equal(weft_future_on_done(weft_task_future(task), on_done, "callback"), 0);
    assert_int_equal(weft_loop_run_until_complete(loop, task), 0);
    assert_string_equal(trace, "Waiting: 2\ncallback");
    weft_loop_stop(loop);
    assert_int_equal(weft_loop_run_forever(loop), 0);
    assert_int_equal(done.calls, 1);
    assert_ptr_equal(done.future, weft_task_future(task));
    assert_true(pthread_equal(done.thread, pthread_self()));
    assert_ptr_equal(done.loop, loop);
    assert_string_equal(done.value, "Done after 2s");
    weft_task_release(task);
    assert_int_equal(weft_loop_free(loop), 0);
    trace[0] = '\0';
    assert_int_equal(run(set_main, "called"), 0);
    assert_string_equal(trace, "|called");
}

static void schedule_child(void *arg)
{
    note(arg);
    weft_call_soon(note_callback, "child");
}

static int f8_main(void *arg)
{
    (void)arg;
    weft_call_soon(note_callback, "1");
    weft_call_soon(note_callback, "2");
    weft_call_soon(schedule_child, "a");
    weft_call_soon(note_callback, "3");
    for (int turn = 0; turn < 3; turn++) {
        note("|");
        weft_sleep(0);
    }
    return 0;
}

static void test_F8_callbacks_run_in_order_and_their_children_in_the_next_turn(void **state)
{
    (void)state;
    assert_int_equal(run(f8_main, NULL), 0);
    assert_string_equal(trace, "|12a3|child|");
}

/* E: errors. */

static unsigned application_lines;

static void count_application(void *context, enum weft_logger logger, enum weft_log_level level,
                              const char *text, size_t size)
{
    keep_line(context, logger, level, text, size);
    application_lines += logger == WEFT_LOG_APPLICATION && level == WEFT_LOG_ERROR;
}

static int bad = -EBADF;
static int e_line;

static int e2_main(void *arg)
{
    weft_task *task;
    (void)arg;
    e_line = __LINE__ + 1;
    weft_spawn(weft_background(), return_code, &bad, .name = "lost", .task = &task);
    weft_sleep(SECOND);
    assert_int_equal(logged.count, 0); /* somebody may still read it */
    weft_task_release(task);
    assert_int_equal(logged.count, 1);
    return 0;
}

static void test_E2_an_unread_error_is_told_once_with_name_error_and_site(void **state)
{
    (void)state;
    assert_int_equal(run(e2_main, NULL), 0);
    expect_site("task 'lost' failed and nobody read its result: Bad file descriptor (EBADF); "
                "spawned at ",
                e_line);
}

static int note_and_fail(void *arg)
{
    note(arg);
    return -EBADF;
}

static int e3_main(void *arg)
{
    (void)arg;
    weft_log_set_sink(count_application, NULL);
    application_lines = 0;
    e_line = __LINE__ + 1;
    weft_spawn(weft_background(), note_and_fail, "lazy", .name = "l");
    note("|");
    assert_int_equal(application_lines, 0);
    weft_sleep(0);
    assert_int_equal(application_lines, 1);
    note("|");
    weft_spawn(weft_background(), note_and_fail, "eager", .name = "e", .eager = true);
    assert_int_equal(application_lines, 2); /* it has run, and nobody can ask for its result */
    weft_spawn(weft_background(), sleep_forever, NULL); /* ended by a cancel: not told */
    return weft_sleep(0);
}

static void test_E3_a_background_failure_is_logged_lazy_or_eager_and_a_cancel_is_not(void **state)
{
    (void)state;
    assert_int_equal(run(e3_main, NULL), 0);
    assert_string_equal(trace, "|lazy|eager");
    expect_site("task 'l' failed: Bad file descriptor (EBADF); spawned at ", e_line);
    expect_site("task 'e' failed: Bad file descriptor (EBADF); spawned at ", e_line + 6);
}

/* Fails while it ends, which is when the loop does. */
static int fail_at_the_end(void *arg)
{
    return weft_sleep(WEFT_FOREVER) == -ECANCELED ? *(int *)arg : 0;
}

static int told_at_the_end;

static int tell(weft_loop *loop, const weft_exception *exception, void *context)
{
    assert_ptr_equal(context, &told_at_the_end);
    assert_int_equal(exception->error, -EBADF);
    told_at_the_end++;
    return weft_loop_default_exception_handler(loop, exception);
}

static weft_task *held;

static int e6_main(void *arg)
{
    (void)arg;
    weft_loop_set_exception_handler(weft_loop_current(), tell, &told_at_the_end);
    e_line = __LINE__ + 1;
    weft_spawn(weft_background(), fail_at_the_end, &bad, .name = "detached");
    weft_spawn(weft_background(), fail_at_the_end, &bad, .name = "held", .task = &held);
    return weft_sleep(0);
}

static void test_E6_an_error_while_shutting_down_is_reported(void **state)
{
    (void)state;
    told_at_the_end = 0;
    assert_int_equal(run(e6_main, NULL), 0);
    assert_int_equal(told_at_the_end, 2);
    expect_site("task 'detached' failed: Bad file descriptor (EBADF); spawned at ", e_line);
    expect_site("task 'held' failed and nobody read its result: Bad file descriptor (EBADF); "
                "spawned at ",
                e_line + 1);
    assert_int_equal(weft_task_result(held, NULL), -EBADF);
    weft_task_release(held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_C4_a_finished_task_answers_each_await_alike),
        core_test(test_C6_a_generator_that_nobody_asks_runs_nothing_and_is_reported),
        core_test(test_C10_what_is_not_awaitable_is_an_error_in_the_task),
        core_test(test_C11_sleeping_for_nothing_gives_everybody_one_turn),
        core_test(test_R1_run_returns_mains_result_cancels_what_is_left_and_can_be_repeated),
        core_test(test_R2_a_task_made_before_the_run_is_run_by_its_loop_and_no_other),
        core_test(test_R4_one_and_two_seconds_are_two_side_by_side_and_three_in_sequence),
        core_test(test_R5_a_handle_gives_result_and_error_any_number_of_times),
        core_test(test_R6_a_task_whose_handle_was_dropped_runs_to_its_end),
        core_test(test_R7_a_coroutine_is_given_to_a_loop_and_started),
        core_test(test_R8_a_cancel_before_the_first_step_during_a_sleep_and_one_swallowed),
        core_test(test_F1_await_suspends_until_somebody_fails_or_cancels_the_future),
        core_test(test_F2_a_done_callback_is_called_once_with_the_task_by_the_loop),
        core_test(test_F8_callbacks_run_in_order_and_their_children_in_the_next_turn),
        core_test(test_E2_an_unread_error_is_told_once_with_name_error_and_site),
        core_test(test_E3_a_background_failure_is_logged_lazy_or_eager_and_a_cancel_is_not),
        core_test(test_E6_an_error_while_shutting_down_is_reported),
    };
    return cmocka_run_group_tests_name("core statements", tests, NULL, NULL);
}
