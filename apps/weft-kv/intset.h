#ifndef KV_INTSET_H
#define KV_INTSET_H

/* A sorted array of distinct integers, each of as many bytes, 2, 4 or 8, as the widest one needs.
 * Finding is a binary search, changing a memmove. NULL is an empty set. */

#include <stdbool.h>
#include <stdint.h>

struct intset {
    uint32_t count;
    uint32_t width; /* bytes of an integer */
    uint8_t data[];
};

static inline uint32_t intset_count(const struct intset *set)
{
    return set ? set->count : 0;
}

bool intset_has(const struct intset *set, int64_t value);

/* By rank, the least first. */
int64_t intset_at(const struct intset *set, uint32_t index);

/* 1: added; 0: it was there; or -ENOMEM. */
int intset_add(struct intset **place, int64_t value);

/* False: it was not there. */
bool intset_remove(struct intset **place, int64_t value);

/* 0, or -ENOMEM. */
int intset_copy(const struct intset *set, struct intset **copy);

#endif
