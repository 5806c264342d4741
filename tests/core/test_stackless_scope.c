/* Stackless tasks in scopes: failures, deadlines, cancels, the loop's end, and what steps may do.
 */

#include "stackless_test.h"

#include <weft/coro.h>
#include <weft/exception.h>
#include <weft/local.h>

/* Scopes. */

static int failing_main(void *code)
{
    struct counter a = { .left = 1, .code = *(int *)code }, b = { .left = 100, .letter = "b" };
    weft_scope s;
    weft_scope_begin(&s);
    weft_stackless_spawn(&s, &a.self, &ticker);
    weft_stackless_spawn(&s, &b.self, &ticker);
    weft_spawn(&s, sleep_forever, NULL);
    int err = weft_scope_end(&s);
    weft_scope_error errors[4];
    if (err < 0) {
        assert_int_equal(weft_scope_errors(&s, errors, 4), 1);
        assert_int_equal(errors[0].code, *(int *)code);
        assert_string_equal(errors[0].task, "tick");
        assert_non_null(strstr(errors[0].site, "stackless_test.h:"));
    }
    return err;
}

static void test_semantics_03_a_failing_stackless_task_fails_its_scope(void **state)
{
    (void)state;
    int code = -EBADF;
    assert_int_equal(run(failing_main, &code), -EBADF);
    assert_string_equal(trace, "b0 b0 b-125 ");
    assert_int_equal(dropped, 2);
}

static void test_semantics_04_ecanceled_that_nobody_asked_for_is_a_failure(void **state)
{
    (void)state;
    int code = -ECANCELED;
    assert_int_equal(run(failing_main, &code), -ECANCELED);
}

static int deadline_main(void *arg)
{
    struct counter counter = { .left = *(int *)arg };
    weft_scope s;
    weft_scope_begin(&s, .timeout = 3 * SECOND / 2);
    weft_stackless_spawn(&s, &counter.self, &ticker);
    return weft_scope_end(&s);
}

static void test_semantics_03_a_deadline_cancels_stackless_ones_and_is_the_verdict(void **state)
{
    (void)state;
    int left = 2;
    assert_int_equal(run(deadline_main, &left), -ETIMEDOUT);
    left = 1;
    assert_int_equal(run(deadline_main, &left), 0);
    assert_int_equal(dropped, 2);
}

static int isolating_main(void *arg)
{
    (void)arg;
    struct counter a = { .left = 1, .code = -EBADF }, b = { .left = 2 };
    weft_scope s;
    weft_scope_begin(&s, .isolate = true, .name = "island");
    weft_stackless_spawn(&s, &a.self, &ticker);
    weft_stackless_spawn(&s, &b.self, &ticker);
    int err = weft_scope_end(&s);
    assert_int_equal(weft_scope_errors(&s, NULL, 0), 1);
    assert_int_equal(b.left, -1);
    return err;
}

static void test_semantics_08_a_failure_in_an_isolating_scope_is_told_at_once(void **state)
{
    (void)state;
    assert_int_equal(run(isolating_main, NULL), 0);
    assert_non_null(strstr(logged.text[0], "defined at "));
    assert_non_null(strstr(logged.text[0], "stackless_test.h:"));
    assert_non_null(strstr(logged.text[0], "in scope 'island'"));
    expect_log("stackless task 'tick' failed: Bad file descriptor");
}

static int keep_exception(weft_loop *loop, const weft_exception *exception, void *context)
{
    (void)loop, (void)context;
    note(exception->name);
    note_result(" ", exception->error);
    return 0;
}

static int background_main(void *arg)
{
    (void)arg;
    struct counter *counter = calloc(1, sizeof *counter);
    counter->code = -EBADF;
    weft_loop_set_exception_handler(weft_loop_current(), keep_exception, NULL);
    weft_stackless_spawn(weft_background(), &counter->self, &freed);
    return weft_sleep(SECOND);
}

