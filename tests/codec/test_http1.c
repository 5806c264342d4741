/* The HTTP/1 codec: every vector whole, split at every offset and byte by byte; limits at the exact
 * byte; linear time; writers, escapes and the small grammars. */

#include "http1_trace.h"
#include "http1_vectors.h"

#include "base/compiler.h"
#include "codec/http1_inside.h"

#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct wf_http1_limits limits_default = WF_HTTP1_LIMITS_DEFAULT;

/* --- vectors --- */

static struct http1_feeding feeding_of(const struct http1_vector *vector, bool is_response)
{
    return (struct http1_feeding){
        .bytes = vector->bytes,
        .len = vector->len,
        .is_response = is_response,
        .to_head = vector->to_head,
        .limits = limits_default,
    };
}

static void expect_trace(const struct http1_vector *vector, const struct http1_feeding *feeding,
                         const char *how)
{
    struct http1_trace trace = { 0 };
    http1_trace_play(&trace, feeding);
    if (strcmp(trace.text, vector->expected) != 0)
        fail_msg("vector %s, %s (first cut %zu)\nexpected: %s\nhappened: %s", vector->name, how,
                 feeding->cut_count ? feeding->cuts[0] : 0, vector->expected, trace.text);
    http1_trace_finish(&trace);
}

static void check_vector(const struct http1_vector *vector, bool is_response)
{
    struct http1_feeding feeding = feeding_of(vector, is_response);
    expect_trace(vector, &feeding, "whole");
    for (size_t cut = 0; cut <= vector->len; cut++) {
        size_t cuts[] = { cut, cut + 3 < vector->len ? cut + 3 : vector->len };
        feeding.cuts = cuts;
        feeding.cut_count = 1;
        expect_trace(vector, &feeding, "in two");
        feeding.cut_count = 2;
        expect_trace(vector, &feeding, "in three");
    }
    feeding.cut_count = 0;
    feeding.byte_by_byte = true;
    expect_trace(vector, &feeding, "byte by byte");
}

static void test_request_vectors_are_the_same_however_cut(void **state)
{
    (void)state;
    assert_true(WF_ARRAY_SIZE(request_vectors) >= 120);
    for (size_t i = 0; i < WF_ARRAY_SIZE(request_vectors); i++)
        check_vector(&request_vectors[i], false);
}

static void test_response_vectors_are_the_same_however_cut(void **state)
{
    (void)state;
    assert_true(WF_ARRAY_SIZE(response_vectors) >= 50);
    for (size_t i = 0; i < WF_ARRAY_SIZE(response_vectors); i++)
        check_vector(&response_vectors[i], true);
}

/* --- limits --- */

static struct wf_http1_header headers_of_test[200];

struct outcome {
    enum wf_http1_result result;
    unsigned status;
    uint32_t decided_at; /* how many bytes had been seen */
};

static void begin(struct wf_http1_parser *parser, const struct wf_http1_limits *limits,
                  bool is_response)
{
    if (is_response)
        wf_http1_response_begin(parser, limits, headers_of_test, false);
    else
        wf_http1_request_begin(parser, limits, headers_of_test);
}

/* Whole and byte by byte; both must decide alike, and at the same byte. */
static struct outcome outcome_of(const char *text, const struct wf_http1_limits *limits,
                                 bool is_response)
{
    struct wf_http1_parser whole, slow;
    size_t len = strlen(text), fed = 0;
    begin(&whole, limits, is_response);
    begin(&slow, limits, is_response);
    enum wf_http1_result result = wf_http1_parse(&whole, text, len);
    enum wf_http1_result slow_result = WF_HTTP1_MORE;
    while (slow_result == WF_HTTP1_MORE && fed < len)
        slow_result = wf_http1_parse(&slow, text, ++fed);
    assert_int_equal(result, slow_result);
    assert_int_equal(whole.status, slow.status);
    assert_int_equal(whole.scanned, slow.scanned);
    assert_int_equal(whole.examined, slow.examined);
    return (struct outcome){ result, whole.status, whole.scanned };
}

static const char *request_with_line_of(char *buffer, size_t line)
{
    size_t fixed = strlen("GET / HTTP/1.1\r\n");
    char *at = buffer + sprintf(buffer, "GET /");
    memset(at, 'x', line - fixed);
    strcpy(at + (line - fixed), " HTTP/1.1\r\nHost: a\r\n\r\n");
    return buffer;
}

