/* The server's conversation: responses, keep-alive, pipelining, what handlers do wrong, drain. */

#include "http_test.h"

#include <weft/http.h>

/* Handlers. */

static int hello(weft_http *http, void *app)
{
    (void)app;
    return weft_http_text(http, 200, "hello %s", weft_http_param(http, "name"));
}

static int echo(weft_http *http, void *app)
{
    (void)app;
    weft_slice body = weft_http_body(http);
    assert_int_equal(body.data[body.size], '\0');
    return weft_http_send(http, 200, "application/octet-stream", body.data, body.size);
}

static int slow(weft_http *http, void *app)
{
    (void)app;
    int err = weft_sleep(3 * WEFT_SECOND);
    return err < 0 ? err : weft_http_text(http, 200, "slept");
}

static int nothing(weft_http *http, void *app)
{
    (void)http, (void)app;
    return 0;
}

static int failing(weft_http *http, void *app)
{
    (void)http, (void)app;
    return -ENOENT;
}

static int sorry(weft_http *http, void *app)
{
    (void)app;
    weft_http_text(http, 200, "sent");
    return -ENOENT;
}

static int twice(weft_http *http, void *app)
{
    (void)app;
    assert_int_equal(weft_http_text(http, 200, "one"), 0);
    assert_int_equal(weft_http_text(http, 200, "two"), -EALREADY);
    assert_int_equal(weft_http_set_header(http, "a", "b"), -EALREADY);
    return 0;
}

static int own_cancel(weft_http *http, void *app)
{
    (void)http, (void)app;
    return -ECANCELED;
}

static int statuses(weft_http *http, void *app)
{
    (void)app;
    int status = atoi(weft_http_param(http, "status"));
    int err = weft_http_send(http, status, NULL, "body", 4);
    return err == -EINVAL ? weft_http_text(http, 200, "refused") : err;
}

static int large(weft_http *http, void *app)
{
    (void)app;
    size_t size = strtoul(weft_http_param(http, "size"), NULL, 10);
    char *data = weft_arena_alloc(http->arena, size);
    if (!data)
        return -ENOMEM;
    for (size_t i = 0; i < size; i++)
        data[i] = (char)('a' + i % 26);
    return weft_http_send(http, 200, NULL, data, size);
}

static int text(weft_http *http, void *app)
{
    (void)app;
    int size = atoi(weft_http_param(http, "size"));
    assert_int_equal(weft_http_set_header(http, "X-Size", "is in the text"), 0);
    return weft_http_text(http, 200, "%*s", size, "!");
}

static const weft_http_route_options in_time = { .timeout = WEFT_SECOND };

static const weft_http_route routes[] = {
    { "GET", "/hello/:name", hello, NULL },
    { "POST", "/echo", echo, NULL },
    { "GET", "/slow", slow, NULL },
    { "GET", "/nothing", nothing, NULL },
    { "GET", "/failing", failing, NULL },
    { "GET", "/sorry", sorry, NULL },
    { "GET", "/twice", twice, NULL },
    { "GET", "/own-cancel", own_cancel, NULL },
    { "GET", "/status/:status", statuses, NULL },
    { "GET", "/large/:size", large, NULL },
    { "GET", "/text/:size", text, NULL },
    { "GET", "/limited", slow, &in_time },
    { "GET", "/limited/:size", large, &in_time },
    { NULL, NULL, NULL, NULL },
};

#define GET(path)       "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define GET_CLOSE(path) "GET " path " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"

/* Responses. */

static void check_response(void *arg)
{
    (void)arg;
    assert_string_equal(ask(GET_CLOSE("/hello/you")), "HTTP/1.1 200 OK\r\n"
                                                      "Content-Type: text/plain; charset=utf-8\r\n"
                                                      "Content-Length: 9\r\n"
                                                      "Connection: close\r\n"
                                                      "\r\n"
                                                      "hello you");
    weft_stream *stream = dial();
    say(stream, GET("/hello/you"));
    assert_string_equal(hear(stream), "HTTP/1.1 200 OK\r\n"
                                      "Content-Type: text/plain; charset=utf-8\r\n"
                                      "Content-Length: 9\r\n"
                                      "\r\n"
                                      "hello you");
    weft_close(stream);
}

static void test_server_response_is_exact(void **state)
{
    (void)state;
    serving(check_response, NULL, .routes = routes);
}

static void check_date(void *arg)
{
    (void)arg;
    weft_stream *stream = dial();
    char text[64];
    say(stream, GET("/hello/you"));
    assert_int_equal(weft_read_exact(stream, text, 17), 0);
    assert_int_equal(weft_read_line(stream, text, sizeof text), 35);
    assert_int_equal(strncmp(text, "Date: ", 6), 0);
    assert_string_equal(text + 31, " GMT");
    weft_close(stream);
}

