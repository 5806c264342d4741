#include "io/alternate.h"

#include "io/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#define SIZE_MIN ((size_t)64 << 10)
#define HANDLER_SIZE                                                                               \
    ((size_t)48 << 10)              /* of a handler that unwinds, without its signal's frame       \
                                     */
#define KEPT_MIN ((size_t)16 << 10) /* the same, of who has the thread's own stack */

#ifndef AT_MINSIGSTKSZ
#    define AT_MINSIGSTKSZ 51
#endif

struct wf_alternate {
    char *mapping;
    size_t mapped;
    stack_t ours;
    stack_t before; /* the thread's, while ours is in its place */
    bool taken;
};

/* Told since Linux 5.14, on x86. */
size_t wf_alternate_frame_size(void)
{
    size_t size = getauxval(AT_MINSIGSTKSZ);
    return size > 0 ? size : 4096;
}

static size_t stack_size(size_t page)
{
    size_t size = HANDLER_SIZE + wf_alternate_frame_size();
    size = size > SIZE_MIN ? size : SIZE_MIN;
    return (size + page - 1) & ~(page - 1);
}

static void *map(size_t size)
{
    if (wf_io_fault_hits(WF_FAULT_MAP))
        return MAP_FAILED;
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
}

int wf_alternate_new(struct wf_alternate **out)
{
    size_t page = getauxval(AT_PAGESZ), size = stack_size(page);
    char *mapping = map(page + size);
    if (mapping == MAP_FAILED)
        return -ENOMEM;
    if (mprotect(mapping, page, PROT_NONE) < 0) {
        munmap(mapping, page + size);
        return -ENOMEM;
    }
    char *low = mapping + page;
    struct wf_alternate *alternate = (struct wf_alternate *)(void *)(low + size) - 1;
    alternate->mapping = mapping;
    alternate->mapped = page + size;
    alternate->ours =
        (stack_t){ .ss_sp = low, .ss_size = (size_t)((char *)alternate - low) & ~(size_t)15 };
    *out = alternate;
    return 0;
}

void wf_alternate_free(struct wf_alternate *alternate)
{
    if (alternate)
        munmap(alternate->mapping, alternate->mapped);
}

static bool is_enough(const stack_t *stack)
{
    return !(stack->ss_flags & SS_DISABLE) &&
           stack->ss_size >= KEPT_MIN + wf_alternate_frame_size();
}

/* Refused only while the thread stands on the one it has. */
void wf_alternate_take(struct wf_alternate *alternate)
{
    alternate->taken = sigaltstack(&alternate->ours, &alternate->before) == 0;
    if (alternate->taken && is_enough(&alternate->before)) {
        sigaltstack(&alternate->before, NULL);
        alternate->taken = false;
    }
}

/* Whoever has set another one since keeps it. */
void wf_alternate_give_back(struct wf_alternate *alternate)
{
    stack_t now;
    if (!alternate->taken)
        return;
    alternate->taken = false;
    if (sigaltstack(&alternate->before, &now) == 0 && now.ss_sp != alternate->ours.ss_sp)
        sigaltstack(&now, NULL);
}
