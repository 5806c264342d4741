#include "core/fiber.h"

#include "base/error.h"
#include "core/loop.h"

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
        wf_fail(err,
                "no stack for a task: %zu are in use, .stacks_max is %zu, and the kernel's "
                "vm.max_map_count bounds them too",
                loop->stacks.live, loop->stacks.limit);
    return err;
}

/* At the top of a fresh stack, the copy below it. */
int wf_fiber_make(weft_task *task, size_t copy)
{
    static const size_t sizes[WF_STACK_CLASSES] = { WF_STACK_SMALL, WF_STACK_MEDIUM,
                                                    WF_STACK_LARGE };
    struct wf_stack stack;
    int err = get_stack(task->future.loop, sizes[task->fiber_class], &stack);
    if (err != 0)
        return err;
    size_t top = stack.size - lines(sizeof(struct wf_fiber)), bottom = top - lines(copy);
    struct wf_fiber *fiber = (struct wf_fiber *)(void *)(stack.low + top);
    fiber->task = task;
    fiber->loop = task->future.loop;
    fiber->stack = stack.slot;
    fiber->class = task->fiber_class;
    fiber->single = copy > 0;
    wf_context_init(&fiber->context, stack.low, bottom, wf_fiber_main, fiber);
    task->fiber = fiber;
    if (copy > 0)
        task->arg = memcpy(stack.low + bottom, task->arg, copy);
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
    }
}