static void test_server_response_has_a_date(void **state)
{
    (void)state;
    serving(check_date, NULL, .routes = routes);
}

static void check_statuses(void *arg)
{
    (void)arg;
    assert_string_equal(ask(GET_CLOSE("/status/204")), "HTTP/1.1 204 No Content\r\n"
                                                       "Connection: close\r\n\r\n");
    assert_string_equal(ask(GET_CLOSE("/status/304")), "HTTP/1.1 304 Not Modified\r\n"
                                                       "Connection: close\r\n\r\n");
    expect_answer(ask(GET_CLOSE("/status/299")), "HTTP/1.1 299 Unknown\r\n", "\r\n\r\nbody");
    expect_answer(ask(GET_CLOSE("/status/503")), "HTTP/1.1 503 ", "\r\n\r\nbody");
    static const char *const bad[] = { "0", "100", "101", "199", "1000", "-200" };
    for (size_t i = 0; i < WF_ARRAY_SIZE(bad); i++) {
        char request[100];
        snprintf(request, sizeof request, GET_CLOSE("/status/%s"), bad[i]);
        expect_answer(ask(request), "HTTP/1.1 200 OK\r\n", "refused");
    }
}

static void test_server_status_decides_about_the_body(void **state)
{
    (void)state;
    serving(check_statuses, NULL, .routes = routes);
}

static void check_large(void *arg)
{
    (void)arg;
    static const size_t sizes[] = { 0,         1,         1023,      1024,    4096,
                                    65535 - 1, 65536 - 1, 65536 * 3, 1 << 20, (1 << 20) + 7 };
    for (size_t i = 0; i < WF_ARRAY_SIZE(sizes); i++) {
        char request[100], length[64];
        snprintf(request, sizeof request, GET_CLOSE("/large/%zu"), sizes[i]);
        snprintf(length, sizeof length, "Content-Length: %zu\r\n", sizes[i]);
        expect_text(ask(request), length);
        const char *body = strstr(heard, "\r\n\r\n") + 4;
        assert_int_equal(heard_size - (size_t)(body - heard), sizes[i]);
        for (size_t at = 0; at < sizes[i]; at++)
            if (body[at] != (char)('a' + at % 26))
                fail_msg("wrong at %zu of %zu", at, sizes[i]);
    }
}

static void check_texts(void *arg)
{
    (void)arg;
    for (int size = 1000; size < 1050; size++) {
        char request[100], body[1100];
        snprintf(request, sizeof request, GET("/text/%d"), size);
        snprintf(body, sizeof body, "\r\n\r\n%*s", size, "!");
        expect_answer(ask(request), "HTTP/1.1 200 OK\r\n", body);
    }
}

static void test_server_texts_of_all_sizes_arrive(void **state)
{
    (void)state;
    serving(check_texts, NULL, .routes = routes);
}

static void test_server_bodies_of_all_sizes_arrive(void **state)
{
    (void)state;
    serving(check_large, NULL, .routes = routes);
}

/* Keep-alive and pipelining. */

