/* Commands of ranges of a sorted set. */

#include "kv_command_test.h"

/* --- conversations: what is said, and what is heard --- */

static const struct turn ranks_turns[] = {
    { "ZADD z 1 a 2 b 3 c 4 d", ":4\r\n" },
    { "ZRANGE z 0 -1", "*4\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n" },
    { "ZRANGE z 1 2 WITHSCORES", "*4\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$1\r\n3\r\n" },
    { "ZRANGE z -2 -1", "*2\r\n$1\r\nc\r\n$1\r\nd\r\n" },
    { "ZRANGE z -100 100", "*4\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n" },
    { "ZRANGE z 3 1", "*0\r\n" },
    { "ZRANGE z 4 9", "*0\r\n" },
    { "ZRANGE z 0 1 REV", "*2\r\n$1\r\nd\r\n$1\r\nc\r\n" },
    { "ZRANGE z -1 -1 REV WITHSCORES", "*2\r\n$1\r\na\r\n$1\r\n1\r\n" },
    { "ZRANGE none 0 -1", "*0\r\n" },
    { "ZREVRANGE z 0 1", "*2\r\n$1\r\nd\r\n$1\r\nc\r\n" },
    { "ZREVRANGE z -2 -1 WITHSCORES", "*4\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\na\r\n$1\r\n1\r\n" },
    { "ZREVRANGE none 0 -1", "*0\r\n" },
    { "ZRANGE z x 1", "-ERR value is not an integer or out of range\r\n" },
    { "ZRANGE z 0 1.5", "-ERR value is not an integer or out of range\r\n" },
    { "ZRANGE z 0 1 MORE", "-ERR syntax error\r\n" },
    { "ZRANGE z 0 1 REV REV", "-ERR syntax error\r\n" },
    { "ZRANGE z 0 1 LIMIT 0 1",
      "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX\r\n" },
    { "ZRANGE z 0 1 LIMIT 0", "-ERR syntax error\r\n" },
    { "ZREVRANGE z 0 1 BYSCORE", "-ERR syntax error\r\n" },
    { "ZREVRANGE z 0 1 REV", "-ERR syntax error\r\n" },
    { "ZRANGE z 0", "-ERR wrong number of arguments for 'zrange' command\r\n" },
    { NULL, NULL },
};

