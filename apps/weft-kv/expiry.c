/* Times of expiry: see expiry.h. */

#include "expiry.h"

#include "base/compiler.h"
#include "memory.h"

#include <errno.h>

#define CHILDREN   4
#define ROOM_LEAST 16

int expiry_reserve(struct expiry *expiry)
{
    if (expiry->count < expiry->room)
        return 0;
    if (expiry->room > UINT32_MAX / 2)
        return -ENOMEM;
    uint32_t room = expiry->room ? expiry->room * 2 : ROOM_LEAST;
    struct expiry_slot *slots = kv_grow(expiry->slots, room * sizeof *slots);
    if (!slots)
        return -ENOMEM;
    expiry->slots = slots;
    expiry->room = room;
    return 0;
}

static void put(struct expiry *expiry, uint32_t index, struct expiry_slot slot)
{
    expiry->slots[index] = slot;
    entry_expiry(slot.entry)->index = index;
}

static uint32_t least_child(const struct expiry *expiry, uint32_t index)
{
    uint64_t first = (uint64_t)index * CHILDREN + 1, least = first;
    for (uint64_t child = first + 1; child < first + CHILDREN && child < expiry->count; child++)
        if (expiry->slots[child].when < expiry->slots[least].when)
            least = child;
    return least < expiry->count ? (uint32_t)least : UINT32_MAX;
}

/* Let the slot find its place, from `index` on, up or down. */
static void sift(struct expiry *expiry, uint32_t index, struct expiry_slot slot)
{
    while (index > 0 && expiry->slots[(index - 1) / CHILDREN].when > slot.when) {
        put(expiry, index, expiry->slots[(index - 1) / CHILDREN]);
        index = (index - 1) / CHILDREN;
    }
    for (uint32_t child; (child = least_child(expiry, index)) != UINT32_MAX; index = child) {
        if (expiry->slots[child].when >= slot.when)
            break;
        put(expiry, index, expiry->slots[child]);
    }
    put(expiry, index, slot);
}

void expiry_add(struct expiry *expiry, struct entry *entry, int64_t when)
{
    wf_assert(expiry->count < expiry->room);
    entry_expiry(entry)->when = when;
    uint32_t index = expiry->count++;
    expiry->slots[index].when = INT64_MAX; /* nobody's child is less for it */
    sift(expiry, index, (struct expiry_slot){ when, entry });
}

void expiry_change(struct expiry *expiry, struct entry *entry, int64_t when)
{
    entry_expiry(entry)->when = when;
    sift(expiry, entry_expiry(entry)->index, (struct expiry_slot){ when, entry });
}

void expiry_remove(struct expiry *expiry, struct entry *entry)
{
    uint32_t index = entry_expiry(entry)->index;
    wf_assert(index < expiry->count && expiry->slots[index].entry == entry);
    expiry_remove_at(expiry, index);
}

void expiry_remove_at(struct expiry *expiry, uint32_t index)
{
    struct expiry_slot last = expiry->slots[--expiry->count];
    if (index < expiry->count)
        sift(expiry, index, last);
}

void expiry_fini(struct expiry *expiry)
{
    kv_free(expiry->slots);
    *expiry = (struct expiry){ NULL, 0, 0 };
}
