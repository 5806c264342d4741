#include "core/operation.h"

#include "core/loop.h"

static struct wf_operation *of_op(struct wf_op *op)
{
    return wf_container(op, struct wf_operation, op);
}

static void op_done(struct wf_op *op, int64_t result)
{
    wf_wake(&of_op(op)->waiter, result);
}

bool wf_operation_abort(struct wf_waiter *w)
{
    struct wf_operation *operation = wf_container(w, struct wf_operation, waiter);
    weft_loop *loop = w->object;
    return loop->io_ops->cancel(loop->io, &operation->op);
}

int64_t wf_operate(weft_loop *loop, struct wf_operation *operation, const struct wf_wait_ops *ops)
{
    operation->op.done = op_done;
    wf_waiter_arm(&operation->waiter, ops, loop);
    int64_t result = loop->io_ops->submit(loop->io, &operation->op);
    return result != WF_PENDING ? result : wf_park(&operation->waiter);
}
