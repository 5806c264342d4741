/* The loop as a whole: weft_run, the loop by hand, its end, its clock (semantics 24, 11). */

#include "core_test.h"

static int fail_main(void *arg)
{
    return *(int *)arg;
}

static int nested_main(void *arg)
{
    (void)arg;
    weft_loop *loop = weft_loop_current();
    assert_true(weft_loop_is_running(loop));
    assert_int_equal(weft_run(return_zero, NULL), -EDEADLK);
    assert_int_equal(weft_loop_run_forever(loop), -EDEADLK);
    assert_int_equal(weft_loop_run_until_complete(loop, weft_task_self()), -EDEADLK);
    assert_int_equal(weft_loop_free(loop), -EDEADLK);
    return 0;
}

static void test_loop_run_returns_mains_result(void **state)
{
    (void)state;
    int codes[] = { 0, 5, -EBADF, -EAGAIN, -ECANCELED, WEFT_ESTUCK };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        assert_int_equal(run(fail_main, &codes[i]), codes[i]);
    assert_null(weft_loop_current());
}

static void test_semantics_21_a_loop_inside_a_loop_is_edeadlk(void **state)
{
    (void)state;
    assert_int_equal(run(nested_main, NULL), 0);
    expect_log("weft_run() inside a running loop");
    expect_log("a loop runs on this thread already");
    expect_log("a loop was freed inside a running loop");
}

static void test_loop_options_that_cannot_be_met_are_errors(void **state)
{
    (void)state;
    weft_loop *loop = NULL;
    assert_int_equal(weft_loop_new(&loop, .backend = "nonsense"), -ENOTSUP);
    assert_non_null(strstr(weft_error_detail(), "no driver has this name"));
    assert_int_equal(weft_loop_new(&loop, .threads = 2), -ENOTSUP);
    assert_null(loop);
    assert_int_equal(weft_run(return_zero, NULL, .threads = 1, .backend = "epoll"), 0);
}

static int stats_main(void *arg)
{
    weft_loop_stats *stats = arg;
    weft_spawn(weft_background(), return_zero, NULL);
    weft_call_later(SECOND, NULL, NULL);
    weft_loop_get_stats(weft_loop_current(), stats);
    return weft_sleep(SECOND);
}

static void test_loop_statistics_name_the_driver_and_the_reason(void **state)
{
    (void)state;
    weft_loop_stats stats;
    assert_int_equal(weft_run(stats_main, &stats, .backend = "epoll", .clock = WEFT_CLOCK_TEST), 0);
    assert_string_equal(stats.backend, "epoll");
    assert_string_equal(stats.backend_reason, "the caller asked for it");
    assert_int_equal(stats.tasks, 2);
    assert_int_equal(stats.spawned, 2);
    assert_int_equal(stats.ready, 1);
    assert_int_equal(stats.timers, 1);
    assert_int_equal(stats.turns, 1);
    assert_int_equal(stats.switches, 1);
    assert_int_equal(stats.polls, 0);
    assert_int_equal(stats.pinned, 0);
    assert_int_equal(weft_run(stats_main, &stats, .backend = "sim,epoll"), 0);
    assert_string_equal(stats.backend, "epoll");
    assert_non_null(strstr(stats.backend_reason, "not built into this library"));
    weft_loop_get_stats(NULL, &stats);
    assert_null(stats.backend);
    assert_null(stats.backend_reason);
    assert_int_equal(stats.spawned, 0);
}

static void test_semantics_30_options_of_an_older_size_read_as_zero_beyond(void **state)
{
    (void)state;
    weft_loop *loop;
    struct weft_loop_options options;
    memset(&options, 0xff, sizeof options);
    options.arg = NULL;
    options.loop = &loop;
    options.backend = NULL;
    options.size = offsetof(struct weft_loop_options, grace);
    assert_int_equal(weft_loop_new_with(&options), 0);
    assert_int_equal(loop->grace, WF_GRACE);
    assert_false(loop->clock.test);
    assert_int_equal(weft_loop_free(loop), 0);
    options.size = sizeof options + 64; /* a newer program: what we do not know is not read */
    options.grace = 5;
    options.stacks_max = 0;
    options.posts_max = 7;
    options.threads = 0;
    options.clock = WEFT_CLOCK_TEST;
    options.no_signals = false;
    options.debug = false;
    options.no_overflow_report = false;
    assert_int_equal(weft_loop_new_with(&options), 0);
    assert_int_equal(loop->grace, 5);
    assert_int_equal(loop->posts_max, 7);
    assert_int_equal(weft_loop_free(loop), 0);
}

