/* Conditions. Who is told is moved to the line of its mutex, or is given it at once:
 *
 *     condition's line ──notify──> mutex's line ──unlock──> woken, holding the mutex
 *            └──cancel──> woken, takes the mutex again, -ECANCELED */

#include "base/error.h"
#include "sync/mutex.h"
#include "sync/objects.h"

#include <stdio.h>
#include <weft/condition.h>

struct condition {
    struct wf_object object; /* struct wait */
};

_Static_assert(sizeof(struct condition) <= sizeof(weft_condition), "weft_condition is too small");

struct wait {
    struct wf_waiter waiter;
    struct wf_mutex *mutex; /* to be held at the end; NULL: none */
};

static struct condition *inside(const weft_condition *condition)
{
    return (struct condition *)(uintptr_t)condition;
}

void weft_condition_init_at(weft_condition *opaque, const char *site)
{
    struct condition *condition = inside(opaque);
    *condition = (struct condition){ .object.bound.thread = 0 };
    wf_bound_init(&condition->object.bound, site);
}

void weft_condition_fini(weft_condition *opaque)
{
    const struct condition *condition = inside(opaque);
    if (condition && !wf_line_is_empty(&condition->object.line))
        wf_bound_in_use(&condition->object.bound, "condition", condition->object.line.length);
}

static const char *describe(const struct wf_waiter *w, char *text, size_t size)
{
    const struct condition *condition = w->object;
    snprintf(text, size, "the condition (made at %s)", wf_site(condition->object.bound.site));
    return text;
}

static const struct wf_wait_ops wait_ops = { .kind = "a condition",
                                             .abort = wf_object_leave,
                                             .describe = describe };

static int check(struct condition *condition, const weft_task *task, const struct wf_mutex *mutex)
{
    int err = wf_bound_check(&condition->object.bound, "condition");
    if (err < 0 || !mutex || mutex->holder == task->identity)
        return err;
    return wf_misuse(-EPERM,
                     "task '%s' waits for a condition (made at %s) without holding the mutex (made "
                     "at %s)",
                     task->name, wf_site(condition->object.bound.site),
                     wf_site(mutex->object.bound.site));
}

/* The current task may wait, with this mutex: 0. */
static int enter(struct condition *condition, const struct wf_mutex *mutex)
{
    weft_task *task;
    int err = wf_enter(&task);
    return err < 0 ? err : check(condition, task, mutex);
}

static int wait_once(struct condition *condition, struct wf_mutex *mutex)
{
    weft_task *task = wf_running->current;
    struct wait wait = { .mutex = mutex };
    wf_waiter_arm(&wait.waiter, &wait_ops, condition);
    wait.waiter.need = task->identity;
    wf_line_join(&condition->object.line, &wait.waiter);
    if (mutex)
        wf_mutex_pass(mutex);
    int err = (int)wf_park(&wait.waiter);
    if (err < 0 && mutex)
        wf_mutex_retake(mutex, task);
    return err;
}

int weft_condition_wait(weft_condition *opaque, weft_mutex *mutex)
{
    struct condition *condition = inside(opaque);
    int err = enter(condition, (struct wf_mutex *)mutex);
    return err < 0 ? err : wait_once(condition, (struct wf_mutex *)mutex);
}

/* It asks for a cancel first, but what has become true while it waited goes before one. */
int weft_condition_wait_for(weft_condition *opaque, weft_mutex *mutex, weft_predicate_fn *predicate,
                            void *arg)
{
    struct condition *condition = inside(opaque);
    int err = enter(condition, (struct wf_mutex *)mutex);
    if (err == 0 && !predicate(arg))
        err = wait_once(condition, (struct wf_mutex *)mutex);
    while (err == 0 && !predicate(arg))
        err = weft_condition_wait(opaque, mutex);
    return err;
}

static void tell(struct wf_waiter *w)
{
    struct wf_mutex *mutex = wf_container(w, struct wait, waiter)->mutex;
    if (mutex)
        wf_mutex_give(mutex, w);
    else
        wf_wake(w, 0);
}

size_t weft_condition_notify(weft_condition *opaque, size_t count)
{
    struct condition *condition = inside(opaque);
    size_t told = 0;
    if (wf_bound_check(&condition->object.bound, "condition") < 0)
        return 0;
    while (told < count && !wf_line_is_empty(&condition->object.line)) {
        tell(wf_line_pop(&condition->object.line));
        told++;
    }
    return told;
}

void weft_condition_get_stats(const weft_condition *opaque, weft_line_stats *stats)
{
    wf_line_tell(&inside(opaque)->object.line, stats);
}
