/* Stackless tasks on streams, over each kind: reading, reading ahead, writing, who is in the way of
 * whom, close and cancel. */

#include "net_test.h"

#include <weft/stackless.h>

/* One wait after another, as its `script` says; notes what each step was told. */
struct actor {
    weft_stackless self;
    weft_stream *stream;
    const char *script; /* r: read, f: fill, w: write, s: sleep a second; its end: done */
    char *data;
    size_t size;
    int64_t results[8];
    int steps;
    bool dropped;
};

static int act(weft_stackless *self, int64_t result)
{
    struct actor *actor = weft_stackless_of(self, struct actor, self);
    if (actor->steps > 0)
        actor->results[actor->steps - 1] = result;
    actor->steps++;
    switch (*actor->script ? *actor->script++ : 0) {
    case 'r':
        return weft_then_read(self, actor->stream, actor->data, actor->size, act);
    case 'f':
        return weft_then_fill(self, actor->stream, act);
    case 'w':
        return weft_then_write(self, actor->stream, actor->data, actor->size, act);
    case 's':
        return weft_then_sleep(self, SECOND, act);
    default:
        return 0;
    }
}

static void act_drop(weft_stackless *self)
{
    weft_stackless_of(self, struct actor, self)->dropped = true;
}

static const weft_stackless_kind actor_kind = WEFT_STACKLESS(act, act_drop);

static void start(weft_scope *scope, struct actor *actor)
{
    assert_int_equal(weft_stackless_spawn(scope, &actor->self, &actor_kind), 0);
}

static size_t slots_in_use(void)
{
    struct wf_net *net = wf_running->net;
    return net->stackless.live;
}

static char big[2 << 20];

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

/* Reading. */

static void test_stackless_reads_what_comes_and_the_end(struct pair *p)
{
    char data[16] = "";
    struct actor actor = { .stream = p->a, .script = "rrr", .data = data, .size = 3 };
    weft_scope s;
    weft_scope_begin(&s);
    start(&s, &actor);
    pass_turns(3);
    assert_int_equal(slots_in_use(), 1);
    put(p->b, "abc");
    until(actor.steps >= 2 && slots_in_use() == 1);
    assert_int_equal(actor.results[0] > 0, 1);
    weft_shutdown_write(p->b);
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(slots_in_use(), 0);
    int64_t sum = 0;
    for (int i = 0; i < actor.steps - 1; i++)
        sum += actor.results[i];
    assert_int_equal(sum, 3);
    assert_true(actor.dropped);
}

static void test_stackless_reads_at_once_what_is_there(struct pair *p)
{
    char data[16] = "";
    struct actor actor = { .stream = p->a, .script = "rr", .data = data, .size = 2 };
    weft_scope s;
    put(p->b, "abcd");
    until(weft_fill(p->a) > 0 && weft_buffer_readable(weft_stream_input(p->a)) == 4);
    weft_scope_begin(&s);
    start(&s, &actor);
    weft_sleep(0);
    assert_true(actor.dropped);
    weft_scope_end(&s);
    assert_int_equal(actor.results[0], 2);
    assert_int_equal(actor.results[1], 2);
    assert_memory_equal(data, "cd", 2);
}

static void test_stackless_fills_the_input_and_adds_to_it(struct pair *p)
{
    struct actor actor = { .stream = p->a, .script = "fff" };
    weft_buffer *input = weft_stream_input(p->a);
    weft_scope s;
    weft_scope_begin(&s);
    start(&s, &actor);
    pass_turns(3);
    assert_int_equal(slots_in_use(), 1);
    put(p->b, "a");
    until(weft_buffer_readable(input) == 1);
    put(p->b, "b");
    until(weft_buffer_readable(input) == 2);
    weft_shutdown_write(p->b);
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(actor.results[0], 1);
    assert_int_equal(actor.results[1], 1);
    assert_int_equal(actor.results[2], 0);
    expect(p->a, "ab");
    expect_end(p->a);
}

