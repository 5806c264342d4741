#ifndef WEFT_MAILBOX_H
#define WEFT_MAILBOX_H

/* Mailboxes: bounded queues into one loop, from tasks of any loops and from plain threads.
 *
 *     weft_mailbox *box;                                        the receiving loop
 *     weft_mailbox_new(&box, sizeof(struct job), 1024);
 *     while (weft_mailbox_receive(box, &job) == 0)
 *         work(&job);
 *     weft_mailbox_release(box);
 *
 *     weft_mailbox_send(box, &job);                             any loop, with a handle of its own
 *
 * Items are copied in and out. Those of one sender arrive in the order of sending; senders that
 * wait for room are served in the order of waiting. What the tasks of one loop send in one turn
 * travels as one message, and a loop that is awake costs its senders no system call.
 *
 * Who keeps the pointer holds a handle: weft_mailbox_retain(). The last one that goes closes the
 * mailbox, and so does the end of its loop. */

#include <weft/loop.h>

WEFT_BEGIN_DECLS

typedef struct weft_mailbox weft_mailbox;

struct weft_mailbox_options {
    weft_mailbox **box; /* the first argument */
    size_t item_size;   /* the second: bytes of an item, at least 1 */
    size_t capacity;    /* the third: items that may wait, from 1 to 16,777,216 */
    weft_drop_fn *drop; /* called with the address of each item that nobody will receive */
    const char *site;   /* where it was called; set by the macro */
    size_t size;        /* of this struct; set by the macro */
};

struct weft_mailbox_stats {
    size_t capacity;
    size_t count;   /* items that wait to be received */
    size_t most;    /* the most of them that were found waiting */
    size_t senders; /* that wait for room */
    uint64_t sent, received;
    uint64_t messages; /* sent to the loop to tell it of them */
};
typedef struct weft_mailbox_stats weft_mailbox_stats;

/** Make a mailbox of the current loop, which receives: weft_mailbox_new(&box, item_size, capacity).
 *
 * Returns: 0.
 * Errors: -EINVAL for a size or capacity out of range; -ENOMEM; -EPERM without a loop.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: gives a handle, ended by weft_mailbox_release().
 * Threads: the receiving loop's. */
WEFT_API
int weft_mailbox_new_with(const struct weft_mailbox_options *options);

/** Take another handle, for whoever is to send.
 *
 * Returns: the mailbox.
 * Errors: none; NULL stays NULL.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: gives a handle.
 * Threads: any that has a handle, or is given one. */
WEFT_API
weft_mailbox *weft_mailbox_retain(weft_mailbox *box);

/** Give a handle back. With the last one the mailbox is closed, and what nobody has received goes
 * to `.drop`, on its loop's thread.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: takes the handle. NULL is allowed.
 * Threads: any. */
WEFT_API
void weft_mailbox_release(weft_mailbox *box);

/** Send a copy of an item; wait for room where there is none.
 *
 * Returns: 0: it will be received, unless the receiving loop ends or drops it.
 * Errors: WEFT_ECLOSED when it is closed, or gets closed while the task waits; -ENOMEM when it has
 *   to wait and there is no memory for that; -ECANCELED; -EPERM outside a task.
 * Suspends: while there is no room, or others have waited longer.
 * Cancel: the item was not sent. One that has got its place is sent, and the call succeeds.
 * Ownership: copies the item.
 * Threads: any loop's, with a handle. */
WEFT_API
WEFT_SUSPENDS
int weft_mailbox_send(weft_mailbox *box, const void *item);

/** Send a copy of an item if there is room.
 *
 * Returns: 0.
 * Errors: -EAGAIN when there is none, or others wait for it; WEFT_ECLOSED.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: copies the item.
 * Threads: any, with a handle; not from signal handlers. */
WEFT_API
int weft_mailbox_try_send(weft_mailbox *box, const void *item);

/** Send a copy of an item, and block this thread, which runs no loop, for at most `timeout` ns of
 * real time while there is no room.
 *
 * Returns: 0.
 * Errors: -ETIMEDOUT, the item was not sent; WEFT_ECLOSED; -ENOMEM when it has to wait; -EDEADLK in
 *   a thread whose loop runs.
 * Suspends: never; it blocks the thread.
 * Cancel: by `timeout` only; WEFT_FOREVER: none.
 * Ownership: copies the item.
 * Threads: any that runs no loop, with a handle. */
WEFT_API
int weft_mailbox_send_wait(weft_mailbox *box, const void *item, int64_t timeout);

/** Receive the oldest item; wait where there is none.
 *
 * Returns: 0, and the item in *item.
 * Errors: WEFT_ECLOSED when it is closed and all were received; -ECANCELED; WEFT_ETHREAD in another
 *   loop; -EPERM outside a task.
 * Suspends: while there is none, or others have waited longer.
 * Cancel: nothing is lost: an item that was handed over is received.
 * Ownership: writes `item_size` bytes, which are the caller's.
 * Threads: the receiving loop's. */
WEFT_API
WEFT_SUSPENDS
int weft_mailbox_receive(weft_mailbox *box, void *item);

/** Receive the oldest items, at most `count`, which is at least 1; wait where there is none.
 *
 * Returns: how many, at least 1; they lie one behind the other in `items`.
 * Errors: as weft_mailbox_receive(); -EINVAL for a count of 0.
 * Suspends: while there is none, or others have waited longer.
 * Cancel: nothing is lost.
 * Ownership: writes `item_size` bytes for each.
 * Threads: the receiving loop's. */
WEFT_API
WEFT_SUSPENDS
ssize_t weft_mailbox_receive_many(weft_mailbox *box, void *items, size_t count);

/** Receive the oldest item if there is one.
 *
 * Returns: 0, and the item in *item.
 * Errors: -EAGAIN when there is none, or tasks wait for it; WEFT_ECLOSED; WEFT_ETHREAD elsewhere.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: writes `item_size` bytes.
 * Threads: the receiving loop's, also in callbacks. */
WEFT_API
int weft_mailbox_try_receive(weft_mailbox *box, void *item);

/** Let nothing more in. What is in it can still be received; then receivers get WEFT_ECLOSED, as do
 * senders from now on, and those who wait for room. Again: nothing.
 *
 * Returns: nothing.
 * Errors: none; NULL is allowed.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows the handle.
 * Threads: any, with a handle. */
WEFT_API
void weft_mailbox_close(weft_mailbox *box);

/** What has passed through it. On other threads than the receiving loop's the numbers are of
 * slightly different moments.
 *
 * Returns: nothing; the numbers in *stats.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows the handle.
 * Threads: any, with a handle. */
WEFT_API
void weft_mailbox_get_stats(const weft_mailbox *box, weft_mailbox_stats *stats);

WEFT_END_DECLS

/* weft_mailbox_new(&box, item_size, capacity, .drop = …) */
#ifndef __cplusplus
#    define weft_mailbox_new(out, size_of_item, ...)                                               \
        weft_mailbox_new_with(                                                                     \
            &(struct weft_mailbox_options){ .capacity = __VA_ARGS__,                               \
                                            .box = (out),                                          \
                                            .item_size = (size_of_item),                           \
                                            .site = WEFT_SITE,                                     \
                                            .size = sizeof(struct weft_mailbox_options) })
#else
static inline int weft_mailbox_new(weft_mailbox **box, size_t item_size, size_t capacity,
                                   weft_mailbox_options options = {})
{
    options.box = box;
    options.item_size = item_size;
    options.capacity = capacity;
    options.size = sizeof options;
    return weft_mailbox_new_with(&options);
}
#endif

#endif
