/* The loop and its turn.
 *
 *        ┌──> 1 run what is ready           dispatch.c: FIFO, hand-overs, for at most a slice
 *        │    2 deliver mail                posts, notices, finished jobs: makes things ready
 *        │    3 run the turn's hooks        streams send what the turn has written, once
 *        │    4 fire timers that are due    in order of (deadline, sequence), at most a slice
 *        │    5 ask the kernel              not at all, at once, or until the next timer;
 *        └────┘                             completions make tasks ready
 *
 * A turn that leaves something ready, and was not cut, goes through 4 and 5 only when
 * WF_POLL_INTERVAL has passed since it last did: tasks that hand work to one another cost no system
 * calls, and I/O and timers wait at most that long plus one step. So what becomes ready for a task
 * at the queue's end is at most (queue length) x (longest step) away, plus WF_SLICE for each turn
 * that was cut.
 *
 * With the test clock every turn is a full one, and where step 5 would block with nothing in flight
 * the clock jumps to the next timer. */

#include "core/loop.h"

#include "base/error.h"
#include "base/memory.h"
#include "core/blocked.h"
#include "core/coro.h"
#include "core/group.h"
#include "core/overflow.h"
#include "core/post.h"
#include "core/signal.h"
#include "core/watchdog.h"
#include "io/descriptors.h"

#include <string.h>
#include <weft/error.h>
#include <weft/log.h>

_Thread_local const struct wf_loop_watch *wf_loop_watch;
_Thread_local weft_loop *wf_newest;

#define TASKS_MAX        ((size_t)1 << 24)
#define FOREIGN_PATIENCE (10 * WEFT_MILLISECOND)

static uint64_t next_identity(void)
{
    static _Atomic uint32_t loops;
    return (uint64_t)(atomic_fetch_add(&loops, 1) + 1) << 32;
}

/* Time. */

int64_t weft_now(void)
{
    static const struct wf_clock real = { .test = false };
    weft_loop *loop = weft_loop_current();
    return wf_clock_now(loop ? &loop->clock : &real);
}

uint64_t weft_ticks(void)
{
    const weft_loop *loop = weft_loop_current();
    return loop && loop->clock.test ? (uint64_t)loop->clock.now : wf_clock_ticks();
}

int64_t weft_ticks_time(uint64_t ticks)
{
    const weft_loop *loop = weft_loop_current();
    return loop && loop->clock.test ? (int64_t)ticks : wf_clock_time_of(ticks);
}

int64_t weft_deadline(int64_t timeout)
{
    return wf_clock_after(weft_now(), timeout);
}

int64_t wf_deadline_after(weft_loop *loop, int64_t duration)
{
    return wf_clock_after(wf_clock_now(&loop->clock), duration);
}

/* A shuffled run and one in virtual time depend on nothing but seed and program. */
struct wf_random *wf_loop_dice(weft_loop *loop)
{
    static const struct wf_random none;
    if (memcmp(&loop->dice, &none, sizeof none) != 0)
        return &loop->dice;
    uint64_t seed = 0;
    if (loop->shuffle.on)
        seed = wf_random_next(&loop->shuffle.dice);
    else if (!loop->clock.test)
        seed = wf_random_entropy();
    wf_random_seed(&loop->dice, seed);
    return &loop->dice;
}

/* Birth. */

static int open_io(weft_loop *loop, const struct weft_loop_options *options)
{
    int err = wf_inbox_new(&loop->inbox);
    if (err < 0)
        return err;
    struct wf_io_options io = { .inbox = loop->inbox };
    err = wf_io_open(options->backend, &io, &loop->io, &loop->io_ops, &loop->io_reason);
    return err < 0 ? wf_fail(err, "no driver for a loop: %s", loop->io_reason) : 0;
}

static void init_root(weft_loop *loop)
{
    weft_task *root = &loop->root;
    root->future.loop = loop;
    root->name = "the dispatcher";
    root->future.site = "loop.c";
    root->state = WF_TASK_RUNNING;
    root->innermost = &root->member.region;
    wf_region_init(&root->member.region, NULL, WF_REGION_MEMBER, false);
    wf_context_main(&loop->thread_fiber.context);
    root->fiber = &loop->thread_fiber;
    loop->current = root;
}

static void grace_is_over(struct wf_timer *timer);

