#include "core/task.h"

#include "base/error.h"
#include "base/memory.h"
#include "core/loop.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <weft/error.h>
#include <weft/log.h>

/* Results that are pointers: one slot for each task and one for each thread outside tasks. It is
 * taken only when the function that has just returned says so, and is empty afterwards: a value
 * that nobody took cannot travel, not even to another task while this one is suspended. */

static _Thread_local struct wf_value thread_value;

static struct wf_value *value_slot(void)
{
    return wf_in_task(wf_running) ? &wf_running->current->value : &thread_value;
}

void wf_drop(weft_loop *loop, weft_drop_fn *drop, void *arg)
{
    if (!loop) {
        drop(arg);
        return;
    }
    weft_task *current = loop->current;
    bool dropping = loop->dropping;
    loop->current = &loop->root;
    loop->dropping = true;
    drop(arg);
    loop->dropping = dropping;
    loop->current = current;
}

/* What the slot holds, and nobody has taken. */
static void empty(struct wf_value *slot)
{
    struct wf_value value = *slot;
    *slot = (struct wf_value){ NULL, NULL };
    if (value.drop)
        wf_drop(wf_running, value.drop, value.pointer);
}

int weft_return(void *value)
{
    return weft_return_owned(value, NULL);
}

int weft_return_owned(void *value, weft_drop_fn *drop)
{
    struct wf_value *slot = value_slot();
    empty(slot);
    *slot = (struct wf_value){ value, drop };
    return WEFT_VALUE;
}

struct wf_value wf_value_take(int *code)
{
    struct wf_value *slot = value_slot(), value = { NULL, NULL };
    if (*code == WEFT_VALUE) {
        value = *slot;
        slot->drop = NULL;
        *code = 0;
    }
    empty(slot);
    return value;
}

/* Names. */

static const char *member_name(const struct wf_member *member)
{
    return wf_task_of_member(member)->name;
}

static void member_cancelled(struct wf_member *member)
{
    weft_task *task = wf_task_of_member(member);
    if (task->parked)
        wf_abort(task->parked);
}

static const char *waits_for(const weft_task *task)
{
    if (task->parked)
        return task->parked->ops->kind;
    return task->state == WF_TASK_NEW ? "its first turn" : "its turn";
}

static void member_abandon(struct wf_member *member)
{
    weft_task *task = wf_task_of_member(member);
    weft_log(WEFT_LOG_RUNTIME, WEFT_LOG_ERROR,
             "task '%s' (spawned at %s) was destroyed while pending: it still waits for %s",
             task->name, task->site, waits_for(task));
    task->parked = NULL; /* whatever it waits for may still come */
    task->state = WF_TASK_DONE;
    task->result = WEFT_ESTUCK;
    task->retrieved = true;
}

static const struct wf_member_ops task_member_ops = { member_name, member_cancelled,
                                                      member_abandon };

static int set_name(weft_task *task, const struct weft_spawn_options *options)
{
    task->owned_name = false;
    task->name = options->function ? options->function : "task";
    if (!options->name)
        return 0;
    struct wf_task_name *name = wf_slab_get(&task->loop->names);
    if (!name)
        return -ENOMEM;
    snprintf(name->text, sizeof name->text, "%s", options->name);
    task->name = name->text;
    task->owned_name = true;
    return 0;
}

struct wf_scope *wf_task_scope(const weft_task *task)
{
    return wf_scope_of_region(task->member.region.outer);
}

/* Birth. */

static void init_task(weft_task *task, weft_loop *loop, struct wf_scope *scope, weft_fn *fn,
                      const struct weft_spawn_options *options)
{
    task->ready.run = NULL;
    task->innermost = &task->member.region;
    task->parked = NULL;
    task->state = WF_TASK_NEW;
    task->cancelled = false;
    task->retrieved = true;
    task->ancestors = NULL;
    task->cancel_requests = 0;
    task->loop = loop;
    task->resumer = NULL;
    task->fn = fn;
    task->arg = options->arg;
    task->drop = options->drop;
    task->fiber = NULL;
    task->fiber_class = wf_fiber_class(options->stack_size);
    task->spins = 0;
    task->member.ops = &task_member_ops;
    wf_region_init(&task->member.region, &scope->region, WF_REGION_MEMBER, &task->member, false);
    wf_list_init(&task->waiters);
    task->references = options->task ? 2 : 1;
    task->value = (struct wf_value){ NULL, NULL };
    task->site = wf_site(options->site);
}

