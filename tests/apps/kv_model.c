/* Values, words and replies of the plain model: see kv_model.h. */

#include "kv_model.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- values --- */

struct value *model_value(struct model *model, const struct word *key)
{
    const char *number = strchr(key->data, 'k');
    int index = number ? atoi(number + 1) : -1;
    assert(index >= 0 && index < MODEL_KEYS);
    struct value *value = &model->values[index];
    if (value->when != 0 && value->when <= model->now)
        model_clear(value);
    return value;
}

struct value *model_typed(struct model *model, const struct word *key, enum model_kind kind)
{
    struct value *value = model_value(model, key);
    if (value->kind == MODEL_NONE || value->kind == kind)
        return value;
    say_error(model, "WRONGTYPE");
    return NULL;
}

struct value *model_obtain(struct model *model, const struct word *key, enum model_kind kind)
{
    struct value *value = model_typed(model, key, kind);
    if (value)
        value->kind = kind;
    return value;
}

void model_clear(struct value *value)
{
    value->kind = MODEL_NONE;
    value->when = 0;
    value->size = 0;
    value->count = 0;
}

void model_settle(struct value *value)
{
    if (value->kind != MODEL_STRINGS && value->count == 0)
        model_clear(value);
}

void model_store(struct model *model, const struct word *key, const struct value *result)
{
    struct value *value = model_value(model, key);
    *value = *result;
    value->when = 0;
    model_settle(value);
    say_integer(model, value->count);
}

int model_find(const struct value *value, const struct word *member)
{
    for (int i = 0; i < value->count; i++)
        if (word_same(&value->elements[i].member, member))
            return i;
    return -1;
}

void model_remove(struct value *value, int at)
{
    value->count--;
    memmove(&value->elements[at], &value->elements[at + 1],
            (size_t)(value->count - at) * sizeof value->elements[0]);
}

struct element *model_insert(struct value *value, int at, const struct word *member)
{
    struct element *element = &value->elements[at];
    assert(value->count < MODEL_ELEMENTS);
    memmove(element + 1, element, (size_t)(value->count - at) * sizeof *element);
    value->count++;
    *element = (struct element){ .member = *member };
    return element;
}

/* --- words --- */

bool word_is(const struct word *word, const char *text)
{
    return strcasecmp(word->data, text) == 0;
}

bool word_same(const struct word *a, const struct word *b)
{
    return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

int64_t word_number(const struct word *word)
{
    return strtoll(word->data, NULL, 10);
}

void word_set_number(struct word *word, int64_t number)
{
    word->size = (size_t)snprintf(word->data, sizeof word->data, "%" PRId64, number);
}

bool text_integer(const char *text, size_t size, int64_t *value)
{
    char copy[32], back[32];
    if (size == 0 || size > 20)
        return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    *value = strtoll(copy, NULL, 10);
    snprintf(back, sizeof back, "%" PRId64, *value);
    return strlen(back) == size && memcmp(copy, back, size) == 0;
}

bool call_has(const struct call *call, int from, const char *text)
{
    for (int i = from; i < call->count; i++)
        if (word_is(&call->args[i], text))
            return true;
    return false;
}

bool model_cut(int64_t *first, int64_t *last, int64_t count)
{
    *first = *first < 0 ? *first + count : *first;
    *first = *first < 0 ? 0 : *first;
    *last = *last < 0 ? *last + count : *last;
    *last = *last >= count ? count - 1 : *last;
    return *first <= *last;
}

/* --- replies --- */

static void say(struct model *model, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t room = sizeof model->said - model->said_size;
    int size = vsnprintf(model->said + model->said_size, room, format, args);
    va_end(args);
    assert(size >= 0 && (size_t)size < room);
    model->said_size += (size_t)size;
}

void say_head(struct model *model, char kind, int64_t count)
{
    say(model, "%c%" PRId64 "\r\n", kind, count);
}

void say_integer(struct model *model, int64_t value)
{
    say_head(model, ':', value);
}

void say_text(struct model *model, const char *text, size_t size)
{
    say_head(model, '$', (int64_t)size);
    assert(size + 3 < sizeof model->said - model->said_size);
    memcpy(model->said + model->said_size, text, size);
    model->said_size += size;
    say(model, "\r\n");
}

void say_word(struct model *model, const struct word *word)
{
    say_text(model, word->data, word->size);
}

void say_status(struct model *model, const char *text)
{
    say(model, "+%s\r\n", text);
}

void say_error(struct model *model, const char *text)
{
    say(model, "-%s ", text);
}

void say_null(struct model *model)
{
    say(model, model->version == 2 ? "$-1\r\n" : "_\r\n");
}

void say_null_array(struct model *model)
{
    say(model, model->version == 2 ? "*-1\r\n" : "_\r\n");
}

void say_double(struct model *model, double value)
{
    char text[32];
    int size = snprintf(text, sizeof text, "%.17g", value);
    if (model->version == 2)
        say_text(model, text, (size_t)size);
    else
        say(model, ",%s\r\n", text);
}

void say_set(struct model *model, int64_t count)
{
    say_head(model, model->version == 2 ? '*' : '~', count);
}

void say_map(struct model *model, int64_t count)
{
    say_head(model, model->version == 2 ? '*' : '%', model->version == 2 ? 2 * count : count);
}

bool hear_word(struct model *model, struct word *word)
{
    char *end;
    if (*model->heard != '$')
        return false;
    long size = strtol(model->heard + 1, &end, 10);
    if (size < 0 || (size_t)size >= sizeof word->data)
        return false;
    word->size = (size_t)size;
    memcpy(word->data, end + 2, word->size);
    word->data[size] = '\0';
    model->heard = end + 2 + size + 2;
    return true;
}

void model_answer_removal(struct model *model, const struct call *call, enum model_kind kind)
{
    struct value *value = model_typed(model, &call->args[1], kind);
    int at, before = value ? value->count : 0;
    if (!value)
        return;
    for (int i = 2; i < call->count; i++)
        if ((at = model_find(value, &call->args[i])) >= 0)
            model_remove(value, at);
    say_integer(model, before - value->count);
    model_settle(value);
}

void model_answer_count(struct model *model, const struct call *call, enum model_kind kind)
{
    const struct value *value = model_typed(model, &call->args[1], kind);
    if (value)
        say_integer(model, value->count);
}
