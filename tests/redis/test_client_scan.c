/* Scans: pages, pairs, and a walk that an error does not lose. */

#include "client_test.h"

static weft_redis_scan *scan;
static weft_redis_item item;
static char walked[1024];

static int walk(void)
{
    size_t at = 0;
    int n;
    walked[0] = '\0';
    while ((n = weft_redis_scan_next(scan, &item)) > 0)
        at += (size_t)snprintf(walked + at, sizeof walked - at, "%.*s=%.*s ", (int)item.name.size,
                               item.name.data, (int)item.value.size, item.value.data);
    return n;
}

static void check_keys(void)
{
    assert_int_equal(weft_redis_scan_open(&scan, redis, .match = "a*", .count = 50, .type = "hash"),
                     0);
    assert_int_equal(connections, 0);
    assert_int_equal(walk(), 0);
    assert_string_equal(walked, "a= b= c= ");
    assert_int_equal(weft_redis_scan_next(scan, &item), 0);
    weft_redis_scan_close(scan);
    assert_string_equal(asked, "SCAN 0 MATCH a* COUNT 50 TYPE hash|"
                               "SCAN 17 MATCH a* COUNT 50 TYPE hash|"
                               "SCAN 18446744073709551615 MATCH a* COUNT 50 TYPE hash|");
}

static void test_scan_walks_all_pages(void **state)
{
    (void)state;
    script[0][0] = "*2\r\n$2\r\n17\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n";
    script[0][1] = "*2\r\n$20\r\n18446744073709551615\r\n*0\r\n";
    script[0][2] = "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nc\r\n";
    scripted(check_keys);
}

static void check_pairs(void)
{
    weft_slice key = weft_redis_text("k y");
    assert_int_equal(weft_redis_scan_open(&scan, redis, .command = "hscan", .key = key), 0);
    assert_int_equal(walk(), 0);
    assert_string_equal(walked, "a=1 b=2 ");
    weft_redis_scan_close(scan);
    assert_int_equal(weft_redis_scan_open(&scan, redis, .command = "ZSCAN", .key = key), 0);
    assert_int_equal(walk(), 0);
    assert_string_equal(walked, "m=1.5 ");
    weft_redis_scan_close(scan);
    assert_string_equal(asked, "HSCAN k y 0|ZSCAN k y 0|");
    assert_int_equal(weft_redis_scan_open(&scan, redis, .command = "HSCAN"), -EINVAL);
    assert_int_equal(weft_redis_scan_open(&scan, redis, .key = key), -EINVAL);
    assert_int_equal(weft_redis_scan_open(&scan, redis, .command = "GET", .key = key), -EINVAL);
    weft_redis_scan_close(NULL);
}

static void test_scan_gives_pairs_where_there_are_some(void **state)
{
    (void)state;
    script[0][0] = "*2\r\n$1\r\n0\r\n*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n";
    script[0][1] = "*2\r\n$1\r\n0\r\n*2\r\n$1\r\nm\r\n,1.5\r\n";
    scripted(check_pairs);
}

static void check_errors(void)
{
    assert_int_equal(weft_redis_scan_open(&scan, redis), 0);
    assert_int_equal(weft_redis_scan_next(scan, &item), 1);
    assert_int_equal(weft_redis_scan_next(scan, &item), WEFT_EREPLY);
    assert_string_equal(weft_redis_scan_detail(scan), "ERR busy");
    assert_int_equal(weft_redis_scan_next(scan, &item), WEFT_EPROTOCOL);
    assert_int_equal(weft_redis_scan_next(scan, &item), WEFT_EPROTOCOL);
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = S);
    int err = weft_redis_scan_next(scan, &item);
    assert_int_equal(weft_scope_leave(&scope, err), -ETIMEDOUT);
    assert_int_equal(walk(), 0);
    assert_string_equal(walked, "b= ");
    weft_redis_scan_close(scan);
    assert_string_equal(asked, "SCAN 0|SCAN 17|SCAN 17|SCAN 17|SCAN 17|SCAN 17|");
}

static void test_scan_goes_on_after_an_error_where_it_was(void **state)
{
    (void)state;
    script[0][0] = "*2\r\n$2\r\n17\r\n*1\r\n$1\r\na\r\n";
    script[0][1] = "-ERR busy\r\n";
    script[0][2] = ":1\r\n";
    script[0][3] = "*1\r\n$1\r\n0\r\n";
    script[0][4] = "";
    script[0][5] = "*2\r\n$1\r\n0\r\n*0\r\n*2\r\n$1\r\n0\r\n*1\r\n$1\r\nb\r\n";
    scripted(check_errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_test(test_scan_walks_all_pages),
        http_test(test_scan_gives_pairs_where_there_are_some),
        http_test(test_scan_goes_on_after_an_error_where_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
