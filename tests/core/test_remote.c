/* Tasks in other loops, and for threads without one (semantics 17). */

#include "core/other_loop.h"

#include <sched.h>
#include <weft/remote.h>
#include <weft/stackless.h>
#include <weft/wait.h>

static struct other_loop other;

/* What the remote side has done: its thread's to write, read when its end is known. */
static atomic_int begun, ended, drops;
static pthread_t drop_thread;

static void count_drop(void *arg)
{
    (void)arg;
    drop_thread = pthread_self();
    atomic_fetch_add(&drops, 1);
}

static int with_other(weft_fn *fn)
{
    begun = ended = drops = 0;
    other = (struct other_loop){ 0 };
    other_start(&other);
    int err = run(fn, NULL);
    other_end(&other);
    return err;
}

static bool is_other_thread(void)
{
    return pthread_equal(pthread_self(), other.thread);
}

static int add_one(void *arg)
{
    return is_other_thread() ? *(int *)arg + 1 : -EXDEV;
}

/* Until it is cancelled; its end is slow, so that who does not wait for it shows. */
static int until_cancelled(void *arg)
{
    atomic_fetch_add(&begun, 1);
    weft_future *never = weft_future_new();
    int err = weft_await(never);
    weft_future_release(never);
    for (int i = 0; i < 1000; i++)
        sched_yield();
    if (arg)
        *(int *)arg = err;
    atomic_fetch_add(&ended, 1);
    return err;
}

static void wait_until_begun(int count)
{
    while (atomic_load(&begun) < count)
        sched_yield();
}

/* Results. */

static int result_main(void *arg)
{
    (void)arg;
    int number = 6;
    weft_future *future = weft_spawn_on(other.loop, add_one, &number, .drop = count_drop);
    assert_non_null(future);
    assert_true(weft_is_future(future));
    assert_false(weft_is_done(future));
    assert_int_equal(weft_future_set(future, NULL), -EPERM);
    take_log("was set from outside");
    assert_int_equal(weft_await(future), 7);
    assert_int_equal(weft_future_result(future, NULL), 7);
    assert_int_equal(weft_future_cancel(future, "late"), -EALREADY);
    weft_future_release(future);
    assert_int_equal(drops, 1);
    assert_true(pthread_equal(drop_thread, other.thread));
    return 0;
}

static void test_semantics_17_spawn_on_runs_there_and_answers_here(void **state)
{
    (void)state;
    assert_int_equal(with_other(result_main), 0);
}

static int hand_back(void *arg)
{
    return weft_return_owned(arg, count_drop);
}

static int pointer_main(void *arg)
{
    (void)arg;
    static char text[] = "here";
    void *value = NULL;
    weft_future *future = weft_spawn_on(other.loop, hand_back, text);
    assert_int_equal(weft_await_value(future, &value), 0);
    assert_ptr_equal(value, text);
    assert_int_equal(drops, 0);
    weft_future_release(future);
    assert_int_equal(drops, 1);
    assert_true(pthread_equal(drop_thread, pthread_self()));
    return 0;
}

static void test_semantics_17_a_pointer_comes_back_and_is_dropped_here(void **state)
{
    (void)state;
    assert_int_equal(with_other(pointer_main), 0);
}

struct pair {
    int a, b;
};

static int add_pair(void *arg)
{
    const struct pair *pair = arg;
    return strcmp(weft_task_name(weft_task_self()), "adder") == 0 ? pair->a + pair->b : -EINVAL;
}

static int copy_main(void *arg)
{
    (void)arg;
    char name[] = "adder";
    struct pair pair = { 2, 3 };
    weft_future *future = weft_spawn_on(other.loop, add_pair, &pair, .copy = sizeof pair,
                                        .name = name, .stack_size = 16 << 10);
    pair.a = 100;
    name[0] = 'x';
    assert_int_equal(weft_await(future), 5);
    weft_future_release(future);
    assert_null(weft_spawn_on(other.loop, add_pair, &pair, .copy = 2000, .drop = count_drop));
    assert_int_equal(drops, 1);
    assert_true(pthread_equal(drop_thread, pthread_self()));
    assert_int_equal(weft_await((weft_future *)NULL), -EINVAL);
    expect_log(".copy of 2000 bytes");
    assert_null(weft_spawn_on(NULL, add_pair, &pair));
    assert_int_equal(weft_await((weft_future *)NULL), -EPERM);
    expect_log("a task was spawned where there is no loop");
    return 0;
}

