/* The pool: what becomes of a job in each of its states, and that nothing is left behind. */

#include "io_test.h"

#include "io/pool.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>

/* A pool, and the loop that hears of its jobs. */
struct bench {
    struct world world;
    struct wf_pool *pool;
};

struct task {
    struct wf_job job;
    sem_t started, gate; /* of a gated job: has begun; may end */
    sem_t dropped;
    int number;
    atomic_int runs, completes, drops;
    pthread_t ran_on, dropped_on;
    bool saw_cancel;
};

static int order[64], order_count; /* completes, on the loop's thread */

static void run_at_once(struct wf_job *job)
{
    struct task *task = wf_container(job, struct task, job);
    atomic_fetch_add(&task->runs, 1);
    task->ran_on = pthread_self();
    job->result = task->number * 2;
}

static void run_gated(struct wf_job *job)
{
    struct task *task = wf_container(job, struct task, job);
    run_at_once(job);
    sem_post(&task->started);
    while (sem_wait(&task->gate) < 0)
        ;
    task->saw_cancel = wf_job_is_cancelled(wf_job_current());
}

static void on_complete(struct wf_job *job)
{
    struct task *task = wf_container(job, struct task, job);
    atomic_fetch_add(&task->completes, 1);
    if (order_count < 64)
        order[order_count++] = task->number;
}

static void on_drop(struct wf_job *job)
{
    struct task *task = wf_container(job, struct task, job);
    task->dropped_on = pthread_self();
    atomic_fetch_add(&task->drops, 1);
    sem_post(&task->dropped);
}

static void bench_open(struct bench *bench, struct wf_pool_options options)
{
    order_count = 0;
    world_open(&bench->world);
    assert_int_equal(wf_pool_new(&bench->pool, &options), 0);
}

static int count_threads(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/task");
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static int threads_at_first; /* we, and one of whoever runs the program: qemu, Valgrind */

/* A detached thread is gone when there are no more than at first, but for the sanitizer's own. */
static void wait_alone(void)
{
    while (count_threads() > threads_at_first + WF_TSAN)
        sched_yield();
}

/* A thread in a job's drop() is not waited for by the pool. */
static void bench_close(struct bench *bench)
{
    wf_pool_free(bench->pool);
    wait_alone();
    world_close(&bench->world);
}

static void prepare(struct bench *bench, struct task *task, int number, bool gated)
{
    memset(task, 0, sizeof *task);
    task->number = number;
    task->job.run = gated ? run_gated : run_at_once;
    task->job.complete = on_complete;
    task->job.drop = on_drop;
    task->job.inbox = bench->world.inbox;
    sem_init(&task->started, 0, 0);
    sem_init(&task->gate, 0, 0);
    sem_init(&task->dropped, 0, 0);
}

static int submit_job(struct bench *bench, struct task *task, int number, bool gated)
{
    prepare(bench, task, number, gated);
    return wf_pool_submit(bench->pool, &task->job);
}

static void submit_gated_and_see_it_run(struct bench *bench, struct task *task, int number)
{
    assert_int_equal(submit_job(bench, task, number, true), 0);
    sem_wait(&task->started);
}

static int deliver_all(struct wf_mail *mail, bool closed)
{
    int count = 0;
    while (mail) {
        struct wf_mail *next = mail->next;
        mail->deliver(mail, closed);
        mail = next;
        count++;
    }
    return count;
}

static void wait_completes(struct bench *bench, int count)
{
    while (count > 0) {
        bench->world.ops->wait(bench->world.io, PATIENCE);
        count -= deliver_all(wf_inbox_take(bench->world.inbox), false);
    }
    assert_int_equal(count, 0);
}

static void test_pool_new_starts_no_thread(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench, (struct wf_pool_options){ 0 });
    assert_int_equal(wf_pool_count(bench.pool).threads, 0);
    bench_close(&bench);
    wf_pool_free(NULL);
}

static void test_pool_new_without_memory_fails(void **state)
{
    (void)state;
    struct wf_pool *pool = NULL;
    struct wf_pool_options options = { 0 };
    struct wf_memory_fault fault = { .countdown = 1 };
    wf_memory_fault_set(&fault);
    assert_int_equal(wf_pool_new(&pool, &options), -ENOMEM);
    wf_memory_fault_set(NULL);
    assert_null(pool);
}

