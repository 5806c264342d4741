/* The note: `task = asyncio.create_task(f())`, and then `asyncio.run(task)`. Python says no to the
 * first, "no running event loop", and to the second, "a coroutine was expected".
 *
 * So does weft: a task belongs to a loop. Inside a run weft_create_task() knows which, and outside
 * weft_loop_create_task() is told. A task is put on the schedule by itself: it runs when its
 * creator waits for something, be it the task or not, and tasks begin in the order in which they
 * were made. */

#include <stdio.h>
#include <weft.h>

static int say(void *name)
{
    printf("  %s runs\n", (const char *)name);
    return weft_return(name);
}

static int result_of(weft_task *task)
{
    void *name;
    int err = weft_task_result(task, &name); /* as often as you like */
    if (err == 0)
        printf("%s is done\n", (const char *)name);
    return err;
}

static int tasks(void *arg)
{
    (void)arg;
    weft_task *first = weft_create_task(weft_coro_new(say, "the first"));
    weft_task *second = weft_create_task(weft_coro_new(say, "the second"));
    puts("two tasks; not a line of them has run");

    int err = weft_sleep(0);
    puts("their creator has waited, for neither of them");
    if (err == 0)
        err = result_of(second);
    if (err == 0)
        err = result_of(first);
    weft_task_release(first);
    weft_task_release(second);
    return err;
}

/* As the note has it: the task is made before there is a loop. */
static int too_early(weft_loop *loop)
{
    weft_task *task = weft_create_task(weft_coro_new(say, "nobody"));
    int err = weft_loop_run_until_complete(loop, task);
    printf("a task without a running loop: %s\n", weft_error_text(err));
    weft_task_release(task);
    return err;
}

static int by_hand(weft_loop *loop)
{
    weft_task *task = weft_loop_create_task(loop, weft_coro_new(say, "a task of that loop"));
    int err = weft_loop_run_until_complete(loop, task);
    weft_task_release(task);
    return err;
}

int main(void)
{
    weft_loop *loop;
    if (weft_loop_new(&loop) < 0)
        return 1;
    too_early(loop);
    int err = by_hand(loop);
    weft_loop_free(loop);
    return err < 0 || weft_run(tasks, NULL) < 0;
}
