/* The client: what it sends, what it makes of answers, and which connections it uses again.
 *
 * The servers here follow a script: for each connection a list of what is done with each request in
 * turn. A text is sent; the capital words are: */

#include "http_test.h"

#include "http/client.h"

#define KEEP  "keep"  /* read on until the client closes */
#define CLOSE "close" /* read a request, and close */
#define RESET "reset" /* read a request, and reset */
#define HANG  "hang"  /* read a request, and never answer */
/* The end of the list: close without reading a request. */

#define CONNECTIONS_MAX 8
#define STEPS_MAX       8

static const char *script[CONNECTIONS_MAX][STEPS_MAX];
static int connections;   /* that were accepted */
static int closed;        /* that the client has closed while they were kept */
static char asked[16384]; /* the last request, whole */

static int read_request(weft_stream *stream)
{
    size_t size = 0;
    char *end = NULL;
    while (!end) {
        ssize_t n = weft_read(stream, asked + size, 1);
        if (n <= 0)
            return n < 0 ? (int)n : WEFT_EEND;
        asked[++size] = '\0';
        end = strstr(asked, "\r\n\r\n");
    }
    const char *length = strstr(asked, "Content-Length: ");
    size_t body = length ? strtoul(length + 16, NULL, 10) : 0;
    assert_true(size + body < sizeof asked);
    asked[size + body] = '\0';
    return weft_read_exact(stream, asked + size, body);
}

static int keep(weft_stream *stream)
{
    char byte;
    while (weft_read(stream, &byte, 1) > 0)
        ;
    closed++;
    return 0;
}

static int follow(weft_stream *stream, void *arg)
{
    (void)arg;
    const char *const *steps = script[connections++ % CONNECTIONS_MAX];
    for (int i = 0; i < STEPS_MAX && steps[i]; i++) {
        if (strcmp(steps[i], KEEP) == 0)
            return keep(stream);
        int err = read_request(stream);
        if (err < 0)
            return err == WEFT_EEND ? keep(stream) : 0;
        if (strcmp(steps[i], CLOSE) == 0)
            return 0;
        if (strcmp(steps[i], RESET) == 0)
            return weft_task_cancel(weft_task_self(), "closing resets then"), 0;
        if (strcmp(steps[i], HANG) == 0)
            return weft_sleep(WEFT_FOREVER);
        if (weft_write(stream, steps[i], strlen(steps[i])) < 0)
            return 0;
    }
    return 0;
}

/* The client of the test, its arena, and a call to http://s/x. */
static weft_http_client *client;
static weft_arena *arena;

struct scripted {
    void (*body)(void);
    struct weft_http_client_options options;
};

static int scripted_main(void *arg)
{
    struct scripted *test = arg;
    struct peer peer = { .serve = follow };
    test->options.client = &client;
    connections = closed = 0;
    assert_int_equal(weft_arena_new(&arena, (size_t)64 << 20), 0);
    assert_int_equal(weft_http_client_new_with(&test->options), 0);
    assert_int_equal(weft_http_client_map(client, "s", "mem:script"), 0);
    peer_begin(&peer, "mem:script");
    test->body();
    weft_http_client_free(client);
    peer_end(&peer);
    weft_arena_free(arena);
    memset(script, 0, sizeof script);
    return 0;
}

#define scripted(function, ...)                                                                    \
    assert_int_equal(                                                                              \
        run(scripted_main,                                                                         \
            &(struct scripted){                                                                    \
                .body = (function),                                                                \
                .options = { .size = sizeof(struct weft_http_client_options), __VA_ARGS__ } }),    \
        0)

#define CALL(where, ...)                                                                           \
    (weft_http_call)                                                                               \
    {                                                                                              \
        .arena = arena, .client = client, .url = where, ##__VA_ARGS__                              \
    }
#define X "http://s/x"

static int get(const char *url)
{
    weft_http_call call = CALL(url);
    return weft_http_fetch(&call);
}

#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

/* What is sent. */

