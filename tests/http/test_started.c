/* What users test their handlers with: a server on a free port beside the test, and a request
 * without a socket, inside a loop and outside. */

#include "http_test.h"

static int hello(weft_http *http, void *app)
{
    const char *name = weft_http_param(http, "name");
    weft_http_set_header(http, "X-Host", weft_http_host(http));
    return weft_http_text(http, 200, "%s %s\n", (const char *)app, name);
}

static int late(weft_http *http, void *app)
{
    (void)app;
    int err = weft_sleep(WEFT_HOUR);
    return err < 0 ? err : weft_http_text(http, 200, "late\n");
}

static int echo(weft_http *http, void *app)
{
    (void)app;
    weft_slice body = weft_http_body(http);
    return weft_http_send(http, 200, weft_http_header(http, "Content-Type"), body.data, body.size);
}

/* A server that one of its requests would end. */
static weft_http_server *own;

static int stops_itself(weft_http *http, void *app)
{
    (void)app;
    return weft_http_text(http, 200, "%d\n", weft_http_stop(own) == -EDEADLK);
}

static const weft_http_route routes[] = {
    { "GET", "/stop", stops_itself, NULL },
    { "GET", "/hello/:name", hello, NULL },
    { "GET", "/late", late, NULL },
    { "POST", "/echo", echo, NULL },
    { NULL, NULL, NULL, NULL },
};

static const weft_http_route broken[] = {
    { "GET", "no slash", hello, NULL },
    { NULL, NULL, NULL, NULL },
};

static weft_arena *arena;

static int setup(void **state)
{
    return http_setup(state) || weft_arena_new(&arena, SIZE_MAX);
}

static int teardown(void **state)
{
    weft_arena_free(arena);
    return http_teardown(state);
}

static void expect_tries(void)
{
    weft_http_call call = { .arena = arena, .url = "/hello/you" };
    assert_int_equal(weft_http_try(&call, routes, .app = "good day"), 200);
    assert_string_equal(call.body, "good day you\n");
    assert_string_equal(weft_http_call_header(&call, "X-Host"), "test");
    assert_string_equal(call.url, "/hello/you");

    call.url = "http://shop.example:81/hello/me?x";
    assert_int_equal(weft_http_try(&call, routes, .app = "hi"), 200);
    assert_string_equal(call.body, "hi me\n");
    assert_string_equal(weft_http_call_header(&call, "X-Host"), "shop.example:81");

    call.url = "/nothing";
    assert_int_equal(weft_http_try(&call, routes, .app = "hi"), 404);
    call.url = "/echo";
    call.data = "data";
    call.size = 4;
    call.content_type = "text/x";
    assert_int_equal(weft_http_try(&call, routes), 200);
    assert_string_equal(call.body, "data");
    assert_string_equal(weft_http_call_header(&call, "Content-Type"), "text/x");
    assert_int_equal(weft_http_try(&call, routes, .body_max = 3), 413);
    call = (weft_http_call){ .arena = arena, .url = "/late" };
    assert_int_equal(weft_http_try(&call, routes), 200);
    call.url = "nonsense";
    assert_int_equal(weft_http_try(&call, routes), -EINVAL);
    call.arena = NULL;
    assert_int_equal(weft_http_try(&call, routes), -EINVAL);
}

static void test_try_outside_a_loop(void **state)
{
    (void)state;
    expect_tries();
}

static int try_inside(void *arg)
{
    (void)arg;
    expect_tries();
    return 0;
}

static void test_try_inside_a_loop(void **state)
{
    (void)state;
    assert_int_equal(run(try_inside, NULL), 0);
}

static void test_try_of_a_broken_table_fails(void **state)
{
    (void)state;
    weft_http_call call = { .arena = arena, .url = "/hello/you" };
    assert_int_equal(weft_http_try(&call, broken), -EINVAL);
    expect_log("does not begin with a slash");
    while (logged_count > 0)
        expect_log("http server");
}

static int start_and_stop(void *arg)
{
    const char *address = arg;
    weft_http_server *server;
    weft_http_call call = { .arena = arena };
    assert_int_equal(weft_http_start(&server, address, routes, .app = "welcome"), 0);
    assert_int_equal(strncmp(weft_http_url(server), "http://127.0.0.1:", 17), 0);
    call.url = weft_arena_format(arena, "%s/hello/%d", weft_http_url(server), 7);
    assert_int_equal(weft_http_fetch(&call), 200);
    assert_string_equal(call.body, "welcome 7\n");
    assert_int_equal(weft_http_stop(server), 0);
    assert_true(weft_http_fetch(&call) < 0);
    assert_int_equal(weft_http_stop(NULL), 0);
    return 0;
}

