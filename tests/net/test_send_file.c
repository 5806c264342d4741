/* Files over each kind of stream: whole, in order, and what cuts them short. */

#include "net_test.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <weft/file.h>

#define LARGE ((size_t)12 << 20)

/* A file of the byte pattern. */
static int make_file(size_t size)
{
    static char data[65536];
    int fd = memfd_create("pattern", MFD_CLOEXEC);
    assert_true(fd >= 0);
    for (size_t done = 0; done < size;) {
        size_t part = size - done < sizeof data ? size - done : sizeof data;
        fill_pattern(data, part, done);
        assert_int_equal(pwrite(fd, data, part, (off_t)done), part);
        done += part;
    }
    return fd;
}

struct sending {
    weft_stream *stream;
    int fd;
    int64_t offset, size, result;
    bool done;
    char detail[256];
};

static int send_it(void *arg)
{
    struct sending *s = arg;
    s->result = weft_send_file(s->stream, s->fd, s->offset, s->size);
    snprintf(s->detail, sizeof s->detail, "%s", weft_error_detail());
    s->done = true;
    return 0;
}

static int send_and_end(void *arg)
{
    send_it(arg);
    return weft_shutdown_write(((struct sending *)arg)->stream);
}

static void test_send_file_arrives_whole_between_writes(struct pair *p)
{
    char text[300];
    int fd = make_file(200);
    assert_int_equal(weft_write(p->a, "head ", 5), 0);
    assert_int_equal(weft_send_file(p->a, fd, 0, 200), 200);
    assert_int_equal(weft_send_file(p->a, fd, 100, 0), 0);
    assert_int_equal(weft_send_file(p->a, fd, 190, 1000), 10); /* the file ends */
    put(p->a, " tail");
    expect(p->b, "head ");
    assert_int_equal(weft_read_exact(p->b, text, 200), 0);
    check_pattern(text, 200, 0);
    assert_int_equal(weft_read_exact(p->b, text, 10), 0);
    check_pattern(text, 10, 190);
    expect(p->b, " tail");
    close(fd);
}

/* The reader is slow at first: the socket fills up. */
static void test_send_file_large_ones_keep_their_order(struct pair *p)
{
    static char data[65536];
    struct sending sending = { .stream = p->a, .size = 2 * LARGE };
    size_t size = 0;
    ssize_t n;
    weft_scope s;
    sending.fd = make_file(LARGE);
    weft_scope_begin(&s);
    weft_spawn(&s, send_and_end, &sending);
    while ((n = weft_read(p->b, data, sizeof data)) > 0) {
        check_pattern(data, (size_t)n, size);
        size += (size_t)n;
        if (size < 1000000)
            pass_turns(10);
    }
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(sending.result, LARGE);
    assert_int_equal(size, LARGE);
    assert_int_equal(weft_stream_queued(p->a), 0);
    close(sending.fd);
}

static void test_send_file_behind_what_is_queued(struct pair *p)
{
    struct sink sink = { .stream = p->b };
    size_t before = stuff(p->a);
    int fd = make_file(before + 300000);
    struct sending sending = { p->a, fd, (int64_t)before, 300000, 0, false, "" };
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, send_and_end, &sending);
    pass_turns(5);
    assert_false(sending.done);
    weft_spawn(&s, drain_sink, &sink);
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(sending.result, 300000);
    assert_int_equal(sink.size, before + 300000);
    close(fd);
}

/* Until the stream takes no more. */
static void begin_large(weft_scope *scope, struct sending *sending, weft_stream *stream)
{
    *sending = (struct sending){ .stream = stream, .fd = make_file(LARGE), .size = LARGE };
    weft_spawn(scope, send_it, sending);
    until(is_stuffed(stream) || sending->done);
}

static void test_send_file_cut_in_the_middle_is_torn(struct pair *p)
{
    struct sending sending;
    weft_scope s;
    weft_scope_begin(&s);
    begin_large(&s, &sending, p->a);
    weft_scope_cancel(&s, "the test");
    weft_scope_end(&s);
    assert_int_equal(sending.result, -ECANCELED);
    assert_non_null(strstr(sending.detail, "of 12582912 bytes"));
    assert_int_equal(weft_write(p->a, "x", 1), -EPIPE);
    close(sending.fd);
}

static void test_send_file_errors_of_the_file_leave_the_stream(struct pair *p)
{
    assert_int_equal(weft_send_file(p->a, -1, 0, 10), -EBADF);
    assert_int_equal(weft_send_file(p->a, -1, 0, LARGE), -EBADF);
    int file = make_file(10);
    assert_int_equal(weft_send_file(p->a, file, -1, 10), -EINVAL);
    assert_int_equal(weft_send_file(p->a, file, 0, -1), -EINVAL);
    close(file);
    int folder = open("/tmp", O_RDONLY | O_CLOEXEC);
    assert_int_equal(weft_send_file(p->a, folder, 0, LARGE), -EISDIR);
    close(folder);
    put(p->a, "on");
    expect(p->b, "on");
}

static void test_send_file_hears_that_the_peer_is_gone(struct pair *p)
{
    struct sending sending;
    weft_scope s;
    weft_scope_begin(&s);
    begin_large(&s, &sending, p->a);
    assert_int_equal(weft_abort(p->b), 0);
    p->b = NULL;
    weft_scope_end(&s);
    assert_true(sending.result == -EPIPE || sending.result == -ECONNRESET);
    assert_true(weft_write(p->a, "x", 1) < 0);
    close(sending.fd);
}

static void test_send_file_leaves_a_stream_that_is_closed(struct pair *p)
{
    struct sending sending;
    weft_scope s;
    weft_scope_begin(&s);
    begin_large(&s, &sending, p->a);
    assert_int_equal(weft_send_file(p->a, sending.fd, 0, 1), -EBUSY);
    take_log("writes this stream already");
    assert_int_equal(weft_abort(p->a), 0);
    p->a = NULL;
    weft_scope_end(&s);
    assert_int_equal(sending.result, WEFT_ECLOSED);
    close(sending.fd);
}

static void test_send_file_without_memory_sends_nothing(struct pair *p)
{
    int fd = make_file(10);
    struct wf_memory_fault memory = { .countdown = 1 };
    wf_memory_fault_set(&memory);
    assert_int_equal(weft_send_file(p->a, fd, 0, 10), -ENOMEM);
    wf_memory_fault_set(NULL);
    assert_int_equal(weft_send_file(p->a, fd, 0, 10), 10);
    char text[10];
    assert_int_equal(weft_read_exact(p->b, text, 10), 0);
    check_pattern(text, 10, 0);
    close(fd);
}

static const struct stream_case cases[] = {
    stream_case(test_send_file_arrives_whole_between_writes),
    stream_case(test_send_file_large_ones_keep_their_order, .bulk = true),
    stream_case(test_send_file_behind_what_is_queued, .bulk = true),
    stream_case(test_send_file_cut_in_the_middle_is_torn, .bulk = true),
    stream_case(test_send_file_errors_of_the_file_leave_the_stream, .bulk = true),
    stream_case(test_send_file_hears_that_the_peer_is_gone, .bulk = true),
    stream_case(test_send_file_leaves_a_stream_that_is_closed, .bulk = true),
    stream_case(test_send_file_without_memory_sends_nothing, .bulk = true),
};

int main(void)
{
    return run_cases("net send file", cases, WF_ARRAY_SIZE(cases));
}
