/* Select: one of several, whole; the others untouched. */

#include "sync/sync_test.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <weft/coro.h>
#include <weft/future.h>
#include <weft/select.h>

static weft_channel c, d;
static weft_queue q;
static weft_event e;
static weft_semaphore s;
static int numbers[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 };

static void open_all(void)
{
    assert_int_equal(weft_channel_init(&c, sizeof(int), 0), 0);
    assert_int_equal(weft_channel_init(&d, sizeof(int), 1), 0);
    assert_int_equal(weft_queue_init(&q, sizeof(int), 1), 0);
    assert_int_equal(weft_semaphore_init(&s, 0), 0);
    weft_event_init(&e);
}

/* Nobody stands in any line, or this aborts. */
static void close_all(void)
{
    weft_channel_fini(&c);
    weft_channel_fini(&d);
    weft_queue_fini(&q);
    weft_semaphore_fini(&s);
    weft_event_fini(&e);
}

/* A task that selects over the test's cases. */

struct choice {
    weft_case *cases;
    size_t count;
    ssize_t index;
};

static int choose(void *arg)
{
    struct choice *choice = arg;
    choice->index = weft_select(choice->cases, choice->count, .in_order = true);
    return choice->index < 0 ? (int)choice->index : 0;
}

#define CHOICE(list)                                                                               \
    {                                                                                              \
        .cases = (list), .count = sizeof(list) / sizeof(list)[0], .index = -1                      \
    }

/* Each kind: it waits, is served, and no other has happened. */

static int in, out, sent = 7;

enum { SEND, RECEIVE, PUT, GET, EVENT, ACQUIRE, AWAIT, AFTER, AT, POLL, KINDS };

static weft_future *future;
static int pipes[2];

static void make_cases(weft_case cases[KINDS])
{
    in = -1, out = -1;
    cases[SEND] = weft_case_send(&c, &sent);
    cases[RECEIVE] = weft_case_receive(&d, &in);
    cases[PUT] = weft_case_put(&q, &sent);
    cases[GET] = weft_case_get(&q, &out);
    cases[EVENT] = weft_case_event(&e);
    cases[ACQUIRE] = weft_case_acquire(&s, 2);
    cases[AWAIT] = weft_case_await(weft_any(future));
    cases[AFTER] = weft_case_after(SECOND);
    cases[AT] = weft_case_at(weft_now() + 2 * SECOND);
    cases[POLL] = weft_case_poll(pipes[0], WEFT_READABLE);
}

static void serve(unsigned kind)
{
    int number = -1;
    switch (kind) {
    case SEND:
        assert_int_equal(weft_channel_receive(&c, &number), 0);
        assert_int_equal(number, sent);
        break;
    case RECEIVE:
        assert_int_equal(weft_channel_send(&d, &numbers[3]), 0);
        break;
    case PUT:
        assert_int_equal(weft_queue_get(&q, &number), 0); /* what made it full */
        assert_int_equal(number, 1);
        break;
    case GET:
        assert_int_equal(weft_queue_put(&q, &numbers[4]), 0);
        break;
    case EVENT:
        weft_event_set(&e);
        break;
    case ACQUIRE:
        assert_int_equal(weft_semaphore_release(&s, 1), 0);
        assert_int_equal(weft_semaphore_release(&s, 1), 0);
        break;
    case AWAIT:
        weft_future_fail(future, -EDOM, "for the test");
        break;
    case POLL:
        assert_int_equal(write(pipes[1], "x", 1), 1);
        break;
    default:
        break;
    }
}

static int64_t result_of_kind(unsigned kind)
{
    return kind == AWAIT ? -EDOM : kind == POLL ? (int64_t)WEFT_READABLE : 0;
}

