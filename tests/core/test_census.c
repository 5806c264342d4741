/* The census of stacks: functions that use a known depth come out with it, and only they. */

#include "core_test.h"

#include <alloca.h>
#include <sys/mman.h>
#include <weft/generator.h>
#include <weft/inspect.h>

#define PAGE ((size_t)sysconf(_SC_PAGESIZE))
/* What lies below a function: whom it calls, who ends its task and measures, what is not cleared.
 */
#if WF_ASAN
#    define BELOW 4096
#elif !WF_CONTEXT_NATIVE
#    define BELOW 2048
#elif defined(__aarch64__)
#    define BELOW 512
#else
#    define BELOW 384
#endif

/* Who asks. */

struct answer {
    void (*function)(void);
    struct weft_stack_use use;
    unsigned count;
    size_t last;
};

static int find(void *context, const struct weft_stack_use *use)
{
    struct answer *answer = context;
    assert_true(answer->count == 0 || use->deepest <= answer->last);
    answer->last = use->deepest;
    answer->count++;
    if (use->function == answer->function)
        answer->use = *use;
    return 0;
}

/* All zero: it was not measured. */
static struct weft_stack_use use_of(void (*function)(void))
{
    struct answer answer = { .function = function };
    assert_int_equal(weft_stack_census(find, &answer), 0);
    return answer.use;
}

#define USE(fn) use_of((void (*)(void))(fn))

/* Functions that go deep, and note how deep that was. */

static size_t noted;
static bool lingers;

static const struct wf_fiber *here(void)
{
    return weft_task_self()->fiber;
}

/* ASan would put it elsewhere, and more beside it. */
WF_NOINLINE __attribute__((no_sanitize("address"))) static int use_stack(size_t bytes)
{
    volatile char *room = alloca(bytes);
    const struct wf_stack_slot *stack = here()->stack;
    for (size_t i = 0; i < bytes; i++)
        room[i] = 'x';
    noted = (size_t)(stack->low + stack->size - (char *)(uintptr_t)room);
    return lingers ? weft_sleep(SECOND) : 0;
}

#define FUNCTION(name, bytes)                                                                      \
    static int name(void *arg)                                                                     \
    {                                                                                              \
        (void)arg;                                                                                 \
        return use_stack(bytes);                                                                   \
    }

FUNCTION(use_little, 64)
FUNCTION(use_1k, (size_t)1 << 10)
FUNCTION(use_5k, (size_t)5 << 10)
FUNCTION(use_20k, (size_t)20 << 10)
FUNCTION(use_40k, (size_t)40 << 10)

static weft_fn *const functions[] = { use_1k, use_5k, use_20k, use_40k, use_little };

static int run_debug(weft_fn *fn, void *arg)
{
    return weft_run(fn, arg, .clock = WEFT_CLOCK_TEST, .no_signals = true, .debug = true,
                    .slow_step = WEFT_HOUR);
}

/* Run it at once, on a stack of the class. */
static void run_now(weft_fn *fn, uint32_t stack_size)
{
    assert_int_equal(
        weft_spawn(weft_background(), fn, NULL, .eager = true, .stack_size = stack_size), 0);
}

static void check_page(const struct weft_stack_use *use, size_t depth)
{
    assert_in_range(use->deepest, depth, depth + PAGE + BELOW);
    assert_false(use->exact);
}

static void check_word(const struct weft_stack_use *use, size_t depth)
{
    assert_in_range(use->deepest, depth, depth + BELOW);
    assert_true(use->exact);
}

/* By page. */

static int each_on_its_own(void *arg)
{
    (void)arg;
    lingers = true;
    for (size_t i = 0; i < WF_ARRAY_SIZE(functions); i++) {
        run_now(functions[i], 0);
        struct weft_stack_use use = USE(functions[i]);
        check_page(&use, noted);
        assert_int_equal(use.measured, 1);
        assert_int_equal(use.stack_sizes, 64 << 10);
    }
    lingers = false;
    weft_sleep(2 * SECOND);
    for (size_t i = 0; i < WF_ARRAY_SIZE(functions); i++)
        assert_true(USE(functions[i]).measured >= 2); /* when they had ended, once more */
    return 0;
}

