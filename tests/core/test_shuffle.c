/* WEFT_SHUFFLE: another order where none is promised, and the same where one is. */

#include "core_test.h"

enum { SEEDS = 200, TASKS = 8 };

/* A thing to wait for. */
static const struct wf_wait_ops lamp_ops = { .kind = "a lamp" };
static struct wf_waiter waiters[TASKS];
static char lamps[TASKS];
static bool same_lamp;

static int wait_for_lamp(void *arg)
{
    size_t n = *(const size_t *)arg;
    char letter[2] = { (char)('a' + n), '\0' };
    wf_waiter_arm(&waiters[n], &lamp_ops, same_lamp ? lamps : &lamps[n]);
    wf_park(&waiters[n]);
    note(letter);
    return 0;
}

static int main_lamps(void *arg)
{
    weft_scope scope;
    if (arg)
        wf_shuffle_begin(weft_loop_current(), *(uint64_t *)arg);
    weft_scope_begin(&scope);
    for (size_t n = 0; n < TASKS; n++)
        weft_spawn(&scope, wait_for_lamp, &n, .copy = sizeof n);
    weft_sleep(0);
    for (size_t n = 0; n < TASKS; n++)
        wf_wake(&waiters[n], 0);
    return weft_scope_end(&scope);
}

static const char *trace_of(weft_fn *fn, uint64_t seed)
{
    trace[0] = '\0';
    assert_int_equal(run(fn, &seed), 0);
    return trace;
}

static void test_shuffle_gives_another_order_to_tasks_of_different_objects(void **state)
{
    (void)state;
    unsigned moved = 0, first_moved = 0;
    same_lamp = false;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        const char *order = trace_of(main_lamps, seed);
        assert_int_equal(strlen(order), TASKS);
        assert_int_equal(strspn("abcdefgh", order), TASKS); /* each is there */
        moved += strcmp(order, "abcdefgh") != 0;
        first_moved += order[0] != 'a';
    }
    assert_true(moved > SEEDS * 9 / 10);
    assert_true(first_moved > SEEDS / 2);
}

/* Half are woken before somebody yields, half after it in the same turn. */
static void wake_second_half(struct wf_turn_hook *hook)
{
    (void)hook;
    for (size_t n = TASKS / 2; n < TASKS; n++)
        wf_wake(&waiters[n], 0);
}

static int main_yields(void *arg)
{
    weft_scope scope;
    struct wf_turn_hook hook = { .run = wake_second_half };
    wf_shuffle_begin(weft_loop_current(), *(uint64_t *)arg);
    wf_list_init(&hook.link);
    weft_scope_begin(&scope);
    for (size_t n = 0; n < TASKS; n++)
        weft_spawn(&scope, wait_for_lamp, &n, .copy = sizeof n);
    weft_sleep(0);
    for (size_t n = 0; n < TASKS / 2; n++)
        wf_wake(&waiters[n], 0);
    wf_turn_hook_arm(weft_loop_current(), &hook);
    weft_sleep(0);
    bool right = strlen(trace) == TASKS / 2 && strspn("abcd", trace) == TASKS / 2;
    int err = weft_scope_end(&scope);
    return right ? err : -EPROTO;
}

static void test_shuffle_lets_nobody_pass_a_task_that_yields(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        trace_of(main_yields, seed);
}

static void test_shuffle_repeats_a_seed(void **state)
{
    (void)state;
    char first[TASKS + 1];
    same_lamp = false;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        snprintf(first, sizeof first, "%.8s", trace_of(main_lamps, seed));
        assert_string_equal(trace_of(main_lamps, seed), first);
    }
}

static void test_shuffle_keeps_the_order_of_those_who_wait_for_one_object(void **state)
{
    (void)state;
    same_lamp = true;
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        assert_string_equal(trace_of(main_lamps, seed), "abcdefgh");
    same_lamp = false;
}

static void note_callback(void *arg)
{
    note(arg);
}

static int note_once_awaited(void *arg)
{
    weft_task *const *task = arg;
    int err = weft_await(*task);
    note(weft_task_name(weft_task_self()));
    return err;
}

static int sleep_and_note(void *arg)
{
    int err = weft_sleep(SECOND + (*(char *)arg - 'p'));
    note(arg);
    return err;
}

static int yield_and_note(void *arg)
{
    int err = weft_sleep(0);
    (void)arg;
    return err;
}

