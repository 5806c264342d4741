#ifndef WF_CORE_SHUTDOWN_H
#define WF_CORE_SHUTDOWN_H

/* weft_loop_shutdown(): the end of a run when it has become quiet. The story is in shutdown.c. */

#include "base/compiler.h"
#include "core/timer.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <weft/loop.h>

/* Loop 0's counts. */
struct wf_shutdown {
    atomic_bool asked;
    atomic_bool over;         /* every main is cancelled */
    _Atomic int64_t quiet;    /* the shortest that was asked for */
    _Atomic int64_t deadline; /* the earliest */
    _Atomic int64_t news;     /* when new work has come last, to any loop */
    struct wf_timer timer;    /* loop 0's own */
};

void wf_shutdown_init(struct wf_shutdown *shutdown);

/* On each loop of the run, when something may have changed: notes new work from now on; loop 0 sets
 * its timer; when it is over, main is cancelled. */
void wf_shutdown_heed(weft_loop *loop);

/* The loop ends: it heeds no more. */
void wf_shutdown_end(weft_loop *loop);

/* New work has come to a loop that notes it. */
WF_COLD void wf_shutdown_note(weft_loop *loop);

#endif
