#ifndef WF_CONTEXT_STACK_H
#define WF_CONTEXT_STACK_H

/* Pooled stacks.
 *
 * A first touch of a stack page costs more than a thousand switches, so stacks keep their memory
 * while they may be wanted: each size class has a LIFO list, whose head is the stack the cache
 * knows best. They are cut from slabs, and slabs from tracts, mappings that reserve no memory
 * until it is touched. Each tract has twice the slabs of the one before, so a million stacks are
 * at most some 80 mappings:
 *
 *     tract:  | slab | slab | slab | not made yet ...                     1 MiB … 1 GiB
 *     slab:   | header | guard | stack 0 | guard | stack 1 | ... | not cut yet    |
 *               a page   a page
 *
 * The header holds the links of the lists, so an idle stack is not touched, and a stack that
 * overflows or is overrun does not break a list. A class names the distance between two stacks;
 * its guard page and the colour come off, and what is left is wf_stack.size. The colour moves
 * the top down by 64 bytes times the stack's number mod 32: else the hot ends of all stacks
 * would share a few cache sets. Guards: guard.h.
 *
 *     uncut ──> cold ──get──> live ──put──> warm ──nobody wanted it for a while──> cooling
 *                ↑             ↑             └──get                                   │
 *                │             └──────────────────────────────────────────────────get─┤
 *                └───────────────────────────────────its memory is given back─────────┘
 *
 *   - warm stacks are taken first, cold ones last; what is cold has no memory, only addresses
 *   - `least` is the shortest that the warm list has been in this period; so many, those behind
 *     `above`, nobody has wanted, and they cool. No clock is read for that, nor a list walked
 *   - a tract that is wholly cold is unmapped
 *
 * One pool belongs to one loop: no locks. Cost: get and put some 5 ns together from the warm list;
 * a new stack 0.4 us for its guard, and the fault of its first page. */

#include <errno.h>
#include <stdbool.h>

#include "base/compiler.h"
#include "context/sanitizer.h"

#define WF_STACK_SMALL   ((size_t)16 << 10)
#define WF_STACK_MEDIUM  ((size_t)64 << 10)
#define WF_STACK_LARGE   ((size_t)256 << 10)
#define WF_STACK_CLASSES 3

#define WF_STACK_LIMIT_DEFAULT ((size_t)1 << 20)

/* What is to trap below a stack: guard.h. */
enum wf_guards {
    WF_GUARDS_BEST,
    WF_GUARDS_MARKS,
    WF_GUARDS_PAGES,
    WF_GUARDS_CANARIES,
    WF_GUARDS_OLD, /* the best of a kernel without marks */
};

/* What does. */
enum wf_guard { WF_GUARD_MARK, WF_GUARD_PAGE, WF_GUARD_CANARY };

/* One stack's entry in its slab's header. */
struct wf_stack_slot {
    struct wf_stack_slot *next; /* in its list; itself while the stack is live */
    char *low;                  /* lowest usable address */
    unsigned size;              /* usable, colour taken off */
    unsigned number;            /* Valgrind's */
    uint8_t guard;              /* enum wf_guard */
    bool fresh; /* it has no memory, or while it is live: had none when it was taken */
};

/* A mapping, described in the header of its first slab. */
struct wf_stack_tract {
    struct wf_stack_tract *next;
    char *memory;
    unsigned slabs; /* that have room */
    unsigned made;
    unsigned cut;  /* stacks of all of them */
    unsigned cold; /* of those */
};

/* The first page of a slab, describing the rest. */
struct wf_stack_slab {
    struct wf_stack_slab *next; /* that has cold stacks */
    struct wf_stack_slab *prev;
    struct wf_stack_class *class;
    struct wf_stack_tract *tract;
    struct wf_stack_slot *cold; /* LIFO */
    unsigned cut;   /* slots that have a guard and were live at least once, or are cold */
    unsigned live;  /* slots handed out now; live <= cut */
    unsigned pages; /* guards that are mappings of their own */
    bool floor;     /* so is what lies below its first stack, a canary's */
    struct wf_stack_tract own; /* of the first one in a tract */
    struct wf_stack_slot slots[];
};

