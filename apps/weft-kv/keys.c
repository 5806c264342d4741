/* Commands on keys, of whatever type: being there, being called, being scanned, copied, described.
 * What concerns their time is in times.c. */

#include "kv.h"

#include <errno.h>
#include <string.h>

/* --- there or not --- */

static int del(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    int64_t now = kv_now(kv, request), count = 0;
    for (size_t i = 1; i < request->count; i++)
        count += keyspace_delete(&kv->keyspace, request->args[i], now);
    return weft_redis_reply_integer(request, count);
}

static int exists(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    int64_t now = kv_now(kv, request), count = 0;
    for (size_t i = 1; i < request->count; i++)
        count += keyspace_peek(&kv->keyspace, request->args[i], now) != NULL;
    return weft_redis_reply_integer(request, count);
}

static int touch(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    int64_t now = kv_now(kv, request), count = 0;
    for (size_t i = 1; i < request->count; i++)
        count += keyspace_find(&kv->keyspace, request->args[i], now) != NULL;
    return weft_redis_reply_integer(request, count);
}

static int type(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    const struct entry *entry = keyspace_peek(&kv->keyspace, request->args[1], kv_now(kv, request));
    return weft_redis_reply_status(request, entry ? entry_type_name(entry) : "none");
}

static int random_key(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    const struct entry *entry = keyspace_random(&kv->keyspace, kv_now(kv, request));
    if (!entry)
        return weft_redis_reply_null(request);
    weft_slice key = entry_key(entry);
    return weft_redis_reply_string(request, key.data, key.size);
}

/* --- names --- */

static int rename_to(weft_redis_request *request, struct kv *kv)
{
    int err =
        keyspace_rename(&kv->keyspace, request->args[1], request->args[2], kv_now(kv, request));
    if (err == -ENOENT)
        kv_reply_no_key(request);
    else if (err < 0)
        kv_reply_no_memory(request);
    return err;
}

static int rename_key(weft_redis_request *request, void *app)
{
    return rename_to(request, app) < 0 ? 0 : kv_reply_ok(request);
}

static int rename_if_free(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    int64_t now = kv_now(kv, request);
    if (!keyspace_peek(&kv->keyspace, request->args[1], now))
        return kv_reply_no_key(request);
    if (keyspace_peek(&kv->keyspace, request->args[2], now))
        return weft_redis_reply_integer(request, 0);
    return rename_to(request, kv) < 0 ? 0 : weft_redis_reply_integer(request, 1);
}

/* COPY source destination [DB 0] [REPLACE] */
static bool read_copy(weft_redis_request *request, bool *replace)
{
    *replace = false;
    for (size_t i = 3; i < request->count; i++) {
        int64_t database;
        if (weft_redis_is(request->args[i], "replace")) {
            *replace = true;
        } else if (weft_redis_is(request->args[i], "db") && i + 1 < request->count) {
            if (!kv_read_integer(request, request->args[++i], &database))
                return false;
            if (database != 0) {
                weft_redis_reply_error(request, "ERR DB index is out of range");
                return false;
            }
        } else {
            kv_reply_syntax(request);
            return false;
        }
    }
    return true;
}

