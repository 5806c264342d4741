#ifndef WEFT_MEMORY_H
#define WEFT_MEMORY_H

/* Where weft takes its memory from: malloc, or a family of functions of yours. */

#include <weft/define.h>

WEFT_BEGIN_DECLS

/** A family of allocation functions. All three must be set; all three get `context` back. They are
 * called from every thread that runs a loop, so they must be thread-safe. */
struct weft_allocator {
    /* `size` bytes (never 0) aligned as malloc aligns, or NULL. */
    void *(*allocate)(void *context, size_t size);
    /* `memory` (never NULL) resized to `size` bytes (never 0), or NULL with `memory` intact. */
    void *(*reallocate)(void *context, void *memory, size_t size);
    /* Takes back `memory` (never NULL). */
    void (*release)(void *context, void *memory);
    void *context;
};

/** Replace malloc, realloc and free for everything that weft allocates from now on.
 *
 * Must be called before the first weft object exists and before the second thread starts: memory
 * goes back through the family that is set when it is released.
 *
 * Returns: 0.
 * Errors: -EINVAL when one of the three functions is NULL; nothing changes then.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: copies `*allocator`; keeps `allocator->context`. NULL goes back to malloc.
 * Threads: none but the caller may be using weft. */
WEFT_API
int weft_set_allocator(const struct weft_allocator *allocator);

/** How much this thread's arenas and the buffers of its streams hold: what requests and responses
 * under way cost beside stacks. What they keep for the next round counts in arenas only.
 *
 * Returns: bytes.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: takes nothing.
 * Threads: any; each has its own. */
WEFT_API
size_t weft_memory_held(void);

WEFT_END_DECLS

#endif