/* Alone with `kind` switched on, and the other times far away. */
static int kind_main(void *arg)
{
    unsigned kind = *(unsigned *)arg;
    weft_case cases[KINDS];
    struct choice choice = CHOICE(cases);
    open_all();
    future = weft_future_new();
    assert_int_equal(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
    make_cases(cases);
    if (kind == PUT) { /* it waits while the queue is full; then get could be had */
        assert_int_equal(weft_queue_put(&q, &numbers[1]), 0);
        cases[GET] = weft_case_none();
    } else {
        cases[PUT] = weft_case_none();
    }
    if (kind == AT)
        cases[AFTER] = weft_case_after(WEFT_FOREVER);
    int64_t start = weft_now();
    weft_task *task = begin(choose, &choice);
    weft_sleep(0);
    assert_int_equal(choice.index, -1);
    serve(kind);
    assert_int_equal(end_of(task), 0);
    assert_int_equal(choice.index, kind);
    assert_int_equal(cases[kind].result, result_of_kind(kind));
    assert_int_equal(in, kind == RECEIVE ? 3 : -1);
    assert_int_equal(out, kind == GET ? 4 : -1);
    assert_int_equal(weft_now() - start, kind == AFTER ? SECOND : kind == AT ? 2 * SECOND : 0);
    assert_int_equal(weft_channel_count(&d), 0);
    assert_int_equal(weft_queue_count(&q), kind == PUT);
    assert_int_equal(weft_channel_try_receive(&c, &in), -EAGAIN); /* nobody sends any more */
    assert_int_equal(weft_channel_try_send(&c, &in), -EAGAIN);
    assert_int_equal(wf_running->timers.count, 0);
    weft_future_release(future);
    close(pipes[0]);
    close(pipes[1]);
    close_all();
    return 0;
}

static void test_select_each_kind_is_waited_for_and_served(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < KINDS; kind++)
        assert_int_equal(run(kind_main, &kind), 0);
}

/* The same where it can be had at once, with the others behind it. */
static int ready_kind_main(void *arg)
{
    unsigned kind = *(unsigned *)arg;
    weft_case cases[KINDS];
    int number;
    open_all();
    future = weft_future_new();
    assert_int_equal(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
    make_cases(cases);
    if (kind != PUT)
        cases[PUT] = weft_case_none();
    weft_task *receiver = NULL;
    struct choice other = { 0 };
    weft_case receive[] = { weft_case_receive(&c, &number) };
    if (kind == SEND) {
        other = (struct choice)CHOICE(receive);
        receiver = begin(choose, &other);
        weft_sleep(0);
    } else if (kind == AT) {
        cases[AT] = weft_case_at(weft_now());
    } else if (kind != PUT) {
        serve(kind);
    }
    if (kind == AFTER) /* never at once */
        assert_int_equal(weft_select_try(cases, KINDS), -EAGAIN);
    else
        assert_int_equal(weft_select_try(cases, KINDS), kind);
    assert_int_equal(kind == AFTER ? 0 : cases[kind].result,
                     kind == AFTER ? 0 : result_of_kind(kind));
    if (receiver)
        assert_int_equal(end_of(receiver), 0);
    assert_int_equal(weft_queue_count(&q), kind == PUT);
    weft_future_release(future);
    close(pipes[0]);
    close(pipes[1]);
    close_all();
    return 0;
}

static void test_select_each_kind_can_be_had_at_once(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < KINDS; kind++)
        assert_int_equal(run(ready_kind_main, &kind), 0);
}

/* Order and chance. */

static int order_main(void *arg)
{
    (void)arg;
    unsigned seen[4] = { 0 };
    open_all();
    weft_event_set(&e);
    weft_semaphore_release(&s, 1000000);
    assert_int_equal(weft_channel_send(&d, &numbers[1]), 0);
    weft_case cases[] = { weft_case_event(&e), weft_case_acquire(&s, 1), weft_case_put(&q, &sent),
                          weft_case_receive(&d, &in) };
    for (int i = 0; i < 2000; i++) {
        ssize_t index = weft_select(cases, 4);
        assert_true(index >= 0 && index < 4);
        seen[index]++;
        if (index == 2)
            assert_int_equal(weft_queue_get(&q, &out), 0);
        if (index == 3)
            assert_int_equal(weft_channel_send(&d, &numbers[1]), 0);
    }
    for (int i = 0; i < 4; i++) /* 500 are expected, and 6 sigma are 116 */
        assert_in_range(seen[i], 380, 620);
    for (int i = 0; i < 50; i++)
        assert_int_equal(weft_select(cases, 4, .in_order = true), 0);
    weft_event_clear(&e);
    assert_int_equal(weft_select_try(cases, 4, .in_order = true), 1);
    close_all();
    return 0;
}

static void test_select_chance_starves_nobody_and_in_order_is_in_order(void **state)
{
    (void)state;
    assert_int_equal(run(order_main, NULL), 0);
}

/* A weft_select() that never waits gives others their turn all the same. */
static bool others_ran;

static int run_once(void *arg)
{
    (void)arg;
    others_ran = true;
    return 0;
}

