/* Tasks: birth, start, names, arguments, results, handles, death. */

#include "core_test.h"

/* Start. */

static int suspend_and_note(void *arg)
{
    note(arg);
    weft_sleep(0);
    note(arg);
    return 0;
}

static int starts_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, suspend_and_note, "a");
    weft_spawn(&s, suspend_and_note, "b");
    weft_spawn(&s, note_arg, "c");
    note("m");
    weft_sleep(0);
    note("n");
    return weft_scope_end(&s);
}

static void test_task_start_order_is_creation_order_after_the_creator_suspends(void **state)
{
    (void)state;
    assert_int_equal(run(starts_main, NULL), 0);
    assert_string_equal(trace, "mabcnab");
}

static int eager_child(void *arg)
{
    assert_non_null(*(weft_task **)arg);
    assert_ptr_equal(*(weft_task **)arg, weft_task_self());
    note("1");
    weft_sleep(0);
    note("2");
    return 0;
}

static int eager_main(void *arg)
{
    (void)arg;
    weft_task *task = NULL;
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, note_arg, "x");
    weft_spawn(&s, eager_child, &task, .eager = true, .task = &task);
    note("m");
    int err = weft_scope_end(&s);
    weft_task_release(task);
    return err;
}

static void test_semantics_22_eager_has_its_handle_before_its_first_step(void **state)
{
    (void)state;
    assert_int_equal(run(eager_main, NULL), 0);
    assert_string_equal(trace, "1mx2");
}

static int eager_leaf(void *arg)
{
    note(arg);
    weft_sleep(0);
    note(arg);
    return 0;
}

static int eager_nest(void *arg)
{
    weft_scope s;
    int depth = *(int *)arg;
    char name[2] = { (char)('0' + depth), 0 };
    note(name);
    if (depth == 0)
        return weft_sleep(0);
    int next = depth - 1;
    weft_scope_begin(&s);
    weft_spawn(&s, eager_nest, &next, .eager = true);
    note(name);
    int err = weft_scope_end(&s);
    note(name);
    return err;
}

static void test_task_eager_inside_eager_comes_back_in_order(void **state)
{
    (void)state;
    int depth = 3;
    assert_int_equal(run(eager_nest, &depth), 0);
    assert_string_equal(trace, "3210123123");
}

static void spawn_eagerly(void *arg)
{
    note("c");
    weft_spawn(weft_background(), eager_leaf, arg, .eager = true);
    note("d");
}

static int callback_eager_main(void *arg)
{
    (void)arg;
    weft_call_soon(spawn_eagerly, "e");
    note("m");
    weft_sleep(0);
    note("n");
    return weft_sleep(SECOND);
}

static void test_task_eager_from_a_callback_comes_back_to_it(void **state)
{
    (void)state;
    assert_int_equal(run(callback_eager_main, NULL), 0);
    assert_string_equal(trace, "mcedne");
}

static int many_eager_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s);
    for (int i = 0; i < 1000; i++) {
        weft_spawn(&s, return_zero, NULL, .eager = true);
        weft_spawn(&s, sleep_second, NULL, .eager = i % 2);
        weft_spawn(&s, return_zero, NULL);
    }
    return weft_scope_end(&s);
}

static void test_task_thousands_of_starts_of_all_kinds_end(void **state)
{
    (void)state;
    assert_int_equal(run(many_eager_main, NULL), 0);
}

/* Arguments. */

static int check_copy(void *arg)
{
    assert_int_equal((uintptr_t)arg % 16, 0);
    for (int i = 0; i < 1024; i++)
        assert_int_equal(((unsigned char *)arg)[i], i & 255);
    memset(arg, 0, 1024);
    return 0;
}

static int copy_main(void *arg)
{
    (void)arg;
    unsigned char bytes[1024];
    weft_scope s;
    weft_scope_begin(&s);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 1024; i++)
            bytes[i] = (unsigned char)i;
        assert_int_equal(weft_spawn(&s, check_copy, bytes, .copy = sizeof bytes), 0);
        assert_int_equal(
            weft_spawn(&s, check_copy, bytes, .copy = sizeof bytes, .stack_size = 16 << 10), 0);
        memset(bytes, 0xff, sizeof bytes);
    }
    return weft_scope_end(&s);
}

