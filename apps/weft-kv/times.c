/* Commands on the time of keys. */

#include "kv.h"

#include <string.h>

/* --- asking --- */

/* What a command says of a time: `unit` in ms, since when it counts. -2: no key, -1: no time. */
static int reply_time(weft_redis_request *request, struct kv *kv, int64_t unit, bool from_now)
{
    int64_t now = kv_now(kv, request);
    const struct entry *entry = keyspace_peek(&kv->keyspace, request->args[1], now);
    int64_t when = entry ? keyspace_when(entry) : KEYSPACE_NEVER;
    if (when == KEYSPACE_NEVER)
        return weft_redis_reply_integer(request, entry ? -1 : -2);
    int64_t value = from_now ? when - now : when;
    return weft_redis_reply_integer(request, value / unit + (unit > 1 && value % unit >= unit / 2));
}

static int ttl(weft_redis_request *request, void *app)
{
    return reply_time(request, app, 1000, true);
}

static int pttl(weft_redis_request *request, void *app)
{
    return reply_time(request, app, 1, true);
}

static int expire_time(weft_redis_request *request, void *app)
{
    return reply_time(request, app, 1000, false);
}

static int pexpire_time(weft_redis_request *request, void *app)
{
    return reply_time(request, app, 1, false);
}

/* --- setting --- */

bool kv_read_when(weft_redis_request *request, weft_slice text, int64_t unit, int64_t from,
                  const char *command, int64_t *when)
{
    int64_t value;
    if (!kv_read_integer(request, text, &value))
        return false;
    if (!__builtin_mul_overflow(value, unit, &value) &&
        !__builtin_add_overflow(value, from, when)) {
        if (*when == KEYSPACE_NEVER || *when == KEYSPACE_KEEP) /* a millisecond nearer */
            *when = *when < 0 ? KEYSPACE_KEEP + 1 : KEYSPACE_NEVER - 1;
        return true;
    }
    weft_redis_reply_error(request, "ERR invalid expire time in '%s' command", command);
    return false;
}

struct condition {
    bool if_none, if_some, if_later, if_sooner; /* NX, XX, GT, LT */
};

static bool read_condition(weft_redis_request *request, struct condition *condition)
{
    *condition = (struct condition){ false, false, false, false };
    for (size_t i = 3; i < request->count; i++) {
        weft_slice word = request->args[i];
        if (weft_redis_is(word, "nx")) {
            condition->if_none = true;
        } else if (weft_redis_is(word, "xx")) {
            condition->if_some = true;
        } else if (weft_redis_is(word, "gt")) {
            condition->if_later = true;
        } else if (weft_redis_is(word, "lt")) {
            condition->if_sooner = true;
        } else {
            weft_redis_reply_error(request, "ERR Unsupported option %.*s",
                                   word.size < 64 ? (int)word.size : 64, word.data);
            return false;
        }
    }
    if (condition->if_none && (condition->if_some || condition->if_later || condition->if_sooner)) {
        weft_redis_reply_error(
            request, "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if (condition->if_later && condition->if_sooner) {
        weft_redis_reply_error(request,
                               "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

/* No time is later than any. */
static bool is_met(const struct condition *condition, int64_t before, int64_t when)
{
    bool has_time = before != KEYSPACE_NEVER;
    return !(condition->if_none && has_time) && !(condition->if_some && !has_time) &&
           !(condition->if_later && when <= before) && !(condition->if_sooner && when >= before);
}

static int set_time(weft_redis_request *request, struct kv *kv, int64_t unit, bool from_now,
                    const char *command)
{
    int64_t now = kv_now(kv, request), when;
    struct condition condition;
    if (!read_condition(request, &condition) ||
        !kv_read_when(request, request->args[2], unit, from_now ? now : 0, command, &when))
        return 0;
    struct entry *entry = keyspace_peek(&kv->keyspace, request->args[1], now);
    if (!entry || !is_met(&condition, keyspace_when(entry), when))
        return weft_redis_reply_integer(request, 0);
    if (when <= now)
        keyspace_delete(&kv->keyspace, request->args[1], now);
    else if (keyspace_expire(&kv->keyspace, entry, when) < 0)
        return kv_reply_no_memory(request);
    return weft_redis_reply_integer(request, 1);
}

static int expire(weft_redis_request *request, void *app)
{
    return set_time(request, app, 1000, true, "expire");
}

static int pexpire(weft_redis_request *request, void *app)
{
    return set_time(request, app, 1, true, "pexpire");
}

static int expire_at(weft_redis_request *request, void *app)
{
    return set_time(request, app, 1000, false, "expireat");
}

static int pexpire_at(weft_redis_request *request, void *app)
{
    return set_time(request, app, 1, false, "pexpireat");
}

static int persist(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    struct entry *entry = keyspace_peek(&kv->keyspace, request->args[1], kv_now(kv, request));
    if (!entry || keyspace_when(entry) == KEYSPACE_NEVER)
        return weft_redis_reply_integer(request, 0);
    if (keyspace_expire(&kv->keyspace, entry, KEYSPACE_NEVER) < 0)
        return kv_reply_no_memory(request);
    return weft_redis_reply_integer(request, 1);
}

#define ASKS .arity = 2, .flags = WEFT_REDIS_READ | WEFT_REDIS_FAST, .first_key = 1, .last_key = 1
#define SETS .arity = -3, .flags = WEFT_REDIS_WRITE | WEFT_REDIS_FAST, .first_key = 1, .last_key = 1

const weft_redis_command kv_time_commands[] = {
    { "ttl", ttl, ASKS, .summary = "Says how many seconds a key has left" },
    { "pttl", pttl, ASKS, .summary = "Says how many milliseconds a key has left" },
    { "expiretime", expire_time, ASKS, .summary = "Says when a key expires, in seconds" },
    { "pexpiretime", pexpire_time, ASKS, .summary = "Says when a key expires, in milliseconds" },
    { "expire", expire, SETS, .summary = "Lets a key expire in so many seconds" },
    { "pexpire", pexpire, SETS, .summary = "Lets a key expire in so many milliseconds" },
    { "expireat", expire_at, SETS, .summary = "Lets a key expire at a time in seconds" },
    { "pexpireat", pexpire_at, SETS, .summary = "Lets a key expire at a time in milliseconds" },
    { "persist", persist, .arity = 2, .flags = WEFT_REDIS_WRITE | WEFT_REDIS_FAST, .first_key = 1,
      .last_key = 1, .summary = "Lets a key live for ever" },
    { 0 },
};
