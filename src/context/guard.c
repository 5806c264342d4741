/* How guards are set: by what the kernel has, and by what is left of it. */

#include "context/guard.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_MAP_COUNT_DEFAULT 65530
#define BATCH                 32 /* marks in one call: 0.4 us each, alone 0.7 */

#ifndef MADV_GUARD_INSTALL
#    define MADV_GUARD_INSTALL 102
#endif

#ifndef PIDFD_SELF_THREAD
#    define PIDFD_SELF_THREAD (-10000) /* Linux 6.14 */
#endif

/* Protected pages in all pools of the process. */
struct quota {
    atomic_long used;
    unsigned share; /* of the kernel's count: one in so many */
};

static atomic_bool marks_refused; /* the kernel has none, or not for locked memory */
static atomic_bool batch_refused;
static struct quota below_stacks = { .share = 4 };
static struct quota below_slabs = { .share = 16 };

size_t wf_stack_page_size(void)
{
    static atomic_size_t size;
    size_t known = atomic_load_explicit(&size, memory_order_relaxed);
    if (known == 0) {
        known = (size_t)sysconf(_SC_PAGESIZE);
        atomic_store_explicit(&size, known, memory_order_relaxed);
    }
    return known;
}

bool wf_stack_fails(struct wf_stack_pool *pool)
{
    struct wf_stack_fault *fault = &pool->fault;
    if (fault->countdown == 0 || --fault->countdown > 0)
        return false;
    if (fault->persistent)
        fault->countdown = 1;
    errno = ENOMEM;
    return true;
}

/* Marks. */

static bool is_set(atomic_bool *flag)
{
    return atomic_load_explicit(flag, memory_order_relaxed);
}

static void set(atomic_bool *flag)
{
    atomic_store_explicit(flag, true, memory_order_relaxed);
}

/* Emulators accept any advice and do nothing. So the kernel has to write to the page for us, eight
 * bytes of no meaning: what it would read for us Valgrind reads first, and dies of it. */
static bool is_trap(char *page)
{
    static atomic_bool proved;
    if (is_set(&proved))
        return true;
    if (sigpending((sigset_t *)(void *)page) == 0 || errno != EFAULT)
        return false;
    set(&proved);
    return true;
}

static unsigned mark_one(struct wf_stack_pool *pool, char *page)
{
    if (wf_stack_fails(pool))
        return 0;
    int err = madvise(page, wf_stack_page_size(), MADV_GUARD_INSTALL) == 0 ? 0 : errno;
    if (err == 0 && is_trap(page))
        return 1;
    if (err == 0 || err == EINVAL)
        set(&marks_refused);
    return 0;
}

/* Whatever the reason that it fails, each alone will say it better. */
static unsigned mark_batch(struct wf_stack_pool *pool, char *page, size_t stride, unsigned count)
{
    struct iovec pages[BATCH];
    size_t size = wf_stack_page_size();
    if (count > BATCH)
        count = BATCH;
    for (unsigned i = 0; i < count; i++)
        pages[i] = (struct iovec){ page + i * stride, size };
    if (wf_stack_fails(pool))
        return 0;
    long done = syscall(SYS_process_madvise, PIDFD_SELF_THREAD, pages, (size_t)count,
                        MADV_GUARD_INSTALL, 0);
    if (done > 0)
        return (unsigned)((size_t)done / size);
    if (errno != ENOMEM)
        set(&batch_refused);
    return 0;
}

static unsigned mark(struct wf_stack_pool *pool, char *page, size_t stride, unsigned count)
{
    if (is_set(&marks_refused))
        return 0;
    unsigned done = 0;
    if (count > 1 && !is_set(&batch_refused))
        done = mark_batch(pool, page, stride, count);
    return done > 0 ? done : mark_one(pool, page);
}

/* Protected pages. */

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
static long most_mappings(void)
{
    static atomic_long most;
    long known = atomic_load_explicit(&most, memory_order_relaxed);
    if (known == 0) {
        known = max_map_count();
        atomic_store_explicit(&most, known, memory_order_relaxed);
    }
    return known;
}

static bool reserve(struct quota *quota)
{
    if (atomic_fetch_add_explicit(&quota->used, 1, memory_order_relaxed) <
        most_mappings() / quota->share)
        return true;
    atomic_fetch_sub_explicit(&quota->used, 1, memory_order_relaxed);
    return false;
}

static void give_back(struct quota *quota, unsigned count)
{
    atomic_fetch_sub_explicit(&quota->used, count, memory_order_relaxed);
}

static bool protect(struct wf_stack_pool *pool, struct quota *quota, char *page)
{
    if (!reserve(quota))
        return false;
    if (!wf_stack_fails(pool) && mprotect(page, wf_stack_page_size(), PROT_NONE) == 0)
        return true;
    give_back(quota, 1);
    return false;
}

/* Canaries. Most stacks have none: only the first of a slab is worth a page, and can do without. */
static void protect_slab(struct wf_stack_pool *pool, struct wf_stack_slab *slab, char *page)
{
    if (slab->cut == 0 && !slab->floor)
        slab->floor = protect(pool, &below_slabs, page);
}

static bool takes(const struct wf_stack_pool *pool, enum wf_guards kind)
{
    if (pool->guards == WF_GUARDS_OLD)
        return kind != WF_GUARDS_MARKS;
    return pool->guards == WF_GUARDS_BEST || pool->guards == kind;
}

static void note(struct wf_stack_slab *slab, enum wf_guard kind, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        slab->slots[slab->cut + i].guard = (uint8_t)kind;
}

unsigned wf_guard_install(struct wf_stack_pool *pool, struct wf_stack_slab *slab, unsigned count)
{
    size_t stride = slab->class->stride;
    char *page = (char *)slab + wf_stack_page_size() + slab->cut * stride;
    unsigned done = takes(pool, WF_GUARDS_MARKS) ? mark(pool, page, stride, count) : 0;
    if (done > 0) {
        note(slab, WF_GUARD_MARK, done);
    } else if (takes(pool, WF_GUARDS_PAGES) && protect(pool, &below_stacks, page)) {
        note(slab, WF_GUARD_PAGE, done = 1);
        slab->pages++;
    } else if (takes(pool, WF_GUARDS_CANARIES)) {
        protect_slab(pool, slab, page);
        note(slab, WF_GUARD_CANARY, done = count);
    }
    return done;
}

void wf_guard_forget(const struct wf_guard_count *count)
{
    give_back(&below_stacks, count->below_stacks);
    give_back(&below_slabs, count->below_slabs);
}
