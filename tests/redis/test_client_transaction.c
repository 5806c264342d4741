/* Transactions: what is sent, what comes of it, and what is left behind. */

#include "client_test.h"

#define QUEUED "+OK\r\n+QUEUED\r\n+QUEUED\r\n"

static weft_redis_transaction *t;
static const weft_redis_value *value;
static weft_slice key = { "stock", 5 };

static void begin(void)
{
    assert_int_equal(weft_redis_transaction_begin(&t, redis, arena), 0);
}

static int begin_watching(void)
{
    return weft_redis_transaction_begin(&t, redis, arena, .watch = &key, .watch_count = 1);
}

/* A server that answers MULTI to EXEC when EXEC has come, with `answer`. */
static const char *answers[8];
static int answered;

static int execute_blocks(weft_stream *stream, void *arg)
{
    (void)arg;
    connections++;
    for (;;) {
        size_t before = asked_size;
        if (hear_command(stream) < 0)
            return closed++, 0;
        const char *word = asked + before;
        bool is_quiet = strcmp(word, "MULTI|") == 0 || strncmp(word, "SET", 3) == 0 ||
                        strncmp(word, "INCR", 4) == 0;
        if (is_quiet)
            continue;
        const char *text = answers[answered++];
        if (strcmp(text, CLOSE) == 0)
            return 0;
        if (weft_write(stream, text, strlen(text)) < 0)
            return 0;
    }
}

static void executing(void (*body)(void))
{
    answered = 0;
    assert_int_equal(
        run(scripted_main, &(struct scripted){ .body = body, .serve = execute_blocks }), 0);
    memset(answers, 0, sizeof answers);
}

static void check_plain(void)
{
    begin();
    assert_int_equal(weft_redis_transaction_add(t, "SET %s %d", "a b", 1), 0);
    assert_int_equal(weft_redis_transaction_add(t, "INCR c"), 0);
    weft_sleep(S);
    assert_int_equal(connections, 0); /* nothing is sent before */
    assert_int_equal(weft_redis_transaction_execute(t, &value), 0);
    assert_string_equal(show(value), "[+OK 7]");
    assert_string_equal(asked, "MULTI|SET a b 1|INCR c|EXEC|");
    assert_int_equal(weft_redis_transaction_execute(t, &value), -EALREADY);
    assert_int_equal(weft_redis_transaction_add(t, "INCR c"), -EALREADY);
    weft_redis_transaction_end(t);
    begin();
    assert_int_equal(weft_redis_transaction_execute(t, &value), 0);
    assert_string_equal(show(value), "[]");
    weft_redis_transaction_end(t);
    begin();
    weft_redis_transaction_end(t);
    weft_redis_transaction_end(NULL);
    assert_int_equal(connections, 1);
}

static void test_transaction_is_sent_in_one_piece(void **state)
{
    (void)state;
    answers[0] = QUEUED "*2\r\n+OK\r\n:7\r\n";
    executing(check_plain);
}

static void check_error_inside(void)
{
    begin();
    weft_redis_transaction_add(t, "SET a 1");
    weft_redis_transaction_add(t, "INCR c");
    assert_int_equal(weft_redis_transaction_execute(t, &value), 0);
    assert_string_equal(show(value), "[+OK -WRONGTYPE x]");
    weft_redis_transaction_end(t);
    begin();
    weft_redis_transaction_add(t, "SET a 1");
    weft_redis_transaction_add(t, "INCR c");
    assert_int_equal(weft_redis_transaction_execute(t, &value), WEFT_EREPLY);
    assert_string_equal(weft_redis_transaction_detail(t), "ERR wrong number of arguments");
    weft_redis_transaction_end(t);
    begin();
    weft_redis_transaction_add(t, "SET a 1");
    weft_redis_transaction_add(t, "INCR c");
    assert_int_equal(weft_redis_transaction_execute(t, &value), WEFT_EPROTOCOL);
    weft_redis_transaction_end(t);
}

static void test_transaction_tells_refused_commands_from_failed_ones(void **state)
{
    (void)state;
    answers[0] = QUEUED "*2\r\n+OK\r\n-WRONGTYPE x\r\n";
    answers[1] = "+OK\r\n-ERR wrong number of arguments\r\n+QUEUED\r\n-EXECABORT discarded\r\n";
    answers[2] = QUEUED "*1\r\n+OK\r\n";
    executing(check_error_inside);
}

static void check_refusals(void)
{
    begin();
    assert_int_equal(weft_redis_transaction_add(t, "EXEC"), -EINVAL);
    assert_int_equal(weft_redis_transaction_add(t, "WATCH a"), -EINVAL);
    assert_int_equal(weft_redis_transaction_add(t, "SET %y", 1), -EINVAL);
    assert_int_equal(weft_redis_transaction_add_args(t, NULL, 0), -EINVAL);
    assert_int_equal(weft_redis_transaction_ask(t, &value, "MULTI"), -EINVAL);
    weft_redis_transaction_end(t);
    assert_int_equal(weft_redis_transaction_begin(&t, redis, NULL), -EINVAL);
}

static void test_transaction_takes_no_command_that_would_end_it(void **state)
{
    (void)state;
    executing(check_refusals);
}

