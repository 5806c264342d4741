/* A message is written once, and sent to each subscriber as it is: the versions of the protocol
 * differ in its first byte. Who does not read is closed by its limits, and holds up nobody. */

#include "redis/channel.h"

#include "redis/own.h"

#include <weft/memory.h>

#include <errno.h>
#include <string.h>

/* --- channels --- */

static bool has_name(const struct wf_redis_channel *channel, weft_slice name)
{
    return channel->size == name.size && memcmp(channel->name, name.data, name.size) == 0;
}

static struct wf_redis_table *table_of(weft_redis_server *server, bool is_pattern)
{
    return is_pattern ? &server->pattern_names : &server->channels;
}

static struct wf_redis_channel *find_channel(weft_redis_server *server, weft_slice name,
                                             bool is_pattern)
{
    const struct wf_redis_table *table = table_of(server, is_pattern);
    uint64_t hash = wf_redis_table_hash(table, name);
    struct wf_redis_link *link = wf_redis_table_first(table, hash);
    for (; link; link = link->next) {
        struct wf_redis_channel *channel = wf_container(link, struct wf_redis_channel, link);
        if (link->hash == hash && has_name(channel, name))
            return channel;
    }
    return NULL;
}

static struct wf_redis_channel *add(weft_redis_server *server, weft_slice name, bool is_pattern)
{
    struct wf_redis_channel *channel = weft_alloc(sizeof *channel + name.size);
    if (!channel)
        return NULL;
    wf_list_init(&channel->subscriptions);
    channel->is_pattern = is_pattern;
    channel->size = (uint32_t)name.size;
    memcpy(channel->name, name.data, name.size);
    struct wf_redis_table *table = table_of(server, is_pattern);
    channel->link.hash = wf_redis_table_hash(table, name);
    if (wf_redis_table_add(table, &channel->link) < 0) {
        weft_free(channel);
        return NULL;
    }
    if (is_pattern)
        wf_list_push_back(&server->patterns, &channel->among);
    return channel;
}

static void drop_if_unused(weft_redis_server *server, struct wf_redis_channel *channel)
{
    if (channel->count > 0 || channel->users > 0)
        return;
    if (channel->is_pattern)
        wf_list_remove(&channel->among);
    wf_redis_table_remove(table_of(server, channel->is_pattern), &channel->link);
    weft_free(channel);
}

/* --- subscriptions --- */

static struct wf_redis_subscriber *subscriber_of(struct wf_redis_peer *peer)
{
    struct wf_redis_subscriber *subscriber = peer->subscriber;
    if (subscriber)
        return subscriber;
    subscriber = weft_alloc(sizeof *subscriber);
    if (!subscriber)
        return NULL;
    wf_list_init(&subscriber->channels);
    wf_list_init(&subscriber->patterns);
    peer->subscriber = subscriber;
    return subscriber;
}

static void drop_if_idle(struct wf_redis_peer *peer)
{
    struct wf_redis_subscriber *subscriber = peer->subscriber;
    if (!subscriber || subscriber->channel_count + subscriber->pattern_count > 0)
        return;
    weft_free(subscriber);
    peer->subscriber = NULL;
}

static struct wf_list *list_of(struct wf_redis_subscriber *subscriber, bool is_pattern)
{
    return is_pattern ? &subscriber->patterns : &subscriber->channels;
}

static uint32_t *count_of(struct wf_redis_subscriber *subscriber, bool is_pattern)
{
    return is_pattern ? &subscriber->pattern_count : &subscriber->channel_count;
}

/* Looks at the shorter one of the channel's subscribers and the client's channels. */
static struct wf_redis_subscription *find(struct wf_redis_peer *peer,
                                          struct wf_redis_channel *channel)
{
    struct wf_redis_subscriber *subscriber = peer->subscriber;
    if (!subscriber || !channel)
        return NULL;
    if (channel->count < *count_of(subscriber, channel->is_pattern)) {
        WF_LIST_EACH(link, &channel->subscriptions) {
            struct wf_redis_subscription *s =
                wf_container(link, struct wf_redis_subscription, of_channel);
            if (s->peer == peer)
                return s;
        }
        return NULL;
    }
    WF_LIST_EACH(link, list_of(subscriber, channel->is_pattern)) {
        struct wf_redis_subscription *s = wf_container(link, struct wf_redis_subscription, of_peer);
        if (s->channel == channel)
            return s;
    }
    return NULL;
}

static int subscribe_to(struct wf_redis_peer *peer, struct wf_redis_channel *channel)
{
    struct wf_redis_subscriber *subscriber = subscriber_of(peer);
    struct wf_redis_subscription *s = subscriber ? weft_alloc(sizeof *s) : NULL;
    if (!s)
        return -ENOMEM;
    s->channel = channel;
    s->peer = peer;
    wf_list_push_back(&channel->subscriptions, &s->of_channel);
    wf_list_push_back(list_of(subscriber, channel->is_pattern), &s->of_peer);
    channel->count++;
    ++*count_of(subscriber, channel->is_pattern);
    return 0;
}

