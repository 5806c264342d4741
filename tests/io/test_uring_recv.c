/* Receives by one entry for many: what they save, and that nobody above can tell them from others.
 * Where the kernel has none, or is told so, the same is true of single receives. */

#include "uring_test.h"

#include <stdio.h>

enum { CROWD = 200, BOUND = 4 };

/* What it saves. */

static void test_recv_by_one_entry_for_many_takes_no_further_entry(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    open_ring(&world, (struct wf_io_options){ 0 });
    echo_open(&world, &echo, make_tcp_pair);
    begin(&world, &echo);
    unsigned entries = inside(&world)->ring.sq.sqe_tail;
    for (int i = 0; i < 100; i++) {
        peer_send(echo.peer, "again");
        assert_int_equal(finish(&world, &echo.probe), 5);
        assert_int_equal(echo_recv(&world, &echo), WF_PENDING);
    }
    entries = inside(&world)->ring.sq.sqe_tail - entries;
    assert_int_equal(entries, can(&world) ? 0 : 100);
    close_all(&world, &echo);
}

/* Two messages and the end: an entry for each receive, and no call to let go of the file. */
static void test_recv_of_a_short_connection_pays_nothing(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    open_ring(&world, (struct wf_io_options){ 0 });
    drain(&world);
    echo_open(&world, &echo, make_tcp_pair);
    unsigned entries = inside(&world)->ring.sq.sqe_tail;
    talk(&world, &echo, "one");
    talk(&world, &echo, "two");
    assert_int_equal(inside(&world)->ring.sq.sqe_tail - entries, 2);
    assert_null(inside(&world)->many.small);
    uint64_t waits = counters(&world)->waits;
    echo_close(&world, &echo);
    assert_int_equal(counters(&world)->waits, waits);
    world_close(&world);
}

static void test_recv_of_a_silent_crowd_holds_no_block(void **state)
{
    (void)state;
    struct world world;
    static struct echo crowd[CROWD];
    open_ring(&world, (struct wf_io_options){ 0 });
    for (int i = 0; i < CROWD; i++) {
        echo_open(&world, &crowd[i], make_pair);
        begin_alone(&world, &crowd[i]);
        assert_int_equal(submit_lend(&world, &crowd[i].probe, &crowd[i].descriptor), WF_PENDING);
    }
    drain(&world);
    assert_true(inside(&world)->blocks.lent <= 16);
    for (int i = 0; i < CROWD; i++)
        echo_close(&world, &crowd[i]);
    world_close(&world);
}

static void test_recv_tells_the_memory_that_it_takes(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    struct wf_io_memory before, after;
    open_ring(&world, (struct wf_io_options){ 0 });
    world.ops->memory(world.io, &before);
    assert_int_equal(before.lent, 0);
    assert_in_range(before.pinned, 256 * 64 + 4096 * 16, 1 << 18);
    echo_open(&world, &echo, make_pair);
    begin_alone(&world, &echo);
    peer_send(echo.peer, "x");
    assert_int_equal(
        settle(&world, &echo.probe, submit_lend(&world, &echo.probe, &echo.descriptor)), 1);
    world.ops->memory(world.io, &after);
    size_t small = can(&world) ? 64 * WF_URING_SMALL : 0;
    assert_int_equal(after.lent, small + inside(&world)->blocks.lent * 16384);
    assert_true(after.pinned >= before.pinned);
    world.ops->lend_return(world.io, echo.probe.op.lend.data);
    close_all(&world, &echo);
}

/* When it begins and ends. */

static void send_bytes(int peer, size_t size)
{
    static char bytes[1 << 16];
    assert_int_equal(send(peer, bytes, size, MSG_NOSIGNAL), size);
}

static void read_bytes(struct world *world, struct echo *echo, size_t size)
{
    for (size_t heard = 0; heard < size;) {
        int64_t result = read_next(world, echo);
        assert_true(result > 0);
        heard += (size_t)result;
    }
}

static void test_recv_of_much_goes_back_to_single_entries_for_a_while(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    open_armed(&world, &echo, make_pair);
    send_bytes(echo.peer, 2500); /* two buffers: less than may be kept */
    drain(&world);
    assert_false(slot_of(&world, &echo)->armed);
    read_bytes(&world, &echo, 2500);
    for (int i = 0; i < 10; i++) {
        talk(&world, &echo, "small");
        assert_false(slot_of(&world, &echo)->armed);
    }
    assert_int_equal(echo_recv(&world, &echo), WF_PENDING);
    assert_int_equal(slot_of(&world, &echo)->armed, can(&world));
    close_all(&world, &echo);
}