static bool is_same(weft_slice a, weft_slice b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

static int copy(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    struct entry *made;
    int64_t now = kv_now(kv, request);
    weft_slice to = request->args[2];
    bool replace;
    if (!read_copy(request, &replace))
        return 0;
    if (is_same(request->args[1], to))
        return weft_redis_reply_error(request, "ERR source and destination objects are the same");
    bool is_taken = keyspace_peek(&kv->keyspace, to, now) != NULL;
    struct entry *entry = keyspace_find(&kv->keyspace, request->args[1], now);
    if (!entry || (is_taken && !replace))
        return weft_redis_reply_integer(request, 0);
    int64_t when = keyspace_when(entry);
    if (entry_copy(entry, to, &kv->keyspace.limits, &made) < 0)
        return kv_reply_no_memory(request);
    if (keyspace_put(&kv->keyspace, &made, when, now) < 0) {
        entry_free(made);
        return kv_reply_no_memory(request);
    }
    return weft_redis_reply_integer(request, 1);
}

/* --- all of them --- */

struct listing {
    weft_redis_request *request;
    const struct kv_scan *scan;
    int64_t now;
    size_t count;
};

static void list_key(void *arg, void *entry)
{
    struct listing *listing = arg;
    const struct kv_scan *scan = listing->scan;
    weft_slice key = entry_key(entry);
    if (keyspace_when(entry) <= listing->now)
        return;
    if (scan->pattern.data && !weft_redis_match(scan->pattern, key))
        return;
    if (scan->type.data && !weft_redis_is(scan->type, entry_type_name(entry)))
        return;
    weft_redis_reply_string(listing->request, key.data, key.size);
    listing->count++;
}

static int keys(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    struct kv_scan scan = { .pattern = request->args[1] };
    struct listing listing = { request, &scan, kv_now(kv, request), 0 };
    weft_redis_mark mark = weft_redis_reply_defer(request);
    struct table_iterator iterator;
    void *entry;
    table_iterate_begin(&iterator, &kv->keyspace.table);
    while ((entry = table_iterate_next(&iterator)))
        list_key(&listing, entry);
    table_iterate_end(&iterator);
    return weft_redis_reply_array_deferred(request, mark, listing.count);
}

static int scan(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    struct kv_scan scan;
    if (!kv_read_scan(request, 1, true, &scan))
        return 0;
    struct listing listing = { request, &scan, kv_now(kv, request), 0 };
    weft_redis_mark mark = weft_redis_reply_defer(request);
    uint64_t cursor = scan.cursor, visited = 0;
    do {
        cursor = keyspace_scan(&kv->keyspace, cursor, list_key, &listing);
    } while (cursor != 0 && listing.count < scan.steps && ++visited < scan.steps * 10);
    return weft_redis_reply_scan_deferred(request, mark, cursor, listing.count);
}

/* --- OBJECT --- */

static int object_help(weft_redis_request *request)
{
    static const char *const lines[] = {
        "OBJECT <subcommand> <key>. Subcommands are:",
        "ENCODING: how the value is kept",
        "FREQ: not counted here",
        "IDLETIME: seconds since it was used",
        "REFCOUNT: always 1",
    };
    weft_redis_reply_array(request, sizeof lines / sizeof lines[0]);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        weft_redis_reply_status(request, lines[i]);
    return 0;
}

static int object(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    weft_slice what = request->args[1];
    int64_t now = kv_now(kv, request);
    if (weft_redis_is(what, "help") && request->count == 2)
        return object_help(request);
    bool is_known = weft_redis_is(what, "encoding") || weft_redis_is(what, "idletime") ||
                    weft_redis_is(what, "refcount") || weft_redis_is(what, "freq");
    if (!is_known || request->count != 3)
        return weft_redis_reply_error(
            request,
            "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try OBJECT "
            "HELP.",
            what.size < 128 ? (int)what.size : 128, what.data);
    const struct entry *entry = keyspace_peek(&kv->keyspace, request->args[2], now);
    if (!entry)
        return weft_redis_reply_null(request);
    if (weft_redis_is(what, "encoding"))
        return weft_redis_reply_format(request, "%s", entry_encoding(entry));
    if (weft_redis_is(what, "idletime"))
        return weft_redis_reply_integer(request, keyspace_idle(entry, now));
    if (weft_redis_is(what, "refcount"))
        return weft_redis_reply_integer(request, 1);
    return weft_redis_reply_error(
        request,
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please "
        "note that when switching between policies at runtime LRU and LFU data will take "
        "some time to adjust.");
}

#define READ  (WEFT_REDIS_READ | WEFT_REDIS_FAST)
#define WRITE (WEFT_REDIS_WRITE)

const weft_redis_command kv_key_commands[] = {
    { "del", del, .arity = -2, .flags = WRITE, .first_key = 1, .last_key = -1,
      .summary = "Deletes keys" },
    { "unlink", del, .arity = -2, .flags = WRITE | WEFT_REDIS_FAST, .first_key = 1, .last_key = -1,
      .summary = "Deletes keys; as DEL does, their memory is given back in slices" },
    { "exists", exists, .arity = -2, .flags = READ, .first_key = 1, .last_key = -1,
      .summary = "Counts the keys that are there" },
    { "touch", touch, .arity = -2, .flags = READ, .first_key = 1, .last_key = -1,
      .summary = "Uses keys, and counts those that are there" },
    { "type", type, .arity = 2, .flags = READ, .first_key = 1, .last_key = 1,
      .summary = "Says of which type a value is" },
    { "randomkey", random_key, .arity = 1, .flags = WEFT_REDIS_READ, .summary = "Names any key" },
    { "rename", rename_key, .arity = 3, .flags = WRITE, .first_key = 1, .last_key = 2,
      .summary = "Calls a key by another name" },
    { "renamenx", rename_if_free, .arity = 3, .flags = WRITE | WEFT_REDIS_FAST, .first_key = 1,
      .last_key = 2, .summary = "Calls a key by another name, if that is free" },
    { "copy", copy, .arity = -3, .flags = WRITE, .first_key = 1, .last_key = 2,
      .summary = "Copies a value to another key" },
    { "keys", keys, .arity = 2, .flags = WEFT_REDIS_READ,
      .summary = "Names all keys of a pattern" },
    { "scan", scan, .arity = -2, .flags = WEFT_REDIS_READ,
      .summary = "Names some keys, and goes on" },
    { "object", object, .arity = -2, .flags = WEFT_REDIS_READ, .first_key = 2, .last_key = 2,
      .summary = "Says how a value is kept" },
    { 0 },
};
