/* Commands of one list. */

#include "kv_command_test.h"

#define WRONG_TYPE "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"

/* --- conversations: what is said, and what is heard --- */

static const struct turn ends_turns[] = {
    { "RPUSH l a b", ":2\r\n" },
    { "LPUSH l y x", ":4\r\n" },
    { "LRANGE l 0 -1", "*4\r\n$1\r\nx\r\n$1\r\ny\r\n$1\r\na\r\n$1\r\nb\r\n" },
    { "LPUSHX l w", ":5\r\n" },
    { "RPUSHX l c d", ":7\r\n" },
    { "LPUSHX none w", ":0\r\n" },
    { "RPUSHX none w", ":0\r\n" },
    { "EXISTS none", ":0\r\n" },
    { "LLEN l", ":7\r\n" },
    { "LLEN none", ":0\r\n" },
    { "LPOP l", "$1\r\nw\r\n" },
    { "RPOP l", "$1\r\nd\r\n" },
    { "LPOP l 2", "*2\r\n$1\r\nx\r\n$1\r\ny\r\n" },
    { "RPOP l 2", "*2\r\n$1\r\nc\r\n$1\r\nb\r\n" },
    { "LPOP l 0", "*0\r\n" },
    { "LPOP l 9", "*1\r\n$1\r\na\r\n" },
    { "EXISTS l", ":0\r\n" },
    { "LPOP l", "$-1\r\n" },
    { "RPOP l 3", "*-1\r\n" },
    { "LPOP l 0", "*-1\r\n" },
    { "LPOP l -1", "-ERR value is out of range, must be positive\r\n" },
    { "RPOP l x", "-ERR value is out of range, must be positive\r\n" },
    { "LPOP l 1 2", "-ERR wrong number of arguments for 'lpop' command\r\n" },
    { "RPOP l 1 2", "-ERR wrong number of arguments for 'rpop' command\r\n" },
    { "LPUSH l", "-ERR wrong number of arguments for 'lpush' command\r\n" },
    { "RPUSHX l", "-ERR wrong number of arguments for 'rpushx' command\r\n" },
    { "RPUSH l \"\" 12 -7", ":3\r\n" },
    { "LRANGE l 0 -1", "*3\r\n$0\r\n\r\n$2\r\n12\r\n$2\r\n-7\r\n" },
    { "TYPE l", "+list\r\n" },
    { "OBJECT ENCODING l", "$8\r\nlistpack\r\n" },
    { NULL, NULL },
};

static const struct turn indices_turns[] = {
    { "RPUSH l a b c d", ":4\r\n" },
    { "LINDEX l 0", "$1\r\na\r\n" },
    { "LINDEX l -1", "$1\r\nd\r\n" },
    { "LINDEX l 4", "$-1\r\n" },
    { "LINDEX l -5", "$-1\r\n" },
    { "LINDEX l x", "-ERR value is not an integer or out of range\r\n" },
    { "LINDEX none 0", "$-1\r\n" },
    { "LINDEX none x", "$-1\r\n" },
    { "LRANGE l 1 2", "*2\r\n$1\r\nb\r\n$1\r\nc\r\n" },
    { "LRANGE l -2 9", "*2\r\n$1\r\nc\r\n$1\r\nd\r\n" },
    { "LRANGE l -9 0", "*1\r\n$1\r\na\r\n" },
    { "LRANGE l 2 1", "*0\r\n" },
    { "LRANGE l 4 9", "*0\r\n" },
    { "LRANGE l 0 -9", "*0\r\n" },
    { "LRANGE none 0 -1", "*0\r\n" },
    { "LRANGE none x 1", "-ERR value is not an integer or out of range\r\n" },
    { "LRANGE l 0 x", "-ERR value is not an integer or out of range\r\n" },
    { "LSET l 1 B", "+OK\r\n" },
    { "LSET l -1 12", "+OK\r\n" },
    { "LRANGE l 0 -1", "*4\r\n$1\r\na\r\n$1\r\nB\r\n$1\r\nc\r\n$2\r\n12\r\n" },
    { "LSET l 4 x", "-ERR index out of range\r\n" },
    { "LSET l -5 x", "-ERR index out of range\r\n" },
    { "LSET l x x", "-ERR value is not an integer or out of range\r\n" },
    { "LSET none 0 x", "-ERR no such key\r\n" },
    { "LSET none x x", "-ERR no such key\r\n" },
    { "LTRIM l 1 -2", "+OK\r\n" },
    { "LRANGE l 0 -1", "*2\r\n$1\r\nB\r\n$1\r\nc\r\n" },
    { "LTRIM l 0 9", "+OK\r\n" },
    { "LLEN l", ":2\r\n" },
    { "LTRIM l x 9", "-ERR value is not an integer or out of range\r\n" },
    { "LTRIM l 2 1", "+OK\r\n" },
    { "EXISTS l", ":0\r\n" },
    { "LTRIM none 0 1", "+OK\r\n" },
    { NULL, NULL },
};

