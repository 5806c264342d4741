/* weft-load's engine against a server that follows a script.
 *
 * The server is a thread that serves one connection after the other and does the next thing of its
 * script with each request: answer, answer wrongly in some way, close, keep silent. When the script
 * is at its end it answers rightly. No test waits for time to pass but those of a timeout; the
 * server that pauses waits until the engine has counted so many requests as due. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "weft-load/engine.h"
#include "weft-load/inside.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS (LOAD_SECOND / 1000)

enum act {
    RIGHT,
    OTHER_DATE, /* right as well */
    DRIP,       /* right, byte by byte */
    STATUS,
    LONGER,
    BODY,
    JUNK,
    CLOSE,  /* without an answer */
    HALF,   /* of an answer, then close */
    SILENT, /* and on to the next connection */
    EXTRA,  /* a right answer, and bytes behind it */
    LAST,   /* a right answer that closes, and nobody listens any more */
    PAUSE,  /* right, once `pause` requests more have become due */
};

static struct {
    int listener;
    const enum act *script;
    int length, position;
    bool is_chunked;
    uint64_t pause;
    pthread_t thread;
    int asked; /* requests that came, the one that is learned from included */
} server;

static struct load_result result;

/* --- The server. --- */

#define BODY_RIGHT "abcdefghij"

static int answer(char *text, size_t size, const char *status, const char *date, const char *body)
{
    if (server.is_chunked)
        return snprintf(text, size,
                        "HTTP/1.1 %s\r\nDate: %s\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "3\r\n%.3s\r\n%zx\r\n%s\r\n0\r\nCheck: sum\r\n\r\n",
                        status, date, body, strlen(body) - 3, body + 3);
    return snprintf(text, size, "HTTP/1.1 %s\r\nDate: %s\r\nContent-Length: %zu\r\n\r\n%s", status,
                    date, strlen(body), body);
}

static void await_due(void)
{
    uint64_t due = __atomic_load_n(&result.due, __ATOMIC_RELAXED) + server.pause;
    while (__atomic_load_n(&result.due, __ATOMIC_RELAXED) < due)
        sched_yield();
}

/* Do it. Returns whether the connection goes on. */
static bool act(int fd, enum act what)
{
    char text[512];
    const char *body = what == LONGER ? BODY_RIGHT "k" : what == BODY ? "abcdeXghij" : BODY_RIGHT;
    int size = answer(text, sizeof text, what == STATUS ? "503 Busy" : "200 OK",
                      what == OTHER_DATE ? "Tue, 02 Jan 2024 00:00:00 GMT"
                                         : "Mon, 01 Jan 2024 00:00:00 GMT",
                      body);
    if (what == JUNK)
        size = snprintf(text, sizeof text, "220 mail.example ESMTP\r\n\r\n");
    if (what == PAUSE)
        await_due();
    if (what == EXTRA)
        size += snprintf(text + size, sizeof text - (size_t)size, "and more");
    if (what == HALF)
        size /= 2;
    if (what == CLOSE)
        return false;
    for (int i = 0; what == DRIP && i < size; i++)
        send(fd, text + i, 1, MSG_NOSIGNAL);
    if (what != DRIP)
        send(fd, text, (size_t)size, MSG_NOSIGNAL);
    return what != HALF && what != LAST;
}

/* Requests of one connection. Returns false when the server has to end. */
static bool serve(int fd)
{
    char in[4096];
    size_t matched = 0;
    ssize_t n;
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    while ((n = recv(fd, in, sizeof in, 0)) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            matched = in[i] == "\r\n\r\n"[matched] ? matched + 1 : in[i] == '\r';
            if (matched < 4)
                continue;
            matched = 0;
            server.asked++;
            enum act what =
                server.position < server.length ? server.script[server.position++] : RIGHT;
            if (what == SILENT)
                return true; /* its descriptor stays open until the end of the program */
            if (what == LAST)
                close(server.listener);
            if (!act(fd, what)) {
                close(fd);
                return what != LAST;
            }
        }
    }
    close(fd);
    return true;
}

static void *serve_all(void *argument)
{
    int fd;
    while ((fd = accept(server.listener, NULL, NULL)) >= 0)
        if (!serve(fd))
            break;
    return argument;
}