static void test_semantics_27_copied_arguments_arrive_aligned_and_whole(void **state)
{
    (void)state;
    assert_int_equal(run(copy_main, NULL), 0);
}

static int dropped;

static void count_drop(void *arg)
{
    assert_null(weft_task_self());
    dropped += *(int *)arg;
}

static int drop_main(void *arg)
{
    (void)arg;
    int one = 1, hundred = 100;
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, return_zero, &one, .drop = count_drop);
    weft_spawn(&s, sleep_second, &one, .drop = count_drop);
    weft_spawn(&s, return_zero, &one, .drop = count_drop, .eager = true);
    assert_int_equal(dropped, 1);
    weft_sleep(0);
    assert_int_equal(dropped, 2);
    weft_scope_cancel(&s, "test");
    weft_spawn(&s, sleep_second, &one, .drop = count_drop); /* never starts */
    weft_spawn(&s, return_zero, &one, .drop = count_drop, .eager = true);
    weft_spawn(&s, return_zero, &one, .drop = count_drop, .copy = sizeof one);
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(dropped, 6);
    assert_int_equal(weft_spawn(&s, return_zero, &hundred, .drop = count_drop), -ESHUTDOWN);
    assert_int_equal(weft_spawn(&s, return_zero, &hundred, .drop = count_drop, .copy = 1025),
                     -ESHUTDOWN);
    return dropped;
}

static void test_semantics_29_drop_runs_exactly_once_whether_the_body_ran_or_not(void **state)
{
    (void)state;
    dropped = 0;
    assert_int_equal(run(drop_main, NULL), 6);
    assert_int_equal(dropped, 6);
    expect_log("into a scope that has ended");
}

static int refused_main(void *arg)
{
    (void)arg;
    int one = 1;
    weft_scope s;
    weft_scope_begin(&s);
    assert_int_equal(weft_spawn(&s, return_zero, &one, .drop = count_drop, .copy = 1025), -EINVAL);
    assert_int_equal(
        weft_spawn(&s, return_zero, &one, .drop = count_drop, .stack_size = (256 << 10) + 1),
        -EINVAL);
    assert_int_equal(dropped, 0);
    assert_int_equal(weft_scope_end(&s), -EINVAL);
    return 0;
}

static void test_semantics_29_a_refused_spawn_leaves_the_argument_with_the_caller(void **state)
{
    (void)state;
    dropped = 0;
    assert_int_equal(run(refused_main, NULL), 0);
    expect_log(".copy of 1025 bytes");
    expect_log(".stack_size of 262145");
}

static void spawn_in_drop(void *arg)
{
    assert_int_equal(weft_sleep(0), -EPERM);
    weft_spawn(weft_background(), eager_leaf, arg, .eager = true);
    note("d");
}

static int drop_spawns_main(void *arg)
{
    (void)arg;
    weft_task *task;
    weft_spawn(weft_background(), note_arg, "e", .drop = spawn_in_drop, .task = &task);
    note("m");
    int err = weft_await(task);
    weft_task_release(task);
    note("n");
    weft_sleep(SECOND);
    return err;
}

static void test_task_drop_may_spawn_even_eagerly(void **state)
{
    (void)state;
    assert_int_equal(run(drop_spawns_main, NULL), 0);
    assert_string_equal(trace, "medene"); /* in the next turn: a drop has no first suspension */
    expect_log("called outside a task");
}

/* Names. */

static int check_name(void *arg)
{
    assert_string_equal(weft_task_name(weft_task_self()), arg);
    return 0;
}

static int names_main(void *arg)
{
    (void)arg;
    char name[64] = "worker 7";
    weft_scope s;
    assert_string_equal(weft_task_name(weft_task_self()), "main");
    assert_string_equal(weft_task_name(NULL), "?");
    weft_scope_begin(&s);
    weft_spawn(&s, check_name, "check_name");
    weft_spawn(&s, check_name, "worker 7", .name = name);
    snprintf(name, sizeof name, "0123456789012345678901234567890123456789");
    weft_spawn(&s, check_name, "0123456789012345678901234567890", .name = name);
    name[0] = '\0';
    return weft_scope_end(&s);
}

