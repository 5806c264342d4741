/* Stackless tasks: steps, what comes between two of them, and their end. The model is in
 * stackless.h. A wait without delay costs no turn: the runner calls step after step in a loop, so
 * neither the stack grows nor anything recurses.
 *
 *     a step and its turn in the queue   some 20 ns; without a turn 15
 *     memory                             128 bytes of the user's, none of ours */

#include "core/stackless.h"

#include "base/error.h"
#include "base/memory.h"
#include "core/coro.h"
#include "core/loop.h"
#include "core/remote.h"

#include <stdio.h>
#include <weft/error.h>
#include <weft/log.h>

#define SPINS_MAX 4095 /* what the counter holds */

static struct wf_stackless *of_waiter(struct wf_waiter *w)
{
    return wf_container(w, struct wf_stackless, waiter);
}

static struct wf_scope *scope_of(const struct wf_stackless *self)
{
    return wf_scope_of_region(self->member.region.outer);
}

static weft_loop *loop_of(const struct wf_stackless *self)
{
    return scope_of(self)->loop;
}

/* Words. */

const char *wf_stackless_name(const struct wf_stackless *self)
{
    const weft_stackless_kind *kind = self->kind;
    return kind->name ? kind->name : kind->function ? kind->function : "stackless";
}

const char *wf_stackless_site(const struct wf_stackless *self)
{
    return wf_site(self->kind->site);
}

const char *wf_stackless_describe(const struct wf_stackless *self, char *text, size_t size)
{
    uint8_t phase = self->waiter.phase;
    if (phase == WF_STACKLESS_WAITING)
        return wf_wait_describe(&self->waiter, text, size);
    snprintf(text, size, "%s",
             phase == WF_STACKLESS_SLEEPING ? "sleep"
             : phase == WF_STACKLESS_NEW    ? "its first turn"
                                            : "its turn");
    return text;
}

const char *weft_stackless_name(const weft_stackless *self)
{
    return self ? wf_stackless_name((const struct wf_stackless *)(const void *)self) : "?";
}

/* Turns. */

static void take_turn(struct wf_ready *item, bool closed);

static void make_ready(struct wf_stackless *self)
{
    self->waiter.phase = WF_STACKLESS_READY;
    self->ready.run = take_turn;
    wf_ready_push(&loop_of(self)->ready, &self->ready);
}

static const struct wf_wait_ops turn_ops = { .kind = "its turn" };

/* Without having waited for anybody. */
static void wake_up(struct wf_stackless *self, int64_t result, bool aborted)
{
    self->waiter.ops = &turn_ops;
    self->waiter.result = result;
    self->waiter.aborted = aborted;
    make_ready(self);
}

static void time_over(struct wf_timer *timer)
{
    struct wf_stackless *self = wf_container(timer, struct wf_stackless, timer);
    wake_up(self, self->waiter.result, false);
}

static int sleep_until(struct wf_stackless *self, enum wf_stackless_phase phase, int64_t when,
                       int64_t result)
{
    weft_loop *loop = loop_of(self);
    self->waiter.phase = phase & 15;
    self->waiter.since = loop->looked;
    self->waiter.result = result;
    wf_timer_init(&self->timer, time_over);
    wf_timer_add(&loop->timers, &self->timer, when);
    return WEFT_THEN;
}

/* Who looks on may cancel it here, as it may anybody who is about to park. */
static int suspends(struct wf_stackless *self)
{
    weft_loop *loop = loop_of(self);
    if (WF_UNLIKELY(loop->watch && loop->watch->waits))
        loop->watch->waits(loop, &self->member);
    return WEFT_THEN;
}

/* Cancelling. */

/* Who waits for such a task waits in vain: weft_run() does, once it was told to end. */
static void report_spin(const struct wf_stackless *self)
{
    const weft_task *main = loop_of(self)->main;
    if (main && main->member.region.effective)
        wf_loop_begin_grace(loop_of(self));
    weft_log(WEFT_LOG_RUNTIME, WEFT_LOG_ERROR,
             "stackless task '%s' (%s) was cancelled (%s) and has ignored -ECANCELED %u times in a "
             "row; each further call is slowed down",
             wf_stackless_name(self), wf_stackless_site(self), wf_region_why(&self->member.region),
             WF_CANCEL_SPIN_MAX);
}

