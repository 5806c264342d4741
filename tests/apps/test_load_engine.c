/* weft-load's engine against a server that does one thing wrong, at one request.
 *
 * The server is a thread with plain sockets. What it does depends on how many requests it has got,
 * never on time, so each test knows how many answers are right. */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "weft-load/run.h"

#define MILLISECOND INT64_C(1000000)
#define CLIENTS_MAX 200
#define WRONG_AT    10 /* the request at which something is wrong */

enum manner {
    RIGHT,
    STATUS,   /* another status */
    SIZE,     /* a longer body */
    BODY,     /* other bytes */
    RESET,    /* the end instead of an answer */
    SHORT,    /* half of an answer, and the end */
    SILENT,   /* nothing */
    JUNK,     /* no HTTP */
    UNASKED,  /* two answers to one request */
    CLOSING,  /* right, and says that it closes: each time */
    CHUNKED,  /* right, in chunks with a trailer */
    REST,     /* right, its end is that of the connection: each time */
    INTERIM,  /* right, after a 103 */
    BYTEWISE, /* right, a byte at a time */
    HOLD,     /* from the first on, nobody is answered before `hold` have asked */
};

static struct {
    int listener, wake[2];
    pthread_t thread;
    enum manner manner;
    int requests, hold, held;
    int farewells; /* so many connections are told 408 at once, and closed */
    struct pollfd files[2 + CLIENTS_MAX];
    char input[2 + CLIENTS_MAX][4096];
    size_t received[2 + CLIENTS_MAX];
    int holding[CLIENTS_MAX];
    nfds_t count;
} server;

static char url[64];
static struct target target;
static struct engine *engine;
static struct load_result result;

/* --- The server. --- */

#define HEAD(length) "HTTP/1.1 200 OK\r\nContent-Length: " length "\r\n\r\n"

static const char usual[] = HEAD("12") "hello, world";

static const char *const answers[] = {
    [RIGHT] = usual,
    [STATUS] = "HTTP/1.1 500 No\r\nContent-Length: 12\r\n\r\nhello, world",
    [SIZE] = HEAD("13") "hello, world!",
    [BODY] = HEAD("12") "hello, w0rld",
    [RESET] = "",
    [SHORT] = HEAD("12") "hello,",
    [SILENT] = "",
    [JUNK] = "SSH-2.0-weft\r\n\r\n",
    [UNASKED] = HEAD("12") "hello, world" HEAD("12") "hello, world",
    [CLOSING] = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 12\r\n\r\nhello, world",
    [CHUNKED] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                "5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\nTrailer: 1\r\n\r\n",
    [REST] = "HTTP/1.1 200 OK\r\n\r\nhello, world",
    [INTERIM] = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" HEAD("12") "hello, world",
    [BYTEWISE] = usual,
    [HOLD] = usual,
};

static void say(int fd, const char *text, size_t size)
{
    if (send(fd, text, size, MSG_NOSIGNAL) != (ssize_t)size)
        return; /* the client may have gone */
}

static void release(void)
{
    for (int i = 0; i < server.held; i++)
        say(server.holding[i], usual, sizeof usual - 1);
    server.held = 0;
    server.hold = 0;
}

/* Answer one request; false: and hang up. */
static bool serve(int fd)
{
    bool always = server.manner == CLOSING || server.manner >= CHUNKED;
    bool wrong = ++server.requests == WRONG_AT || always;
    enum manner manner = wrong ? server.manner : RIGHT;
    if (manner == HOLD && server.hold > 0) {
        server.holding[server.held++] = fd;
        if (server.held == server.hold)
            release();
        return true;
    }
    const char *text = answers[manner];
    for (size_t i = 0; manner == BYTEWISE && i < sizeof usual - 1; i++)
        say(fd, text++, 1);
    say(fd, text, strlen(text));
    return manner != RESET && manner != SHORT && manner != CLOSING && manner != REST;
}

static bool read_some(nfds_t i)
{
    char *input = server.input[i];
    size_t *received = &server.received[i];
    ssize_t n =
        recv(server.files[i].fd, input + *received, sizeof server.input[i] - 1 - *received, 0);
    if (n <= 0)
        return false;
    *received += (size_t)n;
    input[*received] = '\0';
    for (char *end; (end = strstr(input, "\r\n\r\n")) != NULL;) {
        *received -= (size_t)(end + 4 - input);
        memmove(input, end + 4, *received + 1);
        if (!serve(server.files[i].fd))
            return false;
    }
    return true;
}

