/* A context's birth and death, and the switch as a plain function.
 *
 * The out-of-line switch is the inline one compiled once: the compiler saves the callee-saved
 * registers around it as the calling convention asks. Sanitizers are told here, which is why their
 * builds come this way always.
 *
 * A new context starts in a trampoline, the outermost frame of every backtrace: the frame pointer
 * is 0 and its return address is declared undefined, so frame-pointer walkers and unwinders both
 * stop. x86_64.c and aarch64.c have one each. */

#include <pthread.h>

#include "context/context.h"
#include "context/sanitizer.h"

#if WF_CONTEXT_NATIVE

/* Calls entry(arg) by what it finds at its stack pointer. */
void wf_context_start(void);

struct first_frame {
    void (*entry)(void *arg);
    void *arg;
};

void wf_context_prepare(struct wf_context *c, void (*entry)(void *arg), void *arg)
{
    uintptr_t top = (uintptr_t)(c->stack_low + c->stack_size) & ~(uintptr_t)15;
    struct first_frame *frame = (struct first_frame *)top - 1;
    _Static_assert(sizeof(*frame) % 16 == 0, "the first call must find the stack aligned");
    *frame = (struct first_frame){ entry, arg };
    c->sp = frame;
    c->fp = NULL;
    c->pc = (void *)wf_context_start;
}

#endif

#if WF_CONTEXT_HOOKED
static void enter(void *arg)
{
    struct wf_context *c = arg;
    wf_sanitizer_arrive(c);
    c->entry(c->arg);
}
#endif

void wf_context_init(struct wf_context *c, void *stack_low, size_t stack_size,
                     void (*entry)(void *arg), void *arg)
{
    *c = (struct wf_context){ .stack_low = stack_low, .stack_size = stack_size };
#if WF_CONTEXT_HOOKED
    c->entry = entry;
    c->arg = arg;
    entry = enter;
    arg = c;
#endif
    wf_context_prepare(c, entry, arg);
    wf_sanitizer_init(c);
}

/* Without an answer from the system the stack counts as empty: no address is found dead. */
static void find_thread_stack(struct wf_context *c)
{
    pthread_attr_t attributes;
    void *low = __builtin_frame_address(0);
    size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        pthread_attr_getstack(&attributes, &low, &size);
        pthread_attr_destroy(&attributes);
    }
    c->stack_low = low;
    c->stack_size = size;
}

void wf_context_main(struct wf_context *c)
{
    *c = (struct wf_context){ .sp = NULL };
    find_thread_stack(c);
    wf_sanitizer_main(c);
}

void wf_context_fini(struct wf_context *c)
{
    wf_sanitizer_fini(c);
    c->sp = NULL;
}

WF_NOINLINE void wf_context_switch_outofline(struct wf_context *from, struct wf_context *to)
{
    wf_sanitizer_leave(from, to);
    wf_context_swap(from, to);
    wf_sanitizer_arrive(from);
}

WF_NOINLINE _Noreturn void wf_context_switch_final_outofline(struct wf_context *from,
                                                             struct wf_context *to)
{
    wf_sanitizer_leave_final(to);
    wf_context_swap(from, to);
    __builtin_trap();
}
