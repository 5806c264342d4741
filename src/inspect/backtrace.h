#ifndef WF_INSPECT_BACKTRACE_H
#define WF_INSPECT_BACKTRACE_H

/* The calls on a stack that nobody runs on. */

#include "context/context.h"

#define WF_BACKTRACE_MAX 48

/* Return addresses of a suspended context, innermost first: how many. The first is where it goes
 * on. 0 where the context does not say (ucontext). */
size_t wf_backtrace(const struct wf_context *context, uintptr_t frames[WF_BACKTRACE_MAX]);

#endif
