#include "sync/several.h"

#include "base/error.h"
#include "base/memory.h"
#include "core/coro.h"

int wf_several_open(struct wf_several *several, size_t count)
{
    several->seats = several->few;
    if (count > WF_SEATS_INLINE) {
        if (count > SIZE_MAX / sizeof *several->seats)
            return -ENOMEM;
        several->seats = wf_alloc(count * sizeof *several->seats);
    }
    if (!several->seats)
        return wf_fail(-ENOMEM, "no memory to wait for %zu at once", count);
    for (size_t i = 0; i < count; i++)
        several->seats[i] = (struct wf_seat){ .several = several };
    wf_list_init(&several->done);
    several->count = count;
    several->pending = 0;
    several->failed = NULL;
    several->waiter.state = WF_WAIT_DONE;
    return 0;
}

bool wf_several_is_settled(const struct wf_several *several, enum wf_several_rule rule)
{
    return several->pending == 0 || (rule == WF_SEVERAL_ANY && !wf_list_is_empty(&several->done)) ||
           (rule == WF_SEVERAL_FIRST_ERROR && several->failed);
}

static void note_done(struct wf_seat *seat)
{
    struct wf_several *several = seat->several;
    wf_list_push_back(&several->done, &seat->waiter.link);
    if (seat->future->result < 0 && !several->failed)
        several->failed = seat;
}

static void seat_done(struct wf_waiter *w)
{
    struct wf_seat *seat = wf_container(w, struct wf_seat, waiter);
    struct wf_several *several = seat->several;
    several->pending--;
    note_done(seat);
    if (several->waiter.state != WF_WAIT_DONE && wf_several_is_settled(several, several->rule))
        wf_wake(&several->waiter, 0);
}

static const struct wf_wait_ops seat_ops = { .kind = "one of several" };

void wf_several_join(struct wf_several *several, size_t index, weft_future *future)
{
    struct wf_seat *seat = &several->seats[index];
    seat->future = future;
    future->references++;
    if (future->done) {
        note_done(seat);
        return;
    }
    seat->waiter = (struct wf_waiter){ .ops = &seat_ops, .wake = seat_done, .object = future };
    wf_list_push_back(&future->waiters, &seat->waiter.link);
    several->pending++;
}

void wf_several_close(struct wf_several *several)
{
    for (size_t i = 0; i < several->count; i++) {
        struct wf_seat *seat = &several->seats[i];
        if (!seat->future)
            continue;
        if (!seat->future->done)
            wf_list_remove(&seat->waiter.link);
        wf_future_unref(seat->future);
        seat->future = NULL;
    }
    if (several->seats != several->few)
        wf_free(several->seats);
    several->count = 0;
}

/* Waiting. */

static bool group_abort(struct wf_waiter *w)
{
    (void)w;
    return true;
}

/* Seats that were never taken are passed over. */
static weft_future *awaited(const struct wf_waiter *w, size_t *at)
{
    const struct wf_several *several = w->object;
    while (*at < several->count) {
        weft_future *future = several->seats[(*at)++].future;
        if (future)
            return future;
    }
    return NULL;
}

static const struct wf_wait_ops all_ops = {
    .kind = "all of", .abort = group_abort, .awaits = awaited, .quorum = WF_QUORUM_ALL
};
/* The same with a limit: nobody waits for ever in it. */
static const struct wf_wait_ops limited_ops = {
    .kind = "all of", .abort = group_abort, .awaits = awaited, .quorum = WF_QUORUM_ANY
};
static const struct wf_wait_ops owning_ops = {
    .kind = "all of", .abort = group_abort, .awaits = awaited, .quorum = WF_QUORUM_ALL, .owns = true
};
static const struct wf_wait_ops any_ops = {
    .kind = "one of", .abort = group_abort, .awaits = awaited, .quorum = WF_QUORUM_ANY
};
static const struct wf_wait_ops join_ops = {
    .kind = "all that it has cancelled:", .awaits = awaited, .quorum = WF_QUORUM_ALL, .owns = true
};

