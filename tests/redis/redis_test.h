#ifndef WF_TESTS_REDIS_REDIS_TEST_H
#define WF_TESTS_REDIS_REDIS_TEST_H

/* What the tests of redis servers share: runs in virtual time, a small application, a server of it
 * on "mem:redis", clients that speak bytes, and a log that nobody overlooks.
 *
 * The application: SET, GET, DEL and INCR of short texts under a few keys; PUSH, POP and BPOP key
 * seconds of one stack of numbers for each key; SLEEP milliseconds; BIG bytes; MUTE and FAIL, which
 * do not answer; KINDS, one reply of each kind; AGES, deferred ones. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/memory.h"
#include "core/loop.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft.h>
#include <weft/redis_server.h>

/* --- the log --- */

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

static inline int redis_setup(void **state)
{
    (void)state;
    logged_count = 0;
    wf_running = NULL; /* a test that failed in a task has left its loop */
    weft_log_set_sink(keep_line, NULL);
    return 0;
}

static inline int redis_teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < logged_count && i < WF_ARRAY_SIZE(logged); i++)
        print_error("nobody expected: %s\n", logged[i]);
    weft_log_set_sink(NULL, NULL);
    return logged_count > 0 ? -1 : 0;
}

#define redis_test(function) cmocka_unit_test_setup_teardown(function, redis_setup, redis_teardown)

/* --- the application --- */

#define THINGS 8

struct thing {
    char name[32];
    char text[256];
    int64_t numbers[64];
    size_t count; /* of numbers */
    bool has_text;
};

static struct thing things[THINGS];

static inline struct thing *thing_of(weft_slice name)
{
    for (size_t i = 0; i < THINGS; i++) {
        struct thing *thing = &things[i];
        if (!*thing->name)
            snprintf(thing->name, sizeof thing->name, "%.*s", (int)name.size, name.data);
        if (strlen(thing->name) == name.size && memcmp(thing->name, name.data, name.size) == 0)
            return thing;
    }
    fail_msg("too many keys");
    return NULL;
}

static inline int64_t number_of(weft_slice text)
{
    char copy[32];
    snprintf(copy, sizeof copy, "%.*s", (int)text.size, text.data);
    return strtoll(copy, NULL, 10);
}

static inline int do_set(weft_redis_request *request, void *app)
{
    struct thing *thing = thing_of(request->args[1]);
    (void)app;
    snprintf(thing->text, sizeof thing->text, "%.*s", (int)request->args[2].size,
             request->args[2].data);
    thing->has_text = true;
    weft_redis_touch(request->server, request->args[1]);
    return weft_redis_reply_status(request, "OK");
}

static inline int do_get(weft_redis_request *request, void *app)
{
    const struct thing *thing = thing_of(request->args[1]);
    (void)app;
    return thing->has_text ? weft_redis_reply_string(request, thing->text, strlen(thing->text))
                           : weft_redis_reply_null(request);
}

static inline int do_del(weft_redis_request *request, void *app)
{
    struct thing *thing = thing_of(request->args[1]);
    bool was = thing->has_text;
    (void)app;
    thing->has_text = false;
    thing->count = 0;
    weft_redis_touch(request->server, request->args[1]);
    return weft_redis_reply_integer(request, was);
}

static inline int do_incr(weft_redis_request *request, void *app)
{
    struct thing *thing = thing_of(request->args[1]);
    int64_t value = thing->has_text ? strtoll(thing->text, NULL, 10) + 1 : 1;
    (void)app;
    snprintf(thing->text, sizeof thing->text, "%lld", (long long)value);
    thing->has_text = true;
    weft_redis_touch(request->server, request->args[1]);
    return weft_redis_reply_integer(request, value);
}

static inline int do_push(weft_redis_request *request, void *app)
{
    struct thing *thing = thing_of(request->args[1]);
    (void)app;
    for (size_t i = 2; i < request->count; i++)
        thing->numbers[thing->count++] = number_of(request->args[i]);
    weft_redis_touch(request->server, request->args[1]);
    return weft_redis_reply_integer(request, (int64_t)thing->count);
}

static inline int do_pop(weft_redis_request *request, void *app)
{
    struct thing *thing = thing_of(request->args[1]);
    (void)app;
    if (thing->count == 0)
        return weft_redis_reply_null(request);
    return weft_redis_reply_integer(request, thing->numbers[--thing->count]);
}

