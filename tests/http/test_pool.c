/* Kept connections: how many, for how long, which is taken. */

#include "http_test.h"

#include "http/pool.h"

#include <unistd.h>

/* A pool over memory pairs: the near halves are kept, the far ones show what became of them. */
static struct wf_http_pool pool;
static weft_arena *arena;

static weft_stream *put(const char *address)
{
    weft_stream *near, *far;
    assert_int_equal(weft_memory_pair(&near, &far), 0);
    wf_http_pool_put(&pool, address, near);
    return far;
}

/* Whether the near half has been closed. */
static bool is_closed(weft_stream *far)
{
    char byte;
    return weft_read_try(far, &byte, 1) == 0;
}

/* The far half's peer is `near`. */
static void expect_taken(weft_stream *far, const char *address)
{
    char byte = 0;
    weft_stream *near = wf_http_pool_take(&pool, address);
    assert_non_null(near);
    assert_int_equal(weft_write(near, "x", 1), 0);
    weft_sleep(0);
    assert_int_equal(weft_read_try(far, &byte, 1), 1);
    assert_int_equal(byte, 'x');
    weft_close(near);
    weft_close(far);
}

static int pool_main(void *arg)
{
    void (*body)(void) = *(void (**)(void))arg;
    assert_int_equal(weft_arena_new(&arena, SIZE_MAX), 0);
    wf_http_pool_init(&pool, arena);
    pool.idle_max = 6;
    pool.host_idle_max = 3;
    pool.idle_timeout = 15 * WEFT_SECOND;
    body();
    wf_http_pool_clear(&pool);
    assert_int_equal(pool.idle_count, 0);
    assert_true(wf_list_is_empty(&pool.hosts));
    weft_arena_free(arena);
    return 0;
}

static void with_pool(void (*body)(void))
{
    assert_int_equal(run(pool_main, &body), 0);
}

static void check_newest(void)
{
    assert_null(wf_http_pool_take(&pool, "a:80"));
    weft_stream *a1 = put("a:80"), *b = put("b:80"), *a2 = put("a:80");
    assert_null(wf_http_pool_take(&pool, "a:8"));
    expect_taken(a2, "a:80");
    expect_taken(a1, "a:80");
    assert_null(wf_http_pool_take(&pool, "a:80"));
    expect_taken(b, "b:80");
}

static void test_pool_newest_of_the_host_is_taken(void **state)
{
    (void)state;
    with_pool(check_newest);
}

static void check_limits(void)
{
    weft_stream *a[4], *b[3], *c;
    for (int i = 0; i < 4; i++)
        a[i] = put("a:80");
    assert_true(is_closed(a[0])); /* three of a host */
    assert_false(is_closed(a[1]));
    for (int i = 0; i < 3; i++)
        b[i] = put("b:80");
    assert_false(is_closed(a[1]));
    c = put("c:80"); /* six in all: the oldest of any host goes */
    assert_true(is_closed(a[1]));
    assert_false(is_closed(a[2]));
    assert_int_equal(pool.idle_count, 6);
    wf_http_pool_clear(&pool);
    assert_true(is_closed(c));
    for (int i = 0; i < 4; i++)
        weft_close(a[i]);
    for (int i = 0; i < 3; i++)
        weft_close(b[i]);
    weft_close(c);
}

static void test_pool_has_limits(void **state)
{
    (void)state;
    with_pool(check_limits);
}

static void check_expiry(void)
{
    weft_stream *first = put("a:80");
    weft_sleep(10 * WEFT_SECOND);
    weft_stream *second = put("a:80");
    weft_sleep(5 * WEFT_SECOND - 1);
    assert_false(is_closed(first));
    weft_sleep(2);
    assert_true(is_closed(first));
    assert_false(is_closed(second));
    weft_sleep(10 * WEFT_SECOND - 2);
    assert_false(is_closed(second));
    weft_sleep(2);
    assert_true(is_closed(second));
    assert_int_equal(pool.idle_count, 0);
    weft_close(first);
    weft_close(second);
    first = put("a:80"); /* the timer runs again */
    weft_sleep(16 * WEFT_SECOND);
    assert_true(is_closed(first));
    weft_close(first);
}

