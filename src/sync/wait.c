/* Waiting for several futures, or for one and no longer than so long. */

#include "base/error.h"
#include "core/coro.h"
#include "sync/several.h"

#include <weft/scope.h>
#include <weft/wait.h>

/* Several. */

/* Semantics 8: who has waited for a failure has read it. */
static void read_all(struct wf_several *several)
{
    for (size_t i = 0; i < several->count; i++)
        if (several->seats[i].future->done)
            wf_future_retrieve(several->seats[i].future);
}

static struct wf_seat *first_done(const struct wf_several *several)
{
    struct wf_list *link = wf_list_first(&several->done);
    return wf_container(wf_container(link, struct wf_waiter, link), struct wf_seat, waiter);
}

/* Whom the rule was about; `count` when it was about all. */
static ssize_t answer(const struct wf_several *several, enum wf_several_rule rule)
{
    const struct wf_seat *seat = NULL;
    if (rule == WF_SEVERAL_ANY)
        seat = first_done(several);
    else if (rule == WF_SEVERAL_FIRST_ERROR)
        seat = several->failed;
    return seat ? seat - several->seats : (ssize_t)several->count;
}

static ssize_t wait_until(weft_awaitable *const list[], size_t count, enum wf_several_rule rule,
                          int64_t timeout)
{
    struct wf_several several;
    int err = wf_several_of(&several, list, count, rule, timeout);
    if (err < 0)
        return err;
    err = wf_several_wait(&several, rule, timeout);
    read_all(&several);
    ssize_t index = err < 0 ? err : answer(&several, rule);
    wf_several_close(&several);
    return index;
}

int weft_wait_all(weft_awaitable *const list[], size_t count, int64_t timeout)
{
    ssize_t index = wait_until(list, count, WF_SEVERAL_ALL, timeout);
    return index < 0 ? (int)index : 0;
}

ssize_t weft_wait_any(weft_awaitable *const list[], size_t count, int64_t timeout)
{
    if (count == 0)
        return wf_misuse(-EINVAL, "weft_wait_any() of an empty list would wait for ever");
    return wait_until(list, count, WF_SEVERAL_ANY, timeout);
}

ssize_t weft_wait_first_error(weft_awaitable *const list[], size_t count, int64_t timeout)
{
    return wait_until(list, count, WF_SEVERAL_FIRST_ERROR, timeout);
}

/* One. */

/* A scope does for a coroutine what a seat does for a future. */
static int run_coro_for(weft_coro *coro, int64_t timeout, void **value)
{
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = timeout > 0 ? timeout : -1, .name = "wait_for");
    int result = wf_coro_await(coro, value);
    int err = weft_scope_leave(&scope, result < 0 ? result : 0);
    return result == -ECANCELED && err < 0 ? err : result;
}

/* Tell it to end, wait for that, and see what it made of it. */
static int end(struct wf_several *several, int why, void **value)
{
    weft_future *future = several->seats[0].future;
    if (!future->done)
        weft_future_cancel(future, why == -ETIMEDOUT ? "deadline" : "who waits was cancelled");
    wf_several_join_all(several);
    int result = wf_future_read(future, value);
    return result == -ECANCELED ? why : result;
}

int weft_wait_for_with(weft_awaitable *awaitable, int64_t timeout, void **value)
{
    struct wf_several several;
    if (awaitable && awaitable->kind == WEFT_AWAITABLE_CORO && wf_in_task(wf_running))
        return run_coro_for((weft_coro *)awaitable, timeout, value);
    int err = wf_several_of(&several, &awaitable, 1, WF_SEVERAL_OWN, timeout);
    if (err < 0)
        return err;
    weft_future *future = (weft_future *)awaitable;
    bool was_done = future->done; /* then a cancel at the door leaves it alone */
    err = wf_several_wait(&several, WF_SEVERAL_OWN, timeout);
    if (err < 0 && !was_done)
        err = end(&several, err, value);
    else if (err == 0)
        err = wf_future_read(future, value);
    wf_several_close(&several);
    return err;
}

int weft_with_timeout_with(weft_awaitable *awaitable, int64_t timeout, void **value)
{
    struct wf_several several;
    int err = wf_several_of(&several, &awaitable, 1, WF_SEVERAL_ALL, timeout);
    if (err < 0)
        return err;
    err = wf_several_wait(&several, WF_SEVERAL_ALL, timeout);
    if (err == 0)
        err = wf_future_read((weft_future *)awaitable, value);
    wf_several_close(&several);
    return err;
}

int weft_shield_with(weft_awaitable *awaitable, void **value)
{
    if (!awaitable || awaitable->kind != WEFT_AWAITABLE_CORO || !wf_in_task(wf_running))
        return weft_await_with(awaitable, value);
    weft_task *task = weft_create_task((weft_coro *)awaitable);
    int err = weft_await_value(task, value);
    if (err >= 0 && value)
        wf_future_give_away(weft_task_future(task));
    weft_task_release(task);
    return err;
}
