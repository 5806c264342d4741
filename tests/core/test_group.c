/* Loop groups (semantics 16): a main on each of several loops, one run. Real time and real threads:
 * what is waited for comes by posts. */

#include "core_test.h"

#include "core/group.h"
#include "io/fault.h"

#include <sched.h>
#include <sys/resource.h>

#include "group_test.h"

/* A main on each. */

static atomic_uint mains, sum;
static weft_loop *seen[LOOPS];
static pthread_t threads_seen[LOOPS];

static int look_around(void *arg)
{
    unsigned me = weft_loop_index();
    assert_ptr_equal(arg, &mains);
    assert_int_equal(weft_loop_count(), LOOPS);
    assert_ptr_equal(weft_loop_at(me), weft_loop_current());
    assert_null(weft_loop_at(LOOPS));
    seen[me] = weft_loop_current();
    threads_seen[me] = pthread_self();
    atomic_fetch_add(&mains, 1);
    atomic_fetch_add(&sum, me);
    meet();
    for (unsigned i = 0; i < LOOPS; i++)
        assert_ptr_equal(weft_loop_at(i), seen[i]);
    return (int)me + 7;
}

static void test_semantics_16_main_runs_once_on_each_loop(void **state)
{
    (void)state;
    atomic_store(&mains, 0);
    atomic_store(&sum, 0);
    assert_int_equal(run_loops(LOOPS, look_around, &mains), 7); /* loop 0's */
    assert_int_equal(atomic_load(&mains), LOOPS);
    assert_int_equal(atomic_load(&sum), 0 + 1 + 2 + 3);
    assert_true(pthread_equal(threads_seen[0], pthread_self()));
    for (int i = 1; i < LOOPS; i++)
        assert_false(pthread_equal(threads_seen[i], threads_seen[i - 1]));
}

static int be_alone(void *arg)
{
    (void)arg;
    assert_int_equal(weft_loop_index(), 0);
    assert_int_equal(weft_loop_count(), 1);
    assert_ptr_equal(weft_loop_at(0), weft_loop_current());
    assert_null(weft_loop_at(1));
    return 0;
}

static void test_semantics_16_one_loop_is_number_0_of_1(void **state)
{
    (void)state;
    assert_int_equal(weft_loop_count(), 0);
    assert_null(weft_loop_at(0));
    assert_int_equal(run(be_alone, NULL), 0);
    assert_int_equal(weft_run(be_alone, NULL, .threads = 1, .no_signals = true), 0);
}

/* The result. */

static int fail_second(void *arg)
{
    (void)arg;
    meet();
    if (weft_loop_index() == 2)
        return -EPROTO;
    int err = weft_sleep(WEFT_FOREVER);
    assert_int_equal(err, -ECANCELED);
    assert_int_equal(weft_task_cancel_requests(weft_task_self()), 1);
    atomic_fetch_add(&mains, 1);
    return err;
}

static void test_semantics_16_the_first_failure_cancels_the_others_and_is_the_result(void **state)
{
    (void)state;
    atomic_store(&mains, 0);
    assert_int_equal(run_loops(LOOPS, fail_second, NULL), -EPROTO);
    assert_int_equal(atomic_load(&mains), LOOPS - 1);
}

static int fail_with_detail(void *arg)
{
    (void)arg;
    if (weft_loop_index() == 1)
        return weft_loop_run_forever(weft_loop_current()); /* -EDEADLK, with a sentence */
    return weft_sleep(WEFT_FOREVER);
}

static void test_group_the_failures_detail_reaches_the_caller(void **state)
{
    (void)state;
    assert_int_equal(run_loops(2, fail_with_detail, NULL), -EDEADLK);
    assert_non_null(strstr(weft_error_detail(), "a loop runs on this thread already"));
    expect_log("a loop runs on this thread already");
}

/* Loops stay until all mains have ended. */

static atomic_int posts_heard;

static void hear(void *arg)
{
    (void)arg;
    atomic_fetch_add(&posts_heard, 1);
}

