/* The slab against a table of what it handed out. */

#include "model.h"

#include "base/memory.h"
#include "base/slab.h"

#define STEPS 100000

static void test_slab_get_is_aligned(void **state)
{
    (void)state;
    const size_t aligns[] = { WF_SLAB_ALIGN, WF_SLAB_CACHE_LINE, 4096 };
    for (size_t i = 0; i < 3; i++) {
        struct wf_slab slab;
        wf_slab_init(&slab, 40, aligns[i], 5000);
        for (int n = 0; n < 100; n++)
            assert_int_equal((uintptr_t)wf_slab_get(&slab) % aligns[i], 0);
        assert_int_equal(wf_slab_fini(&slab), 100);
    }
}

static void test_slab_put_makes_it_the_next_one(void **state)
{
    (void)state;
    struct wf_slab slab;
    wf_slab_init(&slab, 24, WF_SLAB_ALIGN, 10);
    void *a = wf_slab_get(&slab);
    void *b = wf_slab_get(&slab);
    wf_slab_put(&slab, a);
    wf_slab_put(&slab, b);
    assert_ptr_equal(wf_slab_get(&slab), b);
    assert_ptr_equal(wf_slab_get(&slab), a);
    assert_int_equal(wf_slab_fini(&slab), 2);
}

static void test_slab_limit_bounds_the_living(void **state)
{
    (void)state;
    struct wf_slab slab;
    wf_slab_init(&slab, 100, WF_SLAB_ALIGN, 2);
    void *a = wf_slab_get(&slab);
    assert_non_null(a);
    assert_non_null(wf_slab_get(&slab));
    assert_null(wf_slab_get(&slab));
    wf_slab_put(&slab, a);
    assert_ptr_equal(wf_slab_get(&slab), a);
    assert_null(wf_slab_get(&slab));
    assert_int_equal(slab.peak, 2);
    assert_int_equal(wf_slab_fini(&slab), 2);
}

static void test_slab_small_limit_takes_little_memory(void **state)
{
    (void)state;
    struct wf_slab slab;
    wf_slab_init(&slab, 100, WF_SLAB_ALIGN, 2);
    assert_int_equal(wf_slab_reserved(&slab), 0);
    wf_slab_get(&slab);
    assert_true(wf_slab_reserved(&slab) < 512);
    wf_slab_fini(&slab);
    assert_int_equal(wf_slab_reserved(&slab), 0);
}

static void test_slab_huge_objects_get_a_chunk_each(void **state)
{
    (void)state;
    struct wf_slab slab;
    wf_slab_init(&slab, 200000, WF_SLAB_CACHE_LINE, 10);
    char *a = wf_slab_get(&slab);
    char *b = wf_slab_get(&slab);
    memset(a, 1, 200000);
    memset(b, 2, 200000);
    assert_int_equal(a[199999], 1);
    assert_int_equal(wf_slab_fini(&slab), 2);
}

static void test_slab_without_memory_gives_null_and_recovers(void **state)
{
    (void)state;
    for (int persistent = 0; persistent < 2; persistent++) {
        struct wf_memory_fault fault = { .countdown = 2, .persistent = persistent };
        struct wf_slab slab;
        wf_slab_init(&slab, 1024, WF_SLAB_ALIGN, 1000);
        wf_memory_fault_set(&fault);
        size_t live = 0;
        while (wf_slab_get(&slab))
            live++;
        assert_int_equal(slab.live, live);
        assert_int_equal(fault.injected, 1);
        assert_int_equal(wf_slab_get(&slab) == NULL, persistent);
        wf_memory_fault_set(NULL);
        assert_non_null(wf_slab_get(&slab));
        assert_int_equal(wf_slab_fini(&slab), live + (persistent ? 1 : 2));
    }
}

static void test_slab_in_steady_state_allocates_nothing(void **state)
{
    (void)state;
    struct wf_slab slab;
    void *objects[64];
    wf_slab_init(&slab, 64, WF_SLAB_ALIGN, 1000);
    wf_slab_put(&slab, wf_slab_get(&slab));
    uint64_t before = wf_memory_count();
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 64; i++)
            objects[i] = wf_slab_get(&slab);
        for (int i = 0; i < 64; i++)
            wf_slab_put(&slab, objects[i]);
    }
    assert_int_equal(wf_memory_count(), before);
    assert_int_equal(wf_slab_fini(&slab), 0);
}

static void test_slab_fini_leaves_it_usable(void **state)
{
    (void)state;
    struct wf_slab slab;
    wf_slab_init(&slab, 64, WF_SLAB_ALIGN, 7);
    wf_slab_get(&slab);
    assert_int_equal(wf_slab_fini(&slab), 1);
    assert_int_equal(wf_slab_fini(&slab), 0);
    assert_non_null(wf_slab_get(&slab));
    assert_int_equal(wf_slab_fini(&slab), 1);
}

/* One living object: filled with `mark`, so that overlap shows. */
struct entry {
    unsigned char *object;
    unsigned char mark;
};

static void check(const struct entry *entry, size_t size)
{
    for (size_t i = 0; i < size; i++)
        assert_int_equal(entry->object[i], entry->mark);
}

static void run_against_model(struct dice *dice, size_t size, size_t align, size_t limit)
{
    struct wf_slab slab;
    struct entry *entries = calloc(limit, sizeof *entries);
    size_t live = 0, peak = 0;
    wf_slab_init(&slab, size, align, limit);
    for (int step = 0; step < STEPS / 4; step++) {
        bool filling = (step / 2000) % 2 == 0;
        if (dice_below(dice, 10) < (filling ? 7 : 3)) {
            unsigned char *object = wf_slab_get(&slab);
            assert_int_equal(object == NULL, live == limit);
            if (!object)
                continue;
            entries[live] = (struct entry){ object, (unsigned char)dice_throw(dice) };
            memset(object, entries[live].mark, size);
            live++;
        } else if (live > 0) {
            size_t which = dice_below(dice, live);
            check(&entries[which], size);
            wf_slab_put(&slab, entries[which].object);
            entries[which] = entries[--live];
        }
        peak = live > peak ? live : peak;
        assert_int_equal(slab.live, live);
        assert_int_equal(slab.peak, peak);
    }
    assert_int_equal(wf_slab_fini(&slab), live);
    free(entries);
}

static void test_slab_random_steps_match_model(void **state)
{
    (void)state;
    struct dice dice = dice_seed("test_slab");
    run_against_model(&dice, 1, WF_SLAB_ALIGN, 500);
    run_against_model(&dice, 24, WF_SLAB_ALIGN, 1000);
    run_against_model(&dice, 128, WF_SLAB_CACHE_LINE, 2000);
    run_against_model(&dice, 1000, WF_SLAB_CACHE_LINE, 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slab_get_is_aligned),
        cmocka_unit_test(test_slab_put_makes_it_the_next_one),
        cmocka_unit_test(test_slab_limit_bounds_the_living),
        cmocka_unit_test(test_slab_small_limit_takes_little_memory),
        cmocka_unit_test(test_slab_huge_objects_get_a_chunk_each),
        cmocka_unit_test(test_slab_without_memory_gives_null_and_recovers),
        cmocka_unit_test(test_slab_in_steady_state_allocates_nothing),
        cmocka_unit_test(test_slab_fini_leaves_it_usable),
        cmocka_unit_test(test_slab_random_steps_match_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
