#include "memory.h"

#include <limits.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/mman.h>

#define BLOCK_HEAD 8 /* malloc's own, before each block */

static _Thread_local struct {
    uint64_t used, limit;
    long countdown, failed;
} heap = { .limit = UINT64_MAX };

static int fails(size_t size)
{
    if (WF_UNLIKELY(size > heap.limit || heap.used > heap.limit - size))
        return 1;
    if (WF_LIKELY(heap.countdown == 0))
        return 0;
    if (heap.countdown > 1) {
        heap.countdown--;
        return 0;
    }
    heap.failed++;
    return 1;
}

static void *hold(void *memory)
{
    if (memory)
        heap.used += malloc_usable_size(memory) + BLOCK_HEAD;
    return memory;
}

static void release(void *memory)
{
    if (memory)
        heap.used -= malloc_usable_size(memory) + BLOCK_HEAD;
}

void *kv_alloc(size_t size)
{
    return fails(size) ? NULL : hold(malloc(size));
}

void *kv_alloc_zero(size_t size)
{
    return fails(size) ? NULL : hold(calloc(1, size));
}

void *kv_grow(void *memory, size_t size)
{
    if (fails(size))
        return NULL;
    size_t before = memory ? malloc_usable_size(memory) + BLOCK_HEAD : 0;
    void *grown = realloc(memory, size);
    if (grown)
        heap.used -= before;
    return hold(grown);
}

void *kv_shrink(void *memory, size_t size)
{
    size_t before = malloc_usable_size(memory) + BLOCK_HEAD;
    void *shrunk = realloc(memory, size);
    if (!shrunk)
        return memory;
    heap.used -= before;
    return hold(shrunk);
}

void kv_free(void *memory)
{
    release(memory);
    free(memory);
}

size_t kv_size(void *memory)
{
    return memory ? malloc_usable_size(memory) : 0;
}

void *kv_map(size_t size)
{
    if (fails(size))
        return NULL;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    heap.used += size;
    return memory;
}

void kv_map_drop(void *part, size_t size)
{
    madvise(part, size, MADV_DONTNEED); /* at worst it goes with the whole */
}

void kv_unmap(void *memory, size_t size)
{
    munmap(memory, size);
    heap.used -= size;
}

void kv_memory_keep(void)
{
#ifdef __GLIBC__
    mallopt(M_TRIM_THRESHOLD, INT_MAX);
    mallopt(M_MXFAST, 0);
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
}

uint64_t kv_memory_used(void)
{
    return heap.used;
}

long kv_memory_fail(long countdown)
{
    long failed = heap.failed;
    heap.countdown = countdown;
    heap.failed = 0;
    return failed;
}

void kv_memory_limit(uint64_t bytes)
{
    heap.limit = bytes;
}