static void test_pool_one_thread_keeps_order(void **state)
{
    (void)state;
    struct bench bench;
    struct task tasks[20];
    bench_open(&bench, (struct wf_pool_options){ .threads = 1 });
    for (int i = 0; i < 20; i++)
        assert_int_equal(submit_job(&bench, &tasks[i], i, false), 0);
    wait_completes(&bench, 20);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(order[i], i);
        assert_int_equal(tasks[i].job.result, 2 * i);
        assert_int_equal(tasks[i].job.state, WF_JOB_DONE);
        assert_false(pthread_equal(tasks[i].ran_on, pthread_self()));
    }
    assert_null(wf_job_current());
    bench_close(&bench);
}

static void test_pool_one_job_at_a_time_needs_one_thread(void **state)
{
    (void)state;
    struct bench bench;
    struct task task;
    bench_open(&bench, (struct wf_pool_options){ .threads = 8 });
    for (int i = 0; i < 200; i++) {
        assert_int_equal(submit_job(&bench, &task, i, false), 0);
        wait_completes(&bench, 1);
    }
    assert_int_equal(wf_pool_count(bench.pool).threads, 1);
    bench_close(&bench);
}

static void test_pool_threads_stop_at_the_limit(void **state)
{
    (void)state;
    struct bench bench;
    struct task tasks[10];
    bench_open(&bench, (struct wf_pool_options){ .threads = 3 });
    for (int i = 0; i < 10; i++)
        assert_int_equal(submit_job(&bench, &tasks[i], i, true), 0);
    for (int i = 0; i < 3; i++)
        sem_wait(&tasks[i].started);
    struct wf_pool_counters count = wf_pool_count(bench.pool);
    assert_int_equal(count.threads, 3);
    assert_int_equal(count.running, 3);
    assert_int_equal(count.queued, 7);
    for (int i = 0; i < 10; i++)
        sem_post(&tasks[i].gate);
    wait_completes(&bench, 10);
    count = wf_pool_count(bench.pool);
    assert_int_equal(count.threads, 3);
    assert_int_equal(count.running, 0);
    assert_int_equal(count.queued, 0);
    assert_int_equal(count.finished, 10);
    bench_close(&bench);
}

static void test_pool_queue_is_bounded(void **state)
{
    (void)state;
    struct bench bench;
    struct task running, queued, refused;
    bench_open(&bench, (struct wf_pool_options){ .threads = 1, .queue_max = 1 });
    submit_gated_and_see_it_run(&bench, &running, 1);
    assert_int_equal(submit_job(&bench, &queued, 2, false), 0);
    assert_int_equal(submit_job(&bench, &refused, 3, false), -EAGAIN);
    assert_int_equal(refused.job.state, WF_JOB_IDLE);
    sem_post(&running.gate);
    wait_completes(&bench, 2);
    assert_int_equal(wf_pool_submit(bench.pool, &refused.job), 0);
    wait_completes(&bench, 1);
    bench_close(&bench);
}

static void test_pool_withdraw_of_a_queued_job_is_the_end_of_it(void **state)
{
    (void)state;
    struct bench bench;
    struct task running, queued;
    bench_open(&bench, (struct wf_pool_options){ .threads = 1 });
    submit_gated_and_see_it_run(&bench, &running, 1);
    assert_int_equal(submit_job(&bench, &queued, 2, false), 0);
    assert_true(wf_pool_withdraw(bench.pool, &queued.job));
    assert_false(wf_pool_withdraw(bench.pool, &queued.job));
    assert_false(wf_pool_withdraw(bench.pool, &running.job));
    sem_post(&running.gate);
    wait_completes(&bench, 1);
    assert_false(wf_pool_withdraw(bench.pool, &running.job));
    assert_int_equal(queued.runs + queued.completes + queued.drops, 0);
    struct wf_pool_counters count = wf_pool_count(bench.pool);
    assert_int_equal(count.withdrawn, 1);
    assert_int_equal(count.finished, 1);
    bench_close(&bench);
}

