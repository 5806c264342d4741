/* Mailboxes between loops (semantics 10, 17). */

#include "core/other_loop.h"

#include <sched.h>
#include <weft/mailbox.h>
#include <weft/remote.h>

static weft_mailbox *box;
static atomic_int drops;

static void drop_item(void *item)
{
    assert_true(*(int *)item > 0);
    atomic_fetch_add(&drops, 1);
}

static void open_box(size_t capacity)
{
    drops = 0;
    assert_int_equal(weft_mailbox_new(&box, sizeof(int), capacity, .drop = drop_item), 0);
}

static int send_int(int number)
{
    return weft_mailbox_send(box, &number);
}

static int try_int(int number)
{
    return weft_mailbox_try_send(box, &number);
}

static int receive_int(void)
{
    int number, err = weft_mailbox_receive(box, &number);
    return err < 0 ? err : number;
}

static weft_mailbox_stats stats(void)
{
    weft_mailbox_stats now;
    weft_mailbox_get_stats(box, &now);
    return now;
}

/* In one loop. */

static int fifo_main(void *arg)
{
    (void)arg;
    int out[8];
    open_box(3);
    assert_int_equal(weft_mailbox_try_receive(box, out), -EAGAIN);
    for (int i = 1; i <= 3; i++)
        assert_int_equal(send_int(i), 0);
    assert_int_equal(try_int(4), -EAGAIN);
    assert_int_equal(receive_int(), 1);
    assert_int_equal(try_int(4), 0);
    assert_int_equal(weft_mailbox_receive_many(box, out, 8), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(out[i], i + 2);
    assert_int_equal(stats().sent, 4);
    assert_int_equal(stats().received, 4);
    assert_int_equal(stats().most, 3);
    assert_int_equal(stats().messages, 0); /* in its own loop nothing has to travel */
    assert_int_equal(send_int(5), 0);
    weft_mailbox_close(box);
    weft_mailbox_close(box);
    assert_int_equal(send_int(6), WEFT_ECLOSED);
    assert_int_equal(try_int(6), WEFT_ECLOSED);
    assert_int_equal(receive_int(), 5); /* drained first */
    assert_int_equal(receive_int(), WEFT_ECLOSED);
    assert_int_equal(weft_mailbox_try_receive(box, out), WEFT_ECLOSED);
    weft_mailbox_release(box);
    return 0;
}

static void test_mailbox_is_a_bounded_fifo_that_drains_when_closed(void **state)
{
    (void)state;
    assert_int_equal(run(fifo_main, NULL), 0);
    assert_int_equal(drops, 0);
}

static int send_numbered(void *arg)
{
    int err = weft_mailbox_send(box, arg);
    char text[8];
    snprintf(text, sizeof text, err < 0 ? "!" : "%d", *(int *)arg);
    note(text);
    return 0;
}

static int full_main(void *arg)
{
    (void)arg;
    static int numbers[] = { 1, 2, 3, 4 };
    weft_task *tasks[4];
    open_box(1);
    for (int i = 0; i < 4; i++)
        weft_spawn(weft_background(), send_numbered, &numbers[i], .task = &tasks[i]);
    weft_sleep(MILLISECOND);
    assert_string_equal(trace, "1");
    assert_int_equal(stats().senders, 3);
    weft_task_cancel(tasks[2], "the third");
    weft_sleep(MILLISECOND);
    assert_string_equal(trace, "1!");
    assert_int_equal(stats().senders, 2);
    assert_int_equal(receive_int(), 1);
    assert_int_equal(try_int(9), -EAGAIN); /* there is room, but others wait for it */
    weft_sleep(MILLISECOND);
    assert_string_equal(trace, "1!2");
    assert_int_equal(receive_int(), 2);
    assert_int_equal(receive_int(), 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(weft_await(tasks[i]), 0);
        weft_task_release(tasks[i]);
    }
    assert_string_equal(trace, "1!24");
    weft_mailbox_release(box);
    return 0;
}

static void test_semantics_10_senders_wait_in_order_and_may_give_up(void **state)
{
    (void)state;
    assert_int_equal(run(full_main, NULL), 0);
}

static int granted_main(void *arg)
{
    (void)arg;
    static int numbers[] = { 1, 2 };
    weft_task *tasks[2];
    open_box(1);
    for (int i = 0; i < 2; i++)
        weft_spawn(weft_background(), send_numbered, &numbers[i], .task = &tasks[i]);
    weft_sleep(MILLISECOND);
    assert_int_equal(receive_int(), 1);
    while (stats().senders > 0)
        weft_sleep(0);
    weft_task_cancel(tasks[1], "too late: its item is in");
    weft_sleep(MILLISECOND);
    assert_string_equal(trace, "12");
    assert_int_equal(receive_int(), 2);
    for (int i = 0; i < 2; i++)
        weft_task_release(tasks[i]);
    weft_mailbox_release(box);
    return 0;
}

static void test_semantics_10_a_sender_that_has_its_place_is_not_cancelled(void **state)
{
    (void)state;
    assert_int_equal(run(granted_main, NULL), 0);
}

static int note_received(void *arg)
{
    (void)arg;
    char text[24];
    snprintf(text, sizeof text, "%d,", receive_int());
    note(text);
    return 0;
}

static int receivers_main(void *arg)
{
    (void)arg;
    weft_task *tasks[4];
    open_box(4);
    for (int i = 0; i < 4; i++)
        weft_spawn(weft_background(), note_received, NULL, .task = &tasks[i]);
    weft_sleep(0);
    weft_task_cancel(tasks[1], "the second");
    assert_int_equal(send_int(1), 0);
    assert_int_equal(send_int(2), 0);
    weft_task_cancel(tasks[2], "too late: it has its item");
    weft_sleep(MILLISECOND);
    assert_int_equal(take_log("x"), 0);
    weft_mailbox_close(box);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(weft_await(tasks[i]), 0);
        weft_task_release(tasks[i]);
    }
    char closed[16];
    snprintf(closed, sizeof closed, "%d,", WEFT_ECLOSED);
    assert_non_null(strstr(trace, "1,"));
    assert_non_null(strstr(trace, "2,"));
    assert_non_null(strstr(trace, "-125,"));
    assert_non_null(strstr(trace, closed));
    weft_mailbox_release(box);
    return 0;
}

