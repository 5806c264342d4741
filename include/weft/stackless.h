#ifndef WEFT_STACKLESS_H
#define WEFT_STACKLESS_H

/* Stackless tasks: 128 bytes of the caller's memory instead of a stack, for very many of them.
 *
 *     struct ticker {
 *         weft_stackless self;
 *         int left;
 *     };
 *
 *     static int tick(weft_stackless *self, int64_t result)
 *     {
 *         struct ticker *ticker = weft_stackless_of(self, struct ticker, self);
 *         if (result < 0 || ticker->left-- == 0)
 *             return (int)result;
 *         return weft_then_sleep(self, WEFT_SECOND, tick);
 *     }
 *
 *     static void free_ticker(weft_stackless *self)
 *     {
 *         free(weft_stackless_of(self, struct ticker, self));
 *     }
 *
 *     static const weft_stackless_kind ticker_kind = WEFT_STACKLESS(tick, free_ticker);
 *
 *     err = weft_stackless_spawn(&scope, &ticker->self, &ticker_kind);
 *
 * A stackless task is a chain of steps. A step is an ordinary function that runs to its end on the
 * loop's own stack: it does its work and says, as the last thing, what to wait for and which step
 * comes then: `return weft_then_...(self, ..., next);`. What that has brought is the next step's
 * `result`: >= 0, or an error as the suspending function of that name returns it. A step that
 * returns anything else has ended the task: >= 0 is done, < 0 a failure, which is its scope's like
 * any task's.
 *
 * A step may not suspend: such calls answer -EPERM. It may do whatever a callback may: set futures,
 * use every _try function, close a stream that nobody is inside of, cancel, and spawn: tasks and
 * stackless ones, into its own scope, the scopes around that, and the background. It runs without
 * task-local values; tasks that it spawns get those of the task whose scope it is.
 *
 * A weft_then_ call that need not wait has its answer at once, and the next step is called as soon
 * as this one has returned, never inside it: the stack does not grow. After 128 of these the others
 * get a turn.
 *
 * Cancellation is level-triggered as for tasks: in a cancelled scope every further wait answers
 * -ECANCELED, a turn later, and who ignores that 1,000 times is reported and slowed down. A
 * stackless task has no scopes and no shields of its own. */

#include <limits.h>
#include <weft/await.h>
#include <weft/broadcast.h>
#include <weft/channel.h>
#include <weft/define.h>
#include <weft/event.h>
#include <weft/mailbox.h>
#include <weft/queue.h>
#include <weft/scope.h>
#include <weft/semaphore.h>
#include <weft/stream.h>
#include <weft/token.h>
#include <weft/watch.h>

WEFT_BEGIN_DECLS

/* Anywhere in a struct of yours, which must stay where it is from spawn to drop. */
typedef struct weft_stackless {
    uint64_t opaque[16];
} weft_stackless;

/* The struct of `type` whose `member` is the weft_stackless at `self`. */
#define weft_stackless_of(self, type, member)                                                      \
    ((type *)(void *)((char *)(self)-offsetof(type, member)))

/* What a step returns that goes on: what the weft_then_ functions return. */
#define WEFT_THEN (INT_MAX - 1)

/* A step. `result`: of what the step before it has waited for; 0 for the first one. */
typedef int weft_step_fn(weft_stackless *self, int64_t result);

/* The last that is ever done with it: it may free the memory. */
typedef void weft_stackless_drop_fn(weft_stackless *self);

/* What many stackless tasks have in common; static, because they keep a pointer to it. */
struct weft_stackless_kind {
    weft_step_fn *first;          /* the first step */
    weft_stackless_drop_fn *drop; /* called exactly once, at the end; NULL: nothing is to be done */
    const char *name;             /* for logs and dumps; NULL: the first step's name */
    const char *function;         /* the first step's name; set by the macro */
    const char *site;             /* where the kind is; set by the macro */
    size_t size;                  /* of this struct; set by the macro */
};
typedef struct weft_stackless_kind weft_stackless_kind;

