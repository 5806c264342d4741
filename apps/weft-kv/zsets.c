/* Commands of one sorted set, by member. Ranges are in zset_range.c, what takes members out in
 * zset_pops.c, and several sets together in zset_algebra.c.
 *
 * ZADD reads all its scores before it looks at the key, so one that is wrong has changed nothing.
 */

#include "weft-kv/kv.h"

#include "codec/resp.h"
#include "weft-kv/picks.h"
#include "weft-kv/scans.h"
#include "weft-kv/zset_answer.h"

#include <errno.h>
#include <math.h>

/* --- ZADD, ZINCRBY --- */

struct adding {
    bool only_new, only_old;      /* NX, XX */
    bool only_greater, only_less; /* GT, LT */
    bool counts_changes;          /* CH */
    bool increments;              /* INCR */
    size_t first;                 /* where scores and members begin, by turns */
};

enum added {
    ADDED_NOTHING, /* the options forbid it */
    ADDED_SAME,    /* it has this score already */
    ADDED_NEW,
    ADDED_CHANGED,
};

static bool read_option(weft_slice word, struct adding *adding)
{
    bool *option = weft_redis_is(word, "nx")     ? &adding->only_new
                   : weft_redis_is(word, "xx")   ? &adding->only_old
                   : weft_redis_is(word, "gt")   ? &adding->only_greater
                   : weft_redis_is(word, "lt")   ? &adding->only_less
                   : weft_redis_is(word, "ch")   ? &adding->counts_changes
                   : weft_redis_is(word, "incr") ? &adding->increments
                                                 : NULL;
    if (option)
        *option = true;
    return option != NULL;
}

/* What is wrong with the options, or NULL. */
static const char *fault_of(const struct adding *adding, size_t rest)
{
    bool directed = adding->only_greater || adding->only_less;
    if (rest == 0 || rest % 2 != 0)
        return "ERR syntax error";
    if (adding->only_new && adding->only_old)
        return "ERR XX and NX options at the same time are not compatible";
    if ((directed && adding->only_new) || (adding->only_greater && adding->only_less))
        return "ERR GT, LT, and/or NX options at the same time are not compatible";
    if (adding->increments && rest > 2)
        return "ERR INCR option supports a single increment-element pair";
    return NULL;
}

static bool read_options(weft_redis_request *request, struct adding *adding)
{
    while (adding->first < request->count && read_option(request->args[adding->first], adding))
        adding->first++;
    const char *fault = fault_of(adding, request->count - adding->first);
    if (fault)
        weft_redis_reply_error(request, "%s", fault);
    return !fault;
}

static bool check_scores(weft_redis_request *request, size_t first)
{
    double score;
    for (size_t i = first; i < request->count; i += 2)
        if (!kv_read_double(request, request->args[i], &score))
            return false;
    return true;
}

/* *score becomes the member's. What was added, or -ENOMEM, or -EDOM: it would be no number. */
static int add_one(struct entry *entry, weft_slice member, const struct adding *adding,
                   double *score, const struct kv_limits *limits)
{
    double old;
    if (!zset_score(entry, member, &old)) {
        if (adding->only_old)
            return ADDED_NOTHING;
        return zset_set(entry, member, *score, limits) < 0 ? -ENOMEM : ADDED_NEW;
    }
    if (adding->only_new)
        return ADDED_NOTHING;
    if (adding->increments)
        *score += old;
    if (isnan(*score))
        return -EDOM;
    if ((adding->only_less && *score >= old) || (adding->only_greater && *score <= old))
        return ADDED_NOTHING;
    if (*score == old)
        return ADDED_SAME;
    return zset_set(entry, member, *score, limits) < 0 ? -ENOMEM : ADDED_CHANGED;
}

static int reply_added(weft_redis_request *request, const struct adding *adding, int added,
                       double score, int64_t counted)
{
    if (added == -ENOMEM)
        return kv_reply_no_memory(request);
    if (added == -EDOM)
        return weft_redis_reply_error(request, "ERR resulting score is not a number (NaN)");
    if (!adding->increments)
        return weft_redis_reply_integer(request, counted);
    return added == ADDED_NOTHING ? weft_redis_reply_null(request)
                                  : weft_redis_reply_double(request, score);
}

