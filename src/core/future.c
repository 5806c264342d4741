/* Futures: setting, awaiting, callbacks. The data model is in future.h. */

#include "core/future.h"

#include "base/error.h"
#include "base/memory.h"
#include "core/coro.h"
#include "core/exception.h"
#include "core/loop.h"
#include "core/remote.h"

#include <stdio.h>
#include <string.h>
#include <weft/error.h>
#include <weft/log.h>

/* Makers return NULL where they fail, and who is given the NULL says why. */

static _Thread_local int maker_error;

void *wf_not_made(int err)
{
    maker_error = err;
    return NULL;
}

int wf_maker_error(void)
{
    return maker_error < 0 ? maker_error : -ENOMEM;
}

/* Words. */

struct wf_future_text wf_future_describe(const weft_future *future)
{
    struct wf_future_text out;
    if (wf_is_task(future))
        snprintf(out.text, sizeof out.text, "task '%s' (spawned at %s)",
                 ((const weft_task *)future)->name, future->site);
    else
        snprintf(out.text, sizeof out.text, "the future made at %s", future->site);
    return out;
}

int wf_future_check_thread_slowly(const weft_future *future)
{
    if (future->loop->thread == wf_this_thread())
        return 0;
    return wf_misuse(WEFT_ETHREAD, "%s was used from another thread",
                     wf_future_describe(future).text);
}

/* The handler may rename the task; the stack may be too small for a copy. */
static const char *lasting_name(const weft_task *task)
{
    char *story = task->future.story;
    if (!story || !task->owned_name)
        return task->name;
    return strcpy(story + WF_STORY_SIZE, task->name);
}

/* A task's story is what was around it; a promise's is what was said when it failed. The handler
 * may read the result. */
void wf_future_raise(weft_future *future, const char *how)
{
    weft_exception exception = { .error = future->result, .site = future->site };
    if (wf_is_task(future)) {
        exception.task = (weft_task *)future;
        exception.name = lasting_name(exception.task);
        exception.made = "spawned";
        exception.scopes = future->story;
        wf_exception_raise(future->loop, &exception, "task '%s' %s", exception.name, how);
    } else {
        exception.future = future;
        exception.made = "made";
        exception.text = future->story;
        wf_exception_raise(future->loop, &exception, "a future %s", how);
    }
}

/* Life. */

static struct wf_promise *promise_of(weft_future *future)
{
    return wf_container(future, struct wf_promise, future);
}

static void time_is_over(struct wf_timer *timer)
{
    struct wf_promise *promise = wf_container(timer, struct wf_promise, timer);
    wf_list_remove(&promise->pending);
    wf_future_settle(&promise->future, 0);
}

static struct wf_promise *make(const char *site)
{
    weft_loop *loop = weft_loop_current();
    if (!loop || loop->closed) {
        wf_misuse(-EPERM, "a future was made where there is no loop, at %s", wf_site(site));
        return wf_not_made(-EPERM);
    }
    struct wf_promise *promise = wf_slab_get(&loop->promises);
    if (!promise)
        return wf_not_made(wf_fail(-ENOMEM, "no memory for a future"));
    wf_future_init(&promise->future, loop, WEFT_AWAITABLE_FUTURE, site);
    wf_list_push_back(&loop->pending, &promise->pending);
    wf_timer_init(&promise->timer, time_is_over);
    promise->origin = NULL;
    return promise;
}

weft_future *weft_future_new_with(const char *site)
{
    struct wf_promise *promise = make(site);
    return promise ? &promise->future : NULL;
}

weft_future *weft_sleep_future_with(int64_t duration, const char *site)
{
    struct wf_promise *promise = make(site);
    if (!promise)
        return NULL;
    weft_loop *loop = promise->future.loop;
    wf_timer_add(&loop->timers, &promise->timer, wf_deadline_after(loop, duration));
    return &promise->future;
}

void wf_future_retrieve(weft_future *future)
{
    if (WF_LIKELY(future->retrieved))
        return;
    future->retrieved = true;
    wf_list_remove(&future->unread);
}

static void report_unread(weft_future *future)
{
    wf_future_retrieve(future); /* the handler may read the result */
    wf_future_raise(future, "failed and nobody read its result");
}

