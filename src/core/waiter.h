#ifndef WF_CORE_WAITER_H
#define WF_CORE_WAITER_H

/* The waist: everything that waits is a waiter.
 *
 *              wf_wake                       a result
 *     ARMED ───────────────────────> DONE ──────────────> waiter->wake(waiter), exactly once
 *       │                             ↑ ↑
 *       │ wf_abort: ops->abort(w) = true│ │ wf_wake: a success is kept, else -ECANCELED
 *       ├─────────────────────────────┘ │
 *       └── false: "not yet" ──> ABORTING
 *
 * A waiter lives in the frame or object that waits. Who completes it (a queue, a timer, the kernel)
 * calls wf_wake(); who gives it up (a cancel, a deadline) calls wf_abort(). In ABORTING the kernel
 * or a thread still holds the waiter's memory: only the completion ends it.
 *
 *   - abort is called at most once; without an abort function the wait cannot be cancelled
 *   - a granted waiter (DONE) is never turned into a cancel
 *   - wake is called exactly once, never from inside wf_park's caller before it parks
 *
 * wf_park() is the stackful front: it suspends the current task until its waiter is done. Stackless
 * tasks, parked connections and select cases use the same waiter with another wake.
 *
 * Who waits for several things at once, or without a stack, knows an object by its ops alone:
 * take() asks for what can be had without waiting, join() takes a place in the object's line,
 * abort() gives it up, and settle() serves who stood behind it: apart, because who gives up several
 * places must have left them all before anybody is served. */

#include "base/list.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wf_waiter;
struct weft_future;
struct weft_loop;

/* The loop that runs on this thread; NULL. */
extern _Thread_local struct weft_loop *wf_running;

enum wf_quorum { WF_QUORUM_ONE, WF_QUORUM_ALL, WF_QUORUM_ANY };

struct wf_wait_ops {
    const char *kind;                   /* "sleep", "task", "read": what it waits for */
    bool (*abort)(struct wf_waiter *w); /* true: gone now; false: not yet. NULL: uncancellable */
    /* The futures it waits for: the next one at or after place *at, which moves past it; NULL after
     * the last. No function: it waits for something else. */
    struct weft_future *(*awaits)(const struct wf_waiter *w, size_t *at);
    uint8_t quorum; /* enum wf_quorum: how many of those */
    bool owns;      /* given up, it cancels them and waits for their end */
    bool next;      /* who is served runs next: see wf_wake_task_next() */
    /* What the waiter wants, at once: true with the result, or false. */
    bool (*take)(struct wf_waiter *w, int64_t *result);
    /* Take a place in the object's line, after take() has said false. */
    void (*join)(struct wf_waiter *w);
    /* After abort() has let it go: serve those whom it has kept waiting. No function: nobody. */
    void (*settle)(struct wf_waiter *w);
    /* What it waits for, in words; returns `text`. No function: `kind` says it. */
    const char *(*describe)(const struct wf_waiter *w, char *text, size_t size);
    /* Without a stack: what a task does behind wf_park(), in the waiter's own turn; the result. No
     * function: there is nothing to do. */
    int64_t (*finish)(struct wf_waiter *w);
};

enum wf_wait_state { WF_WAIT_ARMED, WF_WAIT_ABORTING, WF_WAIT_DONE };

struct wf_waiter {
    struct wf_list link; /* in the object's queue, if it has one */
    const struct wf_wait_ops *ops;
    void (*wake)(struct wf_waiter *w);
    void *object; /* what it waits for */
    void *owner;  /* who waits: the task for wf_park */
    union {
        int64_t result; /* DONE */
        void *item;     /* before: where what it waits for goes to, or comes from */
        uint64_t need;  /* before: how much of it */
    };
    uint8_t state; /* enum wf_wait_state */
    bool aborted;  /* the result is the cancel's */
    /* Of who waits without a stack; others leave these alone. */
    uint16_t phase : 4;
    uint16_t spins : 12; /* times -ECANCELED was handed out in a row */
    uint32_t since;      /* the loop's `looked` when it was armed */
};

/* Wake a parked task: the wake of every waiter that goes through wf_park(). */
void wf_wake_task(struct wf_waiter *w);

/* The same for who is served by a running task and goes on from there: it runs next. */
void wf_wake_task_next(struct wf_waiter *w);

/* ARMED or ABORTING -> DONE. */
static inline void wf_wake(struct wf_waiter *w, int64_t result)
{
    wf_assert(w->state != WF_WAIT_DONE);
    w->aborted = w->state == WF_WAIT_ABORTING && result < 0;
    w->result = w->aborted ? -ECANCELED : result;
    w->state = WF_WAIT_DONE;
    w->wake(w);
}

/* ARMED -> DONE or ABORTING; anything else, or uncancellable: nothing. */
void wf_abort(struct wf_waiter *w);

/* What it waits for, in words, with the names of tasks and futures: `text`. */
const char *wf_wait_describe(const struct wf_waiter *w, char *text, size_t size);

/* Suspend the current task until its armed waiter is done; the result.
 * Aborts the process when the frame holds a dead open scope (semantics 13). */
int64_t wf_park(struct wf_waiter *w);

#endif