/* The next step is to be told -ECANCELED. How often it was before. */
static unsigned deliver_cancel(struct wf_stackless *self)
{
    unsigned spins = self->waiter.spins;
    wf_region_tell(&self->member.region);
    if (spins == WF_CANCEL_SPIN_MAX)
        report_spin(self);
    if (spins < SPINS_MAX)
        self->waiter.spins = (spins + 1) & SPINS_MAX;
    return spins;
}

/* Each costs a turn, and who does not listen a pause. */
static int refuse(struct wf_stackless *self)
{
    if (deliver_cancel(self) > WF_CANCEL_SPIN_MAX)
        return sleep_until(self, WF_STACKLESS_PAUSED,
                           wf_deadline_after(loop_of(self), WEFT_MILLISECOND), -ECANCELED);
    wake_up(self, -ECANCELED, false);
    return WEFT_THEN;
}

/* What it waits for is to be given up; what has come already is not. */
static void give_up(struct wf_stackless *self)
{
    if (self->waiter.phase == WF_STACKLESS_WAITING) {
        wf_abort(&self->waiter);
    } else if (self->waiter.phase == WF_STACKLESS_SLEEPING) {
        wf_timer_cancel(&loop_of(self)->timers, &self->timer);
        wake_up(self, -ECANCELED, true);
    }
}

/* What a scope's member is. */

static const char *member_name(const struct wf_member *member)
{
    return wf_stackless_name(wf_container(member, struct wf_stackless, member));
}

static void member_cancelled(struct wf_member *member)
{
    give_up(wf_container(member, struct wf_stackless, member));
}

/* Whom it waits for may still wake it: its memory stays as it is. */
static void member_abandon(struct wf_member *member)
{
    const struct wf_stackless *self = wf_container(member, struct wf_stackless, member);
    char text[256];
    weft_log(WEFT_LOG_RUNTIME, WEFT_LOG_ERROR,
             "stackless task '%s' (%s) was destroyed while pending: it still waits for %s",
             wf_stackless_name(self), wf_stackless_site(self),
             wf_stackless_describe(self, text, sizeof text));
}

static const struct wf_member_ops stackless_member_ops = { member_name, member_cancelled,
                                                           member_abandon };

struct wf_stackless *wf_stackless_of_member(struct wf_member *member)
{
    return member && member->ops == &stackless_member_ops
               ? wf_container(member, struct wf_stackless, member)
               : NULL;
}

const char *wf_member_describe(const struct wf_member *member, char *text, size_t size)
{
    const struct wf_stackless *self = wf_container(member, struct wf_stackless, member);
    const weft_task *task = wf_task_of_member(member);
    if (wf_member_is_task(member))
        snprintf(text, size, "task '%s' (spawned at %s)", task->name, task->future.site);
    else if (member->ops == &stackless_member_ops)
        snprintf(text, size, "stackless task '%s' (%s)", wf_stackless_name(self),
                 wf_stackless_site(self));
    else
        snprintf(text, size, "%s", member->ops->name(member));
    return text;
}

/* Birth. */

WF_NOINLINE int weft_stackless_spawn(weft_scope *opaque, weft_stackless *public,
                                     const weft_stackless_kind *kind)
{
    struct wf_scope *scope = (struct wf_scope *)opaque;
    struct wf_stackless *self = wf_stackless_of(public);
    int err = wf_scope_admit(scope, __builtin_frame_address(0));
    if (err < 0)
        return err;
    *self = (struct wf_stackless){ .member.ops = &stackless_member_ops, .kind = kind };
    wf_region_init(&self->member.region, &scope->region, WF_REGION_MEMBER, false);
    wf_scope_join(scope, &self->member);
    if (WF_UNLIKELY(scope->loop->notes_work) && scope == &scope->loop->background)
        wf_shutdown_note(scope->loop);
    self->waiter.ops = &turn_ops;
    self->step = kind->first;
    make_ready(self);
    self->waiter.phase = WF_STACKLESS_NEW;
    return 0;
}

