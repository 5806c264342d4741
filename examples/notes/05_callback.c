/* The note: a coroutine is registered with the loop by `ensure_future`, gets a callback by
 * `task.add_done_callback(callback)`, and `loop.run_until_complete(task)` runs it.
 *
 * Line by line the same here. The callback is called by the loop, once, when the task is done, and
 * run_until_complete returns after that. */

#include <stdio.h>
#include <weft.h>

static int do_some_work(void *arg)
{
    int x = *(const int *)arg;
    printf("Waiting:  %d\n", x);
    int err = weft_sleep(x * WEFT_SECOND);
    return err < 0 ? err : weft_return("Done after 2s");
}

static void callback(weft_future *future, void *arg)
{
    (void)arg;
    void *text;
    if (weft_future_result(future, &text) >= 0)
        printf("Callback:  %s\n", (const char *)text);
}

int main(void)
{
    int x = 2;
    weft_loop *loop;
    if (weft_loop_new(&loop) < 0)
        return 1;

    weft_coro *coroutine = weft_coro_new(do_some_work, &x);   /* nothing has run yet */
    weft_task *task = weft_loop_create_task(loop, coroutine); /* ensure_future */
    weft_future_on_done(weft_task_future(task), callback, NULL);
    int err = weft_loop_run_until_complete(loop, task); /* Waiting, then Callback */

    weft_task_release(task);
    weft_loop_free(loop);
    return err < 0;
}
