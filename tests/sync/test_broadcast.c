/* Broadcasts: each subscription receives each message, or is told how many it has missed. */

#include "inspect/inspect_test.h"

#include <weft/broadcast.h>
#include <weft/select.h>
#include <weft/stackless.h>

static weft_broadcast b;

static void init(size_t capacity, bool wait_for_slowest)
{
    assert_int_equal(
        weft_broadcast_init(&b, sizeof(int), capacity, .wait_for_slowest = wait_for_slowest), 0);
}

static int say(int item)
{
    return weft_broadcast_send(&b, &item);
}

static int try_say(int item)
{
    return weft_broadcast_try_send(&b, &item);
}

static void begin(weft_subscription *s)
{
    assert_int_equal(weft_subscription_begin(s, &b), 0);
}

/* The next message is `item`, after so many that were missed. */
static void expect(weft_subscription *s, int item, int missed)
{
    int got = -1;
    assert_int_equal(weft_subscription_try_receive(s, &got), missed);
    assert_int_equal(got, item);
}

static void expect_nothing(weft_subscription *s, int err)
{
    int got = -77;
    assert_int_equal(weft_subscription_try_receive(s, &got), err);
    assert_int_equal(got, -77);
}

static void note_int(const char *who, int number)
{
    char text[40];
    snprintf(text, sizeof text, "%s%d ", who, number);
    note(text);
}

/* A task that notes what it receives until that fails. */
struct listener {
    weft_subscription *s;
    const char *name;
    int most; /* 0: all */
};

static int hear(void *arg)
{
    const struct listener *listener = arg;
    ssize_t result;
    int item;
    for (int i = 0; listener->most == 0 || i < listener->most; i++) {
        if ((result = weft_subscription_receive(listener->s, &item)) < 0) {
            note_int(listener->name, (int)result);
            return (int)result == WEFT_ECLOSED ? 0 : (int)result;
        }
        assert_int_equal(result, 0);
        note_int(listener->name, item);
    }
    return 0;
}

/* Each gets each. */

static int each_main(void *arg)
{
    (void)arg;
    weft_subscription one, two;
    init(4, false);
    assert_int_equal(say(1), 0); /* nobody listens */
    begin(&one);
    assert_int_equal(say(2), 1);
    begin(&two);
    assert_int_equal(say(3), 2);
    expect(&one, 2, 0);
    expect(&one, 3, 0);
    expect_nothing(&one, -EAGAIN);
    expect(&two, 3, 0);
    expect_nothing(&two, -EAGAIN);
    weft_subscription_end(&one);
    assert_int_equal(say(4), 1);
    expect(&two, 4, 0);
    weft_subscription_end(&two);
    weft_broadcast_fini(&b);
    weft_broadcast_fini(NULL);
    return 0;
}

static void test_broadcast_each_subscription_receives_each_message_since_it_began(void **state)
{
    (void)state;
    assert_int_equal(run(each_main, NULL), 0);
}

static int missed_main(void *arg)
{
    (void)arg;
    weft_subscription s;
    weft_subscription_stats stats;
    int item;
    init(3, false);
    begin(&s);
    for (int i = 0; i < 10; i++)
        assert_int_equal(say(i), 1);
    assert_int_equal(weft_subscription_receive(&s, &item), 7);
    assert_int_equal(item, 7);
    expect(&s, 8, 0);
    assert_int_equal(say(10), 1);
    expect(&s, 9, 0);
    expect(&s, 10, 0);
    expect_nothing(&s, -EAGAIN);
    for (int i = 0; i < 4; i++)
        say(i);
    expect(&s, 1, 1);
    weft_subscription_get_stats(&s, &stats);
    assert_int_equal(stats.received, 5);
    assert_int_equal(stats.missed, 8);
    assert_int_equal(stats.count, 2);
    weft_subscription_end(&s);
    weft_broadcast_fini(&b);
    return 0;
}

