/* Commands that take elements from lists of several, at once or when there are any. */

#include "kv_command_test.h"

#include <time.h>

#define WRONG_TYPE "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"

/* --- conversations: what is said, and what is heard --- */

static const struct turn moves_turns[] = {
    { "RPUSH a 1 2 3", ":3\r\n" },
    { "LMOVE a b LEFT RIGHT", "$1\r\n1\r\n" },
    { "LMOVE a b right left", "$1\r\n3\r\n" },
    { "LRANGE b 0 -1", "*2\r\n$1\r\n3\r\n$1\r\n1\r\n" },
    { "LMOVE b b LEFT RIGHT", "$1\r\n3\r\n" },
    { "LMOVE b b LEFT LEFT", "$1\r\n1\r\n" },
    { "LRANGE b 0 -1", "*2\r\n$1\r\n1\r\n$1\r\n3\r\n" },
    { "RPOPLPUSH b b", "$1\r\n3\r\n" },
    { "LRANGE b 0 -1", "*2\r\n$1\r\n3\r\n$1\r\n1\r\n" },
    { "RPOPLPUSH a b", "$1\r\n2\r\n" },
    { "EXISTS a", ":0\r\n" },
    { "LMOVE a a LEFT LEFT", "$-1\r\n" },
    { "RPOPLPUSH a b", "$-1\r\n" },
    { "LPUSH a x", ":1\r\n" },
    { "RPOPLPUSH a a", "$1\r\nx\r\n" },
    { "SET t v", "+OK\r\n" },
    { "LMOVE a t LEFT LEFT", WRONG_TYPE },
    { "RPOPLPUSH a t", WRONG_TYPE },
    { "LMOVE t a LEFT LEFT", WRONG_TYPE },
    { "LMOVE none t LEFT LEFT", "$-1\r\n" },
    { "LRANGE a 0 -1", "*1\r\n$1\r\nx\r\n" },
    { "LMOVE a b UP LEFT", "-ERR syntax error\r\n" },
    { "LMOVE a b LEFT UP", "-ERR syntax error\r\n" },
    { "LMOVE a b LEFT", "-ERR wrong number of arguments for 'lmove' command\r\n" },
    { NULL, NULL },
};

static const struct turn pops_turns[] = {
    { "RPUSH l a b c d e", ":5\r\n" },
    { "LMPOP 2 none l LEFT", "*2\r\n$1\r\nl\r\n*1\r\n$1\r\na\r\n" },
    { "LMPOP 1 l right COUNT 2", "*2\r\n$1\r\nl\r\n*2\r\n$1\r\ne\r\n$1\r\nd\r\n" },
    { "LMPOP 1 l LEFT count 9", "*2\r\n$1\r\nl\r\n*2\r\n$1\r\nb\r\n$1\r\nc\r\n" },
    { "EXISTS l", ":0\r\n" },
    { "LMPOP 1 l LEFT", "*-1\r\n" },
    { "LMPOP 0 l LEFT", "-ERR numkeys should be greater than 0\r\n" },
    { "LMPOP x l LEFT", "-ERR numkeys should be greater than 0\r\n" },
    { "LMPOP 2 l LEFT", "-ERR syntax error\r\n" },
    { "LMPOP 9 l LEFT", "-ERR syntax error\r\n" },
    { "LMPOP 1 l UP", "-ERR syntax error\r\n" },
    { "LMPOP 1 l LEFT COUNT 0", "-ERR count should be greater than 0\r\n" },
    { "LMPOP 1 l LEFT COUNT x", "-ERR count should be greater than 0\r\n" },
    { "LMPOP 1 l LEFT COUNT 0 MORE", "-ERR count should be greater than 0\r\n" },
    { "LMPOP 1 l LEFT COUNT", "-ERR syntax error\r\n" },
    { "LMPOP 1 l LEFT COUNT 1 COUNT 1", "-ERR syntax error\r\n" },
    { "LMPOP 1 l LEFT MORE 1", "-ERR syntax error\r\n" },
    { "SET t v", "+OK\r\n" },
    { "LMPOP 2 none t LEFT", WRONG_TYPE },
    { NULL, NULL },
};

