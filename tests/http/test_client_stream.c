/* Calls that are opened, and bodies that come from a source: what is on the wire, what is read of
 * an answer that is slow, cut or early, and which connections survive. */

#include "http_test.h"

#include "http/client.h"

#include <weft/error.h>

#define S  WEFT_SECOND
#define MS WEFT_MILLISECOND
#define X  "http://s/x"
#define OK "HTTP/1.1 200 OK\r\n"

#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"

static int connections; /* that the peer has accepted */
static int closed;      /* that have ended since */
static size_t taken;    /* bytes that the peer has read of the last request, or has written */

/* The client of the test, and its arena. */
static weft_http_client *client;
static weft_arena *arena;

/* A peer of bytes on mem:peer, which the client knows as s, and the test beside it. */
struct talk {
    void (*body)(void);
    struct peer peer;
};

static int talk_main(void *arg)
{
    struct talk *talk = arg;
    connections = closed = 0;
    taken = 0;
    assert_int_equal(weft_arena_new(&arena, (size_t)1 << 20), 0);
    assert_int_equal(weft_http_client_new(&client), 0);
    assert_int_equal(weft_http_client_map(client, "s", "mem:peer"), 0);
    peer_begin(&talk->peer, "mem:peer");
    talk->body();
    weft_http_client_free(client);
    peer_end(&talk->peer);
    weft_arena_free(arena);
    return 0;
}

static void talking(weft_serve_fn *peer, void (*body)(void))
{
    assert_int_equal(run(talk_main, &(struct talk){ .body = body, .peer.serve = peer }), 0);
}

#define CALL(...)                                                                                  \
    (weft_http_call)                                                                               \
    {                                                                                              \
        .arena = arena, .client = client, .url = X, __VA_ARGS__                                    \
    }

/* Peers. What they say is `answer`, in pieces with a pause before each but the first. */

static const char *answer[8];
static int64_t pause;
static char asked[1 << 16]; /* the head of the last request, and what the peer read behind it */

static int read_head(weft_stream *stream)
{
    size_t size = 0;
    do {
        ssize_t n = weft_read(stream, asked + size, 1);
        if (n <= 0)
            return n < 0 ? (int)n : WEFT_EEND;
        asked[++size] = '\0';
    } while (!strstr(asked, "\r\n\r\n"));
    return 0;
}

static int say_answer(weft_stream *stream)
{
    for (int i = 0; i < 8 && answer[i]; i++) {
        int err = i > 0 && pause > 0 ? weft_sleep(pause) : 0;
        if (err == 0)
            err = weft_write(stream, answer[i], strlen(answer[i]));
        if (err < 0)
            return err;
    }
    return 0;
}

/* Answers each request and keeps the connection; a request's body is not looked for. */
static int keeps(weft_stream *stream, void *arg)
{
    (void)arg;
    connections++;
    while (read_head(stream) == 0)
        if (say_answer(stream) < 0)
            break;
    closed++;
    return 0;
}

/* Answers one request and closes. */
static int closes(weft_stream *stream, void *arg)
{
    (void)arg;
    connections++;
    if (read_head(stream) == 0)
        say_answer(stream);
    closed++;
    return 0;
}

static void answers(const char *first, const char *second, const char *third)
{
    memset(answer, 0, sizeof answer);
    answer[0] = first;
    answer[1] = second;
    answer[2] = third;
}

/* Reading. */

static char got[1 << 16];

/* All that is left of the call's body, in steps; a text. The last return of the read. */
static ssize_t read_all(weft_http_call *call, size_t step)
{
    ssize_t n;
    size_t size = 0;
    while ((n = weft_http_call_read(call, got + size, step)) > 0) {
        assert_true((size_t)n <= step);
        size += (size_t)n;
    }
    got[size] = '\0';
    return n;
}

static void expect_body(weft_http_call *call, size_t step, const char *body)
{
    assert_int_equal(read_all(call, step), 0);
    assert_string_equal(got, body);
    assert_int_equal(weft_http_call_read(call, got, 1), 0);
}

