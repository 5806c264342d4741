/* Trackers: tasks wherever they live, and what is added by hand, are counted until they end. */

#include "inspect/inspect_test.h"

#include <weft/memory.h>
#include <weft/tracker.h>

static int sleep_and_note(void *name)
{
    int err = weft_sleep(SECOND);
    note(name);
    return err;
}

static int wait_and_note(void *arg)
{
    int err = weft_tracker_wait(arg);
    note(err == 0 ? "w" : "x");
    return err;
}

static int wait_main(void *arg)
{
    (void)arg;
    static weft_tracker t;
    weft_scope scope;
    weft_tracker_stats stats;
    assert_int_equal(weft_tracker_count(&t), 0);
    weft_scope_begin(&scope);
    assert_int_equal(weft_tracker_spawn(&t, sleep_and_note, "a"), 0);
    assert_int_equal(weft_tracker_spawn(&t, sleep_and_note, "b", .scope = &scope), 0);
    assert_int_equal(weft_tracker_count(&t), 2);
    weft_spawn(&scope, wait_and_note, &t);
    weft_sleep(2 * SECOND);
    assert_string_equal(trace, "ab"); /* empty, but not closed */
    assert_int_equal(weft_tracker_count(&t), 0);
    weft_tracker_spawn(&t, sleep_and_note, "c");
    weft_tracker_close(&t);
    weft_tracker_close(&t);
    weft_sleep(0);
    assert_string_equal(trace, "ab");
    weft_tracker_get_stats(&t, &stats);
    assert_int_equal(stats.spawned, 3);
    assert_int_equal(stats.tasks, 1);
    assert_int_equal(stats.added, 0);
    assert_int_equal(stats.line.waiting, 1);
    assert_true(stats.closed);
    int err = weft_scope_end(&scope);
    assert_int_equal(weft_tracker_wait(&t), 0); /* at once */
    weft_tracker_fini(&t);
    weft_tracker_fini(NULL);
    return err;
}

static void test_tracker_waits_until_it_is_closed_and_empty(void **state)
{
    (void)state;
    assert_int_equal(run(wait_main, NULL), 0);
    assert_string_equal(trace, "abcw");
}

static int order_main(void *arg)
{
    (void)arg;
    weft_tracker t;
    weft_scope scope;
    weft_task *task, *first, *granted;
    weft_tracker_stats stats;
    weft_tracker_init(&t);
    weft_tracker_close(&t);
    weft_tracker_spawn(&t, sleep_second, NULL, .task = &task); /* although it is closed */
    weft_scope_begin(&scope);
    weft_spawn(&scope, wait_and_note, &t, .task = &first);
    weft_spawn(&scope, wait_and_note, &t, .task = &granted);
    weft_sleep(SECOND / 2);
    weft_task_cancel(first, "enough");
    weft_sleep(0);
    assert_string_equal(trace, "x");
    assert_int_equal(weft_await(task), 0);
    weft_task_cancel(granted, "too late");
    int err = weft_scope_end(&scope);
    weft_tracker_get_stats(&t, &stats);
    assert_int_equal(stats.line.waited, 2);
    assert_int_equal(stats.line.cancelled, 1);
    assert_int_equal(weft_task_result(granted, NULL), 0);
    weft_task_release(task);
    weft_task_release(first);
    weft_task_release(granted);
    weft_tracker_fini(&t);
    return err;
}

static void test_tracker_a_cancel_of_who_waits_takes_back_nothing(void **state)
{
    (void)state;
    assert_int_equal(run(order_main, NULL), 0);
    assert_string_equal(trace, "xw");
}

/* By hand. */

static void done_in_callback(void *t)
{
    assert_int_equal(weft_tracker_add(t, 1), 0);
    assert_int_equal(weft_tracker_done(t), 0);
    assert_int_equal(weft_tracker_done(t), 0);
}

