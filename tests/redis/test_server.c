/* Serving commands: pipelining, refusals, both versions of the protocol, limits, the end. */

#include "redis_test.h"

/* --- commands --- */

static void talk(void *arg)
{
    (void)arg;
    weft_stream *s = dial();
    ask(s, "PING", "+PONG\r\n");
    ask(s, "ping \"a b\"", "$3\r\na b\r\n");
    ask(s, "PING a b", "-ERR wrong number of arguments for 'ping' command\r\n");
    ask(s, "ECHO ''", "$0\r\n\r\n");
    ask(s, "SET k v", "+OK\r\n");
    ask(s, "gEt k", "$1\r\nv\r\n");
    ask(s, "GET nothing", "$-1\r\n");
    ask(s, "GET", "-ERR wrong number of arguments for 'get' command\r\n");
    ask(s, "NOSUCH 1 2", "-ERR unknown command 'NOSUCH', with args beginning with: '1' '2' \r\n");
    ask(s, "SELECT 0", "+OK\r\n");
    ask(s, "SELECT 1", "-ERR DB index is out of range\r\n");
    ask(s, "SELECT x", "-ERR value is not an integer or out of range\r\n");
    say(s, "\r\n*0\r\n*1\r\n$4\r\nPING\r\n");
    hear(s, "+PONG\r\n");
    weft_close(s);
}

static void test_server_answers_commands(void **state)
{
    (void)state;
    serving(talk, NULL);
}

static void talk_in_pieces(void *arg)
{
    static const char bytes[] = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\nGET k\r\nPING\r\n";
    (void)arg;
    weft_stream *s = dial();
    for (size_t i = 0; i + 1 < sizeof bytes; i++) {
        assert_int_equal(weft_write(s, bytes + i, 1), 0);
        weft_sleep(0);
    }
    hear(s, "+OK\r\n$4\r\na\r\nb\r\n+PONG\r\n");
    weft_close(s);
}

static void test_server_takes_commands_in_pieces(void **state)
{
    (void)state;
    serving(talk_in_pieces, NULL);
}

/* Many at once, more than one turn's. */
static void talk_pipelined(void *arg)
{
    enum { COUNT = 1000 };
    char expected[32];
    (void)arg;
    weft_stream *s = dial();
    for (int i = 0; i < COUNT; i++)
        say(s, "INCR n\r\n");
    for (int i = 1; i <= COUNT; i++) {
        snprintf(expected, sizeof expected, ":%d\r\n", i);
        hear(s, expected);
    }
    weft_close(s);
}

static void test_server_answers_pipelined_commands_in_order(void **state)
{
    (void)state;
    serving(talk_pipelined, NULL);
}

/* The statement that one thread executes: a plain number, two clients, no lock. */
static int add_up(void *arg)
{
    weft_stream *s = dial();
    (void)arg;
    for (int i = 0; i < 500; i++) {
        char byte = 0;
        say(s, "INCR sum\r\n");
        while (byte != '\n')
            assert_int_equal(weft_read_exact(s, &byte, 1), 0);
    }
    return weft_close(s);
}

static void add_up_together(void *arg)
{
    weft_scope scope;
    (void)arg;
    weft_scope_begin(&scope);
    weft_spawn(&scope, add_up, NULL);
    weft_spawn(&scope, add_up, NULL);
    assert_int_equal(weft_scope_end(&scope), 0);
    weft_stream *s = dial();
    ask(s, "GET sum", "$4\r\n1000\r\n");
    weft_close(s);
}

static void test_server_executes_in_one_thread(void **state)
{
    (void)state;
    serving(add_up_together, NULL);
}

/* A handler that suspends holds up its own client alone. */
static void talk_while_one_sleeps(void *arg)
{
    (void)arg;
    weft_stream *a = dial(), *b = dial();
    say(a, "SLEEP 100\r\nPING\r\n");
    weft_sleep(WEFT_MILLISECOND);
    ask(b, "PING", "+PONG\r\n");
    hear(a, "+SLEPT\r\n+PONG\r\n");
    weft_close(a);
    weft_close(b);
}

static void test_server_suspends_one_client(void **state)
{
    (void)state;
    serving(talk_while_one_sleeps, NULL);
}

