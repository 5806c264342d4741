/* The RESP codec: every vector whole, split at every offset and byte by byte; limits at the exact
 * byte; what is written is read again; numbers as text. */

#include "resp_trace.h"

#include "base/compiler.h"
#include "base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct wf_resp_limits limits_default = WF_RESP_LIMITS_DEFAULT;

struct vector {
    const char *bytes;
    size_t len;
    const char *expected;
};

#define VECTOR(bytes, expected)                                                                    \
    {                                                                                              \
        bytes, sizeof(bytes) - 1, expected                                                         \
    }

/* clang-format off */
static const struct vector commands[] = {
    VECTOR("", "idle\n"),
    VECTOR("*1\r\n$4\r\nPING\r\n", "\"PING\"\nidle\n"),
    VECTOR("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\na\r\nb\0\r\n",
           "\"SET\" \"k\" \"a\\x0d\\x0ab\\x00\"\nidle\n"),
    VECTOR("*2\r\n$3\r\nGET\r\n$0\r\n\r\n", "\"GET\" \"\"\nidle\n"),
    VECTOR("*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\nPING\r\n", "\"PING\"\n\"PING\"\n\"PING\"\nidle\n"),
    VECTOR("*0\r\n*-1\r\nPING\r\n", "\n\n\"PING\"\nidle\n"),
    VECTOR("*18\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n$1\r\n6\r\n$1\r\n7\r\n$1\r\n8\r\n$1\r\n9\r\n"
           "$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n$1\r\n6\r\n$1\r\n7\r\n$1\r\n8\r\n$1\r\n9\r\n",
           "\"1\" \"2\" \"3\" \"4\" \"5\" \"6\" \"7\" \"8\" \"9\" \"1\" \"2\" \"3\" \"4\" \"5\" \"6\" \"7\" \"8\" \"9\"\n"
           "idle\n"),
    /* lines */
    VECTOR("\r\n\nPING\nECHO  a\tb \r\n", "\n\n\"PING\"\n\"ECHO\" \"a\" \"b\"\nidle\n"),
    VECTOR("SET k \"a b\\n\\x00\\\"\\q\" 'it\\'s \"\\n\"'\n",
           "\"SET\" \"k\" \"a b\\x0a\\x00\\x22q\" \"it's \\x22\\x5cn\\x22\"\nidle\n"),
    VECTOR("ECHO \"\" ''\n", "\"ECHO\" \"\" \"\"\nidle\n"),
    VECTOR("ECHO a\"b c\"\n", "\"ECHO\" \"ab c\"\nidle\n"),
    VECTOR("ECHO \"a\"b\n", "refused: unbalanced quotes in request\n"),
    VECTOR("ECHO \"a\n", "refused: unbalanced quotes in request\n"),
    VECTOR("ECHO 'a\\'\n", "refused: unbalanced quotes in request\n"),
    VECTOR("ECHO \"\\\n", "refused: unbalanced quotes in request\n"),
    VECTOR("ECHO \"\\x4\" \"\\xg1\"\n", "\"ECHO\" \"x4\" \"xg1\"\nidle\n"),
    VECTOR("PING", "cut\n"),
    VECTOR("GET / HTTP/1.1\r\n", "\"GET\" \"/\" \"HTTP/1.1\"\nidle\n"),
    /* cut */
    VECTOR("*", "cut\n"),
    VECTOR("*1", "cut\n"),
    VECTOR("*1\r", "cut\n"),
    VECTOR("*1\r\n", "cut\n"),
    VECTOR("*1\r\n$4", "cut\n"),
    VECTOR("*1\r\n$4\r\nPIN", "cut\n"),
    VECTOR("*1\r\n$4\r\nPING\r", "cut\n"),
    VECTOR("*1048576\r\n$1\r\n1\r\n", "cut\n"),
    VECTOR("*1\r\n$536870912\r\n1\r\n", "cut\n"),
    /* refused */
    VECTOR("*1048577\r\n", "refused: invalid multibulk length\n"),
    VECTOR("*99999999999999999999\r\n", "refused: invalid multibulk length\n"),
    VECTOR("*a\r\n", "refused: invalid multibulk length\n"),
    VECTOR("*\r\n", "refused: invalid multibulk length\n"),
    VECTOR("*-\r\n", "refused: invalid multibulk length\n"),
    VECTOR("*1\n", "refused: invalid multibulk length\n"),
    VECTOR("*1\ra", "refused: invalid multibulk length\n"),
    VECTOR("*1 \r\n", "refused: invalid multibulk length\n"),
    VECTOR("*1\r\n:1\r\n", "refused: expected '$'\n"),
    VECTOR("*1\r\n*1\r\n", "refused: expected '$'\n"),
    VECTOR("*1\r\n$-1\r\n", "refused: invalid bulk length\n"),
    VECTOR("*01\r\n", "refused: invalid multibulk length\n"),
    VECTOR("*-0\r\n", "refused: invalid multibulk length\n"),
    VECTOR("*1\r\n$04\r\n", "refused: invalid bulk length\n"),
    VECTOR("*1\r\n$0004\r\n", "refused: invalid bulk length\n"),
    VECTOR("*1\r\n$00\r\n", "refused: invalid bulk length\n"),
    VECTOR("*1\r\n$536870913\r\n", "refused: invalid bulk length\n"),
    VECTOR("*1\r\n$9223372036854775807\r\n", "refused: invalid bulk length\n"),
    VECTOR("*1\r\n$1\r\nabc\r\n", "refused: expected the end of a bulk string\n"),
    VECTOR("*1\r\n$4\r\nPING\n\n", "refused: expected the end of a bulk string\n"),
};

