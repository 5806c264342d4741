/* Routes: which handler a request finds, with which parameters, and what the server answers where
 * there is none. */

#include "http_test.h"

/* Each handler answers with its name and its parameters. */
static int answer(weft_http *http, const char *name)
{
    const char *a = weft_http_param(http, "a"), *b = weft_http_param(http, "b");
    return weft_http_text(http, 200, "%s a=%s b=%s", name, a ? a : "-", b ? b : "-");
}

#define HANDLER(name)                                                                              \
    static int name(weft_http *http, void *app)                                                    \
    {                                                                                              \
        (void)app;                                                                                 \
        return answer(http, #name);                                                                \
    }

HANDLER(root)
HANDLER(item)
HANDLER(literal)
HANDLER(literal_first)
HANDLER(literal_last)
HANDLER(posted)
HANDLER(second)
HANDLER(own_head)
HANDLER(options)
HANDLER(custom)
HANDLER(spaced)

static const weft_http_route routes[] = {
    { "GET", "/", root, NULL },
    { "GET", "/item/:a", item, NULL },
    { "GET", "/item/special", literal, NULL },
    { "POST", "/item/special", posted, NULL },
    { "DELETE", "/item/:a", posted, NULL },
    { "GET", "/:a/x/last", literal_last, NULL },
    { "GET", "/first/:a/:b", literal_first, NULL },
    { "GET", "/twice/:a", item, NULL },
    { "GET", "/twice/:b", second, NULL },
    { "GET", "/headed", item, NULL },
    { "HEAD", "/headed", own_head, NULL },
    { "OPTIONS", "/optional", options, NULL },
    { "PURGED", "/custom", custom, NULL },
    { "PURGE", "/custom", custom, NULL },
    { "GET", "/a b/c%d", spaced, NULL },
    { "GET", "/slash/", second, NULL },
    { NULL, NULL, NULL, NULL },
};

static const char *get(const char *method, const char *target)
{
    char request[2048];
    snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
             method, target);
    return ask(request);
}

static void check_found(void *arg)
{
    (void)arg;
    static const struct {
        const char *method, *target, *body;
    } cases[] = {
        { "GET", "/", "root a=- b=-" },
        { "GET", "/?x", "root a=- b=-" },
        { "GET", "/item/7", "item a=7 b=-" },
        { "GET", "/item/7?a=8", "item a=7 b=-" },
        { "GET", "/item/special", "literal a=- b=-" },
        { "GET", "/item/special1", "item a=special1 b=-" },
        { "POST", "/item/special", "posted a=- b=-" },
        { "DELETE", "/item/special", "posted a=special b=-" },
        { "GET", "/first/x/last", "literal_first a=x b=last" },
        { "GET", "/other/x/last", "literal_last a=other b=-" },
        { "GET", "/twice/1", "item a=1 b=-" },
        { "PURGE", "/custom", "custom a=- b=-" },
        { "OPTIONS", "/optional", "options a=- b=-" },
        { "GET", "/slash/", "second a=- b=-" },
        /* escapes: in parameters, in literals, and slashes that are none */
        { "GET", "/item/a%20b%2Fc%3f", "item a=a b/c? b=-" },
        { "GET", "/item/%2e%2e", "item a=.. b=-" },
        { "GET", "/item/+", "item a=+ b=-" },
        { "GET", "/%69tem/7", "item a=7 b=-" },
        { "GET", "/item/%73pecial", "literal a=- b=-" },
        { "GET", "/a%20b/c%25d", "spaced a=- b=-" },
        /* an absolute form */
        { "GET", "http://other/item/7?x=y", "item a=7 b=-" },
        { "GET", "http://other", "root a=- b=-" },
        { "GET", "http://other?x", "root a=- b=-" },
    };
    for (size_t i = 0; i < WF_ARRAY_SIZE(cases); i++)
        expect_answer(get(cases[i].method, cases[i].target), "HTTP/1.1 200 OK\r\n", cases[i].body);
}

static void test_route_request_finds_its_handler(void **state)
{
    (void)state;
    serving(check_found, NULL, .routes = routes);
}

