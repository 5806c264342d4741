/* JSON strings, and the date: what goes out is well-formed whatever comes in. */

#include "http_test.h"

#include "http/date.h"

static void expect_json(const char *text, const char *json)
{
    weft_arena *arena;
    assert_int_equal(weft_arena_new(&arena, 0), 0);
    assert_string_equal(weft_json_string(arena, text), json);
    weft_arena_free(arena);
}

static void test_json_string_plain_is_quoted(void **state)
{
    (void)state;
    expect_json("", "\"\"");
    expect_json("tea for two / 2", "\"tea for two / 2\"");
    expect_json(NULL, "null");
}

static void test_json_string_specials_are_escaped(void **state)
{
    (void)state;
    expect_json("a\"b\\c", "\"a\\\"b\\\\c\"");
    expect_json("\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\"");
    expect_json("\x01\x1f\x7f", "\"\\u0001\\u001f\x7f\"");
}

static void test_json_string_utf8_is_kept(void **state)
{
    (void)state;
    expect_json("\xC2\x80 \xDF\xBF \xE0\xA0\x80 \xED\x9F\xBF \xEE\x80\x80 \xF0\x90\x80\x80 "
                "\xF4\x8F\xBF\xBF",
                "\"\xC2\x80 \xDF\xBF \xE0\xA0\x80 \xED\x9F\xBF \xEE\x80\x80 \xF0\x90\x80\x80 "
                "\xF4\x8F\xBF\xBF\"");
}

#define REPLACED "\xEF\xBF\xBD"

static void test_json_string_not_utf8_is_replaced(void **state)
{
    (void)state;
    expect_json("\x80", "\"" REPLACED "\"");
    expect_json("\xFFz", "\"" REPLACED "z\"");
    expect_json("\xC0\xAF", "\"" REPLACED REPLACED "\"");              /* longer than needed */
    expect_json("\xE0\x9F\xBF", "\"" REPLACED REPLACED REPLACED "\""); /* so is this */
    expect_json("\xED\xA0\x80", "\"" REPLACED REPLACED REPLACED "\""); /* a surrogate */
    expect_json("\xF4\x90\x80\x80", "\"" REPLACED REPLACED REPLACED REPLACED "\""); /* > U+10FFFF */
    expect_json("\xE2\x82", "\"" REPLACED REPLACED "\"");       /* cut at the end */
    expect_json("\xE2\x82\"", "\"" REPLACED REPLACED "\\\"\""); /* cut by a quote */
    expect_json("\xF0", "\"" REPLACED "\"");
}

static void test_json_string_no_memory_is_null(void **state)
{
    (void)state;
    weft_arena *arena;
    assert_int_equal(weft_arena_new(&arena, 64), 0);
    assert_non_null(weft_json_string(arena, "a few bytes"));
    assert_null(weft_json_string(arena, "0123456789012345678901234567890123456789"
                                        "0123456789012345678901234567890123456789"));
    weft_arena_free(arena);
}

static void test_date_is_imf_fixdate(void **state)
{
    (void)state;
    struct wf_http_date date = { .second = 0 };
    wf_http_date_set(&date, 784111777);
    assert_string_equal(date.text, "Sun, 06 Nov 1994 08:49:37 GMT");
    wf_http_date_set(&date, 951782400);
    assert_string_equal(date.text, "Tue, 29 Feb 2000 00:00:00 GMT");
    wf_http_date_set(&date, 253402300799);
    assert_string_equal(date.text, "Fri, 31 Dec 9999 23:59:59 GMT");
    assert_ptr_equal(wf_http_date_now(&date), date.text);
    assert_true(date.second > 1700000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_test(test_json_string_plain_is_quoted),
        http_test(test_json_string_specials_are_escaped),
        http_test(test_json_string_utf8_is_kept),
        http_test(test_json_string_not_utf8_is_replaced),
        http_test(test_json_string_no_memory_is_null),
        http_test(test_date_is_imf_fixdate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
