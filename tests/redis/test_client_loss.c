/* Calls that do not go well: the connection breaks, there is no server, callers give up, the client
 * is closed. */

#include "client_test.h"

/* --- broken connections --- */

static void check_repeat(void)
{
    static struct asker some[4];
    static const char *const words[] = { "GET a", "INCR b", "MGET c d", "SET e f" };
    weft_scope scope;
    weft_scope_begin(&scope);
    for (int i = 0; i < 4; i++)
        asker_begin(&scope, &some[i], words[i]);
    some[3].call.idempotent = true;
    assert_int_equal(weft_scope_end(&scope), 0);
    assert_int_equal(some[0].result, 0);
    assert_int_equal(some[0].call.value->integer, 1);
    assert_int_equal(some[1].result, WEFT_EINDOUBT);
    expect_text(some[1].call.detail, "INCR: ");
    assert_int_equal(some[2].call.value->integer, 2);
    assert_int_equal(some[3].call.value->integer, 3);
    for (int i = 0; i < 4; i++)
        asker_end(&some[i]);
    assert_string_equal(asked, "GET a|GET a|MGET c d|SET e f|");
    assert_int_equal(stats().repeated, 3);
    assert_int_equal(stats().in_doubt, 1);
    assert_int_equal(stats().losses, 1);
}

static void test_calls_in_flight_are_repeated_only_where_that_is_safe(void **state)
{
    (void)state;
    script[0][0] = CLOSE;
    script[1][0] = ":1\r\n";
    script[1][1] = ":2\r\n";
    script[1][2] = ":3\r\n";
    scripted(check_repeat);
    script[0][0] = RESET;
    script[1][0] = ":1\r\n";
    script[1][1] = ":2\r\n";
    script[1][2] = ":3\r\n";
    scripted(check_repeat);
}

static void check_repeat_order(void)
{
    static struct asker some[4];
    static const char *const words[] = { "GET a", "GET b", "GET c", "GET d" };
    weft_scope scope;
    weft_scope_begin(&scope);
    for (int i = 0; i < 4; i++)
        asker_begin(&scope, &some[i], words[i]);
    assert_int_equal(weft_scope_end(&scope), 0);
    for (int i = 0; i < 4; i++)
        asker_end(&some[i]);
    assert_string_equal(asked, "GET a|GET a|GET b|GET c|GET d|");
}

static void test_calls_that_are_repeated_come_before_those_that_wait(void **state)
{
    (void)state;
    script[0][0] = CLOSE;
    script[1][0] = script[1][1] = script[1][2] = script[1][3] = ":1\r\n";
    scripted(check_repeat_order, .in_flight_max = 2);
}

static void check_repeat_ends(void)
{
    assert_int_equal(weft_redis_ask(redis, arena, NULL, "GET a"), WEFT_EINDOUBT);
    assert_int_equal(connections, 3);
}

static void test_call_is_not_repeated_for_ever(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        script[i][0] = CLOSE;
    scripted(check_repeat_ends);
}

/* The server closes after each byte of two replies in turn: what has come whole counts, the rest is
 * in doubt, and nothing is taken for anything else. */

static size_t bytes_until_close;
static const char two[] = "$3\r\none\r\n:2\r\n";

static int close_after_bytes(weft_stream *stream, void *arg)
{
    (void)arg;
    if (hear_command(stream) < 0 || hear_command(stream) < 0)
        return 0;
    weft_write(stream, two, bytes_until_close);
    return 0;
}

static void check_close_at(void)
{
    for (bytes_until_close = 0; bytes_until_close <= sizeof two - 1; bytes_until_close++) {
        static struct asker pair[2];
        weft_scope scope;
        weft_scope_begin(&scope);
        asker_begin(&scope, &pair[0], "INCR a");
        asker_begin(&scope, &pair[1], "INCR b");
        assert_int_equal(weft_scope_end(&scope), 0);
        assert_int_equal(pair[0].result, bytes_until_close >= 9 ? 0 : WEFT_EINDOUBT);
        assert_int_equal(pair[1].result, bytes_until_close == 13 ? 0 : WEFT_EINDOUBT);
        if (pair[0].result == 0)
            assert_string_equal(show(pair[0].call.value), "'one'");
        if (pair[1].result == 0)
            assert_string_equal(show(pair[1].call.value), "2");
        asker_end(&pair[0]);
        asker_end(&pair[1]);
    }
    assert_int_equal(stats().connects, sizeof two);
}

static void test_close_at_every_byte_is_seen_for_what_it_is(void **state)
{
    (void)state;
    assert_int_equal(run(scripted_main,
                         &(struct scripted){ .body = check_close_at, .serve = close_after_bytes }),
                     0);
}

