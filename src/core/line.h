#ifndef WF_CORE_LINE_H
#define WF_CORE_LINE_H

/* A line of waiters in front of an object: first come, first served.
 *
 *     wf_line_join ──> last … first ──> wf_line_pop: granted, then wf_wake()
 *                        └────────────> wf_line_leave: given up
 *
 * Objects grant: they take the first waiter out, give it what it came for, and wake it. So nobody
 * who comes later overtakes it, and a waiter that was granted something has it, whatever happens to
 * its task meanwhile. Zeroed memory is an empty line.
 *
 *   - length == waiters that stand in it; while it is 0 the list is not looked at */

#include "core/waiter.h"

#include <weft/line.h>

struct wf_line {
    struct wf_list waiters;
    uint32_t length;
    uint32_t longest;
    uint64_t waited; /* how many have ever stood in it */
    uint64_t left;   /* of these: given up */
};

static inline bool wf_line_is_empty(const struct wf_line *line)
{
    return line->length == 0;
}

static inline void wf_line_join(struct wf_line *line, struct wf_waiter *w)
{
    if (line->length == 0)
        wf_list_init(&line->waiters);
    wf_list_push_back(&line->waiters, &w->link);
    line->waited++;
    if (++line->length > line->longest)
        line->longest = line->length;
}

/* Give up a place in it: what an abort does. */
static inline void wf_line_leave(struct wf_line *line, struct wf_waiter *w)
{
    wf_list_remove(&w->link);
    line->length--;
    line->left++;
}

/* The first one; NULL when it is empty. */
static inline struct wf_waiter *wf_line_first(const struct wf_line *line)
{
    return line->length == 0 ? NULL : wf_container(line->waiters.next, struct wf_waiter, link);
}

/* Take the first one out; NULL when it is empty. */
static inline struct wf_waiter *wf_line_pop(struct wf_line *line)
{
    struct wf_waiter *w = wf_line_first(line);
    if (w) {
        wf_list_remove(&w->link);
        line->length--;
    }
    return w;
}

/* Wake those who stand in it now with a result; who comes meanwhile waits. */
static inline void wf_line_wake_all(struct wf_line *line, int64_t result)
{
    for (uint32_t count = line->length; count > 0 && line->length > 0; count--)
        wf_wake(wf_line_pop(line), result);
}

static inline void wf_line_tell(const struct wf_line *line, struct weft_line_stats *stats)
{
    *stats = (struct weft_line_stats){ .waiting = line->length,
                                       .longest = line->longest,
                                       .waited = line->waited,
                                       .cancelled = line->left };
}

#endif