static void answer(void *arg)
{
    (void)arg;
    hear(NULL);
    assert_int_equal(weft_post(weft_loop_at(0), hear, NULL), 0);
}

static int ask_those_who_have_ended(void *arg)
{
    (void)arg;
    if (weft_loop_index() != 0)
        return 0;
    for (int round = 0; round < 100; round++) {
        for (unsigned i = 1; i < LOOPS; i++)
            assert_int_equal(weft_post(weft_loop_at(i), answer, NULL), 0);
        while (atomic_load(&posts_heard) < (round + 1) * 2 * (LOOPS - 1))
            weft_sleep(0);
    }
    return 0;
}

static void test_semantics_16_loops_stay_until_all_mains_have_ended(void **state)
{
    (void)state;
    atomic_store(&posts_heard, 0);
    assert_int_equal(run_loops(LOOPS, ask_those_who_have_ended, NULL), 0);
    assert_int_equal(atomic_load(&posts_heard), 100 * 2 * (LOOPS - 1));
}

/* … and until all tasks of their backgrounds have. */

static int post_last(void *arg)
{
    (void)arg;
    weft_scope shield;
    weft_sleep(WEFT_FOREVER);
    weft_scope_begin(&shield, .shield = true);
    for (int i = 0; i < 20; i++) {
        weft_sleep(MILLISECOND / 10);
        for (unsigned k = 0; k < weft_loop_count(); k++)
            assert_int_equal(weft_post(weft_loop_at(k), hear, NULL, .dropped = hear), 0);
    }
    return weft_scope_end(&shield);
}

static int leave_one_behind(void *arg)
{
    (void)arg;
    if (weft_loop_index() == 1)
        weft_spawn(weft_background(), post_last, NULL);
    return weft_sleep(0);
}

static void test_semantics_16_loops_stay_until_all_have_wound_down(void **state)
{
    (void)state;
    atomic_store(&posts_heard, 0);
    assert_int_equal(run_loops(LOOPS, leave_one_behind, NULL), 0);
    assert_int_equal(atomic_load(&posts_heard), 20 * LOOPS);
}

static void drop_and_look(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < weft_loop_count(); i++)
        if (weft_post(weft_loop_at(i), hear, NULL) == -ESHUTDOWN)
            atomic_fetch_add(&posts_heard, 1);
}

static void never(void *arg)
{
    (void)arg;
}

static int leave_a_drop(void *arg)
{
    (void)arg;
    weft_call_later(WEFT_HOUR, never, NULL, .drop = drop_and_look);
    return 0;
}

static void test_group_a_drop_at_the_end_may_still_name_every_loop(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        assert_int_equal(run_loops(LOOPS, leave_a_drop, NULL), 0);
}

/* Signals. */

static int run_with_signals(weft_fn *fn, void *arg)
{
    return run_group(LOOPS, fn, arg, true);
}

static int interrupted(void *arg)
{
    meet();
    if (weft_loop_index() == 0)
        kill(getpid(), *(int *)arg);
    int err = weft_sleep(WEFT_FOREVER);
    assert_int_equal(err, -ECANCELED);
    assert_int_equal(weft_task_cancel_requests(weft_task_self()), 1);
    atomic_fetch_add(&mains, 1);
    return err;
}

