/* Iterating over futures in the order in which they are done: a group whose done list is eaten. */

#include "base/error.h"
#include "base/memory.h"
#include "sync/group.h"

#include <weft/wait.h>

/* What is behind weft_completed. */
struct completed {
    struct wf_group *group; /* NULL: empty */
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
    struct wf_group *group = wf_alloc(sizeof *group);
    if (!group) {
        wf_group_refuse(list, count);
        return wf_fail(-ENOMEM, "no memory to wait for %zu at once", count);
    }
    int err = wf_group_of(group, list, count, WF_GROUP_ANY, WEFT_FOREVER);
    if (err < 0)
        wf_free(group);
    else
        completed->group = group;
    return err;
}

static struct wf_seat *pop_done(struct wf_group *group)
{
    struct wf_list *link = wf_list_pop_front(&group->done);
    return wf_container(wf_container(link, struct wf_waiter, link), struct wf_seat, waiter);
}

int weft_completed_next(weft_completed *opaque, size_t *index)
{
    struct wf_group *group = inside(opaque)->group;
    if (!group)
        return 0;
    if (inside(opaque)->owner != weft_task_self())
        return wf_misuse(-EPERM, "an iteration was continued by a task that did not begin it");
    int err = wf_group_wait(group, WF_GROUP_ANY, WEFT_FOREVER);
    if (err < 0 || wf_list_is_empty(&group->done))
        return err;
    *index = (size_t)(pop_done(group) - group->seats);
    return 1;
}

void weft_completed_end(weft_completed *opaque)
{
    struct wf_group *group = inside(opaque)->group;
    if (!group)
        return;
    if (group->waiter.state != WF_WAIT_DONE)
        wf_panic(__FILE__, __LINE__, "an iteration was ended while a task waits for its next one");
    inside(opaque)->group = NULL;
    wf_group_close(group);
    wf_free(group);
}