/* Whoever reads at most a kilobyte of many is served by plain calls: these count as well. */
static void test_recv_of_much_by_plain_calls_does_not_begin_it(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    static char large[4096];
    open_ring(&world, (struct wf_io_options){ 0 });
    echo_open(&world, &echo, make_pair);
    for (int i = 0; i < 5; i++) {
        send_bytes(echo.peer, sizeof echo.data + sizeof large);
        drain(&world);
        assert_int_equal(read_next(&world, &echo), sizeof echo.data);
        int64_t result = submit_recv(&world, &echo.probe, &echo.descriptor, large, sizeof large);
        assert_int_equal(settle(&world, &echo.probe, result), sizeof large);
        read_bytes(&world, &echo, 0);
        assert_int_equal(echo_recv(&world, &echo), WF_PENDING);
        drain(&world);
        assert_false(slot_of(&world, &echo)->armed);
        take_back(&world, &echo.probe);
    }
    close_all(&world, &echo);
}

/* What nobody reads. */

static void test_recv_keeps_what_nobody_reads_up_to_a_bound(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    char text[32];
    open_armed(&world, &echo, make_pair);
    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof text, "number %02d", i);
        peer_send(echo.peer, text);
        drain(&world);
    }
    assert_int_equal(slot_of(&world, &echo)->kept, can(&world) ? BOUND : 0);
    assert_false(slot_of(&world, &echo)->armed);
    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof text, "number %02d", i);
        int64_t result = submit_recv(&world, &echo.probe, &echo.descriptor, echo.data, 9);
        assert_int_equal(settle(&world, &echo.probe, result), 9);
        assert_memory_equal(echo.data, text, 9);
    }
    close_all(&world, &echo);
}

static void test_recv_takes_from_what_is_kept_in_pieces_and_together(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    open_armed(&world, &echo, make_pair);
    peer_send(echo.peer, "abcdef");
    drain(&world);
    int64_t result = submit_recv(&world, &echo.probe, &echo.descriptor, echo.data, 2);
    assert_int_equal(settle(&world, &echo.probe, result), 2);
    assert_memory_equal(echo.data, "ab", 2);
    result = submit_lend(&world, &echo.probe, &echo.descriptor);
    assert_int_equal(settle(&world, &echo.probe, result), 4);
    assert_memory_equal(echo.probe.op.lend.data, "cdef", 4);
    assert_int_equal(echo.probe.op.lend.capacity, inside(&world)->blocks.size);
    world.ops->lend_return(world.io, echo.probe.op.lend.data);
    peer_send(echo.peer, "gh");
    drain(&world);
    peer_send(echo.peer, "ij");
    drain(&world);
    hear(&world, &echo, "ghij");
    close_all(&world, &echo);
}

static void test_recv_lend_without_a_block_leaves_what_is_kept(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    open_armed(&world, &echo, make_pair);
    inside(&world)->blocks.limit = inside(&world)->blocks.lent + 1;
    peer_send(echo.peer, "first");
    int64_t result = submit_lend(&world, &echo.probe, &echo.descriptor);
    assert_int_equal(settle(&world, &echo.probe, result), 5);
    char *block = echo.probe.op.lend.data;
    peer_send(echo.peer, "second");
    result = submit_lend(&world, &echo.probe, &echo.descriptor);
    assert_int_equal(settle(&world, &echo.probe, result), -ENOBUFS);
    world.ops->lend_return(world.io, block);
    hear(&world, &echo, "second");
    close_all(&world, &echo);
}

static void test_recv_short_transfers_are_short_of_what_is_kept_too(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    open_armed(&world, &echo, make_pair);
    peer_send(echo.peer, "abcdef");
    drain(&world);
    struct wf_io_fault fault = {
        .kind = WF_FAULT_SHORT_RECV, .countdown = 1, .persistent = true, .bytes_max = 2
    };
    wf_io_fault_set(&fault);
    hear(&world, &echo, "ab");
    hear(&world, &echo, "cd");
    hear(&world, &echo, "ef");
    wf_io_fault_set(NULL);
    close_all(&world, &echo);
}

/* Who does not wait: plain calls come behind what has come already. */

static int64_t recv_now(struct world *world, struct echo *echo)
{
    echo->probe.op.now = true;
    int64_t result = echo_recv(world, echo);
    echo->probe.op.now = false;
    return result;
}