static const struct vector replies[] = {
    VECTOR("", "idle\n"),
    VECTOR("+OK\r\n", "+\"OK\"\nidle\n"),
    VECTOR("+\r\n-ERR no\r\n", "+\"\"\n-\"ERR no\"\nidle\n"),
    VECTOR(":0\r\n:-1\r\n:9223372036854775807\r\n:-9223372036854775808\r\n:+7\r\n",
           ":0\n:-1\n:9223372036854775807\n:-9223372036854775808\n:7\nidle\n"),
    VECTOR("$0\r\n\r\n$3\r\na\r\n\r\n", "$\"\"\n$\"a\\x0d\\x0a\"\nidle\n"),
    VECTOR("$-1\r\n*-1\r\n_\r\n", "_\n_\n_\nidle\n"),
    VECTOR("*0\r\n%0\r\n~0\r\n>0\r\n", "[)\n{)\n~)\n>)\nidle\n"),
    VECTOR("*3\r\n:1\r\n*2\r\n$1\r\na\r\n*0\r\n+b\r\n", "[ :1 [ $\"a\" [)) +\"b\")\nidle\n"),
    VECTOR("%2\r\n+a\r\n:1\r\n+b\r\n~1\r\n_\r\n", "{ +\"a\" :1 +\"b\" ~ _))\nidle\n"),
    VECTOR("#t\r\n#f\r\n", "#1\n#0\nidle\n"),
    VECTOR(",1.5\r\n,-0\r\n,10\r\n,inf\r\n,-inf\r\n,nan\r\n,-nan\r\n,1e300\r\n",
           ",1.5\n,-0\n,10\n,inf\n,-inf\n,nan\n,nan\n,1e+300\nidle\n"),
    VECTOR("(3492890328409238509324850943850943825024385\r\n",
           "(\"3492890328409238509324850943850943825024385\"\nidle\n"),
    VECTOR("!3\r\nERR\r\n=5\r\ntxt:a\r\n", "!\"ERR\"\n=\"txt:a\"\nidle\n"),
    VECTOR("|1\r\n+ttl\r\n:3\r\n$1\r\na\r\n", "| +\"ttl\" :3) $\"a\"\nidle\n"),
    VECTOR("|0\r\n|0\r\n:1\r\n", "|) |) :1\nidle\n"),
    VECTOR("*2\r\n|1\r\n+ttl\r\n:3\r\n:1\r\n:2\r\n", "[ | +\"ttl\" :3) :1 :2)\nidle\n"),
    VECTOR("%1\r\n|1\r\n*0\r\n%0\r\n+k\r\n|0\r\n+v\r\n", "{ | [) {)) +\"k\" |) +\"v\")\nidle\n"),
    VECTOR(">2\r\n+message\r\n+x\r\n:1\r\n", "> +\"message\" +\"x\")\n:1\nidle\n"),
    VECTOR("*?\r\n:1\r\n*?\r\n.\r\n.\r\n", "[ :1 [))\nidle\n"),
    VECTOR("%?\r\n+a\r\n:1\r\n.\r\n~?\r\n.\r\n", "{ +\"a\" :1)\n~)\nidle\n"),
    VECTOR("$?\r\n;2\r\nab\r\n;1\r\nc\r\n;0\r\n$?\r\n;0\r\n", "; $\"ab\" $\"c\")\n;)\nidle\n"),
    VECTOR("*2\r\n$?\r\n;1\r\na\r\n;0\r\n:1\r\n", "[ ; $\"a\") :1)\nidle\n"),
    /* cut */
    VECTOR("+OK", "cut\n"),
    VECTOR("+OK\r", "cut\n"),
    VECTOR("$5\r\nabc", "cut\n"),
    VECTOR("*2\r\n:1\r\n", "cut\n"),
    VECTOR("*1000000\r\n", "cut\n"),
    VECTOR("|1\r\n:1\r\n:2\r\n", "cut\n"),
    VECTOR("*?\r\n:1\r\n", "cut\n"),
    /* refused */
    VECTOR("x\r\n", "refused: a value of an unknown kind\n"),
    VECTOR("\r\n\r\n", "refused: a value of an unknown kind\n"),
    VECTOR("+O\rK\r\n", "refused: a line ends in the middle\n"),
    VECTOR(":\r\n", "refused: an integer is none\n"),
    VECTOR(":1a\r\n", "refused: an integer is none\n"),
    VECTOR(":9223372036854775808\r\n", "refused: an integer is none\n"),
    VECTOR(",a\r\n", "refused: a double is none\n"),
    VECTOR("#x\r\n", "refused: a boolean is neither t nor f\n"),
    VECTOR("_1\r\n", "refused: a null has a value\n"),
    VECTOR("$a\r\n", "refused: a string has no length, or too large a one\n"),
    VECTOR("$-2\r\n", "refused: a string has no length, or too large a one\n"),
    VECTOR("=-1\r\n", "refused: a string has no length, or too large a one\n"),
    VECTOR("$536870913\r\n", "refused: a string has no length, or too large a one\n"),
    VECTOR("$1\r\nab\r\n", "refused: a string is longer than it says\n"),
    VECTOR("*-2\r\n", "refused: an aggregate has no count, or too large a one\n"),
    VECTOR("%-1\r\n", "refused: an aggregate has no count, or too large a one\n"),
    VECTOR("*1048577\r\n", "refused: an aggregate has no count, or too large a one\n"),
    VECTOR("%524289\r\n", "refused: an aggregate has no count, or too large a one\n"),
    VECTOR("|?\r\n", "refused: an aggregate has no count, or too large a one\n"),
    VECTOR(".\r\n", "refused: an end of nothing\n"),
    VECTOR("*1\r\n.\r\n", "refused: an end of nothing\n"),
    VECTOR("%?\r\n:1\r\n.\r\n", "refused: a key without a value\n"),
    VECTOR("$?\r\n.\r\n", "refused: a piece of a string where none belongs, or none where one does\n"),
    VECTOR("$?\r\n:1\r\n", "refused: a piece of a string where none belongs, or none where one does\n"),
    VECTOR("$?\r\n;?\r\n", "refused: a piece of a string where none belongs, or none where one does\n"),
    VECTOR("$?\r\n;-1\r\n", "refused: a piece of a string has no length\n"),
    VECTOR(";1\r\na\r\n", "refused: a piece of a string where none belongs, or none where one does\n"),
};
/* clang-format on */

