/* Mutexes. Taking a free one and letting it go are a handful of loads and stores each; a hand-over
 * is a switch to the next holder. */

#include "sync/mutex.h"

#include "base/error.h"

#include <stdio.h>

static struct wf_mutex *inside(const weft_mutex *mutex)
{
    return (struct wf_mutex *)(uintptr_t)mutex;
}

static uint32_t number_of_holder(const struct wf_mutex *mutex)
{
    return (uint32_t)mutex->holder;
}

void weft_mutex_init_at(weft_mutex *opaque, const char *site)
{
    struct wf_mutex *mutex = inside(opaque);
    *mutex = (struct wf_mutex){ .holder = 0 };
    wf_bound_init(&mutex->object.bound, site);
}

void weft_mutex_fini(weft_mutex *opaque)
{
    const struct wf_mutex *mutex = inside(opaque);
    if (mutex && mutex->holder != 0)
        wf_bound_in_use(&mutex->object.bound, "mutex", mutex->object.line.length);
}

/* Waiting. */

static const char *describe(const struct wf_waiter *w, char *text, size_t size)
{
    const struct wf_mutex *mutex = w->object;
    snprintf(text, size, "the mutex (made at %s) that task %u holds",
             wf_site(mutex->object.bound.site), number_of_holder(mutex));
    return text;
}

static const struct wf_wait_ops wait_ops = { .kind = "a mutex",
                                             .abort = wf_object_leave,
                                             .describe = describe };
static const struct wf_wait_ops retake_ops = { .kind = "its mutex", .describe = describe };

static void hold(struct wf_mutex *mutex, uint64_t identity)
{
    mutex->holder = identity;
    mutex->locked++;
}

void wf_mutex_give(struct wf_mutex *mutex, struct wf_waiter *w)
{
    if (mutex->holder == 0) {
        hold(mutex, w->need);
        wf_wake(w, 0);
        return;
    }
    w->ops = &retake_ops;
    w->object = mutex;
    wf_line_join(&mutex->object.line, w);
}

static int wait_for(struct wf_mutex *mutex, weft_task *task, const struct wf_wait_ops *ops)
{
    struct wf_waiter w;
    wf_waiter_arm(&w, ops, mutex);
    w.wake = wf_wake_task_next;
    w.need = task->identity;
    wf_line_join(&mutex->object.line, &w);
    return (int)wf_park(&w);
}

void wf_mutex_retake(struct wf_mutex *mutex, weft_task *task)
{
    if (mutex->holder == 0)
        hold(mutex, task->identity);
    else
        wait_for(mutex, task, &retake_ops);
}

void wf_mutex_pass(struct wf_mutex *mutex)
{
    struct wf_waiter *w = wf_line_pop(&mutex->object.line);
    mutex->holder = 0;
    if (!w)
        return;
    hold(mutex, w->need);
    wf_wake(w, 0);
}

/* Calls. */

/* `task`: the current one, if it has entered. */
static WF_NOINLINE int lock_slowly(struct wf_mutex *mutex, weft_task *task)
{
    int err = task ? 0 : wf_enter(&task);
    if (err == 0)
        err = wf_bound_check(&mutex->object.bound, "mutex");
    if (err < 0)
        return err;
    if (mutex->holder == task->identity)
        return wf_misuse(-EDEADLK,
                         "task '%s' would wait for itself: it holds the mutex (made at %s)",
                         task->name, wf_site(mutex->object.bound.site));
    if (mutex->holder != 0)
        return wait_for(mutex, task, &wait_ops);
    hold(mutex, task->identity);
    return 0;
}

int weft_mutex_lock(weft_mutex *opaque)
{
    struct wf_mutex *mutex = inside(opaque);
    weft_task *task = wf_enter_quickly();
    if (WF_UNLIKELY(!task || mutex->holder != 0 ||
                    mutex->object.bound.thread != task->future.loop->thread))
        return lock_slowly(mutex, task);
    hold(mutex, task->identity);
    return 0;
}

int weft_mutex_try_lock(weft_mutex *opaque)
{
    struct wf_mutex *mutex = inside(opaque);
    if (!wf_in_task(wf_running))
        return wf_misuse(-EPERM, "weft_mutex_try_lock() outside a task: a task holds a mutex");
    int err = wf_bound_check(&mutex->object.bound, "mutex");
    if (err < 0)
        return err;
    if (mutex->holder != 0)
        return -EBUSY;
    hold(mutex, wf_running->current->identity);
    return 0;
}

static WF_NOINLINE int not_the_holder(const struct wf_mutex *mutex)
{
    const char *site = wf_site(mutex->object.bound.site);
    if (mutex->holder == 0)
        return wf_misuse(-EPERM, "a mutex (made at %s) was unlocked that nobody holds", site);
    return wf_misuse(-EPERM,
                     "a mutex (made at %s) was unlocked by another than task %u, which holds it",
                     site, number_of_holder(mutex));
}

int weft_mutex_unlock(weft_mutex *opaque)
{
    struct wf_mutex *mutex = inside(opaque);
    const weft_loop *loop = wf_running;
    if (WF_UNLIKELY(!loop || mutex->holder != loop->current->identity))
        return not_the_holder(mutex);
    if (WF_LIKELY(wf_line_is_empty(&mutex->object.line)))
        mutex->holder = 0;
    else
        wf_mutex_pass(mutex);
    return 0;
}

bool weft_mutex_is_locked(const weft_mutex *opaque)
{
    return inside(opaque)->holder != 0;
}

void weft_mutex_get_stats(const weft_mutex *opaque, weft_mutex_stats *stats)
{
    const struct wf_mutex *mutex = inside(opaque);
    wf_line_tell(&mutex->object.line, &stats->line);
    stats->locked = mutex->locked;
    stats->holder = number_of_holder(mutex);
}
