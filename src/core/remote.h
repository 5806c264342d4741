#ifndef WF_CORE_REMOTE_H
#define WF_CORE_REMOTE_H

/* Tasks that were started from another thread, seen from the futures that stand for them: by three
 * functions, so that a program which starts none does not link them. All on the future's thread. */

#include "core/future.h"

struct wf_remote {
    bool bound; /* the task may use the memory of who waits: it has no copy */
    /* weft_await() of its future. The task may use the memory of who waits, so that one does not
     * leave before its end, not even when it was cancelled before; unless it has a copy. */
    int (*await)(weft_future *future, void **value);
    /* Ask the task to end; its result comes all the same. Again: nothing. */
    void (*cancel)(struct wf_remote *remote);
    /* The future is done without it: its loop ends. */
    void (*forget)(struct wf_remote *remote);
};

#endif
