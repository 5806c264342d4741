#include "core/scope.h"

#include "base/error.h"
#include "core/loop.h"

#include <stdio.h>
#include <string.h>
#include <weft/error.h>

static struct wf_scope *inside(const weft_scope *scope)
{
    return (struct wf_scope *)scope;
}

static bool is_open(const struct wf_scope *scope)
{
    return scope && scope->magic == WF_SCOPE_MAGIC;
}

static const char *name_of(const struct wf_scope *scope)
{
    return scope->name ? scope->name : "scope";
}

static void deadline_fired(struct wf_timer *timer)
{
    struct wf_scope *scope = wf_container(timer, struct wf_scope, deadline);
    if (!scope->region.effective)
        wf_region_cancel(&scope->region, "deadline");
}

static void init(struct wf_scope *scope, weft_loop *loop, weft_task *owner)
{
    scope->magic = WF_SCOPE_MAGIC;
    scope->loop = loop;
    scope->owner = owner;
    wf_list_init(&scope->members);
    scope->live = 0;
    scope->joiner = NULL;
    scope->token.next = NULL;
    wf_timer_init(&scope->deadline, deadline_fired);
    scope->cause = WEFT_CAUSE_NONE;
    scope->isolate = false;
    scope->error = 0;
    scope->error_count = 0;
}

void wf_scope_init_background(struct wf_scope *scope, weft_loop *loop)
{
    init(scope, loop, NULL);
    scope->isolate = true;
    scope->name = "background";
    scope->site = "the loop";
    wf_region_init(&scope->region, NULL, WF_REGION_SCOPE, false);
}

void wf_scope_hang(struct wf_scope *scope, struct wf_member *member, struct wf_scope *around,
                   const char *name, const char *site)
{
    wf_region_init(&member->region, &around->region, WF_REGION_MEMBER, false);
    wf_scope_join(around, member);
    init(scope, around->loop, NULL);
    scope->isolate = true;
    scope->name = name;
    scope->site = site;
    wf_region_init(&scope->region, &member->region, WF_REGION_SCOPE, true);
    member->region.inner = &scope->region;
}

/* The earlier of .timeout and .deadline; 0: none. 1 is always over. */
static int64_t deadline_of(weft_loop *loop, const struct weft_scope_options *options)
{
    int64_t timeout = options->timeout, deadline = options->deadline;
    if (options->shield && timeout == 0 && deadline == 0)
        timeout = WF_SHIELD_TIMEOUT;
    if (timeout == 0 || timeout == WEFT_FOREVER)
        return deadline;
    if (timeout < 0)
        return 1;
    int64_t from_now = wf_deadline_after(loop, timeout);
    return deadline == 0 || from_now < deadline ? from_now : deadline;
}

static void arm_deadline(struct wf_scope *scope, int64_t deadline)
{
    if (deadline == 0 || deadline == WEFT_FOREVER)
        return;
    if (deadline <= wf_clock_now(&scope->loop->clock))
        deadline_fired(&scope->deadline);
    else
        wf_timer_add(&scope->loop->timers, &scope->deadline, deadline);
}

WF_NOINLINE void weft_scope_begin_with(const struct weft_scope_options *options)
{
    struct wf_scope *scope = inside(options->scope);
    weft_loop *loop = wf_running;
    if (!wf_in_task(loop)) {
        scope->magic = WF_SCOPE_ENDED;
        scope->error_count = 0;
        scope->cause = WEFT_CAUSE_NONE;
        wf_misuse(-EPERM, "a scope was begun outside a task, at %s", wf_site(options->site));
        return;
    }
    weft_task *task = loop->current;
    wf_check_open_scope(task, __builtin_frame_address(0));
    if (task->innermost == &scope->region)
        wf_scope_left_open(task);
    init(scope, loop, task);
    scope->name = options->name;
    scope->site = wf_site(options->site);
    scope->isolate = options->isolate;
    wf_region_init(&scope->region, task->innermost, WF_REGION_SCOPE, options->shield);
    task->innermost->inner = &scope->region;
    task->innermost = &scope->region;
    task->scope_site = scope->site;
    arm_deadline(scope, deadline_of(loop, options));
}