/** Start a stackless task in a scope.
 *
 * The first step is called in a later turn, in the order of spawning. Spawning into a cancelled
 * scope succeeds: no step is called, `.drop` is. `self` need not be initialised, and must not be
 * one that has not ended.
 *
 * Returns: 0.
 * Errors: -ESHUTDOWN for a scope that has ended; -EPERM from a task or step that is not inside the
 *   scope; WEFT_ETHREAD. None of them fails the scope.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: on success borrows `self` until `.drop` is called, or, without one, until the scope
 *   has ended; and `kind` likewise. On failure nothing. A loop that ends without the task, because
 *   it ignores its cancel for the whole grace, reports it and never calls `.drop`: the memory must
 *   stay, as what it waits for may still point there.
 * Threads: the loop's own. */
WEFT_API
int weft_stackless_spawn(weft_scope *scope, weft_stackless *self, const weft_stackless_kind *kind);

/** Ask a stackless task to end: its wait, and each further one, answers -ECANCELED.
 *
 * Before its first step no step is called. One that has ended, or was never spawned and is zeroed,
 * is left alone.
 *
 * Returns: nothing.
 * Errors: none; NULL is allowed.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: borrows `self`, which must not have been dropped; `why` must be static or outlive it.
 * Threads: the loop's own. */
WEFT_API
void weft_stackless_cancel(weft_stackless *self, const char *why);

/** Its kind's `.name`, else the name of the first step.
 *
 * Returns: a string; "?" for NULL.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the kind's.
 * Threads: the loop's own. */
WEFT_API
const char *weft_stackless_name(const weft_stackless *self);

/** Sleep, then call `next`. `duration` <= 0 gives every other ready task and callback one turn.
 *
 *     return weft_then_sleep(self, 10 * WEFT_MILLISECOND, again);
 *
 * The next step's result: 0, never before the time is over; -ECANCELED.
 *
 * Returns: WEFT_THEN, to be returned at once.
 * Errors: -EPERM outside a step of `self`; -EALREADY when the step has asked to wait already: then
 *   that wait is given up, and the task ends with -EINVAL.
 * Suspends: never; the step ends.
 * Cancel: wakes at once; nothing is lost.
 * Ownership: none.
 * Threads: the loop's own. */
WEFT_API
int weft_then_sleep(weft_stackless *self, int64_t duration, weft_step_fn *next);

/** Sleep until weft_now() is `when`, then call `next`; a time that is over gives the others a turn.
 *
 * The next step's result: as weft_then_sleep().
 *
 * Returns: WEFT_THEN, to be returned at once.
 * Errors: as weft_then_sleep().
 * Suspends: never; the step ends.
 * Cancel: wakes at once; nothing is lost.
 * Ownership: none.
 * Threads: the loop's own. */
WEFT_API
int weft_then_sleep_until(weft_stackless *self, int64_t when, weft_step_fn *next);

/** Give every other ready task and callback one turn, then call `next`.
 *
 * The next step's result: 0; -ECANCELED.
 *
 * Returns: WEFT_THEN, to be returned at once.
 * Errors: as weft_then_sleep().
 * Suspends: never; the step ends.
 * Cancel: asked when it is called.
 * Ownership: none.
 * Threads: the loop's own. */
WEFT_API
int weft_then_yield(weft_stackless *self, weft_step_fn *next);

/** Wait for a task or a future, then call `next`: weft_then_await(self, x, next).
 *
 * The next step's result: what weft_await(x) returns. The pointer of one that gave one is asked for
 * by weft_future_result() or weft_task_result(), whose handle the caller has. -EINVAL for a
 * coroutine, which has no stack to run on; a circle of waits is not found here.
 *
 * Returns: WEFT_THEN, to be returned at once.
 * Errors: as weft_then_sleep().
 * Suspends: never; the step ends.
 * Cancel: only the waiting stops; the task or future goes on. That of weft_spawn_on() without
 *   `.copy` is cancelled, and its end waited for, also when the cancel came before the call.
 * Ownership: borrows a task or future, and keeps it in memory while it waits; takes a coroutine.
 * Threads: the loop's own. */
WEFT_API
int weft_then_await_with(weft_stackless *self, weft_awaitable *awaitable, weft_step_fn *next);

/** Send an item as weft_channel_send() does, then call `next`.
 *
 * The next step's result: 0, or an error as weft_channel_send() returns it.
 *
 * Returns: WEFT_THEN, to be returned at once.
 * Errors: as weft_then_sleep().
 * Suspends: never; the step ends.
 * Cancel: nothing is sent; an item that was taken counts as sent.
 * Ownership: borrows `item` until the next step, and copies it.
 * Threads: the loop's own. */
WEFT_API
int weft_then_send(weft_stackless *self, weft_channel *channel, const void *item,
                   weft_step_fn *next);

