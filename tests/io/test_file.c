/* FILE, as the layers above see it: at once, by the ring, or on a thread, and what a cancel can do.
 */

#include "io_test.h"

#include "io/file.h"

#include <sched.h>
#include <sys/uio.h>

struct desk {
    struct world world;
    struct wf_pool *pool;
    int pipes[2];
};

static void desk_open(struct desk *desk, struct wf_pool_options options)
{
    world_open(&desk->world);
    assert_int_equal(wf_pool_new(&desk->pool, &options), 0);
    assert_int_equal(pipe2(desk->pipes, O_CLOEXEC), 0);
}

static void desk_close(struct desk *desk)
{
    wf_pool_free(desk->pool);
    close(desk->pipes[0]);
    close(desk->pipes[1]);
    world_close(&desk->world);
}

struct asked {
    struct probe probe;
    struct wf_file_call call;
    struct iovec piece;
    char text[8];
};

static int64_t ask(struct desk *desk, struct asked *asked)
{
    asked->call.job.inbox = desk->world.inbox;
    asked->probe.op.code = WF_OP_FILE;
    asked->probe.op.file.call = &asked->call;
    asked->probe.op.file.pool = desk->pool;
    return submit(&desk->world, &asked->probe);
}

/* Who reads what has not been written occupies a thread, or an entry. */
static int64_t ask_pipe(struct desk *desk, struct asked *asked)
{
    asked->piece = (struct iovec){ asked->text, sizeof asked->text };
    asked->call = (struct wf_file_call){ .code = WF_FILE_READ,
                                         .fd = desk->pipes[0],
                                         .vector = &asked->piece,
                                         .count = 1,
                                         .offset = -1 };
    return ask(desk, asked);
}

static void wait_ended(struct desk *desk, const struct asked *asked)
{
    static const struct wf_clock real = { .test = false };
    int64_t end = wf_clock_now(&real) + PATIENCE;
    while (asked->probe.op.pending) {
        assert_true(wf_clock_now(&real) < end);
        desk->world.ops->wait(desk->world.io, 10 * WEFT_MILLISECOND);
        for (struct wf_mail *mail = wf_inbox_take(desk->world.inbox), *next; mail; mail = next) {
            next = mail->next;
            mail->deliver(mail, false);
        }
    }
    assert_int_equal(asked->probe.calls, 1);
}

static void test_file_what_no_ring_has_is_done_by_a_thread(void **state)
{
    (void)state;
    struct desk desk;
    struct asked asked = { .call = { .code = WF_FILE_COPY, .size = 8 } };
    desk_open(&desk, (struct wf_pool_options){ 0 });
    asked.call.fd = desk.pipes[0];
    asked.call.other_fd = desk.pipes[1];
    assert_int_equal(ask(&desk, &asked), WF_PENDING);
    assert_true(asked.probe.op.file.on_thread);
    wait_ended(&desk, &asked);
    assert_int_equal(asked.probe.result, -EINVAL);
    assert_int_equal(desk.world.ops->counters(desk.world.io)->pending, 0);
    desk_close(&desk);
}

static void test_file_a_result_comes_when_it_is_there(void **state)
{
    (void)state;
    struct desk desk;
    struct asked asked = { 0 };
    desk_open(&desk, (struct wf_pool_options){ 0 });
    assert_int_equal(ask_pipe(&desk, &asked), WF_PENDING);
    assert_int_equal(write(desk.pipes[1], "bytes", 5), 5);
    wait_ended(&desk, &asked);
    assert_int_equal(asked.probe.result, 5);
    assert_memory_equal(asked.text, "bytes", 5);
    desk_close(&desk);
}

