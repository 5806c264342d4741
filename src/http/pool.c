/* Places, and lines before them.
 *
 *     FREE ──enter──> BUSY ──leave, kept──> IDLE ──too old, too many, another host's turn──> FREE
 *       ↑              │ ↑                   │
 *       └──leave───────┘ └───────enter───────┘
 *
 * An idle connection is looked at when it is taken: one on which anything has come, the end above
 * all, is dead, and its place goes on with a new one. Entries for places and hosts go back to free
 * lists, so that memory is asked for only while the pool grows. Nothing here is a walk over hosts,
 * places or waiters.
 *
 * A host's line forms where it has all its places, or where the pool has and none is idle. A place
 * that is left goes straight to a waiter: to the first of its own host's line, or of the first
 * hungry host's, whichever came first. A hungry host has not all its places; served, it becomes the
 * last of the hungry, so each has its turn however long another's line is.
 *
 *     a host with a line has no idle place
 *     it has all its places, or it is hungry; a host without a line never is
 *     while a host is hungry the pool has all its places, and none is idle
 *
 * Who waits does so at an event of its own, which whoever has news sets. */

#include "http/pool.h"

#include <errno.h>
#include <string.h>
#include <weft/event.h>

struct wf_http_host {
    struct wf_http_entry entry; /* in the pool's hosts */
    struct wf_list link;        /* free */
    struct wf_list idle;        /* places, newest first */
    struct wf_list line;        /* struct waiter */
    struct wf_list turn;        /* in the pool's hungry, or alone */
    uint32_t idle_count;
    uint32_t place_count; /* idle and busy */
    char address[WF_HTTP_ADDRESS_MAX + 1];
};

struct waiter {
    struct wf_list link; /* in its host's line */
    struct wf_list all;  /* in the pool's; alone: the waiting is over */
    struct wf_http_host *host;
    uint64_t ticket;             /* lower: came earlier */
    struct wf_http_place *place; /* what it was given */
    weft_event bell;             /* the waiting is over */
};

void wf_http_pool_init(struct wf_http_pool *pool, weft_arena *arena)
{
    *pool = (struct wf_http_pool){ .arena = arena };
    wf_list_init(&pool->ages);
    wf_list_init(&pool->line);
    wf_list_init(&pool->hungry);
    wf_list_init(&pool->no_hosts);
    wf_list_init(&pool->no_places);
}

/* --- hosts --- */

static struct wf_http_host *find_host(struct wf_http_pool *pool, const char *address, uint32_t hash)
{
    WF_HTTP_TABLE_EACH(entry, &pool->hosts, hash) {
        struct wf_http_host *host = wf_container(entry, struct wf_http_host, entry);
        if (entry->hash == hash && strcmp(host->address, address) == 0)
            return host;
    }
    return NULL;
}

static struct wf_http_host *add_host(struct wf_http_pool *pool, const char *address, uint32_t hash)
{
    struct wf_list *link = wf_list_pop_front(&pool->no_hosts);
    struct wf_http_host *host = link ? wf_container(link, struct wf_http_host, link)
                                     : weft_arena_alloc(pool->arena, sizeof *host);
    if (!host)
        return NULL;
    wf_list_init(&host->idle);
    wf_list_init(&host->line);
    wf_list_init(&host->turn);
    host->idle_count = host->place_count = 0;
    memcpy(host->address, address, strlen(address) + 1);
    wf_http_table_add(&pool->hosts, &host->entry, hash);
    pool->host_count++;
    return host;
}

static struct wf_http_host *host_of(struct wf_http_pool *pool, const char *address)
{
    uint32_t hash = wf_http_hash(address);
    struct wf_http_host *host = find_host(pool, address, hash);
    return host ? host : add_host(pool, address, hash);
}

/* After its places or its line have changed: whether it is hungry, and whether it is needed. */
static void settle(struct wf_http_pool *pool, struct wf_http_host *host)
{
    bool waits = !wf_list_is_empty(&host->line);
    bool is_hungry = waits && host->place_count < pool->host_place_max;
    if (!is_hungry)
        wf_list_remove_init(&host->turn);
    else if (wf_list_is_empty(&host->turn))
        wf_list_push_back(&pool->hungry, &host->turn);
    if (!waits && host->place_count == 0) {
        wf_http_table_remove(&pool->hosts, &host->entry);
        wf_list_push_front(&pool->no_hosts, &host->link);
        pool->host_count--;
    }
}