static void *run_server(void *arg)
{
    (void)arg;
    for (;;) {
        poll(server.files, server.count, -1);
        if (server.files[0].revents != 0)
            break;
        for (nfds_t i = 2; i < server.count; i++) {
            if (server.files[i].revents == 0 || read_some(i))
                continue;
            close(server.files[i].fd);
            server.files[i].fd = -1; /* poll leaves it out */
            server.files[i].revents = 0;
        }
        if (server.files[1].revents == 0)
            continue;
        nfds_t free = 2;
        while (free < server.count && server.files[free].fd >= 0)
            free++;
        server.files[free].fd = accept(server.listener, NULL, NULL);
        if (server.farewells > 0) {
            static const char farewell[] = "HTTP/1.1 408 Too late\r\nConnection: close\r\n\r\n";
            server.farewells--;
            say(server.files[free].fd, farewell, sizeof farewell - 1);
            close(server.files[free].fd);
            server.files[free].fd = -1;
        }
        server.files[free].events = POLLIN;
        server.received[free] = 0;
        server.count += free == server.count;
    }
    for (nfds_t i = 2; i < server.count; i++)
        if (server.files[i].fd >= 0)
            close(server.files[i].fd);
    return NULL;
}

static void start(enum manner manner)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    server.manner = manner;
    server.requests = server.held = 0;
    server.listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_return_code(bind(server.listener, (struct sockaddr *)&address, size), 0);
    assert_return_code(listen(server.listener, 256), 0);
    getsockname(server.listener, (struct sockaddr *)&address, &size);
    assert_return_code(pipe(server.wake), 0);
    server.files[0] = (struct pollfd){ .fd = server.wake[0], .events = POLLIN };
    server.files[1] = (struct pollfd){ .fd = server.listener, .events = POLLIN };
    server.count = 2;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&server.thread, NULL, run_server, NULL), 0);
}

static void stop(void)
{
    engine_free(engine);
    target_fini(&target);
    assert_int_equal(write(server.wake[1], "x", 1), 1);
    pthread_join(server.thread, NULL);
    close(server.wake[0]);
    close(server.wake[1]);
    close(server.listener);
}

/* --- The engine. --- */

static void open_engine(struct engine_options options)
{
    char why[TARGET_TEXT_MAX];
    assert_int_equal(
        target_init(&target, url, &(struct request_options){ .close = options.close }, why), 0);
    assert_int_equal(target_expect(&target, 200, "hello, world", 12), 0);
    options.targets = &target;
    options.target_count = 1;
    engine = engine_new(&options);
    assert_non_null(engine);
}

/* So many requests, one after the other, to a server of this manner; what is not right is of one
 * kind. */
static void run(enum manner manner, struct engine_options options, int count, enum fault fault,
                uint64_t faults)
{
    start(manner);
    open_engine(options);
    load_run(engine, &(struct load_run){ .requests = (uint64_t)count }, &result);
    for (int i = 1; i < FAULTS; i++)
        if (result.measures.faults[i] != (i == (int)fault ? faults : 0))
            fail_msg("%llu answers were of the kind '%s': %s",
                     (unsigned long long)result.measures.faults[i], fault_names[i],
                     engine_example(engine, (enum fault)i));
    assert_int_equal(engine_example(engine, fault)[0] != '\0', faults > 0);
    assert_int_equal(result.measures.from_due.count, result.measures.answered);
    stop();
}

static void wrong_once(enum manner manner, enum fault fault)
{
    run(manner, (struct engine_options){ .timeout = 10000 * MILLISECOND }, 20, fault, 1);
    assert_int_equal(result.measures.answered, 19);
}

static void right(enum manner manner, struct engine_options options)
{
    options.timeout = 10000 * MILLISECOND;
    run(manner, options, 50, FAULT_NONE, 0);
    assert_int_equal(result.measures.answered, 50);
}

static void test_engine_wrong_status_is_seen(void **state)
{
    (void)state;
    wrong_once(STATUS, FAULT_STATUS);
    assert_int_equal(result.measures.statuses[5], 1);
}

static void test_engine_wrong_size_is_seen(void **state)
{
    (void)state;
    wrong_once(SIZE, FAULT_SIZE);
}

