/* Copying from stream to stream, over each kind: whole, in order, and nothing lost by what cuts it
 * short. From p.b to a second pair's a; who writes is p.a, who reads the second b. */

#include "net_test.h"

#include <sys/resource.h>

#define LARGE ((size_t)12 << 20)

struct copying {
    weft_stream *from, *to;
    int64_t size, copied;
    int result;
    bool done, ends;
    char detail[256];
};

static int copy_it(void *arg)
{
    struct copying *c = arg;
    c->result = weft_stream_copy(c->from, c->to, c->size, &c->copied);
    snprintf(c->detail, sizeof c->detail, "%s", weft_error_detail());
    if (c->ends && c->result == 0)
        assert_int_equal(weft_shutdown_write(c->to), 0);
    c->done = true;
    return 0;
}

struct source {
    weft_stream *stream;
    size_t size;
    int result;
};

/* Writes the pattern, and the end. */
static int pour(void *arg)
{
    struct source *source = arg;
    static char data[65536];
    for (size_t done = 0, n; done < source->size && source->result == 0; done += n) {
        n = source->size - done < sizeof data ? source->size - done : sizeof data;
        fill_pattern(data, n, done);
        source->result = weft_write(source->stream, data, n);
    }
    if (source->result == 0)
        source->result = weft_shutdown_write(source->stream);
    return 0;
}

static void begin(weft_scope *scope, struct source *source, struct copying *copying)
{
    weft_scope_begin(scope);
    weft_spawn(scope, pour, source);
    weft_spawn(scope, copy_it, copying);
}

/* The pattern from `*at` on, to the end or an error. */
static ssize_t read_on(weft_stream *stream, size_t *at)
{
    static char data[65536];
    ssize_t n;
    while ((n = weft_read(stream, data, sizeof data)) > 0) {
        check_pattern(data, (size_t)n, *at);
        *at += (size_t)n;
    }
    return n;
}

static void test_copy_until_the_end(struct pair *p)
{
    struct pair q;
    int64_t copied = -1;
    open_pair(&q, p->kind);
    put(p->a, "hello, ");
    put(p->a, "world");
    weft_shutdown_write(p->a);
    assert_int_equal(weft_stream_copy(p->b, q.a, INT64_MAX, &copied), 0);
    assert_int_equal(copied, 12);
    assert_int_equal(weft_stream_copy(p->b, q.a, INT64_MAX, &copied), 0);
    assert_int_equal(copied, 0);
    expect(q.b, "hello, world");
    weft_shutdown_write(q.a);
    expect_end(q.b);
    close_pair(&q);
}

static void test_copy_so_many(struct pair *p)
{
    struct pair q;
    int64_t copied = -1;
    open_pair(&q, p->kind);
    put(p->a, "one line\nand another");
    char line[16];
    assert_int_equal(weft_read_line(p->b, line, sizeof line), 8);
    put(q.a, "before ");
    assert_int_equal(weft_stream_copy(p->b, q.a, 0, &copied), 0);
    assert_int_equal(copied, 0);
    assert_int_equal(weft_stream_copy(p->b, q.a, 4, NULL), 0);
    put(q.a, "after");
    expect(q.b, "before and after");
    expect(p->b, "another");
    assert_int_equal(weft_stream_copy(p->b, q.a, -1, NULL), -EINVAL);
    close_pair(&q);
}

/* The reader is slow at first, so all that lies between fills up. */
static void test_copy_much(struct pair *p)
{
    static char data[65536];
    struct pair q;
    weft_scope s;
    open_pair(&q, p->kind);
    struct source source = { p->a, LARGE, 0 };
    struct copying copying = { p->b, q.a, INT64_MAX, 0, 0, false, true, "" };
    size_t size = 0;
    ssize_t n;
    begin(&s, &source, &copying);
    while ((n = weft_read(q.b, data, sizeof data)) > 0) {
        check_pattern(data, (size_t)n, size);
        size += (size_t)n;
        if (size < 1000000)
            pass_turns(10);
    }
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(source.result, 0);
    assert_int_equal(copying.result, 0);
    assert_int_equal(copying.copied, LARGE);
    assert_int_equal(size, LARGE);
    close_pair(&q);
}