static void check_keep_alive(void *arg)
{
    (void)arg;
    weft_stream *stream = dial();
    for (int i = 0; i < 20; i++) {
        say(stream, GET("/hello/you"));
        expect_answer(hear(stream), "HTTP/1.1 200 OK\r\n", "hello you");
        say(stream, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
        expect_answer(hear(stream), "HTTP/1.1 200 OK\r\n", "abc");
        say(stream, GET("/none"));
        expect_answer(hear(stream), "HTTP/1.1 404 ", "Not Found\n");
        say(stream, "HEAD /hello/you HTTP/1.1\r\nHost: h\r\n\r\n");
        expect_answer(hear_response(stream, true), "HTTP/1.1 200 OK\r\n", "\r\n\r\n");
        say(stream, "POST /none HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nGET ");
        expect_answer(hear(stream), "HTTP/1.1 404 ", "Not Found\n");
    }
    say(stream, GET_CLOSE("/hello/you"));
    expect_answer(hear_all(stream), "HTTP/1.1 200 OK\r\n", "hello you");
    weft_close(stream);
}

static void test_server_connection_serves_many(void **state)
{
    (void)state;
    serving(check_keep_alive, NULL, .routes = routes);
}

static void check_version_10(void *arg)
{
    (void)arg;
    expect_answer(ask("GET /hello/you HTTP/1.0\r\n\r\n"), "HTTP/1.1 200 OK\r\n", "hello you");
    expect_text(heard, "Connection: close\r\n");
    weft_stream *stream = dial();
    say(stream, "GET /hello/you HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    expect_text(hear(stream), "Connection: keep-alive\r\n");
    say(stream, "GET /hello/you HTTP/1.0\r\n\r\n");
    expect_text(hear_all(stream), "Connection: close\r\n");
    weft_close(stream);
}

static void test_server_version_10_closes_unless_asked(void **state)
{
    (void)state;
    serving(check_version_10, NULL, .routes = routes);
}

#define POST(body, size) "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: " size "\r\n\r\n" body

#define MANY                                                                                       \
    GET("/hello/1")                                                                                \
    POST("two", "3")                                                                               \
    GET("/hello/3") POST("", "0") GET("/none") "\r\n" GET("/slow") GET_CLOSE("/hello/last")

static void expect_many(const char *text)
{
    static const char *const bodies[] = { "hello 1",     "two",   "hello 3",
                                          "Not Found\n", "slept", "hello last" };
    const char *at = text;
    for (size_t i = 0; i < WF_ARRAY_SIZE(bodies); i++) {
        at = strstr(at, bodies[i]);
        assert_non_null(at);
    }
    assert_string_equal(at, "hello last");
}

static void check_pipelining(void *arg)
{
    (void)arg;
    expect_many(ask(MANY GET("/hello/never")));
}

static void test_server_pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    serving(check_pipelining, NULL, .routes = routes);
}

/* Cut at every offset, and byte by byte: the answers are the same. */
static void check_pieces(void *arg)
{
    (void)arg;
    static const char whole[] = MANY;
    for (size_t cut = 1; cut < sizeof whole - 1; cut++) {
        weft_stream *stream = dial();
        assert_int_equal(weft_write(stream, whole, cut), 0);
        weft_sleep(WEFT_MILLISECOND);
        say(stream, whole + cut);
        expect_many(hear_all(stream));
        weft_close(stream);
    }
    weft_stream *stream = dial();
    for (size_t i = 0; i < sizeof whole - 1; i++) {
        assert_int_equal(weft_write(stream, whole + i, 1), 0);
        weft_sleep(WEFT_MILLISECOND);
    }
    expect_many(hear_all(stream));
    weft_close(stream);
}

static void test_server_requests_may_come_in_pieces(void **state)
{
    (void)state;
    serving(check_pieces, NULL, .routes = routes);
}

static void check_flood(void *arg)
{
    (void)arg;
    static const char request[] = GET("/hello/x");
    weft_stream *stream = dial();
    size_t sent = 0;
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = WEFT_SECOND);
    while (weft_write(stream, request, sizeof request - 1) == 0)
        sent++;
    assert_int_equal(weft_scope_end(&scope), -ETIMEDOUT);
    /* Both directions are full: what the server holds for us is bounded. */
    assert_in_range(sent, 1000, 20000);
    weft_sleep(70 * WEFT_SECOND);
    char byte;
    while (weft_read(stream, &byte, 1) > 0)
        ;
    weft_close(stream);
}

static void test_server_client_that_never_reads_is_bounded_and_left(void **state)
{
    (void)state;
    serving(check_flood, NULL, .routes = routes);
}

/* Half-closed clients. */

static void check_half_closed(void *arg)
{
    (void)arg;
    expect_answer(ask(GET("/hello/you")), "HTTP/1.1 200 OK\r\n", "hello you");
    expect_answer(ask(GET("/slow")), "HTTP/1.1 200 OK\r\n", "slept");
    expect_answer(ask(POST("abc", "3")), "HTTP/1.1 200 OK\r\n", "abc");
    assert_string_equal(ask(""), "");
    expect_answer(ask("GET /hello"), "HTTP/1.1 400 Bad Request\r\n", "ended early\n");
    expect_answer(ask("GET / HTTP/1.1\r\nHost: h\r\n"), "HTTP/1.1 400 ", "ended early\n");
    expect_answer(ask(POST("abc", "4")), "HTTP/1.1 400 ", "ended early\n");
    expect_answer(ask(POST("", "4")), "HTTP/1.1 400 ", "ended early\n");
}

static void test_server_half_closed_client_is_answered(void **state)
{
    (void)state;
    serving(check_half_closed, NULL, .routes = routes);
}

/* Whatever the byte at which it ends, in peace or by a reset: hazards 6 and 7. */
static void check_ends(void *arg)
{
    (void)arg;
    static const char request[] = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";
    size_t size = sizeof request - 1;
    for (size_t k = 0; k <= size; k++) {
        weft_stream *half = dial(), *reset = dial(), *closed = dial();
        assert_int_equal(weft_write(half, request, k), 0);
        assert_int_equal(weft_write(reset, request, k), 0);
        assert_int_equal(weft_write(closed, request, k), 0);
        assert_int_equal(weft_shutdown_write(half), 0);
        weft_abort(reset);
        weft_close(closed);
        const char *answer = hear_all(half);
        if (k == 0)
            assert_string_equal(answer, "");
        else if (k < size)
            expect_answer(answer, "HTTP/1.1 400 ", "the request ended early\n");
        else
            expect_answer(answer, "HTTP/1.1 200 OK\r\n", "\r\n\r\nabc");
        weft_close(half);
    }
}