static void test_start_serves_on_a_free_port(void **state)
{
    (void)state;
    assert_int_equal(run(start_and_stop, "127.0.0.1:0"), 0);
}

/* A header of more than a stream reads ahead by itself. */
static int start_with_a_long_header(void *arg)
{
    (void)arg;
    enum { SIZE = 1500000 };
    weft_http_server *server;
    weft_stream *stream;
    char *value = weft_arena_alloc(arena, SIZE);
    memset(value, 'v', SIZE);
    assert_int_equal(
        weft_http_start(&server, "mem:start", routes, .app = "hi", .header_size_max = 2000000), 0);
    assert_int_equal(weft_connect(&stream, "mem:start"), 0);
    say(stream, "GET /hello/you HTTP/1.1\r\nHost: h\r\nA: ");
    assert_int_equal(weft_write(stream, value, SIZE), 0);
    say(stream, "\r\nConnection: close\r\n\r\n");
    expect_answer(hear_all(stream), "HTTP/1.1 200 OK\r\n", "hi you\n");
    weft_close(stream);
    return weft_http_stop(server);
}

static void test_start_takes_heads_as_long_as_its_limits(void **state)
{
    (void)state;
    assert_int_equal(run(start_with_a_long_header, NULL), 0);
}

static int stop_cancelled(void *arg)
{
    (void)arg;
    weft_http_server *server;
    weft_scope scope;
    assert_int_equal(weft_http_start(&server, "127.0.0.1:0", routes, .app = "x"), 0);
    weft_scope_begin(&scope);
    weft_scope_cancel(&scope, "a test");
    assert_int_equal(weft_http_stop(server), 0);
    weft_scope_end(&scope);
    assert_true(weft_http_start(&server, "nonsense", routes) < 0);
    assert_int_equal(weft_http_start(&server, "mem:broken", broken), 0);
    weft_sleep(WEFT_MILLISECOND);
    weft_scope_begin(&scope);
    weft_scope_cancel(&scope, "a test");
    assert_int_equal(weft_http_stop(server), -EINVAL);
    weft_scope_end(&scope);
    expect_log("does not begin with a slash");
    return 0;
}

static void test_stop_works_in_a_cancelled_scope(void **state)
{
    (void)state;
    assert_int_equal(run(stop_cancelled, NULL), 0);
}

static int stop_from_within(void *arg)
{
    (void)arg;
    weft_http_call call = { .arena = arena };
    assert_int_equal(weft_http_start(&own, "127.0.0.1:0", routes, .app = "x"), 0);
    call.url = weft_arena_format(arena, "%s/stop", weft_http_url(own));
    assert_int_equal(weft_http_fetch(&call), 200);
    assert_string_equal(call.body, "1\n");
    expect_log("would wait for its own end");
    assert_int_equal(weft_http_stop(own), 0);
    assert_true(weft_http_fetch(&call) < 0);
    return 0;
}

static void test_stop_of_a_handlers_own_server_is_refused(void **state)
{
    (void)state;
    assert_int_equal(run(stop_from_within, NULL), 0);
}

static int start_each(void *arg)
{
    struct wf_memory_fault fault = { 0 };
    (void)arg;
    for (long n = 1;; n++) {
        weft_http_server *server = NULL;
        fault = (struct wf_memory_fault){ .countdown = n };
        wf_memory_fault_set(&fault);
        int err = weft_http_start(&server, "mem:start", routes, .app = "x");
        wf_memory_fault_set(NULL);
        if (err == 0)
            weft_http_stop(server);
        if (fault.injected == 0)
            return err;
    }
}

static void test_start_survives_any_failed_allocation(void **state)
{
    (void)state;
    assert_int_equal(run(start_each, NULL), 0);
    logged_count = 0; /* a spawn that fails in the background says so */
}

#define started_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        started_test(test_try_outside_a_loop),
        started_test(test_try_inside_a_loop),
        started_test(test_try_of_a_broken_table_fails),
        started_test(test_start_serves_on_a_free_port),
        started_test(test_start_takes_heads_as_long_as_its_limits),
        started_test(test_stop_works_in_a_cancelled_scope),
        started_test(test_stop_of_a_handlers_own_server_is_refused),
        started_test(test_start_survives_any_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
