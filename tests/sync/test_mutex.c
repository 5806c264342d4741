/* Mutexes: fair, handed over, and held by a task. */

#include "sync/sync_test.h"

#include <weft/mutex.h>

static weft_mutex m;

static int mutex_setup(void **state)
{
    memset(&m, 0, sizeof m);
    return core_setup(state);
}

/* Take it, say so, let others run, let it go. */
static int enter_and_leave(void *arg)
{
    int err = weft_mutex_lock(&m);
    if (err < 0) {
        note("!");
        return err;
    }
    note(arg);
    err = weft_sleep(0);
    assert_int_equal(weft_mutex_unlock(&m), 0);
    return err;
}

static int fifo_main(void *arg)
{
    (void)arg;
    weft_scope s;
    assert_int_equal(weft_mutex_lock(&m), 0);
    weft_scope_begin(&s);
    weft_spawn(&s, enter_and_leave, "a");
    weft_spawn(&s, enter_and_leave, "b");
    weft_sleep(0);
    weft_spawn(&s, enter_and_leave, "c");
    weft_sleep(0);
    assert_int_equal(weft_mutex_unlock(&m), 0);
    assert_true(weft_mutex_is_locked(&m)); /* it is a's already */
    assert_int_equal(weft_mutex_try_lock(&m), -EBUSY);
    assert_int_equal(weft_mutex_lock(&m), 0);
    note("m");
    assert_int_equal(weft_mutex_unlock(&m), 0);
    assert_false(weft_mutex_is_locked(&m));
    return weft_scope_end(&s);
}

static void test_mutex_serves_in_the_order_of_coming_and_nobody_overtakes(void **state)
{
    (void)state;
    assert_int_equal(run(fifo_main, NULL), 0);
    assert_string_equal(trace, "abcm");
}

/* Who unlocks and locks again at once, all the time, does not keep it from those who wait. */
static int greedy(void *arg)
{
    for (int i = 0; i < 5; i++) {
        assert_int_equal(weft_mutex_lock(&m), 0);
        note(arg);
        assert_int_equal(weft_mutex_unlock(&m), 0);
        if (i == 1) /* somebody comes */
            weft_sleep(0);
    }
    return 0;
}

static int greedy_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s);
    assert_int_equal(weft_mutex_lock(&m), 0);
    weft_spawn(&s, greedy, "1");
    weft_spawn(&s, greedy, "2");
    weft_sleep(0);
    assert_int_equal(weft_mutex_unlock(&m), 0);
    return weft_scope_end(&s);
}

static void test_mutex_two_that_take_it_again_at_once_take_turns(void **state)
{
    (void)state;
    assert_int_equal(run(greedy_main, NULL), 0);
    assert_int_equal(strncmp(trace, "1212", 4), 0);
    assert_int_equal(strlen(trace), 10);
}

static int free_main(void *arg)
{
    (void)arg;
    weft_mutex_stats stats;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(weft_mutex_lock(&m), 0);
        assert_int_equal(weft_mutex_unlock(&m), 0);
    }
    assert_int_equal(weft_mutex_try_lock(&m), 0);
    weft_mutex_get_stats(&m, &stats);
    assert_int_equal(stats.locked, 1001);
    assert_int_equal(stats.holder, wf_task_number(wf_running->current));
    assert_int_equal(stats.line.waited, 0);
    assert_int_equal(weft_mutex_unlock(&m), 0);
    weft_mutex_fini(&m);
    weft_mutex_fini(NULL);
    return 0;
}

static void test_mutex_a_free_one_costs_no_wait(void **state)
{
    (void)state;
    assert_int_equal(run(free_main, NULL), 0);
}

/* Cancels. */

