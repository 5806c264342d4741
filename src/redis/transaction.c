/* Transactions.
 *
 *     begin ──[WATCH keys]──> ask, ask ──> add, add ──> execute ──> end
 *                 │                                        │
 *         on a lent connection                MULTI add add EXEC, as one block
 *
 * What is added is on the wire already, in memory: the block is one exchange with a reply for each
 * of its commands, and the last one counts. So no connection is ever between MULTI and EXEC at a
 * point where somebody could be cancelled, and where nothing is watched a shared one will do.
 *
 * A watch belongs to one connection, which is named by its epoch: what goes over a later one would
 * be unwatched, and is refused with -EAGAIN, as if a key had changed. At the end a watch that no
 * EXEC has used up is taken back by an UNWATCH, or with its connection. */

#include "base/compiler.h"
#include "redis/call.h"
#include "redis/format.h"
#include "redis/known.h"

#include <errno.h>
#include <string.h>
#include <weft/error.h>

#define COMMANDS_MAX (1u << 20)

struct weft_redis_transaction {
    weft_redis *redis;
    weft_arena *arena;
    struct wf_redis_connection *connection; /* that watches; NULL: nothing is watched */
    uint64_t epoch;                         /* of the connection */
    bool watches;                           /* and no EXEC has ended that */
    bool executed;
    uint32_t count;    /* commands that were added */
    weft_buffer block; /* MULTI and them */
    const char *detail;
};

static int refuse(weft_redis_transaction *t, int err, const char *why)
{
    t->detail = why ? why : weft_error_text(err);
    return err;
}

/* --- the beginning --- */

static int watch_keys(weft_redis_transaction *t, weft_slice *args, size_t count)
{
    struct wf_redis_exchange exchange = { .args = args,
                                          .count = count,
                                          .replies = 1,
                                          .arena = t->arena,
                                          .what = "WATCH",
                                          .may_be_repeated = true };
    int err = wf_redis_connection_perform(t->connection, &exchange);
    t->detail = exchange.detail;
    t->epoch = exchange.went_over;
    t->watches = err == 0;
    return err;
}

static int watch(weft_redis_transaction *t, const weft_slice *keys, size_t count)
{
    weft_slice *args = weft_arena_alloc(t->arena, (count + 1) * sizeof *args);
    if (!args)
        return -ENOMEM;
    args[0] = weft_redis_text("WATCH");
    memcpy(args + 1, keys, count * sizeof *args);
    if (wf_redis_check(args, count + 1))
        return -EINVAL;
    int err = wf_redis_client_borrow(t->redis, &t->connection);
    return err < 0 ? err : watch_keys(t, args, count + 1);
}

static int append(weft_redis_transaction *t, const weft_slice *args, size_t count)
{
    char *space;
    size_t size = wf_resp_command_size(args, count);
    int err = weft_buffer_reserve(&t->block, size, &space);
    if (err < 0)
        return err;
    wf_resp_command_write(space, args, count);
    weft_buffer_commit(&t->block, size);
    return 0;
}

static int append_word(weft_redis_transaction *t, const char *word)
{
    weft_slice args = weft_redis_text(word);
    return append(t, &args, 1);
}

int weft_redis_transaction_begin_with(weft_redis_transaction **transaction,
                                      const struct weft_redis_transaction_options *given)
{
    struct weft_redis_transaction_options options = { .redis = NULL };
    size_t size = given->size && given->size < sizeof options ? given->size : sizeof options;
    memcpy(&options, given, size);
    if (!options.redis || !options.arena || (options.watch_count > 0 && !options.watch))
        return -EINVAL;
    int err = wf_redis_client_enter(options.redis);
    if (err < 0)
        return err;
    weft_redis_transaction *t = weft_arena_alloc(options.arena, sizeof *t);
    if (!t)
        return -ENOMEM;
    *t = (weft_redis_transaction){ .redis = wf_redis_client_retain(options.redis),
                                   .arena = options.arena,
                                   .detail = "" };
    weft_buffer_init(&t->block, SIZE_MAX);
    err = append_word(t, "MULTI");
    if (err == 0 && options.watch_count > 0)
        err = watch(t, options.watch, options.watch_count);
    if (err < 0)
        weft_redis_transaction_end(t);
    else
        *transaction = t;
    return err;
}

/* --- commands --- */

static int check(weft_redis_transaction *t, const weft_slice *args, size_t count)
{
    const char *why = wf_redis_check(args, count);
    if (!why)
        why = wf_redis_refusal(args, count);
    return why ? refuse(t, -EINVAL, why) : 0;
}

int weft_redis_transaction_add_args(weft_redis_transaction *t, const weft_slice *args, size_t count)
{
    int err = check(t, args, count);
    if (err < 0)
        return err;
    if (t->executed)
        return refuse(t, -EALREADY, "the transaction was executed");
    if (t->count == COMMANDS_MAX)
        return refuse(t, WEFT_ELIMIT, "the transaction has too many commands");
    err = append(t, args, count);
    if (err < 0)
        return refuse(t, err, NULL);
    t->count++;
    return 0;
}

