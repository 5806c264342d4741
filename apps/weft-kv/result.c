/* Results: see result.h. */

#include "weft-kv/result.h"

struct entry *result_create(enum entry_type type, weft_slice key)
{
    return entry_create(type, ENTRY_SMALL, false, key, 0);
}

int result_store(struct kv *kv, weft_redis_request *request, struct entry *result)
{
    uint64_t count = entry_count(result);
    int64_t now = kv_now(kv, request);
    if (count == 0) {
        keyspace_delete(&kv->keyspace, entry_key(result), now);
        entry_free(result);
    } else if (keyspace_put(&kv->keyspace, &result, KEYSPACE_NEVER, now) < 0) {
        entry_free(result);
        return kv_reply_no_memory(request);
    }
    kv_wake(kv); /* what was there may be large */
    return weft_redis_reply_integer(request, (int64_t)count);
}