static void test_request_line_of_the_limit_passes_and_one_more_is_414(void **state)
{
    (void)state;
    static char buffer[16384];
    struct outcome outcome = outcome_of(request_with_line_of(buffer, 8192), &limits_default, false);
    assert_int_equal(outcome.result, WF_HTTP1_COMPLETE);
    outcome = outcome_of(request_with_line_of(buffer, 8193), &limits_default, false);
    assert_int_equal(outcome.status, 414);
    assert_int_equal(outcome.decided_at, 8192);
}

static void test_skipped_empty_line_does_not_count(void **state)
{
    (void)state;
    static char buffer[16384] = "\r\n";
    request_with_line_of(buffer + 2, 8192);
    assert_int_equal(outcome_of(buffer, &limits_default, false).result, WF_HTTP1_COMPLETE);
    request_with_line_of(buffer + 2, 8193);
    assert_int_equal(outcome_of(buffer, &limits_default, false).status, 414);
}

static void test_endless_first_lines_are_refused_in_every_part(void **state)
{
    (void)state;
    static const struct {
        const char *start;
        char filler;
        bool is_response;
        unsigned status;
    } lines[] = {
        { "", 'G', false, 414 },
        { "GET ", '/', false, 414 },
        { "HTTP/1.1 200 ", 'x', true, 431 },
    };
    static char buffer[16384];
    for (size_t i = 0; i < WF_ARRAY_SIZE(lines); i++) {
        memset(buffer, lines[i].filler, sizeof(buffer) - 1);
        memcpy(buffer, lines[i].start, strlen(lines[i].start));
        struct outcome outcome = outcome_of(buffer, &limits_default, lines[i].is_response);
        assert_int_equal(outcome.status, lines[i].status);
        assert_int_equal(outcome.decided_at, 8192);
    }
}

/* A head whose header block, empty line included, is of exactly that size. */
static const char *head_with_block_of(char *buffer, const char *line, size_t block)
{
    size_t fixed = strlen("Host: a\r\nX: \r\n\r\n");
    char *at = buffer + sprintf(buffer, "%sHost: a\r\nX: ", line);
    memset(at, 'y', block - fixed);
    strcpy(at + (block - fixed), "\r\n\r\n");
    return buffer;
}

static void test_header_block_of_the_limit_passes_and_one_more_is_431(void **state)
{
    (void)state;
    static char buffer[1 << 17];
    static const char *const lines[] = { "GET / HTTP/1.1\r\n", "HTTP/1.1 204 \r\n" };
    for (int side = 0; side < 2; side++) {
        head_with_block_of(buffer, lines[side], 65536);
        assert_int_equal(outcome_of(buffer, &limits_default, side).result, WF_HTTP1_COMPLETE);
        head_with_block_of(buffer, lines[side], 65537);
        struct outcome outcome = outcome_of(buffer, &limits_default, side);
        assert_int_equal(outcome.status, 431);
        assert_int_equal(outcome.decided_at, strlen(lines[side]) + 65536);
    }
}

static void test_limit_strikes_before_a_fault_behind_it(void **state)
{
    (void)state;
    static char buffer[1 << 17];
    head_with_block_of(buffer, "GET / HTTP/1.1\r\n", 70000);
    buffer[16 + 65536] = '\001';
    assert_int_equal(outcome_of(buffer, &limits_default, false).status, 431);
    buffer[16 + 65535] = '\001';
    assert_int_equal(outcome_of(buffer, &limits_default, false).status, 400);
}

static const char *request_with_headers(char *buffer, int count)
{
    char *at = buffer + sprintf(buffer, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 1; i < count; i++)
        at += sprintf(at, "X: %d\r\n", i);
    strcpy(at, "\r\n");
    return buffer;
}

static void test_hundred_headers_pass_and_one_more_is_431(void **state)
{
    (void)state;
    static char buffer[8192];
    request_with_headers(buffer, 100);
    assert_int_equal(outcome_of(buffer, &limits_default, false).result, WF_HTTP1_COMPLETE);
    request_with_headers(buffer, 101);
    assert_int_equal(outcome_of(buffer, &limits_default, false).status, 431);
}

