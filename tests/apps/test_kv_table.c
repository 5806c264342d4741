/* The store's table against an array of flags, and what it promises of its changes of size. */

#include "kv_test.h"

#include "base/random.h"
#include "weft-kv/hash_key.h"
#include "weft-kv/table.h"

#define KEYS 6000

struct thing {
    uint32_t key;
    bool there, stable;
    int seen;
};

static struct thing things[KEYS];
static struct table table;
static struct dice dice;
static uint32_t there;

static weft_slice thing_key(const void *entry)
{
    const struct thing *thing = entry;
    return (weft_slice){ (const char *)&thing->key, sizeof thing->key };
}

static int begin(void **state)
{
    static const uint64_t seed[2] = { 3, 4 };
    (void)state;
    dice = dice_seed("table");
    for (uint32_t i = 0; i < KEYS; i++)
        things[i] = (struct thing){ .key = i };
    there = 0;
    table_init(&table, thing_key, seed);
    return 0;
}

static int end(void **state)
{
    (void)state;
    table_fini(&table, NULL);
    assert_int_equal(kv_memory_used(), 0);
    return 0;
}

/* No operation may move more buckets than it says. */
static void assert_bounded(uint64_t moved, const void *old)
{
    if (table.arrays[0].buckets == old)
        assert_true(table.moved <= moved + TABLE_MOVES);
}

static void add(uint32_t key, bool faults)
{
    int err;
    uint64_t moved = table.moved;
    const void *old = table.arrays[0].buckets;
    if (faults)
        WITH_FAULTS(err, table_insert(&table, &things[key]),
                    assert_null(table_find(&table, thing_key(&things[key]))))
    else
        err = table_insert(&table, &things[key]);
    assert_int_equal(err, 0);
    if (!faults)
        assert_bounded(moved, old);
    things[key].there = true;
    there++;
}

static void take(uint32_t key)
{
    uint64_t moved = table.moved;
    const void *old = table.arrays[0].buckets;
    assert_ptr_equal(table_remove(&table, thing_key(&things[key])), &things[key]);
    assert_bounded(moved, old);
    things[key].there = false;
    there--;
}

static void check(uint32_t key)
{
    void **place = table_find(&table, thing_key(&things[key]));
    assert_int_equal(place != NULL, things[key].there);
    if (place)
        assert_ptr_equal(*place, &things[key]);
    assert_int_equal(table_count(&table), there);
}

static void check_all(void)
{
    for (uint32_t i = 0; i < KEYS; i++)
        check(i);
}

/* Tides: the table grows to all keys and shrinks to few, again and again. */
static void test_table_does_what_an_array_of_flags_does(void **state)
{
    (void)state;
    long left = operations(60000);
    for (size_t aim = KEYS; left > 0; aim = dice_below(&dice, 3) ? dice_below(&dice, KEYS) : 3) {
        for (int i = 0; i < 9000; i++, left--) {
            uint32_t key = (uint32_t)dice_below(&dice, KEYS);
            bool rising = there < aim;
            check(key);
            if (things[key].there && (!rising || dice_below(&dice, 8) == 0))
                take(key);
            else if (!things[key].there && (rising || dice_below(&dice, 8) == 0))
                add(key, dice_below(&dice, 16) == 0);
            if (dice_below(&dice, 50) == 0)
                table_rehash(&table, dice_below(&dice, 20));
        }
        check_all();
    }
}

static void see(void *arg, void *entry)
{
    struct thing *thing = entry;
    (void)arg;
    assert_true(thing->there);
    thing->seen++;
}

static void come_and_go(bool growing)
{
    for (int i = 0; i < 40; i++) {
        uint32_t key = (uint32_t)dice_below(&dice, KEYS);
        if (!things[key].there && growing)
            add(key, false);
        if (things[key].there && !growing && !things[key].stable)
            take(key);
    }
}

static void scan_through(bool growing)
{
    uint64_t cursor = 0;
    for (uint32_t i = 0; i < KEYS; i++)
        things[i].seen = 0;
    do {
        cursor = table_scan(&table, cursor, see, NULL);
        come_and_go(growing);
    } while (cursor);
    for (uint32_t i = 0; i < KEYS; i++)
        assert_true(!things[i].stable || things[i].seen > 0);
}

static void test_table_scan_sees_all_that_stay_while_it_grows_and_shrinks(void **state)
{
    (void)state;
    for (int round = 0; round < 10; round++) {
        for (uint32_t i = 0; i < KEYS; i += 97) {
            things[i].stable = true;
            if (!things[i].there)
                add(i, false);
        }
        scan_through(true);
        scan_through(false);
        scan_through(dice_below(&dice, 2) == 0);
    }
}

/* Nothing changes: everything once. */
static void test_table_scan_of_a_quiet_table_sees_all_once(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < KEYS; i++)
        add(i, false);
    while (table_rehash(&table, 100))
        ;
    uint64_t cursor = 0;
    do
        cursor = table_scan(&table, cursor, see, NULL);
    while (cursor);
    for (uint32_t i = 0; i < KEYS; i++)
        assert_int_equal(things[i].seen, 1);
}

static void test_table_random_is_fair(void **state)
{
    enum { SOME = 500, PICKS = 200 };
    struct wf_random random;
    (void)state;
    wf_random_seed(&random, dice_throw(&dice));
    assert_null(table_random(&table, &random));
    for (uint32_t i = 0; i < SOME; i++)
        add(i, false);
    for (int i = 0; i < SOME * PICKS; i++)
        ((struct thing *)table_random(&table, &random))->seen++;
    for (uint32_t i = 0; i < SOME; i++) /* five deviations and more */
        if (things[i].seen < PICKS / 2 || things[i].seen > PICKS * 2)
            fail_msg("%u: %d picks", i, things[i].seen);
}

