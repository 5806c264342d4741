/* Commands of several sorted sets: what they have in common, altogether, and the first one alone.
 *
 *      ZINTER   members of the smallest that all others have             smallest × sets
 *      ZUNION   all members                                              all members
 *      ZDIFF    members of the first that no other has, or               first × sets
 *               a copy of the first, without the members of the others   all members
 *
 * A member of several has their scores, each times the weight of its set, added up, or the least or
 * the greatest of them. Results are made in a sorted set beside the keyspace, for their order, and
 * then replied or stored; so a destination may be among the sources. */

#include "weft-kv/kv.h"

#include "codec/resp.h"
#include "weft-kv/memory.h"
#include "weft-kv/result.h"
#include "weft-kv/zset_answer.h"
#include "weft-kv/zset_source.h"

#include <errno.h>
#include <math.h>

enum aggregate {
    AGGREGATE_SUM,
    AGGREGATE_MIN,
    AGGREGATE_MAX,
};

/* What was asked for. Entries stay where they are while others are found, and none that was found
 * expires during its command: its time stands still. */
struct plan {
    struct zset_source *sources;
    size_t count;
    enum aggregate aggregate;
    bool with_scores;
    uint64_t limit; /* as many are enough */
};

/* What the result is made in; NULL: it is counted alone. */
struct outcome {
    const struct kv_limits *limits;
    struct entry *entry;
    uint64_t count;
};

typedef int combine(const struct plan *plan, struct outcome *outcome);

/* --- reading --- */

/* "numkeys", and so many keys behind it. */
static bool read_keys(weft_redis_request *request, size_t index, const char *name, size_t *count)
{
    int64_t keys;
    if (!kv_read_integer(request, request->args[index], &keys))
        return false;
    bool fits = keys > 0 && (uint64_t)keys <= request->count - index - 1;
    if (keys < 1)
        weft_redis_reply_error(request, "ERR at least 1 input key is needed for '%s' command",
                               name);
    else if (!fits)
        kv_reply_syntax(request);
    *count = (size_t)keys;
    return fits;
}

static bool find_sources(struct kv *kv, weft_redis_request *request, size_t first,
                         struct plan *plan)
{
    int64_t now = kv_now(kv, request);
    for (size_t i = 0; i < plan->count; i++) {
        struct entry *entry = keyspace_find(&kv->keyspace, request->args[first + i], now);
        if (entry && entry->type != ENTRY_ZSET && entry->type != ENTRY_SET) {
            kv_reply_wrong_type(request);
            return false;
        }
        plan->sources[i] = (struct zset_source){ entry, 1 };
    }
    return true;
}

static bool read_weights(weft_redis_request *request, size_t first, struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        weft_slice text = request->args[first + i];
        if (!wf_resp_read_double(text.data, text.size, &plan->sources[i].weight)) {
            weft_redis_reply_error(request, "ERR weight value is not a float");
            return false;
        }
    }
    return true;
}

static bool read_aggregate(weft_slice word, struct plan *plan)
{
    static const char *const names[] = {
        [AGGREGATE_SUM] = "sum", [AGGREGATE_MIN] = "min", [AGGREGATE_MAX] = "max"
    };
    for (enum aggregate i = AGGREGATE_SUM; i <= AGGREGATE_MAX; i++)
        if (weft_redis_is(word, names[i])) {
            plan->aggregate = i;
            return true;
        }
    return false;
}

/* What words a command has. */
enum words {
    WORDS_WEIGHTS = 1 << 0, /* and AGGREGATE */
    WORDS_SCORES = 1 << 1,
};

/* The word at `index` and what belongs to it: how many arguments that is; 0: it is none; -EINVAL:
 * and what was wrong is replied. */
static int read_word(weft_redis_request *request, size_t index, unsigned words, struct plan *plan)
{
    weft_slice word = request->args[index];
    size_t rest = request->count - index - 1;
    if ((words & WORDS_WEIGHTS) && rest >= plan->count && weft_redis_is(word, "weights"))
        return read_weights(request, index + 1, plan) ? (int)plan->count + 1 : -EINVAL;
    if ((words & WORDS_WEIGHTS) && rest >= 1 && weft_redis_is(word, "aggregate"))
        return read_aggregate(request->args[index + 1], plan) ? 2 : 0;
    if ((words & WORDS_SCORES) && weft_redis_is(word, "withscores")) {
        plan->with_scores = true;
        return 1;
    }
    return 0;
}

static bool read_words(weft_redis_request *request, size_t index, unsigned words, struct plan *plan)
{
    while (index < request->count) {
        int used = read_word(request, index, words, plan);
        if (used <= 0) {
            if (used == 0)
                kv_reply_syntax(request);
            return false;
        }
        index += (size_t)used;
    }
    return true;
}

