/* Semaphores: units in the order of asking, however many somebody wants. */

#include "sync/sync_test.h"

#include <weft/semaphore.h>

static weft_semaphore s;

struct want {
    size_t count;
    const char *name;
};

static struct want one_a = { 1, "a" }, one_b = { 1, "b" }, one_c = { 1, "c" }, five = { 5, "5" };

static int take(void *arg)
{
    const struct want *want = arg;
    int err = weft_semaphore_acquire(&s, want->count);
    note(err < 0 ? "!" : want->name);
    return err;
}

static weft_semaphore_stats stats_now(void)
{
    weft_semaphore_stats stats;
    weft_semaphore_get_stats(&s, &stats);
    return stats;
}

static int plain_main(void *arg)
{
    (void)arg;
    assert_int_equal(weft_semaphore_init(&s, 2), 0);
    assert_int_equal(weft_semaphore_acquire(&s, 1), 0);
    assert_int_equal(weft_semaphore_try_acquire(&s, 1), 0);
    assert_int_equal(weft_semaphore_try_acquire(&s, 1), -EAGAIN);
    assert_int_equal(weft_semaphore_try_acquire(&s, 0), 0);
    assert_int_equal(weft_semaphore_acquire(&s, 0), 0);
    weft_task *a = begin(take, &one_a), *b = begin(take, &one_b);
    weft_sleep(0);
    assert_int_equal(weft_semaphore_release(&s, 1), 0);
    assert_int_equal(weft_semaphore_try_acquire(&s, 1), -EAGAIN); /* it is a's already */
    weft_sleep(0);
    assert_true(weft_task_is_done(a));
    assert_false(weft_task_is_done(b));
    assert_int_equal(weft_semaphore_release(&s, 3), 0);
    assert_int_equal(stats_now().value, 2);
    assert_int_equal(end_of(a), 0);
    assert_int_equal(end_of(b), 0);
    assert_int_equal(stats_now().acquired, 6);
    assert_int_equal(stats_now().line.waited, 2);
    assert_int_equal(stats_now().line.longest, 2);
    assert_int_equal(stats_now().max, 0);
    weft_semaphore_fini(&s);
    weft_semaphore_fini(NULL);
    return 0;
}

static void test_semaphore_units_go_to_who_has_waited_longest(void **state)
{
    (void)state;
    assert_int_equal(run(plain_main, NULL), 0);
    assert_string_equal(trace, "ab");
}

/* Who wants much stands in front, and nobody passes, neither from the line nor from outside. */
static int big_main(void *arg)
{
    (void)arg;
    assert_int_equal(weft_semaphore_init(&s, 3), 0);
    weft_task *big = begin(take, &five), *a = begin(take, &one_a), *b = begin(take, &one_b);
    weft_sleep(0);
    assert_int_equal(weft_semaphore_try_acquire(&s, 1), -EAGAIN);
    assert_int_equal(weft_semaphore_try_acquire(&s, 0), -EAGAIN);
    assert_int_equal(weft_semaphore_release(&s, 1), 0);
    let_others_run();
    assert_string_equal(trace, "");
    assert_int_equal(weft_semaphore_release(&s, 2), 0); /* 6: five for one, one for the next */
    let_others_run();
    assert_string_equal(trace, "5a");
    assert_int_equal(weft_semaphore_release(&s, 5), 0);
    assert_int_equal(stats_now().value, 4);
    return end_of(big) | end_of(a) | end_of(b);
}

static void test_semaphore_who_wants_much_is_not_passed_by_who_wants_little(void **state)
{
    (void)state;
    assert_int_equal(run(big_main, NULL), 0);
    assert_string_equal(trace, "5ab");
}

static int big_cancel_main(void *arg)
{
    (void)arg;
    assert_int_equal(weft_semaphore_init(&s, 2), 0);
    weft_task *big = begin(take, &five), *a = begin(take, &one_a);
    weft_task *b = begin(take, &one_b), *c = begin(take, &one_c);
    weft_sleep(0);
    weft_task_cancel(big, NULL);
    assert_int_equal(stats_now().line.waiting, 1); /* a and b have theirs already */
    assert_int_equal(end_of(big), -ECANCELED);
    assert_int_equal(end_of(a), 0);
    assert_int_equal(end_of(b), 0);
    assert_false(weft_task_is_done(c));
    assert_int_equal(stats_now().line.cancelled, 1);
    assert_int_equal(weft_semaphore_release(&s, 1), 0);
    return end_of(c);
}

static void test_semaphore_a_big_one_that_goes_lets_the_small_ones_in(void **state)
{
    (void)state;
    assert_int_equal(run(big_cancel_main, NULL), 0);
    assert_int_equal(strlen(trace), 4);
    assert_int_equal(trace[3], 'c');
}

