/* Calls over a scripted server: the greeting, pipelining, errors, cancels, and what becomes of
 * calls when the connection breaks. */

#include "client_test.h"

/* --- the greeting --- */

static void check_one(void)
{
    expect_reply("+OK", "SET %s %b", "key", "a b", (size_t)3);
    expect_reply("'a b'", "GET key");
    assert_string_equal(asked, "SET key a b|GET key|");
    assert_int_equal(connections, 1);
    assert_int_equal(stats().connected, 1);
    assert_int_equal(stats().in_flight, 0);
}

static void test_call_is_answered(void **state)
{
    (void)state;
    script[0][0] = "+OK\r\n";
    script[0][1] = "$3\r\na b\r\n";
    scripted(check_one);
    assert_int_equal(closed, 1);
}

static void check_greeting(void)
{
    expect_reply("+PONG", "PING");
    assert_string_equal(asked, "HELLO 3 AUTH me secret SETNAME shop|SELECT 3|PING|");
}

static void test_greeting_says_who_and_where(void **state)
{
    (void)state;
    greets = true;
    script[0][0] = HELLO_3;
    script[0][1] = "+OK\r\n";
    script[0][2] = "+PONG\r\n";
    scripted(check_greeting, .user = "me", .password = "secret", .name = "shop", .database = 3);
}

static void check_fallback(void)
{
    expect_reply("+PONG", "PING");
    assert_string_equal(asked, "HELLO 3 AUTH default secret SETNAME shop|AUTH secret|"
                               "CLIENT SETNAME shop|SELECT 3|PING|");
}

static void test_greeting_falls_back_to_version_2(void **state)
{
    (void)state;
    greets = true;
    script[0][0] = "-ERR unknown command `HELLO`, with args beginning with: `3`, \r\n";
    script[0][1] = script[0][2] = script[0][3] = "+OK\r\n";
    script[0][4] = "+PONG\r\n";
    scripted(check_fallback, .password = "secret", .name = "shop", .database = 3);
}

static void check_version_2(void)
{
    expect_reply("+PONG", "PING");
    assert_string_equal(asked, "AUTH me secret|PING|");
}

static void test_greeting_in_version_2_needs_no_hello(void **state)
{
    (void)state;
    greets = true;
    script[0][0] = "+OK\r\n";
    script[0][1] = "+PONG\r\n";
    scripted(check_version_2, .user = "me", .password = "secret", .protocol = 2);
}

static void check_refused(void)
{
    weft_redis_call call = { .redis = redis, .arena = arena };
    weft_slice args[] = { weft_redis_text("PING") };
    call.args = args, call.count = 1;
    assert_int_equal(weft_redis_send(&call), -EACCES);
    expect_text(call.detail, "PING: HELLO: WRONGPASS");
    assert_null(call.value);
    weft_sleep(WEFT_MINUTE);
    assert_int_equal(connections, 1); /* no loop */
    assert_int_equal(weft_redis_send(&call), 0);
    assert_int_equal(connections, 2);
}

static void test_greeting_that_is_refused_is_an_error_and_no_loop(void **state)
{
    (void)state;
    greets = true;
    script[0][0] = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    script[1][0] = HELLO_3;
    script[1][1] = "+PONG\r\n";
    scripted(check_refused, .password = "wrong");
}

static void check_busy(void)
{
    expect_reply("+PONG", "PING");
    assert_int_equal(connections, 4);
    assert_int_equal(stats().failures, 3);
}

static void test_greeting_is_tried_again_when_the_server_has_no_room_yet(void **state)
{
    (void)state;
    greets = true;
    script[0][0] = "-ERR max number of clients reached\r\n";
    script[1][0] = "-LOADING Redis is loading the dataset in memory\r\n";
    script[2][0] = "-OOM out of memory\r\n";
    script[3][0] = HELLO_3;
    script[3][1] = "+PONG\r\n";
    scripted(check_busy);
}