static void test_semantics_08_a_failure_in_the_background_goes_to_the_handler(void **state)
{
    (void)state;
    assert_int_equal(run(background_main, NULL), 0);
    assert_string_equal(trace, "freed -9 ");
    assert_int_equal(dropped, 1);
}

/* Cancelling. */

static int unstarted_main(void *arg)
{
    (void)arg;
    struct counter a = { .letter = "a" }, b = { .letter = "b" };
    weft_scope s;
    weft_scope_begin(&s);
    weft_stackless_spawn(&s, &a.self, &ticker);
    weft_stackless_cancel(&a.self, "no");
    weft_sleep(0);
    assert_int_equal(dropped, 1);
    weft_scope_cancel(&s, "no");
    assert_int_equal(weft_stackless_spawn(&s, &b.self, &ticker), 0);
    assert_int_equal(weft_scope_end(&s), 0);
    weft_stackless_cancel(&a.self, "late");
    weft_stackless_cancel(NULL, "none");
    return 0;
}

static void test_semantics_29_cancelled_before_the_first_step_it_is_only_dropped(void **state)
{
    (void)state;
    assert_int_equal(run(unstarted_main, NULL), 0);
    assert_string_equal(trace, "");
    assert_int_equal(dropped, 2);
}

static int cancel_while_main(void *arg)
{
    (void)arg;
    weft_future *never = weft_future_new();
    struct counter a = { .letter = "a", .left = 5 };
    struct counter b = { .letter = "b", .object = never };
    weft_scope s;
    weft_scope_begin(&s);
    weft_stackless_spawn(&s, &a.self, &ticker);
    weft_stackless_spawn(&s, &b.self, &awaiter);
    weft_sleep(SECOND / 2);
    int64_t now = weft_now();
    weft_stackless_cancel(&a.self, "stop");
    weft_stackless_cancel(&b.self, "stop");
    weft_stackless_cancel(&b.self, "again");
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(weft_now(), now);
    weft_future_release(never);
    return 0;
}

static void test_stackless_cancel_wakes_sleep_and_await_at_once(void **state)
{
    (void)state;
    assert_int_equal(run(cancel_while_main, NULL), 0);
    assert_string_equal(trace, "a0 a-125 b-125 ");
}

static int woken_first_main(void *arg)
{
    (void)arg;
    weft_future *future = weft_future_new();
    struct counter a = { .letter = "a", .object = future, .left = 1 };
    weft_scope s;
    weft_scope_begin(&s);
    weft_stackless_spawn(&s, &a.self, &awaiter);
    weft_sleep(0);
    weft_future_set(future, NULL);
    weft_stackless_cancel(&a.self, "too late");
    assert_int_equal(weft_scope_end(&s), 0);
    weft_future_release(future);
    return 0;
}

static void test_semantics_10_what_has_come_is_told_and_the_next_wait_is_cancelled(void **state)
{
    (void)state;
    assert_int_equal(run(woken_first_main, NULL), 0);
    assert_string_equal(trace, "a0 a-125 ");
}

static int ignore(weft_stackless *self, int64_t result)
{
    struct counter *counter = counter_of(self);
    assert_true(counter->left == counter->code || result == -ECANCELED);
    return counter->left-- == 0 ? 0 : weft_then_sleep(self, SECOND, ignore);
}

static const weft_stackless_kind deaf = WEFT_STACKLESS(ignore, count_drop);

static int ignoring_main(void *arg)
{
    (void)arg;
    struct counter counter = { .left = 1010, .code = 1010 };
    weft_scope s;
    unsigned turns = 0;
    weft_scope_begin(&s);
    weft_stackless_spawn(&s, &counter.self, &deaf);
    weft_sleep(0);
    int64_t now = weft_now();
    weft_scope_cancel(&s, "stop it");
    weft_scope shield;
    weft_scope_begin(&shield, .shield = true);
    for (; counter.left > 9; turns++)
        weft_sleep(0);
    assert_int_equal(weft_now(), now);
    assert_in_range(turns, 999, 1003);
    weft_scope_end(&shield);
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(weft_now() - now, 9 * MILLISECOND);
    return 0;
}

