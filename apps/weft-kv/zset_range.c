/* Commands of ranges of a sorted set: by rank, by score, by member.
 *
 *      bounds   what was said: 1 -1, (1 +inf, [a (b
 *      window   what of these: REV, LIMIT offset count
 *      span     the ranks that this comes to, in one set
 *
 * Every range is a range of ranks, so counting, replying, storing and removing are done by rank.
 * Where not all scores are equal a range of members means nothing, and may be any members. */

#include "weft-kv/kv.h"

#include "codec/resp.h"
#include "weft-kv/result.h"
#include "weft-kv/zset_answer.h"

#include <errno.h>

enum range_kind {
    RANGE_ANY, /* as the words behind it say; by rank when they say nothing */
    RANGE_RANK,
    RANGE_SCORE,
    RANGE_MEMBER,
};

/* One end of a range. */
struct bound {
    int64_t rank;
    double score;
    weft_slice member;
    int infinite; /* of members: -1 below all, 1 above all */
    bool open;    /* itself does not belong to it */
};

struct bounds {
    enum range_kind kind;
    struct bound least, most;
};

/* What of the bounds is meant. */
struct window {
    bool reverse;
    bool limited;
    int64_t offset, count; /* count below 0: all that are left */
};

/* --- bounds --- */

/* Redis is as lenient here as strtod: nothing is 0, and blanks in front do not count. */
static bool read_score(weft_slice text, struct bound *bound)
{
    size_t at = bound->open = text.size > 0 && text.data[0] == '(';
    if (at == text.size)
        return true;
    while (at < text.size &&
           (text.data[at] == ' ' || (text.data[at] >= '\t' && text.data[at] <= '\r')))
        at++;
    return at < text.size && wf_resp_read_double(text.data + at, text.size - at, &bound->score);
}

static bool read_member(weft_slice text, struct bound *bound)
{
    char sign = text.size > 0 ? text.data[0] : '\0';
    if (text.size == 1 && (sign == '-' || sign == '+')) {
        bound->infinite = sign == '-' ? -1 : 1;
        return true;
    }
    bound->open = sign == '(';
    if (text.size > 0)
        bound->member = (weft_slice){ text.data + 1, text.size - 1 };
    return sign == '(' || sign == '[';
}

/* False: what was wrong is replied. */
static bool bounds_read(weft_redis_request *request, enum range_kind kind, weft_slice least,
                        weft_slice most, struct bounds *bounds)
{
    *bounds = (struct bounds){ .kind = kind };
    if (kind == RANGE_RANK)
        return kv_read_integer(request, least, &bounds->least.rank) &&
               kv_read_integer(request, most, &bounds->most.rank);
    bool by_score = kind == RANGE_SCORE;
    bool (*read)(weft_slice, struct bound *) = by_score ? read_score : read_member;
    if (read(least, &bounds->least) && read(most, &bounds->most))
        return true;
    weft_redis_reply_error(request, by_score ? "ERR min or max is not a float"
                                             : "ERR min or max not valid string range item");
    return false;
}

/* How many are below this end, or, where it is the upper one, not above. */
static uint64_t below(const struct entry *entry, enum range_kind kind, const struct bound *bound,
                      bool upper)
{
    if (bound->infinite)
        return bound->infinite < 0 ? 0 : zset_count(entry);
    bool or_equal = upper != bound->open;
    if (kind == RANGE_SCORE)
        return zset_below_score(entry, bound->score, or_equal);
    return zset_below_member(entry, bound->member, or_equal);
}

static struct zset_span span_of_ranks(const struct entry *entry, const struct bounds *bounds,
                                      bool reverse)
{
    uint64_t all = zset_count(entry);
    int64_t first = bounds->least.rank, last = bounds->most.rank;
    struct zset_span span = { .reverse = reverse };
    if (!kv_cut_range(&first, &last, all))
        return span;
    span.count = (uint64_t)(last - first) + 1;
    span.first = reverse ? all - 1 - (uint64_t)last : (uint64_t)first;
    return span;
}

static struct zset_span span_of(const struct entry *entry, const struct bounds *bounds,
                                bool reverse)
{
    if (bounds->kind == RANGE_RANK)
        return span_of_ranks(entry, bounds, reverse);
    uint64_t first = below(entry, bounds->kind, &bounds->least, false);
    uint64_t end = below(entry, bounds->kind, &bounds->most, true);
    return (struct zset_span){ first, end > first ? end - first : 0, reverse };
}

static void span_limit(struct zset_span *span, const struct window *window)
{
    if (!window->limited)
        return;
    uint64_t skipped = (uint64_t)window->offset; /* a negative one is beyond all */
    if (skipped > span->count)
        skipped = span->count;
    uint64_t left = span->count - skipped;
    uint64_t count =
        window->count >= 0 && (uint64_t)window->count < left ? (uint64_t)window->count : left;
    span->first += span->reverse ? left - count : skipped;
    span->count = count;
}

