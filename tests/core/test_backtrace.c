/* Backtraces of running tasks: debuggers unwind by tables, profilers follow frame pointers; both go
 * through all calls of a task, whatever switches lie behind it, and end where it began. */

#include "core_test.h"

#include <weft/generator.h>

#include <execinfo.h>
#include <unwind.h>

#define FRAMES_MAX 64

/* Frames that have the names that they have here. */
#if defined(__clang__)
#    define A_FRAME WF_NOINLINE
#else
#    define A_FRAME __attribute__((noinline, noclone))
#endif

struct walk {
    void *frames[FRAMES_MAX];
    int count;
};

static struct walk by_tables, by_pointers;

/* Behind a call: so it is none by a jump. */
static int back(int result)
{
    __asm__ volatile("" : "+r"(result));
    return result;
}

/* As perf does it in the kernel. What it read as a frame has to be on the running stack. */
static A_FRAME void follow(struct walk *walk)
{
    const struct wf_context *context = &wf_running->current->fiber->context;
    uintptr_t *frame = __builtin_frame_address(0);
    walk->count = 0;
    while (frame && walk->count < FRAMES_MAX) {
        assert_in_range((uintptr_t)frame, (uintptr_t)context->stack_low,
                        (uintptr_t)context->stack_low + context->stack_size);
        walk->frames[walk->count++] = (void *)frame[1];
        frame = (uintptr_t *)frame[0];
    }
}

static A_FRAME int look(void)
{
    by_tables.count = backtrace(by_tables.frames, FRAMES_MAX);
    follow(&by_pointers);
    return 0;
}

static bool is_in(const void *address, uintptr_t function)
{
    void *call = (void *)((uintptr_t)address - 1); /* it is a return address */
    return (uintptr_t)_Unwind_FindEnclosingFunction(call) == function;
}

/* Where it is; -1: nowhere. */
static int find(const struct walk *walk, uintptr_t function)
{
    for (int i = 0; i < walk->count; i++)
        if (is_in(walk->frames[i], function))
            return i;
    return -1;
}

/* Behind the function that the library calls are only its own few frames; and whoever runs the
 * loop is in none. */
static void check(const struct walk *walk, uintptr_t outermost, uintptr_t loops_owner)
{
    assert_in_range(walk->count, 3, 16);
    assert_true(find(walk, outermost) > 0);
    assert_int_equal(find(walk, loops_owner), -1);
    assert_in_range(walk->count - find(walk, outermost), 1, 6);
}

static void check_both(uintptr_t innermost, uintptr_t outermost, uintptr_t loops_owner)
{
    const struct walk *walks[] = { &by_tables, &by_pointers };
    for (size_t i = 0; i < WF_ARRAY_SIZE(walks); i++) {
        check(walks[i], outermost, loops_owner);
        assert_in_range(find(walks[i], innermost), 0, find(walks[i], outermost) - 1);
    }
}

/* Tasks. */

static A_FRAME int inner(void)
{
    int err = weft_sleep(SECOND);
    return err < 0 ? err : back(look());
}

static A_FRAME int outer(void *arg)
{
    (void)arg;
    return back(inner());
}

static A_FRAME int inner_at_once(void)
{
    return back(look());
}

static A_FRAME int outer_at_once(void *arg)
{
    (void)arg;
    return back(inner_at_once());
}

static A_FRAME int spawner(void *arg)
{
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, outer_at_once, arg, .eager = true);
    return back(weft_scope_end(&s));
}

/* The one before has left its fiber to it. */
static A_FRAME int two_in_turn(void *arg)
{
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, return_zero, arg);
    weft_spawn(&s, outer, arg);
    return back(weft_scope_end(&s));
}

static A_FRAME int run_here(weft_fn *main)
{
    by_tables.count = by_pointers.count = 0;
    return back(run(main, NULL));
}

static void test_backtrace_after_a_switch_ends_at_the_tasks_function(void **state)
{
    (void)state;
    assert_int_equal(run_here(outer), 0);
    check_both((uintptr_t)inner, (uintptr_t)outer, (uintptr_t)run_here);
    assert_int_equal(run_here(two_in_turn), 0);
    check_both((uintptr_t)inner, (uintptr_t)outer, (uintptr_t)two_in_turn);
}

/* Its spawner has called it only in the program's text. */
static void test_backtrace_of_an_eager_task_does_not_show_its_spawner(void **state)
{
    (void)state;
    assert_int_equal(run_here(spawner), 0);
    check_both((uintptr_t)inner_at_once, (uintptr_t)outer_at_once, (uintptr_t)spawner);
}

/* Generators. */

static A_FRAME int inner_of_generator(weft_gen *gen)
{
    int item = 1, err = weft_yield(gen, &item);
    return err < 0 ? err : back(look());
}

static A_FRAME int body(weft_gen *gen, void *arg)
{
    (void)arg;
    return back(inner_of_generator(gen));
}

static A_FRAME int consumer(void *arg)
{
    weft_gen *gen;
    int item;
    assert_int_equal(weft_gen_open(&gen, body, arg, .item_size = sizeof item), 0);
    while (weft_gen_next(gen, &item) > 0)
        continue;
    return back(weft_gen_close(gen));
}

static void test_backtrace_in_a_generator_ends_at_its_body(void **state)
{
    (void)state;
    assert_int_equal(run_here(consumer), 0);
    check_both((uintptr_t)inner_of_generator, (uintptr_t)body, (uintptr_t)consumer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_backtrace_after_a_switch_ends_at_the_tasks_function),
        core_test(test_backtrace_of_an_eager_task_does_not_show_its_spawner),
        core_test(test_backtrace_in_a_generator_ends_at_its_body),
    };
    return cmocka_run_group_tests_name("backtrace", tests, NULL, NULL);
}
