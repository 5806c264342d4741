/* The ends of an exchange: an answer, or an error in words. */

#include "redis/exchange.h"

#include "redis/value.h"

#include <errno.h>
#include <string.h>
#include <weft/error.h>

#define NO_ROOM "the answer found no room in the arena"

size_t wf_redis_exchange_size(const struct wf_redis_exchange *exchange)
{
    return exchange->count > 0 ? wf_resp_command_size(exchange->args, exchange->count)
                               : exchange->block.size;
}

void wf_redis_exchange_write(const struct wf_redis_exchange *exchange, char *out)
{
    if (exchange->count > 0)
        wf_resp_command_write(out, exchange->args, exchange->count);
    else
        memcpy(out, exchange->block.data, exchange->block.size);
}

static void finish(struct wf_redis_exchange *exchange, int result, const char *detail)
{
    exchange->state = WF_REDIS_DONE;
    exchange->result = result;
    exchange->detail = detail;
    weft_event_set(&exchange->bell);
}

/* The text of an error, as long as the arena lives. */
static const char *keep_error(struct wf_redis_exchange *exchange, const struct wf_resp_reply *reply)
{
    const struct wf_resp_node *node = &reply->nodes[reply->value];
    const char *text =
        exchange->arena ? weft_arena_copy(exchange->arena, node->as.text, node->len) : NULL;
    return text ? text : weft_error_text(WEFT_EREPLY);
}

static void answer(struct wf_redis_exchange *exchange, const struct wf_resp_reply *reply)
{
    bool is_error = wf_redis_value_is_error(reply);
    int err = exchange->arena ? wf_redis_value_build(exchange->arena, reply, &exchange->value) : 0;
    if (err < 0)
        finish(exchange, err, NO_ROOM);
    else if (!is_error)
        finish(exchange, 0, "");
    else if (exchange->refusal)
        finish(exchange, WEFT_EREPLY, exchange->refusal);
    else
        finish(exchange, WEFT_EREPLY,
               exchange->value ? exchange->value->text : weft_error_text(WEFT_EREPLY));
}

void wf_redis_exchange_take(struct wf_redis_exchange *exchange, const struct wf_resp_reply *reply,
                            bool is_last)
{
    if (is_last)
        answer(exchange, reply);
    else if (!exchange->refusal && wf_redis_value_is_error(reply))
        exchange->refusal = keep_error(exchange, reply);
}

/* What the server said when it refused the connection, behind the name of what it refused, is a
 * value like any other error of it. */
static int build_refusal(struct wf_redis_exchange *exchange, const char *why)
{
    const char *colon = strstr(why, ": ");
    const char *text = colon ? colon + 2 : why;
    size_t size = strlen(text);
    struct weft_redis_value *value = weft_arena_alloc(exchange->arena, sizeof *value);
    char *copy = value ? weft_arena_copy(exchange->arena, text, size) : NULL;
    if (!copy)
        return -ENOMEM;
    *value = (struct weft_redis_value){ .kind = WEFT_REDIS_ERROR, .text = copy, .size = size };
    exchange->value = value;
    return WEFT_EREPLY;
}

void wf_redis_exchange_fail(struct wf_redis_exchange *exchange, int err, const char *why)
{
    const char *words = why && *why ? why : weft_error_text(err);
    if (err == WEFT_EREPLY && exchange->arena)
        err = build_refusal(exchange, words);
    char *detail = exchange->arena
                       ? weft_arena_format(exchange->arena, "%s: %s", exchange->what, words)
                       : NULL;
    finish(exchange, err, detail ? detail : weft_error_text(err));
}
