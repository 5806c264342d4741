/* Sorted sets in the plain model: see kv_model.h. Scores are halves, so that sums are exact. */

#include "kv_model.h"

#include <stdlib.h>
#include <string.h>

static struct value result; /* of several; what is made must not be read yet */

static int compare(double score, const struct word *member, const struct element *other)
{
    if (score != other->score)
        return score < other->score ? -1 : 1;
    size_t size = member->size < other->member.size ? member->size : other->member.size;
    int order = memcmp(member->data, other->member.data, size);
    return order ? order : (member->size > size) - (other->member.size > size);
}

/* Give a member a score, wherever it was. */
static void put(struct value *value, const struct word *member, double score)
{
    int at = model_find(value, member);
    if (at >= 0)
        model_remove(value, at);
    for (at = 0; at < value->count && compare(score, member, &value->elements[at]) > 0; at++)
        ;
    model_insert(value, at, member)->score = score;
}

static double score_of(const struct word *word)
{
    return strtod(word->data, NULL);
}

static void say_pair(struct model *model, const struct element *element, bool with_score)
{
    if (with_score && model->version != 2)
        say_head(model, '*', 2);
    say_word(model, &element->member);
    if (with_score)
        say_double(model, element->score);
}

static void say_pairs_head(struct model *model, int64_t count, bool with_scores)
{
    say_head(model, '*', with_scores && model->version == 2 ? 2 * count : count);
}

/* --- ZADD, ZINCRBY --- */

struct adding {
    bool only_new, only_old, only_greater, only_less;
};

/* -1: the options forbid it; 0: it has this score already; 1: changed; 2: new. */
static int add(struct value *value, const struct adding *adding, const struct word *member,
               double score)
{
    int at = model_find(value, member);
    double old = at >= 0 ? value->elements[at].score : 0;
    if (at >= 0 ? adding->only_new : adding->only_old)
        return -1;
    if (at >= 0 && ((adding->only_greater && score <= old) || (adding->only_less && score >= old)))
        return -1;
    if (at >= 0 && score == old)
        return 0;
    put(value, member, score);
    return at < 0 ? 2 : 1;
}

static void zadd(struct model *model, const struct call *call)
{
    int first = 2, created = 0, changed = 0;
    while (strchr("nxglc", call->args[first].data[0]))
        first++;
    struct adding adding = { call_has(call, 2, "nx"), call_has(call, 2, "xx"),
                             call_has(call, 2, "gt"), call_has(call, 2, "lt") };
    struct value *value = model_obtain(model, &call->args[1], MODEL_ZSET);
    if (!value)
        return;
    for (int i = first; i < call->count; i += 2) {
        int added = add(value, &adding, &call->args[i + 1], score_of(&call->args[i]));
        created += added == 2;
        changed += added == 1;
    }
    say_integer(model, created + (call_has(call, 2, "ch") ? changed : 0));
    model_settle(value);
}

static void increase(struct model *model, const struct call *call, const struct word *score,
                     const struct word *member)
{
    struct adding adding = { call_has(call, 2, "nx"), call_has(call, 2, "xx"),
                             call_has(call, 2, "gt"), call_has(call, 2, "lt") };
    struct value *value = model_obtain(model, &call->args[1], MODEL_ZSET);
    if (!value)
        return;
    int at = model_find(value, member);
    double sum = score_of(score) + (at >= 0 ? value->elements[at].score : 0);
    if (add(value, &adding, member, sum) < 0)
        say_null(model);
    else
        say_double(model, sum);
    model_settle(value);
}

static void zadd_incr(struct model *model, const struct call *call)
{
    increase(model, call, &call->args[call->count - 2], &call->args[call->count - 1]);
}

static void zincrby(struct model *model, const struct call *call)
{
    increase(model, call, &call->args[2], &call->args[3]);
}

/* --- members --- */

static void zrem(struct model *model, const struct call *call)
{
    model_answer_removal(model, call, MODEL_ZSET);
}

static void say_score(struct model *model, const struct value *value, const struct word *member)
{
    int at = model_find(value, member);
    if (at >= 0)
        say_double(model, value->elements[at].score);
    else
        say_null(model);
}

static void zscore(struct model *model, const struct call *call)
{
    const struct value *value = model_typed(model, &call->args[1], MODEL_ZSET);
    if (value)
        say_score(model, value, &call->args[2]);
}

static void zmscore(struct model *model, const struct call *call)
{
    const struct value *value = model_typed(model, &call->args[1], MODEL_ZSET);
    if (!value)
        return;
    say_head(model, '*', call->count - 2);
    for (int i = 2; i < call->count; i++)
        say_score(model, value, &call->args[i]);
}

static void zcard(struct model *model, const struct call *call)
{
    model_answer_count(model, call, MODEL_ZSET);
}

static void zrank(struct model *model, const struct call *call)
{
    const struct value *value = model_typed(model, &call->args[1], MODEL_ZSET);
    if (!value)
        return;
    int at = model_find(value, &call->args[2]);
    if (at < 0)
        say_null(model);
    else
        say_integer(model, word_is(&call->args[0], "zrank") ? at : value->count - 1 - at);
}

