/* Blocking functions on pool threads (semantics 14, hazards 3, 10 and 23). */

#include "core/other_loop.h"

#include "io/fault.h"

#include <sched.h>
#include <weft/remote.h>

/* A gate that holds pool threads until the test opens it. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int entered, left;
    bool open, saw_cancel;
} gate = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void reset_gate(void)
{
    gate.entered = gate.left = 0;
    gate.open = gate.saw_cancel = false;
}

static int go_through(void *arg)
{
    pthread_mutex_lock(&gate.lock);
    gate.entered++;
    pthread_cond_broadcast(&gate.changed);
    while (!gate.open)
        pthread_cond_wait(&gate.changed, &gate.lock);
    gate.saw_cancel |= weft_blocking_cancelled();
    gate.left++;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
    return arg ? *(int *)arg : 0;
}

static void wait_entered(int count)
{
    pthread_mutex_lock(&gate.lock);
    while (gate.entered < count)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

static void open_gate(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.open = true;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

/* A task that waits for `go_through`; how it ended. */
struct asker {
    weft_pool *pool;
    weft_drop_fn *abandon;
    void *arg;
    int result;
    bool ended;
};

static int ask(void *arg)
{
    struct asker *a = arg;
    a->result = weft_blocking(go_through, a->arg, .pool = a->pool, .abandon = a->abandon);
    a->ended = true;
    return 0;
}

/* Results. */

static int return_thread(void *arg)
{
    *(pthread_t *)arg = pthread_self();
    assert_null(weft_task_self());
    assert_int_equal(weft_sleep(0), -EPERM);
    assert_false(weft_blocking_cancelled());
    return 17;
}

static int return_value(void *arg)
{
    return weft_return(arg);
}

static int freed;

static void count_freed(void *arg)
{
    (void)arg;
    freed++;
}

static int return_owned(void *arg)
{
    return weft_return_owned(arg, count_freed);
}

static int results_main(void *arg)
{
    (void)arg;
    pthread_t thread;
    int minus = -EBADF;
    assert_int_equal(weft_blocking(return_thread, &thread), 17);
    assert_false(pthread_equal(thread, pthread_self()));
    assert_int_equal(weft_blocking(return_code, &minus), -EBADF);
    assert_int_equal(weft_blocking(return_value, &minus), 0);
    assert_int_equal(weft_blocking(return_owned, &minus), 0); /* nobody can get it: freed */
    assert_int_equal(freed, 1);
    assert_false(weft_blocking_cancelled());
    return 0;
}

static void test_blocking_returns_what_the_function_did(void **state)
{
    (void)state;
    freed = 0;
    assert_int_equal(run(results_main, NULL), 0);
    take_log("outside a task");
}

/* Bound: waited for. */

static int bound_main(void *arg)
{
    int *code = arg;
    struct asker a = { .arg = code };
    weft_task *task;
    reset_gate();
    weft_spawn(weft_background(), ask, &a, .task = &task, .name = "asker");
    weft_sleep(0);
    wait_entered(1);
    weft_task_cancel(task, "why");
    weft_task_cancel(task, "again: no more than once");
    weft_sleep(0);
    weft_sleep(0);
    assert_false(a.ended);
    open_gate();
    weft_await(task);
    weft_task_release(task);
    assert_true(gate.saw_cancel);
    return a.result;
}

static void test_semantics_14_a_bound_job_is_waited_for_and_its_success_counts(void **state)
{
    (void)state;
    int nine = 9, minus = -EIO;
    assert_int_equal(run(bound_main, &nine), 9);
    assert_int_equal(run(bound_main, &minus), -ECANCELED); /* no success: the cancel's answer */
}

static int late_main(void *arg)
{
    (void)arg;
    struct asker a = { .arg = NULL };
    struct wf_clock *clock = &wf_running->clock;
    weft_task *task;
    reset_gate();
    weft_spawn(weft_background(), ask, &a, .task = &task, .name = "asker");
    weft_sleep(0);
    wait_entered(1);
    weft_task_cancel(task, "why");
    wf_clock_advance_to(clock, clock->now + 99 * MILLISECOND);
    weft_sleep(0);
    assert_int_equal(logged.count, 0);
    wf_clock_advance_to(clock, clock->now + MILLISECOND);
    weft_sleep(0);
    weft_sleep(0);
    assert_int_equal(logged.count, 1);
    open_gate();
    weft_await(task);
    weft_task_release(task);
    return a.result;
}

