/* The inbox under one thread, under eight, and under signals. The loop that sleeps on it is the
 * real driver's. */

#include "io_test.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>

#define PRODUCERS 8
#define MESSAGES  100000

struct message {
    struct wf_mail mail;
    int producer;
    int number;
};

static struct message *message_of(struct wf_mail *mail)
{
    return wf_container(mail, struct message, mail);
}

static void test_inbox_take_is_oldest_first(void **state)
{
    (void)state;
    struct wf_inbox *inbox;
    struct message messages[5];
    assert_int_equal(wf_inbox_new(&inbox), 0);
    assert_true(wf_inbox_is_empty(inbox));
    assert_null(wf_inbox_take(inbox));
    for (int i = 0; i < 5; i++)
        assert_int_equal(wf_inbox_push(inbox, &messages[i].mail), 0);
    assert_false(wf_inbox_is_empty(inbox));
    struct wf_mail *mail = wf_inbox_take(inbox);
    for (int i = 0; i < 5; i++, mail = mail->next)
        assert_ptr_equal(mail, &messages[i].mail);
    assert_null(mail);
    assert_true(wf_inbox_is_empty(inbox));
    wf_inbox_release(inbox);
}

static void test_inbox_awake_costs_no_wake(void **state)
{
    (void)state;
    struct wf_inbox *inbox;
    struct message messages[100];
    assert_int_equal(wf_inbox_new(&inbox), 0);
    for (int i = 0; i < 100; i++)
        wf_inbox_push(inbox, &messages[i].mail);
    assert_int_equal(atomic_load(&inbox->wakes), 0);
    assert_false(wf_inbox_fall_asleep(inbox)); /* there is mail */
    wf_inbox_take(inbox);
    wf_inbox_push(inbox, &messages[0].mail);
    assert_int_equal(atomic_load(&inbox->wakes), 0);
    wf_inbox_release(inbox);
}

static void test_inbox_asleep_costs_one_wake(void **state)
{
    (void)state;
    struct wf_inbox *inbox;
    struct message messages[100];
    assert_int_equal(wf_inbox_new(&inbox), 0);
    assert_true(wf_inbox_fall_asleep(inbox));
    for (int i = 0; i < 100; i++)
        wf_inbox_push(inbox, &messages[i].mail);
    assert_int_equal(atomic_load(&inbox->wakes), 1);
    wf_inbox_wake_up(inbox);
    wf_inbox_release(inbox);
}

static void test_inbox_close_returns_what_is_left_and_refuses_the_rest(void **state)
{
    (void)state;
    struct wf_inbox *inbox;
    struct message messages[3];
    assert_int_equal(wf_inbox_new(&inbox), 0);
    wf_inbox_push(inbox, &messages[0].mail);
    wf_inbox_push(inbox, &messages[1].mail);
    struct wf_mail *left = wf_inbox_close(inbox);
    assert_ptr_equal(left, &messages[0].mail);
    assert_ptr_equal(left->next, &messages[1].mail);
    assert_null(left->next->next);
    assert_int_equal(wf_inbox_push(inbox, &messages[2].mail), -ESHUTDOWN);
    assert_true(wf_inbox_is_empty(inbox));
    assert_null(wf_inbox_take(inbox));
    assert_true(wf_inbox_fall_asleep(inbox));
    assert_int_equal(wf_inbox_push(inbox, &messages[2].mail), -ESHUTDOWN);
    assert_null(wf_inbox_close(inbox));
    assert_int_equal(atomic_load(&inbox->wakes), 0);
    wf_inbox_release(inbox);
}

static void test_inbox_new_reports_what_failed(void **state)
{
    (void)state;
    struct wf_inbox *inbox = NULL;
    struct wf_io_fault fault = { .kind = WF_FAULT_OPEN, .countdown = 1, .error = EMFILE };
    wf_io_fault_set(&fault);
    assert_int_equal(wf_inbox_new(&inbox), -EMFILE);
    wf_io_fault_set(NULL);
    struct wf_memory_fault no_memory = { .countdown = 1 };
    wf_memory_fault_set(&no_memory);
    assert_int_equal(wf_inbox_new(&inbox), -ENOMEM);
    wf_memory_fault_set(NULL);
    assert_null(inbox);
}

static void test_inbox_release_of_null_is_harmless(void **state)
{
    (void)state;
    wf_inbox_release(NULL);
}

/* Eight producers */

struct producer {
    pthread_t thread;
    struct wf_inbox *inbox; /* a reference of its own */
    struct message *messages;
    int number;
    int accepted;
};

static void *produce(void *argument)
{
    struct producer *producer = argument;
    for (int i = 0; i < MESSAGES; i++) {
        producer->messages[i].producer = producer->number;
        producer->messages[i].number = i;
        if (wf_inbox_push(producer->inbox, &producer->messages[i].mail) == 0)
            producer->accepted++;
    }
    wf_inbox_release(producer->inbox);
    return NULL;
}