static int read_format(weft_redis_transaction *t, weft_slice **args, size_t *count,
                       const char *format, va_list list)
{
    const char *why;
    int err = wf_redis_format(t->arena, args, count, &why, format, list);
    return err < 0 ? refuse(t, err, why) : 0;
}

int weft_redis_transaction_add(weft_redis_transaction *t, const char *format, ...)
{
    weft_slice *args;
    size_t count;
    va_list list;
    va_start(list, format);
    int err = read_format(t, &args, &count, format, list);
    va_end(list);
    return err < 0 ? err : weft_redis_transaction_add_args(t, args, count);
}

/* Over the connection that watches. What was only read is lost with it, and nothing else. */
static int ask_watching(weft_redis_transaction *t, const weft_slice *args, size_t count,
                        const weft_redis_value **value)
{
    char word[WF_REDIS_WORD_SIZE];
    struct wf_redis_exchange exchange = { .args = args,
                                          .count = count,
                                          .replies = 1,
                                          .epoch = t->epoch,
                                          .arena = t->arena,
                                          .what = wf_redis_word(word, &args[0]) };
    int err = wf_redis_connection_perform(t->connection, &exchange);
    t->detail = exchange.detail;
    *value = exchange.value;
    bool only_reads = wf_redis_known(args, count) == WF_REDIS_READS;
    return err == WEFT_EINDOUBT && only_reads ? -EAGAIN : err;
}

static int ask_as_others(weft_redis_transaction *t, const weft_slice *args, size_t count,
                         const weft_redis_value **value)
{
    weft_redis_call call = { .redis = t->redis, .arena = t->arena, .args = args, .count = count };
    int err = weft_redis_send(&call);
    t->detail = call.detail;
    *value = call.value;
    return err;
}

static int ask(weft_redis_transaction *t, const weft_slice *args, size_t count,
               const weft_redis_value **value)
{
    int err = check(t, args, count);
    if (err < 0)
        return err;
    return t->connection ? ask_watching(t, args, count, value)
                         : ask_as_others(t, args, count, value);
}

int weft_redis_transaction_ask(weft_redis_transaction *t, const weft_redis_value **value,
                               const char *format, ...)
{
    const weft_redis_value *answer = NULL;
    weft_slice *args;
    size_t count;
    va_list list;
    va_start(list, format);
    int err = read_format(t, &args, &count, format, list);
    va_end(list);
    if (err == 0)
        err = ask(t, args, count, &answer);
    if (value)
        *value = answer;
    return err;
}

/* --- the end --- */

/* EXEC's answer: an array of answers, or null where a key was changed. */
static int judge(weft_redis_transaction *t, const weft_redis_value *answer)
{
    if (answer->kind == WEFT_REDIS_NULL)
        return refuse(t, -EAGAIN, "a watched key was changed");
    if (answer->kind != WEFT_REDIS_ARRAY || answer->count != t->count)
        return refuse(t, WEFT_EPROTOCOL, "the answer is not one for each command");
    return 0;
}

static int send_block(weft_redis_transaction *t, const weft_redis_value **answer)
{
    struct wf_redis_exchange exchange = {
        .block = { weft_buffer_data(&t->block), weft_buffer_readable(&t->block) },
        .replies = t->count + 2,
        .epoch = t->watches ? t->epoch : 0,
        .arena = t->arena,
        .what = "EXEC",
    };
    struct wf_redis_connection *connection =
        t->connection ? t->connection : t->redis->route(t->redis, &exchange);
    int err = wf_redis_connection_perform(connection, &exchange);
    t->detail = exchange.detail;
    *answer = exchange.value;
    if (exchange.value)
        t->watches = false;
    return err;
}

int weft_redis_transaction_execute(weft_redis_transaction *t, const weft_redis_value **value)
{
    static const weft_redis_value nothing = { .kind = WEFT_REDIS_ARRAY, .text = "" };
    const weft_redis_value *answer = NULL;
    if (value)
        *value = NULL;
    if (t->executed)
        return refuse(t, -EALREADY, "the transaction was executed");
    t->executed = true;
    if (t->count == 0)
        answer = &nothing;
    int err = answer ? 0 : append_word(t, "EXEC");
    if (err == 0 && !answer)
        err = send_block(t, &answer);
    if (err == 0)
        err = judge(t, answer);
    if (err == 0 && value)
        *value = answer;
    return err;
}

const char *weft_redis_transaction_detail(const weft_redis_transaction *t)
{
    return t->detail;
}

static void give_back(weft_redis_transaction *t)
{
    bool is_the_same = t->connection->epoch == t->epoch;
    if (t->watches && is_the_same)
        wf_redis_connection_tell(t->connection, "UNWATCH");
    wf_redis_client_give_back(t->redis, t->connection);
}

void weft_redis_transaction_end(weft_redis_transaction *t)
{
    if (!t)
        return;
    if (t->connection)
        give_back(t);
    weft_buffer_fini(&t->block);
    wf_redis_client_release(t->redis);
}