static int budget_main(void *arg)
{
    (void)arg;
    open_all();
    weft_event_set(&e);
    weft_case cases[] = { weft_case_event(&e) };
    others_ran = false;
    weft_task *task = begin(run_once, NULL);
    for (int i = 0; i < WF_TASK_BUDGET + 1; i++)
        assert_int_equal(weft_select(cases, 1), 0);
    assert_true(others_ran);
    close_all();
    return end_of(task);
}

static void test_select_that_never_waits_starves_nobody(void **state)
{
    (void)state;
    assert_int_equal(run(budget_main, NULL), 0);
}

/* One channel, several cases. */

static int same_main(void *arg)
{
    (void)arg;
    int first = -1, second = -1;
    open_all();
    weft_case cases[] = { weft_case_receive(&c, &first), weft_case_receive(&c, &second) };
    struct choice choice = CHOICE(cases);
    weft_task *task = begin(choose, &choice);
    weft_sleep(0);
    assert_int_equal(weft_channel_send(&c, &numbers[5]), 0);
    assert_int_equal(weft_channel_try_send(&c, &numbers[6]), -EAGAIN); /* it wanted only one */
    assert_int_equal(end_of(task), 0);
    assert_int_equal(choice.index, 0);
    assert_int_equal(first, 5);
    assert_int_equal(second, -1);
    task = begin(choose, &choice);
    weft_sleep(0);
    weft_channel_close(&c);
    assert_int_equal(end_of(task), 0);
    assert_int_equal(cases[0].result, WEFT_ECLOSED);
    close_all();
    return 0;
}

static void test_select_one_channel_twice_is_served_once(void **state)
{
    (void)state;
    assert_int_equal(run(same_main, NULL), 0);
}

static int self_main(void *arg)
{
    (void)arg;
    open_all();
    in = -1;
    weft_case cases[] = { weft_case_send(&c, &sent), weft_case_receive(&c, &in),
                          weft_case_after(SECOND) };
    struct choice choice = CHOICE(cases);
    int64_t start = weft_now();
    assert_int_equal(weft_select(cases, 3), 2); /* never with itself */
    assert_int_equal(weft_now() - start, SECOND);
    assert_int_equal(in, -1);
    weft_task *task = begin(choose, &choice); /* but with others, either way */
    weft_sleep(0);
    int number = -1;
    assert_int_equal(weft_channel_receive(&c, &number), 0);
    assert_int_equal(number, sent);
    assert_int_equal(end_of(task), 0);
    assert_int_equal(choice.index, 0);
    task = begin(choose, &choice);
    weft_sleep(0);
    assert_int_equal(weft_channel_send(&c, &numbers[9]), 0);
    assert_int_equal(end_of(task), 0);
    assert_int_equal(choice.index, 1);
    assert_int_equal(in, 9);
    close_all();
    return 0;
}

static void test_select_send_and_receive_on_one_channel_never_meet_themselves(void **state)
{
    (void)state;
    assert_int_equal(run(self_main, NULL), 0);
}

/* Two that would send and receive on two channels, crosswise: one pair meets, and only one. */
static int against_main(void *arg)
{
    (void)arg;
    int got_a = -1, got_b = -1;
    weft_channel x, y;
    weft_channel_init(&x, sizeof(int), 0);
    weft_channel_init(&y, sizeof(int), 0);
    weft_case a[] = { weft_case_send(&x, &numbers[1]), weft_case_receive(&y, &got_a) };
    weft_case b[] = { weft_case_send(&y, &numbers[2]), weft_case_receive(&x, &got_b) };
    struct choice one = CHOICE(a), two = CHOICE(b);
    weft_task *first = begin(choose, &one), *second = begin(choose, &two);
    assert_int_equal(end_of(first), 0);
    assert_int_equal(end_of(second), 0);
    assert_int_equal(one.index, 1); /* b found a in y's line: it looked there first */
    assert_int_equal(two.index, 0);
    assert_int_equal(got_a, 2);
    assert_int_equal(got_b, -1);
    weft_channel_fini(&x);
    weft_channel_fini(&y);
    return 0;
}

static void test_select_against_select_meets_once(void **state)
{
    (void)state;
    assert_int_equal(run(against_main, NULL), 0);
}

/* Many cases: memory, and where there is none. */