static void talk_to_the_faulty(void *arg)
{
    (void)arg;
    weft_stream *s = dial();
    ask(s, "MUTE", "-ERR the command has no reply\r\n");
    expect_log("has sent no reply");
    say(s, "FAIL\r\nPING\r\n");
    hear(s, "-ERR ");
    expect_log("the handler of fail");
    weft_close(s);
}

static void test_server_answers_for_handlers_that_do_not(void **state)
{
    (void)state;
    serving(talk_to_the_faulty, NULL);
}

/* --- versions --- */

static void talk_in_both_versions(void *arg)
{
    (void)arg;
    weft_stream *s = dial();
    ask(s, "KINDS",
        "*9\r\n$-1\r\n*-1\r\n:1\r\n$3\r\n2.5\r\n$4\r\ntext\r\n$10\r\n3 of three\r\n"
        "*2\r\n:1\r\n:2\r\n*1\r\n:3\r\n-ERR two  lines\r\n");
    ask(s, "AGES",
        "*2\r\n*2\r\n+a\r\n:1\r\n*12\r\n:0\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n:7\r\n"
        ":8\r\n:9\r\n:10\r\n:11\r\n");
    ask(s, "HELLO 4", "-NOPROTO unsupported protocol version\r\n");
    ask(s, "HELLO 3 SETNAME me",
        "%7\r\n$6\r\nserver\r\n$4\r\nweft\r\n$7\r\nversion\r\n$5\r\n7.2.0"
        "\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:1\r\n$4\r\nmode\r\n$10\r\n"
        "standalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n"
        "*0\r\n");
    ask(s, "CLIENT GETNAME", "$2\r\nme\r\n");
    ask(s, "KINDS",
        "*9\r\n_\r\n_\r\n#t\r\n,2.5\r\n=8\r\ntxt:text\r\n$10\r\n3 of three\r\n"
        "%1\r\n:1\r\n:2\r\n~1\r\n:3\r\n|1\r\n+ttl\r\n:4\r\n-ERR two  lines\r\n");
    ask(s, "AGES",
        "*2\r\n%1\r\n+a\r\n:1\r\n~12\r\n:0\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n:7\r\n"
        ":8\r\n:9\r\n:10\r\n:11\r\n");
    ask(s, "HELLO 3 FOO", "-ERR Syntax error in HELLO option 'FOO'\r\n");
    ask(s, "RESET", "+RESET\r\n");
    ask(s, "GET nothing", "$-1\r\n");
    weft_close(s);
}

static void test_server_speaks_both_versions(void **state)
{
    (void)state;
    serving(talk_in_both_versions, NULL);
}

/* --- who may --- */

static int check_password(const char *user, const char *password, void *app)
{
    (void)app;
    weft_sleep(WEFT_MILLISECOND); /* it may look somewhere */
    return strcmp(user, "default") == 0 && strcmp(password, "secret") == 0 ? 0 : -EACCES;
}

