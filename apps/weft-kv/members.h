#ifndef KV_MEMBERS_H
#define KV_MEMBERS_H

/* What a large set or hash points at: a table of members, each in one block.
 *
 *      member    | size, 4 | text ... | value's size, 4 | value ... |       the value: of hashes
 */

#include "entry.h"
#include "pack.h"
#include "table.h"

struct members {
    struct remains remains;
    struct table table;
};

struct member {
    uint32_t size;
    char text[];
};

/* None yet; or NULL. */
struct members *members_create(const struct kv_limits *limits);

/* A block of its own; `value` is NULL in sets. Or NULL. */
struct member *member_create(weft_slice text, const weft_slice *value);

weft_slice member_value(const struct member *member);

/* Write another value where there is room for it, and not much too much. */
bool member_put_value(struct member *member, weft_slice value);

/* Put one in that is not there yet. 0, or -ENOMEM. */
int members_add(struct members *members, weft_slice text, const weft_slice *value);

/* False: there was none. */
bool members_remove(struct members *members, weft_slice text);

struct member *members_find(const struct members *members, weft_slice text);

/* All of them at once. Accepts NULL. */
void members_free(struct members *members);

static inline struct pack_item item_of(weft_slice text)
{
    return (struct pack_item){ .data = text.data ? text.data : "", .size = (uint32_t)text.size };
}

#endif