static void test_semantics_01_who_ignores_cancels_costs_turns_then_pauses_and_is_named(void **state)
{
    (void)state;
    assert_int_equal(run(ignoring_main, NULL), 0);
    expect_log("was cancelled (stop it) and has ignored -ECANCELED 1000 times in a row");
    assert_int_equal(dropped, 1);
}

/* Two that cancel each other, and one that cancels itself in its step. */
static int cancel_object(weft_stackless *self, int64_t result)
{
    struct counter *counter = counter_of(self);
    note_result(counter->letter, result);
    if (result < 0)
        return (int)result;
    weft_stackless_cancel(counter->object, "by a step");
    assert_int_equal(weft_cancelled(), counter->object == self ? -ECANCELED : 0);
    return weft_then_sleep(self, SECOND, cancel_object);
}

static const weft_stackless_kind canceller = WEFT_STACKLESS(cancel_object, count_drop);

static int cancel_in_step_main(void *arg)
{
    (void)arg;
    struct counter a = { .letter = "a" }, b = { .letter = "b" }, c = { .letter = "c" };
    a.object = &a.self;
    b.object = &c.self;
    weft_scope s;
    weft_scope_begin(&s);
    weft_stackless_spawn(&s, &a.self, &canceller);
    weft_stackless_spawn(&s, &b.self, &canceller);
    weft_stackless_spawn(&s, &c.self, &canceller);
    weft_sleep(SECOND / 2);
    weft_scope_cancel(&s, NULL);
    return weft_scope_end(&s);
}

static void test_stackless_steps_may_cancel_others_and_themselves(void **state)
{
    (void)state;
    assert_int_equal(run(cancel_in_step_main, NULL), 0);
    assert_string_equal(trace, "a0 b0 a-125 b-125 ");
    assert_int_equal(dropped, 3);
}

/* Woken, or cancelled, in the step that has just asked to wait. */

static int set_what_it_awaits(weft_stackless *self, int64_t result)
{
    struct counter *counter = counter_of(self);
    note_result("s", result);
    if (counter->left-- == 0)
        return 0;
    int then = weft_then_await(self, (weft_future *)counter->object, set_what_it_awaits);
    assert_int_equal(weft_future_set(counter->object, NULL), 0);
    note("a ");
    return then;
}

static int cancel_what_it_sleeps(weft_stackless *self, int64_t result)
{
    note_result("c", result);
    if (result < 0)
        return 0;
    int then = weft_then_sleep(self, WEFT_HOUR, cancel_what_it_sleeps);
    weft_stackless_cancel(self, "no, not now");
    return then;
}

static const weft_stackless_kind self_setter = WEFT_STACKLESS(set_what_it_awaits, count_drop);
static const weft_stackless_kind self_canceller = WEFT_STACKLESS(cancel_what_it_sleeps, count_drop);

static int in_the_same_step_main(void *arg)
{
    (void)arg;
    weft_future *future = weft_future_new();
    struct counter a = { .left = 1, .object = future }, b = { 0 };
    weft_scope s;
    weft_scope_begin(&s);
    weft_stackless_spawn(&s, &a.self, &self_setter);
    weft_stackless_spawn(&s, &b.self, &self_canceller);
    int err = weft_scope_end(&s);
    weft_future_release(future);
    return err;
}

static void test_stackless_may_be_woken_or_cancelled_before_its_step_returns(void **state)
{
    (void)state;
    assert_int_equal(run(in_the_same_step_main, NULL), 0);
    assert_string_equal(trace, "s0 a c0 s0 c-125 ");
    assert_int_equal(dropped, 2);
}

/* What steps may do, and what they may not. */

