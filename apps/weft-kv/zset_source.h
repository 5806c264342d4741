#ifndef KV_ZSET_SOURCE_H
#define KV_ZSET_SOURCE_H

/* What commands of several sorted sets read: a sorted set, a set whose members all have the score
 * 1, or nothing, where there is no key. A score counts `weight` times. */

#include "weft-kv/kv.h"

struct zset_source {
    const struct entry *entry; /* NULL: no key */
    double weight;
};

uint64_t zset_source_count(const struct zset_source *source);

/* The member's score, weighed. False: it is not there. */
bool zset_source_score(const struct zset_source *source, weft_slice member, double *score);

/* Every member once; nothing must change between begin and end. */
struct zset_walk {
    const struct zset_source *source;
    bool of_set, more;
    struct set_iterator iterator;
    struct zset_cursor cursor;
};

void zset_walk_begin(struct zset_walk *walk, const struct zset_source *source);
bool zset_walk_next(struct zset_walk *walk, struct pack_item *member, double *score);
void zset_walk_end(struct zset_walk *walk);

#endif