static void check_request(void)
{
    script[0][0] = script[0][1] = script[0][2] = script[0][3] = script[0][4] = OK_HI;
    script[0][5] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
    script[0][6] = KEEP;

    assert_int_equal(get("http://s/a/b?c=d#e"), 200);
    assert_string_equal(asked, "GET /a/b?c=d HTTP/1.1\r\nHost: s\r\n\r\n");

    static const weft_http_field fields[] = { { "X-One", "1" }, { "x-two", "" }, { NULL, NULL } };
    weft_http_call call =
        CALL(X, .headers = fields, .data = "some data", .size = 9, .content_type = "text/plain");
    assert_int_equal(weft_http_fetch(&call), 200);
    assert_string_equal(asked, "POST /x HTTP/1.1\r\nHost: s\r\nContent-Type: text/plain\r\n"
                               "Content-Length: 9\r\nX-One: 1\r\nx-two: \r\n\r\nsome data");
    call = CALL(X, .method = "PUT");
    assert_int_equal(weft_http_fetch(&call), 200);
    assert_string_equal(asked, "PUT /x HTTP/1.1\r\nHost: s\r\nContent-Length: 0\r\n\r\n");
    call = CALL(X, .method = "DELETE");
    assert_int_equal(weft_http_fetch(&call), 200);
    assert_string_equal(asked, "DELETE /x HTTP/1.1\r\nHost: s\r\n\r\n");
    call = CALL(X, .method = "PATCH", .data = "z", .size = 1);
    assert_int_equal(weft_http_fetch(&call), 200);
    assert_string_equal(asked, "PATCH /x HTTP/1.1\r\nHost: s\r\nContent-Length: 1\r\n\r\nz");
    call = CALL(X, .method = "HEAD");
    assert_int_equal(weft_http_fetch(&call), 200);
    assert_string_equal(asked, "HEAD /x HTTP/1.1\r\nHost: s\r\n\r\n");
    assert_string_equal(call.body, "");
    assert_int_equal(connections, 1);
}

static void test_client_request_is_exact(void **state)
{
    (void)state;
    scripted(check_request);
}

static void expect_unsendable(weft_http_call call, int err, const char *detail)
{
    assert_int_equal(weft_http_fetch(&call), err);
    assert_int_equal(call.status, 0);
    assert_string_equal(call.body, "");
    expect_text(call.detail, detail);
}

static void check_unsendable(void)
{
    static const weft_http_field fields[][2] = {
        { { "X", "a\r\nY: b" }, { NULL, NULL } },
        { { "X", "a\nb" }, { NULL, NULL } },
        { { "X\r\nY", "b" }, { NULL, NULL } },
        { { "", "b" }, { NULL, NULL } },
        { { "Host", "other" }, { NULL, NULL } },
        { { "Content-Length", "9" }, { NULL, NULL } },
        { { "Transfer-Encoding", "chunked" }, { NULL, NULL } },
    };
    for (size_t i = 0; i < WF_ARRAY_SIZE(fields); i++)
        expect_unsendable(CALL(X, .headers = fields[i]), -EINVAL, "prepare: a header may not");
    expect_unsendable(CALL(X, .content_type = "a\r\nb"), -EINVAL, "prepare: a header may not");
    expect_unsendable(CALL("http://s/a b"), -EINVAL, "prepare: the URL may not");
    expect_unsendable(CALL("http://s/a\r\nX: y"), -EINVAL, "prepare: the URL may not");
    expect_unsendable(CALL("http://s s/"), -EINVAL, "prepare: the URL may not");
    expect_unsendable(CALL("http://s\r\nX: y/"), -EINVAL, "prepare: the URL's port");
    expect_unsendable(CALL("http://u@s/"), -EINVAL, "user names");
    expect_unsendable(CALL("https://s/"), -EPROTONOSUPPORT, "not an http:// URL");
    expect_unsendable(CALL(NULL), -EINVAL, "(null): prepare: not an http:// URL");
    expect_unsendable(CALL(X, .method = "GET /"), -EINVAL, "prepare: the method may not");
    expect_unsendable(CALL(X, .method = ""), -EINVAL, "prepare: the method may not");
    expect_unsendable(CALL(X, .method = "CONNECT"), -EINVAL, "CONNECT asks for a tunnel");
    expect_unsendable((weft_http_call){ .url = X, .client = client }, -EINVAL, "no arena");
    assert_int_equal(connections, 0);
}

static void test_client_what_may_not_be_sent_is_refused(void **state)
{
    (void)state;
    scripted(check_unsendable);
}

/* What comes back. */

