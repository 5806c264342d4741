/* Commands of several sorted sets. */

#include "kv_command_test.h"

/* --- conversations: what is said, and what is heard --- */

static const struct turn algebra_turns[] = {
    { "ZADD a 1 x 2 y 3 z", ":3\r\n" },
    { "ZADD b 10 y 20 z 30 w", ":3\r\n" },
    { "SADD s x w", ":2\r\n" },
    { "ZUNION 2 a b", "*4\r\n$1\r\nx\r\n$1\r\ny\r\n$1\r\nz\r\n$1\r\nw\r\n" },
    { "ZUNION 2 a b WITHSCORES",
      "*8\r\n$1\r\nx\r\n$1\r\n1\r\n$1\r\ny\r\n$2\r\n12\r\n$1\r\nz\r\n$2\r\n23\r\n$1\r\nw\r\n$2\r\n30\r\n" },
    { "ZUNION 2 a b WEIGHTS 2 3 WITHSCORES",
      "*8\r\n$1\r\nx\r\n$1\r\n2\r\n$1\r\ny\r\n$2\r\n34\r\n$1\r\nz\r\n$2\r\n66\r\n$1\r\nw\r\n$2\r\n90\r\n" },
    { "ZUNION 2 a b AGGREGATE MIN WITHSCORES",
      "*8\r\n$1\r\nx\r\n$1\r\n1\r\n$1\r\ny\r\n$1\r\n2\r\n$1\r\nz\r\n$1\r\n3\r\n$1\r\nw\r\n$2\r\n30\r\n" },
    { "ZUNION 2 a b AGGREGATE max WITHSCORES",
      "*8\r\n$1\r\nx\r\n$1\r\n1\r\n$1\r\ny\r\n$2\r\n10\r\n$1\r\nz\r\n$2\r\n20\r\n$1\r\nw\r\n$2\r\n30\r\n" },
    { "ZUNION 2 a s WITHSCORES",
      "*8\r\n$1\r\nw\r\n$1\r\n1\r\n$1\r\nx\r\n$1\r\n2\r\n$1\r\ny\r\n$1\r\n2\r\n$1\r\nz\r\n$1\r\n3\r\n" },
    { "ZUNION 2 a none WITHSCORES",
      "*6\r\n$1\r\nx\r\n$1\r\n1\r\n$1\r\ny\r\n$1\r\n2\r\n$1\r\nz\r\n$1\r\n3\r\n" },
    { "ZUNION 1 none", "*0\r\n" },
    { "ZINTER 2 a b WITHSCORES", "*4\r\n$1\r\ny\r\n$2\r\n12\r\n$1\r\nz\r\n$2\r\n23\r\n" },
    { "ZINTER 2 a b WEIGHTS 0.5 1 AGGREGATE MAX WITHSCORES",
      "*4\r\n$1\r\ny\r\n$2\r\n10\r\n$1\r\nz\r\n$2\r\n20\r\n" },
    { "ZINTER 3 a b s", "*0\r\n" },
    { "ZINTER 2 b s WITHSCORES", "*2\r\n$1\r\nw\r\n$2\r\n31\r\n" },
    { "ZINTER 2 a none", "*0\r\n" },
    { "ZINTER 2 a a WITHSCORES",
      "*6\r\n$1\r\nx\r\n$1\r\n2\r\n$1\r\ny\r\n$1\r\n4\r\n$1\r\nz\r\n$1\r\n6\r\n" },
    { "ZDIFF 2 a b WITHSCORES", "*2\r\n$1\r\nx\r\n$1\r\n1\r\n" },
    { "ZDIFF 2 b a", "*1\r\n$1\r\nw\r\n" },
    { "ZDIFF 2 a s", "*2\r\n$1\r\ny\r\n$1\r\nz\r\n" },
    { "ZDIFF 2 a a", "*0\r\n" },
    { "ZDIFF 2 none a", "*0\r\n" },
    { "ZDIFF 1 a WITHSCORES",
      "*6\r\n$1\r\nx\r\n$1\r\n1\r\n$1\r\ny\r\n$1\r\n2\r\n$1\r\nz\r\n$1\r\n3\r\n" },
    { "ZADD large 1 x 2 y 3 z 4 e 5 f 6 g 7 h 8 i 9 j", ":9\r\n" },
    { "ZDIFF 4 large a b s WITHSCORES",
      "*12\r\n$1\r\ne\r\n$1\r\n4\r\n$1\r\nf\r\n$1\r\n5\r\n$1\r\ng\r\n$1\r\n6\r\n$1\r\nh\r\n$1\r\n7\r\n$1\r\ni\r\n$1\r\n8\r\n$1\r\nj\r\n$1\r\n9\r\n" },
    { "ZINTERCARD 2 a b", ":2\r\n" },
    { "ZINTERCARD 2 a b LIMIT 1", ":1\r\n" },
    { "ZINTERCARD 2 a b LIMIT 0", ":2\r\n" },
    { "ZINTERCARD 2 a none", ":0\r\n" },
    { "ZINTERCARD 2 b s", ":1\r\n" },
    { "ZADD i inf p", ":1\r\n" },
    { "ZADD j -inf p", ":1\r\n" },
    { "ZUNION 2 i j WITHSCORES", "*2\r\n$1\r\np\r\n$1\r\n0\r\n" },
    { "ZUNION 1 i WEIGHTS 0 WITHSCORES", "*2\r\n$1\r\np\r\n$1\r\n0\r\n" },
    { NULL, NULL },
};

