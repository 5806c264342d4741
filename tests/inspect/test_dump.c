/* A dump: who is there, in which state, waiting for what, since when, and where in the code. */

#include "inspect_test.h"

#include <fcntl.h>
#include <weft/event.h>
#include <weft/future.h>
#include <weft/mutex.h>
#include <weft/select.h>
#include <weft/stackless.h>
#include <weft/stream.h>

#if WF_CONTEXT_NATIVE
#    define HAS_STACKS 1
#else
#    define HAS_STACKS 0
#endif

/* After a call: it is none in the tail, which would leave no frame. */
#define NO_TAIL_CALL() __asm__ volatile("" ::: "memory")

static volatile int64_t long_time = WEFT_HOUR; /* unknown: or there would be a clone without it */

WF_NOINLINE static int linger_in_here(int64_t duration)
{
    int err = weft_sleep(duration);
    NO_TAIL_CALL();
    return err;
}

static int sleeper(void *arg)
{
    (void)arg;
    int err = linger_in_here(long_time);
    NO_TAIL_CALL();
    return err;
}

static int waiter(void *task)
{
    int err = weft_await((weft_task *)task);
    NO_TAIL_CALL();
    return err;
}

static int tree_main(void *arg)
{
    weft_scope s;
    weft_task *task;
    (void)arg;
    weft_scope_begin(&s, .name = "all", .timeout = 10 * SECOND);
    weft_spawn(&s, sleeper, NULL, .task = &task, .name = "one");
    weft_spawn(&s, waiter, task);
    weft_sleep(2 * SECOND);
    weft_spawn(&s, sleeper, NULL, .name = "late\x1b[31m");
    dump_now();
    weft_task_release(task);
    weft_scope_cancel(&s, "enough");
    return weft_scope_end(&s);
}

static void test_dump_shows_names_states_and_waits(void **state)
{
    (void)state;
    assert_int_equal(run(tree_main, NULL), 0);
    EXPECT_ORDER("loop: 4 tasks of 4 spawned, 1 ready", "\ndriver ", ": ", "scope 'background'",
                 ", isolates\n", "  task 1 '", ", running; spawned at ",
                 "    scope 'all' begun at ", "test_dump.c:", ": 3 members, 8.00 s left\n",
                 "      task 2 'one', parked: waits for sleep, for 2.00 s; spawned at ",
                 "      task 3 'waiter', parked: waits for task 2 'one', for 2.00 s; spawned at ",
                 "      task 4 'late?[31m', new; spawned at ");
}

static void test_dump_shows_the_calls_of_suspended_tasks(void **state)
{
    (void)state;
    if (!HAS_STACKS)
        skip();
    assert_int_equal(run(tree_main, NULL), 0);
    EXPECT_ORDER("task 2 'one'", "\n          at weft_sleep+0x", "\n          at linger_in_here+0x",
                 "\n          at sleeper+0x", "\n      task 3 'waiter'", "at waiter+0x");
    assert_null(strstr(dumped.text, "wf_park"));
    assert_null(strstr(dumped.text, "wf_fiber_main"));
}

#if HAS_STACKS

/* A frame that the unwinder knows nothing of; the rest are found from its frame pointer. */
int call_without_tables(int (*fn)(void));
__asm__(".text\n"
        ".type call_without_tables, @function\n"
        "call_without_tables:\n"
#    if defined(__x86_64__)
        "    pushq %rbp\n"
        "    movq %rsp, %rbp\n"
        "    callq *%rdi\n"
        "    popq %rbp\n"
#    else
        "    stp x29, x30, [sp, #-16]!\n"
        "    mov x29, sp\n"
        "    blr x0\n"
        "    ldp x29, x30, [sp], #16\n"
#    endif
        "    ret\n"
        ".size call_without_tables, . - call_without_tables\n");

WF_NOINLINE static int linger_a_second(void)
{
    int err = linger_in_here(SECOND);
    NO_TAIL_CALL();
    return err;
}

static int without_tables(void *arg)
{
    (void)arg;
    int err = call_without_tables(linger_a_second);
    NO_TAIL_CALL();
    return err;
}

static int without_tables_main(void *arg)
{
    weft_scope s;
    (void)arg;
    weft_scope_begin(&s);
    weft_spawn(&s, without_tables, NULL);
    weft_sleep(0);
    dump_now();
    return weft_scope_end(&s);
}

