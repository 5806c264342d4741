/* Three workers get jobs from a queue that holds four: who brings more waits. A join says when all
 * is done, a shutdown sends the workers home. */

#include <stdio.h>
#include <weft.h>

enum { WORKERS = 3, JOBS = 12 };

static int squares[JOBS];

static int work(void *arg)
{
    weft_queue *jobs = arg;
    int job, err;

    while ((err = weft_queue_get(jobs, &job)) >= 0) {
        err = weft_sleep((1 + job % 3) * WEFT_MILLISECOND); /* a call to somewhere, in real life */
        squares[job] = job * job;
        weft_queue_task_done(jobs); /* also where it failed: somebody waits for all of them */
        if (err < 0)
            return err;
    }
    return err == WEFT_ECLOSED ? 0 : err; /* sent home */
}

static int bring(weft_queue *jobs)
{
    int err = 0;
    for (int job = 0; err >= 0 && job < JOBS; job++)
        err = weft_queue_put(jobs, &job);
    return err < 0 ? err : weft_queue_join(jobs);
}

static void show(void)
{
    for (int job = 0; job < JOBS; job++)
        printf("%d%s", squares[job], job < JOBS - 1 ? " " : "\n");
}

static int run_workers(void *arg)
{
    weft_queue jobs;
    weft_scope scope;
    (void)arg;

    int err = weft_queue_init(&jobs, sizeof(int), 4);
    if (err < 0)
        return err;
    weft_scope_begin(&scope, .timeout = 10 * WEFT_SECOND);
    for (int i = 0; i < WORKERS; i++)
        weft_spawn(&scope, work, &jobs);
    err = bring(&jobs);
    weft_queue_shutdown(&jobs, false);
    err = weft_scope_leave(&scope, err);
    weft_queue_fini(&jobs);

    if (err >= 0)
        show();
    return err;
}

int main(void)
{
    return weft_run(run_workers, NULL) < 0;
}
