/* A listener that several drivers share: each is known to the kernel while an ACCEPT waits, and no
 * longer. */

#include "io_test.h"

struct place {
    struct world world;
    struct wf_descriptor listener;
    struct probe accepting;
};

static struct sockaddr_in address;

static void open_places(struct place *a, struct place *b)
{
    memset(a, 0, sizeof *a);
    memset(b, 0, sizeof *b);
    world_open(&a->world);
    world_open(&b->world);
    int fd = make_tcp_listener(&address), other = dup(fd);
    a->listener = b->listener = (struct wf_descriptor){ .listening = true, .shared = true };
    assert_int_equal(a->world.ops->attach(a->world.io, &a->listener, fd), 0);
    assert_int_equal(b->world.ops->attach(b->world.io, &b->listener, other), 0);
}

static void close_places(struct place *a, struct place *b)
{
    if (a->accepting.op.pending)
        a->world.ops->cancel(a->world.io, &a->accepting.op);
    if (b->accepting.op.pending)
        b->world.ops->cancel(b->world.io, &b->accepting.op);
    b->world.ops->release(b->world.io, &b->listener);
    a->world.ops->release(a->world.io, &a->listener);
    world_close(&b->world);
    world_close(&a->world);
}

static void wait_for_client(struct place *place)
{
    assert_int_equal(submit_accept(&place->world, &place->accepting, &place->listener), WF_PENDING);
}

static int client(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void expect_client(struct place *place)
{
    int64_t fd = finish(&place->world, &place->accepting);
    assert_true(fd >= 0);
    close((int)fd);
}

static void test_shared_one_client_is_one_acceptors(void **state)
{
    (void)state;
    struct place a, b;
    open_places(&a, &b);
    wait_for_client(&a);
    wait_for_client(&b);
    int first = client();
    expect_client(&b);
    drain(&a.world); /* it may have been told, and finds nobody */
    assert_int_equal(a.accepting.calls, 0);
    int second = client();
    expect_client(&a);
    close(first);
    close(second);
    close_places(&a, &b);
}

static void test_shared_who_does_not_wait_is_not_told(void **state)
{
    (void)state;
    struct place a, b;
    open_places(&a, &b);
    wait_for_client(&a);
    wait_for_client(&b);
    assert_true(a.world.ops->cancel(a.world.io, &a.accepting.op));
    int fd = client();
    drain(&a.world);
    assert_int_equal(a.accepting.calls, 0);
    expect_client(&b);
    close(fd);
    close_places(&a, &b);
}

static void test_shared_a_client_that_is_there_is_told_at_once(void **state)
{
    (void)state;
    struct place a, b;
    int fds[3];
    open_places(&a, &b);
    for (int i = 0; i < 3; i++)
        fds[i] = client();
    wait_for_client(&a);
    expect_client(&a);
    wait_for_client(&b);
    expect_client(&b);
    wait_for_client(&a);
    expect_client(&a);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    close_places(&a, &b);
}

static void test_shared_one_that_is_released_leaves_the_queue_to_the_other(void **state)
{
    (void)state;
    struct place a, b;
    open_places(&a, &b);
    wait_for_client(&a);
    int fd = client();
    assert_true(a.world.ops->cancel(a.world.io, &a.accepting.op));
    a.world.ops->release(a.world.io, &a.listener); /* before the client is taken */
    wait_for_client(&b);
    expect_client(&b);
    close(fd);
    b.world.ops->release(b.world.io, &b.listener);
    world_close(&b.world);
    world_close(&a.world);
}

static void test_shared_a_registration_that_fails_is_the_answer(void **state)
{
    (void)state;
    struct place a, b;
    open_places(&a, &b);
    struct wf_io_fault fault = { .kind = WF_FAULT_CONTROL, .countdown = 1, .error = ENOMEM };
    wf_io_fault_set(&fault);
    assert_int_equal(submit_accept(&a.world, &a.accepting, &a.listener), -ENOMEM);
    wf_io_fault_set(NULL);
    wait_for_client(&a);
    int fd = client();
    expect_client(&a);
    close(fd);
    close_places(&a, &b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shared_one_client_is_one_acceptors),
        cmocka_unit_test(test_shared_who_does_not_wait_is_not_told),
        cmocka_unit_test(test_shared_a_client_that_is_there_is_told_at_once),
        cmocka_unit_test(test_shared_one_that_is_released_leaves_the_queue_to_the_other),
        cmocka_unit_test(test_shared_a_registration_that_fails_is_the_answer),
    };
    return cmocka_run_group_tests_name("io shared", tests, NULL, NULL);
}