static void test_broadcast_who_is_too_slow_is_told_how_many_it_has_missed(void **state)
{
    (void)state;
    assert_int_equal(run(missed_main, NULL), 0);
}

static int waiting_main(void *arg)
{
    (void)arg;
    weft_subscription one, two;
    weft_scope scope;
    init(2, false);
    begin(&one);
    begin(&two);
    struct listener a = { &one, "a", 0 }, c = { &two, "b", 0 };
    weft_scope_begin(&scope);
    weft_spawn(&scope, hear, &a);
    weft_spawn(&scope, hear, &c);
    weft_sleep(SECOND);
    assert_int_equal(say(1), 2);
    assert_int_equal(say(2), 2); /* neither has run: it lies in the ring */
    weft_sleep(SECOND);
    weft_broadcast_close(&b);
    weft_broadcast_close(&b);
    int err = weft_scope_end(&scope);
    weft_subscription_end(&one);
    weft_subscription_end(&two);
    weft_broadcast_fini(&b);
    return err;
}

static void test_broadcast_who_waits_receives_at_once(void **state)
{
    char expected[80];
    (void)state;
    assert_int_equal(run(waiting_main, NULL), 0);
    snprintf(expected, sizeof expected, "a1 a2 b1 b2 a%d b%d ", WEFT_ECLOSED, WEFT_ECLOSED);
    assert_string_equal(trace, expected);
}

static int shared_main(void *arg)
{
    (void)arg;
    weft_subscription s;
    weft_scope scope;
    struct listener first = { &s, "1:", 1 }, second = { &s, "2:", 1 }, third = { &s, "3:", 1 };
    init(8, false);
    begin(&s);
    weft_scope_begin(&scope);
    weft_spawn(&scope, hear, &first);
    weft_spawn(&scope, hear, &second);
    weft_spawn(&scope, hear, &third);
    weft_sleep(SECOND);
    for (int i = 10; i < 14; i++)
        say(i);
    int err = weft_scope_end(&scope);
    expect(&s, 13, 0);
    weft_subscription_end(&s);
    weft_broadcast_fini(&b);
    return err;
}

static void test_broadcast_tasks_of_one_subscription_share_it_in_order(void **state)
{
    (void)state;
    assert_int_equal(run(shared_main, NULL), 0);
    assert_string_equal(trace, "1:10 2:11 3:12 ");
}

/* The slowest. */

struct sender {
    int first, count;
};

static int send_some(void *arg)
{
    const struct sender *sender = arg;
    for (int i = 0; i < sender->count; i++) {
        int sent = say(sender->first + i);
        note_int("s", sent < 0 ? sent : sender->first + i);
        if (sent < 0)
            return sent == WEFT_ECLOSED ? 0 : sent;
    }
    return 0;
}

static int slowest_main(void *arg)
{
    (void)arg;
    weft_subscription fast, slow;
    weft_scope scope;
    weft_broadcast_stats stats;
    struct sender one = { 1, 3 }, two = { 10, 2 };
    init(2, true);
    begin(&fast);
    begin(&slow);
    weft_scope_begin(&scope);
    weft_spawn(&scope, send_some, &one);
    weft_spawn(&scope, send_some, &two);
    weft_sleep(SECOND);
    assert_string_equal(trace, "s1 s2 ");
    assert_int_equal(try_say(5), -EAGAIN);
    expect(&fast, 1, 0);
    expect(&fast, 2, 0);
    weft_sleep(SECOND);
    assert_string_equal(trace, "s1 s2 ");
    weft_broadcast_get_stats(&b, &stats);
    assert_int_equal(stats.senders.waiting, 2);
    assert_int_equal(stats.kept, 2);
    expect(&slow, 1, 0); /* 3 is in */
    assert_int_equal(try_say(5), -EAGAIN);
    expect(&slow, 2, 0); /* 10 is in, before its task has run */
    weft_sleep(SECOND);
    assert_string_equal(trace, "s1 s2 s3 s10 ");
    expect(&fast, 3, 0);
    expect(&fast, 10, 0);
    expect(&slow, 3, 0);
    weft_sleep(SECOND);
    expect(&slow, 10, 0);
    expect(&slow, 11, 0);
    expect(&fast, 11, 0);
    int err = weft_scope_end(&scope);
    weft_broadcast_get_stats(&b, &stats);
    assert_int_equal(stats.sent, 5);
    assert_int_equal(stats.missed, 0);
    assert_int_equal(stats.kept, 0);
    weft_subscription_end(&fast);
    weft_subscription_end(&slow);
    weft_broadcast_fini(&b);
    return err;
}

