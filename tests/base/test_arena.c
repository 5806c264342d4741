/* The arena against a table of what it handed out. */

#include "model.h"

#include "base/memory.h"

#include <weft/arena.h>

#define STEPS 40000

static weft_arena *new_arena(size_t limit)
{
    weft_arena *arena = NULL;
    assert_int_equal(weft_arena_new(&arena, limit), 0);
    return arena;
}

static void test_arena_alloc_is_aligned_and_apart(void **state)
{
    (void)state;
    weft_arena *arena = new_arena(0);
    char *last = NULL;
    for (size_t size = 0; size < 100; size++) {
        char *memory = weft_arena_alloc(arena, size);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % 16, 0);
        assert_ptr_not_equal(memory, last);
        memset(memory, 'x', size);
        last = memory;
    }
    weft_arena_free(arena);
    weft_arena_free(NULL);
}

static void test_arena_limit_is_exact(void **state)
{
    (void)state;
    weft_arena *arena = new_arena(64);
    assert_null(weft_arena_alloc(arena, 65));
    assert_non_null(weft_arena_alloc(arena, 17)); /* counts as 32 */
    assert_int_equal(weft_arena_used(arena), 32);
    assert_null(weft_arena_alloc(arena, 33));
    assert_non_null(weft_arena_alloc(arena, 32));
    assert_null(weft_arena_alloc(arena, 1));
    assert_null(weft_arena_alloc(arena, 0));
    weft_arena_reset(arena);
    assert_int_equal(weft_arena_used(arena), 0);
    assert_non_null(weft_arena_alloc(arena, 64));
    weft_arena_free(arena);
}

static void test_arena_absurd_sizes_give_null(void **state)
{
    (void)state;
    weft_arena *arena = new_arena(SIZE_MAX);
    assert_null(weft_arena_alloc(arena, SIZE_MAX));
    assert_null(weft_arena_alloc(arena, SIZE_MAX - 15));
    assert_null(weft_arena_copy(arena, "", SIZE_MAX));
    assert_int_equal(weft_arena_used(arena), 0);
    weft_arena_free(arena);
}

static void test_arena_copy_ends_in_nul(void **state)
{
    (void)state;
    weft_arena *arena = new_arena(0);
    assert_string_equal(weft_arena_copy(arena, "abcdef", 3), "abc");
    assert_string_equal(weft_arena_copy(arena, NULL, 0), "");
    weft_arena_free(arena);
}

static void fill(char *memory, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        memory[i] = (char)(i * 7);
}

static void expect_filled(const char *memory, size_t size)
{
    for (size_t i = 0; i < size; i++)
        assert_int_equal(memory[i], (char)(i * 7));
}

static void test_arena_grow_keeps_the_bytes(void **state)
{
    (void)state;
    weft_arena *arena;
    assert_int_equal(weft_arena_new(&arena, SIZE_MAX), 0);
    for (int between = 0; between < 2; between++) {
        char *memory = NULL;
        size_t size = 0;
        for (size_t larger = 1; larger < 1000000; size = larger, larger += larger / 2 + 1) {
            memory = weft_arena_grow(arena, memory, size, larger);
            assert_non_null(memory);
            assert_int_equal((uintptr_t)memory % 16, 0);
            expect_filled(memory, size);
            fill(memory, size, larger);
            if (between)
                fill(weft_arena_alloc(arena, 20), 0, 20);
        }
        expect_filled(memory, size);
        weft_arena_reset(arena);
    }
    weft_arena_free(arena);
}

static void test_arena_grow_takes_no_more_than_it_adds(void **state)
{
    (void)state;
    weft_arena *arena;
    assert_int_equal(weft_arena_new(&arena, SIZE_MAX), 0);
    char *memory = weft_arena_alloc(arena, 100);
    assert_ptr_equal(weft_arena_grow(arena, memory, 100, 1000), memory);
    assert_int_equal(weft_arena_used(arena), 1008);
    memory = weft_arena_alloc(arena, 1 << 20);
    memory = weft_arena_grow(arena, memory, 1 << 20, 2 << 20);
    assert_int_equal(weft_arena_used(arena), 1008 + (2 << 20));
    assert_true(weft_arena_reserved(arena) < (2 << 20) + 70000);
    assert_ptr_equal(weft_arena_grow(arena, memory, 2 << 20, 10), memory);
    weft_arena_free(arena);
}

