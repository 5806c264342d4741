#ifndef WF_CORE_LOOP_H
#define WF_CORE_LOOP_H

/* What is behind weft_loop. The story of a turn is in loop.c. */

#include "base/slab.h"
#include "context/stack.h"
#include "core/call.h"
#include "core/census.h"
#include "core/exception.h"
#include "core/fork.h"
#include "core/ready.h"
#include "core/scope.h"
#include "core/shuffle.h"
#include "core/shutdown.h"
#include "core/task.h"
#include "core/timer.h"
#include "io/alternate.h"
#include "io/clock.h"
#include "io/inbox.h"
#include "io/io.h"
#include "io/pool.h"
#include "io/spin.h"

#include <stdatomic.h>
#include <weft/loop.h>

#define WF_SLICE            (500 * WEFT_MICROSECOND) /* of tasks before timers and I/O get a look */
#define WF_POLL_INTERVAL    (20 * WEFT_MICROSECOND)  /* of busy turns before the kernel is asked */
#define WF_RESUMES_PER_LOOK 32                       /* switches between two looks at the ticks */
#define WF_LIFO_MAX         3                        /* hand-overs in a row */
#define WF_GRACE            (10 * WEFT_SECOND)

/* Something that wants to be called once at the end of the turn: a stream with bytes to send. */
struct wf_turn_hook {
    struct wf_list link; /* linked to itself when it is not waiting */
    void (*run)(struct wf_turn_hook *hook);
};

/* Something that users must close before the loop ends. */
struct wf_end_hook {
    struct wf_list link; /* among the loop's end_hooks until it is closed */
    /* Called twice for what was left open. First while tasks may still run: it may start one, which
     * the loop waits for. Then, `refused`, when none will: it is out of the list and frees itself.
     */
    void (*run)(struct wf_end_hook *hook, bool refused);
};

/* The loop's thread counts, its watchdog's reads: neither waits for the other. */
struct wf_loop_counters {
    _Atomic uint64_t turns, resumes, polls, callbacks;
    uint64_t spawns;
};

static inline void wf_count(_Atomic uint64_t *counter)
{
    uint64_t count = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, count + 1, memory_order_relaxed);
}

/* Who looks over the loops' shoulders: the torture driver. */
struct wf_loop_watch {
    void (*born)(weft_loop *loop);
    /* At the entry of each suspending call, and again when its waiter is armed and the task is
     * about to park: the points at which a cancel may come. */
    void (*suspends)(weft_loop *loop, weft_task *task);
    void (*dies)(weft_loop *loop); /* nothing runs any more; its parts are still there */
    /* As suspends(), of who waits without a stack; NULL: nobody looks. */
    void (*waits)(weft_loop *loop, struct wf_member *member);
    /* On a thread that this one has made for a loop of a group, while this one waits for it: it
     * begins to make the loop, and has done so. May be NULL. */
    void (*helps)(bool begins);
};

/* For the loops that this thread makes from now on. */
extern _Thread_local const struct wf_loop_watch *wf_loop_watch;

struct weft_loop {
    /* Touched by every switch. */
    weft_task *current; /* who runs; &root when no task does */
    struct wf_ready_queue ready;
    weft_task *lifo; /* handed the processor by the running task */
    /* Items of the turn that have not run. Kept away from ready.count: together they become one
     * vector, slow to load. */
    size_t turn_left;
    const struct wf_loop_watch *watch; /* NULL: nobody watches */
    uint32_t until_look;               /* resumes before the ticks are read */
    uint32_t lifo_used;
    uint32_t looked;    /* wf_loop_moment() when the ticks were read last */
    bool direct_turns;  /* tasks may begin a turn; not with the test clock */
    bool notes_work;    /* what is new puts a shutdown off */
    uint64_t slice_end; /* ticks */
    uint64_t last_poll; /* ticks */

