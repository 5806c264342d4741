/* Kept connections on two lists each, their host's and the pool's by age.
 *
 * What is taken is looked at first: a connection on which anything has come, the end above all, is
 * dead. Entries for connections and hosts go back to free lists, so that memory is asked for only
 * while the pool grows. Taking and putting cost a walk over the hosts, which compares hashes. */

#include "http/pool.h"

#include <errno.h>
#include <string.h>

struct host {
    struct wf_list link; /* in hosts, or free */
    struct wf_list idle; /* newest first */
    uint32_t idle_count; /* > 0 in hosts */
    uint32_t hash;
    char address[WF_HTTP_ADDRESS_MAX + 1];
};

struct idle {
    struct wf_list link; /* in the host's idle, or free */
    struct wf_list age;  /* in the pool's ages */
    struct host *host;
    weft_stream *stream;
    int64_t until; /* it is kept */
};

void wf_http_pool_init(struct wf_http_pool *pool, weft_arena *arena)
{
    *pool = (struct wf_http_pool){ .arena = arena };
    wf_list_init(&pool->hosts);
    wf_list_init(&pool->ages);
    wf_list_init(&pool->no_hosts);
    wf_list_init(&pool->no_idle);
}

/* --- hosts --- */

/* FNV-1a. */
static uint32_t hash_of(const char *text)
{
    uint32_t hash = 2166136261u;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

static struct host *find_host(struct wf_http_pool *pool, const char *address)
{
    uint32_t hash = hash_of(address);
    WF_LIST_EACH(link, &pool->hosts) {
        struct host *host = wf_container(link, struct host, link);
        if (host->hash == hash && strcmp(host->address, address) == 0)
            return host;
    }
    return NULL;
}

static struct host *add_host(struct wf_http_pool *pool, const char *address)
{
    size_t size = strlen(address);
    if (size > WF_HTTP_ADDRESS_MAX)
        return NULL;
    struct wf_list *link = wf_list_pop_front(&pool->no_hosts);
    struct host *host =
        link ? wf_container(link, struct host, link) : weft_arena_alloc(pool->arena, sizeof *host);
    if (!host)
        return NULL;
    wf_list_init(&host->idle);
    host->idle_count = 0;
    host->hash = hash_of(address);
    memcpy(host->address, address, size + 1);
    wf_list_push_front(&pool->hosts, &host->link);
    return host;
}

static void drop_host_if_empty(struct wf_http_pool *pool, struct host *host)
{
    if (host->idle_count > 0)
        return;
    wf_list_unlink(&host->link);
    wf_list_push_front(&pool->no_hosts, &host->link);
}

/* --- connections --- */

static weft_stream *remove_idle(struct wf_http_pool *pool, struct idle *idle)
{
    struct host *host = idle->host;
    wf_list_unlink(&idle->age);
    wf_list_unlink(&idle->link);
    wf_list_push_front(&pool->no_idle, &idle->link);
    pool->idle_count--;
    host->idle_count--;
    drop_host_if_empty(pool, host);
    return idle->stream;
}

static struct idle *oldest(struct wf_http_pool *pool)
{
    struct wf_list *age = wf_list_first(&pool->ages);
    return age ? wf_container(age, struct idle, age) : NULL;
}

static void arm(struct wf_http_pool *pool);

static void expire(void *arg)
{
    struct wf_http_pool *pool = arg;
    struct idle *idle;
    int64_t now = weft_now();
    pool->expiry.id = 0;
    while ((idle = oldest(pool)) && idle->until <= now)
        weft_close(remove_idle(pool, idle));
    arm(pool);
}

static void arm(struct wf_http_pool *pool)
{
    struct idle *idle = oldest(pool);
    if (idle && !pool->expiry.id)
        pool->expiry = weft_call_at(idle->until, expire, pool);
}

/* Nothing may come while nothing was asked: bytes are as bad as the end. */
static bool is_alive(weft_stream *stream)
{
    char byte;
    return weft_read_try(stream, &byte, 1) == -EAGAIN;
}

weft_stream *wf_http_pool_take(struct wf_http_pool *pool, const char *address)
{
    struct host *host;
    while ((host = find_host(pool, address))) {
        struct idle *idle = wf_container(wf_list_first(&host->idle), struct idle, link);
        bool over = idle->until <= weft_now();
        weft_stream *stream = remove_idle(pool, idle);
        if (!over && is_alive(stream))
            return stream;
        weft_close(stream);
    }
    return NULL;
}

static struct idle *new_idle(struct wf_http_pool *pool)
{
    struct wf_list *link = wf_list_pop_front(&pool->no_idle);
    return link ? wf_container(link, struct idle, link)
                : weft_arena_alloc(pool->arena, sizeof(struct idle));
}

/* Close the coldest connection of a full host, or of a full pool. */
static void make_room(struct wf_http_pool *pool, const char *address)
{
    struct host *host = find_host(pool, address);
    if (host && host->idle_count >= pool->host_idle_max)
        weft_close(remove_idle(pool, wf_container(wf_list_last(&host->idle), struct idle, link)));
    else if (pool->idle_count >= pool->idle_max)
        weft_close(remove_idle(pool, oldest(pool)));
}

void wf_http_pool_put(struct wf_http_pool *pool, const char *address, weft_stream *stream)
{
    make_room(pool, address);
    struct idle *idle = new_idle(pool);
    struct host *host = idle ? find_host(pool, address) : NULL;
    if (idle && !host)
        host = add_host(pool, address);
    if (!host) {
        if (idle)
            wf_list_push_front(&pool->no_idle, &idle->link);
        weft_close(stream);
        return;
    }
    idle->host = host;
    idle->stream = stream;
    idle->until = weft_deadline(pool->idle_timeout);
    wf_list_push_front(&host->idle, &idle->link);
    wf_list_push_back(&pool->ages, &idle->age);
    host->idle_count++;
    pool->idle_count++;
    arm(pool);
}

void wf_http_pool_clear(struct wf_http_pool *pool)
{
    struct idle *idle;
    while ((idle = oldest(pool)))
        weft_close(remove_idle(pool, idle));
    weft_handle_cancel(pool->expiry);
    pool->expiry.id = 0;
}