/* A key that is not there is not made for what may change only what is there. */
static int find_to_add(struct kv *kv, weft_redis_request *request, const struct adding *adding,
                       struct entry **entry)
{
    weft_slice key = request->args[1];
    if (adding->only_old)
        return kv_find(kv, request, key, ENTRY_ZSET, entry);
    return kv_obtain(kv, request, key, ENTRY_ZSET, entry);
}

static int add(struct kv *kv, weft_redis_request *request, const struct adding *adding)
{
    struct entry *entry;
    if (!check_scores(request, adding->first))
        return 0;
    int found = find_to_add(kv, request, adding, &entry);
    if (found < 0)
        return 0;
    if (!found && adding->only_old)
        return reply_added(request, adding, ADDED_NOTHING, 0, 0);
    int64_t created = 0, changed = 0;
    int added = 0;
    double score = 0;
    for (size_t i = adding->first; i < request->count && added >= 0; i += 2) {
        kv_read_double(request, request->args[i], &score);
        added = add_one(entry, request->args[i + 1], adding, &score, &kv->keyspace.limits);
        created += added == ADDED_NEW;
        changed += added == ADDED_CHANGED;
    }
    if (!found || created + changed > 0)
        keyspace_touch(&kv->keyspace, entry, found ? KEYSPACE_CHANGED : KEYSPACE_SET);
    return reply_added(request, adding, added, score,
                       adding->counts_changes ? created + changed : created);
}

static int zadd(weft_redis_request *request, void *app)
{
    struct adding adding = { .first = 2 };
    return read_options(request, &adding) ? add(app, request, &adding) : 0;
}

static int zincrby(weft_redis_request *request, void *app)
{
    struct adding adding = { .increments = true, .first = 2 };
    return add(app, request, &adding);
}

/* --- members --- */

static int zrem(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    struct entry *entry;
    int found = kv_find(kv, request, request->args[1], ENTRY_ZSET, &entry);
    if (found < 0)
        return 0;
    int64_t count = 0;
    for (size_t i = 2; found && i < request->count; i++)
        count += zset_remove(entry, request->args[i]);
    if (count > 0)
        keyspace_touch(&kv->keyspace, entry, KEYSPACE_CHANGED);
    return weft_redis_reply_integer(request, count);
}

/* `entry` is NULL where there is no key. */
static int reply_score(weft_redis_request *request, const struct entry *entry, weft_slice member)
{
    double score;
    if (!entry || !zset_score(entry, member, &score))
        return weft_redis_reply_null(request);
    return weft_redis_reply_double(request, score);
}

static int zscore(weft_redis_request *request, void *app)
{
    struct entry *entry;
    int found = kv_find(app, request, request->args[1], ENTRY_ZSET, &entry);
    if (found < 0)
        return 0;
    return reply_score(request, found ? entry : NULL, request->args[2]);
}

static int zmscore(weft_redis_request *request, void *app)
{
    struct entry *entry;
    int found = kv_find(app, request, request->args[1], ENTRY_ZSET, &entry);
    if (found < 0)
        return 0;
    int err = weft_redis_reply_array(request, request->count - 2);
    for (size_t i = 2; i < request->count && err == 0; i++)
        err = reply_score(request, found ? entry : NULL, request->args[i]);
    return err;
}

static int zcard(weft_redis_request *request, void *app)
{
    struct entry *entry;
    int found = kv_find(app, request, request->args[1], ENTRY_ZSET, &entry);
    if (found < 0)
        return 0;
    return weft_redis_reply_integer(request, found ? (int64_t)zset_count(entry) : 0);
}

static int reply_rank(weft_redis_request *request, const struct entry *entry, bool reverse,
                      bool with_score)
{
    uint64_t rank;
    double score;
    weft_slice member = request->args[2];
    if (!entry || !zset_rank(entry, member, &rank))
        return with_score ? weft_redis_reply_null_array(request) : weft_redis_reply_null(request);
    if (reverse)
        rank = zset_count(entry) - 1 - rank;
    if (!with_score)
        return weft_redis_reply_integer(request, (int64_t)rank);
    zset_score(entry, member, &score);
    weft_redis_reply_array(request, 2);
    weft_redis_reply_integer(request, (int64_t)rank);
    return weft_redis_reply_double(request, score);
}

