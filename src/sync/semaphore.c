/* Semaphores: a number and a line. Units go to the first in the line as soon as there are enough
 * for it; nobody behind it is looked at, however little he wants.
 *
 *   - the first in the line wants more than is there */

#include "base/error.h"
#include "sync/objects.h"

#include <stdio.h>
#include <weft/semaphore.h>

struct semaphore {
    struct wf_object object;
    size_t value;
    size_t max; /* 0: no bound */
    uint64_t acquired;
};

_Static_assert(sizeof(struct semaphore) <= sizeof(weft_semaphore), "weft_semaphore is too small");

static struct semaphore *inside(const weft_semaphore *semaphore)
{
    return (struct semaphore *)(uintptr_t)semaphore;
}

int weft_semaphore_init_with(weft_semaphore *opaque, const struct weft_semaphore_options *options)
{
    struct semaphore *semaphore = inside(opaque);
    *semaphore = (struct semaphore){ .value = options->value, .max = options->max };
    wf_bound_init(&semaphore->object.bound, options->site);
    if (options->max == 0 || options->value <= options->max)
        return 0;
    semaphore->value = options->max;
    return wf_misuse(-EINVAL, "a semaphore of %zu units with .max = %zu, at %s", options->value,
                     options->max, wf_site(options->site));
}

void weft_semaphore_fini(weft_semaphore *opaque)
{
    const struct semaphore *semaphore = inside(opaque);
    if (semaphore && !wf_line_is_empty(&semaphore->object.line))
        wf_bound_in_use(&semaphore->object.bound, "semaphore", semaphore->object.line.length);
}

static void serve(struct semaphore *semaphore)
{
    struct wf_waiter *w;
    while ((w = wf_line_first(&semaphore->object.line)) && w->need <= semaphore->value) {
        semaphore->value -= w->need;
        semaphore->acquired++;
        wf_wake(wf_line_pop(&semaphore->object.line), 0);
    }
}

static int check(struct semaphore *semaphore, size_t count)
{
    int err = wf_bound_check(&semaphore->object.bound, "semaphore");
    if (err < 0 || semaphore->max == 0 || count <= semaphore->max)
        return err;
    return wf_misuse(-EINVAL, "%zu units were wanted of a semaphore (made at %s) with .max = %zu",
                     count, wf_site(semaphore->object.bound.site), semaphore->max);
}

static bool take_units(struct semaphore *semaphore, size_t count)
{
    if (!wf_line_is_empty(&semaphore->object.line) || semaphore->value < count)
        return false;
    semaphore->value -= count;
    semaphore->acquired++;
    return true;
}

/* Waiting. */

static bool take(struct wf_waiter *w, int64_t *result)
{
    struct semaphore *semaphore = w->object;
    *result = check(semaphore, w->need);
    return *result < 0 || take_units(semaphore, w->need);
}

/* Who wanted much has gone, and those behind him may have enough. */
static void settle(struct wf_waiter *w)
{
    serve(w->object);
}

static const char *describe(const struct wf_waiter *w, char *text, size_t size)
{
    const struct semaphore *semaphore = w->object;
    snprintf(text, size, "%llu of the semaphore (made at %s), which has %zu",
             (unsigned long long)w->need, wf_site(semaphore->object.bound.site), semaphore->value);
    return text;
}

const struct wf_wait_ops wf_semaphore_ops = { .kind = "a semaphore",
                                              .abort = wf_object_leave,
                                              .take = take,
                                              .join = wf_object_join,
                                              .settle = settle,
                                              .describe = describe };

int weft_semaphore_acquire(weft_semaphore *opaque, size_t count)
{
    struct semaphore *semaphore = inside(opaque);
    weft_task *task;
    int err = wf_enter(&task);
    if (err < 0)
        return err;
    struct wf_waiter w;
    wf_waiter_arm(&w, &wf_semaphore_ops, semaphore);
    w.need = count;
    return (int)wf_object_wait_for(&w);
}

int weft_semaphore_try_acquire(weft_semaphore *opaque, size_t count)
{
    struct semaphore *semaphore = inside(opaque);
    int err = check(semaphore, count);
    if (err < 0)
        return err;
    return take_units(semaphore, count) ? 0 : -EAGAIN;
}

int weft_semaphore_release(weft_semaphore *opaque, size_t count)
{
    struct semaphore *semaphore = inside(opaque);
    int err = wf_bound_check(&semaphore->object.bound, "semaphore");
    if (err < 0)
        return err;
    size_t max = semaphore->max ? semaphore->max : SIZE_MAX;
    if (count > max - semaphore->value)
        return wf_misuse(-EOVERFLOW,
                         "a semaphore (made at %s) was given %zu units: it has %zu, at most %zu",
                         wf_site(semaphore->object.bound.site), count, semaphore->value, max);
    semaphore->value += count;
    serve(semaphore);
    return 0;
}

void weft_semaphore_get_stats(const weft_semaphore *opaque, weft_semaphore_stats *stats)
{
    const struct semaphore *semaphore = inside(opaque);
    wf_line_tell(&semaphore->object.line, &stats->line);
    stats->acquired = semaphore->acquired;
    stats->value = semaphore->value;
    stats->max = semaphore->max;
}
