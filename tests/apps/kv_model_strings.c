/* Strings and keys in the plain model: see kv_model.h. */

#include "kv_model.h"

#include <assert.h>
#include <string.h>

/* --- strings --- */

static void put(struct value *value, const char *text, size_t size)
{
    assert(size <= MODEL_STRING);
    value->kind = MODEL_STRINGS;
    memcpy(value->string, text, size);
    value->size = size;
}

static void replace(struct model *model, const struct word *key, const struct word *text)
{
    struct value *value = model_value(model, key);
    model_clear(value);
    put(value, text->data, text->size);
}

static void say_value(struct model *model, const struct value *value)
{
    if (value->kind == MODEL_STRINGS)
        say_text(model, value->string, value->size);
    else
        say_null(model);
}

static void get(struct model *model, const struct call *call)
{
    const struct value *value = model_typed(model, &call->args[1], MODEL_STRINGS);
    if (value)
        say_value(model, value);
}

static void mget(struct model *model, const struct call *call)
{
    say_head(model, '*', call->count - 1);
    for (int i = 1; i < call->count; i++)
        say_value(model, model_value(model, &call->args[i]));
}

static void set(struct model *model, const struct call *call)
{
    struct value *value = model_value(model, &call->args[1]);
    bool gets = call_has(call, 3, "get"), there = value->kind != MODEL_NONE;
    bool sets = there ? !call_has(call, 3, "nx") : !call_has(call, 3, "xx");
    int64_t when = call_has(call, 3, "keepttl") ? value->when : 0;
    if (call_has(call, 3, "px"))
        when = model->now + word_number(&call->args[call->count - 1]);
    if (gets && there && value->kind != MODEL_STRINGS) {
        say_error(model, "WRONGTYPE");
        return;
    }
    if (gets)
        say_value(model, value);
    else if (sets)
        say_status(model, "OK");
    else
        say_null(model);
    if (sets) {
        replace(model, &call->args[1], &call->args[2]);
        value->when = when;
    }
}

static void setnx(struct model *model, const struct call *call)
{
    bool there = model_value(model, &call->args[1])->kind != MODEL_NONE;
    if (!there)
        replace(model, &call->args[1], &call->args[2]);
    say_integer(model, !there);
}

static void psetex(struct model *model, const struct call *call)
{
    replace(model, &call->args[1], &call->args[3]);
    model_value(model, &call->args[1])->when = model->now + word_number(&call->args[2]);
    say_status(model, "OK");
}

static void getset(struct model *model, const struct call *call)
{
    const struct value *value = model_typed(model, &call->args[1], MODEL_STRINGS);
    if (!value)
        return;
    say_value(model, value);
    replace(model, &call->args[1], &call->args[2]);
}

static void getdel(struct model *model, const struct call *call)
{
    struct value *value = model_typed(model, &call->args[1], MODEL_STRINGS);
    if (!value)
        return;
    say_value(model, value);
    model_clear(value);
}

static void getex(struct model *model, const struct call *call)
{
    struct value *value = model_typed(model, &call->args[1], MODEL_STRINGS);
    if (!value)
        return;
    say_value(model, value);
    if (value->kind == MODEL_NONE || call->count == 2)
        return;
    value->when = call->count == 4 ? model->now + word_number(&call->args[3]) : 0;
}

static void mset(struct model *model, const struct call *call)
{
    for (int i = 1; i < call->count; i += 2)
        replace(model, &call->args[i], &call->args[i + 1]);
    say_status(model, "OK");
}

static void msetnx(struct model *model, const struct call *call)
{
    for (int i = 1; i < call->count; i += 2)
        if (model_value(model, &call->args[i])->kind != MODEL_NONE) {
            say_integer(model, 0);
            return;
        }
    for (int i = 1; i < call->count; i += 2)
        replace(model, &call->args[i], &call->args[i + 1]);
    say_integer(model, 1);
}

/* Make the string at least so long. */
static void extend(struct value *value, size_t size)
{
    assert(size <= MODEL_STRING);
    value->kind = MODEL_STRINGS;
    if (size <= value->size)
        return;
    memset(value->string + value->size, 0, size - value->size);
    value->size = size;
}

static void write_at(struct value *value, size_t at, const struct word *word)
{
    extend(value, at + word->size);
    memcpy(value->string + at, word->data, word->size);
}

