/* Task-local values, names, and all tasks: who inherits what, and when owned values go. */

#include "core_test.h"

#include <weft/coro.h>
#include <weft/exception.h>
#include <weft/future.h>
#include <weft/generator.h>
#include <weft/local.h>
#include <weft/stream.h>

static weft_local color = WEFT_LOCAL("color"), shape = WEFT_LOCAL("shape");

static const char *color_now(void)
{
    const char *value = weft_local_get(&color);
    return value ? value : "-";
}

static void set_color(const char *value)
{
    assert_int_equal(weft_local_set(&color, (void *)(uintptr_t)value), 0);
}

static int note_color(void *arg)
{
    (void)arg;
    note(color_now());
    return 0;
}

static void note_color_later(void *arg)
{
    (void)arg;
    note(color_now());
}

/* Inheriting. */

static int set_own(void *value)
{
    note(color_now());
    set_color(value);
    weft_sleep(0);
    note(color_now());
    return 0;
}

static int inherit_at_spawn(void *arg)
{
    weft_scope scope;
    (void)arg;
    assert_null(weft_local_get(&color));
    set_color("r");
    weft_scope_begin(&scope);
    weft_spawn(&scope, set_own, (void *)(uintptr_t) "g");
    set_color("y");
    weft_spawn(&scope, set_own, (void *)(uintptr_t) "b");
    assert_int_equal(weft_scope_end(&scope), 0);
    note(color_now());
    return 0;
}

static void test_local_spawn_takes_the_values_of_that_moment(void **state)
{
    (void)state;
    assert_int_equal(run(inherit_at_spawn, NULL), 0);
    assert_string_equal(trace, "rygby");
}

static int several(void *arg)
{
    (void)arg;
    assert_int_equal(weft_local_set(&shape, &shape), 0);
    set_color("r");
    assert_ptr_equal(weft_local_get(&shape), &shape);
    assert_int_equal(weft_local_set(&shape, NULL), 0);
    assert_null(weft_local_get(&shape));
    assert_int_equal(weft_local_set(&shape, NULL), 0);
    assert_string_equal(color_now(), "r");
    set_color("g");
    assert_string_equal(color_now(), "g");
    return 0;
}

static void test_local_keys_are_apart_and_null_takes_away(void **state)
{
    (void)state;
    assert_int_equal(run(several, NULL), 0);
}

static int set_green(void *arg)
{
    (void)arg;
    set_color("g");
    return 0;
}

static int await_coroutine(void *arg)
{
    (void)arg;
    set_color("r");
    assert_int_equal(weft_await(weft_coro_new(set_green, NULL)), 0);
    assert_string_equal(color_now(), "g");
    weft_future *called = weft_call(note_color, NULL);
    weft_future_release(called);
    weft_task *task = weft_create_task(weft_coro_new(note_color, NULL));
    set_color("b");
    assert_int_equal(weft_await(task), 0);
    weft_task_release(task);
    return 0;
}

static void test_local_coroutine_shares_the_values_of_who_awaits_it(void **state)
{
    (void)state;
    assert_int_equal(run(await_coroutine, NULL), 0);
    assert_string_equal(trace, "gg");
}

static int paint(weft_gen *gen, void *arg)
{
    (void)arg;
    for (;;) {
        note(color_now());
        set_color("p");
        int err = weft_yield(gen, NULL);
        if (err < 0)
            return err;
    }
}

static int generate(void *arg)
{
    weft_gen *gen;
    (void)arg;
    set_color("r");
    assert_int_equal(weft_gen_open(&gen, paint, NULL), 0);
    assert_int_equal(weft_gen_next(gen, NULL), 1);
    assert_string_equal(color_now(), "p");
    set_color("y");
    assert_int_equal(weft_gen_next(gen, NULL), 1);
    return weft_gen_close(gen);
}

static void test_local_generator_sees_the_values_of_its_consumer(void **state)
{
    (void)state;
    assert_int_equal(run(generate, NULL), 0);
    assert_string_equal(trace, "ry");
}

/* Callbacks. */

static void note_done(weft_future *future, void *arg)
{
    (void)future, (void)arg;
    note(color_now());
}

static void set_in_callback(void *arg)
{
    note(color_now());
    set_color(arg);
    weft_call_soon(note_color_later, NULL);
    weft_spawn(weft_background(), note_color, NULL);
}

