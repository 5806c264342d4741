/* What is the memory transport's own, and the storage of buffers. */

#include "net_test.h"

#include "net/memory.h"
#include "net/socket.h"
#include "net/storage.h"

static int pair_names(void *arg)
{
    (void)arg;
    struct pair p;
    open_pair(&p, &kinds[PAIR]);
    assert_string_equal(weft_stream_peer(p.a), "mem:");
    close_pair(&p);

    char address[128] = "mem:", *name = address + 4;
    memset(name, 'n', 100);
    weft_listener *listener;
    assert_int_equal(weft_listen(&listener, address), 0);
    assert_string_equal(weft_listener_address(listener), address);
    assert_int_equal(weft_connect(&p.a, address), 0);
    assert_int_equal(weft_accept(listener, &p.b), 0);
    weft_listener_close(listener); /* the name outlives it */
    assert_memory_equal(weft_stream_peer(p.a), address, 4 + WF_MEMORY_NAME - 1);
    assert_memory_equal(weft_stream_peer(p.b), address, 4 + WF_MEMORY_NAME - 1);
    close_pair(&p);
    return 0;
}

static void test_memory_peer_is_the_name(void **state)
{
    (void)state;
    assert_int_equal(run(pair_names, NULL), 0);
}

/* No descriptor, no system call, no timer: a kilobyte there and back costs the kernel nothing. */
static int no_calls(void *arg)
{
    (void)arg;
    struct pair p;
    char data[1000];
    open_pair(&p, &kinds[MEM]);
    const struct wf_io_counters *counters = wf_running->io_ops->counters(wf_running->io);
    struct wf_io_counters before = *counters;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(weft_write(p.a, data, sizeof data), 0);
        assert_int_equal(weft_read_exact(p.b, data, sizeof data), 0);
    }
    assert_int_equal(counters->sends, before.sends);
    assert_int_equal(counters->receives, before.receives);
    assert_int_equal(counters->others, before.others);
    close_pair(&p);
    return 0;
}

static void test_memory_makes_no_system_call(void **state)
{
    (void)state;
    assert_int_equal(run(no_calls, NULL), 0);
}

/* A steady exchange asks the heap for nothing. */
static int no_allocations(void *arg)
{
    struct pair p;
    static char data[60000];
    open_pair(&p, arg);
    for (int round = 0; round < 200; round++) {
        static uint64_t before;
        if (round == 20)
            before = wf_memory_count();
        put(p.a, "question");
        assert_true(weft_fill(p.b) > 0);
        expect(p.b, "question");
        assert_int_equal(weft_write(p.b, data, sizeof data), 0);
        assert_int_equal(weft_read_exact(p.a, data, sizeof data), 0);
        if (round == 199)
            assert_int_equal(wf_memory_count(), before);
    }
    close_pair(&p);
    return 0;
}

static void test_stream_steady_exchange_allocates_nothing(void **state)
{
    (void)state;
    for (int k = 0; k < KINDS; k++)
        assert_int_equal(run(no_allocations, &kinds[k]), 0);
}

/* Two tasks, each answering the other inside the transport's own calls. */
static int ping(void *arg)
{
    weft_stream *stream = arg;
    char data[3000];
    for (int i = 0; i < 1000; i++) {
        size_t size = (size_t)(i * 37 % (int)sizeof data) + 1;
        fill_pattern(data, size, (size_t)i);
        int err = weft_write(stream, data, size);
        if (err < 0)
            return err;
        memset(data, 0, size);
        err = weft_read_exact(stream, data, size);
        if (err < 0)
            return err;
        check_pattern(data, size, (size_t)i);
    }
    return 0;
}

static int both_ways(void *arg)
{
    struct pair p;
    weft_scope s;
    open_pair(&p, arg);
    weft_scope_begin(&s);
    weft_spawn(&s, ping, p.a);
    weft_spawn(&s, ping, p.b);
    int err = weft_scope_end(&s);
    close_pair(&p);
    return err;
}

static void test_memory_both_ways_at_once(void **state)
{
    (void)state;
    for (int k = 0; k < KINDS; k++)
        assert_int_equal(run(both_ways, &kinds[k]), 0);
}

/* Both sides are full, and nobody reads any more: they linger, and then go. */
static int full_both_ways(void *arg)
{
    struct pair p;
    open_pair(&p, arg);
    stuff(p.a);
    stuff(p.b);
    weft_close(p.a);
    weft_close(p.b);
    weft_sleep(5 * SECOND);
    assert_true(wf_list_is_empty(&wf_running->lingering));
    return 0;
}

static void test_memory_full_both_ways_and_closed(void **state)
{
    (void)state;
    for (int k = 0; k < KINDS; k++)
        assert_int_equal(run(full_both_ways, &kinds[k]), 0);
}