static int many_main(void *arg)
{
    (void)arg;
    weft_channel channels[20];
    weft_case cases[20];
    int number = -1;
    struct choice choice = CHOICE(cases);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(weft_channel_init(&channels[i], sizeof(int), 0), 0);
        cases[i] = weft_case_receive(&channels[i], &number);
    }
    weft_task *task = begin(choose, &choice);
    weft_sleep(0);
    assert_int_equal(weft_channel_send(&channels[17], &numbers[8]), 0);
    assert_int_equal(end_of(task), 0);
    assert_int_equal(choice.index, 17);
    assert_int_equal(number, 8);
    allocations_left = 0;
    assert_int_equal(weft_select(cases, 20), -ENOMEM);
    assert_non_null(strstr(weft_error_detail(), "no memory to wait for 20 at once"));
    assert_int_equal(weft_select(cases, 5), -ENOMEM);
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = SECOND);
    assert_int_equal(weft_select(cases, 4), -ECANCELED); /* needs none */
    allocations_left = UINT_MAX;
    assert_int_equal(weft_scope_end(&scope), -ETIMEDOUT);
    for (size_t i = 0; i < 20; i++)
        weft_channel_fini(&channels[i]);
    return 0;
}

static void test_select_more_than_four_need_memory(void **state)
{
    (void)state;
    count_allocations();
    assert_int_equal(run(many_main, NULL), 0);
    count_no_allocations();
}

/* Cancels. */

static int cancel_main(void *arg)
{
    (void)arg;
    weft_case cases[KINDS];
    struct choice choice = CHOICE(cases);
    open_all();
    future = weft_future_new();
    assert_int_equal(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
    make_cases(cases);
    cases[PUT] = weft_case_none();
    weft_task *task = begin(choose, &choice);
    weft_sleep(0);
    weft_task_cancel(task, NULL);
    assert_int_equal(end_of(task), -ECANCELED);
    assert_int_equal(wf_running->timers.count, 0);
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = MILLISECOND);
    assert_int_equal(weft_select(cases, KINDS), -ECANCELED);
    weft_event_set(&e);
    assert_int_equal(weft_select(cases, KINDS), -ECANCELED); /* though one could be had */
    assert_int_equal(weft_select_try(cases, KINDS), EVENT);
    assert_int_equal(weft_scope_end(&scope), -ETIMEDOUT);
    weft_event_clear(&e);
    /* Served and cancelled in one turn: served. */
    choice.index = -1;
    task = begin(choose, &choice);
    weft_sleep(0);
    assert_int_equal(weft_channel_send(&d, &numbers[3]), 0);
    weft_task_cancel(task, NULL);
    weft_event_set(&e);
    assert_int_equal(end_of(task), 0);
    assert_int_equal(choice.index, RECEIVE);
    assert_int_equal(in, 3);
    weft_future_release(future);
    close(pipes[0]);
    close(pipes[1]);
    close_all();
    return 0;
}

static void test_select_a_cancel_leaves_all_lines(void **state)
{
    (void)state;
    assert_int_equal(run(cancel_main, NULL), 0);
}

/* Semaphores: who leaves the line lets others in, who may be select's own other seats. */

static int take_two(void *arg)
{
    int err = weft_semaphore_acquire(&s, 2);
    note(err < 0 ? "!" : arg);
    return err;
}

static int lets_in_main(void *arg)
{
    (void)arg;
    open_all();
    weft_case cases[] = { weft_case_acquire(&s, 5), weft_case_event(&e) };
    struct choice choice = CHOICE(cases);
    weft_semaphore_release(&s, 2);
    weft_task *task = begin(choose, &choice), *small = begin(take_two, "2");
    weft_sleep(0);
    assert_false(weft_task_is_done(small));
    weft_event_set(&e);
    assert_int_equal(end_of(task), 0);
    assert_int_equal(choice.index, 1);
    assert_int_equal(end_of(small), 0);
    close_all();
    return 0;
}

static void test_select_that_leaves_a_semaphore_lets_others_in(void **state)
{
    (void)state;
    assert_int_equal(run(lets_in_main, NULL), 0);
    assert_string_equal(trace, "2");
}

/* One that leaves t's line lets another into s; that one leaves s's line, in which the first one
 * has a second seat with enough units before it. It is served once all the same. */
static int chain_main(void *arg)
{
    (void)arg;
    weft_semaphore t;
    weft_semaphore_stats stats;
    open_all();
    assert_int_equal(weft_semaphore_init(&t, 1), 0);
    weft_case a[] = { weft_case_acquire(&s, 1), weft_case_acquire(&t, 5),
                      weft_case_acquire(&s, 1) };
    weft_case b[] = { weft_case_acquire(&s, 5), weft_case_acquire(&t, 1) };
    struct choice one = CHOICE(a), two = CHOICE(b);
    /* s: a0, a2, b0 and t: a1, b1 */
    weft_task *first = begin(choose, &one);
    weft_sleep(0);
    weft_task *second = begin(choose, &two);
    weft_sleep(0);
    assert_int_equal(weft_semaphore_release(&s, 2), 0);
    assert_int_equal(end_of(first), 0);
    assert_int_equal(end_of(second), 0);
    assert_int_equal(one.index, 0);
    assert_int_equal(two.index, 1);
    weft_semaphore_get_stats(&s, &stats);
    assert_int_equal(stats.value, 1); /* of two released one was taken */
    assert_int_equal(stats.line.waiting, 0);
    weft_semaphore_get_stats(&t, &stats);
    assert_int_equal(stats.value, 0);
    weft_semaphore_fini(&t);
    close_all();
    return 0;
}