static int ask_for_callbacks(void *arg)
{
    (void)arg;
    weft_future *future = weft_future_new();
    set_color("r");
    weft_call_soon(set_in_callback, (void *)(uintptr_t) "b");
    weft_call_later(MILLISECOND, note_color_later, NULL);
    set_color("g");
    weft_future_on_done(future, note_done, NULL);
    weft_call_soon(note_color_later, NULL, .no_locals = true);
    set_color("y");
    weft_future_set(future, NULL);
    weft_future_release(future);
    weft_sleep(2 * MILLISECOND);
    note(color_now());
    return 0;
}

static void test_local_callback_runs_with_the_values_of_who_asked(void **state)
{
    (void)state;
    assert_int_equal(run(ask_for_callbacks, NULL), 0);
    assert_string_equal(trace, "r-gbbry");
}

static int post_to_itself(void *arg)
{
    (void)arg;
    set_color("r");
    assert_int_equal(weft_post(weft_loop_current(), note_color_later, NULL), 0);
    weft_sleep(MILLISECOND);
    weft_spawn(weft_background(), note_color, NULL, .no_locals = true);
    weft_sleep(0);
    return 0;
}

static void test_local_post_and_no_locals_begin_with_none(void **state)
{
    (void)state;
    assert_int_equal(run(post_to_itself, NULL), 0);
    assert_string_equal(trace, "--");
}

/* The loop by hand, and elsewhere. */

static void test_local_set_outside_is_for_what_the_loop_starts(void **state)
{
    (void)state;
    weft_loop *loop;
    assert_int_equal(weft_loop_new(&loop, .clock = WEFT_CLOCK_TEST), 0);
    set_color("r");
    assert_int_equal(weft_loop_run_until_complete(loop, weft_coro_new(note_color, NULL)), 0);
    weft_call_soon(note_color_later, NULL);
    assert_string_equal(color_now(), "r");
    set_color("g");
    assert_int_equal(weft_loop_run_until_complete(loop, weft_coro_new(set_own, "b")), 0);
    assert_string_equal(color_now(), "g");
    assert_int_equal(weft_loop_free(loop), 0);
    assert_string_equal(trace, "rrgb");
}

static unsigned drops;

static void count_drop(void *value)
{
    drops += *(unsigned *)value;
}

static void test_local_without_a_loop_is_refused(void **state)
{
    (void)state;
    unsigned one = 1;
    drops = 0;
    assert_int_equal(weft_local_set(&color, "r"), -EPERM);
    assert_int_equal(weft_local_set_owned(&color, &one, count_drop), -EPERM);
    assert_int_equal(drops, 1);
    assert_null(weft_local_get(&color));
    take_log("the task-local value 'color' was set where there is no loop");
}

static int get_on_thread(void *arg)
{
    *(void **)arg = weft_local_get(&color);
    return weft_local_set(&color, "b");
}

static void drop_nothing(void *arg)
{
    (void)arg;
}

static int ask_thread(void *arg)
{
    void *seen = NULL;
    (void)arg;
    set_color("r");
    assert_int_equal(weft_blocking(get_on_thread, &seen), -EPERM);
    assert_string_equal(seen, "r");
    assert_int_equal(weft_blocking(get_on_thread, &seen, .abandon = drop_nothing), -EPERM);
    assert_null(seen);
    assert_string_equal(color_now(), "r");
    take_log("the task-local value 'color' was set where there is no loop");
    return 0;
}

static void test_local_blocking_job_reads_those_of_who_waits(void **state)
{
    (void)state;
    assert_int_equal(run(ask_thread, NULL), 0);
}

static int client_notes(weft_stream *client, void *arg)
{
    (void)client, (void)arg;
    note(color_now());
    return 0;
}

static int serve_red(void *listener)
{
    set_color("r");
    return weft_serve_on(listener, client_notes);
}

static int serve_and_connect(void *arg)
{
    weft_listener *listener;
    weft_stream *stream;
    char byte;
    (void)arg;
    assert_int_equal(weft_listen(&listener, "mem:locals"), 0);
    weft_spawn(weft_background(), serve_red, listener);
    for (int i = 0; i < 2; i++) {
        set_color("c");
        assert_int_equal(weft_connect(&stream, "mem:locals"), 0);
        assert_int_equal(weft_read(stream, &byte, 1), 0);
        weft_close(stream);
    }
    weft_listener_stop(listener);
    weft_sleep(SECOND);
    weft_listener_close(listener);
    return 0;
}

