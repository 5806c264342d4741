#ifndef WF_CONTEXT_STACK_H
#define WF_CONTEXT_STACK_H

/* Pooled stacks with guard pages.
 *
 * A first touch of a stack page costs more than a thousand switches, so stacks are never given
 * back to the kernel while they may be wanted: each size class keeps a LIFO list, whose head is
 * the stack the cache knows best. Stacks are cut from slabs, mappings of up to 4 MiB that reserve
 * no memory until it is touched:
 *
 *     | slab header | guard | stack 0 | guard | stack 1 | ... | not cut yet      |
 *       one page      page                                      slab->cut stacks are
 *
 * The header holds the free-list links, so an idle stack is not touched, and a stack that
 * overflows or is overrun does not break the list. A class names the distance between two stacks;
 * its guard page and the colour come off, and what is left is wf_stack.size. The colour moves
 * the top down by 64 bytes times the stack's number mod 32: else the hot ends of all stacks
 * would share a few cache sets.
 *
 * States of a slot: uncut -> live <-> free. A slab whose cut slots are all free is unmapped when
 * the pool holds more than free_max free stacks. One pool belongs to one loop: no locks.
 *
 * Cost: get and put some 2 ns together from the list; a new stack one madvise or mprotect, and
 * every 64 stacks (16 in the largest class) an mmap. */

#include <errno.h>
#include <stdbool.h>

#include "base/compiler.h"
#include "context/sanitizer.h"

#define WF_STACK_SMALL   ((size_t)16 << 10)
#define WF_STACK_MEDIUM  ((size_t)64 << 10)
#define WF_STACK_LARGE   ((size_t)256 << 10)
#define WF_STACK_CLASSES 3

#define WF_STACK_LIMIT_DEFAULT    ((size_t)1 << 20)
#define WF_STACK_FREE_MAX_DEFAULT 4096

/* One stack's entry in its slab's header. */
struct wf_stack_slot {
    struct wf_stack_slot *next; /* in the free list; itself while the stack is live */
    char *low;                  /* lowest usable address */
    unsigned size;              /* usable, colour taken off */
    unsigned number;            /* Valgrind's */
    bool fresh;                 /* its memory was not used since it came from the kernel */
};

/* The first page of a mapping, describing the rest. */
struct wf_stack_slab {
    struct wf_stack_slab *next;
    struct wf_stack_slab *prev;
    struct wf_stack_class *class;
    unsigned cut;       /* slots that have a guard and were live at least once */
    unsigned live;      /* slots handed out now; live <= cut */
    unsigned protected; /* guards that are mappings of their own; protected <= cut */
    struct wf_stack_slot slots[];
};

struct wf_stack_class {
    struct wf_stack_slot *free;    /* LIFO */
    struct wf_stack_slab *slabs;   /* all of this class */
    struct wf_stack_slab *cutting; /* the one with uncut slots, or NULL */
    size_t stride;                 /* bytes from one stack to the next */
    unsigned slab_slots;           /* stacks in a slab */
};

/* Makes the n-th mmap, madvise, mprotect or munmap from now fail (n = countdown; 0 is off), and
 * with `persistent` all that follow. */
struct wf_stack_fault {
    long countdown;
    bool persistent;
};

struct wf_stack_pool {
    struct wf_stack_class classes[WF_STACK_CLASSES]; /* ascending */
    size_t live;                                     /* handed out now */
    size_t peak;                                     /* most ever live; <= limit */
    size_t existing;                                 /* live and free ones */
    size_t limit;
    size_t free_max; /* beyond this, wholly free slabs are unmapped */
    size_t born;     /* stacks cut since init: the next one's colour */
    size_t mapped_bytes;
    struct wf_stack_fault fault;
    bool protects; /* guards are protected pages, even where the kernel has better */
};

/* A stack on loan. */
struct wf_stack {
    char *low;
    size_t size; /* low + size is the top, 64-byte aligned */
    struct wf_stack_slot *slot;
};

/* limit: most stacks live at once; free_max: idle stacks kept. 0 asks for the default. */
void wf_stack_pool_init(struct wf_stack_pool *pool, size_t limit, size_t free_max);

/* Unmap everything; returns how many stacks were still live. */
size_t wf_stack_pool_fini(struct wf_stack_pool *pool);

/* Stacks that exist and are idle. */
static inline size_t wf_stack_pool_free(const struct wf_stack_pool *pool)
{
    return pool->existing - pool->live;
}

/* The rare halves of get and put. */
int wf_stack_make_room(struct wf_stack_pool *pool, size_t size);
void wf_stack_release(struct wf_stack_pool *pool, struct wf_stack_slab *slab);

/* The header is page aligned and fits the smallest page there is. */
static inline struct wf_stack_slab *wf_stack_slab_of(struct wf_stack_slot *slot)
{
    return (struct wf_stack_slab *)((uintptr_t)slot & ~(uintptr_t)4095);
}

static inline struct wf_stack_class *wf_stack_class_of(struct wf_stack_pool *pool, size_t size)
{
    return &pool->classes[(size > WF_STACK_SMALL) + (size > WF_STACK_MEDIUM)];
}

static inline void wf_stack_take(struct wf_stack_pool *pool, struct wf_stack_class *class,
                                 struct wf_stack *out)
{
    struct wf_stack_slot *slot = class->free;
    class->free = slot->next;
    slot->next = slot;
    wf_stack_slab_of(slot)->live++;
    pool->live++;
    *out = (struct wf_stack){ slot->low, slot->size, slot };
}

static inline void wf_stack_push(struct wf_stack_class *class, struct wf_stack_slot *slot)
{
    slot->next = class->free;
    class->free = slot;
}

/* Get a stack of the smallest class that holds `size` bytes, guard page included.
 * Returns 0, -EINVAL (size is 0 or over WF_STACK_LARGE), -ENOMEM (the limit, the kernel's limit on
 * mappings, or no address space). */
static inline int wf_stack_get(struct wf_stack_pool *pool, size_t size, struct wf_stack *out)
{
    struct wf_stack_class *class = wf_stack_class_of(pool, size);
    if (WF_UNLIKELY(!class->free || pool->live >= pool->peak || size - 1 >= WF_STACK_LARGE)) {
        int error = wf_stack_make_room(pool, size);
        if (error)
            return error;
    }
    wf_stack_take(pool, class, out);
    return 0;
}

/* Give back a stack nobody runs on. */
static inline void wf_stack_put(struct wf_stack_pool *pool, struct wf_stack *stack)
{
    struct wf_stack_slot *slot = stack->slot;
    struct wf_stack_slab *slab = wf_stack_slab_of(slot);
    wf_assert(slot->next == slot);
    wf_sanitizer_stack_clean(slot->low, slot->size);
    wf_stack_push(slab->class, slot);
    pool->live--;
    if (WF_UNLIKELY(--slab->live == 0 && wf_stack_pool_free(pool) > pool->free_max))
        wf_stack_release(pool, slab);
}

#endif
