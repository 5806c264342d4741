/* What the server refuses, and what it waits for no longer: 400, 408, 413, 414, 431, 501, 505, each
 * followed by a close that lets the client read the answer. */

#include "http_test.h"

static int hello(weft_http *http, void *app)
{
    (void)app;
    return weft_http_text(http, 200, "hello");
}

static int count_body(weft_http *http, void *app)
{
    (void)app;
    return weft_http_text(http, 200, "%zu bytes", weft_http_body(http).size);
}

static const weft_http_route_options small = { .body_max = 10 };
static const weft_http_route_options big = { .body_max = 4000 };

static const weft_http_route routes[] = {
    { "GET", "/", hello, NULL },
    { "POST", "/", count_body, NULL },
    { "POST", "/small", count_body, &small },
    { "POST", "/big", count_body, &big },
    { NULL, NULL, NULL, NULL },
};

/* Say it, keep our side open, and expect an answer with that status and then the end. */
static void expect_refused(const char *request, int status)
{
    char line[64];
    weft_stream *stream = dial();
    say(stream, request);
    snprintf(line, sizeof line, "HTTP/1.1 %d ", status);
    if (strncmp(hear_all(stream), line, strlen(line)) != 0)
        fail_msg("expected %d for:\n%s\ngot:\n%s", status, request, heard);
    expect_text(heard, "Connection: close\r\n");
    weft_close(stream);
}

/* Malformed requests: nobody guesses what they mean (RFC 9112). */

#define H "Host: h\r\n"