/* Its error is the answer's value, as any other's. */
static void check_refused_otherwise(void)
{
    const weft_redis_value *value;
    assert_int_equal(weft_redis_ask(redis, arena, &value, "PING"), WEFT_EREPLY);
    assert_int_equal(value->kind, WEFT_REDIS_ERROR);
    expect_text(value->text, "ERR DB index is out of range");
    assert_int_equal(value->size, strlen(value->text));
    assert_int_equal(weft_redis_ask(redis, arena, NULL, "PING"), WEFT_EREPLY);
}

static void test_greeting_that_is_refused_otherwise_is_the_servers_error(void **state)
{
    (void)state;
    greets = true;
    script[0][0] = script[1][0] = HELLO_3;
    script[0][1] = script[1][1] = "-ERR DB index is out of range\r\n";
    scripted(check_refused_otherwise, .database = 99);
}

static void check_not_redis(void)
{
    assert_int_equal(weft_redis_ask(redis, arena, NULL, "PING"), WEFT_EPROTOCOL);
}

static void test_greeting_of_something_else_is_refused(void **state)
{
    (void)state;
    greets = true;
    script[0][0] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    scripted(check_not_redis);
}

static void check_silent(void)
{
    int64_t start = weft_now();
    expect_reply("+PONG", "PING");
    assert_int_equal((weft_now() - start) / S, 3);
    assert_int_equal(connections, 2);
}

static void test_greeting_has_a_timeout(void **state)
{
    (void)state;
    greets = true;
    script[0][0] = "!";
    script[1][0] = HELLO_3;
    script[1][1] = "+PONG\r\n";
    scripted(check_silent, .connect_timeout = 3 * S);
}

/* --- pipelining --- */

#define MANY 100

static size_t reads; /* after the first one, that found something */

/* Reads as often as it can, answers in one go. */
static int count_reads(weft_stream *stream, void *arg)
{
    (void)arg;
    weft_slice args[8];
    struct wf_resp_command command;
    char out[16384], *end = out;
    if (hear_command(stream) < 0) /* HELLO, and the first one */
        return 0;
    end = wf_resp_write_head(end, WF_RESP_INTEGER, 0);
    for (int i = 1; i < MANY; i++) {
        size_t before = weft_buffer_readable(weft_stream_input(stream));
        if (read_command(stream, args, 8, &command) < 0)
            return 0;
        size_t after = weft_buffer_readable(weft_stream_input(stream));
        reads += after > before;
        weft_buffer_consume(weft_stream_input(stream), command.size);
        end = wf_resp_write_head(end, WF_RESP_INTEGER, i);
    }
    weft_write(stream, out, (size_t)(end - out));
    return read_to_the_end(stream);
}

static struct asker askers[MANY];

static void check_pipeline(void)
{
    weft_scope scope;
    reads = 0;
    weft_scope_begin(&scope);
    for (int i = 0; i < MANY; i++)
        asker_begin(&scope, &askers[i], "INCR x");
    assert_int_equal(weft_scope_end(&scope), 0);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(askers[i].result, 0);
        assert_int_equal(askers[i].call.value->integer, i); /* each its own, in order */
        asker_end(&askers[i]);
    }
    assert_true(reads <= 1); /* what one write of that size is read in */
}

static void test_calls_of_a_turn_share_a_write_and_get_their_own_answers(void **state)
{
    (void)state;
    assert_int_equal(
        run(scripted_main, &(struct scripted){ .body = check_pipeline, .serve = count_reads }), 0);
}

static void check_limit(void)
{
    weft_scope scope;
    weft_scope_begin(&scope);
    for (int i = 0; i < 10; i++)
        asker_begin(&scope, &askers[i], "INCR x");
    weft_sleep(S);
    assert_int_equal(stats().in_flight, 4);
    assert_int_equal(stats().waiting, 6);
    assert_string_equal(asked, "INCR x|INCR x|INCR x|INCR x|");
    weft_scope_cancel(&scope, "enough");
    assert_int_equal(weft_scope_end(&scope), 0);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(askers[i].result, -ECANCELED);
        asker_end(&askers[i]);
    }
    assert_int_equal(stats().in_flight, 4);
    assert_int_equal(stats().orphans, 4);
    assert_int_equal(stats().waiting, 0);
}

