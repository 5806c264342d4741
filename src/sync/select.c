/* Select: one task, several lines, and whichever serves it first.
 *
 *     LOOKING ──a case can be had──────────────────────────────────> its index
 *        └──none──> a seat for each case ──one is served──> CHOSEN ──the others leave──> its index
 *                         └──a cancel──> all leave ──> -ECANCELED
 *
 * A seat is a waiter in the object's line, with a wake of its own: whoever is served first makes
 * all others leave theirs before anybody else can serve one. So one case happens, in one step, and
 * there is nothing to give back. The task parks on the waiter of the select itself.
 *
 * A seat in the kernel may not be able to leave at once: then the task is woken when it has.
 *
 *   - at most one seat is served: `chosen`
 *   - `leaving` seats are still in the kernel's hands; the task is not woken before it is 0
 *
 * Costs: a look at each case; where none can be had, in and out of each line. Up to four seats need
 * no memory. */

#include "base/error.h"
#include "base/memory.h"
#include "sync/objects.h"

#include <stdio.h>
#include <string.h>
#include <weft/error.h>
#include <weft/select.h>

#define FEW       4
#define SEATS_MAX 100000

struct select;

struct seat {
    struct wf_waiter waiter;
    struct select *select;
    union {
        struct wf_timer timer;
        struct wf_op op;
        weft_watch_view view;
    };
};

struct select {
    struct wf_waiter waiter;
    weft_case *cases;
    struct seat *seats;
    size_t count;
    size_t taken; /* seats, from the first: the rest was never reached */
    size_t leaving;
    struct seat *chosen; /* NULL: none yet */
    struct seat few[FEW];
};

/* Tasks and futures. */

static weft_future *future_of(const struct wf_waiter *w)
{
    return w->object;
}

static int check_awaitable(const weft_awaitable *awaitable)
{
    if (!awaitable)
        return wf_maker_error();
    if (awaitable->kind == WEFT_AWAITABLE_CORO)
        return wf_misuse(-EINVAL, "weft_case_await() of a coroutine: make a task of it, or nobody "
                                  "would hold it afterwards");
    return wf_future_check_thread((const weft_future *)awaitable);
}

static bool take_future(struct wf_waiter *w, int64_t *result)
{
    *result = check_awaitable(w->object);
    if (*result < 0)
        return true;
    if (!future_of(w)->done)
        return false;
    *result = weft_future_result(future_of(w), NULL);
    return true;
}

static void join_future(struct wf_waiter *w)
{
    weft_future *future = future_of(w);
    future->references++;
    wf_list_push_back(&future->waiters, &w->link);
}

static bool leave_future(struct wf_waiter *w)
{
    wf_list_remove(&w->link);
    wf_future_unref(future_of(w));
    return true;
}

static weft_future *awaited(const struct wf_waiter *w, size_t *at)
{
    return (*at)++ == 0 ? w->object : NULL;
}

static const struct wf_wait_ops future_ops = { .kind = "future",
                                               .abort = leave_future,
                                               .awaits = awaited,
                                               .quorum = WF_QUORUM_ONE,
                                               .take = take_future,
                                               .join = join_future };

/* Times. */

static weft_loop *loop_of(const struct seat *seat)
{
    const weft_task *task = seat->select->waiter.owner;
    return task->future.loop;
}

static struct seat *seat_of(struct wf_waiter *w)
{
    return wf_container(w, struct seat, waiter);
}

static void time_is_over(struct wf_timer *timer)
{
    wf_wake(&wf_container(timer, struct seat, timer)->waiter, 0);
}

/* However short: what else can be had at once goes first. */
static bool take_after(struct wf_waiter *w, int64_t *result)
{
    (void)w, (void)result;
    return false;
}

static bool take_at(struct wf_waiter *w, int64_t *result)
{
    *result = 0;
    int64_t when = (int64_t)w->need;
    return when != WEFT_FOREVER && when <= wf_clock_now(&wf_running->clock);
}