static void test_semantics_27_a_name_is_copied_and_cut_at_31_bytes(void **state)
{
    (void)state;
    assert_int_equal(run(names_main, NULL), 0);
}

/* Stacks. */

static int use_stack(void *arg)
{
    size_t size = *(size_t *)arg;
    char *low = __builtin_alloca(size);
    memset(low, 1, size);
    return low[size / 2] - 1;
}

static int stacks_main(void *arg)
{
    (void)arg;
    weft_scope s;
    size_t small = 6 << 10, medium = 50 << 10, large = 230 << 10;
    weft_scope_begin(&s);
    for (int i = 0; i < 3; i++) {
        weft_spawn(&s, use_stack, &small, .stack_size = 1);
        weft_spawn(&s, use_stack, &medium);
        weft_spawn(&s, use_stack, &large, .stack_size = 256 << 10);
        weft_spawn(&s, use_stack, &small, .stack_size = 16 << 10);
    }
    return weft_scope_end(&s);
}

static void test_task_stack_sizes_hold_what_they_promise(void **state)
{
    (void)state;
    assert_int_equal(run(stacks_main, NULL), 0);
}

static int no_stack_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, sleep_second, NULL);
    weft_spawn(&s, sleep_second, NULL);
    weft_spawn(&s, sleep_second, NULL);
    return weft_scope_end(&s);
}

static void test_task_beyond_the_limit_of_stacks_fails_its_scope(void **state)
{
    (void)state;
    int err = weft_run(no_stack_main, NULL, .clock = WEFT_CLOCK_TEST, .no_signals = true,
                       .stacks_max = 3);
    assert_int_equal(err, -ENOMEM);
}

/* Results. */

static int value_of_arg(void *arg)
{
    return weft_return(arg);
}

static int forward_value(void *arg)
{
    return value_of_arg(arg);
}

static int ignore_value(void *arg)
{
    (void)value_of_arg(arg);
    return 0;
}

static int value_then_sleep(void *arg)
{
    int result = weft_return(arg);
    weft_sleep(SECOND);
    return result;
}

static void *await_value(weft_fn *fn, void *arg)
{
    weft_task *task;
    void *value = "untouched";
    weft_spawn(weft_background(), fn, arg, .task = &task);
    assert_int_equal(weft_await_value(task, &value), 0);
    void *again = NULL;
    assert_int_equal(weft_task_result(task, &again), 0);
    assert_ptr_equal(again, value);
    weft_task_release(task);
    return value;
}

static int values_main(void *arg)
{
    (void)arg;
    assert_string_equal(await_value(value_of_arg, "a"), "a");
    assert_string_equal(await_value(forward_value, "b"), "b");
    assert_null(await_value(ignore_value, "c"));
    assert_null(await_value(return_zero, "d"));
    weft_task *slow, *fast;
    void *value;
    weft_spawn(weft_background(), value_then_sleep, "slow", .task = &slow);
    weft_spawn(weft_background(), value_of_arg, "fast", .task = &fast);
    assert_int_equal(weft_await_value(slow, &value), 0);
    assert_string_equal(value, "slow");
    assert_int_equal(weft_await_value(fast, &value), 0);
    assert_string_equal(value, "fast");
    weft_task_release(slow);
    weft_task_release(fast);
    return weft_return("main's");
}

static void test_semantics_06_a_value_goes_with_the_return_that_says_so_and_no_other(void **state)
{
    (void)state;
    assert_int_equal(run(values_main, NULL), 0);
}

static void mark_freed(void *value)
{
    ++*(int *)value;
}

static int owned_value(void *arg)
{
    return weft_return_owned(arg, mark_freed);
}

static int owned_main(void *arg)
{
    int *frees = arg;
    weft_task *task;
    weft_spawn(weft_background(), owned_value, frees, .task = &task);
    weft_await(task);
    void *value;
    assert_int_equal(weft_task_result(task, &value), 0);
    assert_ptr_equal(value, frees);
    assert_int_equal(*frees, 0);
    weft_task_release(task);
    assert_int_equal(*frees, 1);
    weft_spawn(weft_background(), owned_value, frees); /* detached: nobody can read it */
    weft_sleep(0);
    return *frees;
}

