/* Channels: items in order, each received once, and those who wait in their order. */

#include "sync/sync_test.h"

#include <weft/channel.h>

static weft_channel c;

static weft_channel_stats stats_now(void)
{
    weft_channel_stats stats;
    weft_channel_get_stats(&c, &stats);
    return stats;
}

static void make(size_t capacity)
{
    assert_int_equal(weft_channel_init(&c, sizeof(int), capacity), 0);
}

/* Send or receive one number, and say how that went. */

static int numbers[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 };

static int send_one(void *arg)
{
    int err = weft_channel_send(&c, arg);
    char text[16];
    snprintf(text, sizeof text, err < 0 ? "!" : "s%d ", *(int *)arg);
    note(text);
    return err;
}

static int receive_one(void *arg)
{
    char text[16];
    int number = -1;
    int err = weft_channel_receive(&c, &number);
    snprintf(text, sizeof text, err < 0 ? "!" : "%s%d ", (const char *)arg, number);
    note(text);
    assert_true(err == 0 || number == -1); /* untouched */
    return err;
}

/* Unbuffered. */

static int meet_main(void *arg)
{
    (void)arg;
    int number;
    make(0);
    weft_task *one = begin(send_one, &numbers[1]), *two = begin(send_one, &numbers[2]);
    weft_sleep(0);
    assert_false(weft_task_is_done(one)); /* nobody receives */
    assert_int_equal(weft_channel_count(&c), 0);
    assert_int_equal(weft_channel_try_send(&c, &numbers[9]), -EAGAIN);
    assert_int_equal(weft_channel_receive(&c, &number), 0);
    assert_int_equal(number, 1);
    assert_int_equal(weft_channel_try_receive(&c, &number), 0);
    assert_int_equal(number, 2);
    assert_int_equal(weft_channel_try_receive(&c, &number), -EAGAIN);
    assert_int_equal(number, 2);
    assert_int_equal(end_of(one) | end_of(two), 0);
    weft_task *a = begin(receive_one, "a"), *b = begin(receive_one, "b");
    weft_sleep(0);
    assert_int_equal(weft_channel_try_send(&c, &numbers[3]), 0);
    assert_int_equal(weft_channel_send(&c, &numbers[4]), 0);
    assert_int_equal(weft_channel_try_send(&c, &numbers[5]), -EAGAIN); /* both have theirs */
    assert_int_equal(end_of(a) | end_of(b), 0);
    assert_int_equal(stats_now().received, 4);
    assert_int_equal(stats_now().most, 0);
    assert_int_equal(stats_now().senders.waited, 2);
    assert_int_equal(stats_now().receivers.waited, 2);
    weft_channel_fini(&c);
    weft_channel_fini(NULL);
    return 0;
}

static void test_channel_without_capacity_sender_and_receiver_meet(void **state)
{
    (void)state;
    assert_int_equal(run(meet_main, NULL), 0);
    assert_string_equal(trace, "s1 s2 a3 b4 ");
}

/* Bounded. */

static int bounded_main(void *arg)
{
    (void)arg;
    int number;
    make(2);
    assert_int_equal(weft_channel_send(&c, &numbers[1]), 0);
    assert_int_equal(weft_channel_try_send(&c, &numbers[2]), 0);
    assert_int_equal(weft_channel_try_send(&c, &numbers[9]), -EAGAIN);
    assert_int_equal(weft_channel_count(&c), 2);
    weft_task *three = begin(send_one, &numbers[3]), *four = begin(send_one, &numbers[4]);
    weft_sleep(0);
    assert_int_equal(weft_channel_receive(&c, &number), 0);
    assert_int_equal(number, 1);
    assert_int_equal(weft_channel_count(&c), 2);                       /* 3 has moved in */
    assert_int_equal(weft_channel_try_send(&c, &numbers[9]), -EAGAIN); /* nobody overtakes 4 */
    for (int i = 2; i <= 4; i++) {
        assert_int_equal(weft_channel_try_receive(&c, &number), 0);
        assert_int_equal(number, i);
    }
    assert_int_equal(weft_channel_try_receive(&c, &number), -EAGAIN);
    assert_int_equal(end_of(three) | end_of(four), 0);
    assert_int_equal(stats_now().most, 2);
    assert_int_equal(stats_now().capacity, 2);
    assert_int_equal(stats_now().received, 4);
    weft_channel_fini(&c);
    return 0;
}

