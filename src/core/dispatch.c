/* Who runs next, and the switch to it.
 *
 * A task that suspends does not go back to the dispatcher: it picks the next task itself and
 * switches to it directly, so a hand-over is one switch. The dispatcher (the thread's own stack,
 * loop.c) gets the processor when the next item is a callback, when a new task cannot simply start,
 * when the slice is used up, and when the turn is over and there is something to look at between
 * two turns: mail, a hook, or, after WF_SHORT_TURNS, the clock.
 *
 *     eager start   the spawner goes on at the child's first suspension or end
 *     lifo slot     a started task that was served directly, at most WF_LIFO_MAX times in a row
 *     queue         what was ready when the turn began, in FIFO order
 *
 * A task that ends cannot give back the stack it stands on. It goes on with the next new task on
 * the same stack, or becomes the loop's zombie, reaped by whoever arrives next. */

#include "core/loop.h"

_Thread_local weft_loop *wf_running;

static weft_task *task_of(struct wf_ready *item)
{
    return wf_container(item, weft_task, ready);
}

static void arrive(weft_loop *loop)
{
    weft_task *zombie = loop->zombie;
    if (WF_UNLIKELY(zombie)) {
        loop->zombie = NULL;
        wf_task_reap(zombie);
    }
}

static void resume(weft_loop *loop, weft_task *task)
{
    loop->current = task;
    loop->counters.resumes++;
    task->state = WF_TASK_RUNNING;
    task->budget = WF_TASK_BUDGET;
}

static void switch_to(weft_loop *loop, weft_task *from, weft_task *to)
{
    resume(loop, to);
    wf_context_switch(&from->context, &to->context);
    arrive(loop);
}

/* Count resumes; look at the ticks every now and then. Once it is over it stays so: whoever asks
 * next, a task or the dispatcher, looks again. */
static bool slice_is_over(weft_loop *loop)
{
    if (WF_LIKELY(--loop->until_look > 0))
        return false;
    bool over = wf_clock_ticks() >= loop->slice_end;
    loop->until_look = over ? 1 : WF_RESUMES_PER_LOOK;
    return over;
}

static weft_task *take_lifo(weft_loop *loop)
{
    weft_task *task = loop->lifo;
    if (!task)
        return NULL;
    loop->lifo = NULL;
    if (loop->lifo_used++ < WF_LIFO_MAX)
        return task;
    wf_ready_push(&loop->ready, &task->ready);
    return NULL;
}

/* Between two turns the dispatcher looks for mail, hooks, timers and I/O. When there can be none of
 * the first two and it looked a short while ago, tasks begin the next turn by themselves. */
static bool begin_short_turn(weft_loop *loop)
{
    if (loop->short_turns == 0 || !wf_list_is_empty(&loop->turn_hooks) ||
        !wf_inbox_is_empty(loop->inbox) || loop->stopping)
        return false;
    loop->short_turns--;
    loop->turn_left = loop->ready.count;
    loop->counters.turns++;
    return loop->turn_left > 0;
}

/* The queue's first task, if a task may take it: &root when the dispatcher must. */
static weft_task *take_queue(weft_loop *loop)
{
    if (loop->turn_left == 0 && !begin_short_turn(loop))
        return &loop->root;
    struct wf_ready *head = loop->ready.head;
    if (!head || head->run || slice_is_over(loop))
        return &loop->root;
    weft_task *task = task_of(head);
    if (task->state == WF_TASK_NEW && task->innermost->effective)
        return &loop->root;
    wf_ready_pop(&loop->ready);
    loop->turn_left--;
    loop->lifo_used = 0;
    return task;
}

static weft_task *choose(weft_loop *loop, weft_task *from)
{
    weft_task *next = from->resumer;
    if (WF_UNLIKELY(next)) {
        from->resumer = NULL;
        return next;
    }
    next = take_lifo(loop);
    return next ? next : take_queue(loop);
}

/* A new task needs a stack before it can be switched to. Without one the dispatcher ends it. */
static weft_task *prepared(weft_loop *loop, weft_task *task)
{
    if (WF_LIKELY(task->stack || task == &loop->root) || wf_task_prepare(task) == 0)
        return task;
    wf_task_finish_unstarted(task, -ENOMEM);
    return &loop->root;
}

void wf_dispatch(weft_task *from)
{
    weft_loop *loop = from->loop;
    weft_task *next = prepared(loop, choose(loop, from));
    if (WF_LIKELY(next != from))
        switch_to(loop, from, next);
    else
        resume(loop, from);
}

void wf_task_entry(void *arg)
{
    weft_task *task = arg;
    arrive(task->loop);
    wf_task_run(task);
    wf_dispatch_final(task);
}

/* The spawner has not suspended: it comes back to what was left of its budget. */
void wf_dispatch_eager(weft_task *task)
{
    weft_loop *loop = task->loop;
    weft_task *from = loop->current;
    uint16_t budget = from->budget;
    task->resumer = from;
    switch_to(loop, from, task);
    from->budget = budget;
}

static void end_unstarted(weft_task *task)
{
    wf_region_tell(&task->member.region);
    wf_task_finish_unstarted(task, -ECANCELED);
}

/* On the dispatcher: start or resume a task. */
static void run_task(weft_loop *loop, weft_task *task)
{
    if (task->state == WF_TASK_NEW && task->innermost->effective) {
        end_unstarted(task);
        return;
    }
    task = prepared(loop, task);
    if (task != &loop->root)
        switch_to(loop, &loop->root, task);
}

static void run_head(weft_loop *loop)
{
    struct wf_ready *item = wf_ready_pop(&loop->ready);
    loop->turn_left--;
    loop->lifo_used = 0;
    if (item->run)
        item->run(item, false);
    else
        run_task(loop, task_of(item));
}

void wf_dispatch_turn(weft_loop *loop)
{
    loop->turn_left = loop->ready.count;
    loop->until_look = WF_RESUMES_PER_LOOK;
    loop->short_turns = loop->clock.test ? 0 : WF_SHORT_TURNS;
    do {
        weft_task *task = take_lifo(loop);
        if (task)
            run_task(loop, task);
        else if (loop->turn_left > 0)
            run_head(loop);
    } while ((loop->turn_left > 0 || loop->lifo) && !slice_is_over(loop));
}

void wf_hand_over(weft_task *task)
{
    weft_loop *loop = task->loop;
    task->state = WF_TASK_READY;
    if (loop->lifo)
        wf_ready_push(&loop->ready, &loop->lifo->ready);
    loop->lifo = task;
}

/* Let a new task of the same size go on with the stack of the one that has ended. */
static void inherit_stack(weft_task *heir, weft_task *from)
{
    heir->context = from->context;
    heir->stack = from->stack;
    heir->stack_size = from->stack_size;
    from->stack = NULL;
}

static bool can_inherit(const weft_loop *loop, const weft_task *heir, const weft_task *from)
{
    return heir != &loop->root && !heir->stack && heir->stack_size == from->stack_size;
}

_Noreturn void wf_dispatch_final(weft_task *from)
{
    weft_loop *loop = from->loop;
    weft_task *next = choose(loop, from);
    while (can_inherit(loop, next, from)) {
        inherit_stack(next, from);
        wf_task_unref(from);
        from = next;
        resume(loop, from);
        wf_task_run(from);
        next = choose(loop, from);
    }
    next = prepared(loop, next);
    loop->zombie = from;
    resume(loop, next);
    wf_context_switch_final(&from->context, &next->context);
}
