/* The end of a stream, over each kind: close, abort, half-close, reset, lingering. */

#include "net_test.h"

static char big[12 << 20]; /* more than the kernel takes */

static size_t fill_up(weft_stream *stream)
{
    size_t size = stuff(stream);
    while (weft_stream_queued(stream) < HIGH) {
        fill_pattern(big, 4096, size);
        assert_int_equal(weft_write(stream, big, 4096), 0);
        size += 4096;
    }
    return size;
}

static bool has_reset(const struct pair *p)
{
    return p->kind != &kinds[UNIX];
}

/* All bytes of the pattern, and then the end or a reset. */
static void expect_rest(weft_stream *stream, size_t size, bool reset)
{
    struct sink sink = { .stream = stream };
    drain_sink(&sink);
    if (!reset)
        assert_int_equal(sink.size, size);
    assert_int_equal(sink.end, reset ? -ECONNRESET : 0);
}

/* Closing while others are inside. */

static void test_semantics_28_close_sends_others_away_and_waits_for_them(struct pair *p)
{
    static const enum call_kind readers[] = { READ, EXACT, UNTIL, LINE, FILL };
    static const enum call_kind writers[] = { WRITE, SOME, PIECES, FLUSH, SHUTDOWN };
    for (size_t i = 0; i < 5; i++) {
        char data[8];
        struct pair q;
        open_pair(&q, p->kind);
        struct call read = { readers[i], q.a, data, 8, 0, false, "" };
        struct call write = { writers[i], q.a, big, 8, 0, false, "" };
        weft_scope s;
        fill_up(q.a);
        weft_scope_begin(&s);
        weft_spawn(&s, run_call, &read);
        weft_spawn(&s, run_call, &write);
        pass_turns(3);
        assert_false(read.done || write.done);
        assert_int_equal(weft_close(q.a), 0);
        assert_true(read.done && write.done);
        assert_int_equal(read.result, WEFT_ECLOSED);
        assert_int_equal(write.result, WEFT_ECLOSED);
        assert_int_equal(weft_scope_end(&s), 0);
        weft_abort(q.b);
    }
}

static void test_semantics_28_close_finds_a_large_write_waiting_and_not_torn(struct pair *p)
{
    struct call write = { WRITE, p->a, big, sizeof big, 0, false, "" };
    weft_scope s;
    size_t size = fill_up(p->a);
    weft_scope_begin(&s);
    weft_spawn(&s, run_call, &write);
    pass_turns(3);
    weft_close(p->a);
    p->a = NULL;
    assert_int_equal(write.result, WEFT_ECLOSED);
    weft_scope_end(&s);
    expect_rest(p->b, size, false); /* nothing of it was taken: what was before is sent */
}

static void test_semantics_28_close_cuts_a_large_write_and_resets(struct pair *p)
{
    struct call write = { WRITE, p->a, big, sizeof big, 0, false, "" };
    struct sink sink = { .stream = p->b };
    size_t k = 0;
    weft_scope s;
    for (int small = 4096, fd = 3; p->kind->kernel && fd < 64; fd++)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    fill_pattern(big, sizeof big, 0);
    weft_scope_begin(&s);
    weft_spawn(&s, run_call, &write);
    until(p->a->draining || write.done);
    weft_close(p->a);
    p->a = NULL;
    weft_scope_end(&s);
    if (write.result == 0) /* the kernel took it all */
        return;
    assert_int_equal(write.result, WEFT_ECLOSED);
    assert_int_equal(sscanf(write.detail, "after %zu of", &k), 1);
    drain_sink(&sink);
    assert_true(sink.size <= k);
    if (has_reset(p))
        assert_int_equal(sink.end, -ECONNRESET);
}

static void test_semantics_28_close_leaves_bytes_to_a_reader_who_has_them(struct pair *p)
{
    char data[8];
    struct call read = { READ, p->b, data, 8, 0, false, "" };
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, run_call, &read);
    pass_turns(3);
    const struct wf_waiter *w = &p->b->reading->waiter;
    weft_write(p->a, "x", 1);
    weft_flush(p->a);
    while (w->state == WF_WAIT_ARMED)
        p->b->loop->io_ops->wait(p->b->loop->io, 0);
    weft_close(p->b);
    p->b = NULL;
    assert_true(read.done);
    assert_int_equal(read.result, 1);
    weft_scope_end(&s);
}

