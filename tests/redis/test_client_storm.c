/* Many tasks, one client, and a server that kills connections at any byte: no reply is ever another
 * one's, what was acknowledged was executed once, what failed for certain was not, and what may be
 * repeated is all that is.
 *
 * Each command carries a number of its own. The server notes which ones it has executed, and how
 * often; it dies before, after, or in the middle of an answer. Callers give up at random times. */

#include "client_test.h"

#include "../base/model.h"

#define TASKS       48
#define LARGE_MAX   200000
#define QUEUE_MAX   8
#define NUMBERS_MAX 2000000

static struct dice dice;
static size_t commands;               /* in all */
static uint8_t executed[NUMBERS_MAX]; /* how often */
static size_t next_number;
static size_t acknowledged, in_doubt, given_up, kills;

static size_t operations(void)
{
    const char *text = getenv("WEFT_TEST_OPERATIONS");
    return text ? strtoul(text, NULL, 10) : 20000;
}

/* --- the server --- */

struct server {
    weft_stream *stream;
    size_t queued[QUEUE_MAX]; /* of a transaction */
    size_t queued_count;
    bool in_transaction;
    char out[LARGE_MAX + 256];
};

static size_t number_of(const weft_slice *word)
{
    char digits[24];
    size_t size = word->size < 23 ? word->size : 23;
    memcpy(digits, word->data, size);
    digits[size] = '\0';
    size_t number = strtoul(digits, NULL, 10);
    assert_true(number < NUMBERS_MAX);
    return number;
}

static bool is(const weft_slice *word, const char *text)
{
    return word->size == strlen(text) && memcmp(word->data, text, word->size) == 0;
}

/* Some of an answer, or all. false: the server dies. */
static bool say_some(struct server *server, const char *end)
{
    size_t size = (size_t)(end - server->out);
    bool dies = dice_below(&dice, 300) == 0;
    if (dies)
        size = dice_below(&dice, size + 1);
    if (dice_below(&dice, 20) == 0 && weft_sleep((int64_t)dice_below(&dice, 5) * MS) < 0)
        return false;
    int err = size > 0 ? weft_write(server->stream, server->out, size) : 0;
    kills += dies;
    return err == 0 && !dies;
}

static char *execute(struct server *server, char *out, size_t number)
{
    (void)server;
    executed[number]++;
    return wf_resp_write_head(out, WF_RESP_INTEGER, (int64_t)number);
}

static char *execute_all(struct server *server, char *out)
{
    out = wf_resp_write_head(out, WF_RESP_ARRAY, (int64_t)server->queued_count);
    for (size_t i = 0; i < server->queued_count; i++)
        out = execute(server, out, server->queued[i]);
    server->in_transaction = false;
    server->queued_count = 0;
    return out;
}

static char *answer(struct server *server, const weft_slice *args, uint32_t count)
{
    char *out = server->out;
    if (is(&args[0], "HELLO"))
        return memcpy(out, HELLO_3, strlen(HELLO_3)), out + strlen(HELLO_3);
    if (is(&args[0], "MULTI")) {
        server->in_transaction = true;
        return memcpy(out, "+OK\r\n", 5), out + 5;
    }
    if (is(&args[0], "EXEC"))
        return execute_all(server, out);
    assert_true(count >= 2);
    if (server->in_transaction) {
        server->queued[server->queued_count++] = number_of(&args[1]);
        return memcpy(out, "+QUEUED\r\n", 9), out + 9;
    }
    if (is(&args[0], "ECHO"))
        return wf_resp_write_string(out, args[1].data, args[1].size);
    return execute(server, out, number_of(&args[1]));
}

static int serve(weft_stream *stream, void *arg)
{
    (void)arg;
    weft_slice args[16];
    struct wf_resp_command command;
    struct server *server = calloc(1, sizeof *server);
    server->stream = stream;
    while (read_command(stream, args, 16, &command) == 0) {
        bool dies = dice_below(&dice, 600) == 0;
        char *end = dies ? NULL : answer(server, args, command.count);
        kills += dies;
        weft_buffer_consume(weft_stream_input(stream), command.size);
        if (dies || !say_some(server, end))
            break;
    }
    free(server);
    return 0;
}

/* --- the callers --- */

static char large[LARGE_MAX];

struct caller {
    weft_arena *arena;
    int index;
};

static void count_result(int err, size_t number, bool may_be_repeated)
{
    acknowledged += err == 0;
    in_doubt += err == WEFT_EINDOUBT;
    given_up += err == -ECANCELED;
    assert_true(err == 0 || err == WEFT_EINDOUBT || err == -ECANCELED);
    if (err == 0)
        assert_true(executed[number] >= 1);
    if (!may_be_repeated)
        assert_true(executed[number] <= 1);
}