static void test_semantics_10_a_receiver_that_has_its_item_is_not_cancelled(void **state)
{
    (void)state;
    assert_int_equal(run(receivers_main, NULL), 0);
}

static int release_main(void *arg)
{
    (void)arg;
    open_box(4);
    for (int i = 1; i <= 3; i++)
        assert_int_equal(send_int(i), 0);
    weft_mailbox_release(box);
    weft_sleep(MILLISECOND);
    assert_int_equal(drops, 3);
    open_box(4);
    assert_int_equal(send_int(1), 0);
    return 0; /* its loop ends first */
}

static void test_mailbox_drops_what_nobody_receives(void **state)
{
    (void)state;
    assert_int_equal(run(release_main, NULL), 0);
    assert_int_equal(drops, 1);
    assert_int_equal(try_int(2), WEFT_ECLOSED);
    int number = 2;
    assert_int_equal(weft_mailbox_send_wait(box, &number, WEFT_FOREVER), WEFT_ECLOSED);
    weft_mailbox_release(box);
    assert_int_equal(drops, 1);
}

/* A drop that looks into the mailbox finds what is left behind its item, never the item itself. */

static int seen_by_drops[8];

static void receive_in_drop(void *item)
{
    int next = 0;
    seen_by_drops[*(int *)item]++;
    if (weft_mailbox_try_receive(box, &next) == 0)
        seen_by_drops[next]++;
}

static int look_main(void *arg)
{
    (void)arg;
    assert_int_equal(weft_mailbox_new(&box, sizeof(int), 4, .drop = receive_in_drop), 0);
    for (int i = 1; i <= 4; i++)
        assert_int_equal(send_int(i), 0);
    return 0; /* its loop ends first */
}

static void test_mailbox_a_drop_that_receives_gets_each_item_once(void **state)
{
    (void)state;
    memset(seen_by_drops, 0, sizeof seen_by_drops);
    assert_int_equal(run(look_main, NULL), 0);
    weft_mailbox_release(box);
    for (int i = 1; i <= 4; i++)
        assert_int_equal(seen_by_drops[i], 1);
}

