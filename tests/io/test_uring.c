/* What is the io_uring driver's own: a ring that is too small for what it carries, cancels that
 * race with completions, buffers that the kernel picks, clients that nobody has asked for, kernels
 * that can do less. Those that have no ring for us: test_uring_refused.c. */

#include "uring_test.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

/* Rings that are too small. */

enum { CROWD = 64 };

static void open_crowd(struct world *world, struct echo *crowd, make_pair_fn *make)
{
    for (int i = 0; i < CROWD; i++)
        echo_open(world, &crowd[i], make);
}

static void close_crowd(struct world *world, struct echo *crowd)
{
    for (int i = 0; i < CROWD; i++)
        echo_close(world, &crowd[i]);
}

static void recv_all(struct world *world, struct echo *crowd)
{
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(echo_recv(world, &crowd[i]), WF_PENDING);
}

static void say_all(struct echo *crowd, int round)
{
    for (int i = 0; i < CROWD; i++) {
        char text[32];
        snprintf(text, sizeof text, "%d of %d", round, i);
        peer_send(crowd[i].peer, text);
    }
}

static void hear_all(struct world *world, struct echo *crowd, int round)
{
    for (int i = 0; i < CROWD; i++) {
        char text[32];
        int64_t size = snprintf(text, sizeof text, "%d of %d", round, i);
        assert_int_equal(finish(world, &crowd[i].probe), size);
        assert_memory_equal(crowd[i].data, text, (size_t)size);
    }
}

/* 4 entries and 16 completions for 64 receives at a time: 10,000 operations and more. */
static void test_uring_of_four_entries_carries_ten_thousand_operations(void **state)
{
    (void)state;
    struct world world;
    struct echo crowd[CROWD];
    open_ring(&world, (struct wf_io_options){ .entries = 4 });
    open_crowd(&world, crowd, make_pair);
    for (int round = 0; round < 160; round++) {
        recv_all(&world, crowd);
        say_all(crowd, round);
        hear_all(&world, crowd, round);
    }
    assert_true(counters(&world)->completions >= 10000);
    close_crowd(&world, crowd);
    world_close(&world);
}

/* The kernel that takes nothing while completions wait: what is there is put aside, in order. */
static void test_uring_that_is_busy_puts_completions_aside(void **state)
{
    (void)state;
    struct world world;
    struct echo crowd[CROWD];
    struct probe late[8] = { 0 };
    struct echo others[8];
    open_ring(&world, (struct wf_io_options){ .entries = 4 });
    open_crowd(&world, crowd, make_pair);
    for (int i = 0; i < 8; i++)
        echo_open(&world, &others[i], make_pair);
    recv_all(&world, crowd);
    world.ops->wait(world.io, 0);
    say_all(crowd, 7);
    wf_uring_enter(inside(&world), 0); /* into the ring, and not delivered */
    struct wf_io_fault fault = { .kind = WF_FAULT_ENTER, .countdown = 1, .error = EBUSY };
    wf_io_fault_set(&fault);
    for (int i = 0; i < 8; i++)
        assert_int_equal(submit_recv(&world, &late[i], &others[i].descriptor, others[i].data, 9),
                         WF_PENDING);
    wf_io_fault_set(NULL);
    assert_int_equal(fault.injected, 1);
    assert_true(inside(&world)->aside.count > 0);
    hear_all(&world, crowd, 7);
    for (int i = 0; i < 8; i++) {
        peer_send(others[i].peer, "late");
        assert_int_equal(finish(&world, &late[i]), 4);
        echo_close(&world, &others[i]);
    }
    close_crowd(&world, crowd);
    world_close(&world);
}

