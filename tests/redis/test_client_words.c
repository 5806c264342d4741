/* Words: formats, addresses, and what is known of commands. */

#include "client_test.h"

#include "redis/address.h"
#include "redis/format.h"
#include "redis/known.h"

/* --- formats --- */

static char line[300000]; /* the arguments, each in <> */

static int format(const char *text, ...)
{
    weft_slice *args;
    size_t count, at = 0;
    const char *why = NULL;
    va_list list;
    va_start(list, text);
    int err = wf_redis_format(arena, &args, &count, &why, text, list);
    va_end(list);
    if (err == -EINVAL)
        assert_non_null(why);
    for (size_t i = 0; err == 0 && i < count; i++)
        at += (size_t)snprintf(line + at, sizeof line - at, "<%.*s>", (int)args[i].size,
                               args[i].data);
    return err;
}

#define expect_format(expected, ...)                                                               \
    do {                                                                                           \
        assert_int_equal(format(__VA_ARGS__), 0);                                                  \
        assert_string_equal(line, expected);                                                       \
    } while (0)

static void test_format_one_conversion_is_one_argument(void **state)
{
    (void)state;
    assert_int_equal(weft_arena_new(&arena, SIZE_MAX), 0);
    expect_format("<GET><a>", "GET a");
    expect_format("<GET><a>", "  GET   a ");
    expect_format("<GET><a b\r\nDEL c>", "GET %s", "a b\r\nDEL c");
    expect_format("<GET><>", "GET %s", "");
    expect_format("<SET><user:7:name><xy>", "SET user:%d:name %b", 7, "xyz", (size_t)2);
    expect_format("<a><-1><18446744073709551615><-9223372036854775808>", "a %d %llu %lld", -1,
                  UINT64_MAX, INT64_MIN);
    expect_format("<4294967295><5><6><7><8><9>", "%u %zu %ld %lu %jd %i", UINT32_MAX, (size_t)5, 6l,
                  7ul, (intmax_t)8, 9);
    expect_format("<0.1><3><x%y>", "%f %g %c%%y", 0.1, 3.0, 'x');
    expect_format("<ab><acb>", "%s%s a%sb", "a", "b", "c");
    expect_format("<>", "%b", (void *)NULL, (size_t)0);
    weft_arena_free(arena);
}

static void test_format_texts_are_not_copied(void **state)
{
    (void)state;
    assert_int_equal(weft_arena_new(&arena, 1024), 0);
    static char large[100000];
    memset(large, 'x', sizeof large - 1);
    assert_int_equal(format("SET %s %b", large, large, sizeof large), 0);
    weft_arena_free(arena);
}

static void test_format_that_cannot_be_is_refused(void **state)
{
    (void)state;
    assert_int_equal(weft_arena_new(&arena, SIZE_MAX), 0);
    assert_int_equal(format(""), -EINVAL);
    assert_int_equal(format("   "), -EINVAL);
    assert_int_equal(format("GET %"), -EINVAL);
    assert_int_equal(format("GET %l"), -EINVAL);
    assert_int_equal(format("GET %q"), -EINVAL);
    assert_int_equal(format("GET %x", 1), -EINVAL);
    assert_int_equal(format("GET %5d", 1), -EINVAL);
    assert_int_equal(format("GET %lld%lls", 1ll, 2ll), -EINVAL);
    assert_int_equal(format("GET %s", (char *)NULL), -EINVAL);
    assert_int_equal(format("GET %b", (void *)NULL, (size_t)1), -EINVAL);
    char many[4096] = "";
    for (int i = 0; i < 1025; i++)
        strcat(many, "a ");
    assert_int_equal(format(many), -EINVAL);
    weft_arena_free(arena);
}

static void test_format_without_room_is_refused(void **state)
{
    (void)state;
    int err = -ENOMEM;
    for (size_t limit = 1; err < 0; limit += 16) {
        assert_int_equal(weft_arena_new(&arena, limit), 0);
        err = format("a b c d e f g h i user:%d %s", 7, "text");
        assert_true(err == 0 || err == -ENOMEM);
        weft_arena_free(arena);
        assert_true(limit < 4096);
    }
}

/* --- addresses --- */

static void expect_address(const char *text, const char *connect, const char *user,
                           const char *password, uint32_t database)
{
    struct wf_redis_address address;
    assert_int_equal(wf_redis_address_read(&address, text, arena), 0);
    assert_string_equal(address.connect, connect);
    assert_string_equal(address.user ? address.user : "-", user ? user : "-");
    assert_string_equal(address.password ? address.password : "-", password ? password : "-");
    assert_int_equal(address.database, database);
}

static int address_error(const char *text)
{
    struct wf_redis_address address;
    return wf_redis_address_read(&address, text, arena);
}

