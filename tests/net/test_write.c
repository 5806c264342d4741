/* Writing, over each kind of stream: whole or not at all, water marks, torn writes, flush, errors,
 * and how many system calls it takes. */

#include "net_test.h"

static char big[4 * 65536];

/* Whole or not at all. */

static void test_write_returns_when_taken_and_not_when_sent(struct pair *p)
{
    assert_int_equal(weft_write(p->a, "abc", 3), 0);
    if (p->kind->kernel)
        assert_int_equal(weft_stream_queued(p->a), 3);
    else
        assert_int_equal(weft_stream_queued(p->a), 0); /* in memory nothing is gained by waiting */
    assert_int_equal(weft_flush(p->a), 0);
    assert_int_equal(weft_stream_queued(p->a), 0);
    expect(p->b, "abc");
}

static void test_write_of_nothing_writes_nothing(struct pair *p)
{
    weft_slice none[2] = { { NULL, 0 }, { "", 0 } };
    char byte = 0;
    struct call read = { READ, p->b, &byte, 1, 0, false, "" };
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, run_call, &read);
    pass_turns(2);
    assert_int_equal(weft_write(p->a, NULL, 0), 0);
    assert_int_equal(weft_write_some(p->a, "", 0), 0);
    assert_int_equal(weft_write_pieces(p->a, none, 2), 0);
    assert_int_equal(weft_write_pieces(p->a, NULL, 0), 0);
    assert_int_equal(weft_flush(p->a), 0);
    pass_turns(2);
    assert_false(read.done); /* and is not taken for the end */
    put(p->a, "x");
    weft_scope_end(&s);
    assert_int_equal(read.result, 1);
}

static void test_write_waits_above_high_until_below_low(struct pair *p)
{
    char byte = 'x';
    struct call write = { WRITE, p->a, &byte, 1, 0, false, "" };
    struct sink sink = { .stream = p->b };
    size_t size = stuff(p->a), highest_while_waiting = 0, at_wake = HIGH;
    weft_scope s;
    while (weft_stream_queued(p->a) < HIGH) { /* there is room: no wait */
        fill_pattern(big, 1000, size);
        assert_int_equal(weft_write(p->a, big, 1000), 0);
        size += 1000;
    }
    fill_pattern(&byte, 1, size);
    weft_scope_begin(&s);
    weft_spawn(&s, run_call, &write);
    pass_turns(5);
    assert_false(write.done);
    assert_in_range(weft_stream_queued(p->a), HIGH, 2 * HIGH);
    weft_spawn(&s, drain_sink, &sink);
    while (!write.done) {
        size_t queued = weft_stream_queued(p->a);
        if (p->a->draining)
            highest_while_waiting = queued > LOW ? queued : highest_while_waiting;
        else
            at_wake = queued < at_wake ? queued : at_wake;
        weft_sleep(0);
    }
    assert_true(highest_while_waiting > LOW);
    assert_true(at_wake <= LOW);
    assert_int_equal(write.result, 0);
    assert_int_equal(weft_shutdown_write(p->a), 0);
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(sink.size, size + 1);
}

/* Fill the queue so that the next write has to wait; how many bytes were taken. */
static size_t fill_up(weft_stream *stream)
{
    size_t size = stuff(stream);
    while (weft_stream_queued(stream) < stream->high_mark) {
        fill_pattern(big, 4096, size);
        assert_int_equal(weft_write(stream, big, 4096), 0);
        size += 4096;
    }
    return size;
}

/* In memory the queue falls by what was read and no more: between the marks a writer goes on
 * waiting. */
static void test_write_waits_until_the_low_mark(struct pair *p)
{
    char byte = 'x';
    static char some[8000];
    struct call write = { WRITE, p->a, &byte, 1, 0, false, "" };
    size_t lowest = 2 * HIGH;
    weft_scope s;
    if (p->kind->kernel)
        return;
    fill_up(p->a);
    weft_scope_begin(&s);
    weft_spawn(&s, run_call, &write);
    pass_turns(3);
    while (!write.done) {
        lowest = weft_stream_queued(p->a);
        assert_true(weft_read_try(p->b, some, sizeof some) > 0);
        pass_turns(3);
    }
    assert_in_range(lowest, LOW + 1, LOW + sizeof some); /* it still waited then */
    assert_in_range(weft_stream_queued(p->a), 1, LOW + 1);
    weft_scope_end(&s);
}

