/* Tasks in other loops: weft_spawn_on() and weft_spawn_on_wait().
 *
 *      who asks                                    the target loop
 *      promise ──┐   start ──────────────────────> task in its background
 *                ├── remote (counted) ──┤            │
 *      awaiter ──┘   cancel ───────────────────────> weft_task_cancel()
 *      settled <──────────────────────────── done ── its end: result, pointer
 *
 * The remote is one block on the heap that both sides hold: the asking side until it knows the
 * result or gives up knowing it, the target until it has told it, and a cancel while it is on its
 * way. Three messages are embedded in it, and each is sent at most once. Between `start` and `done`
 * the fields of a side are touched by the thread of that side only; what crosses is written before
 * the message and read after it. Neither side keeps the other's loop, only its inbox: a loop that
 * has ended refuses the message, and then
 *
 *      start refused     the future is -ESHUTDOWN, the argument is dropped where it was asked
 *      start left over   the same, by `done`; dropped on the target's thread
 *      cancel refused    the task has ended with its loop
 *      done refused      nobody is left to tell: the pointer is dropped and a failure is reported
 *                        on the target's thread
 *
 * The argument's drop is called once, on the target's thread whenever the start got there.
 *
 * Who asks may be a plain thread: then a gate stands where the promise does, and `fate` says
 * whether anybody still waits there.
 *
 * The future holds a reference on itself while the task lives, as a task does, so it can be
 * released early; it is counted in loop->foreign, so that virtual time gives the other loop a
 * chance. */

#include "core/remote.h"

#include "base/error.h"
#include "base/memory.h"
#include "core/loop.h"
#include "io/gate.h"

#include <string.h>
#include <weft/error.h>
#include <weft/log.h>
#include <weft/remote.h>
#include <weft/scope.h>

/* Of the plain thread that asks. */
enum fate { WAITS, TOLD, LEFT };

struct remote {
    struct wf_remote seen; /* from the future */
    atomic_int references;
    bool has_gate;

    /* What is to run; fixed when it is sent. */
    weft_loop *target;
    weft_fn *fn;
    struct weft_spawn_options spawn;
    struct wf_inbox *there; /* the target's; a reference */
    struct wf_mail start, cancel, done;

    /* On the asking side. */
    struct wf_inbox *home; /* NULL: a plain thread asks; else a reference */
    struct wf_promise *promise;
    bool cancel_sent;
    struct wf_gate gate;
    atomic_uchar fate; /* enum fate */

    /* On the target's thread. */
    weft_task *task; /* a handle */
    struct wf_waiter end;
    struct wf_end_hook hook; /* the loop gives its stack up */
    bool cancel_came;

    /* Written on the target's thread, read after `done`. */
    int result;
    bool cancelled; /* -ECANCELED, because somebody asked for it */
    struct wf_value value;

    char name[WF_TASK_NAME_MAX + 1];
    _Alignas(max_align_t) unsigned char copied[];
};

static void release(struct remote *remote)
{
    if (atomic_fetch_sub_explicit(&remote->references, 1, memory_order_acq_rel) > 1)
        return;
    wf_inbox_release(remote->there);
    wf_inbox_release(remote->home);
    if (remote->has_gate)
        wf_gate_fini(&remote->gate);
    wf_free(remote);
}

static const char *name_of(const struct remote *remote)
{
    const struct weft_spawn_options *spawn = &remote->spawn;
    return spawn->name ? spawn->name : spawn->function ? spawn->function : "a task";
}

static void drop_argument(struct remote *remote)
{
    if (remote->spawn.drop)
        wf_drop(wf_running, remote->spawn.drop, remote->spawn.arg);
}

/* The target's side. */

/* True: somebody will read the result, or does already. */
static bool tell(struct remote *remote)
{
    if (remote->home)
        return wf_inbox_push_away(remote->home, &remote->done) == 0;
    if (atomic_exchange(&remote->fate, TOLD) == LEFT)
        return false;
    wf_gate_pass(&remote->gate);
    release(remote);
    return true;
}

