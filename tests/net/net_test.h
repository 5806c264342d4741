#ifndef WF_TESTS_NET_NET_TEST_H
#define WF_TESTS_NET_NET_TEST_H

/* What the tests of streams share: a table of stream kinds, so that each test of a stream runs over
 * all of them, and over sockets again with short transfers and under a storm of signals. */

#include "../core/core_test.h"

#include "base/memory.h"
#include "io/fault.h"
#include "net/stream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <weft/stream.h>

#define HIGH WEFT_STREAM_HIGH_MARK
#define LOW  WEFT_STREAM_LOW_MARK

struct kind {
    const char *name;
    const char *address; /* NULL: weft_memory_pair() */
    bool kernel;
};

static const char *unix_address(void)
{
    static char text[64];
    snprintf(text, sizeof text, "unix:/tmp/weft-test-%d", (int)getpid());
    return text;
}

enum { PAIR, MEM, TCP6, TCP4, UNIX, KINDS };

static struct kind kinds[KINDS] = {
    [PAIR] = { "pair", NULL, false },       [MEM] = { "mem", "mem:test", false },
    [TCP6] = { "[::1]", "[::1]:0", true },  [TCP4] = { "127.0.0.1", "127.0.0.1:0", true },
    [UNIX] = { "unix", "unix:/tmp", true },
};

/* Two connected streams. Whatever a test leaves in a and b is closed after it. */
struct pair {
    weft_stream *a, *b;
    const struct kind *kind;
};

static inline bool is_tcp(const struct pair *p)
{
    return p->kind == &kinds[TCP6] || p->kind == &kinds[TCP4];
}

static inline void open_pair_with(struct pair *p, const struct kind *kind,
                                  struct weft_connect_options connect,
                                  struct weft_listen_options listen)
{
    weft_listener *listener;
    *p = (struct pair){ .kind = kind };
    if (!kind->address) {
        assert_int_equal(weft_memory_pair(&p->a, &p->b), 0);
        return;
    }
    listen.address = kind == &kinds[UNIX] ? unix_address() : kind->address;
    assert_int_equal(weft_listen_with(&listener, &listen), 0);
    connect.address = weft_listener_address(listener);
    assert_int_equal(weft_connect_with(&p->a, &connect), 0);
    assert_int_equal(weft_accept(listener, &p->b), 0);
    assert_int_equal(weft_listener_close(listener), 0);
}

static inline void open_pair(struct pair *p, const struct kind *kind)
{
    open_pair_with(p, kind, (struct weft_connect_options){ .delay = false },
                   (struct weft_listen_options){ .delay = false });
}

static inline void close_pair(struct pair *p)
{
    assert_int_equal(weft_close(p->a), 0);
    assert_int_equal(weft_close(p->b), 0);
}

/* Turns of the loop until something has happened; a test that waits so long has failed. */
#define until(condition)                                                                           \
    do {                                                                                           \
        int turns_ = 0;                                                                            \
        while (!(condition)) {                                                                     \
            assert_true(turns_++ < 200000);                                                        \
            weft_sleep(0);                                                                         \
        }                                                                                          \
    } while (0)

static inline void pass_turns(int count)
{
    while (count-- > 0)
        weft_sleep(0);
}

/* One call on a stream, made by a task of its own or in place. */
enum call_kind { READ, EXACT, UNTIL, LINE, FILL, WRITE, SOME, PIECES, FLUSH, SHUTDOWN };

struct call {
    enum call_kind kind;
    weft_stream *stream;
    char *data;
    size_t size;
    ssize_t result;
    bool done;
    char detail[256];
};

static inline ssize_t make_call(struct call *c)
{
    weft_slice slices[2] = { { c->data, c->size / 2 },
                             { c->data ? c->data + c->size / 2 : NULL, c->size - c->size / 2 } };
    switch (c->kind) {
    case READ:
        return weft_read(c->stream, c->data, c->size);
    case EXACT:
        return weft_read_exact(c->stream, c->data, c->size);
    case UNTIL:
        return weft_read_until(c->stream, c->data, c->size, "\r\n", 2);
    case LINE:
        return weft_read_line(c->stream, c->data, c->size);
    case FILL:
        return weft_fill(c->stream);
    case WRITE:
        return weft_write(c->stream, c->data, c->size);
    case SOME:
        return weft_write_some(c->stream, c->data, c->size);
    case PIECES:
        return weft_write_pieces(c->stream, slices, 2);
    case FLUSH:
        return weft_flush(c->stream);
    default:
        return weft_shutdown_write(c->stream);
    }
}

