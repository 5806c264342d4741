/* Addresses: text in, text out, names. */

#include "net_test.h"

#include "net/address.h"

static void test_address_parse_vectors(void **state)
{
    static const struct {
        const char *text;
        enum wf_address_kind kind;
        const char *host, *port, *path;
    } good[] = {
        { "host:80", WF_ADDRESS_INET, "host", "80", NULL },
        { "127.0.0.1:8080", WF_ADDRESS_INET, "127.0.0.1", "8080", NULL },
        { "[::1]:0", WF_ADDRESS_INET, "::1", "0", NULL },
        { "[::]:65535", WF_ADDRESS_INET, "::", "65535", NULL },
        { "[fe80::1%lo]:1", WF_ADDRESS_INET, "fe80::1%lo", "1", NULL },
        { ":80", WF_ADDRESS_INET, "", "80", NULL },
        { "a.b-c.example:00080", WF_ADDRESS_INET, "a.b-c.example", "00080", NULL },
        { "unix:/run/x.sock", WF_ADDRESS_UNIX, "", "", "/run/x.sock" },
        { "unix:x:1", WF_ADDRESS_UNIX, "", "", "x:1" },
        { "mem:name", WF_ADDRESS_MEMORY, "", "", "name" },
        { "mem::80", WF_ADDRESS_MEMORY, "", "", ":80" },
    };
    (void)state;
    for (size_t i = 0; i < WF_ARRAY_SIZE(good); i++) {
        struct wf_address_text out;
        assert_int_equal(wf_address_parse(good[i].text, &out), 0);
        assert_int_equal(out.kind, good[i].kind);
        assert_string_equal(out.host, good[i].host);
        assert_string_equal(out.port, good[i].port);
        if (good[i].path)
            assert_string_equal(out.path, good[i].path);
    }
}

static void test_address_parse_refuses_with_a_sentence(void **state)
{
    static const char *const bad[] = {
        NULL,       "",         "host",       "host:",     "host:x",    "host:80x",  "host:-1",
        "host:+80", "host: 80", "host:65536", "1:999999",  "::1:80",    "::1",       "[::1]",
        "[::1:80",  "::1]:80",  "[]:80",      "[::1]x:80", "x[::1]:80", "unix:",     "mem:",
        "[::1]:",   ":",        "a:b:80",     "http://x",  "host:8 0",  "host:0x10", "[:80",
    };
    (void)state;
    for (size_t i = 0; i < WF_ARRAY_SIZE(bad); i++) {
        struct wf_address_text out;
        if (wf_address_parse(bad[i], &out) != -EINVAL)
            fail_msg("'%s' was taken", bad[i]);
        assert_non_null(strstr(weft_error_detail(), "the address '"));
    }
}

static void test_address_parse_limits(void **state)
{
    (void)state;
    struct wf_address_text out;
    char text[512];
    for (size_t host = 250; host < 260; host++) {
        memset(text, 'h', host);
        strcpy(text + host, ":80");
        assert_int_equal(wf_address_parse(text, &out), host <= 255 ? 0 : -EINVAL);
    }
    for (size_t path = 100; path < 115; path++) {
        strcpy(text, "unix:");
        memset(text + 5, 'p', path);
        text[5 + path] = '\0';
        assert_int_equal(wf_address_parse(text, &out), path <= 107 ? 0 : -EINVAL);
    }
}

static int round_trip(void *arg)
{
    static const char *const same[] = {
        "127.0.0.1:80",      "255.255.255.255:65535", "[::1]:80",      "[::]:0",
        "[2001:db8::1]:443", "unix:/run/weft.sock",   "unix:relative",
    };
    (void)arg;
    for (size_t i = 0; i < WF_ARRAY_SIZE(same); i++) {
        struct wf_address_text text;
        struct wf_address address;
        char out[128];
        assert_int_equal(wf_address_parse(same[i], &text), 0);
        assert_int_equal(wf_address_resolve(wf_running, &text, true, &address, 1), 1);
        wf_address_format(&address, out, sizeof out);
        assert_string_equal(out, same[i]);
    }
    return 0;
}

static void test_address_format_gives_back_what_was_parsed(void **state)
{
    (void)state;
    assert_int_equal(run(round_trip, NULL), 0);
}

static void expect_literal(const char *text, bool passive, const char *expected)
{
    struct wf_address_text parsed;
    struct wf_address address;
    char out[128];
    assert_int_equal(wf_address_parse(text, &parsed), 0);
    assert_int_equal(wf_address_resolve(wf_running, &parsed, passive, &address, 1), 1);
    wf_address_format(&address, out, sizeof out);
    assert_string_equal(out, expected);
}

static int literals(void *arg)
{
    (void)arg;
    expect_literal(":80", true, "0.0.0.0:80");
    expect_literal(":80", false, "127.0.0.1:80");
    expect_literal("[0:0:0:0:0:0:0:1]:080", true, "[::1]:80");
    expect_literal("[::ffff:10.0.0.1]:80", true, "10.0.0.1:80");
    return 0;
}

