/* What is done once: one runs it and the others wait; failures, cancels, recursion. */

#include "calls.h"

#include <weft/once.h>

/* What is done, how often it was tried and how it ends. */
static struct {
    int64_t takes;
    int results[4];
    int runs;
} job;

static int do_it(void *arg)
{
    (void)arg;
    int result = job.results[job.runs++];
    int err = job.takes ? weft_sleep(job.takes) : 0;
    return err < 0 ? err : result;
}

static int64_t run_once(struct call *call)
{
    return weft_once_run(call->object, do_it, NULL);
}

static int once_setup(void **state)
{
    memset(&job, 0, sizeof job);
    return core_setup(state);
}

#define once_test(function) cmocka_unit_test_setup_teardown(function, once_setup, core_teardown)

static weft_once_stats stats_of(const weft_once *once)
{
    weft_once_stats stats;
    weft_once_get_stats(once, &stats);
    return stats;
}

/* Success. */

static int first_main(void *arg)
{
    (void)arg;
    static weft_once once; /* zeroed memory is one */
    job.takes = SECOND;
    job.results[0] = 7;
    struct call x = { .fn = run_once, .object = &once, .letter = "x" },
                y = { .fn = run_once, .object = &once, .letter = "y" },
                z = { .fn = run_once, .object = &once, .letter = "z" };
    begin(&x);
    begin(&y);
    begin(&z);
    assert_false(weft_once_is_done(&once));
    assert_int_equal(stats_of(&once).line.waiting, 2);
    assert_int_equal(end(&x), 7);
    assert_true(weft_once_is_done(&once));
    assert_int_equal(end(&y), 7);
    assert_int_equal(end(&z), 7);
    assert_int_equal(weft_once_run(&once, do_it, NULL), 7);
    assert_int_equal(job.runs, 1);
    assert_int_equal(stats_of(&once).runs, 1);
    assert_true(stats_of(&once).done);
    weft_once_fini(&once);
    weft_once_fini(NULL);
    return 0;
}

static void test_once_the_first_does_it_and_all_get_its_result(void **state)
{
    (void)state;
    assert_int_equal(run(first_main, NULL), 0);
    assert_string_equal(trace, "xyz");
}

/* Failure. */

static int fails_main(void *arg)
{
    (void)arg;
    weft_once once;
    weft_once_init(&once);
    job.takes = SECOND;
    job.results[0] = -EIO;
    job.results[1] = -EPIPE;
    job.results[2] = 3;
    struct call x = { .fn = run_once, .object = &once }, y = { .fn = run_once, .object = &once },
                z = { .fn = run_once, .object = &once }, a = { .fn = run_once, .object = &once };
    begin(&x);
    begin(&y);
    begin(&z);
    begin(&a);
    assert_int_equal(end(&x), -EIO);
    assert_false(weft_once_is_done(&once));
    assert_int_equal(end(&y), -EPIPE);
    assert_int_equal(end(&z), 3);
    assert_int_equal(end(&a), 3);
    assert_int_equal(stats_of(&once).runs, 3);
    weft_once_fini(&once);
    return 0;
}

static void test_once_where_it_fails_the_next_one_tries(void **state)
{
    (void)state;
    assert_int_equal(run(fails_main, NULL), 0);
}

static int later_main(void *arg)
{
    (void)arg;
    weft_once once;
    weft_once_init(&once);
    job.results[0] = -EIO;
    assert_int_equal(weft_once_run(&once, do_it, NULL), -EIO);
    assert_int_equal(weft_once_run(&once, do_it, NULL), 0);
    assert_true(weft_once_is_done(&once));
    weft_once_fini(&once);
    return 0;
}

static void test_once_is_tried_again_by_who_comes_after_a_failure(void **state)
{
    (void)state;
    assert_int_equal(run(later_main, NULL), 0);
}

/* Cancels. */

static int runner_main(void *arg)
{
    (void)arg;
    weft_once once;
    weft_once_init(&once);
    job.takes = SECOND;
    job.results[1] = 5;
    struct call x = { .fn = run_once, .object = &once }, y = { .fn = run_once, .object = &once };
    begin(&x);
    begin(&y);
    cancel(&x);
    assert_int_equal(end(&x), -ECANCELED);
    assert_int_equal(end(&y), 5);
    weft_once_fini(&once);
    return 0;
}

static void test_once_a_cancelled_runner_passes_it_on(void **state)
{
    (void)state;
    assert_int_equal(run(runner_main, NULL), 0);
}

static int waiter_main(void *arg)
{
    (void)arg;
    weft_once once;
    weft_once_init(&once);
    job.takes = SECOND;
    struct call x = { .fn = run_once, .object = &once }, y = { .fn = run_once, .object = &once };
    begin(&x);
    begin(&y);
    cancel(&y);
    assert_int_equal(end(&y), -ECANCELED);
    assert_int_equal(end(&x), 0);
    assert_int_equal(job.runs, 1);
    assert_int_equal(stats_of(&once).line.cancelled, 1);
    weft_once_fini(&once);
    return 0;
}

static void test_once_a_cancelled_waiter_leaves(void **state)
{
    (void)state;
    assert_int_equal(run(waiter_main, NULL), 0);
}

