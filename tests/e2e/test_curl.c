/* The HTTP server over TCP, in real time: curl asks, and so do weft's own client and clients of
 * bytes that behave badly. curl runs in a child process that a pool thread waits for. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft.h>
#include <weft/http.h>

/* The server. */

static int hello(weft_http *http, void *app)
{
    (void)app;
    return weft_http_text(http, 200, "hello %s\n", weft_http_param(http, "name"));
}

static int echo(weft_http *http, void *app)
{
    (void)app;
    weft_slice body = weft_http_body(http);
    return weft_http_send(http, 200, weft_http_header(http, "Content-Type"), body.data, body.size);
}

static int large(weft_http *http, void *app)
{
    (void)app;
    static char data[3 << 20];
    memset(data, 'x', sizeof data);
    return weft_http_send(http, 200, "text/plain", data, sizeof data);
}

/* Answers when the server has begun to drain: posted by the test. */
static bool begun, may_end;

static int slow(weft_http *http, void *app)
{
    (void)app;
    begun = true;
    while (!may_end) {
        int err = weft_sleep(WEFT_MILLISECOND);
        if (err < 0)
            return err;
    }
    return weft_http_text(http, 200, "done\n");
}

static const weft_http_route routes[] = {
    { "GET", "/hello/:name", hello, NULL }, { "POST", "/echo", echo, NULL },
    { "PUT", "/echo", echo, NULL },         { "GET", "/large", large, NULL },
    { "GET", "/slow", slow, NULL },         { NULL, NULL, NULL, NULL },
};

struct site {
    void (*body)(const char *address);
    const char *listen;
    weft_listener *listener;
};

static weft_task *server;

static int serve(void *arg)
{
    struct site *site = arg;
    int err = weft_http_serve_on(site->listener, routes, .body_max = 4 << 20,
                                 .header_timeout = 300 * WEFT_MILLISECOND);
    return err == -ECANCELED ? 0 : err;
}

static int site_main(void *arg)
{
    struct site *site = arg;
    weft_scope scope;
    int err = weft_listen(&site->listener, site->listen);
    if (err < 0)
        return err;
    begun = may_end = false;
    weft_scope_begin(&scope);
    assert_int_equal(weft_spawn(&scope, serve, site, .task = &server), 0);
    site->body(weft_listener_address(site->listener));
    weft_task_cancel(server, "the test is over");
    assert_int_equal(weft_scope_end(&scope), 0);
    weft_task_release(server);
    weft_listener_close(site->listener);
    return 0;
}

static void serving(void (*body)(const char *address))
{
    struct site site = { .body = body, .listen = "127.0.0.1:0" };
    assert_int_equal(weft_run(site_main, &site), 0);
}

/* curl. */

struct curl {
    char command[1024];
    char output[4 << 20]; /* both of its streams */
    size_t size;
};

static int run_curl(void *arg)
{
    struct curl *curl = arg;
    FILE *pipe = popen(curl->command, "r");
    if (!pipe)
        return -errno;
    curl->size = fread(curl->output, 1, sizeof curl->output - 1, pipe);
    curl->output[curl->size] = '\0';
    return pclose(pipe);
}

static struct curl shared;

/* What curl prints; it must succeed. %s in `arguments` is the server. */
__attribute__((format(printf, 1, 2))) static const char *curl(const char *arguments, ...)
{
    char given[900];
    va_list list;
    va_start(list, arguments);
    vsnprintf(given, sizeof given, arguments, list);
    va_end(list);
    snprintf(shared.command, sizeof shared.command, "curl -q -sS -m 20 %s 2>&1", given);
    int err = weft_blocking(run_curl, &shared);
    if (err != 0)
        fail_msg("%s\nended with %d:\n%s", shared.command, err, shared.output);
    return shared.output;
}

static void expect_part(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("expected '%s' in:\n%.2000s", part, text);
}

