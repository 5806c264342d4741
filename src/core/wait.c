/* A wait in words: what the log, a dump and the report of a blocked loop say of it.
 *
 *     sleep
 *     task 7 'loader'
 *     all of task 7 'loader', the future made at app.c:12, and 3 more
 *     tasks of its scope 'clients' (app.c:40)
 */

#include "core/loop.h"

#include <stdarg.h>
#include <stdio.h>

#define NAMED_MAX 3

/* Append as snprintf() writes; where the text ends now. */
WF_PRINTF(3, 4)
static char *put(char *at, const char *end, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int length = vsnprintf(at, (size_t)(end - at), format, list);
    va_end(list);
    return length < 0 ? at : length < end - at ? at + length : (char *)(uintptr_t)end - 1;
}

static char *put_future(char *at, const char *end, const weft_future *future)
{
    const weft_task *task = (const weft_task *)future;
    if (wf_is_task(future))
        return put(at, end, "task %u '%s'", wf_task_number(task), task->name);
    return put(at, end, "the future made at %s", wf_site(future->site));
}

static const weft_future *next_pending(const struct wf_waiter *w, size_t *at)
{
    const weft_future *future;
    do
        future = w->ops->awaits(w, at);
    while (future && future->done);
    return future;
}

static size_t count_from(const struct wf_waiter *w, size_t at)
{
    size_t count = 0;
    while (next_pending(w, &at))
        count++;
    return count;
}

static void put_futures(char *at, const char *end, const struct wf_waiter *w)
{
    const weft_future *future;
    size_t place = 0;
    for (int named = 0; named < NAMED_MAX && (future = next_pending(w, &place)); named++)
        at = put_future(put(at, end, "%s", named > 0 ? ", " : ""), end, future);
    size_t more = count_from(w, place);
    if (more > 0)
        put(at, end, ", and %zu more", more);
}

const char *wf_wait_describe(const struct wf_waiter *w, char *text, size_t size)
{
    const struct wf_wait_ops *ops = w->ops;
    const struct wf_scope *scope = w->object;
    const char *end = text + size;
    text[0] = '\0';
    if (ops->describe)
        return ops->describe(w, text, size);
    if (ops == &wf_scope_join_ops)
        put(text, end, "%s '%s' (%s)", ops->kind, scope->name ? scope->name : "scope",
            wf_site(scope->site));
    else if (!ops->awaits)
        put(text, end, "%s", ops->kind);
    else
        put_futures(ops->quorum != WF_QUORUM_ONE ? put(text, end, "%s ", ops->kind) : text, end, w);
    return text;
}
