#ifndef WF_CONTEXT_CONTEXT_H
#define WF_CONTEXT_CONTEXT_H

/* A context: one thread of execution that is not running, folded into a few words.
 *
 * A switch notes in `from` where it is and goes on where `to` left off. The switch is inlined, and
 * its list of clobbered registers makes the compiler save what is live at that very place, often
 * nothing; so it costs four stores, two loads and one indirect jump, about 1 ns. Both it and the
 * out-of-line twin leave the same behind and may resume one another.
 *
 * Debuggers and `weft bt` read a suspended context like a jmp_buf: it goes on at pc, with the
 * stack pointer sp and the frame pointer fp, from which its chain of frames starts. All three are
 * stale while it runs. With ucontext there is only sp, and it points to a ucontext_t.
 *
 * Not switched: the control words of floating point (MXCSR, x87, FPCR: rounding, exception masks),
 * the signal mask, the alternate signal stack, errno, and shadow stacks (CET, GCS): all of them
 * belong to the thread.
 *
 * A context has one life: init (or main, for the thread's own stack), switches, switch_final as
 * its last act, fini by whoever runs next. Contexts never change threads. */

#include <stdbool.h>

#include "base/compiler.h"

#if defined(__LP64__) && (defined(__x86_64__) || defined(__aarch64__)) &&                          \
    !defined(WF_CONTEXT_UCONTEXT)
#    define WF_CONTEXT_NATIVE 1
#else
#    define WF_CONTEXT_NATIVE 0
#endif

/* Somebody must be told of each switch, or the switch is a library call anyway. */
#define WF_CONTEXT_HOOKED (WF_ASAN || WF_TSAN)

/* Registers r16 to r31 of APX are beyond the clobber list; a call saves them. */
#if !WF_CONTEXT_NATIVE || WF_CONTEXT_HOOKED || defined(__APX_F__)
#    define WF_CONTEXT_INLINE 0
#else
#    define WF_CONTEXT_INLINE 1
#endif

struct wf_context {
    void *sp; /* where to go on: the machine's header knows these by offset */
#if WF_CONTEXT_NATIVE
    void *fp;
    void *pc;
    void *base; /* LLVM's base pointer; unused by other compilers */
#endif
    char *stack_low;   /* lowest usable address: the guard lies below it */
    size_t stack_size; /* stack_low + stack_size is where the first frame starts */
#if WF_CONTEXT_HOOKED
    void (*entry)(void *arg); /* what the first switch calls once the sanitizers know */
    void *arg;
#endif
#if WF_ASAN
    void *fake_stack; /* ASan's heap of locals while we are away */
#endif
#if WF_TSAN
    void *fiber;     /* TSan's idea of this context */
    bool owns_fiber; /* made by us, not the thread's own */
#endif
};

#if WF_CONTEXT_NATIVE && defined(__x86_64__)
#    include "context/x86_64.h"
#elif WF_CONTEXT_NATIVE
#    include "context/aarch64.h"
#else
/* Note in `from` where the caller is, go on where `to` is. */
void wf_context_swap(struct wf_context *from, struct wf_context *to);

/* An address just below the caller's frame. */
void *wf_context_stack_pointer(void);
#endif

/* The machine's part of init: let `c` go on at a call of entry(arg) at the top of its stack. */
void wf_context_prepare(struct wf_context *c, void (*entry)(void *arg), void *arg);

/* Make `c` ready to run entry(arg) on the given stack at the first switch to it. `entry` must not
 * return (the process traps): its last act is wf_context_switch_final. */
void wf_context_init(struct wf_context *c, void *stack_low, size_t stack_size,
                     void (*entry)(void *arg), void *arg);

/* Make `c` describe the calling thread on its own stack. Reads /proc on a process's first thread:
 * call it once for each thread. */
void wf_context_main(struct wf_context *c);

/* Forget a context that has made its last switch, was never started, or is a thread's own. */
void wf_context_fini(struct wf_context *c);

/* Save the running context in `from`, go on with `to`; return when somebody switches to `from`. */
void wf_context_switch_outofline(struct wf_context *from, struct wf_context *to);

_Noreturn void wf_context_switch_final_outofline(struct wf_context *from, struct wf_context *to);

/* The same, in line: for the few places where it is hot. */
static WF_ALWAYS_INLINE void wf_context_switch(struct wf_context *from, struct wf_context *to)
{
#if WF_CONTEXT_INLINE
    wf_context_swap(from, to);
#else
    wf_context_switch_outofline(from, to);
#endif
}

/* Leave `from` for good. Its stack may be given back as soon as `to` runs. */
_Noreturn static WF_ALWAYS_INLINE void wf_context_switch_final(struct wf_context *from,
                                                               struct wf_context *to)
{
#if WF_CONTEXT_INLINE
    wf_context_swap(from, to);
    __builtin_unreachable();
#else
    wf_context_switch_final_outofline(from, to);
#endif
}

/* Switch, and hand `value` to the other side, whose ask returns what was answered and whose answer
 * what was asked: pass.c. To be called last, `return wf_context_ask(…)`. */
int wf_context_ask(struct wf_context *from, struct wf_context *to, int value);
int wf_context_answer(struct wf_context *from, struct wf_context *to, int value);

_Noreturn void wf_context_answer_final(struct wf_context *from, struct wf_context *to, int value);

/* Does `address` lie in the dead part of the running stack, below `frame`? A public function that
 * passes its own __builtin_frame_address(0) catches what its caller's last callee left behind.
 * Never true of locals on ASan's fake stacks, which lie elsewhere: it finds such bugs itself. */
static inline bool wf_context_is_dead_below(const struct wf_context *running, const void *address,
                                            const void *frame)
{
    return (uintptr_t)address >= (uintptr_t)running->stack_low &&
           (uintptr_t)address < (uintptr_t)frame;
}

/* The same below the stack pointer itself. Exact wherever it is inlined, save in a leaf function,
 * whose own locals may lie in the red zone. */
static WF_ALWAYS_INLINE bool wf_context_is_dead_frame(const struct wf_context *running,
                                                      const void *address)
{
    return wf_context_is_dead_below(running, address, wf_context_stack_pointer());
}

#endif
