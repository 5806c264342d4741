/* Descriptors: connecting, accepting, cancelling, releasing in the middle of things, lent blocks,
 * waiting. */

#include "io_test.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <sys/wait.h>

/* Connecting and accepting */

static void test_descriptor_connect_and_accept_over_tcp(void **state)
{
    (void)state;
    struct world world;
    struct wf_descriptor listener, client, server;
    struct sockaddr_in address;
    struct probe connecting = { 0 }, accepting = { 0 };
    world_open(&world);
    attach_listener(&world, &listener, &address);
    assert_int_equal(submit_accept(&world, &accepting, &listener), WF_PENDING);
    attach(&world, &client, make_tcp());
    drain(&world); /* epoll says HUP of a socket that is not connected yet */
    int64_t result = submit_connect(&world, &connecting, &client, &address, sizeof address);
    assert_int_equal(settle(&world, &connecting, result), 0);
    attach(&world, &server, (int)finish(&world, &accepting));
    assert_true(fcntl(server.fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(server.fd, F_GETFD) & FD_CLOEXEC);
    world.ops->release(world.io, &server);
    world.ops->release(world.io, &client);
    world.ops->release(world.io, &listener);
    world_close(&world);
}

struct early {
    struct world *world;
    struct wf_descriptor *client;
    const struct sockaddr_in *address;
    struct probe connecting;
};

static void connect_early(struct probe *probe)
{
    struct early *early = probe->with;
    assert_int_equal(submit_connect(early->world, &early->connecting, early->client, early->address,
                                    sizeof *early->address),
                     WF_PENDING);
}

/* In one batch: news that makes us connect, and what epoll said of the socket before that. */
static void test_descriptor_connect_is_not_finished_by_older_news(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    struct wf_descriptor client;
    struct sockaddr_in address;
    world_open(&world);
    int listener = make_tcp_listener(&address), crowd[4];
    assert_int_equal(listen(listener, 0), 0);
    for (int i = 0; i < 4; i++) { /* from now on nobody gets an answer */
        crowd[i] = make_tcp();
        (void)connect(crowd[i], (struct sockaddr *)&address, sizeof address);
    }
    echo_open(&world, &echo, make_pair);
    struct early early = { .world = &world, .client = &client, .address = &address };
    echo.probe.then = connect_early;
    echo.probe.with = &early;
    assert_int_equal(echo_recv(&world, &echo), WF_PENDING);
    peer_send(echo.peer, "now");
    attach(&world, &client, make_tcp());
    drain(&world);
    assert_int_equal(echo.probe.calls, 1);
    assert_int_equal(early.connecting.calls, 0);
    take_back(&world, &early.connecting);
    world.ops->release(world.io, &client);
    echo_close(&world, &echo);
    for (int i = 0; i < 4; i++)
        close(crowd[i]);
    close(listener);
    world_close(&world);
}

static void test_descriptor_connect_to_nobody_is_refused(void **state)
{
    (void)state;
    struct world world;
    struct wf_descriptor client;
    struct sockaddr_in address;
    struct probe probe = { 0 };
    world_open(&world);
    close(make_tcp_listener(&address));
    attach(&world, &client, make_tcp());
    int64_t result = submit_connect(&world, &probe, &client, &address, sizeof address);
    assert_int_equal(settle(&world, &probe, result), -ECONNREFUSED);
    world.ops->release(world.io, &client);
    world_close(&world);
}

static int make_unix_listener(struct sockaddr_un *address, socklen_t *size)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    *size = sizeof(sa_family_t);
    address->sun_family = AF_UNIX; /* autobind: an abstract name of the kernel's choice */
    assert_int_equal(bind(fd, (struct sockaddr *)address, *size), 0);
    assert_int_equal(listen(fd, 0), 0);
    *size = sizeof *address;
    assert_int_equal(getsockname(fd, (struct sockaddr *)address, size), 0);
    return fd;
}

