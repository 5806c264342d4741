/* Who runs next: FIFO, hand-overs, budget, slice, and what starves nobody (architecture 5,
 * hazards 11 and 12). */

#include "core_test.h"

/* Hand-over: two tasks that serve each other and a third that only waits for its turn. */

struct baton {
    struct wf_waiter *waiting; /* who wants to be served */
    bool done;
};

static struct baton baton;

static void wake_by_hand(struct wf_waiter *w)
{
    weft_task *task = w->owner;
    if (task->parked == w)
        wf_hand_over(task);
}

static const struct wf_wait_ops baton_ops = { .kind = "the baton" };

/* Serve whoever waits, and wait to be served. */
static void pass(struct baton *b)
{
    struct wf_waiter w, *other = b->waiting;
    wf_waiter_arm(&w, &baton_ops, b);
    w.wake = wake_by_hand;
    b->waiting = &w;
    if (other)
        wf_wake(other, 0);
    wf_park(&w);
}

static int play(void *arg)
{
    for (int i = 0; i < 50; i++) {
        note(arg);
        pass(&baton);
    }
    baton.done = true;
    if (baton.waiting)
        wf_wake(baton.waiting, 0);
    baton.waiting = NULL;
    return 0;
}

static int tick(void *arg)
{
    while (!baton.done) {
        note(arg);
        weft_sleep(0);
    }
    return 0;
}

static int hand_over_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, tick, ".");
    weft_spawn(&s, play, "p");
    weft_spawn(&s, play, "q");
    return weft_scope_end(&s);
}

static size_t longest_run_without(const char *text, char c)
{
    size_t longest = 0, current = 0;
    for (; *text; text++) {
        current = *text == c ? 0 : current + 1;
        longest = current > longest ? current : longest;
    }
    return longest;
}

static void test_dispatch_hands_over_at_most_three_times_in_a_row(void **state)
{
    (void)state;
    baton = (struct baton){ .done = false };
    assert_int_equal(run(hand_over_main, NULL), 0);
    /* The first two come from the queue: they have not begun. */
    assert_int_equal(strncmp(trace, ".pqpqp.", 7), 0);
    assert_int_equal(longest_run_without(trace + 6, '.'), 1 + WF_LIFO_MAX);
}

static int wait_for_baton(void *arg)
{
    struct wf_waiter w;
    wf_waiter_arm(&w, &baton_ops, &baton);
    w.wake = wake_by_hand;
    baton.waiting = &w;
    wf_park(&w);
    note(arg);
    return 0;
}

static int serve_baton(void *arg)
{
    struct wf_waiter *w = baton.waiting;
    baton.waiting = NULL;
    wf_wake(w, 0);
    note(arg);
    weft_sleep(0);
    return 0;
}

static int before_others_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, wait_for_baton, "w");
    weft_sleep(0);
    weft_spawn(&s, serve_baton, "s");
    weft_spawn(&s, note_arg, "x");
    weft_spawn(&s, note_arg, "y");
    return weft_scope_end(&s);
}

static void test_dispatch_the_served_task_runs_before_the_queue(void **state)
{
    (void)state;
    baton = (struct baton){ .done = false };
    assert_int_equal(run(before_others_main, NULL), 0);
    assert_string_equal(trace, "swxy");
}

static void serve_from_callback(void *arg)
{
    struct wf_waiter *w = baton.waiting;
    baton.waiting = NULL;
    wf_wake(w, 0);
    note(arg);
}

static int callback_serves_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, wait_for_baton, "w");
    weft_sleep(0);
    weft_call_soon(serve_from_callback, "c");
    return weft_scope_end(&s);
}

static void test_dispatch_a_hand_over_from_the_dispatcher_works(void **state)
{
    (void)state;
    baton = (struct baton){ .done = false };
    assert_int_equal(run(callback_serves_main, NULL), 0);
    assert_string_equal(trace, "cw");
}

/* Budget. */

static unsigned others;

static int count_others(void *arg)
{
    while (!*(bool *)arg) {
        others++;
        if (weft_sleep(0) < 0)
            break;
    }
    return 0;
}

