/* Where a task stops, who runs next, and the switch to it.
 *
 * wf_park() and wf_task_yield() are the only places where a task suspends. It does not go back to
 * the dispatcher: it picks the next task itself and switches to it directly, so a hand-over is one
 * switch. The dispatcher (the thread's own stack, loop.c) gets the processor when the next item is
 * a callback, when a new task cannot simply start, after every WF_RESUMES_PER_LOOK switches to look
 * at the clock, and when the turn is over and there is mail or a hook.
 *
 *     eager start   the spawner goes on at the child's first suspension or end
 *     lifo slot     a started task that was served directly, at most WF_LIFO_MAX times in a row
 *     queue         what was ready when the turn began, in FIFO order
 *
 * A task that ends leaves its fiber to the next new one, or to rest (fiber.h).
 *
 * What passes its own frame's address to wf_check_open_scope() is not inlined: its caller's scopes
 * would look dead. */

#include "core/loop.h"
#include "core/scout.h"

_Thread_local weft_loop *wf_running;

static weft_task *task_of(struct wf_ready *item)
{
    return wf_container(item, weft_task, ready);
}

static void arrive(weft_loop *loop)
{
    struct wf_fiber *zombie = loop->fibers.zombie;
    if (WF_UNLIKELY(zombie)) {
        loop->fibers.zombie = NULL;
        wf_fiber_free(zombie);
    }
}

static void resume(weft_loop *loop, weft_task *task)
{
    loop->current = task;
    wf_count(&loop->counters.resumes);
    task->state = WF_TASK_RUNNING;
    task->budget = WF_TASK_BUDGET;
}

/* Nothing is kept across the switch that is found as fast behind it: the switch saves no register,
 * and what lives on both sides lies in memory on both. */
static void switch_to(weft_loop *loop, weft_task *from, weft_task *to)
{
    wf_fiber_look(from->fiber);
    resume(loop, to);
    wf_context_switch(&from->fiber->context, &to->fiber->context);
    arrive(wf_running);
}

static weft_task *take_lifo(weft_loop *loop)
{
    weft_task *task = loop->lifo;
    if (!task)
        return NULL;
    loop->lifo = NULL;
    loop->lifo_used++;
    return task;
}

/* Between two turns the dispatcher looks for mail, hooks, timers and I/O. When there is none of the
 * first two, tasks begin the next turn by themselves until it is time to look at the clock. */
static bool may_begin_turn(const weft_loop *loop)
{
    return loop->direct_turns && wf_list_is_empty(&loop->turn_hooks) &&
           wf_inbox_is_empty(loop->inbox) && !loop->stopping;
}

/* The queue's first task, if a task may take it: &root when the dispatcher must. */
static weft_task *take_queue(weft_loop *loop)
{
    struct wf_ready *head = loop->ready.head;
    if (!head || head->run || loop->until_look <= 1)
        return &loop->root;
    weft_task *task = task_of(head);
    if (task->state == WF_TASK_NEW && task->innermost->effective)
        return &loop->root;
    if (loop->turn_left == 0) {
        if (!may_begin_turn(loop))
            return &loop->root;
        loop->turn_left = loop->ready.count;
        wf_scout_begin(&loop->ready);
        wf_count(&loop->counters.turns);
    }
    wf_ready_pop(&loop->ready);
    loop->until_look--;
    loop->turn_left--;
    loop->lifo_used = 0;
    return task;
}

static weft_task *take_resumer(weft_task *task)
{
    weft_task *resumer = task->resumer;
    if (WF_UNLIKELY(resumer))
        task->resumer = NULL;
    return resumer;
}

static weft_task *choose(weft_loop *loop, weft_task *resumer)
{
    if (WF_UNLIKELY(resumer))
        return resumer;
    weft_task *next = take_lifo(loop);
    return next ? next : take_queue(loop);
}

/* A new task needs a fiber before it can be switched to. Without one the dispatcher ends it: it has
 * a stack with room for users' code, which may be called then. */
static weft_task *prepared(weft_loop *loop, weft_task *task)
{
    if (WF_LIKELY(wf_task_prepare(task) == 0))
        return task;
    loop->unstartable = task;
    return &loop->root;
}

/* Suspend `from`: choose who runs next and switch to it. Returns when it is resumed. */
static WF_ALWAYS_INLINE void dispatch(weft_loop *loop, weft_task *from)
{
    weft_task *next = prepared(loop, choose(loop, take_resumer(from)));
    if (WF_LIKELY(next != from))
        switch_to(loop, from, next);
    else
        resume(loop, from);
}

WF_NOINLINE int64_t wf_park(struct wf_waiter *w)
{
    weft_loop *loop = wf_running;
    weft_task *task = w->owner;
    wf_check_open_scope(task, __builtin_frame_address(0));
    if (WF_LIKELY(w->state != WF_WAIT_DONE)) {
        task->parked = w;
        task->state = WF_TASK_PARKED;
        task->parked_at = loop->looked;
        if (WF_UNLIKELY(loop->watch != NULL))
            loop->watch->suspends(loop, task);
        dispatch(loop, task);
        task = w->owner;
        task->parked = NULL;
    }
    if (WF_UNLIKELY(w->aborted))
        wf_task_deliver_cancel(task);
    return w->result;
}

