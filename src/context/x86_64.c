/* x86-64: where a context starts, and the switch that hands over a value.
 *
 * Between a generator and its consumer both sides are calls, of different places. A `ret` on one
 * side goes where the other side's call came from, in the processor's eyes, and is predicted wrong
 * each time: 10 ns for an item whose switches cost 3. So nothing here returns by `ret`: registers
 * are saved and restored by hand, and the return address is popped and jumped to, which the
 * processor predicts by its history. The calls stay on its stack of returns unanswered; the first
 * few returns after the last item are predicted wrong, whatever the number of items.
 *
 * The frame pointer is not pushed: the context has it. */

#include "context/context.h"

#if WF_CONTEXT_NATIVE && defined(__x86_64__)

/* Starts with rsp at its frame, aligned as a call wants it: switch.c. The trap stands for a return
 * of entry, and keeps the return address inside this function. */
__asm__(".text\n"
        ".p2align 4\n"
        ".globl wf_context_start\n"
        ".hidden wf_context_start\n"
        ".type wf_context_start, @function\n"
        "wf_context_start:\n"
        ".cfi_startproc\n"
        ".cfi_undefined rip\n"
        "    endbr64\n"
        "    movq 8(%rsp), %rdi\n"
        "    callq *(%rsp)\n"
        "    ud2\n"
        ".cfi_endproc\n"
        ".size wf_context_start, . - wf_context_start\n");

#    if !WF_CONTEXT_HOOKED

/* What `to` has pushed is popped here, before the jump, so that an item costs two indirect jumps
 * and not four; `other` is the function that has left `to`. Whoever was left by another switch, or
 * is new, goes on at its pc. Both sides have an exit of their own, whose jump always goes the same
 * way. */
#        define PASS(name, other)                                                                  \
            ".p2align 4\n"                                                                         \
            ".globl " name "\n"                                                                    \
            ".hidden " name "\n"                                                                   \
            ".type " name ", @function\n"                                                          \
            "" name ":\n"                                                                          \
            ".cfi_startproc\n"                                                                     \
            "    endbr64\n"                                                                        \
            "    pushq %rbx\n"                                                                     \
            "    pushq %r12\n"                                                                     \
            "    pushq %r13\n"                                                                     \
            "    pushq %r14\n"                                                                     \
            "    pushq %r15\n"                                                                     \
            ".cfi_def_cfa_offset 48\n"                                                             \
            "    leaq .L" name "_left(%rip), %rax\n"                                               \
            "    leaq .L" other "_left(%rip), %rcx\n"                                              \
            "    movq %rsp, (%rdi)\n"                                                              \
            "    movq %rbp, 8(%rdi)\n"                                                             \
            "    movq %rax, 16(%rdi)\n"                                                            \
            "    movq (%rsi), %rsp\n"                                                              \
            "    movq 8(%rsi), %rbp\n"                                                             \
            "    cmpq %rcx, 16(%rsi)\n"                                                            \
            "    jne 1f\n"                                                                         \
            "2:  popq %r15\n"                                                                      \
            "    popq %r14\n"                                                                      \
            "    popq %r13\n"                                                                      \
            "    popq %r12\n"                                                                      \
            "    popq %rbx\n"                                                                      \
            ".cfi_def_cfa_offset 8\n"                                                              \
            "    movl %edx, %eax\n"                                                                \
            "    popq %rcx\n"                                                                      \
            ".cfi_adjust_cfa_offset -8\n"                                                          \
            "    jmpq *%rcx\n"                                                                     \
            ".cfi_def_cfa_offset 48\n"                                                             \
            "1:  movq 24(%rsi), %rbx\n"                                                            \
            "    jmpq *16(%rsi)\n"                                                                 \
            ".L" name "_left:\n"                                                                   \
            "    endbr64\n"                                                                        \
            "    jmp 2b\n"                                                                         \
            ".cfi_endproc\n"                                                                       \
            ".size " name ", . - " name "\n"

/* One piece, because each names a label of the other. */
__asm__(".text\n" PASS("wf_context_ask", "wf_context_answer")
            PASS("wf_context_answer", "wf_context_ask"));

void wf_context_answer_final(struct wf_context *from, struct wf_context *to, int value)
{
    wf_context_answer(from, to, value);
    __builtin_trap();
}

#    endif

#endif