/* Woken, but not run yet, and what came is not enough: it may not wait again. */
static void test_semantics_28_close_reaches_a_call_that_would_go_on(struct pair *p)
{
    static const enum call_kind readers[] = { EXACT, UNTIL, LINE };
    for (size_t i = 0; i < 3; i++) {
        char data[8];
        struct pair q;
        open_pair(&q, p->kind);
        struct call read = { readers[i], q.b, data, 8, 0, false, "" };
        weft_scope s;
        weft_scope_begin(&s);
        weft_spawn(&s, run_call, &read);
        pass_turns(3);
        const struct wf_waiter *w = &q.b->reading->waiter;
        weft_write(q.a, "x", 1);
        weft_flush(q.a);
        while (w->state == WF_WAIT_ARMED)
            q.b->loop->io_ops->wait(q.b->loop->io, 0);
        assert_false(read.done);
        assert_int_equal(weft_close(q.b), 0);
        assert_true(read.done);
        assert_int_equal(read.result, WEFT_ECLOSED);
        weft_scope_end(&s);
        weft_close(q.a);
    }
}

/* The same for a writer that had room for a piece. */
static void test_semantics_28_close_reaches_a_write_that_would_go_on(struct pair *p)
{
    struct call write = { WRITE, p->a, big, sizeof big, 0, false, "" };
    static char some[1 << 16];
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, run_call, &write);
    until(p->a->draining || write.done);
    pass_turns(2);    /* what is queued is with the transport */
    if (write.done) { /* all of it */
        weft_scope_end(&s);
        return;
    }
    while (p->a->draining) {
        weft_read_try(p->b, some, sizeof some);
        p->a->loop->io_ops->wait(p->a->loop->io, 0);
    }
    assert_false(write.done);
    assert_int_equal(weft_close(p->a), 0);
    p->a = NULL;
    assert_true(write.done);
    assert_int_equal(write.result, WEFT_ECLOSED);
    weft_scope_end(&s);
}

/* A reader gives up the processor in the middle of a call when its budget is used up. */
static int read_for_ever(void *arg)
{
    struct call *c = arg;
    while ((c->result = weft_read(c->stream, c->data, 1)) > 0)
        c->size++;
    c->done = true;
    return 0;
}

static void test_semantics_28_close_waits_for_a_reader_that_yields(struct pair *p)
{
    char data;
    struct call read = { READ, p->b, &data, 0, 0, false, "" };
    weft_scope s;
    assert_int_equal(weft_write(p->a, big, 1000), 0);
    weft_flush(p->a);
    while (weft_buffer_readable(&p->b->input) < 1000)
        assert_true(weft_fill(p->b) > 0);
    weft_scope_begin(&s);
    weft_spawn(&s, read_for_ever, &read);
    pass_turns(2);
    assert_in_range(read.size, 100, 900);
    weft_close(p->b);
    p->b = NULL;
    assert_true(read.done);
    assert_int_equal(read.result, WEFT_ECLOSED);
    weft_scope_end(&s);
}

static int close_it(void *arg)
{
    struct call *c = arg;
    c->result = weft_close(c->stream);
    c->done = true;
    return 0;
}

static void test_semantics_10_close_is_not_cancelled_while_it_waits(struct pair *p)
{
    char data[8];
    struct call read = { READ, p->b, data, 8, 0, false, "" };
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, run_call, &read);
    pass_turns(3);
    weft_scope_cancel(&s, "test");
    assert_int_equal(weft_close(p->b), 0);
    p->b = NULL;
    assert_true(read.done);
    weft_scope_end(&s);
}

static void test_close_twice_is_refused_while_that_can_be_seen(struct pair *p)
{
    char data[8];
    struct call read = { READ, p->b, data, 8, 0, false, "" };
    struct call close = { READ, p->b, NULL, 0, -1, false, "" };
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, run_call, &read);
    pass_turns(2);
    weft_spawn(&s, close_it, &close);
    weft_sleep(0);
    assert_false(close.done);
    assert_int_equal(weft_close(p->b), -EALREADY);
    assert_int_equal(weft_read(p->b, data, 8), WEFT_ECLOSED);
    assert_int_equal(weft_write(p->b, data, 8), WEFT_ECLOSED);
    assert_int_equal(weft_read_try(p->b, data, 8), WEFT_ECLOSED);
    assert_int_equal(weft_write_try(p->b, data, 8), WEFT_ECLOSED);
    weft_scope_end(&s);
    p->b = NULL;
    assert_true(close.done);
    assert_int_equal(close.result, 0);
    take_log("closed twice");
    assert_int_equal(weft_close(NULL), 0);
    assert_int_equal(weft_abort(NULL), 0);
}