static void test_server_request_may_end_at_any_byte(void **state)
{
    (void)state;
    serving(check_ends, NULL, .routes = routes);
}

static void check_gone(void *arg)
{
    (void)arg;
    static const char *const starts[] = { "", "GET /he", GET("/slow"), POST("a", "9"),
                                          GET("/large/1000000") };
    for (size_t i = 0; i < WF_ARRAY_SIZE(starts); i++) {
        weft_stream *stream = dial();
        say(stream, starts[i]);
        weft_sleep(WEFT_MILLISECOND);
        weft_abort(stream);
        stream = dial();
        say(stream, starts[i]);
        weft_sleep(WEFT_MILLISECOND);
        weft_close(stream);
    }
    weft_sleep(10 * WEFT_SECOND);
    expect_answer(ask(GET("/hello/you")), "HTTP/1.1 200 OK\r\n", "hello you");
}

static void test_server_client_that_goes_away_disturbs_nobody(void **state)
{
    (void)state;
    serving(check_gone, NULL, .routes = routes);
}

/* What handlers do wrong. */

static void check_failures(void *arg)
{
    (void)arg;
    weft_stream *stream = dial();
    say(stream, GET("/failing"));
    expect_answer(hear(stream), "HTTP/1.1 500 ", "Internal Server Error\n");
    expect_log("GET /failing: the handler of /failing failed: No such file "
               "or directory (ENOENT), in task 'http connection' (spawned at ");
    say(stream, GET("/nothing"));
    expect_answer(hear(stream), "HTTP/1.1 500 ", "Internal Server Error\n");
    expect_log(
        "GET /nothing: the handler of /nothing has sent no response, in task 'http connection' ");
    say(stream, GET("/sorry"));
    expect_answer(hear(stream), "HTTP/1.1 200 OK\r\n", "sent");
    say(stream, GET("/own-cancel"));
    expect_answer(hear(stream), "HTTP/1.1 500 ", "Internal Server Error\n");
    expect_log("/sorry");
    expect_log("(ECANCELED)");
    say(stream, GET("/twice"));
    expect_answer(hear(stream), "HTTP/1.1 200 OK\r\n", "\r\n\r\none");
    say(stream, GET_CLOSE("/hello/you"));
    expect_answer(hear_all(stream), "HTTP/1.1 200 OK\r\n", "hello you");
    weft_close(stream);
}

static void test_server_failing_handler_is_500_and_one_line(void **state)
{
    (void)state;
    serving(check_failures, NULL, .routes = routes);
}

static void check_late(void *arg)
{
    (void)arg;
    int64_t start = weft_now();
    weft_stream *stream = dial();
    say(stream, GET("/limited"));
    expect_answer(hear(stream), "HTTP/1.1 504 ", "Gateway Timeout\n");
    assert_int_equal(weft_now() - start, WEFT_SECOND);
    expect_log("failed: Connection timed out (ETIMEDOUT)");
    say(stream, GET("/hello/you"));
    expect_answer(hear(stream), "HTTP/1.1 200 OK\r\n", "hello you");
    weft_close(stream);
}

/* Half of a response is out: nothing may follow it, not even an end. */
static void check_late_and_torn(void *arg)
{
    (void)arg;
    weft_stream *stream = dial();
    say(stream, GET("/limited/1000000"));
    assert_int_equal(weft_read_exact(stream, heard, 60000), 0);
    expect_answer(heard, "HTTP/1.1 200 OK\r\n", NULL);
    weft_sleep(2 * WEFT_SECOND);
    ssize_t n;
    while ((n = weft_read(stream, heard, sizeof heard)) > 0)
        ;
    assert_int_equal(n, -ECONNRESET);
    weft_close(stream);
}

static void test_server_torn_response_is_the_last(void **state)
{
    (void)state;
    serving(check_late_and_torn, NULL, .routes = routes);
}

static void test_server_route_timeout_is_504(void **state)
{
    (void)state;
    serving(check_late, NULL, .routes = routes);
}

/* Headers of the response. */

