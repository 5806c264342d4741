#ifndef WEFT_SELECT_H
#define WEFT_SELECT_H

/* Waiting for whichever of several things can be had first.
 *
 *     weft_case cases[] = {
 *         weft_case_receive(&orders, &order),
 *         weft_case_send(&prices, &price),
 *         weft_case_await(weft_any(task)),
 *         weft_case_after(250 * WEFT_MILLISECOND),
 *     };
 *     switch (weft_select(cases, 4)) {
 *     case 0:                 an order, or cases[0].result < 0: nobody sends any more
 *     …
 *
 * Exactly one case happens, and it happens whole: an item that was received has been received, one
 * that was not chosen is untouched. Where several can be had at once one of them is chosen at
 * random, so that none is starved, unless `.in_order` says that the first one goes first. */

#include <weft/await.h>
#include <weft/broadcast.h>
#include <weft/channel.h>
#include <weft/define.h>
#include <weft/event.h>
#include <weft/mailbox.h>
#include <weft/queue.h>
#include <weft/semaphore.h>
#include <weft/token.h>
#include <weft/watch.h>

WEFT_BEGIN_DECLS

enum weft_case_kind {
    WEFT_CASE_NONE, /* never happens: a case that is switched off */
    WEFT_CASE_SEND,
    WEFT_CASE_RECEIVE,
    WEFT_CASE_PUT,
    WEFT_CASE_GET,
    WEFT_CASE_MAILBOX,
    WEFT_CASE_SUBSCRIPTION,
    WEFT_CASE_EVENT,
    WEFT_CASE_ACQUIRE,
    WEFT_CASE_AWAIT,
    WEFT_CASE_AFTER,
    WEFT_CASE_AT,
    WEFT_CASE_POLL,
    WEFT_CASE_WATCH,
    WEFT_CASE_TOKEN,
    WEFT_CASE_KINDS, /* how many there are */
};

/* One thing to wait for; made by the functions below. */
struct weft_case {
    void *object;
    void *item;
    int64_t number;
    int64_t result; /* of the case that was chosen: what the call by itself would have returned */
    uint8_t kind;   /* enum weft_case_kind */
};
typedef struct weft_case weft_case;

struct weft_select_options {
    size_t count;     /* the second argument */
    const char *site; /* where it was called; set by the macro */
    size_t size;      /* of this struct; set by the macro */
    bool in_order;    /* of those that can be had at once the first one in the list is chosen */
};

/** Wait until one of the cases can be had, and have it: weft_select(cases, count).
 *
 * Returns: the index of the case that has happened; its `.result` is what the call by itself would
 *   have returned: 0 or an error as weft_channel_send(), _receive(), weft_queue_put(), _get(),
 *   weft_event_wait(), weft_semaphore_acquire(), weft_watch_next() and weft_token_wait() have it,
 *   the missed messages or an error of weft_subscription_receive(), the result of a task or future,
 *   0 for a time, the WEFT_READABLE bits or -errno for a descriptor.
 * Errors: -ECANCELED; -EINVAL for a kind that is none, and where there is no case but
 *   weft_case_none(); -ENOMEM for more than four cases, at most 100,000; -EPERM outside a task. No
 *   case has happened then.
 * Suspends: unless a case can be had at once.
 * Cancel: no case happens; one that has happened is returned.
 * Ownership: borrows the cases and what they name until it returns.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
ssize_t weft_select_with(weft_case cases[], const struct weft_select_options *options);

/** Have one of the cases if that needs no waiting: weft_select_try(cases, count).
 *
 * A time that lies ahead cannot be had; a descriptor is looked at by a system call.
 *
 * Returns: as weft_select().
 * Errors: -EAGAIN when none can be had; -EINVAL for a kind that is none; -ENOMEM as weft_select();
 *   -EPERM where no loop runs.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows the cases and what they name until it returns.
 * Threads: the loop's own; tasks and callbacks. */
WEFT_API
ssize_t weft_select_try_with(weft_case cases[], const struct weft_select_options *options);

WEFT_END_DECLS

static inline weft_case weft_case_of(enum weft_case_kind kind, void *object, void *item,
                                     int64_t number)
{
    weft_case made;
    made.object = object;
    made.item = item;
    made.number = number;
    made.result = 0;
    made.kind = (uint8_t)kind;
    return made;
}