static void check_head_first(void)
{
    weft_http_call call = CALL();
    pause = S;
    answers(OK "Content-Length: 10\r\nA: b\r\n\r\n", "hello", "world");
    int64_t start = weft_now();
    assert_int_equal(weft_http_open(&call), 200);
    assert_int_equal(weft_now() - start, 0);
    assert_int_equal(call.status, 200);
    assert_string_equal(weft_http_call_header(&call, "a"), "b");
    assert_string_equal(call.body, "");
    assert_int_equal(call.body_size, 0);
    assert_string_equal(call.detail, "");
    assert_int_equal(weft_http_call_read(&call, got, 0), 0);
    assert_int_equal(weft_http_call_read(&call, got, 100), 5);
    assert_int_equal(weft_now() - start, S);
    assert_int_equal(weft_http_call_read(&call, got + 5, 2), 2);
    assert_int_equal(weft_http_call_read(&call, got + 7, 100), 3);
    assert_int_equal(weft_now() - start, 2 * S);
    assert_memory_equal(got, "helloworld", 10);
    assert_int_equal(weft_http_call_read(&call, got, 100), 0);
    weft_http_call_close(&call);
    assert_string_equal(weft_http_call_header(&call, "a"), "b");
    pause = 0;
    assert_int_equal(weft_http_fetch(&call), 200);
    assert_string_equal(call.body, "helloworld");
    assert_int_equal(connections, 1);
}

static void test_stream_begins_with_the_head(void **state)
{
    (void)state;
    talking(keeps, check_head_first);
}

static void check_framings(void)
{
    static const struct {
        const char *answer, *body, *sum;
    } cases[] = {
        { OK "Content-Length: 5\r\n\r\nhello", "hello", NULL },
        { OK "Content-Length: 0\r\n\r\n", "", NULL },
        { "HTTP/1.1 204 No Content\r\n\r\n", "", NULL },
        { "HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" OK "Content-Length: 1\r\n\r\nx", "x", NULL },
        { CHUNKED "0\r\n\r\n", "", NULL },
        { CHUNKED "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "hello", NULL },
        { CHUNKED "5;x=y\r\nhello\r\n0\r\nSum: 7\r\nOther: z\r\n\r\n", "hello", "7" },
    };
    for (size_t i = 0; i < WF_ARRAY_SIZE(cases); i++)
        for (size_t step = 1; step < 7; step++) {
            weft_http_call call = CALL();
            answers(cases[i].answer, NULL, NULL);
            assert_true(weft_http_open(&call) >= 200);
            expect_body(&call, step, cases[i].body);
            for (int closed_yet = 0; closed_yet < 2; closed_yet++) {
                const char *sum = weft_http_call_trailer(&call, "SUM");
                assert_true(cases[i].sum ? sum && strcmp(sum, cases[i].sum) == 0 : !sum);
                weft_http_call_close(&call);
            }
            assert_int_equal(weft_http_fetch(&call), call.status);
            assert_string_equal(call.body, cases[i].body);
            const char *sum = weft_http_call_trailer(&call, "sum");
            assert_true(cases[i].sum ? sum && strcmp(sum, cases[i].sum) == 0 : !sum);
        }
    weft_http_call call = CALL(.method = "HEAD");
    answers(OK "Content-Length: 5\r\n\r\n", NULL, NULL);
    assert_int_equal(weft_http_open(&call), 200);
    expect_body(&call, 10, "");
    weft_http_call_close(&call);
    assert_int_equal(connections, 1);
}

static void test_stream_ends_where_the_body_does(void **state)
{
    (void)state;
    talking(keeps, check_framings);
}

static void check_until_close(void)
{
    weft_http_call call = CALL();
    answers(OK "\r\nall", " that", " comes");
    assert_int_equal(weft_http_open(&call), 200);
    expect_body(&call, 100, "all that comes");
    weft_http_call_close(&call);
    assert_int_equal(weft_http_fetch(&call), 200);
    assert_int_equal(connections, 2);
}

static void test_stream_may_end_with_the_connection(void **state)
{
    (void)state;
    talking(closes, check_until_close);
}

/* Closed early: what is left is there already, or the connection is given up. */
static void check_close_early(void)
{
    weft_http_call call = CALL();
    answers(CHUNKED "5\r\nhello\r\n5\r\nworld\r\n0\r\nSum: 7\r\n\r\n", NULL, NULL);
    assert_int_equal(weft_http_open(&call), 200);
    assert_int_equal(weft_http_call_read(&call, got, 2), 2);
    weft_http_call_close(&call);
    assert_string_equal(weft_http_call_trailer(&call, "Sum"), "7");
    assert_int_equal(weft_http_open(&call), 200);
    assert_int_equal(connections, 1);
    weft_http_call_close(&call);
    pause = S;
    answers(CHUNKED "5\r\nhello\r\n", "0\r\n", "\r\n");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(weft_http_open(&call), 200);
        assert_int_equal(connections, 1 + i);
        for (int j = 0; j < i; j++) /* before, in and behind the last chunk's line */
            assert_int_equal(weft_http_call_read(&call, got, 100), j == 0 ? 5 : 0);
        if (i == 2)
            break;
        weft_http_call_close(&call);
        assert_int_equal(weft_http_call_read(&call, got, 100), -EINVAL);
        assert_string_equal(call.detail, "the call is not open");
        weft_sleep(5 * S);
        assert_int_equal(closed, 1 + i);
    }
    weft_http_call_close(&call);
    pause = 0;
}

