/* Lists and hashes in the plain model: see kv_model.h. */

#include "kv_model.h"

#include <stdlib.h>
#include <string.h>

/* --- lists --- */

static bool is_left(const struct word *name)
{
    return name->data[0] == 'l';
}

static void push(struct model *model, const struct call *call)
{
    struct value *value = model_typed(model, &call->args[1], MODEL_LIST);
    bool only_there = strstr(call->row->name, "pushx") != NULL;
    if (!value)
        return;
    if (!only_there || value->count > 0) {
        value->kind = MODEL_LIST;
        for (int i = 2; i < call->count; i++)
            model_insert(value, is_left(&call->args[0]) ? 0 : value->count, &call->args[i]);
    }
    say_integer(model, value->count);
}

static void pop(struct model *model, const struct call *call)
{
    struct value *value = model_typed(model, &call->args[1], MODEL_LIST);
    bool counted = call->count == 3;
    int64_t count = counted ? word_number(&call->args[2]) : 1;
    if (!value)
        return;
    if (value->count == 0) {
        (counted ? say_null_array : say_null)(model);
        return;
    }
    count = count < value->count ? count : value->count;
    if (counted)
        say_head(model, '*', count);
    for (; count > 0; count--) {
        int at = is_left(&call->args[0]) ? 0 : value->count - 1;
        say_word(model, &value->elements[at].member);
        model_remove(value, at);
    }
    model_settle(value);
}

static void llen(struct model *model, const struct call *call)
{
    model_answer_count(model, call, MODEL_LIST);
}

static void lrange(struct model *model, const struct call *call)
{
    const struct value *value = model_typed(model, &call->args[1], MODEL_LIST);
    int64_t first = word_number(&call->args[2]), last = word_number(&call->args[3]);
    if (!value)
        return;
    if (!model_cut(&first, &last, value->count))
        last = first - 1;
    say_head(model, '*', last - first + 1);
    for (; first <= last; first++)
        say_word(model, &value->elements[first].member);
}

/* -1: there is none. */
static int64_t index_in(const struct value *value, const struct word *word)
{
    int64_t index = word_number(word);
    index = index < 0 ? index + value->count : index;
    return index < value->count ? index : -1;
}

static void lindex(struct model *model, const struct call *call)
{
    const struct value *value = model_typed(model, &call->args[1], MODEL_LIST);
    if (!value)
        return;
    int64_t index = index_in(value, &call->args[2]);
    if (index < 0)
        say_null(model);
    else
        say_word(model, &value->elements[index].member);
}

static void lset(struct model *model, const struct call *call)
{
    struct value *value = model_typed(model, &call->args[1], MODEL_LIST);
    if (!value)
        return;
    int64_t index = index_in(value, &call->args[2]);
    if (index < 0) {
        say_error(model, "ERR");
        return;
    }
    value->elements[index].member = call->args[3];
    say_status(model, "OK");
}

static void linsert(struct model *model, const struct call *call)
{
    struct value *value = model_typed(model, &call->args[1], MODEL_LIST);
    if (!value)
        return;
    int at = model_find(value, &call->args[3]);
    if (at >= 0)
        model_insert(value, at + word_is(&call->args[2], "after"), &call->args[4]);
    say_integer(model, at < 0 && value->count > 0 ? -1 : value->count);
}

static void lrem(struct model *model, const struct call *call)
{
    struct value *value = model_typed(model, &call->args[1], MODEL_LIST);
    if (!value)
        return;
    int64_t count = word_number(&call->args[2]), removed = 0;
    bool backwards = count < 0;
    count = count == 0 ? INT64_MAX : llabs(count);
    for (int i = backwards ? value->count - 1 : 0; i >= 0 && i < value->count && removed < count;) {
        bool same = word_same(&value->elements[i].member, &call->args[3]);
        if (same)
            model_remove(value, i);
        removed += same;
        i += backwards ? -1 : !same;
    }
    say_integer(model, removed);
    model_settle(value);
}

