/* Commands that take members out of sorted sets, at once or when there are any. */

#include "kv_command_test.h"

/* --- conversations: what is said, and what is heard --- */

static const struct turn pops_turns[] = {
    { "ZADD z 1 a 2 b 3 c 4 d 5 e", ":5\r\n" },
    { "ZPOPMIN z", "*2\r\n$1\r\na\r\n$1\r\n1\r\n" },
    { "ZPOPMAX z", "*2\r\n$1\r\ne\r\n$1\r\n5\r\n" },
    { "ZPOPMIN z 0", "*0\r\n" },
    { "ZPOPMIN z 2", "*4\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$1\r\n3\r\n" },
    { "ZPOPMAX z 5", "*2\r\n$1\r\nd\r\n$1\r\n4\r\n" },
    { "ZPOPMIN z", "*0\r\n" },
    { "ZPOPMAX z 2", "*0\r\n" },
    { "EXISTS z", ":0\r\n" },
    { "ZPOPMIN z -1", "-ERR value is out of range, must be positive\r\n" },
    { "ZPOPMIN z 1 2", "-ERR syntax error\r\n" },
    { "ZADD z 1 a 2 b 3 c", ":3\r\n" },
    { "ZMPOP 2 none z MIN", "*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n" },
    { "ZMPOP 2 none z max COUNT 1", "*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\nc\r\n$1\r\n3\r\n" },
    { "ZMPOP 1 z MIN COUNT 9", "*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n" },
    { "ZMPOP 2 none z MIN", "*-1\r\n" },
    { "ZMPOP 0 z MIN", "-ERR numkeys should be greater than 0\r\n" },
    { "ZMPOP x z MIN", "-ERR numkeys should be greater than 0\r\n" },
    { "ZMPOP 2 z MIN", "-ERR syntax error\r\n" },
    { "ZMPOP 9 z MIN", "-ERR syntax error\r\n" },
    { "ZMPOP 1 z MID", "-ERR syntax error\r\n" },
    { "ZMPOP 1 z MIN COUNT 0", "-ERR count should be greater than 0\r\n" },
    { "ZMPOP 1 z MIN COUNT", "-ERR syntax error\r\n" },
    { "ZMPOP 1 z MIN MORE 1", "-ERR syntax error\r\n" },
    { "ZMPOP 1 z MIN COUNT 1 COUNT 1", "-ERR syntax error\r\n" },
    { NULL, NULL },
};

static const struct turn pops_at_once_turns[] = {
    { "ZADD z 1 a 2 b 3 c", ":3\r\n" },
    { "BZPOPMIN none z 0", "*3\r\n$1\r\nz\r\n$1\r\na\r\n$1\r\n1\r\n" },
    { "BZPOPMAX z none 1", "*3\r\n$1\r\nz\r\n$1\r\nc\r\n$1\r\n3\r\n" },
    { "BZMPOP 0 2 none z MIN COUNT 9", "*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n" },
    { "BZPOPMIN z 0.01", "*-1\r\n" },
    { "BZMPOP 0.01 1 z MIN", "*-1\r\n" },
    { "BZPOPMIN z -1", "-ERR timeout is negative\r\n" },
    { "BZPOPMIN z x", "-ERR timeout is not a float or out of range\r\n" },
    { "BZMPOP -1 1 z MIN", "-ERR timeout is negative\r\n" },
    { "BZMPOP x 0 z MIN", "-ERR numkeys should be greater than 0\r\n" },
    { "BZMPOP 0 1 z MID", "-ERR syntax error\r\n" },
    { "MULTI", "+OK\r\n" },
    { "BZPOPMIN z 0", "+QUEUED\r\n" },
    { "BZMPOP 0 1 z MIN", "+QUEUED\r\n" },
    { "EXEC", "*2\r\n*-1\r\n*-1\r\n" },
    { NULL, NULL },
};

static void talk_of_pops(void)
{
    weft_stream *stream = dial();
    converse(stream, pops_turns);
    weft_close(stream);
}

static void test_zpop_and_zmpop(void **state)
{
    (void)state;
    kv_serving(talk_of_pops);
}