static void join_time(struct wf_waiter *w, int64_t when)
{
    struct seat *seat = seat_of(w);
    wf_timer_init(&seat->timer, time_is_over);
    wf_timer_add(&loop_of(seat)->timers, &seat->timer, when);
}

static void join_after(struct wf_waiter *w)
{
    join_time(w, wf_deadline_after(loop_of(seat_of(w)), (int64_t)w->need));
}

static void join_at(struct wf_waiter *w)
{
    join_time(w, (int64_t)w->need);
}

static bool leave_time(struct wf_waiter *w)
{
    wf_timer_cancel(&loop_of(seat_of(w))->timers, &seat_of(w)->timer);
    return true;
}

static const struct wf_wait_ops after_ops = {
    .kind = "a time", .abort = leave_time, .take = take_after, .join = join_after
};
static const struct wf_wait_ops at_ops = {
    .kind = "a time", .abort = leave_time, .take = take_at, .join = join_at
};

/* Descriptors. */

static void init_poll(struct wf_op *op, uint64_t number)
{
    *op = (struct wf_op){ .code = WF_OP_POLL };
    op->poll.fd = (int)(uint32_t)number;
    op->poll.interest = (unsigned)(number >> 32);
}

static bool take_poll(struct wf_waiter *w, int64_t *result)
{
    struct wf_op op;
    unsigned interest = (unsigned)(w->need >> 32);
    init_poll(&op, w->need);
    op.now = true;
    *result = -EINVAL;
    if (interest == 0 || (interest & ~(WEFT_READABLE | WEFT_WRITABLE | WEFT_HANGUP)))
        return true;
    *result = op.poll.fd < 0 ? -EBADF : wf_running->io_ops->submit(wf_running->io, &op);
    return *result != -EAGAIN;
}

static void poll_is_over(struct wf_op *op, int64_t result)
{
    wf_wake(&wf_container(op, struct seat, op)->waiter, result);
}

static void join_poll(struct wf_waiter *w)
{
    struct seat *seat = seat_of(w);
    weft_loop *loop = loop_of(seat);
    init_poll(&seat->op, w->need);
    seat->op.done = poll_is_over;
    int64_t result = loop->io_ops->submit(loop->io, &seat->op);
    if (result != WF_PENDING)
        wf_wake(w, result);
}

static bool leave_poll(struct wf_waiter *w)
{
    struct seat *seat = seat_of(w);
    weft_loop *loop = loop_of(seat);
    return loop->io_ops->cancel(loop->io, &seat->op);
}

static const struct wf_wait_ops poll_ops = {
    .kind = "readiness of a descriptor", .abort = leave_poll, .take = take_poll, .join = join_poll
};

/* Cases. */

static const struct wf_wait_ops *const ops_of_kind[WEFT_CASE_KINDS] = {
    [WEFT_CASE_SEND] = &wf_channel_send_ops,
    [WEFT_CASE_RECEIVE] = &wf_channel_receive_ops,
    [WEFT_CASE_PUT] = &wf_queue_put_ops,
    [WEFT_CASE_GET] = &wf_queue_get_ops,
    [WEFT_CASE_EVENT] = &wf_event_ops,
    [WEFT_CASE_ACQUIRE] = &wf_semaphore_ops,
    [WEFT_CASE_AWAIT] = &future_ops,
    [WEFT_CASE_AFTER] = &after_ops,
    [WEFT_CASE_AT] = &at_ops,
    [WEFT_CASE_POLL] = &poll_ops,
    [WEFT_CASE_MAILBOX] = &wf_mailbox_receive_ops,
    [WEFT_CASE_SUBSCRIPTION] = &wf_subscription_ops,
    [WEFT_CASE_WATCH] = &wf_watch_ops,
    [WEFT_CASE_TOKEN] = &wf_token_ops,
};

/* A watch writes to two places: the seat has them both. */
static weft_watch_view *fill_view(struct seat *seat, const weft_case *it)
{
    seat->view.seen = (uint64_t *)(uintptr_t)it->number;
    seat->view.value = it->item;
    return &seat->view;
}

