/* The sentences of the safety net: each names what was done and where what it is about was made. */

#include "core_test.h"

#include <weft/future.h>
#include <weft/stream.h>
#include <weft/wait.h>

/* "file:line" of the line that many lines before the call. */
static char site[160];

#define REMEMBER_SITE(lines_before)                                                                \
    snprintf(site, sizeof site, "%s:%d", __FILE__, __LINE__ - (lines_before))

static char sentence[400];

/* The line that the log must have: a format with the site. */
static void expect_sentence(const char *before, const char *after)
{
    snprintf(sentence, sizeof sentence, "%s%s%s", before, site, after);
    expect_log(sentence);
}

/* Destroyed while pending; and spinning on -ECANCELED, which is how one gets there. */

static int deaf(void *arg)
{
    while (!arg)
        weft_sleep(SECOND);
    return 0;
}

static int leave_deaf(void *arg)
{
    (void)arg;
    weft_spawn(weft_background(), deaf, NULL);
    REMEMBER_SITE(1);
    return weft_sleep(0);
}

static int has_line(const char *before, const char *after)
{
    snprintf(sentence, sizeof sentence, "%s%s%s", before, site, after);
    return take_log(sentence) == 1;
}

/* In a process of its own: the stacks stay. */
static int deaf_program(void)
{
    int err = run(leave_deaf, NULL);
    bool right =
        has_line("task 'deaf' (spawned at ",
                 ") was cancelled (the loop ends) and has ignored -ECANCELED 1000 times in "
                 "a row; each further call is slowed down") &&
        has_line("task 'deaf' (spawned at ",
                 ") was destroyed while pending: it still waits for its turn, after it "
                 "has ignored a cancel");
    return err == WEFT_ESTUCK && right && logged.count == 0 ? 0 : 1;
}

static void test_misuse_destroyed_while_pending_and_spinning_are_told_with_the_site(void **state)
{
    (void)state;
    assert_int_equal(exit_status(deaf_program), 0);
}

/* Awaiting oneself, and in a circle. */

static int await_self(void *arg)
{
    weft_task **self = arg;
    return weft_await(*self);
}

static int main_await_self(void *arg)
{
    weft_task *task;
    (void)arg;
    weft_spawn(weft_background(), await_self, &task, .task = &task, .name = "narcissus");
    REMEMBER_SITE(1);
    int err = weft_await((weft_task *)task);
    weft_task_release(task);
    return err;
}

static void test_misuse_awaiting_oneself_is_told_with_the_site(void **state)
{
    (void)state;
    assert_int_equal(run(main_await_self, NULL), -EDEADLK);
    expect_sentence("task 'narcissus' (spawned at ",
                    ") would wait for its own end through task 'narcissus'");
}

static weft_task *circle[3];

static int await_next(void *arg)
{
    return weft_await(*(weft_task **)arg);
}

static int main_circle(void *arg)
{
    (void)arg;
    weft_spawn(weft_background(), await_next, &circle[1], .task = &circle[0], .name = "one");
    weft_spawn(weft_background(), await_next, &circle[2], .task = &circle[1], .name = "two");
    weft_spawn(weft_background(), await_next, &circle[0], .task = &circle[2], .name = "three");
    REMEMBER_SITE(1);
    int err = 0;
    for (int i = 0; i < 3; i++) {
        err = weft_await(circle[i]);
        assert_int_equal(err, -EDEADLK);
        weft_task_release(circle[i]);
    }
    return err;
}

static void test_misuse_awaiting_in_a_circle_is_told_with_the_site(void **state)
{
    (void)state;
    assert_int_equal(run(main_circle, NULL), -EDEADLK);
    expect_sentence("task 'three' (spawned at ", ") would wait for its own end through task 'one'");
}

/* The same through waits for several. */

static int gather_next(void *arg)
{
    weft_future *soon = weft_sleep_future(WEFT_SECOND);
    weft_awaitable *list[] = { weft_any(soon), weft_any(*(weft_task **)arg) };
    int err = weft_gather(list, 2);
    weft_future_release(soon);
    return err;
}

static int wait_for_next(void *arg)
{
    return weft_wait_for(*(weft_task **)arg, WEFT_HOUR);
}

static int main_circle_of_gathers(void *arg)
{
    (void)arg;
    weft_spawn(weft_background(), gather_next, &circle[1], .task = &circle[0], .name = "one");
    weft_spawn(weft_background(), wait_for_next, &circle[2], .task = &circle[1], .name = "two");
    weft_spawn(weft_background(), gather_next, &circle[0], .task = &circle[2], .name = "three");
    REMEMBER_SITE(1);
    for (int i = 2; i >= 0; i--) {
        assert_int_equal(weft_await(circle[i]), -EDEADLK);
        weft_task_release(circle[i]);
    }
    return 0;
}

static void test_misuse_waiting_for_several_in_a_circle_is_told_with_the_site(void **state)
{
    (void)state;
    assert_int_equal(run(main_circle_of_gathers, NULL), 0);
    take_log("would wait for its own end");
}

/* Another loop, another thread. */

