#ifndef WF_CONTEXT_SANITIZER_H
#define WF_CONTEXT_SANITIZER_H

/* What the sanitizers and Valgrind must hear, and when.
 *
 * ASan keeps the bounds of the current stack, and (with detect_stack_use_after_return) locals on a
 * fake stack: before a switch it hears the new bounds and hands over the fake stack, after it the
 * resumed context gives its own back. A context that leaves for good hands over nothing, and ASan
 * frees the fake stack. TSan has a fiber for each context and hears of the switch last of all; a
 * function that tells it must be inlined, because TSan would count its entry in one fiber and its
 * exit in the other.
 * Valgrind hears only where stacks are: it then tells a switch from a very large frame.
 *
 * Each function is empty in a build that does not need it. */

#include "context/context.h"

#if WF_ASAN
#    include <sanitizer/asan_interface.h>
#    include <sanitizer/common_interface_defs.h>
#endif
#if WF_TSAN
#    include <sanitizer/tsan_interface.h>
#endif
#if defined(WF_VALGRIND)
#    include <valgrind/valgrind.h>
#endif

static inline void wf_sanitizer_init(struct wf_context *c)
{
    (void)c;
#if WF_TSAN
    c->fiber = __tsan_create_fiber(0);
    c->owns_fiber = true;
#endif
}

static inline void wf_sanitizer_main(struct wf_context *c)
{
    (void)c;
#if WF_TSAN
    c->fiber = __tsan_get_current_fiber();
#endif
}

static inline void wf_sanitizer_fini(struct wf_context *c)
{
    (void)c;
#if WF_TSAN
    if (c->owns_fiber)
        __tsan_destroy_fiber(c->fiber);
    c->owns_fiber = false;
#endif
}

static WF_ALWAYS_INLINE void wf_sanitizer_leave(struct wf_context *from, struct wf_context *to)
{
    (void)from, (void)to;
#if WF_ASAN
    __sanitizer_start_switch_fiber(&from->fake_stack, to->stack_low, to->stack_size);
#endif
#if WF_TSAN
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
}

static WF_ALWAYS_INLINE void wf_sanitizer_leave_final(struct wf_context *to)
{
    (void)to;
#if WF_ASAN
    __sanitizer_start_switch_fiber(NULL, to->stack_low, to->stack_size);
#endif
#if WF_TSAN
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
}

static WF_ALWAYS_INLINE void wf_sanitizer_arrive(struct wf_context *c)
{
    (void)c;
#if WF_ASAN
    __sanitizer_finish_switch_fiber(c->fake_stack, NULL, NULL);
#endif
}

/* A stack exists; the number names it when it goes. */
static inline unsigned wf_sanitizer_stack_born(void *low, size_t size)
{
    (void)low, (void)size;
#if defined(WF_VALGRIND)
    return (unsigned)VALGRIND_STACK_REGISTER(low, (char *)low + size);
#else
    return 0;
#endif
}

static inline void wf_sanitizer_stack_gone(unsigned number)
{
    (void)number;
#if defined(WF_VALGRIND)
    VALGRIND_STACK_DEREGISTER(number);
#endif
}

/* It would report whoever reads or writes where no frame lives. */
static inline bool wf_sanitizer_is_valgrind(void)
{
#if defined(WF_VALGRIND)
    return RUNNING_ON_VALGRIND != 0;
#else
    return false;
#endif
}

/* Frames left without returning have poisoned red zones behind. */
static inline void wf_sanitizer_stack_clean(void *low, size_t size)
{
    (void)low, (void)size;
#if WF_ASAN
    ASAN_UNPOISON_MEMORY_REGION(low, size);
#endif
}

#endif
