/* Around a task's stop, which is in dispatch.c: entering a suspending call, being woken, being
 * given up, being told to end; and sleep, the simplest thing to wait for. */

#include "core/loop.h"

#include <weft/log.h>

void wf_wake_task(struct wf_waiter *w)
{
    weft_task *task = w->owner;
    /* A waiter that is done before its task parks is found by wf_park. */
    if (task->parked == w)
        wf_task_make_ready(task);
}

void wf_wake_task_next(struct wf_waiter *w)
{
    weft_task *task = w->owner;
    if (task->parked != w)
        return;
    if (!w->aborted)
        wf_hand_over(task);
    else
        wf_task_make_ready(task); /* nobody has served it */
}

void wf_abort(struct wf_waiter *w)
{
    if (w->state != WF_WAIT_ARMED || !w->ops->abort)
        return;
    w->state = WF_WAIT_ABORTING;
    if (!w->ops->abort(w))
        return;
    if (w->ops->settle)
        w->ops->settle(w);
    wf_wake(w, -ECANCELED);
}

static int enter_outside(void)
{
    const struct wf_callback *callback = wf_callback_running();
    if (callback && callback->is_step)
        return wf_misuse(-EPERM,
                         "a function that suspends was called outside a task: in a step of "
                         "stackless task '%s' (%s)",
                         callback->name, wf_site(callback->site));
    if (callback)
        return wf_misuse(-EPERM,
                         "a function that suspends was called outside a task: in callback '%s', "
                         "asked for at %s",
                         callback->name ? callback->name : "?", wf_site(callback->site));
    if (wf_left_behind)
        return wf_misuse(-EPERM,
                         "a function that suspends was called in the child of a fork, which "
                         "has none of its parent's loops");
    return wf_misuse(-EPERM, "a function that suspends was called outside a task");
}

int wf_enter_slowly(weft_task **out, const void *frame)
{
    weft_loop *loop = wf_running;
    if (WF_UNLIKELY(!wf_in_task(loop)))
        return enter_outside();
    weft_task *task = loop->current;
    if (WF_UNLIKELY(loop->watch != NULL))
        loop->watch->suspends(loop, task);
    if (WF_UNLIKELY(--task->budget == 0)) {
        loop->until_look = 1; /* it may have taken long, if all that it did was transfers */
        wf_task_yield(task);
    }
    if (WF_UNLIKELY(task->innermost->effective)) {
        wf_check_innermost(task, frame); /* a dead scope says anything */
        wf_task_deliver_cancel(task);
        return -ECANCELED;
    }
    task->spins = 0;
    if (out)
        *out = task;
    return 0;
}

/* The uncancellable pause of who does not listen. */

static const struct wf_wait_ops pause_ops = { .kind = "its turn, after it has ignored a cancel" };

struct pause {
    struct wf_waiter waiter;
    struct wf_timer timer;
};

static void pause_over(struct wf_timer *timer)
{
    wf_wake(&wf_container(timer, struct pause, timer)->waiter, 0);
}

static void pause_task(weft_task *task)
{
    struct pause p;
    wf_waiter_arm(&p.waiter, &pause_ops, NULL);
    wf_timer_init(&p.timer, pause_over);
    wf_timer_add(&task->future.loop->timers, &p.timer,
                 wf_deadline_after(task->future.loop, WEFT_MILLISECOND));
    wf_park(&p.waiter);
}

/* Who waits for such a task waits in vain: weft_run() does, once it was told to end. */
static void report_spin(const weft_task *task)
{
    const weft_task *main = task->future.loop->main;
    if (main && main->member.region.effective)
        wf_loop_begin_grace(task->future.loop);
    weft_log(
        WEFT_LOG_RUNTIME, WEFT_LOG_ERROR,
        "task '%s' (spawned at %s) was cancelled (%s) and has ignored -ECANCELED %u times in a "
        "row; each further call is slowed down",
        task->name, task->future.site, wf_region_why(task->innermost), WF_CANCEL_SPIN_MAX);
}

/* The first one returns at once; each further one in a row lets everybody else run first. */
void wf_task_deliver_cancel(weft_task *task)
{
    wf_region_tell(task->innermost);
    uint32_t spins = task->spins++;
    if (spins == WF_CANCEL_SPIN_MAX)
        report_spin(task);
    if (spins > WF_CANCEL_SPIN_MAX)
        pause_task(task);
    else if (spins > 0)
        wf_task_yield(task);
}

/* Sleep. */

static bool sleep_abort(struct wf_waiter *w)
{
    const weft_task *task = w->owner;
    wf_timer_cancel(&task->future.loop->timers, w->object);
    return true;
}

static const struct wf_wait_ops sleep_ops = { .kind = "sleep", .abort = sleep_abort };

struct sleep {
    struct wf_waiter waiter;
    struct wf_timer timer;
};

static void sleep_over(struct wf_timer *timer)
{
    wf_wake(&wf_container(timer, struct sleep, timer)->waiter, 0);
}

static struct wf_waiter *begin_sleep(struct sleep *s, weft_task *task, int64_t when)
{
    wf_waiter_arm(&s->waiter, &sleep_ops, &s->timer);
    wf_timer_init(&s->timer, sleep_over);
    wf_timer_add(&task->future.loop->timers, &s->timer, when);
    return &s->waiter;
}

/* Each parks by itself, so that a backtrace names the function that was called. */

int wf_sleep_until(weft_task *task, int64_t when)
{
    struct sleep s;
    return (int)wf_park(begin_sleep(&s, task, when));
}

/* A frame of its own: who only lets others run has no room for a timer on its stack, each line of
 * which comes from memory where a crowd does so. */
static WF_NOINLINE int sleep_for(weft_task *task, int64_t duration)
{
    struct sleep s;
    return (int)wf_park(begin_sleep(&s, task, wf_deadline_after(task->future.loop, duration)));
}

int weft_sleep(int64_t duration)
{
    weft_task *task;
    int err = wf_enter(&task);
    if (err < 0)
        return err;
    if (duration > 0) {
        err = sleep_for(task, duration);
        __asm__ volatile(""); /* no call in the tail: backtraces name who sleeps */
        return err;
    }
    wf_task_yield(task);
    return 0;
}

int weft_sleep_until(int64_t when)
{
    weft_task *task;
    int err = wf_enter(&task);
    if (err < 0)
        return err;
    if (when <= wf_clock_now(&task->future.loop->clock)) {
        wf_task_yield(task);
        return 0;
    }
    struct sleep s;
    return (int)wf_park(begin_sleep(&s, task, when));
}

int weft_cancelled(void)
{
    return wf_running && wf_running->current->innermost->effective ? -ECANCELED : 0;
}