/* By hand. */

static weft_loop *new_loop(void)
{
    weft_loop *loop;
    assert_int_equal(weft_loop_new(&loop, .clock = WEFT_CLOCK_TEST), 0);
    assert_ptr_equal(weft_loop_current(), loop);
    assert_false(weft_loop_is_running(loop));
    return loop;
}

static int sleep_and_note(void *arg)
{
    weft_sleep(*(char *)arg == 'l' ? 2 * SECOND : SECOND);
    note(arg);
    return 7;
}

static void test_semantics_24_pending_tasks_go_on_in_the_next_run(void **state)
{
    (void)state;
    weft_loop *loop = new_loop();
    weft_task *early, *late;
    weft_spawn(weft_background(), sleep_and_note, "late", .task = &late);
    weft_spawn(weft_background(), sleep_and_note, "early", .task = &early);
    assert_int_equal(weft_loop_run_until_complete(loop, early), 7);
    assert_string_equal(trace, "early");
    assert_false(weft_task_is_done(late));
    assert_int_equal(weft_loop_run_until_complete(loop, late), 7);
    assert_int_equal(weft_loop_run_until_complete(loop, late), 7); /* done: no turn */
    assert_string_equal(trace, "earlylate");
    assert_int_equal(weft_loop_run_until_complete(loop, (weft_task *)NULL), -ENOMEM);
    weft_task_release(early);
    weft_task_release(late);
    assert_int_equal(weft_loop_free(loop), 0);
    assert_null(weft_loop_current());
}

static void test_semantics_24_a_task_is_cancelled_between_runs(void **state)
{
    (void)state;
    weft_loop *loop = new_loop();
    weft_task *sleeper, *quick;
    weft_spawn(weft_background(), sleep_forever, NULL, .task = &sleeper);
    weft_spawn(weft_background(), return_zero, NULL, .task = &quick);
    assert_int_equal(weft_loop_run_until_complete(loop, quick), 0);
    weft_task_cancel(sleeper, "between two runs");
    assert_int_equal(weft_loop_run_until_complete(loop, sleeper), -ECANCELED);
    assert_true(weft_task_is_cancelled(sleeper));
    weft_task_release(sleeper);
    weft_task_release(quick);
    assert_int_equal(weft_loop_free(loop), 0);
}

static int stop_it(void *arg)
{
    weft_loop_stop(arg);
    note("s");
    weft_sleep(0);
    note("t");
    weft_sleep(0);
    note("u");
    return 0;
}

static void test_loop_stop_ends_the_run_after_its_turn(void **state)
{
    (void)state;
    weft_loop *loop = new_loop();
    weft_task *task;
    weft_spawn(weft_background(), stop_it, loop, .task = &task);
    weft_spawn(weft_background(), note_arg, "x");
    assert_int_equal(weft_loop_run_forever(loop), 0);
    assert_string_equal(trace, "sx");
    weft_loop_stop(loop); /* before a run: one turn that does not wait */
    assert_int_equal(weft_loop_run_forever(loop), 0);
    assert_string_equal(trace, "sxt");
    weft_loop_stop(loop);
    assert_int_equal(weft_loop_run_until_complete(loop, task), 0);
    assert_string_equal(trace, "sxtu");
    weft_task_release(task);
    weft_spawn(weft_background(), sleep_forever, NULL, .task = &task);
    weft_loop_stop(loop);
    assert_int_equal(weft_loop_run_until_complete(loop, task), -ECANCELED);
    assert_false(weft_task_is_done(task));
    weft_loop_stop(loop);
    assert_int_equal(weft_loop_run_forever(loop), 0); /* idle, and it does not block */
    weft_task_release(task);
    assert_int_equal(weft_loop_free(loop), 0);
}