/* --- places --- */

static struct wf_http_place *add_place(struct wf_http_pool *pool, struct wf_http_host *host)
{
    struct wf_list *link = wf_list_pop_front(&pool->no_places);
    struct wf_http_place *place = link ? wf_container(link, struct wf_http_place, link)
                                       : weft_arena_alloc(pool->arena, sizeof *place);
    if (!place)
        return NULL;
    place->host = host;
    place->stream = NULL;
    host->place_count++;
    pool->place_count++;
    return place;
}

static void drop_place(struct wf_http_pool *pool, struct wf_http_place *place)
{
    struct wf_http_host *host = place->host;
    wf_list_push_front(&pool->no_places, &place->link);
    host->place_count--;
    pool->place_count--;
    settle(pool, host);
}

static void move_place(struct wf_http_pool *pool, struct wf_http_place *place,
                       struct wf_http_host *host)
{
    struct wf_http_host *from = place->host;
    place->host = host;
    host->place_count++;
    from->place_count--;
    settle(pool, from);
}

static void disconnect(struct wf_http_place *place)
{
    weft_close(place->stream);
    place->stream = NULL;
}

/* --- idle ones --- */

static struct wf_http_place *oldest(struct wf_http_pool *pool)
{
    struct wf_list *age = wf_list_first(&pool->ages);
    return age ? wf_container(age, struct wf_http_place, age) : NULL;
}

static struct wf_http_place *wake(struct wf_http_pool *pool, struct wf_http_place *place)
{
    wf_list_unlink(&place->age);
    wf_list_unlink(&place->link);
    place->host->idle_count--;
    pool->idle_count--;
    return place;
}

static void drop_idle(struct wf_http_pool *pool, struct wf_http_place *place)
{
    disconnect(wake(pool, place));
    drop_place(pool, place);
}

static void arm(struct wf_http_pool *pool);

static void expire(void *arg)
{
    struct wf_http_pool *pool = arg;
    struct wf_http_place *place;
    int64_t now = weft_now();
    pool->expiry.id = 0;
    while ((place = oldest(pool)) && place->until <= now)
        drop_idle(pool, place);
    arm(pool);
}

static void arm(struct wf_http_pool *pool)
{
    struct wf_http_place *place = oldest(pool);
    if (place && !pool->expiry.id)
        pool->expiry = weft_call_at(place->until, expire, pool, .no_locals = true);
}

/* Close the coldest connection of a full host, or of a full pool. */
static void make_room(struct wf_http_pool *pool, struct wf_http_host *host)
{
    if (host->idle_count >= pool->host_idle_max)
        drop_idle(pool, wf_container(wf_list_last(&host->idle), struct wf_http_place, link));
    else if (pool->idle_count >= pool->idle_max)
        drop_idle(pool, oldest(pool));
}

static void rest(struct wf_http_pool *pool, struct wf_http_place *place)
{
    struct wf_http_host *host = place->host;
    make_room(pool, host);
    place->until = weft_deadline(pool->idle_timeout);
    wf_list_push_front(&host->idle, &place->link);
    wf_list_push_back(&pool->ages, &place->age);
    host->idle_count++;
    pool->idle_count++;
    arm(pool);
}

/* Nothing may come while nothing was asked: bytes are as bad as the end. */
static bool is_alive(weft_stream *stream)
{
    char byte;
    return weft_read_try(stream, &byte, 1) == -EAGAIN;
}

/* The newest that is alive; else a place of those that were not, or NULL when none was idle. */
static struct wf_http_place *take_idle(struct wf_http_pool *pool, struct wf_http_host *host)
{
    struct wf_http_place *place = NULL;
    struct wf_list *link;
    while ((link = wf_list_first(&host->idle))) {
        if (place)
            drop_place(pool, place);
        place = wake(pool, wf_container(link, struct wf_http_place, link));
        if (place->until > weft_now() && is_alive(place->stream))
            break;
        disconnect(place);
    }
    return place;
}

/* --- in line --- */

static struct waiter *first_in(const struct wf_list *line)
{
    struct wf_list *link = wf_list_first(line);
    return link ? wf_container(link, struct waiter, link) : NULL;
}