static void test_engine_wrong_body_is_seen(void **state)
{
    (void)state;
    wrong_once(BODY, FAULT_BODY);
}

static void test_engine_wrong_body_is_passed_over_unless_it_is_the_nth(void **state)
{
    (void)state;
    run(BODY, (struct engine_options){ .check_every = 20 }, 20, FAULT_BODY, 0);
    run(BODY, (struct engine_options){ .check_every = 9 }, 20, FAULT_BODY, 1);
    run(BODY, (struct engine_options){ .check_every = -1 }, 20, FAULT_BODY, 0);
}

static void test_engine_reset_is_seen_and_connected_again(void **state)
{
    (void)state;
    wrong_once(RESET, FAULT_RESET);
    assert_int_equal(result.measures.connects, 2);
}

static void test_engine_reset_is_asked_again_if_wanted(void **state)
{
    (void)state;
    run(RESET, (struct engine_options){ .retry = true }, 20, FAULT_RESET, 0);
    assert_int_equal(result.measures.answered, 20);
}

static void test_engine_short_answer_is_seen(void **state)
{
    (void)state;
    wrong_once(SHORT, FAULT_SHORT);
}

static void test_engine_silence_is_a_timeout(void **state)
{
    (void)state;
    run(SILENT, (struct engine_options){ .timeout = 500 * MILLISECOND }, 20, FAULT_TIMEOUT, 1);
    assert_int_equal(result.measures.answered, 19);
}

static void test_engine_junk_is_malformed(void **state)
{
    (void)state;
    wrong_once(JUNK, FAULT_MALFORMED);
}

/* The answer before it was right, so nothing is lost but the connection. */
static void test_engine_answer_that_nobody_asked_for_is_malformed(void **state)
{
    (void)state;
    run(UNASKED, (struct engine_options){ 0 }, 20, FAULT_MALFORMED, 1);
    assert_int_equal(result.measures.answered, 20);
    assert_int_equal(result.measures.connects, 2);
}

/* A port that is bound and not listened on. */
static void test_engine_refused_connection_is_seen(void **state)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    (void)state;
    assert_return_code(bind(fd, (struct sockaddr *)&address, size), 0);
    getsockname(fd, (struct sockaddr *)&address, &size);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(address.sin_port));
    open_engine((struct engine_options){ .connections = 4, .tireless = true });
    load_run(engine, &(struct load_run){ .requests = 20000 }, &result);
    assert_int_equal(result.measures.faults[FAULT_CONNECT], 20000);
    assert_non_null(strstr(engine_example(engine, FAULT_CONNECT), "Connection refused"));
    load_run(engine, &(struct load_run){ .rate = 1000, .duration = 50 * MILLISECOND }, &result);
    assert_int_equal(result.measures.faults[FAULT_CONNECT], 50);
    assert_int_equal(result.unsent, 0);
    engine_free(engine);
    target_fini(&target);
    close(fd);
}

static void test_engine_all_framings_are_read(void **state)
{
    (void)state;
    right(RIGHT, (struct engine_options){ 0 });
    right(CHUNKED, (struct engine_options){ 0 });
    right(INTERIM, (struct engine_options){ 0 });
    right(REST, (struct engine_options){ 0 });
    assert_int_equal(result.measures.connects, 50);
}

static void test_engine_bytes_in_any_pieces_are_read(void **state)
{
    (void)state;
    right(BYTEWISE, (struct engine_options){ 0 });
    right(BYTEWISE, (struct engine_options){ .pipeline = 7, .collect = true });
}

static void test_engine_closing_server_is_connected_again(void **state)
{
    (void)state;
    right(CLOSING, (struct engine_options){ 0 });
    assert_int_equal(result.measures.connects, 50);
    right(RIGHT, (struct engine_options){ .close = true });
    assert_int_equal(result.measures.connects, 50);
}

/* What was sent behind the answer that was the last one is asked again, and is no error. */
static void test_engine_pipeline_survives_a_closing_server(void **state)
{
    (void)state;
    right(CLOSING, (struct engine_options){ .pipeline = 5 });
}

static void test_engine_pipeline_is_right_over_many_connections(void **state)
{
    (void)state;
    run(RIGHT, (struct engine_options){ .connections = 20, .pipeline = 16 }, 5000, FAULT_NONE, 0);
    assert_int_equal(result.measures.answered, 5000);
    assert_int_equal(result.measures.connects, 20);
}