static void close_outside(void *arg)
{
    struct pair *p = arg;
    assert_int_equal(weft_close(p->a), 0);
    assert_int_equal(weft_close(p->b), -EPERM); /* somebody reads */
    assert_non_null(strstr(weft_error_detail(), "while task 'reader' (spawned at "));
    p->a = NULL;
    note("called");
}

static void test_close_from_a_callback(struct pair *p)
{
    char data[8];
    struct call read = { READ, p->b, data, 8, 0, false, "" };
    weft_scope s;
    put(p->a, "bye");
    expect(p->b, "bye");
    weft_scope_begin(&s);
    weft_spawn(&s, run_call, &read, .name = "reader");
    pass_turns(2);
    weft_call_soon(close_outside, p);
    weft_scope_end(&s);
    assert_string_equal(trace, "called");
    assert_int_equal(read.result, 0); /* undisturbed: it sees the end */
    take_log("while task 'reader' (spawned at ");
}

/* Lingering. */

static void test_semantics_28_close_sends_what_was_taken(struct pair *p)
{
    assert_int_equal(weft_write(p->a, "the end", 7), 0);
    weft_close(p->a);
    p->a = NULL;
    expect(p->b, "the end");
    expect_end(p->b);
}

static void test_semantics_28_close_sends_much_in_the_background(struct pair *p)
{
    size_t size = fill_up(p->a);
    weft_close(p->a);
    p->a = NULL;
    pass_turns(3);
    expect_rest(p->b, size, false);
}

static void test_semantics_28_close_resets_when_the_linger_is_over(struct pair *p)
{
    size_t size = fill_up(p->a);
    weft_loop *loop = p->a->loop;
    int64_t linger = p->a->linger_time, begin = weft_now();
    assert_int_equal(linger, 5 * SECOND);
    weft_close(p->a);
    p->a = NULL;
    assert_int_equal(weft_now(), begin);
    assert_false(wf_list_is_empty(&loop->lingering));
    weft_sleep(linger - 1);
    assert_false(wf_list_is_empty(&loop->lingering));
    weft_sleep(1);
    assert_true(wf_list_is_empty(&loop->lingering));
    if (has_reset(p))
        expect_rest(p->b, size, true);
}

static void test_close_linger_of_ones_own(struct pair *p)
{
    size_t size = fill_up(p->a);
    weft_loop *loop = p->a->loop;
    assert_int_equal(p->a->linger_time, SECOND);
    weft_close(p->a); /* .linger = 1 s */
    p->a = NULL;
    weft_sleep(SECOND);
    assert_true(wf_list_is_empty(&loop->lingering));
    if (has_reset(p))
        expect_rest(p->b, size, true);
}

static void test_close_negative_linger_resets_at_once(struct pair *p)
{
    size_t size = fill_up(p->b);
    const weft_loop *loop = p->b->loop;
    weft_close(p->b); /* .linger = -1 */
    p->b = NULL;
    assert_true(wf_list_is_empty(&loop->lingering));
    if (has_reset(p))
        expect_rest(p->a, size, true);
}

static void test_close_of_a_lingering_stream_whose_peer_goes_ends(struct pair *p)
{
    const weft_loop *loop = p->a->loop;
    int64_t begin = weft_now();
    fill_up(p->a);
    weft_close(p->a);
    p->a = NULL;
    pass_turns(2);
    assert_false(wf_list_is_empty(&loop->lingering));
    weft_abort(p->b);
    p->b = NULL;
    until(wf_list_is_empty(&loop->lingering));
    assert_int_equal(weft_now(), begin);
}

static void test_semantics_28_close_in_a_cancelled_scope_resets(struct pair *p)
{
    size_t size = fill_up(p->a);
    const weft_loop *loop = p->a->loop;
    weft_scope s;
    weft_scope_begin(&s);
    weft_scope_cancel(&s, "test");
    assert_int_equal(weft_close(p->a), 0);
    p->a = NULL;
    assert_true(wf_list_is_empty(&loop->lingering));
    weft_scope_end(&s);
    if (has_reset(p))
        expect_rest(p->b, size, true);
}

