/* The calls on a stack that nobody runs on.
 *
 * A suspended context is three words: where it goes on, its stack pointer, its frame pointer. All
 * other registers are dead there by the switch's clobber list. That is exactly what an unwinder
 * needs, but it can only be asked from a frame: so a small stub calls us, and its unwind
 * information says that its caller is not its caller but the suspended context.
 *
 *     dump ──> wf_backtrace_stub ──> ask ──> _Unwind_Backtrace
 *                     └ "my caller is at r13, its frame is at r12, its rbp is r14", and on aarch64
 *                       "… at x20, its frame is at x19, its x29 is x21"
 *
 * So nothing is written to the other stack, and nothing runs on it. Code without unwind tables is
 * the end of the unwinder's way; from there the chain of frame pointers is followed, as far as it
 * stays on that stack and goes upward.
 *
 * Costs about a microsecond for each frame. */

#include "inspect/backtrace.h"

#if WF_CONTEXT_NATIVE

#    include <stdbool.h>
#    include <unwind.h>

/* call(arg), as if the context at (pc, sp, fp) had called it. */
void wf_backtrace_stub(void *sp, void *pc, void *fp, void (*call)(void *), void *arg);

#    if defined(__x86_64__)

#        define FP 6 /* the frame pointer's number in unwind tables */

__asm__(".text\n"
        ".p2align 4\n"
        ".globl wf_backtrace_stub\n"
        ".hidden wf_backtrace_stub\n"
        ".type wf_backtrace_stub, @function\n"
        "wf_backtrace_stub:\n"
        ".cfi_startproc\n"
        "    pushq %r12\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset r12, 0\n"
        "    pushq %r13\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset r13, 0\n"
        "    pushq %r14\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset r14, 0\n"
        "    movq %rdi, %r12\n"
        "    movq %rsi, %r13\n"
        "    movq %rdx, %r14\n"
        "    movq %r8, %rdi\n"
        "    .cfi_remember_state\n"
        "    .cfi_def_cfa r12, 0\n"
        "    .cfi_register rip, r13\n"
        "    .cfi_register rbp, r14\n"
        "    .cfi_same_value r12\n"
        "    .cfi_same_value r13\n"
        "    .cfi_same_value r14\n"
        "    callq *%rcx\n"
        "    nop\n"
        "    .cfi_restore_state\n"
        "    popq %r14\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    .cfi_restore r14\n"
        "    popq %r13\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    .cfi_restore r13\n"
        "    popq %r12\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    .cfi_restore r12\n"
        "    ret\n"
        ".cfi_endproc\n"
        ".size wf_backtrace_stub, . - wf_backtrace_stub\n");

#    else

#        define FP 29

__asm__(".text\n"
        ".p2align 4\n"
        ".globl wf_backtrace_stub\n"
        ".hidden wf_backtrace_stub\n"
        ".type wf_backtrace_stub, @function\n"
        "wf_backtrace_stub:\n"
        ".cfi_startproc\n"
        "    stp x29, x30, [sp, #-48]!\n"
        "    .cfi_def_cfa_offset 48\n"
        "    .cfi_offset x29, -48\n"
        "    .cfi_offset x30, -40\n"
        "    stp x19, x20, [sp, #16]\n"
        "    .cfi_offset x19, -32\n"
        "    .cfi_offset x20, -24\n"
        "    str x21, [sp, #32]\n"
        "    .cfi_offset x21, -16\n"
        "    mov x29, sp\n"
        "    mov x19, x0\n"
        "    mov x20, x1\n"
        "    mov x21, x2\n"
        "    mov x0, x4\n"
        "    .cfi_remember_state\n"
        "    .cfi_def_cfa x19, 0\n"
        "    .cfi_register x30, x20\n"
        "    .cfi_register x29, x21\n"
        "    .cfi_same_value x19\n"
        "    .cfi_same_value x20\n"
        "    .cfi_same_value x21\n"
        "    blr x3\n"
        "    nop\n"
        "    .cfi_restore_state\n"
        "    ldr x21, [sp, #32]\n"
        "    .cfi_restore x21\n"
        "    ldp x19, x20, [sp, #16]\n"
        "    .cfi_restore x19\n"
        "    .cfi_restore x20\n"
        "    ldp x29, x30, [sp], #48\n"
        "    .cfi_restore x29\n"
        "    .cfi_restore x30\n"
        "    .cfi_def_cfa_offset 0\n"
        "    ret\n"
        ".cfi_endproc\n"
        ".size wf_backtrace_stub, . - wf_backtrace_stub\n");

#    endif

void wf_context_start(void); /* the outermost frame of every context */

struct walk {
    const struct wf_context *context;
    uintptr_t *frames;
    size_t count;
    uintptr_t fp; /* of the last frame */
    bool arrived; /* past the stub and ourselves */
};

#    if WF_ASAN
#        define UNCHECKED __attribute__((no_sanitize("address")))
#    else
#        define UNCHECKED
#    endif

static bool is_start(uintptr_t pc)
{
    uintptr_t start = (uintptr_t)wf_context_start;
    return pc >= start && pc < start + 16;
}

static _Unwind_Reason_Code note(struct _Unwind_Context *frame, void *arg)
{
    struct walk *walk = arg;
    uintptr_t pc = _Unwind_GetIP(frame);
    walk->arrived = walk->arrived || pc == (uintptr_t)walk->context->pc;
    if (!walk->arrived)
        return _URC_NO_REASON;
    if (pc == 0 || walk->count == WF_BACKTRACE_MAX)
        return _URC_NORMAL_STOP;
    walk->frames[walk->count++] = pc;
    walk->fp = _Unwind_GetGR(frame, FP);
    return _URC_NO_REASON;
}

static void ask(void *walk)
{
    _Unwind_Backtrace(note, walk);
}

/* Both words of a frame lie on the stack, above the last one. */
static bool is_frame(const struct wf_context *context, uintptr_t fp, uintptr_t above)
{
    uintptr_t top = (uintptr_t)context->stack_low + context->stack_size;
    return fp % sizeof fp == 0 && fp > above && fp < top && top - fp >= 2 * sizeof fp;
}

/* The frames may be anybody's: their redzones are none of ours. */
UNCHECKED static void follow(struct walk *walk)
{
    uintptr_t above = (uintptr_t)walk->context->sp - 1;
    while (walk->count < WF_BACKTRACE_MAX && is_frame(walk->context, walk->fp, above)) {
        const uintptr_t *frame = (const uintptr_t *)walk->fp;
        if (frame[1] == 0)
            return;
        walk->frames[walk->count++] = frame[1];
        above = walk->fp;
        walk->fp = frame[0];
    }
}

size_t wf_backtrace(const struct wf_context *context, uintptr_t frames[WF_BACKTRACE_MAX])
{
    struct walk walk = { .context = context, .frames = frames };
    if (!context->sp)
        return 0;
    wf_backtrace_stub(context->sp, context->pc, context->fp, ask, &walk);
    if (walk.count == 0) {
        walk.frames[walk.count++] = (uintptr_t)context->pc;
        walk.fp = (uintptr_t)context->fp;
    }
    if (!is_start(walk.frames[walk.count - 1]))
        follow(&walk);
    return walk.count;
}

#else

size_t wf_backtrace(const struct wf_context *context, uintptr_t frames[WF_BACKTRACE_MAX])
{
    (void)context, (void)frames;
    return 0;
}

#endif
