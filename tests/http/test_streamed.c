/* Bodies in pieces: requests that their handler reads, responses that are sent while they are made.
 */

#include "http_test.h"

#define H     "Host: h\r\n"
#define CLOSE H "Connection: close\r\n"
#define OK    "HTTP/1.1 200 OK\r\n"

static int handler_result; /* of the last call that had one to tell */

/* --- responses --- */

static int three_lines(weft_http *http, void *app)
{
    (void)app;
    int err = weft_http_begin(http, 200, "text/plain", WEFT_HTTP_LENGTH_UNKNOWN);
    for (int i = 1; i <= 3 && err == 0; i++)
        err = weft_http_print(http, "line %d\n", i);
    return err;
}

static int with_trailers(weft_http *http, void *app)
{
    (void)app;
    assert_int_equal(weft_http_add_trailer(http, "Sum", "7"), 0);
    assert_int_equal(weft_http_begin(http, 200, NULL, WEFT_HTTP_LENGTH_UNKNOWN), 0);
    assert_int_equal(weft_http_write(http, "abc", 3), 0);
    assert_int_equal(weft_http_write(http, "", 0), 0);
    assert_int_equal(weft_http_add_trailer(http, "Other", "x"), 0);
    assert_int_equal(weft_http_add_trailer(http, "Content-Length", "3"), -EINVAL);
    assert_int_equal(weft_http_add_trailer(http, "Host", "3"), -EINVAL);
    assert_int_equal(weft_http_add_trailer(http, "A", "b\r\nC: d"), -EINVAL);
    assert_int_equal(weft_http_end(http), 0);
    assert_int_equal(weft_http_end(http), -EALREADY);
    assert_int_equal(weft_http_write(http, "d", 1), -EALREADY);
    assert_int_equal(weft_http_add_trailer(http, "A", "b"), -EALREADY);
    assert_int_equal(weft_http_begin(http, 200, NULL, 0), -EALREADY);
    assert_int_equal(weft_http_text(http, 200, "x"), -EALREADY);
    assert_int_equal(weft_http_set_header(http, "A", "b"), -EALREADY);
    return 0;
}

static int of_known_length(weft_http *http, void *app)
{
    (void)app;
    assert_int_equal(weft_http_write(http, "x", 1), -EINVAL);
    assert_int_equal(weft_http_end(http), -EINVAL);
    assert_int_equal(weft_http_begin(http, 200, NULL, -2), -EINVAL);
    assert_int_equal(weft_http_begin(http, 199, NULL, 5), -EINVAL);
    assert_int_equal(weft_http_begin(http, 200, "text/plain", 5), 0);
    assert_int_equal(weft_http_write(http, "hello!", 6), -EMSGSIZE);
    assert_int_equal(weft_http_write(http, "hel", 3), 0);
    assert_int_equal(weft_http_write(http, "lo!", 3), -EMSGSIZE);
    return weft_http_write(http, "lo", 2);
}

static int too_short(weft_http *http, void *app)
{
    (void)app;
    assert_int_equal(weft_http_begin(http, 200, NULL, 5), 0);
    return weft_http_write(http, "hel", 3);
}

static int breaks_off(weft_http *http, void *app)
{
    (void)app;
    assert_int_equal(weft_http_begin(http, 200, NULL, WEFT_HTTP_LENGTH_UNKNOWN), 0);
    assert_int_equal(weft_http_write(http, "hel", 3), 0);
    weft_sleep(WEFT_SECOND);
    return -EIO;
}

static int no_content(weft_http *http, void *app)
{
    (void)app;
    assert_int_equal(weft_http_begin(http, 204, NULL, WEFT_HTTP_LENGTH_UNKNOWN), 0);
    assert_int_equal(weft_http_write(http, "nobody sees this", 16), -EPIPE);
    return weft_http_write(http, "nor this", 8);
}

static int large(weft_http *http, void *app)
{
    (void)app;
    static char bytes[200000];
    memset(bytes, 'x', sizeof bytes);
    int err = weft_http_begin(http, 200, NULL, WEFT_HTTP_LENGTH_UNKNOWN);
    for (size_t size = 1; size < sizeof bytes && err == 0; size = size * 2 + 1)
        err = weft_http_write(http, bytes, size);
    return err;
}

/* Writes for ever, to see how far it gets. */
static size_t written;

static int endless(weft_http *http, void *app)
{
    (void)app;
    static char bytes[10000];
    int err = weft_http_begin(http, 200, NULL, WEFT_HTTP_LENGTH_UNKNOWN);
    for (written = 0; err == 0; written += sizeof bytes)
        err = weft_http_write(http, bytes, sizeof bytes);
    handler_result = err;
    return err;
}