static void ltrim(struct model *model, const struct call *call)
{
    struct value *value = model_typed(model, &call->args[1], MODEL_LIST);
    int64_t first = word_number(&call->args[2]), last = word_number(&call->args[3]);
    if (!value)
        return;
    if (!model_cut(&first, &last, value->count))
        last = first - 1;
    for (int i = value->count - 1; i >= 0; i--)
        if (i < first || i > last)
            model_remove(value, i);
    say_status(model, "OK");
    model_settle(value);
}

/* Without RANK: all, from the front. */
static void lpos_count(struct model *model, const struct call *call)
{
    const struct value *value = model_typed(model, &call->args[1], MODEL_LIST);
    int64_t limit = word_number(&call->args[4]), count = 0;
    if (!value)
        return;
    for (int i = 0; i < value->count; i++)
        count += word_same(&value->elements[i].member, &call->args[2]);
    count = limit > 0 && limit < count ? limit : count;
    say_head(model, '*', count);
    for (int i = 0; count > 0; i++)
        if (word_same(&value->elements[i].member, &call->args[2])) {
            say_integer(model, i);
            count--;
        }
}

/* With a rank, 1 where none is said: the first, second, ... from the front or from the end. */
static void lpos(struct model *model, const struct call *call)
{
    const struct value *value = model_typed(model, &call->args[1], MODEL_LIST);
    int64_t rank = call->count > 3 ? word_number(&call->args[4]) : 1;
    if (!value)
        return;
    for (int i = 0; i < value->count; i++) {
        int at = rank > 0 ? i : value->count - 1 - i;
        if (word_same(&value->elements[at].member, &call->args[2]))
            rank += rank > 0 ? -1 : 1;
        if (rank == 0) {
            say_integer(model, at);
            return;
        }
    }
    say_null(model);
}

static void move(struct model *model, const struct call *call, bool from_left, bool to_left)
{
    struct value *from = model_typed(model, &call->args[1], MODEL_LIST);
    if (!from)
        return;
    if (from->count == 0) {
        say_null(model);
        return;
    }
    struct value *to = model_typed(model, &call->args[2], MODEL_LIST);
    if (!to)
        return;
    int at = from_left ? 0 : from->count - 1;
    struct word word = from->elements[at].member;
    model_remove(from, at);
    model_insert(to, to_left ? 0 : to->count, &word);
    to->kind = MODEL_LIST;
    model_settle(from);
    say_word(model, &word);
}

static void lmove(struct model *model, const struct call *call)
{
    move(model, call, is_left(&call->args[3]), is_left(&call->args[4]));
}

static void rpoplpush(struct model *model, const struct call *call)
{
    move(model, call, false, true);
}

const struct row model_lists[] = {
    { "lpush", "K M+", .answer = push },
    { "rpush", "K M+", .answer = push },
    { "lpushx", "K M+", .answer = push },
    { "rpushx", "K M+", .answer = push },
    { "lpop", "K {|0|1|3}", .answer = pop },
    { "rpop", "K {|0|1|3}", .answer = pop },
    { "llen", "K", .answer = llen },
    { "lrange", "K I I", .answer = lrange },
    { "lindex", "K I", .answer = lindex },
    { "lset", "K I M", .answer = lset },
    { "linsert", "K {before|after} M M", .answer = linsert },
    { "lrem", "K {0|1|2|-1|-2} M", .answer = lrem },
    { "ltrim", "K I I", .answer = ltrim },
    { "lpos", "K M {|rank 1|rank 2|rank -1|rank -2}", .answer = lpos },
    { "lpos", "K M count {0|1|2}", .answer = lpos_count },
    { "lmove", "K K {left|right} {left|right}", .answer = lmove },
    { "rpoplpush", "K K", .answer = rpoplpush },
    { 0 },
};

/* --- hashes --- */

static void put(struct value *value, const struct word *field, const struct word *text)
{
    int at = model_find(value, field);
    if (at < 0)
        model_insert(value, at = value->count, field);
    value->elements[at].value = *text;
}

static void hset(struct model *model, const struct call *call)
{
    struct value *value = model_obtain(model, &call->args[1], MODEL_HASH);
    int before = value ? value->count : 0;
    if (!value)
        return;
    for (int i = 2; i < call->count; i += 2)
        put(value, &call->args[i], &call->args[i + 1]);
    if (word_is(&call->args[0], "hmset"))
        say_status(model, "OK");
    else
        say_integer(model, value->count - before);
}