static void test_stackless_reader_shuts_others_out(struct pair *p)
{
    char data[16] = "";
    struct actor first = { .stream = p->a, .script = "r", .data = data, .size = 1 };
    struct actor second = { .stream = p->a, .script = "rf", .data = data, .size = 1 };
    weft_scope s;
    weft_scope_begin(&s);
    start(&s, &first);
    start(&s, &second);
    pass_turns(2);
    assert_true(second.dropped);
    assert_int_equal(second.results[0], -EBUSY);
    assert_int_equal(second.results[1], -EBUSY);
    assert_int_equal(weft_read(p->a, data, 1), -EBUSY);
    assert_int_equal(weft_read_try(p->a, data, 1), -EBUSY);
    put(p->b, "x");
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(first.results[0], 1);
    take_log("stackless task 'act' (");
}

static void test_stackless_finds_a_task_that_reads(struct pair *p)
{
    char data[4];
    struct call call = { READ, p->a, data, 1, 0, false, "" };
    struct actor actor = { .stream = p->a, .script = "r", .data = data, .size = 1 };
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, run_call, &call);
    pass_turns(2);
    start(&s, &actor);
    pass_turns(2);
    assert_int_equal(actor.results[0], -EBUSY);
    put(p->b, "x");
    weft_scope_end(&s);
    assert_int_equal(call.result, 1);
    take_log("task 'run_call' (spawned at");
}

/* Writing. */

static void test_stackless_writes_at_once_where_there_is_room(struct pair *p)
{
    static char text[] = "hello";
    struct actor actor = { .stream = p->a, .script = "w", .data = text, .size = 5 };
    weft_scope s;
    weft_scope_begin(&s);
    start(&s, &actor);
    weft_scope_end(&s);
    assert_int_equal(actor.results[0], 0);
    assert_int_equal(slots_in_use(), 0);
    expect(p->b, "hello");
}

static void test_semantics_07_stackless_waits_for_room_and_then_takes_all(struct pair *p)
{
    static char more[HIGH];
    struct actor actor = { .stream = p->a, .script = "w", .data = more, .size = sizeof more };
    struct sink sink = { .stream = p->b };
    weft_scope s, drain;
    size_t size = fill_up(p->a);
    fill_pattern(more, sizeof more, size);
    weft_scope_begin(&drain);
    weft_scope_begin(&s);
    start(&s, &actor);
    pass_turns(3);
    assert_false(actor.dropped);
    assert_int_equal(slots_in_use(), 1);
    assert_int_equal(weft_write_try(p->a, "x", 1), -EBUSY);
    weft_spawn(&drain, drain_sink, &sink);
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(actor.results[0], 0);
    weft_shutdown_write(p->a);
    weft_scope_end(&drain);
    assert_int_equal(sink.size, size + sizeof more);
    take_log("stackless task 'act' (");
}

static void test_stackless_refuses_more_than_the_high_mark(struct pair *p)
{
    struct actor actor = { .stream = p->a, .script = "w", .data = big, .size = HIGH + 1 };
    weft_scope s;
    weft_scope_begin(&s);
    start(&s, &actor);
    weft_scope_end(&s);
    assert_int_equal(actor.results[0], -EINVAL);
    take_log("weft_write_try() with");
}

/* Close and cancel. */

static void test_semantics_28_close_tells_stackless_ones_and_waits_for_them(struct pair *p)
{
    static const char *const scripts[] = { "r", "f" };
    for (int i = 0; i < 2; i++) {
        struct pair q;
        char data[4];
        open_pair(&q, p->kind);
        struct actor reads = { .stream = q.a, .script = scripts[i], .data = data, .size = 4 };
        struct actor writes = { .stream = q.a, .script = "w", .data = data, .size = 4 };
        weft_scope s;
        fill_up(q.a);
        weft_scope_begin(&s);
        start(&s, &reads);
        start(&s, &writes);
        pass_turns(3);
        assert_int_equal(slots_in_use(), 2);
        assert_int_equal(weft_close(q.a), 0);
        assert_true(reads.dropped && writes.dropped);
        assert_int_equal(reads.results[0], WEFT_ECLOSED);
        assert_int_equal(writes.results[0], WEFT_ECLOSED);
        assert_int_equal(slots_in_use(), 0);
        weft_scope_end(&s);
        weft_abort(q.b);
    }
}

