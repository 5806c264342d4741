/* Everything is blocked: found where the loop would wait in the kernel without a limit, and told
 * once a run; then it waits, because Ctrl-C still works and because we may be wrong about what a
 * program does by signal handlers.
 *
 * Who could still make something happen, and silences the report:
 *
 *     a timer, also one for ever         somebody wants to wait
 *     an operation in the kernel         a peer, a client, a foreign descriptor
 *     a job on a pool thread
 *     a task of another loop, or room in its mailbox, that a task of ours waits for
 *     a mailbox with more handles than one
 *     a reference on the loop            a thread or a signal handler that may post: notices hold
 *                                        one; the run's own interrupt handler does not count
 *     another thread of the process      who knows that the loop lives may post without one; so
 *                                        nothing is said in a run of several loops
 *
 * A loop in which no task waits is merely idle. */

#include "core/blocked.h"

#include "core/loop.h"
#include "core/stackless.h"
#include "io/threads.h"

#include <stdio.h>
#include <string.h>
#include <weft/log.h>

#define LINES_MAX 20

/* What a member waits for; NULL: nothing. A sleep has a timer, so it is not asked about. */
static const struct wf_waiter *wait_of(struct wf_member *member)
{
    const struct wf_stackless *stackless = wf_stackless_of_member(member);
    if (wf_member_is_task(member))
        return wf_task_of_member(member)->parked;
    return stackless && stackless->waiter.phase == WF_STACKLESS_WAITING ? &stackless->waiter : NULL;
}

/* The next one after `region` that waits, with a stack or without one; NULL after the last. */
static struct wf_member *next_waiting(weft_loop *loop, struct wf_region **region)
{
    while ((*region = wf_region_next(&loop->background.region, *region))) {
        struct wf_member *member = wf_region_member(*region);
        if ((*region)->kind == WF_REGION_MEMBER && wait_of(member))
            return member;
    }
    return NULL;
}

static size_t count_waiting(weft_loop *loop)
{
    struct wf_region *region = &loop->background.region;
    size_t count = 0;
    while (next_waiting(loop, &region))
        count++;
    return count;
}

static void report(weft_loop *loop, size_t count)
{
    struct wf_region *region = &loop->background.region;
    char who[160], text[256];
    size_t lines = 0;
    weft_log(WEFT_LOG_RUNTIME, WEFT_LOG_ERROR, "nothing can happen any more: %zu task%s", count,
             count == 1 ? " waits, and nobody is left to wake it"
                        : "s wait, and nobody is left to wake them");
    for (struct wf_member *member; lines < LINES_MAX && (member = next_waiting(loop, &region));
         lines++)
        weft_log(WEFT_LOG_RUNTIME, WEFT_LOG_ERROR, "%s waits for %s",
                 wf_member_describe(member, who, sizeof who),
                 wf_wait_describe(wait_of(member), text, sizeof text));
    if (lines < count)
        weft_log(WEFT_LOG_RUNTIME, WEFT_LOG_ERROR, "and so do %zu more", count - lines);
}

static bool may_happen(weft_loop *loop)
{
    return loop->timers.count > 0 || loop->io_ops->counters(loop->io)->pending > 0 ||
           loop->jobs > 0 || loop->foreign > 0 ||
           atomic_load(&loop->references) > loop->references_own ||
           !wf_inbox_is_empty(loop->inbox) ||
           (loop->mailbox_may_bring && loop->mailbox_may_bring(loop)) || wf_threads_has_others();
}

void wf_blocked_check(weft_loop *loop)
{
    if (loop->blocked_told || may_happen(loop))
        return;
    size_t count = count_waiting(loop);
    loop->blocked_told = count > 0;
    if (count > 0)
        report(loop, count);
}
