#ifndef WF_CORE_FUTURE_H
#define WF_CORE_FUTURE_H

/* Futures, and what every awaitable begins with.
 *
 *     weft_awaitable { kind }
 *      ├── weft_coro                        a function that has not started: coro.c
 *      └── weft_future { result, waiters }
 *           ├── struct wf_promise           set by somebody: future.c
 *           └── weft_task                   set by its function's end: task.c
 *
 * A future is one cache line. While it is pending its list holds who waits, tasks and callbacks in
 * one FIFO; when it is done that list is empty for good, and its link becomes the future's place
 * among the failures of the loop that nobody has read.
 *
 *   - done is set once; before it nobody reads result, after it nobody sets it
 *   - !retrieved: done, failed, in loop->unread; the last reference reports it
 *   - a promise without handles, timer and result has no waiters: they were told WEFT_EABANDONED */

#include "base/list.h"
#include "core/local.h"
#include "core/ready.h"
#include "core/timer.h"
#include "core/waiter.h"

#include <weft/future.h>

struct weft_awaitable {
    uint8_t kind; /* enum weft_awaitable_kind */
};

/* What a function hands back besides its code. */
struct wf_value {
    void *pointer;
    weft_drop_fn *drop; /* NULL: it is nobody's to free */
};

struct weft_future {
    struct weft_awaitable awaitable;
    bool done;
    bool cancelled;      /* done by a cancel that was asked for */
    bool retrieved;      /* somebody has read the result, or nobody has to */
    uint32_t references; /* handles, waiters, callbacks; a task's runtime until it is done */
    int result;
    uint32_t handles;
    weft_loop *loop;
    union {
        struct wf_list waiters; /* pending: struct wf_waiter, in order */
        struct wf_list unread;  /* done, not retrieved: in loop->unread */
    };
    union {
        struct wf_value value; /* result >= 0; a running task's slot for weft_return() */
        char *story;           /* result < 0: what more is to be said of it; NULL */
    };
    const char *site;
};

_Static_assert(sizeof(weft_future) <= 64, "a future is one cache line");

/* A future that a program sets, or a task of another loop: then its kind is this one, which users
 * see as WEFT_AWAITABLE_FUTURE. */
#define WF_AWAITABLE_REMOTE (WEFT_AWAITABLE_TASK + 1)

struct wf_remote;

struct wf_promise {
    weft_future future;
    struct wf_list pending; /* in loop->pending until it is done */
    struct wf_timer timer;  /* weft_sleep_future() */
    union {
        weft_future *origin;      /* whose pointer it passes on, a reference; NULL: its own */
        struct wf_remote *remote; /* of that kind: the task; stale when it is done */
    };
};

/* A callback that waits for a future, then for its turn. */
struct wf_done {
    struct wf_waiter waiter; /* object: the future */
    struct wf_ready ready;
    weft_done_fn *fn; /* NULL: removed while it was queued */
    void *arg;
    weft_drop_fn *drop;
    const char *name, *site;
    struct wf_locals *locals; /* with which it runs */
};

static inline bool wf_is_task(const weft_future *future)
{
    return future->awaitable.kind == WEFT_AWAITABLE_TASK;
}

static inline bool wf_is_remote(const weft_future *future)
{
    return future->awaitable.kind == WF_AWAITABLE_REMOTE;
}

static inline void wf_future_init(weft_future *future, weft_loop *loop,
                                  enum weft_awaitable_kind kind, const char *site)
{
    future->awaitable.kind = (uint8_t)kind;
    future->done = false;
    future->cancelled = false;
    future->retrieved = true;
    future->references = 1;
    future->handles = 1;
    future->loop = loop;
    wf_list_init(&future->waiters);
    future->value = (struct wf_value){ NULL, NULL };
    future->site = site ? site : "?";
}

/* It is done: tell who waits, in order; a result that is not retrieved joins the loop's unread
 * ones.
 */
void wf_future_tell(weft_future *future);