static void check_response(void)
{
    script[0][0] = "HTTP/1.1 404 Gone away\r\nX-One: 1\r\nx-one: 2\r\nEmpty:\r\n"
                   "Content-Length: 4\r\n\r\nbody";
    script[0][1] = "HTTP/1.1 204 No Content\r\n\r\n";
    script[0][2] = "HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n";
    script[0][3] = "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n";
    script[0][4] = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" OK_HI;
    script[0][5] = KEEP;
    weft_http_call call = CALL(X);
    assert_int_equal(weft_http_fetch(&call), 404);
    assert_int_equal(call.status, 404);
    assert_string_equal(call.body, "body");
    assert_int_equal(call.body_size, 4);
    assert_string_equal(call.detail, "");
    assert_int_equal(call.header_count, 4);
    assert_string_equal(call.response[1].name, "x-one");
    assert_string_equal(call.response[1].value, "2");
    assert_string_equal(weft_http_call_header(&call, "X-ONE"), "1");
    assert_string_equal(weft_http_call_header(&call, "empty"), "");
    assert_null(weft_http_call_header(&call, "X"));
    assert_int_equal(weft_http_fetch(&call), 204);
    assert_string_equal(call.body, "");
    assert_null(weft_http_call_header(&call, "X-ONE"));
    assert_int_equal(weft_http_fetch(&call), 304);
    assert_int_equal(call.body_size, 0);
    assert_int_equal(weft_http_fetch(&call), 200);
    assert_int_equal(call.body_size, 0);
    assert_int_equal(weft_http_fetch(&call), 200);
    assert_string_equal(call.body, "hi");
    assert_null(weft_http_call_header(&call, "A"));
    assert_int_equal(connections, 1);
}

static void test_client_response_is_read(void **state)
{
    (void)state;
    scripted(check_response);
}

static void check_until_close(void)
{
    script[0][0] = "HTTP/1.1 200 OK\r\n\r\nall that comes";
    script[1][0] = "HTTP/1.0 200 OK\r\n\r\n";
    script[2][0] = "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    script[3][0] = "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nhi";
    script[3][1] = OK_HI;
    script[3][2] = KEEP;
    weft_http_call call = CALL(X);
    assert_int_equal(weft_http_fetch(&call), 200);
    assert_string_equal(call.body, "all that comes");
    assert_int_equal(call.body_size, 14);
    assert_int_equal(weft_http_fetch(&call), 200);
    assert_string_equal(call.body, "");
    assert_int_equal(weft_http_fetch(&call), 200);
    assert_string_equal(call.body, "hi");
    assert_int_equal(weft_http_fetch(&call), 200);
    assert_int_equal(weft_http_fetch(&call), 200);
    assert_int_equal(connections, 4);
}

static void test_client_close_may_end_the_body(void **state)
{
    (void)state;
    scripted(check_until_close);
}

static void expect_failure(const char *answer, int err, const char *detail)
{
    weft_http_call call = CALL(X);
    memset(script, 0, sizeof script);
    script[connections % CONNECTIONS_MAX][0] = answer;
    int result = weft_http_fetch(&call);
    if (result != err || !strstr(call.detail, detail))
        fail_msg("expected %d '%s', got %d '%s' for:\n%s", err, detail, result, call.detail,
                 answer);
}

#define OK "HTTP/1.1 200 OK\r\n"

static void check_failures(void)
{
    expect_failure("rubbish\r\n\r\n", WEFT_EPROTOCOL, "http://s/x: response: ");
    expect_failure("HTTP/2.0 200 OK\r\n\r\n", WEFT_EPROTOCOL, "version");
    expect_failure("HTTP/1.1 20 OK\r\n\r\n", WEFT_EPROTOCOL, "status");
    expect_failure("HTTP/1.1 099 OK\r\n\r\n", WEFT_EPROTOCOL, "status");
    expect_failure(OK "A : b\r\n\r\n", WEFT_EPROTOCOL, "blank");
    expect_failure(OK "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", WEFT_EPROTOCOL,
                   "Content-Length");
    expect_failure(OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na", WEFT_EPROTOCOL,
                   "Transfer-Encoding");
    expect_failure(OK "Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n", -ENOTSUP, "transfer coding");
    expect_failure("HTTP/1.1 101 Switching Protocols\r\n\r\n", WEFT_EPROTOCOL, "1xx");
    expect_failure(OK "Content-Length: 5\r\n\r\nfour", WEFT_EEND, "ended");
    expect_failure(OK "Content-Length: 5\r\n", WEFT_EEND, "ended");
    expect_failure(CLOSE, WEFT_EEND, "ended");
    expect_failure(RESET, -ECONNRESET, "reset");
}

static void test_client_bad_response_is_an_error(void **state)
{
    (void)state;
    scripted(check_failures);
}

static void check_interim_flood(void)
{
    static char flood[STEPS_MAX * 400];
    for (int i = 0; i < 17; i++)
        strcat(flood, "HTTP/1.1 100 Continue\r\n\r\n");
    expect_failure(flood, WEFT_EPROTOCOL, "1xx");
}

static void test_client_interim_responses_are_bounded(void **state)
{
    (void)state;
    scripted(check_interim_flood);
}

/* Limits. */