static void check_idle_close(void)
{
    expect_reply("1", "INCR a");
    weft_sleep(S);
    assert_int_equal(stats().connected, 0);
    assert_int_equal(connections, 1); /* nobody needs one now */
    expect_reply("2", "INCR a");
    assert_int_equal(connections, 2);
}

static void test_connection_that_was_closed_idle_is_made_anew_when_it_is_needed(void **state)
{
    (void)state;
    script[0][0] = ":1\r\n";
    script[0][1] = END;
    script[1][0] = ":2\r\n";
    scripted(check_idle_close);
}

/* --- no server --- */

static void check_no_server(void)
{
    weft_scope scope;
    int64_t start = weft_now();
    weft_scope_begin(&scope, .timeout = 10 * S);
    int err = weft_redis_ask(redis, arena, NULL, "INCR a");
    assert_int_equal(err, -ECANCELED);
    assert_int_equal(weft_scope_leave(&scope, err), -ETIMEDOUT);
    assert_int_equal(weft_now() - start, 10 * S);
    /* 10, 20, 40, … 1,280 ms and then 2 s, each half of that on average. */
    uint64_t failures = stats().failures;
    assert_true(failures >= 10 && failures <= 60);
    weft_sleep(WEFT_MINUTE);
    assert_true(stats().failures <= failures + 1); /* nobody waits: nobody tries */
    assert_int_equal(stats().waiting, 0);
}

static void test_no_server_is_waited_for_with_growing_pauses(void **state)
{
    (void)state;
    scripted(check_no_server, .address = "mem:nobody");
}

static void check_offline(void)
{
    weft_slice args[] = { weft_redis_text("INCR"), weft_redis_text("a") };
    weft_redis_call call = { .redis = redis, .arena = arena, .args = args, .count = 2 };
    int64_t start = weft_now();
    assert_int_equal(weft_redis_send(&call), -ECONNREFUSED);
    for (int i = 0; i < 100; i++)
        assert_int_equal(weft_redis_send(&call), -ECONNREFUSED);
    assert_int_equal(weft_now(), start);
    expect_text(call.detail, "INCR: ");
    assert_true(stats().failures <= 2);
    weft_sleep(WEFT_MINUTE);
    assert_int_equal(weft_redis_send(&call), -ECONNREFUSED);
    assert_true(stats().failures >= 2);
}

static void test_no_server_is_an_error_at_once_for_who_wants_that(void **state)
{
    (void)state;
    scripted(check_offline, .address = "mem:nobody", .offline = WEFT_REDIS_OFFLINE_FAIL,
             .backoff_least = S);
}

static void check_not_offline(void)
{
    expect_reply("1", "INCR a");
    weft_sleep(0);
    weft_sleep(0);
    expect_reply("2", "INCR a"); /* a loss is no failure: it waits for the next one */
    assert_int_equal(stats().losses, 1);
}

static void test_lost_connection_is_made_anew_for_who_does_not_want_to_wait_too(void **state)
{
    (void)state;
    script[0][0] = ":1\r\n";
    script[0][1] = END;
    script[1][0] = ":2\r\n";
    scripted(check_not_offline, .offline = WEFT_REDIS_OFFLINE_FAIL, .backoff_least = S);
}

static void check_back_again(void)
{
    static struct asker asker;
    struct peer late = { .serve = follow };
    script[0][0] = ":5\r\n";
    asker_begin(weft_background(), &asker, "INCR a");
    weft_sleep(WEFT_MINUTE);
    peer_begin(&late, "mem:late");
    assert_int_equal(weft_await(asker.task), 0);
    assert_int_equal(asker.result, 0); /* it was not sent before */
    asker_end(&asker);
    weft_redis_close(redis);
    redis = NULL;
    weft_sleep(MS);
    peer_end(&late);
}

static void test_call_waits_for_a_server_that_comes_late(void **state)
{
    (void)state;
    scripted(check_back_again, .address = "mem:late");
}

/* --- cancels --- */

static void check_cancel(void)
{
    static struct asker some[5];
    weft_scope scope;
    weft_scope_begin(&scope);
    for (int i = 0; i < 5; i++)
        asker_begin(&scope, &some[i], "INCR a");
    weft_sleep(S); /* the server has heard the first one, and will answer after 10 s */
    weft_task_cancel(some[0].task, "now");
    weft_task_cancel(some[2].task, "now");
    weft_sleep(0);
    weft_sleep(0);
    assert_int_equal(some[0].result, -ECANCELED);
    assert_int_equal(stats().orphans, 2);
    memset(&some[0].call, 0xee, sizeof some[0].call); /* nobody looks at it any more */
    memset(&some[2].call, 0xee, sizeof some[2].call);
    assert_int_equal(weft_scope_end(&scope), 0);
    for (int i = 1; i < 5; i++)
        if (i != 2)
            assert_int_equal(some[i].call.value->integer, i);
    for (int i = 0; i < 5; i++)
        asker_end(&some[i]);
    assert_int_equal(stats().orphans, 0);
    assert_int_equal(stats().losses, 0);
}