static const struct turn waits_at_once_turns[] = {
    { "RPUSH l a b c d e", ":5\r\n" },
    { "BLPOP none l 0", "*2\r\n$1\r\nl\r\n$1\r\na\r\n" },
    { "BRPOP l none 1", "*2\r\n$1\r\nl\r\n$1\r\ne\r\n" },
    { "BLMPOP 0 2 none l LEFT COUNT 2", "*2\r\n$1\r\nl\r\n*2\r\n$1\r\nb\r\n$1\r\nc\r\n" },
    { "BLMOVE l m LEFT LEFT 0", "$1\r\nd\r\n" },
    { "BRPOPLPUSH m l 0", "$1\r\nd\r\n" },
    { "BLPOP l 0", "*2\r\n$1\r\nl\r\n$1\r\nd\r\n" },
    { "BLPOP l -1", "-ERR timeout is negative\r\n" },
    { "BRPOP l x", "-ERR timeout is not a float or out of range\r\n" },
    { "BLMOVE l m UP LEFT x", "-ERR syntax error\r\n" },
    { "BLMOVE l m LEFT LEFT x", "-ERR timeout is not a float or out of range\r\n" },
    { "BRPOPLPUSH l m -1", "-ERR timeout is negative\r\n" },
    { "BLMPOP x 0 l LEFT", "-ERR numkeys should be greater than 0\r\n" },
    { "BLMPOP x 1 l LEFT", "-ERR timeout is not a float or out of range\r\n" },
    { "BLMPOP 0 1 l UP", "-ERR syntax error\r\n" },
    { "BLPOP l", "-ERR wrong number of arguments for 'blpop' command\r\n" },
    { "SET t v", "+OK\r\n" },
    { "BLPOP none t 0", WRONG_TYPE },
    { "BLMOVE t l LEFT LEFT 0", WRONG_TYPE },
    { "BLMPOP 0 1 t LEFT", WRONG_TYPE },
    { "MULTI", "+OK\r\n" },
    { "BLPOP l 0", "+QUEUED\r\n" },
    { "BLMPOP 0 1 l LEFT", "+QUEUED\r\n" },
    { "BLMOVE l m LEFT LEFT 0", "+QUEUED\r\n" },
    { "BRPOPLPUSH l m 0", "+QUEUED\r\n" },
    { "EXEC", "*4\r\n*-1\r\n*-1\r\n$-1\r\n$-1\r\n" },
    { NULL, NULL },
};

static void test_lmove_and_rpoplpush(void **state)
{
    (void)state;
    kv_talking(moves_turns);
}

static void test_lmpop_pops(void **state)
{
    (void)state;
    kv_talking(pops_turns);
}

static void test_blocking_commands_answer_at_once(void **state)
{
    (void)state;
    kv_talking(waits_at_once_turns);
}

/* --- waiting --- */

/* Let a client wait, behind those that wait already. */
static void wait_by(weft_stream *stream, const char *command)
{
    say(stream, command);
    say(stream, "\r\n");
    weft_sleep(WEFT_MILLISECOND);
    hear_nothing(stream);
}