static int out_of_memory(void *arg)
{
    (void)arg;
    weft_stream *a, *b;
    for (int n = 1; n < 6; n++) {
        struct wf_memory_fault fault = { .countdown = n, .persistent = true };
        wf_memory_fault_set(&fault);
        int err = weft_memory_pair(&a, &b);
        wf_memory_fault_set(NULL);
        assert_true(err == 0 || err == -ENOMEM);
        if (err == 0) {
            weft_close(a);
            weft_close(b);
        }
    }
    return 0;
}

static void test_memory_pair_without_memory_makes_neither(void **state)
{
    (void)state;
    assert_int_equal(run(out_of_memory, NULL), 0);
}

static void test_stream_idle_connection_is_small(void **state)
{
    (void)state;
    assert_true(wf_socket_stream_size <= 576);
    assert_true(wf_memory_stream_size <= 704);
}

static void test_storage_classes(void **state)
{
    struct wf_storage storage;
    static const size_t sizes[] = { 1, 4096, 4097, 16384, 16385, 65536, 65664, 65665, 1 << 20 };
    char *blocks[WF_ARRAY_SIZE(sizes)];
    size_t capacities[WF_ARRAY_SIZE(sizes)];
    (void)state;
    wf_storage_init(&storage);
    for (size_t i = 0; i < WF_ARRAY_SIZE(sizes); i++) {
        blocks[i] = wf_buffer_storage_acquire(&storage.source, sizes[i], &capacities[i]);
        assert_true(capacities[i] >= sizes[i]);
        memset(blocks[i], 'x', capacities[i]);
    }
    for (size_t i = 0; i < WF_ARRAY_SIZE(sizes); i++)
        wf_buffer_storage_release(&storage.source, blocks[i], capacities[i]);
    for (size_t i = 0; i < WF_ARRAY_SIZE(sizes); i++) { /* in any order, and again */
        size_t capacity;
        char *block = wf_buffer_storage_acquire(&storage.source, sizes[i], &capacity);
        assert_int_equal(capacity, capacities[i]);
        wf_buffer_storage_release(&storage.source, block, capacity);
    }
    wf_storage_fini(&storage);
}

static void test_storage_keeps_a_few_blocks_and_no_crowd(void **state)
{
    enum { CROWD = 1000 };
    struct wf_storage storage;
    static char *blocks[CROWD];
    size_t capacity;
    (void)state;
    wf_storage_init(&storage);
    for (int i = 0; i < CROWD; i++)
        blocks[i] = wf_buffer_storage_acquire(&storage.source, 65536, &capacity);
    for (int i = 0; i < CROWD; i++)
        wf_buffer_storage_release(&storage.source, blocks[i], capacity);
    assert_in_range(storage.classes[2].kept, 64, 128); /* 8 MiB */
    wf_storage_fini(&storage);
}

/* What an abandoned task waited for comes after all, when the loop closes its streams. */

static weft_stream *near, *far;
static weft_task *reader;

static int read_behind_a_shield(void *arg)
{
    char byte;
    weft_scope s;
    (void)arg;
    weft_scope_begin(&s, .shield = true, .timeout = WEFT_FOREVER);
    weft_read(far, &byte, 1);
    return weft_scope_end(&s);
}

static int leave_reader_behind(void *arg)
{
    (void)arg;
    weft_memory_pair(&near, &far);
    weft_spawn(weft_background(), read_behind_a_shield, NULL, .task = &reader);
    return weft_sleep(SECOND);
}

static int run_stuck_reader(void)
{
    int err = weft_run(leave_reader_behind, NULL, .clock = WEFT_CLOCK_TEST, .no_signals = true);
    bool is_told = err == WEFT_ESTUCK && take_log("was destroyed while pending") == 1;
    return is_told && weft_task_result(reader, NULL) == WEFT_ESTUCK ? 0 : 1;
}

static void test_memory_wakes_nobody_whom_the_loop_has_abandoned(void **state)
{
    (void)state;
    assert_int_equal(exit_status(run_stuck_reader), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_memory_wakes_nobody_whom_the_loop_has_abandoned),
        core_test(test_memory_peer_is_the_name),
        core_test(test_memory_makes_no_system_call),
        core_test(test_stream_steady_exchange_allocates_nothing),
        core_test(test_memory_both_ways_at_once),
        core_test(test_memory_full_both_ways_and_closed),
        core_test(test_memory_pair_without_memory_makes_neither),
        core_test(test_stream_idle_connection_is_small),
        core_test(test_storage_classes),
        core_test(test_storage_keeps_a_few_blocks_and_no_crowd),
    };
    return cmocka_run_group_tests_name("net memory", tests, NULL, NULL);
}
