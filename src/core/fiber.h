#ifndef WF_CORE_FIBER_H
#define WF_CORE_FIBER_H

/* Fibers: a stack, its context, and at its bottom a loop that runs one task's body after another.
 *
 *     new ──> running a task ──its end──> the next new task at once
 *                  ↑                 └──> idle ──> …            kept warm, last in, first out
 *                  └────────────────────────┘└──> zombie        too many are idle: reaped
 *
 * A task takes a fiber when it is first dispatched and gives it up when its body returns, so a task
 * that has not begun, or has ended, costs no stack; and starting one costs no more than the switch
 * to a frame that is already there. Because a fiber leaves and comes back in the same frame, the
 * processor's prediction of the other side's returns stays right.
 *
 *     stack, high to low:  struct wf_fiber, copied argument, wf_fiber_main, the body …, guard */

#include "context/context.h"
#include "context/stack.h"
#include "core/census.h"

#include <weft/task.h>

#define WF_FIBERS_IDLE_MAX 256               /* of a size class */
#define WF_COOL_PERIOD     (2 * WEFT_SECOND) /* in which nobody has wanted a stack: its memory goes */
#define WF_COOL_INTERVAL   (10 * WEFT_MILLISECOND) /* between two steps, where it is much */

struct wf_fiber {
    struct wf_context context; /* first: the switch's line */
    weft_task *task;           /* whose body it runs; stale while idle */
    uint8_t class;             /* of its size */
    bool single;               /* not used again: holds a copied argument, or every task counts */
    bool has_canary;           /* which is looked at when it is left */
    bool fresh;                /* its memory was new when it was made */
    uint8_t measured;          /* enum wf_measured: its first task, or its generator */
    uint32_t first;            /* the number of its first task, unless it is single */
    weft_loop *loop;
    struct wf_fiber *next;       /* idle */
    struct wf_stack_slot *stack; /* NULL: the thread's own */
};

struct wf_fibers {
    struct wf_fiber *idle[WF_STACK_CLASSES];
    unsigned idle_count[WF_STACK_CLASSES];
    unsigned idle_least[WF_STACK_CLASSES]; /* in this period */
    struct wf_fiber *zombie;               /* ended, still to be reaped by whoever arrives next */
    uint64_t cool_at;                      /* ticks: when to look for memory that nobody wants */
    bool cooling;                          /* some was found, and there is more of it */
};

/* The class of a size in bytes, at most WF_STACK_LARGE; 0: the default. */
static inline uint8_t wf_fiber_class(uint32_t stack_size)
{
    if (stack_size == 0)
        return 1;
    return (uint8_t)((stack_size > WF_STACK_SMALL) + (stack_size > WF_STACK_MEDIUM));
}

/* A fresh fiber without a context, the first member of `size` bytes at the top of its stack, whose
 * first function is to be `fn`. -ENOMEM. */
int wf_fiber_new(weft_loop *loop, uint8_t class, size_t size, wf_entry_fn *fn,
                 struct wf_fiber **out);

/* Let it begin with entry(arg) below `copy` bytes that are kept free; where these are. */
char *wf_fiber_begin(struct wf_fiber *fiber, size_t copy, void (*entry)(void *arg), void *arg);

/* A fresh fiber for a new task, with room for a copy of so many bytes of its argument, which
 * becomes the argument. -ENOMEM. */
int wf_fiber_make(weft_task *task, size_t copy);

/* Take an idle fiber of a class; NULL: there is none. */
static inline struct wf_fiber *wf_fiber_take(struct wf_fibers *fibers, uint8_t class)
{
    struct wf_fiber *fiber = fibers->idle[class];
    if (WF_UNLIKELY(!fiber))
        return NULL;
    fibers->idle[class] = fiber->next;
    if (--fibers->idle_count[class] < fibers->idle_least[class])
        fibers->idle_least[class] = fibers->idle_count[class];
    return fiber;
}

/* Its task has ended: keep it for another one; false: there are enough. */
static inline bool wf_fiber_rest(struct wf_fibers *fibers, struct wf_fiber *fiber)
{
    uint8_t class = fiber->class;
    if (WF_UNLIKELY(fiber->single || fibers->idle_count[class] >= WF_FIBERS_IDLE_MAX))
        return false;
    fiber->next = fibers->idle[class];
    fibers->idle[class] = fiber;
    fibers->idle_count[class]++;
    return true;
}

/* Give back the stack of a fiber nobody runs on. */
void wf_fiber_free(struct wf_fiber *fiber);

/* Give back those that are idle. */
void wf_fibers_free_idle(weft_loop *loop);

/* Where it is time: give memory back that nobody has wanted for a while. `ticks`: now. */
void wf_fibers_cool(weft_loop *loop, uint64_t ticks);

/* When there will be some to give back, in ns from now; WEFT_FOREVER: nothing idle has memory. */
int64_t wf_fibers_cool_in(const weft_loop *loop);

/* It is being left: an overflow that has run through its canary ends the process. */
void wf_fiber_look_closely(const struct wf_fiber *fiber);

static inline void wf_fiber_look(const struct wf_fiber *fiber)
{
    if (WF_UNLIKELY(fiber->has_canary))
        wf_fiber_look_closely(fiber);
}

/* What a fiber runs: dispatch.c. */
_Noreturn void wf_fiber_main(void *fiber);

#endif
