#ifndef KV_TABLE_INSIDE_H
#define KV_TABLE_INSIDE_H

/* One bucket of a table, and its children: see table.h for the picture.
 *
 * Invariants, but for what a paused table has left: a child has at least two entries, and only the
 * last bucket of a chain has empty slots. */

#include "table.h"

#include "base/compiler.h"

#define BUCKET_SLOTS 7
#define BUCKET_CHILD 0x80 /* in the map */

/* head: the map in its lowest byte, then the hash byte of slot 0, 1, ... */
struct table_bucket {
    uint64_t head;
    void *slots[BUCKET_SLOTS];
};

static inline uint32_t bucket_map(const struct table_bucket *bucket)
{
    return (uint32_t)bucket->head & 0x7f;
}

static inline struct table_bucket *bucket_child(const struct table_bucket *bucket)
{
    return bucket->head & BUCKET_CHILD ? bucket->slots[BUCKET_SLOTS - 1] : NULL;
}

/* A bit for each slot whose hash byte is that of `hash`. The bytes are compared in one word: what
 * is equal becomes zero, and zero bytes are those that no carry comes out of. */
static inline uint32_t bucket_matches(const struct table_bucket *bucket, uint64_t hash)
{
    const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f), ones = UINT64_C(0x0101010101010101);
    uint64_t differ = (bucket->head ^ (hash >> 56) * ones) >> 8 | UINT64_C(0xff) << 56;
    uint64_t equal = ~(((differ & low) + low) | differ | low); /* the top bit of equal bytes */
    /* Gather the bits 7, 15, ... 55 into seven neighbours. */
    uint32_t bits = (uint32_t)(((equal >> 7) * UINT64_C(0x0102040810204080)) >> 56);
    return bits & bucket_map(bucket);
}

/* Into the first free slot of the chain. 0, or -ENOMEM where it takes a child. */
int bucket_insert(struct table_bucket *bucket, void *entry, uint64_t hash);

/* `place` is in the chain of `bucket`. `tidy`: fill the hole from the end of the chain. */
void bucket_remove(struct table_bucket *bucket, void **place, bool tidy);

/* Some entry of the last bucket of the chain, or NULL; and take that one out. */
void *bucket_last(struct table_bucket *bucket);
void bucket_drop_last(struct table_bucket *bucket);

/* Buckets of both arrays, and the one with this number among them. */
uint64_t table_buckets(const struct table *table);
struct table_bucket *table_bucket_at(const struct table *table, uint64_t index);

#endif
