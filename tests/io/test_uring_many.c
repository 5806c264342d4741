/* Receives by one entry for many, among many: at random, in crowds, beside a flooder, behind a
 * release, on kernels that have none. */

#include "uring_test.h"

#include <poll.h>

enum { CROWD = 200, BOUND = 4, AT_MOST = 64, FIRST_BUFFERS = 64 };

/* What the driver has found out, found out once more without it: whether a byte, and a reset behind
 * it, are both heard of. */

static struct io_uring by_hand;
static char byte_by_hand[64];

static bool open_by_hand(void)
{
    static _Alignas(4096) struct io_uring_buf ring[4];
    struct io_uring_params params = { .flags =
                                          IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN };
    struct io_uring_buf_reg reg = { .ring_addr = (uint64_t)(uintptr_t)ring, .ring_entries = 4 };
    if (io_uring_queue_init_params(8, &by_hand, &params) < 0)
        return false;
    if (io_uring_register_buf_ring(&by_hand, &reg, 0) < 0) {
        io_uring_queue_exit(&by_hand);
        return false;
    }
    struct io_uring_buf_ring *buffers = (void *)ring;
    for (unsigned short i = 0; i < 4; i++)
        io_uring_buf_ring_add(buffers, byte_by_hand, sizeof byte_by_hand, i, 3, i);
    io_uring_buf_ring_advance(buffers, 4);
    return true;
}

/* The result of the last completion of the entry, if it has ended. */
static int32_t last_by_hand(void)
{
    struct io_uring_cqe *cqe;
    int32_t result = 0;
    for (int looks = 0; looks < 8 && result == 0; looks++) {
        io_uring_get_events(&by_hand);
        while (io_uring_peek_cqe(&by_hand, &cqe) == 0) {
            if (!(cqe->flags & IORING_CQE_F_MORE))
                result = cqe->res;
            io_uring_cqe_seen(&by_hand, cqe);
        }
    }
    return result;
}