static void test_semantics_17_argument_and_name_are_copied(void **state)
{
    (void)state;
    assert_int_equal(with_other(copy_main), 0);
}

/* Errors. */

static int fail_there(void *arg)
{
    (void)arg;
    return -EBADF;
}

static int error_main(void *arg)
{
    (void)arg;
    weft_future *future = weft_spawn_on(other.loop, fail_there, NULL);
    assert_int_equal(weft_await(future), -EBADF);
    assert_false(weft_future_is_cancelled(future));
    weft_future_release(future); /* read: nobody else hears of it */
    future = weft_spawn_on(other.loop, fail_there, NULL);
    while (!weft_is_done(future))
        weft_sleep(0);
    weft_future_release(future);
    expect_log("failed and nobody read its result");
    weft_future_release(weft_spawn_on(other.loop, fail_there, NULL));
    int number = 1;
    future = weft_spawn_on(other.loop, add_one, &number);
    assert_int_equal(weft_await(future), 2);
    weft_future_release(future);
    expect_log("failed and nobody read its result"); /* detached: told at its end */
    return 0;
}

static void test_semantics_17_the_error_belongs_to_the_future(void **state)
{
    (void)state;
    assert_int_equal(with_other(error_main), 0);
}

static int own_main(void *arg)
{
    (void)arg;
    int number = 1;
    weft_future *future = weft_spawn_on(weft_loop_current(), hand_back, &number);
    assert_int_equal(weft_await(future), 0);
    weft_future_release(future);
    assert_int_equal(drops, 1);
    return 0;
}

static void test_semantics_17_a_loop_may_ask_itself(void **state)
{
    (void)state;
    drops = 0;
    assert_int_equal(run(own_main, NULL), 0);
}

/* Cancels. */

struct awaiter {
    weft_future *future;
    int result;
};

static int await_it(void *arg)
{
    struct awaiter *awaiter = arg;
    awaiter->result = weft_await(awaiter->future);
    return 0;
}

static int bound_main(void *arg)
{
    (void)arg;
    int seen = 0;
    weft_task *task;
    struct awaiter awaiter = { weft_spawn_on(other.loop, until_cancelled, &seen), 1 };
    assert_int_equal(weft_spawn(weft_background(), await_it, &awaiter, .task = &task), 0);
    weft_sleep(0);
    wait_until_begun(1);
    weft_task_cancel(task, "enough");
    weft_task_cancel(task, "more than enough");
    assert_int_equal(weft_await(task), 0);
    assert_int_equal(ended, 1); /* it was waited for: `seen` was in use */
    assert_int_equal(seen, -ECANCELED);
    assert_int_equal(awaiter.result, -ECANCELED);
    assert_true(weft_future_is_cancelled(awaiter.future));
    weft_task_release(task);
    weft_future_release(awaiter.future);
    return 0;
}

static void test_semantics_17_a_cancelled_awaiter_cancels_there_and_waits(void **state)
{
    (void)state;
    assert_int_equal(with_other(bound_main), 0);
}

/* Cancelled before it awaits: it waits for the end all the same. */
static int door_main(void *arg)
{
    (void)arg;
    int seen = 0;
    weft_future *future = weft_spawn_on(other.loop, until_cancelled, &seen);
    wait_until_begun(1);
    weft_task_cancel(weft_task_self(), "before the door");
    assert_int_equal(weft_await(future), -ECANCELED);
    assert_int_equal(ended, 1);
    assert_int_equal(seen, -ECANCELED);
    weft_future_release(future);
    return 0;
}

static void test_semantics_17_an_awaiter_that_was_cancelled_before_waits_too(void **state)
{
    (void)state;
    assert_int_equal(with_other(door_main), 0);
}

/* Stackless ones are bound too: their struct is what the task uses, and goes with them. */

struct asker {
    weft_stackless self;
    weft_future *future;
    bool before; /* cancelled before it waits */
    int seen;
};