static void talk_with_a_password(void *arg)
{
    (void)arg;
    weft_stream *s = dial();
    ask(s, "GET k", "-NOAUTH Authentication required.\r\n");
    say(s, "HELLO 3\r\n");
    hear(s, "-NOAUTH HELLO must be called");
    weft_close(s);
    s = dial();
    ask(s, "AUTH wrong", "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    ask(s, "AUTH you secret", "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    ask(s, "AUTH secret", "+OK\r\n");
    ask(s, "GET k", "$-1\r\n");
    ask(s, "RESET", "+RESET\r\n");
    ask(s, "GET k", "-NOAUTH Authentication required.\r\n");
    say(s, "HELLO 3 AUTH default secret\r\n");
    hear(s, "%7\r\n");
    weft_close(s);
}

static void test_server_asks_for_a_password(void **state)
{
    (void)state;
    serving(talk_with_a_password, NULL, .authenticate = check_password);
}

/* Who is not known yet may not send much. */
static void talk_too_much(void *arg)
{
    (void)arg;
    weft_stream *s = dial();
    say(s, "*11\r\n");
    hear(s, "-ERR Protocol error: invalid multibulk length\r\n");
    hear_end(s);
    weft_close(s);
    s = dial();
    say(s, "*1\r\n$16385\r\n");
    hear(s, "-ERR Protocol error: invalid bulk length\r\n");
    hear_end(s);
    weft_close(s);
}

static void test_server_takes_little_from_strangers(void **state)
{
    (void)state;
    serving(talk_too_much, NULL, .authenticate = check_password);
}

/* --- the end of a connection --- */

static void talk_to_an_end(void *arg)
{
    (void)arg;
    weft_stream *s = dial();
    say(s, "PING\r\nQUIT\r\nPING\r\n");
    hear(s, "+PONG\r\n+OK\r\n");
    hear_end(s);
    weft_close(s);
    s = dial();
    say(s, "PING\r\n*1\r\n:1\r\n");
    hear(s, "+PONG\r\n-ERR Protocol error: expected '$'\r\n");
    hear_end(s);
    weft_close(s);
    s = dial();
    say(s, "PING\r\n*2\r\n$4\r\nECHO\r\n"); /* an end in the middle */
    weft_shutdown_write(s);
    hear(s, "+PONG\r\n");
    hear_end(s);
    weft_close(s);
}

static void test_server_closes_behind_the_last_reply(void **state)
{
    (void)state;
    serving(talk_to_an_end, NULL);
}

/* --- limits --- */

static void come_in_numbers(void *arg)
{
    (void)arg;
    weft_stream *a = dial(), *b = dial();
    ask(a, "PING", "+PONG\r\n");
    ask(b, "PING", "+PONG\r\n");
    weft_stream *c = dial();
    hear(c, "-ERR max number of clients reached\r\n");
    hear_end(c);
    weft_close(c);
    weft_close(a);
    weft_sleep(WEFT_MILLISECOND);
    a = dial();
    ask(a, "PING", "+PONG\r\n");
    ask(b, "PING", "+PONG\r\n"); /* nobody was pushed out */
    weft_close(a);
    weft_close(b);
}

static void test_server_refuses_more_clients_than_it_may_have(void **state)
{
    (void)state;
    serving(come_in_numbers, NULL, .max_clients = 2);
}

static void say_too_much(void *arg)
{
    (void)arg;
    weft_stream *s = dial();
    say(s, "*2\r\n$4\r\nECHO\r\n$1001\r\n");
    hear(s, "-ERR Protocol error: invalid bulk length\r\n");
    hear_end(s);
    weft_close(s);
    s = dial();
    say(s, "*4\r\n");
    hear(s, "-ERR Protocol error: invalid multibulk length\r\n");
    hear_end(s);
    weft_close(s);
    s = dial();
    ask(s, "BIG 100000", "");
    hear_end(s); /* a reply that nobody may get */
    expect_log("its replies are too large");
    weft_close(s);
}

static void test_server_has_limits_on_sizes(void **state)
{
    (void)state;
    serving(say_too_much, NULL, .string_max = 1000, .argument_max = 3, .output_max = 50000);
}

/* What is heard until the end. */
static size_t hear_all(weft_stream *stream, char *heard, size_t room)
{
    size_t size = 0;
    ssize_t n;
    while (size < room && (n = weft_read(stream, heard + size, room - size)) > 0)
        size += (size_t)n;
    return size;
}

static void say_ages(void *arg)
{
    static const char ages[] = "*2\r\n*2\r\n+a\r\n:1\r\n*12\r\n:0\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n"
                               ":6\r\n:7\r\n:8\r\n:9\r\n:10\r\n:11\r\n+OK\r\n";
    char heard[256];
    bool *was_whole = arg;
    weft_stream *s = dial();
    say(s, "AGES\r\nQUIT\r\n");
    size_t size = hear_all(s, heard, sizeof heard);
    *was_whole = size > 0;
    if (size > 0) {
        assert_int_equal(size, sizeof ages - 1);
        assert_memory_equal(heard, ages, size);
    } else {
        expect_log("its replies are too large");
    }
    weft_close(s);
}

/* Elements without their array would be taken for replies of other commands. */
static void test_server_sends_no_part_of_a_reply(void **state)
{
    bool is_whole = false;
    size_t refused = 0;
    (void)state;
    for (size_t limit = 1; !is_whole; limit++) {
        serving(say_ages, &is_whole, .output_max = limit);
        refused += !is_whole;
    }
    assert_in_range(refused, 30, 200);
}

static void speak_http(void *arg)
{
    static const char *const texts[] = {
        "POST / HTTP/1.1\r\nHost: localhost\r\n\r\nSET a 1\r\n",
        "GET / HTTP/1.1\r\nhost: localhost\r\n\r\nSET a 1\r\n",
    };
    char heard[256];
    (void)arg;
    for (size_t i = 0; i < WF_ARRAY_SIZE(texts); i++) {
        weft_stream *s = dial();
        say(s, texts[i]);
        hear_all(s, heard, sizeof heard);
        expect_log("it speaks HTTP");
        weft_close(s);
    }
    weft_stream *s = dial();
    ask(s, "GET a", "$-1\r\n");
    weft_close(s);
}

static void test_server_takes_no_commands_from_a_page(void **state)
{
    (void)state;
    serving(speak_http, NULL);
}

static void read_slowly(void *arg)
{
    enum { COUNT = 64, SIZE = 100000 };
    static char bytes[SIZE + 16];
    (void)arg;
    weft_stream *s = dial();
    for (int i = 0; i < COUNT; i++)
        say(s, "BIG 100000\r\n");
    weft_sleep(WEFT_SECOND);
    size_t held = weft_memory_held();
    assert_true(held < 3 * SIZE + ((size_t)1 << 20)); /* it does not execute what nobody reads */
    for (int i = 0; i < COUNT; i++) {
        hear(s, "$100000\r\n");
        assert_int_equal(weft_read_exact(s, bytes, SIZE + 2), 0);
    }
    weft_close(s);
}

static void test_server_waits_for_who_reads_slowly(void **state)
{
    (void)state;
    serving(read_slowly, NULL);
}

static void read_nothing(void *arg)
{
    (void)arg;
    weft_stream *s = dial(), *other = dial();
    for (int i = 0; i < 64; i++)
        say(s, "BIG 100000\r\n");
    weft_sleep(11 * WEFT_SECOND);
    say(other, "CLIENT LIST\r\n");
    char line[512];
    assert_true(weft_read_line(other, line, sizeof line) > 0);
    assert_true(weft_read_line(other, line, sizeof line) > 0);
    assert_non_null(strstr(line, "cmd=client"));
    weft_abort(s);
    weft_close(other);
}

static void test_server_closes_who_reads_nothing(void **state)
{
    (void)state;
    serving(read_nothing, NULL, .send_timeout = 10 * WEFT_SECOND);
}

static void be_silent(void *arg)
{
    (void)arg;
    weft_stream *s = dial(), *waits = dial(), *listens = dial();
    say(waits, "BPOP k 0\r\n");
    ask(listens, "SUBSCRIBE c", "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
    weft_sleep(4 * WEFT_SECOND);
    ask(s, "PING", "+PONG\r\n");
    weft_sleep(7 * WEFT_SECOND);
    hear_end(s);
    weft_close(s);
    s = dial();
    ask(s, "PUBLISH c m", ":1\r\n");
    ask(s, "PUSH k 1", ":1\r\n");
    hear(listens, "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n");
    hear(waits, "*2\r\n$1\r\nk\r\n:1\r\n");
    weft_close(s);
    weft_close(waits);
    weft_close(listens);
}

static void test_server_closes_the_silent(void **state)
{
    (void)state;
    serving(be_silent, NULL, .idle_timeout = 5 * WEFT_SECOND);
}

/* Of those who do not read, the one who holds most. */
static void hold_memory(void *arg)
{
    (void)arg;
    weft_stream *little = dial(), *much = dial(), *other = dial();
    ask(little, "SUBSCRIBE little", "*3\r\n$9\r\nsubscribe\r\n$6\r\nlittle\r\n:1\r\n");
    ask(much, "SUBSCRIBE much", "*3\r\n$9\r\nsubscribe\r\n$4\r\nmuch\r\n:1\r\n");
    static char message[20000];
    memset(message, 'm', sizeof message - 1);
    weft_slice pieces[2] = { { message, sizeof message - 1 }, { "\r\n", 2 } };
    for (int i = 0; i < 40; i++) {
        const char *line = i < 8 ? "PUBLISH little " : "PUBLISH much ";
        say(other, line);
        assert_int_equal(weft_write_pieces(other, pieces, 2), 0);
        hear(other, ":");
        weft_sleep(WEFT_MILLISECOND);
        char rest[3];
        assert_int_equal(weft_read_exact(other, rest, 3), 0);
    }
    expect_log("it holds");
    say(other, "PUBSUB NUMSUB little much\r\n");
    hear(other, "*4\r\n$6\r\nlittle\r\n:1\r\n$4\r\nmuch\r\n:0\r\n");
    weft_close(little);
    weft_close(much);
    weft_close(other);
}

static void test_server_closes_who_holds_most(void **state)
{
    (void)state;
    serving(hold_memory, NULL, .total_max = 400000);
}

/* --- the end of the server --- */

static void shut_down(void *arg)
{
    (void)arg;
    weft_stream *s = dial(), *idle = dial(), *waits = dial(), *busy = dial(), *half = dial();
    ask(idle, "PING", "+PONG\r\n");
    say(waits, "BPOP k 0\r\n");
    say(busy, "SLEEP 1000\r\nPING\r\n");
    say(half, "*1\r\n");
    weft_sleep(WEFT_MILLISECOND);
    say(s, "SHUTDOWN\r\n");
    hear_end(s);
    hear_end(idle);
    hear_end(waits);
    hear_end(half);
    weft_sleep(WEFT_SECOND);
    hear(busy, "+SLEPT\r\n");
    weft_close(s);
    weft_close(idle);
    weft_close(waits);
    weft_close(busy);
    weft_close(half);
}

static void test_server_ends_by_shutdown(void **state)
{
    (void)state;
    struct redis_site site = { .body = shut_down };
    serving_with(&site, 0);
}

static int refuse_shutdown(weft_redis_request *request, void *app)
{
    (void)app;
    return request->count > 1 && weft_redis_is(request->args[1], "nosave") ? 0 : -EBUSY;
}

static void ask_for_shutdown(void *arg)
{
    (void)arg;
    weft_stream *s = dial();
    ask(s, "SHUTDOWN", "-ERR Errors trying to SHUTDOWN. Check logs.\r\n");
    say(s, "SHUTDOWN NOSAVE\r\n");
    hear_end(s);
    weft_close(s);
}

static void test_server_asks_before_a_shutdown(void **state)
{
    (void)state;
    struct redis_site site = { .body = ask_for_shutdown, .options.shutdown = refuse_shutdown };
    serving_with(&site, 0);
}

static int listen_and_serve(void *arg)
{
    int err = weft_redis_serve("mem:other", arg);
    assert_int_equal(err, -EINVAL);
    return 0;
}

static void test_server_refuses_a_faulty_table(void **state)
{
    (void)state;
    static const weft_redis_command twice[] = { { "a", do_get, .arity = 2 },
                                                { "A", do_get, .arity = 2 },
                                                { 0 } };
    static const weft_redis_command nameless[] = { { "", do_get, .arity = 2 }, { 0 } };
    assert_int_equal(weft_run(listen_and_serve, (void *)(uintptr_t)twice, .no_signals = true), 0);
    expect_log("\"A\" is in the table twice");
    assert_int_equal(weft_run(listen_and_serve, (void *)(uintptr_t)nameless, .no_signals = true),
                     0);
    expect_log("has no name");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        redis_test(test_server_answers_commands),
        redis_test(test_server_takes_commands_in_pieces),
        redis_test(test_server_answers_pipelined_commands_in_order),
        redis_test(test_server_executes_in_one_thread),
        redis_test(test_server_suspends_one_client),
        redis_test(test_server_answers_for_handlers_that_do_not),
        redis_test(test_server_speaks_both_versions),
        redis_test(test_server_asks_for_a_password),
        redis_test(test_server_takes_little_from_strangers),
        redis_test(test_server_closes_behind_the_last_reply),
        redis_test(test_server_refuses_more_clients_than_it_may_have),
        redis_test(test_server_has_limits_on_sizes),
        redis_test(test_server_sends_no_part_of_a_reply),
        redis_test(test_server_takes_no_commands_from_a_page),
        redis_test(test_server_waits_for_who_reads_slowly),
        redis_test(test_server_closes_who_reads_nothing),
        redis_test(test_server_closes_the_silent),
        redis_test(test_server_closes_who_holds_most),
        redis_test(test_server_ends_by_shutdown),
        redis_test(test_server_asks_before_a_shutdown),
        redis_test(test_server_refuses_a_faulty_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