/* It never ran. */
static void refuse(struct remote *remote, int err)
{
    remote->result = err;
    drop_argument(remote);
    if (!tell(remote))
        release(remote);
}

/* Whether it ends because its loop does, which nobody on the asking side has asked for. */
static bool ends_with_its_loop(const struct remote *remote)
{
    const weft_future *future = &remote->task->future;
    return future->cancelled && future->loop->ending && !remote->cancel_came;
}

static void read_result(struct remote *remote)
{
    const weft_future *future = &remote->task->future;
    remote->result = ends_with_its_loop(remote) ? -ESHUTDOWN : future->result;
    remote->cancelled = future->cancelled && remote->result == -ECANCELED;
    if (future->result >= 0)
        remote->value = future->value;
}

/* What is told is read, and its pointer another's. When nobody is told it stays the task's, whose
 * last release frees the one and reports the other. */
static void task_ended(struct wf_waiter *w)
{
    struct remote *remote = wf_container(w, struct remote, end);
    weft_task *task = remote->task;
    wf_list_remove(&remote->hook.link);
    read_result(remote);
    if (tell(remote)) { /* it may be gone */
        wf_future_retrieve(&task->future);
        wf_future_give_away(&task->future);
    } else {
        release(remote);
    }
    weft_task_release(task);
}

static const struct wf_wait_ops end_ops = { .kind = "its end, in another loop" };

/* At the end of the target: the task has outlived its grace. */
static void loop_ends(struct wf_end_hook *hook, bool refused)
{
    struct remote *remote = wf_container(hook, struct remote, hook);
    if (!refused)
        return;
    weft_task *task = remote->task;
    wf_list_remove(&remote->end.link);
    remote->task = NULL;
    remote->result = WEFT_ESTUCK;
    if (!tell(remote))
        release(remote);
    weft_task_release(task);
}

static void watch(struct remote *remote)
{
    weft_future *future = &remote->task->future;
    remote->end = (struct wf_waiter){ .ops = &end_ops, .wake = task_ended, .object = future };
    remote->hook.run = loop_ends;
    wf_list_push_back(&future->waiters, &remote->end.link);
    wf_list_push_back(&future->loop->end_hooks, &remote->hook.link);
}

static void deliver_start(struct wf_mail *mail, bool closed)
{
    struct remote *remote = wf_container(mail, struct remote, start);
    weft_loop *loop = remote->target;
    atomic_fetch_sub(&loop->posts, 1);
    if (closed) {
        refuse(remote, -ESHUTDOWN);
        return;
    }
    remote->spawn.task = &remote->task;
    int err = wf_task_spawn_remote(loop, remote->fn, &remote->spawn);
    if (err < 0)
        refuse(remote, err);
    else
        watch(remote);
}

static void deliver_cancel(struct wf_mail *mail, bool closed)
{
    struct remote *remote = wf_container(mail, struct remote, cancel);
    bool lives = remote->task && remote->end.state != WF_WAIT_DONE;
    if (lives && !closed) {
        remote->cancel_came = true;
        weft_task_cancel(remote->task, "who waits for it in another loop has given it up");
    }
    release(remote);
}

/* The asking side. */

static struct remote *inside(struct wf_remote *seen)
{
    return wf_container(seen, struct remote, seen);
}

static void cancel(struct wf_remote *seen)
{
    struct remote *remote = inside(seen);
    if (remote->cancel_sent)
        return;
    remote->cancel_sent = true;
    atomic_fetch_add_explicit(&remote->references, 1, memory_order_relaxed);
    if (wf_inbox_push(remote->there, &remote->cancel) < 0)
        release(remote);
}

/* Awaiting. */

#define LATE (100 * WEFT_MILLISECOND) /* of waiting after a cancel, before it is reported */

