/* Commands of one list. Those of several lists, and those that wait, are in list_moves.c.
 *
 *      the ends      LPUSH RPUSH LPUSHX RPUSHX LPOP RPOP
 *      by index      LLEN LINDEX LRANGE LSET LTRIM
 *      by value      LINSERT LREM LPOS: they look at one element after another */

#include "weft-kv/list_ends.h"

#include <errno.h>

/* --- the ends --- */

/* All of them or none: what has been put in comes out again when there is no memory for the rest.
 * `found`: the list was there before. */
static int push_all(struct kv *kv, weft_redis_request *request, struct entry *entry, bool left,
                    bool found)
{
    const struct kv_limits *limits = &kv->keyspace.limits;
    for (size_t i = 2; i < request->count; i++) {
        if (list_push(entry, left, request->args[i], limits) == 0)
            continue;
        list_drop(entry, left, i - 2, limits);
        if (!found)
            keyspace_touch(&kv->keyspace, entry, KEYSPACE_SET); /* empty: it goes */
        return kv_reply_no_memory(request);
    }
    int64_t count = (int64_t)list_count(entry);
    keyspace_touch(&kv->keyspace, entry, found ? KEYSPACE_CHANGED : KEYSPACE_SET);
    return weft_redis_reply_integer(request, count);
}

static int push(weft_redis_request *request, struct kv *kv, bool left)
{
    struct entry *entry;
    int found = kv_obtain(kv, request, request->args[1], ENTRY_LIST, &entry);
    return found < 0 ? 0 : push_all(kv, request, entry, left, found);
}

static int push_if_there(weft_redis_request *request, struct kv *kv, bool left)
{
    struct entry *entry;
    int found = kv_find(kv, request, request->args[1], ENTRY_LIST, &entry);
    if (found <= 0)
        return found < 0 ? 0 : weft_redis_reply_integer(request, 0);
    return push_all(kv, request, entry, left, true);
}

static int lpush(weft_redis_request *request, void *app)
{
    return push(request, app, true);
}

static int rpush(weft_redis_request *request, void *app)
{
    return push(request, app, false);
}

static int lpushx(weft_redis_request *request, void *app)
{
    return push_if_there(request, app, true);
}

static int rpushx(weft_redis_request *request, void *app)
{
    return push_if_there(request, app, false);
}

static int pop_some(weft_redis_request *request, struct kv *kv, struct entry *entry, bool left,
                    uint64_t count)
{
    uint64_t all = list_count(entry);
    if (count > all)
        count = all;
    return ends_take(kv, request, entry, left, count, weft_redis_reply_array(request, count));
}

static int pop(weft_redis_request *request, struct kv *kv, bool left)
{
    struct entry *entry;
    int64_t count = 1;
    bool counted = request->count == 3;
    if (request->count > 3)
        return kv_reply_arity(request, left ? "lpop" : "rpop");
    if (counted && !kv_read_integer_within(request, request->args[2], 0, INT64_MAX, &count))
        return 0;
    int found = kv_find(kv, request, request->args[1], ENTRY_LIST, &entry);
    if (found < 0)
        return 0;
    if (!found)
        return counted ? weft_redis_reply_null_array(request) : weft_redis_reply_null(request);
    if (counted)
        return pop_some(request, kv, entry, left, (uint64_t)count);
    return ends_take(kv, request, entry, left, 1, 0);
}

static int lpop(weft_redis_request *request, void *app)
{
    return pop(request, app, true);
}

static int rpop(weft_redis_request *request, void *app)
{
    return pop(request, app, false);
}

/* --- by index --- */

static int llen(weft_redis_request *request, void *app)
{
    struct entry *entry;
    int found = kv_find(app, request, request->args[1], ENTRY_LIST, &entry);
    if (found < 0)
        return 0;
    return weft_redis_reply_integer(request, found ? (int64_t)list_count(entry) : 0);
}

static int lindex(weft_redis_request *request, void *app)
{
    struct entry *entry;
    struct list_cursor cursor;
    int64_t index;
    int found = kv_find(app, request, request->args[1], ENTRY_LIST, &entry);
    if (found <= 0)
        return found < 0 ? 0 : weft_redis_reply_null(request);
    if (!kv_read_integer(request, request->args[2], &index))
        return 0;
    if (!list_seek(entry, index, &cursor))
        return weft_redis_reply_null(request);
    struct pack_item item = list_get(entry, &cursor);
    return kv_reply_item(request, &item);
}

static bool read_range(weft_redis_request *request, int64_t *first, int64_t *last)
{
    return kv_read_integer(request, request->args[2], first) &&
           kv_read_integer(request, request->args[3], last);
}

static int reply_range(weft_redis_request *request, const struct entry *entry, int64_t first,
                       uint64_t count)
{
    struct list_cursor cursor;
    int err = weft_redis_reply_array(request, count);
    bool more = list_seek(entry, first, &cursor);
    for (; err == 0 && more && count > 0; count--) {
        struct pack_item item = list_get(entry, &cursor);
        err = kv_reply_item(request, &item);
        more = list_next(entry, &cursor);
    }
    return err;
}