static void test_address_is_read_whole_or_not_at_all(void **state)
{
    (void)state;
    assert_int_equal(weft_arena_new(&arena, SIZE_MAX), 0);
    expect_address("localhost:6379", "localhost:6379", NULL, NULL, 0);
    expect_address("unix:/run/redis.sock", "unix:/run/redis.sock", NULL, NULL, 0);
    expect_address("mem:kv", "mem:kv", NULL, NULL, 0);
    expect_address("redis://host", "tcp:host:6379", NULL, NULL, 0);
    expect_address("redis://host:1/", "tcp:host:1", NULL, NULL, 0);
    expect_address("redis://host:1/15", "tcp:host:1", NULL, NULL, 15);
    expect_address("redis://u:p@host/2", "tcp:host:6379", "u", "p", 2);
    expect_address("redis://:p%40%3a@host", "tcp:host:6379", NULL, "p@:", 0);
    expect_address("redis://u:a@b@host", "tcp:host:6379", "u", "a@b", 0);
    expect_address("redis://[::1]", "tcp:[::1]:6379", NULL, NULL, 0);
    expect_address("redis://[::1]:7/1", "tcp:[::1]:7", NULL, NULL, 1);
    assert_int_equal(address_error("rediss://host"), -EPROTONOSUPPORT);
    static const char *const bad[] = {
        "",
        "redis://",
        "redis://u@host",
        "redis://u:%4@host",
        "redis://u:%00@host",
        "redis://u:%zz@host",
        "redis://host/x",
        "redis://host/1x",
        "redis://host/99999999",
        "redis://host?db=1",
        "redis://host/1#a",
    };
    for (size_t i = 0; i < WF_ARRAY_SIZE(bad); i++)
        if (address_error(bad[i]) != -EINVAL)
            fail_msg("'%s' was read", bad[i]);
    weft_arena_free(arena);
}

/* --- commands --- */

static enum wf_redis_nature known(const char *words)
{
    weft_slice args[16];
    size_t count = 0;
    while (*words) {
        size_t size = strcspn(words, " ");
        args[count++] = (weft_slice){ words, size };
        words += size + (words[size] == ' ');
    }
    return wf_redis_known(args, count);
}

static void test_known_commands_are_found(void **state)
{
    (void)state;
    static const char *const reads[] = { "get a",
                                         "GET a",
                                         "MGET a",
                                         "Ttl a",
                                         "EVAL_RO x",
                                         "EVALSHA_RO x",
                                         "GEORADIUS_RO a",
                                         "GEORADIUSBYMEMBER_RO a",
                                         "BITCOUNT a",
                                         "ZUNION 1 a",
                                         "XREAD STREAMS BLOCK 0",
                                         "BITFIELD_RO a",
                                         "SORT_RO a",
                                         "HSCAN a 0",
                                         "PING",
                                         "ZSCORE a b" };
    static const char *const plain[] = { "SET a b",
                                         "INCR a",
                                         "GE",
                                         "GETT",
                                         "ZZZ",
                                         "A",
                                         "FLUSHALL",
                                         "CLIENT LIST",
                                         "XREADGROUP GROUP g c STREAMS a >",
                                         "GETDEL a",
                                         "GETEX a",
                                         "EVAL x",
                                         "CLIENT",
                                         "averylongnameofacommandthatnobodyknows" };
    static const char *const blocks[] = { "BLPOP a 0", "brpop a 0", "BZMPOP 0 1 a MIN",
                                          "XREADGROUP GROUP g c BLOCK 0 STREAMS a >", "WAIT 1 0" };
    static const char *const refused[] = { "AUTH x",      "watch a",          "MULTI", "EXEC",
                                           "SUBSCRIBE a", "client reply off", "QUIT",  "HELLO 3",
                                           "SELECT 1",    "MONITOR",          "reset" };
    for (size_t i = 0; i < WF_ARRAY_SIZE(reads); i++)
        assert_int_equal(known(reads[i]), WF_REDIS_READS);
    for (size_t i = 0; i < WF_ARRAY_SIZE(plain); i++)
        assert_int_equal(known(plain[i]), WF_REDIS_PLAIN);
    for (size_t i = 0; i < WF_ARRAY_SIZE(blocks); i++)
        assert_int_equal(known(blocks[i]), WF_REDIS_BLOCKS);
    for (size_t i = 0; i < WF_ARRAY_SIZE(refused); i++)
        assert_int_equal(known(refused[i]), WF_REDIS_REFUSED);
    assert_int_equal(known("XREAD COUNT 1 BLOCK 0 STREAMS a 0"), WF_REDIS_BLOCKING_READ);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_test(test_format_one_conversion_is_one_argument),
        http_test(test_format_texts_are_not_copied),
        http_test(test_format_that_cannot_be_is_refused),
        http_test(test_format_without_room_is_refused),
        http_test(test_address_is_read_whole_or_not_at_all),
        http_test(test_known_commands_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