static void test_semantics_28_abort_resets(struct pair *p)
{
    char data[8];
    struct call read = { READ, p->b, data, 8, 0, false, "" };
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, run_call, &read);
    pass_turns(2);
    weft_abort(p->a);
    p->a = NULL;
    weft_scope_end(&s);
    assert_int_equal(read.result, has_reset(p) ? -ECONNRESET : 0);
}

static void test_semantics_28_abort_sends_others_away_and_drops_the_queue(struct pair *p)
{
    char data[8];
    struct call read = { READ, p->a, data, 8, 0, false, "" };
    weft_scope s;
    fill_up(p->a);
    weft_scope_begin(&s);
    weft_spawn(&s, run_call, &read);
    pass_turns(2);
    weft_abort(p->a);
    p->a = NULL;
    assert_int_equal(read.result, WEFT_ECLOSED);
    weft_scope_end(&s);
}

static void test_close_after_queued_bytes_were_lost_resets(struct pair *p)
{
    struct wf_io_fault fault = { .kind = WF_FAULT_SEND, .countdown = 1, .error = EIO };
    if (!p->kind->kernel)
        return;
    put(p->a, "before");
    assert_int_equal(weft_write(p->a, "lost", 4), 0);
    wf_io_fault_set(&fault);
    assert_int_equal(weft_flush(p->a), -EIO);
    wf_io_fault_set(NULL);
    weft_close(p->a);
    p->a = NULL;
    expect(p->b, "before");
    if (has_reset(p)) {
        char byte;
        assert_int_equal(weft_read(p->b, &byte, 1), -ECONNRESET);
    }
}

/* Hazard 7: our side in three states, and the peer in four. */

enum ours { OPEN, HALF_CLOSED, WRITING, OURS };
enum theirs { STAYS, SHUTS, CLOSES, ABORTS, THEIRS };

static void bring_us_to(weft_stream *stream, enum ours ours)
{
    if (ours == HALF_CLOSED)
        assert_int_equal(weft_shutdown_write(stream), 0);
    if (ours == WRITING)
        fill_up(stream);
}

static void let_them(struct pair *q, enum theirs theirs)
{
    if (theirs == SHUTS)
        assert_int_equal(weft_shutdown_write(q->b), 0);
    if (theirs == CLOSES)
        weft_close(q->b);
    if (theirs == ABORTS)
        weft_abort(q->b);
    if (theirs >= CLOSES)
        q->b = NULL;
}

static void check_reading(struct pair *q, enum ours ours, enum theirs theirs)
{
    char byte;
    if (theirs == STAYS) {
        assert_int_equal(weft_read_try(q->a, &byte, 1), -EAGAIN);
        return;
    }
    ssize_t n = weft_read(q->a, &byte, 1);
    if (theirs == CLOSES && ours == WRITING) /* they leave unread bytes behind */
        assert_true(n == 0 || n == -ECONNRESET);
    else if (theirs == ABORTS && q->kind != &kinds[UNIX])
        assert_int_equal(n, -ECONNRESET);
    else
        assert_true(n == 0 || (theirs == ABORTS && n == -ECONNRESET));
}

static void check_writing(struct pair *q, enum ours ours, enum theirs theirs)
{
    int err = 0;
    struct call write = { WRITE, q->a, big, 1, 0, false, "" };
    weft_scope s;
    if (ours == WRITING && theirs < CLOSES) { /* it waits for room */
        fill_up(q->a);                        /* what they did may have made some */
        weft_scope_begin(&s);
        weft_spawn(&s, run_call, &write);
        pass_turns(3);
        assert_false(write.done);
        weft_scope_cancel(&s, "test");
        weft_scope_end(&s);
        return;
    }
    for (int i = 0; i < 1000 && err == 0; i++) {
        err = weft_write(q->a, big, 1);
        if (err == 0 && theirs < CLOSES)
            break;
        weft_sleep(0);
    }
    if (ours == HALF_CLOSED)
        assert_int_equal(err, -EPIPE);
    else if (theirs >= CLOSES)
        assert_true(err == -EPIPE || err == -ECONNRESET);
    else
        assert_int_equal(err, 0);
}

static void test_hazard_07_twelve_pairs_of_states(struct pair *p)
{
    for (int ours = 0; ours < OURS; ours++)
        for (int theirs = 0; theirs < THEIRS; theirs++) {
            struct pair q;
            open_pair(&q, p->kind);
            bring_us_to(q.a, (enum ours)ours);
            let_them(&q, (enum theirs)theirs);
            pass_turns(3);
            check_reading(&q, (enum ours)ours, (enum theirs)theirs);
            check_writing(&q, (enum ours)ours, (enum theirs)theirs);
            weft_abort(q.a);
            weft_abort(q.b);
        }
}

