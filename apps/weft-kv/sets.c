/* Commands of sets, one at a time; several together are in set_algebra.c.
 *
 * Members at random: few of many are drawn until there are enough different ones, many of few are
 * chosen in one walk, where each is taken with the chance (still wanted / still to come). Both give
 * each choice the same chance, and take no longer than the choice or the set is long. */

#include "weft-kv/kv.h"

#include "weft-kv/memory.h"
#include "weft-kv/result.h"

#include <errno.h>
#include <string.h>

#define REPEATS_MAX (1 << 24) /* members that one SRANDMEMBER may ask for again and again */

/* --- members --- */

static int sadd(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    struct entry *entry;
    int found = kv_obtain(kv, request, request->args[1], ENTRY_SET, &entry);
    if (found < 0)
        return 0;
    int64_t count = 0;
    int err = 0;
    for (size_t i = 2; i < request->count && err >= 0; i++) {
        err = set_add(entry, request->args[i], &kv->keyspace.limits);
        count += err > 0;
    }
    if (found == 0 || count > 0)
        keyspace_touch(&kv->keyspace, entry, found ? KEYSPACE_CHANGED : KEYSPACE_SET);
    return err < 0 ? kv_reply_no_memory(request) : weft_redis_reply_integer(request, count);
}

static int srem(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    struct entry *entry;
    int found = kv_find(kv, request, request->args[1], ENTRY_SET, &entry);
    if (found < 0)
        return 0;
    int64_t count = 0;
    for (size_t i = 2; found && i < request->count; i++)
        count += set_remove(entry, request->args[i]);
    if (count > 0)
        keyspace_touch(&kv->keyspace, entry, KEYSPACE_CHANGED);
    return weft_redis_reply_integer(request, count);
}

static int sismember(weft_redis_request *request, void *app)
{
    struct entry *entry;
    int found = kv_find(app, request, request->args[1], ENTRY_SET, &entry);
    if (found < 0)
        return 0;
    return weft_redis_reply_integer(request, found && set_has(entry, request->args[2]));
}

static int smismember(weft_redis_request *request, void *app)
{
    struct entry *entry;
    int found = kv_find(app, request, request->args[1], ENTRY_SET, &entry);
    if (found < 0)
        return 0;
    int err = weft_redis_reply_array(request, request->count - 2);
    for (size_t i = 2; i < request->count && err == 0; i++)
        err = weft_redis_reply_integer(request, found && set_has(entry, request->args[i]));
    return err;
}

static int scard(weft_redis_request *request, void *app)
{
    struct entry *entry;
    int found = kv_find(app, request, request->args[1], ENTRY_SET, &entry);
    if (found < 0)
        return 0;
    return weft_redis_reply_integer(request, found ? (int64_t)set_count(entry) : 0);
}

/* The members alone, without the head of an aggregate. */
static int reply_members(weft_redis_request *request, const struct entry *entry)
{
    struct set_iterator iterator;
    struct pack_item member;
    int err = 0;
    set_iterate_begin(&iterator, entry);
    while (err == 0 && set_iterate_next(&iterator, &member))
        err = kv_reply_item(request, &member);
    set_iterate_end(&iterator);
    return err;
}

static int smembers(weft_redis_request *request, void *app)
{
    struct entry *entry;
    int found = kv_find(app, request, request->args[1], ENTRY_SET, &entry);
    if (found <= 0)
        return found < 0 ? 0 : weft_redis_reply_set(request, 0);
    int err = weft_redis_reply_set(request, set_count(entry));
    return err < 0 ? err : reply_members(request, entry);
}

/* Both keys are looked at before one is changed. The new place comes first: that may fail. */
static int smove(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    weft_slice from = request->args[1], to = request->args[2], member = request->args[3];
    struct entry *source, *target;
    int found = kv_find(kv, request, from, ENTRY_SET, &source);
    if (found <= 0)
        return found < 0 ? 0 : weft_redis_reply_integer(request, 0);
    int there = kv_find(kv, request, to, ENTRY_SET, &target);
    if (there < 0)
        return 0;
    if (!set_has(source, member) || (there && source == target))
        return weft_redis_reply_integer(request, set_has(source, member));
    there = kv_obtain(kv, request, to, ENTRY_SET, &target);
    if (there < 0)
        return 0;
    int added = set_add(target, member, &kv->keyspace.limits);
    if (!there || added > 0)
        keyspace_touch(&kv->keyspace, target, there ? KEYSPACE_CHANGED : KEYSPACE_SET);
    if (added < 0)
        return kv_reply_no_memory(request);
    source = keyspace_find(&kv->keyspace, from, kv_now(kv, request));
    set_remove(source, member);
    keyspace_touch(&kv->keyspace, source, KEYSPACE_CHANGED);
    return weft_redis_reply_integer(request, 1);
}