static void test_dump_goes_on_where_there_are_no_unwind_tables(void **state)
{
    (void)state;
    assert_int_equal(run(without_tables_main, NULL), 0);
    EXPECT_ORDER("task 2 'without_tables'", "at linger_in_here+0x", "at linger_a_second+0x",
                 "at call_without_tables+0x", "at without_tables+0x");
    assert_null(strstr(dumped.text, "wf_fiber_main"));
}

#endif

/* What tasks wait for, with the place where it was made. */

static weft_mutex held;
static weft_channel empty;
static weft_event unset;

static int lock_it(void *arg)
{
    (void)arg;
    int err = weft_mutex_lock(&held);
    NO_TAIL_CALL();
    return err;
}

static int receive_it(void *arg)
{
    int err = weft_channel_receive(&empty, arg);
    NO_TAIL_CALL();
    return err;
}

static int select_it(void *arg)
{
    weft_case cases[] = { weft_case_receive(&empty, arg), weft_case_event(&unset),
                          weft_case_after(SECOND) };
    return (int)weft_select(cases, 3);
}

static int primitives_main(void *arg)
{
    int item;
    weft_scope s;
    (void)arg;
    weft_mutex_init(&held);
    weft_event_init(&unset);
    assert_int_equal(weft_channel_init(&empty, sizeof item, 2), 0);
    assert_int_equal(weft_mutex_lock(&held), 0);
    weft_scope_begin(&s);
    weft_spawn(&s, lock_it, NULL);
    weft_spawn(&s, receive_it, &item);
    weft_spawn(&s, select_it, &item);
    weft_sleep(0);
    dump_now();
    weft_scope_cancel(&s, NULL);
    int err = weft_scope_end(&s);
    weft_channel_fini(&empty);
    return err;
}

static void test_dump_shows_what_primitives_are_waited_for(void **state)
{
    (void)state;
    assert_int_equal(run(primitives_main, NULL), 0);
    EXPECT_ORDER("'lock_it', parked: waits for the mutex (made at ", ") that task 1 holds",
                 "'receive_it', parked: waits for an item of the channel (made at ", "has 0",
                 "'select_it', parked: waits for one of: an item of the channel (made at ",
                 ", the event (made at ", ", a time");
    if (HAS_STACKS)
        EXPECT_ORDER("at lock_it+0x", "at receive_it+0x", "at weft_select_with+0x");
}

static int cancelled_main(void *arg)
{
    weft_scope s, shield;
    (void)arg;
    weft_scope_begin(&s, .name = "outer");
    weft_scope_begin(&shield, .name = "inner", .shield = true, .isolate = true);
    weft_spawn(&shield, sleep_second, NULL);
    weft_sleep(0);
    weft_scope_cancel(&s, "asked\nfor");
    dump_now();
    weft_scope_end(&shield);
    return weft_scope_end(&s);
}

static void test_dump_shows_cancels_and_shields(void **state)
{
    (void)state;
    assert_int_equal(run(cancelled_main, NULL), 0);
    EXPECT_ORDER("scope 'outer'", ": 0 members, cancelled (asked?for), by itself\n",
                 "      scope 'inner'", ": 1 member, 30.00 s left, isolates, shields\n",
                 "task 2 'sleep_second', parked");
}

static int fail_at_once(void *arg)
{
    (void)arg;
    return -EIO;
}

static int failed_main(void *arg)
{
    weft_scope s;
    weft_task *task;
    (void)arg;
    weft_spawn(weft_background(), fail_at_once, NULL, .task = &task);
    weft_scope_begin(&s, .name = "broken");
    weft_spawn(&s, fail_at_once, NULL);
    weft_sleep(SECOND);
    dump_now();
    assert_int_equal(weft_task_result(task, NULL), -EIO);
    weft_task_release(task);
    return weft_scope_end(&s);
}

static void test_dump_shows_failures(void **state)
{
    (void)state;
    assert_int_equal(run(failed_main, NULL), -EIO);
    EXPECT_ORDER("scope 'broken'", ", failed: EIO\n",
                 "nobody has read the result of task 2 'fail_at_once', done");
}

static int eager_child(void *arg)
{
    (void)arg;
    dump_now();
    return 0;
}

static int eager_main(void *arg)
{
    weft_scope s;
    (void)arg;
    weft_scope_begin(&s);
    weft_spawn(&s, eager_child, NULL, .eager = true);
    return weft_scope_end(&s);
}