static int busy_without_blocking(void *arg)
{
    weft_task *done = arg;
    for (int i = 0; i < 1280; i++)
        assert_int_equal(weft_await(done), 0);
    return 0;
}

static int busy_with_eager(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1280; i++) {
        weft_task *task;
        weft_spawn(weft_background(), return_zero, NULL, .eager = true, .task = &task);
        assert_int_equal(weft_await(task), 0);
        weft_task_release(task);
    }
    return 0;
}

static int budget_main(void *arg)
{
    bool done = false;
    weft_task *finished;
    weft_scope s, inner;
    weft_spawn(weft_background(), return_zero, NULL, .task = &finished);
    weft_await(finished);
    weft_scope_begin(&s);
    weft_spawn(&s, count_others, &done);
    weft_scope_begin(&inner);
    weft_spawn(&inner, *(weft_fn **)arg, finished);
    int err = weft_scope_end(&inner);
    done = true;
    weft_task_release(finished);
    return weft_scope_end(&s) < 0 ? -1 : err;
}

static void test_dispatch_a_task_that_never_blocks_yields_every_128_operations(void **state)
{
    (void)state;
    weft_fn *busy[] = { busy_without_blocking, busy_with_eager };
    for (int i = 0; i < 2; i++) {
        others = 0;
        assert_int_equal(run(budget_main, &busy[i]), 0);
        assert_in_range(others, 10, 13);
    }
}

/* Fairness: real time. Whoever keeps the loop busy for ever, timers and I/O are served. */

static bool stop_it;

static void call_again(void *arg)
{
    if (!stop_it)
        weft_call_soon(call_again, arg);
}

static int ping_pong(void *arg)
{
    (void)arg;
    while (!stop_it)
        weft_sleep(0);
    return 0;
}

static int spawn_again(void *arg)
{
    (void)arg;
    if (!stop_it)
        weft_spawn(weft_background(), spawn_again, NULL);
    return 0;
}

static int starvation_main(void *arg)
{
    int pipes[2];
    (void)arg;
    assert_int_equal(pipe(pipes), 0);
    weft_call_soon(call_again, NULL);
    weft_spawn(weft_background(), ping_pong, NULL);
    weft_spawn(weft_background(), ping_pong, NULL);
    weft_spawn(weft_background(), spawn_again, NULL);
    for (int i = 0; i < 20; i++) {
        int64_t start = weft_now();
        assert_int_equal(weft_sleep(100 * WEFT_MICROSECOND), 0);
        assert_true(weft_now() - start < 2 * SECOND);
        assert_int_equal(write(pipes[1], "x", 1), 1);
        assert_int_equal(weft_poll_fd(pipes[0], WEFT_READABLE), WEFT_READABLE);
        char byte;
        assert_int_equal(read(pipes[0], &byte, 1), 1);
    }
    stop_it = true;
    close(pipes[0]);
    close(pipes[1]);
    return 0;
}

static void test_dispatch_endless_chains_starve_neither_timers_nor_io(void **state)
{
    (void)state;
    stop_it = false;
    assert_int_equal(weft_run(starvation_main, NULL, .no_signals = true), 0);
}

/* A task that works long and never waits, alone: its budgets are turns, and with each the kernel is
 * asked, not after WF_RESUMES_PER_LOOK of them. */

static int busy_calls;

static int hear_byte(void *arg)
{
    assert_int_equal(weft_poll_fd(*(int *)arg, WEFT_READABLE), WEFT_READABLE);
    stop_it = true;
    return 0;
}

static int work_without_waiting(void *arg)
{
    weft_task *finished;
    weft_spawn(weft_background(), return_zero, NULL, .task = &finished);
    weft_await(finished);
    assert_int_equal(write(*(int *)arg, "x", 1), 1);
    while (!stop_it) {
        int64_t end = real_now() + WEFT_MICROSECOND;
        assert_int_equal(weft_await(finished), 0);
        busy_calls++;
        while (real_now() < end)
            ;
    }
    weft_task_release(finished);
    return 0;
}