static void test_semantics_14_a_bound_wait_over_100_ms_after_a_cancel_is_reported(void **state)
{
    (void)state;
    assert_int_equal(run(late_main, NULL), 0);
    expect_log("task 'asker' (spawned at ");
}

/* Withdrawn: it had not begun. */

static int withdrawn_main(void *arg)
{
    (void)arg;
    struct asker first = { .arg = NULL }, second = { .arg = NULL };
    weft_task *task;
    weft_scope s;
    reset_gate();
    assert_int_equal(weft_pool_open(&first.pool, .name = "one thread", .threads = 1), 0);
    second.pool = first.pool;
    weft_scope_begin(&s);
    weft_spawn(&s, ask, &first);
    weft_spawn(&s, ask, &second, .task = &task);
    weft_sleep(0);
    wait_entered(1);
    weft_task_cancel(task, "why");
    weft_sleep(0);
    assert_true(second.ended); /* at once, though the gate is closed */
    assert_int_equal(second.result, -ECANCELED);
    open_gate();
    int err = weft_scope_end(&s);
    assert_int_equal(gate.entered, 1);
    assert_int_equal(first.result, 0);
    weft_task_release(task);
    weft_pool_close(first.pool);
    return err;
}

static void test_semantics_14_a_queued_job_is_withdrawn_at_once(void **state)
{
    (void)state;
    assert_int_equal(run(withdrawn_main, NULL), 0);
}

/* Abandoned: it owns its memory. */

static atomic_int abandoned;

static void free_owned(void *arg)
{
    free(arg);
    atomic_fetch_add(&abandoned, 1);
}

static struct asker abandonable(int code)
{
    int *owned = malloc(sizeof *owned);
    *owned = code;
    return (struct asker){ .abandon = free_owned, .arg = owned };
}

static int abandoned_main(void *arg)
{
    (void)arg;
    struct asker a = abandonable(5);
    weft_task *task;
    reset_gate();
    weft_spawn(weft_background(), ask, &a, .task = &task);
    weft_sleep(0);
    wait_entered(1);
    weft_task_cancel(task, "why");
    weft_await(task);
    weft_task_release(task);
    assert_int_equal(a.result, -ECANCELED);
    assert_int_equal(atomic_load(&abandoned), 0); /* the function still uses it */
    assert_int_equal(wf_running->jobs, 0);
    return 0;
}

static void test_semantics_14_an_abandonable_job_is_left_behind(void **state)
{
    (void)state;
    abandoned = 0;
    assert_int_equal(run(abandoned_main, NULL), 0); /* the loop ends before the function does */
    open_gate();
    while (atomic_load(&abandoned) == 0)
        sched_yield();
    assert_int_equal(atomic_load(&abandoned), 1);
    assert_true(gate.saw_cancel);
}

static int not_begun_main(void *arg)
{
    (void)arg;
    struct asker first = { .arg = NULL }, second = abandonable(0), third = abandonable(0),
                 fourth = abandonable(3);
    weft_task *task;
    weft_scope s;
    reset_gate();
    assert_int_equal(weft_pool_open(&first.pool, .threads = 1), 0);
    second.pool = third.pool = fourth.pool = first.pool;
    weft_scope_begin(&s);
    weft_spawn(&s, ask, &first);
    weft_spawn(&s, ask, &second, .task = &task);
    weft_sleep(0);
    wait_entered(1);
    weft_task_cancel(task, "why");
    weft_await(task);
    weft_task_release(task);
    assert_int_equal(second.result, -ECANCELED); /* withdrawn: abandon() ran instead of it */
    assert_int_equal(atomic_load(&abandoned), 1);
    weft_scope cancelled;
    weft_scope_begin(&cancelled);
    weft_scope_cancel(&cancelled, "why");
    ask(&third); /* cancelled at its entry */
    weft_scope_end(&cancelled);
    assert_int_equal(third.result, -ECANCELED);
    assert_int_equal(atomic_load(&abandoned), 2);
    open_gate();
    ask(&fourth); /* not cancelled: the argument stays the caller's */
    assert_int_equal(fourth.result, 3);
    assert_int_equal(atomic_load(&abandoned), 2);
    free(fourth.arg);
    int err = weft_scope_end(&s);
    weft_pool_close(first.pool);
    return err;
}

static void test_semantics_14_abandon_runs_exactly_once_with_ecanceled_and_only_then(void **state)
{
    (void)state;
    abandoned = 0;
    assert_int_equal(run(not_begun_main, NULL), 0);
}

/* Limits and refusals. */