static void test_dump_shows_who_has_started_the_running_task(void **state)
{
    (void)state;
    assert_int_equal(run(eager_main, NULL), 0);
    EXPECT_ORDER("task 1 '", "running, through a task that it has started",
                 HAS_STACKS ? "at eager_main+0x" : "", "task 2 'eager_child', running;");
}

/* Each level a task, in a scope of the one before. */
static int deeper(void *arg)
{
    weft_scope s;
    int left = *(int *)arg - 1;
    if (left == 0) {
        dump_now();
        return 0;
    }
    weft_scope_begin(&s);
    weft_spawn(&s, deeper, &left);
    return weft_scope_end(&s);
}

static void test_dump_of_a_deep_tree_keeps_its_lines_short(void **state)
{
    (void)state;
    int depth = 100;
    assert_int_equal(run(deeper, &depth), 0);
    expect_text("\n  task 1 '");
    expect_text(" (level 199) task 100 'deeper', running");
    for (const char *line = dumped.text, *end; (end = strchr(line, '\n')); line = end + 1)
        assert_true(end - line < 300);
}

static int refuse(void *context, const char *text, size_t size)
{
    (void)text, (void)size;
    return ++*(int *)context == 2 ? -EPIPE : 0;
}

static int refused_main(void *arg)
{
    weft_scope s;
    int calls = 0;
    (void)arg;
    weft_scope_begin(&s);
    for (int i = 0; i < 100; i++)
        weft_spawn(&s, return_zero, NULL);
    assert_int_equal(weft_dump_to(refuse, &calls), -EPIPE);
    assert_int_equal(calls, 2);
    return weft_scope_end(&s);
}

static void test_dump_ends_when_nobody_takes_it(void **state)
{
    (void)state;
    assert_int_equal(run(refused_main, NULL), 0);
    assert_int_equal(weft_dump(-1), -EPERM);
    expect_log("weft_dump() where there is no loop");
}

static int small_main(void *arg)
{
    weft_scope s;
    (void)arg;
    weft_scope_begin(&s);
    weft_spawn(&s, sleep_second, NULL);
    weft_spawn(&s, eager_child, NULL, .stack_size = 16 << 10);
    return weft_scope_end(&s);
}

static void test_dump_needs_little_stack(void **state)
{
    (void)state;
    if (WF_ASAN)
        skip(); /* its frames are larger */
    assert_int_equal(run(small_main, NULL), 0);
    EXPECT_ORDER("task 2 'sleep_second', parked", "task 3 'eager_child', running");
}

/* Descriptors. */

static int pipe_main(void *arg)
{
    int pipes[2];
    char text[512];
    (void)arg;
    assert_int_equal(pipe2(pipes, O_NONBLOCK), 0);
    assert_int_equal(weft_dump(pipes[1]), 0);
    ssize_t size = read(pipes[0], text, sizeof text - 1);
    assert_true(size > 0);
    text[size] = '\0';
    assert_non_null(strstr(text, "task 1 '"));
    assert_int_equal(text[size - 1], '\n');
    close(pipes[0]);
    close(pipes[1]);
    assert_int_equal(weft_dump(-1), -EBADF);
    return 0;
}

static void test_dump_writes_to_a_descriptor(void **state)
{
    (void)state;
    assert_int_equal(run(pipe_main, NULL), 0);
}

/* A parked client of a server. */

static int park(weft_stream *client, void *arg)
{
    (void)arg;
    return weft_park(client, WEFT_MINUTE);
}

/* The census of stacks. */

WF_NOINLINE static int go_deep(size_t bytes)
{
    volatile char *room = __builtin_alloca(bytes);
    for (size_t i = 0; i < bytes; i++)
        room[i] = 'x';
    return 0;
}

static int use_34k(void *arg)
{
    (void)arg;
    return go_deep((size_t)34 << 10);
}

static int use_9k(void *arg)
{
    (void)arg;
    return go_deep((size_t)9 << 10);
}

static int use_little(void *arg)
{
    (void)arg;
    return weft_sleep(SECOND);
}

static int serve_deep(weft_stream *client, void *arg)
{
    (void)client, (void)arg;
    return go_deep((size_t)20 << 10);
}

static int deep_server(void *arg)
{
    return weft_serve("mem:deep", serve_deep, arg);
}