static inline int nothing(weft_redis_request *request, void *app)
{
    (void)app;
    return weft_redis_reply_null_array(request);
}

/* BPOP key [key ...] milliseconds */
static inline int do_bpop(weft_redis_request *request, void *app)
{
    (void)app;
    for (size_t i = 1; i + 1 < request->count; i++) {
        struct thing *thing = thing_of(request->args[i]);
        if (thing->count == 0)
            continue;
        weft_redis_reply_array(request, 2);
        weft_redis_reply_string(request, request->args[i].data, request->args[i].size);
        return weft_redis_reply_integer(request, thing->numbers[--thing->count]);
    }
    int64_t timeout = number_of(request->args[request->count - 1]) * WEFT_MILLISECOND;
    return weft_redis_block(request, &request->args[1], request->count - 2, timeout, nothing);
}

static inline int do_sleep(weft_redis_request *request, void *app)
{
    (void)app;
    int err = weft_sleep(number_of(request->args[1]) * WEFT_MILLISECOND);
    return err < 0 ? err : weft_redis_reply_status(request, "SLEPT");
}

static inline int do_big(weft_redis_request *request, void *app)
{
    size_t size = (size_t)number_of(request->args[1]);
    char *bytes = malloc(size ? size : 1);
    (void)app;
    memset(bytes, 'x', size);
    int err = weft_redis_reply_string(request, bytes, size);
    free(bytes);
    return err;
}

static inline int do_mute(weft_redis_request *request, void *app)
{
    (void)request, (void)app;
    return 0;
}

static inline int do_fail(weft_redis_request *request, void *app)
{
    (void)request, (void)app;
    return -EIO;
}

static inline int do_kinds(weft_redis_request *request, void *app)
{
    (void)app;
    weft_redis_reply_array(request, 9);
    weft_redis_reply_null(request);
    weft_redis_reply_null_array(request);
    weft_redis_reply_boolean(request, true);
    weft_redis_reply_double(request, 2.5);
    weft_redis_reply_verbatim(request, "text", 4);
    weft_redis_reply_format(request, "%d of %s", 3, "three");
    weft_redis_reply_map(request, 1);
    weft_redis_reply_integer(request, 1);
    weft_redis_reply_integer(request, 2);
    weft_redis_reply_set(request, 1);
    weft_redis_reply_integer(request, 3);
    if (weft_redis_reply_attribute(request, 1) > 0) {
        weft_redis_reply_status(request, "ttl");
        weft_redis_reply_integer(request, 4);
    }
    return weft_redis_reply_error(request, "ERR two\r\nlines");
}

static inline int do_ages(weft_redis_request *request, void *app)
{
    (void)app;
    weft_redis_mark all = weft_redis_reply_defer(request);
    weft_redis_mark map = weft_redis_reply_defer(request);
    weft_redis_reply_status(request, "a");
    weft_redis_reply_integer(request, 1);
    weft_redis_reply_map_deferred(request, map, 1);
    weft_redis_mark set = weft_redis_reply_defer(request);
    for (int i = 0; i < 12; i++)
        weft_redis_reply_integer(request, i);
    weft_redis_reply_set_deferred(request, set, 12);
    return weft_redis_reply_array_deferred(request, all, 2);
}

static const weft_redis_command commands[] = {
    { "set", do_set, .arity = 3, .flags = WEFT_REDIS_WRITE, .first_key = 1, .last_key = 1 },
    { "get", do_get, .arity = 2, .flags = WEFT_REDIS_READ, .first_key = 1, .last_key = 1 },
    { "del", do_del, .arity = 2, .flags = WEFT_REDIS_WRITE, .first_key = 1, .last_key = 1 },
    { "incr", do_incr, .arity = 2, .flags = WEFT_REDIS_WRITE, .first_key = 1, .last_key = 1 },
    { "push", do_push, .arity = -3, .flags = WEFT_REDIS_WRITE, .first_key = 1, .last_key = 1 },
    { "pop", do_pop, .arity = 2, .flags = WEFT_REDIS_WRITE, .first_key = 1, .last_key = 1 },
    { "bpop", do_bpop, .arity = -3, .flags = WEFT_REDIS_WRITE | WEFT_REDIS_BLOCKS, .first_key = 1,
      .last_key = -2, .summary = "Pops, or waits", .group = "stack" },
    { "sleep", do_sleep, .arity = 2, .flags = WEFT_REDIS_SUSPENDS },
    { "big", do_big, .arity = 2 },
    { "mute", do_mute, .arity = 1 },
    { "fail", do_fail, .arity = 1 },
    { "kinds", do_kinds, .arity = 1 },
    { "ages", do_ages, .arity = 1 },
    { 0 },
};

