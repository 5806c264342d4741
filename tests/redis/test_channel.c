/* SUBSCRIBE and PUBLISH; MONITOR; patterns. */

#include "redis_test.h"

static void publish(void *arg)
{
    (void)arg;
    weft_stream *a = dial(), *b = dial(), *s = dial();
    ask(s, "PUBLISH c m", ":0\r\n");
    ask(a, "SUBSCRIBE c d c",
        "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nd\r\n:2\r\n"
        "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:2\r\n");
    ask(b, "PSUBSCRIBE c* ?",
        "*3\r\n$10\r\npsubscribe\r\n$2\r\nc*\r\n:1\r\n*3\r\n$10\r\npsubscribe\r\n$1\r\n?\r\n:2\r\n");
    ask(s, "PUBLISH c m", ":3\r\n");
    hear(a, "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n");
    hear(b, "*4\r\n$8\r\npmessage\r\n$2\r\nc*\r\n$1\r\nc\r\n$1\r\nm\r\n"
            "*4\r\n$8\r\npmessage\r\n$1\r\n?\r\n$1\r\nc\r\n$1\r\nm\r\n");
    ask(s, "PUBLISH cc ''", ":1\r\n");
    hear(b, "*4\r\n$8\r\npmessage\r\n$2\r\nc*\r\n$2\r\ncc\r\n$0\r\n\r\n");
    ask(s, "PUBSUB CHANNELS", "*2\r\n");
    hear(s, "$1\r\n");
    weft_close(s);
    s = dial();
    ask(s, "PUBSUB CHANNELS d", "*1\r\n$1\r\nd\r\n");
    ask(s, "PUBSUB NUMSUB c x", "*4\r\n$1\r\nc\r\n:1\r\n$1\r\nx\r\n:0\r\n");
    ask(s, "PUBSUB NUMPAT", ":2\r\n");
    ask(s, "PUBSUB NOSUCH",
        "-ERR unknown subcommand or wrong number of arguments for 'NOSUCH'. Try "
        "PUBSUB HELP.\r\n");
    ask(a, "GET k",
        "-ERR Can't execute 'get': only (P)SUBSCRIBE / (P)UNSUBSCRIBE / PING / QUIT / "
        "RESET are allowed in this context\r\n");
    ask(a, "PING", "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    ask(a, "UNSUBSCRIBE d x",
        "*3\r\n$11\r\nunsubscribe\r\n$1\r\nd\r\n:1\r\n*3\r\n$11\r\nunsubscribe"
        "\r\n$1\r\nx\r\n:1\r\n");
    ask(a, "UNSUBSCRIBE", "*3\r\n$11\r\nunsubscribe\r\n$1\r\nc\r\n:0\r\n");
    ask(a, "UNSUBSCRIBE", "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n");
    ask(a, "PING", "+PONG\r\n");
    weft_close(b);
    weft_sleep(WEFT_MILLISECOND);
    ask(s, "PUBLISH c m", ":0\r\n");
    weft_close(a);
    weft_close(s);
}

static void test_channel_reaches_all_who_subscribe(void **state)
{
    (void)state;
    serving(publish, NULL);
}