static void test_hazard_07_simultaneous_close(struct pair *p)
{
    struct call a = { READ, p->a, NULL, 0, -1, false, "" };
    struct call b = { READ, p->b, NULL, 0, -1, false, "" };
    weft_scope s;
    weft_write(p->a, "x", 1);
    weft_write(p->b, "y", 1);
    weft_scope_begin(&s);
    weft_spawn(&s, close_it, &a);
    weft_spawn(&s, close_it, &b);
    weft_scope_end(&s);
    p->a = p->b = NULL;
    assert_int_equal(a.result + b.result, 0);
}

/* The end of the loop. */

static int leave_open(void *arg)
{
    struct pair p;
    open_pair(&p, arg);
    weft_write(p.a, "lost", 4);
    return 0;
}

static void test_close_left_open_at_the_loops_end_is_reported(void **state)
{
    (void)state;
    for (int k = 0; k < KINDS; k++) {
        assert_int_equal(run(leave_open, &kinds[k]), 0);
        expect_log("the loop ends with 2 streams and 0 listeners left open");
    }
}

static int leave_listener(void *arg)
{
    weft_listener *listener;
    (void)arg;
    assert_int_equal(weft_listen(&listener, unix_address()), 0);
    assert_int_equal(weft_listen(&listener, "mem:left"), 0);
    weft_stream *client;
    assert_int_equal(weft_connect(&client, "mem:left"), 0);
    weft_close(client);
    return weft_listen(&listener, "127.0.0.1:0");
}

static void test_close_listeners_left_open_are_reported_and_gone(void **state)
{
    struct stat status;
    (void)state;
    assert_int_equal(run(leave_listener, NULL), 0);
    expect_log("the loop ends with 0 streams and 3 listeners left open");
    assert_int_equal(stat(unix_address() + 5, &status), -1);
}

static int linger_at_end(void *arg)
{
    struct pair p;
    open_pair(&p, arg);
    fill_up(p.a);
    weft_close(p.a);
    weft_close(p.b);
    return 0;
}

static void test_close_lingering_at_the_loops_end_without_a_peer_ends_at_once(void **state)
{
    (void)state;
    for (int k = 0; k < KINDS; k++)
        assert_int_equal(run(linger_at_end, &kinds[k]), 0);
}

/* A peer on another thread, which reads all there is, slowly. */
struct slow_peer {
    const char *address;
    size_t size;
    ssize_t end;
};

static void *read_slowly(void *arg)
{
    struct slow_peer *peer = arg;
    static char data[100000];
    int fd = raw_connect(peer->address);
    while ((peer->end = recv(fd, data, sizeof data, 0)) > 0) {
        check_pattern(data, (size_t)peer->end, peer->size);
        peer->size += (size_t)peer->end;
        sched_yield();
    }
    close(fd);
    return NULL;
}

static char slow_address[64];

static int write_much_and_leave(void *arg)
{
    pthread_t *thread = arg;
    weft_listener *listener;
    weft_stream *stream;
    static struct slow_peer peer;
    peer = (struct slow_peer){ .address = slow_address };
    assert_int_equal(weft_listen(&listener, "127.0.0.1:0"), 0);
    snprintf(slow_address, sizeof slow_address, "%s", weft_listener_address(listener));
    assert_int_equal(pthread_create(thread, NULL, read_slowly, &peer), 0);
    assert_int_equal(weft_accept(listener, &stream), 0);
    weft_listener_close(listener);
    fill_pattern(big, sizeof big, 0);
    assert_int_equal(weft_write(stream, big, sizeof big), 0);
    weft_close(stream); /* the rest goes out while the loop ends */
    *(struct slow_peer **)(void *)(thread + 1) = &peer;
    return 0;
}

static void test_close_lingering_at_the_loops_end_sends_all_within_the_grace(void **state)
{
    struct {
        pthread_t thread;
        struct slow_peer *peer;
    } job = { .peer = NULL };
    (void)state;
    assert_int_equal(weft_run(write_much_and_leave, &job, .no_signals = true), 0);
    pthread_join(job.thread, NULL);
    assert_int_equal(job.peer->end, 0);
    assert_int_equal(job.peer->size, sizeof big);
}

/* A task that does not end: its operations are taken back, its frame stays. */
static bool is_stuck;

