#ifndef WF_CORE_TASK_H
#define WF_CORE_TASK_H

/* Tasks.
 *
 *     NEW ──dispatched──> RUNNING <──────> READY        in the loop's queue
 *      │                    │  ↑             ↑
 *      │ cancelled first    │  └── wf_wake ──┤
 *      │                    ├──> PARKED ─────┘          on a waiter
 *      ↓                    ↓
 *     DONE <────────────────┘                           result readable while handles live
 *
 * A task is a future that its function sets. A new one has no stack: it takes a fiber when it is
 * first dispatched, and leaves it when its body returns. The future's references count the runtime
 * (until DONE), handles and waiters; with the last one the task goes back to its slab. */

#include "core/fiber.h"
#include "core/future.h"
#include "core/local.h"
#include "core/ready.h"
#include "core/region.h"
#include "core/waiter.h"

#include <weft/task.h>

#define WF_TASK_BUDGET     128 /* suspending calls without a suspension, then one turn for others */
#define WF_TRANSFER_COST   8   /* of the budget: one with the kernel */
#define WF_TRANSFER_BYTES  256 /* one more for so many bytes */
#define WF_TASK_NAME_MAX   31
#define WF_TASK_COPY_MAX   1024
#define WF_TASK_STACK_SIZE (64u << 10)
#define WF_STORY_SIZE      512  /* of a failed task; behind it there is room for its name */
#define WF_CANCEL_SPIN_MAX 1000 /* -ECANCELED in a row before each costs a pause */

enum wf_task_state { WF_TASK_NEW, WF_TASK_READY, WF_TASK_RUNNING, WF_TASK_PARKED, WF_TASK_DONE };

struct wf_task_name {
    char text[WF_TASK_NAME_MAX + 1];
};

struct weft_task {
    weft_future future;     /* first; a line of its own: switches do not touch it */
    struct wf_fiber *fiber; /* NULL: not begun, or ended */
    struct wf_ready ready;  /* in the loop's queue; run == NULL marks a task */
    struct wf_region
        *innermost;           /* where its code is: its own region or its innermost open scope's */
    struct wf_waiter *parked; /* what it waits for */
    uint8_t state;            /* enum wf_task_state */
    bool owned_name;          /* name is a struct wf_task_name */
    uint8_t fiber_class;      /* of the stack it needs */
    uint16_t budget;          /* suspending calls left before a forced turn; the root has none */
    uint16_t cancel_requests;
    uint32_t spins;     /* times -ECANCELED was handed out in a row */
    uint32_t parked_at; /* the loop's `looked` when it stopped */
    weft_task *resumer; /* who started it eagerly and goes on at its first suspension */
    struct wf_member
        member;             /* region, and its place in the scope; the last that switches look at */
    uint64_t identity;      /* in the process: its loop's number, and its own in the lower half */
    const char *scope_site; /* of the innermost open scope; stays true when its frame is dead */
    weft_fn *fn;
    void *arg;
    weft_drop_fn *drop;
    struct wf_locals *locals; /* its values; NULL: none, or it has ended */
    const char *name;
};

/* The n-th that its loop has spawned. */
static inline uint32_t wf_task_number(const weft_task *task)
{
    return (uint32_t)task->identity;
}

static inline weft_task *wf_task_of_member(const struct wf_member *member)
{
    return wf_container(member, weft_task, member);
}

/* Others are servers and parked clients. */
bool wf_member_is_task(const struct wf_member *member);

/* The next task after `region`, which is the background's or a task's, through all that live; NULL
 * after the last. */
weft_task *wf_task_next(const weft_loop *loop, struct wf_region **region);

/* The scopes around a region in words, for wf_free(); behind them there is room for a task's name.
 * NULL without memory. */
char *wf_region_story(const struct wf_region *region);

/* The scope a task was spawned in. */
struct wf_scope *wf_task_scope(const weft_task *task);

/* A task could not be made: what that is to its scope. Returns err. */
int wf_task_spawn_failed(struct wf_scope *scope, int err, const struct weft_spawn_options *options);

/* Give every other ready task one turn; nothing wakes it early. */
void wf_task_yield(weft_task *task);

/* The current task is to be handed -ECANCELED: tell its regions, and slow down who does not
 * listen. */
void wf_task_deliver_cancel(weft_task *task);

/* Run the body and finish: the caller leaves the fiber. */
void wf_task_run(weft_task *task);

/* End a task that never ran. */
void wf_task_finish_unstarted(weft_task *task, int result);

/* 0, or -EINVAL and its sentence. */
int wf_task_check_options(const struct weft_spawn_options *options);

/* Spawn into the background what another thread has asked for: it has no creator here, and who
 * asked hears of a failure. */
int wf_task_spawn_remote(weft_loop *loop, weft_fn *fn, const struct weft_spawn_options *options);

/* The last reference is gone. */
void wf_task_free(weft_task *task);

/* What the function that returned *code handed back through weft_return(); *code becomes 0 then. */
struct wf_value wf_value_take(int *code);

/* What was handed back outside tasks, and nobody took. */
void wf_value_forget(void);

#endif
