/* Hashes against two arrays. */

#include "kv_test.h"

#include "weft-kv/hash.h"

static struct entry *hash;
static struct kv_limits limits;
static int model[POOL]; /* the value of a field, or -1 */
static int seen[POOL];
static uint64_t count;
static struct dice dice;
static struct wf_random dice_of_picks;

static void clear(void)
{
    entry_free(hash);
    hash = entry_create(ENTRY_HASH, ENTRY_SMALL, false, text_of("hash"), 0);
    memset(model, -1, sizeof model);
    count = 0;
}

static int begin(void **state)
{
    (void)state;
    dice = dice_seed("hash");
    wf_random_seed(&dice_of_picks, dice_throw(&dice));
    limits = test_limits();
    limits.hash_count = 30;
    hash = NULL;
    clear();
    return 0;
}

static int end(void **state)
{
    (void)state;
    entry_free(hash);
    assert_int_equal(kv_memory_used(), 0);
    return 0;
}

static void check_field(int field)
{
    struct pack_item value;
    bool there = hash_get(hash, pool[field], &value);
    assert_int_equal(there, model[field] >= 0);
    if (there)
        assert_item_is(&value, model[field]);
}

static void see(void *arg, const struct pack_item *field, const struct pack_item *value)
{
    char space[PACK_TEXT_MAX];
    int number = pool_find(pack_text(field, space));
    (void)arg;
    assert_true(number < POOL && model[number] >= 0);
    assert_item_is(value, model[number]);
    seen[number]++;
}

static void check_seen(void)
{
    for (int i = 0; i < POOL; i++)
        assert_int_equal(seen[i] > 0, model[i] >= 0);
    memset(seen, 0, sizeof seen);
}

static void check(void)
{
    struct hash_iterator iterator;
    struct pack_item field, value;
    uint64_t cursor = 0, visited = 0;
    assert_int_equal(hash_count(hash), count);
    hash_iterate_begin(&iterator, hash);
    for (; hash_iterate_next(&iterator, &field, &value); visited++)
        see(NULL, &field, &value);
    hash_iterate_end(&iterator);
    assert_int_equal(visited, count);
    check_seen();
    do
        cursor = hash_scan(hash, cursor, see, NULL);
    while (cursor);
    check_seen();
    assert_int_equal(hash_random(hash, &dice_of_picks, &field, &value), count > 0);
    if (count > 0)
        see(NULL, &field, &value);
    memset(seen, 0, sizeof seen);
}

/* Mostly few and short ones, so that it stays a pack for a while. */
static int any_text(bool few)
{
    return (int)(few ? 10 + dice_below(&dice, 40) : dice_below(&dice, POOL));
}

static void set(bool few)
{
    int field = any_text(few), value = any_text(few), result;
    WITH_FAULTS(result, hash_set(hash, pool[field], pool[value], &limits), check())
    assert_int_equal(result, model[field] < 0);
    count += model[field] < 0;
    model[field] = value;
}

static void unset(bool few)
{
    int field = any_text(few);
    assert_int_equal(hash_delete(hash, pool[field]), model[field] >= 0);
    count -= model[field] >= 0;
    model[field] = -1;
}

static void test_hash_does_what_two_arrays_do(void **state)
{
    (void)state;
    for (long left = operations(6000); left > 0; left--) {
        bool few = left % 600 > 200;
        if (left % 600 == 0)
            clear();
        if (dice_below(&dice, 5) < 3)
            set(few);
        else
            unset(few);
        check_field(any_text(few));
        if (left % 64 == 0)
            check();
    }
}

static void test_hash_is_a_table_beyond_each_limit(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++)
        assert_int_equal(hash_set(hash, pool[i], pool[i], &limits), 1);
    assert_string_equal(hash_encoding(hash), "listpack");
    assert_int_equal(hash_set(hash, pool[3], pool[5], &limits), 0);
    assert_string_equal(hash_encoding(hash), "listpack");
    assert_int_equal(hash_set(hash, pool[30], pool[0], &limits), 1);
    assert_string_equal(hash_encoding(hash), "hashtable");
    clear();
    assert_int_equal(hash_set(hash, text_of("field"), (weft_slice){ pool_bytes, 64 }, &limits), 1);
    assert_string_equal(hash_encoding(hash), "listpack");
    assert_int_equal(hash_set(hash, text_of("field"), (weft_slice){ pool_bytes, 65 }, &limits), 0);
    assert_string_equal(hash_encoding(hash), "hashtable");
}

static void test_hash_values_are_replaced_by_those_of_any_length(void **state)
{
    (void)state;
    limits.hash_count = 0;
    for (size_t size = 0; size < 300; size++)
        for (size_t next = size; next < size + 9; next += 1 + next / 64) {
            struct pack_item value;
            assert_true(hash_set(hash, text_of("f"), (weft_slice){ pool_bytes, size }, &limits) >=
                        0);
            assert_int_equal(
                hash_set(hash, text_of("f"), (weft_slice){ pool_bytes + 9, next }, &limits), 0);
            assert_true(hash_get(hash, text_of("f"), &value));
            assert_int_equal(value.size, next);
            assert_memory_equal(value.data, pool_bytes + 9, next);
        }
    assert_string_equal(hash_encoding(hash), "hashtable");
}

static void test_hash_copy_is_the_same(void **state)
{
    (void)state;
    for (int large = 0; large < 2; large++) {
        struct entry *copy;
        int err;
        for (int i = 0; i < 10 + 100 * large; i++)
            set(!large);
        uint64_t before = kv_memory_used();
        WITH_FAULTS(err, entry_copy(hash, text_of("copy"), &limits, &copy),
                    assert_int_equal(kv_memory_used(), before))
        assert_int_equal(err, 0);
        entry_free(hash);
        hash = copy;
        check();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hash_does_what_two_arrays_do, begin, end),
        cmocka_unit_test_setup_teardown(test_hash_is_a_table_beyond_each_limit, begin, end),
        cmocka_unit_test_setup_teardown(test_hash_values_are_replaced_by_those_of_any_length, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_hash_copy_is_the_same, begin, end),
    };
    pool_fill();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