void weft_stackless_cancel(weft_stackless *public, const char *why)
{
    struct wf_stackless *self = wf_stackless_of(public);
    if (!self || !self->kind || self->waiter.phase == WF_STACKLESS_ENDED)
        return;
    if (loop_of(self)->thread != wf_this_thread())
        wf_misuse(WEFT_ETHREAD, "stackless task '%s' (%s) was used from another thread",
                  wf_stackless_name(self), wf_stackless_site(self));
    else if (!loop_of(self)->closed)
        wf_region_cancel(&self->member.region, why);
}

/* Death. */

/* Semantics 8: nobody holds a handle, so where the scope does not deliver a failure it is told at
 * once, with the scopes around it. */
static void report_failure(const struct wf_stackless *self, int code)
{
    char *story = wf_region_story(self->member.region.outer);
    weft_exception exception = { .error = code,
                                 .name = wf_stackless_name(self),
                                 .site = wf_stackless_site(self),
                                 .made = "defined",
                                 .scopes = story };
    wf_exception_raise(loop_of(self), &exception, "stackless task '%s' failed", exception.name);
    wf_free(story);
}

/* What its code is to its scope: 0 or a failure. */
static int failure_of(struct wf_stackless *self, int code)
{
    if (code >= 0)
        return 0;
    if (code == -ECANCELED && self->member.region.effective) {
        wf_region_tell(&self->member.region);
        return 0;
    }
    if (scope_of(self)->isolate)
        report_failure(self, code);
    return code;
}

/* After the drop the memory may be gone. */
static void finish(struct wf_stackless *self, int code)
{
    struct wf_scope *scope = scope_of(self);
    const weft_stackless_kind *kind = self->kind;
    self->waiter.phase = WF_STACKLESS_ENDED;
    wf_scope_part(scope, &self->member, failure_of(self, code), wf_stackless_site(self));
    if (kind->drop)
        kind->drop((weft_stackless *)(void *)self);
}

/* Running. */

/* The one whose step runs now; NULL. */
static struct wf_stackless *running(void)
{
    const struct wf_callback *callback = wf_callback_running();
    return callback && callback->is_step ? callback->arg : NULL;
}

static int64_t result_of(struct wf_stackless *self)
{
    struct wf_waiter *w = &self->waiter;
    int64_t result = w->ops->finish ? w->ops->finish(w) : w->result;
    if (w->aborted)
        deliver_cancel(self);
    w->ops = &turn_ops;
    w->aborted = false;
    return result;
}

static int run_step(weft_loop *loop, struct wf_stackless *self)
{
    struct wf_callback callback = {
        .arg = self, .name = wf_stackless_name(self), .site = self->kind->site, .is_step = true
    };
    int64_t result = result_of(self);
    struct wf_locals *around = wf_locals_enter(loop, NULL);
    self->waiter.phase = WF_STACKLESS_RUNNING;
    loop->root.innermost = &self->member.region;
    loop->callback = &callback;
    loop->counters.callbacks++;
    int code = self->step((weft_stackless *)(void *)self, result);
    loop->callback = NULL;
    loop->root.innermost = &loop->root.member.region;
    wf_locals_leave(loop, around);
    return code;
}

static int end_misused(weft_stackless *self, int64_t result)
{
    (void)self, (void)result;
    return -EINVAL;
}

/* A wait that the step's code contradicts: it is given up, and then the task ends. */
static void misused(struct wf_stackless *self)
{
    self->step = end_misused;
    give_up(self);
}

/* Neither waits nor ends. */
static int went_nowhere(const struct wf_stackless *self)
{
    return wf_misuse(-EINVAL,
                     "a step of stackless task '%s' (%s) returned WEFT_THEN, but has asked for "
                     "nothing to wait for",
                     wf_stackless_name(self), wf_stackless_site(self));
}

static void waits_and_ends(struct wf_stackless *self, int code)
{
    if (self->step != end_misused)
        wf_misuse(-EINVAL,
                  "a step of stackless task '%s' (%s) returned %d, although it has asked to wait",
                  wf_stackless_name(self), wf_stackless_site(self), code);
    misused(self);
}

/* False: it must not run on now. */
static bool may_go_on(struct wf_stackless *self, int code)
{
    bool is_armed = self->waiter.phase != WF_STACKLESS_RUNNING;
    if (WF_UNLIKELY(is_armed && code != WEFT_THEN))
        waits_and_ends(self, code);
    else if (!is_armed)
        finish(self, code == WEFT_THEN ? went_nowhere(self) : code);
    return is_armed && self->waiter.phase == WF_STACKLESS_ANSWERED;
}