static void test_channel_with_capacity_senders_wait_while_it_is_full(void **state)
{
    (void)state;
    assert_int_equal(run(bounded_main, NULL), 0);
    assert_string_equal(trace, "s3 s4 ");
}

/* Round and round, so that the ring's end is passed in every position. */
static int ring_main(void *arg)
{
    (void)arg;
    for (size_t capacity = 1; capacity <= 5; capacity++) {
        int next_in = 0, next_out = 0, number;
        make(capacity);
        for (int round = 0; round < 40; round++) {
            for (int i = round % 7; i >= 0; i--)
                if (weft_channel_try_send(&c, &next_in) == 0)
                    next_in++;
            for (int i = (round * 3) % 5; i >= 0; i--)
                if (weft_channel_try_receive(&c, &number) == 0)
                    assert_int_equal(number, next_out++);
            assert_int_equal(weft_channel_count(&c), next_in - next_out);
        }
        weft_channel_fini(&c);
    }
    return 0;
}

static void test_channel_is_a_ring(void **state)
{
    (void)state;
    assert_int_equal(run(ring_main, NULL), 0);
}

/* Unbounded. */

static int unbounded_main(void *arg)
{
    (void)arg;
    int number, in = 0, out = 0;
    make(WEFT_UNBOUNDED);
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 17; i++, in++)
            assert_int_equal(weft_channel_send(&c, &in), 0);
        for (int i = 0; i < 11; i++) {
            assert_int_equal(weft_channel_receive(&c, &number), 0);
            assert_int_equal(number, out++);
        }
    }
    while (weft_channel_try_receive(&c, &number) == 0)
        assert_int_equal(number, out++);
    assert_int_equal(in, out);
    weft_channel_fini(&c);
    return 0;
}

static void test_channel_without_bound_grows(void **state)
{
    (void)state;
    assert_int_equal(run(unbounded_main, NULL), 0);
}

/* Memory that ends. */

static int no_memory_main(void *arg)
{
    (void)arg;
    int number, in = 0;
    allocations_left = 0;
    assert_int_equal(weft_channel_init(&c, sizeof(int), 100), -ENOMEM);
    assert_non_null(strstr(weft_error_detail(), "no memory for a channel of 100 items"));
    assert_int_equal(weft_channel_init(&c, sizeof(int), WEFT_UNBOUNDED), 0);
    assert_int_equal(weft_channel_send(&c, &in), -ENOMEM);
    assert_int_equal(weft_channel_try_send(&c, &in), -ENOMEM);
    allocations_left = 1;
    while (weft_channel_try_send(&c, &in) == 0)
        in++;
    assert_int_equal(weft_channel_count(&c), in);
    assert_int_equal(weft_channel_send(&c, &in), -ENOMEM);
    allocations_left = UINT_MAX;
    assert_int_equal(weft_channel_send(&c, &in), 0); /* it goes on */
    for (int i = 0; i <= in; i++) {
        assert_int_equal(weft_channel_receive(&c, &number), 0);
        assert_int_equal(number, i);
    }
    weft_channel_fini(&c);
    assert_int_equal(weft_channel_init(&c, SIZE_MAX / 2, 8), -ENOMEM);
    assert_int_equal(weft_channel_init(&c, 8, SIZE_MAX / 8), -ENOMEM);
    return 0;
}

static void test_channel_without_memory_says_so_and_loses_nothing(void **state)
{
    (void)state;
    count_allocations();
    assert_int_equal(run(no_memory_main, NULL), 0);
    count_no_allocations();
}

/* Items of all sizes. */

struct big {
    char text[1000];
    int number;
};