static int check_options(const struct weft_spawn_options *options)
{
    if (options->copy > WF_TASK_COPY_MAX)
        return wf_misuse(-EINVAL, ".copy of %u bytes at %s: at most %d are copied", options->copy,
                         wf_site(options->site), WF_TASK_COPY_MAX);
    if (options->stack_size > WF_STACK_LARGE)
        return wf_misuse(-EINVAL, ".stack_size of %u at %s: at most %zu", options->stack_size,
                         wf_site(options->site), WF_STACK_LARGE);
    return 0;
}

static void put_task(weft_task *task)
{
    weft_loop *loop = task->loop;
    if (task->owned_name)
        wf_slab_put(&loop->names, (void *)(uintptr_t)task->name);
    wf_slab_put(&loop->tasks, task);
}

static int make(struct wf_scope *scope, weft_fn *fn, const struct weft_spawn_options *options,
                weft_task **out)
{
    weft_loop *loop = scope->loop;
    int err = check_options(options);
    if (err < 0)
        return err;
    weft_task *task = wf_slab_get(&loop->tasks);
    if (!task)
        return -ENOMEM;
    init_task(task, loop, scope, fn, options);
    err = set_name(task, options);
    if (err == 0 && options->copy > 0)
        err = wf_fiber_make(task, options->copy);
    if (err < 0) {
        put_task(task);
        return err;
    }
    *out = task;
    return 0;
}

static int spawn_failed(struct wf_scope *scope, int err, const struct weft_spawn_options *options)
{
    const char *name = options->name ? options->name : options->function;
    if (scope->owner)
        wf_scope_child_failed(scope, err, name ? name : "task", options->site);
    else
        weft_log(WEFT_LOG_APPLICATION, WEFT_LOG_ERROR, "task '%s' could not be spawned at %s: %s",
                 name ? name : "task", wf_site(options->site), weft_error_text(err));
    return err;
}

static bool may_start_now(const weft_task *task, const struct weft_spawn_options *options)
{
    return options->eager && task->loop == wf_running && !wf_running->dropping &&
           !task->innermost->effective;
}

static void start_now(weft_task *task)
{
    wf_check_open_scope(wf_running->current, __builtin_frame_address(0));
    wf_dispatch_eager(task);
}

WF_NOINLINE int weft_spawn_with(weft_scope *opaque, weft_fn *fn,
                                const struct weft_spawn_options *options)
{
    struct wf_scope *scope = (struct wf_scope *)opaque;
    weft_task *task;
    bool is_ours = scope && scope->magic == WF_SCOPE_MAGIC && scope->loop == wf_running &&
                   scope->loop->current->innermost == &scope->region;
    int err = WF_LIKELY(is_ours) ? 0 : wf_scope_admit(scope, __builtin_frame_address(0));
    if (err < 0)
        return err;
    err = make(scope, fn, options, &task);
    if (err < 0)
        return spawn_failed(scope, err, options);
    wf_scope_join(scope, &task->member);
    scope->loop->counters.spawns++;
    if (options->task)
        *options->task = task;
    if (may_start_now(task, options) && wf_task_prepare(task) == 0)
        start_now(task);
    else
        wf_ready_push(&scope->loop->ready, &task->ready);
    return 0;
}

/* Death. */

static void drop_argument(weft_task *task)
{
    if (!task->drop)
        return;
    wf_drop(task->loop, task->drop, task->arg);
}

/* Append as printf does, as far as there is room; the length that it would have. */
WEFT_PRINTF(4, 5)
static size_t append(char *text, size_t size, size_t used, const char *format, ...)
{
    va_list list;
    bool fits = used < size;
    va_start(list, format);
    int more = vsnprintf(fits ? text + used : NULL, fits ? size - used : 0, format, list);
    va_end(list);
    return more > 0 ? used + (size_t)more : used;
}

/* The scopes around a region, outward, with the tasks that own them: what a stack is to a
 * function. */
static size_t append_scopes(char *text, size_t size, size_t used, const struct wf_region *region)
{
    for (const struct wf_region *r = region; r && used < size; r = r->outer) {
        if (r->kind != WF_REGION_SCOPE)
            continue;
        const struct wf_scope *scope = wf_scope_of_region(r);
        const weft_task *owner = scope->owner;
        used = append(text, size, used, "; in scope '%s' (%s)%s%s%s",
                      scope->name ? scope->name : "scope", scope->site, owner ? " of task '" : "",
                      owner ? owner->name : "", owner ? "'" : "");
    }
    return used;
}