_Static_assert((int)WEFT_GUARDS_BEST == WF_GUARDS_BEST &&
                   (int)WEFT_GUARDS_MARKS == WF_GUARDS_MARKS &&
                   (int)WEFT_GUARDS_PAGES == WF_GUARDS_PAGES &&
                   (int)WEFT_GUARDS_CANARIES == WF_GUARDS_CANARIES,
               "the context layer has names of its own");

static void init_state(weft_loop *loop, const struct weft_loop_options *options)
{
    wf_clock_init(&loop->clock, options->clock == WEFT_CLOCK_TEST);
    loop->direct_turns = !loop->clock.test;
    wf_ready_init(&loop->ready);
    wf_stack_pool_init(&loop->stacks, options->stacks_max);
    loop->stacks.guards = options->guards;
    wf_slab_init(&loop->tasks, sizeof(weft_task), WF_SLAB_CACHE_LINE, TASKS_MAX);
    wf_slab_init(&loop->names, sizeof(struct wf_task_name), WF_SLAB_ALIGN, TASKS_MAX);
    wf_slab_init(&loop->promises, sizeof(struct wf_promise), WF_SLAB_CACHE_LINE, TASKS_MAX);
    wf_slab_init(&loop->dones, sizeof(struct wf_done), WF_SLAB_ALIGN, TASKS_MAX);
    wf_timers_init(&loop->timers, wf_clock_now(&loop->clock));
    wf_calls_init(&loop->calls);
    wf_list_init(&loop->turn_hooks);
    wf_list_init(&loop->lingering);
    wf_list_init(&loop->pending);
    wf_list_init(&loop->unread);
    wf_list_init(&loop->end_hooks);
    wf_timer_init(&loop->grace_timer, grace_is_over);
    wf_shutdown_init(&loop->shutdown);
    wf_scope_init_background(&loop->background, loop);
    init_root(loop);
    atomic_init(&loop->references, 1);
    loop->references_own = 1;
    loop->posts_max = options->posts_max ? options->posts_max : 65536;
    loop->grace = options->grace ? options->grace : WF_GRACE;
    loop->thread = wf_this_thread();
    loop->debug = options->debug || wf_debug_from_environment();
    loop->slow_step = options->slow_step;
    wf_spin_init(&loop->spin, loop->clock.test ? -1 : options->spin);
    wf_shuffle_init(loop);
}

/* Binaries of other releases have other sizes: what they do not know is zero. */
static struct weft_loop_options read_options(const struct weft_loop_options *given)
{
    struct weft_loop_options options = { 0 };
    size_t size = given->size && given->size < sizeof options ? given->size : sizeof options;
    memcpy(&options, given, size);
    return options;
}

int wf_loop_make(weft_loop **out, const struct weft_loop_options *options)
{
    wf_fork_watch();
    wf_descriptors_reserve();
    weft_loop *loop = wf_alloc_zero(sizeof *loop);
    if (!loop)
        return wf_fail(-ENOMEM, "no memory for a loop");
    int err = wf_alternate_new(&loop->alternate) < 0
                  ? wf_fail(-ENOMEM, "no memory for a loop's signal stack")
                  : open_io(loop, options);
    if (err < 0) {
        wf_alternate_free(loop->alternate);
        wf_inbox_release(loop->inbox);
        wf_free(loop);
        return err;
    }
    init_state(loop, options);
    loop->root.identity = next_identity();
    if (!options->no_overflow_report)
        wf_overflow_report_begin(loop);
    weft_log(WEFT_LOG_RUNTIME, WEFT_LOG_DEBUG, "driver %s: %s", loop->io_ops->name,
             loop->io_reason);
    loop->older = wf_newest;
    wf_newest = loop;
    loop->watch = wf_loop_watch;
    if (loop->watch)
        loop->watch->born(loop);
    *out = loop;
    return 0;
}

int weft_loop_new_with(const struct weft_loop_options *given)
{
    struct weft_loop_options options = read_options(given);
    if (options.threads > 1)
        return wf_fail(-ENOTSUP, "several loops are weft_run()'s: .threads means nothing to one");
    return wf_loop_make(options.loop, &options);
}

/* Turns. */

/* A drop may run in there, which is users' code, and may take a notice back that is among the rest:
 * by delivering that first. */
void wf_loop_deliver_mail(weft_loop *loop)
{
    struct wf_mail *mail, **end = &loop->arrived;
    if (WF_LIKELY(wf_inbox_is_empty(loop->inbox) && !loop->arrived))
        return;
    loop->mail_came = true;
    while (*end)
        end = &(*end)->next;
    *end = wf_inbox_take(loop->inbox);
    while ((mail = loop->arrived)) {
        loop->arrived = mail->next;
        mail->deliver(mail, false);
    }
}