static void test_calls_beyond_the_limit_wait_unsent(void **state)
{
    (void)state;
    scripted(check_limit, .in_flight_max = 4);
}

static char large[3 << 20];

/* Echoes the sizes of SET's values. */
static int answer_sizes(weft_stream *stream, void *arg)
{
    (void)arg;
    weft_slice args[8];
    struct wf_resp_command command;
    char out[WF_RESP_HEAD_MAX];
    if (read_command(stream, args, 8, &command) < 0)
        return 0;
    weft_buffer_consume(weft_stream_input(stream), command.size);
    weft_write(stream, HELLO_3, strlen(HELLO_3));
    while (read_command(stream, args, 8, &command) == 0) {
        char *end = wf_resp_write_head(out, WF_RESP_INTEGER,
                                       command.count == 3 ? (int64_t)args[2].size : -1);
        weft_buffer_consume(weft_stream_input(stream), command.size);
        weft_write(stream, out, (size_t)(end - out));
    }
    return 0;
}

static void set_args(struct asker *asker, size_t size)
{
    asker->args[2] = (weft_slice){ large, size };
}

static void check_large(void)
{
    weft_scope scope;
    static const size_t sizes[] = { 1, 900000, 5, 65000, 66000, 65536, 0, 700000, 9 };
    memset(large, 'x', sizeof large);
    weft_scope_begin(&scope);
    for (size_t i = 0; i < WF_ARRAY_SIZE(sizes); i++) {
        asker_begin(&scope, &askers[i], "SET k v");
        set_args(&askers[i], sizes[i]);
    }
    weft_sleep(0);
    weft_task_cancel(askers[7].task, "in the middle of its bytes, or before them");
    memset(large, 'y', 1); /* nobody looks at what was taken */
    assert_int_equal(weft_scope_end(&scope), 0);
    for (size_t i = 0; i < WF_ARRAY_SIZE(sizes); i++) {
        assert_int_equal(askers[i].result, i == 7 ? -ECANCELED : 0);
        if (i != 7)
            assert_int_equal(askers[i].call.value->integer, sizes[i]);
        asker_end(&askers[i]);
    }
    assert_int_equal(stats().losses, 0);
}

static void test_calls_of_every_size_keep_their_order(void **state)
{
    (void)state;
    assert_int_equal(
        run(scripted_main, &(struct scripted){ .body = check_large, .serve = answer_sizes }), 0);
}

/* --- what the server says --- */

static void check_errors(void)
{
    const weft_redis_value *value;
    weft_slice args[] = { weft_redis_text("LPUSH"), weft_redis_text("a"), weft_redis_text("b") };
    weft_redis_call call = { .redis = redis, .arena = arena, .args = args, .count = 3 };
    assert_int_equal(weft_redis_send(&call), WEFT_EREPLY);
    assert_string_equal(call.detail, "WRONGTYPE Operation against a key");
    assert_int_equal(call.value->kind, WEFT_REDIS_ERROR);
    assert_int_equal(weft_redis_ask(redis, arena, &value, "NO"), WEFT_EREPLY);
    assert_string_equal(value->text, "ERR\r\nno");
    expect_reply("[-ERR 1 2]", "EXEC_LIKE");
    call.arena = NULL;
    assert_int_equal(weft_redis_send(&call), WEFT_EREPLY);
    assert_null(call.value);
    assert_string_equal(call.detail, "the server answered with an error");
    assert_int_equal(weft_redis_send(&call), 0);
    assert_null(call.value);
}

static int answer_errors(weft_stream *stream, void *arg)
{
    static const char *const texts[] = { "-WRONGTYPE Operation against a key\r\n",
                                         "!7\r\nERR\r\nno\r\n", "*2\r\n-ERR 1\r\n:2\r\n",
                                         "-ERR\r\n", ":1\r\n" };
    (void)arg;
    for (size_t i = 0; i < WF_ARRAY_SIZE(texts); i++)
        if (hear_command(stream) < 0 || weft_write(stream, texts[i], strlen(texts[i])) < 0)
            return 0;
    return read_to_the_end(stream);
}

