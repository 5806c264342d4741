#include "net/storage.h"

#include "base/memory.h"

#include <stdint.h>

/* The largest is a high mark's worth of bytes and a chain's two headers. */
static const size_t sizes[WF_STORAGE_CLASSES] = { 4 << 10, 16 << 10, (64 << 10) + 128 };

static unsigned class_of(size_t size)
{
    unsigned class = 0;
    while (class < WF_STORAGE_CLASSES && sizes[class] < size)
        class ++;
    return class;
}

static char *acquire_large(size_t size)
{
    char *block = wf_alloc(size);
    if (block)
        wf_memory_hold(size);
    return block;
}

static void release_large(char *block, size_t size)
{
    wf_memory_unhold(size);
    wf_free(block);
}

static char *acquire(void *context, size_t size, size_t *capacity)
{
    struct wf_storage *storage = context;
    unsigned class = class_of(size);
    char *block;
    *capacity = class < WF_STORAGE_CLASSES ? sizes[class] : size;
    if (class == WF_STORAGE_CLASSES)
        return acquire_large(size);
    return wf_blocks_get(&storage->classes[class], &block) == 0 ? block : NULL;
}

/* Capacities of the classes are theirs alone: acquire() gives the heap only larger ones. */
static void release(void *context, char *block, size_t capacity)
{
    struct wf_storage *storage = context;
    unsigned class = class_of(capacity);
    if (class < WF_STORAGE_CLASSES)
        wf_blocks_put(&storage->classes[class], block);
    else
        release_large(block, capacity);
}

void wf_storage_init(struct wf_storage *storage)
{
    storage->source = (struct wf_buffer_storage){ acquire, release, storage };
    for (unsigned i = 0; i < WF_STORAGE_CLASSES; i++)
        wf_blocks_init(&storage->classes[i], sizes[i], SIZE_MAX);
}

void wf_storage_fini(struct wf_storage *storage)
{
    for (unsigned i = 0; i < WF_STORAGE_CLASSES; i++)
        wf_blocks_fini(&storage->classes[i]);
}