static void expect_all(struct pair *p, size_t size)
{
    struct sink sink = { .stream = p->b };
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, drain_sink, &sink);
    weft_shutdown_write(p->a);
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(sink.size, size);
    assert_int_equal(sink.end, 0);
}

static void test_semantics_07_write_cancelled_while_it_waits_takes_nothing(struct pair *p)
{
    static const enum call_kind all[] = { WRITE, SOME, PIECES };
    size_t size = fill_up(p->a), queued = weft_stream_queued(p->a);
    for (size_t i = 0; i < WF_ARRAY_SIZE(all); i++) {
        /* also more than the high mark: nothing is taken while it waits for the first piece */
        size_t more = i == 0 ? sizeof big : 1000;
        struct call write = { all[i], p->a, big, more, 0, false, "" };
        weft_scope s;
        weft_scope_begin(&s);
        weft_spawn(&s, run_call, &write);
        pass_turns(3);
        assert_false(write.done);
        weft_scope_cancel(&s, "test");
        assert_int_equal(weft_scope_end(&s), 0);
        assert_int_equal(write.result, -ECANCELED);
        assert_int_equal(weft_stream_queued(p->a), queued);
    }
    expect_all(p, size);
}

static void test_semantics_10_each_write_checks_cancel_at_entry(struct pair *p)
{
    static const enum call_kind all[] = { WRITE, SOME, PIECES, FLUSH, SHUTDOWN };
    weft_scope s;
    weft_scope_begin(&s);
    weft_scope_cancel(&s, "test");
    for (size_t i = 0; i < WF_ARRAY_SIZE(all); i++) {
        struct call call = { all[i], p->a, big, 4, 0, false, "" };
        assert_int_equal(make_call(&call), -ECANCELED);
    }
    weft_scope_end(&s);
    put(p->a, "end");
    expect(p->b, "end");
}

static void test_semantics_07_large_write_cut_in_the_middle_is_torn(struct pair *p)
{
    struct call write = { WRITE, p->a, NULL, 64 * HIGH, 0, false, "" };
    struct sink sink = { .stream = p->b };
    size_t k, n;
    weft_scope s;
    write.data = malloc(write.size);
    fill_pattern(write.data, write.size, 0);
    if (p->kind->kernel) { /* so that the kernel's buffers cannot swallow all of it */
        int small = 4096;
        for (int fd = 3; fd < 64; fd++)
            setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    }
    weft_scope_begin(&s);
    weft_spawn(&s, run_call, &write);
    until(p->a->draining);
    weft_scope_cancel(&s, "test");
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(write.result, -ECANCELED);
    assert_int_equal(sscanf(write.detail, "after %zu of %zu bytes", &k, &n), 2);
    assert_int_equal(n, write.size);
    assert_in_range(k, HIGH, write.size - 1);
    assert_int_equal(k % HIGH, 0);
    free(write.data);
    /* later writes and flushes answer EPIPE, also large ones */
    assert_int_equal(weft_write(p->a, "x", 1), -EPIPE);
    assert_int_equal(weft_write(p->a, big, sizeof big), -EPIPE);
    assert_int_equal(weft_write_some(p->a, "x", 1), -EPIPE);
    assert_int_equal(weft_write_try(p->a, "x", 1), -EPIPE);
    assert_int_equal(weft_flush(p->a), -EPIPE);
    /* reads go on */
    put(p->b, "answer");
    expect(p->a, "answer");
    /* and close resets */
    weft_close(p->a);
    p->a = NULL;
    drain_sink(&sink);
    assert_true(sink.size <= k);
    if (p->kind != &kinds[UNIX])
        assert_int_equal(sink.end, -ECONNRESET);
}

static void test_write_some_takes_at_most_the_high_mark(struct pair *p)
{
    size_t size = 0;
    fill_pattern(big, sizeof big, 0);
    assert_int_equal(weft_write_some(p->a, big, 10), 10);
    size = 10;
    assert_int_equal(weft_write_some(p->a, big + size, sizeof big - size), HIGH);
    size += HIGH;
    expect_all(p, size);
}

