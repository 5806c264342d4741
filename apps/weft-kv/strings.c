/* Strings as a whole and in parts; as numbers: numbers.c, as bits: bits.c. */

#include "kv.h"

#include "weft-kv/memory.h"

#include <errno.h>
#include <string.h>

static int reply_string(weft_redis_request *request, const struct entry *entry)
{
    char space[STRING_SPACE];
    weft_slice text = string_get(entry, space);
    return weft_redis_reply_string(request, text.data, text.size);
}

/* --- GET and its kin --- */

static int get(weft_redis_request *request, void *app)
{
    struct entry *entry;
    int found = kv_find(app, request, request->args[1], ENTRY_STRING, &entry);
    if (found <= 0)
        return found < 0 ? 0 : weft_redis_reply_null(request);
    return reply_string(request, entry);
}

static int mget(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    int64_t now = kv_now(kv, request);
    weft_redis_reply_array(request, request->count - 1);
    for (size_t i = 1; i < request->count; i++) {
        const struct entry *entry = keyspace_find(&kv->keyspace, request->args[i], now);
        if (entry && entry->type == ENTRY_STRING)
            reply_string(request, entry);
        else
            weft_redis_reply_null(request);
    }
    return 0;
}

static int getdel(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    struct entry *entry;
    int found = kv_find(kv, request, request->args[1], ENTRY_STRING, &entry);
    if (found <= 0)
        return found < 0 ? 0 : weft_redis_reply_null(request);
    reply_string(request, entry);
    keyspace_delete(&kv->keyspace, request->args[1], kv_now(kv, request));
    return 0;
}

static int string_length(weft_redis_request *request, void *app)
{
    struct entry *entry;
    int found = kv_find(app, request, request->args[1], ENTRY_STRING, &entry);
    if (found < 0)
        return 0;
    return weft_redis_reply_integer(request, found ? (int64_t)string_size(entry) : 0);
}

/* --- options of SET and GETEX --- */

struct set_options {
    bool if_free, if_there, and_get, keeps_time, persists;
    size_t time_at; /* where the word for a time stands; 0: none does */
};

static bool read_set_time(weft_redis_request *request, struct kv *kv,
                          const struct set_options *options, const char *command, int64_t *when)
{
    size_t index = options->time_at;
    static const struct {
        const char *name;
        int64_t unit;
        bool from_now;
    } times[] = {
        { "ex", 1000, true }, { "px", 1, true }, { "exat", 1000, false }, { "pxat", 1, false }
    };
    *when = KEYSPACE_NEVER;
    if (index == 0)
        return true;
    weft_slice text = request->args[index + 1];
    size_t kind = 0;
    while (!weft_redis_is(request->args[index], times[kind].name))
        kind++;
    int64_t from = times[kind].from_now ? kv_now(kv, request) : 0;
    if (!kv_read_when(request, text, times[kind].unit, from, command, when))
        return false;
    if (text.data[0] != '-' && !(text.size == 1 && text.data[0] == '0'))
        return true;
    weft_redis_reply_error(request, "ERR invalid expire time in '%s' command", command);
    return false;
}

static bool is_time(weft_slice word)
{
    return weft_redis_is(word, "ex") || weft_redis_is(word, "px") || weft_redis_is(word, "exat") ||
           weft_redis_is(word, "pxat");
}

/* Whether the word is a flag of this command's, and goes together with those before it. */
static bool take_flag(struct set_options *options, weft_slice word, bool of_set, bool has_time)
{
    bool *flag = NULL;
    if (of_set && weft_redis_is(word, "nx") && !options->if_there)
        flag = &options->if_free;
    else if (of_set && weft_redis_is(word, "xx") && !options->if_free)
        flag = &options->if_there;
    else if (of_set && weft_redis_is(word, "get"))
        flag = &options->and_get;
    else if (of_set && weft_redis_is(word, "keepttl") && !has_time)
        flag = &options->keeps_time;
    else if (!of_set && weft_redis_is(word, "persist") && !has_time)
        flag = &options->persists;
    if (flag)
        *flag = true;
    return flag != NULL;
}

