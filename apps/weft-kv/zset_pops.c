/* Commands that take the least or the greatest members out, at once or when there are any.
 *
 *                       looks at       and replies
 *      ZPOPMIN          one key        members and scores
 *      ZMPOP            several keys   the first that has any, and its members and scores
 *      BZPOPMIN, BZMPOP                likewise; a client waits until one of them has
 *
 * A client that waits is called again when one of its keys was touched. What is of another type by
 * then is as if it were not there. */

#include "weft-kv/kv.h"

#include "weft-kv/zset_answer.h"

#include <errno.h>

/* How pairs are replied. */
enum pop_shape {
    POP_FLAT,   /* member, score, ... in one array */
    POP_NESTED, /* each in an array of its own */
    POP_KEYED,  /* key, [[member, score], ...] */
    POP_SINGLE, /* key, member, score */
};

struct popping {
    size_t first, keys; /* arguments */
    uint64_t count;
    bool greatest;
    enum pop_shape shape;
};

/* --- taking out --- */

static int take_to_reply(void *arg, const struct pack_item *member, double score)
{
    weft_redis_request *request = arg;
    int err = kv_reply_item(request, member);
    return err < 0 ? err : weft_redis_reply_double(request, score);
}

static int take_nested(void *arg, const struct pack_item *member, double score)
{
    return zset_reply_nested(arg, member, score);
}

static void reply_shape(weft_redis_request *request, enum pop_shape shape, weft_slice key,
                        uint64_t count)
{
    if (shape == POP_KEYED || shape == POP_SINGLE) {
        weft_redis_reply_array(request, shape == POP_KEYED ? 2 : 3);
        weft_redis_reply_string(request, key.data, key.size);
    }
    if (shape != POP_SINGLE)
        weft_redis_reply_array(request, shape == POP_FLAT ? 2 * count : count);
}

static int pop(struct kv *kv, weft_redis_request *request, const struct popping *popping,
               weft_slice key, struct entry *entry)
{
    uint64_t all = zset_count(entry), count = popping->count < all ? popping->count : all;
    struct zset_span span = { popping->greatest ? all - count : 0, count, popping->greatest };
    bool nested = popping->shape == POP_NESTED || popping->shape == POP_KEYED;
    reply_shape(request, popping->shape, key, count);
    int err = zset_each(entry, &span, nested ? take_nested : take_to_reply, request);
    if (count > 0) {
        zset_drop(entry, span.first, count);
        keyspace_touch(&kv->keyspace, entry, KEYSPACE_CHANGED);
    }
    return err;
}

/* Of the first key that has any. 1: replied; 0: none has; -EINVAL: one is of another type, which
 * was replied. */
static int pop_first(struct kv *kv, weft_redis_request *request, const struct popping *popping)
{
    int64_t now = kv_now(kv, request);
    for (size_t i = 0; i < popping->keys; i++) {
        weft_slice key = request->args[popping->first + i];
        struct entry *entry = keyspace_find(&kv->keyspace, key, now);
        if (!entry || (request->again && entry->type != ENTRY_ZSET))
            continue;
        if (entry->type != ENTRY_ZSET) {
            kv_reply_wrong_type(request);
            return -EINVAL;
        }
        pop(kv, request, popping, key, entry);
        return 1;
    }
    return 0;
}

/* --- at once --- */

static int zpop(weft_redis_request *request, void *app, bool greatest)
{
    struct kv *kv = app;
    struct entry *entry;
    int64_t count = 1;
    bool counted = request->count == 3;
    if (request->count > 3)
        return kv_reply_syntax(request);
    if (counted && !kv_read_integer_within(request, request->args[2], 0, INT64_MAX, &count))
        return 0;
    int found = kv_find(kv, request, request->args[1], ENTRY_ZSET, &entry);
    if (found <= 0)
        return found < 0 ? 0 : weft_redis_reply_array(request, 0);
    struct popping popping = { .count = (uint64_t)count, .greatest = greatest };
    popping.shape = counted && request->version != 2 ? POP_NESTED : POP_FLAT;
    return pop(kv, request, &popping, request->args[1], entry);
}

static int zpopmin(weft_redis_request *request, void *app)
{
    return zpop(request, app, false);
}

static int zpopmax(weft_redis_request *request, void *app)
{
    return zpop(request, app, true);
}

