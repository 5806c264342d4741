#include "core/scout.h"

#include "base/memory.h"
#include "core/loop.h"

#define FETCH_TASK    8 /* so many places ahead */
#define FETCH_CONTEXT 4
#define FETCH_STACK   2
#define STACK_LINES   4

static struct wf_scout *with_room(size_t room)
{
    struct wf_scout *scout = wf_alloc(sizeof *scout + room * sizeof scout->ring[0]);
    if (scout)
        *scout = (struct wf_scout){ .mask = room - 1 };
    return scout;
}

static struct wf_ready **place(struct wf_scout *scout, size_t number)
{
    return &scout->ring[number & scout->mask];
}

void wf_scout_end(struct wf_ready_queue *queue)
{
    wf_free(queue->scout);
    queue->scout = NULL;
}

void wf_scout_begin_slowly(struct wf_ready_queue *queue)
{
    if (queue->scout) {
        wf_scout_end(queue);
        return;
    }
    size_t room = WF_SCOUT_LONG;
    while (room < 2 * queue->count)
        room *= 2;
    struct wf_scout *scout = with_room(room);
    if (!scout)
        return;
    for (struct wf_ready *item = queue->head; item; item = item->next)
        *place(scout, scout->end++) = item;
    queue->scout = scout;
}

static void grow(struct wf_ready_queue *queue)
{
    struct wf_scout *scout = queue->scout, *larger = with_room(2 * (scout->mask + 1));
    if (larger)
        for (size_t i = scout->first; i < scout->end; i++)
            *place(larger, larger->end++) = *place(scout, i);
    wf_free(scout);
    queue->scout = larger;
}

void wf_scout_push(struct wf_ready_queue *queue, struct wf_ready *item)
{
    struct wf_scout *scout = queue->scout;
    *place(scout, scout->end++) = item;
    if (WF_UNLIKELY(scout->end - scout->first > scout->mask))
        grow(queue);
}

/* NULL: a callback, or a task that has not begun. */
static const struct wf_fiber *fiber_of(const struct wf_ready *item)
{
    return item->run ? NULL : wf_container(item, weft_task, ready)->fiber;
}

static void fetch_context(const struct wf_ready *item)
{
    const struct wf_fiber *fiber = fiber_of(item);
    if (fiber)
        __builtin_prefetch(fiber, 1);
}

static void fetch_stack(const struct wf_ready *item)
{
    const struct wf_fiber *fiber = fiber_of(item);
    const char *top = fiber ? fiber->context.sp : NULL;
    for (int i = 0; top && i < STACK_LINES; i++)
        __builtin_prefetch(top + i * 64, 1);
}

void wf_scout_pop(struct wf_ready_queue *queue)
{
    struct wf_scout *scout = queue->scout;
    size_t left = scout->end - ++scout->first;
    if (WF_UNLIKELY(left <= FETCH_TASK))
        return;
    __builtin_prefetch(*place(scout, scout->first + FETCH_TASK), 1);
    fetch_context(*place(scout, scout->first + FETCH_CONTEXT));
    fetch_stack(*place(scout, scout->first + FETCH_STACK));
}