static void test_error_of_the_server_is_told_from_all_others(void **state)
{
    (void)state;
    assert_int_equal(
        run(scripted_main, &(struct scripted){ .body = check_errors, .serve = answer_errors }), 0);
}

static int refused_call(const char *words, const char **detail)
{
    static struct asker asker;
    weft_scope scope;
    weft_scope_begin(&scope);
    asker_begin(&scope, &asker, words);
    assert_int_equal(weft_scope_end(&scope), 0);
    asker_end(&asker);
    *detail = asker.call.detail;
    return asker.result;
}

static void check_refusals(void)
{
    static const char *const words[] = { "SELECT 1", "multi", "SUBSCRIBE a", "CLIENT REPLY OFF",
                                         "AUTH x",   "QUIT",  "WATCH a",     "MONITOR" };
    const char *detail;
    for (size_t i = 0; i < WF_ARRAY_SIZE(words); i++) {
        assert_int_equal(refused_call(words[i], &detail), -EINVAL);
        expect_text(detail, "would change what the connection is");
    }
    weft_redis_call call = { .redis = redis, .arena = arena };
    assert_int_equal(weft_redis_send(&call), -EINVAL);
    call = (weft_redis_call){ .arena = arena };
    assert_int_equal(weft_redis_send(&call), -EINVAL);
    weft_slice nothing[] = { { NULL, 3 } };
    call = (weft_redis_call){ .redis = redis, .arena = arena, .args = nothing, .count = 1 };
    assert_int_equal(weft_redis_send(&call), -EINVAL);
    const weft_redis_value *value;
    assert_int_equal(weft_redis_ask(redis, arena, &value, "GET %y", 1), -EINVAL);
    assert_int_equal(weft_redis_ask(redis, NULL, &value, "GET a"), -EINVAL);
    assert_int_equal(connections, 0);
}

static void test_call_that_would_change_the_connection_is_refused(void **state)
{
    (void)state;
    scripted(check_refusals);
}

static void test_client_of_no_address_is_not_made(void **state)
{
    (void)state;
    weft_loop *loop;
    weft_redis *made = NULL;
    assert_int_equal(weft_redis_open(&made, "mem:a"), -EPERM);
    assert_int_equal(weft_loop_new(&loop, .clock = WEFT_CLOCK_TEST), 0);
    assert_int_equal(weft_redis_open(&made, ""), -EINVAL);
    assert_int_equal(weft_redis_open(&made, NULL), -EINVAL);
    assert_int_equal(weft_redis_open(&made, "rediss://a"), -EPROTONOSUPPORT);
    assert_int_equal(weft_redis_open(&made, "mem:a", .protocol = 4), -EINVAL);
    assert_int_equal(weft_redis_open(&made, "mem:a", .user = "u"), -EINVAL);
    assert_int_equal(weft_redis_open(&made, "mem:a", .backoff_least = -1), -EINVAL);
    assert_null(made);
    assert_int_equal(weft_redis_open(&made, "mem:a"), 0);
    weft_redis_close(made);
    weft_redis_close(NULL);
    assert_int_equal(weft_loop_free(loop), 0);
}

/* A reply in pieces: every way to cut it in two, and byte by byte. */

static const char whole[] =
    "*3\r\n$5\r\nhello\r\n%1\r\n+a\r\n|1\r\n+b\r\n:1\r\n,2.5\r\n!3\r\nERR\r\n";
static size_t cut;

static int answer_in_pieces(weft_stream *stream, void *arg)
{
    (void)arg;
    while (hear_command(stream) == 0) {
        size_t size = cut ? cut : 1;
        for (size_t at = 0; at < sizeof whole - 1; at += size) {
            size = cut && at > 0 ? sizeof whole - 1 - at : size;
            if (weft_write(stream, whole + at, size) < 0 || weft_sleep(MS) < 0)
                return 0;
        }
    }
    return 0;
}

static void check_pieces(void)
{
    for (cut = 0; cut < sizeof whole - 1; cut++)
        expect_reply("['hello' {+a |{+b 1}|2.5} -ERR]", "GET x");
    assert_int_equal(stats().connects, 1);
}

