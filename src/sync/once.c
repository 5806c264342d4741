/* Once:
 *
 *     NEW ──the first task──> RUNNING ──success──> DONE: all have its result
 *      ↑                       │   ↑
 *      └──failure, nobody waits┘   └──failure: the first in the line is at it
 */

#include "base/error.h"
#include "core/line.h"
#include "sync/bound.h"

#include <stdio.h>
#include <weft/once.h>

enum { NEW, RUNNING, DONE };
enum { IS_DONE, YOUR_TURN }; /* what a waiter is told */

struct once {
    struct wf_bound bound;
    struct wf_line line;
    uint64_t runner; /* wf_task_identity() */
    int result;
    uint8_t state;
};

_Static_assert(sizeof(struct once) <= sizeof(weft_once), "weft_once is too small");

static struct once *inside(const weft_once *once)
{
    return (struct once *)(uintptr_t)once;
}

static bool abort_wait(struct wf_waiter *w)
{
    struct once *once = w->object;
    wf_line_leave(&once->line, w);
    return true;
}

static const char *describe(const struct wf_waiter *w, char *text, size_t size)
{
    const struct once *once = w->object;
    snprintf(text, size, "what task %u does once", (uint32_t)once->runner);
    return text;
}

static const struct wf_wait_ops wait_ops = { .kind = "what another task does once",
                                             .abort = abort_wait,
                                             .describe = describe };

static void begin(struct once *once, const weft_task *task)
{
    once->state = RUNNING;
    once->runner = wf_task_identity(task);
}

static void succeed(struct once *once, int result)
{
    once->state = DONE;
    once->result = result;
    wf_line_wake_all(&once->line, IS_DONE);
}

static void pass_on(struct once *once)
{
    struct wf_waiter *next = wf_line_pop(&once->line);
    once->state = NEW;
    if (!next)
        return;
    begin(once, next->owner);
    wf_wake(next, YOUR_TURN);
}

static int run(struct once *once, weft_fn *fn, void *arg)
{
    int result = fn(arg);
    struct wf_value value = wf_value_take(&result);
    if (value.drop)
        wf_drop(wf_running, value.drop, value.pointer);
    if (result >= 0)
        succeed(once, result);
    else
        pass_on(once);
    return result;
}

static int wait_for_other(struct once *once, const weft_task *task)
{
    struct wf_waiter w;
    if (once->runner == wf_task_identity(task))
        return wf_misuse(
            -EDEADLK, "task '%s' would wait for itself: weft_once_run() inside what it does once",
            task->name);
    wf_waiter_arm(&w, &wait_ops, once);
    wf_line_join(&once->line, &w);
    return (int)wf_park(&w);
}

int weft_once_run(weft_once *opaque, weft_fn *fn, void *arg)
{
    struct once *once = inside(opaque);
    weft_task *task;
    int err = wf_enter(&task);
    if (err == 0)
        err = wf_bound_check(&once->bound, "weft_once");
    if (err == 0 && once->state == RUNNING) {
        err = wait_for_other(once, task);
    } else if (err == 0 && once->state == NEW) {
        begin(once, task);
        err = YOUR_TURN;
    }
    if (err == YOUR_TURN)
        return run(once, fn, arg);
    return err < 0 ? err : once->result;
}

bool weft_once_is_done(const weft_once *once)
{
    return inside(once)->state == DONE;
}

void weft_once_get_stats(const weft_once *once, weft_line_stats *stats)
{
    wf_line_tell(&inside(once)->line, stats);
}