static void test_local_clients_begin_with_those_of_who_serves(void **state)
{
    (void)state;
    assert_int_equal(run(serve_and_connect, NULL), 0);
    assert_string_equal(trace, "rr");
}

/* Owned values. */

static unsigned ones[4] = { 1, 10, 100, 1000 };

static int hold_a_second(void *arg)
{
    (void)arg;
    weft_local_set(&shape, &shape);
    return weft_sleep(SECOND);
}

static int own(void *arg)
{
    weft_scope scope;
    (void)arg;
    assert_int_equal(weft_local_set_owned(&color, &ones[0], count_drop), 0);
    weft_scope_begin(&scope);
    weft_spawn(&scope, hold_a_second, NULL);
    weft_spawn(&scope, hold_a_second, NULL);
    assert_int_equal(weft_local_set_owned(&color, &ones[1], count_drop), 0);
    weft_sleep(0);
    assert_int_equal(drops, 0);
    assert_int_equal(weft_scope_end(&scope), 0);
    assert_int_equal(drops, 1);
    assert_int_equal(weft_local_set_owned(&color, &ones[2], count_drop), 0);
    assert_int_equal(drops, 11);
    weft_call_later(WEFT_FOREVER, note_color_later, NULL);
    assert_int_equal(weft_local_set(&color, NULL), 0);
    assert_int_equal(drops, 11);
    return 0;
}

static void test_local_owned_value_goes_with_its_last_holder(void **state)
{
    (void)state;
    drops = 0;
    assert_int_equal(run(own, NULL), 0);
    assert_int_equal(drops, 111);
}

static weft_handle later;

static int hold_by_callbacks(void *arg)
{
    (void)arg;
    weft_future *future = weft_future_new();
    weft_local_set_owned(&color, &ones[0], count_drop);
    later = weft_call_later(SECOND, note_color_later, NULL);
    weft_local_set_owned(&color, &ones[1], count_drop);
    weft_future_on_done(future, note_done, NULL);
    weft_local_set_owned(&color, &ones[2], count_drop);
    assert_int_equal(drops, 0);
    assert_true(weft_handle_cancel(later));
    assert_int_equal(drops, 1);
    assert_int_equal(weft_future_remove_callback(future, note_done, NULL), 1);
    assert_int_equal(drops, 11);
    weft_future_release(future);
    return 0;
}

static void test_local_cancelled_callback_lets_its_values_go(void **state)
{
    (void)state;
    drops = 0;
    assert_int_equal(run(hold_by_callbacks, NULL), 0);
    assert_int_equal(drops, 111);
}

static void set_again(void *value)
{
    drops += *(unsigned *)value;
    weft_local_set(&shape, &shape);
}

static int set_while_dropping(void *arg)
{
    (void)arg;
    weft_local_set_owned(&color, &ones[0], set_again);
    weft_local_set_owned(&color, &ones[1], set_again);
    assert_null(weft_local_get(&shape));
    return 0;
}

static void test_local_drop_may_set_values_and_they_are_not_the_tasks(void **state)
{
    (void)state;
    drops = 0;
    assert_int_equal(run(set_while_dropping, NULL), 0);
    assert_int_equal(drops, 11);
}

/* An exception handler learns for whom the task worked. */

static int handle(weft_loop *loop, const weft_exception *exception, void *context)
{
    (void)loop, (void)exception, (void)context;
    note(color_now());
    return 0;
}

static int fail_in_red(void *arg)
{
    (void)arg;
    set_color("r");
    return -EIO;
}

static int fail_in_background(void *arg)
{
    (void)arg;
    weft_loop_set_exception_handler(weft_loop_current(), handle, NULL);
    set_color("m");
    weft_spawn(weft_background(), fail_in_red, NULL);
    weft_sleep(0);
    note(color_now());
    return 0;
}

static void test_local_exception_handler_sees_those_of_the_failed_task(void **state)
{
    (void)state;
    assert_int_equal(run(fail_in_background, NULL), 0);
    assert_string_equal(trace, "rm");
}

/* Names. */