static void test_descriptor_connect_over_unix_is_immediate_or_eagain(void **state)
{
    (void)state;
    struct world world;
    struct wf_descriptor clients[3];
    struct sockaddr_un address;
    struct probe probe = { 0 };
    socklen_t size;
    int64_t result = 0;
    int count = 0;
    world_open(&world);
    int listener = make_unix_listener(&address, &size);
    for (; count < 3 && result == 0; count++) {
        attach(&world, &clients[count],
               socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        result = submit_connect(&world, &probe, &clients[count], &address, size);
    }
    assert_int_equal(result, -EAGAIN); /* the backlog is full */
    assert_int_equal(count, 2);
    while (count > 0)
        world.ops->release(world.io, &clients[--count]);
    close(listener);
    world_close(&world);
}

static void test_descriptor_accept_takes_all_without_waiting_again(void **state)
{
    (void)state;
    struct world world;
    struct wf_descriptor listener;
    struct sockaddr_in address;
    struct probe probe = { 0 };
    int clients[10];
    world_open(&world);
    attach_listener(&world, &listener, &address);
    listener.takes_all = true;
    for (int i = 0; i < 10; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(clients[i], (struct sockaddr *)&address, sizeof address), 0);
    }
    for (int i = 0; i < 10; i++) {
        int64_t fd = settle(&world, &probe, submit_accept(&world, &probe, &listener));
        assert_true(fd >= 0);
        close((int)fd);
        close(clients[i]);
    }
    /* io_uring: one for all, where the kernel accepts many by one entry. */
    assert_true(counters(&world)->waits <= (getenv("WEFT_URING_MASK") ? 10 : 1));
    assert_int_equal(submit_accept(&world, &probe, &listener), WF_PENDING);
    take_back(&world, &probe);
    world.ops->release(world.io, &listener);
    world_close(&world);
}

/* In a child, because the limit is the process's. Its exit status names the step that failed. */
static int accept_without_descriptors(void)
{
    struct world world;
    struct wf_descriptor listener;
    struct sockaddr_in address;
    struct probe probe = { 0 };
    struct rlimit limit, none = { 0, 0 };
    world_open(&world);
    attach_listener(&world, &listener, &address);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(client, (struct sockaddr *)&address, sizeof address) < 0)
        return 1;
    getrlimit(RLIMIT_NOFILE, &limit);
    none.rlim_max = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &none);
    for (int i = 0; i < 2; i++)
        if (settle(&world, &probe, submit_accept(&world, &probe, &listener)) != -EMFILE)
            return 2 + i;
    setrlimit(RLIMIT_NOFILE, &limit);
    int64_t fd = settle(&world, &probe, submit_accept(&world, &probe, &listener));
    if (fd < 0)
        return 4;
    close((int)fd);
    close(client);
    world.ops->release(world.io, &listener);
    world_close(&world);
    return 0;
}

static void test_descriptor_accept_recovers_when_descriptors_are_back(void **state)
{
    (void)state;
    int status = -1;
    pid_t child = fork();
    if (child == 0)
        _exit(accept_without_descriptors());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Cancel and release */

static void test_descriptor_cancel_of_a_read_loses_nothing(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    world_open(&world);
    echo_open(&world, &echo, make_pair);
    assert_int_equal(echo_recv(&world, &echo), WF_PENDING);
    take_back(&world, &echo.probe);
    int calls = echo.probe.calls;
    peer_send(echo.peer, "kept");
    drain(&world);
    assert_int_equal(echo.probe.calls, calls);
    int64_t result = submit_lend(&world, &echo.probe, &echo.descriptor);
    assert_int_equal(settle(&world, &echo.probe, result), 4);
    world.ops->lend_return(world.io, echo.probe.op.lend.data);
    assert_int_equal(submit_lend(&world, &echo.probe, &echo.descriptor), WF_PENDING);
    take_back(&world, &echo.probe);
    echo_close(&world, &echo);
    world_close(&world);
}

static void test_descriptor_cancel_of_a_send_leaves_the_stream_usable(void **state)
{
    (void)state;
    const size_t size = 4 << 20;
    struct world world;
    struct echo echo;
    unsigned char next = 0;
    unsigned char *data = calloc(1, size);
    size_t received = 0;
    struct iovec vector = { data, size };
    world_open(&world);
    echo_open(&world, &echo, make_pair);
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)i;
    int64_t sent = submit_send(&world, &echo.probe, &echo.descriptor, &vector, 1);
    assert_true(sent > 0 && sent < (int64_t)size);
    vector = (struct iovec){ data + sent, size - (size_t)sent };
    assert_int_equal(submit_send(&world, &echo.probe, &echo.descriptor, &vector, 1), WF_PENDING);
    take_back(&world, &echo.probe);
    drain_peer(echo.peer, &next, &received);
    drain(&world);
    int64_t more = submit_send(&world, &echo.probe, &echo.descriptor, &vector, 1);
    assert_true(settle(&world, &echo.probe, more) > 0);
    drain_peer(echo.peer, &next, &received);
    echo_close(&world, &echo);
    world_close(&world);
    free(data);
}

