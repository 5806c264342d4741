/* Fibers: whose memory goes when nobody wants it, and what each kind of guard does for tasks. */

#include "core_test.h"

#include "context/guard.h"

#include <weft/generator.h>

/* So many at once; how many of them failed. */
static int crowd(unsigned count)
{
    weft_scope s;
    weft_scope_begin(&s, .isolate = true);
    for (unsigned i = 0; i < count; i++)
        weft_spawn(&s, sleep_second, NULL);
    return weft_scope_end(&s);
}

/* Memory. */

static uint64_t later(uint64_t *ticks)
{
    return *ticks += wf_clock_ticks_of(WF_COOL_PERIOD) + 1;
}

static size_t rested(const weft_loop *loop)
{
    return loop->fibers.idle_count[0] + loop->fibers.idle_count[1] + loop->fibers.idle_count[2];
}

/* The end of a period, however many steps it takes. */
static void cool(weft_loop *loop, uint64_t *ticks)
{
    wf_fibers_cool(loop, later(ticks));
    while (loop->fibers.cooling)
        wf_fibers_cool(loop, later(ticks));
}

static int idle_main(void *arg)
{
    weft_loop *loop = wf_running;
    uint64_t ticks = 0;
    (void)arg;
    crowd(1000);
    cool(loop, &ticks);
    assert_int_equal(rested(loop), WF_FIBERS_IDLE_MAX);
    assert_int_equal(wf_fibers_cool_in(loop), WF_COOL_PERIOD);
    crowd(10);
    cool(loop, &ticks);
    assert_in_range(rested(loop), 10, 20);
    for (int i = 0; i < 3; i++)
        cool(loop, &ticks);
    assert_int_equal(rested(loop), 0);
    assert_int_equal(wf_fibers_cool_in(loop), WEFT_FOREVER);
    for (struct wf_stack_tract *tract = loop->stacks.classes[1].tracts; tract; tract = tract->next)
        assert_int_equal(tract->cold, tract->cut - loop->stacks.live);
    return crowd(1000);
}

static void test_fiber_what_no_task_wants_loses_its_memory(void **state)
{
    (void)state;
    assert_int_equal(run(idle_main, NULL), 0);
}

static int soon_main(void *arg)
{
    weft_loop *loop = wf_running;
    uint64_t ticks = 0;
    (void)arg;
    crowd(10);
    wf_fibers_cool(loop, later(&ticks));
    crowd(10);
    wf_fibers_cool(loop, ticks + 1);
    wf_fibers_cool(loop, ticks + 2);
    assert_int_equal(rested(loop), 10);
    return 0;
}

static void test_fiber_within_a_period_nothing_goes(void **state)
{
    (void)state;
    assert_int_equal(run(soon_main, NULL), 0);
}

/* When a loop wakes up for it: for fibers that rest as for their stacks, and soon while there is
 * more to do. */
static int when_main(void *arg)
{
    weft_loop *loop = wf_running;
    uint64_t ticks = 0;
    (void)arg;
    crowd(10);
    assert_int_equal(rested(loop), 10);
    assert_false(wf_stack_pool_is_warm(&loop->stacks));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(wf_fibers_cool_in(loop), WF_COOL_PERIOD);
        cool(loop, &ticks);
    }
    assert_int_equal(wf_fibers_cool_in(loop), WEFT_FOREVER);
    crowd(3000);
    wf_fibers_cool(loop, later(&ticks));
    wf_fibers_cool(loop, later(&ticks));
    assert_true(loop->fibers.cooling);
    assert_int_equal(wf_fibers_cool_in(loop), WF_COOL_INTERVAL);
    return 0;
}

static void test_fiber_a_loop_wakes_up_while_anything_idle_has_memory(void **state)
{
    (void)state;
    assert_int_equal(run(when_main, NULL), 0);
}

/* As where the limit is reached. */
static int without_idle_main(void *arg)
{
    weft_loop *loop = wf_running;
    uint64_t ticks = 0;
    (void)arg;
    crowd(100);
    cool(loop, &ticks);
    crowd(50);
    wf_fibers_free_idle(loop);
    assert_int_equal(rested(loop), 0);
    for (int i = 0; i < 3; i++)
        cool(loop, &ticks);
    return crowd(100);
}

static void test_fiber_periods_go_on_when_none_is_left(void **state)
{
    (void)state;
    assert_int_equal(run(without_idle_main, NULL), 0);
}

/* A loop that sleeps in the kernel wakes up for it, and then no more. */
static int real_main(void *arg)
{
    weft_loop *loop = wf_running;
    (void)arg;
    crowd(0);
    loop->fibers.cool_at = 0;
    assert_int_equal(weft_sleep(WEFT_MILLISECOND), 0);
    assert_true(loop->fibers.cool_at > wf_clock_ticks());
    return 0;
}

static void test_fiber_a_real_loop_looks_by_itself(void **state)
{
    (void)state;
    assert_int_equal(weft_run(real_main, NULL, .no_signals = true), 0);
}

/* Guards. */

static int count_main(void *arg)
{
    weft_scope s;
    const weft_loop *loop = wf_running;
    weft_scope_begin(&s, .isolate = true);
    for (int i = 0; i < 20000; i++)
        weft_spawn(&s, sleep_second, NULL, .stack_size = 16 << 10);
    weft_sleep(0);
    *(size_t *)arg = loop->stacks.live;
    return weft_scope_end(&s);
}