static void test_table_iteration_lets_entries_go(void **state)
{
    struct table_iterator iterator;
    struct thing *thing;
    (void)state;
    for (uint32_t i = 0; i < KEYS; i++)
        add(i, false);
    table_iterate_begin(&iterator, &table);
    while ((thing = table_iterate_next(&iterator)) != NULL) {
        thing->seen++;
        take(thing->key);
        uint32_t other = thing->key ^ 1;
        if (things[other].there && dice_below(&dice, 4) == 0)
            take(other);
    }
    table_iterate_end(&iterator);
    assert_int_equal(there, 0);
    for (uint32_t i = 0; i < KEYS; i++)
        assert_true(things[i].seen <= 1);
    for (uint32_t i = 0; i < KEYS; i++)
        add(i, false);
    check_all();
}

/* What iteration has left of chains is put in order by what comes later. */
static void test_table_works_on_after_holes(void **state)
{
    struct table_iterator iterator;
    struct thing *thing;
    (void)state;
    for (int round = 0; round < 5; round++) {
        for (uint32_t i = 0; i < KEYS; i++)
            if (!things[i].there)
                add(i, false);
        table_iterate_begin(&iterator, &table);
        while ((thing = table_iterate_next(&iterator)) != NULL)
            if (dice_below(&dice, 5))
                take(thing->key);
        table_iterate_end(&iterator);
        check_all();
        for (uint32_t i = 0; i < KEYS; i++)
            if (things[i].there && dice_below(&dice, 2))
                take(i);
        check_all();
    }
}

static void test_table_is_taken_apart_in_slices(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < KEYS; i++)
        add(i, false);
    uint32_t taken = 0;
    for (int slices = 0; !table_is_gone(&table); slices++) {
        uint64_t steps = 10;
        struct thing *thing;
        while ((thing = table_take(&table, &steps)) != NULL)
            taken += thing->there;
        assert_true(slices < KEYS);
    }
    assert_int_equal(taken, KEYS);
    assert_int_equal(kv_memory_used(), 0);
}

/* Arrays of a megabyte and more are pages of their own. */
static void test_table_large_arrays_come_and_go(void **state)
{
    enum { CROWD = 150000 };
    static struct thing crowd[CROWD];
    (void)state;
    for (uint32_t i = 0; i < CROWD; i++) {
        crowd[i].key = i;
        assert_int_equal(table_insert(&table, &crowd[i]), 0);
    }
    assert_true(table.arrays[0].mask >= 1 << 14);
    for (uint32_t i = 0; i < CROWD; i++)
        assert_ptr_equal(*table_find(&table, thing_key(&crowd[i])), &crowd[i]);
    uint64_t full = kv_memory_used();
    for (uint32_t i = 100; i < CROWD; i++)
        assert_ptr_equal(table_remove(&table, thing_key(&crowd[i])), &crowd[i]);
    while (table_rehash(&table, 1000))
        ;
    assert_true(kv_memory_used() * 100 < full);
    for (uint32_t i = 0; i < 100; i++)
        assert_ptr_equal(*table_find(&table, thing_key(&crowd[i])), &crowd[i]);
}

static void test_table_gives_memory_back_when_it_is_sparse(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < KEYS; i++)
        add(i, false);
    uint64_t full = kv_memory_used();
    for (uint32_t i = 10; i < KEYS; i++)
        take(i);
    while (table_rehash(&table, 100))
        ;
    assert_true(kv_memory_used() * 20 < full);
}

/* From an implementation whose answers for SipHash-2-4 are the published ones. */
static void test_hash_key_is_siphash_1_3(void **state)
{
    static const struct {
        size_t size;
        uint64_t hash;
    } known[] = {
        { 0, 0xabac0158050fc4dc },  { 1, 0xc9f49bf37d57ca93 },  { 7, 0xd3927d989bb11140 },
        { 8, 0x369095118d299a8e },  { 15, 0xd320d86d2a519956 }, { 16, 0xcc4fdd1a7d908b66 },
        { 31, 0x2370dd1f8c21d1bc },
    };
    static const uint64_t seed[2] = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };
    char data[31];
    (void)state;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)i;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_true(hash_key(seed, data, known[i].size) == known[i].hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_key_is_siphash_1_3),
        cmocka_unit_test_setup_teardown(test_table_does_what_an_array_of_flags_does, begin, end),
        cmocka_unit_test_setup_teardown(
            test_table_scan_sees_all_that_stay_while_it_grows_and_shrinks, begin, end),
        cmocka_unit_test_setup_teardown(test_table_scan_of_a_quiet_table_sees_all_once, begin, end),
        cmocka_unit_test_setup_teardown(test_table_random_is_fair, begin, end),
        cmocka_unit_test_setup_teardown(test_table_iteration_lets_entries_go, begin, end),
        cmocka_unit_test_setup_teardown(test_table_works_on_after_holes, begin, end),
        cmocka_unit_test_setup_teardown(test_table_is_taken_apart_in_slices, begin, end),
        cmocka_unit_test_setup_teardown(test_table_large_arrays_come_and_go, begin, end),
        cmocka_unit_test_setup_teardown(test_table_gives_memory_back_when_it_is_sparse, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