static int spawn_more(weft_stackless *self, int64_t result)
{
    struct counter *counter = counter_of(self);
    assert_int_equal(result, 0);
    assert_int_equal(weft_spawn(counter->object, note_arg, "T"), 0);
    assert_int_equal(weft_spawn(weft_background(), note_arg, "B"), 0);
    struct counter *child = calloc(1, sizeof *child);
    child->letter = "s";
    assert_int_equal(weft_stackless_spawn(counter->object, &child->self, &freed), 0);
    return 0;
}

static const weft_stackless_kind spawner = WEFT_STACKLESS(spawn_more, count_drop);

static weft_scope *other_scope;

static int hold_scope(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s, .name = "held");
    other_scope = &s;
    weft_sleep(SECOND);
    return weft_scope_end(&s);
}

static int spawn_outside(weft_stackless *self, int64_t result)
{
    struct counter child;
    (void)self, (void)result;
    assert_int_equal(weft_spawn(other_scope, return_zero, NULL), -EPERM);
    assert_int_equal(weft_stackless_spawn(other_scope, &child.self, &ticker), -EPERM);
    return 0;
}

static const weft_stackless_kind outsider = WEFT_STACKLESS(spawn_outside, NULL);

static int spawns_main(void *arg)
{
    (void)arg;
    weft_scope outer, inner, ended;
    weft_scope_begin(&outer);
    weft_spawn(&outer, hold_scope, NULL);
    weft_scope_begin(&inner);
    struct counter a = { .object = &inner }, b = { .object = &outer }, c = { 0 };
    weft_sleep(0);
    weft_stackless_spawn(&inner, &a.self, &spawner);
    weft_stackless_spawn(&inner, &b.self, &spawner);
    weft_stackless_spawn(&inner, &c.self, &outsider);
    weft_scope_begin(&ended);
    weft_scope_end(&ended);
    assert_int_equal(weft_stackless_spawn(&ended, &c.self, &ticker), -ESHUTDOWN);
    weft_scope_end(&inner);
    return weft_scope_end(&outer);
}

static void test_stackless_steps_spawn_into_their_scope_and_those_around_it(void **state)
{
    (void)state;
    assert_int_equal(run(spawns_main, NULL), 0);
    assert_string_equal(trace, "TBs0 TBs0 ");
    expect_log("a task was spawned into the scope 'held'");
    expect_log("a task was spawned into a scope that has ended");
}

/* An eager task runs inside the step; values are those of the task whose scope it is. */

static weft_local color = WEFT_LOCAL("color");

static int note_color(void *arg)
{
    const char *value = weft_local_get(&color);
    note(value ? value : "none");
    note(arg);
    return weft_sleep(0);
}

static int spawn_eagerly(weft_stackless *self, int64_t result)
{
    struct counter *counter = counter_of(self);
    note(weft_local_get(&color) ? "some " : "none ");
    weft_local_set(&color, "step's");
    assert_int_equal(weft_spawn(counter->object, note_color, " eager ", .eager = true), 0);
    note("step ");
    assert_int_equal(weft_spawn(counter->object, note_color, " later "), 0);
    return (int)result;
}

static const weft_stackless_kind eager = WEFT_STACKLESS(spawn_eagerly, count_drop);

static int eager_main(void *arg)
{
    (void)arg;
    weft_scope s;
    struct counter counter = { .object = &s };
    weft_local_set(&color, "red");
    weft_scope_begin(&s);
    weft_stackless_spawn(&s, &counter.self, &eager);
    int err = weft_scope_end(&s);
    assert_string_equal(weft_local_get(&color), "red");
    return err;
}

static void test_stackless_steps_start_tasks_eagerly_with_the_scopes_values(void **state)
{
    (void)state;
    assert_int_equal(run(eager_main, NULL), 0);
    assert_string_equal(trace, "none red eager step red later ");
}

static int suspend(weft_stackless *self, int64_t result)
{
    (void)self, (void)result;
    assert_int_equal(weft_sleep(0), -EPERM);
    assert_null(weft_task_self());
    return 0;
}

