/* Scopes: who joins whom, and what weft_scope_end() returns (semantics 3). */

#include "core_test.h"

/* What a row of the table needs: a scope's end, as data. */
static enum weft_scope_cause cause;
static weft_scope_error errors[8];
static size_t error_count;

static int end_and_look(weft_scope *s)
{
    int err = weft_scope_end(s);
    cause = weft_scope_cause(s);
    error_count = weft_scope_errors(s, errors, 8);
    return err;
}

static int fail_now(void *arg)
{
    return *(int *)arg;
}

static int fail_later(void *arg)
{
    int err = weft_sleep(MILLISECOND);
    return err < 0 ? err : *(int *)arg;
}

/* Ends by an error of its own although it was asked to end. */
static int fail_when_cancelled(void *arg)
{
    int err = weft_sleep(WEFT_FOREVER);
    return err == -ECANCELED ? *(int *)arg : 0;
}

static int succeed_when_cancelled(void *arg)
{
    (void)arg;
    return weft_sleep(WEFT_FOREVER) == -ECANCELED ? 0 : -1;
}

static int ebadf = -EBADF, eio = -EIO;

/* No cause. */

static int quiet_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s);
    assert_int_equal(end_and_look(&s), 0);
    assert_int_equal(cause, WEFT_CAUSE_NONE);
    int positive = 17;
    weft_scope_begin(&s, .timeout = SECOND);
    weft_spawn(&s, return_zero, NULL);
    weft_spawn(&s, return_code, &positive);
    assert_int_equal(end_and_look(&s), 0);
    assert_int_equal(cause, WEFT_CAUSE_NONE);
    assert_int_equal(error_count, 0);
    assert_int_equal(weft_scope_end(&s), -ESHUTDOWN);
    return 0;
}

static void test_semantics_03_all_well_returns_0(void **state)
{
    (void)state;
    assert_int_equal(run(quiet_main, NULL), 0);
    expect_log("a scope was ended that is not open"); /* semantics 21: the second end */
}

/* A failure. */

static int failure_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_task *sibling;
    weft_scope_begin(&s);
    weft_spawn(&s, sleep_forever, NULL, .task = &sibling);
    weft_spawn(&s, fail_later, &ebadf, .name = "a name of thirty-one bytes ....");
    weft_spawn(&s, fail_when_cancelled, &eio);
    assert_int_equal(end_and_look(&s), -EBADF);
    assert_int_equal(cause, WEFT_CAUSE_FAILURE);
    assert_int_equal(error_count, 2);
    assert_int_equal(errors[0].code, -EBADF);
    assert_string_equal(errors[0].task, "a name of thirty-one by");
    assert_non_null(strstr(errors[0].site, "test_scope.c:"));
    assert_int_equal(errors[1].code, -EIO);
    assert_true(weft_task_is_cancelled(sibling));
    weft_task_release(sibling);
    return 0;
}

static void test_E4_semantics_03_a_failing_child_cancels_its_siblings_and_is_returned(void **state)
{
    (void)state;
    assert_int_equal(run(failure_main, NULL), 0);
}

static int body_failure_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, sleep_forever, NULL);
    weft_sleep(0);
    assert_int_equal(weft_scope_leave(&s, -EIO), -EIO);
    assert_int_equal(weft_scope_cause(&s), WEFT_CAUSE_FAILURE);
    assert_int_equal(weft_scope_errors(&s, errors, 8), 1);
    assert_string_equal(errors[0].task, "body");
    weft_scope_begin(&s);
    weft_spawn(&s, return_zero, NULL);
    assert_int_equal(weft_scope_leave(&s, 5), 0); /* >= 0 is like end */
    return 0;
}

static void test_semantics_03_leave_with_an_error_does_not_wait_for_healthy_children(void **state)
{
    (void)state;
    assert_int_equal(run(body_failure_main, NULL), 0);
}

