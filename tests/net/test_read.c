/* Reading, over each kind of stream: read, try, exact, until, line, fill. */

#include "net_test.h"

/* read */

static void test_read_what_is_there_is_returned(struct pair *p)
{
    char data[16], all[6] = "";
    put(p->a, "hello");
    ssize_t n = weft_read(p->b, data, sizeof data), got = n;
    assert_in_range(n, 1, 5);
    memcpy(all, data, (size_t)n);
    while (got < 5) { /* short transfers */
        n = weft_read(p->b, all + got, (size_t)(5 - got));
        assert_true(n > 0);
        got += n;
    }
    assert_string_equal(all, "hello");
}

static void test_read_waits_for_a_byte(struct pair *p)
{
    char byte = 0;
    struct call read = { READ, p->b, &byte, 1, 0, false, "" };
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, run_call, &read);
    pass_turns(5);
    assert_false(read.done);
    put(p->a, "x");
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(read.result, 1);
    assert_int_equal(byte, 'x');
}

static void test_read_at_the_end_is_zero_again_and_again(struct pair *p)
{
    put(p->a, "last");
    assert_int_equal(weft_shutdown_write(p->a), 0);
    expect(p->b, "last");
    expect_end(p->b);
    expect_end(p->b);
}

static void test_read_of_nothing_returns_at_once(struct pair *p)
{
    char byte;
    assert_int_equal(weft_read(p->b, &byte, 0), 0);
    assert_int_equal(weft_read_exact(p->b, &byte, 0), 0);
    assert_int_equal(weft_read_try(p->b, &byte, 0), 0);
    put(p->a, "x");
    assert_int_equal(weft_read(p->b, &byte, 0), 0);
    expect(p->b, "x");
}

static int take_turns(void *turns)
{
    int err;
    while ((err = weft_sleep(0)) == 0)
        ++*(int *)turns;
    return err == -ECANCELED ? 0 : err;
}

/* Each read of a byte that is there counts as nine calls of 128, where the kernel serves it. */
static void test_read_of_what_is_always_there_lets_others_run(struct pair *p)
{
    char bytes[100] = { 0 }, byte;
    int turns = 0, before;
    weft_scope s;
    assert_int_equal(weft_write(p->a, bytes, sizeof bytes), 0);
    assert_int_equal(weft_read(p->b, &byte, 1), 1); /* all have arrived */
    weft_scope_begin(&s);
    weft_spawn(&s, take_turns, &turns);
    weft_sleep(0);
    before = turns;
    for (int i = 0; i < 80; i++)
        assert_int_equal(weft_read(p->b, &byte, 1), 1);
    assert_in_range(turns - before, p->kind->kernel ? 5 : 0, p->kind->kernel ? 8 : 1);
    weft_scope_cancel(&s, NULL);
    weft_scope_end(&s);
}

static void test_read_gets_all_bytes_in_order(struct pair *p)
{
    static char data[200000];
    struct sink sink = { .stream = p->b };
    weft_scope s;
    fill_pattern(data, sizeof data, 0);
    weft_scope_begin(&s);
    weft_spawn(&s, drain_sink, &sink);
    assert_int_equal(weft_write(p->a, data, sizeof data), 0);
    assert_int_equal(weft_shutdown_write(p->a), 0);
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(sink.size, sizeof data);
    assert_int_equal(sink.end, 0);
}

/* try */

static void test_read_try_never_waits(struct pair *p)
{
    char data[8];
    assert_int_equal(weft_read_try(p->b, data, sizeof data), -EAGAIN);
    put(p->a, "ab");
    ssize_t n = -EAGAIN;
    until((n = weft_read_try(p->b, data, 1)) != -EAGAIN);
    assert_int_equal(n, 1);
    assert_int_equal(data[0], 'a');
    expect(p->b, "b");
    assert_int_equal(weft_read_try(p->b, data, sizeof data), -EAGAIN);
    assert_int_equal(weft_shutdown_write(p->a), 0);
    until((n = weft_read_try(p->b, data, 1)) != -EAGAIN);
    assert_int_equal(n, 0);
}