static int cancel_main(void *arg)
{
    (void)arg;
    weft_mutex_stats stats;
    assert_int_equal(weft_mutex_lock(&m), 0);
    weft_task *a = begin(enter_and_leave, "a"), *b = begin(enter_and_leave, "b");
    weft_task *c = begin(enter_and_leave, "c");
    weft_sleep(0);
    weft_task_cancel(b, NULL);
    assert_int_equal(end_of(b), -ECANCELED);
    weft_mutex_get_stats(&m, &stats);
    assert_int_equal(stats.line.waiting, 2);
    assert_int_equal(stats.line.cancelled, 1);
    assert_int_equal(stats.line.longest, 3);
    assert_int_equal(stats.line.waited, 3);
    assert_int_equal(weft_mutex_unlock(&m), 0);
    assert_int_equal(end_of(a), 0);
    assert_int_equal(end_of(c), 0);
    assert_false(weft_mutex_is_locked(&m));
    return 0;
}

static void test_mutex_who_is_cancelled_leaves_the_line(void **state)
{
    (void)state;
    assert_int_equal(run(cancel_main, NULL), 0);
    assert_string_equal(trace, "!ac");
}

/* It is handed over and cancelled before it runs: it holds the mutex, and the next call says so. */
static int granted(void *arg)
{
    (void)arg;
    assert_int_equal(weft_mutex_lock(&m), 0);
    assert_int_equal(weft_sleep(0), -ECANCELED);
    assert_int_equal(weft_mutex_lock(&m), -ECANCELED); /* and not -EDEADLK: it comes first */
    assert_int_equal(weft_mutex_unlock(&m), 0);        /* that is never cancelled */
    assert_int_equal(weft_mutex_try_lock(&m), 0);
    assert_int_equal(weft_mutex_unlock(&m), 0);
    return -ECANCELED;
}

static int granted_main(void *arg)
{
    (void)arg;
    assert_int_equal(weft_mutex_lock(&m), 0);
    weft_task *task = begin(granted, NULL);
    weft_sleep(0);
    assert_int_equal(weft_mutex_unlock(&m), 0);
    weft_task_cancel(task, NULL);
    assert_int_equal(end_of(task), -ECANCELED);
    return 0;
}

static void test_mutex_a_cancel_after_the_hand_over_comes_too_late(void **state)
{
    (void)state;
    assert_int_equal(run(granted_main, NULL), 0);
}

static int cancelled_before(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s);
    weft_scope_cancel(&s, NULL);
    assert_int_equal(weft_mutex_lock(&m), -ECANCELED);
    assert_false(weft_mutex_is_locked(&m));
    return weft_scope_end(&s);
}

static void test_mutex_in_a_cancelled_scope_a_free_one_is_not_taken(void **state)
{
    (void)state;
    assert_int_equal(run(cancelled_before, NULL), 0);
}

static int deadline_main(void *arg)
{
    (void)arg;
    weft_scope s;
    assert_int_equal(weft_mutex_lock(&m), 0);
    weft_task *next = begin(enter_and_leave, "n");
    weft_sleep(0);
    weft_scope_begin(&s, .timeout = SECOND);
    weft_spawn(&s, enter_and_leave, "t");
    int64_t start = weft_now();
    assert_int_equal(weft_scope_end(&s), -ETIMEDOUT);
    assert_int_equal(weft_now() - start, SECOND);
    assert_int_equal(weft_mutex_unlock(&m), 0);
    return end_of(next);
}

static void test_mutex_a_scope_is_its_timeout(void **state)
{
    (void)state;
    assert_int_equal(run(deadline_main, NULL), 0);
    assert_string_equal(trace, "!n");
}

/* What is not done with it. */

static int unlock_it(void *arg)
{
    (void)arg;
    return weft_mutex_unlock(&m);
}

static int unlock_code;

static void unlock_in_callback(void *arg)
{
    (void)arg;
    unlock_code = weft_mutex_unlock(&m);
}

static int lock_code, try_code;

static void lock_in_callback(void *arg)
{
    (void)arg;
    lock_code = weft_mutex_lock(&m);
    try_code = weft_mutex_try_lock(&m);
}

