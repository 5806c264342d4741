#include "core/coro.h"

#include "base/error.h"
#include "base/memory.h"
#include "core/loop.h"

#include <threads.h>
#include <weft/error.h>
#include <weft/log.h>
#include <weft/scope.h>

#define REUSE_AFTER    1024 /* others have been taken since */
#define COROS_PER_HEAP 64

struct heap {
    struct heap *next;
    weft_coro coros[COROS_PER_HEAP];
};

/* A thread's coroutines. */
struct coros {
    struct wf_list fresh; /* NEW */
    struct wf_list taken; /* to be reused, the oldest first */
    size_t taken_count;
    struct heap *heaps;
    unsigned carved; /* of the newest heap */
    uint64_t thread; /* its number; 0: it has none yet */
};

static _Thread_local struct coros mine;
static tss_t at_exit; /* its destructor runs when a thread ends */

static void thread_ends(void *arg)
{
    (void)arg;
    wf_coros_give_up();
    wf_coros_fini();
}

static void make_key(void)
{
    tss_create(&at_exit, thread_ends);
}

static WF_COLD void begin(void)
{
    static once_flag once = ONCE_FLAG_INIT;
    call_once(&once, make_key);
    tss_set(at_exit, &mine);
    wf_list_init(&mine.fresh);
    wf_list_init(&mine.taken);
    mine.carved = COROS_PER_HEAP;
    mine.thread = wf_this_thread();
}

static WF_COLD bool add_heap(void)
{
    struct heap *heap = wf_alloc(sizeof *heap);
    if (!heap)
        return false;
    heap->next = mine.heaps;
    mine.heaps = heap;
    mine.carved = 0;
    return true;
}

static weft_coro *carve(void)
{
    if (mine.carved == COROS_PER_HEAP && !add_heap())
        return NULL;
    return &mine.heaps->coros[mine.carved++];
}

static weft_coro *get(void)
{
    if (WF_UNLIKELY(mine.thread == 0))
        begin();
    if (mine.taken_count <= REUSE_AFTER)
        return carve();
    mine.taken_count--;
    return wf_container(wf_list_pop_front(&mine.taken), weft_coro, link);
}

void wf_coros_fini(void)
{
    for (struct heap *heap = mine.heaps, *next; heap; heap = next) {
        next = heap->next;
        wf_free(heap);
    }
    mine = (struct coros){ .thread = 0 };
}

weft_coro *weft_coro_new_with(weft_fn *fn, const struct weft_coro_options *options)
{
    weft_coro *coro = get();
    if (!coro)
        return wf_not_made(wf_fail(-ENOMEM, "no memory for a coroutine"));
    coro->awaitable.kind = WEFT_AWAITABLE_CORO;
    coro->state = WF_CORO_NEW;
    coro->stack_size = options->stack_size;
    coro->fn = fn;
    coro->arg = options->arg;
    coro->drop = options->drop;
    coro->is_named = options->name != NULL;
    coro->name = options->name       ? options->name
                 : options->function ? options->function
                                     : "coroutine";
    coro->site = wf_site(options->site);
    coro->thread = mine.thread;
    wf_list_push_back(&mine.fresh, &coro->link);
    return coro;
}

/* Taking. */

static void leave(weft_coro *coro, enum wf_coro_state state)
{
    coro->state = (uint8_t)state;
    wf_list_remove(&coro->link);
    wf_list_push_back(&mine.taken, &coro->link);
    mine.taken_count++;
}

int wf_coro_take(weft_coro *coro)
{
    if (WF_UNLIKELY(coro->thread != mine.thread))
        return wf_misuse(WEFT_ETHREAD, "coroutine '%s' (created at %s) was used by another thread",
                         coro->name, coro->site);
    if (WF_UNLIKELY(coro->state == WF_CORO_GIVEN_UP))
        return wf_misuse(-ESHUTDOWN,
                         "coroutine '%s' (created at %s) was given up when the last loop ended",
                         coro->name, coro->site);
    if (WF_UNLIKELY(coro->state == WF_CORO_TAKEN))
        return wf_misuse(-EALREADY,
                         "coroutine '%s' (created at %s) was awaited before: it runs once",
                         coro->name, coro->site);
    leave(coro, WF_CORO_TAKEN);
    return 0;
}

void wf_coro_drop(weft_drop_fn *drop, void *arg)
{
    if (drop)
        wf_drop(wf_running, drop, arg);
}