/* --- members at random --- */

/* Remove a member that the set itself has told, and reply it. 0; -ENOMEM: nothing was replied. */
static int pop_member(weft_redis_request *request, struct entry *entry,
                      const struct pack_item *member)
{
    char space[256];
    weft_slice text = pack_text(member, space);
    char *copy = text.size <= sizeof space ? space : kv_alloc(text.size);
    if (!copy)
        return -ENOMEM;
    memmove(copy, text.data, text.size);
    set_remove(entry, (weft_slice){ copy, text.size });
    int err = weft_redis_reply_string(request, copy, text.size);
    if (copy != space)
        kv_free(copy);
    return err;
}

static int pop_one(struct kv *kv, weft_redis_request *request, struct entry *entry)
{
    struct pack_item member;
    set_random(entry, &kv->keyspace.random, &member);
    uint64_t before = set_count(entry);
    int err = pop_member(request, entry, &member);
    if (set_count(entry) == before)
        return kv_reply_no_memory(request);
    keyspace_touch(&kv->keyspace, entry, KEYSPACE_CHANGED);
    return err;
}

static int pop_all(struct kv *kv, weft_redis_request *request, struct entry *entry)
{
    int err = weft_redis_reply_set(request, set_count(entry));
    if (err == 0)
        err = reply_members(request, entry);
    keyspace_delete(&kv->keyspace, request->args[1], kv_now(kv, request));
    return err;
}

/* Without memory it is as many as there was memory for. */
static int pop_some(struct kv *kv, weft_redis_request *request, struct entry *entry, uint64_t count)
{
    weft_redis_mark mark = weft_redis_reply_defer(request);
    uint64_t before = set_count(entry);
    struct pack_item member;
    for (int err = 0; err == 0 && before - set_count(entry) < count;) {
        set_random(entry, &kv->keyspace.random, &member);
        err = pop_member(request, entry, &member);
    }
    uint64_t popped = before - set_count(entry);
    if (popped > 0)
        keyspace_touch(&kv->keyspace, entry, KEYSPACE_CHANGED);
    return weft_redis_reply_set_deferred(request, mark, popped);
}

static int spop(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    struct entry *entry;
    int64_t count = 1;
    bool counted = request->count == 3;
    if (request->count > 3)
        return kv_reply_syntax(request);
    if (counted && !kv_read_integer_within(request, request->args[2], 0, INT64_MAX, &count))
        return 0;
    int found = kv_find(kv, request, request->args[1], ENTRY_SET, &entry);
    if (found < 0)
        return 0;
    if (!counted)
        return found ? pop_one(kv, request, entry) : weft_redis_reply_null(request);
    if (!found || count == 0)
        return weft_redis_reply_set(request, 0);
    if ((uint64_t)count >= set_count(entry))
        return pop_all(kv, request, entry);
    return pop_some(kv, request, entry, (uint64_t)count);
}

static int reply_repeated(struct kv *kv, weft_redis_request *request, const struct entry *entry,
                          uint64_t count)
{
    struct pack_item member;
    int err = weft_redis_reply_array(request, count);
    while (err == 0 && count-- > 0) {
        set_random(entry, &kv->keyspace.random, &member);
        err = kv_reply_item(request, &member);
    }
    return err;
}

/* Chosen in one walk. */
static int reply_chosen(struct kv *kv, weft_redis_request *request, const struct entry *entry,
                        uint64_t count)
{
    struct set_iterator iterator;
    struct pack_item member;
    uint64_t left = set_count(entry);
    int err = weft_redis_reply_array(request, count);
    set_iterate_begin(&iterator, entry);
    while (err == 0 && count > 0 && set_iterate_next(&iterator, &member))
        if (wf_random_below(&kv->keyspace.random, left--) < count) {
            err = kv_reply_item(request, &member);
            count--;
        }
    set_iterate_end(&iterator);
    return err;
}

/* Draw until there are so many. */
static int draw(struct kv *kv, const struct entry *entry, uint64_t count, struct entry *drawn)
{
    int err = 0;
    while (err >= 0 && set_count(drawn) < count) {
        struct pack_item member;
        char space[PACK_TEXT_MAX];
        set_random(entry, &kv->keyspace.random, &member);
        err = set_add(drawn, pack_text(&member, space), &kv->keyspace.limits);
    }
    return err < 0 ? err : 0;
}