/* Who gets a place that was this host's. */
static struct waiter *next_in_line(struct wf_http_pool *pool, struct wf_http_host *host)
{
    struct waiter *own = first_in(&host->line), *other = NULL;
    struct wf_list *turn = wf_list_first(&pool->hungry);
    if (turn)
        other = first_in(&wf_container(turn, struct wf_http_host, turn)->line);
    return !own || (other && other->ticket < own->ticket) ? other : own;
}

static void dismiss(struct waiter *waiter)
{
    wf_list_unlink(&waiter->link);
    wf_list_remove_init(&waiter->all);
    weft_event_set(&waiter->bell);
}

static void give(struct wf_http_pool *pool, struct waiter *waiter, struct wf_http_place *place)
{
    struct wf_http_host *host = waiter->host;
    waiter->place = place;
    dismiss(waiter);
    wf_list_remove_init(&host->turn); /* the next one is behind the others' */
    if (place->host != host)
        move_place(pool, place, host);
    settle(pool, host);
}

static void join(struct wf_http_pool *pool, struct wf_http_host *host, struct waiter *waiter)
{
    *waiter = (struct waiter){ .host = host, .ticket = pool->tickets++ };
    weft_event_init(&waiter->bell);
    wf_list_push_back(&host->line, &waiter->link);
    wf_list_push_back(&pool->line, &waiter->all);
}

/* A cancel that met the news leaves what was given to the next one. */
static int end_waiting(struct wf_http_pool *pool, struct waiter *waiter, int err,
                       struct wf_http_place **place)
{
    if (!wf_list_is_empty(&waiter->all)) {
        dismiss(waiter);
        settle(pool, waiter->host);
        return err;
    }
    if (!waiter->place)
        return -ESHUTDOWN;
    if (err == -ECANCELED) {
        wf_http_pool_leave(pool, waiter->place, waiter->place->stream != NULL);
        return err;
    }
    *place = waiter->place;
    return 0;
}

static int wait_in_line(struct wf_http_pool *pool, struct wf_http_host *host,
                        struct wf_http_place **place)
{
    struct waiter waiter;
    join(pool, host, &waiter);
    settle(pool, host);
    int err = weft_event_wait(&waiter.bell);
    err = end_waiting(pool, &waiter, err, place);
    if (err == 0 && (*place)->stream && !is_alive((*place)->stream))
        disconnect(*place);
    return err;
}

/* --- in and out --- */

/* A place that is free, or was another host's coldest. -EAGAIN: there is none. */
static int find_place(struct wf_http_pool *pool, struct wf_http_host *host,
                      struct wf_http_place **place)
{
    if (host->place_count >= pool->host_place_max)
        return -EAGAIN;
    if (pool->place_count < pool->place_max) {
        *place = add_place(pool, host);
        return *place ? 0 : -ENOMEM;
    }
    *place = oldest(pool);
    if (!*place)
        return -EAGAIN;
    disconnect(wake(pool, *place));
    move_place(pool, *place, host);
    return 0;
}

int wf_http_pool_enter(struct wf_http_pool *pool, const char *address, struct wf_http_place **place)
{
    struct wf_http_host *host = host_of(pool, address);
    if (!host)
        return -ENOMEM;
    *place = take_idle(pool, host);
    int err = *place ? 0 : find_place(pool, host, place);
    if (err == -EAGAIN)
        return wait_in_line(pool, host, place);
    settle(pool, host);
    return err;
}

void wf_http_pool_leave(struct wf_http_pool *pool, struct wf_http_place *place, bool keep)
{
    struct waiter *next = next_in_line(pool, place->host);
    if (!keep || (next && next->host != place->host))
        disconnect(place);
    if (next)
        give(pool, next, place);
    else if (keep)
        rest(pool, place);
    else
        drop_place(pool, place);
}

void wf_http_pool_clear(struct wf_http_pool *pool)
{
    struct wf_http_place *place;
    struct wf_list *link;
    while ((link = wf_list_first(&pool->line))) {
        struct waiter *waiter = wf_container(link, struct waiter, all);
        dismiss(waiter);
        settle(pool, waiter->host);
    }
    while ((place = oldest(pool)))
        drop_idle(pool, place);
    weft_handle_cancel(pool->expiry);
    pool->expiry.id = 0;
}
