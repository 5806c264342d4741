/* aarch64: where a context starts, and the switch that hands over a value.
 *
 * Asking and answering are the inline switch with one register more. They return by `ret`, which
 * goes where the other side's call came from in the processor's eyes, and is predicted wrong (see
 * x86_64.c, which jumps instead). A jump to a return address is what branch target identification
 * is there to stop, and the caller may have it though we do not: a generator's user is called from
 * here by a program's own code. So the price of a wrong prediction stays; it has not been measured.
 */

#include "context/context.h"

#if WF_CONTEXT_NATIVE && defined(__aarch64__)

/* Starts with sp at its frame, aligned as a call wants it: switch.c. The first instruction is
 * `bti j`. The trap stands for a return of entry, and keeps the return address inside this
 * function. */
__asm__(".text\n"
        ".p2align 4\n"
        ".globl wf_context_start\n"
        ".hidden wf_context_start\n"
        ".type wf_context_start, @function\n"
        "wf_context_start:\n"
        ".cfi_startproc\n"
        ".cfi_undefined x30\n"
        "    hint #36\n"
        "    ldp x8, x0, [sp]\n"
        "    blr x8\n"
        "    brk #1000\n"
        ".cfi_endproc\n"
        ".size wf_context_start, . - wf_context_start\n");

#    if !WF_CONTEXT_HOOKED

/* Two functions, so that each side has an exit of its own, whose jump always goes the same way. */
WF_NOINLINE int wf_context_ask(struct wf_context *from, struct wf_context *to, int value)
{
    return wf_context_swap_passing(from, to, value);
}

WF_NOINLINE int wf_context_answer(struct wf_context *from, struct wf_context *to, int value)
{
    return wf_context_swap_passing(from, to, value);
}

void wf_context_answer_final(struct wf_context *from, struct wf_context *to, int value)
{
    wf_context_swap_passing(from, to, value);
    __builtin_trap();
}

#    endif

#endif