static int body_after_child_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, fail_now, &ebadf);
    int err = weft_sleep(SECOND);
    assert_int_equal(err, -ECANCELED);
    assert_int_equal(weft_scope_leave(&s, err), -EBADF);
    assert_int_equal(weft_scope_errors(&s, errors, 8), 1);
    return 0;
}

static void test_semantics_03_a_child_that_failed_cancels_the_body(void **state)
{
    (void)state;
    assert_int_equal(run(body_after_child_main, NULL), 0);
}

/* The own deadline. */

static int deadline_told_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s, .timeout = SECOND);
    weft_spawn(&s, sleep_forever, NULL);
    assert_int_equal(end_and_look(&s), -ETIMEDOUT);
    assert_int_equal(cause, WEFT_CAUSE_DEADLINE);
    assert_int_equal(error_count, 0);
    weft_scope_begin(&s, .timeout = SECOND); /* the body's own call */
    int err = weft_sleep(2 * SECOND);
    assert_int_equal(err, -ECANCELED);
    assert_int_equal(weft_scope_leave(&s, err), -ETIMEDOUT);
    weft_scope_begin(&s, .timeout = SECOND); /* later errors are only in the list */
    weft_spawn(&s, fail_when_cancelled, &eio);
    assert_int_equal(end_and_look(&s), -ETIMEDOUT);
    assert_int_equal(error_count, 1);
    assert_int_equal(errors[0].code, -EIO);
    return 0;
}

static void test_semantics_03_own_deadline_delivered_returns_etimedout(void **state)
{
    (void)state;
    assert_int_equal(run(deadline_told_main, NULL), 0);
}

static int deadline_unstarted_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_task *task;
    weft_scope_begin(&s, .timeout = -1);
    weft_spawn(&s, note_arg, "x", .task = &task);
    assert_int_equal(weft_scope_end(&s), -ETIMEDOUT);
    assert_true(weft_task_is_cancelled(task));
    assert_int_equal(weft_task_result(task, NULL), -ECANCELED);
    weft_task_release(task);
    assert_string_equal(trace, "");
    return 0;
}

static void
test_semantics_03_own_deadline_told_to_an_unstarted_child_returns_etimedout(void **state)
{
    (void)state;
    assert_int_equal(run(deadline_unstarted_main, NULL), 0);
}

static int burn(void *arg)
{
    (void)arg;
    struct wf_clock *clock = &wf_running->clock;
    wf_clock_advance_to(clock, clock->now + 2 * SECOND);
    return 0;
}

static int deadline_untold_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s, .timeout = SECOND);
    weft_spawn(&s, burn, NULL);
    weft_sleep(0);
    assert_int_equal(end_and_look(&s), 0);
    assert_int_equal(cause, WEFT_CAUSE_NONE);
    weft_scope_begin(&s, .timeout = -1); /* fired already, nobody calls anything */
    assert_int_equal(weft_cancelled(), -ECANCELED);
    assert_int_equal(weft_scope_end(&s), 0);
    weft_scope_begin(&s, .timeout = -1);
    assert_int_equal(weft_scope_leave(&s, -EIO), -EIO); /* so the body's error is the first cause */
    assert_int_equal(weft_scope_cause(&s), WEFT_CAUSE_FAILURE);
    return 0;
}

static void test_semantics_03_own_deadline_delivered_to_nobody_returns_0(void **state)
{
    (void)state;
    assert_int_equal(run(deadline_untold_main, NULL), 0);
}

static int heed_a_look(void *arg)
{
    (void)arg;
    return weft_cancelled();
}

static int deadline_looked_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s, .timeout = -1);
    assert_int_equal(weft_scope_leave(&s, weft_cancelled()), -ETIMEDOUT);
    weft_scope_begin(&s, .timeout = SECOND);
    weft_spawn(&s, burn, NULL);
    weft_sleep(0);
    weft_sleep(0); /* the deadline has fired now; a child that has begun only looks */
    weft_spawn(&s, heed_a_look, NULL);
    assert_int_equal(weft_scope_end(&s), -ETIMEDOUT);
    return 0;
}

