/* Commands that take the least or the greatest members out, at once or when there are any.
 *
 *                       looks at       and replies
 *      ZPOPMIN          one key        members and scores
 *      ZMPOP            several keys   the first that has any, and its members and scores
 *      BZPOPMIN, BZMPOP                likewise; a client waits until one of them has
 */

#include "weft-kv/pops.h"
#include "weft-kv/zset_answer.h"

/* How pairs are replied. */
enum pop_shape {
    POP_FLAT,   /* member, score, ... in one array */
    POP_NESTED, /* each in an array of its own */
    POP_KEYED,  /* key, [[member, score], ...] */
    POP_SINGLE, /* key, member, score */
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

static int pop(struct kv *kv, weft_redis_request *request, weft_slice key, struct entry *entry,
               const struct zset_span *span, enum pop_shape shape)
{
    bool nested = shape == POP_NESTED || shape == POP_KEYED;
    reply_shape(request, shape, key, span->count);
    int err = zset_each(entry, span, nested ? take_nested : take_to_reply, request);
    if (span->count > 0) {
        zset_drop(entry, span->first, span->count);
        keyspace_touch(&kv->keyspace, entry, KEYSPACE_CHANGED);
    }
    return err;
}

/* The least, or the greatest, at most all. */
static struct zset_span span_of(const struct entry *entry, uint64_t count, bool greatest)
{
    uint64_t all = zset_count(entry);
    if (count > all)
        count = all;
    return (struct zset_span){ greatest ? all - count : 0, count, greatest };
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
    struct zset_span span = span_of(entry, (uint64_t)count, greatest);
    return pop(kv, request, request->args[1], entry, &span,
               counted && request->version != 2 ? POP_NESTED : POP_FLAT);
}

static int zpopmin(weft_redis_request *request, void *app)
{
    return zpop(request, app, false);
}

static int zpopmax(weft_redis_request *request, void *app)
{
    return zpop(request, app, true);
}

/* --- of several keys --- */

static int take_keyed(struct kv *kv, weft_redis_request *request, const struct popping *popping,
                      weft_slice key, struct entry *entry)
{
    struct zset_span span = span_of(entry, popping->count, popping->from_end);
    return pop(kv, request, key, entry, &span, popping->single ? POP_SINGLE : POP_KEYED);
}

static const struct pop_kind kind = { ENTRY_ZSET, "min", "max", take_keyed };

static int zmpop(weft_redis_request *request, void *app)
{
    return pops_several(app, request, &kind);
}

static int bzmpop(weft_redis_request *request, void *app)
{
    return pops_several_or_wait(app, request, &kind);
}

static int bzpopmin(weft_redis_request *request, void *app)
{
    return pops_one_or_wait(app, request, &kind, false);
}

static int bzpopmax(weft_redis_request *request, void *app)
{
    return pops_one_or_wait(app, request, &kind, true);
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
