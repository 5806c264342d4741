/* Barriers: whoever completes the number lets all others go. Who has been let go has passed, so
 * there is no time between two rounds: who comes back at once waits for the next one.
 *
 *   - fewer than `parties` wait; while it is broken nobody does */

#include "base/error.h"
#include "core/line.h"
#include "sync/bound.h"

#include <stdio.h>
#include <weft/barrier.h>
#include <weft/error.h>

struct barrier {
    struct wf_bound bound;
    struct wf_line line;
    size_t parties;
    uint64_t passed;
    bool broken;
};

_Static_assert(sizeof(struct barrier) <= sizeof(weft_barrier), "weft_barrier is too small");

static struct barrier *inside(const weft_barrier *barrier)
{
    return (struct barrier *)(uintptr_t)barrier;
}

int weft_barrier_init_at(weft_barrier *opaque, size_t parties, const char *site)
{
    struct barrier *barrier = inside(opaque);
    *barrier = (struct barrier){ .parties = parties };
    wf_bound_init(&barrier->bound, site);
    if (parties > 0 && parties <= INT32_MAX)
        return 0;
    barrier->broken = true;
    return wf_misuse(-EINVAL, "a barrier for %zu tasks, at %s", parties, wf_site(site));
}

void weft_barrier_fini(weft_barrier *opaque)
{
    const struct barrier *barrier = inside(opaque);
    if (barrier && !wf_line_is_empty(&barrier->line))
        wf_bound_in_use(&barrier->bound, "barrier", barrier->line.length);
}

static bool abort_wait(struct wf_waiter *w)
{
    struct barrier *barrier = w->object;
    wf_line_leave(&barrier->line, w);
    return true;
}

static const char *describe(const struct wf_waiter *w, char *text, size_t size)
{
    const struct barrier *barrier = w->object;
    snprintf(text, size, "the barrier (made at %s), where %u of %zu are",
             wf_site(barrier->bound.site), barrier->line.length, barrier->parties);
    return text;
}

static const struct wf_wait_ops wait_ops = { .kind = "a barrier",
                                             .abort = abort_wait,
                                             .describe = describe };

/* The last one is here. */
static int let_all_pass(struct barrier *barrier)
{
    int place = 0;
    struct wf_waiter *w;
    barrier->passed++;
    while ((w = wf_line_pop(&barrier->line)))
        wf_wake(w, place++);
    return place;
}

int weft_barrier_wait(weft_barrier *opaque)
{
    struct barrier *barrier = inside(opaque);
    weft_task *task;
    int err = wf_enter(&task);
    if (err == 0)
        err = wf_bound_check(&barrier->bound, "barrier");
    if (err == 0 && (barrier->broken || barrier->parties == 0))
        err = WEFT_EBROKEN;
    if (err < 0)
        return err;
    if (barrier->line.length + 1 >= barrier->parties)
        return let_all_pass(barrier);
    struct wf_waiter w;
    wf_waiter_arm(&w, &wait_ops, barrier);
    wf_line_join(&barrier->line, &w);
    return (int)wf_park(&w);
}

static void send_away(struct barrier *barrier, bool broken)
{
    if (wf_bound_check(&barrier->bound, "barrier") < 0)
        return;
    barrier->broken = broken || barrier->parties == 0;
    wf_line_wake_all(&barrier->line, WEFT_EBROKEN);
}

void weft_barrier_reset(weft_barrier *barrier)
{
    send_away(inside(barrier), false);
}

void weft_barrier_abort(weft_barrier *barrier)
{
    send_away(inside(barrier), true);
}

void weft_barrier_get_stats(const weft_barrier *opaque, weft_barrier_stats *stats)
{
    const struct barrier *barrier = inside(opaque);
    wf_line_tell(&barrier->line, &stats->line);
    stats->passed = barrier->passed;
    stats->parties = barrier->parties;
    stats->broken = barrier->broken;
}