static void test_read_try_is_not_cancelled(struct pair *p)
{
    char byte = 0;
    put(p->a, "xy");
    expect(p->b, "x");
    pass_turns(3);
    weft_scope s;
    weft_scope_begin(&s);
    weft_scope_cancel(&s, "test");
    assert_int_equal(weft_read_try(p->b, &byte, 1), 1);
    assert_int_equal(byte, 'y');
    weft_scope_end(&s);
}

/* exact */

static void test_read_exact_waits_for_all(struct pair *p)
{
    char data[9] = "";
    struct call exact = { EXACT, p->b, data, 8, 0, false, "" };
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, run_call, &exact);
    put(p->a, "abc");
    pass_turns(5);
    put(p->a, "defg");
    pass_turns(5);
    assert_false(exact.done);
    assert_int_equal(data[0], 0); /* nothing before it is complete */
    put(p->a, "hi");
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(exact.result, 0);
    assert_string_equal(data, "abcdefgh");
    expect(p->b, "i");
}

static void test_read_exact_at_the_end_keeps_what_came(struct pair *p)
{
    char data[8] = "";
    put(p->a, "abc");
    weft_shutdown_write(p->a);
    assert_int_equal(weft_read_exact(p->b, data, 4), WEFT_EEND);
    assert_int_equal(weft_read_exact(p->b, data, 4), WEFT_EEND);
    expect(p->b, "abc");
    assert_int_equal(weft_read_exact(p->b, data, 1), WEFT_EEND);
    expect_end(p->b);
}

static void test_read_exact_grows_past_the_input_limit(struct pair *p)
{
    enum { SIZE = 100000 }; /* the limit is 16 KiB */
    static char data[SIZE];
    struct call write = { WRITE, p->a, malloc(SIZE + 3), SIZE + 3, 0, false, "" };
    weft_scope s;
    fill_pattern(write.data, SIZE + 3, 0);
    weft_scope_begin(&s);
    weft_spawn(&s, run_call, &write);
    assert_int_equal(weft_read_exact(p->b, data, SIZE), 0);
    check_pattern(data, SIZE, 0);
    assert_int_equal(weft_read_exact(p->b, data, 3), 0);
    check_pattern(data, 3, SIZE);
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(p->b->input.limit, p->b->input_max);
    free(write.data);
}

/* Semantics 7: cancelled in the middle, each keeps its bytes. `kind` has everything but its last
 * byte when the cancel comes. */
static void cancel_in_the_middle(struct pair *p, enum call_kind kind, const char *first,
                                 const char *rest)
{
    char data[32] = "";
    struct call call = { kind, p->b, data, 8, 0, false, "" };
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, run_call, &call);
    put(p->a, first);
    until(weft_buffer_readable(&p->b->input) == strlen(first));
    pass_turns(3);
    assert_false(call.done);
    weft_scope_cancel(&s, "test");
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(call.result, -ECANCELED);
    assert_int_equal(data[0], 0);
    put(p->a, rest);
}

static void test_semantics_07_cancelled_exact_read_keeps_its_bytes(struct pair *p)
{
    cancel_in_the_middle(p, EXACT, "1234567", "8");
    expect(p->b, "12345678");
}

static void test_semantics_07_cancelled_until_keeps_its_bytes(struct pair *p)
{
    char data[16] = "";
    cancel_in_the_middle(p, UNTIL, "12345\r", "\n6");
    assert_int_equal(weft_read_until(p->b, data, sizeof data, "\r\n", 2), 7);
    assert_memory_equal(data, "12345\r\n", 7);
    expect(p->b, "6");
}

static void test_semantics_07_cancelled_line_keeps_its_bytes(struct pair *p)
{
    char data[16] = "";
    cancel_in_the_middle(p, LINE, "12345", "\n6");
    assert_int_equal(weft_read_line(p->b, data, sizeof data), 5);
    assert_string_equal(data, "12345");
    expect(p->b, "6");
}

static void test_semantics_07_cancelled_read_loses_nothing(struct pair *p)
{
    static const enum call_kind waiting[] = { READ, FILL };
    for (size_t i = 0; i < 2; i++) {
        char data[8];
        struct call call = { waiting[i], p->b, data, 8, 0, false, "" };
        weft_scope s;
        weft_scope_begin(&s);
        weft_spawn(&s, run_call, &call);
        pass_turns(3);
        weft_scope_cancel(&s, "test");
        assert_int_equal(weft_scope_end(&s), 0);
        assert_int_equal(call.result, -ECANCELED);
    }
    put(p->a, "still here");
    expect(p->b, "still here");
}

