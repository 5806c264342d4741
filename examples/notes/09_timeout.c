/* The note: `gen.with_timeout` stops waiting and leaves the operation running; `asyncio.wait_for`
 * cancels it, and waits until it has cleaned up. So a limit of 10 ms takes 60 ms in Python too when
 * the cleanup takes 50.
 *
 * weft_with_timeout() and weft_wait_for() are those two. Cleanup that has to wait, in a task that
 * is cancelled, does so behind a shield. */

#include <errno.h>
#include <stdio.h>
#include <weft.h>

static void clean_up(void)
{
    weft_scope shield;
    weft_scope_begin(&shield, .shield = true);
    weft_sleep(50 * WEFT_MILLISECOND);
    weft_scope_end(&shield);
}

static int slow(void *arg)
{
    (void)arg;
    int err = weft_sleep(100 * WEFT_MILLISECOND);
    if (err < 0) {
        puts("  the operation is cancelled, and cleans up");
        clean_up();
    }
    puts("  the operation ends");
    return err;
}

static int report(const char *name, int err, int64_t begin)
{
    double took = (double)(weft_now() - begin) / WEFT_MILLISECOND;
    printf("%s: %s after %.1f ms\n", name, weft_error_text(err), took);
    return err == -ETIMEDOUT ? 0 : err;
}

static int with_timeout(void)
{
    weft_task *task = weft_create_task(weft_coro_new(slow, NULL));
    int64_t begin = weft_now();
    int err = report("with_timeout", weft_with_timeout(task, 10 * WEFT_MILLISECOND), begin);
    if (err == 0)
        err = weft_await(task); /* it has not been told of any limit */
    weft_task_release(task);
    return err;
}

static int wait_for(void)
{
    weft_task *task = weft_create_task(weft_coro_new(slow, NULL));
    int64_t begin = weft_now();
    int err = report("wait_for", weft_wait_for(task, 10 * WEFT_MILLISECOND), begin);
    printf("cancelled: %s\n", weft_task_is_cancelled(task) ? "yes" : "no");
    weft_task_release(task);
    return err;
}

static int timeouts(void *arg)
{
    (void)arg;
    int err = with_timeout();
    return err < 0 ? err : wait_for();
}

int main(void)
{
    return weft_run(timeouts, NULL) < 0;
}