static int subscribe(struct wf_redis_peer *peer, weft_slice name, bool is_pattern)
{
    weft_redis_server *server = peer->request.server;
    struct wf_redis_channel *channel = find_channel(server, name, is_pattern);
    if (find(peer, channel))
        return 0;
    if (!channel)
        channel = add(server, name, is_pattern);
    int err = channel ? subscribe_to(peer, channel) : -ENOMEM;
    if (err < 0 && channel)
        drop_if_unused(server, channel);
    drop_if_idle(peer);
    return err;
}

static void end(struct wf_redis_subscription *s)
{
    struct wf_redis_peer *peer = s->peer;
    struct wf_redis_channel *channel = s->channel;
    wf_list_remove(&s->of_channel);
    wf_list_remove(&s->of_peer);
    channel->count--;
    --*count_of(peer->subscriber, channel->is_pattern);
    drop_if_unused(peer->request.server, channel);
    weft_free(s);
}

static void end_all(struct wf_list *list)
{
    while (!wf_list_is_empty(list))
        end(wf_container(list->next, struct wf_redis_subscription, of_peer));
}

void wf_redis_unsubscribe_all(struct wf_redis_peer *peer)
{
    if (!peer->subscriber)
        return;
    end_all(&peer->subscriber->channels);
    end_all(&peer->subscriber->patterns);
    drop_if_idle(peer);
}

/* --- messages --- */

static char *reserve(struct wf_redis_work *work, size_t size)
{
    char *space;
    weft_buffer_consume(&work->out, weft_buffer_readable(&work->out));
    return weft_buffer_reserve(&work->out, size, &space) == 0 ? space : NULL;
}

static void send_to_all(struct wf_redis_channel *channel, char *message, size_t size, size_t *count)
{
    WF_LIST_EACH(link, &channel->subscriptions) {
        struct wf_redis_peer *peer =
            wf_container(link, struct wf_redis_subscription, of_channel)->peer;
        *message = (char)(peer->request.version < 3 ? WF_RESP_ARRAY : WF_RESP_PUSH);
        wf_redis_peer_push(peer, message, size);
        ++*count;
    }
}

/* A message that cannot be written is missed by nobody who does not know: they are closed. */
static void fail_all(struct wf_redis_channel *channel)
{
    WF_LIST_EACH(link, &channel->subscriptions)
        wf_redis_peer_fail(wf_container(link, struct wf_redis_subscription, of_channel)->peer,
                           -ENOMEM);
}

/* A message of a channel, or, by a pattern, of a channel that matches it. Without memory `work` is
 * NULL. */
static void publish_by(weft_redis_server *server, struct wf_redis_work *work,
                       struct wf_redis_channel *by, weft_slice channel, weft_slice message,
                       size_t *count)
{
    size_t size = by->size + channel.size + message.size + 5 * (WF_RESP_HEAD_MAX + 2) + 8;
    char *begin = work ? reserve(work, size) : NULL, *at = begin;
    if (!begin) {
        fail_all(by);
        return;
    }
    at = wf_resp_write_head(at, WF_RESP_PUSH, by->is_pattern ? 4 : 3);
    at = by->is_pattern ? wf_resp_write_string(at, "pmessage", 8)
                        : wf_resp_write_string(at, "message", 7);
    if (by->is_pattern)
        at = wf_resp_write_string(at, by->name, by->size);
    at = wf_resp_write_string(at, channel.data, channel.size);
    at = wf_resp_write_string(at, message.data, message.size);
    by->users++;
    send_to_all(by, begin, (size_t)(at - begin), count);
    by->users--;
    drop_if_unused(server, by);
}

size_t weft_redis_publish(weft_redis_server *server, weft_slice channel, weft_slice message)
{
    size_t count = 0;
    struct wf_redis_channel *found = find_channel(server, channel, false);
    if (!found && wf_list_is_empty(&server->patterns))
        return 0;
    struct wf_redis_work *work = wf_redis_work_take(server);
    if (work)
        work->out.limit = SIZE_MAX; /* that of replies; for messages each client has its own */
    if (found)
        publish_by(server, work, found, channel, message, &count);
    WF_LIST_EACH_SAFE(link, &server->patterns) {
        struct wf_redis_channel *pattern = wf_container(link, struct wf_redis_channel, among);
        if (weft_redis_match((weft_slice){ pattern->name, pattern->size }, channel))
            publish_by(server, work, pattern, channel, message, &count);
    }
    wf_redis_work_give(server, work);
    return count;
}

/* --- the commands --- */

/* Pushes, although they are the reply. */
static int say(weft_redis_request *request, const char *what, const weft_slice *name)
{
    const struct wf_redis_subscriber *subscriber = wf_redis_peer_of(request)->subscriber;
    weft_buffer *out = &wf_redis_peer_of(request)->work->out;
    char *space;
    int err = weft_buffer_reserve(out, WF_RESP_HEAD_MAX, &space);
    if (err < 0) {
        wf_redis_peer_fail(wf_redis_peer_of(request), err);
        return err;
    }
    char *end_of_head = wf_resp_write_aggregate(space, WF_RESP_PUSH, 3, request->version);
    weft_buffer_commit(out, (size_t)(end_of_head - space));
    weft_redis_reply_string(request, what, strlen(what));
    if (name)
        weft_redis_reply_string(request, name->data, name->size);
    else
        weft_redis_reply_null(request);
    return weft_redis_reply_integer(
        request, subscriber ? subscriber->channel_count + subscriber->pattern_count : 0);
}

