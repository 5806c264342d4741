#ifndef WF_TESTS_REDIS_CLIENT_TEST_H
#define WF_TESTS_REDIS_CLIENT_TEST_H

/* What the tests of the client share: a server on "mem:redis" that follows a script, values as
 * text, and a client with an arena.
 *
 * A script has a list of steps for each connection. A text answers one command; the words are
 * below; what begins with '!' is said without a command. Behind the last step commands are read and
 * not answered. HELLO is answered by itself, unless the test greets. All commands are kept in
 * `asked`, each with a '|' behind it. */

#include "../http/http_test.h"
#include "codec/resp.h"

#include <weft/redis.h>

#define CLOSE "close" /* read a command, and close */
#define RESET "reset" /* read a command, and reset */
#define END   "end"   /* close */

#define CONNECTIONS_MAX 16
#define STEPS_MAX       40
#define HELLO_3         "%1\r\n$5\r\nproto\r\n:3\r\n"
#define MS              WEFT_MILLISECOND
#define S               WEFT_SECOND

static const char *script[CONNECTIONS_MAX][STEPS_MAX];
static int connections; /* that were accepted */
static int closed;      /* by the client, while the server read */
static bool greets;     /* the script says what HELLO is answered with */
static char asked[16384];
static size_t asked_size;

/* One command, as words. 0; negative: the end. */
static inline int read_command(weft_stream *stream, weft_slice *args, uint32_t room,
                               struct wf_resp_command *command)
{
    static const struct wf_resp_limits limits = WF_RESP_LIMITS_DEFAULT;
    weft_buffer *input = weft_stream_input(stream);
    *command = (struct wf_resp_command){ .args = args, .room = room };
    wf_resp_command_begin(command, &limits);
    for (;;) {
        enum wf_resp_result result =
            wf_resp_command_parse(command, weft_buffer_data(input), weft_buffer_readable(input));
        if (result == WF_RESP_COMPLETE)
            return 0;
        assert_int_equal(result, WF_RESP_MORE);
        ssize_t n = weft_fill(stream);
        if (n <= 0)
            return n < 0 ? (int)n : WEFT_EEND;
    }
}

static inline void note_command(const struct wf_resp_command *command)
{
    for (uint32_t i = 0; i < command->count; i++) {
        size_t size = command->args[i].size;
        if (asked_size + size + 3 > sizeof asked)
            return;
        memcpy(asked + asked_size, command->args[i].data, size);
        asked_size += size;
        asked[asked_size++] = i + 1 < command->count ? ' ' : '|';
        asked[asked_size] = '\0';
    }
}

/* Read one, HELLO aside. */
static inline int hear_command(weft_stream *stream)
{
    weft_slice args[64];
    struct wf_resp_command command;
    for (;;) {
        int err = read_command(stream, args, WF_ARRAY_SIZE(args), &command);
        if (err < 0)
            return err;
        bool is_hello = args[0].size == 5 && memcmp(args[0].data, "HELLO", 5) == 0;
        if (!is_hello || greets)
            note_command(&command);
        weft_buffer_consume(weft_stream_input(stream), command.size);
        if (!is_hello || greets)
            return 0;
        if (weft_write(stream, HELLO_3, sizeof HELLO_3 - 1) < 0)
            return WEFT_EEND;
    }
}

static inline int read_to_the_end(weft_stream *stream)
{
    while (hear_command(stream) == 0)
        ;
    closed++;
    return 0;
}

static inline int follow(weft_stream *stream, void *arg)
{
    (void)arg;
    const char *const *steps = script[connections++ % CONNECTIONS_MAX];
    for (int i = 0; i < STEPS_MAX && steps[i]; i++) {
        const char *step = steps[i];
        if (strcmp(step, END) == 0)
            return 0;
        if (*step != '!' && hear_command(stream) < 0) {
            closed++;
            return 0;
        }
        if (strcmp(step, CLOSE) == 0)
            return 0;
        if (strcmp(step, RESET) == 0)
            return weft_task_cancel(weft_task_self(), "closing resets then"), 0;
        step += *step == '!';
        if (weft_write(stream, step, strlen(step)) < 0)
            return 0;
    }
    return read_to_the_end(stream);
}

/* The client of the test, and its arena. */
static weft_redis *redis;
static weft_arena *arena;

struct scripted {
    void (*body)(void);
    weft_serve_fn *serve; /* NULL: by the script */
    struct weft_redis_options options;
};