static void hsetnx(struct model *model, const struct call *call)
{
    struct value *value = model_obtain(model, &call->args[1], MODEL_HASH);
    if (!value)
        return;
    bool there = model_find(value, &call->args[2]) >= 0;
    if (!there)
        put(value, &call->args[2], &call->args[3]);
    say_integer(model, !there);
}

static void say_field(struct model *model, const struct value *value, const struct word *field)
{
    int at = model_find(value, field);
    if (at >= 0)
        say_word(model, &value->elements[at].value);
    else
        say_null(model);
}

static void hget(struct model *model, const struct call *call)
{
    const struct value *value = model_typed(model, &call->args[1], MODEL_HASH);
    if (value)
        say_field(model, value, &call->args[2]);
}

static void hmget(struct model *model, const struct call *call)
{
    const struct value *value = model_typed(model, &call->args[1], MODEL_HASH);
    if (!value)
        return;
    say_head(model, '*', call->count - 2);
    for (int i = 2; i < call->count; i++)
        say_field(model, value, &call->args[i]);
}

static void hdel(struct model *model, const struct call *call)
{
    model_answer_removal(model, call, MODEL_HASH);
}

static void hlen(struct model *model, const struct call *call)
{
    model_answer_count(model, call, MODEL_HASH);
}

static void hstrlen(struct model *model, const struct call *call)
{
    const struct value *value = model_typed(model, &call->args[1], MODEL_HASH);
    if (!value)
        return;
    int at = model_find(value, &call->args[2]);
    say_integer(model, at < 0 ? 0 : (int64_t)value->elements[at].value.size);
}

static void hexists(struct model *model, const struct call *call)
{
    const struct value *value = model_typed(model, &call->args[1], MODEL_HASH);
    if (value)
        say_integer(model, model_find(value, &call->args[2]) >= 0);
}

static void say_fields(struct model *model, const struct call *call, bool names, bool values)
{
    const struct value *value = model_typed(model, &call->args[1], MODEL_HASH);
    if (!value)
        return;
    if (names && values)
        say_map(model, value->count);
    else
        say_head(model, '*', value->count);
    for (int i = 0; i < value->count; i++) {
        if (names)
            say_word(model, &value->elements[i].member);
        if (values)
            say_word(model, &value->elements[i].value);
    }
}

static void hkeys(struct model *model, const struct call *call)
{
    say_fields(model, call, true, false);
}

static void hvals(struct model *model, const struct call *call)
{
    say_fields(model, call, false, true);
}

static void hgetall(struct model *model, const struct call *call)
{
    say_fields(model, call, true, true);
}

static void hincrby(struct model *model, const struct call *call)
{
    struct value *value = model_obtain(model, &call->args[1], MODEL_HASH);
    struct word text = { 0 };
    int64_t number = 0;
    if (!value)
        return;
    int at = model_find(value, &call->args[2]);
    const struct word *old = at < 0 ? NULL : &value->elements[at].value;
    if ((old && !text_integer(old->data, old->size, &number)) ||
        __builtin_add_overflow(number, word_number(&call->args[3]), &number)) {
        say_error(model, "ERR");
        return;
    }
    word_set_number(&text, number);
    put(value, &call->args[2], &text);
    say_integer(model, number);
}

const struct row model_hashes[] = {
    { "hset", "K MV+", .answer = hset },
    { "hset", "K M V", .answer = hset },
    { "hmset", "K MV+", .answer = hset },
    { "hsetnx", "K M V", .answer = hsetnx },
    { "hget", "K M", .answer = hget },
    { "hmget", "K M+", .answer = hmget },
    { "hdel", "K M+", .answer = hdel },
    { "hlen", "K", .answer = hlen },
    { "hstrlen", "K M", .answer = hstrlen },
    { "hexists", "K M", .answer = hexists },
    { "hkeys", "K", .answer = hkeys, .order = ORDER_ANY },
    { "hvals", "K", .answer = hvals, .order = ORDER_ANY },
    { "hgetall", "K", .answer = hgetall, .order = ORDER_ANY_PAIRS },
    { "hincrby", "K M N", .answer = hincrby },
    { 0 },
};