static int misuse_main(void *arg)
{
    (void)arg;
    weft_mutex_init(&m);
    assert_int_equal(weft_mutex_unlock(&m), -EPERM);
    expect_log("a mutex (made at ../../tests/sync/test_mutex.c:");
    expect_said("was unlocked that nobody holds");
    assert_int_equal(weft_mutex_lock(&m), 0);
    assert_int_equal(weft_mutex_lock(&m), -EDEADLK);
    expect_log("task 'main' would wait for itself: it holds the mutex (made at ");
    assert_int_equal(weft_mutex_try_lock(&m), -EBUSY);
    assert_int_equal(end_of(begin(unlock_it, NULL)), -EPERM);
    expect_log("was unlocked by another than task 1, which holds it");
    weft_call_soon(unlock_in_callback, NULL);
    weft_sleep(0);
    assert_int_equal(unlock_code, -EPERM);
    assert_int_equal(weft_mutex_unlock(&m), 0);
    weft_call_soon(lock_in_callback, NULL);
    weft_sleep(0);
    assert_int_equal(lock_code, -EPERM);
    assert_int_equal(try_code, -EPERM);
    expect_log("a function that suspends was called outside a task");
    expect_said("weft_mutex_try_lock() outside a task: a task holds a mutex");
    assert_false(weft_mutex_is_locked(&m));
    return 0;
}

static void test_mutex_misuse_is_told(void **state)
{
    (void)state;
    assert_int_equal(run(misuse_main, NULL), 0);
}

static int lock_elsewhere(void)
{
    return weft_mutex_try_lock(&m);
}

static int unlock_elsewhere(void)
{
    return weft_mutex_unlock(&m);
}

static int lock_in_task(void *arg)
{
    (void)arg;
    return weft_mutex_lock(&m);
}

static int try_in_task(void *arg)
{
    (void)arg;
    return weft_mutex_try_lock(&m);
}

static int unlock_in_task(void *arg)
{
    (void)arg;
    return weft_mutex_unlock(&m);
}

static int loop_elsewhere_locks(void)
{
    return run(lock_in_task, NULL);
}

static int loop_elsewhere_tries(void)
{
    return run(try_in_task, NULL);
}

/* Its main task has the same number as ours. */
static int loop_elsewhere_unlocks(void)
{
    return run(unlock_in_task, NULL);
}

static int thread_main(void *arg)
{
    (void)arg;
    weft_mutex_init(&m);
    assert_int_equal(weft_mutex_lock(&m), 0);
    assert_int_equal(on_another_thread(lock_elsewhere), -EPERM);
    expect_log("weft_mutex_try_lock() outside a task");
    assert_int_equal(on_another_thread(unlock_elsewhere), -EPERM);
    expect_log("was unlocked by another than task 1");
    assert_int_equal(on_another_thread(loop_elsewhere_locks), WEFT_ETHREAD);
    assert_int_equal(on_another_thread(loop_elsewhere_tries), WEFT_ETHREAD);
    assert_int_equal(take_log("was used by another thread than its own"), 2);
    assert_int_equal(on_another_thread(loop_elsewhere_unlocks), -EPERM);
    expect_log("was unlocked by another than task 1");
    assert_true(weft_mutex_is_locked(&m));
    return weft_mutex_unlock(&m);
}

static void test_mutex_belongs_to_a_thread(void **state)
{
    (void)state;
    assert_int_equal(run(thread_main, NULL), 0);
}

/* Two loops of one thread: their tasks have the same numbers. */

static int hold_and_wait(void *arg)
{
    assert_int_equal(weft_mutex_lock(&m), 0);
    assert_int_equal(weft_sleep(SECOND), 0);
    note(arg);
    return weft_mutex_unlock(&m);
}