struct wait {
    struct wf_waiter waiter;
    struct wf_timer late;
    bool told; /* it is to end */
};

static struct remote *remote_of(weft_future *future)
{
    return inside(wf_container(future, struct wf_promise, future)->remote);
}

/* The end may have come in the same turn: then the remote is gone. */
static void report_late(struct wf_timer *timer)
{
    const struct wait *wait = wf_container(timer, struct wait, late);
    const weft_task *task = wait->waiter.owner;
    if (wait->waiter.state == WF_WAIT_DONE)
        return;
    const struct remote *remote = remote_of(wait->waiter.object);
    weft_log(WEFT_LOG_RUNTIME, WEFT_LOG_WARNING,
             "task '%s' (spawned at %s) was cancelled, but still waits for '%s' in another loop",
             task->name, task->future.site, name_of(remote));
}

/* It is waited for like a job on a thread: real time passes until it has ended. */
static void tell_to_end(struct wait *wait)
{
    weft_future *future = wait->waiter.object;
    cancel(&remote_of(future)->seen);
    future->loop->jobs++;
    wait->told = true;
    wf_timer_add(&future->loop->timers, &wait->late, wf_deadline_after(future->loop, LATE));
}

static bool bound_abort(struct wf_waiter *w)
{
    tell_to_end(wf_container(w, struct wait, waiter));
    return false;
}

static weft_future *awaited(const struct wf_waiter *w, size_t *at)
{
    return (*at)++ == 0 ? w->object : NULL;
}

static const struct wf_wait_ops bound_ops = { .kind = "a task of another loop",
                                              .abort = bound_abort,
                                              .awaits = awaited };
static const struct wf_wait_ops join_ops = { .kind = "the end of a task of another loop",
                                             .awaits = awaited };

static int park(struct wait *wait, weft_future *future, const struct wf_wait_ops *ops)
{
    wf_waiter_arm(&wait->waiter, ops, future);
    wf_timer_init(&wait->late, report_late);
    wait->told = false;
    wf_list_push_back(&future->waiters, &wait->waiter.link);
    if (ops == &join_ops)
        tell_to_end(wait);
    int err = (int)wf_park(&wait->waiter);
    wf_timer_cancel(&future->loop->timers, &wait->late);
    future->loop->jobs -= wait->told;
    return err;
}

static int wait_bound(weft_future *future, bool cancelled, void **value)
{
    struct wait wait;
    future->references++;
    int err = park(&wait, future, cancelled ? &join_ops : &bound_ops);
    if (cancelled && future->result < 0)
        err = -ECANCELED;
    if (err >= 0)
        err = wf_future_read(future, value);
    wf_future_unref(future);
    return err;
}

static int await(weft_future *future, void **value)
{
    weft_task *self;
    int err = wf_enter(&self);
    if (err < 0 && err != -ECANCELED)
        return err;
    if (future->loop != wf_running)
        return err < 0 ? err : wf_future_refuse_loop(future);
    if (!future->done && remote_of(future)->seen.bound) /* others have run meanwhile */
        return wait_bound(future, err < 0, value);
    if (err < 0)
        return err;
    return future->done ? wf_future_read(future, value) : wf_future_wait(self, future, value);
}

static void forget(struct wf_remote *seen)
{
    struct remote *remote = inside(seen);
    weft_future *future = &remote->promise->future;
    future->loop->foreign--;
    remote->promise = NULL;
    release(remote);
    wf_future_unref(future);
}

static void settle(struct remote *remote)
{
    struct wf_promise *promise = remote->promise;
    weft_future *future = &promise->future;
    int result = remote->result;
    future->cancelled = remote->cancelled;
    if (result >= 0) {
        future->value = remote->value;
    } else {
        future->story = NULL;
        future->retrieved = future->cancelled;
    }
    future->loop->foreign--;
    remote->promise = NULL;
    release(remote);
    wf_promise_settle(promise, result);
    wf_future_unref(future);
}

