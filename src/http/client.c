/* Clients, and the one that belongs to the loop.
 *
 * A loop's own client has to end with its loop, so a task in the background holds it: it reads from
 * a memory stream on which nothing ever comes until the loop cancels it; what it leaves behind is
 * the client's end. All memory of a client is one arena: entries come and go on free lists, and
 * their numbers are bounded. */

#include "http/client.h"

#include <weft/error.h>
#include <weft/scope.h>

#include <errno.h>
#include <string.h>
#include <strings.h>

#define CONNECTIONS_MAX      65536
#define HOST_CONNECTIONS_MAX 10000 /* as many as a server has clients */
#define IDLE_MAX             256
#define HOST_IDLE_MAX        64
#define IDLE_TIMEOUT         (15 * WEFT_SECOND)
#define MAPPINGS_MAX         1024

struct mapping {
    struct wf_http_entry entry;
    char host[WF_HTTP_ADDRESS_MAX + 1];
    char address[WF_HTTP_ADDRESS_MAX + 1];
};

/* This thread's loops' own clients. */
static _Thread_local struct wf_list own_clients;

/* --- life --- */

static void set_limits(struct wf_http_pool *pool, const struct weft_http_client_options *options)
{
    uint32_t all = options->connections_max, host = options->host_connections_max;
    pool->place_max = all ? all : CONNECTIONS_MAX;
    pool->host_place_max = host ? host : HOST_CONNECTIONS_MAX;
    pool->idle_max = options->idle_max ? options->idle_max : IDLE_MAX;
    pool->host_idle_max = options->host_idle_max ? options->host_idle_max : HOST_IDLE_MAX;
    pool->idle_timeout = options->idle_timeout ? options->idle_timeout : IDLE_TIMEOUT;
}

static weft_http_client *make(const struct weft_http_client_options *options)
{
    weft_arena *arena;
    if (weft_arena_new(&arena, SIZE_MAX) < 0)
        return NULL;
    weft_http_client *client = weft_arena_alloc(arena, sizeof *client);
    if (!client) {
        weft_arena_free(arena);
        return NULL;
    }
    *client = (weft_http_client){ .arena = arena, .references = 1, .loop = weft_loop_current() };
    wf_list_init(&client->link);
    wf_http_pool_init(&client->pool, arena);
    set_limits(&client->pool, options);
    return client;
}

int weft_http_client_new_with(const struct weft_http_client_options *given)
{
    struct weft_http_client_options options = { .client = NULL };
    size_t size = given->size && given->size < sizeof options ? given->size : sizeof options;
    memcpy(&options, given, size);
    if (!weft_loop_current())
        return -EPERM;
    weft_http_client *client = make(&options);
    if (!client)
        return -ENOMEM;
    *options.client = client;
    return 0;
}

void wf_http_client_release(weft_http_client *client)
{
    if (--client->references == 0)
        weft_arena_free(client->arena);
}

void weft_http_client_free(weft_http_client *client)
{
    if (!client)
        return;
    client->closed = true;
    wf_http_pool_clear(&client->pool);
    wf_http_client_release(client);
}

/* --- the loop's own --- */

static int hold_on(weft_http_client *client);

/* Who cancels all tasks but its own does not mean this one: it begins anew, and with it what was
 * mapped stays. When the loop ends it does not begin. */
static int hold(void *arg)
{
    weft_http_client *client = arg;
    char byte;
    int err = (int)weft_read(client->parked[0], &byte, 1);
    client->passed_on = hold_on(client) == 0;
    return err;
}

static void end_own(void *arg)
{
    weft_http_client *client = arg;
    if (client->passed_on) {
        client->passed_on = false;
        return;
    }
    wf_list_remove(&client->link);
    weft_close(client->parked[0]);
    weft_close(client->parked[1]);
    weft_http_client_free(client);
}

/* At once: cancelled before its first step it could not begin anew. */
static int hold_on(weft_http_client *client)
{
    return weft_spawn(weft_background(), hold, client, .name = "http client", .drop = end_own,
                      .no_locals = true, .eager = true);
}

static int make_own(weft_http_client **made)
{
    weft_http_client *client = make(&(struct weft_http_client_options){ .client = NULL });
    if (!client)
        return -ENOMEM;
    int err = weft_memory_pair(&client->parked[0], &client->parked[1]);
    if (err < 0) {
        weft_http_client_free(client);
        return err;
    }
    wf_list_push_back(&own_clients, &client->link);
    err = hold_on(client);
    if (err < 0)
        end_own(client);
    else
        *made = client;
    return err;
}

/* Make the loop's own client, unless it stands already. */
static int find_own(weft_http_client **found)
{
    weft_loop *loop = weft_loop_current();
    if (!loop)
        return -EPERM;
    if (!own_clients.next)
        wf_list_init(&own_clients);
    WF_LIST_EACH(link, &own_clients) {
        weft_http_client *client = wf_container(link, weft_http_client, link);
        if (client->loop == loop) {
            *found = client;
            return 0;
        }
    }
    return make_own(found);
}

int wf_http_client_retain(weft_http_client **client)
{
    int err = *client ? 0 : find_own(client);
    if (err < 0)
        return err;
    (*client)->references++;
    return 0;
}

/* --- names --- */

static struct mapping *find(weft_http_client *client, const char *host)
{
    uint32_t hash = wf_http_hash(host);
    WF_HTTP_TABLE_EACH(entry, &client->mappings, hash) {
        struct mapping *mapping = wf_container(entry, struct mapping, entry);
        if (entry->hash == hash && strcasecmp(mapping->host, host) == 0)
            return mapping;
    }
    return NULL;
}

const char *wf_http_client_find(weft_http_client *client, const char *host)
{
    struct mapping *mapping = find(client, host);
    return mapping ? mapping->address : NULL;
}

static int add(weft_http_client *client, const char *host, const char *address)
{
    struct mapping *mapping = find(client, host);
    if (!mapping && client->mapping_count == MAPPINGS_MAX)
        return WEFT_ELIMIT;
    if (!mapping) {
        mapping = weft_arena_alloc(client->arena, sizeof *mapping);
        if (!mapping)
            return -ENOMEM;
        client->mapping_count++;
        wf_http_table_add(&client->mappings, &mapping->entry, wf_http_hash(host));
        memcpy(mapping->host, host, strlen(host) + 1);
    }
    memcpy(mapping->address, address, strlen(address) + 1);
    return 0;
}

static bool is_usable(const char *text)
{
    return text && *text && strlen(text) <= WF_HTTP_ADDRESS_MAX;
}

int weft_http_client_map(weft_http_client *client, const char *host, const char *address)
{
    if (!is_usable(host) || !is_usable(address))
        return -EINVAL;
    int err = wf_http_client_retain(&client);
    if (err < 0)
        return err;
    err = add(client, host, address);
    wf_http_client_release(client);
    return err;
}