static bool read_options(weft_redis_request *request, size_t index, bool of_set,
                         struct set_options *options)
{
    *options = (struct set_options){ .time_at = 0 };
    for (size_t i = index; i < request->count; i++) {
        bool has_time = options->time_at > 0;
        if (take_flag(options, request->args[i], of_set, has_time))
            continue;
        if (!is_time(request->args[i]) || i + 1 == request->count || has_time ||
            options->keeps_time || options->persists) {
            kv_reply_syntax(request);
            return false;
        }
        options->time_at = i++;
    }
    return true;
}

/* --- SET and its kin --- */

/* Replied where it cannot be set. */
static bool set_string(weft_redis_request *request, struct kv *kv, weft_slice key, weft_slice value,
                       int64_t when)
{
    int64_t now = kv_now(kv, request);
    if (when != KEYSPACE_KEEP && when <= now) { /* its time is over already */
        keyspace_delete(&kv->keyspace, key, now);
        return true;
    }
    if (keyspace_set(&kv->keyspace, key, value, when, now) == 0)
        return true;
    kv_reply_no_memory(request);
    return false;
}

/* A string that is to be replaced, before it is known whether it can be. NULL: no memory. */
static char *keep(weft_slice text, char space[STRING_SPACE])
{
    char *copy = text.size <= STRING_SPACE ? space : kv_alloc(text.size);
    if (copy && text.size > 0)
        memmove(copy, text.data, text.size);
    return copy;
}

/* Set, then reply what was there. */
static int exchange(weft_redis_request *request, struct kv *kv, const struct entry *entry,
                    int64_t when)
{
    char space[STRING_SPACE];
    weft_slice text = string_get(entry, space);
    char *copy = keep(text, space);
    if (!copy)
        return kv_reply_no_memory(request);
    if (set_string(request, kv, request->args[1], request->args[2], when))
        weft_redis_reply_string(request, copy, text.size);
    if (copy != space)
        kv_free(copy);
    return 0;
}

/* SET with the word GET: the reply is what was there. */
static int set_and_get(weft_redis_request *request, struct kv *kv,
                       const struct set_options *options, int64_t when)
{
    struct entry *entry;
    int found = kv_find(kv, request, request->args[1], ENTRY_STRING, &entry);
    if (found < 0)
        return 0;
    if (found && options->if_free)
        return reply_string(request, entry);
    if (found)
        return exchange(request, kv, entry, when);
    if (options->if_there || set_string(request, kv, request->args[1], request->args[2], when))
        weft_redis_reply_null(request);
    return 0;
}

static int set(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    struct set_options options;
    if (request->count == 3) {
        if (!set_string(request, kv, request->args[1], request->args[2], KEYSPACE_NEVER))
            return 0;
        return kv_reply_ok(request);
    }
    int64_t when;
    if (!read_options(request, 3, true, &options) ||
        !read_set_time(request, kv, &options, "set", &when))
        return 0;
    if (options.keeps_time)
        when = KEYSPACE_KEEP;
    if (options.and_get)
        return set_and_get(request, kv, &options, when);
    bool is_there = (options.if_free || options.if_there) &&
                    keyspace_peek(&kv->keyspace, request->args[1], kv_now(kv, request)) != NULL;
    if ((options.if_free && is_there) || (options.if_there && !is_there))
        return weft_redis_reply_null(request);
    if (!set_string(request, kv, request->args[1], request->args[2], when))
        return 0;
    return kv_reply_ok(request);
}

static int setnx(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    if (keyspace_peek(&kv->keyspace, request->args[1], kv_now(kv, request)))
        return weft_redis_reply_integer(request, 0);
    if (!set_string(request, kv, request->args[1], request->args[2], KEYSPACE_NEVER))
        return 0;
    return weft_redis_reply_integer(request, 1);
}