static int stuck(void *arg)
{
    struct pair p;
    char data[8];
    weft_scope s;
    open_pair(&p, arg);
    if (p.kind->kernel)
        fill_up(p.a);
    weft_scope_begin(&s, .shield = true, .timeout = WEFT_FOREVER);
    struct call write = { FLUSH, p.a, NULL, 0, 0, false, "" };
    weft_spawn(&s, run_call, &write);
    is_stuck = true;
    weft_read(p.a, data, 8);
    return weft_scope_end(&s);
}

static int spawn_stuck(void *arg)
{
    is_stuck = false;
    weft_spawn(weft_background(), stuck, arg);
    until(is_stuck);
    return 0;
}

static int run_stuck(void)
{
    for (int k = 0; k < KINDS; k++)
        if (weft_run(spawn_stuck, &kinds[k], .clock = WEFT_CLOCK_TEST, .grace = SECOND,
                     .no_signals = true) != WEFT_ESTUCK)
            return 1;
    return 0;
}

static void test_close_streams_of_abandoned_tasks(void **state)
{
    (void)state;
    assert_int_equal(exit_status(run_stuck), 0);
}

/* Hazard 6: a reset at each byte of what we write. SIGPIPE stands at its default: it would kill. */

static int reset_at(void *arg)
{
    size_t k = *(size_t *)arg;
    char message[64];
    int fd, err = 0;
    weft_stream *stream = accept_raw("127.0.0.1:0", &fd);
    fill_pattern(message, sizeof message, 0);
    for (size_t i = 0; i < sizeof message && err == 0; i++) {
        if (i == k)
            raw_reset(fd);
        err = weft_write(stream, message + i, 1);
        if (err == 0)
            err = weft_flush(stream);
    }
    if (k == sizeof message)
        raw_reset(fd);
    if (k < sizeof message)
        assert_true(err == -EPIPE || err == -ECONNRESET);
    else
        assert_int_equal(err, 0);
    if (err < 0) {
        assert_int_equal(weft_write(stream, "x", 1), err);
        assert_int_equal(weft_flush(stream), err);
    }
    char byte;
    /* Once told to the writer the kernel forgets it: we do not. */
    assert_int_equal(weft_read(stream, &byte, 1), -ECONNRESET);
    return weft_close(stream);
}

static void test_hazard_06_reset_at_each_byte_is_an_error_and_no_signal(void **state)
{
    (void)state;
    struct sigaction action;
    sigaction(SIGPIPE, NULL, &action);
    assert_true(action.sa_handler == SIG_DFL);
    for (size_t k = 0; k <= 64; k++)
        assert_int_equal(run(reset_at, &k), 0);
}

static int reset_while_sending(void *arg)
{
    size_t k = *(size_t *)arg;
    char data[256];
    int fd;
    weft_stream *stream = accept_raw("127.0.0.1:0", &fd);
    struct call write = { WRITE, stream, big, sizeof big, 0, false, "" };
    struct call read = { READ, stream, data, 8, 0, false, "" };
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, run_call, &write);
    weft_spawn(&s, run_call, &read);
    pass_turns(3);
    for (size_t got = 0; got < k;) {
        ssize_t n = recv(fd, data, k - got, MSG_DONTWAIT);
        assert_true(n > 0);
        got += (size_t)n;
        pass_turns(1);
    }
    raw_reset(fd);
    assert_int_equal(weft_scope_end(&s), 0);
    assert_true(write.result == -EPIPE || write.result == -ECONNRESET);
    assert_int_equal(read.result, -ECONNRESET);
    return weft_close(stream);
}

static void test_hazard_06_reset_while_we_send_and_read(void **state)
{
    (void)state;
    for (size_t k = 0; k < 64; k++)
        assert_int_equal(run(reset_while_sending, &k), 0);
}

/* A transport that cannot give bytes back at once, as a completion ring cannot. */

struct slow_transport {
    weft_stream stream;
    struct wf_op *send, *receive;
    bool released;
};

static struct slow_transport slow;

static int64_t slow_submit(weft_stream *stream, struct wf_op *op)
{
    (void)stream;
    if (op->now)
        return -EAGAIN;
    *(op->code == WF_OP_SEND ? &slow.send : &slow.receive) = op;
    op->pending = true;
    return WF_PENDING;
}

static bool slow_cancel(weft_stream *stream, struct wf_op *op)
{
    (void)stream, (void)op;
    return false;
}

