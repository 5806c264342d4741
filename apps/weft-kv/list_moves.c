/* Commands that take elements from the ends of lists of several, at once or when there are any.
 *
 *                       looks at       and replies
 *      LMPOP            several keys   the first that has any, and its elements
 *      LMOVE, RPOPLPUSH one key        what was moved
 *      BLPOP, BRPOP     several keys   the first that has any, and one element
 *      BLMPOP, BLMOVE, BRPOPLPUSH      as those without a B; a client waits until there is any
 *
 * A client that waits is called again when one of its keys was touched, before those that came
 * after it. When its time is over all of them reply no array, also where it would be a string.
 *
 * An element that moves is copied first: what is given to a list must not be the store's own bytes,
 * and the entry it stands in is not good any more once another key has been looked for. The new
 * place comes before the old one is given up, because only the new one can fail. */

#include "weft-kv/list_ends.h"
#include "weft-kv/memory.h"
#include "weft-kv/pops.h"

#include <errno.h>
#include <string.h>

#define SMALL 256 /* bytes of an element that is copied without an allocation */

/* --- popping --- */

static int take(struct kv *kv, weft_redis_request *request, const struct popping *popping,
                weft_slice key, struct entry *entry)
{
    uint64_t all = list_count(entry), count = popping->count < all ? popping->count : all;
    int err = weft_redis_reply_array(request, 2);
    if (err == 0)
        err = weft_redis_reply_string(request, key.data, key.size);
    if (err == 0 && !popping->single)
        err = weft_redis_reply_array(request, count);
    return ends_take(kv, request, entry, !popping->from_end, count, err);
}

static const struct pop_kind kind = { ENTRY_LIST, "left", "right", take };

static int lmpop(weft_redis_request *request, void *app)
{
    return pops_several(app, request, &kind);
}

static int blmpop(weft_redis_request *request, void *app)
{
    return pops_several_or_wait(app, request, &kind);
}

static int blpop(weft_redis_request *request, void *app)
{
    return pops_one_or_wait(app, request, &kind, false);
}

static int brpop(weft_redis_request *request, void *app)
{
    return pops_one_or_wait(app, request, &kind, true);
}

/* --- moving --- */

/* From one end of a list to an end of another, or of the same. */
struct move {
    weft_slice from, to;
    bool from_left, to_left;
};

/* LEFT or RIGHT; else that it is neither was replied. */
static bool read_end(weft_redis_request *request, weft_slice word, bool *left)
{
    *left = weft_redis_is(word, "left");
    if (*left || weft_redis_is(word, "right"))
        return true;
    kv_reply_syntax(request);
    return false;
}

struct copy {
    char *data;
    size_t size;
    char small[SMALL];
};

static int copy_begin(struct copy *copy, const struct entry *entry, bool left)
{
    struct list_cursor cursor;
    list_seek(entry, left ? 0 : -1, &cursor);
    struct pack_item item = list_get(entry, &cursor);
    weft_slice text = pack_text(&item, copy->small);
    copy->size = text.size;
    copy->data = text.size <= SMALL ? copy->small : kv_alloc(text.size);
    if (!copy->data)
        return -ENOMEM;
    memmove(copy->data, text.data, text.size);
    return 0;
}

static void copy_end(struct copy *copy)
{
    if (copy->data != copy->small)
        kv_free(copy->data);
}

/* Put it at an end. False: that it cannot be was replied, and nothing has changed. */
static bool push_copy(struct kv *kv, weft_redis_request *request, const struct move *move,
                      const struct copy *copy)
{
    struct entry *entry;
    int found = kv_obtain(kv, request, move->to, ENTRY_LIST, &entry);
    if (found < 0)
        return false;
    int err = list_push(entry, move->to_left, (weft_slice){ copy->data, copy->size },
                        &kv->keyspace.limits);
    if (err == 0 || found == 0)
        keyspace_touch(&kv->keyspace, entry, found ? KEYSPACE_CHANGED : KEYSPACE_SET);
    if (err < 0)
        kv_reply_no_memory(request);
    return err == 0;
}

/* In one list the new element may have come to the end that the old one is taken from: they are the
 * same, so it does not matter which goes. */
