/* Watches: a value, its number, and a line of those who have seen it.
 *
 * A waiter's `item` is a weft_watch_view, in the frame, the select or the stackless task that
 * waits: where the value goes to, and where its number does. Both are written when the value is
 * set, so who was woken has what it came for, whatever is set before it runs.
 *
 *   - who stands in the line has seen the latest value
 *   - version 0: there is no value yet */

#include "base/error.h"
#include "base/memory.h"
#include "sync/objects.h"

#include <stdio.h>
#include <weft/error.h>
#include <weft/watch.h>

struct watch {
    struct wf_object object;
    void *value; /* item_size bytes */
    size_t item_size;
    uint64_t version;
    bool closed;
};

_Static_assert(sizeof(struct watch) <= sizeof(weft_watch), "weft_watch is too small");

static struct watch *inside(const weft_watch *watch)
{
    return (struct watch *)(uintptr_t)watch;
}

int weft_watch_init_at(weft_watch *opaque, size_t item_size, const void *value, const char *site)
{
    struct watch *watch = inside(opaque);
    void *memory = wf_alloc(item_size > 0 ? item_size : 1);
    if (!memory)
        return wf_fail(-ENOMEM, "no memory for a watch of %zu bytes", item_size);
    *watch = (struct watch){ .value = memory, .item_size = item_size, .version = value ? 1 : 0 };
    wf_bound_init(&watch->object.bound, site);
    if (value)
        wf_item_copy(memory, value, item_size);
    return 0;
}

void weft_watch_fini(weft_watch *opaque)
{
    struct watch *watch = inside(opaque);
    if (!watch)
        return;
    if (!wf_line_is_empty(&watch->object.line))
        wf_bound_in_use(&watch->object.bound, "watch", watch->object.line.length);
    wf_free(watch->value);
    watch->value = NULL;
    watch->version = 0;
    watch->closed = true;
}

static int check(struct watch *watch)
{
    return wf_bound_check(&watch->object.bound, "watch");
}

static void show(const struct watch *watch, const weft_watch_view *view)
{
    wf_item_copy(view->value, watch->value, watch->item_size);
    *view->seen = watch->version;
}

/* Who comes meanwhile has seen it. */
static void show_all(struct watch *watch)
{
    for (uint32_t count = watch->object.line.length; count > 0 && watch->object.line.length > 0;
         count--) {
        struct wf_waiter *w = wf_line_pop(&watch->object.line);
        show(watch, w->item);
        wf_wake(w, 0);
    }
}

int weft_watch_set(weft_watch *opaque, const void *value)
{
    struct watch *watch = inside(opaque);
    int err = check(watch);
    if (err == 0 && watch->closed)
        err = WEFT_ECLOSED;
    if (err < 0)
        return err;
    wf_item_copy(watch->value, value, watch->item_size);
    watch->version++;
    show_all(watch);
    return 0;
}

int weft_watch_get(weft_watch *opaque, void *value)
{
    struct watch *watch = inside(opaque);
    int err = check(watch);
    if (err == 0 && watch->version == 0)
        err = -EAGAIN;
    if (err == 0)
        wf_item_copy(value, watch->value, watch->item_size);
    return err;
}

void weft_watch_close(weft_watch *opaque)
{
    struct watch *watch = inside(opaque);
    if (watch->closed || check(watch) < 0)
        return;
    watch->closed = true;
    wf_line_wake_all(&watch->object.line, WEFT_ECLOSED);
}

/* Waiting. */

static bool try_next(struct watch *watch, const weft_watch_view *view, int64_t *result)
{
    *result = check(watch);
    if (*result < 0)
        return true;
    if (*view->seen < watch->version)
        show(watch, view);
    else if (watch->closed)
        *result = WEFT_ECLOSED;
    else
        return false;
    return true;
}

static bool take(struct wf_waiter *w, int64_t *result)
{
    return try_next(w->object, w->item, result);
}

static const char *describe(const struct wf_waiter *w, char *text, size_t size)
{
    const struct watch *watch = w->object;
    snprintf(text, size, "value %llu of the watch (made at %s)",
             (unsigned long long)(watch->version + 1), wf_site(watch->object.bound.site));
    return text;
}

const struct wf_wait_ops wf_watch_ops = { .kind = "a value of a watch",
                                          .abort = wf_object_leave,
                                          .take = take,
                                          .join = wf_object_join,
                                          .describe = describe };

int weft_watch_next(weft_watch *watch, uint64_t *seen, void *value)
{
    weft_watch_view view = { .seen = seen, .value = value };
    weft_task *task;
    int err = wf_enter(&task);
    return err < 0 ? err : (int)wf_object_wait(&wf_watch_ops, inside(watch), &view);
}

int weft_watch_try_next(weft_watch *watch, uint64_t *seen, void *value)
{
    weft_watch_view view = { .seen = seen, .value = value };
    int64_t result;
    return try_next(inside(watch), &view, &result) ? (int)result : -EAGAIN;
}

void weft_watch_get_stats(const weft_watch *opaque, weft_watch_stats *stats)
{
    const struct watch *watch = inside(opaque);
    wf_line_tell(&watch->object.line, &stats->line);
    stats->set = watch->version;
    stats->closed = watch->closed;
}