static void wait_in_order(void)
{
    weft_stream *a = dial(), *b = dial(), *c = dial(), *s = dial();
    wait_by(a, "BLPOP y l 0");
    wait_by(b, "BRPOP l 0");
    wait_by(c, "BLMPOP 0 2 y l RIGHT COUNT 2");
    ask(s, "SET l v", "+OK\r\n"); /* another type is nothing to them */
    hear_nothing(a);
    ask(s, "DEL l", ":1\r\n");
    ask(s, "RPUSH l 1 2 3 4 5", ":5\r\n");
    hear(a, "*2\r\n$1\r\nl\r\n$1\r\n1\r\n");
    hear(b, "*2\r\n$1\r\nl\r\n$1\r\n5\r\n");
    hear(c, "*2\r\n$1\r\nl\r\n*2\r\n$1\r\n4\r\n$1\r\n3\r\n");
    ask(s, "LRANGE l 0 -1", "*1\r\n$1\r\n2\r\n");
    wait_by(a, "BLPOP y 0");
    wait_by(b, "BLPOP y 0");
    ask(s, "RENAME l y", "+OK\r\n"); /* however it comes */
    hear(a, "*2\r\n$1\r\ny\r\n$1\r\n2\r\n");
    hear_nothing(b);
    ask(s, "LPUSH y 6", ":1\r\n");
    hear(b, "*2\r\n$1\r\ny\r\n$1\r\n6\r\n");
    ask(s, "EXISTS y", ":0\r\n");
    weft_close(a);
    weft_close(b);
    weft_close(c);
    weft_close(s);
}

static void test_blocked_clients_are_served_in_the_order_of_coming(void **state)
{
    (void)state;
    kv_serving(wait_in_order);
}

/* What one has moved wakes the next. */
static void wait_in_a_chain(void)
{
    weft_stream *a = dial(), *b = dial(), *c = dial(), *s = dial();
    wait_by(c, "BLPOP three 0");
    wait_by(b, "BLMOVE two three LEFT RIGHT 0");
    wait_by(a, "BRPOPLPUSH one two 0");
    ask(s, "RPUSH one x", ":1\r\n");
    hear(a, "$1\r\nx\r\n");
    hear(b, "$1\r\nx\r\n");
    hear(c, "*2\r\n$5\r\nthree\r\n$1\r\nx\r\n");
    ask(s, "DBSIZE", ":0\r\n");
    weft_close(a);
    weft_close(b);
    weft_close(c);
    weft_close(s);
}

static void test_blmove_serves_a_chain(void **state)
{
    (void)state;
    kv_serving(wait_in_a_chain);
}

/* Each of two that move a list's element to the list itself does so once. */
static void wait_in_a_circle(void)
{
    weft_stream *a = dial(), *b = dial(), *s = dial();
    wait_by(a, "BLMOVE l l LEFT RIGHT 0");
    wait_by(b, "BLMOVE l l LEFT RIGHT 0");
    ask(s, "RPUSH l x y", ":2\r\n");
    hear(a, "$1\r\nx\r\n");
    hear(b, "$1\r\ny\r\n");
    ask(s, "LRANGE l 0 -1", "*2\r\n$1\r\nx\r\n$1\r\ny\r\n");
    ask(s, "DEL l", ":1\r\n");
    wait_by(a, "BLMOVE l t LEFT LEFT 0");
    ask(s, "SET t v", "+OK\r\n");
    ask(s, "RPUSH l x", ":1\r\n");
    hear(a, WRONG_TYPE);
    ask(s, "LLEN l", ":1\r\n");
    weft_close(a);
    weft_close(b);
    weft_close(s);
}

static void test_blmove_to_its_own_list_and_to_another_type(void **state)
{
    (void)state;
    kv_serving(wait_in_a_circle);
}

static void wait_for_a_time(void)
{
    weft_stream *s = dial(), *third = dial_3();
    int64_t begin = weft_now();
    ask(s, "BLPOP l 0.5", "*-1\r\n");
    assert_in_range(weft_now() - begin, 500 * WEFT_MILLISECOND, 501 * WEFT_MILLISECOND);
    ask(s, "BRPOP k l 0.5", "*-1\r\n");
    ask(s, "BLMPOP 0.5 1 l LEFT", "*-1\r\n");
    ask(s, "BLMOVE l m LEFT LEFT 0.5", "*-1\r\n");
    ask(s, "BRPOPLPUSH l m 0.5", "*-1\r\n");
    ask(third, "BLPOP l 0.5", "_\r\n");
    ask(third, "BLMPOP 0.5 1 l LEFT", "_\r\n");
    ask(third, "BLMOVE l m LEFT LEFT 0.5", "_\r\n");
    ask(third, "BRPOPLPUSH l m 0.5", "_\r\n");
    weft_close(s);
    weft_close(third);
}