void wf_scope_limit(struct wf_scope *scope, int64_t deadline)
{
    wf_timer_cancel(&scope->loop->timers, &scope->deadline);
    arm_deadline(scope, deadline);
}

/* Failures. */

static void keep_error(struct wf_scope *scope, int error, const char *name, const char *site)
{
    if (scope->error_count < WF_SCOPE_ERRORS) {
        weft_scope_error *kept = &scope->errors[scope->error_count];
        kept->code = error;
        kept->site = site;
        snprintf(kept->task, sizeof kept->task, "%s", name);
    }
    scope->error_count++;
}

static void fail(struct wf_scope *scope, int error, const char *name, const char *site)
{
    keep_error(scope, error, name, site);
    if (scope->cause == WEFT_CAUSE_NONE)
        scope->cause = WEFT_CAUSE_FAILURE;
    if (scope->error == 0)
        scope->error = error;
    wf_region_cancel(&scope->region, "a task beside it failed");
}

void wf_scope_child_failed(struct wf_scope *scope, int error, const char *name, const char *site)
{
    if (scope->isolate)
        keep_error(scope, error, name, site);
    else
        fail(scope, error, name, site);
}

void wf_scope_told(struct wf_scope *scope, bool own)
{
    if (scope->cause == WEFT_CAUSE_NONE)
        scope->cause = own ? WEFT_CAUSE_DEADLINE : WEFT_CAUSE_ENCLOSING;
}

static int check_thread(const struct wf_scope *scope)
{
    if (scope->loop->thread == wf_this_thread())
        return 0;
    return wf_misuse(WEFT_ETHREAD, "the scope '%s' (begun at %s) was used from another thread",
                     name_of(scope), scope->site);
}

int wf_scope_admit(struct wf_scope *scope, const void *frame)
{
    if (!scope)
        return wf_misuse(-EPERM, "a task was spawned where there is no loop");
    if (!is_open(scope))
        return wf_misuse(-ESHUTDOWN, "a task was spawned into a scope that has ended");
    int err = check_thread(scope);
    if (err < 0)
        return err;
    if (!scope->owner)
        return scope->loop->closed ? wf_fail(-ESHUTDOWN, "the loop has ended") : 0;
    if (wf_in_task(scope->loop))
        wf_check_innermost(scope->loop->current, frame);
    if (!wf_region_is_inside(scope->loop->current->innermost, &scope->region))
        return wf_misuse(-EPERM,
                         "a task was spawned into the scope '%s' (begun at %s) from outside "
                         "it",
                         name_of(scope), scope->site);
    return 0;
}

/* The end. */

const struct wf_wait_ops wf_scope_join_ops = { .kind = "tasks of its scope" };

void wf_scope_join_all(struct wf_scope *scope)
{
    struct wf_waiter w;
    if (scope->live == 0)
        return;
    wf_waiter_arm(&w, &wf_scope_join_ops, scope);
    scope->joiner = &w;
    wf_park(&w);
    scope->joiner = NULL;
}

static void close_scope(struct wf_scope *scope)
{
    weft_task *task = scope->owner;
    wf_timer_cancel(&scope->loop->timers, &scope->deadline);
    wf_scope_leave_token(scope);
    task->innermost = scope->region.outer;
    task->innermost->inner = NULL;
    if (task->innermost->kind == WF_REGION_SCOPE)
        task->scope_site = wf_scope_of_region(task->innermost)->site;
    if (!task->innermost->effective)
        task->spins = 0;
    scope->magic = WF_SCOPE_ENDED;
}

