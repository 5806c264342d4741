/* URLs, taken apart. */

#include "http_test.h"

#include "http/url.h"

static int parse(const char *text, struct wf_http_url *url, weft_arena **arena, const char **why)
{
    assert_int_equal(weft_arena_new(arena, 0), 0);
    return wf_http_url_parse(url, text, *arena, why);
}

static void test_url_parts_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *target, *address;
    } cases[] = {
        { "http://users/7", "users", "/7", "users:80" },
        { "http://users", "users", "/", "users:80" },
        { "HTTP://users?q=1", "users", "/?q=1", "users:80" },
        { "http://users#x/y", "users", "/", "users:80" },
        { "http://users:8080/a/b?c=d/e?f#g", "users:8080", "/a/b?c=d/e?f", "users:8080" },
        { "http://users:/a", "users:", "/a", "users:80" },
        { "http://127.0.0.1:1/", "127.0.0.1:1", "/", "127.0.0.1:1" },
        { "http://h:65535", "h:65535", "/", "h:65535" },
        { "http://h:00080/", "h:00080", "/", "h:00080" },
        { "http://[::1]/x", "[::1]", "/x", "[::1]:80" },
        { "http://[::1]:8080/x", "[::1]:8080", "/x", "[::1]:8080" },
        { "http://h//a", "h", "//a", "h:80" },
        { "http://mem/x", "mem", "/x", "tcp:mem:80" },
        { "http://mem:8080/x", "mem:8080", "/x", "tcp:mem:8080" },
        { "http://unix:/x", "unix:", "/x", "tcp:unix:80" },
        { "http://memory:1/x", "memory:1", "/x", "memory:1" },
        { "http://tcp:1/x", "tcp:1", "/x", "tcp:1" },
        { "http://h/a@b:c", "h", "/a@b:c", "h:80" },
    };
    for (size_t i = 0; i < WF_ARRAY_SIZE(cases); i++) {
        struct wf_http_url url;
        weft_arena *arena;
        const char *why;
        assert_int_equal(parse(cases[i].text, &url, &arena, &why), 0);
        assert_string_equal(url.host, cases[i].host);
        assert_string_equal(url.target, cases[i].target);
        assert_string_equal(url.address, cases[i].address);
        weft_arena_free(arena);
    }
}

static void test_url_others_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int err;
        const char *why; /* a part of it */
    } cases[] = {
        { NULL, -EINVAL, "not an http://" },
        { "", -EINVAL, "not an http://" },
        { "/users/7", -EINVAL, "not an http://" },
        { "users:80/x", -EINVAL, "not an http://" },
        { "http:/users", -EINVAL, "not an http://" },
        { "http://", -EINVAL, "no host" },
        { "http:///x", -EINVAL, "no host" },
        { "http://:80/x", -EINVAL, "no host" },
        { "http://user@host/", -EINVAL, "user names" },
        { "http://user:word@host/", -EINVAL, "user names" },
        { "http://host:65536/", -EINVAL, "port is no number up to 65535" },
        { "http://host:080808/", -EINVAL, "port is no number up to 65535" },
        { "http://host:http/", -EINVAL, "port is no number up to 65535" },
        { "http://host:8 /", -EINVAL, "port is no number up to 65535" },
        { "http://host:-1?x", -EINVAL, "port is no number up to 65535" },
        { "http://host:8:8", -EINVAL, "port is no number up to 65535" },
        { "http://[::1]:8o/", -EINVAL, "port is no number up to 65535" },
        { "https://host/", -EPROTONOSUPPORT, "not an http://" },
        { "ftp://host/", -EPROTONOSUPPORT, "not an http://" },
    };
    for (size_t i = 0; i < WF_ARRAY_SIZE(cases); i++) {
        struct wf_http_url url;
        weft_arena *arena;
        const char *why = NULL;
        assert_int_equal(parse(cases[i].text, &url, &arena, &why), cases[i].err);
        assert_non_null(why);
        expect_text(why, cases[i].why);
        weft_arena_free(arena);
    }
}

static void test_url_no_memory_is_an_error(void **state)
{
    (void)state;
    for (size_t limit = 1; limit < 80; limit += 16) {
        struct wf_http_url url;
        weft_arena *arena;
        const char *why;
        assert_int_equal(weft_arena_new(&arena, limit), 0);
        int err = wf_http_url_parse(&url, "http://a-long-host-name/and-a-path", arena, &why);
        assert_int_equal(err, -ENOMEM);
        assert_null(why);
        weft_arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_test(test_url_parts_are_found),
        http_test(test_url_others_are_refused),
        http_test(test_url_no_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