static int await_foreign(void *arg)
{
    return weft_await((weft_task *)arg);
}

static void test_loop_two_on_one_thread_keep_their_tasks_apart(void **state)
{
    (void)state;
    weft_loop *first = new_loop(), *second = new_loop();
    weft_task *in_second, *in_first;
    weft_spawn(weft_background(), return_zero, NULL, .task = &in_second);
    assert_int_equal(weft_loop_run_until_complete(first, in_second), -EXDEV);
    expect_log("belongs to another loop");
    weft_spawn(weft_loop_background(first), await_foreign, in_second, .task = &in_first);
    assert_int_equal(weft_loop_run_until_complete(first, in_first), WEFT_ETHREAD);
    expect_log("was awaited in another loop");
    assert_int_equal(weft_loop_run_until_complete(second, in_second), 0);
    weft_task_release(in_first);
    weft_task_release(in_second);
    assert_int_equal(weft_loop_free(first), 0); /* not the newest: the list stays whole */
    assert_ptr_equal(weft_loop_current(), second);
    assert_int_equal(weft_loop_free(second), 0);
}

static int spawn_into(void *arg)
{
    assert_ptr_equal(weft_background(), weft_loop_background(weft_loop_current()));
    note("s");
    return weft_spawn(weft_loop_background(arg), note_arg, "t", .eager = true);
}

static void test_loop_tasks_are_spawned_into_a_named_loop(void **state)
{
    (void)state;
    weft_loop *first = new_loop(), *second = new_loop();
    weft_task *eager, *spawner;
    assert_null(weft_loop_background(NULL));
    assert_ptr_equal(weft_background(), weft_loop_background(second));
    assert_int_equal(
        weft_spawn(weft_loop_background(first), note_arg, "e", .eager = true, .task = &eager), 0);
    assert_string_equal(trace, ""); /* queued: the loop does not run */
    assert_int_equal(weft_loop_run_until_complete(first, eager), 0);
    assert_string_equal(trace, "e");
    weft_spawn(weft_loop_background(second), spawn_into, first, .eager = true, .task = &spawner);
    assert_int_equal(weft_loop_run_until_complete(second, spawner), 0);
    assert_string_equal(trace, "es"); /* nor does the first while the second runs */
    weft_loop_stop(first);
    assert_int_equal(weft_loop_run_forever(first), 0);
    assert_string_equal(trace, "est");
    weft_task_release(eager);
    weft_task_release(spawner);
    assert_int_equal(weft_loop_free(second), 0);
    assert_int_equal(weft_loop_free(first), 0);
}

static void *spawn_from_thread(void *arg)
{
    assert_int_equal(weft_spawn(weft_loop_background(arg), return_zero, NULL), WEFT_ETHREAD);
    return NULL;
}

static void test_semantics_21_spawning_into_another_threads_loop_is_ethread(void **state)
{
    (void)state;
    weft_loop *loop = new_loop();
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, spawn_from_thread, loop), 0);
    pthread_join(thread, NULL);
    expect_log("was used from another thread");
    assert_int_equal(weft_spawn(weft_loop_background(NULL), return_zero, NULL), -EPERM);
    expect_log("where there is no loop");
    assert_int_equal(weft_loop_free(loop), 0);
}

static void *run_from_thread(void *arg)
{
    assert_int_equal(weft_loop_run_forever(arg), WEFT_ETHREAD);
    assert_int_equal(weft_loop_free(arg), WEFT_ETHREAD);
    assert_null(weft_loop_current());
    assert_int_equal(weft_call_soon(NULL, NULL).id, 0);
    return NULL;
}

static void test_semantics_21_a_loop_is_run_and_freed_by_who_made_it(void **state)
{
    (void)state;
    weft_loop *loop = new_loop();
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_from_thread, loop), 0);
    pthread_join(thread, NULL);
    expect_log("a loop was run by a thread");
    expect_log("a loop was freed by a thread");
    expect_log("a callback was asked for where there is no loop");
    assert_int_equal(weft_loop_free(loop), 0);
}

