/* Events: a flag and a line. A waiter that was woken has its 0, though the flag be cleared before
 * it runs. */

#include "sync/objects.h"

#include <stdio.h>
#include <weft/event.h>

struct event {
    struct wf_object object;
    uint64_t times;
    bool set;
};

_Static_assert(sizeof(struct event) <= sizeof(weft_event), "weft_event is too small");

static struct event *inside(const weft_event *event)
{
    return (struct event *)(uintptr_t)event;
}

void weft_event_init_at(weft_event *opaque, const char *site)
{
    struct event *event = inside(opaque);
    *event = (struct event){ .set = false };
    wf_bound_init(&event->object.bound, site);
}

void weft_event_fini(weft_event *opaque)
{
    const struct event *event = inside(opaque);
    if (event && !wf_line_is_empty(&event->object.line))
        wf_bound_in_use(&event->object.bound, "event", event->object.line.length);
}

void weft_event_set(weft_event *opaque)
{
    struct event *event = inside(opaque);
    if (event->set || wf_bound_check(&event->object.bound, "event") < 0)
        return;
    event->set = true;
    event->times++;
    wf_line_wake_all(&event->object.line, 0);
}

void weft_event_clear(weft_event *opaque)
{
    struct event *event = inside(opaque);
    if (event->set && wf_bound_check(&event->object.bound, "event") == 0)
        event->set = false;
}

bool weft_event_is_set(const weft_event *opaque)
{
    return inside(opaque)->set;
}

/* Waiting. */

static bool take(struct wf_waiter *w, int64_t *result)
{
    struct event *event = w->object;
    *result = wf_bound_check(&event->object.bound, "event");
    return *result < 0 || event->set;
}

static const char *describe(const struct wf_waiter *w, char *text, size_t size)
{
    const struct event *event = w->object;
    snprintf(text, size, "the event (made at %s)", wf_site(event->object.bound.site));
    return text;
}

const struct wf_wait_ops wf_event_ops = { .kind = "an event",
                                          .abort = wf_object_leave,
                                          .take = take,
                                          .join = wf_object_join,
                                          .describe = describe };

int weft_event_wait(weft_event *event)
{
    weft_task *task;
    int err = wf_enter(&task);
    return err < 0 ? err : (int)wf_object_wait(&wf_event_ops, event, NULL);
}

void weft_event_get_stats(const weft_event *opaque, weft_event_stats *stats)
{
    const struct event *event = inside(opaque);
    wf_line_tell(&event->object.line, &stats->line);
    stats->set = event->times;
}