void wf_futures_report_unread(weft_loop *loop)
{
    struct wf_list *link;
    while ((link = wf_list_first(&loop->unread)))
        report_unread(wf_container(link, weft_future, unread));
}

bool wf_future_outlives_report(weft_future *future)
{
    future->references = 1;
    future->handles = 1;
    report_unread(future);
    future->handles--;
    return --future->references > 0;
}

void wf_future_fini_slowly(weft_future *future)
{
    if (future->done && future->result < 0)
        wf_free(future->story);
    else if (future->value.drop)
        wf_drop(wf_running, future->value.drop, future->value.pointer);
}

void wf_promise_free(struct wf_promise *promise)
{
    weft_loop *loop = promise->future.loop;
    weft_future *origin = wf_is_remote(&promise->future) ? NULL : promise->origin;
    wf_timer_cancel(&loop->timers, &promise->timer);
    if (!promise->future.done)
        wf_list_remove(&promise->pending);
    wf_future_fini(&promise->future);
    wf_slab_put(&loop->promises, promise);
    if (origin)
        wf_future_unref(origin);
    if (loop->closed)
        weft_loop_release(loop);
}

weft_future *weft_future_retain(weft_future *future)
{
    if (!future || wf_future_check_thread(future) < 0)
        return future;
    future->references++;
    future->handles++;
    return future;
}

/* Nobody can set it any more. */
static void abandon(struct wf_promise *promise)
{
    weft_future *future = &promise->future;
    bool awaited = !wf_list_is_empty(&future->waiters);
    if (awaited)
        weft_log(WEFT_LOG_RUNTIME, WEFT_LOG_ERROR,
                 "the future made at %s was abandoned while somebody waits for it", future->site);
    wf_list_remove(&promise->pending);
    wf_timer_cancel(&future->loop->timers, &promise->timer);
    future->story = NULL;
    wf_future_settle(future, WEFT_EABANDONED);
    if (wf_is_remote(future))
        promise->remote->forget(promise->remote);
}

void wf_futures_abandon(weft_loop *loop)
{
    struct wf_list *link;
    while ((link = wf_list_first(&loop->pending)))
        abandon(wf_container(link, struct wf_promise, pending));
}

WF_COLD _Noreturn static void released_too_often(const weft_future *future)
{
    wf_panic(__FILE__, __LINE__,
             wf_is_task(future) ? "a task was released more often than it was taken"
                                : "a future was released more often than it was taken");
}

static WF_NOINLINE void release(weft_future *future)
{
    if (!future || wf_future_check_thread(future) < 0)
        return;
    if (future->handles == 0)
        released_too_often(future);
    if (--future->handles == 0 && future->awaitable.kind == WEFT_AWAITABLE_FUTURE &&
        !future->done && !wf_timer_is_armed(&promise_of(future)->timer) && future->references > 1)
        abandon(promise_of(future));
    wf_future_unref(future);
}

/* Without a frame in the usual case. */
void weft_future_release(weft_future *future)
{
    if (WF_LIKELY(future && future->loop == wf_running && wf_is_task(future)) &&
        WF_LIKELY(future->handles > 0)) {
        future->handles--;
        wf_future_unref(future);
    } else {
        release(future);
    }
}

weft_future *weft_task_future(weft_task *task)
{
    return task ? &task->future : NULL;
}

/* The result. */

/* A waiter that could not be given up at once, because the task of another loop uses its memory, is
 * told what became of that. */
static void tell_one(struct wf_waiter *w, int result)
{
    wf_wake(w, w->state == WF_WAIT_ABORTING ? result : 0);
}

/* The list's link is the future's place among the unread ones, once those who wait have left it. */
void wf_future_tell(weft_future *future)
{
    struct wf_list waiters, *told = &future->waiters, *link;
    if (WF_UNLIKELY(!future->retrieved)) {
        wf_list_init(&waiters);
        wf_list_splice(&waiters, &future->waiters);
        wf_list_push_back(&future->loop->unread, &future->unread);
        told = &waiters;
    }
    while ((link = wf_list_pop_front(told)))
        tell_one(wf_container(link, struct wf_waiter, link), future->result);
}

