#include "base/ring.h"

#include "base/memory.h"

#include <errno.h>
#include <string.h>

/* What stands at the beginning of each slot, before the item. */
struct slot {
    _Atomic uint64_t mark; /* position + 1 of the item that it holds, or has held */
    char item[];
};

int wf_ring_init(struct wf_ring *ring, size_t item_size, size_t capacity)
{
    size_t count = 2;
    while (count < capacity + 1)
        count *= 2;
    size_t stride = (sizeof(struct slot) + item_size + 15) & ~(size_t)15;
    if (item_size > SIZE_MAX / 4 || count > SIZE_MAX / stride)
        return -ENOMEM;
    ring->slots = wf_alloc_zero(count * stride);
    if (!ring->slots)
        return -ENOMEM;
    ring->item_size = item_size;
    ring->stride = stride;
    ring->mask = count - 1;
    ring->capacity = capacity;
    atomic_init(&ring->tail, 0);
    atomic_init(&ring->seen, 0);
    atomic_init(&ring->head, 0);
    return 0;
}

void wf_ring_fini(struct wf_ring *ring)
{
    wf_free(ring->slots);
    ring->slots = NULL;
}

static struct slot *slot_at(const struct wf_ring *ring, uint64_t position)
{
    return (struct slot *)(ring->slots + (position & ring->mask) * ring->stride);
}

/* A position that was read long ago may even lie before the head: then the claim will fail. */
static bool is_beyond(uint64_t position, uint64_t head, uint64_t limit)
{
    return (int64_t)(position - head) >= (int64_t)limit;
}

static bool is_full(struct wf_ring *ring, uint64_t position, uint64_t limit)
{
    if (!is_beyond(position, atomic_load_explicit(&ring->seen, memory_order_acquire), limit))
        return false;
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    atomic_store_explicit(&ring->seen, head, memory_order_release);
    return is_beyond(position, head, limit);
}

static enum wf_ring_answer push(struct wf_ring *ring, const void *item, uint64_t limit)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    do {
        if (tail & 1)
            return WF_RING_CLOSED;
        if (is_full(ring, tail >> 1, limit))
            return WF_RING_FULL;
    } while (!atomic_compare_exchange_weak_explicit(&ring->tail, &tail, tail + 2,
                                                    memory_order_acq_rel, memory_order_relaxed));
    uint64_t position = tail >> 1;
    struct slot *slot = slot_at(ring, position);
    memcpy(slot->item, item, ring->item_size);
    atomic_store_explicit(&slot->mark, position + 1, memory_order_release);
    return WF_RING_PUSHED;
}

enum wf_ring_answer wf_ring_push(struct wf_ring *ring, const void *item)
{
    return push(ring, item, ring->capacity);
}

enum wf_ring_answer wf_ring_push_over(struct wf_ring *ring, const void *item)
{
    return push(ring, item, ring->capacity + 1);
}

void wf_ring_close(struct wf_ring *ring)
{
    atomic_fetch_or(&ring->tail, 1);
}

static struct slot *filled_slot(const struct wf_ring *ring, uint64_t head)
{
    struct slot *slot = slot_at(ring, head);
    bool filled = atomic_load_explicit(&slot->mark, memory_order_acquire) == head + 1;
    return filled ? slot : NULL;
}

void *wf_ring_first(const struct wf_ring *ring)
{
    struct slot *slot = filled_slot(ring, atomic_load_explicit(&ring->head, memory_order_relaxed));
    return slot ? slot->item : NULL;
}

void wf_ring_pass(struct wf_ring *ring)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
}

size_t wf_ring_take(struct wf_ring *ring, void *items, size_t count)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    size_t taken = 0;
    struct slot *slot;
    for (; taken < count && (slot = filled_slot(ring, head)); taken++, head++)
        memcpy((char *)items + taken * ring->item_size, slot->item, ring->item_size);
    if (taken > 0)
        atomic_store_explicit(&ring->head, head, memory_order_release);
    return taken;
}
