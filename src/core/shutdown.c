/* The end of a run when it has become quiet.
 *
 *     weft_loop_shutdown(quiet, timeout)
 *            │
 *            ↓            new work, on any loop
 *         WAITING <──────────────────────────── the quiet time begins anew
 *            │
 *            ├── nothing new for `quiet`
 *            └── `timeout` is over
 *                       │
 *                       ↓
 *         every main is cancelled, as by the first Ctrl-C: from here on all is as usual
 *
 * New work is what comes from outside of what runs already: a task spawned into a background, a
 * post that arrives, a client that is accepted. What a handler spawns in its own scopes is not new,
 * nor is a request on a connection that is there.
 *
 * One timer, on loop 0, waits for the earlier of the two ends. Who notes new work only writes the
 * time down; the timer finds it when it fires, and waits for the rest. Loops note nothing, and
 * spawns and posts cost nothing, until somebody asks. */

#include "core/shutdown.h"

#include "core/group.h"
#include "core/loop.h"

#include <weft/error.h>

static void time_is_over(struct wf_timer *timer);

void wf_shutdown_init(struct wf_shutdown *shutdown)
{
    atomic_init(&shutdown->quiet, WEFT_FOREVER);
    atomic_init(&shutdown->deadline, WEFT_FOREVER);
    wf_timer_init(&shutdown->timer, time_is_over);
}

/* Of the run that a loop belongs to: loop 0's. */
static weft_loop *first_of(weft_loop *loop)
{
    return loop->group ? loop->group->peers[0].loop : loop;
}

static void make_less(_Atomic int64_t *value, int64_t limit)
{
    int64_t now = atomic_load(value);
    while (limit < now && !atomic_compare_exchange_weak(value, &now, limit))
        ;
}

static void make_greater(_Atomic int64_t *value, int64_t limit)
{
    int64_t now = atomic_load(value);
    while (limit > now && !atomic_compare_exchange_weak(value, &now, limit))
        ;
}

void wf_shutdown_note(weft_loop *loop)
{
    make_greater(&first_of(loop)->shutdown.news, wf_clock_now(&loop->clock));
}

/* The earlier of the two ends. */
static int64_t end_of(struct wf_shutdown *shutdown)
{
    int64_t deadline = atomic_load(&shutdown->deadline);
    int64_t quiet = wf_clock_after(atomic_load(&shutdown->news), atomic_load(&shutdown->quiet));
    return quiet < deadline ? quiet : deadline;
}

static void tell_all(weft_loop *loop)
{
    if (loop->group)
        wf_group_ring(loop->group);
    else
        wf_shutdown_heed(loop);
}

static void set_timer(weft_loop *loop)
{
    struct wf_shutdown *shutdown = &loop->shutdown;
    int64_t end = end_of(shutdown);
    wf_timer_cancel(&loop->timers, &shutdown->timer);
    if (end != WEFT_FOREVER)
        wf_timer_add(&loop->timers, &shutdown->timer, end);
}

static void time_is_over(struct wf_timer *timer)
{
    struct wf_shutdown *shutdown = wf_container(timer, struct wf_shutdown, timer);
    weft_loop *loop = wf_container(shutdown, weft_loop, shutdown);
    if (end_of(shutdown) > wf_clock_now(&loop->clock)) {
        set_timer(loop);
        return;
    }
    atomic_store(&shutdown->over, true);
    tell_all(loop);
}

void wf_shutdown_heed(weft_loop *loop)
{
    struct wf_shutdown *shutdown = &first_of(loop)->shutdown;
    bool is_over = atomic_load(&shutdown->over);
    if (!atomic_load(&shutdown->asked) || loop->ending || loop->shut_down)
        return;
    loop->notes_work = !is_over;
    loop->shut_down = is_over;
    if (is_over)
        weft_task_cancel(loop->main, "the run is shut down");
    else if (loop->index == 0)
        set_timer(loop);
}

void wf_shutdown_end(weft_loop *loop)
{
    loop->notes_work = false;
    wf_timer_cancel(&loop->timers, &loop->shutdown.timer);
}

int weft_loop_shutdown(int64_t quiet, int64_t timeout)
{
    weft_loop *loop = weft_loop_current();
    if (!loop || !loop->main)
        return wf_misuse(-EPERM, "weft_loop_shutdown() where no weft_run() is under way");
    struct wf_shutdown *shutdown = &first_of(loop)->shutdown;
    wf_shutdown_note(loop);
    make_less(&shutdown->quiet, quiet > 0 ? quiet : 0);
    make_less(&shutdown->deadline, wf_deadline_after(loop, timeout > 0 ? timeout : 0));
    atomic_store(&shutdown->asked, true);
    tell_all(loop);
    return 0;
}