static void test_semantics_03_who_gives_up_after_a_look_has_been_told(void **state)
{
    (void)state;
    assert_int_equal(run(deadline_looked_main, NULL), 0);
}

static int error_then_deadline_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s, .timeout = SECOND);
    weft_spawn(&s, fail_now, &ebadf);
    weft_sleep(0);
    burn(NULL);
    assert_int_equal(weft_sleep(0), -ECANCELED);
    assert_int_equal(end_and_look(&s), -EBADF);
    assert_int_equal(cause, WEFT_CAUSE_FAILURE);
    return 0;
}

static void test_semantics_03_an_error_before_the_deadline_wins(void **state)
{
    (void)state;
    assert_int_equal(run(error_then_deadline_main, NULL), 0);
}

static int deadlines_main(void *arg)
{
    (void)arg;
    weft_scope s;
    int64_t start = weft_now();
    weft_scope_begin(&s, .timeout = 3 * SECOND, .deadline = start + 2 * SECOND);
    weft_spawn(&s, sleep_forever, NULL);
    assert_int_equal(weft_scope_end(&s), -ETIMEDOUT);
    assert_int_equal(weft_now() - start, 2 * SECOND);
    start = weft_now();
    weft_scope_begin(&s, .timeout = SECOND, .deadline = start + 2 * SECOND);
    weft_spawn(&s, sleep_forever, NULL);
    assert_int_equal(weft_scope_end(&s), -ETIMEDOUT);
    assert_int_equal(weft_now() - start, SECOND);
    weft_scope_begin(&s, .timeout = WEFT_FOREVER);
    assert_int_equal(weft_sleep(100 * WEFT_HOUR), 0);
    assert_int_equal(weft_scope_end(&s), 0);
    weft_scope_begin(&s, .timeout = -weft_now()); /* now + timeout is 0, which is not "none" */
    assert_int_equal(weft_sleep(0), -ECANCELED);
    assert_int_equal(weft_scope_end(&s), -ETIMEDOUT);
    start = weft_now();
    weft_scope_begin(&s, .timeout = SECOND);
    weft_scope_set_deadline(&s, start + 5 * SECOND);
    assert_int_equal(weft_sleep(4 * SECOND), 0);
    weft_scope_set_deadline(&s, 0);
    assert_int_equal(weft_sleep(4 * SECOND), 0);
    weft_scope_set_deadline(&s, 1);
    assert_int_equal(weft_sleep(0), -ECANCELED);
    weft_scope_set_deadline(&s, 0); /* a deadline that has fired stays */
    assert_int_equal(weft_sleep(0), -ECANCELED);
    assert_int_equal(weft_scope_end(&s), -ETIMEDOUT);
    return 0;
}

static void test_semantics_18_timeout_zero_negative_forever_and_the_earlier_of_two(void **state)
{
    (void)state;
    assert_int_equal(run(deadlines_main, NULL), 0);
}

/* weft_scope_cancel. */

static int cancel_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, sleep_forever, NULL);
    weft_spawn(&s, succeed_when_cancelled, NULL);
    weft_sleep(0);
    weft_scope_cancel(&s, "enough");
    assert_int_equal(weft_sleep(0), -ECANCELED);
    assert_int_equal(end_and_look(&s), 0);
    assert_int_equal(cause, WEFT_CAUSE_CANCEL);
    assert_int_equal(error_count, 0);
    weft_scope_begin(&s);
    weft_spawn(&s, fail_when_cancelled, &ebadf);
    weft_spawn(&s, fail_when_cancelled, &eio);
    weft_sleep(0);
    weft_scope_cancel(&s, "enough");
    assert_int_equal(end_and_look(&s), -EBADF); /* the first real error */
    assert_int_equal(cause, WEFT_CAUSE_CANCEL);
    assert_int_equal(error_count, 2);
    weft_scope_begin(&s);
    weft_scope_cancel(&s, "enough");
    assert_int_equal(weft_scope_leave(&s, -ECANCELED), 0);
    weft_scope_cancel(&s, "after its end: nothing");
    return 0;
}

