/* Who is let in: handlers at one time, memory in all, stacks; and whose memory is taken first. */

#include "http_test.h"

#include "http/connection.h"

#include "core/loop.h"

#define H  "Host: h\r\n"
#define OK "HTTP/1.1 200 OK\r\n"

static int running, most;

static int slow(weft_http *http, void *app)
{
    (void)app;
    running++;
    most = running > most ? running : most;
    int err = weft_sleep(WEFT_SECOND);
    running--;
    return err < 0 ? err : weft_http_text(http, 200, "slow\n");
}

static int size_of_body(weft_http *http, void *app)
{
    (void)app;
    return weft_http_text(http, 200, "%zu\n", weft_http_body(http).size);
}

static int large(weft_http *http, void *app)
{
    (void)app;
    static char bytes[100000];
    return weft_http_send(http, 200, NULL, bytes, sizeof bytes);
}

/* Leaves as much queued as a stream may have. */
static int fills_the_stream(weft_http *http, void *app)
{
    (void)app;
    static char bytes[WEFT_STREAM_HIGH_MARK];
    int err = weft_http_begin(http, 200, NULL, 2 * sizeof bytes);
    for (int i = 0; i < 2 && err == 0; i++)
        err = weft_http_write(http, bytes, sizeof bytes);
    return err;
}

static int takes_memory(weft_http *http, void *app)
{
    (void)app;
    size_t size = 0;
    while (weft_arena_alloc(http->arena, 1000))
        size += 1000;
    return weft_http_text(http, 200, "%zu\n", size);
}

static int holds_memory(weft_http *http, void *app)
{
    (void)app;
    if (!weft_arena_alloc(http->arena, 500000))
        return -ENOMEM;
    int err = weft_sleep(WEFT_MINUTE);
    return err < 0 ? err : weft_http_text(http, 200, "held\n");
}

static const weft_http_route_options two = { .in_flight_max = 2 };
static const weft_http_route_options endless = { .timeout = WEFT_FOREVER };
static const weft_http_route_options little = { .memory_max = 50000 };
static const weft_http_route_options much = { .memory_max = 300000 };

static int fails(weft_http *http, void *app)
{
    (void)http, (void)app;
    return -EIO;
}

static const weft_http_route routes[] = {
    { "GET", "/fails", fails, NULL },
    { "GET", "/slow", slow, NULL },
    { "POST", "/slow", slow, NULL },
    { "GET", "/two", slow, &two },
    { "GET", "/endless", slow, &endless },
    { "GET", "/little", takes_memory, &little },
    { "GET", "/much", takes_memory, &much },
    { "GET", "/usual", takes_memory, NULL },
    { "GET", "/large", large, NULL },
    { "GET", "/fill", fills_the_stream, NULL },
    { "GET", "/hold", holds_memory, NULL },
    { "POST", "/", size_of_body, NULL },
    { NULL, NULL, NULL, NULL },
};

#define GET(path) "GET " path " HTTP/1.1\r\n" H "\r\n"

/* --- handlers --- */

enum { CROWD = 5 };

/* So many of a crowd that asks at once are served, the others told to come back. */
static void expect_served(const char *request, int count)
{
    weft_stream *streams[CROWD];
    int served = 0;
    most = 0;
    for (int i = 0; i < CROWD; i++) {
        streams[i] = dial();
        say(streams[i], request);
    }
    for (int i = 0; i < CROWD; i++) {
        const char *answer = hear(streams[i]);
        served += strncmp(answer, OK, strlen(OK)) == 0;
        if (strncmp(answer, OK, strlen(OK)) != 0) {
            expect_answer(answer, "HTTP/1.1 503 Service Unavailable\r\n", "Unavailable\n");
            expect_text(answer, "Retry-After: 1\r\n");
            assert_null(strstr(answer, "Connection: close"));
            say(streams[i], request); /* the connection goes on, and now there is room */
            expect_answer(hear(streams[i]), OK, "slow\n");
        }
        weft_close(streams[i]);
    }
    assert_int_equal(served, count);
    assert_int_equal(most, count < CROWD - count ? CROWD - count : count);
}

static void check_in_flight(void *arg)
{
    (void)arg;
    expect_served(GET("/slow"), 3);
    expect_served("POST /slow HTTP/1.1\r\n" H "Content-Length: 4\r\n\r\nbody", 3);
    weft_stream *streams[3];
    for (int i = 0; i < 3; i++) {
        streams[i] = dial();
        say(streams[i], GET("/two"));
    }
    expect_answer(hear(streams[0]), OK, "slow\n");
    expect_answer(hear(streams[1]), OK, "slow\n");
    expect_answer(hear(streams[2]), "HTTP/1.1 503 ", NULL);
    for (int i = 0; i < 3; i++)
        weft_close(streams[i]);
}

