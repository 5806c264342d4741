/* A client that may have so many connections: what waits, what goes on, and what is left when
 * something fails meanwhile. test_pool_line.c has the order of the line. */

#include "http_test.h"

#include "http/client.h"

#include <weft/error.h>

#define S WEFT_SECOND

static weft_http_client *client;
static weft_arena *arena;
static int busy, busy_max; /* handlers at one time */

static int doze(weft_http *http, void *app)
{
    (void)app;
    busy_max = ++busy > busy_max ? busy : busy_max;
    int err = weft_sleep(S);
    busy--;
    return err < 0 ? err : weft_http_text(http, 200, "%s", weft_http_path(http));
}

static const weft_http_route routes[] = {
    { "GET", "/:a", doze, NULL },
    { "POST", "/:a", doze, NULL },
    { NULL, NULL, NULL, NULL },
};

struct limits {
    void (*body)(void);
    uint32_t all, host;
};

/* a, b and c are hosts of their own: each has an address, and the server answers at all. */
static void limited_main(void *arg)
{
    const struct limits *limits = arg;
    busy = busy_max = 0;
    assert_int_equal(weft_arena_new(&arena, (size_t)16 << 20), 0);
    assert_int_equal(weft_http_client_new(&client, .connections_max = limits->all,
                                          .host_connections_max = limits->host),
                     0);
    assert_int_equal(weft_http_client_map(client, "a", "mem:server"), 0);
    weft_sleep(0); /* let the server begin */
    limits->body();
    weft_http_client_free(client);
    weft_arena_free(arena);
}

static void limited(void (*body)(void), uint32_t all, uint32_t host)
{
    serving(limited_main, (&(struct limits){ body, all, host }), .routes = routes, .drain = -1);
}

#define CALL(...)                                                                                  \
    (weft_http_call)                                                                               \
    {                                                                                              \
        .arena = arena, .client = client, .url = "http://a/x", ##__VA_ARGS__                       \
    }

/* Nine at once over three connections. */
static void check_fetches(void)
{
    weft_scope scope;
    weft_http_call calls[9];
    int64_t start = weft_now();
    weft_scope_begin(&scope);
    for (int i = 0; i < 9; i++) {
        calls[i] = CALL();
        assert_int_equal(weft_spawn(&scope, weft_http_fetch, &calls[i]), 0);
    }
    assert_int_equal(weft_scope_end(&scope), 0);
    for (int i = 0; i < 9; i++)
        assert_int_equal(calls[i].status, 200);
    assert_int_equal(busy_max, 3);
    assert_int_equal(weft_now() - start, 3 * S);
    assert_int_equal(client->pool.place_count, 3);
    assert_int_equal(client->pool.idle_count, 3);
}

static void test_limits_hold_for_a_host_and_for_all(void **state)
{
    (void)state;
    limited(check_fetches, 0, 3);
    limited(check_fetches, 3, 0);
    limited(check_fetches, 3, 5);
}

static void check_defaults(void)
{
    assert_int_equal(client->pool.place_max, 65536);
    assert_int_equal(client->pool.host_place_max, 10000);
}

static void test_limits_are_there_without_being_asked_for(void **state)
{
    (void)state;
    limited(check_defaults, 0, 0);
}

/* An open call has its connection until it is closed. */
static int fetch_after(void *arg)
{
    weft_http_call *call = arg;
    int status = weft_http_fetch(call);
    return status == 200 ? 0 : status;
}

static void check_open(void)
{
    weft_scope scope;
    char byte;
    for (int read = 0; read < 2; read++) {
        weft_http_call open = CALL(), fetch = CALL();
        assert_int_equal(weft_http_open(&open), 200);
        if (read)
            assert_int_equal(weft_http_call_read(&open, &byte, 1), 1);
        weft_scope_begin(&scope);
        assert_int_equal(weft_spawn(&scope, fetch_after, &fetch), 0);
        weft_sleep(5 * S);
        assert_int_equal(fetch.status, 0);
        assert_int_equal(busy, 0);
        int64_t start = weft_now();
        weft_http_call_close(&open);
        assert_int_equal(weft_scope_end(&scope), 0);
        assert_int_equal(fetch.status, 200);
        assert_int_equal(weft_now() - start, S);
    }
}

static void test_limits_count_open_calls(void **state)
{
    (void)state;
    limited(check_open, 1, 1);
}

/* The time in line counts, and who leaves the line leaves nothing behind. */
static void check_timeout(void)
{
    weft_scope scope, limit;
    weft_http_call first = CALL(), second = CALL(), third = CALL();
    weft_scope_begin(&scope);
    assert_int_equal(weft_spawn(&scope, fetch_after, &first), 0);
    weft_sleep(1);
    weft_scope_begin(&limit, .timeout = S / 2);
    int err = weft_http_fetch(&second);
    assert_int_equal(err, -ECANCELED);
    assert_int_equal(weft_scope_leave(&limit, err), -ETIMEDOUT);
    expect_text(second.detail, "http://a/x: wait: ");
    assert_int_equal(weft_http_fetch(&third), 200);
    assert_int_equal(weft_scope_end(&scope), 0);
    assert_int_equal(busy_max, 1);
}

static void test_limits_let_a_call_wait_as_long_as_its_scope(void **state)
{
    (void)state;
    limited(check_timeout, 0, 1);
}

