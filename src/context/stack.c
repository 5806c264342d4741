/* The slow half of the stack pool: tracts and slabs come, are cut into guarded stacks, cool, and
 * go.
 *
 * Every step either happens wholly or leaves the pool as it was; a failure of the kernel is
 * -ENOMEM where somebody wants a stack, and else means that memory is given back later or not. */

#include "context/stack.h"

#include <sys/mman.h>

#include "context/guard.h"

#define TRACT_MAX ((size_t)1 << 30) /* bytes: the kernel takes one away in about a millisecond */
#define CUT_MAX   32                /* stacks at a time, where there are as many already */
#define COLOURS   32

/* What a step of giving back may cost, in microseconds: a stack is one or two, a slab of 64 that
 * were all used some sixteen. */
enum { COOL_STEP = 100, COOL_STACK = 2, COOL_SLAB = 16 };

static const size_t class_size[WF_STACK_CLASSES] = { WF_STACK_SMALL, WF_STACK_MEDIUM,
                                                     WF_STACK_LARGE };
static const unsigned class_slots[WF_STACK_CLASSES] = { 64, 64, 16 };

static size_t slab_bytes(const struct wf_stack_class *class)
{
    return wf_stack_page_size() + class->slab_slots * class->stride;
}

/* Tracts. */

static unsigned next_tract_slabs(const struct wf_stack_class *class)
{
    size_t most = TRACT_MAX / slab_bytes(class);
    size_t slabs = class->tracts ? 2 * (size_t) class->tracts->slabs : 1;
    return (unsigned)(slabs < most ? slabs : most);
}

/* A huge page would be touched as a whole for one stack. Kernels without them refuse: all the
 * better. */
static void *map(struct wf_stack_pool *pool, size_t bytes)
{
    if (wf_stack_fails(pool))
        return NULL;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    (void)madvise(memory, bytes, MADV_NOHUGEPAGE);
    pool->mapped_bytes += bytes;
    return memory;
}

/* As large as the address space allows. */
static int tract_map(struct wf_stack_pool *pool, struct wf_stack_class *class)
{
    for (unsigned slabs = next_tract_slabs(class); slabs > 0; slabs /= 2) {
        struct wf_stack_slab *first = map(pool, slabs * slab_bytes(class));
        if (!first)
            continue;
        first->own = (struct wf_stack_tract){ .next = class->tracts,
                                              .memory = (char *)first,
                                              .slabs = slabs };
        class->tracts = &first->own;
        return 0;
    }
    return -ENOMEM;
}

static struct wf_stack_slab *slab_at(const struct wf_stack_class *class,
                                     const struct wf_stack_tract *tract, unsigned i)
{
    return (struct wf_stack_slab *)(void *)(tract->memory + i * slab_bytes(class));
}

static void valgrind_forget(const struct wf_stack_class *class, const struct wf_stack_tract *tract)
{
    for (unsigned i = 0; i < tract->made; i++) {
        const struct wf_stack_slab *slab = slab_at(class, tract, i);
        for (unsigned k = 0; k < slab->cut; k++)
            wf_sanitizer_stack_gone(slab->slots[k].number);
    }
}

/* How many of them are mappings: they are counted as long as they are. */
static struct wf_guard_count guards_of(const struct wf_stack_class *class,
                                       const struct wf_stack_tract *tract)
{
    struct wf_guard_count count = { 0 };
    for (unsigned i = 0; i < tract->made; i++)
        wf_guard_count(slab_at(class, tract, i), &count);
    return count;
}

/* May fail: taking a mapping out of the middle of a merged one makes one more. The caller sees to
 * the lists. */
static bool tract_unmap(struct wf_stack_pool *pool, struct wf_stack_class *class,
                        const struct wf_stack_tract *tract)
{
    size_t bytes = tract->slabs * slab_bytes(class);
    struct wf_guard_count guards = guards_of(class, tract);
    if (wf_stack_fails(pool))
        return false;
    valgrind_forget(class, tract);
    if (munmap(tract->memory, bytes) != 0)
        return false;
    wf_guard_forget(&guards);
    pool->mapped_bytes -= bytes;
    return true;
}

/* Cold stacks. */

static void cold_link(struct wf_stack_class *class, struct wf_stack_slab *slab)
{
    slab->prev = NULL;
    slab->next = class->cold;
    if (slab->next)
        slab->next->prev = slab;
    class->cold = slab;
}

static void cold_unlink(struct wf_stack_class *class, struct wf_stack_slab *slab)
{
    if (slab->next)
        slab->next->prev = slab->prev;
    if (slab->prev)
        slab->prev->next = slab->next;
    else
        class->cold = slab->next;
}