static int nap(void *arg)
{
    (void)arg;
    return weft_sleep(SECOND);
}

static int family_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s);
    for (int i = 0; i < 20; i++)
        weft_spawn(&s, nap, NULL, .eager = i % 3 == 0, .name = "napper");
    return weft_scope_end(&s);
}

static void *run_families(void *arg)
{
    for (int i = 0; i < 20; i++)
        *(int *)arg += run(family_main, NULL);
    return NULL;
}

static void test_loop_each_thread_has_its_own(void **state)
{
    (void)state;
    pthread_t threads[4];
    int errors[4] = { 0 };
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_families, &errors[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(errors[i], 0);
    }
}

/* Its end. */

static void test_semantics_24_a_closed_loop_answers_eshutdown(void **state)
{
    (void)state;
    weft_loop *loop = new_loop();
    weft_task *task;
    weft_scope *background = weft_background();
    weft_spawn(background, return_zero, NULL, .task = &task);
    weft_loop_retain(loop);
    assert_int_equal(weft_loop_free(loop), 0);
    assert_int_equal(weft_loop_run_forever(loop), -ESHUTDOWN);
    assert_int_equal(weft_loop_run_until_complete(loop, task), -ESHUTDOWN);
    assert_int_equal(weft_loop_free(loop), -ESHUTDOWN);
    assert_int_equal(weft_post(loop, NULL, NULL), -ESHUTDOWN);
    assert_int_equal(weft_spawn(background, return_zero, NULL), -ESHUTDOWN);
    weft_loop_stop(loop);
    weft_task_cancel(task, "late");
    assert_int_equal(weft_task_result(task, NULL), -ECANCELED);
    weft_task_release(task);
    weft_loop_release(loop);
    expect_log("a loop was run after");
    expect_log("a loop was freed twice");
}

static int cleanup(void *arg)
{
    weft_scope shield;
    weft_sleep(WEFT_FOREVER);
    weft_scope_begin(&shield, .shield = true);
    weft_sleep(5 * SECOND);
    weft_scope_end(&shield);
    note(arg);
    return -ECANCELED;
}

static int leave_background(void *arg)
{
    weft_spawn(weft_background(), cleanup, arg);
    weft_spawn(weft_background(), sleep_forever, NULL);
    return weft_sleep(0);
}

static void test_semantics_24_the_end_cancels_and_joins_the_background(void **state)
{
    (void)state;
    assert_int_equal(run(leave_background, "c"), 0);
    assert_string_equal(trace, "c");
}

static int leave_quick(void *arg)
{
    (void)arg;
    weft_spawn(weft_background(), sleep_forever, NULL);
    weft_spawn(weft_background(), return_zero, NULL);
    weft_call_later(WEFT_HOUR, NULL, NULL);
    return 0;
}

static void test_semantics_24_the_end_waits_no_longer_than_for_the_last_task(void **state)
{
    (void)state;
    int64_t start = real_now();
    assert_int_equal(weft_run(leave_quick, NULL, .no_signals = true), 0);
    assert_true(real_now() - start < 5 * SECOND); /* of the grace's 10 */
}

static int stuck_child(void *arg)
{
    weft_scope shield;
    weft_scope_begin(&shield, .shield = true, .timeout = WEFT_FOREVER);
    weft_sleep(*(int64_t *)arg);
    return weft_scope_end(&shield);
}

static int stuck_parent(void *arg)
{
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, stuck_child, arg, .name = "inner");
    return weft_scope_end(&s);
}

static int64_t hour = WEFT_HOUR;
static weft_task *stuck_handle;

static int leave_stuck(void *arg)
{
    (void)arg;
    weft_spawn(weft_background(), stuck_parent, &hour, .name = "outer", .task = &stuck_handle);
    return weft_sleep(SECOND);
}