static const weft_stackless_kind sleeper = WEFT_STACKLESS(suspend, NULL, .name = "sleeper");

static int then_twice(weft_stackless *self, int64_t result)
{
    struct counter *counter = counter_of(self);
    note_result("x", result);
    weft_then_sleep(self, WEFT_HOUR, then_twice);
    return counter->left ? weft_then_yield(self, then_twice) : 3;
}

static const weft_stackless_kind confused = WEFT_STACKLESS(then_twice, count_drop);

static int then_nothing(weft_stackless *self, int64_t result)
{
    struct counter *counter = counter_of(self);
    (void)result;
    if (counter->object) /* another one's */
        assert_int_equal(weft_then_yield(counter->object, then_nothing), -EPERM);
    return WEFT_THEN;
}

static const weft_stackless_kind empty = WEFT_STACKLESS(then_nothing, count_drop);

/* What its scope says of one that is alone in it. */
static int verdict_on(struct counter *counter, const weft_stackless_kind *kind)
{
    weft_scope s;
    weft_scope_begin(&s, .timeout = WEFT_MINUTE);
    weft_stackless_spawn(&s, &counter->self, kind);
    return weft_scope_end(&s);
}

static int misuse_main(void *arg)
{
    (void)arg;
    struct counter other = { 0 }, a = { 0 }, b = { .left = 1 }, c = { 0 }, d = { 0 };
    d.object = &other.self;
    assert_int_equal(verdict_on(&a, &sleeper), 0);
    assert_int_equal(verdict_on(&a, &confused), -EINVAL);
    assert_int_equal(verdict_on(&b, &confused), -EINVAL);
    assert_int_equal(verdict_on(&c, &empty), -EINVAL);
    assert_int_equal(verdict_on(&d, &empty), -EINVAL);
    assert_int_equal(weft_then_sleep(&d.self, 0, tick), -EPERM);
    assert_int_equal(weft_then_sleep(NULL, 0, tick), -EPERM);
    return 0;
}

static void test_semantics_21_misuse_in_steps_is_told_in_one_sentence(void **state)
{
    (void)state;
    assert_int_equal(run(misuse_main, NULL), 0);
    assert_string_equal(trace, "x0 x0 ");
    expect_log("outside a task: in a step of stackless task 'sleeper' (");
    expect_log("returned 3, although it has asked to wait");
    expect_log("weft_then_yield() in a step of stackless task 'then_twice'");
    expect_log("returned WEFT_THEN, but has asked for nothing to wait for");
    expect_log("weft_then_yield() was called outside the steps");
    expect_log("weft_then_sleep() was called outside the steps");
    assert_int_equal(dropped, 4);
}

static void *use_from_a_thread(void *arg)
{
    struct counter *counter = arg, other;
    assert_int_equal(weft_stackless_spawn(counter->object, &other.self, &ticker), WEFT_ETHREAD);
    weft_stackless_cancel(&counter->self, "from afar");
    return NULL;
}

static int thread_main(void *arg)
{
    struct counter counter = { .left = 1, .object = weft_background() };
    pthread_t thread;
    weft_scope s;
    (void)arg;
    weft_scope_begin(&s);
    weft_stackless_spawn(&s, &counter.self, &ticker);
    assert_int_equal(pthread_create(&thread, NULL, use_from_a_thread, &counter), 0);
    pthread_join(thread, NULL);
    int err = weft_scope_end(&s);
    assert_int_equal(counter.left, -1);
    return err;
}

static void test_semantics_21_other_threads_are_refused(void **state)
{
    (void)state;
    assert_int_equal(run(thread_main, NULL), 0);
    expect_log("the scope 'background' (begun at the loop) was used from another thread");
    expect_log("stackless task 'tick' (");
}

/* The loop's end. */

static int leave_one_main(void *arg)
{
    weft_stackless_spawn(weft_background(), arg, &ticker);
    return weft_sleep(0);
}