static void expect_trace(const struct vector *vector, const struct resp_feeding *feeding,
                         const char *how)
{
    struct resp_trace trace = { 0 };
    resp_trace_play(&trace, feeding);
    if (strcmp(trace.text, vector->expected) != 0)
        fail_msg("'%s', %s (first cut %zu)\nexpected: %s\nhappened: %s", vector->bytes, how,
                 feeding->cut_count ? feeding->cuts[0] : 0, vector->expected, trace.text);
    resp_trace_finish(&trace);
}

static void check_vector(const struct vector *vector, bool is_reply)
{
    struct resp_feeding feeding = {
        .bytes = vector->bytes, .len = vector->len, .is_reply = is_reply, .limits = limits_default
    };
    expect_trace(vector, &feeding, "whole");
    for (size_t cut = 0; cut <= vector->len; cut++) {
        size_t cuts[] = { cut, cut + 3 < vector->len ? cut + 3 : vector->len };
        feeding.cuts = cuts;
        feeding.cut_count = 1;
        expect_trace(vector, &feeding, "in two");
        feeding.cut_count = 2;
        expect_trace(vector, &feeding, "in three");
    }
    feeding.cut_count = 0;
    feeding.byte_by_byte = true;
    expect_trace(vector, &feeding, "byte by byte");
}