static int set_for(weft_redis_request *request, struct kv *kv, int64_t unit, const char *command)
{
    int64_t when, now = kv_now(kv, request);
    if (!kv_read_when(request, request->args[2], unit, now, command, &when))
        return 0;
    if (when <= now)
        return weft_redis_reply_error(request, "ERR invalid expire time in '%s' command", command);
    if (!set_string(request, kv, request->args[1], request->args[3], when))
        return 0;
    return kv_reply_ok(request);
}

static int setex(weft_redis_request *request, void *app)
{
    return set_for(request, app, 1000, "setex");
}

static int psetex(weft_redis_request *request, void *app)
{
    return set_for(request, app, 1, "psetex");
}

static int getset(weft_redis_request *request, void *app)
{
    static const struct set_options plain = { .time_at = 0 };
    return set_and_get(request, app, &plain, KEYSPACE_NEVER);
}

static int get_and_change_time(weft_redis_request *request, struct kv *kv, struct entry *entry,
                               int64_t when)
{
    int64_t now = kv_now(kv, request);
    if (when <= now) {
        reply_string(request, entry);
        keyspace_delete(&kv->keyspace, request->args[1], now);
        return 0;
    }
    if (keyspace_expire(&kv->keyspace, entry, when) < 0)
        return kv_reply_no_memory(request);
    return reply_string(request, keyspace_peek(&kv->keyspace, request->args[1], now));
}

static int getex(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    struct set_options options;
    struct entry *entry;
    int64_t when;
    if (!read_options(request, 2, false, &options))
        return 0;
    int found = kv_find(kv, request, request->args[1], ENTRY_STRING, &entry);
    if (found <= 0)
        return found < 0 ? 0 : weft_redis_reply_null(request);
    if (!read_set_time(request, kv, &options, "getex", &when))
        return 0;
    bool changes =
        when != KEYSPACE_NEVER || (options.persists && keyspace_when(entry) != KEYSPACE_NEVER);
    return changes ? get_and_change_time(request, kv, entry, when) : reply_string(request, entry);
}

/* Each pair stands as if set alone. Returns where it ended: in front of the end memory did, which
 * was replied. */
static size_t set_many(weft_redis_request *request, struct kv *kv)
{
    size_t i = 1;
    while (i < request->count &&
           set_string(request, kv, request->args[i], request->args[i + 1], KEYSPACE_NEVER))
        i += 2;
    return i;
}

static bool has_pairs(weft_redis_request *request, const char *name)
{
    if (request->count % 2 == 1)
        return true;
    kv_reply_arity(request, name);
    return false;
}

static int mset(weft_redis_request *request, void *app)
{
    if (!has_pairs(request, "mset") || set_many(request, app) < request->count)
        return 0;
    return kv_reply_ok(request);
}

static int msetnx(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    int64_t now = kv_now(kv, request);
    if (!has_pairs(request, "msetnx"))
        return 0;
    for (size_t i = 1; i < request->count; i += 2)
        if (keyspace_peek(&kv->keyspace, request->args[i], now))
            return weft_redis_reply_integer(request, 0);
    size_t end = set_many(request, kv);
    if (end == request->count)
        return weft_redis_reply_integer(request, 1);
    for (size_t i = 1; i < end; i += 2) /* none of them was there before */
        keyspace_delete(&kv->keyspace, request->args[i], now);
    return 0;
}

/* --- parts --- */

static int append(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    size_t size;
    struct entry *entry;
    int found = kv_find(kv, request, request->args[1], ENTRY_STRING, &entry);
    if (found < 0)
        return 0;
    if (found && string_size(entry) + request->args[2].size > KV_STRING_MAX)
        return kv_reply_too_long(request);
    int err = keyspace_append(&kv->keyspace, request->args[1], request->args[2],
                              kv_now(kv, request), &size);
    return err < 0 ? kv_reply_no_memory(request) : weft_redis_reply_integer(request, (int64_t)size);
}

