/* The slow half of the stack pool: slabs come, are cut into guarded stacks, and go.
 *
 * Every step either happens wholly or leaves the pool as it was; a failure of the kernel is
 * -ENOMEM. Guards are marks in the page table where the kernel has those (Linux 6.13), which cost
 * nothing; then stacks are bound by memory alone. Else they are protected pages: each splits a
 * mapping in two, and the kernel counts mappings for the whole process (vm.max_map_count), so the
 * guards of all pools together stop at a quarter of that: half of the count for our stacks, half
 * for everybody else. */

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "context/stack.h"

#define MAX_MAP_COUNT_DEFAULT 65530

#ifndef MADV_GUARD_INSTALL
#    define MADV_GUARD_INSTALL 102
#endif

static atomic_bool marks_refused;    /* the kernel has none, or not for locked memory */
static atomic_long guards_installed; /* protected pages, in all pools of the process */
static atomic_long guards_max;       /* 0: not read yet */

static const size_t class_size[WF_STACK_CLASSES] = { WF_STACK_SMALL, WF_STACK_MEDIUM,
                                                     WF_STACK_LARGE };
static const unsigned class_slots[WF_STACK_CLASSES] = { 64, 64, 16 };

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static long max_map_count(void)
{
    char text[32] = { 0 };
    int file = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return MAX_MAP_COUNT_DEFAULT;
    ssize_t length = read(file, text, sizeof(text) - 1);
    close(file);
    long count = length > 0 ? strtol(text, NULL, 10) : 0;
    return count > 0 ? count : MAX_MAP_COUNT_DEFAULT;
}

/* Two threads may both read the file: they read the same. */
static long guard_limit(void)
{
    long limit = atomic_load_explicit(&guards_max, memory_order_relaxed);
    if (limit == 0) {
        limit = max_map_count() / 4;
        atomic_store_explicit(&guards_max, limit, memory_order_relaxed);
    }
    return limit;
}

static bool guard_reserve(void)
{
    if (atomic_fetch_add_explicit(&guards_installed, 1, memory_order_relaxed) < guard_limit())
        return true;
    atomic_fetch_sub_explicit(&guards_installed, 1, memory_order_relaxed);
    return false;
}

static void guards_forget(unsigned count)
{
    atomic_fetch_sub_explicit(&guards_installed, count, memory_order_relaxed);
}

static bool fails(struct wf_stack_fault *fault)
{
    if (fault->countdown == 0 || --fault->countdown > 0)
        return false;
    if (fault->persistent)
        fault->countdown = 1;
    return true;
}

static bool guard_mark(struct wf_stack_pool *pool, char *low, size_t size)
{
    if (pool->protects || atomic_load_explicit(&marks_refused, memory_order_relaxed))
        return false;
    errno = 0;
    if (!fails(&pool->fault) && madvise(low, size, MADV_GUARD_INSTALL) == 0)
        return true;
    if (errno == EINVAL)
        atomic_store_explicit(&marks_refused, true, memory_order_relaxed);
    return false;
}

static bool guard_protect(struct wf_stack_pool *pool, char *low, size_t size)
{
    if (!guard_reserve())
        return false;
    if (!fails(&pool->fault) && mprotect(low, size, PROT_NONE) == 0)
        return true;
    guards_forget(1);
    return false;
}

/* Make the page below the slab's next stack trap. */
static int guard_install(struct wf_stack_pool *pool, struct wf_stack_slab *slab, char *low)
{
    if (guard_mark(pool, low, page_size()))
        return 0;
    if (!guard_protect(pool, low, page_size()))
        return -ENOMEM;
    slab->protected ++;
    return 0;
}

static size_t slab_bytes(const struct wf_stack_class *class)
{
    return page_size() + class->slab_slots * class->stride;
}

static void slab_link(struct wf_stack_slab *slab)
{
    struct wf_stack_class *class = slab->class;
    slab->prev = NULL;
    slab->next = class->slabs;
    if (slab->next)
        slab->next->prev = slab;
    class->slabs = slab;
}

static void slab_unlink(struct wf_stack_slab *slab)
{
    if (slab->next)
        slab->next->prev = slab->prev;
    if (slab->prev)
        slab->prev->next = slab->next;
    else
        slab->class->slabs = slab->next;
}

