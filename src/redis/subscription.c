/* Subscriptions: a lent connection whose values are messages, and a queue of them.
 *
 *     server ──> the connection's task ──take──> queue ──next──> the subscriber
 *                      │  ↑
 *                      │  └── no room: waits / drops the oldest / drops this one
 *                      └── connected anew: a gap, and SUBSCRIBE again
 *
 * The queue is one buffer of records, each a head and three texts; its limit is bytes, so that many
 * small messages and few large ones cost the same. A message larger than the limit passes alone
 * where the policy is to wait, and is dropped else. A gap takes no room: there is at most one at
 * the end of the queue.
 *
 * The connection's task may be inside take() when the subscription is closed: it holds a reference
 * for as long as it may come back. */

#include "redis/call.h"
#include "redis/value.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft/error.h>

#define QUEUE_MAX ((size_t)1 << 20)
#define NONE      UINT32_MAX /* the record has no such text */

/* In the queue, before its texts. */
struct record {
    uint32_t channel_size; /* NONE: a gap */
    uint32_t pattern_size; /* NONE: by the channel's name */
    uint32_t size;
};

struct message {
    struct record head;
    const char *channel;
    const char *pattern;
    const char *data;
};

struct weft_redis_subscription {
    struct wf_redis_sink sink;
    weft_redis *redis;
    weft_arena *arena; /* this, and what is said */
    struct wf_redis_connection *connection;
    uint32_t references;
    weft_slice words;   /* SUBSCRIBE … PSUBSCRIBE …, as on the wire */
    uint32_t expected;  /* confirmations */
    uint32_t confirmed; /* on this connection */
    bool was_open;      /* all were, once */
    bool ends_in_gap;   /* the last record is one */
    bool is_taking;     /* a task waits for a message */
    uint8_t full;
    size_t queue_max;
    weft_buffer queue;
    uint64_t dropped;
    int error; /* what ended it; 0: nothing */
    char why[200];
    weft_event settled; /* all is confirmed, or it is over */
    weft_event news;    /* the queue is not empty, or it is over */
    weft_event room;    /* something was taken */
};

static void release(weft_redis_subscription *s)
{
    if (--s->references > 0)
        return;
    weft_buffer_fini(&s->queue);
    weft_event_fini(&s->settled);
    weft_event_fini(&s->news);
    weft_event_fini(&s->room);
    weft_arena_free(s->arena);
}

/* --- the queue --- */

static size_t record_size(const struct record *head)
{
    size_t size = sizeof *head + head->size;
    size += head->channel_size == NONE ? 0 : head->channel_size;
    return size + (head->pattern_size == NONE ? 0 : head->pattern_size);
}

static struct record first_head(const weft_redis_subscription *s)
{
    struct record head;
    memcpy(&head, weft_buffer_data(&s->queue), sizeof head);
    return head;
}

static char *put(char *out, const char *text, uint32_t size)
{
    if (size == NONE || size == 0)
        return out;
    memcpy(out, text, size);
    return out + size;
}

static int append(weft_redis_subscription *s, const struct message *message)
{
    char *out;
    size_t size = record_size(&message->head);
    int err = weft_buffer_reserve(&s->queue, size, &out);
    if (err < 0)
        return err;
    memcpy(out, &message->head, sizeof message->head);
    out = put(out + sizeof message->head, message->channel, message->head.channel_size);
    out = put(out, message->pattern, message->head.pattern_size);
    put(out, message->data, message->head.size);
    weft_buffer_commit(&s->queue, size);
    s->ends_in_gap = message->head.channel_size == NONE;
    weft_event_set(&s->news);
    return 0;
}

static void pop(weft_redis_subscription *s)
{
    struct record head = first_head(s);
    weft_buffer_consume(&s->queue, record_size(&head));
    weft_event_set(&s->room);
    if (weft_buffer_readable(&s->queue) > 0)
        return;
    s->ends_in_gap = false;
    weft_buffer_release_if_empty(&s->queue);
    if (s->error == 0)
        weft_event_clear(&s->news);
}

static bool has_room(const weft_redis_subscription *s, size_t size)
{
    size_t held = weft_buffer_readable(&s->queue);
    return held + size <= s->queue_max || (held == 0 && s->full == WEFT_REDIS_FULL_WAIT);
}

/* 1: there is room; 0: the message is dropped. */
static int make_room(weft_redis_subscription *s, size_t size)
{
    while (!has_room(s, size)) {
        bool is_first_to_go = s->full == WEFT_REDIS_FULL_OLDEST && size <= s->queue_max;
        if (s->full == WEFT_REDIS_FULL_WAIT) {
            weft_event_clear(&s->room);
            int err = weft_event_wait(&s->room);
            if (err < 0)
                return err;
        } else if (is_first_to_go) {
            s->dropped += first_head(s).channel_size != NONE;
            pop(s);
        } else {
            s->dropped++;
            return 0;
        }
    }
    return 1;
}

static int add_message(weft_redis_subscription *s, const struct message *message)
{
    int room = make_room(s, record_size(&message->head));
    return room > 0 ? append(s, message) : room;
}