static void test_engine_runs_many_times_over_the_same_connections(void **state)
{
    (void)state;
    start(RIGHT);
    open_engine((struct engine_options){ .connections = 5 });
    engine_gather(engine);
    while (engine_is_gathering(engine))
        engine_turn(engine, engine_now() + 10 * MILLISECOND);
    assert_int_equal(engine_open_count(engine), 5);
    for (int i = 0; i < 20; i++) {
        load_run(engine, &(struct load_run){ .requests = 100 }, &result);
        assert_int_equal(result.measures.answered, 100);
        assert_int_equal(result.measures.connects, 0);
        assert_int_equal(engine_under_way(engine), 0);
    }
    stop();
}

/* The server answers nobody before all have asked. */
static void test_engine_only_as_many_connections_ask_as_are_to_be_used(void **state)
{
    (void)state;
    start(HOLD);
    server.hold = 8;
    open_engine((struct engine_options){ .connections = 8 });
    engine_use(engine, 3);
    for (int i = 0; i < 8; i++)
        engine_ask(engine, &target, engine_now(), true);
    assert_int_equal(engine_under_way(engine), 3);
    assert_int_equal(engine_backlog(engine), 5);
    engine_use(engine, 8);
    assert_int_equal(engine_under_way(engine), 8);
    assert_int_equal(engine_backlog(engine), 0);
    engine_use(engine, 2); /* the others end what they have, and are given nothing more */
    while (engine_under_way(engine) > 0)
        engine_turn(engine, engine_now() + 10 * MILLISECOND);
    assert_int_equal(engine_measures(engine)->answered, 8);
    for (int i = 0; i < 8; i++)
        engine_ask(engine, &target, engine_now(), true);
    assert_int_equal(engine_under_way(engine), 2);
    stop();
}

static void test_engine_ramp_puts_connections_to_work_one_by_one(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        start(RIGHT);
        open_engine((struct engine_options){ .connections = 100 });
        load_run(engine,
                 &(struct load_run){ .duration = 50 * MILLISECOND,
                                     .rate = i * 2000,
                                     .ramp = 5000000 * MILLISECOND },
                 &result);
        assert_true(result.measures.answered > 0);
        assert_int_equal(result.measures.connects, 1);
        assert_int_equal(measures_faults(&result.measures), 0);
        stop();
    }
}

static void test_engine_farewell_to_who_asked_nothing_is_no_fault(void **state)
{
    (void)state;
    start(RIGHT);
    server.farewells = 5;
    open_engine((struct engine_options){ .connections = 5 });
    engine_gather(engine);
    while (engine_is_gathering(engine) || engine_open_count(engine) > 0)
        engine_turn(engine, engine_now() + 10 * MILLISECOND);
    load_run(engine, &(struct load_run){ .requests = 20 }, &result);
    assert_int_equal(result.measures.answered, 20);
    assert_int_equal(measures_faults(&result.measures), 0);
    stop();
}

static void test_engine_learns_and_then_expects(void **state)
{
    char why[TARGET_TEXT_MAX];
    (void)state;
    start(BODY);
    assert_int_equal(target_init(&target, url, &(struct request_options){ 0 }, why), 0);
    engine = engine_new(&(struct engine_options){ .targets = &target, .target_count = 1 });
    assert_int_equal(engine_learn(engine, true, why), 0);
    assert_int_equal(target.expected.status, 200);
    assert_int_equal(target.expected.size, 12);
    load_run(engine, &(struct load_run){ .requests = 20 }, &result);
    assert_int_equal(result.measures.faults[FAULT_BODY], 1);
    assert_non_null(strstr(engine_example(engine, FAULT_BODY), "byte 8 of the body: \"0rld\""));
    stop();
}

/* --- Open loop. --- */

/* One place, and requests that were due long ago: each waits for those before it, and all of that
 * counts. From when they were sent nothing is to be seen, which is how a closed loop deceives. */