/* The same with nobody else. */
static int own_main(void *arg)
{
    (void)arg;
    weft_semaphore_stats stats;
    open_all();
    weft_semaphore_release(&s, 1);
    weft_case cases[] = { weft_case_event(&e), weft_case_acquire(&s, 5), weft_case_acquire(&s, 1) };
    struct choice choice = CHOICE(cases);
    cases[2].number = 2;
    weft_task *task = begin(choose, &choice);
    weft_sleep(0);
    assert_int_equal(weft_semaphore_release(&s, 1), 0); /* enough for the second one */
    weft_event_set(&e);
    assert_int_equal(end_of(task), 0);
    assert_int_equal(choice.index, 0);
    weft_semaphore_get_stats(&s, &stats);
    assert_int_equal(stats.value, 2);
    close_all();
    return 0;
}

static void test_select_is_served_once_though_its_leaving_serves_others(void **state)
{
    (void)state;
    assert_int_equal(run(chain_main, NULL), 0);
    assert_int_equal(run(own_main, NULL), 0);
}

/* Tasks and futures. */

static int fail_later(void *arg)
{
    (void)arg;
    weft_sleep(MILLISECOND);
    return -EIO;
}

static int await_main(void *arg)
{
    (void)arg;
    open_all();
    weft_task *task = begin(fail_later, NULL), *slow = begin(sleep_second, NULL);
    weft_future *value = weft_future_new();
    weft_case cases[] = { weft_case_await(weft_any(task)), weft_case_await(weft_any(slow)),
                          weft_case_await(weft_any(value)), weft_case_await(weft_any(value)) };
    assert_int_equal(weft_select(cases, 4), 0);
    assert_int_equal(cases[0].result, -EIO); /* it counts as read */
    weft_task_release(task);
    cases[0] = weft_case_none();
    assert_int_equal(weft_future_set(value, &in), 0);
    assert_int_equal(weft_select(cases, 4, .in_order = true), 2);
    assert_int_equal(cases[2].result, 0);
    weft_future_release(value);
    assert_false(weft_task_is_done(slow)); /* only the waiting stopped */
    value = weft_future_new();
    cases[0] = weft_case_await(weft_any(value));
    cases[1] = weft_case_await(weft_any(value));
    struct choice choice = CHOICE(cases);
    choice.count = 2;
    weft_task *chooser = begin(choose, &choice);
    weft_sleep(0);
    assert_int_equal(weft_future_cancel(value, "the test"), 0);
    weft_future_release(value);
    assert_int_equal(end_of(chooser), 0);
    assert_int_equal(choice.index, 0);
    assert_int_equal(cases[0].result, -ECANCELED);
    value = weft_future_new();
    cases[0] = weft_case_await(weft_any(value));
    choice.count = 1;
    chooser = begin(choose, &choice);
    weft_sleep(0);
    weft_future_release(value); /* nobody can set it any more */
    assert_int_equal(end_of(chooser), 0);
    assert_int_equal(cases[0].result, WEFT_EABANDONED);
    expect_log("was abandoned while somebody waits for it");
    cases[0] = weft_case_await(NULL);
    assert_int_equal(weft_select(cases, 1), 0);
    assert_true(cases[0].result < 0);
    weft_coro *coro = weft_coro_new(return_zero, NULL);
    cases[0] = weft_case_await(weft_any(coro));
    assert_int_equal(weft_select(cases, 1), 0);
    assert_int_equal(cases[0].result, -EINVAL);
    expect_log("weft_case_await() of a coroutine: make a task of it");
    assert_int_equal(weft_await(coro), 0); /* it was not taken */
    close_all();
    return end_of(slow);
}

static void test_select_waits_for_tasks_and_futures(void **state)
{
    (void)state;
    assert_int_equal(run(await_main, NULL), 0);
}