static const struct turn scores_turns[] = {
    { "ZADD z 1 a 2 b 2 c 4 d inf e", ":5\r\n" },
    { "ZRANGE z 2 4 BYSCORE", "*3\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n" },
    { "ZRANGE z (2 4 BYSCORE WITHSCORES", "*2\r\n$1\r\nd\r\n$1\r\n4\r\n" },
    { "ZRANGE z 1 (2 BYSCORE", "*1\r\n$1\r\na\r\n" },
    { "ZRANGE z -inf +inf BYSCORE LIMIT 1 2", "*2\r\n$1\r\nb\r\n$1\r\nc\r\n" },
    { "ZRANGE z -inf +inf BYSCORE LIMIT 1 -1",
      "*4\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n" },
    { "ZRANGE z -inf +inf BYSCORE LIMIT 9 1", "*0\r\n" },
    { "ZRANGE z -inf +inf BYSCORE LIMIT -1 1", "*0\r\n" },
    { "ZRANGE z -inf +inf BYSCORE LIMIT 0 0", "*0\r\n" },
    { "ZRANGE z +inf -inf BYSCORE REV LIMIT 1 2", "*2\r\n$1\r\nd\r\n$1\r\nc\r\n" },
    { "ZRANGE z 4 2 BYSCORE REV WITHSCORES",
      "*6\r\n$1\r\nd\r\n$1\r\n4\r\n$1\r\nc\r\n$1\r\n2\r\n$1\r\nb\r\n$1\r\n2\r\n" },
    { "ZRANGE z 4 2 BYSCORE", "*0\r\n" },
    { "ZRANGE z 5 9 BYSCORE", "*0\r\n" },
    { "ZRANGEBYSCORE z 1 2 WITHSCORES",
      "*6\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$1\r\n2\r\n" },
    { "ZRANGEBYSCORE z (1 (4", "*2\r\n$1\r\nb\r\n$1\r\nc\r\n" },
    { "ZRANGEBYSCORE z 1 4 LIMIT 1 1", "*1\r\n$1\r\nb\r\n" },
    { "ZREVRANGEBYSCORE z 4 (1", "*3\r\n$1\r\nd\r\n$1\r\nc\r\n$1\r\nb\r\n" },
    { "ZREVRANGEBYSCORE z +inf -inf WITHSCORES LIMIT 1 1", "*2\r\n$1\r\nd\r\n$1\r\n4\r\n" },
    { "ZRANGEBYSCORE none 0 1", "*0\r\n" },
    { "ZRANGEBYSCORE z x 1", "-ERR min or max is not a float\r\n" },
    { "ZRANGEBYSCORE z 1 (", "*0\r\n" }, /* as strtod has it */
    { "ZCOUNT z \" 1\" inf", ":5\r\n" },
    { "ZRANGEBYSCORE z 1 \" \"", "-ERR min or max is not a float\r\n" },
    { "ZRANGEBYSCORE z 1 (x", "-ERR min or max is not a float\r\n" },
    { "ZRANGEBYSCORE z 1 nan", "-ERR min or max is not a float\r\n" },
    { "ZRANGEBYSCORE z 1 2 REV", "-ERR syntax error\r\n" },
    { "ZRANGEBYSCORE z 1 2 LIMIT 1", "-ERR syntax error\r\n" },
    { "ZRANGEBYSCORE z 1 2 LIMIT x 1", "-ERR value is not an integer or out of range\r\n" },
    { "ZCOUNT z 2 4", ":3\r\n" },
    { "ZCOUNT z (2 +inf", ":2\r\n" },
    { "ZCOUNT z (4 (4", ":0\r\n" },
    { "ZCOUNT z ( \" +4\"", ":4\r\n" }, /* from nothing, which is 0 */
    { "ZCOUNT z -inf \"\"", ":0\r\n" },
    { "ZCOUNT none 0 1", ":0\r\n" },
    { "ZCOUNT z a b", "-ERR min or max is not a float\r\n" },
    { NULL, NULL },
};

static const struct turn names_turns[] = {
    { "ZADD z 0 a 0 b 0 c 0 cc 0 d", ":5\r\n" },
    { "ZRANGE z - + BYLEX", "*5\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$2\r\ncc\r\n$1\r\nd\r\n" },
    { "ZRANGE z [b (d BYLEX", "*3\r\n$1\r\nb\r\n$1\r\nc\r\n$2\r\ncc\r\n" },
    { "ZRANGE z (b + BYLEX LIMIT 1 1", "*1\r\n$2\r\ncc\r\n" },
    { "ZRANGE z + - BYLEX REV", "*5\r\n$1\r\nd\r\n$2\r\ncc\r\n$1\r\nc\r\n$1\r\nb\r\n$1\r\na\r\n" },
    { "ZRANGE z [c (a BYLEX REV LIMIT 0 1", "*1\r\n$1\r\nc\r\n" },
    { "ZRANGE z + - BYLEX", "*0\r\n" },
    { "ZRANGEBYLEX z [c [c", "*1\r\n$1\r\nc\r\n" },
    { "ZRANGEBYLEX z (c (c", "*0\r\n" },
    { "ZRANGEBYLEX z - (cc LIMIT 1 5", "*2\r\n$1\r\nb\r\n$1\r\nc\r\n" },
    { "ZREVRANGEBYLEX z + [cc", "*2\r\n$1\r\nd\r\n$2\r\ncc\r\n" },
    { "ZREVRANGEBYLEX z [c - LIMIT 1 1", "*1\r\n$1\r\nb\r\n" },
    { "ZRANGEBYLEX none - +", "*0\r\n" },
    { "ZRANGEBYLEX z a b", "-ERR min or max not valid string range item\r\n" },
    { "ZRANGEBYLEX z -x +", "-ERR min or max not valid string range item\r\n" },
    { "ZRANGEBYLEX z \"\" +", "-ERR min or max not valid string range item\r\n" },
    { "ZRANGE z - + BYLEX WITHSCORES",
      "-ERR syntax error, WITHSCORES not supported in combination with BYLEX\r\n" },
    { "ZRANGEBYLEX z - + WITHSCORES",
      "-ERR syntax error, WITHSCORES not supported in combination with BYLEX\r\n" },
    { "ZLEXCOUNT z - +", ":5\r\n" },
    { "ZLEXCOUNT z [b [cc", ":3\r\n" },
    { "ZLEXCOUNT z (b (cc", ":1\r\n" },
    { "ZLEXCOUNT z + -", ":0\r\n" },
    { "ZLEXCOUNT none - +", ":0\r\n" },
    { "ZLEXCOUNT z b c", "-ERR min or max not valid string range item\r\n" },
    { NULL, NULL },
};