static bool hears_by_hand(struct echo *echo)
{
    struct pollfd gone = { .fd = echo->descriptor.fd };
    struct io_uring_sqe *entry = io_uring_get_sqe(&by_hand);
    io_uring_prep_recv_multishot(entry, echo->descriptor.fd, NULL, 0, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    assert_int_equal(io_uring_submit(&by_hand), 1);
    peer_send(echo->peer, "x");
    hang_up(echo, true);
    assert_int_equal(poll(&gone, 1, 10000), 1);
    return last_by_hand() == -ECONNRESET;
}

static void test_recv_kernel_is_what_it_is_taken_for(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    open_ring(&world, (struct wf_io_options){ 0 });
    echo_open(&world, &echo, make_tcp_pair);
    const char *mask = getenv("WEFT_URING_MASK");
    bool expected = false;
    if (open_by_hand()) {
        expected = hears_by_hand(&echo) && !(mask && strcmp(mask, "5.15") == 0);
        io_uring_queue_exit(&by_hand);
    }
    assert_int_equal(can(&world), expected);
    close_all(&world, &echo);
}

/* At random: whatever is asked for and given up, each byte arrives once and in order. */

struct walker {
    struct world *world;
    struct echo echo;
    uint32_t dice;
    unsigned char next_sent, next_heard;
    size_t sent, heard, seen_armed;
    unsigned char data[8192];
};

static unsigned throw(struct walker * walker, unsigned sides)
{
    walker->dice = walker->dice * 1664525u + 1013904223u;
    return (walker->dice >> 16) % sides;
}

static void walker_speaks(struct walker *walker, bool softly)
{
    static const unsigned sizes[] = { 1, 7, 64, 300, 2048, 5000 };
    unsigned char data[5000];
    unsigned size = sizes[throw(walker, softly ? 4 : 6)];
    for (unsigned i = 0; i < size; i++)
        data[i] = (unsigned char)(walker->next_sent + i);
    ssize_t sent = send(walker->echo.peer, data, size, MSG_DONTWAIT);
    if (sent < 0)
        return;
    walker->sent += (size_t)sent;
    walker->next_sent = (unsigned char)(walker->next_sent + sent);
}

static void walker_hears(struct walker *walker, int64_t result)
{
    struct wf_op *op = &walker->echo.probe.op;
    const unsigned char *data = walker->data;
    if (result == WF_PENDING || result == -EAGAIN || result == -ECANCELED)
        return;
    assert_true(result > 0);
    if (op->code == WF_OP_RECV_LEND)
        data = (unsigned char *)op->lend.data;
    for (int64_t i = 0; i < result; i++)
        assert_int_equal(data[i], walker->next_heard++);
    walker->heard += (size_t)result;
    if (op->code == WF_OP_RECV_LEND)
        walker->world->ops->lend_return(walker->world->io, op->lend.data);
}

static void walker_reads(struct walker *walker, bool now)
{
    static const size_t sizes[] = { 1, 100, 2048, 8192 };
    struct probe *probe = &walker->echo.probe;
    struct wf_descriptor *descriptor = &walker->echo.descriptor;
    probe->op.now = now;
    if (throw(walker, 2))
        walker_hears(walker, submit_lend(walker->world, probe, descriptor));
    else
        walker_hears(walker, submit_recv(walker->world, probe, descriptor, walker->data,
                                         sizes[throw(walker, 4)]));
    probe->calls = 0;
    walker->seen_armed += slot_of(walker->world, &walker->echo)->armed;
}

static void walker_waits(struct walker *walker)
{
    struct probe *probe = &walker->echo.probe;
    walker->world->ops->wait(walker->world->io, 0);
    if (probe->calls == 0)
        return;
    probe->calls = 0;
    walker_hears(walker, probe->result);
}

static void walker_gives_up(struct walker *walker)
{
    struct probe *probe = &walker->echo.probe;
    if (walker->world->ops->cancel(walker->world->io, &probe->op))
        return;
    walker_hears(walker, finish(walker->world, probe));
    probe->calls = 0;
}

static void walk(struct walker *walker, bool softly)
{
    bool pending = walker->echo.probe.op.pending;
    switch (throw(walker, 8)) {
    case 0:
    case 1:
        walker_speaks(walker, softly);
        break;
    case 2:
    case 3:
        walker_waits(walker);
        break;
    case 4:
        wf_uring_enter(inside(walker->world), 0);
        break;
    case 5:
    case 6:
        if (!pending)
            walker_reads(walker, throw(walker, 4) == 0);
        break;
    default:
        if (pending && throw(walker, 4) == 0)
            walker_gives_up(walker);
    }
}

static void walker_ends(struct walker *walker)
{
    if (walker->echo.probe.op.pending)
        walker_gives_up(walker);
    while (walker->heard < walker->sent) {
        walker_reads(walker, false);
        if (walker->echo.probe.op.pending)
            walker_hears(walker, finish(walker->world, &walker->echo.probe));
    }
    walker->echo.probe.op.now = false;
    hang_up(&walker->echo, false);
    assert_int_equal(read_next(walker->world, &walker->echo), 0);
}

static void check_walk(make_pair_fn *make, unsigned entries, long steps)
{
    struct world world;
    struct walker walker = { .world = &world, .dice = entries + 7 };
    open_ring(&world, (struct wf_io_options){ .entries = entries });
    echo_open(&world, &walker.echo, make);
    for (long i = 0; i < steps; i++)
        walk(&walker, i / 256 % 2 == 0);
    walker_ends(&walker);
    assert_int_equal(walker.seen_armed > 0, can(&world));
    close_all(&world, &walker.echo);
}

static void test_recv_in_any_order_of_steps_loses_no_byte(void **state)
{
    (void)state;
    long steps = operations(100000) / 2;
    check_walk(make_pair, 0, steps);
    check_walk(make_tcp_pair, 0, steps);
    check_walk(make_pair, 4, steps);
    check_walk(make_tcp_pair, 4, steps);
}

/* Buffers. */

static void check_crowd(unsigned entries)
{
    struct world world;
    static struct echo crowd[CROWD];
    open_ring(&world, (struct wf_io_options){ .entries = entries });
    for (int i = 0; i < CROWD; i++) {
        echo_open(&world, &crowd[i], make_pair);
        begin(&world, &crowd[i]);
    }
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < CROWD; i++)
            peer_send(crowd[i].peer, "all at once");
        for (int i = 0; i < CROWD; i++)
            assert_int_equal(finish(&world, &crowd[i].probe), 11);
        for (int i = 0; i < CROWD; i++)
            assert_int_equal(echo_recv(&world, &crowd[i]), WF_PENDING);
    }
    for (int i = 0; i < CROWD; i++)
        echo_close(&world, &crowd[i]);
    world_close(&world);
}

