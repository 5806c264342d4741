/* Which driver is opened, and what is said about it. */

#include "io_test.h"

#include "base/compiler.h"

#include <stdlib.h>

/* Of the last try_open(). */
static const char *opened, *reason;

/* Open by name and close again; returns the error. */
static int try_open(const char *backend)
{
    struct wf_io_options options = { 0 };
    struct wf_io *io = NULL;
    const struct wf_io_ops *ops = NULL;
    reason = NULL;
    assert_int_equal(wf_inbox_new(&options.inbox), 0);
    int err = wf_io_open(backend, &options, &io, &ops, &reason);
    assert_non_null(reason);
    opened = err == 0 ? ops->name : NULL;
    if (err == 0) {
        ops->close(io);
    } else {
        assert_null(io);
        assert_null(ops);
    }
    wf_inbox_release(options.inbox);
    return err;
}

static void check_opened(const char *backend, const char *name, const char *why)
{
    assert_int_equal(try_open(backend), 0);
    assert_string_equal(opened, name);
    assert_string_equal(reason, why);
}

static void test_driver_auto_is_epoll(void **state)
{
    (void)state;
    unsetenv("WEFT_BACKEND");
    check_opened(NULL, "epoll", "the best driver of this library");
    check_opened("auto", "epoll", "the best driver of this library");
    check_opened("", "epoll", "the best driver of this library");
    check_opened("epoll", "epoll", "the caller asked for it");
}

/* The first that opens is taken, and why the one before it did not is the reason. */
static void test_driver_names_are_tried_in_order(void **state)
{
    (void)state;
    static const char not_here[] = "the simulated driver is not built into this library";
    check_opened("epoll,sim", "epoll", "the caller asked for it");
    check_opened("sim,epoll", "epoll", not_here);
    assert_int_equal(try_open("sim,sim"), -ENOTSUP);
    assert_string_equal(reason, not_here);
    setenv("WEFT_BACKEND", "sim,epoll", 1);
    check_opened(NULL, "epoll", not_here);
    setenv("WEFT_BACKEND", "epoll,sim", 1);
    check_opened("auto", "epoll", "WEFT_BACKEND asked for it");
    unsetenv("WEFT_BACKEND");
}

/* Also of those that are not asked, because one before them opens. */
static void test_driver_unknown_among_names_is_refused(void **state)
{
    (void)state;
    static const char *const lists[] = { "epoll,uringg", "epoll,", ",epoll",    "epoll,,sim",
                                         "epoll,auto",   ",",      "epoll, sim" };
    for (size_t i = 0; i < WF_ARRAY_SIZE(lists); i++) {
        assert_int_equal(try_open(lists[i]), -ENOTSUP);
        assert_non_null(strstr(reason, "no driver has this name"));
    }
}

static void test_driver_absent_is_refused(void **state)
{
    (void)state;
    assert_int_equal(try_open("sim"), -ENOTSUP);
    assert_int_equal(try_open("kqueue"), -ENOTSUP);
    assert_int_equal(try_open("epol"), -ENOTSUP);
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
        reason = NULL;
        struct wf_io *io = NULL;
        const struct wf_io_ops *ops = NULL;
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
        cmocka_unit_test(test_driver_names_are_tried_in_order),
        cmocka_unit_test(test_driver_unknown_among_names_is_refused),
        cmocka_unit_test(test_driver_absent_is_refused),
        cmocka_unit_test(test_driver_environment_chooses_unless_the_caller_does),
        cmocka_unit_test(test_driver_open_fails_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