static int ticks(weft_http *http, void *app)
{
    (void)app;
    int err = weft_http_begin(http, 200, "text/event-stream", WEFT_HTTP_LENGTH_UNKNOWN);
    while (err == 0 && !weft_http_is_draining(http)) {
        err = weft_http_print(http, "data: tick\n\n");
        if (err == 0)
            err = weft_sleep(WEFT_SECOND);
    }
    return err;
}

/* What it prints does not stay: a response without an end has a bounded arena. */
static int prints_much(weft_http *http, void *app)
{
    (void)app;
    int err = weft_http_begin(http, 200, NULL, WEFT_HTTP_LENGTH_UNKNOWN);
    for (int i = 0; i < 1000 && err == 0; i++)
        err = weft_http_print(http, "%0*d", 2000 + i, 0);
    assert_true(weft_arena_used(http->arena) < 20000);
    return err;
}

static int prints_one(void *http)
{
    int err = 0;
    for (int i = 0; i < 30 && err == 0; i++) /* until it has to wait */
        err = weft_http_print(http, "%010000d|", 1);
    return err;
}

static int prints_another(void *http)
{
    weft_sleep(WEFT_SECOND / 2);
    return weft_http_print(http, "%010000d|", 2);
}

/* Two at once are one too many, but neither gets the other's text. */
static int prints_twice_at_once(weft_http *http, void *app)
{
    (void)app;
    weft_scope scope;
    int err = weft_http_begin(http, 200, NULL, WEFT_HTTP_LENGTH_UNKNOWN);
    weft_scope_begin(&scope, .isolate = true);
    weft_spawn(&scope, prints_one, http);
    weft_spawn(&scope, prints_another, http);
    weft_scope_end(&scope);
    return err;
}

/* --- requests --- */

static int sum_up(weft_http *http, void *app)
{
    (void)app;
    char piece[7];
    size_t size = 0;
    unsigned sum = 0;
    ssize_t n;
    assert_int_equal(weft_http_read(http, piece, 0), 0);
    for (; (n = weft_http_read(http, piece, sizeof piece)) > 0; size += (size_t)n)
        for (ssize_t i = 0; i < n; i++)
            sum += (unsigned char)piece[i];
    handler_result = (int)n;
    if (n < 0)
        return (int)n;
    assert_int_equal(weft_http_read(http, piece, sizeof piece), 0);
    const char *trailer = weft_http_trailer(http, "Sum");
    return weft_http_text(http, 200, "%zu %u %s\n", size, sum, trailer ? trailer : "-");
}

static int echo_both_ways(weft_http *http, void *app)
{
    (void)app;
    char piece[100];
    ssize_t n;
    int err = weft_http_begin(http, 200, NULL, WEFT_HTTP_LENGTH_UNKNOWN);
    while (err == 0 && (n = weft_http_read(http, piece, sizeof piece)) != 0)
        err = n < 0 ? (int)n : weft_http_write(http, piece, (size_t)n);
    return err;
}

static int ignores_it(weft_http *http, void *app)
{
    (void)app;
    return weft_http_text(http, 200, "ignored\n");
}

static int ignores_it_and_streams(weft_http *http, void *app)
{
    (void)app;
    assert_int_equal(weft_http_begin(http, 200, NULL, 8), 0);
    return weft_http_write(http, "ignored\n", 8);
}

/* A byte a second. */
static int reads_slowly(weft_http *http, void *app)
{
    (void)app;
    char byte;
    ssize_t n;
    while ((n = weft_http_read(http, &byte, 1)) > 0)
        if (weft_sleep(WEFT_SECOND) < 0)
            return -ECANCELED;
    return n < 0 ? (int)n : weft_http_text(http, 200, "read\n");
}

/* Answers with what came first, and would read on. */
static int answers_early(weft_http *http, void *app)
{
    (void)app;
    char piece[3];
    assert_int_equal(weft_http_read(http, piece, sizeof piece), 3);
    int err = weft_http_send(http, 200, NULL, piece, sizeof piece);
    handler_result = (int)weft_http_read(http, piece, sizeof piece);
    return err;
}

static int fails_afterwards(weft_http *http, void *app)
{
    (void)app;
    assert_int_equal(weft_http_begin(http, 200, NULL, WEFT_HTTP_LENGTH_UNKNOWN), 0);
    assert_int_equal(weft_http_end(http), 0);
    return -EIO;
}

/* A cancel comes before what is there, and takes nothing. */
static int reads_cancelled(weft_http *http, void *app)
{
    char byte;
    weft_scope scope;
    assert_int_equal(weft_http_read(http, &byte, 1), 1);
    weft_scope_begin(&scope);
    weft_scope_cancel(&scope, "a test");
    assert_int_equal(weft_http_read(http, &byte, 1), -ECANCELED);
    assert_int_equal(weft_http_read(http, &byte, 1), -ECANCELED);
    weft_scope_end(&scope);
    return sum_up(http, app);
}

