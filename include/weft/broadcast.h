#ifndef WEFT_BROADCAST_H
#define WEFT_BROADCAST_H

/* A broadcast: each subscription receives each message that was sent since it began.
 *
 *     weft_broadcast prices;
 *     int err = weft_broadcast_init(&prices, sizeof(struct price), 64);
 *     …
 *     weft_subscription mine;
 *     err = weft_subscription_begin(&mine, &prices);
 *     while ((missed = weft_subscription_receive(&mine, &price)) >= 0)
 *         show(&price, missed > 0);
 *     weft_subscription_end(&mine);
 *
 * The last `capacity` messages are kept. Who is slower than that misses the oldest ones and is told
 * how many they were; with `.wait_for_slowest` nobody misses any, and who sends waits instead.
 * Messages are copied, `item_size` bytes each, once for each subscription: what they point to must
 * outlive them all. Several tasks may receive from one subscription: then each message goes to one
 * of them, in the order in which they came. */

#include <weft/define.h>
#include <weft/line.h>

WEFT_BEGIN_DECLS

/* The caller's memory. It belongs to the thread that first uses it. */
typedef struct weft_broadcast {
    uint64_t opaque[40];
} weft_broadcast;

/* The caller's memory, which must stay where it is from begin to end. Zeroed memory is one that has
 * not begun. */
typedef struct weft_subscription {
    uint64_t opaque[20];
} weft_subscription;

struct weft_broadcast_options {
    size_t item_size;      /* the second argument: bytes; 0: messages say nothing but that they
                              were sent */
    size_t capacity;       /* the third argument: messages that are kept, at least 1 */
    const char *site;      /* where it was made; set by the macro */
    size_t size;           /* of this struct; set by the macro */
    bool wait_for_slowest; /* no message is overwritten before all have received it: who sends
                              waits */
};

struct weft_broadcast_stats {
    weft_line_stats senders;
    uint64_t sent;
    uint64_t missed;      /* by all subscriptions, as far as they have been told so */
    size_t subscriptions; /* that have begun and not ended */
    size_t receivers;     /* of these: somebody waits for their next message */
    size_t kept;          /* messages that a subscription could still receive */
    size_t capacity;
};
typedef struct weft_broadcast_stats weft_broadcast_stats;

struct weft_subscription_stats {
    weft_line_stats receivers;
    uint64_t received;
    uint64_t missed; /* as far as it has been told so */
    size_t count;    /* messages that lie ready for it */
};
typedef struct weft_subscription_stats weft_subscription_stats;

/** Make a broadcast: weft_broadcast_init(&b, item_size, capacity).
 *
 *     weft_broadcast_init(&b, sizeof(struct order), 16, .wait_for_slowest = true);
 *
 * Room for all messages is taken here.
 *
 * Returns: 0.
 * Errors: -ENOMEM; -EINVAL for a capacity of 0. It need not be given up then.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: writes to the caller's memory; ended by weft_broadcast_fini().
 * Threads: any; from its first use on that thread's. */
WEFT_API
int weft_broadcast_init_with(weft_broadcast *broadcast,
                             const struct weft_broadcast_options *options);

/** Give it up. Subscriptions that have not ended are ended; what they have not received is lost.
 *
 * Returns: nothing.
 * Errors: none; aborts while a task waits for it or for a subscription of it.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the memory is the caller's again. NULL is allowed.
 * Threads: its own. */
WEFT_API
void weft_broadcast_fini(weft_broadcast *broadcast);

/** Send a message to all subscriptions.
 *
 * Returns: how many they are; 0: nobody listens, and the message is lost.
 * Errors: WEFT_ECLOSED when it is closed, also while this call waits; -ECANCELED; -EPERM outside a
 *   task; WEFT_ETHREAD. The message was not sent then.
 * Suspends: with `.wait_for_slowest`, while the slowest subscription has `capacity` messages to
 *   receive; after those who came before.
 * Cancel: nothing is sent; a message that was taken counts as sent.
 * Ownership: borrows `item` until it returns, and copies it.
 * Threads: its own. */
WEFT_API
WEFT_SUSPENDS
int weft_broadcast_send(weft_broadcast *broadcast, const void *item);