static const struct turn values_turns[] = {
    { "RPUSH l a b", ":2\r\n" },
    { "LINSERT l BEFORE b x", ":3\r\n" },
    { "LINSERT l after b y", ":4\r\n" },
    { "LINSERT l BEFORE a 1", ":5\r\n" },
    { "LINSERT l BEFORE none 1", ":-1\r\n" },
    { "LINSERT none BEFORE a b", ":0\r\n" },
    { "LINSERT l BESIDE a b", "-ERR syntax error\r\n" },
    { "LINSERT none BESIDE a b", "-ERR syntax error\r\n" },
    { "LINSERT l BEFORE a", "-ERR wrong number of arguments for 'linsert' command\r\n" },
    { "LRANGE l 0 -1", "*5\r\n$1\r\n1\r\n$1\r\na\r\n$1\r\nx\r\n$1\r\nb\r\n$1\r\ny\r\n" },
    { "RPUSH r a b a c a b", ":6\r\n" },
    { "LREM r 1 a", ":1\r\n" },
    { "LRANGE r 0 -1", "*5\r\n$1\r\nb\r\n$1\r\na\r\n$1\r\nc\r\n$1\r\na\r\n$1\r\nb\r\n" },
    { "LREM r -1 a", ":1\r\n" },
    { "LRANGE r 0 -1", "*4\r\n$1\r\nb\r\n$1\r\na\r\n$1\r\nc\r\n$1\r\nb\r\n" },
    { "LREM r 0 b", ":2\r\n" },
    { "LREM r 0 b", ":0\r\n" },
    { "LREM r x b", "-ERR value is not an integer or out of range\r\n" },
    { "LREM none 0 b", ":0\r\n" },
    { "LREM r -9 a", ":1\r\n" },
    { "LREM r 9 c", ":1\r\n" },
    { "EXISTS r", ":0\r\n" },
    { NULL, NULL },
};