static void test_uring_that_takes_no_entry_says_no_memory(void **state)
{
    (void)state;
    struct world world;
    struct echo crowd[CROWD];
    int refused = 0;
    open_ring(&world, (struct wf_io_options){ .entries = 4 });
    open_crowd(&world, crowd, make_pair);
    struct wf_io_fault fault = {
        .kind = WF_FAULT_ENTER, .countdown = 1, .persistent = true, .error = EAGAIN
    };
    wf_io_fault_set(&fault);
    for (int i = 0; i < CROWD; i++) {
        int64_t result = echo_recv(&world, &crowd[i]);
        assert_true(result == WF_PENDING || result == -ENOMEM);
        refused += result == -ENOMEM;
    }
    wf_io_fault_set(NULL);
    assert_true(refused > CROWD - 8);
    close_crowd(&world, crowd);
    world_close(&world);
}

/* Many at once are one call's work. */
static void test_uring_gathers_the_sends_of_many(void **state)
{
    (void)state;
    const int rounds = 50;
    struct world world;
    struct echo crowd[CROWD];
    struct probe sends[CROWD] = { 0 };
    struct iovec vector[CROWD];
    char answer[64];
    open_ring(&world, (struct wf_io_options){ 0 });
    open_crowd(&world, crowd, make_tcp_pair);
    recv_all(&world, crowd);
    drain(&world);
    struct wf_io_counters before = *counters(&world);
    for (int round = 0; round < rounds; round++) {
        say_all(crowd, round);
        hear_all(&world, crowd, round);
        inside(&world)->batches = true; /* however they came in */
        for (int i = 0; i < CROWD; i++) {
            vector[i] = (struct iovec){ crowd[i].data, (size_t)crowd[i].probe.result };
            int64_t sent = submit_send(&world, &sends[i], &crowd[i].descriptor, &vector[i], 1);
            assert_int_equal(sent, WF_PENDING);
        }
        recv_all(&world, crowd);
        for (int i = 0; i < CROWD; i++) {
            assert_int_equal(finish(&world, &sends[i]), vector[i].iov_len);
            assert_int_equal(recv(crowd[i].peer, answer, sizeof answer, 0), vector[i].iov_len);
        }
    }
    const struct wf_io_counters *after = counters(&world);
    uint64_t calls = after->waits + after->sends + after->receives - before.waits - before.sends -
                     before.receives;
    assert_true(calls <= (uint64_t)rounds * 8); /* for 64 echoes each */
    close_crowd(&world, crowd);
    world_close(&world);
}

static void test_uring_with_nothing_to_do_is_not_entered(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    open_ring(&world, (struct wf_io_options){ 0 });
    echo_open(&world, &echo, make_pair);
    assert_int_equal(echo_recv(&world, &echo), WF_PENDING);
    drain(&world);
    uint64_t waits = counters(&world)->waits;
    for (int i = 0; i < 10; i++)
        world.ops->wait(world.io, 0);
    if (inside(&world)->can & WF_URING_FLAGS_WORK)
        assert_int_equal(counters(&world)->waits, waits);
    peer_send(echo.peer, "x");
    drain(&world);
    assert_int_equal(echo.probe.calls, 1);
    echo_close(&world, &echo);
    world_close(&world);
}

/* Cancels that race with completions: whatever wins, each byte arrives once. */

struct racer {
    struct world *world;
    struct echo echo;
    unsigned char next_sent, next_heard;
    int won, lost;
};

/* What became of it, one way or the other. */
static int64_t give_up(struct world *world, struct probe *probe)
{
    if (probe->op.pending && world->ops->cancel(world->io, &probe->op))
        return -ECANCELED;
    return probe->op.pending ? finish(world, probe) : probe->result;
}