/* What a case brings along: by its kind a place for an item, or a number. */
static void fill(struct wf_waiter *w, const weft_case *it)
{
    w->ops = ops_of_kind[it->kind];
    w->object = it->object;
    if (it->kind == WEFT_CASE_WATCH)
        w->item = fill_view(seat_of(w), it);
    else if (it->kind <= WEFT_CASE_SUBSCRIPTION)
        w->item = it->item;
    else
        w->need = (uint64_t)it->number;
    w->state = WF_WAIT_ARMED;
    w->aborted = false;
}

static int check(const weft_case cases[], const struct weft_select_options *options)
{
    for (size_t i = 0; i < options->count; i++)
        if (cases[i].kind >= WEFT_CASE_KINDS)
            return wf_misuse(-EINVAL, "case %zu of the weft_select() at %s is none", i,
                             wf_site(options->site));
    return 0;
}

/* Where looking begins: not always with the same case. */
static size_t first_of(const struct weft_select_options *options)
{
    if (options->in_order || options->count < 2)
        return 0;
    return wf_loop_chance(wf_running, options->count);
}

static bool is_had(struct wf_waiter *w, weft_case *it)
{
    if (it->kind == WEFT_CASE_NONE)
        return false;
    fill(w, it);
    return w->ops->take(w, &it->result);
}

/* Seats. */

/* They leave their lines, all but the one that was served. Then those who stood behind them are
 * served: among these there is no seat of ours any more. */
static void leave(struct select *select)
{
    bool settles = false;
    for (size_t i = 0; i < select->taken; i++) {
        struct wf_waiter *w = &select->seats[i].waiter;
        if (w->state != WF_WAIT_ARMED)
            continue;
        w->state = w->ops->abort(w) ? WF_WAIT_DONE : WF_WAIT_ABORTING;
        select->leaving += w->state == WF_WAIT_ABORTING;
        settles |= w->ops->settle != NULL;
    }
    for (size_t i = 0; settles && i < select->taken; i++) {
        struct wf_waiter *w = &select->seats[i].waiter;
        if (w->ops && w->ops->settle)
            w->ops->settle(w);
    }
}

static void finish(struct select *select)
{
    if (select->leaving > 0 || select->waiter.state == WF_WAIT_DONE)
        return;
    if (select->chosen && select->chosen->waiter.ops->next)
        select->waiter.wake = wf_wake_task_next;
    wf_wake(&select->waiter, select->chosen ? select->chosen - select->seats : -ECANCELED);
}

/* The first one is chosen; any other had been left to the kernel. */
static void seat_is_served(struct wf_waiter *w)
{
    struct seat *seat = seat_of(w);
    struct select *select = seat->select;
    if (!select->chosen && select->waiter.state == WF_WAIT_ARMED) {
        select->chosen = seat;
        leave(select);
    } else {
        select->leaving--;
    }
    finish(select);
}

static bool abort_select(struct wf_waiter *w)
{
    struct select *select = wf_container(w, struct select, waiter);
    leave(select);
    return select->leaving == 0;
}

static weft_future *awaited_by_all(const struct wf_waiter *w, size_t *at)
{
    const struct select *select = wf_container(w, struct select, waiter);
    while (*at < select->taken) {
        const struct wf_waiter *seat = &select->seats[(*at)++].waiter;
        if (seat->state == WF_WAIT_ARMED && seat->ops == &future_ops)
            return seat->object;
    }
    return NULL;
}

static const char *describe(const struct wf_waiter *w, char *text, size_t size)
{
    const struct select *select = wf_container(w, struct select, waiter);
    size_t used = (size_t)snprintf(text, size, "one of: "), named = 0;
    for (size_t i = 0; i < select->taken && used < size; i++) {
        const struct wf_waiter *seat = &select->seats[i].waiter;
        if (select->cases[i].kind == WEFT_CASE_NONE)
            continue;
        if (named++ > 0)
            used += (size_t)snprintf(text + used, size - used, ", ");
        if (used < size)
            used += strlen(wf_wait_describe(seat, text + used, size - used));
    }
    return text;
}