static int second_loop(void *arg)
{
    (void)arg;
    assert_int_equal(weft_mutex_try_lock(&m), -EBUSY);
    assert_int_equal(weft_mutex_unlock(&m), -EPERM); /* the other one's task 1 holds it */
    expect_said("was unlocked by another than task 1");
    assert_true(weft_mutex_is_locked(&m));
    return 0;
}

static void test_mutex_knows_the_tasks_of_two_loops_apart(void **state)
{
    (void)state;
    weft_loop *one, *two;
    assert_int_equal(weft_loop_new(&one, .clock = WEFT_CLOCK_TEST), 0);
    assert_int_equal(weft_loop_new(&two, .clock = WEFT_CLOCK_TEST), 0);
    weft_task *holder = NULL, *other = NULL;
    assert_int_equal(weft_spawn(weft_loop_background(one), hold_and_wait, "h", .task = &holder), 0);
    assert_int_equal(weft_spawn(weft_loop_background(two), second_loop, NULL, .task = &other), 0);
    assert_int_equal(wf_task_number(holder), wf_task_number(other));
    /* The holder runs and waits; the run is stopped meanwhile. */
    weft_loop_stop(one);
    assert_int_equal(weft_loop_run_forever(one), 0);
    assert_true(weft_mutex_is_locked(&m));
    assert_int_equal(weft_loop_run_until_complete(two, other), 0);
    assert_int_equal(weft_loop_run_until_complete(one, holder), 0);
    assert_string_equal(trace, "h");
    assert_false(weft_mutex_is_locked(&m));
    weft_task_release(holder);
    weft_task_release(other);
    assert_int_equal(weft_loop_free(one), 0);
    assert_int_equal(weft_loop_free(two), 0);
}

/* A task of one loop waits for a task of another: it goes on when its own loop runs. */
static void test_mutex_is_handed_over_from_loop_to_loop_of_a_thread(void **state)
{
    (void)state;
    weft_loop *one, *two;
    assert_int_equal(weft_loop_new(&one, .clock = WEFT_CLOCK_TEST), 0);
    assert_int_equal(weft_loop_new(&two, .clock = WEFT_CLOCK_TEST), 0);
    weft_task *holder = NULL, *waiting = NULL;
    assert_int_equal(weft_spawn(weft_loop_background(one), hold_and_wait, "1", .task = &holder), 0);
    weft_spawn(weft_loop_background(two), return_zero, NULL); /* that numbers differ */
    assert_int_equal(weft_spawn(weft_loop_background(two), hold_and_wait, "2", .task = &waiting),
                     0);
    weft_loop_stop(one);
    assert_int_equal(weft_loop_run_forever(one), 0);
    weft_loop_stop(two);
    assert_int_equal(weft_loop_run_forever(two), 0);
    assert_int_equal(weft_loop_run_until_complete(one, holder), 0);
    assert_true(weft_mutex_is_locked(&m));
    assert_int_equal(weft_loop_run_until_complete(two, waiting), 0);
    assert_string_equal(trace, "12");
    weft_task_release(holder);
    weft_task_release(waiting);
    assert_int_equal(weft_loop_free(one), 0);
    assert_int_equal(weft_loop_free(two), 0);
}

/* Static memory in two runs after one another, and as a task's last will. */

static int twice_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, enter_and_leave, "a");
    weft_spawn(&s, enter_and_leave, "b");
    return weft_scope_end(&s);
}

static void test_mutex_zeroed_memory_serves_one_run_after_another(void **state)
{
    (void)state;
    assert_int_equal(run(twice_main, NULL), 0);
    assert_int_equal(run(twice_main, NULL), 0);
    assert_string_equal(trace, "abab");
}

static int forget_it(void *arg)
{
    (void)arg;
    return weft_mutex_lock(&m);
}

