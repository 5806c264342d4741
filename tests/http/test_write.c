/* Bodies in chunks as they are written: what stands on the wire, in which pieces, and when nobody
 * reads. */

#include "http_test.h"

#include "http/write.h"

/* A stream with a high mark of the test's, and the other end of it. */
static weft_stream *near, *far;

struct writing {
    void (*body)(void);
    uint32_t high_mark;
};

static int writing_main(void *arg)
{
    const struct writing *test = arg;
    weft_listener *listener;
    assert_int_equal(weft_listen(&listener, "mem:write"), 0);
    assert_int_equal(weft_connect(&near, "mem:write", .high_mark = test->high_mark), 0);
    assert_int_equal(weft_accept(listener, &far), 0);
    test->body();
    weft_close(near);
    weft_close(far);
    weft_listener_close(listener);
    return 0;
}

static void writing(void (*body)(void), uint32_t high_mark)
{
    assert_int_equal(run(writing_main, &(struct writing){ body, high_mark }), 0);
}

static weft_slice text(const char *data)
{
    return (weft_slice){ data, strlen(data) };
}

static void expect_bytes(const char *bytes, size_t size)
{
    assert_int_equal(weft_read_exact(far, heard, size), 0);
    assert_memory_equal(heard, bytes, size);
    assert_int_equal(weft_read_try(far, heard, 1), -EAGAIN);
}

static void expect_wire(const char *bytes)
{
    expect_bytes(bytes, strlen(bytes));
}

static void check_small(void)
{
    assert_int_equal(wf_http_write_chunk(near, text("hello"), 0), 0);
    expect_wire("5\r\nhello\r\n");
    assert_int_equal(wf_http_write_chunk(near, text("0123456789"), WEFT_SECOND), 0);
    expect_wire("a\r\n0123456789\r\n");
    assert_int_equal(wf_http_write_chunk(near, text(""), 0), 0);
    assert_int_equal(wf_http_write_chunk(near, (weft_slice){ NULL, 0 }, 0), 0);
    expect_wire("");
    assert_int_equal(wf_http_write_last_chunk(near, text(""), 0), 0);
    expect_wire("0\r\n\r\n");
    assert_int_equal(wf_http_write_last_chunk(near, text("Sum: 7\r\nOther: x\r\n"), 0), 0);
    expect_wire("0\r\nSum: 7\r\nOther: x\r\n\r\n");
}

static void test_write_chunk_is_framed(void **state)
{
    (void)state;
    writing(check_small, 0);
}

/* What fits goes as one chunk, one byte more as two. */
static void check_split(void)
{
    static const char wire[] = "14\r\n0123456789abcdefghij\r\n1\r\nk\r\n";
    assert_int_equal(wf_http_write_chunk(near, text("0123456789abcdefghij"), 0), 0);
    expect_bytes(wire, 4 + 20 + 2);
    assert_int_equal(wf_http_write_chunk(near, text("0123456789abcdefghijk"), 0), 0);
    expect_wire(wire);
}

static void test_write_chunk_above_the_mark_is_split(void **state)
{
    (void)state;
    writing(check_split, 40);
}

/* A mark below the frame's size: right, if not fast. */
static void check_tiny(void)
{
    assert_int_equal(wf_http_write_chunk(near, text("abc"), 0), 0);
    expect_wire("1\r\na\r\n1\r\nb\r\n1\r\nc\r\n");
    assert_int_equal(wf_http_write_last_chunk(near, text("A: b\r\n"), 0), 0);
    expect_wire("0\r\nA: b\r\n\r\n");
}

static void test_write_chunk_survives_any_mark(void **state)
{
    (void)state;
    for (uint32_t mark = 1; mark <= 21; mark++)
        writing(check_tiny, mark);
}

/* Nobody reads: the wait has an end, and what was offered is not taken by half. */
static void check_unread(void)
{
    int err, chunks = 0;
    static char data[1000];
    int64_t start = weft_now();
    memset(data, 'x', sizeof data);
    while ((err = wf_http_write_chunk(near, (weft_slice){ data, sizeof data }, WEFT_SECOND)) == 0)
        chunks++;
    assert_int_equal(err, -ETIMEDOUT);
    assert_int_equal(weft_now() - start, WEFT_SECOND);
    for (int i = 0; i < chunks; i++) {
        assert_int_equal(weft_read_exact(far, heard, 1007), 0);
        assert_memory_equal(heard, "3e8\r\n", 5);
        assert_memory_equal(heard + 1005, "\r\n", 2);
    }
    assert_int_equal(weft_read_try(far, heard, 1), -EAGAIN);
    assert_int_equal(wf_http_write_last_chunk(near, text(""), WEFT_SECOND), 0);
    expect_wire("0\r\n\r\n");
}

static void test_write_chunk_is_taken_whole_or_not_at_all(void **state)
{
    (void)state;
    writing(check_unread, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_test(test_write_chunk_is_framed),
        http_test(test_write_chunk_above_the_mark_is_split),
        http_test(test_write_chunk_survives_any_mark),
        http_test(test_write_chunk_is_taken_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