    weft_task *unstartable; /* there was no fiber for it: on the way to the dispatcher */
    struct wf_fibers fibers;
    struct wf_stack_pool stacks;
    struct wf_slab tasks;
    struct wf_slab names; /* struct wf_task_name */
    struct wf_slab promises;
    struct wf_slab dones; /* struct wf_done */
    struct wf_timers timers;
    struct wf_calls calls;
    struct wf_list turn_hooks; /* struct wf_turn_hook */

    struct wf_clock clock;
    struct wf_io *io;
    const struct wf_io_ops *io_ops;
    const char *io_reason;
    struct wf_inbox *inbox;
    struct wf_spin spin;      /* its bound is 0 with the test clock */
    bool mail_came;           /* since it was last asked; likewise */
    uint64_t asked;           /* ticks when the kernel was asked last; kept where it may spin */
    struct wf_mail *arrived;  /* out of the inbox, behind the one that is at hand */
    struct wf_pool *pool;     /* weft_blocking()'s own; made at first use */
    struct wf_pool *resolver; /* getaddrinfo's; likewise */
    size_t jobs;              /* on pools for this loop, and calls about files: under way */
    size_t foreign;           /* things that another loop has to do for this one */

    struct wf_scope background;
    struct wf_list pending;   /* struct wf_promise */
    struct wf_list unread;    /* weft_future: failed, and nobody has read it */
    struct wf_list lingering; /* streams that still flush after their close */
    struct wf_list end_hooks; /* struct wf_end_hook */
    void *net;                /* the net layer's per-loop state */
    void (*net_free)(weft_loop *loop);
    bool (*mailbox_may_bring)(const weft_loop *loop); /* NULL: it never had one */
    /* A generator's by its stack; NULL: it never had one. */
    void (*generator_names)(const struct wf_fiber *fiber, const char **name, const char **site);
    struct wf_outbox *outbox; /* the mailboxes that its tasks have sent to; NULL: none yet */

    const struct wf_callback *callback; /* that runs now; NULL */
    weft_task *interrupted;             /* on whose stack user code runs that is no task's; NULL */
    struct wf_exception_handler exception_handler;
    struct wf_watchdog *watchdog; /* of this run; NULL */
    struct wf_alternate *alternate;
    int64_t slow_step; /* 0: the default */

    weft_task root;               /* the dispatcher: this thread's own stack */
    struct wf_fiber thread_fiber; /* the root's: this thread's own stack */
    struct wf_loop_counters counters;
    struct wf_census census;
    struct wf_shuffle shuffle;
    struct wf_random dice; /* wf_loop_dice(); all zero: nobody has thrown them yet */
    uint64_t chance;       /* wf_loop_chance() */
    uint64_t thread;       /* whose loop this is */
    weft_loop *older;      /* made before by this thread */
    atomic_int references;
    int references_own; /* of these nobody posts by: the owner's, the interrupt handler's */
    atomic_uint posts;  /* waiting weft_post()s */
    uint32_t posts_max;
    int64_t grace;
    struct wf_timer grace_timer;
    weft_task *main;             /* weft_run()'s; NULL */
    struct wf_group *group;      /* the loops of its weft_run(); NULL: there are no others */
    unsigned index;              /* in the group */
    struct wf_shutdown shutdown; /* of its run, where it is loop 0 */
    bool shut_down;              /* main was cancelled for it */
    bool awaits_group;           /* it has wound down, and the others have not */
    bool grace_begun;
    bool grace_over;
    bool reports_overflows;
    bool debug;        /* a watchdog looks after each run, and the census is exact */
    bool blocked_told; /* in this run: nothing can happen any more */
    bool running;
    bool stopping;
    bool ending; /* in weft_loop_free(): waits for nobody but the background */
    bool closed;
    bool dropping;        /* user code that is no task's runs on a task's stack */
    bool tasks_abandoned; /* their stacks stay mapped */
};

/* The loops that this thread made and has not freed, through older; NULL. */
extern _Thread_local weft_loop *wf_newest;

static inline bool wf_in_task(const weft_loop *loop)
{
    return loop && loop->current != &loop->root;
}

/* What a suspending call starts with: 0 and the current task; -EPERM outside a task; -ECANCELED,
 * delivered. May give up the processor for a turn when the budget is used up. `frame`: what lies
 * below it is dead. `task` may be NULL. */