static void check_not_found(void *arg)
{
    (void)arg;
    static const char *const targets[] = {
        "/none",    "/item",     "/item/",        "/item/7/8",      "//",
        "/item//7", "/first/x",  "/first//y",     "/slash",         "/ITEM/7",
        "/custom/", "/item%2F7", "/item/../item", "/item/special/", "http://other/none",
    };
    for (size_t i = 0; i < WF_ARRAY_SIZE(targets); i++)
        expect_answer(get("GET", targets[i]), "HTTP/1.1 404 Not Found\r\n", "Not Found\n");
    expect_answer(get("PUT", "/none"), "HTTP/1.1 404 ", NULL);
    expect_answer(get("OPTIONS", "/none"), "HTTP/1.1 404 ", NULL);
    expect_answer(get("CONNECT", "host:80"), "HTTP/1.1 404 ", NULL);
}

static void test_route_no_path_is_404(void **state)
{
    (void)state;
    serving(check_not_found, NULL, .routes = routes);
}

static void check_not_allowed(void *arg)
{
    (void)arg;
    expect_text(get("PUT", "/item/7"), "Allow: GET, HEAD, DELETE, OPTIONS\r\n");
    expect_answer(heard, "HTTP/1.1 405 Method Not Allowed\r\n", "Method Not Allowed\n");
    expect_text(get("PUT", "/item/special"), "Allow: GET, HEAD, POST, DELETE, OPTIONS\r\n");
    expect_text(get("GET", "/custom"), "Allow: PURGED, PURGE, OPTIONS\r\n");
    expect_text(get("GET", "/optional"), "Allow: OPTIONS\r\n");
    expect_text(get("HEAD", "/custom"), "Allow: PURGED, PURGE, OPTIONS\r\n");
    expect_answer(heard, "HTTP/1.1 405 ", "\r\n\r\n");
    expect_text(get("get", "/"), "Allow: GET, HEAD, OPTIONS\r\n");
    expect_answer(heard, "HTTP/1.1 405 ", NULL);
}

static void test_route_other_method_is_405_with_allow(void **state)
{
    (void)state;
    serving(check_not_allowed, NULL, .routes = routes);
}

static void check_options(void *arg)
{
    (void)arg;
    expect_text(get("OPTIONS", "/item/7"), "Allow: GET, HEAD, DELETE, OPTIONS\r\n");
    expect_answer(heard, "HTTP/1.1 204 No Content\r\n", "\r\n\r\n");
    expect_text(get("OPTIONS", "*"), "Allow: GET, HEAD, POST, DELETE, OPTIONS, PURGED, PURGE\r\n");
    expect_answer(heard, "HTTP/1.1 204 No Content\r\n", "\r\n\r\n");
    assert_null(strstr(heard, "Content-Length"));
}

static void test_route_options_is_204_with_allow(void **state)
{
    (void)state;
    serving(check_options, NULL, .routes = routes);
}

static void check_head(void *arg)
{
    (void)arg;
    expect_answer(get("HEAD", "/item/7"), "HTTP/1.1 200 OK\r\n", "\r\n\r\n");
    expect_text(heard, "Content-Length: 12\r\n");
    expect_answer(get("HEAD", "/headed"), "HTTP/1.1 200 OK\r\n", "\r\n\r\n");
    expect_text(heard, "Content-Length: 16\r\n"); /* "own_head a=- b=-" */
    expect_answer(get("HEAD", "/none"), "HTTP/1.1 404 Not Found\r\n", "\r\n\r\n");
}

static void test_route_head_is_get_without_body(void **state)
{
    (void)state;
    serving(check_head, NULL, .routes = routes);
}

static void check_escapes(void *arg)
{
    (void)arg;
    static const char *const targets[] = {
        "/item/%", "/item/%2", "/item/%zz", "/item/%00", "/none/%", "/item/a%0", "/%4/x",
    };
    for (size_t i = 0; i < WF_ARRAY_SIZE(targets); i++) {
        expect_answer(get("GET", targets[i]), "HTTP/1.1 400 Bad Request\r\n", NULL);
        expect_text(heard, "Connection: close\r\n");
    }
}