static void test_semantics_03_own_cancel_returns_0_or_the_first_real_error(void **state)
{
    (void)state;
    assert_int_equal(run(cancel_main, NULL), 0);
}

static int cancel_order_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s, .timeout = SECOND); /* deadline told, then cancel */
    assert_int_equal(weft_sleep(2 * SECOND), -ECANCELED);
    weft_scope_cancel(&s, "late");
    assert_int_equal(weft_scope_end(&s), -ETIMEDOUT);
    weft_scope_begin(&s, .timeout = SECOND); /* cancel, then the deadline */
    weft_scope_cancel(&s, "early");
    burn(NULL);
    assert_int_equal(weft_sleep(0), -ECANCELED);
    assert_int_equal(weft_scope_end(&s), 0);
    weft_scope_begin(&s, .timeout = -1); /* fired, told to nobody, then cancel */
    weft_scope_cancel(&s, "second");
    assert_int_equal(weft_sleep(0), -ECANCELED);
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(weft_scope_cause(&s), WEFT_CAUSE_CANCEL);
    weft_scope_begin(&s); /* a failure, then cancel */
    weft_spawn(&s, fail_now, &ebadf);
    weft_sleep(0);
    weft_scope_cancel(&s, "late");
    assert_int_equal(weft_scope_end(&s), -EBADF);
    assert_int_equal(weft_scope_cause(&s), WEFT_CAUSE_FAILURE);
    return 0;
}

static void test_semantics_03_the_first_cause_wins(void **state)
{
    (void)state;
    assert_int_equal(run(cancel_order_main, NULL), 0);
}

/* Enclosing. */

static int enclosing_main(void *arg)
{
    (void)arg;
    weft_scope outer, inner;
    weft_scope_begin(&outer, .timeout = SECOND);
    weft_scope_begin(&inner, .timeout = 5 * SECOND);
    weft_spawn(&inner, sleep_forever, NULL);
    assert_int_equal(end_and_look(&inner), -ECANCELED);
    assert_int_equal(cause, WEFT_CAUSE_ENCLOSING);
    weft_scope_begin(&inner, .timeout = -1); /* cancelled already: an own deadline comes too late */
    assert_int_equal(weft_sleep(0), -ECANCELED);
    assert_int_equal(weft_scope_end(&inner), -ECANCELED);
    weft_scope_begin(&inner); /* nobody is told here */
    assert_int_equal(end_and_look(&inner), 0);
    assert_int_equal(cause, WEFT_CAUSE_NONE);
    assert_int_equal(weft_scope_end(&outer), -ETIMEDOUT);
    return 0;
}

static void test_semantics_03_enclosing_cancel_delivered_here_returns_ecanceled(void **state)
{
    (void)state;
    assert_int_equal(run(enclosing_main, NULL), 0);
}

static int own_first_main(void *arg)
{
    (void)arg;
    weft_scope outer, inner;
    weft_scope_begin(&outer);
    weft_scope_begin(&inner);
    weft_spawn(&inner, fail_now, &ebadf);
    weft_sleep(0);
    weft_scope_cancel(&outer, "after the inner failure");
    assert_int_equal(weft_sleep(0), -ECANCELED);
    assert_int_equal(weft_scope_end(&inner), -EBADF);
    assert_int_equal(weft_scope_end(&outer), 0);
    weft_scope_begin(&outer);
    weft_scope_begin(&inner, .timeout = SECOND);
    assert_int_equal(weft_sleep(2 * SECOND), -ECANCELED); /* told of the inner deadline */
    weft_scope_cancel(&outer, "later");
    assert_int_equal(weft_sleep(0), -ECANCELED);
    assert_int_equal(weft_scope_end(&inner), -ETIMEDOUT);
    assert_int_equal(weft_scope_end(&outer), 0);
    weft_scope_begin(&outer, .timeout = SECOND);
    weft_scope_begin(&inner);
    assert_int_equal(weft_sleep(2 * SECOND), -ECANCELED); /* told of the outer deadline */
    weft_scope_cancel(&inner, "later");
    assert_int_equal(weft_scope_end(&inner), -ECANCELED);
    assert_int_equal(weft_scope_end(&outer), -ETIMEDOUT);
    return 0;
}

