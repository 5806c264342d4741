/* A loop with nothing to do that looks for mail before it sleeps. */

#include "core/core_test.h"

#include <weft/mailbox.h>

#define LONG_SPIN SECOND

/* When it is worth it. */

static void test_spin_stops_where_mail_stays_away(void **state)
{
    (void)state;
    struct wf_spin spin = { .bound = 1000 };
    int tries = 0;
    for (; wf_spin_is_worth(&spin); tries++)
        wf_spin_note(&spin, 1000, false);
    assert_in_range(tries, 1, 4);
    for (int i = 0; i < 50; i++)
        wf_spin_note(&spin, 100000, true); /* mail comes, but late */
    assert_false(wf_spin_is_worth(&spin));
    for (tries = 0; !wf_spin_is_worth(&spin); tries++)
        wf_spin_note(&spin, 100, true);
    assert_in_range(tries, 1, 20);
    spin.bound = 0;
    assert_false(wf_spin_is_worth(&spin));
}

static void test_spin_follows_option_and_environment(void **state)
{
    (void)state;
    struct wf_spin spin;
    char before[32] = "";
    snprintf(before, sizeof before, "%s", getenv("WEFT_SPIN") ? getenv("WEFT_SPIN") : "");
    setenv("WEFT_SPIN", "5000", 1);
    wf_spin_init(&spin, 0);
    assert_int_equal(spin.bound, wf_clock_ticks_of(5000));
    wf_spin_init(&spin, 7000);
    assert_int_equal(spin.bound, wf_clock_ticks_of(7000));
    wf_spin_init(&spin, -1);
    assert_int_equal(spin.bound, 0);
    setenv("WEFT_SPIN", "0", 1);
    wf_spin_init(&spin, 0);
    assert_int_equal(spin.bound, 0);
    setenv("WEFT_SPIN", before, 1);
}

static int virtual_main(void *arg)
{
    (void)arg;
    return weft_loop_current()->spin.bound == 0 ? weft_sleep(WEFT_HOUR) : -EPROTO;
}

static void test_spin_is_off_in_virtual_time(void **state)
{
    (void)state;
    assert_int_equal(weft_run(virtual_main, NULL, .clock = WEFT_CLOCK_TEST, .no_signals = true,
                              .spin = LONG_SPIN),
                     0);
}

/* Two loops that spin make no system call to wake each other. */

enum { TRIPS = 2000 };
static _Atomic(weft_mailbox *) boxes[2];
static unsigned long wakes[2];

static int trip(void *arg)
{
    int me = *(int *)arg;
    weft_mailbox *in, *out;
    assert_int_equal(weft_mailbox_new(&in, sizeof(int), 4), 0);
    boxes[me] = weft_mailbox_retain(in);
    while (!(out = boxes[1 - me]))
        weft_sleep(0);
    wakes[me] = atomic_load(&weft_loop_current()->inbox->wakes);
    int err = 0;
    for (int i = 0, item = 0; err == 0 && i < TRIPS; i++) {
        if (me == 0)
            err = weft_mailbox_send(out, &i);
        if (err == 0)
            err = weft_mailbox_receive(in, &item);
        if (me == 1 && err == 0)
            err = weft_mailbox_send(out, &i);
    }
    wakes[me] = atomic_load(&weft_loop_current()->inbox->wakes) - wakes[me];
    weft_mailbox_release(out);
    weft_mailbox_release(in);
    return err;
}

static void *run_trip(void *arg)
{
    return (void *)(intptr_t)weft_run(trip, arg, .no_signals = true, .spin = LONG_SPIN);
}

static void test_spin_needs_no_wake(void **state)
{
    (void)state;
    int index[2] = { 0, 1 };
    void *result;
    pthread_t thread;
    boxes[0] = boxes[1] = NULL;
    assert_int_equal(pthread_create(&thread, NULL, run_trip, &index[1]), 0);
    assert_null(run_trip(&index[0]));
    pthread_join(thread, &result);
    assert_null(result);
    assert_int_equal(wakes[0], 0);
    assert_int_equal(wakes[1], 0);
}

/* Timers and descriptors are served meanwhile. */

static void *write_later(void *arg)
{
    struct timespec pause = { .tv_nsec = 5 * MILLISECOND };
    nanosleep(&pause, NULL);
    assert_int_equal(write(*(int *)arg, "x", 1), 1);
    return NULL;
}

static int served_main(void *arg)
{
    (void)arg;
    int pipes[2];
    pthread_t thread;
    int64_t begun = real_now();
    for (int i = 0; i < 5; i++)
        assert_int_equal(weft_sleep(MILLISECOND), 0);
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(pthread_create(&thread, NULL, write_later, &pipes[1]), 0);
    assert_int_equal(weft_poll_fd(pipes[0], WEFT_READABLE), WEFT_READABLE);
    pthread_join(thread, NULL);
    close(pipes[0]);
    close(pipes[1]);
    return real_now() - begun < 10 * LONG_SPIN ? 0 : -ETIMEDOUT;
}

static void test_spin_serves_timers_and_descriptors(void **state)
{
    (void)state;
    int64_t begun = real_now();
    assert_int_equal(weft_run(served_main, NULL, .no_signals = true, .spin = 100 * LONG_SPIN), 0);
    assert_true(real_now() - begun < 50 * LONG_SPIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_spin_stops_where_mail_stays_away),
        core_test(test_spin_follows_option_and_environment),
        core_test(test_spin_is_off_in_virtual_time),
        core_test(test_spin_needs_no_wake),
        core_test(test_spin_serves_timers_and_descriptors),
    };
    return cmocka_run_group_tests_name("core spin", tests, NULL, NULL);
}