static int sizes_main(void *arg)
{
    (void)arg;
    size_t capacities[] = { 1, 3, WEFT_UNBOUNDED };
    for (size_t i = 0; i < 3; i++) {
        char letter = 0;
        assert_int_equal(weft_channel_init(&c, 1, capacities[i]), 0);
        assert_int_equal(weft_channel_send(&c, "x"), 0);
        assert_int_equal(weft_channel_receive(&c, &letter), 0);
        assert_int_equal(letter, 'x');
        weft_channel_fini(&c);
        struct big in = { .number = 7 }, out = { .number = 0 };
        memset(in.text, 'y', sizeof in.text);
        assert_int_equal(weft_channel_init(&c, sizeof in, capacities[i]), 0);
        assert_int_equal(weft_channel_send(&c, &in), 0);
        assert_int_equal(weft_channel_receive(&c, &out), 0);
        assert_memory_equal(&in, &out, sizeof in);
        weft_channel_fini(&c);
    }
    return 0;
}

static void test_channel_items_have_any_size(void **state)
{
    (void)state;
    assert_int_equal(run(sizes_main, NULL), 0);
}

/* Items of nothing say only that they are there; nobody needs an address. */

static int receive_nothing(void *arg)
{
    int err = weft_channel_receive(&c, NULL);
    note(err < 0 ? "!" : arg);
    return err;
}

static int nothing_main(void *arg)
{
    (void)arg;
    size_t capacities[] = { 0, 2, WEFT_UNBOUNDED };
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(weft_channel_init(&c, 0, capacities[i]), 0);
        weft_task *a = begin(receive_nothing, "a"), *b = begin(receive_nothing, "b");
        weft_sleep(0);
        assert_int_equal(weft_channel_send(&c, NULL), 0);
        assert_int_equal(weft_channel_try_send(&c, NULL), 0);
        assert_int_equal(end_of(a) | end_of(b), 0);
        while (capacities[i] > 0 && weft_channel_count(&c) < 2)
            assert_int_equal(weft_channel_send(&c, NULL), 0);
        while (weft_channel_count(&c) > 0)
            assert_int_equal(weft_channel_receive(&c, NULL), 0);
        weft_channel_fini(&c);
    }
    return 0;
}

static void test_channel_items_of_nothing_need_no_address(void **state)
{
    (void)state;
    assert_int_equal(run(nothing_main, NULL), 0);
    assert_string_equal(trace, "ababab");
}

/* Close. */

static int close_main(void *arg)
{
    int number;
    (void)arg;
    make(1);
    assert_int_equal(weft_channel_send(&c, &numbers[1]), 0);
    weft_task *two = begin(send_one, &numbers[2]), *three = begin(send_one, &numbers[3]);
    weft_sleep(0);
    weft_channel_close(&c);
    weft_channel_close(&c);
    assert_int_equal(weft_channel_send(&c, &numbers[4]), WEFT_ECLOSED);
    assert_int_equal(weft_channel_try_send(&c, &numbers[4]), WEFT_ECLOSED);
    assert_int_equal(end_of(two), WEFT_ECLOSED);
    assert_int_equal(end_of(three), WEFT_ECLOSED);
    assert_int_equal(weft_channel_count(&c), 1);
    assert_int_equal(weft_channel_receive(&c, &number), 0);
    assert_int_equal(number, 1);
    number = 5;
    assert_int_equal(weft_channel_receive(&c, &number), WEFT_ECLOSED);
    assert_int_equal(weft_channel_try_receive(&c, &number), WEFT_ECLOSED);
    assert_int_equal(number, 5);
    weft_channel_fini(&c);
    make(0);
    weft_task *a = begin(receive_one, "a"), *b = begin(receive_one, "b");
    weft_sleep(0);
    weft_channel_close(&c);
    assert_int_equal(end_of(a), WEFT_ECLOSED);
    assert_int_equal(end_of(b), WEFT_ECLOSED);
    weft_channel_fini(&c);
    make(0);
    two = begin(send_one, &numbers[2]);
    weft_sleep(0);
    weft_channel_close(&c);
    assert_int_equal(weft_channel_receive(&c, &number), WEFT_ECLOSED); /* 2 was told so first */
    assert_int_equal(end_of(two), WEFT_ECLOSED);
    weft_channel_fini(&c);
    return 0;
}

static void test_channel_closed_gives_what_lies_in_it_and_then_says_so(void **state)
{
    (void)state;
    assert_int_equal(run(close_main, NULL), 0);
}

/* Left items. */

static unsigned dropped;
static int drop_sum;

