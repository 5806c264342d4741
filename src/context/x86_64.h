#ifndef WF_CONTEXT_X86_64_H
#define WF_CONTEXT_X86_64_H

/* The switch for x86-64. Include context.h instead.
 *
 * The asm notes rsp, rbp (the frame pointer, which no clobber list may name) and the address to go
 * on at; everything else is declared clobbered, so that the compiler saves exactly what it still
 * needs. Nothing is pushed: the red zone below rsp stays as it was, and the resumed stack is not
 * touched before its own code does. It leaves by `jmp`: a `ret` would go where the other stack's
 * calls came from, and the return predictor would miss every time. The unwinder needs no help:
 * with frame pointers, frames are found from rbp.
 *
 * xmmN stands for all of ymmN and zmmN. Registers 16 to 31 and the masks exist only where the
 * whole file is compiled for AVX-512: do not inline the switch into a function that has
 * AVX-512 by attribute alone. */

/* LLVM may keep its base pointer in rbx (realigned frames of variable size) and then ignores the
 * clobber, so there it is saved by hand as well. */
#if defined(__clang__)
#    define WF_SWAP_SAVE     "movq %%rbx, 24(%0)\n\t"
#    define WF_SWAP_RESTORE  "movq 24(%1), %%rbx\n\t"
#    define WF_SWAP_CLOBBERS "rax"
#else
#    define WF_SWAP_SAVE     ""
#    define WF_SWAP_RESTORE  ""
#    define WF_SWAP_CLOBBERS "rax", "rbx"
#endif

/* With indirect branch tracking, whatever an indirect jump reaches starts with endbr64. */
#if defined(__CET__) && (__CET__ & 1)
#    define WF_SWAP_LANDING "endbr64\n\t"
#else
#    define WF_SWAP_LANDING ""
#endif

#if defined(__AVX512F__)
#    define WF_SWAP_AVX512                                                                         \
        , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24",         \
            "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k1", "k2", "k3", "k4", \
            "k5", "k6", "k7"
#else
#    define WF_SWAP_AVX512
#endif

_Static_assert(offsetof(struct wf_context, sp) == 0 && offsetof(struct wf_context, fp) == 8 &&
                   offsetof(struct wf_context, pc) == 16 && offsetof(struct wf_context, base) == 24,
               "the asm below knows these offsets");

/* Note in `from` where the caller is, go on where `to` is. */
static WF_ALWAYS_INLINE void wf_context_swap(struct wf_context *from, struct wf_context *to)
{
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "movq %%rsp, (%0)\n\t"
                     "movq %%rbp, 8(%0)\n\t"
                     "movq %%rax, 16(%0)\n\t" WF_SWAP_SAVE "movq (%1), %%rsp\n\t"
                     "movq 8(%1), %%rbp\n\t" WF_SWAP_RESTORE "jmpq *16(%1)\n"
                     "1:\n\t" WF_SWAP_LANDING
                     : "+D"(from), "+S"(to)
                     :
                     : WF_SWAP_CLOBBERS, "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13",
                       "r14", "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
                       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                       "xmm15" WF_SWAP_AVX512, "mm0", "mm1", "mm2", "mm3", "mm4", "mm5", "mm6",
                       "mm7", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)",
                       "memory", "cc");
}

static WF_ALWAYS_INLINE void *wf_context_stack_pointer(void)
{
    void *sp;
    __asm__ volatile("movq %%rsp, %0" : "=r"(sp));
    return sp;
}

#endif
