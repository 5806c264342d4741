/* The pool: a queue under a lock, and threads that take from it.
 *
 *      loop's thread                         pool thread
 *      submit ──> queue ── signal ─────────> take, run()
 *                                            abandoned? drop()
 *      complete() <── inbox <── push ─────── else DONE
 *
 * One lock guards everything but the `cancelled` flag of a job; it is never held while a function
 * of the job runs. A thread is started when more jobs wait than threads are between jobs. Idle
 * threads wait on the condition, without polling; with .idle_timeout they end by themselves,
 * detached, and leave their place to another one.
 *
 * A job keeps its inbox alive from submit until its end: the loop may complete the job and be gone
 * before the pushing thread has come back out of the push.
 *
 * wf_pool_free joins. A thread with an abandoned job cannot be joined without waiting for that job,
 * so it is detached, and the pool is counted: the last of {owner, threads} frees it. */

#include "io/pool.h"
#include "base/memory.h"
#include "io/clock.h"
#include "io/threads.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#define THREADS_DEFAULT 4
#define QUEUE_DEFAULT   65536
#define SECOND_NS       INT64_C(1000000000)

struct worker {
    struct wf_pool *pool;
    pthread_t thread;
    struct wf_job *job; /* between its start and the end of its run(); guarded by the lock */
    bool drops;         /* it runs an abandoned job's drop(): guarded by the lock */
    bool alive;         /* likewise */
};

struct wf_pool {
    pthread_mutex_t lock;
    pthread_cond_t work; /* the queue has grown, or the pool is closing */
    struct wf_list queue;
    struct wf_pool_counters counters;
    unsigned threads_max;
    unsigned queue_max;
    int64_t idle_timeout;
    unsigned references; /* the owner and each thread */
    bool closing;
    char name[16];
    struct worker workers[]; /* threads_max; counters.threads of them are alive */
};

static _Thread_local struct wf_job *current;

struct wf_job *wf_job_current(void)
{
    return current;
}

static void init_work(pthread_cond_t *work)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(work, &attributes);
    pthread_condattr_destroy(&attributes);
}

int wf_pool_new(struct wf_pool **pool, const struct wf_pool_options *options)
{
    unsigned threads = options->threads ? options->threads : THREADS_DEFAULT;
    struct wf_pool *made = wf_alloc_zero(sizeof *made + threads * sizeof made->workers[0]);
    if (!made)
        return -ENOMEM;
    pthread_mutex_init(&made->lock, NULL); /* with default attributes neither can fail here */
    init_work(&made->work);
    wf_list_init(&made->queue);
    made->threads_max = threads;
    made->queue_max = options->queue_max ? options->queue_max : QUEUE_DEFAULT;
    made->idle_timeout = options->idle_timeout;
    made->references = 1;
    snprintf(made->name, sizeof made->name, "%s", options->name ? options->name : "weft-pool");
    *pool = made;
    return 0;
}

/* With the lock held, which is given back. */
static void release_and_unlock(struct wf_pool *pool)
{
    bool last = --pool->references == 0;
    pthread_mutex_unlock(&pool->lock);
    if (!last)
        return;
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    wf_free(pool);
}

/* The ends of a job */

static void drop(struct wf_job *job)
{
    if (job->drop)
        job->drop(job);
}

static void deliver(struct wf_mail *mail, bool closed)
{
    struct wf_job *job = wf_container(mail, struct wf_job, mail);
    if (closed)
        drop(job);
    else
        job->complete(job);
}

/* The job is the loop's, or nobody's, when this returns. */
static void report(struct wf_job *job, bool abandoned)
{
    struct wf_inbox *inbox = job->inbox;
    if (abandoned || wf_inbox_push(inbox, &job->mail) < 0)
        drop(job);
    wf_inbox_release(inbox);
}

/* Threads */

/* False: it has waited long enough. With the lock held. */
static bool wait_for_work(struct wf_pool *pool)
{
    static const struct wf_clock real = { .test = false };
    int err;
    wf_threads_own(1);
    if (pool->idle_timeout > 0) {
        int64_t when = wf_clock_after(wf_clock_now(&real), pool->idle_timeout);
        struct timespec limit = { .tv_sec = when / SECOND_NS, .tv_nsec = when % SECOND_NS };
        err = pthread_cond_timedwait(&pool->work, &pool->lock, &limit);
    } else {
        err = pthread_cond_wait(&pool->work, &pool->lock);
    }
    wf_threads_own(-1);
    return err != ETIMEDOUT;
}

/* It ends by itself: nobody will join it. With the lock held. */
static void retire(struct worker *worker)
{
    pthread_detach(worker->thread);
    worker->alive = false;
    worker->pool->counters.threads--;
}

/* The next job, with its state set; NULL: the thread is to end. With the lock held. */
static struct wf_job *take(struct worker *worker)
{
    struct wf_pool *pool = worker->pool;
    while (wf_list_is_empty(&pool->queue)) {
        if (pool->closing)
            return NULL;
        if (wait_for_work(pool) || pool->closing || !wf_list_is_empty(&pool->queue))
            continue;
        retire(worker);
        return NULL;
    }
    struct wf_job *job = wf_container(wf_list_pop_front(&pool->queue), struct wf_job, link);
    pool->counters.queued--;
    pool->counters.running++;
    job->state = WF_JOB_RUNNING;
    worker->job = job;
    return job;
}