static void test_write_pieces_are_one(struct pair *p)
{
    weft_slice pieces[WEFT_STREAM_PIECES];
    char all[WEFT_STREAM_PIECES * 2 + 1] = "";
    for (size_t i = 0; i < WEFT_STREAM_PIECES; i++) {
        pieces[i] = (weft_slice){ i % 3 ? "ab" : "", i % 3 ? 2 : 0 };
        strcat(all, i % 3 ? "ab" : "");
    }
    assert_int_equal(weft_write_pieces(p->a, pieces, WEFT_STREAM_PIECES), 0);
    assert_int_equal(weft_write_pieces(p->a, pieces, WEFT_STREAM_PIECES + 1), -EINVAL);
    expect(p->b, all);
    take_log("17 pieces");
}

static void test_write_pieces_large_ones_keep_their_order(struct pair *p)
{
    size_t size = stuff(p->a), total = HIGH - 1;
    fill_pattern(big, total, size);
    weft_slice pieces[3] = { { big, 10000 }, { big + 10000, 1 }, { big + 10001, total - 10001 } };
    assert_int_equal(weft_write_pieces(p->a, pieces, 3), 0);
    pieces[1].size = 2;
    pieces[2].size++;
    assert_int_equal(weft_write_pieces(p->a, pieces, 3), -EINVAL);
    take_log("at most the high mark");
    expect_all(p, size + total);
}

static void test_write_direct_part_and_queued_rest_keep_their_order(struct pair *p)
{
    static char data[3 * 65536 + 17];
    size_t from = 0;
    struct sink sink = { .stream = p->b };
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, drain_sink, &sink);
    for (int i = 0; i < 30; i++) {
        size_t size = (size_t)(i * 7919) % sizeof data + 1;
        fill_pattern(data, size, from);
        assert_int_equal(weft_write(p->a, data, size), 0);
        from += size;
    }
    assert_int_equal(weft_shutdown_write(p->a), 0);
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(sink.size, from);
}

/* Without waiting. */

static void test_write_try_takes_all_or_nothing(struct pair *p)
{
    size_t size = stuff(p->a), queued;
    while (weft_stream_queued(p->a) < HIGH) {
        fill_pattern(big, 5000, size);
        assert_int_equal(weft_write_try(p->a, big, 5000), 0);
        size += 5000;
    }
    queued = weft_stream_queued(p->a);
    assert_true(queued < 2 * HIGH);
    assert_int_equal(weft_write_try(p->a, big, 1), -EAGAIN);
    assert_int_equal(weft_write_try(p->a, big, HIGH), -EAGAIN);
    assert_int_equal(weft_write_try(p->a, NULL, 0), -EAGAIN); /* no room is no room */
    assert_int_equal(weft_stream_queued(p->a), queued);
    expect_all(p, size);
}

static void test_write_try_of_the_high_mark_and_not_of_more(struct pair *p)
{
    fill_pattern(big, sizeof big, 0);
    assert_int_equal(weft_write_try(p->a, NULL, 0), 0);
    assert_int_equal(weft_write_try(p->a, big, HIGH + 1), -EINVAL);
    assert_non_null(strstr(weft_error_detail(), "at most the high mark"));
    assert_int_equal(weft_stream_queued(p->a), 0);
    assert_int_equal(weft_write_try(p->a, big, HIGH), 0);
    take_log("at most the high mark");
    expect_all(p, HIGH);
}

static void test_semantics_10_write_try_is_not_cancelled(struct pair *p)
{
    weft_scope s;
    weft_scope_begin(&s);
    weft_scope_cancel(&s, "test");
    assert_int_equal(weft_write_try(p->a, "abc", 3), 0);
    assert_int_equal(weft_scope_end(&s), 0); /* nobody was told */
    expect(p->b, "abc");
}

/* One message for two peers, of which one is too slow, from a callback. */
static void broadcast(void *arg)
{
    struct pair *p = arg;
    size_t queued = weft_stream_queued(p->a);
    assert_null(weft_task_self());
    assert_int_equal(weft_write_try(p->a, "news", 4), -EAGAIN);
    assert_int_equal(weft_write_try(p->b, "news", 4), 0);
    assert_int_equal(weft_write_try(p->b, big, 5000), 0);
    assert_int_equal(weft_stream_queued(p->a), queued);
    note("called");
}