static void take_turn(struct wf_ready *item, bool closed)
{
    struct wf_stackless *self = wf_container(item, struct wf_stackless, ready);
    weft_loop *loop = loop_of(self);
    if (self->waiter.phase == WF_STACKLESS_NEW && self->member.region.effective) {
        finish(self, -ECANCELED);
        return;
    }
    if (closed) /* it is abandoned next */
        return;
    for (int budget = WF_STACKLESS_BUDGET; budget > 0; budget--)
        if (!may_go_on(self, run_step(loop, self)))
            return;
    make_ready(self);
}

/* What steps ask for. */

static int refuse_second(struct wf_stackless *self, const char *call)
{
    int err = wf_misuse(-EALREADY,
                        "%s() in a step of stackless task '%s' (%s) that has asked to wait already",
                        call, wf_stackless_name(self), wf_stackless_site(self));
    misused(self);
    return err;
}

int wf_stackless_enter(struct wf_stackless *self, weft_step_fn *next, const char *call)
{
    if (WF_UNLIKELY(!self || running() != self))
        return wf_misuse(-EPERM, "%s() was called outside the steps of its stackless task", call);
    if (WF_UNLIKELY(self->waiter.phase != WF_STACKLESS_RUNNING))
        return refuse_second(self, call);
    self->step = next;
    suspends(self);
    if (WF_UNLIKELY(self->member.region.effective))
        return refuse(self);
    self->waiter.spins = 0;
    return 0;
}

int wf_stackless_answer(struct wf_stackless *self, int64_t result)
{
    self->waiter.phase = WF_STACKLESS_ANSWERED;
    self->waiter.result = result;
    return WEFT_THEN;
}

static void woken(struct wf_waiter *w)
{
    make_ready(of_waiter(w));
}

static void arm(struct wf_stackless *self, const struct wf_wait_ops *ops, void *object)
{
    struct wf_waiter *w = &self->waiter;
    w->ops = ops;
    w->wake = woken;
    w->object = object;
    w->state = WF_WAIT_ARMED;
    w->aborted = false;
}

static void set_waiting(struct wf_stackless *self)
{
    self->waiter.phase = WF_STACKLESS_WAITING;
    self->waiter.since = loop_of(self)->looked;
}

int wf_stackless_wait(struct wf_stackless *self, const struct wf_wait_ops *ops, void *object)
{
    arm(self, ops, object);
    set_waiting(self);
    return suspends(self);
}

int wf_stackless_then(weft_stackless *opaque, const struct wf_wait_ops *ops, void *object,
                      void *item, weft_step_fn *next, const char *call)
{
    struct wf_stackless *self = wf_stackless_of(opaque);
    int64_t result;
    int err = wf_stackless_enter(self, next, call);
    if (err != 0)
        return err;
    arm(self, ops, object);
    self->waiter.item = item;
    if (ops->take(&self->waiter, &result)) {
        self->waiter.ops = &turn_ops;
        return wf_stackless_answer(self, result);
    }
    set_waiting(self);
    ops->join(&self->waiter);
    return suspends(self);
}

int weft_then_yield(weft_stackless *opaque, weft_step_fn *next)
{
    struct wf_stackless *self = wf_stackless_of(opaque);
    int err = wf_stackless_enter(self, next, "weft_then_yield");
    if (err != 0)
        return err;
    wake_up(self, 0, false);
    return suspends(self);
}

static int sleep_or_yield(struct wf_stackless *self, int64_t when, bool is_over)
{
    if (is_over)
        wake_up(self, 0, false);
    else
        sleep_until(self, WF_STACKLESS_SLEEPING, when, 0);
    return suspends(self);
}

int weft_then_sleep(weft_stackless *opaque, int64_t duration, weft_step_fn *next)
{
    struct wf_stackless *self = wf_stackless_of(opaque);
    int err = wf_stackless_enter(self, next, "weft_then_sleep");
    if (err != 0)
        return err;
    bool is_over = duration <= 0;
    return sleep_or_yield(self, is_over ? 0 : wf_deadline_after(loop_of(self), duration), is_over);
}