static int limits_main(void *arg)
{
    (void)arg;
    struct asker askers[3] = { { .arg = NULL } };
    weft_scope s;
    reset_gate();
    assert_int_equal(weft_pool_open(&askers[0].pool, .threads = 1, .queue_max = 1), 0);
    askers[1].pool = askers[2].pool = askers[0].pool;
    weft_scope_begin(&s);
    weft_spawn(&s, ask, &askers[0]);
    weft_sleep(0);
    wait_entered(1);
    weft_spawn(&s, ask, &askers[1]);
    weft_spawn(&s, ask, &askers[2]);
    weft_sleep(0);
    assert_true(askers[2].ended);
    assert_int_equal(askers[2].result, -EAGAIN);
    open_gate();
    int err = weft_scope_end(&s);
    assert_int_equal(askers[0].result, 0);
    assert_int_equal(askers[1].result, 0);
    weft_pool_close(askers[0].pool);
    return err;
}

static void test_blocking_beyond_the_queue_is_eagain(void **state)
{
    (void)state;
    assert_int_equal(run(limits_main, NULL), 0);
}

static int no_thread_main(void *arg)
{
    (void)arg;
    struct wf_io_fault fault = {
        .kind = WF_FAULT_THREAD, .countdown = 1, .persistent = true, .error = EAGAIN
    };
    wf_io_fault_set(&fault);
    assert_int_equal(weft_blocking(return_zero, NULL), -EAGAIN);
    wf_io_fault_set(NULL);
    assert_int_equal(weft_blocking(return_zero, NULL), 0);
    struct wf_memory_fault memory = { .countdown = 1, .persistent = true };
    weft_pool *pool;
    wf_memory_fault_set(&memory);
    assert_int_equal(weft_blocking(return_zero, NULL, .abandon = free_owned), -ENOMEM);
    assert_int_equal(weft_blocking(return_zero, NULL), 0); /* bound: needs none */
    assert_int_equal(weft_pool_open(&pool), -ENOMEM);
    wf_memory_fault_set(NULL);
    return 0;
}

static void test_blocking_without_threads_or_memory_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(run(no_thread_main, NULL), 0);
}

static int add_one(void *arg)
{
    __atomic_fetch_add((int *)arg, 1, __ATOMIC_RELAXED);
    return 0;
}

static int ask_many(void *arg)
{
    for (int i = 0; i < 100; i++)
        if (weft_blocking(add_one, arg) < 0)
            return -1;
    return 0;
}

static int many_main(void *arg)
{
    weft_scope s;
    weft_scope_begin(&s);
    for (int i = 0; i < 50; i++)
        weft_spawn(&s, ask_many, arg);
    return weft_scope_end(&s);
}

static void test_blocking_thousands_of_jobs_all_come_back(void **state)
{
    (void)state;
    int sum = 0;
    assert_int_equal(run(many_main, &sum), 0);
    assert_int_equal(sum, 5000);
}

static int ask_many_or_less(void *arg)
{
    int err = ask_many(arg);
    return err < 0 ? weft_cancelled() : 0;
}

static int cancel_races_main(void *arg)
{
    (void)arg;
    int sum = 0;
    for (int i = 0; i < 300; i++) {
        weft_scope s;
        weft_scope_begin(&s);
        for (int j = 0; j < 8; j++)
            weft_spawn(&s, ask_many_or_less, &sum);
        for (int j = 0; j <= i % 5; j++)
            weft_blocking(add_one, &sum);
        weft_scope_cancel(&s, "somewhere between submit and completion");
        assert_int_equal(weft_scope_end(&s), 0);
    }
    assert_int_equal(wf_running->jobs, 0);
    return 0;
}

static void test_semantics_14_a_cancel_at_any_moment_leaves_nothing_in_flight(void **state)
{
    (void)state;
    assert_int_equal(run(cancel_races_main, NULL), 0);
}

/* Pools that several loops use. */

static weft_pool *shared;

static int ask_shared(void *arg)
{
    int err = 0;
    for (int i = 0; err == 0 && i < 200; i++)
        err = weft_blocking(return_zero, NULL, .pool = shared);
    (void)arg;
    return err;
}

static int shared_main(void *arg)
{
    struct other_loop *other = arg;
    weft_future *there = weft_spawn_on(other->loop, ask_shared, NULL);
    int here = ask_shared(NULL);
    int err = weft_await(there);
    weft_future_release(there);
    return here < 0 ? here : err;
}