struct wf_stack_class {
    struct wf_stack_slot *warm; /* LIFO */
    size_t warm_count;
    size_t least;                  /* of warm_count in this period */
    struct wf_stack_slot *above;   /* the last of those beyond that; stale where there are none */
    struct wf_stack_slot *cooling; /* still with memory */
    struct wf_stack_slab *cold;    /* slabs with cold stacks */
    struct wf_stack_slab *cutting; /* the one with uncut slots, or NULL */
    struct wf_stack_tract *tracts; /* the newest first, which alone has room */
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
    size_t existing;                                 /* live ones, and all on lists */
    size_t limit;
    size_t born; /* stacks cut since init: the next one's colour */
    size_t mapped_bytes;
    struct wf_stack_fault fault;
    uint8_t guards; /* enum wf_guards */
};

/* A stack on loan. */
struct wf_stack {
    char *low;
    size_t size; /* low + size is the top, 64-byte aligned */
    struct wf_stack_slot *slot;
};

/* limit: most stacks live at once; 0: the default. */
void wf_stack_pool_init(struct wf_stack_pool *pool, size_t limit);

/* Unmap everything; returns how many stacks were still live. */
size_t wf_stack_pool_fini(struct wf_stack_pool *pool);

/* A period is over: what nobody wanted in it cools. */
void wf_stack_pool_age(struct wf_stack_pool *pool);

/* Give memory back for about 0.1 ms. True: there is more. */
bool wf_stack_pool_cool(struct wf_stack_pool *pool);

/* Whether some idle stack has memory. */
bool wf_stack_pool_is_warm(const struct wf_stack_pool *pool);

/* Stacks that exist and are idle. */
static inline size_t wf_stack_pool_free(const struct wf_stack_pool *pool)
{
    return pool->existing - pool->live;
}

/* The rare half of get. */
int wf_stack_make_room(struct wf_stack_pool *pool, size_t size);

/* The header is page aligned and fits the smallest page there is. */
static inline struct wf_stack_slab *wf_stack_slab_of(struct wf_stack_slot *slot)
{
    return (struct wf_stack_slab *)((uintptr_t)slot & ~(uintptr_t)4095);
}

static inline struct wf_stack_class *wf_stack_class_of(struct wf_stack_pool *pool, size_t size)
{
    return &pool->classes[(size > WF_STACK_SMALL) + (size > WF_STACK_MEDIUM)];
}

static inline void wf_stack_push(struct wf_stack_class *class, struct wf_stack_slot *slot)
{
    slot->next = class->warm;
    class->warm = slot;
    if (class->warm_count++ == class->least)
        class->above = slot;
}

static inline struct wf_stack_slot *wf_stack_pop(struct wf_stack_class *class)
{
    struct wf_stack_slot *slot = class->warm;
    class->warm = slot->next;
    if (--class->warm_count < class->least)
        class->least = class->warm_count;
    return slot;
}

/* Get a stack of the smallest class that holds `size` bytes, guard page included.
 * Returns 0, -EINVAL (size is 0 or over WF_STACK_LARGE), -ENOMEM (the limit, the kernel's limit on
 * mappings, or no address space). */
static inline int wf_stack_get(struct wf_stack_pool *pool, size_t size, struct wf_stack *out)
{
    struct wf_stack_class *class = wf_stack_class_of(pool, size);
    if (WF_UNLIKELY(!class->warm || pool->live >= pool->peak || size - 1 >= WF_STACK_LARGE)) {
        int error = wf_stack_make_room(pool, size);
        if (error)
            return error;
    }
    struct wf_stack_slot *slot = wf_stack_pop(class);
    slot->next = slot;
    wf_stack_slab_of(slot)->live++;
    pool->live++;
    *out = (struct wf_stack){ slot->low, slot->size, slot };
    return 0;
}

/* Give back a stack nobody runs on. */
static inline void wf_stack_put(struct wf_stack_pool *pool, struct wf_stack *stack)
{
    struct wf_stack_slot *slot = stack->slot;
    struct wf_stack_slab *slab = wf_stack_slab_of(slot);
    wf_assert(slot->next == slot);
    wf_sanitizer_stack_clean(slot->low, slot->size);
    slot->fresh = false;
    wf_stack_push(slab->class, slot);
    slab->live--;
    pool->live--;
}

#endif