static void check_curl(const char *at)
{
    assert_string_equal(curl("http://%s/hello/you", at), "hello you\n");
    assert_string_equal(curl("--http1.0 http://%s/hello/you", at), "hello you\n");
    expect_part(curl("-i http://%s/hello/a%%20b", at), "HTTP/1.1 200 OK\r\n");
    expect_part(shared.output, "Date: ");
    expect_part(shared.output, "Content-Length: 10\r\n\r\nhello a b\n");
    expect_part(curl("-I http://%s/hello/you", at), "Content-Length: 10\r\n");
    expect_part(curl("-i http://%s/none", at), "HTTP/1.1 404 Not Found\r\n");
    expect_part(curl("-i -X DELETE http://%s/echo", at), "Allow: POST, PUT, OPTIONS\r\n");
    expect_part(curl("-i -X OPTIONS http://%s/echo", at), "HTTP/1.1 204 No Content\r\n");
    expect_part(curl("-i -H 'A;' -d some=data http://%s/echo", at),
                "Content-Type: application/x-www-form-urlencoded\r\n");
    expect_part(shared.output, "\r\n\r\nsome=data");
    expect_part(curl("-i -H 'Transfer-Encoding: chunked' -d some=data http://%s/echo", at),
                "\r\n\r\nsome=data");
    expect_part(curl("-i --path-as-is http://%s/hello/%%zz", at), "HTTP/1.1 400 Bad Request\r\n");
}

static void test_curl_understands_the_server(void **state)
{
    (void)state;
    serving(check_curl);
}

/* Three requests, and how many connections they took. */
static void check_keep_alive(const char *at)
{
    curl("-w '%%{num_connects}\\n' -o /dev/null -o /dev/null -o /dev/null "
         "http://%s/hello/1 http://%s/hello/2 http://%s/hello/3",
         at, at, at);
    assert_string_equal(shared.output, "1\n0\n0\n");
    curl("-w '%%{num_connects}\\n' -o /dev/null -o /dev/null -H 'Connection: close' "
         "http://%s/hello/1 http://%s/hello/2",
         at, at);
    assert_string_equal(shared.output, "1\n1\n");
}

static void test_curl_keeps_the_connection(void **state)
{
    (void)state;
    serving(check_keep_alive);
}

/* Large in both directions: with "Expect: 100-continue", which curl says of itself there, and too
 * large, which it must hear before it has sent it all. */
static void check_large(const char *at)
{
    curl("http://%s/large", at);
    assert_int_equal(shared.size, 3 << 20);
    assert_int_equal(strspn(shared.output, "x"), shared.size);
    curl(
        "http://%s/large 2>/dev/null | head -c 2000000 | curl -q -sS -T - -X PUT -H 'Transfer-Encoding:' "
        "-H 'Content-Length: 2000000' http://%s/echo",
        at, at);
    assert_int_equal(shared.size, 2000000);
    assert_int_equal(strspn(shared.output, "x"), shared.size);
    curl(
        "http://%s/large 2>/dev/null | head -c 2000000 | curl -q -sS -v -T - -X PUT -H 'Transfer-Encoding:' "
        "-H 'Expect: 100-continue' -H 'Content-Length: 2000000' http://%s/echo -o /dev/null",
        at, at);
    expect_part(shared.output, "HTTP/1.1 100 Continue");
    curl("http://%s/large 2>/dev/null | curl -q -sS -i -T - -X PUT -H 'Transfer-Encoding:' "
         "-H 'Content-Length: 5000000' http://%s/echo",
         at, at);
    expect_part(shared.output, "HTTP/1.1 413 Content Too Large\r\n");
}

static void test_curl_large_bodies_arrive(void **state)
{
    (void)state;
    serving(check_large);
}

/* A request in flight when the server is cancelled. */
static int cancel_server(void *arg)
{
    (void)arg;
    while (!begun)
        weft_sleep(WEFT_MILLISECOND);
    weft_task_cancel(server, "drain");
    weft_sleep(10 * WEFT_MILLISECOND);
    may_end = true;
    return 0;
}

static void check_drain(const char *at)
{
    weft_scope scope;
    weft_scope_begin(&scope);
    weft_spawn(&scope, cancel_server, NULL);
    expect_part(curl("-i http://%s/slow", at), "Connection: close\r\n");
    expect_part(shared.output, "\r\n\r\ndone\n");
    assert_int_equal(weft_scope_end(&scope), 0);
}

static void test_curl_request_in_flight_survives_the_drain(void **state)
{
    (void)state;
    serving(check_drain);
}

/* weft's own client. */

static weft_arena *arena;

static const char *fetched(const char *at, const char *path)
{
    static char body[100];
    weft_http_call call = { .arena = arena };
    call.url = weft_arena_format(arena, "http://%s%s", at, path);
    if (weft_http_fetch(&call) != 200)
        fail_msg("%s", call.detail);
    snprintf(body, sizeof body, "%s", call.body);
    weft_arena_reset(arena);
    return body;
}