/* A wait that is given up takes nothing, and the next one goes on. */
static int reads_in_steps(weft_http *http, void *app)
{
    char piece[10];
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = WEFT_SECOND);
    assert_int_equal(weft_http_read(http, piece, sizeof piece), -ECANCELED);
    assert_int_equal(weft_scope_end(&scope), -ETIMEDOUT);
    return sum_up(http, app);
}

/* Gives up writing while its client is behind, and goes on later: `size` bytes at a time. */
static int writes_in_steps(weft_http *http, size_t size)
{
    static char bytes[200000];
    weft_scope scope;
    memset(bytes, 'x', sizeof bytes);
    int err = weft_http_begin(http, 200, NULL, WEFT_HTTP_LENGTH_UNKNOWN);
    weft_scope_begin(&scope, .timeout = WEFT_SECOND);
    for (written = 0; err == 0; written += size)
        err = weft_http_write(http, bytes, size);
    written -= size;
    assert_int_equal(err, -ECANCELED);
    assert_int_equal(weft_scope_end(&scope), -ETIMEDOUT);
    handler_result = weft_http_write(http, "end", 3);
    return handler_result;
}

/* Leaves the stream without room: as much as a connection in memory takes, and its high mark. */
static int fills_the_stream(weft_http *http, void *app)
{
    (void)app;
    static char bytes[WEFT_STREAM_HIGH_MARK];
    memset(bytes, 'x', sizeof bytes);
    int err = weft_http_begin(http, 200, NULL, 2 * sizeof bytes);
    for (int i = 0; i < 2 && err == 0; i++)
        err = weft_http_write(http, bytes, sizeof bytes);
    return err;
}

static int writes_small_steps(weft_http *http, void *app)
{
    (void)app;
    return writes_in_steps(http, 10000);
}

static int writes_large_steps(weft_http *http, void *app)
{
    (void)app;
    return writes_in_steps(http, 200000);
}

/* Do not look at what they are told. */

static int writes_on(weft_http *http, void *app)
{
    (void)app;
    int err = weft_http_begin(http, 200, NULL, WEFT_HTTP_LENGTH_UNKNOWN);
    while (!weft_http_is_draining(http))
        err = weft_http_print(http, "more\n");
    return err;
}

static int reads_on(weft_http *http, void *app)
{
    (void)app;
    char byte;
    while (!weft_http_is_draining(http))
        weft_http_read(http, &byte, 1);
    return (int)weft_http_read(http, &byte, 1);
}

static const weft_http_route_options streams = { .stream_body = true, .body_max = 1000 };
static const weft_http_route_options unlimited = { .stream_body = true, .body_max = SIZE_MAX };

static const weft_http_route routes[] = {
    { "GET", "/lines", three_lines, NULL },
    { "GET", "/trailers", with_trailers, NULL },
    { "GET", "/known", of_known_length, NULL },
    { "GET", "/short", too_short, NULL },
    { "GET", "/broken", breaks_off, NULL },
    { "GET", "/none", no_content, NULL },
    { "GET", "/large", large, NULL },
    { "GET", "/endless", endless, NULL },
    { "GET", "/ticks", ticks, NULL },
    { "POST", "/sum", sum_up, &streams },
    { "POST", "/whole", sum_up, NULL },
    { "POST", "/all", sum_up, &unlimited },
    { "POST", "/echo", echo_both_ways, &unlimited },
    { "POST", "/ignore", ignores_it, &streams },
    { "POST", "/ignore2", ignores_it_and_streams, &streams },
    { "POST", "/slow", reads_slowly, &unlimited },
    { "POST", "/early", answers_early, &streams },
    { "GET", "/writes-on", writes_on, NULL },
    { "POST", "/cancelled", reads_cancelled, &streams },
    { "POST", "/whole-cancelled", reads_cancelled, NULL },
    { "GET", "/much", prints_much, NULL },
    { "GET", "/twice", prints_twice_at_once, NULL },
    { "POST", "/steps", reads_in_steps, &streams },
    { "GET", "/filling", fills_the_stream, NULL },
    { "GET", "/small-steps", writes_small_steps, NULL },
    { "GET", "/large-steps", writes_large_steps, NULL },
    { "POST", "/reads-on", reads_on, &unlimited },
    { "GET", "/afterwards", fails_afterwards, NULL },
    { NULL, NULL, NULL, NULL },
};

#define CHUNKED_HEAD OK "Transfer-Encoding: chunked\r\n"