void wf_loop_unready(weft_loop *loop, struct wf_ready *item)
{
    if (wf_ready_remove(&loop->ready, item) < loop->turn_left)
        loop->turn_left--;
}

static void run_turn_hooks(weft_loop *loop)
{
    struct wf_list hooks, *link;
    if (WF_LIKELY(wf_list_is_empty(&loop->turn_hooks)))
        return;
    wf_list_init(&hooks);
    wf_list_splice(&hooks, &loop->turn_hooks);
    while ((link = wf_list_pop_front(&hooks))) {
        struct wf_turn_hook *hook = wf_container(link, struct wf_turn_hook, link);
        hook->run(hook);
    }
}

/* When a slice that begins now is over. While the test clock stands still no slice ends: a run
 * depends on nothing but its program. */
static uint64_t slice_from(const weft_loop *loop, uint64_t ticks)
{
    return loop->clock.test ? UINT64_MAX : ticks + wf_clock_ticks_of(WF_SLICE);
}

static void fire_timers(weft_loop *loop)
{
    if (loop->timers.count == 0)
        return;
    int64_t now = wf_clock_now(&loop->clock);
    uint64_t end = slice_from(loop, wf_clock_ticks());
    unsigned fired = 0;
    struct wf_timer *timer;
    wf_timers_advance(&loop->timers, now);
    while ((timer = wf_timers_pop(&loop->timers, now))) {
        timer->fire(timer);
        if (++fired % WF_RESUMES_PER_LOOK == 0 && wf_clock_ticks() >= end)
            break;
    }
}

/* At the end: nobody is left to wait for. */
static bool is_wound_down(const weft_loop *loop)
{
    return loop->background.live == 0 && wf_list_is_empty(&loop->lingering);
}

static bool is_over(const weft_loop *loop)
{
    return is_wound_down(loop) && !(loop->awaits_group && wf_group_winds_down(loop));
}

static bool has_work(const weft_loop *loop)
{
    return loop->ready.head || loop->lifo || loop->stopping ||
           !wf_list_is_empty(&loop->turn_hooks) || (loop->ending && is_over(loop));
}

/* A loop that has nothing else to do wakes up to give back what it does not need. */
static int64_t until_cooling(const weft_loop *loop, int64_t timeout)
{
    int64_t cooling = loop->clock.test ? WEFT_FOREVER : wf_fibers_cool_in(loop);
    return timeout < cooling ? timeout : cooling;
}

static void ask_kernel(weft_loop *loop, int64_t timeout)
{
    wf_count(&loop->counters.polls);
    wf_fork_check(loop);
    if (WF_UNLIKELY(timeout == WEFT_FOREVER))
        wf_blocked_check(loop);
    loop->io_ops->wait(loop->io, timeout > 0 ? until_cooling(loop, timeout) : 0);
    wf_loop_deliver_mail(loop);
}

static void ask_at_once(weft_loop *loop, uint64_t ticks)
{
    loop->asked = ticks;
    ask_kernel(loop, 0);
}

/* Look for mail, and for what the kernel has, each WF_POLL_INTERVAL as in busy turns. True: there
 * is something to do. */
static bool spin(weft_loop *loop, uint64_t begun, int64_t timeout)
{
    uint64_t interval = wf_clock_ticks_of(WF_POLL_INTERVAL), longest = wf_clock_ticks_of(timeout);
    uint64_t end = begun + (longest < loop->spin.bound ? longest : loop->spin.bound), now = begun;
    do {
        bool mail = wf_spin_until(loop->inbox, end - now < interval ? end : now + interval);
        now = wf_clock_ticks();
        if (mail)
            wf_spin_note(&loop->spin, now - begun, true);
        if (!mail || now - loop->asked >= interval)
            ask_at_once(loop, now);
        else
            wf_loop_deliver_mail(loop);
    } while (!has_work(loop) && now < end);
    return has_work(loop);
}

static int64_t until_next_timer(weft_loop *loop)
{
    int64_t next = wf_timers_next(&loop->timers);
    if (next == WEFT_FOREVER)
        return WEFT_FOREVER;
    int64_t left = next - wf_clock_now(&loop->clock);
    return left > 0 ? left : 0;
}