static void test_admission_counts_handlers(void **state)
{
    (void)state;
    serving(check_in_flight, NULL, .routes = routes, .in_flight_max = 3);
}

/* Who finds no place is not asked for its body first. */
static void check_early_refusal(void *arg)
{
    (void)arg;
    weft_stream *first = dial(), *stream = dial();
    say(first, GET("/slow"));
    weft_sleep(WEFT_MILLISECOND);
    say(stream, "POST /slow HTTP/1.1\r\n" H "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    expect_answer(hear_all(stream), "HTTP/1.1 503 ", NULL);
    expect_answer(hear(first), OK, NULL);
    weft_close(first);
    weft_close(stream);
}

static void test_admission_refuses_before_the_body(void **state)
{
    (void)state;
    serving(check_early_refusal, NULL, .routes = routes, .in_flight_max = 1);
}

static void check_timeout(void *arg)
{
    (void)arg;
    expect_answer(ask(GET("/fails")), "HTTP/1.1 500 ", NULL); /* in time */
    expect_log("the handler of /fails failed: ");
    expect_answer(ask(GET("/slow")), "HTTP/1.1 504 ", NULL);
    expect_log("the handler of /slow failed: ");
    expect_answer(ask(GET("/endless")), OK, "slow\n");
}

static void test_admission_handlers_have_a_time(void **state)
{
    (void)state;
    serving(check_timeout, NULL, .routes = routes, .handler_timeout = WEFT_SECOND / 2);
}

static void check_route_memory(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        const char *size = strstr(ask(GET("/little")), "\r\n\r\n");
        assert_in_range(strtoul(size, NULL, 10), 30000, 50000);
    }
    static char body[100000];
    memset(body, 'x', sizeof body - 1);
    weft_stream *stream = dial();
    say(stream, "POST / HTTP/1.1\r\n" H "Content-Length: 99999\r\n\r\n");
    say(stream, body);
    expect_answer(hear(stream), OK, "99999\n"); /* whose arena may be the same */
    weft_close(stream);
}

/* What one route may take, the next exchange with its arena may not. */
static void check_memory_of_others(void *arg)
{
    (void)arg;
    const char *size = strstr(ask(GET("/much")), "\r\n\r\n");
    assert_in_range(strtoul(size, NULL, 10), 200000, 300000);
    size = strstr(ask(GET("/usual")), "\r\n\r\n");
    assert_in_range(strtoul(size, NULL, 10), 50000, 100000);
}

static void test_admission_memory_of_a_route_is_its_own(void **state)
{
    (void)state;
    serving(check_memory_of_others, NULL, .routes = routes, .memory_max = 100000);
}

static void test_admission_routes_have_a_memory(void **state)
{
    (void)state;
    serving(check_route_memory, NULL, .routes = routes);
}

/* --- memory --- */

static weft_stream *begin_upload(int size)
{
    char head[100];
    weft_stream *stream = dial();
    snprintf(head, sizeof head, "POST / HTTP/1.1\r\n" H "Content-Length: %d\r\n\r\n", size);
    say(stream, head);
    say(stream, "the first bytes");
    weft_sleep(WEFT_MILLISECOND);
    return stream;
}

static void finish_upload(weft_stream *stream, int size)
{
    static char rest[1 << 20];
    assert_int_equal(weft_write(stream, rest, (size_t)size - strlen("the first bytes")), 0);
    expect_answer(hear(stream), OK, NULL);
    weft_close(stream);
}

/* The largest of those that wait for their client goes first, and only as many as must. */
static void check_slow_uploads(void *arg)
{
    (void)arg;
    weft_stream *middle = begin_upload(200000), *largest = begin_upload(400000),
                *small = begin_upload(100000);
    weft_stream *last = begin_upload(400000); /* above 1,000,000 */
    expect_answer(hear_all(largest), "HTTP/1.1 503 ", NULL);
    expect_text(heard, "Connection: close\r\n");
    weft_close(largest);
    finish_upload(small, 100000);
    finish_upload(middle, 200000);
    finish_upload(last, 400000);
    assert_true(weft_memory_held() < 400000);
}

static void test_admission_takes_the_largest_upload(void **state)
{
    (void)state;
    serving(check_slow_uploads, NULL, .routes = routes, .total_memory_max = 1000000);
}