static int long_budgets_main(void *arg)
{
    int pipes[2];
    (void)arg;
    weft_scope s;
    assert_int_equal(pipe(pipes), 0);
    weft_scope_begin(&s);
    weft_spawn(&s, hear_byte, &pipes[0]);
    weft_sleep(MILLISECOND);
    weft_spawn(&s, work_without_waiting, &pipes[1]);
    assert_int_equal(weft_scope_end(&s), 0);
    close(pipes[0]);
    close(pipes[1]);
    return 0;
}

static void test_dispatch_long_budgets_keep_nobody_from_the_kernel(void **state)
{
    (void)state;
    stop_it = false;
    busy_calls = 0;
    assert_int_equal(weft_run(long_budgets_main, NULL, .no_signals = true), 0);
    assert_in_range(busy_calls, 1, 3 * WF_TASK_BUDGET);
}

/* The slice cuts a long turn; what is left keeps its order. */

enum { LONG_TURN = 3000 };
static int order[LONG_TURN], ran, ran_at_timer;

static struct wf_timer in_the_middle;

/* The first one arms the timer: to spawn the others may have taken longer than that. */
static int work_20_us(void *arg)
{
    int64_t end = real_now() + 20 * WEFT_MICROSECOND;
    if (ran == 0)
        wf_timer_add(&wf_running->timers, &in_the_middle, weft_now() + MILLISECOND);
    order[ran++] = (int)(intptr_t)arg;
    while (real_now() < end)
        ;
    return 0;
}

static void look_how_far(struct wf_timer *timer)
{
    (void)timer;
    ran_at_timer = ran;
}

static int slice_main(void *arg)
{
    (void)arg;
    weft_scope s;
    wf_timer_init(&in_the_middle, look_how_far);
    weft_scope_begin(&s);
    for (intptr_t i = 0; i < LONG_TURN; i++)
        weft_spawn(&s, work_20_us, (void *)i);
    return weft_scope_end(&s);
}

static void test_semantics_11_a_long_turn_is_cut_and_goes_on_in_order(void **state)
{
    (void)state;
    ran = ran_at_timer = 0;
    assert_int_equal(weft_run(slice_main, NULL, .no_signals = true), 0);
    assert_int_equal(ran, LONG_TURN);
    assert_in_range(ran_at_timer, 1, LONG_TURN - 1);
    for (int i = 0; i < LONG_TURN; i++)
        assert_int_equal(order[i], i);
}

/* Many timers due together do not keep I/O waiting for all of them. */

enum { STORM = 20000 };
static struct wf_timer storm[STORM];
static int fired, fired_at_poll, storm_out_of_order;

static void work_1_us(struct wf_timer *timer)
{
    int64_t end = real_now() + WEFT_MICROSECOND;
    storm_out_of_order += timer != &storm[fired];
    fired++;
    while (real_now() < end)
        ;
}

static int storm_main(void *arg)
{
    int pipes[2];
    (void)arg;
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(write(pipes[1], "x", 1), 1);
    int64_t due = weft_now();
    for (int i = 0; i < STORM; i++) {
        wf_timer_init(&storm[i], work_1_us);
        wf_timer_add(&wf_running->timers, &storm[i], due);
    }
    assert_int_equal(weft_poll_fd(pipes[0], WEFT_READABLE), WEFT_READABLE);
    fired_at_poll = fired;
    while (fired < STORM)
        weft_sleep(MILLISECOND);
    close(pipes[0]);
    close(pipes[1]);
    return 0;
}

static void test_semantics_11_a_storm_of_timers_is_cut_and_keeps_its_order(void **state)
{
    (void)state;
    fired = storm_out_of_order = 0;
    assert_int_equal(weft_run(storm_main, NULL, .no_signals = true), 0);
    assert_in_range(fired_at_poll, 1, STORM - 1);
    assert_int_equal(storm_out_of_order, 0);
}

/* Tasks and callbacks in one queue. */

static void note_callback(void *arg)
{
    note(arg);
}