static void test_recv_of_a_crowd_in_one_breath(void **state)
{
    (void)state;
    check_crowd(0);
    check_crowd(4); /* 16 completions */
}

/* More than there are buffers, of which none comes back: the rest is received without. */
static void test_recv_goes_on_where_no_buffer_is_left(void **state)
{
    (void)state;
    struct world world;
    static struct echo crowd[CROWD];
    open_ring(&world, (struct wf_io_options){ 0 });
    for (int i = 0; i < CROWD; i++) {
        echo_open(&world, &crowd[i], make_pair);
        begin_alone(&world, &crowd[i]);
    }
    for (int i = 0; i < CROWD; i++)
        peer_send(crowd[i].peer, "nobody reads");
    for (int i = 0; i < CROWD / 4; i++)
        drain(&world);
    if (can(&world))
        assert_true(inside(&world)->many.count > FIRST_BUFFERS); /* it has learnt */
    for (int i = 0; i < CROWD; i++)
        hear(&world, &crowd[i], "nobody reads");
    for (int i = 0; i < CROWD; i++)
        talk(&world, &crowd[i], "and again");
    for (int i = 0; i < CROWD; i++)
        echo_close(&world, &crowd[i]);
    world_close(&world);
}

/* Whom nobody reads sends as much as goes; those beside are served, and no lent block is taken. */
static void test_recv_of_a_flooder_leaves_others_alone(void **state)
{
    (void)state;
    struct world world;
    struct echo flooder, copies, lends;
    static unsigned char flood[1 << 20];
    for (size_t i = 0; i < sizeof flood; i++)
        flood[i] = (unsigned char)(i % 251);
    open_armed(&world, &flooder, make_tcp_pair);
    echo_open(&world, &copies, make_tcp_pair);
    echo_open(&world, &lends, make_tcp_pair);
    begin(&world, &copies);
    begin_alone(&world, &lends);
    assert_int_equal(submit_lend(&world, &lends.probe, &lends.descriptor), WF_PENDING);
    ssize_t sent = send(flooder.peer, flood, sizeof flood, MSG_DONTWAIT);
    assert_true(sent > 100000);
    peer_send(copies.peer, "help");
    peer_send(lends.peer, "help");
    assert_int_equal(finish(&world, &copies.probe), 4);
    assert_int_equal(finish(&world, &lends.probe), 4);
    world.ops->lend_return(world.io, lends.probe.op.lend.data);
    drain(&world);
    assert_true(inside(&world)->blocks.lent <= 16);
    assert_false(slot_of(&world, &flooder)->armed);
    assert_in_range(slot_of(&world, &flooder)->kept, 0, AT_MOST);
    for (ssize_t heard = 0; heard < sent;) {
        int64_t size = read_next(&world, &flooder);
        assert_true(size > 0);
        assert_memory_equal(flooder.data, flood + heard, (size_t)size);
        heard += size;
    }
    echo_close(&world, &lends);
    echo_close(&world, &copies);
    close_all(&world, &flooder);
}

/* Half of the buffers are with those whom nobody reads: the next one is received from singly. */
static void test_recv_of_many_flooders_leaves_buffers_for_others(void **state)
{
    (void)state;
    struct world world;
    static struct echo flooders[64];
    static char flood[1 << 18];
    struct echo echo;
    open_ring(&world, (struct wf_io_options){ 0 });
    for (int i = 0; i < 64; i++) {
        echo_open(&world, &flooders[i], make_pair);
        talk(&world, &flooders[i], "one");
        talk(&world, &flooders[i], "two");
        assert_int_equal(echo_recv(&world, &flooders[i]), WF_PENDING);
        take_back(&world, &flooders[i].probe);
        for (int turns = 0; turns < 8; turns++) {
            assert_true(send(flooders[i].peer, flood, sizeof flood, MSG_DONTWAIT) != 0);
            drain(&world);
        }
    }
    unsigned kept = inside(&world)->many.kept;
    assert_in_range(kept, can(&world) ? 256 : 0, 512 + AT_MOST);
    echo_open(&world, &echo, make_pair);
    talk(&world, &echo, "one");
    talk(&world, &echo, "two");
    talk(&world, &echo, "three");
    assert_int_equal(inside(&world)->many.kept, kept);
    for (int i = 0; i < 64; i++)
        echo_close(&world, &flooders[i]);
    assert_int_equal(inside(&world)->many.kept, 0);
    close_all(&world, &echo);
}