static void test_broadcast_senders_wait_for_the_slowest_in_order(void **state)
{
    (void)state;
    assert_int_equal(run(slowest_main, NULL), 0);
    assert_string_equal(trace, "s1 s2 s3 s10 s11 ");
}

static int nobody_main(void *arg)
{
    (void)arg;
    init(1, true);
    for (int i = 0; i < 5; i++)
        assert_int_equal(say(i), 0);
    weft_broadcast_fini(&b);
    return 0;
}

static void test_broadcast_nobody_is_waited_for_where_nobody_listens(void **state)
{
    (void)state;
    assert_int_equal(run(nobody_main, NULL), 0);
}

static int end_slowest_main(void *arg)
{
    (void)arg;
    weft_subscription fast, slow;
    weft_scope scope;
    struct sender one = { 1, 4 };
    struct listener listener = { &fast, "f", 4 };
    init(1, true);
    begin(&fast);
    begin(&slow);
    weft_scope_begin(&scope);
    weft_spawn(&scope, hear, &listener);
    weft_spawn(&scope, send_some, &one);
    weft_sleep(SECOND);
    assert_string_equal(trace, "s1 f1 ");
    weft_subscription_end(&slow);
    int err = weft_scope_end(&scope);
    weft_subscription_end(&fast);
    weft_broadcast_fini(&b);
    return err;
}

static void test_broadcast_the_end_of_the_slowest_lets_senders_go_on(void **state)
{
    (void)state;
    assert_int_equal(run(end_slowest_main, NULL), 0);
    assert_non_null(strstr(trace, "s4 "));
    assert_non_null(strstr(trace, "f4 "));
}

/* Closing and ending. */

static int close_main(void *arg)
{
    (void)arg;
    weft_subscription s, late;
    weft_scope scope;
    struct sender sender = { 1, 5 };
    int item;
    init(2, true);
    begin(&s);
    weft_scope_begin(&scope);
    weft_spawn(&scope, send_some, &sender);
    weft_sleep(SECOND);
    weft_broadcast_close(&b);
    int err = weft_scope_end(&scope);
    assert_int_equal(say(7), WEFT_ECLOSED);
    assert_int_equal(try_say(7), WEFT_ECLOSED);
    begin(&late);
    expect_nothing(&late, WEFT_ECLOSED);
    expect(&s, 1, 0);
    expect(&s, 2, 0);
    assert_int_equal(weft_subscription_receive(&s, &item), WEFT_ECLOSED);
    expect_nothing(&s, WEFT_ECLOSED);
    weft_subscription_end(&s);
    weft_subscription_end(&late);
    weft_broadcast_fini(&b);
    return err;
}

static void test_broadcast_closed_it_is_drained(void **state)
{
    char expected[40];
    (void)state;
    assert_int_equal(run(close_main, NULL), 0);
    snprintf(expected, sizeof expected, "s1 s2 s%d ", WEFT_ECLOSED);
    assert_string_equal(trace, expected);
}

static int end_main(void *arg)
{
    (void)arg;
    weft_subscription s, other;
    weft_scope scope;
    struct listener one = { &s, "1:", 0 }, two = { &s, "2:", 0 }, three = { &other, "3:", 1 };
    init(2, false);
    begin(&s);
    begin(&other);
    weft_scope_begin(&scope);
    weft_spawn(&scope, hear, &one);
    weft_spawn(&scope, hear, &two);
    weft_spawn(&scope, hear, &three);
    weft_sleep(SECOND);
    weft_subscription_end(&s);
    weft_subscription_end(&s);
    assert_int_equal(say(1), 1);
    int err = weft_scope_end(&scope);
    weft_subscription_end(&other);
    weft_broadcast_fini(&b);
    return err;
}