WF_NOINLINE void wf_task_yield(weft_task *task)
{
    weft_loop *loop = wf_running;
    wf_check_open_scope(task, __builtin_frame_address(0));
    task->state = WF_TASK_READY;
    wf_ready_push(&loop->ready, &task->ready);
    dispatch(loop, task);
}

static bool may_start_now(const weft_loop *loop, const weft_task *task)
{
    return task->future.loop == loop && !loop->dropping && !task->innermost->effective;
}

/* The spawner has not suspended: it comes back to what was left of its budget. */
int wf_dispatch_eager(weft_task *task, const void *frame)
{
    weft_loop *loop = wf_running;
    if (!may_start_now(loop, task) || wf_task_prepare(task) != 0) {
        wf_ready_push(&task->future.loop->ready, &task->ready);
        return 0;
    }
    weft_task *from = loop->current;
    uint16_t budget = from->budget;
    wf_check_open_scope(from, frame);
    task->resumer = from;
    switch_to(loop, from, task);
    from->budget = budget;
    return 0;
}

/* Whoever has left it to us may have had the stack that it needs: it has ended by now. */
static weft_task *take_unstartable(weft_loop *loop)
{
    weft_task *task = loop->unstartable;
    loop->unstartable = NULL;
    return task;
}

/* On the dispatcher: start or resume a task. */
static void run_task(weft_loop *loop, weft_task *task)
{
    for (; task; task = take_unstartable(loop)) {
        if (task->state == WF_TASK_NEW && task->innermost->effective) {
            wf_task_finish_unstarted(task, -ECANCELED);
        } else if (WF_UNLIKELY(wf_task_prepare(task) != 0)) {
            wf_task_finish_unstarted(task, -ENOMEM);
        } else {
            switch_to(loop, &loop->root, task);
            loop->root.budget = 0;
        }
    }
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

/* Every WF_RESUMES_PER_LOOK items the clock is read. */
static bool slice_is_over(weft_loop *loop)
{
    if (WF_LIKELY(loop->until_look > 1)) {
        loop->until_look--;
        return false;
    }
    loop->until_look = WF_RESUMES_PER_LOOK;
    uint64_t ticks = wf_clock_ticks();
    loop->looked = wf_loop_moment(loop, ticks);
    return ticks >= loop->slice_end;
}

void wf_dispatch_turn(weft_loop *loop)
{
    if (WF_UNLIKELY(loop->shuffle.on))
        wf_shuffle_turn(loop, loop->turn_left);
    loop->turn_left = loop->ready.count;
    wf_scout_begin(&loop->ready);
    loop->until_look = WF_RESUMES_PER_LOOK;
    do {
        weft_task *task = take_lifo(loop);
        if (task)
            run_task(loop, task);
        else if (loop->turn_left > 0)
            run_head(loop);
    } while ((loop->turn_left > 0 || loop->lifo) && !slice_is_over(loop));
}

/* Where hand-overs are used up it goes to the queue at once, not when it would have run: who is
 * served after it would pass it. */
void wf_hand_over(weft_task *task)
{
    weft_loop *loop = task->future.loop;
    if (loop->lifo || loop->lifo_used >= WF_LIFO_MAX) {
        wf_task_make_ready(task);
        return;
    }
    task->state = WF_TASK_READY;
    loop->lifo = task;
}

/* Let a new task of the same size go on where the last one has ended. */
static bool adopt(struct wf_fiber *fiber, weft_task *task)
{
    if (task->fiber || task->fiber_class != fiber->class || fiber->single)
        return false;
    task->fiber = fiber;
    fiber->task = task;
    return true;
}

static void end_task(weft_task *task)
{
    task->fiber = NULL;
    wf_future_unref(&task->future);
}

/* Leave the fiber for good, or until it is assigned to another task. */
static void leave(struct wf_fiber *fiber, weft_task *next)
{
    weft_loop *loop = fiber->loop;
    resume(loop, next);
    if (WF_UNLIKELY(!wf_fiber_rest(&loop->fibers, fiber))) {
        loop->fibers.zombie = fiber;
        wf_context_switch_final(&fiber->context, &next->fiber->context);
    }
    wf_context_switch(&fiber->context, &next->fiber->context);
    arrive(wf_running);
}

/* The first task of a fiber, with the census around it. Later ones are not asked about. */
static WF_COLD void run_measured(struct wf_fiber *fiber, weft_task *task)
{
    wf_census_begin(fiber);
    wf_task_run(task);
    wf_census_end(fiber, (wf_entry_fn *)task->fn);
}

_Noreturn void wf_fiber_main(void *arg)
{
    struct wf_fiber *fiber = arg;
    weft_task *task = fiber->task;
    arrive(fiber->loop);
    if (WF_UNLIKELY(fiber->measured))
        run_measured(fiber, task);
    else
        wf_task_run(task);
    for (;;) {
        weft_loop *loop = fiber->loop;
        wf_fiber_look(fiber);
        weft_task *resumer = task->resumer;
        loop->current = &loop->root;
        end_task(task); /* users' code, which may cancel who would be next */
        weft_task *next = choose(loop, resumer);
        if (adopt(fiber, next))
            resume(loop, next);
        else
            leave(fiber, prepared(loop, next));
        task = fiber->task;
        wf_task_run(task);
    }
}
