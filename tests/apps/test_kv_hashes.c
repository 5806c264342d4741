/* Commands of hashes. */

#include "kv_command_test.h"

#define WRONG_TYPE "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"

/* --- conversations: what is said, and what is heard --- */

static const struct turn fields_turns[] = {
    { "HSET h a 1 b two", ":2\r\n" },
    { "HSET h a 3 c 4", ":1\r\n" },
    { "HSET h a", "-ERR wrong number of arguments for 'hset' command\r\n" },
    { "HSET h a 1 b", "-ERR wrong number of arguments for 'hset' command\r\n" },
    { "HMSET h b 2", "+OK\r\n" },
    { "HMSET h b 2 c", "-ERR wrong number of arguments for 'hmset' command\r\n" },
    { "HSETNX h a 9", ":0\r\n" },
    { "HSETNX h d 5", ":1\r\n" },
    { "HSETNX n d 5", ":1\r\n" },
    { "HGET h a", "$1\r\n3\r\n" },
    { "HGET h x", "$-1\r\n" },
    { "HGET none x", "$-1\r\n" },
    { "HMGET h a x d", "*3\r\n$1\r\n3\r\n$-1\r\n$1\r\n5\r\n" },
    { "HMGET none a b", "*2\r\n$-1\r\n$-1\r\n" },
    { "HLEN h", ":4\r\n" },
    { "HLEN none", ":0\r\n" },
    { "HSET h a text", ":0\r\n" },
    { "HSTRLEN h a", ":4\r\n" },
    { "HSTRLEN h b", ":1\r\n" },
    { "HSTRLEN h x", ":0\r\n" },
    { "HSTRLEN none x", ":0\r\n" },
    { "HEXISTS h a", ":1\r\n" },
    { "HEXISTS h x", ":0\r\n" },
    { "HEXISTS none x", ":0\r\n" },
    { "HDEL h a x a", ":1\r\n" },
    { "HDEL h a", ":0\r\n" },
    { "HDEL none a", ":0\r\n" },
    { "HKEYS h", "*3\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n" },
    { "HVALS h", "*3\r\n$1\r\n2\r\n$1\r\n4\r\n$1\r\n5\r\n" },
    { "HGETALL h", "*6\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$1\r\n4\r\n$1\r\nd\r\n$1\r\n5\r\n" },
    { "HKEYS none", "*0\r\n" },
    { "HVALS none", "*0\r\n" },
    { "HGETALL none", "*0\r\n" },
    { "HDEL h b c d", ":3\r\n" },
    { "EXISTS h", ":0\r\n" },
    { "HSET h \"\" \"\"", ":1\r\n" },
    { "HGET h \"\"", "$0\r\n\r\n" },
    { "OBJECT ENCODING h", "$8\r\nlistpack\r\n" },
    { "HGETALL h x", "-ERR wrong number of arguments for 'hgetall' command\r\n" },
    { NULL, NULL },
};

static const struct turn numbers_turns[] = {
    { "HINCRBY h a 5", ":5\r\n" },
    { "HINCRBY h a -7", ":-2\r\n" },
    { "HGET h a", "$2\r\n-2\r\n" },
    { "HINCRBY h a x", "-ERR value is not an integer or out of range\r\n" },
    { "HSET h t text max 9223372036854775807", ":2\r\n" },
    { "HINCRBY h t 1", "-ERR hash value is not an integer\r\n" },
    { "HINCRBY h max 1", "-ERR increment or decrement would overflow\r\n" },
    { "HINCRBY h max 0", ":9223372036854775807\r\n" },
    { "HINCRBY h max -9223372036854775808", ":-1\r\n" },
    { "HINCRBYFLOAT h f 1.5", "$3\r\n1.5\r\n" },
    { "HINCRBYFLOAT h f 1.5e2", "$5\r\n151.5\r\n" },
    { "HINCRBYFLOAT h f -0.5", "$3\r\n151\r\n" },
    { "HINCRBYFLOAT h a 0.25", "$5\r\n-1.75\r\n" },
    { "HINCRBYFLOAT h f x", "-ERR value is not a valid float\r\n" },
    { "HINCRBYFLOAT h t 1", "-ERR hash value is not a float\r\n" },
    { "HINCRBYFLOAT h f inf", "-ERR value is NaN or Infinity\r\n" },
    { "HINCRBYFLOAT h f nan", "-ERR value is not a valid float\r\n" },
    { "HINCRBYFLOAT none f nan", "-ERR value is not a valid float\r\n" },
    { "EXISTS none", ":0\r\n" },
    { "HINCRBY h a 1", "-ERR hash value is not an integer\r\n" },
    { NULL, NULL },
};

