#ifndef KV_SET_H
#define KV_SET_H

/* Sets: of integers a sorted array while there are at most set_integers ("intset"); else a pack
 * while there are at most set_count members of at most set_bytes ("listpack"); else a table
 * ("hashtable"). There is no way back, but an empty set begins anew.
 *
 * Items are as packs have them. What is read is good until the next change of this set. */

#include "entry.h"
#include "members.h"
#include "pack.h"
#include "table.h"

uint64_t set_count(const struct entry *entry);
bool set_has(const struct entry *entry, weft_slice member);

/* 1: added; 0: it was there; or -ENOMEM. */
int set_add(struct entry *entry, weft_slice member, const struct kv_limits *limits);

/* False: it was not there. */
bool set_remove(struct entry *entry, weft_slice member);

/* Any member, each about as likely. False: there is none. */
bool set_random(const struct entry *entry, struct wf_random *random, struct pack_item *member);

/* Every member once; the set must not change between begin and end. */
struct set_iterator {
    const struct entry *entry;
    uint32_t at; /* of the next one, in a pack or an array */
    struct table_iterator walk;
};

void set_iterate_begin(struct set_iterator *iterator, const struct entry *entry);
bool set_iterate_next(struct set_iterator *iterator, struct pack_item *member);
void set_iterate_end(struct set_iterator *iterator);

/* As table_scan; a pack or an array is visited whole. */
typedef void set_visit(void *arg, const struct pack_item *member);
uint64_t set_scan(const struct entry *entry, uint64_t cursor, set_visit *visit, void *arg);

const char *set_encoding(const struct entry *entry);

/* Into an empty set. 0, or -ENOMEM. */
int set_copy(const struct entry *entry, struct entry *copy, const struct kv_limits *limits);

#endif