/* Whose number is another's. */

enum what { NOTHING, IN_THE_SOCKET, IN_THE_RING, KEPT };

static void leave_something(struct world *world, struct echo *echo, enum what what)
{
    if (what != NOTHING)
        peer_send(echo->peer, "of the old one");
    if (what == IN_THE_RING)
        wf_uring_enter(inside(world), 0);
    if (what == KEPT)
        drain(world);
}

/* Without memory what is in the ring is dropped when it is delivered. */
static void close_without_memory(struct world *world, struct echo *echo)
{
    struct wf_memory_fault fault = { .countdown = 1, .persistent = true };
    wf_memory_fault_set(&fault);
    echo_close(world, echo);
    wf_memory_fault_set(NULL);
}

/* The peer hears of it without our wait; of a reset where its bytes were not read. */
static void expect_end(int peer, bool reset)
{
    char byte;
    struct pollfd asked = { .fd = peer, .events = POLLIN };
    assert_int_equal(poll(&asked, 1, PATIENCE / WEFT_MILLISECOND), 1);
    ssize_t count = recv(peer, &byte, 1, MSG_DONTWAIT);
    if (reset)
        assert_true(count < 0 && errno == ECONNRESET);
    else
        assert_true(count == 0 || errno == ECONNRESET);
}

static void check_release(make_pair_fn *make, enum what what, bool has_memory)
{
    struct world world;
    struct echo old, young;
    open_armed(&world, &old, make);
    leave_something(&world, &old, what);
    int number = old.descriptor.fd, peer = old.peer;
    old.peer = -1;
    if (has_memory)
        echo_close(&world, &old);
    else
        close_without_memory(&world, &old);
    expect_end(peer, has_memory && make == make_tcp_pair && what != NOTHING);
    echo_open(&world, &young, make);
    if (make == make_pair)
        assert_int_equal(young.descriptor.fd, number);
    assert_int_equal(echo_recv(&world, &young), WF_PENDING);
    drain(&world);
    assert_true(young.probe.op.pending);
    peer_send(young.peer, "of the new one");
    assert_int_equal(finish(&world, &young.probe), 14);
    assert_memory_equal(young.data, "of the new one", 14);
    talk(&world, &young, "and on");
    hang_up(&young, false);
    assert_int_equal(read_next(&world, &young), 0);
    close(peer);
    close_all(&world, &young);
}

static void test_recv_of_a_released_descriptor_is_nobodys(void **state)
{
    (void)state;
    for (enum what what = NOTHING; what <= KEPT; what++) {
        check_release(make_pair, what, true);
        check_release(make_pair, what, false);
        check_release(make_tcp_pair, what, true);
        check_release(make_tcp_pair, what, false);
    }
}

/* The kernel has so much else to tell that it does not come to the end of the entry at once. */
static void test_recv_release_amid_a_crowd_is_heard_of_at_once(void **state)
{
    (void)state;
    struct world world;
    static struct echo crowd[CROWD];
    struct echo echo;
    open_armed(&world, &echo, make_pair);
    for (int i = 0; i < CROWD; i++) {
        echo_open(&world, &crowd[i], make_pair);
        assert_int_equal(echo_recv(&world, &crowd[i]), WF_PENDING);
    }
    for (int i = 0; i < CROWD / 8; i++)
        drain(&world);
    for (int i = 0; i < CROWD; i++)
        peer_send(crowd[i].peer, "noise");
    int peer = echo.peer;
    echo.peer = -1;
    echo_close(&world, &echo);
    expect_end(peer, false);
    close(peer);
    for (int i = 0; i < CROWD; i++) {
        assert_int_equal(finish(&world, &crowd[i].probe), 5);
        echo_close(&world, &crowd[i]);
    }
    world_close(&world);
}