static void test_semantics_03_an_own_cause_before_the_enclosing_one_wins(void **state)
{
    (void)state;
    assert_int_equal(run(own_first_main, NULL), 0);
}

static int scope_inside(void *arg)
{
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, sleep_forever, NULL);
    *(int *)arg = weft_scope_end(&s);
    return *(int *)arg;
}

static int task_cancel_main(void *arg)
{
    (void)arg;
    int verdict = 1;
    weft_scope s;
    weft_task *task;
    weft_scope_begin(&s);
    weft_spawn(&s, scope_inside, &verdict, .task = &task);
    weft_sleep(0);
    weft_task_cancel(task, "you alone");
    assert_int_equal(weft_scope_end(&s), 0); /* a benign end is no failure */
    assert_int_equal(verdict, -ECANCELED);
    assert_true(weft_task_is_cancelled(task));
    weft_task_release(task);
    return 0;
}

static void test_semantics_03_a_cancelled_task_is_what_encloses_its_scopes(void **state)
{
    (void)state;
    assert_int_equal(run(task_cancel_main, NULL), 0);
}

/* .isolate. */

static int isolate_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_task *sleeper;
    weft_scope_begin(&s, .isolate = true, .timeout = SECOND);
    weft_spawn(&s, fail_now, &ebadf);
    weft_spawn(&s, sleep_second, NULL, .task = &sleeper);
    for (int i = 0; i < 5; i++)
        weft_spawn(&s, fail_now, &eio);
    assert_int_equal(weft_spawn(&s, fail_now, &eio, .copy = 2000), -EINVAL);
    assert_int_equal(weft_sleep(MILLISECOND), 0);
    assert_int_equal(weft_scope_errors(&s, errors, 8), 7);
    weft_scope_set_deadline(&s, 0);
    assert_int_equal(end_and_look(&s), 0);
    assert_int_equal(cause, WEFT_CAUSE_NONE);
    assert_int_equal(weft_task_result(sleeper, NULL), 0);
    weft_task_release(sleeper);
    return 0;
}

static void test_semantics_03_isolate_keeps_errors_in_its_list_only(void **state)
{
    (void)state;
    assert_int_equal(run(isolate_main, NULL), 0);
    assert_int_equal(take_log("task 'fail_now' failed"), 6); /* nobody holds a handle: 8, rule 2 */
    expect_log(".copy of 2000 bytes");
}

static int isolate_other_rows_main(void *arg)
{
    (void)arg;
    weft_scope s, outer;
    weft_scope_begin(&s, .isolate = true, .timeout = SECOND);
    weft_spawn(&s, fail_when_cancelled, &ebadf);
    assert_int_equal(end_and_look(&s), -ETIMEDOUT);
    assert_int_equal(error_count, 1);
    weft_scope_begin(&s, .isolate = true);
    weft_spawn(&s, fail_when_cancelled, &ebadf);
    weft_sleep(0);
    weft_scope_cancel(&s, "enough");
    assert_int_equal(weft_scope_end(&s), 0);
    weft_scope_begin(&s, .isolate = true);
    weft_spawn(&s, sleep_forever, NULL);
    assert_int_equal(weft_scope_leave(&s, -EIO), -EIO); /* the body is no child */
    weft_scope_begin(&outer, .timeout = SECOND);
    weft_scope_begin(&s, .isolate = true);
    weft_spawn(&s, sleep_forever, NULL);
    assert_int_equal(weft_scope_end(&s), -ECANCELED);
    assert_int_equal(weft_scope_end(&outer), -ETIMEDOUT);
    return 0;
}

