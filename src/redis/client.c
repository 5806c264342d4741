/* Clients: their settings, and who has a connection alone.
 *
 *     borrow:     one that rests ──or── a new one, below lent_max ──or── the line
 *     give back:  to the first in line ──or── it rests
 *
 * A connection is lent as it stands: open from its last user, down, or still on its way to be down;
 * whoever has it next finds out by using it. */

#include "redis/client.h"

#include <errno.h>
#include <string.h>
#include <weft/error.h>

#define CONNECT_TIMEOUT (5 * WEFT_SECOND)
#define BACKOFF_LEAST   (10 * WEFT_MILLISECOND)
#define BACKOFF_MOST    (2 * WEFT_SECOND)
#define CONNECTIONS_MAX 256u
#define LENT_MAX        16u
#define LENT_LIMIT      65536u
#define IN_FLIGHT_MAX   16384u
#define IN_FLIGHT_LIMIT (1u << 24)
#define ORPHANS_MAX     1024u
#define REPLY_MAX       (64u << 20)
#define REPLY_LIMIT     (1u << 30)
#define REPLY_LEAST     1024u

struct waiter {
    struct wf_list link;                    /* in the line; alone: the waiting is over */
    struct wf_redis_connection *connection; /* that it was given; NULL: the client is closed */
    weft_event bell;
};

/* --- settings --- */

static uint32_t between(uint32_t value, uint32_t usual, uint32_t least, uint32_t most)
{
    uint32_t chosen = value ? value : usual;
    return chosen < least ? least : chosen < most ? chosen : most;
}

static int64_t duration(int64_t value, int64_t usual)
{
    return value > 0 ? value : usual;
}

static bool are_possible(const struct weft_redis_options *options)
{
    return (options->protocol == 0 || options->protocol == 2 || options->protocol == 3) &&
           options->offline <= WEFT_REDIS_OFFLINE_FAIL && options->connect_timeout >= 0 &&
           options->backoff_least >= 0 && options->backoff_most >= 0;
}

static int copy_text(weft_arena *arena, const char *text, const char **copy)
{
    if (!text)
        return 0;
    const char *copied = weft_arena_copy(arena, text, strlen(text));
    if (copied)
        *copy = copied;
    return copied ? 0 : -ENOMEM;
}

static int set_address(struct wf_redis_settings *settings, const struct weft_redis_options *options,
                       weft_arena *arena)
{
    struct wf_redis_address *address = &settings->address;
    int err = wf_redis_address_read(address, options->address, arena);
    if (err == 0)
        err = copy_text(arena, options->user, &address->user);
    if (err == 0)
        err = copy_text(arena, options->password, &address->password);
    if (err == 0)
        err = copy_text(arena, options->name, &settings->name);
    if (options->database > 0)
        address->database = options->database;
    bool has_half = err == 0 && address->user && !address->password;
    return has_half ? -EINVAL : err;
}

static int set_all(struct wf_redis_settings *settings, const struct weft_redis_options *options,
                   weft_arena *arena)
{
    settings->connect_timeout = duration(options->connect_timeout, CONNECT_TIMEOUT);
    settings->backoff_least = duration(options->backoff_least, BACKOFF_LEAST);
    settings->backoff_most = duration(options->backoff_most, BACKOFF_MOST);
    settings->in_flight_max = between(options->in_flight_max, IN_FLIGHT_MAX, 1, IN_FLIGHT_LIMIT);
    settings->orphans_max = between(options->orphans_max, ORPHANS_MAX, 1, IN_FLIGHT_LIMIT);
    settings->reply_max = between(options->reply_max, REPLY_MAX, REPLY_LEAST, REPLY_LIMIT);
    settings->protocol = options->protocol == 2 ? 2 : 3;
    settings->may_fall_back = options->protocol == 0;
    settings->fails_offline = options->offline == WEFT_REDIS_OFFLINE_FAIL;
    return set_address(settings, options, arena);
}

/* --- routing --- */

/* The connection that has least to do. */
static struct wf_redis_connection *route_by_load(weft_redis *redis,
                                                 const struct wf_redis_exchange *exchange)
{
    struct wf_redis_connection *best = &redis->shared[0];
    (void)exchange;
    for (uint32_t i = 1; i < redis->shared_count; i++)
        if (wf_redis_connection_load(&redis->shared[i]) < wf_redis_connection_load(best))
            best = &redis->shared[i];
    return best;
}

/* --- life --- */

static void destroy(weft_redis *redis)
{
    for (uint32_t i = 0; i < redis->shared_count; i++)
        wf_redis_connection_fini(&redis->shared[i]);
    for (uint32_t i = 0; i < redis->lent_count; i++)
        wf_redis_connection_fini(redis->lent[i]);
    weft_arena_free(redis->arena);
}

void wf_redis_client_release(weft_redis *redis)
{
    if (--redis->references == 0)
        destroy(redis);
}

int wf_redis_client_enter(const weft_redis *redis)
{
    if (!weft_task_self())
        return -EPERM;
    return weft_loop_current() == redis->loop ? 0 : WEFT_ETHREAD;
}

static int add_shared(weft_redis *redis, uint32_t count)
{
    redis->shared = weft_arena_alloc(redis->arena, count * sizeof *redis->shared);
    if (!redis->shared)
        return -ENOMEM;
    while (redis->shared_count < count) {
        int err = wf_redis_connection_init(&redis->shared[redis->shared_count], redis, false);
        if (err < 0)
            return err;
        redis->shared_count++;
    }
    return 0;
}