static int ended_when_told, told;

static int hear(weft_stackless *self, int64_t result)
{
    (void)self;
    ended_when_told = atomic_load(&ended);
    told = (int)result;
    return (int)result;
}

static int ask(weft_stackless *self, int64_t result)
{
    struct asker *asker = weft_stackless_of(self, struct asker, self);
    (void)result;
    asker->future = weft_spawn_on(other.loop, until_cancelled, &asker->seen);
    wait_until_begun(1);
    if (asker->before)
        weft_stackless_cancel(self, "before the door");
    return weft_then_await(self, asker->future, hear);
}

static void free_asker(weft_stackless *self)
{
    struct asker *asker = weft_stackless_of(self, struct asker, self);
    weft_future_release(asker->future);
    free(asker);
}

static const weft_stackless_kind asking = WEFT_STACKLESS(ask, free_asker);

static int stackless_main(void *before)
{
    weft_scope s;
    struct asker *asker = calloc(1, sizeof *asker);
    asker->before = before != NULL;
    weft_scope_begin(&s);
    assert_int_equal(weft_stackless_spawn(&s, &asker->self, &asking), 0);
    weft_sleep(0);
    weft_scope_cancel(&s, "enough");
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(ended_when_told, 1);
    assert_int_equal(told, -ECANCELED);
    return 0;
}

static int stackless_before_main(void *arg)
{
    return stackless_main(&other) + (arg != NULL);
}

static void test_semantics_17_a_stackless_awaiter_is_bound_too(void **state)
{
    (void)state;
    assert_int_equal(with_other(stackless_main), 0);
    assert_int_equal(with_other(stackless_before_main), 0);
}

static int slow_end(void *arg)
{
    atomic_fetch_add(&begun, 1);
    weft_future *never = weft_future_new();
    weft_await(never);
    weft_future_release(never);
    sem_wait(arg);
    return 0;
}

static void let_it_end(void *arg)
{
    sem_post(arg);
}

static int late_main(void *arg)
{
    (void)arg;
    sem_t gate;
    sem_init(&gate, 0, 0);
    weft_future *future = weft_spawn_on(other.loop, slow_end, &gate);
    wait_until_begun(1);
    weft_call_later(150 * MILLISECOND, let_it_end, &gate);
    weft_task_cancel(weft_task_self(), "it takes its time");
    assert_int_equal(weft_await(future), 0);
    expect_log("was cancelled, but still waits for 'slow_end' in another loop");
    weft_future_release(future);
    sem_destroy(&gate);
    return 0;
}

/* The end has come when the time for the report has, but nobody has looked yet. */
static void hold_the_thread_up(void *arg)
{
    (void)arg;
    int64_t begin = weft_now();
    while (atomic_load(&ended) == 0 || weft_now() - begin < 120 * MILLISECOND)
        sched_yield();
}

static int end_and_late_main(void *arg)
{
    (void)arg;
    weft_future *future = weft_spawn_on(other.loop, until_cancelled, NULL);
    wait_until_begun(1);
    weft_call_soon(hold_the_thread_up, NULL);
    weft_task_cancel(weft_task_self(), "just in time");
    assert_int_equal(weft_await(future), -ECANCELED);
    weft_future_release(future);
    return 0;
}

static void test_semantics_14_a_bound_wait_that_is_over_is_not_reported(void **state)
{
    (void)state;
    begun = ended = drops = 0;
    other = (struct other_loop){ 0 };
    other_start(&other);
    assert_int_equal(weft_run(end_and_late_main, NULL, .no_signals = true), 0);
    other_end(&other);
}

static void test_semantics_14_a_bound_wait_over_100_ms_is_reported(void **state)
{
    (void)state;
    begun = 0;
    other = (struct other_loop){ 0 };
    other_start(&other);
    assert_int_equal(weft_run(late_main, NULL, .no_signals = true), 0);
    other_end(&other);
}