static void test_blocked_clients_give_up_by_time(void **state)
{
    (void)state;
    kv_serving(wait_for_a_time);
}

/* A transaction is one command to those who wait, and who has gone gets nothing. */
static void wait_for_a_transaction(void)
{
    weft_stream *a = dial(), *b = dial(), *s = dial();
    wait_by(a, "BLPOP l 0");
    wait_by(b, "BLPOP l 0");
    ask(s, "MULTI", "+OK\r\n");
    ask(s, "RPUSH l x", "+QUEUED\r\n");
    ask(s, "DEL l", "+QUEUED\r\n");
    ask(s, "EXEC", "*2\r\n:1\r\n:1\r\n");
    hear_nothing(a);
    weft_close(a);
    weft_sleep(WEFT_MILLISECOND);
    ask(s, "RPUSH l y", ":1\r\n");
    hear(b, "*2\r\n$1\r\nl\r\n$1\r\ny\r\n");
    weft_close(b);
    weft_close(s);
}

static void test_blocked_clients_and_transactions(void **state)
{
    (void)state;
    kv_serving(wait_for_a_transaction);
}

/* --- large elements, and no memory --- */

static const struct turn nothing_was_moved[] = {
    { "LLEN l", ":1\r\n" },
    { "EXISTS m", ":0\r\n" },
    { NULL, NULL },
};

static void move_large(void)
{
    static char large[1001];
    char element[1100];
    weft_stream *stream = dial();
    memset(large, 'x', sizeof large - 1);
    snprintf(element, sizeof element, "$1000\r\n%s\r\n", large);
    say(stream, "RPUSH l ");
    say(stream, large);
    ask(stream, "", ":1\r\n");
    without_memory(stream, "LMOVE l m LEFT LEFT", "$1000", nothing_was_moved);
    hear(stream, element + strlen("$1000\r\n"));
    say(stream, "RPOPLPUSH m m\r\n");
    hear(stream, element);
    ask(stream, "LRANGE m 0 -1", "*1\r\n");
    hear(stream, element);
    weft_close(stream);
}

static void test_lmove_without_memory_moves_nothing(void **state)
{
    (void)state;
    kv_serving(move_large);
}

/* --- without room for the replies --- */

#define LARGE_TEXT 2000

static void say_large(weft_stream *stream, const char *command, char letter)
{
    char text[LARGE_TEXT + 1] = { 0 };
    memset(text, letter, LARGE_TEXT);
    say(stream, command);
    say(stream, text);
    say(stream, "\r\n");
    assert_int_equal(*hear_line(stream), ':');
}

static void fill_large(weft_stream *stream)
{
    for (char letter = 'a'; letter <= 'c'; letter++) {
        say_large(stream, "RPUSH l ", letter);
        say_large(stream, "RPUSH m ", letter);
        say_large(stream, "SADD s ", letter);
    }
    ask(stream, "CONFIG SET client-output-buffer-limit \"normal 1000 0 0\"", "+OK\r\n");
}

/* Who is closed for a reply that is too large has lost nothing, but for what its transaction took:
 * that is executed whole. */
