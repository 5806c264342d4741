/* Commands of one sorted set, by member. */

#include "kv_command_test.h"

/* --- conversations: what is said, and what is heard --- */

static const struct turn adds_turns[] = {
    { "ZADD z 1 a 2 b", ":2\r\n" },
    { "ZADD z 1 a 3 b", ":0\r\n" },
    { "ZADD z CH 4 b 1 a 5 c", ":2\r\n" },
    { "ZADD z NX 9 a 9 d", ":1\r\n" },
    { "ZADD z XX 8 d 8 e", ":0\r\n" },
    { "ZADD z XX CH 7 d", ":1\r\n" },
    { "ZADD z GT CH 6 d 8 a", ":1\r\n" },
    { "ZADD z LT CH 9 d 2 a", ":1\r\n" },
    { "ZADD z GT CH 1 new", ":1\r\n" },
    { "ZADD z XX GT CH 1 other", ":0\r\n" },
    { "ZADD z INCR 2 a", "$1\r\n4\r\n" },
    { "ZADD z NX INCR 2 a", "$-1\r\n" },
    { "ZADD z XX INCR 2 nobody", "$-1\r\n" },
    { "ZADD z GT INCR -1 a", "$-1\r\n" },
    { "ZADD z LT INCR -1 a", "$1\r\n3\r\n" },
    { "ZADD none XX 1 a", ":0\r\n" },
    { "ZADD none XX INCR 1 a", "$-1\r\n" },
    { "EXISTS none", ":0\r\n" },
    { "ZRANGE z 0 -1 WITHSCORES",
      "*10\r\n$3\r\nnew\r\n$1\r\n1\r\n$1\r\na\r\n$1\r\n3\r\n$1\r\nb\r\n$1\r\n4\r\n$1\r\nc\r\n$1\r\n5\r\n$1\r\nd\r\n$1\r\n7\r\n" },
    { "ZADD i INF a -inf b +inf c 1e2 d -1.5 e", ":5\r\n" },
    { "ZRANGE i 0 -1 WITHSCORES",
      "*10\r\n$1\r\nb\r\n$4\r\n-inf\r\n$1\r\ne\r\n$4\r\n-1.5\r\n$1\r\nd\r\n$3\r\n100\r\n$1\r\na\r\n$3\r\ninf\r\n$1\r\nc\r\n$3\r\ninf\r\n" },
    { "ZADD i INCR -inf a", "-ERR resulting score is not a number (NaN)\r\n" },
    { "ZINCRBY i -inf a", "-ERR resulting score is not a number (NaN)\r\n" },
    { "ZINCRBY i inf a", "$3\r\ninf\r\n" },
    { "ZINCRBY i 1.5 e", "$1\r\n0\r\n" },
    { "ZINCRBY i 3 new", "$1\r\n3\r\n" },
    { "ZINCRBY i x e", "-ERR value is not a valid float\r\n" },
    { "ZINCRBY none 2.5 e", "$3\r\n2.5\r\n" },
    { NULL, NULL },
};

