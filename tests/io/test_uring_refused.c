/* Where there is no ring for us: filters, limits, older kernels. A driver that was named alone is
 * an error with a reason; of several the next one is taken, and the reason says why. Each in a
 * process of its own, which gives away what it cannot take back. */

#include "io_test.h"

#include "io/uring_inside.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* In the child, where a failed assertion of cmocka's would run the tests that follow. */
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static void in_child(void (*fn)(const void *arg), const void *arg)
{
    int status = -1;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        unsetenv("WEFT_BACKEND");
        unsetenv("WEFT_URING_MASK");
        fn(arg);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* A driver, and what was said about it. */
struct opening {
    int err;
    struct wf_io *io;
    const struct wf_io_ops *ops;
    const char *reason;
};

static struct opening open_by(const char *names, struct wf_inbox *inbox)
{
    struct wf_io_options options = { .inbox = inbox };
    struct opening opening = { 0 };
    opening.err = wf_io_open(names, &options, &opening.io, &opening.ops, &opening.reason);
    EXPECT(opening.reason != NULL);
    EXPECT(opening.err == 0 || !opening.io);
    return opening;
}

static const struct wf_uring *ring_of(const struct opening *opening)
{
    EXPECT(opening->err == 0 && strcmp(opening->ops->name, "uring") == 0);
    return wf_container(opening->io, struct wf_uring, base);
}

static bool is_best(const struct opening *opening)
{
    return ring_of(opening)->ring.flags & IORING_SETUP_DEFER_TASKRUN;
}

/* A driver that works: a poll of what is ready already. */
static void try_out(const struct opening *opening, struct wf_inbox *inbox)
{
    struct world world = { .inbox = inbox, .io = opening->io, .ops = opening->ops };
    struct probe probe = { 0 };
    uint64_t one = 1;
    EXPECT(write(inbox->event_fd, &one, sizeof one) == sizeof one);
    int64_t result = submit_poll(&world, &probe, inbox->event_fd, WF_POLL_READ);
    for (int i = 0; i < 100 && result == WF_PENDING && probe.calls == 0; i++)
        opening->ops->wait(opening->io, PATIENCE);
    EXPECT((result == WF_PENDING ? probe.result : result) == WF_POLL_READ);
}

/* Named alone it is an error, of several the next one is taken: each time with the reason. */
static void expect_refusal(int err, const char *reason)
{
    struct wf_inbox *inbox;
    EXPECT(wf_inbox_new(&inbox) == 0);
    int fds = count_fds();
    struct opening alone = open_by("uring", inbox);
    EXPECT(alone.err == err);
    EXPECT(strstr(alone.reason, reason));
    EXPECT(count_fds() == fds);
    setenv("WEFT_BACKEND", "uring,epoll", 1);
    static const char *const lists[] = { "uring,epoll", NULL, "auto", "sim,uring,epoll" };
    for (size_t i = 0; i < WF_ARRAY_SIZE(lists); i++) {
        struct opening several = open_by(lists[i], inbox);
        EXPECT(several.err == 0);
        EXPECT(strcmp(several.ops->name, "epoll") == 0);
        EXPECT(strstr(several.reason, reason));
        try_out(&several, inbox);
        several.ops->close(several.io);
        EXPECT(count_fds() == fds);
    }
    unsetenv("WEFT_BACKEND");
    struct opening usual = open_by("auto", inbox);
    EXPECT(usual.err == 0 && strcmp(usual.ops->name, "epoll") == 0);
    usual.ops->close(usual.io);
    wf_inbox_release(inbox);
}

/* Filters. */

struct denial {
    long call;
    int error;
    const char *reason;
};

/* From now on this call fails with this error. */
static void deny(long call, int error)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), /* the call's number */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = { WF_ARRAY_SIZE(rules), rules };
    EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    EXPECT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
}

static void denied(const void *arg)
{
    const struct denial *denial = arg;
    deny(denial->call, denial->error);
    expect_refusal(-denial->error, denial->reason);
}