static const struct turn stores_turns[] = {
    { "ZADD z 1 a 2 b 3 c", ":3\r\n" },
    { "ZRANGESTORE d z 0 1", ":2\r\n" },
    { "ZRANGE d 0 -1 WITHSCORES", "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n" },
    { "ZRANGESTORE d z 0 1 REV", ":2\r\n" },
    { "ZRANGE d 0 -1 WITHSCORES", "*4\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$1\r\n3\r\n" },
    { "ZRANGESTORE d z 3 1 BYSCORE REV LIMIT 0 1", ":1\r\n" },
    { "ZRANGE d 0 -1", "*1\r\n$1\r\nc\r\n" },
    { "ZRANGESTORE z z [a [b BYLEX", ":2\r\n" },
    { "ZRANGE z 0 -1", "*2\r\n$1\r\na\r\n$1\r\nb\r\n" },
    { "ZRANGESTORE d z 5 6", ":0\r\n" },
    { "EXISTS d", ":0\r\n" },
    { "ZADD d 1 x", ":1\r\n" },
    { "ZRANGESTORE d none 0 -1", ":0\r\n" },
    { "EXISTS d", ":0\r\n" },
    { "SET t v", "+OK\r\n" },
    { "ZRANGESTORE t z 0 -1", ":2\r\n" },
    { "TYPE t", "+zset\r\n" },
    { "ZRANGESTORE d z 0 1 WITHSCORES", "-ERR syntax error\r\n" },
    { "ZRANGESTORE d z 0 1 LIMIT 0 1",
      "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX\r\n" },
    { "ZRANGESTORE d z 0", "-ERR wrong number of arguments for 'zrangestore' command\r\n" },
    { NULL, NULL },
};

static const struct turn removals_turns[] = {
    { "ZADD z 1 a 2 b 3 c 4 d 5 e 6 f", ":6\r\n" },
    { "ZREMRANGEBYRANK z 0 0", ":1\r\n" },
    { "ZREMRANGEBYRANK z -1 -1", ":1\r\n" },
    { "ZREMRANGEBYRANK z 5 9", ":0\r\n" },
    { "ZRANGE z 0 -1", "*4\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n" },
    { "ZREMRANGEBYSCORE z (2 3", ":1\r\n" },
    { "ZREMRANGEBYSCORE z 9 1", ":0\r\n" },
    { "ZRANGE z 0 -1", "*3\r\n$1\r\nb\r\n$1\r\nd\r\n$1\r\ne\r\n" },
    { "ZREMRANGEBYLEX z [d [d", ":1\r\n" },
    { "ZREMRANGEBYLEX z - +", ":2\r\n" },
    { "EXISTS z", ":0\r\n" },
    { "ZREMRANGEBYRANK none 0 -1", ":0\r\n" },
    { "ZREMRANGEBYSCORE none 0 1", ":0\r\n" },
    { "ZREMRANGEBYLEX none - +", ":0\r\n" },
    { "ZREMRANGEBYRANK z x 1", "-ERR value is not an integer or out of range\r\n" },
    { "ZREMRANGEBYSCORE z x 1", "-ERR min or max is not a float\r\n" },
    { "ZREMRANGEBYLEX z x y", "-ERR min or max not valid string range item\r\n" },
    { "ZREMRANGEBYRANK z 0", "-ERR wrong number of arguments for 'zremrangebyrank' command\r\n" },
    { NULL, NULL },
};