/* "numkeys key [key ...]" from this index on. False: what was wrong is replied. */
static bool plan_begin(struct kv *kv, weft_redis_request *request, size_t index, const char *name,
                       struct plan *plan)
{
    *plan = (struct plan){ .limit = UINT64_MAX };
    if (!read_keys(request, index, name, &plan->count))
        return false;
    plan->sources = kv_alloc(plan->count * sizeof *plan->sources);
    if (!plan->sources) {
        kv_reply_no_memory(request);
        return false;
    }
    if (find_sources(kv, request, index + 1, plan))
        return true;
    kv_free(plan->sources);
    return false;
}

/* --- combining --- */

static double aggregated(enum aggregate aggregate, double a, double b)
{
    if (aggregate == AGGREGATE_MIN)
        return b < a ? b : a;
    if (aggregate == AGGREGATE_MAX)
        return b > a ? b : a;
    return isnan(a + b) ? 0 : a + b; /* both infinities */
}

static int outcome_take(struct outcome *outcome, const struct pack_item *member, double score)
{
    char space[PACK_TEXT_MAX];
    outcome->count++;
    if (!outcome->entry)
        return 0;
    int err = zset_set(outcome->entry, pack_text(member, space), score, outcome->limits);
    return err < 0 ? err : 0;
}

/* Whether all others have the member, whose score then counts all. */
static bool all_have(const struct plan *plan, size_t except, weft_slice member, double *score)
{
    for (size_t i = 0; i < plan->count; i++) {
        double other;
        if (i == except)
            continue;
        if (!zset_source_score(&plan->sources[i], member, &other))
            return false;
        *score = aggregated(plan->aggregate, *score, other);
    }
    return true;
}

static int intersect(const struct plan *plan, struct outcome *outcome)
{
    struct zset_walk walk;
    struct pack_item member;
    double score;
    char space[PACK_TEXT_MAX];
    size_t smallest = 0;
    int err = 0;
    for (size_t i = 1; i < plan->count; i++)
        if (zset_source_count(&plan->sources[i]) < zset_source_count(&plan->sources[smallest]))
            smallest = i;
    zset_walk_begin(&walk, &plan->sources[smallest]);
    while (err == 0 && outcome->count < plan->limit && zset_walk_next(&walk, &member, &score))
        if (all_have(plan, smallest, pack_text(&member, space), &score))
            err = outcome_take(outcome, &member, score);
    zset_walk_end(&walk);
    return err;
}

/* Add the members of a source to the outcome. */
static int unite_one(const struct plan *plan, const struct zset_source *source,
                     struct outcome *outcome)
{
    struct zset_walk walk;
    struct pack_item member;
    double score, before;
    char space[PACK_TEXT_MAX];
    int err = 0;
    zset_walk_begin(&walk, source);
    while (err == 0 && zset_walk_next(&walk, &member, &score)) {
        if (zset_score(outcome->entry, pack_text(&member, space), &before))
            score = aggregated(plan->aggregate, before, score);
        err = outcome_take(outcome, &member, score);
    }
    zset_walk_end(&walk);
    return err;
}

static int unite(const struct plan *plan, struct outcome *outcome)
{
    int err = 0;
    for (size_t i = 0; i < plan->count && err == 0; i++)
        err = unite_one(plan, &plan->sources[i], outcome);
    return err;
}

static bool any_has(const struct plan *plan, weft_slice member)
{
    double score;
    for (size_t i = 1; i < plan->count; i++)
        if (zset_source_score(&plan->sources[i], member, &score))
            return true;
    return false;
}

static int subtract_by_looking(const struct plan *plan, struct outcome *outcome)
{
    struct zset_walk walk;
    struct pack_item member;
    double score;
    char space[PACK_TEXT_MAX];
    int err = 0;
    zset_walk_begin(&walk, &plan->sources[0]);
    while (err == 0 && zset_walk_next(&walk, &member, &score))
        if (!any_has(plan, pack_text(&member, space)))
            err = outcome_take(outcome, &member, score);
    zset_walk_end(&walk);
    return err;
}

static void remove_all(const struct zset_source *source, struct entry *entry)
{
    struct zset_walk walk;
    struct pack_item member;
    double score;
    char space[PACK_TEXT_MAX];
    zset_walk_begin(&walk, source);
    while (zset_count(entry) > 0 && zset_walk_next(&walk, &member, &score))
        zset_remove(entry, pack_text(&member, space));
    zset_walk_end(&walk);
}

static int subtract_by_removing(const struct plan *plan, struct outcome *outcome)
{
    int err = unite_one(plan, &plan->sources[0], outcome);
    for (size_t i = 1; i < plan->count && err == 0; i++)
        remove_all(&plan->sources[i], outcome->entry);
    return err;
}