static void test_semantics_06_an_owned_value_is_freed_with_the_last_handle(void **state)
{
    (void)state;
    int frees = 0;
    assert_int_equal(run(owned_main, &frees), 2);
}

static int return_local(void *arg)
{
    (void)arg;
    volatile char local[16] = "x";
    return weft_return((void *)(uintptr_t)local);
}

static int return_copied(void *arg)
{
    return weft_return(arg);
}

static int return_local_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, return_local, NULL, .name = "culprit");
    return weft_scope_end(&s);
}

static int return_copied_main(void *arg)
{
    (void)arg;
    int x = 1;
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, return_copied, &x, .copy = sizeof x, .name = "culprit");
    return weft_scope_end(&s);
}

static void abort_by_local(void)
{
    run(return_local_main, NULL);
}

static void abort_by_copied(void)
{
    run(return_copied_main, NULL);
}

static int give_up_owned(void *arg)
{
    weft_return_owned(arg, mark_freed);
    weft_return_owned(arg, mark_freed); /* the first is nobody's now */
    return 0;
}

static int give_up_main(void *arg)
{
    int *frees = arg;
    weft_task *task;
    weft_spawn(weft_background(), give_up_owned, arg, .task = &task);
    assert_int_equal(weft_await(task), 0);
    assert_int_equal(*frees, 2);
    weft_task_release(task);
    assert_int_equal(*frees, 2);
    return 0;
}

static void test_semantics_06_an_owned_value_that_nobody_took_is_freed(void **state)
{
    (void)state;
    int frees = 0;
    assert_int_equal(run(give_up_main, &frees), 0);
}

static void test_semantics_06_a_pointer_into_the_dead_stack_aborts(void **state)
{
    (void)state;
    expect_abort(abort_by_local, "task 'culprit' (spawned at ");
    expect_abort(abort_by_copied, "returned a pointer into its own stack");
}

/* Awaiting. */

static int await_done_main(void *arg)
{
    (void)arg;
    int seven = 7;
    weft_task *task;
    weft_spawn(weft_background(), return_code, &seven, .task = &task);
    assert_int_equal(weft_task_result(task, NULL), -EAGAIN);
    assert_false(weft_task_is_done(task));
    assert_int_equal(weft_await(task), 7);
    assert_true(weft_task_is_done(task));
    weft_spawn(weft_background(), note_arg, "x");
    for (int i = 0; i < 100; i++)
        assert_int_equal(weft_await(task), 7);
    assert_string_equal(trace, ""); /* no turn was spent */
    for (int i = 0; i < 100; i++)
        assert_int_equal(weft_task_result(task, NULL), 7);
    weft_task_release(task);
    return 0;
}

static void test_task_await_of_a_done_task_costs_no_turn(void **state)
{
    (void)state;
    assert_int_equal(run(await_done_main, NULL), 0);
}

struct cycle {
    weft_task *a, *b;
    int a_result;
};

static int await_b(void *arg)
{
    struct cycle *cycle = arg;
    return cycle->a_result = weft_await(cycle->b);
}

static int await_a(void *arg)
{
    struct cycle *cycle = arg;
    int err = weft_await(cycle->a);
    assert_int_equal(err, -EDEADLK);
    assert_non_null(strstr(weft_error_detail(), "would wait for its own end"));
    return 5;
}

static int child_awaits_parent(void *arg)
{
    return weft_await((weft_task *)arg) == -EDEADLK ? 0 : 1;
}

static int cycle_main(void *arg)
{
    (void)arg;
    struct cycle cycle = { .a_result = 1 };
    weft_scope s;
    assert_int_equal(weft_await(weft_task_self()), -EDEADLK);
    weft_scope_begin(&s);
    weft_spawn(&s, await_b, &cycle, .task = &cycle.a);
    weft_spawn(&s, await_a, &cycle, .task = &cycle.b);
    weft_spawn(&s, child_awaits_parent, weft_task_self());
    int err = weft_scope_end(&s);
    assert_int_equal(cycle.a_result, 5);
    weft_task_release(cycle.a);
    weft_task_release(cycle.b);
    return err;
}