static void test_census_by_page_is_right_to_a_page(void **state)
{
    (void)state;
    assert_int_equal(run(each_on_its_own, NULL), 0);
}

static int each_with_a_canary(void *arg)
{
    wf_running->stacks.guards = WEFT_GUARDS_CANARIES;
    return each_on_its_own(arg);
}

/* Which is looked at whenever a stack is left, and so is resident. */
static void test_census_by_page_does_not_count_the_canary(void **state)
{
    (void)state;
    assert_int_equal(run(each_with_a_canary, NULL), 0);
}

static int one_after_another(void *arg)
{
    (void)arg;
    run_now(use_little, 0);
    size_t little = noted;
    lingers = true;
    run_now(use_40k, 0);
    struct weft_stack_use use = USE(use_little);
    check_page(&use, little);
    assert_int_equal(USE(use_40k).measured, 0);
    lingers = false;
    weft_sleep(2 * SECOND);
    run_now(use_little, 0);
    assert_int_equal(USE(use_40k).measured, 0);
    assert_int_equal(USE(use_little).measured, 1);
    return 0;
}

static void test_census_by_page_measures_the_first_on_a_stack_alone(void **state)
{
    (void)state;
    assert_int_equal(run(one_after_another, NULL), 0);
}

static int crowd(void *arg)
{
    (void)arg;
    lingers = true;
    for (int i = 0; i < 100; i++)
        run_now(use_1k, 16 << 10);
    assert_int_equal(USE(use_1k).measured, WF_CENSUS_LIVE);
    weft_sleep(2 * SECOND);
    struct weft_stack_use use = USE(use_1k);
    assert_int_equal(use.measured, WF_CENSUS_LIVE + WF_CENSUS_ALWAYS + 100 / WF_CENSUS_EACH);
    assert_int_equal(use.stack_sizes, 16 << 10);
    lingers = false;
    return 0;
}

static void test_census_by_page_measures_some_of_many(void **state)
{
    (void)state;
    assert_int_equal(run(crowd, NULL), 0);
}

static size_t resident_pages(const struct wf_fiber *fiber)
{
    unsigned char pages[64];
    const struct wf_stack_slot *stack = fiber->stack;
    size_t count = 0;
    assert_true(stack->size <= sizeof pages * PAGE);
    assert_int_equal(mincore(stack->low, stack->size, pages), 0);
    for (size_t i = 0; i < (stack->size + PAGE - 1) / PAGE; i++)
        count += pages[i] & 1;
    return count;
}

static int look_at_pages(void *arg)
{
    weft_task *task;
    (void)arg;
    lingers = true;
    assert_int_equal(weft_spawn(weft_background(), use_5k, NULL, .eager = true, .task = &task), 0);
    size_t before = resident_pages(task->fiber);
    assert_in_range(before, 2, 3);
    assert_true(USE(use_5k).measured > 0);
    assert_int_equal(resident_pages(task->fiber), before);
    lingers = false;
    weft_task_release(task);
    return 0;
}

static void test_census_touches_nothing(void **state)
{
    (void)state;
    assert_int_equal(run(look_at_pages, NULL), 0);
    assert_int_equal(run_debug(look_at_pages, NULL), 0);
}

/* By word. */

static int deep_and_shallow(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < WF_ARRAY_SIZE(functions); i++) {
        run_now(functions[i], 0);
        struct weft_stack_use use = USE(functions[i]);
        check_word(&use, noted);
        assert_int_equal(use.measured, 1);
    }
    lingers = true;
    run_now(use_little, 0);
    lingers = false;
    struct weft_stack_use use = USE(use_little);
    check_word(&use, noted);
    assert_int_equal(use.measured, 2);
    return 0;
}

static void test_census_under_debug_is_right_to_some_words(void **state)
{
    (void)state;
    if (wf_sanitizer_is_valgrind())
        skip();
    assert_int_equal(run_debug(deep_and_shallow, NULL), 0);
}

static int with_copy(void *arg)
{
    char copy[1000] = { 1 };
    (void)arg;
    assert_int_equal(weft_spawn(weft_background(), use_1k, copy, .copy = sizeof copy), 0);
    weft_sleep(0);
    struct weft_stack_use use = USE(use_1k);
    check_word(&use, noted);
    assert_true(noted > 2024);
    return 0;
}

