#include "place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- Wheels: who is asked next. --- */

struct target *engine_next_target(struct engine *engine)
{
    struct target *target = engine->wheel[engine->wheel_at];
    engine->wheel_at = engine->wheel_at + 1 < engine->wheel_size ? engine->wheel_at + 1 : 0;
    return target;
}

struct target *place_next_target(struct endpoint *endpoint)
{
    struct target *target = endpoint->wheel[endpoint->wheel_at];
    endpoint->wheel_at = endpoint->wheel_at + 1 < endpoint->wheel_size ? endpoint->wheel_at + 1 : 0;
    return target;
}

static bool is_at(const struct target *target, const struct target *other)
{
    return target->address_size == other->address_size &&
           memcmp(&target->address, &other->address, target->address_size) == 0;
}

struct endpoint *place_endpoint_of(const struct engine *engine, const struct target *target)
{
    if (engine->endpoint_count == 1 && engine->endpoints[0].wheel_size == engine->wheel_size)
        return engine->endpoints;
    for (int i = 0; i < engine->endpoint_count; i++)
        if (is_at(engine->endpoints[i].wheel[0], target))
            return &engine->endpoints[i];
    return NULL;
}

/* Put targets, each as often as it weighs, one of each in turn. */
static unsigned fill_wheel(struct target **wheel, const struct engine *engine,
                           const struct target *like)
{
    unsigned count = 0;
    bool more = true;
    for (unsigned round = 0; more; round++) {
        more = false;
        for (int i = 0; i < engine->options.target_count; i++) {
            struct target *target = &engine->options.targets[i];
            if (target->weight <= round || (like != NULL && !is_at(like, target)))
                continue;
            wheel[count++] = target;
            more = true;
        }
    }
    return count;
}

int place_make_endpoints(struct engine *engine)
{
    int count = engine->options.target_count;
    size_t total = 0;
    for (int i = 0; i < count; i++)
        total += engine->options.targets[i].weight;
    engine->wheel = calloc(total, sizeof *engine->wheel);
    engine->endpoints = calloc((size_t)count, sizeof *engine->endpoints);
    if (engine->wheel == NULL || engine->endpoints == NULL)
        return -ENOMEM;
    engine->wheel_size = fill_wheel(engine->wheel, engine, NULL);
    for (int i = 0; i < count; i++) {
        const struct target *target = &engine->options.targets[i];
        if (place_endpoint_of(engine, target) != NULL)
            continue;
        struct endpoint *endpoint = &engine->endpoints[engine->endpoint_count];
        endpoint->wheel = calloc(total, sizeof *endpoint->wheel);
        if (endpoint->wheel == NULL)
            return -ENOMEM;
        endpoint->tail = &endpoint->head;
        endpoint->wheel_size = fill_wheel(endpoint->wheel, engine, target);
        engine->endpoint_count++;
    }
    return 0;
}

/* --- Places. --- */

static void list(struct connection *connection, bool is_first)
{
    struct endpoint *endpoint = connection->endpoint;
    if (connection->listed)
        return;
    connection->listed = true;
    if (is_first && endpoint->head != NULL) {
        connection->next = endpoint->head;
        endpoint->head = connection;
        return;
    }
    connection->next = NULL;
    *endpoint->tail = connection;
    endpoint->tail = &connection->next;
}

void place_list(struct connection *connection)
{
    list(connection, connection->engine->options.newest_first);
}

void place_list_first(struct connection *connection)
{
    list(connection, true);
}

/* One with a free place; NULL: there is none. */
struct connection *place_take(struct endpoint *endpoint)
{
    struct connection *connection;
    while ((connection = endpoint->head) != NULL) {
        endpoint->head = connection->next;
        if (endpoint->head == NULL)
            endpoint->tail = &endpoint->head;
        connection->listed = false;
        if (place_is_free(connection))
            return connection;
    }
    return NULL;
}

bool place_push_backlog(struct endpoint *endpoint, struct target *target, int64_t due)
{
    if (endpoint->backlog_count == endpoint->backlog_room) {
        size_t room = endpoint->backlog_room > 0 ? 2 * endpoint->backlog_room : 1024;
        struct exchange *larger = malloc(room * sizeof *larger);
        if (larger == NULL)
            return false;
        for (size_t i = 0; i < endpoint->backlog_count; i++)
            larger[i] = endpoint->backlog[(endpoint->backlog_first + i) % endpoint->backlog_room];
        free(endpoint->backlog);
        endpoint->backlog = larger;
        endpoint->backlog_room = room;
        endpoint->backlog_first = 0;
    }
    size_t at = (endpoint->backlog_first + endpoint->backlog_count++) % endpoint->backlog_room;
    endpoint->backlog[at] = (struct exchange){ .due = due, .target = target };
    return true;
}

struct exchange place_pop_backlog(struct endpoint *endpoint)
{
    struct exchange exchange = endpoint->backlog[endpoint->backlog_first];
    endpoint->backlog_first = (endpoint->backlog_first + 1) % endpoint->backlog_room;
    endpoint->backlog_count--;
    return exchange;
}