static void time_is_over(struct wf_timer *timer)
{
    wf_wake(&wf_container(timer, struct wf_several, timer)->waiter, -ETIMEDOUT);
}

static int park(struct wf_several *several, enum wf_several_rule rule,
                const struct wf_wait_ops *ops, int64_t timeout)
{
    weft_loop *loop = wf_running;
    several->rule = (uint8_t)rule;
    wf_waiter_arm(&several->waiter, ops, several);
    wf_timer_init(&several->timer, time_is_over);
    if (timeout != WEFT_FOREVER)
        wf_timer_add(&loop->timers, &several->timer, wf_deadline_after(loop, timeout));
    int err = (int)wf_park(&several->waiter);
    wf_timer_cancel(&loop->timers, &several->timer);
    return err;
}

static const struct wf_wait_ops *ops_of(enum wf_several_rule rule, int64_t timeout)
{
    if (rule == WF_SEVERAL_OWN)
        return &owning_ops;
    if (rule != WF_SEVERAL_ALL)
        return &any_ops;
    return timeout == WEFT_FOREVER ? &all_ops : &limited_ops;
}

int wf_several_wait(struct wf_several *several, enum wf_several_rule rule, int64_t timeout)
{
    weft_task *self;
    int err = wf_enter(&self);
    if (err < 0 || wf_several_is_settled(several, rule))
        return err;
    return timeout <= 0 ? -ETIMEDOUT : park(several, rule, ops_of(rule, timeout), timeout);
}

void wf_several_join_all(struct wf_several *several)
{
    if (!wf_several_is_settled(several, WF_SEVERAL_ALL))
        park(several, WF_SEVERAL_OWN, &join_ops, WEFT_FOREVER);
}

/* Lists. */

static int check_circle(const weft_future *future, enum wf_several_rule rule, int64_t timeout)
{
    enum wf_patience patience = timeout == WEFT_FOREVER ? WF_PATIENT : WF_LIMITED;
    if (rule == WF_SEVERAL_OWN)
        patience = WF_OWNING;
    else if (rule != WF_SEVERAL_ALL)
        return 0;
    return wf_future_depends_on(future, wf_running->current, patience)
               ? wf_future_would_deadlock(future, wf_running->current)
               : 0;
}

static int check_one(const weft_awaitable *awaitable, bool with_coros, enum wf_several_rule rule,
                     int64_t timeout)
{
    if (!awaitable)
        return wf_maker_error();
    if (awaitable->kind == WEFT_AWAITABLE_CORO)
        return with_coros
                   ? 0
                   : wf_misuse(-EINVAL, "a coroutine was given to a function that only looks on: "
                                        "make a task of it, or nobody would hold it afterwards");
    const weft_future *future = (const weft_future *)awaitable;
    if (future->loop == wf_running)
        return check_circle(future, rule, timeout);
    return wf_misuse(WEFT_ETHREAD, "%s was awaited in another loop",
                     wf_future_describe(future).text);
}

int wf_several_check(weft_awaitable *const list[], size_t count, bool with_coros,
                     enum wf_several_rule rule, int64_t timeout)
{
    int err = 0;
    if (!wf_in_task(wf_running))
        return wf_misuse(-EPERM, "a function that suspends was called outside a task");
    for (size_t i = 0; i < count && err == 0; i++)
        err = check_one(list[i], with_coros, rule, timeout);
    return err;
}

void wf_several_refuse(weft_awaitable *const list[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        weft_coro *coro = (weft_coro *)list[i];
        if (list[i] && list[i]->kind == WEFT_AWAITABLE_CORO && coro->state == WF_CORO_NEW)
            wf_coro_refuse(coro);
    }
}

int wf_several_of(struct wf_several *several, weft_awaitable *const list[], size_t count,
                  enum wf_several_rule rule, int64_t timeout)
{
    int err = wf_several_check(list, count, false, rule, timeout);
    if (err == 0)
        err = wf_several_open(several, count);
    if (err < 0) {
        wf_several_refuse(list, count);
        return err;
    }
    for (size_t i = 0; i < count; i++)
        wf_several_join(several, i, (weft_future *)list[i]);
    return 0;
}
