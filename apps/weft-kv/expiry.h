#ifndef KV_EXPIRY_H
#define KV_EXPIRY_H

/* When entries expire: a heap of four children a node, the earliest first.
 *
 * An entry that expires knows its time and its index here (entry_expiry), so that it is found at
 * once, and no sampling is needed: what is due is at the top. A slot repeats the time, so that
 * sifting reads no entries but those it moves. Adding and removing cost O(log n), looking O(1). */

#include "entry.h"

struct expiry_slot {
    int64_t when;
    struct entry *entry;
};

/* All zero: empty. */
struct expiry {
    struct expiry_slot *slots;
    uint32_t count;
    uint32_t room;
};

/* Room for one more, so that the next expiry_add does not fail. 0, or -ENOMEM. */
int expiry_reserve(struct expiry *expiry);

/* An entry that expires, that is not here yet, and for which there is room. */
void expiry_add(struct expiry *expiry, struct entry *entry, int64_t when);

/* Another time. */
void expiry_change(struct expiry *expiry, struct entry *entry, int64_t when);

void expiry_remove(struct expiry *expiry, struct entry *entry);

/* The same of an entry that has been at this index and is not any more. */
void expiry_remove_at(struct expiry *expiry, uint32_t index);

/* The entry has moved. */
static inline void expiry_follow(struct expiry *expiry, struct entry *entry)
{
    expiry->slots[entry_expiry(entry)->index].entry = entry;
}

/* The one that expires first; NULL: none does. */
static inline struct entry *expiry_first(const struct expiry *expiry)
{
    return expiry->count ? expiry->slots[0].entry : NULL;
}

void expiry_fini(struct expiry *expiry);

#endif
