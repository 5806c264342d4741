/* Commands of hashes.
 *
 *      set     HSET HMSET HSETNX HDEL HINCRBY HINCRBYFLOAT
 *      get     HGET HMGET HLEN HSTRLEN HEXISTS; HKEYS HVALS HGETALL
 *      walk    HRANDFIELD (picks.c), HSCAN (scans.c)
 *
 * HSET without memory for all its fields keeps those it had memory for, where the hash was there
 * before: what it has written over is gone. A new hash is taken back. */

#include "weft-kv/picks.h"
#include "weft-kv/scans.h"

#include <errno.h>
#include <math.h>

/* What of a pair is replied. */
enum parts {
    FIELDS = 1,
    VALUES = 2,
    PAIRS = FIELDS | VALUES,
};

/* --- setting --- */

/* 0, or no memory: that was replied. Of a hash that is new nothing is left then, of one that was
 * there the pairs before stay. */
static int set_pairs(struct kv *kv, weft_redis_request *request, int64_t *added)
{
    struct entry *entry;
    int found = kv_obtain(kv, request, request->args[1], ENTRY_HASH, &entry);
    if (found < 0)
        return found;
    int err = 0;
    size_t i = 2;
    *added = 0;
    for (; i < request->count && err >= 0; i += 2) {
        err = hash_set(entry, request->args[i], request->args[i + 1], &kv->keyspace.limits);
        *added += err > 0;
    }
    if (err < 0 && found == 0)
        keyspace_delete(&kv->keyspace, request->args[1], kv_now(kv, request));
    else if (err >= 0 || i > 4)
        keyspace_touch(&kv->keyspace, entry, found ? KEYSPACE_CHANGED : KEYSPACE_SET);
    if (err < 0)
        kv_reply_no_memory(request);
    return err < 0 ? err : 0;
}

static int hset(weft_redis_request *request, void *app)
{
    int64_t added;
    if (request->count % 2 != 0)
        return kv_reply_arity(request, "hset");
    return set_pairs(app, request, &added) < 0 ? 0 : weft_redis_reply_integer(request, added);
}

static int hmset(weft_redis_request *request, void *app)
{
    int64_t added;
    if (request->count % 2 != 0)
        return kv_reply_arity(request, "hmset");
    return set_pairs(app, request, &added) < 0 ? 0 : kv_reply_ok(request);
}

static int hsetnx(weft_redis_request *request, void *app)
{
    struct entry *entry;
    struct pack_item value;
    int64_t added;
    int found = kv_find(app, request, request->args[1], ENTRY_HASH, &entry);
    if (found < 0)
        return 0;
    if (found && hash_get(entry, request->args[2], &value))
        return weft_redis_reply_integer(request, 0);
    return set_pairs(app, request, &added) < 0 ? 0 : weft_redis_reply_integer(request, added);
}

static int hdel(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    struct entry *entry;
    int64_t count = 0;
    int found = kv_find(kv, request, request->args[1], ENTRY_HASH, &entry);
    if (found < 0)
        return 0;
    for (size_t i = 2; found && i < request->count; i++)
        count += hash_delete(entry, request->args[i]);
    if (count > 0)
        keyspace_touch(&kv->keyspace, entry, KEYSPACE_CHANGED);
    return weft_redis_reply_integer(request, count);
}

/* --- numbers --- */

/* Give a field its new value. False: no memory, which was replied; nothing has changed. */
static bool set_field(struct kv *kv, weft_redis_request *request, weft_slice value)
{
    struct entry *entry;
    int found = kv_obtain(kv, request, request->args[1], ENTRY_HASH, &entry);
    if (found < 0)
        return false;
    int err = hash_set(entry, request->args[2], value, &kv->keyspace.limits);
    if (err >= 0 || found == 0)
        keyspace_touch(&kv->keyspace, entry, found ? KEYSPACE_CHANGED : KEYSPACE_SET);
    if (err < 0)
        kv_reply_no_memory(request);
    return err >= 0;
}

/* The value of the field that is to be added to. 1: it is there; 0: it is not, or no hash is;
 * -EINVAL: it is no hash, which was replied. */
static int find_field(struct kv *kv, weft_redis_request *request, struct pack_item *value)
{
    struct entry *entry;
    int found = kv_find(kv, request, request->args[1], ENTRY_HASH, &entry);
    return found <= 0 ? found : hash_get(entry, request->args[2], value);
}