static void test_broadcast_the_end_of_a_subscription_tells_who_waits_for_it(void **state)
{
    char expected[60];
    (void)state;
    assert_int_equal(run(end_main, NULL), 0);
    snprintf(expected, sizeof expected, "1:%d 2:%d 3:1 ", WEFT_ECLOSED, WEFT_ECLOSED);
    assert_string_equal(trace, expected);
}

static const char not_begun[] = "a message was asked of a subscription that has not begun";

static int fini_main(void *arg)
{
    (void)arg;
    static weft_subscription never, s;
    weft_subscription_stats stats;
    int item;
    weft_subscription_end(&never);
    expect_nothing(&never, -ESHUTDOWN);
    init(2, false);
    begin(&s);
    say(1);
    say(2);
    expect(&s, 1, 0);
    weft_broadcast_fini(&b);
    assert_int_equal(weft_subscription_receive(&s, &item), -ESHUTDOWN);
    assert_non_null(strstr(weft_error_detail(), not_begun));
    weft_subscription_get_stats(&s, &stats);
    assert_int_equal(stats.received, 1);
    assert_int_equal(stats.count, 0);
    weft_subscription_end(&s);
    return 0;
}

static void test_broadcast_its_end_ends_its_subscriptions(void **state)
{
    (void)state;
    assert_int_equal(run(fini_main, NULL), 0);
    expect_log(not_begun);
}

/* Cancel. */

static int cancel_main(void *arg)
{
    (void)arg;
    weft_subscription s;
    weft_subscription_stats stats;
    weft_scope scope;
    weft_task *given_up, *granted;
    struct listener one = { &s, "1:", 1 }, two = { &s, "2:", 1 };
    init(2, false);
    begin(&s);
    weft_scope_begin(&scope);
    weft_spawn(&scope, hear, &one, .task = &given_up);
    weft_spawn(&scope, hear, &two, .task = &granted);
    weft_sleep(SECOND);
    weft_task_cancel(given_up, "enough");
    weft_sleep(SECOND);
    say(1);
    weft_task_cancel(granted, "too late");
    say(2);
    int err = weft_scope_end(&scope);
    expect(&s, 2, 0);
    weft_subscription_get_stats(&s, &stats);
    assert_int_equal(stats.receivers.waited, 2);
    assert_int_equal(stats.receivers.cancelled, 1);
    weft_task_release(given_up);
    weft_task_release(granted);
    weft_subscription_end(&s);
    weft_broadcast_fini(&b);
    return err;
}

static void test_broadcast_a_cancel_of_who_waits_loses_no_message(void **state)
{
    char expected[40];
    (void)state;
    assert_int_equal(run(cancel_main, NULL), 0);
    snprintf(expected, sizeof expected, "1:%d 2:1 ", -ECANCELED);
    assert_string_equal(trace, expected);
}

static int cancel_sender_main(void *arg)
{
    (void)arg;
    weft_subscription s;
    weft_broadcast_stats stats;
    weft_scope scope;
    weft_task *given_up, *granted;
    struct sender one = { 10, 1 }, two = { 20, 1 };
    init(1, true);
    begin(&s);
    say(1);
    weft_scope_begin(&scope);
    weft_spawn(&scope, send_some, &one, .task = &given_up);
    weft_spawn(&scope, send_some, &two, .task = &granted);
    weft_sleep(SECOND);
    weft_task_cancel(given_up, "enough");
    weft_sleep(SECOND);
    expect(&s, 1, 0);
    weft_task_cancel(granted, "too late");
    expect(&s, 20, 0);
    int err = weft_scope_end(&scope);
    weft_broadcast_get_stats(&b, &stats);
    assert_int_equal(stats.senders.cancelled, 1);
    assert_int_equal(stats.sent, 2);
    weft_task_release(given_up);
    weft_task_release(granted);
    weft_subscription_end(&s);
    weft_broadcast_fini(&b);
    return err;
}

