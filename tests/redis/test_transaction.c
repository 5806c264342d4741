/* MULTI, EXEC, WATCH; waiting for keys. */

#include "redis_test.h"

/* --- MULTI --- */

static void execute(void *arg)
{
    (void)arg;
    weft_stream *s = dial(), *other = dial();
    ask(s, "EXEC", "-ERR EXEC without MULTI\r\n");
    ask(s, "DISCARD", "-ERR DISCARD without MULTI\r\n");
    ask(s, "MULTI", "+OK\r\n");
    ask(s, "MULTI", "-ERR MULTI calls can not be nested\r\n");
    ask(s, "WATCH k", "-ERR WATCH inside MULTI is not allowed\r\n");
    ask(s, "SET k 1", "+QUEUED\r\n");
    ask(other, "GET k", "$-1\r\n");
    ask(s, "INCR k", "+QUEUED\r\n");
    ask(s, "KINDS", "+QUEUED\r\n");
    ask(s, "EXEC",
        "*3\r\n+OK\r\n:2\r\n*9\r\n$-1\r\n*-1\r\n:1\r\n$3\r\n2.5\r\n$4\r\ntext\r\n"
        "$10\r\n3 of three\r\n*2\r\n:1\r\n:2\r\n*1\r\n:3\r\n-ERR two  lines\r\n");
    ask(s, "MULTI", "+OK\r\n");
    ask(s, "SET k 5", "+QUEUED\r\n");
    ask(s, "DISCARD", "+OK\r\n");
    ask(s, "GET k", "$1\r\n2\r\n");
    ask(s, "MULTI", "+OK\r\n");
    ask(s, "EXEC", "*0\r\n");
    say(s, "MULTI\r\nINCR k\r\nINCR k\r\nEXEC\r\nPING\r\n");
    hear(s, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:3\r\n:4\r\n+PONG\r\n");
    ask(s, "MULTI", "+OK\r\n");
    ask(s, "QUIT", "+OK\r\n");
    hear_end(s);
    weft_close(s);
    weft_close(other);
}

static void test_multi_executes_in_one_step(void **state)
{
    (void)state;
    serving(execute, NULL);
}

static void refuse(void *arg)
{
    (void)arg;
    weft_stream *s = dial();
    ask(s, "MULTI", "+OK\r\n");
    ask(s, "SET k 1", "+QUEUED\r\n");
    ask(s, "SET k", "-ERR wrong number of arguments for 'set' command\r\n");
    ask(s, "EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n");
    ask(s, "GET k", "$-1\r\n");
    ask(s, "MULTI", "+OK\r\n");
    ask(s, "SLEEP 1", "-ERR Command not allowed inside a transaction\r\n");
    ask(s, "DISCARD", "+OK\r\n");
    ask(s, "MULTI", "+OK\r\n");
    ask(s, "BPOP k 0", "+QUEUED\r\n"); /* nobody waits in a transaction */
    ask(s, "FAIL", "+QUEUED\r\n");
    ask(s, "PING", "+QUEUED\r\n");
    say(s, "EXEC\r\n");
    hear(s, "*3\r\n*-1\r\n-ERR ");
    expect_log("the handler of fail");
    weft_close(s);
}

static void test_multi_with_an_error_is_not_executed(void **state)
{
    (void)state;
    serving(refuse, NULL);
}

static void gather_too_much(void *arg)
{
    (void)arg;
    weft_stream *s = dial();
    ask(s, "MULTI", "+OK\r\n");
    ask(s, "SET k 1", "+QUEUED\r\n");
    for (int i = 0; i < 3; i++)
        say(s, "SET k 123456789012345678901234567890123456789012345678901234567890\r\n");
    hear(s,
         "+QUEUED\r\n-ERR the transaction is too large\r\n-ERR the transaction is too large\r\n");
    ask(s, "EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n");
    weft_close(s);
}

static void test_multi_has_a_limit(void **state)
{
    (void)state;
    serving(gather_too_much, NULL, .transaction_max = 250);
}

/* --- WATCH --- */

static void watch(void *arg)
{
    (void)arg;
    weft_stream *s = dial(), *other = dial();
    ask(s, "WATCH a b a", "+OK\r\n");
    ask(other, "SET c 1", "+OK\r\n");
    ask(s, "MULTI", "+OK\r\n");
    ask(s, "INCR c", "+QUEUED\r\n");
    ask(s, "EXEC", "*1\r\n:2\r\n"); /* another key */
    ask(s, "WATCH a b", "+OK\r\n");
    ask(s, "MULTI", "+OK\r\n");
    ask(s, "INCR c", "+QUEUED\r\n");
    ask(other, "SET b 1", "+OK\r\n");
    ask(s, "EXEC", "*-1\r\n");
    ask(s, "MULTI", "+OK\r\n");
    ask(s, "INCR c", "+QUEUED\r\n");
    ask(s, "EXEC", "*1\r\n:3\r\n"); /* it watches nothing any more */
    ask(s, "WATCH a", "+OK\r\n");
    ask(s, "SET a 1", "+OK\r\n"); /* oneself counts */
    ask(s, "MULTI", "+OK\r\n");
    ask(s, "EXEC", "*-1\r\n");
    ask(s, "WATCH a", "+OK\r\n");
    ask(other, "SET a 2", "+OK\r\n");
    ask(s, "UNWATCH", "+OK\r\n");
    ask(s, "MULTI", "+OK\r\n");
    ask(s, "EXEC", "*0\r\n");
    ask(s, "WATCH a", "+OK\r\n");
    weft_close(s);
    weft_sleep(WEFT_MILLISECOND);
    ask(other, "SET a 3", "+OK\r\n"); /* who watched is gone */
    weft_close(other);
}

static void test_watch_sees_changes(void **state)
{
    (void)state;
    serving(watch, NULL);
}

/* --- waiting for keys --- */

static void wait_for_keys(void *arg)
{
    (void)arg;
    weft_stream *a = dial(), *b = dial(), *c = dial(), *s = dial();
    say(a, "BPOP k l 0\r\n");
    weft_sleep(WEFT_MILLISECOND);
    say(b, "BPOP k 0\r\n");
    weft_sleep(WEFT_MILLISECOND);
    say(c, "BPOP l k l 0\r\n");
    weft_sleep(WEFT_MILLISECOND);
    hear_nothing(a);
    ask(s, "PUSH l 1", ":1\r\n"); /* the first who waits for it */
    hear(a, "*2\r\n$1\r\nl\r\n:1\r\n");
    ask(s, "PUSH k 2 3 4", ":3\r\n"); /* each one, in turn */
    hear(b, "*2\r\n$1\r\nk\r\n:4\r\n");
    hear(c, "*2\r\n$1\r\nk\r\n:3\r\n");
    ask(s, "POP k", ":2\r\n");
    say(a, "BPOP k 0\r\nPING\r\n"); /* what comes behind it waits */
    weft_sleep(WEFT_MILLISECOND);
    hear_nothing(a);
    say(a, "PING\r\n");
    weft_sleep(WEFT_MILLISECOND);
    say(s, "PUSH k 5\r\nPOP k\r\n"); /* served before the next command */
    hear(s, ":1\r\n$-1\r\n");
    hear(a, "*2\r\n$1\r\nk\r\n:5\r\n+PONG\r\n+PONG\r\n");
    weft_close(a);
    weft_close(b);
    weft_close(c);
    weft_close(s);
}

static bool has_numbers(weft_slice key, void *app)
{
    (void)app;
    return thing_of(key)->count > 0;
}

static void test_block_serves_in_the_order_of_coming(void **state)
{
    (void)state;
    serving(wait_for_keys, NULL);
    serving(wait_for_keys, NULL, .has_key = has_numbers);
}

static void wait_for_a_time(void *arg)
{
    (void)arg;
    weft_stream *s = dial(), *other = dial();
    say(s, "BPOP k 100\r\nPING\r\n");
    weft_sleep(99 * WEFT_MILLISECOND);
    char byte;
    assert_int_equal(weft_read_try(s, &byte, 1), -EAGAIN);
    hear(s, "*-1\r\n+PONG\r\n");
    say(s, "BPOP k 100\r\n");
    weft_sleep(50 * WEFT_MILLISECOND);
    ask(other, "PUSH k 1", ":1\r\n");
    hear(s, "*2\r\n$1\r\nk\r\n:1\r\n");
    hear_nothing(s); /* the time is over, and means nobody */
    say(s, "BPOP k 0\r\n");
    weft_sleep(WEFT_MILLISECOND);
    weft_close(s); /* gone while it waits */
    weft_sleep(WEFT_MILLISECOND);
    ask(other, "PUSH k 1", ":1\r\n");
    ask(other, "POP k", ":1\r\n");
    weft_close(other);
}

static void test_block_ends_by_time_and_by_leaving(void **state)
{
    (void)state;
    serving(wait_for_a_time, NULL);
}

static void push_in_a_transaction(void *arg)
{
    (void)arg;
    weft_stream *s = dial(), *waits = dial();
    say(waits, "BPOP k 0\r\n");
    weft_sleep(WEFT_MILLISECOND);
    say(s, "MULTI\r\nPUSH k 1\r\nPOP k\r\nPUSH k 2\r\nEXEC\r\n");
    hear(s, "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n:1\r\n:1\r\n:1\r\n");
    hear(waits, "*2\r\n$1\r\nk\r\n:2\r\n");
    weft_close(s);
    weft_close(waits);
}

static void test_block_is_served_behind_a_transaction(void **state)
{
    (void)state;
    serving(push_in_a_transaction, NULL);
}

static void unblock(void *arg)
{
    (void)arg;
    weft_stream *s = dial(), *waits = dial();
    say(waits, "CLIENT ID\r\nBPOP k 0\r\n");
    hear(waits, ":2\r\n");
    weft_sleep(WEFT_MILLISECOND);
    ask(s, "CLIENT UNBLOCK 2", ":1\r\n");
    hear(waits, "*-1\r\n");
    ask(s, "CLIENT UNBLOCK 2", ":0\r\n");
    say(waits, "BPOP k 0\r\nPING\r\n");
    weft_sleep(WEFT_MILLISECOND);
    ask(s, "CLIENT UNBLOCK 2 ERROR", ":1\r\n");
    hear(waits, "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n+PONG\r\n");
    weft_close(s);
    weft_close(waits);
}

static void test_block_ends_by_unblock(void **state)
{
    (void)state;
    serving(unblock, NULL);
}

/* Who waits holds no stack: a thousand of them cost what their streams do. */
static void wait_in_a_crowd(void *arg)
{
    enum { COUNT = 300 };
    static weft_stream *crowd[COUNT];
    weft_loop_stats stats;
    (void)arg;
    weft_stream *s = dial();
    weft_loop_get_stats(weft_loop_current(), &stats);
    size_t before = stats.tasks;
    for (int i = 0; i < COUNT; i++) {
        crowd[i] = dial();
        say(crowd[i], "BPOP k 0\r\n");
    }
    weft_sleep(WEFT_MILLISECOND);
    weft_loop_get_stats(weft_loop_current(), &stats);
    assert_true(stats.tasks <= before);
    say(s, "PUSH k 0 1 2 3 4 5 6 7 8 9\r\n");
    hear(s, ":10\r\n");
    for (int i = 0; i < 10; i++)
        hear(crowd[i], "*2\r\n$1\r\nk\r\n:");
    for (int i = 0; i < COUNT; i++)
        weft_close(crowd[i]);
    weft_close(s);
}

static void test_block_holds_no_task(void **state)
{
    (void)state;
    serving(wait_in_a_crowd, NULL, .has_key = has_numbers);
}

/* Whatever becomes of the replies: half of a transaction is executed for nobody. */
static void reply_too_much(void *arg)
{
    (void)arg;
    weft_stream *s = dial();
    say(s, "MULTI\r\nINCR a\r\nBIG 5000\r\nINCR a\r\n");
    hear(s, "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n");
    ask(s, "EXEC", "");
    hear_end(s);
    expect_log("its replies are too large");
    weft_close(s);
    s = dial();
    ask(s, "GET a", "$1\r\n2\r\n");
    weft_close(s);
}

static void test_multi_is_executed_whole_for_who_gets_no_reply(void **state)
{
    (void)state;
    serving(reply_too_much, NULL, .output_max = 1000);
}

#define LONG_KEY "a_key_that_leaves_no_room"

/* It is parked, and nobody else would close it. */
static void wait_for_too_much(void *arg)
{
    (void)arg;
    weft_stream *s = dial(), *other = dial();
    say(s, "BPOP " LONG_KEY " 0\r\n");
    weft_sleep(WEFT_MILLISECOND);
    ask(other, "PUSH " LONG_KEY " 1", ":1\r\n");
    hear_end(s);
    expect_log("its replies are too large");
    weft_close(s);
    weft_close(other);
}

static void test_block_that_ends_with_too_much_closes_the_client(void **state)
{
    (void)state;
    serving(wait_for_too_much, NULL, .output_max = 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        redis_test(test_multi_executes_in_one_step),
        redis_test(test_multi_with_an_error_is_not_executed),
        redis_test(test_multi_has_a_limit),
        redis_test(test_watch_sees_changes),
        redis_test(test_block_serves_in_the_order_of_coming),
        redis_test(test_block_ends_by_time_and_by_leaving),
        redis_test(test_block_is_served_behind_a_transaction),
        redis_test(test_block_ends_by_unblock),
        redis_test(test_block_holds_no_task),
        redis_test(test_block_that_ends_with_too_much_closes_the_client),
        redis_test(test_multi_is_executed_whole_for_who_gets_no_reply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