/* Nothing but itself: it would wait for ever, as weft_await() would. */
static int await_self(void *arg)
{
    weft_task **self = arg;
    weft_case cases[] = { weft_case_await(weft_any(*self)), weft_case_after(SECOND) };
    return weft_select(cases, 2) == 1 ? 0 : -EIO;
}

static int self_await_main(void *arg)
{
    weft_task *task;
    (void)arg;
    task = NULL;
    weft_spawn(weft_background(), await_self, &task, .task = &task);
    return end_of(task);
}

static void test_select_may_wait_for_its_own_task_beside_others(void **state)
{
    (void)state;
    assert_int_equal(run(self_await_main, NULL), 0);
}

/* Times. */

static int times_main(void *arg)
{
    (void)arg;
    open_all();
    int64_t start = weft_now();
    weft_case cases[] = { weft_case_after(0), weft_case_event(&e) };
    assert_int_equal(weft_select_try(cases, 2), -EAGAIN);
    assert_int_equal(weft_select(cases, 2), 0);
    cases[0] = weft_case_after(-SECOND);
    assert_int_equal(weft_select(cases, 2), 0);
    assert_int_equal(weft_now(), start);
    weft_event_set(&e);
    for (int i = 0; i < 100; i++) /* what can be had at once goes first */
        assert_int_equal(weft_select(cases, 2), 1);
    weft_event_clear(&e);
    cases[0] = weft_case_at(start);
    cases[1] = weft_case_at(start - SECOND);
    assert_int_equal(weft_select(cases, 2, .in_order = true), 0);
    cases[0] = weft_case_at(WEFT_FOREVER);
    cases[1] = weft_case_after(WEFT_FOREVER);
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = WEFT_HOUR);
    assert_int_equal(weft_select(cases, 2), -ECANCELED);
    assert_int_equal(weft_scope_end(&scope), -ETIMEDOUT);
    assert_int_equal(weft_now() - start, WEFT_HOUR);
    close_all();
    return 0;
}

static void test_select_waits_for_times(void **state)
{
    (void)state;
    assert_int_equal(run(times_main, NULL), 0);
}

/* Descriptors. */

