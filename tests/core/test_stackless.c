/* Stackless tasks: their steps, and what they can wait for. */

#include "core/line.h"
#include "stackless_test.h"

#include <weft/coro.h>

/* Steps. */

static int sleeps_main(void *arg)
{
    (void)arg;
    struct counter counter = { .left = 3, .letter = "t" };
    weft_scope s;
    int64_t begun = weft_now();
    weft_scope_begin(&s);
    assert_int_equal(weft_stackless_spawn(&s, &counter.self, &ticker), 0);
    assert_string_equal(trace, "");
    assert_string_equal(weft_stackless_name(&counter.self), "tick");
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(weft_now() - begun, 3 * SECOND);
    assert_int_equal(dropped, 1);
    return 0;
}

static void test_stackless_sleeps_step_by_step_and_its_scope_joins_it(void **state)
{
    (void)state;
    assert_int_equal(run(sleeps_main, NULL), 0);
    assert_string_equal(trace, "t0 t0 t0 t0 ");
}

static int frees_itself_main(void *arg)
{
    (void)arg;
    struct counter *counter = calloc(1, sizeof *counter);
    counter->left = 2;
    assert_int_equal(weft_stackless_spawn(weft_background(), &counter->self, &freed), 0);
    assert_string_equal(weft_stackless_name(&counter->self), "freed");
    return weft_sleep(WEFT_MINUTE);
}

static void test_stackless_drop_may_free_the_memory(void **state)
{
    (void)state;
    assert_int_equal(run(frees_itself_main, NULL), 0);
    assert_int_equal(dropped, 1);
}

static int yield_twice(weft_stackless *self, int64_t result)
{
    struct counter *counter = counter_of(self);
    note(counter->letter);
    assert_int_equal(result, 0);
    return counter->left-- == 0 ? 0 : weft_then_yield(self, yield_twice);
}

static const weft_stackless_kind yielder = WEFT_STACKLESS(yield_twice, NULL);

static int order_main(void *arg)
{
    (void)arg;
    struct counter a = { .left = 2, .letter = "a" }, b = { .left = 2, .letter = "b" };
    weft_scope s;
    weft_scope_begin(&s);
    weft_stackless_spawn(&s, &a.self, &yielder);
    weft_spawn(&s, note_arg, "T");
    weft_stackless_spawn(&s, &b.self, &yielder);
    return weft_scope_end(&s);
}

static void test_stackless_ones_and_tasks_begin_in_order_and_yield_in_turns(void **state)
{
    (void)state;
    assert_int_equal(run(order_main, NULL), 0);
    assert_string_equal(trace, "aTbabab");
}

static int sleep_until_then(weft_stackless *self, int64_t result)
{
    struct counter *counter = counter_of(self);
    assert_int_equal(result, 0);
    note_result("", (weft_now() - *(int64_t *)counter->object) / SECOND);
    switch (counter->left++) {
    case 0:
        return weft_then_sleep_until(self, weft_now() + SECOND, sleep_until_then);
    case 1:
        return weft_then_sleep_until(self, weft_now() - SECOND, sleep_until_then);
    case 2:
        return weft_then_sleep(self, -1, sleep_until_then);
    default:
        return 7;
    }
}

static const weft_stackless_kind until = WEFT_STACKLESS(sleep_until_then, NULL);

static int until_main(void *arg)
{
    (void)arg;
    int64_t begun = weft_now();
    struct counter counter = { .object = &begun };
    weft_scope s;
    weft_scope_begin(&s);
    weft_stackless_spawn(&s, &counter.self, &until);
    return weft_scope_end(&s);
}

static void test_stackless_sleeps_until_a_time_and_only_a_turn_when_it_is_over(void **state)
{
    (void)state;
    assert_int_equal(run(until_main, NULL), 0);
    assert_string_equal(trace, "0 1 1 1 ");
}

/* Awaiting. */

static int futures_main(void *arg)
{
    (void)arg;
    weft_future *pending = weft_future_new(), *failed = weft_future_new();
    weft_future *nap = weft_sleep_future(SECOND);
    struct counter a = { .letter = "a", .object = pending, .left = 1 };
    struct counter b = { .letter = "b", .object = failed };
    struct counter c = { .letter = "c", .object = nap }, d = { .letter = "d" };
    weft_scope s;
    weft_scope_begin(&s);
    weft_stackless_spawn(&s, &a.self, &awaiter);
    weft_stackless_spawn(&s, &b.self, &awaiter);
    weft_stackless_spawn(&s, &c.self, &awaiter);
    wf_not_made(-ENFILE);
    weft_stackless_spawn(&s, &d.self, &awaiter);
    weft_sleep(0);
    weft_future_release(nap); /* who waits keeps it */
    weft_future_set(pending, NULL);
    weft_future_fail(failed, -EBADF, "broken");
    weft_future_release(failed);
    assert_int_equal(weft_scope_end(&s), 0);
    weft_future_release(pending);
    return 0;
}

static void test_stackless_awaits_futures_and_is_told_their_results(void **state)
{
    (void)state;
    assert_int_equal(run(futures_main, NULL), 0);
    assert_string_equal(trace, "d-23 a0 a0 b-9 c0 ");
    assert_int_equal(dropped, 4);
}

static int return_five_later(void *arg)
{
    (void)arg;
    weft_sleep(SECOND);
    return 5;
}

static int tasks_main(void *arg)
{
    (void)arg;
    weft_task *task;
    weft_coro *coro = weft_coro_new(return_zero, NULL);
    weft_spawn(weft_background(), return_five_later, NULL, .task = &task);
    struct counter a = { .letter = "a", .object = task }, b = { .letter = "b", .object = coro };
    weft_scope s;
    weft_scope_begin(&s);
    weft_stackless_spawn(&s, &a.self, &awaiter);
    weft_stackless_spawn(&s, &b.self, &awaiter);
    int err = weft_scope_end(&s);
    weft_task_release(task);
    return err;
}