static void test_semantics_03_the_other_rows_apply_to_isolate(void **state)
{
    (void)state;
    assert_int_equal(run(isolate_other_rows_main, NULL), 0);
    assert_int_equal(take_log("task 'fail_when_cancelled' failed"), 2);
}

static int many_errors_main(void *arg)
{
    (void)arg;
    weft_scope s;
    int codes[10];
    weft_scope_begin(&s);
    for (int i = 0; i < 10; i++) {
        codes[i] = -(i + 1);
        weft_spawn(&s, fail_when_cancelled, &codes[i]);
    }
    weft_sleep(0);
    assert_int_equal(weft_scope_leave(&s, -100), -100);
    assert_int_equal(weft_scope_errors(&s, NULL, 0), 11);
    assert_int_equal(weft_scope_errors(&s, errors, 2), 11);
    assert_int_equal(weft_scope_errors(&s, errors, 8), 11);
    assert_int_equal(errors[0].code, -100);
    assert_int_equal(errors[3].code, -3);
    return 0;
}

static void test_semantics_03_four_errors_are_kept_and_all_are_counted(void **state)
{
    (void)state;
    assert_int_equal(run(many_errors_main, NULL), 0);
}

/* Who may spawn. */

struct relatives {
    weft_scope *scope;
    weft_task *task;
};

static int grandchild(void *arg)
{
    struct relatives *r = arg;
    return weft_spawn(r->scope, note_arg, "g");
}

static int child_with_scope(void *arg)
{
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, grandchild, arg);
    return weft_scope_end(&s);
}

static int stranger(void *arg)
{
    return weft_spawn(arg, note_arg, "s") == -EPERM ? 0 : 1;
}

static void callback_stranger(void *arg)
{
    assert_int_equal(weft_spawn(arg, note_arg, "c"), -EPERM);
}

static int family_main(void *arg)
{
    (void)arg;
    weft_scope s;
    struct relatives r = { .scope = &s };
    weft_task *task;
    weft_scope_begin(&s);
    weft_spawn(&s, child_with_scope, &r);
    weft_spawn(weft_background(), stranger, &s, .task = &task);
    weft_call_soon(callback_stranger, &s);
    assert_int_equal(weft_await(task), 0);
    weft_task_release(task);
    assert_int_equal(weft_scope_end(&s), 0); /* the refused ones did not fail it */
    assert_int_equal(weft_spawn(&s, return_zero, NULL), -ESHUTDOWN);
    return 0;
}

static void test_semantics_13_only_the_owner_and_who_is_inside_may_spawn(void **state)
{
    (void)state;
    assert_int_equal(run(family_main, NULL), 0);
    assert_string_equal(trace, "g");
    expect_log("from outside it");
    expect_log("into a scope that has ended");
}

static int sleep_and_note(void *arg)
{
    (void)arg;
    weft_sleep(SECOND);
    note("2");
    return 0;
}

static int spawn_more(void *arg)
{
    struct relatives *r = arg;
    weft_sleep(SECOND);
    note("1");
    weft_spawn(r->scope, sleep_and_note, NULL);
    return 0;
}

static int joined_late_main(void *arg)
{
    (void)arg;
    weft_scope s;
    struct relatives r = { .scope = &s };
    weft_scope_begin(&s);
    weft_spawn(&s, spawn_more, &r);
    int err = weft_scope_end(&s);
    note("3");
    return err;
}

static void test_scope_end_joins_what_its_children_spawn_meanwhile(void **state)
{
    (void)state;
    assert_int_equal(run(joined_late_main, NULL), 0);
    assert_string_equal(trace, "123");
}

/* 12: a spawn that fails. */

static void never(void *arg)
{
    fail_msg("the caller owns %p", arg);
}

