#ifndef WF_IO_ALTERNATE_H
#define WF_IO_ALTERNATE_H

/* The stack on which a thread handles signals while it runs a loop, because those of tasks are
 * small, and one that has overflowed has no room at all.
 *
 *     | guard page | 64 KiB, more where the processor's registers ask for it | struct |
 *
 * It is mapped when the loop is made, so that a run cannot fail; memory it takes when a signal
 * first comes. A thread that has one of its own keeps that: ASan's, or the application's. Only
 * where it is too small for a report it is changed for ours, for the time of the run.
 *
 * Costs two system calls for each run. */

#include <stddef.h>

struct wf_alternate;

/* -ENOMEM. */
int wf_alternate_new(struct wf_alternate **alternate);

/* What the kernel writes to a stack for one signal, at least. */
size_t wf_alternate_frame_size(void);

/* Nobody runs on it. NULL is allowed. */
void wf_alternate_free(struct wf_alternate *alternate);

/* The calling thread's, between the two. */
void wf_alternate_take(struct wf_alternate *alternate);
void wf_alternate_give_back(struct wf_alternate *alternate);

#endif
