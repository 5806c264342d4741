/* Streams: bytes in order, the end of the stream, and how many system calls it takes. */

#include "io_test.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

/* Echo, and what it costs */

static void check_echo(make_pair_fn *make)
{
    struct world world;
    struct echo echo;
    char text[64], answer[64];
    world_open(&world);
    echo_open(&world, &echo, make);
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "message %d", i);
        int64_t result = echo_recv(&world, &echo);
        if (result == WF_PENDING) {
            peer_send(echo.peer, text);
            result = finish(&world, &echo.probe);
        }
        assert_int_equal(result, strlen(text));
        echo_send(&world, &echo, result);
        memset(answer, 0, sizeof answer);
        assert_int_equal(recv(echo.peer, answer, sizeof answer, 0), strlen(text));
        assert_string_equal(answer, text);
    }
    echo_close(&world, &echo);
    world_close(&world);
}

static void test_stream_echo_over_a_unix_pair(void **state)
{
    (void)state;
    check_echo(make_pair);
}

static void test_stream_echo_over_tcp(void **state)
{
    (void)state;
    check_echo(make_tcp_pair);
}

/* `count` connections, all with a message each round: one wait serves them all. */
static void check_echo_costs(int count, make_pair_fn *make)
{
    const int rounds = 50;
    struct world world;
    struct echo *echoes = calloc((size_t)count, sizeof *echoes);
    world_open(&world);
    for (int i = 0; i < count; i++) {
        echo_open(&world, &echoes[i], make);
        assert_int_equal(echo_recv(&world, &echoes[i]), WF_PENDING);
    }
    drain(&world); /* the first edges: writable */
    struct wf_io_counters before = *counters(&world);
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < count; i++)
            peer_send(echoes[i].peer,
                      "sixty-four bytes or so of a message that a peer has sent to us");
        world.ops->wait(world.io, PATIENCE);
        for (int i = 0; i < count; i++) {
            char answer[128];
            echo_send(&world, &echoes[i], finish(&world, &echoes[i].probe));
            assert_true(recv(echoes[i].peer, answer, sizeof answer, 0) > 0);
            assert_int_equal(echo_recv(&world, &echoes[i]), WF_PENDING);
        }
    }
    const struct wf_io_counters *after = counters(&world);
    uint64_t echoed = (uint64_t)(rounds * count);
    assert_int_equal(after->controls, before.controls);
    assert_int_equal(after->others, before.others);
    if (on_uring(&world)) {
        assert_int_equal(after->receives, before.receives);
    } else {
        assert_int_equal(after->receives - before.receives, echoed);
        assert_int_equal(after->sends - before.sends, echoed);
        assert_true(after->waits - before.waits <= (uint64_t)rounds);
        assert_int_equal(after->completions - before.completions, echoed);
    }
    for (int i = 0; i < count; i++)
        echo_close(&world, &echoes[i]);
    free(echoes);
    world_close(&world);
}

static void test_stream_echo_costs_two_calls_and_a_share_of_a_wait(void **state)
{
    (void)state;
    check_echo_costs(1, make_pair);
    check_echo_costs(1, make_tcp_pair);
    check_echo_costs(32, make_pair);
    check_echo_costs(32, make_tcp_pair);
}

static void test_stream_short_read_parks_the_next_without_a_call(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    world_open(&world);
    echo_open(&world, &echo, make_pair);
    peer_send(echo.peer, "abc");
    drain(&world);
    assert_int_equal(settle(&world, &echo.probe, echo_recv(&world, &echo)), 3);
    uint64_t receives = counters(&world)->receives;
    assert_int_equal(echo_recv(&world, &echo), WF_PENDING);
    assert_int_equal(counters(&world)->receives, receives);
    echo_close(&world, &echo);
    world_close(&world);
}

static void test_stream_full_read_tries_again_at_once(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    char data[3];
    world_open(&world);
    echo_open(&world, &echo, make_pair);
    peer_send(echo.peer, "abcdef");
    drain(&world);
    for (int i = 0; i < 2; i++) {
        int64_t result = submit_recv(&world, &echo.probe, &echo.descriptor, data, 3);
        assert_int_equal(settle(&world, &echo.probe, result), 3);
    }
    assert_memory_equal(data, "def", 3);
    assert_int_equal(submit_recv(&world, &echo.probe, &echo.descriptor, data, 3), WF_PENDING);
    echo_close(&world, &echo);
    world_close(&world);
}

/* The end of the stream */

static void check_data_with_end(make_pair_fn *make)
{
    struct world world;
    struct echo echo;
    world_open(&world);
    echo_open(&world, &echo, make);
    assert_int_equal(echo_recv(&world, &echo), WF_PENDING);
    drain(&world);
    peer_send(echo.peer, "bye");
    close(echo.peer);
    echo.peer = -1;
    assert_int_equal(finish(&world, &echo.probe), 3);
    for (int i = 0; i < 2; i++) /* or it would wait for ever */
        assert_int_equal(settle(&world, &echo.probe, echo_recv(&world, &echo)), 0);
    echo_close(&world, &echo);
    world_close(&world);
}