/** Send a message if nobody has to wait for that.
 *
 * Returns: as weft_broadcast_send().
 * Errors: -EAGAIN where weft_broadcast_send() would wait; WEFT_ECLOSED; WEFT_ETHREAD.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: copies `item`.
 * Threads: its own; tasks and callbacks. */
WEFT_API
int weft_broadcast_try_send(weft_broadcast *broadcast, const void *item);

/** Say that nothing more will be sent. What was sent can still be received; who waits to send is
 * told WEFT_ECLOSED, and so is who waits for a message. Again: nothing.
 *
 * Returns: nothing.
 * Errors: none; another thread than its own is told so on the runtime log, and nothing happens.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows it.
 * Threads: its own; tasks and callbacks. */
WEFT_API
void weft_broadcast_close(weft_broadcast *broadcast);

/** What has happened at it.
 *
 * Returns: nothing; *stats is written.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows both.
 * Threads: its own. */
WEFT_API
void weft_broadcast_get_stats(const weft_broadcast *broadcast, weft_broadcast_stats *stats);

/** From now on each message that is sent is kept for this subscription too.
 *
 * Returns: 0; also for a broadcast that is closed, from which nothing will come.
 * Errors: WEFT_ETHREAD: then it has not begun.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: keeps a pointer to the subscription until weft_subscription_end(). One that has begun
 *   must not begin again.
 * Threads: the broadcast's. */
WEFT_API
int weft_subscription_begin(weft_subscription *subscription, weft_broadcast *broadcast);

/** End it, at any time: who waits for its next message is told WEFT_ECLOSED, and who has waited for
 * it as the slowest sends. Again, or before it has begun: nothing.
 *
 * Returns: nothing.
 * Errors: none; another thread than its own is told so on the runtime log, and nothing happens.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: the memory is the caller's again.
 * Threads: the broadcast's. */
WEFT_API
void weft_subscription_end(weft_subscription *subscription);

/** Receive the oldest message that it has not received.
 *
 * Returns: how many messages it has missed since the one before; *item is written.
 * Errors: WEFT_ECLOSED when the broadcast is closed and all was received, or when the subscription
 *   is ended while this call waits; -ECANCELED; -ESHUTDOWN for one that has not begun or has ended;
 *   -EPERM outside a task; WEFT_ETHREAD. *item is untouched then.
 * Suspends: while there is no message.
 * Cancel: no message is lost: one that was given counts as received.
 * Ownership: borrows `item` until it returns.
 * Threads: the broadcast's. */
WEFT_API
WEFT_SUSPENDS
ssize_t weft_subscription_receive(weft_subscription *subscription, void *item);

/** Receive a message if there is one.
 *
 * Returns: as weft_subscription_receive().
 * Errors: -EAGAIN when there is none; WEFT_ECLOSED when the broadcast is closed and all was
 *   received; -ESHUTDOWN for one that has not begun or has ended; WEFT_ETHREAD.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: writes to `item`.
 * Threads: the broadcast's; tasks and callbacks. */
WEFT_API
ssize_t weft_subscription_try_receive(weft_subscription *subscription, void *item);

/** What has happened at it; readable after its end.
 *
 * Returns: nothing; *stats is written.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows both.
 * Threads: the broadcast's. */
WEFT_API
void weft_subscription_get_stats(const weft_subscription *subscription,
                                 weft_subscription_stats *stats);

WEFT_END_DECLS

#ifndef __cplusplus
#    define weft_broadcast_init(broadcast, bytes, ...)                                             \
        weft_broadcast_init_with((broadcast), &(struct weft_broadcast_options){                    \
                                                  .item_size = (bytes),                            \
                                                  .capacity = __VA_ARGS__,                         \
                                                  .site = WEFT_SITE,                               \
                                                  .size = sizeof(struct weft_broadcast_options) })
#else
static inline int weft_broadcast_init(weft_broadcast *broadcast, size_t item_size, size_t capacity,
                                      weft_broadcast_options options = {})
{
    options.item_size = item_size;
    options.capacity = capacity;
    options.size = sizeof options;
    return weft_broadcast_init_with(broadcast, &options);
}
#endif

#endif
