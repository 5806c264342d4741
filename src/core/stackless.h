#ifndef WF_CORE_STACKLESS_H
#define WF_CORE_STACKLESS_H

/* What is behind weft_stackless's 128 bytes.
 *
 *            ┌────────── had at once: ANSWERED, at most WF_STACKLESS_BUDGET times ─────────┐
 *            ↓                                                                             │
 *     NEW ──turn──> RUNNING ──weft_then_await, _read, ...──> WAITING ──wf_wake──> READY ──turn
 *      │             │  ├────weft_then_sleep─────────────> SLEEPING ──the timer──> ↑
 *      │             │  └────weft_then_yield────────────────────────────────────────┘
 *      │ cancelled   │ its code
 *      └─────────────┴──> ENDED, out of its scope, dropped: the memory is the user's
 *
 * It is a member of its scope as a task is, a waiter with a wake that puts it into the loop's
 * queue, and in that queue a callback. Only one of the three is in use at a time, so they share
 * memory; what lies over what:
 *
 *     byte of the waiter   0       16     24      32        40      48       56
 *     WAITING              link    ops    wake    object    owner   result   state, spins, since
 *     SLEEPING             timer ─────────────────────────┤ step    result   state, spins, since
 *     READY                ready ┤ ops    wake    object  │ step    result   state, spins, since
 *
 * So the next step, what it will be told, and how often it has ignored a cancel are always there,
 * and ops say for whom it has waited until it runs: their finish(), if they have one, does in its
 * turn what a task does behind wf_park().
 *
 *   - its region has no inner one: a step begins no scope
 *   - while a step runs, the dispatcher's innermost region is its own */

#include "core/ready.h"
#include "core/region.h"
#include "core/timer.h"
#include "core/waiter.h"

#include <weft/stackless.h>

#define WF_STACKLESS_BUDGET 128 /* steps in a row whose waits were over at once */

enum wf_stackless_phase {
    WF_STACKLESS_NEW,
    WF_STACKLESS_READY,
    WF_STACKLESS_RUNNING,
    WF_STACKLESS_ANSWERED,
    WF_STACKLESS_SLEEPING,
    WF_STACKLESS_PAUSED, /* it ignores a cancel: asleep, and nothing wakes it early */
    WF_STACKLESS_WAITING,
    WF_STACKLESS_ENDED,
};

struct wf_stackless {
    struct wf_member member;
    union {
        struct wf_waiter waiter; /* .phase: enum wf_stackless_phase */
        struct wf_timer timer;
        struct {
            struct wf_ready ready;
            const struct wf_wait_ops *ops;
            void (*wake)(struct wf_waiter *w);
            void *object;
            weft_step_fn *step; /* that comes next */
        };
    };
    const weft_stackless_kind *kind;
};

_Static_assert(sizeof(struct wf_stackless) == 128 && sizeof(weft_stackless) == 128,
               "a stackless task is 128 bytes");
_Static_assert(offsetof(struct wf_stackless, step) == offsetof(struct wf_stackless, waiter.owner) &&
                   offsetof(struct wf_stackless, ops) == offsetof(struct wf_stackless, waiter.ops),
               "the next step lies over the waiter's owner");
_Static_assert(sizeof(struct wf_timer) <= offsetof(struct wf_waiter, owner) &&
                   sizeof(struct wf_ready) <= offsetof(struct wf_waiter, ops),
               "what shares the waiter's memory leaves its result alone");

static inline struct wf_stackless *wf_stackless_of(weft_stackless *self)
{
    return (struct wf_stackless *)(void *)self;
}

/* NULL: the member is none. */
struct wf_stackless *wf_stackless_of_member(struct wf_member *member);

const char *wf_stackless_name(const struct wf_stackless *self);
const char *wf_stackless_site(const struct wf_stackless *self);

/* A task or a stackless one, and where it was made, in words: `text`. */
const char *wf_member_describe(const struct wf_member *member, char *text, size_t size);

/* What it waits for, in words: `text`. */
const char *wf_stackless_describe(const struct wf_stackless *self, char *text, size_t size);

static inline bool wf_stackless_is_waiting(const struct wf_stackless *self)
{
    return self->waiter.phase >= WF_STACKLESS_SLEEPING && self->waiter.phase < WF_STACKLESS_ENDED;
}

/* What a weft_then_ function begins with. 0: go on, and end with one of the next two; anything else
 * is to be returned. `call`: its name. */
int wf_stackless_enter(struct wf_stackless *self, weft_step_fn *next, const char *call);

/* It need not wait: the next step is told `result`. WEFT_THEN. */
int wf_stackless_answer(struct wf_stackless *self, int64_t result);

/* It waits, and ops->abort gives that up; the caller puts its waiter where somebody will wake it,
 * before or after. Its owner is nobody's to use. WEFT_THEN. */
int wf_stackless_wait(struct wf_stackless *self, const struct wf_wait_ops *ops, void *object);

/* Wait for what has take() and join(). `item`: where what it waits for goes to, or comes from; the
 * object keeps that pointer until the next step. */
int wf_stackless_then(weft_stackless *self, const struct wf_wait_ops *ops, void *object, void *item,
                      weft_step_fn *next, const char *call);

#endif