static void test_stream_end_that_came_with_data_is_not_lost(void **state)
{
    (void)state;
    check_data_with_end(make_pair);
    check_data_with_end(make_tcp_pair);
}

static void check_data_then_end(make_pair_fn *make)
{
    struct world world;
    struct echo echo;
    world_open(&world);
    echo_open(&world, &echo, make);
    peer_send(echo.peer, "bye");
    drain(&world);
    shutdown(echo.peer, SHUT_WR); /* between the event and the receive */
    assert_int_equal(settle(&world, &echo.probe, echo_recv(&world, &echo)), 3);
    assert_int_equal(settle(&world, &echo.probe, echo_recv(&world, &echo)), 0);
    echo_send(&world, &echo, 3); /* only his side has ended */
    echo_close(&world, &echo);
    world_close(&world);
}

static void test_stream_end_that_came_after_the_event_is_not_lost(void **state)
{
    (void)state;
    check_data_then_end(make_pair);
    check_data_then_end(make_tcp_pair);
}

static void test_stream_urgent_data_does_not_hide_what_follows(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    world_open(&world);
    echo_open(&world, &echo, make_tcp_pair);
    assert_int_equal(echo_recv(&world, &echo), WF_PENDING);
    drain(&world);
    peer_send(echo.peer, "abc");
    assert_int_equal(send(echo.peer, "!", 1, MSG_OOB), 1);
    peer_send(echo.peer, "def");
    assert_int_equal(finish(&world, &echo.probe), 3); /* a receive stops at the mark */
    assert_int_equal(settle(&world, &echo.probe, echo_recv(&world, &echo)), 3);
    assert_memory_equal(echo.data, "def", 3);
    echo_close(&world, &echo);
    world_close(&world);
}

static void test_stream_reset_is_reported_to_reader_and_writer(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    struct probe writer = { 0 };
    struct linger linger = { .l_onoff = 1 };
    struct iovec vector = { (char[]){ "x" }, 1 };
    world_open(&world);
    echo_open(&world, &echo, make_tcp_pair);
    assert_int_equal(echo_recv(&world, &echo), WF_PENDING);
    setsockopt(echo.peer, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(echo.peer);
    echo.peer = -1;
    assert_int_equal(finish(&world, &echo.probe), -ECONNRESET);
    assert_int_equal(submit_send(&world, &writer, &echo.descriptor, &vector, 1), -EPIPE);
    assert_int_equal(settle(&world, &echo.probe, echo_recv(&world, &echo)), 0);
    echo_close(&world, &echo);
    world_close(&world);
}

/* Sending */

static void check_partial_send(make_pair_fn *make)
{
    const size_t size = 8 << 20;
    struct world world;
    struct echo echo;
    unsigned char *data = malloc(size), next = 0;
    size_t sent = 0, received = 0;
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)i;
    world_open(&world);
    echo_open(&world, &echo, make);
    while (sent < size) {
        struct iovec vector = { data + sent, size - sent };
        int64_t result = submit_send(&world, &echo.probe, &echo.descriptor, &vector, 1);
        if (result == WF_PENDING) {
            drain_peer(echo.peer, &next, &received);
            result = finish(&world, &echo.probe);
        }
        assert_true(result > 0);
        sent += (size_t)result;
        if (sent < size)
            assert_false(echo.descriptor.can_write); /* partial: no second try */
    }
    while (received < size)
        drain_peer(echo.peer, &next, &received);
    echo_close(&world, &echo);
    world_close(&world);
    free(data);
}

static void test_stream_partial_send_resumes_where_it_stopped(void **state)
{
    (void)state;
    check_partial_send(make_pair);
    check_partial_send(make_tcp_pair);
}

static void test_stream_send_gathers_a_vector_beyond_the_kernels_limit(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    struct iovec vector[IOV_MAX + 10];
    char answer[2 * IOV_MAX], letter[] = "x";
    for (int i = 0; i < IOV_MAX + 10; i++)
        vector[i] = (struct iovec){ letter, 1 };
    world_open(&world);
    echo_open(&world, &echo, make_pair);
    assert_int_equal(submit_send(&world, &echo.probe, &echo.descriptor, vector, IOV_MAX + 10),
                     IOV_MAX);
    assert_true(echo.descriptor.can_write); /* the kernel took all it was given */
    assert_int_equal(submit_send(&world, &echo.probe, &echo.descriptor, vector, 10), 10);
    assert_int_equal(recv(echo.peer, answer, sizeof answer, 0), IOV_MAX + 10);
    echo_close(&world, &echo);
    world_close(&world);
}