static void check_limits(void)
{
    static char many[4000] = OK "Content-Length: 0\r\n", large[70000] = OK "A: ", body[200];
    for (int i = 0; i < 99; i++)
        strcat(many, "A: b\r\n");
    char *end = many + strlen(many);
    strcpy(end, "\r\n");
    script[0][0] = many;
    assert_int_equal(get("http://s/"), 200);
    strcpy(end, "A: b\r\n\r\n");
    expect_failure(many, WEFT_ELIMIT, "too many headers");

    end = large + strlen(large);
    memset(end, 'a', 65536);
    strcpy(end + 65536, "\r\n\r\n");
    expect_failure(large, WEFT_ELIMIT, "too large");

    strcpy(body, OK "Content-Length: 11\r\n\r\n01234567890");
    script[connections % CONNECTIONS_MAX][0] = body;
    weft_http_call call = CALL(X, .body_max = 10);
    assert_int_equal(weft_http_fetch(&call), WEFT_ELIMIT);
    assert_int_equal(call.status, 200);
    assert_int_equal(call.body_size, 0);
    script[connections % CONNECTIONS_MAX][0] = OK "\r\n01234567890";
    assert_int_equal(weft_http_fetch(&call), WEFT_ELIMIT);
    script[connections % CONNECTIONS_MAX][0] = OK "\r\n0123456789";
    assert_int_equal(weft_http_fetch(&call), 200);
    assert_string_equal(call.body, "0123456789");
    script[connections % CONNECTIONS_MAX][0] = many;
    call = CALL(X, .header_count_max = 10);
    assert_int_equal(weft_http_fetch(&call), WEFT_ELIMIT);
    script[connections % CONNECTIONS_MAX][0] = many;
    call = CALL(X, .header_size_max = 100);
    assert_int_equal(weft_http_fetch(&call), WEFT_ELIMIT);
    script[connections % CONNECTIONS_MAX][0] = OK "Content-Length: 9223372036854775807\r\n\r\n";
    call = CALL(X, .body_max = SIZE_MAX);
    assert_int_equal(weft_http_fetch(&call), -ENOMEM);
    expect_failure(OK "Content-Length: 16777217\r\n\r\n", WEFT_ELIMIT, "limit");
}

static void test_client_responses_have_limits(void **state)
{
    (void)state;
    scripted(check_limits);
}

/* More than a stream can hold, and more than the codec's offsets reach: clamped, and it works. */
static void check_huge_limit(void)
{
    static const uint32_t sizes[] = { UINT32_C(1) << 31, UINT32_MAX };
    for (size_t i = 0; i < WF_ARRAY_SIZE(sizes); i++) {
        weft_http_call call = CALL(X, .header_size_max = sizes[i]);
        script[connections % CONNECTIONS_MAX][0] = "HTTP/1.1 200 OK\r\nX: y\r\n\r\nhi";
        assert_int_equal(weft_http_fetch(&call), 200);
        assert_string_equal(weft_http_call_header(&call, "X"), "y");
        assert_string_equal(call.body, "hi");
    }
}

static void test_client_header_limit_may_be_huge(void **state)
{
    (void)state;
    scripted(check_huge_limit);
}

/* Which connection. */

static void check_reuse(void)
{
    script[0][0] = script[0][1] = OK_HI;
    script[0][2] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
    script[0][3] = KEEP;
    script[1][0] = OK_HI "unasked";
    script[1][1] = KEEP;
    script[2][0] = OK_HI;
    for (int i = 0; i < 5; i++)
        assert_int_equal(get("http://s/"), 200);
    assert_int_equal(connections, 3); /* three on the first, one on the second, one */
    weft_sleep(WEFT_MILLISECOND);
    assert_int_equal(closed, 2);
}

static void test_client_connection_is_used_again(void **state)
{
    (void)state;
    scripted(check_reuse);
}

/* No timer that never comes keeps the loop awake: the test clock would stand still. */
static void check_kept_forever(void)
{
    script[0][0] = script[0][1] = OK_HI;
    script[0][2] = KEEP;
    assert_int_equal(get("http://s/"), 200);
    assert_int_equal(weft_sleep(WEFT_HOUR), 0);
    assert_int_equal(get("http://s/"), 200);
    assert_int_equal(connections, 1);
}

static void test_client_connection_may_be_kept_forever(void **state)
{
    (void)state;
    scripted(check_kept_forever, .idle_timeout = WEFT_FOREVER);
}