/* Cancelled again and again, wherever it is: what follows goes on. */
static void test_copy_that_is_cancelled_loses_nothing(struct pair *p)
{
    struct pair q;
    weft_scope s, turn;
    open_pair(&q, p->kind);
    struct source source = { p->a, LARGE / 4, 0 };
    struct sink sink = { q.b, 0, 0 };
    int64_t total = 0;
    unsigned random = 1;
    weft_scope_begin(&s);
    weft_spawn(&s, pour, &source);
    weft_spawn(&s, drain_sink, &sink);
    for (bool ended = false; !ended;) {
        struct copying copying = { p->b, q.a, INT64_MAX, 0, 0, false, false, "" };
        weft_scope_begin(&turn);
        weft_spawn(&turn, copy_it, &copying);
        random = random * 1103515245 + 12345;
        for (unsigned turns = random >> 16 & 31; turns > 0 && !copying.done; turns--)
            pass_turns(1);
        weft_scope_cancel(&turn, "the test");
        weft_scope_end(&turn);
        total += copying.copied;
        ended = copying.result == 0 && copying.done;
        assert_true(ended || copying.result == -ECANCELED);
        if (copying.result < 0 && copying.copied > 0)
            assert_non_null(strstr(copying.detail, "after "));
    }
    assert_int_equal(weft_shutdown_write(q.a), 0);
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(total, LARGE / 4);
    assert_int_equal(sink.size, LARGE / 4);
    close_pair(&q);
}

/* What could not be written is there for who reads on. */
static void test_copy_to_who_has_gone_keeps_the_rest(struct pair *p)
{
    struct pair q;
    weft_scope s;
    open_pair(&q, p->kind);
    struct source source = { p->a, LARGE, 0 };
    struct copying copying = { p->b, q.a, INT64_MAX, 0, 0, false, false, "" };
    begin(&s, &source, &copying);
    until(is_stuffed(p->a) && is_stuffed(p->a));
    assert_false(copying.done);
    assert_int_equal(weft_abort(q.b), 0);
    q.b = NULL;
    until(copying.done);
    assert_true(copying.result == -EPIPE || copying.result == -ECONNRESET);
    size_t at = (size_t)copying.copied;
    read_on(p->b, &at);
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(at, LARGE);
    close_pair(&q);
}

static void test_copy_from_who_was_reset(struct pair *p)
{
    struct pair q;
    weft_scope s;
    open_pair(&q, p->kind);
    struct copying copying = { p->b, q.a, INT64_MAX, 0, 0, false, false, "" };
    weft_scope_begin(&s);
    put(p->a, "first");
    weft_spawn(&s, copy_it, &copying);
    expect(q.b, "first");
    assert_false(copying.done);
    assert_int_equal(weft_abort(p->a), 0);
    p->a = NULL;
    assert_int_equal(weft_scope_end(&s), 0);
    if (p->kind != &kinds[UNIX]) /* which cannot tell */
        assert_int_equal(copying.result, -ECONNRESET);
    assert_int_equal(copying.copied, 5);
    put(q.a, "on");
    expect(q.b, "on");
    close_pair(&q);
}

static void test_copy_leaves_streams_that_are_closed(struct pair *p)
{
    for (int side = 0; side < 2; side++) {
        struct pair q, r;
        weft_scope s;
        open_pair(&q, p->kind);
        open_pair(&r, p->kind);
        struct source source = { q.a, LARGE, 0 };
        struct copying copying = { q.b, r.a, INT64_MAX, 0, 0, false, false, "" };
        weft_scope_begin(&s);
        weft_spawn(&s, pour, &source);
        weft_spawn(&s, copy_it, &copying);
        until(is_stuffed(q.a) && is_stuffed(q.a));
        assert_int_equal(weft_stream_copy(q.b, r.a, 1, NULL), -EBUSY);
        take_log("reads this stream already");
        assert_int_equal(weft_stream_copy(p->b, r.a, 1, NULL), -EBUSY);
        take_log("writes this stream already");
        weft_stream **closed = side == 0 ? &q.b : &r.a;
        assert_int_equal(weft_abort(*closed), 0);
        *closed = NULL;
        assert_true(copying.done);
        assert_int_equal(copying.result, WEFT_ECLOSED);
        weft_abort(q.b);
        q.b = NULL;
        weft_scope_end(&s);
        close_pair(&q);
        close_pair(&r);
    }
}

static void test_copy_to_itself(struct pair *p)
{
    struct copying copying = { p->b, p->b, INT64_MAX, 0, 0, false, true, "" };
    struct source source = { p->a, LARGE / 4, 0 };
    struct sink sink = { p->a, 0, 0 };
    weft_scope s;
    begin(&s, &source, &copying);
    weft_spawn(&s, drain_sink, &sink);
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(copying.copied, LARGE / 4);
    assert_int_equal(sink.size, LARGE / 4);
}

/* After weft_shutdown_write() there is nothing to copy to. */
static void test_copy_needs_a_write_side(struct pair *p)
{
    struct pair q;
    open_pair(&q, p->kind);
    put(p->a, "x");
    weft_shutdown_write(q.a);
    assert_int_equal(weft_stream_copy(p->b, q.a, 1, NULL), -EPIPE);
    expect(p->b, "x");
    close_pair(&q);
}