static void test_semantics_18_deadline_of_an_exact_read_leaves_the_stream_usable(struct pair *p)
{
    char data[8];
    weft_scope s;
    weft_scope_begin(&s, .timeout = SECOND);
    int err = weft_read_exact(p->b, data, 4);
    assert_int_equal(err, -ECANCELED);
    assert_int_equal(weft_scope_leave(&s, err), -ETIMEDOUT);
    put(p->a, "abcd");
    expect(p->b, "abcd");
}

/* Semantics 10: bytes that have arrived are returned, and the next call is cancelled. */

static int read_twice(void *arg)
{
    struct call *c = arg;
    c->result = weft_read(c->stream, c->data, c->size);
    assert_int_equal(weft_read(c->stream, c->data, c->size), -ECANCELED);
    return 0;
}

static void test_semantics_10_granted_read_is_not_cancelled(struct pair *p)
{
    char data[8];
    struct call call = { READ, p->b, data, 8, 0, false, "" };
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, read_twice, &call);
    pass_turns(3);
    assert_non_null(p->b->reading);
    const struct wf_waiter *w = &p->b->reading->waiter;
    weft_write(p->a, "x", 1);
    weft_flush(p->a);
    while (w->state == WF_WAIT_ARMED) /* its result is there, it has not run yet */
        p->b->loop->io_ops->wait(p->b->loop->io, 0);
    weft_scope_cancel(&s, "test");
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(call.result, 1);
}

static void test_semantics_10_each_read_checks_cancel_at_entry(struct pair *p)
{
    static const enum call_kind all[] = { READ, EXACT, UNTIL, LINE, FILL };
    put(p->a, "ab\r\ncd");
    expect(p->b, "a");
    pass_turns(3);
    weft_scope s;
    weft_scope_begin(&s);
    weft_scope_cancel(&s, "test");
    for (size_t i = 0; i < WF_ARRAY_SIZE(all); i++) {
        char data[8];
        struct call call = { all[i], p->b, data, 1, 0, false, "" };
        assert_int_equal(make_call(&call), -ECANCELED);
    }
    weft_scope_end(&s);
    expect(p->b, "b\r\ncd");
}

/* until */

static void test_read_until_finds_the_delimiter_wherever_it_is_cut(struct pair *p)
{
    static const char text[] = "GET / HTTP/1.1\r\n\r\nbody";
    char data[64];
    for (size_t cut = 1; cut < sizeof text - 1; cut++) {
        struct call write = {
            WRITE, p->a, (char *)(uintptr_t)(text + cut), sizeof text - 1 - cut, 0, false, ""
        };
        weft_scope s;
        assert_int_equal(weft_write(p->a, text, cut), 0);
        weft_flush(p->a);
        weft_scope_begin(&s);
        weft_spawn(&s, run_call, &write);
        assert_int_equal(weft_read_until(p->b, data, sizeof data, "\r\n\r\n", 4), 18);
        assert_memory_equal(data, text, 18);
        assert_int_equal(weft_scope_end(&s), 0);
        expect(p->b, "body");
    }
}

static void test_read_until_over_its_size_keeps_the_bytes(struct pair *p)
{
    char data[8];
    put(p->a, "1234567\n");
    assert_int_equal(weft_read_until(p->b, data, 7, "\n", 1), WEFT_ELIMIT);
    assert_int_equal(weft_read_until(p->b, data, 7, "7\n", 2), WEFT_ELIMIT);
    assert_int_equal(weft_read_until(p->b, data, 8, "\n", 1), 8);
    assert_memory_equal(data, "1234567\n", 8);
}

static void test_read_until_at_the_end_keeps_what_came(struct pair *p)
{
    char data[8];
    put(p->a, "abc");
    weft_shutdown_write(p->a);
    assert_int_equal(weft_read_until(p->b, data, sizeof data, "\n", 1), WEFT_EEND);
    expect(p->b, "abc");
    assert_int_equal(weft_read_until(p->b, data, sizeof data, "\n", 1), WEFT_EEND);
}

