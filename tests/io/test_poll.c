/* POLL: readiness of numbers that are not the driver's, however they are shared, closed and used
 * again. */

#include "io_test.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

static void make_pipe(int *ends)
{
    assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
}

static void close_both(const int *ends)
{
    close(ends[0]);
    close(ends[1]);
}

static void cancel(struct world *world, struct probe *probe)
{
    assert_true(probe->op.pending);
    assert_true(world->ops->cancel(world->io, &probe->op)); /* always at once */
    assert_false(probe->op.pending);
}

static void test_poll_pipe_becomes_readable(void **state)
{
    (void)state;
    struct world world;
    struct probe probe = { 0 };
    int ends[2];
    world_open(&world);
    make_pipe(ends);
    assert_int_equal(submit_poll(&world, &probe, ends[0], WF_POLL_READ), WF_PENDING);
    drain(&world);
    assert_int_equal(probe.calls, 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(finish(&world, &probe), WF_POLL_READ);
    close_both(ends);
    world_close(&world);
}

static void test_poll_tells_each_time_while_it_is_ready(void **state)
{
    (void)state;
    struct world world;
    struct probe probe = { 0 };
    int ends[2];
    world_open(&world);
    make_pipe(ends);
    assert_int_equal(write(ends[1], "x", 1), 1);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(submit_poll(&world, &probe, ends[0], WF_POLL_READ), WF_PENDING);
        assert_int_equal(finish(&world, &probe), WF_POLL_READ);
    }
    if (!on_uring(&world))
        assert_int_equal(counters(&world)->controls, 1 + 5); /* the inbox; one each */
    close_both(ends);
    world_close(&world);
}

static void test_poll_hang_up_is_an_error_and_the_interest(void **state)
{
    (void)state;
    struct world world;
    struct probe reader = { 0 }, writer = { 0 };
    int ends[2];
    world_open(&world);
    make_pipe(ends);
    assert_int_equal(submit_poll(&world, &reader, ends[0], WF_POLL_READ), WF_PENDING);
    close(ends[1]);
    assert_int_equal(finish(&world, &reader), WF_POLL_READ | WF_POLL_ERROR);
    close(ends[0]);
    make_pipe(ends);
    close(ends[0]);
    assert_int_equal(submit_poll(&world, &writer, ends[1], WF_POLL_WRITE), WF_PENDING);
    assert_int_equal(finish(&world, &writer), WF_POLL_WRITE | WF_POLL_ERROR);
    close(ends[1]);
    world_close(&world);
}

static void test_poll_hang_up_ends_all_who_wait(void **state)
{
    (void)state;
    struct world world;
    struct probe probes[3] = { 0 };
    int ends[2];
    world_open(&world);
    make_pipe(ends);
    for (int i = 0; i < 3; i++)
        assert_int_equal(submit_poll(&world, &probes[i], ends[0], (unsigned)i), WF_PENDING);
    close(ends[1]);
    for (int i = 0; i < 3; i++)
        assert_int_equal(finish(&world, &probes[i]), i | WF_POLL_ERROR);
    close(ends[0]);
    world_close(&world);
}

static void test_poll_eventfd_both_ways(void **state)
{
    (void)state;
    struct world world;
    struct probe probe = { 0 };
    world_open(&world);
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    const unsigned both = WF_POLL_READ | WF_POLL_WRITE;
    assert_int_equal(submit_poll(&world, &probe, fd, both), WF_PENDING);
    assert_int_equal(finish(&world, &probe), WF_POLL_WRITE);
    eventfd_write(fd, 1);
    assert_int_equal(submit_poll(&world, &probe, fd, both), WF_PENDING);
    assert_int_equal(finish(&world, &probe), both);
    close(fd);
    world_close(&world);
}

static void test_poll_regular_file_is_always_ready(void **state)
{
    (void)state;
    struct world world;
    struct probe probe = { 0 };
    world_open(&world);
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    for (unsigned interest = 1; interest < 4; interest++)
        assert_int_equal(submit_poll(&world, &probe, fd, interest), interest);
    close(fd);
    world_close(&world);
}

static void test_poll_refuses_what_is_owned_or_closed(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    struct probe probe = { 0 };
    world_open(&world);
    echo_open(&world, &echo, make_pair);
    assert_int_equal(submit_poll(&world, &probe, echo.descriptor.fd, WF_POLL_READ), -EEXIST);
    assert_int_equal(submit_poll(&world, &probe, -1, WF_POLL_READ), -EBADF);
    assert_int_equal(submit_poll(&world, &probe, 9999, WF_POLL_READ), -EBADF);
    echo_close(&world, &echo);
    world_close(&world);
}