static int copied_main(void *arg)
{
    (void)arg;
    int number = 0;
    weft_task *task;
    struct awaiter awaiter = {
        weft_spawn_on(other.loop, until_cancelled, &number, .copy = sizeof number), 1
    };
    assert_int_equal(weft_spawn(weft_background(), await_it, &awaiter, .task = &task), 0);
    weft_sleep(0);
    wait_until_begun(1);
    weft_task_cancel(task, "enough");
    assert_int_equal(weft_await(task), 0);
    assert_int_equal(awaiter.result, -ECANCELED);
    assert_int_equal(ended, 0); /* it goes on */
    assert_false(weft_is_done(awaiter.future));
    assert_int_equal(weft_future_cancel(awaiter.future, "now it may end"), 0);
    assert_int_equal(weft_await(awaiter.future), -ECANCELED);
    assert_int_equal(ended, 1);
    assert_int_equal(number, 0);
    weft_task_release(task);
    weft_future_release(awaiter.future);
    return 0;
}

static void test_semantics_17_with_a_copy_the_await_just_stops(void **state)
{
    (void)state;
    assert_int_equal(with_other(copied_main), 0);
}

static int wait_for_main(void *arg)
{
    (void)arg;
    int seen = 0;
    weft_future *future = weft_spawn_on(other.loop, until_cancelled, &seen);
    assert_int_equal(weft_wait_for(future, -1), -ETIMEDOUT);
    assert_true(weft_is_done(future));
    assert_int_equal(ended, atomic_load(&begun));
    weft_future_release(future);
    return 0;
}

static void test_semantics_17_wait_for_cancels_there_and_joins(void **state)
{
    (void)state;
    assert_int_equal(with_other(wait_for_main), 0);
}

static int ignore_cancel(void *arg)
{
    until_cancelled(arg);
    return 3;
}

static int success_main(void *arg)
{
    (void)arg;
    weft_task *task;
    struct awaiter awaiter = { weft_spawn_on(other.loop, ignore_cancel, NULL), 1 };
    assert_int_equal(weft_spawn(weft_background(), await_it, &awaiter, .task = &task), 0);
    weft_sleep(0);
    wait_until_begun(1);
    weft_task_cancel(task, "enough");
    assert_int_equal(weft_await(task), 0);
    assert_int_equal(awaiter.result, 3); /* work that happened is reported */
    weft_task_release(task);
    weft_future_release(awaiter.future);
    return 0;
}

static void test_semantics_17_a_success_after_the_cancel_is_kept(void **state)
{
    (void)state;
    assert_int_equal(with_other(success_main), 0);
}

/* Ends. */

static int after_end_main(void *arg)
{
    weft_loop *loop = arg;
    weft_future *future = weft_spawn_on(loop, until_cancelled, NULL, .drop = count_drop);
    assert_non_null(future);
    assert_true(weft_is_done(future));
    assert_int_equal(drops, 1);
    assert_int_equal(weft_await(future), -ESHUTDOWN);
    weft_future_release(future);
    return 0;
}

static void test_semantics_17_a_loop_that_has_ended_refuses_by_the_future(void **state)
{
    (void)state;
    begun = drops = 0;
    other = (struct other_loop){ 0 };
    other_start(&other);
    other_stop(&other);
    other_join(&other, 0);
    assert_int_equal(run(after_end_main, other.loop), 0);
    assert_int_equal(atomic_load(&other.loop->posts), 0);
    weft_loop_release(other.loop);
    assert_int_equal(begun, 0);
}

static int target_ends_main(void *arg)
{
    (void)arg;
    weft_future *runs = weft_spawn_on(other.loop, until_cancelled, NULL, .drop = count_drop);
    wait_until_begun(1);
    other_stop(&other);
    int err = weft_await(runs);
    assert_int_equal(err, -ESHUTDOWN); /* nobody here has cancelled it */
    assert_false(weft_future_is_cancelled(runs));
    assert_int_equal(drops, 1);
    weft_future_release(runs);
    return 0;
}

static void test_semantics_17_a_loop_that_ends_meanwhile_answers_eshutdown(void **state)
{
    (void)state;
    begun = ended = drops = 0;
    other = (struct other_loop){ 0 };
    other_start(&other);
    assert_int_equal(run(target_ends_main, NULL), 0);
    other_join(&other, 0);
    weft_loop_release(other.loop);
}

