#ifndef WF_CORE_BLOCKED_H
#define WF_CORE_BLOCKED_H

/* Says when nothing can happen any more: every task waits for another one. */

#include <weft/loop.h>

/* The loop is about to wait for ever. Once a run. */
void wf_blocked_check(weft_loop *loop);

#endif