static int subscribe_many(weft_redis_request *request, bool is_pattern)
{
    struct wf_redis_peer *peer = wf_redis_peer_of(request);
    for (size_t i = 1; i < request->count; i++) {
        int err = subscribe(peer, request->args[i], is_pattern);
        if (err == 0)
            err = say(request, is_pattern ? "psubscribe" : "subscribe", &request->args[i]);
        if (err < 0 && i > 1) /* some are answered, and no error can take the place of the others */
            wf_redis_peer_fail(peer, err);
        if (err < 0)
            return err;
    }
    return 0;
}

static int unsubscribe_one(weft_redis_request *request, weft_slice name, bool is_pattern)
{
    struct wf_redis_peer *peer = wf_redis_peer_of(request);
    struct wf_redis_channel *channel = find_channel(request->server, name, is_pattern);
    struct wf_redis_subscription *s = find(peer, channel);
    if (s)
        end(s);
    return say(request, is_pattern ? "punsubscribe" : "unsubscribe", &name);
}

/* Each is said, and then gone. */
static int unsubscribe_all(weft_redis_request *request, bool is_pattern)
{
    struct wf_redis_peer *peer = wf_redis_peer_of(request);
    struct wf_list *list = peer->subscriber ? list_of(peer->subscriber, is_pattern) : NULL;
    if (!list || wf_list_is_empty(list))
        return say(request, is_pattern ? "punsubscribe" : "unsubscribe", NULL);
    int err = 0;
    while (err == 0 && !wf_list_is_empty(list)) {
        struct wf_redis_subscription *s =
            wf_container(list->next, struct wf_redis_subscription, of_peer);
        s->channel->users++;
        struct wf_redis_channel *channel = s->channel;
        end(s);
        weft_slice name = { channel->name, channel->size };
        err = say(request, is_pattern ? "punsubscribe" : "unsubscribe", &name);
        channel->users--;
        drop_if_unused(request->server, channel);
    }
    return err;
}

static int unsubscribe_many(weft_redis_request *request, bool is_pattern)
{
    int err = request->count > 1 ? 0 : unsubscribe_all(request, is_pattern);
    for (size_t i = 1; err == 0 && i < request->count; i++)
        err = unsubscribe_one(request, request->args[i], is_pattern);
    drop_if_idle(wf_redis_peer_of(request));
    return err;
}

int wf_redis_subscribe(weft_redis_request *request, void *app)
{
    (void)app;
    return subscribe_many(request, false);
}

int wf_redis_psubscribe(weft_redis_request *request, void *app)
{
    (void)app;
    return subscribe_many(request, true);
}

int wf_redis_unsubscribe(weft_redis_request *request, void *app)
{
    (void)app;
    return unsubscribe_many(request, false);
}

int wf_redis_punsubscribe(weft_redis_request *request, void *app)
{
    (void)app;
    return unsubscribe_many(request, true);
}

int wf_redis_publish_command(weft_redis_request *request, void *app)
{
    (void)app;
    size_t count = weft_redis_publish(request->server, request->args[1], request->args[2]);
    return weft_redis_reply_integer(request, (int64_t)count);
}

static int list_channels(weft_redis_request *request)
{
    weft_redis_mark mark = weft_redis_reply_defer(request);
    struct wf_redis_link *link = NULL;
    size_t count = 0;
    while ((link = wf_redis_table_next(&request->server->channels, link))) {
        struct wf_redis_channel *channel = wf_container(link, struct wf_redis_channel, link);
        weft_slice name = { channel->name, channel->size };
        if (channel->count == 0 ||
            (request->count > 2 && !weft_redis_match(request->args[2], name)))
            continue;
        weft_redis_reply_string(request, name.data, name.size);
        count++;
    }
    return weft_redis_reply_array_deferred(request, mark, count);
}

static int count_subscribers(weft_redis_request *request)
{
    weft_redis_reply_map(request, request->count - 2);
    for (size_t i = 2; i < request->count; i++) {
        struct wf_redis_channel *channel = find_channel(request->server, request->args[i], false);
        weft_redis_reply_string(request, request->args[i].data, request->args[i].size);
        weft_redis_reply_integer(request, channel ? channel->count : 0);
    }
    return 0;
}

int wf_redis_pubsub(weft_redis_request *request, void *app)
{
    weft_slice what = request->args[1];
    (void)app;
    if (weft_redis_is(what, "channels") && request->count <= 3)
        return list_channels(request);
    if (weft_redis_is(what, "numsub"))
        return count_subscribers(request);
    if (weft_redis_is(what, "numpat") && request->count == 2)
        return weft_redis_reply_integer(request, (int64_t)request->server->pattern_names.count);
    return wf_redis_reply_unknown_subcommand(request);
}
