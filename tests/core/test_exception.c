/* The exception handler of the loop: what it is told, what it may do, and what happens when it
 * fails itself. */

#include "core_test.h"

#include <weft/exception.h>

static struct {
    char message[160], text[64], name[32], site[128], made[16], scopes[256];
    int error, calls, answer;
    bool has_task;
    weft_handle handle;
    const char *complaint; /* what it says about itself; NULL */
    int suspended;
} told;

static void copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

static int tell(weft_loop *loop, const weft_exception *e, void *context)
{
    assert_ptr_equal(context, &told);
    assert_non_null(loop);
    assert_int_equal(e->size, sizeof *e);
    assert_null(weft_task_self());
    copy(told.message, sizeof told.message, e->message);
    copy(told.text, sizeof told.text, e->text);
    copy(told.name, sizeof told.name, e->name);
    copy(told.site, sizeof told.site, e->site);
    copy(told.made, sizeof told.made, e->made);
    copy(told.scopes, sizeof told.scopes, e->scopes);
    told.error = e->error;
    told.has_task = e->task != NULL;
    told.handle = e->handle;
    told.calls++;
    told.suspended = weft_sleep(0);
    if (told.complaint)
        weft_callback_fail(-EIO, told.complaint);
    return told.answer;
}

static void set_handler(void)
{
    memset(&told, 0, sizeof told);
    weft_loop_set_exception_handler(weft_loop_current(), tell, &told);
}

/* The sentence about suspending is logged once in each program. */
static void forgive_suspending(void)
{
    assert_int_equal(told.suspended, -EPERM);
    take_log("outside a task");
}

static void fail_with_text(void *arg)
{
    weft_callback_fail(-EIO, arg);
}

static int main_callback(void *arg)
{
    (void)arg;
    set_handler();
    weft_handle handle = weft_call_soon(fail_with_text, "no paper");
    char site[128];
    snprintf(site, sizeof site, "%s:%d", __FILE__, __LINE__ - 2);
    weft_sleep(0);
    weft_sleep(0);
    assert_int_equal(told.calls, 1);
    assert_string_equal(told.message, "callback 'fail_with_text' failed");
    assert_string_equal(told.name, "fail_with_text");
    assert_string_equal(told.text, "no paper");
    assert_string_equal(told.made, "asked for");
    assert_string_equal(told.site, site);
    assert_int_equal(told.error, -EIO);
    assert_true(told.handle.id == handle.id && handle.id != 0);
    assert_false(told.has_task);
    return 0;
}

static void test_F6_the_exception_handler_is_told_of_a_callback_that_failed(void **state)
{
    (void)state;
    assert_int_equal(run(main_callback, NULL), 0);
    forgive_suspending();
}

static int main_task(void *arg)
{
    int code = -EBADF;
    (void)arg;
    set_handler();
    weft_spawn(weft_background(), return_code, &code, .name = "lost");
    weft_sleep(0);
    assert_int_equal(told.calls, 1);
    assert_string_equal(told.message, "task 'lost' failed");
    assert_string_equal(told.made, "spawned");
    assert_non_null(strstr(told.site, "test_exception.c:"));
    assert_non_null(strstr(told.scopes, "in scope"));
    assert_int_equal(told.error, -EBADF);
    assert_true(told.has_task);
    return 0;
}

static void test_exception_handler_is_told_of_a_background_task_that_failed(void **state)
{
    (void)state;
    assert_int_equal(run(main_task, NULL), 0);
    forgive_suspending();
}

static int main_unread(void *arg)
{
    int code = -EBADF;
    weft_task *task;
    (void)arg;
    set_handler();
    weft_spawn(weft_background(), return_code, &code, .task = &task);
    weft_sleep(0);
    assert_int_equal(told.calls, 0);
    weft_task_release(task);
    assert_int_equal(told.calls, 1);
    assert_string_equal(told.message, "task 'return_code' failed and nobody read its result");
    assert_ptr_not_equal(weft_task_self(), NULL);
    return 0;
}

static void test_exception_handler_is_told_of_a_result_that_nobody_read(void **state)
{
    (void)state;
    assert_int_equal(run(main_unread, NULL), 0);
    forgive_suspending();
}