static void test_descriptor_cancel_of_a_connect_and_of_an_accept(void **state)
{
    (void)state;
    struct world world;
    struct wf_descriptor listener, client;
    struct sockaddr_in address;
    struct probe connecting = { 0 }, accepting = { 0 };
    world_open(&world);
    attach_listener(&world, &listener, &address);
    attach(&world, &client, make_tcp());
    assert_int_equal(submit_accept(&world, &accepting, &listener), WF_PENDING);
    take_back(&world, &accepting);
    assert_int_equal(submit_connect(&world, &connecting, &client, &address, sizeof address),
                     WF_PENDING);
    if (!world.ops->cancel(world.io, &connecting.op)) {
        int64_t result = finish(&world, &connecting); /* it may have been quicker */
        assert_true(result == -ECANCELED || result == 0);
    }
    int calls = connecting.calls;
    drain(&world);
    assert_int_equal(accepting.calls, 0);
    assert_int_equal(connecting.calls, calls);
    world.ops->release(world.io, &client);
    world.ops->release(world.io, &listener);
    world_close(&world);
}

static void test_descriptor_release_with_a_copy_elsewhere_is_final(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    world_open(&world);
    echo_open(&world, &echo, make_pair);
    int number = echo.descriptor.fd;
    int copy = dup(number); /* as in a child that was forked: epoll goes on reporting */
    int peer = echo.peer;
    echo.peer = -1;
    echo_close(&world, &echo);
    memset(&echo, 0xff, sizeof echo);
    peer_send(peer, "to nobody");
    drain(&world);
    assert_int_equal(dup2(copy, number), number); /* the same open file under its old number */
    attach(&world, &echo.descriptor, number);
    memset(&echo.probe, 0, sizeof echo.probe);
    assert_int_equal(settle(&world, &echo.probe, echo_recv(&world, &echo)), 9);
    echo.peer = peer;
    echo_close(&world, &echo);
    close(copy);
    world_close(&world);
}

static void test_descriptor_attach_refuses_what_it_cannot_take(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    struct wf_descriptor other = { 0 };
    world_open(&world);
    echo_open(&world, &echo, make_pair);
    assert_int_equal(world.ops->attach(world.io, &other, echo.descriptor.fd), -EEXIST);
    assert_int_equal(world.ops->attach(world.io, &other, -1), -EBADF);
    if (!on_uring(&world)) { /* which does not ask the kernel */
        int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        assert_int_equal(world.ops->attach(world.io, &other, 999), -EBADF);
        assert_int_equal(world.ops->attach(world.io, &other, file), -EPERM);
        close(file);
    }
    echo_close(&world, &echo);
    world_close(&world);
}

/* Lent blocks */

static void test_descriptor_lend_holds_a_block_only_while_there_is_data(void **state)
{
    (void)state;
    struct world world;
    struct echo echoes[3];
    world_open_with(&world, (struct wf_io_options){ .block_size = 100, .blocks_max = 1 });
    for (int i = 0; i < 3; i++) {
        echo_open(&world, &echoes[i], make_pair);
        assert_int_equal(submit_lend(&world, &echoes[i].probe, &echoes[i].descriptor), WF_PENDING);
    }
    for (int i = 2; i >= 0; i--) {
        peer_send(echoes[i].peer, "hello");
        assert_int_equal(finish(&world, &echoes[i].probe), 5);
        assert_int_equal(echoes[i].probe.op.lend.capacity, 100);
        assert_memory_equal(echoes[i].probe.op.lend.data, "hello", 5);
        world.ops->lend_return(world.io, echoes[i].probe.op.lend.data);
    }
    for (int i = 0; i < 3; i++)
        echo_close(&world, &echoes[i]);
    world_close(&world);
}

