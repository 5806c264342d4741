/* Taking elements out of the first key that has any: see pops.h. */

#include "weft-kv/pops.h"

#include <errno.h>

/* --- reading --- */

/* "[COUNT count]" from this index on. */
static bool read_count(weft_redis_request *request, size_t index, uint64_t *count)
{
    int64_t value = 1;
    if (index + 1 < request->count && weft_redis_is(request->args[index], "count")) {
        if (!kv_parse_integer(request->args[index + 1], &value) || value < 1) {
            weft_redis_reply_error(request, "ERR count should be greater than 0");
            return false;
        }
        index += 2;
    }
    *count = (uint64_t)value;
    if (index < request->count)
        kv_reply_syntax(request);
    return index == request->count;
}

static bool read_several(weft_redis_request *request, size_t index, const struct pop_kind *kind,
                         struct popping *popping)
{
    *popping = (struct popping){ .first = index + 1 };
    if (!kv_read_key_count(request, index, &popping->keys))
        return false;
    size_t at = popping->first + popping->keys;
    popping->from_end = at < request->count && weft_redis_is(request->args[at], kind->end);
    if (at == request->count ||
        (!popping->from_end && !weft_redis_is(request->args[at], kind->front))) {
        kv_reply_syntax(request);
        return false;
    }
    return read_count(request, at + 1, &popping->count);
}

/* --- taking out --- */

/* 1: replied; 0: none has any; -EINVAL: one is of another type, which was replied. */
static int pop_first(struct kv *kv, weft_redis_request *request, const struct pop_kind *kind,
                     const struct popping *popping)
{
    int64_t now = kv_now(kv, request);
    for (size_t i = 0; i < popping->keys; i++) {
        weft_slice key = request->args[popping->first + i];
        struct entry *entry = keyspace_find(&kv->keyspace, key, now);
        if (!entry || (request->again && entry->type != kind->type))
            continue;
        if (entry->type != kind->type) {
            kv_reply_wrong_type(request);
            return -EINVAL;
        }
        kind->take(kv, request, popping, key, entry);
        return 1;
    }
    return 0;
}

static int reply_nothing(weft_redis_request *request, void *app)
{
    (void)app;
    return weft_redis_reply_null_array(request);
}

static int pop_or_wait(struct kv *kv, weft_redis_request *request, const struct pop_kind *kind,
                       const struct popping *popping, int64_t timeout)
{
    if (pop_first(kv, request, kind, popping) != 0)
        return 0;
    return weft_redis_block(request, &request->args[popping->first], popping->keys, timeout,
                            reply_nothing);
}

int pops_several(struct kv *kv, weft_redis_request *request, const struct pop_kind *kind)
{
    struct popping popping;
    if (!read_several(request, 1, kind, &popping) || pop_first(kv, request, kind, &popping) != 0)
        return 0;
    return weft_redis_reply_null_array(request);
}

int pops_several_or_wait(struct kv *kv, weft_redis_request *request, const struct pop_kind *kind)
{
    int64_t timeout;
    struct popping popping;
    if (!read_several(request, 2, kind, &popping) ||
        !kv_read_timeout(request, request->args[1], &timeout))
        return 0;
    return pop_or_wait(kv, request, kind, &popping, timeout);
}

int pops_one_or_wait(struct kv *kv, weft_redis_request *request, const struct pop_kind *kind,
                     bool from_end)
{
    int64_t timeout;
    struct popping popping = {
        .first = 1, .keys = request->count - 2, .count = 1, .from_end = from_end, .single = true
    };
    if (!kv_read_timeout(request, request->args[request->count - 1], &timeout))
        return 0;
    return pop_or_wait(kv, request, kind, &popping, timeout);
}