static const struct turn stores_turns[] = {
    { "ZADD a 1 x 2 y", ":2\r\n" },
    { "ZADD b 10 y 20 z", ":2\r\n" },
    { "ZUNIONSTORE d 2 a b WEIGHTS 1 2", ":3\r\n" },
    { "ZRANGE d 0 -1 WITHSCORES",
      "*6\r\n$1\r\nx\r\n$1\r\n1\r\n$1\r\ny\r\n$2\r\n22\r\n$1\r\nz\r\n$2\r\n40\r\n" },
    { "ZINTERSTORE d 2 a b AGGREGATE MIN", ":1\r\n" },
    { "ZRANGE d 0 -1 WITHSCORES", "*2\r\n$1\r\ny\r\n$1\r\n2\r\n" },
    { "ZDIFFSTORE d 2 a b", ":1\r\n" },
    { "ZRANGE d 0 -1 WITHSCORES", "*2\r\n$1\r\nx\r\n$1\r\n1\r\n" },
    { "ZUNIONSTORE a 2 a b", ":3\r\n" },
    { "ZRANGE a 0 -1 WITHSCORES",
      "*6\r\n$1\r\nx\r\n$1\r\n1\r\n$1\r\ny\r\n$2\r\n12\r\n$1\r\nz\r\n$2\r\n20\r\n" },
    { "ZINTERSTORE d 2 a none", ":0\r\n" },
    { "EXISTS d", ":0\r\n" },
    { "SET t v", "+OK\r\n" },
    { "ZDIFFSTORE t 1 a", ":3\r\n" },
    { "TYPE t", "+zset\r\n" },
    { "ZDIFFSTORE t 2 a a", ":0\r\n" },
    { "EXISTS t", ":0\r\n" },
    { NULL, NULL },
};

static const struct turn faults_turns[] = {
    { "ZADD a 1 x", ":1\r\n" },
    { "ZUNION 0 a", "-ERR at least 1 input key is needed for 'zunion' command\r\n" },
    { "ZUNION x a", "-ERR value is not an integer or out of range\r\n" },
    { "ZUNION 2 a", "-ERR syntax error\r\n" },
    { "ZUNION 1 a WEIGHTS", "-ERR syntax error\r\n" },
    { "ZUNION 1 a WEIGHTS x", "-ERR weight value is not a float\r\n" },
    { "ZUNION 1 a WEIGHTS 1 2", "-ERR syntax error\r\n" },
    { "ZUNION 1 a AGGREGATE", "-ERR syntax error\r\n" },
    { "ZUNION 1 a AGGREGATE avg", "-ERR syntax error\r\n" },
    { "ZUNION 1 a MORE", "-ERR syntax error\r\n" },
    { "ZUNIONSTORE d 0 a", "-ERR at least 1 input key is needed for 'zunionstore' command\r\n" },
    { "ZUNIONSTORE d 1 a WITHSCORES", "-ERR syntax error\r\n" },
    { "ZINTERSTORE d -1 a", "-ERR at least 1 input key is needed for 'zinterstore' command\r\n" },
    { "ZINTER 0 a", "-ERR at least 1 input key is needed for 'zinter' command\r\n" },
    { "ZDIFF 1 a WEIGHTS 1", "-ERR syntax error\r\n" },
    { "ZDIFF 0 a", "-ERR at least 1 input key is needed for 'zdiff' command\r\n" },
    { "ZDIFFSTORE d 1 a WITHSCORES", "-ERR syntax error\r\n" },
    { "ZDIFFSTORE d 0 a", "-ERR at least 1 input key is needed for 'zdiffstore' command\r\n" },
    { "ZINTERCARD 0 a", "-ERR at least 1 input key is needed for 'zintercard' command\r\n" },
    { "ZINTERCARD 1 a LIMIT -1", "-ERR LIMIT can't be negative\r\n" },
    { "ZINTERCARD 1 a LIMIT x", "-ERR LIMIT can't be negative\r\n" },
    { "ZINTERCARD 1 a LIMIT", "-ERR syntax error\r\n" },
    { "ZINTERCARD 1 a MORE 1", "-ERR syntax error\r\n" },
    { "ZINTERCARD 2 a", "-ERR syntax error\r\n" },
    { "ZUNION 1", "-ERR wrong number of arguments for 'zunion' command\r\n" },
    { "EXISTS d", ":0\r\n" },
    { NULL, NULL },
};