static void test_stream_closed_early_costs_the_connection_unless_all_is_there(void **state)
{
    (void)state;
    talking(keeps, check_close_early);
}

/* Nothing of these does harm. */
static void check_misuse(void)
{
    weft_http_call none = { .url = NULL }, call = CALL();
    weft_http_call_close(&none);
    assert_int_equal(weft_http_call_read(&none, got, 1), -EINVAL);
    assert_null(weft_http_call_trailer(&none, "a"));
    assert_int_equal(weft_http_open(&none), -EINVAL);
    assert_string_equal(none.detail, "the call has no arena");
    weft_http_call_close(&none);

    call.url = "nonsense";
    assert_int_equal(weft_http_open(&call), -EINVAL);
    expect_text(call.detail, "nonsense: prepare: not an http:// URL");
    weft_http_call_close(&call);
    call.url = "http://nobody/";
    assert_int_equal(weft_http_client_map(client, "nobody", "mem:nobody"), 0);
    assert_int_equal(weft_http_open(&call), -ECONNREFUSED);
    weft_http_call_close(&call);
    weft_http_call_close(&call);

    call.url = X;
    answers(OK "Content-Length: 2\r\n\r\nhi", NULL, NULL);
    assert_int_equal(weft_http_open(&call), 200);
    assert_int_equal(weft_http_open(&call), -EBUSY);
    expect_text(call.detail, "weft_http_call_close() comes first");
    assert_int_equal(weft_http_fetch(&call), -EBUSY);
    expect_body(&call, 1, "hi");
    weft_http_call_close(&call);
    weft_http_call_close(&call);
    assert_int_equal(weft_http_fetch(&call), 200);
    weft_http_call_close(&call);
    assert_int_equal(connections, 1);
}

static void test_stream_misuse_is_answered(void **state)
{
    (void)state;
    talking(keeps, check_misuse);
}

static void expect_broken(const char *text, const char *body, int err, const char *detail)
{
    weft_http_call call = CALL(.body_max = 10);
    answers(text, NULL, NULL);
    assert_int_equal(weft_http_open(&call), 200);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(read_all(&call, 100), err);
        if (i == 0)
            assert_string_equal(got, body);
        expect_text(call.detail, detail);
    }
    size_t used = weft_arena_used(arena);
    for (int i = 0; i < 100; i++)
        assert_int_equal(weft_http_call_read(&call, got, 1), err);
    assert_int_equal(weft_arena_used(arena), used); /* it is explained once */
    weft_http_call_close(&call);
    weft_sleep(0);
    weft_sleep(0);
    assert_int_equal(closed, connections);
}

static void check_broken(void)
{
    expect_broken(OK "Content-Length: 5\r\n\r\nfour", "four", WEFT_EEND, X ": response: ");
    expect_broken(CHUNKED "5\r\nhello\r\n", "hello", WEFT_EEND, "ended");
    expect_broken(CHUNKED "5\r\nhello\r\n0\r\nA:", "hello", WEFT_EEND, "ended");
    expect_broken(CHUNKED "5\r\nhello\r\nx\r\n", "hello", WEFT_EPROTOCOL, "malformed chunk size");
    expect_broken(CHUNKED "5\r\nhello!\r\n", "hello", WEFT_EPROTOCOL, "longer than its size");
    expect_broken(CHUNKED "0\r\nHost: x\r\n\r\n", "", WEFT_EPROTOCOL, "trailer");
    expect_broken(OK "Content-Length: 11\r\n\r\nhello world", "", WEFT_ELIMIT, "limit");
    expect_broken(OK "\r\nhello world", "", WEFT_ELIMIT, "limit");
    expect_broken(CHUNKED "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello", WEFT_ELIMIT, "limit");
}