/* The second one waits for the only thread, or has an entry as the first. */
static void test_file_a_cancel_ends_what_has_not_begun(void **state)
{
    (void)state;
    struct desk desk;
    struct asked first = { 0 }, second = { 0 };
    desk_open(&desk, (struct wf_pool_options){ .threads = 1 });
    assert_int_equal(ask_pipe(&desk, &first), WF_PENDING);
    while (!on_uring(&desk.world) && wf_pool_count(desk.pool).running == 0)
        sched_yield();
    assert_int_equal(ask_pipe(&desk, &second), WF_PENDING);
    bool gone = desk.world.ops->cancel(desk.world.io, &second.probe.op);
    assert_true(gone == !on_uring(&desk.world));
    assert_true(second.probe.op.pending == !gone);
    if (!gone)
        wait_ended(&desk, &second);
    assert_int_equal(second.probe.calls, gone ? 0 : 1);
    if (!gone)
        assert_int_equal(second.probe.result, -ECANCELED);
    assert_true(first.probe.op.pending);
    assert_int_equal(write(desk.pipes[1], "first", 5), 5);
    wait_ended(&desk, &first);
    assert_int_equal(first.probe.result, 5);
    desk_close(&desk);
}

static void test_file_a_cancel_waits_for_what_has_begun(void **state)
{
    (void)state;
    struct desk desk;
    struct asked asked = { 0 };
    desk_open(&desk, (struct wf_pool_options){ .threads = 1 });
    assert_int_equal(ask_pipe(&desk, &asked), WF_PENDING);
    while (!on_uring(&desk.world) && wf_pool_count(desk.pool).running == 0)
        sched_yield();
    assert_false(desk.world.ops->cancel(desk.world.io, &asked.probe.op));
    assert_true(asked.probe.op.pending);
    if (!on_uring(&desk.world))
        assert_int_equal(write(desk.pipes[1], "late", 4), 4);
    wait_ended(&desk, &asked);
    assert_int_equal(asked.probe.result, on_uring(&desk.world) ? -ECANCELED : 4);
    desk_close(&desk);
}

/* The disk would be waited for in the middle of a turn. */
static void test_file_what_passes_the_cache_is_not_read_at_once(void **state)
{
    (void)state;
    struct desk desk;
    struct asked asked = { 0 };
    static _Alignas(4096) char page[4096];
    char name[] = "/var/tmp/weft-direct-XXXXXX";
    int fd = mkostemp(name, O_DIRECT | O_CLOEXEC);
    unlink(name);
    if (fd < 0 || pwrite(fd, page, sizeof page, 0) != sizeof page)
        skip(); /* this file system has no O_DIRECT */
    desk_open(&desk, (struct wf_pool_options){ 0 });
    asked.piece = (struct iovec){ page, sizeof page };
    asked.call =
        (struct wf_file_call){ .code = WF_FILE_READ, .fd = fd, .vector = &asked.piece, .count = 1 };
    assert_int_equal(ask(&desk, &asked), WF_PENDING);
    wait_ended(&desk, &asked);
    assert_int_equal(asked.probe.result, sizeof page);
    desk_close(&desk);
    close(fd);
}

static void test_file_refused_is_not_pending(void **state)
{
    (void)state;
    struct desk desk;
    struct asked asked = { .call = { .code = WF_FILE_COPY } };
    struct wf_io_fault fault = { .kind = WF_FAULT_THREAD, .countdown = 1, .error = EAGAIN };
    desk_open(&desk, (struct wf_pool_options){ 0 });
    wf_io_fault_set(&fault);
    assert_int_equal(ask(&desk, &asked), -EAGAIN);
    fault = (struct wf_io_fault){ .kind = WF_FAULT_FILE, .countdown = 1, .error = EIO };
    assert_int_equal(ask(&desk, &asked), -EIO);
    wf_io_fault_set(NULL);
    assert_false(asked.probe.op.pending);
    desk_close(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_what_no_ring_has_is_done_by_a_thread),
        cmocka_unit_test(test_file_a_result_comes_when_it_is_there),
        cmocka_unit_test(test_file_a_cancel_ends_what_has_not_begun),
        cmocka_unit_test(test_file_a_cancel_waits_for_what_has_begun),
        cmocka_unit_test(test_file_what_passes_the_cache_is_not_read_at_once),
        cmocka_unit_test(test_file_refused_is_not_pending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
