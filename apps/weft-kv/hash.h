#ifndef KV_HASH_H
#define KV_HASH_H

/* Hashes: fields and values by turns in a pack ("listpack") while there are at most hash_count
 * fields and nothing is longer than hash_bytes, then a table ("hashtable"). There is no way back.
 *
 * Items are as packs have them; pack_text gives the text of either kind. What is read is good until
 * the next change of this hash. */

#include "entry.h"
#include "members.h"
#include "pack.h"
#include "table.h"

uint64_t hash_count(const struct entry *entry);

/* The field's value; false: there is no such field. */
bool hash_get(const struct entry *entry, weft_slice field, struct pack_item *value);

/* 1: a new field; 0: it has another value now; or -ENOMEM. */
int hash_set(struct entry *entry, weft_slice field, weft_slice value,
             const struct kv_limits *limits);

/* False: there was none. */
bool hash_delete(struct entry *entry, weft_slice field);

/* Any field, each about as likely. False: there is none. */
bool hash_random(const struct entry *entry, struct wf_random *random, struct pack_item *field,
                 struct pack_item *value);

/* Every field once; between begin and end the one just returned may be deleted, in a large hash. */
struct hash_iterator {
    const struct pack *pack; /* NULL: by `walk` */
    uint32_t at;
    struct table_iterator walk;
};

void hash_iterate_begin(struct hash_iterator *iterator, const struct entry *entry);
bool hash_iterate_next(struct hash_iterator *iterator, struct pack_item *field,
                       struct pack_item *value);
void hash_iterate_end(struct hash_iterator *iterator);

/* As table_scan; a pack is visited whole. */
typedef void hash_visit(void *arg, const struct pack_item *field, const struct pack_item *value);
uint64_t hash_scan(const struct entry *entry, uint64_t cursor, hash_visit *visit, void *arg);

const char *hash_encoding(const struct entry *entry);

/* Into an empty hash. 0, or -ENOMEM. */
int hash_copy(const struct entry *entry, struct entry *copy, const struct kv_limits *limits);

#endif