static void test_stream_that_breaks_stays_broken(void **state)
{
    (void)state;
    talking(closes, check_broken);
}

/* Writes for ever: to see how far it gets. */
static int floods(weft_stream *stream, void *arg)
{
    (void)arg;
    static const char piece[1000];
    int err = read_head(stream);
    connections++;
    if (err == 0)
        err = weft_write(stream, OK "\r\n", strlen(OK "\r\n"));
    for (taken = 0; err == 0; taken += sizeof piece)
        err = weft_write(stream, piece, sizeof piece);
    closed++;
    return 0;
}

static void check_backpressure(void)
{
    weft_http_call call = CALL();
    assert_int_equal(weft_http_open(&call), 200);
    weft_sleep(WEFT_MINUTE);
    size_t before = taken;
    assert_true(before < 300000); /* the peer's queue, the pipe's, and what one read has taken */
    size_t arena_before = weft_arena_used(arena);
    for (size_t size = 0; size < (size_t)20 << 20;) { /* more than a fetch's limit */
        ssize_t n = weft_http_call_read(&call, got, sizeof got);
        assert_true(n > 0);
        size += (size_t)n;
    }
    assert_int_equal(weft_arena_used(arena), arena_before);
    size_t after = taken;
    weft_sleep(WEFT_MINUTE);
    assert_true(taken - after <= before);
    weft_http_call_close(&call);
    weft_sleep(S);
    assert_int_equal(closed, 1);
}

static void test_stream_that_nobody_reads_makes_its_server_wait(void **state)
{
    (void)state;
    talking(floods, check_backpressure);
}

static void check_cancel_read(void)
{
    weft_http_call call = CALL();
    size_t size = 0;
    int cancels = 0;
    pause = 10 * MS;
    answers(CHUNKED "5\r\nhel", "lo\r\n6\r\n world\r\n0\r\nSu", "m: 7\r\n\r\n");
    assert_int_equal(weft_http_open(&call), 200);
    for (ssize_t n = 1; n != 0;) {
        weft_scope scope;
        weft_scope_begin(&scope, .timeout = 3 * MS);
        n = weft_http_call_read(&call, got + size, 100);
        weft_scope_end(&scope);
        assert_true(n >= 0 || n == -ECANCELED);
        cancels += n < 0;
        size += n > 0 ? (size_t)n : 0;
    }
    got[size] = '\0';
    assert_string_equal(got, "hello world");
    assert_true(cancels >= 6);
    assert_string_equal(weft_http_call_trailer(&call, "Sum"), "7");
    weft_http_call_close(&call);
    pause = 0;
    assert_int_equal(weft_http_fetch(&call), 200);
    assert_int_equal(connections, 1);
}

static void test_stream_loses_nothing_to_a_cancelled_read(void **state)
{
    (void)state;
    talking(keeps, check_cancel_read);
}

/* Sources. */

struct source {
    const char *text;
    size_t step;     /* bytes at a time; 0: as many as are asked for */
    int64_t delay;   /* before each */
    int error;       /* at the end, if not 0 */
    size_t repeat;   /* the text, so often more */
    int pulls, ends; /* what the client has asked */
    size_t given;
};

static ssize_t pull(void *arg, void *buffer, size_t size)
{
    struct source *source = arg;
    source->pulls++;
    int err = source->delay ? weft_sleep(source->delay) : 0;
    if (err < 0)
        return err;
    size_t left = strlen(source->text);
    if (left == 0) {
        source->ends++;
        return source->error;
    }
    size_t n = source->step && source->step < left ? source->step : left;
    if (n > size)
        n = size;
    memcpy(buffer, source->text, n);
    source->given += n;
    if (source->repeat > 0 && n == left)
        source->repeat--;
    else
        source->text += n;
    return (ssize_t)n;
}

#define FROM(source_) .source = pull, .source_arg = &(source_)

/* Reads a request with its body, counted or in chunks, up to the end of it; answers "hi". */
static int hears(weft_stream *stream, void *arg)
{
    (void)arg;
    connections++;
    while (read_head(stream) == 0) {
        const char *length = strstr(asked, "Content-Length: ");
        size_t size = strlen(asked), body = length ? strtoul(length + 16, NULL, 10) : 0;
        for (taken = 0; length ? taken < body : !strstr(asked, "0\r\n\r\n"); taken++) {
            if (weft_read(stream, asked + size + taken, 1) <= 0)
                return closed++, 0;
            asked[size + taken + 1] = '\0';
        }
        if (weft_write(stream, OK "Content-Length: 2\r\n\r\nhi", strlen(OK) + 23) < 0)
            break;
    }
    closed++;
    return 0;
}