static void test_route_malformed_escape_is_400(void **state)
{
    (void)state;
    serving(check_escapes, NULL, .routes = routes);
}

/* Queries. */

static int query(weft_http *http, void *app)
{
    (void)app;
    const char *q = weft_http_query(http, "q"), *r = weft_http_query(http, "r r");
    return weft_http_text(http, 200, "q=%s r=%s [%s]", q ? q : "-", r ? r : "-",
                          weft_http_query_text(http));
}

static const weft_http_route query_routes[] = {
    { "GET", "/", query, NULL },
    { NULL, NULL, NULL, NULL },
};

static void check_query(void *arg)
{
    (void)arg;
    static const struct {
        const char *target, *body;
    } cases[] = {
        { "/", "q=- r=- []" },
        { "/?", "q=- r=- []" },
        { "/?q", "q= r=- [q]" },
        { "/?q=", "q= r=- [q=]" },
        { "/?q=1&q=2", "q=1 r=- [q=1&q=2]" },
        { "/?qq=1&q=2", "q=2 r=- [qq=1&q=2]" },
        { "/?&&q=a=b&", "q=a=b r=- [&&q=a=b&]" },
        { "/?q=a%20b+c%2Bd%26", "q=a b c+d& r=- [q=a%20b+c%2Bd%26]" },
        { "/?%71=1", "q=1 r=- [%71=1]" },
        { "/?r+r=1", "q=- r=1 [r+r=1]" },
        { "/?r%20r=1", "q=- r=1 [r%20r=1]" },
        { "/?q=%zz", "q=- r=- [q=%zz]" },
        { "/?q=%00", "q=- r=- [q=%00]" },
        { "/?%zz=1&q=2", "q=2 r=- [%zz=1&q=2]" },
        { "/?q=a?b/c", "q=a?b/c r=- [q=a?b/c]" },
        { "http://other?q=1", "q=1 r=- [q=1]" },
    };
    for (size_t i = 0; i < WF_ARRAY_SIZE(cases); i++)
        expect_answer(get("GET", cases[i].target), "HTTP/1.1 200 OK\r\n", cases[i].body);
}

static void test_query_values_are_decoded(void **state)
{
    (void)state;
    serving(check_query, NULL, .routes = query_routes);
}

/* Tables. */

static int serve_table(void *arg)
{
    return weft_http_serve("mem:server", arg);
}

static void expect_bad(const char *method, const char *path, weft_http_handler *handler,
                       const char *words)
{
    weft_http_route table[] = { { "GET", "/", root, NULL },
                                { method, path, handler, NULL },
                                { NULL, NULL, NULL, NULL } };
    assert_int_equal(run(serve_table, table), -EINVAL);
    expect_log(words);
}

static void test_route_bad_table_is_refused(void **state)
{
    (void)state;
    char segment[300], deep[80] = "", many[200] = "";
    memset(segment, 'a', sizeof segment);
    segment[0] = '/';
    segment[sizeof segment - 1] = '\0';
    for (int i = 0; i < 33; i++)
        strcat(deep, "/a");
    for (int i = 0; i < 17; i++)
        strcat(many, "/:a");
    expect_bad("", "/x", root, "the method is no token");
    expect_bad("GET POST", "/x", root, "the method is no token");
    expect_bad("GET", NULL, root, "no path");
    expect_bad("GET", "x", root, "does not begin with a slash");
    expect_bad("GET", "", root, "does not begin with a slash");
    expect_bad("GET", "/x", NULL, "no handler");
    expect_bad("GET", "/:/x", root, "a \":\" without a name");
    expect_bad("GET", segment, root, "longer than 255");
    expect_bad("GET", deep, root, "more than 32 segments");
    expect_bad("GET", many, root, "more than 16 parameters");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_test(test_route_request_finds_its_handler),
        http_test(test_route_no_path_is_404),
        http_test(test_route_other_method_is_405_with_allow),
        http_test(test_route_options_is_204_with_allow),
        http_test(test_route_head_is_get_without_body),
        http_test(test_route_malformed_escape_is_400),
        http_test(test_query_values_are_decoded),
        http_test(test_route_bad_table_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
