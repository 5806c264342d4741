/* The child of a fork, a program that takes the process over, and a thread that ends beside its
 * loop: none of them is of any consequence to the loops that go on. On both drivers. */

#include "core_test.h"

#include <fcntl.h>

/* In a child, where a failed assertion of cmocka's would run the tests that follow. */
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition,                    \
                    weft_error_detail());                                                          \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static void expect_end(pid_t child, int status)
{
    int found = -1;
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &found, 0), child);
    assert_int_equal(found, status);
}

/* What the child has written until it ended, and its status. */
static const char *text_of(pid_t child, int from, int *status)
{
    static char text[8192];
    size_t used = 0;
    ssize_t n;
    while ((n = read(from, text + used, sizeof text - 1 - used)) > 0)
        used += (size_t)n;
    text[used] = '\0';
    close(from);
    assert_int_equal(waitpid(child, status, 0), child);
    return text;
}

/* A child that says what it has to say into a pipe. */
static pid_t fork_to(int *from)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        for (int number = 1; number < 32; number++) /* cmocka's handlers would run the next test */
            signal(number, SIG_DFL);
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        weft_log_set_sink(NULL, NULL);
    }
    close(ends[1]);
    *from = ends[0];
    return child;
}

/* A task that waits in the kernel while something happens: nothing of that wakes it, and what comes
 * afterwards does. */

static int pipe_ends[2];
static int poll_result;

static int poll_pipe(void *arg)
{
    (void)arg;
    poll_result = weft_poll_fd(pipe_ends[0], WEFT_READABLE);
    return 0;
}

static int beside_a_wait(weft_callback *meanwhile, void *with)
{
    char byte = 0;
    weft_scope s;
    assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
    poll_result = -1;
    weft_scope_begin(&s);
    weft_spawn(&s, poll_pipe, NULL);
    for (int i = 0; i < 3; i++)
        weft_sleep(MILLISECOND); /* the kernel has been asked */
    meanwhile(with);
    for (int i = 0; i < 3; i++)
        weft_sleep(MILLISECOND);
    assert_int_equal(poll_result, -1);
    assert_int_equal(write(pipe_ends[1], "x", 1), 1);
    int err = weft_scope_end(&s);
    assert_int_equal(poll_result, WEFT_READABLE);
    assert_int_equal(read(pipe_ends[0], &byte, 1), 1);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    return err;
}

static int on_a_real_clock(weft_fn *fn, void *arg)
{
    return weft_run(fn, arg, .no_signals = true);
}

/* Of its own the child may have loops. */

static int own_main(void *arg)
{
    (void)arg;
    int ends[2];
    EXPECT(weft_sleep(MILLISECOND) == 0);
    EXPECT(pipe2(ends, O_CLOEXEC) == 0);
    EXPECT(write(ends[1], "x", 1) == 1);
    EXPECT(weft_poll_fd(ends[0], WEFT_READABLE) == WEFT_READABLE);
    close(ends[0]);
    close(ends[1]);
    return 5;
}

static void have_own_loop(void)
{
    EXPECT(weft_loop_current() == NULL);
    EXPECT(on_a_real_clock(own_main, NULL) == 5);
    EXPECT(weft_run(own_main, NULL) == 5);
}

/* Outside a run. */

static void refuse_parents_loop(weft_loop *loop, weft_task *task)
{
    EXPECT(weft_loop_run_forever(loop) == WEFT_ETHREAD);
    EXPECT(weft_loop_run_until_complete(loop, task) == WEFT_ETHREAD);
    EXPECT(weft_loop_free(loop) == WEFT_ETHREAD);
    EXPECT(weft_spawn(weft_loop_background(loop), return_zero, NULL) == WEFT_ETHREAD);
    weft_task_cancel(task, "from the child");
    EXPECT(weft_call_soon(NULL, NULL).id == 0);
    EXPECT(weft_sleep(0) == -EPERM);
}