static int find_rank(weft_redis_request *request, void *app, bool reverse)
{
    struct entry *entry;
    if (request->count > 4)
        return kv_reply_arity(request, reverse ? "zrevrank" : "zrank");
    bool with_score = request->count == 4;
    if (with_score && !weft_redis_is(request->args[3], "withscore"))
        return kv_reply_syntax(request);
    int found = kv_find(app, request, request->args[1], ENTRY_ZSET, &entry);
    if (found < 0)
        return 0;
    return reply_rank(request, found ? entry : NULL, reverse, with_score);
}

static int zrank(weft_redis_request *request, void *app)
{
    return find_rank(request, app, false);
}

static int zrevrank(weft_redis_request *request, void *app)
{
    return find_rank(request, app, true);
}

/* --- members at random --- */

static void draw_member(const struct entry *entry, struct wf_random *random, struct pick *pick)
{
    struct zset_cursor cursor;
    zset_seek(entry, wf_random_below(random, zset_count(entry)), &cursor);
    pick->member = zset_read(entry, &cursor, &pick->score);
}

static void find_member(const struct entry *entry, weft_slice member, struct pick *pick)
{
    zset_score(entry, member, &pick->score);
}

struct taking {
    pick_take *take;
    void *arg;
};

static int take_member(void *arg, const struct pack_item *member, double score)
{
    const struct taking *taking = arg;
    struct pick pick = { .member = *member, .score = score };
    return taking->take(taking->arg, &pick);
}

static int each_member(const struct entry *entry, pick_take *take, void *arg)
{
    struct zset_span all = { .count = zset_count(entry) };
    struct taking taking = { take, arg };
    return zset_each(entry, &all, take_member, &taking);
}

static int reply_its_score(weft_redis_request *request, const struct pick *pick)
{
    return weft_redis_reply_double(request, pick->score);
}

static int zrandmember(weft_redis_request *request, void *app)
{
    static const struct pick_kind kind = { .type = ENTRY_ZSET,
                                           .word = "withscores",
                                           .draw = draw_member,
                                           .find = find_member,
                                           .each = each_member,
                                           .reply_beside = reply_its_score };
    return picks_reply(app, request, &kind);
}

/* --- ZSCAN --- */

/* Scores are text here, in both versions. */
static void visit_member(void *arg, const struct pack_item *member, double score)
{
    struct scanning *scanning = arg;
    char text[WF_RESP_DOUBLE_MAX];
    if (!scans_wants(scanning, member))
        return;
    scanning->replied += 2;
    kv_reply_item(scanning->request, member); /* one that fails closes the client */
    weft_redis_reply_string(scanning->request, text, wf_resp_print_double(text, score));
}

static uint64_t visit_part(const struct entry *entry, uint64_t cursor, struct scanning *scanning)
{
    return zset_scan(entry, cursor, visit_member, scanning);
}

static int zscan(weft_redis_request *request, void *app)
{
    return scans_reply(app, request, ENTRY_ZSET, visit_part);
}

#define READS .flags = WEFT_REDIS_READ, .first_key = 1, .last_key = 1, .group = "sorted-set"
#define FINDS                                                                                      \
    .flags = WEFT_REDIS_READ | WEFT_REDIS_FAST, .first_key = 1, .last_key = 1, .group = "sorted-set"
#define WRITES                                                                                     \
    .flags = WEFT_REDIS_WRITE | WEFT_REDIS_FAST, .first_key = 1, .last_key = 1,                    \
    .group = "sorted-set"

const weft_redis_command kv_zset_commands[] = {
    { "zadd", zadd, .arity = -4, WRITES, .summary = "Adds members, or gives them other scores." },
    { "zincrby", zincrby, .arity = 4, WRITES, .summary = "Adds to the score of a member." },
    { "zrem", zrem, .arity = -3, WRITES, .summary = "Removes members." },
    { "zscore", zscore, .arity = 3, FINDS, .summary = "Tells the score of a member." },
    { "zmscore", zmscore, .arity = -3, FINDS, .summary = "Tells the scores of several members." },
    { "zcard", zcard, .arity = 2, FINDS, .summary = "Counts the members." },
    { "zrank", zrank, .arity = -3, FINDS, .summary = "Tells how many members are below one." },
    { "zrevrank", zrevrank, .arity = -3, FINDS,
      .summary = "Tells how many members are above one." },
    { "zrandmember", zrandmember, .arity = -2, READS, .summary = "Picks members at random." },
    { "zscan", zscan, .arity = -3, READS, .summary = "Goes through the members, part by part." },
    { 0 },
};
