/* Which driver: the caller's word, else WEFT_BACKEND's, else the best that opens. Where somebody
 * named one, no other is taken in its place. */

#include "io/io.h"

#include <weft/define.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_auto(const char *name)
{
    return !name || !*name || strcmp(name, "auto") == 0;
}

static const struct wf_io_ops *const drivers[] = {
    &wf_epoll_ops,
#if WF_HAS_URING
    &wf_uring_ops,
#endif
};

static const struct wf_io_ops *find(const char *name)
{
    for (size_t i = 0; i < sizeof drivers / sizeof drivers[0]; i++)
        if (strcmp(drivers[i]->name, name) == 0)
            return drivers[i];
    return NULL;
}

static const char *why_not(const char *name)
{
    if (strcmp(name, "uring") == 0)
        return "the io_uring driver is not built into this library";
    if (strcmp(name, "sim") == 0)
        return "the simulated driver is not built into this library";
    return "no driver has this name; there are: epoll, uring, auto";
}

int wf_io_open(const char *backend, const struct wf_io_options *options, struct wf_io **io,
               const struct wf_io_ops **ops, const char **reason)
{
    const char *why = "the caller asked for it";
    if (is_auto(backend)) {
        backend = getenv("WEFT_BACKEND");
        why = "WEFT_BACKEND asked for it";
    }
    if (is_auto(backend)) {
        backend = "epoll";
        why = "the best driver of this library";
    }
    const struct wf_io_ops *found = find(backend);
    if (!found) {
        *reason = why_not(backend);
        return -ENOTSUP;
    }
    int err = found->open(io, options, reason);
    if (err < 0)
        return err;
    *reason = why;
    *ops = found;
    return 0;
}

static void forget(struct wf_op *op, int64_t result)
{
    (void)op, (void)result;
}

void wf_io_drop(const struct wf_io_ops *ops, struct wf_io *io, struct wf_op *op)
{
    bool lends = op->code == WF_OP_RECV_LEND;
    op->done = forget;
    if (lends)
        op->lend.data = NULL;
    if (ops->cancel(io, op))
        return;
    while (op->pending)
        ops->wait(io, WEFT_FOREVER);
    if (lends && op->lend.data)
        ops->lend_return(io, op->lend.data);
}