static int fail_at_once(void *once)
{
    (void)once;
    job.runs++;
    return weft_sleep(SECOND) < 0 ? -ECANCELED : -EIO;
}

static int64_t fail_once(struct call *call)
{
    return weft_once_run(call->object, fail_at_once, NULL);
}

/* The turn is passed to y, which is cancelled before it runs: it has the turn, and passes it on. */
static int granted_main(void *arg)
{
    (void)arg;
    weft_once once;
    weft_once_init(&once);
    struct call x = { .fn = fail_once, .object = &once }, y = { .fn = fail_once, .object = &once },
                z = { .fn = run_once, .object = &once };
    begin(&x);
    begin(&y);
    begin(&z);
    cancel(&x);
    cancel(&y);
    assert_int_equal(end(&x), -ECANCELED);
    assert_int_equal(end(&y), -ECANCELED);
    assert_int_equal(end(&z), 0);
    assert_true(weft_once_is_done(&once));
    weft_once_fini(&once);
    return 0;
}

static void test_once_a_turn_that_was_passed_is_passed_on_after_a_cancel(void **state)
{
    (void)state;
    assert_int_equal(run(granted_main, NULL), 0);
}

/* The success has come, and then the cancel. */
static int told_main(void *arg)
{
    (void)arg;
    weft_once once;
    weft_once_init(&once);
    job.takes = SECOND;
    job.results[0] = 4;
    struct call x = { .fn = run_once, .object = &once }, y = { .fn = run_once, .object = &once };
    begin(&x);
    begin(&y);
    weft_await(x.task);
    cancel(&y);
    assert_int_equal(end(&x), 4);
    assert_int_equal(end(&y), 4);
    weft_once_fini(&once);
    return 0;
}

static void test_once_a_result_that_was_given_is_no_cancel(void **state)
{
    (void)state;
    assert_int_equal(run(told_main, NULL), 0);
}

/* Misuse. */

static int again(void *once)
{
    return weft_once_run(once, again, once);
}

static int value(void *arg)
{
    return weft_return_owned(arg, free);
}

static int misuse_main(void *arg)
{
    (void)arg;
    weft_once once;
    weft_once_init(&once);
    assert_int_equal(weft_once_run(&once, again, &once), -EDEADLK);
    expect_log("task 'main' would wait for itself: it is in what is done once (made at ");
    assert_int_equal(weft_once_run(&once, value, malloc(1)), -EINVAL);
    expect_log("returned a weft_return(): only a code is kept");
    assert_false(weft_once_is_done(&once));
    assert_int_equal(weft_once_run(&once, return_zero, NULL), 0);
    weft_once_fini(&once);
    return 0;
}

static void test_once_recursion_and_pointers_are_refused(void **state)
{
    (void)state;
    assert_int_equal(run(misuse_main, NULL), 0);
}

static int run_elsewhere_main(void *once)
{
    return weft_once_run(once, return_zero, NULL);
}

static int thread_main(void *arg)
{
    (void)arg;
    weft_once once;
    weft_once_init(&once);
    assert_int_equal(weft_once_run(&once, return_zero, NULL), 0);
    assert_int_equal(on_another_thread(run_elsewhere_main, &once), WEFT_ETHREAD);
    expect_log("was used by another thread than its own");
    weft_once_fini(&once);
    return 0;
}

static void test_once_of_another_thread_is_refused(void **state)
{
    (void)state;
    assert_int_equal(run(thread_main, NULL), 0);
}

static void test_once_outside_a_task_is_refused(void **state)
{
    (void)state;
    weft_once once;
    weft_once_init(&once);
    assert_int_equal(weft_once_run(&once, return_zero, NULL), -EPERM);
    expect_log("a function that suspends was called outside a task");
    weft_once_fini(&once);
}

static int fini_main(void *arg)
{
    (void)arg;
    weft_once once;
    weft_once_init(&once);
    job.takes = SECOND;
    struct call x = { .fn = run_once, .object = &once }, y = { .fn = run_once, .object = &once };
    begin(&x);
    begin(&y);
    expect_waits_for(&y, "what is done once (made at ");
    weft_once_fini(&once);
    return 0;
}

static void fini_in_use(void)
{
    run(fini_main, NULL);
}

static void test_once_given_up_while_a_task_is_in_it_aborts(void **state)
{
    (void)state;
    expect_abort(fini_in_use, "was given up while it is in use; waiting: 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        once_test(test_once_the_first_does_it_and_all_get_its_result),
        once_test(test_once_where_it_fails_the_next_one_tries),
        once_test(test_once_is_tried_again_by_who_comes_after_a_failure),
        once_test(test_once_a_cancelled_runner_passes_it_on),
        once_test(test_once_a_cancelled_waiter_leaves),
        once_test(test_once_a_turn_that_was_passed_is_passed_on_after_a_cancel),
        once_test(test_once_a_result_that_was_given_is_no_cancel),
        once_test(test_once_recursion_and_pointers_are_refused),
        once_test(test_once_of_another_thread_is_refused),
        once_test(test_once_outside_a_task_is_refused),
        once_test(test_once_given_up_while_a_task_is_in_it_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
