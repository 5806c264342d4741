/* Our client and our server, over memory: what the one says the other understands. */

#include "redis_test.h"

#include <weft/redis.h>

#define MS WEFT_MILLISECOND
#define S  WEFT_SECOND

static const weft_redis_command table[] = {
    { "set", do_set, .arity = 3, .flags = WEFT_REDIS_WRITE, .first_key = 1, .last_key = 1 },
    { "get", do_get, .arity = 2, .flags = WEFT_REDIS_READ, .first_key = 1, .last_key = 1 },
    { "incr", do_incr, .arity = 2, .flags = WEFT_REDIS_WRITE, .first_key = 1, .last_key = 1 },
    { "rpush", do_push, .arity = -3, .flags = WEFT_REDIS_WRITE, .first_key = 1, .last_key = 1 },
    { "blpop", do_bpop, .arity = -3, .flags = WEFT_REDIS_WRITE | WEFT_REDIS_BLOCKS, .first_key = 1,
      .last_key = -2 },
    { "big", do_big, .arity = 2 },
    { "kinds", do_kinds, .arity = 1 },
    { "ages", do_ages, .arity = 1 },
    { 0 },
};

static weft_redis *redis;
static weft_arena *arena;
static const weft_redis_value *value;
static uint8_t version;

#define expect_ok(...) assert_int_equal(weft_redis_ask(redis, arena, &value, __VA_ARGS__), 0)

static weft_redis_stats stats(void)
{
    weft_redis_stats now;
    weft_redis_get_stats(redis, &now);
    return now;
}

static void with_client(void *arg)
{
    void (*body)(void) = *(void (**)(void))arg;
    assert_int_equal(weft_arena_new(&arena, SIZE_MAX), 0);
    assert_int_equal(weft_redis_open(&redis, "mem:redis", .protocol = version, .name = "tester"),
                     0);
    body();
    weft_redis_close(redis);
    weft_sleep(MS);
    weft_arena_free(arena);
}

/* In both versions. */
static void both(void (*body)(void))
{
    for (version = 2; version <= 3; version++)
        serving(with_client, &body, .commands = table);
}

static void check_commands(void)
{
    expect_ok("SET a %b", "x y", (size_t)3);
    assert_int_equal(value->kind, WEFT_REDIS_STATUS);
    expect_ok("GET a");
    assert_string_equal(value->text, "x y");
    expect_ok("GET b");
    assert_int_equal(value->kind, WEFT_REDIS_NULL);
    expect_ok("INCR c");
    assert_int_equal(value->integer, 1);
    expect_ok("BIG 3000000");
    assert_int_equal(value->size, 3000000);
    assert_int_equal(weft_redis_ask(redis, arena, &value, "NOSUCH"), WEFT_EREPLY);
    assert_int_equal(strncmp(value->text, "ERR unknown command", 19), 0);
    expect_ok("CLIENT GETNAME");
    assert_string_equal(value->text, "tester");
    assert_int_equal(stats().connects, 1);
}

static void test_client_and_server_exchange_commands(void **state)
{
    (void)state;
    both(check_commands);
}

static void check_kinds(void)
{
    bool is_new = version == 3;
    expect_ok("KINDS");
    assert_int_equal(value->count, 9);
    const weft_redis_value *of = value->elements;
    assert_int_equal(of[0].kind, WEFT_REDIS_NULL);
    assert_int_equal(of[1].kind, WEFT_REDIS_NULL);
    assert_int_equal(of[2].kind, is_new ? WEFT_REDIS_BOOLEAN : WEFT_REDIS_INTEGER);
    assert_int_equal(of[2].integer, 1);
    assert_int_equal(of[3].kind, is_new ? WEFT_REDIS_DOUBLE : WEFT_REDIS_STRING);
    assert_string_equal(of[4].text, "text");
    assert_string_equal(of[5].text, "3 of three");
    assert_int_equal(of[6].kind, is_new ? WEFT_REDIS_MAP : WEFT_REDIS_ARRAY);
    assert_int_equal(of[6].count, 2);
    assert_int_equal(of[7].kind, is_new ? WEFT_REDIS_SET : WEFT_REDIS_ARRAY);
    assert_int_equal(of[8].kind, WEFT_REDIS_ERROR);
    if (is_new)
        assert_int_equal(weft_redis_value_find(of[8].attributes, "ttl")->integer, 4);
    expect_ok("AGES");
    assert_int_equal(weft_redis_value_find(&value->elements[0], "a")->integer, 1);
    assert_int_equal(value->elements[1].count, 12);
}