void wf_coro_refuse(weft_coro *coro)
{
    weft_drop_fn *drop = coro->drop;
    void *arg = coro->arg;
    if (wf_coro_take(coro) == 0)
        wf_coro_drop(drop, arg);
}

static void report(const weft_coro *coro)
{
    weft_log(WEFT_LOG_RUNTIME, WEFT_LOG_WARNING, "coroutine '%s' was never awaited (created at %s)",
             coro->name, coro->site);
}

void weft_coro_free(weft_coro *coro)
{
    if (!coro || coro->state != WF_CORO_NEW || coro->thread != mine.thread)
        return;
    report(coro);
    wf_coro_refuse(coro);
}

void wf_coros_give_up(void)
{
    struct wf_list *link;
    while (mine.thread != 0 && (link = wf_list_first(&mine.fresh))) {
        weft_coro *coro = wf_container(link, weft_coro, link);
        weft_drop_fn *drop = coro->drop;
        void *arg = coro->arg;
        report(coro);
        leave(coro, WF_CORO_GIVEN_UP);
        wf_coro_drop(drop, arg);
    }
}

/* Running. */

/* Whether the current task may go on into a coroutine. It is no suspension: no turn passes. */
static int enter(weft_task **self)
{
    const weft_loop *loop = wf_running;
    if (WF_LIKELY(wf_in_task(loop) && !loop->watch && !loop->current->innermost->effective)) {
        *self = loop->current;
        return 0;
    }
    return wf_enter_slowly(self, wf_context_stack_pointer());
}

/* The function has returned: its value is the caller's, who may not want it. */
static int finish(weft_task *self, const struct wf_region *innermost, int code, void **value)
{
    if (WF_UNLIKELY(self->innermost != innermost))
        wf_scope_left_open(self);
    struct wf_value result = wf_value_take(&code);
    if (code >= 0 && value)
        *value = result.pointer;
    else if (result.drop)
        wf_drop(wf_running, result.drop, result.pointer);
    return code;
}

int wf_coro_await(weft_coro *coro, void **value)
{
    weft_task *self;
    int err = wf_coro_take(coro);
    if (err < 0)
        return err;
    weft_fn *fn = coro->fn; /* the object may be another one's by the time it ends */
    weft_drop_fn *drop = coro->drop;
    void *arg = coro->arg;
    err = enter(&self);
    if (err == 0) {
        const struct wf_region *innermost = self->innermost;
        err = finish(self, innermost, fn(arg), value);
    }
    wf_coro_drop(drop, arg);
    return err;
}

int wf_coro_spawn(weft_coro *coro, weft_scope *scope, weft_task **task)
{
    int err = wf_coro_take(coro);
    if (err < 0)
        return err;
    struct weft_spawn_options options = {
        .arg = coro->arg,
        .task = task,
        .drop = coro->drop,
        .name = coro->is_named ? coro->name : NULL,
        .function = coro->name,
        .site = coro->site,
        .stack_size = coro->stack_size,
    };
    err = weft_spawn_with(scope, coro->fn, &options);
    if (err < 0)
        wf_coro_drop(options.drop, options.arg);
    return err;
}

weft_task *weft_loop_create_task(weft_loop *loop, weft_coro *coro)
{
    weft_task *task = NULL;
    if (!coro)
        return NULL;
    if (!loop) {
        wf_coro_refuse(coro);
        return wf_not_made(wf_misuse(-EPERM, "a task was created where no loop runs"));
    }
    int err = wf_coro_spawn(coro, weft_loop_background(loop), &task);
    return err < 0 ? wf_not_made(err) : task;
}

weft_task *weft_create_task(weft_coro *coro)
{
    return weft_loop_create_task(wf_running, coro);
}

weft_future *weft_call_with(weft_fn *fn, const struct weft_coro_options *given)
{
    weft_task *task = NULL;
    struct weft_spawn_options options = {
        .arg = given->arg,
        .task = &task,
        .drop = given->drop,
        .name = given->name,
        .function = given->function,
        .site = given->site,
        .stack_size = given->stack_size,
        .eager = true,
    };
    if (!wf_running)
        return wf_not_made(wf_misuse(-EPERM, "'%s' was called at %s where no loop runs",
                                     given->function ? given->function : "a function",
                                     wf_site(given->site)));
    int err = weft_spawn_with((weft_scope *)&wf_running->background, fn, &options);
    return err < 0 ? wf_not_made(err) : &task->future;
}