static void check_source(void)
{
    struct source five = { .text = "hello", .step = 2 }, none = { .text = "" };
    struct source slow = { .text = "hello", .step = 4, .delay = S };
    struct source counted = { .text = "hello", .step = 2 };
    weft_http_call call = CALL(FROM(five), .content_type = "t/x");
    assert_int_equal(weft_http_fetch(&call), 200);
    assert_string_equal(call.body, "hi");
    assert_string_equal(asked, "POST /x HTTP/1.1\r\nHost: s\r\nContent-Type: t/x\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n"
                               "2\r\nhe\r\n2\r\nll\r\n1\r\no\r\n0\r\n\r\n");
    call = CALL(FROM(none), .method = "PUT");
    assert_int_equal(weft_http_open(&call), 200);
    expect_body(&call, 10, "hi");
    weft_http_call_close(&call);
    assert_string_equal(asked, "PUT /x HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "0\r\n\r\n");
    call = CALL(FROM(slow));
    int64_t start = weft_now();
    assert_int_equal(weft_http_fetch(&call), 200);
    assert_int_equal(weft_now() - start, 3 * S);
    call = CALL(FROM(counted), .size = 5);
    assert_int_equal(weft_http_fetch(&call), 200);
    assert_string_equal(asked, "POST /x HTTP/1.1\r\nHost: s\r\nContent-Length: 5\r\n\r\nhello");
    assert_int_equal(counted.pulls, 4);
    assert_int_equal(counted.ends, 1);
    assert_int_equal(connections, 1);
}

static void test_source_is_sent_in_chunks_or_counted(void **state)
{
    (void)state;
    talking(hears, check_source);
}

static ssize_t lies(void *arg, void *buffer, size_t size)
{
    (void)arg, (void)buffer;
    return (ssize_t)size + 1;
}

/* The connection is closed, and the peer never has a whole request. */
static void expect_refused(weft_http_call call, int err, const char *detail)
{
    assert_int_equal(weft_http_fetch(&call), err);
    expect_text(call.detail, detail);
    assert_int_equal(call.status, 0);
    weft_sleep(S);
    assert_int_equal(closed, connections);
    assert_true(!strstr(asked, "0\r\n\r\n") && taken < 5);
}

static void check_wrong_source(void)
{
    struct source few = { .text = "four" }, many = { .text = "sixsix" }, again = many;
    struct source fails = { .text = "abc", .error = -EIO }, counted = fails, resets = fails;
    again.step = 5;
    resets.error = -ECONNRESET;
    expect_refused(CALL(FROM(few), .size = 5), -EINVAL, "source: the source ended before");
    expect_refused(CALL(FROM(many), .size = 5), -EINVAL, "source: the source has more than");
    expect_refused(CALL(FROM(again), .size = 5), -EINVAL, "source: the source has more than");
    expect_refused(CALL(FROM(fails)), -EIO, X ": source: ");
    expect_refused(CALL(FROM(counted), .size = 5), -EIO, X ": source: ");
    expect_refused(CALL(FROM(resets), .method = "PUT"), -ECONNRESET, X ": source: ");
    expect_refused(CALL(.source = lies), -EINVAL, "source: the source says that it gave more");
    weft_http_call both = CALL(FROM(few), .data = "x");
    assert_int_equal(weft_http_fetch(&both), -EINVAL);
    expect_text(both.detail, "prepare: a request has data or a source, not both");
    assert_int_equal(connections, 7);
}

static void test_source_that_is_wrong_fails_the_call(void **state)
{
    (void)state;
    talking(hears, check_wrong_source);
}

/* A peer that never reads: the source is not asked for more than fits. */
static int reads_late(weft_stream *stream, void *arg)
{
    (void)arg;
    connections++;
    return weft_sleep(WEFT_MINUTE) < 0 ? 0 : hears(stream, NULL);
}

static void check_slow_peer(void)
{
    static char text[10001];
    memset(text, 'x', sizeof text - 1);
    struct source source = { .text = text, .repeat = 99 };
    weft_http_call call = CALL(FROM(source), .size = 1000000);
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = S);
    int err = weft_http_open(&call);
    assert_int_equal(err, -ECANCELED);
    assert_int_equal(weft_scope_leave(&scope, err), -ETIMEDOUT);
    assert_true(source.given > 0 && source.given < 200000);
    weft_http_call_close(&call);
}

