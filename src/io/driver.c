/* Which driver: the caller's word, else WEFT_BACKEND's, else the best that opens. Where somebody
 * named one, no other is taken in its place. */

#include "io/io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_auto(const char *name)
{
    return !name || !*name || strcmp(name, "auto") == 0;
}

static const char *why_not(const char *name)
{
    if (strcmp(name, "uring") == 0)
        return "the io_uring driver is not built into this library";
    if (strcmp(name, "sim") == 0)
        return "the simulated driver is not built into this library";
    return "no driver has this name; there are: epoll, auto";
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
    if (strcmp(backend, wf_epoll_ops.name) != 0) {
        *reason = why_not(backend);
        return -ENOTSUP;
    }
    int err = wf_epoll_ops.open(io, options);
    *reason = err < 0 ? "epoll could not be opened" : why;
    if (err == 0)
        *ops = &wf_epoll_ops;
    return err;
}