static void cold_push(struct wf_stack_class *class, struct wf_stack_slot *slot)
{
    struct wf_stack_slab *slab = wf_stack_slab_of(slot);
    if (!slab->cold)
        cold_link(class, slab);
    slot->next = slab->cold;
    slab->cold = slot;
    slab->tract->cold++;
}

static struct wf_stack_slot *cold_pop(struct wf_stack_class *class)
{
    struct wf_stack_slab *slab = class->cold;
    struct wf_stack_slot *slot = slab->cold;
    slab->cold = slot->next;
    slab->tract->cold--;
    if (!slab->cold)
        cold_unlink(class, slab);
    return slot;
}

/* Slabs. */

static int slab_make(struct wf_stack_pool *pool, struct wf_stack_class *class)
{
    struct wf_stack_tract *tract = class->tracts;
    if (!tract || tract->made == tract->slabs) {
        if (tract_map(pool, class) != 0)
            return -ENOMEM;
        tract = class->tracts;
    }
    struct wf_stack_slab *slab = slab_at(class, tract, tract->made++);
    slab->class = class;
    slab->tract = tract;
    class->cutting = slab;
    return 0;
}

static void slot_make(struct wf_stack_pool *pool, struct wf_stack_slab *slab)
{
    const struct wf_stack_class *class = slab->class;
    size_t page = wf_stack_page_size();
    struct wf_stack_slot *slot = &slab->slots[slab->cut];
    slot->low = (char *)slab + 2 * page + slab->cut * class->stride;
    slot->size = (unsigned)(class->stride - page - 64 * (pool->born++ % COLOURS));
    slot->number = wf_sanitizer_stack_born(slot->low, slot->size);
    slot->fresh = true;
    slab->cut++;
    slab->tract->cut++;
    pool->existing++;
}

/* The lowest is taken first. */
static void slots_make(struct wf_stack_pool *pool, struct wf_stack_slab *slab, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        slot_make(pool, slab);
    for (unsigned i = 1; i <= count; i++)
        cold_push(slab->class, &slab->slots[slab->cut - i]);
}

/* Half as many as there are, so that few cost little and many cost less each. */
static unsigned cut_size(const struct wf_stack_pool *pool, const struct wf_stack_slab *slab)
{
    size_t count = pool->existing / 2, left = slab->class->slab_slots - slab->cut;
    if (count > CUT_MAX)
        count = CUT_MAX;
    if (count > left)
        count = left;
    return count > 0 ? (unsigned)count : 1;
}

static void tract_drop(struct wf_stack_pool *pool, struct wf_stack_class *class)
{
    const struct wf_stack_tract *tract = class->tracts;
    struct wf_stack_tract *next = tract->next;
    if (tract_unmap(pool, class, tract)) {
        class->tracts = next;
        class->cutting = NULL;
    }
}

/* Cut the next stacks off a slab: cold ones. */
static int cut(struct wf_stack_pool *pool, struct wf_stack_class *class)
{
    if (!class->cutting && slab_make(pool, class) != 0)
        return -ENOMEM;
    struct wf_stack_slab *slab = class->cutting;
    unsigned count = wf_guard_install(pool, slab, cut_size(pool, slab));
    if (count == 0 && slab->tract->cut == 0)
        tract_drop(pool, class);
    if (count == 0)
        return -ENOMEM;
    slots_make(pool, slab, count);
    if (slab->cut == class->slab_slots)
        class->cutting = NULL;
    return 0;
}

/* Have one warm stack, whatever it takes. */
static int refill(struct wf_stack_pool *pool, struct wf_stack_class *class)
{
    struct wf_stack_slot *slot = class->cooling;
    if (slot) {
        class->cooling = slot->next;
    } else {
        if (!class->cold && cut(pool, class) != 0)
            return -ENOMEM;
        slot = cold_pop(class);
    }
    wf_stack_push(class, slot);
    return 0;
}

/* See to it that the class has a stack and that one more may be live. */
int wf_stack_make_room(struct wf_stack_pool *pool, size_t size)
{
    struct wf_stack_class *class = wf_stack_class_of(pool, size);
    if (size == 0 || size > WF_STACK_LARGE)
        return -EINVAL;
    if (pool->live >= pool->limit)
        return -ENOMEM;
    int error = class->warm ? 0 : refill(pool, class);
    if (!error && pool->live == pool->peak)
        pool->peak++;
    return error;
}

/* Cooling. */

/* Of the warm list, what this period did not reach. */
static void class_age(struct wf_stack_class *class)
{
    size_t least = class->least;
    if (least > 0 && !class->cooling) {
        struct wf_stack_slot **end = class->warm_count > least ? &class->above->next : &class->warm;
        class->cooling = *end;
        *end = NULL;
        class->warm_count -= least;
    }
    class->least = class->warm_count;
}

void wf_stack_pool_age(struct wf_stack_pool *pool)
{
    for (int i = 0; i < WF_STACK_CLASSES; i++)
        class_age(&pool->classes[i]);
}