static void test_pool_abandon_of_a_running_job_drops_it_on_its_thread(void **state)
{
    (void)state;
    struct bench bench;
    struct task task;
    bench_open(&bench, (struct wf_pool_options){ .threads = 1 });
    submit_gated_and_see_it_run(&bench, &task, 1);
    assert_true(wf_pool_abandon(bench.pool, &task.job));
    assert_int_equal(task.drops, 0);
    sem_post(&task.gate);
    sem_wait(&task.dropped);
    assert_true(pthread_equal(task.dropped_on, task.ran_on));
    assert_true(task.saw_cancel);
    assert_int_equal(task.completes, 0);
    assert_int_equal(wf_pool_count(bench.pool).abandoned, 1);
    bench_close(&bench);
}

static void test_pool_abandon_of_a_queued_job_drops_it_at_once(void **state)
{
    (void)state;
    struct bench bench;
    struct task running, queued;
    bench_open(&bench, (struct wf_pool_options){ .threads = 1 });
    submit_gated_and_see_it_run(&bench, &running, 1);
    assert_int_equal(submit_job(&bench, &queued, 2, false), 0);
    assert_true(wf_pool_abandon(bench.pool, &queued.job));
    assert_int_equal(queued.drops, 1);
    assert_true(pthread_equal(queued.dropped_on, pthread_self()));
    sem_post(&running.gate);
    wait_completes(&bench, 1);
    assert_int_equal(queued.runs, 0);
    bench_close(&bench);
}

static void test_pool_abandon_of_a_finished_job_is_too_late(void **state)
{
    (void)state;
    struct bench bench;
    struct task task;
    bench_open(&bench, (struct wf_pool_options){ .threads = 1 });
    assert_int_equal(submit_job(&bench, &task, 1, false), 0);
    while (wf_inbox_is_empty(bench.world.inbox))
        bench.world.ops->wait(bench.world.io, PATIENCE);
    assert_false(wf_pool_abandon(bench.pool, &task.job));
    wait_completes(&bench, 1);
    assert_int_equal(task.drops, 0);
    assert_int_equal(wf_pool_count(bench.pool).abandoned, 0);
    bench_close(&bench);
}

static void test_pool_free_leaves_an_abandoned_job_behind(void **state)
{
    (void)state;
    struct bench bench;
    struct task abandoned, other;
    bench_open(&bench, (struct wf_pool_options){ .threads = 2 });
    submit_gated_and_see_it_run(&bench, &abandoned, 1);
    assert_int_equal(submit_job(&bench, &other, 2, false), 0);
    wait_completes(&bench, 1);
    assert_true(wf_pool_abandon(bench.pool, &abandoned.job));
    wf_pool_free(bench.pool);
    wf_inbox_release(wf_inbox_retain(bench.world.inbox));
    assert_int_equal(abandoned.drops, 0);
    sem_post(&abandoned.gate);
    sem_wait(&abandoned.dropped);
    wait_alone();
    world_close(&bench.world);
}

static sem_t in_drop, out_of_drop;

static void drop_slowly(struct wf_job *job)
{
    (void)job;
    sem_post(&in_drop);
    sem_wait(&out_of_drop);
}

static void test_pool_free_does_not_wait_for_a_drop(void **state)
{
    (void)state;
    struct bench bench;
    struct task task;
    sem_init(&in_drop, 0, 0);
    sem_init(&out_of_drop, 0, 0);
    bench_open(&bench, (struct wf_pool_options){ .threads = 1 });
    prepare(&bench, &task, 1, true);
    task.job.drop = drop_slowly;
    assert_int_equal(wf_pool_submit(bench.pool, &task.job), 0);
    sem_wait(&task.started);
    assert_true(wf_pool_abandon(bench.pool, &task.job));
    sem_post(&task.gate);
    sem_wait(&in_drop);
    wf_pool_free(bench.pool); /* a drop() that is never left would hold it for ever */
    sem_post(&out_of_drop);
    wait_alone();
    world_close(&bench.world);
}