static void append(struct model *model, const struct call *call)
{
    struct value *value = model_typed(model, &call->args[1], MODEL_STRINGS);
    if (!value)
        return;
    write_at(value, value->size, &call->args[2]);
    say_integer(model, (int64_t)value->size);
}

static void setrange(struct model *model, const struct call *call)
{
    struct value *value = model_typed(model, &call->args[1], MODEL_STRINGS);
    if (!value)
        return;
    if (call->args[3].size > 0)
        write_at(value, (size_t)word_number(&call->args[2]), &call->args[3]);
    say_integer(model, (int64_t)value->size);
}

static void string_length(struct model *model, const struct call *call)
{
    const struct value *value = model_typed(model, &call->args[1], MODEL_STRINGS);
    if (value)
        say_integer(model, (int64_t)value->size);
}

static void getrange(struct model *model, const struct call *call)
{
    const struct value *value = model_typed(model, &call->args[1], MODEL_STRINGS);
    int64_t first = word_number(&call->args[2]), last = word_number(&call->args[3]);
    if (!value)
        return;
    bool backwards = first < 0 && last < 0 && first > last;
    if (last < 0 && last + (int64_t)value->size < 0)
        last = 0; /* an end in front of it is its first byte */
    if (backwards || !model_cut(&first, &last, (int64_t)value->size))
        say_text(model, "", 0);
    else
        say_text(model, value->string + first, (size_t)(last - first + 1));
}

/* --- numbers and bits --- */

static void add(struct model *model, const struct word *key, int64_t by)
{
    struct value *value = model_typed(model, key, MODEL_STRINGS);
    struct word text = { 0 };
    int64_t number = 0;
    if (!value)
        return;
    if ((value->kind && !text_integer(value->string, value->size, &number)) ||
        __builtin_add_overflow(number, by, &number)) {
        say_error(model, "ERR");
        return;
    }
    word_set_number(&text, number);
    put(value, text.data, text.size);
    say_integer(model, number);
}

static void incr(struct model *model, const struct call *call)
{
    add(model, &call->args[1], 1);
}

static void decr(struct model *model, const struct call *call)
{
    add(model, &call->args[1], -1);
}

static void incrby(struct model *model, const struct call *call)
{
    add(model, &call->args[1], word_number(&call->args[2]));
}

static void decrby(struct model *model, const struct call *call)
{
    add(model, &call->args[1], -word_number(&call->args[2]));
}

static int bit_of(const struct value *value, int64_t at)
{
    return (size_t)at / 8 < value->size ? (unsigned char)value->string[at / 8] >> (7 - at % 8) & 1
                                        : 0;
}

static void getbit(struct model *model, const struct call *call)
{
    const struct value *value = model_typed(model, &call->args[1], MODEL_STRINGS);
    if (value)
        say_integer(model, bit_of(value, word_number(&call->args[2])));
}

static void setbit(struct model *model, const struct call *call)
{
    struct value *value = model_typed(model, &call->args[1], MODEL_STRINGS);
    int64_t at = word_number(&call->args[2]);
    if (!value)
        return;
    extend(value, (size_t)at / 8 + 1);
    int before = bit_of(value, at), bit = word_is(&call->args[3], "1");
    value->string[at / 8] = (char)(value->string[at / 8] ^ (before ^ bit) << (7 - at % 8));
    say_integer(model, before);
}

static void bitcount(struct model *model, const struct call *call)
{
    const struct value *value = model_typed(model, &call->args[1], MODEL_STRINGS);
    if (!value)
        return;
    int64_t count = 0;
    for (int64_t at = 0; at < (int64_t)value->size * 8; at++)
        count += bit_of(value, at);
    say_integer(model, count);
}

const struct row model_strings[] = {
    { "get", "K", .answer = get },
    { "mget", "K+", .answer = mget },
    { "set", "K V {|||nx|xx|get|xx get|nx get|keepttl|px T|get px T}", .answer = set },
    { "setnx", "K V", .answer = setnx },
    { "psetex", "K T V", .answer = psetex },
    { "getset", "K V", .answer = getset },
    { "getdel", "K", .answer = getdel },
    { "getex", "K {|persist|px T}", .answer = getex },
    { "mset", "K V {|K V}", .answer = mset },
    { "msetnx", "K V {|K V}", .answer = msetnx },
    { "append", "K V", .answer = append },
    { "setrange", "K {0|1|7|40} V", .answer = setrange },
    { "strlen", "K", .answer = string_length },
    { "getrange", "K I I", .answer = getrange },
    { "incr", "K", .answer = incr },
    { "decr", "K", .answer = decr },
    { "incrby", "K N", .answer = incrby },
    { "decrby", "K N", .answer = decrby },
    { "getbit", "K {0|7|9|100}", .answer = getbit },
    { "setbit", "K {0|7|9|100} {0|1}", .answer = setbit },
    { "bitcount", "K", .answer = bitcount },
    { 0 },
};

