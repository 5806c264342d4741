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
    return wf_in_task(wf_running) ? &wf_running->current->future.value : &thread_value;
}

void wf_drop(weft_loop *loop, weft_drop_fn *drop, void *arg)
{
    if (!loop) {
        drop(arg);
        return;
    }
    weft_task *current = loop->current, *interrupted = loop->interrupted;
    bool dropping = loop->dropping;
    if (current != &loop->root)
        loop->interrupted = current;
    loop->current = &loop->root;
    loop->dropping = true;
    drop(arg);
    wf_fork_check(loop);
    loop->dropping = dropping;
    loop->current = current;
    loop->interrupted = interrupted;
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

void wf_value_forget(void)
{
    empty(&thread_value);
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

static const char *waits_for(const weft_task *task, char *text, size_t size)
{
    if (task->parked)
        return wf_wait_describe(task->parked, text, size);
    return task->state == WF_TASK_NEW ? "its first turn" : "its turn";
}

static void member_abandon(struct wf_member *member)
{
    weft_task *task = wf_task_of_member(member);
    char text[256];
    weft_log(WEFT_LOG_RUNTIME, WEFT_LOG_ERROR,
             "task '%s' (spawned at %s) was destroyed while pending: it still waits for %s",
             task->name, task->future.site, waits_for(task, text, sizeof text));
    task->parked = NULL; /* whatever it waits for may still come */
    task->state = WF_TASK_DONE;
    task->future.done = true;
    task->future.result = WEFT_ESTUCK;
    task->future.story = NULL;
    wf_future_drop_callbacks(&task->future);
    if (task->future.loop->jobs == 0) /* a thread may still read them, like the stack */
        wf_locals_drop(&task->locals);
}

static const struct wf_member_ops task_member_ops = { member_name, member_cancelled,
                                                      member_abandon };

bool wf_member_is_task(const struct wf_member *member)
{
    return member && member->ops == &task_member_ops;
}

static int keep_name(weft_task *task, const char *text)
{
    struct wf_task_name *name = wf_slab_get(&task->future.loop->names);
    if (!name)
        return -ENOMEM;
    snprintf(name->text, sizeof name->text, "%s", text);
    task->name = name->text;
    task->owned_name = true;
    return 0;
}

static void forget_name(weft_loop *loop, const char *name)
{
    if (name)
        wf_slab_put(&loop->names, (void *)(uintptr_t)name);
}

static int set_name(weft_task *task, const struct weft_spawn_options *options)
{
    task->owned_name = false;
    task->name = options->function ? options->function : "task";
    return options->name ? keep_name(task, options->name) : 0;
}

struct wf_scope *wf_task_scope(const weft_task *task)
{
    return wf_scope_of_region(task->member.region.outer);
}

/* Birth. */

static void init_task(weft_task *task, weft_loop *loop, struct wf_scope *scope, weft_fn *fn,
                      const struct weft_spawn_options *options)
{
    wf_future_init(&task->future, loop, WEFT_AWAITABLE_TASK, options->site);
    task->future.handles = options->task ? 1 : 0;
    task->future.references = task->future.handles + 1;
    task->ready.run = NULL;
    task->innermost = &task->member.region;
    task->parked = NULL;
    task->state = WF_TASK_NEW;
    task->cancel_requests = 0;
    task->resumer = NULL;
    task->fn = fn;
    task->arg = options->arg;
    task->drop = options->drop;
    task->fiber = NULL;
    task->fiber_class = wf_fiber_class(options->stack_size);
    task->spins = 0;
    task->member.ops = &task_member_ops;
    wf_region_init(&task->member.region, &scope->region, WF_REGION_MEMBER, false);
}

int wf_task_check_options(const struct weft_spawn_options *options)
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
    weft_loop *loop = task->future.loop;
    forget_name(loop, task->owned_name ? task->name : NULL);
    wf_slab_put(&loop->tasks, task);
}

static int make(struct wf_scope *scope, weft_fn *fn, const struct weft_spawn_options *options,
                weft_task **out)
{
    weft_loop *loop = scope->loop;
    int err = wf_task_check_options(options);
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

/* Whose values a task inherits: of who spawns it. On the dispatcher, where a server's clients come
 * in, that is who serves. */
static const weft_task *creator_in(const struct wf_scope *scope)
{
    const weft_loop *loop = scope->loop;
    if (WF_LIKELY(loop->current != &loop->root))
        return loop->current;
    const struct wf_member *member = wf_region_member(&scope->region);
    while (member && !wf_member_is_task(member))
        member = wf_region_member(member->region.outer);
    return member ? wf_task_of_member(member) : loop->current;
}

int wf_task_spawn_failed(struct wf_scope *scope, int err, const struct weft_spawn_options *options)
{
    const char *name = options->name ? options->name : options->function;
    weft_exception exception = { .error = err,
                                 .name = name ? name : "task",
                                 .site = wf_site(options->site),
                                 .made = "asked for" };
    if (scope->owner)
        wf_scope_child_failed(scope, err, exception.name, options->site);
    else
        wf_exception_raise(scope->loop, &exception, "task '%s' could not be spawned",
                           exception.name);
    return err;
}

static WF_ALWAYS_INLINE int start(struct wf_scope *scope, weft_task *task,
                                  const struct weft_spawn_options *options, const void *frame)
{
    wf_scope_join(scope, &task->member);
    task->identity = scope->loop->root.identity | (uint32_t)++scope->loop->counters.spawns;
    if (options->task)
        *options->task = task;
    if (options->eager)
        return wf_dispatch_eager(task, frame);
    wf_ready_push(&scope->loop->ready, &task->ready);
    return 0;
}

/* The caller's innermost scope, or the background of the loop that runs it. */
static inline bool is_at_hand(const struct wf_scope *scope)
{
    const weft_loop *loop = wf_running;
    return loop && (scope == &loop->background
                        ? !loop->closed
                        : scope && scope->magic == WF_SCOPE_MAGIC && scope->loop == loop &&
                              loop->current->innermost == &scope->region);
}

static WF_NOINLINE int spawn(struct wf_scope *scope, weft_fn *fn,
                             const struct weft_spawn_options *options, const void *frame)
{
    weft_task *task;
    int err = is_at_hand(scope) ? 0 : wf_scope_admit(scope, frame);
    if (err < 0)
        return err;
    err = make(scope, fn, options, &task);
    if (err < 0)
        return wf_task_spawn_failed(scope, err, options);
    task->locals = options->no_locals ? NULL : wf_locals_inherit(creator_in(scope)->locals);
    if (WF_UNLIKELY(scope->loop->notes_work) && scope == &scope->loop->background)
        wf_shutdown_note(scope->loop);
    return start(scope, task, options, frame);
}

int wf_task_spawn_remote(weft_loop *loop, weft_fn *fn, const struct weft_spawn_options *options)
{
    weft_task *task;
    int err = make(&loop->background, fn, options, &task);
    if (err < 0)
        return err;
    task->locals = NULL;
    if (WF_UNLIKELY(loop->notes_work))
        wf_shutdown_note(loop);
    return start(&loop->background, task, options, NULL);
}

/* A task that can be made without asking anybody for anything. */
static inline bool is_plain(const weft_loop *loop, const struct weft_spawn_options *options)
{
    return loop->tasks.free && !loop->notes_work && !options->name && options->copy == 0 &&
           options->stack_size <= WF_STACK_LARGE && loop->current != &loop->root &&
           !loop->current->locals;
}

/* The usual task is made without a call, and so without saving registers. */
WF_NOINLINE int weft_spawn_with(weft_scope *opaque, weft_fn *fn,
                                const struct weft_spawn_options *options)
{
    struct wf_scope *scope = (struct wf_scope *)opaque;
    const void *frame = __builtin_frame_address(0);
    if (WF_UNLIKELY(!is_at_hand(scope) || !is_plain(scope->loop, options)))
        return spawn(scope, fn, options, frame);
    weft_task *task = wf_slab_get(&scope->loop->tasks);
    init_task(task, scope->loop, scope, fn, options);
    set_name(task, options);
    task->locals = NULL;
    return start(scope, task, options, frame);
}

/* Death. */

static void drop_argument(weft_task *task)
{
    if (!task->drop)
        return;
    wf_drop(task->future.loop, task->drop, task->arg);
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
char *wf_region_story(const struct wf_region *region)
{
    char *text = wf_alloc(WF_STORY_SIZE + sizeof(struct wf_task_name));
    if (!text)
        return NULL;
    text[0] = '\0';
    append_scopes(text, WF_STORY_SIZE, 0, region);
    return text;
}

const char *weft_task_describe(const weft_task *task, char *text, size_t size)
{
    text[0] = '\0';
    if (!task)
        return text;
    size_t used = append(text, size, 0, "task '%s' (spawned at %s)", task->name, task->future.site);
    if (task->state != WF_TASK_DONE)
        append_scopes(text, size, used, task->innermost);
    return text;
}

/* Semantics 8: who owns the error of a task that nobody joins. What is to be said of it is captured
 * now, while the scopes around it stand. */
static void settle_error(weft_task *task)
{
    if (!wf_task_scope(task)->isolate)
        return;
    task->future.story = wf_region_story(task->member.region.outer);
    if (task->future.references == 1)
        wf_future_raise(&task->future, "failed");
    else
        task->future.retrieved = false;
}

/* Its result is an error: what that is to its scope. */
static WF_NOINLINE int fail(weft_task *task)
{
    int result = task->future.result;
    if (task->future.cancelled)
        wf_region_tell(&task->member.region);
    else
        settle_error(task);
    return task->future.cancelled ? 0 : result;
}

static WF_ALWAYS_INLINE void finish(weft_task *task, int result)
{
    int failure = 0;
    if (WF_UNLIKELY(result < 0))
        task->future.cancelled = task->member.region.effective && result == -ECANCELED;
    drop_argument(task);
    task->state = WF_TASK_DONE;
    task->future.result = result;
    task->future.done = true; /* for an exception handler; who waits is told below */
    if (WF_UNLIKELY(result < 0))
        failure = fail(task);
    wf_scope_part(wf_task_scope(task), &task->member, failure, task->future.site);
    task->member.region.outer = NULL; /* whose frame may go before the last handle */
    wf_future_settle(&task->future, result);
    wf_locals_drop(&task->locals); /* users' code, which finds the future whole */
}

static void take_value(weft_task *task, int *code)
{
    task->future.value = wf_value_take(code);
    const char *value = task->future.value.pointer;
    const struct wf_stack_slot *stack = task->fiber->stack;
    static char text[160];
    if (WF_LIKELY(!value || value < stack->low || value >= stack->low + stack->size))
        return;
    snprintf(text, sizeof text, "task '%s' (spawned at %s) returned a pointer into its own stack",
             task->name, task->future.site);
    wf_panic(__FILE__, __LINE__, text);
}

void wf_task_run(weft_task *task)
{
    int code = task->fn(task->arg);
    wf_fork_check(task->future.loop);
    if (WF_UNLIKELY(task->innermost != &task->member.region))
        wf_scope_left_open(task);
    const struct wf_value *value = &task->future.value;
    if (WF_UNLIKELY(code == WEFT_VALUE || value->pointer || value->drop))
        take_value(task, &code);
    finish(task, code);
}

/* A copied argument lies on its stack until it was dropped. */
void wf_task_finish_unstarted(weft_task *task, int result)
{
    finish(task, result);
    if (task->fiber)
        wf_fiber_free(task->fiber);
    task->fiber = NULL;
    wf_future_unref(&task->future);
}

static WF_NOINLINE void free_slowly(weft_task *task)
{
    weft_loop *loop = task->future.loop;
    wf_future_fini(&task->future);
    put_task(task);
    if (loop->closed)
        weft_loop_release(loop);
}

void wf_task_free(weft_task *task)
{
    weft_loop *loop = task->future.loop;
    if (WF_LIKELY(wf_future_is_plain(&task->future) && !task->owned_name && !loop->closed))
        wf_slab_put(&loop->tasks, task);
    else
        free_slowly(task);
}

/* Handles. */

int weft_task_result(weft_task *task, void **value)
{
    return weft_future_result(weft_task_future(task), value);
}

bool weft_task_is_done(const weft_task *task)
{
    return task && task->future.done;
}

bool weft_task_is_cancelled(const weft_task *task)
{
    return task && task->future.done && task->future.cancelled;
}

void weft_task_cancel(weft_task *task, const char *why)
{
    if (!task || task->future.done || wf_future_check_thread(&task->future) < 0 ||
        task->future.loop->closed)
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
    weft_future_release(task ? &task->future : NULL);
}

weft_task *weft_task_self(void)
{
    return wf_in_task(wf_running) ? wf_running->current : NULL;
}

const char *weft_task_name(const weft_task *task)
{
    return task ? task->name : "?";
}

/* The new one may be a part of the old one. */
int weft_task_set_name(weft_task *task, const char *name)
{
    if (!task)
        return wf_maker_error();
    if (wf_future_check_thread(&task->future) < 0)
        return WEFT_ETHREAD;
    const char *before = task->owned_name ? task->name : NULL;
    int err = keep_name(task, name);
    if (err < 0)
        return wf_fail(err, "no memory for a task's name");
    forget_name(task->future.loop, before);
    return 0;
}