static void test_pool_cancel_is_seen_by_the_job(void **state)
{
    (void)state;
    struct bench bench;
    struct task cancelled, other;
    bench_open(&bench, (struct wf_pool_options){ .threads = 2 });
    submit_gated_and_see_it_run(&bench, &cancelled, 1);
    submit_gated_and_see_it_run(&bench, &other, 2);
    wf_pool_cancel(bench.pool, &cancelled.job);
    sem_post(&cancelled.gate);
    sem_post(&other.gate);
    wait_completes(&bench, 2);
    assert_true(cancelled.saw_cancel);
    assert_false(other.saw_cancel);
    assert_int_equal(cancelled.completes, 1);
    bench_close(&bench);
}

static void test_pool_first_thread_refused_is_an_error(void **state)
{
    (void)state;
    struct bench bench;
    struct task task;
    struct wf_io_fault fault = { .kind = WF_FAULT_THREAD, .countdown = 1, .error = EAGAIN };
    bench_open(&bench, (struct wf_pool_options){ .threads = 2 });
    wf_io_fault_set(&fault);
    assert_int_equal(submit_job(&bench, &task, 1, false), -EAGAIN);
    wf_io_fault_set(NULL);
    struct wf_pool_counters count = wf_pool_count(bench.pool);
    assert_int_equal(count.queued + count.threads, 0);
    assert_int_equal(wf_pool_submit(bench.pool, &task.job), 0);
    wait_completes(&bench, 1);
    assert_int_equal(task.runs, 1);
    bench_close(&bench);
}

static void test_pool_second_thread_refused_only_costs_time(void **state)
{
    (void)state;
    struct bench bench;
    struct task running, queued;
    struct wf_io_fault fault = {
        .kind = WF_FAULT_THREAD, .countdown = 1, .error = EAGAIN, .persistent = true
    };
    bench_open(&bench, (struct wf_pool_options){ .threads = 2 });
    submit_gated_and_see_it_run(&bench, &running, 1);
    wf_io_fault_set(&fault);
    assert_int_equal(submit_job(&bench, &queued, 2, false), 0);
    wf_io_fault_set(NULL);
    assert_int_equal(fault.injected, 1);
    assert_int_equal(wf_pool_count(bench.pool).threads, 1);
    sem_post(&running.gate);
    wait_completes(&bench, 2);
    assert_true(pthread_equal(queued.ran_on, running.ran_on));
    bench_close(&bench);
}

static void run_looking_around(struct wf_job *job)
{
    sigset_t blocked;
    char name[16];
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    pthread_getname_np(pthread_self(), name, sizeof name);
    job->result = wf_job_current() == job && strcmp(name, "a-name-that-is-") == 0;
    for (int number = 1; number < 32; number++)
        if (number != SIGKILL && number != SIGSTOP && sigismember(&blocked, number) != 1)
            job->result = 0;
}

static void test_pool_threads_have_a_name_and_take_no_signals(void **state)
{
    (void)state;
    struct bench bench;
    struct task task;
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    bench_open(&bench, (struct wf_pool_options){ .name = "a-name-that-is-too-long" });
    prepare(&bench, &task, 1, false);
    task.job.run = run_looking_around;
    assert_int_equal(wf_pool_submit(bench.pool, &task.job), 0);
    wait_completes(&bench, 1);
    assert_int_equal(task.job.result, 1);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int number = 1; number < 32; number++)
        assert_int_equal(sigismember(&before, number), sigismember(&after, number));
    bench_close(&bench);
}

static void test_pool_job_that_outlives_its_loop_is_dropped(void **state)
{
    (void)state;
    struct bench bench;
    struct task task;
    bench_open(&bench, (struct wf_pool_options){ .threads = 1 });
    submit_gated_and_see_it_run(&bench, &task, 1);
    assert_null(wf_inbox_close(bench.world.inbox));
    bench.world.ops->close(bench.world.io);
    wf_inbox_release(bench.world.inbox); /* the job holds the last reference */
    sem_post(&task.gate);
    sem_wait(&task.dropped);
    assert_int_equal(task.completes, 0);
    wf_pool_free(bench.pool);
    assert_int_equal(count_fds(), bench.world.fds);
}