static void test_reply_may_be_cut_anywhere(void **state)
{
    (void)state;
    assert_int_equal(
        run(scripted_main, &(struct scripted){ .body = check_pieces, .serve = answer_in_pieces }),
        0);
}

/* --- what does not fit --- */

static void check_pushes(void)
{
    expect_reply("1", "INCR a");
    expect_reply("2", "INCR a");
    assert_int_equal(stats().unhandled, 3);
    assert_int_equal(stats().losses, 0);
}

static void test_push_between_replies_is_no_reply(void **state)
{
    (void)state;
    script[0][0] = ">2\r\n+invalidate\r\n*1\r\n$1\r\na\r\n:1\r\n";
    script[0][1] = "!>1\r\n+hm\r\n";
    script[0][2] = "!>2\r\n$10\r\ninvalidate\r\n_\r\n";
    script[0][3] = ":2\r\n";
    scripted(check_pushes);
}

static void check_in_doubt(void)
{
    static struct asker pair[2];
    weft_scope scope;
    weft_scope_begin(&scope);
    asker_begin(&scope, &pair[0], "INCR a");
    asker_begin(&scope, &pair[1], "INCR b");
    assert_int_equal(weft_scope_end(&scope), 0);
    assert_int_equal(pair[0].result, WEFT_EPROTOCOL); /* its own reply was none */
    assert_int_equal(pair[1].result, WEFT_EINDOUBT);
    assert_non_null(pair[1].call.detail);
    assert_null(pair[1].call.value);
    asker_end(&pair[0]);
    asker_end(&pair[1]);
    assert_int_equal(stats().connected, 0);
}

static void test_bytes_that_are_no_reply_end_the_connection(void **state)
{
    static const char *const bad[] = { "?\r\n", ":x\r\n", "$3\r\nabcd\r\n" };
    (void)state;
    for (size_t i = 0; i < WF_ARRAY_SIZE(bad); i++) {
        script[0][0] = bad[i];
        script[0][1] = ":1\r\n";
        scripted(check_in_doubt);
    }
}

static void check_unasked(void)
{
    expect_reply("1", "INCR a");
    weft_sleep(S);
    assert_int_equal(stats().losses, 1);
    assert_int_equal(stats().connected, 0);
    expect_reply("7", "INCR a"); /* on another one */
    assert_int_equal(connections, 2);
}

static void test_reply_that_nobody_waits_for_ends_the_connection(void **state)
{
    (void)state;
    script[0][0] = ":1\r\n:2\r\n";
    script[1][0] = ":7\r\n";
    scripted(check_unasked);
    script[0][0] = ":1\r\n>3\r\n$7\r\nmessage\r\n+a\r\n+b\r\n";
    script[1][0] = ":7\r\n";
    scripted(check_unasked);
    script[0][0] = ":1\r\n>1\r\n+x\r\n";
    script[1][0] = ":7\r\n";
    scripted(check_unasked, .protocol = 2);
}

static void check_too_large(void)
{
    weft_slice args[] = { weft_redis_text("GET"), weft_redis_text("a") };
    weft_redis_call call = { .redis = redis, .arena = arena, .args = args, .count = 2 };
    assert_int_equal(weft_redis_send(&call), WEFT_ELIMIT);
    assert_int_equal(connections, 1);
    expect_reply("1", "GET a");
}

static void test_reply_above_the_limit_ends_the_connection_and_is_not_repeated(void **state)
{
    (void)state;
    static char text[100000];
    size_t at = (size_t)sprintf(text, "*5000\r\n");
    for (int i = 0; i < 5000; i++)
        at += (size_t)sprintf(text + at, "$9\r\nabcdefghi\r\n");
    script[0][0] = text;
    script[1][0] = ":1\r\n";
    scripted(check_too_large, .reply_max = 8192);
    sprintf(text, "$90000\r\n%080000d", 1);
    script[0][0] = text;
    script[1][0] = ":1\r\n";
    scripted(check_too_large, .reply_max = 8192);
}

