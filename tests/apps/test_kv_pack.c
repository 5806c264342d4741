/* Packs against an array of texts. */

#include "kv_test.h"

#define COUNT_MAX 400

static struct pack *pack;
static int model[COUNT_MAX];
static uint32_t count;
static struct dice dice;

static int begin(void **state)
{
    (void)state;
    dice = dice_seed("pack");
    pack = NULL;
    count = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    kv_free(pack);
    assert_int_equal(kv_memory_used(), 0);
    return 0;
}

static void check(void)
{
    uint32_t at = pack_first(pack), i;
    assert_int_equal(pack_count(pack), count);
    for (i = 0; at != PACK_END; at = pack_next(pack, at), i++) {
        struct pack_item item = pack_get(pack, at);
        assert_item_is(&item, model[i]);
        assert_int_equal(pack_at(pack, i), at);
        assert_int_equal(pack_at(pack, (int64_t)i - count), at);
    }
    assert_int_equal(i, count);
    for (at = pack_last(pack); at != PACK_END; at = pack_previous(pack, at)) {
        struct pack_item item = pack_get(pack, at);
        assert_item_is(&item, model[--i]);
    }
    assert_int_equal(i, 0);
    assert_int_equal(pack_at(pack, count), PACK_END);
    assert_int_equal(pack_at(pack, -1 - (int64_t)count), PACK_END);
}

static int any_text(void)
{
    return (int)dice_below(&dice, dice_below(&dice, 50) ? POOL_SHORT : POOL);
}

static void splice(bool faults)
{
    uint32_t index = (uint32_t)dice_below(&dice, count + 1);
    uint32_t out = (uint32_t)dice_below(&dice, 4), in = (uint32_t)dice_below(&dice, 4);
    struct pack_item items[4];
    int texts[4], err;
    if (out > count - index)
        out = count - index;
    if (count > COUNT_MAX / 2 && dice_below(&dice, 20) == 0)
        out = count - index;
    for (uint32_t i = 0; i < in; i++)
        items[i] = pack_item_of(pool[texts[i] = any_text()]);
    uint32_t at = pack_at(pack, index);
    if (faults)
        WITH_FAULTS(err, pack_splice(&pack, at, out, items, in), check())
    else
        err = pack_splice(&pack, at, out, items, in);
    assert_int_equal(err, 0);
    memmove(model + index + in, model + index + out, (count - index - out) * sizeof *model);
    memcpy(model + index, texts, in * sizeof *model);
    count += in - out;
}

static void find(void)
{
    int text = any_text();
    struct pack_item item = pack_item_of(pool[text]);
    uint32_t step = 1 + (uint32_t)dice_below(&dice, 2), i = 0;
    while (i < count && model[i] != text)
        i += step;
    uint32_t expected = i < count ? pack_at(pack, i) : PACK_END;
    assert_int_equal(pack_find(pack, 0, &item, step), expected);
}

static void split(void)
{
    struct pack *rest;
    int err;
    uint32_t index = (uint32_t)dice_below(&dice, count + 1), at = pack_at(pack, index);
    if (!pack)
        return;
    WITH_FAULTS(err, pack_split(&pack, at, &rest), check())
    assert_int_equal(err, 0);
    uint32_t behind = count - index;
    assert_int_equal(pack_count(rest), behind);
    kv_free(rest);
    count = index;
}

static void test_pack_does_what_an_array_does(void **state)
{
    (void)state;
    for (long left = operations(4000); left > 0; left--) {
        if (count < COUNT_MAX - 4)
            splice(dice_below(&dice, 8) == 0);
        else
            split();
        find();
        if (dice_below(&dice, 100) == 0)
            split();
        if (left % 16 == 0)
            check();
    }
}

static void test_pack_every_text_comes_back(void **state)
{
    (void)state;
    for (int i = 0; i < POOL; i++) {
        assert_int_equal(pack_push_last(&pack, pool[i]), 0);
        model[count++] = i;
    }
    check();
    for (int i = 0; i < POOL; i++)
        for (int k = 0; k < POOL; k++) {
            struct pack_item a = pack_item_of(pool[i]), b = pack_item_of(pool[k]);
            assert_int_equal(pack_item_is(&a, &b), i == k);
            assert_int_equal(pack_item_compare(&a, &b) == 0, i == k);
        }
}

static void test_pack_keeps_integers_short(void **state)
{
    (void)state;
    for (int64_t value = -200; value < 200; value++) {
        char space[PACK_TEXT_MAX];
        struct pack_item item = { .integer = value };
        assert_int_equal(pack_push_last(&pack, pack_text(&item, space)), 0);
        item = pack_get(pack, pack_last(pack));
        assert_null(item.data);
        assert_int_equal(item.integer, value);
        assert_true(pack_item_size(&item) <= (value >= 0 && value < 112 ? 2 : 4));
    }
}

static void test_pack_copy_is_the_same(void **state)
{
    struct pack *copy;
    int err;
    (void)state;
    assert_int_equal(pack_copy(NULL, &copy), 0);
    assert_null(copy);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(pack_push_first(&pack, pool[i]), 0);
        model[19 - i] = i;
        count++;
    }
    WITH_FAULTS(err, pack_copy(pack, &copy), check())
    assert_int_equal(err, 0);
    assert_memory_equal(copy, pack, sizeof *pack + pack->bytes);
    kv_free(pack);
    pack = copy;
    check();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pack_does_what_an_array_does, begin, end),
        cmocka_unit_test_setup_teardown(test_pack_every_text_comes_back, begin, end),
        cmocka_unit_test_setup_teardown(test_pack_keeps_integers_short, begin, end),
        cmocka_unit_test_setup_teardown(test_pack_copy_is_the_same, begin, end),
    };
    pool_fill();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
