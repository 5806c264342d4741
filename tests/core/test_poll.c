/* Readiness of descriptors that others own. */

#include "core_test.h"

#include <fcntl.h>
#include <sys/socket.h>

struct polled {
    int fd;
    unsigned interest;
    int result;
};

static int poll_it(void *arg)
{
    struct polled *p = arg;
    p->result = weft_poll_fd(p->fd, p->interest);
    return 0;
}

static int refusals_main(void *arg)
{
    (void)arg;
    assert_int_equal(weft_poll_fd(-1, WEFT_READABLE), -EBADF);
    assert_int_equal(weft_poll_fd(1000, WEFT_READABLE), -EBADF);
    assert_int_equal(weft_poll_fd(0, 0), -EINVAL);
    assert_int_equal(weft_poll_fd(0, 8), -EINVAL);
    return 0;
}

static void test_poll_refuses_what_is_no_descriptor_or_no_interest(void **state)
{
    (void)state;
    assert_int_equal(run(refusals_main, NULL), 0);
    assert_int_equal(take_log("weft_poll_fd() with the interest 0"), 2);
}

static int ready_main(void *arg)
{
    int *pair = arg;
    char byte;
    assert_int_equal(weft_poll_fd(pair[0], WEFT_READABLE | WEFT_WRITABLE), WEFT_WRITABLE);
    assert_int_equal(write(pair[1], "x", 1), 1);
    assert_int_equal(weft_poll_fd(pair[0], WEFT_READABLE), WEFT_READABLE);
    assert_int_equal(weft_poll_fd(pair[0], WEFT_READABLE | WEFT_WRITABLE), 3);
    assert_int_equal(read(pair[0], &byte, 1), 1);
    shutdown(pair[1], SHUT_RDWR);
    assert_int_equal(weft_poll_fd(pair[0], WEFT_HANGUP), WEFT_HANGUP);
    assert_int_equal(weft_poll_fd(pair[0], WEFT_READABLE), WEFT_READABLE | WEFT_HANGUP);
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_int_equal(weft_poll_fd(file, WEFT_READABLE), WEFT_READABLE);
    close(file);
    return 0;
}

static void test_poll_tells_what_is_ready(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(run(ready_main, pair), 0);
    close(pair[0]);
    close(pair[1]);
}

static int wake_main(void *arg)
{
    int *pair = arg;
    struct polled readers[3];
    weft_scope s;
    weft_scope_begin(&s);
    for (int i = 0; i < 3; i++) {
        readers[i] = (struct polled){ pair[0], WEFT_READABLE, 0 };
        weft_spawn(&s, poll_it, &readers[i]);
    }
    weft_sleep(SECOND);
    assert_int_equal(write(pair[1], "x", 1), 1);
    int err = weft_scope_end(&s);
    for (int i = 0; i < 3; i++)
        assert_int_equal(readers[i].result, WEFT_READABLE);
    return err;
}

static void test_poll_wakes_everybody_who_waits(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(pipe(pair), 0);
    assert_int_equal(run(wake_main, pair), 0);
    close(pair[0]);
    close(pair[1]);
}

static int cancel_main(void *arg)
{
    int *pair = arg;
    weft_scope s;
    for (int i = 0; i < 3; i++) {
        weft_scope_begin(&s, .timeout = SECOND);
        assert_int_equal(weft_poll_fd(pair[0], WEFT_READABLE), -ECANCELED);
        assert_int_equal(weft_scope_end(&s), -ETIMEDOUT);
    }
    assert_int_equal(write(pair[1], "x", 1), 1);
    assert_int_equal(weft_poll_fd(pair[0], WEFT_READABLE), WEFT_READABLE);
    return 0;
}

static void test_poll_is_cancelled_and_the_descriptor_stays_usable(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(pipe(pair), 0);
    assert_int_equal(run(cancel_main, pair), 0);
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_poll_refuses_what_is_no_descriptor_or_no_interest),
        core_test(test_poll_tells_what_is_ready),
        core_test(test_poll_wakes_everybody_who_waits),
        core_test(test_poll_is_cancelled_and_the_descriptor_stays_usable),
    };
    return cmocka_run_group_tests_name("core poll", tests, NULL, NULL);
}