static int rename_self(void *arg)
{
    weft_task *self = weft_task_self();
    (void)arg;
    assert_int_equal(weft_task_set_name(self, "reading"), 0);
    assert_string_equal(weft_task_name(self), "reading");
    assert_int_equal(weft_task_set_name(self, weft_task_name(self) + 4), 0);
    assert_string_equal(weft_task_name(self), "ing");
    assert_int_equal(weft_task_set_name(self, "a name that is longer than what a task may keep"),
                     0);
    assert_string_equal(weft_task_name(self), "a name that is longer than what");
    assert_int_equal(weft_task_set_name(NULL, "nobody"), -ENOMEM);
    return 0;
}

static void test_task_set_name_keeps_a_copy(void **state)
{
    (void)state;
    assert_int_equal(run(rename_self, NULL), 0);
}

/* All tasks. */

static int note_name(weft_task *task, void *arg)
{
    (void)arg;
    note(weft_task_name(task));
    return 0;
}

static int stop_at_second(weft_task *task, void *count)
{
    (void)task;
    return ++*(int *)count == 2 ? 7 : 0;
}

static int cancel_other(weft_task *task, void *self)
{
    if (task != self)
        weft_task_cancel(task, "only one may stay");
    return weft_sleep(0);
}

static int look_at_all(void *arg)
{
    weft_scope scope;
    int count = 0;
    (void)arg;
    weft_scope_begin(&scope);
    weft_spawn(&scope, sleep_forever, NULL, .name = "1");
    weft_spawn(weft_background(), sleep_forever, NULL, .name = "3");
    weft_spawn(&scope, sleep_forever, NULL, .name = "2");
    assert_int_equal(weft_task_each(note_name, NULL), 0);
    assert_int_equal(weft_task_each(stop_at_second, &count), 7);
    assert_int_equal(weft_task_each(cancel_other, weft_task_self()), 0);
    assert_int_equal(weft_task_each(note_name, NULL), 0);
    return weft_scope_end(&scope);
}

static void test_task_each_finds_all_and_lets_them_be_cancelled(void **state)
{
    (void)state;
    assert_int_equal(run(look_at_all, NULL), 0);
    assert_string_equal(trace, "main123main");
}

static int end_it(weft_task *task, void *other)
{
    note(weft_task_name(task));
    weft_task_cancel(other, "enough");
    return weft_sleep(SECOND);
}

static int each_ends_others(void *arg)
{
    weft_task *task;
    (void)arg;
    weft_spawn(weft_background(), sleep_forever, NULL, .name = "1", .task = &task);
    assert_int_equal(weft_task_each(end_it, task), 0);
    weft_task_release(task);
    return 0;
}

static void test_task_each_leaves_out_who_ended_meanwhile(void **state)
{
    (void)state;
    assert_int_equal(run(each_ends_others, NULL), 0);
    assert_string_equal(trace, "main");
}

static void test_task_each_without_a_loop_is_refused(void **state)
{
    (void)state;
    assert_int_equal(weft_task_each(note_name, NULL), -EPERM);
    expect_log("weft_task_each() where there is no loop");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_local_spawn_takes_the_values_of_that_moment),
        core_test(test_local_keys_are_apart_and_null_takes_away),
        core_test(test_local_coroutine_shares_the_values_of_who_awaits_it),
        core_test(test_local_generator_sees_the_values_of_its_consumer),
        core_test(test_local_callback_runs_with_the_values_of_who_asked),
        core_test(test_local_post_and_no_locals_begin_with_none),
        core_test(test_local_set_outside_is_for_what_the_loop_starts),
        core_test(test_local_without_a_loop_is_refused),
        core_test(test_local_blocking_job_reads_those_of_who_waits),
        core_test(test_local_clients_begin_with_those_of_who_serves),
        core_test(test_local_owned_value_goes_with_its_last_holder),
        core_test(test_local_cancelled_callback_lets_its_values_go),
        core_test(test_local_drop_may_set_values_and_they_are_not_the_tasks),
        core_test(test_local_exception_handler_sees_those_of_the_failed_task),
        core_test(test_task_set_name_keeps_a_copy),
        core_test(test_task_each_finds_all_and_lets_them_be_cancelled),
        core_test(test_task_each_leaves_out_who_ended_meanwhile),
        core_test(test_task_each_without_a_loop_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
