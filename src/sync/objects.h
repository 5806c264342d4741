#ifndef WF_SYNC_OBJECTS_H
#define WF_SYNC_OBJECTS_H

/* What can be waited for beside other things, by its ops: the object is the waiter's `object`, what
 * it brings or takes the waiter's `item` or `need`. */

#include "core/line.h"
#include "core/loop.h"
#include "core/mailbox.h"
#include "sync/bound.h"

#include <string.h>

extern const struct wf_wait_ops wf_event_ops;
extern const struct wf_wait_ops wf_semaphore_ops;    /* need: how many units */
extern const struct wf_wait_ops wf_channel_send_ops; /* item: what is sent */
extern const struct wf_wait_ops wf_channel_receive_ops;
extern const struct wf_wait_ops wf_queue_put_ops;
extern const struct wf_wait_ops wf_queue_get_ops;
extern const struct wf_wait_ops wf_subscription_ops;
extern const struct wf_wait_ops wf_token_ops;
extern const struct wf_wait_ops wf_watch_ops; /* item: a weft_watch_view */

/* Items of nothing need no address. */
static inline void wf_item_copy(void *to, const void *from, size_t size)
{
    if (WF_LIKELY(size == sizeof(uint64_t)))
        memcpy(to, from, sizeof(uint64_t));
    else if (size > 0)
        memcpy(to, from, size);
}

/* What those with one line begin with: the waiter's object is one of these. */
struct wf_object {
    struct wf_bound bound;
    struct wf_line line;
};

/* The join and the abort of who waits in that line. */
void wf_object_join(struct wf_waiter *w);
bool wf_object_leave(struct wf_waiter *w);

/* Take what an armed waiter wants, or have the current task wait for it. */
static inline int64_t wf_object_wait_for(struct wf_waiter *w)
{
    int64_t result;
    if (w->ops->take(w, &result))
        return result;
    w->ops->join(w);
    return wf_park(w);
}

static inline int64_t wf_object_wait(const struct wf_wait_ops *ops, void *object, void *item)
{
    struct wf_waiter w;
    wf_waiter_arm(&w, ops, object);
    w.item = item;
    return wf_object_wait_for(&w);
}

#endif