static int reply_drawn(struct kv *kv, weft_redis_request *request, const struct entry *entry,
                       uint64_t count)
{
    struct entry *drawn = result_create(ENTRY_SET, (weft_slice){ NULL, 0 });
    if (!drawn || draw(kv, entry, count, drawn) < 0) {
        entry_free(drawn);
        return kv_reply_no_memory(request);
    }
    int err = weft_redis_reply_array(request, count);
    if (err == 0)
        err = reply_members(request, drawn);
    entry_free(drawn);
    return err;
}

static int reply_different(struct kv *kv, weft_redis_request *request, const struct entry *entry,
                           uint64_t count)
{
    uint64_t all = set_count(entry);
    if (count > all)
        count = all;
    bool few = entry->form == ENTRY_LARGE && count < all / 3;
    return few ? reply_drawn(kv, request, entry, count) : reply_chosen(kv, request, entry, count);
}

static int srandmember(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    struct entry *entry;
    struct pack_item member;
    int64_t count = 1;
    bool counted = request->count == 3;
    if (request->count > 3)
        return kv_reply_syntax(request);
    if (counted &&
        !kv_read_integer_within(request, request->args[2], -REPEATS_MAX, INT64_MAX, &count))
        return 0;
    int found = kv_find(kv, request, request->args[1], ENTRY_SET, &entry);
    if (found < 0)
        return 0;
    if (!found)
        return counted ? weft_redis_reply_array(request, 0) : weft_redis_reply_null(request);
    if (counted && count < 0)
        return reply_repeated(kv, request, entry, (uint64_t)-count);
    if (counted)
        return reply_different(kv, request, entry, (uint64_t)count);
    set_random(entry, &kv->keyspace.random, &member);
    return kv_reply_item(request, &member);
}

/* --- SSCAN --- */

struct visitor {
    weft_redis_request *request;
    const struct kv_scan *scan;
    uint64_t seen, replied;
};

static void visit_member(void *arg, const struct pack_item *member)
{
    struct visitor *visitor = arg;
    char space[PACK_TEXT_MAX];
    visitor->seen++;
    if (visitor->scan->pattern.data &&
        !weft_redis_match(visitor->scan->pattern, pack_text(member, space)))
        return;
    visitor->replied++;
    kv_reply_item(visitor->request, member); /* one that fails closes the client */
}

static uint64_t scan_set(const struct entry *entry, struct visitor *visitor)
{
    uint64_t cursor = visitor->scan->cursor;
    uint64_t left = visitor->scan->steps; /* parts that may have no member */
    do
        cursor = set_scan(entry, cursor, visit_member, visitor);
    while (cursor != 0 && visitor->seen < visitor->scan->steps && --left > 0);
    return cursor;
}

static int sscan(weft_redis_request *request, void *app)
{
    struct kv_scan scan;
    struct entry *entry;
    if (!kv_read_scan(request, 2, false, &scan))
        return 0;
    if (scan.no_values)
        return kv_reply_syntax(request);
    int found = kv_find(app, request, request->args[1], ENTRY_SET, &entry);
    if (found < 0)
        return 0;
    struct visitor visitor = { request, &scan, 0, 0 };
    weft_redis_mark mark = weft_redis_reply_defer(request);
    uint64_t cursor = found ? scan_set(entry, &visitor) : 0;
    return weft_redis_reply_scan_deferred(request, mark, cursor, visitor.replied);
}

#define READS .flags = WEFT_REDIS_READ, .first_key = 1, .last_key = 1, .group = "set"
#define FINDS                                                                                      \
    .flags = WEFT_REDIS_READ | WEFT_REDIS_FAST, .first_key = 1, .last_key = 1, .group = "set"
#define WRITES .flags = WEFT_REDIS_WRITE | WEFT_REDIS_FAST, .first_key = 1, .group = "set"

const weft_redis_command kv_set_commands[] = {
    { "sadd", sadd, .arity = -3, WRITES, .last_key = 1, .summary = "Adds members to a set." },
    { "srem", srem, .arity = -3, WRITES, .last_key = 1, .summary = "Removes members from a set." },
    { "sismember", sismember, .arity = 3, FINDS, .summary = "Tells whether a set has a member." },
    { "smismember", smismember, .arity = -3, FINDS,
      .summary = "Tells of several members whether a set has them." },
    { "scard", scard, .arity = 2, FINDS, .summary = "Counts the members of a set." },
    { "smembers", smembers, .arity = 2, READS, .summary = "Lists the members of a set." },
    { "smove", smove, .arity = 4, WRITES, .last_key = 2,
      .summary = "Moves a member from one set to another." },
    { "spop", spop, .arity = -2, WRITES, .last_key = 1, .summary = "Takes members out at random." },
    { "srandmember", srandmember, .arity = -2, READS, .summary = "Picks members at random." },
    { "sscan", sscan, .arity = -3, READS, .summary = "Goes through the members, part by part." },
    { 0 },
};
