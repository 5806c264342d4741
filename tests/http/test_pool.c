/* Places for connections: how many, which idle one is taken, and how long it is kept. */

#include "http_test.h"

#include "http/pool.h"

#include <unistd.h>

/* A pool over memory pairs: the near halves are kept, the far ones show what became of them. */
static struct wf_http_pool pool;
static weft_arena *arena;

/* A place without a connection. */
static struct wf_http_place *enter(const char *address)
{
    struct wf_http_place *place;
    assert_int_equal(wf_http_pool_enter(&pool, address, &place), 0);
    assert_null(place->stream);
    return place;
}

/* A connection for a place that is left then: the far half. */
static weft_stream *leave(struct wf_http_place *place)
{
    weft_stream *far;
    assert_int_equal(weft_memory_pair(&place->stream, &far), 0);
    wf_http_pool_leave(&pool, place, true);
    return far;
}

static weft_stream *put(const char *address)
{
    return leave(enter(address));
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
    struct wf_http_place *place;
    assert_int_equal(wf_http_pool_enter(&pool, address, &place), 0);
    assert_non_null(place->stream);
    assert_int_equal(weft_write(place->stream, "x", 1), 0);
    weft_sleep(0);
    assert_int_equal(weft_read_try(far, &byte, 1), 1);
    assert_int_equal(byte, 'x');
    wf_http_pool_leave(&pool, place, false);
    assert_true(is_closed(far));
    weft_close(far);
}

static void expect_none(const char *address)
{
    wf_http_pool_leave(&pool, enter(address), false);
}

static int pool_main(void *arg)
{
    void (*body)(void) = *(void (**)(void))arg;
    assert_int_equal(weft_arena_new(&arena, SIZE_MAX), 0);
    wf_http_pool_init(&pool, arena);
    pool.place_max = 20;
    pool.host_place_max = 10;
    pool.idle_max = 6;
    pool.host_idle_max = 3;
    pool.idle_timeout = 15 * WEFT_SECOND;
    body();
    wf_http_pool_clear(&pool);
    assert_int_equal(pool.idle_count, 0);
    assert_int_equal(pool.place_count, 0);
    assert_int_equal(pool.host_count, 0);
    weft_arena_free(arena);
    return 0;
}

static void with_pool(void (*body)(void))
{
    assert_int_equal(run(pool_main, &body), 0);
}

static void check_newest(void)
{
    expect_none("a:80");
    struct wf_http_place *first = enter("a:80"), *second = enter("a:80");
    weft_stream *a1 = leave(first), *b = put("b:80"), *a2 = leave(second);
    expect_none("a:8");
    expect_taken(a2, "a:80");
    expect_taken(a1, "a:80");
    expect_none("a:80");
    expect_taken(b, "b:80");
}

static void test_pool_newest_of_the_host_is_taken(void **state)
{
    (void)state;
    with_pool(check_newest);
}

static void check_limits(void)
{
    struct wf_http_place *places[7];
    weft_stream *a[4], *b[3], *c;
    for (int i = 0; i < 7; i++)
        places[i] = enter(i < 4 ? "a:80" : "b:80");
    for (int i = 0; i < 4; i++)
        a[i] = leave(places[i]);
    assert_true(is_closed(a[0])); /* three of a host */
    assert_false(is_closed(a[1]));
    for (int i = 0; i < 3; i++)
        b[i] = leave(places[4 + i]);
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
    struct wf_http_place *other = enter("a:80");
    weft_stream *first = put("a:80");
    weft_sleep(10 * WEFT_SECOND);
    weft_stream *second = leave(other);
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
    struct wf_http_place *places[] = { enter("a:80"), enter("a:80"), enter("a:80") };
    weft_stream *alive = leave(places[0]), *closed = leave(places[1]), *noisy = leave(places[2]);
    weft_close(closed);
    assert_int_equal(weft_write(noisy, "!", 1), 0);
    weft_sleep(0);
    expect_taken(alive, "a:80");
    assert_true(is_closed(noisy));
    weft_close(noisy);
    expect_none("a:80");
}

static void test_pool_dead_connection_is_not_taken(void **state)
{
    (void)state;
    with_pool(check_dead);
}

/* What has come is in the kernel, and this loop has not waited since: a Unix socket, on which a
 * large piece and the end arrive with the call that sends them. */
static weft_stream *put_socket(weft_listener *listener, struct wf_http_place *place)
{
    weft_stream *far;
    assert_int_equal(weft_connect(&place->stream, weft_listener_address(listener)), 0);
    assert_int_equal(weft_accept(listener, &far), 0);
    assert_int_equal(weft_read_try(place->stream, heard, 1), -EAGAIN); /* it knows of nothing */
    wf_http_pool_leave(&pool, place, true);
    return far;
}

static void check_unseen(void)
{
    static char large[8192];
    char address[64];
    weft_listener *listener;
    snprintf(address, sizeof address, "unix:/tmp/weft-test-%d", (int)getpid());
    assert_int_equal(weft_listen(&listener, address), 0);
    struct wf_http_place *first = enter("a:80"), *second = enter("a:80");
    weft_stream *alive = put_socket(listener, first), *noisy = put_socket(listener, second);
    assert_int_equal(weft_write(noisy, large, sizeof large), 0);
    expect_taken(alive, "a:80");
    weft_stream *ended = put_socket(listener, enter("a:80"));
    assert_int_equal(weft_shutdown_write(ended), 0);
    expect_none("a:80");
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
    static char address[WF_HTTP_ADDRESS_MAX + 1];
    memset(address, 'a', sizeof address - 1);
    expect_taken(put(address), address);
}

static void test_pool_longest_address_is_kept(void **state)
{
    (void)state;
    with_pool(check_long);
}

static void check_steady(void)
{
    uint64_t before = 0;
    weft_stream *near, *far;
    struct wf_http_place *place;
    assert_int_equal(weft_memory_pair(&near, &far), 0);
    for (int i = 0; i < 100; i++) {
        char address[16];
        snprintf(address, sizeof address, "h%d:80", i);
        if (i == 1)
            before = wf_memory_count();
        place = enter(address);
        place->stream = near;
        wf_http_pool_leave(&pool, place, true);
        assert_int_equal(wf_http_pool_enter(&pool, address, &place), 0);
        assert_ptr_equal(place->stream, near);
        place->stream = NULL;
        wf_http_pool_leave(&pool, place, false);
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
        http_test(test_pool_longest_address_is_kept),
        http_test(test_pool_steady_state_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