static int check_settable(weft_future *future)
{
    if (!future)
        return wf_maker_error();
    if (wf_future_check_thread(future) < 0)
        return WEFT_ETHREAD;
    if (future->awaitable.kind != WEFT_AWAITABLE_FUTURE)
        return wf_misuse(-EPERM, "%s was set from outside: its function does that",
                         wf_future_describe(future).text);
    if (future->loop->closed)
        return wf_fail(-ESHUTDOWN, "the future made at %s was set after its loop had ended",
                       future->site);
    if (!future->done)
        return 0;
    if (future->cancelled)
        return wf_fail(-ECANCELED, "the future made at %s was cancelled", future->site);
    return wf_misuse(-EALREADY, "the future made at %s was set twice", future->site);
}

/* As its maker's last act or in time: the timer has nothing to add. */
static void settle_promise(weft_future *future, int result)
{
    struct wf_promise *promise = promise_of(future);
    wf_timer_cancel(&future->loop->timers, &promise->timer);
    wf_list_remove(&promise->pending);
    wf_future_settle(future, result);
}

void wf_promise_settle(struct wf_promise *promise, int result)
{
    settle_promise(&promise->future, result);
}

int weft_future_set(weft_future *future, void *value)
{
    return weft_future_set_owned(future, value, NULL);
}

int weft_future_set_owned(weft_future *future, void *value, weft_drop_fn *drop)
{
    int err = check_settable(future);
    if (err < 0) {
        if (drop)
            wf_drop(wf_running, drop, value);
        return err;
    }
    future->value = (struct wf_value){ value, drop };
    settle_promise(future, 0);
    return 0;
}

static char *copy_of(const char *text)
{
    enum { SIZE = 256 };
    if (!text || !*text)
        return NULL;
    char *copy = wf_alloc(SIZE);
    if (copy)
        snprintf(copy, SIZE, "%s", text);
    return copy;
}

int weft_future_fail(weft_future *future, int err, const char *text)
{
    int refused = check_settable(future);
    if (refused < 0)
        return refused;
    if (err >= 0)
        return wf_misuse(-EINVAL, "the future made at %s was failed with %d, which is no error",
                         future->site, err);
    future->story = copy_of(text);
    future->retrieved = false;
    settle_promise(future, err);
    return 0;
}

static int cancel_remote(weft_future *future)
{
    if (future->done)
        return future->cancelled ? -ECANCELED : -EALREADY;
    struct wf_remote *remote = promise_of(future)->remote;
    remote->cancel(remote);
    return 0;
}

int weft_future_cancel(weft_future *future, const char *why)
{
    if (future && wf_is_task(future) && wf_future_check_thread(future) == 0) {
        if (future->done)
            return future->cancelled ? -ECANCELED : -EALREADY;
        weft_task_cancel((weft_task *)future, why);
        return 0;
    }
    if (future && wf_is_remote(future) && wf_future_check_thread(future) == 0)
        return cancel_remote(future);
    int err = check_settable(future);
    if (err < 0)
        return err;
    future->story = NULL;
    future->cancelled = true;
    settle_promise(future, -ECANCELED);
    return 0;
}

int wf_future_read(weft_future *future, void **value)
{
    wf_future_retrieve(future);
    if (WF_UNLIKELY(future->result < 0)) {
        if (future->story && !wf_is_task(future))
            return wf_fail(future->result, "%s", future->story);
        return future->result;
    }
    if (value)
        *value = future->value.pointer;
    return future->result;
}

int weft_future_result(weft_future *future, void **value)
{
    if (!future)
        return wf_maker_error();
    if (wf_future_check_thread(future) < 0)
        return WEFT_ETHREAD;
    if (!future->done)
        return wf_fail(-EAGAIN, "%s has no result yet", wf_future_describe(future).text);
    return wf_future_read(future, value);
}

bool weft_future_is_done(const weft_future *future)
{
    return future && future->done;
}

bool weft_future_is_cancelled(const weft_future *future)
{
    return future && future->done && future->cancelled;
}

/* Awaiting. */

enum weft_awaitable_kind weft_awaitable_kind(const weft_awaitable *awaitable)
{
    if (!awaitable)
        return WEFT_AWAITABLE_NONE;
    return awaitable->kind == WF_AWAITABLE_REMOTE ? WEFT_AWAITABLE_FUTURE
                                                  : (enum weft_awaitable_kind)awaitable->kind;
}