static int lrange(weft_redis_request *request, void *app)
{
    struct entry *entry;
    int64_t first, last;
    if (!read_range(request, &first, &last))
        return 0;
    int found = kv_find(app, request, request->args[1], ENTRY_LIST, &entry);
    if (found < 0)
        return 0;
    if (!found || !kv_cut_range(&first, &last, list_count(entry)))
        return weft_redis_reply_array(request, 0);
    return reply_range(request, entry, first, (uint64_t)(last - first + 1));
}

static int lset(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    struct entry *entry;
    struct list_cursor cursor;
    int64_t index;
    int found = kv_find(kv, request, request->args[1], ENTRY_LIST, &entry);
    if (found <= 0)
        return found < 0 ? 0 : kv_reply_no_key(request);
    if (!kv_read_integer(request, request->args[2], &index))
        return 0;
    if (!list_seek(entry, index, &cursor))
        return weft_redis_reply_error(request, "ERR index out of range");
    if (list_set(entry, &cursor, request->args[3], &kv->keyspace.limits) < 0)
        return kv_reply_no_memory(request);
    keyspace_touch(&kv->keyspace, entry, KEYSPACE_CHANGED);
    return kv_reply_ok(request);
}

/* What is left without an element goes as a key that is deleted: its memory in slices. */
static int ltrim(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    struct entry *entry;
    int64_t first, last;
    if (!read_range(request, &first, &last))
        return 0;
    int found = kv_find(kv, request, request->args[1], ENTRY_LIST, &entry);
    if (found <= 0)
        return found < 0 ? 0 : kv_reply_ok(request);
    uint64_t count = list_count(entry);
    if (!kv_cut_range(&first, &last, count)) {
        keyspace_delete(&kv->keyspace, request->args[1], kv_now(kv, request));
        return kv_reply_ok(request);
    }
    list_drop(entry, false, count - 1 - (uint64_t)last, &kv->keyspace.limits);
    list_drop(entry, true, (uint64_t)first, &kv->keyspace.limits);
    keyspace_touch(&kv->keyspace, entry, KEYSPACE_CHANGED);
    return kv_reply_ok(request);
}

/* --- by value --- */

static bool find_value(const struct entry *entry, weft_slice text, struct list_cursor *cursor)
{
    struct pack_item wanted = pack_item_of(text);
    bool more = list_seek(entry, 0, cursor);
    while (more) {
        struct pack_item item = list_get(entry, cursor);
        if (pack_item_is(&item, &wanted))
            return true;
        more = list_next(entry, cursor);
    }
    return false;
}

static int linsert(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    struct entry *entry;
    struct list_cursor cursor;
    bool behind = weft_redis_is(request->args[2], "after");
    if (!behind && !weft_redis_is(request->args[2], "before"))
        return kv_reply_syntax(request);
    int found = kv_find(kv, request, request->args[1], ENTRY_LIST, &entry);
    if (found <= 0)
        return found < 0 ? 0 : weft_redis_reply_integer(request, 0);
    if (!find_value(entry, request->args[3], &cursor))
        return weft_redis_reply_integer(request, -1);
    if (list_insert(entry, &cursor, behind, request->args[4], &kv->keyspace.limits) < 0)
        return kv_reply_no_memory(request);
    keyspace_touch(&kv->keyspace, entry, KEYSPACE_CHANGED);
    return weft_redis_reply_integer(request, (int64_t)list_count(entry));
}

static int lrem(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    struct entry *entry;
    int64_t count;
    if (!kv_read_integer(request, request->args[2], &count))
        return 0;
    int found = kv_find(kv, request, request->args[1], ENTRY_LIST, &entry);
    if (found <= 0)
        return found < 0 ? 0 : weft_redis_reply_integer(request, 0);
    uint64_t removed = list_remove(entry, count, request->args[3], &kv->keyspace.limits);
    if (removed > 0)
        keyspace_touch(&kv->keyspace, entry, KEYSPACE_CHANGED);
    return weft_redis_reply_integer(request, (int64_t)removed);
}

struct search {
    uint64_t skip;     /* matches before the first one that counts */
    uint64_t matches;  /* that are wanted; 0: all */
    uint64_t elements; /* that are looked at; 0: all */
    bool backward, counted;
};

static bool read_rank(weft_redis_request *request, weft_slice text, struct search *search)
{
    int64_t rank;
    if (!kv_read_integer_within(request, text, -INT64_MAX, INT64_MAX, &rank))
        return false;
    if (rank == 0)
        weft_redis_reply_error(request,
                               "ERR RANK can't be zero: use 1 to start from the first match, 2 "
                               "from the second ... or use negative to start from the end of the "
                               "list");
    search->backward = rank < 0;
    search->skip = (uint64_t)(rank < 0 ? -rank : rank) - 1;
    return rank != 0;
}