/* The second run's main has the number of the one that has forgotten it: it is another task. */
static int after_forgetful(void *arg)
{
    (void)arg;
    weft_scope s;
    assert_int_equal(weft_mutex_try_lock(&m), -EBUSY);
    assert_int_equal(weft_mutex_unlock(&m), -EPERM);
    expect_said("was unlocked by another than task 1");
    weft_scope_begin(&s, .timeout = SECOND);
    assert_int_equal(weft_mutex_lock(&m), -ECANCELED);
    assert_int_equal(weft_scope_end(&s), -ETIMEDOUT);
    return 0;
}

static void test_mutex_left_locked_by_a_run_is_not_the_next_ones(void **state)
{
    (void)state;
    assert_int_equal(run(forget_it, NULL), 0);
    assert_int_equal(run(after_forgetful, NULL), 0);
}

/* Given up while in use. */

static int fini_held_main(void *arg)
{
    (void)arg;
    weft_mutex_init(&m);
    weft_mutex_lock(&m);
    begin(enter_and_leave, "a");
    weft_sleep(0);
    weft_mutex_fini(&m);
    return 0;
}

static void fini_held(void)
{
    run(fini_held_main, NULL);
}

static void test_mutex_given_up_while_held_aborts(void **state)
{
    (void)state;
    expect_abort(fini_held, "was given up while it is in use; waiting: 1");
}

static int words_main(void *arg)
{
    (void)arg;
    weft_mutex_init(&m);
    assert_int_equal(weft_mutex_lock(&m), 0);
    weft_task *task = begin(enter_and_leave, "a");
    weft_sleep(0);
    expect_wait(task, "the mutex (made at ../../tests/sync/test_mutex.c:");
    expect_wait(task, ") that task 1 holds");
    assert_int_equal(weft_mutex_unlock(&m), 0);
    return end_of(task);
}

static void test_mutex_a_wait_for_it_says_who_holds_it(void **state)
{
    (void)state;
    assert_int_equal(run(words_main, NULL), 0);
}

/* The loop's end cancels who waits, and the mutex is free then. */
static int leave_waiting(void *arg)
{
    (void)arg;
    assert_int_equal(weft_mutex_lock(&m), 0);
    weft_spawn(weft_background(), enter_and_leave, "a");
    weft_spawn(weft_background(), enter_and_leave, "b");
    weft_sleep(0);
    return 0;
}

static void test_mutex_at_the_end_of_the_loop_nobody_waits_for_it(void **state)
{
    (void)state;
    weft_mutex_stats stats;
    assert_int_equal(run(leave_waiting, NULL), 0);
    weft_mutex_get_stats(&m, &stats);
    assert_int_equal(stats.line.waiting, 0);
    assert_string_equal(trace, "!!");
}

#define mutex_test(function) cmocka_unit_test_setup_teardown(function, mutex_setup, core_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        mutex_test(test_mutex_serves_in_the_order_of_coming_and_nobody_overtakes),
        mutex_test(test_mutex_two_that_take_it_again_at_once_take_turns),
        mutex_test(test_mutex_a_free_one_costs_no_wait),
        mutex_test(test_mutex_who_is_cancelled_leaves_the_line),
        mutex_test(test_mutex_a_cancel_after_the_hand_over_comes_too_late),
        mutex_test(test_mutex_in_a_cancelled_scope_a_free_one_is_not_taken),
        mutex_test(test_mutex_a_scope_is_its_timeout),
        mutex_test(test_mutex_misuse_is_told),
        mutex_test(test_mutex_belongs_to_a_thread),
        mutex_test(test_mutex_knows_the_tasks_of_two_loops_apart),
        mutex_test(test_mutex_is_handed_over_from_loop_to_loop_of_a_thread),
        mutex_test(test_mutex_zeroed_memory_serves_one_run_after_another),
        mutex_test(test_mutex_left_locked_by_a_run_is_not_the_next_ones),
        mutex_test(test_mutex_given_up_while_held_aborts),
        mutex_test(test_mutex_a_wait_for_it_says_who_holds_it),
        mutex_test(test_mutex_at_the_end_of_the_loop_nobody_waits_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