static void check_client(const char *at)
{
    assert_int_equal(weft_arena_new(&arena, SIZE_MAX), 0);
    for (int i = 0; i < 200; i++)
        assert_string_equal(fetched(at, "/hello/you"), "hello you\n");
    static char data[2 << 20];
    weft_http_call call = { .arena = arena, .data = data, .size = sizeof data };
    call.url = weft_arena_format(arena, "http://%s/echo", at);
    assert_int_equal(weft_http_fetch(&call), 200);
    assert_int_equal(call.body_size, sizeof data);
    call = (weft_http_call){ .arena = arena, .url = "http://127.0.0.1:1/" };
    assert_int_equal(weft_http_fetch(&call), -ECONNREFUSED);
    expect_part(call.detail, "http://127.0.0.1:1/: connect: ");
    weft_arena_free(arena);
}

static void test_client_works_over_tcp(void **state)
{
    (void)state;
    serving(check_client);
}

static void check_client_v6(const char *at)
{
    assert_int_equal(weft_arena_new(&arena, 0), 0);
    expect_part(at, "[::1]:");
    assert_string_equal(fetched(at, "/hello/six"), "hello six\n");
    weft_arena_free(arena);
}

static void test_client_works_over_ipv6(void **state)
{
    (void)state;
    struct site site = { .body = check_client_v6, .listen = "[::1]:0" };
    int err = weft_run(site_main, &site);
    if (err == -EADDRNOTAVAIL || err == -EAFNOSUPPORT)
        skip();
    assert_int_equal(err, 0);
}

/* Clients of bytes. */

static char heard[5 << 20];

/* What comes until the end, or the error. */
static ssize_t hear(weft_stream *stream)
{
    size_t size = 0;
    ssize_t n;
    while ((n = weft_read(stream, heard + size, sizeof heard - 1 - size)) > 0)
        size += (size_t)n;
    heard[size] = '\0';
    return n;
}

static weft_stream *dial(const char *at, const char *text)
{
    weft_stream *stream;
    assert_int_equal(weft_connect(&stream, at), 0);
    assert_int_equal(weft_write(stream, text, strlen(text)), 0);
    return stream;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

static void check_bad_clients(const char *at)
{
    static char flood[900000]; /* behind a refused head; dropped by the server, never parsed */
    weft_stream *silent = dial(at, ""), *started = dial(at, "GET /"),
                *refused = dial(at, "rubbish\n");
    assert_int_equal(weft_write(refused, flood, sizeof flood), 0);
    assert_int_equal(hear(refused), 0); /* the answer, then the end, and no reset between */
    expect_part(heard, "HTTP/1.1 400 Bad Request\r\n");
    weft_close(refused);

    weft_stream *half = dial(at, GET("/hello/half"));
    assert_int_equal(weft_shutdown_write(half), 0);
    assert_int_equal(hear(half), 0);
    expect_part(heard, "\r\n\r\nhello half\n");
    weft_close(half);

    weft_abort(dial(at, GET("/large")));
    weft_abort(dial(at, GET("/hello/gone")));
    weft_abort(dial(at, "GET /hel"));
    weft_close(dial(at, GET("/large")));

    weft_stream *pipelined = dial(at, GET("/hello/1") GET("/large") GET("/hello/2") "X");
    assert_int_equal(hear(pipelined), 0);
    expect_part(heard, "\r\n\r\nhello 1\n");
    expect_part(heard, "\r\n\r\nhello 2\nHTTP/1.1 408 Request Timeout\r\n");
    weft_close(pipelined);

    assert_int_equal(hear(silent), 0);
    expect_part(heard, "HTTP/1.1 408 Request Timeout\r\n");
    assert_int_equal(hear(started), 0);
    expect_part(heard, "HTTP/1.1 408 Request Timeout\r\n");
    weft_close(silent);
    weft_close(started);
    assert_string_equal(curl("http://%s/hello/you", at), "hello you\n");
}

static void test_server_bad_clients_disturb_nobody(void **state)
{
    (void)state;
    serving(check_bad_clients);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_curl_understands_the_server),
        cmocka_unit_test(test_curl_keeps_the_connection),
        cmocka_unit_test(test_curl_large_bodies_arrive),
        cmocka_unit_test(test_curl_request_in_flight_survives_the_drain),
        cmocka_unit_test(test_client_works_over_tcp),
        cmocka_unit_test(test_client_works_over_ipv6),
        cmocka_unit_test(test_server_bad_clients_disturb_nobody),
    };
    if (system("command -v curl >/dev/null") != 0) {
        puts("not installed: curl");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
