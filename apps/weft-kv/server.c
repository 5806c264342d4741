/* Commands on the store as a whole, and its parameters. */

#include "kv.h"

#include "codec/resp.h"

#include <weft/memory.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int dbsize(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    return weft_redis_reply_integer(request, (int64_t)keyspace_count(&kv->keyspace));
}

/* Their memory is given back in slices either way, but where the client wants to wait for it. */
static int flush(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    bool waits = request->count == 2 && weft_redis_is(request->args[1], "sync");
    bool is_good = request->count == 1 || waits ||
                   (request->count == 2 && weft_redis_is(request->args[1], "async"));
    if (!is_good)
        return kv_reply_syntax(request);
    keyspace_flush(&kv->keyspace, !waits);
    kv_wake(kv);
    return kv_reply_ok(request);
}

static int tell_time(weft_redis_request *request, void *app)
{
    struct timespec now;
    (void)app;
    timespec_get(&now, TIME_UTC);
    weft_redis_reply_array(request, 2);
    weft_redis_reply_format(request, "%lld", (long long)now.tv_sec);
    return weft_redis_reply_format(request, "%ld", now.tv_nsec / 1000);
}

const weft_redis_command kv_server_commands[] = {
    { "dbsize", dbsize, .arity = 1, .flags = WEFT_REDIS_READ | WEFT_REDIS_FAST, .group = "server",
      .summary = "Counts the keys" },
    { "flushdb", flush, .arity = -1, .flags = WEFT_REDIS_WRITE, .group = "server",
      .summary = "Deletes all keys" },
    { "flushall", flush, .arity = -1, .flags = WEFT_REDIS_WRITE, .group = "server",
      .summary = "Deletes all keys" },
    { "time", tell_time, .arity = 1, .flags = WEFT_REDIS_FAST, .group = "server",
      .summary = "Says what time it is" },
    { 0 },
};

/* --- parameters --- */

#define LIMIT(name, field)                                                                         \
    static void get_##name(void *app, char *text, size_t size)                                     \
    {                                                                                              \
        struct kv *kv = app;                                                                       \
        snprintf(text, size, "%u", kv->keyspace.limits.field);                                     \
    }                                                                                              \
    static int set_##name(void *app, const char *text)                                             \
    {                                                                                              \
        struct kv *kv = app;                                                                       \
        return set_limit(text, &kv->keyspace.limits.field);                                        \
    }

static int set_limit(const char *text, uint32_t *limit)
{
    int64_t value;
    if (!wf_resp_read_integer(text, strlen(text), &value) || value < 0 || value > 1 << 20)
        return -EINVAL;
    *limit = (uint32_t)value;
    return 0;
}

LIMIT(hash_count, hash_count)
LIMIT(hash_bytes, hash_bytes)
LIMIT(set_integers, set_integers)
LIMIT(set_count, set_count)
LIMIT(set_bytes, set_bytes)
LIMIT(zset_count, zset_count)
LIMIT(zset_bytes, zset_bytes)

/* What is kept for those who ask: there is no persistence, and no eviction. */
static void get_nothing(void *app, char *text, size_t size)
{
    (void)app;
    snprintf(text, size, "%s", "");
}

static void get_no(void *app, char *text, size_t size)
{
    (void)app;
    snprintf(text, size, "no");
}

static void get_zero(void *app, char *text, size_t size)
{
    (void)app;
    snprintf(text, size, "0");
}

static void get_one(void *app, char *text, size_t size)
{
    (void)app;
    snprintf(text, size, "1");
}

static void get_noeviction(void *app, char *text, size_t size)
{
    (void)app;
    snprintf(text, size, "noeviction");
}

const weft_redis_parameter kv_parameters[] = {
    { "hash-max-listpack-entries", get_hash_count, set_hash_count },
    { "hash-max-listpack-value", get_hash_bytes, set_hash_bytes },
    { "set-max-intset-entries", get_set_integers, set_set_integers },
    { "set-max-listpack-entries", get_set_count, set_set_count },
    { "set-max-listpack-value", get_set_bytes, set_set_bytes },
    { "zset-max-listpack-entries", get_zset_count, set_zset_count },
    { "zset-max-listpack-value", get_zset_bytes, set_zset_bytes },
    { "save", get_nothing, NULL },
    { "appendonly", get_no, NULL },
    { "databases", get_one, NULL },
    { "maxmemory", get_zero, NULL },
    { "maxmemory-policy", get_noeviction, NULL },
    { NULL, NULL, NULL },
};
