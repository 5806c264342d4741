/* The keyspace against an array of keys: values, times of expiry, events; and what it promises of
 * slices. */

#include "kv_test.h"

#include "weft-kv/keyspace.h"

#define KEYS 300

/* What the model knows of a key. */
struct row {
    bool there;
    enum entry_type type;
    int text;     /* of a string; the one member of a set */
    int64_t when; /* KEYSPACE_NEVER */
    int seen;
};

static struct keyspace keyspace;
static struct row model[KEYS];
static char names[KEYS][12];
static struct dice dice;
static int64_t now;
static uint64_t events;

static weft_slice name_of(size_t key)
{
    return (weft_slice){ names[key], strlen(names[key]) };
}

/* A key's text has no end of its own: the value is behind it. */
static size_t number_of(weft_slice key)
{
    size_t number = 0;
    for (size_t i = 4; i < key.size; i++)
        number = number * 10 + (size_t)(key.data[i] - '0');
    return number;
}

static void note(void *arg, weft_slice key, struct entry *entry, enum keyspace_event event)
{
    (void)arg;
    events++;
    assert_int_equal(entry == NULL, event >= KEYSPACE_DELETED);
    if (event == KEYSPACE_FLUSHED)
        return;
    assert_true(key.size > 0);
    if (event == KEYSPACE_EXPIRED) {
        struct row *row = &model[number_of(key)];
        assert_true(row->there && row->when <= now);
        row->there = false;
    }
}