static int deadline_main(void *arg)
{
    (void)arg;
    weft_scope scope;
    assert_int_equal(weft_semaphore_init(&s, 2), 0);
    weft_task *a = NULL;
    weft_scope_begin(&scope, .timeout = SECOND);
    weft_spawn(&scope, take, &five);
    weft_sleep(0);
    a = begin(take, &one_a);
    assert_int_equal(weft_scope_end(&scope), -ETIMEDOUT);
    assert_int_equal(end_of(a), 0);
    assert_int_equal(stats_now().value, 1);
    return 0;
}

static void test_semaphore_a_deadline_lets_the_next_ones_in(void **state)
{
    (void)state;
    assert_int_equal(run(deadline_main, NULL), 0);
    assert_int_equal(strlen(trace), 2);
}

static int granted(void *arg)
{
    (void)arg;
    assert_int_equal(weft_semaphore_acquire(&s, 2), 0);
    assert_int_equal(weft_semaphore_acquire(&s, 1), -ECANCELED); /* though one is there */
    assert_int_equal(weft_semaphore_try_acquire(&s, 1), 0);
    assert_int_equal(weft_semaphore_release(&s, 3), 0);
    return -ECANCELED;
}

static int granted_main(void *arg)
{
    (void)arg;
    assert_int_equal(weft_semaphore_init(&s, 0), 0);
    weft_task *task = begin(granted, NULL);
    weft_sleep(0);
    assert_int_equal(weft_semaphore_release(&s, 3), 0);
    weft_task_cancel(task, NULL);
    assert_int_equal(stats_now().value, 1);
    assert_int_equal(end_of(task), -ECANCELED);
    assert_int_equal(stats_now().value, 3);
    return 0;
}

static void test_semaphore_a_cancel_after_the_grant_comes_too_late(void **state)
{
    (void)state;
    assert_int_equal(run(granted_main, NULL), 0);
}

static int bounded_main(void *arg)
{
    (void)arg;
    assert_int_equal(weft_semaphore_init(&s, 5, .max = 4), -EINVAL);
    expect_log("a semaphore of 5 units with .max = 4, at ../../tests/sync/test_semaphore.c:");
    assert_int_equal(stats_now().value, 4);
    assert_int_equal(weft_semaphore_init(&s, 3, .max = 4), 0);
    assert_int_equal(weft_semaphore_release(&s, 2), -EOVERFLOW);
    expect_log(") was given 2 units: it has 3, at most 4");
    assert_int_equal(stats_now().value, 3);
    assert_int_equal(weft_semaphore_release(&s, SIZE_MAX), -EOVERFLOW);
    expect_said("units: it has 3, at most 4");
    assert_int_equal(weft_semaphore_release(&s, 1), 0);
    assert_int_equal(weft_semaphore_acquire(&s, 5), -EINVAL);
    expect_log("5 units were wanted of a semaphore (made at ");
    assert_int_equal(weft_semaphore_try_acquire(&s, 5), -EINVAL);
    assert_int_equal(weft_semaphore_acquire(&s, 4), 0);
    /* With somebody in the line: none is added, and nobody is served. */
    weft_task *a = begin(take, &one_a);
    weft_sleep(0);
    assert_int_equal(weft_semaphore_release(&s, 5), -EOVERFLOW);
    expect_said("was given 5 units: it has 0, at most 4");
    assert_false(weft_task_is_done(a));
    assert_int_equal(weft_semaphore_release(&s, 4), 0);
    assert_int_equal(stats_now().value, 3);
    return end_of(a);
}

static void test_semaphore_with_a_bound_refuses_what_is_too_much(void **state)
{
    (void)state;
    assert_int_equal(run(bounded_main, NULL), 0);
}

static int unbounded_main(void *arg)
{
    (void)arg;
    assert_int_equal(weft_semaphore_init(&s, SIZE_MAX - 1), 0);
    assert_int_equal(weft_semaphore_release(&s, 1), 0);
    assert_int_equal(weft_semaphore_release(&s, 1), -EOVERFLOW);
    expect_said("was given 1 units: it has");
    assert_int_equal(weft_semaphore_acquire(&s, SIZE_MAX), 0);
    assert_int_equal(stats_now().value, 0);
    return 0;
}

static void test_semaphore_without_a_bound_counts_as_far_as_a_number_goes(void **state)
{
    (void)state;
    assert_int_equal(run(unbounded_main, NULL), 0);
}

/* At most so many at once, and a task may release what another has acquired. */
static int inside_now, inside_most;

static int bounded_work(void *arg)
{
    (void)arg;
    assert_int_equal(weft_semaphore_acquire(&s, 1), 0);
    if (++inside_now > inside_most)
        inside_most = inside_now;
    weft_sleep(MILLISECOND);
    inside_now--;
    return weft_semaphore_release(&s, 1);
}