static void test_engine_latency_counts_from_when_it_was_due(void **state)
{
    (void)state;
    start(RIGHT);
    open_engine((struct engine_options){ 0 });
    int64_t now = engine_now();
    for (int i = 0; i < 1000; i++)
        engine_ask(engine, &target, now - (1000 - i) * MILLISECOND, true);
    assert_int_equal(engine_backlog(engine), 999);
    while (engine_under_way(engine) > 0)
        engine_turn(engine, engine_now() + 10 * MILLISECOND);
    const struct measures *measures = engine_measures(engine);
    assert_int_equal(measures->answered, 1000);
    assert_true(measures->from_due.max >= 1000 * MILLISECOND);
    assert_true(durations_quantile(&measures->from_due, 0.99) >= 989 * MILLISECOND);
    assert_true(durations_quantile(&measures->from_due, 0.5) >= 499 * MILLISECOND);
    assert_true(measures->from_sent.min < measures->from_due.min);
    stop();
}

/* The server answers nobody before 50 have asked. At 1,000 a second the i-th of them waits 50 - i
 * ms, by the schedule alone: so 10 of 200 requests wait 40 ms and more, whatever the machine does.
 */
static void test_engine_server_that_stands_still_is_seen_by_all(void **state)
{
    (void)state;
    start(HOLD);
    server.hold = 50;
    open_engine((struct engine_options){ .connections = 100 });
    load_run(engine,
             &(struct load_run){ .rate = 1000, .duration = 200 * MILLISECOND, .spin = 50000 },
             &result);
    assert_int_equal(result.measures.answered, 200);
    assert_int_equal(result.unsent, 0);
    assert_true(result.offered > 999 && result.offered < 1001);
    assert_true(result.measures.from_due.max >= 49 * MILLISECOND);
    assert_true(durations_quantile(&result.measures.from_due, 0.95) >= 39 * MILLISECOND);
    assert_true(durations_quantile(&result.measures.from_due, 0.875) >= 24 * MILLISECOND);
    stop();
}

/* Nobody is ever answered: what found no place is counted, and what did is a timeout. */
static void test_engine_what_found_no_place_is_unsent(void **state)
{
    (void)state;
    start(HOLD);
    server.hold = CLIENTS_MAX;
    open_engine((struct engine_options){ .connections = 3 });
    load_run(
        engine,
        &(struct load_run){ .rate = 10000, .duration = 5 * MILLISECOND, .give_up = MILLISECOND },
        &result);
    assert_int_equal(result.measures.answered, 0);
    assert_int_equal(result.measures.faults[FAULT_TIMEOUT], 3);
    assert_int_equal(result.unsent, 47);
    server.hold = 0;
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_engine_wrong_status_is_seen),
        cmocka_unit_test(test_engine_wrong_size_is_seen),
        cmocka_unit_test(test_engine_wrong_body_is_seen),
        cmocka_unit_test(test_engine_wrong_body_is_passed_over_unless_it_is_the_nth),
        cmocka_unit_test(test_engine_reset_is_seen_and_connected_again),
        cmocka_unit_test(test_engine_reset_is_asked_again_if_wanted),
        cmocka_unit_test(test_engine_short_answer_is_seen),
        cmocka_unit_test(test_engine_silence_is_a_timeout),
        cmocka_unit_test(test_engine_junk_is_malformed),
        cmocka_unit_test(test_engine_answer_that_nobody_asked_for_is_malformed),
        cmocka_unit_test(test_engine_refused_connection_is_seen),
        cmocka_unit_test(test_engine_all_framings_are_read),
        cmocka_unit_test(test_engine_bytes_in_any_pieces_are_read),
        cmocka_unit_test(test_engine_closing_server_is_connected_again),
        cmocka_unit_test(test_engine_pipeline_survives_a_closing_server),
        cmocka_unit_test(test_engine_pipeline_is_right_over_many_connections),
        cmocka_unit_test(test_engine_runs_many_times_over_the_same_connections),
        cmocka_unit_test(test_engine_only_as_many_connections_ask_as_are_to_be_used),
        cmocka_unit_test(test_engine_ramp_puts_connections_to_work_one_by_one),
        cmocka_unit_test(test_engine_farewell_to_who_asked_nothing_is_no_fault),
        cmocka_unit_test(test_engine_learns_and_then_expects),
        cmocka_unit_test(test_engine_latency_counts_from_when_it_was_due),
        cmocka_unit_test(test_engine_server_that_stands_still_is_seen_by_all),
        cmocka_unit_test(test_engine_what_found_no_place_is_unsent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