static void test_read_until_needs_a_delimiter(struct pair *p)
{
    char data[8];
    assert_int_equal(weft_read_until(p->b, data, sizeof data, "", 0), -EINVAL);
    assert_int_equal(weft_read_line(p->b, data, 0), -EINVAL);
    take_log("empty delimiter");
    take_log("without room");
}

static void test_read_until_crosses_blocks(struct pair *p)
{
    enum { SIZE = 40000 };
    static char text[SIZE], data[SIZE];
    struct call write = { WRITE, p->a, text, SIZE, 0, false, "" };
    weft_scope s;
    memset(text, 'x', SIZE);
    memcpy(text + SIZE - 4, "end\n", 4);
    weft_scope_begin(&s);
    weft_spawn(&s, run_call, &write);
    assert_int_equal(weft_read_until(p->b, data, SIZE, "end\n", 4), SIZE);
    assert_memory_equal(data, text, SIZE);
    assert_int_equal(weft_scope_end(&s), 0);
}

static void test_read_until_stops_at_the_input_limit(struct pair *p)
{
    enum { SIZE = 40000 }; /* the limit is 16 KiB */
    static char text[SIZE], data[SIZE];
    memset(text, 'x', SIZE);
    struct call write = { WRITE, p->a, text, SIZE, 0, false, "" };
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, run_call, &write);
    assert_int_equal(weft_read_until(p->b, data, SIZE, "\n", 1), WEFT_ELIMIT);
    assert_int_equal(weft_fill(p->b), WEFT_ELIMIT);
    assert_int_equal(weft_read_exact(p->b, data, SIZE), 0);
    assert_memory_equal(data, text, SIZE);
    assert_int_equal(weft_scope_end(&s), 0);
}

/* line */

static void test_read_line_drops_both_kinds_of_end(struct pair *p)
{
    static const char *const lines[] = { "one", "two", "", "", "a\rb", "six\r" };
    char line[16];
    put(p->a, "one\ntwo\r\n\n\r\na\rb\nsix\r\r\nlast\r");
    weft_shutdown_write(p->a);
    for (size_t i = 0; i < WF_ARRAY_SIZE(lines); i++) {
        memset(line, 'z', sizeof line);
        assert_int_equal(weft_read_line(p->b, line, sizeof line), strlen(lines[i]));
        assert_string_equal(line, lines[i]);
    }
    assert_int_equal(weft_read_line(p->b, line, sizeof line), 5); /* without an end it counts */
    assert_string_equal(line, "last\r");
    assert_int_equal(weft_read_line(p->b, line, sizeof line), WEFT_EEND);
    assert_int_equal(weft_read_line(p->b, line, sizeof line), WEFT_EEND);
}

static void test_read_line_fits_with_its_nul_or_stays(struct pair *p)
{
    char line[5];
    put(p->a, "1234\r\n12345\n1234");
    assert_int_equal(weft_read_line(p->b, line, 4), WEFT_ELIMIT);
    assert_int_equal(weft_read_line(p->b, line, 5), 4);
    assert_string_equal(line, "1234");
    assert_int_equal(weft_read_line(p->b, line, 5), WEFT_ELIMIT);
    expect(p->b, "12345\n");
    weft_shutdown_write(p->a);
    assert_int_equal(weft_read_line(p->b, line, 4), WEFT_ELIMIT);
    assert_int_equal(weft_read_line(p->b, line, 5), 4);
}

/* fill */

static void test_fill_adds_to_the_input(struct pair *p)
{
    weft_buffer *input = weft_stream_input(p->b);
    assert_int_equal(weft_buffer_readable(input), 0);
    put(p->a, "abc");
    while (weft_buffer_readable(input) < 3)
        assert_true(weft_fill(p->b) > 0);
    put(p->a, "def");
    while (weft_buffer_readable(input) < 6)
        assert_true(weft_fill(p->b) > 0);
    assert_memory_equal(weft_buffer_data(input), "abcdef", 6);
    weft_buffer_consume(input, 2);
    expect(p->b, "cd");
    expect(p->b, "ef");
    weft_shutdown_write(p->a);
    assert_int_equal(weft_fill(p->b), 0);
    assert_int_equal(weft_fill(p->b), 0);
}

