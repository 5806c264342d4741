#ifndef WF_BASE_POISON_H
#define WF_BASE_POISON_H

/* Memory that is ours but nobody's to touch: AddressSanitizer traps whoever does. Nothing at all
 * in other builds. Memory must be unpoisoned before it goes back to where it came from. */

#include "base/compiler.h"

#include <stddef.h>

#if WF_ASAN
#    include <sanitizer/asan_interface.h>
#endif

static inline void wf_poison(const void *memory, size_t size)
{
#if WF_ASAN
    __asan_poison_memory_region(memory, size);
#else
    (void)memory;
    (void)size;
#endif
}

static inline void wf_unpoison(const void *memory, size_t size)
{
#if WF_ASAN
    __asan_unpoison_memory_region(memory, size);
#else
    (void)memory;
    (void)size;
#endif
}

#endif
