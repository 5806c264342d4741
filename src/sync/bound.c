#include "sync/bound.h"

#include "base/error.h"

#include <stdio.h>
#include <weft/error.h>

int wf_bound_claim(struct wf_bound *bound, const char *kind)
{
    uint64_t thread = wf_this_thread();
    if (bound->thread == 0)
        bound->thread = thread;
    if (bound->thread == thread)
        return 0;
    return wf_misuse(WEFT_ETHREAD, "the %s (made at %s) was used by another thread than its own",
                     kind, wf_site(bound->site));
}

_Noreturn void wf_bound_in_use(const struct wf_bound *bound, const char *kind, uint32_t waiting)
{
    char text[200];
    snprintf(text, sizeof text, "the %s (made at %s) was given up while it is in use; waiting: %u",
             kind, wf_site(bound->site), waiting);
    wf_panic(__FILE__, __LINE__, text);
}