static int ask_number(struct caller *caller, const char *command, bool is_idempotent)
{
    size_t number = next_number++;
    char digits[24];
    weft_slice args[] = { weft_redis_text(command), { digits, 0 } };
    args[1].size = (size_t)snprintf(digits, sizeof digits, "%zu", number);
    weft_redis_call call = { .redis = redis,
                             .arena = caller->arena,
                             .args = args,
                             .count = 2,
                             .idempotent = is_idempotent };
    int err = weft_redis_send(&call);
    count_result(err, number, is_idempotent);
    if (err == 0)
        assert_int_equal(call.value->integer, number);
    return err;
}

static int ask_echo(struct caller *caller)
{
    size_t size = dice_below(&dice, 30) == 0 ? dice_below(&dice, LARGE_MAX - 32) : 0;
    const weft_redis_value *value;
    char *text = weft_arena_alloc(caller->arena, size + 32);
    size_t head = (size_t)snprintf(text, 32, "%zu/", next_number++);
    memcpy(text + head, large, size);
    int err = weft_redis_ask(redis, caller->arena, &value, "ECHO %b", text, head + size);
    assert_true(err == 0 || err == WEFT_EINDOUBT || err == -ECANCELED);
    if (err == 0) {
        assert_int_equal(value->size, head + size);
        assert_memory_equal(value->text, text, head + size);
    }
    acknowledged += err == 0;
    return err;
}

static int ask_transaction(struct caller *caller)
{
    weft_redis_transaction *t;
    const weft_redis_value *value;
    size_t first = next_number, count = 1 + dice_below(&dice, QUEUE_MAX - 1);
    next_number += count;
    assert_int_equal(weft_redis_transaction_begin(&t, redis, caller->arena), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(weft_redis_transaction_add(t, "INCR %zu", first + i), 0);
    int err = weft_redis_transaction_execute(t, &value);
    weft_redis_transaction_end(t);
    for (size_t i = 0; i < count; i++) {
        count_result(err, first + i, false);
        assert_int_equal(executed[first + i], executed[first]); /* all or nothing */
        if (err == 0)
            assert_int_equal(value->elements[i].integer, first + i);
    }
    return err;
}

static int ask_something(struct caller *caller)
{
    switch (dice_below(&dice, 10)) {
    case 0:
    case 1:
    case 2:
        return ask_echo(caller);
    case 3:
        return ask_transaction(caller);
    case 4:
        return ask_number(caller, "BLPOP", false);
    case 5:
    case 6:
        return ask_number(caller, "SET", true);
    default:
        return ask_number(caller, "INCR", false);
    }
}

static int call_on(void *arg)
{
    struct caller *caller = arg;
    while (commands > 0) {
        commands--;
        weft_scope scope;
        bool is_limited = dice_below(&dice, 8) == 0;
        weft_scope_begin(&scope, .timeout = is_limited ? (int64_t)dice_below(&dice, 8) * MS + 1
                                                       : WEFT_FOREVER);
        int err = ask_something(caller);
        if (err == 0 && dice_below(&dice, 3) == 0)
            weft_sleep((int64_t)dice_below(&dice, 3) * MS);
        err = weft_scope_leave(&scope, err);
        assert_true(err == 0 || err == -ETIMEDOUT || err == WEFT_EINDOUBT || err == -ECANCELED);
        weft_arena_reset(caller->arena);
    }
    return 0;
}

static void storm(void)
{
    struct caller callers[TASKS];
    weft_scope scope;
    dice = dice_seed("redis client storm");
    memset(executed, 0, sizeof executed);
    next_number = acknowledged = in_doubt = given_up = kills = 0;
    commands = operations();
    if (commands > NUMBERS_MAX / 2)
        commands = NUMBERS_MAX / 2;
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (char)dice_throw(&dice);
    weft_scope_begin(&scope);
    for (int i = 0; i < TASKS; i++) {
        callers[i].index = i;
        assert_int_equal(weft_arena_new(&callers[i].arena, SIZE_MAX), 0);
        assert_int_equal(weft_spawn(&scope, call_on, &callers[i]), 0);
    }
    assert_int_equal(weft_scope_end(&scope), 0);
    for (int i = 0; i < TASKS; i++)
        weft_arena_free(callers[i].arena);
    weft_redis_stats now = stats();
    printf("redis client storm: %zu acknowledged, %zu in doubt, %zu given up, %zu kills, "
           "%llu repeated, %llu connections\n",
           acknowledged, in_doubt, given_up, kills, (unsigned long long)now.repeated,
           (unsigned long long)now.connects);
    assert_true(acknowledged > 0 && in_doubt > 0 && given_up > 0 && now.repeated > 0);
    assert_int_equal(now.waiting, 0);
    assert_int_equal(now.in_flight, now.orphans);
}

static void test_storm_matches_every_reply_and_repeats_only_what_may_be(void **state)
{
    (void)state;
    for (uint32_t shared = 1; shared <= 3; shared += 2)
        assert_int_equal(
            run(scripted_main, &(struct scripted){ .body = storm,
                                                   .serve = serve,
                                                   .options = { .connections = shared,
                                                                .blocking_connections_max = 3,
                                                                .in_flight_max = 16 } }),
            0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_test(test_storm_matches_every_reply_and_repeats_only_what_may_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
