#ifndef KV_POPS_H
#define KV_POPS_H

/* Taking elements out of the first of several keys that has any, at once or when one has: what
 * lists (BLPOP, LMPOP, ...) and sorted sets (BZPOPMIN, ZMPOP, ...) share.
 *
 * A client that waits is called again when one of its keys was touched, before those that came
 * after it. What is of another type by then is as if it were not there. */

#include "weft-kv/kv.h"

struct popping {
    size_t first, keys; /* arguments */
    uint64_t count;
    bool from_end; /* RIGHT, MAX */
    bool single;   /* key, element; not key, [element, ...] */
};

/* Reply the key and what it has, and take that out. */
typedef int pop_take(struct kv *kv, weft_redis_request *request, const struct popping *popping,
                     weft_slice key, struct entry *entry);

struct pop_kind {
    enum entry_type type;
    const char *front, *end; /* LEFT and RIGHT, MIN and MAX */
    pop_take *take;
};

/* LMPOP, ZMPOP: "numkeys key [key ...] front|end [COUNT count]" */
int pops_several(struct kv *kv, weft_redis_request *request, const struct pop_kind *kind);

/* BLMPOP, BZMPOP: the same behind a timeout. */
int pops_several_or_wait(struct kv *kv, weft_redis_request *request, const struct pop_kind *kind);

/* BLPOP, BZPOPMIN, ...: "key [key ...] timeout" */
int pops_one_or_wait(struct kv *kv, weft_redis_request *request, const struct pop_kind *kind,
                     bool from_end);

#endif