static void test_source_is_not_ahead_of_its_server(void **state)
{
    (void)state;
    talking(reads_late, check_slow_peer);
}

/* Reads a little of the request, answers, and closes. */
static int answers_early(weft_stream *stream, void *arg)
{
    (void)arg;
    connections++;
    if (read_head(stream) == 0)
        say_answer(stream);
    return 0;
}

static void expect_early(weft_http_call call, struct source *source)
{
    assert_int_equal(weft_http_fetch(&call), 413);
    assert_string_equal(call.body, "no!");
    assert_int_equal(source->ends, 0);
    assert_true(source->given < 200000);
    assert_int_equal(client->pool.place_count, 0); /* not kept, whatever the answer says */
}

static void check_early(void)
{
    static char text[10001];
    memset(text, 'x', sizeof text - 1);
    struct source chunked = { .text = text, .repeat = 999, .step = 1000 }, counted = chunked;
    struct source slow = { .text = text, .step = 1, .delay = MS };
    answers("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno!", NULL, NULL);
    expect_early(CALL(FROM(chunked)), &chunked);
    expect_early(CALL(FROM(counted), .size = 10000000), &counted);
    expect_early(CALL(FROM(slow)), &slow);
    assert_true(slow.pulls < 5); /* not once after the write that failed */
    answers(NULL, NULL, NULL);
    struct source unheard = { .text = text, .repeat = 999, .step = 1000 };
    weft_http_call call = CALL(FROM(unheard));
    assert_int_equal(weft_http_open(&call), -EPIPE);
    assert_int_equal(unheard.ends, 0);
}

static void test_source_gives_way_to_an_early_answer(void **state)
{
    (void)state;
    talking(answers_early, check_early);
}

/* The first request is answered; the second ends the connection, at the first or the second try. */
static int closes_on_second(weft_stream *stream, void *arg)
{
    (void)arg;
    connections++;
    if (read_head(stream) == 0 && say_answer(stream) == 0)
        read_head(stream);
    return 0;
}

static void check_repeat(void)
{
    struct source source = { .text = "hello" };
    weft_http_call first = CALL(), data = CALL(.data = "hello", .size = 5, .method = "PUT");
    weft_http_call streamed = CALL(FROM(source), .method = "PUT", .size = 5);
    answers(OK "Content-Length: 0\r\n\r\n", NULL, NULL);
    assert_int_equal(weft_http_fetch(&first), 200);
    assert_int_equal(weft_http_fetch(&data), 200); /* on a second connection */
    assert_int_equal(connections, 2);
    weft_sleep(S);
    assert_int_equal(weft_http_fetch(&first), 200);
    int err = weft_http_fetch(&streamed);
    assert_true(err == WEFT_EEND || err == -EPIPE);
    assert_int_equal(connections, 3);
    assert_int_equal(source.pulls, 2);
}

static void test_source_that_was_asked_is_not_repeated(void **state)
{
    (void)state;
    talking(closes_on_second, check_repeat);
}

/* At whatever millisecond the call is cancelled, while it sends or reads: the connection is given
 * up, unless nothing was begun, and nothing is left behind. */

static int slow_hears(weft_stream *stream, void *arg)
{
    return weft_sleep(2 * MS) < 0 ? 0 : hears(stream, arg);
}

static int open_read_close(weft_http_call *call)
{
    int err = weft_http_open(call);
    if (err >= 0)
        err = (int)read_all(call, 1);
    weft_http_call_close(call);
    return err;
}

static void check_cancel(void)
{
    for (int i = 0; i < 12; i++) {
        struct source source = { .text = "hello", .step = 1, .delay = MS };
        weft_http_call call = CALL(FROM(source));
        weft_scope scope;
        weft_scope_begin(&scope, .timeout = i * MS + MS / 2);
        int err = open_read_close(&call);
        assert_true(err == 0 || err == -ECANCELED);
        assert_int_equal(weft_scope_leave(&scope, err), err == 0 ? 0 : -ETIMEDOUT);
        weft_arena_reset(arena);
        weft_sleep(S);
        assert_int_equal(connections - closed, err == 0);
    }
    assert_int_equal(connections - closed, 1); /* the last ones had the time */
}

static void test_stream_may_be_cancelled_at_any_moment(void **state)
{
    (void)state;
    talking(slow_hears, check_cancel);
}