bool weft_awaitable_is_done(const weft_awaitable *awaitable)
{
    return weft_awaitable_kind(awaitable) >= WEFT_AWAITABLE_FUTURE &&
           ((const weft_future *)awaitable)->done;
}

static bool await_abort(struct wf_waiter *w)
{
    wf_list_remove_init(&w->link);
    return true;
}

static weft_future *awaited(const struct wf_waiter *w, size_t *at)
{
    return (*at)++ == 0 ? w->object : NULL;
}

static const struct wf_wait_ops task_ops = { .kind = "task",
                                             .abort = await_abort,
                                             .awaits = awaited };
static const struct wf_wait_ops future_ops = { .kind = "future",
                                               .abort = await_abort,
                                               .awaits = awaited };

/* What may still be looked at: waits, and the forks among them, each of which needs stack. */
struct search {
    unsigned hops, forks;
    bool is_limited; /* who asks will not wait for ever */
};

static bool depends_on(const weft_future *future, const weft_task *task, struct search *left);

/* The first one is left to who asks: a chain is no recursion. */
static bool others_depend_on(const struct wf_waiter *w, size_t at, const weft_task *task,
                             struct search *left)
{
    const weft_future *next;
    if (left->forks == 0)
        return false;
    left->forks--;
    for (; left->hops > 0 && (next = w->ops->awaits(w, &at)); left->hops--)
        if (depends_on(next, task, left))
            return true;
    left->forks++;
    return false;
}

static bool has_deadline(const weft_task *task)
{
    for (const struct wf_region *r = task->innermost; r; r = r->shield ? NULL : r->outer)
        if (r->kind == WF_REGION_SCOPE && wf_timer_is_armed(&wf_scope_of_region(r)->deadline))
            return true;
    return false;
}

/* Whether its wait ends only with what it waits for. */
static bool waits_on(const weft_task *task, const struct search *search)
{
    const struct wf_waiter *w = task->parked;
    if (!w || !w->ops->awaits || w->ops->quorum == WF_QUORUM_ANY)
        return false;
    return w->ops->owns || (!search->is_limited && !has_deadline(task));
}

static bool depends_on(const weft_future *future, const weft_task *task, struct search *left)
{
    size_t at;
    while (future && wf_is_task(future) && !future->done && left->hops > 0) {
        const weft_task *it = (const weft_task *)future;
        left->hops--;
        if (wf_region_is_inside(&task->member.region, &it->member.region))
            return true;
        if (!waits_on(it, left))
            return false;
        at = 0;
        future = it->parked->ops->awaits(it->parked, &at);
        if (others_depend_on(it->parked, at, task, left))
            return true;
    }
    return false;
}

/* Without an open scope and a wait of its own a task cannot stand in our way. */
bool wf_future_depends_on(const weft_future *future, const weft_task *task,
                          enum wf_patience patience)
{
    const weft_task *it = (const weft_task *)future;
    if (!wf_is_task(future))
        return false;
    if (it == task)
        return true;
    bool is_plain = it->innermost == &it->member.region && !it->parked;
    if (is_plain)
        return false;
    struct search left = { .hops = 256, .forks = 8 };
    left.is_limited = patience == WF_LIMITED || (patience == WF_PATIENT && has_deadline(task));
    return depends_on(future, task, &left);
}

int wf_future_would_deadlock(const weft_future *future, const weft_task *task)
{
    return wf_misuse(-EDEADLK, "%s would wait for its own end through task '%s'",
                     wf_future_describe(&task->future).text, ((const weft_task *)future)->name);
}

/* The reference keeps it until its result was read: who set it may have given it up since. */
WF_NOINLINE int wf_future_wait(weft_task *self, weft_future *future, void **value)
{
    struct wf_waiter w;
    if (wf_future_depends_on(future, self, WF_PATIENT))
        return wf_future_would_deadlock(future, self);
    future->references++;
    wf_waiter_arm(&w, wf_is_task(future) ? &task_ops : &future_ops, future);
    wf_list_push_back(&future->waiters, &w.link);
    int err = (int)wf_park(&w);
    if (err >= 0)
        err = wf_future_read(future, value);
    wf_future_unref(future);
    return err;
}

