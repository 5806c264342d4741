#ifndef WF_SYNC_MUTEX_H
#define WF_SYNC_MUTEX_H

/* What is behind weft_mutex.
 *
 *     FREE ──lock──> HELD by a task ──unlock, nobody waits──> FREE
 *                      └──unlock, somebody waits──> HELD by the first in the line
 *
 *   - nobody waits for a free mutex: an unlock hands it on and never frees it under a waiter
 *   - a waiter's `need` is the identity of its task, which holds the mutex when it is woken */

#include "sync/objects.h"

#include <weft/mutex.h>

struct wf_mutex {
    struct wf_object object;
    uint64_t holder; /* identity of the task that holds it; 0: nobody */
    uint64_t locked;
};

_Static_assert(sizeof(struct wf_mutex) <= sizeof(weft_mutex), "weft_mutex is too small");

/* Give it to a waiter whose `need` is its task's identity: at once, or as the last in the line. Not
 * to be cancelled from here on. */
void wf_mutex_give(struct wf_mutex *mutex, struct wf_waiter *w);

/* The holder lets it go. */
void wf_mutex_pass(struct wf_mutex *mutex);

/* Take it for the current task, whatever anybody says. */
void wf_mutex_retake(struct wf_mutex *mutex, weft_task *task);

#endif