/* --- counting and removing --- */

static int count_range(weft_redis_request *request, void *app, enum range_kind kind)
{
    struct bounds bounds;
    struct entry *entry;
    if (!bounds_read(request, kind, request->args[2], request->args[3], &bounds))
        return 0;
    int found = kv_find(app, request, request->args[1], ENTRY_ZSET, &entry);
    if (found < 0)
        return 0;
    uint64_t count = found ? span_of(entry, &bounds, false).count : 0;
    return weft_redis_reply_integer(request, (int64_t)count);
}

static int zcount(weft_redis_request *request, void *app)
{
    return count_range(request, app, RANGE_SCORE);
}

static int zlexcount(weft_redis_request *request, void *app)
{
    return count_range(request, app, RANGE_MEMBER);
}

static int remove_range(weft_redis_request *request, void *app, enum range_kind kind)
{
    struct kv *kv = app;
    struct bounds bounds;
    struct entry *entry;
    if (!bounds_read(request, kind, request->args[2], request->args[3], &bounds))
        return 0;
    int found = kv_find(kv, request, request->args[1], ENTRY_ZSET, &entry);
    if (found <= 0)
        return found < 0 ? 0 : weft_redis_reply_integer(request, 0);
    struct zset_span span = span_of(entry, &bounds, false);
    if (span.count > 0) {
        zset_drop(entry, span.first, span.count);
        keyspace_touch(&kv->keyspace, entry, KEYSPACE_CHANGED);
    }
    return weft_redis_reply_integer(request, (int64_t)span.count);
}

static int zremrangebyrank(weft_redis_request *request, void *app)
{
    return remove_range(request, app, RANGE_RANK);
}

static int zremrangebyscore(weft_redis_request *request, void *app)
{
    return remove_range(request, app, RANGE_SCORE);
}

static int zremrangebylex(weft_redis_request *request, void *app)
{
    return remove_range(request, app, RANGE_MEMBER);
}

/* --- ZRANGE and its kin --- */

/* A command's words, from the key on. */
struct query {
    enum range_kind kind;
    struct window window;
    struct bounds bounds;
    size_t key;    /* its index */
    bool may_turn; /* REV may be said */
    bool stores;   /* WITHSCORES may not */
    bool with_scores;
};

/* One word and what belongs to it. Returns the next one's index; 0: it is none. -EINVAL: and what
 * was wrong is replied. */
static ssize_t read_word(weft_redis_request *request, size_t index, struct query *query)
{
    weft_slice word = request->args[index];
    bool by_member = weft_redis_is(word, "bylex");
    if (!query->stores && weft_redis_is(word, "withscores")) {
        query->with_scores = true;
    } else if (weft_redis_is(word, "limit") && index + 2 < request->count) {
        query->window.limited = true;
        if (!kv_read_integer(request, request->args[index + 1], &query->window.offset) ||
            !kv_read_integer(request, request->args[index + 2], &query->window.count))
            return -EINVAL;
        return (ssize_t)index + 3;
    } else if (query->may_turn && !query->window.reverse && weft_redis_is(word, "rev")) {
        query->window.reverse = true;
    } else if (query->kind == RANGE_ANY && (by_member || weft_redis_is(word, "byscore"))) {
        query->kind = by_member ? RANGE_MEMBER : RANGE_SCORE;
    } else {
        return 0;
    }
    return (ssize_t)index + 1;
}

static bool read_words(weft_redis_request *request, struct query *query)
{
    for (size_t i = query->key + 3; i < request->count;) {
        ssize_t next = read_word(request, i, query);
        if (next <= 0) {
            if (next == 0)
                kv_reply_syntax(request);
            return false;
        }
        i = (size_t)next;
    }
    return true;
}

/* Whether the words go together. */
static bool check_words(weft_redis_request *request, struct query *query)
{
    if (query->kind == RANGE_ANY)
        query->kind = RANGE_RANK;
    const char *wrong = NULL;
    bool unlimited = !query->window.limited || query->window.count == -1;
    if (query->kind == RANGE_RANK && !unlimited)
        wrong = "LIMIT is only supported in combination with either BYSCORE or BYLEX";
    else if (query->kind == RANGE_MEMBER && query->with_scores)
        wrong = "WITHSCORES not supported in combination with BYLEX";
    if (wrong)
        weft_redis_reply_error(request, "ERR syntax error, %s", wrong);
    return !wrong;
}

/* In reverse the greater end is said first. */
static bool query_read(weft_redis_request *request, struct query *query)
{
    if (!read_words(request, query) || !check_words(request, query))
        return false;
    const weft_slice *ends = &request->args[query->key + 1];
    bool turned = query->window.reverse && query->kind != RANGE_RANK;
    return bounds_read(request, query->kind, ends[turned], ends[!turned], &query->bounds);
}