/* --- the server --- */

/* A server beside a client: body(arg) runs while `options` are served on mem:redis. */
struct redis_site {
    struct weft_redis_serve_options options;
    void (*body)(void *arg);
    void *arg;
    weft_listener *listener;
    weft_task *server;
    int result; /* of weft_redis_serve_on() */
};

static inline int site_serve(void *arg)
{
    struct redis_site *site = arg;
    site->options.size = sizeof site->options;
    if (!site->options.commands)
        site->options.commands = commands;
    site->result = weft_redis_serve_on_with(site->listener, &site->options);
    return 0;
}

static inline int site_main(void *arg)
{
    struct redis_site *site = arg;
    weft_scope scope;
    memset(things, 0, sizeof things);
    assert_int_equal(weft_redis_listen(&site->listener, "mem:redis"), 0);
    weft_scope_begin(&scope);
    assert_int_equal(weft_spawn(&scope, site_serve, site, .task = &site->server), 0);
    site->body(site->arg);
    weft_task_cancel(site->server, "the test is over");
    assert_int_equal(weft_scope_end(&scope), 0);
    weft_task_release(site->server);
    weft_listener_close(site->listener);
    return 0;
}

/* serving(body, arg, .max_clients = 1, …): the run, whose server must end by the cancel. */
static inline void serving_with(struct redis_site *site, int result)
{
    assert_int_equal(weft_run(site_main, site, .clock = WEFT_CLOCK_TEST, .no_signals = true), 0);
    assert_int_equal(site->result, result);
}

#define serving(function, argument, ...)                                                           \
    serving_with(                                                                                  \
        &(struct redis_site){ .body = (function), .arg = (argument), .options = { __VA_ARGS__ } }, \
        -ECANCELED)

/* --- clients --- */

static inline weft_stream *dial(void)
{
    weft_stream *stream;
    assert_int_equal(weft_connect(&stream, "mem:redis"), 0);
    return stream;
}

static inline void say(weft_stream *stream, const char *text)
{
    assert_int_equal(weft_write(stream, text, strlen(text)), 0);
}

/* The next bytes are these; they come within a second. */
static inline void expect_bytes(weft_stream *stream, const char *bytes, size_t size, int line)
{
    char *got = calloc(1, size + 1);
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = WEFT_SECOND);
    int err = weft_scope_leave(&scope, weft_read_exact(stream, got, size));
    if (err < 0) {
        ssize_t n = weft_read_try(stream, got, size);
        fail_msg("line %d: expected '%s', heard '%.*s' (%s)", line, bytes, n > 0 ? (int)n : 0, got,
                 weft_error_text(err));
    }
    if (memcmp(got, bytes, size) != 0)
        fail_msg("line %d: expected '%s', heard '%s'", line, bytes, got);
    free(got);
}

#define hear(stream, text) expect_bytes((stream), (text), strlen(text), __LINE__)

/* Say a line, and hear this. */
#define ask(stream, line, text)                                                                    \
    do {                                                                                           \
        weft_stream *asked = (stream);                                                             \
        say(asked, line "\r\n");                                                                   \
        hear(asked, text);                                                                         \
    } while (0)

/* Nothing comes for a second. */
static inline void hear_nothing(weft_stream *stream)
{
    char byte;
    weft_sleep(WEFT_SECOND);
    assert_int_equal(weft_read_try(stream, &byte, 1), -EAGAIN);
}

/* The server has closed: within a second, and behind nothing else. */
static inline void hear_end(weft_stream *stream)
{
    char byte;
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = WEFT_SECOND);
    ssize_t n = weft_read(stream, &byte, 1);
    int err = weft_scope_leave(&scope, n < 0 ? (int)n : 0);
    if (n > 0 || err == -ETIMEDOUT)
        fail_msg("not closed");
}

#endif