static int begin(void **state)
{
    struct kv_limits limits = test_limits();
    (void)state;
    dice = dice_seed("keyspace");
    memset(model, 0, sizeof model);
    for (size_t i = 0; i < KEYS; i++)
        snprintf(names[i], sizeof names[i], "key:%zu", i);
    now = 1000000;
    events = 0;
    keyspace_init(&keyspace, &limits, note, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    keyspace_fini(&keyspace);
    assert_int_equal(kv_memory_used(), 0);
    return 0;
}

static bool is_there(size_t key)
{
    return model[key].there && model[key].when > now;
}

static void check_value(const struct entry *entry, const struct row *row)
{
    char space[STRING_SPACE];
    assert_int_equal(entry->type, row->type);
    if (row->type == ENTRY_STRING) {
        struct pack_item item = pack_item_of(string_get(entry, space));
        assert_item_is(&item, row->text);
    } else if (row->type == ENTRY_SET) {
        assert_int_equal(entry_count(entry), 1);
        assert_true(set_has(entry, pool[row->text]));
    }
}

static void check(size_t key)
{
    bool there = is_there(key);
    struct entry *entry = keyspace_peek(&keyspace, name_of(key), now);
    assert_int_equal(entry != NULL, there);
    if (!there)
        return;
    check_value(entry, &model[key]);
    assert_true(keyspace_when(entry) == model[key].when);
}

/* The heap's first, and the counts. */
static void check_all(void)
{
    uint64_t there = 0, expiring = 0;
    int64_t next = KEYSPACE_NEVER;
    for (size_t i = 0; i < KEYS; i++)
        check(i);
    for (size_t i = 0; i < KEYS; i++) {
        there += model[i].there;
        expiring += model[i].there && model[i].when != KEYSPACE_NEVER;
        if (model[i].there && model[i].when < next)
            next = model[i].when;
    }
    assert_int_equal(keyspace_count(&keyspace), there);
    assert_int_equal(keyspace_count_expiring(&keyspace), expiring);
    assert_true(keyspace_next_expiry(&keyspace) == next);
}

static int64_t any_time(void)
{
    return dice_below(&dice, 2) ? KEYSPACE_NEVER : now + 1 + (int64_t)dice_below(&dice, 500);
}

/* After a failure the key is what it was. */
#define FAULTY(err, call, key)                                                                     \
    if (dice_below(&dice, 4) == 0)                                                                 \
        WITH_FAULTS(err, call, check(key))                                                         \
    else                                                                                           \
        err = (call)

static void set(size_t key)
{
    int text = (int)dice_below(&dice, POOL), err;
    int64_t when = dice_below(&dice, 3) ? any_time() : KEYSPACE_KEEP;
    int64_t after = when != KEYSPACE_KEEP ? when : is_there(key) ? model[key].when : KEYSPACE_NEVER;
    FAULTY(err, keyspace_set(&keyspace, name_of(key), pool[text], when, now), key);
    assert_int_equal(err, 0);
    model[key] = (struct row){ .there = true, .type = ENTRY_STRING, .text = text, .when = after };
}

static void obtain(size_t key)
{
    struct entry *entry;
    int text = (int)dice_below(&dice, POOL), found;
    bool there = is_there(key), other = there && model[key].type != ENTRY_SET;
    WITH_FAULTS(found, keyspace_obtain(&keyspace, name_of(key), ENTRY_SET, now, &entry), check(key))
    assert_int_equal(found, other ? -EINVAL : there);
    if (other)
        return;
    if (found == 1 && dice_below(&dice, 2)) { /* empty it: the key goes */
        assert_true(set_remove(entry, pool[model[key].text]));
        assert_false(keyspace_touch(&keyspace, entry, KEYSPACE_CHANGED));
        model[key].there = false;
        return;
    }
    if (found == 1)
        set_remove(entry, pool[model[key].text]);
    else
        model[key] = (struct row){ .there = true, .type = ENTRY_SET, .when = KEYSPACE_NEVER };
    assert_int_equal(set_add(entry, pool[text], &keyspace.limits), 1);
    assert_true(keyspace_touch(&keyspace, entry, KEYSPACE_CHANGED));
    model[key].text = text;
}

static void expire(size_t key)
{
    struct entry *entry = keyspace_peek(&keyspace, name_of(key), now);
    int64_t when = any_time();
    int err;
    if (!entry)
        return;
    FAULTY(err, keyspace_expire(&keyspace, entry, when), key);
    assert_int_equal(err, 0);
    model[key].when = when;
}

static void rename_to(size_t key, size_t other)
{
    bool there = is_there(key);
    int err;
    FAULTY(err, keyspace_rename(&keyspace, name_of(key), name_of(other), now), key);
    assert_int_equal(err, there ? 0 : -ENOENT);
    if (!there || key == other)
        return;
    model[other] = model[key];
    model[key].there = false;
}

static void put(size_t key)
{
    struct entry *entry;
    int text = (int)dice_below(&dice, POOL), err;
    int64_t when = any_time();
    assert_int_equal(string_create(&entry, dice_below(&dice, 2), name_of(key), pool[text]), 0);
    WITH_FAULTS(err, keyspace_put(&keyspace, &entry, when, now), check(key))
    assert_int_equal(err, 0);
    model[key] = (struct row){ .there = true, .type = ENTRY_STRING, .text = text, .when = when };
}

static void take(size_t key)
{
    bool there = is_there(key);
    assert_int_equal(keyspace_delete(&keyspace, name_of(key), now), there);
    if (there)
        model[key].there = false;
}

static void flush(void)
{
    keyspace_flush(&keyspace, dice_below(&dice, 2));
    for (size_t i = 0; i < KEYS; i++)
        model[i].there = false;
}

static void step(void)
{
    size_t key = dice_below(&dice, KEYS), what = dice_below(&dice, 100);
    now += dice_below(&dice, 10) == 0;
    if (what < 35)
        set(key);
    else if (what < 50)
        obtain(key);
    else if (what < 65)
        expire(key);
    else if (what < 75)
        rename_to(key, dice_below(&dice, 8) ? dice_below(&dice, KEYS) : key);
    else if (what < 82)
        put(key);
    else if (what < 92)
        take(key);
    else if (what < 96)
        keyspace_expire_some(&keyspace, now, dice_below(&dice, 3));
    else
        keyspace_work(&keyspace, dice_below(&dice, 5));
    if (dice_below(&dice, 3000) == 0)
        flush();
    check(key);
}

static void test_keyspace_does_what_an_array_of_keys_does(void **state)
{
    (void)state;
    for (long left = operations(20000); left > 0; left--) {
        step();
        if (left % 500 == 0)
            check_all();
    }
    assert_true(events > 0);
}

static void test_keyspace_find_sees_no_key_whose_time_has_come(void **state)
{
    (void)state;
    model[1] = (struct row){ .there = true, .when = 1000010 };
    assert_int_equal(keyspace_set(&keyspace, name_of(1), text_of("x"), 1000010, now), 0);
    now = 1000009;
    struct entry *entry = keyspace_find(&keyspace, name_of(1), now);
    assert_non_null(entry);
    assert_true(keyspace_when(entry) == 1000010);
    now = 1000010;
    assert_null(keyspace_find(&keyspace, name_of(1), now));
    assert_int_equal(keyspace_count(&keyspace), 0);
    assert_int_equal(keyspace.expired, 1);
}

static void test_keyspace_expires_in_order_and_in_slices(void **state)
{
    (void)state;
    for (size_t i = 0; i < KEYS; i++) {
        int64_t when = now + 1 + (int64_t)(i * 7 % KEYS);
        model[i] = (struct row){ .there = true, .when = when };
        assert_int_equal(keyspace_set(&keyspace, name_of(i), text_of("x"), when, now), 0);
    }
    now += KEYS / 2;
    for (uint64_t left = KEYS; keyspace_expire_some(&keyspace, now, 10);) {
        left -= 10;
        assert_int_equal(keyspace_count(&keyspace), left);
    }
    assert_int_equal(keyspace_count(&keyspace), KEYS / 2);
    assert_true(keyspace_next_expiry(&keyspace) == now + 1);
}

static void test_keyspace_random_and_scan_reach_every_key(void **state)
{
    (void)state;
    assert_null(keyspace_random(&keyspace, now));
    for (size_t i = 0; i < 50; i++) {
        model[i] = (struct row){ .there = true, .when = i < 25 ? now + 1 : KEYSPACE_NEVER };
        assert_int_equal(keyspace_set(&keyspace, name_of(i), text_of("x"), model[i].when, now), 0);
    }
    now++;
    for (int i = 0; i < 2000; i++) {
        weft_slice key = entry_key(keyspace_random(&keyspace, now));
        model[number_of(key)].seen++;
    }
    for (size_t i = 0; i < 50; i++)
        assert_int_equal(model[i].seen > 0, i >= 25);
}

static void test_keyspace_strings_grow_and_count(void **state)
{
    size_t size;
    char *data, space[STRING_SPACE];
    int err;
    int64_t value;
    weft_slice key = text_of("key:1");
    (void)state;
    WITH_FAULTS(err, keyspace_append(&keyspace, key, text_of("12"), now, &size),
                assert_null(keyspace_peek(&keyspace, key, now)))
    assert_int_equal(size, 2);
    assert_true(string_integer(keyspace_peek(&keyspace, key, now), &value) && value == 12);
    WITH_FAULTS(err, keyspace_add(&keyspace, key, 1, now, &value),
                assert_int_equal(entry_count(keyspace_peek(&keyspace, key, now)), 2))
    assert_int_equal(value, 13);
    struct entry *entry = keyspace_peek(&keyspace, key, now);
    assert_int_equal(keyspace_expire(&keyspace, entry, now + 100), 0);
    WITH_FAULTS(err, keyspace_open(&keyspace, key, 5, now, &data),
                assert_int_equal(entry_count(keyspace_peek(&keyspace, key, now)), 2))
    data[4] = '!';
    entry = keyspace_find(&keyspace, key, now);
    assert_true(keyspace_when(entry) == now + 100);
    assert_memory_equal(string_get(entry, space).data, "13\0\0!", 5);
    weft_slice other = text_of("key:2");
    WITH_FAULTS(err, keyspace_open(&keyspace, other, 2000, now, &data),
                assert_null(keyspace_peek(&keyspace, other, now)))
    assert_int_equal(entry_count(keyspace_peek(&keyspace, other, now)), 2000);
    assert_int_equal(keyspace_obtain(&keyspace, other, ENTRY_HASH, now, &entry), -EINVAL);
    assert_int_equal(keyspace_obtain(&keyspace, text_of("l"), ENTRY_LIST, now, &entry), 0);
    assert_int_equal(list_push(entry, true, text_of("x"), &keyspace.limits), 0);
    assert_int_equal(keyspace_append(&keyspace, text_of("l"), other, now, &size), -EINVAL);
    assert_int_equal(keyspace_add(&keyspace, text_of("l"), 1, now, &value), -EINVAL);
    assert_int_equal(keyspace_open(&keyspace, text_of("l"), 1, now, &data), -EINVAL);
}

static void test_keyspace_adds_to_integers_alone_and_within_their_range(void **state)
{
    int64_t value;
    weft_slice key = text_of("n"), word = text_of("w");
    (void)state;
    assert_int_equal(keyspace_add(&keyspace, key, INT64_MAX, now, &value), 0);
    assert_int_equal(keyspace_add(&keyspace, key, 1, now, &value), -ERANGE);
    assert_int_equal(keyspace_add(&keyspace, key, -INT64_MAX, now, &value), 0);
    assert_int_equal(value, 0);
    assert_int_equal(keyspace_set(&keyspace, word, text_of("1.5"), KEYSPACE_NEVER, now), 0);
    assert_int_equal(keyspace_add(&keyspace, word, 1, now, &value), -EDOM);
}

static void test_keyspace_idle_is_the_time_since_the_last_use(void **state)
{
    (void)state;
    assert_int_equal(keyspace_set(&keyspace, name_of(1), text_of("x"), KEYSPACE_NEVER, now), 0);
    now += 5000;
    assert_int_equal(keyspace_idle(keyspace_peek(&keyspace, name_of(1), now), now), 5);
    keyspace_find(&keyspace, name_of(1), now);
    now += 1000;
    assert_int_equal(keyspace_idle(keyspace_peek(&keyspace, name_of(1), now), now), 1);
}

static void test_keyspace_frequency_grows_ever_more_slowly_and_fades(void **state)
{
    uint32_t counts[4] = { 0 };
    (void)state;
    keyspace.counts_uses = true;
    assert_int_equal(keyspace_set(&keyspace, name_of(1), text_of("x"), KEYSPACE_NEVER, now), 0);
    for (int i = 0, uses = 0; i < 4; i++) {
        counts[i] = keyspace_frequency(keyspace_peek(&keyspace, name_of(1), now), now);
        for (; uses < 10 << (3 * i); uses++)
            keyspace_find(&keyspace, name_of(1), now);
    }
    assert_int_equal(counts[0], 5);
    for (int i = 1; i < 4; i++)
        assert_true(counts[i] > counts[i - 1] && counts[i] < 60);
    struct entry *entry = keyspace_peek(&keyspace, name_of(1), now);
    uint32_t count = keyspace_frequency(entry, now);
    assert_int_equal(keyspace_frequency(entry, now + 3 * 60000), count - 3);
    assert_int_equal(keyspace_frequency(entry, now + 300 * 60000), 0);
}

/* What is fetched ahead is found, also while the table changes its size. */
static void test_keyspace_prefetch_changes_nothing(void **state)
{
    (void)state;
    keyspace_prefetch_entry(&keyspace, keyspace_prefetch(&keyspace, name_of(1)));
    for (size_t i = 0; i < KEYS; i++) {
        assert_int_equal(keyspace_set(&keyspace, name_of(i), text_of("x"), KEYSPACE_NEVER, now), 0);
        uint64_t hash = keyspace_prefetch(&keyspace, name_of(i / 2));
        keyspace_prefetch_entry(&keyspace, hash);
        assert_non_null(keyspace_find_hashed(&keyspace, name_of(i / 2), hash, now));
    }
}

static int put_in(struct entry *entry, enum entry_type type, uint32_t i)
{
    weft_slice text = { (const char *)&i, sizeof i };
    const struct kv_limits *limits = &keyspace.limits;
    switch (type) {
    case ENTRY_LIST:
        return list_push(entry, false, text, limits);
    case ENTRY_SET:
        return set_add(entry, text, limits);
    case ENTRY_ZSET:
        return zset_set(entry, text, i, limits);
    default:
        return hash_set(entry, text, text, limits);
    }
}

/* The key is gone at once; its memory goes a little with each slice. */
static void bury(enum entry_type type, uint32_t count)
{
    struct entry *entry;
    assert_int_equal(keyspace_obtain(&keyspace, text_of("large"), type, now, &entry), 0);
    for (uint32_t i = 0; i < count; i++)
        assert_true(put_in(entry, type, i) >= 0);
    uint64_t full = kv_memory_used(), slices = 0;
    assert_true(keyspace_delete(&keyspace, text_of("large"), now));
    assert_null(keyspace_find(&keyspace, text_of("large"), now));
    if (type != ENTRY_LIST) /* few nodes: less is left than a delete may free */
        assert_true(kv_memory_used() * 10 > full * 9);
    while (keyspace_free_some(&keyspace, 100)) {
        slices++;
        assert_true(full - kv_memory_used() <= 100 * 12000 * (slices + 2));
    }
    if (type != ENTRY_LIST)
        assert_true(slices >= (count - 100) / 100);
}

static void test_keyspace_frees_large_values_in_slices(void **state)
{
    static const enum entry_type types[] = { ENTRY_LIST, ENTRY_SET, ENTRY_ZSET, ENTRY_HASH };
    (void)state;
    long count = operations(20000);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        bury(types[i], (uint32_t)(count < 1000000 ? count : 1000000));
}

static void test_keyspace_frees_all_keys_in_slices(void **state)
{
    struct entry *entry;
    (void)state;
    long count = operations(20000);
    for (long i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "key:%ld", i);
        assert_int_equal(
            keyspace_set(&keyspace, text_of(name), text_of("text"), KEYSPACE_NEVER, now), 0);
    }
    for (int k = 0; k < 3; k++) { /* and large ones among them */
        char name[] = { 'z', (char)('0' + k), '\0' };
        assert_int_equal(keyspace_obtain(&keyspace, text_of(name), ENTRY_ZSET, now, &entry), 0);
        for (uint32_t i = 0; i < 1000; i++)
            assert_int_equal(put_in(entry, ENTRY_ZSET, i), 1);
    }
    keyspace_flush(&keyspace, true);
    assert_int_equal(keyspace_count(&keyspace), 0);
    assert_int_equal(keyspace_set(&keyspace, name_of(1), text_of("new"), KEYSPACE_NEVER, now), 0);
    long slices = 0;
    while (keyspace_work(&keyspace, 100))
        slices++;
    assert_true(slices >= (count + 3000 - 300) / 100);
    assert_int_equal(keyspace_count(&keyspace), 1);
}