/* Version 3 does everything while it subscribes; its own messages come behind the reply. */
static void publish_to_oneself(void *arg)
{
    (void)arg;
    weft_stream *s = dial();
    say(s, "HELLO 3\r\n");
    hear(s, "%7\r\n");
    weft_sleep(WEFT_MILLISECOND);
    static char rest[4096];
    assert_true(weft_read_try(s, rest, sizeof rest) > 0);
    ask(s, "SUBSCRIBE c", ">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
    ask(s, "PUBLISH c m", ":1\r\n>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n");
    ask(s, "GET k", "_\r\n");
    say(s, "MULTI\r\nPUBLISH c a\r\nPUBLISH c b\r\nEXEC\r\n");
    hear(s,
         "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n:1\r\n>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\n"
         "a\r\n>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nb\r\n");
    weft_close(s);
}

static void test_channel_messages_come_behind_a_reply(void **state)
{
    (void)state;
    serving(publish_to_oneself, NULL);
}

/* A message never cuts a reply that a handler is still writing. */
static void publish_to_the_busy(void *arg)
{
    (void)arg;
    weft_stream *s = dial(), *other = dial();
    say(s, "HELLO 3\r\n");
    hear(s, "%7\r\n");
    weft_sleep(WEFT_MILLISECOND);
    static char rest[4096];
    assert_true(weft_read_try(s, rest, sizeof rest) > 0);
    ask(s, "SUBSCRIBE c", ">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
    say(s, "SLEEP 10\r\nPING\r\n");
    weft_sleep(WEFT_MILLISECOND);
    ask(other, "PUBLISH c m", ":1\r\n");
    hear(s, "+SLEPT\r\n>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n+PONG\r\n");
    weft_close(s);
    weft_close(other);
}

static void test_channel_messages_wait_for_a_handler(void **state)
{
    (void)state;
    serving(publish_to_the_busy, NULL);
}

/* Who does not read is closed, and the others have theirs. */
static void publish_to_the_deaf(void *arg)
{
    enum { COUNT = 100 };
    (void)arg;
    weft_stream *deaf = dial(), *s = dial(), *other = dial();
    ask(deaf, "SUBSCRIBE c", "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
    ask(other, "SUBSCRIBE c", "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
    static char message[5000], heard[5100];
    memset(message, 'm', sizeof message);
    weft_slice pieces[] = { { "PUBLISH c ", 10 }, { message, sizeof message }, { "\r\n", 2 } };
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(weft_write_pieces(s, pieces, 3), 0);
        char reply[4];
        assert_int_equal(weft_read_exact(s, reply, 4), 0);
        assert_true(reply[1] == '1' || reply[1] == '2');
        size_t size = strlen("*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$5000\r\n") + 5000 + 2;
        assert_int_equal(weft_read_exact(other, heard, size), 0);
    }
    expect_log("it does not read what it is sent");
    ask(s, "PUBSUB NUMSUB c", "*2\r\n$1\r\nc\r\n:1\r\n");
    weft_close(deaf);
    weft_close(s);
    weft_close(other);
}

static void test_channel_closes_who_does_not_read(void **state)
{
    (void)state;
    serving(publish_to_the_deaf, NULL, .push_max = 100000);
}

/* A little too much is too much when it lasts. */
static void publish_for_long(void *arg)
{
    (void)arg;
    weft_stream *deaf = dial(), *s = dial();
    ask(deaf, "SUBSCRIBE c", "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
    static char message[20000];
    memset(message, 'm', sizeof message);
    static const char head[] = "*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$20000\r\n";
    weft_slice pieces[] = { { head, sizeof head - 1 }, { message, 20000 }, { "\r\n", 2 } };
    for (int i = 0; i < 12; i++) {
        assert_int_equal(weft_write_pieces(s, pieces, 3), 0);
        hear(s, ":1\r\n");
    }
    weft_sleep(3 * WEFT_SECOND);
    ask(s, "PUBSUB NUMSUB c", "*2\r\n$1\r\nc\r\n:1\r\n");
    weft_sleep(4 * WEFT_SECOND);
    expect_log("it does not read what it is sent");
    ask(s, "PUBSUB NUMSUB c", "*2\r\n$1\r\nc\r\n:0\r\n");
    weft_close(deaf);
    weft_close(s);
}

static void test_channel_closes_who_reads_too_little_for_long(void **state)
{
    (void)state;
    serving(publish_for_long, NULL, .push_soft = 50000, .push_soft_time = 5 * WEFT_SECOND);
}

/* Thousands of channels of one client, and of clients of one channel. */
static void subscribe_to_much(void *arg)
{
    enum { COUNT = 3000 };
    (void)arg;
    weft_stream *s = dial(), *other = dial();
    char line[64];
    for (int i = 0; i < COUNT; i++) {
        snprintf(line, sizeof line, "SUBSCRIBE channel%d\r\n", i);
        say(s, line);
    }
    weft_sleep(WEFT_MILLISECOND);
    ask(other, "PUBLISH channel2999 m", ":1\r\n");
    ask(other, "PUBLISH channel0 m", ":1\r\n");
    weft_close(s);
    weft_sleep(WEFT_MILLISECOND);
    ask(other, "PUBSUB CHANNELS", "*0\r\n");
    weft_close(other);
}

static void test_channel_holds_many(void **state)
{
    (void)state;
    serving(subscribe_to_much, NULL);
}

/* --- MONITOR --- */

static void monitor(void *arg)
{
    char line[256];
    (void)arg;
    weft_stream *m = dial(), *s = dial();
    ask(m, "MONITOR", "+OK\r\n");
    ask(s, "SET k \"a \\x00\\\"b\"", "+OK\r\n");
    assert_true(weft_read_line(m, line, sizeof line) > 0);
    assert_non_null(strstr(line, "] \"SET\" \"k\" \"a \\x00\\\"b\""));
    ask(s, "CONFIG GET nosuch", "*0\r\n"); /* is not shown */
    ask(s, "PING", "+PONG\r\n");
    assert_true(weft_read_line(m, line, sizeof line) > 0);
    assert_non_null(strstr(line, "\"PING\""));
    ask(m, "RESET", "+");
    assert_true(weft_read_line(m, line, sizeof line) > 0);
    weft_close(m);
    weft_close(s);
}

static void test_monitor_shows_commands(void **state)
{
    (void)state;
    serving(monitor, NULL);
}

/* What a reply may have is nothing to a message. */
static void publish_more_than_a_reply(void *arg)
{
    char text[501] = "";
    (void)arg;
    weft_stream *a = dial(), *s = dial();
    memset(text, 'x', sizeof text - 1);
    ask(a, "SUBSCRIBE c", "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
    say(s, "PUBLISH c ");
    say(s, text);
    ask(s, "", ":1\r\n");
    hear(a, "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$500\r\n");
    hear(a, text);
    say(s, "ECHO ");
    say(s, text);
    say(s, "\r\n");
    hear_end(s);
    expect_log("its replies are too large");
    weft_close(a);
    weft_close(s);
}

static void test_channel_messages_have_their_own_limit(void **state)
{
    (void)state;
    serving(publish_more_than_a_reply, NULL, .output_max = 300);
}

/* Nobody misses a message and does not know: without memory for it they are closed. */
static void publish_without_memory(void *arg)
{
    struct wf_memory_fault fault = { .countdown = 1, .persistent = true };
    static char text[100000];
    weft_redis_server *const *server = arg; /* it begins with the first wait */
    weft_stream *by_name = dial(), *by_pattern = dial(), *other = dial();
    ask(by_name, "SUBSCRIBE news", "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
    ask(by_pattern, "PSUBSCRIBE n*", "*3\r\n$10\r\npsubscribe\r\n$2\r\nn*\r\n:1\r\n");
    ask(other, "SUBSCRIBE more", "*3\r\n$9\r\nsubscribe\r\n$4\r\nmore\r\n:1\r\n");
    wf_memory_fault_set(&fault);
    weft_redis_publish(*server, (weft_slice){ "news", 4 }, (weft_slice){ text, sizeof text });
    wf_memory_fault_set(NULL);
    expect_log("there is no memory");
    expect_log("there is no memory");
    hear_end(by_name);
    hear_end(by_pattern);
    ask(other, "PING", "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    weft_close(by_name);
    weft_close(by_pattern);
    weft_close(other);
}

static void keep_server(weft_redis_server *server, void *app)
{
    *(weft_redis_server **)app = server;
}

static void test_channel_closes_who_would_miss_a_message(void **state)
{
    weft_redis_server *server = NULL;
    (void)state;
    serving(publish_without_memory, &server, .started = keep_server, .app = &server);
}

static struct wf_memory_fault fault;

/* From here on the n-th allocation fails. */
static int do_arm(weft_redis_request *request, void *app)
{
    (void)app;
    fault = (struct wf_memory_fault){ .countdown = (long)number_of(request->args[1]) };
    weft_redis_reply_status(request, "OK");
    wf_memory_fault_set(&fault);
    return 0;
}

static const weft_redis_command arming[] = { { "arm", do_arm, .arity = 2 }, { 0 } };

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    while ((text = strstr(text, part)))
        count++, text += strlen(part);
    return count;
}

/* What is heard within a second; whether it is closed. */
static bool hear_for_a_while(weft_stream *stream, char *heard, size_t room)
{
    weft_scope scope;
    size_t size = 0;
    ssize_t n;
    weft_scope_begin(&scope, .timeout = WEFT_SECOND);
    while ((n = weft_read(stream, heard + size, room - 1 - size)) > 0)
        size += (size_t)n;
    heard[size] = '\0';
    return weft_scope_leave(&scope, n < 0 ? (int)n : 0) != -ETIMEDOUT;
}

/* A client knows of each of its channels whether it has it: all are confirmed, or an error takes
 * the place of the first, or it is closed. */
static void subscribe_without_memory(void *arg)
{
    char words[64], heard[512];
    long *n = arg;
    weft_stream *s = dial();
    snprintf(words, sizeof words, "ARM %ld\r\nSUBSCRIBE one two three\r\nPING\r\n", *n);
    say(s, words);
    bool is_closed = hear_for_a_while(s, heard, sizeof heard);
    wf_memory_fault_set(NULL);
    if (!is_closed) {
        size_t confirmed = count_of(heard, "subscribe\r\n"), refused = count_of(heard, "-ERR");
        assert_true((confirmed == 3 && refused == 0) || (confirmed == 0 && refused == 1));
        assert_int_equal(count_of(heard, "PONG") + count_of(heard, "pong"), 1);
    }
    weft_close(s);
}

static void test_channel_leaves_nobody_with_half_of_an_answer(void **state)
{
    (void)state;
    fault.injected = 1;
    for (long n = 1; fault.injected > 0; n++) {
        serving(subscribe_without_memory, &n, .commands = arming);
        logged_count = 0;
    }
}

/* --- patterns --- */

static void test_match_knows_patterns(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool matches;
    } cases[] = {
        { "", "", true },           { "", "a", false },
        { "*", "", true },          { "*", "abc", true },
        { "a*c", "abbbc", true },   { "a*c", "abbbd", false },
        { "a*b*c", "axbxc", true }, { "?", "a", true },
        { "?", "", false },         { "a?c", "abc", true },
        { "[abc]", "b", true },     { "[abc]", "d", false },
        { "[^abc]", "d", true },    { "[^abc]", "a", false },
        { "[a-c]x", "bx", true },   { "[c-a]x", "bx", true },
        { "[a-c]x", "dx", false },  { "\\*", "*", true },
        { "\\*", "a", false },      { "[\\]]", "]", true },
        { "[abc", "b", true },      { "a\\", "a\\", true },
        { "**a**", "bab", true },   { "h[ae]llo*", "hallo you", true },
        { "[]", "a", false },       { "*[0-9]", "key:12", true },
        { "[a-]", "-", true },
    };
    for (size_t i = 0; i < WF_ARRAY_SIZE(cases); i++) {
        weft_slice pattern = { cases[i].pattern, strlen(cases[i].pattern) };
        weft_slice text = { cases[i].text, strlen(cases[i].text) };
        if (weft_redis_match(pattern, text) != cases[i].matches)
            fail_msg("'%s' and '%s'", cases[i].pattern, cases[i].text);
    }
}

/* What takes others a time that doubles with each star. */
static void test_match_is_not_exponential(void **state)
{
    (void)state;
    static char pattern[128], text[5001];
    for (size_t i = 0; i + 2 < sizeof pattern; i += 2)
        memcpy(pattern + i, "a*", 2);
    pattern[sizeof pattern - 2] = 'b';
    memset(text, 'a', sizeof text - 1);
    assert_false(weft_redis_match((weft_slice){ pattern, strlen(pattern) },
                                  (weft_slice){ text, strlen(text) }));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        redis_test(test_channel_reaches_all_who_subscribe),
        redis_test(test_channel_messages_come_behind_a_reply),
        redis_test(test_channel_messages_wait_for_a_handler),
        redis_test(test_channel_closes_who_does_not_read),
        redis_test(test_channel_closes_who_reads_too_little_for_long),
        redis_test(test_channel_holds_many),
        redis_test(test_monitor_shows_commands),
        redis_test(test_channel_messages_have_their_own_limit),
        redis_test(test_channel_closes_who_would_miss_a_message),
        redis_test(test_channel_leaves_nobody_with_half_of_an_answer),
        redis_test(test_match_knows_patterns),
        redis_test(test_match_is_not_exponential),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
