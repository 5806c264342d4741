/* The child of a fork has the parent's memory and its descriptors, and a kernel that it shares with
 * it: what it reads from a socket, or takes out of an epoll instance, the parent does not get. Of
 * an io_uring it has not even the memory. So it has none of the parent's loops:
 *
 *      the thread is another one    loops, streams, tasks, ... of the parent answer WEFT_ETHREAD
 *      no loop is current           what suspends answers -EPERM; the child may make its own
 *      SIGINT, SIGTERM              have the action again that the run has found
 *      users' code returns          into the loop that has called it: the child aborts
 *
 * Nobody else runs in the child, so nothing is locked here. vfork and posix_spawn are not seen, and
 * need not be: their children do nothing but exec. */

#include "core/fork.h"

#include "base/panic.h"
#include "core/loop.h"
#include "core/signal.h"
#include "io/threads.h"

#include <stdatomic.h>
#include <stdio.h>

_Thread_local weft_loop *wf_left_behind;

static _Thread_local uint64_t number;

uint64_t wf_this_thread(void)
{
    static _Atomic uint64_t threads;
    if (WF_UNLIKELY(number == 0))
        number = atomic_fetch_add(&threads, 1) + 1;
    return number;
}

static void in_child(void)
{
    if (wf_running)
        wf_left_behind = wf_running;
    number = 0;
    wf_running = NULL;
    wf_newest = NULL;
    wf_interrupt_leave();
}

void wf_fork_watch(void)
{
    wf_thread_at_fork(in_child);
}

/* Out of what it has returned. */
static const char *describe(const weft_loop *loop, char *text, size_t size)
{
    const struct wf_callback *callback = loop->callback;
    if (loop->current != &loop->root)
        snprintf(text, size, "task '%s' (spawned at %s)", loop->current->name,
                 loop->current->future.site);
    else if (callback)
        snprintf(text, size, "callback '%s', asked for at %s",
                 callback->name ? callback->name : "?", wf_site(callback->site));
    else
        return "a drop or a handler";
    return text;
}

_Noreturn void wf_fork_returned(void)
{
    static char place[256], text[400];
    snprintf(text, sizeof text,
             "the child of a fork has returned from %s into its parent's loop: it has to end, by "
             "exec or _exit()",
             describe(wf_left_behind, place, sizeof place));
    wf_panic(__FILE__, __LINE__, text);
}
