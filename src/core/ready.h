#ifndef WF_CORE_READY_H
#define WF_CORE_READY_H

/* The ready queue: tasks and callbacks in one FIFO, linked through the items, so that making
 * something ready never fails and never allocates. */

#include <stdbool.h>
#include <stddef.h>

struct wf_ready {
    struct wf_ready *next;
    void (*run)(struct wf_ready *item); /* a callback, on the dispatcher; NULL: a task */
};

struct wf_ready_queue {
    struct wf_ready *head;
    struct wf_ready **tail; /* where the next item's address goes */
    size_t count;
};

static inline void wf_ready_init(struct wf_ready_queue *queue)
{
    queue->head = NULL;
    queue->tail = &queue->head;
    queue->count = 0;
}

static inline void wf_ready_push(struct wf_ready_queue *queue, struct wf_ready *item)
{
    item->next = NULL;
    *queue->tail = item;
    queue->tail = &item->next;
    queue->count++;
}

/* The queue must not be empty. */
static inline struct wf_ready *wf_ready_pop(struct wf_ready_queue *queue)
{
    struct wf_ready *item = queue->head;
    queue->head = item->next;
    if (!queue->head)
        queue->tail = &queue->head;
    queue->count--;
    return item;
}

/* O(n), for the rare case. False when it is not there. */
static inline bool wf_ready_remove(struct wf_ready_queue *queue, struct wf_ready *item)
{
    for (struct wf_ready **link = &queue->head; *link; link = &(*link)->next) {
        if (*link != item)
            continue;
        *link = item->next;
        if (!*link)
            queue->tail = link;
        queue->count--;
        return true;
    }
    return false;
}

#endif
