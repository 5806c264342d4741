#ifndef WF_BASE_SLAB_H
#define WF_BASE_SLAB_H

/* Objects of one size, made and given back all the time: tasks, timers, connections.
 *
 *      chunks   [ header | object object object | fresh ............ ]  -> older chunk -> ...
 *      free     object -> object -> NULL        (the last one given back is the first one out)
 *
 * get takes the free list's head; only when that is empty does it carve a fresh object, and only
 * when the chunk is used up does it allocate a chunk. So an object is carved exactly when all
 * others live, which makes the number carved the peak, and lets the limit be checked there alone.
 *
 * Memory stays of its type until fini: nothing goes back to the heap before. While an object is
 * free its first pointer is the slab's; the rest keeps its content, but is nobody's to read (ASan
 * traps it). Objects arrive uninitialised. One thread at a time; get and put are 1-2 ns. */

#include "base/compiler.h"
#include "base/poison.h"

#include <stddef.h>
#include <stdint.h>

#define WF_SLAB_ALIGN      16
#define WF_SLAB_CACHE_LINE 64

struct wf_slab_chunk;

struct wf_slab {
    void *free;                   /* given back, linked through their first pointer */
    size_t live;                  /* out there now */
    char *fresh;                  /* next never used object of the newest chunk */
    size_t fresh_count;           /* how many of them are left */
    size_t peak;                  /* carved so far: the most that ever lived at once */
    size_t limit;                 /* the most that may live at once */
    size_t size;                  /* of one object, a multiple of `align` */
    size_t align;                 /* of one object, a power of two */
    struct wf_slab_chunk *chunks; /* newest first */
    /* live + length of the free list == peak <= limit */
};

/* `align` is WF_SLAB_ALIGN or WF_SLAB_CACHE_LINE (any power of two from 16 to 4096). Allocates
 * nothing. */
void wf_slab_init(struct wf_slab *slab, size_t size, size_t align, size_t limit);

/* Release everything, objects that still live included; returns how many those were. The slab is
 * empty afterwards and may be used again. */
size_t wf_slab_fini(struct wf_slab *slab);

/* The slow half of wf_slab_get: carve an object, or NULL. */
WF_NOINLINE void *wf_slab_carve(struct wf_slab *slab);

/* Memory held, in bytes. */
size_t wf_slab_reserved(const struct wf_slab *slab);

/* An uninitialised object, or NULL: `limit` objects live, or no memory. */
static inline void *wf_slab_get(struct wf_slab *slab)
{
    void *object = slab->free;
    if (WF_UNLIKELY(!object))
        return wf_slab_carve(slab);
    wf_unpoison(object, slab->size);
    slab->free = *(void **)object;
    slab->live++;
    return object;
}

/* Give an object back. */
static inline void wf_slab_put(struct wf_slab *slab, void *object)
{
    wf_assert(slab->live > 0);
    *(void **)object = slab->free;
    slab->free = object;
    slab->live--;
    wf_poison(object, slab->size);
}

#endif