/* Guards stay: marks outlast it, and a protected page has nothing to give. */
static bool give_back(struct wf_stack_pool *pool, char *memory, size_t bytes)
{
    return !wf_stack_fails(pool) && madvise(memory, bytes, MADV_DONTNEED) == 0;
}

/* Where nobody lives in the whole slab one call does for all. */
static int slot_cool(struct wf_stack_pool *pool, struct wf_stack_slot *slot)
{
    struct wf_stack_slab *slab = wf_stack_slab_of(slot);
    size_t page = wf_stack_page_size(), stride = slab->class->stride;
    if (slab->live > 0) {
        slot->fresh = give_back(pool, slot->low, stride - page);
        return COOL_STACK;
    }
    if (give_back(pool, (char *)slab + page, slab->cut * stride))
        for (unsigned i = 0; i < slab->cut; i++)
            slab->slots[i].fresh = true;
    return COOL_SLAB;
}

/* Returns what is left of the effort. */
static int class_cool(struct wf_stack_pool *pool, struct wf_stack_class *class, int effort)
{
    while (class->cooling && effort > 0) {
        struct wf_stack_slot *slot = class->cooling;
        class->cooling = slot->next;
        if (!slot->fresh)
            effort -= slot_cool(pool, slot);
        cold_push(class, slot);
    }
    return effort;
}

static void tract_forget(struct wf_stack_class *class, const struct wf_stack_tract *tract)
{
    for (unsigned i = 0; i < tract->made; i++) {
        struct wf_stack_slab *slab = slab_at(class, tract, i);
        if (slab->cold)
            cold_unlink(class, slab);
        if (class->cutting == slab)
            class->cutting = NULL;
    }
}

static void tract_remember(struct wf_stack_class *class, const struct wf_stack_tract *tract)
{
    for (unsigned i = 0; i < tract->made; i++) {
        struct wf_stack_slab *slab = slab_at(class, tract, i);
        if (slab->cold)
            cold_link(class, slab);
        if (slab->cut < class->slab_slots)
            class->cutting = slab;
    }
}

/* Unmap the tracts that are wholly cold. */
static void class_shrink(struct wf_stack_pool *pool, struct wf_stack_class *class)
{
    struct wf_stack_tract **link = &class->tracts;
    while (*link) {
        struct wf_stack_tract *tract = *link, *next = tract->next;
        size_t stacks = tract->cut;
        bool goes = tract->cold == tract->cut;
        if (goes)
            tract_forget(class, tract);
        if (goes && tract_unmap(pool, class, tract)) {
            *link = next;
            pool->existing -= stacks;
        } else {
            if (goes)
                tract_remember(class, tract);
            link = &tract->next;
        }
    }
}

bool wf_stack_pool_cool(struct wf_stack_pool *pool)
{
    int effort = COOL_STEP;
    for (int i = 0; i < WF_STACK_CLASSES; i++) {
        struct wf_stack_class *class = &pool->classes[i];
        if (!class->cooling)
            continue;
        effort = class_cool(pool, class, effort);
        if (class->cooling)
            return true;
        class_shrink(pool, class);
    }
    return false;
}

bool wf_stack_pool_is_warm(const struct wf_stack_pool *pool)
{
    size_t idle = 0;
    for (int i = 0; i < WF_STACK_CLASSES; i++)
        idle += pool->classes[i].warm_count + (pool->classes[i].cooling != NULL);
    return idle > 0;
}

/* Birth and death. */

void wf_stack_pool_init(struct wf_stack_pool *pool, size_t limit)
{
    _Static_assert(sizeof(struct wf_stack_slab) + 64 * sizeof(struct wf_stack_slot) <= 4096,
                   "a slab's header is one page");
    size_t least =
        4 * wf_stack_page_size(); /* where pages are large, small classes fall together */
    *pool = (struct wf_stack_pool){ .limit = limit ? limit : WF_STACK_LIMIT_DEFAULT };
    for (int i = 0; i < WF_STACK_CLASSES; i++) {
        pool->classes[i].slab_slots = class_slots[i];
        pool->classes[i].stride = class_size[i] > least ? class_size[i] : least;
    }
}

size_t wf_stack_pool_fini(struct wf_stack_pool *pool)
{
    size_t live = pool->live;
    pool->fault = (struct wf_stack_fault){ 0 };
    for (int i = 0; i < WF_STACK_CLASSES; i++) {
        struct wf_stack_class *class = &pool->classes[i];
        for (struct wf_stack_tract *tract = class->tracts, *next; tract; tract = next) {
            next = tract->next;
            tract_unmap(pool, class, tract);
        }
    }
    *pool = (struct wf_stack_pool){ 0 };
    return live;
}
