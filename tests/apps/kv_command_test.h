#ifndef WF_TESTS_APPS_KV_COMMAND_TEST_H
#define WF_TESTS_APPS_KV_COMMAND_TEST_H

/* What the tests of weft-kv's commands share: a store that is served on "mem:redis" in virtual
 * time, and conversations with it: a line that is said, and the bytes that are heard.
 *
 * All memory of the store is given back in the end. */

#include "../redis/redis_test.h"

#include "weft-kv/kv.h"
#include "weft-kv/memory.h"

struct kv_site {
    struct kv kv;
    void (*body)(void);
    weft_listener *listener;
    int result;
};

static inline int kv_site_serve(void *arg)
{
    struct kv_site *site = arg;
    site->result = kv_serve(&site->kv, site->listener);
    return 0;
}

static inline int kv_site_main(void *arg)
{
    struct kv_site *site = arg;
    weft_scope scope;
    weft_task *server;
    assert_int_equal(kv_init(&site->kv, 1), 0);
    assert_int_equal(weft_redis_listen(&site->listener, "mem:redis"), 0);
    weft_scope_begin(&scope);
    assert_int_equal(weft_spawn(&scope, kv_site_serve, site, .task = &server), 0);
    site->body();
    weft_task_cancel(server, "the test is over");
    assert_int_equal(weft_scope_end(&scope), 0);
    weft_task_release(server);
    weft_listener_close(site->listener);
    kv_fini(&site->kv);
    return 0;
}

/* Run body() beside a server. */
static inline void kv_serving(void (*body)(void))
{
    struct kv_site site = { .body = body };
    assert_int_equal(weft_run(kv_site_main, &site, .clock = WEFT_CLOCK_TEST, .no_signals = true),
                     0);
    assert_int_equal(site.result, -ECANCELED);
    assert_int_equal(kv_memory_used(), 0);
}

/* The next bytes until these have come. */
static inline void skip_until(weft_stream *stream, const char *end)
{
    char got[4096] = { 0 };
    size_t len = 0, size = strlen(end);
    while (len < size || memcmp(got + len - size, end, size) != 0) {
        assert_true(len < sizeof got);
        assert_int_equal(weft_read_exact(stream, got + len++, 1), 0);
    }
}

/* A client that speaks version 3. */
static inline weft_stream *dial_3(void)
{
    weft_stream *stream = dial();
    say(stream, "HELLO 3\r\nECHO ready\r\n");
    skip_until(stream, "$5\r\nready\r\n");
    return stream;
}

struct turn {
    const char *said, *heard;
};

/* Each line and its reply; a NULL ends them. */
static inline void converse(weft_stream *stream, const struct turn *turns)
{
    for (; turns->said; turns++) {
        char *got = calloc(1, strlen(turns->heard) + 1);
        weft_scope scope;
        say(stream, turns->said);
        say(stream, "\r\n");
        weft_scope_begin(&scope, .timeout = WEFT_SECOND);
        int err = weft_scope_leave(&scope, weft_read_exact(stream, got, strlen(turns->heard)));
        if (err < 0 || strcmp(got, turns->heard) != 0)
            fail_msg("%s: expected '%s', heard '%s' (%s)", turns->said, turns->heard, got,
                     err < 0 ? weft_error_text(err) : "other bytes");
        free(got);
    }
}

static const struct turn *kv_turns;

static inline void kv_talk(void)
{
    weft_stream *stream = dial();
    converse(stream, kv_turns);
    weft_close(stream);
}

static inline void kv_talk_3(void)
{
    weft_stream *stream = dial_3();
    converse(stream, kv_turns);
    weft_close(stream);
}

/* A server, and one client with this conversation; in version 3. */
static inline void kv_talking(const struct turn *turns)
{
    kv_turns = turns;
    kv_serving(kv_talk);
}

static inline void kv_talking_3(const struct turn *turns)
{
    kv_turns = turns;
    kv_serving(kv_talk_3);
}

/* One who watches this key sees each of these turns of another client, or none of them. */
static inline void kv_watch(const char *key, const struct turn *turns, bool seen)
{
    weft_stream *watcher = dial(), *other = dial();
    for (; turns->said; turns++) {
        const struct turn change[] = { *turns, { NULL, NULL } };
        say(watcher, "WATCH ");
        say(watcher, key);
        ask(watcher, "", "+OK\r\n");
        converse(other, change);
        ask(watcher, "MULTI", "+OK\r\n");
        ask(watcher, "EXEC", seen ? "*-1\r\n" : "*0\r\n");
    }
    weft_close(watcher);
    weft_close(other);
}

/* The rest of a line, without its end. */
static inline const char *hear_line(weft_stream *stream)
{
    static char line[256];
    size_t len = 0;
    do {
        assert_true(len + 1 < sizeof line);
        assert_int_equal(weft_read_exact(stream, line + len++, 1), 0);
    } while (line[len - 1] != '\n');
    line[len - (len > 1 ? 2 : 1)] = '\0';
    return line;
}

/* Say a line, and hear the first line of the reply. */
static inline const char *answer(weft_stream *stream, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(line, sizeof line - 2, format, args);
    va_end(args);
    assert_in_range(size, 1, sizeof line - 3);
    say(stream, strcat(line, "\r\n"));
    return hear_line(stream);
}

/* An aggregate of strings: how many. Up to `max` of them are kept, each below 32 bytes. */
static inline int hear_strings(weft_stream *stream, char strings[][32], int max)
{
    int count = atoi(hear_line(stream) + 1);
    for (int i = 0; i < count; i++) {
        hear_line(stream); /* its size */
        const char *text = hear_line(stream);
        if (i < max)
            snprintf(strings[i], 32, "%.31s", text);
    }
    return count;
}

/* --- large collections: their elements have a letter and a number --- */

#define KV_LARGE 1000

static inline int number_in(const char *text, char letter)
{
    assert_int_equal(text[0], letter);
    int number = atoi(text + 1);
    assert_in_range(number, 0, KV_LARGE - 1);
    return number;
}

/* So many strings, "m0", "m1", …, none of them twice. */
static inline void expect_different(weft_stream *stream, int count)
{
    static char members[KV_LARGE][32];
    static bool seen[KV_LARGE];
    memset(seen, 0, sizeof seen);
    assert_int_equal(hear_strings(stream, members, KV_LARGE), count);
    for (int i = 0; i < count; i++) {
        assert_false(seen[number_in(members[i], 'm')]);
        seen[number_in(members[i], 'm')] = true;
    }
}

/* --- without memory --- */

/* Let allocation after allocation fail in a command, which then says so, until none does and it
 * says `heard`. `check` must hold after each failure. */
static inline void without_memory(weft_stream *stream, const char *line, const char *heard,
                                  const struct turn *check)
{
    for (long n = 1;; n++) {
        kv_memory_fail(n);
        const char *got = answer(stream, "%s", line);
        if (kv_memory_fail(0) == 0) {
            assert_string_equal(got, heard);
            assert_true(n > 1);
            return;
        }
        assert_string_equal(got, "-OOM out of memory");
        converse(stream, check);
    }
}

#endif