static struct zset_span query_span(const struct query *query, const struct entry *entry)
{
    struct zset_span span = span_of(entry, &query->bounds, query->window.reverse);
    if (query->kind != RANGE_RANK)
        span_limit(&span, &query->window);
    return span;
}

static int reply_range(weft_redis_request *request, void *app, struct query query)
{
    struct entry *entry;
    query.key = 1;
    if (!query_read(request, &query))
        return 0;
    int found = kv_find(app, request, request->args[1], ENTRY_ZSET, &entry);
    if (found <= 0)
        return found < 0 ? 0 : weft_redis_reply_array(request, 0);
    struct zset_span span = query_span(&query, entry);
    return zset_reply_span(request, entry, &span, query.with_scores);
}

static int zrange(weft_redis_request *request, void *app)
{
    return reply_range(request, app, (struct query){ .kind = RANGE_ANY, .may_turn = true });
}

static int zrevrange(weft_redis_request *request, void *app)
{
    struct query query = { .kind = RANGE_RANK, .window.reverse = true };
    return reply_range(request, app, query);
}

static int zrangebyscore(weft_redis_request *request, void *app)
{
    return reply_range(request, app, (struct query){ .kind = RANGE_SCORE });
}

static int zrevrangebyscore(weft_redis_request *request, void *app)
{
    struct query query = { .kind = RANGE_SCORE, .window.reverse = true };
    return reply_range(request, app, query);
}

static int zrangebylex(weft_redis_request *request, void *app)
{
    return reply_range(request, app, (struct query){ .kind = RANGE_MEMBER });
}

static int zrevrangebylex(weft_redis_request *request, void *app)
{
    struct query query = { .kind = RANGE_MEMBER, .window.reverse = true };
    return reply_range(request, app, query);
}

struct storing {
    const struct kv_limits *limits;
    struct entry *result;
};

static int take_to_store(void *arg, const struct pack_item *member, double score)
{
    struct storing *storing = arg;
    char space[PACK_TEXT_MAX];
    int err = zset_set(storing->result, pack_text(member, space), score, storing->limits);
    return err < 0 ? err : 0;
}

static int zrangestore(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    struct entry *entry;
    struct query query = { .kind = RANGE_ANY, .key = 2, .may_turn = true, .stores = true };
    if (!query_read(request, &query))
        return 0;
    int found = kv_find(kv, request, request->args[2], ENTRY_ZSET, &entry);
    if (found < 0)
        return 0;
    struct storing storing = { &kv->keyspace.limits, result_create(ENTRY_ZSET, request->args[1]) };
    int err = storing.result ? 0 : -ENOMEM;
    if (found && err == 0) {
        struct zset_span span = query_span(&query, entry);
        err = zset_each(entry, &span, take_to_store, &storing);
    }
    if (err == 0)
        return result_store(kv, request, storing.result);
    entry_free(storing.result);
    return kv_reply_no_memory(request);
}

#define READS  .flags = WEFT_REDIS_READ, .first_key = 1, .last_key = 1, .group = "sorted-set"
#define WRITES .flags = WEFT_REDIS_WRITE, .first_key = 1, .last_key = 1, .group = "sorted-set"

const weft_redis_command kv_zset_range_commands[] = {
    { "zcount", zcount, .arity = 4, READS, .summary = "Counts members in a range of scores." },
    { "zlexcount", zlexcount, .arity = 4, READS, .summary = "Counts members in a range of names." },
    { "zrange", zrange, .arity = -4, READS,
      .summary = "Lists a range of members by rank, score or name." },
    { "zrevrange", zrevrange, .arity = -4, READS,
      .summary = "Lists a range of ranks, the last first." },
    { "zrangebyscore", zrangebyscore, .arity = -4, READS, .summary = "Lists a range of scores." },
    { "zrevrangebyscore", zrevrangebyscore, .arity = -4, READS,
      .summary = "Lists a range of scores, the greatest first." },
    { "zrangebylex", zrangebylex, .arity = -4, READS, .summary = "Lists a range of names." },
    { "zrevrangebylex", zrevrangebylex, .arity = -4, READS,
      .summary = "Lists a range of names, the last first." },
    { "zrangestore", zrangestore, .arity = -5, .flags = WEFT_REDIS_WRITE, .first_key = 1,
      .last_key = 2, .group = "sorted-set", .summary = "Stores a range under another key." },
    { "zremrangebyrank", zremrangebyrank, .arity = 4, WRITES,
      .summary = "Removes a range of ranks." },
    { "zremrangebyscore", zremrangebyscore, .arity = 4, WRITES,
      .summary = "Removes a range of scores." },
    { "zremrangebylex", zremrangebylex, .arity = 4, WRITES,
      .summary = "Removes a range of names." },
    { 0 },
};