static void test_client_and_server_exchange_each_kind(void **state)
{
    (void)state;
    both(check_kinds);
}

static void check_transactions(void)
{
    weft_redis_transaction *t;
    weft_slice key = weft_redis_text("a");
    for (int disturbed = 0; disturbed < 2; disturbed++) {
        assert_int_equal(
            weft_redis_transaction_begin(&t, redis, arena, .watch = &key, .watch_count = 1), 0);
        assert_int_equal(weft_redis_transaction_ask(t, NULL, "GET a"), 0);
        assert_int_equal(weft_redis_transaction_add(t, "SET a %d", 5), 0);
        assert_int_equal(weft_redis_transaction_add(t, "INCR a"), 0);
        if (disturbed)
            expect_ok("SET a 9");
        int err = weft_redis_transaction_execute(t, &value);
        assert_int_equal(err, disturbed ? -EAGAIN : 0);
        weft_redis_transaction_end(t);
        expect_ok("GET a");
        assert_string_equal(value->text, disturbed ? "9" : "6");
    }
    assert_int_equal(weft_redis_transaction_begin(&t, redis, arena), 0);
    assert_int_equal(weft_redis_transaction_add(t, "INCR"), 0);
    assert_int_equal(weft_redis_transaction_add(t, "INCR a"), 0);
    assert_int_equal(weft_redis_transaction_execute(t, &value), WEFT_EREPLY);
    weft_redis_transaction_end(t);
    expect_ok("GET a");
    assert_string_equal(value->text, "9");
}

static void test_client_and_server_execute_transactions(void **state)
{
    (void)state;
    both(check_transactions);
}

static int pop_one(void *arg)
{
    int64_t *popped = arg;
    const weft_redis_value *pair;
    weft_arena *own;
    assert_int_equal(weft_arena_new(&own, SIZE_MAX), 0);
    int err = weft_redis_ask(redis, own, &pair, "BLPOP q 60000");
    if (err == 0)
        *popped = pair->elements[1].integer;
    weft_arena_free(own);
    return err;
}

static void check_blocking(void)
{
    weft_scope scope;
    weft_task *task;
    int64_t first = 0, second = 0;
    weft_scope_begin(&scope);
    assert_int_equal(weft_spawn(&scope, pop_one, &first, .task = &task), 0);
    weft_sleep(MS);
    assert_int_equal(weft_spawn(&scope, pop_one, &second), 0);
    weft_sleep(MS);
    weft_task_cancel(task, "it does not want it any more");
    weft_sleep(MS);
    expect_ok("RPUSH q 7"); /* not popped for nobody */
    assert_int_equal(weft_scope_end(&scope), 0);
    weft_task_release(task);
    assert_int_equal(first, 0);
    assert_int_equal(second, 7);
}

static void test_client_and_server_pop_for_who_waits(void **state)
{
    (void)state;
    both(check_blocking);
}

static void check_news(void)
{
    static const char *const channels[] = { "news", NULL }, *const patterns[] = { "w*", NULL };
    weft_redis_subscription *news;
    weft_redis_message message;
    assert_int_equal(weft_redis_subscribe(&news, redis, .channels = channels, .patterns = patterns),
                     0);
    expect_ok("PUBLISH news one");
    assert_int_equal(value->integer, 1);
    expect_ok("PUBLISH weather rain");
    assert_int_equal(weft_redis_subscription_next(news, arena, &message), 0);
    assert_string_equal(message.data, "one");
    assert_int_equal(weft_redis_subscription_next(news, arena, &message), 0);
    assert_string_equal(message.pattern, "w*");
    expect_ok("CLIENT KILL TYPE pubsub");
    assert_int_equal(weft_redis_subscription_next(news, arena, &message), 0);
    assert_null(message.channel);
    weft_sleep(S);
    expect_ok("PUBLISH news two");
    assert_int_equal(weft_redis_subscription_next(news, arena, &message), 0);
    assert_string_equal(message.data, "two");
    weft_redis_subscription_close(news);
    weft_sleep(MS);
    expect_ok("PUBLISH news three");
    assert_int_equal(value->integer, 0);
}

static void test_client_and_server_exchange_messages(void **state)
{
    (void)state;
    both(check_news);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        redis_test(test_client_and_server_exchange_commands),
        redis_test(test_client_and_server_exchange_each_kind),
        redis_test(test_client_and_server_execute_transactions),
        redis_test(test_client_and_server_pop_for_who_waits),
        redis_test(test_client_and_server_exchange_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