static void test_resp_commands_are_the_same_however_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < WF_ARRAY_SIZE(commands); i++)
        check_vector(&commands[i], false);
}

static void test_resp_replies_are_the_same_however_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < WF_ARRAY_SIZE(replies); i++)
        check_vector(&replies[i], true);
}

/* --- limits --- */

static const char *last_line(struct resp_trace *trace, const char *bytes, size_t len, bool is_reply,
                             struct wf_resp_limits limits)
{
    struct resp_feeding feeding = {
        .bytes = bytes, .len = len, .is_reply = is_reply, .limits = limits
    };
    resp_trace_play(trace, &feeding);
    trace->text[trace->len - 1] = '\0';
    const char *line = strrchr(trace->text, '\n');
    return line ? line + 1 : trace->text;
}

static void test_resp_limits_strike_at_the_exact_byte(void **state)
{
    (void)state;
    struct resp_trace trace = { 0 };
    struct wf_resp_limits limits = {
        .string_max = 3, .count_max = 2, .inline_max = 6, .depth_max = 2
    };
    struct {
        const char *bytes;
        bool is_reply;
        const char *last;
    } cases[] = {
        { "*2\r\n$3\r\nabc\r\n$0\r\n\r\n", false, "idle" },
        { "*3\r\n", false, "refused: invalid multibulk length" },
        { "*1\r\n$4\r\n", false, "refused: invalid bulk length" },
        { "abcde\n", false, "idle" },
        { "abcdef", false, "refused: too big inline request" },
        { "abcdef\n", false, "refused: too big inline request" },
        { "+abcdef\r\n", true, "refused: a line is too long" },
        { "+abcde\r\n", true, "idle" },
        { "$3\r\nabc\r\n", true, "idle" },
        { "$4\r\n", true, "refused: a string has no length, or too large a one" },
        { "*2\r\n:1\r\n:2\r\n", true, "idle" },
        { "*3\r\n", true, "refused: an aggregate has no count, or too large a one" },
        { "%1\r\n:1\r\n:2\r\n", true, "idle" },
        { "%2\r\n", true, "refused: an aggregate has no count, or too large a one" },
        { "*1\r\n*1\r\n:1\r\n", true, "idle" },
        { "*1\r\n*1\r\n*0\r\n", true, "refused: a reply is nested too deeply" },
    };
    for (size_t i = 0; i < WF_ARRAY_SIZE(cases); i++)
        assert_string_equal(
            last_line(&trace, cases[i].bytes, strlen(cases[i].bytes), cases[i].is_reply, limits),
            cases[i].last);
    resp_trace_finish(&trace);
}