static void test_semantics_21_await_of_oneself_a_parent_and_a_cycle_is_edeadlk(void **state)
{
    (void)state;
    assert_int_equal(run(cycle_main, NULL), 0);
    assert_int_equal(take_log("would wait for its own end"), 3);
}

static void test_semantics_21_suspending_outside_a_task_is_eperm(void **state)
{
    (void)state;
    weft_scope s;
    assert_int_equal(weft_sleep(0), -EPERM);
    assert_int_equal(weft_poll_fd(0, WEFT_READABLE), -EPERM);
    assert_int_equal(weft_blocking(return_zero, NULL), -EPERM);
    assert_int_equal(weft_await((weft_task *)NULL), -ENOMEM);
    weft_scope_begin(&s);
    assert_int_equal(weft_scope_end(&s), -EPERM);
    assert_int_equal(weft_spawn(weft_background(), return_zero, NULL), -EPERM);
    assert_null(weft_task_self());
    assert_int_equal(weft_cancelled(), 0);
    take_log("a function that suspends was called outside a task"); /* once in a process */
    expect_log("a scope was begun outside a task");
    expect_log("a scope was ended outside a task");
    expect_log("spawned where there is no loop");
}

static int null_main(void *arg)
{
    (void)arg;
    void *value;
    assert_int_equal(weft_await((weft_task *)NULL), -ENOMEM);
    assert_int_equal(weft_await_value((weft_task *)NULL, &value), -ENOMEM);
    assert_int_equal(weft_task_result(NULL, &value), -ENOMEM);
    assert_false(weft_task_is_done(NULL));
    assert_false(weft_task_is_cancelled(NULL));
    weft_task_cancel(NULL, "why");
    assert_int_equal(weft_task_cancel_requests(NULL), 0);
    weft_task_release(NULL);
    assert_int_equal(weft_loop_free(NULL), 0);
    weft_loop_release(NULL);
    weft_pool_close(NULL);
    return 0;
}

static void test_semantics_12_null_is_answered_by_every_consumer(void **state)
{
    (void)state;
    assert_int_equal(run(null_main, NULL), 0);
}

/* Handles. */

static int make_handles(void *arg)
{
    weft_task **tasks = arg;
    int minus = -EBADF;
    weft_spawn(weft_background(), value_of_arg, "value", .task = &tasks[0]);
    weft_spawn(weft_background(), sleep_forever, NULL, .task = &tasks[1], .name = "sleeper");
    weft_spawn(weft_background(), return_code, &minus, .task = &tasks[2]);
    weft_spawn(weft_background(), owned_value, tasks[3], .task = &tasks[3]);
    return weft_sleep(SECOND);
}

static int await_old_main(void *arg)
{
    assert_int_equal(weft_await((weft_task *)arg), -ESHUTDOWN);
    return 0;
}

static void test_semantics_24_handles_outlive_the_loop(void **state)
{
    (void)state;
    int frees = 0;
    weft_task *tasks[4] = { [3] = (weft_task *)&frees };
    void *value;
    assert_int_equal(run(make_handles, tasks), 0);
    expect_log("task 'return_code' failed and nobody read its result"); /* semantics 8: the end */
    assert_int_equal(weft_task_result(tasks[0], &value), 0);
    assert_string_equal(value, "value");
    assert_int_equal(weft_task_result(tasks[1], NULL), -ECANCELED);
    assert_true(weft_task_is_cancelled(tasks[1]));
    assert_string_equal(weft_task_name(tasks[1]), "sleeper");
    weft_task_cancel(tasks[1], "late");
    assert_int_equal(weft_task_result(tasks[2], NULL), -EBADF);
    assert_int_equal(weft_await(tasks[0]), -EPERM);
    assert_int_equal(run(await_old_main, tasks[0]), 0);
    expect_log("after its loop had ended");
    take_log("outside a task");
    for (int i = 0; i < 4; i++)
        weft_task_release(tasks[i]);
    assert_int_equal(frees, 1);
}