static int stacks_main(void *arg)
{
    weft_scope s;
    weft_stream *stream;
    (void)arg;
    weft_scope_begin(&s);
    weft_spawn(&s, use_little, NULL, .stack_size = 256 << 10);
    weft_spawn(&s, use_34k, NULL);
    weft_spawn(&s, use_9k, NULL, .stack_size = 16 << 10);
    weft_spawn(&s, deep_server, NULL);
    weft_sleep(0);
    assert_int_equal(weft_connect(&stream, "mem:deep"), 0);
    weft_sleep(MILLISECOND);
    weft_close(stream);
    dump_now();
    weft_scope_cancel(&s, "done");
    return weft_scope_end(&s);
}

static void test_dump_tells_how_deep_stacks_were(void **state)
{
    (void)state;
    assert_int_equal(run(stacks_main, NULL), 0);
    EXPECT_ORDER(
        "stacks, for each function that tasks begin with (by page):\n", "  use_34k: deepest 3",
        " KiB of 64 KiB, measured 1 time\n", "  serve_deep: deepest 2", "  use_9k: deepest 1",
        " KiB of 16 KiB, measured 1 time; less than a quarter was left: .stack_size = 64 << "
        "10\n");
    expect_text("  use_little: deepest ");
    assert_null(strstr(dumped.text, "serve_client"));
    if (!WF_ASAN)
        EXPECT_ORDER("  use_little: deepest ",
                     " KiB of 256 KiB, measured 1 time; .stack_size = ", "would do\n");
}

static void test_dump_tells_exactly_under_debug(void **state)
{
    (void)state;
    if (wf_sanitizer_is_valgrind())
        skip();
    assert_int_equal(weft_run(stacks_main, NULL, .clock = WEFT_CLOCK_TEST, .no_signals = true,
                              .debug = true, .slow_step = WEFT_HOUR),
                     0);
    EXPECT_ORDER("tasks begin with (exact):\n", "  use_34k: deepest 3", "  serve_deep: deepest 2",
                 "  use_9k: deepest ");
}

static int server(void *arg)
{
    return weft_serve("mem:dump", park, arg);
}

static int parked_main(void *arg)
{
    weft_scope s;
    weft_stream *stream;
    (void)arg;
    weft_scope_begin(&s);
    weft_spawn(&s, server, NULL);
    weft_sleep(0);
    assert_int_equal(weft_connect(&stream, "mem:dump"), 0);
    weft_sleep(SECOND);
    dump_now();
    weft_close(stream);
    weft_scope_cancel(&s, "done");
    return weft_scope_end(&s);
}

static void test_dump_shows_servers_and_parked_clients(void **state)
{
    (void)state;
    assert_int_equal(run(parked_main, NULL), 0);
    EXPECT_ORDER("task 2 'server', parked: waits for a client", "scope 'clients'",
                 "a parked client\n");
}

/* Many. */

#define MANY 10000

static int count_bytes(void *context, const char *text, size_t size)
{
    size_t *lines = context;
    for (size_t i = 0; i < size; i++)
        *lines += text[i] == '\n';
    return 0;
}

static int many_main(void *arg)
{
    weft_scope s;
    size_t lines = 0;
    weft_scope_begin(&s);
    for (int i = 0; i < MANY; i++)
        weft_spawn(&s, sleeper, NULL, .stack_size = 16 << 10);
    weft_sleep(SECOND);
    int64_t start = real_now();
    assert_int_equal(weft_dump_to(count_bytes, &lines), 0);
    *(int64_t *)arg = real_now() - start;
    assert_in_range(lines, MANY * (HAS_STACKS ? 4 : 1), MANY * 6);
    weft_scope_cancel(&s, NULL);
    return weft_scope_end(&s);
}

/* Sanitizers make everything slower, the unwinder's table searches most of all. */
static void test_dump_of_ten_thousand_tasks_takes_less_than_a_second(void **state)
{
    (void)state;
    int64_t duration = 0;
    assert_int_equal(run(many_main, &duration), 0);
    print_message("%d tasks: %lld ms\n", MANY, (long long)(duration / MILLISECOND));
    assert_true(duration < (WF_ASAN ? 10 * SECOND : SECOND));
}

/* Without a stack: what it waits for, and which step comes then. */

struct dumper {
    weft_stackless self;
    weft_future *future;
};

static int dump_in_step(weft_stackless *self, int64_t result);

static int sleep_again(weft_stackless *self, int64_t result)
{
    return result < 0 ? (int)result : weft_then_sleep(self, long_time, sleep_again);
}