static void test_fill_holds_no_memory_while_it_waits(struct pair *p)
{
    struct call fill = { FILL, p->b, NULL, 0, 0, false, "" };
    weft_scope s;
    put(p->a, "abc");
    assert_true(weft_fill(p->b) > 0);
    expect(p->b, "abc");
    weft_scope_begin(&s);
    weft_spawn(&s, run_call, &fill);
    pass_turns(3);
    assert_false(fill.done);
    assert_null(p->b->input.storage);
    put(p->a, "d");
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(fill.result, 1);
    expect(p->b, "d");
}

/* Errors. */

static void test_read_second_reader_is_busy_and_named(struct pair *p)
{
    static const enum call_kind all[] = { READ, EXACT, UNTIL, LINE, FILL };
    char first[4], data[4];
    for (size_t i = 0; i < WF_ARRAY_SIZE(all); i++) {
        struct call call = { all[i], p->b, first, 4, 0, false, "" };
        weft_scope s;
        weft_scope_begin(&s);
        weft_spawn(&s, run_call, &call, .name = "the first");
        pass_turns(3);
        for (size_t k = 0; k < WF_ARRAY_SIZE(all); k++) {
            struct call second = { all[k], p->b, data, 4, 0, false, "" };
            assert_int_equal(make_call(&second), -EBUSY);
            assert_non_null(strstr(weft_error_detail(), "the first"));
        }
        assert_int_equal(weft_read_try(p->b, data, 4), -EBUSY);
        weft_scope_cancel(&s, "test");
        assert_int_equal(weft_scope_end(&s), 0);
        assert_int_equal(call.result, -ECANCELED);
    }
    take_log("reads this stream already");
}

static void try_outside(void *arg)
{
    struct pair *p = arg;
    char data[4];
    assert_int_equal(weft_read(p->b, data, 4), -EPERM);
    assert_int_equal(weft_fill(p->b), -EPERM);
    assert_int_equal(weft_read_try(p->b, data, 4), -EAGAIN);
    note("called");
}

static void test_semantics_21_read_outside_a_task_returns(struct pair *p)
{
    weft_call_soon(try_outside, p);
    pass_turns(2);
    assert_string_equal(trace, "called");
    take_log("outside a task");
}

static void test_read_after_a_reset_keeps_telling(struct pair *p)
{
    char data[8];
    if (p->kind == &kinds[UNIX])
        return; /* has no reset */
    put(p->a, "ab");
    assert_int_equal(weft_read(p->b, data, 1), 1);
    weft_abort(p->a);
    p->a = NULL;
    ssize_t n;
    while ((n = weft_read(p->b, data, 1)) > 0) /* what had arrived may still be there */
        ;
    assert_int_equal(n, -ECONNRESET);
    assert_int_equal(weft_read(p->b, data, 1), -ECONNRESET);
    assert_int_equal(weft_read_try(p->b, data, 1), -ECONNRESET);
    assert_int_equal(weft_fill(p->b), -ECONNRESET);
    assert_int_equal(weft_read_exact(p->b, data, 1), -ECONNRESET);
    assert_int_equal(weft_read_line(p->b, data, 8), -ECONNRESET);
}

static void test_read_reset_after_read_ahead_gives_the_bytes_first(struct pair *p)
{
    char data[8];
    if (p->kind == &kinds[UNIX])
        return;
    put(p->a, "abcd");
    while (weft_buffer_readable(&p->b->input) < 4)
        assert_true(weft_fill(p->b) > 0);
    weft_abort(p->a);
    p->a = NULL;
    assert_int_equal(weft_read_exact(p->b, data, 5), -ECONNRESET);
    expect(p->b, "abcd");
    assert_int_equal(weft_read(p->b, data, 1), -ECONNRESET);
}

static void test_read_out_of_memory_is_not_the_end(struct pair *p)
{
    struct wf_memory_fault none = { .countdown = 1, .persistent = true };
    put(p->a, "abc");
    pass_turns(3);
    wf_memory_fault_set(&none);
    ssize_t n = weft_fill(p->b);
    wf_memory_fault_set(NULL);
    assert_true(n == -ENOMEM || n > 0); /* a kept block needs no memory */
    expect(p->b, "abc");
}

/* Turns and calls. */

static int count_turns(void *arg)
{
    for (;;) {
        int err = weft_sleep(0);
        if (err < 0)
            return err;
        ++*(int *)arg;
    }
}

