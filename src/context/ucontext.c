/* The switch for machines without one of their own: POSIX ucontext, with a system call to save
 * and restore the signal mask in each switch.
 *
 * The saved frame is the ucontext_t itself. It lies on the suspended stack, so a context costs
 * no memory of its own here either. */

#include "context/context.h"

#if !WF_CONTEXT_NATIVE

#    include <ucontext.h>

struct first_frame {
    ucontext_t context;
    void (*entry)(void *arg);
    void *arg;
};

/* makecontext passes ints only: the pointer comes in two halves. */
static void start(unsigned high, unsigned low)
{
    struct first_frame *frame = (struct first_frame *)((uintptr_t)high << 16 << 16 | low);
    frame->entry(frame->arg);
    __builtin_trap();
}

void wf_context_prepare(struct wf_context *c, void (*entry)(void *arg), void *arg)
{
    uintptr_t top = (uintptr_t)(c->stack_low + c->stack_size);
    struct first_frame *frame = (struct first_frame *)((top - sizeof(*frame)) & ~(uintptr_t)63);
    getcontext(&frame->context);
#    if defined(REG_RBP)
    frame->context.uc_mcontext.gregs[REG_RBP] = 0;
#    endif
    frame->context.uc_link = NULL;
    /* Only the sum counts: it is the stack pointer to start from. */
    frame->context.uc_stack.ss_sp = (char *)frame - 64;
    frame->context.uc_stack.ss_size = 64;
    frame->entry = entry;
    frame->arg = arg;
    makecontext(&frame->context, (void (*)(void))start, 2, (unsigned)((uintptr_t)frame >> 16 >> 16),
                (unsigned)(uintptr_t)frame);
    c->sp = frame;
}

void wf_context_swap(struct wf_context *from, struct wf_context *to)
{
    ucontext_t here;
    from->sp = &here;
    swapcontext(&here, to->sp);
}

WF_NOINLINE void *wf_context_stack_pointer(void)
{
    return __builtin_frame_address(0);
}

#endif