static void test_stackless_cancel_gives_up_reads_and_writes_and_loses_nothing(struct pair *p)
{
    static const char *const scripts[] = { "rr", "fr", "ws" };
    for (int i = 0; i < 3; i++) {
        struct pair q;
        char data[4];
        open_pair(&q, p->kind);
        struct actor actor = { .stream = q.a, .script = scripts[i], .data = data, .size = 4 };
        weft_scope s;
        size_t size = i == 2 ? fill_up(q.a) : 0;
        weft_scope_begin(&s);
        start(&s, &actor);
        pass_turns(3);
        assert_int_equal(slots_in_use(), 1);
        weft_scope_cancel(&s, "enough");
        assert_int_equal(weft_scope_end(&s), 0);
        assert_int_equal(actor.results[0], -ECANCELED);
        assert_int_equal(actor.results[1], -ECANCELED);
        assert_int_equal(slots_in_use(), 0);
        put(q.b, "still");
        expect(q.a, "still");
        if (i == 2) {
            struct sink sink = { .stream = q.b };
            weft_scope_begin(&s);
            weft_spawn(&s, drain_sink, &sink);
            weft_shutdown_write(q.a);
            weft_scope_end(&s);
            assert_int_equal(sink.size, size);
        }
        close_pair(&q);
    }
}

static void test_semantics_10_bytes_that_have_come_are_told_although_it_is_cancelled(struct pair *p)
{
    char data[4];
    struct actor actor = { .stream = p->a, .script = "rs", .data = data, .size = 4 };
    weft_scope s;
    weft_scope_begin(&s);
    start(&s, &actor);
    pass_turns(3);
    put(p->b, "abcd");
    until(p->a->reading && p->a->reading->waiter.state == WF_WAIT_DONE);
    weft_scope_cancel(&s, "too late");
    weft_scope_end(&s);
    assert_true(actor.results[0] > 0);
    assert_int_equal(actor.results[1], -ECANCELED);
}

/* A step that closes the stream it has just read from. */
static int read_then_close(weft_stackless *self, int64_t result)
{
    struct actor *actor = weft_stackless_of(self, struct actor, self);
    if (actor->steps++ == 0)
        return weft_then_read(self, actor->stream, actor->data, actor->size, read_then_close);
    assert_true(result > 0);
    return weft_close(actor->stream);
}

static const weft_stackless_kind closer_kind = WEFT_STACKLESS(read_then_close, act_drop);

static void test_stackless_step_closes_its_stream(struct pair *p)
{
    char data[4];
    struct actor actor = { .stream = p->a, .data = data, .size = 4 };
    weft_scope s;
    weft_scope_begin(&s);
    weft_stackless_spawn(&s, &actor.self, &closer_kind);
    pass_turns(2);
    put(p->b, "a");
    assert_int_equal(weft_scope_end(&s), 0);
    p->a = NULL;
    expect_end(p->b);
}

static const struct stream_case cases[] = {
    stream_case(test_stackless_reads_what_comes_and_the_end),
    stream_case(test_stackless_reads_at_once_what_is_there),
    stream_case(test_stackless_fills_the_input_and_adds_to_it),
    stream_case(test_stackless_reader_shuts_others_out),
    stream_case(test_stackless_finds_a_task_that_reads),
    stream_case(test_stackless_writes_at_once_where_there_is_room),
    stream_case(test_semantics_07_stackless_waits_for_room_and_then_takes_all, .bulk = true),
    stream_case(test_stackless_refuses_more_than_the_high_mark),
    stream_case(test_semantics_28_close_tells_stackless_ones_and_waits_for_them, .bulk = true),
    stream_case(test_stackless_cancel_gives_up_reads_and_writes_and_loses_nothing, .bulk = true),
    stream_case(test_semantics_10_bytes_that_have_come_are_told_although_it_is_cancelled),
    stream_case(test_stackless_step_closes_its_stream),
};

int main(void)
{
    return run_cases("stackless streams", cases, WF_ARRAY_SIZE(cases));
}