static void test_broadcast_a_cancelled_sender_sends_nothing(void **state)
{
    char expected[40];
    (void)state;
    assert_int_equal(run(cancel_sender_main, NULL), 0);
    snprintf(expected, sizeof expected, "s%d s20 ", -ECANCELED);
    assert_string_equal(trace, expected);
}

/* Callbacks, threads, misuse. */

static void in_callback(void *arg)
{
    weft_subscription *s = arg;
    int item = 1;
    assert_int_equal(weft_broadcast_send(&b, &item), -EPERM);
    assert_int_equal(weft_subscription_receive(s, &item), -EPERM);
    assert_int_equal(try_say(7), 2);
    expect(s, 7, 0);
    weft_broadcast_close(&b);
}

static int callback_main(void *arg)
{
    (void)arg;
    weft_subscription one, two;
    weft_scope scope;
    struct listener listener = { &one, "a", 0 };
    init(2, false);
    begin(&one);
    begin(&two);
    weft_scope_begin(&scope);
    weft_spawn(&scope, hear, &listener);
    weft_sleep(SECOND);
    weft_call_soon(in_callback, &two);
    int err = weft_scope_end(&scope);
    weft_subscription_end(&one);
    weft_subscription_end(&two);
    weft_broadcast_fini(&b);
    return err;
}

static void test_broadcast_callbacks_send_and_receive_without_waiting(void **state)
{
    char expected[40];
    (void)state;
    assert_int_equal(run(callback_main, NULL), 0);
    snprintf(expected, sizeof expected, "a7 a%d ", WEFT_ECLOSED);
    assert_string_equal(trace, expected);
    expect_log("a function that suspends was called outside a task: in callback");
}

static int in_another_loop(void *s)
{
    int item = -77;
    assert_int_equal(weft_broadcast_send(&b, &item), WEFT_ETHREAD);
    assert_int_equal(weft_subscription_receive(s, &item), WEFT_ETHREAD);
    return 0;
}

static void *from_another_thread(void *s)
{
    static weft_subscription mine;
    assert_int_equal(try_say(9), WEFT_ETHREAD);
    expect_nothing(s, WEFT_ETHREAD);
    assert_int_equal(weft_subscription_begin(&mine, &b), WEFT_ETHREAD);
    expect_nothing(&mine, -ESHUTDOWN);
    weft_subscription_end(s);
    weft_broadcast_close(&b);
    assert_int_equal(run(in_another_loop, s), 0);
    return NULL;
}

