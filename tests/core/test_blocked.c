/* Nothing can happen any more: who is told of, and who could still make something happen. Blocked
 * programs get out by what the report does not know of: the sink itself. */

#include "core_test.h"

#include <sched.h>
#include <weft/future.h>
#include <weft/stackless.h>
#include <weft/stream.h>
#include <weft/wait.h>

/* The first line about it sends the loop the way out; the line itself is kept. */
static weft_loop *blocked_loop;
static struct weft_notice way_out;

static void cancel_main(void *arg)
{
    (void)arg;
    weft_task_cancel(blocked_loop->main, "the test is over");
}

static void keep_and_leave(void *context, enum weft_logger logger, enum weft_log_level level,
                           const char *text, size_t size)
{
    keep_line(context, logger, level, text, size);
    if (strstr(text, "nothing can happen"))
        weft_signal_post(&way_out);
}

/* The notice must not count as somebody who may post. */
static void prepare(void)
{
    blocked_loop = weft_loop_current();
    weft_notice_init(&way_out, blocked_loop, cancel_main, NULL);
    blocked_loop->references_own++;
    weft_log_set_sink(keep_and_leave, NULL);
}

static void unprepare(void)
{
    blocked_loop->references_own--;
    weft_notice_fini(&way_out);
}

static int read_byte(void *arg)
{
    char byte;
    ssize_t n = weft_read(arg, &byte, 1);
    return n < 0 ? (int)n : 0;
}

static char site_a[128], site_b[128];

static int main_readers(void *arg)
{
    weft_stream *a, *b;
    weft_scope scope;
    (void)arg;
    prepare();
    assert_int_equal(weft_memory_pair(&a, &b), 0);
    weft_scope_begin(&scope, .name = "readers");
    weft_spawn(&scope, read_byte, a, .name = "a");
    snprintf(site_a, sizeof site_a, "%s:%d", __FILE__, __LINE__ - 1);
    weft_spawn(&scope, read_byte, b, .name = "b");
    snprintf(site_b, sizeof site_b, "%s:%d", __FILE__, __LINE__ - 1);
    int err = weft_scope_end(&scope);
    weft_close(a);
    weft_close(b);
    unprepare();
    return err;
}

/* Without a stack likewise. */

static int await_never(weft_stackless *self, int64_t result);

struct blocked_one {
    weft_stackless self;
    weft_future *future;
};

static int await_never(weft_stackless *self, int64_t result)
{
    if (result < 0)
        return (int)result;
    return weft_then_await(self, weft_stackless_of(self, struct blocked_one, self)->future,
                           await_never);
}

static const weft_stackless_kind blocked_kind = WEFT_STACKLESS(await_never, NULL);

static int main_stackless(void *arg)
{
    struct blocked_one one = { .future = weft_future_new() };
    weft_scope scope;
    (void)arg;
    prepare();
    weft_scope_begin(&scope);
    weft_stackless_spawn(&scope, &one.self, &blocked_kind);
    int err = weft_scope_end(&scope);
    weft_future_release(one.future);
    unprepare();
    return err;
}

static void test_blocked_names_stackless_tasks(void **state)
{
    (void)state;
    assert_int_equal(run(main_stackless, NULL), -ECANCELED);
    expect_log("nothing can happen any more: 2 tasks wait");
    expect_log("stackless task 'await_never' (");
    expect_log("waits for tasks of its scope");
}

static void expect_readers(void)
{
    char text[256];
    expect_log("nothing can happen any more: 3 tasks wait, and nobody is left to wake them");
    snprintf(text, sizeof text, "task 'a' (spawned at %s) waits for bytes to read", site_a);
    expect_log(text);
    snprintf(text, sizeof text, "task 'b' (spawned at %s) waits for bytes to read", site_b);
    expect_log(text);
    expect_log("waits for tasks of its scope 'readers' (");
}