static int headers(weft_http *http, void *app)
{
    (void)app;
    static const char *const bad[][2] = {
        { "X", "a\r\nSet-Cookie: x=1" },
        { "X", "a\nb" },
        { "X", "a\rb" },
        { "X: y\r\nZ", "a" },
        { "", "a" },
        { "X Y", "a" },
        { "X\n", "a" },
        { "X", "\x01" },
        { "Content-Length", "5" },
        { "content-length", "5" },
        { "Date", "now" },
        { "Transfer-Encoding", "chunked" },
        { "Connection", "keep-alive" },
        { "Connection", "x" },
    };
    for (size_t i = 0; i < WF_ARRAY_SIZE(bad); i++) {
        assert_int_equal(weft_http_set_header(http, bad[i][0], bad[i][1]), -EINVAL);
        assert_int_equal(weft_http_add_header(http, bad[i][0], bad[i][1]), -EINVAL);
    }
    assert_int_equal(weft_http_set_header(http, "X-One", "1"), 0);
    assert_int_equal(weft_http_add_header(http, "x-one", "2"), 0);
    assert_int_equal(weft_http_set_header(http, "X-ONE", "3"), 0);
    assert_int_equal(weft_http_add_header(http, "Set-Cookie", "a=1"), 0);
    assert_int_equal(weft_http_add_header(http, "Set-Cookie", "b=2"), 0);
    assert_int_equal(weft_http_set_header(http, "Content-Type", "text/css"), 0);
    assert_int_equal(weft_http_set_header(http, "Empty", ""), 0);
    return weft_http_text(http, 200, "x");
}

static int many_headers(weft_http *http, void *app)
{
    (void)app;
    char name[16];
    for (int i = 0; i < 64; i++) {
        snprintf(name, sizeof name, "X-%d", i);
        assert_int_equal(weft_http_set_header(http, name, "a value that is a little longer"), 0);
    }
    assert_int_equal(weft_http_set_header(http, "X-64", "one more"), WEFT_ELIMIT);
    assert_int_equal(weft_http_set_header(http, "X-63", "again"), 0);
    assert_int_equal(weft_http_set_header(http, "Connection", "close"), 0);
    return weft_http_text(http, 200, "x");
}

/* A content type that splits the response never leaves the house. */
static int bad_type(weft_http *http, void *app)
{
    (void)app;
    assert_int_equal(weft_http_send(http, 200, "text/html\r\nX: y", "x", 1), -EINVAL);
    return weft_http_send(http, 200, NULL, "x", 1);
}

static const weft_http_route header_routes[] = {
    { "GET", "/headers", headers, NULL },
    { "GET", "/many", many_headers, NULL },
    { "GET", "/type", bad_type, NULL },
    { NULL, NULL, NULL, NULL },
};

static void check_headers(void *arg)
{
    (void)arg;
    assert_string_equal(ask(GET_CLOSE("/headers")), "HTTP/1.1 200 OK\r\n"
                                                    "Content-Type: text/css\r\n"
                                                    "Content-Length: 1\r\n"
                                                    "Connection: close\r\n"
                                                    "X-ONE: 3\r\n"
                                                    "Set-Cookie: a=1\r\n"
                                                    "Set-Cookie: b=2\r\n"
                                                    "Empty: \r\n"
                                                    "\r\nx");
    weft_stream *stream = dial();
    say(stream, GET("/many"));
    expect_text(hear_all(stream), "Connection: close\r\n");
    expect_text(heard, "X-63: again\r\n\r\nx");
    weft_close(stream);
    assert_string_equal(ask(GET_CLOSE("/type")), "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
                                                 "Connection: close\r\n\r\nx");
}

static void test_server_header_that_splits_the_response_is_refused(void **state)
{
    (void)state;
    serving(check_headers, NULL, .routes = header_routes);
}

/* What a handler can ask. */

static int asked(weft_http *http, void *app)
{
    weft_http_field field;
    assert_string_equal(app, "the app");
    assert_string_equal(weft_http_method(http), "POST");
    assert_string_equal(weft_http_path(http), "/ask%20me/x");
    assert_string_equal(weft_http_query_text(http), "a=1");
    assert_string_equal(weft_http_header(http, "x-A"), "one");
    assert_string_equal(weft_http_header(http, "Empty"), "");
    assert_string_equal(weft_http_header(http, "HOST"), weft_http_host(http));
    assert_null(weft_http_header(http, "X"));
    assert_string_equal(weft_http_peer(http), "mem:server");
    assert_string_equal(weft_http_body(http).data, "body");
    assert_int_equal(weft_http_body(http).size, 4);
    static const char *const names[] = { "Host", "Content-Length", "X-A", "x-a", "Empty" };
    for (size_t i = 0; i < WF_ARRAY_SIZE(names); i++) {
        assert_true(weft_http_header_at(http, i, &field));
        assert_string_equal(field.name, names[i]);
    }
    assert_true(weft_http_header_at(http, 3, &field));
    assert_string_equal(field.value, "two");
    assert_false(weft_http_header_at(http, 5, &field));
    assert_string_equal(weft_http_header(http, "x-A"), "one");
    assert_true(weft_http_header_at(http, 0, &field));
    assert_string_equal(field.value, weft_http_host(http));
    return weft_http_text(http, 200, "for %s", weft_http_host(http));
}