static void test_pool_serves_all_loops_and_counts(void **state)
{
    (void)state;
    weft_pool_stats stats;
    struct other_loop other = { 0 };
    assert_int_equal(weft_pool_open(&shared, .threads = 2, .name = "shared"), 0);
    other_start(&other);
    assert_int_equal(run(shared_main, &other), 0);
    other_end(&other);
    weft_pool_get_stats(shared, &stats);
    assert_int_equal(stats.done, 400);
    assert_in_range(stats.threads, 1, 2);
    assert_int_equal(stats.running + stats.queued + stats.rejected + stats.withdrawn, 0);
    assert_int_equal(stats.idle, stats.threads);
    assert_in_range(stats.longest, 1, 2);
    weft_pool_close(shared);
}

static int own_stats_main(void *arg)
{
    (void)arg;
    weft_pool_stats stats;
    weft_pool_get_stats(NULL, &stats);
    assert_int_equal(stats.threads, 0);
    assert_int_equal(weft_blocking(return_zero, NULL), 0);
    weft_pool_get_stats(NULL, &stats);
    assert_int_equal(stats.threads, 1);
    assert_int_equal(stats.done, 1);
    return 0;
}

static void test_pool_of_the_loop_counts_too(void **state)
{
    (void)state;
    weft_pool_stats stats = { .threads = 7 };
    assert_int_equal(run(own_stats_main, NULL), 0);
    weft_pool_get_stats(NULL, &stats); /* there is none */
    assert_int_equal(stats.threads, 0);
}

static int rejected_main(void *arg)
{
    (void)arg;
    weft_pool_stats stats;
    struct asker askers[2] = { { .pool = shared }, { .pool = shared } };
    reset_gate();
    weft_spawn(weft_background(), ask, &askers[0]);
    weft_sleep(0);
    wait_entered(1);
    weft_spawn(weft_background(), ask, &askers[1]);
    weft_sleep(0);
    assert_int_equal(weft_blocking(return_zero, NULL, .pool = shared), -EAGAIN);
    weft_pool_get_stats(shared, &stats);
    assert_int_equal(stats.rejected, 1);
    assert_int_equal(stats.queued, 1);
    assert_int_equal(stats.running, 1);
    assert_int_equal(stats.idle, 0);
    open_gate();
    while (!askers[0].ended || !askers[1].ended)
        weft_sleep(MILLISECOND);
    return 0;
}

static void test_pool_counts_what_it_refuses(void **state)
{
    (void)state;
    assert_int_equal(weft_pool_open(&shared, .threads = 1, .queue_max = 1), 0);
    assert_int_equal(run(rejected_main, NULL), 0);
    weft_pool_close(shared);
}

static int idle_main(void *arg)
{
    (void)arg;
    weft_pool_stats stats;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(weft_blocking(return_zero, NULL, .pool = shared), 0);
        do {
            sched_yield();
            weft_pool_get_stats(shared, &stats);
        } while (stats.threads > 0);
    }
    assert_int_equal(stats.done, 5);
    return 0;
}

static void test_pool_threads_end_when_they_are_idle(void **state)
{
    (void)state;
    assert_int_equal(weft_pool_open(&shared, .threads = 4, .idle_timeout = MILLISECOND), 0);
    assert_int_equal(run(idle_main, NULL), 0);
    weft_pool_close(shared);
    assert_int_equal(weft_pool_open(&shared, .idle_timeout = WEFT_HOUR), 0);
    assert_int_equal(run(ask_shared, NULL), 0);
    weft_pool_close(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_blocking_returns_what_the_function_did),
        core_test(test_semantics_14_a_bound_job_is_waited_for_and_its_success_counts),
        core_test(test_semantics_14_a_bound_wait_over_100_ms_after_a_cancel_is_reported),
        core_test(test_semantics_14_a_queued_job_is_withdrawn_at_once),
        core_test(test_semantics_14_an_abandonable_job_is_left_behind),
        core_test(test_semantics_14_abandon_runs_exactly_once_with_ecanceled_and_only_then),
        core_test(test_blocking_beyond_the_queue_is_eagain),
        core_test(test_blocking_without_threads_or_memory_is_an_error),
        core_test(test_blocking_thousands_of_jobs_all_come_back),
        core_test(test_semantics_14_a_cancel_at_any_moment_leaves_nothing_in_flight),
        core_test(test_pool_serves_all_loops_and_counts),
        core_test(test_pool_of_the_loop_counts_too),
        core_test(test_pool_counts_what_it_refuses),
        core_test(test_pool_threads_end_when_they_are_idle),
    };
    return cmocka_run_group_tests_name("core blocking", tests, NULL, NULL);
}