static void test_pool_idle_connection_expires(void **state)
{
    (void)state;
    with_pool(check_expiry);
}

static void check_dead(void)
{
    weft_stream *alive = put("a:80"), *closed = put("a:80"), *noisy = put("a:80");
    weft_close(closed);
    assert_int_equal(weft_write(noisy, "!", 1), 0);
    weft_sleep(0);
    expect_taken(alive, "a:80");
    assert_true(is_closed(noisy));
    weft_close(noisy);
    assert_null(wf_http_pool_take(&pool, "a:80"));
}

static void test_pool_dead_connection_is_not_taken(void **state)
{
    (void)state;
    with_pool(check_dead);
}

/* What has come is in the kernel, and this loop has not waited since: a Unix socket, on which a
 * large piece and the end arrive with the call that sends them. */
static weft_stream *put_socket(weft_listener *listener)
{
    weft_stream *near, *far;
    assert_int_equal(weft_connect(&near, weft_listener_address(listener)), 0);
    assert_int_equal(weft_accept(listener, &far), 0);
    assert_int_equal(weft_read_try(near, (char[1]){ 0 }, 1), -EAGAIN); /* it knows of nothing */
    wf_http_pool_put(&pool, "a:80", near);
    return far;
}

static void check_unseen(void)
{
    static char large[8192];
    char address[64];
    weft_listener *listener;
    snprintf(address, sizeof address, "unix:/tmp/weft-test-%d", (int)getpid());
    assert_int_equal(weft_listen(&listener, address), 0);
    weft_stream *alive = put_socket(listener), *noisy = put_socket(listener);
    assert_int_equal(weft_write(noisy, large, sizeof large), 0);
    expect_taken(alive, "a:80");
    weft_stream *ended = put_socket(listener);
    assert_int_equal(weft_shutdown_write(ended), 0);
    assert_null(wf_http_pool_take(&pool, "a:80"));
    weft_close(noisy);
    weft_close(ended);
    weft_listener_close(listener);
}

static void test_pool_what_the_loop_has_not_seen_counts(void **state)
{
    (void)state;
    with_pool(check_unseen);
}

static void check_long(void)
{
    static char address[300];
    memset(address, 'a', sizeof address - 1);
    weft_stream *far = put(address);
    assert_true(is_closed(far));
    weft_close(far);
    address[WF_HTTP_ADDRESS_MAX] = '\0';
    expect_taken(put(address), address);
}

static void test_pool_long_address_is_not_kept(void **state)
{
    (void)state;
    with_pool(check_long);
}

static void check_steady(void)
{
    uint64_t before = 0;
    weft_stream *near, *far;
    assert_int_equal(weft_memory_pair(&near, &far), 0);
    for (int i = 0; i < 100; i++) {
        char address[16];
        snprintf(address, sizeof address, "h%d:80", i);
        if (i == 1)
            before = wf_memory_count();
        wf_http_pool_put(&pool, address, near);
        assert_ptr_equal(wf_http_pool_take(&pool, address), near);
    }
    assert_int_equal(wf_memory_count() - before, 0); /* hosts come and go on a free list */
    weft_close(near);
    weft_close(far);
}

static void test_pool_steady_state_allocates_nothing(void **state)
{
    (void)state;
    with_pool(check_steady);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_test(test_pool_newest_of_the_host_is_taken),
        http_test(test_pool_has_limits),
        http_test(test_pool_idle_connection_expires),
        http_test(test_pool_dead_connection_is_not_taken),
        http_test(test_pool_what_the_loop_has_not_seen_counts),
        http_test(test_pool_long_address_is_not_kept),
        http_test(test_pool_steady_state_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