static int answer_late(weft_stream *stream, void *arg)
{
    (void)arg;
    for (int i = 0; hear_command(stream) == 0; i++) {
        char out[WF_RESP_HEAD_MAX], *end = wf_resp_write_head(out, WF_RESP_INTEGER, i);
        if (i == 0 && weft_sleep(10 * S) < 0)
            return 0;
        weft_write(stream, out, (size_t)(end - out));
    }
    return 0;
}

static void test_cancelled_call_leaves_its_place_to_nobody(void **state)
{
    (void)state;
    assert_int_equal(
        run(scripted_main, &(struct scripted){ .body = check_cancel, .serve = answer_late }), 0);
}

static void check_cancelled_before(void)
{
    weft_scope scope;
    weft_scope_begin(&scope);
    weft_scope_cancel(&scope, "before");
    assert_int_equal(weft_redis_ask(redis, arena, NULL, "INCR a"), -ECANCELED);
    assert_int_equal(weft_scope_end(&scope), 0);
    weft_sleep(S);
    assert_int_equal(connections, 0); /* nothing has happened */
}

static void test_call_in_a_cancelled_scope_is_not_sent(void **state)
{
    (void)state;
    scripted(check_cancelled_before);
}

static void check_silence(void)
{
    for (int i = 0; i < 30 && stats().losses == 0; i++) {
        weft_scope scope;
        weft_scope_begin(&scope, .timeout = S / 4);
        int err = weft_redis_ask(redis, arena, NULL, "INCR a");
        assert_int_equal(weft_scope_leave(&scope, err), -ETIMEDOUT);
        weft_sleep(0);
        weft_sleep(0);
        weft_sleep(0);
    }
    assert_int_equal(stats().losses, 1);
    assert_int_equal(stats().orphans, 0);
    expect_reply("9", "INCR a");
    assert_int_equal(connections, 2);
}

static void test_server_that_is_silent_while_orphans_pile_up_is_given_up(void **state)
{
    (void)state;
    script[1][0] = ":9\r\n";
    scripted(check_silence, .orphans_max = 8);
}

static void check_slow(void)
{
    for (int i = 0; i < 40; i++) {
        weft_scope scope;
        weft_scope_begin(&scope, .timeout = S / 10);
        int err = weft_redis_ask(redis, arena, NULL, "INCR a");
        assert_int_equal(weft_scope_leave(&scope, err), -ETIMEDOUT);
    }
    assert_true(stats().orphans > 8);
    assert_int_equal(stats().losses, 0);
}

static int answer_each_half_second(weft_stream *stream, void *arg)
{
    (void)arg;
    while (hear_command(stream) == 0)
        if (weft_sleep(S / 2) < 0 || weft_write(stream, ":1\r\n", 4) < 0)
            return 0;
    return 0;
}

static void test_server_that_is_slow_and_not_silent_is_kept(void **state)
{
    (void)state;
    assert_int_equal(run(scripted_main, &(struct scripted){ .body = check_slow,
                                                            .serve = answer_each_half_second,
                                                            .options = { .orphans_max = 8 } }),
                     0);
}

/* --- the end --- */

static void check_close(void)
{
    static struct asker some[3];
    weft_scope scope;
    weft_scope_begin(&scope);
    asker_begin(&scope, &some[0], "INCR a");
    asker_begin(&scope, &some[1], "GET a");
    asker_begin(&scope, &some[2], "INCR a");
    weft_sleep(S);
    weft_redis_close(redis);
    assert_int_equal(weft_scope_end(&scope), 0);
    assert_int_equal(some[0].result, WEFT_EINDOUBT);
    assert_int_equal(some[1].result, WEFT_EINDOUBT);
    assert_int_equal(some[2].result, -ESHUTDOWN);
    for (int i = 0; i < 3; i++)
        asker_end(&some[i]);
    redis = NULL;
}

static void test_close_ends_calls_under_way(void **state)
{
    (void)state;
    scripted(check_close, .in_flight_max = 2);
}

static void check_close_connecting(void)
{
    static struct asker asker;
    weft_scope scope;
    weft_scope_begin(&scope);
    asker_begin(&scope, &asker, "INCR a");
    weft_sleep(S);
    weft_redis_close(redis);
    assert_int_equal(weft_scope_end(&scope), 0);
    assert_int_equal(asker.result, -ESHUTDOWN);
    asker_end(&asker);
    redis = NULL;
}