static void test_census_counts_a_copied_argument(void **state)
{
    (void)state;
    if (wf_sanitizer_is_valgrind())
        skip();
    assert_int_equal(run_debug(with_copy, NULL), 0);
}

/* Generators. */

static int yield_deep(weft_gen *gen, void *arg)
{
    int item = 1, err = use_stack(5 << 10);
    (void)arg;
    return err < 0 ? err : weft_yield(gen, &item);
}

static int generate(void *debug)
{
    weft_gen *gen;
    for (int i = 0; i < 2; i++) {
        int item = 0;
        assert_int_equal(weft_gen_open(&gen, yield_deep, NULL, .item_size = sizeof item), 0);
        assert_int_equal(weft_gen_next(gen, &item), 1);
        assert_int_equal(weft_gen_next(gen, &item), 0);
        weft_gen_close(gen);
    }
    struct weft_stack_use use = USE(yield_deep);
    assert_int_equal(use.measured, debug ? 2 : 1);
    if (debug)
        check_word(&use, noted);
    else
        check_page(&use, noted);
    return 0;
}

static void test_census_counts_generators(void **state)
{
    (void)state;
    assert_int_equal(run(generate, NULL), 0);
    if (!wf_sanitizer_is_valgrind())
        assert_int_equal(run_debug(generate, "debug"), 0);
}

/* The table. */

static wf_entry_fn *function_number(uintptr_t number)
{
    return (wf_entry_fn *)(0x10000 + 16 * number);
}

static struct wf_fiber new_fiber(void)
{
    return (struct wf_fiber){ .loop = weft_loop_current(), .fresh = true };
}

static int many(void *arg)
{
    (void)arg;
    struct wf_fiber fiber = new_fiber();
    struct wf_fiber *own = weft_task_self()->fiber;
    for (uintptr_t i = 0; i < 300; i++) {
        assert_true(wf_census_wants(&fiber, function_number(i)) || i >= WF_CENSUS_FUNCTIONS);
        wf_census_end(own, function_number(i));
    }
    struct answer answer = { .function = NULL };
    assert_int_equal(weft_stack_census(find, &answer), 0);
    assert_int_equal(answer.count, WF_CENSUS_FUNCTIONS + 1);
    /* main has the first place */
    assert_int_equal(answer.use.measured, 300 - (WF_CENSUS_FUNCTIONS - 1));
    assert_int_equal(use_of(function_number(17)).measured, 1);
    return 0;
}

static void test_census_has_room_for_many_functions(void **state)
{
    (void)state;
    assert_int_equal(run(many, NULL), 0);
}

/* As who opens generators of functions that are new. */
static void make_many(void)
{
    struct wf_fiber fiber = new_fiber();
    for (uintptr_t i = 0; i < 200; i++)
        wf_census_wants(&fiber, function_number(i));
}

static int make_many_and_count(void *count, const struct weft_stack_use *use)
{
    (void)use;
    make_many();
    ++*(unsigned *)count;
    return 0;
}

static int make_many_and_write(void *context, const char *part, size_t size)
{
    (void)context, (void)part, (void)size;
    make_many();
    return 0;
}

static int ask_and_make_many(void *arg)
{
    unsigned count = 0;
    (void)arg;
    for (uintptr_t i = 200; i < 203; i++) {
        struct wf_fiber fiber = new_fiber();
        wf_census_wants(&fiber, function_number(i));
        wf_census_end(weft_task_self()->fiber, function_number(i));
    }
    assert_int_equal(weft_stack_census(make_many_and_count, &count), 0);
    assert_int_equal(count, 4); /* with main */
    return 0;
}

/* So many that the text is written in the middle of the table. */
static int dump_and_make_many(void *arg)
{
    (void)arg;
    for (uintptr_t i = 200; i < 260; i++) {
        struct wf_fiber fiber = new_fiber();
        wf_census_wants(&fiber, function_number(i));
        wf_census_end(weft_task_self()->fiber, function_number(i));
    }
    assert_int_equal(weft_dump_to(make_many_and_write, NULL), 0);
    return 0;
}

