#ifndef WF_CORE_REMOTE_H
#define WF_CORE_REMOTE_H

/* Tasks that were started from another thread, seen from the futures that stand for them. */

#include "core/future.h"

#include <weft/remote.h>

struct wf_remote;

/* Ask the task to end; its result comes all the same. Again: nothing. On the future's thread. */
void wf_remote_cancel(struct wf_remote *remote);

/* Whether it may use the memory of who waits for it, who then may not leave before its end. */
bool wf_remote_is_bound(const struct wf_remote *remote);

/* The future is done without it: its loop ends. */
void wf_remote_forget(struct wf_remote *remote);

#endif