static void check_responses(void *arg)
{
    (void)arg;
    expect_answer(ask("GET /lines HTTP/1.1\r\n" CLOSE "\r\n"),
                  OK "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n"
                     "Connection: close\r\n\r\n",
                  "\r\n\r\n7\r\nline 1\n\r\n7\r\nline 2\n\r\n7\r\nline 3\n\r\n0\r\n\r\n");
    expect_answer(ask("GET /trailers HTTP/1.1\r\n" CLOSE "\r\n"), OK,
                  "\r\n\r\n3\r\nabc\r\n0\r\nSum: 7\r\nOther: x\r\n\r\n");
    expect_answer(ask("GET /known HTTP/1.1\r\n" CLOSE "\r\n"), OK, "\r\n\r\nhello");
    expect_text(heard, "Content-Length: 5\r\n");
    expect_answer(ask("GET /none HTTP/1.1\r\n" CLOSE "\r\n"), "HTTP/1.1 204 No Content\r\n",
                  "Connection: close\r\n\r\n");
    assert_null(strstr(heard, "Transfer-Encoding"));
    expect_answer(ask("HEAD /lines HTTP/1.1\r\n" CLOSE "\r\n"), OK, "Connection: close\r\n\r\n");
    expect_text(heard, "Transfer-Encoding: chunked\r\n");
    expect_answer(ask("HEAD /known HTTP/1.1\r\n" CLOSE "\r\n"), OK, "Connection: close\r\n\r\n");
    expect_text(heard, "Content-Length: 5\r\n");
}

static void test_streamed_response_is_exact(void **state)
{
    (void)state;
    serving(check_responses, NULL, .routes = routes);
}

