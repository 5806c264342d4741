/* What a stackless task waits for at the objects of this layer: by their ops, as weft_select()
 * does. */

#include "core/stackless.h"
#include "sync/objects.h"

int weft_then_send(weft_stackless *self, weft_channel *channel, const void *item,
                   weft_step_fn *next)
{
    return wf_stackless_then(self, &wf_channel_send_ops, channel, (void *)(uintptr_t)item, next,
                             "weft_then_send");
}

int weft_then_receive(weft_stackless *self, weft_channel *channel, void *item, weft_step_fn *next)
{
    return wf_stackless_then(self, &wf_channel_receive_ops, channel, item, next,
                             "weft_then_receive");
}

int weft_then_put(weft_stackless *self, weft_queue *queue, const void *item, weft_step_fn *next)
{
    return wf_stackless_then(self, &wf_queue_put_ops, queue, (void *)(uintptr_t)item, next,
                             "weft_then_put");
}

int weft_then_get(weft_stackless *self, weft_queue *queue, void *item, weft_step_fn *next)
{
    return wf_stackless_then(self, &wf_queue_get_ops, queue, item, next, "weft_then_get");
}

int weft_then_event(weft_stackless *self, weft_event *event, weft_step_fn *next)
{
    return wf_stackless_then(self, &wf_event_ops, event, NULL, next, "weft_then_event");
}

/* The waiter's item and need are one word. */
int weft_then_acquire(weft_stackless *self, weft_semaphore *semaphore, size_t count,
                      weft_step_fn *next)
{
    return wf_stackless_then(self, &wf_semaphore_ops, semaphore, (void *)(uintptr_t)count, next,
                             "weft_then_acquire");
}

int weft_then_mailbox(weft_stackless *self, weft_mailbox *mailbox, void *item, weft_step_fn *next)
{
    return wf_stackless_then(self, &wf_mailbox_receive_ops, mailbox, item, next,
                             "weft_then_mailbox");
}

int weft_then_subscription(weft_stackless *self, weft_subscription *subscription, void *item,
                           weft_step_fn *next)
{
    return wf_stackless_then(self, &wf_subscription_ops, subscription, item, next,
                             "weft_then_subscription");
}

int weft_then_watch(weft_stackless *self, weft_watch *watch, const weft_watch_view *view,
                    weft_step_fn *next)
{
    return wf_stackless_then(self, &wf_watch_ops, watch, (void *)(uintptr_t)view, next,
                             "weft_then_watch");
}

int weft_then_token(weft_stackless *self, weft_token *token, weft_step_fn *next)
{
    return wf_stackless_then(self, &wf_token_ops, token, NULL, next, "weft_then_token");
}