/* Nothing is ready: sleep, or spin before. */
static void be_idle(weft_loop *loop)
{
    int64_t timeout = until_next_timer(loop);
    if (WF_LIKELY(loop->spin.bound == 0) || timeout == 0) {
        ask_kernel(loop, timeout);
        return;
    }
    uint64_t begun = wf_clock_ticks();
    loop->mail_came = false;
    if (wf_spin_is_worth(&loop->spin) && spin(loop, begun, timeout))
        return;
    ask_kernel(loop, until_next_timer(loop));
    loop->asked = wf_clock_ticks();
    wf_spin_note(&loop->spin, loop->asked - begun, loop->mail_came);
}

/* Real time must pass when a job is on a thread, or when no timer could ever end the wait. Another
 * loop, which may never answer, is given a moment of it. */
static void ask_or_jump(weft_loop *loop)
{
    ask_kernel(loop, 0);
    if (has_work(loop))
        return;
    int64_t next = wf_timers_next(&loop->timers);
    bool waits = loop->jobs > 0 || next == WEFT_FOREVER;
    if (waits || loop->foreign > 0)
        ask_kernel(loop, waits ? WEFT_FOREVER : FOREIGN_PATIENCE);
    if (!waits && !has_work(loop))
        wf_clock_advance_to(&loop->clock, wf_timers_next(&loop->timers));
}

/* By the difference: ticks that stepped back are long ago. */
static bool was_polled_just_now(const weft_loop *loop, uint64_t ticks)
{
    return ticks - loop->last_poll < wf_clock_ticks_of(WF_POLL_INTERVAL);
}

static void turn(weft_loop *loop)
{
    uint64_t ticks = wf_clock_ticks();
    wf_count(&loop->counters.turns);
    loop->looked = wf_loop_moment(loop, ticks);
    loop->slice_end = slice_from(loop, ticks);
    wf_dispatch_turn(loop);
    wf_loop_deliver_mail(loop);
    bool is_cut = loop->turn_left > 0;
    run_turn_hooks(loop);
    if (has_work(loop) && !is_cut && was_polled_just_now(loop, ticks) && !loop->clock.test)
        return;
    loop->last_poll = ticks;
    if (!loop->clock.test)
        wf_fibers_cool(loop, ticks);
    fire_timers(loop);
    if (has_work(loop))
        ask_kernel(loop, 0);
    else if (loop->clock.test)
        ask_or_jump(loop);
    else
        be_idle(loop);
}

static int check_run(const weft_loop *loop)
{
    if (loop->closed)
        return wf_misuse(-ESHUTDOWN, "a loop was run after weft_loop_free()");
    if (wf_running)
        return wf_misuse(-EDEADLK,
                         "a loop runs on this thread already: a loop cannot be run inside "
                         "a task or callback");
    if (loop->exception_handler.busy)
        return wf_misuse(-EDEADLK, "a loop was run in its own exception handler");
    if (loop->thread != wf_this_thread())
        return wf_misuse(WEFT_ETHREAD, "a loop was run by a thread that did not make it");
    return 0;
}

static int begin_run(weft_loop *loop)
{
    int err = check_run(loop);
    if (err < 0)
        return err;
    wf_alternate_take(loop->alternate);
    wf_running = loop;
    loop->running = true;
    loop->blocked_told = false;
    if (WF_UNLIKELY(loop->debug))
        wf_watchdog_start(loop);
    return 0;
}

static void end_run(weft_loop *loop)
{
    wf_fork_check(loop);
    wf_watchdog_stop(loop);
    loop->running = false;
    loop->stopping = false;
    wf_running = NULL;
    wf_alternate_give_back(loop->alternate);
}

static void run_until_stopped(weft_loop *loop)
{
    do
        turn(loop);
    while (!loop->stopping);
}

int weft_loop_run_forever(weft_loop *loop)
{
    int err = begin_run(loop);
    if (err < 0)
        return err;
    run_until_stopped(loop);
    end_run(loop);
    return 0;
}

void weft_loop_stop(weft_loop *loop)
{
    if (loop->thread == wf_this_thread())
        loop->stopping = true;
    else
        wf_misuse(WEFT_ETHREAD,
                  "weft_loop_stop() from another thread: post a callback that calls it");
}

