#include "core/call.h"

#include "base/error.h"
#include "base/memory.h"
#include "core/loop.h"

#include <stdatomic.h>
#include <stdio.h>
#include <weft/error.h>

/* Loops start their generations far apart: a handle of one that is gone names nothing here. */
void wf_calls_init(struct wf_calls *calls)
{
    static atomic_uint loops;
    *calls = (struct wf_calls){ .generation = atomic_fetch_add(&loops, 1) * 0x9e3779b1u };
}

void wf_calls_fini(struct wf_calls *calls)
{
    for (uint32_t i = 0; i < calls->chunk_count; i++)
        wf_free(calls->chunks[i]);
    wf_free(calls->chunks);
    calls->chunk_count = 0;
}

static struct wf_call *call_at(const struct wf_calls *calls, uint32_t index)
{
    return &calls->chunks[index / WF_CALLS_PER_CHUNK][index % WF_CALLS_PER_CHUNK];
}

static void link_free(struct wf_calls *calls, struct wf_call *call)
{
    call->state = WF_CALL_FREE;
    call->next_free = calls->free;
    calls->free = call->index + 1;
}

static int grow(struct wf_calls *calls)
{
    uint32_t n = calls->chunk_count;
    struct wf_call **chunks = wf_realloc(calls->chunks, (n + 1) * sizeof *chunks);
    if (!chunks)
        return -ENOMEM;
    calls->chunks = chunks;
    struct wf_call *chunk = wf_alloc_zero(WF_CALLS_PER_CHUNK * sizeof *chunk);
    if (!chunk)
        return -ENOMEM;
    calls->chunks[calls->chunk_count++] = chunk;
    for (uint32_t i = WF_CALLS_PER_CHUNK; i-- > 0;) {
        chunk[i].index = n * WF_CALLS_PER_CHUNK + i;
        chunk[i].generation = calls->generation;
        link_free(calls, &chunk[i]);
    }
    return 0;
}

static void put(struct wf_calls *calls, struct wf_call *call)
{
    call->generation++;
    calls->live--;
    link_free(calls, call);
}

void wf_callback_run(weft_loop *loop, const struct wf_callback *callback)
{
    struct wf_locals *around = wf_locals_enter(loop, callback->locals);
    loop->callback = callback;
    wf_count(&loop->counters.callbacks);
    callback->fn(callback->arg);
    wf_fork_check(loop);
    loop->callback = NULL;
    wf_locals_leave(loop, around);
}

static weft_handle handle_of(const struct wf_call *call)
{
    return (weft_handle){ (uint64_t)call->generation << 32 | (call->index + 1) };
}

static void run(struct wf_ready *item, bool closed)
{
    struct wf_call *call = wf_container(item, struct wf_call, ready);
    weft_loop *loop = call->loop;
    struct wf_callback callback = call->callback;
    weft_drop_fn *drop = call->drop;
    callback.handle = handle_of(call);
    put(&loop->calls, call);
    if (callback.fn && !closed)
        wf_callback_run(loop, &callback);
    else
        wf_locals_release(callback.locals);
    if (drop)
        drop(callback.arg);
}

void wf_calls_refuse(struct wf_calls *calls)
{
    for (uint32_t i = 0; calls->live > 0 && i < calls->chunk_count * WF_CALLS_PER_CHUNK; i++) {
        struct wf_call *call = call_at(calls, i);
        if (call->state != WF_CALL_TIMED)
            continue;
        wf_timer_cancel(&call->loop->timers, &call->timer);
        run(&call->ready, true);
    }
}

static void fire(struct wf_timer *timer)
{
    struct wf_call *call = wf_container(timer, struct wf_call, timer);
    call->state = WF_CALL_READY;
    wf_ready_push(&call->loop->ready, &call->ready);
}