/* --- ranges --- */

static bool is_within(double score, const struct word *least, const struct word *most)
{
    double low = strtod(least->data + (*least->data == '('), NULL);
    double high = strtod(most->data + (*most->data == '('), NULL);
    bool above = *least->data == '(' ? score > low : score >= low;
    bool below = *most->data == '(' ? score < high : score <= high;
    return above && below;
}

/* Leave what is in the range of scores, or of ranks. */
static void keep_scores(struct value *value, const struct word *least, const struct word *most)
{
    for (int i = value->count - 1; i >= 0; i--)
        if (!is_within(value->elements[i].score, least, most))
            model_remove(value, i);
}

static void keep_ranks(struct value *value, const struct word *first_word,
                       const struct word *last_word, bool reverse)
{
    int64_t first = word_number(first_word), last = word_number(last_word), all = value->count;
    if (!model_cut(&first, &last, all))
        first = 0, last = -1;
    for (int64_t i = all - 1; i >= 0; i--) {
        int64_t rank = reverse ? all - 1 - i : i;
        if (rank < first || rank > last)
            model_remove(value, (int)i);
    }
}

static void say_result(struct model *model, bool reverse, bool with_scores)
{
    say_pairs_head(model, result.count, with_scores);
    for (int i = 0; i < result.count; i++)
        say_pair(model, &result.elements[reverse ? result.count - 1 - i : i], with_scores);
}

static void zcount(struct model *model, const struct call *call)
{
    const struct value *value = model_typed(model, &call->args[1], MODEL_ZSET);
    if (!value)
        return;
    result = *value;
    keep_scores(&result, &call->args[2], &call->args[3]);
    say_integer(model, result.count);
}

static void zrange(struct model *model, const struct call *call)
{
    const struct value *value = model_typed(model, &call->args[1], MODEL_ZSET);
    bool reverse = word_is(&call->args[0], "zrevrange") || call_has(call, 4, "rev");
    if (!value)
        return;
    result = *value;
    keep_ranks(&result, &call->args[2], &call->args[3], reverse);
    say_result(model, reverse, call_has(call, 4, "withscores"));
}

/* "limit offset count" at the end. */
static void limit_result(const struct call *call, bool reverse)
{
    int64_t offset = word_number(&call->args[call->count - 2]);
    int64_t count = word_number(&call->args[call->count - 1]), all = result.count;
    for (int64_t i = all - 1; i >= 0; i--) {
        int64_t at = reverse ? all - 1 - i : i;
        if (at < offset || (count >= 0 && at >= offset + count))
            model_remove(&result, (int)i);
    }
}

static void zrangebyscore(struct model *model, const struct call *call)
{
    const struct value *value = model_typed(model, &call->args[1], MODEL_ZSET);
    bool reverse = word_is(&call->args[0], "zrevrangebyscore") || call_has(call, 4, "rev");
    if (!value)
        return;
    result = *value;
    keep_scores(&result, &call->args[reverse ? 3 : 2], &call->args[reverse ? 2 : 3]);
    if (call_has(call, 4, "limit"))
        limit_result(call, reverse);
    say_result(model, reverse, call_has(call, 4, "withscores"));
}

static void zrangestore(struct model *model, const struct call *call)
{
    const struct value *value = model_typed(model, &call->args[2], MODEL_ZSET);
    if (!value)
        return;
    result = *value;
    result.kind = MODEL_ZSET;
    keep_ranks(&result, &call->args[3], &call->args[4], call_has(call, 5, "rev"));
    model_store(model, &call->args[1], &result);
}

static void zremrange(struct model *model, const struct call *call)
{
    struct value *value = model_typed(model, &call->args[1], MODEL_ZSET);
    if (!value)
        return;
    result = *value;
    if (word_is(&call->args[0], "zremrangebyscore"))
        keep_scores(&result, &call->args[2], &call->args[3]);
    else
        keep_ranks(&result, &call->args[2], &call->args[3], false);
    for (int i = 0; i < result.count; i++)
        model_remove(value, model_find(value, &result.elements[i].member));
    say_integer(model, result.count);
    model_settle(value);
}

static void zpop(struct model *model, const struct call *call)
{
    struct value *value = model_typed(model, &call->args[1], MODEL_ZSET);
    bool counted = call->count == 3, greatest = word_is(&call->args[0], "zpopmax");
    int64_t count = counted ? word_number(&call->args[2]) : 1;
    if (!value)
        return;
    count = count < value->count ? count : value->count;
    bool nested = counted && model->version != 2;
    say_head(model, '*', nested ? count : 2 * count);
    for (; count > 0; count--) {
        int at = greatest ? value->count - 1 : 0;
        if (nested)
            say_head(model, '*', 2);
        say_word(model, &value->elements[at].member);
        say_double(model, value->elements[at].score);
        model_remove(value, at);
    }
    model_settle(value);
}

/* --- several --- */