static void test_write_try_from_a_callback_broadcasts(struct pair *p)
{
    static char data[5000];
    size_t size = fill_up(p->a);
    fill_pattern(big, sizeof data, 0);
    weft_call_soon(broadcast, p);
    expect(p->a, "news"); /* its reader is woken */
    assert_int_equal(weft_read_exact(p->a, data, sizeof data), 0);
    check_pattern(data, sizeof data, 0);
    assert_string_equal(trace, "called");
    expect_all(p, size);
}

/* flush */

static void test_flush_waits_until_all_is_sent(struct pair *p)
{
    struct call flush = { FLUSH, p->a, NULL, 0, 0, false, "" };
    struct sink sink = { .stream = p->b };
    size_t size = fill_up(p->a);
    weft_scope s;
    assert_int_equal(weft_flush(p->b), 0); /* nothing queued */
    weft_scope_begin(&s);
    weft_spawn(&s, run_call, &flush);
    pass_turns(3);
    assert_false(flush.done);
    weft_spawn(&s, drain_sink, &sink);
    until(flush.done);
    assert_int_equal(flush.result, 0);
    assert_int_equal(weft_stream_queued(p->a), 0);
    weft_shutdown_write(p->a);
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(sink.size, size);
}

static void test_flush_cancelled_goes_on_sending(struct pair *p)
{
    static const enum call_kind all[] = { FLUSH, SHUTDOWN };
    struct sink sink = { .stream = p->b };
    size_t size = fill_up(p->a);
    for (size_t i = 0; i < 2; i++) {
        struct call call = { all[i], p->a, NULL, 0, 0, false, "" };
        weft_scope s;
        weft_scope_begin(&s);
        weft_spawn(&s, run_call, &call);
        pass_turns(3);
        weft_scope_cancel(&s, "test");
        assert_int_equal(weft_scope_end(&s), 0);
        assert_int_equal(call.result, -ECANCELED);
    }
    assert_int_equal(weft_write(p->a, "x", 1), -EPIPE); /* the end is on its way */
    drain_sink(&sink);
    assert_int_equal(sink.size, size);
    assert_int_equal(sink.end, 0);
}

/* Errors. */

static void test_write_second_writer_is_busy_and_named(struct pair *p)
{
    static const enum call_kind all[] = { WRITE, SOME, PIECES, FLUSH, SHUTDOWN };
    size_t size = fill_up(p->a);
    for (size_t i = 0; i < 3; i++) {
        struct call call = { all[i], p->a, big, 4, 0, false, "" };
        weft_scope s;
        weft_scope_begin(&s);
        weft_spawn(&s, run_call, &call, .name = "the first");
        pass_turns(3);
        for (size_t k = 0; k < WF_ARRAY_SIZE(all); k++) {
            struct call second = { all[k], p->a, big, 4, 0, false, "" };
            assert_int_equal(make_call(&second), -EBUSY);
            assert_non_null(strstr(weft_error_detail(), "the first"));
        }
        weft_write_pieces(p->a, NULL, WEFT_STREAM_PIECES + 1); /* another detail */
        assert_int_equal(weft_write_try(p->a, big, 4), -EBUSY);
        assert_non_null(strstr(weft_error_detail(), "the first"));
        weft_scope_cancel(&s, "test");
        assert_int_equal(weft_scope_end(&s), 0);
    }
    take_log("writes this stream already");
    take_log("17 pieces");
    expect_all(p, size);
}

static void test_write_while_another_task_reads(struct pair *p)
{
    char data[4];
    struct call read = { READ, p->a, data, 4, 0, false, "" };
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, run_call, &read);
    pass_turns(3);
    put(p->a, "abc");
    expect(p->b, "abc");
    put(p->b, "d");
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(read.result, 1);
}

static void test_write_after_shutdown_is_refused(struct pair *p)
{
    put(p->a, "last");
    assert_int_equal(weft_shutdown_write(p->a), 0);
    assert_int_equal(weft_shutdown_write(p->a), 0); /* again: 0 */
    assert_int_equal(weft_write(p->a, "x", 1), -EPIPE);
    assert_int_equal(weft_write_some(p->a, "x", 1), -EPIPE);
    assert_int_equal(weft_write_try(p->a, "x", 1), -EPIPE);
    assert_int_equal(weft_flush(p->a), 0);
    expect(p->b, "last");
    expect_end(p->b);
    put(p->b, "answer"); /* reading goes on */
    expect(p->a, "answer");
}