int weft_then_sleep_until(weft_stackless *opaque, int64_t when, weft_step_fn *next)
{
    struct wf_stackless *self = wf_stackless_of(opaque);
    int err = wf_stackless_enter(self, next, "weft_then_sleep_until");
    if (err != 0)
        return err;
    return sleep_or_yield(self, when, when <= wf_clock_now(&loop_of(self)->clock));
}

/* Awaiting. */

static bool await_abort(struct wf_waiter *w)
{
    wf_list_remove_init(&w->link);
    return true;
}

static weft_future *awaited(const struct wf_waiter *w, size_t *at)
{
    return (*at)++ == 0 ? w->object : NULL;
}

/* In the task's own turn: who sets a future may hold its last reference. */
static int64_t await_finish(struct wf_waiter *w)
{
    weft_future *future = w->object;
    int64_t result = w->result < 0 ? w->result : wf_future_read(future, NULL);
    wf_future_unref(future);
    return result;
}

static const struct wf_wait_ops await_ops = {
    .kind = "future", .abort = await_abort, .awaits = awaited, .finish = await_finish
};

/* A task of another loop may use memory of who waits for it. So it is told to end, and waited for,
 * like a job on a thread: real time passes until then. */

static struct wf_remote *remote_of(weft_future *future)
{
    return wf_container(future, struct wf_promise, future)->remote;
}

static bool is_bound(weft_future *future)
{
    return wf_is_remote(future) && !future->done && remote_of(future)->bound;
}

static int64_t join_finish(struct wf_waiter *w)
{
    const weft_future *future = w->object;
    future->loop->jobs--;
    int64_t result = await_finish(w);
    return result < 0 ? -ECANCELED : result;
}

static const struct wf_wait_ops join_ops = { .kind = "the end of a task of another loop",
                                             .awaits = awaited,
                                             .finish = join_finish };

static void tell_to_end(weft_future *future)
{
    remote_of(future)->cancel(remote_of(future));
    future->loop->jobs++;
}

static bool bound_abort(struct wf_waiter *w)
{
    w->ops = &join_ops;
    tell_to_end(w->object);
    return false;
}

static const struct wf_wait_ops bound_ops = { .kind = "a task of another loop",
                                              .abort = bound_abort,
                                              .awaits = awaited,
                                              .finish = await_finish };

static int refuse_coro(weft_coro *coro)
{
    wf_coro_refuse(coro);
    return wf_misuse(-EINVAL, "weft_then_await() of a coroutine, which has no stack to run on: "
                              "spawn a task of it");
}

static int wait_for(struct wf_stackless *self, weft_future *future, const struct wf_wait_ops *ops)
{
    future->references++;
    wf_list_push_back(&future->waiters, &self->waiter.link);
    return wf_stackless_wait(self, ops, future);
}

/* It was cancelled before the call. */
static bool is_to_join(const struct wf_stackless *self, weft_future *future)
{
    return self && running() == self && self->waiter.phase == WF_STACKLESS_RUNNING &&
           self->member.region.effective && future && is_bound(future) &&
           future->loop == loop_of(self);
}

static int join(struct wf_stackless *self, weft_future *future, weft_step_fn *next)
{
    self->step = next;
    deliver_cancel(self);
    tell_to_end(future);
    return wait_for(self, future, &join_ops);
}

int weft_then_await_with(weft_stackless *opaque, weft_awaitable *awaitable, weft_step_fn *next)
{
    struct wf_stackless *self = wf_stackless_of(opaque);
    weft_future *future = (weft_future *)awaitable;
    if (WF_UNLIKELY(is_to_join(self, future)))
        return join(self, future, next);
    int err = wf_stackless_enter(self, next, "weft_then_await");
    if (err != 0)
        return err;
    if (!awaitable)
        return wf_stackless_answer(self, wf_maker_error());
    if (awaitable->kind == WEFT_AWAITABLE_CORO)
        return wf_stackless_answer(self, refuse_coro((weft_coro *)awaitable));
    if (future->loop != loop_of(self))
        return wf_stackless_answer(self, wf_misuse(WEFT_ETHREAD, "%s was awaited in another loop",
                                                   wf_future_describe(future).text));
    if (future->done)
        return wf_stackless_answer(self, wf_future_read(future, NULL));
    return wait_for(self, future, is_bound(future) ? &bound_ops : &await_ops);
}
