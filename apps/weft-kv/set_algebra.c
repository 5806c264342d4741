/* Commands of several sets: what they have in common, altogether, and the first one alone.
 *
 *      SINTER       members of the smallest that all others have             smallest × sets
 *      SUNION       all members, in one new set                              all members
 *      SDIFF        members of the first that no other has, or               first × sets
 *                   a copy of the first, without the members of the others   all members
 *
 * SDIFF goes the cheaper way. What is to be stored is made in a set beside the keyspace, so a
 * destination may be among the sources. */

#include "weft-kv/kv.h"

#include "weft-kv/memory.h"
#include "weft-kv/result.h"

#include <errno.h>

/* Entries stay where they are while others are found, and none that was found expires during its
 * command: its time stands still. */
struct operands {
    struct entry **sets; /* NULL: there is no such key */
    size_t count;
    size_t missing;
};

/* Where members go: into a set, or else into the reply, or else they are counted alone. */
struct sink {
    const struct kv_limits *limits;
    struct entry *set;
    weft_redis_request *request;
    uint64_t count;
    uint64_t limit; /* as many are enough */
};

typedef int combine(const struct operands *operands, struct sink *sink);

/* False: what was wrong is replied. */
static bool operands_find(struct kv *kv, weft_redis_request *request, size_t first, size_t count,
                          struct operands *operands)
{
    *operands =
        (struct operands){ .sets = kv_alloc(count * sizeof(struct entry *)), .count = count };
    if (!operands->sets) {
        kv_reply_no_memory(request);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct entry *entry = NULL;
        int found = kv_find(kv, request, request->args[first + i], ENTRY_SET, &entry);
        if (found < 0) {
            kv_free(operands->sets);
            return false;
        }
        operands->sets[i] = found ? entry : NULL;
        operands->missing += !found;
    }
    return true;
}

static int sink_take(struct sink *sink, const struct pack_item *member)
{
    char space[PACK_TEXT_MAX];
    sink->count++;
    if (sink->set)
        return set_add(sink->set, pack_text(member, space), sink->limits) < 0 ? -ENOMEM : 0;
    return sink->request ? kv_reply_item(sink->request, member) : 0;
}

/* --- SINTER --- */

static size_t smallest_of(const struct operands *operands)
{
    size_t smallest = 0;
    for (size_t i = 1; i < operands->count; i++)
        if (set_count(operands->sets[i]) < set_count(operands->sets[smallest]))
            smallest = i;
    return smallest;
}

/* Whether all others, or none of them, have the member of this one. */
static bool others_have(const struct operands *operands, size_t except, bool have,
                        const struct pack_item *member)
{
    char space[PACK_TEXT_MAX];
    weft_slice text = pack_text(member, space);
    for (size_t i = 0; i < operands->count; i++) {
        const struct entry *set = operands->sets[i];
        if (i != except && (set && set_has(set, text)) != have)
            return false;
    }
    return true;
}

/* The members of this one that all others, or none of them, have. */
static int filter(const struct operands *operands, size_t which, bool have, struct sink *sink)
{
    struct set_iterator iterator;
    struct pack_item member;
    int err = 0;
    set_iterate_begin(&iterator, operands->sets[which]);
    while (err == 0 && sink->count < sink->limit && set_iterate_next(&iterator, &member))
        if (others_have(operands, which, have, &member))
            err = sink_take(sink, &member);
    set_iterate_end(&iterator);
    return err;
}

static int intersect(const struct operands *operands, struct sink *sink)
{
    if (operands->missing > 0)
        return 0;
    return filter(operands, smallest_of(operands), true, sink);
}

/* --- SUNION, SDIFF --- */

/* Add the members of this one to the sink's set, or remove them there. */
static int apply(const struct entry *entry, bool add, struct sink *sink)
{
    struct set_iterator iterator;
    struct pack_item member;
    char space[PACK_TEXT_MAX];
    int err = 0;
    set_iterate_begin(&iterator, entry);
    while (err == 0 && set_iterate_next(&iterator, &member))
        if (add)
            err = sink_take(sink, &member);
        else
            set_remove(sink->set, pack_text(&member, space));
    set_iterate_end(&iterator);
    return err;
}

static int unite(const struct operands *operands, struct sink *sink)
{
    int err = 0;
    for (size_t i = 0; i < operands->count && err == 0; i++)
        if (operands->sets[i])
            err = apply(operands->sets[i], true, sink);
    return err;
}

static bool is_cheaper_by_removing(const struct operands *operands)
{
    uint64_t looking = 0, removing = 0;
    for (size_t i = 0; i < operands->count; i++) {
        looking += set_count(operands->sets[0]);
        removing += operands->sets[i] ? set_count(operands->sets[i]) : 0;
    }
    return removing < looking / 2;
}