static void start(struct producer *producers, struct wf_inbox *inbox)
{
    for (int i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){ .inbox = wf_inbox_retain(inbox), .number = i };
        producers[i].messages = calloc(MESSAGES, sizeof *producers[i].messages);
        assert_non_null(producers[i].messages);
        assert_int_equal(pthread_create(&producers[i].thread, NULL, produce, &producers[i]), 0);
    }
}

static int stop(struct producer *producers)
{
    int accepted = 0;
    for (int i = 0; i < PRODUCERS; i++) {
        pthread_join(producers[i].thread, NULL);
        accepted += producers[i].accepted;
        free(producers[i].messages);
    }
    return accepted;
}

/* Check each producer's order; returns how many there were. */
static int read_all(struct wf_mail *mail, int *next)
{
    int count = 0;
    for (; mail; mail = mail->next, count++) {
        struct message *message = message_of(mail);
        assert_int_equal(message->number, next[message->producer]);
        next[message->producer]++;
    }
    return count;
}

static void test_inbox_eight_producers_lose_nothing_and_keep_order(void **state)
{
    (void)state;
    struct world world;
    struct producer producers[PRODUCERS];
    int next[PRODUCERS] = { 0 };
    world_open(&world);
    start(producers, world.inbox);
    for (int count = 0; count < PRODUCERS * MESSAGES;) {
        world.ops->wait(world.io, WEFT_FOREVER); /* a lost wake-up hangs here */
        count += read_all(wf_inbox_take(world.inbox), next);
    }
    assert_true(atomic_load(&world.inbox->wakes) <= counters(&world)->waits);
    assert_int_equal(stop(producers), PRODUCERS * MESSAGES);
    world_close(&world);
}

static void test_inbox_close_among_producers_loses_nothing(void **state)
{
    (void)state;
    struct world world;
    struct producer producers[PRODUCERS];
    int next[PRODUCERS] = { 0 };
    int count = 0;
    world_open(&world);
    start(producers, world.inbox);
    while (count < MESSAGES) {
        world.ops->wait(world.io, WEFT_FOREVER);
        count += read_all(wf_inbox_take(world.inbox), next);
    }
    count += read_all(wf_inbox_close(world.inbox), next);
    world.ops->close(world.io);
    wf_inbox_release(world.inbox); /* it goes with the last producer */
    assert_int_equal(stop(producers), count);
    assert_int_equal(count_fds(), world.fds);
}

/* Signals */

static struct wf_inbox *signalled;
static struct message notices[1000];
static volatile sig_atomic_t pushed;

static void on_signal(int number)
{
    (void)number;
    if (pushed < 1000 && wf_inbox_push(signalled, &notices[pushed].mail) == 0)
        pushed++;
}

static void test_inbox_push_from_a_signal_handler_wakes_the_loop(void **state)
{
    (void)state;
    struct world world;
    struct sigaction action = { .sa_handler = on_signal }, before;
    struct itimerval storm = { { 0, 200 }, { 0, 200 } }, quiet = { 0 };
    world_open(&world);
    signalled = world.inbox;
    pushed = 0;
    sigaction(SIGALRM, &action, &before);
    setitimer(ITIMER_REAL, &storm, NULL);
    for (int count = 0; count < 500;) {
        world.ops->wait(world.io, WEFT_FOREVER);
        for (struct wf_mail *mail = wf_inbox_take(world.inbox); mail; mail = mail->next)
            assert_ptr_equal(mail, &notices[count++].mail);
    }
    setitimer(ITIMER_REAL, &quiet, NULL);
    sigaction(SIGALRM, &before, NULL);
    wf_inbox_take(world.inbox);
    world_close(&world);
}

static void test_inbox_push_leaves_errno_alone(void **state)
{
    (void)state;
    struct message message;
    struct wf_inbox *inbox;
    assert_int_equal(wf_inbox_new(&inbox), 0);
    int real = inbox->event_fd;
    inbox->event_fd = -1; /* write() will fail */
    assert_true(wf_inbox_fall_asleep(inbox));
    errno = EXDEV;
    assert_int_equal(wf_inbox_push(inbox, &message.mail), 0);
    assert_int_equal(errno, EXDEV);
    inbox->event_fd = real;
    wf_inbox_release(inbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inbox_take_is_oldest_first),
        cmocka_unit_test(test_inbox_awake_costs_no_wake),
        cmocka_unit_test(test_inbox_asleep_costs_one_wake),
        cmocka_unit_test(test_inbox_close_returns_what_is_left_and_refuses_the_rest),
        cmocka_unit_test(test_inbox_new_reports_what_failed),
        cmocka_unit_test(test_inbox_release_of_null_is_harmless),
        cmocka_unit_test(test_inbox_eight_producers_lose_nothing_and_keep_order),
        cmocka_unit_test(test_inbox_close_among_producers_loses_nothing),
        cmocka_unit_test(test_inbox_push_from_a_signal_handler_wakes_the_loop),
        cmocka_unit_test(test_inbox_push_leaves_errno_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