static void drop_int(void *item)
{
    dropped++;
    drop_sum += *(int *)item;
}

/* Users' code: what it calls finds the channel closed and empty. */
static void drop_and_meddle(void *item)
{
    int number = 0;
    drop_int(item);
    assert_int_equal(weft_channel_try_send(&c, &numbers[9]), WEFT_ECLOSED);
    assert_int_equal(weft_channel_try_receive(&c, &number), WEFT_ECLOSED);
    assert_int_equal(weft_channel_count(&c), 0);
    weft_channel_close(&c);
}

static int drop_main(void *arg)
{
    weft_drop_fn *drop = arg ? drop_and_meddle : drop_int;
    int number;
    dropped = 0, drop_sum = 0;
    assert_int_equal(weft_channel_init(&c, sizeof(int), 4, .drop = drop), 0);
    for (int i = 1; i <= 3; i++)
        assert_int_equal(weft_channel_send(&c, &numbers[i]), 0);
    assert_int_equal(weft_channel_receive(&c, &number), 0);
    assert_int_equal(weft_channel_receive(&c, &number), 0);
    for (int i = 4; i <= 6; i++) /* past the ring's end */
        assert_int_equal(weft_channel_send(&c, &numbers[i]), 0);
    assert_int_equal(weft_channel_try_send(&c, &numbers[7]), -EAGAIN); /* stays the caller's */
    weft_channel_close(&c);
    assert_int_equal(dropped, 0); /* they can still be received */
    weft_channel_fini(&c);
    assert_int_equal(dropped, 4);
    assert_int_equal(drop_sum, 3 + 4 + 5 + 6);
    assert_int_equal(weft_channel_init(&c, sizeof(int), WEFT_UNBOUNDED, .drop = drop), 0);
    for (int i = 0; i < 40; i++)
        assert_int_equal(weft_channel_send(&c, &numbers[1]), 0);
    weft_channel_fini(&c); /* open */
    assert_int_equal(dropped, 44);
    return 0;
}

static void test_channel_drops_what_nobody_has_received_once(void **state)
{
    (void)state;
    assert_int_equal(run(drop_main, NULL), 0);
    assert_int_equal(run(drop_main, "meddle"), 0);
}

/* Cancels. */

static int cancel_main(void *arg)
{
    (void)arg;
    int number;
    make(1);
    assert_int_equal(weft_channel_send(&c, &numbers[1]), 0);
    weft_task *two = begin(send_one, &numbers[2]), *three = begin(send_one, &numbers[3]);
    weft_sleep(0);
    weft_task_cancel(two, NULL);
    assert_int_equal(end_of(two), -ECANCELED);
    assert_int_equal(weft_channel_receive(&c, &number), 0);
    assert_int_equal(weft_channel_receive(&c, &number), 0);
    assert_int_equal(number, 3); /* 2 was not sent */
    assert_int_equal(end_of(three), 0);
    weft_task *a = begin(receive_one, "a"), *b = begin(receive_one, "b");
    weft_sleep(0);
    weft_task_cancel(a, NULL);
    assert_int_equal(weft_channel_send(&c, &numbers[4]), 0);
    assert_int_equal(end_of(a), -ECANCELED);
    assert_int_equal(end_of(b), 0);
    assert_int_equal(stats_now().senders.cancelled, 1);
    assert_int_equal(stats_now().receivers.cancelled, 1);
    weft_scope s;
    weft_scope_begin(&s, .timeout = SECOND);
    assert_int_equal(weft_channel_receive(&c, &number), -ECANCELED);
    assert_int_equal(weft_channel_send(&c, &number), -ECANCELED); /* though there is room */
    assert_int_equal(weft_channel_try_send(&c, &numbers[5]), 0);
    assert_int_equal(weft_channel_receive(&c, &number), -ECANCELED); /* though there is one */
    assert_int_equal(weft_channel_try_receive(&c, &number), 0);
    assert_int_equal(weft_scope_end(&s), -ETIMEDOUT);
    weft_channel_fini(&c);
    return 0;
}

static void test_channel_a_cancel_loses_nothing(void **state)
{
    (void)state;
    assert_int_equal(run(cancel_main, NULL), 0);
    assert_string_equal(trace, "!s3 b4 !"); /* who was served runs next */
}

