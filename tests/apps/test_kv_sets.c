/* Commands of sets. */

#include "kv_command_test.h"

/* --- conversations: what is said, and what is heard --- */

static const struct turn members_turns[] = {
    { "SADD s a b a", ":2\r\n" },
    { "SADD s b c", ":1\r\n" },
    { "SADD s", "-ERR wrong number of arguments for 'sadd' command\r\n" },
    { "SISMEMBER s a", ":1\r\n" },
    { "SISMEMBER s x", ":0\r\n" },
    { "SISMEMBER none a", ":0\r\n" },
    { "SMISMEMBER s a x b", "*3\r\n:1\r\n:0\r\n:1\r\n" },
    { "SMISMEMBER none a b", "*2\r\n:0\r\n:0\r\n" },
    { "SCARD s", ":3\r\n" },
    { "SCARD none", ":0\r\n" },
    { "SMEMBERS s", "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n" },
    { "SMEMBERS none", "*0\r\n" },
    { "SREM s a x", ":1\r\n" },
    { "SREM s a", ":0\r\n" },
    { "SREM none a", ":0\r\n" },
    { "SREM s b c", ":2\r\n" },
    { "EXISTS s", ":0\r\n" },
    { "SADD n 3 1 2 1", ":3\r\n" },
    { "SMEMBERS n", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n" },
    { "SADD n \"\"", ":1\r\n" },
    { "SISMEMBER n \"\"", ":1\r\n" },
    { NULL, NULL },
};

static const struct turn wrong_types_turns[] = {
    { "SET t v", "+OK\r\n" },
    { "SADD t a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "SREM t a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "SISMEMBER t a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "SMISMEMBER t a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "SCARD t", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "SMEMBERS t", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "SMOVE t s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "SPOP t", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "SPOP t 2", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "SRANDMEMBER t", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "SRANDMEMBER t 2", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "SSCAN t 0 MORE", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "SINTER t", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "SINTER none t", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "SINTERSTORE d t", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "SINTERCARD 1 t", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "SUNION none t", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "SUNIONSTORE d t", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "SDIFF t", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "SDIFFSTORE d none t",
      "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "EXISTS d", ":0\r\n" },
    { "GET t", "$1\r\nv\r\n" },
    { NULL, NULL },
};

static const struct turn moves_turns[] = {
    { "SADD a x y", ":2\r\n" },
    { "SADD b y", ":1\r\n" },
    { "SMOVE a b x", ":1\r\n" },
    { "SMOVE a b x", ":0\r\n" },
    { "SMOVE a b y", ":1\r\n" },
    { "EXISTS a", ":0\r\n" },
    { "SCARD b", ":2\r\n" },
    { "SMOVE none b x", ":0\r\n" },
    { "SMOVE b b x", ":1\r\n" },
    { "SMOVE b b z", ":0\r\n" },
    { "SMOVE b c x", ":1\r\n" },
    { "SMEMBERS c", "*1\r\n$1\r\nx\r\n" },
    { "SET t v", "+OK\r\n" },
    { "SMOVE b t y", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "SMOVE b t z", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n" },
    { "SMOVE none t z", ":0\r\n" },
    { "SMEMBERS b", "*1\r\n$1\r\ny\r\n" },
    { "SMOVE a b", "-ERR wrong number of arguments for 'smove' command\r\n" },
    { NULL, NULL },
};

static const struct turn picks_turns[] = {
    { "SPOP none", "$-1\r\n" },
    { "SPOP none 3", "*0\r\n" },
    { "SRANDMEMBER none", "$-1\r\n" },
    { "SRANDMEMBER none 3", "*0\r\n" },
    { "SADD s a", ":1\r\n" },
    { "SRANDMEMBER s", "$1\r\na\r\n" },
    { "SRANDMEMBER s 5", "*1\r\n$1\r\na\r\n" },
    { "SRANDMEMBER s 0", "*0\r\n" },
    { "SRANDMEMBER s -3", "*3\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n" },
    { "SRANDMEMBER s x", "-ERR value is not an integer or out of range\r\n" },
    { "SRANDMEMBER s 1 2", "-ERR syntax error\r\n" },
    { "SPOP s 0", "*0\r\n" },
    { "SPOP s -1", "-ERR value is out of range, must be positive\r\n" },
    { "SPOP s 1 2", "-ERR syntax error\r\n" },
    { "SPOP s", "$1\r\na\r\n" },
    { "EXISTS s", ":0\r\n" },
    { "SADD n 1 2 3", ":3\r\n" },
    { "SRANDMEMBER n 3", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n" },
    { "SPOP n 5", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n" },
    { "EXISTS n", ":0\r\n" },
    { NULL, NULL },
};

static const struct turn picks_3_turns[] = {
    { "SADD n 1 2 3", ":3\r\n" },
    { "SRANDMEMBER n 3", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n" },
    { "SRANDMEMBER none", "_\r\n" },
    { "SRANDMEMBER none 1", "*0\r\n" },
    { "SPOP n 3", "~3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n" },
    { "SPOP n 3", "~0\r\n" },
    { "SPOP n", "_\r\n" },
    { "SADD n 1", ":1\r\n" },
    { "SMEMBERS n", "~1\r\n$1\r\n1\r\n" },
    { "SINTER n", "~1\r\n$1\r\n1\r\n" },
    { "SUNION n", "~1\r\n$1\r\n1\r\n" },
    { "SDIFF n", "~1\r\n$1\r\n1\r\n" },
    { "SISMEMBER n 1", ":1\r\n" },
    { "SMISMEMBER n 1 2", "*2\r\n:1\r\n:0\r\n" },
    { "SSCAN n 0", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\n1\r\n" },
    { NULL, NULL },
};

static const struct turn scans_turns[] = {
    { "SSCAN none 0", "*2\r\n$1\r\n0\r\n*0\r\n" },
    { "SADD n 1 2 3 11", ":4\r\n" },
    { "SSCAN n 0", "*2\r\n$1\r\n0\r\n*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$2\r\n11\r\n" },
    { "SSCAN n 0 MATCH 1*", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\n1\r\n$2\r\n11\r\n" },
    { "SSCAN n 0 COUNT 1", "*2\r\n$1\r\n0\r\n*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$2\r\n11\r\n" },
    { "SSCAN n x", "-ERR invalid cursor\r\n" },
    { "SSCAN n 0 COUNT 0", "-ERR syntax error\r\n" },
    { "SSCAN n 0 COUNT", "-ERR syntax error\r\n" },
    { "SSCAN n 0 MORE 1", "-ERR syntax error\r\n" },
    { "SSCAN n 0 NOVALUES", "-ERR syntax error\r\n" },
    { "SSCAN none 0 MORE", "*2\r\n$1\r\n0\r\n*0\r\n" },
    { "SSCAN none x", "-ERR invalid cursor\r\n" },
    { NULL, NULL },
};

static const struct turn algebra_turns[] = {
    { "SADD a 1 2 3 4", ":4\r\n" },
    { "SADD b 2 3 4 5", ":4\r\n" },
    { "SADD c 4 2 9", ":3\r\n" },
    { "SINTER a b c", "*2\r\n$1\r\n2\r\n$1\r\n4\r\n" },
    { "SINTER a", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n" },
    { "SINTER a none", "*0\r\n" },
    { "SINTER none", "*0\r\n" },
    { "SINTER a a", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n" },
    { "SUNION a b c", "*6\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n$1\r\n9\r\n" },
    { "SUNION none a none", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n" },
    { "SUNION none", "*0\r\n" },
    { "SDIFF a b", "*1\r\n$1\r\n1\r\n" },
    { "SDIFF a b c", "*1\r\n$1\r\n1\r\n" },
    { "SDIFF a none", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n" },
    { "SDIFF none a", "*0\r\n" },
    { "SDIFF a a", "*0\r\n" },
    { "SADD large 1 2 3 4 5 6 7 8 9 10 11 12", ":12\r\n" },
    { "SDIFF large a b c",
      "*6\r\n$1\r\n6\r\n$1\r\n7\r\n$1\r\n8\r\n$2\r\n10\r\n$2\r\n11\r\n$2\r\n12\r\n" },
    { "SDIFF a large large large", "*0\r\n" },
    { "SINTER", "-ERR wrong number of arguments for 'sinter' command\r\n" },
    { NULL, NULL },
};

static const struct turn stores_turns[] = {
    { "SADD a 1 2 3", ":3\r\n" },
    { "SADD b 2 3 4", ":3\r\n" },
    { "SINTERSTORE d a b", ":2\r\n" },
    { "SMEMBERS d", "*2\r\n$1\r\n2\r\n$1\r\n3\r\n" },
    { "SUNIONSTORE d a b", ":4\r\n" },
    { "SMEMBERS d", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n" },
    { "SDIFFSTORE d a b", ":1\r\n" },
    { "SMEMBERS d", "*1\r\n$1\r\n1\r\n" },
    { "SUNIONSTORE a a b", ":4\r\n" },
    { "SMEMBERS a", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n" },
    { "SET t v", "+OK\r\n" },
    { "SINTERSTORE t a b", ":3\r\n" },
    { "TYPE t", "+set\r\n" },
    { "EXPIRE t 100", ":1\r\n" },
    { "SINTERSTORE t a b", ":3\r\n" },
    { "TTL t", ":-1\r\n" },
    { "SINTERSTORE t a none", ":0\r\n" },
    { "EXISTS t", ":0\r\n" },
    { "SDIFFSTORE t none", ":0\r\n" },
    { "SINTERSTORE t", "-ERR wrong number of arguments for 'sinterstore' command\r\n" },
    { "OBJECT ENCODING d", "$6\r\nintset\r\n" },
    { NULL, NULL },
};

static const struct turn cards_turns[] = {
    { "SADD a 1 2 3", ":3\r\n" },
    { "SADD b 2 3 4", ":3\r\n" },
    { "SINTERCARD 2 a b", ":2\r\n" },
    { "SINTERCARD 2 a b LIMIT 1", ":1\r\n" },
    { "SINTERCARD 2 a b LIMIT 0", ":2\r\n" },
    { "SINTERCARD 2 a none", ":0\r\n" },
    { "SINTERCARD 1 a LIMIT 9", ":3\r\n" },
    { "SINTERCARD 0 a", "-ERR numkeys should be greater than 0\r\n" },
    { "SINTERCARD x a", "-ERR numkeys should be greater than 0\r\n" },
    { "SINTERCARD 3 a b", "-ERR Number of keys can't be greater than number of args\r\n" },
    { "SINTERCARD 1 a LIMIT", "-ERR syntax error\r\n" },
    { "SINTERCARD 1 a LIMIT -1", "-ERR LIMIT can't be negative\r\n" },
    { "SINTERCARD 1 a LIMIT x", "-ERR LIMIT can't be negative\r\n" },
    { "SINTERCARD 1 a b", "-ERR syntax error\r\n" },
    { "SINTERCARD 1", "-ERR wrong number of arguments for 'sintercard' command\r\n" },
    { NULL, NULL },
};

static void talk_of_members(void)
{
    weft_stream *stream = dial();
    converse(stream, members_turns);
    weft_close(stream);
}

static void test_sadd_srem_and_members(void **state)
{
    (void)state;
    kv_serving(talk_of_members);
}

static void talk_of_wrong_types(void)
{
    weft_stream *stream = dial();
    converse(stream, wrong_types_turns);
    weft_close(stream);
}

static void test_sets_refuse_other_types(void **state)
{
    (void)state;
    kv_serving(talk_of_wrong_types);
}

static void talk_of_moves(void)
{
    weft_stream *stream = dial();
    converse(stream, moves_turns);
    weft_close(stream);
}

static void test_smove_moves(void **state)
{
    (void)state;
    kv_serving(talk_of_moves);
}

static void talk_of_picks(void)
{
    weft_stream *stream = dial();
    converse(stream, picks_turns);
    weft_close(stream);
}

static void test_spop_and_srandmember(void **state)
{
    (void)state;
    kv_serving(talk_of_picks);
}

static void talk_of_picks_3(void)
{
    weft_stream *stream = dial_3();
    converse(stream, picks_3_turns);
    weft_close(stream);
}

static void test_sets_in_version_3(void **state)
{
    (void)state;
    kv_serving(talk_of_picks_3);
}

static void talk_of_scans(void)
{
    weft_stream *stream = dial();
    converse(stream, scans_turns);
    weft_close(stream);
}

static void test_sscan_small_sets(void **state)
{
    (void)state;
    kv_serving(talk_of_scans);
}

static void talk_of_algebra(void)
{
    weft_stream *stream = dial();
    converse(stream, algebra_turns);
    weft_close(stream);
}

static void test_sinter_sunion_and_sdiff(void **state)
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

static void test_stores_of_sets(void **state)
{
    (void)state;
    kv_serving(talk_of_stores);
}

static void talk_of_cards(void)
{
    weft_stream *stream = dial();
    converse(stream, cards_turns);
    weft_close(stream);
}

static void test_sintercard_counts(void **state)
{
    (void)state;
    kv_serving(talk_of_cards);
}

/* --- large sets --- */

static void add_many(weft_stream *stream, const char *key)
{
    for (int i = 0; i < KV_LARGE; i++)
        assert_string_equal(answer(stream, "SADD %s m%d", key, i), ":1");
}

static void scan_many(void)
{
    static char members[KV_LARGE][32];
    static int seen[KV_LARGE];
    weft_stream *stream = dial();
    char cursor[32] = "0";
    int calls = 0;
    memset(seen, 0, sizeof seen);
    add_many(stream, "s");
    do {
        assert_string_equal(answer(stream, "SSCAN s %s COUNT 20", cursor), "*2");
        hear_line(stream);
        snprintf(cursor, sizeof cursor, "%.31s", hear_line(stream));
        int count = hear_strings(stream, members, KV_LARGE);
        assert_in_range(count, 0, 200);
        for (int i = 0; i < count; i++)
            seen[number_in(members[i], 'm')]++;
        calls++;
    } while (strcmp(cursor, "0") != 0);
    assert_true(calls > 10);
    for (int i = 0; i < KV_LARGE; i++)
        assert_int_equal(seen[i], 1);
    weft_close(stream);
}

static void test_sscan_goes_through_a_large_set_in_parts(void **state)
{
    (void)state;
    kv_serving(scan_many);
}

static void pick_from_many(void)
{
    weft_stream *stream = dial();
    add_many(stream, "s");
    say(stream, "SRANDMEMBER s 5\r\n"); /* few of many are drawn */
    expect_different(stream, 5);
    say(stream, "SRANDMEMBER s 900\r\n"); /* many of few are chosen */
    expect_different(stream, 900);
    say(stream, "SRANDMEMBER s 5000\r\n");
    expect_different(stream, KV_LARGE);
    say(stream, "SPOP s 300\r\n");
    expect_different(stream, 300);
    ask(stream, "SCARD s", ":700\r\n");
    say(stream, "SPOP s 700\r\n");
    expect_different(stream, 700);
    ask(stream, "EXISTS s", ":0\r\n");
    assert_string_equal(answer(stream, "SRANDMEMBER s -20000000"),
                        "-ERR value is out of range, value must between -16777216 and "
                        "9223372036854775807");
    weft_close(stream);
}

static void test_srandmember_and_spop_pick_different_members(void **state)
{
    (void)state;
    kv_serving(pick_from_many);
}

/* Each member is chosen about as often. */
static void pick_fairly(void)
{
    char members[4][32];
    int seen[8] = { 0 };
    weft_stream *stream = dial();
    ask(stream, "SADD s 0 1 2 3 4 5 6 7", ":8\r\n");
    for (int i = 0; i < 1000; i++) {
        say(stream, "SRANDMEMBER s 4\r\n");
        assert_int_equal(hear_strings(stream, members, 4), 4);
        for (int k = 0; k < 4; k++)
            seen[atoi(members[k])]++;
    }
    for (int i = 0; i < 8; i++)
        assert_in_range(seen[i], 400, 600);
    weft_close(stream);
}

static void test_srandmember_is_fair(void **state)
{
    (void)state;
    kv_serving(pick_fairly);
}

static void combine_many(void)
{
    weft_stream *stream = dial();
    add_many(stream, "a");
    ask(stream, "SADD b m1 m2 m3 x", ":4\r\n");
    ask(stream, "SINTERSTORE d a b", ":3\r\n");
    ask(stream, "SINTERCARD 2 a b", ":3\r\n");
    ask(stream, "SUNIONSTORE d a b", ":1001\r\n");
    ask(stream, "SDIFFSTORE d a b", ":997\r\n"); /* a copy without these */
    ask(stream, "SDIFFSTORE e b a", ":1\r\n");   /* those that are not there */
    ask(stream, "SDIFFSTORE a a d", ":3\r\n");
    ask(stream, "OBJECT ENCODING d", "$9\r\nhashtable\r\n");
    weft_close(stream);
}

static void test_algebra_of_large_sets(void **state)
{
    (void)state;
    kv_serving(combine_many);
}

/* --- without memory --- */

static const struct turn d_is_unchanged[] = {
    { "SMEMBERS d", "*1\r\n$4\r\nkept\r\n" },
    { NULL, NULL },
};

static void store_without_memory(void)
{
    weft_stream *stream = dial();
    ask(stream, "SADD d kept", ":1\r\n");
    for (int i = 0; i < 200; i++)
        answer(stream, "SADD a m%d", i);
    ask(stream, "SADD b m1 m2 x", ":3\r\n");
    without_memory(stream, "SUNIONSTORE d a b", ":201", d_is_unchanged);
    ask(stream, "DEL d", ":1\r\n");
    ask(stream, "SADD d kept", ":1\r\n");
    without_memory(stream, "SINTERSTORE d a b", ":2", d_is_unchanged);
    ask(stream, "DEL d", ":1\r\n");
    ask(stream, "SADD d kept", ":1\r\n");
    without_memory(stream, "SDIFFSTORE d a b", ":198", d_is_unchanged);
    without_memory(stream, "SRANDMEMBER a 5", "*5", (struct turn[]){ { NULL, NULL } });
    weft_close(stream);
}

static void test_stores_without_memory_change_nothing(void **state)
{
    (void)state;
    kv_serving(store_without_memory);
}

static const struct turn member_is_in_a[] = {
    { "SISMEMBER a x", ":1\r\n" },
    { "EXISTS b", ":0\r\n" },
    { NULL, NULL },
};

static const struct turn there_is_no_key[] = {
    { "EXISTS s", ":0\r\n" },
    { NULL, NULL },
};

static void change_without_memory(void)
{
    weft_stream *stream = dial();
    ask(stream, "SADD a x y", ":2\r\n");
    without_memory(stream, "SMOVE a b x", ":1", member_is_in_a);
    without_memory(stream, "SADD s x", ":1", there_is_no_key);
    weft_close(stream);
}

static void test_changes_without_memory_change_nothing(void **state)
{
    (void)state;
    kv_serving(change_without_memory);
}

/* --- watched keys --- */

static void watch(void)
{
    weft_stream *stream = dial(), *other = dial();
    ask(other, "SADD a x y", ":2\r\n");
    ask(stream, "WATCH a b", "+OK\r\n");
    ask(other, "SADD a x", ":0\r\n"); /* nothing has changed */
    ask(other, "SREM a z", ":0\r\n");
    ask(other, "SMOVE a b z", ":0\r\n");
    ask(stream, "MULTI", "+OK\r\n");
    ask(stream, "EXEC", "*0\r\n");
    ask(stream, "WATCH b", "+OK\r\n");
    ask(other, "SMOVE a b x", ":1\r\n");
    ask(stream, "MULTI", "+OK\r\n");
    ask(stream, "EXEC", "*-1\r\n");
    ask(stream, "WATCH a", "+OK\r\n");
    ask(other, "SPOP a", "$1\r\ny\r\n");
    ask(stream, "MULTI", "+OK\r\n");
    ask(stream, "EXEC", "*-1\r\n");
    ask(stream, "WATCH d", "+OK\r\n");
    ask(other, "SUNIONSTORE d a b", ":1\r\n");
    ask(stream, "MULTI", "+OK\r\n");
    ask(stream, "EXEC", "*-1\r\n");
    weft_close(stream);
    weft_close(other);
}

static void test_watch_sees_changes_of_sets(void **state)
{
    (void)state;
    kv_serving(watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        redis_test(test_sadd_srem_and_members),
        redis_test(test_sets_refuse_other_types),
        redis_test(test_smove_moves),
        redis_test(test_spop_and_srandmember),
        redis_test(test_sets_in_version_3),
        redis_test(test_sscan_small_sets),
        redis_test(test_sinter_sunion_and_sdiff),
        redis_test(test_stores_of_sets),
        redis_test(test_sintercard_counts),
        redis_test(test_sscan_goes_through_a_large_set_in_parts),
        redis_test(test_srandmember_and_spop_pick_different_members),
        redis_test(test_srandmember_is_fair),
        redis_test(test_algebra_of_large_sets),
        redis_test(test_stores_without_memory_change_nothing),
        redis_test(test_changes_without_memory_change_nothing),
        redis_test(test_watch_sees_changes_of_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