static void test_recv_now_overtakes_nothing(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    open_armed(&world, &echo, make_pair);
    for (int i = 0; i < 100; i++) {
        peer_send(echo.peer, "first");
        wf_uring_enter(inside(&world), 0); /* into the ring, and not delivered */
        peer_send(echo.peer, "second");
        int64_t size = can(&world) ? 5 : 11;
        assert_int_equal(recv_now(&world, &echo), size);
        assert_memory_equal(echo.data, "firstsecond", (size_t)size);
        if (can(&world)) {
            assert_int_equal(recv_now(&world, &echo), 6);
            assert_memory_equal(echo.data, "second", 6);
        }
        assert_int_equal(recv_now(&world, &echo), -EAGAIN);
        drain(&world);
    }
    close_all(&world, &echo);
}

static void test_recv_now_without_memory_for_order_answers_later(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    open_armed(&world, &echo, make_pair);
    peer_send(echo.peer, "first");
    wf_uring_enter(inside(&world), 0);
    struct wf_memory_fault fault = { .countdown = 1 };
    wf_memory_fault_set(&fault);
    assert_int_equal(recv_now(&world, &echo), can(&world) ? -EAGAIN : 5);
    wf_memory_fault_set(NULL);
    if (can(&world))
        assert_int_equal(recv_now(&world, &echo), 5);
    assert_memory_equal(echo.data, "first", 5);
    close_all(&world, &echo);
}

/* The ring is full: bytes that came first wait in the kernel, where they are not seen. */
static void test_recv_now_does_not_overtake_what_the_ring_has_no_room_for(void **state)
{
    (void)state;
    enum { OTHERS = 16 }; /* as many completions as there is room for */
    struct world world;
    struct echo echo, others[OTHERS];
    open_ring(&world, (struct wf_io_options){ .entries = 4 });
    echo_open(&world, &echo, make_pair);
    begin_alone(&world, &echo);
    for (int i = 0; i < OTHERS; i++) {
        echo_open(&world, &others[i], make_pair);
        assert_int_equal(echo_recv(&world, &others[i]), WF_PENDING);
    }
    drain(&world);
    for (int i = 0; i < OTHERS; i++)
        peer_send(others[i].peer, "x");
    wf_uring_enter(inside(&world), 0);
    peer_send(echo.peer, "first");
    wf_uring_enter(inside(&world), 0);
    peer_send(echo.peer, "second");
    assert_int_equal(recv_now(&world, &echo), can(&world) ? -EAGAIN : 11);
    drain(&world);
    if (can(&world))
        hear_in_pieces(&world, &echo, "firstsecond");
    for (int i = 0; i < OTHERS; i++)
        echo_close(&world, &others[i]);
    close_all(&world, &echo);
}

/* Ends. */

static void check_end(make_pair_fn *make, bool reset, bool reads, bool delivered)
{
    struct world world;
    struct echo echo;
    open_ring(&world, (struct wf_io_options){ 0 });
    echo_open(&world, &echo, make);
    begin(&world, &echo);
    if (!reads)
        take_back(&world, &echo.probe);
    peer_send(echo.peer, "bye");
    if (delivered)
        drain(&world);
    hang_up(&echo, reset);
    if (!reads)
        drain(&world);
    assert_int_equal(reads ? finish(&world, &echo.probe) : read_next(&world, &echo), 3);
    if (reset)
        assert_int_equal(read_next(&world, &echo), -ECONNRESET);
    for (int i = 0; i < 2; i++) /* or it would wait for ever */
        assert_int_equal(read_next(&world, &echo), 0);
    close_all(&world, &echo);
}

/* The bytes and the end are there together before the kernel has run, or one after the other. */
static void test_recv_end_comes_behind_the_bytes(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        check_end(make_pair, false, i & 1, i & 2);
        check_end(make_tcp_pair, false, i & 1, i & 2);
    }
}

static void test_recv_reset_comes_behind_the_bytes(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        check_end(make_tcp_pair, true, i & 1, i & 2);
}

/* The entry is told of the reset; so is who sends, and who reads afterwards. */
static void test_recv_reset_is_told_to_who_sends(void **state)
{
    (void)state;
    for (int delivered = 0; delivered < 2; delivered++) {
        struct world world;
        struct echo echo;
        struct probe sending = { 0 };
        open_armed(&world, &echo, make_tcp_pair);
        hang_up(&echo, true);
        if (delivered)
            drain(&world);
        else
            wf_uring_enter(inside(&world), 0);
        struct iovec piece = { "x", 1 };
        int64_t result = submit_send(&world, &sending, &echo.descriptor, &piece, 1);
        assert_int_equal(settle(&world, &sending, result), -ECONNRESET);
        close_all(&world, &echo);
    }
}