/* One allocation fails, any. */
static void check_no_memory(void)
{
    int successes = 0;
    for (long n = 1; n < 60; n++) {
        struct source source = { .text = "hello", .step = 2 };
        struct wf_memory_fault fault = { .countdown = n };
        weft_http_client_free(client);
        client = NULL;
        wf_memory_fault_set(&fault);
        int err = weft_http_client_new(&client);
        if (err == 0)
            err = weft_http_client_map(client, "s", "mem:peer");
        for (int i = 0; i < 2 && err == 0; i++) {
            weft_http_call call = CALL(FROM(source));
            err = open_read_close(&call);
        }
        wf_memory_fault_set(NULL);
        successes += err == 0;
        weft_sleep(S);
        logged_count = 0;
        weft_arena_reset(arena);
    }
    assert_true(successes > 10);
}

static void test_stream_survives_any_failed_allocation(void **state)
{
    (void)state;
    talking(hears, check_no_memory);
}

static void check_steady(void)
{
    uint64_t before = 0;
    for (int i = 0; i < 100; i++) {
        struct source source = { .text = "hello", .step = 2 };
        weft_http_call call = CALL(FROM(source));
        if (i == 10)
            before = wf_memory_count();
        assert_int_equal(open_read_close(&call), 0);
        weft_arena_reset(arena);
    }
    assert_int_equal(wf_memory_count() - before, 0);
    assert_int_equal(connections, 1);
}

static void test_stream_steady_state_allocates_nothing(void **state)
{
    (void)state;
    talking(hears, check_steady);
}

/* A proxy: what comes is handed on while it comes, both ways. */

static int sum_up(weft_http *http, void *app)
{
    (void)app;
    unsigned char piece[3000];
    unsigned sum = 0;
    size_t size = 0;
    ssize_t n;
    while ((n = weft_http_read(http, piece, sizeof piece)) > 0)
        for (ssize_t i = 0; i < n; i++, size++)
            sum = sum * 31 + piece[i];
    return n < 0 ? (int)n : weft_http_text(http, 200, "%zu bytes, %u", size, sum);
}

static int pour(weft_http *http, void *app)
{
    (void)app;
    char piece[1000];
    memset(piece, 'p', sizeof piece);
    int err = weft_http_add_trailer(http, "Sum", "7");
    if (err == 0)
        err = weft_http_begin(http, 200, "a/b", WEFT_HTTP_LENGTH_UNKNOWN);
    for (int i = 0; i < 500 && err == 0; i++)
        err = weft_http_write(http, piece, sizeof piece);
    return err;
}

static ssize_t from_client(void *arg, void *buffer, size_t size)
{
    return weft_http_read(arg, buffer, size);
}

static int send_on(weft_http *http, weft_http_call *call)
{
    char piece[2000];
    ssize_t n = 1;
    int err = weft_http_begin(http, call->status, weft_http_call_header(call, "Content-Type"),
                              WEFT_HTTP_LENGTH_UNKNOWN);
    while (err == 0 && n > 0) {
        n = weft_http_call_read(call, piece, sizeof piece);
        err = n > 0 ? weft_http_write(http, piece, (size_t)n) : (int)n;
    }
    const char *sum = weft_http_call_trailer(call, "Sum");
    return err == 0 && sum ? weft_http_add_trailer(http, "Sum", sum) : err;
}

static int proxy(weft_http *http, void *app)
{
    (void)app;
    bool has_body = weft_http_header(http, "Transfer-Encoding") != NULL;
    weft_http_call call = { .arena = http->arena,
                            .method = weft_http_method(http),
                            .source = has_body ? from_client : NULL,
                            .source_arg = http };
    call.url = weft_arena_format(http->arena, "http://behind/%s", weft_http_param(http, "rest"));
    int err = weft_http_open(&call);
    if (err >= 0)
        err = send_on(http, &call);
    weft_http_call_close(&call);
    return err;
}

static const weft_http_route_options streams = { .stream_body = true, .body_max = SIZE_MAX };

static const weft_http_route_options little = { .body_max = 10 };

static const weft_http_route routes[] = {
    { "POST", "/little", sum_up, &little }, { "POST", "/sum", sum_up, &streams },
    { "GET", "/pour", pour, NULL },         { "POST", "/by/:rest", proxy, &streams },
    { "GET", "/by/:rest", proxy, NULL },    { NULL, NULL, NULL, NULL },
};