static void test_keyspace_flush_without_memory_frees_at_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < KEYS; i++)
        assert_int_equal(keyspace_set(&keyspace, name_of(i), text_of("x"), now + 10, now), 0);
    kv_memory_fail(1);
    keyspace_flush(&keyspace, true);
    assert_int_equal(kv_memory_fail(0), 1);
    assert_int_equal(kv_memory_used(), 0);
    assert_int_equal(keyspace_count_expiring(&keyspace), 0);
}

static void test_keyspace_swap_exchanges_the_keys(void **state)
{
    struct keyspace other;
    (void)state;
    keyspace_init(&other, &keyspace.limits, NULL, NULL);
    assert_int_equal(keyspace_set(&keyspace, name_of(1), text_of("x"), now + 10, now), 0);
    keyspace_swap(&keyspace, &other);
    assert_null(keyspace_find(&keyspace, name_of(1), now));
    assert_non_null(keyspace_find(&other, name_of(1), now));
    assert_int_equal(keyspace_count_expiring(&other), 1);
    keyspace_fini(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_keyspace_does_what_an_array_of_keys_does, begin, end),
        cmocka_unit_test_setup_teardown(test_keyspace_find_sees_no_key_whose_time_has_come, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_keyspace_expires_in_order_and_in_slices, begin, end),
        cmocka_unit_test_setup_teardown(test_keyspace_random_and_scan_reach_every_key, begin, end),
        cmocka_unit_test_setup_teardown(test_keyspace_strings_grow_and_count, begin, end),
        cmocka_unit_test_setup_teardown(test_keyspace_adds_to_integers_alone_and_within_their_range,
                                        begin, end),
        cmocka_unit_test_setup_teardown(test_keyspace_idle_is_the_time_since_the_last_use, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_keyspace_frequency_grows_ever_more_slowly_and_fades,
                                        begin, end),
        cmocka_unit_test_setup_teardown(test_keyspace_prefetch_changes_nothing, begin, end),
        cmocka_unit_test_setup_teardown(test_keyspace_frees_large_values_in_slices, begin, end),
        cmocka_unit_test_setup_teardown(test_keyspace_frees_all_keys_in_slices, begin, end),
        cmocka_unit_test_setup_teardown(test_keyspace_flush_without_memory_frees_at_once, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_keyspace_swap_exchanges_the_keys, begin, end),
    };
    pool_fill();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