/* An integer of 1 or more, else this error. */
static bool read_above_0(weft_redis_request *request, weft_slice text, const char *what,
                         int64_t *value)
{
    if (kv_parse_integer(text, value) && *value > 0)
        return true;
    weft_redis_reply_error(request, "ERR %s should be greater than 0", what);
    return false;
}

static bool read_end(weft_slice word, struct popping *popping)
{
    popping->greatest = weft_redis_is(word, "max");
    return popping->greatest || weft_redis_is(word, "min");
}

/* "numkeys key [key ...] MIN|MAX [COUNT count]" from this index on. */
static bool read_several(weft_redis_request *request, size_t index, struct popping *popping)
{
    int64_t keys, count = 1;
    if (!read_above_0(request, request->args[index], "numkeys", &keys))
        return false;
    *popping = (struct popping){ .first = index + 1, .keys = (size_t)keys, .shape = POP_KEYED };
    size_t rest = request->count - index - 1;
    bool good = (uint64_t)keys < rest && read_end(request->args[index + 1 + (size_t)keys], popping);
    size_t end = index + 2 + (size_t)keys;
    if (good && end < request->count)
        good = request->count - end == 2 && weft_redis_is(request->args[end], "count");
    if (!good) {
        kv_reply_syntax(request);
        return false;
    }
    if (end < request->count && !read_above_0(request, request->args[end + 1], "count", &count))
        return false;
    popping->count = (uint64_t)count;
    return true;
}

static int zmpop(weft_redis_request *request, void *app)
{
    struct popping popping;
    if (!read_several(request, 1, &popping) || pop_first(app, request, &popping) != 0)
        return 0;
    return weft_redis_reply_null_array(request);
}

/* --- waiting --- */

static int reply_nothing(weft_redis_request *request, void *app)
{
    (void)app;
    return weft_redis_reply_null_array(request);
}

static int pop_or_wait(struct kv *kv, weft_redis_request *request, const struct popping *popping,
                       int64_t timeout)
{
    if (pop_first(kv, request, popping) != 0)
        return 0;
    return weft_redis_block(request, &request->args[popping->first], popping->keys, timeout,
                            reply_nothing);
}

static int bzpop(weft_redis_request *request, void *app, bool greatest)
{
    int64_t timeout;
    struct popping popping = { .first = 1,
                               .keys = request->count - 2,
                               .count = 1,
                               .greatest = greatest,
                               .shape = POP_SINGLE };
    if (!kv_read_timeout(request, request->args[request->count - 1], &timeout))
        return 0;
    return pop_or_wait(app, request, &popping, timeout);
}

static int bzpopmin(weft_redis_request *request, void *app)
{
    return bzpop(request, app, false);
}

static int bzpopmax(weft_redis_request *request, void *app)
{
    return bzpop(request, app, true);
}

static int bzmpop(weft_redis_request *request, void *app)
{
    int64_t timeout;
    struct popping popping;
    if (!read_several(request, 2, &popping) ||
        !kv_read_timeout(request, request->args[1], &timeout))
        return 0;
    return pop_or_wait(app, request, &popping, timeout);
}

#define POPS  .flags = WEFT_REDIS_WRITE | WEFT_REDIS_FAST, .group = "sorted-set"
#define WAITS .flags = WEFT_REDIS_WRITE | WEFT_REDIS_FAST | WEFT_REDIS_BLOCKS, .group = "sorted-set"

const weft_redis_command kv_zset_pop_commands[] = {
    { "zpopmin", zpopmin, .arity = -2, POPS, .first_key = 1, .last_key = 1,
      .summary = "Takes the least members out." },
    { "zpopmax", zpopmax, .arity = -2, POPS, .first_key = 1, .last_key = 1,
      .summary = "Takes the greatest members out." },
    { "zmpop", zmpop, .arity = -4, .flags = WEFT_REDIS_WRITE, .group = "sorted-set",
      .summary = "Takes members out of the first set that has any." },
    { "bzpopmin", bzpopmin, .arity = -3, WAITS, .first_key = 1, .last_key = -2,
      .summary = "Takes the least member out of the first set that has one, or waits." },
    { "bzpopmax", bzpopmax, .arity = -3, WAITS, .first_key = 1, .last_key = -2,
      .summary = "Takes the greatest member out of the first set that has one, or waits." },
    { "bzmpop", bzmpop, .arity = -5, .flags = WEFT_REDIS_WRITE | WEFT_REDIS_BLOCKS,
      .group = "sorted-set",
      .summary = "Takes members out of the first set that has any, or waits." },
    { 0 },
};