static void test_stackless_ones_are_cancelled_and_joined_when_the_loop_ends(void **state)
{
    (void)state;
    struct counter counter = { .left = 1000, .letter = "t" };
    assert_int_equal(run(leave_one_main, &counter.self), 0);
    assert_string_equal(trace, "t0 t-125 ");
    assert_int_equal(dropped, 1);
}

static int always_again(weft_stackless *self, int64_t result)
{
    (void)result;
    return weft_then_sleep(self, SECOND, always_again);
}

static const weft_stackless_kind endless = WEFT_STACKLESS(always_again, count_drop);

static int leave_endless_main(void *arg)
{
    return weft_stackless_spawn(weft_background(), arg, &endless);
}

static int run_endless(void)
{
    static struct counter counter;
    int err = weft_run(leave_endless_main, &counter.self, .clock = WEFT_CLOCK_TEST,
                       .no_signals = true, .grace = SECOND);
    bool told = take_log("stackless task 'always_again' (") == 2; /* it ignores, it is destroyed */
    return err == WEFT_ESTUCK && dropped == 0 && told ? 0 : 1;
}

static void test_semantics_24_one_that_ignores_the_loops_end_is_named_and_not_dropped(void **state)
{
    (void)state;
    assert_int_equal(exit_status(run_endless), 0);
}

/* By hand: spawned before the loop runs; what is pending goes on in the next run. */
static void test_semantics_24_pending_ones_go_on_in_the_next_run(void **state)
{
    (void)state;
    weft_loop *loop;
    struct counter counter = { .left = 2, .letter = "t" };
    assert_int_equal(weft_loop_new(&loop, .clock = WEFT_CLOCK_TEST), 0);
    assert_int_equal(weft_stackless_spawn(weft_loop_background(loop), &counter.self, &ticker), 0);
    weft_loop_run_until_complete(loop, weft_coro_new(return_zero, NULL));
    assert_string_equal(trace, "t0 ");
    weft_loop_run_until_complete(loop, weft_coro_new(sleep_second, NULL));
    assert_string_equal(trace, "t0 t0 ");
    assert_int_equal(weft_loop_free(loop), 0);
    assert_string_equal(trace, "t0 t0 t-125 ");
    assert_int_equal(dropped, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stackless_test(test_semantics_03_a_failing_stackless_task_fails_its_scope),
        stackless_test(test_semantics_04_ecanceled_that_nobody_asked_for_is_a_failure),
        stackless_test(test_semantics_03_a_deadline_cancels_stackless_ones_and_is_the_verdict),
        stackless_test(test_semantics_08_a_failure_in_an_isolating_scope_is_told_at_once),
        stackless_test(test_semantics_08_a_failure_in_the_background_goes_to_the_handler),
        stackless_test(test_semantics_29_cancelled_before_the_first_step_it_is_only_dropped),
        stackless_test(test_stackless_cancel_wakes_sleep_and_await_at_once),
        stackless_test(test_semantics_10_what_has_come_is_told_and_the_next_wait_is_cancelled),
        stackless_test(test_semantics_01_who_ignores_cancels_costs_turns_then_pauses_and_is_named),
        stackless_test(test_stackless_steps_may_cancel_others_and_themselves),
        stackless_test(test_stackless_may_be_woken_or_cancelled_before_its_step_returns),
        stackless_test(test_stackless_steps_spawn_into_their_scope_and_those_around_it),
        stackless_test(test_stackless_steps_start_tasks_eagerly_with_the_scopes_values),
        stackless_test(test_semantics_21_misuse_in_steps_is_told_in_one_sentence),
        stackless_test(test_semantics_21_other_threads_are_refused),
        stackless_test(test_stackless_ones_are_cancelled_and_joined_when_the_loop_ends),
        stackless_test(test_semantics_24_one_that_ignores_the_loops_end_is_named_and_not_dropped),
        stackless_test(test_semantics_24_pending_ones_go_on_in_the_next_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