static void test_arena_grow_keeps_to_the_limit(void **state)
{
    (void)state;
    weft_arena *arena;
    assert_int_equal(weft_arena_new(&arena, 1024), 0);
    char *memory = weft_arena_alloc(arena, 512);
    fill(memory, 0, 512);
    assert_null(weft_arena_grow(arena, memory, 512, 1025));
    assert_null(weft_arena_grow(arena, memory, 512, SIZE_MAX));
    expect_filled(memory, 512);
    assert_non_null(weft_arena_grow(arena, memory, 512, 1024));
    assert_null(weft_arena_alloc(arena, 1));
    weft_arena_free(arena);
}

static void test_arena_grow_of_a_large_piece_is_reserved(void **state)
{
    (void)state;
    weft_arena *arena;
    assert_int_equal(weft_arena_new(&arena, SIZE_MAX), 0);
    char *memory = weft_arena_alloc(arena, 1 << 20);
    size_t before = weft_arena_reserved(arena), held = weft_memory_held();
    assert_non_null(weft_arena_grow(arena, memory, 1 << 20, 3 << 20));
    assert_int_equal(weft_arena_reserved(arena) - before, 2 << 20);
    assert_int_equal(weft_memory_held() - held, 2 << 20);
    weft_arena_free(arena);
}

/* To the last byte of the block, and not one further. */
static void test_arena_grow_fills_the_block(void **state)
{
    (void)state;
    weft_arena *arena;
    assert_int_equal(weft_arena_new(&arena, 0), 0);
    char *memory = weft_arena_alloc(arena, 16);
    size_t block = 4096;
    assert_ptr_equal(weft_arena_grow(arena, memory, 16, block), memory);
    assert_ptr_not_equal(weft_arena_grow(arena, memory, block, block + 1), memory);
    weft_arena_free(arena);
}

/* A limit below what is handed out already is that much, and no more. */
static void test_arena_limit_may_change(void **state)
{
    (void)state;
    weft_arena *arena;
    assert_int_equal(weft_arena_new(&arena, 1024), 0);
    assert_non_null(weft_arena_alloc(arena, 512));
    weft_arena_set_limit(arena, 256);
    assert_null(weft_arena_alloc(arena, 1));
    weft_arena_set_limit(arena, 528);
    assert_non_null(weft_arena_alloc(arena, 1));
    assert_null(weft_arena_alloc(arena, 1));
    weft_arena_reset(arena);
    assert_null(weft_arena_alloc(arena, 529));
    weft_arena_set_limit(arena, 0); /* the default */
    assert_non_null(weft_arena_alloc(arena, 100000));
    weft_arena_free(arena);
}

static void test_arena_format_fits_any_length(void **state)
{
    (void)state;
    weft_arena *arena = new_arena(SIZE_MAX);
    for (int width = 0; width < 3000; width += 7) {
        char *string = weft_arena_format(arena, "%*d|%s", width, 5, "end");
        assert_int_equal(strlen(string), (size_t)(width > 1 ? width : 1) + 4);
        assert_string_equal(strchr(string, '|'), "|end");
    }
    char *large = weft_arena_format(arena, "%0200000d", 1);
    assert_int_equal(strlen(large), 200000);
    weft_arena_free(arena);
}

static void test_arena_format_over_the_limit_gives_null(void **state)
{
    (void)state;
    weft_arena *arena = new_arena(32);
    assert_null(weft_arena_format(arena, "%040d", 1));
    assert_string_equal(weft_arena_format(arena, "%015d", 1), "000000000000001");
    assert_string_equal(weft_arena_format(arena, "%015d", 2), "000000000000002");
    assert_null(weft_arena_format(arena, "%d", 3));
    weft_arena_free(arena);
}

static uint64_t mallocs_of_round(weft_arena *arena, size_t pieces, size_t size)
{
    uint64_t before = wf_memory_count();
    for (size_t i = 0; i < pieces; i++)
        assert_non_null(weft_arena_alloc(arena, size));
    weft_arena_reset(arena);
    return wf_memory_count() - before;
}

static void test_arena_steady_need_allocates_nothing(void **state)
{
    (void)state;
    const size_t pieces[] = { 1, 10, 60, 100, 300, 580 };
    for (size_t i = 0; i < 6; i++) {
        weft_arena *arena = new_arena(0);
        mallocs_of_round(arena, pieces[i], 100);
        mallocs_of_round(arena, pieces[i], 100);
        for (int round = 0; round < 5; round++)
            assert_int_equal(mallocs_of_round(arena, pieces[i], 100), 0);
        weft_arena_free(arena);
    }
}

static void test_arena_reset_keeps_a_bounded_block(void **state)
{
    (void)state;
    weft_arena *arena = new_arena(SIZE_MAX);
    for (int round = 0; round < 3; round++) {
        assert_non_null(weft_arena_alloc(arena, 1000000)); /* one of its own */
        mallocs_of_round(arena, 100, 10000);
        assert_true(weft_arena_reserved(arena) < 65 * 1024);
    }
    weft_arena_free(arena);
}