int wf_enter_slowly(weft_task **task, const void *frame);

/* The same where nothing is to be done: NULL otherwise, and nothing has been counted. */
static WF_ALWAYS_INLINE weft_task *wf_enter_quickly(void)
{
    const weft_loop *loop = wf_running;
    if (WF_UNLIKELY(!loop || loop->watch))
        return NULL;
    weft_task *task = loop->current; /* the root has no budget */
    if (WF_UNLIKELY(task->budget <= 1 || task->innermost->effective))
        return NULL;
    task->budget--;
    task->spins = 0;
    return task;
}

/* A call that the kernel has served at once counts as several, and more the more bytes it has
 * moved: it takes microseconds where others take nanoseconds, and who reads and writes without ever
 * waiting must not keep the rest waiting for long. */
static inline void wf_charge_transfer(const weft_loop *loop, size_t bytes)
{
    weft_task *task = loop->current; /* the root has no budget */
    size_t cost = WF_TRANSFER_COST + bytes / WF_TRANSFER_BYTES;
    if (task->budget > cost)
        task->budget = (uint16_t)(task->budget - cost);
    else if (task->budget > 1)
        task->budget = 1;
}

/* Its caller's frame must stay while it waits, because it holds `task`: so backtraces name it. */
static inline int wf_enter(weft_task **out)
{
    weft_task *task = wf_enter_quickly();
    if (WF_UNLIKELY(!task))
        return wf_enter_slowly(out, wf_context_stack_pointer());
    *out = task;
    return 0;
}

/* For those that are called most: they end by a jump to where they wait, which spares a return that
 * the processor predicts wrong, and their names in backtraces. */
static inline int wf_enter_passing(void)
{
    return WF_LIKELY(wf_enter_quickly() != NULL)
               ? 0
               : wf_enter_slowly(NULL, wf_context_stack_pointer());
}

/* Semantics 13: a scope whose frame has returned would be corrupted by whoever runs next. */
static inline void wf_check_open_scope(const weft_task *task, const void *frame)
{
    const struct wf_region *innermost = task->innermost;
    if (WF_UNLIKELY(innermost != &task->member.region &&
                    wf_context_is_dead_below(&task->fiber->context, innermost, frame)))
        wf_scope_left_open(task);
}

/* The same where the scope is about to be used: its memory may also be in use again, by the very
 * functions that ask. */
static inline void wf_check_innermost(const weft_task *task, const void *frame)
{
    wf_check_open_scope(task, frame);
    const struct wf_region *innermost = task->innermost;
    if (WF_UNLIKELY(innermost != &task->member.region &&
                    (wf_scope_of_region(innermost)->magic != WF_SCOPE_MAGIC ||
                     wf_scope_of_region(innermost)->owner != task)))
        wf_scope_left_open(task);
}

/* Put a parked or yielding task at the queue's end. */
static inline void wf_task_make_ready(weft_task *task)
{
    task->state = WF_TASK_READY;
    wf_ready_push(&task->future.loop->ready, &task->ready);
}

/* The current task has begun with a function of the library's, which now calls a user's: it is that
 * one whose stack is told of (census.h). */
static inline void wf_task_calls(wf_entry_fn *fn)
{
    wf_running->current->fn = (weft_fn *)fn;
}

/* Arm a waiter for the current task; link is left to the caller. */
static inline void wf_waiter_arm(struct wf_waiter *w, const struct wf_wait_ops *ops, void *object)
{
    w->ops = ops;
    w->wake = wf_wake_task;
    w->object = object;
    w->owner = wf_running->current;
    w->state = WF_WAIT_ARMED;
    w->aborted = false;
}

/* See that a task has a fiber to run on. -ENOMEM. */
static inline int wf_task_prepare(weft_task *task)
{
    if (task->fiber)
        return 0;
    task->fiber = wf_fiber_take(&task->future.loop->fibers, task->fiber_class);
    if (WF_UNLIKELY(!task->fiber))
        return wf_fiber_make(task, 0);
    task->fiber->task = task;
    return 0;
}