static void check_watch(void)
{
    assert_int_equal(begin_watching(), 0);
    assert_int_equal(weft_redis_transaction_ask(t, &value, "GET stock"), 0);
    assert_string_equal(value->text, "9");
    weft_redis_transaction_add(t, "SET stock 8");
    assert_int_equal(weft_redis_transaction_execute(t, &value), -EAGAIN);
    assert_null(value);
    weft_redis_transaction_end(t);
    assert_int_equal(begin_watching(), 0);
    weft_redis_transaction_add(t, "SET stock 8");
    assert_int_equal(weft_redis_transaction_execute(t, &value), 0);
    weft_redis_transaction_end(t);
    assert_int_equal(connections, 1);
    assert_string_equal(asked, "WATCH stock|GET stock|MULTI|SET stock 8|EXEC|"
                               "WATCH stock|MULTI|SET stock 8|EXEC|");
    assert_int_equal(stats().connected, 1);
}

static void test_transaction_that_watches_is_told_of_changes(void **state)
{
    (void)state;
    answers[0] = "+OK\r\n";
    answers[1] = "$1\r\n9\r\n";
    answers[2] = "+OK\r\n+QUEUED\r\n_\r\n";
    answers[3] = "+OK\r\n";
    answers[4] = "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n";
    executing(check_watch);
}

static void check_discard(void)
{
    assert_int_equal(begin_watching(), 0);
    weft_redis_transaction_add(t, "SET stock 8");
    weft_redis_transaction_end(t);
    weft_sleep(S);
    assert_string_equal(asked, "WATCH stock|UNWATCH|");
    expect_reply("null", "BLPOP q 0"); /* the next user of that connection */
    assert_int_equal(connections, 1);
    assert_int_equal(stats().orphans, 0);
}

static void test_transaction_that_is_not_executed_watches_no_more(void **state)
{
    (void)state;
    answers[0] = "+OK\r\n";
    answers[1] = "+OK\r\n";
    answers[2] = "_\r\n";
    executing(check_discard);
}

static void check_watch_lost(void)
{
    assert_int_equal(begin_watching(), 0);
    assert_int_equal(weft_redis_transaction_ask(t, &value, "GET stock"), -EAGAIN);
    assert_int_equal(weft_redis_transaction_ask(t, &value, "GET stock"), -EAGAIN);
    weft_redis_transaction_add(t, "SET stock 8");
    assert_int_equal(weft_redis_transaction_execute(t, &value), -EAGAIN);
    weft_redis_transaction_end(t);
    assert_string_equal(asked, "WATCH stock|GET stock|"); /* never executed unwatched */
    assert_int_equal(begin_watching(), 0);
    weft_redis_transaction_add(t, "SET stock 8");
    assert_int_equal(weft_redis_transaction_execute(t, &value), WEFT_EINDOUBT);
    weft_redis_transaction_end(t);
}

static void test_transaction_whose_connection_broke_is_not_executed_unwatched(void **state)
{
    (void)state;
    answers[0] = "+OK\r\n";
    answers[1] = CLOSE;
    answers[2] = "+OK\r\n";
    answers[3] = CLOSE;
    executing(check_watch_lost);
}

static int execute_one(void *arg)
{
    (void)arg;
    return weft_redis_transaction_execute(t, &value);
}

/* Cancelled in flight the block is whole all the same: the next one on the connection is no part of
 * it, and gets its own answer. */
static void check_cancel(void)
{
    weft_scope scope;
    weft_task *task;
    begin();
    weft_redis_transaction_add(t, "SET a 1");
    weft_redis_transaction_add(t, "INCR c");
    weft_scope_begin(&scope);
    assert_int_equal(weft_spawn(&scope, execute_one, NULL, .task = &task), 0);
    weft_sleep(0);
    weft_sleep(0);
    weft_sleep(0);
    weft_sleep(0);
    weft_task_cancel(task, "now");
    assert_int_equal(weft_scope_end(&scope), 0);
    assert_true(weft_task_is_cancelled(task));
    weft_task_release(task);
    weft_redis_transaction_end(t);
    expect_reply("'x'", "GET a");
    assert_string_equal(asked, "MULTI|SET a 1|INCR c|EXEC|GET a|");
    assert_int_equal(stats().orphans, 0);
}

static int execute_late(weft_stream *stream, void *arg)
{
    (void)arg;
    for (int i = 0; i < 4; i++)
        if (hear_command(stream) < 0)
            return 0;
    weft_sleep(S);
    weft_write(stream, QUEUED "*2\r\n+OK\r\n:1\r\n", sizeof QUEUED - 1 + 13);
    if (hear_command(stream) == 0)
        weft_write(stream, "$1\r\nx\r\n", 7);
    return read_to_the_end(stream);
}

static void test_transaction_cancelled_leaves_no_connection_in_one(void **state)
{
    (void)state;
    assert_int_equal(
        run(scripted_main, &(struct scripted){ .body = check_cancel, .serve = execute_late }), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_test(test_transaction_is_sent_in_one_piece),
        http_test(test_transaction_tells_refused_commands_from_failed_ones),
        http_test(test_transaction_takes_no_command_that_would_end_it),
        http_test(test_transaction_that_watches_is_told_of_changes),
        http_test(test_transaction_that_is_not_executed_watches_no_more),
        http_test(test_transaction_whose_connection_broke_is_not_executed_unwatched),
        http_test(test_transaction_cancelled_leaves_no_connection_in_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