static void pop_too_much(void)
{
    weft_stream *calm = dial(), *greedy = dial();
    char byte;
    fill_large(calm);
    say(greedy, "LPOP l\r\n");
    assert_true(weft_read(greedy, &byte, 1) <= 0);
    expect_log("its replies are too large");
    weft_close(greedy);
    ask(calm, "LLEN l", ":3\r\n");
    greedy = dial();
    ask(greedy, "MULTI", "+OK\r\n");
    ask(greedy, "LPOP l", "+QUEUED\r\n");
    ask(greedy, "RPOP l 1", "+QUEUED\r\n");
    ask(greedy, "LMPOP 1 m LEFT COUNT 2", "+QUEUED\r\n");
    ask(greedy, "SPOP s 2", "+QUEUED\r\n");
    say(greedy, "EXEC\r\n");
    assert_true(weft_read(greedy, &byte, 1) <= 0);
    expect_log("its replies are too large");
    weft_close(greedy);
    ask(calm, "LLEN l", ":1\r\n");
    ask(calm, "LLEN m", ":1\r\n");
    ask(calm, "SCARD s", ":1\r\n");
    weft_close(calm);
}

static void test_pops_in_a_transaction_are_executed_without_room_for_replies(void **state)
{
    (void)state;
    kv_serving(pop_too_much);
}

/* --- many names --- */

#define NAMES 30000

/* A command with so many names, "k10000" and on, and one more word. */
static void say_names(weft_stream *stream, const char *command, const char *word)
{
    char *text = malloc(NAMES * 20 + 100);
    int size = sprintf(text, "*%d\r\n$%zu\r\n%s\r\n", NAMES + 2, strlen(command), command);
    for (int i = 0; i < NAMES; i++)
        size += sprintf(text + size, "$6\r\nk%d\r\n", 10000 + i);
    size += sprintf(text + size, "$%zu\r\n%s\r\n", strlen(word), word);
    assert_int_equal(weft_write(stream, text, (size_t)size), 0);
    free(text);
}

/* The next bytes, however many, until these have come. */
static void skip_far(weft_stream *stream, const char *end)
{
    char last[64] = { 0 };
    size_t size = strlen(end);
    while (memcmp(last, end, size) != 0) {
        memmove(last, last + 1, size - 1);
        assert_int_equal(weft_read_exact(stream, last + size - 1, 1), 0);
    }
}

/* Each name costs the same, however many there are. */
static void use_many_names(void)
{
    weft_stream *waits = dial(), *other = dial();
    clock_t begun = clock();
    say_names(waits, "WATCH", "k10000");
    ask(waits, "", "+OK\r\n");
    say_names(waits, "BLPOP", "0");
    ask(other, "RPUSH k39999 x", ":1\r\n");
    hear(waits, "*2\r\n$6\r\nk39999\r\n$1\r\nx\r\n");
    ask(waits, "MULTI", "+OK\r\n");
    ask(waits, "EXEC", "*-1\r\n");
    say_names(waits, "PSUBSCRIBE", "k10000");
    skip_far(waits, "$6\r\nk10000\r\n:30000\r\n");
    ask(other, "PUBLISH k20000 x", ":1\r\n");
    ask(other, "PUBSUB NUMPAT", ":30000\r\n");
    weft_close(waits);
    weft_sleep(WEFT_MILLISECOND);
    ask(other, "PUBSUB NUMPAT", ":0\r\n");
    weft_close(other);
    assert_true(clock() - begun < 5 * CLOCKS_PER_SEC);
}

static void test_commands_with_many_names_take_no_square(void **state)
{
    (void)state;
    kv_serving(use_many_names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        redis_test(test_lmove_and_rpoplpush),
        redis_test(test_lmpop_pops),
        redis_test(test_blocking_commands_answer_at_once),
        redis_test(test_blocked_clients_are_served_in_the_order_of_coming),
        redis_test(test_blmove_serves_a_chain),
        redis_test(test_blmove_to_its_own_list_and_to_another_type),
        redis_test(test_blocked_clients_give_up_by_time),
        redis_test(test_blocked_clients_and_transactions),
        redis_test(test_lmove_without_memory_moves_nothing),
        redis_test(test_pops_in_a_transaction_are_executed_without_room_for_replies),
        redis_test(test_commands_with_many_names_take_no_square),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
