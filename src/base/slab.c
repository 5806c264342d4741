/* The slow half of the slab: chunks. See slab.h for the picture. */

#include "base/slab.h"

#include "base/memory.h"

/* Large enough that the heap is asked rarely. Fresh objects are touched one by one, so a chunk
 * costs as much real memory as its objects used. The slack leaves room for malloc's own header. */
#define CHUNK_SIZE (64 * 1024 - 64)

struct wf_slab_chunk {
    struct wf_slab_chunk *next;
    size_t size; /* all of it, in bytes */
};

void wf_slab_init(struct wf_slab *slab, size_t size, size_t align, size_t limit)
{
    wf_assert(align >= WF_SLAB_ALIGN && align <= 4096 && (align & (align - 1)) == 0);
    wf_assert(size > 0 && size <= SIZE_MAX / 2);
    *slab = (struct wf_slab){
        .size = (size + align - 1) & ~(align - 1),
        .align = align,
        .limit = limit,
    };
}

size_t wf_slab_fini(struct wf_slab *slab)
{
    size_t live = slab->live;
    while (slab->chunks) {
        struct wf_slab_chunk *chunk = slab->chunks;
        slab->chunks = chunk->next;
        wf_unpoison(chunk, chunk->size);
        wf_free(chunk);
    }
    wf_slab_init(slab, slab->size, slab->align, slab->limit);
    return live;
}

/* What is not an object in a chunk of `slab`: the header, and what aligning the first one takes. */
static size_t overhead(const struct wf_slab *slab)
{
    return sizeof(struct wf_slab_chunk) + slab->align;
}

static size_t chunk_count(const struct wf_slab *slab)
{
    size_t fit = slab->size < CHUNK_SIZE ? (CHUNK_SIZE - overhead(slab)) / slab->size : 1;
    size_t left = slab->limit - slab->peak;
    if (fit == 0)
        fit = 1;
    return fit < left ? fit : left;
}

static struct wf_slab_chunk *grow(struct wf_slab *slab)
{
    size_t count = chunk_count(slab);
    size_t size = overhead(slab) + count * slab->size;
    struct wf_slab_chunk *chunk = wf_alloc(size);
    if (!chunk)
        return NULL;
    *chunk = (struct wf_slab_chunk){ .next = slab->chunks, .size = size };
    uintptr_t first = ((uintptr_t)(chunk + 1) + slab->align - 1) & ~(uintptr_t)(slab->align - 1);
    slab->chunks = chunk;
    slab->fresh = (char *)first;
    slab->fresh_count = count;
    wf_poison(slab->fresh, count * slab->size);
    return chunk;
}

void *wf_slab_carve(struct wf_slab *slab)
{
    if (slab->peak == slab->limit)
        return NULL;
    if (slab->fresh_count == 0 && !grow(slab))
        return NULL;
    void *object = slab->fresh;
    slab->fresh += slab->size;
    slab->fresh_count--;
    slab->peak++;
    slab->live++;
    wf_unpoison(object, slab->size);
    return object;
}

size_t wf_slab_reserved(const struct wf_slab *slab)
{
    size_t size = 0;
    for (const struct wf_slab_chunk *chunk = slab->chunks; chunk; chunk = chunk->next)
        size += chunk->size;
    return size;
}
