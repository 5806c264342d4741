/* A signal asks a loop for a dump. */

#include "inspect_test.h"

#include "../core/group_test.h"

#include <fcntl.h>

static int pipes[2];

static size_t read_dump(void)
{
    ssize_t size = read(pipes[0], dumped.text, sizeof dumped.text - 1);
    dumped.text[size > 0 ? size : 0] = '\0';
    return size > 0 ? (size_t)size : 0;
}

static int asked_main(void *arg)
{
    weft_scope s;
    (void)arg;
    assert_int_equal(pipe2(pipes, O_NONBLOCK), 0);
    assert_int_equal(weft_dump_on_signal(SIGQUIT, pipes[1]), 0);
    struct sigaction action;
    sigaction(SIGQUIT, NULL, &action);
    assert_true(action.sa_flags & SA_ONSTACK);
    assert_int_equal(weft_dump_on_signal(SIGUSR2, pipes[1]), -EBUSY);
    assert_true(take_log("this process has such a signal already") <= 1); /* once a process */
    weft_scope_begin(&s);
    weft_spawn(&s, sleep_second, NULL);
    weft_sleep(0);
    raise(SIGQUIT);
    raise(SIGQUIT);
    assert_int_equal(read_dump(), 0);
    weft_sleep(MILLISECOND);
    assert_true(read_dump() > 0);
    EXPECT_ORDER("task 1 '", "parked: waits for sleep", "task 2 'sleep_second', parked");
    return weft_scope_end(&s);
}

static bool is_default(int number)
{
    struct sigaction action;
    sigaction(number, NULL, &action);
    return action.sa_handler == SIG_DFL;
}

static void close_pipes(void)
{
    close(pipes[0]);
    close(pipes[1]);
}

static void test_dump_signal_is_answered_in_the_next_turn_until_the_loop_ends(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) { /* run after run */
        assert_int_equal(run(asked_main, NULL), 0);
        assert_true(is_default(SIGQUIT));
        close_pipes();
    }
}

static int given_back_main(void *arg)
{
    (void)arg;
    assert_int_equal(weft_dump_on_signal(0, -1), 0);
    assert_int_equal(weft_dump_on_signal(SIGKILL, STDERR_FILENO), -EINVAL);
    assert_int_equal(weft_dump_on_signal(SIGUSR2, STDERR_FILENO), 0);
    assert_false(is_default(SIGUSR2));
    raise(SIGUSR2); /* on its way, and then nobody's */
    assert_int_equal(weft_dump_on_signal(0, -1), 0);
    assert_true(is_default(SIGUSR2));
    assert_int_equal(weft_dump_on_signal(0, -1), 0);
    return weft_sleep(SECOND);
}

static void test_dump_signal_can_be_given_back(void **state)
{
    (void)state;
    assert_int_equal(run(given_back_main, NULL), 0);
}

static void test_dump_signal_needs_a_loop(void **state)
{
    (void)state;
    assert_int_equal(weft_dump_on_signal(SIGQUIT, STDERR_FILENO), -EPERM);
    expect_log("weft_dump_on_signal() where there is no loop");
}

/* All loops of a run: the test reads until each has been seen. */

static int all_main(void *arg)
{
    (void)arg;
    static char seen[64 << 10];
    size_t size = 0;
    meet();
    if (weft_loop_index() != 1)
        return weft_sleep(WEFT_FOREVER);
    assert_int_equal(pipe2(pipes, O_NONBLOCK), 0);
    assert_int_equal(weft_dump_on_signal(SIGQUIT, pipes[1]), 0);
    kill(getpid(), SIGQUIT);
    while (!strstr(seen, "loop 0 of 4:") || !strstr(seen, "loop 1 of 4:") ||
           !strstr(seen, "loop 2 of 4:") || !strstr(seen, "loop 3 of 4:")) {
        assert_true(weft_poll_fd(pipes[0], WEFT_READABLE) > 0);
        size_t more = read_dump();
        assert_true(size + more < sizeof seen);
        memcpy(seen + size, dumped.text, more);
        size += more;
    }
    return -EPROTO; /* ends the others */
}

static void test_dump_signal_is_answered_by_all_loops_of_a_run(void **state)
{
    (void)state;
    assert_int_equal(run_loops(LOOPS, all_main, NULL), -EPROTO);
    close_pipes();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_dump_signal_is_answered_in_the_next_turn_until_the_loop_ends),
        core_test(test_dump_signal_can_be_given_back),
        core_test(test_dump_signal_needs_a_loop),
        core_test(test_dump_signal_is_answered_by_all_loops_of_a_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