static inline int run_call(void *arg)
{
    struct call *c = arg;
    c->result = make_call(c);
    snprintf(c->detail, sizeof c->detail, "%s", weft_error_detail());
    c->done = true;
    return 0;
}

/* Bytes that say where they are. */
static inline void fill_pattern(char *data, size_t size, size_t from)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (char)((from + i) * 31 + (from + i) / 251);
}

static inline void check_pattern(const char *data, size_t size, size_t from)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] != (char)((from + i) * 31 + (from + i) / 251))
            fail_msg("byte %zu is wrong", from + i);
}

static inline void put(weft_stream *stream, const char *text)
{
    assert_int_equal(weft_write(stream, text, strlen(text)), 0);
    assert_int_equal(weft_flush(stream), 0);
}

/* The next bytes are these. */
static inline void expect(weft_stream *stream, const char *text)
{
    char data[256];
    size_t size = strlen(text);
    assert_true(size < sizeof data);
    assert_int_equal(weft_read_exact(stream, data, size), 0);
    assert_memory_equal(data, text, size);
}

static inline void expect_end(weft_stream *stream)
{
    char byte;
    assert_int_equal(weft_read(stream, &byte, 1), 0);
    assert_int_equal(weft_read(stream, &byte, 1), 0);
}

/* The byte pattern, until the end of the stream. */
struct sink {
    weft_stream *stream;
    size_t size; /* so many have come */
    ssize_t end; /* of the last read */
};

static inline int drain_sink(void *arg)
{
    struct sink *sink = arg;
    static char data[65536];
    while ((sink->end = weft_read(sink->stream, data, sizeof data)) > 0) {
        check_pattern(data, (size_t)sink->end, sink->size);
        sink->size += (size_t)sink->end;
    }
    return 0;
}

/* What is queued may be on its way for a turn or two. */
static inline bool is_stuffed(weft_stream *stream)
{
    for (int turns = 0; turns < 8 && weft_stream_queued(stream) > 0; turns++)
        pass_turns(1);
    return weft_stream_queued(stream) > 0;
}

/* Write the pattern until the transport takes no more; how many bytes that were. */
static inline size_t stuff(weft_stream *stream)
{
    static char data[4096];
    size_t size = 0;
    while (!is_stuffed(stream)) {
        fill_pattern(data, sizeof data, size);
        ssize_t n = weft_write_some(stream, data, sizeof data);
        assert_true(n > 0);
        size += (size_t)n;
    }
    return size;
}

/* Cases: each over each kind, and under each hardship that its kind can meet. */

typedef void stream_test(struct pair *p);

struct stream_case {
    const char *name;
    stream_test *run;
    bool bulk;     /* moves too much for short transfers */
    bool virtual_; /* counts calls or turns: not under hardships */
    struct weft_connect_options connect;
    struct weft_listen_options listen;
};

enum hardship { PLAIN, SHORT_RECEIVES, SHORT_SENDS, SIGNALS, HARDSHIPS };

static const char *const hardship_names[HARDSHIPS] = { "", ", short receives", ", short sends",
                                                       ", signals" };

struct instance {
    const struct stream_case *test;
    const struct kind *kind;
    enum hardship hardship;
};

static inline int run_case(void *arg)
{
    const struct instance *i = arg;
    struct pair p;
    open_pair_with(&p, i->kind, i->test->connect, i->test->listen);
    i->test->run(&p);
    close_pair(&p);
    return 0;
}

static volatile sig_atomic_t signals_taken;

static inline void on_alarm(int number)
{
    (void)number;
    signals_taken++;
}

