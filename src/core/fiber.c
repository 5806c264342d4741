#include "core/fiber.h"

#include "base/error.h"
#include "context/guard.h"
#include "core/loop.h"
#include "core/overflow.h"

#include <string.h>

#define LINE ((size_t)64)

static size_t lines(size_t size)
{
    return (size + LINE - 1) & ~(LINE - 1);
}

static int get_stack(weft_loop *loop, size_t size, struct wf_stack *stack)
{
    int err = wf_stack_get(&loop->stacks, size, stack);
    if (WF_LIKELY(err == 0))
        return 0;
    wf_fibers_free_idle(loop); /* of the other sizes, and what the limit counts */
    err = wf_stack_get(&loop->stacks, size, stack);
    if (err < 0)
        wf_fail(
            err,
            "no stack for a task or generator: %zu are in use, .stacks_max is %zu, and the kernel's "
            "vm.max_map_count bounds them too",
            loop->stacks.live, loop->stacks.limit);
    return err;
}

/* The stack is new, or every function counts. */
static WF_NOINLINE void register_first(struct wf_fiber *fiber, wf_entry_fn *fn)
{
    fiber->fresh = fiber->stack->fresh;
    fiber->stack->fresh = false;
    fiber->measured = (uint8_t)wf_census_wants(fiber, fn);
}

/* At the top of a fresh stack. */
int wf_fiber_new(weft_loop *loop, uint8_t class, size_t size, wf_entry_fn *fn,
                 struct wf_fiber **out)
{
    static const size_t sizes[WF_STACK_CLASSES] = { WF_STACK_SMALL, WF_STACK_MEDIUM,
                                                    WF_STACK_LARGE };
    struct wf_stack stack;
    int err = get_stack(loop, sizes[class], &stack);
    if (err != 0)
        return err;
    size_t top = stack.size - lines(size);
    struct wf_fiber *fiber = (struct wf_fiber *)(void *)(stack.low + top);
    fiber->task = NULL;
    fiber->loop = loop;
    fiber->stack = stack.slot;
    fiber->class = class;
    fiber->has_canary = stack.slot->guard == WF_GUARD_CANARY;
    fiber->fresh = false;
    fiber->measured = WF_NOT_MEASURED;
    if (WF_UNLIKELY(stack.slot->fresh || loop->debug))
        register_first(fiber, fn);
    *out = fiber;
    return 0;
}

char *wf_fiber_begin(struct wf_fiber *fiber, size_t copy, void (*entry)(void *arg), void *arg)
{
    char *low = fiber->stack->low, *bottom = (char *)fiber - lines(copy);
    fiber->single = copy > 0 || fiber->measured == WF_MEASURED_EXACTLY;
    wf_context_init(&fiber->context, low, (size_t)(bottom - low), entry, arg);
    return bottom;
}

int wf_fiber_make(weft_task *task, size_t copy)
{
    struct wf_fiber *fiber;
    int err = wf_fiber_new(task->future.loop, task->fiber_class, sizeof *fiber,
                           (wf_entry_fn *)task->fn, &fiber);
    if (err != 0)
        return err;
    char *room = wf_fiber_begin(fiber, copy, wf_fiber_main, fiber);
    fiber->task = task;
    fiber->first = wf_task_number(task);
    task->fiber = fiber;
    if (copy > 0)
        task->arg = memcpy(room, task->arg, copy);
    return 0;
}

void wf_fiber_free(struct wf_fiber *fiber)
{
    struct wf_stack stack = { fiber->stack->low, fiber->stack->size, fiber->stack };
    weft_loop *loop = fiber->loop;
    wf_context_fini(&fiber->context);
    wf_stack_put(&loop->stacks, &stack);
}

void wf_fibers_free_idle(weft_loop *loop)
{
    struct wf_fibers *fibers = &loop->fibers;
    for (unsigned class = 0; class < WF_STACK_CLASSES; class ++) {
        for (struct wf_fiber *fiber = fibers->idle[class], *next; fiber; fiber = next) {
            next = fiber->next;
            wf_fiber_free(fiber);
        }
        fibers->idle[class] = NULL;
        fibers->idle_count[class] = 0;
        fibers->idle_least[class] = 0;
    }
}

/* Of those that rest in a class, the ones that nobody took in this period are at the end. */
static void free_unwanted(struct wf_fibers *fibers, unsigned class)
{
    struct wf_fiber **link = &fibers->idle[class], *fiber;
    for (unsigned i = fibers->idle_count[class] - fibers->idle_least[class]; i > 0; i--)
        link = &(*link)->next;
    fiber = *link;
    *link = NULL;
    for (struct wf_fiber *next; fiber; fiber = next) {
        next = fiber->next;
        wf_fiber_free(fiber);
        fibers->idle_count[class]--;
    }
    fibers->idle_least[class] = fibers->idle_count[class];
}

/* In this order a period begins for the stacks of fibers that go, too. */
static void age(weft_loop *loop)
{
    for (unsigned class = 0; class < WF_STACK_CLASSES; class ++)
        free_unwanted(&loop->fibers, class);
    wf_stack_pool_age(&loop->stacks);
}

void wf_fibers_cool(weft_loop *loop, uint64_t ticks)
{
    struct wf_fibers *fibers = &loop->fibers;
    if (WF_LIKELY(ticks < fibers->cool_at))
        return;
    if (!fibers->cooling)
        age(loop);
    fibers->cooling = wf_stack_pool_cool(&loop->stacks);
    fibers->cool_at =
        ticks + wf_clock_ticks_of(fibers->cooling ? WF_COOL_INTERVAL : WF_COOL_PERIOD);
}

int64_t wf_fibers_cool_in(const weft_loop *loop)
{
    const struct wf_fibers *fibers = &loop->fibers;
    unsigned idle = 0;
    if (fibers->cooling)
        return WF_COOL_INTERVAL;
    for (unsigned class = 0; class < WF_STACK_CLASSES; class ++)
        idle += fibers->idle_count[class];
    return idle > 0 || wf_stack_pool_is_warm(&loop->stacks) ? WF_COOL_PERIOD : WEFT_FOREVER;
}

void wf_fiber_look_closely(const struct wf_fiber *fiber)
{
    if (wf_guard_is_overrun(fiber->stack))
        wf_overflow_found(fiber->loop->current, fiber);
}
