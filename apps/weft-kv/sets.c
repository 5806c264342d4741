/* Commands of sets, one at a time; several together are in set_algebra.c. */

#include "weft-kv/kv.h"

#include "weft-kv/memory.h"
#include "weft-kv/picks.h"
#include "weft-kv/scans.h"

#include <errno.h>
#include <string.h>

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

/* Remove a member that the set itself has told, and reply it. 0, also where a transaction, which is
 * executed whole, finds no room for the reply; else an error: there is no more to be done. */
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
    return request->in_transaction ? 0 : err;
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

static void draw_member(const struct entry *entry, struct wf_random *random, struct pick *pick)
{
    set_random(entry, random, &pick->member);
}

static int each_member(const struct entry *entry, pick_take *take, void *arg)
{
    struct set_iterator iterator;
    struct pick pick;
    int err = 0;
    set_iterate_begin(&iterator, entry);
    while (err == 0 && set_iterate_next(&iterator, &pick.member))
        err = take(arg, &pick);
    set_iterate_end(&iterator);
    return err;
}

static int srandmember(weft_redis_request *request, void *app)
{
    static const struct pick_kind kind = { .type = ENTRY_SET,
                                           .draw = draw_member,
                                           .each = each_member };
    return picks_reply(app, request, &kind);
}

/* --- SSCAN --- */

static void visit_member(void *arg, const struct pack_item *member)
{
    struct scanning *scanning = arg;
    if (!scans_wants(scanning, member))
        return;
    scanning->replied++;
    kv_reply_item(scanning->request, member); /* one that fails closes the client */
}

static uint64_t visit_part(const struct entry *entry, uint64_t cursor, struct scanning *scanning)
{
    return set_scan(entry, cursor, visit_member, scanning);
}

static int sscan(weft_redis_request *request, void *app)
{
    return scans_reply(app, request, ENTRY_SET, visit_part);
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