static int thread_main(void *arg)
{
    weft_subscription s;
    pthread_t thread;
    (void)arg;
    init(2, false);
    begin(&s);
    assert_int_equal(pthread_create(&thread, NULL, from_another_thread, &s), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(say(1), 1); /* neither ended nor closed */
    expect(&s, 1, 0);
    weft_subscription_end(&s);
    weft_broadcast_fini(&b);
    return 0;
}

static void test_broadcast_another_thread_is_refused(void **state)
{
    (void)state;
    assert_int_equal(run(thread_main, NULL), 0);
    expect_log("the broadcast (made at ");
    expect_log(not_begun);
}

static void test_broadcast_made_with_no_room_is_refused(void **state)
{
    (void)state;
    assert_int_equal(weft_broadcast_init(&b, sizeof(int), 0), -EINVAL);
    expect_log("a broadcast with room for nothing, at ");
    assert_int_equal(weft_broadcast_init(&b, SIZE_MAX / 4, 8), -ENOMEM);
    assert_int_equal(weft_broadcast_init(&b, 0, SIZE_MAX, .wait_for_slowest = true), -ENOMEM);
}

static int leave_listener(void *arg)
{
    static weft_subscription s;
    static struct listener listener = { &s, "a", 1 };
    (void)arg;
    init(2, false);
    begin(&s);
    weft_spawn(weft_background(), hear, &listener);
    weft_spawn(weft_background(), hear, &listener);
    weft_sleep(SECOND);
    weft_broadcast_fini(&b);
    return 0;
}

static int leave_sender(void *arg)
{
    static weft_subscription s;
    static struct sender sender = { 1, 2 };
    (void)arg;
    init(1, true);
    begin(&s);
    weft_spawn(weft_background(), send_some, &sender);
    weft_sleep(SECOND);
    weft_broadcast_fini(&b);
    return 0;
}

static void give_up_heard(void)
{
    run(leave_listener, NULL);
}

static void give_up_sent(void)
{
    run(leave_sender, NULL);
}

static void test_broadcast_given_up_in_use_aborts(void **state)
{
    (void)state;
    expect_abort(give_up_heard, "was given up while it is in use; waiting: 2");
    expect_abort(give_up_sent, "was given up while it is in use; waiting: 1");
}

static int empty_main(void *arg)
{
    weft_subscription s;
    (void)arg;
    assert_int_equal(weft_broadcast_init(&b, 0, 2), 0);
    begin(&s);
    for (int i = 0; i < 3; i++)
        assert_int_equal(weft_broadcast_send(&b, NULL), 1);
    assert_int_equal(weft_subscription_receive(&s, NULL), 1);
    assert_int_equal(weft_subscription_receive(&s, NULL), 0);
    assert_int_equal(weft_subscription_try_receive(&s, NULL), -EAGAIN);
    weft_subscription_end(&s);
    weft_broadcast_fini(&b);
    return 0;
}

static void test_broadcast_messages_may_be_empty(void **state)
{
    (void)state;
    assert_int_equal(run(empty_main, NULL), 0);
}

/* What it tells of itself. */

static int stats_main(void *arg)
{
    weft_subscription one, two;
    weft_broadcast_stats stats;
    weft_scope scope;
    struct listener listener = { &one, "a", 1 };
    (void)arg;
    init(3, false);
    begin(&one);
    begin(&two);
    weft_scope_begin(&scope);
    weft_spawn(&scope, hear, &listener);
    weft_sleep(SECOND);
    weft_broadcast_get_stats(&b, &stats);
    assert_int_equal(stats.subscriptions, 2);
    assert_int_equal(stats.receivers, 1);
    assert_int_equal(stats.capacity, 3);
    assert_int_equal(stats.kept, 0);
    for (int i = 0; i < 5; i++)
        say(i);
    expect(&two, 2, 2);
    weft_broadcast_get_stats(&b, &stats);
    assert_int_equal(stats.receivers, 0);
    assert_int_equal(stats.sent, 5);
    assert_int_equal(stats.missed, 2);
    assert_int_equal(stats.kept, 3);
    assert_int_equal(stats.senders.waited, 0);
    weft_subscription_end(&one);
    weft_broadcast_get_stats(&b, &stats);
    assert_int_equal(stats.subscriptions, 1);
    weft_subscription_end(&two);
    int err = weft_scope_end(&scope);
    weft_broadcast_fini(&b);
    return err;
}

static void test_broadcast_counts_what_happens(void **state)
{
    (void)state;
    assert_int_equal(run(stats_main, NULL), 0);
    assert_string_equal(trace, "a0 ");
}

static int dump_main(void *arg)
{
    weft_subscription one, two;
    weft_scope scope;
    struct listener listener = { &one, "a", 0 };
    struct sender sender = { 1, 2 };
    (void)arg;
    init(1, true);
    begin(&one);
    begin(&two);
    weft_scope_begin(&scope);
    weft_spawn(&scope, hear, &listener);
    weft_spawn(&scope, send_some, &sender);
    weft_sleep(SECOND);
    dump_now();
    weft_broadcast_close(&b);
    int err = weft_scope_end(&scope);
    weft_subscription_end(&one);
    weft_subscription_end(&two);
    weft_broadcast_fini(&b);
    return err;
}

static void test_broadcast_a_dump_says_what_is_waited_for(void **state)
{
    (void)state;
    assert_int_equal(run(dump_main, NULL), 0);
    EXPECT_ORDER("parked: waits for a message of the broadcast (made at ",
                 "test_broadcast.c:", "), for 1.00 s",
                 "parked: waits for room in the broadcast (made at ",
                 "test_broadcast.c:", "), which has 1, for 1.00 s");
}

/* Beside other things. */

static int say_later(void *arg)
{
    (void)arg;
    int err = weft_sleep(SECOND);
    say(5);
    return err;
}

static int select_main(void *arg)
{
    weft_subscription one, two;
    weft_scope scope;
    weft_broadcast_stats stats;
    int first = -1, second = -1;
    (void)arg;
    init(2, false);
    begin(&one);
    begin(&two);
    weft_case cases[] = { weft_case_subscription(&one, &first),
                          weft_case_subscription(&two, &second), weft_case_after(SECOND / 2) };
    assert_int_equal(weft_select_try(cases, 2), -EAGAIN);
    assert_int_equal(weft_select(cases, 3), 2);
    weft_scope_begin(&scope);
    weft_spawn(&scope, say_later, NULL);
    assert_int_equal(weft_select(cases, 2), 0); /* has waited longest; the other keeps its own */
    assert_int_equal(first, 5);
    assert_int_equal(second, -1);
    weft_broadcast_get_stats(&b, &stats);
    assert_int_equal(stats.receivers, 0);
    assert_int_equal(weft_select(cases, 2), 1);
    assert_int_equal(second, 5);
    for (int i = 0; i < 5; i++)
        say(i);
    assert_int_equal(weft_select(cases, 1), 0);
    assert_int_equal(cases[0].result, 3);
    assert_int_equal(first, 3);
    weft_broadcast_close(&b);
    expect(&one, 4, 0);
    assert_int_equal(weft_select(cases, 1), 0);
    assert_int_equal(cases[0].result, WEFT_ECLOSED);
    int err = weft_scope_end(&scope);
    weft_subscription_end(&one);
    weft_subscription_end(&two);
    weft_broadcast_fini(&b);
    return err;
}

/* Two seats in one line: the second is left while the first is served. */
static int same_twice_main(void *arg)
{
    weft_subscription s;
    weft_scope scope;
    int first = -1, second = -1;
    (void)arg;
    init(2, false);
    begin(&s);
    weft_case cases[] = { weft_case_subscription(&s, &first), weft_case_subscription(&s, &second) };
    weft_scope_begin(&scope);
    weft_spawn(&scope, say_later, NULL);
    assert_int_equal(weft_select(cases, 2), 0);
    assert_int_equal(first, 5);
    assert_int_equal(second, -1);
    expect_nothing(&s, -EAGAIN);
    int err = weft_scope_end(&scope);
    weft_subscription_end(&s);
    weft_broadcast_fini(&b);
    return err;
}

static void test_broadcast_select_receives_from_one_of_several(void **state)
{
    (void)state;
    assert_int_equal(run(select_main, NULL), 0);
    assert_int_equal(run(same_twice_main, NULL), 0);
}

struct ear {
    weft_stackless self;
    weft_subscription *s;
    int item;
    bool begun;
};

static int hear_step(weft_stackless *self, int64_t result)
{
    struct ear *ear = weft_stackless_of(self, struct ear, self);
    if (ear->begun)
        note_int("e", result < 0 ? (int)result : ear->item);
    if (result > 0)
        note_int("missed", (int)result);
    ear->begun = true;
    if (result < 0)
        return (int)result == WEFT_ECLOSED ? 0 : (int)result;
    return weft_then_subscription(self, ear->s, &ear->item, hear_step);
}

static const weft_stackless_kind ear_kind = WEFT_STACKLESS(hear_step, NULL);

static int then_main(void *arg)
{
    weft_subscription s, other;
    weft_scope scope;
    struct ear shared = { .s = &s }, alone = { .s = &other };
    struct listener listener = { &s, "t", 1 };
    (void)arg;
    init(2, false);
    begin(&s);
    weft_scope_begin(&scope);
    weft_stackless_spawn(&scope, &shared.self, &ear_kind);
    weft_spawn(&scope, hear, &listener);
    weft_sleep(SECOND);
    say(1);
    say(2);
    weft_sleep(SECOND);
    note("| ");
    weft_subscription_end(&s);
    begin(&other);
    for (int i = 3; i < 6; i++)
        say(i);
    weft_stackless_spawn(&scope, &alone.self, &ear_kind);
    weft_sleep(SECOND);
    weft_stackless_cancel(&alone.self, "enough");
    int err = weft_scope_end(&scope);
    weft_subscription_end(&other);
    weft_broadcast_fini(&b);
    return err;
}

static void test_broadcast_a_stackless_task_receives_in_line_with_tasks(void **state)
{
    char expected[80];
    (void)state;
    assert_int_equal(run(then_main, NULL), 0);
    snprintf(expected, sizeof expected, "e1 t2 | e%d e4 missed1 e5 e%d ", WEFT_ECLOSED, -ECANCELED);
    assert_string_equal(trace, expected);
}

static int entry_main(void *arg)
{
    weft_subscription s;
    weft_scope scope;
    int item = -77, more = 2;
    (void)arg;
    init(2, false);
    begin(&s);
    say(1);
    weft_scope_begin(&scope);
    weft_scope_cancel(&scope, "enough");
    assert_int_equal(weft_broadcast_send(&b, &more), -ECANCELED);
    assert_int_equal(weft_subscription_receive(&s, &item), -ECANCELED);
    assert_int_equal(item, -77);
    expect(&s, 1, 0); /* the twins look at no cancel */
    assert_int_equal(try_say(3), 1);
    expect(&s, 3, 0);
    assert_int_equal(weft_scope_end(&scope), 0);
    weft_subscription_end(&s);
    weft_broadcast_fini(&b);
    return 0;
}

static void test_broadcast_in_a_cancelled_scope_nothing_is_sent_or_received(void **state)
{
    (void)state;
    assert_int_equal(run(entry_main, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_broadcast_each_subscription_receives_each_message_since_it_began),
        core_test(test_broadcast_who_is_too_slow_is_told_how_many_it_has_missed),
        core_test(test_broadcast_who_waits_receives_at_once),
        core_test(test_broadcast_tasks_of_one_subscription_share_it_in_order),
        core_test(test_broadcast_senders_wait_for_the_slowest_in_order),
        core_test(test_broadcast_nobody_is_waited_for_where_nobody_listens),
        core_test(test_broadcast_the_end_of_the_slowest_lets_senders_go_on),
        core_test(test_broadcast_closed_it_is_drained),
        core_test(test_broadcast_the_end_of_a_subscription_tells_who_waits_for_it),
        core_test(test_broadcast_its_end_ends_its_subscriptions),
        core_test(test_broadcast_a_cancel_of_who_waits_loses_no_message),
        core_test(test_broadcast_a_cancelled_sender_sends_nothing),
        core_test(test_broadcast_callbacks_send_and_receive_without_waiting),
        core_test(test_broadcast_another_thread_is_refused),
        core_test(test_broadcast_made_with_no_room_is_refused),
        core_test(test_broadcast_given_up_in_use_aborts),
        core_test(test_broadcast_messages_may_be_empty),
        core_test(test_broadcast_counts_what_happens),
        core_test(test_broadcast_a_dump_says_what_is_waited_for),
        core_test(test_broadcast_select_receives_from_one_of_several),
        core_test(test_broadcast_a_stackless_task_receives_in_line_with_tasks),
        core_test(test_broadcast_in_a_cancelled_scope_nothing_is_sent_or_received),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