/* PENDING -> DONE. */
static inline void wf_future_settle(weft_future *future, int result)
{
    future->result = result;
    future->done = true;
    if (!wf_list_is_empty(&future->waiters) || !future->retrieved)
        wf_future_tell(future);
}

/* Set the result of one that no program sets; value or story are there. */
void wf_promise_settle(struct wf_promise *promise, int result);

/* The last reference is gone. */
void wf_promise_free(struct wf_promise *promise);
void wf_task_free(weft_task *task);

/* What every future has to give back. */
void wf_future_fini_slowly(weft_future *future);

/* Whether it has nothing to give back. */
static inline bool wf_future_is_plain(const weft_future *future)
{
    return future->done && future->retrieved && future->result >= 0 && !future->value.drop;
}

static inline void wf_future_fini(weft_future *future)
{
    if (WF_UNLIKELY(!wf_future_is_plain(future)))
        wf_future_fini_slowly(future);
}

/* The last reference of a failure that nobody has read is gone: report it. True when the handler
 * has kept the future. */
bool wf_future_outlives_report(weft_future *future);

static inline void wf_future_unref(weft_future *future)
{
    wf_assert(future->references > 0);
    if (--future->references > 0)
        return;
    if (WF_UNLIKELY(!future->retrieved) && wf_future_outlives_report(future))
        return;
    if (WF_LIKELY(wf_is_task(future)))
        wf_task_free((weft_task *)future);
    else
        wf_promise_free(wf_container(future, struct wf_promise, future));
}

/* The failure of one that is done counts as read. */
void wf_future_retrieve(weft_future *future);

/* Its pointer is somebody else's to free from now on. */
static inline void wf_future_give_away(weft_future *future)
{
    if (future->result >= 0)
        future->value.drop = NULL;
}

/* The result of one that is done; it counts as read. */
int wf_future_read(weft_future *future, void **value);

/* Park until it is done; its result. The task has entered. */
int wf_future_wait(weft_task *self, weft_future *future, void **value);

/* WEFT_ETHREAD or -ESHUTDOWN, in words, for one that is awaited in another loop than its own. */
int wf_future_refuse_loop(const weft_future *future);

/* "task 'f' (spawned at x.c:3)", "the future made at x.c:3". */
struct wf_future_text {
    char text[160];
};
struct wf_future_text wf_future_describe(const weft_future *future);

/* How a task waits: for ever; until some time at the latest; or so that it cancels and joins what
 * it waits for, whatever the limit. */
enum wf_patience { WF_PATIENT, WF_LIMITED, WF_OWNING };

/* Whether it cannot be done before `task`, which is about to wait for it, has ended: it is that
 * task, or has it in a scope, or waits for such a one. A wait with a limit closes no circle, unless
 * it owns what it waits for. Looks at some hundred waits; who is in a longer circle will be found
 * to be blocked. */
bool wf_future_depends_on(const weft_future *future, const weft_task *task,
                          enum wf_patience patience);

/* -EDEADLK and its sentence for who waits for such a one. */
int wf_future_would_deadlock(const weft_future *future, const weft_task *task);

/* 0 or WEFT_ETHREAD. */
int wf_future_check_thread_slowly(const weft_future *future);

static inline int wf_future_check_thread(const weft_future *future)
{
    return WF_LIKELY(future->loop == wf_running) ? 0 : wf_future_check_thread_slowly(future);
}

/* It will not be told to anybody: give back the callbacks that wait for it. */
void wf_future_drop_callbacks(weft_future *future);

/* The loop ends: nobody will set what is pending. */
void wf_futures_abandon(weft_loop *loop);

/* The loop ends: report the failures that nobody has read. */
void wf_futures_report_unread(weft_loop *loop);

/* Tell the loop's exception handler of the failure of a future that is done. */
void wf_future_raise(weft_future *future, const char *how);

/* A maker of awaitables fails with err: what weft_await(NULL) will say. Always NULL. */
void *wf_not_made(int err);

/* What the last maker that failed on this thread said; -ENOMEM when none has. */
int wf_maker_error(void);

#endif
