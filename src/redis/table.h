#ifndef WF_REDIS_TABLE_H
#define WF_REDIS_TABLE_H

/* A hash table of names that clients make up: keys, channels. Entries are part of what they name.
 *
 * Linear hashing: with each entry above the number of buckets one bucket is split, so no call ever
 * moves more than one bucket's entries. Buckets come in segments, all but one of which go when the
 * table is empty. The hash is keyed (SipHash-1-3), so that nobody can choose names that meet. */

#include <weft/buffer.h>

#include <stdbool.h>
#include <stdint.h>

#define WF_REDIS_SEGMENT 256

struct wf_redis_link {
    struct wf_redis_link *next;
    uint64_t hash;
};

struct wf_redis_table {
    struct wf_redis_link ***segments; /* of WF_REDIS_SEGMENT buckets each */
    size_t segment_count;
    size_t segment_room;
    size_t buckets;
    size_t count;
    uint64_t seed[2];
};

/* Allocates nothing. The seed is whatever nobody can guess. */
void wf_redis_table_init(struct wf_redis_table *table, uint64_t seed);

/* Forget everything; entries stay where they are. */
void wf_redis_table_fini(struct wf_redis_table *table);

uint64_t wf_redis_table_hash(const struct wf_redis_table *table, weft_slice name);

/* The first of the entries that may have this hash; NULL: none has. */
struct wf_redis_link *wf_redis_table_first(const struct wf_redis_table *table, uint64_t hash);

/* Add an entry, whose hash is set. -ENOMEM where it is the first of many. */
int wf_redis_table_add(struct wf_redis_table *table, struct wf_redis_link *entry);

void wf_redis_table_remove(struct wf_redis_table *table, struct wf_redis_link *entry);

/* Walk over all: the one behind `entry`, NULL: the first. */
struct wf_redis_link *wf_redis_table_next(const struct wf_redis_table *table,
                                          const struct wf_redis_link *entry);

#endif
