/* Subscriptions: messages in order, gaps that are told, and queues that are full. */

#include "client_test.h"

#define SUBSCRIBED(name, n) ">3\r\n$9\r\nsubscribe\r\n$1\r\n" name "\r\n:" n "\r\n"
#define MESSAGE(name, data) ">3\r\n$7\r\nmessage\r\n$1\r\n" name "\r\n$1\r\n" data "\r\n"

static weft_redis_subscription *news;
static weft_redis_message message;
static const char *const one[] = { "a", NULL };

static void next(const char *channel, const char *data)
{
    assert_int_equal(weft_redis_subscription_next(news, arena, &message), 0);
    assert_string_equal(message.channel ? message.channel : "(gap)", channel);
    assert_string_equal(message.data, data);
    assert_int_equal(message.size, strlen(data));
}

static void check_messages(void)
{
    static const char *const globs[] = { "b*", NULL };
    assert_int_equal(weft_redis_subscribe(&news, redis, .channels = one, .patterns = globs), 0);
    next("a", "1");
    assert_null(message.pattern);
    next("bc", "2");
    assert_string_equal(message.pattern, "b*");
    assert_int_equal(message.channel_size, 2);
    next("a", "");
    assert_int_equal(message.dropped, 0);
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = S);
    int err = weft_redis_subscription_next(news, arena, &message);
    assert_int_equal(weft_scope_leave(&scope, err), -ETIMEDOUT);
    assert_string_equal(asked, "SUBSCRIBE a|PSUBSCRIBE b*|");
    weft_redis_subscription_close(news);
    weft_redis_subscription_close(NULL);
    weft_sleep(0);
    weft_sleep(MS);
    assert_int_equal(closed, 1);
}

static void test_subscription_gives_messages_in_order(void **state)
{
    (void)state;
    script[0][0] = SUBSCRIBED("a", "1");
    script[0][1] = ">3\r\n$10\r\npsubscribe\r\n$2\r\nb*\r\n:2\r\n" MESSAGE(
        "a", "1") ">4\r\n$8\r\npmessage\r\n$2\r\nb*\r\n$2\r\nbc\r\n$1\r\n2\r\n"
                  ">2\r\n+other\r\n:1\r\n"
                  ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$0\r\n\r\n";
    scripted(check_messages);
}

static void test_subscription_speaks_version_2_too(void **state)
{
    (void)state;
    script[0][0] = "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n";
    script[0][1] = "*3\r\n$10\r\npsubscribe\r\n$2\r\nb*\r\n:2\r\n"
                   "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\n1\r\n"
                   "*4\r\n$8\r\npmessage\r\n$2\r\nb*\r\n$2\r\nbc\r\n$1\r\n2\r\n"
                   "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$0\r\n\r\n";
    scripted(check_messages, .protocol = 2);
}

static void check_gap(void)
{
    assert_int_equal(weft_redis_subscribe(&news, redis, .channels = one), 0);
    next("a", "1");
    next("(gap)", "");
    next("a", "2");
    next("(gap)", "");
    next("(gap)", ""); /* lost anew after the first one was taken */
    next("a", "3");
    assert_int_equal(connections, 4);
    weft_redis_subscription_close(news);
}

static void check_one_gap(void)
{
    assert_int_equal(weft_redis_subscribe(&news, redis, .channels = one), 0);
    weft_sleep(WEFT_MINUTE);
    next("a", "1");
    next("(gap)", "");
    next("a", "2");
    next("(gap)", ""); /* lost twice, and nothing was between */
    next("a", "3");
    weft_redis_subscription_close(news);
}

static void set_losses(void)
{
    script[0][0] = SUBSCRIBED("a", "1");
    script[0][1] = "!" MESSAGE("a", "1");
    script[0][2] = END;
    script[1][0] = SUBSCRIBED("a", "1");
    script[1][1] = "!" MESSAGE("a", "2");
    script[1][2] = END;
    script[2][0] = CLOSE;
    script[3][0] = SUBSCRIBED("a", "1") MESSAGE("a", "3");
}

static void test_subscription_survives_and_says_where_something_is_missing(void **state)
{
    (void)state;
    set_losses();
    scripted(check_gap);
    set_losses();
    scripted(check_one_gap);
}

static void check_refused(void)
{
    assert_int_equal(weft_redis_subscribe(&news, redis, .channels = one), WEFT_EREPLY);
    weft_sleep(WEFT_MINUTE);
    assert_int_equal(connections, 1); /* no loop */
    assert_int_equal(weft_redis_subscribe(&news, redis, .channels = one), 0);
    next("(gap)", "");
    assert_int_equal(weft_redis_subscription_next(news, arena, &message), WEFT_EREPLY);
    assert_int_equal(weft_redis_subscription_next(news, arena, &message), WEFT_EREPLY);
    weft_redis_subscription_close(news);
    assert_int_equal(weft_redis_subscribe(&news, redis), -EINVAL);
}