static void test_write_when_the_peer_is_gone_says_so_and_keeps_saying_it(struct pair *p)
{
    int first = 0;
    weft_close(p->b);
    p->b = NULL;
    until((first = weft_write(p->a, big, 5000)) < 0);
    assert_true(first == -EPIPE || first == -ECONNRESET);
    assert_int_equal(weft_write(p->a, "x", 1), first);
    assert_int_equal(weft_write_some(p->a, "x", 1), first);
    assert_int_equal(weft_write_try(p->a, "x", 1), first);
    assert_int_equal(weft_flush(p->a), first);
    assert_int_equal(weft_stream_queued(p->a), 0);
}

static void test_write_that_waits_hears_of_a_reset(struct pair *p)
{
    struct call write = { WRITE, p->a, big, sizeof big, 0, false, "" };
    weft_scope s;
    fill_up(p->a);
    weft_scope_begin(&s);
    weft_spawn(&s, run_call, &write);
    pass_turns(3);
    assert_false(write.done);
    weft_abort(p->b);
    p->b = NULL;
    assert_int_equal(weft_scope_end(&s), 0);
    assert_true(write.result == -ECONNRESET || write.result == -EPIPE);
    assert_int_equal(weft_write(p->a, "x", 1), write.result);
}

static void write_outside(void *arg)
{
    struct pair *p = arg;
    assert_int_equal(weft_write(p->a, "x", 1), -EPERM);
    assert_int_equal(weft_flush(p->a), -EPERM);
    assert_int_equal(weft_shutdown_write(p->a), -EPERM);
    note("called");
}

static void test_semantics_21_write_outside_a_task_returns(struct pair *p)
{
    weft_call_soon(write_outside, p);
    pass_turns(2);
    assert_string_equal(trace, "called");
    take_log("outside a task");
}

/* Each allocation of a write fails once, then all from there on: it takes all, nothing, or says how
 * much it took. */
static void test_write_without_memory_takes_nothing_or_is_torn(struct pair *p)
{
    static const size_t sizes[] = { 10, 5000, HIGH, 3 * HIGH };
    size_t size = stuff(p->a);
    for (size_t i = 0; i < 2 * WF_ARRAY_SIZE(sizes); i++) {
        struct wf_memory_fault fault = { .countdown = 1, .persistent = i % 2 };
        size_t queued = weft_stream_queued(p->a), k, n = sizes[i / 2];
        if (queued >= HIGH || p->a->torn)
            break;
        fill_pattern(big, n, size);
        wf_memory_fault_set(&fault);
        int err = n > HIGH ? -ENOMEM : weft_write(p->a, big, n);
        wf_memory_fault_set(NULL);
        if (n > HIGH)
            break;
        if (err == 0)
            size += n;
        else if (p->a->torn)
            size += sscanf(weft_error_detail(), "after %zu of", &k) == 1 ? k : 0;
        else
            assert_int_equal(weft_stream_queued(p->a), queued);
        assert_true(err == 0 || err == -ENOMEM);
    }
    if (!p->a->torn)
        expect_all(p, size);
}

static void test_write_some_without_memory_takes_what_it_can(struct pair *p)
{
    size_t size = stuff(p->a), queued = weft_stream_queued(p->a);
    struct wf_memory_fault none = { .countdown = 1, .persistent = true };
    fill_pattern(big, 60000, size);
    wf_memory_fault_set(&none);
    ssize_t n = weft_write_some(p->a, big, 60000);
    wf_memory_fault_set(NULL);
    if (n < 0)
        assert_int_equal(n, -ENOMEM);
    assert_int_equal(weft_stream_queued(p->a), queued + (size_t)(n > 0 ? n : 0));
    expect_all(p, size + (size_t)(n > 0 ? n : 0));
}

