/* Percent-encoding: what may stand in one piece of an URL, and comes back from there. */

#include "http_test.h"

#include "codec/http1.h"

static weft_arena *arena;

static int setup(void **state)
{
    return http_setup(state) < 0 ? -1 : weft_arena_new(&arena, 0);
}

static int teardown(void **state)
{
    weft_arena_free(arena);
    return http_teardown(state);
}

static void expect_escaped(const char *text, const char *escaped)
{
    assert_string_equal(weft_http_escape(arena, text), escaped);
}

static void test_escape_unreserved_is_kept(void **state)
{
    (void)state;
    expect_escaped("Tea-for_2.~", "Tea-for_2.~");
    expect_escaped("..", "..");
    expect_escaped("", "");
    expect_escaped(NULL, "");
}

static void test_escape_others_are_encoded(void **state)
{
    (void)state;
    expect_escaped("a/b?c#d", "a%2Fb%3Fc%23d");
    expect_escaped("../../etc", "..%2F..%2Fetc");
    expect_escaped("a b+c&d=e%", "a%20b%2Bc%26d%3De%25");
    expect_escaped("\r\n\t\x7f", "%0D%0A%09%7F");
    expect_escaped("\xC3\xA9\xFF", "%C3%A9%FF");
}

/* Each byte alone, and all of them in one text. */
static void test_escape_every_byte_comes_back(void **state)
{
    (void)state;
    char all[256], back[256];
    for (int byte = 1; byte <= 255; byte++) {
        char text[] = { (char)byte, '\0' };
        const char *escaped = weft_http_escape(arena, text);
        bool is_kept = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                       (byte >= 'a' && byte <= 'z') || strchr("-._~", byte);
        assert_int_equal(strlen(escaped), is_kept ? 1 : 3);
        assert_int_equal(wf_http1_decode_path(back, 1, escaped, strlen(escaped)), 1);
        assert_int_equal(back[0], text[0]);
        all[byte - 1] = (char)byte;
    }
    all[255] = '\0';
    const char *escaped = weft_http_escape(arena, all);
    assert_int_equal(strlen(escaped), 66 + 3 * (255 - 66));
    assert_int_equal(wf_http1_decode_path(back, sizeof back, escaped, strlen(escaped)), 255);
    assert_memory_equal(back, all, 255);
}

static void test_escape_no_memory_is_null(void **state)
{
    (void)state;
    weft_arena *small;
    assert_int_equal(weft_arena_new(&small, 16), 0);
    assert_null(weft_http_escape(small, "/////+"));         /* 19 bytes */
    assert_non_null(weft_http_escape(small, "/////"));      /* 16 */
    assert_null(weft_http_escape(small, ""));               /* not one more */
    assert_string_equal(weft_http_escape(small, NULL), ""); /* which needs none */
    weft_arena_free(small);
}

int main(void)
{
#define escape_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        escape_test(test_escape_unreserved_is_kept),
        escape_test(test_escape_others_are_encoded),
        escape_test(test_escape_every_byte_comes_back),
        escape_test(test_escape_no_memory_is_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
