/* Bodies in chunks, in both directions: whatever the cut, the same bytes; whatever is wrong with
 * them, an answer or an error, and the end of the connection. */

#include "http_test.h"

#include "codec/http1.h"

#define H       "Host: h\r\n"
#define CHUNKED H "Transfer-Encoding: chunked\r\n"

/* The size, the body, and the trailer Sum. */
static int echo(weft_http *http, void *app)
{
    (void)app;
    weft_slice body = weft_http_body(http);
    const char *sum = weft_http_trailer(http, "sum");
    assert_int_equal(body.data[body.size], '\0');
    return weft_http_text(http, 200, "%zu %s %s\n", body.size, body.size < 100 ? body.data : "...",
                          sum ? sum : "-");
}

static const weft_http_route_options small = { .body_max = 10 };

static const weft_http_route routes[] = {
    { "POST", "/", echo, NULL },
    { "POST", "/small", echo, &small },
    { NULL, NULL, NULL, NULL },
};

#define POST "POST / HTTP/1.1\r\n" CHUNKED "\r\n"
#define LAST "POST / HTTP/1.1\r\n" CHUNKED "Connection: close\r\n\r\n"

static const struct {
    const char *request, *answer;
} whole[] = {
    { LAST "0\r\n\r\n", "0  -\n" },
    { LAST "5\r\nhello\r\n0\r\n\r\n", "5 hello -\n" },
    { LAST "1\r\na\r\n1\r\nb\r\n2\r\ncd\r\n00\r\n\r\n", "4 abcd -\n" },
    { LAST "a;name=value;quoted=\"x\"\r\n0123456789\r\n0\r\n\r\n", "10 0123456789 -\n" },
    { LAST "3\r\nabc\r\n0\r\nSum: 7\r\nOther: x\r\n\r\n", "3 abc 7\n" },
    { LAST "0\r\nOther: x\r\n\r\n", "0  -\n" },
};

static void check_whole(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < WF_ARRAY_SIZE(whole); i++)
        expect_answer(ask(whole[i].request), "HTTP/1.1 200 OK\r\n", whole[i].answer);
}

static void test_body_in_chunks_is_put_together(void **state)
{
    (void)state;
    serving(check_whole, NULL, .routes = routes);
}

static void check_cut(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < WF_ARRAY_SIZE(whole); i++)
        for (size_t cut = 1; whole[i].request[cut]; cut++) {
            weft_stream *stream = dial();
            assert_int_equal(weft_write(stream, whole[i].request, cut), 0);
            assert_int_equal(weft_sleep(WEFT_MILLISECOND), 0);
            say(stream, whole[i].request + cut);
            expect_answer(hear_all(stream), "HTTP/1.1 200 OK\r\n", whole[i].answer);
            weft_close(stream);
        }
}

static void test_body_in_chunks_may_be_cut_anywhere(void **state)
{
    (void)state;
    serving(check_cut, NULL, .routes = routes);
}

/* What follows the last chunk is the next request, and is answered. */
static void check_pipelined(void *arg)
{
    (void)arg;
    const char *answer =
        ask(POST "1\r\na\r\n0\r\n\r\n" POST "1\r\nb\r\n0\r\nSum: 1\r\n\r\n" LAST "0\r\n\r\n");
    expect_text(answer, "1 a -\n");
    expect_text(answer, "1 b 1\n");
    expect_answer(answer, "HTTP/1.1 200 OK\r\n", "0  -\n");
}

static void test_body_in_chunks_ends_where_the_next_request_begins(void **state)
{
    (void)state;
    serving(check_pipelined, NULL, .routes = routes);
}

