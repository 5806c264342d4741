/* Blocking functions on pool threads, and the three ways to stop waiting for one:
 *
 *     queued            withdrawn at once; the function never runs, abandon(arg) does
 *     running, bound    the function uses the caller's memory: waited for, its result counts
 *     running, .abandon the job owns its memory: left behind, abandon(arg) runs when it returns
 *
 * A bound job lives in the waiting frame, an abandonable one on the heap. */

#include "core/blocking.h"

#include "base/error.h"
#include "base/memory.h"
#include "core/loop.h"

#include <string.h>
#include <weft/log.h>

#define LATE (100 * WEFT_MILLISECOND) /* of waiting after a cancel, before it is reported */

struct weft_pool {
    struct wf_pool *threads;
    char name[16];
};

struct job {
    struct wf_job job;
    weft_fn *fn;
    void *arg;
    weft_drop_fn *abandon; /* NULL: bound */
    weft_loop *loop;
    struct wf_waiter *waiter; /* NULL: nobody waits */
    const char *name;
    const struct wf_locals *locals; /* of the task that waits; NULL when it may not */
    int result;
};

struct wait {
    struct wf_waiter waiter;
    struct job *job;
    struct wf_timer late; /* armed by a cancel that cannot be obeyed */
};

/* Older programs do not know the field. */
static int64_t idle_timeout_of(const struct weft_pool_options *options)
{
    bool known = options->size == 0 || options->size >= sizeof *options;
    return known && options->idle_timeout != WEFT_FOREVER ? options->idle_timeout : 0;
}

int weft_pool_open_with(const struct weft_pool_options *options)
{
    weft_pool *pool = wf_alloc_zero(sizeof *pool);
    if (!pool)
        return wf_fail(-ENOMEM, "no memory for a pool");
    strncpy(pool->name, options->name ? options->name : "weft-pool", sizeof pool->name - 1);
    struct wf_pool_options inner = { .name = pool->name,
                                     .threads = options->threads ? options->threads : 8,
                                     .queue_max = options->queue_max,
                                     .idle_timeout = idle_timeout_of(options) };
    int err = wf_pool_new(&pool->threads, &inner);
    if (err < 0) {
        wf_free(pool);
        return wf_fail(err, "no memory for a pool");
    }
    *options->pool = pool;
    return 0;
}

void weft_pool_close(weft_pool *pool)
{
    if (!pool)
        return;
    if (wf_pool_is_waited_for(pool->threads))
        wf_panic(__FILE__, __LINE__, "weft_pool_close() while a task waits for a job of the pool");
    wf_pool_free(pool->threads);
    wf_free(pool);
}

void weft_pool_get_stats(weft_pool *pool, weft_pool_stats *stats)
{
    const weft_loop *loop = weft_loop_current();
    struct wf_pool *threads = pool ? pool->threads : loop ? loop->pool : NULL;
    *stats = (weft_pool_stats){ 0 };
    if (!threads)
        return;
    struct wf_pool_counters now = wf_pool_count(threads);
    *stats = (weft_pool_stats){ .threads = now.threads,
                                .idle = now.threads - now.running,
                                .queued = now.queued,
                                .running = now.running,
                                .longest = now.longest,
                                .done = now.finished,
                                .withdrawn = now.withdrawn,
                                .abandoned = now.abandoned,
                                .rejected = now.rejected };
}

bool weft_blocking_cancelled(void)
{
    struct wf_job *job = wf_job_current();
    return job && atomic_load(&job->cancelled);
}

/* On the pool's thread. A pointer handed back has no slot to go to: only its being there counts. */
static void run(struct wf_job *inner)
{
    struct job *job = wf_container(inner, struct job, job);
    wf_locals_lend(job->locals);
    job->result = job->fn(job->arg);
    wf_locals_lend(NULL);
    struct wf_value value = wf_value_take(&job->result);
    if (value.drop)
        value.drop(value.pointer);
}

/* On the loop's thread. */
static void complete(struct wf_job *inner)
{
    struct job *job = wf_container(inner, struct job, job);
    job->loop->jobs--;
    wf_wake(job->waiter, job->result);
}