/* On the dispatcher: run what is ready now, until it has run or the slice is over. */
void wf_dispatch_turn(weft_loop *loop);

/* Run a new task up to its first suspension, then come back; where that cannot be, queue it.
 * `frame`: of who spawns it. Always 0. */
int wf_dispatch_eager(weft_task *task, const void *frame);

/* Hand the processor to a started task that the running task has just served: it runs next, before
 * the queue, at most WF_LIFO_MAX times in a row. Who is served after it, before it has run, goes to
 * the queue: they run in the order of being served. For channels, mutexes and queues. */
void wf_hand_over(weft_task *task);

/* Coarse time, for who asks how long a task has been parked: ticks with the real clock, nanoseconds
 * with the test clock, both in units of 2^WF_MOMENT_SHIFT. Wraps after some weeks. */
#define WF_MOMENT_SHIFT 20
static inline uint32_t wf_loop_moment(const weft_loop *loop, uint64_t ticks)
{
    uint64_t time = WF_UNLIKELY(loop->clock.test) ? (uint64_t)loop->clock.now : ticks;
    return (uint32_t)(time >> WF_MOMENT_SHIFT);
}

/* Have `hook` run at the end of this turn. Again: nothing. */
static inline void wf_turn_hook_arm(weft_loop *loop, struct wf_turn_hook *hook)
{
    if (wf_list_is_empty(&hook->link))
        wf_list_push_back(&loop->turn_hooks, &hook->link);
}

/* Take a ready callback back before it runs. */
void wf_loop_unready(weft_loop *loop, struct wf_ready *item);

/* From now on everybody has the grace to end, and then the loop does. Again: nothing. */
void wf_loop_begin_grace(weft_loop *loop);

/* What weft_run() does with each of its loops. A loop; its first task, by these options. */
int wf_loop_make(weft_loop **loop, const struct weft_loop_options *options);
int wf_loop_spawn_main(weft_loop *loop, weft_fn *fn, const struct weft_loop_options *options,
                       weft_task **task);

/* Run while this holds, asked between two turns, but not beyond the grace. */
void wf_loop_run_while(weft_loop *loop, bool (*holds)(const weft_loop *loop));

/* Take mail back that the loop's end has not told yet. */
void wf_loop_unrefuse(weft_loop *loop, const struct wf_mail *mail);

/* Take what other threads have sent and make it ready. */
void wf_loop_deliver_mail(weft_loop *loop);

/* The loop's dice, seeded at the first call: anew in each process, but for runs that must repeat.
 */
struct wf_random *wf_loop_dice(weft_loop *loop);

/* Fair, fast and the same in each run: one of `count`, none of which is to be starved. */
static inline size_t wf_loop_chance(weft_loop *loop, size_t count)
{
    loop->chance = loop->chance * UINT64_C(6364136223846793005) + 1;
    return (size_t)((loop->chance >> 32) * (uint32_t)count >> 32);
}

/* Park the current task, which has entered, until the clock says `when`. 0; -ECANCELED. */
int wf_sleep_until(weft_task *task, int64_t when);

/* now + duration, without overflow. */
int64_t wf_deadline_after(weft_loop *loop, int64_t duration);

/* Call user code that is no task's: it may not suspend, though it may stand on the stack of one of
 * the loop's. NULL: no loop runs. */
void wf_drop(weft_loop *loop, weft_drop_fn *drop, void *arg);

/* Where a call was written; C++ does not say. */
static inline const char *wf_site(const char *site)
{
    return site ? site : "?";
}

/* A sentence about misuse: kept for weft_error_detail(), logged once. Returns err. */
WF_COLD WF_PRINTF(2, 3) int wf_misuse(int err, const char *format, ...);

/* The one pool behind weft_blocking() and the one behind name lookups; NULL: no memory. */
struct wf_pool *wf_loop_pool(weft_loop *loop);
struct wf_pool *wf_loop_resolver(weft_loop *loop);

#endif
