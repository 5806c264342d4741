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

/** Take memory from the family that is set: for protocols of your own that are to keep to it.
 *
 * Returns: `size` bytes, aligned as malloc aligns them and all zero; NULL without memory.
 * Errors: see above.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: gives the memory; weft_free takes it back.
 * Threads: any. */
WEFT_API
void *weft_alloc(size_t size);

/** Make memory from weft_alloc larger or smaller. What is new of it is not zero.
 *
 * Returns: the memory, which may lie elsewhere now; NULL without memory, and the old one stays.
 * Errors: see above.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: takes `memory`, which may be NULL, and gives another one.
 * Threads: any. */
WEFT_API
void *weft_realloc(void *memory, size_t size);

/** Give memory back.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: takes `memory`; NULL is fine.
 * Threads: any. */
WEFT_API
void weft_free(void *memory);

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
