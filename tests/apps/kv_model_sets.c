/* Sets in the plain model: see kv_model.h. */

#include "kv_model.h"

#include <stdlib.h>
#include <string.h>

static struct value result; /* of several sets; what is made must not be read yet */

static void sadd(struct model *model, const struct call *call)
{
    struct value *value = model_obtain(model, &call->args[1], MODEL_SET);
    int before = value ? value->count : 0;
    for (int i = 2; value && i < call->count; i++)
        if (model_find(value, &call->args[i]) < 0)
            model_insert(value, value->count, &call->args[i]);
    if (value)
        say_integer(model, value->count - before);
}

static void srem(struct model *model, const struct call *call)
{
    model_answer_removal(model, call, MODEL_SET);
}

static void sismember(struct model *model, const struct call *call)
{
    const struct value *value = model_typed(model, &call->args[1], MODEL_SET);
    if (value)
        say_integer(model, model_find(value, &call->args[2]) >= 0);
}

static void smismember(struct model *model, const struct call *call)
{
    const struct value *value = model_typed(model, &call->args[1], MODEL_SET);
    if (!value)
        return;
    say_head(model, '*', call->count - 2);
    for (int i = 2; i < call->count; i++)
        say_integer(model, model_find(value, &call->args[i]) >= 0);
}

static void scard(struct model *model, const struct call *call)
{
    model_answer_count(model, call, MODEL_SET);
}

static void say_members(struct model *model, const struct value *value)
{
    say_set(model, value->count);
    for (int i = 0; i < value->count; i++)
        say_word(model, &value->elements[i].member);
}

static void smembers(struct model *model, const struct call *call)
{
    const struct value *value = model_typed(model, &call->args[1], MODEL_SET);
    if (value)
        say_members(model, value);
}

static void smove(struct model *model, const struct call *call)
{
    struct value *from = model_value(model, &call->args[1]);
    struct value *to = model_value(model, &call->args[2]);
    if (from->kind == MODEL_NONE) {
        say_integer(model, 0);
        return;
    }
    if (from->kind != MODEL_SET || (to->kind && to->kind != MODEL_SET)) {
        say_error(model, "WRONGTYPE");
        return;
    }
    int at = model_find(from, &call->args[3]);
    say_integer(model, at >= 0);
    if (at < 0 || from == to)
        return;
    to->kind = MODEL_SET;
    if (model_find(to, &call->args[3]) < 0)
        model_insert(to, to->count, &call->args[3]);
    model_remove(from, at);
    model_settle(from);
}

/* --- by lot: what was heard has to be there, and is expected then --- */

static void spop(struct model *model, const struct call *call)
{
    struct value *value = model_typed(model, &call->args[1], MODEL_SET);
    if (!value)
        return;
    bool counted = call->count == 3;
    int64_t count = counted ? word_number(&call->args[2]) : 1;
    count = count < value->count ? count : value->count;
    if (counted) {
        say_set(model, count);
        model->heard = strchr(model->heard, '\n') + 1;
    } else if (count == 0) {
        say_null(model);
    }
    for (struct word word; count > 0 && hear_word(model, &word); count--) {
        int at = model_find(value, &word);
        if (at < 0)
            break;
        say_word(model, &word);
        model_remove(value, at);
    }
    model_settle(value);
}

static void srandmember(struct model *model, const struct call *call)
{
    const struct value *value = model_typed(model, &call->args[1], MODEL_SET);
    if (!value)
        return;
    bool counted = call->count == 3;
    int64_t count = counted ? word_number(&call->args[2]) : 1;
    bool repeats = count < 0;
    if (value->count == 0 || (!repeats && count > value->count))
        count = value->count;
    count = llabs(count);
    result = *value;
    if (counted) {
        say_head(model, '*', count);
        model->heard = strchr(model->heard, '\n') + 1;
    } else if (count == 0) {
        say_null(model);
    }
    for (struct word word; count > 0 && hear_word(model, &word); count--) {
        int at = model_find(&result, &word);
        if (at < 0)
            break;
        say_word(model, &word);
        if (!repeats)
            model_remove(&result, at);
    }
}

/* --- several sets --- */

/* False: one is no set. */
static bool are_sets(struct model *model, const struct call *call, int from, int end)
{
    for (int i = from; i < end; i++)
        if (!model_typed(model, &call->args[i], MODEL_SET))
            return false;
    return true;
}

/* In how many of these keys, the first one aside, a member is. */
static int count_others(struct model *model, const struct call *call, int from, int end,
                        const struct word *member)
{
    int count = 0;
    for (int i = from + 1; i < end; i++)
        count += model_find(model_value(model, &call->args[i]), member) >= 0;
    return count;
}

static void unite(struct model *model, const struct call *call, int from, int end)
{
    result = *model_value(model, &call->args[from]);
    for (int i = from + 1; i < end; i++) {
        const struct value *value = model_value(model, &call->args[i]);
        for (int j = 0; j < value->count; j++)
            if (model_find(&result, &value->elements[j].member) < 0)
                model_insert(&result, result.count, &value->elements[j].member);
    }
    result.kind = MODEL_SET;
}

/* The members of the first that are in so many of the others. */
static void select_by(struct model *model, const struct call *call, int from, int end, int others)
{
    result = *model_value(model, &call->args[from]);
    for (int i = result.count - 1; i >= 0; i--)
        if (count_others(model, call, from, end, &result.elements[i].member) != others)
            model_remove(&result, i);
    result.kind = MODEL_SET;
}

/* As the name says; it is in `result` then. */
static bool combine(struct model *model, const struct call *call, int from, int end)
{
    if (!are_sets(model, call, from, end))
        return false;
    if (strstr(call->row->name, "union"))
        unite(model, call, from, end);
    else
        select_by(model, call, from, end, strstr(call->row->name, "inter") ? end - from - 1 : 0);
    return true;
}

static void several(struct model *model, const struct call *call)
{
    if (combine(model, call, 1, call->count))
        say_members(model, &result);
}

static void several_stored(struct model *model, const struct call *call)
{
    if (combine(model, call, 2, call->count))
        model_store(model, &call->args[1], &result);
}

static void sintercard(struct model *model, const struct call *call)
{
    int end = 2 + (int)word_number(&call->args[1]);
    if (!combine(model, call, 2, end))
        return;
    int64_t limit = call->count > end ? word_number(&call->args[end + 1]) : 0;
    say_integer(model, limit > 0 && limit < result.count ? limit : result.count);
}

const struct row model_sets[] = {
    { "sadd", "K M+", .answer = sadd },
    { "sadd", "K M+", .answer = sadd },
    { "sadd", "K M M M M M", .answer = sadd },
    { "srem", "K M+", .answer = srem },
    { "sismember", "K M", .answer = sismember },
    { "smismember", "K M+", .answer = smismember },
    { "scard", "K", .answer = scard },
    { "smembers", "K", .answer = smembers, .order = ORDER_ANY },
    { "smove", "K K M", .answer = smove },
    { "spop", "K {|0|1|3|100}", .answer = spop },
    { "srandmember", "K {|0|1|3|100|-1|-5}", .answer = srandmember },
    { "sinter", "K+", .answer = several, .order = ORDER_ANY },
    { "sunion", "K+", .answer = several, .order = ORDER_ANY },
    { "sdiff", "K+", .answer = several, .order = ORDER_ANY },
    { "sinterstore", "K K+", .answer = several_stored },
    { "sunionstore", "K K+", .answer = several_stored },
    { "sdiffstore", "K K+", .answer = several_stored },
    { "sintercard", "C {|limit 0|limit 2}", .answer = sintercard },
    { 0 },
};