static void test_recv_now_is_told_the_end(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    open_armed(&world, &echo, make_pair);
    hang_up(&echo, false);
    drain(&world);
    for (int i = 0; i < 2; i++)
        assert_int_equal(recv_now(&world, &echo), 0);
    close_all(&world, &echo);
}

static void test_recv_urgent_data_does_not_hide_what_follows(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    open_armed(&world, &echo, make_tcp_pair);
    peer_send(echo.peer, "abc");
    assert_int_equal(send(echo.peer, "!", 1, MSG_OOB), 1);
    peer_send(echo.peer, "def");
    assert_int_equal(echo_recv(&world, &echo), WF_PENDING);
    assert_int_equal(finish(&world, &echo.probe), 3);
    hear(&world, &echo, "def");
    close_all(&world, &echo);
}

/* Cancels. */

static void test_recv_cancel_is_done_at_once_and_loses_nothing(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    open_armed(&world, &echo, make_pair);
    for (int i = 0; i < 20; i++) {
        bool lends = i & 1, later = i & 2;
        int64_t result =
            lends ? submit_lend(&world, &echo.probe, &echo.descriptor) : echo_recv(&world, &echo);
        assert_int_equal(result, WF_PENDING);
        if (can(&world)) {
            if (!later) /* in the ring, and not delivered */
                peer_send(echo.peer, "kept");
            wf_uring_enter(inside(&world), 0);
            assert_true(world.ops->cancel(world.io, &echo.probe.op));
            assert_int_equal(echo.probe.calls, 0);
        } else {
            take_back(&world, &echo.probe);
            later = true;
        }
        if (later)
            peer_send(echo.peer, "kept");
        hear(&world, &echo, "kept");
    }
    assert_int_equal(counters(&world)->pending, 0);
    close_all(&world, &echo);
}

static void test_recv_drop_leaves_nothing_pending(void **state)
{
    (void)state;
    struct world world;
    struct echo echo;
    open_ring(&world, (struct wf_io_options){ 0 });
    echo_open(&world, &echo, make_pair);
    begin(&world, &echo);
    wf_io_drop(world.ops, world.io, &echo.probe.op);
    assert_false(echo.probe.op.pending);
    assert_int_equal(echo.probe.calls, 0);
    peer_send(echo.peer, "for another");
    hear(&world, &echo, "for another");
    close_all(&world, &echo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recv_by_one_entry_for_many_takes_no_further_entry),
        cmocka_unit_test(test_recv_tells_the_memory_that_it_takes),
        cmocka_unit_test(test_recv_of_a_short_connection_pays_nothing),
        cmocka_unit_test(test_recv_of_a_silent_crowd_holds_no_block),
        cmocka_unit_test(test_recv_of_much_goes_back_to_single_entries_for_a_while),
        cmocka_unit_test(test_recv_of_much_by_plain_calls_does_not_begin_it),
        cmocka_unit_test(test_recv_keeps_what_nobody_reads_up_to_a_bound),
        cmocka_unit_test(test_recv_takes_from_what_is_kept_in_pieces_and_together),
        cmocka_unit_test(test_recv_lend_without_a_block_leaves_what_is_kept),
        cmocka_unit_test(test_recv_short_transfers_are_short_of_what_is_kept_too),
        cmocka_unit_test(test_recv_now_overtakes_nothing),
        cmocka_unit_test(test_recv_now_without_memory_for_order_answers_later),
        cmocka_unit_test(test_recv_now_does_not_overtake_what_the_ring_has_no_room_for),
        cmocka_unit_test(test_recv_end_comes_behind_the_bytes),
        cmocka_unit_test(test_recv_reset_comes_behind_the_bytes),
        cmocka_unit_test(test_recv_reset_is_told_to_who_sends),
        cmocka_unit_test(test_recv_now_is_told_the_end),
        cmocka_unit_test(test_recv_urgent_data_does_not_hide_what_follows),
        cmocka_unit_test(test_recv_cancel_is_done_at_once_and_loses_nothing),
        cmocka_unit_test(test_recv_drop_leaves_nothing_pending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
