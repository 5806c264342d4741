#ifndef KV_RESULT_H
#define KV_RESULT_H

/* A set or sorted set that a command makes: kept beside the keyspace until it is whole, so that one
 * that cannot be finished has changed nothing. */

#include "weft-kv/kv.h"

/* Empty, to be stored under this key; or NULL. Ended by result_store or entry_free. */
struct entry *result_create(enum entry_type type, weft_slice key);

/* Put it in the place of what the key has, or delete the key where it is empty, and reply how many
 * elements it has. Takes the result. */
int result_store(struct kv *kv, weft_redis_request *request, struct entry *result);

#endif