static void race_once(struct racer *racer, unsigned how)
{
    struct probe *probe = &racer->echo.probe;
    bool lends = how & 4;
    char *data = racer->echo.data;
    int64_t result = lends ? submit_lend(racer->world, probe, &racer->echo.descriptor)
                           : echo_recv(racer->world, &racer->echo);
    if (how & 8) /* the kernel has it */
        racer->world->ops->wait(racer->world->io, 0);
    if (how & 1) {
        assert_int_equal(send(racer->echo.peer, &racer->next_sent, 1, 0), 1);
        racer->next_sent++;
    }
    if (how & 2)
        racer->world->ops->wait(racer->world->io, 0);
    if (how & 16) /* its completion may be in the ring, and is not delivered */
        wf_uring_enter(inside(racer->world), 0);
    if (result == WF_PENDING)
        result = give_up(racer->world, probe);
    racer->won += result > 0;
    racer->lost += result == -ECANCELED;
    assert_true(result > 0 || result == -ECANCELED);
    if (lends && result > 0)
        data = probe->op.lend.data;
    for (int64_t i = 0; i < result; i++)
        assert_int_equal((unsigned char)data[i], racer->next_heard++);
    if (lends && result > 0)
        racer->world->ops->lend_return(racer->world->io, data);
}

static void check_races(make_pair_fn *make, long count)
{
    struct world world;
    struct racer racer = { .world = &world };
    uint32_t dice = 7;
    open_ring(&world, (struct wf_io_options){ 0 });
    echo_open(&world, &racer.echo, make);
    for (long i = 0; i < count; i++) {
        dice = dice * 1664525u + 1013904223u;
        race_once(&racer, dice >> 24);
    }
    assert_true(racer.won > 0 && racer.lost > 0);
    while (racer.next_heard != racer.next_sent) {
        int64_t result = settle(&world, &racer.echo.probe, echo_recv(&world, &racer.echo));
        for (int64_t i = 0; i < result; i++)
            assert_int_equal((unsigned char)racer.echo.data[i], racer.next_heard++);
    }
    echo_close(&world, &racer.echo);
    world_close(&world);
}

static void test_uring_cancel_races_lose_no_byte(void **state)
{
    (void)state;
    check_races(make_pair, operations(100000) / 2);
    check_races(make_tcp_pair, operations(100000) / 2);
}

/* A cancel that is still among the entries when its operation ends does not hit the next one at the
 * same address. */
static void test_uring_cancel_does_not_outlive_its_operation(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    open_ring(&world, (struct wf_io_options){ 0 });
    inside(&world)->can &= ~(unsigned)WF_URING_RECEIVES_MANY; /* there a cancel is done at once */
    echo_open(&world, &echo, make_pair);
    for (int i = 0; i < 1000; i++) {
        struct wf_io_fault fault = { .kind = WF_FAULT_WAIT, .countdown = 1, .error = EINTR };
        assert_int_equal(echo_recv(&world, &echo), WF_PENDING);
        drain(&world);
        peer_send(echo.peer, "a");
        wf_uring_enter(inside(&world), 0); /* its completion is in the ring */
        assert_false(world.ops->cancel(world.io, &echo.probe.op));
        wf_io_fault_set(&fault); /* delivered, while the cancel stays among the entries */
        world.ops->wait(world.io, 0);
        wf_io_fault_set(NULL);
        assert_int_equal(echo.probe.result, 1);
        assert_int_equal(echo_recv(&world, &echo), WF_PENDING);
        drain(&world);
        assert_true(echo.probe.op.pending);
        peer_send(echo.peer, "b");
        assert_int_equal(finish(&world, &echo.probe), 1);
        assert_int_equal(echo.data[0], 'b');
    }
    echo_close(&world, &echo);
    world_close(&world);
}

/* There is no entry for a cancel: it is owed, and made when there is one. */
static void test_uring_cancel_without_an_entry_is_made_up_for(void **state)
{
    (void)state;
    struct world world;
    struct echo crowd[CROWD];
    open_ring(&world, (struct wf_io_options){ .entries = 4 });
    open_crowd(&world, crowd, make_pair);
    recv_all(&world, crowd);
    drain(&world);
    struct wf_io_fault fault = {
        .kind = WF_FAULT_ENTER, .countdown = 1, .persistent = true, .error = EAGAIN
    };
    wf_io_fault_set(&fault);
    for (int i = 0; i < CROWD; i++)
        assert_false(world.ops->cancel(world.io, &crowd[i].probe.op));
    assert_true(inside(&world)->owed.count >= CROWD - 4);
    wf_io_fault_set(NULL);
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(finish(&world, &crowd[i].probe), -ECANCELED);
    assert_int_equal(inside(&world)->owed.count, 0);
    close_crowd(&world, crowd);
    world_close(&world);
}