/** Receive an item as weft_channel_receive() does, then call `next`.
 *
 * The next step's result: 0 with the item at `item`, or an error as weft_channel_receive() returns
 * it.
 *
 * Returns: WEFT_THEN, to be returned at once.
 * Errors: as weft_then_sleep().
 * Suspends: never; the step ends.
 * Cancel: no item is lost: one that was given counts as received.
 * Ownership: borrows `item` until the next step.
 * Threads: the loop's own. */
WEFT_API
int weft_then_receive(weft_stackless *self, weft_channel *channel, void *item, weft_step_fn *next);

/** Put an item as weft_queue_put() does, then call `next`.
 *
 * The next step's result: 0, or an error as weft_queue_put() returns it.
 *
 * Returns: WEFT_THEN, to be returned at once.
 * Errors: as weft_then_sleep().
 * Suspends: never; the step ends.
 * Cancel: nothing is put; an item that was taken counts as put.
 * Ownership: borrows `item` until the next step, and copies it.
 * Threads: the loop's own. */
WEFT_API
int weft_then_put(weft_stackless *self, weft_queue *queue, const void *item, weft_step_fn *next);

/** Get an item as weft_queue_get() does, then call `next`.
 *
 * The next step's result: 0 with the item at `item`, or an error as weft_queue_get() returns it.
 *
 * Returns: WEFT_THEN, to be returned at once.
 * Errors: as weft_then_sleep().
 * Suspends: never; the step ends.
 * Cancel: no item is lost: one that was given counts as got.
 * Ownership: borrows `item` until the next step.
 * Threads: the loop's own. */
WEFT_API
int weft_then_get(weft_stackless *self, weft_queue *queue, void *item, weft_step_fn *next);

/** Wait until an event is set, then call `next`.
 *
 * The next step's result: 0, or an error as weft_event_wait() returns it.
 *
 * Returns: WEFT_THEN, to be returned at once.
 * Errors: as weft_then_sleep().
 * Suspends: never; the step ends.
 * Cancel: only the waiting stops.
 * Ownership: borrows the event until the next step.
 * Threads: the loop's own. */
WEFT_API
int weft_then_event(weft_stackless *self, weft_event *event, weft_step_fn *next);

/** Take units as weft_semaphore_acquire() does, then call `next`.
 *
 * The next step's result: 0, or an error as weft_semaphore_acquire() returns it.
 *
 * Returns: WEFT_THEN, to be returned at once.
 * Errors: as weft_then_sleep().
 * Suspends: never; the step ends.
 * Cancel: nothing is taken; units that were handed over are.
 * Ownership: borrows the semaphore until the next step.
 * Threads: the loop's own. */
WEFT_API
int weft_then_acquire(weft_stackless *self, weft_semaphore *semaphore, size_t count,
                      weft_step_fn *next);

/** Receive a message as weft_subscription_receive() does, then call `next`.
 *
 * The next step's result: how many messages were missed, with the message at `item`, or an error as
 * weft_subscription_receive() returns it.
 *
 * Returns: WEFT_THEN, to be returned at once.
 * Errors: as weft_then_sleep().
 * Suspends: never; the step ends.
 * Cancel: no message is lost: one that was given counts as received.
 * Ownership: borrows `item` until the next step, and the subscription, which may be ended
 *   meanwhile.
 * Threads: the loop's own. */
WEFT_API
int weft_then_subscription(weft_stackless *self, weft_subscription *subscription, void *item,
                           weft_step_fn *next);

/** Wait for a newer value as weft_watch_next() does, then call `next`.
 *
 *     struct reader {
 *         weft_stackless self;
 *         uint64_t seen;
 *         struct config config;
 *         weft_watch_view view;                   { &reader->seen, &reader->config }
 *     };
 *
 * The next step's result: 0 with the value and its number where `view` says, or an error as
 * weft_watch_next() returns it.
 *
 * Returns: WEFT_THEN, to be returned at once.
 * Errors: as weft_then_sleep().
 * Suspends: never; the step ends.
 * Cancel: only the waiting stops; a value that was given is there.
 * Ownership: borrows the watch, `view` and what that names until the next step.
 * Threads: the loop's own. */
WEFT_API
int weft_then_watch(weft_stackless *self, weft_watch *watch, const weft_watch_view *view,
                    weft_step_fn *next);