void wf_loop_run_while(weft_loop *loop, bool (*holds)(const weft_loop *loop))
{
    if (begin_run(loop) < 0)
        return;
    while (!loop->grace_over && holds(loop)) {
        turn(loop);
        loop->stopping = false;
    }
    end_run(loop);
}

bool weft_loop_is_running(const weft_loop *loop)
{
    return loop->running;
}

void weft_loop_get_stats(const weft_loop *loop, weft_loop_stats *stats)
{
    *stats = (weft_loop_stats){ .backend = NULL };
    if (!loop)
        return;
    stats->backend = loop->io_ops->name;
    stats->backend_reason = loop->io_reason;
    stats->tasks = loop->tasks.live;
    stats->ready = loop->ready.count;
    stats->timers = loop->timers.count;
    stats->spawned = loop->counters.spawns;
    stats->turns = atomic_load_explicit(&loop->counters.turns, memory_order_relaxed);
    stats->switches = atomic_load_explicit(&loop->counters.resumes, memory_order_relaxed);
    stats->polls = atomic_load_explicit(&loop->counters.polls, memory_order_relaxed);
    struct wf_io_memory memory;
    loop->io_ops->memory(loop->io, &memory);
    stats->lent = memory.lent;
    stats->pinned = memory.pinned;
}

/* A waiter whose wake ends the run, after the callbacks that were queued before it. */

struct run {
    struct wf_waiter waiter;
    struct wf_ready ready;
};

static const struct wf_wait_ops run_ops = { .kind = "the run's task" };

static void stop_in_turn(struct wf_ready *item, bool closed)
{
    struct run *run = wf_container(item, struct run, ready);
    if (!closed)
        weft_loop_stop(run->waiter.owner);
}

static void queue_stop(struct wf_waiter *w)
{
    weft_loop *loop = w->owner;
    wf_ready_push(&loop->ready, &wf_container(w, struct run, waiter)->ready);
}

/* Stopped from elsewhere it leaves nothing behind. */
static void run_until_done(weft_loop *loop, weft_future *future)
{
    struct run run = {
        .waiter = { .ops = &run_ops, .wake = queue_stop, .object = future, .owner = loop },
        .ready = { .run = stop_in_turn },
    };
    if (future->done)
        wf_wake(&run.waiter, 0);
    else
        wf_list_push_back(&future->waiters, &run.waiter.link);
    run_until_stopped(loop);
    if (run.waiter.state != WF_WAIT_DONE)
        wf_list_remove(&run.waiter.link);
    else
        wf_loop_unready(loop, &run.ready);
}

static int run_future(weft_loop *loop, weft_future *future)
{
    if (future->loop != loop)
        return wf_misuse(-EXDEV, "%s belongs to another loop", wf_future_describe(future).text);
    int err = begin_run(loop);
    if (err < 0)
        return err;
    future->references++;
    run_until_done(loop, future);
    end_run(loop);
    err = future->done ? weft_future_result(future, NULL) : -ECANCELED;
    wf_future_unref(future);
    return err;
}

/* Whether a run may begin is asked first: a coroutine that cannot run is not left as a task. */
static int run_coro(weft_loop *loop, weft_coro *coro)
{
    weft_task *task = NULL;
    int err = check_run(loop);
    if (err < 0) {
        wf_coro_refuse(coro);
        return err;
    }
    err = wf_coro_spawn(coro, weft_loop_background(loop), &task);
    if (err < 0)
        return err;
    err = run_future(loop, &task->future);
    weft_task_release(task);
    return err;
}

int weft_loop_run_until_complete_with(weft_loop *loop, weft_awaitable *awaitable)
{
    if (!awaitable)
        return wf_maker_error();
    if (awaitable->kind == WEFT_AWAITABLE_CORO)
        return run_coro(loop, (weft_coro *)awaitable);
    return run_future(loop, (weft_future *)awaitable);
}

/* The end. */

/* Stop: the turn that finds it over must not wait for anything else. */
static void grace_is_over(struct wf_timer *timer)
{
    weft_loop *loop = wf_container(timer, weft_loop, grace_timer);
    loop->grace_over = true;
    loop->stopping = true;
}

void wf_loop_begin_grace(weft_loop *loop)
{
    if (loop->grace_begun || loop->grace == WEFT_FOREVER)
        return;
    loop->grace_begun = true;
    wf_timer_add(&loop->timers, &loop->grace_timer, wf_deadline_after(loop, loop->grace));
}

static void turn_until_wound_down(weft_loop *loop)
{
    while (!loop->grace_over && !is_over(loop)) {
        turn(loop);
        loop->stopping = false;
    }
}

