/* Conditions: who is told holds the mutex when it goes on, and so does who is cancelled. */

#include "sync/sync_test.h"

#include <weft/condition.h>

static weft_mutex m;
static weft_condition c;

static int condition_setup(void **state)
{
    memset(&m, 0, sizeof m);
    memset(&c, 0, sizeof c);
    return core_setup(state);
}

static uint32_t holder(void)
{
    weft_mutex_stats stats;
    weft_mutex_get_stats(&m, &stats);
    return stats.holder;
}

static bool i_hold_it(void)
{
    return holder() == wf_task_number(wf_running->current);
}

/* Wait once with the mutex, say so, and let it go after the others had a turn. */
static int wait_once(void *arg)
{
    assert_int_equal(weft_mutex_lock(&m), 0);
    int err = weft_condition_wait(&c, &m);
    assert_true(i_hold_it());
    note(err < 0 ? "!" : arg);
    weft_sleep(0);
    assert_true(i_hold_it());
    assert_int_equal(weft_mutex_unlock(&m), 0);
    return err;
}

static int order_main(void *arg)
{
    (void)arg;
    weft_line_stats stats;
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, wait_once, "a");
    weft_spawn(&s, wait_once, "b");
    weft_spawn(&s, wait_once, "c");
    weft_spawn(&s, wait_once, "d");
    weft_sleep(0);
    assert_int_equal(holder(), 0); /* each has let it go */
    assert_int_equal(weft_mutex_lock(&m), 0);
    assert_int_equal(weft_condition_notify(&c, 0), 0);
    assert_int_equal(weft_condition_notify(&c, 1), 1);
    assert_int_equal(weft_condition_notify(&c, 2), 2);
    note("m");
    let_others_run();
    note("m"); /* who was told waits for the mutex */
    assert_int_equal(weft_mutex_unlock(&m), 0);
    let_others_run();
    weft_sleep(MILLISECOND);
    note("|");
    weft_condition_get_stats(&c, &stats);
    assert_int_equal(stats.waiting, 1);
    assert_int_equal(stats.waited, 4);
    assert_int_equal(stats.longest, 4);
    assert_int_equal(weft_condition_notify_all(&c), 1); /* without the mutex: it is free */
    assert_int_equal(weft_condition_notify_all(&c), 0);
    int err = weft_scope_end(&s);
    weft_condition_fini(&c);
    weft_condition_fini(NULL);
    return err;
}

static void test_condition_tells_those_who_have_waited_longest(void **state)
{
    (void)state;
    assert_int_equal(run(order_main, NULL), 0);
    assert_string_equal(trace, "mmabc|d");
}

/* Who is told stands in the mutex's line from then on: before who comes to lock it afterwards. */
static int lock_and_note(void *arg)
{
    int err = weft_mutex_lock(&m);
    if (err < 0)
        return err;
    note(arg);
    return weft_mutex_unlock(&m);
}

static int moves_main(void *arg)
{
    (void)arg;
    weft_mutex_stats stats;
    weft_task *a = begin(wait_once, "a"), *b = begin(wait_once, "b");
    weft_sleep(0);
    assert_int_equal(weft_mutex_lock(&m), 0);
    weft_task *before = begin(lock_and_note, "x");
    weft_sleep(0);
    assert_int_equal(weft_condition_notify_all(&c), 2);
    weft_task *after = begin(lock_and_note, "y");
    weft_sleep(0);
    weft_mutex_get_stats(&m, &stats);
    assert_int_equal(stats.line.waiting, 4);
    assert_int_equal(a->state, WF_TASK_PARKED); /* nobody was woken to wait again */
    assert_int_equal(b->state, WF_TASK_PARKED);
    assert_int_equal(weft_mutex_unlock(&m), 0);
    return end_of(before) | end_of(a) | end_of(b) | end_of(after);
}

static void test_condition_who_is_told_moves_to_the_mutexs_line(void **state)
{
    (void)state;
    assert_int_equal(run(moves_main, NULL), 0);
    assert_string_equal(trace, "xaby");
}