static void test_poll_two_directions_wait_at_once(void **state)
{
    (void)state;
    struct world world;
    struct probe reader = { 0 }, writer = { 0 }, late = { 0 };
    int ends[2];
    world_open(&world);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(submit_poll(&world, &reader, ends[0], WF_POLL_READ), WF_PENDING);
    assert_int_equal(submit_poll(&world, &writer, ends[0], WF_POLL_WRITE), WF_PENDING);
    assert_int_equal(finish(&world, &writer), WF_POLL_WRITE);
    assert_int_equal(reader.calls, 0);
    peer_send(ends[1], "x");
    assert_int_equal(finish(&world, &reader), WF_POLL_READ);
    assert_int_equal(submit_poll(&world, &late, ends[0], WF_POLL_READ | WF_POLL_WRITE), WF_PENDING);
    assert_int_equal(finish(&world, &late), WF_POLL_READ | WF_POLL_WRITE);
    close_both(ends);
    world_close(&world);
}

static void test_poll_cancel_leaves_the_others(void **state)
{
    (void)state;
    struct world world;
    struct probe probes[3] = { 0 };
    int ends[2];
    world_open(&world);
    make_pipe(ends);
    for (int i = 0; i < 3; i++)
        assert_int_equal(submit_poll(&world, &probes[i], ends[0], WF_POLL_READ), WF_PENDING);
    cancel(&world, &probes[1]);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(finish(&world, &probes[0]), WF_POLL_READ);
    assert_int_equal(finish(&world, &probes[2]), WF_POLL_READ);
    assert_int_equal(probes[1].calls, 0);
    close_both(ends);
    world_close(&world);
}

static void test_poll_cancel_of_the_last_leaves_one_event_for_nobody(void **state)
{
    (void)state;
    struct world world;
    struct probe probe = { 0 };
    int ends[2];
    world_open(&world);
    make_pipe(ends);
    assert_int_equal(submit_poll(&world, &probe, ends[0], WF_POLL_READ), WF_PENDING);
    cancel(&world, &probe);
    assert_int_equal(write(ends[1], "x", 1), 1);
    drain(&world);
    assert_int_equal(probe.calls, 0);
    assert_int_equal(submit_poll(&world, &probe, ends[0], WF_POLL_READ), WF_PENDING);
    assert_int_equal(finish(&world, &probe), WF_POLL_READ);
    close_both(ends);
    world_close(&world);
}

static struct world *cancel_world;

static void cancel_another(struct probe *probe)
{
    struct probe *another = probe->with;
    if (another->op.pending)
        cancel(cancel_world, another);
}

static void test_poll_cancel_by_one_that_is_done_in_the_same_event(void **state)
{
    (void)state;
    struct world world;
    struct probe probes[2] = { 0 };
    int ends[2];
    world_open(&world);
    make_pipe(ends);
    cancel_world = &world;
    for (int i = 0; i < 2; i++) {
        probes[i].then = cancel_another;
        probes[i].with = &probes[1 - i];
        assert_int_equal(submit_poll(&world, &probes[i], ends[0], WF_POLL_READ), WF_PENDING);
    }
    assert_int_equal(write(ends[1], "x", 1), 1);
    drain(&world);
    assert_int_equal(probes[0].calls, 1);
    assert_int_equal(probes[1].calls, 0);
    close_both(ends);
    world_close(&world);
}

static void submit_again(struct probe *probe)
{
    if (probe->calls == 1) {
        struct world *world = probe->with;
        assert_int_equal(submit_poll(world, probe, probe->op.poll.fd, WF_POLL_READ), WF_PENDING);
    }
}

static void test_poll_may_be_submitted_from_done(void **state)
{
    (void)state;
    struct world world;
    struct probe probe = { .then = submit_again, .with = &world };
    int ends[2];
    world_open(&world);
    make_pipe(ends);
    assert_int_equal(submit_poll(&world, &probe, ends[0], WF_POLL_READ), WF_PENDING);
    assert_int_equal(write(ends[1], "x", 1), 1);
    world.ops->wait(world.io, PATIENCE);
    assert_true(probe.op.pending);
    cancel(&world, &probe);
    close_both(ends);
    world_close(&world);
}

/* Numbers that are used again */

