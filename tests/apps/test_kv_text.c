/* Strings against plain bytes. */

#include "kv_test.h"

#include "weft-kv/text.h"

#define SIZE_MOST 200000

static struct entry *string;
static char model[SIZE_MOST];
static size_t size;
static struct dice dice;

static int begin(void **state)
{
    (void)state;
    dice = dice_seed("text");
    size = 0;
    return string_create(&string, false, text_of("key"), text_of(""));
}

static int end(void **state)
{
    (void)state;
    entry_free(string);
    assert_int_equal(kv_memory_used(), 0);
    return 0;
}

static void check(void)
{
    char space[STRING_SPACE];
    int64_t integer, expected;
    weft_slice text = string_get(string, space), key = entry_key(string);
    assert_int_equal(text.size, size);
    assert_int_equal(string_size(string), size);
    if (size)
        assert_memory_equal(text.data, model, size);
    assert_int_equal(key.size, 3);
    assert_memory_equal(key.data, "key", 3);
    bool is_integer = wf_resp_read_integer(model, size, &expected);
    assert_int_equal(string_integer(string, &integer), is_integer);
    if (is_integer)
        assert_int_equal(integer, expected);
}

static weft_slice any_text(void)
{
    return pool[dice_below(&dice, dice_below(&dice, 4) ? POOL_SHORT : POOL)];
}

static void model_write(size_t offset, weft_slice text)
{
    if (offset + text.size > size) {
        memset(model + size, 0, offset + text.size - size);
        size = offset + text.size;
    }
    memcpy(model + offset, text.data, text.size);
}

static void set(void)
{
    weft_slice text = any_text();
    int err;
    WITH_FAULTS(err, string_set(&string, text), check())
    assert_int_equal(err, 0);
    size = 0;
    model_write(0, text);
}

static void set_integer(void)
{
    int64_t value = (int64_t)dice_throw(&dice) - (1 << 30);
    int err;
    WITH_FAULTS(err, string_set_integer(&string, value), check())
    assert_int_equal(err, 0);
    size = wf_resp_print_integer(model, value);
}

static void append(void)
{
    weft_slice text = any_text();
    int err;
    if (size + text.size > SIZE_MOST)
        return;
    WITH_FAULTS(err, string_append(&string, text), check())
    assert_int_equal(err, 0);
    model_write(size, text);
}

static void write_in(void)
{
    weft_slice text = any_text();
    size_t offset = dice_below(&dice, size + 30);
    char *data;
    int err;
    if (offset + text.size > SIZE_MOST)
        return;
    WITH_FAULTS(err, string_open(&string, offset + text.size, &data), check())
    assert_int_equal(err, 0);
    memcpy(data + offset, text.data, text.size);
    model_write(offset, text);
}

static void test_string_does_what_bytes_do(void **state)
{
    (void)state;
    for (long left = operations(4000); left > 0; left--) {
        size_t what = dice_below(&dice, 10);
        if (what < 4)
            set();
        else if (what < 5)
            set_integer();
        else if (what < 8)
            append();
        else
            write_in();
        check();
    }
}

static void assert_encoding(weft_slice text, const char *encoding)
{
    assert_int_equal(string_set(&string, text), 0);
    assert_string_equal(string_encoding(string), encoding);
}

static void test_string_encoding_has_the_known_names(void **state)
{
    (void)state;
    assert_encoding(text_of("12"), "int");
    assert_encoding(text_of("-9223372036854775808"), "int");
    assert_encoding(text_of("9223372036854775808"), "embstr");
    assert_encoding(text_of("012"), "embstr");
    assert_encoding((weft_slice){ pool_bytes, 44 }, "embstr");
    assert_encoding((weft_slice){ pool_bytes, 45 }, "raw");
    assert_encoding((weft_slice){ pool_bytes, 5000 }, "raw");
    assert_encoding(text_of("1"), "int");
    assert_int_equal(string_append(&string, text_of("2")), 0);
    assert_string_equal(string_encoding(string), "raw");
    assert_encoding(text_of("short"), "embstr");
    char *data;
    assert_int_equal(string_open(&string, 5, &data), 0);
    assert_string_equal(string_encoding(string), "raw");
    assert_encoding(text_of("other"), "embstr");
}

static void test_string_appending_copies_now_and_then(void **state)
{
    long moves = 0;
    char space[STRING_SPACE];
    (void)state;
    for (int i = 0; i < 100000; i++) {
        const char *before = string_get(string, space).data;
        assert_int_equal(string_append(&string, text_of("x")), 0);
        moves += string_get(string, space).data != before;
    }
    assert_true(moves < 60);
}

static void test_string_of_each_size_has_one_block_or_two(void **state)
{
    (void)state;
    weft_slice key = { pool_bytes, 16 };
    uint64_t before = kv_memory_used();
    struct entry *entry;
    assert_int_equal(string_create(&entry, false, key, (weft_slice){ pool_bytes, 64 }), 0);
    assert_true(kv_memory_used() - before <= 96);
    entry_free(entry);
    assert_int_equal(string_create(&entry, false, key, text_of("123456789")), 0);
    assert_true(kv_memory_used() - before <= 48);
    entry_free(entry);
}

static void test_string_has_keys_of_any_size(void **state)
{
    static const size_t sizes[] = { 0, 1, 255, 256, 70000 };
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int expires = 0; expires < 2; expires++) {
            struct entry *entry, *copy;
            weft_slice key = { pool_bytes + 1, sizes[i] };
            assert_int_equal(string_create(&entry, expires, key, pool[70]), 0);
            assert_int_equal(entry_key(entry).size, key.size);
            assert_memory_equal(entry_key(entry).data, key.data, key.size);
            entry = entry_move(entry, !expires, key);
            assert_non_null(entry);
            assert_memory_equal(entry_key(entry).data, key.data, key.size);
            assert_int_equal(pool_find(string_get(entry, NULL)), 70);
            assert_int_equal(entry_copy(entry, text_of("other"), NULL, &copy), 0);
            assert_int_equal(pool_find(string_get(copy, NULL)), 70);
            entry_free(copy);
            entry_free(entry);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_string_does_what_bytes_do, begin, end),
        cmocka_unit_test_setup_teardown(test_string_encoding_has_the_known_names, begin, end),
        cmocka_unit_test_setup_teardown(test_string_appending_copies_now_and_then, begin, end),
        cmocka_unit_test_setup_teardown(test_string_of_each_size_has_one_block_or_two, begin, end),
        cmocka_unit_test_setup_teardown(test_string_has_keys_of_any_size, begin, end),
    };
    pool_fill();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