static int hand_main(void *arg)
{
    (void)arg;
    weft_tracker t;
    weft_tracker_init(&t);
    assert_int_equal(weft_tracker_add(&t, 2), 0);
    assert_int_equal(weft_tracker_count(&t), 2);
    assert_int_equal(weft_tracker_done(&t), 0);
    weft_tracker_close(&t);
    weft_call_soon(done_in_callback, &t);
    assert_int_equal(weft_tracker_wait(&t), 0);
    assert_int_equal(weft_tracker_count(&t), 0);
    assert_int_equal(weft_tracker_add(&t, 1), 0);
    assert_int_equal(weft_tracker_add(&t, SIZE_MAX), -EOVERFLOW);
    assert_int_equal(weft_tracker_done(&t), 0);
    weft_tracker_spawn(&t, return_zero, NULL);
    assert_int_equal(weft_tracker_done(&t), -EINVAL); /* a task is not done by hand */
    assert_int_equal(weft_tracker_count(&t), 1);
    assert_int_equal(weft_tracker_wait(&t), 0);
    weft_tracker_fini(&t);
    return 0;
}

static void test_tracker_counts_by_hand(void **state)
{
    (void)state;
    assert_int_equal(run(hand_main, NULL), 0);
    expect_log(") that counts 1 was added ");
    expect_log("weft_tracker_done() was called more often than something was added to the tracker");
}

/* Spawning has all that weft_spawn() has. */

static void note_drop(void *arg)
{
    (void)arg;
    note("d");
}

static int read_copy(void *arg)
{
    const char *text = arg;
    int err = weft_sleep(SECOND);
    assert_true((uintptr_t)text % _Alignof(max_align_t) == 0);
    note(text);
    return err;
}

static int give_value(void *arg)
{
    return weft_return(arg);
}

static int options_main(void *arg)
{
    (void)arg;
    weft_tracker t;
    weft_task *task;
    void *value;
    char text[] = "copied ";
    weft_tracker_init(&t);
    weft_tracker_spawn(&t, read_copy, text, .copy = sizeof text, .drop = note_drop,
                       .name = "reader", .task = &task);
    memset(text, 'x', sizeof text - 1);
    assert_string_equal(weft_task_name(task), "reader");
    assert_int_equal(weft_await(task), 0);
    weft_task_release(task);
    note("| ");
    weft_tracker_spawn(&t, give_value, &t, .task = &task, .eager = true, .drop = note_drop);
    assert_int_equal(weft_tracker_count(&t), 0);
    assert_string_equal(weft_task_name(task), "give_value");
    assert_int_equal(weft_task_result(task, &value), 0);
    assert_ptr_equal(value, &t);
    weft_task_release(task);
    note("| ");
    weft_tracker_spawn(&t, note_arg, "never", .task = &task, .drop = note_drop);
    weft_task_cancel(task, "before its first step");
    weft_tracker_close(&t);
    assert_int_equal(weft_tracker_wait(&t), 0);
    assert_true(weft_task_is_cancelled(task));
    weft_task_release(task);
    weft_tracker_fini(&t);
    return 0;
}

static void test_tracker_spawns_with_the_options_of_weft_spawn(void **state)
{
    (void)state;
    assert_int_equal(run(options_main, NULL), 0);
    assert_string_equal(trace, "copied d| d| d");
}

static int failure_main(void *arg)
{
    static int code = -EBADF;
    weft_tracker t;
    (void)arg;
    weft_tracker_init(&t);
    weft_tracker_spawn(&t, return_code, &code);
    weft_tracker_close(&t);
    assert_int_equal(weft_tracker_wait(&t), 0);
    weft_tracker_fini(&t);
    return 0;
}

static void test_tracker_a_failure_in_the_background_is_told_as_always(void **state)
{
    (void)state;
    assert_int_equal(run(failure_main, NULL), 0);
    expect_log("task 'return_code' failed: Bad file descriptor (EBADF); spawned at ");
}

static int refused_main(void *arg)
{
    (void)arg;
    weft_tracker t;
    weft_scope scope;
    weft_tracker_stats stats;
    char text[8] = "";
    weft_tracker_init(&t);
    weft_scope_begin(&scope);
    assert_int_equal(weft_scope_end(&scope), 0);
    assert_int_equal(weft_tracker_spawn(&t, return_zero, NULL, .scope = &scope, .drop = note_drop),
                     -ESHUTDOWN);
    weft_scope_begin(&scope);
    assert_int_equal(weft_tracker_spawn(&t, return_zero, text, .scope = &scope, .copy = 1025),
                     -EINVAL);
    assert_int_equal(weft_scope_end(&scope), -EINVAL); /* it cannot be overlooked */
    assert_int_equal(weft_tracker_count(&t), 0);
    weft_tracker_get_stats(&t, &stats);
    assert_int_equal(stats.spawned, 0);
    weft_tracker_close(&t);
    assert_int_equal(weft_tracker_wait(&t), 0);
    weft_tracker_fini(&t);
    return 0;
}

