#ifndef WF_CORE_READY_H
#define WF_CORE_READY_H

/* The ready queue: tasks and callbacks in one FIFO, linked through the items, so that making
 * something ready never fails and never allocates. */

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wf_ready {
    struct wf_ready *next;
    /* A callback, on the dispatcher; closed: the loop ends and nobody is called any more.
     * NULL: a task. */
    void (*run)(struct wf_ready *item, bool closed);
};

struct wf_ready_queue {
    struct wf_ready *head;
    struct wf_ready **tail; /* where the next item's address goes */
    size_t count;
    struct wf_scout *scout; /* scout.h; NULL: it is short */
};

void wf_scout_push(struct wf_ready_queue *queue, struct wf_ready *item);
void wf_scout_pop(struct wf_ready_queue *queue);
void wf_scout_end(struct wf_ready_queue *queue);

static inline void wf_ready_init(struct wf_ready_queue *queue)
{
    queue->head = NULL;
    queue->tail = &queue->head;
    queue->count = 0;
    queue->scout = NULL;
}

static inline void wf_ready_push(struct wf_ready_queue *queue, struct wf_ready *item)
{
    item->next = NULL;
    *queue->tail = item;
    queue->tail = &item->next;
    queue->count++;
    if (WF_UNLIKELY(queue->scout != NULL))
        wf_scout_push(queue, item);
}

/* The queue must not be empty. */
static inline struct wf_ready *wf_ready_pop(struct wf_ready_queue *queue)
{
    struct wf_ready *item = queue->head;
    queue->head = item->next;
    if (!queue->head)
        queue->tail = &queue->head;
    queue->count--;
    if (WF_UNLIKELY(queue->scout != NULL))
        wf_scout_pop(queue);
    return item;
}

/* O(n), for the rare case. How many were before it; SIZE_MAX when it is not there. */
static inline size_t wf_ready_remove(struct wf_ready_queue *queue, struct wf_ready *item)
{
    size_t before = 0;
    wf_scout_end(queue);
    for (struct wf_ready **link = &queue->head; *link; link = &(*link)->next, before++) {
        if (*link != item)
            continue;
        *link = item->next;
        if (!*link)
            queue->tail = link;
        queue->count--;
        return before;
    }
    return SIZE_MAX;
}

#endif