static int hincrby(weft_redis_request *request, void *app)
{
    struct pack_item item;
    char space[PACK_TEXT_MAX];
    int64_t by, value = 0;
    if (!kv_read_integer(request, request->args[3], &by))
        return 0;
    int found = find_field(app, request, &item);
    if (found < 0)
        return 0;
    if (found && !kv_parse_integer(pack_text(&item, space), &value))
        return weft_redis_reply_error(request, "ERR hash value is not an integer");
    if (__builtin_add_overflow(value, by, &value))
        return weft_redis_reply_error(request, "ERR increment or decrement would overflow");
    item = (struct pack_item){ .integer = value };
    if (!set_field(app, request, pack_text(&item, space)))
        return 0;
    return weft_redis_reply_integer(request, value);
}

/* What is added: any number that is one. */
static bool read_summand(weft_redis_request *request, weft_slice text, long double *value)
{
    const char *wrong = NULL;
    if (!kv_parse_float(text, value))
        wrong = "ERR value is not a valid float";
    else if (isinf(*value))
        wrong = "ERR value is NaN or Infinity";
    if (wrong)
        weft_redis_reply_error(request, "%s", wrong);
    return !wrong;
}

static int hincrbyfloat(weft_redis_request *request, void *app)
{
    struct pack_item item;
    char space[PACK_TEXT_MAX], text[KV_FLOAT_MAX];
    long double by, value = 0;
    if (!read_summand(request, request->args[3], &by))
        return 0;
    int found = find_field(app, request, &item);
    if (found < 0)
        return 0;
    if (found && !kv_parse_float(pack_text(&item, space), &value))
        return weft_redis_reply_error(request, "ERR hash value is not a float");
    value += by;
    size_t size = isfinite(value) ? kv_print_float(text, value) : 0;
    if (size == 0)
        return weft_redis_reply_error(request, "ERR increment would produce NaN or Infinity");
    if (!set_field(app, request, (weft_slice){ text, size }))
        return 0;
    return weft_redis_reply_string(request, text, size);
}

/* --- getting --- */

/* Of a hash, or of none where it is NULL. */
static int reply_value(weft_redis_request *request, const struct entry *entry, weft_slice field)
{
    struct pack_item value;
    return entry && hash_get(entry, field, &value) ? kv_reply_item(request, &value)
                                                   : weft_redis_reply_null(request);
}

static int hget(weft_redis_request *request, void *app)
{
    struct entry *entry;
    int found = kv_find(app, request, request->args[1], ENTRY_HASH, &entry);
    return found < 0 ? 0 : reply_value(request, entry, request->args[2]);
}

static int hmget(weft_redis_request *request, void *app)
{
    struct entry *entry;
    int found = kv_find(app, request, request->args[1], ENTRY_HASH, &entry);
    if (found < 0)
        return 0;
    int err = weft_redis_reply_array(request, request->count - 2);
    for (size_t i = 2; i < request->count && err == 0; i++)
        err = reply_value(request, entry, request->args[i]);
    return err;
}

static int hlen(weft_redis_request *request, void *app)
{
    struct entry *entry;
    int found = kv_find(app, request, request->args[1], ENTRY_HASH, &entry);
    if (found < 0)
        return 0;
    return weft_redis_reply_integer(request, found ? (int64_t)hash_count(entry) : 0);
}

static int hstrlen(weft_redis_request *request, void *app)
{
    struct pack_item item;
    char space[PACK_TEXT_MAX];
    int found = find_field(app, request, &item);
    if (found < 0)
        return 0;
    return weft_redis_reply_integer(request, found ? (int64_t)pack_text(&item, space).size : 0);
}

static int hexists(weft_redis_request *request, void *app)
{
    struct pack_item item;
    int found = find_field(app, request, &item);
    return found < 0 ? 0 : weft_redis_reply_integer(request, found);
}

static int reply_parts(weft_redis_request *request, enum parts parts, const struct pack_item *field,
                       const struct pack_item *value)
{
    int err = 0;
    if (parts & FIELDS)
        err = kv_reply_item(request, field);
    if (err == 0 && (parts & VALUES))
        err = kv_reply_item(request, value);
    return err;
}

static int reply_head(weft_redis_request *request, enum parts parts, uint64_t count)
{
    return parts == PAIRS ? weft_redis_reply_map(request, count)
                          : weft_redis_reply_array(request, count);
}

static int list_hash(weft_redis_request *request, struct kv *kv, enum parts parts)
{
    struct entry *entry;
    struct hash_iterator iterator;
    struct pack_item field, value;
    int found = kv_find(kv, request, request->args[1], ENTRY_HASH, &entry);
    if (found <= 0)
        return found < 0 ? 0 : reply_head(request, parts, 0);
    int err = reply_head(request, parts, hash_count(entry));
    hash_iterate_begin(&iterator, entry);
    while (err == 0 && hash_iterate_next(&iterator, &field, &value))
        err = reply_parts(request, parts, &field, &value);
    hash_iterate_end(&iterator);
    return err;
}

