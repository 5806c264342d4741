/* The ends of lists: see list_ends.h.
 *
 * An element that moves is copied first: what is given to a list must not be the store's own bytes,
 * and the entry it stands in is not good any more once another key has been looked for. The new
 * place comes before the old one is given up, because only the new one can fail. */

#include "weft-kv/list_ends.h"

#include "weft-kv/memory.h"

#include <errno.h>
#include <string.h>

#define SMALL 256 /* bytes of an element that is copied without an allocation */

/* --- reading arguments --- */

bool ends_read(weft_redis_request *request, weft_slice word, bool *left)
{
    *left = weft_redis_is(word, "left");
    if (*left || weft_redis_is(word, "right"))
        return true;
    kv_reply_syntax(request);
    return false;
}

bool ends_read_above_0(weft_redis_request *request, weft_slice text, const char *what,
                       int64_t *value)
{
    if (kv_parse_integer(text, value) && *value > 0)
        return true;
    weft_redis_reply_error(request, "ERR %s should be greater than 0", what);
    return false;
}

/* What follows the keys. */
static bool read_end_and_count(weft_redis_request *request, size_t index, struct ends_pop *pop)
{
    int64_t count = 1;
    size_t rest = request->count - index;
    if (!ends_read(request, request->args[index], &pop->left))
        return false;
    if (rest != 1 && (rest != 3 || !weft_redis_is(request->args[index + 1], "count"))) {
        kv_reply_syntax(request);
        return false;
    }
    if (rest == 3 && !ends_read_above_0(request, request->args[index + 2], "count", &count))
        return false;
    pop->count = (uint64_t)count;
    return true;
}

bool ends_read_pop(weft_redis_request *request, size_t index, struct ends_pop *pop)
{
    int64_t keys;
    if (!ends_read_above_0(request, request->args[index], "numkeys", &keys))
        return false;
    if ((uint64_t)keys >= request->count - index - 1) { /* no word behind them */
        kv_reply_syntax(request);
        return false;
    }
    *pop = (struct ends_pop){ .first = index + 1, .keys = (size_t)keys };
    return read_end_and_count(request, index + 1 + (size_t)keys, pop);
}

/* --- taking out --- */

int ends_reply(weft_redis_request *request, const struct entry *entry, bool left, uint64_t count)
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

/* Replying that fails closes the client: what it was not told stays. */
static void pop_keyed(struct kv *kv, weft_redis_request *request, const struct ends_pop *pop,
                      weft_slice key, struct entry *entry)
{
    uint64_t all = list_count(entry), count = pop->count < all ? pop->count : all;
    int err = weft_redis_reply_array(request, 2);
    if (err == 0)
        err = weft_redis_reply_string(request, key.data, key.size);
    if (err == 0 && !pop->single)
        err = weft_redis_reply_array(request, count);
    if (err == 0)
        err = ends_reply(request, entry, pop->left, count);
    if (err == 0)
        ends_drop(kv, entry, pop->left, count);
}

int ends_pop_first(struct kv *kv, weft_redis_request *request, const struct ends_pop *pop)
{
    int64_t now = kv_now(kv, request);
    for (size_t i = 0; i < pop->keys; i++) {
        weft_slice key = request->args[pop->first + i];
        struct entry *entry = keyspace_find(&kv->keyspace, key, now);
        if (!entry || (request->again && entry->type != ENTRY_LIST))
            continue;
        if (entry->type != ENTRY_LIST) {
            kv_reply_wrong_type(request);
            return -EINVAL;
        }
        pop_keyed(kv, request, pop, key, entry);
        return 1;
    }
    return 0;
}

/* --- moving --- */

struct copy {
    char *data;
    size_t size;
    char small[SMALL];
};

static int copy_begin(struct copy *copy, const struct entry *entry, bool left)
{
    struct list_cursor cursor;
    list_seek(entry, left ? 0 : -1, &cursor);
    struct pack_item item = list_get(entry, &cursor);
    weft_slice text = pack_text(&item, copy->small);
    copy->size = text.size;
    copy->data = text.size <= SMALL ? copy->small : kv_alloc(text.size);
    if (!copy->data)
        return -ENOMEM;
    memmove(copy->data, text.data, text.size);
    return 0;
}

static void copy_end(struct copy *copy)
{
    if (copy->data != copy->small)
        kv_free(copy->data);
}

/* Put it at an end. False: that it cannot be was replied, and nothing has changed. */
static bool push_copy(struct kv *kv, weft_redis_request *request, const struct ends_move *move,
                      const struct copy *copy)
{
    struct entry *entry;
    int found = kv_obtain(kv, request, move->to, ENTRY_LIST, &entry);
    if (found < 0)
        return false;
    int err = list_push(entry, move->to_left, (weft_slice){ copy->data, copy->size },
                        &kv->keyspace.limits);
    if (err == 0 || found == 0)
        keyspace_touch(&kv->keyspace, entry, found ? KEYSPACE_CHANGED : KEYSPACE_SET);
    if (err < 0)
        kv_reply_no_memory(request);
    return err == 0;
}

/* In one list the new element may have come to the end that the old one is taken from: they are the
 * same, so it does not matter which goes. */
static void move_copy(struct kv *kv, weft_redis_request *request, const struct ends_move *move,
                      const struct copy *copy)
{
    if (!push_copy(kv, request, move, copy))
        return;
    struct entry *source = keyspace_find(&kv->keyspace, move->from, kv_now(kv, request));
    if (source)
        ends_drop(kv, source, move->from_left, 1);
    weft_redis_reply_string(request, copy->data, copy->size);
}

int ends_move(struct kv *kv, weft_redis_request *request, const struct ends_move *move)
{
    struct copy copy;
    struct entry *source = keyspace_find(&kv->keyspace, move->from, kv_now(kv, request));
    if (!source || (request->again && source->type != ENTRY_LIST))
        return 0;
    if (source->type != ENTRY_LIST)
        kv_reply_wrong_type(request);
    else if (copy_begin(&copy, source, move->from_left) < 0)
        kv_reply_no_memory(request);
    else {
        move_copy(kv, request, move, &copy);
        copy_end(&copy);
    }
    return 1;
}
