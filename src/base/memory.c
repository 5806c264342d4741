/* The one door to the heap: see memory.h. */

#include "base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void *heap_allocate(void *context, size_t size)
{
    (void)context;
    return malloc(size);
}

static void *heap_reallocate(void *context, void *memory, size_t size)
{
    (void)context;
    return realloc(memory, size);
}

static void heap_release(void *context, void *memory)
{
    (void)context;
    free(memory);
}

static const struct weft_allocator heap = {
    .allocate = heap_allocate,
    .reallocate = heap_reallocate,
    .release = heap_release,
};

static struct weft_allocator allocator = {
    .allocate = heap_allocate,
    .reallocate = heap_reallocate,
    .release = heap_release,
};

static _Thread_local uint64_t allocations;
static _Thread_local size_t held;
static _Thread_local struct wf_memory_fault *armed;

int weft_set_allocator(const struct weft_allocator *replacement)
{
    if (!replacement)
        replacement = &heap;
    if (!replacement->allocate || !replacement->reallocate || !replacement->release)
        return -EINVAL;
    allocator = *replacement;
    return 0;
}

WF_COLD static bool fault_strikes(struct wf_memory_fault *fault)
{
    if (fault->countdown == 0)
        return false;
    if (fault->countdown > 1) {
        fault->countdown--;
        return false;
    }
    if (!fault->persistent)
        fault->countdown = 0;
    fault->injected++;
    return true;
}

static inline void *count(void *memory)
{
    allocations += memory != NULL;
    return memory;
}

void *wf_alloc(size_t size)
{
    if (WF_UNLIKELY(armed) && fault_strikes(armed))
        return NULL;
    return count(allocator.allocate(allocator.context, size + !size));
}

void *wf_alloc_zero(size_t size)
{
    void *memory = wf_alloc(size);
    if (memory)
        memset(memory, 0, size);
    return memory;
}

void *wf_realloc(void *memory, size_t size)
{
    if (!memory)
        return wf_alloc(size);
    if (WF_UNLIKELY(armed) && fault_strikes(armed))
        return NULL;
    return count(allocator.reallocate(allocator.context, memory, size + !size));
}

void wf_free(void *memory)
{
    if (memory)
        allocator.release(allocator.context, memory);
}

void wf_memory_hold(size_t size)
{
    held += size;
}

void wf_memory_unhold(size_t size)
{
    held -= size;
}

/* What one thread has taken and another gave back makes one count too high and the other too low.
 */
size_t weft_memory_held(void)
{
    return held < SIZE_MAX / 2 ? held : 0;
}

uint64_t wf_memory_count(void)
{
    return allocations;
}

void wf_memory_fault_set(struct wf_memory_fault *fault)
{
    armed = fault;
}

void *weft_alloc(size_t size)
{
    return wf_alloc_zero(size);
}

void *weft_realloc(void *memory, size_t size)
{
    return wf_realloc(memory, size);
}

void weft_free(void *memory)
{
    wf_free(memory);
}