static int build(weft_redis *redis, const struct weft_redis_options *options)
{
    int err = set_all(&redis->settings, options, redis->arena);
    if (err < 0)
        return err;
    redis->lent_max = between(options->blocking_connections_max, LENT_MAX, 1, LENT_LIMIT);
    redis->lent = weft_arena_alloc(redis->arena, redis->lent_max * sizeof(void *));
    if (!redis->lent)
        return -ENOMEM;
    return add_shared(redis, between(options->connections, 1, 1, CONNECTIONS_MAX));
}

static weft_redis *make(uint64_t seed)
{
    weft_arena *arena;
    if (weft_arena_new(&arena, SIZE_MAX) < 0)
        return NULL;
    weft_redis *redis = weft_arena_alloc(arena, sizeof *redis);
    if (!redis) {
        weft_arena_free(arena);
        return NULL;
    }
    *redis = (weft_redis){
        .arena = arena, .loop = weft_loop_current(), .references = 1, .route = route_by_load
    };
    wf_list_init(&redis->resting);
    wf_list_init(&redis->line);
    wf_random_seed(&redis->dice, seed ? seed : wf_random_entropy());
    return redis;
}

int weft_redis_open_with(weft_redis **redis, const struct weft_redis_options *given)
{
    struct weft_redis_options options = { .address = NULL };
    size_t size = given->size && given->size < sizeof options ? given->size : sizeof options;
    memcpy(&options, given, size);
    if (!weft_loop_current())
        return -EPERM;
    if (!are_possible(&options))
        return -EINVAL;
    weft_redis *made = make(options.seed);
    if (!made)
        return -ENOMEM;
    int err = build(made, &options);
    if (err < 0)
        wf_redis_client_release(made);
    else
        *redis = made;
    return err;
}

static void dismiss(struct waiter *waiter)
{
    wf_list_remove_init(&waiter->link);
    weft_event_set(&waiter->bell);
}

static struct waiter *first_in_line(weft_redis *redis)
{
    struct wf_list *link = wf_list_first(&redis->line);
    return link ? wf_container(link, struct waiter, link) : NULL;
}

void weft_redis_close(weft_redis *redis)
{
    struct waiter *waiter;
    if (!redis)
        return;
    redis->closed = true;
    while ((waiter = first_in_line(redis)))
        dismiss(waiter);
    for (uint32_t i = 0; i < redis->shared_count; i++)
        wf_redis_connection_end(&redis->shared[i]);
    for (uint32_t i = 0; i < redis->lent_count; i++)
        wf_redis_connection_end(redis->lent[i]);
    wf_redis_client_release(redis);
}

/* --- connections for one --- */

static int add_lent(weft_redis *redis, struct wf_redis_connection **connection)
{
    struct wf_redis_connection *made = weft_arena_alloc(redis->arena, sizeof *made);
    int err = made ? wf_redis_connection_init(made, redis, true) : -ENOMEM;
    if (err < 0)
        return err;
    redis->lent[redis->lent_count++] = made;
    *connection = made;
    return 0;
}

/* A cancel that met the news leaves what was given to the next one. */
static int end_waiting(weft_redis *redis, struct waiter *waiter, int err,
                       struct wf_redis_connection **connection)
{
    if (!wf_list_is_empty(&waiter->link)) {
        wf_list_remove_init(&waiter->link);
        return err;
    }
    if (!waiter->connection)
        return -ESHUTDOWN;
    if (err < 0) {
        wf_redis_client_give_back(redis, waiter->connection);
        return err;
    }
    *connection = waiter->connection;
    return 0;
}

static int wait_in_line(weft_redis *redis, struct wf_redis_connection **connection)
{
    struct waiter waiter = { .connection = NULL };
    weft_event_init(&waiter.bell);
    wf_list_push_back(&redis->line, &waiter.link);
    int err = weft_event_wait(&waiter.bell);
    err = end_waiting(redis, &waiter, err, connection);
    weft_event_fini(&waiter.bell);
    return err;
}

int wf_redis_client_borrow(weft_redis *redis, struct wf_redis_connection **connection)
{
    if (redis->closed)
        return -ESHUTDOWN;
    struct wf_list *link = wf_list_pop_front(&redis->resting);
    if (!link)
        return redis->lent_count < redis->lent_max ? add_lent(redis, connection)
                                                   : wait_in_line(redis, connection);
    *connection = wf_container(link, struct wf_redis_connection, link);
    return 0;
}

void wf_redis_client_give_back(weft_redis *redis, struct wf_redis_connection *connection)
{
    struct waiter *next = first_in_line(redis);
    if (!next) {
        wf_list_push_front(&redis->resting, &connection->link);
        return;
    }
    next->connection = connection;
    dismiss(next);
}

/* --- numbers --- */

static void count(const struct wf_redis_connection *connection, weft_redis_stats *stats)
{
    stats->connected += connection->state == WF_REDIS_OPEN;
    stats->in_flight += connection->next - connection->first;
    stats->waiting += connection->queued;
    stats->orphans += connection->orphans;
}

void weft_redis_get_stats(const weft_redis *redis, weft_redis_stats *stats)
{
    *stats = redis->stats;
    for (uint32_t i = 0; i < redis->shared_count; i++)
        count(&redis->shared[i], stats);
    for (uint32_t i = 0; i < redis->lent_count; i++)
        count(redis->lent[i], stats);
}