static void check_refused(void *arg)
{
    (void)arg;
    static const struct {
        const char *request;
        const char *answer;
    } cases[] = {
        { POST "g\r\n", "HTTP/1.1 400 " },
        { POST "\r\n", "HTTP/1.1 400 " },
        { POST "-1\r\n", "HTTP/1.1 400 " },
        { POST "+1\r\na\r\n0\r\n\r\n", "HTTP/1.1 400 " },
        { POST "0x1\r\na\r\n0\r\n\r\n", "HTTP/1.1 400 " },
        { POST "1 \r\na\r\n0\r\n\r\n", "HTTP/1.1 400 " },
        { POST "1\na\r\n0\r\n\r\n", "HTTP/1.1 400 " },
        { POST "1\r\nab\r\n0\r\n\r\n", "HTTP/1.1 400 " },
        { POST "1\r\na\n0\r\n\r\n", "HTTP/1.1 400 " },
        { POST "0\r\n\rX", "HTTP/1.1 400 " },
        { POST "0\r\n\r\r\n", "HTTP/1.1 400 " },
        { POST "0\r\n\n", "HTTP/1.1 400 " },
        { POST "8000000000000000\r\n", "HTTP/1.1 400 " },
        { POST "10000000000000001\r\na", "HTTP/1.1 400 " },
        { POST "7fffffffffffffff\r\na", "HTTP/1.1 413 " },
        { POST "00000000000000001\r\na", "HTTP/1.1 400 " },
        { POST "0\r\nContent-Length: 1\r\n\r\n", "HTTP/1.1 400 " },
        { POST "0\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 400 " },
        { POST "0\r\nHost: other\r\n\r\n", "HTTP/1.1 400 " },
        { POST "0\r\nA b: c\r\n\r\n", "HTTP/1.1 400 " },
        { POST "0\r\nA: b\nC: d\r\n\r\n", "HTTP/1.1 400 " },
        { POST "0\r\na:1\r\nb:2\r\nc:3\r\nd:4\r\n\r\n", "HTTP/1.1 431 " },
        { "POST /small HTTP/1.1\r\n" CHUNKED "\r\nb\r\n01234567890\r\n0\r\n\r\n", "HTTP/1.1 413 " },
        { "POST /small HTTP/1.1\r\n" CHUNKED "\r\n9\r\n012345678\r\n2\r\n01\r\n0\r\n\r\n",
          "HTTP/1.1 413 " },
    };
    for (size_t i = 0; i < WF_ARRAY_SIZE(cases); i++) {
        weft_stream *stream = dial();
        say(stream, cases[i].request);
        expect_answer(hear_all(stream), cases[i].answer, NULL);
        expect_text(heard, "Connection: close\r\n");
        weft_close(stream);
    }
}

static void test_body_in_broken_chunks_is_refused(void **state)
{
    (void)state;
    serving(check_refused, NULL, .routes = routes, .header_count_max = 3);
}

/* Extensions have a limit for the whole body, and so does the time. */
static void check_endless(void *arg)
{
    (void)arg;
    weft_stream *stream = dial();
    say(stream, POST "1;");
    for (int i = 0; i < 4096; i++)
        say(stream, "x");
    say(stream, "x");
    expect_answer(hear_all(stream), "HTTP/1.1 400 ", "chunk extensions too large\n");
    weft_close(stream);

    stream = dial();
    say(stream, POST "1\r\na\r\n");
    int64_t before = weft_now();
    expect_answer(hear_all(stream), "HTTP/1.1 408 ", NULL);
    assert_int_equal((weft_now() - before) / WEFT_SECOND, 3);
    weft_close(stream);

    expect_answer(ask(POST "1\r\na\r\n"), "HTTP/1.1 400 ", "the request ended early\n");
    expect_answer(ask(POST "0\r\n"), "HTTP/1.1 400 ", "the request ended early\n");
    expect_answer(ask(POST "0\r\nA: b\r\n"), "HTTP/1.1 400 ", "the request ended early\n");
}

static void test_body_in_endless_chunks_is_left(void **state)
{
    (void)state;
    serving(check_endless, NULL, .routes = routes, .body_timeout = 3 * WEFT_SECOND);
}

/* Nobody wants it: the next request on the connection is served, where it is there whole. */
/* To the byte, and for the whole body. */
static void check_extensions(void *arg)
{
    (void)arg;
    for (int more = 0; more < 2; more++) {
        char request[6000];
        snprintf(request, sizeof request, LAST "1;%0*d\r\na\r\n1;%0*d\r\nb\r\n0\r\n\r\n", 2000, 0,
                 WF_HTTP1_EXTENSIONS_MAX - 2000 + more, 0);
        expect_answer(ask(request), more ? "HTTP/1.1 400 " : "HTTP/1.1 200 OK\r\n", NULL);
    }
}

static void test_body_extensions_have_a_limit(void **state)
{
    (void)state;
    serving(check_extensions, NULL, .routes = routes);
}

static void check_unread(void *arg)
{
    (void)arg;
    const char *answer = ask("POST /none HTTP/1.1\r\n" CHUNKED
                             "\r\n3\r\nabc\r\n0\r\nSum: 1\r\n\r\n" LAST "0\r\n\r\n");
    expect_answer(answer, "HTTP/1.1 404 ", "0  -\n");
    answer = ask("POST /none HTTP/1.1\r\n" CHUNKED "\r\n3\r\nabc\r\n");
    expect_answer(answer, "HTTP/1.1 404 ", "Not Found\n");
    expect_text(heard, "Connection: close\r\n");
}

static void test_body_in_chunks_that_nobody_reads_is_skipped(void **state)
{
    (void)state;
    serving(check_unread, NULL, .routes = routes);
}