/* Returns the port. */
static int start(const enum act *script, int length)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server.listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(server.listener, 64), 0);
    getsockname(server.listener, (struct sockaddr *)&address, &size);
    server.script = script;
    server.length = length;
    server.position = server.asked = 0;
    server.is_chunked = false;
    assert_int_equal(pthread_create(&server.thread, NULL, serve_all, NULL), 0);
    return ntohs(address.sin_port);
}

static void stop(void)
{
    shutdown(server.listener, SHUT_RD);
    pthread_join(server.thread, NULL);
    close(server.listener);
}

/* --- The client. --- */

static struct load_target target;

static struct load_engine *open_engine(int port, const struct load_setup *setup,
                                       const struct load_message *message)
{
    char url[64], why[256] = "";
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
    if (load_target_init(&target, url, message, why, sizeof why) < 0)
        fail_msg("%s", why);
    struct load_engine *engine = load_engine_open(setup, &target, 1, why, sizeof why);
    if (engine == NULL)
        fail_msg("%s", why);
    return engine;
}

static void close_engine(struct load_engine *engine)
{
    load_engine_close(engine);
    load_target_free(&target);
    stop();
}

static const struct load_message plain = { .check = LOAD_CHECK_BODY };

/* Ask so often; the script's first act is what is learned from. */
static void ask(const enum act *script, int length, uint64_t requests, enum load_check check)
{
    struct load_setup setup = { .timeout = 50 * MS };
    struct load_message message = { .check = check };
    struct load_engine *engine = open_engine(start(script, length), &setup, &message);
    load_engine_run(engine, &(struct load_plan){ .requests = requests }, &result);
    close_engine(engine);
    assert_int_equal(result.due, requests);
    assert_int_equal(result.due, result.right + load_result_failed(&result));
    /* One that bytes came behind was right until then. */
    assert_true(result.latency.total - result.right <= result.errors[LOAD_MALFORMED]);
}

#define ASK(script, requests)                                                                      \
    ask(script, (int)(sizeof(script) / sizeof *(script)), requests, LOAD_CHECK_BODY)