static void check_10(void *arg)
{
    (void)arg;
    expect_answer(ask("GET /lines HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
                  OK "Content-Type: text/plain\r\nConnection: close\r\n\r\n",
                  "\r\n\r\nline 1\nline 2\nline 3\n");
    expect_answer(ask("GET /known HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), OK,
                  "Connection: keep-alive\r\n\r\nhello");
}

static void test_streamed_response_to_10_ends_with_the_connection(void **state)
{
    (void)state;
    serving(check_10, NULL, .routes = routes);
}

/* The connection goes on behind it. */
static void check_goes_on(void *arg)
{
    (void)arg;
    const char *answer =
        ask("GET /lines HTTP/1.1\r\n" H "\r\nHEAD /lines HTTP/1.1\r\n" H
            "\r\nGET /known HTTP/1.1\r\n" H "\r\nGET /trailers HTTP/1.1\r\n" CLOSE "\r\n");
    expect_text(answer, "0\r\n\r\nHTTP/1.1 200 OK\r\n");
    expect_text(answer, "helloHTTP/1.1 200 OK\r\n");
    expect_answer(answer, OK, "Other: x\r\n\r\n");
}

static void test_streamed_response_keeps_the_connection(void **state)
{
    (void)state;
    serving(check_goes_on, NULL, .routes = routes);
}

static void expect_cut(const char *request, const char *log)
{
    weft_stream *stream = dial();
    say(stream, request);
    ssize_t n;
    heard_size = 0;
    while ((n = weft_read(stream, heard + heard_size, sizeof heard - 1 - heard_size)) > 0)
        heard_size += (size_t)n;
    heard[heard_size] = '\0';
    assert_int_equal(n, -ECONNRESET);
    assert_null(strstr(heard, "\r\n0\r\n"));
    expect_log(log);
    weft_close(stream);
}

static void check_cut(void *arg)
{
    (void)arg;
    expect_cut("GET /broken HTTP/1.1\r\n" H "\r\n", "failed: ");
    expect_cut("GET /short HTTP/1.1\r\n" H "\r\n", "less than it announced");
}

static void test_streamed_response_that_fails_is_cut(void **state)
{
    (void)state;
    serving(check_cut, NULL, .routes = routes);
}

static void check_large(void *arg)
{
    (void)arg;
    ask("GET /large HTTP/1.1\r\n" CLOSE "\r\n");
    size_t size = 0, count = 0;
    for (const char *at = strstr(heard, "\r\n\r\n") + 4;;) {
        char *end;
        size_t chunk = strtoul(at, &end, 16);
        assert_memory_equal(end, "\r\n", 2);
        if (chunk == 0)
            break;
        at = end + 2;
        assert_int_equal(strspn(at, "x"), chunk);
        at += chunk + 2;
        size += chunk;
        count++;
    }
    assert_int_equal(size, 262125);
    assert_true(count > 17);
}

static void test_streamed_response_of_large_pieces_arrives(void **state)
{
    (void)state;
    serving(check_large, NULL, .routes = routes);
}

/* Who does not read holds the writer back, and is left in time. */
static void check_slow_reader(void *arg)
{
    (void)arg;
    weft_stream *stream = dial();
    say(stream, "GET /endless HTTP/1.1\r\n" H "\r\n");
    weft_sleep(WEFT_SECOND);
    assert_in_range(written, 60000, 200000);
    size_t before = written;
    weft_sleep(WEFT_SECOND);
    assert_int_equal(written, before);
    weft_sleep(10 * WEFT_SECOND);
    assert_int_equal(handler_result, -ETIMEDOUT);
    weft_close(stream);

    stream = dial();
    say(stream, "GET /endless HTTP/1.1\r\n" H "\r\n");
    weft_sleep(WEFT_SECOND);
    weft_close(stream);
    weft_sleep(WEFT_SECOND);
    assert_true(handler_result == -EPIPE || handler_result == -ECONNRESET);
}

static void test_streamed_response_waits_for_its_reader(void **state)
{
    (void)state;
    serving(check_slow_reader, NULL, .routes = routes, .send_timeout = 5 * WEFT_SECOND);
}

static void check_ticks(void *arg)
{
    (void)arg;
    char data[256];
    weft_stream *stream = dial();
    say(stream, "GET /ticks HTTP/1.1\r\n" H "\r\n");
    weft_sleep(2500 * WEFT_MILLISECOND);
    ssize_t n = weft_read(stream, data, sizeof data - 1);
    data[n > 0 ? n : 0] = '\0';
    expect_text(data, "c\r\ndata: tick\n\n\r\n");
    int64_t before = weft_now();
    weft_task_cancel(site->server, "drain");
    weft_await(site->server);
    assert_true(weft_now() - before < WEFT_SECOND);
    hear_all(stream);
    assert_string_equal(heard, "0\r\n\r\n");
    weft_close(stream);
}

static void test_streamed_response_without_end_finds_one_in_the_drain(void **state)
{
    (void)state;
    serving(check_ticks, NULL, .routes = routes);
}

/* --- requests --- */

#define CHUNKED H "Transfer-Encoding: chunked\r\n"

static void check_requests(void *arg)
{
    (void)arg;
    static const char *const paths[] = { "/sum", "/whole", "/all" };
    for (size_t i = 0; i < WF_ARRAY_SIZE(paths); i++) {
        char request[400];
        snprintf(request, sizeof request,
                 "POST %s HTTP/1.1\r\n" CHUNKED "\r\n3\r\nabc\r\na\r\n0123456789\r\n0\r\nSum: 9\r\n"
                 "\r\nPOST %s HTTP/1.1\r\n" H
                 "Content-Length: 2\r\n\r\nabPOST %s HTTP/1.1\r\n" CLOSE "\r\n",
                 paths[i], paths[i], paths[i]);
        expect_answer(ask(request), OK, "0 0 -\n");
        expect_text(heard, "13 819 9\n");
        expect_text(heard, "2 195 -\n");
    }
}

static void test_streamed_request_is_read_in_pieces(void **state)
{
    (void)state;
    serving(check_requests, NULL, .routes = routes);
}

static void check_failed_requests(void *arg)
{
    (void)arg;
    static const struct {
        const char *request, *answer;
        int result;
    } cases[] = {
        { "POST /sum HTTP/1.1\r\n" H "Content-Length: 1001\r\n\r\n", "HTTP/1.1 413 ", 1 },
        { "POST /sum HTTP/1.1\r\n" CHUNKED "\r\n3E9\r\n", "HTTP/1.1 413 ", WEFT_ELIMIT },
        { "POST /sum HTTP/1.1\r\n" CHUNKED "\r\n1\r\na\r\nx\r\n", "HTTP/1.1 400 ", WEFT_EPROTOCOL },
        { "POST /sum HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nab", "HTTP/1.1 408 ", -ETIMEDOUT },
    };
    for (size_t i = 0; i < WF_ARRAY_SIZE(cases); i++) {
        handler_result = 1;
        weft_stream *stream = dial();
        say(stream, cases[i].request);
        expect_answer(hear_all(stream), cases[i].answer, NULL);
        expect_text(heard, "Connection: close\r\n");
        assert_int_equal(handler_result, cases[i].result);
        weft_close(stream);
    }
    expect_answer(ask("POST /sum HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nab"), "HTTP/1.1 400 ",
                  NULL);
    assert_int_equal(handler_result, WEFT_EEND);
}

static void test_streamed_request_that_fails_is_answered(void **state)
{
    (void)state;
    serving(check_failed_requests, NULL, .routes = routes, .body_timeout = 3 * WEFT_SECOND);
}

/* Both ways at once, a piece at a time. */
static void check_duplex(void *arg)
{
    (void)arg;
    char data[16];
    weft_stream *stream = dial();
    say(stream, "POST /echo HTTP/1.1\r\n" CHUNKED "\r\n");
    const char *head = hear_response(stream, true);
    expect_text(head, "Transfer-Encoding: chunked\r\n");
    for (int i = 0; i < 3; i++) {
        say(stream, "4\r\nping\r\n");
        assert_int_equal(weft_read_exact(stream, data, 9), 0);
        assert_memory_equal(data, "4\r\nping\r\n", 9);
    }
    say(stream, "0\r\n\r\n");
    assert_int_equal(weft_read_exact(stream, data, 5), 0);
    assert_memory_equal(data, "0\r\n\r\n", 5);
    weft_close(stream);
}

static void test_streamed_both_ways(void **state)
{
    (void)state;
    serving(check_duplex, NULL, .routes = routes);
}

static void check_ignored(void *arg)
{
    (void)arg;
    const char *answer = ask("POST /ignore HTTP/1.1\r\n" CHUNKED "\r\n3\r\nabc\r\n0\r\n\r\n"
                             "POST /ignore2 HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc"
                             "POST /ignore HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\n");
    expect_answer(answer, OK, "\r\n\r\nignored\n");
    expect_text(answer, "ignored\nHTTP/1.1 200 OK\r\nContent-Length: 8\r\n");
    expect_text(answer, "Connection: close\r\n\r\nignored\n");
}

static void test_streamed_request_may_be_ignored(void **state)
{
    (void)state;
    serving(check_ignored, NULL, .routes = routes);
}

/* A client is held back by a handler that reads slowly. */
static void check_held_back(void *arg)
{
    (void)arg;
    static char bytes[10000];
    size_t sent = 0;
    weft_stream *stream = dial();
    say(stream, "POST /slow HTTP/1.1\r\n" H "Content-Length: 100000000\r\n\r\n");
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = 5 * WEFT_SECOND);
    while (weft_write(stream, bytes, sizeof bytes) == 0)
        sent += sizeof bytes;
    weft_scope_end(&scope);
    assert_in_range(sent, 10000, 300000);
    weft_close(stream);
    weft_sleep(WEFT_SECOND);
}

static void test_streamed_request_is_held_back(void **state)
{
    (void)state;
    serving(check_held_back, NULL, .routes = routes, .drain = -1);
}

static void check_expectation(void *arg)
{
    (void)arg;
    char data[64];
    weft_stream *stream = dial();
    say(stream, "POST /sum HTTP/1.1\r\n" CLOSE "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(weft_read_exact(stream, data, 25), 0);
    assert_memory_equal(data, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    say(stream, "ab");
    expect_answer(hear_all(stream), OK, "2 195 -\n");
    weft_close(stream);
    stream = dial();
    say(stream, "POST /ignore HTTP/1.1\r\n" H "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    expect_answer(hear_all(stream), OK, "ignored\n");
    expect_text(heard, "Connection: close\r\n");
    weft_close(stream);
}

static void test_streamed_request_is_invited_when_it_is_read(void **state)
{
    (void)state;
    serving(check_expectation, NULL, .routes = routes);
}

/* Once; not to clients of 1.0, nor to one that has begun already. */
static void check_few_invitations(void *arg)
{
    (void)arg;
    weft_stream *stream = dial();
    char data[25];
    say(stream, "POST /sum HTTP/1.1\r\n" CLOSE "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(weft_read_exact(stream, data, 25), 0);
    say(stream, "a");
    weft_sleep(WEFT_SECOND);
    say(stream, "b");
    expect_answer(hear_all(stream), OK, "2 195 -\n");
    weft_close(stream);
    static const char *const heads[] = {
        "POST /sum HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
        "POST /whole HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
        "POST /sum HTTP/1.1\r\n" CLOSE "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n.",
        "POST /whole HTTP/1.1\r\n" CLOSE "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n.",
    };
    for (size_t i = 0; i < WF_ARRAY_SIZE(heads); i++) {
        stream = dial();
        say(stream, heads[i]);
        weft_sleep(WEFT_SECOND);
        say(stream, "ab");
        expect_answer(hear_all(stream), OK, NULL);
        weft_close(stream);
    }
}

static void test_streamed_request_is_invited_where_that_is_asked(void **state)
{
    (void)state;
    serving(check_few_invitations, NULL, .routes = routes);
}

/* Behind the head of a response it would be taken for its body. */
static void check_late_expectation(void *arg)
{
    (void)arg;
    char data[16];
    weft_stream *stream = dial();
    say(stream, "POST /echo HTTP/1.1\r\n" CHUNKED "Expect: 100-continue\r\n\r\n");
    expect_text(hear_response(stream, true), "Transfer-Encoding: chunked\r\n");
    say(stream, "4\r\nping\r\n0\r\n\r\n");
    assert_int_equal(weft_read_exact(stream, data, 14), 0);
    assert_memory_equal(data, "4\r\nping\r\n0\r\n\r\n", 14);
    weft_close(stream);
}

static void test_streamed_request_is_not_invited_behind_a_response(void **state)
{
    (void)state;
    serving(check_late_expectation, NULL, .routes = routes);
}

/* What an answer has dropped does not come any more. */
static void check_early_answer(void *arg)
{
    (void)arg;
    static const char *const rests[] = { "defghij", "de" };
    for (size_t i = 0; i < WF_ARRAY_SIZE(rests); i++) {
        weft_stream *stream = dial();
        handler_result = 0;
        say(stream, "POST /early HTTP/1.1\r\n" CLOSE "Content-Length: 10\r\n\r\nabc");
        say(stream, rests[i]);
        expect_answer(hear_all(stream), OK, "\r\n\r\nabc");
        assert_int_equal(handler_result, -EALREADY);
        weft_close(stream);
    }
}

static void test_streamed_request_is_over_with_its_answer(void **state)
{
    (void)state;
    serving(check_early_answer, NULL, .routes = routes);
}

/* Nobody holds back who writes what is not sent: without a length it would go on for ever. */
static void check_endless_head(void *arg)
{
    (void)arg;
    weft_stream *stream = dial();
    say(stream, "HEAD /endless HTTP/1.1\r\n" H "\r\n");
    hear_response(stream, true);
    weft_sleep(WEFT_MILLISECOND);
    assert_int_equal(handler_result, -EPIPE); /* nobody wants more, which is no failure */
    say(stream, "GET /known HTTP/1.1\r\n" CLOSE "\r\n");
    expect_answer(hear_all(stream), OK, "hello");
    weft_close(stream);
}

static void test_streamed_response_without_a_body_ends_its_writer(void **state)
{
    (void)state;
    serving(check_endless_head, NULL, .routes = routes);
}

/* An invitation that found no room while the read lasted comes with the next one. */
static void check_late_invitation(void *arg)
{
    (void)arg;
    weft_stream *stream = dial();
    say(stream, "GET /filling HTTP/1.1\r\n" H "\r\n"
                "POST /steps HTTP/1.1\r\n" CLOSE "Content-Length: 3\r\n"
                "Expect: 100-continue\r\n\r\n");
    weft_sleep(3 * WEFT_SECOND);
    char *end = NULL;
    for (heard_size = 0; !end; end = strstr(heard, "100 Continue\r\n\r\n")) {
        ssize_t n = weft_read(stream, heard + heard_size, 1000);
        assert_true(n > 0);
        heard[heard_size += (size_t)n] = '\0';
    }
    say(stream, "abc");
    expect_answer(hear_all(stream), OK, "3 294 -\n");
    weft_close(stream);
}

static void test_streamed_request_is_invited_once_there_is_room(void **state)
{
    (void)state;
    serving(check_late_invitation, NULL, .routes = routes, .body_timeout = WEFT_MINUTE);
}

static void check_steps(void *arg)
{
    (void)arg;
    weft_stream *stream = dial();
    say(stream, "POST /steps HTTP/1.1\r\n" CLOSE "Content-Length: 3\r\n\r\n");
    weft_sleep(2 * WEFT_SECOND);
    say(stream, "abc");
    expect_answer(hear_all(stream), OK, "3 294 -\n");
    weft_close(stream);

    stream = dial();
    say(stream, "GET /small-steps HTTP/1.1\r\n" CLOSE "\r\n");
    weft_sleep(WEFT_SECOND / 2);
    assert_true(written > 0);
    weft_sleep(WEFT_SECOND);
    expect_answer(hear_all(stream), OK, "x\r\n3\r\nend\r\n0\r\n\r\n");
    assert_int_equal(handler_result, 0);
    weft_close(stream);

    stream = dial();
    say(stream, "GET /large-steps HTTP/1.1\r\n" CLOSE "\r\n");
    weft_sleep(2 * WEFT_SECOND);
    assert_int_equal(handler_result, -EPIPE);
    weft_close(stream);
}

static void test_streamed_waits_may_be_given_up(void **state)
{
    (void)state;
    serving(check_steps, NULL, .routes = routes);
}

static void check_prints(void *arg)
{
    (void)arg;
    expect_answer(ask("GET /much HTTP/1.1\r\n" CLOSE "\r\n"), OK, "0\r\n0\r\n\r\n");
}

static void test_streamed_prints_leave_nothing_in_the_arena(void **state)
{
    (void)state;
    serving(check_prints, NULL, .routes = routes);
}

static void check_prints_at_once(void *arg)
{
    (void)arg;
    weft_stream *stream = dial();
    say(stream, "GET /twice HTTP/1.1\r\n" CLOSE "\r\n");
    weft_sleep(WEFT_SECOND);
    hear_all(stream);
    expect_text(heard, "1|");
    assert_null(strstr(heard, "2|"));
    expect_log("writes this stream already");
    expect_log("task 'prints_another'");
    weft_close(stream);
}

static void test_streamed_prints_at_once_do_not_mix(void **state)
{
    (void)state;
    serving(check_prints_at_once, NULL, .routes = routes);
}

/* What has no length and no last chunk is never ended. */
static void check_cut_for_10(void *arg)
{
    (void)arg;
    ssize_t n;
    weft_stream *stream = dial();
    say(stream, "GET /endless HTTP/1.0\r\n\r\n");
    weft_sleep(3 * WEFT_SECOND); /* less than the server would linger */
    assert_int_equal(handler_result, -ETIMEDOUT);
    while ((n = weft_read(stream, heard, sizeof heard)) > 0)
        ;
    assert_int_equal(n, -ECONNRESET);
    weft_close(stream);
}

static void test_streamed_response_to_10_is_visibly_cut(void **state)
{
    (void)state;
    serving(check_cut_for_10, NULL, .routes = routes, .send_timeout = WEFT_SECOND);
}

/* Of a body that is not sent nothing can be missing. */
static void check_short_head(void *arg)
{
    (void)arg;
    expect_answer(ask("HEAD /short HTTP/1.1\r\n" H "\r\nGET /known HTTP/1.1\r\n" CLOSE "\r\n"), OK,
                  "hello");
}

static void test_streamed_response_to_head_is_never_too_short(void **state)
{
    (void)state;
    serving(check_short_head, NULL, .routes = routes);
}

static void check_cancelled_reads(void *arg)
{
    (void)arg;
    static const char *const paths[] = { "/cancelled", "/whole-cancelled" };
    for (size_t i = 0; i < WF_ARRAY_SIZE(paths); i++) {
        char request[200];
        snprintf(request, sizeof request,
                 "POST %s HTTP/1.1\r\n" CLOSE "Content-Length: 3\r\n\r\nabc", paths[i]);
        expect_answer(ask(request), OK, "2 197 -\n");
    }
}

static void test_streamed_reads_are_cancelled_at_their_entry(void **state)
{
    (void)state;
    serving(check_cancelled_reads, NULL, .routes = routes);
}

/* Who does not listen must not keep the processor either. */
static void check_deaf_handlers(void *arg)
{
    (void)arg;
    weft_stream *stream = dial();
    say(stream, "GET /writes-on HTTP/1.1\r\n" H "\r\n");
    weft_abort(stream);
    stream = dial();
    say(stream, "POST /reads-on HTTP/1.1\r\n" CHUNKED "\r\nnonsense");
    expect_answer(ask("GET /known HTTP/1.1\r\n" CLOSE "\r\n"), OK, "hello");
    weft_task_cancel(site->server, "drain");
    expect_answer(hear_all(stream), "HTTP/1.1 400 ", NULL);
    weft_close(stream);
}

static void test_streamed_errors_leave_others_their_turn(void **state)
{
    (void)state;
    serving(check_deaf_handlers, NULL, .routes = routes);
}

static void check_failure_afterwards(void *arg)
{
    (void)arg;
    expect_answer(ask("GET /afterwards HTTP/1.1\r\n" CLOSE "\r\n"), OK, "\r\n0\r\n\r\n");
    expect_log("the handler of /afterwards failed");
}

static void test_streamed_response_is_whole_where_its_handler_fails_afterwards(void **state)
{
    (void)state;
    serving(check_failure_afterwards, NULL, .routes = routes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_test(test_streamed_response_is_exact),
        http_test(test_streamed_response_to_10_ends_with_the_connection),
        http_test(test_streamed_response_keeps_the_connection),
        http_test(test_streamed_response_that_fails_is_cut),
        http_test(test_streamed_response_of_large_pieces_arrives),
        http_test(test_streamed_response_waits_for_its_reader),
        http_test(test_streamed_response_without_end_finds_one_in_the_drain),
        http_test(test_streamed_request_is_read_in_pieces),
        http_test(test_streamed_request_that_fails_is_answered),
        http_test(test_streamed_both_ways),
        http_test(test_streamed_request_may_be_ignored),
        http_test(test_streamed_request_is_held_back),
        http_test(test_streamed_request_is_invited_when_it_is_read),
        http_test(test_streamed_request_is_not_invited_behind_a_response),
        http_test(test_streamed_request_is_over_with_its_answer),
        http_test(test_streamed_response_without_a_body_ends_its_writer),
        http_test(test_streamed_reads_are_cancelled_at_their_entry),
        http_test(test_streamed_waits_may_be_given_up),
        http_test(test_streamed_prints_leave_nothing_in_the_arena),
        http_test(test_streamed_prints_at_once_do_not_mix),
        http_test(test_streamed_response_to_10_is_visibly_cut),
        http_test(test_streamed_response_to_head_is_never_too_short),
        http_test(test_streamed_request_is_invited_where_that_is_asked),
        http_test(test_streamed_request_is_invited_once_there_is_room),
        http_test(test_streamed_errors_leave_others_their_turn),
        http_test(test_streamed_response_is_whole_where_its_handler_fails_afterwards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