/* A quarter of the kernel's number, and what is beyond it ends with an error. */
static void test_fiber_with_pages_the_kernels_number_is_the_limit(void **state)
{
    (void)state;
    if (wf_sanitizer_is_valgrind())
        skip(); /* it has a limit on mappings of its own, and ends */
    size_t live = 0;
    weft_run(count_main, &live, .clock = WEFT_CLOCK_TEST, .no_signals = true,
             .guards = WEFT_GUARDS_PAGES);
    assert_true(live > 1000);
    if (live < 20000) {
        assert_non_null(strstr(logged.text[0], "(ENOMEM)"));
        assert_in_range(logged.count, 20000 - live, 20001);
    }
    logged.count = 0;
}

/* One after the other, each of another size than the one before. */
static int in_turn_main(void *arg)
{
    weft_scope s;
    (void)arg;
    weft_scope_begin(&s);
    for (uint32_t i = 0; i < 20; i++)
        weft_spawn(&s, return_zero, NULL, .stack_size = i % 2 ? 16 << 10 : 64 << 10);
    return weft_scope_end(&s);
}

/* What has ended does not count, though nobody has left its stack yet. */
static void test_fiber_at_the_limit_who_ends_makes_room_for_the_next(void **state)
{
    (void)state;
    for (int debug = 0; debug < 2; debug++)
        assert_int_equal(weft_run(in_turn_main, NULL, .clock = WEFT_CLOCK_TEST, .no_signals = true,
                                  .stacks_max = 2, .debug = debug, .slow_step = WEFT_HOUR),
                         0);
}

static int yield_one(weft_gen *gen, void *arg)
{
    return weft_yield(gen, arg);
}

static int canaries_main(void *arg)
{
    weft_gen *gen;
    int value = 7, item = 0;
    (void)arg;
    assert_int_equal(weft_gen_open(&gen, yield_one, &value, .item_size = sizeof value), 0);
    assert_true(weft_task_self()->fiber->has_canary);
    assert_int_equal(weft_gen_next(gen, &item), 1);
    assert_int_equal(item, 7);
    assert_int_equal(weft_gen_next(gen, &item), 0);
    weft_gen_close(gen);
    return crowd(100);
}

static void test_fiber_with_canaries_tasks_and_generators_run(void **state)
{
    (void)state;
    assert_int_equal(weft_run(canaries_main, NULL, .clock = WEFT_CLOCK_TEST, .no_signals = true,
                              .guards = WEFT_GUARDS_CANARIES),
                     0);
}

static void overrun(const struct wf_fiber *fiber)
{
    memset(fiber->stack->low - 100, 1, 164);
}

static int overrun_and_sleep(void *arg)
{
    (void)arg;
    overrun(weft_task_self()->fiber);
    weft_sleep(SECOND);
    _exit(0); /* it has been found by now */
}

static int overrun_and_end(void *arg)
{
    (void)arg;
    overrun(weft_task_self()->fiber);
    return 0;
}

static int overrun_and_yield(weft_gen *gen, void *arg)
{
    overrun(weft_task_self()->fiber);
    return weft_yield(gen, arg);
}

static int overrun_and_ask(void *arg)
{
    weft_gen *gen;
    int item;
    weft_gen_open(&gen, yield_one, arg, .item_size = sizeof item);
    overrun(weft_task_self()->fiber);
    return weft_gen_next(gen, &item);
}

static int ask_overrun(void *arg)
{
    weft_gen *gen;
    int item;
    weft_gen_open(&gen, overrun_and_yield, arg, .item_size = sizeof item);
    return weft_gen_next(gen, &item);
}

static int victim_main(void *fn)
{
    weft_scope s;
    int value = 0;
    weft_scope_begin(&s);
    weft_spawn(&s, *(weft_fn **)fn, &value);
    return weft_scope_end(&s);
}

static weft_fn *overrunning;

static void run_overrunning(void)
{
    weft_run(victim_main, &overrunning, .clock = WEFT_CLOCK_TEST, .no_signals = true,
             .guards = WEFT_GUARDS_CANARIES);
}

static void test_fiber_a_canary_is_looked_at_at_each_switch(void **state)
{
    (void)state;
    weft_fn *const ways[] = { overrun_and_sleep, overrun_and_end, overrun_and_ask, ask_overrun };
    for (size_t i = 0; i < WF_ARRAY_SIZE(ways); i++) {
        overrunning = ways[i];
        expect_abort(run_overrunning, "has overflowed its stack");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_fiber_what_no_task_wants_loses_its_memory),
        core_test(test_fiber_within_a_period_nothing_goes),
        core_test(test_fiber_a_loop_wakes_up_while_anything_idle_has_memory),
        core_test(test_fiber_periods_go_on_when_none_is_left),
        core_test(test_fiber_a_real_loop_looks_by_itself),
        core_test(test_fiber_with_pages_the_kernels_number_is_the_limit),
        core_test(test_fiber_at_the_limit_who_ends_makes_room_for_the_next),
        core_test(test_fiber_with_canaries_tasks_and_generators_run),
        core_test(test_fiber_a_canary_is_looked_at_at_each_switch),
    };
    return cmocka_run_group_tests_name("fiber", tests, NULL, NULL);
}
