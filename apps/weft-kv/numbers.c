/* Strings as numbers. */

#include "kv.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 255 /* of a float that is read */

/* --- floats, as texts, in whatever locale the program runs --- */

static locale_t begin_plain(void)
{
    return uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
}

bool kv_parse_float(weft_slice text, long double *value)
{
    char copy[TEXT_MAX + 1], *end;
    if (text.size == 0 || text.size > TEXT_MAX || (unsigned char)text.data[0] <= ' ')
        return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    errno = 0;
    locale_t users = begin_plain();
    *value = strtold(copy, &end);
    uselocale(users);
    bool overflowed = errno == ERANGE && (*value > 1 || *value < -1);
    return end == copy + text.size && !overflowed && !isnan(*value);
}

size_t kv_print_float(char out[KV_FLOAT_MAX], long double value)
{
    locale_t users = begin_plain();
    int size = snprintf(out, KV_FLOAT_MAX, "%.17Lf", value);
    uselocale(users);
    if (size <= 0 || size >= KV_FLOAT_MAX)
        return 0;
    size_t length = (size_t)size;
    while (out[length - 1] == '0')
        length--;
    if (out[length - 1] == '.')
        length--;
    return length == 2 && memcmp(out, "-0", 2) == 0 ? (size_t)(out[0] = '0', 1) : length;
}

/* --- integers --- */

static int add(weft_redis_request *request, struct kv *kv, int64_t by)
{
    int64_t value;
    switch (keyspace_add(&kv->keyspace, request->args[1], by, kv_now(kv, request), &value)) {
    case 0:
        return weft_redis_reply_integer(request, value);
    case -EINVAL:
        return kv_reply_wrong_type(request);
    case -EDOM:
        return kv_reply_no_integer(request);
    case -ERANGE:
        return weft_redis_reply_error(request, "ERR increment or decrement would overflow");
    default:
        return kv_reply_no_memory(request);
    }
}

static int incr(weft_redis_request *request, void *app)
{
    return add(request, app, 1);
}

static int decr(weft_redis_request *request, void *app)
{
    return add(request, app, -1);
}

static int incrby(weft_redis_request *request, void *app)
{
    int64_t by;
    return kv_read_integer(request, request->args[2], &by) ? add(request, app, by) : 0;
}

static int decrby(weft_redis_request *request, void *app)
{
    int64_t by;
    if (!kv_read_integer(request, request->args[2], &by))
        return 0;
    if (by == INT64_MIN)
        return weft_redis_reply_error(request, "ERR decrement would overflow");
    return add(request, app, -by);
}

/* --- floats --- */

static int reply_no_float(weft_redis_request *request)
{
    return weft_redis_reply_error(request, "ERR value is not a valid float");
}

static int incrbyfloat(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    struct entry *entry;
    long double value = 0, by;
    char space[STRING_SPACE], text[KV_FLOAT_MAX];
    int found = kv_find(kv, request, request->args[1], ENTRY_STRING, &entry);
    if (found < 0)
        return 0;
    if ((found && !kv_parse_float(string_get(entry, space), &value)) ||
        !kv_parse_float(request->args[2], &by))
        return reply_no_float(request);
    value += by;
    size_t size = isfinite(value) ? kv_print_float(text, value) : 0;
    if (size == 0)
        return weft_redis_reply_error(request, "ERR increment would produce NaN or Infinity");
    if (keyspace_set(&kv->keyspace, request->args[1], (weft_slice){ text, size }, KEYSPACE_KEEP,
                     kv_now(kv, request)) < 0)
        return kv_reply_no_memory(request);
    return weft_redis_reply_string(request, text, size);
}

#define WRITE                                                                                      \
    .flags = WEFT_REDIS_WRITE | WEFT_REDIS_FAST, .first_key = 1, .last_key = 1, .group = "string"

const weft_redis_command kv_number_commands[] = {
    { "incr", incr, .arity = 2, WRITE, .summary = "Adds one" },
    { "decr", decr, .arity = 2, WRITE, .summary = "Takes one off" },
    { "incrby", incrby, .arity = 3, WRITE, .summary = "Adds so many" },
    { "decrby", decrby, .arity = 3, WRITE, .summary = "Takes so many off" },
    { "incrbyfloat", incrbyfloat, .arity = 3, WRITE, .summary = "Adds a number with a fraction" },
    { 0 },
};
