/* Once.
 *
 *     NEW ──run──> RUNNING in a task ──success──> DONE: everybody gets its result
 *      ↑               │    ↑
 *      └──failure──────┘    └──failure, somebody waits: the first in the line runs it
 *
 *   - somebody waits only while a task runs it
 *   - a waiter's `need` is the identity of its task, which runs it when it is woken with MY_TURN */

#include "base/error.h"
#include "sync/objects.h"

#include <stdio.h>
#include <weft/once.h>

#define MY_TURN INT64_MAX /* no result of a function */

struct once {
    struct wf_object object;
    uint64_t runs;
    uint64_t runner; /* identity of the task that runs it; 0: none does */
    int result;
    bool done;
};

_Static_assert(sizeof(struct once) <= sizeof(weft_once), "weft_once is too small");

static struct once *inside(const weft_once *once)
{
    return (struct once *)(uintptr_t)once;
}

void weft_once_init_at(weft_once *opaque, const char *site)
{
    struct once *once = inside(opaque);
    *once = (struct once){ .done = false };
    wf_bound_init(&once->object.bound, site);
}

void weft_once_fini(weft_once *opaque)
{
    const struct once *once = inside(opaque);
    if (once && once->runner != 0)
        wf_bound_in_use(&once->object.bound, "once", once->object.line.length);
}

static const char *describe(const struct wf_waiter *w, char *text, size_t size)
{
    const struct once *once = w->object;
    snprintf(text, size, "what is done once (made at %s), by task %u",
             wf_site(once->object.bound.site), (uint32_t)once->runner);
    return text;
}

static const struct wf_wait_ops wait_ops = { .kind = "what is done once",
                                             .abort = wf_object_leave,
                                             .describe = describe };

/* MY_TURN, what was returned to everybody, or -ECANCELED. */
static int64_t wait_for(struct once *once, const weft_task *task)
{
    struct wf_waiter w;
    wf_waiter_arm(&w, &wait_ops, once);
    w.need = task->identity;
    wf_line_join(&once->object.line, &w);
    return wf_park(&w);
}

static void succeed(struct once *once, int result)
{
    once->done = true;
    once->result = result;
    once->runner = 0;
    wf_line_wake_all(&once->object.line, result);
}

static void pass_on(struct once *once)
{
    struct wf_waiter *w = wf_line_pop(&once->object.line);
    once->runner = w ? w->need : 0;
    if (w)
        wf_wake(w, MY_TURN);
}

static int returned_value(const struct once *once, int result)
{
    struct wf_value value = wf_value_take(&result);
    if (value.drop)
        wf_drop(wf_running, value.drop, value.pointer);
    return wf_misuse(-EINVAL,
                     "what is done once (made at %s) returned a weft_return(): only a code is kept",
                     wf_site(once->object.bound.site));
}

static int run_it(struct once *once, weft_fn *fn, void *arg)
{
    once->runs++;
    int result = fn(arg);
    if (result == WEFT_VALUE)
        result = returned_value(once, result);
    if (result < 0)
        pass_on(once);
    else
        succeed(once, result);
    return result;
}

int weft_once_run(weft_once *opaque, weft_fn *fn, void *arg)
{
    struct once *once = inside(opaque);
    weft_task *task;
    int err = wf_enter(&task);
    if (err == 0)
        err = wf_bound_check(&once->object.bound, "once");
    if (err < 0)
        return err;
    if (once->done)
        return once->result;
    if (once->runner == task->identity)
        return wf_misuse(-EDEADLK,
                         "task '%s' would wait for itself: it is in what is done once (made at %s)",
                         task->name, wf_site(once->object.bound.site));
    if (once->runner != 0) {
        int64_t turn = wait_for(once, task);
        if (turn != MY_TURN)
            return (int)turn;
    }
    once->runner = task->identity;
    return run_it(once, fn, arg);
}

bool weft_once_is_done(const weft_once *once)
{
    return inside(once)->done;
}

void weft_once_get_stats(const weft_once *opaque, weft_once_stats *stats)
{
    const struct once *once = inside(opaque);
    wf_line_tell(&once->object.line, &stats->line);
    stats->runs = once->runs;
    stats->done = once->done;
}