/* A million opened arrays end at the depth's limit, and cost what thirty-two do. */
static void test_resp_nested_arrays_end_at_the_limit(void **state)
{
    (void)state;
    enum { COUNT = 1000000 };
    struct resp_trace trace = { 0 };
    char *bytes = malloc((size_t)COUNT * 4);
    for (size_t i = 0; i < COUNT; i++)
        memcpy(bytes + i * 4, "*1\r\n", 4);
    assert_string_equal(last_line(&trace, bytes, (size_t)COUNT * 4, true, limits_default),
                        "refused: a reply is nested too deeply");
    free(bytes);
    resp_trace_finish(&trace);
}

/* What is announced costs nothing: no more room is asked for than twice what is there. */
static void test_resp_announced_counts_ask_for_no_room(void **state)
{
    (void)state;
    char text[] = "*1048576\r\n$1\r\na\r\n";
    weft_slice args[16];
    struct wf_resp_command command = { .args = args, .room = 0 };
    wf_resp_command_begin(&command, &limits_default);
    assert_int_equal(wf_resp_command_parse(&command, text, sizeof text - 1), WF_RESP_ROOM);
    assert_true(command.need <= 16);
    command.room = 16;
    assert_int_equal(wf_resp_command_parse(&command, text, sizeof text - 1), WF_RESP_MORE);

    struct wf_resp_node nodes[16];
    struct wf_resp_reply reply = { .nodes = nodes, .room = 0 };
    wf_resp_reply_begin(&reply, &limits_default);
    assert_int_equal(wf_resp_reply_parse(&reply, "*1000000\r\n:1\r\n", 14), WF_RESP_ROOM);
    assert_true(reply.need <= 16);
    reply.room = 16;
    assert_int_equal(wf_resp_reply_parse(&reply, "*1000000\r\n:1\r\n", 14), WF_RESP_MORE);
    assert_int_equal(reply.count, 2);
}

/* --- what is written is read again --- */

struct writing {
    struct wf_random random;
    char bytes[1 << 16];
    char *at;
    char expected[1 << 16];
    size_t len;
};

static void expect(struct writing *w, const char *text)
{
    size_t size = strlen(text);
    assert_true(w->len + size < sizeof w->expected);
    memcpy(w->expected + w->len, text, size + 1);
    w->len += size;
}

WF_PRINTF(2, 3)
static void expect_format(struct writing *w, const char *format, ...)
{
    char text[64];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    expect(w, text);
}

static uint32_t dice(struct writing *w, uint32_t sides)
{
    return (uint32_t)(wf_random_next(&w->random) % sides);
}

static void write_leaf(struct writing *w)
{
    int64_t integer = (int64_t)wf_random_next(&w->random) >> dice(w, 64);
    char text[16];
    size_t size = dice(w, sizeof text);
    memset(text, 'a' + (int)dice(w, 26), size);
    switch (dice(w, 5)) {
    case 0:
        w->at = wf_resp_write_head(w->at, WF_RESP_INTEGER, integer);
        expect_format(w, " :%lld", (long long)integer);
        break;
    case 1:
        w->at = wf_resp_write_string(w->at, text, size);
        expect_format(w, " $\"%.*s\"", (int)size, text);
        break;
    case 2:
        w->at = wf_resp_write_null(w->at, 3);
        expect(w, " _");
        break;
    case 3:
        w->at = wf_resp_write_boolean(w->at, integer & 1, 3);
        expect_format(w, " #%d", (int)(integer & 1));
        break;
    default:
        text[wf_resp_print_double(text, (double)(integer % 1000) / 4)] = '\0';
        w->at = wf_resp_write_double(w->at, (double)(integer % 1000) / 4, 3);
        expect_format(w, " ,%s", text);
        break;
    }
}