static void test_semantics_16_a_signal_cancels_every_main(void **state)
{
    (void)state;
    int numbers[] = { SIGINT, SIGTERM };
    atomic_store(&mains, 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(run_with_signals(interrupted, &numbers[i % 2]), -ECANCELED);
    assert_int_equal(atomic_load(&mains), 4 * LOOPS);
}

static int interrupted_twice(void *arg)
{
    (void)arg;
    weft_scope shield;
    weft_scope_begin(&shield, .shield = true, .timeout = WEFT_FOREVER);
    meet();
    if (weft_loop_index() == 0) {
        raise(SIGINT);
        raise(SIGTERM);
    }
    if (weft_sleep(WEFT_FOREVER) == -ECANCELED)
        atomic_fetch_add(&mains, 1);
    weft_scope_end(&shield);
    return -ECANCELED;
}

static void test_semantics_16_the_second_signal_cancels_shields_everywhere(void **state)
{
    (void)state;
    atomic_store(&mains, 0);
    assert_int_equal(run_with_signals(interrupted_twice, NULL), -ECANCELED);
    assert_int_equal(atomic_load(&mains), LOOPS);
}

static int deaf_on_one(void *arg)
{
    (void)arg;
    meet();
    if (weft_loop_index() == 0) {
        raise(SIGINT);
        raise(SIGINT);
    }
    while (weft_loop_index() == 1) {
        weft_scope shield;
        weft_scope_begin(&shield, .shield = true);
        weft_sleep(MILLISECOND);
        weft_scope_end(&shield);
    }
    return weft_sleep(WEFT_FOREVER);
}

static int leave_deaf(void)
{
    pthread_barrier_init(&meeting, NULL, LOOPS);
    int err = weft_run(deaf_on_one, NULL, .threads = LOOPS, .grace = 20 * MILLISECOND);
    return err == WEFT_ESTUCK && take_log("was destroyed while pending") == 1 ? 0 : 1;
}

static void test_semantics_16_one_stuck_loop_makes_the_group_stuck(void **state)
{
    (void)state;
    assert_int_equal(exit_status(leave_deaf), 0);
}

static int look_at_signals(void *arg)
{
    sigset_t blocked;
    (void)arg;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    bool is_first = weft_loop_index() == 0;
    assert_int_equal(sigismember(&blocked, SIGTERM), !is_first);
    assert_int_equal(sigismember(&blocked, SIGUSR1), !is_first);
    assert_int_equal(sigismember(&blocked, SIGSEGV), 0);
    return 0;
}

static void test_group_only_loop_0_takes_signals(void **state)
{
    (void)state;
    assert_int_equal(run_loops(LOOPS, look_at_signals, NULL), 0);
}

/* Threads. */

static int look_at_name(void *arg)
{
    char name[16], expected[16];
    (void)arg;
    pthread_getname_np(pthread_self(), name, sizeof name);
    snprintf(expected, sizeof expected, "weft-%u", weft_loop_index());
    if (weft_loop_index() > 0)
        assert_string_equal(name, expected);
    return 0;
}

static void test_group_threads_have_names(void **state)
{
    (void)state;
    assert_int_equal(run_loops(LOOPS, look_at_name, NULL), 0);
}

static cpu_set_t cpus_of[LOOPS];

static int look_at_cpus(void *arg)
{
    (void)arg;
    pthread_getaffinity_np(pthread_self(), sizeof cpus_of[0], &cpus_of[weft_loop_index()]);
    return 0;
}

static void test_group_pinned_loops_have_a_processor_each(void **state)
{
    (void)state;
    cpu_set_t before, after;
    pthread_getaffinity_np(pthread_self(), sizeof before, &before);
    assert_int_equal(
        weft_run(look_at_cpus, NULL, .threads = LOOPS, .pin = true, .no_signals = true), 0);
    pthread_getaffinity_np(pthread_self(), sizeof after, &after);
    assert_true(CPU_EQUAL(&before, &after));
    int count = CPU_COUNT(&before);
    for (int i = 0; i < LOOPS; i++) {
        assert_int_equal(CPU_COUNT(&cpus_of[i]), 1);
        if (i > 0)
            assert_int_equal(!CPU_EQUAL(&cpus_of[i], &cpus_of[i - 1]), count > 1);
    }
}

/* What cannot be. */

static void test_group_too_many_and_virtual_time_are_refused(void **state)
{
    (void)state;
    weft_loop *loop;
    assert_int_equal(weft_run(return_zero, NULL, .threads = WF_GROUP_MAX + 1), -EINVAL);
    assert_int_equal(weft_run(return_zero, NULL, .threads = 2, .clock = WEFT_CLOCK_TEST), -ENOTSUP);
    assert_non_null(strstr(weft_error_detail(), "virtual time"));
    assert_int_equal(weft_loop_new(&loop, .threads = 2), -ENOTSUP);
}

static int nested(void *arg)
{
    (void)arg;
    assert_int_equal(weft_run(return_zero, NULL, .threads = 2), -EDEADLK);
    return 0;
}

static void test_group_a_group_inside_a_loop_is_refused(void **state)
{
    (void)state;
    assert_int_equal(run(nested, NULL), 0);
    expect_log("inside a running loop");
}

/* Failures at the start: no main runs, nothing is left. */

static int count_main(void *arg)
{
    (void)arg;
    atomic_fetch_add(&mains, 1);
    return 0;
}

static void test_group_a_thread_that_cannot_be_made_undoes_all(void **state)
{
    (void)state;
    atomic_store(&mains, 0);
    for (long n = 1; n < LOOPS; n++) {
        struct wf_io_fault fault = { .kind = WF_FAULT_THREAD, .countdown = n, .error = EAGAIN };
        wf_io_fault_set(&fault);
        int err = run_loops(LOOPS, count_main, NULL);
        wf_io_fault_set(NULL);
        assert_int_equal(err, -EAGAIN);
        assert_non_null(strstr(weft_error_detail(), "no thread for loop"));
        assert_int_equal(count_fds(), fds_before);
    }
    assert_int_equal(atomic_load(&mains), 0);
}

/* The limit is the process's: so it meets whichever thread comes to it. */
static int run_with_files(rlim_t more)
{
    struct rlimit before, files;
    getrlimit(RLIMIT_NOFILE, &before);
    files = before;
    int next = dup(STDERR_FILENO); /* the lowest that is free */
    close(next);
    files.rlim_cur = (rlim_t)next + more;
    setrlimit(RLIMIT_NOFILE, &files);
    int err = run_loops(LOOPS, count_main, NULL);
    setrlimit(RLIMIT_NOFILE, &before);
    return err;
}

static void test_group_a_loop_without_a_descriptor_undoes_all(void **state)
{
    (void)state;
    int err = -EMFILE;
    rlim_t more = 0;
    for (; err < 0; more++) {
        atomic_store(&mains, 0);
        err = run_with_files(more);
        assert_int_equal(atomic_load(&mains), err < 0 ? 0 : LOOPS);
        assert_int_equal(err, err < 0 ? -EMFILE : 0);
        assert_int_equal(count_fds(), fds_before);
    }
    assert_true(more > 2 * LOOPS); /* an event and an epoll descriptor each */
}

/* Allocations of every thread, counted together. */

static struct {
    atomic_long left; /* until one fails */
    atomic_long blocks;
} heap;

static void *heap_take(void *context, size_t size)
{
    (void)context;
    if (atomic_fetch_sub(&heap.left, 1) == 1)
        return NULL;
    atomic_fetch_add(&heap.blocks, 1);
    return malloc(size);
}

static void *heap_resize(void *context, void *memory, size_t size)
{
    (void)context;
    return atomic_fetch_sub(&heap.left, 1) == 1 ? NULL : realloc(memory, size);
}

static void heap_give(void *context, void *memory)
{
    (void)context;
    atomic_fetch_sub(&heap.blocks, 1);
    free(memory);
}

static const struct weft_allocator counted = { heap_take, heap_resize, heap_give, NULL };

static void test_group_an_allocation_that_fails_leaves_nothing(void **state)
{
    (void)state;
    int err;
    long n = 0;
    weft_set_allocator(&counted);
    do {
        atomic_store(&heap.left, ++n);
        atomic_store(&heap.blocks, 0);
        atomic_store(&mains, 0);
        err = run_loops(LOOPS, count_main, NULL);
        assert_true(err == 0 || err == -ENOMEM);
        assert_true(err == 0 || atomic_load(&mains) < LOOPS);
        assert_int_equal(atomic_load(&heap.blocks), 0);
        assert_int_equal(count_fds(), fds_before);
    } while (atomic_load(&heap.left) <= 0);
    weft_set_allocator(NULL);
    take_log("could not be spawned");
    assert_true(n > 3 * LOOPS);
}

/* Nobody is said to be blocked: another loop may still post. */

static weft_future *awaited;

static void set_it(void *arg)
{
    (void)arg;
    weft_future_set(awaited, 0);
}

static int wait_without_limit(void *arg)
{
    (void)arg;
    if (weft_loop_index() == 1) {
        weft_sleep(5 * MILLISECOND);
        return weft_post(weft_loop_at(0), set_it, NULL);
    }
    awaited = weft_future_new();
    int err = weft_await(awaited);
    weft_future_release(awaited);
    return err;
}

static void test_group_waiting_for_another_loop_is_not_being_blocked(void **state)
{
    (void)state;
    assert_int_equal(run_loops(2, wait_without_limit, NULL), 0);
}

/* The watchdog looks after each loop. */

static bool was_told(const char *of)
{
    bool told = false;
    pthread_mutex_lock(&logged.lock);
    for (unsigned i = 0; i < logged.count && i < LOG_LINES; i++)
        told |= strstr(logged.text[i], of) != NULL;
    pthread_mutex_unlock(&logged.lock);
    return told;
}

/* Until somebody has said so. */
static int hold_up(void *arg)
{
    (void)arg;
    int64_t end = real_now() + 10 * SECOND;
    while (real_now() < end && !was_told("task 'holder'"))
        ;
    return 0;
}

static int main_holds_up(void *arg)
{
    (void)arg;
    meet();
    if (weft_loop_index() == 0)
        return 0;
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, hold_up, NULL, .name = "holder");
    return weft_scope_end(&s);
}

