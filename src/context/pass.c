/* The switch of a call that is answered by another stack: it hands over a value, and goes on in the
 * caller of the function that calls it last.
 *
 * A context that was left here looks like any other, and wf_context_switch() may resume it; only
 * the value is arbitrary then. A machine with a switch of its own hands the value over in a
 * register (x86_64.c, aarch64.c); here is what the others do, and builds whose switches a sanitizer
 * hears of. */

#include "context/context.h"

#if !WF_CONTEXT_NATIVE || WF_CONTEXT_HOOKED

/* Under way from one stack to another of this thread. */
static _Thread_local int passed;

int wf_context_ask(struct wf_context *from, struct wf_context *to, int value)
{
    passed = value;
    wf_context_switch_outofline(from, to);
    return passed;
}

int wf_context_answer(struct wf_context *from, struct wf_context *to, int value)
{
    return wf_context_ask(from, to, value);
}

void wf_context_answer_final(struct wf_context *from, struct wf_context *to, int value)
{
    passed = value;
    wf_context_switch_final_outofline(from, to);
}

#endif