static void test_blocked_readers_of_one_pair_are_named(void **state)
{
    (void)state;
    assert_int_equal(weft_run(main_readers, NULL, .no_signals = true), -ECANCELED);
    expect_readers();
}

static void test_blocked_is_found_by_the_test_clock_too(void **state)
{
    (void)state;
    assert_int_equal(run(main_readers, NULL), -ECANCELED);
    expect_readers();
}

static void test_blocked_is_found_beside_the_interrupt_handler(void **state)
{
    (void)state;
    assert_int_equal(weft_run(main_readers, NULL), -ECANCELED);
    expect_readers();
}

static int main_awaits(void *arg)
{
    weft_stream *a, *b;
    weft_task *task;
    (void)arg;
    prepare();
    assert_int_equal(weft_memory_pair(&a, &b), 0);
    weft_spawn(weft_background(), read_byte, a, .name = "b", .task = &task);
    int err = weft_await(task);
    weft_task_cancel(task, NULL);
    weft_await(task);
    weft_task_release(task);
    weft_close(a);
    weft_close(b);
    unprepare();
    return err;
}

static void test_blocked_awaiting_a_task_names_it(void **state)
{
    (void)state;
    assert_int_equal(run(main_awaits, NULL), -ECANCELED);
    expect_log("nothing can happen any more: 2 tasks wait, and nobody is left to wake them");
    expect_log("waits for task 2 'b'");
    expect_log("task 'b' (spawned at ");
}

static int main_gathers(void *arg)
{
    weft_awaitable *list[5];
    weft_future *futures[5];
    (void)arg;
    prepare();
    for (int i = 0; i < 5; i++)
        list[i] = weft_any(futures[i] = weft_future_new_with(i % 2 ? "odd.c:1" : "even.c:2"));
    int err = weft_wait_all(list, 5, WEFT_FOREVER);
    for (int i = 0; i < 5; i++)
        weft_future_release(futures[i]);
    unprepare();
    return err;
}

static void test_blocked_waiting_for_several_names_some(void **state)
{
    (void)state;
    assert_int_equal(run(main_gathers, NULL), -ECANCELED);
    expect_log("nothing can happen any more: 1 task waits, and nobody is left to wake it");
    expect_log("waits for all of the future made at even.c:2, the future made at odd.c:1, the "
               "future made at even.c:2, and 2 more");
}

enum { MANY = 25 };

static int main_many(void *arg)
{
    weft_stream *a[MANY], *b[MANY];
    weft_scope scope;
    (void)arg;
    prepare();
    weft_scope_begin(&scope);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(weft_memory_pair(&a[i], &b[i]), 0);
        weft_spawn(&scope, read_byte, a[i]);
    }
    int err = weft_scope_end(&scope);
    for (int i = 0; i < MANY; i++) {
        weft_close(a[i]);
        weft_close(b[i]);
    }
    unprepare();
    return err;
}

static void test_blocked_names_twenty_tasks_at_most(void **state)
{
    (void)state;
    assert_int_equal(run(main_many, NULL), -ECANCELED);
    expect_log("nothing can happen any more: 26 tasks wait, and nobody is left to wake them");
    assert_int_equal(take_log(" waits for "), 20);
    expect_log("and so do 6 more");
}

/* The silent ones. */

static int accept_client(void *arg)
{
    weft_stream *client;
    int err = weft_accept(arg, &client);
    return err < 0 ? err : weft_close(client);
}

/* On another thread: until the loop waits in the kernel. */
static void wait_until_asleep(weft_loop *loop)
{
    while (!atomic_load(&loop->inbox->asleep))
        sched_yield();
}

static void *post_once_asleep(void *arg)
{
    weft_loop *loop = arg;
    wait_until_asleep(loop);
    weft_post(loop, cancel_main, NULL);
    return NULL;
}

/* A signal of the process's timer posts it, while the loop sleeps for good. */
static void on_alarm(int number)
{
    (void)number;
    weft_signal_post(&way_out);
}