static void test_stackless_awaits_tasks_and_refuses_coroutines(void **state)
{
    (void)state;
    assert_int_equal(run(tasks_main, NULL), 0);
    assert_string_equal(trace, "b-22 a5 ");
    expect_log("weft_then_await() of a coroutine, which has no stack to run on");
}

/* Many waits that are over at once: bounded in a row, and without recursion. */

static const char *lowest, *highest;

static int await_ten_thousand(weft_stackless *self, int64_t result)
{
    struct counter *counter = counter_of(self);
    char here;
    assert_int_equal(result, 0);
    lowest = !lowest || &here < lowest ? &here : lowest;
    highest = &here > highest ? &here : highest;
    if (counter->left-- == 0)
        return 0;
    return weft_then_await(self, (weft_future *)counter->object, await_ten_thousand);
}

static const weft_stackless_kind greedy = WEFT_STACKLESS(await_ten_thousand, count_drop);

static int greedy_main(void *arg)
{
    (void)arg;
    weft_future *done = weft_future_new();
    weft_future_set(done, NULL);
    struct counter counter = { .left = 10000, .object = done };
    weft_scope s;
    unsigned turns = 0;
    lowest = highest = NULL;
    weft_scope_begin(&s);
    weft_stackless_spawn(&s, &counter.self, &greedy);
    for (; dropped == 0; turns++)
        weft_sleep(0);
    assert_in_range(turns, 10000 / 128, 10000 / 128 + 2);
    assert_true(highest - lowest < 1024);
    weft_future_release(done);
    return weft_scope_end(&s);
}

static void test_stackless_that_need_not_wait_gives_the_others_turns_on_constant_stack(void **state)
{
    (void)state;
    assert_int_equal(run(greedy_main, NULL), 0);
}

/* An object of the test's own, known by its ops alone: a box of one number. */

struct box {
    bool full;
    int number;
    struct wf_line line;
};

static bool box_take(struct wf_waiter *w, int64_t *result)
{
    struct box *box = w->object;
    if (!box->full)
        return false;
    *(int *)w->item = box->number;
    box->full = false;
    *result = 1;
    return true;
}

static void box_join(struct wf_waiter *w)
{
    wf_line_join(&((struct box *)w->object)->line, w);
}

static bool box_abort(struct wf_waiter *w)
{
    wf_line_leave(&((struct box *)w->object)->line, w);
    return true;
}

static const struct wf_wait_ops box_ops = {
    .kind = "a number", .take = box_take, .join = box_join, .abort = box_abort
};

static void box_put(struct box *box, int number)
{
    struct wf_waiter *w = wf_line_pop(&box->line);
    if (w) {
        *(int *)w->item = number;
        wf_wake(w, 1);
        return;
    }
    box->full = true;
    box->number = number;
}

static int take_number(weft_stackless *self, int64_t result);

static int took_number(weft_stackless *self, int64_t result)
{
    struct counter *counter = counter_of(self);
    note_result(counter->letter, result > 0 ? counter->code : result);
    if (result < 0)
        return (int)result;
    return take_number(self, 0);
}

static int take_number(weft_stackless *self, int64_t result)
{
    struct counter *counter = counter_of(self);
    (void)result;
    return wf_stackless_then(self, &box_ops, counter->object, &counter->code, took_number,
                             "take_number");
}

static const weft_stackless_kind taker = WEFT_STACKLESS(take_number, count_drop);

static int box_main(void *arg)
{
    (void)arg;
    struct box box = { .full = true, .number = 1 };
    struct counter a = { .letter = "a", .object = &box }, b = { .letter = "b", .object = &box };
    weft_scope s;
    weft_scope_begin(&s);
    weft_stackless_spawn(&s, &a.self, &taker);
    weft_stackless_spawn(&s, &b.self, &taker);
    weft_sleep(0);
    assert_int_equal(box.line.length, 2);
    box_put(&box, 2);
    box_put(&box, 3);
    weft_sleep(0);
    weft_stackless_cancel(&a.self, "enough");
    assert_int_equal(box.line.length, 1);
    box_put(&box, 4);
    weft_sleep(0);
    weft_scope_cancel(&s, "enough");
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(box.line.left, 2);
    return 0;
}

static void test_stackless_waits_for_an_object_by_its_ops(void **state)
{
    (void)state;
    assert_int_equal(run(box_main, NULL), 0);
    assert_string_equal(trace, "a1 a2 b3 a-125 b4 b-125 ");
    assert_int_equal(dropped, 2);
}

static void test_stackless_takes_128_bytes(void **state)
{
    (void)state;
    assert_int_equal(sizeof(weft_stackless), 128);
    assert_int_equal(sizeof(struct wf_stackless), 128);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stackless_test(test_stackless_sleeps_step_by_step_and_its_scope_joins_it),
        stackless_test(test_stackless_drop_may_free_the_memory),
        stackless_test(test_stackless_ones_and_tasks_begin_in_order_and_yield_in_turns),
        stackless_test(test_stackless_sleeps_until_a_time_and_only_a_turn_when_it_is_over),
        stackless_test(test_stackless_awaits_futures_and_is_told_their_results),
        stackless_test(test_stackless_awaits_tasks_and_refuses_coroutines),
        stackless_test(test_stackless_that_need_not_wait_gives_the_others_turns_on_constant_stack),
        stackless_test(test_stackless_waits_for_an_object_by_its_ops),
        stackless_test(test_stackless_takes_128_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