static void check_no_room(void)
{
    weft_arena *small;
    weft_slice args[] = { weft_redis_text("GET"), weft_redis_text("a") };
    assert_int_equal(weft_arena_new(&small, 32), 0);
    weft_redis_call call = { .redis = redis, .arena = small, .args = args, .count = 2 };
    assert_int_equal(weft_redis_send(&call), -ENOMEM);
    expect_text(call.detail, "no room");
    weft_arena_free(small);
    expect_reply("2", "GET b");
    assert_int_equal(connections, 1);
}

static void test_reply_without_room_fails_its_call_alone(void **state)
{
    (void)state;
    script[0][0] = "*3\r\n:1\r\n:2\r\n:3\r\n";
    script[0][1] = ":2\r\n";
    scripted(check_no_room);
}

/* --- memory --- */

static void ask_three(void)
{
    const weft_redis_value *value;
    for (int i = 0; i < 3; i++) {
        weft_scope scope;
        weft_scope_begin(&scope, .timeout = S); /* a server without memory may not come back */
        int err = weft_redis_ask(redis, arena, &value, "GET %d", i);
        if (err == 0)
            assert_int_equal(value->count, 2);
        err = weft_scope_leave(&scope, err);
        assert_true(err == 0 || err == -ENOMEM || err == WEFT_EINDOUBT || err == -ETIMEDOUT);
    }
}

static struct wf_memory_fault memory_fault;
static long fault_at;
static bool fault_stays;

static void check_memory(void)
{
    memory_fault = (struct wf_memory_fault){ .countdown = fault_at, .persistent = fault_stays };
    wf_memory_fault_set(&memory_fault);
    ask_three();
    wf_memory_fault_set(NULL);
    ask_three();
    expect_reply("[1 2]", "GET a");
}

static int answer_pairs(weft_stream *stream, void *arg)
{
    (void)arg;
    while (hear_command(stream) == 0)
        if (weft_write(stream, "*2\r\n:1\r\n:2\r\n", 12) < 0)
            return 0;
    return 0;
}

static void test_memory_that_runs_out_fails_calls_and_nothing_else(void **state)
{
    (void)state;
    for (int stays = 0; stays < 2; stays++) {
        bool failed = true;
        fault_stays = stays;
        for (fault_at = 1; failed && fault_at < 200; fault_at++) {
            assert_int_equal(run(scripted_main,
                                 &(struct scripted){ .body = check_memory, .serve = answer_pairs }),
                             0);
            failed = memory_fault.injected > 0;
            logged_count = 0; /* the server's own failures */
        }
        assert_false(failed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_test(test_call_is_answered),
        http_test(test_greeting_says_who_and_where),
        http_test(test_greeting_falls_back_to_version_2),
        http_test(test_greeting_in_version_2_needs_no_hello),
        http_test(test_greeting_that_is_refused_is_an_error_and_no_loop),
        http_test(test_greeting_is_tried_again_when_the_server_has_no_room_yet),
        http_test(test_greeting_of_something_else_is_refused),
        http_test(test_greeting_that_is_refused_otherwise_is_the_servers_error),
        http_test(test_greeting_has_a_timeout),
        http_test(test_calls_of_a_turn_share_a_write_and_get_their_own_answers),
        http_test(test_calls_beyond_the_limit_wait_unsent),
        http_test(test_calls_of_every_size_keep_their_order),
        http_test(test_error_of_the_server_is_told_from_all_others),
        http_test(test_call_that_would_change_the_connection_is_refused),
        http_test(test_client_of_no_address_is_not_made),
        http_test(test_reply_may_be_cut_anywhere),
        http_test(test_push_between_replies_is_no_reply),
        http_test(test_bytes_that_are_no_reply_end_the_connection),
        http_test(test_reply_that_nobody_waits_for_ends_the_connection),
        http_test(test_reply_above_the_limit_ends_the_connection_and_is_not_repeated),
        http_test(test_reply_without_room_fails_its_call_alone),
        http_test(test_memory_that_runs_out_fails_calls_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