/* In one thread: a loop that is freed with the message still in its mailbox. */
static int left_main(void *arg)
{
    weft_future *future = weft_spawn_on(arg, until_cancelled, NULL, .drop = count_drop);
    assert_null(weft_spawn_on(arg, until_cancelled, NULL, .drop = count_drop));
    assert_int_equal(drops, 1);
    assert_int_equal(weft_await((weft_future *)NULL), -EAGAIN);
    assert_string_equal(weft_error_detail(), "the loop's mailbox holds 1 messages");
    weft_future_release(future);
    return 0;
}

static void test_semantics_17_what_is_left_in_the_mailbox_is_dropped(void **state)
{
    (void)state;
    weft_loop *loop;
    begun = drops = 0;
    assert_int_equal(weft_loop_new(&loop, .clock = WEFT_CLOCK_TEST, .posts_max = 1), 0);
    assert_int_equal(run(left_main, loop), 0);
    assert_int_equal(weft_loop_free(loop), 0);
    assert_int_equal(drops, 2);
    assert_int_equal(begun, 0);
}

static int leave_main(void *arg)
{
    (void)arg;
    weft_future_release(weft_spawn_on(other.loop, until_cancelled, NULL, .drop = count_drop));
    wait_until_begun(1);
    return 0;
}

static void test_semantics_17_the_calling_loop_may_end_first(void **state)
{
    (void)state;
    assert_int_equal(with_other(leave_main), 0); /* the other one ends after it */
    assert_int_equal(ended, 1);
    assert_int_equal(drops, 1);
}

static sem_t may_end;

static int give_when_told(void *arg)
{
    atomic_fetch_add(&begun, 1);
    sem_wait(&may_end);
    return arg ? weft_return_owned(arg, count_drop) : -EBADF;
}

static int give_copied(void *arg)
{
    return give_when_told(*(char **)arg);
}

static weft_future *kept;

static int keep_main(void *arg)
{
    kept = weft_spawn_on(other.loop, give_when_told, arg);
    wait_until_begun(1);
    return 0;
}

static void leave_before(void *value)
{
    begun = drops = 0;
    sem_init(&may_end, 0, 0);
    other = (struct other_loop){ 0 };
    other_start(&other);
    assert_int_equal(run(keep_main, value), 0);
    assert_int_equal(weft_future_result(kept, NULL), WEFT_EABANDONED);
    weft_future_release(kept);
    sem_post(&may_end);
    other_end(&other);
    sem_destroy(&may_end);
}

static void test_semantics_17_a_result_for_a_loop_that_is_gone_stays_there(void **state)
{
    (void)state;
    static char text[] = "there";
    leave_before(text);
    assert_int_equal(drops, 1);
    assert_true(pthread_equal(drop_thread, other.thread));
    leave_before(NULL);
    expect_log("'give_when_told' failed and nobody read its result");
}

static int stubborn(void *arg)
{
    (void)arg;
    weft_scope shield;
    weft_future *never = weft_future_new();
    weft_scope_begin(&shield, .shield = true, .timeout = WEFT_FOREVER);
    atomic_fetch_add(&begun, 1);
    int err = weft_await(never);
    return weft_scope_leave(&shield, err);
}

static int stuck_main(void *arg)
{
    (void)arg;
    weft_future *future = weft_spawn_on(other.loop, stubborn, NULL);
    wait_until_begun(1);
    other_stop(&other);
    int err = weft_await(future);
    weft_future_release(future);
    return err == WEFT_ESTUCK ? 0 : -EPROTO;
}

static int stuck_program(void)
{
    begun = 0;
    other = (struct other_loop){ .grace = SECOND };
    other_start(&other);
    int err = run(stuck_main, NULL);
    pthread_join(other.thread, NULL);
    return err == 0 && other.result == WEFT_ESTUCK ? 0 : 1;
}

static void test_semantics_17_a_task_that_outlives_the_grace_is_estuck(void **state)
{
    (void)state;
    assert_int_equal(exit_status(stuck_program), 0);
}

/* Memory. */