static inline void storm(long interval_us)
{
    struct itimerval timer = { .it_interval.tv_usec = interval_us,
                               .it_value.tv_usec = interval_us };
    struct sigaction action = { .sa_handler = on_alarm }; /* no SA_RESTART */
    if (interval_us)
        sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

static inline void run_instance(void **state)
{
    struct instance *i = *state;
    struct wf_io_fault fault = {
        .kind = i->hardship == SHORT_SENDS ? WF_FAULT_SHORT_SEND : WF_FAULT_SHORT_RECV,
        .countdown = 1,
        .persistent = true,
        .bytes_max = (size_t)(1 + (i->kind - kinds) * 3 % 7), /* 7, 3, 6 */
    };
    if (i->hardship == SIGNALS)
        storm(100);
    else if (i->hardship != PLAIN)
        wf_io_fault_set(&fault);
    int err = run(run_case, i);
    wf_io_fault_set(NULL);
    storm(0);
    assert_int_equal(err, 0);
}

enum { INSTANCES_MAX = 1024 };

static inline bool is_fitting(const struct stream_case *test, const struct kind *kind,
                              enum hardship hardship)
{
    bool has_options = test->connect.size || test->listen.size;
    if (has_options && !kind->address)
        return false;
    if (hardship == PLAIN)
        return true;
    return kind->kernel && !test->virtual_ && (hardship == SIGNALS || !test->bulk);
}

/* After a test that failed inside a task. */
static inline int case_setup(void **state)
{
    wf_running = NULL;
    wf_io_fault_set(NULL);
    storm(0);
    return core_setup(state);
}

static inline int run_cases(const char *group, const struct stream_case *cases, size_t count)
{
    static struct instance instances[INSTANCES_MAX];
    static struct CMUnitTest tests[INSTANCES_MAX];
    static char names[INSTANCES_MAX][160];
    size_t n = 0;
    for (size_t c = 0; c < count; c++)
        for (int k = 0; k < KINDS; k++)
            for (int h = 0; h < HARDSHIPS; h++) {
                if (!is_fitting(&cases[c], &kinds[k], (enum hardship)h))
                    continue;
                if (n == INSTANCES_MAX)
                    abort();
                instances[n] = (struct instance){ &cases[c], &kinds[k], (enum hardship)h };
                snprintf(names[n], sizeof names[n], "%s (%s%s)", cases[c].name, kinds[k].name,
                         hardship_names[h]);
                tests[n] = (struct CMUnitTest){ names[n], run_instance, case_setup, core_teardown,
                                                &instances[n] };
                n++;
            }
    return _cmocka_run_group_tests(group, tests, n, NULL, NULL);
}

#define stream_case(function, ...)                                                                 \
    {                                                                                              \
        .name = #function, .run = function, __VA_ARGS__                                            \
    }

/* Plain sockets, to do to a stream what streams do not do. */

static inline int raw_socket(const char *address, struct sockaddr_storage *to, socklen_t *size)
{
    struct sockaddr_in *in = (void *)to;
    struct sockaddr_un *un = (void *)to;
    memset(to, 0, sizeof *to);
    if (strncmp(address, "unix:", 5) == 0) {
        un->sun_family = AF_UNIX;
        snprintf(un->sun_path, sizeof un->sun_path, "%s", address + 5);
        *size = sizeof *un;
        return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    }
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    in->sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    *size = sizeof *in;
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static inline int raw_connect(const char *address)
{
    struct sockaddr_storage to;
    socklen_t size;
    int fd = raw_socket(address, &to, &size);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, size), 0);
    return fd;
}

static inline void raw_reset(int fd)
{
    struct linger now = { .l_onoff = 1, .l_linger = 0 };
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

/* A stream whose peer is a plain socket. */
static inline weft_stream *accept_raw(const char *address, int *fd)
{
    weft_listener *listener;
    weft_stream *stream;
    assert_int_equal(weft_listen(&listener, address), 0);
    *fd = raw_connect(weft_listener_address(listener));
    assert_int_equal(weft_accept(listener, &stream), 0);
    weft_listener_close(listener);
    return stream;
}

#endif