static int await_other(void *arg)
{
    return weft_await((weft_task *)arg);
}

static void test_misuse_of_another_loop_is_told_with_the_site(void **state)
{
    (void)state;
    weft_loop *one, *two;
    weft_task *task, *here;
    assert_int_equal(weft_loop_new(&one, .clock = WEFT_CLOCK_TEST), 0);
    weft_spawn(weft_background(), sleep_second, NULL, .name = "elsewhere", .task = &task);
    REMEMBER_SITE(1);
    assert_int_equal(weft_loop_new(&two, .clock = WEFT_CLOCK_TEST), 0);
    assert_int_equal(weft_loop_run_until_complete(two, task), -EXDEV);
    expect_sentence("task 'elsewhere' (spawned at ", ") belongs to another loop");
    weft_spawn(weft_background(), await_other, task, .task = &here);
    assert_int_equal(weft_loop_run_until_complete(two, here), WEFT_ETHREAD);
    expect_sentence("task 'elsewhere' (spawned at ", ") was awaited in another loop");
    weft_task_release(here);
    assert_int_equal(weft_loop_free(two), 0);
    assert_int_equal(weft_loop_run_until_complete(one, task), 0);
    weft_task_release(task);
    assert_int_equal(weft_loop_free(one), 0);
}

static void *cancel_from_outside(void *task)
{
    weft_task_cancel(task, "not mine");
    return NULL;
}

static int main_thread(void *arg)
{
    pthread_t thread;
    weft_task *task;
    (void)arg;
    weft_spawn(weft_background(), sleep_second, NULL, .name = "ours", .task = &task);
    REMEMBER_SITE(1);
    assert_int_equal(pthread_create(&thread, NULL, cancel_from_outside, task), 0);
    pthread_join(thread, NULL);
    int err = weft_await((weft_task *)task);
    weft_task_release(task);
    return err;
}

static void test_misuse_of_another_thread_is_told_with_the_site(void **state)
{
    (void)state;
    assert_int_equal(run(main_thread, NULL), 0);
    expect_sentence("task 'ours' (spawned at ", ") was used from another thread");
}

/* A second reader. */

static int read_some(void *arg)
{
    char byte;
    ssize_t n = weft_read(arg, &byte, 1);
    return n < 0 ? (int)n : 0;
}

static int main_readers(void *arg)
{
    weft_stream *a, *b;
    weft_scope scope;
    (void)arg;
    assert_int_equal(weft_memory_pair(&a, &b), 0);
    weft_scope_begin(&scope);
    weft_spawn(&scope, read_some, a, .name = "first");
    REMEMBER_SITE(1);
    weft_sleep(0);
    int second = read_some(a);
    weft_close(b);
    int err = weft_scope_end(&scope);
    weft_close(a);
    return err < 0 ? err : second;
}

static void test_misuse_a_second_reader_is_told_who_is_the_first(void **state)
{
    (void)state;
    assert_int_equal(run(main_readers, NULL), -EBUSY);
    expect_sentence("task 'first' (spawned at ", ") reads this stream already");
}

/* Suspending in a callback. */

static void suspend(void *arg)
{
    *(int *)arg = weft_sleep(SECOND);
}

static int main_callback(void *arg)
{
    weft_call_soon(suspend, arg);
    REMEMBER_SITE(1);
    return weft_sleep(0);
}

static void test_C12_suspending_in_a_callback_is_refused_by_its_name(void **state)
{
    (void)state;
    int err = 0;
    assert_int_equal(run(main_callback, &err), 0);
    assert_int_equal(err, -EPERM);
    expect_sentence("a function that suspends was called outside a task: in callback 'suspend', "
                    "asked for at ",
                    "");
}

/* A scope left open. */

enum { LEFT_OPEN_LINE = __LINE__ + 5 };
static int leave_open(void *arg)
{
    weft_scope scope;
    (void)arg;
    weft_scope_begin(&scope);
    return 0;
}

static void abort_of_open_scope(void)
{
    run(leave_open, NULL);
}

static void test_misuse_a_scope_left_open_aborts_with_its_site(void **state)
{
    (void)state;
    snprintf(sentence, sizeof sentence, "the scope begun at %s:%d was left open in task 'main'",
             __FILE__, LEFT_OPEN_LINE);
    expect_abort(abort_of_open_scope, sentence);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_misuse_destroyed_while_pending_and_spinning_are_told_with_the_site),
        core_test(test_misuse_awaiting_oneself_is_told_with_the_site),
        core_test(test_misuse_awaiting_in_a_circle_is_told_with_the_site),
        core_test(test_misuse_waiting_for_several_in_a_circle_is_told_with_the_site),
        core_test(test_misuse_of_another_loop_is_told_with_the_site),
        core_test(test_misuse_of_another_thread_is_told_with_the_site),
        core_test(test_misuse_a_second_reader_is_told_who_is_the_first),
        core_test(test_C12_suspending_in_a_callback_is_refused_by_its_name),
        core_test(test_misuse_a_scope_left_open_aborts_with_its_site),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