static void test_group_the_watchdog_names_who_holds_another_loop_up(void **state)
{
    (void)state;
    if (WF_TSAN) /* it holds signals back until the thread waits for something */
        skip();
    pthread_barrier_init(&meeting, NULL, 2);
    assert_int_equal(weft_run(main_holds_up, NULL, .threads = 2, .no_signals = true, .debug = true,
                              .slow_step = 20 * MILLISECOND),
                     0);
    assert_int_equal(take_log("task 'holder'"), 2); /* while it does, and when it is over */
    take_log("task 'main'");                        /* meeting takes what it takes */
    take_log("  frame ");
}

/* Stopping a loop by hand ends its main as it does in a run of one. */

static int stop_own(void *arg)
{
    (void)arg;
    meet();
    if (weft_loop_index() == 1)
        weft_loop_stop(weft_loop_current());
    return weft_sleep(WEFT_FOREVER);
}

static void test_group_a_loop_that_is_stopped_has_failed(void **state)
{
    (void)state;
    assert_int_equal(run_loops(LOOPS, stop_own, NULL), -ECANCELED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_semantics_16_main_runs_once_on_each_loop),
        core_test(test_semantics_16_one_loop_is_number_0_of_1),
        core_test(test_semantics_16_the_first_failure_cancels_the_others_and_is_the_result),
        core_test(test_group_the_failures_detail_reaches_the_caller),
        core_test(test_semantics_16_loops_stay_until_all_mains_have_ended),
        core_test(test_semantics_16_loops_stay_until_all_have_wound_down),
        core_test(test_group_a_drop_at_the_end_may_still_name_every_loop),
        core_test(test_semantics_16_a_signal_cancels_every_main),
        core_test(test_semantics_16_the_second_signal_cancels_shields_everywhere),
        core_test(test_semantics_16_one_stuck_loop_makes_the_group_stuck),
        core_test(test_group_only_loop_0_takes_signals),
        core_test(test_group_threads_have_names),
        core_test(test_group_pinned_loops_have_a_processor_each),
        core_test(test_group_too_many_and_virtual_time_are_refused),
        core_test(test_group_a_group_inside_a_loop_is_refused),
        core_test(test_group_a_thread_that_cannot_be_made_undoes_all),
        core_test(test_group_a_loop_without_a_descriptor_undoes_all),
        core_test(test_group_an_allocation_that_fails_leaves_nothing),
        core_test(test_group_waiting_for_another_loop_is_not_being_blocked),
        core_test(test_group_the_watchdog_names_who_holds_another_loop_up),
        core_test(test_group_a_loop_that_is_stopped_has_failed),
    };
    return cmocka_run_group_tests_name("core group", tests, NULL, NULL);
}
