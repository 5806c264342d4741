#ifndef KV_ZSET_H
#define KV_ZSET_H

/* Sorted sets: members and scores by turns in a pack, in the order of (score, member), while there
 * are at most zset_count members of at most zset_bytes ("listpack"); then a skip list and a table
 * ("skiplist"). There is no way back.
 *
 * Scores are doubles but no NaN. Ranks count from the least, 0. A range of scores or members is a
 * range of ranks: where it begins and ends is how many are below its ends (zset_below_score,
 * zset_below_member), so counting one costs nothing more, and reading or removing one is by rank.
 *
 * In a pack a score is an integer where it is a whole number, else eight bytes. */

#include "entry.h"
#include "pack.h"
#include "sorted.h"

uint64_t zset_count(const struct entry *entry);

/* False: there is no such member. */
bool zset_score(const struct entry *entry, weft_slice member, double *score);
bool zset_rank(const struct entry *entry, weft_slice member, uint64_t *rank);

/* 1: added; 0: it has this score now; or -ENOMEM. */
int zset_set(struct entry *entry, weft_slice member, double score, const struct kv_limits *limits);

/* False: it was not there. */
bool zset_remove(struct entry *entry, weft_slice member);

/* Take out `count` members from this rank on; they are there. */
void zset_drop(struct entry *entry, uint64_t rank, uint64_t count);

/* How many have a score below this one, or at most this one. */
uint64_t zset_below_score(const struct entry *entry, double score, bool or_equal);

/* The same by members, where all scores are equal. */
uint64_t zset_below_member(const struct entry *entry, weft_slice member, bool or_equal);

/* A cursor stands on a member; any change makes it wrong. */
struct zset_cursor {
    const struct sorted_node *node;
    uint32_t at;
};

/* False: there are not so many, or no next, or no previous one. */
bool zset_seek(const struct entry *entry, uint64_t rank, struct zset_cursor *cursor);
bool zset_next(const struct entry *entry, struct zset_cursor *cursor);
bool zset_previous(const struct entry *entry, struct zset_cursor *cursor);

/* The member, and its score. */
struct pack_item zset_read(const struct entry *entry, const struct zset_cursor *cursor,
                           double *score);

/* As table_scan; a pack is visited whole. */
typedef void zset_visit(void *arg, const struct pack_item *member, double score);
uint64_t zset_scan(const struct entry *entry, uint64_t cursor, zset_visit *visit, void *arg);

const char *zset_encoding(const struct entry *entry);

/* Into an empty set. 0, or -ENOMEM. */
int zset_copy(const struct entry *entry, struct entry *copy, const struct kv_limits *limits);

#endif
