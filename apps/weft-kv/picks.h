#ifndef KV_PICKS_H
#define KV_PICKS_H

/* Members at random: what SRANDMEMBER, HRANDFIELD and ZRANDMEMBER share. They differ in what stands
 * beside a member: nothing, a value, a score. */

#include "weft-kv/kv.h"

struct pick {
    struct pack_item member; /* or the field */
    struct pack_item value;  /* of a field */
    double score;            /* of a member of a sorted set */
};

/* Goes on until it returns what is not 0. */
typedef int pick_take(void *arg, const struct pick *pick);

struct pick_kind {
    enum entry_type type;
    const char *word; /* that asks for what stands beside a member; NULL: nothing does */
    void (*draw)(const struct entry *entry, struct wf_random *random, struct pick *pick);
    void (*find)(const struct entry *entry, weft_slice member, struct pick *pick); /* is there */
    int (*each)(const struct entry *entry, pick_take *take, void *arg);
    int (*reply_beside)(weft_redis_request *request, const struct pick *pick); /* where `word` is */
};

/* "key [count [word]]": the whole command. */
int picks_reply(struct kv *kv, weft_redis_request *request, const struct pick_kind *kind);

#endif
