#ifndef WF_CONTEXT_GUARD_H
#define WF_CONTEXT_GUARD_H

/* What lies below a stack and finds its overflow.
 *
 *   mark    the page traps; it is a mark in the page table (Linux 6.13), which costs no mapping and
 *           no memory, and many are set by one call (6.14). Not for locked memory
 *   page    the page traps; it is a mapping of its own and splits its neighbour, and the kernel
 *           counts mappings for the whole process (vm.max_map_count). So the pages of all pools
 *           together stop at a quarter of that: half of the count for our stacks, half for
 *           everybody else
 *   canary  nothing traps. The lowest line of the stack is not written to by a task that has
 *           room, and reads as zero; it is looked at whenever the stack is switched away from.
 *           The page below it belongs to nobody and takes a small overflow without harm. What
 *           runs on through the slab is stopped by a protected page under the slab's first
 *           stack, while there are some for that: a sixteenth of vm.max_map_count, which by
 *           default is for a quarter of a million stacks
 *
 * WF_GUARDS_BEST takes marks, else pages while there are some, else canaries; the others take one
 * kind alone, and a stack that cannot have it is -ENOMEM. */

#include "context/stack.h"

/* Guard the next stacks of a slab, of `count` as many as one kind allows at once, and note the kind
 * in their slots: slots[cut] … of the address in `low`. How many; 0: none. */
unsigned wf_guard_install(struct wf_stack_pool *pool, struct wf_stack_slab *slab, unsigned count);

/* Protected pages, which the process has only so many of. */
struct wf_guard_count {
    unsigned below_stacks;
    unsigned below_slabs;
};

static inline void wf_guard_count(const struct wf_stack_slab *slab, struct wf_guard_count *count)
{
    count->below_stacks += slab->pages;
    count->below_slabs += slab->floor;
}

/* So many have been unmapped. */
void wf_guard_forget(const struct wf_guard_count *count);

/* The call is to fail, for a test. */
bool wf_stack_fails(struct wf_stack_pool *pool);

size_t wf_stack_page_size(void);

/* Whether the line that nobody should have written to was. */
static inline bool wf_guard_is_overrun(const struct wf_stack_slot *slot)
{
    const uint64_t *line = (const uint64_t *)(const void *)slot->low;
    return (line[0] | line[1] | line[2] | line[3] | line[4] | line[5] | line[6] | line[7]) != 0;
}

#endif
