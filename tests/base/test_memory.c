/* The door to the heap: what it hands out, whom it asks, and how it fails on demand. */

#include "model.h"

#include "base/memory.h"

static void test_memory_alloc_zero_is_zero(void **state)
{
    (void)state;
    char *memory = wf_alloc_zero(1000);
    assert_non_null(memory);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(memory[i], 0);
    wf_free(memory);
}

static void test_memory_empty_allocations_are_distinct(void **state)
{
    (void)state;
    void *a = wf_alloc(0);
    void *b = wf_realloc(NULL, 0);
    assert_non_null(a);
    assert_non_null(b);
    assert_ptr_not_equal(a, b);
    wf_free(a);
    wf_free(b);
    wf_free(NULL);
}

static void test_memory_realloc_keeps_content(void **state)
{
    (void)state;
    char *memory = wf_realloc(NULL, 8);
    memcpy(memory, "content", 8);
    memory = wf_realloc(memory, 100000);
    assert_string_equal(memory, "content");
    wf_free(memory);
}

static void test_memory_count_grows_with_each_success(void **state)
{
    (void)state;
    uint64_t before = wf_memory_count();
    void *memory = wf_alloc(1);
    memory = wf_realloc(memory, 2);
    wf_free(memory);
    assert_int_equal(wf_memory_count() - before, 2);
}

static void test_memory_fault_strikes_once(void **state)
{
    (void)state;
    struct wf_memory_fault fault = { .countdown = 3 };
    void *memory[4];
    wf_memory_fault_set(&fault);
    for (int i = 0; i < 4; i++)
        memory[i] = i % 2 ? wf_alloc_zero(8) : wf_alloc(8);
    wf_memory_fault_set(NULL);
    for (int i = 0; i < 4; i++)
        assert_int_equal(memory[i] == NULL, i == 2);
    assert_int_equal(fault.injected, 1);
    for (int i = 0; i < 4; i++)
        wf_free(memory[i]);
}

static void test_memory_fault_persists_when_asked(void **state)
{
    (void)state;
    struct wf_memory_fault fault = { .countdown = 2, .persistent = true };
    wf_memory_fault_set(&fault);
    void *memory = wf_alloc(8);
    void *larger = wf_realloc(memory, 16);
    void *another = wf_realloc(NULL, 16);
    wf_memory_fault_set(NULL);
    assert_non_null(memory);
    assert_null(larger);
    assert_null(another);
    assert_int_equal(fault.injected, 2);
    wf_free(memory);
}

static void test_memory_failures_are_not_counted(void **state)
{
    (void)state;
    struct wf_memory_fault fault = { .countdown = 1 };
    uint64_t before = wf_memory_count();
    wf_memory_fault_set(&fault);
    assert_null(wf_alloc(8));
    wf_memory_fault_set(NULL);
    assert_int_equal(wf_memory_count(), before);
}

/* An allocator that counts what goes through it. */
struct ledger {
    int allocated, reallocated, released;
};

static void *ledger_allocate(void *context, size_t size)
{
    ((struct ledger *)context)->allocated++;
    assert_true(size > 0);
    return malloc(size);
}

static void *ledger_reallocate(void *context, void *memory, size_t size)
{
    ((struct ledger *)context)->reallocated++;
    assert_non_null(memory);
    return realloc(memory, size);
}

static void ledger_release(void *context, void *memory)
{
    ((struct ledger *)context)->released++;
    assert_non_null(memory);
    free(memory);
}

static void test_memory_allocator_is_asked_for_everything(void **state)
{
    (void)state;
    struct ledger ledger = { 0 };
    struct weft_allocator allocator = {
        .allocate = ledger_allocate,
        .reallocate = ledger_reallocate,
        .release = ledger_release,
        .context = &ledger,
    };
    assert_int_equal(weft_set_allocator(&allocator), 0);
    void *memory = wf_alloc(0);
    memory = wf_realloc(memory, 64);
    wf_free(memory);
    wf_free(wf_realloc(NULL, 8));
    wf_free(NULL);
    assert_int_equal(weft_set_allocator(NULL), 0);
    wf_free(wf_alloc(8));
    assert_int_equal(ledger.allocated, 2);
    assert_int_equal(ledger.reallocated, 1);
    assert_int_equal(ledger.released, 2);
}

/* The public calls go the same way, and what they give is zero. */
static void test_memory_of_users_comes_from_the_allocator(void **state)
{
    (void)state;
    struct ledger ledger = { 0 };
    struct weft_allocator allocator = {
        .allocate = ledger_allocate,
        .reallocate = ledger_reallocate,
        .release = ledger_release,
        .context = &ledger,
    };
    assert_int_equal(weft_set_allocator(&allocator), 0);
    char *memory = weft_alloc(64);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(memory[i], 0);
    memory[0] = 'x';
    memory = weft_realloc(memory, 128);
    assert_int_equal(memory[0], 'x');
    weft_free(memory);
    weft_free(NULL);
    assert_int_equal(weft_set_allocator(NULL), 0);
    assert_int_equal(ledger.allocated, 1);
    assert_int_equal(ledger.reallocated, 1);
    assert_int_equal(ledger.released, 1);
}

static void test_memory_allocator_must_be_complete(void **state)
{
    (void)state;
    struct weft_allocator allocator = { .allocate = ledger_allocate };
    assert_int_equal(weft_set_allocator(&allocator), -EINVAL);
    wf_free(wf_alloc(8)); /* still malloc's */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_alloc_zero_is_zero),
        cmocka_unit_test(test_memory_empty_allocations_are_distinct),
        cmocka_unit_test(test_memory_realloc_keeps_content),
        cmocka_unit_test(test_memory_count_grows_with_each_success),
        cmocka_unit_test(test_memory_fault_strikes_once),
        cmocka_unit_test(test_memory_fault_persists_when_asked),
        cmocka_unit_test(test_memory_failures_are_not_counted),
        cmocka_unit_test(test_memory_allocator_is_asked_for_everything),
        cmocka_unit_test(test_memory_of_users_comes_from_the_allocator),
        cmocka_unit_test(test_memory_allocator_must_be_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