static const struct turn positions_turns[] = {
    { "RPUSH l a b c 1 2 3 c c", ":8\r\n" },
    { "LPOS l c", ":2\r\n" },
    { "LPOS l 2", ":4\r\n" },
    { "LPOS l x", "$-1\r\n" },
    { "LPOS none x", "$-1\r\n" },
    { "LPOS l c RANK 2", ":6\r\n" },
    { "LPOS l c RANK -1", ":7\r\n" },
    { "LPOS l c RANK -3", ":2\r\n" },
    { "LPOS l c RANK 4", "$-1\r\n" },
    { "LPOS l c COUNT 2", "*2\r\n:2\r\n:6\r\n" },
    { "LPOS l c COUNT 0", "*3\r\n:2\r\n:6\r\n:7\r\n" },
    { "LPOS l c COUNT 0 RANK 2", "*2\r\n:6\r\n:7\r\n" },
    { "LPOS l c rank -1 count 2", "*2\r\n:7\r\n:6\r\n" },
    { "LPOS l x COUNT 2", "*0\r\n" },
    { "LPOS none x COUNT 2", "*0\r\n" },
    { "LPOS l c MAXLEN 2", "$-1\r\n" },
    { "LPOS l c MAXLEN 3", ":2\r\n" },
    { "LPOS l c MAXLEN 0", ":2\r\n" },
    { "LPOS l c COUNT 0 RANK -1 MAXLEN 3", "*2\r\n:7\r\n:6\r\n" },
    { "LPOS l c RANK x", "-ERR value is not an integer or out of range\r\n" },
    { "LPOS l c COUNT -1", "-ERR COUNT can't be negative\r\n" },
    { "LPOS l c COUNT x", "-ERR COUNT can't be negative\r\n" },
    { "LPOS l c MAXLEN -1", "-ERR MAXLEN can't be negative\r\n" },
    { "LPOS l c RANK 0",
      "-ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use "
      "negative to start from the end of the list\r\n" },
    { "LPOS l c COUNT", "-ERR syntax error\r\n" },
    { "LPOS l c MORE 1", "-ERR syntax error\r\n" },
    { "LPOS none c RANK x", "-ERR value is not an integer or out of range\r\n" },
    { NULL, NULL },
};

static const struct turn wrong_types_turns[] = {
    { "SET t v", "+OK\r\n" },      { "LPUSH t a", WRONG_TYPE },
    { "RPUSH t a", WRONG_TYPE },   { "LPUSHX t a", WRONG_TYPE },
    { "RPUSHX t a", WRONG_TYPE },  { "LPOP t", WRONG_TYPE },
    { "LPOP t 0", WRONG_TYPE },    { "RPOP t 2", WRONG_TYPE },
    { "LLEN t", WRONG_TYPE },      { "LRANGE t 0 -1", WRONG_TYPE },
    { "LINDEX t 0", WRONG_TYPE },  { "LSET t 0 a", WRONG_TYPE },
    { "LTRIM t 0 1", WRONG_TYPE }, { "LINSERT t BEFORE a b", WRONG_TYPE },
    { "LREM t 0 a", WRONG_TYPE },  { "LPOS t a", WRONG_TYPE },
    { "GET t", "$1\r\nv\r\n" },    { NULL, NULL },
};

static const struct turn version_3_turns[] = {
    { "LPOP none", "_\r\n" },
    { "LPOP none 1", "_\r\n" },
    { "LINDEX none 0", "_\r\n" },
    { "LPOS none a", "_\r\n" },
    { "LPOS none a COUNT 1", "*0\r\n" },
    { "RPUSH l a", ":1\r\n" },
    { "LRANGE l 0 -1", "*1\r\n$1\r\na\r\n" },
    { "RPOP l 1", "*1\r\n$1\r\na\r\n" },
    { NULL, NULL },
};

static void test_lpush_and_lpop(void **state)
{
    (void)state;
    kv_talking(ends_turns);
}

static void test_lists_by_index(void **state)
{
    (void)state;
    kv_talking(indices_turns);
}

static void test_lists_by_value(void **state)
{
    (void)state;
    kv_talking(values_turns);
}

static void test_lpos_finds(void **state)
{
    (void)state;
    kv_talking(positions_turns);
}

static void test_lists_refuse_other_types(void **state)
{
    (void)state;
    kv_talking(wrong_types_turns);
}

static void test_lists_in_version_3(void **state)
{
    (void)state;
    kv_talking_3(version_3_turns);
}

/* --- large lists --- */

#define LARGE 2000

