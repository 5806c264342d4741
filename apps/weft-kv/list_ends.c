/* The ends of a list: see list_ends.h. */

#include "weft-kv/list_ends.h"

static int reply_elements(weft_redis_request *request, const struct entry *entry, bool left,
                          uint64_t count)
{
    struct list_cursor cursor;
    int err = 0;
    bool more = list_seek(entry, left ? 0 : -1, &cursor);
    while (err == 0 && more && count > 0) {
        struct pack_item item = list_get(entry, &cursor);
        err = kv_reply_item(request, &item);
        count--;
        more = left ? list_next(entry, &cursor) : list_previous(entry, &cursor);
    }
    return err;
}

void ends_drop(struct kv *kv, struct entry *entry, bool left, uint64_t count)
{
    if (count == 0)
        return;
    list_drop(entry, left, count, &kv->keyspace.limits);
    keyspace_touch(&kv->keyspace, entry, KEYSPACE_CHANGED);
}

/* Replying that fails closes the client. What it was not told stays, but for a transaction's, which
 * is executed whole. */
int ends_take(struct kv *kv, weft_redis_request *request, struct entry *entry, bool left,
              uint64_t count, int err)
{
    if (err == 0)
        err = reply_elements(request, entry, left, count);
    if (err == 0 || request->in_transaction)
        ends_drop(kv, entry, left, count);
    return err;
}