WF_COLD int wf_future_refuse_loop(const weft_future *future)
{
    if (wf_future_check_thread(future) == 0 && future->loop->closed)
        return wf_misuse(-ESHUTDOWN, "%s was awaited after its loop had ended",
                         wf_future_describe(future).text);
    return wf_misuse(WEFT_ETHREAD, "%s was awaited in another loop",
                     wf_future_describe(future).text);
}

static WF_COLD int await_remote(weft_future *future, void **value)
{
    weft_task *self;
    if (!future->done)
        return promise_of(future)->remote->await(future, value);
    int err = wf_enter(&self);
    if (err < 0)
        return err;
    return future->loop == wf_running ? wf_future_read(future, value)
                                      : wf_future_refuse_loop(future);
}

int weft_await_with(weft_awaitable *awaitable, void **value)
{
    weft_task *self;
    if (WF_UNLIKELY(!awaitable))
        return wf_maker_error();
    if (awaitable->kind == WEFT_AWAITABLE_CORO)
        return wf_coro_await((weft_coro *)awaitable, value);
    if (WF_UNLIKELY(awaitable->kind == WF_AWAITABLE_REMOTE))
        return await_remote((weft_future *)awaitable, value);
    weft_future *future = (weft_future *)awaitable;
    int err = wf_enter(&self);
    if (err < 0)
        return err;
    if (WF_UNLIKELY(future->loop != self->future.loop))
        return wf_future_refuse_loop(future);
    return future->done ? wf_future_read(future, value) : wf_future_wait(self, future, value);
}

/* Callbacks. */

static void drop_done(struct wf_done *done)
{
    weft_drop_fn *drop = done->drop;
    done->fn = NULL;
    done->drop = NULL;
    wf_locals_drop(&done->locals);
    if (drop)
        wf_drop(wf_running, drop, done->arg);
}

static void free_done(struct wf_done *done)
{
    weft_future *future = done->waiter.object;
    drop_done(done);
    wf_slab_put(&future->loop->dones, done);
    wf_future_unref(future);
}

static void call_done(void *arg)
{
    struct wf_done *done = arg;
    done->fn(done->waiter.object, done->arg);
}

static void run_done(struct wf_ready *item, bool closed)
{
    struct wf_done *done = wf_container(item, struct wf_done, ready);
    const weft_future *future = done->waiter.object;
    struct wf_callback callback = {
        .fn = call_done, .arg = done, .name = done->name, .site = done->site, .locals = done->locals
    };
    if (done->fn && !closed) {
        done->locals = NULL;
        wf_callback_run(future->loop, &callback);
    }
    free_done(done);
}

static void queue_done(struct wf_waiter *w)
{
    struct wf_done *done = wf_container(w, struct wf_done, waiter);
    wf_ready_push(&((weft_future *)w->object)->loop->ready, &done->ready);
}

static const struct wf_wait_ops done_ops = { .kind = "future" };

static void init_done(struct wf_done *done, weft_future *future, weft_done_fn *fn,
                      const struct weft_call_options *options)
{
    done->waiter = (struct wf_waiter){ .ops = &done_ops, .wake = queue_done, .object = future };
    done->ready.run = run_done;
    done->fn = fn;
    done->arg = options->arg;
    done->drop = options->drop;
    done->name = options->name ? options->name : options->function ? options->function : "callback";
    done->site = options->site;
    done->locals = wf_locals_inherit(options->no_locals ? NULL : future->loop->current->locals);
}

int weft_future_on_done_with(weft_future *future, weft_done_fn *fn,
                             const struct weft_call_options *options)
{
    if (!future)
        return wf_maker_error();
    if (wf_future_check_thread(future) < 0)
        return WEFT_ETHREAD;
    if (future->loop->closed)
        return wf_fail(-ESHUTDOWN, "a callback was asked for after the loop had ended");
    struct wf_done *done = wf_slab_get(&future->loop->dones);
    if (!done)
        return wf_fail(-ENOMEM, "no memory for a callback");
    init_done(done, future, fn, options);
    future->references++;
    if (future->done)
        wf_wake(&done->waiter, 0);
    else
        wf_list_push_back(&future->waiters, &done->waiter.link);
    return 0;
}

