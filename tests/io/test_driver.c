/* Which driver is opened, and what is said about it. */

#include "io_test.h"

#include <stdlib.h>

/* Open by name and close again; returns the error. */
static int try_open(const char *backend)
{
    struct wf_io_options options = { 0 };
    struct wf_io *io = NULL;
    const struct wf_io_ops *ops = NULL;
    const char *reason = NULL;
    assert_int_equal(wf_inbox_new(&options.inbox), 0);
    int err = wf_io_open(backend, &options, &io, &ops, &reason);
    assert_non_null(reason);
    if (err == 0) {
        assert_string_equal(ops->name, "epoll");
        ops->close(io);
    } else {
        assert_null(io);
        assert_null(ops);
    }
    wf_inbox_release(options.inbox);
    return err;
}

static void test_driver_auto_is_epoll(void **state)
{
    (void)state;
    unsetenv("WEFT_BACKEND");
    assert_int_equal(try_open(NULL), 0);
    assert_int_equal(try_open("auto"), 0);
    assert_int_equal(try_open(""), 0);
    assert_int_equal(try_open("epoll"), 0);
}

static void test_driver_absent_is_refused(void **state)
{
    (void)state;
    assert_int_equal(try_open("sim"), -ENOTSUP);
    assert_int_equal(try_open("kqueue"), -ENOTSUP);
}

static void test_driver_environment_chooses_unless_the_caller_does(void **state)
{
    (void)state;
    setenv("WEFT_BACKEND", "sim", 1);
    assert_int_equal(try_open(NULL), -ENOTSUP);
    assert_int_equal(try_open("auto"), -ENOTSUP);
    assert_int_equal(try_open("epoll"), 0);
    setenv("WEFT_BACKEND", "epoll", 1);
    assert_int_equal(try_open(NULL), 0);
    setenv("WEFT_BACKEND", "auto", 1);
    assert_int_equal(try_open(NULL), 0);
    setenv("WEFT_BACKEND", "", 1);
    assert_int_equal(try_open(NULL), 0);
    unsetenv("WEFT_BACKEND");
}

static void test_driver_open_fails_whole(void **state)
{
    (void)state;
    const enum wf_io_fault_kind kinds[] = { WF_FAULT_OPEN, WF_FAULT_CONTROL };
    struct wf_io_options options = { 0 };
    int fds = count_fds();
    assert_int_equal(wf_inbox_new(&options.inbox), 0);
    for (int i = 0; i < 2; i++) {
        struct wf_io *io = NULL;
        const struct wf_io_ops *ops = NULL;
        const char *reason = NULL;
        struct wf_io_fault fault = { .kind = kinds[i], .countdown = 1, .error = EMFILE };
        wf_io_fault_set(&fault);
        assert_int_equal(wf_io_open("epoll", &options, &io, &ops, &reason), -EMFILE);
        wf_io_fault_set(NULL);
        struct wf_memory_fault no_memory = { .countdown = i + 1 };
        wf_memory_fault_set(&no_memory);
        assert_int_equal(wf_io_open("epoll", &options, &io, &ops, &reason), -ENOMEM);
        wf_memory_fault_set(NULL);
        assert_null(io);
        assert_non_null(reason);
    }
    wf_inbox_release(options.inbox);
    assert_int_equal(count_fds(), fds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_driver_auto_is_epoll),
        cmocka_unit_test(test_driver_absent_is_refused),
        cmocka_unit_test(test_driver_environment_chooses_unless_the_caller_does),
        cmocka_unit_test(test_driver_open_fails_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