static void slow_release(weft_stream *stream, bool reset)
{
    (void)stream;
    assert_true(reset);
    slow.released = true;
}

static void complete(struct wf_op **which, int64_t result)
{
    struct wf_op *op = *which;
    *which = NULL;
    op->pending = false;
    op->done(op, result);
}

static const struct wf_transport_ops slow_ops = {
    .name = "slow", .submit = slow_submit, .cancel = slow_cancel, .release = slow_release
};

static weft_stream *open_slow(void)
{
    static const struct weft_connect_options defaults = { .address = "slow" };
    struct wf_stream_options options = wf_stream_options_of_connect(&defaults);
    assert_non_null(wf_net_of(wf_running));
    slow = (struct slow_transport){ .send = NULL };
    wf_stream_init(&slow.stream, wf_running, &slow_ops, &options);
    return &slow.stream;
}

static void complete_send(void *arg)
{
    (void)arg;
    complete(&slow.send, -ECANCELED);
}

static int close_slowly(void *arg)
{
    (void)arg;
    weft_stream *stream = open_slow();
    weft_write(stream, "abc", 3);
    pass_turns(1);
    assert_non_null(slow.send);
    assert_int_equal(weft_abort(stream), 0);
    pass_turns(2);
    assert_false(slow.released); /* the bytes are still with the transport */
    complete_send(NULL);
    assert_true(slow.released);

    stream = open_slow();
    weft_write(stream, "abc", 3);
    pass_turns(1);
    weft_close(stream); /* lingers, and is given up after 5 s */
    weft_sleep(6 * SECOND);
    assert_false(slow.released);
    complete(&slow.send, 3);
    assert_true(slow.released);
    return 0;
}

static void test_semantics_02_close_waits_for_a_transport_that_holds_bytes(void **state)
{
    (void)state;
    assert_int_equal(run(close_slowly, NULL), 0);
}

static int read_slow(void *arg)
{
    (void)arg;
    char data[8];
    weft_stream *stream = open_slow();
    struct call read = { READ, stream, data, 8, 0, false, "" };
    struct call close = { READ, stream, NULL, 0, -1, false, "" };
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, run_call, &read);
    weft_sleep(0);
    weft_spawn(&s, close_it, &close);
    pass_turns(3);
    assert_false(read.done || close.done); /* the transport may still write to data */
    weft_scope_cancel(&s, "test");
    pass_turns(3);
    assert_false(read.done || close.done);
    complete(&slow.receive, -ECANCELED);
    weft_scope_end(&s);
    assert_true(close.done && slow.released);
    assert_int_equal(read.result, WEFT_ECLOSED);
    return 0;
}

static void test_semantics_02_close_waits_for_a_transport_that_holds_a_buffer(void **state)
{
    (void)state;
    assert_int_equal(run(read_slow, NULL), 0);
}

static void *try_on_a_thread(void *arg)
{
    char byte = 'x';
    assert_int_equal(weft_close(arg), WEFT_ETHREAD);
    assert_int_equal(weft_read_try(arg, &byte, 1), WEFT_ETHREAD);
    assert_int_equal(weft_write_try(arg, &byte, 1), WEFT_ETHREAD);
    return NULL;
}

static int use_on_a_thread(void *arg)
{
    struct pair p;
    pthread_t thread;
    open_pair(&p, arg);
    pthread_create(&thread, NULL, try_on_a_thread, p.a);
    pthread_join(thread, NULL);
    close_pair(&p);
    return 0;
}

static void test_semantics_21_close_and_try_by_another_thread_are_refused(void **state)
{
    (void)state;
    assert_int_equal(run(use_on_a_thread, &kinds[PAIR]), 0);
    expect_log("closed by another thread");
    expect_log("used by another thread than its own");
}

/* A stream of one loop in the hands of another one of the same thread. */
static struct pair foreign;
static weft_listener *foreign_listener;

static int use_foreign(void *arg)
{
    static const enum call_kind all[] = { READ,  EXACT, UNTIL,  LINE,  FILL,
                                          WRITE, SOME,  PIECES, FLUSH, SHUTDOWN };
    weft_stream *client;
    char data[8];
    (void)arg;
    for (size_t i = 0; i < WF_ARRAY_SIZE(all); i++) {
        struct call call = { all[i], foreign.a, data, 8, 0, false, "" };
        assert_int_equal(make_call(&call), WEFT_ETHREAD);
    }
    assert_int_equal(weft_accept(foreign_listener, &client), WEFT_ETHREAD);
    assert_int_equal(weft_serve_on(foreign_listener, NULL), WEFT_ETHREAD);
    return 0;
}