/* The server closes the idle connection, in peace or in the moment it is taken. */
static void check_stale(void)
{
    script[0][0] = OK_HI;
    script[1][0] = OK_HI;
    script[1][1] = CLOSE;
    script[2][0] = OK_HI;
    script[2][1] = RESET;
    script[3][0] = OK_HI;
    script[3][1] = CLOSE;
    script[4][0] = CLOSE;
    script[5][0] = OK_HI;
    script[5][1] = "HTTP/1.1 20";
    script[6][0] = OK_HI;
    assert_int_equal(get("http://s/"), 200);
    weft_sleep(WEFT_MILLISECOND); /* closed, and the client can see it */
    assert_int_equal(get("http://s/"), 200);
    assert_int_equal(connections, 2);
    assert_int_equal(get("http://s/"), 200); /* closed before a byte came: again, on the third */
    assert_int_equal(connections, 3);
    assert_int_equal(get("http://s/"), 200); /* reset: again, on the fourth */
    assert_int_equal(connections, 4);
    assert_int_equal(get("http://s/"), WEFT_EEND); /* and again, but only once */
    assert_int_equal(connections, 5);
    assert_int_equal(get("http://s/"), 200);
    assert_int_equal(connections, 6);
    assert_int_equal(get("http://s/"), WEFT_EEND); /* a byte had come */
    assert_int_equal(connections, 6);
}

static void test_client_stale_connection_is_retried_once(void **state)
{
    (void)state;
    scripted(check_stale);
}

/* Two that are stale: the second try takes no chance. */
static int get_one(void *arg)
{
    (void)arg;
    int status = get("http://s/");
    return status == 200 ? 0 : status < 0 ? status : -EPROTO;
}

static void check_two_stale(void)
{
    weft_scope both;
    script[0][0] = script[1][0] = script[2][0] = OK_HI;
    script[0][1] = script[1][1] = CLOSE;
    weft_scope_begin(&both);
    weft_spawn(&both, get_one, NULL);
    weft_spawn(&both, get_one, NULL);
    assert_int_equal(weft_scope_end(&both), 0);
    assert_int_equal(connections, 2);
    assert_int_equal(get("http://s/"), 200);
    assert_int_equal(connections, 3);
}

static void test_client_second_try_is_on_a_new_connection(void **state)
{
    (void)state;
    scripted(check_two_stale);
}

static void check_methods(void)
{
    static const struct {
        const char *method;
        int result;
    } cases[] = {
        { "GET", 200 },     { "HEAD", 200 },       { "PUT", 200 },         { "DELETE", 200 },
        { "OPTIONS", 200 }, { "POST", WEFT_EEND }, { "PATCH", WEFT_EEND }, { "OWN", WEFT_EEND },
    };
    for (size_t i = 0; i < WF_ARRAY_SIZE(cases); i++) {
        int at = connections % CONNECTIONS_MAX, next = (at + 1) % CONNECTIONS_MAX;
        memset(script, 0, sizeof script);
        script[at][0] = OK_HI;
        script[at][1] = CLOSE;
        script[next][0] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        assert_int_equal(get("http://s/"), 200);
        weft_http_call call = CALL(X, .method = cases[i].method, .data = "x", .size = 1);
        assert_int_equal(weft_http_fetch(&call), cases[i].result);
    }
}

static void test_client_only_idempotent_methods_are_retried(void **state)
{
    (void)state;
    scripted(check_methods);
}

static void check_cancel(void)
{
    static const char *const starts[] = { HANG, "HTTP/1.1 200 OK\r\nCont",
                                          "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfour" };
    for (size_t i = 0; i < WF_ARRAY_SIZE(starts); i++) {
        int at = connections % CONNECTIONS_MAX, next = (at + 1) % CONNECTIONS_MAX;
        memset(script, 0, sizeof script);
        script[at][0] = OK_HI;
        script[at][1] = starts[i];
        script[at][2] = HANG;
        script[next][0] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        script[next][1] = KEEP;
        assert_int_equal(get("http://s/"), 200);
        int before = connections;
        weft_scope scope;
        weft_http_call call = CALL(X);
        int64_t start = weft_now();
        weft_scope_begin(&scope, .timeout = WEFT_SECOND);
        int err = weft_http_fetch(&call);
        assert_int_equal(err, -ECANCELED);
        assert_int_equal(weft_scope_leave(&scope, err), -ETIMEDOUT);
        assert_int_equal(weft_now() - start, WEFT_SECOND);
        assert_string_equal(call.body, "");
        assert_int_equal(connections, before); /* no second try */
        assert_int_equal(get("http://s/"), 200);
        assert_int_equal(connections, before + 1); /* never on the connection that was left */
    }
}

static void test_client_cancelled_fetch_gives_its_connection_up(void **state)
{
    (void)state;
    scripted(check_cancel);
}

