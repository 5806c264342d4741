#ifndef WEFT_CHANNEL_H
#define WEFT_CHANNEL_H

/* A channel: items go from tasks that send to tasks that receive, in order.
 *
 *     weft_channel c;
 *     int err = weft_channel_init(&c, sizeof(int), 0);        0: sender and receiver meet
 *     …
 *     err = weft_channel_send(&c, &number);
 *     while (weft_channel_receive(&c, &number) >= 0)          until it is closed, and empty
 *         use(number);
 *
 * Items are copied, `item_size` bytes each. Many may send and many receive: each item is received
 * once, and those who wait are served in the order in which they came. A wait for several channels
 * at once is weft_select(). A channel belongs to a thread; between loops there are mailboxes. */

#include <weft/define.h>
#include <weft/line.h>
#include <weft/loop.h>

WEFT_BEGIN_DECLS

/* A capacity that memory alone bounds. */
#define WEFT_UNBOUNDED SIZE_MAX

/* The caller's memory. It belongs to the thread that first uses it. */
typedef struct weft_channel {
    uint64_t opaque[32];
} weft_channel;

struct weft_channel_options {
    size_t item_size; /* the second argument: bytes; 0: items say nothing but that they are there */
    size_t capacity;  /* the third argument: items that may lie in it; 0: none, a sender waits for
                         its receiver; WEFT_UNBOUNDED: nobody ever waits to send */
    weft_drop_fn *drop; /* called with the address of each item that nobody has received */
    const char *site;   /* where it was made; set by the macro */
    size_t size;        /* of this struct; set by the macro */
};

struct weft_channel_stats {
    weft_line_stats senders;
    weft_line_stats receivers;
    uint64_t received; /* items that have come out of it */
    size_t count;      /* items that lie in it now */
    size_t most;       /* the most that ever lay in it at once */
    size_t capacity;
};
typedef struct weft_channel_stats weft_channel_stats;

/** Make a channel: weft_channel_init(&c, item_size, capacity).
 *
 * Room for all items is taken here, but for WEFT_UNBOUNDED.
 *
 * Returns: 0.
 * Errors: -ENOMEM: it need not be given up then.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: writes to the caller's memory; ended by weft_channel_fini().
 * Threads: any; from its first use on that thread's. */
WEFT_API
int weft_channel_init_with(weft_channel *channel, const struct weft_channel_options *options);

/** Give it up. Items that lie in it are dropped.
 *
 * Returns: nothing.
 * Errors: none; aborts while a task waits for it.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the memory is the caller's again. NULL is allowed.
 * Threads: its own. */
WEFT_API
void weft_channel_fini(weft_channel *channel);

/** Send an item: to the receiver who has waited longest, or into the channel.
 *
 * Returns: 0; the item was received, or lies in the channel.
 * Errors: WEFT_ECLOSED when it is closed, also while this call waits; -ECANCELED; -ENOMEM with
 *   WEFT_UNBOUNDED; -EPERM outside a task; WEFT_ETHREAD. The item was not sent then.
 * Suspends: while it is full; with capacity 0 until somebody receives.
 * Cancel: nothing is sent; an item that was taken counts as sent.
 * Ownership: borrows `item` until it returns, and copies it.
 * Threads: its own. */
WEFT_API
WEFT_SUSPENDS
int weft_channel_send(weft_channel *channel, const void *item);

/** Receive the item that was sent first.
 *
 * Returns: 0; *item is written.
 * Errors: WEFT_ECLOSED when it is closed and empty; -ECANCELED; -EPERM outside a task;
 *   WEFT_ETHREAD. *item is untouched then.
 * Suspends: while it is empty and nobody sends.
 * Cancel: no item is lost: one that was given counts as received.
 * Ownership: borrows `item` until it returns.
 * Threads: its own. */
WEFT_API
WEFT_SUSPENDS
int weft_channel_receive(weft_channel *channel, void *item);

/** Send an item if nobody has to wait for that.
 *
 * Returns: 0.
 * Errors: -EAGAIN when it is full or, with capacity 0, nobody waits for an item; WEFT_ECLOSED;
 *   -ENOMEM; WEFT_ETHREAD.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: copies `item`.
 * Threads: its own; tasks and callbacks. */
WEFT_API
int weft_channel_try_send(weft_channel *channel, const void *item);

/** Receive an item if there is one.
 *
 * Returns: 0; *item is written.
 * Errors: -EAGAIN when there is none; WEFT_ECLOSED when it is closed and empty; WEFT_ETHREAD.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: writes to `item`.
 * Threads: its own; tasks and callbacks. */
WEFT_API
int weft_channel_try_receive(weft_channel *channel, void *item);

/** Say that nothing more will be sent. What lies in it can still be received; who waits to send is
 * told WEFT_ECLOSED. Again: nothing.
 *
 * Returns: nothing.
 * Errors: none; another thread than its own is told so on the runtime log, and nothing happens.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows it.
 * Threads: its own; tasks and callbacks. */
WEFT_API
void weft_channel_close(weft_channel *channel);

/** How many items lie in it.
 *
 * Returns: from 0 to its capacity.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows it.
 * Threads: its own. */
WEFT_API
size_t weft_channel_count(const weft_channel *channel);

/** What has happened at it.
 *
 * Returns: nothing; *stats is written.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows both.
 * Threads: its own. */
WEFT_API
void weft_channel_get_stats(const weft_channel *channel, weft_channel_stats *stats);

WEFT_END_DECLS

#ifndef __cplusplus
#    define weft_channel_init(channel, bytes, ...)                                                 \
        weft_channel_init_with((channel), &(struct weft_channel_options){                          \
                                              .item_size = (bytes),                                \
                                              .capacity = __VA_ARGS__,                             \
                                              .site = WEFT_SITE,                                   \
                                              .size = sizeof(struct weft_channel_options) })
#else
static inline int weft_channel_init(weft_channel *channel, size_t item_size, size_t capacity,
                                    weft_channel_options options = {})
{
    options.item_size = item_size;
    options.capacity = capacity;
    options.size = sizeof options;
    return weft_channel_init_with(channel, &options);
}
#endif

#endif