static void test_smallest_limits_hold(void **state)
{
    (void)state;
    struct wf_http1_limits limits = { .line_max = 16, .block_max = 2, .header_max = 0 };
    struct outcome outcome = outcome_of("GET / HTTP/1.0\r\n\r\n", &limits, false);
    assert_int_equal(outcome.result, WF_HTTP1_COMPLETE);
    assert_int_equal(outcome_of("GET /x HTTP/1.0\r\n\r\n", &limits, false).status, 414);
    assert_int_equal(outcome_of("GET / HTTP/1.0\r\nA: b\r\n\r\n", &limits, false).status, 431);
    limits.header_max = 1;
    assert_int_equal(outcome_of("GET / HTTP/1.0\r\nA: b\r\n\r\n", &limits, false).status, 431);
    limits.block_max = 8;
    outcome = outcome_of("GET / HTTP/1.0\r\nA: b\r\n\r\n", &limits, false);
    assert_int_equal(outcome.result, WF_HTTP1_COMPLETE);
}

/* --- linear time --- */

static uint32_t examined_byte_by_byte(const char *text)
{
    struct wf_http1_parser parser;
    size_t len = strlen(text), fed = 0;
    begin(&parser, &limits_default, false);
    while (wf_http1_parse(&parser, text, ++fed) == WF_HTTP1_MORE)
        assert_true(fed < len);
    assert_int_equal(parser.head.size, len);
    return parser.examined;
}

static void test_byte_by_byte_examines_each_byte_at_most_twice(void **state)
{
    (void)state;
    static char buffer[1 << 17];
    size_t fixed = strlen("GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n");
    head_with_block_of(buffer, "GET / HTTP/1.1\r\n", 60 << 10);
    assert_true(examined_byte_by_byte(buffer) <= strlen(buffer) + fixed);

    /* The worst that rereading can make of it: trailing blanks, a list, an absolute target. */
    memset(buffer + 28, ' ', (60 << 10) - strlen("Host: a\r\nX: \r\n\r\n"));
    buffer[28] = 'y';
    assert_true(examined_byte_by_byte(buffer) <= 2 * strlen(buffer));
    strcpy(buffer, "GET http://");
    memset(buffer + 11, 'a', 8000);
    strcpy(buffer + 8011, " HTTP/1.1\r\nHost: a\r\nConnection: ");
    char *value = strchr(buffer, '\0');
    memset(value, ',', 50000);
    strcpy(value + 50000, "\r\n\r\n");
    assert_true(examined_byte_by_byte(buffer) <= 2 * strlen(buffer));
}

/* --- reading helpers --- */

static void test_find_goes_through_equal_names_in_any_case(void **state)
{
    (void)state;
    static const char text[] =
        "GET / HTTP/1.1\r\nHost: a\r\nCookie: 1\r\nX: y\r\ncookie: 2\r\n\r\n";
    struct wf_http1_parser parser;
    begin(&parser, &limits_default, false);
    assert_int_equal(wf_http1_parse(&parser, text, strlen(text)), WF_HTTP1_COMPLETE);
    const struct wf_http1_header *first = wf_http1_find(&parser.head, text, "COOKIE", NULL);
    assert_non_null(first);
    assert_true(wf_http1_span_is(text, first->value, "1"));
    const struct wf_http1_header *second = wf_http1_find(&parser.head, text, "COOKIE", first);
    assert_non_null(second);
    assert_true(wf_http1_span_is(text, second->value, "2"));
    assert_true(wf_http1_span_is_nocase(text, second->name, "CooKie"));
    assert_false(wf_http1_span_is(text, second->name, "Cookie"));
    assert_null(wf_http1_find(&parser.head, text, "COOKIE", second));
    assert_null(wf_http1_find(&parser.head, text, "cooki", NULL));
}