static bool is_done_callback(const struct wf_done *done, const weft_future *future,
                             weft_done_fn *fn, const void *arg)
{
    return done->waiter.object == future && done->fn == fn && done->arg == arg;
}

/* Those among who waits; without `fn` all of them. Drops are users' code and may remove others:
 * first all are taken out, then they go. */
static size_t remove_waiting(weft_future *future, weft_done_fn *fn, const void *arg)
{
    struct wf_list gone, *head = &future->waiters, *link, *next;
    size_t removed = 0;
    wf_list_init(&gone);
    for (link = head->next; link != head; link = next) {
        struct wf_waiter *w = wf_container(link, struct wf_waiter, link);
        next = link->next;
        if (w->wake != queue_done ||
            (fn && !is_done_callback(wf_container(w, struct wf_done, waiter), future, fn, arg)))
            continue;
        wf_list_remove(link);
        wf_list_push_back(&gone, link);
        removed++;
    }
    while ((link = wf_list_pop_front(&gone)))
        free_done(wf_container(wf_container(link, struct wf_waiter, link), struct wf_done, waiter));
    return removed;
}

void wf_future_drop_callbacks(weft_future *future)
{
    remove_waiting(future, NULL, NULL);
}

static struct wf_done *find_queued(const weft_future *future, weft_done_fn *fn, const void *arg)
{
    for (struct wf_ready *item = future->loop->ready.head; item; item = item->next) {
        struct wf_done *done = wf_container(item, struct wf_done, ready);
        if (item->run == run_done && is_done_callback(done, future, fn, arg))
            return done;
    }
    return NULL;
}

/* In the queue they stay until their turn, and then do nothing. What a drop does to the queue
 * nobody knows, so each search begins at its head. */
static size_t remove_queued(const weft_future *future, weft_done_fn *fn, const void *arg)
{
    size_t removed = 0;
    for (struct wf_done *done; (done = find_queued(future, fn, arg)); removed++)
        drop_done(done);
    return removed;
}

size_t weft_future_remove_callback(weft_future *future, weft_done_fn *fn, void *arg)
{
    if (!future || wf_future_check_thread(future) < 0 || !fn)
        return 0;
    future->references++; /* a drop may release the last handle */
    /* Of a done one the list is empty, and its link another list's. */
    size_t removed = future->done ? 0 : remove_waiting(future, fn, arg);
    removed += remove_queued(future, fn, arg);
    wf_future_unref(future);
    return removed;
}

/* Chains. */

/* Who owns the pointer that `source` gives; so the last of a long chain holds one future. */
static weft_future *origin_of(weft_future *source)
{
    bool is_plain = source->awaitable.kind == WEFT_AWAITABLE_FUTURE;
    weft_future *origin = is_plain ? promise_of(source)->origin : NULL;
    return origin ? origin : source;
}

/* The source is done, and it is the turn after. */
static void pass_on(weft_future *source, void *arg)
{
    weft_future *target = arg;
    if (target->done)
        return;
    if (source->cancelled) {
        weft_future_cancel(target, NULL);
        return;
    }
    wf_future_retrieve(source); /* a failure is the target's to report from here on */
    if (source->result < 0) {
        weft_future_fail(target, source->result, wf_is_task(source) ? NULL : source->story);
        return;
    }
    weft_future *origin = origin_of(source);
    origin->references++;
    promise_of(target)->origin = origin;
    target->value.pointer = source->value.pointer;
    settle_promise(target, source->result);
}

static void give_back(void *target)
{
    weft_future_release(target);
}

int weft_future_chain(weft_future *source, weft_future *target)
{
    if (!source || !target)
        return wf_maker_error();
    if (wf_future_check_thread(source) < 0 || wf_future_check_thread(target) < 0)
        return WEFT_ETHREAD;
    if (target->awaitable.kind != WEFT_AWAITABLE_FUTURE)
        return wf_misuse(-EPERM, "%s was chained to a future: its function sets it",
                         wf_future_describe(target).text);
    if (source->loop != target->loop)
        return wf_misuse(WEFT_ETHREAD, "%s was chained to a future of another loop",
                         wf_future_describe(target).text);
    int err = weft_future_on_done(source, pass_on, weft_future_retain(target), .drop = give_back);
    if (err < 0)
        weft_future_release(target);
    return err;
}