static int main_fails(void *arg)
{
    int code = -EBADF;
    set_handler();
    if (arg)
        told.complaint = arg;
    else
        told.answer = -ENOSPC;
    weft_spawn(weft_background(), return_code, &code, .name = "lost");
    weft_sleep(0);
    assert_int_equal(told.calls, 1);
    return 0;
}

static void test_exception_handler_that_fails_falls_back_to_the_default_one(void **state)
{
    (void)state;
    assert_int_equal(run(main_fails, NULL), 0);
    forgive_suspending();
    expect_log("unhandled error in exception handler: No space left on device");
    expect_log("task 'lost' failed: Bad file descriptor (EBADF); spawned at ");
    assert_int_equal(run(main_fails, "out of ink"), 0);
    expect_log("unhandled error in exception handler: Input/output error: out of ink");
    expect_log("task 'lost' failed: Bad file descriptor (EBADF); spawned at ");
}

/* A failure that the handler causes must not call it again. */
static int cause_another(weft_loop *loop, const weft_exception *e, void *context)
{
    weft_task **task = context;
    (void)loop, (void)e;
    told.calls++;
    weft_task_release(*task);
    return 0;
}

static int main_nested(void *arg)
{
    int code = -EBADF;
    weft_task *held;
    (void)arg;
    told.calls = 0;
    weft_spawn(weft_background(), return_code, &code, .name = "held", .task = &held);
    weft_sleep(0);
    weft_loop_set_exception_handler(weft_loop_current(), cause_another, &held);
    weft_spawn(weft_background(), return_code, &code, .name = "lost");
    weft_sleep(0);
    assert_int_equal(told.calls, 1);
    weft_loop_set_exception_handler(weft_loop_current(), NULL, NULL);
    weft_spawn(weft_background(), return_code, &code, .name = "plain");
    weft_sleep(0);
    assert_int_equal(told.calls, 1);
    return 0;
}

static void test_exception_handler_that_causes_failures_is_not_called_of_them(void **state)
{
    (void)state;
    assert_int_equal(run(main_nested, NULL), 0);
    expect_log("task 'held' failed and nobody read its result");
    expect_log("task 'plain' failed: ");
}

static int log_and_count(weft_loop *loop, const weft_exception *e, void *context)
{
    ++*(int *)context;
    return weft_loop_default_exception_handler(loop, e);
}

static int main_by_hand(void *arg)
{
    weft_loop *loop = weft_loop_current();
    weft_exception e = { .message = "the printer burns", .error = -EIO, .size = sizeof e };
    weft_loop_set_exception_handler(loop, log_and_count, arg);
    weft_loop_call_exception_handler(loop, &e);
    e.error = 0;
    e.text = "again";
    weft_loop_call_exception_handler(loop, &e);
    return 0;
}

static void test_exception_handler_can_be_called_by_the_program(void **state)
{
    (void)state;
    int calls = 0;
    assert_int_equal(run(main_by_hand, &calls), 0);
    assert_int_equal(calls, 2);
    expect_log("the printer burns: Input/output error");
    expect_log("the printer burns: again");
}

static void *use_from_outside(void *loop)
{
    weft_loop_set_exception_handler(loop, tell, NULL);
    return NULL;
}

static void test_exception_handler_belongs_to_the_loop_s_thread(void **state)
{
    (void)state;
    weft_loop *loop;
    pthread_t thread;
    assert_int_equal(weft_loop_new(&loop, .clock = WEFT_CLOCK_TEST), 0);
    assert_int_equal(pthread_create(&thread, NULL, use_from_outside, loop), 0);
    pthread_join(thread, NULL);
    expect_log("exception handler was used by another thread");
    assert_null(loop->exception_handler.fn);
    assert_int_equal(weft_loop_free(loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_F6_the_exception_handler_is_told_of_a_callback_that_failed),
        core_test(test_exception_handler_is_told_of_a_background_task_that_failed),
        core_test(test_exception_handler_is_told_of_a_result_that_nobody_read),
        core_test(test_exception_handler_that_fails_falls_back_to_the_default_one),
        core_test(test_exception_handler_that_causes_failures_is_not_called_of_them),
        core_test(test_exception_handler_can_be_called_by_the_program),
        core_test(test_exception_handler_belongs_to_the_loop_s_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
