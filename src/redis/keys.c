#include "redis/keys.h"

#include "redis/blocked.h"

#include <weft/memory.h>

#include <errno.h>
#include <string.h>

static weft_slice name_of(const struct wf_redis_key *key)
{
    return (weft_slice){ key->name, key->size };
}

static struct wf_redis_key *find(weft_redis_server *server, weft_slice name, uint64_t hash)
{
    struct wf_redis_link *link = wf_redis_table_first(&server->keys, hash);
    for (; link; link = link->next) {
        struct wf_redis_key *key = wf_container(link, struct wf_redis_key, link);
        if (link->hash == hash && key->size == name.size &&
            memcmp(key->name, name.data, name.size) == 0)
            return key;
    }
    return NULL;
}

static struct wf_redis_key *add(weft_redis_server *server, weft_slice name, uint64_t hash)
{
    struct wf_redis_key *key = weft_alloc(sizeof *key + name.size);
    if (!key)
        return NULL;
    wf_list_init(&key->watches);
    wf_list_init(&key->waits);
    wf_list_init(&key->ready);
    key->size = (uint32_t)name.size;
    memcpy(key->name, name.data, name.size);
    key->link.hash = hash;
    if (wf_redis_table_add(&server->keys, &key->link) == 0)
        return key;
    weft_free(key);
    return NULL;
}

struct wf_redis_key *wf_redis_key_take(weft_redis_server *server, weft_slice name)
{
    uint64_t hash = wf_redis_table_hash(&server->keys, name);
    struct wf_redis_key *key = find(server, name, hash);
    if (!key)
        key = add(server, name, hash);
    if (key)
        key->users++;
    return key;
}

void wf_redis_key_give(weft_redis_server *server, struct wf_redis_key *key)
{
    if (--key->users > 0)
        return;
    wf_redis_table_remove(&server->keys, &key->link);
    wf_list_remove(&key->ready);
    weft_free(key);
}

/* --- watching --- */

/* Looks at the shorter one of the client's keys and the key's clients. */
static bool watches(const struct wf_redis_peer *peer, const struct wf_redis_key *key)
{
    const struct wf_list *mine = peer->watches.next, *its = key->watches.next;
    for (; mine != &peer->watches && its != &key->watches; mine = mine->next, its = its->next)
        if (wf_container(mine, struct wf_redis_watch, of_peer)->key == key ||
            wf_container(its, struct wf_redis_watch, of_key)->peer == peer)
            return true;
    return false;
}

int wf_redis_watch(struct wf_redis_peer *peer, weft_slice name)
{
    weft_redis_server *server = peer->request.server;
    struct wf_redis_key *key = wf_redis_key_take(server, name);
    bool is_watched = key && watches(peer, key);
    struct wf_redis_watch *watch = key && !is_watched ? weft_alloc(sizeof *watch) : NULL;
    if (!watch) {
        if (key)
            wf_redis_key_give(server, key);
        return is_watched ? 0 : -ENOMEM;
    }
    watch->key = key;
    watch->peer = peer;
    wf_list_push_back(&key->watches, &watch->of_key);
    wf_list_push_back(&peer->watches, &watch->of_peer);
    return 0;
}

void wf_redis_unwatch(struct wf_redis_peer *peer)
{
    struct wf_list *link;
    while ((link = wf_list_pop_front(&peer->watches))) {
        struct wf_redis_watch *watch = wf_container(link, struct wf_redis_watch, of_peer);
        wf_list_remove(&watch->of_key);
        wf_redis_key_give(peer->request.server, watch->key);
        weft_free(watch);
    }
    peer->flags &= (uint16_t)~WF_REDIS_PEER_DIRTY;
}

bool wf_redis_watched_changed(struct wf_redis_peer *peer)
{
    const weft_redis_serve_options *options = &peer->request.server->options;
    WF_LIST_EACH(link, &peer->watches)
        if (options->has_key) /* one that has expired is touched by being asked for */
            options->has_key(name_of(wf_container(link, struct wf_redis_watch, of_peer)->key),
                             options->app);
    return peer->flags & WF_REDIS_PEER_DIRTY;
}

/* --- touching --- */

static void serve_later(void *arg)
{
    weft_redis_server *server = arg;
    server->serving = (weft_handle){ 0 };
    wf_redis_keys_serve(server);
}

static void touch(weft_redis_server *server, struct wf_redis_key *key)
{
    WF_LIST_EACH(link, &key->watches)
        wf_container(link, struct wf_redis_watch, of_key)->peer->flags |= WF_REDIS_PEER_DIRTY;
    if (wf_list_is_empty(&key->waits) || !wf_list_is_empty(&key->ready))
        return;
    wf_list_push_back(&server->ready, &key->ready);
    if (!server->serving.id) /* unless it was by a command, which serves them when it is done */
        server->serving = weft_call_soon(serve_later, server, .no_locals = true);
}

void weft_redis_touch(weft_redis_server *server, weft_slice name)
{
    if (server->keys.count == 0)
        return;
    struct wf_redis_key *key = find(server, name, wf_redis_table_hash(&server->keys, name));
    if (key)
        touch(server, key);
}

void weft_redis_touch_all(weft_redis_server *server)
{
    struct wf_redis_link *link = NULL;
    while (server->keys.count > 0 && (link = wf_redis_table_next(&server->keys, link)))
        touch(server, wf_container(link, struct wf_redis_key, link));
}

/* --- who waits --- */

static bool has_something(const weft_redis_server *server, const struct wf_redis_key *key)
{
    const weft_redis_serve_options *options = &server->options;
    return !options->has_key || options->has_key(name_of(key), options->app);
}

/* Each who waits now, in turn: who comes meanwhile, or still waits, is behind them. */
static void serve_key(weft_redis_server *server, struct wf_redis_key *key)
{
    struct wf_list *link = key->waits.next, *last = key->waits.previous;
    bool is_last = wf_list_is_empty(&key->waits);
    while (!is_last && has_something(server, key)) {
        struct wf_list *next = link->next;
        is_last = link == last;
        wf_redis_blocked_try(wf_container(link, struct wf_redis_wait, of_key)->blocked);
        link = next;
    }
}

void wf_redis_keys_serve(weft_redis_server *server)
{
    struct wf_list *link;
    if (server->serving_ready)
        return;
    server->serving_ready = true;
    while ((link = wf_list_pop_front(&server->ready))) {
        struct wf_redis_key *key = wf_container(link, struct wf_redis_key, ready);
        wf_list_init(&key->ready);
        key->users++;
        serve_key(server, key);
        wf_redis_key_give(server, key);
    }
    server->serving_ready = false;
}