static double aggregated(const struct call *call, double a, double b)
{
    if (call_has(call, 3, "min"))
        return a < b ? a : b;
    if (call_has(call, 3, "max"))
        return a > b ? a : b;
    return a + b;
}

/* Sets are read too: their members have the score 1. */
static bool are_read(struct model *model, const struct call *call, int from, int end)
{
    for (int i = from; i < end; i++) {
        struct value *value = model_value(model, &call->args[i]);
        if (value->kind != MODEL_NONE && value->kind != MODEL_SET && value->kind != MODEL_ZSET) {
            say_error(model, "WRONGTYPE");
            return false;
        }
        for (int j = 0; value->kind == MODEL_SET && j < value->count; j++)
            value->elements[j].score = 1;
    }
    return true;
}

static void unite(struct model *model, const struct call *call, int from, int end)
{
    for (int i = from; i < end; i++) {
        const struct value *value = model_value(model, &call->args[i]);
        for (int j = 0; j < value->count; j++) {
            const struct element *element = &value->elements[j];
            int at = model_find(&result, &element->member);
            put(&result, &element->member,
                at < 0 ? element->score
                       : aggregated(call, result.elements[at].score, element->score));
        }
    }
}

/* Members of the first that are in all others, or in none. */
static void select_by(struct model *model, const struct call *call, int from, int end, bool all)
{
    const struct value *first = model_value(model, &call->args[from]);
    for (int j = 0; j < first->count; j++) {
        double score = first->elements[j].score;
        int others = 0;
        for (int i = from + 1; i < end; i++) {
            const struct value *value = model_value(model, &call->args[i]);
            int at = model_find(value, &first->elements[j].member);
            others += at >= 0;
            if (at >= 0)
                score = aggregated(call, score, value->elements[at].score);
        }
        if (others == (all ? end - from - 1 : 0))
            put(&result, &first->elements[j].member, score);
    }
}

/* "numkeys key ..." from this word on. */
static bool combine(struct model *model, const struct call *call, int index)
{
    int from = index + 1, end = from + (int)word_number(&call->args[index]);
    if (!are_read(model, call, from, end))
        return false;
    model_clear(&result);
    result.kind = MODEL_ZSET;
    if (strstr(call->row->name, "union"))
        unite(model, call, from, end);
    else
        select_by(model, call, from, end, strstr(call->row->name, "inter") != NULL);
    return true;
}

static void several(struct model *model, const struct call *call)
{
    if (combine(model, call, 1))
        say_result(model, false, call_has(call, 3, "withscores"));
}

static void several_stored(struct model *model, const struct call *call)
{
    if (combine(model, call, 2))
        model_store(model, &call->args[1], &result);
}

static void zintercard(struct model *model, const struct call *call)
{
    if (combine(model, call, 1))
        say_integer(model, result.count);
}

const struct row model_zsets[] = {
    { "zadd", "K SM+", .answer = zadd },
    { "zadd", "K SM+", .answer = zadd },
    { "zadd", "K {nx|xx|gt|lt|ch|xx gt ch|lt ch} SM+", .answer = zadd },
    { "zadd", "K {|nx|xx|gt|lt} incr S M", .answer = zadd_incr },
    { "zincrby", "K S M", .answer = zincrby },
    { "zrem", "K M+", .answer = zrem },
    { "zscore", "K M", .answer = zscore },
    { "zmscore", "K M+", .answer = zmscore },
    { "zcard", "K", .answer = zcard },
    { "zrank", "K M", .answer = zrank },
    { "zrevrank", "K M", .answer = zrank },
    { "zcount", "K B B", .answer = zcount },
    { "zrange", "K I I {|rev} {|withscores}", .answer = zrange },
    { "zrevrange", "K I I {|withscores}", .answer = zrange },
    { "zrange", "K B B byscore {|rev} {|withscores} {|limit 1 2|limit 0 -1}",
      .answer = zrangebyscore },
    { "zrangebyscore", "K B B {|withscores} {|limit 1 2|limit 0 3}", .answer = zrangebyscore },
    { "zrevrangebyscore", "K B B {|withscores} {|limit 1 2|limit 2 -1}", .answer = zrangebyscore },
    { "zrangestore", "K K I I {|rev}", .answer = zrangestore },
    { "zremrangebyrank", "K I I", .answer = zremrange },
    { "zremrangebyscore", "K B B", .answer = zremrange },
    { "zpopmin", "K {|0|1|3|100}", .answer = zpop },
    { "zpopmax", "K {|0|1|3|100}", .answer = zpop },
    { "zunion", "C {|aggregate min|aggregate max} {|withscores}", .answer = several },
    { "zinter", "C {|aggregate min|aggregate max} {|withscores}", .answer = several },
    { "zdiff", "C {|withscores}", .answer = several },
    { "zunionstore", "K C {|aggregate min|aggregate sum}", .answer = several_stored },
    { "zinterstore", "K C {|aggregate max}", .answer = several_stored },
    { "zdiffstore", "K C", .answer = several_stored },
    { "zintercard", "C", .answer = zintercard },
    { 0 },
};