static void deliver_done(struct wf_mail *mail, bool closed)
{
    struct remote *remote = wf_container(mail, struct remote, done);
    (void)closed; /* the result is as good at the loop's end */
    settle(remote);
    release(remote);
}

/* Beginning. */

static int check(const weft_loop *target, const struct weft_spawn_options *spawn)
{
    if (!target)
        return wf_misuse(-EPERM, "a task was spawned where there is no loop");
    return wf_task_check_options(spawn);
}

static struct weft_spawn_options spawn_options_of(const struct weft_spawn_on_options *options)
{
    return (struct weft_spawn_options){
        .arg = options->arg,
        .drop = options->drop,
        .name = options->name,
        .function = options->function,
        .site = options->site,
        .stack_size = options->stack_size,
        .copy = options->copy,
    };
}

/* A remote that nobody has heard of, with one reference for each side. NULL: no memory. */
static struct remote *make(weft_loop *target, weft_fn *fn, const struct weft_spawn_options *spawn)
{
    struct remote *remote = wf_alloc_zero(sizeof *remote + spawn->copy);
    if (!remote)
        return NULL;
    atomic_init(&remote->references, 2);
    atomic_init(&remote->fate, WAITS);
    remote->seen = (struct wf_remote){ .await = await, .cancel = cancel, .forget = forget };
    remote->seen.bound = spawn->copy == 0;
    remote->target = target;
    remote->fn = fn;
    remote->spawn = *spawn;
    remote->there = wf_inbox_retain(target->inbox);
    remote->start.deliver = deliver_start;
    remote->cancel.deliver = deliver_cancel;
    remote->done.deliver = deliver_done;
    if (spawn->copy > 0) {
        memcpy(remote->copied, spawn->arg, spawn->copy);
        remote->spawn.arg = remote->copied;
    }
    if (spawn->name) {
        strncpy(remote->name, spawn->name, WF_TASK_NAME_MAX);
        remote->spawn.name = remote->name;
    }
    return remote;
}

/* A place among the target's messages: 0; -EAGAIN: there is none. */
static int reserve(weft_loop *target)
{
    if (atomic_fetch_add(&target->posts, 1) < target->posts_max)
        return 0;
    atomic_fetch_sub(&target->posts, 1);
    return wf_fail(-EAGAIN, "the loop's mailbox holds %u messages", target->posts_max);
}

/* 0; -EAGAIN, -ENOMEM. */
static int prepare(struct remote **remote, weft_loop *target, weft_fn *fn,
                   const struct weft_spawn_options *spawn)
{
    int err = check(target, spawn);
    if (err == 0)
        err = reserve(target);
    if (err < 0)
        return err;
    *remote = make(target, fn, spawn);
    if (*remote)
        return 0;
    atomic_fetch_sub(&target->posts, 1);
    return wf_fail(-ENOMEM, "no memory for a task in another loop");
}

/* Nobody has heard of it, and nobody will. */
static void unmake(struct remote *remote)
{
    atomic_fetch_sub(&remote->target->posts, 1);
    release(remote);
    release(remote);
}

/* After this the remote is the target's as much as ours. -ESHUTDOWN: it is all ours. */
static int send_start(struct remote *remote)
{
    weft_loop *target = remote->target;
    int err = wf_inbox_push(remote->there, &remote->start);
    if (err == 0)
        return 0;
    atomic_fetch_sub(&target->posts, 1);
    drop_argument(remote);
    release(remote);
    return wf_fail(err, "a task was to be started in a loop that has ended");
}

static struct weft_spawn_on_options read_options(const struct weft_spawn_on_options *given)
{
    struct weft_spawn_on_options options = { 0 };
    size_t size = given->size && given->size < sizeof options ? given->size : sizeof options;
    memcpy(&options, given, size);
    return options;
}

static void drop_given(const struct weft_spawn_options *spawn)
{
    if (spawn->drop)
        wf_drop(wf_running, spawn->drop, spawn->arg);
}