static void test_census_may_grow_while_it_is_told(void **state)
{
    (void)state;
    assert_int_equal(run(ask_and_make_many, NULL), 0);
    assert_int_equal(run(dump_and_make_many, NULL), 0);
}

static int without_memory(void *arg)
{
    (void)arg;
    struct wf_fiber fiber = new_fiber();
    struct wf_census *census = &weft_loop_current()->census;
    struct wf_memory_fault fault = { .countdown = 1, .persistent = true };
    uintptr_t wanted = 0;
    wf_memory_fault_set(&fault);
    while (wf_census_wants(&fiber, function_number(wanted)))
        wanted++;
    wf_census_end(weft_task_self()->fiber, function_number(wanted));
    wf_memory_fault_set(NULL);
    assert_int_equal(2 * census->count, census->places);
    assert_int_equal(use_of(function_number(wanted)).measured, 0);
    assert_true(wf_census_wants(&fiber, function_number(wanted)));
    return 0;
}

static void test_census_goes_on_without_memory(void **state)
{
    (void)state;
    assert_int_equal(run(without_memory, NULL), 0);
}

static int stop(void *context, const struct weft_stack_use *use)
{
    unsigned *count = context;
    (void)use;
    assert_int_equal(weft_sleep(0), -EPERM);
    return ++*count == 2 ? -EINTR : 0;
}

static int ask_until_two(void *arg)
{
    unsigned count = 0;
    (void)arg;
    run_now(use_1k, 16 << 10);
    run_now(use_5k, 256 << 10);
    assert_int_equal(weft_stack_census(stop, &count), -EINTR);
    assert_int_equal(count, 2);
    take_log("outside a task");
    return 0;
}

static void test_census_ends_when_it_is_told_to(void **state)
{
    (void)state;
    unsigned count = 0;
    assert_int_equal(run(ask_until_two, NULL), 0);
    assert_int_equal(weft_stack_census(stop, &count), -EPERM);
    assert_int_equal(count, 0);
    expect_log("weft_stack_census() where there is no loop");
}

/* Suggestions. */

static uint32_t suggested(size_t deepest_kb, uint32_t sizes_kb)
{
    struct wf_census_entry entry = { .deepest = deepest_kb << 10, .stack_sizes = sizes_kb << 10 };
    return wf_census_suggested(weft_loop_current(), &entry) >> 10;
}

static int suggest(void *arg)
{
    (void)arg;
    assert_int_equal(suggested(2, 16), 0);
    assert_int_equal(suggested(2, 64), 16);
    assert_int_equal(suggested(2, 256), 16);
    assert_int_equal(suggested(6, 16), 0); /* more than half, less than three quarters */
    assert_int_equal(suggested(9, 16), 64);
    assert_int_equal(suggested(9, 64), 0);
    assert_int_equal(suggested(20, 256), 64);
    assert_int_equal(suggested(40, 64), 0);
    assert_int_equal(suggested(50, 64), 256);
    assert_int_equal(suggested(120, 256), 0);
    assert_int_equal(suggested(240, 256), 0); /* there is no larger one */
    assert_int_equal(suggested(2, 16 | 64), 16);
    assert_int_equal(suggested(6, 16 | 64), 0);
    assert_int_equal(suggested(9, 16 | 64), 64);
    return 0;
}

static void test_census_suggests_the_smallest_class_that_twice_the_use_fits(void **state)
{
    (void)state;
    if (PAGE != 4096)
        skip();
    assert_int_equal(run(suggest, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_census_by_page_is_right_to_a_page),
        core_test(test_census_by_page_does_not_count_the_canary),
        core_test(test_census_by_page_measures_the_first_on_a_stack_alone),
        core_test(test_census_by_page_measures_some_of_many),
        core_test(test_census_touches_nothing),
        core_test(test_census_under_debug_is_right_to_some_words),
        core_test(test_census_counts_a_copied_argument),
        core_test(test_census_counts_generators),
        core_test(test_census_has_room_for_many_functions),
        core_test(test_census_may_grow_while_it_is_told),
        core_test(test_census_goes_on_without_memory),
        core_test(test_census_ends_when_it_is_told_to),
        core_test(test_census_suggests_the_smallest_class_that_twice_the_use_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