static void use_many(void)
{
    static char texts[LARGE][32];
    weft_stream *stream = dial();
    for (int i = 0; i < LARGE; i++)
        assert_int_equal(atoi(answer(stream, "RPUSH l element-%d", i) + 1), i + 1);
    ask(stream, "OBJECT ENCODING l", "$9\r\nquicklist\r\n");
    say(stream, "LRANGE l 0 -1\r\n");
    assert_int_equal(hear_strings(stream, texts, LARGE), LARGE);
    for (int i = 0; i < LARGE; i++)
        assert_int_equal(atoi(texts[i] + strlen("element-")), i);
    ask(stream, "LINDEX l -1000", "$12\r\nelement-1000\r\n");
    ask(stream, "LPOS l element-1500", ":1500\r\n");
    ask(stream, "LPOS l element-1500 RANK -1 MAXLEN 499", "$-1\r\n");
    ask(stream, "LINSERT l AFTER element-1500 more", ":2001\r\n");
    ask(stream, "LINDEX l 1501", "$4\r\nmore\r\n");
    ask(stream, "LREM l 1 more", ":1\r\n");
    ask(stream, "LTRIM l 10 -11", "+OK\r\n");
    say(stream, "RPOP l 1970\r\n");
    assert_int_equal(hear_strings(stream, texts, LARGE), 1970);
    assert_string_equal(texts[0], "element-1989");
    ask(stream, "LRANGE l -1 -1", "*1\r\n$10\r\nelement-19\r\n");
    ask(stream, "LTRIM l 1 0", "+OK\r\n");
    ask(stream, "DBSIZE", ":0\r\n");
    weft_close(stream);
}

static void test_large_lists(void **state)
{
    (void)state;
    kv_serving(use_many);
}

/* --- without memory --- */

static const struct turn list_is_as_before[] = {
    { "LRANGE l 0 -1", "*2\r\n$1\r\na\r\n$1\r\nb\r\n" },
    { "EXISTS n", ":0\r\n" },
    { NULL, NULL },
};

#define LONG_40 "0123456789012345678901234567890123456789"

static void change_without_memory(void)
{
    weft_stream *stream = dial();
    ask(stream, "RPUSH l a b", ":2\r\n");
    without_memory(stream, "RPUSH n x y z", ":3", list_is_as_before);
    ask(stream, "DEL n", ":1\r\n");
    without_memory(stream, "LPUSH l x y " LONG_40 LONG_40, ":5", list_is_as_before);
    ask(stream, "LTRIM l -2 -1", "+OK\r\n");
    without_memory(stream, "LINSERT l BEFORE b " LONG_40 LONG_40, ":3", list_is_as_before);
    ask(stream, "LREM l 0 " LONG_40 LONG_40, ":1\r\n");
    without_memory(stream, "LSET l 0 " LONG_40 LONG_40 LONG_40, "+OK", list_is_as_before);
    weft_close(stream);
}

static void test_lists_without_memory_change_nothing(void **state)
{
    (void)state;
    kv_serving(change_without_memory);
}

/* --- watched keys --- */

static const struct turn list_changes[] = {
    { "RPUSH l a b", ":2\r\n" },  { "LPUSH l x", ":3\r\n" },
    { "RPOP l", "$1\r\nb\r\n" },  { "LSET l 0 y", "+OK\r\n" },
    { "LREM l 0 y", ":1\r\n" },   { "LINSERT l AFTER a b", ":2\r\n" },
    { "LTRIM l 0 0", "+OK\r\n" }, { NULL, NULL },
};

static const struct turn no_list_changes[] = {
    { "LREM l 0 z", ":0\r\n" },    { "LPOP l 0", "*0\r\n" }, { "LINSERT l AFTER z b", ":-1\r\n" },
    { "LPUSHX none z", ":0\r\n" }, { NULL, NULL },
};

static void watch(void)
{
    kv_watch("l", list_changes, true);
    kv_watch("l none", no_list_changes, false);
}

static void test_watch_sees_changes_of_lists(void **state)
{
    (void)state;
    kv_serving(watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        redis_test(test_lpush_and_lpop),
        redis_test(test_lists_by_index),
        redis_test(test_lists_by_value),
        redis_test(test_lpos_finds),
        redis_test(test_lists_refuse_other_types),
        redis_test(test_lists_in_version_3),
        redis_test(test_large_lists),
        redis_test(test_lists_without_memory_change_nothing),
        redis_test(test_watch_sees_changes_of_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