static int spawn_fault_main(void *arg)
{
    (void)arg;
    weft_scope s;
    int one = 1;
    weft_task *sibling;
    struct wf_memory_fault fault = { .countdown = 1, .persistent = true };
    weft_scope_begin(&s);
    weft_spawn(&s, sleep_forever, NULL, .task = &sibling);
    weft_sleep(0);
    wf_memory_fault_set(&fault);
    int err = 0;
    while (err == 0) /* until a slab needs a chunk */
        err = weft_spawn(&s, return_code, &one, .name = "named");
    assert_int_equal(weft_spawn(&s, return_code, &one, .name = "named", .drop = never), -ENOMEM);
    wf_memory_fault_set(NULL);
    assert_int_equal(err, -ENOMEM);
    assert_int_equal(weft_sleep(0), -ECANCELED);
    assert_int_equal(end_and_look(&s), -ENOMEM);
    assert_int_equal(cause, WEFT_CAUSE_FAILURE);
    assert_string_equal(errors[0].task, "named");
    assert_true(weft_task_is_cancelled(sibling));
    weft_task_release(sibling);
    wf_memory_fault_set(&(struct wf_memory_fault){ .countdown = 1, .persistent = true });
    for (err = 0; err == 0;)
        err = weft_spawn(weft_background(), return_zero, NULL, .name = "named");
    wf_memory_fault_set(NULL);
    assert_int_equal(err, -ENOMEM);
    return 0;
}

static void test_semantics_12_a_failing_spawn_fails_its_scope(void **state)
{
    (void)state;
    assert_int_equal(run(spawn_fault_main, NULL), 0);
    expect_log("task 'named' could not be spawned");
}

/* 13: left open. */

enum { LEFT_OPEN_LINE = __LINE__ + 5 };

static WF_NOINLINE void leave_open(void)
{
    weft_scope s;
    weft_scope_begin(&s);
    __asm__ volatile("" ::"r"(&s) : "memory");
}

static int leave_open_main(void *arg)
{
    (void)arg;
    leave_open();
    return 0;
}

static int leave_open_and_sleep(void *arg)
{
    (void)arg;
    leave_open();
    weft_sleep(0);
    return 0;
}

static int leave_open_and_spawn(void *arg)
{
    (void)arg;
    leave_open();
    weft_spawn(weft_background(), return_zero, NULL, .eager = true);
    return 0;
}

static int leave_open_twice(void *arg)
{
    (void)arg;
    leave_open();
    leave_open();
    return 0;
}

/* Let later calls use the memory of earlier ones. */
static WF_NOINLINE void overwrite(int byte)
{
    char memory[4096];
    memset(memory, byte, sizeof memory);
    __asm__ volatile("" ::"r"(memory) : "memory");
}

static int leave_open_overwrite_and_sleep(void *arg)
{
    (void)arg;
    leave_open();
    overwrite(0x55);
    weft_sleep(0);
    return 0;
}

static int leave_open_overwrite_and_spawn(void *arg)
{
    (void)arg;
    weft_scope outer;
    weft_scope_begin(&outer);
    leave_open();
    overwrite(0x55);
    weft_spawn(&outer, return_zero, NULL);
    return weft_scope_end(&outer);
}

static int end_outer_first(void *arg)
{
    (void)arg;
    weft_scope outer, inner;
    weft_scope_begin(&outer, .name = "outer");
    weft_scope_begin(&inner, .name = "inner");
    weft_scope_end(&outer);
    weft_scope_end(&inner);
    return 0;
}

static void abort_at_return(void)
{
    run(leave_open_main, NULL);
}

static void abort_at_sleep(void)
{
    run(leave_open_and_sleep, NULL);
}

static void abort_at_eager_spawn(void)
{
    run(leave_open_and_spawn, NULL);
}

static void abort_at_begin(void)
{
    run(leave_open_twice, NULL);
}

static void abort_at_sleep_on_garbage(void)
{
    run(leave_open_overwrite_and_sleep, NULL);
}

static void abort_at_spawn_on_garbage(void)
{
    run(leave_open_overwrite_and_spawn, NULL);
}

static void abort_at_end(void)
{
    run(end_outer_first, NULL);
}