/* A cancel in the condition's line: the mutex is taken again, after those who wait for it. */
static int cancel_main(void *arg)
{
    (void)arg;
    weft_line_stats stats;
    weft_task *a = begin(wait_once, "a"), *b = begin(wait_once, "b");
    weft_sleep(0);
    assert_int_equal(weft_mutex_lock(&m), 0);
    weft_task *x = begin(lock_and_note, "x");
    weft_sleep(0);
    weft_task_cancel(a, NULL);
    let_others_run();
    expect_wait(a, "the mutex (made at ?) that task 1 holds");
    assert_false(weft_task_is_done(a));
    weft_condition_get_stats(&c, &stats);
    assert_int_equal(stats.waiting, 1);
    assert_int_equal(stats.cancelled, 1);
    assert_int_equal(weft_condition_notify(&c, 1), 1); /* goes to b: a is no longer there */
    assert_int_equal(weft_mutex_unlock(&m), 0);
    assert_int_equal(end_of(a), -ECANCELED);
    return end_of(b) | end_of(x);
}

static void test_condition_a_cancelled_wait_holds_the_mutex_all_the_same(void **state)
{
    (void)state;
    assert_int_equal(run(cancel_main, NULL), 0);
    assert_string_equal(trace, "x!b");
}

/* Told, and cancelled while it stands in the mutex's line: its 0 stays. */
static int told_then_cancelled(void *arg)
{
    (void)arg;
    assert_int_equal(weft_mutex_lock(&m), 0);
    assert_int_equal(weft_condition_wait(&c, &m), 0);
    assert_true(i_hold_it());
    assert_int_equal(weft_condition_wait(&c, &m), -ECANCELED); /* held all the while */
    assert_true(i_hold_it());
    assert_int_equal(weft_mutex_unlock(&m), 0);
    return -ECANCELED;
}

static int told_main(void *arg)
{
    bool free_mutex = arg != NULL;
    weft_task *task = begin(told_then_cancelled, NULL);
    weft_sleep(0);
    if (!free_mutex)
        assert_int_equal(weft_mutex_lock(&m), 0);
    assert_int_equal(weft_condition_notify(&c, 1), 1);
    weft_task_cancel(task, NULL);
    let_others_run();
    if (!free_mutex)
        assert_int_equal(weft_mutex_unlock(&m), 0);
    assert_int_equal(end_of(task), -ECANCELED);
    assert_int_equal(holder(), 0);
    return 0;
}

static void test_condition_who_was_told_is_not_told_in_vain(void **state)
{
    (void)state;
    assert_int_equal(run(told_main, NULL), 0);
    assert_int_equal(run(told_main, "free"), 0);
}

static int deadline_main(void *arg)
{
    (void)arg;
    weft_scope s;
    assert_int_equal(weft_mutex_lock(&m), 0);
    weft_scope_begin(&s, .timeout = SECOND);
    assert_int_equal(weft_condition_wait(&c, &m), -ECANCELED);
    assert_true(i_hold_it());
    assert_int_equal(weft_scope_end(&s), -ETIMEDOUT);
    return weft_mutex_unlock(&m);
}

static void test_condition_a_scope_is_its_timeout(void **state)
{
    (void)state;
    assert_int_equal(run(deadline_main, NULL), 0);
}

/* A waiting task's mutex goes to who has waited for it. */
static int release_main(void *arg)
{
    weft_scope s;
    assert_int_equal(weft_mutex_lock(&m), 0);
    weft_task *x = begin(lock_and_note, "x"), *y = begin(lock_and_note, "y");
    weft_sleep(0);
    weft_scope_begin(&s, .timeout = SECOND);
    assert_int_equal(weft_condition_wait(&c, &m), -ECANCELED);
    note(arg);
    assert_int_equal(weft_scope_end(&s), -ETIMEDOUT);
    return weft_mutex_unlock(&m) | end_of(x) | end_of(y);
}

static void test_condition_waiting_hands_the_mutex_over(void **state)
{
    (void)state;
    assert_int_equal(run(release_main, "m"), 0);
    assert_string_equal(trace, "xym");
}

/* Predicates. */

static int value;

static bool is_three(void *arg)
{
    assert_true(i_hold_it());
    return *(int *)arg == 3;
}

static int wait_for_three(void *arg)
{
    assert_int_equal(weft_mutex_lock(&m), 0);
    int err = weft_condition_wait_for(&c, &m, is_three, &value);
    assert_true(i_hold_it());
    note(err < 0 ? "!" : arg);
    assert_int_equal(weft_mutex_unlock(&m), 0);
    return err;
}

