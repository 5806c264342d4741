/* Sorted sets against an array that is kept in order. */

#include "kv_test.h"

#include <math.h>

#include "weft-kv/zset.h"

struct row {
    int member;
    double score;
};

static struct entry *zset;
static struct kv_limits limits;
static struct row model[POOL]; /* in order */
static uint64_t count;
static int seen[POOL];
static struct dice dice;

static void clear(void)
{
    entry_free(zset);
    zset = entry_create(ENTRY_ZSET, ENTRY_SMALL, false, text_of("zset"), 0);
    count = 0;
}

static int begin(void **state)
{
    (void)state;
    dice = dice_seed("zset");
    limits = test_limits();
    limits.zset_count = 20;
    zset = NULL;
    clear();
    return 0;
}

static int end(void **state)
{
    (void)state;
    entry_free(zset);
    assert_int_equal(kv_memory_used(), 0);
    return 0;
}

static int compare_texts(int a, int b)
{
    struct pack_item left = pack_item_of(pool[a]), right = pack_item_of(pool[b]);
    return pack_item_compare(&left, &right);
}

static uint64_t model_find(int member)
{
    uint64_t i = 0;
    while (i < count && model[i].member != member)
        i++;
    return i;
}

static void model_remove(uint64_t index, uint64_t some)
{
    memmove(model + index, model + index + some, (count - index - some) * sizeof *model);
    count -= some;
}

static void model_set(int member, double score)
{
    uint64_t old = model_find(member), i = 0;
    if (old < count)
        model_remove(old, 1);
    while (i < count && (model[i].score < score ||
                         (model[i].score == score && compare_texts(model[i].member, member) < 0)))
        i++;
    memmove(model + i + 1, model + i, (count - i) * sizeof *model);
    model[i] = (struct row){ member, score };
    count++;
}

static void check_row(const struct zset_cursor *cursor, uint64_t rank)
{
    double score;
    struct pack_item member = zset_read(zset, cursor, &score);
    assert_true(rank < count);
    assert_item_is(&member, model[rank].member);
    assert_true(score == model[rank].score);
    if (signbit(score) && score == 0) /* a sign that was lost in a pack does not come back */
        assert_true(signbit(model[rank].score));
}

static void see(void *arg, const struct pack_item *member, double score)
{
    char space[PACK_TEXT_MAX];
    int number = pool_find(pack_text(member, space));
    uint64_t rank = model_find(number);
    (void)arg;
    assert_true(rank < count && model[rank].score == score);
    seen[number]++;
}

static void check_scan(void)
{
    uint64_t cursor = 0;
    memset(seen, 0, sizeof seen);
    do
        cursor = zset_scan(zset, cursor, see, NULL);
    while (cursor);
    for (uint64_t i = 0; i < count; i++)
        assert_true(seen[model[i].member] > 0);
}

static void check(void)
{
    struct zset_cursor cursor;
    uint64_t i = 0;
    assert_int_equal(zset_count(zset), count);
    for (bool more = zset_seek(zset, 0, &cursor); more; more = zset_next(zset, &cursor))
        check_row(&cursor, i++);
    assert_int_equal(i, count);
    for (bool more = count && zset_seek(zset, count - 1, &cursor); more;
         more = zset_previous(zset, &cursor))
        check_row(&cursor, --i);
    assert_int_equal(i, 0);
    assert_false(zset_seek(zset, count, &cursor));
    for (i = 0; i < count; i++) {
        assert_true(zset_seek(zset, i, &cursor));
        check_row(&cursor, i);
    }
    check_scan();
}

static double any_score(void)
{
    static const double special[] = { 0,     -0.0,   INFINITY,           -INFINITY, 0.1,
                                      1e300, -1e300, 9007199254740993.0, 1e17,      5e-324 };
    size_t what = dice_below(&dice, 40);
    if (what < sizeof special / sizeof *special)
        return special[what];
    return what < 30 ? (double)dice_below(&dice, 10) - 5 : (double)dice_below(&dice, 1000) / 8;
}

static void check_member(int member)
{
    double score;
    uint64_t rank, expected = model_find(member);
    assert_int_equal(zset_score(zset, pool[member], &score), expected < count);
    assert_int_equal(zset_rank(zset, pool[member], &rank), expected < count);
    if (expected == count)
        return;
    assert_true(score == model[expected].score);
    assert_int_equal(rank, expected);
}

static void check_bounds(void)
{
    double score = any_score();
    uint64_t below = 0, not_above = 0;
    for (uint64_t i = 0; i < count; i++) {
        below += model[i].score < score;
        not_above += model[i].score <= score;
    }
    assert_int_equal(zset_below_score(zset, score, false), below);
    assert_int_equal(zset_below_score(zset, score, true), not_above);
}