/* One after another, oldest first: what one of them ends may close another one. */
static void run_end_hooks(weft_loop *loop)
{
    struct wf_list hooks, *link;
    wf_list_init(&hooks);
    wf_list_splice(&hooks, &loop->end_hooks);
    while (!loop->grace_over && (link = wf_list_pop_front(&hooks))) {
        struct wf_end_hook *hook = wf_container(link, struct wf_end_hook, link);
        wf_list_push_back(&loop->end_hooks, link);
        hook->run(hook, false);
        turn_until_wound_down(loop);
    }
    wf_list_splice(&loop->end_hooks, &hooks);
}

static void refuse_end_hooks(weft_loop *loop)
{
    struct wf_list *link;
    while ((link = wf_list_pop_front(&loop->end_hooks))) {
        struct wf_end_hook *hook = wf_container(link, struct wf_end_hook, link);
        hook->run(hook, true);
    }
}

/* Tasks of other loops may still post to this one. */
static void await_group(weft_loop *loop)
{
    if (!loop->group)
        return;
    wf_group_wound_down(loop);
    loop->awaits_group = true;
    turn_until_wound_down(loop);
}

/* Cancel the background and give everybody until the grace is over, those included who end what was
 * left open. */
static void wind_down(weft_loop *loop)
{
    loop->ending = true;
    wf_shutdown_end(loop);
    wf_region_cancel(&loop->background.region, "the loop ends");
    wf_loop_begin_grace(loop);
    turn_until_wound_down(loop);
    run_end_hooks(loop);
    await_group(loop);
    wf_timer_cancel(&loop->timers, &loop->grace_timer);
}

/* Their frames may be used by threads and by one another: the stacks stay as they are, and the
 * tasks and the loop's memory with them. */
static int abandon_tasks(weft_loop *loop)
{
    struct wf_region *root = &loop->background.region, *region = root;
    while ((region = wf_region_next(root, region))) {
        struct wf_member *member = wf_region_member(region);
        if (region->kind == WF_REGION_SCOPE)
            wf_scope_leave_token(wf_scope_of_region(region));
        if (region->kind != WF_REGION_MEMBER || !member->ops->abandon)
            continue;
        member->ops->abandon(member);
        loop->tasks_abandoned = true;
    }
    return loop->tasks_abandoned ? WEFT_ESTUCK : 0;
}

/* Tell those who wait for a turn that none will come: callbacks, and tasks that have not begun. */
static void refuse_ready(weft_loop *loop)
{
    while (loop->ready.head) {
        struct wf_ready *item = wf_ready_pop(&loop->ready);
        weft_task *task = wf_container(item, weft_task, ready);
        if (item->run)
            item->run(item, true);
        else if (task->state == WF_TASK_NEW)
            wf_task_finish_unstarted(task, -ECANCELED);
    }
}

/* Users' code may run here, and take a notice back that is among the rest. */
static void refuse_mail(weft_loop *loop)
{
    struct wf_mail *mail;
    loop->arrived = wf_inbox_close(loop->inbox);
    while ((mail = loop->arrived)) {
        loop->arrived = mail->next;
        mail->deliver(mail, true);
    }
}

void wf_loop_unrefuse(weft_loop *loop, const struct wf_mail *mail)
{
    struct wf_mail **link = &loop->arrived;
    while (*link && *link != mail)
        link = &(*link)->next;
    if (*link)
        *link = mail->next;
}

static void forget(weft_loop *loop)
{
    weft_loop **link = &wf_newest;
    while (*link != loop)
        link = &(*link)->older;
    *link = loop->older;
}

/* From here on nothing begins. What handles still name stays: each task keeps the loop's memory
 * until its last release. */
static void close_door(weft_loop *loop)
{
    loop->closed = true;
    atomic_fetch_add(&loop->references, (int)(loop->tasks.live + loop->promises.live));
}

