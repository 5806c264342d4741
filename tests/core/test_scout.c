/* The ring beside a long ready queue: the same items in the same order, or none. */

#include "core_test.h"

#include "base/random.h"
#include "core/scout.h"

enum { ITEMS = 3 * WF_SCOUT_LONG };

static weft_task *tasks; /* none has begun */
static struct wf_ready_queue queue;
static size_t pushed, popped;

static void called(struct wf_ready *item, bool closed)
{
    (void)item, (void)closed;
}

static int setup(void **state)
{
    tasks = calloc(ITEMS, sizeof *tasks);
    wf_ready_init(&queue);
    pushed = popped = 0;
    return core_setup(state);
}

static int teardown(void **state)
{
    wf_scout_end(&queue);
    free(tasks);
    return core_teardown(state);
}

static void push(size_t count)
{
    for (; count > 0; count--, pushed++) {
        weft_task *task = &tasks[pushed % ITEMS];
        task->ready.run = pushed % 3 == 0 ? called : NULL;
        wf_ready_push(&queue, &task->ready);
    }
}

static void pop(size_t count)
{
    for (; count > 0; count--, popped++)
        assert_ptr_equal(wf_ready_pop(&queue), &tasks[popped % ITEMS].ready);
}

static void check_ring(void)
{
    const struct wf_scout *scout = queue.scout;
    assert_int_equal(scout->end - scout->first, queue.count);
    size_t i = scout->first;
    for (const struct wf_ready *item = queue.head; item; item = item->next)
        assert_ptr_equal(scout->ring[i++ & scout->mask], item);
}

static void test_scout_comes_with_a_long_queue_and_goes_with_a_short_one(void **state)
{
    (void)state;
    push(WF_SCOUT_LONG - 1);
    wf_scout_begin(&queue);
    assert_null(queue.scout);
    push(1);
    wf_scout_begin(&queue);
    check_ring();
    pop(WF_SCOUT_LONG - WF_SCOUT_SHORT);
    wf_scout_begin(&queue);
    check_ring();
    pop(1);
    wf_scout_begin(&queue);
    assert_null(queue.scout);
    pop(WF_SCOUT_SHORT - 1);
    assert_int_equal(queue.count, 0);
}

static void test_scout_is_the_queue_whatever_comes_and_goes(void **state)
{
    (void)state;
    struct wf_random dice;
    wf_random_seed(&dice, 11);
    push(WF_SCOUT_LONG);
    for (int turn = 0; turn < 100; turn++) {
        wf_scout_begin(&queue);
        pop(wf_random_below(&dice, queue.count));
        push(wf_random_below(&dice, ITEMS - queue.count));
        if (queue.scout)
            check_ring();
    }
    pop(queue.count);
}

static void test_scout_goes_when_an_item_is_taken_out(void **state)
{
    (void)state;
    push(WF_SCOUT_LONG);
    wf_scout_begin(&queue);
    assert_int_equal(wf_ready_remove(&queue, &tasks[5].ready), 5);
    assert_null(queue.scout);
    pop(5);
    popped++;
    pop(WF_SCOUT_LONG - 6);
}

static void test_scout_goes_when_items_are_shuffled(void **state)
{
    (void)state;
    static weft_loop loop;
    push(WF_SCOUT_LONG);
    loop.ready = queue;
    wf_scout_begin(&loop.ready);
    assert_non_null(loop.ready.scout);
    wf_shuffle_begin(&loop, 1);
    wf_shuffle_turn(&loop, 0);
    wf_shuffle_fini(&loop);
    queue = loop.ready;
    assert_null(queue.scout);
    pop(WF_SCOUT_LONG);
}

static int yield_twice(void *arg)
{
    size_t *count = arg;
    for (int i = 0; i < 2; i++)
        weft_sleep(0);
    ++*count;
    return 0;
}

static int crowd_main(void *arg)
{
    weft_scope s;
    weft_scope_begin(&s);
    for (int i = 0; i < WF_SCOUT_LONG + 100; i++)
        weft_spawn(&s, yield_twice, arg, .stack_size = 16 << 10);
    weft_sleep(0);
    assert_non_null(wf_running->ready.scout);
    return weft_scope_end(&s);
}

static void test_scout_of_a_crowd_that_yields(void **state)
{
    (void)state;
    size_t count = 0;
    assert_int_equal(weft_run(crowd_main, &count, .no_signals = true), 0);
    assert_int_equal(count, WF_SCOUT_LONG + 100);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests_here[] = {
        TEST(test_scout_comes_with_a_long_queue_and_goes_with_a_short_one),
        TEST(test_scout_is_the_queue_whatever_comes_and_goes),
        TEST(test_scout_goes_when_an_item_is_taken_out),
        TEST(test_scout_goes_when_items_are_shuffled),
        TEST(test_scout_of_a_crowd_that_yields),
    };
    return cmocka_run_group_tests_name("scout", tests_here, NULL, NULL);
}
