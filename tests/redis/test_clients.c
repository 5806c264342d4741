/* CLIENT, COMMAND, CONFIG, INFO, LATENCY, SLOWLOG: what the server says of itself. */

#include "redis_test.h"

/* One reply, a string of either version, as text. */
static const char *hear_text(weft_stream *stream)
{
    static char text[65536];
    char line[64];
    assert_true(weft_read_line(stream, line, sizeof line) > 0);
    assert_true(line[0] == '$' || line[0] == '=');
    size_t size = strtoul(line + 1, NULL, 10);
    assert_true(size + 2 < sizeof text);
    assert_int_equal(weft_read_exact(stream, text, size + 2), 0);
    text[size] = '\0';
    return text;
}

static void expect_part(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("expected '%s' in:\n%s", part, text);
}

/* --- CLIENT --- */

static void be_listed(void *arg)
{
    (void)arg;
    weft_stream *a = dial(), *b = dial();
    ask(a, "CLIENT ID", ":1\r\n");
    ask(b, "CLIENT ID", ":2\r\n");
    ask(a, "CLIENT GETNAME", "$-1\r\n");
    ask(a, "CLIENT SETNAME anna", "+OK\r\n");
    ask(a, "CLIENT SETNAME \"a b\"",
        "-ERR Client names cannot contain spaces, newlines or special "
        "characters.\r\n");
    ask(a, "CLIENT GETNAME", "$4\r\nanna\r\n");
    ask(a, "CLIENT SETINFO lib-name mylib", "+OK\r\n");
    ask(a, "CLIENT SETINFO lib-ver 1.2", "+OK\r\n");
    ask(a, "CLIENT SETINFO nosuch 1.2", "-ERR Unrecognized option 'nosuch'\r\n");
    weft_sleep(2 * WEFT_SECOND);
    say(b, "CLIENT LIST\r\n");
    const char *text = hear_text(b);
    expect_part(text, "id=1 addr=");
    expect_part(text, " name=anna age=2 idle=2 flags=N db=0 sub=0 psub=0 multi=-1 ");
    expect_part(text, "lib-name=mylib lib-ver=1.2\n");
    expect_part(text, "\nid=2 ");
    ask(a, "SUBSCRIBE c", "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
    say(b, "CLIENT LIST TYPE pubsub\r\n");
    expect_part(hear_text(b), "flags=P db=0 sub=1");
    say(b, "CLIENT LIST ID 2 7\r\n");
    assert_int_equal(strncmp(hear_text(b), "id=2 ", 5), 0);
    say(b, "MULTI\r\nGET k\r\nDISCARD\r\nCLIENT INFO\r\n");
    hear(b, "+OK\r\n+QUEUED\r\n+OK\r\n");
    expect_part(hear_text(b), "cmd=client user=default resp=2");
    ask(b, "CLIENT", "-ERR wrong number of arguments for 'client' command\r\n");
    ask(b, "CLIENT NOSUCH",
        "-ERR unknown subcommand or wrong number of arguments for 'NOSUCH'. "
        "Try CLIENT HELP.\r\n");
    weft_close(a);
    weft_close(b);
}

static void test_client_is_listed(void **state)
{
    (void)state;
    serving(be_listed, NULL);
}

static void be_killed(void *arg)
{
    (void)arg;
    weft_stream *s = dial();
    ask(s, "CLIENT ID", ":1\r\n");
    for (int i = 0; i < 3; i++) { /* idle, waiting for a key, with a part of a command */
        static const char *const lines[] = { "PING\r\n", "BPOP k 0\r\n", "*1\r\n" };
        char line[32];
        weft_stream *victim = dial();
        say(victim, lines[i]);
        if (i == 0)
            hear(victim, "+PONG\r\n");
        weft_sleep(WEFT_MILLISECOND);
        snprintf(line, sizeof line, "CLIENT KILL ID %d\r\n", i + 2);
        say(s, line);
        hear(s, ":1\r\n");
        hear_end(victim);
        weft_close(victim);
    }
    weft_stream *sleeper = dial(); /* in the middle of a command */
    say(sleeper, "SLEEP 500\r\nPING\r\n");
    weft_sleep(WEFT_MILLISECOND);
    ask(s, "CLIENT KILL TYPE normal", ":1\r\n"); /* but not oneself */
    hear_end(sleeper);
    weft_close(sleeper);
    ask(s, "CLIENT KILL 1.2.3.4:5", "-ERR No such client\r\n");
    ask(s, "CLIENT KILL ID x", "-ERR syntax error\r\n");
    ask(s, "CLIENT KILL ID", "-ERR No such client\r\n");
    ask(s, "CLIENT KILL ID 1 SKIPME no", ":1\r\n");
    hear_end(s);
    weft_close(s);
}

static void test_client_is_killed(void **state)
{
    (void)state;
    serving(be_killed, NULL);
}

static void be_paused(void *arg)
{
    (void)arg;
    weft_stream *s = dial(), *other = dial();
    ask(s, "CLIENT PAUSE 1000 WRITE", "+OK\r\n");
    ask(other, "GET k", "$-1\r\n");
    say(other, "SET k 1\r\nGET k\r\n");
    weft_sleep(900 * WEFT_MILLISECOND);
    char byte;
    assert_int_equal(weft_read_try(other, &byte, 1), -EAGAIN);
    hear(other, "+OK\r\n$1\r\n1\r\n");
    ask(s, "CLIENT PAUSE 100000 WRITE", "+OK\r\n");
    say(other, "SET k 2\r\n");
    hear_nothing(other);
    ask(s, "CLIENT UNPAUSE", "+OK\r\n");
    hear(other, "+OK\r\n");
    ask(s, "CLIENT PAUSE 500", "+OK\r\n");
    say(other, "PING\r\n");
    weft_sleep(400 * WEFT_MILLISECOND);
    assert_int_equal(weft_read_try(other, &byte, 1), -EAGAIN);
    hear(other, "+PONG\r\n");
    ask(s, "CLIENT PAUSE -1", "-ERR value is not an integer or out of range\r\n");
    ask(s, "CLIENT PAUSE 100000 WRITE", "+OK\r\n"); /* gone while it is paused */
    say(other, "SET k 3\r\n");
    weft_sleep(WEFT_MILLISECOND);
    ask(s, "CLIENT KILL TYPE normal", ":1\r\n");
    hear_end(other);
    weft_close(s);
    weft_close(other);
}

static void test_client_is_paused(void **state)
{
    (void)state;
    serving(be_paused, NULL);
}

static void be_quiet(void *arg)
{
    (void)arg;
    weft_stream *s = dial();
    say(s, "CLIENT REPLY SKIP\r\nPING a\r\nPING b\r\n");
    hear(s, "$1\r\nb\r\n");
    say(s, "CLIENT REPLY OFF\r\nPING a\r\nNOSUCH\r\nCLIENT REPLY ON\r\nPING c\r\n");
    hear(s, "+OK\r\n$1\r\nc\r\n");
    ask(s, "CLIENT NO-EVICT on", "+OK\r\n");
    ask(s, "CLIENT NO-EVICT maybe", "-ERR syntax error\r\n");
    weft_close(s);
}

static void test_client_may_be_quiet(void **state)
{
    (void)state;
    serving(be_quiet, NULL);
}

/* --- COMMAND --- */

static void describe(void *arg)
{
    (void)arg;
    weft_stream *s = dial();
    ask(s, "COMMAND INFO bpop nosuch",
        "*2\r\n*10\r\n$4\r\nbpop\r\n:-3\r\n*2\r\n+write\r\n+blocking\r\n:1\r\n:-2\r\n:1\r\n"
        "*0\r\n*0\r\n*0\r\n*0\r\n*-1\r\n");
    ask(s, "COMMAND DOCS BPOP nosuch",
        "*2\r\n$4\r\nbpop\r\n*4\r\n$7\r\nsummary\r\n$14\r\nPops, or "
        "waits\r\n$5\r\ngroup\r\n$5\r\nstack\r\n");
    ask(s, "COMMAND GETKEYS bpop a b 0", "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    ask(s, "COMMAND GETKEYS ping", "-ERR The command has no key arguments\r\n");
    ask(s, "COMMAND GETKEYS bpop", "-ERR Invalid number of arguments specified for command\r\n");
    ask(s, "COMMAND COUNT", ":39\r\n");
    ask(s, "COMMAND LIST", "*39\r\n$3\r\nset\r\n");
    weft_close(s);
}

static void test_command_describes(void **state)
{
    (void)state;
    serving(describe, NULL);
}

/* --- CONFIG --- */

static int64_t colour = 3;

static void get_colour(void *app, char *text, size_t size)
{
    (void)app;
    snprintf(text, size, "%lld", (long long)colour);
}

static int set_colour(void *app, const char *text)
{
    (void)app;
    if (*text < '0' || *text > '9')
        return -EINVAL;
    colour = atoi(text);
    return 0;
}

static void configure(void *arg)
{
    (void)arg;
    weft_stream *s = dial();
    ask(s, "CONFIG GET maxclients colour",
        "*4\r\n$10\r\nmaxclients\r\n$5\r\n10000\r\n$6\r\ncolour\r\n"
        "$1\r\n3\r\n");
    ask(s, "CONFIG GET SLOWLOG-*",
        "*4\r\n$23\r\nslowlog-log-slower-than\r\n$5\r\n10000\r\n$15\r\n"
        "slowlog-max-len\r\n$3\r\n128\r\n");
    ask(s, "CONFIG SET colour 4 timeout 5", "+OK\r\n");
    ask(s, "CONFIG GET timeout", "*2\r\n$7\r\ntimeout\r\n$1\r\n5\r\n");
    assert_int_equal(colour, 4);
    ask(s, "CONFIG SET proto-max-bulk-len 2mb", "+OK\r\n");
    ask(s, "CONFIG GET proto-max-bulk-len", "*2\r\n$18\r\nproto-max-bulk-len\r\n$7\r\n2097152\r\n");
    ask(s, "CONFIG SET nosuch 1",
        "-ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'\r\n");
    ask(s, "CONFIG SET timeout x",
        "-ERR CONFIG SET failed (possibly related to argument 'timeout') "
        "- argument couldn't be parsed, or is out of range\r\n");
    ask(s, "CONFIG SET fixed 1",
        "-ERR CONFIG SET failed (possibly related to argument 'fixed') - "
        "can't set immutable config\r\n");
    ask(s, "CONFIG SET maxclients 0", "-ERR CONFIG SET failed");
    weft_sleep(8 * WEFT_SECOND); /* the timeout holds */
    weft_close(s);
    s = dial();
    say(s, "CLIENT LIST\r\n");
    assert_null(strstr(hear_text(s), "id=1 "));
    weft_close(s);
}

#define OUTPUT "client-output-buffer-limit"

static void limit_output(void *arg)
{
    static const char *const faulty[] = { "normal 1",       "normal 1 1 0",  "normal 1 0 1",
                                          "nobody 0 0 0",   "normal x 0 0",  "pubsub 0 0 -1",
                                          "normal 2gb 0 0", "pubsub 0 0 0 0" };
    char line[128];
    (void)arg;
    weft_stream *s = dial(), *late = dial();
    ask(s, "CONFIG GET " OUTPUT,
        "*2\r\n$26\r\n" OUTPUT "\r\n$60\r\n"
        "normal 1073741824 0 0 slave 0 0 0 pubsub 33554432 8388608 60\r\n");
    for (size_t i = 0; i < WF_ARRAY_SIZE(faulty); i++) {
        snprintf(line, sizeof line, "CONFIG SET " OUTPUT " \"%s\"\r\n", faulty[i]);
        say(s, line);
        hear(s, "-ERR CONFIG SET failed (possibly related to argument '" OUTPUT
                "') - argument couldn't be parsed, or is out of range\r\n");
    }
    ask(s, "CONFIG SET " OUTPUT " \"normal 2000 0 0 slave 256mb 64mb 60 pubsub 1kb 0 0\"",
        "+OK\r\n");
    ask(s, "CONFIG GET " OUTPUT,
        "*2\r\n$26\r\n" OUTPUT "\r\n$52\r\n"
        "normal 2000 0 0 slave 0 0 0 pubsub 1024 1073741824 0\r\n");
    ask(late, "SUBSCRIBE c", "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
    memset(line, 'x', sizeof line);
    memcpy(line, "PUBLISH c ", 10);
    weft_write(s, line, sizeof line);
    for (int i = 0; i < 10; i++)
        weft_write(s, line + 10, 100);
    ask(s, "", ":1\r\n");
    hear_end(late); /* one message is more than may wait */
    expect_log("it does not read what it is sent");
    weft_close(s);
    s = dial();
    ask(s, "BIG 5000", "");
    hear_end(s);
    expect_log("its replies are too large");
    weft_close(s);
    weft_close(late);
}

static void test_config_limits_what_waits_for_clients(void **state)
{
    (void)state;
    serving(limit_output, NULL);
}

static void test_config_reads_and_sets(void **state)
{
    (void)state;
    static const weft_redis_parameter parameters[] = { { "colour", get_colour, set_colour },
                                                       { "fixed", get_colour, NULL },
                                                       { NULL, NULL, NULL } };
    serving(configure, NULL, .parameters = parameters);
}

/* --- INFO --- */

static void say_keyspace(const char *section, weft_buffer *text, void *app)
{
    (void)app;
    if (strcmp(section, "keyspace") == 0)
        weft_buffer_append_format(text, "db0:keys=3\r\n");
}

static void inform(void *arg)
{
    (void)arg;
    weft_stream *s = dial();
    ask(s, "GET k", "$-1\r\n");
    ask(s, "GET", "-ERR wrong number of arguments for 'get' command\r\n");
    ask(s, "MULTI", "+OK\r\n");
    ask(s, "DISCARD", "+OK\r\n");
    say(s, "INFO\r\n");
    const char *text = hear_text(s);
    expect_part(text, "# Server\r\nredis_version:7.2.0\r\n");
    expect_part(text, "connected_clients:1\r\n");
    expect_part(text, "total_commands_processed:3\r\n");
    expect_part(text, "\r\n\r\n# Keyspace\r\ndb0:keys=3\r\n");
    assert_null(strstr(text, "cmdstat"));
    assert_null(strstr(text, "# Persistence"));
    say(s, "INFO commandstats\r\n");
    text = hear_text(s);
    expect_part(text, "# Commandstats\r\ncmdstat_get:calls=1,");
    expect_part(text, ",rejected_calls=1,failed_calls=0\r\n");
    say(s, "INFO latencystats\r\n");
    expect_part(hear_text(s), "latency_percentiles_usec_get:p50=");
    ask(s, "CONFIG RESETSTAT", "+OK\r\n");
    say(s, "INFO commandstats\r\n");
    assert_null(strstr(hear_text(s), "cmdstat_get"));
    weft_close(s);
}

static void test_info_says_how_it_fares(void **state)
{
    (void)state;
    serving(inform, NULL, .info = say_keyspace);
}

/* --- SLOWLOG, LATENCY --- */

static void be_slow(void *arg)
{
    (void)arg;
    weft_stream *s = dial();
    ask(s, "SLEEP 9", "+SLEPT\r\n");
    ask(s, "SLOWLOG LEN", ":0\r\n");
    ask(s, "CLIENT SETNAME me", "+OK\r\n");
    ask(s, "SLEEP 10", "+SLEPT\r\n");
    ask(s, "SLEEP 20", "+SLEPT\r\n");
    ask(s, "SLOWLOG LEN", ":2\r\n");
    say(s, "SLOWLOG GET 1\r\n");
    hear(s, "*1\r\n*6\r\n:1\r\n:");
    char line[64];
    assert_true(weft_read_line(s, line, sizeof line) > 0);
    assert_true(weft_read_line(s, line, sizeof line) > 0);
    assert_true(atoi(line + 1) >= 20000);
    hear(s, "*2\r\n$5\r\nSLEEP\r\n$2\r\n20\r\n");
    assert_true(weft_read_line(s, line, sizeof line) > 0);
    assert_true(weft_read_line(s, line, sizeof line) > 0);
    hear(s, "$2\r\nme\r\n");
    ask(s, "CONFIG SET slowlog-max-len 1", "+OK\r\n");
    ask(s, "SLEEP 30", "+SLEPT\r\n");
    ask(s, "SLOWLOG LEN", ":1\r\n");
    ask(s, "SLOWLOG RESET", "+OK\r\n");
    ask(s, "SLOWLOG LEN", ":0\r\n");
    ask(s, "SLOWLOG GET", "*0\r\n");
    ask(s, "CONFIG SET slowlog-log-slower-than -1", "+OK\r\n");
    ask(s, "SLEEP 30", "+SLEPT\r\n");
    ask(s, "SLOWLOG LEN", ":0\r\n");
    ask(s, "LATENCY LATEST", "*0\r\n");
    ask(s, "CONFIG SET latency-monitor-threshold 5", "+OK\r\n");
    ask(s, "SLEEP 7", "+SLEPT\r\n");
    say(s, "LATENCY LATEST\r\n");
    hear(s, "*1\r\n*4\r\n$7\r\ncommand\r\n:");
    assert_true(weft_read_line(s, line, sizeof line) > 0);
    hear(s, ":7\r\n:7\r\n");
    say(s, "LATENCY HISTORY command\r\n");
    hear(s, "*1\r\n*2\r\n:");
    assert_true(weft_read_line(s, line, sizeof line) > 0);
    hear(s, ":7\r\n");
    ask(s, "LATENCY RESET", ":1\r\n");
    ask(s, "LATENCY HISTORY command", "*0\r\n");
    ask(s, "LATENCY HISTOGRAM sleep",
        "*2\r\n$5\r\nsleep\r\n*4\r\n$5\r\ncalls\r\n:6\r\n$14\r\n"
        "histogram_usec\r\n*6\r\n:8192\r\n:1\r\n:16384\r\n:3\r\n"
        ":32768\r\n:6\r\n");
    weft_close(s);
}

static void test_slow_commands_are_kept(void **state)
{
    (void)state;
    serving(be_slow, NULL);
}

/* Of long commands and long arguments a part is kept. */
static void be_long(void *arg)
{
    (void)arg;
    weft_stream *s = dial();
    ask(s, "CONFIG SET slowlog-log-slower-than 0", "+OK\r\n");
    say(s, "PUSH k");
    for (int i = 0; i < 40; i++)
        say(s, " 1");
    say(s, "\r\n");
    hear(s, ":40\r\n");
    char text[256];
    memset(text, 'x', 200);
    text[200] = '\0';
    say(s, "ECHO ");
    say(s, text);
    say(s, "\r\n");
    hear(s, "$200\r\n");
    weft_sleep(WEFT_MILLISECOND);
    static char rest[1024];
    weft_read_try(s, rest, sizeof rest);
    say(s, "SLOWLOG GET 2\r\n");
    weft_sleep(WEFT_MILLISECOND);
    static char reply[8192];
    ssize_t n = weft_read_try(s, reply, sizeof reply - 1);
    assert_true(n > 0);
    reply[n] = '\0';
    expect_part(reply, "xxx... (72 more bytes)\r\n");
    expect_part(reply, "*32\r\n$4\r\nPUSH\r\n");
    expect_part(reply, "... (11 more arguments)\r\n");
    weft_close(s);
}

static void test_slow_commands_are_kept_in_part(void **state)
{
    (void)state;
    serving(be_long, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        redis_test(test_client_is_listed),
        redis_test(test_client_is_killed),
        redis_test(test_client_is_paused),
        redis_test(test_client_may_be_quiet),
        redis_test(test_command_describes),
        redis_test(test_config_reads_and_sets),
        redis_test(test_config_limits_what_waits_for_clients),
        redis_test(test_info_says_how_it_fares),
        redis_test(test_slow_commands_are_kept),
        redis_test(test_slow_commands_are_kept_in_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