/* NULL without memory. */
static char *ancestors_of(const weft_task *task)
{
    enum { SIZE = 512 };
    char *text = wf_alloc(SIZE);
    if (!text)
        return NULL;
    text[0] = '\0';
    append_scopes(text, SIZE, 0, task->member.region.outer);
    return text;
}

const char *weft_task_describe(const weft_task *task, char *text, size_t size)
{
    text[0] = '\0';
    if (!task)
        return text;
    size_t used = append(text, size, 0, "task '%s' (spawned at %s)", task->name, task->site);
    if (task->state != WF_TASK_DONE)
        append_scopes(text, size, used, task->innermost);
    return text;
}

static void log_failure(weft_task *task, const char *how)
{
    weft_log(WEFT_LOG_APPLICATION, WEFT_LOG_ERROR, "task '%s' %s: %s (%s); spawned at %s%s",
             task->name, how, weft_error_text(task->result), weft_error_name(task->result),
             task->site, task->ancestors ? task->ancestors : "");
    wf_free(task->ancestors);
    task->ancestors = NULL;
}

/* Its result counts as read. */
static void retrieve(weft_task *task)
{
    if (task->retrieved)
        return;
    task->retrieved = true;
    wf_list_remove_init(&task->member.link); /* from the loop's unread ones */
    wf_free(task->ancestors);
    task->ancestors = NULL;
}

static void report_unread(weft_task *task)
{
    log_failure(task, "failed and nobody read its result");
    retrieve(task);
}

void wf_tasks_report_unread(weft_loop *loop)
{
    struct wf_list *link;
    while ((link = wf_list_first(&loop->unread)))
        report_unread(wf_task_of_member(wf_container(link, struct wf_member, link)));
}

/* Semantics 8: who owns the error of a task that nobody joins. What is to be said of it is captured
 * now, while the scopes around it stand. */
static void settle_error(weft_task *task)
{
    bool failed = task->result < 0 && !task->cancelled;
    task->retrieved = true;
    if (!failed || !wf_task_scope(task)->isolate)
        return;
    task->ancestors = ancestors_of(task);
    if (task->references == 1)
        log_failure(task, "failed");
    else
        task->retrieved = false;
}

static void wake_waiters(weft_task *task)
{
    struct wf_list *link;
    while ((link = wf_list_pop_front(&task->waiters)))
        wf_wake(wf_container(link, struct wf_waiter, link), 0);
}

static void finish(weft_task *task, int result)
{
    bool asked = task->member.region.effective;
    drop_argument(task);
    task->result = result;
    task->cancelled = asked && result == -ECANCELED;
    task->state = WF_TASK_DONE;
    if (task->cancelled)
        wf_region_tell(&task->member.region);
    settle_error(task);
    struct wf_scope *scope = wf_task_scope(task);
    wf_scope_part(scope, &task->member, task->cancelled || result >= 0 ? 0 : result, task->site);
    task->member.region.outer = NULL; /* whose frame may go before the last handle */
    if (!task->retrieved)
        wf_list_push_back(&task->loop->unread, &task->member.link);
    wake_waiters(task);
}

static void check_value(const weft_task *task)
{
    const char *value = task->value.pointer;
    const struct wf_stack_slot *stack = task->fiber->stack;
    static char text[160];
    if (WF_LIKELY(!value || value < stack->low || value >= stack->low + stack->size))
        return;
    snprintf(text, sizeof text, "task '%s' (spawned at %s) returned a pointer into its own stack",
             task->name, task->site);
    wf_panic(__FILE__, __LINE__, text);
}

void wf_task_run(weft_task *task)
{
    int code = task->fn(task->arg);
    if (WF_UNLIKELY(task->innermost != &task->member.region))
        wf_scope_left_open(task);
    task->value = wf_value_take(&code);
    check_value(task);
    finish(task, code);
}

/* A copied argument lies on its stack until it was dropped. */
void wf_task_finish_unstarted(weft_task *task, int result)
{
    finish(task, result);
    if (task->fiber)
        wf_fiber_free(task->fiber);
    task->fiber = NULL;
    wf_task_unref(task);
}