static int memory_main(void *arg)
{
    (void)arg;
    int failures = 0, err = -ENOMEM;
    for (long n = 1; err < 0; n++) {
        struct wf_memory_fault fault = { .countdown = n };
        int number = 1;
        drops = 0;
        wf_memory_fault_set(&fault);
        weft_future *future = weft_spawn_on(other.loop, add_one, &number, .drop = count_drop);
        wf_memory_fault_set(NULL);
        assert_true(future || fault.injected > 0);
        err = weft_await(future);
        assert_true(err == 2 || err == -ENOMEM);
        assert_int_equal(drops, 1);
        assert_int_equal(weft_loop_current()->foreign, 0);
        failures += err < 0;
        weft_future_release(future);
    }
    return failures;
}

static void test_semantics_17_no_memory_is_an_answer(void **state)
{
    (void)state;
    assert_true(with_other(memory_main) > 0);
}

/* Threads without a loop. */

static void test_semantics_17_a_plain_thread_waits_for_the_result(void **state)
{
    (void)state;
    int number = 41;
    static char text[] = "there";
    void *value = NULL;
    begun = ended = drops = 0;
    other = (struct other_loop){ 0 };
    other_start(&other);
    assert_int_equal(weft_spawn_on_wait(other.loop, add_one, &number, WEFT_FOREVER), 42);
    assert_int_equal(weft_spawn_on_wait(other.loop, fail_there, NULL, SECOND), -EBADF);
    assert_int_equal(weft_spawn_on_wait(other.loop, hand_back, text, WEFT_FOREVER, .value = &value),
                     0);
    assert_ptr_equal(value, text);
    assert_int_equal(drops, 0); /* the caller's */
    assert_int_equal(weft_spawn_on_wait(other.loop, hand_back, text, WEFT_FOREVER), 0);
    assert_int_equal(drops, 1);
    other_end(&other);
}

/* Where the machine is slow the cancel may come before the first step. */
static void test_semantics_17_a_plain_thread_gives_up_and_waits_for_the_end(void **state)
{
    (void)state;
    int seen = 0;
    begun = ended = drops = 0;
    other = (struct other_loop){ 0 };
    other_start(&other);
    assert_int_equal(
        weft_spawn_on_wait(other.loop, until_cancelled, &seen, MILLISECOND, .drop = count_drop),
        -ETIMEDOUT);
    assert_int_equal(seen, begun ? -ECANCELED : 0);
    assert_int_equal(ended, begun);
    assert_int_equal(drops, 1);
    begun = 0;
    int err = weft_spawn_on_wait(other.loop, ignore_cancel, NULL, MILLISECOND);
    assert_int_equal(err, begun ? 3 : -ETIMEDOUT);
    assert_int_equal(weft_spawn_on_wait(other.loop, until_cancelled, &seen, 0), -ETIMEDOUT);
    other_end(&other);
}

static void test_semantics_17_a_plain_thread_leaves_a_task_that_has_its_copy(void **state)
{
    (void)state;
    static char text[] = "late";
    char *copied = text;
    begun = drops = 0;
    sem_init(&may_end, 0, 0);
    other = (struct other_loop){ 0 };
    other_start(&other);
    assert_int_equal(
        weft_spawn_on_wait(other.loop, give_copied, &copied, MILLISECOND, .copy = sizeof copied),
        -ETIMEDOUT);
    copied = NULL;
    sem_post(&may_end);
    other_end(&other);
    sem_destroy(&may_end);
    assert_int_equal(drops, begun); /* there */
}

static int deadlock_main(void *arg)
{
    (void)arg;
    assert_int_equal(
        weft_spawn_on_wait(weft_loop_current(), add_one, NULL, SECOND, .drop = count_drop),
        -EDEADLK);
    expect_log("weft_spawn_on_wait() in a thread whose loop runs");
    return 0;
}

static void test_semantics_17_a_thread_whose_loop_runs_may_not_block(void **state)
{
    (void)state;
    weft_loop *loop;
    drops = 0;
    assert_int_equal(run(deadlock_main, NULL), 0);
    assert_int_equal(weft_loop_new(&loop), 0);
    assert_int_equal(weft_spawn_on_wait(loop, add_one, NULL, SECOND, .drop = count_drop), -EDEADLK);
    expect_log("weft_spawn_on_wait() for a loop of this thread");
    weft_loop_retain(loop);
    assert_int_equal(weft_loop_free(loop), 0);
    weft_loop_release(loop);
    assert_int_equal(drops, 2);
}

