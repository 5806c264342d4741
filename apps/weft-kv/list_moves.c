/* Commands that take elements from the ends of lists of several, at once or when there are any.
 *
 *                       looks at       and replies
 *      LMPOP            several keys   the first that has any, and its elements
 *      LMOVE, RPOPLPUSH one key        what was moved
 *      BLPOP, BRPOP     several keys   the first that has any, and one element
 *      BLMPOP, BLMOVE, BRPOPLPUSH      as those without a B; a client waits until there is any
 *
 * A client that waits is called again when one of its keys was touched, before those that came
 * after it. When its time is over all of them reply no array, also where it would be a string. */

#include "weft-kv/list_ends.h"

#include <errno.h>

static int reply_nothing(weft_redis_request *request, void *app)
{
    (void)app;
    return weft_redis_reply_null_array(request);
}

static int reply_not_moved(weft_redis_request *request, void *app)
{
    (void)app;
    return request->in_transaction ? weft_redis_reply_null(request)
                                   : weft_redis_reply_null_array(request);
}

/* --- popping --- */

static int lmpop(weft_redis_request *request, void *app)
{
    struct ends_pop pop;
    if (!ends_read_pop(request, 1, &pop) || ends_pop_first(app, request, &pop) != 0)
        return 0;
    return weft_redis_reply_null_array(request);
}

static int pop_or_wait(struct kv *kv, weft_redis_request *request, const struct ends_pop *pop,
                       int64_t timeout)
{
    if (ends_pop_first(kv, request, pop) != 0)
        return 0;
    return weft_redis_block(request, &request->args[pop->first], pop->keys, timeout, reply_nothing);
}

static int bpop(weft_redis_request *request, void *app, bool left)
{
    int64_t timeout;
    struct ends_pop pop = {
        .first = 1, .keys = request->count - 2, .count = 1, .left = left, .single = true
    };
    if (!kv_read_timeout(request, request->args[request->count - 1], &timeout))
        return 0;
    return pop_or_wait(app, request, &pop, timeout);
}

static int blpop(weft_redis_request *request, void *app)
{
    return bpop(request, app, true);
}

static int brpop(weft_redis_request *request, void *app)
{
    return bpop(request, app, false);
}

static int blmpop(weft_redis_request *request, void *app)
{
    int64_t timeout;
    struct ends_pop pop;
    if (!ends_read_pop(request, 2, &pop) || !kv_read_timeout(request, request->args[1], &timeout))
        return 0;
    return pop_or_wait(app, request, &pop, timeout);
}

/* --- moving --- */

/* "source destination LEFT|RIGHT LEFT|RIGHT" */
static bool read_move(weft_redis_request *request, struct ends_move *move)
{
    *move = (struct ends_move){ .from = request->args[1], .to = request->args[2] };
    return ends_read(request, request->args[3], &move->from_left) &&
           ends_read(request, request->args[4], &move->to_left);
}

static int lmove(weft_redis_request *request, void *app)
{
    struct ends_move move;
    if (!read_move(request, &move))
        return 0;
    return ends_move(app, request, &move) ? 0 : weft_redis_reply_null(request);
}

static int rpoplpush(weft_redis_request *request, void *app)
{
    struct ends_move move = { .from = request->args[1], .to = request->args[2], .to_left = true };
    return ends_move(app, request, &move) ? 0 : weft_redis_reply_null(request);
}

static int move_or_wait(struct kv *kv, weft_redis_request *request, const struct ends_move *move,
                        int64_t timeout)
{
    if (ends_move(kv, request, move) != 0)
        return 0;
    return weft_redis_block(request, &request->args[1], 1, timeout, reply_not_moved);
}

static int blmove(weft_redis_request *request, void *app)
{
    int64_t timeout;
    struct ends_move move;
    if (!read_move(request, &move) || !kv_read_timeout(request, request->args[5], &timeout))
        return 0;
    return move_or_wait(app, request, &move, timeout);
}

static int brpoplpush(weft_redis_request *request, void *app)
{
    int64_t timeout;
    struct ends_move move = { .from = request->args[1], .to = request->args[2], .to_left = true };
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
