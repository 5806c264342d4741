#ifndef WF_CORE_FORK_H
#define WF_CORE_FORK_H

/* Who this thread is; and the child of a fork, which is another one. The story is in fork.c. */

#include "base/compiler.h"

#include <stdint.h>
#include <weft/loop.h>

/* The number of this thread, which no other ever has: an address would come again. */
uint64_t wf_this_thread(void);

/* From now on children are told apart. */
void wf_fork_watch(void);

/* The parent's loop in which this process was forked; NULL. What runs on its stacks is its code. */
extern _Thread_local weft_loop *wf_left_behind;

_Noreturn void wf_fork_returned(void);

/* Users' code has returned into a loop: a child must not go on in its parent's. */
static inline void wf_fork_check(const weft_loop *loop)
{
    if (WF_UNLIKELY(wf_left_behind == loop))
        wf_fork_returned();
}

#endif