static int get_range(weft_redis_request *request, void *app)
{
    int64_t first, last;
    struct entry *entry;
    char space[STRING_SPACE];
    if (!kv_read_integer(request, request->args[2], &first) ||
        !kv_read_integer(request, request->args[3], &last))
        return 0;
    int found = kv_find(app, request, request->args[1], ENTRY_STRING, &entry);
    if (found < 0)
        return 0;
    weft_slice text = found ? string_get(entry, space) : (weft_slice){ "", 0 };
    bool is_backwards = first < 0 && last < 0 && first > last;
    if (is_backwards || !kv_cut_string_range(&first, &last, text.size))
        return weft_redis_reply_string(request, "", 0);
    return weft_redis_reply_string(request, text.data + first, (size_t)(last - first + 1));
}

static int set_range(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    weft_slice part = request->args[3];
    int64_t offset;
    struct entry *entry;
    char *data;
    if (!kv_read_integer(request, request->args[2], &offset))
        return 0;
    if (offset < 0)
        return weft_redis_reply_error(request, "ERR offset is out of range");
    int found = kv_find(kv, request, request->args[1], ENTRY_STRING, &entry);
    if (found < 0)
        return 0;
    size_t size = found ? string_size(entry) : 0;
    if (part.size == 0)
        return weft_redis_reply_integer(request, (int64_t)size);
    if (offset > (int64_t)KV_STRING_MAX || (size_t)offset + part.size > KV_STRING_MAX)
        return kv_reply_too_long(request);
    size_t end = (size_t)offset + part.size;
    if (keyspace_open(&kv->keyspace, request->args[1], end, kv_now(kv, request), &data) < 0)
        return kv_reply_no_memory(request);
    memcpy(data + offset, part.data, part.size);
    return weft_redis_reply_integer(request, (int64_t)(end > size ? end : size));
}

#define KEY   .first_key = 1, .last_key = 1, .group = "string"
#define KEYS  .first_key = 1, .last_key = -1, .group = "string"
#define READ  WEFT_REDIS_READ | WEFT_REDIS_FAST
#define WRITE WEFT_REDIS_WRITE | WEFT_REDIS_FAST

const weft_redis_command kv_string_commands[] = {
    { "get", get, .arity = 2, .flags = READ, KEY, .summary = "Gets a string" },
    { "mget", mget, .arity = -2, .flags = READ, KEYS, .summary = "Gets strings" },
    { "getdel", getdel, .arity = 2, .flags = WRITE, KEY,
      .summary = "Gets a string, and deletes it" },
    { "getex", getex, .arity = -2, .flags = WRITE, KEY,
      .summary = "Gets a string, and changes when it expires" },
    { "getset", getset, .arity = 3, .flags = WRITE, KEY,
      .summary = "Sets a string, and gets what was there" },
    { "strlen", string_length, .arity = 2, .flags = READ, KEY,
      .summary = "Says how long a string is" },
    { "set", set, .arity = -3, .flags = WEFT_REDIS_WRITE, KEY,
      .summary = "Sets a string, under conditions, for a time" },
    { "setnx", setnx, .arity = 3, .flags = WRITE, KEY,
      .summary = "Sets a string that is not there" },
    { "setex", setex, .arity = 4, .flags = WRITE, KEY,
      .summary = "Sets a string for so many seconds" },
    { "psetex", psetex, .arity = 4, .flags = WRITE, KEY,
      .summary = "Sets a string for so many milliseconds" },
    { "mset", mset, .arity = -3, .flags = WEFT_REDIS_WRITE, KEYS, .key_step = 2,
      .summary = "Sets strings" },
    { "msetnx", msetnx, .arity = -3, .flags = WEFT_REDIS_WRITE, KEYS, .key_step = 2,
      .summary = "Sets strings of which none is there" },
    { "append", append, .arity = 3, .flags = WRITE, KEY, .summary = "Adds to the end of a string" },
    { "getrange", get_range, .arity = 4, .flags = WEFT_REDIS_READ, KEY,
      .summary = "Gets a part of a string" },
    { "substr", get_range, .arity = 4, .flags = WEFT_REDIS_READ, KEY,
      .summary = "Gets a part of a string: GETRANGE of old" },
    { "setrange", set_range, .arity = 4, .flags = WEFT_REDIS_WRITE, KEY,
      .summary = "Replaces a part of a string" },
    { 0 },
};