static void check_malformed(void *arg)
{
    (void)arg;
    static const struct {
        const char *request;
        int status;
    } cases[] = {
        { "\n", 400 },
        { "GET\r\n\r\n", 400 },
        { "GET /\r\n\r\n", 400 },
        { "GET  / HTTP/1.1\r\n" H "\r\n", 400 },
        { "GET /  HTTP/1.1\r\n" H "\r\n", 400 },
        { " GET / HTTP/1.1\r\n" H "\r\n", 400 },
        { "GET / HTTP/1.1 \r\n" H "\r\n", 400 },
        { "GET / HTTP/1.1\n" H "\r\n", 400 },
        { "GET / http/1.1\r\n" H "\r\n", 400 },
        { "GET / HTTP/2.0\r\n" H "\r\n", 505 },
        { "GET / HTTP/0.9\r\n" H "\r\n", 505 },
        { "G(T / HTTP/1.1\r\n" H "\r\n", 400 },
        { "GET /\x01 HTTP/1.1\r\n" H "\r\n", 400 },
        { "GET * HTTP/1.1\r\n" H "\r\n", 400 },
        { "GET h:80 HTTP/1.1\r\n" H "\r\n", 400 },
        { "GET ftp://h/ HTTP/1.1\r\n" H "\r\n", 400 },
        { "GET http://u@h/ HTTP/1.1\r\n" H "\r\n", 400 },
        { "CONNECT / HTTP/1.1\r\n" H "\r\n", 400 },
        { "GET / HTTP/1.1\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\n" H H "\r\n", 400 },
        { "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\n" H "A: b\r\n c\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\n" H "A b\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\n" H ": b\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\n" H "A: b\rc\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\n" H "A: b\nC: d\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\n" H "A: \x7f\r\n\r\n", 400 },
        { "POST / HTTP/1.1\r\n" H "Content-Length: x\r\n\r\n", 400 },
        { "POST / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n", 400 },
        { "POST / HTTP/1.1\r\n" H "Content-Length: +1\r\n\r\n1", 400 },
        { "POST / HTTP/1.1\r\n" H "Content-Length: 1, 1\r\n\r\n1", 400 },
        { "POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n1", 400 },
        { "POST / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n\r\n", 400 },
        { "POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 1\r\n\r\n1", 400 },
        { "POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 2\r\n\r\n1", 400 },
        { "POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1", 400 },
        { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501 },
        { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n", 400 },
        { "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
    };
    for (size_t i = 0; i < WF_ARRAY_SIZE(cases); i++)
        expect_refused(cases[i].request, cases[i].status);
}

static void test_limits_malformed_request_is_400_and_close(void **state)
{
    (void)state;
    serving(check_malformed, NULL, .routes = routes);
}

/* What follows a refused request on the same connection is never served. */
static void check_smuggled(void *arg)
{
    (void)arg;
    expect_refused("GET / HTTP/1.1\r\n" H "A : b\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", 400);
    assert_null(strstr(heard, "hello"));
    weft_stream *stream = dial();
    say(stream, "GET / HTTP/1.1\r\n" H "\r\nPOST / HTTP/1.1\r\n" H
                "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                "GET / HTTP/1.1\r\n" H "\r\n");
    expect_answer(hear(stream), "HTTP/1.1 200 OK\r\n", "hello");
    expect_answer(hear_all(stream), "HTTP/1.1 400 ", NULL);
    assert_null(strstr(heard, "hello"));
    weft_close(stream);
}

static void test_limits_nothing_is_served_after_a_refusal(void **state)
{
    (void)state;
    serving(check_smuggled, NULL, .routes = routes);
}

/* Sizes. Counted with line ends; a limit passes, one byte more does not. */

/* A request whose line has `line` bytes and whose headers, Host included, have `block`. */
static const char *sized(size_t line, size_t block)
{
    static char request[200000];
    size_t at = 0;
    at += (size_t)sprintf(request, "GET /?");
    memset(request + at, 'q', line - 17);
    at += line - 17;
    at += (size_t)sprintf(request + at, " HTTP/1.1\r\nHost: h\r\nA: ");
    memset(request + at, 'a', block - 16);
    at += block - 16;
    sprintf(request + at, "\r\n\r\n");
    return request;
}

static void check_sizes(void *arg)
{
    (void)arg;
    expect_answer(ask(sized(8192, 100)), "HTTP/1.1 200 OK\r\n", "hello");
    expect_refused(sized(8193, 100), 414);
    expect_refused(sized(100000, 100), 414);
    expect_answer(ask(sized(100, 65536)), "HTTP/1.1 200 OK\r\n", "hello");
    expect_refused(sized(100, 65537), 431);
    expect_refused(sized(100, 190000), 431);
    expect_answer(ask(sized(8192, 65536)), "HTTP/1.1 200 OK\r\n", "hello");
}

static void test_limits_long_line_is_414_and_long_block_431(void **state)
{
    (void)state;
    serving(check_sizes, NULL, .routes = routes);
}

static const char *counted(int headers)
{
    static char request[8000];
    char *at = request + sprintf(request, "GET / HTTP/1.1\r\nHost: h\r\n");
    for (int i = 1; i < headers; i++)
        at += sprintf(at, "A: b\r\n");
    sprintf(at, "\r\n");
    return request;
}

static void check_counts(void *arg)
{
    (void)arg;
    expect_answer(ask(counted(100)), "HTTP/1.1 200 OK\r\n", "hello");
    expect_refused(counted(101), 431);
    expect_refused(counted(1000), 431);
}

static void test_limits_many_headers_are_431(void **state)
{
    (void)state;
    serving(check_counts, NULL, .routes = routes);
}

/* A listener whose streams read less ahead than the server would allow. */
static int small_input_main(void *arg)
{
    struct http_site narrow = { .options.routes = arg };
    weft_scope scope;
    assert_int_equal(weft_listen(&narrow.listener, "mem:server", .input_max = 16384), 0);
    weft_scope_begin(&scope);
    weft_spawn(&scope, site_serve, &narrow);
    expect_answer(ask(sized(100, 10000)), "HTTP/1.1 200 OK\r\n", "hello");
    expect_refused(sized(100, 20000), 431);
    weft_scope_cancel(&scope, "the test is over");
    assert_int_equal(weft_scope_end(&scope), 0);
    weft_listener_close(narrow.listener);
    return 0;
}

static void test_limits_narrow_stream_is_431(void **state)
{
    (void)state;
    assert_int_equal(run(small_input_main, (void *)(uintptr_t)routes), 0);
}

static void check_own_limits(void *arg)
{
    (void)arg;
    expect_answer(ask(sized(100, 60)), "HTTP/1.1 200 OK\r\n", "hello");
    expect_refused(sized(101, 60), 414);
    expect_refused(sized(100, 61), 431);
    expect_answer(ask(counted(3)), "HTTP/1.1 200 OK\r\n", "hello");
    expect_refused(counted(4), 431);
}

static void test_limits_can_be_set(void **state)
{
    (void)state;
    serving(check_own_limits, NULL, .routes = routes, .line_max = 100, .header_size_max = 60,
            .header_count_max = 3);
}

static const char *post(const char *path, size_t announced, size_t size)
{
    static char request[2000000];
    size_t at = (size_t)sprintf(
        request, "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n", path, announced);
    memset(request + at, 'x', size);
    request[at + size] = '\0';
    return request;
}

static void check_bodies(void *arg)
{
    (void)arg;
    expect_answer(ask(post("/", 1000, 1000)), "HTTP/1.1 200 OK\r\n", "1000 bytes");
    expect_refused(post("/", 1001, 0), 413);
    expect_refused(post("/", 1001, 1001), 413);
    expect_refused(post("/", SIZE_MAX / 4, 10), 413);
    expect_answer(ask(post("/small", 10, 10)), "HTTP/1.1 200 OK\r\n", "10 bytes");
    expect_refused(post("/small", 11, 11), 413);
    expect_answer(ask(post("/big", 4000, 4000)), "HTTP/1.1 200 OK\r\n", "4000 bytes");
    expect_refused(post("/big", 4001, 4001), 413);
    expect_refused(post("/none", 1001, 1000), 404); /* nobody waits for its body */
}

static void test_limits_large_body_is_413(void **state)
{
    (void)state;
    serving(check_bodies, NULL, .routes = routes, .body_max = 1000);
}

static void check_default_body(void *arg)
{
    (void)arg;
    expect_answer(ask(post("/", 1 << 20, 1 << 20)), "HTTP/1.1 200 OK\r\n", "1048576 bytes");
    expect_refused(post("/", (1 << 20) + 1, 100), 413);
}

static void test_limits_body_default_is_1_mib(void **state)
{
    (void)state;
    serving(check_default_body, NULL, .routes = routes);
}

/* The answer to a client that goes on sending is not lost to a reset, up to a bound. */
static void check_linger(void *arg)
{
    (void)arg;
    weft_stream *stream = dial();
    say(stream, post("/", 1900000, 0));
    static char more[900000];
    assert_int_equal(weft_write(stream, more, sizeof more), 0);
    int64_t start = weft_now();
    expect_answer(hear_all(stream), "HTTP/1.1 413 ", NULL);
    assert_int_equal(weft_write(stream, more, 1000), 0);
    assert_in_range(weft_now() - start, 0, WEFT_MILLISECOND);
    weft_sleep(WEFT_SECOND);
    assert_int_equal(weft_write(stream, more, 1000), 0);
    weft_sleep(2 * WEFT_SECOND);
    assert_int_equal(weft_write(stream, more, 1000), -EPIPE);
    weft_close(stream);

    stream = dial(); /* more than anybody drops for nothing */
    say(stream, post("/", 1900000, 0));
    assert_int_equal(weft_write(stream, more, sizeof more), 0);
    assert_int_equal(weft_write(stream, more, sizeof more), -EPIPE);
    expect_answer(hear_all(stream), "HTTP/1.1 413 ", NULL);
    weft_close(stream);
}

static void test_limits_refused_client_can_read_the_answer(void **state)
{
    (void)state;
    serving(check_linger, NULL, .routes = routes, .body_max = 1000);
}

/* Times. */

#define EPSILON (10 * WEFT_MICROSECOND)

/* Hear all, and expect that the server closed after so long. */
static void expect_after(weft_stream *stream, int64_t start, int64_t time, const char *begin)
{
    expect_answer(hear_all(stream), begin, NULL);
    int64_t took = weft_now() - start;
    if (took < time || took > time + EPSILON)
        fail_msg("took %lld ns, not %lld", (long long)took, (long long)time);
    weft_close(stream);
}

static void check_header_timeout(void *arg)
{
    (void)arg;
    int64_t start = weft_now();
    weft_stream *stream = dial();
    expect_after(stream, start, 10 * WEFT_SECOND, "HTTP/1.1 408 Request Timeout\r\n");

    start = weft_now();
    stream = dial();
    say(stream, "GET / HT");
    expect_after(stream, start, 10 * WEFT_SECOND, "HTTP/1.1 408 Request Timeout\r\n");
    expect_text(heard, "Connection: close\r\n");

    /* The time counts from the first byte, on a connection that has waited too. */
    stream = dial();
    say(stream, "GET / HTTP/1.1\r\n" H "\r\n");
    hear(stream);
    weft_sleep(70 * WEFT_SECOND);
    start = weft_now();
    say(stream, "G");
    expect_after(stream, start, 10 * WEFT_SECOND, "HTTP/1.1 408 ");

    /* In one packet with the request before. */
    start = weft_now();
    stream = dial();
    say(stream, "GET / HTTP/1.1\r\n" H "\r\nG");
    expect_answer(hear(stream), "HTTP/1.1 200 OK\r\n", "hello");
    expect_after(stream, start, 10 * WEFT_SECOND, "HTTP/1.1 408 ");
}

static void test_limits_slow_head_is_408(void **state)
{
    (void)state;
    serving(check_header_timeout, NULL, .routes = routes);
}

/* A byte a second earns no time. */
static void check_drip(void *arg)
{
    (void)arg;
    int64_t start = weft_now();
    weft_stream *stream = dial();
    say(stream, "GET / HTTP/1.1\r\n");
    for (int i = 0; i < 9; i++) {
        say(stream, "A: b\r\n");
        weft_sleep(WEFT_SECOND);
    }
    say(stream, "A: b\r\n");
    expect_after(stream, start, 10 * WEFT_SECOND, "HTTP/1.1 408 ");
}

static void test_limits_dripping_head_is_408(void **state)
{
    (void)state;
    serving(check_drip, NULL, .routes = routes);
}

/* Hazard 8: they cost their connections, and nobody else anything. */
static void check_crowd(void *arg)
{
    (void)arg;
    enum { CROWD = 300 };
    static weft_stream *slow[CROWD];
    int64_t start = weft_now();
    for (int i = 0; i < CROWD; i++) {
        slow[i] = dial();
        say(slow[i], i % 2 ? "GET / HTTP/1.1\r\nHost: h\r\n" : post("/", 100, 10));
    }
    for (int second = 0; second < 9; second++) {
        weft_sleep(WEFT_SECOND);
        for (int i = 0; i < CROWD; i++)
            say(slow[i], i % 2 ? "A: b\r\n" : "x");
        int64_t before = weft_now();
        expect_answer(ask("GET / HTTP/1.1\r\n" H "\r\n"), "HTTP/1.1 200 OK\r\n", "hello");
        assert_int_equal(weft_now(), before);
    }
    for (int i = 1; i < CROWD; i += 2)
        expect_after(slow[i], start, 10 * WEFT_SECOND, "HTTP/1.1 408 ");
    for (int i = 0; i < CROWD; i += 2)
        expect_after(slow[i], start, 30 * WEFT_SECOND, "HTTP/1.1 408 ");
}

static void test_limits_crowd_of_slow_clients_disturbs_nobody(void **state)
{
    (void)state;
    serving(check_crowd, NULL, .routes = routes);
}

static void check_body_timeout(void *arg)
{
    (void)arg;
    weft_stream *stream = dial();
    say(stream, post("/", 100, 10));
    int64_t start = weft_now();
    for (int i = 0; i < 29; i++) {
        weft_sleep(WEFT_SECOND);
        say(stream, "x");
    }
    expect_after(stream, start, 30 * WEFT_SECOND, "HTTP/1.1 408 Request Timeout\r\n");
    expect_text(heard, "Connection: close\r\n");

    stream = dial();
    say(stream, post("/", 100, 10));
    weft_sleep(29 * WEFT_SECOND);
    size_t head_size = strlen(post("/", 100, 0));
    say(stream, post("/", 100, 90) + head_size);
    expect_answer(hear(stream), "HTTP/1.1 200 OK\r\n", "100 bytes");
    weft_close(stream);
}

static void test_limits_slow_body_is_408(void **state)
{
    (void)state;
    serving(check_body_timeout, NULL, .routes = routes);
}

static void check_idle(void *arg)
{
    (void)arg;
    weft_stream *stream = dial();
    for (int i = 0; i < 3; i++) {
        say(stream, "GET / HTTP/1.1\r\n" H "\r\n");
        hear(stream);
        weft_sleep(74 * WEFT_SECOND);
    }
    say(stream, "GET / HTTP/1.1\r\n" H "\r\n");
    hear(stream);
    expect_after(stream, weft_now(), 75 * WEFT_SECOND, "");
    assert_string_equal(heard, "");
}

static void test_limits_idle_connection_is_closed_silently(void **state)
{
    (void)state;
    serving(check_idle, NULL, .routes = routes);
}

/* Empty lines are no request: they are not answered. */
static void check_empty_lines(void *arg)
{
    (void)arg;
    int64_t start = weft_now();
    weft_stream *stream = dial();
    say(stream, "\r\n");
    expect_after(stream, start, 10 * WEFT_SECOND, "HTTP/1.1 408 ");
    start = weft_now();
    stream = dial();
    say(stream, "\r");
    weft_sleep(WEFT_SECOND);
    say(stream, "\nGET / HTTP/1.1\r\n" H "\r\n");
    expect_answer(hear(stream), "HTTP/1.1 200 OK\r\n", "hello");
    weft_close(stream);

    expect_answer(ask("GET / HTTP/1.1\r\n" H "\r\n\r\n"), "HTTP/1.1 200 OK\r\n", "\r\n\r\nhello");
    expect_answer(ask("\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n"), "HTTP/1.1 200 OK\r\n", "hello");

    stream = dial();
    say(stream, "GET / HTTP/1.1\r\n" H "\r\n");
    hear(stream);
    start = weft_now();
    say(stream, "\r\n");
    expect_after(stream, start, 75 * WEFT_SECOND, "");
    assert_string_equal(heard, "");
}

static void test_limits_empty_lines_are_no_request(void **state)
{
    (void)state;
    serving(check_empty_lines, NULL, .routes = routes);
}

static void check_forever(void *arg)
{
    (void)arg;
    weft_stream *stream = dial();
    weft_sleep(WEFT_HOUR);
    say(stream, "POST / HTTP/1.1\r\n" H);
    weft_sleep(WEFT_HOUR);
    say(stream, "Content-Length: 1\r\n\r\n");
    weft_sleep(WEFT_HOUR);
    say(stream, "x");
    expect_answer(hear(stream), "HTTP/1.1 200 OK\r\n", "1 bytes");
    weft_close(stream);
}

static void test_limits_times_may_be_unlimited(void **state)
{
    (void)state;
    serving(check_forever, NULL, .routes = routes, .header_timeout = WEFT_FOREVER,
            .body_timeout = WEFT_FOREVER, .idle_timeout = WEFT_FOREVER,
            .send_timeout = WEFT_FOREVER);
}

static void check_own_times(void *arg)
{
    (void)arg;
    int64_t start = weft_now();
    weft_stream *stream = dial();
    say(stream, "GET /");
    expect_after(stream, start, 1 * WEFT_SECOND, "HTTP/1.1 408 ");
    start = weft_now();
    stream = dial();
    say(stream, post("/", 100, 10));
    expect_after(stream, start, 2 * WEFT_SECOND, "HTTP/1.1 408 ");
    stream = dial();
    say(stream, "GET / HTTP/1.1\r\n" H "\r\n");
    hear(stream);
    expect_after(stream, weft_now(), 3 * WEFT_SECOND, "");
}

static void test_limits_times_can_be_set(void **state)
{
    (void)state;
    serving(check_own_times, NULL, .routes = routes, .header_timeout = 1 * WEFT_SECOND,
            .body_timeout = 2 * WEFT_SECOND, .idle_timeout = 3 * WEFT_SECOND);
}

/* A client that reads slowly keeps its response coming; one that reads nothing is left. */

static int download(weft_http *http, void *app)
{
    (void)app;
    static const char data[1 << 20];
    int err = weft_http_send(http, 200, NULL, data, sizeof data);
    if (err < 0)
        assert_int_equal(err, -ETIMEDOUT);
    return err;
}

static const weft_http_route download_routes[] = {
    { "GET", "/", download, NULL },
    { NULL, NULL, NULL, NULL },
};

static void check_slow_read(void *arg)
{
    (void)arg;
    static char piece[32 << 10];
    weft_stream *stream = dial();
    size_t size = 0;
    say(stream, "GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
    for (ssize_t n; (n = weft_read(stream, piece, sizeof piece)) > 0;) {
        size += (size_t)n;
        weft_sleep(20 * WEFT_SECOND); /* 32 times that is far above any timeout */
    }
    assert_in_range(size, 1 << 20, (1 << 20) + 500);
    weft_close(stream);

    stream = dial();
    say(stream, "GET / HTTP/1.1\r\n" H "\r\n");
    int64_t start = weft_now();
    ssize_t n;
    weft_sleep(70 * WEFT_SECOND);
    while ((n = weft_read(stream, piece, sizeof piece)) > 0)
        ;
    assert_int_equal(n, -ECONNRESET);
    assert_int_equal(weft_now() - start, 70 * WEFT_SECOND);
    weft_close(stream);
}

static void test_limits_client_that_does_not_read_is_left(void **state)
{
    (void)state;
    serving(check_slow_read, NULL, .routes = download_routes);
}

/* The same over TCP, where the kernel holds megabytes and says nothing while they go: a client that
 * takes a little each second is not left. (A peer's kernel opens its window in steps of a sixteenth
 * of its buffer: of 6 MiB, some six seconds here.) `high_mark` 0: the usual one. */

struct tcp_site {
    weft_listener *listener;
    weft_task *server;
};

static int serve_tcp(void *arg)
{
    struct tcp_site *tcp = arg;
    int err = weft_http_serve_on(tcp->listener, download_routes, .send_timeout = 10 * WEFT_SECOND);
    return err == -ECANCELED ? 0 : err;
}

static weft_stream *dial_tcp(const struct tcp_site *tcp, int responses)
{
    weft_stream *stream;
    assert_int_equal(weft_connect(&stream, weft_listener_address(tcp->listener)), 0);
    for (int i = 0; i < responses; i++)
        say(stream, "GET / HTTP/1.1\r\n" H "\r\n");
    return stream;
}

static size_t read_tcp(weft_stream *stream, size_t most)
{
    static char piece[16 << 10];
    size_t size = 0;
    ssize_t n = 1;
    while (n > 0 && size < most) {
        n = weft_read(stream, piece, sizeof piece);
        size += n > 0 ? (size_t)n : 0;
    }
    return n < 0 ? 0 : size;
}

static int slow_over_tcp(void *high_mark)
{
    enum { RESPONSES = 12, STEP = 64 << 10 };
    struct tcp_site tcp;
    weft_scope scope;
    assert_int_equal(weft_listen(&tcp.listener, "127.0.0.1:0", .high_mark = *(uint32_t *)high_mark),
                     0);
    weft_scope_begin(&scope);
    assert_int_equal(weft_spawn(&scope, serve_tcp, &tcp, .task = &tcp.server), 0);

    weft_stream *slow = dial_tcp(&tcp, RESPONSES), *stuck = dial_tcp(&tcp, RESPONSES);
    for (size_t size = 0; size < (size_t)RESPONSES << 20; weft_sleep(WEFT_SECOND)) {
        size_t n = read_tcp(slow, STEP);
        assert_true(n > 0);
        size += n;
    }
    assert_int_equal(read_tcp(stuck, SIZE_MAX), 0); /* a reset */
    weft_close(slow);
    weft_close(stuck);
    weft_task_cancel(tcp.server, "the test is over");
    assert_int_equal(weft_scope_end(&scope), 0);
    weft_task_release(tcp.server);
    weft_listener_close(tcp.listener);
    return 0;
}

static void test_limits_slow_client_is_not_left_while_it_reads(void **state)
{
    (void)state;
    static uint32_t high_marks[] = { 0, 2048, 100000 };
    for (size_t i = 0; i < WF_ARRAY_SIZE(high_marks); i++)
        assert_int_equal(run(slow_over_tcp, &high_marks[i]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_test(test_limits_malformed_request_is_400_and_close),
        http_test(test_limits_nothing_is_served_after_a_refusal),
        http_test(test_limits_long_line_is_414_and_long_block_431),
        http_test(test_limits_many_headers_are_431),
        http_test(test_limits_narrow_stream_is_431),
        http_test(test_limits_can_be_set),
        http_test(test_limits_large_body_is_413),
        http_test(test_limits_body_default_is_1_mib),
        http_test(test_limits_refused_client_can_read_the_answer),
        http_test(test_limits_slow_head_is_408),
        http_test(test_limits_dripping_head_is_408),
        http_test(test_limits_slow_body_is_408),
        http_test(test_limits_crowd_of_slow_clients_disturbs_nobody),
        http_test(test_limits_idle_connection_is_closed_silently),
        http_test(test_limits_empty_lines_are_no_request),
        http_test(test_limits_times_may_be_unlimited),
        http_test(test_limits_times_can_be_set),
        http_test(test_limits_client_that_does_not_read_is_left),
        http_test(test_limits_slow_client_is_not_left_while_it_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