static void test_resp_written_values_are_read_again(void **state)
{
    (void)state;
    struct writing *w = calloc(1, sizeof *w);
    struct resp_trace trace = { 0 };
    wf_random_seed(&w->random, 9);
    for (int round = 0; round < 2000; round++) {
        static const enum wf_resp_kind kinds[] = { WF_RESP_ARRAY, WF_RESP_MAP, WF_RESP_SET,
                                                   WF_RESP_PUSH };
        enum wf_resp_kind kind = kinds[dice(w, 4)];
        uint32_t count = dice(w, 20);
        w->len = 0;
        w->at = wf_resp_write_aggregate(w->bytes, kind, count, 3);
        expect(w, kind == WF_RESP_ARRAY ? "["
                  : kind == WF_RESP_MAP ? "{"
                  : kind == WF_RESP_SET ? "~"
                                        : ">");
        for (uint32_t i = 0; i < (kind == WF_RESP_MAP ? count * 2 : count); i++)
            write_leaf(w);
        expect(w, ")\nidle\n");
        struct resp_feeding feeding = { .bytes = w->bytes,
                                        .len = (size_t)(w->at - w->bytes),
                                        .is_reply = true,
                                        .limits = limits_default };
        resp_trace_play(&trace, &feeding);
        assert_string_equal(trace.text, w->expected);
    }
    resp_trace_finish(&trace);
    free(w);
}

static void test_resp_version_2_has_fewer_kinds(void **state)
{
    (void)state;
    char bytes[256], *at = bytes;
    at = wf_resp_write_null(at, 2);
    at = wf_resp_write_null_array(at, 2);
    at = wf_resp_write_boolean(at, true, 2);
    at = wf_resp_write_double(at, 2.5, 2);
    at = wf_resp_write_aggregate(at, WF_RESP_MAP, 2, 2);
    at = wf_resp_write_aggregate(at, WF_RESP_SET, 2, 2);
    at = wf_resp_write_aggregate(at, WF_RESP_PUSH, 3, 2);
    *at = '\0';
    assert_string_equal(bytes, "$-1\r\n*-1\r\n:1\r\n$3\r\n2.5\r\n*4\r\n*2\r\n*3\r\n");
}

static void test_resp_commands_are_as_long_as_said(void **state)
{
    (void)state;
    static char long_text[12345];
    memset(long_text, 'x', sizeof long_text);
    weft_slice args[12];
    for (size_t i = 0; i < 12; i++)
        args[i] = (weft_slice){ long_text, i == 0 ? 0 : i == 1 ? 9 : i == 2 ? 10 : 1000 * i };
    size_t size = wf_resp_command_size(args, 12);
    char *bytes = malloc(size);
    assert_ptr_equal(wf_resp_command_write(bytes, args, 12), bytes + size);
    weft_slice read[12];
    struct wf_resp_command command = { .args = read, .room = 12 };
    wf_resp_command_begin(&command, &limits_default);
    assert_int_equal(wf_resp_command_parse(&command, bytes, size), WF_RESP_COMPLETE);
    assert_int_equal(command.size, size);
    assert_int_equal(command.count, 12);
    for (size_t i = 0; i < 12; i++)
        assert_int_equal(read[i].size, args[i].size);
    free(bytes);
}

/* --- numbers --- */

static void test_resp_integers_are_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } good[] = { { "0", 0 },
                 { "7", 7 },
                 { "-7", -7 },
                 { "1234567890123456789", 1234567890123456789 },
                 { "9223372036854775807", INT64_MAX },
                 { "-9223372036854775808", INT64_MIN } };
    static const char *const bad[] = { "",
                                       "-",
                                       "+1",
                                       " 1",
                                       "1 ",
                                       "01",
                                       "-0",
                                       "00",
                                       "1.",
                                       "a",
                                       "--1",
                                       "9223372036854775808",
                                       "-9223372036854775809",
                                       "18446744073709551616",
                                       "99999999999999999999" };
    int64_t value;
    for (size_t i = 0; i < WF_ARRAY_SIZE(good); i++) {
        char text[24];
        assert_true(wf_resp_read_integer(good[i].text, strlen(good[i].text), &value));
        assert_true(value == good[i].value);
        text[wf_resp_print_integer(text, value)] = '\0';
        assert_string_equal(text, good[i].text);
    }
    for (size_t i = 0; i < WF_ARRAY_SIZE(bad); i++)
        if (wf_resp_read_integer(bad[i], strlen(bad[i]), &value))
            fail_msg("'%s' was read as an integer", bad[i]);
}