/* A drop that takes back a notice whose mail comes right behind that of the mailbox. */

static void never_called(void *arg)
{
    (void)arg;
    fail();
}

static void free_notice(void *item)
{
    struct weft_notice *notice = *(struct weft_notice **)item;
    weft_notice_fini(notice);
    free(notice);
}

static int notice_main(void *arg)
{
    (void)arg;
    struct weft_notice *notice = calloc(1, sizeof *notice);
    weft_notice_init(notice, weft_loop_current(), never_called, NULL);
    assert_int_equal(weft_mailbox_new(&box, sizeof(void *), 1, .drop = free_notice), 0);
    assert_int_equal(weft_mailbox_send(box, &notice), 0);
    weft_mailbox_release(box);
    assert_int_equal(weft_signal_post(notice), 0);
    return weft_sleep(MILLISECOND);
}

static void test_mailbox_a_drop_may_take_a_notice_back(void **state)
{
    (void)state;
    assert_int_equal(run(notice_main, NULL), 0);
}

static int misuse_main(void *arg)
{
    (void)arg;
    int number = 1;
    assert_int_equal(weft_mailbox_new(&box, 0, 1), -EINVAL);
    assert_int_equal(weft_mailbox_new(&box, 4, 0), -EINVAL);
    assert_int_equal(take_log("a mailbox for"), 2);
    open_box(1);
    assert_int_equal(weft_mailbox_receive_many(box, &number, 0), -EINVAL);
    expect_log("no item at all");
    assert_int_equal(weft_mailbox_send_wait(box, &number, 1), -EDEADLK);
    expect_log("weft_mailbox_send_wait() in a thread whose loop runs");
    weft_mailbox_release(box);
    weft_mailbox_release(NULL);
    weft_mailbox_close(NULL);
    return 0;
}

static void test_mailbox_misuse_is_told(void **state)
{
    (void)state;
    assert_int_equal(weft_mailbox_new(&box, 4, 1), -EPERM);
    expect_log("a mailbox was made where there is no loop");
    assert_int_equal(run(misuse_main, NULL), 0);
}

/* Between loops. The mailbox is the other loop's. */

static struct other_loop other;
static atomic_long received, wrong;
static sem_t done;

static int make_there(void *arg)
{
    (void)arg;
    open_box(*(size_t *)arg);
    return 0;
}

static void with_other_box(weft_fn *fn, size_t capacity)
{
    other = (struct other_loop){ 0 };
    other_start(&other);
    assert_int_equal(weft_spawn_on_wait(other.loop, make_there, &capacity, WEFT_FOREVER), 0);
    assert_int_equal(run(fn, NULL), 0);
    weft_mailbox_release(box);
    other_end(&other);
}

static int receive_all(void *arg)
{
    (void)arg;
    int number = 0, next = 1, err;
    while ((err = weft_mailbox_receive(box, &number)) == 0) {
        atomic_fetch_add(&received, 1);
        atomic_fetch_add(&wrong, number != next++);
    }
    return err;
}

/* Until the other loop is in the kernel, where nothing but a system call would wake it. */
static void wait_until_asleep(void)
{
    while (!atomic_load(&other.loop->inbox->asleep))
        sched_yield();
}

static int batch_main(void *arg)
{
    (void)arg;
    received = wrong = 0;
    weft_future *receiver = weft_spawn_on(other.loop, receive_all, NULL);
    for (int round = 0; round < 10; round++) {
        while (atomic_load(&received) < round * 100)
            weft_sleep(0);
        weft_sleep(0);
        wait_until_asleep();
        unsigned long wakes = atomic_load(&other.loop->inbox->wakes);
        uint64_t messages = stats().messages;
        for (int i = 1; i <= 100; i++)
            assert_int_equal(send_int(round * 100 + i), 0);
        while (atomic_load(&received) < round * 100 + 100)
            weft_sleep(0);
        assert_int_equal(stats().messages, messages + 1);
        assert_int_equal(atomic_load(&other.loop->inbox->wakes), wakes + 1);
    }
    weft_mailbox_close(box);
    assert_int_equal(weft_await(receiver), WEFT_ECLOSED);
    weft_future_release(receiver);
    assert_int_equal(wrong, 0);
    return 0;
}

