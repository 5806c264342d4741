#ifndef WF_BASE_RING_H
#define WF_BASE_RING_H

/* A bounded queue of items of one size: any threads push, one takes. No lock, no allocation after
 * its birth.
 *
 *      slots    [ .. | taken | item | item | claimed | free .. ]    2^n, more than the capacity
 *                              ^ head                  ^ tail       positions, which only grow
 *
 * A producer claims the position at `tail` by a compare-exchange, copies its item and then marks
 * the slot with that position: the consumer takes a slot only when it carries the mark of its lap.
 * So items come out in the order of claiming, which keeps the order of each producer, and a
 * producer that is preempted in the middle holds back those behind it, and nothing else.
 *
 * The lowest bit of `tail` says closed: a claim and a close are decided by one and the same word,
 * so an item is either refused or taken in, and who drains knows when that is done.
 *
 *   - tail - head <= capacity, + 1 for an item that wf_ring_push_over() has brought in
 *   - `seen` <= head: producers look at the consumer's line only when the ring seems full
 *
 * Costs: push 1 compare-exchange and 1 release store; take 1 load, 1 release store. */

#include "base/compiler.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WF_RING_CAPACITY_MAX ((size_t)1 << 24)

enum wf_ring_answer { WF_RING_PUSHED, WF_RING_FULL, WF_RING_CLOSED };

struct wf_ring {
    char *slots;
    size_t item_size;
    size_t stride; /* of slots */
    uint64_t mask;
    uint64_t capacity;
    char apart[64];
    _Atomic uint64_t tail; /* position * 2 + closed; the producers' line */
    _Atomic uint64_t seen; /* an old head */
    char apart_too[64];
    _Atomic uint64_t head; /* the consumer's line */
    char apart_again[64];
};

/* `capacity` from 1 to WF_RING_CAPACITY_MAX. Errors: -ENOMEM. */
int wf_ring_init(struct wf_ring *ring, size_t item_size, size_t capacity);
void wf_ring_fini(struct wf_ring *ring);

/* Any thread. */
enum wf_ring_answer wf_ring_push(struct wf_ring *ring, const void *item);

/* From now on pushes are refused. Any thread. */
void wf_ring_close(struct wf_ring *ring);

static inline bool wf_ring_is_closed(const struct wf_ring *ring)
{
    return atomic_load(&ring->tail) & 1;
}

/* Only the consumer's thread, from here on. */

/* Copy at most `count` items out; how many. */
size_t wf_ring_take(struct wf_ring *ring, void *items, size_t count);

/* Where the oldest item lies; NULL: there is none, or it is still being copied. It stays until it
 * is passed over. */
void *wf_ring_first(const struct wf_ring *ring);
void wf_ring_pass(struct wf_ring *ring);

/* Items, those included that are claimed and still being copied. */
static inline size_t wf_ring_count(const struct wf_ring *ring)
{
    return (size_t)((atomic_load(&ring->tail) >> 1) -
                    atomic_load_explicit(&ring->head, memory_order_relaxed));
}

/* Push, even if the last free place has just been taken by somebody else: for a consumer that has
 * seen a free place and owes it to a producer. */
enum wf_ring_answer wf_ring_push_over(struct wf_ring *ring, const void *item);

#endif