static bool read_not_negative(weft_redis_request *request, weft_slice text, const char *what,
                              uint64_t *value)
{
    int64_t number;
    if (!kv_parse_integer(text, &number) || number < 0) {
        weft_redis_reply_error(request, "ERR %s can't be negative", what);
        return false;
    }
    *value = (uint64_t)number;
    return true;
}

static bool read_search_option(weft_redis_request *request, size_t index, struct search *search)
{
    weft_slice word = request->args[index];
    if (index + 1 < request->count) {
        weft_slice text = request->args[index + 1];
        if (weft_redis_is(word, "rank"))
            return read_rank(request, text, search);
        if (weft_redis_is(word, "maxlen"))
            return read_not_negative(request, text, "MAXLEN", &search->elements);
        if (weft_redis_is(word, "count")) {
            search->counted = true;
            return read_not_negative(request, text, "COUNT", &search->matches);
        }
    }
    kv_reply_syntax(request);
    return false;
}

static bool read_search(weft_redis_request *request, struct search *search)
{
    *search = (struct search){ .matches = 1 };
    for (size_t i = 3; i < request->count; i += 2)
        if (!read_search_option(request, i, search))
            return false;
    return true;
}

/* Reply the indices of matches; returns how many. */
static uint64_t search_list(weft_redis_request *request, const struct entry *entry,
                            const struct search *search)
{
    struct pack_item wanted = pack_item_of(request->args[2]);
    struct list_cursor cursor;
    uint64_t all = list_count(entry), seen = 0, matched = 0, replied = 0;
    bool more = list_seek(entry, search->backward ? -1 : 0, &cursor);
    while (more && (search->elements == 0 || seen < search->elements)) {
        struct pack_item item = list_get(entry, &cursor);
        if (pack_item_is(&item, &wanted) && ++matched > search->skip) {
            weft_redis_reply_integer(request, (int64_t)(search->backward ? all - 1 - seen : seen));
            if (++replied == search->matches)
                break;
        }
        seen++;
        more = search->backward ? list_previous(entry, &cursor) : list_next(entry, &cursor);
    }
    return replied;
}

static int lpos(weft_redis_request *request, void *app)
{
    struct entry *entry;
    struct search search;
    if (!read_search(request, &search))
        return 0;
    int found = kv_find(app, request, request->args[1], ENTRY_LIST, &entry);
    if (found < 0)
        return 0;
    if (search.counted) {
        weft_redis_mark mark = weft_redis_reply_defer(request);
        uint64_t count = found ? search_list(request, entry, &search) : 0;
        return weft_redis_reply_array_deferred(request, mark, count);
    }
    if (!found || search_list(request, entry, &search) == 0)
        return weft_redis_reply_null(request);
    return 0;
}

#define READS  .flags = WEFT_REDIS_READ, .first_key = 1, .last_key = 1, .group = "list"
#define WRITES .flags = WEFT_REDIS_WRITE, .first_key = 1, .group = "list"
#define QUICK  .flags = WEFT_REDIS_WRITE | WEFT_REDIS_FAST, .first_key = 1, .group = "list"

const weft_redis_command kv_list_commands[] = {
    { "lpush", lpush, .arity = -3, QUICK, .last_key = 1,
      .summary = "Puts elements in front of a list" },
    { "rpush", rpush, .arity = -3, QUICK, .last_key = 1, .summary = "Puts elements behind a list" },
    { "lpushx", lpushx, .arity = -3, QUICK, .last_key = 1,
      .summary = "Puts elements in front of a list, if there is one" },
    { "rpushx", rpushx, .arity = -3, QUICK, .last_key = 1,
      .summary = "Puts elements behind a list, if there is one" },
    { "lpop", lpop, .arity = -2, QUICK, .last_key = 1, .summary = "Takes the first elements out" },
    { "rpop", rpop, .arity = -2, QUICK, .last_key = 1, .summary = "Takes the last elements out" },
    { "llen", llen, .arity = 2, .flags = WEFT_REDIS_READ | WEFT_REDIS_FAST, .first_key = 1,
      .last_key = 1, .group = "list", .summary = "Counts the elements" },
    { "lindex", lindex, .arity = 3, READS, .summary = "Tells the element with an index" },
    { "lrange", lrange, .arity = 4, READS, .summary = "Lists the elements from index to index" },
    { "lset", lset, .arity = 4, WRITES, .last_key = 1,
      .summary = "Puts another element in the place of one" },
    { "ltrim", ltrim, .arity = 4, WRITES, .last_key = 1,
      .summary = "Keeps the elements from index to index, and no others" },
    { "linsert", linsert, .arity = 5, WRITES, .last_key = 1,
      .summary = "Puts an element before or after another one" },
    { "lrem", lrem, .arity = 4, WRITES, .last_key = 1,
      .summary = "Takes out the elements that equal a text" },
    { "lpos", lpos, .arity = -3, READS, .summary = "Tells where elements stand that equal a text" },
    { 0 },
};