static void test_pool_job_found_in_a_closing_inbox_is_dropped(void **state)
{
    (void)state;
    struct bench bench;
    struct task task;
    bench_open(&bench, (struct wf_pool_options){ .threads = 1 });
    assert_int_equal(submit_job(&bench, &task, 1, false), 0);
    while (wf_inbox_is_empty(bench.world.inbox))
        bench.world.ops->wait(bench.world.io, PATIENCE);
    assert_int_equal(deliver_all(wf_inbox_close(bench.world.inbox), true), 1);
    assert_int_equal(task.drops, 1);
    assert_int_equal(task.completes, 0);
    bench_close(&bench);
}

/* Many */

#define CROWD 10000

static void run_and_count(struct wf_job *job)
{
    atomic_fetch_add(&wf_container(job, struct task, job)->runs, 1);
}

/* Each job ends in exactly one way, however withdraw, abandon and completion meet. */
static void test_pool_ten_thousand_jobs_end_once_each(void **state)
{
    (void)state;
    struct bench bench;
    struct task *tasks = calloc(CROWD, sizeof *tasks);
    uint64_t dice = 7;
    int expected = 0, withdrawn = 0, abandoned = 0, dropped = 0;
    bench_open(&bench, (struct wf_pool_options){ .threads = 4 });
    for (int i = 0; i < CROWD; i++) {
        prepare(&bench, &tasks[i], i, false);
        tasks[i].job.run = run_and_count;
        assert_int_equal(wf_pool_submit(bench.pool, &tasks[i].job), 0);
        dice = dice * UINT64_C(6364136223846793005) + 1442695040888963407u;
        struct wf_job *other = &tasks[(dice >> 33) % (uint64_t)(i + 1)].job;
        if (i % 3 == 0)
            withdrawn += wf_pool_withdraw(bench.pool, other);
        else if (i % 3 == 1 && !other->abandoned)
            abandoned += wf_pool_abandon(bench.pool, other);
    }
    expected = CROWD - withdrawn - abandoned;
    wait_completes(&bench, expected);
    while (wf_pool_count(bench.pool).running) /* an abandoned one may still be at it */
        sched_yield();
    wf_pool_free(bench.pool);
    for (int i = 0; i < CROWD; i++) {
        assert_in_range(tasks[i].completes + tasks[i].drops, 0, 1);
        dropped += tasks[i].drops;
    }
    assert_int_equal(dropped, abandoned);
    free(tasks);
    world_close(&bench.world);
}

int main(void)
{
    threads_at_first = count_threads();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool_new_starts_no_thread),
        cmocka_unit_test(test_pool_new_without_memory_fails),
        cmocka_unit_test(test_pool_one_thread_keeps_order),
        cmocka_unit_test(test_pool_one_job_at_a_time_needs_one_thread),
        cmocka_unit_test(test_pool_threads_stop_at_the_limit),
        cmocka_unit_test(test_pool_queue_is_bounded),
        cmocka_unit_test(test_pool_withdraw_of_a_queued_job_is_the_end_of_it),
        cmocka_unit_test(test_pool_abandon_of_a_running_job_drops_it_on_its_thread),
        cmocka_unit_test(test_pool_abandon_of_a_queued_job_drops_it_at_once),
        cmocka_unit_test(test_pool_abandon_of_a_finished_job_is_too_late),
        cmocka_unit_test(test_pool_free_leaves_an_abandoned_job_behind),
        cmocka_unit_test(test_pool_free_does_not_wait_for_a_drop),
        cmocka_unit_test(test_pool_cancel_is_seen_by_the_job),
        cmocka_unit_test(test_pool_first_thread_refused_is_an_error),
        cmocka_unit_test(test_pool_second_thread_refused_only_costs_time),
        cmocka_unit_test(test_pool_threads_have_a_name_and_take_no_signals),
        cmocka_unit_test(test_pool_job_that_outlives_its_loop_is_dropped),
        cmocka_unit_test(test_pool_job_found_in_a_closing_inbox_is_dropped),
        cmocka_unit_test(test_pool_ten_thousand_jobs_end_once_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
