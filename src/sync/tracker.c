/* Trackers: two counts and a line.
 *
 * A task is counted through its drop, which the runtime calls exactly once, after the body or
 * instead of it: what it is given stands for the user's function, argument and drop, and has room
 * for a copied argument behind it. So the task layer knows nothing of trackers, and a spawn costs
 * one allocation more.
 *
 *   - somebody waits only while it is open or counts something */

#include "base/error.h"
#include "base/memory.h"
#include "sync/objects.h"

#include <stdio.h>
#include <string.h>
#include <weft/tracker.h>

struct tracker {
    struct wf_object object;
    size_t tasks;
    size_t added;
    uint64_t spawned;
    bool closed;
};

_Static_assert(sizeof(struct tracker) <= sizeof(weft_tracker), "weft_tracker is too small");

struct tracked {
    struct tracker *tracker;
    weft_fn *fn;
    void *arg;
    weft_drop_fn *drop;
    max_align_t copy[];
};

static struct tracker *inside(const weft_tracker *tracker)
{
    return (struct tracker *)(uintptr_t)tracker;
}

void weft_tracker_init_at(weft_tracker *opaque, const char *site)
{
    struct tracker *tracker = inside(opaque);
    *tracker = (struct tracker){ .closed = false };
    wf_bound_init(&tracker->object.bound, site);
}

void weft_tracker_fini(weft_tracker *opaque)
{
    const struct tracker *tracker = inside(opaque);
    if (tracker && (tracker->tasks > 0 || !wf_line_is_empty(&tracker->object.line)))
        wf_bound_in_use(&tracker->object.bound, "tracker", tracker->object.line.length);
}

static int check(struct tracker *tracker)
{
    return wf_bound_check(&tracker->object.bound, "tracker");
}

/* Counting. */

static size_t count(const struct tracker *tracker)
{
    return tracker->tasks + tracker->added;
}

static bool is_over(const struct tracker *tracker)
{
    return tracker->closed && count(tracker) == 0;
}

static void look(struct tracker *tracker)
{
    if (is_over(tracker))
        wf_line_wake_all(&tracker->object.line, 0);
}

int weft_tracker_add(weft_tracker *opaque, size_t more)
{
    struct tracker *tracker = inside(opaque);
    int err = check(tracker);
    if (err < 0)
        return err;
    if (more > SIZE_MAX - count(tracker))
        return wf_misuse(-EOVERFLOW, "a tracker (made at %s) that counts %zu was added %zu",
                         wf_site(tracker->object.bound.site), count(tracker), more);
    tracker->added += more;
    return 0;
}

int weft_tracker_done(weft_tracker *opaque)
{
    struct tracker *tracker = inside(opaque);
    int err = check(tracker);
    if (err < 0)
        return err;
    if (tracker->added == 0)
        return wf_misuse(-EINVAL,
                         "weft_tracker_done() was called more often than something was added to "
                         "the tracker (made at %s)",
                         wf_site(tracker->object.bound.site));
    tracker->added--;
    look(tracker);
    return 0;
}

void weft_tracker_close(weft_tracker *opaque)
{
    struct tracker *tracker = inside(opaque);
    if (tracker->closed || check(tracker) < 0)
        return;
    tracker->closed = true;
    look(tracker);
}

/* Tasks. */

static int run_tracked(void *arg)
{
    const struct tracked *tracked = arg;
    wf_task_calls((wf_entry_fn *)tracked->fn);
    return tracked->fn(tracked->arg);
}

static void drop_tracked(void *arg)
{
    struct tracked *tracked = arg;
    struct tracker *tracker = tracked->tracker;
    if (tracked->drop)
        tracked->drop(tracked->arg);
    wf_free(tracked);
    tracker->tasks--;
    look(tracker);
}

static struct weft_spawn_options spawn_options(const struct weft_tracker_spawn_options *options)
{
    return (struct weft_spawn_options){ .arg = options->arg,
                                        .task = options->task,
                                        .name = options->name,
                                        .drop = options->drop,
                                        .function = options->function,
                                        .site = options->site,
                                        .stack_size = options->stack_size,
                                        .copy = options->copy,
                                        .size = sizeof(struct weft_spawn_options),
                                        .eager = options->eager,
                                        .no_locals = options->no_locals };
}

static struct tracked *make(struct tracker *tracker, weft_fn *fn,
                            const struct weft_spawn_options *options)
{
    struct tracked *tracked = wf_alloc(sizeof *tracked + options->copy);
    if (!tracked)
        return NULL;
    tracked->tracker = tracker;
    tracked->fn = fn;
    tracked->arg = options->arg;
    tracked->drop = options->drop;
    if (options->copy > 0)
        tracked->arg = memcpy(tracked->copy, options->arg, options->copy);
    return tracked;
}

/* Counted first: an eager one may end in there. */
static int spawn(weft_scope *scope, struct tracked *tracked, struct weft_spawn_options *options)
{
    struct tracker *tracker = tracked->tracker;
    options->arg = tracked;
    options->drop = drop_tracked;
    options->copy = 0;
    tracker->tasks++;
    int err = weft_spawn_with(scope, run_tracked, options);
    if (err < 0) {
        tracker->tasks--;
        wf_free(tracked);
        return err;
    }
    tracker->spawned++;
    return 0;
}

WF_NOINLINE int weft_tracker_spawn_with(weft_tracker *opaque, weft_fn *fn,
                                        const struct weft_tracker_spawn_options *given)
{
    struct tracker *tracker = inside(opaque);
    struct weft_spawn_options options = spawn_options(given);
    weft_scope *scope = given->scope ? given->scope : weft_background();
    int err = check(tracker);
    if (err < 0)
        return err;
    if (options.copy > WF_TASK_COPY_MAX) /* refused there, as every spawn of that kind */
        return weft_spawn_with(scope, fn, &options);
    struct tracked *tracked = make(tracker, fn, &options);
    if (tracked)
        return spawn(scope, tracked, &options);
    err = wf_scope_admit((struct wf_scope *)scope, __builtin_frame_address(0));
    return err < 0 ? err : wf_task_spawn_failed((struct wf_scope *)scope, -ENOMEM, &options);
}

/* Waiting. */

static bool take(struct wf_waiter *w, int64_t *result)
{
    struct tracker *tracker = w->object;
    *result = check(tracker);
    return *result < 0 || is_over(tracker);
}

static const char *describe(const struct wf_waiter *w, char *text, size_t size)
{
    const struct tracker *tracker = w->object;
    snprintf(text, size, "the tracker (made at %s), which counts %zu%s",
             wf_site(tracker->object.bound.site), count(tracker),
             tracker->closed ? "" : " and is not closed");
    return text;
}

static const struct wf_wait_ops tracker_ops = { .kind = "a tracker",
                                                .abort = wf_object_leave,
                                                .take = take,
                                                .join = wf_object_join,
                                                .describe = describe };

int weft_tracker_wait(weft_tracker *tracker)
{
    weft_task *task;
    int err = wf_enter(&task);
    return err < 0 ? err : (int)wf_object_wait(&tracker_ops, inside(tracker), NULL);
}

size_t weft_tracker_count(const weft_tracker *tracker)
{
    return count(inside(tracker));
}

void weft_tracker_get_stats(const weft_tracker *opaque, weft_tracker_stats *stats)
{
    const struct tracker *tracker = inside(opaque);
    wf_line_tell(&tracker->object.line, &stats->line);
    stats->spawned = tracker->spawned;
    stats->tasks = tracker->tasks;
    stats->added = tracker->added;
    stats->closed = tracker->closed;
}