static void talk_of_pops_at_once(void)
{
    weft_stream *stream = dial();
    converse(stream, pops_at_once_turns);
    weft_close(stream);
}

static void test_bzpop_at_once(void **state)
{
    (void)state;
    kv_serving(talk_of_pops_at_once);
}

/* --- waiting --- */

static void wait_in_order(void)
{
    weft_stream *a = dial(), *b = dial(), *c = dial_3(), *s = dial();
    say(a, "BZPOPMIN y z 0\r\n");
    weft_sleep(WEFT_MILLISECOND);
    say(b, "BZPOPMAX z 0\r\n");
    weft_sleep(WEFT_MILLISECOND);
    say(c, "BZMPOP 0 2 y z MAX COUNT 2\r\n");
    weft_sleep(WEFT_MILLISECOND);
    hear_nothing(a);
    ask(s, "SET z v", "+OK\r\n"); /* another type is nothing to them */
    hear_nothing(a);
    ask(s, "DEL z", ":1\r\n");
    ask(s, "ZADD z 1 one 2 two 3 three 4 four 5 five", ":5\r\n");
    hear(a, "*3\r\n$1\r\nz\r\n$3\r\none\r\n$1\r\n1\r\n");
    hear(b, "*3\r\n$1\r\nz\r\n$4\r\nfive\r\n$1\r\n5\r\n");
    hear(c, "*2\r\n$1\r\nz\r\n*2\r\n*2\r\n$4\r\nfour\r\n,4\r\n*2\r\n$5\r\nthree\r\n,3\r\n");
    ask(s, "ZRANGE z 0 -1", "*1\r\n$3\r\ntwo\r\n");
    say(a, "BZPOPMIN y 0\r\n");
    weft_sleep(WEFT_MILLISECOND);
    ask(s, "ZRANGESTORE y z 0 -1", ":1\r\n"); /* however it comes */
    hear(a, "*3\r\n$1\r\ny\r\n$3\r\ntwo\r\n$1\r\n2\r\n");
    ask(s, "EXISTS y", ":0\r\n");
    weft_close(a);
    weft_close(b);
    weft_close(c);
    weft_close(s);
}

static void test_bzpop_serves_in_the_order_of_coming(void **state)
{
    (void)state;
    kv_serving(wait_in_order);
}

static void wait_for_a_time(void)
{
    weft_stream *s = dial(), *third = dial_3();
    int64_t begin = weft_now();
    ask(s, "BZPOPMIN z 0.5", "*-1\r\n");
    assert_in_range(weft_now() - begin, 500 * WEFT_MILLISECOND, 501 * WEFT_MILLISECOND);
    ask(s, "BZMPOP 0.5 1 z MIN", "*-1\r\n");
    ask(third, "BZPOPMAX z 0.5", "_\r\n");
    ask(third, "BZMPOP 0.5 1 z MAX", "_\r\n");
    weft_close(s);
    weft_close(third);
}

static void test_bzpop_ends_by_time(void **state)
{
    (void)state;
    kv_serving(wait_for_a_time);
}

static void pop_many(void)
{
    static char texts[2000][32];
    weft_stream *s = dial();
    for (int i = 0; i < 1000; i++)
        assert_string_equal(answer(s, "ZADD z %d m%d", i, i), ":1");
    say(s, "ZPOPMAX z 999\r\n");
    assert_int_equal(hear_strings(s, texts, 2000), 1998);
    assert_string_equal(texts[0], "m999");
    assert_string_equal(texts[1997], "1");
    ask(s, "ZPOPMIN z 9", "*2\r\n$2\r\nm0\r\n$1\r\n0\r\n");
    ask(s, "EXISTS z", ":0\r\n");
    weft_close(s);
}

static void test_zpop_of_a_large_set(void **state)
{
    (void)state;
    kv_serving(pop_many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        redis_test(test_zpop_and_zmpop),
        redis_test(test_bzpop_at_once),
        redis_test(test_bzpop_serves_in_the_order_of_coming),
        redis_test(test_bzpop_ends_by_time),
        redis_test(test_zpop_of_a_large_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