static void test_semantics_13_a_scope_left_open_aborts_with_a_sentence(void **state)
{
    (void)state;
    char sentence[64];
    snprintf(sentence, sizeof sentence, "test_scope.c:%d was left open in task 'main'",
             LEFT_OPEN_LINE);
    expect_abort(abort_at_return, sentence);
    expect_abort(abort_at_sleep, sentence);
    expect_abort(abort_at_eager_spawn, sentence);
    expect_abort(abort_at_begin, sentence);
    expect_abort(abort_at_end, "was ended in task 'main'");
    expect_abort(abort_at_sleep_on_garbage, sentence);
    expect_abort(abort_at_spawn_on_garbage, sentence);
}

static int end_elsewhere(void *arg)
{
    return weft_scope_end(arg) == -EPERM ? 0 : 1;
}

static int end_elsewhere_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, end_elsewhere, &s);
    return weft_scope_end(&s);
}

static void test_semantics_21_a_scope_is_ended_by_who_began_it(void **state)
{
    (void)state;
    assert_int_equal(run(end_elsewhere_main, NULL), 0);
    expect_log("by a task that did not begin it");
}

/* 30. */

static void test_semantics_30_public_structs_have_room_to_grow(void **state)
{
    (void)state;
    _Static_assert(sizeof(weft_scope) == 512, "semantics 30");
    _Static_assert(sizeof(struct wf_scope) + 64 <= sizeof(weft_scope), "slack");
    _Static_assert(sizeof(struct weft_notice) == 128, "semantics 30");
    _Static_assert(sizeof(struct weft_spawn_options) <= 80, "semantics 23");
    _Static_assert(sizeof(struct weft_scope_options) <= 80, "semantics 23");
    _Static_assert(sizeof(struct weft_blocking_options) <= 80, "semantics 23");
    _Static_assert(sizeof(struct weft_call_options) <= 80, "semantics 23");
    print_message("a task: %zu bytes\n", sizeof(weft_task));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_semantics_03_all_well_returns_0),
        core_test(test_E4_semantics_03_a_failing_child_cancels_its_siblings_and_is_returned),
        core_test(test_semantics_03_leave_with_an_error_does_not_wait_for_healthy_children),
        core_test(test_semantics_03_a_child_that_failed_cancels_the_body),
        core_test(test_semantics_03_own_deadline_delivered_returns_etimedout),
        core_test(test_semantics_03_own_deadline_told_to_an_unstarted_child_returns_etimedout),
        core_test(test_semantics_03_own_deadline_delivered_to_nobody_returns_0),
        core_test(test_semantics_03_who_gives_up_after_a_look_has_been_told),
        core_test(test_semantics_03_an_error_before_the_deadline_wins),
        core_test(test_semantics_18_timeout_zero_negative_forever_and_the_earlier_of_two),
        core_test(test_semantics_03_own_cancel_returns_0_or_the_first_real_error),
        core_test(test_semantics_03_the_first_cause_wins),
        core_test(test_semantics_03_enclosing_cancel_delivered_here_returns_ecanceled),
        core_test(test_semantics_03_an_own_cause_before_the_enclosing_one_wins),
        core_test(test_semantics_03_a_cancelled_task_is_what_encloses_its_scopes),
        core_test(test_semantics_03_isolate_keeps_errors_in_its_list_only),
        core_test(test_semantics_03_the_other_rows_apply_to_isolate),
        core_test(test_semantics_03_four_errors_are_kept_and_all_are_counted),
        core_test(test_semantics_13_only_the_owner_and_who_is_inside_may_spawn),
        core_test(test_scope_end_joins_what_its_children_spawn_meanwhile),
        core_test(test_semantics_12_a_failing_spawn_fails_its_scope),
        core_test(test_semantics_13_a_scope_left_open_aborts_with_a_sentence),
        core_test(test_semantics_21_a_scope_is_ended_by_who_began_it),
        core_test(test_semantics_30_public_structs_have_room_to_grow),
    };
    return cmocka_run_group_tests_name("core scope", tests, NULL, NULL);
}
