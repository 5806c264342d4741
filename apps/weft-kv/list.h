#ifndef KV_LIST_H
#define KV_LIST_H

/* Lists: one pack while it is within the limit of a node ("listpack"), then a ring of packs
 * ("quicklist").
 *
 *      ring    | node | node | node | ...      a node: a pack of at most list_bytes,
 *                                               or of one item that is larger than that
 *
 * Both ends cost O(1), an index O(nodes), a change within a node the memmove of a node; a node that
 * is full is split. What has become one node of less than half the limit is a pack again.
 *
 * A cursor stands on an element. Any change but by itself makes it wrong. Nothing here looks at a
 * key: entries may be detached. Nothing removes an entry that has become empty: its owner does. */

#include "entry.h"
#include "pack.h"

struct list_cursor {
    uint32_t node; /* from the front; 0 where there is but a pack */
    uint32_t at;
};

uint64_t list_count(const struct entry *entry);

/* At either end: `first` says which. 0, or -ENOMEM. */
int list_push(struct entry *entry, bool first, weft_slice text, const struct kv_limits *limits);

/* Take the first or the last `count` away, at most all. Read them before. */
void list_drop(struct entry *entry, bool first, uint64_t count, const struct kv_limits *limits);

/* To the element with this index, from the end where it is negative. False: there is none. */
bool list_seek(const struct entry *entry, int64_t index, struct list_cursor *cursor);

/* To the next or the previous one. False: there is none, and the cursor stands nowhere. */
bool list_next(const struct entry *entry, struct list_cursor *cursor);
bool list_previous(const struct entry *entry, struct list_cursor *cursor);

struct pack_item list_get(const struct entry *entry, const struct list_cursor *cursor);

/* In front of the cursor, or behind it; the cursor stands on the new element. 0, or -ENOMEM: then
 * the list is what it was, and the cursor stands nowhere. */
int list_insert(struct entry *entry, struct list_cursor *cursor, bool behind, weft_slice text,
                const struct kv_limits *limits);

/* Put another one in the place of the cursor's. 0, or -ENOMEM, as for list_insert. */
int list_set(struct entry *entry, struct list_cursor *cursor, weft_slice text,
             const struct kv_limits *limits);

/* Take out those equal to `text`: all where `count` is 0, the first ones, or, where it is negative,
 * the last ones. Returns how many. */
uint64_t list_remove(struct entry *entry, int64_t count, weft_slice text,
                     const struct kv_limits *limits);

const char *list_encoding(const struct entry *entry);

/* Into an empty list. 0, or -ENOMEM. */
int list_copy(const struct entry *entry, struct entry *copy);

#endif