static void test_tracker_a_failed_spawn_does_not_count(void **state)
{
    (void)state;
    assert_int_equal(run(refused_main, NULL), 0);
    assert_string_equal(trace, "");
    expect_log("a task was spawned into a scope that has ended");
    expect_log(".copy of 1025 bytes at ");
}

static bool refusing;

static void *refuse_memory(void *context, size_t size)
{
    (void)context;
    return refusing ? NULL : malloc(size);
}

static void *refuse_resize(void *context, void *memory, size_t size)
{
    (void)context;
    return refusing ? NULL : realloc(memory, size);
}

static void give_back(void *context, void *memory)
{
    (void)context;
    free(memory);
}

static int no_memory_main(void *arg)
{
    (void)arg;
    weft_tracker t;
    weft_scope scope;
    weft_tracker_init(&t);
    weft_scope_begin(&scope);
    refusing = true;
    int err = weft_tracker_spawn(&t, return_zero, NULL, .scope = &scope);
    int background = weft_tracker_spawn(&t, return_zero, NULL);
    refusing = false;
    assert_int_equal(err, -ENOMEM);
    assert_int_equal(background, -ENOMEM);
    assert_int_equal(weft_scope_end(&scope), -ENOMEM);
    assert_int_equal(weft_tracker_count(&t), 0);
    weft_tracker_fini(&t);
    return 0;
}

static void test_tracker_a_spawn_without_memory_fails_the_scope(void **state)
{
    static const struct weft_allocator allocator = { refuse_memory, refuse_resize, give_back,
                                                     NULL };
    (void)state;
    assert_int_equal(weft_set_allocator(&allocator), 0);
    assert_int_equal(run(no_memory_main, NULL), 0);
    assert_int_equal(weft_set_allocator(NULL), 0);
    expect_log("task 'return_zero' could not be spawned: Cannot allocate memory");
}

/* Threads, ends. */

static weft_tracker shared;

static int in_another_loop(void *arg)
{
    (void)arg;
    assert_int_equal(weft_tracker_wait(&shared), WEFT_ETHREAD);
    assert_int_equal(weft_tracker_spawn(&shared, return_zero, NULL), WEFT_ETHREAD);
    return 0;
}

static void *from_another_thread(void *arg)
{
    (void)arg;
    assert_int_equal(weft_tracker_spawn(&shared, return_zero, NULL), WEFT_ETHREAD);
    assert_int_equal(weft_tracker_add(&shared, 1), WEFT_ETHREAD);
    assert_int_equal(weft_tracker_done(&shared), WEFT_ETHREAD);
    weft_tracker_close(&shared);
    assert_int_equal(run(in_another_loop, NULL), 0);
    return NULL;
}