static int subtract(const struct operands *operands, struct sink *sink)
{
    if (!operands->sets[0])
        return 0;
    if (!is_cheaper_by_removing(operands))
        return filter(operands, 0, false, sink);
    int err = apply(operands->sets[0], true, sink);
    for (size_t i = 1; i < operands->count && err == 0; i++)
        if (operands->sets[i])
            err = apply(operands->sets[i], false, sink);
    return err;
}

/* --- commands --- */

static int reply_result(weft_redis_request *request, const struct entry *set)
{
    struct set_iterator iterator;
    struct pack_item member;
    int err = weft_redis_reply_set(request, set_count(set));
    set_iterate_begin(&iterator, set);
    while (err == 0 && set_iterate_next(&iterator, &member))
        err = kv_reply_item(request, &member);
    set_iterate_end(&iterator);
    return err;
}

/* Make the result of the keys from `first` on, to be stored under `key`. NULL: the reason why is
 * replied. */
static struct entry *make(struct kv *kv, weft_redis_request *request, size_t first,
                          combine *operation, weft_slice key)
{
    struct operands operands;
    if (!operands_find(kv, request, first, request->count - first, &operands))
        return NULL;
    struct sink sink = { &kv->keyspace.limits, result_create(ENTRY_SET, key), NULL, 0, UINT64_MAX };
    int err = sink.set ? operation(&operands, &sink) : -ENOMEM;
    kv_free(operands.sets);
    if (err == 0)
        return sink.set;
    entry_free(sink.set);
    kv_reply_no_memory(request);
    return NULL;
}

static int make_and_reply(weft_redis_request *request, void *app, combine *operation)
{
    struct entry *result = make(app, request, 1, operation, (weft_slice){ NULL, 0 });
    if (!result)
        return 0;
    int err = reply_result(request, result);
    entry_free(result);
    return err;
}

static int make_and_store(weft_redis_request *request, void *app, combine *operation)
{
    struct entry *result = make(app, request, 2, operation, request->args[1]);
    return result ? result_store(app, request, result) : 0;
}

/* Nothing has to be kept: it goes straight to the reply. */
static int sinter(weft_redis_request *request, void *app)
{
    struct operands operands;
    if (!operands_find(app, request, 1, request->count - 1, &operands))
        return 0;
    weft_redis_mark mark = weft_redis_reply_defer(request);
    struct sink sink = { .request = request, .limit = UINT64_MAX };
    int err = intersect(&operands, &sink);
    kv_free(operands.sets);
    return err < 0 ? err : weft_redis_reply_set_deferred(request, mark, sink.count);
}

static int sunion(weft_redis_request *request, void *app)
{
    return make_and_reply(request, app, unite);
}

static int sdiff(weft_redis_request *request, void *app)
{
    return make_and_reply(request, app, subtract);
}

static int sinterstore(weft_redis_request *request, void *app)
{
    return make_and_store(request, app, intersect);
}

static int sunionstore(weft_redis_request *request, void *app)
{
    return make_and_store(request, app, unite);
}

static int sdiffstore(weft_redis_request *request, void *app)
{
    return make_and_store(request, app, subtract);
}

/* "numkeys", and so many keys behind it, with words of its own for what is wrong. */
static bool read_keys(weft_redis_request *request, size_t *count)
{
    int64_t keys;
    bool is_number = kv_parse_integer(request->args[1], &keys) && keys > 0;
    if (is_number && (uint64_t)keys <= request->count - 2) {
        *count = (size_t)keys;
        return true;
    }
    weft_redis_reply_error(request, is_number
                                        ? "ERR Number of keys can't be greater than number of args"
                                        : "ERR numkeys should be greater than 0");
    return false;
}

static int sintercard(weft_redis_request *request, void *app)
{
    struct operands operands;
    struct sink sink = { 0 };
    size_t count;
    if (!read_keys(request, &count) || !kv_read_limit(request, 2 + count, &sink.limit) ||
        !operands_find(app, request, 2, count, &operands))
        return 0;
    intersect(&operands, &sink);
    kv_free(operands.sets);
    return weft_redis_reply_integer(request, (int64_t)sink.count);
}

#define READS .arity = -2, .flags = WEFT_REDIS_READ, .first_key = 1, .last_key = -1, .group = "set"
#define STORES                                                                                     \
    .arity = -3, .flags = WEFT_REDIS_WRITE, .first_key = 1, .last_key = -1, .group = "set"

const weft_redis_command kv_set_algebra_commands[] = {
    { "sinter", sinter, READS, .summary = "Lists what sets have in common." },
    { "sinterstore", sinterstore, STORES, .summary = "Stores what sets have in common." },
    { "sintercard", sintercard, .arity = -3, .flags = WEFT_REDIS_READ, .group = "set",
      .summary = "Counts what sets have in common." },
    { "sunion", sunion, READS, .summary = "Lists what any of the sets has." },
    { "sunionstore", sunionstore, STORES, .summary = "Stores what any of the sets has." },
    { "sdiff", sdiff, READS, .summary = "Lists what the first set has and no other." },
    { "sdiffstore", sdiffstore, STORES, .summary = "Stores what the first set has and no other." },
    { 0 },
};