static void check_buffers(bool has_memory)
{
    struct world world;
    struct echo echo;
    open_ring(&world, (struct wf_io_options){ 0 });
    for (int i = 0; i < 16 * FIRST_BUFFERS; i++) {
        echo_open(&world, &echo, make_pair);
        begin_alone(&world, &echo);
        leave_something(&world, &echo, (enum what)(i % 4));
        if (has_memory)
            echo_close(&world, &echo);
        else
            close_without_memory(&world, &echo);
    }
    drain(&world);
    assert_int_equal(inside(&world)->many.count, can(&world) ? FIRST_BUFFERS : 0);
    world_close(&world);
}

static void test_recv_released_buffers_come_back(void **state)
{
    (void)state;
    check_buffers(true);
    check_buffers(false);
}

/* There is no entry to ask for a stop: it is owed, and forgiven when the end comes by itself. */
static void check_stop_without_an_entry(bool ends)
{
    struct world world;
    struct echo echo, others[4];
    struct wf_io_fault fault = {
        .kind = WF_FAULT_ENTER, .countdown = 1, .persistent = true, .error = EAGAIN
    };
    open_ring(&world, (struct wf_io_options){ .entries = 4 });
    echo_open(&world, &echo, make_pair);
    begin_alone(&world, &echo);
    for (int i = 0; i < 4; i++)
        echo_open(&world, &others[i], make_pair);
    for (int i = 0; i < BOUND; i++) {
        peer_send(echo.peer, "x");
        wf_uring_enter(inside(&world), 0);
    }
    if (ends) {
        hang_up(&echo, false);
        wf_uring_enter(inside(&world), 0);
    }
    wf_io_fault_set(&fault);
    for (int i = 0; i < 4; i++)
        assert_int_equal(echo_recv(&world, &others[i]), WF_PENDING);
    world.ops->wait(world.io, 0);
    wf_io_fault_set(NULL);
    assert_int_equal(inside(&world)->owed.count, can(&world) ? 1 : 0);
    if (can(&world) && ends)
        assert_int_equal(inside(&world)->owed.all[0], WF_URING_NOTHING);
    drain(&world);
    assert_int_equal(inside(&world)->owed.count, 0);
    assert_false(slot_of(&world, &echo)->armed);
    hear(&world, &echo, "xxxx");
    if (ends)
        assert_int_equal(read_next(&world, &echo), 0);
    for (int i = 0; i < 4; i++)
        echo_close(&world, &others[i]);
    close_all(&world, &echo);
}

static void test_recv_stop_without_an_entry_is_made_up_for(void **state)
{
    (void)state;
    check_stop_without_an_entry(false);
    check_stop_without_an_entry(true);
}

/* Kernels. */

static void test_recv_mask_imitates_older_kernels(void **state)
{
    (void)state;
    static const char *const names[] = { "5.15", "6.1", "6.6" };
    const char *before = getenv("WEFT_URING_MASK");
    for (int i = 0; i < 3; i++) {
        struct world world;
        struct echo echo;
        setenv("WEFT_URING_MASK", names[i], 1);
        open_ring(&world, (struct wf_io_options){ 0 });
        echo_open(&world, &echo, make_pair);
        begin(&world, &echo);
        if (i == 0)
            assert_false(can(&world));
        else if (inside(&world)->ring.flags & IORING_SETUP_DEFER_TASKRUN)
            assert_int_equal(can(&world), wf_uring_sees_ends(inside(&world)));
        close_all(&world, &echo);
    }
    if (before)
        setenv("WEFT_URING_MASK", before, 1);
    else
        unsetenv("WEFT_URING_MASK");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recv_kernel_is_what_it_is_taken_for),
        cmocka_unit_test(test_recv_in_any_order_of_steps_loses_no_byte),
        cmocka_unit_test(test_recv_of_a_crowd_in_one_breath),
        cmocka_unit_test(test_recv_goes_on_where_no_buffer_is_left),
        cmocka_unit_test(test_recv_of_a_flooder_leaves_others_alone),
        cmocka_unit_test(test_recv_of_many_flooders_leaves_buffers_for_others),
        cmocka_unit_test(test_recv_of_a_released_descriptor_is_nobodys),
        cmocka_unit_test(test_recv_release_amid_a_crowd_is_heard_of_at_once),
        cmocka_unit_test(test_recv_released_buffers_come_back),
        cmocka_unit_test(test_recv_stop_without_an_entry_is_made_up_for),
        cmocka_unit_test(test_recv_mask_imitates_older_kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