static void test_poll_number_used_again_is_the_new_file(void **state)
{
    (void)state;
    struct world world;
    struct probe probe = { 0 };
    int first[2], ends[2];
    world_open(&world);
    make_pipe(first);
    assert_int_equal(write(first[1], "x", 1), 1);
    assert_int_equal(submit_poll(&world, &probe, first[0], WF_POLL_READ), WF_PENDING);
    assert_int_equal(finish(&world, &probe), WF_POLL_READ);
    for (int i = 0; i < 10; i++) {
        close_both(i ? ends : first);
        make_pipe(ends);
        assert_memory_equal(ends, first, sizeof ends);
        assert_int_equal(submit_poll(&world, &probe, ends[0], WF_POLL_READ), WF_PENDING);
        drain(&world);
        assert_int_equal(probe.calls, 0);
        assert_int_equal(write(ends[1], "x", 1), 1);
        assert_int_equal(finish(&world, &probe), WF_POLL_READ);
    }
    close_both(ends);
    world_close(&world);
}

static void test_poll_number_closed_while_waited_on_is_a_bad_one(void **state)
{
    (void)state;
    struct world world;
    struct probe lost[2] = { 0 }, probe = { 0 };
    int first[2], ends[2];
    world_open(&world);
    make_pipe(first);
    for (int i = 0; i < 2; i++)
        assert_int_equal(submit_poll(&world, &lost[i], first[0], WF_POLL_READ), WF_PENDING);
    close_both(first);
    make_pipe(ends);
    assert_memory_equal(ends, first, sizeof ends);
    assert_int_equal(submit_poll(&world, &probe, ends[0], WF_POLL_READ), WF_PENDING);
    assert_int_equal(lost[0].calls, 0); /* not from submit */
    assert_int_equal(finish(&world, &lost[0]), -EBADF);
    assert_int_equal(finish(&world, &lost[1]), -EBADF);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(finish(&world, &probe), WF_POLL_READ);
    close_both(ends);
    world_close(&world);
}

static void test_poll_number_closed_and_attached_is_a_bad_one(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    struct probe lost[2] = { 0 };
    int first[2];
    world_open(&world);
    make_pipe(first);
    for (int i = 0; i < 2; i++)
        assert_int_equal(submit_poll(&world, &lost[i], first[0], WF_POLL_READ), WF_PENDING);
    close_both(first);
    echo_open(&world, &echo, make_pair);
    assert_int_equal(echo.descriptor.fd, first[0]);
    cancel(&world, &lost[1]); /* still possible */
    assert_int_equal(finish(&world, &lost[0]), -EBADF);
    assert_int_equal(lost[1].calls, 0);
    peer_send(echo.peer, "ours");
    assert_int_equal(settle(&world, &echo.probe, echo_recv(&world, &echo)), 4);
    echo_close(&world, &echo);
    world_close(&world);
}

static void test_poll_number_used_again_by_a_file_that_looks_the_same(void **state)
{
    (void)state;
    struct world world;
    struct probe lost = { 0 }, probe = { 0 };
    world_open(&world);
    int first = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert_int_equal(submit_poll(&world, &lost, first, WF_POLL_READ), WF_PENDING);
    drain(&world);
    close(first);
    int second = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert_int_equal(second, first);
    assert_int_equal(submit_poll(&world, &probe, second, WF_POLL_READ), WF_PENDING);
    eventfd_write(second, 1);
    assert_int_equal(finish(&world, &probe), WF_POLL_READ);
    int64_t result = finish(&world, &lost); /* whether it shows that it is another one, or not */
    assert_true(result == -EBADF || result == WF_POLL_READ);
    close(second);
    world_close(&world);
}

static void test_poll_old_file_alive_elsewhere_does_not_speak_for_the_new(void **state)
{
    (void)state;
    struct world world;
    struct probe lost = { 0 }, probe = { 0 };
    int first[2], ends[2];
    world_open(&world);
    make_pipe(first);
    int copy = dup(first[0]), writer = dup(first[1]);
    assert_int_equal(submit_poll(&world, &lost, first[0], WF_POLL_READ), WF_PENDING);
    close_both(first);
    make_pipe(ends);
    assert_memory_equal(ends, first, sizeof ends);
    assert_int_equal(submit_poll(&world, &probe, ends[0], WF_POLL_READ), WF_PENDING);
    assert_int_equal(finish(&world, &lost), -EBADF);
    assert_int_equal(write(writer, "x", 1), 1); /* epoll reports this under the same number */
    drain(&world);
    assert_int_equal(probe.calls, 0);
    cancel(&world, &probe);
    close_both(ends);
    close(copy);
    close(writer);
    world_close(&world);
}

