/* Commands that block: a connection each, a line for it, and cancels that the server sees. */

#include "client_test.h"

static struct asker askers[8];

static void check_apart(void)
{
    weft_scope scope;
    weft_scope_begin(&scope);
    asker_begin(&scope, &askers[0], "BLPOP q 0");
    weft_sleep(S);
    expect_reply("1", "INCR a"); /* it is held up by nobody */
    assert_int_equal(connections, 2);
    assert_false(askers[0].is_done);
    weft_scope_cancel(&scope, "enough");
    assert_int_equal(weft_scope_end(&scope), 0);
    assert_int_equal(askers[0].result, -ECANCELED);
    asker_end(&askers[0]);
    weft_sleep(0);
    weft_sleep(MS);
    assert_int_equal(closed, 1); /* the server knows that nobody waits any more */
    assert_int_equal(stats().connected, 1);
    assert_int_equal(stats().in_flight, 0);
}

static void test_blocking_command_has_a_connection_of_its_own(void **state)
{
    (void)state;
    script[1][0] = ":1\r\n";
    scripted(check_apart);
}

static void check_kept(void)
{
    expect_reply("['q' 'x']", "BLPOP q 0");
    expect_reply("['q' 'y']", "BLPOP q 0");
    expect_reply("1", "WAIT 1 0");
    assert_int_equal(connections, 1);
    expect_reply("4", "INCR a");
    assert_int_equal(connections, 2);
}

static void test_blocking_connection_is_kept_for_the_next_one(void **state)
{
    (void)state;
    script[0][0] = "*2\r\n$1\r\nq\r\n$1\r\nx\r\n";
    script[0][1] = "*2\r\n$1\r\nq\r\n$1\r\ny\r\n";
    script[0][2] = ":1\r\n";
    script[1][0] = ":4\r\n";
    scripted(check_kept);
}

/* Answers each after a second. */
static int answer_slowly(weft_stream *stream, void *arg)
{
    (void)arg;
    connections++;
    while (hear_command(stream) == 0)
        if (weft_sleep(S) < 0 || weft_write(stream, ":1\r\n", 4) < 0)
            return 0;
    return 0;
}

static void check_line(void)
{
    weft_scope scope;
    int64_t start = weft_now();
    weft_scope_begin(&scope);
    for (int i = 0; i < 6; i++)
        asker_begin(&scope, &askers[i], "BLPOP q 0");
    weft_sleep(S / 2);
    weft_task_cancel(askers[3].task, "in line");
    weft_task_cancel(askers[1].task, "in flight");
    assert_int_equal(weft_scope_end(&scope), 0);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(askers[i].result, i == 1 || i == 3 ? -ECANCELED : 0);
        asker_end(&askers[i]);
    }
    assert_int_equal((weft_now() - start) / S, 2);
    assert_int_equal(connections, 3); /* of which one was given up */
}

static void test_blocking_commands_wait_in_line_for_a_connection(void **state)
{
    (void)state;
    assert_int_equal(
        run(scripted_main, &(struct scripted){ .body = check_line,
                                               .serve = answer_slowly,
                                               .options = { .blocking_connections_max = 2 } }),
        0);
}

static void check_lost(void)
{
    assert_int_equal(weft_redis_ask(redis, arena, NULL, "BLPOP q 0"), WEFT_EINDOUBT);
    expect_reply("null", "XREAD BLOCK 1 STREAMS a 0"); /* only reads: sent again */
    assert_int_equal(connections, 3);
}

static void test_blocking_command_that_pops_is_not_repeated(void **state)
{
    (void)state;
    script[0][0] = CLOSE;
    script[1][0] = CLOSE;
    script[2][0] = "_\r\n";
    scripted(check_lost);
}

static void check_close(void)
{
    weft_scope scope;
    weft_scope_begin(&scope);
    for (int i = 0; i < 3; i++)
        asker_begin(&scope, &askers[i], "BLPOP q 0");
    weft_sleep(S);
    weft_redis_close(redis);
    redis = NULL;
    assert_int_equal(weft_scope_end(&scope), 0);
    assert_int_equal(askers[0].result, WEFT_EINDOUBT);
    assert_int_equal(askers[1].result, WEFT_EINDOUBT);
    assert_int_equal(askers[2].result, -ESHUTDOWN);
    for (int i = 0; i < 3; i++)
        asker_end(&askers[i]);
}

static void test_close_ends_who_blocks_and_who_is_in_line(void **state)
{
    (void)state;
    scripted(check_close, .blocking_connections_max = 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_test(test_blocking_command_has_a_connection_of_its_own),
        http_test(test_blocking_connection_is_kept_for_the_next_one),
        http_test(test_blocking_commands_wait_in_line_for_a_connection),
        http_test(test_blocking_command_that_pops_is_not_repeated),
        http_test(test_close_ends_who_blocks_and_who_is_in_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