static void test_descriptor_lend_beyond_the_limit_fails_and_recovers(void **state)
{
    (void)state;
    struct world world;
    struct echo echoes[3];
    world_open_with(&world, (struct wf_io_options){ .blocks_max = 2 });
    for (int i = 0; i < 3; i++) {
        echo_open(&world, &echoes[i], make_pair);
        assert_int_equal(submit_lend(&world, &echoes[i].probe, &echoes[i].descriptor), WF_PENDING);
        peer_send(echoes[i].peer, "hello");
    }
    int lent = 0;
    struct echo *refused = NULL;
    for (int i = 0; i < 3; i++) {
        int64_t result = finish(&world, &echoes[i].probe);
        if (result == 5)
            lent++;
        else
            refused = &echoes[i];
    }
    assert_int_equal(lent, 2);
    assert_int_equal(refused->probe.result, -ENOBUFS);
    int64_t again = submit_lend(&world, &refused->probe, &refused->descriptor);
    assert_int_equal(settle(&world, &refused->probe, again), -ENOBUFS);
    for (int i = 0; i < 3; i++)
        if (&echoes[i] != refused)
            world.ops->lend_return(world.io, echoes[i].probe.op.lend.data);
    again = submit_lend(&world, &refused->probe, &refused->descriptor);
    assert_int_equal(settle(&world, &refused->probe, again), 5);
    world.ops->lend_return(world.io, refused->probe.op.lend.data);
    for (int i = 0; i < 3; i++)
        echo_close(&world, &echoes[i]);
    world_close(&world);
}

static void test_descriptor_lend_takes_nothing_for_an_end_or_an_error(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    world_open_with(&world, (struct wf_io_options){ .blocks_max = 1 });
    echo_open(&world, &echo, make_pair);
    close(echo.peer);
    echo.peer = -1;
    drain(&world);
    for (int i = 0; i < 5; i++)
        assert_int_equal(
            settle(&world, &echo.probe, submit_lend(&world, &echo.probe, &echo.descriptor)), 0);
    echo_close(&world, &echo);
    world_close(&world);
}

/* Waiting */

static void test_descriptor_wait_returns_at_once_when_there_is_mail(void **state)
{
    (void)state;
    struct world world;
    struct wf_mail mail;
    world_open(&world);
    assert_int_equal(wf_inbox_push(world.inbox, &mail), 0);
    world.ops->wait(world.io, WEFT_FOREVER);
    assert_ptr_equal(wf_inbox_take(world.inbox), &mail);
    assert_int_equal(counters(&world)->wakes, 0);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptor_connect_and_accept_over_tcp),
        cmocka_unit_test(test_descriptor_connect_is_not_finished_by_older_news),
        cmocka_unit_test(test_descriptor_connect_to_nobody_is_refused),
        cmocka_unit_test(test_descriptor_connect_over_unix_is_immediate_or_eagain),
        cmocka_unit_test(test_descriptor_accept_takes_all_without_waiting_again),
        cmocka_unit_test(test_descriptor_accept_recovers_when_descriptors_are_back),
        cmocka_unit_test(test_descriptor_cancel_of_a_read_loses_nothing),
        cmocka_unit_test(test_descriptor_cancel_of_a_send_leaves_the_stream_usable),
        cmocka_unit_test(test_descriptor_cancel_of_a_connect_and_of_an_accept),
        cmocka_unit_test(test_descriptor_release_with_a_copy_elsewhere_is_final),
        cmocka_unit_test(test_descriptor_attach_refuses_what_it_cannot_take),
        cmocka_unit_test(test_descriptor_lend_holds_a_block_only_while_there_is_data),
        cmocka_unit_test(test_descriptor_lend_beyond_the_limit_fails_and_recovers),
        cmocka_unit_test(test_descriptor_lend_takes_nothing_for_an_end_or_an_error),
        cmocka_unit_test(test_descriptor_wait_returns_at_once_when_there_is_mail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
