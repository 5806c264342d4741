/* Dumps of trees in every state in which a failure or a cancel leaves them. */

#include "torture.h"

#include <errno.h>
#include <signal.h>
#include <weft/inspect.h>
#include <weft/scope.h>
#include <weft/task.h>

static size_t lines;

static int count_lines(void *context, const char *text, size_t size)
{
    (void)context;
    torture_require(size > 0);
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    return 0;
}

/* The loop, its background, and the task that asks. */
static void dump(void)
{
    lines = 0;
    torture_require(weft_dump_to(count_lines, NULL) == 0);
    torture_require(lines >= 3);
}

static int look(void *arg)
{
    (void)arg;
    dump();
    int err = weft_sleep(WEFT_MILLISECOND);
    dump();
    return err;
}

static int wait_for(void *task)
{
    dump();
    int err = weft_await((weft_task *)task);
    dump();
    return err;
}

static void release(void *task)
{
    weft_task_release(task);
}

/* One that awaits another, below scopes of every kind. */
static int look_inside(weft_scope *scope)
{
    weft_task *task = NULL;
    int err = weft_spawn(scope, look, NULL, .task = &task, .eager = true, .name = "looked at");
    if (err < 0)
        return err;
    err = weft_spawn(scope, wait_for, task, .drop = release);
    if (err < 0)
        release(task);
    return err;
}

static int tree(void *arg)
{
    weft_scope outer, shield, inner;
    (void)arg;
    weft_scope_begin(&outer, .name = "outer", .timeout = WEFT_SECOND);
    int err = look_inside(&outer);
    weft_scope_begin(&shield, .shield = true);
    if (err >= 0)
        err = look_inside(&shield);
    weft_scope_begin(&inner, .isolate = true);
    if (err >= 0)
        err = look_inside(&inner);
    dump();
    err = weft_scope_leave(&inner, err);
    err = weft_scope_leave(&shield, err);
    dump();
    return weft_scope_leave(&outer, err);
}

/* What is asked for by signal, and what the loop's end takes back. */
static int by_signal(void *arg)
{
    (void)arg;
    int err = weft_dump_on_signal(SIGUSR2, 1 << 20); /* no descriptor: a line on the log */
    if (err < 0)
        return err;
    torture_require(weft_dump_on_signal(SIGUSR2, 0) == -EBUSY);
    raise(SIGUSR2);
    err = weft_sleep(WEFT_MILLISECOND);
    raise(SIGUSR2);
    return err;
}

/* How deep stacks are: asked of those that run and have ended, exactly and by page. */

static int count_functions(void *context, const struct weft_stack_use *use)
{
    size_t *count = context;
    torture_require(use->deepest > 0 && use->measured > 0 && use->stack_sizes > 0);
    return (int)++*count;
}

static void ask_depths(void)
{
    size_t count = 0;
    torture_require(weft_stack_census(count_functions, &count) == 0);
    torture_require(count >= 2 || !torture_is_calm());
}

static int with_copy(void *arg)
{
    const char *text = arg;
    torture_require(text[0] == 'x');
    return weft_sleep(WEFT_MILLISECOND);
}

static int depths(void *arg)
{
    weft_scope scope;
    (void)arg;
    weft_scope_begin(&scope);
    int err = weft_spawn(&scope, look, NULL);
    if (err >= 0)
        err = weft_spawn(&scope, with_copy, "xxxxxxx", .copy = 8, .stack_size = 16 << 10);
    if (err >= 0)
        err = weft_sleep(0);
    if (err >= 0)
        ask_depths();
    err = weft_scope_leave(&scope, err);
    if (err >= 0)
        ask_depths();
    return err;
}

static bool is_default(int number)
{
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_DFL;
}

static void check(int result)
{
    torture_require(is_default(SIGUSR2));
    torture_accept(result);
    if (torture_is_calm())
        torture_require(result == 0);
}

int main(void)
{
    static const struct torture_scenario scenarios[] = {
        { "dump-tree", tree, NULL, check },
        { "dump-signal", by_signal, NULL, check },
        { "depths", depths, NULL, check },
        { .name = "depths-debug", .main = depths, .check = check, .debug = true },
    };
    return torture(scenarios, TORTURE_COUNT(scenarios));
}
