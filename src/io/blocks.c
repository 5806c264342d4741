/* Lent blocks: a short list in front of the heap. What it keeps, it keeps to save the allocator's
 * two calls on each receive: 8 MiB, 512 blocks of 16 KiB, is what a loop keeps of a crowd. */

#include "io/blocks.h"
#include "base/memory.h"
#include "base/poison.h"

#include <errno.h>

#define BLOCK_SIZE   16384
#define BLOCKS_LIMIT 65536
#define BYTES_KEPT   ((size_t)8 << 20)

void wf_blocks_init(struct wf_blocks *blocks, size_t size, size_t limit)
{
    *blocks = (struct wf_blocks){ .size = size ? size : BLOCK_SIZE,
                                  .limit = limit ? limit : BLOCKS_LIMIT };
    if (blocks->size < sizeof(void *))
        blocks->size = sizeof(void *);
}

static char *pop(struct wf_blocks *blocks)
{
    char *block = blocks->free;
    wf_unpoison(block, blocks->size);
    blocks->free = *(void **)(void *)block;
    blocks->kept--;
    return block;
}

void wf_blocks_fini(struct wf_blocks *blocks)
{
    wf_assert(blocks->lent == 0);
    while (blocks->free)
        wf_free(pop(blocks));
}

int wf_blocks_get(struct wf_blocks *blocks, char **block)
{
    if (WF_UNLIKELY(blocks->lent == blocks->limit))
        return -ENOBUFS;
    char *found = blocks->free ? pop(blocks) : wf_alloc(blocks->size);
    if (WF_UNLIKELY(!found))
        return -ENOMEM;
    blocks->lent++;
    wf_memory_hold(blocks->size);
    *block = found;
    return 0;
}

void wf_blocks_put(struct wf_blocks *blocks, char *block)
{
    wf_assert(blocks->lent > 0);
    blocks->lent--;
    wf_memory_unhold(blocks->size);
    if ((blocks->kept + 1) * blocks->size > BYTES_KEPT) {
        wf_free(block);
        return;
    }
    *(void **)(void *)block = blocks->free;
    blocks->free = block;
    blocks->kept++;
    wf_poison(block, blocks->size);
}