/* The same without waiting. */
static void test_write_try_without_memory_takes_nothing_or_is_torn(struct pair *p)
{
    size_t size = stuff(p->a);
    for (size_t i = 0; !p->a->torn && weft_stream_queued(p->a) < HIGH; i++) {
        struct wf_memory_fault none = { .countdown = (long)(i % 3) + 1, .persistent = true };
        size_t queued = weft_stream_queued(p->a), n = i % 4 ? 20000 : 100, k = 0;
        fill_pattern(big, n, size);
        wf_memory_fault_set(&none);
        int err = weft_write_try(p->a, big, n);
        wf_memory_fault_set(NULL);
        assert_true(err == 0 || err == -ENOMEM);
        if (err == 0)
            k = n;
        else if (p->a->torn)
            assert_int_equal(sscanf(weft_error_detail(), "after %zu of", &k), 1);
        assert_int_equal(weft_stream_queued(p->a), queued + k);
        size += k;
    }
    if (p->a->torn)
        assert_int_equal(weft_write_try(p->a, "x", 1), -EPIPE);
    else
        expect_all(p, size);
}

/* Pieces are one: those that cannot all be taken tear the stream. */
static void test_write_pieces_half_taken_are_torn(struct pair *p)
{
    struct wf_memory_fault none = { .countdown = 1, .persistent = true };
    weft_slice pieces[2] = { { big, 100 }, { big + 100, 60000 } };
    size_t size = stuff(p->a), queued = weft_stream_queued(p->a), k;
    while (queued % 4096 > 2000 || queued == 0) { /* room for the first piece only */
        fill_pattern(big, 16, size);
        assert_int_equal(weft_write(p->a, big, 16), 0);
        queued = weft_stream_queued(p->a);
        size += 16;
    }
    if (queued >= HIGH)
        return;
    wf_memory_fault_set(&none);
    int err = weft_write_pieces(p->a, pieces, 2);
    wf_memory_fault_set(NULL);
    if (err == 0 || !p->a->torn) /* blocks of before were enough, or nothing was taken */
        return;
    assert_int_equal(err, -ENOMEM);
    assert_int_equal(sscanf(weft_error_detail(), "after %zu of 60100 bytes", &k), 1);
    assert_in_range(k, 100, 60099);
    assert_int_equal(weft_write(p->a, "x", 1), -EPIPE);
}

/* System calls. */

static uint64_t sends(const weft_stream *stream)
{
    return stream->loop->io_ops->counters(stream->loop->io)->sends;
}

static void test_write_many_of_one_turn_are_one_send(struct pair *p)
{
    uint64_t before = sends(p->a);
    for (int i = 0; i < 100; i++)
        assert_int_equal(weft_write(p->a, "0123456789", 10), 0);
    assert_int_equal(sends(p->a), before);
    pass_turns(1);
    assert_int_equal(sends(p->a), before + p->kind->kernel);
    pass_turns(3);
    assert_int_equal(sends(p->a), before + p->kind->kernel);
    for (int i = 0; i < 100; i++)
        expect(p->b, "0123456789");
}

static void test_write_of_much_goes_straight_from_the_callers_memory(struct pair *p)
{
    uint64_t before = sends(p->a);
    assert_int_equal(weft_write(p->a, big, 8192), 0);
    assert_int_equal(sends(p->a), before + p->kind->kernel);
    assert_int_equal(weft_stream_queued(p->a), 0);
    assert_null(p->a->output.block);
    assert_int_equal(weft_read_exact(p->b, big, 8192), 0);
}

static void test_write_queue_that_is_empty_holds_no_memory(struct pair *p)
{
    size_t size = fill_up(p->a);
    expect_all(p, size);
    assert_null(p->a->output.block);
}

/* Water marks of one's own. */

static void test_write_small_water_marks_are_kept(struct pair *p)
{
    struct sink sink = { .stream = p->b };
    size_t size = stuff(p->a);
    weft_scope s;
    assert_int_equal(p->a->high_mark, 1000);
    fill_pattern(big, 20000, size);
    weft_scope_begin(&s);
    weft_spawn(&s, drain_sink, &sink);
    for (size_t done = 0; done < 20000; done += 100) {
        assert_int_equal(weft_write(p->a, big + done, 100), 0);
        assert_true(weft_stream_queued(p->a) < 2 * 1000 || done == 0);
    }
    while (weft_write_try(p->a, big, 0) == -EAGAIN)
        weft_sleep(0);
    assert_int_equal(weft_write_try(p->a, big, 1001), -EINVAL);
    fill_pattern(big, 1000, size + 20000);
    assert_int_equal(weft_write_try(p->a, big, 1000), 0);
    take_log("at most the high mark, 1000");
    weft_shutdown_write(p->a);
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(sink.size, size + 21000);
}