static const struct turn wrong_types_turns[] = {
    { "SET t v", "+OK\r\n" },
    { "HSET t a 1", WRONG_TYPE },
    { "HMSET t a 1", WRONG_TYPE },
    { "HSETNX t a 1", WRONG_TYPE },
    { "HGET t a", WRONG_TYPE },
    { "HMGET t a", WRONG_TYPE },
    { "HDEL t a", WRONG_TYPE },
    { "HLEN t", WRONG_TYPE },
    { "HSTRLEN t a", WRONG_TYPE },
    { "HEXISTS t a", WRONG_TYPE },
    { "HKEYS t", WRONG_TYPE },
    { "HVALS t", WRONG_TYPE },
    { "HGETALL t", WRONG_TYPE },
    { "HINCRBY t a 1", WRONG_TYPE },
    { "HINCRBYFLOAT t a 1", WRONG_TYPE },
    { "HRANDFIELD t", WRONG_TYPE },
    { "HRANDFIELD t 1", WRONG_TYPE },
    { "HSCAN t 0", WRONG_TYPE },
    { "GET t", "$1\r\nv\r\n" },
    { NULL, NULL },
};

static const struct turn picks_turns[] = {
    { "HRANDFIELD none", "$-1\r\n" },
    { "HRANDFIELD none 2", "*0\r\n" },
    { "HRANDFIELD none 2 WITHVALUES", "*0\r\n" },
    { "HSET h a 1", ":1\r\n" },
    { "HRANDFIELD h", "$1\r\na\r\n" },
    { "HRANDFIELD h 0", "*0\r\n" },
    { "HRANDFIELD h 3", "*1\r\n$1\r\na\r\n" },
    { "HRANDFIELD h 3 withvalues", "*2\r\n$1\r\na\r\n$1\r\n1\r\n" },
    { "HRANDFIELD h -2", "*2\r\n$1\r\na\r\n$1\r\na\r\n" },
    { "HRANDFIELD h -2 WITHVALUES", "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\na\r\n$1\r\n1\r\n" },
    { "HRANDFIELD h x", "-ERR value is not an integer or out of range\r\n" },
    { "HRANDFIELD h 1 WITHSCORES", "-ERR syntax error\r\n" },
    { "HRANDFIELD h 1 WITHVALUES 2", "-ERR syntax error\r\n" },
    { "HRANDFIELD h 9223372036854775807 WITHVALUES", "-ERR value is out of range\r\n" },
    { "HSET h b 2", ":1\r\n" },
    { "HRANDFIELD h 2 WITHVALUES", "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n" },
    { NULL, NULL },
};