/* Abandoned, or the loop is gone. */
static void drop(struct wf_job *inner)
{
    struct job *job = wf_container(inner, struct job, job);
    if (!job->abandon)
        return;
    job->abandon(job->arg);
    wf_free(job);
}

static void report_late(struct wf_timer *timer)
{
    struct wait *wait = wf_container(timer, struct wait, late);
    const weft_task *task = wait->waiter.owner;
    if (wait->waiter.state == WF_WAIT_DONE) /* in this very turn */
        return;
    weft_log(WEFT_LOG_RUNTIME, WEFT_LOG_WARNING,
             "task '%s' (spawned at %s) was cancelled, but still waits for the blocking function "
             "'%s'",
             task->name, task->future.site, wait->job->name);
}

static bool abort_wait(struct wf_waiter *w)
{
    struct wait *wait = wf_container(w, struct wait, waiter);
    struct job *job = wait->job;
    weft_loop *loop = job->loop;
    if (wf_pool_withdraw(job->job.pool, &job->job)) {
        loop->jobs--;
        return true;
    }
    if (job->abandon && wf_pool_abandon(job->job.pool, &job->job)) {
        loop->jobs--;
        wait->job = NULL;
        return true;
    }
    wf_pool_cancel(job->job.pool, &job->job);
    wf_timer_add(&loop->timers, &wait->late, wf_deadline_after(loop, LATE));
    return false;
}

static const struct wf_wait_ops wait_ops = { .kind = "a blocking function", .abort = abort_wait };

static int wait_for(weft_loop *loop, struct job *job, bool *abandoned)
{
    struct wait wait = { .job = job };
    wf_waiter_arm(&wait.waiter, &wait_ops, job);
    wf_timer_init(&wait.late, report_late);
    job->waiter = &wait.waiter;
    int err = wf_pool_submit(job->job.pool, &job->job);
    if (err < 0)
        return wf_fail(err, "the pool's queue is full, or no thread could be started");
    loop->jobs++;
    err = (int)wf_park(&wait.waiter);
    wf_timer_cancel(&loop->timers, &wait.late);
    *abandoned = wait.job == NULL;
    return err;
}

static void init_job(struct job *job, weft_loop *loop, struct wf_pool *pool, weft_fn *fn,
                     const struct weft_blocking_options *options)
{
    *job = (struct job){
        .job = { .run = run,
                 .complete = complete,
                 .drop = drop,
                 .inbox = loop->inbox,
                 .pool = pool },
        .fn = fn,
        .arg = options->arg,
        .abandon = options->abandon,
        .loop = loop,
        .name = options->function ? options->function : "?",
    };
}

static int run_bound(weft_loop *loop, struct wf_pool *pool, weft_fn *fn,
                     const struct weft_blocking_options *options)
{
    struct job job;
    bool abandoned = false;
    init_job(&job, loop, pool, fn, options);
    job.locals = loop->current->locals;
    return wait_for(loop, &job, &abandoned);
}

static int run_abandonable(weft_loop *loop, struct wf_pool *pool, weft_fn *fn,
                           const struct weft_blocking_options *options)
{
    bool abandoned = false;
    struct job *job = wf_alloc(sizeof *job);
    if (!job)
        return wf_fail(-ENOMEM, "no memory for a blocking job");
    init_job(job, loop, pool, fn, options);
    int err = wait_for(loop, job, &abandoned);
    if (abandoned)
        return err;
    wf_free(job);
    if (err == -ECANCELED)
        options->abandon(options->arg);
    return err;
}

int wf_blocking_on(weft_loop *loop, struct wf_pool *pool, weft_fn *fn,
                   const struct weft_blocking_options *options)
{
    if (!pool)
        return wf_fail(-ENOMEM, "no memory for a pool");
    return options->abandon ? run_abandonable(loop, pool, fn, options)
                            : run_bound(loop, pool, fn, options);
}

int weft_blocking_with(weft_fn *fn, const struct weft_blocking_options *options)
{
    weft_task *task;
    int err = wf_enter(&task);
    if (err == -ECANCELED && options->abandon)
        options->abandon(options->arg);
    if (err < 0)
        return err;
    struct wf_pool *pool = options->pool ? options->pool->threads : wf_loop_pool(task->future.loop);
    return wf_blocking_on(task->future.loop, pool, fn, options);
}
