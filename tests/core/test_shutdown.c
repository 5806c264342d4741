/* weft_loop_shutdown(): the quiet time and its end, in virtual time; and over several loops. */

#include "core_test.h"

#include <weft/coro.h>
#include <weft/remote.h>
#include <weft/stackless.h>

#include "group_test.h"

static int64_t began;

static int64_t since(void)
{
    return weft_now() - began;
}

/* Sleeps until it is cancelled: when that was. */
static int64_t cancelled_after(void)
{
    assert_int_equal(weft_sleep(WEFT_FOREVER), -ECANCELED);
    return since();
}

static int be_quiet(void *arg)
{
    (void)arg;
    began = weft_now();
    assert_int_equal(weft_loop_shutdown(2 * SECOND, 15 * SECOND), 0);
    assert_int_equal(cancelled_after(), 2 * SECOND);
    return 0;
}

static void test_shutdown_cancels_main_when_it_has_been_quiet(void **state)
{
    (void)state;
    assert_int_equal(run(be_quiet, NULL), 0);
}

static int spawn_each_second(void *arg)
{
    (void)arg;
    began = weft_now();
    weft_loop_shutdown(2 * SECOND, 15 * SECOND);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(weft_sleep(SECOND), 0);
        weft_spawn(weft_background(), return_zero, NULL);
    }
    assert_int_equal(cancelled_after(), 7 * SECOND);
    return 0;
}

static void test_shutdown_a_spawn_into_the_background_puts_it_off(void **state)
{
    (void)state;
    assert_int_equal(run(spawn_each_second, NULL), 0);
}

static int end_at_once(weft_stackless *self, int64_t result)
{
    (void)self;
    return (int)result;
}

static const weft_stackless_kind short_one = WEFT_STACKLESS(end_at_once, NULL);

static int spawn_stackless_each_second(void *arg)
{
    (void)arg;
    weft_stackless stackless;
    began = weft_now();
    weft_loop_shutdown(2 * SECOND, 15 * SECOND);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(weft_sleep(SECOND), 0);
        assert_int_equal(weft_stackless_spawn(weft_background(), &stackless, &short_one), 0);
    }
    assert_int_equal(cancelled_after(), 7 * SECOND);
    return 0;
}

static int spawn_on_each_second(void *arg)
{
    (void)arg;
    began = weft_now();
    weft_loop_shutdown(2 * SECOND, 15 * SECOND);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(weft_sleep(SECOND), 0);
        weft_future *future = weft_spawn_on(weft_loop_current(), return_zero, NULL);
        assert_int_equal(weft_await(future), 0);
        weft_future_release(future);
    }
    assert_int_equal(cancelled_after(), 7 * SECOND);
    return 0;
}

static void test_shutdown_so_does_one_without_a_stack_or_from_another_loop(void **state)
{
    (void)state;
    assert_int_equal(run(spawn_stackless_each_second, NULL), 0);
    assert_int_equal(run(spawn_on_each_second, NULL), 0);
}

static int spawn_in_a_scope(void *arg)
{
    (void)arg;
    weft_scope s;
    began = weft_now();
    weft_loop_shutdown(2 * SECOND, 15 * SECOND);
    weft_sleep(SECOND);
    weft_scope_begin(&s);
    weft_spawn(&s, return_zero, NULL);
    int err = weft_scope_end(&s);
    assert_int_equal(err, 0);
    assert_int_equal(cancelled_after(), 2 * SECOND);
    return 0;
}

static void test_shutdown_what_runs_already_does_not(void **state)
{
    (void)state;
    assert_int_equal(run(spawn_in_a_scope, NULL), 0);
}

static void nothing(void *arg)
{
    (void)arg;
}

static int post_each_second(void *arg)
{
    (void)arg;
    began = weft_now();
    weft_loop_shutdown(2 * SECOND, 15 * SECOND);
    for (int i = 0; i < 100; i++) {
        weft_post(weft_loop_current(), nothing, NULL);
        int err = weft_sleep(SECOND);
        if (err < 0) {
            assert_int_equal(since(), 15 * SECOND);
            return err;
        }
    }
    return 0;
}

static void test_shutdown_comes_when_its_time_is_over_at_the_latest(void **state)
{
    (void)state;
    assert_int_equal(run(post_each_second, NULL), -ECANCELED);
}

static int ask_again(void *arg)
{
    (void)arg;
    began = weft_now();
    weft_loop_shutdown(WEFT_FOREVER, 60 * SECOND);
    weft_sleep(SECOND);
    weft_loop_shutdown(10 * SECOND, WEFT_FOREVER);
    weft_sleep(SECOND);
    weft_loop_shutdown(20 * SECOND, 20 * SECOND); /* puts it off as any new work, no longer */
    assert_int_equal(cancelled_after(), 12 * SECOND);
    return 0;
}

static void test_shutdown_asked_again_the_shorter_times_count(void **state)
{
    (void)state;
    assert_int_equal(run(ask_again, NULL), 0);
}

static int ask_for_now(void *arg)
{
    (void)arg;
    began = weft_now();
    weft_loop_shutdown(0, WEFT_FOREVER);
    assert_int_equal(cancelled_after(), 0);
    return 0;
}

static int ask_and_end(void *arg)
{
    (void)arg;
    weft_loop_shutdown(SECOND, WEFT_FOREVER);
    return 7;
}