static void *use_from_thread(void *arg)
{
    assert_int_equal(weft_spawn(arg, return_zero, NULL), WEFT_ETHREAD);
    weft_scope_cancel(arg, "from afar");
    weft_scope_set_deadline(arg, 1);
    return NULL;
}

static void *release_from_thread(void *arg)
{
    weft_task_cancel(arg, "from afar");
    weft_task_release(arg);
    return NULL;
}

static void on_thread(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, fn, arg), 0);
    pthread_join(thread, NULL);
}

static int thread_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_task *task;
    weft_scope_begin(&s);
    weft_spawn(&s, sleep_second, NULL, .task = &task);
    on_thread(use_from_thread, &s);
    on_thread(release_from_thread, task);
    assert_int_equal(weft_task_cancel_requests(task), 0);
    weft_task_release(task);
    return weft_scope_end(&s);
}

static void test_semantics_21_another_thread_is_refused(void **state)
{
    (void)state;
    assert_int_equal(run(thread_main, NULL), 0);
    expect_log("the scope 'scope' (begun at"); /* once: the sentence is always the same */
    expect_log("was used from another thread");
}

static int describe(void *arg)
{
    weft_scope s;
    char text[400], cut[10];
    (void)arg;
    weft_scope_begin(&s, .name = "inside");
    weft_task_describe(weft_task_self(), text, sizeof text);
    assert_non_null(strstr(text, "task 'describe' (spawned at "));
    assert_non_null(strstr(text, "); in scope 'inside' ("));
    assert_non_null(strstr(text, "of task 'describe'; in scope 'around' ("));
    assert_string_equal(weft_task_describe(weft_task_self(), cut, sizeof cut), "task 'des");
    assert_string_equal(weft_task_describe(NULL, cut, sizeof cut), "");
    return weft_scope_end(&s);
}

static int describe_main(void *arg)
{
    weft_scope s;
    weft_scope_begin(&s, .name = "around");
    weft_spawn(&s, describe, arg);
    return weft_scope_end(&s);
}

static void test_task_can_be_described(void **state)
{
    (void)state;
    assert_int_equal(run(describe_main, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_task_can_be_described),
        core_test(test_task_start_order_is_creation_order_after_the_creator_suspends),
        core_test(test_semantics_22_eager_has_its_handle_before_its_first_step),
        core_test(test_task_eager_inside_eager_comes_back_in_order),
        core_test(test_task_eager_from_a_callback_comes_back_to_it),
        core_test(test_task_thousands_of_starts_of_all_kinds_end),
        core_test(test_semantics_27_copied_arguments_arrive_aligned_and_whole),
        core_test(test_semantics_29_drop_runs_exactly_once_whether_the_body_ran_or_not),
        core_test(test_semantics_29_a_refused_spawn_leaves_the_argument_with_the_caller),
        core_test(test_task_drop_may_spawn_even_eagerly),
        core_test(test_semantics_27_a_name_is_copied_and_cut_at_31_bytes),
        core_test(test_task_stack_sizes_hold_what_they_promise),
        core_test(test_task_beyond_the_limit_of_stacks_fails_its_scope),
        core_test(test_semantics_06_a_value_goes_with_the_return_that_says_so_and_no_other),
        core_test(test_semantics_06_an_owned_value_is_freed_with_the_last_handle),
        core_test(test_semantics_06_an_owned_value_that_nobody_took_is_freed),
        core_test(test_semantics_06_a_pointer_into_the_dead_stack_aborts),
        core_test(test_task_await_of_a_done_task_costs_no_turn),
        core_test(test_semantics_21_await_of_oneself_a_parent_and_a_cycle_is_edeadlk),
        core_test(test_semantics_21_suspending_outside_a_task_is_eperm),
        core_test(test_semantics_12_null_is_answered_by_every_consumer),
        core_test(test_semantics_24_handles_outlive_the_loop),
        core_test(test_semantics_21_another_thread_is_refused),
    };
    return cmocka_run_group_tests_name("core task", tests, NULL, NULL);
}