static int stuck_program(void)
{
    int64_t start = real_now();
    int err = weft_run(leave_stuck, NULL, .clock = WEFT_CLOCK_TEST, .grace = 3 * SECOND);
    bool named = take_log("task 'outer' (spawned at") == 1 && take_log("task 'inner'") == 1;
    bool answers =
        weft_task_is_done(stuck_handle) && weft_task_result(stuck_handle, NULL) == WEFT_ESTUCK;
    weft_task_cancel(stuck_handle, "late");
    weft_task_release(stuck_handle);
    bool alive = weft_run(return_zero, NULL) == 0; /* another loop of the same thread */
    return err == WEFT_ESTUCK && named && answers && alive && logged.count == 0 &&
                   real_now() - start < SECOND * 10
               ? 0
               : 1;
}

static void test_semantics_18_stuck_tasks_are_named_and_abandoned_after_the_grace(void **state)
{
    (void)state;
    assert_int_equal(exit_status(stuck_program), 0);
}

static void run_nothing(void *arg)
{
    (void)arg;
    fail();
}

static int drops;

static void count_drop(void *arg)
{
    drops += *(int *)arg;
}

static int note_twice(void *arg)
{
    note(arg);
    return 0;
}

static void test_loop_free_without_a_run_drops_what_never_began(void **state)
{
    (void)state;
    int one = 1;
    weft_loop *loop = new_loop();
    weft_spawn(weft_background(), note_twice, &one, .drop = count_drop);
    weft_call_later(SECOND, run_nothing, NULL);
    drops = 0;
    assert_int_equal(weft_loop_free(loop), 0);
    assert_int_equal(drops, 1);
    assert_string_equal(trace, "");
}

/* Torn at birth: every allocation, every descriptor. */

/* Where drivers are tried in an order one may have had no memory, and the next one had. */
static int note_fallback(void *arg)
{
    weft_loop_stats stats;
    weft_loop_get_stats(weft_loop_current(), &stats);
    *(unsigned *)arg += strcmp(stats.backend_reason, "no memory") == 0;
    return 0;
}

static void test_loop_birth_survives_every_allocation_failing(void **state)
{
    (void)state;
    unsigned unharmed = 0, fell_back = 0;
    for (long n = 1;; n++) {
        struct wf_memory_fault fault = { .countdown = n };
        wf_memory_fault_set(&fault);
        int err = run(note_fallback, &fell_back);
        wf_memory_fault_set(NULL);
        if (fault.injected == 0) {
            assert_true(n > 3);
            assert_int_equal(err, 0);
            break;
        }
        unharmed += err == 0;
        assert_true(err == 0 || err == -ENOMEM);
    }
    assert_int_equal(unharmed - fell_back, 1); /* without a census of stacks */
    take_log("could not be spawned");
}

/* The test clock. */

static int ten_seconds(void *arg)
{
    (void)arg;
    weft_scope s;
    for (int i = 0; i < 1000; i++) {
        int64_t start = weft_now();
        weft_scope_begin(&s, .timeout = 10 * SECOND);
        assert_int_equal(weft_sleep(WEFT_HOUR), -ECANCELED);
        assert_int_equal(weft_scope_end(&s), -ETIMEDOUT);
        assert_int_equal(weft_now() - start, 10 * SECOND);
    }
    return 0;
}

static void test_loop_ten_seconds_of_the_test_clock_take_microseconds(void **state)
{
    (void)state;
    int64_t start = real_now();
    assert_int_equal(run(ten_seconds, NULL), 0);
    assert_true(real_now() - start < 5 * SECOND); /* of 10,000 */
}

static int blocking_20_ms(void *arg)
{
    (void)arg;
    struct timespec pause = { .tv_nsec = 20 * MILLISECOND };
    nanosleep(&pause, NULL);
    return 0;
}

static int clock_waits_main(void *arg)
{
    (void)arg;
    weft_scope s;
    int64_t start = weft_now();
    weft_scope_begin(&s);
    weft_spawn(&s, sleep_second, NULL);
    assert_int_equal(weft_blocking(blocking_20_ms, NULL), 0);
    assert_int_equal(weft_now(), start); /* it did not jump while a job was in flight */
    return weft_scope_end(&s);
}