static int predicate_main(void *arg)
{
    (void)arg;
    value = 0;
    weft_task *a = begin(wait_for_three, "a"), *b = begin(wait_for_three, "b");
    weft_task *gone = begin(wait_for_three, "g");
    weft_sleep(0);
    for (value = 1; value < 3; value++) {
        assert_int_equal(weft_condition_notify_all(&c), 3);
        let_others_run();
        note(".");
    }
    weft_task_cancel(gone, NULL);
    assert_int_equal(end_of(gone), -ECANCELED);
    assert_int_equal(weft_condition_notify_all(&c), 2);
    return end_of(a) | end_of(b);
}

static void test_condition_wait_for_asks_with_the_mutex_held(void **state)
{
    (void)state;
    assert_int_equal(run(predicate_main, NULL), 0);
    assert_string_equal(trace, "..!ab");
}

static bool always(void *arg)
{
    (void)arg;
    return true;
}

static int wait_for_outside(void)
{
    return weft_condition_wait_for(&c, NULL, always, NULL);
}

/* Semantics 10 d: it asks for a cancel at its entry, though it would not have to wait. */
static int entry_main(void *arg)
{
    (void)arg;
    weft_scope s;
    assert_int_equal(weft_condition_wait_for(&c, &m, always, NULL), -EPERM);
    expect_said("waits for a condition (made at ?) without holding the mutex");
    assert_int_equal(weft_mutex_lock(&m), 0);
    assert_int_equal(weft_condition_wait_for(&c, &m, always, NULL), 0);
    weft_scope_begin(&s);
    weft_scope_cancel(&s, NULL);
    assert_int_equal(weft_condition_wait_for(&c, &m, always, NULL), -ECANCELED);
    assert_true(i_hold_it());
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(on_another_thread(wait_for_outside), -EPERM);
    expect_log("a function that suspends was called outside a task");
    return weft_mutex_unlock(&m);
}

static void test_condition_wait_for_looks_for_a_cancel_first(void **state)
{
    (void)state;
    assert_int_equal(run(entry_main, NULL), 0);
}

static int true_then_cancelled(void *arg)
{
    assert_int_equal(weft_mutex_lock(&m), 0);
    assert_int_equal(weft_condition_wait_for(&c, &m, is_three, &value), arg ? -ECANCELED : 0);
    assert_true(i_hold_it());
    assert_int_equal(weft_mutex_unlock(&m), 0);
    return -ECANCELED;
}

/* Told and cancelled in one turn: it counts when it is true by then. */
static int race_main(void *arg)
{
    value = 0;
    weft_task *task = begin(true_then_cancelled, arg);
    weft_sleep(0);
    value = arg ? 2 : 3;
    assert_int_equal(weft_condition_notify(&c, 1), 1);
    weft_task_cancel(task, NULL);
    assert_int_equal(end_of(task), -ECANCELED);
    return 0;
}

static void test_condition_what_became_true_goes_before_a_cancel(void **state)
{
    (void)state;
    assert_int_equal(run(race_main, NULL), 0);
    assert_int_equal(run(race_main, "still false"), 0);
}

/* Without a mutex. */

static int wait_without(void *arg)
{
    int err = weft_condition_wait(&c, NULL);
    note(err < 0 ? "!" : arg);
    return err;
}

static void notify_one(void *arg)
{
    assert_int_equal(weft_condition_notify(arg, 1), 1);
}

static int without_main(void *arg)
{
    (void)arg;
    weft_task *a = begin(wait_without, "a"), *b = begin(wait_without, "b");
    weft_task *x = begin(wait_without, "x");
    weft_sleep(0);
    weft_task_cancel(x, NULL);
    weft_call_later(SECOND, notify_one, &c);
    weft_call_later(SECOND, notify_one, &c);
    assert_int_equal(end_of(x), -ECANCELED);
    return end_of(a) | end_of(b);
}

static void test_condition_works_without_a_mutex_and_from_callbacks(void **state)
{
    (void)state;
    assert_int_equal(run(without_main, NULL), 0);
    assert_string_equal(trace, "!ab");
    assert_int_equal(run(without_main, NULL), 0); /* in a second run too */
}

/* Each waits with a mutex of its own. */
static weft_mutex other;

static int wait_with_other(void *arg)
{
    assert_int_equal(weft_mutex_lock(&other), 0);
    assert_int_equal(weft_condition_wait(&c, &other), 0);
    note(arg);
    return weft_mutex_unlock(&other);
}

static int two_mutexes_main(void *arg)
{
    (void)arg;
    weft_task *a = begin(wait_once, "a"), *o = begin(wait_with_other, "o");
    weft_sleep(0);
    assert_int_equal(weft_mutex_lock(&m), 0);
    assert_int_equal(weft_condition_notify_all(&c), 2);
    assert_int_equal(end_of(o), 0); /* its mutex is free */
    assert_false(weft_task_is_done(a));
    assert_int_equal(weft_mutex_unlock(&m), 0);
    return end_of(a);
}