/* --- keys --- */

static int64_t count_keys(struct model *model, const struct call *call, bool deletes)
{
    int64_t count = 0;
    for (int i = 1; i < call->count; i++) {
        struct value *value = model_value(model, &call->args[i]);
        count += value->kind != MODEL_NONE;
        if (deletes)
            model_clear(value);
    }
    return count;
}

static void del(struct model *model, const struct call *call)
{
    say_integer(model, count_keys(model, call, true));
}

static void exists(struct model *model, const struct call *call)
{
    say_integer(model, count_keys(model, call, false));
}

static void type(struct model *model, const struct call *call)
{
    static const char *const names[] = { "none", "string", "list", "hash", "set", "zset" };
    say_status(model, names[model_value(model, &call->args[1])->kind]);
}

static void rename_key(struct model *model, const struct call *call)
{
    struct value *from = model_value(model, &call->args[1]);
    struct value *to = model_value(model, &call->args[2]);
    if (from->kind == MODEL_NONE) {
        say_error(model, "ERR");
        return;
    }
    if (from != to) {
        *to = *from;
        model_clear(from);
    }
    say_status(model, "OK");
}

static void renamenx(struct model *model, const struct call *call)
{
    struct value *from = model_value(model, &call->args[1]);
    struct value *to = model_value(model, &call->args[2]);
    if (from->kind == MODEL_NONE) {
        say_error(model, "ERR");
        return;
    }
    bool is_free = to->kind == MODEL_NONE;
    if (is_free) {
        *to = *from;
        model_clear(from);
    }
    say_integer(model, is_free);
}

static void copy(struct model *model, const struct call *call)
{
    const struct value *from = model_value(model, &call->args[1]);
    struct value *to = model_value(model, &call->args[2]);
    if (from == to) {
        say_error(model, "ERR");
        return;
    }
    bool copies = from->kind != MODEL_NONE && (to->kind == MODEL_NONE || call->count == 4);
    if (copies)
        *to = *from;
    say_integer(model, copies);
}

static void pexpire(struct model *model, const struct call *call)
{
    struct value *value = model_value(model, &call->args[1]);
    int64_t when = model->now + word_number(&call->args[2]);
    bool sets = value->kind != MODEL_NONE;
    if ((call_has(call, 3, "nx") && value->when != 0) ||
        (call_has(call, 3, "xx") && value->when == 0) ||
        (call_has(call, 3, "gt") && (value->when == 0 || when <= value->when)) ||
        (call_has(call, 3, "lt") && value->when != 0 && when >= value->when))
        sets = false;
    if (sets)
        value->when = when;
    if (sets && when <= model->now)
        model_clear(value);
    say_integer(model, sets);
}

static void pttl(struct model *model, const struct call *call)
{
    const struct value *value = model_value(model, &call->args[1]);
    say_integer(model, value->kind == MODEL_NONE ? -2
                       : value->when == 0        ? -1
                                                 : value->when - model->now);
}

static void persist(struct model *model, const struct call *call)
{
    struct value *value = model_value(model, &call->args[1]);
    say_integer(model, value->when != 0);
    value->when = 0;
}

const struct row model_keys[] = {
    { "del", "K+", .answer = del },
    { "unlink", "K+", .answer = del },
    { "exists", "K+", .answer = exists },
    { "touch", "K+", .answer = exists },
    { "type", "K", .answer = type },
    { "rename", "K K", .answer = rename_key },
    { "renamenx", "K K", .answer = renamenx },
    { "copy", "K K {|replace}", .answer = copy },
    { "pexpire", "K {T|T|0|-1} {||nx|xx|gt|lt}", .answer = pexpire },
    { "pttl", "K", .answer = pttl },
    { "persist", "K", .answer = persist },
    { 0 },
};
