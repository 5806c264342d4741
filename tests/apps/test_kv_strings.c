/* Commands of strings, and on times, where they fail or leave something behind; what they reply
 * otherwise is compared with the original's: tests/redis/beside.py. */

#include "kv_command_test.h"

#include <time.h>

#define LONG "what is longer than any integer"

static const struct turn value_is_kept[] = {
    { "GET k", "$31\r\n" LONG "\r\n" },
    { "TTL k", ":-1\r\n" },
    { NULL, NULL },
};

/* One reply, whether it is done or not. */
static void replace_without_memory(void)
{
    weft_stream *stream = dial();
    ask(stream, "SET k \"" LONG "\"", "+OK\r\n");
    without_memory(stream, "GETEX k EX 100", "$31", value_is_kept);
    assert_string_equal(hear_line(stream), LONG);
    ask(stream, "PERSIST k", ":1\r\n");
    without_memory(stream, "SET k \"and what is longer than that, so that it takes memory\" GET",
                   "$31", value_is_kept);
    assert_string_equal(hear_line(stream), LONG);
    ask(stream, "STRLEN k", ":53\r\n");
    weft_close(stream);
}

static void test_set_get_and_getex_without_memory_change_nothing(void **state)
{
    (void)state;
    kv_serving(replace_without_memory);
}

static const struct turn none_is_there[] = {
    { "EXISTS a b c", ":0\r\n" },
    { NULL, NULL },
};

static void set_many_without_memory(void)
{
    weft_stream *stream = dial();
    without_memory(stream, "MSETNX a 1 b \"" LONG "\" c 3", ":1", none_is_there);
    ask(stream, "MSETNX c 4 d 5", ":0\r\n");
    ask(stream, "EXISTS a b c d", ":3\r\n");
    weft_close(stream);
}

static void test_msetnx_without_memory_sets_none(void **state)
{
    (void)state;
    kv_serving(set_many_without_memory);
}

static const struct turn exchange_turns[] = {
    { "SET k 1 GET", "$-1\r\n" },
    { "SET k a b GET", "-ERR syntax error\r\n" },
    { "SET k \"" LONG "\" GET", "$1\r\n1\r\n" },
    { "SET k 2 NX GET", "$31\r\n" LONG "\r\n" },
    { "SET k 2 XX GET EX 100", "$31\r\n" LONG "\r\n" },
    { "SET k 3 KEEPTTL GET", "$1\r\n2\r\n" },
    { "TTL k", ":100\r\n" },
    { "GETSET k \"\"", "$1\r\n3\r\n" },
    { "SET k 4 GET PXAT 1", "$0\r\n\r\n" },
    { "EXISTS k", ":0\r\n" },
    { "SET k 4 XX GET", "$-1\r\n" },
    { "EXISTS k", ":0\r\n" },
    { "SADD s a", ":1\r\n" },
    { "SET s 1 GET", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "EXPIRE s x MORE", "-ERR Unsupported option MORE\r\n" },
    { "EXPIRE s x XX", "-ERR value is not an integer or out of range\r\n" },
    { "SCARD s", ":1\r\n" },
    { NULL, NULL },
};

static void exchange(void)
{
    weft_stream *stream = dial();
    converse(stream, exchange_turns);
    weft_close(stream);
}

static void test_set_get_replies_what_was_there(void **state)
{
    (void)state;
    kv_serving(exchange);
}

/* Of what a command replaces the memory is given back without anybody asking again. */
static void replace_large(void)
{
    static const char *const lines[] = { "SET s x", "COPY t s REPLACE", "RENAME t s" };
    weft_stream *stream = dial();
    for (size_t i = 0; i < WF_ARRAY_SIZE(lines); i++) {
        ask(stream, "SET t x", "+OK\r\n");
        ask(stream, "DEL s", i == 0 ? ":0\r\n" : ":1\r\n");
        uint64_t before = kv_memory_used();
        for (int member = 0; member < 5000; member++)
            answer(stream, "SADD s m%d", member);
        assert_true(kv_memory_used() > before + 50000);
        assert_true(*answer(stream, "%s", lines[i]) != '-');
        weft_sleep(WEFT_SECOND);
        assert_true(kv_memory_used() < before + 1000);
    }
    weft_close(stream);
}

static void test_large_values_that_are_replaced_are_freed_soon(void **state)
{
    (void)state;
    kv_serving(replace_large);
}

/* --- time --- */

/* In virtual time: nothing but what is slept goes by. */
static void expire(void)
{
    weft_stream *stream = dial();
    ask(stream, "SET k v PX 10000", "+OK\r\n");
    for (int second = 1; second < 10; second++) {
        weft_sleep(WEFT_SECOND);
        assert_int_equal(atoi(answer(stream, "PTTL k") + 1), 10000 - 1000 * second);
    }
    weft_sleep(WEFT_SECOND);
    ask(stream, "GET k", "$-1\r\n");
    weft_close(stream);
}

static void test_times_go_by_with_the_loop(void **state)
{
    (void)state;
    kv_serving(expire);
}

/* The time of the day in 20 s, looked at now and then. */
static int64_t time_later(struct kv *kv)
{
    for (int i = 0; i < 10; i++) {
        weft_sleep(2 * WEFT_SECOND);
        kv_time(kv);
    }
    return kv_time(kv);
}

/* As if the machine's clock had been other than it is. Where it stands is known to a millisecond;
 * what goes by is exact. */
static int set_clock(void *arg)
{
    static const int64_t jumps[] = { 3600000, -3600000, 100 };
    struct kv kv;
    (void)arg;
    assert_int_equal(kv_init(&kv, 1), 0);
    assert_in_range(time(NULL) - kv_time(&kv) / 1000 + 60, 0, 120);
    for (size_t i = 0; i < WF_ARRAY_SIZE(jumps); i++) {
        int64_t before = kv_time(&kv);
        kv.apart -= jumps[i] * WEFT_MILLISECOND;
        int64_t after = time_later(&kv);
        assert_in_range(after - before - jumps[i], 19998, 20002);
        assert_int_equal(time_later(&kv), after + 20000);
    }
    kv_fini(&kv);
    return 0;
}

static void test_times_follow_a_clock_that_is_set(void **state)
{
    (void)state;
    assert_int_equal(weft_run(set_clock, NULL, .clock = WEFT_CLOCK_TEST, .no_signals = true), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        redis_test(test_set_get_and_getex_without_memory_change_nothing),
        redis_test(test_msetnx_without_memory_sets_none),
        redis_test(test_set_get_replies_what_was_there),
        redis_test(test_large_values_that_are_replaced_are_freed_soon),
        redis_test(test_times_go_by_with_the_loop),
        redis_test(test_times_follow_a_clock_that_is_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