/* The last who polls a number and gives up leaves nothing of it in the kernel. */
static void test_uring_cancelled_poll_lets_go_of_the_file(void **state)
{
    (void)state;
    struct world world;
    struct probe probe = { 0 };
    int ends[2];
    char byte;
    open_ring(&world, (struct wf_io_options){ 0 });
    for (int i = 0; i < 100; i++) {
        assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
        assert_int_equal(submit_poll(&world, &probe, ends[1], i % 2 ? WF_POLL_READ : 0),
                         WF_PENDING);
        drain(&world);
        take_back(&world, &probe);
        close(ends[1]);
        assert_int_equal(read(ends[0], &byte, 1), 0); /* and not EAGAIN: there is no writer */
        close(ends[0]);
    }
    world_close(&world);
}

/* Buffers that the kernel picks. */

static void test_uring_lends_to_more_than_it_has_buffers_for(void **state)
{
    (void)state;
    struct world world;
    struct echo crowd[CROWD];
    open_ring(&world, (struct wf_io_options){ .block_size = 512 });
    open_crowd(&world, crowd, make_pair);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < CROWD; i++)
            assert_int_equal(submit_lend(&world, &crowd[i].probe, &crowd[i].descriptor),
                             WF_PENDING);
        if (round == 0)
            inside(&world)->lent.target = 1;
        drain(&world);
        say_all(crowd, round);
        for (int i = 0; i < CROWD; i++) {
            char text[32];
            int64_t size = snprintf(text, sizeof text, "%d of %d", round, i);
            assert_int_equal(finish(&world, &crowd[i].probe), size);
            assert_memory_equal(crowd[i].probe.op.lend.data, text, (size_t)size);
        }
        for (int i = 0; i < CROWD; i++)
            world.ops->lend_return(world.io, crowd[i].probe.op.lend.data);
    }
    if (inside(&world)->can & WF_URING_LENDS)
        assert_true(inside(&world)->lent.target > 2); /* it has learnt */
    close_crowd(&world, crowd);
    world_close(&world);
}

static void test_uring_lend_to_a_crowd_that_is_silent_holds_little(void **state)
{
    (void)state;
    struct world world;
    struct echo crowd[CROWD];
    open_ring(&world, (struct wf_io_options){ 0 });
    open_crowd(&world, crowd, make_pair);
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(submit_lend(&world, &crowd[i].probe, &crowd[i].descriptor), WF_PENDING);
    drain(&world);
    assert_true(inside(&world)->blocks.lent <= 16);
    close_crowd(&world, crowd);
    world_close(&world);
}

/* Clients that nobody has asked for. */

static int client_of(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)address, sizeof *address), 0);
    return fd;
}

static void test_uring_keeps_clients_up_to_a_bound(void **state)
{
    (void)state;
    enum { CLIENTS = 50 };
    struct world world;
    struct wf_descriptor listener;
    struct sockaddr_in address;
    struct probe accepting = { 0 };
    int clients[CLIENTS];
    open_ring(&world, (struct wf_io_options){ 0 });
    attach_listener(&world, &listener, &address);
    listener.takes_all = true;
    assert_int_equal(submit_accept(&world, &accepting, &listener), WF_PENDING);
    drain(&world);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = client_of(&address);
        drain(&world);
    }
    close((int)finish(&world, &accepting));
    int open = count_fds() - world.fds - 3 - CLIENTS; /* the inbox, the ring, the listener */
    if (inside(&world)->can & WF_URING_ACCEPTS_MANY)
        assert_in_range(open, 1, CLIENTS / 2);
    else
        assert_int_equal(open, 0);
    for (int i = 1; i < CLIENTS; i++) {
        int64_t fd = settle(&world, &accepting, submit_accept(&world, &accepting, &listener));
        assert_true(fd >= 0);
        close((int)fd);
    }
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
    world.ops->release(world.io, &listener);
    world_close(&world);
}