static void test_read_that_never_waits_still_lets_others_run(struct pair *p)
{
    static char data[1000];
    int turns = 0;
    char byte;
    memset(data, 'x', sizeof data);
    weft_write(p->a, data, sizeof data);
    weft_flush(p->a);
    while (weft_buffer_readable(&p->b->input) < sizeof data)
        assert_true(weft_fill(p->b) > 0);
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, count_turns, &turns);
    for (size_t i = 0; i < sizeof data; i++)
        assert_int_equal(weft_read(p->b, &byte, 1), 1);
    weft_scope_cancel(&s, "done");
    weft_scope_end(&s);
    assert_in_range(turns, 5, 20);
}

static void test_semantics_15_read_that_is_parked_makes_no_system_call(struct pair *p)
{
    char data[8];
    struct call read = { READ, p->b, data, 8, 0, false, "" };
    const weft_loop *loop = p->b->loop;
    weft_scope s;
    put(p->a, "x");
    assert_int_equal(weft_read(p->b, data, 8), 1);
    uint64_t before = loop->io_ops->counters(loop->io)->receives;
    weft_scope_begin(&s);
    weft_spawn(&s, run_call, &read);
    pass_turns(10);
    assert_int_equal(loop->io_ops->counters(loop->io)->receives, before);
    put(p->a, "y");
    assert_int_equal(weft_scope_end(&s), 0);
    bool calls = p->kind->kernel && strcmp(loop->io_ops->name, "uring") != 0;
    assert_int_equal(loop->io_ops->counters(loop->io)->receives, before + calls);
}

#define LIMITED .listen = { .input_max = 1, .size = 1 }, .connect = { .size = 1 }

static const struct stream_case cases[] = {
    stream_case(test_read_what_is_there_is_returned),
    stream_case(test_read_waits_for_a_byte),
    stream_case(test_read_at_the_end_is_zero_again_and_again),
    stream_case(test_read_of_nothing_returns_at_once),
    stream_case(test_read_of_what_is_always_there_lets_others_run, .virtual_ = true),
    stream_case(test_read_gets_all_bytes_in_order),
    stream_case(test_read_try_never_waits),
    stream_case(test_read_try_is_not_cancelled),
    stream_case(test_read_exact_waits_for_all),
    stream_case(test_read_exact_at_the_end_keeps_what_came),
    stream_case(test_read_exact_grows_past_the_input_limit, LIMITED),
    stream_case(test_semantics_07_cancelled_exact_read_keeps_its_bytes),
    stream_case(test_semantics_07_cancelled_until_keeps_its_bytes),
    stream_case(test_semantics_07_cancelled_line_keeps_its_bytes),
    stream_case(test_semantics_07_cancelled_read_loses_nothing),
    stream_case(test_semantics_18_deadline_of_an_exact_read_leaves_the_stream_usable),
    stream_case(test_semantics_10_granted_read_is_not_cancelled),
    stream_case(test_semantics_10_each_read_checks_cancel_at_entry),
    stream_case(test_read_until_finds_the_delimiter_wherever_it_is_cut),
    stream_case(test_read_until_over_its_size_keeps_the_bytes),
    stream_case(test_read_until_at_the_end_keeps_what_came),
    stream_case(test_read_until_needs_a_delimiter),
    stream_case(test_read_until_crosses_blocks),
    stream_case(test_read_until_stops_at_the_input_limit, LIMITED),
    stream_case(test_read_line_drops_both_kinds_of_end),
    stream_case(test_read_line_fits_with_its_nul_or_stays),
    stream_case(test_fill_adds_to_the_input),
    stream_case(test_fill_holds_no_memory_while_it_waits),
    stream_case(test_read_second_reader_is_busy_and_named),
    stream_case(test_semantics_21_read_outside_a_task_returns),
    stream_case(test_read_after_a_reset_keeps_telling),
    stream_case(test_read_reset_after_read_ahead_gives_the_bytes_first),
    stream_case(test_read_out_of_memory_is_not_the_end),
    stream_case(test_read_that_never_waits_still_lets_others_run),
    stream_case(test_semantics_15_read_that_is_parked_makes_no_system_call, .virtual_ = true),
};

int main(void)
{
    return run_cases("net read", cases, WF_ARRAY_SIZE(cases));
}
