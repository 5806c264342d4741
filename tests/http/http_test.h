#ifndef WF_TESTS_HTTP_HTTP_TEST_H
#define WF_TESTS_HTTP_HTTP_TEST_H

/* What the tests of http share: runs in virtual time, a server on "mem:server", clients that speak
 * bytes, and a log that nobody overlooks. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/memory.h"
#include "core/loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft.h>
#include <weft/http.h>

/* The log: lines that wait to be expected. Access lines come only where a test lets them pass. */
static char logged[16][400];
static unsigned logged_count;

static inline void keep_line(void *context, enum weft_logger logger, enum weft_log_level level,
                             const char *text, size_t size)
{
    (void)context, (void)logger, (void)level, (void)size;
    if (logged_count < WF_ARRAY_SIZE(logged))
        snprintf(logged[logged_count], sizeof logged[0], "%s", text);
    logged_count++;
}

/* The next line that was logged contains `part`. */
static inline void expect_log(const char *part)
{
    if (logged_count == 0)
        fail_msg("nothing was logged; expected '%s'", part);
    if (!strstr(logged[0], part))
        fail_msg("logged: '%s'; expected '%s'", logged[0], part);
    logged_count--;
    memmove(logged[0], logged[1], sizeof logged - sizeof logged[0]);
}

static inline int http_setup(void **state)
{
    (void)state;
    logged_count = 0;
    wf_running = NULL; /* a test that failed in a task has left its loop */
    weft_log_set_sink(keep_line, NULL);
    weft_log_set_level(WEFT_LOG_ACCESS, WEFT_LOG_WARNING);
    return 0;
}

static inline int http_teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < logged_count && i < WF_ARRAY_SIZE(logged); i++)
        print_error("nobody expected: %s\n", logged[i]);
    weft_log_set_sink(NULL, NULL);
    return logged_count > 0 ? -1 : 0;
}

#define http_test(function) cmocka_unit_test_setup_teardown(function, http_setup, http_teardown)

/* weft_run() in virtual time. */
static inline int run(weft_fn *fn, void *arg)
{
    return weft_run(fn, arg, .clock = WEFT_CLOCK_TEST, .no_signals = true);
}

/* A server beside a client: body(arg) runs while `options` are served on mem:server. */
struct http_site {
    struct weft_http_serve_options options;
    void (*body)(void *arg);
    void *arg;
    weft_listener *listener;
    weft_task *server;
    int result; /* of weft_http_serve_on() */
};

static inline int site_serve(void *arg)
{
    struct http_site *site = arg;
    site->options.size = sizeof site->options;
    site->result = weft_http_serve_on_with(site->listener, &site->options);
    return 0;
}

static inline int site_main(void *arg)
{
    struct http_site *site = arg;
    weft_scope scope;
    assert_int_equal(weft_listen(&site->listener, "mem:server"), 0);
    weft_scope_begin(&scope);
    assert_int_equal(weft_spawn(&scope, site_serve, site, .task = &site->server), 0);
    site->body(site->arg);
    weft_task_cancel(site->server, "the test is over");
    assert_int_equal(weft_scope_end(&scope), 0);
    weft_task_release(site->server);
    weft_listener_close(site->listener);
    return 0;
}

/* The server that runs. */
static struct http_site *site;

/* serving(body, arg, .routes = routes, …): the run, whose server must end by the cancel. */
static inline void serving_with(struct http_site *given)
{
    site = given;
    assert_int_equal(run(site_main, given), 0);
    assert_int_equal(given->result, -ECANCELED);
}

#define serving(function, argument, ...)                                                           \
    serving_with(                                                                                  \
        &(struct http_site){ .body = (function), .arg = (argument), .options = { __VA_ARGS__ } })

/* A server of bytes, for tests of the client. */
struct peer {
    weft_serve_fn *serve;
    void *arg;
    weft_listener *listener;
    weft_task *task;
    weft_scope scope;
};

static inline int peer_main(void *arg)
{
    struct peer *peer = arg;
    int err = weft_serve_on(peer->listener, peer->serve, .arg = peer->arg);
    return err == -ECANCELED ? 0 : err;
}

static inline void peer_begin(struct peer *peer, const char *address)
{
    assert_int_equal(weft_listen(&peer->listener, address), 0);
    weft_scope_begin(&peer->scope);
    assert_int_equal(weft_spawn(&peer->scope, peer_main, peer, .task = &peer->task), 0);
}

static inline void peer_end(struct peer *peer)
{
    weft_task_cancel(peer->task, "the test is over");
    assert_int_equal(weft_scope_end(&peer->scope), 0);
    weft_task_release(peer->task);
    weft_listener_close(peer->listener);
}

/* A client of bytes. */

static inline weft_stream *dial(void)
{
    weft_stream *stream;
    assert_int_equal(weft_connect(&stream, "mem:server"), 0);
    return stream;
}

static inline void say(weft_stream *stream, const char *text)
{
    assert_int_equal(weft_write(stream, text, strlen(text)), 0);
}

static char heard[(size_t)4 << 20];
static size_t heard_size;

/* Drop the Date lines: nobody knows what they say. */
static inline const char *without_dates(void)
{
    for (char *date; (date = strstr(heard, "Date: "));) {
        char *end = strstr(date, "\r\n") + 2;
        assert_int_equal(end - date, 37);
        memmove(date, end, (size_t)(heard + heard_size + 1 - end));
        heard_size -= (size_t)(end - date);
    }
    return heard;
}

/* All that comes until the server closes. */
static inline const char *hear_all(weft_stream *stream)
{
    ssize_t n;
    heard_size = 0;
    while ((n = weft_read(stream, heard + heard_size, sizeof heard - 1 - heard_size)) > 0)
        heard_size += (size_t)n;
    assert_int_equal(n, 0);
    heard[heard_size] = '\0';
    return without_dates();
}

/* One response, by its Content-Length; `head_only` when it has no body whatever that says. */
static inline const char *hear_response(weft_stream *stream, bool head_only)
{
    heard_size = 0;
    const char *end = NULL;
    while (!end) {
        ssize_t n = weft_read(stream, heard + heard_size, 1);
        assert_int_equal(n, 1);
        heard[++heard_size] = '\0';
        end = strstr(heard, "\r\n\r\n");
    }
    const char *length = strstr(heard, "Content-Length: ");
    size_t size = length && !head_only ? strtoul(length + 16, NULL, 10) : 0;
    assert_int_equal(weft_read_exact(stream, heard + heard_size, size), 0);
    heard_size += size;
    heard[heard_size] = '\0';
    return without_dates();
}

static inline const char *hear(weft_stream *stream)
{
    return hear_response(stream, false);
}

/* A whole conversation: say, half-close, and hear all. */
static inline const char *ask(const char *request)
{
    weft_stream *stream = dial();
    say(stream, request);
    assert_int_equal(weft_shutdown_write(stream), 0);
    const char *answer = hear_all(stream);
    weft_close(stream);
    return answer;
}

static inline void expect_text(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("expected '%s' in:\n%s", part, text);
}

/* `text` begins so and, where it is not NULL, ends so. */
static inline void expect_answer(const char *text, const char *begin, const char *end)
{
    size_t size = strlen(text), end_size = end ? strlen(end) : 0;
    bool right = strncmp(text, begin, strlen(begin)) == 0 && size >= end_size &&
                 (!end || strcmp(text + size - end_size, end) == 0);
    if (!right)
        fail_msg("expected '%s' ... '%s', got:\n%s", begin, end ? end : "", text);
}

#endif