static const struct wf_wait_ops select_ops = { .kind = "one of",
                                               .abort = abort_select,
                                               .awaits = awaited_by_all,
                                               .quorum = WF_QUORUM_ANY,
                                               .describe = describe };

/* The first that can be had, all round from one of them; -EAGAIN. */
static ssize_t look(struct select *select, const struct weft_select_options *options)
{
    size_t count = select->count, first = first_of(options);
    for (size_t n = 0; n < count; n++) {
        size_t i = first + n < count ? first + n : first + n - count;
        if (is_had(&select->seats[i].waiter, &select->cases[i]))
            return (ssize_t)i;
    }
    return -EAGAIN;
}

/* Until one is served at once: the kernel may answer a descriptor's. */
static void sit_down(struct select *select)
{
    for (size_t i = 0; i < select->count && !select->chosen; i++) {
        struct seat *seat = &select->seats[i];
        select->taken++;
        seat->waiter.state = WF_WAIT_DONE;
        seat->waiter.ops = ops_of_kind[select->cases[i].kind]; /* NULL: none */
        if (select->cases[i].kind == WEFT_CASE_NONE)
            continue;
        seat->select = select;
        seat->waiter.state = WF_WAIT_ARMED;
        seat->waiter.wake = seat_is_served;
        seat->waiter.ops->join(&seat->waiter);
    }
}

static int reserve(struct select *select, weft_case cases[], size_t count)
{
    select->cases = cases;
    select->count = count;
    select->seats = select->few;
    if (count > FEW)
        select->seats = count <= SEATS_MAX ? wf_alloc(count * sizeof *select->seats) : NULL;
    return select->seats ? 0 : wf_fail(-ENOMEM, "no memory to wait for %zu at once", count);
}

static bool is_hopeless(const weft_case cases[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (cases[i].kind != WEFT_CASE_NONE)
            return false;
    return true;
}

/* What a future holds is read now, and its reference given back: it has told us no more than that
 * it is done. */
static int64_t result_of(const struct seat *seat)
{
    weft_future *future = seat->waiter.object;
    if (seat->waiter.ops != &future_ops)
        return seat->waiter.result;
    int result = weft_future_result(future, NULL);
    wf_future_unref(future);
    return result;
}

static ssize_t wait_for_one(struct select *select, const struct weft_select_options *options)
{
    if (is_hopeless(select->cases, select->count))
        return wf_misuse(-EINVAL, "the weft_select() at %s has no case that could happen",
                         wf_site(options->site));
    select->taken = 0;
    select->leaving = 0;
    select->chosen = NULL;
    wf_waiter_arm(&select->waiter, &select_ops, select);
    sit_down(select);
    ssize_t index = (ssize_t)wf_park(&select->waiter);
    if (index >= 0)
        select->cases[index].result = result_of(select->chosen);
    return index;
}

ssize_t weft_select_with(weft_case cases[], const struct weft_select_options *options)
{
    struct select select;
    weft_task *task;
    int err = wf_enter(&task);
    if (err == 0)
        err = check(cases, options);
    if (err == 0)
        err = reserve(&select, cases, options->count);
    if (err < 0)
        return err;
    ssize_t index = look(&select, options);
    if (index == -EAGAIN)
        index = wait_for_one(&select, options);
    if (select.seats != select.few)
        wf_free(select.seats);
    return index;
}

ssize_t weft_select_try_with(weft_case cases[], const struct weft_select_options *options)
{
    struct select select;
    if (!wf_running)
        return wf_misuse(-EPERM, "weft_select_try() where no loop runs, at %s",
                         wf_site(options->site));
    int err = check(cases, options);
    if (err == 0)
        err = reserve(&select, cases, options->count);
    if (err < 0)
        return err;
    ssize_t index = look(&select, options);
    if (select.seats != select.few)
        wf_free(select.seats);
    return index;
}
