/* Calls: one command, over a connection that others use, or over one alone.
 *
 *     args ──checked, known──┬── route ──────> shared connection
 *                            └── blocks: borrow > lent connection > give back */

#include "redis/call.h"

#include "redis/format.h"
#include "redis/known.h"

#include <errno.h>
#include <string.h>
#include <weft/error.h>

#define ARGS_MAX (1u << 20) /* as many as a server takes */

/* --- what may be sent --- */

const char *wf_redis_word(char word[WF_REDIS_WORD_SIZE], const weft_slice *name)
{
    size_t size = name->size < WF_REDIS_WORD_SIZE ? name->size : WF_REDIS_WORD_SIZE - 1;
    for (size_t i = 0; i < size; i++) {
        char c = name->data[i];
        word[i] = c > ' ' && c < 127 ? c : '?';
    }
    word[size] = '\0';
    return word;
}

const char *wf_redis_check(const weft_slice *args, size_t count)
{
    if (!args || count == 0 || count > ARGS_MAX)
        return "no command, or one of too many arguments";
    for (size_t i = 0; i < count; i++)
        if (!args[i].data && args[i].size > 0)
            return "an argument is NULL";
    return args[0].size == 0 ? "the command has no name" : NULL;
}

const char *wf_redis_refusal(const weft_slice *args, size_t count)
{
    if (wf_redis_known(args, count) == WF_REDIS_REFUSED)
        return "would change what the connection is for others; transactions, subscriptions and "
               "the options of weft_redis_open() have their own ways";
    return NULL;
}

/* --- sending it --- */

static int refuse(weft_redis_call *call, int err, const char *what, const char *why)
{
    char *detail = call->arena ? weft_arena_format(call->arena, "%s: %s", what, why) : NULL;
    call->detail = detail ? detail : weft_error_text(err);
    return err;
}

static int perform_alone(weft_redis *redis, struct wf_redis_exchange *exchange)
{
    struct wf_redis_connection *connection;
    int err = wf_redis_client_borrow(redis, &connection);
    if (err < 0) {
        exchange->detail = weft_error_text(err);
        return err;
    }
    err = wf_redis_connection_perform(connection, exchange);
    wf_redis_client_give_back(redis, connection);
    return err;
}

static int perform(weft_redis *redis, struct wf_redis_exchange *exchange,
                   enum wf_redis_nature nature)
{
    if (nature == WF_REDIS_BLOCKS || nature == WF_REDIS_BLOCKING_READ)
        return perform_alone(redis, exchange);
    return wf_redis_connection_perform(redis->route(redis, exchange), exchange);
}

static int send_checked(weft_redis_call *call, const char *word)
{
    enum wf_redis_nature nature = wf_redis_known(call->args, call->count);
    struct wf_redis_exchange exchange = {
        .args = call->args,
        .count = call->count,
        .replies = 1,
        .arena = call->arena,
        .what = word,
        .may_be_repeated =
            call->idempotent || nature == WF_REDIS_READS || nature == WF_REDIS_BLOCKING_READ,
    };
    weft_redis *redis = wf_redis_client_retain(call->redis);
    int err = perform(redis, &exchange, nature);
    wf_redis_client_release(redis);
    call->value = exchange.value;
    call->detail = exchange.detail;
    return err;
}

#undef weft_redis_send

int weft_redis_send(void *arg)
{
    weft_redis_call *call = arg;
    char word[WF_REDIS_WORD_SIZE];
    call->value = NULL;
    call->detail = "";
    if (!call->redis)
        return refuse(call, -EINVAL, "redis", "the call has no client");
    int err = wf_redis_client_enter(call->redis);
    if (err < 0)
        return refuse(call, err, "redis", "calls are made by tasks of the client's loop");
    const char *why = wf_redis_check(call->args, call->count);
    if (why)
        return refuse(call, -EINVAL, "redis", why);
    wf_redis_word(word, &call->args[0]);
    why = wf_redis_refusal(call->args, call->count);
    return why ? refuse(call, -EINVAL, word, why) : send_checked(call, word);
}

/* --- formats --- */

int weft_redis_ask_list(weft_redis *redis, weft_arena *arena, const weft_redis_value **value,
                        const char *format, va_list list)
{
    weft_redis_call call = { .redis = redis, .arena = arena };
    weft_slice *args;
    const char *why;
    if (value)
        *value = NULL;
    if (!arena)
        return -EINVAL;
    int err = wf_redis_format(arena, &args, &call.count, &why, format, list);
    if (err < 0)
        return err;
    call.args = args;
    err = weft_redis_send(&call);
    if (value)
        *value = call.value;
    return err;
}

int weft_redis_ask(weft_redis *redis, weft_arena *arena, const weft_redis_value **value,
                   const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int err = weft_redis_ask_list(redis, arena, value, format, list);
    va_end(list);
    return err;
}