static void ring_soon(void)
{
    signal(SIGALRM, on_alarm);
    ualarm(20000, 0);
}

/* No reference that counts, no thread: only the operation. */
static int main_listens(void *arg)
{
    weft_listener *listener;
    (void)arg;
    prepare();
    assert_int_equal(weft_listen(&listener, "tcp:127.0.0.1:0"), 0);
    ring_soon();
    int err = accept_client(listener);
    weft_listener_close(listener);
    unprepare();
    return err;
}

static void test_blocked_is_not_said_of_a_listener(void **state)
{
    (void)state;
    assert_int_equal(weft_run(main_listens, NULL, .no_signals = true), -ECANCELED);
    signal(SIGALRM, SIG_DFL);
}

/* No operation, no reference: only the thread that is going to post. */
static int main_posted(void *arg)
{
    weft_stream *a, *b;
    pthread_t thread;
    (void)arg;
    blocked_loop = weft_loop_current();
    assert_int_equal(weft_memory_pair(&a, &b), 0);
    assert_int_equal(pthread_create(&thread, NULL, post_once_asleep, blocked_loop), 0);
    int err = read_byte(a);
    pthread_join(thread, NULL);
    weft_close(a);
    weft_close(b);
    return err;
}

static void test_blocked_is_not_said_while_a_thread_may_post(void **state)
{
    (void)state;
    assert_int_equal(weft_run(main_posted, NULL, .no_signals = true), -ECANCELED);
}

static int run_until_asleep(void *arg)
{
    wait_until_asleep(arg);
    return 7;
}

static int main_blocking(void *arg)
{
    (void)arg;
    return weft_blocking(run_until_asleep, weft_loop_current());
}

static void test_blocked_is_not_said_of_a_job(void **state)
{
    (void)state;
    assert_int_equal(weft_run(main_blocking, NULL, .no_signals = true), 7);
    assert_int_equal(run(main_blocking, NULL), 7);
}

static int main_subscribed(void *arg)
{
    weft_stream *a, *b;
    (void)arg;
    blocked_loop = weft_loop_current();
    weft_notice_init(&way_out, blocked_loop, cancel_main, NULL);
    assert_int_equal(weft_memory_pair(&a, &b), 0);
    ring_soon();
    int err = read_byte(a);
    weft_close(a);
    weft_close(b);
    weft_notice_fini(&way_out);
    return err;
}

static void test_blocked_is_not_said_while_a_notice_may_come(void **state)
{
    (void)state;
    assert_int_equal(weft_run(main_subscribed, NULL, .no_signals = true), -ECANCELED);
    signal(SIGALRM, SIG_DFL);
}

static int main_sleeps(void *arg)
{
    (void)arg;
    prepare();
    ring_soon();
    int err = weft_sleep(WEFT_FOREVER);
    unprepare();
    return err;
}

static void test_blocked_is_not_said_of_a_sleep_for_ever(void **state)
{
    (void)state;
    assert_int_equal(weft_run(main_sleeps, NULL, .no_signals = true), -ECANCELED);
    signal(SIGALRM, SIG_DFL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_blocked_readers_of_one_pair_are_named),
        core_test(test_blocked_is_found_by_the_test_clock_too),
        core_test(test_blocked_is_found_beside_the_interrupt_handler),
        core_test(test_blocked_awaiting_a_task_names_it),
        core_test(test_blocked_waiting_for_several_names_some),
        core_test(test_blocked_names_twenty_tasks_at_most),
        core_test(test_blocked_names_stackless_tasks),
        core_test(test_blocked_is_not_said_of_a_listener),
        core_test(test_blocked_is_not_said_while_a_thread_may_post),
        core_test(test_blocked_is_not_said_of_a_job),
        core_test(test_blocked_is_not_said_while_a_notice_may_come),
        core_test(test_blocked_is_not_said_of_a_sleep_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