static void move_copy(struct kv *kv, weft_redis_request *request, const struct move *move,
                      const struct copy *copy)
{
    if (!push_copy(kv, request, move, copy))
        return;
    struct entry *source = keyspace_find(&kv->keyspace, move->from, kv_now(kv, request));
    if (source)
        ends_drop(kv, source, move->from_left, 1);
    weft_redis_reply_string(request, copy->data, copy->size);
}

/* 1: replied, be it with an error; 0: there is none to move. */
static int move_end(struct kv *kv, weft_redis_request *request, const struct move *move)
{
    struct copy copy;
    struct entry *source = keyspace_find(&kv->keyspace, move->from, kv_now(kv, request));
    if (!source || (request->again && source->type != ENTRY_LIST))
        return 0;
    if (source->type != ENTRY_LIST)
        kv_reply_wrong_type(request);
    else if (copy_begin(&copy, source, move->from_left) < 0)
        kv_reply_no_memory(request);
    else {
        move_copy(kv, request, move, &copy);
        copy_end(&copy);
    }
    return 1;
}

static int reply_not_moved(weft_redis_request *request, void *app)
{
    (void)app;
    return request->in_transaction ? weft_redis_reply_null(request)
                                   : weft_redis_reply_null_array(request);
}

/* "source destination LEFT|RIGHT LEFT|RIGHT" */
static bool read_move(weft_redis_request *request, struct move *move)
{
    *move = (struct move){ .from = request->args[1], .to = request->args[2] };
    return read_end(request, request->args[3], &move->from_left) &&
           read_end(request, request->args[4], &move->to_left);
}

static int lmove(weft_redis_request *request, void *app)
{
    struct move move;
    if (!read_move(request, &move))
        return 0;
    return move_end(app, request, &move) ? 0 : weft_redis_reply_null(request);
}

static int rpoplpush(weft_redis_request *request, void *app)
{
    struct move move = { .from = request->args[1], .to = request->args[2], .to_left = true };
    return move_end(app, request, &move) ? 0 : weft_redis_reply_null(request);
}

static int move_or_wait(struct kv *kv, weft_redis_request *request, const struct move *move,
                        int64_t timeout)
{
    if (move_end(kv, request, move) != 0)
        return 0;
    return weft_redis_block(request, &request->args[1], 1, timeout, reply_not_moved);
}

static int blmove(weft_redis_request *request, void *app)
{
    int64_t timeout;
    struct move move;
    if (!read_move(request, &move) || !kv_read_timeout(request, request->args[5], &timeout))
        return 0;
    return move_or_wait(app, request, &move, timeout);
}

static int brpoplpush(weft_redis_request *request, void *app)
{
    int64_t timeout;
    struct move move = { .from = request->args[1], .to = request->args[2], .to_left = true };
    if (!kv_read_timeout(request, request->args[3], &timeout))
        return 0;
    return move_or_wait(app, request, &move, timeout);
}

#define MOVES .flags = WEFT_REDIS_WRITE, .first_key = 1, .last_key = 2, .group = "list"
#define WAITS .flags = WEFT_REDIS_WRITE | WEFT_REDIS_BLOCKS, .group = "list"

const weft_redis_command kv_list_move_commands[] = {
    { "lmpop", lmpop, .arity = -4, .flags = WEFT_REDIS_WRITE, .group = "list",
      .summary = "Takes elements of the first list that has any" },
    { "lmove", lmove, .arity = 5, MOVES,
      .summary = "Moves an element from an end of one list to an end of another" },
    { "rpoplpush", rpoplpush, .arity = 3, MOVES,
      .summary = "Moves the last element of one list to the front of another" },
    { "blpop", blpop, .arity = -3, WAITS, .first_key = 1, .last_key = -2,
      .summary = "Takes the first element of the first list that has one, or waits" },
    { "brpop", brpop, .arity = -3, WAITS, .first_key = 1, .last_key = -2,
      .summary = "Takes the last element of the first list that has one, or waits" },
    { "blmpop", blmpop, .arity = -5, WAITS,
      .summary = "Takes elements of the first list that has any, or waits" },
    { "blmove", blmove, .arity = 6, WAITS, .first_key = 1, .last_key = 2,
      .summary = "Moves an element from one list to another, or waits for one" },
    { "brpoplpush", brpoplpush, .arity = 4, WAITS, .first_key = 1, .last_key = 2,
      .summary = "Moves the last element to the front of another list, or waits for one" },
    { 0 },
};