static int hkeys(weft_redis_request *request, void *app)
{
    return list_hash(request, app, FIELDS);
}

static int hvals(weft_redis_request *request, void *app)
{
    return list_hash(request, app, VALUES);
}

static int hgetall(weft_redis_request *request, void *app)
{
    return list_hash(request, app, PAIRS);
}

/* --- fields at random --- */

static void draw_field(const struct entry *entry, struct wf_random *random, struct pick *pick)
{
    hash_random(entry, random, &pick->member, &pick->value);
}

static void find_value(const struct entry *entry, weft_slice field, struct pick *pick)
{
    hash_get(entry, field, &pick->value);
}

static int each_field(const struct entry *entry, pick_take *take, void *arg)
{
    struct hash_iterator iterator;
    struct pick pick;
    int err = 0;
    hash_iterate_begin(&iterator, entry);
    while (err == 0 && hash_iterate_next(&iterator, &pick.member, &pick.value))
        err = take(arg, &pick);
    hash_iterate_end(&iterator);
    return err;
}

static int reply_its_value(weft_redis_request *request, const struct pick *pick)
{
    return kv_reply_item(request, &pick->value);
}

static int hrandfield(weft_redis_request *request, void *app)
{
    static const struct pick_kind kind = { .type = ENTRY_HASH,
                                           .word = "withvalues",
                                           .draw = draw_field,
                                           .find = find_value,
                                           .each = each_field,
                                           .reply_beside = reply_its_value };
    return picks_reply(app, request, &kind);
}

/* --- HSCAN --- */

static void visit_pair(void *arg, const struct pack_item *field, const struct pack_item *value)
{
    struct scanning *scanning = arg;
    bool values = !scanning->options.no_values;
    if (!scans_wants(scanning, field))
        return;
    scanning->replied += values ? 2 : 1;
    reply_parts(scanning->request, values ? PAIRS : FIELDS, field, value);
}

static uint64_t visit_part(const struct entry *entry, uint64_t cursor, struct scanning *scanning)
{
    return hash_scan(entry, cursor, visit_pair, scanning);
}

static int hscan(weft_redis_request *request, void *app)
{
    return scans_reply(app, request, ENTRY_HASH, visit_part);
}

#define READS .flags = WEFT_REDIS_READ, .first_key = 1, .last_key = 1, .group = "hash"
#define FINDS                                                                                      \
    .flags = WEFT_REDIS_READ | WEFT_REDIS_FAST, .first_key = 1, .last_key = 1, .group = "hash"
#define WRITES                                                                                     \
    .flags = WEFT_REDIS_WRITE | WEFT_REDIS_FAST, .first_key = 1, .last_key = 1, .group = "hash"

const weft_redis_command kv_hash_commands[] = {
    { "hset", hset, .arity = -4, WRITES, .summary = "Sets fields of a hash" },
    { "hmset", hmset, .arity = -4, WRITES, .summary = "Sets fields of a hash, and answers OK" },
    { "hsetnx", hsetnx, .arity = 4, WRITES, .summary = "Sets a field that is not there" },
    { "hdel", hdel, .arity = -3, WRITES, .summary = "Takes fields out" },
    { "hincrby", hincrby, .arity = 4, WRITES, .summary = "Adds an integer to a field" },
    { "hincrbyfloat", hincrbyfloat, .arity = 4, WRITES,
      .summary = "Adds a number with a fraction to a field" },
    { "hget", hget, .arity = 3, FINDS, .summary = "Tells the value of a field" },
    { "hmget", hmget, .arity = -3, FINDS, .summary = "Tells the values of several fields" },
    { "hlen", hlen, .arity = 2, FINDS, .summary = "Counts the fields" },
    { "hstrlen", hstrlen, .arity = 3, FINDS, .summary = "Tells how long a field's value is" },
    { "hexists", hexists, .arity = 3, FINDS, .summary = "Tells whether there is a field" },
    { "hkeys", hkeys, .arity = 2, READS, .summary = "Lists the fields" },
    { "hvals", hvals, .arity = 2, READS, .summary = "Lists the values" },
    { "hgetall", hgetall, .arity = 2, READS, .summary = "Lists the fields and their values" },
    { "hrandfield", hrandfield, .arity = -2, READS, .summary = "Picks fields at random" },
    { "hscan", hscan, .arity = -3, READS, .summary = "Goes through the fields, part by part" },
    { 0 },
};