/* A server may answer a large request before it has read it, and close. */
static int early(weft_stream *stream, void *arg)
{
    (void)arg;
    static const char answer[] =
        "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!";
    weft_fill(stream);
    weft_write(stream, answer, sizeof answer - 1);
    return 0;
}

static int serve_early(void *listener)
{
    int err = weft_serve_on(listener, early);
    return err == -ECANCELED ? 0 : err;
}

static void check_early(void)
{
    static char data[1 << 20];
    weft_listener *listener;
    weft_scope scope;
    assert_int_equal(weft_listen(&listener, "mem:early"), 0);
    assert_int_equal(weft_http_client_map(client, "early", "mem:early"), 0);
    weft_scope_begin(&scope);
    weft_spawn(&scope, serve_early, listener);
    weft_http_call call = CALL("http://early/", .data = data, .size = sizeof data, .method = "PUT");
    assert_int_equal(weft_http_fetch(&call), 413);
    assert_string_equal(call.body, "no!");
    weft_scope_cancel(&scope, "enough");
    assert_int_equal(weft_scope_end(&scope), 0);
    weft_listener_close(listener);
}

static void test_client_early_answer_is_heard(void **state)
{
    (void)state;
    scripted(check_early);
}

/* Whatever the byte at which the server ends, in peace or by a reset. */
static struct {
    size_t size;
    bool reset;
} cut;

static const char whole[] = "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 3\r\n\r\nabc";

static int send_part(weft_stream *stream, void *arg)
{
    (void)arg;
    if (read_request(stream) < 0)
        return 0;
    connections++;
    weft_write(stream, whole, cut.size);
    weft_flush(stream);
    if (cut.reset && weft_sleep(WEFT_MILLISECOND) == 0)
        weft_task_cancel(weft_task_self(), "closing resets then");
    return 0;
}

static int serve_parts(void *listener)
{
    int err = weft_serve_on(listener, send_part);
    return err == -ECANCELED ? 0 : err;
}

static void check_parts(void)
{
    weft_listener *listener;
    weft_scope scope;
    assert_int_equal(weft_listen(&listener, "mem:parts"), 0);
    assert_int_equal(weft_http_client_map(client, "parts", "mem:parts"), 0);
    weft_scope_begin(&scope);
    weft_spawn(&scope, serve_parts, listener);
    for (cut.size = 0; cut.size < sizeof whole; cut.size++) {
        bool is_whole = cut.size == sizeof whole - 1;
        cut.reset = false;
        assert_int_equal(get("http://parts/"), is_whole ? 200 : WEFT_EEND);
        cut.reset = true;
        assert_int_equal(get("http://parts/"), is_whole ? 200 : -ECONNRESET);
    }
    assert_int_equal(connections, 2 * (int)sizeof whole); /* no second try: each was new */
    weft_scope_cancel(&scope, "enough");
    assert_int_equal(weft_scope_end(&scope), 0);
    weft_listener_close(listener);
}

static void test_client_response_may_end_at_any_byte(void **state)
{
    (void)state;
    scripted(check_parts);
}

static void check_no_server(void)
{
    weft_http_call call = CALL("http://nobody/");
    assert_int_equal(weft_http_client_map(client, "nobody", "mem:nobody"), 0);
    assert_int_equal(weft_http_fetch(&call), -ECONNREFUSED);
    expect_text(call.detail, "http://nobody/: connect: ");
    assert_int_equal(weft_http_client_map(client, "NOBODY", "mem:script"), 0);
    script[0][0] = OK_HI;
    assert_int_equal(weft_http_fetch(&call), 200);
    assert_string_equal(asked, "GET / HTTP/1.1\r\nHost: nobody\r\n\r\n");
    assert_int_equal(weft_http_client_map(client, "", "mem:x"), -EINVAL);
    assert_int_equal(weft_http_client_map(client, "x", ""), -EINVAL);
    assert_int_equal(weft_http_client_map(client, NULL, NULL), -EINVAL);
    for (int i = 2; i < 1024; i++) {
        char host[16];
        snprintf(host, sizeof host, "h%d", i);
        assert_int_equal(weft_http_client_map(client, host, "mem:x"), 0);
    }
    assert_int_equal(weft_http_client_map(client, "one-more", "mem:x"), WEFT_ELIMIT);
    assert_int_equal(weft_http_client_map(client, "h5", "mem:y"), 0);
}

static void test_client_hosts_can_be_mapped(void **state)
{
    (void)state;
    scripted(check_no_server);
}