void wf_task_free(weft_task *task)
{
    weft_loop *loop = task->loop;
    if (!task->retrieved)
        report_unread(task);
    if (task->value.drop)
        wf_drop(loop, task->value.drop, task->value.pointer);
    put_task(task);
    if (loop->closed)
        weft_loop_release(loop);
}

/* Handles. */

static int check_thread(const weft_task *task)
{
    if (task->loop->thread == wf_this_thread())
        return 0;
    return wf_misuse(WEFT_ETHREAD, "task '%s' (spawned at %s) was used from another thread",
                     task->name, task->site);
}

static bool await_abort(struct wf_waiter *w)
{
    wf_list_remove_init(&w->link);
    return true;
}

static const struct wf_wait_ops await_ops = { "task", await_abort };

/* Whether `target` cannot end before we do: it is us, or we live in a scope of its, or it awaits
 * such a task. */
static bool awaits_us(const weft_task *target, const weft_task *us)
{
    for (int hops = 0; target && hops < 10000; hops++) {
        if (wf_region_is_inside(&us->member.region, &target->member.region))
            return true;
        const struct wf_waiter *w = target->parked;
        target = w && w->ops == &await_ops ? w->object : NULL;
    }
    return false;
}

/* Without an open scope and a wait of its own a task cannot stand in our way. */
static bool is_plain(const weft_task *task)
{
    return task->innermost == &task->member.region && !task->parked;
}

static int wait_for_end(weft_task *self, weft_task *task)
{
    struct wf_waiter w;
    if (task == self || (!is_plain(task) && awaits_us(task, self)))
        return wf_misuse(-EDEADLK,
                         "task '%s' (spawned at %s) would wait for its own end through "
                         "task '%s'",
                         self->name, self->site, task->name);
    task->references++;
    wf_waiter_arm(&w, &await_ops, task);
    wf_list_push_back(&task->waiters, &w.link);
    int err = (int)wf_park(&w);
    if (err >= 0)
        retrieve(task);
    wf_task_unref(task);
    return err;
}

static int check_loop(const weft_task *self, const weft_task *task)
{
    if (task->loop == self->loop)
        return 0;
    if (check_thread(task) == 0 && task->loop->closed)
        return wf_misuse(-ESHUTDOWN, "task '%s' was awaited after its loop had ended", task->name);
    return wf_misuse(WEFT_ETHREAD, "task '%s' (spawned at %s) was awaited in another loop",
                     task->name, task->site);
}

int weft_await(weft_task *task)
{
    return weft_await_value(task, NULL);
}

int weft_await_value(weft_task *task, void **value)
{
    weft_task *self;
    int err = task ? wf_enter(&self) : -ENOMEM;
    if (err == 0)
        err = check_loop(self, task);
    if (err == 0 && task->state != WF_TASK_DONE)
        err = wait_for_end(self, task);
    return err < 0 ? err : weft_task_result(task, value);
}

int weft_task_result(weft_task *task, void **value)
{
    if (!task)
        return -ENOMEM;
    if (check_thread(task) < 0)
        return WEFT_ETHREAD;
    if (task->state != WF_TASK_DONE)
        return wf_fail(-EAGAIN, "task '%s' has no result yet", task->name);
    retrieve(task);
    if (value && task->result >= 0)
        *value = task->value.pointer;
    return task->result;
}

bool weft_task_is_done(const weft_task *task)
{
    return task && task->state == WF_TASK_DONE;
}

bool weft_task_is_cancelled(const weft_task *task)
{
    return task && task->state == WF_TASK_DONE && task->cancelled;
}

void weft_task_cancel(weft_task *task, const char *why)
{
    if (!task || task->state == WF_TASK_DONE || check_thread(task) < 0 || task->loop->closed)
        return;
    if (task->cancel_requests < UINT16_MAX)
        task->cancel_requests++;
    wf_region_cancel(&task->member.region, why);
}

unsigned weft_task_cancel_requests(const weft_task *task)
{
    return task ? task->cancel_requests : 0;
}

/* Rule 2 of semantics 8: released while running is detached. */
void weft_task_release(weft_task *task)
{
    if (!task || check_thread(task) < 0)
        return;
    if (task->references == 0)
        wf_panic(__FILE__, __LINE__, "a task was released more often than it was taken");
    wf_task_unref(task);
}

weft_task *weft_task_self(void)
{
    return wf_in_task(wf_running) ? wf_running->current : NULL;
}

const char *weft_task_name(const weft_task *task)
{
    return task ? task->name : "?";
}