static void test_mailbox_sends_of_a_turn_are_one_message_and_one_wake(void **state)
{
    (void)state;
    with_other_box(batch_main, 128);
}

static int busy_there(void *arg)
{
    weft_mailbox *from = arg;
    int number, err = 0;
    sem_post(&done);
    for (int got = 0; err == 0 && got < 1000;) { /* awake all the time */
        while (weft_mailbox_try_receive(from, &number) == 0)
            got++;
        err = weft_sleep(0);
    }
    return err;
}

static int awake_main(void *arg)
{
    (void)arg;
    sem_init(&done, 0, 0);
    weft_future *receiver = weft_spawn_on(other.loop, busy_there, box);
    sem_wait(&done);
    unsigned long wakes = atomic_load(&other.loop->inbox->wakes);
    for (int i = 1; i <= 1000; i++)
        assert_int_equal(send_int(i), 0);
    unsigned long later = atomic_load(&other.loop->inbox->wakes);
    assert_int_equal(weft_await(receiver), 0);
    assert_int_equal(later, wakes); /* it never slept */
    weft_future_release(receiver);
    sem_destroy(&done);
    return 0;
}

static void test_mailbox_costs_no_system_call_while_the_loop_is_awake(void **state)
{
    (void)state;
    with_other_box(awake_main, 16);
}

/* Many. */

enum { THREADS = 6, LOOPS = 2, SENDERS = THREADS + LOOPS };
static long sends_each;

struct parcel {
    int sender;
    long number;
};

static struct sender {
    pthread_t thread;
    int index;
    int result;
    long last; /* the receiver's */
} senders[SENDERS];

static void *send_from_thread(void *arg)
{
    struct sender *sender = arg;
    struct parcel parcel = { .sender = sender->index };
    int err = 0;
    for (parcel.number = 1; err == 0 && parcel.number <= sends_each; parcel.number++) {
        err = weft_mailbox_try_send(box, &parcel);
        if (err == -EAGAIN)
            err = weft_mailbox_send_wait(box, &parcel, WEFT_FOREVER);
    }
    sender->result = err;
    return NULL;
}

static int send_from_task(void *arg)
{
    struct sender *sender = arg;
    struct parcel parcel = { .sender = sender->index };
    int err = 0;
    for (parcel.number = 1; err == 0 && parcel.number <= sends_each; parcel.number++)
        err = weft_mailbox_send(box, &parcel);
    return err;
}

static void *send_from_loop(void *arg)
{
    struct sender *sender = arg;
    sender->result = weft_run(send_from_task, sender, .no_signals = true);
    return NULL;
}

static int many_main(void *arg)
{
    (void)arg;
    struct parcel parcels[32];
    assert_int_equal(weft_mailbox_new(&box, sizeof(struct parcel), 100), 0);
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){ .index = i };
        assert_int_equal(pthread_create(&senders[i].thread, NULL,
                                        i < THREADS ? send_from_thread : send_from_loop,
                                        &senders[i]),
                         0);
    }
    long total = SENDERS * sends_each, got = 0, disorder = 0;
    while (got < total) {
        ssize_t n = weft_mailbox_receive_many(box, parcels, 32);
        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++) {
            struct sender *sender = &senders[parcels[i].sender];
            disorder += parcels[i].number != sender->last + 1;
            sender->last = parcels[i].number;
        }
        got += n;
    }
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(senders[i].thread, NULL);
        assert_int_equal(senders[i].result, 0);
        assert_int_equal(senders[i].last, sends_each);
    }
    assert_int_equal(disorder, 0);
    assert_int_equal(weft_mailbox_try_receive(box, parcels), -EAGAIN);
    assert_int_equal(stats().sent, total);
    assert_in_range(stats().most, 1, 101);
    weft_mailbox_release(box);
    return 0;
}