static void test_close_ends_calls_that_wait_for_a_connection(void **state)
{
    (void)state;
    greets = true;
    script[0][0] = "!";
    scripted(check_close_connecting);
    scripted(check_close_connecting, .address = "mem:nobody");
}

static int end_with_the_loop(void *arg)
{
    struct peer peer = { .serve = follow };
    weft_redis **kept = arg;
    script[0][0] = ":1\r\n";
    connections = closed = 0;
    assert_int_equal(weft_arena_new(&arena, SIZE_MAX), 0);
    assert_int_equal(weft_redis_open(&redis, "mem:redis"), 0);
    peer_begin(&peer, "mem:redis");
    expect_reply("1", "INCR a");
    peer_end(&peer);
    weft_arena_free(arena);
    *kept = redis;
    weft_redis_close(redis);
    return 0; /* without a turn for what is in the background */
}

static void test_client_ends_with_its_loop(void **state)
{
    (void)state;
    weft_redis *kept;
    assert_int_equal(run(end_with_the_loop, &kept), 0);
    memset(script, 0, sizeof script);
}

static int cancel_other(weft_task *task, void *self)
{
    if (task != self && strncmp(weft_task_name(task), "redis", 5) == 0)
        weft_task_cancel(task, "it looked like nobody's");
    return 0;
}

static void check_task_cancelled(void)
{
    static struct asker asker;
    weft_scope scope;
    weft_scope_begin(&scope);
    asker_begin(&scope, &asker, "INCR a");
    weft_sleep(S);
    assert_int_equal(weft_task_each(cancel_other, weft_task_self()), 0);
    assert_int_equal(weft_scope_end(&scope), 0);
    assert_int_equal(asker.result, WEFT_EINDOUBT);
    asker_end(&asker);
    expect_reply("2", "INCR a");
}

static void test_client_whose_task_was_cancelled_begins_anew(void **state)
{
    (void)state;
    script[1][0] = ":2\r\n";
    scripted(check_task_cancelled);
}

static int ask_from_outside(void *arg)
{
    weft_slice args[] = { weft_redis_text("PING") };
    weft_redis_call call = { .redis = arg, .args = args, .count = 1 };
    weft_redis_transaction *t;
    weft_redis_subscription *news;
    static const char *const channels[] = { "a", NULL };
    assert_int_equal(weft_redis_send(&call), WEFT_ETHREAD);
    assert_int_equal(weft_redis_transaction_begin(&t, arg, arena), WEFT_ETHREAD);
    assert_int_equal(weft_redis_subscribe(&news, arg, .channels = channels), WEFT_ETHREAD);
    return 0;
}

static void test_client_is_of_its_own_loop_alone(void **state)
{
    (void)state;
    weft_loop *loop;
    weft_redis *made;
    assert_int_equal(weft_loop_new(&loop, .clock = WEFT_CLOCK_TEST), 0);
    assert_int_equal(weft_redis_open(&made, "mem:a"), 0);
    assert_int_equal(weft_arena_new(&arena, SIZE_MAX), 0);
    weft_slice args[] = { weft_redis_text("PING") };
    weft_redis_call call = { .redis = made, .args = args, .count = 1 };
    assert_int_equal(weft_redis_send(&call), -EPERM);
    assert_int_equal(run(ask_from_outside, made), 0);
    weft_arena_free(arena);
    weft_redis_close(made);
    assert_int_equal(weft_loop_free(loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_test(test_calls_in_flight_are_repeated_only_where_that_is_safe),
        http_test(test_calls_that_are_repeated_come_before_those_that_wait),
        http_test(test_call_is_not_repeated_for_ever),
        http_test(test_close_at_every_byte_is_seen_for_what_it_is),
        http_test(test_connection_that_was_closed_idle_is_made_anew_when_it_is_needed),
        http_test(test_no_server_is_waited_for_with_growing_pauses),
        http_test(test_no_server_is_an_error_at_once_for_who_wants_that),
        http_test(test_lost_connection_is_made_anew_for_who_does_not_want_to_wait_too),
        http_test(test_call_waits_for_a_server_that_comes_late),
        http_test(test_cancelled_call_leaves_its_place_to_nobody),
        http_test(test_call_in_a_cancelled_scope_is_not_sent),
        http_test(test_server_that_is_silent_while_orphans_pile_up_is_given_up),
        http_test(test_server_that_is_slow_and_not_silent_is_kept),
        http_test(test_close_ends_calls_under_way),
        http_test(test_close_ends_calls_that_wait_for_a_connection),
        http_test(test_client_ends_with_its_loop),
        http_test(test_client_whose_task_was_cancelled_begins_anew),
        http_test(test_client_is_of_its_own_loop_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
