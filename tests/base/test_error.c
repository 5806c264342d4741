/* Every code has a name and a text, and the detail survives what it must. */

#include "model.h"

#include "base/error.h"

static void test_error_text_knows_every_code(void **state)
{
    (void)state;
#define CHECK(name, code, text)                                                                    \
    assert_int_equal(name, code);                                                                  \
    assert_true(code <= -4096);                                                                    \
    assert_string_equal(weft_error_text(name), text);                                              \
    assert_string_equal(weft_error_name(name), #name);
    WEFT_ERROR_MAP(CHECK)
#undef CHECK
}

static void test_error_text_knows_errno(void **state)
{
    (void)state;
    assert_string_equal(weft_error_text(-ECONNREFUSED), "Connection refused");
    assert_string_equal(weft_error_name(-EINVAL), "EINVAL");
    assert_string_equal(weft_error_name(-ETIMEDOUT), "ETIMEDOUT");
}

static void test_error_text_of_success_and_nonsense_is_never_null(void **state)
{
    (void)state;
    assert_string_equal(weft_error_text(0), "success");
    assert_string_equal(weft_error_text(INT32_MAX), "success");
    assert_string_equal(weft_error_name(7), "OK");
    const int nonsense[] = { -4095, -3000, -5000, INT32_MIN, INT32_MIN + 1 };
    for (size_t i = 0; i < sizeof nonsense / sizeof nonsense[0]; i++) {
        assert_string_equal(weft_error_text(nonsense[i]), "unknown error");
        assert_string_equal(weft_error_name(nonsense[i]), "unknown");
    }
}

static void test_error_fail_keeps_the_last_sentence(void **state)
{
    (void)state;
    assert_string_equal(weft_error_detail(), "");
    assert_int_equal(wf_fail(-EINVAL, "port %d is out of range", 70000), -EINVAL);
    assert_string_equal(weft_error_detail(), "port 70000 is out of range");
    assert_int_equal(wf_fail(WEFT_EDNS, "db: %s", "no such name"), WEFT_EDNS);
    assert_string_equal(weft_error_detail(), "db: no such name");
}

static void test_error_fail_can_quote_the_sentence_before(void **state)
{
    (void)state;
    wf_fail(-EINVAL, "bad port");
    wf_fail(-EINVAL, "listen: %s", weft_error_detail());
    assert_string_equal(weft_error_detail(), "listen: bad port");
}

static void test_error_fail_bounds_the_sentence(void **state)
{
    (void)state;
    char text[1000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    wf_fail(-EINVAL, "%s", text);
    assert_int_equal(strlen(weft_error_detail()), 255);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_text_knows_every_code),
        cmocka_unit_test(test_error_text_knows_errno),
        cmocka_unit_test(test_error_text_of_success_and_nonsense_is_never_null),
        cmocka_unit_test(test_error_fail_keeps_the_last_sentence),
        cmocka_unit_test(test_error_fail_can_quote_the_sentence_before),
        cmocka_unit_test(test_error_fail_bounds_the_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