static void talk_of_algebra(void)
{
    weft_stream *stream = dial();
    converse(stream, algebra_turns);
    weft_close(stream);
}

static void test_zunion_zinter_and_zdiff(void **state)
{
    (void)state;
    kv_serving(talk_of_algebra);
}

static void talk_of_stores(void)
{
    weft_stream *stream = dial();
    converse(stream, stores_turns);
    weft_close(stream);
}

static void test_stores_of_sorted_sets(void **state)
{
    (void)state;
    kv_serving(talk_of_stores);
}

static void talk_of_faults(void)
{
    weft_stream *stream = dial();
    converse(stream, faults_turns);
    weft_close(stream);
}

static void test_algebra_of_sorted_sets_refuses(void **state)
{
    (void)state;
    kv_serving(talk_of_faults);
}

/* --- large sorted sets --- */

static void combine_many(void)
{
    weft_stream *stream = dial();
    for (int i = 0; i < 1000; i++)
        assert_string_equal(answer(stream, "ZADD a %d m%d", i, i), ":1");
    ask(stream, "ZADD b 1 m1 1 m2 1 x", ":3\r\n");
    ask(stream, "ZUNIONSTORE d 2 a b", ":1001\r\n");
    ask(stream, "ZSCORE d m2", "$1\r\n3\r\n");
    ask(stream, "ZINTERSTORE d 2 a b WEIGHTS 1 10", ":2\r\n");
    ask(stream, "ZRANGE d 0 -1 WITHSCORES",
        "*4\r\n$2\r\nm1\r\n$2\r\n11\r\n$2\r\nm2\r\n$2\r\n12\r\n");
    ask(stream, "ZDIFFSTORE d 2 a b", ":998\r\n"); /* a copy without these */
    ask(stream, "ZDIFFSTORE e 2 b a", ":1\r\n");   /* those that are not there */
    ask(stream, "ZDIFFSTORE a 2 a d", ":2\r\n");
    ask(stream, "ZINTERCARD 2 a b", ":2\r\n");
    weft_close(stream);
}

static void test_algebra_of_large_sorted_sets(void **state)
{
    (void)state;
    kv_serving(combine_many);
}

/* --- without memory --- */

static const struct turn d_is_unchanged[] = {
    { "ZRANGE d 0 -1", "*1\r\n$4\r\nkept\r\n" },
    { NULL, NULL },
};

static void store_without_memory(void)
{
    static const char *const lines[][2] = { { "ZUNIONSTORE d 2 a b", ":201" },
                                            { "ZINTERSTORE d 2 a b", ":2" },
                                            { "ZDIFFSTORE d 2 a b", ":198" } };
    weft_stream *stream = dial();
    for (int i = 0; i < 200; i++)
        answer(stream, "ZADD a %d m%d", i, i);
    ask(stream, "ZADD b 1 m1 1 m2 1 x", ":3\r\n");
    for (size_t i = 0; i < WF_ARRAY_SIZE(lines); i++) {
        ask(stream, "ZADD d 1 kept", ":1\r\n");
        without_memory(stream, lines[i][0], lines[i][1], d_is_unchanged);
        ask(stream, "DEL d", ":1\r\n");
    }
    weft_close(stream);
}

static void test_stores_without_memory_change_nothing(void **state)
{
    (void)state;
    kv_serving(store_without_memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        redis_test(test_zunion_zinter_and_zdiff),
        redis_test(test_stores_of_sorted_sets),
        redis_test(test_algebra_of_sorted_sets_refuses),
        redis_test(test_algebra_of_large_sorted_sets),
        redis_test(test_stores_without_memory_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