static int mixed_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s);
    weft_call_soon(note_callback, "1");
    weft_spawn(&s, note_arg, "2");
    weft_call_soon(note_callback, "3");
    weft_spawn(&s, note_arg, "4");
    weft_spawn(&s, note_arg, "5");
    weft_call_soon(note_callback, "6");
    weft_sleep(0);
    note("m");
    return weft_scope_end(&s);
}

static void test_dispatch_tasks_and_callbacks_are_one_fifo(void **state)
{
    (void)state;
    assert_int_equal(run(mixed_main, NULL), 0);
    assert_string_equal(trace, "123456m");
}

/* Two are handed the processor before one of them has it: both run, in that order. */

static int serve_two(void *arg)
{
    struct wf_waiter **waiting = arg;
    wf_wake(waiting[0], 0);
    wf_wake(waiting[1], 0);
    note("s");
    return 0;
}

static struct wf_waiter *two[2];

static int wait_as(void *arg)
{
    struct wf_waiter w;
    wf_waiter_arm(&w, &baton_ops, &baton);
    w.wake = wake_by_hand;
    two[*(char *)arg - '0'] = &w;
    wf_park(&w);
    note(arg);
    return 0;
}

static int two_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, wait_as, "0");
    weft_spawn(&s, wait_as, "1");
    weft_sleep(SECOND);
    weft_spawn(&s, serve_two, two);
    return weft_scope_end(&s);
}

static void test_dispatch_a_second_hand_over_loses_nobody(void **state)
{
    (void)state;
    assert_int_equal(run(two_main, NULL), 0);
    assert_string_equal(trace, "s01");
}

static int serve_two_late(void *arg)
{
    wf_running->lifo_used = WF_LIFO_MAX; /* as after that many hand-overs in a row */
    return serve_two(arg);
}

static int late_main(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, wait_as, "0");
    weft_spawn(&s, wait_as, "1");
    weft_sleep(SECOND);
    weft_spawn(&s, serve_two_late, two);
    return weft_scope_end(&s);
}

static void test_dispatch_when_hand_overs_are_used_up_nobody_is_passed(void **state)
{
    (void)state;
    assert_int_equal(run(late_main, NULL), 0);
    assert_string_equal(trace, "s01");
}

/* A processor's ticks that step back: the loop goes on asking the kernel while tasks are ready. */

static bool rested;

static int be_busy(void *arg)
{
    (void)arg;
    int64_t start = real_now();
    while (!rested && real_now() - start < 5 * SECOND)
        weft_sleep(0);
    return 0;
}

static int stepped_back_main(void *arg)
{
    (void)arg;
    weft_scope s;
    rested = false;
    weft_scope_begin(&s);
    weft_spawn(&s, be_busy, NULL);
    wf_running->last_poll = wf_clock_ticks() + wf_clock_ticks_of(WEFT_HOUR);
    weft_sleep(5 * MILLISECOND);
    rested = true;
    return weft_scope_end(&s);
}

static void test_dispatch_ticks_may_step_back(void **state)
{
    (void)state;
    int64_t start = real_now();
    assert_int_equal(weft_run(stepped_back_main, NULL, .no_signals = true), 0);
    assert_true(real_now() - start < 4 * SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_dispatch_hands_over_at_most_three_times_in_a_row),
        core_test(test_dispatch_the_served_task_runs_before_the_queue),
        core_test(test_dispatch_a_hand_over_from_the_dispatcher_works),
        core_test(test_dispatch_a_second_hand_over_loses_nobody),
        core_test(test_dispatch_when_hand_overs_are_used_up_nobody_is_passed),
        core_test(test_dispatch_ticks_may_step_back),
        core_test(test_dispatch_a_task_that_never_blocks_yields_every_128_operations),
        core_test(test_dispatch_endless_chains_starve_neither_timers_nor_io),
        core_test(test_dispatch_long_budgets_keep_nobody_from_the_kernel),
        core_test(test_semantics_11_a_long_turn_is_cut_and_goes_on_in_order),
        core_test(test_semantics_11_a_storm_of_timers_is_cut_and_keeps_its_order),
        core_test(test_dispatch_tasks_and_callbacks_are_one_fifo),
    };
    return cmocka_run_group_tests_name("core dispatch", tests, NULL, NULL);
}