static void test_stream_send_to_nobody_raises_no_signal(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    struct iovec vector[2] = { { (char[]){ "a" }, 1 }, { (char[]){ "b" }, 1 } };
    world_open(&world);
    echo_open(&world, &echo, make_pair);
    close(echo.peer);
    echo.peer = -1;
    assert_int_equal(submit_send(&world, &echo.probe, &echo.descriptor, vector, 1), -EPIPE);
    assert_int_equal(submit_send(&world, &echo.probe, &echo.descriptor, vector, 2), -EPIPE);
    echo_close(&world, &echo);
    world_close(&world);
}

static void test_stream_both_sides_may_wait_at_once(void **state)
{
    (void)state;
    const size_t size = 4 << 20;
    struct world world;
    struct echo echo;
    struct probe writer = { 0 };
    unsigned char next = 0;
    size_t received = 0;
    unsigned char *data = malloc(size);
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)i;
    world_open(&world);
    echo_open(&world, &echo, make_pair);
    assert_int_equal(echo_recv(&world, &echo), WF_PENDING);
    struct iovec vector = { data, size };
    int64_t sent = submit_send(&world, &writer, &echo.descriptor, &vector, 1);
    vector = (struct iovec){ data + sent, size - (size_t)sent };
    assert_int_equal(submit_send(&world, &writer, &echo.descriptor, &vector, 1), WF_PENDING);
    peer_send(echo.peer, "hello");
    assert_int_equal(finish(&world, &echo.probe), 5);
    assert_int_equal(writer.calls, 0);
    drain_peer(echo.peer, &next, &received);
    assert_true(finish(&world, &writer) > 0);
    echo_close(&world, &echo);
    world_close(&world);
    free(data);
}

/* Signals that interrupt */

static volatile sig_atomic_t interrupts;

static void on_alarm(int number)
{
    (void)number;
    interrupts++;
}

static void *echo_peer(void *argument)
{
    int fd = *(int *)argument;
    char data[64];
    ssize_t size;
    while ((size = recv(fd, data, sizeof data, 0)) > 0)
        if (send(fd, data, (size_t)size, MSG_NOSIGNAL) != size)
            break;
    return NULL;
}

static void test_stream_storm_of_signals_disturbs_nothing(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    pthread_t thread;
    sigset_t alarms, before;
    struct sigaction action = { .sa_handler = on_alarm }, old;
    struct itimerval storm = { { 0, 100 }, { 0, 100 } }, quiet = { 0 };
    world_open(&world);
    echo_open(&world, &echo, make_tcp_pair);
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarms, &before);
    assert_int_equal(pthread_create(&thread, NULL, echo_peer, &echo.peer), 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    sigaction(SIGALRM, &action, &old);
    setitimer(ITIMER_REAL, &storm, NULL);
    const char *text = getenv("WEFT_TEST_OPERATIONS");
    long interrupts_min = text ? strtol(text, NULL, 10) : 10;
    for (int i = 0; i < 10000 || interrupts < interrupts_min; i++) {
        memcpy(echo.data, &i, sizeof i);
        echo_send(&world, &echo, 48);
        for (int64_t received = 0; received < 48;)
            received += settle(&world, &echo.probe, echo_recv(&world, &echo));
        assert_memory_equal(echo.data, &i, sizeof i);
    }
    setitimer(ITIMER_REAL, &quiet, NULL);
    sigaction(SIGALRM, &old, NULL);
    shutdown(echo.descriptor.fd, SHUT_RDWR);
    pthread_join(thread, NULL);
    echo_close(&world, &echo);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream_echo_over_a_unix_pair),
        cmocka_unit_test(test_stream_echo_over_tcp),
        cmocka_unit_test(test_stream_echo_costs_two_calls_and_a_share_of_a_wait),
        cmocka_unit_test(test_stream_short_read_parks_the_next_without_a_call),
        cmocka_unit_test(test_stream_full_read_tries_again_at_once),
        cmocka_unit_test(test_stream_end_that_came_with_data_is_not_lost),
        cmocka_unit_test(test_stream_end_that_came_after_the_event_is_not_lost),
        cmocka_unit_test(test_stream_urgent_data_does_not_hide_what_follows),
        cmocka_unit_test(test_stream_reset_is_reported_to_reader_and_writer),
        cmocka_unit_test(test_stream_partial_send_resumes_where_it_stopped),
        cmocka_unit_test(test_stream_send_gathers_a_vector_beyond_the_kernels_limit),
        cmocka_unit_test(test_stream_send_to_nobody_raises_no_signal),
        cmocka_unit_test(test_stream_both_sides_may_wait_at_once),
        cmocka_unit_test(test_stream_storm_of_signals_disturbs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