static void test_fork_child_has_none_of_the_parents_loops(void **state)
{
    (void)state;
    weft_loop *loop;
    weft_task *task;
    assert_int_equal(weft_loop_new(&loop), 0);
    assert_int_equal(weft_spawn(weft_background(), own_main, NULL, .task = &task), 0);
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        if (child == 0) {
            weft_log_set_sink(NULL, NULL);
            if (i == 0)
                refuse_parents_loop(loop, task);
            have_own_loop();
            refuse_parents_loop(loop, task);
            _exit(0);
        }
        expect_end(child, 0);
    }
    assert_int_equal(weft_loop_run_until_complete(loop, task), 5);
    weft_task_release(task);
    assert_int_equal(weft_loop_free(loop), 0);
}

/* In a task. */

static void in_child_of_task(void *arg)
{
    weft_scope s;
    weft_loop *loop = arg;
    EXPECT(weft_sleep(0) == -EPERM);
    EXPECT(strstr(weft_error_detail(), "in the child of a fork, which has none of"));
    weft_scope_begin(&s);
    EXPECT(weft_scope_end(&s) == -EPERM);
    EXPECT(weft_poll_fd(pipe_ends[0], WEFT_READABLE) == -EPERM);
    EXPECT(weft_task_self() == NULL);
    EXPECT(weft_loop_run_forever(loop) == WEFT_ETHREAD);
    EXPECT(weft_loop_free(loop) == WEFT_ETHREAD);
    EXPECT(weft_spawn(weft_loop_background(loop), return_zero, NULL) == WEFT_ETHREAD);
    have_own_loop();
}

static void fork_in_task(void *arg)
{
    (void)arg;
    weft_loop *loop = weft_loop_current();
    pid_t child = fork();
    if (child == 0) {
        weft_log_set_sink(NULL, NULL);
        in_child_of_task(loop);
        _exit(0);
    }
    expect_end(child, 0);
}

static int fork_in_task_main(void *arg)
{
    return beside_a_wait(fork_in_task, arg);
}

static void test_fork_in_a_task_leaves_the_task_to_the_parent(void **state)
{
    (void)state;
    assert_int_equal(on_a_real_clock(fork_in_task_main, NULL), 0);
}

/* A child that goes on in the parent's loop is ended, before anybody else runs in it. */

static pid_t returning;
static int returning_from;

static void note_returned(void *arg)
{
    (void)arg;
    printf("somebody else has run in the child\n");
    fflush(stdout);
}

static int return_in_child(void *arg)
{
    returning = fork_to(&returning_from);
    if (returning == 0)
        weft_call_soon(note_returned, arg);
    return 0;
}

static void call_in_child(void *arg)
{
    returning = fork_to(&returning_from);
    if (returning == 0)
        note(arg);
}

static int sleep_beside(void *arg)
{
    weft_sleep(MILLISECOND);
    if (returning == 0)
        note_returned(arg);
    return 0;
}

static void expect_the_childs_end(const char *from)
{
    int status;
    const char *text = text_of(returning, returning_from, &status);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
        fail_msg("the child did not abort (%#x): %s", (unsigned)status, text);
    if (!strstr(text, from) || !strstr(text, "into its parent's loop") || strstr(text, "somebody"))
        fail_msg("expected '%s' in: %s", from, text);
}

static int return_main(void *arg)
{
    weft_task *task;
    weft_spawn(weft_background(), return_in_child, arg, .task = &task, .name = "forker");
    weft_spawn(weft_background(), sleep_beside, arg);
    assert_int_equal(weft_await(task), 0);
    weft_task_release(task);
    expect_the_childs_end("task 'forker' (spawned at ");
    weft_call_soon(call_in_child, arg, .name = "caller");
    weft_sleep(MILLISECOND);
    expect_the_childs_end("callback 'caller', asked for at ");
    weft_call_later(WEFT_HOUR, note_returned, arg, .drop = call_in_child);
    return 0;
}

static void test_fork_child_that_returns_into_the_loop_aborts(void **state)
{
    (void)state;
    assert_int_equal(on_a_real_clock(return_main, NULL), 0);
    expect_the_childs_end("a drop or a handler");
}

/* Ctrl-C of the parent's run is not the child's. */

static int signal_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        int number = i == 0 ? SIGTERM : SIGINT;
        pid_t child = fork();
        if (child == 0) {
            raise(number);
            _exit(1);
        }
        expect_end(child, number);
    }
    assert_int_equal(weft_sleep(MILLISECOND), 0);
    raise(SIGTERM);
    assert_int_equal(weft_sleep(SECOND), -ECANCELED);
    return 7;
}

