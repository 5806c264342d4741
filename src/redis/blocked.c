/* A client that waits is parked like any other: what it has asked for is copied, and whoever has
 * something for it writes the reply into its stream.
 *
 *     weft_redis_block() ──> BLOCKED ──a key is touched──> tried ──it asks again──> BLOCKED
 *                               │                            └──a reply──> unblocked
 *                               └──time, CLIENT UNBLOCK, gone──> unblocked
 *
 * Bytes that come meanwhile give it a task, which reads on and executes nothing. */

#include "redis/blocked.h"

#include "redis/execute.h"
#include "redis/keys.h"

#include <weft/memory.h>

#include <errno.h>
#include <string.h>

/* --- the copy --- */

static struct wf_redis_blocked *make(struct wf_redis_peer *peer, size_t keys)
{
    const weft_redis_request *request = &peer->request;
    struct wf_redis_blocked *blocked;
    size_t size = sizeof *blocked + keys * sizeof blocked->waits[0];
    size_t args = size;
    size += request->count * sizeof(weft_slice);
    for (size_t i = 0; i < request->count; i++)
        size += request->args[i].size;
    blocked = weft_alloc(size);
    if (!blocked)
        return NULL;
    blocked->args = (weft_slice *)(void *)((char *)blocked + args);
    char *at = (char *)(blocked->args + request->count);
    for (size_t i = 0; i < request->count; i++) {
        blocked->args[i] = (weft_slice){ at, request->args[i].size };
        memcpy(at, request->args[i].data, request->args[i].size);
        at += request->args[i].size;
    }
    blocked->count = request->count;
    blocked->peer = peer;
    blocked->entry = peer->last;
    return blocked;
}

static void give_keys(weft_redis_server *server, struct wf_redis_blocked *blocked)
{
    for (uint32_t i = 0; i < blocked->wait_count; i++) {
        wf_list_remove(&blocked->waits[i].of_key);
        wf_redis_key_give(server, blocked->waits[i].key);
    }
}

/* While nobody else comes to wait it is the key's last one. */
static bool waits_for(const struct wf_redis_blocked *blocked, const struct wf_redis_key *key)
{
    const struct wf_list *last = key->waits.previous;
    return last != &key->waits &&
           wf_container(last, struct wf_redis_wait, of_key)->blocked == blocked;
}

/* The same key twice is one. */
static int take_keys(weft_redis_server *server, struct wf_redis_blocked *blocked,
                     const weft_slice *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct wf_redis_wait *wait = &blocked->waits[blocked->wait_count];
        struct wf_redis_key *key = wf_redis_key_take(server, keys[i]);
        if (!key)
            return -ENOMEM;
        if (waits_for(blocked, key)) {
            wf_redis_key_give(server, key);
            continue;
        }
        *wait = (struct wf_redis_wait){ .key = key, .blocked = blocked };
        wf_list_push_back(&key->waits, &wait->of_key);
        blocked->wait_count++;
    }
    return 0;
}

/* --- its life --- */

static void end(struct wf_redis_blocked *blocked)
{
    struct wf_redis_peer *peer = blocked->peer;
    give_keys(peer->request.server, blocked);
    weft_handle_cancel(blocked->timer);
    peer->request.server->blocked_count--;
    peer->blocked = NULL;
    weft_free(blocked);
}

void wf_redis_unblock(struct wf_redis_peer *peer)
{
    if (peer->blocked)
        end(peer->blocked);
}

static void time_over(void *arg)
{
    struct wf_redis_blocked *blocked = arg;
    blocked->timer = (weft_handle){ 0 };
    wf_redis_blocked_end(blocked->peer, NULL);
}

static int begin(struct wf_redis_peer *peer, const weft_slice *keys, size_t count, int64_t timeout,
                 weft_redis_handler *timed_out)
{
    weft_redis_server *server = peer->request.server;
    struct wf_redis_blocked *blocked = make(peer, count);
    if (!blocked)
        return -ENOMEM;
    blocked->timed_out = timed_out;
    int err = take_keys(server, blocked, keys, count);
    if (err == 0 && timeout > 0 && timeout != WEFT_FOREVER) {
        blocked->timer = weft_call_later(timeout, time_over, blocked, .no_locals = true);
        err = blocked->timer.id ? 0 : -ENOMEM;
    }
    if (err < 0) {
        give_keys(server, blocked);
        weft_free(blocked);
        return err;
    }
    server->blocked_count++;
    peer->blocked = blocked;
    return 0;
}

int weft_redis_block(weft_redis_request *request, const weft_slice *keys, size_t count,
                     int64_t timeout, weft_redis_handler *timed_out)
{
    struct wf_redis_peer *peer = wf_redis_peer_of(request);
    if (!(peer->last->command->flags & WEFT_REDIS_BLOCKS))
        return -EPERM;
    if (request->in_transaction)
        return timed_out(request, request->server->options.app);
    if (!peer->blocked)
        return begin(peer, keys, count, timeout, timed_out);
    peer->blocked->still = true;
    return 0;
}

/* --- replies to who has waited --- */

/* What a handler runs with in the place of its client's task, which may be sending just now. */
struct stand_in {
    struct wf_redis_work *work;
    struct wf_redis_work *own; /* the task's; NULL: there is none */
};

static bool enter(struct wf_redis_peer *peer, struct stand_in *stand_in)
{
    const struct wf_redis_blocked *blocked = peer->blocked;
    stand_in->work = wf_redis_work_take(peer->request.server);
    if (!stand_in->work)
        return false;
    stand_in->own = peer->work;
    peer->work = stand_in->work;
    wf_redis_work_begin(peer->work);
    peer->request.args = blocked->args;
    peer->request.count = blocked->count;
    peer->request.again = true;
    return true;
}

/* Send what was replied. Who has failed meanwhile had a work, and so was not closed if it is
 * parked. */
static void leave(struct wf_redis_peer *peer, struct stand_in *stand_in)
{
    weft_buffer *out = &stand_in->work->out;
    size_t size = weft_buffer_readable(out);
    peer->work = stand_in->own;
    peer->request.again = false;
    if (size > 0)
        wf_redis_peer_push(peer, weft_buffer_data(out), size);
    wf_redis_work_give(peer->request.server, stand_in->work);
    if (peer->closing && !peer->work)
        weft_park_close(peer->stream);
    else if (!peer->blocked)
        wf_redis_peer_wake(peer);
}

void wf_redis_blocked_try(struct wf_redis_blocked *blocked)
{
    struct wf_redis_peer *peer = blocked->peer;
    struct stand_in stand_in;
    if (peer->closing || !enter(peer, &stand_in))
        return;
    blocked->still = false;
    wf_redis_call(peer, blocked->entry);
    if (!blocked->still)
        end(blocked);
    leave(peer, &stand_in);
}

void wf_redis_blocked_end(struct wf_redis_peer *peer, const char *why)
{
    struct stand_in stand_in;
    if (peer->closing)
        return;
    if (!enter(peer, &stand_in)) {
        wf_redis_peer_close(peer);
        return;
    }
    if (why)
        weft_redis_reply_error(&peer->request, "%s", why);
    else
        peer->blocked->timed_out(&peer->request, peer->request.server->options.app);
    end(peer->blocked);
    leave(peer, &stand_in);
}