static int received_then_cancelled(void *arg)
{
    int number;
    (void)arg;
    assert_int_equal(weft_channel_receive(&c, &number), 0);
    assert_int_equal(number, 1);
    assert_int_equal(weft_channel_receive(&c, &number), -ECANCELED);
    return -ECANCELED;
}

static int sent_then_cancelled(void *arg)
{
    (void)arg;
    assert_int_equal(weft_channel_send(&c, &numbers[2]), 0);
    assert_int_equal(weft_channel_send(&c, &numbers[3]), -ECANCELED);
    return -ECANCELED;
}

static int granted_main(void *arg)
{
    int number;
    (void)arg;
    make(0);
    weft_task *task = begin(received_then_cancelled, NULL);
    weft_sleep(0);
    assert_int_equal(weft_channel_send(&c, &numbers[1]), 0);
    weft_task_cancel(task, NULL);
    assert_int_equal(end_of(task), -ECANCELED);
    task = begin(sent_then_cancelled, NULL);
    weft_sleep(0);
    assert_int_equal(weft_channel_receive(&c, &number), 0);
    assert_int_equal(number, 2);
    weft_task_cancel(task, NULL);
    assert_int_equal(end_of(task), -ECANCELED);
    weft_channel_fini(&c);
    return 0;
}

static void test_channel_a_cancel_after_the_hand_over_comes_too_late(void **state)
{
    (void)state;
    assert_int_equal(run(granted_main, NULL), 0);
}

