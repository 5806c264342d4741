/* Gathering: coroutines side by side, and whatever else there is to wait for.
 *
 *     check ──> seat everybody ──> wait ──┬── all done ──────────────────> collect
 *      │         coroutines as            ├── a failure, WEFT_CANCEL_REST ─┐
 *      │         tasks of our scope       ├── cancelled ───────────────────┤
 *      └─> refuse the coroutines          │                  cancel all, join, collect
 *                                         └── a failure, WEFT_RETURN_FIRST ─> collect what is done
 *
 * The scope is inside the caller's, so a cancel of the caller reaches the coroutines by itself;
 * tasks and futures of others are cancelled by name. */

#include "base/error.h"
#include "core/coro.h"
#include "sync/several.h"

#include <string.h>
#include <weft/error.h>
#include <weft/log.h>
#include <weft/scope.h>
#include <weft/wait.h>

struct gather {
    struct wf_several several;
    weft_scope scope;
    weft_awaitable *const *list;
    struct weft_gather_options options;
};

/* The seat of the same coroutine earlier in the list; NULL. */
static struct wf_seat *twin(struct gather *gather, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (gather->list[i] == gather->list[index] && gather->several.seats[i].future)
            return &gather->several.seats[i];
    return NULL;
}

static void seat_coro(struct gather *gather, size_t index)
{
    struct wf_several *several = &gather->several;
    weft_coro *coro = (weft_coro *)gather->list[index];
    struct wf_seat *earlier = coro->state == WF_CORO_NEW ? NULL : twin(gather, index);
    weft_task *task = NULL;
    if (earlier) {
        wf_several_join(several, index, earlier->future);
        return;
    }
    int err = wf_coro_spawn(coro, &gather->scope, &task);
    several->seats[index].error = err;
    if (err < 0)
        return;
    several->seats[index].ours = true;
    wf_several_join(several, index, &task->future);
    weft_task_release(task); /* the seat holds it */
}

static void seat_all(struct gather *gather)
{
    for (size_t i = 0; i < gather->options.count; i++) {
        if (gather->list[i]->kind == WEFT_AWAITABLE_CORO)
            seat_coro(gather, i);
        else
            wf_several_join(&gather->several, i, (weft_future *)gather->list[i]);
    }
}

/* The first one that could not even begin. */
static int seat_error(const struct wf_several *several)
{
    for (size_t i = 0; i < several->count; i++)
        if (several->seats[i].error < 0)
            return several->seats[i].error;
    return 0;
}

static void cancel_all(struct wf_several *several, const char *why)
{
    for (size_t i = 0; i < several->count; i++)
        if (several->seats[i].future && !several->seats[i].future->done)
            weft_future_cancel(several->seats[i].future, why);
}

static bool fails_early(const struct gather *gather)
{
    return gather->options.on_error != WEFT_WAIT_ALL;
}

/* 0, or why it ended early. */
static int wait_for_all(struct gather *gather)
{
    struct wf_several *several = &gather->several;
    int broken = seat_error(several), err = 0;
    if (broken == 0 || !fails_early(gather))
        err = wf_several_wait(
            several, fails_early(gather) ? WF_SEVERAL_FIRST_ERROR : WF_SEVERAL_OWN, WEFT_FOREVER);
    if (err == 0 && (gather->options.on_error == WEFT_RETURN_FIRST ||
                     wf_several_is_settled(several, WF_SEVERAL_ALL)))
        return broken;
    cancel_all(several, err < 0 ? "who gathers was cancelled" : "one beside it failed");
    wf_several_join_all(several);
    return err < 0 ? err : broken;
}

/* Of a coroutine the pointer is the caller's, who may not want it. */
static int collect_one(struct gather *gather, size_t index)
{
    struct wf_seat *seat = &gather->several.seats[index];
    void *value = NULL;
    if (!seat->future)
        return seat->error;
    if (!seat->future->done)
        return -EAGAIN;
    int result = wf_future_read(seat->future, &value);
    if (gather->options.values && result >= 0) {
        gather->options.values[index] = value;
        if (seat->ours)
            wf_future_give_away(seat->future);
    }
    return result;
}

/* Whose failure is what the gather returns. */
static const struct wf_seat *told(const struct gather *gather, int err)
{
    const struct wf_several *several = &gather->several;
    if (err == 0)
        return several->failed;
    for (size_t i = 0; i < several->count; i++)
        if (several->seats[i].error < 0)
            return several->seats[i].error == err ? &several->seats[i] : NULL;
    return NULL;
}

static void report(const struct gather *gather, const struct wf_seat *seat, int result)
{
    if (gather->options.results || result >= 0 || result == -EAGAIN)
        return;
    if (seat->future && seat->future->cancelled)
        return;
    weft_log(WEFT_LOG_APPLICATION, WEFT_LOG_ERROR,
             "a failure that the gather at %s did not return: %s: %s",
             wf_site(gather->options.site),
             seat->future ? wf_future_describe(seat->future).text : "a coroutine",
             weft_error_text(result));
}

static void collect(struct gather *gather, int err)
{
    const struct wf_seat *returned = told(gather, err);
    for (size_t i = 0; i < gather->several.count; i++) {
        if (gather->options.values)
            gather->options.values[i] = NULL;
        int result = collect_one(gather, i);
        if (&gather->several.seats[i] != returned)
            report(gather, &gather->several.seats[i], result);
        if (gather->options.results)
            gather->options.results[i] = result;
    }
}

static int run(struct gather *gather)
{
    struct weft_scope_options scope = {
        .scope = &gather->scope,
        .isolate = true,
        .name = "gather",
        .site = wf_site(gather->options.site),
        .size = sizeof scope,
    };
    weft_scope_begin_with(&scope);
    seat_all(gather);
    int err = wait_for_all(gather);
    collect(gather, err);
    const struct wf_seat *failed = gather->several.failed;
    if (err == 0 && failed)
        err = wf_future_read(failed->future, NULL); /* its text is the last one said */
    wf_several_close(&gather->several);
    weft_scope_end(&gather->scope);
    return err;
}

/* Binaries of other releases have other sizes: what they do not know is zero. */
static void read_options(struct gather *gather, const struct weft_gather_options *given)
{
    size_t size = given->size ? given->size : sizeof *given;
    gather->options = (struct weft_gather_options){ 0 };
    memcpy(&gather->options, given, size < sizeof *given ? size : sizeof *given);
}

static int refuse(struct gather *gather, int err)
{
    for (size_t i = 0; i < gather->options.count; i++) {
        if (gather->options.results)
            gather->options.results[i] = err;
        if (gather->options.values)
            gather->options.values[i] = NULL;
    }
    wf_several_refuse(gather->list, gather->options.count);
    return err;
}

int weft_gather_with(weft_awaitable *const list[], const struct weft_gather_options *given)
{
    struct gather gather = { .list = list };
    read_options(&gather, given);
    size_t count = gather.options.count;
    bool early = fails_early(&gather); /* a failure may end its wait, which is as good as a limit */
    int err = wf_several_check(list, count, gather.options.on_error != WEFT_RETURN_FIRST,
                               early ? WF_SEVERAL_ALL : WF_SEVERAL_OWN, early ? 0 : WEFT_FOREVER);
    if (err == 0)
        err = wf_several_open(&gather.several, count);
    if (err < 0)
        return refuse(&gather, err);
    return run(&gather);
}