static void test_classes_are_those_of_the_grammar(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        bool visible = c > 0x20 && c < 0x7f, plain = c < 0x80 && isalnum(c);
        int expected = 0;
        expected |= plain || (c && strchr("!#$%&'*+-.^_`|~", c)) ? WF_HTTP1_TOKEN : 0;
        expected |= visible && !strchr("\"#<>", c) ? WF_HTTP1_TARGET : 0;
        expected |= visible || c == ' ' || c == '\t' || c >= 0x80 ? WF_HTTP1_VALUE : 0;
        expected |= c == ' ' || c == '\t' ? WF_HTTP1_BLANK : 0;
        expected |= plain || (c && strchr("-._~!$&'()*+;=", c)) ? WF_HTTP1_NAME : 0;
        expected |= c >= '0' && c <= '9' ? WF_HTTP1_DIGIT : 0;
        expected |= c < 0x80 && isxdigit(c) ? WF_HTTP1_HEX : 0;
        assert_int_equal(wf_http1_class[c], expected);
    }
}

static void test_decode_path_decodes_or_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        const char *target; /* NULL: -EINVAL */
    } paths[] = {
        { "", "" },         { "abc", "abc" }, { "a%20b", "a b" }, { "%41%7a%7A", "Azz" },
        { "%2F%2e", "/." }, { "a+b", "a+b" }, { "%25", "%" },     { "%ff%C3", "\377\303" },
        { "%", NULL },      { "%4", NULL },   { "a%4", NULL },    { "%g0", NULL },
        { "%0g", NULL },    { "%00", NULL },  { "a%00b", NULL },  { "%%41", NULL },
        { "%-1", NULL },    { "% 1", NULL },  { "%0x", NULL },
    };
    for (size_t i = 0; i < WF_ARRAY_SIZE(paths); i++) {
        char target[16];
        ptrdiff_t len =
            wf_http1_decode_path(target, sizeof(target), paths[i].source, strlen(paths[i].source));
        assert_int_equal(len, paths[i].target ? (int)strlen(paths[i].target) : -EINVAL);
        if (len > 0)
            assert_memory_equal(target, paths[i].target, (size_t)len);
    }
    char both[] = "%61%62c", small[2];
    assert_int_equal(wf_http1_decode_path(both, sizeof(both), both, 7), 3);
    assert_memory_equal(both, "abc", 3);
    assert_int_equal(wf_http1_decode_path(small, 2, "a%62", 4), 2);
    assert_int_equal(wf_http1_decode_path(small, 2, "abc", 3), -ENOSPC);
}

static void test_body_until_close_never_ends_by_itself(void **state)
{
    (void)state;
    struct wf_http1_head head = { .framing = WF_HTTP1_FRAMING_UNTIL_CLOSE };
    struct wf_http1_body body;
    struct wf_http1_piece piece;
    wf_http1_body_begin(&body, &head);
    assert_int_equal(wf_http1_body_feed(&body, "abc", 3, &piece), WF_HTTP1_MORE);
    assert_int_equal(piece.len, 3);
    assert_false(wf_http1_body_done(&body));
    assert_true(wf_http1_body_ends_here(&body));
}

static void test_body_of_a_length_leaves_what_is_behind_it(void **state)
{
    (void)state;
    struct wf_http1_head head = { .framing = WF_HTTP1_FRAMING_LENGTH, .content_length = 4 };
    struct wf_http1_body body;
    struct wf_http1_piece piece;
    wf_http1_body_begin(&body, &head);
    assert_int_equal(wf_http1_body_feed(&body, "abc", 3, &piece), WF_HTTP1_MORE);
    assert_false(wf_http1_body_ends_here(&body));
    assert_int_equal(wf_http1_body_feed(&body, "dGET", 4, &piece), WF_HTTP1_COMPLETE);
    assert_int_equal(piece.skip, 0);
    assert_int_equal(piece.len, 1);
    assert_true(wf_http1_body_done(&body));
}

/* --- writing --- */

static const struct wf_http1_field field_good = { "X-Id", 4, "7 \t\377", 4 };

static void test_response_head_is_written_whole_or_not(void **state)
{
    (void)state;
    static const char expected[] = "HTTP/1.1 404 Not Found\r\n"
                                   "Date: Tue, 15 Nov 1994 08:12:31 GMT\r\n"
                                   "Content-Type: text/plain\r\n"
                                   "Content-Length: 1234567\r\n"
                                   "Connection: close\r\n"
                                   "X-Id: 7 \t\377\r\n\r\n";
    struct wf_http1_response_out head = {
        .status = 404,
        .connection = WF_HTTP1_CONNECTION_CLOSE,
        .content_length = 1234567,
        .date = "Tue, 15 Nov 1994 08:12:31 GMT",
        .content_type = "text/plain",
        .fields = &field_good,
        .field_count = 1,
    };
    for (size_t size = 0; size < sizeof(expected) + 1; size++) {
        char *window = malloc(size);
        ptrdiff_t len = wf_http1_write_response(window, size, &head);
        if (size < strlen(expected)) {
            assert_int_equal(len, -ENOSPC);
        } else {
            assert_int_equal(len, strlen(expected));
            assert_memory_equal(window, expected, strlen(expected));
        }
        free(window);
    }
}