static void test_loop_the_test_clock_waits_for_what_is_in_flight(void **state)
{
    (void)state;
    assert_int_equal(run(clock_waits_main, NULL), 0);
}

/* 11: order and exactness, through tasks. */

enum { SLEEPERS = 200 };
static struct sleeper {
    int64_t duration;
    int index;
} sleepers[SLEEPERS];
static int woken[SLEEPERS], woken_count;

static int sleep_until_due(void *arg)
{
    struct sleeper *sleeper = arg;
    int64_t due = weft_now() + sleeper->duration;
    assert_int_equal(weft_sleep(sleeper->duration), 0);
    assert_true(weft_now() >= due);
    woken[woken_count++] = sleeper->index;
    return 0;
}

static int sleepers_main(void *arg)
{
    (void)arg;
    weft_scope s;
    int64_t start = weft_now();
    woken_count = 0;
    weft_scope_begin(&s);
    for (int i = 0; i < SLEEPERS; i++) {
        sleepers[i] = (struct sleeper){ .duration = 1000 * (1 + i % 7), .index = i };
        weft_spawn(&s, sleep_until_due, &sleepers[i]);
    }
    int err = weft_scope_end(&s);
    for (int i = 1; i < SLEEPERS; i++) {
        const struct sleeper *a = &sleepers[woken[i - 1]], *b = &sleepers[woken[i]];
        assert_true(a->duration < b->duration ||
                    (a->duration == b->duration && a->index < b->index));
    }
    assert_int_equal(weft_now() - start, 7000);
    return err;
}

static void test_semantics_11_equal_deadlines_wake_in_the_order_they_were_set(void **state)
{
    (void)state;
    assert_int_equal(run(sleepers_main, NULL), 0);
}

static int never_early_main(void *arg)
{
    (void)arg;
    for (int64_t d = 1; d < 3 * MILLISECOND; d = d * 3 + 1) {
        int64_t start = weft_now();
        assert_int_equal(weft_sleep(d), 0);
        assert_true(weft_now() - start >= d);
    }
    return 0;
}

static void test_semantics_11_a_real_sleep_is_never_early(void **state)
{
    (void)state;
    assert_int_equal(weft_run(never_early_main, NULL, .no_signals = true), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_loop_run_returns_mains_result),
        core_test(test_semantics_21_a_loop_inside_a_loop_is_edeadlk),
        core_test(test_loop_options_that_cannot_be_met_are_errors),
        core_test(test_loop_statistics_name_the_driver_and_the_reason),
        core_test(test_semantics_30_options_of_an_older_size_read_as_zero_beyond),
        core_test(test_semantics_24_pending_tasks_go_on_in_the_next_run),
        core_test(test_semantics_24_a_task_is_cancelled_between_runs),
        core_test(test_loop_stop_ends_the_run_after_its_turn),
        core_test(test_loop_two_on_one_thread_keep_their_tasks_apart),
        core_test(test_loop_tasks_are_spawned_into_a_named_loop),
        core_test(test_semantics_21_spawning_into_another_threads_loop_is_ethread),
        core_test(test_semantics_21_a_loop_is_run_and_freed_by_who_made_it),
        core_test(test_loop_each_thread_has_its_own),
        core_test(test_semantics_24_a_closed_loop_answers_eshutdown),
        core_test(test_semantics_24_the_end_cancels_and_joins_the_background),
        core_test(test_semantics_24_the_end_waits_no_longer_than_for_the_last_task),
        core_test(test_semantics_18_stuck_tasks_are_named_and_abandoned_after_the_grace),
        core_test(test_loop_free_without_a_run_drops_what_never_began),
        core_test(test_loop_birth_survives_every_allocation_failing),
        core_test(test_loop_ten_seconds_of_the_test_clock_take_microseconds),
        core_test(test_loop_the_test_clock_waits_for_what_is_in_flight),
        core_test(test_semantics_11_equal_deadlines_wake_in_the_order_they_were_set),
        core_test(test_semantics_11_a_real_sleep_is_never_early),
    };
    return cmocka_run_group_tests_name("core loop", tests, NULL, NULL);
}