/* A client may be freed while calls are under way. */
static void check_free(void)
{
    script[0][0] = HANG;
    script[1][0] = OK_HI;
    script[1][1] = KEEP;
    weft_scope scope;
    weft_http_call hanging = CALL(X), other = CALL(X);
    weft_scope_begin(&scope, .timeout = WEFT_SECOND);
    weft_spawn(&scope, weft_http_fetch, &hanging);
    weft_sleep(WEFT_MILLISECOND);
    assert_int_equal(weft_http_fetch(&other), 200);
    weft_http_client_free(client);
    client = NULL;
    weft_sleep(0);
    weft_sleep(0);
    assert_int_equal(closed, 1);
    assert_int_equal(weft_scope_end(&scope), -ETIMEDOUT);
    weft_sleep(WEFT_MINUTE); /* nothing of it is left to happen */
}

static void test_client_may_be_freed_during_calls(void **state)
{
    (void)state;
    scripted(check_free);
}

/* One allocation fails, any. */
static void check_no_memory(void)
{
    for (long n = 1; n < 40; n++) {
        memset(script, 0, sizeof script);
        for (int i = 0; i < CONNECTIONS_MAX; i++)
            script[i][0] = script[i][1] = OK_HI, script[i][2] = KEEP;
        struct wf_memory_fault fault = { .countdown = n };
        weft_http_client_free(client);
        client = NULL;
        wf_memory_fault_set(&fault);
        int err = weft_http_client_new(&client);
        if (err == 0)
            err = weft_http_client_map(client, "s", "mem:script");
        if (err == 0)
            err = get("http://s/");
        if (err == 200)
            err = get("http://s/");
        assert_true(err == 200 || err < 0);
        wf_memory_fault_set(NULL);
        weft_sleep(WEFT_SECOND);
        logged_count = 0;
        weft_arena_reset(arena);
    }
}

static void test_client_survives_any_failed_allocation(void **state)
{
    (void)state;
    scripted(check_no_memory);
}

/* The loop's own client. */

static int answer_plain(weft_http *http, void *app)
{
    (void)app;
    return weft_http_text(http, 200, "%s", weft_http_path(http));
}

static const weft_http_route plain_routes[] = {
    { "GET", "/:a", answer_plain, NULL },
    { NULL, NULL, NULL, NULL },
};

static void check_own(void *arg)
{
    (void)arg;
    weft_arena *memory;
    weft_scope both;
    assert_int_equal(weft_arena_new(&memory, 0), 0);
    assert_int_equal(weft_http_client_map(NULL, "users", "mem:server"), 0);
    assert_int_equal(weft_http_client_map(NULL, "carts:81", "mem:server"), 0);
    for (int i = 0; i < 3; i++) {
        weft_http_call user = { .arena = memory, .url = "http://users/7" };
        weft_http_call cart = { .arena = memory, .url = "http://carts:81/8" };
        weft_scope_begin(&both, .timeout = WEFT_SECOND);
        weft_spawn(&both, weft_http_fetch, &user);
        weft_spawn(&both, weft_http_fetch, &cart);
        assert_int_equal(weft_scope_end(&both), 0);
        assert_string_equal(user.body, "/7");
        assert_string_equal(cart.body, "/8");
        weft_arena_reset(memory);
    }
    weft_arena_free(memory);
}

static void test_client_own_of_the_loop_ends_with_it(void **state)
{
    (void)state;
    serving(check_own, NULL, .routes = plain_routes);
    serving(check_own, NULL, .routes = plain_routes); /* another loop, another client */
}

/* Two loops of one thread. */
static int find_own(void *arg)
{
    weft_http_client **found = arg;
    int err = wf_http_client_retain(found);
    if (err == 0)
        wf_http_client_release(*found);
    return err;
}

static weft_http_client *own_of(weft_loop *loop)
{
    weft_http_client *found = NULL, *again = NULL;
    weft_task *task;
    assert_ptr_equal(weft_loop_current(), loop);
    assert_int_equal(weft_spawn(weft_background(), find_own, &found, .task = &task), 0);
    assert_int_equal(weft_loop_run_until_complete(loop, task), 0);
    weft_task_release(task);
    assert_int_equal(find_own(&again), 0);
    assert_ptr_equal(found, again);
    return found;
}

static void test_client_own_is_one_a_loop(void **state)
{
    (void)state;
    weft_loop *first, *second;
    assert_int_equal(weft_loop_new(&first), 0);
    weft_http_client *of_first = own_of(first);
    assert_int_equal(weft_loop_new(&second), 0);
    assert_ptr_not_equal(own_of(second), of_first);
    assert_int_equal(weft_loop_free(second), 0);
    assert_ptr_equal(own_of(first), of_first);
    assert_int_equal(weft_loop_free(first), 0);
}

