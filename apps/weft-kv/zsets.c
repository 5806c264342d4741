/* Commands of one sorted set, by member. Ranges are in zset_range.c, what takes members out in
 * zset_pops.c, and several sets together in zset_algebra.c.
 *
 * ZADD reads all its scores before it looks at the key, so one that is wrong has changed nothing.
 */

#include "weft-kv/kv.h"

#include "codec/resp.h"
#include "weft-kv/result.h"
#include "weft-kv/zset_answer.h"

#include <errno.h>
#include <math.h>

#define REPEATS_MAX (1 << 24) /* members that one ZRANDMEMBER may ask for again and again */

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
        return weft_redis_reply_error(request, "ERR wrong number of arguments for '%s' command",
                                      reverse ? "zrevrank" : "zrank");
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

static int reply_member(weft_redis_request *request, const struct entry *entry, uint64_t rank,
                        bool with_scores)
{
    struct zset_cursor cursor;
    double score;
    zset_seek(entry, rank, &cursor);
    struct pack_item member = zset_read(entry, &cursor, &score);
    return zset_reply_pair(request, &member, score, with_scores);
}

static int reply_repeated(struct kv *kv, weft_redis_request *request, const struct entry *entry,
                          uint64_t count, bool with_scores)
{
    uint64_t all = zset_count(entry);
    int err = zset_reply_head(request, count, with_scores);
    while (err == 0 && count-- > 0)
        err = reply_member(request, entry, wf_random_below(&kv->keyspace.random, all), with_scores);
    return err;
}

/* Many of few: each is taken with the chance (still wanted / still to come). */
struct choosing {
    struct kv *kv;
    weft_redis_request *request;
    uint64_t wanted, left;
    bool with_scores;
};

static int choose(void *arg, const struct pack_item *member, double score)
{
    struct choosing *choosing = arg;
    if (wf_random_below(&choosing->kv->keyspace.random, choosing->left--) >= choosing->wanted)
        return 0;
    choosing->wanted--;
    return zset_reply_pair(choosing->request, member, score, choosing->with_scores);
}

static int reply_chosen(struct kv *kv, weft_redis_request *request, const struct entry *entry,
                        uint64_t count, bool with_scores)
{
    struct zset_span all = { .count = zset_count(entry) };
    struct choosing choosing = { kv, request, count, all.count, with_scores };
    int err = zset_reply_head(request, count, with_scores);
    return err < 0 ? err : zset_each(entry, &all, choose, &choosing);
}

/* Few of many: ranks are drawn until there are so many different ones. */
static int draw_ranks(struct kv *kv, uint64_t all, uint64_t count, struct entry *ranks)
{
    char space[PACK_TEXT_MAX];
    int err = 0;
    while (err >= 0 && set_count(ranks) < count) {
        struct pack_item rank = { .integer = (int64_t)wf_random_below(&kv->keyspace.random, all) };
        err = set_add(ranks, pack_text(&rank, space), &kv->keyspace.limits);
    }
    return err < 0 ? err : 0;
}

static int reply_ranks(weft_redis_request *request, const struct entry *entry,
                       const struct entry *ranks, bool with_scores)
{
    struct set_iterator iterator;
    struct pack_item rank;
    char space[PACK_TEXT_MAX];
    int err = zset_reply_head(request, set_count(ranks), with_scores);
    set_iterate_begin(&iterator, ranks);
    while (err == 0 && set_iterate_next(&iterator, &rank)) {
        int64_t number = 0;
        kv_parse_integer(pack_text(&rank, space), &number);
        err = reply_member(request, entry, (uint64_t)number, with_scores);
    }
    set_iterate_end(&iterator);
    return err;
}

static int reply_drawn(struct kv *kv, weft_redis_request *request, const struct entry *entry,
                       uint64_t count, bool with_scores)
{
    struct entry *ranks = result_create(ENTRY_SET, (weft_slice){ NULL, 0 });
    int err;
    if (!ranks || draw_ranks(kv, zset_count(entry), count, ranks) < 0)
        err = kv_reply_no_memory(request);
    else
        err = reply_ranks(request, entry, ranks, with_scores);
    entry_free(ranks);
    return err;
}

static int reply_different(struct kv *kv, weft_redis_request *request, const struct entry *entry,
                           uint64_t count, bool with_scores)
{
    uint64_t all = zset_count(entry);
    if (count > all)
        count = all;
    bool few = entry->form == ENTRY_LARGE && count < all / 3;
    return (few ? reply_drawn : reply_chosen)(kv, request, entry, count, with_scores);
}

static int zrandmember(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    struct entry *entry;
    int64_t count = 1;
    bool counted = request->count > 2, with_scores = request->count == 4;
    if (counted &&
        !kv_read_integer_within(request, request->args[2], -REPEATS_MAX, INT64_MAX, &count))
        return 0;
    if (request->count > 4 || (with_scores && !weft_redis_is(request->args[3], "withscores")))
        return kv_reply_syntax(request);
    if (with_scores && count > INT64_MAX / 2)
        return weft_redis_reply_error(request, "ERR value is out of range");
    int found = kv_find(kv, request, request->args[1], ENTRY_ZSET, &entry);
    if (found < 0)
        return 0;
    if (!found)
        return counted ? weft_redis_reply_array(request, 0) : weft_redis_reply_null(request);
    if (!counted)
        return reply_member(request, entry,
                            wf_random_below(&kv->keyspace.random, zset_count(entry)), false);
    if (count < 0)
        return reply_repeated(kv, request, entry, (uint64_t)-count, with_scores);
    return reply_different(kv, request, entry, (uint64_t)count, with_scores);
}

/* --- ZSCAN --- */

struct visitor {
    weft_redis_request *request;
    const struct kv_scan *scan;
    uint64_t seen, replied;
};

/* Scores are text here, in both versions. */
static void reply_text_of(weft_redis_request *request, double score)
{
    char text[WF_RESP_DOUBLE_MAX];
    weft_redis_reply_string(request, text, wf_resp_print_double(text, score));
}

static void visit_member(void *arg, const struct pack_item *member, double score)
{
    struct visitor *visitor = arg;
    char space[PACK_TEXT_MAX];
    visitor->seen++;
    if (visitor->scan->pattern.data &&
        !weft_redis_match(visitor->scan->pattern, pack_text(member, space)))
        return;
    visitor->replied += 2;
    kv_reply_item(visitor->request, member); /* one that fails closes the client */
    reply_text_of(visitor->request, score);
}

static uint64_t scan_zset(const struct entry *entry, struct visitor *visitor)
{
    uint64_t cursor = visitor->scan->cursor;
    uint64_t left = visitor->scan->steps; /* parts that may have no member */
    do
        cursor = zset_scan(entry, cursor, visit_member, visitor);
    while (cursor != 0 && visitor->seen < visitor->scan->steps && --left > 0);
    return cursor;
}

static int zscan(weft_redis_request *request, void *app)
{
    struct kv_scan scan;
    struct entry *entry;
    if (!kv_read_scan(request, 2, false, &scan))
        return 0;
    if (scan.no_values)
        return kv_reply_syntax(request);
    int found = kv_find(app, request, request->args[1], ENTRY_ZSET, &entry);
    if (found < 0)
        return 0;
    struct visitor visitor = { request, &scan, 0, 0 };
    weft_redis_mark mark = weft_redis_reply_defer(request);
    uint64_t cursor = found ? scan_zset(entry, &visitor) : 0;
    return weft_redis_reply_scan_deferred(request, mark, cursor, visitor.replied);
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