static void test_uring_refused_by_a_filter_says_which_call(void **state)
{
    (void)state;
    static const struct denial denials[] = {
        { SYS_io_uring_setup, EPERM, "switched off (kernel.io_uring_disabled), or a filter" },
        { SYS_io_uring_setup, EACCES, "a filter denies io_uring" },
        { SYS_io_uring_setup, ENOSYS, "this kernel has no io_uring" },
        { SYS_io_uring_setup, EINVAL, "this kernel's io_uring is too old" },
        { SYS_io_uring_setup, ENOMEM, "RLIMIT_MEMLOCK" },
        { SYS_io_uring_setup, EMFILE, "no descriptor is left" },
        { SYS_io_uring_setup, ENFILE, "no descriptor is left" },
        { SYS_io_uring_setup, EBUSY, "the kernel refuses a ring" },
        { SYS_io_uring_register, EPERM, "denies io_uring_register" },
        { SYS_io_uring_register, EACCES, "denies io_uring_register" },
        { SYS_io_uring_register, ENOSYS, "denies io_uring_register" },
        { SYS_io_uring_enter, EPERM, "denies io_uring_enter" },
        { SYS_io_uring_enter, EACCES, "denies io_uring_enter" },
        { SYS_io_uring_enter, ENOSYS, "denies io_uring_enter" },
    };
    for (size_t i = 0; i < WF_ARRAY_SIZE(denials); i++)
        in_child(denied, &denials[i]);
}

/* Limits. */

/* A user whose locked memory nobody else counts against, without CAP_IPC_LOCK. */
static void become_somebody(void)
{
    uid_t user = 61000 + (uid_t)getpid() % 4000;
    if (geteuid() == 0)
        EXPECT(setresuid(user, user, user) == 0);
}

static void limit(int resource, rlim_t value)
{
    struct rlimit limit;
    EXPECT(getrlimit((__rlimit_resource_t)resource, &limit) == 0);
    limit.rlim_cur = value;
    EXPECT(setrlimit((__rlimit_resource_t)resource, &limit) == 0);
}

/* From Linux 6.14 on a ring counts as locked memory. */
static void locks_no_memory(const void *arg)
{
    (void)arg;
    struct wf_inbox *inbox;
    become_somebody();
    limit(RLIMIT_MEMLOCK, 0);
    EXPECT(wf_inbox_new(&inbox) == 0);
    struct opening alone = open_by("uring", inbox), several;
    if (alone.err < 0) {
        expect_refusal(-ENOMEM, "RLIMIT_MEMLOCK");
    } else {
        alone.ops->close(alone.io);
        several = open_by("uring,epoll", inbox);
        EXPECT(several.err == 0);
        several.ops->close(several.io);
    }
    wf_inbox_release(inbox);
}

static void test_uring_refused_for_locked_memory_says_so(void **state)
{
    (void)state;
    in_child(locks_no_memory, NULL);
}

/* The least with which a ring opens: none is left for buffers that the kernel picks. */
static void locks_little(const void *arg)
{
    (void)arg;
    struct world world;
    struct echo echo;
    struct opening opening = { .err = -ENOMEM };
    become_somebody();
    EXPECT(wf_inbox_new(&world.inbox) == 0);
    for (rlim_t pages = 0; pages < 1000 && opening.err == -ENOMEM; pages++) {
        limit(RLIMIT_MEMLOCK, pages * 4096);
        opening = open_by("uring", world.inbox);
    }
    EXPECT(opening.err == 0);
    world.io = opening.io;
    world.ops = opening.ops;
    echo_open(&world, &echo, make_pair);
    for (int i = 0; i < 3; i++) {
        EXPECT(submit_lend(&world, &echo.probe, &echo.descriptor) == WF_PENDING);
        EXPECT(send(echo.peer, "lend", 4, 0) == 4);
        while (echo.probe.calls == 0)
            world.ops->wait(world.io, PATIENCE);
        EXPECT(echo.probe.result == 4);
        EXPECT(memcmp(echo.probe.op.lend.data, "lend", 4) == 0);
        world.ops->lend_return(world.io, echo.probe.op.lend.data);
    }
    echo_close(&world, &echo);
    world.ops->close(world.io);
    wf_inbox_release(world.inbox);
}

static void test_uring_that_may_lock_no_more_lends_all_the_same(void **state)
{
    (void)state;
    in_child(locks_little, NULL);
}