static void test_poll_number_may_be_attached_afterwards(void **state)
{
    (void)state;
    struct world world;
    struct echo echo = { 0 };
    struct probe probe = { 0 };
    int ends[2];
    world_open(&world);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(submit_poll(&world, &probe, ends[0], WF_POLL_READ), WF_PENDING);
    assert_int_equal(world.ops->attach(world.io, &echo.descriptor, ends[0]), -EEXIST);
    cancel(&world, &probe);
    attach(&world, &echo.descriptor, ends[0]);
    echo.peer = ends[1];
    peer_send(ends[1], "hello");
    assert_int_equal(settle(&world, &echo.probe, echo_recv(&world, &echo)), 5);
    assert_int_equal(submit_poll(&world, &probe, ends[0], WF_POLL_READ), -EEXIST);
    echo_close(&world, &echo);
    make_pipe(ends); /* and the other way round: the number of a released descriptor */
    assert_int_equal(submit_poll(&world, &probe, ends[0], WF_POLL_READ), WF_PENDING);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(finish(&world, &probe), WF_POLL_READ);
    close_both(ends);
    world_close(&world);
}

static void test_poll_high_number_makes_the_table_grow(void **state)
{
    (void)state;
    struct world world;
    struct probe low = { 0 }, high = { 0 };
    int ends[2];
    world_open(&world);
    make_pipe(ends);
    assert_int_equal(submit_poll(&world, &low, ends[0], WF_POLL_READ), WF_PENDING);
    int fd = fcntl(ends[0], F_DUPFD_CLOEXEC, 900);
    assert_true(fd >= 900);
    struct wf_memory_fault fault = { .countdown = 1 };
    wf_memory_fault_set(&fault);
    assert_int_equal(submit_poll(&world, &high, fd, WF_POLL_READ), -ENOMEM);
    fault.countdown = 2;
    assert_int_equal(submit_poll(&world, &high, fd, WF_POLL_READ), -ENOMEM);
    wf_memory_fault_set(NULL);
    assert_int_equal(submit_poll(&world, &high, fd, WF_POLL_READ), WF_PENDING);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(finish(&world, &low), WF_POLL_READ);
    assert_int_equal(finish(&world, &high), WF_POLL_READ);
    close(fd);
    close_both(ends);
    world_close(&world);
}

static void test_poll_that_cannot_be_armed_again_is_told(void **state)
{
    (void)state;
    struct world world;
    struct probe reader = { 0 }, writer = { 0 };
    int ends[2];
    world_open(&world);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(submit_poll(&world, &reader, ends[0], WF_POLL_READ), WF_PENDING);
    assert_int_equal(submit_poll(&world, &writer, ends[0], WF_POLL_WRITE), WF_PENDING);
    struct wf_io_fault fault = { .kind = WF_FAULT_CONTROL, .countdown = 1, .error = ENOMEM };
    wf_io_fault_set(&fault);
    assert_int_equal(finish(&world, &writer), WF_POLL_WRITE);
    wf_io_fault_set(NULL);
    assert_int_equal(finish(&world, &reader), -ENOMEM);
    close_both(ends);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_poll_pipe_becomes_readable),
        cmocka_unit_test(test_poll_tells_each_time_while_it_is_ready),
        cmocka_unit_test(test_poll_hang_up_is_an_error_and_the_interest),
        cmocka_unit_test(test_poll_hang_up_ends_all_who_wait),
        cmocka_unit_test(test_poll_eventfd_both_ways),
        cmocka_unit_test(test_poll_regular_file_is_always_ready),
        cmocka_unit_test(test_poll_refuses_what_is_owned_or_closed),
        cmocka_unit_test(test_poll_two_directions_wait_at_once),
        cmocka_unit_test(test_poll_cancel_leaves_the_others),
        cmocka_unit_test(test_poll_cancel_of_the_last_leaves_one_event_for_nobody),
        cmocka_unit_test(test_poll_cancel_by_one_that_is_done_in_the_same_event),
        cmocka_unit_test(test_poll_may_be_submitted_from_done),
        cmocka_unit_test(test_poll_number_used_again_is_the_new_file),
        cmocka_unit_test(test_poll_number_closed_while_waited_on_is_a_bad_one),
        cmocka_unit_test(test_poll_number_closed_and_attached_is_a_bad_one),
        cmocka_unit_test(test_poll_number_used_again_by_a_file_that_looks_the_same),
        cmocka_unit_test(test_poll_old_file_alive_elsewhere_does_not_speak_for_the_new),
        cmocka_unit_test(test_poll_number_may_be_attached_afterwards),
        cmocka_unit_test(test_poll_high_number_makes_the_table_grow),
        cmocka_unit_test(test_poll_that_cannot_be_armed_again_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
