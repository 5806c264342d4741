/* Readiness of descriptors that others own, as an operation like any other. */

#include "core/loop.h"
#include "core/operation.h"

static const struct wf_wait_ops poll_ops = { .kind = "readiness of a descriptor",
                                             .abort = wf_operation_abort };

int weft_poll_fd(int fd, unsigned interest)
{
    weft_task *task;
    int err = wf_enter(&task);
    if (err < 0)
        return err;
    if (fd < 0)
        return -EBADF;
    if (interest == 0 || (interest & ~(WEFT_READABLE | WEFT_WRITABLE | WEFT_HANGUP)))
        return wf_misuse(-EINVAL, "weft_poll_fd() with the interest %#x", interest);
    struct wf_operation operation = { .op = { .code = WF_OP_POLL } };
    operation.op.poll.fd = fd;
    operation.op.poll.interest = interest;
    return (int)wf_operate(task->future.loop, &operation, &poll_ops);
}