static int ask_without_limit(void *arg)
{
    (void)arg;
    weft_loop_shutdown(WEFT_FOREVER, WEFT_FOREVER);
    return weft_sleep(SECOND);
}

static void test_shutdown_at_once_never_and_after_the_end(void **state)
{
    (void)state;
    assert_int_equal(run(ask_for_now, NULL), 0);
    assert_int_equal(run(ask_and_end, NULL), 7);
    assert_int_equal(run(ask_without_limit, NULL), 0);
}

static int note_background(void *arg)
{
    int err = weft_sleep(WEFT_FOREVER);
    note(arg);
    return err;
}

static int leave_in_order(void *arg)
{
    (void)arg;
    weft_spawn(weft_background(), note_background, "b");
    weft_loop_shutdown(SECOND, WEFT_FOREVER);
    weft_sleep(WEFT_FOREVER);
    note("m");
    return 0;
}

static void test_shutdown_main_goes_before_its_background(void **state)
{
    (void)state;
    assert_int_equal(run(leave_in_order, NULL), 0);
    assert_string_equal(trace, "mb");
}

static int ask_by_hand(void *arg)
{
    (void)arg;
    return weft_loop_shutdown(0, 0);
}

static void test_shutdown_without_a_run_is_refused(void **state)
{
    (void)state;
    weft_loop *loop;
    assert_int_equal(weft_loop_shutdown(0, 0), -EPERM);
    assert_int_equal(weft_loop_new(&loop, .clock = WEFT_CLOCK_TEST), 0);
    assert_int_equal(weft_loop_run_until_complete(loop, weft_coro_new(ask_by_hand, NULL)), -EPERM);
    weft_loop_free(loop);
    expect_log("weft_loop_shutdown() where no weft_run() is under way");
}

/* Several loops: real time. */

static atomic_uint cancelled, heard;

static void hear(void *arg)
{
    (void)arg;
    atomic_fetch_add(&heard, 1);
}

static int ask_on_one(void *arg)
{
    (void)arg;
    meet();
    if (weft_loop_index() == 2)
        weft_loop_shutdown(20 * MILLISECOND, WEFT_FOREVER);
    int64_t now = weft_now();
    assert_int_equal(weft_sleep(WEFT_FOREVER), -ECANCELED);
    assert_true(weft_now() - now >= 20 * MILLISECOND || weft_loop_index() != 2);
    assert_int_equal(weft_task_cancel_requests(weft_task_self()), 1);
    atomic_fetch_add(&cancelled, 1);
    return 0;
}

static void test_shutdown_any_loop_may_ask_and_all_are_cancelled(void **state)
{
    (void)state;
    atomic_store(&cancelled, 0);
    assert_int_equal(run_loops(LOOPS, ask_on_one, NULL), 0);
    assert_int_equal(atomic_load(&cancelled), LOOPS);
}

/* Loop 3 keeps all of them up: its posts come more often than the quiet time is long. */
static int keep_up(void *arg)
{
    (void)arg;
    meet();
    int64_t begin = weft_now();
    if (weft_loop_index() == 1)
        weft_loop_shutdown(200 * MILLISECOND, WEFT_FOREVER);
    for (int i = 0; i < 100 && weft_loop_index() == 3; i++) {
        assert_int_equal(weft_post(weft_loop_at(2), hear, NULL), 0);
        assert_int_equal(weft_sleep(5 * MILLISECOND), 0);
    }
    assert_int_equal(weft_sleep(WEFT_FOREVER), -ECANCELED);
    assert_true(weft_now() - begin >= 600 * MILLISECOND);
    return 0;
}

static void test_shutdown_new_work_of_any_loop_puts_all_off(void **state)
{
    (void)state;
    atomic_store(&heard, 0);
    assert_int_equal(run_loops(LOOPS, keep_up, NULL), 0);
    assert_int_equal(atomic_load(&heard), 100);
}

static int end_before(void *arg)
{
    (void)arg;
    meet();
    weft_loop_shutdown(WEFT_HOUR, WEFT_FOREVER);
    return (int)weft_loop_index() + 3;
}

static void test_shutdown_mains_that_end_by_themselves_do_not_wait_for_it(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        assert_int_equal(run_loops(LOOPS, end_before, NULL), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_shutdown_cancels_main_when_it_has_been_quiet),
        core_test(test_shutdown_a_spawn_into_the_background_puts_it_off),
        core_test(test_shutdown_so_does_one_without_a_stack_or_from_another_loop),
        core_test(test_shutdown_what_runs_already_does_not),
        core_test(test_shutdown_comes_when_its_time_is_over_at_the_latest),
        core_test(test_shutdown_asked_again_the_shorter_times_count),
        core_test(test_shutdown_at_once_never_and_after_the_end),
        core_test(test_shutdown_main_goes_before_its_background),
        core_test(test_shutdown_without_a_run_is_refused),
        core_test(test_shutdown_any_loop_may_ask_and_all_are_cancelled),
        core_test(test_shutdown_new_work_of_any_loop_puts_all_off),
        core_test(test_shutdown_mains_that_end_by_themselves_do_not_wait_for_it),
    };
    return cmocka_run_group_tests_name("core shutdown", tests, NULL, NULL);
}