static void test_address_literals_need_no_lookup(void **state)
{
    (void)state;
    assert_int_equal(run(literals, NULL), 0);
}

static int look_localhost_up(void *arg)
{
    (void)arg;
    struct wf_address_text text;
    struct wf_address addresses[WF_ADDRESSES_MAX];
    char out[128];
    assert_int_equal(wf_address_parse("localhost:80", &text), 0);
    int count = wf_address_resolve(wf_running, &text, false, addresses, WF_ADDRESSES_MAX);
    assert_in_range(count, 1, WF_ADDRESSES_MAX);
    for (int i = 0; i < count; i++) {
        wf_address_format(&addresses[i], out, sizeof out);
        assert_true(strcmp(out, "127.0.0.1:80") == 0 || strcmp(out, "[::1]:80") == 0);
    }
    weft_listener *listener; /* and the whole way */
    weft_stream *client;
    assert_int_equal(weft_listen(&listener, "localhost:0"), 0);
    snprintf(out, sizeof out, "localhost%s", strrchr(weft_listener_address(listener), ':'));
    assert_int_equal(weft_connect(&client, out), 0);
    weft_close(client);
    return weft_listener_close(listener);
}

static void test_address_localhost_is_found(void **state)
{
    (void)state;
    assert_int_equal(run(look_localhost_up, NULL), 0);
}

static int look_nobody_up(void *arg)
{
    (void)arg;
    weft_stream *stream;
    weft_listener *listener;
    int err = weft_connect(&stream, "nobody.invalid:80");
    assert_int_equal(err, WEFT_EDNS);
    assert_non_null(strstr(weft_error_detail(), "nobody.invalid"));
    assert_true(strlen(weft_error_detail()) > strlen("'nobody.invalid': "));
    assert_int_equal(weft_listen(&listener, "nobody.invalid:80"), WEFT_EDNS);
    return 0;
}

static void test_address_name_that_nobody_has_is_told_in_the_resolvers_words(void **state)
{
    (void)state;
    assert_int_equal(run(look_nobody_up, NULL), 0);
}

static int cancel_lookups(void *arg)
{
    (void)arg;
    for (int turns = 0; turns < 20; turns++) {
        weft_stream *stream;
        weft_scope s;
        weft_scope_begin(&s, .timeout = turns ? turns * WEFT_MICROSECOND : -1);
        int err = weft_connect(&stream, "nobody.invalid:80");
        assert_true(err == -ECANCELED || err == WEFT_EDNS);
        weft_scope_end(&s);
    }
    return 0;
}

static void test_address_lookup_is_cancelled_at_once(void **state)
{
    int64_t begin = real_now();
    (void)state;
    assert_int_equal(weft_run(cancel_lookups, NULL, .no_signals = true), 0);
    assert_true(real_now() - begin < 20 * SECOND); /* it did not wait for a resolver … */
    while (count_fds() != fds_before)              /* … whose threads go when they are done */
        sched_yield();
}

static int no_memory(void *arg)
{
    (void)arg;
    for (int n = 1; n < 12; n++) {
        struct wf_memory_fault fault = { .countdown = n };
        weft_stream *stream;
        wf_memory_fault_set(&fault);
        int err = weft_connect(&stream, "nobody.invalid:80");
        wf_memory_fault_set(NULL);
        assert_true(err == WEFT_EDNS || err == -ENOMEM || err == -EAGAIN);
    }
    return 0;
}

static void test_address_lookup_without_memory_fails(void **state)
{
    (void)state;
    assert_int_equal(run(no_memory, NULL), 0);
}

static void look_up_outside(void *arg)
{
    weft_listener *listener;
    (void)arg;
    assert_int_equal(weft_listen(&listener, "localhost:0"), -EPERM);
    note("called");
}

static int outside(void *arg)
{
    weft_call_soon(look_up_outside, arg);
    pass_turns(2);
    assert_string_equal(trace, "called");
    return 0;
}

static void test_address_name_outside_a_task_is_refused(void **state)
{
    (void)state;
    assert_int_equal(run(outside, NULL), 0);
    expect_log("can only be looked up in a task");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_address_parse_vectors),
        core_test(test_address_parse_refuses_with_a_sentence),
        core_test(test_address_parse_limits),
        core_test(test_address_format_gives_back_what_was_parsed),
        core_test(test_address_literals_need_no_lookup),
        core_test(test_address_localhost_is_found),
        core_test(test_address_name_that_nobody_has_is_told_in_the_resolvers_words),
        core_test(test_address_lookup_is_cancelled_at_once),
        core_test(test_address_lookup_without_memory_fails),
        core_test(test_address_name_outside_a_task_is_refused),
    };
    return cmocka_run_group_tests_name("net address", tests, NULL, NULL);
}