static void test_fork_child_dies_of_the_signals_that_cancel_main(void **state)
{
    (void)state;
    assert_int_equal(weft_run(signal_main, NULL), 7);
}

/* exec */

static const char *const list_descriptors = "ls -l /proc/self/fd";

static void exec_in_child(void *arg)
{
    int from, status;
    (void)arg;
    pid_t child = fork_to(&from);
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", list_descriptors, (char *)NULL);
        _exit(127);
    }
    const char *text = text_of(child, from, &status);
    assert_int_equal(status, 0);
    assert_non_null(strstr(text, "/proc/"));
    assert_null(strstr(text, "anon_inode"));
}

static int exec_in_child_main(void *arg)
{
    return beside_a_wait(exec_in_child, arg);
}

static void test_fork_and_exec_leaves_nothing_of_the_loop(void **state)
{
    (void)state;
    assert_int_equal(on_a_real_clock(exec_in_child_main, NULL), 0);
}

/* The loop's own thread becomes another program, while the kernel still waits for it. */

static void exec_at_once(void *arg)
{
    (void)arg;
    execl("/bin/sh", "sh", "-c", list_descriptors, (char *)NULL);
    _exit(127);
}

static int exec_main(void *arg)
{
    return beside_a_wait(exec_at_once, arg);
}

static void test_exec_in_a_task_leaves_nothing_of_the_loop(void **state)
{
    (void)state;
    int from, status;
    pid_t child = fork_to(&from);
    if (child == 0)
        _exit(on_a_real_clock(exec_main, NULL) == 0 ? 1 : 2);
    const char *text = text_of(child, from, &status);
    assert_int_equal(status, 0);
    assert_non_null(strstr(text, "/proc/"));
    assert_null(strstr(text, "anon_inode"));
}

/* The end of a thread. */

static weft_loop *left;
static weft_task *left_task;

static int poll_forever(void *arg)
{
    (void)arg;
    return weft_poll_fd(pipe_ends[0], WEFT_READABLE);
}

/* A loop that has run, in which a task waits in the kernel. */
static void *leave_loop(void *arg)
{
    EXPECT(weft_loop_new(&left) == 0);
    weft_loop_retain(left);
    EXPECT(weft_spawn(weft_background(), poll_forever, NULL, .task = &left_task) == 0);
    for (int i = 0; i < 3; i++) {
        weft_loop_stop(left);
        EXPECT(weft_loop_run_forever(left) == 0);
    }
    if (arg)
        pthread_exit(NULL);
    return NULL;
}

static void never(void *arg)
{
    (void)arg;
    EXPECT(false);
}

/* Nobody runs it any more. What is sent to it stays unread, and the process ends as ever. */
static int leave_loops_behind(void)
{
    weft_log_set_sink(NULL, NULL);
    EXPECT(pipe2(pipe_ends, O_CLOEXEC) == 0);
    for (uintptr_t i = 0; i < 4; i++) {
        pthread_t thread;
        EXPECT(pthread_create(&thread, NULL, leave_loop, (void *)(i & 1)) == 0);
        pthread_join(thread, NULL);
        EXPECT(weft_post(left, never, NULL) == 0);
        EXPECT(weft_loop_free(left) == WEFT_ETHREAD);
        EXPECT(weft_loop_run_until_complete(left, left_task) == WEFT_ETHREAD);
        weft_loop_release(left);
    }
    EXPECT(write(pipe_ends[1], "x", 1) == 1); /* the kernel may tell those rings */
    have_own_loop();
    return 0;
}

static void test_thread_that_ends_leaves_its_loop_to_nobody(void **state)
{
    (void)state;
    assert_int_equal(exit_status(leave_loops_behind), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_fork_child_has_none_of_the_parents_loops),
        core_test(test_fork_in_a_task_leaves_the_task_to_the_parent),
        core_test(test_fork_child_that_returns_into_the_loop_aborts),
        core_test(test_fork_child_dies_of_the_signals_that_cancel_main),
        core_test(test_fork_and_exec_leaves_nothing_of_the_loop),
        core_test(test_exec_in_a_task_leaves_nothing_of_the_loop),
        core_test(test_thread_that_ends_leaves_its_loop_to_nobody),
    };
    return cmocka_run_group_tests_name("core fork", tests, NULL, NULL);
}
