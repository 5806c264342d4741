#include "net/storage.h"

#include "base/memory.h"

#define BLOCKS_MAX ((size_t)1 << 20)

static const size_t sizes[WF_STORAGE_CLASSES] = { 4 << 10, 16 << 10, 64 << 10 };

static unsigned class_of(size_t size)
{
    unsigned class = 0;
    while (class < WF_STORAGE_CLASSES && sizes[class] < size)
        class ++;
    return class;
}

static char *acquire(void *context, size_t size, size_t *capacity)
{
    struct wf_storage *storage = context;
    unsigned class = class_of(size);
    *capacity = class < WF_STORAGE_CLASSES ? sizes[class] : size;
    return class < WF_STORAGE_CLASSES ? wf_slab_get(&storage->classes[class]) : wf_alloc(size);
}

/* Capacities of the classes are theirs alone: acquire() gives the heap only larger ones. */
static void release(void *context, char *block, size_t capacity)
{
    struct wf_storage *storage = context;
    unsigned class = class_of(capacity);
    if (class < WF_STORAGE_CLASSES)
        wf_slab_put(&storage->classes[class], block);
    else
        wf_free(block);
}

void wf_storage_init(struct wf_storage *storage)
{
    storage->source = (struct wf_buffer_storage){ acquire, release, storage };
    for (unsigned i = 0; i < WF_STORAGE_CLASSES; i++)
        wf_slab_init(&storage->classes[i], sizes[i], WF_SLAB_ALIGN, BLOCKS_MAX);
}

size_t wf_storage_fini(struct wf_storage *storage)
{
    size_t live = 0;
    for (unsigned i = 0; i < WF_STORAGE_CLASSES; i++)
        live += wf_slab_fini(&storage->classes[i]);
    return live;
}