static void test_subscription_that_the_server_refuses_is_over(void **state)
{
    (void)state;
    script[0][0] = "-NOPERM this user has no permissions\r\n";
    script[1][0] = SUBSCRIBED("a", "1");
    script[1][1] = END;
    script[2][0] = "-NOPERM this user has no permissions\r\n";
    scripted(check_refused);
}

/* The server sends numbered messages as fast as it can. */

static int flood_count;

static int flood(weft_stream *stream, void *arg)
{
    (void)arg;
    if (hear_command(stream) < 0)
        return 0;
    weft_write(stream, SUBSCRIBED("a", "1"), sizeof SUBSCRIBED("a", "1") - 1);
    for (int i = 0; i < flood_count; i++) {
        char text[64];
        int size =
            snprintf(text, sizeof text, ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$4\r\n%04d\r\n", i);
        if (weft_write(stream, text, (size_t)size) < 0)
            return 0;
    }
    return read_to_the_end(stream);
}

static enum weft_redis_full policy;
static int got, first_got, last_got;
static uint64_t dropped;

static void check_full(void)
{
    weft_scope scope;
    got = 0, first_got = -1, dropped = 0;
    assert_int_equal(weft_redis_subscribe(&news, redis, .channels = one, .queue_max = 1000,
                                          .full = (uint8_t)policy),
                     0);
    weft_sleep(S);
    weft_scope_begin(&scope, .timeout = S);
    int err;
    while ((err = weft_redis_subscription_next(news, arena, &message)) == 0) {
        last_got = atoi(message.data);
        first_got = first_got < 0 ? last_got : first_got;
        dropped += message.dropped;
        if (policy == WEFT_REDIS_FULL_WAIT)
            assert_int_equal(last_got, got);
        got++;
    }
    weft_scope_leave(&scope, err);
    weft_redis_subscription_close(news);
}

static void flooded(enum weft_redis_full how)
{
    policy = how;
    flood_count = 5000;
    assert_int_equal(run(scripted_main, &(struct scripted){ .body = check_full, .serve = flood }),
                     0);
}

static void test_subscription_with_a_full_queue_keeps_to_its_policy(void **state)
{
    (void)state;
    flooded(WEFT_REDIS_FULL_WAIT);
    assert_int_equal(got, 5000);
    assert_int_equal(dropped, 0);
    flooded(WEFT_REDIS_FULL_OLDEST);
    assert_int_equal(last_got, 4999);
    assert_true(first_got > 4900);
    assert_int_equal(got + (int)dropped, 5000);
    flooded(WEFT_REDIS_FULL_NEWEST);
    assert_int_equal(first_got, 0);
    assert_true(got < 100);
    assert_int_equal(got + (int)dropped, 5000);
}

/* Closed while its connection waits for room in the queue. */
static void check_close_full(void)
{
    assert_int_equal(weft_redis_subscribe(&news, redis, .channels = one, .queue_max = 100), 0);
    weft_sleep(S);
    weft_redis_subscription_close(news);
    weft_sleep(S);
    assert_int_equal(stats().connected, 0);
    assert_int_equal(weft_redis_subscribe(&news, redis, .channels = one, .queue_max = 100), 0);
    weft_sleep(S);
    weft_redis_close(redis);
    redis = NULL;
    int err;
    while ((err = weft_redis_subscription_next(news, arena, &message)) == 0)
        ;
    assert_int_equal(err, -ESHUTDOWN);
    weft_redis_subscription_close(news);
}

static void test_subscription_may_be_closed_at_any_time(void **state)
{
    (void)state;
    flood_count = 5000;
    assert_int_equal(
        run(scripted_main, &(struct scripted){ .body = check_close_full, .serve = flood }), 0);
}

static int subscribe_one(void *arg)
{
    (void)arg;
    return weft_redis_subscribe(&news, redis, .channels = one);
}

static void check_cancel(void)
{
    for (int turns = 0; turns < 12; turns++) {
        weft_scope scope;
        weft_task *task;
        weft_scope_begin(&scope);
        assert_int_equal(weft_spawn(&scope, subscribe_one, NULL, .task = &task), 0);
        for (int i = 0; i < turns; i++)
            weft_sleep(0);
        weft_task_cancel(task, "now");
        assert_int_equal(weft_scope_end(&scope), 0);
        if (weft_task_result(task, NULL) == 0)
            weft_redis_subscription_close(news);
        weft_task_release(task);
    }
    weft_sleep(S);
    assert_int_equal(stats().connected, 0);
}

static void test_subscription_cancelled_while_it_begins_leaves_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        script[i][0] = SUBSCRIBED("a", "1");
    scripted(check_cancel, .blocking_connections_max = 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_test(test_subscription_gives_messages_in_order),
        http_test(test_subscription_speaks_version_2_too),
        http_test(test_subscription_survives_and_says_where_something_is_missing),
        http_test(test_subscription_that_the_server_refuses_is_over),
        http_test(test_subscription_with_a_full_queue_keeps_to_its_policy),
        http_test(test_subscription_may_be_closed_at_any_time),
        http_test(test_subscription_cancelled_while_it_begins_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
