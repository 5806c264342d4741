/* Everything that the client does, with each allocation failing in turn, and with a cancel at each
 * turn of the loop: what comes is a clean error, and the client works afterwards. */

#include "client_test.h"

/* --- a server that knows what the sequence below asks --- */

static int answer_commands(weft_stream *stream, void *arg)
{
    static const struct {
        const char *command, *answer;
    } table[] = {
        { "MULTI", "+OK\r\n" },
        { "EXEC", "*2\r\n:1\r\n:2\r\n" },
        { "WATCH", "+OK\r\n" },
        { "UNWATCH", "+OK\r\n" },
        { "GET", "$1\r\n9\r\n" },
        { "SET", "+QUEUED\r\n" },
        { "SUBSCRIBE", ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
                       ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n" },
        { "SCAN", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n" },
        { "BLPOP", "*2\r\n$1\r\nq\r\n$1\r\nx\r\n" },
        { "ECHO", "*3\r\n:1\r\n%1\r\n+a\r\n:2\r\n$1\r\nz\r\n" },
        { "HELLO", HELLO_3 },
    };
    weft_slice args[8];
    struct wf_resp_command command;
    (void)arg;
    while (read_command(stream, args, 8, &command) == 0) {
        const char *text = NULL;
        for (size_t i = 0; i < WF_ARRAY_SIZE(table); i++)
            if (args[0].size == strlen(table[i].command) &&
                memcmp(args[0].data, table[i].command, args[0].size) == 0)
                text = table[i].answer;
        assert_non_null(text);
        weft_buffer_consume(weft_stream_input(stream), command.size);
        if (weft_write(stream, text, strlen(text)) < 0)
            return 0;
    }
    return 0;
}

/* --- the sequence --- */

static weft_arena *own;
static char large[300000];

static int ask_short(void)
{
    const weft_redis_value *value;
    int err = weft_redis_ask(redis, own, &value, "ECHO %s", "x");
    if (err == 0)
        assert_string_equal(show(value), "[1 {+a 2} 'z']");
    return err;
}

static int ask_large(void)
{
    return weft_redis_ask(redis, own, NULL, "ECHO %b", large, sizeof large);
}

static int pop(void)
{
    const weft_redis_value *value;
    int err = weft_redis_ask(redis, own, &value, "BLPOP q 0");
    if (err == 0)
        assert_string_equal(show(value), "['q' 'x']");
    return err;
}

static int transact(void)
{
    weft_redis_transaction *t;
    const weft_redis_value *value;
    weft_slice key = weft_redis_text("k");
    int err = weft_redis_transaction_begin(&t, redis, own, .watch = &key, .watch_count = 1);
    if (err < 0)
        return err;
    err = weft_redis_transaction_ask(t, &value, "GET k");
    if (err == 0)
        assert_string_equal(value->text, "9");
    for (int i = 0; err == 0 && i < 2; i++)
        err = weft_redis_transaction_add(t, "SET k %d", i);
    if (err == 0)
        err = weft_redis_transaction_execute(t, &value);
    if (err == 0)
        assert_string_equal(show(value), "[1 2]");
    weft_redis_transaction_end(t);
    return err;
}

static int discard(void)
{
    weft_redis_transaction *t;
    weft_slice key = weft_redis_text("k");
    int err = weft_redis_transaction_begin(&t, redis, own, .watch = &key, .watch_count = 1);
    if (err == 0)
        weft_redis_transaction_end(t);
    return err;
}

static int listen_once(void)
{
    static const char *const channels[] = { "a", NULL };
    weft_redis_subscription *news;
    weft_redis_message message = { .channel = NULL };
    int err = weft_redis_subscribe(&news, redis, .channels = channels);
    if (err < 0)
        return err;
    while (err == 0 && !message.channel)
        err = weft_redis_subscription_next(news, own, &message);
    if (err == 0)
        assert_string_equal(message.data, "x");
    weft_redis_subscription_close(news);
    return err;
}

static int scan(void)
{
    weft_redis_scan *walk;
    weft_redis_item item;
    int err = weft_redis_scan_open(&walk, redis), count = 0;
    if (err < 0)
        return err;
    while ((err = weft_redis_scan_next(walk, &item)) > 0)
        count++;
    if (err == 0)
        assert_int_equal(count, 2);
    weft_redis_scan_close(walk);
    return err;
}

static int (*const steps[])(void) = { ask_short, ask_large,   pop, transact,
                                      discard,   listen_once, scan };

static bool is_clean(int err)
{
    return err == 0 || err == -ENOMEM || err == WEFT_EINDOUBT || err == -ETIMEDOUT ||
           err == -EAGAIN || err == -ECANCELED || (err == -ESHUTDOWN && !redis);
}

/* Each in a scope of its own: a server without memory may not come back. */
static int take_steps(bool all_succeed)
{
    int first = 0;
    for (size_t i = 0; i < WF_ARRAY_SIZE(steps); i++) {
        weft_scope scope;
        weft_scope_begin(&scope, .timeout = S);
        int err = weft_scope_leave(&scope, steps[i]());
        if (all_succeed ? err != 0 : !is_clean(err))
            fail_msg("step %zu: %s", i, weft_error_name(err));
        first = first == 0 ? err : first;
        if (err == -ECANCELED || !redis)
            break;
    }
    return first;
}

/* --- memory --- */

static struct wf_memory_fault fault;
static long fault_at;
static bool fault_stays;

static void check_memory(void)
{
    assert_int_equal(weft_arena_new(&own, SIZE_MAX), 0);
    fault = (struct wf_memory_fault){ .countdown = fault_at, .persistent = fault_stays };
    wf_memory_fault_set(&fault);
    take_steps(false);
    wf_memory_fault_set(NULL);
    weft_sleep(WEFT_MINUTE); /* the server's own pauses */
    take_steps(true);
    weft_arena_free(own);
}

static void test_client_is_well_after_each_allocation_has_failed(void **state)
{
    (void)state;
    for (int stays = 0; stays < 2; stays++) {
        bool failed = true;
        fault_stays = stays;
        for (fault_at = 1; failed; fault_at++) {
            assert_int_equal(run(scripted_main, &(struct scripted){ .body = check_memory,
                                                                    .serve = answer_commands }),
                             0);
            failed = fault.injected > 0;
            logged_count = 0; /* the server's own failures */
            assert_true(fault_at < 1000);
        }
    }
}

/* --- cancels --- */

static bool is_done;

static int take_steps_alone(void *arg)
{
    (void)arg;
    int err = take_steps(false);
    is_done = err == 0;
    return err;
}

static void check_cancel(void)
{
    is_done = false;
    assert_int_equal(weft_arena_new(&own, SIZE_MAX), 0);
    for (int turns = 0; !is_done; turns++) {
        weft_scope scope;
        weft_task *task;
        weft_scope_begin(&scope);
        assert_int_equal(weft_spawn(&scope, take_steps_alone, NULL, .task = &task), 0);
        for (int i = 0; i < turns; i++)
            weft_sleep(0);
        weft_task_cancel(task, "now");
        assert_int_equal(weft_scope_end(&scope), 0);
        weft_task_release(task);
        weft_sleep(MS);
        assert_int_equal(stats().in_flight, 0);
        assert_int_equal(stats().waiting, 0);
        assert_int_equal(ask_short(), 0);
        assert_true(turns < 2000);
    }
    take_steps(true);
    assert_int_equal(stats().failures, 0);
    weft_arena_free(own);
}

static void test_client_is_well_after_a_cancel_at_each_turn(void **state)
{
    (void)state;
    assert_int_equal(
        run(scripted_main, &(struct scripted){ .body = check_cancel, .serve = answer_commands }),
        0);
}

/* --- the client's end, at each turn --- */

static int end_turns;

static void check_end(void)
{
    weft_scope scope;
    weft_task *task;
    is_done = false;
    assert_int_equal(weft_arena_new(&own, SIZE_MAX), 0);
    weft_scope_begin(&scope, .isolate = true);
    assert_int_equal(weft_spawn(&scope, take_steps_alone, NULL, .task = &task), 0);
    for (int i = 0; i < end_turns; i++)
        weft_sleep(0);
    bool was_done = is_done;
    weft_task_cancel(task, "its steps hold the client");
    weft_redis_close(redis);
    redis = NULL;
    weft_scope_end(&scope);
    weft_task_release(task);
    weft_arena_free(own);
    is_done = was_done;
}

static void test_client_may_be_closed_at_each_turn(void **state)
{
    (void)state;
    is_done = false;
    for (end_turns = 0; !is_done; end_turns++) {
        assert_int_equal(
            run(scripted_main, &(struct scripted){ .body = check_end, .serve = answer_commands }),
            0);
        assert_true(end_turns < 2000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_test(test_client_is_well_after_each_allocation_has_failed),
        http_test(test_client_is_well_after_a_cancel_at_each_turn),
        http_test(test_client_may_be_closed_at_each_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