static void check_large(void *arg)
{
    (void)arg;
    static char body[700000];
    memset(body, 'x', sizeof body);
    weft_stream *stream = dial();
    say(stream, LAST);
    for (size_t done = 0, size = 1; done < sizeof body; done += size, size = size * 2 + 1) {
        char line[32];
        size = size < sizeof body - done ? size : sizeof body - done;
        snprintf(line, sizeof line, "%zX\r\n", size);
        say(stream, line);
        assert_int_equal(weft_write(stream, body, size), 0);
        say(stream, "\r\n");
    }
    say(stream, "0\r\n\r\n");
    expect_answer(hear_all(stream), "HTTP/1.1 200 ", "700000 ... -\n");
    weft_close(stream);
}

static void test_body_in_large_chunks_arrives(void **state)
{
    (void)state;
    serving(check_large, NULL, .routes = routes);
}

/* The client's side, against a server that sends what it is told. */

static const char *answers[8];
static int answered;

static int serve_answer(weft_stream *stream, void *arg)
{
    (void)arg;
    char line[256];
    while (weft_read_line(stream, line, sizeof line) >= 0)
        if (!*line && weft_write(stream, answers[answered], strlen(answers[answered])) < 0)
            return 0;
    return 0;
}

static int with_answers(void *body)
{
    void (*check)(weft_arena *) = *(void (**)(weft_arena *))body;
    struct peer peer = { .serve = serve_answer };
    weft_arena *arena;
    answered = 0;
    assert_int_equal(weft_arena_new(&arena, (size_t)64 << 20), 0);
    assert_int_equal(weft_http_client_map(NULL, "s", "mem:answers"), 0);
    peer_begin(&peer, "mem:answers");
    check(arena);
    peer_end(&peer);
    weft_arena_free(arena);
    return 0;
}

#define OK "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static void check_fetched(weft_arena *arena)
{
    static const char *const bodies[] = { "hello", "", "abc" };
    answers[0] = OK "5\r\nhello\r\n0\r\n\r\n";
    answers[1] = OK "0\r\n\r\n";
    answers[2] = OK "1;x=y\r\na\r\n2\r\nbc\r\n000\r\nSum: 9\r\n\r\n";
    for (answered = 0; answered < 3; answered++) {
        weft_http_call call = { .arena = arena, .url = "http://s/" };
        assert_int_equal(weft_http_fetch(&call), 200);
        assert_string_equal(call.body, bodies[answered]);
        assert_int_equal(call.body_size, strlen(bodies[answered]));
    }
}

static void check_fetch_fails(weft_arena *arena)
{
    static const struct {
        const char *answer;
        int error;
        const char *detail;
    } cases[] = {
        { OK "x\r\n", WEFT_EPROTOCOL, "malformed chunk size" },
        { OK "1\r\nab\r\n0\r\n\r\n", WEFT_EPROTOCOL, "longer than its size" },
        { OK "0\r\nContent-Length: 3\r\n\r\n", WEFT_EPROTOCOL, "trailer" },
        { OK "fffff\r\n", WEFT_ELIMIT, "" },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", -ENOTSUP,
          "not chunked" },
    };
    static char large[1100000];
    for (size_t i = 0; i < WF_ARRAY_SIZE(cases); i++) {
        weft_http_call call = { .arena = arena, .url = "http://s/", .body_max = 1000000 };
        answers[0] = cases[i].answer;
        if (cases[i].error == WEFT_ELIMIT) {
            memset(large, 'x', sizeof large - 1);
            memcpy(large, OK "fffff\r\n", strlen(OK "fffff\r\n"));
            answers[0] = large;
        }
        assert_int_equal(weft_http_fetch(&call), cases[i].error);
        expect_text(call.detail, cases[i].detail);
    }
}

static void test_body_in_chunks_is_fetched(void **state)
{
    (void)state;
    void (*check)(weft_arena *) = check_fetched;
    assert_int_equal(run(with_answers, &check), 0);
}

static void test_body_in_broken_chunks_fails_the_fetch(void **state)
{
    (void)state;
    void (*check)(weft_arena *) = check_fetch_fails;
    assert_int_equal(run(with_answers, &check), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_test(test_body_in_chunks_is_put_together),
        http_test(test_body_in_chunks_may_be_cut_anywhere),
        http_test(test_body_in_chunks_ends_where_the_next_request_begins),
        http_test(test_body_in_broken_chunks_is_refused),
        http_test(test_body_in_endless_chunks_is_left),
        http_test(test_body_in_chunks_that_nobody_reads_is_skipped),
        http_test(test_body_in_large_chunks_arrives),
        http_test(test_body_in_chunks_is_fetched),
        http_test(test_body_in_broken_chunks_fails_the_fetch),
        http_test(test_body_extensions_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