static void check_proxy(void *arg)
{
    (void)arg;
    static char text[1001];
    weft_arena *memory;
    struct source direct = { .text = text, .repeat = 2999 }, by = direct;
    memset(text, 'x', sizeof text - 1);
    assert_int_equal(weft_arena_new(&memory, 0), 0);
    assert_int_equal(weft_http_client_map(NULL, "front", "mem:server"), 0);
    assert_int_equal(weft_http_client_map(NULL, "behind", "mem:server"), 0);
    weft_http_call up = { .arena = memory, .url = "http://front/sum", FROM(direct) };
    assert_int_equal(weft_http_fetch(&up), 200);
    expect_text(up.body, "3000000 bytes, ");
    weft_http_call through = { .arena = memory, .url = "http://front/by/sum", FROM(by) };
    assert_int_equal(weft_http_fetch(&through), 200);
    assert_string_equal(through.body, up.body);
    weft_http_call down = { .arena = memory, .url = "http://front/by/pour" };
    assert_int_equal(weft_http_fetch(&down), 200);
    assert_int_equal(down.body_size, 500000);
    assert_string_equal(weft_http_call_header(&down, "content-type"), "a/b");
    assert_string_equal(weft_http_call_trailer(&down, "sum"), "7");
    weft_arena_free(memory);
}

static void test_stream_is_handed_on_by_a_proxy(void **state)
{
    (void)state;
    serving(check_proxy, NULL, .routes = routes);
}

/* The client behind the proxy breaks off: the upstream never has a whole request. */
static void check_proxy_cut(void *arg)
{
    (void)arg;
    assert_int_equal(weft_http_client_map(NULL, "behind", "mem:server"), 0);
    weft_stream *stream = dial();
    say(stream, "POST /by/sum HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                "5\r\nhello\r\n");
    assert_int_equal(weft_shutdown_write(stream), 0);
    const char *text = hear_all(stream);
    assert_true(*text == '\0' || strncmp(text, "HTTP/1.1 400", 12) == 0);
    weft_close(stream);
}

static void test_stream_that_breaks_off_before_a_proxy_breaks_behind_it(void **state)
{
    (void)state;
    serving(check_proxy_cut, NULL, .routes = routes);
}

/* Our own server refuses what is too large before it has come. */
static void check_refused(void *arg)
{
    (void)arg;
    static char text[1001];
    weft_arena *memory;
    struct source chunked = { .text = text, .repeat = 9999 }, counted = chunked;
    memset(text, 'x', sizeof text - 1);
    assert_int_equal(weft_arena_new(&memory, 0), 0);
    assert_int_equal(weft_http_client_map(NULL, "s", "mem:server"), 0);
    weft_http_call call = { .arena = memory, .url = "http://s/little", FROM(chunked) };
    assert_int_equal(weft_http_fetch(&call), 413);
    call.source_arg = &counted;
    call.size = 10000000;
    assert_int_equal(weft_http_fetch(&call), 413);
    assert_int_equal(chunked.ends + counted.ends, 0);
    weft_arena_free(memory);
}

static void test_source_is_refused_by_a_server_that_has_enough(void **state)
{
    (void)state;
    serving(check_refused, NULL, .routes = routes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_test(test_stream_begins_with_the_head),
        http_test(test_stream_ends_where_the_body_does),
        http_test(test_stream_may_end_with_the_connection),
        http_test(test_stream_closed_early_costs_the_connection_unless_all_is_there),
        http_test(test_stream_misuse_is_answered),
        http_test(test_stream_that_breaks_stays_broken),
        http_test(test_stream_that_nobody_reads_makes_its_server_wait),
        http_test(test_stream_loses_nothing_to_a_cancelled_read),
        http_test(test_source_is_sent_in_chunks_or_counted),
        http_test(test_source_that_is_wrong_fails_the_call),
        http_test(test_source_is_not_ahead_of_its_server),
        http_test(test_source_gives_way_to_an_early_answer),
        http_test(test_source_that_was_asked_is_not_repeated),
        http_test(test_stream_may_be_cancelled_at_any_moment),
        http_test(test_stream_survives_any_failed_allocation),
        http_test(test_stream_steady_state_allocates_nothing),
        http_test(test_stream_is_handed_on_by_a_proxy),
        http_test(test_source_is_refused_by_a_server_that_has_enough),
        http_test(test_stream_that_breaks_off_before_a_proxy_breaks_behind_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