static void test_resp_doubles_are_short_and_exact(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        { 0, "0" },
        { -0.0, "-0" },
        { 3, "3" },
        { -17, "-17" },
        { 3.1, "3.1" },
        { 0.1, "0.1" },
        { 1.0 / 3, "0.3333333333333333" },
        { 1e16, "10000000000000000" },
        { 1e300, "1e+300" },
        { -2.2250738585072014e-308, "-2.2250738585072014e-308" },
        { HUGE_VAL, "inf" },
        { -HUGE_VAL, "-inf" },
    };
    for (size_t i = 0; i < WF_ARRAY_SIZE(cases); i++) {
        char text[WF_RESP_DOUBLE_MAX];
        double value;
        size_t size = wf_resp_print_double(text, cases[i].value);
        assert_true(size <= WF_RESP_DOUBLE_MAX - WF_RESP_HEAD_MAX);
        text[size] = '\0';
        assert_string_equal(text, cases[i].text);
        assert_true(wf_resp_read_double(text, size, &value));
        assert_memory_equal(&value, &cases[i].value, sizeof value);
    }
}

static void test_resp_doubles_are_read_strictly(void **state)
{
    (void)state;
    static const char *const bad[] = { "", " 1", "1 ", "nan", "-nan", "1,5", "1e999", "a", "1.5x" };
    static const char *const good[] = { "1.5",       "+1.5", "-1e-300", "inf", "+inf",
                                        "-infinity", "0x10", "1e-999",  ".5" };
    double value;
    for (size_t i = 0; i < WF_ARRAY_SIZE(bad); i++)
        if (wf_resp_read_double(bad[i], strlen(bad[i]), &value))
            fail_msg("'%s' was read as a double", bad[i]);
    for (size_t i = 0; i < WF_ARRAY_SIZE(good); i++)
        if (!wf_resp_read_double(good[i], strlen(good[i]), &value))
            fail_msg("'%s' was not read as a double", good[i]);
}

static void test_resp_random_doubles_come_back(void **state)
{
    (void)state;
    struct wf_random random;
    wf_random_seed(&random, 11);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = wf_random_next(&random);
        double value, back;
        char text[WF_RESP_DOUBLE_MAX];
        memcpy(&value, &bits, sizeof value);
        if (isnan(value))
            continue;
        size_t size = wf_resp_print_double(text, value);
        assert_true(size <= WF_RESP_DOUBLE_MAX - WF_RESP_HEAD_MAX);
        assert_true(wf_resp_read_double(text, size, &back));
        assert_memory_equal(&back, &value, sizeof back);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resp_commands_are_the_same_however_cut),
        cmocka_unit_test(test_resp_replies_are_the_same_however_cut),
        cmocka_unit_test(test_resp_limits_strike_at_the_exact_byte),
        cmocka_unit_test(test_resp_nested_arrays_end_at_the_limit),
        cmocka_unit_test(test_resp_announced_counts_ask_for_no_room),
        cmocka_unit_test(test_resp_written_values_are_read_again),
        cmocka_unit_test(test_resp_version_2_has_fewer_kinds),
        cmocka_unit_test(test_resp_commands_are_as_long_as_said),
        cmocka_unit_test(test_resp_integers_are_read_strictly),
        cmocka_unit_test(test_resp_doubles_are_short_and_exact),
        cmocka_unit_test(test_resp_doubles_are_read_strictly),
        cmocka_unit_test(test_resp_random_doubles_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