/* Those who wait run in the order in which they were served, also when hand-overs are used up. */
static int order_main(void *arg)
{
    static char names[3][2] = { "a", "b", "c" };
    weft_task *tasks[3];
    make(0);
    for (int i = 0; i < 3; i++)
        tasks[i] = begin(receive_one, names[i]);
    weft_sleep(0);
    if (arg)
        wf_running->lifo_used = WF_LIFO_MAX;
    for (int i = 0; i < 3; i++)
        assert_int_equal(weft_channel_send(&c, &numbers[i]), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(end_of(tasks[i]), 0);
    weft_channel_fini(&c);
    return 0;
}

static void test_channel_who_was_served_first_runs_first(void **state)
{
    (void)state;
    assert_int_equal(run(order_main, NULL), 0);
    assert_int_equal(run(order_main, "used up"), 0);
    assert_string_equal(trace, "a0 b1 c2 a0 b1 c2 ");
}

/* Who is cancelled was not served: it waits for its turn like anybody. */
static int turn_main(void *arg)
{
    (void)arg;
    make(0);
    weft_task *task = begin(receive_one, "a");
    weft_sleep(0);
    weft_task_cancel(task, NULL);
    assert_null(wf_running->lifo);
    assert_int_equal(end_of(task), -ECANCELED);
    task = begin(receive_one, "b");
    weft_sleep(0);
    assert_int_equal(weft_channel_send(&c, &numbers[1]), 0);
    assert_ptr_equal(wf_running->lifo, task);
    assert_int_equal(end_of(task), 0);
    weft_channel_fini(&c);
    return 0;
}

static void test_channel_only_who_was_served_runs_next(void **state)
{
    (void)state;
    assert_int_equal(run(turn_main, NULL), 0);
}

/* Callbacks, and where no loop runs. */

static void send_in_callback(void *arg)
{
    assert_int_equal(weft_channel_try_send(&c, arg), 0);
    assert_int_equal(weft_channel_send(&c, arg), -EPERM);
    expect_said("a function that suspends was called outside a task");
}

static int callback_main(void *arg)
{
    int number;
    (void)arg;
    weft_call_later(SECOND, send_in_callback, &numbers[3]);
    assert_int_equal(weft_channel_receive(&c, &number), 0);
    assert_int_equal(number, 3);
    return 0;
}

static void test_channel_callbacks_and_code_without_a_loop_may_try(void **state)
{
    int number;
    (void)state;
    make(2);
    assert_int_equal(weft_channel_try_send(&c, &numbers[3]), 0);
    assert_int_equal(weft_channel_try_receive(&c, &number), 0);
    assert_int_equal(run(callback_main, NULL), 0);
    assert_int_equal(run(callback_main, NULL), 0);
    weft_channel_fini(&c);
}

/* Threads. */

static int elsewhere(void)
{
    int number = 0;
    assert_int_equal(weft_channel_try_send(&c, &number), WEFT_ETHREAD);
    assert_int_equal(weft_channel_try_receive(&c, &number), WEFT_ETHREAD);
    weft_channel_close(&c);
    return take_log("the channel (made at ../../tests/sync/test_channel.c:") > 0;
}

static int receive_in_loop_elsewhere(void)
{
    return run(receive_one, "x");
}

static int thread_main(void *arg)
{
    int number;
    (void)arg;
    make(2);
    assert_int_equal(weft_channel_send(&c, &numbers[1]), 0);
    assert_int_equal(on_another_thread(elsewhere), 1);
    assert_int_equal(on_another_thread(receive_in_loop_elsewhere), WEFT_ETHREAD);
    expect_log("was used by another thread than its own");
    assert_int_equal(weft_channel_receive(&c, &number), 0);
    assert_int_equal(weft_channel_send(&c, &numbers[1]), 0); /* not closed */
    weft_channel_fini(&c);
    return 0;
}

static void test_channel_belongs_to_a_thread(void **state)
{
    (void)state;
    assert_int_equal(run(thread_main, NULL), 0);
}

static int fini_main(void *arg)
{
    make(0);
    begin(arg ? send_one : receive_one, arg ? (void *)&numbers[1] : (void *)"a");
    weft_sleep(0);
    weft_channel_fini(&c);
    return 0;
}

static void fini_before_receiver(void)
{
    run(fini_main, NULL);
}

static void fini_before_sender(void)
{
    run(fini_main, "s");
}

static void test_channel_given_up_while_somebody_waits_aborts(void **state)
{
    (void)state;
    expect_abort(fini_before_receiver, "was given up while it is in use; waiting: 1");
    expect_abort(fini_before_sender, "was given up while it is in use; waiting: 1");
}

static int words_main(void *arg)
{
    (void)arg;
    int number;
    make(1);
    weft_task *task = begin(receive_one, "a");
    weft_sleep(0);
    expect_wait(task, "an item of the channel (made at ../../tests/sync/test_channel.c:");
    expect_wait(task, "), which has 0");
    assert_int_equal(weft_channel_send(&c, &numbers[1]), 0);
    assert_int_equal(end_of(task), 0);
    assert_int_equal(weft_channel_send(&c, &numbers[2]), 0);
    task = begin(send_one, &numbers[3]);
    weft_sleep(0);
    expect_wait(task, "room in the channel (made at ../../tests/sync/test_channel.c:");
    expect_wait(task, "), which has 1");
    assert_int_equal(weft_channel_receive(&c, &number), 0);
    assert_int_equal(end_of(task), 0);
    weft_channel_fini(&c);
    return 0;
}

static void test_channel_a_wait_for_it_says_what_lies_in_it(void **state)
{
    (void)state;
    assert_int_equal(run(words_main, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_channel_without_capacity_sender_and_receiver_meet),
        core_test(test_channel_with_capacity_senders_wait_while_it_is_full),
        core_test(test_channel_is_a_ring),
        core_test(test_channel_without_bound_grows),
        core_test(test_channel_without_memory_says_so_and_loses_nothing),
        core_test(test_channel_items_have_any_size),
        core_test(test_channel_items_of_nothing_need_no_address),
        core_test(test_channel_closed_gives_what_lies_in_it_and_then_says_so),
        core_test(test_channel_drops_what_nobody_has_received_once),
        core_test(test_channel_a_cancel_loses_nothing),
        core_test(test_channel_a_cancel_after_the_hand_over_comes_too_late),
        core_test(test_channel_who_was_served_first_runs_first),
        core_test(test_channel_only_who_was_served_runs_next),
        core_test(test_channel_callbacks_and_code_without_a_loop_may_try),
        core_test(test_channel_belongs_to_a_thread),
        core_test(test_channel_given_up_while_somebody_waits_aborts),
        core_test(test_channel_a_wait_for_it_says_what_lies_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