static const struct turn add_faults_turns[] = {
    { "ZADD z", "-ERR wrong number of arguments for 'zadd' command\r\n" },
    { "ZADD z 1", "-ERR wrong number of arguments for 'zadd' command\r\n" },
    { "ZADD z 1 a 2", "-ERR syntax error\r\n" },
    { "ZADD z NX XX 1 a", "-ERR XX and NX options at the same time are not compatible\r\n" },
    { "ZADD z NX GT 1 a",
      "-ERR GT, LT, and/or NX options at the same time are not compatible\r\n" },
    { "ZADD z NX LT 1 a",
      "-ERR GT, LT, and/or NX options at the same time are not compatible\r\n" },
    { "ZADD z GT LT 1 a",
      "-ERR GT, LT, and/or NX options at the same time are not compatible\r\n" },
    { "ZADD z INCR 1 a 2 b", "-ERR INCR option supports a single increment-element pair\r\n" },
    { "ZADD z NX CH", "-ERR syntax error\r\n" },
    { "ZADD z 1 a x b", "-ERR value is not a valid float\r\n" },
    { "ZADD z nan a", "-ERR value is not a valid float\r\n" },
    { "ZADD z \"\" a", "-ERR value is not a valid float\r\n" },
    { "EXISTS z", ":0\r\n" },
    { "SET t v", "+OK\r\n" },
    { "ZADD t 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "ZADD t XX 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "ZADD t x a", "-ERR value is not a valid float\r\n" },
    { "ZINCRBY t 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { NULL, NULL },
};

static const struct turn members_turns[] = {
    { "ZADD z 1 a 2 b 3.5 c", ":3\r\n" },
    { "ZREM z a x", ":1\r\n" },
    { "ZREM z a", ":0\r\n" },
    { "ZREM none a", ":0\r\n" },
    { "ZSCORE z b", "$1\r\n2\r\n" },
    { "ZSCORE z c", "$3\r\n3.5\r\n" },
    { "ZSCORE z x", "$-1\r\n" },
    { "ZSCORE none x", "$-1\r\n" },
    { "ZMSCORE z b x c", "*3\r\n$1\r\n2\r\n$-1\r\n$3\r\n3.5\r\n" },
    { "ZMSCORE none a b", "*2\r\n$-1\r\n$-1\r\n" },
    { "ZCARD z", ":2\r\n" },
    { "ZCARD none", ":0\r\n" },
    { "ZRANK z b", ":0\r\n" },
    { "ZRANK z c", ":1\r\n" },
    { "ZRANK z x", "$-1\r\n" },
    { "ZRANK none x", "$-1\r\n" },
    { "ZREVRANK z b", ":1\r\n" },
    { "ZREVRANK z c", ":0\r\n" },
    { "ZREM z b c", ":2\r\n" },
    { "EXISTS z", ":0\r\n" },
    { NULL, NULL },
};

static const struct turn members_3_turns[] = {
    { "ZADD z 1 a 3.5 c inf d", ":3\r\n" },
    { "ZADD z INCR 1 a", ",2\r\n" },
    { "ZADD z NX INCR 1 a", "_\r\n" },
    { "ZINCRBY z 1 a", ",3\r\n" },
    { "ZSCORE z c", ",3.5\r\n" },
    { "ZSCORE z d", ",inf\r\n" },
    { "ZSCORE z x", "_\r\n" },
    { "ZMSCORE z c x", "*2\r\n,3.5\r\n_\r\n" },
    { "ZRANK z c", ":1\r\n" },
    { "ZRANK z x", "_\r\n" },
    { "ZRANGE z 0 -1", "*3\r\n$1\r\na\r\n$1\r\nc\r\n$1\r\nd\r\n" },
    { "ZRANGE z 0 -1 WITHSCORES",
      "*3\r\n*2\r\n$1\r\na\r\n,3\r\n*2\r\n$1\r\nc\r\n,3.5\r\n*2\r\n$1\r\nd\r\n,inf\r\n" },
    { "ZRANGEBYSCORE z -inf +inf WITHSCORES LIMIT 0 1", "*1\r\n*2\r\n$1\r\na\r\n,3\r\n" },
    { "ZRANDMEMBER z 3 WITHSCORES",
      "*3\r\n*2\r\n$1\r\na\r\n,3\r\n*2\r\n$1\r\nc\r\n,3.5\r\n*2\r\n$1\r\nd\r\n,inf\r\n" },
    { "ZRANDMEMBER none", "_\r\n" },
    { "ZRANDMEMBER none 2", "*0\r\n" },
    { "ZSCAN z 0",
      "*2\r\n$1\r\n0\r\n*6\r\n$1\r\na\r\n$1\r\n3\r\n$1\r\nc\r\n$3\r\n3.5\r\n$1\r\nd\r\n$3\r\ninf\r\n" },
    { "ZPOPMIN z", "*2\r\n$1\r\na\r\n,3\r\n" },
    { "ZPOPMAX z 5", "*2\r\n*2\r\n$1\r\nd\r\n,inf\r\n*2\r\n$1\r\nc\r\n,3.5\r\n" },
    { "ZPOPMIN z", "*0\r\n" },
    { "ZPOPMIN z 5", "*0\r\n" },
    { "ZADD z 1 a 2 b", ":2\r\n" },
    { "ZMPOP 1 z MIN COUNT 5",
      "*2\r\n$1\r\nz\r\n*2\r\n*2\r\n$1\r\na\r\n,1\r\n*2\r\n$1\r\nb\r\n,2\r\n" },
    { "ZMPOP 1 z MIN", "_\r\n" },
    { "BZPOPMIN z 0.001", "_\r\n" },
    { "ZADD z 1 a 2 b", ":2\r\n" },
    { "BZPOPMIN z 0", "*3\r\n$1\r\nz\r\n$1\r\na\r\n,1\r\n" },
    { "BZMPOP 0 1 z MAX", "*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\nb\r\n,2\r\n" },
    { "BZMPOP 0.001 1 z MAX", "_\r\n" },
    { "ZADD z 1 a 2 b", ":2\r\n" },
    { "ZUNION 1 z WITHSCORES", "*2\r\n*2\r\n$1\r\na\r\n,1\r\n*2\r\n$1\r\nb\r\n,2\r\n" },
    { "ZINTER 1 z WITHSCORES", "*2\r\n*2\r\n$1\r\na\r\n,1\r\n*2\r\n$1\r\nb\r\n,2\r\n" },
    { "ZDIFF 1 z WITHSCORES", "*2\r\n*2\r\n$1\r\na\r\n,1\r\n*2\r\n$1\r\nb\r\n,2\r\n" },
    { "ZUNION 1 z", "*2\r\n$1\r\na\r\n$1\r\nb\r\n" },
    { NULL, NULL },
};

static const struct turn wrong_types_turns[] = {
    { "SET t v", "+OK\r\n" },
    { "ZREM t a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "ZSCORE t a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "ZMSCORE t a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "ZCARD t", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "ZCOUNT t 0 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "ZLEXCOUNT t - +", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "ZRANK t a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "ZREVRANK t a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "ZRANGE t 0 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "ZRANGEBYSCORE t 0 1",
      "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "ZRANGEBYLEX t - +",
      "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "ZRANGESTORE d t 0 1",
      "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "ZREMRANGEBYRANK t 0 1",
      "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "ZREMRANGEBYSCORE t 0 1",
      "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "ZREMRANGEBYLEX t - +",
      "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "ZPOPMIN t", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "ZPOPMAX t 0", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "ZMPOP 2 none t MIN",
      "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "BZPOPMIN none t 0",
      "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "BZPOPMAX t 0", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "BZMPOP 0 1 t MIN",
      "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "ZRANDMEMBER t", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "ZUNION 1 t", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "ZINTERSTORE d 2 none t",
      "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "ZDIFF 2 none t", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "ZINTERCARD 1 t", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "ZSCAN t 0 MORE", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "EXISTS d", ":0\r\n" },
    { "GET t", "$1\r\nv\r\n" },
    { NULL, NULL },
};

static const struct turn picks_turns[] = {
    { "ZRANDMEMBER none", "$-1\r\n" },
    { "ZRANDMEMBER none 3", "*0\r\n" },
    { "ZADD z 1 a", ":1\r\n" },
    { "ZRANDMEMBER z", "$1\r\na\r\n" },
    { "ZRANDMEMBER z 3", "*1\r\n$1\r\na\r\n" },
    { "ZRANDMEMBER z -2", "*2\r\n$1\r\na\r\n$1\r\na\r\n" },
    { "ZRANDMEMBER z 3 WITHSCORES", "*2\r\n$1\r\na\r\n$1\r\n1\r\n" },
    { "ZRANDMEMBER z -2 WITHSCORES", "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\na\r\n$1\r\n1\r\n" },
    { "ZRANDMEMBER z 0", "*0\r\n" },
    { "ZRANDMEMBER z x", "-ERR value is not an integer or out of range\r\n" },
    { "ZRANDMEMBER z 1 SCORES", "-ERR syntax error\r\n" },
    { "ZRANDMEMBER z 1 WITHSCORES more", "-ERR syntax error\r\n" },
    { "ZRANDMEMBER z 9223372036854775807 WITHSCORES", "-ERR value is out of range\r\n" },
    { "ZADD z 2 b 3 c", ":2\r\n" },
    { "ZRANDMEMBER z 9 WITHSCORES",
      "*6\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$1\r\n3\r\n" },
    { NULL, NULL },
};

static const struct turn scans_turns[] = {
    { "ZSCAN none 0", "*2\r\n$1\r\n0\r\n*0\r\n" },
    { "ZADD z 1 a 2.5 b inf bb", ":3\r\n" },
    { "ZSCAN z 0",
      "*2\r\n$1\r\n0\r\n*6\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$3\r\n2.5\r\n$2\r\nbb\r\n$3\r\ninf\r\n" },
    { "ZSCAN z 0 MATCH b*",
      "*2\r\n$1\r\n0\r\n*4\r\n$1\r\nb\r\n$3\r\n2.5\r\n$2\r\nbb\r\n$3\r\ninf\r\n" },
    { "ZSCAN z 0 COUNT 1",
      "*2\r\n$1\r\n0\r\n*6\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$3\r\n2.5\r\n$2\r\nbb\r\n$3\r\ninf\r\n" },
    { "ZSCAN z x", "-ERR invalid cursor\r\n" },
    { "ZSCAN z 0 COUNT 0", "-ERR syntax error\r\n" },
    { "ZSCAN z 0 NOVALUES", "-ERR syntax error\r\n" },
    { "ZSCAN none 0 MORE", "*2\r\n$1\r\n0\r\n*0\r\n" },
    { NULL, NULL },
};

static void talk_of_adds(void)
{
    weft_stream *stream = dial();
    converse(stream, adds_turns);
    weft_close(stream);
}

static void test_zadd_and_its_options(void **state)
{
    (void)state;
    kv_serving(talk_of_adds);
}

static void talk_of_add_faults(void)
{
    weft_stream *stream = dial();
    converse(stream, add_faults_turns);
    weft_close(stream);
}

static void test_zadd_refuses(void **state)
{
    (void)state;
    kv_serving(talk_of_add_faults);
}

static void talk_of_members(void)
{
    weft_stream *stream = dial();
    converse(stream, members_turns);
    weft_close(stream);
}

static void test_zset_members(void **state)
{
    (void)state;
    kv_serving(talk_of_members);
}

static void talk_of_members_3(void)
{
    weft_stream *stream = dial_3();
    converse(stream, members_3_turns);
    weft_close(stream);
}

static void test_zsets_in_version_3(void **state)
{
    (void)state;
    kv_serving(talk_of_members_3);
}

static void talk_of_wrong_types(void)
{
    weft_stream *stream = dial();
    converse(stream, wrong_types_turns);
    weft_close(stream);
}

static void test_zsets_refuse_other_types(void **state)
{
    (void)state;
    kv_serving(talk_of_wrong_types);
}

static void talk_of_picks(void)
{
    weft_stream *stream = dial();
    converse(stream, picks_turns);
    weft_close(stream);
}

static void test_zrandmember_picks(void **state)
{
    (void)state;
    kv_serving(talk_of_picks);
}

static void talk_of_scans(void)
{
    weft_stream *stream = dial();
    converse(stream, scans_turns);
    weft_close(stream);
}

static void test_zscan_small_sets(void **state)
{
    (void)state;
    kv_serving(talk_of_scans);
}

/* --- WITHSCORE, of version 7.2 --- */

static const struct turn with_score_turns[] = {
    { "ZADD z 1 a 2.5 b", ":2\r\n" },
    { "ZRANK z b WITHSCORE", "*2\r\n:1\r\n$3\r\n2.5\r\n" },
    { "ZREVRANK z b withscore", "*2\r\n:0\r\n$3\r\n2.5\r\n" },
    { "ZRANK z x WITHSCORE", "*-1\r\n" },
    { "ZREVRANK none x WITHSCORE", "*-1\r\n" },
    { "ZRANK z b SCORE", "-ERR syntax error\r\n" },
    { "ZRANK z b WITHSCORE x", "-ERR wrong number of arguments for 'zrank' command\r\n" },
    { "ZREVRANK z b WITHSCORE x", "-ERR wrong number of arguments for 'zrevrank' command\r\n" },
    { NULL, NULL },
};

static const struct turn with_score_3_turns[] = {
    { "ZADD z 1 a 2.5 b", ":2\r\n" },
    { "ZRANK z b WITHSCORE", "*2\r\n:1\r\n,2.5\r\n" },
    { "ZRANK z x WITHSCORE", "_\r\n" },
    { NULL, NULL },
};

static void rank_with_score(void)
{
    weft_stream *stream = dial(), *third = dial_3();
    converse(stream, with_score_turns);
    ask(stream, "DEL z", ":1\r\n");
    converse(third, with_score_3_turns);
    weft_close(stream);
    weft_close(third);
}

static void test_zrank_with_score(void **state)
{
    (void)state;
    kv_serving(rank_with_score);
}

/* --- large sorted sets --- */

static void add_many(weft_stream *stream)
{
    for (int i = 0; i < KV_LARGE; i++)
        assert_string_equal(answer(stream, "ZADD z %d m%d", i, i), ":1");
}

static void scan_many(void)
{
    static char texts[2 * KV_LARGE][32];
    static int seen[KV_LARGE];
    weft_stream *stream = dial();
    char cursor[32] = "0";
    int calls = 0;
    memset(seen, 0, sizeof seen);
    add_many(stream);
    do {
        assert_string_equal(answer(stream, "ZSCAN z %s COUNT 20", cursor), "*2");
        hear_line(stream);
        snprintf(cursor, sizeof cursor, "%.31s", hear_line(stream));
        int count = hear_strings(stream, texts, 2 * KV_LARGE);
        assert_in_range(count, 0, 400);
        for (int i = 0; i < count; i += 2) {
            assert_int_equal(number_in(texts[i], 'm'), atoi(texts[i + 1]));
            seen[number_in(texts[i], 'm')]++;
        }
        calls++;
    } while (strcmp(cursor, "0") != 0);
    assert_true(calls > 10);
    for (int i = 0; i < KV_LARGE; i++)
        assert_int_equal(seen[i], 1);
    weft_close(stream);
}

static void test_zscan_goes_through_a_large_set_in_parts(void **state)
{
    (void)state;
    kv_serving(scan_many);
}

static void pick_from_many(void)
{
    char pairs[10][32];
    weft_stream *stream = dial();
    add_many(stream);
    say(stream, "ZRANDMEMBER z 5\r\n"); /* few of many are drawn */
    expect_different(stream, 5);
    say(stream, "ZRANDMEMBER z 900\r\n"); /* many of few are chosen */
    expect_different(stream, 900);
    say(stream, "ZRANDMEMBER z 5000\r\n");
    expect_different(stream, KV_LARGE);
    say(stream, "ZRANDMEMBER z -5 WITHSCORES\r\n");
    assert_int_equal(hear_strings(stream, pairs, 10), 10);
    for (int i = 0; i < 10; i += 2)
        assert_int_equal(number_in(pairs[i], 'm'), atoi(pairs[i + 1]));
    weft_close(stream);
}

static void test_zrandmember_picks_different_members(void **state)
{
    (void)state;
    kv_serving(pick_from_many);
}

/* --- without memory --- */

static const struct turn there_is_no_key[] = {
    { "EXISTS z", ":0\r\n" },
    { NULL, NULL },
};

static const struct turn a_has_1[] = {
    { "ZRANGE z 0 -1 WITHSCORES", "*2\r\n$1\r\na\r\n$1\r\n1\r\n" },
    { NULL, NULL },
};

static void add_without_memory(void)
{
    weft_stream *stream = dial();
    without_memory(stream, "ZADD z 1 a", ":1", there_is_no_key);
    without_memory(stream,
                   "ZADD z 2 123456789012345678901234567890123456789012345678901234567890"
                   "12345678901234567890",
                   ":1", a_has_1);
    weft_close(stream);
}

static void test_zadd_without_memory_changes_nothing(void **state)
{
    (void)state;
    kv_serving(add_without_memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        redis_test(test_zadd_and_its_options),
        redis_test(test_zadd_refuses),
        redis_test(test_zset_members),
        redis_test(test_zsets_in_version_3),
        redis_test(test_zsets_refuse_other_types),
        redis_test(test_zrandmember_picks),
        redis_test(test_zscan_small_sets),
        redis_test(test_zrank_with_score),
        redis_test(test_zscan_goes_through_a_large_set_in_parts),
        redis_test(test_zrandmember_picks_different_members),
        redis_test(test_zadd_without_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