static void test_semantics_21_streams_of_another_loop_are_refused(void **state)
{
    weft_loop *loop, *other;
    weft_task *task;
    (void)state;
    assert_int_equal(weft_loop_new(&loop, .clock = WEFT_CLOCK_TEST), 0);
    assert_int_equal(weft_memory_pair(&foreign.a, &foreign.b), 0);
    assert_int_equal(weft_listen(&foreign_listener, "mem:foreign"), 0);
    assert_int_equal(weft_loop_new(&other, .clock = WEFT_CLOCK_TEST), 0);
    assert_int_equal(weft_spawn(weft_background(), use_foreign, NULL, .task = &task), 0);
    assert_int_equal(weft_loop_run_until_complete(other, task), 0);
    weft_task_release(task);
    assert_int_equal(weft_loop_free(other), 0);
    assert_int_equal(weft_close(foreign.a) + weft_close(foreign.b), 0);
    assert_int_equal(weft_listener_close(foreign_listener), 0);
    assert_int_equal(weft_loop_free(loop), 0);
    take_log("by another loop than its own");
}

#define LINGER(time)                                                                               \
    .connect = { .linger = (time), .size = 1 }, .listen = { .linger = (time), .size = 1 }

static const struct stream_case cases[] = {
    stream_case(test_semantics_28_close_sends_others_away_and_waits_for_them, .bulk = true),
    stream_case(test_semantics_28_close_finds_a_large_write_waiting_and_not_torn, .bulk = true),
    stream_case(test_semantics_28_close_cuts_a_large_write_and_resets, .bulk = true),
    stream_case(test_semantics_28_close_reaches_a_call_that_would_go_on),
    stream_case(test_semantics_28_close_reaches_a_write_that_would_go_on, .bulk = true),
    stream_case(test_semantics_28_close_leaves_bytes_to_a_reader_who_has_them),
    stream_case(test_semantics_28_close_waits_for_a_reader_that_yields),
    stream_case(test_semantics_10_close_is_not_cancelled_while_it_waits),
    stream_case(test_close_twice_is_refused_while_that_can_be_seen),
    stream_case(test_close_from_a_callback),
    stream_case(test_semantics_28_close_sends_what_was_taken),
    stream_case(test_semantics_28_close_sends_much_in_the_background, .bulk = true),
    stream_case(test_semantics_28_close_resets_when_the_linger_is_over, .bulk = true),
    stream_case(test_close_linger_of_ones_own, LINGER(SECOND), .bulk = true),
    stream_case(test_close_negative_linger_resets_at_once, LINGER(-1), .bulk = true),
    stream_case(test_close_of_a_lingering_stream_whose_peer_goes_ends, .bulk = true),
    stream_case(test_semantics_28_close_in_a_cancelled_scope_resets, .bulk = true),
    stream_case(test_semantics_28_abort_resets),
    stream_case(test_semantics_28_abort_sends_others_away_and_drops_the_queue, .bulk = true),
    stream_case(test_close_after_queued_bytes_were_lost_resets, .virtual_ = true),
    stream_case(test_hazard_07_twelve_pairs_of_states, .bulk = true),
    stream_case(test_hazard_07_simultaneous_close),
};

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_close_left_open_at_the_loops_end_is_reported),
        core_test(test_close_listeners_left_open_are_reported_and_gone),
        core_test(test_close_lingering_at_the_loops_end_without_a_peer_ends_at_once),
        core_test(test_close_lingering_at_the_loops_end_sends_all_within_the_grace),
        core_test(test_close_streams_of_abandoned_tasks),
        core_test(test_hazard_06_reset_at_each_byte_is_an_error_and_no_signal),
        core_test(test_hazard_06_reset_while_we_send_and_read),
        core_test(test_semantics_02_close_waits_for_a_transport_that_holds_bytes),
        core_test(test_semantics_02_close_waits_for_a_transport_that_holds_a_buffer),
        core_test(test_semantics_21_close_and_try_by_another_thread_are_refused),
        core_test(test_semantics_21_streams_of_another_loop_are_refused),
    };
    int failed = run_cases("net close", cases, WF_ARRAY_SIZE(cases));
    return failed + cmocka_run_group_tests_name("net close, alone", tests, NULL, NULL);
}