/* Many, both ways, with cancels among them. */

enum { LOOPS = 3, ROUNDS = 300 };
static struct peer {
    struct other_loop base;
    pthread_t thread;
    int result;
} peers[LOOPS];

static atomic_int met, went;

static int short_nap(void *arg)
{
    int err = weft_sleep(0);
    return err < 0 ? err : *(int *)arg;
}

static int storm_main(void *arg)
{
    struct peer *me = arg;
    me->base.loop = weft_loop_retain(weft_loop_current());
    atomic_fetch_add(&met, 1);
    while (atomic_load(&met) < LOOPS)
        weft_sleep(0);
    int sum = 0;
    for (int i = 0; i < ROUNDS; i++) {
        int number = i;
        struct peer *peer = &peers[(me - peers + i) % LOOPS];
        weft_future *future = weft_spawn_on(peer->base.loop, short_nap, &number);
        if (i % 3 == 0)
            weft_future_cancel(future, "storm");
        int err = weft_await(future);
        if (err != i && !(err == -ECANCELED && i % 3 == 0))
            return -EPROTO;
        weft_future_release(future);
        sum += err == i;
    }
    atomic_fetch_add(&went, 1);
    while (atomic_load(&went) < LOOPS)
        weft_sleep(0);
    return sum;
}

static void *storm_thread(void *arg)
{
    struct peer *peer = arg;
    peer->result = weft_run(storm_main, peer, .no_signals = true);
    return NULL;
}

static void test_semantics_17_loops_ask_one_another(void **state)
{
    (void)state;
    met = went = 0;
    for (int i = 0; i < LOOPS; i++)
        assert_int_equal(pthread_create(&peers[i].thread, NULL, storm_thread, &peers[i]), 0);
    for (int i = 0; i < LOOPS; i++)
        pthread_join(peers[i].thread, NULL);
    for (int i = 0; i < LOOPS; i++) {
        assert_in_range(peers[i].result, ROUNDS * 2 / 3, ROUNDS);
        weft_loop_release(peers[i].base.loop);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_semantics_17_spawn_on_runs_there_and_answers_here),
        core_test(test_semantics_17_a_pointer_comes_back_and_is_dropped_here),
        core_test(test_semantics_17_argument_and_name_are_copied),
        core_test(test_semantics_17_the_error_belongs_to_the_future),
        core_test(test_semantics_17_a_loop_may_ask_itself),
        core_test(test_semantics_17_a_cancelled_awaiter_cancels_there_and_waits),
        core_test(test_semantics_17_an_awaiter_that_was_cancelled_before_waits_too),
        core_test(test_semantics_17_a_stackless_awaiter_is_bound_too),
        core_test(test_semantics_14_a_bound_wait_over_100_ms_is_reported),
        core_test(test_semantics_14_a_bound_wait_that_is_over_is_not_reported),
        core_test(test_semantics_17_with_a_copy_the_await_just_stops),
        core_test(test_semantics_17_wait_for_cancels_there_and_joins),
        core_test(test_semantics_17_a_success_after_the_cancel_is_kept),
        core_test(test_semantics_17_a_loop_that_has_ended_refuses_by_the_future),
        core_test(test_semantics_17_a_loop_that_ends_meanwhile_answers_eshutdown),
        core_test(test_semantics_17_what_is_left_in_the_mailbox_is_dropped),
        core_test(test_semantics_17_the_calling_loop_may_end_first),
        core_test(test_semantics_17_a_result_for_a_loop_that_is_gone_stays_there),
        core_test(test_semantics_17_a_task_that_outlives_the_grace_is_estuck),
        core_test(test_semantics_17_no_memory_is_an_answer),
        core_test(test_semantics_17_a_plain_thread_waits_for_the_result),
        core_test(test_semantics_17_a_plain_thread_gives_up_and_waits_for_the_end),
        core_test(test_semantics_17_a_plain_thread_leaves_a_task_that_has_its_copy),
        core_test(test_semantics_17_a_thread_whose_loop_runs_may_not_block),
        core_test(test_semantics_17_loops_ask_one_another),
    };
    return cmocka_run_group_tests_name("core remote", tests, NULL, NULL);
}