static int add_gap(weft_redis_subscription *s)
{
    struct message gap = { .head = { NONE, NONE, 0 } };
    return s->ends_in_gap ? 0 : append(s, &gap);
}

/* --- what the connection says --- */

static void end(struct wf_redis_sink *sink, int err, const char *why)
{
    weft_redis_subscription *s = wf_container(sink, weft_redis_subscription, sink);
    s->error = err;
    snprintf(s->why, sizeof s->why, "%s", why);
    weft_event_set(&s->settled);
    weft_event_set(&s->news);
}

static int open_sink(struct wf_redis_sink *sink, struct wf_redis_connection *connection)
{
    weft_redis_subscription *s = wf_container(sink, weft_redis_subscription, sink);
    s->confirmed = 0;
    int err = s->was_open ? add_gap(s) : 0;
    s->references++;
    if (err == 0)
        err = weft_write(connection->stream, s->words.data, s->words.size);
    release(s);
    return err;
}

#define PARTS_MAX 4

/* The elements of a message: strings, all of them, or it is none. */
static size_t take_apart(const struct wf_resp_reply *reply, const struct wf_resp_node *parts[])
{
    const struct wf_resp_node *nodes = reply->nodes, *whole = &nodes[reply->value];
    size_t count = 0;
    bool may_be = whole->kind == WF_RESP_PUSH || whole->kind == WF_RESP_ARRAY;
    if (!may_be || whole->count > PARTS_MAX)
        return 0;
    for (uint32_t i = reply->value + 1; i < whole->end; i = nodes[i].end)
        if (nodes[i].kind != WF_RESP_ATTRIBUTE)
            parts[count++] = &nodes[i];
    return count;
}

static bool is(const struct wf_resp_node *node, const char *word)
{
    return node->kind == WF_RESP_STRING && node->len == strlen(word) &&
           memcmp(node->as.text, word, node->len) == 0;
}