static int destroy(weft_loop *loop)
{
    begin_run(loop);
    wind_down(loop);
    close_door(loop);
    refuse_mail(loop);
    wf_futures_abandon(loop);
    refuse_ready(loop);
    wf_calls_refuse(&loop->calls);
    int result = abandon_tasks(loop);
    refuse_end_hooks(loop);
    wf_futures_report_unread(loop);
    if (loop->net_free)
        loop->net_free(loop);
    wf_value_forget();
    end_run(loop);
    wf_overflow_report_end(loop);
    wf_alternate_free(loop->alternate);
    loop->exception_handler = (struct wf_exception_handler){ .fn = NULL };
    if (loop->watch)
        loop->watch->dies(loop);
    wf_calls_fini(&loop->calls);
    wf_census_fini(&loop->census);
    wf_shuffle_fini(loop);
    wf_scout_end(&loop->ready);
    if (!loop->tasks_abandoned) {
        wf_pool_free(loop->pool);
        wf_pool_free(loop->resolver);
        loop->io_ops->close(loop->io);
        wf_fibers_free_idle(loop);
        wf_stack_pool_fini(&loop->stacks);
    }
    forget(loop);
    wf_locals_drop(&loop->root.locals);
    if (!wf_newest)
        wf_coros_give_up();
    weft_loop_release(loop);
    return result;
}

int weft_loop_free(weft_loop *loop)
{
    if (!loop)
        return 0;
    if (loop->closed)
        return wf_misuse(-ESHUTDOWN, "a loop was freed twice");
    if (wf_running)
        return wf_misuse(-EDEADLK, "a loop was freed inside a running loop");
    if (loop->exception_handler.busy)
        return wf_misuse(-EDEADLK, "a loop was freed in its own exception handler");
    if (loop->thread != wf_this_thread())
        return wf_misuse(WEFT_ETHREAD, "a loop was freed by a thread that did not make it");
    return destroy(loop);
}

weft_loop *weft_loop_retain(weft_loop *loop)
{
    atomic_fetch_add(&loop->references, 1);
    return loop;
}

void weft_loop_release(weft_loop *loop)
{
    if (!loop || atomic_fetch_sub(&loop->references, 1) > 1)
        return;
    wf_inbox_release(loop->inbox);
    wf_slab_fini(&loop->dones);
    wf_slab_fini(&loop->promises);
    wf_slab_fini(&loop->names);
    wf_slab_fini(&loop->tasks);
    wf_context_fini(&loop->thread_fiber.context);
    wf_free(loop);
}

weft_loop *weft_loop_current(void)
{
    return wf_running ? wf_running : wf_newest;
}

/* weft_run */

int wf_loop_spawn_main(weft_loop *loop, weft_fn *fn, const struct weft_loop_options *options,
                       weft_task **task)
{
    struct weft_spawn_options spawn = {
        .arg = options->arg,
        .task = task,
        .function = "main",
        .site = options->site,
        .stack_size = options->stack_size,
    };
    return weft_spawn_with((weft_scope *)&loop->background, fn, &spawn);
}

static int run_main(weft_loop *loop, weft_fn *fn, const struct weft_loop_options *options)
{
    weft_task *task = NULL;
    int err = wf_loop_spawn_main(loop, fn, options, &task);
    if (err < 0) {
        weft_loop_free(loop);
        return err;
    }
    struct wf_interrupt interrupt;
    loop->main = task;
    if (!options->no_signals)
        wf_interrupt_take(&interrupt, loop, task);
    err = weft_loop_run_until_complete(loop, task);
    loop->references_own++;
    int end = weft_loop_free(weft_loop_retain(loop));
    if (!options->no_signals)
        wf_interrupt_give_back(&interrupt);
    weft_task_release(task);
    weft_loop_release(loop);
    return end < 0 ? end : err;
}

int weft_run_with(weft_fn *fn, const struct weft_loop_options *given)
{
    struct weft_loop_options options = read_options(given);
    weft_loop *loop;
    if (wf_running)
        return wf_misuse(-EDEADLK, "weft_run() inside a running loop, at %s",
                         wf_site(options.site));
    if (options.threads > 1)
        return wf_group_run(fn, &options);
    int err = wf_loop_make(&loop, &options);
    if (err < 0)
        return err;
    return run_main(loop, fn, &options);
}

/* Pools. */

static struct wf_pool *pool_at(struct wf_pool **pool, const char *name, unsigned threads)
{
    struct wf_pool_options options = { .name = name, .threads = threads };
    if (!*pool)
        wf_pool_new(pool, &options);
    return *pool;
}

struct wf_pool *wf_loop_pool(weft_loop *loop)
{
    return pool_at(&loop->pool, "weft-blocking", 8);
}

struct wf_pool *wf_loop_resolver(weft_loop *loop)
{
    return pool_at(&loop->resolver, "weft-resolver", 4);
}