/* A connection that fails, and one that cannot be made, make room as any other. */
static void check_failures(void)
{
    weft_scope scope;
    weft_http_call calls[6];
    assert_int_equal(weft_http_client_map(client, "nobody", "mem:nobody"), 0);
    weft_scope_begin(&scope, .isolate = true);
    for (int i = 0; i < 6; i++) {
        calls[i] = CALL();
        if (i % 2 == 0)
            calls[i].url = "http://nobody/x";
        weft_spawn(&scope, fetch_after, &calls[i]);
    }
    assert_int_equal(weft_scope_end(&scope), 0);
    for (int i = 0; i < 6; i++)
        assert_int_equal(calls[i].status, i % 2 == 0 ? 0 : 200);
    for (int i = 0; i < 3; i++)
        expect_log("refused");
    assert_int_equal(client->pool.place_count, 1);
    assert_int_equal(client->pool.host_count, 1);
}

static void test_limits_count_nothing_that_has_failed(void **state)
{
    (void)state;
    limited(check_failures, 1, 1);
}

/* Freed, the client sends its line away; who has a connection goes on. */
static int fetch_or_shutdown(void *arg)
{
    weft_http_call *call = arg;
    int status = weft_http_fetch(call);
    if (status == -ESHUTDOWN)
        expect_text(call->detail, "http://a/x: wait: the client was freed");
    return status == 200 || status == -ESHUTDOWN ? 0 : status;
}

static void check_free(void)
{
    weft_scope scope;
    weft_http_call calls[3];
    weft_scope_begin(&scope);
    for (int i = 0; i < 3; i++) {
        calls[i] = CALL();
        weft_spawn(&scope, fetch_or_shutdown, &calls[i]);
        weft_sleep(1);
    }
    weft_http_client_free(client);
    client = NULL;
    assert_int_equal(weft_scope_end(&scope), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(calls[i].status, i == 0 ? 200 : 0);
}

static void test_limits_end_with_the_client(void **state)
{
    (void)state;
    limited(check_free, 0, 1);
}

/* The second try keeps its place: with one connection allowed it would wait for itself. */
static int closes_on_second(weft_stream *stream, void *arg)
{
    int *connections = arg;
    ++*connections;
    for (int i = 0; i < 2; i++) {
        weft_buffer *input = weft_stream_input(stream);
        while (weft_buffer_find(input, 0, "\r\n\r\n", 4) < 0)
            if (weft_fill(stream) <= 0)
                return 0;
        weft_buffer_consume(input, weft_buffer_readable(input));
        if (i == 0)
            say(stream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }
    return 0;
}

static int connections;

static void check_second_try(void)
{
    struct peer peer = { .serve = closes_on_second, .arg = &connections };
    connections = 0;
    assert_int_equal(weft_http_client_map(client, "peer", "mem:peer"), 0);
    peer_begin(&peer, "mem:peer");
    for (int i = 0; i < 4; i++) {
        weft_http_call call = CALL();
        call.url = "http://peer/";
        assert_int_equal(weft_http_fetch(&call), 200);
        assert_int_equal(client->pool.place_count, 1);
    }
    assert_int_equal(connections, 4); /* each but the first is a second try */
    peer_end(&peer);
}

static void test_limits_leave_the_second_try_its_place(void **state)
{
    (void)state;
    limited(check_second_try, 1, 1);
}

/* A call that is cancelled before it has sent anything leaves the connection for the next. */
static void check_unused(void)
{
    weft_scope scope;
    weft_http_call call = CALL();
    assert_int_equal(weft_http_fetch(&call), 200);
    weft_scope_begin(&scope);
    weft_scope_cancel(&scope, "before it begins");
    assert_int_equal(weft_http_fetch(&call), -ECANCELED);
    assert_int_equal(weft_scope_end(&scope), 0);
    assert_int_equal(client->pool.idle_count, 1);
    assert_int_equal(weft_http_fetch(&call), 200);
}

static void test_limits_waste_no_connection_on_a_call_that_sends_nothing(void **state)
{
    (void)state;
    limited(check_unused, 1, 1);
}

/* One allocation fails, any, while three wait for one connection. */
static void check_no_memory(void)
{
    int whole = 0;
    for (long n = 1; n < 80; n++) {
        weft_scope scope;
        weft_http_call calls[3];
        struct wf_memory_fault fault = { .countdown = n };
        weft_http_client_free(client);
        client = NULL;
        assert_int_equal(weft_http_client_new(&client, .host_connections_max = 1), 0);
        assert_int_equal(weft_http_client_map(client, "a", "mem:server"), 0);
        weft_scope_begin(&scope, .isolate = true);
        wf_memory_fault_set(&fault);
        for (int i = 0; i < 3; i++) {
            calls[i] = CALL();
            weft_spawn(&scope, fetch_after, &calls[i]);
        }
        weft_scope_end(&scope);
        wf_memory_fault_set(NULL);
        int good = 0;
        for (int i = 0; i < 3; i++)
            good += calls[i].status == 200;
        whole += good == 3;
        assert_true(client->pool.place_count <= 1);
        assert_int_equal(client->pool.place_count, client->pool.idle_count);
        weft_http_call after = CALL();
        assert_int_equal(weft_http_fetch(&after), 200);
        logged_count = 0;
        weft_arena_reset(arena);
    }
    assert_true(whole > 10);
}

static void test_limits_survive_any_failed_allocation(void **state)
{
    (void)state;
    limited(check_no_memory, 0, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_test(test_limits_hold_for_a_host_and_for_all),
        http_test(test_limits_are_there_without_being_asked_for),
        http_test(test_limits_count_open_calls),
        http_test(test_limits_let_a_call_wait_as_long_as_its_scope),
        http_test(test_limits_count_nothing_that_has_failed),
        http_test(test_limits_end_with_the_client),
        http_test(test_limits_leave_the_second_try_its_place),
        http_test(test_limits_waste_no_connection_on_a_call_that_sends_nothing),
        http_test(test_limits_survive_any_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