static void talk_of_ranks(void)
{
    weft_stream *stream = dial();
    converse(stream, ranks_turns);
    weft_close(stream);
}

static void test_zrange_by_rank(void **state)
{
    (void)state;
    kv_serving(talk_of_ranks);
}

static void talk_of_scores(void)
{
    weft_stream *stream = dial();
    converse(stream, scores_turns);
    weft_close(stream);
}

static void test_zrange_by_score(void **state)
{
    (void)state;
    kv_serving(talk_of_scores);
}

static void talk_of_names(void)
{
    weft_stream *stream = dial();
    converse(stream, names_turns);
    weft_close(stream);
}

static void test_zrange_by_name(void **state)
{
    (void)state;
    kv_serving(talk_of_names);
}

static void talk_of_stores(void)
{
    weft_stream *stream = dial();
    converse(stream, stores_turns);
    weft_close(stream);
}

static void test_zrangestore_stores(void **state)
{
    (void)state;
    kv_serving(talk_of_stores);
}

static void talk_of_removals(void)
{
    weft_stream *stream = dial();
    converse(stream, removals_turns);
    weft_close(stream);
}

static void test_zremrange_removes(void **state)
{
    (void)state;
    kv_serving(talk_of_removals);
}

/* --- large sorted sets --- */

static void range_of_many(void)
{
    weft_stream *stream = dial();
    for (int i = 0; i < 1000; i++)
        assert_string_equal(answer(stream, "ZADD z %d m%03d", i / 2, i), ":1");
    ask(stream, "OBJECT ENCODING z", "$8\r\nskiplist\r\n");
    ask(stream, "ZRANGE z 500 501", "*2\r\n$4\r\nm500\r\n$4\r\nm501\r\n");
    ask(stream, "ZRANGE z 0 1 REV", "*2\r\n$4\r\nm999\r\n$4\r\nm998\r\n");
    ask(stream, "ZCOUNT z (100 200", ":200\r\n");
    ask(stream, "ZRANGE z (100 200 BYSCORE LIMIT 0 1", "*1\r\n$4\r\nm202\r\n");
    ask(stream, "ZRANGE z 200 (100 BYSCORE REV LIMIT 199 5", "*1\r\n$4\r\nm202\r\n");
    ask(stream, "ZRANGESTORE d z 0 499", ":500\r\n");
    ask(stream, "ZREMRANGEBYSCORE z 100 399", ":600\r\n");
    ask(stream, "ZREMRANGEBYRANK z 10 -11", ":380\r\n");
    ask(stream, "ZCARD z", ":20\r\n");
    ask(stream, "ZREMRANGEBYRANK z 0 -1", ":20\r\n");
    ask(stream, "EXISTS z", ":0\r\n");
    weft_close(stream);
}

static void test_ranges_of_a_large_set(void **state)
{
    (void)state;
    kv_serving(range_of_many);
}

/* --- without memory --- */

static const struct turn d_is_unchanged[] = {
    { "ZRANGE d 0 -1", "*1\r\n$4\r\nkept\r\n" },
    { NULL, NULL },
};

static void store_without_memory(void)
{
    weft_stream *stream = dial();
    ask(stream, "ZADD d 1 kept", ":1\r\n");
    for (int i = 0; i < 200; i++)
        answer(stream, "ZADD z %d m%d", i, i);
    without_memory(stream, "ZRANGESTORE d z 0 -1", ":200", d_is_unchanged);
    weft_close(stream);
}

static void test_zrangestore_without_memory_changes_nothing(void **state)
{
    (void)state;
    kv_serving(store_without_memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        redis_test(test_zrange_by_rank),
        redis_test(test_zrange_by_score),
        redis_test(test_zrange_by_name),
        redis_test(test_zrangestore_stores),
        redis_test(test_zremrange_removes),
        redis_test(test_ranges_of_a_large_set),
        redis_test(test_zrangestore_without_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