static bool are_texts(const struct wf_resp_node *const parts[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (parts[i]->kind != WF_RESP_STRING)
            return false;
    return true;
}

static int take_message(weft_redis_subscription *s, const struct wf_resp_node *const parts[],
                        size_t count)
{
    const struct wf_resp_node *pattern = count == 4 ? parts[1] : NULL;
    const struct wf_resp_node *channel = parts[count - 2], *data = parts[count - 1];
    if (!are_texts(parts, count))
        return WEFT_EPROTOCOL;
    struct message message = {
        .head = { channel->len, pattern ? pattern->len : NONE, data->len },
        .channel = channel->as.text,
        .pattern = pattern ? pattern->as.text : NULL,
        .data = data->as.text,
    };
    return add_message(s, &message);
}

static int take_confirmation(weft_redis_subscription *s)
{
    if (s->confirmed == s->expected)
        return WEFT_EPROTOCOL;
    if (++s->confirmed == s->expected) {
        s->was_open = s->sink.is_patient = true;
        weft_event_set(&s->settled);
    }
    return 0;
}

/* The server does not take it: that is for good. */
static int take_refusal(weft_redis_subscription *s, const struct wf_resp_reply *reply)
{
    const struct wf_resp_node *node = &reply->nodes[reply->value];
    char why[200];
    snprintf(why, sizeof why, "%.*s", (int)node->len, node->as.text);
    wf_redis_connection_detach(s->connection);
    end(&s->sink, WEFT_EREPLY, why);
    return WEFT_EREPLY;
}

static int take_value(weft_redis_subscription *s, const struct wf_resp_reply *reply)
{
    const struct wf_resp_node *parts[PARTS_MAX];
    if (wf_redis_value_is_error(reply))
        return take_refusal(s, reply);
    size_t count = take_apart(reply, parts);
    if (count == 3 && (is(parts[0], "subscribe") || is(parts[0], "psubscribe")))
        return take_confirmation(s);
    if ((count == 3 && is(parts[0], "message")) || (count == 4 && is(parts[0], "pmessage")))
        return take_message(s, parts, count);
    bool is_other_push = reply->nodes[reply->value].kind == WF_RESP_PUSH;
    return is_other_push ? 0 : WEFT_EPROTOCOL;
}

static int take(struct wf_redis_sink *sink, const struct wf_resp_reply *reply)
{
    weft_redis_subscription *s = wf_container(sink, weft_redis_subscription, sink);
    s->references++;
    int err = take_value(s, reply);
    release(s);
    return err;
}

/* --- the beginning --- */

static uint32_t count_names(const char *const *names)
{
    uint32_t count = 0;
    while (names && names[count])
        count++;
    return count;
}

/* A command and its names as arguments. NULL: no memory. */
static weft_slice *list_words(weft_arena *arena, const char *command, const char *const *names,
                              uint32_t count)
{
    weft_slice *args = weft_arena_alloc(arena, (count + 1) * sizeof *args);
    if (!args)
        return NULL;
    args[0] = weft_redis_text(command);
    for (uint32_t i = 0; i < count; i++)
        args[i + 1] = weft_redis_text(names[i]);
    return args;
}

static int set_words(weft_redis_subscription *s, const char *const *channels,
                     const char *const *patterns)
{
    uint32_t by_name = count_names(channels), by_pattern = count_names(patterns);
    weft_slice *names = list_words(s->arena, "SUBSCRIBE", channels, by_name);
    weft_slice *globs = list_words(s->arena, "PSUBSCRIBE", patterns, by_pattern);
    if (!names || !globs)
        return -ENOMEM;
    size_t size = (by_name ? wf_resp_command_size(names, by_name + 1) : 0) +
                  (by_pattern ? wf_resp_command_size(globs, by_pattern + 1) : 0);
    char *words = weft_arena_alloc(s->arena, size), *out = words;
    if (!words)
        return -ENOMEM;
    if (by_name)
        out = wf_resp_command_write(out, names, by_name + 1);
    if (by_pattern)
        wf_resp_command_write(out, globs, by_pattern + 1);
    s->words = (weft_slice){ words, size };
    s->expected = by_name + by_pattern;
    return 0;
}

static int make(weft_redis_subscription **made, const struct weft_redis_subscribe_options *options)
{
    weft_arena *arena;
    int err = weft_arena_new(&arena, SIZE_MAX);
    if (err < 0)
        return err;
    weft_redis_subscription *s = weft_arena_alloc(arena, sizeof *s);
    if (s) {
        *s = (weft_redis_subscription){ .sink = { open_sink, take, end, false },
                                        .arena = arena,
                                        .references = 1,
                                        .full = options->full,
                                        .queue_max =
                                            options->queue_max ? options->queue_max : QUEUE_MAX };
        err = set_words(s, options->channels, options->patterns);
    }
    if (!s || err < 0) {
        weft_arena_free(arena);
        return -ENOMEM;
    }
    weft_event_init(&s->settled);
    weft_event_init(&s->news);
    weft_event_init(&s->room);
    weft_buffer_init(&s->queue, SIZE_MAX);
    *made = s;
    return 0;
}

static int begin(weft_redis_subscription *s)
{
    int err = wf_redis_client_borrow(s->redis, &s->connection);
    if (err == 0)
        err = wf_redis_connection_attach(s->connection, &s->sink);
    if (err == 0)
        err = weft_event_wait(&s->settled);
    return err < 0 ? err : s->error;
}

int weft_redis_subscribe_with(weft_redis_subscription **subscription,
                              const struct weft_redis_subscribe_options *given)
{
    struct weft_redis_subscribe_options options = { .redis = NULL };
    size_t size = given->size && given->size < sizeof options ? given->size : sizeof options;
    memcpy(&options, given, size);
    bool has_names = count_names(options.channels) + count_names(options.patterns) > 0;
    if (!options.redis || !has_names || options.full > WEFT_REDIS_FULL_NEWEST)
        return -EINVAL;
    weft_redis_subscription *s = NULL;
    int err = wf_redis_client_enter(options.redis);
    if (err == 0)
        err = make(&s, &options);
    if (err < 0)
        return err;
    s->redis = wf_redis_client_retain(options.redis);
    err = begin(s);
    if (err < 0)
        weft_redis_subscription_close(s);
    else
        *subscription = s;
    return err;
}

/* --- messages --- */

/* A text of the queue, for good. */
static const char *keep(weft_arena *arena, const char **from, uint32_t size)
{
    const char *text = weft_arena_copy(arena, *from, size);
    *from += size;
    return text;
}

static int give(weft_redis_subscription *s, weft_arena *arena, weft_redis_message *message)
{
    struct record head = first_head(s);
    weft_redis_message made = { .channel = NULL, .data = "" };
    if (head.channel_size != NONE) {
        const char *from = weft_buffer_data(&s->queue) + sizeof head;
        made.channel = keep(arena, &from, head.channel_size);
        made.channel_size = head.channel_size;
        made.pattern = head.pattern_size == NONE ? NULL : keep(arena, &from, head.pattern_size);
        made.data = keep(arena, &from, head.size);
        made.size = head.size;
        bool is_whole = made.channel && made.data && (made.pattern || head.pattern_size == NONE);
        if (!is_whole)
            return -ENOMEM;
    }
    made.dropped = s->dropped;
    s->dropped = 0;
    pop(s);
    *message = made;
    return 0;
}

int weft_redis_subscription_next(weft_redis_subscription *s, weft_arena *arena,
                                 weft_redis_message *message)
{
    if (s->is_taking)
        return -EBUSY;
    int err = 0;
    s->is_taking = true;
    do
        err = weft_event_wait(&s->news);
    while (err == 0 && weft_buffer_readable(&s->queue) == 0 && s->error == 0);
    s->is_taking = false;
    if (err < 0)
        return err;
    return weft_buffer_readable(&s->queue) > 0 ? give(s, arena, message) : s->error;
}

void weft_redis_subscription_close(weft_redis_subscription *s)
{
    if (!s)
        return;
    weft_redis *redis = s->redis;
    if (s->connection) {
        wf_redis_connection_detach(s->connection);
        wf_redis_client_give_back(redis, s->connection);
    }
    release(s);
    wf_redis_client_release(redis);
}