/* The kernel holds the socket while it accepts: after release() it does not. */
static void test_uring_released_listener_frees_its_address(void **state)
{
    (void)state;
    struct world world;
    struct wf_descriptor listener;
    struct sockaddr_in address;
    struct probe accepting = { 0 };
    open_ring(&world, (struct wf_io_options){ 0 });
    for (int i = 0; i < 50; i++) {
        attach_listener(&world, &listener, &address);
        setsockopt(listener.fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
        listener.takes_all = i % 3;
        assert_int_equal(submit_accept(&world, &accepting, &listener), WF_PENDING);
        drain(&world);
        int client = i % 2 ? client_of(&address) : -1;
        if (accepting.op.pending)
            take_back(&world, &accepting);
        world.ops->release(world.io, &listener);
        int again = make_tcp();
        setsockopt(again, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
        assert_int_equal(bind(again, (struct sockaddr *)&address, sizeof address), 0);
        assert_int_equal(listen(again, 1), 0);
        close(again);
        if (client >= 0)
            close(client);
    }
    world_close(&world);
}

/* Kernels. */

static void test_uring_mask_imitates_older_kernels(void **state)
{
    (void)state;
    static const char *const names[] = { "5.15", "6.1", "6.6" };
    const char *before = getenv("WEFT_URING_MASK");
    for (int i = 0; i < 3; i++) {
        struct world world;
        setenv("WEFT_URING_MASK", names[i], 1);
        open_ring(&world, (struct wf_io_options){ 0 });
        assert_false(inside(&world)->can & WF_URING_NO_IOWAIT);
        assert_int_equal(inside(&world)->can == 0, i == 0);
        world_close(&world);
    }
    setenv("WEFT_URING_MASK", "2.6", 1);
    struct wf_io_options options = { 0 };
    struct wf_io *io;
    const struct wf_io_ops *ops;
    const char *reason = NULL;
    assert_int_equal(wf_io_open("uring", &options, &io, &ops, &reason), -EINVAL);
    assert_non_null(strstr(reason, "WEFT_URING_MASK"));
    if (before)
        setenv("WEFT_URING_MASK", before, 1);
    else
        unsetenv("WEFT_URING_MASK");
}

static void test_uring_open_fails_whole(void **state)
{
    (void)state;
    struct wf_io_options options = { 0 };
    struct wf_io *io = NULL;
    const struct wf_io_ops *ops = NULL;
    const char *reason = NULL;
    int fds = count_fds();
    assert_int_equal(wf_inbox_new(&options.inbox), 0);
    struct wf_io_fault fault = { .kind = WF_FAULT_OPEN, .countdown = 1, .error = EMFILE };
    wf_io_fault_set(&fault);
    assert_int_equal(wf_io_open("uring", &options, &io, &ops, &reason), -EMFILE);
    wf_io_fault_set(NULL);
    assert_non_null(strstr(reason, "descriptor"));
    for (long n = 1; n < 3; n++) {
        struct wf_memory_fault memory = { .countdown = n };
        wf_memory_fault_set(&memory);
        assert_int_equal(wf_io_open("uring", &options, &io, &ops, &reason), -ENOMEM);
        wf_memory_fault_set(NULL);
        assert_non_null(strstr(reason, "memory"));
    }
    wf_inbox_release(options.inbox);
    assert_int_equal(count_fds(), fds);
}

/* A child of a fork has the ring's number, and not its memory: it ends, and ours goes on. */
static void test_uring_survives_a_fork(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    int status = -1;
    open_ring(&world, (struct wf_io_options){ 0 });
    echo_open(&world, &echo, make_pair);
    assert_int_equal(echo_recv(&world, &echo), WF_PENDING);
    drain(&world);
    pid_t child = fork();
    if (child == 0)
        _exit(fcntl(inside(&world)->ring.ring_fd, F_GETFD) == FD_CLOEXEC ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    peer_send(echo.peer, "ours");
    assert_int_equal(finish(&world, &echo.probe), 4);
    echo_close(&world, &echo);
    world_close(&world);
}

/* Nothing is mapped there. */
static bool is_gone(const void *address)
{
    unsigned char there;
    uintptr_t page = (uintptr_t)address & ~(uintptr_t)4095;
    return !address || (mincore((void *)page, 1, &there) < 0 && errno == ENOMEM);
}

/* Of all that the kernel writes to a child has nothing, however long it lives, and what it does
 * with its copy of a buffer is its own affair. */
static void be_child(const struct wf_uring *io, int until)
{
    char byte;
    bool gone =
        is_gone(io->ring.sq.ring_ptr) && is_gone(io->ring.sq.sqes) && is_gone(io->lent.ring);
    for (unsigned i = 0; io->lent.ring && i < 1024; i++)
        if (io->lent.blocks[i])
            memset(io->lent.blocks[i], 'x', io->blocks.size);
    _exit(read(until, &byte, 1) == 0 && gone ? 0 : 1);
}

static void test_uring_survives_a_child_that_lives_on(void **state)
{
    (void)state;
    struct world world;
    struct echo crowd[CROWD];
    int status = -1, ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    open_ring(&world, (struct wf_io_options){ 0 });
    open_crowd(&world, crowd, make_pair);
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(submit_lend(&world, &crowd[i].probe, &crowd[i].descriptor), WF_PENDING);
    drain(&world);
    pid_t child = fork();
    if (child == 0) {
        close(ends[1]);
        be_child(inside(&world), ends[0]);
    }
    say_all(crowd, 3);
    for (int i = 0; i < CROWD; i++) {
        char text[32];
        int64_t size = snprintf(text, sizeof text, "%d of %d", 3, i);
        assert_int_equal(finish(&world, &crowd[i].probe), size);
        assert_memory_equal(crowd[i].probe.op.lend.data, text, (size_t)size);
        world.ops->lend_return(world.io, crowd[i].probe.op.lend.data);
    }
    close_crowd(&world, crowd);
    world_close(&world);
    close(ends[1]); /* only now it ends */
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uring_of_four_entries_carries_ten_thousand_operations),
        cmocka_unit_test(test_uring_that_is_busy_puts_completions_aside),
        cmocka_unit_test(test_uring_that_takes_no_entry_says_no_memory),
        cmocka_unit_test(test_uring_gathers_the_sends_of_many),
        cmocka_unit_test(test_uring_with_nothing_to_do_is_not_entered),
        cmocka_unit_test(test_uring_cancel_races_lose_no_byte),
        cmocka_unit_test(test_uring_cancel_does_not_outlive_its_operation),
        cmocka_unit_test(test_uring_cancel_without_an_entry_is_made_up_for),
        cmocka_unit_test(test_uring_cancelled_poll_lets_go_of_the_file),
        cmocka_unit_test(test_uring_lends_to_more_than_it_has_buffers_for),
        cmocka_unit_test(test_uring_lend_to_a_crowd_that_is_silent_holds_little),
        cmocka_unit_test(test_uring_keeps_clients_up_to_a_bound),
        cmocka_unit_test(test_uring_released_listener_frees_its_address),
        cmocka_unit_test(test_uring_mask_imitates_older_kernels),
        cmocka_unit_test(test_uring_open_fails_whole),
        cmocka_unit_test(test_uring_survives_a_fork),
        cmocka_unit_test(test_uring_survives_a_child_that_lives_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