/* One error of this kind, and no other. */
static void expect_one(enum load_error error, const char *text)
{
    for (int i = 0; i < LOAD_ERRORS; i++)
        assert_int_equal(result.errors[i], i == (int)error);
    if (strstr(result.example[error], text) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", text, result.example[error]);
}

static void test_engine_counts_right_answers_however_they_come(void **state)
{
    (void)state;
    enum act script[] = { RIGHT, RIGHT, OTHER_DATE, DRIP, RIGHT, DRIP };
    ASK(script, 10);
    assert_int_equal(result.right, 10);
    assert_int_equal(result.sent, 10);
    assert_int_equal(server.asked, 11);
}

static void test_engine_reads_chunks_with_trailers(void **state)
{
    (void)state;
    static const enum act script[] = { RIGHT, RIGHT, DRIP, BODY, OTHER_DATE, LONGER };
    struct load_setup setup = { 0 };
    int port = start(script, 6);
    server.is_chunked = true;
    struct load_engine *engine = open_engine(port, &setup, &plain);
    load_engine_run(engine, &(struct load_plan){ .requests = 20 }, &result);
    close_engine(engine);
    assert_int_equal(result.right, 18);
    assert_int_equal(result.errors[LOAD_BODY], 1);
    assert_int_equal(result.errors[LOAD_LENGTH], 1);
}

static void test_engine_finds_the_one_wrong_answer(void **state)
{
    (void)state;
    enum act lie[] = { RIGHT, RIGHT, BODY }, busy[] = { RIGHT, RIGHT, STATUS };
    enum act longer[] = { RIGHT, LONGER };
    ASK(lie, 100);
    expect_one(LOAD_BODY, "the body differs at byte 5 of 10");
    ASK(busy, 100);
    expect_one(LOAD_STATUS, "status 503 instead of 200");
    ASK(longer, 100);
    expect_one(LOAD_LENGTH, "a body of 11 bytes instead of 10");
}

static void test_engine_looks_only_as_closely_as_told(void **state)
{
    (void)state;
    enum act script[] = { RIGHT, BODY, LONGER, STATUS };
    ask(script, 4, 10, LOAD_CHECK_STATUS);
    expect_one(LOAD_STATUS, "503");
    ask(script, 3, 10, LOAD_CHECK_LENGTH);
    expect_one(LOAD_LENGTH, "11");
}

static void test_engine_tells_broken_connections_apart(void **state)
{
    (void)state;
    enum act junk[] = { RIGHT, RIGHT, JUNK }, half[] = { RIGHT, RIGHT, HALF };
    enum act reset[] = { RIGHT, CLOSE, CLOSE }, extra[] = { RIGHT, RIGHT, EXTRA };
    ASK(junk, 10);
    expect_one(LOAD_MALFORMED, "no answer");
    ASK(half, 10);
    expect_one(LOAD_SHORT, "in the middle");
    ASK(reset, 10);
    expect_one(LOAD_RESET, "closed without an answer");
    assert_int_equal(result.retried, 1);
    ASK(extra, 10);
    expect_one(LOAD_MALFORMED, "nobody asked for");
}

static void test_engine_asks_again_where_a_kept_connection_was_closed(void **state)
{
    (void)state;
    enum act script[] = { RIGHT, RIGHT, CLOSE, RIGHT, RIGHT, CLOSE };
    ASK(script, 10);
    assert_int_equal(result.right, 10);
    assert_int_equal(result.retried, 2);
    assert_int_equal(result.connects, 2);
}

static void test_engine_does_not_wait_for_ever(void **state)
{
    (void)state;
    enum act script[] = { RIGHT, RIGHT, SILENT };
    ASK(script, 10);
    expect_one(LOAD_TIMEOUT, "no answer in time");
}

static void test_engine_counts_requests_without_a_connection(void **state)
{
    (void)state;
    enum act script[] = { RIGHT, RIGHT, LAST };
    ASK(script, 4);
    assert_int_equal(result.right, 2);
    assert_int_equal(result.errors[LOAD_CONNECT], 2);
    assert_non_null(strstr(result.example[LOAD_CONNECT], "Connection refused"));
}

static void test_engine_keeps_pipelines_full(void **state)
{
    (void)state;
    struct load_setup setup = { .pipeline = 16 };
    static const enum act script[] = { RIGHT, RIGHT, DRIP, RIGHT, BODY };
    struct load_engine *engine = open_engine(start(script, 5), &setup, &plain);
    load_engine_run(engine, &(struct load_plan){ .requests = 1000 }, &result);
    assert_int_equal(result.right, 999);
    assert_int_equal(result.errors[LOAD_BODY], 1);
    /* The connection stays for the next run. */
    load_engine_run(engine, &(struct load_plan){ .requests = 1000 }, &result);
    close_engine(engine);
    assert_int_equal(result.right, 1000);
    assert_int_equal(result.connects, 0);
}

static void test_engine_opens_one_connection_for_each_when_told(void **state)
{
    (void)state;
    struct load_setup setup = { .churns = true };
    struct load_engine *engine = open_engine(start(NULL, 0), &setup, &plain);
    load_engine_run(engine, &(struct load_plan){ .requests = 50 }, &result);
    assert_int_equal(result.right, 50);
    assert_int_equal(result.connects, 50);
    load_engine_run(engine, &(struct load_plan){ .requests = 50, .rate = 5000 }, &result);
    close_engine(engine);
    assert_int_equal(result.right, 50);
    assert_int_equal(result.connects, 50);
}

/* 200 requests become due while the server withholds one answer: 100 ms at 2,000 a second. They are
 * a fifth of all, and their times count from when they were due. */
static void test_engine_shows_a_pause_to_all_who_were_due_meanwhile(void **state)
{
    (void)state;
    static const enum act script[] = { [100] = PAUSE };
    struct load_setup setup = { 0 };
    struct load_engine *engine = open_engine(start(script, 101), &setup, &plain);
    server.pause = 200;
    load_engine_run(engine, &(struct load_plan){ .requests = 1000, .rate = 2000 }, &result);
    close_engine(engine);
    assert_int_equal(result.right, 1000);
    assert_int_equal(result.late.total, 1000);
    assert_true(result.offered > 1999.9 && result.offered < 2000.1);
    assert_true(result.achieved <= result.offered);
    assert_true(result.waiting_max >= 190);
    assert_true(load_histogram_quantile(&result.latency, 0.99) >= 90 * MS);
    assert_true(load_histogram_quantile(&result.latency, 0.90) >= 40 * MS);
    /* From sending only one of them took long: what a closed loop would have seen. */
    assert_true(load_histogram_quantile(&result.service, 0.98) <
                load_histogram_quantile(&result.latency, 0.98));
}

static void test_engine_counts_what_it_could_not_send(void **state)
{
    (void)state;
    static const enum act script[] = { RIGHT, SILENT, SILENT, SILENT, SILENT };
    struct load_setup setup = { .timeout = 20 * MS };
    struct load_engine *engine = open_engine(start(script, 5), &setup, &plain);
    load_engine_run(engine, &(struct load_plan){ .requests = 100, .rate = 100000 }, &result);
    close_engine(engine);
    assert_int_equal(result.due, 100);
    assert_int_equal(result.due, result.right + load_result_failed(&result));
    assert_true(result.errors[LOAD_TIMEOUT] > 0 && result.errors[LOAD_UNSENT] > 0);
}

static void test_engine_ends_when_it_is_stopped(void **state)
{
    (void)state;
    volatile sig_atomic_t stopped = 0;
    struct load_setup setup = { .stop = &stopped, .connections = 3 };
    struct load_engine *engine = open_engine(start(NULL, 0), &setup, &plain);
    stopped = 1;
    struct load_plan plan = { .requests = 100 };
    assert_int_equal(load_engine_run(engine, &plan, &result), -1);
    close_engine(engine);
    assert_int_equal(result.due, result.right + load_result_failed(&result));
}

static uint64_t read_seed(void)
{
    const char *text = getenv("WEFT_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : (uint64_t)load_now();
    printf("repeat with WEFT_SEED=%" PRIu64 "\n", seed);
    return seed;
}

/* Whatever the server does, each request that was due comes to one end. */
static void test_engine_accounts_for_every_request(void **state)
{
    (void)state;
    static const enum act acts[] = { OTHER_DATE, DRIP,  STATUS, LONGER, BODY,
                                     JUNK,       CLOSE, HALF,   EXTRA };
    uint64_t seed = read_seed();
    for (int round = 0; round < 100; round++) {
        enum act script[100] = { RIGHT };
        for (int i = 1; i < 100; i++)
            script[i] = load_dice(&seed) % 2 ? RIGHT : acts[load_dice(&seed) % 9];
        struct load_setup setup = { .pipeline = 1 + (int)(load_dice(&seed) % 8),
                                    .churns = load_dice(&seed) % 4 == 0,
                                    .check_every = (unsigned)(load_dice(&seed) % 3) };
        struct load_plan plan = { .requests = 120, .rate = load_dice(&seed) % 2 ? 1e5 : 0 };
        struct load_engine *engine = open_engine(start(script, 100), &setup, &plain);
        load_engine_run(engine, &plan, &result);
        close_engine(engine);
        assert_int_equal(result.due, 120);
        assert_int_equal(result.due, result.right + load_result_failed(&result));
        assert_int_equal(result.waiting, 0);
        assert_true(result.sent <= result.due + result.retried);
    }
}

static void test_engine_picks_by_weight_and_evenly(void **state)
{
    (void)state;
    uint32_t ids[] = { 7, 8, 9 }, counts[10] = { 0 };
    double upto[] = { 0.6, 0.9, 1 };
    struct picker picker = { .ids = ids, .upto = upto, .count = 3 };
    for (int i = 1; i <= 10000; i++) {
        counts[load_pick(&picker)]++;
        assert_true(counts[7] <= 0.6 * i + 4 && counts[7] >= 0.6 * i - 4);
        assert_true(counts[9] <= 0.1 * i + 4 && counts[9] >= 0.1 * i - 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_engine_counts_right_answers_however_they_come),
        cmocka_unit_test(test_engine_reads_chunks_with_trailers),
        cmocka_unit_test(test_engine_finds_the_one_wrong_answer),
        cmocka_unit_test(test_engine_looks_only_as_closely_as_told),
        cmocka_unit_test(test_engine_tells_broken_connections_apart),
        cmocka_unit_test(test_engine_asks_again_where_a_kept_connection_was_closed),
        cmocka_unit_test(test_engine_does_not_wait_for_ever),
        cmocka_unit_test(test_engine_counts_requests_without_a_connection),
        cmocka_unit_test(test_engine_keeps_pipelines_full),
        cmocka_unit_test(test_engine_opens_one_connection_for_each_when_told),
        cmocka_unit_test(test_engine_shows_a_pause_to_all_who_were_due_meanwhile),
        cmocka_unit_test(test_engine_counts_what_it_could_not_send),
        cmocka_unit_test(test_engine_ends_when_it_is_stopped),
        cmocka_unit_test(test_engine_accounts_for_every_request),
        cmocka_unit_test(test_engine_picks_by_weight_and_evenly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
