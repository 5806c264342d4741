#ifndef WF_IO_POOL_H
#define WF_IO_POOL_H

/* Threads for what cannot be asked of the kernel without blocking: getaddrinfo, files on epoll,
 * the user's own blocking functions. Jobs, no tasks.
 *
 *        QUEUED ──> RUNNING ──> DONE     complete(job) on the loop's thread, through its inbox
 *          │           │
 *          │           └── abandoned ──> drop(job) on the pool's thread when run() returns
 *          └── withdrawn                 gone at once, nobody is told
 *
 * Threads start when a job finds none between jobs, up to a limit, and stay, or end when they were
 * idle for so long. A thread that cannot be started is an error only when the pool has none. Pool
 * threads block all signals. Any loop, and any thread, may submit to any pool: each job says which
 * inbox it reports to. */

#include "base/list.h"
#include "io/inbox.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct wf_pool;

enum wf_job_state { WF_JOB_IDLE, WF_JOB_QUEUED, WF_JOB_RUNNING, WF_JOB_DONE };

struct wf_job {
    void (*run)(struct wf_job *job);      /* on a pool thread */
    void (*complete)(struct wf_job *job); /* on the loop's thread */
    void (*drop)(struct wf_job *job);     /* on whatever thread: abandoned, or the loop is gone */
    struct wf_inbox *inbox;               /* where to report; the pool retains it meanwhile */
    struct wf_pool *pool;
    struct wf_list link;
    struct wf_mail mail;
    void *owner;             /* the submitter's, for complete() and drop() */
    int64_t result;          /* the submitter's, set by run() */
    enum wf_job_state state; /* guarded by the pool's lock */
    bool abandoned;          /* likewise */
    atomic_bool cancelled;   /* read by run() through wf_job_is_cancelled() */
};

/* By run(): whether nobody waits any more, so that it may end early. */
static inline bool wf_job_is_cancelled(const struct wf_job *job)
{
    return atomic_load_explicit(&job->cancelled, memory_order_relaxed);
}

struct wf_pool_options {
    const char *name;     /* of the threads; borrowed, at most 15 bytes are shown */
    unsigned threads;     /* 0: 4 */
    unsigned queue_max;   /* jobs waiting; 0: 65,536 */
    int64_t idle_timeout; /* ns after which an idle thread ends; 0: they stay */
};

struct wf_pool_counters {
    unsigned threads, running, queued;
    unsigned longest; /* the most that were queued */
    uint64_t finished, withdrawn, abandoned, rejected;
};

/* No thread is started yet. Errors: -ENOMEM. */
int wf_pool_new(struct wf_pool **pool, const struct wf_pool_options *options);

/* Whether a job is queued, or runs and is not abandoned. */
bool wf_pool_is_waited_for(struct wf_pool *pool);

/* Joins the threads that can end. One that still runs an abandoned job is left to end by itself;
 * the pool's memory goes with the last. No other job may be queued or running. NULL is allowed. */
void wf_pool_free(struct wf_pool *pool);

/* The job must be IDLE or DONE; run, complete and inbox are set. drop may be NULL where it cannot
 * happen. Errors: -EAGAIN: the queue is full, or no thread could be started. */
int wf_pool_submit(struct wf_pool *pool, struct wf_job *job);

/* True: it had not begun and never will; complete() will not come. */
bool wf_pool_withdraw(struct wf_pool *pool, struct wf_job *job);

/* True: drop(job) will be called instead of complete(), or has been (here, if it had not begun);
 * the job owns itself now. False: it has finished, complete() is on its way. Cancels it too. */
bool wf_pool_abandon(struct wf_pool *pool, struct wf_job *job);

/* Tell a running job that nobody waits; it may look with wf_job_current() and end early. */
void wf_pool_cancel(struct wf_pool *pool, struct wf_job *job);

/* The job that this pool thread runs; NULL on other threads. */
struct wf_job *wf_job_current(void);

struct wf_pool_counters wf_pool_count(struct wf_pool *pool);

#endif