static inline int scripted_main(void *arg)
{
    struct scripted *test = arg;
    struct peer peer = { .serve = test->serve ? test->serve : follow };
    connections = closed = 0;
    asked_size = 0;
    asked[0] = '\0';
    if (!test->options.address)
        test->options.address = "mem:redis";
    test->options.size = sizeof test->options;
    test->options.seed = 1;
    assert_int_equal(weft_arena_new(&arena, (size_t)64 << 20), 0);
    assert_int_equal(weft_redis_open_with(&redis, &test->options), 0);
    peer_begin(&peer, "mem:redis");
    test->body();
    weft_redis_close(redis);
    weft_sleep(MS);
    peer_end(&peer);
    weft_arena_free(arena);
    memset(script, 0, sizeof script);
    greets = false;
    return 0;
}

#define scripted(function, ...)                                                                    \
    assert_int_equal(                                                                              \
        run(scripted_main,                                                                         \
            &(struct scripted){ .body = (function), .options = { .size = 0, ##__VA_ARGS__ } }),    \
        0)

/* --- values as text --- */

static char shown[65536];

static inline size_t show_at(size_t at, const weft_redis_value *value)
{
    static const char *const open[] = { [WEFT_REDIS_ARRAY] = "[",
                                        [WEFT_REDIS_MAP] = "{",
                                        [WEFT_REDIS_SET] = "(",
                                        [WEFT_REDIS_PUSH] = ">" };
    static const char *const close[] = { [WEFT_REDIS_ARRAY] = "]",
                                         [WEFT_REDIS_MAP] = "}",
                                         [WEFT_REDIS_SET] = ")",
                                         [WEFT_REDIS_PUSH] = "<" };
    size_t left = sizeof shown - at;
    if (value->attributes) {
        shown[at++] = '|';
        at = show_at(at, value->attributes);
        shown[at++] = '|';
    }
    switch (value->kind) {
    case WEFT_REDIS_NULL:
        return at + (size_t)snprintf(shown + at, left, "null");
    case WEFT_REDIS_STATUS:
        return at + (size_t)snprintf(shown + at, left, "+%s", value->text);
    case WEFT_REDIS_ERROR:
        return at + (size_t)snprintf(shown + at, left, "-%s", value->text);
    case WEFT_REDIS_STRING:
        return at + (size_t)snprintf(shown + at, left, "'%s'", value->text);
    case WEFT_REDIS_BIG_NUMBER:
        return at + (size_t)snprintf(shown + at, left, "(%s", value->text);
    case WEFT_REDIS_INTEGER:
        return at + (size_t)snprintf(shown + at, left, "%lld", (long long)value->integer);
    case WEFT_REDIS_BOOLEAN:
        return at + (size_t)snprintf(shown + at, left, value->integer ? "true" : "false");
    case WEFT_REDIS_DOUBLE:
        return at + (size_t)snprintf(shown + at, left, "%g", value->number);
    default:
        break;
    }
    at += (size_t)snprintf(shown + at, left, "%s", open[value->kind]);
    for (size_t i = 0; i < value->count; i++) {
        if (i > 0)
            shown[at++] = ' ';
        at = show_at(at, &value->elements[i]);
    }
    return at + (size_t)snprintf(shown + at, sizeof shown - at, "%s", close[value->kind]);
}

static inline const char *show(const weft_redis_value *value)
{
    if (!value)
        return "(none)";
    shown[show_at(0, value)] = '\0';
    return shown;
}

/* --- asking --- */

#define expect_reply(text, ...)                                                                    \
    do {                                                                                           \
        const weft_redis_value *reply_;                                                            \
        assert_int_equal(weft_redis_ask(redis, arena, &reply_, __VA_ARGS__), 0);                   \
        assert_string_equal(show(reply_), text);                                                   \
    } while (0)

/* A call beside the test: what it answered. */
struct asker {
    weft_slice args[8];
    weft_redis_call call;
    weft_task *task;
    int result;
    bool is_done;
};

static inline int asker_main(void *arg)
{
    struct asker *asker = arg;
    asker->result = (weft_redis_send)(&asker->call);
    asker->is_done = true;
    return 0;
}

/* `words` divided by blanks. */
static inline void asker_begin(weft_scope *scope, struct asker *asker, const char *words)
{
    *asker = (struct asker){ .call = { .redis = redis, .arena = arena, .args = asker->args } };
    while (*words) {
        size_t size = strcspn(words, " ");
        asker->args[asker->call.count++] = (weft_slice){ words, size };
        words += size + (words[size] == ' ');
    }
    assert_int_equal(weft_spawn(scope, asker_main, asker, .task = &asker->task), 0);
}

static inline void asker_end(struct asker *asker)
{
    weft_task_release(asker->task);
    asker->task = NULL;
}

static inline weft_redis_stats stats(void)
{
    weft_redis_stats now;
    weft_redis_get_stats(redis, &now);
    return now;
}

#endif
