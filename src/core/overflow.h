#ifndef WF_CORE_OVERFLOW_H
#define WF_CORE_OVERFLOW_H

/* Stack overflows, by the task that had them: overflow.c has the story. */

#include "core/task.h"

/* This loop's tasks are reported on. The first loop of a process puts the signals' handlers up, the
 * last one takes them back. */
void wf_overflow_report_begin(weft_loop *loop);
void wf_overflow_report_end(weft_loop *loop);

/* A canary below the stack of `fiber`, on which the code of `task` is, was found dead: say whose,
 * and abort. Whatever lies below has been written to, so nobody goes on. */
_Noreturn void wf_overflow_found(const weft_task *task, const struct wf_fiber *fiber);

#endif
