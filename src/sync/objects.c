#include "sync/objects.h"

void wf_object_join(struct wf_waiter *w)
{
    struct wf_object *object = w->object;
    wf_line_join(&object->line, w);
}

bool wf_object_leave(struct wf_waiter *w)
{
    struct wf_object *object = w->object;
    wf_line_leave(&object->line, w);
    return true;
}