/** Receive an item as weft_mailbox_receive() does, then call `next`.
 *
 * The next step's result: 0 with the item at `item`, or an error as weft_mailbox_receive() returns
 * it.
 *
 * Returns: WEFT_THEN, to be returned at once.
 * Errors: as weft_then_sleep().
 * Suspends: never; the step ends.
 * Cancel: no item is lost: one that was given counts as received.
 * Ownership: borrows the mailbox and `item` until the next step.
 * Threads: the loop's own, which is the mailbox's. */
WEFT_API
int weft_then_mailbox(weft_stackless *self, weft_mailbox *mailbox, void *item, weft_step_fn *next);

/** Wait until a token is cancelled, then call `next`.
 *
 * The next step's result: 0, or an error as weft_token_wait() returns it.
 *
 * Returns: WEFT_THEN, to be returned at once.
 * Errors: as weft_then_sleep().
 * Suspends: never; the step ends.
 * Cancel: only the waiting stops.
 * Ownership: borrows the token until the next step.
 * Threads: the loop's own. */
WEFT_API
int weft_then_token(weft_stackless *self, weft_token *token, weft_step_fn *next);

/** Read what is there, at most `size` bytes, then call `next`.
 *
 * The next step's result: what weft_read() returns: bytes, 0 at the end of the stream, or an error;
 * also -ENOMEM.
 *
 * Returns: WEFT_THEN, to be returned at once.
 * Errors: as weft_then_sleep().
 * Suspends: never; the step ends. While it waits it takes 128 bytes beside its own, and is the
 *   stream's reader: others get -EBUSY, and weft_close() waits until it has been told WEFT_ECLOSED.
 * Cancel: loses nothing.
 * Ownership: borrows the buffer until the next step.
 * Threads: the loop's own. */
WEFT_API
int weft_then_read(weft_stackless *self, weft_stream *stream, void *buffer, size_t size,
                   weft_step_fn *next);

/** Wait for more bytes in the stream's own input, then call `next`. For connections that are idle
 * for long: no buffer is held meanwhile.
 *
 * The next step's result: what weft_fill() returns: bytes added, 0 at the end of the stream, or an
 * error. weft_stream_input() and weft_read_try() have the bytes.
 *
 * Returns: WEFT_THEN, to be returned at once.
 * Errors: as weft_then_sleep().
 * Suspends: never; the step ends. As weft_then_read().
 * Cancel: loses nothing.
 * Ownership: the bytes are the stream's.
 * Threads: the loop's own. */
WEFT_API
int weft_then_fill(weft_stackless *self, weft_stream *stream, weft_step_fn *next);

/** Write all of `data`, at most the stream's high mark (64 KiB), then call `next`.
 *
 * As weft_write(): first waits for room, while nothing is taken; then takes it whole.
 *
 * The next step's result: 0, or an error as weft_write() returns it; -EINVAL for more than the high
 * mark.
 *
 * Returns: WEFT_THEN, to be returned at once.
 * Errors: as weft_then_sleep().
 * Suspends: never; the step ends. While it waits it takes 128 bytes beside its own, and is the
 *   stream's writer, as weft_then_read() is its reader.
 * Cancel: nothing was taken.
 * Ownership: borrows `data` until the next step.
 * Threads: the loop's own. */
WEFT_API
int weft_then_write(weft_stackless *self, weft_stream *stream, const void *data, size_t size,
                    weft_step_fn *next);

WEFT_END_DECLS

#define weft_then_await(self, x, next) weft_then_await_with((self), weft_any(x), (next))

/* Of a first step and a drop, which may be NULL; in C also `.name = "..."`. */
#ifndef __cplusplus
#    define WEFT_STACKLESS(step, ...)                                                              \
        {                                                                                          \
            .first = (step), .drop = __VA_ARGS__, .function = #step, .site = WEFT_SITE,            \
            .size = sizeof(struct weft_stackless_kind)                                             \
        }
#else
static inline constexpr weft_stackless_kind
weft_stackless_kind_of(weft_step_fn *first, const char *function, const char *site,
                       weft_stackless_drop_fn *drop, const char *name = nullptr)
{
    return weft_stackless_kind{ first, drop, name, function, site, sizeof(weft_stackless_kind) };
}
#    define WEFT_STACKLESS(step, ...) weft_stackless_kind_of((step), #    step, WEFT_SITE, __VA_ARGS__)
#endif

#endif