static int subtract(const struct plan *plan, struct outcome *outcome)
{
    uint64_t removing = 0, looking = plan->count * zset_source_count(&plan->sources[0]);
    for (size_t i = 0; i < plan->count; i++)
        removing += zset_source_count(&plan->sources[i]);
    return (removing < looking / 2 ? subtract_by_removing : subtract_by_looking)(plan, outcome);
}

/* --- commands --- */

/* A command, and how it is done. */
struct operation {
    const char *name; /* of the command */
    combine *combine;
    unsigned words;
};

/* The result of "numkeys key ..." from this index on, to be stored under `key`. NULL: the reason
 * why is replied. */
static struct entry *make(struct kv *kv, weft_redis_request *request, size_t index,
                          const struct operation *operation, weft_slice key, bool *with_scores)
{
    struct plan plan;
    struct outcome outcome = { .limits = &kv->keyspace.limits };
    if (!plan_begin(kv, request, index, operation->name, &plan))
        return NULL;
    if (!read_words(request, index + 1 + plan.count, operation->words, &plan)) {
        kv_free(plan.sources);
        return NULL;
    }
    outcome.entry = result_create(ENTRY_ZSET, key);
    int err = outcome.entry ? operation->combine(&plan, &outcome) : -ENOMEM;
    kv_free(plan.sources);
    *with_scores = plan.with_scores;
    if (err == 0)
        return outcome.entry;
    entry_free(outcome.entry);
    kv_reply_no_memory(request);
    return NULL;
}

static int make_and_reply(weft_redis_request *request, void *app, const struct operation *operation)
{
    bool with_scores;
    weft_slice no_key = { NULL, 0 };
    struct entry *result = make(app, request, 1, operation, no_key, &with_scores);
    if (!result)
        return 0;
    struct zset_span all = { .count = zset_count(result) };
    int err = zset_reply_span(request, result, &all, with_scores);
    entry_free(result);
    return err;
}

static int make_and_store(weft_redis_request *request, void *app, const struct operation *operation)
{
    bool with_scores;
    struct entry *result = make(app, request, 2, operation, request->args[1], &with_scores);
    return result ? result_store(app, request, result) : 0;
}

static int zunion(weft_redis_request *request, void *app)
{
    return make_and_reply(request, app,
                          &(struct operation){ "zunion", unite, WORDS_WEIGHTS | WORDS_SCORES });
}

static int zinter(weft_redis_request *request, void *app)
{
    return make_and_reply(request, app,
                          &(struct operation){ "zinter", intersect, WORDS_WEIGHTS | WORDS_SCORES });
}

static int zdiff(weft_redis_request *request, void *app)
{
    return make_and_reply(request, app, &(struct operation){ "zdiff", subtract, WORDS_SCORES });
}

static int zunionstore(weft_redis_request *request, void *app)
{
    return make_and_store(request, app, &(struct operation){ "zunionstore", unite, WORDS_WEIGHTS });
}

static int zinterstore(weft_redis_request *request, void *app)
{
    return make_and_store(request, app,
                          &(struct operation){ "zinterstore", intersect, WORDS_WEIGHTS });
}

static int zdiffstore(weft_redis_request *request, void *app)
{
    return make_and_store(request, app, &(struct operation){ "zdiffstore", subtract, 0 });
}

static int zintercard(weft_redis_request *request, void *app)
{
    struct plan plan;
    struct outcome outcome = { 0 };
    if (!plan_begin(app, request, 1, "zintercard", &plan))
        return 0;
    bool good = kv_read_limit(request, 2 + plan.count, &plan.limit);
    if (good)
        intersect(&plan, &outcome);
    kv_free(plan.sources);
    return good ? weft_redis_reply_integer(request, (int64_t)outcome.count) : 0;
}

#define READS .flags = WEFT_REDIS_READ, .group = "sorted-set"
#define STORES                                                                                     \
    .arity = -4, .flags = WEFT_REDIS_WRITE, .first_key = 1, .last_key = 1, .group = "sorted-set"

const weft_redis_command kv_zset_algebra_commands[] = {
    { "zunion", zunion, .arity = -3, READS, .summary = "Lists what any of the sorted sets has." },
    { "zunionstore", zunionstore, STORES, .summary = "Stores what any of the sorted sets has." },
    { "zinter", zinter, .arity = -3, READS, .summary = "Lists what sorted sets have in common." },
    { "zinterstore", zinterstore, STORES, .summary = "Stores what sorted sets have in common." },
    { "zintercard", zintercard, .arity = -3, READS,
      .summary = "Counts what sorted sets have in common." },
    { "zdiff", zdiff, .arity = -3, READS,
      .summary = "Lists what the first sorted set has and no other." },
    { "zdiffstore", zdiffstore, STORES,
      .summary = "Stores what the first sorted set has and no other." },
    { 0 },
};