static void test_mailbox_loses_nothing_and_keeps_each_senders_order(void **state)
{
    (void)state;
    const char *text = getenv("WEFT_TEST_OPERATIONS");
    sends_each = text ? strtol(text, NULL, 10) : 100000;
    assert_int_equal(weft_run(many_main, NULL, .no_signals = true), 0);
}

/* Senders that give up at any moment: what was said to be sent arrives, nothing else does. */

static atomic_long sent_sum, sent_count;

static void *send_impatiently(void *arg)
{
    struct sender *sender = arg;
    for (int i = 1; i <= 2000; i++) {
        int err = weft_mailbox_send_wait(box, &i, i % 7 * WEFT_MICROSECOND);
        if (err == 0) {
            atomic_fetch_add(&sent_count, 1);
            atomic_fetch_add(&sent_sum, i);
        } else if (err != -ETIMEDOUT) {
            sender->result = err;
        }
    }
    return NULL;
}

static int send_with_deadline(void *arg)
{
    struct sender *sender = arg;
    for (int i = 1; i <= 2000; i++) {
        weft_scope scope;
        weft_scope_begin(&scope, .timeout = (i % 7 + 1) * WEFT_MICROSECOND);
        int err = send_int(i);
        if (err == 0) {
            atomic_fetch_add(&sent_count, 1);
            atomic_fetch_add(&sent_sum, i);
        } else if (err != -ECANCELED) {
            sender->result = err;
        }
        weft_scope_leave(&scope, err);
    }
    return 0;
}

static void *send_from_impatient_loop(void *arg)
{
    weft_run(send_with_deadline, arg, .no_signals = true);
    return NULL;
}

static int impatient_main(void *arg)
{
    (void)arg;
    long sum = 0, count = 0;
    sent_sum = sent_count = 0;
    open_box(2);
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){ .index = i };
        pthread_create(&senders[i].thread, NULL,
                       i < THREADS ? send_impatiently : send_from_impatient_loop, &senders[i]);
    }
    for (int idle = 0; idle < 200;) {
        int number;
        if (weft_mailbox_try_receive(box, &number) == 0) {
            idle = 0;
            sum += number;
            count++;
        } else {
            idle++;
        }
        weft_sleep(idle > 20 ? 500 * WEFT_MICROSECOND : count % 5 * WEFT_MICROSECOND);
    }
    for (int i = 0; i < SENDERS; i++)
        pthread_join(senders[i].thread, NULL);
    weft_sleep(MILLISECOND);
    for (int number; weft_mailbox_try_receive(box, &number) == 0; count++)
        sum += number;
    for (int i = 0; i < SENDERS; i++)
        assert_int_equal(senders[i].result, 0);
    assert_int_equal(count, sent_count);
    assert_int_equal(sum, sent_sum);
    assert_int_equal(stats().senders, 0);
    weft_mailbox_release(box);
    return 0;
}

static void test_mailbox_senders_that_give_up_lose_and_double_nothing(void **state)
{
    (void)state;
    assert_int_equal(weft_run(impatient_main, NULL, .no_signals = true), 0);
    assert_int_equal(drops, 0);
}

/* Ends. */

static int end_main(void *arg)
{
    (void)arg;
    assert_int_equal(send_int(1), 0);
    weft_task *task;
    static int number = 2;
    weft_spawn(weft_background(), send_numbered, &number, .task = &task);
    weft_sleep(0);
    weft_sleep(0);
    other_stop(&other);
    assert_int_equal(weft_await(task), 0);
    weft_task_release(task);
    assert_string_equal(trace, "!"); /* WEFT_ECLOSED */
    assert_int_equal(send_int(3), WEFT_ECLOSED);
    return 0;
}

static void test_mailbox_closes_with_its_loop(void **state)
{
    (void)state;
    size_t capacity = 1;
    other = (struct other_loop){ 0 };
    other_start(&other);
    assert_int_equal(weft_spawn_on_wait(other.loop, make_there, &capacity, WEFT_FOREVER), 0);
    assert_int_equal(run(end_main, NULL), 0);
    other_join(&other, 0);
    assert_int_equal(drops, 1);
    weft_mailbox_release(box);
    weft_loop_release(other.loop);
}

