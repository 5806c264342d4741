/* A program that stands still for a debugger to look at: known tasks, each suspended at a known
 * place. It says its process's number, and ends when its input does. With an argument its stacks
 * have protected pages as guards: at guard marks gdb's gcore gives up. */

#include "core/loop.h"

#include <stdio.h>
#include <unistd.h>
#include <weft.h>
#include <weft/stackless.h>

/* After a call: it is none in the tail, which would leave no frame. */
#define NO_TAIL_CALL() __asm__ volatile("" ::: "memory")

WF_NOINLINE static int sleep_long(int64_t duration)
{
    int err = weft_sleep(duration);
    NO_TAIL_CALL();
    return err;
}

static int sleeper(void *arg)
{
    (void)arg;
    int err = sleep_long(WEFT_HOUR);
    NO_TAIL_CALL();
    return err;
}

static int waiter(void *task)
{
    int err = weft_await((weft_task *)task);
    NO_TAIL_CALL();
    return err;
}

static int eager_end(void *arg)
{
    (void)arg;
    printf("%d\n", (int)getpid());
    fflush(stdout);
    int err = weft_poll_fd(STDIN_FILENO, WEFT_READABLE);
    NO_TAIL_CALL();
    return err < 0 ? err : -ECANCELED;
}

static int tick(weft_stackless *self, int64_t result)
{
    return result < 0 ? (int)result : weft_then_sleep(self, WEFT_HOUR, tick);
}

static const weft_stackless_kind ticker = WEFT_STACKLESS(tick, NULL, .name = "ticker");

static int stand(void *arg)
{
    weft_scope s;
    weft_stackless self;
    weft_task *task;
    (void)arg;
    weft_scope_begin(&s, .name = "all");
    weft_spawn(&s, sleeper, NULL, .name = "one", .task = &task);
    weft_spawn(&s, waiter, task, .stack_size = 16 << 10);
    weft_stackless_spawn(&s, &self, &ticker);
    weft_spawn(&s, eager_end, NULL);
    weft_sleep(0);
    weft_task_release(task);
    return weft_scope_end(&s);
}

int main(int argc, char **argv)
{
    weft_loop *loop;
    weft_task *task;
    (void)argv;
    if (weft_loop_new(&loop) < 0)
        return 1;
    loop->stacks.guards = argc > 1 ? WF_GUARDS_PAGES : WF_GUARDS_BEST;
    weft_spawn(weft_loop_background(loop), stand, NULL, .task = &task, .name = "main");
    weft_loop_run_until_complete(loop, task);
    weft_task_release(task);
    weft_loop_free(loop);
    return 0;
}
