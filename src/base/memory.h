#ifndef WF_BASE_MEMORY_H
#define WF_BASE_MEMORY_H

/* The one door to the heap.
 *
 * Behind it: the user's allocator (weft_set_allocator), a count of what this thread allocated, so
 * that a bench can assert "nothing per request", and a fault that a test arms to make the n-th
 * allocation of this thread fail. The last two belong to the thread, so that pool threads disturb
 * neither. An unarmed fault costs one predictable branch.
 *
 * Out of memory is an answer: NULL here, -ENOMEM above, never an abort. */

#include "base/compiler.h"

#include <weft/memory.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Memory aligned as malloc aligns it, or NULL. A size of 0 gives a pointer of its own. */
WF_MUST_CHECK void *wf_alloc(size_t size);

/* The same, filled with zeroes. */
WF_MUST_CHECK void *wf_alloc_zero(size_t size);

/* `memory` (or NULL, for a new one) with room for `size` bytes; NULL leaves `memory` as it was. */
WF_MUST_CHECK void *wf_realloc(void *memory, size_t size);

/* Accepts NULL. */
void wf_free(void *memory);

/* Allocations of this thread that succeeded, reallocations included. */
uint64_t wf_memory_count(void);

/* This thread's arenas or buffers have taken so many bytes, or given them back. */
void wf_memory_hold(size_t size);
void wf_memory_unhold(size_t size);

/* An allocation that is to fail. */
struct wf_memory_fault {
    long countdown;  /* 1: the next one fails; n: the n-th from now; 0: none */
    bool persistent; /* all that follow fail too */
    long injected;   /* how many have failed */
};

/* Arm `fault` for this thread; it stays the caller's and counts down in place. NULL disarms. */
void wf_memory_fault_set(struct wf_memory_fault *fault);

#endif