static struct wf_call *get(weft_callback *fn, const struct weft_call_options *options)
{
    weft_loop *loop = weft_loop_current();
    if (!loop || loop->closed) {
        wf_misuse(-EPERM, "a callback was asked for where there is no loop");
        return NULL;
    }
    struct wf_calls *calls = &loop->calls;
    if (!calls->free && grow(calls) < 0) {
        wf_fail(-ENOMEM, "no memory for a callback");
        return NULL;
    }
    struct wf_call *call = call_at(calls, calls->free - 1);
    calls->free = call->next_free;
    calls->live++;
    call->loop = loop;
    call->callback = (struct wf_callback){
        .fn = fn,
        .arg = options->arg,
        .name = options->name ? options->name : options->function,
        .site = options->site,
        .locals = wf_locals_inherit(options->no_locals ? NULL : loop->current->locals)
    };
    call->drop = options->drop;
    call->ready.run = run;
    wf_timer_init(&call->timer, fire);
    return call;
}

weft_handle weft_call_soon_with(weft_callback *fn, const struct weft_call_options *options)
{
    struct wf_call *call = get(fn, options);
    if (!call)
        return (weft_handle){ 0 };
    call->state = WF_CALL_READY;
    wf_ready_push(&call->loop->ready, &call->ready);
    return handle_of(call);
}

weft_handle weft_call_at_with(int64_t when, weft_callback *fn,
                              const struct weft_call_options *options)
{
    struct wf_call *call = get(fn, options);
    if (!call)
        return (weft_handle){ 0 };
    call->state = WF_CALL_TIMED;
    wf_timer_add(&call->loop->timers, &call->timer, when);
    return handle_of(call);
}

weft_handle weft_call_later_with(int64_t delay, weft_callback *fn,
                                 const struct weft_call_options *options)
{
    weft_loop *loop = weft_loop_current();
    if (delay <= 0 || !loop)
        return weft_call_soon_with(fn, options);
    return weft_call_at_with(wf_deadline_after(loop, delay), fn, options);
}

static struct wf_call *find_in(const struct wf_calls *calls, weft_handle handle)
{
    uint32_t index = (uint32_t)handle.id - 1;
    if (handle.id == 0 || index >= calls->chunk_count * WF_CALLS_PER_CHUNK)
        return NULL;
    struct wf_call *call = call_at(calls, index);
    bool waiting = call->state != WF_CALL_FREE && call->callback.fn;
    return waiting && call->generation == (uint32_t)(handle.id >> 32) ? call : NULL;
}

/* In which of this thread's loops, its generation says. */
static struct wf_call *find(weft_handle handle)
{
    struct wf_call *call = NULL;
    for (const weft_loop *loop = wf_newest; loop && !call; loop = loop->older)
        call = find_in(&loop->calls, handle);
    return call;
}

/* In the queue it stays until its turn, and then does nothing. */
bool weft_handle_cancel(weft_handle handle)
{
    struct wf_call *call = find(handle);
    if (!call)
        return false;
    struct wf_callback callback = call->callback;
    weft_drop_fn *drop = call->drop;
    call->callback.locals = NULL;
    if (call->state == WF_CALL_TIMED) {
        wf_timer_cancel(&call->loop->timers, &call->timer);
        put(&call->loop->calls, call);
    } else {
        call->callback.fn = NULL;
        call->drop = NULL;
    }
    wf_locals_release(callback.locals); /* users' code from here on: the slot may be another's */
    if (drop)
        wf_drop(wf_running, drop, callback.arg);
    return true;
}

/* A task that was started in the callback is none, nor is a drop inside it. */
const struct wf_callback *wf_callback_running(void)
{
    const weft_loop *loop = wf_running;
    return loop && !wf_in_task(loop) && !loop->dropping ? loop->callback : NULL;
}

void weft_callback_fail(int err, const char *text)
{
    const struct wf_callback *callback = wf_callback_running();
    if (wf_exception_handler_failed(err, text))
        return;
    if (!callback || callback->is_step) {
        wf_misuse(-EPERM, "weft_callback_fail() was called outside a callback");
        return;
    }
    char address[24];
    snprintf(address, sizeof address, "%p", (void *)(uintptr_t)callback->fn);
    weft_exception exception = {
        .error = err,
        .text = text,
        .handle = callback->handle,
        .name = callback->name ? callback->name : address,
        .site = wf_site(callback->site),
        .made = "asked for",
    };
    wf_exception_raise(wf_running, &exception, "callback '%s' failed", exception.name);
}