static void test_arena_large_piece_leaves_the_current_block(void **state)
{
    (void)state;
    weft_arena *arena = new_arena(SIZE_MAX);
    char *first = weft_arena_alloc(arena, 16);
    memset(weft_arena_alloc(arena, 500000), 1, 500000);
    char *second = weft_arena_alloc(arena, 16);
    assert_ptr_equal(second, first + 16);
    weft_arena_free(arena);
}

/* One piece: filled with `mark`, so that overlap shows. */
struct piece {
    unsigned char *memory;
    size_t size;
    unsigned char mark;
};

static void check(const struct piece *piece)
{
    for (size_t i = 0; i < piece->size; i++)
        if (piece->memory[i] != piece->mark)
            fail_msg("byte %zu of a piece of %zu was overwritten", i, piece->size);
}

static size_t random_size(struct dice *dice)
{
    const size_t scale[] = { 16, 16, 200, 200, 200, 2000, 2000, 20000 };
    return dice_below(dice, scale[dice_below(dice, 8)]);
}

static void test_arena_random_steps_match_model(void **state)
{
    (void)state;
    struct dice dice = dice_seed("test_arena");
    enum { PIECES = 300, LIMIT = 300000 };
    struct piece pieces[PIECES];
    size_t count = 0, used = 0;
    weft_arena *arena = new_arena(LIMIT);
    for (int step = 0; step < STEPS; step++) {
        size_t size = random_size(&dice);
        size_t total = (size + !size + 15) / 16 * 16;
        unsigned char *memory = weft_arena_alloc(arena, size);
        assert_int_equal(memory == NULL, total > LIMIT - used);
        if (memory) {
            pieces[count] = (struct piece){ memory, size, (unsigned char)step };
            memset(memory, pieces[count++].mark, size);
            used += total;
        }
        assert_int_equal(weft_arena_used(arena), used);
        if (!memory || count == PIECES || dice_below(&dice, 400) == 0) {
            for (size_t i = 0; i < count; i++)
                check(&pieces[i]);
            weft_arena_reset(arena);
            count = used = 0;
        }
    }
    weft_arena_free(arena);
}

/* One round of everything; NULL anywhere must leave the arena usable. */
static void use(weft_arena *arena)
{
    weft_arena_alloc(arena, 100);
    weft_arena_copy(arena, "text", 4);
    for (int i = 0; i < 6; i++)
        weft_arena_format(arena, "%02000d", i);
    weft_arena_alloc(arena, 30000);
    weft_arena_reset(arena);
    weft_arena_alloc(arena, 10000);
}

static void test_arena_survives_each_failed_allocation(void **state)
{
    (void)state;
    for (int persistent = 0; persistent < 2; persistent++) {
        long injected = 1;
        for (long n = 1; injected > 0; n++) {
            struct wf_memory_fault fault = { .countdown = n, .persistent = persistent };
            weft_arena *arena = NULL;
            wf_memory_fault_set(&fault);
            int err = weft_arena_new(&arena, 0);
            if (!err)
                use(arena);
            wf_memory_fault_set(NULL);
            injected = fault.injected;
            assert_int_equal(err, n == 1 ? -ENOMEM : 0);
            assert_int_equal(arena == NULL, n == 1);
            if (arena)
                assert_string_equal(weft_arena_copy(arena, "fine", 4), "fine");
            weft_arena_free(arena);
            assert_true(n < 100);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena_alloc_is_aligned_and_apart),
        cmocka_unit_test(test_arena_limit_is_exact),
        cmocka_unit_test(test_arena_absurd_sizes_give_null),
        cmocka_unit_test(test_arena_copy_ends_in_nul),
        cmocka_unit_test(test_arena_grow_keeps_the_bytes),
        cmocka_unit_test(test_arena_grow_takes_no_more_than_it_adds),
        cmocka_unit_test(test_arena_grow_keeps_to_the_limit),
        cmocka_unit_test(test_arena_grow_of_a_large_piece_is_reserved),
        cmocka_unit_test(test_arena_grow_fills_the_block),
        cmocka_unit_test(test_arena_limit_may_change),
        cmocka_unit_test(test_arena_format_fits_any_length),
        cmocka_unit_test(test_arena_format_over_the_limit_gives_null),
        cmocka_unit_test(test_arena_steady_need_allocates_nothing),
        cmocka_unit_test(test_arena_reset_keeps_a_bounded_block),
        cmocka_unit_test(test_arena_large_piece_leaves_the_current_block),
        cmocka_unit_test(test_arena_random_steps_match_model),
        cmocka_unit_test(test_arena_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