static weft_future *not_made(int err, const struct weft_spawn_options *spawn)
{
    drop_given(spawn);
    return wf_not_made(err);
}

/* The promise that stands for it; NULL: no loop, no memory. */
static struct wf_promise *promise_for(struct remote *remote)
{
    weft_future *future = weft_future_new_with(remote->spawn.site);
    if (!future)
        return NULL;
    struct wf_promise *promise = wf_container(future, struct wf_promise, future);
    future->awaitable.kind = WF_AWAITABLE_REMOTE;
    future->references++; /* the task's, until it has ended */
    future->loop->foreign++;
    promise->remote = &remote->seen;
    remote->promise = promise;
    remote->home = wf_inbox_retain(future->loop->inbox);
    return promise;
}

weft_future *weft_spawn_on_with(weft_loop *target, weft_fn *fn,
                                const struct weft_spawn_on_options *given)
{
    struct weft_spawn_on_options options = read_options(given);
    struct weft_spawn_options spawn = spawn_options_of(&options);
    struct remote *remote = NULL;
    int err = prepare(&remote, target, fn, &spawn);
    if (err < 0)
        return not_made(err, &spawn);
    struct wf_promise *promise = promise_for(remote);
    if (!promise) {
        unmake(remote);
        return not_made(wf_maker_error(), &spawn);
    }
    err = send_start(remote);
    if (err < 0) {
        remote->result = err;
        settle(remote);
    }
    return &promise->future;
}

/* Plain threads. */

static int refuse_thread(const weft_loop *target)
{
    if (wf_running)
        return wf_misuse(-EDEADLK, "weft_spawn_on_wait() in a thread whose loop runs: that would "
                                   "hold all its tasks up; await weft_spawn_on()");
    if (target && target->thread == wf_this_thread())
        return wf_misuse(-EDEADLK, "weft_spawn_on_wait() for a loop of this thread, which cannot "
                                   "run meanwhile");
    return 0;
}

/* False: it has ended just now. */
static bool leave(struct remote *remote)
{
    unsigned char waits = WAITS;
    return atomic_compare_exchange_strong(&remote->fate, &waits, LEFT);
}

/* Wait until the time is over, and then for the end, or no more. True: it has ended. */
static bool wait_at_gate(struct remote *remote, int64_t timeout)
{
    if (wf_gate_wait(&remote->gate, 1, timeout))
        return true;
    cancel(&remote->seen);
    if (!remote->seen.bound && leave(remote))
        return false;
    return wf_gate_wait(&remote->gate, 1, WEFT_FOREVER);
}

/* A pointer that nobody wants is dropped. */
static int take_result(struct remote *remote, void **value)
{
    if (remote->result >= 0 && value)
        *value = remote->value.pointer;
    else if (remote->result >= 0 && remote->value.drop)
        remote->value.drop(remote->value.pointer);
    bool is_ours = remote->cancel_sent && remote->cancelled;
    return is_ours ? -ETIMEDOUT : remote->result;
}

static int run_and_wait(struct remote *remote, const struct weft_spawn_on_options *options)
{
    remote->has_gate = true;
    wf_gate_init(&remote->gate);
    int err = send_start(remote);
    if (err == 0)
        err = wait_at_gate(remote, options->timeout) ? take_result(remote, options->value)
                                                     : -ETIMEDOUT;
    release(remote);
    return err;
}

int weft_spawn_on_wait_with(weft_loop *target, weft_fn *fn,
                            const struct weft_spawn_on_options *given)
{
    struct weft_spawn_on_options options = read_options(given);
    struct weft_spawn_options spawn = spawn_options_of(&options);
    struct remote *remote = NULL;
    int err = refuse_thread(target);
    if (err == 0)
        err = prepare(&remote, target, fn, &spawn);
    if (err == 0)
        return run_and_wait(remote, &options);
    drop_given(&spawn);
    return err;
}