static int slab_map(struct wf_stack_pool *pool, struct wf_stack_class *class)
{
    size_t bytes = slab_bytes(class);
    void *memory = MAP_FAILED;
    if (!fails(&pool->fault))
        memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED)
        return -ENOMEM;
    struct wf_stack_slab *slab = memory;
    slab->class = class;
    slab_link(slab);
    class->cutting = slab;
    pool->mapped_bytes += bytes;
    return 0;
}

/* May fail: taking a mapping out of the middle of a merged one makes one more. */
static int slab_unmap(struct wf_stack_pool *pool, struct wf_stack_slab *slab)
{
    struct wf_stack_class *class = slab->class;
    size_t bytes = slab_bytes(class);
    unsigned cut = slab->cut, protected = slab->protected;
    slab_unlink(slab);
    for (unsigned i = 0; i < cut; i++)
        wf_sanitizer_stack_gone(slab->slots[i].number);
    if (fails(&pool->fault) || munmap(slab, bytes) != 0) {
        slab_link(slab);
        return -ENOMEM;
    }
    if (class->cutting == slab)
        class->cutting = NULL;
    guards_forget(protected);
    pool->mapped_bytes -= bytes;
    return 0;
}

/* Walks the whole list: little beside the unmapping that follows. */
static void slots_unlink(struct wf_stack_slab *slab)
{
    struct wf_stack_slot **link = &slab->class->free;
    while (*link) {
        if (wf_stack_slab_of(*link) == slab)
            *link = (*link)->next;
        else
            link = &(*link)->next;
    }
}

/* Cut the next stack off the slab and put it on the free list. */
static int slab_cut(struct wf_stack_pool *pool, struct wf_stack_slab *slab)
{
    struct wf_stack_class *class = slab->class;
    size_t page = page_size();
    char *guard = (char *)slab + page + slab->cut * class->stride;
    int error = guard_install(pool, slab, guard);
    if (error)
        return error;
    struct wf_stack_slot *slot = &slab->slots[slab->cut++];
    slot->low = guard + page;
    slot->size = (unsigned)(class->stride - page - 64 * (pool->born++ % 32));
    slot->number = wf_sanitizer_stack_born(slot->low, slot->size);
    slot->fresh = true;
    wf_stack_push(class, slot);
    pool->existing++;
    if (slab->cut == class->slab_slots)
        class->cutting = NULL;
    return 0;
}

static int grow(struct wf_stack_pool *pool, struct wf_stack_class *class)
{
    if (!class->cutting && slab_map(pool, class) != 0)
        return -ENOMEM;
    struct wf_stack_slab *slab = class->cutting;
    int error = slab_cut(pool, slab);
    if (error && slab->cut == 0)
        slab_unmap(pool, slab);
    return error;
}

/* See to it that the class has a free stack and that one more may be live. */
int wf_stack_make_room(struct wf_stack_pool *pool, size_t size)
{
    struct wf_stack_class *class = wf_stack_class_of(pool, size);
    if (size == 0 || size > WF_STACK_LARGE)
        return -EINVAL;
    if (pool->live >= pool->limit)
        return -ENOMEM;
    int error = class->free ? 0 : grow(pool, class);
    if (!error && pool->live == pool->peak)
        pool->peak++;
    return error;
}

/* Unmap a wholly free slab; if the kernel will not, it stays in use. */
void wf_stack_release(struct wf_stack_pool *pool, struct wf_stack_slab *slab)
{
    struct wf_stack_class *class = slab->class;
    unsigned cut = slab->cut;
    slots_unlink(slab);
    if (slab_unmap(pool, slab) == 0) {
        pool->existing -= cut;
        return;
    }
    for (unsigned i = 0; i < cut; i++)
        wf_stack_push(class, &slab->slots[i]);
}

void wf_stack_pool_init(struct wf_stack_pool *pool, size_t limit, size_t free_max)
{
    _Static_assert(sizeof(struct wf_stack_slab) + 64 * sizeof(struct wf_stack_slot) <= 4096,
                   "a slab's header is one page");
    size_t least = 4 * page_size(); /* where pages are large, the small classes fall together */
    *pool = (struct wf_stack_pool){
        .limit = limit ? limit : WF_STACK_LIMIT_DEFAULT,
        .free_max = free_max ? free_max : WF_STACK_FREE_MAX_DEFAULT,
    };
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
        while (class->slabs && slab_unmap(pool, class->slabs) == 0)
            continue;
    }
    *pool = (struct wf_stack_pool){ 0 };
    return live;
}
