/* Iterating over futures in the order in which they are done: the list of those that
 * are done is eaten. */

#include "base/error.h"
#include "base/memory.h"
#include "sync/several.h"

#include <weft/wait.h>

/* What is behind weft_completed. */
struct completed {
    struct wf_several *several; /* NULL: empty */
    const weft_task *owner;
};

_Static_assert(sizeof(struct completed) <= sizeof(weft_completed), "weft_completed is too small");

static struct completed *inside(weft_completed *completed)
{
    return (struct completed *)completed;
}

int weft_completed_begin(weft_completed *opaque, weft_awaitable *const list[], size_t count)
{
    struct completed *completed = inside(opaque);
    *completed = (struct completed){ .owner = weft_task_self() };
    struct wf_several *several = wf_alloc(sizeof *several);
    if (!several) {
        wf_several_refuse(list, count);
        return wf_fail(-ENOMEM, "no memory to wait for %zu at once", count);
    }
    int err = wf_several_of(several, list, count, WF_SEVERAL_ANY, WEFT_FOREVER);
    if (err < 0)
        wf_free(several);
    else
        completed->several = several;
    return err;
}

static struct wf_seat *pop_done(struct wf_several *several)
{
    struct wf_list *link = wf_list_pop_front(&several->done);
    return wf_container(wf_container(link, struct wf_waiter, link), struct wf_seat, waiter);
}

int weft_completed_next(weft_completed *opaque, size_t *index)
{
    struct wf_several *several = inside(opaque)->several;
    if (!several)
        return 0;
    if (inside(opaque)->owner != weft_task_self())
        return wf_misuse(-EPERM, "an iteration was continued by a task that did not begin it");
    int err = wf_several_wait(several, WF_SEVERAL_ANY, WEFT_FOREVER);
    if (err < 0 || wf_list_is_empty(&several->done))
        return err;
    *index = (size_t)(pop_done(several) - several->seats);
    return 1;
}

void weft_completed_end(weft_completed *opaque)
{
    struct wf_several *several = inside(opaque)->several;
    if (!several)
        return;
    if (several->waiter.state != WF_WAIT_DONE)
        wf_panic(__FILE__, __LINE__, "an iteration was ended while a task waits for its next one");
    inside(opaque)->several = NULL;
    wf_several_close(several);
    wf_free(several);
}