static int await_then_dump(weft_stackless *self, int64_t result)
{
    (void)result;
    return weft_then_await(self, weft_stackless_of(self, struct dumper, self)->future,
                           dump_in_step);
}

static int dump_in_step(weft_stackless *self, int64_t result)
{
    (void)self;
    dump_now();
    return (int)result;
}

static const weft_stackless_kind sleeper_kind = WEFT_STACKLESS(sleep_again, NULL);
static const weft_stackless_kind dumper_kind = WEFT_STACKLESS(await_then_dump, NULL, .name = "d\t");

static int stackless_main(void *arg)
{
    weft_scope s;
    struct dumper a, b;
    (void)arg;
    weft_scope_begin(&s, .name = "all");
    a.future = b.future = weft_future_new();
    weft_stackless_spawn(&s, &a.self, &sleeper_kind);
    weft_stackless_spawn(&s, &b.self, &dumper_kind);
    dump_now();
    EXPECT_ORDER("scope 'all'", "  stackless task 'sleep_again', waits for its first turn; defined",
                 "          then sleep_again\n");
    weft_sleep(2 * SECOND);
    dump_now();
    EXPECT_ORDER("  stackless task 'sleep_again', waits for sleep, for 2.00 s; defined at ",
                 "test_dump.c:", "\n          then sleep_again\n",
                 "  stackless task 'd?', waits for the future made at ",
                 "test_dump.c:", ", for 2.00 s; defined at ", "\n          then dump_in_step\n");
    weft_future_set(a.future, NULL);
    weft_sleep(0);
    EXPECT_ORDER("  stackless task 'd?', running; defined at ", "\n          in dump_in_step\n");
    weft_future_release(a.future);
    weft_scope_cancel(&s, "enough");
    dump_now();
    expect_text(
        "stackless task 'sleep_again', waits for its turn, cancelled (enough); defined at ");
    return weft_scope_end(&s);
}

enum { CROWD = 2000 };

static int crowd_main(void *arg)
{
    static weft_stackless crowd[CROWD], other;
    weft_scope s;
    (void)arg;
    weft_scope_begin(&s, .name = "all");
    for (int i = 0; i < CROWD; i++)
        weft_stackless_spawn(&s, &crowd[i], &sleeper_kind);
    weft_spawn(&s, sleep_second, NULL);
    weft_sleep(0);
    weft_stackless_spawn(weft_background(), &other, &sleeper_kind);
    dump_now();
    weft_scope_cancel(&s, "enough");
    return weft_scope_end(&s);
}

static void test_dump_shows_ten_of_a_crowd_of_stackless_tasks(void **state)
{
    (void)state;
    unsigned shown = 0;
    assert_int_equal(run(crowd_main, NULL), 0);
    for (const char *at = dumped.text; (at = strstr(at, "stackless task 'sleep_again'")); at++)
        shown++;
    assert_int_equal(shown, 11);
    EXPECT_ORDER("then sleep_again\n      and 1990 more like it\n", "task 2 'sleep_second'",
                 "\n  stackless task 'sleep_again', waits for its first turn");
}

static void test_dump_shows_stackless_tasks_and_their_next_steps(void **state)
{
    (void)state;
    assert_int_equal(run(stackless_main, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_dump_shows_names_states_and_waits),
        core_test(test_dump_shows_the_calls_of_suspended_tasks),
#if HAS_STACKS
        core_test(test_dump_goes_on_where_there_are_no_unwind_tables),
#endif
        core_test(test_dump_shows_what_primitives_are_waited_for),
        core_test(test_dump_shows_cancels_and_shields),
        core_test(test_dump_shows_failures),
        core_test(test_dump_shows_who_has_started_the_running_task),
        core_test(test_dump_of_a_deep_tree_keeps_its_lines_short),
        core_test(test_dump_needs_little_stack),
        core_test(test_dump_ends_when_nobody_takes_it),
        core_test(test_dump_writes_to_a_descriptor),
        core_test(test_dump_shows_servers_and_parked_clients),
        core_test(test_dump_tells_how_deep_stacks_were),
        core_test(test_dump_tells_exactly_under_debug),
        core_test(test_dump_shows_stackless_tasks_and_their_next_steps),
        core_test(test_dump_shows_ten_of_a_crowd_of_stackless_tasks),
        core_test(test_dump_of_ten_thousand_tasks_takes_less_than_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