static int many_main(void *arg)
{
    (void)arg;
    weft_scope scope;
    assert_int_equal(weft_semaphore_init(&s, 3, .max = 3), 0);
    int64_t start = weft_now();
    weft_scope_begin(&scope);
    for (int i = 0; i < 30; i++)
        weft_spawn(&scope, bounded_work, NULL);
    int err = weft_scope_end(&scope);
    assert_int_equal(weft_now() - start, 10 * MILLISECOND);
    weft_semaphore_fini(&s);
    return err;
}

static void test_semaphore_lets_so_many_in_at_once(void **state)
{
    (void)state;
    inside_now = inside_most = 0;
    assert_int_equal(run(many_main, NULL), 0);
    assert_int_equal(inside_most, 3);
}

static void release_two(void *arg)
{
    assert_int_equal(weft_semaphore_release(arg, 2), 0);
    assert_int_equal(weft_semaphore_try_acquire(arg, 1), -EAGAIN);
}

static int callback_main(void *arg)
{
    (void)arg;
    weft_call_later(SECOND, release_two, &s);
    return weft_semaphore_acquire(&s, 2);
}

static void test_semaphore_zeroed_memory_and_callbacks_and_two_runs(void **state)
{
    (void)state;
    memset(&s, 0, sizeof s);
    assert_int_equal(run(callback_main, NULL), 0);
    assert_int_equal(run(callback_main, NULL), 0);
    assert_int_equal(weft_semaphore_release(&s, 1), 0); /* where no loop runs */
    assert_int_equal(weft_semaphore_try_acquire(&s, 1), 0);
    assert_int_equal(weft_semaphore_acquire(&s, 1), -EPERM);
    expect_said("a function that suspends was called outside a task");
}

static int try_elsewhere(void)
{
    return weft_semaphore_try_acquire(&s, 1);
}

static int release_elsewhere(void)
{
    return weft_semaphore_release(&s, 1);
}

static int take_in_loop_elsewhere(void)
{
    return run(take, &one_a);
}

static int thread_main(void *arg)
{
    (void)arg;
    assert_int_equal(weft_semaphore_init(&s, 1), 0);
    assert_int_equal(weft_semaphore_acquire(&s, 1), 0);
    assert_int_equal(on_another_thread(try_elsewhere), WEFT_ETHREAD);
    assert_int_equal(on_another_thread(release_elsewhere), WEFT_ETHREAD);
    assert_int_equal(on_another_thread(take_in_loop_elsewhere), WEFT_ETHREAD);
    assert_int_equal(take_log("the semaphore (made at ../../tests/sync/test_semaphore.c:"), 3);
    assert_int_equal(stats_now().value, 0);
    return 0;
}

static void test_semaphore_belongs_to_a_thread(void **state)
{
    (void)state;
    assert_int_equal(run(thread_main, NULL), 0);
}

static int fini_main(void *arg)
{
    (void)arg;
    weft_semaphore_init(&s, 0);
    begin(take, &one_a);
    begin(take, &one_b);
    weft_sleep(0);
    weft_semaphore_fini(&s);
    return 0;
}

static void fini_program(void)
{
    run(fini_main, NULL);
}

static void test_semaphore_given_up_while_somebody_waits_aborts(void **state)
{
    (void)state;
    expect_abort(fini_program, "was given up while it is in use; waiting: 2");
}

static int words_main(void *arg)
{
    (void)arg;
    weft_semaphore_init(&s, 2);
    weft_task *task = begin(take, &five);
    weft_sleep(0);
    expect_wait(task, "5 of the semaphore (made at ../../tests/sync/test_semaphore.c:");
    expect_wait(task, "), which has 2");
    weft_semaphore_release(&s, 3);
    return end_of(task);
}

static void test_semaphore_a_wait_for_it_says_what_it_has(void **state)
{
    (void)state;
    assert_int_equal(run(words_main, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_semaphore_units_go_to_who_has_waited_longest),
        core_test(test_semaphore_who_wants_much_is_not_passed_by_who_wants_little),
        core_test(test_semaphore_a_big_one_that_goes_lets_the_small_ones_in),
        core_test(test_semaphore_a_deadline_lets_the_next_ones_in),
        core_test(test_semaphore_a_cancel_after_the_grant_comes_too_late),
        core_test(test_semaphore_with_a_bound_refuses_what_is_too_much),
        core_test(test_semaphore_without_a_bound_counts_as_far_as_a_number_goes),
        core_test(test_semaphore_lets_so_many_in_at_once),
        core_test(test_semaphore_zeroed_memory_and_callbacks_and_two_runs),
        core_test(test_semaphore_belongs_to_a_thread),
        core_test(test_semaphore_given_up_while_somebody_waits_aborts),
        core_test(test_semaphore_a_wait_for_it_says_what_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