/* So does one in chunks, which grows without saying how far. */
static void check_growing_uploads(void *arg)
{
    (void)arg;
    static char chunk[50000];
    weft_stream *growing = dial();
    say(growing, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n");
    weft_stream *small = begin_upload(300000);
    for (int i = 0; i < 10; i++) {
        say(growing, "c350\r\n");
        assert_int_equal(weft_write(growing, chunk, sizeof chunk), 0);
        say(growing, "\r\n");
        weft_sleep(WEFT_MILLISECOND);
    }
    expect_answer(hear_all(small), "HTTP/1.1 503 ", NULL); /* nobody else has so much */
    weft_close(small);
    say(growing, "0\r\n\r\n");
    expect_answer(hear(growing), OK, "500000\n");
    weft_close(growing);
}

static void test_admission_sees_an_upload_grow(void **state)
{
    (void)state;
    serving(check_growing_uploads, NULL, .routes = routes, .total_memory_max = 800000);
}

/* One is enough, parked or not: the larger. */
static void check_parked_first(void *arg)
{
    (void)arg;
    weft_stream *reader = dial();
    say(reader, GET("/fill"));
    weft_sleep(WEFT_MILLISECOND);
    weft_stream *upload = begin_upload(40000), *last = begin_upload(80000);
    ssize_t n;
    while ((n = weft_read(reader, heard, sizeof heard)) > 0)
        ;
    assert_int_equal(n, -ECONNRESET);
    weft_close(reader);
    finish_upload(upload, 40000);
    finish_upload(last, 80000);
}

static void test_admission_takes_one_where_that_is_enough(void **state)
{
    (void)state;
    serving(check_parked_first, NULL, .routes = routes, .total_memory_max = 280000);
}

/* Who waits for room to be answered is on its way out, and is left alone. */
static void check_refused_waits(void *arg)
{
    (void)arg;
    weft_stream *refused = dial();
    say(refused, GET("/fill") "nonsense\r\n\r\n");
    weft_sleep(WEFT_MILLISECOND);
    weft_stream *last = begin_upload(80000);
    expect_answer(hear_all(last), "HTTP/1.1 503 ", NULL);
    weft_close(last);
    hear_all(refused);
    assert_non_null(memmem(heard, heard_size, "HTTP/1.1 400 ", 13));
    weft_close(refused);
}

static void test_admission_leaves_refusals_alone(void **state)
{
    (void)state;
    serving(check_refused_waits, NULL, .routes = routes, .total_memory_max = 150000);
}

/* When there is too much, an eighth is freed, and no more than that takes; looking again in the
 * same turn takes nothing more. */
static void check_how_many(void *arg)
{
    (void)arg;
    enum { MAX = 1000000, EACH = 60000 }; /* an upload holds less */
    weft_stream *streams[40];
    int count = 0, evicted = 0;
    while (weft_memory_held() <= MAX - EACH)
        streams[count++] = begin_upload(40000);
    for (int i = 0; i < 3; i++) {
        streams[count] = dial();
        say(streams[count++], "POST / HTTP/1.1\r\n" H "Content-Length: 40000\r\n\r\n");
    }
    weft_sleep(WEFT_MILLISECOND);
    for (int i = 0; i < count; i++) {
        ssize_t n = weft_read_try(streams[i], heard, sizeof heard);
        evicted += n > 0;
        assert_true(n == -EAGAIN || strncmp(heard, "HTTP/1.1 503 ", 13) == 0);
    }
    assert_in_range(evicted, 3, 4);
    assert_in_range(weft_memory_held(), MAX - MAX / 8 - EACH, MAX);
    for (int i = 0; i < count; i++)
        weft_close(streams[i]);
}

static void test_admission_frees_an_eighth(void **state)
{
    (void)state;
    serving(check_how_many, NULL, .routes = routes, .total_memory_max = 1000000);
}

/* Heads that do not end hold memory too, and no request is ever whole. */
static void check_slow_heads(void *arg)
{
    (void)arg;
    weft_stream *streams[100];
    for (int i = 0; i < 100; i++) {
        streams[i] = dial();
        say(streams[i], "GET / HTTP/1.1\r\n" H "A: ");
        weft_sleep(0);
        assert_true(weft_memory_held() < 1000000);
    }
    for (int i = 0; i < 100; i++)
        weft_close(streams[i]);
}

static void test_admission_takes_slow_heads(void **state)
{
    (void)state;
    serving(check_slow_heads, NULL, .routes = routes, .total_memory_max = 900000);
}

/* What lies in a stream counts as what lies in an arena. */
static void check_long_head(void *arg)
{
    (void)arg;
    static char value[200000];
    memset(value, 'v', sizeof value - 1);
    weft_stream *head = dial(), *upload = begin_upload(100000);
    say(head, "GET / HTTP/1.1\r\n" H "A: ");
    say(head, value);
    weft_sleep(WEFT_MILLISECOND);
    weft_stream *last = begin_upload(300000); /* above the limit */
    expect_answer(hear_all(head), "HTTP/1.1 503 ", NULL);
    weft_close(head);
    finish_upload(upload, 100000);
    finish_upload(last, 300000);
}

static void test_admission_takes_long_heads(void **state)
{
    (void)state;
    serving(check_long_head, NULL, .routes = routes, .total_memory_max = 600000,
            .header_size_max = 400000);
}

/* A client that does not read its response, in the park. */
static void check_slow_readers(void *arg)
{
    (void)arg;
    weft_stream *readers[10];
    for (int i = 0; i < 10; i++) {
        readers[i] = dial();
        say(readers[i], GET("/large"));
        weft_sleep(WEFT_MILLISECOND);
    }
    int cut = 0;
    for (int i = 0; i < 10; i++) {
        ssize_t n; /* the others are closed when they have been idle for a second */
        while ((n = weft_read(readers[i], heard, sizeof heard)) > 0)
            ;
        cut += n == -ECONNRESET;
        weft_close(readers[i]);
    }
    assert_in_range(cut, 1, 9);
}

static void test_admission_takes_what_nobody_reads(void **state)
{
    (void)state;
    serving(check_slow_readers, NULL, .routes = routes, .total_memory_max = 1000000,
            .idle_timeout = WEFT_SECOND);
}

/* Handlers are not cut off: new requests wait for better times. */
static void check_handlers(void *arg)
{
    (void)arg;
    weft_stream *holders[2];
    for (int i = 0; i < 2; i++) {
        holders[i] = dial();
        say(holders[i], GET("/hold"));
        weft_sleep(WEFT_MILLISECOND);
    }
    expect_answer(ask(GET("/large")), "HTTP/1.1 503 ", NULL);
    for (int i = 0; i < 2; i++) {
        expect_answer(hear(holders[i]), OK, "held\n");
        weft_close(holders[i]);
    }
    expect_answer(ask(GET("/slow")), OK, NULL);
}

static void test_admission_leaves_handlers_alone(void **state)
{
    (void)state;
    serving(check_handlers, NULL, .routes = routes, .total_memory_max = 900000);
}

/* Without a stack there is no handler, but an answer. */

static void check_stacks(void *arg)
{
    (void)arg;
    weft_stream *streams[20];
    int served = 0, refused = 0;
    for (int i = 0; i < 20; i++) {
        streams[i] = dial();
        say(streams[i], GET("/slow"));
    }
    for (int i = 0; i < 20; i++) {
        const char *answer = hear(streams[i]);
        served += strncmp(answer, OK, strlen(OK)) == 0;
        refused += strncmp(answer, "HTTP/1.1 503 ", 13) == 0;
        weft_close(streams[i]);
    }
    assert_in_range(served, 1, 8);
    assert_int_equal(refused, 20 - served);
    expect_answer(ask(GET("/slow")), OK, "slow\n");
}

static void test_admission_without_a_stack_is_503(void **state)
{
    (void)state;
    struct http_site few = { .body = check_stacks, .options = { .routes = routes } };
    site = &few;
    assert_int_equal(
        weft_run(site_main, &few, .clock = WEFT_CLOCK_TEST, .no_signals = true, .stacks_max = 10),
        0);
    assert_int_equal(few.result, -ECANCELED);
}

/* Without memory to wait for its next request a connection ends; nobody has asked anything. */
static void expect_word(void *server, bool is_old, const char *input, const char *word)
{
    weft_stream *client, *stream;
    assert_int_equal(weft_memory_pair(&client, &stream), 0);
    if (is_old)
        weft_stream_set_data(stream, server, NULL);
    assert_int_equal(weft_buffer_append(weft_stream_input(stream), input, strlen(input)), 0);
    wf_http_connection_refuse(stream, -ENOMEM, server);
    weft_close(stream);
    expect_answer(hear_all(client), word, NULL);
    assert_int_equal(heard_size == 0, *word == '\0');
    weft_close(client);
}

static int expect_words(void *arg)
{
    (void)arg;
    struct wf_http_server server = { .draining = false };
    expect_word(&server, true, "", "");
    expect_word(&server, true, "GET /", "HTTP/1.1 503 ");
    expect_word(&server, false, "", "HTTP/1.1 503 ");
    return 0;
}

static void test_admission_without_memory_answers_who_has_asked(void **state)
{
    (void)state;
    assert_int_equal(run(expect_words, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_test(test_admission_counts_handlers),
        http_test(test_admission_handlers_have_a_time),
        http_test(test_admission_routes_have_a_memory),
        http_test(test_admission_memory_of_a_route_is_its_own),
        http_test(test_admission_takes_the_largest_upload),
        http_test(test_admission_sees_an_upload_grow),
        http_test(test_admission_takes_what_nobody_reads),
        http_test(test_admission_frees_an_eighth),
        http_test(test_admission_takes_one_where_that_is_enough),
        http_test(test_admission_leaves_refusals_alone),
        http_test(test_admission_takes_slow_heads),
        http_test(test_admission_takes_long_heads),
        http_test(test_admission_refuses_before_the_body),
        http_test(test_admission_leaves_handlers_alone),
        http_test(test_admission_without_a_stack_is_503),
        http_test(test_admission_without_memory_answers_who_has_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