/* Never. */
static inline weft_case weft_case_none(void)
{
    return weft_case_of(WEFT_CASE_NONE, NULL, NULL, 0);
}

/* weft_channel_send(channel, item) */
static inline weft_case weft_case_send(weft_channel *channel, const void *item)
{
    return weft_case_of(WEFT_CASE_SEND, channel, (void *)(uintptr_t)item, 0);
}

/* weft_channel_receive(channel, item) */
static inline weft_case weft_case_receive(weft_channel *channel, void *item)
{
    return weft_case_of(WEFT_CASE_RECEIVE, channel, item, 0);
}

/* weft_queue_put(queue, item) */
static inline weft_case weft_case_put(weft_queue *queue, const void *item)
{
    return weft_case_of(WEFT_CASE_PUT, queue, (void *)(uintptr_t)item, 0);
}

/* weft_mailbox_receive(mailbox, item) */
static inline weft_case weft_case_mailbox(weft_mailbox *mailbox, void *item)
{
    return weft_case_of(WEFT_CASE_MAILBOX, mailbox, item, 0);
}

/* weft_queue_get(queue, item) */
static inline weft_case weft_case_get(weft_queue *queue, void *item)
{
    return weft_case_of(WEFT_CASE_GET, queue, item, 0);
}

/* weft_subscription_receive(subscription, item) */
static inline weft_case weft_case_subscription(weft_subscription *subscription, void *item)
{
    return weft_case_of(WEFT_CASE_SUBSCRIPTION, subscription, item, 0);
}

/* weft_watch_next(watch, seen, value) */
static inline weft_case weft_case_watch(weft_watch *watch, uint64_t *seen, void *value)
{
    return weft_case_of(WEFT_CASE_WATCH, watch, value, (int64_t)(uintptr_t)seen);
}

/* weft_token_wait(token) */
static inline weft_case weft_case_token(weft_token *token)
{
    return weft_case_of(WEFT_CASE_TOKEN, token, NULL, 0);
}

/* weft_event_wait(event) */
static inline weft_case weft_case_event(weft_event *event)
{
    return weft_case_of(WEFT_CASE_EVENT, event, NULL, 0);
}

/* weft_semaphore_acquire(semaphore, count) */
static inline weft_case weft_case_acquire(weft_semaphore *semaphore, size_t count)
{
    return weft_case_of(WEFT_CASE_ACQUIRE, semaphore, NULL, (int64_t)count);
}

/* weft_await() of a task or future, no coroutine; only the waiting stops when it is not chosen.
 * Made by weft_any(). */
static inline weft_case weft_case_await(weft_awaitable *awaitable)
{
    return weft_case_of(WEFT_CASE_AWAIT, awaitable, NULL, 0);
}

/* After so many ns of waiting; <= 0: as soon as nothing else can be had at once. */
static inline weft_case weft_case_after(int64_t duration)
{
    return weft_case_of(WEFT_CASE_AFTER, NULL, NULL, duration);
}

/* At a time of weft_now(), WEFT_FOREVER: never. */
static inline weft_case weft_case_at(int64_t when)
{
    return weft_case_of(WEFT_CASE_AT, NULL, NULL, when);
}

/* weft_poll_fd(fd, interest) */
static inline weft_case weft_case_poll(int fd, unsigned interest)
{
    return weft_case_of(WEFT_CASE_POLL, NULL, NULL, (int64_t)interest << 32 | (uint32_t)fd);
}

#ifndef __cplusplus
#    define WEFT_SELECT_OPTIONS_(...)                                                              \
        (&(struct weft_select_options){                                                            \
            .count = __VA_ARGS__, .site = WEFT_SITE, .size = sizeof(struct weft_select_options) })
#    define weft_select(cases, ...) weft_select_with((cases), WEFT_SELECT_OPTIONS_(__VA_ARGS__))
#    define weft_select_try(cases, ...)                                                            \
        weft_select_try_with((cases), WEFT_SELECT_OPTIONS_(__VA_ARGS__))
#else
static inline ssize_t weft_select(weft_case cases[], size_t count, weft_select_options options = {})
{
    options.count = count;
    options.size = sizeof options;
    return weft_select_with(cases, &options);
}

static inline ssize_t weft_select_try(weft_case cases[], size_t count,
                                      weft_select_options options = {})
{
    options.count = count;
    options.size = sizeof options;
    return weft_select_try_with(cases, &options);
}
#endif

#endif