static const struct turn version_3_turns[] = {
    { "HSET h a 1", ":1\r\n" },
    { "HGETALL h", "%1\r\n$1\r\na\r\n$1\r\n1\r\n" },
    { "HGETALL none", "%0\r\n" },
    { "HKEYS h", "*1\r\n$1\r\na\r\n" },
    { "HVALS none", "*0\r\n" },
    { "HGET h x", "_\r\n" },
    { "HMGET h a x", "*2\r\n$1\r\n1\r\n_\r\n" },
    { "HINCRBYFLOAT h a 0.5", "$3\r\n1.5\r\n" },
    { "HRANDFIELD none", "_\r\n" },
    { "HRANDFIELD none 1 WITHVALUES", "*0\r\n" },
    { "HRANDFIELD h 1", "*1\r\n$1\r\na\r\n" },
    { "HRANDFIELD h 1 WITHVALUES", "*1\r\n*2\r\n$1\r\na\r\n$3\r\n1.5\r\n" },
    { "HRANDFIELD h -2 WITHVALUES",
      "*2\r\n*2\r\n$1\r\na\r\n$3\r\n1.5\r\n*2\r\n$1\r\na\r\n$3\r\n1.5\r\n" },
    { "HSCAN h 0", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$3\r\n1.5\r\n" },
    { NULL, NULL },
};

static const struct turn scans_turns[] = {
    { "HSCAN none 0", "*2\r\n$1\r\n0\r\n*0\r\n" },
    { "HSET h a 1 b 2 ab 3", ":3\r\n" },
    { "HSCAN h 0",
      "*2\r\n$1\r\n0\r\n*6\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n$2\r\nab\r\n$1\r\n3\r\n" },
    { "HSCAN h 0 MATCH a*",
      "*2\r\n$1\r\n0\r\n*4\r\n$1\r\na\r\n$1\r\n1\r\n$2\r\nab\r\n$1\r\n3\r\n" },
    { "HSCAN h 0 COUNT 1 MATCH b", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n" },
    { "HSCAN h x", "-ERR invalid cursor\r\n" },
    { "HSCAN h 0 COUNT 0", "-ERR syntax error\r\n" },
    { "HSCAN h 0 COUNT x", "-ERR value is not an integer or out of range\r\n" },
    { "HSCAN h 0 MATCH", "-ERR syntax error\r\n" },
    { "HSCAN h 0 TYPE hash", "-ERR syntax error\r\n" },
    { NULL, NULL },
};

/* Newer than the others: without values. */
static const struct turn scans_of_fields[] = {
    { "HSET h a 1 b 2 ab 3", ":3\r\n" },
    { "HSCAN h 0 NOVALUES", "*2\r\n$1\r\n0\r\n*3\r\n$1\r\na\r\n$1\r\nb\r\n$2\r\nab\r\n" },
    { "HSCAN h 0 NOVALUES MATCH a?", "*2\r\n$1\r\n0\r\n*1\r\n$2\r\nab\r\n" },
    { NULL, NULL },
};

static void test_hset_hget_and_hdel(void **state)
{
    (void)state;
    kv_talking(fields_turns);
}

static void test_hincrby_and_hincrbyfloat(void **state)
{
    (void)state;
    kv_talking(numbers_turns);
}

static void test_hashes_refuse_other_types(void **state)
{
    (void)state;
    kv_talking(wrong_types_turns);
}

static void test_hrandfield_of_few(void **state)
{
    (void)state;
    kv_talking(picks_turns);
}

static void test_hashes_in_version_3(void **state)
{
    (void)state;
    kv_talking_3(version_3_turns);
}

static void test_hscan_of_few(void **state)
{
    (void)state;
    kv_talking(scans_turns);
    kv_talking(scans_of_fields);
}

/* --- large hashes --- */

static char texts[2 * KV_LARGE][32];

static void set_many(weft_stream *stream)
{
    for (int i = 0; i < KV_LARGE; i++)
        assert_string_equal(answer(stream, "HSET h f%d v%d", i, i), ":1");
    ask(stream, "OBJECT ENCODING h", "$9\r\nhashtable\r\n");
}

/* So many different fields, each with its value. */
static void expect_pairs(weft_stream *stream, int count)
{
    static bool seen[KV_LARGE];
    memset(seen, 0, sizeof seen);
    assert_int_equal(hear_strings(stream, texts, 2 * KV_LARGE), 2 * count);
    for (int i = 0; i < count; i++) {
        int field = number_in(texts[2 * i], 'f');
        assert_int_equal(number_in(texts[2 * i + 1], 'v'), field);
        assert_false(seen[field]);
        seen[field] = true;
    }
}

static void pick_from_many(void)
{
    weft_stream *stream = dial();
    set_many(stream);
    say(stream, "HGETALL h\r\n");
    expect_pairs(stream, KV_LARGE);
    say(stream, "HRANDFIELD h 5 WITHVALUES\r\n"); /* few of many are drawn */
    expect_pairs(stream, 5);
    say(stream, "HRANDFIELD h 900 WITHVALUES\r\n"); /* many of few are chosen */
    expect_pairs(stream, 900);
    say(stream, "HRANDFIELD h 5000 WITHVALUES\r\n");
    expect_pairs(stream, KV_LARGE);
    say(stream, "HRANDFIELD h -3000\r\n");
    assert_int_equal(hear_strings(stream, texts, 2 * KV_LARGE), 3000);
    assert_string_equal(answer(stream, "HRANDFIELD h -20000000"),
                        "-ERR value is out of range, value must between -16777216 and "
                        "9223372036854775807");
    without_memory(stream, "HRANDFIELD h 5", "*5", (struct turn[]){ { NULL, NULL } });
    weft_close(stream);
}

static void test_hrandfield_picks_different_fields(void **state)
{
    (void)state;
    kv_serving(pick_from_many);
}

/* Returns how many calls it took. */
static int scan_all(weft_stream *stream, const char *option, int step, int *seen)
{
    char cursor[32] = "0";
    int calls = 0;
    do {
        assert_string_equal(answer(stream, "HSCAN h %s COUNT 20 %s", cursor, option), "*2");
        hear_line(stream);
        snprintf(cursor, sizeof cursor, "%.31s", hear_line(stream));
        int count = hear_strings(stream, texts, 2 * KV_LARGE);
        for (int i = 0; i < count; i += step)
            seen[number_in(texts[i], 'f')]++;
        calls++;
    } while (strcmp(cursor, "0") != 0);
    return calls;
}

static void scan_many(void)
{
    static int seen[KV_LARGE];
    weft_stream *stream = dial();
    memset(seen, 0, sizeof seen);
    set_many(stream);
    assert_true(scan_all(stream, "", 2, seen) > 10);
    assert_true(scan_all(stream, "NOVALUES", 1, seen) > 10);
    for (int i = 0; i < KV_LARGE; i++)
        assert_int_equal(seen[i], 2);
    weft_close(stream);
}

static void test_hscan_goes_through_a_large_hash_in_parts(void **state)
{
    (void)state;
    kv_serving(scan_many);
}

/* --- without memory --- */

static const struct turn nothing_is_there[] = {
    { "EXISTS n", ":0\r\n" },
    { NULL, NULL },
};

static const struct turn field_is_as_before[] = {
    { "HGETALL h", "*2\r\n$1\r\na\r\n$1\r\n1\r\n" },
    { NULL, NULL },
};

#define LONG_80 "01234567890123456789012345678901234567890123456789012345678901234567890123456789"

static void change_without_memory(void)
{
    weft_stream *stream = dial();
    ask(stream, "HSET h a 1", ":1\r\n");
    without_memory(stream, "HSET n a 1 b " LONG_80 " c 3", ":3", nothing_is_there);
    ask(stream, "DEL n", ":1\r\n");
    without_memory(stream, "HINCRBY n a 1", ":1", nothing_is_there);
    ask(stream, "DEL n", ":1\r\n");
    without_memory(stream, "HINCRBYFLOAT n a 1.5", "$3", nothing_is_there);
    hear(stream, "1.5\r\n");
    without_memory(stream, "HSET h a " LONG_80, ":0", field_is_as_before);
    weft_close(stream);
}

static void test_hashes_without_memory_change_nothing(void **state)
{
    (void)state;
    kv_serving(change_without_memory);
}

/* --- watched keys --- */

static const struct turn hash_changes[] = {
    { "HSET h a 0", ":1\r\n" },
    { "HSET h a 1", ":0\r\n" },
    { "HSETNX h b 1", ":1\r\n" },
    { "HINCRBY h a 1", ":2\r\n" },
    { "HINCRBYFLOAT h a 1", "$1\r\n3\r\n" },
    { "HDEL h b", ":1\r\n" },
    { "HDEL h a", ":1\r\n" },
    { "HMSET h a 1", "+OK\r\n" },
    { NULL, NULL },
};

static const struct turn no_hash_changes[] = {
    { "HSETNX h a 1", ":0\r\n" },
    { "HDEL h b", ":0\r\n" },
    { "HDEL none b", ":0\r\n" },
    { NULL, NULL },
};

static void watch(void)
{
    kv_watch("h", hash_changes, true);
    kv_watch("h none", no_hash_changes, false);
}

static void test_watch_sees_changes_of_hashes(void **state)
{
    (void)state;
    kv_serving(watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        redis_test(test_hset_hget_and_hdel),
        redis_test(test_hincrby_and_hincrbyfloat),
        redis_test(test_hashes_refuse_other_types),
        redis_test(test_hrandfield_of_few),
        redis_test(test_hashes_in_version_3),
        redis_test(test_hscan_of_few),
        redis_test(test_hrandfield_picks_different_fields),
        redis_test(test_hscan_goes_through_a_large_hash_in_parts),
        redis_test(test_hashes_without_memory_change_nothing),
        redis_test(test_watch_sees_changes_of_hashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