/* Starts, callbacks, awaiters, sleepers; yielding tasks in between, so that there is a batch. */
static int main_promised(void *arg)
{
    static const char *const names[] = { "x", "y", "z" };
    static const char *const sleepers[] = { "p", "q", "r" };
    weft_scope scope;
    weft_task *awaited;
    wf_shuffle_begin(weft_loop_current(), *(uint64_t *)arg);
    weft_scope_begin(&scope);
    weft_spawn(&scope, sleep_second, NULL, .task = &awaited);
    for (int i = 0; i < 3; i++) {
        weft_spawn(&scope, yield_and_note, NULL);
        weft_spawn(&scope, note_once_awaited, &awaited, .name = names[i]);
        weft_spawn(&scope, sleep_and_note, (void *)(uintptr_t)sleepers[i]);
    }
    weft_sleep(0);
    weft_spawn(&scope, note_arg, "1");
    weft_call_soon(note_callback, "A");
    weft_spawn(&scope, yield_and_note, NULL);
    weft_spawn(&scope, note_arg, "2");
    weft_call_soon(note_callback, "B");
    weft_spawn(&scope, note_arg, "3");
    int err = weft_scope_end(&scope);
    weft_task_release(awaited);
    return err;
}

static void expect_in_order(const char *order, const char *letters)
{
    const char *at = order;
    for (; *letters; letters++) {
        char letter[2] = { *letters, '\0' };
        at = strstr(at, letter);
        if (!at)
            fail_msg("%s lacks %s in its place", order, letter);
    }
}

static void test_shuffle_keeps_what_is_promised(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        const char *order = trace_of(main_promised, seed);
        assert_int_equal(strlen(order), 11);
        expect_in_order(order, "123"); /* starts */
        expect_in_order(order, "AB");  /* callbacks */
        expect_in_order(order, "xyz"); /* awaiters of one task */
        expect_in_order(order, "pqr"); /* timers */
    }
}

/* Each turn serves everybody once, whatever the order. */
static int rounds[TASKS];

static int take_rounds(void *arg)
{
    size_t n = *(const size_t *)arg;
    for (int i = 0; i < 50; i++) {
        for (size_t k = 0; k < TASKS; k++)
            if (rounds[k] < rounds[n] - 1 || rounds[k] > rounds[n] + 1)
                return -EPROTO;
        rounds[n]++;
        weft_sleep(0);
    }
    return 0;
}

static int main_rounds(void *arg)
{
    weft_scope scope;
    wf_shuffle_begin(weft_loop_current(), *(uint64_t *)arg);
    memset(rounds, 0, sizeof rounds);
    weft_scope_begin(&scope);
    for (size_t n = 0; n < TASKS; n++)
        weft_spawn(&scope, take_rounds, &n, .copy = sizeof n);
    return weft_scope_end(&scope);
}

static void test_shuffle_gives_everybody_one_step_a_turn(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        trace_of(main_rounds, seed);
}

static void test_shuffle_is_asked_for_by_the_environment(void **state)
{
    (void)state;
    char asked[TASKS + 1];
    same_lamp = false;
    unsetenv("WEFT_SHUFFLE");
    assert_int_equal(run(main_lamps, NULL), 0);
    assert_string_equal(trace, "abcdefgh");
    trace[0] = '\0';
    setenv("WEFT_SHUFFLE", "7", 1);
    assert_int_equal(run(main_lamps, NULL), 0);
    snprintf(asked, sizeof asked, "%.8s", trace);
    unsetenv("WEFT_SHUFFLE");
    assert_string_equal(asked, trace_of(main_lamps, 7));
}

static void test_shuffle_without_memory_keeps_the_order(void **state)
{
    (void)state;
    weft_loop *loop;
    struct wf_ready items[3] = { 0 };
    struct wf_memory_fault fault = { .countdown = 1 };
    assert_int_equal(weft_loop_new(&loop, .clock = WEFT_CLOCK_TEST), 0);
    wf_shuffle_begin(loop, 1);
    for (int i = 0; i < 3; i++)
        wf_ready_push(&loop->ready, &items[i]);
    wf_memory_fault_set(&fault);
    wf_shuffle_turn(loop, 0);
    wf_memory_fault_set(NULL);
    assert_int_equal(fault.injected, 1);
    for (int i = 0; i < 3; i++)
        assert_ptr_equal(wf_ready_pop(&loop->ready), &items[i]);
    assert_int_equal(weft_loop_free(loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_shuffle_gives_another_order_to_tasks_of_different_objects),
        core_test(test_shuffle_repeats_a_seed),
        core_test(test_shuffle_lets_nobody_pass_a_task_that_yields),
        core_test(test_shuffle_keeps_the_order_of_those_who_wait_for_one_object),
        core_test(test_shuffle_keeps_what_is_promised),
        core_test(test_shuffle_gives_everybody_one_step_a_turn),
        core_test(test_shuffle_is_asked_for_by_the_environment),
        core_test(test_shuffle_without_memory_keeps_the_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
