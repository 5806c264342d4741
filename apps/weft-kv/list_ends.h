#ifndef KV_LIST_ENDS_H
#define KV_LIST_ENDS_H

/* Taking elements from the ends of a list: what LPOP and RPOP (lists.c) share with commands of
 * several keys (list_moves.c). */

#include "weft-kv/kv.h"

/* Reply the `count` elements at an end, from it inwards, without a head, and take them out. There
 * are so many. `err` is what came of the head. */
int ends_take(struct kv *kv, weft_redis_request *request, struct entry *entry, bool left,
              uint64_t count, int err);

/* Take them out. */
void ends_drop(struct kv *kv, struct entry *entry, bool left, uint64_t count);

#endif
