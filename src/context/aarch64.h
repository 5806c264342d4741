#ifndef WF_CONTEXT_AARCH64_H
#define WF_CONTEXT_AARCH64_H

/* The switch for aarch64. Include context.h instead.
 *
 * The asm notes sp, x29 (the frame pointer, which no clobber list may name) and the address to go
 * on at; everything else is declared clobbered, so that the compiler saves exactly what it still
 * needs, the link register too. Nothing is pushed, and the resumed stack is not touched before its
 * own code does. It leaves by `br`: a `ret` would go where the other stack's calls came from. The
 * unwinder needs no help: whatever a frame is found by, sp or x29, is as it was.
 *
 * x18 is the platform's. The asm leaves it alone, but where it is an ordinary register, as on
 * Linux, the other context uses it like any other: so the list has it. A shadow stack in x18
 * (-fsanitize=shadow-call-stack) is not switched.
 *
 * vN stands for all of zN. The predicates exist only where the whole file is compiled for SVE: do
 * not inline the switch into a function that has SVE by attribute alone. Nobody switches in
 * streaming mode or with live ZA: both are private to functions that say so. */

/* LLVM may keep its base pointer in x19 (realigned frames of variable size) and then ignores the
 * clobber, so there it is saved by hand as well. */
#if defined(__clang__)
#    define WF_SWAP_SAVE     "stp x10, x19, [%0, #16]\n\t"
#    define WF_SWAP_LOAD     "ldp x10, x19, [%1, #16]\n\t"
#    define WF_SWAP_CLOBBERS "x9"
#else
#    define WF_SWAP_SAVE     "str x10, [%0, #16]\n\t"
#    define WF_SWAP_LOAD     "ldr x10, [%1, #16]\n\t"
#    define WF_SWAP_CLOBBERS "x9", "x19"
#endif

/* With branch target identification, whatever `br` reaches starts with `bti j`: by its number,
 * for assemblers that do not know the name. */
#if defined(__ARM_FEATURE_BTI_DEFAULT)
#    define WF_SWAP_LANDING "hint #36\n\t"
#else
#    define WF_SWAP_LANDING ""
#endif

/* LLVM has no name for ffr in a list, and keeps nothing there. */
#if defined(__ARM_FEATURE_SVE)
#    define WF_SWAP_PREDICATES                                                                     \
        , "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11", "p12", "p13",  \
            "p14", "p15"
#else
#    define WF_SWAP_PREDICATES
#endif
#if defined(__ARM_FEATURE_SVE) && !defined(__clang__)
#    define WF_SWAP_FFR , "ffr"
#else
#    define WF_SWAP_FFR
#endif

_Static_assert(offsetof(struct wf_context, sp) == 0 && offsetof(struct wf_context, fp) == 8 &&
                   offsetof(struct wf_context, pc) == 16 && offsetof(struct wf_context, base) == 24,
               "the asm below knows these offsets");

/* Note in `from` where the caller is, go on where `to` is. Returns, on the other stack, `value`;
 * anything where a wf_context_swap() or the start of a context is resumed, which do not look. */
static WF_ALWAYS_INLINE int wf_context_swap_passing(struct wf_context *from, struct wf_context *to,
                                                    int value)
{
    register struct wf_context *x0 __asm__("x0") = from;
    register struct wf_context *x1 __asm__("x1") = to;
    register int x2 __asm__("x2") = value;
    __asm__ volatile(
        "mov x9, sp\n\t"
        "adr x10, 1f\n\t"
        "stp x9, x29, [%0]\n\t" WF_SWAP_SAVE "ldp x9, x29, [%1]\n\t" WF_SWAP_LOAD "mov sp, x9\n\t"
        "br x10\n"
        "1:\n\t" WF_SWAP_LANDING
        : "+r"(x0), "+r"(x1), "+r"(x2)
        :
        : WF_SWAP_CLOBBERS, "x3", "x4", "x5", "x6", "x7", "x8", "x10", "x11", "x12", "x13", "x14",
          "x15", "x16", "x17", "x18", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28",
          "x30", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12",
          "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25",
          "v26", "v27", "v28", "v29", "v30", "v31" WF_SWAP_PREDICATES WF_SWAP_FFR, "memory", "cc");
    return x2;
}

/* Note in `from` where the caller is, go on where `to` is. */
static WF_ALWAYS_INLINE void wf_context_swap(struct wf_context *from, struct wf_context *to)
{
    wf_context_swap_passing(from, to, 0);
}

static WF_ALWAYS_INLINE void *wf_context_stack_pointer(void)
{
    void *sp;
    __asm__ volatile("mov %0, sp" : "=r"(sp));
    return sp;
}

#endif