static int verdict(const struct wf_scope *scope)
{
    switch (scope->cause) {
    case WEFT_CAUSE_FAILURE:
    case WEFT_CAUSE_CANCEL:
        return scope->error;
    case WEFT_CAUSE_DEADLINE:
        return -ETIMEDOUT;
    case WEFT_CAUSE_ENCLOSING:
        return -ECANCELED;
    default:
        return 0;
    }
}

/* Its frame may be dead and overwritten: nothing of the scope itself is read. */
_Noreturn void wf_scope_left_open(const weft_task *task)
{
    static char text[256];
    snprintf(text, sizeof text,
             "the scope begun at %s was left open in task '%s' (spawned at %s): every "
             "weft_scope_begin needs its weft_scope_end in the same function",
             task->scope_site, task->name, task->future.site);
    wf_panic(__FILE__, __LINE__, text);
}

_Noreturn static void ended_too_early(const struct wf_scope *scope)
{
    const weft_task *task = scope->owner;
    static char text[256];
    snprintf(
        text, sizeof text,
        "the scope begun at %s was ended in task '%s' (spawned at %s) while the one inside it, "
        "begun at %s, was left open",
        scope->site, task->name, task->future.site, task->scope_site);
    wf_panic(__FILE__, __LINE__, text);
}

static int check_end(const struct wf_scope *scope)
{
    if (!is_open(scope))
        return wf_in_task(wf_running) ? wf_misuse(-ESHUTDOWN, "a scope was ended that is not open")
                                      : wf_misuse(-EPERM, "a scope was ended outside a task");
    if (!wf_in_task(wf_running) || scope->owner != wf_running->current)
        return wf_misuse(-EPERM,
                         "the scope '%s' (begun at %s) was ended by a task that did not "
                         "begin it",
                         name_of(scope), scope->site);
    if (scope->owner->innermost != &scope->region)
        ended_too_early(scope);
    return 0;
}

int weft_scope_leave(weft_scope *opaque, int err)
{
    struct wf_scope *scope = inside(opaque);
    int refused = check_end(scope);
    if (refused < 0)
        return refused;
    if (err == -ECANCELED && scope->region.effective)
        wf_region_tell(&scope->region);
    else if (err < 0)
        fail(scope, err, "body", scope->site);
    wf_scope_join_all(scope);
    close_scope(scope);
    return verdict(scope);
}

int weft_scope_end(weft_scope *scope)
{
    return weft_scope_leave(scope, 0);
}

void weft_scope_cancel(weft_scope *opaque, const char *why)
{
    struct wf_scope *scope = inside(opaque);
    if (!is_open(scope) || check_thread(scope) < 0)
        return;
    if (scope->cause == WEFT_CAUSE_NONE)
        scope->cause = WEFT_CAUSE_CANCEL;
    wf_region_cancel(&scope->region, why);
}

void weft_scope_set_deadline(weft_scope *opaque, int64_t deadline)
{
    struct wf_scope *scope = inside(opaque);
    if (!is_open(scope) || !scope->owner || check_thread(scope) < 0)
        return;
    wf_scope_limit(scope, deadline);
}

enum weft_scope_cause weft_scope_cause(const weft_scope *scope)
{
    return (enum weft_scope_cause)inside(scope)->cause;
}

size_t weft_scope_errors(const weft_scope *opaque, weft_scope_error *out, size_t max)
{
    const struct wf_scope *scope = inside(opaque);
    size_t kept = scope->error_count < WF_SCOPE_ERRORS ? scope->error_count : WF_SCOPE_ERRORS;
    size_t n = kept < max ? kept : max;
    if (n > 0)
        memcpy(out, scope->errors, n * sizeof *out);
    return scope->error_count;
}

weft_scope *weft_loop_background(weft_loop *loop)
{
    return loop ? (weft_scope *)&loop->background : NULL;
}

weft_scope *weft_background(void)
{
    return weft_loop_background(weft_loop_current());
}
