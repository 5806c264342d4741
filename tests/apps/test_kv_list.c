/* Lists against an array of texts. */

#include "kv_test.h"

#include "weft-kv/list.h"

#define COUNT_MAX 1500

static struct entry *list;
static struct kv_limits limits;
static int model[COUNT_MAX];
static size_t count;
static struct dice dice;

static int begin(void **state)
{
    (void)state;
    dice = dice_seed("list");
    limits = test_limits();
    limits.list_bytes = 1024; /* the same paths by fewer elements */
    list = entry_create(ENTRY_LIST, ENTRY_SMALL, false, text_of("list"), 0);
    count = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    entry_free(list);
    assert_int_equal(kv_memory_used(), 0);
    return 0;
}

static void check(void)
{
    struct list_cursor cursor;
    size_t i = 0;
    assert_int_equal(list_count(list), count);
    for (bool more = list_seek(list, 0, &cursor); more; more = list_next(list, &cursor)) {
        struct pack_item item = list_get(list, &cursor);
        assert_true(i < count);
        assert_item_is(&item, model[i++]);
    }
    assert_int_equal(i, count);
    for (bool more = list_seek(list, -1, &cursor); more; more = list_previous(list, &cursor)) {
        struct pack_item item = list_get(list, &cursor);
        assert_item_is(&item, model[--i]);
    }
    assert_int_equal(i, 0);
}

static int any_text(void)
{
    return (int)dice_below(&dice, dice_below(&dice, 60) ? POOL_SHORT : POOL);
}

static void model_insert(size_t index, int text)
{
    memmove(model + index + 1, model + index, (count - index) * sizeof *model);
    model[index] = text;
    count++;
}

static void model_remove(size_t index, size_t some)
{
    memmove(model + index, model + index + some, (count - index - some) * sizeof *model);
    count -= some;
}

static void push(void)
{
    bool first = dice_below(&dice, 2);
    int text = any_text(), err;
    if (dice_below(&dice, 8) == 0)
        WITH_FAULTS(err, list_push(list, first, pool[text], &limits), check())
    else
        err = list_push(list, first, pool[text], &limits);
    assert_int_equal(err, 0);
    model_insert(first ? 0 : count, text);
}

static void drop(size_t some)
{
    bool first = dice_below(&dice, 2);
    list_drop(list, first, some, &limits);
    if (some > count)
        some = count;
    model_remove(first ? 0 : count - some, some);
}

static int insert_at(size_t index, bool behind, int text, struct list_cursor *cursor)
{
    assert_true(list_seek(list, (int64_t)index, cursor));
    return list_insert(list, cursor, behind, pool[text], &limits);
}

static int set_at(size_t index, int text, struct list_cursor *cursor)
{
    assert_true(list_seek(list, (int64_t)index - (int64_t)count, cursor));
    return list_set(list, cursor, pool[text], &limits);
}

static void change(void)
{
    struct list_cursor cursor;
    size_t index = dice_below(&dice, count);
    int text = any_text(), err;
    bool behind = dice_below(&dice, 2);
    if (dice_below(&dice, 2)) {
        WITH_FAULTS(err, set_at(index, text, &cursor), check())
        model[index] = text;
        assert_int_equal(err, 0);
        return;
    }
    WITH_FAULTS(err, insert_at(index, behind, text, &cursor), check())
    assert_int_equal(err, 0);
    model_insert(index + behind, text);
    struct pack_item item = list_get(list, &cursor);
    assert_item_is(&item, text);
}

static void remove_some(void)
{
    int text = any_text();
    int64_t most = (int64_t)dice_below(&dice, 5) - 2;
    uint64_t removed = 0, limit = most == 0 ? UINT64_MAX : (uint64_t)(most < 0 ? -most : most);
    for (size_t i = most < 0 ? count : 0; removed < limit && (most < 0 ? i > 0 : i < count);) {
        size_t here = most < 0 ? --i : i++;
        if (model[here] != text)
            continue;
        model_remove(here, 1);
        removed++;
        i -= most >= 0;
    }
    assert_int_equal(list_remove(list, most, pool[text], &limits), removed);
}

static void step(void)
{
    size_t what = dice_below(&dice, 10);
    if (count > COUNT_MAX - 10)
        drop(count - dice_below(&dice, 20));
    else if (what < 4 || count == 0)
        push();
    else if (what < 6)
        drop(dice_below(&dice, 40) ? 1 : dice_below(&dice, count + 10));
    else if (what < 9)
        change();
    else
        remove_some();
}

static void test_list_does_what_an_array_does(void **state)
{
    (void)state;
    for (long left = operations(6000); left > 0; left--) {
        step();
        if (left % 64 == 0)
            check();
    }
    check();
}

static void test_list_becomes_a_quicklist_and_a_listpack_again(void **state)
{
    (void)state;
    assert_string_equal(list_encoding(list), "listpack");
    for (int i = 0; i < 200; i++, count++)
        assert_int_equal(list_push(list, false, pool[model[count] = 40], &limits), 0);
    assert_string_equal(list_encoding(list), "quicklist");
    check();
    list_drop(list, true, 195, &limits);
    count = 5;
    assert_string_equal(list_encoding(list), "listpack");
    check();
}

static void test_list_one_large_element_is_alone(void **state)
{
    (void)state;
    assert_int_equal(list_push(list, true, pool[POOL - 1], &limits), 0);
    model[count++] = POOL - 1;
    assert_string_equal(list_encoding(list), "quicklist");
    check();
    struct list_cursor cursor;
    assert_true(list_seek(list, 0, &cursor));
    assert_int_equal(list_set(list, &cursor, pool[model[0] = 40], &limits), 0);
    assert_string_equal(list_encoding(list), "listpack");
    check();
    assert_true(list_seek(list, 0, &cursor));
    assert_int_equal(list_set(list, &cursor, pool[model[0] = POOL - 1], &limits), 0);
    assert_string_equal(list_encoding(list), "quicklist");
    check();
    list_drop(list, false, 1, &limits);
    count = 0;
    check();
    assert_string_equal(list_encoding(list), "listpack");
}

static void test_list_copy_is_the_same(void **state)
{
    struct entry *copy;
    int err;
    (void)state;
    for (int large = 0; large < 2; large++) {
        for (int i = 0; i < 10 + 300 * large; i++)
            push();
        uint64_t before = kv_memory_used();
        WITH_FAULTS(err, entry_copy(list, text_of("copy"), &limits, &copy),
                    assert_int_equal(kv_memory_used(), before))
        assert_int_equal(err, 0);
        struct entry *original = list;
        list = copy;
        check();
        entry_free(original);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_list_does_what_an_array_does, begin, end),
        cmocka_unit_test_setup_teardown(test_list_becomes_a_quicklist_and_a_listpack_again, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_list_one_large_element_is_alone, begin, end),
        cmocka_unit_test_setup_teardown(test_list_copy_is_the_same, begin, end),
    };
    pool_fill();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