static void expect_response(const struct wf_http1_response_out *head, const char *expected)
{
    char window[256];
    ptrdiff_t len = wf_http1_write_response(window, sizeof(window), head);
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(window, expected, strlen(expected));
}

static void test_response_head_says_only_what_it_must(void **state)
{
    (void)state;
    struct wf_http1_response_out head = { .status = 200, .content_length = WF_HTTP1_LENGTH_UNSAID };
    expect_response(&head, "HTTP/1.1 200 OK\r\n\r\n");
    head.content_length = 0;
    expect_response(&head, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    head.content_length = WF_HTTP1_LENGTH_CHUNKED;
    expect_response(&head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    head.connection = WF_HTTP1_CONNECTION_KEEP_ALIVE;
    head.status = 204;
    expect_response(&head, "HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n");
    head.connection = WF_HTTP1_CONNECTION_UNSAID;
    head.status = 100;
    expect_response(&head, "HTTP/1.1 100 Continue\r\n\r\n");
    head.content_length = 0;
    expect_response(&head, "HTTP/1.1 100 Continue\r\n\r\n");
    head.status = 799;
    expect_response(&head, "HTTP/1.1 799 Unknown\r\nContent-Length: 0\r\n\r\n");
}

static void expect_request(const struct wf_http1_request_out *head, const char *expected)
{
    char window[256];
    ptrdiff_t len = wf_http1_write_request(window, sizeof(window), head);
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(window, expected, strlen(expected));
}

static void test_request_head_is_written(void **state)
{
    (void)state;
    struct wf_http1_request_out head = {
        .method = "POST",
        .target = "/a?b",
        .host = "a:80",
        .content_length = 3,
        .content_type = "t/x",
        .fields = &field_good,
        .field_count = 1,
    };
    expect_request(&head, "POST /a?b HTTP/1.1\r\nHost: a:80\r\nContent-Type: t/x\r\n"
                          "Content-Length: 3\r\nX-Id: 7 \t\377\r\n\r\n");
    head.content_length = WF_HTTP1_LENGTH_CHUNKED;
    expect_request(&head, "POST /a?b HTTP/1.1\r\nHost: a:80\r\nContent-Type: t/x\r\n"
                          "Transfer-Encoding: chunked\r\nX-Id: 7 \t\377\r\n\r\n");
}

static void test_fields_that_would_split_or_contradict_are_refused(void **state)
{
    (void)state;
    static const struct wf_http1_field bad[] = {
        { "X", 1, "a\r\nB: c", 7 },
        { "X", 1, "a\nb", 3 },
        { "X", 1, "a\rb", 3 },
        { "X", 1, "a\0b", 3 },
        { "X", 1, "\177", 1 },
        { "", 0, "a", 1 },
        { "X Y", 3, "a", 1 },
        { "X:", 2, "a", 1 },
        { "X\r\n", 3, "a", 1 },
        { "X\377", 2, "a", 1 },
        { "content-length", 14, "5", 1 },
        { "Transfer-Encoding", 17, "chunked", 7 },
    };
    char window[256];
    for (size_t i = 0; i < WF_ARRAY_SIZE(bad); i++) {
        struct wf_http1_response_out response = { .status = 200,
                                                  .fields = &bad[i],
                                                  .field_count = 1 };
        assert_int_equal(wf_http1_write_response(window, sizeof(window), &response), -EINVAL);
    }
    struct wf_http1_field host = { "hOST", 4, "b", 1 };
    struct wf_http1_request_out request = {
        .method = "GET", .target = "/", .host = "a", .fields = &host, .field_count = 1
    };
    assert_int_equal(wf_http1_write_request(window, sizeof(window), &request), -EINVAL);
    assert_int_equal(wf_http1_write_field(window, sizeof(window), &bad[0]), -EINVAL);
    assert_int_equal(wf_http1_write_field(window, sizeof(window), &field_good), 12);
}

static void test_parts_that_would_split_are_refused(void **state)
{
    (void)state;
    static const struct wf_http1_request_out bad[] = {
        { .method = "", .target = "/", .host = "a" },
        { .method = "G T", .target = "/", .host = "a" },
        { .method = "GET\r\n", .target = "/", .host = "a" },
        { .method = "GET", .target = "", .host = "a" },
        { .method = "GET", .target = "/a b", .host = "a" },
        { .method = "GET", .target = "/ HTTP/1.1\r\nX: y", .host = "a" },
        { .method = "GET", .target = "/#a", .host = "a" },
        { .method = "GET", .target = "/\303\274", .host = "a" },
        { .method = "GET", .target = "/", .host = "a\r\nX: y" },
        { .method = "GET", .target = "/", .host = "u@a" },
        { .method = "GET", .target = "/", .host = "a", .content_type = "t\r\nX: y" },
    };
    char window[256];
    for (size_t i = 0; i < WF_ARRAY_SIZE(bad); i++)
        assert_int_equal(wf_http1_write_request(window, sizeof(window), &bad[i]), -EINVAL);
    struct wf_http1_response_out response = { .status = 200, .content_type = "x\r\ny" };
    assert_int_equal(wf_http1_write_response(window, sizeof(window), &response), -EINVAL);
    response = (struct wf_http1_response_out){ .status = 99 };
    assert_int_equal(wf_http1_write_response(window, sizeof(window), &response), -EINVAL);
    assert_int_equal(wf_http1_write_status_line(window, sizeof(window), 1000), -EINVAL);
}

static void test_decimals_are_those_of_printf(void **state)
{
    (void)state;
    uint64_t value = 1;
    char window[20], expected[32];
    for (int round = 0; round < 3000; round++) {
        value =
            round < 1000 ? (uint64_t)round : value * 6364136223846793005u + 1442695040888963407u;
        uint64_t shown = round < 1000 ? value : value >> (round % 64);
        int len = sprintf(expected, "%llu", (unsigned long long)shown);
        assert_int_equal(wf_http1_write_decimal(window, sizeof(window), shown), len);
        assert_memory_equal(window, expected, (size_t)len);
        assert_int_equal(wf_http1_write_decimal(window, (size_t)len - 1, shown), -ENOSPC);
    }
    assert_int_equal(wf_http1_write_decimal(window, sizeof(window), UINT64_MAX), 20);
    assert_memory_equal(window, "18446744073709551615", 20);
}

static void expect_chunk_size(uint64_t bytes, const char *expected)
{
    for (size_t size = 0; size <= WF_HTTP1_CHUNK_SIZE_MAX; size++) {
        char *window = malloc(size);
        ptrdiff_t len = wf_http1_write_chunk_size(window, size, bytes);
        assert_int_equal(len, size < strlen(expected) ? -ENOSPC : (ptrdiff_t)strlen(expected));
        if (len > 0)
            assert_memory_equal(window, expected, (size_t)len);
        free(window);
    }
}

static void test_chunk_sizes_are_those_of_printf(void **state)
{
    (void)state;
    char expected[32];
    expect_chunk_size(0, "0\r\n");
    expect_chunk_size(10, "a\r\n");
    expect_chunk_size(UINT64_MAX, "ffffffffffffffff\r\n");
    for (uint64_t value = 1; value; value <<= 1) {
        sprintf(expected, "%llx\r\n", (unsigned long long)value);
        expect_chunk_size(value, expected);
        sprintf(expected, "%llx\r\n", (unsigned long long)value - 1);
        expect_chunk_size(value - 1, expected);
    }
}

static void test_written_chunk_is_read_back(void **state)
{
    (void)state;
    struct wf_http1_head head = { .framing = WF_HTTP1_FRAMING_CHUNKED };
    for (uint64_t bytes = 0; bytes < (uint64_t)1 << 63; bytes += bytes / 4 + 1) {
        char window[WF_HTTP1_CHUNK_SIZE_MAX];
        struct wf_http1_body body;
        struct wf_http1_piece piece;
        size_t len = (size_t)wf_http1_write_chunk_size(window, sizeof(window), bytes);
        wf_http1_body_begin(&body, &head);
        assert_int_equal(wf_http1_body_feed(&body, window, len, &piece),
                         bytes > 0 ? WF_HTTP1_MORE : WF_HTTP1_COMPLETE);
        assert_int_equal(piece.skip, len);
        assert_int_equal(body.remaining, bytes);
    }
}

static void expect_framing(struct wf_http1_parser *parser, const char *window, ptrdiff_t len)
{
    assert_int_equal(wf_http1_parse(parser, window, (size_t)len), WF_HTTP1_COMPLETE);
    assert_int_equal(parser->head.framing, WF_HTTP1_FRAMING_CHUNKED);
    assert_true(parser->head.keep_alive);
}

static void test_heads_of_chunked_messages_are_read_back(void **state)
{
    (void)state;
    char window[256];
    struct wf_http1_parser parser;
    struct wf_http1_response_out response = { .status = 200,
                                              .content_length = WF_HTTP1_LENGTH_CHUNKED };
    struct wf_http1_request_out request = {
        .method = "PUT", .target = "/", .host = "a", .content_length = WF_HTTP1_LENGTH_CHUNKED
    };
    begin(&parser, &limits_default, true);
    expect_framing(&parser, window, wf_http1_write_response(window, sizeof(window), &response));
    begin(&parser, &limits_default, false);
    expect_framing(&parser, window, wf_http1_write_request(window, sizeof(window), &request));
}

/* What the writers write, the parser reads: for every status there is a phrase for. */
static void test_written_heads_are_read_back(void **state)
{
    (void)state;
    for (int status = 100; status < 1000; status++) {
        struct wf_http1_response_out out = { .status = status, .content_length = status };
        char window[256];
        struct wf_http1_parser parser;
        ptrdiff_t len = wf_http1_write_response(window, sizeof(window), &out);
        begin(&parser, &limits_default, true);
        assert_int_equal(wf_http1_parse(&parser, window, (size_t)len), WF_HTTP1_COMPLETE);
        assert_int_equal(parser.head.size, len);
        assert_int_equal(parser.head.status, status);
        assert_true(wf_http1_span_is(window, parser.head.reason, wf_http1_reason(status)));
        assert_int_equal(parser.head.has_length, status >= 200 && status != 204);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_vectors_are_the_same_however_cut),
        cmocka_unit_test(test_response_vectors_are_the_same_however_cut),
        cmocka_unit_test(test_request_line_of_the_limit_passes_and_one_more_is_414),
        cmocka_unit_test(test_skipped_empty_line_does_not_count),
        cmocka_unit_test(test_endless_first_lines_are_refused_in_every_part),
        cmocka_unit_test(test_header_block_of_the_limit_passes_and_one_more_is_431),
        cmocka_unit_test(test_limit_strikes_before_a_fault_behind_it),
        cmocka_unit_test(test_hundred_headers_pass_and_one_more_is_431),
        cmocka_unit_test(test_smallest_limits_hold),
        cmocka_unit_test(test_byte_by_byte_examines_each_byte_at_most_twice),
        cmocka_unit_test(test_find_goes_through_equal_names_in_any_case),
        cmocka_unit_test(test_classes_are_those_of_the_grammar),
        cmocka_unit_test(test_decode_path_decodes_or_refuses),
        cmocka_unit_test(test_body_until_close_never_ends_by_itself),
        cmocka_unit_test(test_body_of_a_length_leaves_what_is_behind_it),
        cmocka_unit_test(test_response_head_is_written_whole_or_not),
        cmocka_unit_test(test_response_head_says_only_what_it_must),
        cmocka_unit_test(test_request_head_is_written),
        cmocka_unit_test(test_fields_that_would_split_or_contradict_are_refused),
        cmocka_unit_test(test_parts_that_would_split_are_refused),
        cmocka_unit_test(test_decimals_are_those_of_printf),
        cmocka_unit_test(test_chunk_sizes_are_those_of_printf),
        cmocka_unit_test(test_written_chunk_is_read_back),
        cmocka_unit_test(test_heads_of_chunked_messages_are_read_back),
        cmocka_unit_test(test_written_heads_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
