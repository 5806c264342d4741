/* Which driver: the caller's word, else WEFT_BACKEND's, else AUTO. A word is a name, or a list of
 * names that are asked in order: the first that opens is taken, and why the one before it did not
 * is the reason. Where somebody named one alone, no other is taken in its place.
 *
 * Each loop asks anew: a refusal of io_uring costs less than a microsecond, and a limit may have
 * been raised meanwhile. */

#include "io/io.h"

#include <weft/define.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What "auto" stands for. Where each driver wins says docs/performance.md. */
#define AUTO "epoll"

struct driver {
    const char *name;
    const struct wf_io_ops *ops; /* NULL: it is not here */
    const char *why_not;
};

static const struct driver drivers[] = {
    { "epoll", &wf_epoll_ops, NULL },
#if WF_HAS_URING
    { "uring", &wf_uring_ops, NULL },
#else
    { "uring", NULL, "the io_uring driver is not built into this library" },
#endif
    { "sim", NULL, "the simulated driver is not built into this library" },
};

static bool is_auto(const char *names)
{
    return !names || !*names || strcmp(names, "auto") == 0;
}

static size_t name_size(const char *names)
{
    return strcspn(names, ",");
}

/* NULL: that was the last one. */
static const char *next_name(const char *names)
{
    const char *comma = strchr(names, ',');
    return comma ? comma + 1 : NULL;
}

static const struct driver *find(const char *names)
{
    size_t size = name_size(names);
    for (size_t i = 0; i < sizeof drivers / sizeof drivers[0]; i++)
        if (strlen(drivers[i].name) == size && strncmp(drivers[i].name, names, size) == 0)
            return &drivers[i];
    return NULL;
}

/* Also behind one that opens: a mistake in writing would show on another machine. */
static bool are_known(const char *names)
{
    for (; names; names = next_name(names))
        if (!find(names))
            return false;
    return true;
}

static int open_driver(const struct driver *driver, const struct wf_io_options *options,
                       struct wf_io **io, const char **reason)
{
    if (driver->ops)
        return driver->ops->open(io, options, reason);
    *reason = driver->why_not;
    return -ENOTSUP;
}

/* `why`: of the first one. */
static int open_first(const char *names, const char *why, const struct wf_io_options *options,
                      struct wf_io **io, const struct wf_io_ops **ops, const char **reason)
{
    struct wf_io_options asked = *options;
    int err = -ENOTSUP;
    for (; names; names = next_name(names)) {
        const struct driver *driver = find(names);
        asked.choosy = next_name(names) != NULL;
        err = open_driver(driver, &asked, io, reason);
        if (err == 0) {
            *ops = driver->ops;
            *reason = why;
            return 0;
        }
        why = *reason;
    }
    return err;
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
        backend = AUTO;
        why = "the best driver of this library";
    }
    if (!are_known(backend)) {
        *reason = "no driver has this name; there are: epoll, uring, auto";
        return -ENOTSUP;
    }
    return open_first(backend, why, options, io, ops, reason);
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
