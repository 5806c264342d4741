#ifndef WF_SYNC_BOUND_H
#define WF_SYNC_BOUND_H

/* Whose an object of synchronisation is: the thread's that uses it first. It carries no lock, so
 * another thread is refused. The loops of one thread never run at the same time, so a static object
 * serves one run after another. */

#include "core/loop.h"

struct wf_bound {
    uint64_t thread;  /* 0: nobody has used it yet */
    const char *site; /* where it was made; NULL: it is zeroed memory */
};

static inline void wf_bound_init(struct wf_bound *bound, const char *site)
{
    bound->thread = 0;
    bound->site = site;
}

/* Take it for this thread, or WEFT_ETHREAD. */
int wf_bound_claim(struct wf_bound *bound, const char *kind);

/* 0 or WEFT_ETHREAD. */
static inline int wf_bound_check(struct wf_bound *bound, const char *kind)
{
    const weft_loop *loop = wf_running;
    return WF_LIKELY(loop && bound->thread == loop->thread) ? 0 : wf_bound_claim(bound, kind);
}

/* It goes while somebody waits for it: say so and abort. */
_Noreturn void wf_bound_in_use(const struct wf_bound *bound, const char *kind, uint32_t waiting);

#endif
