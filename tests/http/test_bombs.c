/* Requests that are made to cost: heads, chunks and pipelines without end. Each is answered within
 * the limits, and what the server holds meanwhile stays below them. */

#include "http_test.h"

#include <weft/memory.h>

#define H       "Host: h\r\n"
#define CHUNKED H "Transfer-Encoding: chunked\r\n"
#define SLACK   ((size_t)96 << 10) /* buffers come in blocks; the other side's; an arena's first */

static int hello(weft_http *http, void *app)
{
    (void)app;
    return weft_http_text(http, 200, "hello %zu\n", weft_http_body(http).size);
}

static const weft_http_route routes[] = {
    { "GET", "/", hello, NULL },
    { "POST", "/", hello, NULL },
    { NULL, NULL, NULL, NULL },
};

/* The server's answer: its status. */
static int status_of(weft_stream *stream)
{
    ssize_t n = weft_read(stream, heard, sizeof heard - 1);
    if (n < 13)
        fail_msg("no answer: %zd", n);
    heard[n] = '\0';
    return atoi(heard + 9);
}

/* Say `begin` and then `again` for ever, until the server has had enough: its status. */
static int bomb(const char *begin, const char *again, size_t held_max)
{
    weft_stream *stream = dial();
    size_t before = weft_memory_held(), most = 0, size = strlen(again);
    int err = weft_write(stream, begin, strlen(begin));
    for (int i = 0; i < 1200000 && err == 0; i++) {
        size_t held = weft_memory_held();
        most = held > most ? held : most;
        err = weft_write(stream, again, size);
    }
    int status = status_of(stream);
    weft_close(stream);
    if (most > before + held_max + SLACK)
        fail_msg("%zu bytes were held, %zu are allowed", most - before, held_max + SLACK);
    return status;
}

static void check_heads(void *arg)
{
    (void)arg;
    size_t line = 8 << 10, block = 64 << 10;
    assert_int_equal(bomb("GET /", "aaaaaaaaaaaaaaaa", line), 414);
    assert_int_equal(bomb("G", "E", line), 414);
    assert_int_equal(bomb("GET / HTTP/1.1\r\n" H, "a:b\r\n", line + block), 431);
    assert_int_equal(bomb("GET / HTTP/1.1\r\n" H "A: ", "aaaaaaaaaaaaaaaa", line + block), 431);
    assert_int_equal(bomb("GET / HTTP/1.1\r\n" H, "aaaaaaaaaaaaaaaa", line + block), 431);
    assert_int_equal(bomb("GET / HTTP/1.1\r\n" H "A: ", "   ", line + block), 431);
    assert_int_equal(bomb("GET / HTTP/1.1\r\n" H "A: ", "\r", 0), 400);
    assert_int_equal(bomb("GET / HTTP/1.1\r\n" H "A: ", "\n", 0), 400);
    assert_int_equal(bomb("GET / HTTP/1.1\r\n" H, "\v", 0), 400);
}

static void test_hazard_26_heads_without_end_are_cut(void **state)
{
    (void)state;
    serving(check_heads, NULL, .routes = routes);
}

static void check_nul(void *arg)
{
    (void)arg;
    static const char request[] = "GET / HTTP/1.1\r\n" H "A: b\0c\r\n\r\n";
    weft_stream *stream = dial();
    assert_int_equal(weft_write(stream, request, sizeof request - 1), 0);
    expect_answer(hear_all(stream), "HTTP/1.1 400 ", NULL);
    weft_close(stream);
}

static void test_hazard_26_a_nul_is_refused(void **state)
{
    (void)state;
    serving(check_nul, NULL, .routes = routes);
}

static void check_chunks(void *arg)
{
    (void)arg;
#define POST "POST / HTTP/1.1\r\n" CHUNKED "\r\n"
    assert_int_equal(bomb(POST, "0", 0), 400);                        /* zeros in front of a size */
    assert_int_equal(bomb(POST "8000000000000000\r\n", "x", 0), 400); /* 2^63 */
    assert_int_equal(bomb(POST "10000000000000005\r\n", "x", 0), 400); /* 2^64 + 5 */
    assert_int_equal(bomb(POST "7fffffffffffffff\r\n", "x", 0), 413);
    assert_int_equal(bomb(POST "1;", "extension", 0), 400);
    assert_int_equal(bomb(POST, "1;extension=\"of each\"\r\nx\r\n", 8 << 10), 400);
    assert_int_equal(bomb(POST "0\r\n", "a: b\r\n", 64 << 10), 431);
    assert_int_equal(bomb(POST "0\r\na:", "bbbbbbbb", 64 << 10), 431);
    assert_int_equal(bomb(POST, "1\r\nx\r\n", 3 << 20), 413); /* a mebibyte, a byte at a time */
}

static void test_hazard_27_chunks_without_end_are_cut(void **state)
{
    (void)state;
    serving(check_chunks, NULL, .routes = routes);
}

/* No answer is read: the server stops reading, holds a high mark, and leaves in time. */
static void check_pipeline(void *arg)
{
    (void)arg;
    static char requests[64 << 10];
    size_t size = 0, sent = 0, before = weft_memory_held(), most = 0;
    const char *request = "GET / HTTP/1.1\r\n" H "\r\n";
    while (size + strlen(request) <= sizeof requests) {
        memcpy(requests + size, request, strlen(request));
        size += strlen(request);
    }
    weft_stream *stream = dial();
    int64_t start = weft_now();
    int err = 0;
    for (; err == 0 && sent < ((size_t)32 << 20); sent += size) {
        err = weft_write(stream, requests, size);
        size_t held = weft_memory_held();
        most = held > most ? held : most;
    }
    assert_true(err == -EPIPE || err == -ECONNRESET);
    assert_true(sent < (size_t)1 << 20);
    assert_in_range((weft_now() - start) / WEFT_SECOND, 5, 15); /* with the linger of its close */
    assert_true(most <
                before + ((size_t)512 << 10)); /* two high marks a side, and the transport's own */
    weft_close(stream);
}

static void test_hazard_30_a_pipeline_without_end_is_left(void **state)
{
    (void)state;
    serving(check_pipeline, NULL, .routes = routes, .send_timeout = 5 * WEFT_SECOND);
}

/* Who pipelines gives the others their turn. */
static void check_turns(void *arg)
{
    (void)arg;
    static const char request[] = "GET / HTTP/1.1\r\n" H "\r\n";
    enum { COUNT = 1000, SIZE = sizeof request - 1 };
    static char requests[COUNT * SIZE + 1];
    for (size_t i = 0; i < COUNT; i++)
        memcpy(requests + i * SIZE, request, SIZE);
    weft_stream *many = dial(), *one = dial();
    say(many, requests);
    say(one, request);
    hear(one);
    assert_int_equal(status_of(many), 200);
    int answers = 0;
    for (const char *at = heard; (at = strstr(at, "HTTP/1.1 200 OK")); at++)
        answers++;
    assert_in_range(answers, 1, 100);
    weft_close(many);
    weft_close(one);
    weft_sleep(WEFT_SECOND);
}

static void test_hazard_30_a_pipeline_leaves_others_their_turn(void **state)
{
    (void)state;
    serving(check_turns, NULL, .routes = routes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_test(test_hazard_26_heads_without_end_are_cut),
        http_test(test_hazard_26_a_nul_is_refused),
        http_test(test_hazard_27_chunks_without_end_are_cut),
        http_test(test_hazard_30_a_pipeline_without_end_is_left),
        http_test(test_hazard_30_a_pipeline_leaves_others_their_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