static int elsewhere_main(void *arg)
{
    (void)arg;
    int number;
    assert_int_equal(weft_mailbox_receive(box, &number), WEFT_ETHREAD);
    assert_int_equal(weft_mailbox_try_receive(box, &number), WEFT_ETHREAD);
    expect_log("a mailbox was received from in another loop");
    assert_int_equal(send_int(1), 0);
    return 0;
}

static void test_mailbox_is_received_from_in_its_own_loop(void **state)
{
    (void)state;
    with_other_box(elsewhere_main, 2);
    assert_int_equal(drops, 1);
}

static void test_mailbox_a_plain_thread_waits_for_room(void **state)
{
    (void)state;
    size_t capacity = 1;
    int number = 1;
    other = (struct other_loop){ 0 };
    other_start(&other);
    assert_int_equal(weft_spawn_on_wait(other.loop, make_there, &capacity, WEFT_FOREVER), 0);
    assert_int_equal(weft_mailbox_send_wait(box, &number, 0), 0);
    number = 2;
    assert_int_equal(weft_mailbox_send_wait(box, &number, 0), -ETIMEDOUT);
    assert_int_equal(weft_mailbox_send_wait(box, &number, MILLISECOND), -ETIMEDOUT);
    assert_int_equal(weft_mailbox_try_send(box, &number), -EAGAIN);
    while (stats().senders > 0) /* its offer is on its way out */
        sched_yield();
    received = wrong = 0;
    weft_post(other.loop, set_stop, other.stop); /* any message: the loop is alive */
    other_join(&other, 0);
    assert_int_equal(weft_mailbox_send_wait(box, &number, WEFT_FOREVER), WEFT_ECLOSED);
    weft_mailbox_release(box);
    weft_loop_release(other.loop);
    assert_int_equal(drops, 1);
}

static int memory_main(void *arg)
{
    (void)arg;
    struct wf_memory_fault fault;
    int err = -ENOMEM, failures = 0;
    for (long n = 1; err < 0; n++, failures += err < 0) {
        fault = (struct wf_memory_fault){ .countdown = n };
        wf_memory_fault_set(&fault);
        err = weft_mailbox_new(&box, sizeof(int), 1);
        wf_memory_fault_set(NULL);
    }
    assert_int_equal(failures, 2);
    assert_int_equal(send_int(1), 0);
    fault = (struct wf_memory_fault){ .countdown = 1 };
    wf_memory_fault_set(&fault);
    err = send_int(2);
    wf_memory_fault_set(NULL);
    assert_int_equal(err, -ENOMEM);
    assert_int_equal(receive_int(), 1);
    weft_mailbox_release(box);
    return 0;
}

static void test_mailbox_no_memory_is_an_answer(void **state)
{
    (void)state;
    assert_int_equal(run(memory_main, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_mailbox_is_a_bounded_fifo_that_drains_when_closed),
        core_test(test_semantics_10_senders_wait_in_order_and_may_give_up),
        core_test(test_semantics_10_a_sender_that_has_its_place_is_not_cancelled),
        core_test(test_semantics_10_a_receiver_that_has_its_item_is_not_cancelled),
        core_test(test_mailbox_drops_what_nobody_receives),
        core_test(test_mailbox_a_drop_that_receives_gets_each_item_once),
        core_test(test_mailbox_a_drop_may_take_a_notice_back),
        core_test(test_mailbox_misuse_is_told),
        core_test(test_mailbox_sends_of_a_turn_are_one_message_and_one_wake),
        core_test(test_mailbox_costs_no_system_call_while_the_loop_is_awake),
        core_test(test_mailbox_loses_nothing_and_keeps_each_senders_order),
        core_test(test_mailbox_senders_that_give_up_lose_and_double_nothing),
        core_test(test_mailbox_closes_with_its_loop),
        core_test(test_mailbox_is_received_from_in_its_own_loop),
        core_test(test_mailbox_a_plain_thread_waits_for_room),
        core_test(test_mailbox_no_memory_is_an_answer),
    };
    return cmocka_run_group_tests_name("core mailbox", tests, NULL, NULL);
}
