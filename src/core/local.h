#ifndef WF_CORE_LOCAL_H
#define WF_CORE_LOCAL_H

/* Task-local values.
 *
 *     task A ──┐
 *     task B ──┴──> block [ key value | key value* ] ──> owner of value*: references, drop
 *     callback ───> block [ key value*| key value  ] ──────┘
 *
 * A block never changes: who begins takes a reference to its creator's, which costs an increment,
 * or nothing where there is none, and who sets a value makes a new one. Values that somebody frees
 * are counted apart, because several blocks may hold them. All of it belongs to one loop's thread.
 *
 * The holder is always the loop's current task: on the dispatcher that is the root, which has the
 * callback's block while one runs. */

#include "base/compiler.h"

#include <stdint.h>
#include <weft/local.h>

struct wf_locals;

/* One reference less; NULL: nothing. */
void wf_locals_release(struct wf_locals *locals);

/* One more for who inherits them; NULL stays NULL. */
struct wf_locals *wf_locals_retain(struct wf_locals *locals);

/* Users' code is to run on the dispatcher with these, which are taken: what the root has meanwhile
 * to do without, to be given to wf_locals_leave(). */
struct wf_locals *wf_locals_enter(weft_loop *loop, struct wf_locals *locals);
void wf_locals_leave(weft_loop *loop, struct wf_locals *around);

/* What weft_local_get() answers on this thread, which has no loop, until it is told NULL. */
void wf_locals_lend(const struct wf_locals *locals);

/* Take the reference out of a holder, and give it back. */
static inline void wf_locals_drop(struct wf_locals **holder)
{
    struct wf_locals *locals = *holder;
    if (WF_LIKELY(!locals))
        return;
    *holder = NULL;
    wf_locals_release(locals);
}

static inline struct wf_locals *wf_locals_inherit(struct wf_locals *locals)
{
    return WF_LIKELY(!locals) ? NULL : wf_locals_retain(locals);
}

#endif