static void test_condition_each_waiter_gets_its_own_mutex(void **state)
{
    (void)state;
    assert_int_equal(run(two_mutexes_main, NULL), 0);
    assert_string_equal(trace, "oa");
}

/* Misuse. */

static weft_condition elsewhere;

static int wait_elsewhere(void *arg)
{
    (void)arg;
    return weft_condition_wait(&elsewhere, &m);
}

/* A condition of that thread, our mutex, and a task with our number. */
static int loop_elsewhere_waits(void)
{
    return run(wait_elsewhere, NULL);
}

static int notify_elsewhere(void)
{
    return (int)weft_condition_notify(&c, 1);
}

static int misuse_main(void *arg)
{
    (void)arg;
    weft_mutex_init(&m);
    weft_condition_init(&c);
    assert_int_equal(weft_condition_wait(&c, &m), -EPERM);
    expect_log("task 'main' waits for a condition (made at ../../tests/sync/test_condition.c:");
    expect_said("without holding the mutex (made at ../../tests/sync/test_condition.c:");
    weft_task *a = begin(wait_once, "a");
    weft_sleep(0);
    assert_int_equal(weft_mutex_lock(&m), 0);
    assert_int_equal(on_another_thread(notify_elsewhere), 0);
    expect_log("the condition (made at ../../tests/sync/test_condition.c:");
    assert_int_equal(on_another_thread(loop_elsewhere_waits), -EPERM);
    expect_log("without holding the mutex (made at ");
    assert_true(i_hold_it());
    assert_int_equal(weft_condition_notify(&c, 1), 1);
    assert_int_equal(weft_mutex_unlock(&m), 0);
    return end_of(a);
}

static void test_condition_misuse_is_told(void **state)
{
    (void)state;
    memset(&elsewhere, 0, sizeof elsewhere);
    assert_int_equal(run(misuse_main, NULL), 0);
}

static int fini_main(void *arg)
{
    (void)arg;
    weft_condition_init(&c);
    begin(wait_once, "a");
    weft_sleep(0);
    weft_condition_fini(&c);
    return 0;
}

static void fini_program(void)
{
    run(fini_main, NULL);
}

static void test_condition_given_up_while_somebody_waits_aborts(void **state)
{
    (void)state;
    expect_abort(fini_program, "was given up while it is in use; waiting: 1");
}

static int words_main(void *arg)
{
    (void)arg;
    weft_condition_init(&c);
    weft_mutex_init(&m);
    weft_task *task = begin(wait_once, "a");
    weft_sleep(0);
    expect_wait(task, "the condition (made at ../../tests/sync/test_condition.c:");
    assert_int_equal(weft_mutex_lock(&m), 0);
    weft_condition_notify(&c, 1);
    expect_wait(task, "the mutex (made at ../../tests/sync/test_condition.c:");
    assert_int_equal(weft_mutex_unlock(&m), 0);
    return end_of(task);
}

static void test_condition_a_wait_for_it_says_what_it_waits_for_now(void **state)
{
    (void)state;
    assert_int_equal(run(words_main, NULL), 0);
}

#define condition_test(function)                                                                   \
    cmocka_unit_test_setup_teardown(function, condition_setup, core_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        condition_test(test_condition_tells_those_who_have_waited_longest),
        condition_test(test_condition_who_is_told_moves_to_the_mutexs_line),
        condition_test(test_condition_a_cancelled_wait_holds_the_mutex_all_the_same),
        condition_test(test_condition_who_was_told_is_not_told_in_vain),
        condition_test(test_condition_a_scope_is_its_timeout),
        condition_test(test_condition_waiting_hands_the_mutex_over),
        condition_test(test_condition_wait_for_asks_with_the_mutex_held),
        condition_test(test_condition_wait_for_looks_for_a_cancel_first),
        condition_test(test_condition_what_became_true_goes_before_a_cancel),
        condition_test(test_condition_works_without_a_mutex_and_from_callbacks),
        condition_test(test_condition_each_waiter_gets_its_own_mutex),
        condition_test(test_condition_misuse_is_told),
        condition_test(test_condition_given_up_while_somebody_waits_aborts),
        condition_test(test_condition_a_wait_for_it_says_what_it_waits_for_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
