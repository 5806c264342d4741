#ifndef WF_CORE_OPERATION_H
#define WF_CORE_OPERATION_H

/* A task that waits for the kernel: one operation and its waiter, in the task's frame. */

#include "core/waiter.h"
#include "io/io.h"

#include <weft/loop.h>

struct wf_operation {
    struct wf_op op;
    struct wf_waiter waiter;
};

/* Submit operation->op, whose code and arguments are set, and wait for its end. `ops` is
 * wf_operation_ops with another kind. Returns the result, or -ECANCELED when it was given up: then
 * the kernel holds nothing of it any more. */
int64_t wf_operate(weft_loop *loop, struct wf_operation *operation, const struct wf_wait_ops *ops);

/* The abort of every operation's waiter. */
bool wf_operation_abort(struct wf_waiter *w);

#endif