/* While the copy waits for bytes. The other stream is as it was. */
static void test_copy_that_reads_leaves_streams_that_are_closed(struct pair *p)
{
    for (int side = 0; side < 2; side++) {
        struct pair q, r;
        weft_scope s;
        open_pair(&q, p->kind);
        open_pair(&r, p->kind);
        struct copying copying = { q.b, r.a, INT64_MAX, 0, 0, false, false, "" };
        weft_scope_begin(&s);
        put(q.a, "first");
        weft_spawn(&s, copy_it, &copying);
        expect(r.b, "first");
        pass_turns(3);
        weft_stream **closed = side == 0 ? &q.b : &r.a;
        assert_int_equal(weft_close(*closed), 0);
        *closed = NULL;
        assert_true(copying.done);
        assert_int_equal(copying.result, WEFT_ECLOSED);
        assert_int_equal(copying.copied, 5);
        if (side == 0) {
            put(r.a, "on");
            expect(r.b, "on");
        } else {
            put(q.a, "on");
            expect(q.b, "on");
        }
        assert_int_equal(weft_scope_end(&s), 0);
        close_pair(&q);
        close_pair(&r);
    }
}

/* No pipe can be had, or it cannot be moved into or out of: it is done by blocks. How many calls of
 * the kind there were. */
static long copy_under_fault(struct pair *p, struct wf_io_fault fault)
{
    struct pair q, r;
    weft_scope s;
    long countdown = fault.countdown;
    open_pair(&q, p->kind);
    open_pair(&r, p->kind);
    struct source source = { q.a, LARGE / 8, 0 };
    struct copying copying = { q.b, r.a, INT64_MAX, 0, 0, false, true, "" };
    struct sink sink = { r.b, 0, 0 };
    weft_scope_begin(&s);
    weft_spawn(&s, pour, &source);
    weft_spawn(&s, drain_sink, &sink);
    wf_io_fault_set(&fault);
    copy_it(&copying);
    wf_io_fault_set(NULL);
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(copying.result, 0);
    assert_int_equal(sink.size, LARGE / 8);
    close_pair(&q);
    close_pair(&r);
    return countdown - fault.countdown + fault.injected;
}

static void test_copy_with_a_pipe_and_without(struct pair *p)
{
    const int refusals[] = { EMFILE, EPERM };
    struct wf_io_fault counts = { .kind = WF_FAULT_OPEN, .countdown = 1 << 20, .error = EMFILE };
    long opened = copy_under_fault(p, counts);
    assert_int_equal(opened > 0, p->kind->kernel);
    for (int i = 0; i < 2; i++) {
        struct wf_io_fault fault = {
            .kind = WF_FAULT_OPEN, .countdown = 1, .persistent = true, .error = refusals[i]
        };
        assert_int_equal(copy_under_fault(p, fault) > 0, p->kind->kernel);
    }
    struct wf_net *net = wf_running->net;
    assert_int_equal(net->pipes, 0);
    net->pipes = 64; /* others have them all */
    assert_int_equal(copy_under_fault(p, counts), 0);
    net->pipes = 0;
}

/* What waits in the pipe has no room in memory: it is lost, and not silently. */
static void test_copy_without_memory_for_the_rest_says_so(struct pair *p)
{
    struct pair q;
    weft_scope s;
    struct wf_memory_fault memory = { .countdown = 1, .persistent = true };
    open_pair(&q, p->kind);
    struct source source = { p->a, LARGE, 0 };
    struct copying copying = { p->b, q.a, INT64_MAX, 0, 0, false, false, "" };
    begin(&s, &source, &copying);
    until(is_stuffed(p->a) && is_stuffed(p->a));
    wf_memory_fault_set(&memory);
    weft_abort(q.a);
    q.a = NULL;
    wf_memory_fault_set(NULL);
    assert_int_equal(copying.result, WEFT_ECLOSED);
    size_t at = (size_t)copying.copied;
    ssize_t n = read_on(p->b, &at);
    assert_true(n == -ENOMEM || (n == 0 && at == LARGE));
    weft_abort(p->b);
    p->b = NULL;
    weft_scope_end(&s);
    close_pair(&q);
}

static const struct stream_case cases[] = {
    stream_case(test_copy_until_the_end),
    stream_case(test_copy_so_many),
    stream_case(test_copy_much, .bulk = true),
    stream_case(test_copy_that_is_cancelled_loses_nothing, .bulk = true),
    stream_case(test_copy_to_who_has_gone_keeps_the_rest, .bulk = true),
    stream_case(test_copy_from_who_was_reset),
    stream_case(test_copy_leaves_streams_that_are_closed, .bulk = true),
    stream_case(test_copy_that_reads_leaves_streams_that_are_closed),
    stream_case(test_copy_to_itself, .bulk = true),
    stream_case(test_copy_needs_a_write_side),
    stream_case(test_copy_with_a_pipe_and_without, .bulk = true),
    stream_case(test_copy_without_memory_for_the_rest_says_so, .bulk = true),
};

int main(void)
{
    return run_cases("net copy", cases, WF_ARRAY_SIZE(cases));
}