static const weft_http_route asked_routes[] = {
    { "POST", "/ask me/x", asked, NULL },
    { NULL, NULL, NULL, NULL },
};

static void check_asked(void *arg)
{
    (void)arg;
    expect_answer(ask("POST /ask%20me/x?a=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n"
                      "X-A:  one \r\nx-a: two\r\nEmpty:\r\n\r\nbody"),
                  "HTTP/1.1 200 OK\r\n", "for h");
    expect_answer(ask("POST http://other:81/ask%20me/x?a=1 HTTP/1.1\r\nHost: h\r\n"
                      "Content-Length: 4\r\nX-A:  one \r\nx-a: two\r\nEmpty:\r\n\r\nbody"),
                  "HTTP/1.1 200 OK\r\n", "for other:81");
}

static void test_server_request_can_be_asked(void **state)
{
    (void)state;
    serving(check_asked, NULL, .routes = asked_routes, .app = (char *)"the app");
}

/* Expect: 100-continue. */

static void check_expect(void *arg)
{
    (void)arg;
    weft_stream *stream = dial();
    say(stream, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
                "Expect: 100-continue\r\n\r\n");
    assert_string_equal(hear(stream), "HTTP/1.1 100 Continue\r\n\r\n");
    say(stream, "abc");
    expect_answer(hear(stream), "HTTP/1.1 200 OK\r\n", "abc");
    /* Nobody waits for the word where the body has come, and a refusal comes before the body. */
    say(stream, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
                "Expect: 100-continue\r\n\r\nabc");
    expect_answer(hear(stream), "HTTP/1.1 200 OK\r\n", "abc");
    say(stream, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
                "Expect: something else\r\n\r\n");
    weft_sleep(WEFT_MILLISECOND);
    say(stream, "abc");
    expect_answer(hear(stream), "HTTP/1.1 200 OK\r\n", "abc");
    say(stream, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999\r\n"
                "Expect: 100-continue\r\n\r\n");
    expect_answer(hear_all(stream), "HTTP/1.1 413 ", NULL);
    weft_close(stream);
    static const struct {
        const char *line, *answer;
    } unwanted[] = {
        { "POST /none", "HTTP/1.1 404 " },
        { "POST /hello/you", "HTTP/1.1 405 " },
        { "POST /%zz", "HTTP/1.1 400 " },
    };
    for (size_t i = 0; i < WF_ARRAY_SIZE(unwanted); i++) {
        stream = dial();
        say(stream, unwanted[i].line);
        say(stream, " HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
        expect_answer(hear_all(stream), unwanted[i].answer, NULL);
        expect_text(heard, "Connection: close\r\n");
        weft_close(stream);
    }
}

static void test_server_expectation_is_met(void **state)
{
    (void)state;
    serving(check_expect, NULL, .routes = routes);
}

/* The access log. */

static void check_access(void *arg)
{
    (void)arg;
    weft_log_set_level(WEFT_LOG_ACCESS, WEFT_LOG_INFO);
    ask(GET("/hello/you?a=b"));
    expect_log("GET /hello/you 200 9 0us");
    ask(GET("/slow"));
    expect_log("GET /slow 200 5 3000000us");
    ask("HEAD /hello/you HTTP/1.1\r\nHost: h\r\n\r\n");
    expect_log("HEAD /hello/you 200 0 0us");
    ask("rubbish\r\n\r\n");
    expect_log("- - 400 ");
    ask("");
}

static void test_server_access_log_has_a_line_a_request(void **state)
{
    (void)state;
    serving(check_access, NULL, .routes = routes);
}

/* Drain. */

/* Idle, fresh and busy clients when the server is cancelled. */
static void check_drain(void *arg)
{
    (void)arg;
    weft_stream *idle = dial(), *busy = dial(), *partial = dial(), *fresh = dial();
    say(idle, GET("/hello/you"));
    hear(idle);
    say(busy, GET("/slow") GET("/hello/never"));
    say(partial, "GET /hello/par");
    weft_sleep(WEFT_MILLISECOND);
    int64_t start = weft_now();
    weft_task_cancel(site->server, "drain");
    assert_string_equal(hear_all(idle), "");
    assert_string_equal(hear_all(fresh), "");
    assert_in_range(weft_now() - start, 0, 2 * WEFT_MILLISECOND);
    weft_stream *late;
    assert_int_equal(weft_connect(&late, "mem:server"), -ECONNREFUSED);
    say(partial, "tial HTTP/1.1\r\nHost: h\r\n\r\n");
    expect_answer(hear_all(partial), "HTTP/1.1 200 OK\r\n", "hello partial");
    expect_text(heard, "Connection: close\r\n");
    assert_in_range(weft_now() - start, 0, 2 * WEFT_MILLISECOND);
    weft_close(partial);
    expect_answer(hear_all(busy), "HTTP/1.1 200 OK\r\n", "slept");
    expect_text(heard, "Connection: close\r\n");
    assert_in_range(weft_now() - start, 2 * WEFT_SECOND, 3 * WEFT_SECOND);
    weft_close(idle);
    weft_close(busy);
    weft_close(fresh);
    assert_int_equal(weft_await(site->server), 0);
    assert_in_range(weft_now() - start, 2 * WEFT_SECOND, 3 * WEFT_SECOND);
}

static void test_semantics_19_server_drains_when_cancelled(void **state)
{
    (void)state;
    serving(check_drain, NULL, .routes = routes);
}

static void check_drain_over(void *arg)
{
    (void)arg;
    weft_stream *busy = dial();
    char byte;
    say(busy, GET("/slow"));
    weft_sleep(WEFT_MILLISECOND);
    int64_t start = weft_now();
    weft_task_cancel(site->server, "drain");
    assert_int_equal(weft_read(busy, &byte, 1), -ECONNRESET);
    assert_int_equal(weft_now() - start, WEFT_SECOND);
    weft_close(busy);
    assert_int_equal(weft_await(site->server), 0);
}

static void test_semantics_19_drain_ends_in_time(void **state)
{
    (void)state;
    serving(check_drain_over, NULL, .routes = routes, .drain = WEFT_SECOND);
}

static void check_no_drain(void *arg)
{
    (void)arg;
    weft_stream *busy = dial();
    char byte;
    say(busy, GET("/slow"));
    weft_sleep(WEFT_MILLISECOND);
    int64_t start = weft_now();
    weft_task_cancel(site->server, "drain");
    assert_int_equal(weft_read(busy, &byte, 1), -ECONNRESET);
    assert_int_equal(weft_now() - start, 0);
    weft_close(busy);
}

static void test_server_negative_drain_is_none(void **state)
{
    (void)state;
    serving(check_no_drain, NULL, .routes = routes, .drain = -1);
}

static int stop_main(void *arg)
{
    (void)arg;
    weft_listener *listener;
    struct http_site stopped = { .options.routes = routes };
    weft_scope scope;
    assert_int_equal(weft_listen(&listener, "mem:server"), 0);
    stopped.listener = listener;
    weft_scope_begin(&scope);
    weft_spawn(&scope, site_serve, &stopped);
    weft_stream *busy = dial();
    say(busy, GET("/slow"));
    weft_sleep(WEFT_MILLISECOND);
    weft_listener_stop(listener);
    expect_answer(hear_all(busy), "HTTP/1.1 200 OK\r\n", "slept");
    weft_close(busy);
    assert_int_equal(weft_scope_end(&scope), 0);
    assert_int_equal(stopped.result, 0);
    weft_listener_close(listener);
    return 0;
}

static void test_server_stopped_listener_drains_and_ends(void **state)
{
    (void)state;
    assert_int_equal(run(stop_main, NULL), 0);
}

/* Memory. */

static uint64_t allocations_of(weft_stream *stream, const char *request, int times)
{
    uint64_t before = wf_memory_count();
    for (int i = 0; i < times; i++) {
        say(stream, request);
        hear(stream);
    }
    return wf_memory_count() - before;
}

static void check_memory(void *arg)
{
    (void)arg;
    static const char *const requests[] = {
        GET("/hello/you"),
        POST("some data", "9"),
        GET("/none"),
        GET("/large/30000"),
        "GET /hello/%79ou?a=b HTTP/1.1\r\nHost: h\r\nA: b\r\nC: d\r\nE: f\r\nG: h\r\n\r\n",
    };
    weft_stream *streams[4];
    for (size_t i = 0; i < WF_ARRAY_SIZE(streams); i++)
        streams[i] = dial();
    for (size_t i = 0; i < WF_ARRAY_SIZE(requests); i++) {
        for (size_t s = 0; s < WF_ARRAY_SIZE(streams); s++)
            allocations_of(streams[s], requests[i], 4);
        uint64_t count = 0;
        for (size_t s = 0; s < WF_ARRAY_SIZE(streams); s++)
            count += allocations_of(streams[s], requests[i], 100);
        assert_int_equal(count, 0);
    }
    for (size_t i = 0; i < WF_ARRAY_SIZE(streams); i++)
        weft_close(streams[i]);
}

static void test_server_steady_state_allocates_nothing(void **state)
{
    (void)state;
    serving(check_memory, NULL, .routes = routes);
}

static void check_exhausted(void *arg)
{
    (void)arg;
    expect_answer(ask(GET("/large/900000")), "HTTP/1.1 500 ", NULL);
    expect_log("(ENOMEM)");
    expect_answer(ask(POST("abc", "3")), "HTTP/1.1 200 OK\r\n", "abc");
    expect_answer(ask("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 99999\r\n\r\n"),
                  "HTTP/1.1 503 ", NULL);
    expect_answer(ask("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100001\r\n\r\n"),
                  "HTTP/1.1 413 ", NULL);
}

static void test_server_exchange_has_a_memory_limit(void **state)
{
    (void)state;
    serving(check_exhausted, NULL, .routes = routes, .memory_max = 100000);
}

/* One allocation fails, any: the server answers or closes, and serves the next. */
static void check_no_memory(void *arg)
{
    (void)arg;
    for (long n = 1; n < 60; n++) {
        struct wf_memory_fault fault = { .countdown = n };
        weft_stream *stream = NULL;
        char byte;
        wf_memory_fault_set(&fault);
        if (weft_connect(&stream, "mem:server") == 0 &&
            weft_write(stream, POST("abc", "3"), strlen(POST("abc", "3"))) == 0 &&
            weft_shutdown_write(stream) == 0)
            while (weft_read(stream, &byte, 1) > 0)
                ;
        weft_close(stream);
        weft_sleep(10 * WEFT_SECOND);
        wf_memory_fault_set(NULL);
        logged_count = 0;
        expect_answer(ask(POST("abc", "3")), "HTTP/1.1 200 OK\r\n", "abc");
    }
}

static void test_server_survives_any_failed_allocation(void **state)
{
    (void)state;
    serving(check_no_memory, NULL, .routes = routes);
}

/* Options whose size nobody has set are those of the first release. */
static int serve_without_size(void *listener)
{
    const struct weft_http_serve_options options = { .routes = routes, .body_max = 3 };
    int err = weft_http_serve_on_with(listener, &options);
    return err == -ECANCELED ? 0 : err;
}

static int ask_without_size(void *arg)
{
    (void)arg;
    weft_listener *listener;
    weft_scope scope;
    assert_int_equal(weft_listen(&listener, "mem:server"), 0);
    weft_scope_begin(&scope);
    assert_int_equal(weft_spawn(&scope, serve_without_size, listener), 0);
    expect_answer(ask(POST("abc", "3")), "HTTP/1.1 200 OK\r\n", "abc");
    expect_answer(ask(POST("abcd", "4")), "HTTP/1.1 413 ", NULL);
    weft_scope_cancel(&scope, "the test is over");
    assert_int_equal(weft_scope_end(&scope), 0);
    weft_listener_close(listener);
    return 0;
}

static void test_server_options_may_lack_their_size(void **state)
{
    (void)state;
    assert_int_equal(run(ask_without_size, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_test(test_server_response_is_exact),
        http_test(test_server_response_has_a_date),
        http_test(test_server_status_decides_about_the_body),
        http_test(test_server_bodies_of_all_sizes_arrive),
        http_test(test_server_texts_of_all_sizes_arrive),
        http_test(test_server_connection_serves_many),
        http_test(test_server_version_10_closes_unless_asked),
        http_test(test_server_pipelined_requests_are_answered_in_order),
        http_test(test_server_requests_may_come_in_pieces),
        http_test(test_server_client_that_never_reads_is_bounded_and_left),
        http_test(test_server_half_closed_client_is_answered),
        http_test(test_server_request_may_end_at_any_byte),
        http_test(test_server_client_that_goes_away_disturbs_nobody),
        http_test(test_server_failing_handler_is_500_and_one_line),
        http_test(test_server_route_timeout_is_504),
        http_test(test_server_torn_response_is_the_last),
        http_test(test_server_header_that_splits_the_response_is_refused),
        http_test(test_server_request_can_be_asked),
        http_test(test_server_expectation_is_met),
        http_test(test_server_access_log_has_a_line_a_request),
        http_test(test_semantics_19_server_drains_when_cancelled),
        http_test(test_semantics_19_drain_ends_in_time),
        http_test(test_server_negative_drain_is_none),
        http_test(test_server_stopped_listener_drains_and_ends),
        http_test(test_server_steady_state_allocates_nothing),
        http_test(test_server_exchange_has_a_memory_limit),
        http_test(test_server_survives_any_failed_allocation),
        http_test(test_server_options_may_lack_their_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
