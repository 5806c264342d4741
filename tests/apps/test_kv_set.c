/* Sets, and sorted arrays of integers, against an array of flags. */

#include "kv_test.h"

#include "weft-kv/intset.h"
#include "weft-kv/set.h"

static struct entry *set;
static struct kv_limits limits;
static bool model[POOL];
static int seen[POOL];
static uint64_t count;
static struct dice dice;
static struct wf_random dice_of_picks;

static void clear(void)
{
    entry_free(set);
    set = entry_create(ENTRY_SET, ENTRY_SMALL, false, text_of("set"), 0);
    memset(model, 0, sizeof model);
    count = 0;
}

static int begin(void **state)
{
    (void)state;
    dice = dice_seed("set");
    wf_random_seed(&dice_of_picks, dice_throw(&dice));
    limits = test_limits();
    limits.set_integers = 20;
    limits.set_count = 30;
    set = NULL;
    clear();
    return 0;
}

static int end(void **state)
{
    (void)state;
    entry_free(set);
    assert_int_equal(kv_memory_used(), 0);
    return 0;
}

static void see(void *arg, const struct pack_item *member)
{
    char space[PACK_TEXT_MAX];
    int number = pool_find(pack_text(member, space));
    (void)arg;
    assert_true(number < POOL && model[number]);
    seen[number]++;
}

static void check_seen(void)
{
    for (int i = 0; i < POOL; i++)
        assert_int_equal(seen[i] > 0, model[i]);
    memset(seen, 0, sizeof seen);
}

static void check(void)
{
    struct set_iterator iterator;
    struct pack_item member;
    uint64_t cursor = 0, visited = 0;
    assert_int_equal(set_count(set), count);
    set_iterate_begin(&iterator, set);
    for (; set_iterate_next(&iterator, &member); visited++)
        see(NULL, &member);
    set_iterate_end(&iterator);
    assert_int_equal(visited, count);
    check_seen();
    do
        cursor = set_scan(set, cursor, see, NULL);
    while (cursor);
    check_seen();
    assert_int_equal(set_random(set, &dice_of_picks, &member), count > 0);
    if (count > 0)
        see(NULL, &member);
    memset(seen, 0, sizeof seen);
}

/* 0: integers; 1: short texts too; 2: all. */
static int any_text(int kind)
{
    return (int)dice_below(&dice, kind == 0 ? 24 : kind == 1 ? 40 : POOL);
}

static void add(int kind)
{
    int member = any_text(kind), result;
    WITH_FAULTS(result, set_add(set, pool[member], &limits), check())
    assert_int_equal(result, !model[member]);
    count += !model[member];
    model[member] = true;
}

static void take(int kind)
{
    int member = any_text(kind);
    assert_int_equal(set_remove(set, pool[member]), model[member]);
    count -= model[member];
    model[member] = false;
}

static void test_set_does_what_an_array_of_flags_does(void **state)
{
    (void)state;
    for (long left = operations(20000); left > 0; left--) {
        int kind = left % 600 > 400 ? 0 : left % 600 > 200 ? 1 : 2;
        if (left % 600 == 0)
            clear();
        if (dice_below(&dice, 5) < 3)
            add(kind);
        else
            take(kind);
        int member = any_text(kind);
        assert_int_equal(set_has(set, pool[member]), model[member]);
        if (left % 64 == 0)
            check();
    }
}

static void add_texts(int from, int some)
{
    for (int i = from; i < from + some; i++)
        assert_int_equal(set_add(set, pool[i], &limits), 1);
}

static void test_set_encoding_is_the_most_compact_one_allowed(void **state)
{
    (void)state;
    add_texts(0, 20);
    assert_string_equal(set_encoding(set), "intset");
    add_texts(20, 1);
    assert_string_equal(set_encoding(set), "listpack");
    clear();
    add_texts(0, 6);
    add_texts(56, 24);
    assert_string_equal(set_encoding(set), "listpack");
    add_texts(10, 1);
    assert_string_equal(set_encoding(set), "hashtable");
    clear();
    add_texts(0, 2);
    assert_int_equal(set_add(set, (weft_slice){ pool_bytes, 64 }, &limits), 1);
    assert_string_equal(set_encoding(set), "listpack");
    assert_int_equal(set_add(set, (weft_slice){ pool_bytes, 65 }, &limits), 1);
    assert_string_equal(set_encoding(set), "hashtable");
    limits.set_integers = 100;
    limits.set_count = 10;
    clear();
    add_texts(0, 20);
    assert_string_equal(set_encoding(set), "intset");
    add_texts(30, 1);
    assert_string_equal(set_encoding(set), "hashtable");
}

static void test_set_random_is_fair_in_each_form(void **state)
{
    enum { PICKS = 300 };
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        struct pack_item member;
        clear();
        while (count < 15)
            add(kind);
        for (uint64_t i = 0; i < count * PICKS; i++) {
            assert_true(set_random(set, &dice_of_picks, &member));
            see(NULL, &member);
        }
        for (int i = 0; i < POOL; i++)
            assert_true(!model[i] || (seen[i] > PICKS / 2 && seen[i] < PICKS * 2));
        memset(seen, 0, sizeof seen);
    }
}

static void test_set_copy_is_the_same(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        struct entry *copy;
        int err;
        clear();
        for (int i = 0; i < 15 + 50 * (kind == 2); i++)
            add(kind);
        uint64_t before = kv_memory_used();
        WITH_FAULTS(err, entry_copy(set, text_of("copy"), &limits, &copy),
                    assert_int_equal(kv_memory_used(), before))
        assert_int_equal(err, 0);
        entry_free(set);
        set = copy;
        check();
    }
}

static void test_intset_widens_and_stays_sorted(void **state)
{
    struct intset *integers = NULL;
    int64_t value = 1;
    (void)state;
    for (int i = 0; i < 62; i++, value *= 2) {
        assert_int_equal(intset_add(&integers, i % 2 ? value : -value), 1);
        assert_int_equal(intset_add(&integers, i % 2 ? value : -value), 0);
        assert_int_equal(integers->width, i < 15 ? 2 : i < 31 ? 4 : 8);
    }
    for (uint32_t i = 1; i < 62; i++)
        assert_true(intset_at(integers, i - 1) < intset_at(integers, i));
    for (int i = 0; i < 62; i++) {
        value = (int64_t)1 << i;
        assert_true(intset_has(integers, i % 2 ? value : -value));
        assert_false(intset_has(integers, i % 2 ? -value : value));
        assert_true(intset_remove(&integers, i % 2 ? value : -value));
    }
    assert_int_equal(intset_count(integers), 0);
    kv_free(integers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_set_does_what_an_array_of_flags_does, begin, end),
        cmocka_unit_test_setup_teardown(test_set_encoding_is_the_most_compact_one_allowed, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_set_random_is_fair_in_each_form, begin, end),
        cmocka_unit_test_setup_teardown(test_set_copy_is_the_same, begin, end),
        cmocka_unit_test_setup_teardown(test_intset_widens_and_stays_sorted, begin, end),
    };
    pool_fill();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