static int thread_main(void *arg)
{
    weft_tracker_stats stats;
    pthread_t thread;
    (void)arg;
    weft_tracker_init(&shared);
    weft_tracker_add(&shared, 1);
    assert_int_equal(pthread_create(&thread, NULL, from_another_thread, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    weft_tracker_get_stats(&shared, &stats);
    assert_int_equal(stats.added, 1);
    assert_false(stats.closed);
    weft_tracker_fini(&shared);
    return 0;
}

static void test_tracker_another_thread_is_refused(void **state)
{
    (void)state;
    assert_int_equal(run(thread_main, NULL), 0);
    expect_log("was used by another thread than its own");
}

static void test_tracker_outside_a_loop_spawns_nothing(void **state)
{
    weft_tracker t;
    (void)state;
    weft_tracker_init(&t);
    assert_int_equal(weft_tracker_spawn(&t, return_zero, NULL), -EPERM);
    assert_int_equal(weft_tracker_wait(&t), -EPERM);
    assert_int_equal(weft_tracker_count(&t), 0);
    weft_tracker_fini(&t);
    expect_log("a task was spawned where there is no loop");
    expect_log("a function that suspends was called outside a task");
}

static int leave_waiter(void *arg)
{
    (void)arg;
    weft_tracker_init(&shared);
    weft_spawn(weft_background(), wait_and_note, &shared);
    weft_sleep(SECOND);
    weft_tracker_fini(&shared);
    return 0;
}

static int leave_task(void *arg)
{
    (void)arg;
    weft_tracker_init(&shared);
    weft_tracker_spawn(&shared, sleep_second, NULL);
    weft_tracker_fini(&shared);
    return 0;
}

static void give_up_waited_for(void)
{
    run(leave_waiter, NULL);
}

static void give_up_counting(void)
{
    run(leave_task, NULL);
}

static void test_tracker_given_up_in_use_aborts(void **state)
{
    (void)state;
    expect_abort(give_up_waited_for, "was given up while it is in use; waiting: 1");
    expect_abort(give_up_counting, "was given up while it is in use; waiting: 0");
}

static int end_main(void *arg)
{
    (void)arg;
    weft_tracker_init(&shared);
    weft_tracker_spawn(&shared, sleep_forever, NULL);
    return weft_sleep(0);
}

static void test_tracker_the_end_of_the_loop_ends_what_it_counts(void **state)
{
    (void)state;
    assert_int_equal(run(end_main, NULL), 0);
    assert_int_equal(weft_tracker_count(&shared), 0);
    weft_tracker_fini(&shared);
}

static int dump_main(void *arg)
{
    (void)arg;
    weft_tracker t;
    weft_scope scope;
    weft_tracker_init(&t);
    weft_tracker_add(&t, 3);
    weft_scope_begin(&scope);
    weft_spawn(&scope, wait_and_note, &t);
    weft_sleep(SECOND);
    dump_now();
    EXPECT_ORDER("parked: waits for the tracker (made at ",
                 "test_tracker.c:", "), which counts 3 and is not closed, for 1.00 s");
    weft_tracker_close(&t);
    dump_now();
    expect_text("), which counts 3, for 1.00 s");
    for (int i = 0; i < 3; i++)
        weft_tracker_done(&t);
    int err = weft_scope_end(&scope);
    weft_tracker_fini(&t);
    return err;
}

static void test_tracker_a_dump_says_what_it_counts(void **state)
{
    (void)state;
    assert_int_equal(run(dump_main, NULL), 0);
}

static int spawn_one_more(void *arg)
{
    int err = weft_sleep(SECOND);
    weft_tracker_spawn(arg, sleep_and_note, "m");
    note("f");
    return err;
}

static void spawn_in_callback(void *arg)
{
    assert_int_equal(weft_tracker_spawn(arg, spawn_one_more, arg), 0);
    weft_tracker_close(arg);
}

static int more_main(void *arg)
{
    weft_tracker t;
    weft_scope scope;
    (void)arg;
    weft_tracker_init(&t);
    weft_call_soon(spawn_in_callback, &t);
    assert_int_equal(weft_tracker_wait(&t), 0);
    note("w");
    weft_tracker_spawn(&t, sleep_and_note, "x");
    weft_scope_begin(&scope);
    weft_scope_cancel(&scope, "enough");
    assert_int_equal(weft_tracker_wait(&t), -ECANCELED);
    assert_int_equal(weft_scope_end(&scope), 0);
    assert_int_equal(weft_tracker_wait(&t), 0);
    weft_tracker_fini(&t);
    return 0;
}

static void test_tracker_callbacks_spawn_and_tasks_spawn_more(void **state)
{
    (void)state;
    assert_int_equal(run(more_main, NULL), 0);
    assert_string_equal(trace, "fmwx");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_tracker_waits_until_it_is_closed_and_empty),
        core_test(test_tracker_a_cancel_of_who_waits_takes_back_nothing),
        core_test(test_tracker_counts_by_hand),
        core_test(test_tracker_spawns_with_the_options_of_weft_spawn),
        core_test(test_tracker_a_failure_in_the_background_is_told_as_always),
        core_test(test_tracker_a_failed_spawn_does_not_count),
        core_test(test_tracker_a_spawn_without_memory_fails_the_scope),
        core_test(test_tracker_another_thread_is_refused),
        core_test(test_tracker_outside_a_loop_spawns_nothing),
        core_test(test_tracker_given_up_in_use_aborts),
        core_test(test_tracker_the_end_of_the_loop_ends_what_it_counts),
        core_test(test_tracker_a_dump_says_what_it_counts),
        core_test(test_tracker_callbacks_spawn_and_tasks_spawn_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
