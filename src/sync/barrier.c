/* Barriers: a line that is let go all at once.
 *
 *     line of n < parties - 1 ──one more──> line of n + 1
 *     line of parties - 1     ──one more──> everybody has a place in the round; the line is empty
 *
 * The last one hands each of those who wait their place, so the next round begins at once and
 * cannot be mixed up with this one: there is no state in which tasks are on their way out.
 *
 *   - fewer than `parties` stand in the line; broken: nobody does */

#include "base/error.h"
#include "sync/objects.h"

#include <stdio.h>
#include <weft/barrier.h>
#include <weft/error.h>

struct barrier {
    struct wf_object object;
    uint64_t rounds;
    uint32_t parties;
    bool broken;
};

_Static_assert(sizeof(struct barrier) <= sizeof(weft_barrier), "weft_barrier is too small");

static struct barrier *inside(const weft_barrier *barrier)
{
    return (struct barrier *)(uintptr_t)barrier;
}

int weft_barrier_init_at(weft_barrier *opaque, uint32_t parties, const char *site)
{
    struct barrier *barrier = inside(opaque);
    bool fits = parties > 0 && parties <= INT32_MAX;
    *barrier = (struct barrier){ .parties = fits ? parties : 0 };
    wf_bound_init(&barrier->object.bound, site);
    return fits ? 0 : wf_misuse(-EINVAL, "a barrier for %u parties, at %s", parties, wf_site(site));
}

void weft_barrier_fini(weft_barrier *opaque)
{
    const struct barrier *barrier = inside(opaque);
    if (barrier && !wf_line_is_empty(&barrier->object.line))
        wf_bound_in_use(&barrier->object.bound, "barrier", barrier->object.line.length);
}

/* Waiting. */

static int check(struct barrier *barrier)
{
    int err = wf_bound_check(&barrier->object.bound, "barrier");
    if (err < 0)
        return err;
    if (barrier->parties == 0)
        return wf_misuse(-EINVAL, "a task waits at a barrier (made at %s) of no parties",
                         wf_site(barrier->object.bound.site));
    return barrier->broken ? WEFT_EBROKEN : 0;
}

static void let_go(struct barrier *barrier)
{
    struct wf_waiter *w;
    barrier->rounds++;
    for (int64_t place = 0; (w = wf_line_pop(&barrier->object.line)); place++)
        wf_wake(w, place);
}

static bool take(struct wf_waiter *w, int64_t *result)
{
    struct barrier *barrier = w->object;
    *result = check(barrier);
    if (*result < 0)
        return true;
    *result = barrier->object.line.length;
    if (barrier->object.line.length + 1 < barrier->parties)
        return false;
    let_go(barrier);
    return true;
}

static const char *describe(const struct wf_waiter *w, char *text, size_t size)
{
    const struct barrier *barrier = w->object;
    snprintf(text, size, "the barrier (made at %s), at which %u of %u are",
             wf_site(barrier->object.bound.site), barrier->object.line.length, barrier->parties);
    return text;
}

static const struct wf_wait_ops barrier_ops = { .kind = "a barrier",
                                                .abort = wf_object_leave,
                                                .take = take,
                                                .join = wf_object_join,
                                                .describe = describe };

int weft_barrier_wait(weft_barrier *barrier)
{
    weft_task *task;
    int err = wf_enter(&task);
    return err < 0 ? err : (int)wf_object_wait(&barrier_ops, barrier, NULL);
}

/* Calls. */

static void set_broken(struct barrier *barrier, bool broken)
{
    if (wf_bound_check(&barrier->object.bound, "barrier") < 0)
        return;
    barrier->broken = broken;
    wf_line_wake_all(&barrier->object.line, WEFT_EBROKEN);
}

void weft_barrier_reset(weft_barrier *barrier)
{
    set_broken(inside(barrier), false);
}

void weft_barrier_abort(weft_barrier *barrier)
{
    set_broken(inside(barrier), true);
}

bool weft_barrier_is_broken(const weft_barrier *barrier)
{
    return inside(barrier)->broken;
}

void weft_barrier_get_stats(const weft_barrier *opaque, weft_barrier_stats *stats)
{
    const struct barrier *barrier = inside(opaque);
    wf_line_tell(&barrier->object.line, &stats->line);
    stats->rounds = barrier->rounds;
    stats->parties = barrier->parties;
    stats->broken = barrier->broken;
}