/* Hazard 39: a producer that never rests, a consumer that takes a little now and then. */

struct producer {
    weft_stream *stream;
    size_t size, highest;
    size_t total;
};

static int produce(void *arg)
{
    struct producer *producer = arg;
    static char data[3000];
    while (producer->size < producer->total) {
        size_t n = producer->size * 7919 % sizeof data + 1;
        fill_pattern(data, n, producer->size);
        int err = weft_write(producer->stream, data, n);
        if (err < 0)
            return err;
        producer->size += n;
        size_t queued = weft_stream_queued(producer->stream);
        producer->highest = queued > producer->highest ? queued : producer->highest;
    }
    return weft_shutdown_write(producer->stream);
}

static void test_hazard_39_queue_never_exceeds_twice_the_high_mark(struct pair *p)
{
    struct producer producer = { .stream = p->a, .total = 12 << 20 };
    static char data[65536];
    size_t size = 0;
    ssize_t n;
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, produce, &producer);
    while ((n = weft_read(p->b, data, size % sizeof data + 1)) > 0) {
        check_pattern(data, (size_t)n, size);
        size += (size_t)n;
        if (size < 100000) /* at first it is a hundred times slower, and then it hurries */
            pass_turns(10);
    }
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(n, 0);
    assert_int_equal(size, producer.size);
    assert_in_range(producer.highest, HIGH, 2 * HIGH);
}

#define SMALL .connect = { .high_mark = 1000, .low_mark = 200, .size = 1 }

static const struct stream_case cases[] = {
    stream_case(test_write_returns_when_taken_and_not_when_sent),
    stream_case(test_write_of_nothing_writes_nothing),
    stream_case(test_write_waits_until_the_low_mark),
    stream_case(test_write_waits_above_high_until_below_low, .bulk = true),
    stream_case(test_semantics_07_write_cancelled_while_it_waits_takes_nothing, .bulk = true),
    stream_case(test_semantics_10_each_write_checks_cancel_at_entry),
    stream_case(test_semantics_07_large_write_cut_in_the_middle_is_torn, .bulk = true),
    stream_case(test_write_some_takes_at_most_the_high_mark),
    stream_case(test_write_pieces_are_one),
    stream_case(test_write_pieces_large_ones_keep_their_order, .bulk = true),
    stream_case(test_write_direct_part_and_queued_rest_keep_their_order, .bulk = true),
    stream_case(test_write_try_takes_all_or_nothing, .bulk = true),
    stream_case(test_write_try_of_the_high_mark_and_not_of_more),
    stream_case(test_semantics_10_write_try_is_not_cancelled),
    stream_case(test_write_try_from_a_callback_broadcasts, .bulk = true),
    stream_case(test_flush_waits_until_all_is_sent, .bulk = true),
    stream_case(test_flush_cancelled_goes_on_sending, .bulk = true),
    stream_case(test_write_second_writer_is_busy_and_named, .bulk = true),
    stream_case(test_write_while_another_task_reads),
    stream_case(test_write_after_shutdown_is_refused),
    stream_case(test_write_when_the_peer_is_gone_says_so_and_keeps_saying_it),
    stream_case(test_write_that_waits_hears_of_a_reset, .bulk = true),
    stream_case(test_semantics_21_write_outside_a_task_returns),
    stream_case(test_write_without_memory_takes_nothing_or_is_torn, .bulk = true),
    stream_case(test_write_try_without_memory_takes_nothing_or_is_torn, .bulk = true),
    stream_case(test_write_some_without_memory_takes_what_it_can, .bulk = true),
    stream_case(test_write_pieces_half_taken_are_torn, .bulk = true),
    stream_case(test_write_many_of_one_turn_are_one_send, .virtual_ = true),
    stream_case(test_write_of_much_goes_straight_from_the_callers_memory, .virtual_ = true),
    stream_case(test_write_queue_that_is_empty_holds_no_memory, .bulk = true),
    stream_case(test_write_small_water_marks_are_kept, SMALL, .bulk = true),
    stream_case(test_hazard_39_queue_never_exceeds_twice_the_high_mark, .bulk = true),
};

int main(void)
{
    return run_cases("net write", cases, WF_ARRAY_SIZE(cases));
}
