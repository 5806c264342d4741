#ifndef KV_TABLE_H
#define KV_TABLE_H

/* A hash table of pointers, whose buckets are cache lines and which grows and shrinks in slices.
 *
 *      bucket, 64 bytes   | map | 7 hash bytes | 7 pointers |      map: a bit a pointer, and
 *                                                 |                 whether the 7th is a child
 *      child              | map | 7 hash bytes | 7 pointers |
 *
 * A find reads one line, compares seven bytes of hashes at once, and looks at the entry whose byte
 * is right. A bucket that is full gets a child, which takes the place of its last pointer.
 *
 * While the table changes its size there are two arrays: buckets below `moved` of the old one have
 * been emptied into the new one. Every insert and remove moves TABLE_MOVES buckets and no more,
 * table_rehash as many as it is told; finds move nothing. Large arrays are pages of their own: zero
 * without being written, and given back little by little. Without memory for a larger array the old
 * one gets children.
 *
 * Cost of an entry: 64 bytes by 3 to 6 entries, 11 to 21 bytes. */

#include "base/random.h"

#include <weft/buffer.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_MOVES 2 /* buckets that an insert or a remove moves */

/* What entries are called by. */
typedef weft_slice table_key(const void *entry);

struct table_bucket;

struct table_array {
    struct table_bucket *buckets; /* on a line's edge; NULL: none */
    void *memory;
    uint64_t mask; /* buckets - 1 */
};

/* All fields are the table's own. Invariants: arrays[1] is there only while the size changes; then
 * the buckets of arrays[0] below `moved` are empty. */
struct table {
    table_key *key;
    uint64_t seed[2];
    struct table_array arrays[2];
    uint64_t count;
    uint64_t moved;
    uint32_t paused; /* iterations that are under way: nothing moves */
};

/* No memory yet: that comes with the first entry. */
void table_init(struct table *table, table_key *key, const uint64_t seed[2]);

/* Calls `drop` (which may be NULL) for each entry, and ends the table. */
void table_fini(struct table *table, void (*drop)(void *entry));

static inline uint64_t table_count(const struct table *table)
{
    return table->count;
}

uint64_t table_hash(const struct table *table, weft_slice key);

/* Have the bucket's line fetched, for a find that comes soon. */
void table_prefetch(const struct table *table, uint64_t hash);

/* ... and, when that is there, what the bucket has for this hash. */
void table_prefetch_entry(const struct table *table, uint64_t hash);

/* Where the entry of this key stands, or NULL. `*place` may be replaced by another entry with the
 * same key; it is good until the next insert, remove or rehash. */
void **table_find(const struct table *table, weft_slice key);
void **table_find_hashed(const struct table *table, weft_slice key, uint64_t hash);

/* Where this very entry stands, whose key is `key`. */
void **table_find_entry(const struct table *table, weft_slice key, const void *entry);

/* Put in an entry whose key is not there. 0, or -ENOMEM. */
int table_insert(struct table *table, void *entry);
int table_insert_hashed(struct table *table, void *entry, uint64_t hash);

/* Take out what stands there; no remove fails. */
void *table_remove(struct table *table, weft_slice key);
void table_remove_at(struct table *table, uint64_t hash, void **place);

/* Move up to so many buckets. Returns whether there are more. */
bool table_rehash(struct table *table, uint64_t buckets);

/* Visit some entries. Returns the cursor to go on with; 0: this was the last part. An entry that is
 * there from the first call to the last is seen at least once, whatever happens between calls. In
 * `visit` the table must not be changed. */
typedef void table_visit(void *arg, void *entry);
uint64_t table_scan(const struct table *table, uint64_t cursor, table_visit *visit, void *arg);

/* Any entry, each about as likely; NULL when there is none. */
void *table_random(const struct table *table, struct wf_random *random);

/* Every entry once. Between begin and end entries may be removed, the one just returned among them,
 * but not inserted. */
struct table_iterator {
    struct table *table;
    const struct table_bucket *bucket;
    uint64_t index; /* of the next bucket, counted through both arrays */
    uint32_t left;  /* bits of pointers in `bucket` that are still to come */
};

void table_iterate_begin(struct table_iterator *iterator, struct table *table);
void *table_iterate_next(struct table_iterator *iterator);
void table_iterate_end(struct table_iterator *iterator);

/* End a table in slices: take some entry out, while there are *steps left, of which an entry is one
 * and an empty bucket too. NULL: there are none left, or no entry. Such a table is good for nothing
 * else; it is at its end when table_is_gone says so. */
void *table_take(struct table *table, uint64_t *steps);

static inline bool table_is_gone(const struct table *table)
{
    return table->arrays[0].buckets == NULL;
}

#endif