/* After run(), with the lock held; true: abandoned. */
static bool settle(struct worker *worker)
{
    struct wf_job *job = worker->job;
    struct wf_pool *pool = worker->pool;
    worker->job = NULL;
    worker->drops = job->abandoned;
    job->state = WF_JOB_DONE;
    pool->counters.running--;
    if (!job->abandoned)
        pool->counters.finished++;
    return job->abandoned;
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct wf_pool *pool = worker->pool;
    pthread_setname_np(pthread_self(), pool->name);
    pthread_mutex_lock(&pool->lock);
    struct wf_job *job;
    while ((job = take(worker))) {
        pthread_mutex_unlock(&pool->lock);
        current = job;
        job->run(job);
        current = NULL;
        pthread_mutex_lock(&pool->lock);
        bool abandoned = settle(worker);
        pthread_mutex_unlock(&pool->lock);
        report(job, abandoned);
        pthread_mutex_lock(&pool->lock);
        worker->drops = false;
    }
    release_and_unlock(pool);
    return NULL;
}

/* A thread for the queue, if it needs one and may have it. With the lock held. Errors: there is
 * none at all. */
static int provide_thread(struct wf_pool *pool)
{
    unsigned threads = pool->counters.threads;
    unsigned between_jobs = threads - pool->counters.running;
    if (pool->counters.queued <= between_jobs || threads == pool->threads_max)
        return 0;
    struct worker *worker = pool->workers;
    while (worker->alive)
        worker++;
    worker->pool = pool;
    if (wf_thread_create(&worker->thread, work, worker) < 0)
        return threads == 0 ? -EAGAIN : 0;
    worker->alive = true;
    pool->counters.threads++;
    pool->references++;
    return 0;
}

/* What the loop's thread asks for */

static int enqueue(struct wf_pool *pool, struct wf_job *job)
{
    if (pool->counters.queued >= pool->queue_max)
        return -EAGAIN;
    wf_list_push_back(&pool->queue, &job->link);
    pool->counters.queued++;
    if (pool->counters.queued > pool->counters.longest)
        pool->counters.longest = pool->counters.queued;
    int err = provide_thread(pool);
    if (err < 0) {
        wf_list_remove_init(&job->link);
        pool->counters.queued--;
        return err;
    }
    job->state = WF_JOB_QUEUED;
    job->pool = pool;
    wf_inbox_retain(job->inbox);
    pthread_cond_signal(&pool->work);
    return 0;
}

int wf_pool_submit(struct wf_pool *pool, struct wf_job *job)
{
    job->mail.deliver = deliver;
    job->abandoned = false;
    atomic_store_explicit(&job->cancelled, false, memory_order_relaxed);
    pthread_mutex_lock(&pool->lock);
    wf_assert(!pool->closing && job->state != WF_JOB_QUEUED && job->state != WF_JOB_RUNNING);
    int err = enqueue(pool, job);
    pool->counters.rejected += err < 0;
    pthread_mutex_unlock(&pool->lock);
    return err;
}

/* Take a job that has not begun out of the queue. With the lock held. */
static bool dequeue(struct wf_pool *pool, struct wf_job *job)
{
    if (job->state != WF_JOB_QUEUED)
        return false;
    wf_list_remove_init(&job->link);
    job->state = WF_JOB_IDLE;
    pool->counters.queued--;
    return true;
}

bool wf_pool_withdraw(struct wf_pool *pool, struct wf_job *job)
{
    pthread_mutex_lock(&pool->lock);
    bool gone = dequeue(pool, job);
    pool->counters.withdrawn += gone;
    pthread_mutex_unlock(&pool->lock);
    if (gone)
        wf_inbox_release(job->inbox);
    return gone;
}

bool wf_pool_abandon(struct wf_pool *pool, struct wf_job *job)
{
    pthread_mutex_lock(&pool->lock);
    bool runs = job->state == WF_JOB_RUNNING;
    bool gone = dequeue(pool, job);
    if (runs) {
        job->abandoned = true;
        atomic_store_explicit(&job->cancelled, true, memory_order_relaxed);
    }
    pool->counters.abandoned += runs || gone;
    pthread_mutex_unlock(&pool->lock);
    if (gone)
        report(job, true);
    return runs || gone;
}

void wf_pool_cancel(struct wf_pool *pool, struct wf_job *job)
{
    (void)pool;
    atomic_store_explicit(&job->cancelled, true, memory_order_relaxed);
}

struct wf_pool_counters wf_pool_count(struct wf_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    struct wf_pool_counters counters = pool->counters;
    pthread_mutex_unlock(&pool->lock);
    return counters;
}

bool wf_pool_is_waited_for(struct wf_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    bool waited = !wf_list_is_empty(&pool->queue);
    for (unsigned i = 0; i < pool->threads_max; i++)
        waited |=
            pool->workers[i].alive && pool->workers[i].job && !pool->workers[i].job->abandoned;
    pthread_mutex_unlock(&pool->lock);
    return waited;
}

/* Let a thread go: true when it will end without waiting for anybody's function. With the lock. */
static bool can_join(struct worker *worker)
{
    if (!worker->job && !worker->drops)
        return true;
    wf_assert(!worker->job || worker->job->abandoned);
    pthread_detach(worker->thread);
    return false;
}

void wf_pool_free(struct wf_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    wf_assert(!pool->closing && wf_list_is_empty(&pool->queue));
    pool->closing = true;
    pthread_cond_broadcast(&pool->work);
    for (unsigned i = 0; i < pool->threads_max; i++) {
        if (!pool->workers[i].alive || !can_join(&pool->workers[i]))
            continue;
        pthread_mutex_unlock(&pool->lock);
        pthread_join(pool->workers[i].thread, NULL);
        pthread_mutex_lock(&pool->lock);
    }
    release_and_unlock(pool);
}
