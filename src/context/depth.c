#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/compiler.h"
#include "context/depth.h"
#include "context/guard.h"

#define COLOUR_MAX ((size_t)64 * 32) /* stack.c's */

#ifndef MADV_DONTNEED_LOCKED
#    define MADV_DONTNEED_LOCKED 24
#endif

/* Below a leaf's frame address its own locals may lie: without optimization, and the red zone. */
#define LEAF ((size_t)192)

/* Stacks are read and written where no frame lives, which AddressSanitizer would not have. */
#define RAW WF_NOINLINE __attribute__((no_sanitize("address", "thread", "undefined")))

size_t wf_depth_room(size_t stride)
{
    return stride - wf_stack_page_size() - COLOUR_MAX;
}

bool wf_depth_is_told(void)
{
    unsigned char resident = 1;
    void *page = mmap(NULL, wf_stack_page_size(), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return false;
    int err = mincore(page, wf_stack_page_size(), &resident);
    munmap(page, wf_stack_page_size());
    return err == 0 && !(resident & 1);
}

/* `top` where there is none, NULL when the kernel does not say. */
static const char *lowest_resident(char *low, const char *top)
{
    unsigned char resident[WF_STACK_LARGE / 4096];
    size_t page = wf_stack_page_size(), count = ((size_t)(top - low) + page - 1) / page, i = 0;
    if (count > sizeof resident || mincore(low, (size_t)(top - low), resident) != 0)
        return NULL;
    while (i < count && !(resident[i] & 1))
        i++;
    return i < count ? low + i * page : top;
}

const char *wf_depth_page(char *low, const char *top)
{
    const char *lowest = lowest_resident(low, top);
    return lowest == low && !wf_depth_is_told() ? NULL : lowest;
}

RAW static const char *first_word(const char *low, const char *top)
{
    const volatile uint64_t *word = (const volatile uint64_t *)(const volatile void *)low;
    while ((const volatile char *)word < (const volatile char *)top && *word == 0)
        word++;
    return (const char *)(uintptr_t)word;
}

const char *wf_depth_word(char *low, const char *top)
{
    const char *lowest = lowest_resident(low, top);
    if (!lowest || lowest == top)
        return lowest;
    const char *end = lowest + wf_stack_page_size() < top ? lowest + wf_stack_page_size() : top;
    const char *word = first_word(lowest, end);
    if (word < end)
        return word;
    return wf_depth_is_told() ? lowest : first_word(end, top);
}

/* Word for word: a call would write below us. */
RAW static void zero_below(char *low)
{
    volatile uint64_t *word = (volatile uint64_t *)(void *)low;
    volatile uint64_t *end = (volatile uint64_t *)((uintptr_t)__builtin_frame_address(0) - LEAF);
    while (word < end)
        *word++ = 0;
}

/* Locked memory needs another word, which older kernels do not know. */
static bool give_back(char *low, size_t size)
{
    return size == 0 || madvise(low, size, MADV_DONTNEED) == 0 ||
           madvise(low, size, MADV_DONTNEED_LOCKED) == 0;
}

void wf_depth_clear(char *low)
{
    size_t page = wf_stack_page_size();
    char *here = __builtin_frame_address(0);
    char *bottom = low + (((size_t)(here - low) - 2 * LEAF) & ~(page - 1));
    zero_below(give_back(low, (size_t)(bottom - low)) ? bottom : low);
}