static void set(int members)
{
    int member = (int)dice_below(&dice, (size_t)members), result;
    double score = any_score();
    bool added = model_find(member) == count;
    WITH_FAULTS(result, zset_set(zset, pool[member], score, &limits), check())
    assert_int_equal(result, added);
    model_set(member, score);
}

static void take(int members)
{
    int member = (int)dice_below(&dice, (size_t)members);
    uint64_t rank = model_find(member);
    assert_int_equal(zset_remove(zset, pool[member]), rank < count);
    if (rank < count)
        model_remove(rank, 1);
}

static void drop(void)
{
    uint64_t rank = dice_below(&dice, count + 1), some = dice_below(&dice, 5);
    if (some > count - rank)
        some = count - rank;
    zset_drop(zset, rank, some);
    model_remove(rank, some);
}

static void test_zset_does_what_a_sorted_array_does(void **state)
{
    (void)state;
    for (long left = operations(6000); left > 0; left--) {
        int members = left % 600 > 300 ? 25 : POOL;
        if (left % 600 == 0)
            clear();
        size_t what = dice_below(&dice, 20);
        if (what < 14)
            set(members);
        else if (what < 19)
            take(members);
        else
            drop();
        check_member((int)dice_below(&dice, POOL));
        check_bounds();
        if (left % 64 == 0)
            check();
    }
}

static void test_zset_members_of_one_score_are_in_their_own_order(void **state)
{
    (void)state;
    for (int large = 0; large < 2; large++) {
        clear();
        for (int i = 0; i < (large ? POOL : 20); i++) {
            assert_int_equal(zset_set(zset, pool[i], 1.5, &limits), 1);
            model_set(i, 1.5);
        }
        assert_string_equal(zset_encoding(zset), large ? "skiplist" : "listpack");
        check();
        for (int i = 0; i < POOL; i++) {
            uint64_t below = 0, not_above = 0;
            for (uint64_t k = 0; k < count; k++) {
                below += compare_texts(model[k].member, i) < 0;
                not_above += compare_texts(model[k].member, i) <= 0;
            }
            assert_int_equal(zset_below_member(zset, pool[i], false), below);
            assert_int_equal(zset_below_member(zset, pool[i], true), not_above);
        }
    }
}

static void test_zset_is_a_skiplist_beyond_each_limit(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        assert_int_equal(zset_set(zset, pool[i], i, &limits), 1);
    assert_string_equal(zset_encoding(zset), "listpack");
    assert_int_equal(zset_set(zset, pool[20], 1, &limits), 1);
    assert_string_equal(zset_encoding(zset), "skiplist");
    clear();
    assert_int_equal(zset_set(zset, (weft_slice){ pool_bytes, 65 }, 1, &limits), 1);
    assert_string_equal(zset_encoding(zset), "skiplist");
}

static void test_zset_ranks_hold_in_a_large_set(void **state)
{
    enum { LARGE = 5000 };
    static uint32_t keys[LARGE];
    (void)state;
    for (uint32_t i = 0; i < LARGE; i++) {
        keys[i] = i;
        weft_slice key = { (const char *)&keys[i], sizeof keys[i] };
        assert_int_equal(zset_set(zset, key, (double)(i * 7919 % LARGE), &limits), 1);
    }
    for (uint32_t i = 0; i < LARGE; i++) {
        uint64_t rank;
        assert_true(zset_rank(zset, (weft_slice){ (const char *)&keys[i], sizeof keys[i] }, &rank));
        assert_int_equal(rank, i * 7919 % LARGE);
        assert_int_equal(zset_below_score(zset, (double)i, true), i + 1);
    }
    zset_drop(zset, 10, LARGE - 20);
    assert_int_equal(zset_count(zset), 20);
    assert_int_equal(zset_below_score(zset, LARGE - 10, false), 10);
}

static void test_zset_copy_is_the_same(void **state)
{
    (void)state;
    for (int large = 0; large < 2; large++) {
        struct entry *copy;
        int err;
        for (int i = 0; i < 10 + 100 * large; i++)
            set(large ? POOL : 15);
        uint64_t before = kv_memory_used();
        WITH_FAULTS(err, entry_copy(zset, text_of("copy"), &limits, &copy),
                    assert_int_equal(kv_memory_used(), before))
        assert_int_equal(err, 0);
        entry_free(zset);
        zset = copy;
        check();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_zset_does_what_a_sorted_array_does, begin, end),
        cmocka_unit_test_setup_teardown(test_zset_members_of_one_score_are_in_their_own_order,
                                        begin, end),
        cmocka_unit_test_setup_teardown(test_zset_is_a_skiplist_beyond_each_limit, begin, end),
        cmocka_unit_test_setup_teardown(test_zset_ranks_hold_in_a_large_set, begin, end),
        cmocka_unit_test_setup_teardown(test_zset_copy_is_the_same, begin, end),
    };
    pool_fill();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
