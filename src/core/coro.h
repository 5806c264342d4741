#ifndef WF_CORE_CORO_H
#define WF_CORE_CORO_H

/* Coroutine objects: a function, its argument, and who has taken it.
 *
 *     NEW ──await, create_task, a combinator, free──> TAKEN ──> reused, 1,024 takes later
 *      └────── the thread's last loop, or the thread, ends ──> GIVEN_UP ──> likewise
 *
 * They belong to the thread and not to a loop: one may be made before there is any. Their memory
 * stays of its type as long as the thread lives, and is used again only when many others have been
 * taken since: so the second await of a coroutine finds out, although the first one has ended it.
 */

#include "base/list.h"
#include "core/future.h"

#include <weft/coro.h>

enum wf_coro_state { WF_CORO_NEW, WF_CORO_TAKEN, WF_CORO_GIVEN_UP };

struct weft_coro {
    struct weft_awaitable awaitable;
    uint8_t state;       /* enum wf_coro_state */
    uint32_t stack_size; /* of the task it may become; 0: the default */
    struct wf_list link; /* NEW: among the thread's new ones; else in the queue to be reused */
    weft_fn *fn;
    void *arg;
    weft_drop_fn *drop;
    const char *name, *site;
    bool is_named; /* by the user: a task keeps a copy */
    uint64_t thread;
};

/* Make it the caller's: 0; -EALREADY, -ESHUTDOWN or WEFT_ETHREAD, in words. What it holds may be
 * copied until the next one is made. */
int wf_coro_take(weft_coro *coro);

/* Take it without running it; its argument is dropped. */
void wf_coro_refuse(weft_coro *coro);

/* Run it in the current task. */
int wf_coro_await(weft_coro *coro, void **value);

/* Make a task of it, in a scope of the loop. Takes it, also on failure. */
int wf_coro_spawn(weft_coro *coro, weft_scope *scope, weft_task **task);

/* Call its drop, if it has one. */
void wf_coro_drop(weft_drop_fn *drop, void *arg);

/* Report the thread's coroutines that nobody has taken, and give them up. */
void wf_coros_give_up(void);

/* The memory of the calling thread's coroutines, all of which are gone. The thread's end does this
 * by itself; tests that count allocations do it earlier. */
void wf_coros_fini(void);

#endif