static void has_no_descriptor(const void *arg)
{
    (void)arg;
    struct wf_inbox *inbox;
    EXPECT(wf_inbox_new(&inbox) == 0);
    int next = dup(inbox->event_fd);
    close(next);
    limit(RLIMIT_NOFILE, (rlim_t)next);
    struct opening alone = open_by("uring", inbox);
    EXPECT(alone.err == -EMFILE);
    EXPECT(strstr(alone.reason, "no descriptor is left"));
    struct opening several = open_by("uring,epoll", inbox);
    EXPECT(several.err == -EMFILE);
    EXPECT(strstr(several.reason, "epoll could not be opened"));
    limit(RLIMIT_NOFILE, (rlim_t)next + 1);
    struct opening last = open_by("uring", inbox);
    EXPECT(last.err == 0);
    try_out(&last, inbox);
    last.ops->close(last.io);
    wf_inbox_release(inbox);
}

static void test_uring_refused_for_descriptors_says_so(void **state)
{
    (void)state;
    in_child(has_no_descriptor, NULL);
}

/* Kernels. Named alone the ring is taken as it is, before others only where it is at its best. */

static void has_older_kernel(const void *arg)
{
    struct wf_inbox *inbox;
    EXPECT(wf_inbox_new(&inbox) == 0);
    struct opening alone = open_by("uring", inbox);
    bool best = is_best(&alone);
    alone.ops->close(alone.io);
    setenv("WEFT_URING_MASK", arg, 1);
    alone = open_by("uring", inbox);
    EXPECT(is_best(&alone) == (best && strcmp(arg, "5.15") != 0));
    best = is_best(&alone);
    alone.ops->close(alone.io);
    struct opening first = open_by("uring,epoll", inbox), last = open_by("sim,uring", inbox);
    EXPECT(first.err == 0);
    EXPECT(strcmp(first.ops->name, best ? "uring" : "epoll") == 0);
    EXPECT(strstr(first.reason, best ? "the caller" : "this kernel's io_uring is too old"));
    EXPECT(is_best(&last) == best);
    first.ops->close(first.io);
    last.ops->close(last.io);
    wf_inbox_release(inbox);
}

static void test_uring_refused_as_too_old_only_before_another(void **state)
{
    (void)state;
    static const char *const masks[] = { "", "5.15", "6.1" };
    for (size_t i = 0; i < WF_ARRAY_SIZE(masks); i++)
        in_child(has_older_kernel, masks[i]);
}

static void has_wrong_mask(const void *arg)
{
    setenv("WEFT_URING_MASK", arg, 1);
    expect_refusal(-EINVAL, "WEFT_URING_MASK names no kernel");
}

static void test_uring_refused_for_a_mask_that_is_none_says_so(void **state)
{
    (void)state;
    in_child(has_wrong_mask, "2.6");
}

/* The first thing that it needs fails, by the seam to the kernel or to the heap. */
static void test_uring_refused_by_one_failure_falls_back(void **state)
{
    (void)state;
    struct wf_io_fault fault = { .kind = WF_FAULT_OPEN, .countdown = 1, .error = EMFILE };
    struct wf_memory_fault no_memory = { .countdown = 1 };
    struct wf_inbox *inbox;
    assert_int_equal(wf_inbox_new(&inbox), 0);
    wf_io_fault_set(&fault);
    struct opening opening = open_by("uring,epoll", inbox);
    wf_io_fault_set(NULL);
    assert_string_equal(opening.ops->name, "epoll");
    assert_string_equal(opening.reason, "no descriptor is left for a ring");
    opening.ops->close(opening.io);
    wf_memory_fault_set(&no_memory);
    opening = open_by("uring,epoll", inbox);
    wf_memory_fault_set(NULL);
    assert_string_equal(opening.ops->name, "epoll");
    assert_string_equal(opening.reason, "no memory");
    opening.ops->close(opening.io);
    wf_inbox_release(inbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uring_refused_by_a_filter_says_which_call),
        cmocka_unit_test(test_uring_refused_for_locked_memory_says_so),
        cmocka_unit_test(test_uring_that_may_lock_no_more_lends_all_the_same),
        cmocka_unit_test(test_uring_refused_for_descriptors_says_so),
        cmocka_unit_test(test_uring_refused_as_too_old_only_before_another),
        cmocka_unit_test(test_uring_refused_for_a_mask_that_is_none_says_so),
        cmocka_unit_test(test_uring_refused_by_one_failure_falls_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
