/* All tasks of a loop that live. */

#include "base/error.h"
#include "base/memory.h"
#include "core/loop.h"

weft_task *wf_task_next(const weft_loop *loop, struct wf_region **region)
{
    const struct wf_region *root = &loop->background.region;
    while ((*region = wf_region_next(root, *region))) {
        const struct wf_member *member = wf_region_member(*region);
        if ((*region)->kind == WF_REGION_MEMBER && wf_member_is_task(member))
            return wf_task_of_member(member);
    }
    return NULL;
}

/* A list of them, each with a handle of ours; NULL: no memory. */
static weft_task **list_all(weft_loop *loop, size_t *count)
{
    struct wf_region *region = &loop->background.region;
    weft_task **list = wf_alloc((loop->tasks.live + 1) * sizeof *list);
    if (!list)
        return NULL;
    *count = 0;
    for (weft_task *task; (task = wf_task_next(loop, &region));) {
        weft_future_retain(&task->future);
        list[(*count)++] = task;
    }
    return list;
}

/* What `fn` does, and what happens while it suspends, may end any of them: the list stays whole. */
int weft_task_each(weft_task_fn *fn, void *arg)
{
    weft_loop *loop = weft_loop_current();
    size_t count;
    int result = 0;
    if (!loop)
        return wf_misuse(-EPERM, "weft_task_each() where there is no loop");
    weft_task **list = list_all(loop, &count);
    if (!list)
        return wf_fail(-ENOMEM, "no memory for a list of %zu tasks", loop->tasks.live);
    for (size_t i = 0; i < count; i++) {
        if (result == 0 && !list[i]->future.done)
            result = fn(list[i], arg);
        weft_task_release(list[i]);
    }
    wf_free(list);
    return result;
}