static int cancel_other(weft_task *task, void *self)
{
    if (task != self)
        weft_task_cancel(task, "only one may stay");
    return 0;
}

static int cancel_all_others(void *arg)
{
    (void)arg;
    weft_http_client *before = NULL, *after = NULL;
    assert_int_equal(find_own(&before), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(weft_task_each(cancel_other, weft_task_self()), 0);
        assert_int_equal(weft_sleep(WEFT_MILLISECOND), 0);
    }
    assert_int_equal(find_own(&after), 0);
    assert_ptr_equal(before, after);
    return 0;
}

static void test_client_own_outlives_a_cancel_of_all_tasks(void **state)
{
    (void)state;
    assert_int_equal(weft_run(cancel_all_others, NULL, .clock = WEFT_CLOCK_TEST), 0);
}

static void check_steady(void *arg)
{
    (void)arg;
    weft_arena *memory;
    uint64_t before = 0;
    assert_int_equal(weft_arena_new(&memory, 0), 0);
    assert_int_equal(weft_http_client_map(NULL, "s", "mem:server"), 0);
    for (int i = 0; i < 100; i++) {
        weft_http_call call = { .arena = memory, .url = "http://s/7" };
        if (i == 10)
            before = wf_memory_count();
        assert_int_equal(weft_http_fetch(&call), 200);
        weft_arena_reset(memory);
    }
    assert_int_equal(wf_memory_count() - before, 0);
    weft_arena_free(memory);
}

static void test_client_steady_state_allocates_nothing(void **state)
{
    (void)state;
    serving(check_steady, NULL, .routes = plain_routes);
}

/* Options whose size nobody has set are those of the first release. */
static void check_no_size(void *arg)
{
    (void)arg;
    weft_http_client *plain = NULL;
    weft_http_call call = { .url = "http://s/7" };
    struct weft_http_client_options options = { .client = &plain, .idle_max = 1 };
    assert_int_equal(weft_http_client_new_with(&options), 0);
    assert_int_equal(plain->pool.idle_max, 1);
    assert_int_equal(plain->pool.idle_timeout, 15 * WEFT_SECOND);
    assert_int_equal(weft_http_client_map(plain, "s", "mem:server"), 0);
    assert_int_equal(weft_arena_new(&call.arena, 0), 0);
    call.client = plain;
    assert_int_equal(weft_http_fetch(&call), 200);
    assert_string_equal(call.body, "/7");
    weft_arena_free(call.arena);
    weft_http_client_free(plain);
}

static void test_client_options_may_lack_their_size(void **state)
{
    (void)state;
    serving(check_no_size, NULL, .routes = plain_routes);
}

static void test_client_needs_a_loop(void **state)
{
    (void)state;
    weft_http_client *none = NULL;
    weft_arena *memory;
    assert_int_equal(weft_http_client_new(&none), -EPERM);
    assert_int_equal(weft_http_client_map(NULL, "a", "mem:a"), -EPERM);
    assert_null(none);
    weft_http_client_free(NULL);
    assert_int_equal(weft_arena_new(&memory, 0), 0);
    weft_http_call call = { .arena = memory, .url = "http://s/" };
    assert_int_equal(weft_http_fetch(&call), -EPERM);
    weft_arena_free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_test(test_client_request_is_exact),
        http_test(test_client_what_may_not_be_sent_is_refused),
        http_test(test_client_response_is_read),
        http_test(test_client_close_may_end_the_body),
        http_test(test_client_bad_response_is_an_error),
        http_test(test_client_interim_responses_are_bounded),
        http_test(test_client_responses_have_limits),
        http_test(test_client_header_limit_may_be_huge),
        http_test(test_client_connection_is_used_again),
        http_test(test_client_connection_may_be_kept_forever),
        http_test(test_client_stale_connection_is_retried_once),
        http_test(test_client_second_try_is_on_a_new_connection),
        http_test(test_client_only_idempotent_methods_are_retried),
        http_test(test_client_cancelled_fetch_gives_its_connection_up),
        http_test(test_client_early_answer_is_heard),
        http_test(test_client_response_may_end_at_any_byte),
        http_test(test_client_hosts_can_be_mapped),
        http_test(test_client_may_be_freed_during_calls),
        http_test(test_client_survives_any_failed_allocation),
        http_test(test_client_own_of_the_loop_ends_with_it),
        http_test(test_client_own_is_one_a_loop),
        http_test(test_client_own_outlives_a_cancel_of_all_tasks),
        http_test(test_client_steady_state_allocates_nothing),
        http_test(test_client_options_may_lack_their_size),
        http_test(test_client_needs_a_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