static int descriptors_main(void *arg)
{
    (void)arg;
    open_all();
    assert_int_equal(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
    int events = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    weft_case cases[] = { weft_case_poll(pipes[0], WEFT_READABLE),
                          weft_case_poll(events, WEFT_READABLE),
                          weft_case_poll(events, WEFT_READABLE | WEFT_WRITABLE), weft_case_none() };
    assert_int_equal(weft_select(cases, 2 + 1), 2);
    assert_int_equal(cases[2].result, WEFT_WRITABLE);
    cases[2] = weft_case_none();
    struct choice choice = CHOICE(cases);
    weft_task *task = begin(choose, &choice);
    weft_sleep(0);
    assert_int_equal(eventfd_write(events, 1), 0);
    assert_int_equal(end_of(task), 0);
    assert_int_equal(choice.index, 1);
    eventfd_t count;
    assert_int_equal(eventfd_read(events, &count), 0);
    /* One descriptor twice, and both directions become ready with a hang-up. */
    cases[1] = weft_case_poll(pipes[0], WEFT_READABLE);
    cases[3] = weft_case_poll(pipes[0], WEFT_HANGUP);
    task = begin(choose, &choice);
    weft_sleep(0);
    close(pipes[1]);
    assert_int_equal(end_of(task), 0);
    assert_true(choice.index == 0 || choice.index == 1 || choice.index == 3);
    assert_true(cases[choice.index].result > 0);
    cases[0] = weft_case_poll(file, WEFT_READABLE);
    assert_int_equal(weft_select(cases, 1), 0);
    assert_int_equal(cases[0].result, WEFT_READABLE);
    close(file);
    assert_int_equal(weft_select(cases, 1), 0);
    assert_int_equal(cases[0].result, -EBADF);
    cases[0] = weft_case_poll(-1, WEFT_READABLE);
    assert_int_equal(weft_select_try(cases, 1), 0);
    assert_int_equal(cases[0].result, -EBADF);
    cases[0] = weft_case_poll(events, 0);
    assert_int_equal(weft_select(cases, 1), 0);
    assert_int_equal(cases[0].result, -EINVAL);
    close(events);
    close(pipes[0]);
    close_all();
    return 0;
}

static void test_select_waits_for_descriptors(void **state)
{
    (void)state;
    assert_int_equal(run(descriptors_main, NULL), 0);
}

/* Cases that are none; nothing to wait for. */

static int none_main(void *arg)
{
    (void)arg;
    open_all();
    weft_event_set(&e);
    weft_case cases[] = { weft_case_none(), weft_case_event(&e), weft_case_none() };
    for (int i = 0; i < 20; i++)
        assert_int_equal(weft_select(cases, 3), 1);
    weft_event_clear(&e);
    struct choice choice = CHOICE(cases);
    weft_task *task = begin(choose, &choice);
    weft_sleep(0);
    expect_wait(task, "one of: the event (made at ../../tests/sync/test_select.c:");
    weft_event_set(&e);
    assert_int_equal(end_of(task), 0);
    assert_int_equal(choice.index, 1);
    cases[1] = weft_case_none();
    assert_int_equal(weft_select(cases, 3), -EINVAL);
    expect_log("has no case that could happen");
    assert_int_equal(weft_select(cases, 0), -EINVAL);
    expect_log("has no case that could happen");
    assert_int_equal(weft_select_try(cases, 3), -EAGAIN);
    assert_int_equal(weft_select_try(cases, 0), -EAGAIN);
    cases[2].kind = WEFT_CASE_KINDS;
    assert_int_equal(weft_select(cases, 3), -EINVAL);
    expect_log("case 2 of the weft_select() at ../../tests/sync/test_select.c:");
    assert_int_equal(weft_select_try(cases, 3), -EINVAL);
    expect_log("case 2 of the weft_select() at ../../tests/sync/test_select.c:");
    close_all();
    return 0;
}

static void test_select_a_case_that_is_switched_off_never_happens(void **state)
{
    (void)state;
    assert_int_equal(run(none_main, NULL), 0);
}

/* Closed channels and queues that were shut down answer at once and while one waits. */
static int closed_main(void *arg)
{
    (void)arg;
    open_all();
    weft_case cases[] = { weft_case_send(&c, &sent), weft_case_get(&q, &out) };
    struct choice choice = CHOICE(cases);
    weft_task *task = begin(choose, &choice);
    weft_sleep(0);
    weft_queue_shutdown(&q, false);
    assert_int_equal(end_of(task), 0);
    assert_int_equal(choice.index, 1);
    assert_int_equal(cases[1].result, WEFT_ECLOSED);
    weft_channel_close(&c);
    assert_int_equal(weft_select(cases, 2, .in_order = true), 0);
    assert_int_equal(cases[0].result, WEFT_ECLOSED);
    cases[0] = weft_case_acquire(&s, 1);
    assert_int_equal(weft_semaphore_init(&s, 0, .max = 3), 0);
    cases[0] = weft_case_acquire(&s, 4);
    assert_int_equal(weft_select(cases, 2, .in_order = true), 0);
    assert_int_equal(cases[0].result, -EINVAL);
    expect_log("4 units were wanted of a semaphore");
    close_all();
    return 0;
}

static void test_select_errors_are_the_cases_results(void **state)
{
    (void)state;
    assert_int_equal(run(closed_main, NULL), 0);
}

/* Callbacks may try; where no loop runs nobody may. */

static ssize_t tried;

static void try_in_callback(void *arg)
{
    tried = weft_select_try(arg, 1);
    assert_int_equal(weft_select_with(arg, &(struct weft_select_options){ .count = 1 }), -EPERM);
    expect_said("a function that suspends was called outside a task");
}

static int callback_main(void *arg)
{
    (void)arg;
    int number = -1;
    open_all();
    weft_case cases[] = { weft_case_send(&c, &sent) };
    weft_case receive[] = { weft_case_receive(&c, &number) };
    struct choice choice = CHOICE(receive);
    weft_task *task = begin(choose, &choice);
    weft_call_later(SECOND, try_in_callback, cases);
    assert_int_equal(end_of(task), 0);
    assert_int_equal(tried, 0);
    assert_int_equal(number, sent);
    close_all();
    return 0;
}

static void test_select_callbacks_may_try(void **state)
{
    (void)state;
    assert_int_equal(run(callback_main, NULL), 0);
    weft_case cases[] = { weft_case_none() };
    assert_int_equal(weft_select_try(cases, 1), -EPERM);
    expect_log("weft_select_try() where no loop runs, at ../../tests/sync/test_select.c:");
    assert_int_equal(weft_select(cases, 1), -EPERM);
    expect_said("a function that suspends was called outside a task");
}

static int select_in_loop(void *arg)
{
    weft_case cases[] = { weft_case_receive(&c, &in) };
    (void)arg;
    assert_int_equal(weft_select(cases, 1), 0);
    assert_int_equal(cases[0].result, WEFT_ETHREAD);
    return 0;
}

static int select_elsewhere(void)
{
    return run(select_in_loop, NULL);
}

static int thread_main(void *arg)
{
    (void)arg;
    open_all();
    assert_int_equal(weft_channel_try_send(&c, &sent), -EAGAIN);
    assert_int_equal(on_another_thread(select_elsewhere), 0);
    expect_log("the channel (made at ../../tests/sync/test_select.c:");
    close_all();
    return 0;
}

static void test_select_another_threads_objects_refuse_it(void **state)
{
    (void)state;
    assert_int_equal(run(thread_main, NULL), 0);
}

/* Words. */

static int words_main(void *arg)
{
    (void)arg;
    weft_case cases[KINDS];
    struct choice choice = CHOICE(cases);
    open_all();
    future = weft_future_new();
    assert_int_equal(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
    make_cases(cases);
    weft_task *slow = begin(sleep_second, NULL);
    cases[PUT] = weft_case_none();
    cases[RECEIVE] = weft_case_await(weft_any(slow));
    cases[SEND] = weft_case_after(SECOND);
    cases[GET] = weft_case_none();
    weft_task *task = begin(choose, &choice);
    weft_sleep(0);
    expect_wait(task, "one of: a time, task 2 'fn', the event (made at ");
    expect_wait(task, "), 2 of the semaphore (made at ");
    expect_wait(task, "the future made at ");
    expect_wait(task, ", readiness of a descriptor");
    char text[400];
    for (size_t size = 1; size < sizeof text; size++) { /* cut anywhere */
        memset(text, '#', sizeof text);
        wf_wait_describe(task->parked, text, size);
        assert_true(strnlen(text, size) < size);
        assert_int_equal(text[size], size < sizeof text ? '#' : 0);
    }
    weft_event_set(&e);
    assert_int_equal(end_of(task), 0);
    weft_future_release(future);
    close(pipes[0]);
    close(pipes[1]);
    close_all();
    weft_task_cancel(slow, NULL);
    end_of(slow);
    return 0;
}

static void test_select_a_wait_for_it_names_all_cases(void **state)
{
    (void)state;
    assert_int_equal(run(words_main, NULL), 0);
}

/* Those who wait in line are served in order, whoever of them selects. */

static int receive_plainly(void *arg)
{
    int number;
    assert_int_equal(weft_channel_receive(&c, &number), 0);
    *(int *)arg = number;
    return 0;
}

static int line_main(void *arg)
{
    (void)arg;
    int got[3] = { -1, -1, -1 };
    open_all();
    weft_case cases[] = { weft_case_event(&e), weft_case_receive(&c, &got[1]) };
    struct choice choice = CHOICE(cases);
    weft_task *a = begin(receive_plainly, &got[0]), *b = begin(choose, &choice);
    weft_task *x = begin(receive_plainly, &got[2]);
    weft_sleep(0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(weft_channel_try_send(&c, &numbers[i]), 0);
    assert_int_equal(end_of(a) | end_of(b) | end_of(x), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(got[i], i);
    close_all();
    return 0;
}

static void test_select_stands_in_line_like_anybody(void **state)
{
    (void)state;
    assert_int_equal(run(line_main, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_select_each_kind_is_waited_for_and_served),
        core_test(test_select_each_kind_can_be_had_at_once),
        core_test(test_select_chance_starves_nobody_and_in_order_is_in_order),
        core_test(test_select_that_never_waits_starves_nobody),
        core_test(test_select_one_channel_twice_is_served_once),
        core_test(test_select_send_and_receive_on_one_channel_never_meet_themselves),
        core_test(test_select_against_select_meets_once),
        core_test(test_select_more_than_four_need_memory),
        core_test(test_select_a_cancel_leaves_all_lines),
        core_test(test_select_that_leaves_a_semaphore_lets_others_in),
        core_test(test_select_is_served_once_though_its_leaving_serves_others),
        core_test(test_select_waits_for_tasks_and_futures),
        core_test(test_select_may_wait_for_its_own_task_beside_others),
        core_test(test_select_waits_for_times),
        core_test(test_select_waits_for_descriptors),
        core_test(test_select_a_case_that_is_switched_off_never_happens),
        core_test(test_select_errors_are_the_cases_results),
        core_test(test_select_callbacks_may_try),
        core_test(test_select_another_threads_objects_refuse_it),
        core_test(test_select_a_wait_for_it_names_all_cases),
        core_test(test_select_stands_in_line_like_anybody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
